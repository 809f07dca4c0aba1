// SPDX-License-Identifier: BSD-2-Clause
// Counting on a worker. A counter has one writer, so a relaxed load and store suffice; they
// compile to the plain addition and tell readers of the other half that they race by design.

#pragma once

#include "postern/counter.h"

#include <stdint.h>

// worker: rw, control: ro
struct base_counters {
	uint64_t value[POSTERN_COUNTER_COUNT];
};

static inline void base_add(uint64_t *cell, uint64_t n)
{
	__atomic_store_n(cell, *cell + n, __ATOMIC_RELAXED);
}

static inline uint64_t base_get(const uint64_t *cell)
{
	return __atomic_load_n(cell, __ATOMIC_RELAXED);
}

#define COUNT(counters, name)      base_add(&(counters)->value[POSTERN_COUNTER_##name], 1)
#define COUNT_N(counters, name, n) base_add(&(counters)->value[POSTERN_COUNTER_##name], (n))
