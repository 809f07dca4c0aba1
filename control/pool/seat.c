// SPDX-License-Identifier: BSD-2-Clause
// Who has which id. An id goes with the identity of a member (pool, name, address) for as long as a
// session may refer to it.

#include "control/pool/private.h"
#include "control/pool/probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A removed id is free when no session has it and the workers have adopted a snapshot without
// it. Snapshots are published after an apply, one at a time, so the one that the workers moved on
// to since the removal is without it. Before there is a dataplane nobody can refer to an id.
static bool is_free(const struct pool_seat *seat)
{
	struct postern_dataplane *dp = seat->set->dp;
	return dp == NULL || (postern_dataplane_adopted(dp) > seat->adopted &&
				     postern_member_is_idle(dp, seat->member.id));
}

void pool_seats_reap(struct pool_set *set)
{
	for (unsigned id = 0; id < set->seats_end; id++) {
		struct pool_seat *seat = set->seats[id];
		if (seat != NULL && seat->removed && is_free(seat))
			pool_seat_free(seat);
	}
}

struct pool_seat *pool_seat_new(
	struct pool_set *set, const char *pool, uint16_t pool_id, const struct config_member *m)
{
	unsigned id = set->seats_from;
	while (id < POSTERN_ID_NONE && set->seats[id] != NULL)
		id++;
	if (id == POSTERN_ID_NONE) {
		errno = ENOSPC;
		return NULL;
	}
	struct pool_seat *seat = calloc(1, sizeof(*seat));
	if (seat == NULL)
		return NULL;
	seat->set = set;
	seat->pool_id = pool_id;
	snprintf(seat->pool_name, sizeof(seat->pool_name), "%s", pool);
	seat->member.id = (uint16_t)id;
	snprintf(seat->member.name, sizeof(seat->member.name), "%s", m->name);
	seat->member.at = m->address;
	set->seats[id] = seat;
	set->seats_from = id + 1;
	if (set->seats_end <= id)
		set->seats_end = id + 1;
	return seat;
}

void pool_seat_free(struct pool_seat *seat)
{
	struct pool_set *set = seat->set;
	set->seats[seat->member.id] = NULL;
	if (set->seats_from > seat->member.id)
		set->seats_from = seat->member.id;
	pool_probe_free(seat->member.probe);
	free(seat->member.fqdn);
	free(seat);
}

void pool_seat_remove(struct pool_seat *seat)
{
	pool_probe_free(seat->member.probe);
	seat->member.probe = NULL;
	seat->member.pool = NULL;
	seat->member.settings = NULL;
	seat->removed = true;
	pool_warm_end(seat);
	pool_member_write(seat, false);
	if (seat->set->dp != NULL)
		seat->adopted = postern_dataplane_adopted(seat->set->dp);
}

static int compare_endpoints(const struct postern_endpoint *a, const struct postern_endpoint *b)
{
	int addresses = memcmp(a->addr.bytes, b->addr.bytes, sizeof(a->addr.bytes));
	return addresses != 0 ? addresses : (int)a->port - (int)b->port;
}

static int compare_identity(const struct pool_seat *seat, const char *pool, const char *name,
	const struct postern_endpoint *at)
{
	int order = strcmp(seat->pool_name, pool);
	if (order == 0)
		order = strcmp(seat->member.name, name);
	return order != 0 ? order : compare_endpoints(&seat->member.at, at);
}

static int compare_seats(const void *a, const void *b)
{
	const struct pool_seat *x = *(struct pool_seat *const *)a;
	const struct pool_seat *y = *(struct pool_seat *const *)b;
	return compare_identity(x, y->pool_name, y->member.name, &y->member.at);
}

int pool_seats_index(const struct pool_set *set, struct pool_seat ***out, size_t *n)
{
	struct pool_seat **index = calloc(set->seats_end + 1, sizeof(struct pool_seat *));
	if (index == NULL)
		return -ENOMEM;
	*n = 0;
	for (unsigned id = 0; id < set->seats_end; id++) {
		if (set->seats[id] != NULL)
			index[(*n)++] = set->seats[id];
	}
	qsort(index, *n, sizeof(struct pool_seat *), compare_seats);
	*out = index;
	return 0;
}

struct pool_seat *pool_seats_find(struct pool_seat *const *index, size_t n, const char *pool,
	const char *name, const struct postern_endpoint *at)
{
	size_t low = 0, high = n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare_identity(index[middle], pool, name, at);
		if (order == 0)
			return index[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

uint16_t pool_seats_pool_id(struct pool_seat *const *index, size_t n, const char *pool)
{
	size_t low = 0, high = n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(index[middle]->pool_name, pool);
		if (order == 0)
			return index[middle]->pool_id;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return POSTERN_ID_NONE;
}
