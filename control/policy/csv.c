// SPDX-License-Identifier: BSD-2-Clause
// CSV (RFC 4180), as spreadsheets and PowerShell's Export-Csv write it.

#include "control/policy/bulk.h"

#include <errno.h>
#include <string.h>

static char *line_end(const struct policy_csv *csv)
{
	char *end = memchr(csv->at, '\n', (size_t)(csv->end - csv->at));

	return end ? end : csv->end;
}

static void skip_line(struct policy_csv *csv)
{
	csv->at = line_end(csv);
	csv->line += csv->at < csv->end;
	csv->at += csv->at < csv->end;
}

// The character of three that the first line has most of, outside of quotes.
static char find_delimiter(const struct policy_csv *csv)
{
	static const char candidates[] = ",;\t";
	size_t counts[3] = {0};
	bool quoted = false;
	const char *end = line_end(csv);

	for (const char *c = csv->at; c < end; c++) {
		quoted ^= *c == '"';
		const char *found = quoted || *c == '\0' ? NULL : strchr(candidates, *c);
		if (found)
			counts[found - candidates]++;
	}
	size_t best = 0;
	for (size_t i = 1; i < 3; i++)
		best = counts[i] > counts[best] ? i : best;
	return candidates[best];
}

void policy_csv_begin(struct policy_csv *csv, char *text, size_t length)
{
	*csv = (struct policy_csv){.at = text, .end = text + length, .line = 1};
	// "#TYPE Microsoft.Rtc…" of Export-Csv.
	if (length > 5 && memcmp(text, "#TYPE", 5) == 0)
		skip_line(csv);
	// "sep=;" of spreadsheets.
	if (csv->end - csv->at > 5 && memcmp(csv->at, "sep=", 4) == 0) {
		csv->delimiter = csv->at[4];
		skip_line(csv);
	} else {
		csv->delimiter = find_delimiter(csv);
	}
}

static bool at_end_of_field(const struct policy_csv *csv)
{
	return csv->at == csv->end || *csv->at == csv->delimiter || *csv->at == '\n' ||
	       (*csv->at == '\r' && (csv->at + 1 == csv->end || csv->at[1] == '\n'));
}

// Within quotes, with doubled ones made single in place.
static int read_quoted(struct policy_csv *csv, struct policy_slice *field)
{
	char *to = ++csv->at;

	field->text = to;
	for (;;) {
		char *quote = memchr(csv->at, '"', (size_t)(csv->end - csv->at));

		if (!quote) {
			csv->why = "a quote is opened and not closed";
			return -EINVAL;
		}
		const size_t n = (size_t)(quote - csv->at);
		for (size_t i = 0; i < n; i++)
			csv->line += csv->at[i] == '\n';
		memmove(to, csv->at, n);
		to += n;
		csv->at = quote + 1;
		if (csv->at == csv->end || *csv->at != '"')
			break;
		*to++ = '"';
		csv->at++;
	}
	field->length = (size_t)(to - field->text);
	while (csv->at < csv->end && *csv->at == ' ')
		csv->at++;
	if (at_end_of_field(csv))
		return 0;
	csv->why = "something follows a closing quote";
	return -EINVAL;
}

static void read_plain(struct policy_csv *csv, struct policy_slice *field)
{
	while (csv->at < csv->end && *csv->at == ' ')
		csv->at++;
	field->text = csv->at;
	while (!at_end_of_field(csv))
		csv->at++;
	field->length = (size_t)(csv->at - field->text);
	while (field->length > 0 && field->text[field->length - 1] == ' ')
		field->length--;
}

int policy_csv_next(struct policy_csv *csv, struct policy_slice *fields, size_t *n)
{
	// Empty lines mean nothing.
	while (csv->at < csv->end && (*csv->at == '\n' || *csv->at == '\r'))
		csv->line += *csv->at++ == '\n';
	csv->record = csv->line;
	*n = 0;
	if (csv->at == csv->end)
		return 0;
	for (;;) {
		struct policy_slice field = {NULL, 0};
		int status = 0;

		if (csv->at < csv->end && *csv->at == '"')
			status = read_quoted(csv, &field);
		else
			read_plain(csv, &field);
		if (status == 0 && *n == POLICY_COLUMNS_MAX) {
			csv->why = "there are more than 64 columns";
			status = -EINVAL;
		}
		if (status != 0) {
			skip_line(csv);
			return status;
		}
		fields[(*n)++] = field;
		if (csv->at < csv->end && *csv->at == csv->delimiter) {
			csv->at++;
			continue;
		}
		csv->at += csv->at < csv->end && *csv->at == '\r';
		csv->line += csv->at < csv->end;
		csv->at += csv->at < csv->end;
		return 1;
	}
}
