// SPDX-License-Identifier: BSD-2-Clause
// The pieces of the grammar that every message is full of, inline where they are read: what stands
// there nearly always. The rest of each rule is in the file that is named beside it.

#pragma once

#include "sip/private.h"

#include <errno.h>

#define SIP_INLINE static inline __attribute__((always_inline))

// ---- number.c

// Up to eight digits, the first in the lowest byte, as a number: pairs, fours, eights.
static inline uint64_t sip_eight_digits(uint64_t word)
{
	word = (word & UINT64_C(0x0f0f0f0f0f0f0f0f)) * (1 + (10 << 8)) >> 8;
	word = (word & UINT64_C(0x00ff00ff00ff00ff)) * (1 + (100 << 16)) >> 16;
	return (word & UINT64_C(0x0000ffff0000ffff)) * (1 + (UINT64_C(10000) << 32)) >> 32;
}

// How many of eight bytes are digits before one that is none.
static inline unsigned sip_count_digits(uint64_t word)
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
int sip_number_read_slowly(struct sip_cursor *c, uint32_t most, uint32_t *out);

// 1*DIGIT, of which there may be leading zeros. -ERANGE: more than `most`; -EINVAL: no digit at the
// cursor. Then the cursor stays.
SIP_INLINE int sip_number_read(struct sip_cursor *c, uint32_t most, uint32_t *out)
{
	uint64_t word;

	if (SIP_VECTOR && c->bound - c->at >= 8) {
		memcpy(&word, c->at, 8);
		unsigned n = sip_count_digits(word);

		if (n > c->end - c->at)
			n = (unsigned)(c->end - c->at);
		if (n == 0)
			return -EINVAL;
		if (n < 8) {
			const uint64_t value = sip_eight_digits(word << (64 - 8 * n));

			if (value > most)
				return -ERANGE;
			c->at += n;
			*out = (uint32_t)value;
			return 0;
		}
	}
	// Whoever is handed the cursor's address gets a copy's: then this one can be in registers.
	struct sip_cursor copy = *c;
	const int rc = sip_number_read_slowly(&copy, most, out);

	c->at = copy.at;
	return rc;
}

// ---- host.c

// The IPv6 reference at the cursor.
enum sip_error sip_reference_read(struct sip_cursor *c, struct sip_host *host);

// hostport = host [ ":" port ]. `spaced`: white space may stand around the colon.
SIP_INLINE enum sip_error sip_host_read(
	struct sip_cursor *c, bool spaced, struct sip_host *host, uint16_t *port)
{
	uint32_t value;

	*port = 0;
	if (__builtin_expect(sip_peek(c) == '[', 0)) {
		struct sip_cursor copy = *c;
		const enum sip_error e = sip_reference_read(&copy, host);

		c->at = copy.at;
		if (e != SIP_OK)
			return e;
	} else {
		host->v6 = false;
		host->text = sip_take(c, &sip_set_host);
		if (sip_peek(c) == '%')
			return SIP_ERROR_HOST_ESCAPED;
		if (host->text.length == 0)
			return SIP_ERROR_HOST;
	}
	const uint8_t *behind = c->at;

	if (spaced)
		sip_skip_space(c);
	if (sip_peek(c) != ':') {
		c->at = behind;
		return SIP_OK;
	}
	c->at++;
	if (spaced)
		sip_skip_space(c);
	if (sip_number_read(c, UINT16_MAX, &value) < 0 || value == 0)
		return SIP_ERROR_PORT;
	*port = (uint16_t)value;
	return SIP_OK;
}

// ---- parameter.c

// A parameter that a reader asks for: its name, of at most eight characters, and where its value
// goes.
struct sip_wanted {
	uint64_t key;
	struct sip_span *value;
};

#define SIP_WANTED(literal, value)                                                                 \
	{                                                                                          \
		sip_literal_key(literal, sizeof(literal) - 1), value                               \
	}

// Takes name[=value]; without '=' *value is empty and stands behind the name. White space may stand
// around either.
enum sip_error sip_parameter_read_spaced(
	struct sip_cursor *c, struct sip_span *name, struct sip_span *value);

// The same where nearly always none stands: looks for it only when nothing else is found.
SIP_INLINE enum sip_error sip_parameter_read(
	struct sip_cursor *c, struct sip_span *name, struct sip_span *value)
{
	const uint8_t *from = c->at;
	const uint8_t *equals = sip_set_skip(&sip_set_token, from, c->end, c->bound);

	if (__builtin_expect(equals != from && equals != c->end && *equals == '=', 1)) {
		const uint8_t *to = sip_set_skip(&sip_set_value, equals + 1, c->end, c->bound);

		if (__builtin_expect(to != equals + 1, 1)) {
			*name = sip_span_between(from, equals);
			*value = sip_span_between(equals + 1, to);
			c->at = to;
			return SIP_OK;
		}
	}
	struct sip_cursor copy = *c;
	struct sip_span slow_name = {NULL, 0}, slow_value = {NULL, 0};
	const enum sip_error e = sip_parameter_read_spaced(&copy, &slow_name, &slow_value);

	*name = slow_name;
	*value = slow_value;
	c->at = copy.at;
	return e;
}

// Keeps the value of a parameter if it is one of those that are wanted.
SIP_INLINE enum sip_error sip_parameter_keep(struct sip_span name, struct sip_span value,
	const uint8_t *bound, const struct sip_wanted *wanted, unsigned n)
{
	if (name.length > 8)
		return SIP_OK;
	const uint64_t key = sip_key(name.at, name.length, bound);

	for (unsigned i = 0; i < n; i++) {
		if (wanted[i].key != key)
			continue;
		if (wanted[i].value->at != NULL)
			return SIP_ERROR_PARAMETER_REPEATED;
		// One by one: read back as a whole they would be waited for.
		wanted[i].value->at = value.at;
		wanted[i].value->length = value.length;
	}
	return SIP_OK;
}

// Takes all of *( SEMI name [ EQUAL value ] ) and the white space behind. The values of the `n` that
// are wanted are absent before, and may stand once. A value is empty without '=', and keeps its
// quotation marks. *all: from the first ';' to the last parameter's end, absent if there is none.
SIP_INLINE enum sip_error sip_parameters_read(struct sip_cursor *cursor,
	const struct sip_wanted *wanted, unsigned n, struct sip_span *all)
{
	struct sip_cursor c = {cursor->at, cursor->end, cursor->bound}; // in registers
	const uint8_t *from = c.at;
	const uint8_t *to = from;
	enum sip_error e = SIP_OK;

	for (;;) {
		struct sip_span name, value;

		if (sip_peek(&c) != ';') {
			sip_skip_space(&c);
			if (sip_peek(&c) != ';')
				break;
		}
		c.at++;
		e = sip_parameter_read(&c, &name, &value);
		if (e == SIP_OK)
			e = sip_parameter_keep(name, value, c.bound, wanted, n);
		if (e != SIP_OK)
			break;
		to = value.at + value.length;
	}
	cursor->at = c.at;
	all->at = to > from ? from : NULL;
	all->length = (uint32_t)(to - from);
	return e;
}
