// SPDX-License-Identifier: BSD-2-Clause
// The poll loop, and the dataplane's face towards the control half.

#pragma once

#include "base/clock.h"
#include "base/count.h"
#include "ip/ip.h"
#include "port/port.h"
#include "steer/steer.h"

#include "postern/dataplane.h"

#include <rte_ring.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define MAX_INTERFACES RTE_MAX_ETHPORTS

// One snapshot with what follows from it. Built by control, read by workers, freed when every
// worker has adopted a later one.
struct worker_epoch {
	struct postern_snapshot *snapshot;
	struct ip_config ip;
	struct steer_config steer;
	struct worker_epoch *next; // control's list of those not yet freed, newest first
};

// What one worker owns.
struct worker {
	struct base_counters counters;     // worker: rw, control: ro
	struct ip_layer ip;                // worker: rw
	struct steer *steer;               // worker: rw, control: ro through its reading functions
	struct port_tx tx[MAX_INTERFACES]; // worker: rw
	uint64_t adopted;                  // epoch; worker: rw, control: ro
	struct postern_dataplane *dp;
	uint64_t idle_since_us; // worker: rw
	unsigned idle_turns;    // worker: rw
	uint8_t index;
};

struct postern_dataplane {
	struct port ports[MAX_INTERFACES];
	uint16_t n_ports;
	struct rte_mempool *pool;
	struct base_clock clock;
	struct base_secret secret;
	struct worker_epoch *epoch; // RCU; control: rw, worker: ro
	uint32_t health[65536];     // words by member id; control: rw, worker: ro
	uint64_t health_changes;    // control: rw, worker: ro
	struct rte_ring *events;    // worker: producer, control: consumer
	int events_fd;              // eventfd
	bool stop;                  // control: rw, worker: ro
	bool busy_poll;
	bool huge;
	bool running; // the worker has been launched
	unsigned lcore;
	struct worker worker;
};

// Runs until `dp->stop`. The lcore's entry; the argument is a struct worker.
int worker_run(void *worker);

// One turn over packets that have been received: what the loop does with a burst, for tests that
// have no port. Whatever is sent lies in w->tx until it is flushed.
void worker_burst(struct worker *w, uint16_t interface, struct rte_mbuf **pkts, unsigned n);

// Makes the worker's parts; the epoch is adopted at once. Start only.
int worker_init(struct worker *w, struct postern_dataplane *dp, uint32_t sessions);
void worker_fini(struct worker *w);

int worker_epoch_build(struct worker_epoch **out, const struct postern_dataplane *dp,
	struct postern_snapshot *snapshot, const struct worker_epoch *previous);
void worker_epoch_free(struct worker_epoch *e);
