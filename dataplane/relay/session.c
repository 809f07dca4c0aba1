// SPDX-License-Identifier: BSD-2-Clause
// A session from the client's connection to its end, and what it waits for.

#include "relay/private.h"

#include <rte_common.h>

#include <string.h>

#define MS 1000ull // microseconds

static struct relay_session *session_alloc(struct relay *r)
{
	struct relay_session *s;

	if (r->free != 0) {
		s = &r->sessions[r->free - 1];
		r->free = s->next_free;
	} else if (r->high_water < r->capacity) {
		s = &r->sessions[r->high_water];
		__atomic_store_n(&r->high_water, r->high_water + 1, __ATOMIC_RELEASE);
	} else {
		return NULL;
	}
	relay_sessions_add(&r->in_use, 1);
	const uint32_t generation = s->generation;

	memset(s, 0, sizeof(*s));
	s->generation = generation;
	return s;
}

// Connections have been released.
static void session_free(struct relay *r, struct relay_session *s)
{
	const uint32_t slot = relay_slot(r, s);

	relay_leave_member(r, s);
	relay_sessions_add(&r->listens[s->listen].stats.sessions, -1);
	base_wheel_cancel(&r->wheel, slot);
	__atomic_store_n(&s->generation, s->generation + 1, __ATOMIC_RELEASE);
	s->next_free = r->free;
	r->free = slot + 1;
	relay_sessions_add(&r->in_use, -1);
}

static struct postern_session_times times_of(const struct relay *r, const struct relay_session *s)
{
	static const struct postern_session_times gone = {0};
	const struct postern_service *service = relay_service(r, &r->listens[s->listen]);

	return service != NULL ? service->times : gone;
}

// When a session has waited long enough.
static uint64_t deadline(const struct relay *r, const struct relay_session *s)
{
	const struct postern_session_times t = times_of(r, s);

	if (s->phase != RELAY_COPYING)
		return s->opened_us + t.opening_ms * MS;
	if (s->side[RELAY_CLIENT].over || s->side[RELAY_MEMBER].over)
		return s->last_us + t.closing_ms * MS;
	return s->last_us + t.idle_ms * MS;
}

void relay_arm(struct relay *r, struct relay_session *s)
{
	base_wheel_arm(&r->wheel, relay_slot(r, s), deadline(r, s));
}

struct relay_session *relay_begin(struct relay *r, struct relay_listen *l, struct tcp_conn *conn)
{
	uint32_t *opening = tcp_conn_peer_word(r->tcp, conn);
	struct relay_session *s = session_alloc(r);

	if (s == NULL) {
		COUNT(r->counters, DROP_TABLE_FULL);
		tcp_abort(r->tcp, conn);
		tcp_release(r->tcp, conn);
		return NULL;
	}
	s->side[RELAY_CLIENT] = (struct relay_side){.conn = conn, .which = RELAY_CLIENT};
	s->side[RELAY_MEMBER].which = RELAY_MEMBER;
	s->phase = RELAY_HELLO;
	s->kind = POSTERN_HELLO_SILENT;
	s->listen = l->id;
	s->member = POSTERN_ID_NONE;
	s->opened_us = s->last_us = r->now_us;
	s->client = tcp_conn_remote(conn);
	s->local = tcp_conn_local(conn);
	__atomic_store_n(&s->generation, s->generation + 1, __ATOMIC_RELEASE);
	tcp_conn_set_user(conn, &s->side[RELAY_CLIENT]);
	++*opening;
	relay_sessions_add(&l->stats.sessions, 1);
	base_add(&l->stats.opened, 1);
	COUNT(r->counters, SESSION_OPENED);
	relay_arm(r, s);
	if (*opening <= r->address_opening)
		return s;
	relay_refuse(r, s, POSTERN_COUNTER_REFUSE_OPENING_LIMIT, 0);
	return NULL;
}

void relay_leave_hello(struct relay *r, struct relay_session *s)
{
	if (s->phase != RELAY_HELLO)
		return;
	s->phase = RELAY_OPENING;
	--*tcp_conn_peer_word(r->tcp, s->side[RELAY_CLIENT].conn);
}

static void release(struct relay *r, struct relay_session *s, bool reset)
{
	for (unsigned i = 0; i < RELAY_SIDES; i++) {
		struct tcp_conn *conn = s->side[i].conn;

		if (conn == NULL)
			continue;
		// Readers look at the generation behind it.
		__atomic_store_n(&s->side[i].conn, NULL, __ATOMIC_RELAXED);
		if (reset)
			tcp_abort(r->tcp, conn);
		tcp_release(r->tcp, conn);
	}
}

void relay_end(struct relay *r, struct relay_session *s, enum postern_counter reason)
{
	base_add(&r->counters->value[reason], 1);
	relay_leave_hello(r, s);
	release(r, s, false);
	session_free(r, s);
}

void relay_kill(struct relay *r, struct relay_session *s, enum postern_counter reason,
	enum postern_side side)
{
	base_add(&r->counters->value[reason], 1);
	relay_record(r, s, POSTERN_STEP_CLOSE, reason, side);
	relay_leave_hello(r, s);
	release(r, s, true);
	session_free(r, s);
}

// Fatal, in a record of its own; its version is what every client takes (RFC 8446 5.1).
static void alert_send(struct relay *r, struct tcp_conn *conn, uint8_t alert)
{
	const uint8_t record[] = {21, 3, 1, 0, 2, 2, alert};

	// What is left unread would turn the end into a reset, which may overtake the alert.
	tcp_consume(r->tcp, conn, tcp_readable(conn));
	tcp_write(r->tcp, conn, record, sizeof(record));
}

void relay_refuse(
	struct relay *r, struct relay_session *s, enum postern_counter reason, uint8_t alert)
{
	base_add(&r->counters->value[reason], 1);
	base_add(&r->listens[s->listen].stats.refused, 1);
	if (s->phase == RELAY_HELLO)
		relay_record(r, s, POSTERN_STEP_HELLO, reason, POSTERN_SIDE_CLIENT);
	else
		relay_record(r, s, POSTERN_STEP_MEMBER, reason, POSTERN_SIDE_MEMBER);
	relay_leave_hello(r, s);
	if (alert != 0)
		alert_send(r, s->side[RELAY_CLIENT].conn, alert);
	release(r, s, alert == 0);
	session_free(r, s);
}

void relay_expired(struct relay *r, struct relay_session *s)
{
	if (deadline(r, s) > r->now_us) {
		relay_arm(r, s);
		return;
	}
	switch (s->phase) {
	case RELAY_HELLO:
		relay_read(r, s, true);
		break;
	case RELAY_OPENING:
		relay_refuse(r, s, POSTERN_COUNTER_REFUSE_MEMBERS_FAILED, 0);
		break;
	default:
		relay_kill(r, s, POSTERN_COUNTER_CLOSE_IDLE,
			s->side[RELAY_CLIENT].over ? POSTERN_SIDE_MEMBER : POSTERN_SIDE_CLIENT);
	}
}
