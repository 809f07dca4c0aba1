// SPDX-License-Identifier: BSD-2-Clause
// ICMP and ICMPv6: echo to our own addresses (RFC 792, RFC 4443 4.2), the way to neighbour discovery,
// and errors, which whoever keeps the sessions must look into.

#include "ip/checksum.h"
#include "ip/private.h"

#include <rte_icmp.h>
#include <rte_ip.h>

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>

// The reply differs from the request by its type alone, which is the upper half of the first
// 16-bit word.
static void answer_echo(struct rte_icmp_hdr *h, uint8_t was, uint8_t is)
{
	const uint64_t change = ip_change_half(
		0, rte_cpu_to_be_16((uint16_t)(was << 8)), rte_cpu_to_be_16((uint16_t)(is << 8)));

	h->icmp_type = is;
	h->icmp_cksum = ip_checksum_apply(h->icmp_cksum, change);
}

static bool may_answer(struct ip_layer *ip, const struct ip_packet *p)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(p->m, const struct rte_ether_hdr *);

	// An echo to a whole link would make every station answer at once (RFC 1122 3.2.2.6).
	if (rte_is_multicast_ether_addr(&eth->dst_addr)) {
		COUNT(ip->counters, DROP_ICMP);
		return false;
	}
	return ip_is_acceptable(ip, p) && ip_answer_allowed(ip, p->interface, IP_ANSWER_ECHO);
}

// An error that came to a group concerns nobody.
static bool is_unicast(const struct rte_mbuf *m)
{
	return !rte_is_multicast_ether_addr(
		&rte_pktmbuf_mtod(m, const struct rte_ether_hdr *)->dst_addr);
}

static void echo4(struct ip_layer *ip, struct ip_packet *p)
{
	struct rte_mbuf *m = p->m;

	if (!may_answer(ip, p)) {
		rte_pktmbuf_free(m);
		return;
	}
	struct rte_ipv4_hdr *iph = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, IP_OFFSET);

	iph->src_addr = p->tuple.dst.words[3];
	iph->dst_addr = p->tuple.src.words[3];
	iph->time_to_live = IP_DEFAULT_TTL;
	iph->hdr_checksum = 0;
	iph->hdr_checksum = rte_ipv4_cksum(iph);
	answer_echo(rte_pktmbuf_mtod_offset(m, struct rte_icmp_hdr *, p->l4),
		RTE_IP_ICMP_ECHO_REQUEST, RTE_IP_ICMP_ECHO_REPLY);
	COUNT(ip->counters, ECHO_ANSWERED);
	ip_reply(ip, m, p->interface);
}

bool ip_icmp4_input(struct ip_layer *ip, struct ip_packet *p)
{
	struct rte_mbuf *m = p->m;
	const struct rte_icmp_hdr *h =
		rte_pktmbuf_mtod_offset(m, const struct rte_icmp_hdr *, p->l4);

	if (p->l4_length < sizeof(*h) || p->l4 + p->l4_length > m->data_len ||
		rte_raw_cksum(h, p->l4_length) != 0xffff) {
		IP_DROP(ip, m, ICMP);
		return false;
	}
	switch (h->icmp_type) {
	case RTE_IP_ICMP_ECHO_REQUEST:
		if (h->icmp_code != 0)
			break;
		echo4(ip, p);
		return false;
	case ICMP_UNREACH:
	case ICMP_TIMXCEED:
	case ICMP_PARAMPROB:
		if (is_unicast(m))
			return true;
		break;
	default: // source quench is dead (RFC 6633), redirects are not for routers
		break;
	}
	IP_DROP(ip, m, ICMP);
	return false;
}

static void echo6(struct ip_layer *ip, struct ip_packet *p)
{
	struct rte_mbuf *m = p->m;
	struct rte_ipv6_hdr *iph = rte_pktmbuf_mtod_offset(m, struct rte_ipv6_hdr *, IP_OFFSET);

	if (!may_answer(ip, p)) {
		rte_pktmbuf_free(m);
		return;
	}
	// Exchanging the addresses leaves the pseudo header's sum as it is.
	memcpy(iph->src_addr, p->tuple.dst.bytes, sizeof(iph->src_addr));
	memcpy(iph->dst_addr, p->tuple.src.bytes, sizeof(iph->dst_addr));
	iph->hop_limits = IP_DEFAULT_TTL;
	answer_echo(rte_pktmbuf_mtod_offset(m, struct rte_icmp_hdr *, p->l4), ICMP6_ECHO_REQUEST,
		ICMP6_ECHO_REPLY);
	COUNT(ip->counters, ECHO_ANSWERED);
	ip_reply(ip, m, p->interface);
}

static bool checksum_is_right(const struct rte_ipv6_hdr *iph, const void *l4, uint16_t length)
{
	const struct rte_ipv6_hdr pseudo = ip_pseudo6(iph, IPPROTO_ICMPV6, length);
	const uint32_t sum = (uint32_t)rte_ipv6_phdr_cksum(&pseudo, 0) + rte_raw_cksum(l4, length);

	return (sum & 0xffff) + (sum >> 16) == 0xffff;
}

void ip_icmp_sum(const void *l3, uint8_t family, void *icmp, uint16_t length)
{
	struct rte_icmp_hdr *h = icmp;
	uint32_t sum = 0;

	h->icmp_cksum = 0;
	if (family == POSTERN_V6) {
		const struct rte_ipv6_hdr pseudo = ip_pseudo6(l3, IPPROTO_ICMPV6, length);

		sum = rte_ipv6_phdr_cksum(&pseudo, 0);
	}
	sum += rte_raw_cksum(icmp, length);
	h->icmp_cksum = (uint16_t) ~((sum & 0xffff) + (sum >> 16));
}

bool ip_icmp6_input(struct ip_layer *ip, struct ip_packet *p)
{
	struct rte_mbuf *m = p->m;
	const struct rte_ipv6_hdr *iph =
		rte_pktmbuf_mtod_offset(m, const struct rte_ipv6_hdr *, IP_OFFSET);
	const struct rte_icmp_hdr *h =
		rte_pktmbuf_mtod_offset(m, const struct rte_icmp_hdr *, p->l4);

	if (p->l4_length < sizeof(*h) || p->l4 + p->l4_length > m->data_len ||
		!checksum_is_right(iph, h, p->l4_length)) {
		IP_DROP(ip, m, ICMP);
		return false;
	}
	switch (h->icmp_type) {
	case ND_NEIGHBOR_SOLICIT:
	case ND_NEIGHBOR_ADVERT:
		// RFC 6980 5
		if (p->reassembled) {
			IP_DROP(ip, m, ND);
			return false;
		}
		ip_nd_input(ip, p);
		return false;
	case ICMP6_ECHO_REQUEST:
		if (h->icmp_code == 0) {
			echo6(ip, p);
			return false;
		}
		break;
	case ICMP6_DST_UNREACH:
	case ICMP6_PACKET_TOO_BIG:
	case ICMP6_TIME_EXCEEDED:
	case ICMP6_PARAM_PROB:
		if (is_unicast(m))
			return true;
		break;
	default:
		break;
	}
	IP_DROP(ip, m, ICMP);
	return false;
}
