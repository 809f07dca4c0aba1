// SPDX-License-Identifier: BSD-2-Clause
// Times in a histogram: 32 steps an octave, so that a value is right within 3 %.

#pragma once

#include <stdint.h>

#define HISTOGRAM_STEPS 32u
#define HISTOGRAM_SIZE  (28u * HISTOGRAM_STEPS)

struct histogram {
	uint64_t n;
	uint64_t most;
	uint64_t count[HISTOGRAM_SIZE];
};

static inline void histogram_add(struct histogram *h, uint32_t value)
{
	unsigned at = value;

	if (value >= HISTOGRAM_STEPS) {
		const unsigned octave = 26u - (unsigned)__builtin_clz(value);

		at = octave * HISTOGRAM_STEPS + (value >> octave);
	}
	h->count[at]++;
	h->n++;
	if (value > h->most)
		h->most = value;
}

// The value that so many of a thousand do not exceed.
static inline uint64_t histogram_permille(const struct histogram *h, double permille)
{
	const double wanted = (double)h->n * permille / 1000;
	uint64_t seen = 0;

	for (unsigned at = 0; at < HISTOGRAM_SIZE; at++) {
		seen += h->count[at];
		if (h->n != 0 && (double)seen >= wanted) {
			const unsigned octave = at / HISTOGRAM_STEPS;

			if (octave <= 1)
				return at;
			return (uint64_t)(at % HISTOGRAM_STEPS + HISTOGRAM_STEPS) << (octave - 1);
		}
	}
	return h->most;
}
