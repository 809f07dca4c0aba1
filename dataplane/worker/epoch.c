// SPDX-License-Identifier: BSD-2-Clause
// Snapshots on their way to the workers and back: built aside, published by one pointer, freed when
// nobody can see them.

#include "worker/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void texts_free(struct postern_texts *t)
{
	for (unsigned i = 0; i < t->n; i++)
		free(t->items[i]);
	free(t->items);
}

void postern_snapshot_free(struct postern_snapshot *s)
{
	if (s == NULL)
		return;
	for (unsigned i = 0; s->interfaces != NULL && i < s->n_interfaces; i++) {
		free(s->interfaces[i].addresses);
		free(s->interfaces[i].routes);
		free(s->interfaces[i].translate_from);
	}
	for (unsigned i = 0; s->pools != NULL && i < s->n_pools; i++) {
		free(s->pools[i].members);
		for (unsigned f = 0; f < POSTERN_FAMILIES; f++)
			free(s->pools[i].maglev[f].slots);
	}
	for (unsigned i = 0; s->outbounds != NULL && i < s->n_outbounds; i++) {
		free(s->outbounds[i].pools);
		free(s->outbounds[i].to);
		for (unsigned k = 0; k < POSTERN_OUTBOUND_PORTS; k++)
			free(s->outbounds[i].ports[k].items);
	}
	for (unsigned i = 0; s->services != NULL && i < s->n_services; i++) {
		for (unsigned k = 0; k < s->services[i].n_rules; k++) {
			texts_free(&s->services[i].rules[k].names);
			texts_free(&s->services[i].rules[k].protocols);
		}
		free(s->services[i].rules);
	}
	free(s->outbounds);
	free(s->interfaces);
	free(s->services);
	free(s->listens);
	free(s->pools);
	free(s->members);
	free(s);
}

int worker_epoch_build(struct worker_epoch **out, const struct postern_dataplane *dp,
	struct postern_snapshot *snapshot, const struct worker_epoch *previous)
{
	struct worker_epoch *e = calloc(1, sizeof(*e));
	int rc;

	if (e == NULL)
		return -ENOMEM;
	rc = ip_config_build(
		&e->ip, snapshot, dp->ports, &dp->secret, previous != NULL ? &previous->ip : NULL);
	if (rc == 0)
		rc = steer_config_build(&e->steer, snapshot, &dp->secret);
	if (rc == 0)
		rc = relay_config_build(&e->relay, snapshot);
	if (rc < 0) {
		ip_config_clear(&e->ip);
		steer_config_clear(&e->steer);
		free(e);
		return rc;
	}
	e->snapshot = snapshot;
	*out = e;
	return 0;
}

void worker_epoch_free(struct worker_epoch *e)
{
	ip_config_clear(&e->ip);
	steer_config_clear(&e->steer);
	relay_config_clear(&e->relay);
	postern_snapshot_free(e->snapshot);
	free(e);
}

// What the first service needs whose connections end here. Workers see it with the snapshot.
static int streams_new(struct postern_dataplane *dp)
{
	int rc = 0;

	for (unsigned i = 0; i < dp->n_workers && rc == 0; i++)
		if (dp->workers[i]->stream == NULL)
			rc = worker_stream_new(dp->workers[i]);
	return rc;
}

int64_t postern_dataplane_publish(struct postern_dataplane *dp, struct postern_snapshot *snapshot)
{
	struct worker_epoch *old = dp->epoch;
	struct worker_epoch *e;
	int rc = -EINVAL;

	if (snapshot->n_interfaces == old->snapshot->n_interfaces)
		rc = worker_epoch_build(&e, dp, snapshot, old);
	if (rc == 0 && e->relay.relays)
		rc = streams_new(dp);
	if (rc < 0) {
		postern_snapshot_free(snapshot);
		return rc;
	}
	snapshot->epoch = old->snapshot->epoch + 1;
	e->next = old;
	__atomic_store_n(&dp->epoch, e, __ATOMIC_RELEASE);
	return (int64_t)snapshot->epoch;
}

uint64_t postern_dataplane_adopted(const struct postern_dataplane *dp)
{
	uint64_t lowest = UINT64_MAX;

	for (unsigned i = 0; i < dp->n_workers; i++) {
		const uint64_t adopted =
			__atomic_load_n(&dp->workers[i]->adopted, __ATOMIC_ACQUIRE);

		lowest = RTE_MIN(lowest, adopted);
	}
	return lowest;
}

// A worker that has adopted epoch N keeps no pointer into an earlier one: ip_adopt() and
// steer_adopt() have replaced or copied them all. The epoch that it is about to adopt is later than
// the one it has, so it is never among those freed here. Pointers into a snapshot live longer than
// a quiescent state of RCU, which is why the epoch is what counts.
void postern_dataplane_reclaim(struct postern_dataplane *dp)
{
	const uint64_t adopted = postern_dataplane_adopted(dp);
	struct worker_epoch *keep = dp->epoch;

	worker_rss_watch(dp);
	while (keep != NULL && keep->snapshot->epoch > adopted)
		keep = keep->next;
	if (keep == NULL)
		return;
	struct worker_epoch *gone = keep->next;

	keep->next = NULL;
	while (gone != NULL) {
		struct worker_epoch *next = gone->next;

		worker_epoch_free(gone);
		gone = next;
	}
}
