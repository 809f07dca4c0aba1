// SPDX-License-Identifier: BSD-2-Clause
// A received packet from its first byte to its transport header: the checks of RFC 1812 5.2.2 and
// RFC 8200, in order, each with its reason.

#include "ip/checksum.h"
#include "ip/private.h"

#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_prefetch.h>

#include <netinet/in.h>
#include <string.h>

#define IPV4_OPTION_END  0
#define IPV4_OPTION_NOP  1
#define IPV4_OPTION_LSRR 131 // loose source route
#define IPV4_OPTION_SSRR 137 // strict source route

#define IPV6_FRAGMENT 44

enum options {
	OPTIONS_FINE,
	OPTIONS_SOURCE_ROUTE,
	OPTIONS_MALFORMED
};

// A source route lets the sender choose a path around the border, so it is refused (RFC 7126
// 4.3, 4.4); other options pass on unread.
static enum options options_look(const struct rte_ipv4_hdr *h, unsigned header)
{
	const uint8_t *o = (const uint8_t *)h + sizeof(*h);
	const uint8_t *const end = (const uint8_t *)h + header;

	while (o < end && *o != IPV4_OPTION_END) {
		if (*o == IPV4_OPTION_NOP) {
			o++;
			continue;
		}
		if (*o == IPV4_OPTION_LSRR || *o == IPV4_OPTION_SSRR)
			return OPTIONS_SOURCE_ROUTE;
		if (end - o < 2 || o[1] < 2 || o[1] > end - o)
			return OPTIONS_MALFORMED;
		o += o[1];
	}
	return OPTIONS_FINE;
}

// Ethernet pads short frames; what stands behind the IP packet is not part of it.
static void trim(struct rte_mbuf *m, uint32_t length)
{
	const uint32_t excess = m->pkt_len - length;

	if (excess > 0 && m->nb_segs == 1)
		rte_pktmbuf_trim(m, (uint16_t)excess);
}

static bool header_sums_up(const struct rte_ipv4_hdr *h)
{
	uint32_t words[15];
	const unsigned n = h->version_ihl & 0xfu;
	uint64_t sum = 0;

	memcpy(words, h, sizeof(*h));
	if (unlikely(n > sizeof(*h) / 4))
		memcpy(words, h, n * 4u);
	for (unsigned i = 0; i < sizeof(*h) / 4; i++)
		sum += words[i];
	for (unsigned i = sizeof(*h) / 4; i < n; i++)
		sum += words[i];
	return ip_checksum_fold(sum) == 0xffff;
}

static bool checksum_is_wrong(const struct rte_mbuf *m, const struct rte_ipv4_hdr *h)
{
	switch (m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) {
	case RTE_MBUF_F_RX_IP_CKSUM_GOOD:
		return false;
	case RTE_MBUF_F_RX_IP_CKSUM_BAD:
		return true;
	default:
		return !header_sums_up(h);
	}
}

bool ip_transport_sums_up(const struct ip_packet *p)
{
	const struct ip_tuple *t = &p->tuple;
	const struct rte_mbuf *m = p->m;

	if (unlikely(m->nb_segs > 1)) {
		const void *l3 = rte_pktmbuf_mtod_offset(m, const void *, IP_OFFSET);
		struct rte_ipv6_hdr pseudo;

		if (p->family == POSTERN_V4)
			return rte_ipv4_udptcp_cksum_mbuf_verify(m, l3, p->l4) == 0;
		pseudo = ip_pseudo6(l3, (uint8_t)t->proto, p->l4_length);
		return rte_ipv6_udptcp_cksum_mbuf_verify(m, &pseudo, p->l4) == 0;
	}
	// The mapped part of IPv4 addresses is 0xffff, which is nothing in one's complement.
	uint64_t sum = ip_sum_quads(t->src.quads[0], t->src.quads[1]);

	sum = ip_sum_quads(sum, ip_sum_quads(t->dst.quads[0], t->dst.quads[1]));
	sum = ip_sum_quads(sum,
		(uint64_t)rte_cpu_to_be_16(p->l4_length) + rte_cpu_to_be_16((uint16_t)t->proto));
	sum = ip_sum_bytes(sum, rte_pktmbuf_mtod_offset(m, const void *, p->l4), p->l4_length);
	return ip_checksum_fold(sum) == 0xffff;
}

