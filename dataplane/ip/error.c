// SPDX-License-Identifier: BSD-2-Clause
// ICMP and ICMPv6 errors of our own about packets that cannot go on (RFC 792, RFC 1812 4.3,
// RFC 4443 2.4).

#include "ip/private.h"

#include <rte_ip.h>

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <string.h>

// Behind the four bytes that all ICMP messages begin with, errors have one word of their own.
#define HEADER 8u

// An error is so large at most, its IP header included: RFC 1812 4.3.2.3, RFC 4443 2.4 (c).
static const uint16_t largest[POSTERN_FAMILIES] = {576, 1280};

struct kind {
	uint8_t type, code;
};

static const struct kind kinds[IP_ERRORS][POSTERN_FAMILIES] = {
	[IP_ERROR_TOO_BIG] = {{ICMP_UNREACH, ICMP_UNREACH_NEEDFRAG}, {ICMP6_PACKET_TOO_BIG, 0}},
	[IP_ERROR_TTL] = {{ICMP_TIMXCEED, ICMP_TIMXCEED_INTRANS},
		{ICMP6_TIME_EXCEEDED, ICMP6_TIME_EXCEED_TRANSIT}},
	[IP_ERROR_PROHIBITED] = {{ICMP_UNREACH, ICMP_UNREACH_FILTER_PROHIB},
		{ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_ADMIN}},
	[IP_ERROR_PORT] = {{ICMP_UNREACH, ICMP_UNREACH_PORT},
		{ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOPORT}},
};

// From whom: who was asked, if that is us, else the interface that the packet came in by.
static const struct postern_addr *source_of(const struct ip_layer *ip, const struct ip_packet *p)
{
	if (ip_config_find(ip->config, &p->tuple.dst) != NULL)
		return &p->tuple.dst;
	return ip_interface_addr(ip, p->interface, &p->tuple.src);
}

// Nothing is said to a group, about what was sent to one, or to a source that cannot be (RFC 1122
// 3.2.2). Errors and fragments but the first, which nothing may be said about either, never come here.
static const struct postern_addr *may_say(const struct ip_layer *ip, const struct ip_packet *p)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(p->m, const struct rte_ether_hdr *);

	if (rte_is_multicast_ether_addr(&eth->dst_addr) ||
		ip_source_fault(ip, &p->tuple.src) != IP_SOURCE_FINE)
		return NULL;
	return source_of(ip, p);
}

static uint16_t quote_length(const struct ip_packet *p)
{
	const unsigned header =
		p->family == POSTERN_V4 ? sizeof(struct rte_ipv4_hdr) : sizeof(struct rte_ipv6_hdr);
	const unsigned whole = (unsigned)p->l4 - IP_OFFSET + p->l4_length;
	const unsigned there = (unsigned)p->m->data_len - IP_OFFSET;
	const unsigned room = largest[p->family] - header - HEADER;

	return (uint16_t)RTE_MIN(RTE_MIN(whole, there), room);
}

static void send_error(struct ip_layer *ip, const struct ip_packet *p,
	const struct postern_addr *from, const struct kind *kind, uint32_t word)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(p->m, const struct rte_ether_hdr *);
	const bool v4 = p->family == POSTERN_V4;
	const uint8_t proto = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	const uint16_t header = v4 ? sizeof(struct rte_ipv4_hdr) : sizeof(struct rte_ipv6_hdr);
	const uint16_t quote = quote_length(p);
	const uint16_t length = (uint16_t)(HEADER + quote);
	struct rte_mbuf *m =
		ip_packet_new(ip, p->interface, (uint16_t)(IP_OFFSET + header + length),
			&eth->src_addr, v4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6);

	if (m == NULL)
		return;
	void *l3 = rte_pktmbuf_mtod_offset(m, void *, IP_OFFSET);
	uint8_t *icmp = rte_pktmbuf_mtod_offset(m, uint8_t *, IP_OFFSET + header);
	const uint32_t be = rte_cpu_to_be_32(word);

	ip_header_write(l3, p->family, from, &p->tuple.src, proto, length);
	icmp[0] = kind->type;
	icmp[1] = kind->code;
	memcpy(icmp + 4, &be, sizeof(be));
	memcpy(icmp + HEADER, rte_pktmbuf_mtod_offset(p->m, void *, IP_OFFSET), quote);
	ip_icmp_sum(l3, p->family, icmp, length);
	COUNT(ip->counters, ERROR_SENT);
	port_tx_push(&ip->tx[p->interface], m, ip->counters);
}

void ip_error(struct ip_layer *ip, struct ip_packet *p, enum ip_error error, uint16_t mtu,
	enum postern_counter reason)
{
	const struct postern_addr *from = may_say(ip, p);

	if (from == NULL || ip_answer_allowed(ip, p->interface, IP_ANSWER_ERROR)) {
		base_add(&ip->counters->value[reason], 1);
		if (from != NULL)
			send_error(ip, p, from, &kinds[error][p->family], mtu);
	}
	rte_pktmbuf_free(p->m);
}
