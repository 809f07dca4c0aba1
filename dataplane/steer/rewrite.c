// SPDX-License-Identifier: BSD-2-Clause
// Translation of a packet: addresses, ports, hop limit, and checksums by what has changed.

#include "ip/checksum.h"
#include "steer/private.h"

#include <rte_ip.h>

#include <string.h>

static void rewrite_v4(struct rte_ipv4_hdr *h, const struct ip_tuple *to, unsigned hops)
{
	// The hop limit is the upper half of its 16-bit word.
	uint64_t change = ip_change_half(0, rte_cpu_to_be_16((uint16_t)(h->time_to_live << 8)),
		rte_cpu_to_be_16((uint16_t)((h->time_to_live - hops) << 8)));

	change = ip_change_word(change, h->src_addr, to->src.words[3]);
	change = ip_change_word(change, h->dst_addr, to->dst.words[3]);
	h->time_to_live = (uint8_t)(h->time_to_live - hops);
	h->src_addr = to->src.words[3];
	h->dst_addr = to->dst.words[3];
	h->hdr_checksum = ip_checksum_apply(h->hdr_checksum, change);
}

static void rewrite_v6(struct rte_ipv6_hdr *h, const struct ip_tuple *to, unsigned hops)
{
	h->hop_limits = (uint8_t)(h->hop_limits - hops);
	memcpy(h->src_addr, to->src.bytes, sizeof(h->src_addr));
	memcpy(h->dst_addr, to->dst.bytes, sizeof(h->dst_addr));
}

// What changes in the sum over the pseudo header and the ports. The upper 96 bits of two IPv4
// addresses are the same and add nothing.
static uint64_t transport_change(const struct ip_tuple *was, const struct ip_tuple *to)
{
	uint64_t change = ip_change_addr(0, &was->src, &to->src);

	change = ip_change_addr(change, &was->dst, &to->dst);
	change = ip_change_half(change, was->sport, to->sport);
	return ip_change_half(change, was->dport, to->dport);
}

void steer_rewrite_ip(void *l3, uint8_t family, const struct ip_tuple *to, unsigned hops)
{
	if (family == POSTERN_V4)
		rewrite_v4(l3, to, hops);
	else
		rewrite_v6(l3, to, hops);
}

static void rewrite_tcp(struct rte_tcp_hdr *tcp, unsigned there, const struct ip_tuple *was,
	const struct ip_tuple *to)
{
	tcp->src_port = to->sport;
	tcp->dst_port = to->dport;
	if (there >= offsetof(struct rte_tcp_hdr, tcp_urp))
		tcp->cksum = ip_checksum_apply(tcp->cksum, transport_change(was, to));
}

// A sum of zero means that the sender made none, and stays; a computed zero is sent as its other
// form (RFC 768).
static void udp_sum(struct rte_udp_hdr *udp, uint64_t change)
{
	if (udp->dgram_cksum == 0)
		return;
	udp->dgram_cksum = ip_checksum_apply(udp->dgram_cksum, change);
	if (udp->dgram_cksum == 0)
		udp->dgram_cksum = 0xffff;
}

static void rewrite_udp(
	struct rte_udp_hdr *udp, const struct ip_tuple *was, const struct ip_tuple *to)
{
	udp->src_port = to->sport;
	udp->dst_port = to->dport;
	udp_sum(udp, transport_change(was, to));
}

void steer_rewrite_transport(
	void *l4, unsigned there, const struct ip_tuple *was, const struct ip_tuple *to)
{
	if (was->proto == IPPROTO_UDP)
		rewrite_udp(l4, was, to);
	else
		rewrite_tcp(l4, there, was, to);
}

static void count(struct steer *s, struct steer_flow *f, unsigned direction, uint32_t bytes)
{
	struct steer_member *m = &s->members[f->member];
	struct steer_listen *l = &s->listens[f->listen];

	// Before a member accepts, the SYN lies where the counters will be.
	if (f->flags & (FLOW_SYNACK | FLOW_UDP | FLOW_GATEWAY)) {
		const uint32_t before = f->bytes[direction];

		f->bytes[direction] += bytes;
		if (f->bytes[direction] < before)
			f->bytes_high[direction]++;
	}
	const bool in = direction == FROM_CLIENT;

	base_add(in ? &l->stats.bytes_in : &l->stats.bytes_out, bytes);
	if (!(f->flags & FLOW_GATEWAY))
		base_add(in ? &m->stats.bytes_in : &m->stats.bytes_out, bytes);
}

// The addresses and ports that a packet leaves with.
struct way {
	const struct postern_addr *src, *dst;
	uint16_t sport, dport;
};

static struct way way_to_member(const struct steer *s, const struct steer_flow *f)
{
	const struct steer_member *m = &s->members[f->member];
	const bool destination = f->flags & FLOW_DESTINATION;

