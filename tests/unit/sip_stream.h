// SPDX-License-Identifier: BSD-2-Clause
// Bytes of a stream read as they come, in pieces of any size, and what must be true of whatever is
// read: the same for any pieces, and what is written back reads as it was meant. For the tests of
// properties and for the fuzzers, which share it.

#pragma once

#include "sip/sip.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STREAM_CHECK(condition)                                                                    \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

// Small enough for short inputs to meet them.
static const struct sip_limits stream_limits = {
	.start_line = 200,
	.header = 600,
	.headers_bytes = 4000,
	.headers = 60,
	.body = 5000,
	.headers_ms = 10000,
	.message_ms = 30000,
};

// What was read, without where in memory it lay.
struct stream_event {
	enum sip_frame_event event;
	struct sip_fault fault; // of the framing, else of the check
	uint64_t at;            // in the stream
	uint32_t length, headers_length;
	uint64_t digest; // of every value
};

#define STREAM_EVENTS 64

struct stream_events {
	unsigned n;
	struct stream_event list[STREAM_EVENTS];
};

// How many bytes come next, when so many have come.
typedef size_t stream_step(void *arg, size_t come);

static inline uint64_t stream_mix(uint64_t digest, const void *bytes, size_t length)
{
	const uint8_t *p = bytes;

	for (size_t i = 0; i < length; i++)
		digest = (digest ^ p[i]) * UINT64_C(0x100000001b3);
	return (digest ^ length) * UINT64_C(0x100000001b3);
}

static inline uint64_t stream_mix_span(uint64_t digest, struct sip_span s)
{
	return s.at == NULL ? stream_mix(digest, "absent", 6) : stream_mix(digest, s.at, s.length);
}

static inline uint64_t stream_mix_uri(uint64_t digest, const struct sip_uri *u)
{
	struct postern_domain domain;
	struct postern_addr addr;
	struct sip_span lr = {NULL, 0};
	int rc = sip_uri_domain(u, &domain);

	digest = stream_mix(digest, &rc, sizeof(rc));
	if (rc == 0)
		digest = stream_mix(digest, domain.text, domain.length);
	if (rc == -EAFNOSUPPORT) {
		STREAM_CHECK(sip_host_address(&u->host, &addr) == 0);
		digest = stream_mix(digest, &addr, sizeof(addr));
	}
	rc = sip_uri_parameter(u, SIP_SPAN("lr"), &lr);
	digest = stream_mix(digest, &rc, sizeof(rc));
	digest = stream_mix(digest, &u->port, sizeof(u->port));
	digest = stream_mix_span(digest, u->user);
	digest = stream_mix_span(digest, u->password);
	digest = stream_mix_span(digest, u->host.text);
	digest = stream_mix_span(digest, u->parameters);
	return stream_mix_span(digest, u->headers);
}

static inline uint64_t stream_mix_address(uint64_t digest, const struct sip_address *a)
{
	digest = stream_mix_span(digest, a->text);
	digest = stream_mix_span(digest, a->display);
	digest = stream_mix_uri(digest, &a->uri);
	digest = stream_mix_span(digest, a->parameters);
	return stream_mix_span(digest, a->tag);
}

static inline uint64_t stream_mix_list(uint64_t digest, struct sip_message *m, enum sip_header h)
{
	struct sip_list l;
	struct sip_address a;
	int rc;

	sip_list_begin(&l, m, h);
	while ((rc = sip_list_next_address(&l, &a)) == 1)
		digest = stream_mix_address(digest, &a);
	return stream_mix(digest, &rc, sizeof(rc));
}

