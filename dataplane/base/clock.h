// SPDX-License-Identifier: BSD-2-Clause
// Time: microseconds of the time stamp counter, read once a turn of the poll loop.

#pragma once

#include <rte_cycles.h>

#include <stdint.h>

// Multiplier for (tsc * multiplier) >> 32 = microseconds. At 1 GHz and above the multiplier is
// below 2^32 / 1000, so the 128-bit product never overflows what is shifted out.
struct base_clock {
	uint64_t multiplier;
	uint64_t origin; // TSC at start, so that time begins near zero
};

// EAL must have been started: it knows the TSC's rate.
static inline void base_clock_init(struct base_clock *c)
{
	c->multiplier = (uint64_t)(((unsigned __int128)1000000 << 32) / rte_get_tsc_hz());
	c->origin = rte_rdtsc();
}

// Microseconds from base_clock_init() to a reading of the TSC. Any thread.
static inline uint64_t base_clock_at(const struct base_clock *c, uint64_t tsc)
{
	return (uint64_t)(((unsigned __int128)(tsc - c->origin) * c->multiplier) >> 32);
}

// Microseconds since base_clock_init(). Any thread.
static inline uint64_t base_clock_us(const struct base_clock *c)
{
	return base_clock_at(c, rte_rdtsc());
}
