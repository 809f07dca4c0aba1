// SPDX-License-Identifier: BSD-2-Clause
// Values of a message, found when they are asked for and remembered; and whether a message may be
// routed.

#include "sip/grammar.h"

#include <errno.h>

// Bits of sip_message.found.
enum {
	FOUND_REQUEST_URI = 1u << 0,
	FOUND_FROM = 1u << 1,
	FOUND_TO = 1u << 2,
	FOUND_CALL_ID = 1u << 3,
	FOUND_CSEQ = 1u << 4,
	FOUND_VIA = 1u << 5,
	FOUND_ROUTE = 1u << 6,
	FOUND_MAX_FORWARDS = 1u << 7,
};

void sip_message_fault(
	struct sip_message *m, enum sip_error e, enum sip_header h, const uint8_t *at)
{
	if (m->fault.error != SIP_OK)
		return;
	m->fault = (struct sip_fault){
		(uint8_t)e, (uint8_t)h, at != NULL ? (uint32_t)(at - m->bytes) : 0};
}

struct sip_span sip_line_value(const struct sip_message *m, unsigned line)
{
	const struct sip_line *l = &m->lines[line];

	return (struct sip_span){m->bytes + l->value, l->value_length};
}

unsigned sip_message_line(struct sip_message *m, enum sip_header h)
{
	if (!(m->seen & SIP_HEADER_BIT(h))) {
		sip_message_fault(m, SIP_ERROR_MISSING, h, NULL);
		return SIP_LINE_NONE;
	}
	if (m->repeated & SIP_HEADER_BIT(h)) {
		const unsigned second = m->lines[m->first[h]].next;

		sip_message_fault(m, SIP_ERROR_REPEATED, h, m->bytes + m->lines[second].name);
		return SIP_LINE_NONE;
	}
	return m->first[h];
}

static bool name_is(const struct sip_message *m, const struct sip_line *l, struct sip_span name)
{
	const uint8_t *p = m->bytes + l->name;
	const uint8_t *end = sip_set_skip_plain(&sip_set_token, p, m->bytes + l->end);

	return sip_span_equal_nocase(sip_span_between(p, end), name);
}

unsigned sip_message_find(const struct sip_message *m, struct sip_span name, unsigned from)
{
	for (unsigned i = from; i < m->n_lines; i++)
		if (name_is(m, &m->lines[i], name))
			return i;
	return SIP_LINE_NONE;
}

// Ends the reading of a value that fills its line: notes what is wrong, or that it was found.
static bool finish(struct sip_message *m, enum sip_error e, enum sip_header h,
	const struct sip_cursor *c, uint32_t bit)
{
	if (e == SIP_OK && c->at != c->end)
		e = *c->at == '(' ? SIP_ERROR_COMMENT : SIP_ERROR_TRAILING;
	if (e != SIP_OK) {
		sip_message_fault(m, e, h, c->at);
		return false;
	}
	m->found |= bit;
	return true;
}

const struct sip_uri *sip_message_request_uri(struct sip_message *m)
{
	const uint8_t *from = m->request_text.at;
	const uint8_t *to = from + m->request_text.length;
	struct sip_cursor c = {from, to, m->bytes + m->readable};

	if (m->found & FOUND_REQUEST_URI)
		return &m->request_uri;
	if (!m->request) {
		sip_message_fault(m, SIP_ERROR_MISSING, SIP_HEADER_NONE, from);
		return NULL;
	}
	enum sip_error e = sip_uri_read(&c, SIP_URI_ALONE, &m->request_uri);

	// RFC 3261 19.1.1: no headers in a Request-URI.
	if (e == SIP_OK && m->request_uri.headers.at != NULL)
		e = SIP_ERROR_URI_HEADERS;
	return finish(m, e, SIP_HEADER_NONE, &c, FOUND_REQUEST_URI) ? &m->request_uri : NULL;
}

