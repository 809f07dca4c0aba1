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

#define FIRST_LCORE 1 // of the workers, as port_eal_start() arranges them

// Buffers that a core keeps for itself between visits to the common pool: four bursts.
#define POOL_CACHE (4 * PORT_BURST)

// Events that wait for the control thread: it looks within a millisecond or so, and each member
// reports at most once a failed SYN.
#define EVENTS 1024

// Sessions that control wants closed and that wait for their worker, which takes 32 a turn.
#define CLOSES 1024

// Questions for neighbours that wait; each is a person's.
#define FLUSHES 16

static struct rte_ring *ring_new(const char *what, unsigned index, size_t size, unsigned n)
{
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), "%s-%u", what, index);
	return rte_ring_create_elem(
		name, (unsigned)size, n, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

static int parts_new(struct worker *w, uint32_t sessions, uint32_t flows)
{
	struct postern_dataplane *dp = w->dp;
	const struct worker_epoch *e = dp->epoch;
	int rc;

	for (uint16_t i = 0; i < dp->n_ports; i++)
		w->tx[i] = (struct port_tx){
			.port = dp->ports[i].id,
			.queue = w->index,
			.has_queue = w->index < dp->ports[i].tx_queues,
		};
	w->events = ring_new("events", w->index, sizeof(struct postern_event), EVENTS);
	w->closes = ring_new("closes", w->index, sizeof(struct steer_close), CLOSES);
	w->closed = ring_new("closed", w->index, sizeof(struct postern_closed), CLOSES);
	w->relay_closes = ring_new("relays", w->index, sizeof(struct relay_close), CLOSES);
	if (w->events == NULL || w->closes == NULL || w->closed == NULL ||
		w->relay_closes == NULL || worker_waits_new(w) < 0)
		return -ENOMEM;
	w->recorder = base_recorder_new(
		&dp->secret, w->index, &w->counters.value[POSTERN_COUNTER_RECORD_LOST]);
	if (w->recorder == NULL)
		return -ENOMEM;
	rc = ip_init(&w->ip, &w->counters, dp->pool, w->tx, &e->ip, base_clock_us(&dp->clock));
	if (rc < 0)
		return rc;
	w->ip.flushes = ring_new("flushes", w->index, sizeof(struct ip_flush), FLUSHES);
	if (w->ip.flushes == NULL)
		return -ENOMEM;
	w->ip.announces = w->index == 0;
	w->ip.shares = dp->n_workers > 1;
	w->ip.workers = (uint8_t)dp->n_workers;
	const struct steer_setup setup = {
		.counters = &w->counters,
		.ip = &w->ip,
		.sessions = sessions,
		.flows = flows,
		.worker = w->index,
		.home = &dp->home,
		.events = w->events,
		.recorder = w->recorder,
		.closes = w->closes,
		.closed = w->closed,
		.health = dp->health,
		.health_changes = &dp->health_changes,
		.secret = dp->secret,
		.policy = dp->policy,
		.is_taken = worker_stream_has,
		.context = w,
	};

	w->steer = steer_new(&setup);
	if (w->steer == NULL)
		return -ENOMEM;
	steer_adopt(w->steer, &e->steer);
	if (e->relay.relays && worker_stream_new(w) < 0)
		return -ENOMEM;
	worker_stream_adopt(w, &e->relay);
	w->adopted = e->snapshot->epoch;
	return 0;
}

int worker_new(struct postern_dataplane *dp, uint8_t index, uint32_t sessions, uint32_t flows)
{
	struct worker *w = base_arena_map(sizeof(*w));

	if (w == NULL)
		return -ENOMEM;
	w->dp = dp;
	w->index = index;
	dp->workers[index] = w;
	return parts_new(w, sessions, flows);
}

static void ring_free(struct rte_ring *r)
{
	struct worker_handed h;

	while (r != NULL && rte_ring_sc_dequeue_elem(r, &h, sizeof(h)) == 0)
		rte_pktmbuf_free(h.m);
	rte_ring_free(r);
}

void worker_free(struct worker *w)
{
	if (w == NULL)
		return;
	for (unsigned i = 0; i < w->dp->n_ports; i++)
		rte_pktmbuf_free_bulk(w->tx[i].pkts, w->tx[i].count);
	for (unsigned i = 0; i < MAX_WORKERS; i++) {
		ring_free(w->handed[i]);
		rte_ring_free(w->learnt[i]);
	}
	rte_ring_free(w->ip.flushes);
	worker_stream_free(w);
	if (w->ip.neigh != NULL)
		ip_fini(&w->ip);
	steer_free(w->steer);
	rte_ring_free(w->events);
	rte_ring_free(w->closes);
	rte_ring_free(w->closed);
	worker_waits_free(w);
	rte_ring_free(w->relay_closes);
	base_recorder_free(w->recorder);
	base_arena_unmap(w, sizeof(*w));
}

static int pool_new(
	struct postern_dataplane *dp, unsigned buffers, unsigned ports, char *why, size_t size)
{
	// Every worker's receive queue on every port full, a quarter more for what is under way,
	// and what each keeps for itself; and an eighth of all that may wait for the rest of their
	// packets.
	const unsigned busy =
		dp->n_workers * (ports * (PORT_DESCRIPTORS + PORT_BURST) * 5 / 4 + 2 * POOL_CACHE);
	const unsigned least = busy + busy / 7 + 1;

	// What may lie in connections that end here is neither of these.
	dp->stream_buffers = buffers > least ? (buffers - least) / dp->n_workers : 0;
	if (buffers < least) {
		snprintf(why, size,
			"%u packet buffers are too few for %u interfaces and %u workers; set "
			"\"buffers\" under "
			"\"dataplane\" to %u or more",
			buffers, ports, dp->n_workers, least);
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

// Where services listen clients send, elsewhere members answer. On an interface where both happen the
// latter are handed over.
static enum base_home_side hashed_side(const struct postern_snapshot *s, uint16_t interface)
{
	for (uint16_t i = 0; i < s->n_listens; i++)
		if (s->listens[i].interface == interface)
			return BASE_HOME_SOURCE;
	return BASE_HOME_DESTINATION;
}

static int ports_open(
	struct postern_dataplane *dp, const struct postern_snapshot *s, char *why, size_t size)
{
	base_home_init(&dp->home, &dp->secret, dp->n_workers,
		port_home_bits(s->interfaces, s->n_interfaces));
	for (uint16_t i = 0; i < s->n_interfaces; i++) {
		dp->n_ports = (uint16_t)(i + 1); // also one that fails half-way is closed
		const int rc = port_open(&dp->ports[i], &s->interfaces[i], &dp->home,
			hashed_side(s, i), dp->pool, why, size);

		if (rc < 0)
			return rc;
		dp->kernel |= dp->ports[i].has_kernel;
	}
	return 0;
}

static int workers_new(struct postern_dataplane *dp, const struct postern_start *start)
{
	// Shares are equal; who owns a session follows from a hash, so they fill alike.
	const uint32_t share = (start->sessions + dp->n_workers - 1) / dp->n_workers;
	const uint32_t flows = (start->flows + dp->n_workers - 1) / dp->n_workers;

	for (unsigned i = 0; i < dp->n_workers; i++) {
		const int rc = worker_new(dp, (uint8_t)i, share, flows);

		if (rc < 0)
			return rc;
	}
	return worker_rings_new(dp);
}

static int all_new(struct postern_dataplane *dp, const struct postern_start *start,
	struct postern_snapshot **snapshot, char *why, size_t size)
{
	int rc = base_secret_draw(&dp->secret);

	if (rc == 0)
		rc = base_secret_draw(&dp->stream_secret);
	if (rc < 0) {
		snprintf(why, size, "the system's random generator gives nothing");
		return rc;
	}
	base_clock_init(&dp->clock);
	dp->events_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	dp->wanted_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (dp->events_fd < 0 || dp->wanted_fd < 0) {
		rc = -errno;
		snprintf(why, size, "no descriptor for events: %s", strerror(-rc));
		return rc;
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
		rc = workers_new(dp, start);
	}
	if (rc < 0)
		snprintf(why, size,
			"no memory for %u sessions and %u flows of members (about 128 bytes each); "
			"lower \"sessions\" or \"member-flows\" under \"dataplane\"",
			start->sessions, start->flows);
	return rc;
}

static int launch(struct postern_dataplane *dp, char *why, size_t size)
{
	for (unsigned i = 0; i < dp->n_workers; i++) {
		const int rc = rte_eal_remote_launch(worker_run, dp->workers[i], FIRST_LCORE + i);

		if (rc < 0) {
			snprintf(why, size, "worker %u's thread did not start: %s", i,
				strerror(-rc));
			return rc;
		}
		dp->n_running = i + 1;
	}
	return 0;
}

int postern_dataplane_start(const struct postern_start *start, struct postern_snapshot *snapshot,
	struct postern_dataplane **out, char *why, size_t size)
{
	struct postern_dataplane *dp;
	bool huge;
	int rc;

	if (start->n_workers == 0 || start->n_workers > MAX_WORKERS) {
		snprintf(why, size, "%u workers, and 1 to %u are possible", start->n_workers,
			MAX_WORKERS);
		postern_snapshot_free(snapshot);
		return -EINVAL;
	}
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
	dp->wanted_fd = -1;
	dp->huge = huge;
	dp->busy_poll = start->busy_poll;
	dp->policy = start->policy;
	dp->n_workers = start->n_workers;
	dp->connections = (start->connections + dp->n_workers - 1) / dp->n_workers;
	dp->address_connections = start->address_connections;
	dp->address_opening = start->address_opening;
	rc = all_new(dp, start, &snapshot, why, size);
	if (rc == 0)
		rc = launch(dp, why, size);
	if (rc < 0) {
		postern_snapshot_free(snapshot);
		postern_dataplane_stop(dp);
		return rc;
	}
	for (unsigned i = 0; i < dp->n_workers; i++)
		LOG(NOTICE, "worker %u runs on CPU %u with %u sessions, %s huge pages", i,
			start->worker_cpus[i], steer_capacity(dp->workers[i]->steer),
			huge ? "with" : "without");
	*out = dp;
	return 0;
}

void postern_dataplane_stop(struct postern_dataplane *dp)
{
	if (dp == NULL)
		return;
	__atomic_store_n(&dp->stop, true, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < dp->n_running; i++)
		rte_eal_wait_lcore(FIRST_LCORE + i);
	for (unsigned i = 0; i < dp->n_workers; i++)
		worker_free(dp->workers[i]);
	for (unsigned i = 0; i < dp->n_ports; i++)
		port_close(&dp->ports[i]);
	while (dp->epoch != NULL) {
		struct worker_epoch *next = dp->epoch->next;

		worker_epoch_free(dp->epoch);
		dp->epoch = next;
	}
	rte_mempool_free(dp->pool);
	if (dp->events_fd >= 0)
		close(dp->events_fd);
	if (dp->wanted_fd >= 0)
		close(dp->wanted_fd);
	base_arena_unmap(dp, sizeof(*dp));
	rte_eal_cleanup();
}
