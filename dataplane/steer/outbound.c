// SPDX-License-Identifier: BSD-2-Clause
// Flows without a service: what members begin themselves through us, who are their router, either with
// their own address or with one of ours; and what may reach a member at its own address.
//
// This is a border: a flow begins with a packet that a rule allows, and nothing else passes.

#include "steer/private.h"
#include "steer/table.h"

#include <rte_byteorder.h>

#include <errno.h>

// A limit of the rule that would let it begin is reached.
static void refuse(struct steer *s, struct steer_packet *p, enum postern_counter reason,
	uint16_t rule, uint16_t member)
{
	base_add(&s->listens[rule].stats.refused, 1);
	steer_record_packet(s, p, POSTERN_STEP_OPEN, reason, rule, member);
	steer_drop(s, p->ip->m, reason);
}

static enum postern_outbound_ports ports_of(uint32_t proto, bool inbound)
{
	if (inbound)
		return proto == IPPROTO_UDP ? POSTERN_INBOUND_UDP : POSTERN_INBOUND_TCP;
	return proto == IPPROTO_UDP ? POSTERN_OUTBOUND_UDP : POSTERN_OUTBOUND_TCP;
}

bool steer_outbound_stands(const struct steer *s, const struct steer_flow *f)
{
	const struct steer_node *n = steer_node_find(s->config, &s->members[f->member].addr);
	const bool inbound = f->flags & FLOW_INBOUND;
	const enum postern_outbound_ports kind =
		ports_of(f->flags & FLOW_UDP ? IPPROTO_UDP : IPPROTO_TCP, inbound);
	struct ip_tuple t;

	if (s->listens[f->listen].gone || n == NULL ||
		steer_pass_find(s->config, n, kind, &f->client,
			rte_be_to_cpu_16(inbound ? f->own_port : f->client_port),
			f->listen) == NULL)
		return false;
	// A service that has begun to listen where the answers come takes the port.
	steer_flow_tuple(s, f, FROM_CLIENT, &t);
	return !steer_listens(s, &t);
}

// A port of the rule's address towards where the flow goes: the member's own if it can be had (RFC 4787
// 4.2.1), else one that is drawn. Those that services listen on are theirs.
static int draw_port(struct steer *s, struct steer_flow *f, uint64_t *hash)
{
	const struct postern_addr *addr = &s->listens[f->listen].addr;
	const uint16_t own = rte_be_to_cpu_16(f->member_port);

	for (unsigned i = 0; i < STEER_PORT_DRAWS; i++) {
		const uint16_t port =
			i == 0 && steer_port_is_ours(s, addr, own) ? own : steer_port_draw(s, addr);
		struct ip_tuple t;

		f->own_port = rte_cpu_to_be_16(port);
		steer_flow_tuple(s, f, FROM_CLIENT, &t);
		if (steer_listens(s, &t))
			continue;
		*hash = steer_tuple_hash(s, &t);
		const uint32_t taken = steer_table_find(s, *hash, &t);

		if (taken == STEER_NO_REF)
			return 0;
		struct steer_flow *holder = steer_flow_at(s, taken / 2);

		if (i >= STEER_PORT_DRAWS / 2 && steer_flow_may_give_way(holder)) {
			steer_flow_evict(s, holder);
			return 0;
		}
	}
	steer_refuse_flow(s, f, POSTERN_COUNTER_DROP_PORTS_EXHAUSTED);
	return -EADDRINUSE;
}

// The place of the side that has not spoken yet.
static int place(struct steer *s, struct steer_flow *f, unsigned side, uint64_t *hash)
{
	return f->flags & FLOW_DESTINATION ? steer_own_place(s, f, side, hash)
					   : draw_port(s, f, hash);
}

// The way out: by what leads to the destination, else by the gateway of the side that the rule names, and
// last that of the members' own.
static uint16_t hold_way_out(
	struct steer *s, const struct postern_outbound *o, const struct steer_flow *f)
{
	const struct steer_member *m = &s->members[f->member];
	const uint16_t prefer = o->interface != POSTERN_ID_NONE
					? o->interface
					: (uint16_t)((m->interface + 1) % s->ip->config->n_interfaces);
	struct postern_addr next_hop;
	uint16_t interface;

