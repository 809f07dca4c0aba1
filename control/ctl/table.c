// SPDX-License-Identifier: BSD-2-Clause
// Tables: a column for each key, numbers to the right, the last column as wide as it comes.

#include "control/ctl/ctl.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// More columns than any answer has.
#define COLUMNS_MAX 64u

struct column {
	const char *key;
	size_t width;
	bool right;
};

struct table {
	struct column columns[COLUMNS_MAX];
	size_t n;
};

static struct column *find_column(struct table *t, const char *key)
{
	for (size_t i = 0; i < t->n; i++)
		if (strcmp(t->columns[i].key, key) == 0)
			return &t->columns[i];
	if (t->n == COLUMNS_MAX)
		return NULL;
	char *label = ctl_text_label(key);
	t->columns[t->n] = (struct column){key, ctl_text_width(label), true};
	free(label);
	return &t->columns[t->n++];
}

static void measure_row(struct table *t, const json_t *row)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)row, key, value)
	{
		struct column *c = find_column(t, key);

		if (!c)
			continue;
		char *text = ctl_text_value(key, value);
		size_t width = ctl_text_width(text);
		if (width > c->width)
			c->width = width;
		c->right = c->right && (json_is_number(value) || json_is_null(value));
		free(text);
	}
}

static void put(FILE *to, const struct column *c, const char *text, bool last)
{
	size_t width = ctl_text_width(text);
	int gap = width < c->width ? (int)(c->width - width) : 0;

	if (c->right)
		fprintf(to, "%*s%s", gap, "", text);
	else
		fprintf(to, "%s%*s", text, last ? 0 : gap, "");
	fputs(last ? "\n" : "  ", to);
}

static void put_head(FILE *to, const struct table *t, unsigned indent)
{
	fprintf(to, "%*s", (int)indent, "");
	for (size_t i = 0; i < t->n; i++) {
		char *label = ctl_text_label(t->columns[i].key);

		for (char *c = label; *c != '\0'; c++)
			*c = (char)toupper((unsigned char)*c);
		put(to, &t->columns[i], label, i + 1 == t->n);
		free(label);
	}
}

static void put_row(FILE *to, const struct table *t, const json_t *row, unsigned indent)
{
	fprintf(to, "%*s", (int)indent, "");
	for (size_t i = 0; i < t->n; i++) {
		const json_t *value = json_object_get(row, t->columns[i].key);
		char *text =
			value ? ctl_text_value(t->columns[i].key, value) : ctl_text_format("-");

		put(to, &t->columns[i], text, i + 1 == t->n);
		free(text);
	}
}

void ctl_table(FILE *to, const json_t *rows, unsigned indent)
{
	struct table t = {0};
	size_t i;
	json_t *row;

	json_array_foreach((json_t *)(uintptr_t)rows, i, row) measure_row(&t, row);
	if (t.n == 0)
		return;
	put_head(to, &t, indent);
	json_array_foreach((json_t *)(uintptr_t)rows, i, row) put_row(to, &t, row, indent);
}
