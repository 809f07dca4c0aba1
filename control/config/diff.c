// SPDX-License-Identifier: BSD-2-Clause
// What of a new configuration cannot be reached while postern runs. The schema says which fields
// those are.

#include "control/config/context.h"
#include "control/config/tree.h"
#include "control/config/value.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char remedy[] = "restart postern to apply it";

static void diff_object(struct config_context *ctx, const struct schema_object *o, const void *now,
	const void *next, bool restart);

// Without a line when the new file does not have it.
__attribute__((format(printf, 2, 3))) static void change(
	struct config_context *ctx, const char *format, ...)
{
	char *what;
	va_list args;
	va_start(args, format);
	int n = vasprintf(&what, format, args);
	va_end(args);
	if (n < 0) {
		ctx->failure = -ENOMEM;
		return;
	}
	int line = ctx->tree ? config_tree_line_of(ctx->tree, ctx->path) : 0;
	config_mistake(ctx, line, remedy, "%s", what);
	free(what);
}

static void print_values(FILE *to, const struct schema_field *f, const void *at)
{
	if (!(f->flags & SCHEMA_LIST)) {
		config_value_print(to, f, at);
		return;
	}
	struct schema_list list = schema_list_load(at);
	size_t size = schema_value_size(f);
	fputc('[', to);
	for (size_t i = 0; i < list.count; i++) {
		if (i > 0)
			fputs(", ", to);
		config_value_print(to, f, (const char *)list.items + i * size);
	}
	fputc(']', to);
}

static char *text_of(const struct schema_field *f, const void *at)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);
	if (!to)
		return NULL;
	print_values(to, f, at);
	if (fclose(to) == 0)
		return text;
	free(text);
	return NULL;
}

static void diff_values(
	struct config_context *ctx, const struct schema_field *f, const void *now, const void *next)
{
	char *was = text_of(f, now);
	char *will = text_of(f, next);
	if (!was || !will)
		ctx->failure = -ENOMEM;
	else if (strcmp(was, will) != 0)
		change(ctx, "changes from %s to %s", was[0] ? was : "none",
			will[0] ? will : "none");
	free(was);
	free(will);
}

static void diff_lists(
	struct config_context *ctx, const struct schema_field *f, const void *now, const void *next)
{
	struct schema_list a = schema_list_load(now);
	struct schema_list b = schema_list_load(next);
	size_t size = schema_value_size(f);
	for (size_t i = 0; i < a.count || i < b.count; i++) {
		const void *was = i < a.count ? (const char *)a.items + i * size : NULL;
		const void *will = i < b.count ? (const char *)b.items + i * size : NULL;
		size_t length = config_path_enter(ctx, "[%zu]", i);
		if (i >= a.count)
			change(ctx, "is new");
		else if (i >= b.count)
			change(ctx, "is no longer there");
		else
			diff_object(ctx, f->object, was, will, true);
		config_path_leave(ctx, length);
	}
}

static void diff_field(struct config_context *ctx, const struct schema_field *f, const void *now,
	const void *next, bool restart)
{
	if (f->type != SCHEMA_OBJECT) {
		if (restart)
			diff_values(ctx, f, now, next);
	} else if (!(f->flags & SCHEMA_LIST)) {
		diff_object(ctx, f->object, now, next, restart);
	} else if (restart) {
		// No list that a reload can change holds anything that needs a restart.
		diff_lists(ctx, f, now, next);
	}
}

static void diff_object(struct config_context *ctx, const struct schema_object *o, const void *now,
	const void *next, bool restart)
{
	for (size_t i = 0; i < o->count; i++) {
		const struct schema_field *f = &o->fields[i];
		size_t length = config_path_enter(ctx, "%s%s", ctx->path_length ? "." : "", f->key);
		diff_field(ctx, f, (const char *)now + f->offset, (const char *)next + f->offset,
			restart || (f->flags & SCHEMA_RESTART));
		config_path_leave(ctx, length);
	}
}

size_t config_needs_restart(
	const struct config *now, const struct config *next, struct config_errors *errors)
{
	struct config_context ctx = {.errors = errors, .tree = next->tree};
	diff_object(&ctx, &config_schema, now, next, false);
	config_context_finish(&ctx);
	return errors->list.count;
}
