// SPDX-License-Identifier: BSD-2-Clause
// The whole: start, settings, the turn of the loop, and what is asked from outside.

#include "control/discovery/private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

// The transport is looked after so often while questions are under way.
#define TRANSPORT_US 20000u

// Outsiders who wait, in all: as many as workers may have questions under way.
#define WAITS_MAX 65536u
// Lookups that wait for room.
#define LOOKUPS_MAX 1024u

void discovery_settings_default(struct discovery_settings *s)
{
	*s = (struct discovery_settings){
		.timeout_ms = 1000,
		.tries = 3, // with the timeout less than the 4 s that a message waits
		.lowest_ttl_s = 30,
		.highest_ttl_s = 3600,
		.negative_ttl_s = 900,
		.keep_s = 24 * 3600,
		.rate = 2000,
		.outstanding = 1000,
		.order = DISCOVERY_ORDER_RFC2782,
	};
}

static uint64_t clock_us(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static uint64_t real_now(void *user)
{
	(void)user;
	return clock_us(CLOCK_MONOTONIC);
}

static uint64_t real_wall(void *user)
{
	(void)user;
	return clock_us(CLOCK_REALTIME);
}

// Ids of questions come from here: a forger must not guess them.
static uint32_t real_random(void *user)
{
	static uint32_t stock[64];
	static unsigned left;

	(void)user;
	if (left == 0) {
		if (getrandom(stock, sizeof(stock), 0) != sizeof(stock))
			return (uint32_t)clock_us(CLOCK_MONOTONIC);
		left = sizeof(stock) / sizeof(stock[0]);
	}
	return stock[--left];
}

void discovery_wake(struct discovery *d)
{
	if (d->timer != NULL && !__atomic_exchange_n(&d->is_awake, true, __ATOMIC_ACQ_REL))
		eventfd_write(d->wake_fd, 1);
}

uint64_t discovery_turn(struct discovery *d)
{
	uint64_t next = question_turn(d), at;

	pthread_mutex_lock(&d->lock);
	at = name_turn(d);
	if (follow_sweep(d))
		at = now_us(d);
	pthread_mutex_unlock(&d->lock);
	if (at < next)
		next = at;
	at = resolver_turn(d);
	if (at < next)
		next = at;
	question_pump(d);
	if (now_us(d) - d->transport_us >= TRANSPORT_US) {
		d->transport_us = now_us(d);
		if (d->transport.turn != NULL)
			d->transport.turn(d->transport.self);
	}
	if (d->out > 0 && d->transport_us + TRANSPORT_US < next)
		next = d->transport_us + TRANSPORT_US;
	follow_deliver(d);
	return next;
}

static void run(struct discovery *d)
{
	__atomic_store_n(&d->is_awake, false, __ATOMIC_RELEASE);
	const uint64_t next = discovery_turn(d), now = now_us(d);
	const uint64_t wait = next > now ? next - now : 0;
	const struct timeval in = {
		.tv_sec = (time_t)(wait / 1000000), .tv_usec = (suseconds_t)(wait % 1000000)};

	event_add(d->timer, &in);
}

static void on_timer(evutil_socket_t fd, short what, void *user)
{
	(void)fd;
	(void)what;
	run(user);
}

static void on_wake(evutil_socket_t fd, short what, void *user)
{
	eventfd_t n;

	(void)what;
	eventfd_read(fd, &n);
	run(user);
}

static int start_events(struct discovery *d)
{
	const struct timeval at_once = {0};

	d->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->wake_fd < 0)
		return -errno;
	d->wake = event_new(d->base, d->wake_fd, EV_READ | EV_PERSIST, on_wake, d);
	d->timer = evtimer_new(d->base, on_timer, d);
	if (d->wake == NULL || d->timer == NULL || event_add(d->wake, NULL) < 0 ||
		event_add(d->timer, &at_once) < 0)
		return -ENOMEM;
	return 0;
}

