// SPDX-License-Identifier: BSD-2-Clause
// Hashes: keyed ones for tables that the wire can fill, a fixed one where appliances must agree.

#pragma once

#include <stddef.h>
#include <stdint.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

// XXH3 wants at least XXH3_SECRET_SIZE_MIN (136) bytes of secret; its default length is 192.
#define BASE_SECRET_SIZE 192

struct base_secret {
	uint8_t bytes[BASE_SECRET_SIZE];
};

// Fills the secret from the system's generator. 0 or a negative errno. Start only.
int base_secret_draw(struct base_secret *secret);

// For tables keyed by what a stranger can choose.
static inline uint64_t base_hash_keyed(const struct base_secret *s, const void *data, size_t size)
{
	return XXH3_64bits_withSecret(data, size, s->bytes, sizeof(s->bytes));
}

// The same on every appliance and for ever: choosing a member must not depend on who chooses.
static inline uint64_t base_hash_agreed(const void *data, size_t size)
{
	return XXH3_64bits(data, size);
}

// Maps a 32-bit hash onto [0, n) without a division: the upper half of the product.
static inline uint32_t base_hash_reduce(uint32_t hash, uint32_t n)
{
	return (uint32_t)(((uint64_t)hash * n) >> 32);
}
