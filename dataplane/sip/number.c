// SPDX-License-Identifier: BSD-2-Clause
// Values that are numbers, and those that are little more: CSeq and Call-ID.

#include "sip/private.h"

#include <errno.h>

// Up to eight digits, the first in the lowest byte, as a number: pairs, fours, eights.
static uint64_t eight_digits(uint64_t word)
{
	word = (word & UINT64_C(0x0f0f0f0f0f0f0f0f)) * (1 + (10 << 8)) >> 8;
	word = (word & UINT64_C(0x00ff00ff00ff00ff)) * (1 + (100 << 16)) >> 16;
	return (word & UINT64_C(0x0000ffff0000ffff)) * (1 + (UINT64_C(10000) << 32)) >> 32;
}

// How many of eight bytes are digits before one that is none.
static unsigned count_digits(uint64_t word)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	// A digit has 3 for its upper half, also when 6 is added. No carry goes up: 0xff is no ASCII
	// and is caught by its own upper half before its sum is looked at.
	const uint64_t upper = word & (ones * 0xf0);
	const uint64_t sum = ((word & (ones * 0x0f)) + ones * 0x06) & (ones * 0xf0);
	const uint64_t wrong = (upper ^ (ones * 0x30)) | sum;

	return wrong == 0 ? 8 : (unsigned)__builtin_ctzll(wrong) / 8;
}

// Reads digits one by one: what is long, has zeros in front or ends the readable bytes.
static __attribute__((noinline)) int read_slowly(struct sip_cursor *c, uint32_t most, uint32_t *out)
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

int sip_number_read(struct sip_cursor *c, uint32_t most, uint32_t *out)
{
	uint64_t word;

	if (SIP_VECTOR && c->bound - c->at >= 8) {
		memcpy(&word, c->at, 8);
		unsigned n = count_digits(word);

		if (n > c->end - c->at)
			n = (unsigned)(c->end - c->at);
		if (n == 0)
			return -EINVAL;
		if (n < 8) {
			const uint64_t value = eight_digits(word << (64 - 8 * n));

			if (value > most)
				return -ERANGE;
			c->at += n;
			*out = (uint32_t)value;
			return 0;
		}
	}
	return read_slowly(c, most, out);
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
