// SPDX-License-Identifier: BSD-2-Clause
// What a member's word owes to the rest of its pool: the share that is withheld from one that was
// down, so that it warms up, and whether anybody else takes new sessions.

#include "control/pool/private.h"

#include "postern/log.h"

#include <event2/event.h>

#include <errno.h>

LOG_SUBSYSTEM("pool");

// The largest share that is withheld, in 256ths: something always comes, so that what is wrong with
// the member shows.
#define MOST 255u

#define STEP_SECONDS 1

static uint32_t share_left(const struct pool_seat *seat, uint64_t now_us)
{
	const uint64_t whole_us = (uint64_t)seat->member.pool->config->slow_start_ms * 1000;
	const uint64_t passed_us = now_us - seat->warm_us;
	return passed_us < whole_us ? (uint32_t)(MOST * (whole_us - passed_us) / whole_us) : 0;
}

static void tell(struct pool_seat *seat)
{
	const struct pool_callbacks *owner = &seat->set->callbacks;
	if (pool_member_write(seat, false) && owner->changed != NULL)
		owner->changed(owner->user, &seat->member);
}

static bool takes_new(const struct pool_member *m)
{
	return m->weight > 0 && m->admin == POOL_ADMIN_READY && m->health != POOL_HEALTH_DOWN;
}

void pool_warm_refresh(const struct pool *pool)
{
	struct pool_group *group = pool_group_of(pool);
	group->taking = 0;
	for (unsigned i = 0; i < pool->n_members; i++)
		group->taking += takes_new(pool->members[i]);
	if (pool->config->all_down != CONFIG_ALL_DOWN_TRY_ALL && pool->config->slow_start_ms == 0)
		return;
	for (unsigned i = 0; i < pool->n_members; i++)
		tell(pool_seat_of(pool->members[i]));
}

// One step for a member; true if more are to come.
static bool warm(struct pool_seat *seat)
{
	seat->withheld = share_left(seat, pool_now_us());
	if (seat->withheld == 0) {
		seat->warm_us = 0;
		LOG(INFO, "pool %s: member %s takes its whole share", seat->member.pool->name,
			seat->member.name);
	}
	tell(seat);
	return seat->warm_us != 0;
}

static void start(struct pool_set *set)
{
	const struct timeval step = {.tv_sec = STEP_SECONDS};
	if (!evtimer_pending(set->warmer, NULL))
		event_add(set->warmer, &step);
}

static void on_step(evutil_socket_t fd, short what, void *user)
{
	struct pool_set *set = user;
	bool more = false;
	(void)fd;
	(void)what;
	for (unsigned id = 0; id < set->seats_end; id++) {
		struct pool_seat *seat = set->seats[id];
		if (seat != NULL && seat->warm_us != 0 && warm(seat))
			more = true;
	}
	if (more)
		start(set);
}

void pool_warm_begin(struct pool_seat *seat)
{
	if (seat->member.pool->config->slow_start_ms == 0)
		return;
	seat->warm_us = pool_now_us();
	seat->withheld = MOST;
	start(seat->set);
}

void pool_warm_end(struct pool_seat *seat)
{
	seat->warm_us = 0;
	seat->withheld = 0;
}

int pool_warm_init(struct pool_set *set)
{
	set->warmer = evtimer_new(set->base, on_step, set);
	return set->warmer != NULL ? 0 : -ENOMEM;
}

void pool_warm_exit(struct pool_set *set)
{
	if (set->warmer != NULL)
		event_free(set->warmer);
	set->warmer = NULL;
}
