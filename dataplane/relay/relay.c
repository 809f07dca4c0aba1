// SPDX-License-Identifier: BSD-2-Clause
// Life of an instance, and its turn: what connections tell, timers, members that are lost, sessions that
// control wants closed.

#include "relay/relay.h"

#include "base/arena.h"
#include "relay/private.h"

#include <rte_common.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#define TIMER_SHIFT 13 // ticks of 8 ms: times of sessions are seconds and more

// Work of one turn: events of a full burst of packets, and about as much besides.
#define EVENTS_PER_TURN 256u
#define EXPIRE_PER_TURN 64u
#define SWEEP_PER_TURN  1024u
#define KILL_PER_TURN   64u
#define CLOSE_PER_TURN  32u

_Static_assert(sizeof(struct relay_close) % 4 == 0, "as the ring wants its elements");
_Static_assert(sizeof(struct postern_closed) % 4 == 0, "as the ring wants its elements");

struct relay *relay_new(const struct relay_setup *setup)
{
	struct relay *r = base_arena_map(sizeof(*r));

	if (r == NULL)
		return NULL;
	r->counters = setup->counters;
	r->tcp = setup->tcp;
	r->capacity = setup->sessions;
	r->first_slot = setup->first_slot;
	r->address_opening = setup->address_opening;
	r->worker = setup->worker;
	r->recorder = setup->recorder;
	r->events = setup->events;
	r->closes = setup->closes;
	r->closed = setup->closed;
	r->health = setup->health;
	r->health_changes = setup->health_changes;
	r->secret = setup->secret;
	r->policy = setup->policy;
	r->now_us = setup->now_us;
	r->source = setup->source;
	r->context = setup->context;
	r->sessions = base_arena_map((size_t)r->capacity * sizeof(*r->sessions));
	r->members = base_arena_map(RELAY_IDS * sizeof(*r->members));
	r->listens = base_arena_map(RELAY_IDS * sizeof(*r->listens));
	r->seen = base_arena_map(RELAY_SEEN * sizeof(*r->seen));
	r->ja4 = base_arena_map(RELAY_JA4_CACHE * sizeof(*r->ja4));
	if (r->sessions == NULL || r->members == NULL || r->listens == NULL || r->seen == NULL ||
		r->ja4 == NULL) {
		relay_free(r);
		return NULL;
	}
	base_wheel_init(
		&r->wheel, &r->sessions[0].timer, sizeof(*r->sessions), TIMER_SHIFT, r->now_us);
	return r;
}

void relay_free(struct relay *r)
{
	if (r == NULL)
		return;
	base_arena_unmap(r->sessions, (size_t)r->capacity * sizeof(*r->sessions));
	base_arena_unmap(r->members, RELAY_IDS * sizeof(*r->members));
	base_arena_unmap(r->listens, RELAY_IDS * sizeof(*r->listens));
	base_arena_unmap(r->seen, RELAY_SEEN * sizeof(*r->seen));
	base_arena_unmap(r->ja4, RELAY_JA4_CACHE * sizeof(*r->ja4));
	base_arena_unmap(r, sizeof(*r));
}

// A connection is over otherwise than by its two ends: the other side is told at once.
static void lost(struct relay *r, struct relay_session *s, unsigned side, enum tcp_reason reason)
{
	const enum postern_side who =
		side == RELAY_CLIENT ? POSTERN_SIDE_CLIENT : POSTERN_SIDE_MEMBER;

	if (side == RELAY_MEMBER && s->phase == RELAY_OPENING) {
		relay_open_failed(r, s, reason);
		return;
	}
	if (s->phase == RELAY_HELLO) {
		relay_end(r, s, POSTERN_COUNTER_CLOSE_BEFORE_HELLO);
		return;
	}
	relay_kill(r, s,
		reason == TCP_REASON_RESET ? POSTERN_COUNTER_CLOSE_RESET
					   : POSTERN_COUNTER_CLOSE_LOST,
		who);
}

static void client_event(struct relay *r, struct relay_session *s)
{
	if (s->phase == RELAY_COPYING) {
		relay_copy(r, s);
		return;
	}
	if (s->phase != RELAY_HELLO)
		return;
	struct tcp_conn *conn = s->side[RELAY_CLIENT].conn;
	const bool finished = tcp_is_finished(conn);

	if (finished && tcp_readable(conn) == 0)
		relay_end(r, s, POSTERN_COUNTER_CLOSE_BEFORE_HELLO);
	else
		relay_read(r, s, finished);
}

static void handle(struct relay *r, struct tcp_event *e)
{
	if (e->what & TCP_EVENT_ACCEPTED) {
		struct relay_session *s = relay_begin(r, e->user, e->conn);

		if (s == NULL)
			return;
		e->user = &s->side[RELAY_CLIENT];
	}
	struct relay_side *side = e->user;
	struct relay_session *s = relay_session_of(side);

	if (e->what & TCP_EVENT_CLOSED) {
		const enum tcp_reason reason = tcp_conn_reason(e->conn);

		if (reason != TCP_REASON_FIN) {
			lost(r, s, side->which, reason);
			return;
		}
	}
	if (side->which == RELAY_MEMBER && s->phase == RELAY_OPENING) {
		if (e->what & TCP_EVENT_CONNECTED)
			relay_open_succeeded(r, s);
		return;
	}
	if (side->which == RELAY_CLIENT)
		client_event(r, s);
	else
		relay_copy(r, s);
}

