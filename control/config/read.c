// SPDX-License-Identifier: BSD-2-Clause
// Walks the YAML tree along the schema and fills a config.

#include "control/config/read.h"

#include "control/config/tree.h"
#include "control/config/unit.h"
#include "control/config/value.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

// Values that are read in all: aliases can make a small file mean a huge one.
#define MOST_VALUES (1u << 22)

static void read_object(struct config_context *ctx, const struct schema_object *o,
	const struct config_node *n, void *base);

static const char *kind_name(const struct config_tree *t, const struct config_node *n)
{
	if (config_node_is_null(t, n))
		return "no value";
	if (n->kind == CONFIG_NODE_MAP)
		return "a mapping";
	return n->kind == CONFIG_NODE_LIST ? "a list" : "a single value";
}

static void wrong_kind(struct config_context *ctx, const struct schema_field *f,
	const struct config_node *n, bool list)
{
	char expect[CONFIG_EXPECT], what[CONFIG_EXPECT + 64];
	config_value_expect(f, expect);
	const char *one = f->flags & SCHEMA_ONE_TOO ? "one or a list, each " : "a list, each ";
	snprintf(what, sizeof(what), "%s%s%s", list ? one : "", expect,
		config_node_is_null(ctx->tree, n) && !(f->flags & SCHEMA_REQUIRED)
			? ", or leave the key out"
			: "");
	config_mistake(ctx, n->line, what, "here is %s", kind_name(ctx->tree, n));
}

// True if one more value may be read.
static bool spend(struct config_context *ctx, const struct config_node *n)
{
	if (ctx->values++ < MOST_VALUES)
		return true;
	if (ctx->values == MOST_VALUES + 1)
		config_mistake(ctx, n->line, "fewer of them, or fewer aliases",
			"the file means more than %u values", MOST_VALUES);
	return false;
}

static void read_scalar(struct config_context *ctx, const struct schema_field *f,
	const struct config_node *n, void *at)
{
	if (n->kind != CONFIG_NODE_SCALAR || config_node_is_null(ctx->tree, n)) {
		wrong_kind(ctx, f, n, false);
		config_value_spoil(f, at);
		return;
	}
	char why[CONFIG_WHY], expect[CONFIG_EXPECT];
	int rc = config_value_parse(
		f, ctx->folder, config_tree_text(ctx->tree, n), n->length, at, why);
	if (rc == -ENOMEM)
		ctx->failure = rc;
	if (rc == -EINVAL)
		config_mistake(ctx, n->line, config_value_expect(f, expect), "%s", why);
	if (rc)
		config_value_spoil(f, at);
}

static void read_value(struct config_context *ctx, const struct schema_field *f,
	const struct config_node *n, void *at)
{
	if (!spend(ctx, n))
		config_value_spoil(f, at);
	else if (f->type != SCHEMA_OBJECT)
		read_scalar(ctx, f, n, at);
	else if (n->kind == CONFIG_NODE_MAP)
		read_object(ctx, f->object, n, at);
	else
		wrong_kind(ctx, f, n, false);
}

static bool list_size_fits(
	struct config_context *ctx, const struct schema_field *f, const struct config_node *n)
{
	char expect[64];
	if (n->children == 0 && (f->flags & SCHEMA_NOT_EMPTY)) {
		config_mistake(ctx, n->line, "at least one", "the list is empty");
		return false;
	}
	if (n->children <= f->most)
		return true;
	snprintf(expect, sizeof(expect), "at most %u", f->most);
	config_mistake(ctx, n->line, expect, "the list has %u elements", n->children);
	return false;
}

static void read_list(struct config_context *ctx, const struct schema_field *f,
	const struct config_node *n, void *at)
{
	bool one = n->kind == CONFIG_NODE_SCALAR && (f->flags & SCHEMA_ONE_TOO) &&
		   !config_node_is_null(ctx->tree, n);
	if (n->kind != CONFIG_NODE_LIST && !one) {
		wrong_kind(ctx, f, n, true);
		return;
	}
	if (!one && !list_size_fits(ctx, f, n))
		return;
	size_t size = schema_value_size(f);
	struct schema_list list = {.count = one ? 1 : n->children};
	if (list.count == 0)
		return;
	list.items = calloc(list.count, size);
	if (!list.items) {
		ctx->failure = -ENOMEM;
		return;
	}
	schema_list_store(at, list);
	if (one) {
		read_value(ctx, f, n, list.items);
		return;
	}
	uint32_t child = n->first;
	for (size_t i = 0; i < list.count; i++, child = ctx->tree->nodes[child].next) {
		size_t length = config_path_enter(ctx, "[%zu]", i);
		const struct config_node *element = config_tree_node(ctx->tree, child);
		read_value(ctx, f, element, (char *)list.items + i * size);
		config_path_leave(ctx, length);
	}
}

