// SPDX-License-Identifier: BSD-2-Clause
// Writes a configuration out in full, and the manual's reference of all keys.

#include "control/config/value.h"

#include <string.h>

static void show_object(FILE *to, const struct schema_object *o, const void *base, int indent);

static void show_items(FILE *to, const struct schema_field *f, const struct schema_list *list)
{
	size_t size = schema_value_size(f);
	fputc('[', to);
	for (size_t i = 0; i < list->count; i++) {
		if (i > 0)
			fputs(", ", to);
		config_value_print(to, f, (const char *)list->items + i * size);
	}
	fputs("]\n", to);
}

static void show_list(FILE *to, const struct schema_field *f, const void *at, int indent)
{
	struct schema_list list = schema_list_load(at);
	fprintf(to, "%s:", f->key);
	if (f->type != SCHEMA_OBJECT || list.count == 0) {
		fputc(' ', to);
		show_items(to, f, &list);
		return;
	}
	fputc('\n', to);
	for (size_t i = 0; i < list.count; i++) {
		fprintf(to, "%*s- ", indent + 2, "");
		show_object(
			to, f->object, (const char *)list.items + i * f->object->size, indent + 4);
	}
}

static bool is_unset(const struct schema_field *f, const void *at)
{
	if (f->flags & SCHEMA_LIST)
		return false;
	if (schema_is_text(f->type)) {
		const char *text;
		memcpy(&text, at, sizeof(text));
		return !text;
	}
	if (f->type == SCHEMA_ADDRESS)
		return postern_addr_is_none(at);
	if (!(f->flags & SCHEMA_MAY_LACK))
		return false;
	int line;
	memcpy(&line, (const char *)at + f->object->line, sizeof(line));
	return line == 0;
}

static void show_field(FILE *to, const struct schema_field *f, const void *at, int indent)
{
	if (is_unset(f, at)) {
		fprintf(to, "# %s: not set\n", f->key);
	} else if (f->flags & SCHEMA_LIST) {
		show_list(to, f, at, indent);
	} else if (f->type == SCHEMA_OBJECT) {
		fprintf(to, "%s:\n%*s", f->key, indent + 2, "");
		show_object(to, f->object, at, indent + 2);
	} else {
		fprintf(to, "%s: ", f->key);
		config_value_print(to, f, at);
		fputc('\n', to);
	}
}

// The first line is already indented.
static void show_object(FILE *to, const struct schema_object *o, const void *base, int indent)
{
	for (size_t i = 0; i < o->count; i++) {
		const struct schema_field *f = &o->fields[i];
		if (i > 0)
			fprintf(to, "%*s", indent, "");
		if (f->applies && !f->applies(base))
			fprintf(to, "# %s: not used\n", f->key);
		else
			show_field(to, f, (const char *)base + f->offset, indent);
	}
}

void config_show(FILE *to, const struct config *c)
{
	show_object(to, &config_schema, c, 0);
}

static const char *default_text(const struct schema_field *f)
{
	if (f->flags & SCHEMA_REQUIRED)
		return "required";
	if (f->standard)
		return f->standard;
	if (f->flags & SCHEMA_INHERIT)
		return "the pool's";
	if (f->type == SCHEMA_OBJECT && !(f->flags & (SCHEMA_LIST | SCHEMA_MAY_LACK)))
		return "those of its keys";
	return f->flags & SCHEMA_LIST ? "empty" : "none";
}

static void reference_field(FILE *to, const struct schema_field *f, const char *path, bool restart)
{
	char expect[CONFIG_EXPECT];
	bool words = (f->flags & (SCHEMA_REQUIRED | SCHEMA_COMPUTED)) || !f->standard;
	const char *what = f->type == SCHEMA_CPU ? "a CPU that the process may run on"
						 : config_value_expect(f, expect);
	const char *list = "";
	if (f->flags & SCHEMA_ONE_TOO)
		list = "one or a list: ";
	else if (f->flags & SCHEMA_LIST)
		list = "a list: ";
	fprintf(to, "| `%s` | %s%s | %s%s%s | %s | %s |\n", path, list, what, words ? "" : "`",
		default_text(f), words ? "" : "`", restart ? "restart" : "reload", f->help);
}

static void reference_object(
	FILE *to, const struct schema_object *o, const char *above, bool restart)
{
	for (size_t i = 0; i < o->count; i++) {
		const struct schema_field *f = &o->fields[i];
		bool within = restart || (f->flags & SCHEMA_RESTART);
		char path[256];
		snprintf(path, sizeof(path), "%s%s%s%s", above, above[0] ? "." : "", f->key,
			f->type == SCHEMA_OBJECT && (f->flags & SCHEMA_LIST) ? "[]" : "");
		reference_field(to, f, path, within);
		if (f->type == SCHEMA_OBJECT && !(f->flags & SCHEMA_INHERIT))
			reference_object(to, f->object, path, within);
	}
}

void config_reference(FILE *to)
{
	fputs("| Key | Value | Default | A change takes a | Meaning |\n"
	      "|---|---|---|---|---|\n",
		to);
	reference_object(to, &config_schema, "", false);
}
