// SPDX-License-Identifier: BSD-2-Clause
// Both ends of sessions: clients that ask and members that answer.

#include "bench/generator/generator.h"

#include <rte_byteorder.h>
#include <rte_cycles.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include <netinet/in.h>
#include <string.h>

#define SYN_ACK (RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG)

// A received segment.
struct seen {
	struct postern_addr src, dst;
	uint16_t sport, dport;
	uint32_t seq, ack;
	uint8_t flags, ttl;
	bool v6;
};

static struct seen look(const uint8_t *frame)
{
	const bool v6 = frame[12] == 0x86;
	const struct rte_ipv4_hdr *h4 = (const void *)(frame + 14);
	const struct rte_ipv6_hdr *h6 = (const void *)(frame + 14);
	const struct rte_tcp_hdr *tcp = (const void *)(frame + (v6 ? 54 : 34));
	struct seen p = {
		.sport = tcp->src_port,
		.dport = tcp->dst_port,
		.seq = rte_be_to_cpu_32(tcp->sent_seq),
		.ack = rte_be_to_cpu_32(tcp->recv_ack),
		.flags = tcp->tcp_flags,
		.v6 = v6,
	};

	if (v6) {
		memcpy(p.src.bytes, h6->src_addr, 16);
		memcpy(p.dst.bytes, h6->dst_addr, 16);
		p.ttl = h6->hop_limits;
	} else {
		p.src = postern_addr_from_v4(h4->src_addr);
		p.dst = postern_addr_from_v4(h4->dst_addr);
		p.ttl = h4->time_to_live;
	}
	return p;
}

static void send_segment(struct generator *g, const struct segment *s)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(g->tx_pool);

	if (m == NULL)
		return;
	frame_tcp(g, m, s);
	link_push(g, m);
}

static uint32_t first_seq(uint32_t flow)
{
	return flow << FLOW_SHIFT;
}

static void client_sends(
	struct generator *g, uint32_t flow, uint8_t flags, uint32_t seq, uint32_t ack)
{
	const struct flow *f = &g->flows[flow];
	const struct segment s = {
		.src = addr_client(f->number, f->v6),
		.dst = addr_service(f->v6),
		.sport = port_client(f->number),
		.dport = RTE_BE16(SERVICE_PORT),
		.seq = seq,
		.ack = ack,
		.flags = flags,
		.v6 = f->v6,
	};

	send_segment(g, &s);
}

void flow_ask(struct generator *g, uint32_t flow)
{
	g->flows[flow].asked_ms = (uint16_t)(now_us(g) / 1000);
	client_sends(g, flow, RTE_TCP_SYN_FLAG, first_seq(flow), 0);
}

static void answer(struct generator *g, const struct seen *p, uint8_t flags, uint32_t seq)
{
	const struct segment s = {
		.src = p->dst,
		.dst = p->src,
		.sport = p->dport,
		.dport = p->sport,
		.seq = seq,
		.ack = p->seq + 1,
		.flags = flags,
		.v6 = p->v6,
	};

	send_segment(g, &s);
}

static void member_asked(struct generator *g, const struct seen *p)
{
	const uint32_t flow = p->seq >> FLOW_SHIFT;
	const uint8_t mode = g->modes[rte_be_to_cpu_32(p->dst.words[3]) & 0xffffu];
	struct flow *f = &g->flows[flow];

	if (flow == FLOW_NONE)
		g->tally.floods_seen++;
	if (mode != MEMBER_ACCEPTS) {
		if (flow != FLOW_NONE) {
			f->met_bad = 1;
			g->tally.met++;
			g->last_met_us = now_us(g);
		}
		if (mode == MEMBER_REFUSES)
			answer(g, p, RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG, 0);
		return;
	}
	if (flow != FLOW_NONE && f->state != FLOW_FREE) {
		f->nat = p->src.words[3];
		f->nat_port = p->sport;
		f->member = p->dst.words[3];
		if (f->state == FLOW_ASKED)
			f->state = FLOW_MET;
	}
	answer(g, p, SYN_ACK, first_seq(flow));
}

static void rescued(struct generator *g, const struct flow *f)
{
	const uint64_t now = now_us(g);
	const uint32_t waited = (uint32_t)now - f->sent_us;

	if (g->bad_since_us == 0 || waited > now - g->bad_since_us)
		return;
	if (waited > g->longest_us)
		g->longest_us = waited;
	if (!f->met_bad)
		return;
	g->rescued++;
	if (g->first_rescued_us == 0)
		g->first_rescued_us = now;
}

