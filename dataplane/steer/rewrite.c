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
static void rewrite_udp(
	struct rte_udp_hdr *udp, const struct ip_tuple *was, const struct ip_tuple *to)
{
	udp->src_port = to->sport;
	udp->dst_port = to->dport;
	if (udp->dgram_cksum == 0)
		return;
	udp->dgram_cksum = ip_checksum_apply(udp->dgram_cksum, transport_change(was, to));
	if (udp->dgram_cksum == 0)
		udp->dgram_cksum = 0xffff;
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

bool steer_forward(
	struct steer *s, struct steer_flow *f, unsigned direction, struct steer_packet *p)
{
	struct ip_packet *ip = p->ip;
	struct rte_mbuf *m = ip->m;
	void *l3 = rte_pktmbuf_mtod_offset(m, void *, IP_OFFSET);
	const bool to_member = direction == FROM_CLIENT;
	const uint16_t neigh = to_member ? s->members[f->member].neigh : f->neigh;
	struct ip_tuple to;

	if (unlikely(ip_is_too_big(s->ip, ip, neigh))) {
		ip_error(s->ip, ip, IP_ERROR_TOO_BIG,
			ip_interface_mtu(s->ip, ip_neigh_interface(s->ip, neigh)),
			POSTERN_COUNTER_DROP_TOO_BIG);
		return false;
	}
	steer_flow_tuple_to(s, f, to_member ? FROM_MEMBER : FROM_CLIENT, &to);
	steer_rewrite_transport(p->tcp, ip->l4_length, &ip->tuple, &to);
	steer_rewrite_ip(l3, ip->family, &to, 1);
	count(s, f, direction, m->pkt_len - IP_OFFSET);
	if (unlikely(ip->checksum_missing))
		ip_checksum_fill(s->ip, m, ip_neigh_interface(s->ip, neigh), ip->family, ip->l4,
			(uint8_t)to.proto);
	return ip_output(s->ip, m, neigh);
}
