// SPDX-License-Identifier: BSD-2-Clause
// What a seed says about one connection between an engine and a kernel: who opens it, what each side
// writes, how it ends. Both programs follow the same plan without a word about it: the kernel's address
// is the seed.

#pragma once

#ifndef XXH_INLINE_ALL
#define XXH_INLINE_ALL
#endif
#include <xxhash.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLAN_INSTANCES 8u // engines with other settings each, at an address each
#define PLAN_PORT      5061
#define PLAN_SEEDS     (1u << 22) // seeds are below: addresses of 10.64.0.0/10

enum plan_side {
	PLAN_ENGINE,
	PLAN_KERNEL
};

enum plan_end {
	PLAN_CLOSE, // a FIN when all is written, and the other's is waited for
	PLAN_RESET, // somewhere on the way
	PLAN_LEAVE  // the same, but with a close, whatever lies there unread
};

struct plan {
	uint32_t seed;
	unsigned instance;
	bool v6;
	bool engine_opens;
	bool urgent;       // the kernel marks bytes as urgent now and then
	bool rough;        // one side does not end with PLAN_CLOSE
	uint32_t bytes[2]; // that a side writes
	enum plan_end end[2];
	uint32_t end_at[2]; // bytes written and read by then, in PLAN_RESET and PLAN_LEAVE
};

struct plan plan_of(uint32_t seed);

// The kernel's address of a seed, in wire order; 16 bytes for IPv6, otherwise 4.
void plan_kernel_address(uint32_t seed, bool v6, uint8_t *out);
uint32_t plan_seed_of(bool v6, const uint8_t *kernel_address);
// An engine's address, likewise.
void plan_engine_address(unsigned instance, bool v6, uint8_t *out);

// What one side has written or read.
struct plan_stream {
	uint64_t n;
	XXH3_state_t hash;
};

void plan_stream_begin(struct plan_stream *s);
// Makes the next `n` bytes of what `side` writes.
void plan_write(struct plan_stream *s, uint32_t seed, enum plan_side side, void *out, size_t n);
// Takes bytes that `side` has written. False if they are other ones.
bool plan_read(
	struct plan_stream *s, uint32_t seed, enum plan_side side, const void *bytes, size_t n);

// Small numbers, each program its own.
uint32_t plan_draw(uint64_t *state, uint32_t n);

// One line of JSON for a connection that is over. `end`: how it looked from here.
void plan_report(uint32_t seed, const char *end, bool good, const struct plan_stream *written,
	const struct plan_stream *read);
