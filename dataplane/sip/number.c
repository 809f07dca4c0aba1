// SPDX-License-Identifier: BSD-2-Clause
// Values that are numbers, and those that are little more: CSeq and Call-ID.

#include "sip/grammar.h"

int sip_number_read_slowly(struct sip_cursor *c, uint32_t most, uint32_t *out)
{
	const uint8_t *from = c->at;
	uint64_t value = 0;

	for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
		value = value * 10 + (uint64_t)(*c->at - '0');
		if (value > most) {
			c->at = from;
			return -ERANGE;
		}
	}
	if (c->at == from)
		return -EINVAL;
	*out = (uint32_t)value;
	return 0;
}

// CSeq = 1*DIGIT LWS Method; the number is less than 2^31 (RFC 3261 8.1.1.5).
enum sip_error sip_cseq_read(struct sip_cursor *c, struct sip_cseq *out)
{
	if (sip_number_read(c, INT32_MAX, &out->number) < 0 || !sip_is_space(sip_peek(c)))
		return SIP_ERROR_CSEQ;
	sip_skip_space(c);
	out->method_name = sip_take(c, &sip_set_token);
	if (out->method_name.length == 0)
		return SIP_ERROR_CSEQ;
	out->method =
		(uint8_t)sip_method_find(out->method_name.at, out->method_name.length, c->bound);
	return SIP_OK;
}

// callid = word [ "@" word ]
enum sip_error sip_call_id_read(struct sip_cursor *c, struct sip_span *out)
{
	const uint8_t *from = c->at;

	if (sip_take(c, &sip_set_word).length == 0)
		return SIP_ERROR_CALL_ID;
	if (sip_peek(c) == '@') {
		c->at++;
		if (sip_take(c, &sip_set_word).length == 0)
			return SIP_ERROR_CALL_ID;
	}
	*out = sip_span_between(from, c->at);
	return c->at == c->end ? SIP_OK : SIP_ERROR_CALL_ID;
}