// What the port has said of the last fragment is not about the packet.
static bool take_whole(struct ip_packet *p, bool is_whole)
{
	p->reassembled = true;
	p->checksum_missing = false;
	return is_whole;
}

// All fragments of a packet must come to one worker.
static bool is_anybodys(const struct ip_layer *ip, const struct ip_packet *p)
{
	return ip->workers > 1 && !p->handed;
}

static int hand_up(struct ip_packet *p, uint32_t id)
{
	p->tuple.sport = (uint16_t)(id >> 16);
	p->tuple.dport = (uint16_t)id;
	return IP_PROTO_FRAGMENT;
}

static int input_v6(struct ip_layer *ip, struct ip_packet *p);

// Returns the transport protocol, or -1 when the packet has been dropped.
static int input_v4(struct ip_layer *ip, struct ip_packet *p)
{
	struct rte_mbuf *m = p->m;
	const struct rte_ipv4_hdr *h;

	if (m->data_len < IP_OFFSET + sizeof(*h)) {
		IP_DROP(ip, m, TRUNCATED);
		return -1;
	}
	h = rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, IP_OFFSET);
	if (h->version_ihl >> 4 != 4) {
		IP_DROP(ip, m, IP_VERSION);
		return -1;
	}
	const unsigned header = (h->version_ihl & 0xfu) * 4u;
	const unsigned total = rte_be_to_cpu_16(h->total_length);

	if (header < sizeof(*h) || total < header) {
		IP_DROP(ip, m, IP_HEADER);
		return -1;
	}
	if (IP_OFFSET + total > m->pkt_len || IP_OFFSET + header > m->data_len) {
		IP_DROP(ip, m, TRUNCATED);
		return -1;
	}
	if (checksum_is_wrong(m, h)) {
		IP_DROP(ip, m, IP_CHECKSUM);
		return -1;
	}
	const enum options options = header > sizeof(*h) ? options_look(h, header) : OPTIONS_FINE;

	if (options != OPTIONS_FINE) {
		ip_drop(ip, m,
			options == OPTIONS_MALFORMED ? POSTERN_COUNTER_DROP_IP_HEADER
						     : POSTERN_COUNTER_DROP_IP_OPTION);
		return -1;
	}
	p->family = POSTERN_V4;
	p->ttl = h->time_to_live;
	p->l4 = (uint16_t)(IP_OFFSET + header);
	p->l4_length = (uint16_t)(total - header);
	p->tuple.src = postern_addr_from_v4(h->src_addr);
	p->tuple.dst = postern_addr_from_v4(h->dst_addr);
	trim(m, IP_OFFSET + total);
	// More fragments, or an offset: everything but "don't fragment".
	if (likely((h->fragment_offset & ~rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG)) == 0))
		return h->next_proto_id;
	if (is_anybodys(ip, p))
		return hand_up(p, h->packet_id);
	return take_whole(p, ip_fragment4(ip, p, h->next_proto_id)) ? input_v4(ip, p) : -1;
}

static bool is_extension(uint8_t proto)
{
	return proto == 0 || proto == 43 || proto == 60 || proto == IPV6_FRAGMENT;
}

// What lies behind extension headers: returns the transport protocol, or -1.
static int input_extended(struct ip_layer *ip, struct ip_packet *p)
{
	const uint8_t *l3 = rte_pktmbuf_mtod_offset(p->m, const uint8_t *, IP_OFFSET);
	const unsigned payload = p->l4_length;
	const unsigned there = RTE_MIN((unsigned)p->m->data_len - IP_OFFSET,
		(unsigned)sizeof(struct rte_ipv6_hdr) + payload);
	struct ip_walk w = ip_walk_begin(l3);

	switch (ip_walk(l3, there, &w)) {
	case IP_WALK_MALFORMED:
		IP_DROP(ip, p->m, EXTENSION);
		return -1;
	case IP_WALK_ROUTED:
		IP_DROP(ip, p->m, IP_OPTION);
		return -1;
	default:
		break;
	}
	p->l4 = (uint16_t)(IP_OFFSET + w.at);
	p->l4_length = (uint16_t)(payload + sizeof(struct rte_ipv6_hdr) - w.at);
	if (w.next != IPV6_FRAGMENT)
		return w.next;
	// Fragments of fragments are nobody's.
	if (p->reassembled) {
		IP_DROP(ip, p->m, FRAGMENT);
		return -1;
	}
	if (is_anybodys(ip, p))
		return hand_up(p, ip_fragment6_id(p, &w));
	return take_whole(p, ip_fragment6(ip, p, &w)) ? input_v6(ip, p) : -1;
}

