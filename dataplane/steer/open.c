// SPDX-License-Identifier: BSD-2-Clause
// The beginning of a session: which member, from which address and port of ours, and again when
// the first choice does not answer.

#include "base/pick.h"
#include "steer/private.h"
#include "steer/table.h"

#include <rte_byteorder.h>

#include <errno.h>

// Ports below 1024 belong to services (RFC 6335 6); the rest are 64,512 for each member and
// address of ours.
#define FIRST_PORT 1024u

// Members that a SYN is sent to before its client is told no.
#define MAX_TRIES 3u

// What the choice depends on: the same on every appliance.
static uint32_t choice_hash(const struct steer_listen *l, const struct ip_tuple *t)
{
	const uint64_t h = l->affinity == POSTERN_AFFINITY_SOURCE
				   ? base_hash_agreed(&t->src, sizeof(t->src))
				   : base_hash_agreed(t, sizeof(*t));

	return (uint32_t)(h >> 32);
}

static bool is_family(const void *context, uint16_t member, uint8_t family)
{
	const struct steer *s = context;

	return s->members[member].family == family;
}

uint16_t steer_pick_member(const struct steer *s, const struct steer_listen *l, uint8_t family,
	const struct ip_tuple *tuple, uint16_t avoid)
{
	const struct base_pick pick = {
		.pool = s->config->pools[l->pool],
		.health = s->health,
		.is_family = is_family,
		.context = s,
		.avoid = &avoid,
		.n_avoid = avoid != POSTERN_ID_NONE,
		.hash = choice_hash(l, tuple),
		.family = family,
	};

	return base_pick_member(&pick);
}

// A port with which the address is at home here, so that the member's packets find their owner.
static uint16_t port_of(const struct steer *s, const struct postern_addr *addr, uint32_t random)
{
	const uint16_t any = (uint16_t)(FIRST_PORT + base_hash_reduce(random, 65536 - FIRST_PORT));

	// It changes bits below FIRST_PORT only.
	return base_home_port(s->home, addr, any, s->worker);
}

_Static_assert(FIRST_PORT % (1 << BASE_HOME_BITS_MAX) == 0, "for the lowest bits may be changed");

void steer_refuse_flow(struct steer *s, const struct steer_flow *f, enum postern_counter reason)
{
	base_add(&s->counters->value[reason], 1);
	steer_record_flow(s, f, POSTERN_STEP_OPEN, reason, POSTERN_SIDE_MEMBER);
}

uint16_t steer_port_draw(struct steer *s, const struct postern_addr *addr)
{
	return port_of(s, addr, (uint32_t)(steer_random(s) >> 32));
}

bool steer_port_is_ours(const struct steer *s, const struct postern_addr *addr, uint16_t port)
{
	return port >= FIRST_PORT && base_home_worker(s->home, addr, port) == s->worker;
}

static void draw(struct steer *s, uint16_t member, uint16_t *nat, uint16_t *port)
{
	const struct steer_member *m = &s->members[member];
	const struct steer_nat_range *range =
		&s->nat_ranges[m->interface * POSTERN_FAMILIES + m->family];
	const uint64_t r = steer_random(s);

	*nat = (uint16_t)(range->first + base_hash_reduce((uint32_t)r, range->count));
	*port = rte_cpu_to_be_16(port_of(s, &s->nats[*nat], (uint32_t)(r >> 32)));
}

// Draws a place towards its member for what will perhaps begin, and fetches it.
static void draw_prepared(struct steer *s, struct steer_packet *p)
{
	const struct steer_member *m = &s->members[p->member];

	draw(s, p->member, &p->nat, &p->own_port);
	const struct ip_tuple from = {
		m->addr, s->nats[p->nat], m->port, p->own_port, p->ip->tuple.proto};

	p->member_hash = steer_tuple_hash(s, &from);
	steer_table_prefetch_both(&s->table, p->member_hash);
}

