// SPDX-License-Identifier: BSD-2-Clause
// Life of an entry: slots, lists, the state and its time, the end.

#include "steer/private.h"
#include "steer/table.h"

#include <stddef.h>
#include <string.h>

static void list_remove(struct steer *s, struct steer_list *list, uint32_t slot)
{
	struct steer_flow_cold *c = &s->cold[slot];

	if (c->list_prev != 0)
		s->cold[c->list_prev - 1].list_next = c->list_next;
	else
		list->head = c->list_next;
	if (c->list_next != 0)
		s->cold[c->list_next - 1].list_prev = c->list_prev;
	else
		list->tail = c->list_prev;
	c->list_next = 0;
	c->list_prev = 0;
}

static void list_append(struct steer *s, struct steer_list *list, uint32_t slot)
{
	struct steer_flow_cold *c = &s->cold[slot];

	c->list_next = 0;
	c->list_prev = list->tail;
	if (list->tail != 0)
		s->cold[list->tail - 1].list_next = slot + 1;
	else
		list->head = slot + 1;
	list->tail = slot + 1;
}

// A datagram may bear anybody's address, and a member answers it all the same. Who goes on after the
// answer has most likely got it, as who acknowledges a SYN-ACK has.
static bool may_be_forged(const struct steer_flow *f)
{
	return f->state == POSTERN_SESSION_OPENING ||
	       (f->flags & (FLOW_UDP | FLOW_ASSURED)) == FLOW_UDP;
}

// Half-closed sessions are in full use (RFC 9293 3.6.1) and no more to be given up than others.
static unsigned list_of(const struct steer_flow *f)
{
	if (may_be_forged(f))
		return LIST_OPENING;
	return steer_flow_is_over(f) ? LIST_ENDING : LIST_NONE;
}

bool steer_flow_may_give_way(const struct steer_flow *f)
{
	return list_of(f) != LIST_NONE;
}

void steer_flow_tuple(
	const struct steer *s, const struct steer_flow *f, unsigned direction, struct ip_tuple *t)
{
	const struct steer_listen *l = &s->listens[f->listen];
	const struct steer_member *m = &s->members[f->member];
	const bool destination = f->flags & FLOW_DESTINATION;

	t->proto = f->flags & FLOW_UDP ? IPPROTO_UDP : IPPROTO_TCP;
	if (direction == FROM_CLIENT) {
		t->src = f->client;
		t->sport = f->client_port;
		t->dst = l->addr;
		t->dport = destination ? f->own_port : l->port;
		return;
	}
	t->src = m->addr;
	t->sport = f->flags & FLOW_RANGE ? f->own_port : m->port;
	t->dst = destination ? f->client : s->nats[f->nat];
	t->dport = destination ? f->client_port : f->own_port;
}

void steer_flow_tuple_to(
	const struct steer *s, const struct steer_flow *f, unsigned to, struct ip_tuple *t)
{
	struct ip_tuple from;

	steer_flow_tuple(s, f, to, &from);
	*t = (struct ip_tuple){from.dst, from.src, from.dport, from.sport, from.proto};
}

static uint32_t state_time_ms(const struct steer *s, const struct steer_flow *f)
{
	const struct postern_session_times *t = &s->listens[f->listen].times;

	switch (f->state) {
	case POSTERN_SESSION_OPENING:
		return t->opening_ms;
	case POSTERN_SESSION_RESET:
		return t->reset_ms;
	case POSTERN_SESSION_CLOSING:
		return steer_flow_is_over(f) ? t->closing_ms : t->idle_ms;
	default:
		return t->idle_ms;
	}
}

static void arm(struct steer *s, struct steer_flow *f, uint32_t in_ms)
{
	base_wheel_arm(&s->wheel, steer_slot(s, f), s->ip->now_us + (uint64_t)in_ms * 1000);
}

static void count_ending(struct steer *s, const struct steer_flow *f, int n)
{
	steer_sessions_add(&s->members[f->member].stats.ending, n);
	steer_sessions_add(&s->listens[f->listen].stats.ending, n);
}

// Moves the session to the list that fits its state and flags now.
static void relist(struct steer *s, struct steer_flow *f, unsigned from)
{
	const unsigned to = list_of(f);

	if (from == to)
		return;
	if (from == LIST_ENDING || to == LIST_ENDING)
		count_ending(s, f, to == LIST_ENDING ? 1 : -1);
	if (from != LIST_NONE)
		list_remove(s, &s->lists[from], steer_slot(s, f));
	if (to != LIST_NONE)
		list_append(s, &s->lists[to], steer_slot(s, f));
}

void steer_flow_set_state(struct steer *s, struct steer_flow *f, enum postern_session_state state)
{
	const unsigned from = list_of(f);

	f->state = (uint8_t)state;
	relist(s, f, from);
	arm(s, f, state_time_ms(s, f));
}

