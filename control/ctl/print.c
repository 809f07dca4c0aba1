// SPDX-License-Identifier: BSD-2-Clause
// Answers and errors as people read them.

#include "control/ctl/ctl.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static bool is_table(const json_t *value)
{
	return json_is_array(value) && json_is_object(json_array_get(value, 0));
}

// What an object holds, told key by key; keys of objects inside are prefixed with theirs.
struct facts {
	FILE *to;
	size_t width; // of the widest label
	size_t right; // of the widest value, if all are numbers
	bool measuring;
	bool numbers;
};

static void fact(struct facts *f, const char *prefix, const char *key, const json_t *value)
{
	char *name = ctl_text_label(key);
	char *label = ctl_text_format("%s%s%s", prefix, prefix[0] != '\0' ? " " : "", name);
	char *text = ctl_text_value(key, value);
	size_t width = ctl_text_width(label);

	if (f->measuring) {
		if (width > f->width)
			f->width = width;
		if (ctl_text_width(text) > f->right)
			f->right = ctl_text_width(text);
		f->numbers = f->numbers && json_is_number(value);
	} else {
		size_t gap = f->width - width + 2;

		if (f->numbers)
			gap += f->right - ctl_text_width(text);
		fprintf(f->to, "%s:%*s%s\n", label, (int)gap, "", text);
	}
	free(text);
	free(label);
	free(name);
}

static void facts_of(struct facts *f, const char *prefix, const json_t *object)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)object, key, value)
	{
		if (json_is_object(value)) {
			char *name = ctl_text_label(key);
			char *inner = ctl_text_format(
				"%s%s%s", prefix, prefix[0] != '\0' ? " " : "", name);

			facts_of(f, inner, value);
			free(inner);
			free(name);
		} else if (!is_table(value)) {
			fact(f, prefix, key, value);
		}
	}
}

// "FILE:LINE: FIELD: what; expected", which editors and people jump to, for mistakes in a file.
static void print_mistake(FILE *to, const json_t *file, const json_t *mistake)
{
	const char *const keys[] = {"field", "what", "expected"};
	const json_t *line = json_object_get(mistake, "line");
	char *texts[3];

	for (size_t i = 0; i < 3; i++) {
		const char *text = json_string_value(json_object_get(mistake, keys[i]));

		texts[i] = ctl_text_safe(text ? text : "", false);
	}
	if (json_is_string(file)) {
		char *path = ctl_text_value("", file);

		fprintf(to, "%s:", path);
		if (json_is_integer(line))
			fprintf(to, "%" JSON_INTEGER_FORMAT ":", json_integer_value(line));
		fputc(' ', to);
		free(path);
	} else {
		fputs("  ", to);
	}
	fprintf(to, "%s%s%s%s%s%s\n", texts[0], texts[0][0] != '\0' ? ": " : "",
		texts[1][0] != '\0' ? texts[1] : "wrong", texts[2][0] != '\0' ? "; " : "",
		!json_is_string(file) && texts[2][0] != '\0' ? "expected: " : "", texts[2]);
	for (size_t i = 0; i < 3; i++)
		free(texts[i]);
}

static void print_mistakes(FILE *to, const json_t *file, const json_t *mistakes)
{
	size_t i;
	json_t *mistake;

	json_array_foreach((json_t *)(uintptr_t)mistakes, i, mistake)
		print_mistake(to, file, mistake);
}

static bool are_mistakes(const json_t *rows)
{
	const json_t *row = json_array_get(rows, 0);

	return json_object_get(row, "field") && json_object_get(row, "line") &&
	       json_object_get(row, "what");
}

static void print_text(FILE *to, const char *before, const json_t *text, const char *behind)
{
	char *safe = ctl_text_value("", text);

	fprintf(to, "%s%s%s", before, safe, behind);
	free(safe);
}