static void default_computed(struct config_context *ctx, void *at)
{
	struct schema_list list = {.items = malloc(sizeof(uint32_t)), .count = 1};
	if (!list.items) {
		ctx->failure = -ENOMEM;
		return;
	}
	*(uint32_t *)list.items = config_cpu_highest();
	schema_list_store(at, list);
}

// "[200, 404]": elements of a default need no quotes.
static void default_list(struct config_context *ctx, const struct schema_field *f, void *at)
{
	size_t size = schema_value_size(f), most = 1;
	for (const char *c = f->standard; *c; c++)
		most += *c == ',';
	struct schema_list list = {.items = calloc(most, size)};
	if (!list.items) {
		ctx->failure = -ENOMEM;
		return;
	}
	schema_list_store(at, list);
	for (const char *c = f->standard + 1; *c; c += strspn(c, ", ]")) {
		char text[64], why[CONFIG_WHY];
		size_t length = strcspn(c, ",]");
		assert(length < sizeof(text) && list.count < most);
		memcpy(text, c, length);
		text[length] = '\0';
		int rc = config_value_parse(f, ctx->folder, text, length,
			(char *)list.items + list.count++ * size, why);
		assert(rc != -EINVAL);
		if (rc)
			ctx->failure = rc;
		c += length;
	}
	schema_list_store(at, list);
}

static void default_object(struct config_context *ctx, const struct schema_object *o, void *base);

static void default_field(struct config_context *ctx, const struct schema_field *f, void *at)
{
	if (f->type == SCHEMA_OBJECT && !(f->flags & (SCHEMA_LIST | SCHEMA_MAY_LACK))) {
		default_object(ctx, f->object, at);
	} else if (f->flags & SCHEMA_COMPUTED) {
		if (f->type == SCHEMA_CPU && (f->flags & SCHEMA_LIST))
			default_computed(ctx, at);
	} else if (f->standard && (f->flags & SCHEMA_LIST)) {
		default_list(ctx, f, at);
	} else if (f->standard) {
		char why[CONFIG_WHY];
		int rc = config_value_parse(
			f, ctx->folder, f->standard, strlen(f->standard), at, why);
		assert(rc != -EINVAL);
		if (rc)
			ctx->failure = rc;
	}
}

static void default_object(struct config_context *ctx, const struct schema_object *o, void *base)
{
	for (size_t i = 0; i < o->count; i++)
		default_field(ctx, &o->fields[i], (char *)base + o->fields[i].offset);
}

static void require_field(
	struct config_context *ctx, const struct schema_field *f, int line, void *at)
{
	char expect[CONFIG_EXPECT], what[CONFIG_EXPECT + 64];
	config_value_expect(f, expect);
	snprintf(what, sizeof(what), "%s%s", f->flags & SCHEMA_LIST ? "a list, each " : "", expect);
	size_t length = config_path_enter(ctx, "%s%s", ctx->path_length ? "." : "", f->key);
	config_mistake(ctx, line, what, "the key \"%s\" is missing", f->key);
	config_path_leave(ctx, length);
	if (!(f->flags & SCHEMA_LIST) && f->type != SCHEMA_OBJECT)
		config_value_spoil(f, at);
}

static void unknown_key(
	struct config_context *ctx, const struct schema_object *o, const struct config_node *key)
{
	const char *text = config_tree_text(ctx->tree, key);
	const char *nearest = NULL;
	// Two slips, or one in three characters, still mean the same word.
	size_t limit = strlen(text) / 3 > 2 ? strlen(text) / 3 : 2;
	struct config_words w;
	config_words_begin(&w, "one of: ");
	for (size_t i = 0; i < o->count; i++) {
		const char *known = o->fields[i].key;
		size_t d = config_distance(text, known);
		config_words_add(&w, known);
		if (d <= limit && d < strlen(known)) {
			limit = d > 0 ? d - 1 : 0;
			nearest = known;
		}
	}
	char quoted[CONFIG_QUOTE], meant[64];
	snprintf(meant, sizeof(meant), "did you mean \"%s\"?", nearest ? nearest : "");
	config_quote(quoted, text, key->length);
	if (strcmp(text, "<<") == 0)
		config_mistake(ctx, key->line,
			"the keys themselves, or an alias for the whole mapping",
			"this version does not merge mappings (\"<<\")");
	else
		config_mistake(ctx, key->line, nearest ? meant : w.text,
			"this version knows no key %s here", quoted);
}