void steer_flow_set_fin(struct steer *s, struct steer_flow *f, unsigned direction)
{
	const unsigned from = list_of(f);

	f->flags |= (uint8_t)(1u << direction);
	if (f->state == POSTERN_SESSION_ESTABLISHED)
		f->state = POSTERN_SESSION_CLOSING;
	relist(s, f, from);
	arm(s, f, state_time_ms(s, f));
}

void steer_flow_assure(struct steer *s, struct steer_flow *f)
{
	const unsigned from = list_of(f);

	f->flags |= FLOW_ASSURED;
	relist(s, f, from);
}

void steer_flow_join(struct steer *s, struct steer_flow *f, uint16_t member)
{
	struct steer_member *m = &s->members[member];
	struct steer_flow_cold *c = &s->cold[steer_slot(s, f)];

	f->member = member;
	c->member_prev = 0;
	c->member_next = m->flows;
	if (m->flows != 0)
		s->cold[m->flows - 1].member_prev = steer_slot(s, f) + 1;
	m->flows = steer_slot(s, f) + 1;
}

void steer_flow_leave(struct steer *s, struct steer_flow *f)
{
	struct steer_member *m = &s->members[f->member];
	struct steer_flow_cold *c = &s->cold[steer_slot(s, f)];

	if (c->member_prev != 0)
		s->cold[c->member_prev - 1].member_next = c->member_next;
	else
		m->flows = c->member_next;
	if (c->member_next != 0)
		s->cold[c->member_next - 1].member_prev = c->member_prev;
	c->member_next = 0;
	c->member_prev = 0;
}

static void in_use_set(struct steer *s, uint32_t n)
{
	__atomic_store_n(&s->in_use, n, __ATOMIC_RELAXED);
}

static bool is_published(const struct steer_flow *f)
{
	return f->generation % 2 != 0;
}

void steer_flow_evict(struct steer *s, struct steer_flow *f)
{
	COUNT(s->counters, CLOSE_EVICTED);
	if (f->state == POSTERN_SESSION_OPENING && is_published(f))
		steer_record_flow(s, f, POSTERN_STEP_OPEN, POSTERN_COUNTER_CLOSE_EVICTED,
			f->flags & FLOW_SYNACK ? POSTERN_SIDE_CLIENT : POSTERN_SIDE_MEMBER);
	steer_flow_free(s, f);
}

// Sessions that give way do so in the order in which they came to their state, which is nearly that of
// their slots. So what lies some slots behind the next victim is fetched now: entries two bursts ahead,
// with which most neighbours in their lists come along, the index when the entries are there. A guess
// that is wrong costs nothing but itself.
#define FETCH_ENTRIES 128u
#define FETCH_INDEX   32u

static uint32_t slot_behind(const struct steer *s, uint32_t slot, uint32_t n)
{
	slot += n;
	return slot < s->capacity ? slot : slot - s->capacity;
}

static void prefetch_victims(const struct steer *s, uint32_t victim)
{
	if (s->capacity <= FETCH_ENTRIES)
		return;
	const uint32_t far = slot_behind(s, victim, FETCH_ENTRIES);
	const uint32_t near = slot_behind(s, victim, FETCH_INDEX);
	const struct steer_flow *f = &s->flows[near];
	struct ip_tuple t;

	rte_prefetch0(&s->flows[far]);
	rte_prefetch0(&s->cold[far]);
	if (f->generation % 2 == 0)
		return;
	for (unsigned d = 0; d < DIRECTIONS; d++) {
		steer_flow_tuple(s, f, d, &t);
		steer_table_prefetch_both(&s->table, steer_tuple_hash(s, &t));
	}
}

// Sessions that are over in all but name go first, then those that have not begun, or of UDP not gone
// on; established ones stay whatever comes.
static bool evict(struct steer *s)
{
	const uint32_t victim = s->lists[LIST_ENDING].head != 0 ? s->lists[LIST_ENDING].head
								: s->lists[LIST_OPENING].head;

	if (victim == 0)
		return false;
	prefetch_victims(s, victim - 1);
	steer_flow_evict(s, steer_flow_at(s, victim - 1));
	return true;
}

// Readers look at the generation and the time of opening of slots that are not in use, too: those are
// stored whole, and the generation not at all.
static void flow_begin(struct steer_flow *f, uint32_t now_ms)
{
	memset(f, 0, offsetof(struct steer_flow, generation));
	memset(f->next, 0, sizeof(*f) - offsetof(struct steer_flow, next));
	f->last_ms = now_ms;
}

static void cold_begin(const struct steer *s, struct steer_flow_cold *c)
{
	memset(c, 0, offsetof(struct steer_flow_cold, opened));
	__atomic_store_n(&c->opened, (uint32_t)(s->ip->now_us >> OPENED_SHIFT), __ATOMIC_RELAXED);
}

