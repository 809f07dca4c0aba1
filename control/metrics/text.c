// SPDX-License-Identifier: BSD-2-Clause
// The text formats: OpenMetrics 1.0.0, and 0.0.4 of Prometheus, which differ in how a counter's
// family is called, in the types that there are and in the end mark.

#include "control/metrics/private.h"

#include <event2/buffer.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *suffix(const struct metrics_family *family)
{
	switch (family->type) {
	case METRICS_COUNTER:
		return "_total";
	case METRICS_INFO:
		return "_info";
	case METRICS_GAUGE:
		break;
	}
	return "";
}

static const char *type_name(const struct metrics_family *family, enum metrics_format format)
{
	switch (family->type) {
	case METRICS_COUNTER:
		return "counter";
	case METRICS_INFO:
		return format == METRICS_OPEN ? "info" : "gauge";
	case METRICS_GAUGE:
		break;
	}
	return "gauge";
}

int metrics_text_head(
	struct evbuffer *out, enum metrics_format format, const struct metrics_family *family)
{
	// The older format knows samples by their own names only.
	const char *end = format == METRICS_OPEN ? "" : suffix(family);
	int written = evbuffer_add_printf(
		out, "# TYPE %s%s %s\n", family->name, end, type_name(family, format));

	if (written >= 0 && format == METRICS_OPEN && family->unit != NULL)
		written = evbuffer_add_printf(out, "# UNIT %s %s\n", family->name, family->unit);
	if (written >= 0)
		written = evbuffer_add_printf(
			out, "# HELP %s%s %s\n", family->name, end, family->help);
	return written < 0 ? -ENOMEM : 0;
}

int metrics_text_sample(struct evbuffer *out, const struct metrics_family *family,
	const char *labels, uint64_t value)
{
	const bool seconds = family->unit != NULL && strcmp(family->unit, "seconds") == 0;
	char line[640];
	int length;

	if (seconds)
		length = snprintf(line, sizeof(line), "%s%s%s %" PRIu64 ".%06" PRIu64 "\n",
			family->name, suffix(family), labels, value / 1000000, value % 1000000);
	else
		length = snprintf(line, sizeof(line), "%s%s%s %" PRIu64 "\n", family->name,
			suffix(family), labels, value);
	if (length < 0 || (size_t)length >= sizeof(line))
		return -ENOMEM;
	return evbuffer_add(out, line, (size_t)length) == 0 ? 0 : -ENOMEM;
}

int metrics_text_end(struct evbuffer *out, enum metrics_format format)
{
	if (format != METRICS_OPEN)
		return 0;
	return evbuffer_add(out, "# EOF\n", 6) == 0 ? 0 : -ENOMEM;
}

void metrics_text_escape(char *to, size_t size, const char *from)
{
	char *end = to + size - 1;

	for (; *from != '\0' && end - to >= 2; from++) {
		if (*from == '\\' || *from == '"' || *from == '\n')
			*to++ = '\\';
		*to++ = *from == '\n' ? 'n' : *from;
	}
	*to = '\0';
}
