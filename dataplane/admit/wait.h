// SPDX-License-Identifier: BSD-2-Clause
// What waits at one worker for DNS facts, after the decision said ASK: bounded in number, bytes and time.
// Whoever waits keeps what it is about; here are only its word and a ticket.

#pragma once

#include "base/count.h"

#include "postern/wanted.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct admit_waits;
struct rte_ring;

// As control answers.
struct admit_told {
	uint32_t slot;
	uint32_t generation;
};

// A ring takes what waits twice over: what has given up may have asked, too.
#define ADMIT_WAIT_RING (2 * POSTERN_WANTED_MOST)

struct admit_waits_setup {
	uint8_t worker; // index
	struct base_counters *counters;
	struct rte_ring *wanted; // of struct postern_wanted; this worker is the only producer
	struct rte_ring *told;   // of struct admit_told; the only consumer
	uint32_t most;           // that wait at once
	uint64_t bytes;          // of what is kept for them
};

// NULL when memory is refused. Start only.
struct admit_waits *admit_waits_new(const struct admit_waits_setup *setup);
void admit_waits_free(struct admit_waits *w); // NULL is fine

struct admit_ticket {
	uint32_t slot;
	uint32_t generation;
};

// Asks control for a domain's facts. `what` comes back by admit_waits_take(), `bytes` is how much is kept
// for it meanwhile. 0; -ENOSPC: as much waits as may, -EAGAIN: control is not asked, its ring is full.
// Both are counted. Worker.
int admit_wait(struct admit_waits *w, const struct postern_domain *domain, void *what,
	uint32_t bytes, uint64_t now_us, struct admit_ticket *out);

// It waits no longer and does not come back. What has come back already is left alone. Worker.
void admit_wait_cancel(struct admit_waits *w, const struct admit_ticket *t);

struct admit_waited {
	void *what;
	bool answered; // look again; else its time is up
};

// Those whose waiting has ended, up to `n`; returns how many. Once a turn. Worker.
unsigned admit_waits_take(
	struct admit_waits *w, uint64_t now_us, struct admit_waited *out, unsigned n);

// True once after a question was put into the ring. Worker.
bool admit_waits_take_mark(struct admit_waits *w);
