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
// around either.
static __attribute__((noinline)) enum sip_error read_spaced(
	struct sip_cursor *c, struct sip_span *name, struct sip_span *value)
{
	sip_skip_space(c);
	*name = sip_take(c, &sip_set_token);
	if (name->length == 0)
		return SIP_ERROR_PARAMETER;
	*value = sip_span_between(c->at, c->at);
	sip_skip_space(c);
	if (sip_peek(c) != '=')
		return SIP_OK;
	c->at++;
	sip_skip_space(c);
	return read_value(c, value);
}

// The same where nearly always none stands: looks for it only when nothing else is found. The cursor
// is where the name begins; pointers stay in registers.
static inline __attribute__((always_inline)) enum sip_error read_one(
	struct sip_cursor *c, struct sip_span *name, struct sip_span *value)
{
	const uint8_t *from = c->at;
	const uint8_t *equals = sip_set_skip(&sip_set_token, from, c->end, c->bound);

	if (equals == from || equals == c->end || *equals != '=')
		return read_spaced(c, name, value);
	const uint8_t *to = sip_set_skip(&sip_set_value, equals + 1, c->end, c->bound);

	if (to == equals + 1)
		return read_spaced(c, name, value);
	*name = sip_span_between(from, equals);
	*value = sip_span_between(equals + 1, to);
	c->at = to;
	return SIP_OK;
}

// Keeps the value of a parameter if it is one of those that are wanted.
static inline __attribute__((always_inline)) enum sip_error keep(struct sip_span name,
	struct sip_span value, const uint8_t *bound, const struct sip_wanted *wanted, unsigned n)
{
	if (name.length > 8)
		return SIP_OK;
	const uint64_t key = sip_key(name.at, name.length, bound);

	for (unsigned i = 0; i < n; i++) {
		if (wanted[i].key != key)
			continue;
		if (wanted[i].value->at != NULL)
			return SIP_ERROR_PARAMETER_REPEATED;
		wanted[i].value->at = value.at;
		wanted[i].value->length = value.length;
	}
	return SIP_OK;
}

enum sip_error sip_parameters_read(
	struct sip_cursor *c, const struct sip_wanted *wanted, unsigned n, struct sip_span *all)
{
	const uint8_t *from = c->at;
	const uint8_t *to = from;
	enum sip_error e = SIP_OK;

	for (;;) {
		struct sip_span name, value;

		if (sip_peek(c) != ';') {
			sip_skip_space(c);
			if (sip_peek(c) != ';')
				break;
		}
		c->at++;
		e = read_one(c, &name, &value);
		if (e == SIP_OK)
			e = keep(name, value, c->bound, wanted, n);
		if (e != SIP_OK)
			break;
		to = value.at + value.length;
	}
	all->at = to > from ? from : NULL;
	all->length = (uint32_t)(to - from);
	return e;
}
