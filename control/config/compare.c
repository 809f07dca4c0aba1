// SPDX-License-Identifier: BSD-2-Clause
// What a new configuration changes, object by object, for people. Objects of a list are the same if
// their first fields are (a name; of a route its network), wherever they stand.

#include "control/config/value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PATH_SIZE 256

struct compare {
	struct config_changes *out;
	size_t room;
	int failure;
	char object[PATH_SIZE];
	char field[PATH_SIZE];
};

static void objects(struct compare *x, const struct schema_object *o, const void *now,
	const void *next, bool restart);

static bool is_written(const struct schema_field *f, const void *at)
{
	int line;

	if (!(f->flags & SCHEMA_MAY_LACK))
		return true;
	memcpy(&line, (const char *)at + f->object->line, sizeof(line));
	return line != 0;
}

static void print(FILE *to, const struct schema_field *f, const void *at);

// What of an object differs from what would be without it, on one line.
static void print_object(FILE *to, const struct schema_object *o, const void *at)
{
	const char *comma = "";

	fputc('{', to);
	for (size_t i = 0; i < o->count; i++) {
		const struct schema_field *f = &o->fields[i];
		char *text = NULL;
		size_t size = 0;

		if (f->applies && !f->applies(at))
			continue;
		FILE *one = open_memstream(&text, &size);
		if (!one)
			continue;
		print(one, f, (const char *)at + f->offset);
		if (fclose(one) == 0 && size > 0 && strcmp(text, "[]") != 0 &&
			strcmp(text, "{}") != 0 &&
			!(f->standard && strcmp(text, f->standard) == 0)) {
			fprintf(to, "%s%s: %s", comma, f->key, text);
			comma = ", ";
		}
		free(text);
	}
	fputc('}', to);
}

static void print_one(FILE *to, const struct schema_field *f, const void *at)
{
	if (f->type == SCHEMA_OBJECT)
		print_object(to, f->object, at);
	else
		config_value_print(to, f, at);
}

static void print(FILE *to, const struct schema_field *f, const void *at)
{
	if (!(f->flags & SCHEMA_LIST)) {
		const bool none = f->type == SCHEMA_ADDRESS && postern_addr_is_none(at);

		if (is_written(f, at) && !none)
			print_one(to, f, at);
		return;
	}
	const struct schema_list list = schema_list_load(at);

	fputc('[', to);
	for (size_t i = 0; i < list.count; i++) {
		if (i > 0)
			fputs(", ", to);
		print_one(to, f, (const char *)list.items + i * schema_value_size(f));
	}
	fputc(']', to);
}

// NULL when memory is refused; empty for a value that is not there.
static char *text_of(const struct schema_field *f, const void *at, bool element)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	if (!to)
		return NULL;
	if (element)
		print_one(to, f, at);
	else
		print(to, f, at);
	if (fclose(to) == 0)
		return text;
	free(text);
	return NULL;
}

static struct config_change *make_room(struct compare *x)
{
	struct config_changes *c = x->out;

	if (c->list.count == x->room) {
		const size_t room = x->room > 0 ? 2 * x->room : 16;
		void *more = reallocarray(c->list.items, room, sizeof(*c->list.items));

		if (!more)
			return NULL;
		c->list.items = more;
		x->room = room;
	}
	return &c->list.items[c->list.count];
}

// Takes the texts; NULL stands for what is not there.
static void add(
	struct compare *x, enum config_change_kind kind, char *was, char *will, bool restart)
{
	struct config_change *c = make_room(x);
	char *object = strdup(x->object);
	char *field = strdup(x->field);

	if (!c || !object || !field) {
		x->failure = -ENOMEM;
		free(object);
		free(field);
		free(was);
		free(will);
		return;
	}
	*c = (struct config_change){kind, object, field, was, will, restart};
	x->out->list.count++;
}

static void values(struct compare *x, const struct schema_field *f, const void *now,
	const void *next, bool restart)
{
	char *was = text_of(f, now, false);
	char *will = text_of(f, next, false);

	if (!was || !will)
		x->failure = -ENOMEM;
	if (x->failure || strcmp(was, will) == 0) {
		free(was);
		free(will);
		return;
	}
	// An empty text is a value that is not set.
	const enum config_change_kind kind = !was[0]    ? CONFIG_ADDED
					     : !will[0] ? CONFIG_REMOVED
							: CONFIG_CHANGED;

	if (!was[0]) {
		free(was);
		was = NULL;
	}
	if (!will[0]) {
		free(will);
		will = NULL;
	}
	add(x, kind, was, will, restart);
}

static size_t enter(char path[static PATH_SIZE], const char *between, const char *name)
{
	const size_t length = strlen(path);

	snprintf(path + length, PATH_SIZE - length, "%s%s", length > 0 ? between : "", name);
	return length;
}

// "pool edges", of a list "pools".
static size_t enter_object(struct compare *x, const struct schema_field *f, const char *key)
{
	const size_t length = enter(x->object, " ", f->key);
	const size_t end = strlen(x->object);

	if (end > length && x->object[end - 1] == 's')
		x->object[end - 1] = '\0';
	enter(x->object, " ", key);
	return length;
}

struct keyed {
	char *key;
	const void *at;
};

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct keyed *)a)->key, ((const struct keyed *)b)->key);
}