static int begin(struct discovery *d, const struct clocks *clocks)
{
	if (clocks != NULL)
		d->clocks = *clocks;
	else
		d->clocks = (struct clocks){real_now, real_wall, real_random, NULL};
	pthread_mutex_init(&d->lock, NULL);
	d->wake_fd = -1;
	for (int i = 0; i < LANES; i++) {
		link_init(&d->lanes[i]);
		link_init(&d->ready[i]);
	}
	for (unsigned i = 0; i < WHEEL_SECONDS; i++)
		link_init(&d->wheel[i]);
	link_init(&d->asked);
	link_init(&d->told);
	link_init(&d->waits);
	link_init(&d->handles);
	d->started_us = d->tokens_us = now_us(d);
	d->wheel_s = name_now_s(d);
	d->secret =
		(uint64_t)d->clocks.random(d->clocks.user) << 32 | d->clocks.random(d->clocks.user);
	resolver_renew(d);
	d->buckets = calloc(NAME_BUCKETS, sizeof(struct name *));
	d->memory = sizeof(*d) + NAME_BUCKETS * sizeof(struct name *);
	return d->buckets != NULL ? 0 : -ENOMEM;
}

int discovery_new_with(struct event_base *base, struct postern_policy *tables,
	const struct discovery_settings *settings, const struct clocks *clocks,
	const struct transport *transport, struct discovery **out)
{
	struct discovery *d = calloc(1, sizeof(*d));
	int rc;

	if (d == NULL)
		return -ENOMEM;
	d->base = base;
	d->tables = tables;
	d->settings = *settings;
	rc = begin(d, clocks);
	if (transport != NULL)
		d->transport = *transport;
	else if (rc == 0)
		rc = channel_new(d, &d->transport);
	if (rc == 0 && base != NULL)
		rc = start_events(d);
	if (rc < 0) {
		discovery_free(d);
		return rc;
	}
	*out = d;
	return 0;
}

int discovery_new(struct event_base *base, struct postern_policy *tables,
	const struct discovery_settings *settings, struct discovery **out)
{
	return discovery_new_with(base, tables, settings, NULL, NULL, out);
}

int discovery_use_settings(struct discovery *d, const struct discovery_settings *settings)
{
	d->settings = *settings;
	resolver_renew(d);
	if (d->transport.renew != NULL)
		d->transport.renew(d->transport.self);
	discovery_wake(d);
	return 0;
}

const struct discovery_settings *discovery_settings(const struct discovery *d)
{
	return &d->settings;
}

static void free_waits(struct link *head)
{
	while (!link_is_empty(head)) {
		struct discovery_wait *w = LINK_OF(head->next, struct discovery_wait, at);

		waiting_drop(&w->waiting);
		link_remove(&w->at);
		free(w);
	}
}

// The jobs first: a domain's waits for hosts.
static void free_names(struct discovery *d)
{
	for (int hosts = 0; hosts < 2; hosts++)
		for (size_t i = 0; i < NAME_BUCKETS; i++)
			for (struct name *n = d->buckets[i]; n != NULL; n = n->hash_next)
				if (n->job != NULL && n->host == (hosts == 1))
					(n->host ? host_end : domain_end)(n);
	for (size_t i = 0; i < NAME_BUCKETS; i++)
		while (d->buckets[i] != NULL) {
			struct name *n = d->buckets[i];

			d->buckets[i] = n->hash_next;
			free(n->waiters);
			free(n->addresses);
			if (n->n_organisations > 1)
				free(n->organisations);
			free(n);
		}
	free(d->buckets);
}