	if (ip_route(s->ip, &f->client, prefer, &interface, &next_hop) < 0) {
		steer_refuse_flow(s, f, POSTERN_COUNTER_DROP_NO_ROUTE);
		return IP_NEIGH_NONE;
	}
	return ip_neigh_hold(s->ip, interface, &next_hop, IP_NEIGH_CLIENT);
}

// Enters a flow on both sides; on failure the reason has been counted and nothing is left.
static bool enter(struct steer *s, struct steer_flow *f, const struct postern_outbound *o,
	const struct steer_packet *p)
{
	const unsigned asker = steer_flow_asker(f);
	const uint32_t ref = steer_slot(s, f) * 2;
	uint64_t hash;

	f->neigh = asker == FROM_CLIENT ? steer_hold_client(s, p, f) : hold_way_out(s, o, f);
	if (f->neigh == IP_NEIGH_NONE)
		return false;
	if (place(s, f, !asker, &hash) == 0) {
		if (steer_table_insert(&s->table, p->hash, ref + asker)) {
			if (steer_table_insert(&s->table, hash, ref + !asker))
				return true;
			steer_table_remove(&s->table, p->hash, ref + asker);
		}
		steer_refuse_flow(s, f, POSTERN_COUNTER_DROP_TABLE_FULL);
	}
	ip_neigh_release(s->ip, f->neigh);
	return false;
}

static void fill(struct steer_flow *f, const struct steer_packet *p,
	const struct postern_outbound *o, uint16_t member)
{
	const struct ip_tuple *t = &p->ip->tuple;
	const bool inbound = f->flags & FLOW_INBOUND;

	f->client = inbound ? t->src : t->dst;
	f->client_port = inbound ? t->sport : t->dport;
	f->member_port = inbound ? t->dport : t->sport;
	f->own_port = f->member_port;
	f->listen = o->id;
	f->member = member;
}

// The limit is of all workers together.
static bool has_room(
	const struct steer *s, const struct steer_member *m, const struct postern_outbound *o)
{
	const uint32_t share = (o->flows_per_member + s->home->workers - 1) / s->home->workers;

	return m->stats.flows < share;
}

static void begin(
	struct steer *s, struct steer_packet *p, const struct steer_pass *pass, unsigned flags)
{
	const struct postern_outbound *o = &s->config->snapshot->outbounds[pass->outbound];
	struct steer_member *m = &s->members[pass->member];
	struct steer_listen *l = &s->listens[o->id];

	if (!steer_member_reach(s, pass->member)) {
		rte_pktmbuf_free(p->ip->m);
		return;
	}
	flags |= FLOW_GATEWAY | (p->ip->tuple.proto == IPPROTO_UDP ? FLOW_UDP : 0) |
		 (postern_addr_is_none(&o->address) ? FLOW_DESTINATION : 0);
	if (!(flags & FLOW_INBOUND) && !has_room(s, m, o)) {
		refuse(s, p, POSTERN_COUNTER_DROP_MEMBER_FLOWS, o->id, pass->member);
		return;
	}
	struct steer_flow *f = steer_flow_alloc(s, (uint8_t)flags);

	if (f == NULL) {
		refuse(s, p,
			flags & FLOW_INBOUND ? POSTERN_COUNTER_DROP_TABLE_FULL
					     : POSTERN_COUNTER_DROP_FLOWS_FULL,
			o->id, pass->member);
		return;
	}
	fill(f, p, o, pass->member);
	if (!enter(s, f, o, p)) {
		steer_flow_free(s, f);
		rte_pktmbuf_free(p->ip->m);
		return;
	}
	steer_sessions_add(steer_flow_count(s, f), 1);
	steer_sessions_add(&l->stats.sessions, 1);
	steer_flow_publish(f);
	steer_flow_set_state(s, f, POSTERN_SESSION_OPENING);
	COUNT(s->counters, FLOW_OPENED);
	base_add(&l->stats.opened, 1);
	if (!(flags & FLOW_UDP))
		f->next[steer_flow_asker(f)] = p->seq + 1;
	steer_forward(s, f, steer_flow_asker(f), p);
}

