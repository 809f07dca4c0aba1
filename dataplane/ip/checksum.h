// SPDX-License-Identifier: BSD-2-Clause
// Incremental update of Internet checksums (RFC 1624, equation 3: HC' = ~(~HC + ~m + m')).
//
// A change is gathered as a plain sum of 32-bit words, complemented old ones and new ones, and
// folded to 16 bits once: one's complement addition does not care about the word size. An error
// that the packet already carried stays in it, so the receiver still finds it.

#pragma once

#include "postern/addr.h"

#include <stdint.h>

static inline uint64_t ip_change_word(uint64_t sum, uint32_t was, uint32_t is)
{
	return sum + (uint32_t)~was + is;
}

static inline uint64_t ip_change_addr(
	uint64_t sum, const struct postern_addr *was, const struct postern_addr *is)
{
	for (unsigned i = 0; i < 4; i++)
		sum = ip_change_word(sum, was->words[i], is->words[i]);
	return sum;
}

// For 16-bit fields: the complement must not reach into the upper half.
static inline uint64_t ip_change_half(uint64_t sum, uint16_t was, uint16_t is)
{
	return sum + (uint16_t)~was + is;
}

// Applies a gathered change to a checksum, both as they stand in the packet.
static inline uint16_t ip_checksum_apply(uint16_t checksum, uint64_t change)
{
	uint64_t sum = (uint16_t)~checksum + change;

	sum = (sum >> 32) + (sum & 0xffffffffu);
	sum = (sum >> 16) + (sum & 0xffffu);
	sum = (sum >> 16) + (sum & 0xffffu);
	sum = (sum >> 16) + (sum & 0xffffu);
	return (uint16_t)~sum;
}
