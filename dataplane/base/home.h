// SPDX-License-Identifier: BSD-2-Clause
// Which worker is at home for an address and port of a client, or of ours towards members: a Toeplitz
// hash, so that the RSS of a port can be made to agree. A hash of RSS is over source and destination;
// the client stands as the first outside and as the second inside. The key of each side has zeros
// where the other end is, and what is left hashes the same on both.

#pragma once

#include "base/hash.h"

#include "postern/addr.h"

#include <stdint.h>

// Bits of the hash that choose a worker: ports have tables of 64 entries and more, and with 512
// the shares of 64 workers are still alike.
#define BASE_HOME_BITS_MIN 6
#define BASE_HOME_BITS_MAX 9

// The longest key of a port; the last bytes of 40 count for nothing that is hashed here.
#define BASE_HOME_KEY 52

enum base_home_side {
	BASE_HOME_SOURCE,      // the packet's source is what counts
	BASE_HOME_DESTINATION, // its destination; IPv4 only, as the key has no room for both
	BASE_HOME_SIDES
};

struct base_home {
	uint8_t bits;
	uint8_t workers;
	uint8_t key[BASE_HOME_SIDES][BASE_HOME_KEY];
	// By hash. Each has a range: the lowest bits of addresses and ports change the hash's highest.
	uint8_t worker[1 << BASE_HOME_BITS_MAX];
	uint16_t fix[1 << BASE_HOME_BITS_MAX]; // what changes a port's hash by so much
	uint16_t v4[4][256];
	uint16_t v6[16][256];
	uint16_t port[2][256];
};

// Draws the keys from a secret. `bits` from BASE_HOME_BITS_MIN to BASE_HOME_BITS_MAX. Start only.
void base_home_init(
	struct base_home *h, const struct base_secret *secret, unsigned workers, unsigned bits);

// The hash of an address and port; `port` in host order. Any worker.
static inline uint16_t base_home_hash(
	const struct base_home *h, const struct postern_addr *addr, uint16_t port)
{
	uint16_t hash = h->port[0][port >> 8] ^ h->port[1][port & 0xff];

	if (postern_addr_is_v4(addr)) {
		for (unsigned i = 0; i < 4; i++)
			hash ^= h->v4[i][addr->bytes[12 + i]];
		return hash;
	}
	for (unsigned i = 0; i < 16; i++)
		hash ^= h->v6[i][addr->bytes[i]];
	return hash;
}

static inline unsigned base_home_worker(
	const struct base_home *h, const struct postern_addr *addr, uint16_t port)
{
	return h->worker[base_home_hash(h, addr, port)];
}

// A port near this one (its lowest bits are changed) with which the address is at home at a worker.
uint16_t base_home_port(
	const struct base_home *h, const struct postern_addr *addr, uint16_t port, unsigned worker);
