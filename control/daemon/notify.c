// SPDX-License-Identifier: BSD-2-Clause
// Tells the service manager how postern is (sd_notify(3)), and that it is alive: only while this
// loop turns and every worker's does. Without a service manager nothing is sent.

#include "control/daemon/daemon.h"

#include "postern/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>

LOG_SUBSYSTEM("notify");

struct notify {
	struct daemon *daemon;
	struct event *watchdog; // NULL: nobody watches
	struct event *status;
	bool stuck;     // a worker was, at the last look
	char line[256]; // what was told last
	uint64_t turns[POSTERN_WORKERS_MAX];
};

static bool has_manager(void)
{
	return getenv("NOTIFY_SOCKET") != NULL;
}

bool notify_workers_turn(const struct postern_dataplane *dp, uint64_t *turns, unsigned *stuck)
{
	bool all = true;

	for (unsigned i = 0; i < postern_workers(dp); i++) {
		const uint64_t now = postern_worker_turns(dp, i);

		if (now == turns[i] && all) {
			*stuck = i;
			all = false;
		}
		turns[i] = now;
	}
	return all;
}

static void on_watchdog(evutil_socket_t fd, short what, void *user)
{
	struct notify *n = user;
	unsigned worker = 0;

	(void)fd;
	(void)what;
	if (notify_workers_turn(n->daemon->dp, n->turns, &worker)) {
		n->stuck = false;
		sd_notify(0, "WATCHDOG=1");
		return;
	}
	if (!n->stuck)
		LOG(ERROR,
			"worker %u does not turn; the service manager is not told that postern is "
			"alive, and will restart it",
			worker);
	n->stuck = true;
}

static void status_write(const struct daemon *d, char *out, size_t size)
{
	const struct alarm *worst = alarm_set_at(d->alarms, 0);
	unsigned members = 0;
	unsigned up = 0;

	for (unsigned i = 0; pool_set_at(d->pools, i) != NULL; i++) {
		const struct pool *p = pool_set_at(d->pools, i);

		members += p->n_members;
		for (unsigned k = 0; k < p->n_members; k++)
			up += p->members[k]->health != POOL_HEALTH_DOWN;
	}
	snprintf(out, size, "%u of %u members up, %u sessions%s%.160s", up, members,
		postern_sessions_in_use(d->dp), worst != NULL ? "; " : "",
		worst != NULL ? worst->text : "");
}

static void status_tell(struct notify *n)
{
	char line[sizeof(n->line)];

	status_write(n->daemon, line, sizeof(line));
	if (strcmp(line, n->line) == 0)
		return;
	memcpy(n->line, line, sizeof(line));
	sd_notifyf(0, "STATUS=%s", line);
}

static void on_status(evutil_socket_t fd, short what, void *user)
{
	(void)fd;
	(void)what;
	status_tell(user);
}

static int watchdog_start(struct notify *n)
{
	uint64_t us = 0;

	if (sd_watchdog_enabled(0, &us) <= 0)
		return 0;
	// Half of it, as sd_watchdog_enabled(3) advises.
	const struct timeval half = {
		.tv_sec = (time_t)(us / 2 / 1000000), .tv_usec = (suseconds_t)(us / 2 % 1000000)};

	n->watchdog = event_new(n->daemon->base, -1, EV_PERSIST, on_watchdog, n);
	return n->watchdog != NULL && event_add(n->watchdog, &half) == 0 ? 0 : -ENOMEM;
}

int notify_ready(struct daemon *d)
{
	const struct timeval second = {.tv_sec = 1};

	if (!has_manager())
		return 0;
	struct notify *n = calloc(1, sizeof(*n));

	if (n == NULL)
		return -ENOMEM;
	n->daemon = d;
	d->notify = n;
	n->status = event_new(d->base, -1, EV_PERSIST, on_status, n);
	if (n->status == NULL || event_add(n->status, &second) < 0)
		return -ENOMEM;
	const int rc = watchdog_start(n);

	if (rc < 0)
		return rc;
	sd_notify(0, "READY=1");
	status_tell(n);
	return 0;
}

void notify_reloading(const struct daemon *d)
{
	struct timespec now;

	if (d->notify == NULL)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	// The time lets the manager tell this reload from an earlier one.
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
		(unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000);
}

void notify_reloaded(const struct daemon *d)
{
	if (d->notify != NULL)
		sd_notify(0, "READY=1");
}

void notify_stopping(struct daemon *d)
{
	if (has_manager())
		sd_notify(0, "STOPPING=1\nSTATUS=stopping");
	if (d->notify == NULL)
		return;
	if (d->notify->watchdog != NULL)
		event_free(d->notify->watchdog);
	if (d->notify->status != NULL)
		event_free(d->notify->status);
	free(d->notify);
	d->notify = NULL;
}