void steer_prepare(struct steer *s, struct steer_packet *p)
{
	const struct ip_tuple *t = &p->ip->tuple;
	const uint16_t listen = steer_listen_find(s, t);

	if (listen == POSTERN_ID_NONE)
		return;
	const struct steer_listen *l = &s->listens[listen];

	if (l->admission != POSTERN_ADMISSION_ANY)
		admit_address_prefetch(s->policy, l->organisation, &t->src);
	if (l->translate != POSTERN_TRANSLATE_SOURCE)
		return;
	p->listen = listen;
	p->member = steer_pick_member(s, l, p->ip->family, t, POSTERN_ID_NONE);
	// A member that is not reached may turn out to be on another interface, with other addresses.
	if (p->member == POSTERN_ID_NONE || s->members[p->member].neigh == IP_NEIGH_NONE)
		return;
	const struct steer_member *m = &s->members[p->member];

	if (s->nat_ranges[m->interface * POSTERN_FAMILIES + m->family].count == 0)
		return;
	p->prepared = true;
	draw_prepared(s, p);
	// What is not found is looked for in both places, and entered in one.
	rte_prefetch0(steer_bucket_second(&s->table, p->hash));
	steer_flow_prefetch_next(s);
}

void steer_prepare_again(struct steer *s, struct steer_packet *p)
{
	if (steer_table_may_hold(&s->table, p->member_hash))
		draw_prepared(s, p);
}

// Draws an address and port of ours towards the session's member that no other session has. When
// nearly all are taken, one whose session has not begun or is over gives way. Returns 0 with *hash.
static int draw_port(
	struct steer *s, struct steer_flow *f, const struct steer_packet *p, uint64_t *hash)
{
	const struct steer_member *m = &s->members[f->member];
	const struct steer_nat_range *range =
		&s->nat_ranges[m->interface * POSTERN_FAMILIES + m->family];

	for (unsigned i = 0; i < STEER_PORT_DRAWS && range->count > 0; i++) {
		const bool prepared = i == 0 && p != NULL && p->prepared;
		struct ip_tuple t;

		if (prepared) {
			f->nat = p->nat;
			f->own_port = p->own_port;
		} else {
			draw(s, f->member, &f->nat, &f->own_port);
		}
		steer_flow_tuple(s, f, FROM_MEMBER, &t);
		*hash = prepared ? p->member_hash : steer_tuple_hash(s, &t);
		const uint32_t taken = steer_table_find(s, *hash, &t);

		if (taken == STEER_NO_REF) {
			if (s->is_taken != NULL && s->is_taken(s->context, &t))
				continue;
			return 0;
		}
		struct steer_flow *holder = steer_flow_at(s, taken / 2);

		if (i >= STEER_PORT_DRAWS / 2 && holder != f && steer_flow_may_give_way(holder)) {
			steer_flow_evict(s, holder);
			return 0;
		}
	}
	steer_refuse_flow(s, f, POSTERN_COUNTER_DROP_PORTS_EXHAUSTED);
	return -EADDRINUSE;
}

int steer_own_place(struct steer *s, struct steer_flow *f, unsigned side, uint64_t *hash)
{
	struct ip_tuple t;

	steer_flow_tuple(s, f, side, &t);
	*hash = steer_tuple_hash(s, &t);
	const uint32_t taken = steer_table_find(s, *hash, &t);

	if (taken == STEER_NO_REF)
		return 0;
	struct steer_flow *holder = steer_flow_at(s, taken / 2);

	if (holder != f && steer_flow_is_over(holder)) {
		steer_flow_end(s, holder);
		return 0;
	}
	steer_refuse_flow(s, f, POSTERN_COUNTER_DROP_PORTS_EXHAUSTED);
	return -EADDRINUSE;
}

// `p` is the packet that begins the session, or NULL.
static int enter_member_side(struct steer *s, struct steer_flow *f, const struct steer_packet *p)
{
	uint64_t hash;
	const int rc = f->flags & FLOW_DESTINATION ? steer_own_place(s, f, FROM_MEMBER, &hash)
						   : draw_port(s, f, p, &hash);

	if (rc < 0)
		return rc;
	if (steer_table_insert(&s->table, hash, steer_slot(s, f) * 2 + FROM_MEMBER))
		return 0;
	steer_refuse_flow(s, f, POSTERN_COUNTER_DROP_TABLE_FULL);
	return -ENOSPC;
}

