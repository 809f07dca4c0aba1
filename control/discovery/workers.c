// SPDX-License-Identifier: BSD-2-Clause

#include "control/discovery/workers.h"

#include "control/discovery/discovery.h"

#include "postern/wanted.h"

#include <event2/event.h>

#include <errno.h>
#include <stdlib.h>

// Questions taken at a time, and how often in one turn of the event loop.
#define BATCH  64
#define ROUNDS 4

// One question, until it is answered.
struct waiter {
	struct discovery_workers *all;
	struct discovery_wait *wait;
	struct waiter *next, *prev;
	struct postern_wanted wanted;
};

struct discovery_workers {
	struct postern_dataplane *dp;
	struct discovery *discovery;
	struct event *taker;
	struct waiter *first;
};

static void take_out(struct waiter *w)
{
	if (w->prev)
		w->prev->next = w->next;
	else
		w->all->first = w->next;
	if (w->next)
		w->next->prev = w->prev;
}

// What is lost on the way back ends by its time.
static void answer(struct discovery_workers *all, const struct postern_wanted *wanted)
{
	(void)postern_wanted_answer(all->dp, wanted);
}

static void found(void *user, const struct discovery_told *told)
{
	struct waiter *w = user;

	(void)told;
	answer(w->all, &w->wanted);
	take_out(w);
	free(w);
}

// Where nothing can be asked the worker is told so at once, and decides with what is known.
static void ask(struct discovery_workers *all, const struct postern_wanted *wanted)
{
	struct waiter *w = calloc(1, sizeof(*w));

	if (!w) {
		answer(all, wanted);
		return;
	}
	w->all = all;
	w->wanted = *wanted;
	w->next = all->first;
	if (w->next)
		w->next->prev = w;
	all->first = w;
	if (discovery_wanted(all->discovery, &w->wanted.domain, false, found, w, &w->wait) == 0)
		return;
	answer(all, wanted);
	take_out(w);
	free(w);
}

static void take(evutil_socket_t fd, short what, void *user)
{
	struct discovery_workers *all = user;
	struct postern_wanted wanted[BATCH];

	(void)fd;
	(void)what;
	for (unsigned round = 0; round < ROUNDS; round++) {
		const unsigned n = postern_wanted_take(all->dp, wanted, BATCH);

		for (unsigned i = 0; i < n; i++)
			ask(all, &wanted[i]);
		if (n < BATCH)
			return;
	}
	// The descriptor need not say again that there is more.
	event_active(all->taker, EV_READ, 0);
}

int discovery_workers_new(struct event_base *base, struct postern_dataplane *dp,
	struct discovery *discovery, struct discovery_workers **out)
{
	struct discovery_workers *all = calloc(1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	all->dp = dp;
	all->discovery = discovery;
	all->taker = event_new(base, postern_wanted_fd(dp), EV_READ | EV_PERSIST, take, all);
	if (!all->taker || event_add(all->taker, NULL) != 0) {
		discovery_workers_free(all);
		return -ENOMEM;
	}
	*out = all;
	return 0;
}

void discovery_workers_free(struct discovery_workers *all)
{
	if (!all)
		return;
	while (all->first) {
		struct waiter *w = all->first;

		discovery_wait_cancel(w->wait);
		all->first = w->next;
		free(w);
	}
	if (all->taker)
		event_free(all->taker);
	free(all);
}
