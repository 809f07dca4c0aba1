// SPDX-License-Identifier: BSD-2-Clause
// What is sent and looked for: the byte at each place of a stream follows from the place, and from a number
// of the stream, so that bytes that are lost, doubled or another's are seen.

#pragma once

#include <stddef.h>
#include <stdint.h>

#define PATTERN_SIZE 65536u
#define PATTERN_RUN  65536u // so many bytes lie together from any place on

extern char pattern_bytes[PATTERN_SIZE + PATTERN_RUN];

void pattern_init(void);

// The bytes of a stream from a place on, PATTERN_RUN of them.
static inline const char *pattern_at(uint32_t stream, uint32_t place)
{
	return pattern_bytes + (stream * 40503u + place) % PATTERN_SIZE;
}
