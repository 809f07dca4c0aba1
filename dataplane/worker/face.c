// SPDX-License-Identifier: BSD-2-Clause
// What the control half may look at and tell while the worker runs.

#include "worker/worker.h"

#include <rte_ring_elem.h>

#include <errno.h>
#include <unistd.h>

void postern_member_set_health(struct postern_dataplane *dp, uint16_t member, uint32_t word)
{
	if (__atomic_load_n(&dp->health[member], __ATOMIC_RELAXED) == word)
		return;
	__atomic_store_n(&dp->health[member], word, __ATOMIC_RELAXED);
	__atomic_store_n(&dp->health_changes, dp->health_changes + 1, __ATOMIC_RELEASE);
}

int postern_events_fd(const struct postern_dataplane *dp)
{
	return dp->events_fd;
}

unsigned postern_events_take(struct postern_dataplane *dp, struct postern_event *out, unsigned n)
{
	uint64_t marks;
	// Reset the mark first: what is put in after this read sets it again.
	const ssize_t was_set = read(dp->events_fd, &marks, sizeof(marks));

	(void)was_set;
	unsigned taken = 0;

	for (unsigned i = 0; i < dp->n_workers; i++)
		taken += rte_ring_sc_dequeue_burst_elem(
			dp->workers[i]->events, out + taken, sizeof(*out), n - taken, NULL);
	return taken;
}

unsigned postern_workers(const struct postern_dataplane *dp)
{
	return dp->n_workers;
}

uint64_t postern_worker_turns(const struct postern_dataplane *dp, unsigned worker)
{
	return base_get(&dp->workers[worker]->counters.value[POSTERN_COUNTER_WORKER_LOOPS]);
}

void postern_counters_read(
	const struct postern_dataplane *dp, uint64_t out[static POSTERN_COUNTER_COUNT])
{
	for (unsigned i = 0; i < POSTERN_COUNTER_COUNT; i++) {
		out[i] = 0;
		for (unsigned w = 0; w < dp->n_workers; w++)
			out[i] += base_get(&dp->workers[w]->counters.value[i]);
	}
	for (unsigned w = 0; w < dp->n_workers; w++)
		for (unsigned i = 0; i < TCP_COUNTER_COUNT && dp->workers[w]->stream != NULL; i++)
			out[POSTERN_COUNTER_TCP_SEGMENTS_IN + i] +=
				tcp_count(dp->workers[w]->stream->tcp, (enum tcp_counter)i);
}

void postern_member_read(
	const struct postern_dataplane *dp, uint16_t member, struct postern_member_stats *out)
{
	*out = (struct postern_member_stats){0};
	for (unsigned i = 0; i < dp->n_workers; i++) {
		const struct worker_stream *s = dp->workers[i]->stream;

		steer_member_stats_add(dp->workers[i]->steer, member, out);
		if (s != NULL)
			relay_member_stats_add(s->relay, member, out);
	}
}

void postern_listen_read(
	const struct postern_dataplane *dp, uint16_t listen, struct postern_listen_stats *out)
{
	*out = (struct postern_listen_stats){0};
	for (unsigned i = 0; i < dp->n_workers; i++) {
		const struct worker_stream *s = dp->workers[i]->stream;

		steer_listen_stats_add(dp->workers[i]->steer, listen, out);
		if (s != NULL)
			relay_listen_stats_add(s->relay, listen, out);
	}
}

bool postern_member_is_idle(const struct postern_dataplane *dp, uint16_t member)
{
	struct postern_member_stats stats;

	postern_member_read(dp, member, &stats);
	return stats.sessions == 0 && stats.flows == 0 && stats.inbound == 0;
}

bool postern_listen_is_idle(const struct postern_dataplane *dp, uint16_t listen)
{
	struct postern_listen_stats stats;

	postern_listen_read(dp, listen, &stats);
	return stats.sessions == 0;
}

const char *postern_session_state_name(enum postern_session_state s)
{
	static const char *const names[POSTERN_SESSION_STATES] = {
		[POSTERN_SESSION_OPENING] = "opening",
		[POSTERN_SESSION_ESTABLISHED] = "established",
		[POSTERN_SESSION_CLOSING] = "closing",
		[POSTERN_SESSION_RESET] = "reset",
	};

	return s < POSTERN_SESSION_STATES ? names[s] : "?";
}

