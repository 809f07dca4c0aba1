// SPDX-License-Identifier: BSD-2-Clause
// The keys and tables of homes.
//
// Input bit i of a Toeplitz hash adds bits i to i + 31 of the key; of these the lowest `bits` count
// here: i + 32 - bits to i + 31, which is input bit i's window. The input is source, destination, source
// port, destination port, in IPv4 32, 32, 16 and 16 bits, in IPv6 128, 128, 16 and 16. Windows of
// neighbouring fields overlap by bits - 1, so a field's part of the key begins and ends with so many
// zeros, and the other end's windows are zero throughout.

#include "base/home.h"

#include <stdbool.h>
#include <string.h>

static bool bit(const uint8_t *bits, unsigned at)
{
	return bits[at / 8] >> (7 - at % 8) & 1;
}

static void set(uint8_t *bits, unsigned at)
{
	bits[at / 8] |= (uint8_t)(1u << (7 - at % 8));
}

// Input bits `first` to `first + n - 1` get a random part of the key. Its first and last bits are one:
// so the field's lowest `bits` bits lead to every hash, each one once.
static void part(
	const struct base_home *h, uint8_t *key, unsigned first, unsigned n, const uint8_t *random)
{
	const unsigned from = first + 31;
	const unsigned to = first + n + 31 - h->bits;

	for (unsigned i = from; i <= to; i++)
		if (i == from || i == to || bit(random, i - from))
			set(key, i);
}

// What the byte at input bit `at` adds to the hash, by its value.
static void table(const struct base_home *h, const uint8_t *key, unsigned at, uint16_t *out)
{
	for (unsigned value = 0; value < 256; value++) {
		out[value] = 0;
		for (unsigned i = 0; i < 8; i++) {
			if (!(value >> (7 - i) & 1))
				continue;
			for (unsigned k = 0; k < h->bits; k++)
				out[value] ^= (uint16_t)(bit(key, at + i + 31 - k) << k);
		}
	}
}

void base_home_init(
	struct base_home *h, const struct base_secret *secret, unsigned workers, unsigned bits)
{
	uint8_t random[20];
	const uint64_t words[3] = {base_hash_keyed(secret, "home 1", 6),
		base_hash_keyed(secret, "home 2", 6), base_hash_keyed(secret, "home 3", 6)};

	memcpy(random, words, sizeof(random));
	memset(h, 0, sizeof(*h));
	h->bits = (uint8_t)bits;
	h->workers = (uint8_t)workers;
	uint8_t *source = h->key[BASE_HOME_SOURCE];
	uint8_t *destination = h->key[BASE_HOME_DESTINATION];

	// IPv4, and the ports of IPv6. The lower half of an IPv6 address gets a part of its own; its
	// upper half meets what is there of IPv4.
	part(h, source, 0, 32, random);
	part(h, source, 64, 16, random + 4);
	part(h, source, 96, 32, random + 8);
	part(h, source, 256, 16, random + 4);
	part(h, destination, 32, 32, random);
	part(h, destination, 80, 16, random + 4);
	for (unsigned i = 0; i < 4; i++)
		table(h, source, 8 * i, h->v4[i]);
	for (unsigned i = 0; i < 16; i++)
		table(h, source, 8 * i, h->v6[i]);
	for (unsigned i = 0; i < 2; i++)
		table(h, source, 64 + 8 * i, h->port[i]);
	for (unsigned i = 0; i < 1u << bits; i++) {
		h->worker[i] = (uint8_t)(i * workers >> bits);
		h->fix[h->port[0][i >> 8] ^ h->port[1][i & 0xff]] = (uint16_t)i;
	}
}

uint16_t base_home_port(
	const struct base_home *h, const struct postern_addr *addr, uint16_t port, unsigned worker)
{
	if (h->workers == 1)
		return port;
	const unsigned hash = base_home_hash(h, addr, port);
	// The first hash of the worker's range, and of the next one's.
	const unsigned first = ((worker << h->bits) + h->workers - 1) / h->workers;
	const unsigned end = (((worker + 1) << h->bits) + h->workers - 1) / h->workers;
	const unsigned wanted = first + hash % (end - first);

	return port ^ h->fix[hash ^ wanted];
}
