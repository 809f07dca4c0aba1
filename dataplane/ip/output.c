// SPDX-License-Identifier: BSD-2-Clause
// Packets on their way out: headers of our own, answers, and the limit on answers.

#include "ip/private.h"

#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

// Answers a second, and at once: resets for a pool's whole clientele that reconnects after a
// restart; neighbours, echoes and errors for a busy link; each little beside what a reflector is worth.
static const uint32_t answers_per_second[IP_ANSWERS] = {
	[IP_ANSWER_NEIGHBOUR] = 2000,
	[IP_ANSWER_ECHO] = 1000,
	[IP_ANSWER_RESET] = 20000,
	[IP_ANSWER_ERROR] = 1000,
};

struct base_bucket (*ip_answers_new(uint16_t interfaces, uint64_t now_us))[IP_ANSWERS]
{
	struct base_bucket(*answers)[IP_ANSWERS] = calloc(interfaces, sizeof(*answers));

	for (unsigned i = 0; answers != NULL && i < interfaces; i++)
		for (unsigned kind = 0; kind < IP_ANSWERS; kind++)
			answers[i][kind] = (struct base_bucket){now_us, answers_per_second[kind]};
	return answers;
}

bool ip_answer_allowed(struct ip_layer *ip, uint16_t interface, enum ip_answer kind)
{
	const uint32_t rate = answers_per_second[kind] / ip->workers;

	if (!base_bucket_take(&ip->answers[interface][kind], ip->now_us, rate, 1000000u, rate)) {
		COUNT(ip->counters, DROP_ANSWER_LIMIT);
		return false;
	}
	return true;
}

uint16_t ip_header_write(void *at, uint8_t family, const struct postern_addr *src,
	const struct postern_addr *dst, uint8_t proto, uint16_t l4_length)
{
	if (family == POSTERN_V4) {
		struct rte_ipv4_hdr *h = at;

		*h = (struct rte_ipv4_hdr){
			.version_ihl = RTE_IPV4_VHL_DEF,
			.total_length = rte_cpu_to_be_16((uint16_t)(sizeof(*h) + l4_length)),
			.fragment_offset = rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG),
			.time_to_live = IP_DEFAULT_TTL,
			.next_proto_id = proto,
			.src_addr = src->words[3],
			.dst_addr = dst->words[3],
		};
		h->hdr_checksum = rte_ipv4_cksum(h);
		return sizeof(*h);
	}
	struct rte_ipv6_hdr *h = at;

	h->vtc_flow = rte_cpu_to_be_32(0x60000000u);
	h->payload_len = rte_cpu_to_be_16(l4_length);
	h->proto = proto;
	h->hop_limits = IP_DEFAULT_TTL;
	memcpy(h->src_addr, src->bytes, sizeof(h->src_addr));
	memcpy(h->dst_addr, dst->bytes, sizeof(h->dst_addr));
	return sizeof(*h);
}

struct rte_mbuf *ip_packet_new(struct ip_layer *ip, uint16_t interface, uint16_t length,
	const struct rte_ether_addr *to, uint16_t ether_type)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(ip->pool);

	if (m == NULL) {
		COUNT(ip->counters, DROP_NO_BUFFER);
		return NULL;
	}
	struct rte_ether_hdr *eth = (void *)rte_pktmbuf_append(m, length);

	memset(eth, 0, length);
	eth->dst_addr = *to;
	eth->src_addr = ip->config->interfaces[interface].mac;
	eth->ether_type = rte_cpu_to_be_16(ether_type);
	return m;
}

const struct postern_addr *ip_interface_addr(
	const struct ip_layer *ip, uint16_t interface, const struct postern_addr *target)
{
	const struct postern_interface *f = ip->config->interfaces[interface].settings;
	const struct postern_addr *any = NULL;

	for (unsigned i = 0; i < f->n_addresses; i++) {
		if (postern_addr_is_v4(&f->addresses[i].addr) != postern_addr_is_v4(target))
			continue;
		if (any == NULL || postern_prefix_contains(&f->addresses[i], target))
			any = &f->addresses[i].addr;
	}
	return any;
}

void ip_reply(struct ip_layer *ip, struct rte_mbuf *m, uint16_t interface)
{
	struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);

	eth->dst_addr = eth->src_addr;
	eth->src_addr = ip->config->interfaces[interface].mac;
	port_tx_push(&ip->tx[interface], m, ip->counters);
}

static void checksum_set(void *header, bool udp, uint16_t checksum)
{
	if (udp)
		((struct rte_udp_hdr *)header)->dgram_cksum = checksum;
	else
		((struct rte_tcp_hdr *)header)->cksum = checksum;
}

void ip_checksum_fill(struct ip_layer *ip, struct rte_mbuf *m, uint16_t interface, uint8_t family,
	uint16_t l4, uint8_t proto)
{
	const void *l3 = rte_pktmbuf_mtod_offset(m, void *, IP_OFFSET);
	void *header = rte_pktmbuf_mtod_offset(m, void *, l4);
	const bool v4 = family == POSTERN_V4;
	const bool udp = proto == IPPROTO_UDP;
	struct rte_ipv6_hdr pseudo;

	if (!v4) {
		pseudo = ip_pseudo6(l3, proto, m->pkt_len - l4);
		l3 = &pseudo;
	}
	checksum_set(header, udp, 0);
	if (!ip->config->interfaces[interface].tx_checksum) {
		checksum_set(header, udp,
			v4 ? rte_ipv4_udptcp_cksum_mbuf(m, l3, l4)
			   : rte_ipv6_udptcp_cksum_mbuf(m, l3, l4));
		return;
	}
	m->l2_len = IP_OFFSET;
	m->l3_len = (l4 - IP_OFFSET) & 0x1ffu;
	m->l4_len = udp ? sizeof(struct rte_udp_hdr)
			: (uint8_t)((((struct rte_tcp_hdr *)header)->data_off >> 4) * 4);
	m->ol_flags |= (udp ? RTE_MBUF_F_TX_UDP_CKSUM : RTE_MBUF_F_TX_TCP_CKSUM) |
		       (v4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6);
	checksum_set(header, udp,
		v4 ? rte_ipv4_phdr_cksum(l3, m->ol_flags) : rte_ipv6_phdr_cksum(l3, m->ol_flags));
}