const char *postern_session_kind_name(enum postern_session_kind k)
{
	static const char *const names[POSTERN_SESSION_KINDS] = {
		[POSTERN_SESSION_SERVICE] = "service",
		[POSTERN_SESSION_OUTBOUND] = "outbound",
		[POSTERN_SESSION_INBOUND] = "inbound",
		[POSTERN_SESSION_RELAY] = "relay",
	};

	return k < POSTERN_SESSION_KINDS ? names[k] : "?";
}

// Slots of sessions in relay mode follow those of the flow table.
static uint32_t first_relay_slot(const struct worker *w)
{
	return steer_capacity(w->steer) + steer_flows_capacity(w->steer);
}

static uint32_t session_end(const struct worker *w)
{
	return w->stream == NULL ? steer_high_water(w->steer)
				 : first_relay_slot(w) + relay_high_water(w->stream->relay);
}

static int session_read(
	const struct worker *w, uint32_t slot, uint64_t now_us, struct postern_session *out)
{
	const uint32_t first = first_relay_slot(w);

	if (slot < first)
		return steer_session_read(w->steer, slot, now_us, out);
	return relay_session_read(w->stream->relay, slot - first, now_us, out, NULL);
}

// A cursor is the worker in its upper half and the slot in its lower.
int postern_session_next(const struct postern_dataplane *dp, uint64_t *cursor, unsigned budget,
	struct postern_session *out)
{
	const uint64_t now = base_clock_us(&dp->clock);

	for (uint64_t i = *cursor >> 32; i < dp->n_workers; i++) {
		const struct worker *w = dp->workers[i];
		const uint32_t end = session_end(w);
		const uint32_t used = steer_high_water(w->steer);

		for (uint32_t slot = (uint32_t)*cursor; slot < end; slot++, budget--) {
			// Between the two tables there is nothing to look at.
			if (slot >= used && slot < first_relay_slot(w))
				slot = first_relay_slot(w);
			if (slot >= end)
				break;
			*cursor = i << 32 | slot;
			if (budget == 0)
				return -EAGAIN;
			if (session_read(w, slot, now, out) == 0) {
				++*cursor;
				return 1;
			}
		}
		*cursor = (i + 1) << 32;
	}
	return 0;
}

int postern_session_get(const struct postern_dataplane *dp, unsigned worker, uint32_t slot,
	uint32_t generation, struct postern_session *out)
{
	if (worker >= dp->n_workers || slot >= session_end(dp->workers[worker]))
		return -ENOENT;
	const int rc = session_read(dp->workers[worker], slot, base_clock_us(&dp->clock), out);

	return rc == 0 && out->generation != generation ? -ENOENT : rc;
}

int postern_relay_get(const struct postern_dataplane *dp, unsigned worker, uint32_t slot,
	uint32_t generation, struct postern_relay_info *out)
{
	struct postern_session s;

	if (worker >= dp->n_workers || dp->workers[worker]->stream == NULL ||
		slot < first_relay_slot(dp->workers[worker]) ||
		slot >= session_end(dp->workers[worker]))
		return -ENOENT;
	const int rc = relay_session_read(dp->workers[worker]->stream->relay,
		slot - first_relay_slot(dp->workers[worker]), base_clock_us(&dp->clock), &s, out);

	return rc == 0 && s.generation != generation ? -ENOENT : rc;
}

int postern_hello_next(const struct postern_dataplane *dp, uint64_t *cursor, unsigned budget,
	struct postern_hello_seen *out)
{
	const uint64_t now = base_clock_us(&dp->clock);

	for (uint64_t i = *cursor >> 32; i < dp->n_workers; i++) {
		const struct worker_stream *s = dp->workers[i]->stream;

		for (uint32_t at = (uint32_t)*cursor; s != NULL && at < RELAY_SEEN;
			at++, budget--) {
			*cursor = i << 32 | at;
			if (budget == 0)
				return -EAGAIN;
			if (relay_seen_read(s->relay, at, now, out) == 0) {
				++*cursor;
				return 1;
			}
		}
		*cursor = (i + 1) << 32;
	}
	return 0;
}

int postern_session_close(struct postern_dataplane *dp, unsigned worker, uint32_t slot,
	uint32_t generation, uint32_t ticket)
{
	const struct steer_close c = {slot, generation, ticket};

	if (worker >= dp->n_workers)
		return -ENOENT;
	struct worker *w = dp->workers[worker];
	const struct relay_close r = {slot, generation, ticket};
	const bool relayed = w->stream != NULL && slot >= first_relay_slot(w);

	if (rte_ring_sp_enqueue_elem(relayed ? w->relay_closes : w->closes,
		    relayed ? (void *)(uintptr_t)&r : (void *)(uintptr_t)&c, sizeof(c)) != 0)
		return -EAGAIN;
	return 0;
}