static int input_v6(struct ip_layer *ip, struct ip_packet *p)
{
	struct rte_mbuf *m = p->m;
	const struct rte_ipv6_hdr *h;

	if (m->data_len < IP_OFFSET + sizeof(*h)) {
		IP_DROP(ip, m, TRUNCATED);
		return -1;
	}
	h = rte_pktmbuf_mtod_offset(m, const struct rte_ipv6_hdr *, IP_OFFSET);
	if ((h->vtc_flow & rte_cpu_to_be_32(0xf0000000u)) != rte_cpu_to_be_32(0x60000000u)) {
		IP_DROP(ip, m, IP_VERSION);
		return -1;
	}
	const unsigned payload = rte_be_to_cpu_16(h->payload_len);

	if (IP_OFFSET + sizeof(*h) + payload > m->pkt_len) {
		IP_DROP(ip, m, TRUNCATED);
		return -1;
	}
	p->family = POSTERN_V6;
	p->ttl = h->hop_limits;
	p->l4 = IP_OFFSET + sizeof(*h);
	p->l4_length = (uint16_t)payload;
	memcpy(p->tuple.src.bytes, h->src_addr, sizeof(h->src_addr));
	memcpy(p->tuple.dst.bytes, h->dst_addr, sizeof(h->dst_addr));
	// ::ffff:0:0/96 never stands on the wire (RFC 4291 2.5.5.2), and would pass for IPv4 here.
	if (postern_addr_is_v4(&p->tuple.src) || postern_addr_is_v4(&p->tuple.dst)) {
		IP_DROP(ip, m, MARTIAN);
		return -1;
	}
	trim(m, (uint32_t)(IP_OFFSET + sizeof(*h) + payload));
	return unlikely(is_extension(h->proto)) ? input_extended(ip, p) : h->proto;
}

// A TCP segment sent to a whole link is no unicast packet (RFC 9293 MUST-57); of UDP, services that
// answer to groups are none of ours.
static bool is_unicast_frame(const struct rte_mbuf *m)
{
	return !rte_is_multicast_ether_addr(
		&rte_pktmbuf_mtod(m, const struct rte_ether_hdr *)->dst_addr);
}

// True if `p` carries TCP, UDP or an ICMP error and is the caller's; otherwise it has been dealt with.
static bool input_one(struct ip_layer *ip, struct ip_packet *p)
{
	struct rte_mbuf *m = p->m;
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	int proto;

	if (m->data_len < sizeof(*eth)) {
		IP_DROP(ip, m, TRUNCATED);
		return false;
	}
	// No station sends from a group (IEEE 802.3 3.2.3), and answers would go to one.
	if (rte_is_multicast_ether_addr(&eth->src_addr)) {
		IP_DROP(ip, m, MARTIAN);
		return false;
	}
	if (!rte_is_multicast_ether_addr(&eth->dst_addr) &&
		!rte_is_same_ether_addr(
			&eth->dst_addr, &ip->config->interfaces[p->interface].mac)) {
		IP_DROP(ip, m, OTHER_HOST);
		return false;
	}
	switch (eth->ether_type) {
	case RTE_BE16(RTE_ETHER_TYPE_IPV4):
		proto = input_v4(ip, p);
		break;
	case RTE_BE16(RTE_ETHER_TYPE_IPV6):
		proto = input_v6(ip, p);
		break;
	case RTE_BE16(RTE_ETHER_TYPE_ARP):
		ip_arp_input(ip, m, p->interface);
		return false;
	default:
		IP_DROP(ip, m, ETHERTYPE);
		return false;
	}
	if (proto < 0)
		return false;
	m = p->m;
	p->tuple.proto = (uint32_t)proto;
	if (proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IP_PROTO_FRAGMENT) {
		if (is_unicast_frame(m))
			return true;
		IP_DROP(ip, m, OTHER_HOST);
	} else if (proto == IPPROTO_ICMP && p->family == POSTERN_V4) {
		return ip_icmp4_input(ip, p);
	} else if (proto == IPPROTO_ICMPV6 && p->family == POSTERN_V6) {
		return ip_icmp6_input(ip, p);
	} else if (ip_config_find(ip->config, &p->tuple.dst) == NULL) {
		IP_DROP(ip, m, NOT_OURS);
	} else {
		IP_DROP(ip, m, PROTOCOL);
	}
	return false;
}