	return (struct way){
		.src = destination ? &f->client : &s->nats[f->nat],
		.dst = &m->addr,
		.sport = destination ? f->client_port : f->own_port,
		.dport = f->flags & FLOW_RANGE ? f->own_port : m->port,
	};
}

static struct way way_to_client(const struct steer *s, const struct steer_flow *f)
{
	const struct steer_listen *l = &s->listens[f->listen];

	return (struct way){
		.src = &l->addr,
		.dst = &f->client,
		.sport = f->flags & FLOW_DESTINATION ? f->own_port : l->port,
		.dport = f->client_port,
	};
}

// Without a service: the member leaves with its own address, or with its rule's.
static struct way way_of_gateway(const struct steer *s, const struct steer_flow *f, bool to_member)
{
	const struct postern_addr *member = &s->members[f->member].addr;

	if (to_member)
		return (struct way){&f->client, member, f->client_port, f->member_port};
	return (struct way){
		.src = f->flags & FLOW_DESTINATION ? member : &s->listens[f->listen].addr,
		.dst = &f->client,
		.sport = f->own_port,
		.dport = f->client_port,
	};
}

static inline struct way way_of(const struct steer *s, const struct steer_flow *f, bool to_member)
{
	if (unlikely(f->flags & FLOW_GATEWAY))
		return way_of_gateway(s, f, to_member);
	return to_member ? way_to_member(s, f) : way_to_client(s, f);
}

// Writes addresses into a received header, with a hop less; returns what that changes in the
// sum over the pseudo header.
static uint64_t readdress4(struct rte_ipv4_hdr *h, const struct way *w)
{
	uint64_t change = ip_change_word(0, h->src_addr, w->src->words[3]);

	change = ip_change_word(change, h->dst_addr, w->dst->words[3]);
	h->src_addr = w->src->words[3];
	h->dst_addr = w->dst->words[3];
	// The hop limit is the upper half of its word, so a hop less is 0x0100 less: 0xfeff more.
	h->time_to_live--;
	h->hdr_checksum = ip_checksum_apply(h->hdr_checksum, change + RTE_BE16(0xfeff));
	return change;
}

static uint64_t readdress6(struct rte_ipv6_hdr *h, const struct ip_tuple *was, const struct way *w)
{
	h->hop_limits--;
	memcpy(h->src_addr, w->src->bytes, sizeof(h->src_addr));
	memcpy(h->dst_addr, w->dst->bytes, sizeof(h->dst_addr));
	return ip_change_addr(ip_change_addr(0, &was->src, w->src), &was->dst, w->dst);
}

static void translate(const struct steer_packet *p, const struct way *w)
{
	const struct ip_packet *ip = p->ip;
	void *l3 = rte_pktmbuf_mtod_offset(ip->m, void *, IP_OFFSET);
	uint64_t change =
		ip->family == POSTERN_V4 ? readdress4(l3, w) : readdress6(l3, &ip->tuple, w);

	change = ip_change_half(change, ip->tuple.sport, w->sport);
	change = ip_change_half(change, ip->tuple.dport, w->dport);
	if (likely(ip->tuple.proto == IPPROTO_TCP)) {
		p->tcp->src_port = w->sport;
		p->tcp->dst_port = w->dport;
		p->tcp->cksum = ip_checksum_apply(p->tcp->cksum, change);
		return;
	}
	p->udp->src_port = w->sport;
	p->udp->dst_port = w->dport;
	udp_sum(p->udp, change);
}

// No interface carries less (RFC 8200 5), so nothing shorter is too big for one.
#define NEVER_TOO_BIG 1280u

bool steer_forward(
	struct steer *s, struct steer_flow *f, unsigned direction, struct steer_packet *p)
{
	struct ip_packet *ip = p->ip;
	struct rte_mbuf *m = ip->m;
	const bool to_member = direction == FROM_CLIENT;
	const uint16_t neigh = to_member ? s->members[f->member].neigh : f->neigh;
	const struct way way = way_of(s, f, to_member);

	if (m->pkt_len > NEVER_TOO_BIG && unlikely(ip_is_too_big(s->ip, ip, neigh))) {
		ip_error(s->ip, ip, IP_ERROR_TOO_BIG,
			ip_interface_mtu(s->ip, ip_neigh_interface(s->ip, neigh)),
			POSTERN_COUNTER_DROP_TOO_BIG);
		return false;
	}
	translate(p, &way);
	count(s, f, direction, m->pkt_len - IP_OFFSET);
	if (unlikely(ip->checksum_missing))
		ip_checksum_fill(s->ip, m, ip_neigh_interface(s->ip, neigh), ip->family, ip->l4,
			(uint8_t)ip->tuple.proto);
	return ip_output(s->ip, m, neigh);
}
