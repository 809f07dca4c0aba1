// SPDX-License-Identifier: BSD-2-Clause
// Forward mode: packets of a session are translated and sent on, nothing is terminated. The first
// packet of a session chooses its member by Maglev; a table per worker remembers the choice, and
// the TCP state is followed from the flags that pass.

#pragma once

#include "base/count.h"
#include "ip/ip.h"

#include "postern/dataplane.h"
#include "postern/snapshot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct base_recorder;
struct rte_ring;
struct steer;

// What a rule lets a member do.
struct steer_pass {
	uint16_t outbound; // index
	uint16_t member;   // id
};

// A machine that members are on. One with several members has its rules' flows as the first of them.
struct steer_node {
	struct postern_addr addr;
	uint32_t first; // of its passes
	uint16_t count;
	uint16_t member; // id of any of its members
	uint16_t last;   // rule that has been noted last, while the table is built
	bool known;
};

// What follows from a snapshot for steering, built on the control thread, read by workers.
struct steer_config {
	const struct postern_snapshot *snapshot;
	uint16_t *listens; // open addressing over endpoints: index into snapshot->listens
	uint32_t listens_mask;
	uint16_t *ranges; // indices of those that listen on ranges of ports
	uint16_t n_ranges;
	struct steer_node
		*nodes; // open addressing, a power of two; NULL: there are no outbound rules
	uint32_t nodes_mask;
	struct steer_pass *passes;         // of all nodes, each one's in the order of the file
	const struct postern_pool **pools; // by id
	const struct postern_service **services; // by id
	struct base_secret secret;
};

// The snapshot outlives the result. -ENOMEM.
int steer_config_build(struct steer_config *out, const struct postern_snapshot *snapshot,
	const struct base_secret *secret);
void steer_config_clear(struct steer_config *c);

// A session that control wants closed.
struct steer_close {
	uint32_t slot;
	uint32_t generation;
	uint32_t ticket; // for the answer
};

struct steer_setup {
	struct base_counters *counters;
	struct ip_layer *ip;            // has adopted its configuration
	uint32_t sessions;              // capacity
	uint32_t flows;                 // likewise, of those that members begin
	uint8_t worker;                 // index
	const struct base_home *home;   // ports are drawn so that answers are at home here
	struct rte_ring *events;        // of struct postern_event; this worker is the only producer
	struct base_recorder *recorder; // this worker's
	struct rte_ring *closes;        // of struct steer_close; this worker is the only consumer
	struct rte_ring *closed;        // of struct postern_closed, as many; the only producer
	const uint32_t *health;         // words by member id; control: rw, worker: ro
	const uint64_t *health_changes; // grows after words have changed; control: rw, worker: ro
	struct base_secret secret;      // keys the session table
	const struct postern_policy *policy; // NULL: all are admitted everywhere
	// True if somebody else has what would come back so: addresses and ports of ours are shared. NULL:
	// nobody does.
	bool (*is_taken)(void *context, const struct ip_tuple *back);
	void *context;
};

// NULL when memory is refused. The parts of `setup` outlive the instance.
struct steer *steer_new(const struct steer_setup *setup);
void steer_free(struct steer *s);

// From here on new sessions follow another configuration. Sessions whose service is gone are
// ended over the next turns.
void steer_adopt(struct steer *s, const struct steer_config *config);

// The addresses and ports of what would come back from where the packet went that an ICMP error quotes.
// False if it quotes none that could be a session's.
bool steer_error_about(const struct ip_packet *p, struct ip_tuple *back);

// True if a service listens where the packet goes.
bool steer_listens(const struct steer *s, const struct ip_tuple *t);

// True if a packet of TCP belongs to a session.
bool steer_has(const struct steer *s, const struct ip_tuple *t);

// True if a packet goes to a member's own address from somebody who is none: what others send in flows
// without a service that translate nothing.
bool steer_goes_to_member(const struct steer *s, const struct ip_tuple *t);

// Takes the packets of a burst: TCP, UDP, ICMP errors. `full`: the burst had no room for more when it was
// received, so that more wait.
void steer_input(struct steer *s, struct ip_packet *pkts, unsigned n, bool full);

// Timers, and sessions that must be reset; a bounded share of the work each turn. True if more
// is waiting.
bool steer_poll(struct steer *s);

// True once after an event was put into the ring.
bool steer_take_event_mark(struct steer *s);

// What control reads while the worker runs.
uint32_t steer_capacity(const struct steer *s);
uint32_t steer_in_use(const struct steer *s);
uint32_t steer_flows_capacity(const struct steer *s);
uint32_t steer_flows_in_use(const struct steer *s);
uint32_t steer_high_water(const struct steer *s); // slots that have ever been used
// Copies the session in a slot; -ENOENT if there is none, or if it changed hands meanwhile.
int steer_session_read(
	const struct steer *s, uint32_t slot, uint64_t now_us, struct postern_session *out);
void steer_member_stats_add(
	const struct steer *s, uint16_t member, struct postern_member_stats *sum);
void steer_listen_stats_add(
	const struct steer *s, uint16_t listen, struct postern_listen_stats *sum);
