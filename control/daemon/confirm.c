// SPDX-License-Identifier: BSD-2-Clause
// A reload on trial: the configuration of before is kept, and comes back unless somebody says in
// time that the new one is good, which who has locked himself out cannot. It is kept as it was read,
// not as a file, so that nothing that was written meanwhile gets into it; it does not outlive the
// process, which starts with the file as it is.

#include "control/daemon/daemon.h"

#include "postern/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

LOG_SUBSYSTEM("reload");

// When it cannot be taken back (a key's file is gone) it is tried again this often.
#define AGAIN_S 10
// Another reload is under way; it takes milliseconds.
#define BUSY_US 10000

struct confirm {
	struct daemon *daemon;
	struct event *timer;
	struct config *previous; // NULL: nothing waits to be confirmed
	uint64_t deadline_us;    // monotonic
	bool taken_back;         // and nothing has been reloaded since
};

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void taken_back(void *user, int status, uint64_t epoch, const struct config_errors *errors)
{
	const struct timeval again = {.tv_sec = AGAIN_S};
	struct confirm *c = user;

	(void)epoch;
	if (status != -EBUSY)
		state_reloaded(c->daemon, "config.rollback", "(not confirmed)", status, errors);
	if (status == 0 || c->previous == NULL)
		return;
	LOG(ERROR, "it could not be taken back; trying again in %u s", AGAIN_S);
	event_add(c->timer, &again);
}

static void on_deadline(evutil_socket_t fd, short what, void *user)
{
	const struct timeval soon = {.tv_usec = BUSY_US};
	struct confirm *c = user;

	(void)fd;
	(void)what;
	if (c->daemon->reload != NULL) {
		event_add(c->timer, &soon);
		return;
	}
	LOG(WARNING, "nobody has confirmed the configuration; the one of before comes back");
	reload_back(c->daemon, taken_back, c);
}

int confirm_new(struct daemon *d)
{
	struct confirm *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return -ENOMEM;
	c->daemon = d;
	c->timer = evtimer_new(d->base, on_deadline, c);
	d->confirm = c;
	return c->timer != NULL ? 0 : -ENOMEM;
}

void confirm_free(struct daemon *d)
{
	if (d->confirm == NULL)
		return;
	if (d->confirm->timer != NULL)
		event_free(d->confirm->timer);
	config_free(d->confirm->previous);
	free(d->confirm);
	d->confirm = NULL;
}

bool confirm_is_pending(const struct daemon *d)
{
	return d->confirm->previous != NULL;
}

struct config *confirm_previous(const struct daemon *d)
{
	return d->confirm->previous;
}

void confirm_adopted(struct daemon *d, struct config *replaced, uint32_t ms)
{
	const struct timeval after = {.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};
	struct confirm *c = d->confirm;

	c->taken_back = false;
	if (ms == 0) {
		config_free(replaced);
		return;
	}
	// One trial after another leads back to the last configuration that somebody stood by.
	if (c->previous == NULL)
		c->previous = replaced;
	else
		config_free(replaced);
	c->deadline_us = now_us() + (uint64_t)ms * 1000;
	event_add(c->timer, &after);
	LOG(NOTICE,
		"the configuration of before comes back in %u s unless \"posternctl config "
		"confirm\" is typed; a restart meanwhile starts with the file as it is",
		ms / 1000);
}

void confirm_went_back(struct daemon *d, struct config *refused)
{
	event_del(d->confirm->timer);
	d->confirm->previous = NULL; // it runs
	d->confirm->taken_back = true;
	config_free(refused);
	LOG(WARNING, "the configuration was taken back; %s still holds the other one", d->file);
}

int confirm_take(struct daemon *d)
{
	struct confirm *c = d->confirm;

	if (c->previous == NULL)
		return -ENOENT;
	event_del(c->timer);
	config_free(c->previous);
	c->previous = NULL;
	LOG(NOTICE, "the configuration is confirmed");
	return 0;
}

void confirm_show(void *daemon, struct alarm_confirm *out)
{
	const struct confirm *c = ((const struct daemon *)daemon)->confirm;
	const uint64_t now = now_us();

	*out = (struct alarm_confirm){.taken_back = c->taken_back, .file = c->daemon->file};
	if (c->previous == NULL)
		return;
	out->pending = true;
	if (c->deadline_us > now)
		out->remaining_s = (uint32_t)((c->deadline_us - now + 999999) / 1000000);
}
