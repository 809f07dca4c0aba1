// SPDX-License-Identifier: BSD-2-Clause
// Fragments (RFC 791 3.2; RFC 8200 4.5): which are kept, what must be in each, and the header of the
// packet that they become.

#include "ip/private.h"

#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include <netinet/in.h>
#include <string.h>

// A packet's largest payload: the length fields have 16 bits.
#define BYTES_MAX 65535u

// Where ports are needed: what is for us, and, when we are the members' router, what they send to
// clients, which comes in by where they are reached.
static bool is_wanted(struct ip_layer *ip, struct ip_packet *p)
{
	struct postern_addr next_hop;
	uint16_t interface;

	if (rte_is_multicast_ether_addr(
		    &rte_pktmbuf_mtod(p->m, const struct rte_ether_hdr *)->dst_addr)) {
		COUNT(ip->counters, DROP_OTHER_HOST);
		return false;
	}
	if (!ip->config->forwards)
		return ip_is_acceptable(ip, p);
	if (!ip_source_is_acceptable(ip, p))
		return false;
	if (ip_config_find(ip->config, &p->tuple.dst) != NULL ||
		(ip_route(ip, &p->tuple.src, p->interface, &interface, &next_hop) == 0 &&
			interface == p->interface))
		return true;
	COUNT(ip->counters, DROP_NOT_OURS);
	return false;
}

// The first fragment holds the whole transport header, lest a filter be passed by what it does not
// see (RFC 1858, RFC 7112 5).
static bool is_whole(uint8_t proto, const uint8_t *l4, unsigned length)
{
	const struct rte_tcp_hdr *tcp = (const void *)l4;

	if (proto != IPPROTO_TCP)
		return length >= sizeof(struct rte_udp_hdr);
	return length >= sizeof(*tcp) && length >= (tcp->data_off >> 4) * 4u;
}

// Length and place of a fragment, whatever else it holds. False: it has been dropped.
static bool is_sane(struct ip_layer *ip, const struct ip_fragment *f, unsigned headers)
{
	const struct ip_fragment_piece *p = &f->piece;

	if (p->m->nb_segs == 1 && p->length > 0 && (!f->more || p->length % 8 == 0) &&
		headers + p->offset + p->length <= BYTES_MAX)
		return true;
	IP_DROP(ip, p->m, FRAGMENT);
	return false;
}

static struct ip_fragment fragment_of(const struct ip_packet *p, uint32_t id, uint16_t proto)
{
	return (struct ip_fragment){
		.key = {p->tuple.src, p->tuple.dst, id, p->interface, proto},
		.piece = {.m = p->m, .header = p->l4, .length = p->l4_length},
	};
}

bool ip_fragment4(struct ip_layer *ip, struct ip_packet *p, uint8_t proto)
{
	struct rte_ipv4_hdr *h = rte_pktmbuf_mtod_offset(p->m, struct rte_ipv4_hdr *, IP_OFFSET);
	const uint16_t field = rte_be_to_cpu_16(h->fragment_offset);
	const uint16_t header = (uint16_t)(p->l4 - IP_OFFSET);
	struct ip_fragment f = fragment_of(p, h->packet_id, proto);
	uint32_t total;

	f.piece.offset = (uint16_t)((field & RTE_IPV4_HDR_OFFSET_MASK) * 8u);
	f.more = field & RTE_IPV4_HDR_MF_FLAG;
	if (!is_wanted(ip, p)) {
		rte_pktmbuf_free(p->m);
		return false;
	}
	if (!is_sane(ip, &f, header))
		return false;
	if (f.piece.offset == 0 &&
		!is_whole(proto, rte_pktmbuf_mtod_offset(p->m, uint8_t *, p->l4), p->l4_length)) {
		IP_DROP(ip, p->m, FRAGMENT_TINY);
		return false;
	}
	p->m = ip_fragments_add(ip, &f, &total);
	if (p->m == NULL)
		return false;
	h = rte_pktmbuf_mtod_offset(p->m, struct rte_ipv4_hdr *, IP_OFFSET);
	const uint32_t length = (h->version_ihl & 0xfu) * 4u + total;

	// The first one's header may be longer than those of the rest were.
	if (length > BYTES_MAX) {
		IP_DROP(ip, p->m, FRAGMENT);
		return false;
	}
	h->total_length = rte_cpu_to_be_16((uint16_t)length);
	h->fragment_offset &= rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG);
	h->hdr_checksum = 0;
	h->hdr_checksum = rte_ipv4_cksum(h);
	return true;
}

