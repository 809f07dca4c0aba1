// SPDX-License-Identifier: BSD-2-Clause
// Header names to their numbers by a perfect hash, where a call would cost more than the answer.

#pragma once

#include "sip/private.h"

// A name as header.h spells it, NULs behind it.
struct sip_header_entry {
	char name[31];
	uint8_t length;
};

_Static_assert(sizeof(struct sip_header_entry) == 32, "two entries a cache line");

#define SIP_SLOT_BITS 7
#define SIP_LETTERS   128

// header.c: names; the perfect hash, in which no two names meet, with any number where there is
// none; compact forms (RFC 3261 7.3.3 and IANA's list), the number plus one. Headers without compact
// form lie behind the letters, where nobody looks.
extern const struct sip_header_entry sip_header_entries[SIP_HEADERS_KNOWN];
extern const uint8_t sip_header_slots[1u << SIP_SLOT_BITS];
extern const uint8_t sip_header_letters[SIP_LETTERS + SIP_HEADERS_KNOWN];

// Found by search: with this multiplier the names of the table fall on 128 slots without meeting.
// A name gives its first sixteen bytes, letters in lower case, zeros behind it.
static inline unsigned sip_header_slot(uint64_t first, uint64_t second)
{
	return (unsigned)(((first + 3 * second) * UINT64_C(0xf2b314aebadbeb15)) >>
			  (64 - SIP_SLOT_BITS));
}

// Whether a name is that of a header from its byte `i` on, but for the case of letters.
bool sip_name_rest_equal(size_t h, size_t i, const uint8_t *name, size_t length);

static inline enum sip_header sip_header_compact(uint8_t c)
{
	c |= 0x20;
	return c < SIP_LETTERS && sip_header_letters[c] ? sip_header_letters[c] - 1u
							: SIP_HEADER_OTHER;
}

#if SIP_VECTOR

#include <smmintrin.h>

// Names of up to so many bytes are looked up. From such a length before its end, the first sixteen
// masks are those of as many bytes.
#define SIP_NAME_MOST 64

extern const uint8_t sip_name_masks[SIP_NAME_MOST + 16];

static inline __m128i sip_load16(const void *p)
{
	return _mm_loadu_si128((const __m128i *)p);
}

// header.c: sixteen bytes of 0x20, and of all other bits. Constants of the compiler's are made anew in
// every turn of a loop.
extern const uint8_t sip_name_case[16] __attribute__((aligned(16)));
extern const uint8_t sip_name_other[16] __attribute__((aligned(16)));

// The number of a name whose first sixteen bytes, and whatever follows it there, are `text`. `length`
// is from 1 to SIP_NAME_MOST.
static inline __attribute__((always_inline)) size_t sip_header_look_up(
	__m128i text, const uint8_t *name, size_t length)
{
	if (__builtin_expect(length == 1, 0))
		return sip_header_compact(*name);
	const __m128i mask = sip_load16(sip_name_masks + SIP_NAME_MOST - length);
	const __m128i lower = _mm_and_si128(
		_mm_or_si128(text, *(const __m128i *)(const void *)sip_name_case), mask);
	const uint64_t first = (uint64_t)_mm_cvtsi128_si64(lower);
	const uint64_t second = (uint64_t)_mm_extract_epi64(lower, 1);
	const size_t h = sip_header_slots[sip_header_slot(first, second)];
	const struct sip_header_entry *e = &sip_header_entries[h];
	const __m128i differ = _mm_and_si128(_mm_xor_si128(text, sip_load16(e->name)), mask);

	if (e->length != length ||
		!_mm_testz_si128(differ, *(const __m128i *)(const void *)sip_name_other))
		return SIP_HEADER_OTHER;
	return __builtin_expect(length <= 16, 1) || sip_name_rest_equal(h, 16, name, length)
		       ? h
		       : SIP_HEADER_OTHER;
}

#endif
