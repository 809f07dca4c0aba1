// SPDX-License-Identifier: BSD-2-Clause
// The poll loop: receive, take the burst from stage to stage, send; between packets the timers,
// and every few hundred turns the house is kept.

#include "worker/worker.h"

#include <rte_cycles.h>
#include <rte_pause.h>
#include <urcu-qsbr.h>

#include <time.h>
#include <unistd.h>

// Quiescent states, new epochs and events to control are looked at every 256 turns: at full load
// a turn takes some ten microseconds, so nobody waits more than a few milliseconds.
#define HOUSEKEEPING_TURNS 256u

// An idle worker spins for so many turns, then pauses between them, then sleeps. A port's ring of
// 1024 descriptors holds what comes meanwhile at 20 Mpps, and at 1 Mpps after a quiet time.
#define SPIN_TURNS     256u
#define PAUSE_TURNS    1024u
#define SLEEP_SHORT_NS 50000   // with the timer's slack a first packet waits 0.1 ms at most
#define SLEEP_LONG_NS  1000000 // after LONG_AFTER_US without a packet; it waits 1 ms then
#define LONG_AFTER_US  10000000u

void worker_lap(struct worker *w, enum worker_stage stage)
{
	const uint64_t now = rte_rdtsc();

	w->cycles[stage] += now - w->lap;
	w->lap = now;
}

// Keeps the packets that are this worker's and hands the others over.
static unsigned sort_out(struct worker *w, struct ip_packet *pkts, unsigned n)
{
	unsigned kept = 0;

	if (w->dp->n_workers == 1 && !w->dp->kernel)
		return n;
	for (unsigned i = 0; i < n; i++) {
		const bool fragment = pkts[i].tuple.proto == IP_PROTO_FRAGMENT;
		// What has been handed over is this one's, unless it has only been put together here.
		const bool settled = pkts[i].handed && !pkts[i].reassembled;
		bool by_port = false;

		if (w->dp->kernel && worker_is_kernels(w, &pkts[i])) {
			worker_to_kernel(w, pkts[i].interface, pkts[i].m);
			continue;
		}
		const unsigned owner = settled ? w->index : worker_owner(w, &pkts[i], &by_port);

		if (owner != w->index) {
			base_add(&w->handed_in[pkts[i].interface], 1);
			if (by_port)
				base_add(&w->misled[pkts[i].interface], 1);
			worker_hand_over(w, owner, pkts[i].m, pkts[i].interface, WORKER_OWNER);
		} else if (fragment) {
			worker_handed_burst(w, pkts[i].interface, &pkts[i].m, 1);
		} else {
			pkts[kept++] = pkts[i];
		}
	}
	return kept;
}

// Packets that are this worker's go to who they are for.
static void take(struct worker *w, struct ip_packet *pkts, unsigned n, bool full)
{
	worker_lap(w, STAGE_IP);
	if (w->streaming) {
		n = worker_stream_input(w, pkts, n);
		worker_lap(w, STAGE_TCP);
	}
	if (n > 0)
		steer_input(w->steer, pkts, n, full);
	worker_lap(w, STAGE_STEER);
}

void worker_burst(struct worker *w, uint16_t interface, struct rte_mbuf **pkts, unsigned n)
{
	struct ip_packet ours[PORT_BURST];
	const bool full = n == PORT_BURST;

	if (w->dp->ports[interface].has_kernel)
		n = worker_kernel_take(w, interface, pkts, n);
	const unsigned kept = sort_out(w, ours, ip_input(&w->ip, interface, pkts, n, ours));

	take(w, ours, kept, full);
}

void worker_handed_burst(struct worker *w, uint16_t interface, struct rte_mbuf **pkts, unsigned n)
{
	struct ip_packet ours[PORT_BURST];
	const bool full = n == PORT_BURST;
	const unsigned kept = sort_out(w, ours, ip_input_again(&w->ip, interface, pkts, n, ours));

	take(w, ours, kept, full);
}

static unsigned receive(struct worker *w)
{
	struct rte_mbuf *pkts[PORT_BURST];
	unsigned total = 0;

	for (uint16_t i = 0; i < w->dp->n_ports; i++) {
		const struct port *p = &w->dp->ports[i];

		for (unsigned q = w->index; q < p->rx_queues; q += w->dp->n_workers) {
			const uint16_t n = rte_eth_rx_burst(p->id, (uint16_t)q, pkts, PORT_BURST);

			worker_lap(w, STAGE_RECEIVE);
			if (n > 0)
				worker_burst(w, i, pkts, n);
			total += n;
		}
		if (p->has_kernel && w->index == 0)
			total += worker_kernel_send(w, i);
	}
	return total;
}

