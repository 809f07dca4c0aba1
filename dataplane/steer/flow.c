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
	list->length--;
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
	list->length++;
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
	const bool flow = steer_flow_asker(f) == FROM_MEMBER;

	if (may_be_forged(f))
		return flow ? LIST_FLOW_OPENING : LIST_OPENING;
	if (steer_flow_is_over(f))
		return flow ? LIST_FLOW_ENDING : LIST_ENDING;
	return LIST_NONE;
}

static bool is_ending(unsigned list)
{
	return list == LIST_ENDING || list == LIST_FLOW_ENDING;
}

static unsigned quota_of(const struct steer_flow *f)
{
	return steer_flow_asker(f) == FROM_MEMBER ? QUOTA_FLOWS : QUOTA_SESSIONS;
}

bool steer_flow_may_give_way(const struct steer_flow *f)
{
	return list_of(f) != LIST_NONE;
}

// Without a service: the member is known by its own address, or by its rule's.
static void gateway_tuple(
	const struct steer *s, const struct steer_flow *f, unsigned direction, struct ip_tuple *t)
{
	const struct postern_addr *member = &s->members[f->member].addr;

	if (direction == FROM_CLIENT) {
		t->src = f->client;
		t->sport = f->client_port;
		t->dst = f->flags & FLOW_DESTINATION ? *member : s->listens[f->listen].addr;
		t->dport = f->own_port;
		return;
	}
	t->src = *member;
	t->sport = f->member_port;
	t->dst = f->client;
	t->dport = f->client_port;
}

