// SPDX-License-Identifier: BSD-2-Clause
// A set of pools: its beginning and end, and how one finds what is in it.

#include "control/pool/private.h"
#include "control/pool/probe.h"

#include "postern/log.h"

#include <event2/event.h>

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

LOG_SUBSYSTEM("pool");

// How often removed members are looked at. Their ids are not scarce; this only keeps the last
// ones of a reload from waiting for the next.
#define REAP_SECONDS 5

uint64_t pool_random(struct pool_set *set, uint64_t bound)
{
	uint64_t z = set->random += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	z ^= z >> 31;
	return bound == 0 ? 0 : z % bound;
}

static void reap(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	pool_seats_reap(arg);
}

struct pool_set *pool_set_new(struct event_base *base, const struct pool_callbacks *callbacks)
{
	struct pool_set *set = calloc(1, sizeof(*set));
	if (set == NULL)
		return NULL;
	set->base = base;
	if (callbacks != NULL)
		set->callbacks = *callbacks;
	if (getrandom(&set->random, sizeof(set->random), 0) != sizeof(set->random))
		set->random = pool_now_us();
	struct timeval period = {REAP_SECONDS, 0};
	set->bio = probe_tls_method_new();
	set->reaper = event_new(base, -1, EV_PERSIST, reap, set);
	if (set->bio == NULL || set->reaper == NULL || event_add(set->reaper, &period) != 0 ||
		pool_lag_init(set) != 0 || pool_warm_init(set) != 0) {
		pool_set_free(set);
		return NULL;
	}
	return set;
}

void pool_group_free(struct pool_group *group)
{
	if (group == NULL)
		return;
	SSL_CTX_free(group->tls);
	free(group->pool.members);
	free(group);
}

void pool_set_free(struct pool_set *set)
{
	if (set == NULL)
		return;
	for (unsigned id = 0; id < set->seats_end; id++) {
		if (set->seats[id] != NULL)
			pool_seat_free(set->seats[id]);
	}
	for (unsigned i = 0; i < set->n_groups; i++)
		pool_group_free(set->groups[i]);
	free(set->groups);
	pool_observe_stop(set);
	pool_lag_exit(set);
	pool_warm_exit(set);
	if (set->reaper != NULL)
		event_free(set->reaper);
	BIO_meth_free(set->bio);
	free(set);
}

void pool_set_attach(struct pool_set *set, struct postern_dataplane *dp)
{
	pool_observe_stop(set);
	set->dp = dp;
	if (dp == NULL)
		return;
	for (unsigned id = 0; id < set->seats_end; id++) {
		if (set->seats[id] != NULL)
			pool_member_write(set->seats[id], true);
	}
	int status = pool_observe_start(set);
	if (status != 0)
		LOG(ERROR, "what the dataplane sees of members is not heard: %s",
			strerror(-status));
}

const struct pool *pool_set_at(const struct pool_set *set, unsigned index)
{
	return index < set->n_groups ? &set->groups[index]->pool : NULL;
}

const struct pool *pool_set_find(const struct pool_set *set, const char *name)
{
	for (unsigned i = 0; i < set->n_groups; i++) {
		if (strcmp(set->groups[i]->pool.name, name) == 0)
			return &set->groups[i]->pool;
	}
	return NULL;
}

struct pool_member *pool_member_find(const struct pool *pool, const char *name)
{
	for (unsigned i = 0; i < pool->n_members; i++) {
		if (strcmp(pool->members[i]->name, name) == 0)
			return pool->members[i];
	}
	return NULL;
}

const struct pool_member *pool_set_member(const struct pool_set *set, uint16_t id)
{
	const struct pool_seat *seat = id < set->seats_end ? set->seats[id] : NULL;
	return seat != NULL && !seat->removed ? &seat->member : NULL;
}