// Takes the fragment header out from between the headers before it and what it carries.
static void strip6(struct rte_mbuf *m, const struct ip_walk *w, uint8_t next, uint32_t length)
{
	uint8_t *l3 = rte_pktmbuf_mtod_offset(m, uint8_t *, IP_OFFSET);
	struct rte_ipv6_hdr *h = (void *)l3;

	l3[w->next_at] = next;
	h->payload_len = rte_cpu_to_be_16((uint16_t)(w->at - sizeof(*h) + length));
	memmove(l3 - IP_OFFSET + IP_FRAGMENT6, l3 - IP_OFFSET, IP_OFFSET + w->at);
	rte_pktmbuf_adj(m, IP_FRAGMENT6);
}

// True if the chain of headers that the first fragment goes on with ends in a whole transport header.
static bool is_whole6(const struct ip_packet *p, uint8_t next, unsigned at)
{
	const uint8_t *l3 = rte_pktmbuf_mtod_offset(p->m, const uint8_t *, IP_OFFSET);
	const unsigned there = at + p->l4_length;
	struct ip_walk w = {.next = next, .next_at = (uint16_t)at, .at = (uint16_t)at};

	return ip_walk(l3, there, &w) == IP_WALK_FINE && is_whole(w.next, l3 + w.at, there - w.at);
}

uint32_t ip_fragment6_id(const struct ip_packet *p, const struct ip_walk *w)
{
	const uint32_t at =
		IP_OFFSET + w->at + (uint32_t)offsetof(struct rte_ipv6_fragment_ext, id);
	uint32_t id = 0;

	// One that is too short for it is dropped wherever it goes.
	if (at + sizeof(id) <= p->m->data_len)
		memcpy(&id, rte_pktmbuf_mtod_offset(p->m, void *, at), sizeof(id));
	return id;
}

bool ip_fragment6(struct ip_layer *ip, struct ip_packet *p, const struct ip_walk *at)
{
	const struct rte_ipv6_fragment_ext *h = rte_pktmbuf_mtod_offset(
		p->m, const struct rte_ipv6_fragment_ext *, IP_OFFSET + at->at);
	struct ip_walk w = *at;
	uint32_t total;

	if (!is_wanted(ip, p)) {
		rte_pktmbuf_free(p->m);
		return false;
	}
	if (p->l4_length < sizeof(*h) || p->l4 + sizeof(*h) > p->m->data_len) {
		IP_DROP(ip, p->m, FRAGMENT);
		return false;
	}
	const uint16_t field = rte_be_to_cpu_16(h->frag_data);
	uint8_t next = h->next_header;

	p->l4 = (uint16_t)(p->l4 + sizeof(*h));
	p->l4_length = (uint16_t)(p->l4_length - sizeof(*h));
	struct ip_fragment f = fragment_of(p, h->id, 0);

	f.piece.offset = (uint16_t)(field & ~7u);
	f.more = field & RTE_IPV6_EHDR_MF_MASK;
	if (!is_sane(ip, &f, w.at - (unsigned)sizeof(struct rte_ipv6_hdr)))
		return false;
	if (f.piece.offset == 0 && !is_whole6(p, next, p->l4 - (unsigned)IP_OFFSET)) {
		IP_DROP(ip, p->m, FRAGMENT_TINY);
		return false;
	}
	// Whole in itself (RFC 6946): it has nothing to do with others of the same number.
	if (f.piece.offset == 0 && !f.more) {
		strip6(p->m, &w, next, f.piece.length);
		p->m->ol_flags = RTE_MBUF_F_TX_UDP_SEG;
		p->m->tso_segsz = (uint16_t)(p->m->pkt_len - IP_OFFSET);
		return true;
	}
	p->m = ip_fragments_add(ip, &f, &total);
	if (p->m == NULL)
		return false;
	// The headers before the first fragment's count, and may differ from this one's.
	const uint8_t *l3 = rte_pktmbuf_mtod_offset(p->m, const uint8_t *, IP_OFFSET);

	w = ip_walk_begin(l3);
	ip_walk(l3, p->m->data_len - (unsigned)IP_OFFSET, &w);
	if (w.at - sizeof(struct rte_ipv6_hdr) + total > BYTES_MAX) {
		IP_DROP(ip, p->m, FRAGMENT);
		return false;
	}
	next = l3[w.at];
	strip6(p->m, &w, next, total);
	return true;
}
