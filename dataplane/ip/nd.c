// SPDX-License-Identifier: BSD-2-Clause
// Neighbour discovery (RFC 4861) for our addresses: solicitations answered, next hops asked for,
// addresses announced. Router discovery is not used: gateways stand in the configuration.

#include "ip/private.h"

#include <rte_ip.h>

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <string.h>

#define HOP_LIMIT 255 // RFC 4861 7.1: proves that the sender is on the link

// Solicitation and advertisement, which share their shape (RFC 4861 4.3, 4.4). Behind an Ethernet
// header words lie at odd halves.
struct nd_message {
	uint8_t type;
	uint8_t code;
	uint16_t checksum;
	uint32_t flags; // of an advertisement, in wire order
	uint8_t target[16];
} __attribute__((packed, aligned(2)));

_Static_assert(sizeof(struct nd_message) == 24, "as on the wire");

// Link-layer address option: type, length in units of eight bytes, six bytes of address.
struct lladdr_option {
	uint8_t type;
	uint8_t length;
	struct rte_ether_addr mac;
};

_Static_assert(sizeof(struct lladdr_option) == 8, "as on the wire");

#define ND_LENGTH                                                                                  \
	(IP_OFFSET + sizeof(struct rte_ipv6_hdr) + sizeof(struct nd_message) +                     \
		sizeof(struct lladdr_option))

static const struct postern_addr all_nodes = {.bytes = {0xff, 0x02, [15] = 1}};

// ff02::1:ffXX:XXXX with the last 24 bits of the address (RFC 4291 2.7.1).
static struct postern_addr solicited_node(const struct postern_addr *a)
{
	struct postern_addr group = {.bytes = {0xff, 0x02, [11] = 1, [12] = 0xff}};

	memcpy(&group.bytes[13], &a->bytes[13], 3);
	return group;
}

// 33:33 and the last 32 bits of the group (RFC 2464 7).
static struct rte_ether_addr group_mac(const struct postern_addr *group)
{
	struct rte_ether_addr mac = {{0x33, 0x33}};

	memcpy(&mac.addr_bytes[2], &group->bytes[12], 4);
	return mac;
}

static bool is_multicast(const struct postern_addr *a)
{
	return a->bytes[0] == 0xff;
}

// Writes and sends a solicitation or an advertisement with our link-layer address.
static void send_nd(struct ip_layer *ip, uint16_t interface, uint8_t type, uint32_t flags,
	const struct postern_addr *src, const struct postern_addr *dst,
	const struct rte_ether_addr *mac, const struct postern_addr *target)
{
	struct rte_mbuf *m = ip_packet_new(ip, interface, ND_LENGTH, mac, RTE_ETHER_TYPE_IPV6);
	const uint16_t length = ND_LENGTH - IP_OFFSET - sizeof(struct rte_ipv6_hdr);

	if (m == NULL)
		return;
	struct rte_ipv6_hdr *iph = rte_pktmbuf_mtod_offset(m, struct rte_ipv6_hdr *, IP_OFFSET);
	struct nd_message *nd = (void *)(iph + 1);
	struct lladdr_option *option = (void *)(nd + 1);

	ip_header_write(iph, POSTERN_V6, src, dst, IPPROTO_ICMPV6, length);
	iph->hop_limits = HOP_LIMIT;
	nd->type = type;
	nd->flags = flags;
	memcpy(nd->target, target->bytes, sizeof(nd->target));
	option->type =
		type == ND_NEIGHBOR_SOLICIT ? ND_OPT_SOURCE_LINKADDR : ND_OPT_TARGET_LINKADDR;
	option->length = 1;
	option->mac = ip->config->interfaces[interface].mac;
	nd->checksum = rte_ipv6_udptcp_cksum(iph, nd);
	port_tx_push(&ip->tx[interface], m, ip->counters);
}

void ip_nd_ask(struct ip_layer *ip, uint16_t interface, const struct postern_addr *target,
	const struct rte_ether_addr *mac)
{
	const struct postern_addr *from = ip_interface_addr(ip, interface, target);
	const struct postern_addr group = solicited_node(target);
	const struct rte_ether_addr to = group_mac(&group);

	// RFC 4861 7.2.2 wants a source address of the interface; without one nobody can be asked.
	if (from == NULL)
		return;
	send_nd(ip, interface, ND_NEIGHBOR_SOLICIT, 0, from, mac != NULL ? target : &group,
		mac != NULL ? mac : &to, target);
}

void ip_nd_announce(struct ip_layer *ip, uint16_t interface, const struct postern_addr *addr)
{
	const struct rte_ether_addr to = group_mac(&all_nodes);

	send_nd(ip, interface, ND_NEIGHBOR_ADVERT, ND_NA_FLAG_OVERRIDE, addr, &all_nodes, &to,
		addr);
}

