// SPDX-License-Identifier: BSD-2-Clause
// ARP (RFC 826) for our addresses, announcements and conflicts (RFC 5227).

#include "ip/private.h"

#include <rte_arp.h>

#define ARP_LENGTH (sizeof(struct rte_ether_hdr) + sizeof(struct rte_arp_hdr))

static const struct rte_ether_addr broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

static void send_request(struct ip_layer *ip, uint16_t interface, uint32_t from, uint32_t target,
	const struct rte_ether_addr *to)
{
	struct rte_mbuf *m = ip_packet_new(ip, interface, ARP_LENGTH, to, RTE_ETHER_TYPE_ARP);

	if (m == NULL)
		return;
	struct rte_arp_hdr *h =
		rte_pktmbuf_mtod_offset(m, struct rte_arp_hdr *, sizeof(struct rte_ether_hdr));

	h->arp_hardware = rte_cpu_to_be_16(RTE_ARP_HRD_ETHER);
	h->arp_protocol = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
	h->arp_hlen = RTE_ETHER_ADDR_LEN;
	h->arp_plen = sizeof(uint32_t);
	h->arp_opcode = rte_cpu_to_be_16(RTE_ARP_OP_REQUEST);
	h->arp_data.arp_sha = ip->config->interfaces[interface].mac;
	h->arp_data.arp_sip = from;
	h->arp_data.arp_tip = target;
	port_tx_push(&ip->tx[interface], m, ip->counters);
}

void ip_arp_ask(struct ip_layer *ip, uint16_t interface, const struct postern_addr *target,
	const struct rte_ether_addr *mac)
{
	const struct postern_addr *from = ip_interface_addr(ip, interface, target);

	// Without an address of our own the request is an ARP probe (RFC 5227 2.1.1), which is
	// answered all the same.
	send_request(ip, interface, from != NULL ? from->words[3] : 0, target->words[3],
		mac != NULL ? mac : &broadcast);
}

void ip_arp_announce(struct ip_layer *ip, uint16_t interface, const struct postern_addr *addr)
{
	send_request(ip, interface, addr->words[3], addr->words[3], &broadcast);
}

static bool is_well_formed(const struct rte_mbuf *m, const struct rte_arp_hdr *h)
{
	return m->data_len >= ARP_LENGTH &&
	       h->arp_hardware == rte_cpu_to_be_16(RTE_ARP_HRD_ETHER) &&
	       h->arp_protocol == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4) &&
	       (h->arp_opcode == rte_cpu_to_be_16(RTE_ARP_OP_REQUEST) ||
		       h->arp_opcode == rte_cpu_to_be_16(RTE_ARP_OP_REPLY)) &&
	       h->arp_hlen == RTE_ETHER_ADDR_LEN && h->arp_plen == sizeof(uint32_t) &&
	       !rte_is_multicast_ether_addr(&h->arp_data.arp_sha);
}

// The request becomes the answer where it lies.
static void answer(
	struct ip_layer *ip, struct rte_mbuf *m, struct rte_arp_hdr *h, uint16_t interface)
{
	const uint32_t ours = h->arp_data.arp_tip;

	h->arp_opcode = rte_cpu_to_be_16(RTE_ARP_OP_REPLY);
	h->arp_data.arp_tha = h->arp_data.arp_sha;
	h->arp_data.arp_tip = h->arp_data.arp_sip;
	h->arp_data.arp_sha = ip->config->interfaces[interface].mac;
	h->arp_data.arp_sip = ours;
	COUNT(ip->counters, ARP_ANSWERED);
	ip_reply(ip, m, interface);
}

void ip_arp_input(struct ip_layer *ip, struct rte_mbuf *m, uint16_t interface)
{
	struct rte_arp_hdr *h =
		rte_pktmbuf_mtod_offset(m, struct rte_arp_hdr *, sizeof(struct rte_ether_hdr));

	if (!is_well_formed(m, h)) {
		IP_DROP(ip, m, ARP);
		return;
	}
	const struct postern_addr sender = postern_addr_from_v4(h->arp_data.arp_sip);
	const struct postern_addr target = postern_addr_from_v4(h->arp_data.arp_tip);
	const bool request = h->arp_opcode == rte_cpu_to_be_16(RTE_ARP_OP_REQUEST);
	const struct ip_local *claimed = ip_config_find(ip->config, &sender);
	const struct ip_local *asked = ip_config_find(ip->config, &target);

	if (claimed != NULL) {
		ip_conflict(ip, claimed, &h->arp_data.arp_sha);
		rte_pktmbuf_free(m);
		return;
	}
	// A reply to us proves that both ways work; a request tells an address and no more.
	const bool learned =
		h->arp_data.arp_sip != 0 &&
		ip_neigh_learn(ip, interface, &sender, &h->arp_data.arp_sha,
			request ? IP_LEARN_OVERRIDE : IP_LEARN_OVERRIDE | IP_LEARN_CONFIRMED);

	if (!request || asked == NULL || asked->interface != interface) {
		if (!learned)
			COUNT(ip->counters, ARP_IGNORED);
		rte_pktmbuf_free(m);
		return;
	}
	if (!ip_answer_allowed(ip, interface, IP_ANSWER_NEIGHBOUR)) {
		rte_pktmbuf_free(m);
		return;
	}
	answer(ip, m, h, interface);
}