// What happened, how often and when, and what to do: sentences, a paragraph each.
static void print_findings(FILE *to, const json_t *findings)
{
	size_t i;
	json_t *f;

	json_array_foreach((json_t *)(uintptr_t)findings, i, f)
	{
		char *ago = ctl_text_value("last-ms", json_object_get(f, "last-ms"));

		print_text(to, "\n", json_object_get(f, "what"), "\n");
		print_text(to, "    ", json_object_get(f, "count"), "");
		fputs(json_integer_value(json_object_get(f, "count")) == 1 ? " time" : " times",
			to);
		if (json_is_true(json_object_get(f, "several-sources")))
			fputs(", by several sources", to);
		fprintf(to, ", last %s ago", ago);
		print_text(to, ", first ", json_object_get(f, "first"), "");
		print_text(to, " (", json_object_get(f, "reason"), ")\n");
		print_text(to, "    next: ", json_object_get(f, "next"), "\n");
		free(ago);
	}
}

static void print_object(FILE *to, const json_t *object)
{
	struct facts f = {.to = to, .measuring = true, .numbers = true};
	const char *key;
	json_t *value;

	facts_of(&f, "", object);
	f.measuring = false;
	facts_of(&f, "", object);
	json_object_foreach((json_t *)(uintptr_t)object, key, value)
	{
		if (!is_table(value))
			continue;
		if (strcmp(key, "findings") == 0) {
			print_findings(to, value);
			continue;
		}
		char *label = ctl_text_label(key);
		fprintf(to, "\n%s:\n", label);
		if (are_mistakes(value))
			print_mistakes(to, json_object_get(object, "file"), value);
		else
			ctl_table(to, value, 2);
		free(label);
	}
}

static void print_list(FILE *to, const json_t *list)
{
	const json_t *items = json_object_get(list, "items");
	const json_t *next = json_object_get(list, "next");

	if (json_array_size(items) == 0)
		fputs("none\n", stderr);
	ctl_table(to, items, 0);
	if (next && !json_is_null(next)) {
		char *text = ctl_text_value("next", next);

		fflush(to); // so that the hint comes last where both go to one place
		fprintf(stderr, "there is more: cursor=%s\n", text);
		free(text);
	}
}

// What an answer is for people: its "text" of several lines, or, if it is nothing but a text, like a
// file, that one.
static const char *whole_text(const json_t *result)
{
	const char *said = json_string_value(json_object_get(result, "text"));

	if (said && strchr(said, '\n'))
		return said;
	void *only = json_object_iter((json_t *)(uintptr_t)result);

	if (json_object_size(result) != 1 || !json_is_string(json_object_iter_value(only)))
		return NULL;
	const char *text = json_string_value(json_object_iter_value(only));
	return strchr(text, '\n') ? text : NULL;
}

void ctl_print(FILE *to, const json_t *result)
{
	char *text;

	if (whole_text(result)) {
		text = ctl_text_safe(whole_text(result), true);
		fputs(text, to);
		free(text);
	} else if (json_is_array(json_object_get(result, "items"))) {
		print_list(to, result);
	} else if (json_is_object(result)) {
		print_object(to, result);
	} else {
		text = ctl_text_value("", result);
		fprintf(to, "%s\n", text);
		free(text);
	}
}

// A single mistake whose words the message repeats adds only what would have been right.
static bool is_said(const char *message, const json_t *mistakes)
{
	const char *what = json_string_value(json_object_get(json_array_get(mistakes, 0), "what"));

	return json_array_size(mistakes) == 1 && what && strcmp(what, message) == 0;
}

void ctl_print_error(const json_t *error)
{
	const char *message = json_string_value(json_object_get(error, "message"));
	const json_t *mistakes = json_object_get(json_object_get(error, "data"), "errors");
	const json_t *expected = json_object_get(json_array_get(mistakes, 0), "expected");
	const json_t *file = json_object_get(json_object_get(error, "data"), "file");

	if (!message)
		message = "an error without a message";
	char *text = ctl_text_safe(message, false);
	fprintf(stderr, "posternctl: %s", text);
	free(text);
	if (is_said(message, mistakes)) {
		text = json_is_string(expected) ? ctl_text_value("", expected) : NULL;
		if (text)
			fprintf(stderr, "; expected: %s", text);
		fputc('\n', stderr);
		free(text);
		return;
	}
	fputc('\n', stderr);
	if (json_integer_value(json_object_get(error, "code")) == CTL_NO_METHOD)
		return; // the message has said which one may have been meant
	print_mistakes(stderr, file, mistakes);
}