// Walks the options (RFC 4861 4.6) for a link-layer address of the wanted type. Returns false if
// the list is malformed; *mac is NULL when there is none.
static bool find_lladdr(
	const uint8_t *o, size_t left, uint8_t type, const struct rte_ether_addr **mac)
{
	*mac = NULL;
	while (left > 0) {
		if (left < 8 || o[1] == 0 || (size_t)o[1] * 8 > left)
			return false;
		if (o[0] == type && o[1] == 1)
			*mac = (const struct rte_ether_addr *)(const void *)(o + 2);
		left -= (size_t)o[1] * 8;
		o += (size_t)o[1] * 8;
	}
	return true;
}

// RFC 4861 7.2.3, 7.2.4.
static void solicit_input(struct ip_layer *ip, struct ip_packet *p,
	const struct postern_addr *target, const struct rte_ether_addr *mac)
{
	const struct ip_local *asked = ip_config_find(ip->config, target);
	const struct ip_local *claimed = ip_config_find(ip->config, &p->tuple.src);
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(p->m, const struct rte_ether_hdr *);
	const bool probe = postern_addr_is_none(&p->tuple.src);
	const struct postern_addr group = solicited_node(target);

	// Duplicate address detection goes to the solicited-node group and carries no address.
	if (probe && (mac != NULL || !postern_addr_equal(&p->tuple.dst, &group))) {
		COUNT(ip->counters, DROP_ND);
		return;
	}
	if (claimed != NULL) {
		ip_conflict(ip, claimed, &eth->src_addr);
		return;
	}
	if (asked == NULL || asked->interface != p->interface) {
		COUNT(ip->counters, ND_IGNORED);
		return;
	}
	if (!ip_answer_allowed(ip, p->interface, IP_ANSWER_NEIGHBOUR))
		return;
	COUNT(ip->counters, ND_ANSWERED);
	if (probe) {
		// Somebody is about to take our address; the answer tells him not to.
		if (!rte_is_same_ether_addr(
			    &eth->src_addr, &ip->config->interfaces[p->interface].mac))
			COUNT(ip->counters, SEEN_ADDRESS_CONFLICT);
		ip_nd_announce(ip, p->interface, target);
		return;
	}
	if (mac != NULL)
		ip_neigh_learn(ip, p->interface, &p->tuple.src, mac, IP_LEARN_OVERRIDE);
	send_nd(ip, p->interface, ND_NEIGHBOR_ADVERT, ND_NA_FLAG_SOLICITED | ND_NA_FLAG_OVERRIDE,
		target, &p->tuple.src, mac != NULL ? mac : &eth->src_addr, target);
}

// RFC 4861 7.1.2, 7.2.5.
static void advert_input(struct ip_layer *ip, const struct ip_packet *p,
	const struct postern_addr *target, const struct rte_ether_addr *mac, uint32_t flags)
{
	const struct ip_local *claimed = ip_config_find(ip->config, target);
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(p->m, const struct rte_ether_hdr *);
	unsigned how = 0;

	if ((flags & ND_NA_FLAG_SOLICITED) && is_multicast(&p->tuple.dst)) {
		COUNT(ip->counters, DROP_ND);
		return;
	}
	if (claimed != NULL) {
		ip_conflict(ip, claimed, &eth->src_addr);
		return;
	}
	if (flags & ND_NA_FLAG_OVERRIDE)
		how |= IP_LEARN_OVERRIDE;
	if (flags & ND_NA_FLAG_SOLICITED)
		how |= IP_LEARN_CONFIRMED;
	// The answer to a unicast question may leave the address out (RFC 4861 4.4): it is known.
	if (!ip_neigh_learn(ip, p->interface, target, mac, how))
		COUNT(ip->counters, ND_IGNORED);
}

void ip_nd_input(struct ip_layer *ip, struct ip_packet *p)
{
	const struct nd_message *nd =
		rte_pktmbuf_mtod_offset(p->m, const struct nd_message *, p->l4);
	const struct rte_ether_addr *mac;
	struct postern_addr target;

	// RFC 4861 7.1.1, 7.1.2; the checksum has been verified.
	if (p->ttl != HOP_LIMIT || p->l4_length < sizeof(*nd) || nd->code != 0) {
		IP_DROP(ip, p->m, ND);
		return;
	}
	const bool solicit = nd->type == ND_NEIGHBOR_SOLICIT;

	memcpy(target.bytes, nd->target, sizeof(target.bytes));
	if (is_multicast(&target) || is_multicast(&p->tuple.src) ||
		!find_lladdr((const uint8_t *)(nd + 1), p->l4_length - sizeof(*nd),
			solicit ? ND_OPT_SOURCE_LINKADDR : ND_OPT_TARGET_LINKADDR, &mac) ||
		(mac != NULL && rte_is_multicast_ether_addr(mac))) {
		IP_DROP(ip, p->m, ND);
		return;
	}
	if (solicit)
		solicit_input(ip, p, &target, mac);
	else
		advert_input(ip, p, &target, mac, nd->flags);
	rte_pktmbuf_free(p->m);
}
