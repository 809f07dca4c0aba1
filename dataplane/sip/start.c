// SPDX-License-Identifier: BSD-2-Clause
// Request-Line and Status-Line (RFC 3261 7.1 and 7.2). One space between their parts, and no
// other: where a second one may stand, readers disagree on what the URI is (RFC 4475 3.1.2.9).

#include "sip/grammar.h"

// Whether `length` bytes begin as a version does: "SIP/", in letters of either case.
static bool begins_version(const uint8_t *p, size_t length)
{
	return length > 4 && (p[0] | 0x20) == 's' && (p[1] | 0x20) == 'i' && (p[2] | 0x20) == 'p' &&
	       p[3] == '/';
}

// SIP-Version = "SIP" "/" 1*DIGIT "." 1*DIGIT, all of it and nothing behind.
static enum sip_error check_version(const uint8_t *p, size_t length)
{
	const uint8_t *end = p + length;

	if (!begins_version(p, length))
		return SIP_ERROR_START_LINE;
	if (length == 7 && memcmp(p + 4, "2.0", 3) == 0)
		return SIP_OK;
	const uint8_t *dot = sip_set_skip_plain(&sip_set_digit, p + 4, end);

	if (dot == p + 4 || end - dot < 2 || *dot != '.' ||
		sip_set_skip_plain(&sip_set_digit, dot + 1, end) != end)
		return SIP_ERROR_START_LINE;
	return SIP_ERROR_VERSION;
}

// Status-Line = SIP-Version SP Status-Code SP Reason-Phrase; the phrase may be empty.
static enum sip_error read_status(struct sip_message *m, struct sip_cursor *c)
{
	const uint8_t *space = memchr(c->at, ' ', (size_t)(c->end - c->at));
	uint32_t status;

	if (space == NULL)
		return SIP_ERROR_START_LINE;
	const enum sip_error e = check_version(c->at, (size_t)(space - c->at));

	if (e != SIP_OK)
		return e;
	c->at = space + 1;
	const uint8_t *digits = c->at;

	if (sip_number_read(c, 699, &status) < 0 || c->at - digits != 3 || status < 100)
		return SIP_ERROR_STATUS_CODE;
	if (sip_peek(c) != ' ')
		return SIP_ERROR_START_LINE;
	m->request = false;
	m->status = (uint16_t)status;
	m->method = SIP_METHOD_OTHER;
	m->method_name = (struct sip_span){NULL, 0};
	m->request_text = sip_span_between(c->at + 1, c->end);
	return SIP_OK;
}

// Request-Line = Method SP Request-URI SP SIP-Version
static enum sip_error read_request(struct sip_message *m, struct sip_cursor *c)
{
	const uint8_t *end = c->end;

	m->method_name = sip_take(c, &sip_set_token);
	if (m->method_name.length == 0 || sip_peek(c) != ' ')
		return SIP_ERROR_START_LINE;
	c->at++;
	const uint8_t *uri = c->at;
	const uint8_t *space = memchr(uri, ' ', (size_t)(end - uri));

	if (space == NULL || space == uri)
		return SIP_ERROR_START_LINE;
	c->at = space + 1;
	const enum sip_error e = check_version(c->at, (size_t)(end - c->at));

	if (e != SIP_OK)
		return e;
	m->request = true;
	m->status = 0;
	m->method = (uint8_t)sip_method_find(m->method_name.at, m->method_name.length, c->bound);
	m->request_text = sip_span_between(uri, space);
	return SIP_OK;
}

enum sip_error sip_start_read(struct sip_message *m, uint32_t length, uint32_t *offset)
{
	struct sip_cursor c = {m->bytes, m->bytes + length, m->bytes + m->readable};
	const enum sip_error e =
		begins_version(m->bytes, length) ? read_status(m, &c) : read_request(m, &c);

	*offset = (uint32_t)(c.at - m->bytes);
	return e;
}
