// SPDX-License-Identifier: BSD-2-Clause
// Plans as people read them: columns, paragraphs, notes.

#include "control/plan/private.h"

#include <string.h>

#define LINE   100 // characters of a line of words
#define COLUMN 8   // most columns of a table

static const char *cell(const json_t *row, const char *key)
{
	const char *text = plan_string(row, key);

	return text ? text : "-";
}

void plan_print_table(FILE *to, const json_t *rows, const char *const *keys, size_t n)
{
	int width[COLUMN] = {0};
	size_t i;
	json_t *row;

	json_array_foreach((json_t *)(uintptr_t)rows, i, row)
	{
		for (size_t k = 0; k < n; k++) {
			const int w = (int)strlen(cell(row, keys[k]));

			width[k] = w > width[k] ? w : width[k];
		}
	}
	json_array_foreach((json_t *)(uintptr_t)rows, i, row)
	{
		for (size_t k = 0; k + 1 < n; k++)
			fprintf(to, "  %-*s", width[k], cell(row, keys[k]));
		fprintf(to, "  %s\n", cell(row, keys[n - 1]));
	}
}

void plan_print_words(FILE *to, const char *first, const char *next, const char *text)
{
	size_t at = strlen(first);

	fputs(first, to);
	for (bool begun = false; *text != '\0'; begun = true) {
		const size_t n = strcspn(text, " ");

		if (begun && at + 1 + n > LINE) {
			fprintf(to, "\n%s", next);
			at = strlen(next);
		} else if (begun) {
			fputc(' ', to);
			at++;
		}
		fprintf(to, "%.*s", (int)n, text);
		at += n;
		text += n + (text[n] == ' ');
	}
	fputc('\n', to);
}

void plan_print_notes(FILE *to, const json_t *result)
{
	const json_t *notes = json_object_get(result, "notes");
	size_t i;
	json_t *note;

	if (json_array_size(notes) > 0)
		fputs("\nTo know:\n", to);
	json_array_foreach((json_t *)(uintptr_t)notes, i, note)
		plan_print_words(to, "  * ", "    ", json_string_value(note));
}

void plan_print_list(FILE *to, const json_t *list)
{
	size_t i;
	json_t *item;

	if (json_array_size(list) == 0)
		fputs("none", to);
	json_array_foreach((json_t *)(uintptr_t)list, i, item)
		fprintf(to, "%s%s", i > 0 ? ", " : "", json_string_value(item));
}
