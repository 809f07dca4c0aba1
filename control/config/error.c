// SPDX-License-Identifier: BSD-2-Clause
// Collecting mistakes, within bounds, and telling them.

#include "control/config/context.h"
#include "control/config/tree.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void free_error(struct config_error *e)
{
	free(e->field);
	free(e->what);
	free(e->expected);
}

// Takes `what`, copies the others.
static void append(struct config_context *ctx, struct config_errors *all, int line,
	const char *field, char *what, const char *expected)
{
	struct config_error e = {line, strdup(field), what, strdup(expected ? expected : "")};
	if (!e.field || !e.expected)
		goto fail;
	struct config_error *items =
		realloc(all->list.items, (all->list.count + 1) * sizeof(items[0]));
	if (!items)
		goto fail;
	items[all->list.count++] = e;
	all->list.items = items;
	return;
fail:
	free_error(&e);
	ctx->failure = -ENOMEM;
}

__attribute__((format(printf, 4, 0))) static void mistake(struct config_context *ctx, int line,
	const char *expected, const char *format, va_list args)
{
	if (ctx->errors->list.count >= CONFIG_MOST_ERRORS) {
		ctx->unreported++;
		return;
	}
	char *what;
	if (vasprintf(&what, format, args) < 0) {
		ctx->failure = -ENOMEM;
		return;
	}
	append(ctx, ctx->errors, line, ctx->path, what, expected);
}

void config_mistake(
	struct config_context *ctx, int line, const char *expected, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	mistake(ctx, line, expected, format, args);
	va_end(args);
}

void config_mistake_here(struct config_context *ctx, const char *expected, const char *format, ...)
{
	// Finding the line walks lists: not worth it for what is only counted.
	bool told = ctx->errors->list.count < CONFIG_MOST_ERRORS;
	int line = told && ctx->tree ? config_tree_line(ctx->tree, ctx->path) : 0;
	va_list args;
	va_start(args, format);
	mistake(ctx, line, expected, format, args);
	va_end(args);
}

bool config_was_wrong(const struct config_context *ctx, const char *path)
{
	for (size_t i = 0; i < ctx->errors->list.count; i++)
		if (strcmp(ctx->errors->list.items[i].field, path) == 0)
			return true;
	return false;
}

void config_warning_here(struct config_context *ctx, const char *expected, const char *format, ...)
{
	if (!ctx->warnings || ctx->warnings->list.count >= CONFIG_MOST_ERRORS)
		return;
	int line = ctx->tree ? config_tree_line(ctx->tree, ctx->path) : 0;
	char *what;
	va_list args;
	va_start(args, format);
	if (vasprintf(&what, format, args) < 0)
		ctx->failure = -ENOMEM;
	else
		append(ctx, ctx->warnings, line, ctx->path, what, expected);
	va_end(args);
}

__attribute__((format(printf, 2, 0))) static void path_append(
	struct config_context *ctx, const char *format, va_list args)
{
	size_t room = sizeof(ctx->path) - ctx->path_length;
	int n = vsnprintf(ctx->path + ctx->path_length, room, format, args);
	// Indexes and the schema's keys are short, unknown keys are cut when they are quoted.
	assert(n >= 0);
	ctx->path_length += (size_t)n < room ? (size_t)n : room - 1;
}

void config_path_set(struct config_context *ctx, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	ctx->path_length = 0;
	path_append(ctx, format, args);
	va_end(args);
}

size_t config_path_enter(struct config_context *ctx, const char *format, ...)
{
	size_t before = ctx->path_length;
	va_list args;
	va_start(args, format);
	path_append(ctx, format, args);
	va_end(args);
	return before;
}

void config_path_leave(struct config_context *ctx, size_t length)
{
	ctx->path_length = length;
	ctx->path[length] = '\0';
}

