// SPDX-License-Identifier: BSD-2-Clause
// URIs (RFC 3261 19.1 and 25.1; tel: RFC 3966). A byte that the grammar does not have is an
// error, so an '@' stands in a SIP URI once or never, and what stands behind it is the host.

#include "sip/grammar.h"

#include <errno.h>

static bool is_hex(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

// Goes on behind the members of a set that stand at the cursor, from an escape or from what is none.
static __attribute__((noinline)) bool take_escapes(struct sip_cursor *c, const struct sip_set *s)
{
	while (sip_peek(c) == '%') {
		if (c->end - c->at < 3 || !is_hex(c->at[1]) || !is_hex(c->at[2]))
			return false;
		c->at += 3;
		sip_take(c, s);
	}
	return true;
}

// Takes members of a set and escapes. False at a '%' that begins none.
SIP_INLINE bool take_escaped(struct sip_cursor *c, const struct sip_set *s, struct sip_span *out)
{
	const uint8_t *from = c->at;
	bool good = true;

	sip_take(c, s);
	if (__builtin_expect(sip_peek(c) == '%', 0)) {
		struct sip_cursor copy = *c;

		good = take_escapes(&copy, s);
		c->at = copy.at;
	}
	out->at = from;
	out->length = (uint32_t)(c->at - from);
	return good;
}

// userinfo = user [ ":" password ] "@". Without an '@' behind it what was read is no user but a
// host, and the cursor goes back.
SIP_INLINE enum sip_error read_user(
	struct sip_cursor *c, enum sip_uri_place place, struct sip_uri *out)
{
	const bool bare = place == SIP_URI_BARE;
	const uint8_t *from = c->at;
	struct sip_span user, password = {NULL, 0};
	bool escapes = take_escaped(c, bare ? &sip_set_user_bare : &sip_set_user, &user);

	if (escapes && sip_peek(c) == ':') {
		c->at++;
		escapes = take_escaped(
			c, bare ? &sip_set_password_bare : &sip_set_password, &password);
	}
	if (!escapes)
		return SIP_ERROR_URI_ESCAPE;
	if (sip_peek(c) != '@') {
		c->at = from;
		return SIP_OK;
	}
	c->at++;
	if (user.length == 0)
		return SIP_ERROR_URI;
	out->user = user;
	out->password = password;
	return SIP_OK;
}

// uri-parameters = *( ";" pname [ "=" pvalue ] )
SIP_INLINE enum sip_error read_parameters(struct sip_cursor *c, struct sip_uri *out)
{
	const uint8_t *from = c->at + 1;
	struct sip_span part;

	while (sip_peek(c) == ';') {
		c->at++;
		if (!take_escaped(c, &sip_set_uri_parameter, &part))
			return SIP_ERROR_URI_ESCAPE;
		if (part.length == 0)
			return SIP_ERROR_URI_PARAMETER;
		if (sip_peek(c) != '=')
			continue;
		c->at++;
		if (!take_escaped(c, &sip_set_uri_parameter, &part))
			return SIP_ERROR_URI_ESCAPE;
		if (part.length == 0)
			return SIP_ERROR_URI_PARAMETER;
	}
	if (c->at > from)
		out->parameters = sip_span_between(from, c->at);
	return SIP_OK;
}

SIP_INLINE enum sip_error read_tail(struct sip_cursor *c, struct sip_uri *out)
{
	const enum sip_error e = read_parameters(c, out);

	if (e != SIP_OK || sip_peek(c) != '?')
		return e;
	c->at++;
	if (!take_escaped(c, &sip_set_uri_headers, &out->headers))
		return SIP_ERROR_URI_ESCAPE;
	return out->headers.length != 0 ? SIP_OK : SIP_ERROR_URI;
}

// What it means that a URI ends where it does.
SIP_INLINE enum sip_error end_error(const struct sip_cursor *c, enum sip_uri_place place)
{
	const uint8_t next = sip_peek(c);

	if (next == '@')
		return SIP_ERROR_URI_AT;
	switch (place) {
	case SIP_URI_ANGLE:
		if (next == '>')
			return SIP_OK;
		return sip_is_space(next) ? SIP_ERROR_URI_SPACE
		       : c->at == c->end  ? SIP_ERROR_ANGLE
					  : SIP_ERROR_URI;
	case SIP_URI_BARE:
		// A question mark would begin headers or belong to the user: the grammar wants angle
		// brackets around either.
		return next == '?' ? SIP_ERROR_URI_HEADERS : SIP_OK;
	default:
		return c->at == c->end ? SIP_OK : SIP_ERROR_URI;
	}
}

SIP_INLINE enum sip_error read_sip(
	struct sip_cursor *c, enum sip_uri_place place, struct sip_uri *out)
{
	enum sip_error e = read_user(c, place, out);

	if (e == SIP_OK)
		e = sip_host_read(c, false, &out->host, &out->port);
	if (e == SIP_OK && place != SIP_URI_BARE)
		e = read_tail(c, out);
	return e;
}

// Of other schemes nothing is read but where they end. The number of a tel URI is what stands
// before its parameters.
static __attribute__((noinline)) enum sip_error read_other(
	struct sip_cursor *c, enum sip_uri_place place, struct sip_uri *out)
{
	struct sip_span text;
	const bool bare = place == SIP_URI_BARE;

	if (!take_escaped(c, bare ? &sip_set_opaque_bare : &sip_set_opaque, &text))
		return SIP_ERROR_URI_ESCAPE;
	if (text.length == 0)
		return SIP_ERROR_URI;
	if (out->scheme != SIP_SCHEME_TEL)
		return SIP_OK;
	const uint8_t *semicolon = memchr(text.at, ';', text.length);
	const uint8_t *end = text.at + text.length;

	out->user = sip_span_between(text.at, semicolon != NULL ? semicolon : end);
	if (semicolon != NULL)
		out->parameters = sip_span_between(semicolon + 1, end);
	return SIP_OK;
}

SIP_INLINE enum sip_error read_opaque(
	struct sip_cursor *c, enum sip_uri_place place, struct sip_uri *out)
{
	struct sip_cursor copy = *c;
	const enum sip_error e = read_other(&copy, place, out);

	c->at = copy.at;
	return e;
}

// scheme ":"; the cursor is left behind the colon.
SIP_INLINE enum sip_error read_scheme(struct sip_cursor *c, uint8_t *scheme)
{
	// Nearly all are this one.
	if (c->end - c->at > 4 && c->at[3] == ':' &&
		sip_key(c->at, 3, c->bound) == sip_literal_key("sip", 3)) {
		c->at += 4;
		*scheme = SIP_SCHEME_SIP;
		return SIP_OK;
	}
	const struct sip_span name = sip_take(c, &sip_set_token);

	if (name.length == 0 || sip_peek(c) != ':')
		return sip_is_space(sip_peek(c)) ? SIP_ERROR_URI_SPACE : SIP_ERROR_URI;
	c->at++;
	if (SIP_TOKEN_IS(name, c->bound, "sip"))
		*scheme = SIP_SCHEME_SIP;
	else if (SIP_TOKEN_IS(name, c->bound, "sips"))
		*scheme = SIP_SCHEME_SIPS;
	else if (SIP_TOKEN_IS(name, c->bound, "tel"))
		*scheme = SIP_SCHEME_TEL;
	else
		*scheme = SIP_SCHEME_OTHER;
	return SIP_OK;
}

// Nothing is there until it is found. Field by field: the compiler's way with all of it at once is
// slower than the reading.
SIP_INLINE void clear(struct sip_uri *u)
{
	u->port = 0;
	u->user.at = NULL;
	u->password.at = NULL;
	u->host.text.at = NULL;
	u->host.v6 = false;
	u->parameters.at = NULL;
	u->headers.at = NULL;
	u->user.length = u->password.length = u->host.text.length = 0;
	u->parameters.length = u->headers.length = 0;
}

enum sip_error sip_uri_read(
	struct sip_cursor *cursor, enum sip_uri_place place, struct sip_uri *out)
{
	struct sip_cursor c = {cursor->at, cursor->end, cursor->bound}; // in registers
	const uint8_t *from = c.at;

	clear(out);
	enum sip_error e = read_scheme(&c, &out->scheme);

	if (e == SIP_OK)
		e = out->scheme <= SIP_SCHEME_SIPS ? read_sip(&c, place, out)
						   : read_opaque(&c, place, out);
	if (e == SIP_OK)
		e = end_error(&c, place);
	cursor->at = c.at;
	out->text = sip_span_between(from, c.at);
	return e;
}

enum sip_error sip_uri_parse(struct sip_span text, struct sip_uri *out)
{
	const uint8_t *end = text.at + text.length;
	struct sip_cursor c = {text.at, end, end};

	return sip_uri_read(&c, SIP_URI_ALONE, out);
}

int sip_uri_parameter(const struct sip_uri *uri, struct sip_span name, struct sip_span *value)
{
	int found = 0;

	if (uri->parameters.at == NULL)
		return 0;
	const uint8_t *p = uri->parameters.at;
	const uint8_t *end = p + uri->parameters.length;

	while (p < end) {
		const uint8_t *stop = memchr(p, ';', (size_t)(end - p));

		if (stop == NULL)
			stop = end;
		const uint8_t *equals = memchr(p, '=', (size_t)(stop - p));
		const struct sip_span own = sip_span_between(p, equals != NULL ? equals : stop);

		if (memchr(own.at, '%', own.length) != NULL)
			return -EBADMSG;
		if (sip_span_equal_nocase(own, name)) {
			if (found++)
				return -EBADMSG;
			*value = equals != NULL ? sip_span_between(equals + 1, stop)
						: sip_span_between(stop, stop);
		}
		p = stop + 1;
	}
	return found;
}
