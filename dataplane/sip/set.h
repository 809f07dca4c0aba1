// SPDX-License-Identifier: BSD-2-Clause
// Sets of ASCII characters, and the two questions that a parser asks all the time: how far do
// members reach, and where is the first member. Bytes of 0x80 and above are in no set.
//
// A set is sixteen bytes: byte L has bit H set when the character 0xHL belongs to it. So a vector
// of sixteen characters is looked up with two shuffles: row by lower half, bit by upper half.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__SSSE3__) && !defined(POSTERN_PLAIN)
#define SIP_VECTOR 1
#include <tmmintrin.h>
#else
#define SIP_VECTOR 0
#endif

struct sip_set {
	uint8_t row[16];
};

// Builds a set from a macro that says of a constant character whether it belongs.
#define SIP_SET_BIT(IN, low, high) ((IN(((high) << 4) | (low)) ? 1 : 0) << (high))
#define SIP_SET_ROW(IN, low)                                                                       \
	(SIP_SET_BIT(IN, low, 0) | SIP_SET_BIT(IN, low, 1) | SIP_SET_BIT(IN, low, 2) |             \
		SIP_SET_BIT(IN, low, 3) | SIP_SET_BIT(IN, low, 4) | SIP_SET_BIT(IN, low, 5) |      \
		SIP_SET_BIT(IN, low, 6) | SIP_SET_BIT(IN, low, 7))
#define SIP_SET(IN)                                                                                \
	{                                                                                          \
		{                                                                                  \
			SIP_SET_ROW(IN, 0), SIP_SET_ROW(IN, 1), SIP_SET_ROW(IN, 2),                \
				SIP_SET_ROW(IN, 3), SIP_SET_ROW(IN, 4), SIP_SET_ROW(IN, 5),        \
				SIP_SET_ROW(IN, 6), SIP_SET_ROW(IN, 7), SIP_SET_ROW(IN, 8),        \
				SIP_SET_ROW(IN, 9), SIP_SET_ROW(IN, 10), SIP_SET_ROW(IN, 11),      \
				SIP_SET_ROW(IN, 12), SIP_SET_ROW(IN, 13), SIP_SET_ROW(IN, 14),     \
				SIP_SET_ROW(IN, 15),                                               \
		}                                                                                  \
	}

static inline bool sip_set_has(const struct sip_set *s, uint8_t c)
{
	return c < 0x80 && (s->row[c & 15] >> (c >> 4) & 1);
}

// The first byte of [p, end) that is not a member, or is one; `end` if there is none.
static inline const uint8_t *sip_set_skip_plain(
	const struct sip_set *s, const uint8_t *p, const uint8_t *end)
{
	while (p < end && sip_set_has(s, *p))
		p++;
	return p;
}

static inline const uint8_t *sip_set_find_plain(
	const struct sip_set *s, const uint8_t *p, const uint8_t *end)
{
	while (p < end && !sip_set_has(s, *p))
		p++;
	return p;
}

#if SIP_VECTOR

// Bit i: p[i] is a member. Reads sixteen bytes.
static inline uint32_t sip_set_members(const struct sip_set *s, const uint8_t *p)
{
	const __m128i bits = _mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0);
	const __m128i text = _mm_loadu_si128((const __m128i *)(const void *)p);
	const __m128i rows = _mm_loadu_si128((const __m128i *)(const void *)s->row);
	// A shuffle looks at the lower half of an index, and yields 0 for one of 0x80 and above.
	const __m128i row = _mm_shuffle_epi8(rows, text);
	const __m128i high = _mm_and_si128(_mm_srli_epi16(text, 4), _mm_set1_epi8(15));
	const __m128i hit = _mm_and_si128(row, _mm_shuffle_epi8(bits, high));
	const __m128i miss = _mm_cmpeq_epi8(hit, _mm_setzero_si128());

	return (uint32_t)_mm_movemask_epi8(miss) ^ 0xffffu;
}

// The plain forms out of line, for the few last bytes of what may be read.
const uint8_t *sip_set_skip_tail(const struct sip_set *s, const uint8_t *p, const uint8_t *end);
const uint8_t *sip_set_find_tail(const struct sip_set *s, const uint8_t *p, const uint8_t *end);

// The same two questions, sixteen bytes at a time; bytes up to `bound` may be read.
static inline const uint8_t *sip_set_skip_vector(
	const struct sip_set *s, const uint8_t *p, const uint8_t *end, const uint8_t *bound)
{
	do {
		if (__builtin_expect(bound - p < 16, 0))
			return sip_set_skip_tail(s, p, end);
		const uint32_t strangers = sip_set_members(s, p) ^ 0xffffu;

		if (__builtin_expect(strangers != 0, 1)) {
			p += (uint32_t)__builtin_ctz(strangers);
			return p < end ? p : end;
		}
		p += 16;
	} while (p < end);
	return end;
}

static inline const uint8_t *sip_set_find_vector(
	const struct sip_set *s, const uint8_t *p, const uint8_t *end, const uint8_t *bound)
{
	do {
		if (__builtin_expect(bound - p < 16, 0))
			return sip_set_find_tail(s, p, end);
		const uint32_t members = sip_set_members(s, p);

		if (__builtin_expect(members != 0, 1)) {
			p += (uint32_t)__builtin_ctz(members);
			return p < end ? p : end;
		}
		p += 16;
	} while (p < end);
	return end;
}

#endif

static inline const uint8_t *sip_set_skip(
	const struct sip_set *s, const uint8_t *p, const uint8_t *end, const uint8_t *bound)
{
#if SIP_VECTOR
	return sip_set_skip_vector(s, p, end, bound);
#else
	(void)bound;
	return sip_set_skip_plain(s, p, end);
#endif
}

static inline const uint8_t *sip_set_find(
	const struct sip_set *s, const uint8_t *p, const uint8_t *end, const uint8_t *bound)
{
#if SIP_VECTOR
	return sip_set_find_vector(s, p, end, bound);
#else
	(void)bound;
	return sip_set_find_plain(s, p, end);
#endif
}
