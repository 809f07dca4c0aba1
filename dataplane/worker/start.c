// SPDX-License-Identifier: BSD-2-Clause
// Start and stop of the dataplane.

#include "base/arena.h"
#include "worker/worker.h"

#include "postern/log.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_ring_elem.h>
#include <urcu-qsbr.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

LOG_SUBSYSTEM("worker");

#define WORKER_LCORE 1 // as port_eal_start() arranges them

// Buffers that a core keeps for itself between visits to the common pool: four bursts.
#define POOL_CACHE (4 * PORT_BURST)

// Events that wait for the control thread: it looks within a millisecond or so, and each member
// reports at most once a failed SYN.
#define EVENTS 1024

int worker_init(struct worker *w, struct postern_dataplane *dp, uint32_t sessions)
{
	const struct worker_epoch *e = dp->epoch;
	int rc;

	w->dp = dp;
	for (uint16_t i = 0; i < dp->n_ports; i++)
		w->tx[i] = (struct port_tx){.port = dp->ports[i].id, .queue = w->index};
	rc = ip_init(&w->ip, &w->counters, dp->pool, w->tx, &e->ip, base_clock_us(&dp->clock));
	if (rc < 0)
		return rc;
	const struct steer_setup setup = {
		.counters = &w->counters,
		.ip = &w->ip,
		.sessions = sessions,
		.worker = w->index,
		.events = dp->events,
		.health = dp->health,
		.health_changes = &dp->health_changes,
		.secret = dp->secret,
	};

	w->steer = steer_new(&setup);
	if (w->steer == NULL)
		return -ENOMEM;
	steer_adopt(w->steer, &e->steer);
	w->adopted = e->snapshot->epoch;
	return 0;
}

void worker_fini(struct worker *w)
{
	for (unsigned i = 0; i < w->dp->n_ports; i++)
		rte_pktmbuf_free_bulk(w->tx[i].pkts, w->tx[i].count);
	if (w->ip.neigh != NULL)
		ip_fini(&w->ip);
	steer_free(w->steer);
	w->steer = NULL;
}

static int pool_new(
	struct postern_dataplane *dp, unsigned buffers, unsigned ports, char *why, size_t size)
{
	// Both rings of every port full, the caches, and a burst under way on each.
	const unsigned least = ports * (2 * PORT_DESCRIPTORS + PORT_BURST) + 2 * POOL_CACHE;

	if (buffers < least) {
		snprintf(why, size,
			"%u packet buffers are too few for %u interfaces; set \"buffers\" under "
			"\"dataplane\" to %u or more",
			buffers, ports, least);
		return -EINVAL;
	}
	dp->pool = rte_pktmbuf_pool_create(
		"buffers", buffers, POOL_CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (dp->pool != NULL)
		return 0;
	snprintf(why, size,
		"no memory for %u packet buffers (%s); lower \"buffers\" or raise \"memory\" under "
		"\"dataplane\"",
		buffers, rte_strerror(rte_errno));
	return -ENOMEM;
}

static int ports_open(
	struct postern_dataplane *dp, const struct postern_snapshot *s, char *why, size_t size)
{
	for (uint16_t i = 0; i < s->n_interfaces; i++) {
		dp->n_ports = (uint16_t)(i + 1); // also one that fails half-way is closed
		const int rc = port_open(&dp->ports[i], &s->interfaces[i], 1, dp->pool, why, size);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static int parts_new(struct postern_dataplane *dp, const struct postern_start *start,
	struct postern_snapshot **snapshot, char *why, size_t size)
{
	int rc = base_secret_draw(&dp->secret);

	if (rc < 0) {
		snprintf(why, size, "the system's random generator gives nothing");
		return rc;
	}
	base_clock_init(&dp->clock);
	dp->events_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	dp->events = rte_ring_create_elem("events", sizeof(struct postern_event), EVENTS,
		SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	if (dp->events_fd < 0 || dp->events == NULL) {
		snprintf(why, size, "no memory for the event ring");
		return -ENOMEM;
	}
	rc = pool_new(dp, start->buffers, (*snapshot)->n_interfaces, why, size);
	if (rc == 0)
		rc = ports_open(dp, *snapshot, why, size);
	if (rc < 0)
		return rc;
	rc = worker_epoch_build(&dp->epoch, dp, *snapshot, NULL);
	if (rc == 0) {
		(*snapshot)->epoch = 1;
		*snapshot = NULL;
		rc = worker_init(&dp->worker, dp, start->sessions);
	}
	if (rc < 0)
		snprintf(why, size,
			"no memory for %u sessions (about 128 bytes each); lower \"sessions\" "
			"under "
			"\"dataplane\"",
			start->sessions);
	return rc;
}

int postern_dataplane_start(const struct postern_start *start, struct postern_snapshot *snapshot,
	struct postern_dataplane **out, char *why, size_t size)
{
	struct postern_dataplane *dp;
	bool huge;
	int rc;

	if (snapshot->n_interfaces > MAX_INTERFACES) {
		snprintf(why, size, "%u interfaces, and at most %u are possible",
			snapshot->n_interfaces, MAX_INTERFACES);
		postern_snapshot_free(snapshot);
		return -EINVAL;
	}
	rc = port_eal_start(start, snapshot->interfaces, snapshot->n_interfaces, &huge, why, size);
	if (rc < 0) {
		postern_snapshot_free(snapshot);
		return rc;
	}
	dp = base_arena_map(sizeof(*dp));
	if (dp == NULL) {
		snprintf(why, size, "no memory for the dataplane");
		postern_snapshot_free(snapshot);
		return -ENOMEM;
	}
	dp->events_fd = -1;
	dp->huge = huge;
	dp->busy_poll = start->busy_poll;
	dp->lcore = WORKER_LCORE;
	rc = parts_new(dp, start, &snapshot, why, size);
	if (rc == 0) {
		rc = rte_eal_remote_launch(worker_run, &dp->worker, dp->lcore);
		dp->running = rc == 0;
		if (rc < 0)
			snprintf(why, size, "the worker's thread did not start: %s", strerror(-rc));
	}
	if (rc < 0) {
		postern_snapshot_free(snapshot);
		postern_dataplane_stop(dp);
		return rc;
	}
	LOG(NOTICE, "worker 0 runs on CPU %u with %u sessions, %s huge pages", start->worker_cpu,
		start->sessions, huge ? "with" : "without");
	*out = dp;
	return 0;
}

void postern_dataplane_stop(struct postern_dataplane *dp)
{
	if (dp == NULL)
		return;
	__atomic_store_n(&dp->stop, true, __ATOMIC_RELAXED);
	if (dp->running)
		rte_eal_wait_lcore(dp->lcore);
	if (dp->worker.dp != NULL)
		worker_fini(&dp->worker);
	for (unsigned i = 0; i < dp->n_ports; i++)
		port_close(&dp->ports[i]);
	while (dp->epoch != NULL) {
		struct worker_epoch *next = dp->epoch->next;

		worker_epoch_free(dp->epoch);
		dp->epoch = next;
	}
	rte_mempool_free(dp->pool);
	rte_ring_free(dp->events);
	if (dp->events_fd >= 0)
		close(dp->events_fd);
	base_arena_unmap(dp, sizeof(*dp));
	rte_eal_cleanup();
}
