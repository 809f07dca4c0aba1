// SPDX-License-Identifier: BSD-2-Clause

#include "base/siphash.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

// The words of the state begin as the key and these, "somepseudorandomlygeneratedbytes" in ASCII.
#define INIT_0 0x736f6d6570736575ull
#define INIT_1 0x646f72616e646f6dull
#define INIT_2 0x6c7967656e657261ull
#define INIT_3 0x7465646279746573ull

int base_siphash_key_draw(struct base_siphash_key *key)
{
	const ssize_t n = getrandom(key->k, sizeof(key->k), 0);

	return n == (ssize_t)sizeof(key->k) ? 0 : -EIO;
}

static inline uint64_t rotate(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static inline void rounds(uint64_t v[static 4], unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotate(v[1], 13) ^ v[0];
		v[3] = rotate(v[3], 16) ^ v[2];
		v[0] = rotate(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = rotate(v[1], 17) ^ v[2];
		v[3] = rotate(v[3], 21) ^ v[0];
		v[2] = rotate(v[2], 32);
	}
}

static inline void absorb(uint64_t v[static 4], uint64_t word)
{
	v[3] ^= word;
	rounds(v, 2);
	v[0] ^= word;
}

// Words are read in little-endian order, which is the machine's.
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are read as they lie");

uint64_t base_siphash(const struct base_siphash_key *key, const void *data, size_t size)
{
	uint64_t v[4] = {
		key->k[0] ^ INIT_0, key->k[1] ^ INIT_1, key->k[0] ^ INIT_2, key->k[1] ^ INIT_3};
	const char *at = data;
	uint64_t word;
	size_t left = size;

	for (; left >= sizeof(word); left -= sizeof(word), at += sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		absorb(v, word);
	}
	word = 0;
	memcpy(&word, at, left);
	absorb(v, word | (uint64_t)size << 56);
	v[2] ^= 0xff;
	rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