// Every value that can be asked for.
static inline uint64_t stream_digest(struct sip_message *m)
{
	uint64_t d = UINT64_C(0xcbf29ce484222325);

	for (unsigned i = 0; i < m->n_lines; i++) {
		d = stream_mix(d, &m->lines[i].header, 1);
		d = stream_mix_span(d, sip_line_value(m, i));
	}
	const bool good = sip_message_check(m);

	d = stream_mix(d, &good, sizeof(good));
	if (good) {
		d = stream_mix_address(d, sip_message_from(m));
		d = stream_mix_address(d, sip_message_to(m));
		d = stream_mix_span(d, *sip_message_call_id(m));
		d = stream_mix_span(d, sip_message_via(m)->text);
		d = stream_mix(d, &sip_message_cseq(m)->number, sizeof(uint32_t));
		if (m->request)
			d = stream_mix_uri(d, sip_message_request_uri(m));
	}
	struct sip_fault kept = m->fault;

	d = stream_mix_list(d, m, SIP_HEADER_CONTACT);
	d = stream_mix_list(d, m, SIP_HEADER_RECORD_ROUTE);
	d = stream_mix_list(d, m, SIP_HEADER_P_ASSERTED_IDENTITY);
	m->fault = kept;
	return stream_mix_span(d, sip_message_body(m));
}

// Asked of each message that was found, while it lies there.
typedef void stream_visit(struct sip_message *m);

// Reads a stream to its end, to the first fault, or until `out` is full.
static inline void stream_read(const uint8_t *bytes, size_t length, stream_step *step, void *arg,
	stream_visit *visit, struct stream_events *out)
{
	static struct sip_message m;
	struct sip_frame f = {0};
	size_t at = 0, come = 0;
	enum sip_frame_event event = SIP_FRAME_MORE;

	out->n = 0;
	while (out->n < STREAM_EVENTS) {
		if (event == SIP_FRAME_MORE) {
			if (come == length)
				break;
			const size_t next = step(arg, come);

			come += next < length - come ? next : length - come;
		}
		// Memory of exactly this length, so that the sanitizer sees every byte too many.
		struct sip_framed framed;
		const size_t have = come - at;
		uint8_t *copy = malloc(have ? have : 1);

		STREAM_CHECK(copy);
		memcpy(copy, bytes + at, have);
		event = sip_frame_next(&f, &stream_limits, copy, have, 0, &m, &framed);
		STREAM_CHECK(framed.consumed <= have);
		STREAM_CHECK(event != SIP_FRAME_MORE || framed.need > have);
		if (event != SIP_FRAME_MORE) {
			struct stream_event *e = &out->list[out->n++];

			*e = (struct stream_event){.event = event, .at = at};
			if (event == SIP_FRAME_MESSAGE) {
				STREAM_CHECK(framed.consumed == m.length);
				e->length = m.length;
				e->headers_length = m.headers_length;
				e->digest = stream_digest(&m);
				if (visit)
					visit(&m);
			}
			e->fault = m.fault;
		}
		free(copy);
		at += framed.consumed;
		if (event == SIP_FRAME_FAULT)
			break;
	}
}

static inline size_t stream_all_at_once(void *arg, size_t come)
{
	(void)arg;
	(void)come;
	return SIZE_MAX;
}

static inline bool stream_same(const struct stream_events *a, const struct stream_events *b)
{
	if (a->n != b->n)
		return false;
	for (unsigned i = 0; i < a->n; i++) {
		const struct stream_event *x = &a->list[i], *y = &b->list[i];

		if (x->event != y->event || x->at != y->at || x->length != y->length ||
			x->headers_length != y->headers_length || x->digest != y->digest ||
			x->fault.error != y->fault.error || x->fault.header != y->fault.header ||
			x->fault.offset != y->fault.offset)
			return false;
	}
	return true;
}

// ---- Writing

static inline uint8_t *stream_write(
	struct sip_message *m, const struct sip_edit *edits, unsigned n, size_t *length)
{
	struct iovec pieces[4 * SIP_LINES_MAX];
	const int count = sip_write(m, edits, n, pieces, sizeof(pieces) / sizeof(pieces[0]));

	// Many folds make many pieces.
	if (count == -ENOSPC)
		return NULL;
	STREAM_CHECK(count > 0);
	*length = sip_pieces_length(pieces, (unsigned)count);
	uint8_t *bytes = malloc(*length);

