// SPDX-License-Identifier: BSD-2-Clause
// A worker that asks for DNS facts, without the worker: its rings and what waits there.

#pragma once

#include "admit/admit.h"
#include "admit/wait.h"
#include "policy_rig.h"

#include <rte_ring.h>
#include <rte_ring_elem.h>

#include <stdlib.h>

struct asker {
	struct base_counters counters;
	struct rte_ring *wanted, *told;
	struct admit_waits *waits;
	uint64_t answered, again;
	uint32_t seed;
	bool done;
};

static inline struct rte_ring *asker_ring(size_t element)
{
	const ssize_t size = rte_ring_get_memsize_elem((unsigned)element, ADMIT_WAIT_RING);
	struct rte_ring *r =
		aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_CACHE_LINE_ROUNDUP((size_t)size));

	assert_non_null(r);
	assert_int_equal(rte_ring_init(r, "r", ADMIT_WAIT_RING, RING_F_SP_ENQ | RING_F_SC_DEQ), 0);
	return r;
}

static inline void asker_begin(struct asker *a, uint8_t worker, uint32_t most, uint64_t bytes)
{
	memset(a, 0, sizeof(*a));
	a->wanted = asker_ring(sizeof(struct postern_wanted));
	a->told = asker_ring(sizeof(struct admit_told));
	const struct admit_waits_setup setup = {.worker = worker,
		.counters = &a->counters,
		.wanted = a->wanted,
		.told = a->told,
		.most = most,
		.bytes = bytes};

	a->waits = admit_waits_new(&setup);
	assert_non_null(a->waits);
}

static inline void asker_end(struct asker *a)
{
	admit_waits_free(a->waits);
	free(a->wanted);
	free(a->told);
}

static inline uint64_t asker_count(const struct asker *a, enum postern_counter c)
{
	return base_get(&a->counters.value[c]);
}
