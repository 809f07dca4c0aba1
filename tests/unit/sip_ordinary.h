// SPDX-License-Identifier: BSD-2-Clause
// What the short way of indexing finds is what the other one finds. For the tests of properties and
// for the fuzzers, which share it.

#pragma once

#include "sip/private.h"
#include "sip_stream.h"

static inline void ordinary_same_lines(const struct sip_message *a, const struct sip_message *b)
{
	STREAM_CHECK(a->n_lines == b->n_lines);
	for (unsigned i = 0; i < a->n_lines; i++) {
		const struct sip_line *x = &a->lines[i], *y = &b->lines[i];

		STREAM_CHECK(x->name == y->name && x->end == y->end && x->value == y->value &&
			     x->value_length == y->value_length && x->header == y->header &&
			     x->next == y->next && x->odd == y->odd);
	}
	STREAM_CHECK(a->seen == b->seen && a->repeated == b->repeated);
	for (unsigned h = 0; h < SIP_HEADERS_KNOWN; h++)
		if (a->seen & SIP_HEADER_BIT(h))
			STREAM_CHECK(a->first[h] == b->first[h] && a->last[h] == b->last[h]);
}

static inline bool ordinary_check_form(
	sip_ordinary *form, const uint8_t *bytes, uint32_t length, const struct sip_limits *limits)
{
	static struct sip_message a, b;
	struct sip_resume from = {0, 0};

	a.bytes = b.bytes = bytes;
	a.readable = b.readable = length;
	if (!form(&a, limits, bytes, length))
		return false;
	STREAM_CHECK(sip_index_any(&b, limits, bytes, length, &from) == SIP_INDEX_WHOLE);
	STREAM_CHECK(a.headers_length == b.headers_length);
	STREAM_CHECK(a.request == b.request && a.method == b.method && a.status == b.status);
	STREAM_CHECK(a.method_name.at == b.method_name.at);
	STREAM_CHECK(a.method_name.length == b.method_name.length);
	STREAM_CHECK(sip_span_equal(a.request_text, b.request_text));
	ordinary_same_lines(&a, &b);
	return true;
}

// Returns whether the message that the bytes begin with goes the short way.
static inline bool ordinary_check(
	const uint8_t *bytes, size_t length, const struct sip_limits *limits)
{
	uint8_t *copy = malloc(length + !length);

	STREAM_CHECK(copy);
	memcpy(copy, bytes, length);
	// The widest form of this CPU.
	const bool way = ordinary_check_form(sip_index_ordinary, copy, (uint32_t)length, limits);

#if SIP_VECTOR
	STREAM_CHECK(
		way == ordinary_check_form(sip_index_ordinary_sse, copy, (uint32_t)length, limits));
#endif
	free(copy);
	return way;
}
