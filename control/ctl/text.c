// SPDX-License-Identifier: BSD-2-Clause
// Values as people read them, safe for a terminal whatever the server has sent.

#include "control/ctl/ctl.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *p)
{
	if (!p) {
		fputs("posternctl: out of memory\n", stderr);
		exit(CTL_FAILED);
	}
	return p;
}

char *ctl_text_format(const char *format, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, format);
	int length = vasprintf(&text, format, args);
	va_end(args);
	return checked(length < 0 ? NULL : text);
}

// Decodes one character of valid UTF-8, which is what the JSON reader lets through.
static uint32_t decode(const unsigned char *s, size_t *length)
{
	static const unsigned char masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};

	*length = s[0] < 0x80 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	uint32_t c = s[0] & masks[*length];
	for (size_t i = 1; i < *length; i++) {
		// Arguments of our own command line need not be valid.
		if ((s[i] & 0xc0) != 0x80) {
			*length = 1;
			return s[0] < 0x80 ? s[0] : 0x80;
		}
		c = c << 6 | (s[i] & 0x3fu);
	}
	return c;
}

// Control characters of both sets, and those that turn the direction of text or end its line
// (Unicode 15, 23.1 and 23.2).
static bool is_unsafe(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x061c || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
	       c >= 0xe0000;
}

char *ctl_text_safe(const char *text, bool lines)
{
	// The longest escape is \U0010ffff for four bytes; a single byte becomes four at most.
	char *safe = checked(malloc(4 * strlen(text) + 16));
	char *to = safe;
	size_t length;

	for (const unsigned char *s = (const unsigned char *)text; *s != '\0'; s += length) {
		uint32_t c = decode(s, &length);

		if (lines && (c == '\n' || c == '\t')) {
			*to++ = (char)c;
		} else if (is_unsafe(c)) {
			to += sprintf(to,
				length == 1   ? "\\x%02" PRIx32
				: c < 0x10000 ? "\\u%04" PRIx32
					      : "\\U%08" PRIx32,
				length == 1 ? (uint32_t)s[0] : c);
		} else {
			memcpy(to, s, length);
			to += length;
		}
	}
	*to = '\0';
	return safe;
}

size_t ctl_text_width(const char *text)
{
	size_t width = 0;

	for (; *text != '\0'; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text);

	return length >= strlen(end) && strcmp(text + length - strlen(end), end) == 0;
}

static bool is_bytes(const char *key)
{
	return strncmp(key, "bytes-", 6) == 0 || ends_with(key, "-bytes");
}

static char *duration(json_int_t ms)
{
	const json_int_t s = ms / 1000;

	if (ms < 1000)
		return ctl_text_format("%" JSON_INTEGER_FORMAT " ms", ms);
	if (s < 60)
		return ctl_text_format(
			"%" JSON_INTEGER_FORMAT ".%" JSON_INTEGER_FORMAT " s", s, ms / 100 % 10);
	if (s < 3600)
		return ctl_text_format(
			"%" JSON_INTEGER_FORMAT "m %02" JSON_INTEGER_FORMAT "s", s / 60, s % 60);
	if (s < 86400)
		return ctl_text_format("%" JSON_INTEGER_FORMAT "h %02" JSON_INTEGER_FORMAT "m",
			s / 3600, s / 60 % 60);
	return ctl_text_format(
		"%" JSON_INTEGER_FORMAT "d %02" JSON_INTEGER_FORMAT "h", s / 86400, s / 3600 % 24);
}

static char *bytes(json_int_t value)
{
	static const char *const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
	double scaled = (double)value / 1000;
	size_t unit = 0;

	if (value < 1000)
		return ctl_text_format("%" JSON_INTEGER_FORMAT " B", value);
	// 999.95 would be printed as 1000.0.
	while (scaled >= 999.95 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		scaled /= 1000;
		unit++;
	}
	return ctl_text_format("%.1f %s", scaled, units[unit]);
}

static char *integer(const char *key, json_int_t value)
{
	if (value >= 0 && ends_with(key, "-ms"))
		return duration(value);
	if (value >= 0 && is_bytes(key))
		return bytes(value);
	return ctl_text_format("%" JSON_INTEGER_FORMAT, value);
}

// Objects in a list are shown by their names.
static char *list(const char *key, const json_t *array)
{
	char *text = ctl_text_format("%s", "");
	size_t i;
	json_t *item;

	json_array_foreach((json_t *)(uintptr_t)array, i, item)
	{
		json_t *name = json_object_get(item, "name");
		char *one = ctl_text_value(key, name ? name : item);
		char *all = ctl_text_format("%s%s%s", text, i > 0 ? ", " : "", one);

		free(one);
		free(text);
		text = all;
	}
	if (text[0] != '\0')
		return text;
	free(text);
	return ctl_text_format("-");
}

char *ctl_text_value(const char *key, const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_STRING:
		return json_string_length(value) > 0
			       ? ctl_text_safe(json_string_value(value), false)
			       : ctl_text_format("-");
	case JSON_INTEGER:
		return integer(key, json_integer_value(value));
	case JSON_REAL:
		return ctl_text_format("%g", json_real_value(value));
	case JSON_TRUE:
		return ctl_text_format("yes");
	case JSON_FALSE:
		return ctl_text_format("no");
	case JSON_NULL:
		return ctl_text_format("-");
	case JSON_ARRAY:
		return list(key, value);
	case JSON_OBJECT:
		break;
	}
	char *raw = checked(json_dumps(value, JSON_COMPACT | JSON_ENSURE_ASCII));
	return raw;
}

char *ctl_text_label(const char *key)
{
	char *label = ctl_text_safe(key, false);

	if (ends_with(label, "-ms"))
		label[strlen(label) - 3] = '\0';
	return label;
}