static const struct sip_address *one_address(
	struct sip_message *m, enum sip_header h, uint32_t bit, struct sip_address *out)
{
	if (m->found & bit)
		return out;
	const unsigned line = sip_message_line(m, h);

	if (line == SIP_LINE_NONE)
		return NULL;
	struct sip_cursor c = sip_line_cursor(m, line);
	const enum sip_error e = sip_address_read(&c, false, out);

	return finish(m, e, h, &c, bit) ? out : NULL;
}

const struct sip_address *sip_message_from(struct sip_message *m)
{
	return one_address(m, SIP_HEADER_FROM, FOUND_FROM, &m->from);
}

const struct sip_address *sip_message_to(struct sip_message *m)
{
	return one_address(m, SIP_HEADER_TO, FOUND_TO, &m->to);
}

const struct sip_span *sip_message_call_id(struct sip_message *m)
{
	if (m->found & FOUND_CALL_ID)
		return &m->call_id;
	const unsigned line = sip_message_line(m, SIP_HEADER_CALL_ID);

	if (line == SIP_LINE_NONE)
		return NULL;
	struct sip_cursor c = sip_line_cursor(m, line);
	const enum sip_error e = sip_call_id_read(&c, &m->call_id);

	return finish(m, e, SIP_HEADER_CALL_ID, &c, FOUND_CALL_ID) ? &m->call_id : NULL;
}

const struct sip_cseq *sip_message_cseq(struct sip_message *m)
{
	if (m->found & FOUND_CSEQ)
		return &m->cseq;
	const unsigned line = sip_message_line(m, SIP_HEADER_CSEQ);

	if (line == SIP_LINE_NONE)
		return NULL;
	struct sip_cursor c = sip_line_cursor(m, line);
	const enum sip_error e = sip_cseq_read(&c, &m->cseq);

	return finish(m, e, SIP_HEADER_CSEQ, &c, FOUND_CSEQ) ? &m->cseq : NULL;
}

const struct sip_via *sip_message_via(struct sip_message *m)
{
	struct sip_list l;

	if (m->found & FOUND_VIA)
		return &m->via;
	sip_list_begin(&l, m, SIP_HEADER_VIA);
	if (sip_list_next_via(&l, &m->via) != 1) {
		sip_message_fault(m, SIP_ERROR_MISSING, SIP_HEADER_VIA, NULL);
		return NULL;
	}
	m->found |= FOUND_VIA;
	return &m->via;
}

// All of them are read: whoever comes after us is steered by them.
const struct sip_address *sip_message_route(struct sip_message *m)
{
	struct sip_address other;
	struct sip_list l;

	if (m->found & FOUND_ROUTE)
		return &m->route;
	sip_list_begin(&l, m, SIP_HEADER_ROUTE);
	int rc = sip_list_next_route(&l, &m->route);

	if (rc != 1)
		return NULL;
	do {
		rc = sip_list_next_route(&l, &other);
	} while (rc == 1);
	if (rc < 0)
		return NULL;
	m->found |= FOUND_ROUTE;
	return &m->route;
}

int sip_message_max_forwards(struct sip_message *m)
{
	uint32_t value;

	if (m->found & FOUND_MAX_FORWARDS)
		return m->max_forwards;
	if (!(m->seen & SIP_HEADER_BIT(SIP_HEADER_MAX_FORWARDS)))
		return -ENOENT;
	const unsigned line = sip_message_line(m, SIP_HEADER_MAX_FORWARDS);

	if (line == SIP_LINE_NONE)
		return -EBADMSG;
	struct sip_cursor c = sip_line_cursor(m, line);
	const enum sip_error e =
		sip_number_read(&c, UINT8_MAX, &value) < 0 ? SIP_ERROR_MAX_FORWARDS : SIP_OK;

	if (!finish(m, e, SIP_HEADER_MAX_FORWARDS, &c, FOUND_MAX_FORWARDS))
		return -EBADMSG;
	m->max_forwards = (uint8_t)value;
	return m->max_forwards;
}
