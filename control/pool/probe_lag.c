// SPDX-License-Identifier: BSD-2-Clause
// Measures the time in which the event loop could not run, so that a probe is not called failed for
// an answer that nobody was there to read. A beat is due every 20 ms while probes are in
// flight; what it comes too late, the loop was busy elsewhere (or the machine was).

#include "control/pool/probe.h"

#include <event2/event.h>

#include <errno.h>

#define BEAT_US 20000

// Lateness below this is libevent's coarse clock (4 ms) and ordinary scheduling.
#define BOUND_US 10000

static void arm(struct pool_lag *lag, uint64_t now)
{
	uint64_t us = lag->due_us > now + 1000 ? lag->due_us - now : 1000;
	struct timeval after = {0, (suseconds_t)us};
	event_add(lag->beat, &after);
}

uint64_t pool_lag_total(struct pool_lag *lag)
{
	uint64_t now = pool_now_us();
	if (now >= lag->due_us) {
		if (now - lag->due_us > BOUND_US)
			lag->total_us += now - lag->due_us;
		lag->due_us = now + BEAT_US;
		arm(lag, now);
	}
	return lag->total_us;
}

static void beat(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct pool_lag *lag = arg;
	pool_lag_total(lag);
	// libevent counts from the start of its turn, so that a timer may come a little early.
	if (!event_pending(lag->beat, EV_TIMEOUT, NULL))
		arm(lag, pool_now_us());
}

int pool_lag_init(struct pool_set *set)
{
	set->lag.beat = event_new(set->base, -1, 0, beat, &set->lag);
	return set->lag.beat != NULL ? 0 : -ENOMEM;
}

void pool_lag_exit(struct pool_set *set)
{
	if (set->lag.beat != NULL)
		event_free(set->lag.beat);
	set->lag.beat = NULL;
}

void pool_lag_use(struct pool_lag *lag)
{
	if (lag->users++ > 0)
		return;
	uint64_t now = pool_now_us();
	lag->due_us = now + BEAT_US;
	arm(lag, now);
}

void pool_lag_leave(struct pool_lag *lag)
{
	if (--lag->users == 0)
		event_del(lag->beat);
}
