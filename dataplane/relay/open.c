// SPDX-License-Identifier: BSD-2-Clause
// The way to a member: the choice, the connection, and another member when it does not come about. A worker
// only reports what it sees of members; health is control's to change.

#include "base/pick.h"
#include "relay/private.h"

#include <rte_byteorder.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#include <errno.h>
#include <netinet/in.h>

// Addresses of ours that are tried towards a member before its ports count as used up.
#define SOURCES 4u

#define MS 1000ull // microseconds

_Static_assert(sizeof(struct postern_event) % 4 == 0, "as the ring wants its elements");

// The same as in forward mode: addresses and ports of both sides, or the client's address alone.
static uint32_t choice_hash(const struct relay_session *s, const struct postern_service *service)
{
	const struct ip_tuple t = {
		.src = s->client.addr,
		.dst = s->local.addr,
		.sport = rte_cpu_to_be_16(s->client.port),
		.dport = rte_cpu_to_be_16(s->local.port),
		.proto = IPPROTO_TCP,
	};
	const uint64_t h = service->affinity == POSTERN_AFFINITY_SOURCE
				   ? base_hash_agreed(&t.src, sizeof(t.src))
				   : base_hash_agreed(&t, sizeof(t));

	return (uint32_t)(h >> 32);
}

static bool is_family(const void *context, uint16_t member, uint8_t family)
{
	const struct relay *r = context;
	const struct postern_member *m = r->config->members[member];

	return m != NULL && postern_addr_is_v4(&m->at.addr) == (family == POSTERN_V4);
}

// Members of the client's family first; those of the other serve as well, since its addresses go no
// further than here.
static uint16_t pick_among(const struct relay *r, const struct relay_session *s, unsigned n_avoid)
{
	struct base_pick p = {
		.pool = r->config->pools[s->pool],
		.health = r->health,
		.is_family = is_family,
		.context = r,
		.avoid = s->tried,
		.n_avoid = n_avoid,
		.hash = s->hash,
		.family = postern_addr_is_v4(&s->client.addr) ? POSTERN_V4 : POSTERN_V6,
	};

	if (p.pool == NULL)
		return POSTERN_ID_NONE;
	const uint16_t member = base_pick_member(&p);

	if (member != POSTERN_ID_NONE)
		return member;
	p.family = p.family == POSTERN_V4 ? POSTERN_V6 : POSTERN_V4;
	return base_pick_member(&p);
}

// Who has been asked already is passed over. When nobody else is left, one that was only silent is asked
// again: what was lost may have been the SYN.
static uint16_t pick(
	const struct relay *r, struct relay_session *s, const struct postern_service *service)
{
	if (s->tries == 0)
		s->hash = choice_hash(s, service);
	const uint16_t member = pick_among(r, s, s->tries);

	return member == POSTERN_ID_NONE && s->was_silent ? pick_among(r, s, 0) : member;
}

static void join_member(struct relay *r, struct relay_session *s, uint16_t member)
{
	struct relay_member *m = &r->members[member];

	s->member = member;
	s->joined_us = r->now_us;
	relay_sessions_add(&m->stats.sessions, 1);
	base_add(&m->stats.opened, 1);
}

void relay_leave_member(struct relay *r, struct relay_session *s)
{
	if (s->member == POSTERN_ID_NONE)
		return;
	relay_sessions_add(&r->members[s->member].stats.sessions, -1);
	s->member = POSTERN_ID_NONE;
}

// False: there is no way, or no port; counted.
static bool connect_to(struct relay *r, struct relay_session *s, const struct postern_member *m)
{
	struct postern_addr from;
	struct tcp_conn *conn;
	int rc = -EADDRINUSE;

	for (uint32_t i = 0; i < SOURCES && rc == -EADDRINUSE; i++) {
		if (!r->source(r->context, &m->at.addr, s->hash + i, &from))
			return false;
		rc = tcp_connect(
			r->tcp, &from, &m->at, RELAY_CONNECT_MS, &s->side[RELAY_MEMBER], &conn);
	}
	if (rc == -EADDRINUSE)
		COUNT(r->counters, DROP_PORTS_EXHAUSTED);
	else if (rc == -ENOSPC)
		COUNT(r->counters, DROP_TABLE_FULL);
	else if (rc < 0)
		COUNT(r->counters, DROP_NO_ROUTE);
	if (rc < 0)
		return false;
	s->translated = tcp_conn_local(conn);
	__atomic_store_n(&s->side[RELAY_MEMBER].conn, conn, __ATOMIC_RELEASE);
	return true;
}