// A segment that begins nothing is answered as one of a session that is gone. True: it has been.
static bool segment_is_stray(struct steer *s, struct steer_packet *p)
{
	if (p->ip->tuple.proto != IPPROTO_TCP || steer_is_first_segment(p))
		return false;
	if (p->flags & RTE_TCP_RST_FLAG)
		STEER_DROP(s, p->ip->m, NO_SESSION);
	else
		steer_answer_reset(s, p, POSTERN_COUNTER_REFUSE_NO_SESSION);
	return true;
}

static bool is_fit_to_begin(struct steer *s, struct steer_packet *p)
{
	if (p->ip->ttl <= 1) {
		ip_error(s->ip, p->ip, IP_ERROR_TTL, 0, POSTERN_COUNTER_DROP_TTL);
		return false;
	}
	if (p->ip->tuple.proto == IPPROTO_TCP && !steer_checksum_is_right(p)) {
		STEER_DROP(s, p->ip->m, TCP_CHECKSUM);
		return false;
	}
	return true;
}

// Members reach each other without us. Between two of them no rule of the owner would hold for both ways
// either.
static void from_member(struct steer *s, struct steer_packet *p, const struct steer_node *from,
	const struct steer_node *to)
{
	const struct ip_tuple *t = &p->ip->tuple;
	const struct steer_pass *pass = NULL;

	if (!steer_member_reach(s, from->member)) {
		rte_pktmbuf_free(p->ip->m);
		return;
	}
	if (p->ip->interface != s->members[from->member].interface) {
		STEER_DROP(s, p->ip->m, SPOOFED);
		return;
	}
	if (segment_is_stray(s, p))
		return;
	if (to == NULL)
		pass = steer_pass_find(s->config, from, ports_of(t->proto, false), &t->dst,
			rte_be_to_cpu_16(t->dport), POSTERN_ID_NONE);
	if (pass == NULL) {
		steer_record_packet(s, p, POSTERN_STEP_OPEN, POSTERN_COUNTER_REFUSE_OUTBOUND,
			POSTERN_ID_NONE, from->member);
		ip_error(s->ip, p->ip, IP_ERROR_PROHIBITED, 0, POSTERN_COUNTER_REFUSE_OUTBOUND);
		return;
	}
	if (is_fit_to_begin(s, p))
		begin(s, p, pass, 0);
}

static void from_outside(struct steer *s, struct steer_packet *p, const struct steer_node *to)
{
	const struct ip_tuple *t = &p->ip->tuple;
	const struct steer_pass *pass = steer_pass_find(s->config, to, ports_of(t->proto, true),
		&t->src, rte_be_to_cpu_16(t->dport), POSTERN_ID_NONE);

	if (pass == NULL) {
		steer_record_packet(s, p, POSTERN_STEP_OPEN, POSTERN_COUNTER_DROP_UNASKED,
			POSTERN_ID_NONE, to->member);
		STEER_DROP(s, p->ip->m, UNASKED);
		return;
	}
	if (!segment_is_stray(s, p) && is_fit_to_begin(s, p))
		begin(s, p, pass, FLOW_INBOUND);
}

void steer_pass_through(struct steer *s, struct steer_packet *p)
{
	const struct ip_tuple *t = &p->ip->tuple;
	const struct steer_node *from = steer_node_find(s->config, &t->src);
	const struct steer_node *to = steer_node_find(s->config, &t->dst);

	if (s->config->nodes == NULL)
		STEER_DROP(s, p->ip->m, NOT_OURS);
	else if (!ip_source_is_acceptable(s->ip, p->ip))
		rte_pktmbuf_free(p->ip->m);
	else if (ip_source_fault(s->ip, &t->dst) == IP_SOURCE_MARTIAN)
		STEER_DROP(s, p->ip->m, MARTIAN);
	else if (from != NULL)
		from_member(s, p, from, to);
	else if (to != NULL)
		from_outside(s, p, to);
	else {
		steer_record_packet(s, p, POSTERN_STEP_OPEN, POSTERN_COUNTER_DROP_NOT_MEMBER,
			POSTERN_ID_NONE, POSTERN_ID_NONE);
		STEER_DROP(s, p->ip->m, NOT_MEMBER);
	}
}
