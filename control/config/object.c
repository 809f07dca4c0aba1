// SPDX-License-Identifier: BSD-2-Clause
// What can be done with any struct that the schema describes.

#include "control/config/schema.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct schema_list schema_list_load(const void *at)
{
	// A CONFIG_LIST is laid out like struct schema_list but is another type to the compiler.
	struct schema_list list;
	memcpy(&list, at, sizeof(list));
	return list;
}

void schema_list_store(void *at, struct schema_list list)
{
	memcpy(at, &list, sizeof(list));
}

bool schema_is_text(enum schema_type type)
{
	return type == SCHEMA_NAME || type == SCHEMA_TEXT || type == SCHEMA_HOST ||
	       type == SCHEMA_SERVER_NAME || type == SCHEMA_PATH || type == SCHEMA_DEVICE ||
	       type == SCHEMA_SIP_URI || type == SCHEMA_DOMAIN;
}

size_t schema_value_size(const struct schema_field *f)
{
	switch (f->type) {
	case SCHEMA_BOOL:
		return sizeof(bool);
	case SCHEMA_NUMBER:
	case SCHEMA_CPU:
	case SCHEMA_DURATION:
	case SCHEMA_PERCENT:
	case SCHEMA_SIZE:
	case SCHEMA_CHOICE:
	case SCHEMA_STATUS:
		return sizeof(uint32_t);
	case SCHEMA_NAME:
	case SCHEMA_TEXT:
	case SCHEMA_HOST:
	case SCHEMA_SERVER_NAME:
	case SCHEMA_DOMAIN:
	case SCHEMA_PATH:
	case SCHEMA_DEVICE:
	case SCHEMA_SIP_URI:
		return sizeof(char *);
	case SCHEMA_ADDRESS:
		return sizeof(struct postern_addr);
	case SCHEMA_PREFIX:
	case SCHEMA_NETWORK:
		return sizeof(struct postern_prefix);
	case SCHEMA_ENDPOINT:
	case SCHEMA_SOCKET:
	case SCHEMA_RESOLVER:
		return sizeof(struct postern_endpoint);
	case SCHEMA_PORTS:
		return sizeof(struct config_ports);
	case SCHEMA_LISTEN:
		return sizeof(struct config_listen);
	case SCHEMA_OBJECT:
		return f->object->size;
	}
	return 0;
}

const struct schema_field *schema_field_find(const struct schema_object *o, const char *key)
{
	for (size_t i = 0; i < o->count; i++)
		if (strcmp(o->fields[i].key, key) == 0)
			return &o->fields[i];
	return NULL;
}

static void clear_value(const struct schema_field *f, void *at)
{
	if (f->type == SCHEMA_OBJECT) {
		schema_object_clear(f->object, at);
	} else if (schema_is_text(f->type)) {
		char *text;
		memcpy(&text, at, sizeof(text));
		free(text);
	}
}

static void clear_list(const struct schema_field *f, void *at)
{
	struct schema_list list = schema_list_load(at);
	size_t size = schema_value_size(f);
	for (size_t i = 0; i < list.count; i++)
		clear_value(f, (char *)list.items + i * size);
	free(list.items);
}

static bool copy_value(const struct schema_field *f, void *to, const void *from)
{
	char *text;
	memcpy(&text, from, schema_is_text(f->type) ? sizeof(text) : 0);
	if (!schema_is_text(f->type)) {
		memcpy(to, from, schema_value_size(f));
		return true;
	}
	char *copy = text ? strdup(text) : NULL;
	memcpy(to, &copy, sizeof(copy));
	return copy || !text;
}

static bool copy_list(const struct schema_field *f, void *to, const void *from)
{
	struct schema_list list = schema_list_load(from);
	struct schema_list copy = {.items = NULL};
	size_t size = schema_value_size(f);
	if (list.count > 0)
		copy.items = calloc(list.count, size);
	while (copy.items && copy.count < list.count &&
		copy_value(f, (char *)copy.items + copy.count * size,
			(const char *)list.items + copy.count * size))
		copy.count++;
	schema_list_store(to, copy);
	return copy.count == list.count;
}

bool schema_field_copy(const struct schema_field *f, void *to, const void *from)
{
	assert(f->type != SCHEMA_OBJECT);
	if (!(f->flags & SCHEMA_LIST)) {
		clear_value(f, to);
		return copy_value(f, to, from);
	}
	clear_list(f, to);
	return copy_list(f, to, from);
}

void schema_object_clear(const struct schema_object *o, void *base)
{
	for (size_t i = 0; i < o->count; i++) {
		const struct schema_field *f = &o->fields[i];
		void *at = (char *)base + f->offset;
		if (f->flags & SCHEMA_LIST)
			clear_list(f, at);
		else
			clear_value(f, at);
	}
}

void config_free(struct config *c)
{
	if (!c)
		return;
	schema_object_clear(&config_schema, c);
	config_errors_free(&c->warnings);
	config_forget_lines(c);
	free(c->file);
	free(c);
}

const struct config_pool *config_pool_find(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->pools.count; i++)
		if (strcmp(c->pools.items[i].name, name) == 0)
			return &c->pools.items[i];
	return NULL;
}

const struct config_organisation *config_organisation_find(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->organisations.count; i++)
		if (strcmp(c->organisations.items[i].name, name) == 0)
			return &c->organisations.items[i];
	return NULL;
}

const struct config_interface *config_interface_find(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->interfaces.count; i++)
		if (strcmp(c->interfaces.items[i].name, name) == 0)
			return &c->interfaces.items[i];
	return NULL;
}