static void leave_member_side(struct steer *s, struct steer_flow *f)
{
	struct ip_tuple t;

	steer_flow_tuple(s, f, FROM_MEMBER, &t);
	steer_table_remove(&s->table, steer_tuple_hash(s, &t), steer_slot(s, f) * 2 + FROM_MEMBER);
}

// The next hop towards the client; IP_NEIGH_NONE with the reason, of which that a table is full has been
// counted.
static uint16_t find_client(
	struct steer *s, const struct ip_packet *p, enum postern_counter *reason)
{
	const struct postern_addr *client = &p->tuple.src;
	struct postern_addr next_hop;
	uint16_t interface;

	if (ip_route(s->ip, client, p->interface, &interface, &next_hop) < 0) {
		*reason = POSTERN_COUNTER_DROP_NO_ROUTE;
		COUNT(s->counters, DROP_NO_ROUTE);
		return IP_NEIGH_NONE;
	}
	// A neighbour on one link does not send from another (RFC 3704).
	if (interface != p->interface && postern_addr_equal(client, &next_hop)) {
		*reason = POSTERN_COUNTER_DROP_SPOOFED;
		COUNT(s->counters, DROP_SPOOFED);
		return IP_NEIGH_NONE;
	}
	*reason = POSTERN_COUNTER_DROP_NEIGHBOUR_TABLE;
	return ip_neigh_hold(s->ip, interface, &next_hop, IP_NEIGH_CLIENT);
}

uint16_t steer_hold_client(
	struct steer *s, const struct steer_packet *p, const struct steer_flow *f)
{
	enum postern_counter reason;
	const uint16_t neigh = find_client(s, p->ip, &reason);

	// Without a way back there is no member to speak of.
	if (neigh == IP_NEIGH_NONE)
		steer_record_packet(s, p, POSTERN_STEP_OPEN, reason, f->listen, POSTERN_ID_NONE);
	return neigh;
}

// Enters a new session on both sides; on failure the reason has been counted and nothing is left.
static bool enter(struct steer *s, struct steer_flow *f, const struct steer_packet *p)
{
	f->neigh = steer_hold_client(s, p, f);
	if (f->neigh == IP_NEIGH_NONE)
		return false;
	if (enter_member_side(s, f, p) == 0) {
		if (steer_table_insert(&s->table, p->hash, steer_slot(s, f) * 2 + FROM_CLIENT))
			return true;
		steer_refuse_flow(s, f, POSTERN_COUNTER_DROP_TABLE_FULL);
		leave_member_side(s, f);
	}
	ip_neigh_release(s->ip, f->neigh);
	return false;
}

static void refuse(struct steer *s, struct steer_packet *p, uint16_t listen)
{
	base_add(&s->listens[listen].stats.refused, 1);
	steer_record_packet(
		s, p, POSTERN_STEP_OPEN, POSTERN_COUNTER_REFUSE_NO_MEMBER, listen, POSTERN_ID_NONE);
	if (p->ip->tuple.proto == IPPROTO_TCP) {
		steer_answer_reset(s, p, POSTERN_COUNTER_REFUSE_NO_MEMBER);
		return;
	}
	ip_error(s->ip, p->ip, IP_ERROR_PORT, 0, POSTERN_COUNTER_REFUSE_NO_MEMBER);
}

static void fill(struct steer_flow *f, const struct steer_packet *p, uint16_t listen,
	const struct steer_listen *l, uint16_t member)
{
	f->client = p->ip->tuple.src;
	f->client_port = p->ip->tuple.sport;
	f->listen = listen;
	f->member = member;
	if (l->protocol == IPPROTO_UDP)
		f->flags |= FLOW_UDP;
	if (l->translate == POSTERN_TRANSLATE_DESTINATION) {
		f->flags |= FLOW_DESTINATION;
		f->own_port = p->ip->tuple.dport;
	}
	if (l->last_port != 0)
		f->flags |= FLOW_RANGE;
}