_Static_assert(sizeof(struct steer_close) == sizeof(struct relay_close), "as the rings are made");

unsigned postern_closed_take(struct postern_dataplane *dp, struct postern_closed *out, unsigned n)
{
	unsigned taken = 0;

	for (unsigned i = 0; i < dp->n_workers; i++)
		taken += rte_ring_sc_dequeue_burst_elem(
			dp->workers[i]->closed, out + taken, sizeof(*out), n - taken, NULL);
	return taken;
}

uint32_t postern_sessions_capacity(const struct postern_dataplane *dp)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < dp->n_workers; i++)
		sum += steer_capacity(dp->workers[i]->steer) +
		       (dp->workers[i]->stream != NULL
				       ? relay_capacity(dp->workers[i]->stream->relay)
				       : 0);
	return sum;
}

uint32_t postern_sessions_in_use(const struct postern_dataplane *dp)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < dp->n_workers; i++)
		sum += steer_in_use(dp->workers[i]->steer) +
		       (dp->workers[i]->stream != NULL ? relay_in_use(dp->workers[i]->stream->relay)
						       : 0);
	return sum;
}

uint32_t postern_connections_capacity(const struct postern_dataplane *dp)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < dp->n_workers; i++)
		sum += dp->workers[i]->stream != NULL ? dp->connections : 0;
	return sum;
}

uint32_t postern_connections_in_use(const struct postern_dataplane *dp)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < dp->n_workers; i++)
		if (dp->workers[i]->stream != NULL)
			sum += tcp_use(dp->workers[i]->stream->tcp).connections;
	return sum;
}

uint32_t postern_flows_capacity(const struct postern_dataplane *dp)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < dp->n_workers; i++)
		sum += steer_flows_capacity(dp->workers[i]->steer);
	return sum;
}

uint32_t postern_flows_in_use(const struct postern_dataplane *dp)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < dp->n_workers; i++)
		sum += steer_flows_in_use(dp->workers[i]->steer);
	return sum;
}

const char *postern_neighbour_state_name(enum postern_neighbour_state s)
{
	static const char *const names[POSTERN_NEIGHBOUR_STATES] = {
		[POSTERN_NEIGHBOUR_NONE] = "none",
		[POSTERN_NEIGHBOUR_RESOLVING] = "resolving",
		[POSTERN_NEIGHBOUR_REACHABLE] = "reachable",
		[POSTERN_NEIGHBOUR_PROBING] = "probing",
		[POSTERN_NEIGHBOUR_FAILED] = "failed",
	};

	return s < POSTERN_NEIGHBOUR_STATES ? names[s] : "?";
}

int postern_neighbour_next(const struct postern_dataplane *dp, uint64_t *cursor, unsigned budget,
	struct postern_neighbour *out)
{
	const uint64_t now = base_clock_us(&dp->clock);

	for (uint64_t i = *cursor >> 32; i < dp->n_workers; i++) {
		const struct ip_layer *ip = &dp->workers[i]->ip;
		const uint32_t end = ip_neigh_high_water(ip);

		for (uint32_t slot = (uint32_t)*cursor; slot < end; slot++, budget--) {
			*cursor = i << 32 | slot;
			if (budget == 0)
				return -EAGAIN;
			if (ip_neigh_read(ip, slot, now, out) == 0) {
				out->worker = (uint8_t)i;
				++*cursor;
				return 1;
			}
		}
		*cursor = (i + 1) << 32;
	}
	return 0;
}

int postern_neighbour_flush(
	struct postern_dataplane *dp, uint16_t interface, const struct postern_addr *addr)
{
	struct ip_flush f = {.interface = interface, .all = addr == NULL};

	if (addr != NULL)
		f.addr = *addr;
	// Rings are as full as the slowest worker's: none is told what others are not.
	for (unsigned i = 0; i < dp->n_workers; i++)
		if (rte_ring_full(dp->workers[i]->ip.flushes))
			return -EAGAIN;
	for (unsigned i = 0; i < dp->n_workers; i++)
		rte_ring_sp_enqueue_elem(
			dp->workers[i]->ip.flushes, (void *)(uintptr_t)&f, sizeof(f));
	return 0;
}

bool postern_dataplane_uses_huge_pages(const struct postern_dataplane *dp)
{
	return dp->huge;
}
