// SPDX-License-Identifier: BSD-2-Clause
// Where a message ends on a stream (RFC 3261 18.3): CRLFs between messages, headers up to the
// empty line, as many bytes of body as Content-Length says.

#include "sip/grammar.h"

// A body limit of 5000 KB is what Microsoft's servers have between each other. The other limits
// hold what is seen in practice several times over.
const struct sip_limits sip_default_limits = {
	.start_line = 4096,
	.header = 8192,
	.headers_bytes = 32768,
	.headers = SIP_LINES_MAX,
	.body = 5000 * 1024,
	.headers_ms = 10000,
	.message_ms = 30000,
};

static enum sip_frame_event fault(
	struct sip_message *m, enum sip_error e, enum sip_header h, uint32_t offset)
{
	m->fault = (struct sip_fault){(uint8_t)e, (uint8_t)h, offset};
	return SIP_FRAME_FAULT;
}

// The message is not whole: sees to the clock.
static enum sip_frame_event wait(struct sip_frame *f, const struct sip_limits *limits, size_t need,
	uint64_t now_us, struct sip_message *m, struct sip_framed *out)
{
	const uint32_t ms = f->whole != 0 ? limits->message_ms : limits->headers_ms;

	if (f->deadline_us == 0)
		f->began_us = now_us;
	f->deadline_us = f->began_us + (uint64_t)ms * 1000;
	if (now_us >= f->deadline_us)
		return fault(m, f->whole != 0 ? SIP_ERROR_MESSAGE_LATE : SIP_ERROR_HEADERS_LATE,
			SIP_HEADER_NONE, 0);
	out->need = need;
	out->deadline_us = f->deadline_us;
	return SIP_FRAME_MORE;
}

// A CRLF before a message (RFC 3261 7.5), or half of one.
static enum sip_frame_event take_crlf(struct sip_frame *f, const struct sip_limits *limits,
	const uint8_t *bytes, size_t length, uint64_t now_us, struct sip_message *m,
	struct sip_framed *out)
{
	if (length < 2)
		return wait(f, limits, 2, now_us, m, out);
	if (bytes[1] != '\n')
		return fault(m, SIP_ERROR_BARE_CR, SIP_HEADER_NONE, 0);
	const bool ping = f->half_ping;

	*f = (struct sip_frame){.half_ping = !ping};
	out->consumed = 2;
	return ping ? SIP_FRAME_PING : SIP_FRAME_CRLF;
}

// RFC 3261 18.3 and 20.14: on a stream the length is mandatory, and one number.
static bool read_length(struct sip_message *m, const struct sip_limits *limits, uint32_t *length)
{
	const enum sip_header h = SIP_HEADER_CONTENT_LENGTH;
	enum sip_error e = SIP_OK;

	if (!(m->seen & SIP_HEADER_BIT(h))) {
		fault(m, SIP_ERROR_LENGTH_MISSING, h, m->headers_length);
		return false;
	}
	struct sip_cursor c = sip_line_cursor(m, m->first[h]);

	// All digits first: a number that is too large is still a number.
	const uint8_t *end = sip_set_skip(&sip_set_digit, c.at, c.end, c.bound);

	if (m->repeated & SIP_HEADER_BIT(h))
		e = SIP_ERROR_LENGTH_REPEATED;
	else if (end != c.end || c.at == c.end)
		e = SIP_ERROR_LENGTH_MALFORMED;
	else if (sip_number_read(&c, limits->body, length) < 0)
		e = SIP_ERROR_BODY_LONG;
	if (e != SIP_OK)
		fault(m, e, h, (uint32_t)(end - m->bytes));
	return e == SIP_OK;
}

// Reads a message's headers, and with them how long it is.
static enum sip_frame_event read_headers(struct sip_frame *f, const struct sip_limits *limits,
	const uint8_t *bytes, size_t length, uint64_t now_us, struct sip_message *m,
	struct sip_framed *out)
{
	const uint32_t look = length < UINT32_MAX ? (uint32_t)length : UINT32_MAX;
	uint32_t body;

	if (f->whole != 0)
		f->resume = (struct sip_resume){0, 0};
	switch (sip_index(m, limits, bytes, look, &f->resume)) {
	case SIP_INDEX_FAULT:
		return SIP_FRAME_FAULT;
	case SIP_INDEX_MORE:
		return wait(f, limits, length + 1, now_us, m, out);
	default:
		break;
	}
	if (!read_length(m, limits, &body))
		return SIP_FRAME_FAULT;
	f->whole = m->headers_length + body;
	m->length = f->whole;
	return SIP_FRAME_MESSAGE;
}

enum sip_frame_event sip_frame_next(struct sip_frame *f, const struct sip_limits *limits,
	const uint8_t *bytes, size_t length, uint64_t now_us, struct sip_message *m,
	struct sip_framed *out)
{
	*out = (struct sip_framed){0};
	m->fault = (struct sip_fault){SIP_OK, SIP_HEADER_NONE, 0};
	if (length == 0) {
		out->need = 1;
		return SIP_FRAME_MORE;
	}
	if (bytes[0] == '\r')
		return take_crlf(f, limits, bytes, length, now_us, m, out);
	f->half_ping = false;
	if (length < f->whole)
		return wait(f, limits, f->whole, now_us, m, out);
	const enum sip_frame_event event = read_headers(f, limits, bytes, length, now_us, m, out);

	if (event != SIP_FRAME_MESSAGE)
		return event;
	if (length < f->whole)
		return wait(f, limits, f->whole, now_us, m, out);
	out->consumed = f->whole;
	*f = (struct sip_frame){0};
	return SIP_FRAME_MESSAGE;
}
