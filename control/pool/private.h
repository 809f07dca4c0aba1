// SPDX-License-Identifier: BSD-2-Clause
// What the files of this folder share: the whole of a set, and of a pool and a member the parts
// that callers do not see.

#pragma once

#include "control/pool/pool.h"

#include <openssl/ssl.h>

#include <stddef.h>
#include <time.h>

struct event;

// An id and the member that has it. The seat outlives the member's place in the configuration:
// it stays until the dataplane lets go of the id.
struct pool_seat {
	struct pool_member member; // first: callers hold a pointer to it
	struct pool_set *set;
	char pool_name[POSTERN_NAME_SIZE];
	uint16_t pool_id;
	uint32_t word; // as the dataplane was told
	uint32_t ok_in_row;
	uint32_t failed_in_row;
	uint64_t warm_us;  // when it came back from having been down; 0: it has its whole share
	uint32_t withheld; // of its share, in 256ths
	bool cold;         // has been out for maintenance, and has not taken sessions since
	bool suspected;    // down by its silence to the dataplane alone: a probe must agree
	bool removed;      // no member any more: member.pool is NULL and nobody is shown it
	uint64_t adopted;  // removed: what the workers had adopted then
	uint64_t mark;     // the apply that last met this seat in its configuration
};

struct pool_group {
	struct pool pool; // first
	struct pool_set *set;
	SSL_CTX *tls;    // NULL: the pool has no use for TLS
	unsigned taking; // members that take new sessions
};

// How much time the event loop has lost to whatever kept it busy, measured while probes are in
// flight (probe_lag.c).
struct pool_lag {
	struct event *beat;
	unsigned users;
	uint64_t due_us;
	uint64_t total_us;
};

struct pool_set {
	struct event_base *base;
	struct pool_callbacks callbacks;
	struct postern_dataplane *dp; // NULL before it is attached
	struct event *observer;       // the dataplane's events
	struct event *reaper;         // looks at removed seats
	struct event *warmer;         // gives members that were down their share back
	struct pool_group **groups;
	uint16_t n_groups;
	uint64_t applies;
	uint64_t random;
	uint64_t warned_us; // when a probe that could not be made was last complained of
	struct pool_lag lag;
	BIO_METHOD *bio;
	unsigned seats_end;  // ids from here on have never been given
	unsigned seats_from; // ids below are taken
	struct pool_seat *seats[POSTERN_ID_NONE];
};

static inline struct pool_seat *pool_seat_of(const struct pool_member *m)
{
	return (struct pool_seat *)m;
}

static inline struct pool_group *pool_group_of(const struct pool *p)
{
	return (struct pool_group *)p;
}

static inline uint64_t pool_now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

// A random number below `bound` (0 if that is 0). SplitMix64: it spreads probes, no more.
uint64_t pool_random(struct pool_set *set, uint64_t bound);

// set.c: frees a pool, but not its members. NULL is fine.
void pool_group_free(struct pool_group *group);

// seat.c: who has which id.

// Frees the seats that nothing refers to any more.
void pool_seats_reap(struct pool_set *set);
// A seat with the lowest id that is free; NULL with errno ENOSPC or ENOMEM.
struct pool_seat *pool_seat_new(
	struct pool_set *set, const char *pool, uint16_t pool_id, const struct config_member *m);
void pool_seat_free(struct pool_seat *seat);
// Ends the member: its sessions are reset, and its id waits for the dataplane.
void pool_seat_remove(struct pool_seat *seat);
// All seats, removed ones included, sorted for pool_seats_find(). The caller frees the array.
int pool_seats_index(const struct pool_set *set, struct pool_seat ***out, size_t *n);
struct pool_seat *pool_seats_find(struct pool_seat *const *index, size_t n, const char *pool,
	const char *name, const struct postern_endpoint *at);
// The id that a pool of this name has or had; POSTERN_ID_NONE if none.
uint16_t pool_seats_pool_id(struct pool_seat *const *index, size_t n, const char *pool);

// member.c: health and the word that follows.

// Writes the health word if it has changed, or always; true if it had changed.
bool pool_member_write(struct pool_seat *seat, bool always);
// A probe has ended.
void pool_member_probed(struct pool_seat *seat, bool ok, uint32_t took_ms, const char *why);
void pool_member_observed(struct pool_seat *seat, enum postern_event_kind kind, uint32_t in_a_row);
// Takes a member for healthy again that nobody probes.
void pool_member_release(struct pool_seat *seat);

// warm.c: how a member that was down comes back.

// Begins anew if the pool has it so. pool_warm_refresh() writes what follows.
void pool_warm_begin(struct pool_seat *seat);
void pool_warm_end(struct pool_seat *seat);
// After a change of a member: counts who takes new sessions and writes the words of the others in
// the pool that depend on it.
void pool_warm_refresh(const struct pool *pool);
int pool_warm_init(struct pool_set *set);
void pool_warm_exit(struct pool_set *set);

// observe.c
int pool_observe_start(struct pool_set *set);
void pool_observe_stop(struct pool_set *set);