struct steer_flow *steer_begin(struct steer *s, struct steer_packet *p, uint16_t listen)
{
	struct steer_listen *l = &s->listens[listen];

	if (l->admission != POSTERN_ADMISSION_ANY && !steer_admit(s, p, listen))
		return NULL;
	const uint16_t member = p->prepared ? p->member
					    : steer_pick_member(s, l, p->ip->family, &p->ip->tuple,
						      POSTERN_ID_NONE);

	if (member == POSTERN_ID_NONE) {
		refuse(s, p, listen);
		return NULL;
	}
	if (!steer_member_reach(s, member)) {
		steer_record_packet(
			s, p, POSTERN_STEP_OPEN, POSTERN_COUNTER_DROP_NO_ROUTE, listen, member);
		rte_pktmbuf_free(p->ip->m);
		return NULL;
	}
	struct steer_flow *f = steer_flow_alloc(s, 0);

	if (f == NULL) {
		COUNT(s->counters, DROP_TABLE_FULL);
		steer_record_packet(
			s, p, POSTERN_STEP_OPEN, POSTERN_COUNTER_DROP_TABLE_FULL, listen, member);
		rte_pktmbuf_free(p->ip->m);
		return NULL;
	}
	fill(f, p, listen, l, member);
	if (!enter(s, f, p)) {
		steer_flow_free(s, f);
		rte_pktmbuf_free(p->ip->m);
		return NULL;
	}
	steer_flow_join(s, f, member);
	steer_sessions_add(&s->members[member].stats.sessions, 1);
	steer_sessions_add(&l->stats.sessions, 1);
	steer_flow_publish(f);
	steer_flow_set_state(s, f, POSTERN_SESSION_OPENING);
	COUNT(s->counters, SESSION_OPENED);
	base_add(&s->members[member].stats.opened, 1);
	base_add(&l->stats.opened, 1);
	return f;
}

void steer_open(struct steer *s, struct steer_packet *p, uint16_t listen)
{
	struct steer_flow *f = steer_begin(s, p, listen);

	if (f == NULL)
		return;
	steer_syn_read(&f->syn, p);
	// Data in a SYN (RFC 7413) is no part of what another member would be asked.
	f->next[FROM_CLIENT] = p->seq + 1;
	f->syn.tries = 1;
	f->syn.asked = steer_forward(s, f, FROM_CLIENT, p);
}

bool steer_redispatch(struct steer *s, struct steer_flow *f)
{
	const struct steer_listen *l = &s->listens[f->listen];
	const uint16_t was = f->member;
	struct ip_tuple t;

	if (f->syn.tries >= MAX_TRIES || l->gone)
		return false;
	steer_flow_tuple(s, f, FROM_CLIENT, &t);
	const uint16_t member = steer_pick_member(s, l, s->members[was].family, &t, was);

	if (member == POSTERN_ID_NONE || !steer_member_reach(s, member))
		return false;
	const uint16_t nat = f->nat;
	const uint16_t own_port = f->own_port;

	leave_member_side(s, f);
	steer_flow_leave(s, f);
	steer_flow_join(s, f, member);
	if (enter_member_side(s, f, NULL) < 0) {
		// Back to the first member: its place in the table has just become free.
		steer_flow_leave(s, f);
		steer_flow_join(s, f, was);
		f->nat = nat;
		f->own_port = own_port;
		steer_flow_tuple(s, f, FROM_MEMBER, &t);
		steer_table_insert(
			&s->table, steer_tuple_hash(s, &t), steer_slot(s, f) * 2 + FROM_MEMBER);
		return false;
	}
	steer_sessions_add(&s->members[was].stats.sessions, -1);
	steer_sessions_add(&s->members[member].stats.sessions, 1);
	base_add(&s->members[member].stats.opened, 1);
	f->syn.tries++;
	f->syn.asked = false;
	COUNT(s->counters, SESSION_REDISPATCHED);
	return true;
}