static void adopt_newest(struct worker *w)
{
	const struct worker_epoch *e = __atomic_load_n(&w->dp->epoch, __ATOMIC_ACQUIRE);

	if (e->snapshot->epoch == w->adopted)
		return;
	ip_adopt(&w->ip, &e->ip);
	steer_adopt(w->steer, &e->steer);
	worker_stream_adopt(w, &e->relay);
	__atomic_store_n(&w->adopted, e->snapshot->epoch, __ATOMIC_RELEASE);
}

static void keep_house(struct worker *w)
{
	static const uint64_t one = 1;

	rcu_quiescent_state();
	adopt_newest(w);
	bool told = steer_take_event_mark(w->steer);

	if (w->streaming)
		told |= relay_take_event_mark(w->stream->relay);
	if (told) {
		// The only system call while packets flow: rare, and never within a burst. A full
		// counter is as good as a written one.
		const ssize_t written = write(w->dp->events_fd, &one, sizeof(one));

		(void)written;
	}
	if (admit_waits_take_mark(w->waits)) {
		const ssize_t written = write(w->dp->wanted_fd, &one, sizeof(one));

		(void)written;
	}
}

static void sleep_ns(struct worker *w, long ns)
{
	const struct timespec ts = {.tv_nsec = ns};

	rcu_thread_offline();
	clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
	rcu_thread_online();
	COUNT(&w->counters, WORKER_SLEEPS);
}

static void back_off(struct worker *w)
{
	w->idle_turns++;
	if (w->dp->busy_poll || w->idle_turns < SPIN_TURNS)
		return;
	if (w->idle_turns < PAUSE_TURNS) {
		rte_pause();
		return;
	}
	keep_house(w);
	sleep_ns(w,
		w->ip.now_us - w->idle_since_us > LONG_AFTER_US ? SLEEP_LONG_NS : SLEEP_SHORT_NS);
}

// Adds the turn's laps to the counters.
static void laps_count(struct worker *w, bool busy)
{
	static const enum postern_counter counters[WORKER_STAGES] = {
		[STAGE_RECEIVE] = POSTERN_COUNTER_CYCLES_RECEIVE,
		[STAGE_IP] = POSTERN_COUNTER_CYCLES_IP,
		[STAGE_STEER] = POSTERN_COUNTER_CYCLES_STEER,
		[STAGE_TCP] = POSTERN_COUNTER_CYCLES_TCP,
		[STAGE_RELAY] = POSTERN_COUNTER_CYCLES_RELAY,
		[STAGE_TRANSMIT] = POSTERN_COUNTER_CYCLES_TRANSMIT,
		[STAGE_HOUSEKEEPING] = POSTERN_COUNTER_CYCLES_HOUSEKEEPING,
	};
	uint64_t all = 0;

	for (unsigned i = 0; i < WORKER_STAGES; i++) {
		all += w->cycles[i];
		if (busy)
			base_add(&w->counters.value[counters[i]], w->cycles[i]);
		w->cycles[i] = 0;
	}
	if (busy)
		COUNT_N(&w->counters, WORKER_BUSY_CYCLES, all);
	else
		COUNT_N(&w->counters, CYCLES_IDLE, all);
}

static void turn(struct worker *w)
{
	w->ip.now_us = base_clock_at(&w->dp->clock, w->lap);
	worker_stream_time(w);
	const unsigned received = receive(w) + worker_take_handed(w);

	ip_poll(&w->ip);
	bool more = steer_poll(w->steer);

	worker_share_learnt(w);
	worker_lap(w, STAGE_HOUSEKEEPING);
	more |= worker_stream_turn(w);
	const bool sent = worker_transmit(w);

	worker_lap(w, STAGE_TRANSMIT);

	COUNT(&w->counters, WORKER_LOOPS);
	if (received > 0 || more || sent) {
		w->idle_turns = 0;
		w->idle_since_us = w->ip.now_us;
		laps_count(w, true);
	} else {
		back_off(w);
		worker_lap(w, STAGE_HOUSEKEEPING);
		laps_count(w, false);
	}
}

int worker_run(void *worker)
{
	struct worker *w = worker;
	unsigned turns = 0;

	rcu_register_thread();
	w->lap = rte_rdtsc();
	while (!__atomic_load_n(&w->dp->stop, __ATOMIC_RELAXED)) {
		turn(w);
		if (++turns % HOUSEKEEPING_TURNS == 0) {
			keep_house(w);
			worker_lap(w, STAGE_HOUSEKEEPING);
		}
	}
	rcu_unregister_thread();
	return 0;
}
