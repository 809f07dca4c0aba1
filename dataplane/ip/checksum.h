// SPDX-License-Identifier: BSD-2-Clause
// Incremental update of Internet checksums (RFC 1624, equation 3: HC' = ~(~HC + ~m + m')).
//
// A change is gathered as a plain sum of 32-bit words, complemented old ones and new ones, and
// folded to 16 bits once: one's complement addition does not care about the word size. An error
// that the packet already carried stays in it, so the receiver still finds it.

#pragma once

#include "postern/addr.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t ip_change_word(uint64_t sum, uint32_t was, uint32_t is)
{
	return sum + (uint32_t)~was + is;
}

// One's complement addition of whole words: what overflows comes in again below.
static inline uint64_t ip_sum_quads(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? sum + 1 : sum;
}

// The sum over bytes, as words that stand as they lie there.
static inline uint64_t ip_sum_bytes(uint64_t sum, const void *bytes, size_t n)
{
	const uint8_t *at = bytes;
	uint64_t word;

	for (; n >= sizeof(word); n -= sizeof(word), at += sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		sum = ip_sum_quads(sum, word);
	}
	word = 0;
	memcpy(&word, at, n);
	return ip_sum_quads(sum, word);
}

static inline uint64_t ip_change_addr(
	uint64_t sum, const struct postern_addr *was, const struct postern_addr *is)
{
	const uint64_t change = ip_sum_quads(ip_sum_quads(~was->quads[0], is->quads[0]),
		ip_sum_quads(~was->quads[1], is->quads[1]));

	return sum + (change >> 32) + (change & 0xffffffffu);
}

// For 16-bit fields: the complement must not reach into the upper half.
static inline uint64_t ip_change_half(uint64_t sum, uint16_t was, uint16_t is)
{
	return sum + (uint16_t)~was + is;
}

// Folds a sum of 32-bit words to 16 bits, which are 0 only for 0. To each half of a word the other is added:
// what overflows the lower half is carried into the upper, which is the sum.
static inline uint16_t ip_checksum_fold(uint64_t sum)
{
	sum += sum << 32 | sum >> 32;
	uint32_t half = (uint32_t)(sum >> 32);

	half += half << 16 | half >> 16;
	return (uint16_t)(half >> 16);
}

// Applies a gathered change to a checksum, both as they stand in the packet.
static inline uint16_t ip_checksum_apply(uint16_t checksum, uint64_t change)
{
	return (uint16_t)~ip_checksum_fold((uint16_t)~checksum + change);
}
