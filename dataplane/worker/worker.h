// SPDX-License-Identifier: BSD-2-Clause
// The poll loop, and the dataplane's face towards the control half.

#pragma once

#include "admit/wait.h"
#include "base/clock.h"
#include "base/count.h"
#include "base/recorder.h"
#include "ip/ip.h"
#include "port/port.h"
#include "relay/relay.h"
#include "steer/steer.h"
#include "tcp/tcp.h"

#include "postern/dataplane.h"

#include <rte_ring.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define MAX_INTERFACES RTE_MAX_ETHPORTS
#define MAX_WORKERS    POSTERN_WORKERS_MAX

// One snapshot with what follows from it. Built by control, read by workers, freed when every
// worker has adopted a later one.
struct worker_epoch {
	struct postern_snapshot *snapshot;
	struct ip_config ip;
	struct steer_config steer;
	struct relay_config relay;
	struct worker_epoch *next; // control's list of those not yet freed, newest first
};

// Why a packet is handed over.
enum worker_why {
	WORKER_OWNER,  // it has come in, and is the other's
	WORKER_SEND,   // it wants the other's transmit queue
	WORKER_KERNEL, // it is for the kernel, whose device the first worker has
};

// A packet on its way from one worker to another.
struct worker_handed {
	struct rte_mbuf *m;
	uint32_t interface;
	uint32_t why; // enum worker_why
};

// What a turn's time goes to; each has its counter.
enum worker_stage {
	STAGE_RECEIVE,
	STAGE_IP,
	STAGE_STEER,
	STAGE_TCP,
	STAGE_RELAY,
	STAGE_TRANSMIT,
	STAGE_HOUSEKEEPING,
	WORKER_STAGES
};

// Connections that end here.
struct worker_stream {
	struct tcp *tcp;     // worker: rw, control: ro through its reading functions
	struct relay *relay; // likewise
	void *memory;        // tcp's
	size_t size;
};

// What one worker owns.
struct worker {
	struct base_counters counters;     // worker: rw, control: ro
	struct ip_layer ip;                // worker: rw
	struct steer *steer;               // worker: rw, control: ro through its reading functions
	struct port_tx tx[MAX_INTERFACES]; // worker: rw
	struct worker_stream *stream;      // NULL: no service needs it yet; control: rw, worker: ro
	bool streaming;                    // it has been adopted; worker: rw
	uint64_t adopted;                  // epoch; worker: rw, control: ro
	struct postern_dataplane *dp;
	uint64_t lap;                       // TSC up to which time has been told apart; worker: rw
	uint64_t cycles[WORKER_STAGES];     // of this turn; worker: rw
	uint64_t idle_since_us;             // worker: rw
	unsigned idle_turns;                // worker: rw
	uint64_t handed_in[MAX_INTERFACES]; // received there, another's; worker: rw, control: ro
	uint64_t misled[MAX_INTERFACES];    // of these: against the port's RSS; likewise
	// What may still pass between an interface and the kernel. worker: rw; the first one's
	struct base_bucket to_kernel[MAX_INTERFACES];
	struct base_bucket from_kernel[MAX_INTERFACES];
	uint8_t index;
	// By the worker that they come from; this one is the only consumer. NULL with one worker.
	struct rte_ring *handed[MAX_WORKERS]; // of struct worker_handed
	struct rte_ring *learnt[MAX_WORKERS]; // of struct ip_learnt
	struct rte_ring *events;              // of struct postern_event; control: consumer
	struct rte_ring *closes;              // of struct steer_close; control: producer
	struct rte_ring *closed;              // of struct postern_closed; control: consumer
	struct rte_ring *relay_closes;        // of struct relay_close; control: producer
	struct rte_ring *wanted;              // of struct postern_wanted; likewise
	struct rte_ring *told;                // of struct admit_told; control: producer
	struct admit_waits *waits;            // what waits for DNS
	struct base_recorder *recorder; // worker: rw, control: ro through its reading functions
};

