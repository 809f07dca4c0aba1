// SPDX-License-Identifier: BSD-2-Clause
// name-addr and addr-spec with their parameters: From, To, Contact, Route, Record-Route,
// P-Asserted-Identity (RFC 3261 20.10, 25.1).

#include "sip/grammar.h"

// A display name without quotes: tokens and white space; and bytes above ASCII, which the grammar
// wants quoted, but which nobody can take for a bracket.
static void take_display(struct sip_cursor *c)
{
	do {
		while (c->at < c->end && *c->at >= 0x80)
			c->at++;
		sip_take(c, &sip_set_display);
	} while (c->at < c->end && *c->at >= 0x80);
}

// What it means that a display name is not followed by '<'.
static enum sip_error display_error(const struct sip_cursor *c)
{
	switch (sip_peek(c)) {
	case '(':
		return SIP_ERROR_COMMENT;
	case '"':
		return SIP_ERROR_QUOTE;
	case '>':
		return SIP_ERROR_ANGLE;
	default:
		return SIP_ERROR_DISPLAY_NAME;
	}
}

// Takes the display name, if there is one. *bare: what stands at the cursor is an addr-spec, else
// it is '<'.
static enum sip_error read_display(struct sip_cursor *c, struct sip_address *out, bool *bare)
{
	const uint8_t *from = c->at;

	*bare = false;
	if (sip_peek(c) == '<')
		return SIP_OK;
	if (sip_peek(c) == '"') {
		const enum sip_error e = sip_quoted_read(c, &out->display);

		if (e != SIP_OK)
			return e;
		sip_skip_space(c);
		return sip_peek(c) == '<' ? SIP_OK : display_error(c);
	}
	take_display(c);
	if (sip_peek(c) == '<') {
		const uint8_t *to = c->at;

		while (to > from && sip_is_space(to[-1]))
			to--;
		out->display = sip_span_between(from, to);
		return SIP_OK;
	}
	// A token with a colon right behind it is a scheme.
	if (sip_peek(c) != ':')
		return display_error(c);
	c->at = from;
	*bare = true;
	return SIP_OK;
}

// tag-param = "tag" EQUAL token; the rest is anybody's.
static enum sip_error read_parameters(struct sip_cursor *c, struct sip_address *out)
{
	const struct sip_wanted tag = SIP_WANTED("tag", &out->tag);
	const uint8_t *end = c->at;

	out->tag = (struct sip_span){NULL, 0};
	const enum sip_error e = sip_parameters_read(c, &tag, 1, &out->parameters);

	if (e != SIP_OK)
		return e;
	if (out->parameters.at != NULL)
		end = out->parameters.at + out->parameters.length;
	out->text = sip_span_between(out->text.at, end);
	if (out->tag.at == NULL)
		return SIP_OK;
	end = out->tag.at + out->tag.length;
	return out->tag.length != 0 &&
			       sip_set_skip(&sip_set_token, out->tag.at, end, c->bound) == end
		       ? SIP_OK
		       : SIP_ERROR_PARAMETER;
}

enum sip_error sip_address_read(struct sip_cursor *c, bool angle_only, struct sip_address *out)
{
	bool bare;

	out->text.at = c->at;
	out->display = (struct sip_span){NULL, 0};
	enum sip_error e = read_display(c, out, &bare);

	if (e != SIP_OK)
		return e;
	if (bare && angle_only)
		return SIP_ERROR_ANGLE;
	if (!bare)
		c->at++;
	e = sip_uri_read(c, bare ? SIP_URI_BARE : SIP_URI_ANGLE, &out->uri);
	if (e != SIP_OK)
		return e;
	if (!bare)
		c->at++;
	return read_parameters(c, out);
}
