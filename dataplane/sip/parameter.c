// SPDX-License-Identifier: BSD-2-Clause
// Header parameters and quoted strings (RFC 3261 25.1), and how spans compare.

#include "sip/grammar.h"

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

enum sip_error sip_parameter_read_spaced(
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