static void keys_free(struct keyed *keys, size_t count)
{
	for (size_t i = 0; keys && i < count; i++)
		free(keys[i].key);
	free(keys);
}

// The elements of a list with their keys, in the order of these; a list of 10,000 members is compared
// with another by walking both.
static struct keyed *keys_of(
	struct compare *x, const struct schema_field *f, const struct schema_list *list)
{
	const struct schema_field *first = &f->object->fields[0];
	struct keyed *keys = calloc(list->count + 1, sizeof(*keys));

	for (size_t i = 0; keys && i < list->count; i++) {
		keys[i].at = (const char *)list->items + i * f->object->size;
		keys[i].key = text_of(first, (const char *)keys[i].at + first->offset, false);
		if (!keys[i].key) {
			keys_free(keys, i);
			keys = NULL;
		}
	}
	if (!keys)
		x->failure = -ENOMEM;
	else
		qsort(keys, list->count, sizeof(*keys), by_key);
	return keys;
}

static void element(struct compare *x, const struct schema_field *f, const struct keyed *was,
	const struct keyed *will, bool restart)
{
	const size_t length = enter_object(x, f, was ? was->key : will->key);

	if (was && will) {
		objects(x, f->object, was->at, will->at, restart);
	} else {
		char *text = text_of(f, was ? was->at : will->at, true);

		if (!text)
			x->failure = -ENOMEM;
		else
			add(x, was ? CONFIG_REMOVED : CONFIG_ADDED, was ? text : NULL,
				was ? NULL : text, restart);
	}
	x->object[length] = '\0';
}

// Whether those that stay stand in another order: it matters where numbers follow from it, which
// takes a restart.
static bool is_moved(const struct schema_field *f, const struct schema_list *a,
	const struct schema_list *b, struct compare *x)
{
	const struct schema_field *first = &f->object->fields[0];
	bool moved = false;

	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count && !moved; i++) {
		const size_t at = i * f->object->size + first->offset;
		char *was = text_of(first, (const char *)a->items + at, false);
		char *will = text_of(first, (const char *)b->items + at, false);

		if (!was || !will)
			x->failure = -ENOMEM;
		else
			moved = strcmp(was, will) != 0;
		free(was);
		free(will);
	}
	return moved;
}

static void lists(struct compare *x, const struct schema_field *f, const void *now,
	const void *next, bool restart)
{
	const struct schema_list a = schema_list_load(now);
	const struct schema_list b = schema_list_load(next);
	struct keyed *was = keys_of(x, f, &a);
	struct keyed *will = keys_of(x, f, &b);
	const size_t before = x->out->list.count;

	for (size_t i = 0, j = 0; was && will && (i < a.count || j < b.count);) {
		const int order = i == a.count ? 1 : j == b.count ? -1 : by_key(&was[i], &will[j]);

		element(x, f, order <= 0 ? &was[i] : NULL, order >= 0 ? &will[j] : NULL, restart);
		i += order <= 0;
		j += order >= 0;
	}
	if (restart && x->out->list.count == before && is_moved(f, &a, &b, x)) {
		const size_t length = enter(x->object, " ", f->key);

		add(x, CONFIG_CHANGED, strdup("in the order that runs"), strdup("in another order"),
			true);
		x->object[length] = '\0';
	}
	keys_free(was, a.count);
	keys_free(will, b.count);
}

static void field(struct compare *x, const struct schema_field *f, const void *now,
	const void *next, bool restart)
{
	if (f->type == SCHEMA_OBJECT && (f->flags & SCHEMA_LIST)) {
		lists(x, f, now, next, restart);
		return;
	}
	// `postern` and `dataplane` are objects of their own; within others their keys are fields.
	const bool top = x->object[0] == '\0';
	const size_t length = enter(top ? x->object : x->field, ".", f->key);

	if (f->type == SCHEMA_OBJECT && is_written(f, now) && is_written(f, next))
		objects(x, f->object, now, next, restart);
	else
		values(x, f, now, next, restart);
	(top ? x->object : x->field)[length] = '\0';
}

static void objects(struct compare *x, const struct schema_object *o, const void *now,
	const void *next, bool restart)
{
	for (size_t i = 0; i < o->count && !x->failure; i++) {
		const struct schema_field *f = &o->fields[i];

		if (f->applies && !f->applies(now) && !f->applies(next))
			continue;
		field(x, f, (const char *)now + f->offset, (const char *)next + f->offset,
			restart || (f->flags & SCHEMA_RESTART));
	}
}

int config_compare(
	const struct config *now, const struct config *next, struct config_changes *changes)
{
	struct compare x = {.out = changes};

	objects(&x, &config_schema, now, next, false);
	return x.failure;
}

void config_changes_free(struct config_changes *changes)
{
	for (size_t i = 0; i < changes->list.count; i++) {
		const struct config_change *c = &changes->list.items[i];

		free(c->object);
		free(c->field);
		free(c->was);
		free(c->will);
	}
	free(changes->list.items);
	*changes = (struct config_changes){0};
}

const char *config_change_name(enum config_change_kind kind)
{
	static const char *const names[] = {
		[CONFIG_ADDED] = "added",
		[CONFIG_REMOVED] = "removed",
		[CONFIG_CHANGED] = "changed",
	};

	return names[kind];
}