void relay_open(struct relay *r, struct relay_session *s)
{
	const struct postern_service *service = relay_service(r, &r->listens[s->listen]);

	while (s->tries < RELAY_TRIES && service != NULL) {
		const uint16_t member = pick(r, s, service);

		if (member == POSTERN_ID_NONE)
			break;
		if (s->tries > 0)
			COUNT(r->counters, SESSION_REDISPATCHED);
		s->tried[s->tries++] = member;
		join_member(r, s, member);
		if (connect_to(r, s, r->config->members[member]))
			return;
		relay_leave_member(r, s);
	}
	relay_refuse(r, s,
		s->tries > 0 ? POSTERN_COUNTER_REFUSE_MEMBERS_FAILED
			     : POSTERN_COUNTER_REFUSE_NO_MEMBER,
		0);
}

static void report(struct relay *r, const struct relay_session *s, enum postern_event_kind kind)
{
	struct relay_member *m = &r->members[s->member];
	const struct postern_pool *pool = r->config->pools[s->pool];

	m->in_a_row++;
	if (pool == NULL || pool->observe_fall == 0 || m->in_a_row < pool->observe_fall)
		return;
	const struct postern_event event = {
		.kind = (uint8_t)kind,
		.worker = r->worker,
		.member = s->member,
		.in_a_row = m->in_a_row,
	};

	// A full ring loses nothing for long: the next failure reports again.
	if (rte_ring_sp_enqueue_elem(r->events, (void *)(uintptr_t)&event, sizeof(event)) != 0)
		COUNT(r->counters, SEEN_EVENT_LOST);
	r->event_mark = true;
}

static void note_failure(struct relay *r, struct relay_session *s, enum tcp_reason reason)
{
	struct postern_member_stats *stats = &r->members[s->member].stats;
	const bool refused = reason == TCP_REASON_REFUSED || reason == TCP_REASON_RESET;

	relay_record(r, s, POSTERN_STEP_MEMBER,
		refused ? POSTERN_COUNTER_SEEN_MEMBER_REFUSED : POSTERN_COUNTER_SEEN_MEMBER_SILENT,
		POSTERN_SIDE_MEMBER);
	if (refused) {
		COUNT(r->counters, SEEN_MEMBER_REFUSED);
		base_add(&stats->refused, 1);
	} else {
		COUNT(r->counters, SEEN_MEMBER_SILENT);
		base_add(&stats->silent, 1);
	}
	s->was_silent = !refused;
	report(r, s, refused ? POSTERN_EVENT_REFUSED : POSTERN_EVENT_SILENT);
}

static void drop_conn(struct relay *r, struct relay_session *s)
{
	struct tcp_conn *conn = s->side[RELAY_MEMBER].conn;

	__atomic_store_n(&s->side[RELAY_MEMBER].conn, NULL, __ATOMIC_RELAXED);
	if (conn != NULL)
		tcp_release(r->tcp, conn);
}

void relay_open_failed(struct relay *r, struct relay_session *s, enum tcp_reason reason)
{
	// Of one that we gave up ourselves nothing is said.
	if (reason != TCP_REASON_ABORTED && reason != TCP_REASON_NONE)
		note_failure(r, s, reason);
	drop_conn(r, s);
	relay_leave_member(r, s);
	relay_open(r, s);
}

void relay_open_succeeded(struct relay *r, struct relay_session *s)
{
	struct relay_member *m = &r->members[s->member];

	m->in_a_row = 0;
	base_add(&m->stats.established, 1);
	COUNT(r->counters, SESSION_ESTABLISHED);
	s->phase = RELAY_COPYING;
	s->last_us = r->now_us;
	relay_arm(r, s);
	relay_copy(r, s);
}
