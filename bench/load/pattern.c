// SPDX-License-Identifier: BSD-2-Clause

#include "bench/load/pattern.h"

#include <string.h>

char pattern_bytes[PATTERN_SIZE + PATTERN_RUN];

void pattern_init(void)
{
	uint64_t x = 88172645463325252ull; // xorshift64

	for (unsigned i = 0; i < PATTERN_SIZE; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		pattern_bytes[i] = (char)x;
	}
	memcpy(pattern_bytes + PATTERN_SIZE, pattern_bytes, PATTERN_RUN);
}
