// SPDX-License-Identifier: BSD-2-Clause
// Where the control bytes are: the ends of lines, tabs, and what must not be there.

#include "sip/private.h"

static bool is_control(uint8_t c)
{
	return c < 0x20 || c == 0x7f;
}

// Whether the four bytes that end with p[i] are CRLFCRLF.
static bool ends_headers(const uint8_t *p, uint32_t i)
{
	return i >= 3 && memcmp(p + i - 3, "\r\n\r\n", 4) == 0;
}

uint32_t sip_scan_plain(
	const uint8_t *p, uint32_t length, uint16_t at[static SIP_CONTROLS_MAX + 64])
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < length && n < SIP_CONTROLS_MAX; i++) {
		if (!is_control(p[i]))
			continue;
		at[n++] = (uint16_t)i;
		if (p[i] == '\n' && ends_headers(p, i))
			break;
	}
	return n;
}

#if SIP_VECTOR

static inline uint64_t controls16(const uint8_t *p)
{
	const __m128i text = _mm_loadu_si128((const __m128i *)(const void *)p);
	const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(text, _mm_set1_epi8(0x1f)), text);
	const __m128i del = _mm_cmpeq_epi8(text, _mm_set1_epi8(0x7f));

	return (uint32_t)_mm_movemask_epi8(_mm_or_si128(low, del));
}

// Bit i: p[i] is a control byte.
static inline uint64_t controls64(const uint8_t *p)
{
	return controls16(p) | controls16(p + 16) << 16 | controls16(p + 32) << 32 |
	       controls16(p + 48) << 48;
}

// Notes the bits of a block as offsets. Four at a time without asking, since most blocks have
// fewer: what is written too much is overwritten by the next block.
static inline uint32_t note(uint64_t bits, uint32_t base, uint16_t *at)
{
	const uint32_t n = (uint32_t)__builtin_popcountll(bits);

	for (uint32_t i = 0; i < n; i += 4)
		for (uint32_t k = 0; k < 4; k++) {
			// The highest bit keeps the count of zeros defined when none are left.
			at[i + k] = (uint16_t)(base +
					       (uint32_t)__builtin_ctzll(bits | UINT64_C(1) << 63));
			bits &= bits - 1;
		}
	return n;
}

// Whether CRLFCRLF ends in this block. Four control bytes in a row are rare but for it.
static inline bool block_ends_headers(
	const uint8_t *p, uint32_t base, uint64_t bits, uint64_t before)
{
	uint64_t fourth = bits & (bits << 1 | before >> 63) & (bits << 2 | before >> 62) &
			  (bits << 3 | before >> 61);

	for (; fourth != 0; fourth &= fourth - 1)
		if (ends_headers(p, base + (uint32_t)__builtin_ctzll(fourth)))
			return true;
	return false;
}

uint32_t sip_scan_sse(const uint8_t *p, uint32_t length, uint16_t at[static SIP_CONTROLS_MAX + 64])
{
	uint64_t before = 0;
	uint32_t n = 0, base = 0;

	for (; base + 64 <= length; base += 64) {
		const uint64_t bits = controls64(p + base);

		n += note(bits, base, at + n);
		if (block_ends_headers(p, base, bits, before) || n >= SIP_CONTROLS_MAX)
			return n;
		before = bits;
	}
	if (base == length)
		return n;
	// What is left is the end of the last sixty-four bytes.
	if (length < 64)
		return sip_scan_plain(p, length, at);
	return n + note(controls64(p + length - 64) >> (64 - (length - base)), base, at + n);
}

uint32_t sip_scan_controls(
	const uint8_t *p, uint32_t length, uint16_t at[static SIP_CONTROLS_MAX + 64])
{
	return sip_scan_sse(p, length, at);
}

#else

uint32_t sip_scan_controls(
	const uint8_t *p, uint32_t length, uint16_t at[static SIP_CONTROLS_MAX + 64])
{
	return sip_scan_plain(p, length, at);
}

#endif
