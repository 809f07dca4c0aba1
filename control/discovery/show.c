// SPDX-License-Identifier: BSD-2-Clause
// What is known, for those who look at it.

#include "control/discovery/private.h"

#include <errno.h>
#include <string.h>

static uint64_t wall_of(const struct discovery *d, uint32_t s)
{
	const int64_t ago = (int64_t)name_now_s(d) - (int64_t)s;

	return s == 0 ? 0 : (uint64_t)((int64_t)wall_us(d) - ago * 1000000);
}

static void item_of(const struct discovery *d, const struct name *n, struct discovery_item *out)
{
	name_domain(n, &out->name);
	out->host = n->host;
	out->followed = name_is_followed(n);
	out->asking = n->place == PLACE_ASKING || n->place == PLACE_READY;
	out->state = (enum postern_facts_state)n->state;
	out->answered_us = wall_of(d, n->answered_s);
	out->due_us = n->place == PLACE_WHEEL ? wall_of(d, n->due_s) : wall_us(d);
	out->ends_us = wall_of(d, n->state == POSTERN_FACTS_FAILED && n->ends_s != 0
					  ? n->ends_s + d->settings.keep_s
					  : n->ends_s);
	out->failures = n->failures;
	out->failing_us = wall_of(d, n->failing_s);
	name_why(n, out->why);
}

bool discovery_walk(struct discovery *d, uint32_t *place, unsigned most,
	void (*each)(void *user, const struct discovery_item *item), void *user)
{
	struct discovery_item item;
	unsigned n = 0;

	pthread_mutex_lock(&d->lock);
	for (; *place < NAME_BUCKETS && n < most; ++*place)
		for (const struct name *one = d->buckets[*place]; one != NULL;
			one = one->hash_next, n++) {
			item_of(d, one, &item);
			each(user, &item);
		}
	pthread_mutex_unlock(&d->lock);
	return *place < NAME_BUCKETS;
}

int discovery_find(struct discovery *d, const struct postern_domain *name, bool host,
	struct discovery_item *out)
{
	pthread_mutex_lock(&d->lock);
	const struct name *n = name_find(d, name, host);

	if (n != NULL)
		item_of(d, n, out);
	pthread_mutex_unlock(&d->lock);
	return n != NULL ? 0 : -ENOENT;
}

static size_t flush_one(struct discovery *d, const struct postern_domain *name, bool host)
{
	struct name *n = name_find(d, name, host);

	if (n == NULL)
		return 0;
	if (!name_is_followed(n) && n->waiters == NULL && n->job == NULL && !n->telling) {
		name_forget(d, n);
		return 1;
	}
	n->fresh = true;
	name_ready(d, n);
	return 1;
}

size_t discovery_flush(struct discovery *d, const struct postern_domain *name)
{
	size_t n;

	pthread_mutex_lock(&d->lock);
	if (name != NULL) {
		n = flush_one(d, name, false) + flush_one(d, name, true);
	} else {
		n = (size_t)d->n_domains + d->n_unfollowed + d->n_hosts + d->n_cached;
		d->sweep = NAME_BUCKETS;
		d->sweep_all = true;
	}
	pthread_mutex_unlock(&d->lock);
	discovery_wake(d);
	return n;
}

// How long the first of a lane has been waiting for its turn.
static uint64_t late_us(const struct discovery *d)
{
	const uint32_t now = name_now_s(d);
	uint32_t first = now;

	for (int lane = 0; lane < LANES; lane++)
		if (!link_is_empty(&d->ready[lane])) {
			const struct name *n = LINK_OF(d->ready[lane].next, struct name, at);

			if (n->due_s != 0 && n->due_s < first)
				first = n->due_s;
		}
	return (uint64_t)(now - first) * 1000000;
}

void discovery_read(struct discovery *d, struct discovery_stats *out)
{
	*out = (struct discovery_stats){
		.outstanding = d->out, .n_resolvers = d->settings.n_resolvers};
	memcpy(out->counters, d->counters, sizeof(out->counters));
	for (unsigned i = 0; i < out->n_resolvers; i++)
		out->resolvers[i] = d->resolvers[i].stats;
	pthread_mutex_lock(&d->lock);
	out->domains = d->n_domains;
	out->discovered = d->n_unfollowed;
	out->hosts = d->n_hosts;
	out->failing = d->n_failing;
	out->failing_long = d->n_failing_long;
	if (d->n_failing_long > 0)
		out->example = d->example;
	out->waiting = d->n_waiting;
	out->late_us = late_us(d);
	out->memory = d->memory;
	pthread_mutex_unlock(&d->lock);
}
