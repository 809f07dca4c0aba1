// SPDX-License-Identifier: BSD-2-Clause
// Any bytes as a file of partners, in CSV and in JSON. What must hold: reading ends, what is handed out lies
// within the text, lines never go back, and a value that is taken is taken again as it was kept.

#include "control/policy/bulk.h"
#include "control/policy/policy.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool right)
{
	if (!right)
		abort();
}

static void read_value(enum policy_kind kind, const char *text, size_t length)
{
	const struct policy_object *o = policy_object(kind);
	char why[POLICY_WHY], *kept, *again;

	for (size_t i = 0; i < o->n; i++) {
		const struct policy_field *f = &o->fields[i];

		why[0] = '\0';
		if (policy_value_read(f, text, length, &kept, why) != 0) {
			need(why[0] != '\0');
			continue;
		}
		if (kept[0] != '\0') {
			need(policy_value_read(f, kept, strlen(kept), &again, why) == 0);
			need(strcmp(kept, again) == 0);
			free(again);
		}
		free(kept);
	}
}

static void read_csv(const char *text, size_t length)
{
	struct policy_slice fields[POLICY_COLUMNS_MAX];
	struct policy_csv csv;
	char *copy = malloc(length + 1);
	size_t n;
	int more, line = 0;

	need(copy != NULL);
	memcpy(copy, text, length);
	copy[length] = '\0';
	policy_csv_begin(&csv, copy, length);
	while ((more = policy_csv_next(&csv, fields, &n)) != 0) {
		need(csv.record >= line && csv.record <= csv.line);
		line = csv.record;
		need(more > 0 || csv.why);
		need(n <= POLICY_COLUMNS_MAX);
		for (size_t i = 0; more > 0 && i < n; i++) {
			need(fields[i].text >= copy &&
				fields[i].text + fields[i].length <= copy + length);
			read_value((enum policy_kind)(i % POLICY_KINDS), fields[i].text,
				fields[i].length);
		}
	}
	free(copy);
}

static void read_json(const char *text, size_t length)
{
	struct policy_json j;
	struct policy_slice object;
	int more, line = 0;

	policy_json_begin(&j, text, length);
	while ((more = policy_json_next(&j, &object)) != 0) {
		need(j.record >= line && j.record <= j.line);
		line = j.record;
		need(more > 0 || j.why);
		if (more < 0)
			continue;
		need(object.text >= text && object.text + object.length <= text + length);
		need(object.length >= 2 && object.text[0] == '{');
		const int at = policy_json_line(&object, j.record, "Domain");
		need(at >= j.record && at <= j.line);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	size_t length = size;

	need(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	need(policy_text_decode(&text, &length) == 0);
	need(text[length] == '\0');
	read_csv(text, length);
	read_json(text, length);
	free(text);
	return 0;
}
