// SPDX-License-Identifier: BSD-2-Clause
// A bucket of tokens: how often something may happen.

#pragma once

#include <stdbool.h>
#include <stdint.h>

struct base_bucket {
	uint64_t filled_us; // up to when tokens have been earned
	uint32_t tokens;
};

// Takes a token; false if there is none. `rate` of them, at least one, are earned in `per_us`, and `most`
// are kept. Begun as {now, most}. For one thread at a time.
static inline bool base_bucket_take(
	struct base_bucket *b, uint64_t now_us, uint32_t rate, uint64_t per_us, uint32_t most)
{
	const uint64_t passed_us = now_us - b->filled_us;

	if (passed_us >= most * per_us / rate) {
		b->tokens = most;
		b->filled_us = now_us;
	} else {
		const uint64_t earned = passed_us * rate / per_us;
		const uint64_t tokens = b->tokens + earned;

		b->tokens = tokens > most ? most : (uint32_t)tokens;
		// Only the time that whole tokens took, so that fractions are not lost.
		b->filled_us += earned * per_us / rate;
	}
	if (b->tokens == 0)
		return false;
	b->tokens--;
	return true;
}