static bool health_is(const struct relay *r, uint32_t member, uint32_t bit)
{
	return __atomic_load_n(&r->health[member], __ATOMIC_RELAXED) & bit;
}

// After a change: whose sessions must go, and who begins with a clean slate.
static void look_at_health(struct relay *r, uint64_t changes)
{
	r->health_seen = changes;
	for (uint32_t i = 0; i < r->n_member_ids; i++) {
		struct relay_member *m = &r->members[i];
		const bool taking = health_is(r, i, POSTERN_MEMBER_TAKES_NEW);

		if (taking && !m->taking)
			m->in_a_row = 0;
		m->taking = taking;
		if (!health_is(r, i, POSTERN_MEMBER_RESET))
			m->reset_us = 0;
		else if (m->reset_us == 0)
			m->reset_us = r->now_us;
		r->sweeping |= m->reset_us != 0 && m->stats.sessions > 0;
	}
	r->sweep_at = 0;
}

// Ends a session that its service or its member leaves no longer. True: that took packets. Those that
// were sent to a member although it is down (try_all) began after its reset, and stay.
static bool sweep_one(struct relay *r, struct relay_session *s)
{
	if (s->generation % 2 == 0)
		return false;
	if (r->listens[s->listen].gone) {
		relay_kill(r, s, POSTERN_COUNTER_CLOSE_SERVICE_GONE, POSTERN_SIDE_CLIENT);
		return true;
	}
	if (s->member == POSTERN_ID_NONE || r->members[s->member].reset_us == 0 ||
		s->joined_us > r->members[s->member].reset_us)
		return false;
	if (s->phase == RELAY_OPENING)
		relay_open_failed(r, s, TCP_REASON_ABORTED);
	else
		relay_kill(r, s, POSTERN_COUNTER_CLOSE_MEMBER_DOWN, POSTERN_SIDE_MEMBER);
	return true;
}

static void sweep_some(struct relay *r)
{
	unsigned kills = KILL_PER_TURN;

	for (unsigned i = 0; i < SWEEP_PER_TURN && kills > 0; i++) {
		if (r->sweep_at >= r->high_water) {
			r->sweeping = false;
			return;
		}
		kills -= sweep_one(r, &r->sessions[r->sweep_at++]);
	}
}

static bool close_one(struct relay *r, const struct relay_close *c)
{
	const uint32_t slot = c->slot - r->first_slot;

	if (slot >= r->high_water || c->generation % 2 == 0 ||
		r->sessions[slot].generation != c->generation)
		return false;
	relay_kill(r, &r->sessions[slot], POSTERN_COUNTER_CLOSE_OPERATOR, POSTERN_SIDE_CLIENT);
	return true;
}

static bool close_some(struct relay *r)
{
	struct relay_close wanted[CLOSE_PER_TURN];
	struct postern_closed answers[CLOSE_PER_TURN];

	if (rte_ring_empty(r->closes))
		return false;
	// None is begun that could not be answered.
	const unsigned most = RTE_MIN(rte_ring_free_count(r->closed), CLOSE_PER_TURN);
	const unsigned n =
		rte_ring_sc_dequeue_burst_elem(r->closes, wanted, sizeof(wanted[0]), most, NULL);

	for (unsigned i = 0; i < n; i++)
		answers[i] = (struct postern_closed){wanted[i].ticket, close_one(r, &wanted[i])};
	rte_ring_sp_enqueue_bulk_elem(r->closed, answers, sizeof(answers[0]), n, NULL);
	return n == CLOSE_PER_TURN;
}

bool relay_turn(struct relay *r, uint64_t now_us)
{
	const uint64_t changes = __atomic_load_n(r->health_changes, __ATOMIC_ACQUIRE);
	unsigned budget = EXPIRE_PER_TURN;
	unsigned events = 0;
	struct tcp_event e;
	uint32_t slot;

	r->now_us = now_us;
	// One at a time: what is done for one may end the session of another.
	while (events < EVENTS_PER_TURN && tcp_events(r->tcp, &e, 1) == 1) {
		handle(r, &e);
		events++;
	}
	if (changes != r->health_seen)
		look_at_health(r, changes);
	if (r->sweeping)
		sweep_some(r);
	bool closing = close_some(r);

	closing |= relay_withdraw_some(r);

	while ((slot = base_wheel_expire(&r->wheel, now_us, &budget)) != BASE_WHEEL_NONE)
		relay_expired(r, &r->sessions[slot]);
	return r->sweeping || closing || events == EVENTS_PER_TURN || budget == 0;
}

bool relay_take_event_mark(struct relay *r)
{
	const bool mark = r->event_mark;

	r->event_mark = false;
	return mark;
}