// Appends a key to the path if it looks like one.
static size_t enter_key(struct config_context *ctx, const struct config_node *key)
{
	const char *text = config_tree_text(ctx->tree, key);
	const char *dot = ctx->path_length ? "." : "";
	size_t known =
		strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
	if (known == 0 || known != key->length || known > 32)
		return ctx->path_length;
	return config_path_enter(ctx, "%s%s", dot, text);
}

// The field of a key, if it is one and has not been seen.
static const struct schema_field *take_key(struct config_context *ctx,
	const struct schema_object *o, const struct config_node *key, int *seen)
{
	if (key->kind != CONFIG_NODE_SCALAR) {
		config_mistake(ctx, key->line, "a word", "here is %s where a key must stand",
			kind_name(ctx->tree, key));
		return NULL;
	}
	const char *text = config_tree_text(ctx->tree, key);
	const struct schema_field *f = NULL;
	if (strlen(text) == key->length)
		f = schema_field_find(o, text);
	if (!f) {
		size_t length = enter_key(ctx, key);
		unknown_key(ctx, o, key);
		config_path_leave(ctx, length);
		return NULL;
	}
	int *line = &seen[f - o->fields];
	if (*line) {
		size_t length = enter_key(ctx, key);
		config_mistake(ctx, key->line, "each key once",
			"the key \"%s\" stands on line %d already", text, *line);
		config_path_leave(ctx, length);
		return NULL;
	}
	*line = key->line;
	return f;
}

static void read_object(struct config_context *ctx, const struct schema_object *o,
	const struct config_node *n, void *base)
{
	const struct config_tree *t = ctx->tree;
	int seen[SCHEMA_MOST_FIELDS] = {0};
	assert(o->count <= SCHEMA_MOST_FIELDS);
	if (o->line >= 0)
		memcpy((char *)base + o->line, &n->line, sizeof(n->line));
	for (uint32_t i = n->first; i; i = t->nodes[t->nodes[i].next].next) {
		const struct config_node *value = config_tree_node(t, t->nodes[i].next);
		const struct schema_field *f = take_key(ctx, o, config_tree_node(t, i), seen);
		if (!f)
			continue;
		size_t length = config_path_enter(ctx, "%s%s", ctx->path_length ? "." : "", f->key);
		if (f->flags & SCHEMA_LIST)
			read_list(ctx, f, value, (char *)base + f->offset);
		else
			read_value(ctx, f, value, (char *)base + f->offset);
		config_path_leave(ctx, length);
	}
	uint32_t given = 0;
	for (size_t i = 0; i < o->count; i++)
		given |= seen[i] ? UINT32_C(1) << i : 0;
	if (o->given >= 0)
		memcpy((char *)base + o->given, &given, sizeof(given));
	for (size_t i = 0; i < o->count; i++) {
		const struct schema_field *f = &o->fields[i];
		if (seen[i])
			continue;
		if (f->flags & SCHEMA_REQUIRED)
			require_field(ctx, f, n->line, (char *)base + f->offset);
		else
			default_field(ctx, f, (char *)base + f->offset);
	}
}

void config_read_tree(struct config_context *ctx, struct config *c)
{
	static const char expected[] =
		"a mapping with the keys postern, dataplane, interfaces, pools, services, "
		"outbound, organisations";
	const struct config_tree *t = ctx->tree;
	if (t->count <= CONFIG_TREE_ROOT) {
		config_mistake(ctx, 0, expected, "the file is empty");
		return;
	}
	const struct config_node *root = config_tree_node(t, CONFIG_TREE_ROOT);
	if (config_node_is_null(t, root))
		config_mistake(ctx, 0, expected, "the file is empty");
	else if (root->kind != CONFIG_NODE_MAP)
		config_mistake(ctx, root->line, expected, "the file holds %s", kind_name(t, root));
	else
		read_object(ctx, &config_schema, root, c);
	config_probes_inherit(ctx, c);
	config_services_complete(ctx, c);
}
