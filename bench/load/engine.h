// SPDX-License-Identifier: BSD-2-Clause
// One TCP engine at one port, with a poll loop: what a worker does with connections and nothing else.

#pragma once

#include "base/clock.h"
#include "port/port.h"
#include "tcp/tcp.h"

#include <stdbool.h>
#include <stdint.h>

struct engine {
	struct tcp *tcp;
	struct tcp_setup setup;
	size_t memory; // of the instance, in bytes
	uint64_t now_us;
	uint64_t busy;        // cycles of turns that had work, by the time stamp counter
	uint64_t turns;       // of those
	uint64_t packets[2];  // received, sent
	uint64_t idle;        // turns without work, one after another
	bool any_destination; // packets for all addresses are taken, not for our own alone
	// Packets that are no concern of the engine: true if it took one. NULL: all go to the engine.
	bool (*filter)(struct rte_mbuf *m);

	struct rte_mempool *pool;
	struct port port;
	struct port_tx tx;
	struct base_counters counters;
	struct ip_layer ip;
	struct ip_config config;
	struct postern_snapshot snapshot;
	struct postern_interface interface;
	struct postern_prefix address;
	struct base_clock clock;
};

// The number that `name=` says among the words, or `otherwise`.
double engine_number(int n, char *const *words, const char *name, double otherwise);

// Starts EAL with the arguments up to "--" and opens port 0. Words behind say the rest: address=A/LEN
// gateway=A connections= half-open= time-wait= buffers= (of packets) send-buffer= receive-buffer=. Ends the
// process if something fails. Fields set before are kept.
void engine_open(struct engine *e, int argc, char **argv);

// A turn: packets, timers, events for engine_event(), and what is to be sent. True if there was work.
bool engine_turn(struct engine *e);

// Sends an Ethernet frame past the engine.
void engine_push(struct engine *e, struct rte_mbuf *m);

// Is handed each event. The program's.
void engine_event(struct engine *e, const struct tcp_event *event);