static unsigned input(struct ip_layer *ip, uint16_t interface, struct rte_mbuf **pkts, unsigned n,
	bool handed, struct ip_packet *out)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(pkts[i], void *));
	for (unsigned i = 0; i < n; i++) {
		struct ip_packet *p = &out[kept];

		p->m = pkts[i];
		p->interface = interface;
		p->handed = handed;
		// A mark of ours, which no port makes (reassembly.c).
		p->reassembled = handed && (pkts[i]->ol_flags & RTE_MBUF_F_TX_UDP_SEG);
		p->checksum_missing = (pkts[i]->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) ==
				      RTE_MBUF_F_RX_L4_CKSUM_NONE;
		kept += input_one(ip, p);
	}
	return kept;
}

unsigned ip_input_again(struct ip_layer *ip, uint16_t interface, struct rte_mbuf **pkts, unsigned n,
	struct ip_packet *out)
{
	return input(ip, interface, pkts, n, true, out);
}

unsigned ip_input(struct ip_layer *ip, uint16_t interface, struct rte_mbuf **pkts, unsigned n,
	struct ip_packet *out)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < n; i++)
		bytes += pkts[i]->pkt_len;
	COUNT_N(ip->counters, RX_PACKETS, n);
	COUNT_N(ip->counters, RX_BYTES, bytes);
	return input(ip, interface, pkts, n, false, out);
}

// Sources that no unicast packet has: "this network", loopback, multicast and reserved in IPv4
// (RFC 1812 5.3.7, RFC 6890); multicast, loopback and unspecified in IPv6 (RFC 4291), and
// link-local ones, which must not be forwarded.
static bool is_martian(const struct postern_addr *a)
{
	if (postern_addr_is_v4(a)) {
		const uint8_t first = a->bytes[12];

		return first == 0 || first == 127 || first >= 224;
	}
	if (a->bytes[0] == 0xff || (a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80))
		return true;
	// ::/127: the upper 127 bits are zero.
	return a->quads[0] == 0 && a->words[2] == 0 && (a->words[3] & ~rte_cpu_to_be_32(1)) == 0;
}

// The broadcast address of one of our own links (RFC 1122 3.2.1.3 (e)).
static bool is_broadcast(const struct ip_layer *ip, const struct postern_addr *a)
{
	for (unsigned i = 0; i < ip->config->n_interfaces; i++) {
		const struct postern_interface *f = ip->config->interfaces[i].settings;

		for (unsigned k = 0; k < f->n_addresses; k++) {
			const struct postern_prefix *p = &f->addresses[k];
			const uint32_t host = p->length < 31 ? UINT32_MAX >> p->length : 0;

			if (host != 0 && postern_addr_is_v4(&p->addr) &&
				postern_prefix_contains(p, a) &&
				(rte_be_to_cpu_32(a->words[3]) & host) == host)
				return true;
		}
	}
	return false;
}

enum ip_source ip_source_fault(const struct ip_layer *ip, const struct postern_addr *src)
{
	if (is_martian(src) || is_broadcast(ip, src))
		return IP_SOURCE_MARTIAN;
	return ip_config_find(ip->config, src) != NULL ? IP_SOURCE_OURS : IP_SOURCE_FINE;
}

bool ip_source_is_acceptable(struct ip_layer *ip, const struct ip_packet *p)
{
	switch (ip_source_fault(ip, &p->tuple.src)) {
	case IP_SOURCE_MARTIAN:
		COUNT(ip->counters, DROP_MARTIAN);
		return false;
	case IP_SOURCE_OURS:
		COUNT(ip->counters, DROP_SPOOFED);
		return false;
	default:
		return true;
	}
}

bool ip_is_acceptable(struct ip_layer *ip, const struct ip_packet *p)
{
	if (ip_config_find(ip->config, &p->tuple.dst) == NULL) {
		COUNT(ip->counters, DROP_NOT_OURS);
		return false;
	}
	return ip_source_is_acceptable(ip, p);
}