void steer_flow_tuple(
	const struct steer *s, const struct steer_flow *f, unsigned direction, struct ip_tuple *t)
{
	const struct steer_listen *l = &s->listens[f->listen];
	const struct steer_member *m = &s->members[f->member];
	const bool destination = f->flags & FLOW_DESTINATION;

	t->proto = f->flags & FLOW_UDP ? IPPROTO_UDP : IPPROTO_TCP;
	if (f->flags & FLOW_GATEWAY) {
		gateway_tuple(s, f, direction, t);
		return;
	}
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

uint64_t steer_flow_hash(const struct steer *s, const struct steer_flow *f, unsigned direction)
{
	const struct steer_listen *l = &s->listens[f->listen];
	const struct steer_member *m = &s->members[f->member];
	struct ip_tuple t;

	// Most: from where the parts lie, since what has just been written in parts is slow to read whole.
	if (!(f->flags & (FLOW_GATEWAY | FLOW_DESTINATION | FLOW_UDP)) && m->family == POSTERN_V4) {
		if (direction == FROM_CLIENT)
			return steer_hash4(s, f->client.words[3], l->addr.words[3], f->client_port,
				l->port, IPPROTO_TCP);
		return steer_hash4(s, m->addr.words[3], s->nats[f->nat].words[3], m->port,
			f->own_port, IPPROTO_TCP);
	}
	steer_flow_tuple(s, f, direction, &t);
	return steer_tuple_hash(s, &t);
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
	const struct steer_listen *l = &s->listens[f->listen];
	const struct postern_session_times *t = &l->times;

	// A question and its answer, as of DNS, need not be kept as long as a conversation.
	if ((f->flags & (FLOW_GATEWAY | FLOW_UDP)) == (FLOW_GATEWAY | FLOW_UDP))
		return f->flags & FLOW_ASSURED ? l->udp_idle_ms : t->opening_ms;
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
	if (!(f->flags & FLOW_GATEWAY))
		steer_sessions_add(&s->members[f->member].stats.ending, n);
	steer_sessions_add(&s->listens[f->listen].stats.ending, n);
}

// Moves the session to the list that fits its state and flags now.
static void relist(struct steer *s, struct steer_flow *f, unsigned from)
{
	const unsigned to = list_of(f);

	if (from == to)
		return;
	if (is_ending(from) || is_ending(to))
		count_ending(s, f, is_ending(to) ? 1 : -1);
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

void steer_flow_established(struct steer *s, struct steer_flow *f)
{
	steer_flow_set_state(s, f, POSTERN_SESSION_ESTABLISHED);
	if (f->flags & FLOW_GATEWAY) {
		COUNT(s->counters, FLOW_ESTABLISHED);
		return;
	}
	COUNT(s->counters, SESSION_ESTABLISHED);
	base_add(&s->members[f->member].stats.established, 1);
}

void steer_flow_assure(struct steer *s, struct steer_flow *f)
{
	const unsigned from = list_of(f);

	f->flags |= FLOW_ASSURED;
	relist(s, f, from);
	arm(s, f, state_time_ms(s, f));
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

static void in_use_add(struct steer *s, unsigned quota, int n)
{
	steer_sessions_add(&s->in_use[quota], n);
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

	rte_prefetch0(&s->flows[far]);
	rte_prefetch0(&s->cold[far]);
	if (f->generation % 2 == 0)
		return;
	for (unsigned d = 0; d < DIRECTIONS; d++)
		steer_table_prefetch_both(&s->table, steer_flow_hash(s, f, d));
}

// Sessions that are over in all but name go first, then those that have not begun, or of UDP not gone
// on; established ones stay whatever comes.
static bool evict(struct steer *s, unsigned quota)
{
	const bool flows = quota == QUOTA_FLOWS;
	const uint32_t over = s->lists[flows ? LIST_FLOW_ENDING : LIST_ENDING].head;
	const uint32_t victim =
		over != 0 ? over : s->lists[flows ? LIST_FLOW_OPENING : LIST_OPENING].head;

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

struct steer_flow *steer_flow_alloc(struct steer *s, uint8_t flags)
{
	const unsigned quota = quota_of(&(struct steer_flow){.flags = flags});
	uint32_t slot;

	// There are as many slots as both quotas have together.
	if (s->in_use[quota] >= s->limits[quota] && !evict(s, quota))
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
	f->flags = flags;
	// Readers take an odd generation for a session whose client and ids are in place, so it
	// is made odd when they are: see steer_flow_publish().
	f->state = POSTERN_SESSION_OPENING;
	list_append(s, &s->lists[list_of(f)], slot);
	in_use_add(s, quota, 1);
	s->n_gateway_flows += (flags & FLOW_GATEWAY) != 0;
	return f;
}

void steer_flow_publish(struct steer_flow *f)
{
	__atomic_store_n(&f->generation, f->generation + 1, __ATOMIC_RELEASE);
}

// Takes a published session out of tables and counts.
static void withdraw(struct steer *s, struct steer_flow *f)
{
	for (unsigned d = 0; d < DIRECTIONS; d++)
		steer_table_remove(&s->table, steer_flow_hash(s, f, d), steer_slot(s, f) * 2 + d);
	if (f->flags & FLOW_GATEWAY) {
		steer_sessions_add(steer_flow_count(s, f), -1);
	} else {
		if (!(f->flags & FLOW_KILLED))
			steer_flow_leave(s, f);
		steer_sessions_add(&s->members[f->member].stats.sessions, -1);
	}
	steer_sessions_add(&s->listens[f->listen].stats.sessions, -1);
	if (is_ending(list_of(f)))
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
	in_use_add(s, quota_of(f), -1);
	s->n_gateway_flows -= (f->flags & FLOW_GATEWAY) != 0;
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
	const enum postern_side asker = steer_flow_asker_side(f);
	const enum postern_side asked =
		asker == POSTERN_SIDE_CLIENT ? POSTERN_SIDE_MEMBER : POSTERN_SIDE_CLIENT;

	if (f->flags & FLOW_UDP) {
		// Many datagrams want no answer, so silence says nothing of the member.
		if (f->state == POSTERN_SESSION_OPENING)
			unanswered(s, f, asked);
		else
			COUNT(s->counters, CLOSE_IDLE);
		steer_flow_free(s, f);
	} else if (f->state == POSTERN_SESSION_OPENING) {
		unanswered(s, f, f->flags & FLOW_SYNACK ? asker : asked);
		if (!(f->flags & (FLOW_SYNACK | FLOW_GATEWAY)))
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
