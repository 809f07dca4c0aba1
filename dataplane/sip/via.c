// SPDX-License-Identifier: BSD-2-Clause
// One value of a Via (RFC 3261 20.42, 25.1).

#include "sip/grammar.h"

// SLASH = SWS "/" SWS
SIP_INLINE bool take_slash(struct sip_cursor *c)
{
	sip_skip_space(c);
	if (sip_peek(c) != '/')
		return false;
	c->at++;
	sip_skip_space(c);
	return true;
}

// "SIP" SLASH "2.0" SLASH, as everybody writes it and as one may.
SIP_INLINE bool take_version(struct sip_cursor *c)
{
	if (c->end - c->at > 8 && sip_key(c->at, 8, c->bound) == sip_literal_key("sip/2.0/", 8)) {
		c->at += 8;
		sip_skip_space(c);
		return true;
	}
	const struct sip_span name = sip_take(c, &sip_set_token);

	if (!SIP_TOKEN_IS(name, c->bound, "sip") || !take_slash(c))
		return false;
	const struct sip_span version = sip_take(c, &sip_set_token);

	return SIP_TOKEN_IS(version, c->bound, "2.0") && take_slash(c);
}

// sent-protocol = "SIP" SLASH "2.0" SLASH transport
SIP_INLINE enum sip_error read_protocol(struct sip_cursor *c, struct sip_span *transport)
{
	if (!take_version(c))
		return SIP_ERROR_VIA;
	*transport = sip_take(c, &sip_set_token);
	if (transport->length == 0 || !sip_is_space(sip_peek(c)))
		return SIP_ERROR_VIA;
	sip_skip_space(c);
	return SIP_OK;
}

SIP_INLINE enum sip_error read_parameters(struct sip_cursor *c, struct sip_via *out)
{
	struct sip_span rport = {NULL, 0};
	const struct sip_wanted wanted[] = {SIP_WANTED("branch", &out->branch),
		SIP_WANTED("received", &out->received), SIP_WANTED("rport", &rport)};
	const uint8_t *end = c->at;

	out->branch = (struct sip_span){NULL, 0};
	out->received = (struct sip_span){NULL, 0};
	const enum sip_error e = sip_parameters_read(
		c, wanted, sizeof(wanted) / sizeof(wanted[0]), &out->parameters);

	if (e != SIP_OK)
		return e;
	if (out->parameters.at != NULL)
		end = out->parameters.at + out->parameters.length;
	out->text = sip_span_between(out->text.at, end);
	// This one may stand without a value (RFC 3581).
	out->rport = rport.at != NULL;
	if ((out->branch.at != NULL && out->branch.length == 0) ||
		(out->received.at != NULL && out->received.length == 0))
		return SIP_ERROR_PARAMETER;
	return SIP_OK;
}

enum sip_error sip_via_read(struct sip_cursor *cursor, struct sip_via *out)
{
	struct sip_cursor c = {cursor->at, cursor->end, cursor->bound}; // in registers

	out->text.at = c.at;
	enum sip_error e = read_protocol(&c, &out->transport);

	if (e == SIP_OK)
		e = sip_host_read(&c, true, &out->host, &out->port);
	if (e == SIP_OK)
		e = read_parameters(&c, out);
	cursor->at = c.at;
	return e;
}
