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
		char *label = ctl_text_label(key);
		fprintf(to, "\n%s:\n", label);
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

// The one text of an answer that is nothing but a text, like a file.
static const char *whole_text(const json_t *result)
{
	void *only = json_object_iter((json_t *)(uintptr_t)result);

	if (json_object_size(result) != 1 || !json_is_string(json_object_iter_value(only)))
		return NULL;
	const char *text = json_string_value(json_object_iter_value(only));
	return strchr(text, '\n') ? text : NULL;
}

void ctl_print(FILE *to, const json_t *result)
{
	char *text;

	if (json_is_array(json_object_get(result, "items"))) {
		print_list(to, result);
	} else if (whole_text(result)) {
		text = ctl_text_safe(whole_text(result), true);
		fputs(text, to);
		free(text);
	} else if (json_is_object(result)) {
		print_object(to, result);
	} else {
		text = ctl_text_value("", result);
		fprintf(to, "%s\n", text);
		free(text);
	}
}

static void print_mistake(const json_t *mistake)
{
	const json_t *field = json_object_get(mistake, "field");
	const json_t *line = json_object_get(mistake, "line");
	const json_t *what = json_object_get(mistake, "what");
	const json_t *expected = json_object_get(mistake, "expected");
	char *name = field ? ctl_text_value("", field) : ctl_text_format("-");
	char *wrong = what ? ctl_text_value("", what) : ctl_text_format("wrong");

	if (json_is_integer(line))
		fprintf(stderr, "  line %" JSON_INTEGER_FORMAT ", %s: %s", json_integer_value(line),
			name, wrong);
	else
		fprintf(stderr, "  %s: %s", name, wrong);
	if (json_is_string(expected)) {
		char *right = ctl_text_value("", expected);

		fprintf(stderr, "; expected: %s", right);
		free(right);
	}
	fputc('\n', stderr);
	free(wrong);
	free(name);
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
	size_t i;
	json_t *mistake;

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
	json_array_foreach((json_t *)(uintptr_t)mistakes, i, mistake) print_mistake(mistake);
}
