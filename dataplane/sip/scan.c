// SPDX-License-Identifier: BSD-2-Clause
// Where lines end, and where bytes stand that must not be there.

#include "sip/block.h"
#include "sip/private.h"

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

#define TIMES_8(c)  c, c, c, c, c, c, c, c
#define TIMES_32(c) TIMES_8(c), TIMES_8(c), TIMES_8(c), TIMES_8(c)

const uint8_t sip_low[32] __attribute__((aligned(32))) = {TIMES_32(0x1f)};
const uint8_t sip_del[32] __attribute__((aligned(32))) = {TIMES_32(0x7f)};
const uint8_t sip_colon[32] __attribute__((aligned(32))) = {TIMES_32(':')};

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
INLINE uint64_t noteworthy(struct sip_block b, uint8_t next)
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
			const struct sip_block b = look((p) + base);                               \
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
	SCAN(p, length, at, sip_block_sse);
}

SIP_AVX2 uint32_t sip_scan_avx2(
	const uint8_t *p, uint32_t length, uint16_t at[static SIP_CONTROLS_MAX + 64])
{
	SCAN(p, length, at, sip_block_avx2);
}

uint32_t sip_scan_controls(
	const uint8_t *p, uint32_t length, uint16_t at[static SIP_CONTROLS_MAX + 64])
{
	return sip_has_avx2() ? sip_scan_avx2(p, length, at) : sip_scan_sse(p, length, at);
}

#else

uint32_t sip_scan_controls(
	const uint8_t *p, uint32_t length, uint16_t at[static SIP_CONTROLS_MAX + 64])
{
	return sip_scan_plain(p, length, at);
}

#endif
