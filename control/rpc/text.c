// SPDX-License-Identifier: BSD-2-Clause
// The pieces that answers are made of.

#include "control/rpc/internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// How many bytes the UTF-8 character at `s` has (RFC 3629 4), 0 if it is none.
static size_t character_length(const unsigned char *s)
{
	static const struct {
		unsigned char first, last, low, high; // first byte from and to, second from and to
		size_t length;
	} rows[] = {
		{0xc2, 0xdf, 0x80, 0xbf, 2},
		{0xe0, 0xe0, 0xa0, 0xbf, 3},
		{0xe1, 0xec, 0x80, 0xbf, 3},
		{0xed, 0xed, 0x80, 0x9f, 3},
		{0xee, 0xef, 0x80, 0xbf, 3},
		{0xf0, 0xf0, 0x90, 0xbf, 4},
		{0xf1, 0xf3, 0x80, 0xbf, 4},
		{0xf4, 0xf4, 0x80, 0x8f, 4},
	};

	if (s[0] < 0x80)
		return 1;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (s[0] < rows[i].first || s[0] > rows[i].last)
			continue;
		if (s[1] < rows[i].low || s[1] > rows[i].high)
			return 0;
		for (size_t k = 2; k < rows[i].length; k++)
			if ((s[k] & 0xc0) != 0x80)
				return 0;
		return rows[i].length;
	}
	return 0;
}

json_t *rpc_text(const char *text)
{
	json_t *plain = json_string(text);

	if (plain)
		return plain;
	char *copy = strdup(text);
	if (!copy)
		return NULL;
	for (unsigned char *s = (unsigned char *)copy; *s != '\0';) {
		size_t length = character_length(s);

		if (length == 0)
			*s = '?';
		s += length == 0 ? 1 : length;
	}
	plain = json_string(copy);
	free(copy);
	return plain;
}

json_t *rpc_textf(const char *format, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, format);
	int length = vasprintf(&text, format, args);
	va_end(args);
	if (length < 0)
		return NULL;
	json_t *value = rpc_text(text);
	free(text);
	return value;
}

json_t *rpc_uint(uint64_t value)
{
	return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

json_t *rpc_addr(const struct postern_addr *addr)
{
	char text[POSTERN_ADDR_TEXT];

	return json_string(postern_addr_format(addr, text));
}

json_t *rpc_endpoint(const struct postern_endpoint *at)
{
	char text[POSTERN_ENDPOINT_TEXT];

	return json_string(postern_endpoint_format(at, text));
}

json_t *rpc_mac(const uint8_t mac[static 6])
{
	return rpc_textf(
		"%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

json_t *rpc_prefix(const struct postern_prefix *prefix)
{
	char text[POSTERN_PREFIX_TEXT];

	return json_string(postern_prefix_format(prefix, text));
}

json_t *rpc_time(uint64_t wall_us)
{
	const time_t seconds = (time_t)(wall_us / 1000000);
	char text[32];
	struct tm tm;

	if (!gmtime_r(&seconds, &tm))
		return json_null();
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	return rpc_textf("%s.%03uZ", text, (unsigned)(wall_us / 1000 % 1000));
}

static uint64_t read_clock(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t rpc_monotonic_us(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t rpc_wall_us(void)
{
	return read_clock(CLOCK_REALTIME);
}

json_t *rpc_mistake(
	json_t *data, const char *field, int line, const char *what, const char *expected)
{
	if (!data)
		data = json_pack("{s:[]}", "errors");
	json_array_append_new(json_object_get(data, "errors"),
		json_pack("{s:o, s:o, s:o, s:o}", "field", rpc_text(field), "line",
			line > 0 ? json_integer(line) : json_null(), "what", rpc_text(what),
			"expected", expected ? rpc_text(expected) : json_null()));
	return data;
}

const char *rpc_param_string(const json_t *params, const char *name)
{
	return json_string_value(json_object_get(params, name));
}

bool rpc_param_integer(struct rpc_call *call, const json_t *params, const char *name, int64_t low,
	int64_t high, int64_t *value)
{
	const json_t *given = json_object_get(params, name);
	char what[64];
	char expected[64];

	if (!given)
		return true;
	int64_t number = json_integer_value(given);
	if (number >= low && number <= high) {
		*value = number;
		return true;
	}
	snprintf(what, sizeof(what), "%" PRId64 " is out of range", number);
	snprintf(expected, sizeof(expected), "%" PRId64 " to %" PRId64, low, high);
	rpc_fail(call, RPC_INVALID_PARAMS, rpc_mistake(NULL, name, 0, what, expected),
		"%s is out of range", name);
	return false;
}

void rpc_reply_list(struct rpc_call *call, json_t *items, json_t *next)
{
	rpc_reply(call, json_pack("{s:o, s:o}", "items", items, "next", next ? next : json_null()));
}

// The one of a list of names that may have been meant; its length, 0 if none.
static size_t nearest(const char *names, const char *wanted, const char **out)
{
	char one[2 * POSTERN_NAME_SIZE];
	unsigned least = UINT32_MAX;
	size_t found = 0;

	for (const char *at = names; at && *at != '\0'; at += strspn(at, ", ")) {
		const size_t length = strcspn(at, ",");

		snprintf(one, sizeof(one), "%.*s", (int)length, at);
		if (length < sizeof(one) && rpc_is_near(wanted, one) &&
			rpc_distance(wanted, one) < least) {
			least = rpc_distance(wanted, one);
			*out = at;
			found = length;
		}
		at += length;
	}
	// A name of which nothing is left is not what was meant.
	return found > least ? found : 0;
}

void rpc_fail_not_found(
	struct rpc_call *call, const char *field, const char *name, const char *expected)
{
	char what[320];
	const char *meant = NULL;
	const size_t length = nearest(expected, name, &meant);

	snprintf(what, sizeof(what), "there is no %s \"%.80s\"", field, name);
	if (length > 0)
		snprintf(what + strlen(what), sizeof(what) - strlen(what),
			"; did you mean \"%.*s\"?", (int)length, meant);
	rpc_fail(call, RPC_NOT_FOUND, rpc_mistake(NULL, field, 0, what, expected), "%s", what);
}

void rpc_names_add(struct rpc_names *names, const char *name)
{
	size_t used = strlen(names->text);
	size_t room = sizeof(names->text) - used;

	// Room is kept for ", …" so that a cut list shows that it was cut.
	if (strlen(name) + 2 + sizeof(", …") <= room)
		snprintf(names->text + used, room, "%s%s", used > 0 ? ", " : "", name);
	else if (room >= sizeof(", …") && !strstr(names->text, "…"))
		snprintf(names->text + used, room, ", …");
}

const char *rpc_names_text(const struct rpc_names *names, const char *none)
{
	return names->text[0] != '\0' ? names->text : none;
}