static void member_served(struct generator *g, const struct seen *p)
{
	const uint32_t flow = p->seq >> FLOW_SHIFT;
	struct flow *f = &g->flows[flow];

	if (flow == FLOW_NONE || f->state != FLOW_MET || f->nat_port != p->sport)
		return;
	f->state = FLOW_SERVED;
	g->tally.served++;
	rescued(g, f);
	if (!g->passing)
		return;
	client_sends(g, flow, RTE_TCP_RST_FLAG, first_seq(flow) + 1, 0);
	f->state = FLOW_FREE;
	g->free[g->n_free++] = flow;
}

// The answer to a client: true if it is to this session's.
static bool is_to(const struct flow *f, const struct seen *p)
{
	return p->dport == port_client(f->number) &&
	       p->dst.words[3] == addr_client(f->number, f->v6).words[3];
}

static void client_answered(struct generator *g, const struct seen *p)
{
	const uint32_t flow = (p->ack - 1) >> FLOW_SHIFT;
	struct flow *f = &g->flows[flow];

	if (flow == FLOW_NONE)
		return;
	if (f->state == FLOW_FREE || !is_to(f, p)) {
		g->tally.stray++;
		return;
	}
	if (p->flags & RTE_TCP_RST_FLAG) {
		g->tally.resets++;
		if (g->passing && flow >= PASSING_FIRST) {
			f->state = FLOW_FREE;
			g->free[g->n_free++] = flow;
		}
		return;
	}
	client_sends(g, flow, RTE_TCP_ACK_FLAG, p->ack, p->seq + 1);
}

void flow_input(struct generator *g, const uint8_t *frame, unsigned length)
{
	const bool v6 = frame[12] == 0x86;

	if (length < (v6 ? 74u : 54u) || frame[v6 ? 20 : 23] != IPPROTO_TCP) {
		g->tally.stray++;
		return;
	}
	const struct seen p = look(frame);

	if (p.dport == RTE_BE16(MEMBER_PORT)) {
		if ((p.flags & SYN_ACK) == RTE_TCP_SYN_FLAG)
			member_asked(g, &p);
		else if (!(p.flags & RTE_TCP_RST_FLAG))
			member_served(g, &p);
	} else if (p.sport == RTE_BE16(SERVICE_PORT)) {
		if (p.flags & (RTE_TCP_SYN_FLAG | RTE_TCP_RST_FLAG))
			client_answered(g, &p);
	} else {
		g->tally.stray++;
	}
}

static bool is_right(const struct generator *g, const struct seen *p, const struct flow *f)
{
	const struct postern_addr client = addr_client(f->number, f->v6);
	const struct postern_addr service = addr_service(f->v6);

	if (g->echo)
		return postern_addr_equal(&p->src, &client) &&
		       postern_addr_equal(&p->dst, &service) && p->ttl == 64;
	if (p->ttl != 63)
		return false;
	if (p->dport == RTE_BE16(MEMBER_PORT)) {
		const struct postern_addr nat = addr_near(f->nat, f->v6);
		const struct postern_addr member = addr_near(f->member, f->v6);

		return p->sport == f->nat_port && postern_addr_equal(&p->src, &nat) &&
		       postern_addr_equal(&p->dst, &member);
	}
	return p->sport == RTE_BE16(SERVICE_PORT) && p->dport == port_client(f->number) &&
	       postern_addr_equal(&p->src, &service) && postern_addr_equal(&p->dst, &client);
}

void flow_check(struct generator *g, const uint8_t *frame, unsigned length)
{
	const struct seen p = look(frame);
	const uint8_t *payload = frame + (p.v6 ? 74 : 54);
	uint32_t stamped;
	uint16_t tag;

	memcpy(&stamped, payload, 4);
	memcpy(&tag, payload + 4, 2);
	g->tally.checked++;
	histogram_add(&g->tally.delay, stamp() - stamped);
	if (tag != flow_tag(p.seq) || !is_right(g, &p, &g->flows[p.seq >> FLOW_SHIFT]) ||
		!frame_is_sound(frame, length))
		g->tally.wrong++;
}