// Insertion keeps the order of mistakes on one line; there are at most CONFIG_MOST_ERRORS.
static void sort_by_line(struct config_errors *errors)
{
	struct config_error *items = errors->list.items;
	for (size_t i = 1; i < errors->list.count; i++) {
		struct config_error e = items[i];
		size_t at = i;
		for (; at > 0 && items[at - 1].line > e.line; at--)
			items[at] = items[at - 1];
		items[at] = e;
	}
}

int config_context_finish(struct config_context *ctx)
{
	sort_by_line(ctx->errors);
	if (ctx->warnings)
		sort_by_line(ctx->warnings);
	if (ctx->unreported > 0) {
		char *what;
		if (asprintf(&what, "%zu more mistakes are not shown", ctx->unreported) < 0)
			ctx->failure = -ENOMEM;
		else
			append(ctx, ctx->errors, 0, "", what, "correct those above first");
	}
	if (ctx->failure)
		return ctx->failure;
	return ctx->errors->list.count > 0 ? -EINVAL : 0;
}

void config_errors_free(struct config_errors *errors)
{
	for (size_t i = 0; i < errors->list.count; i++)
		free_error(&errors->list.items[i]);
	free(errors->list.items);
	errors->list.items = NULL;
	errors->list.count = 0;
}

int config_errors_add(struct config_errors *errors, int line, const char *field,
	const char *expected, const char *format, ...)
{
	struct config_context ctx = {.errors = errors};
	va_list args;
	config_path_set(&ctx, "%s", field);
	va_start(args, format);
	mistake(&ctx, line, expected, format, args);
	va_end(args);
	return ctx.failure;
}

static char *error_text(const char *file, const char *kind, const struct config_error *e)
{
	char line[16] = "";
	if (e->line > 0)
		snprintf(line, sizeof(line), "%d:", e->line);
	char *text;
	int n = asprintf(&text, "%s:%s%s%s%s%s %s%s%s", file, line, kind, e->field[0] ? " " : "",
		e->field, e->field[0] ? ":" : "", e->what, e->expected[0] ? "; " : "", e->expected);
	return n < 0 ? NULL : text;
}

char *config_error_text(const char *file, const struct config_error *e)
{
	return error_text(file, "", e);
}

static void print(FILE *to, const char *file, const char *kind, const struct config_errors *errors)
{
	for (size_t i = 0; i < errors->list.count; i++) {
		char *text = error_text(file, kind, &errors->list.items[i]);
		fprintf(to, "%s\n", text ? text : "out of memory");
		free(text);
	}
}

void config_errors_print(FILE *to, const char *file, const struct config_errors *errors)
{
	print(to, file, "", errors);
}

void config_warnings_print(FILE *to, const char *file, const struct config_errors *warnings)
{
	print(to, file, " warning:", warnings);
}

const char *config_quote(char buf[static CONFIG_QUOTE], const char *text, size_t length)
{
	size_t shown = length < CONFIG_QUOTE_BYTES ? length : CONFIG_QUOTE_BYTES;
	char *to = buf;
	*to++ = '"';
	for (size_t i = 0; i < shown; i++) {
		unsigned char c = (unsigned char)text[i];
		if (c >= 0x20 && c < 0x7f)
			*to++ = (char)c;
		else
			to += sprintf(to, "\\x%02x", c);
	}
	sprintf(to, "%s\"", shown < length ? "..." : "");
	return buf;
}

void config_words_begin(struct config_words *w, const char *start)
{
	w->count = 0;
	w->length = (size_t)snprintf(w->text, sizeof(w->text), "%s", start);
}

void config_words_add(struct config_words *w, const char *word)
{
	const char *comma = w->count++ > 0 ? ", " : "";
	size_t need = strlen(comma) + strlen(word);
	size_t room = sizeof(w->text) - w->length;
	// ", ..." and NUL must still fit behind any word.
	if (need + sizeof(", ...") <= room) {
		w->length += (size_t)sprintf(w->text + w->length, "%s%s", comma, word);
	} else if (room > sizeof(", ...") - 1) {
		w->length += (size_t)sprintf(w->text + w->length, ", ...");
		w->length = sizeof(w->text); // full: nothing more is added
	}
}
