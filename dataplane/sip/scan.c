// SPDX-License-Identifier: BSD-2-Clause
// Where lines end, and where bytes stand that must not be there.

#include "sip/private.h"

#if SIP_VECTOR
#include <immintrin.h>
#endif

static bool is_control(uint8_t c)
{
	return c < 0x20 || c == 0x7f;
}

uint32_t sip_scan_plain(
	const uint8_t *p, uint32_t length, uint16_t at[static SIP_CONTROLS_MAX + 64])
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < length && n < SIP_CONTROLS_MAX; i++) {
		if (!is_control(p[i]) || (p[i] == '\r' && i + 1 < length && p[i + 1] == '\n'))
			continue;
		at[n++] = (uint16_t)i;
		if (p[i] == '\n' && i >= 2 && p[i - 2] == '\n')
			break;
	}
	return n;
}

#if SIP_VECTOR

// What stands where in a block of 64 bytes, a bit for each.
struct block {
	uint64_t controls;
	uint64_t cr;
	uint64_t lf;
};

static inline uint64_t equal16(__m128i text, char c)
{
	return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(text, _mm_set1_epi8(c)));
}

static inline struct block look_sse(const uint8_t *p)
{
	struct block b = {0, 0, 0};

	for (unsigned i = 0; i < 64; i += 16) {
		const __m128i text = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
		const __m128i low = _mm_min_epu8(text, _mm_set1_epi8(0x1f));
		const uint64_t below = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(low, text));

		b.controls |= (below | equal16(text, 0x7f)) << i;
		b.cr |= equal16(text, '\r') << i;
		b.lf |= equal16(text, '\n') << i;
	}
	return b;
}

#define AVX2 __attribute__((target("avx2,bmi,popcnt")))

AVX2 static inline uint64_t equal32(__m256i text, char c)
{
	return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(text, _mm256_set1_epi8(c)));
}

AVX2 static inline struct block look_avx2(const uint8_t *p)
{
	struct block b = {0, 0, 0};

	for (unsigned i = 0; i < 64; i += 32) {
		const __m256i text = _mm256_loadu_si256((const __m256i *)(const void *)(p + i));
		const __m256i low = _mm256_min_epu8(text, _mm256_set1_epi8(0x1f));
		const __m256i below = _mm256_cmpeq_epi8(low, text);
		const __m256i del = _mm256_cmpeq_epi8(text, _mm256_set1_epi8(0x7f));

		b.controls |= (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_or_si256(below, del))
			      << i;
		b.cr |= equal32(text, '\r') << i;
		b.lf |= equal32(text, '\n') << i;
	}
	return b;
}

#define INLINE static inline __attribute__((always_inline))

// Notes the bits of a block as offsets. Two at a time without asking, since most blocks have no
// more: what is written too much is overwritten by the next block. Returns how many.
INLINE uint32_t note(uint64_t bits, uint32_t base, uint16_t *at)
{
	const uint32_t n = (uint32_t)__builtin_popcountll(bits);

	do {
		for (uint32_t k = 0; k < 2; k++) {
			// The highest bit keeps the count of zeros defined when none are left.
			*at++ = (uint16_t)(base +
					   (uint32_t)__builtin_ctzll(bits | UINT64_C(1) << 63));
			bits &= bits - 1;
		}
	} while (bits != 0);
	return n;
}

// The control bytes of a block that are worth noting: all but the CR of CRLF. `next` is what stands
// behind the block.
INLINE uint64_t noteworthy(struct block b, uint8_t next)
{
	return b.controls & ~(b.cr & (b.lf >> 1 | (uint64_t)(next == '\n') << 63));
}

// The body of the vector forms, which differ in how they look at 64 bytes.
#define SCAN(p, length, at, look)                                                                  \
	do {                                                                                       \
		uint64_t before = 0; /* LFs of the block before */                                 \
		uint32_t n = 0, base = 0;                                                          \
                                                                                                   \
		for (; base + 64 < (length); base += 64) {                                         \
			const struct block b = look((p) + base);                                   \
                                                                                                   \
			n += note(noteworthy(b, (p)[base + 64]), base, (at) + n);                  \
			if ((b.lf & (b.lf << 2 | before >> 62)) || n >= SIP_CONTROLS_MAX)          \
				return n;                                                          \
			before = b.lf;                                                             \
		}                                                                                  \
		if ((length) < 64)                                                                 \
			return sip_scan_plain(p, length, at);                                      \
		/* What is left is the end of the last sixty-four bytes. */                        \
		return n + note(noteworthy(look((p) + (length)-64), 0) >> (64 - ((length)-base)),  \
				   base, (at) + n);                                                \
	} while (0)

uint32_t sip_scan_sse(const uint8_t *p, uint32_t length, uint16_t at[static SIP_CONTROLS_MAX + 64])
{
	SCAN(p, length, at, look_sse);
}

AVX2 uint32_t sip_scan_avx2(
	const uint8_t *p, uint32_t length, uint16_t at[static SIP_CONTROLS_MAX + 64])
{
	SCAN(p, length, at, look_avx2);
}

uint32_t sip_scan_controls(
	const uint8_t *p, uint32_t length, uint16_t at[static SIP_CONTROLS_MAX + 64])
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi")
		       ? sip_scan_avx2(p, length, at)
		       : sip_scan_sse(p, length, at);
}

#else

uint32_t sip_scan_controls(
	const uint8_t *p, uint32_t length, uint16_t at[static SIP_CONTROLS_MAX + 64])
{
	return sip_scan_plain(p, length, at);
}

#endif
