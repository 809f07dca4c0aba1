// SPDX-License-Identifier: BSD-2-Clause
// Entries: what is said of one partner, provider or organisation.

#include "control/config/config.h"
#include "control/policy/private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void policy_entry_clear(struct policy_entry *e)
{
	for (size_t i = 0; i < POLICY_FIELDS_MAX; i++) {
		free(e->value[i]);
		e->value[i] = NULL;
	}
}

bool policy_entry_copy(struct policy_entry *to, const struct policy_entry *from)
{
	bool good = true;

	*to = *from;
	for (size_t i = 0; i < POLICY_FIELDS_MAX; i++) {
		to->value[i] = from->value[i] ? strdup(from->value[i]) : NULL;
		good = good && (to->value[i] || !from->value[i]);
	}
	if (!good)
		policy_entry_clear(to);
	return good;
}

const char *policy_entry_get(const struct policy_entry *e, size_t field)
{
	return e->value[field] && e->value[field][0] != '\0'
		       ? e->value[field]
		       : policy_object(e->kind)->fields[field].standard;
}

static size_t index_of(enum policy_kind kind, const char *name)
{
	const struct policy_object *o = policy_object(kind);

	for (size_t i = 0; i < o->n; i++)
		if (strcmp(o->fields[i].name, name) == 0)
			return i;
	return SIZE_MAX;
}

const char *policy_entry_named(const struct policy_entry *e, const char *field)
{
	const size_t i = index_of(e->kind, field);

	return i == SIZE_MAX ? NULL : policy_entry_get(e, i);
}

bool policy_entry_is_on(const struct policy_entry *e, const char *field)
{
	const char *value = policy_entry_named(e, field);

	return value && strcmp(value, "true") == 0;
}

bool policy_entry_equal(const struct policy_entry *a, const struct policy_entry *b)
{
	for (size_t i = 0; i < policy_object(a->kind)->n; i++) {
		const char *x = a->value[i] ? a->value[i] : "", *y = b->value[i] ? b->value[i] : "";

		if (strcmp(x, y) != 0)
			return false;
	}
	return true;
}

static json_t *list_json(const char *text)
{
	json_t *list = json_array();

	while (text && *text != '\0') {
		const size_t n = strcspn(text, ",");

		json_array_append_new(list, json_stringn(text, n));
		text += n + (text[n] == ',');
	}
	return list;
}

json_t *policy_value_json(const struct policy_field *f, const char *value)
{
	switch (f->type) {
	case POLICY_BOOL:
		return json_boolean(value && strcmp(value, "true") == 0);
	case POLICY_NUMBER:
		return value ? json_integer(strtoll(value, NULL, 10)) : json_null();
	case POLICY_DOMAINS:
	case POLICY_PREFIXES:
		return list_json(value);
	default:
		return value ? json_string(value) : json_null();
	}
}

static json_t *entry_json(const struct policy_entry *e, unsigned flags)
{
	const struct policy_object *o = policy_object(e->kind);
	json_t *object = json_object();

	for (size_t i = 0; i < o->n; i++)
		if ((o->fields[i].flags & flags) == flags)
			json_object_set_new(object, o->fields[i].name,
				policy_value_json(&o->fields[i], policy_entry_get(e, i)));
	json_object_set_new(object, "revision", json_integer((json_int_t)e->revision));
	return object;
}

json_t *policy_entry_json(const struct policy_entry *e)
{
	return entry_json(e, 0);
}

json_t *policy_entry_short_json(const struct policy_entry *e)
{
	return entry_json(e, POLICY_SHORT);
}

json_t *policy_entry_given_json(const struct policy_entry *e)
{
	const struct policy_object *o = policy_object(e->kind);
	json_t *object = json_object();

	for (size_t i = 0; i < o->n; i++)
		if (e->value[i] && e->value[i][0] != '\0')
			json_object_set_new(object, o->fields[i].name,
				policy_value_json(&o->fields[i], e->value[i]));
	return object;
}

void policy_entry_settle(struct policy_entry *e)
{
	for (size_t i = 0; i < POLICY_FIELDS_MAX; i++) {
		if (!e->value[i] || e->value[i][0] != '\0')
			continue;
		free(e->value[i]);
		e->value[i] = NULL;
	}
}

bool policy_entry_merge(struct policy_entry *e, const struct policy_entry *given)
{
	for (size_t i = 0; i < POLICY_FIELDS_MAX; i++) {
		if (!given->value[i])
			continue;
		char *copy = strdup(given->value[i]);
		if (!copy)
			return false;
		free(e->value[i]);
		e->value[i] = copy;
	}
	policy_entry_settle(e);
	return true;
}

int policy_entry_read(struct policy_entry *e, const struct policy_field *f, const char *text,
	size_t length, int line, struct config_errors *errors)
{
	char why[POLICY_WHY], expected[512];
	char *value = NULL;
	const size_t at = (size_t)(f - policy_object(e->kind)->fields);
	int status = policy_value_read(f, text, length, &value, why);

	if (status == -EINVAL) {
		const int added = config_errors_add(errors, line, f->name,
			policy_value_expect(f, expected, sizeof(expected)), "%s", why);

		return added != 0 ? added : status;
	}
	if (status == 0) {
		free(e->value[at]);
		e->value[at] = value;
	}
	return status;
}
