// SPDX-License-Identifier: BSD-2-Clause
// SipHash-2-4 (Aumasson and Bernstein, 2012): for what leaves on the wire and must not be foreseen
// by who sees other outputs: sequence numbers, cookies, tokens. Tables need less: hash.h.

#pragma once

#include <stddef.h>
#include <stdint.h>

#define BASE_SIPHASH_KEY_SIZE 16

struct base_siphash_key {
	uint64_t k[2];
};

// Fills the key from the system's generator. 0 or a negative errno. Start only.
int base_siphash_key_draw(struct base_siphash_key *key);

uint64_t base_siphash(const struct base_siphash_key *key, const void *data, size_t size);