struct postern_dataplane {
	struct port ports[MAX_INTERFACES];
	uint16_t n_ports;
	struct rte_mempool *pool;
	struct base_clock clock;
	struct base_secret secret;
	struct base_home home;
	struct worker_epoch *epoch;          // control: rw, worker: ro
	uint32_t health[65536];              // words by member id; control: rw, worker: ro
	uint64_t health_changes;             // control: rw, worker: ro
	int events_fd;                       // eventfd
	int wanted_fd;                       // likewise
	bool rss_told[MAX_INTERFACES];       // control: rw
	const struct postern_policy *policy; // NULL: all are admitted everywhere
	bool stop;                           // control: rw, worker: ro
	bool busy_poll;
	bool kernel; // a port has a device of the kernel's
	bool huge;
	uint32_t connections; // of each worker, that end here
	uint32_t address_connections;
	uint32_t address_opening;
	uint32_t stream_buffers; // of each worker, that their bytes may lie in
	struct base_secret stream_secret;
	unsigned n_workers;
	unsigned n_running; // workers that have been launched
	struct worker *workers[MAX_WORKERS];
};

// Runs until `dp->stop`. The lcore's entry; the argument is a struct worker.
int worker_run(void *worker);

// One turn over packets that have been received: what the loop does with a burst, for tests that
// have no port. Whatever is sent lies in w->tx until it is flushed.
void worker_burst(struct worker *w, uint16_t interface, struct rte_mbuf **pkts, unsigned n);
// The same for packets that another worker has received and found to be this one's.
void worker_handed_burst(struct worker *w, uint16_t interface, struct rte_mbuf **pkts, unsigned n);

// Makes a worker with its index and parts; the epoch is adopted at once. Start only. -ENOMEM.
int worker_new(struct postern_dataplane *dp, uint8_t index, uint32_t sessions, uint32_t flows);
// NULL is fine.
void worker_free(struct worker *w);

// owner.c: with several workers, the one whose a packet is: by the client's address and port, or by
// the address and port of ours that were drawn for it. *by_port: a port whose RSS keeps its word has
// brought it there.
unsigned worker_owner(const struct worker *w, const struct ip_packet *p, bool *by_port);
// rss.c: logs once of each port that its RSS does not keep its word. Control thread.
void worker_rss_watch(struct postern_dataplane *dp);

// loop.c: the time since the last lap was this stage's.
void worker_lap(struct worker *w, enum worker_stage stage);

// stream.c
// Makes what connections need that end here. Control thread, before a snapshot is published that has
// services for it. -ENOMEM.
int worker_stream_new(struct worker *w);
void worker_stream_free(struct worker *w);
void worker_stream_adopt(struct worker *w, const struct relay_config *config);
// Before the packets of a turn.
void worker_stream_time(struct worker *w);
// Takes what is for connections that end here; returns how many packets are left. Only while streaming.
unsigned worker_stream_input(struct worker *w, struct ip_packet *pkts, unsigned n);
// Between packets and transmission. True if more work waits.
bool worker_stream_turn(struct worker *w);
// True if a connection has what would come back so; `worker` is a struct worker.
bool worker_stream_has(void *worker, const struct ip_tuple *back);

// hand.c
// The rings between workers, once all of them are there. -ENOMEM.
int worker_rings_new(struct postern_dataplane *dp);
// Hands a packet over and counts that, or drops it. Takes the packet.
void worker_hand_over(
	struct worker *w, unsigned to, struct rte_mbuf *m, uint16_t interface, enum worker_why why);
// Takes what others have handed over; returns how many packets.
unsigned worker_take_handed(struct worker *w);
// Tells others what this worker has learnt of neighbours.
void worker_share_learnt(struct worker *w);
// Sends what waits: by its own queues, or through workers that have one.
bool worker_transmit(struct worker *w);

// wait.c: the worker's rings for what waits for DNS. -ENOMEM; freed all the same.
int worker_waits_new(struct worker *w);
void worker_waits_free(struct worker *w);

// kernel.c
// True if a packet that has come in is for the kernel: see worker_to_kernel().
bool worker_is_kernels(const struct worker *w, const struct ip_packet *p);
// Gives a packet to the kernel, by way of the first worker, or drops it. Takes it.
void worker_to_kernel(struct worker *w, uint16_t interface, struct rte_mbuf *m);
// Takes what is the kernel's out of a burst that a port with a kernel's device has received, before
// it is looked at; copies what both want to know. Returns how many are left.
unsigned worker_kernel_take(
	struct worker *w, uint16_t interface, struct rte_mbuf **pkts, unsigned n);
// Sends some of what the kernel has; returns how many packets. First worker.
unsigned worker_kernel_send(struct worker *w, uint16_t interface);

int worker_epoch_build(struct worker_epoch **out, const struct postern_dataplane *dp,
	struct postern_snapshot *snapshot, const struct worker_epoch *previous);
void worker_epoch_free(struct worker_epoch *e);