void steer_flow_prefetch_next(const struct steer *s)
{
	if (s->free != 0)
		rte_prefetch0(&s->flows[s->free - 1]);
}

struct steer_flow *steer_flow_alloc(struct steer *s)
{
	uint32_t slot;

	if (s->free == 0 && s->high_water == s->capacity && !evict(s))
		return NULL;
	if (s->free != 0) {
		slot = s->free - 1;
		s->free = s->cold[slot].list_next;
	} else {
		slot = s->high_water;
		__atomic_store_n(&s->high_water, slot + 1, __ATOMIC_RELEASE);
	}
	struct steer_flow *f = steer_flow_at(s, slot);

	// The even generation is seen before anything of the new session (steer_session_read()).
	__atomic_thread_fence(__ATOMIC_RELEASE);
	cold_begin(s, &s->cold[slot]);
	flow_begin(f, s->now_ms);
	// Readers take an odd generation for a session whose client and ids are in place, so it
	// is made odd when they are: see steer_flow_publish().
	f->state = POSTERN_SESSION_OPENING;
	list_append(s, &s->lists[LIST_OPENING], slot);
	in_use_set(s, s->in_use + 1);
	return f;
}

void steer_flow_publish(struct steer_flow *f)
{
	__atomic_store_n(&f->generation, f->generation + 1, __ATOMIC_RELEASE);
}

// Takes a published session out of tables and counts.
static void withdraw(struct steer *s, struct steer_flow *f)
{
	struct ip_tuple t;

	for (unsigned d = 0; d < DIRECTIONS; d++) {
		steer_flow_tuple(s, f, d, &t);
		steer_table_remove(&s->table, steer_tuple_hash(s, &t), steer_slot(s, f) * 2 + d);
	}
	if (!(f->flags & FLOW_KILLED))
		steer_flow_leave(s, f);
	steer_sessions_add(&s->members[f->member].stats.sessions, -1);
	steer_sessions_add(&s->listens[f->listen].stats.sessions, -1);
	if (list_of(f) == LIST_ENDING)
		count_ending(s, f, -1);
	steer_member_forget(s, f->member);
	ip_neigh_release(s->ip, f->neigh);
	__atomic_store_n(&f->generation, f->generation + 1, __ATOMIC_RELEASE);
}

void steer_flow_free(struct steer *s, struct steer_flow *f)
{
	const uint32_t slot = steer_slot(s, f);
	const unsigned list = list_of(f);

	if (is_published(f))
		withdraw(s, f);
	base_wheel_cancel(&s->wheel, slot);
	if (list != LIST_NONE)
		list_remove(s, &s->lists[list], slot);
	s->cold[slot].list_next = s->free;
	s->free = slot + 1;
	in_use_set(s, s->in_use - 1);
}

void steer_flow_end(struct steer *s, struct steer_flow *f)
{
	// The reset of a killed session has been counted with its reason.
	if (f->state != POSTERN_SESSION_RESET)
		COUNT(s->counters, CLOSE_FIN);
	else if (!(f->flags & FLOW_KILLED))
		COUNT(s->counters, CLOSE_RESET);
	steer_flow_free(s, f);
}

static void unanswered(struct steer *s, const struct steer_flow *f, enum postern_side side)
{
	COUNT(s->counters, CLOSE_UNANSWERED);
	steer_record_flow(s, f, POSTERN_STEP_MEMBER, POSTERN_COUNTER_CLOSE_UNANSWERED, side);
}

static void time_is_up(struct steer *s, struct steer_flow *f)
{
	if (f->flags & FLOW_UDP) {
		// Many datagrams want no answer, so silence says nothing of the member.
		if (f->state == POSTERN_SESSION_OPENING)
			unanswered(s, f, POSTERN_SIDE_MEMBER);
		else
			COUNT(s->counters, CLOSE_IDLE);
		steer_flow_free(s, f);
	} else if (f->state == POSTERN_SESSION_OPENING) {
		unanswered(
			s, f, f->flags & FLOW_SYNACK ? POSTERN_SIDE_CLIENT : POSTERN_SIDE_MEMBER);
		if (!(f->flags & FLOW_SYNACK))
			steer_member_failed(s, f, POSTERN_EVENT_SILENT);
		steer_flow_free(s, f);
	} else if (steer_flow_is_over(f)) {
		steer_flow_end(s, f);
	} else {
		// Both sides are told, so that neither keeps a connection that leads nowhere.
		steer_kill(s, f, POSTERN_COUNTER_CLOSE_IDLE);
	}
}

void steer_flow_expired(struct steer *s, struct steer_flow *f)
{
	const uint32_t quiet = s->now_ms - f->last_ms;
	const uint32_t limit = state_time_ms(s, f);

	// Packets only note their time; the timer looks at it here.
	if (quiet < limit)
		arm(s, f, limit - quiet);
	else
		time_is_up(s, f);
}
