// SPDX-License-Identifier: BSD-2-Clause
// Sixty-four bytes at once: which of them are control bytes, and which end lines.

#pragma once

#include "sip/set.h"

#if SIP_VECTOR

#include <immintrin.h>

// A bit for each byte, the first in the lowest.
struct sip_block {
	uint64_t controls; // below 0x20, and 0x7f
	uint64_t cr;
	uint64_t lf;
};

// Functions that need more than the CPUs that everything is built for have.
#define SIP_AVX2 __attribute__((target("avx2,bmi,bmi2,popcnt")))

static inline bool sip_has_avx2(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
	       __builtin_cpu_supports("bmi2");
}

static inline uint64_t sip_equal_sse(__m128i text, char c)
{
	return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(text, _mm_set1_epi8(c)));
}

static inline struct sip_block sip_block_sse(const uint8_t *p)
{
	struct sip_block b = {0, 0, 0};

	for (unsigned i = 0; i < 64; i += 16) {
		const __m128i text = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
		const __m128i low = _mm_min_epu8(text, _mm_set1_epi8(0x1f));
		const __m128i below = _mm_cmpeq_epi8(low, text);
		const __m128i del = _mm_cmpeq_epi8(text, _mm_set1_epi8(0x7f));

		b.controls |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_or_si128(below, del)) << i;
		b.cr |= sip_equal_sse(text, '\r') << i;
		b.lf |= sip_equal_sse(text, '\n') << i;
	}
	return b;
}

SIP_AVX2 static inline uint64_t sip_equal_avx2(__m256i text, char c)
{
	return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(text, _mm256_set1_epi8(c)));
}

SIP_AVX2 static inline struct sip_block sip_block_avx2(const uint8_t *p)
{
	struct sip_block b = {0, 0, 0};

	for (unsigned i = 0; i < 64; i += 32) {
		const __m256i text = _mm256_loadu_si256((const __m256i *)(const void *)(p + i));
		const __m256i low = _mm256_min_epu8(text, _mm256_set1_epi8(0x1f));
		const __m256i below = _mm256_cmpeq_epi8(low, text);
		const __m256i del = _mm256_cmpeq_epi8(text, _mm256_set1_epi8(0x7f));

		b.controls |= (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_or_si256(below, del))
			      << i;
		b.cr |= sip_equal_avx2(text, '\r') << i;
		b.lf |= sip_equal_avx2(text, '\n') << i;
	}
	return b;
}

// What the reading of a line asks of 64 bytes.
struct sip_marks {
	uint64_t controls;
	uint64_t colons;
};

typedef struct sip_marks sip_look(const uint8_t *p);

// scan.c: what bytes are compared with. Out of the compiler's sight, or else it makes them anew in
// every turn of a loop that calls something.
extern const uint8_t sip_low[32] __attribute__((aligned(32)));   // 0x1f
extern const uint8_t sip_del[32] __attribute__((aligned(32)));   // 0x7f
extern const uint8_t sip_colon[32] __attribute__((aligned(32))); // ':'

static inline __m128i sip_constant_sse(const uint8_t *p)
{
	return _mm_load_si128((const __m128i *)(const void *)p);
}

SIP_AVX2 static inline __m256i sip_constant_avx2(const uint8_t *p)
{
	return _mm256_load_si256((const __m256i *)(const void *)p);
}

static inline struct sip_marks sip_marks_sse(const uint8_t *p)
{
	struct sip_marks marks = {0, 0};

	for (unsigned i = 0; i < 64; i += 16) {
		const __m128i text = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
		const __m128i low = _mm_min_epu8(text, sip_constant_sse(sip_low));
		const __m128i below = _mm_cmpeq_epi8(low, text);
		const __m128i del = _mm_cmpeq_epi8(text, sip_constant_sse(sip_del));

		marks.controls |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_or_si128(below, del))
				  << i;
		marks.colons |= (uint64_t)(uint32_t)_mm_movemask_epi8(
					_mm_cmpeq_epi8(text, sip_constant_sse(sip_colon)))
				<< i;
	}
	return marks;
}

SIP_AVX2 static inline struct sip_marks sip_marks_avx2(const uint8_t *p)
{
	struct sip_marks marks = {0, 0};

	for (unsigned i = 0; i < 64; i += 32) {
		const __m256i text = _mm256_loadu_si256((const __m256i *)(const void *)(p + i));
		const __m256i low = _mm256_min_epu8(text, sip_constant_avx2(sip_low));
		const __m256i below = _mm256_cmpeq_epi8(low, text);
		const __m256i del = _mm256_cmpeq_epi8(text, sip_constant_avx2(sip_del));

		marks.controls |=
			(uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_or_si256(below, del)) << i;
		marks.colons |= (uint64_t)(uint32_t)_mm256_movemask_epi8(
					_mm256_cmpeq_epi8(text, sip_constant_avx2(sip_colon)))
				<< i;
	}
	return marks;
}

#endif
