// SPDX-License-Identifier: BSD-2-Clause
// Header parameters and quoted strings (RFC 3261 25.1), and how spans compare.

#include "sip/private.h"

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

bool sip_span_equal(struct sip_span a, struct sip_span b)
{
	return a.length == b.length && memcmp(a.at, b.at, a.length) == 0;
}

bool sip_span_equal_nocase(struct sip_span a, struct sip_span b)
{
	if (a.length != b.length)
		return false;
	for (uint32_t i = 0; i < a.length; i++)
		if (lower(a.at[i]) != lower(b.at[i]))
			return false;
	return true;
}

enum sip_error sip_quoted_read(struct sip_cursor *c, struct sip_span *out)
{
	const uint8_t *from = ++c->at;

	for (;;) {
		c->at = sip_set_find(&sip_set_quote, c->at, c->end, c->bound);
		if (c->at == c->end)
			return SIP_ERROR_QUOTE;
		if (*c->at == '"')
			break;
		// quoted-pair excludes CR and LF.
		if (c->end - c->at < 2 || c->at[1] == '\r')
			return SIP_ERROR_QUOTE;
		c->at += 2;
	}
	*out = sip_span_between(from, c->at++);
	return SIP_OK;
}

// gen-value = token / host / quoted-string
static enum sip_error read_value(struct sip_cursor *c, struct sip_span *out)
{
	const uint8_t *from = c->at;

	if (sip_peek(c) == '"') {
		const enum sip_error e = sip_quoted_read(c, out);

		*out = sip_span_between(from, c->at);
		return e;
	}
	*out = sip_take(c, &sip_set_value);
	return out->length != 0 ? SIP_OK : SIP_ERROR_PARAMETER;
}

// Takes name[=value]; without '=' *value is empty and stands behind the name. White space may stand
// around either, and is looked for only where nothing else is found.
static enum sip_error read_one(struct sip_cursor *c, struct sip_span *name, struct sip_span *value)
{
	*name = sip_take(c, &sip_set_token);
	if (name->length == 0) {
		sip_skip_space(c);
		*name = sip_take(c, &sip_set_token);
		if (name->length == 0)
			return SIP_ERROR_PARAMETER;
	}
	*value = sip_span_between(c->at, c->at);
	if (sip_peek(c) != '=') {
		sip_skip_space(c);
		if (sip_peek(c) != '=')
			return SIP_OK;
	}
	c->at++;
	*value = sip_take(c, &sip_set_value);
	if (value->length != 0)
		return SIP_OK;
	sip_skip_space(c);
	return read_value(c, value);
}

// Keeps the value of a parameter if it is one of those that are wanted.
static enum sip_error keep(struct sip_span name, struct sip_span value, const uint8_t *bound,
	const struct sip_name *wanted, struct sip_span *values, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (wanted[i].length != name.length ||
			wanted[i].key != sip_key(name.at, name.length, bound))
			continue;
		if (values[i].at != NULL)
			return SIP_ERROR_PARAMETER_REPEATED;
		values[i] = value;
	}
	return SIP_OK;
}

enum sip_error sip_parameters_read(struct sip_cursor *cursor, const struct sip_name *wanted,
	struct sip_span *values, unsigned n, struct sip_span *all)
{
	struct sip_cursor c = *cursor;
	const uint8_t *from = c.at;
	const uint8_t *to = from;
	enum sip_error e = SIP_OK;

	for (;;) {
		struct sip_span name, value;

		if (sip_peek(&c) != ';') {
			sip_skip_space(&c);
			if (sip_peek(&c) != ';')
				break;
		}
		c.at++;
		e = read_one(&c, &name, &value);
		if (e == SIP_OK)
			e = keep(name, value, c.bound, wanted, values, n);
		if (e != SIP_OK)
			break;
		to = value.at + value.length;
	}
	cursor->at = c.at;
	*all = to > from ? sip_span_between(from, to) : (struct sip_span){NULL, 0};
	return e;
}
