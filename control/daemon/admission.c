// SPDX-License-Identifier: BSD-2-Clause
// Keeps the tables of partners in step: what a change leaves to be looked at again is done between other
// things, as fast as that allows; and what workers ask of DNS is put to discovery.

#include "control/daemon/daemon.h"
#include "control/discovery/workers.h"

#include "postern/policy.h"

#include <errno.h>
#include <time.h>

// How soon after a change it is begun, and how much of the control thread it may take.
#define LOOK_MS 100
#define TURN_US 500u
#define AT_ONCE 32u // some 2 us each

static uint64_t monotonic_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void on_work(evutil_socket_t fd, short what, void *user)
{
	struct daemon *d = user;
	const uint64_t until = monotonic_us() + TURN_US;
	struct timeval next = {0};
	int more;

	(void)fd;
	(void)what;
	do
		more = postern_policy_work(d->tables, AT_ONCE);
	while (more > 0 && monotonic_us() < until);
	if (more == 0)
		(void)postern_policy_forget(d->tables, monotonic_us(), AT_ONCE);
	if (more == 0)
		next.tv_usec = LOOK_MS * 1000;
	event_add(d->work, &next);
}

int admission_start(struct daemon *d)
{
	const struct timeval soon = {.tv_usec = LOOK_MS * 1000};

	const int rc = discovery_workers_new(d->base, d->dp, d->discovery, &d->askers);

	if (rc < 0)
		return rc;
	d->work = evtimer_new(d->base, on_work, d);
	return d->work != NULL && event_add(d->work, &soon) == 0 ? 0 : -ENOMEM;
}

void admission_stop(struct daemon *d)
{
	if (d->work != NULL)
		event_free(d->work);
	d->work = NULL;
	discovery_workers_free(d->askers);
	d->askers = NULL;
}

bool admission_is_complete(const struct daemon *d)
{
	return !policy_is_loading(d->policy) &&
	       (!config_wants_admission(d->config) || postern_policy_is_complete(d->tables));
}
