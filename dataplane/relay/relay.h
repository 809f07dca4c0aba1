// SPDX-License-Identifier: BSD-2-Clause
// Relay mode: connections end here on both sides and bytes are copied. What a client says first chooses the
// pool, or has it refused; then it is said again, as it came, to a member of that pool. One instance a
// worker.

#pragma once

#include "base/count.h"
#include "base/hash.h"
#include "tcp/tcp.h"

#include "postern/dataplane.h"
#include "postern/relay.h"
#include "postern/snapshot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct base_recorder;
struct rte_ring;
struct relay;

// What follows from a snapshot for relaying, built on the control thread, read by workers.
struct relay_config {
	const struct postern_snapshot *snapshot;
	const struct postern_service **services; // by id
	const struct postern_pool **pools;       // by id
	const struct postern_member **members;   // by id
	bool relays;                             // a service is in relay mode
};

// The snapshot outlives the result. -ENOMEM, or -EINVAL: a rule leads to a pool that is not there.
int relay_config_build(struct relay_config *out, const struct postern_snapshot *snapshot);
void relay_config_clear(struct relay_config *c);

// A session that control wants closed.
struct relay_close {
	uint32_t slot;
	uint32_t generation;
	uint32_t ticket; // for the answer
};

struct relay_setup {
	struct base_counters *counters;
	struct tcp *tcp;
	uint32_t sessions;              // capacity
	uint32_t first_slot;            // ids of sessions begin here: lower ones are others'
	uint32_t address_opening;       // sessions of one address whose hello is not whole
	uint8_t worker;                 // index
	struct base_recorder *recorder; // this worker's
	struct rte_ring *events;        // of struct postern_event; this worker is the only producer
	struct rte_ring *closes;        // of struct relay_close; this worker is the only consumer
	struct rte_ring *closed;        // of struct postern_closed, as many; the only producer
	const uint32_t *health;         // words by member id; control: rw, worker: ro
	const uint64_t *health_changes; // grows after words have changed; control: rw, worker: ro
	struct base_secret secret;
	const struct postern_policy *policy; // NULL: all are admitted everywhere
	uint64_t now_us;
	// An address of ours towards a member; `n` counts attempts, each of which may get another. False: no
	// way leads there, which has been counted.
	bool (*source)(void *context, const struct postern_addr *member, uint32_t n,
		struct postern_addr *out);
	void *context;
};

// NULL when memory is refused. The parts of `setup` outlive the instance. Control thread, or at the start.
struct relay *relay_new(const struct relay_setup *setup);
// Forgets all sessions; to be called before tcp_fini().
void relay_free(struct relay *r);

// From here on new sessions follow another configuration; those whose service is gone are ended over the
// next turns.
void relay_adopt(struct relay *r, const struct relay_config *config);

// What has happened to connections, then timers and what control wants: between tcp_poll() and tcp_flush().
// True if more is waiting.
bool relay_turn(struct relay *r, uint64_t now_us);

// Whether a client may connect, for struct tcp_user; `listener` is what TCP was given.
enum tcp_admission relay_admit(
	struct relay *r, void *listener, const struct postern_endpoint *remote);

// True once after an event was put into the ring.
bool relay_take_event_mark(struct relay *r);

// What control reads while the worker runs.
uint32_t relay_capacity(const struct relay *r);
uint32_t relay_in_use(const struct relay *r);
uint32_t relay_high_water(
	const struct relay *r); // slots that have ever been used, from first_slot on
// The session in a slot, counted from first_slot; -ENOENT if there is none, or if it changed hands
// meanwhile. `info` may be NULL.
int relay_session_read(const struct relay *r, uint32_t slot, uint64_t now_us,
	struct postern_session *out, struct postern_relay_info *info);
void relay_member_stats_add(
	const struct relay *r, uint16_t member, struct postern_member_stats *sum);
void relay_listen_stats_add(
	const struct relay *r, uint16_t listen, struct postern_listen_stats *sum);
// The hello in a place of the table of those that were seen; -ENOENT likewise.
#define RELAY_SEEN 4096u
int relay_seen_read(
	const struct relay *r, uint32_t at, uint64_t now_us, struct postern_hello_seen *out);