void discovery_free(struct discovery *d)
{
	if (d == NULL)
		return;
	free_waits(&d->waits);
	free_waits(&d->told);
	follow_free(d);
	if (d->buckets != NULL)
		free_names(d);
	question_free_all(d);
	if (d->transport.free != NULL)
		d->transport.free(d->transport.self);
	if (d->timer != NULL)
		event_free(d->timer);
	if (d->wake != NULL)
		event_free(d->wake);
	if (d->wake_fd >= 0)
		close(d->wake_fd);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

// ---- One question

struct discovery_lookup {
	struct question *question;
	discovery_answered answered;
	void *user;
};

static void looked_up(void *user, const struct discovery_answer *a)
{
	struct discovery_lookup *l = user;
	const discovery_answered answered = l->answered;
	void *theirs = l->user;

	free(l);
	answered(theirs, a);
}

int discovery_lookup(struct discovery *d, const struct postern_domain *name,
	enum discovery_type type, discovery_answered answered, void *user,
	struct discovery_lookup **out)
{
	struct discovery_lookup *l;

	if (d->lane_waiting[LANE_WANTED] >= LOOKUPS_MAX) {
		d->counters[DISCOVERY_OVERLOAD_COUNT]++;
		return -EAGAIN;
	}
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return -ENOMEM;
	*l = (struct discovery_lookup){.answered = answered, .user = user};
	l->question = question_ask(d, name, type, LANE_WANTED, looked_up, l);
	if (l->question == NULL) {
		free(l);
		return -ENOMEM;
	}
	if (out != NULL)
		*out = l;
	return 0;
}

void discovery_lookup_cancel(struct discovery_lookup *l)
{
	if (l == NULL)
		return;
	question_cancel(l->question);
	free(l);
}

// ---- What is wanted now

static void wait_told(struct discovery_wait *w, const struct name *n, bool overloaded)
{
	link_remove(&w->at);
	link_append(&w->d->told, &w->at);
	w->state = (enum postern_facts_state)n->state;
	w->overloaded = overloaded;
	name_why(n, w->why);
	discovery_wake(w->d);
}

static void wait_arrived(struct waiting *waiting, struct name *n, bool overloaded)
{
	wait_told(LINK_OF(waiting, struct discovery_wait, waiting), n, overloaded);
}

// Locked.
static int want(struct discovery *d, struct discovery_wait *w, bool fresh)
{
	struct name *n = name_find(d, &w->domain, false);

	if (n == NULL && d->n_unfollowed >= DISCOVERY_UNFOLLOWED_MAX)
		name_evict(d, false);
	if (n == NULL)
		n = name_get(d, &w->domain, false);
	if (n == NULL)
		return -ENOMEM;
	n->referenced = true;
	n->wanted_s = name_now_s(d);
	link_append(&d->waits, &w->at);
	d->n_waits++;
	if (!fresh && name_holds(d, n)) {
		wait_told(w, n, false);
		return 0;
	}
	n->fresh |= fresh;
	w->waiting.lane = LANE_WANTED;
	w->waiting.arrived = wait_arrived;
	const int rc = waiting_add(d, n, &w->waiting);

	if (rc < 0) {
		link_remove(&w->at);
		d->n_waits--;
	}
	return rc;
}

int discovery_wanted(struct discovery *d, const struct postern_domain *domain, bool fresh,
	discovery_found found, void *user, struct discovery_wait **out)
{
	struct discovery_wait *w;
	int rc;

	if (d->n_waits >= WAITS_MAX) {
		d->counters[DISCOVERY_OVERLOAD_COUNT]++;
		return -EAGAIN;
	}
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return -ENOMEM;
	w->d = d;
	w->found = found;
	w->user = user;
	w->domain = *domain;
	link_init(&w->at);
	pthread_mutex_lock(&d->lock);
	rc = want(d, w, fresh);
	pthread_mutex_unlock(&d->lock);
	if (rc < 0) {
		free(w);
		return rc;
	}
	if (out != NULL)
		*out = w;
	return 0;
}

void discovery_wait_cancel(struct discovery_wait *w)
{
	struct discovery *d;

	if (w == NULL)
		return;
	d = w->d;
	pthread_mutex_lock(&d->lock);
	waiting_drop(&w->waiting);
	link_remove(&w->at);
	d->n_waits--;
	pthread_mutex_unlock(&d->lock);
	free(w);
}