	STREAM_CHECK(bytes);
	sip_pieces_gather(pieces, (unsigned)count, bytes);
	return bytes;
}

// Reads back what was written: it must be one good message, without folds, and nothing else.
static inline void stream_read_back(const uint8_t *bytes, size_t length, struct sip_message *m)
{
	struct sip_frame f = {0};
	struct sip_framed framed;

	STREAM_CHECK(sip_frame_next(&f, &sip_default_limits, bytes, length, 0, m, &framed) ==
		     SIP_FRAME_MESSAGE);
	STREAM_CHECK(framed.consumed == length);
	STREAM_CHECK(sip_message_check(m));
	for (unsigned i = 0; i < m->n_lines; i++) {
		const struct sip_span value = sip_line_value(m, i);

		STREAM_CHECK(!m->lines[i].odd);
		STREAM_CHECK(!value.length || !memchr(value.at, '\r', value.length));
	}
}

// A good message goes on as a proxy sends it, and reads as it was meant.
static inline void stream_visit_write(struct sip_message *m)
{
	static struct sip_message back, again;
	char number[4];
	const int hops = m->request ? sip_message_max_forwards(m) : 0;
	const uint8_t next = hops > 0 ? (uint8_t)(hops - 1) : 70;
	const struct sip_edit request[] = {
		{.kind = SIP_EDIT_PUSH,
			.header = SIP_HEADER_VIA,
			.text = SIP_SPAN("SIP/2.0/TLS edge.example;branch=z9hG4bKours")},
		{.kind = SIP_EDIT_PUSH,
			.header = SIP_HEADER_RECORD_ROUTE,
			.text = SIP_SPAN("<sip:token@edge.example;lr>")},
		{.kind = SIP_EDIT_EXTEND,
			.header = SIP_HEADER_VIA,
			.text = SIP_SPAN(";ms-received-port=5061")},
		sip_edit_max_forwards(next, number),
		{.kind = SIP_EDIT_STRIP, .header = SIP_HEADER_P_ASSERTED_IDENTITY},
		{.kind = SIP_EDIT_ADD_NAME, .name = SIP_SPAN("X-Mark"), .text = SIP_SPAN("yes")},
	};
	const struct sip_edit response[] = {
		{.kind = SIP_EDIT_POP, .header = SIP_HEADER_VIA, .count = 1},
		{.kind = SIP_EDIT_PUSH,
			.header = SIP_HEADER_VIA,
			.text = SIP_SPAN("SIP/2.0/TLS edge.example;branch=z9hG4bKours")},
	};
	size_t length, length2;

	if (m->fault.error != SIP_OK)
		return;
	uint8_t *bytes = m->request ? stream_write(m, request, 6, &length)
				    : stream_write(m, response, 2, &length);

	if (!bytes)
		return;
	stream_read_back(bytes, length, &back);
	STREAM_CHECK(sip_span_equal(sip_message_via(&back)->text,
		SIP_SPAN("SIP/2.0/TLS edge.example;branch=z9hG4bKours")));
	STREAM_CHECK(sip_span_equal(*sip_message_call_id(&back), *sip_message_call_id(m)));
	STREAM_CHECK(sip_span_equal(sip_message_from(&back)->uri.text, m->from.uri.text));
	STREAM_CHECK(sip_span_equal(sip_message_body(&back), sip_message_body(m)));
	if (m->request) {
		STREAM_CHECK(sip_message_max_forwards(&back) == next);
		STREAM_CHECK(sip_message_find(&back, SIP_SPAN("x-mark"), 0) != SIP_LINE_NONE);
		STREAM_CHECK(!(back.seen & SIP_HEADER_BIT(SIP_HEADER_P_ASSERTED_IDENTITY)));
	}
	// Written once, it is written for good.
	uint8_t *bytes2 = stream_write(&back, NULL, 0, &length2);

	STREAM_CHECK(length2 == length && memcmp(bytes, bytes2, length) == 0);
	stream_read_back(bytes2, length2, &again);
	free(bytes2);
	free(bytes);
}
