// SPDX-License-Identifier: BSD-2-Clause
// Takes what the workers have seen of members and passes it to the members' states.

#include "control/pool/private.h"

#include <event2/event.h>

#include <errno.h>

// Events taken at a time, and how often in one turn of the event loop: a storm of events must not
// hold up probes and the control socket.
#define BATCH  64
#define ROUNDS 16

static void pass_on(struct pool_set *set, const struct postern_event *e)
{
	if (e->kind != POSTERN_EVENT_REFUSED && e->kind != POSTERN_EVENT_SILENT)
		return;
	const struct pool_member *m = pool_set_member(set, e->member);
	if (m != NULL)
		pool_member_observed(
			pool_seat_of(m), (enum postern_event_kind)e->kind, e->in_a_row);
}

static void take(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct pool_set *set = arg;
	struct postern_event events[BATCH];
	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned n = postern_events_take(set->dp, events, BATCH);
		for (unsigned i = 0; i < n; i++)
			pass_on(set, &events[i]);
		if (n < BATCH)
			return;
	}
	// The descriptor need not say again that there is more.
	event_active(set->observer, EV_READ, 0);
}

int pool_observe_start(struct pool_set *set)
{
	int fd = postern_events_fd(set->dp);
	if (fd < 0)
		return fd;
	set->observer = event_new(set->base, fd, EV_READ | EV_PERSIST, take, set);
	if (set->observer == NULL || event_add(set->observer, NULL) != 0)
		return -ENOMEM;
	return 0;
}

void pool_observe_stop(struct pool_set *set)
{
	if (set->observer != NULL)
		event_free(set->observer);
	set->observer = NULL;
}
