// SPDX-License-Identifier: BSD-2-Clause
// What the files of this folder share and nobody else sees.

#pragma once

#include "ip/ip.h"

// Received packets that are ours to answer; each takes the packet. True: an error about another packet,
// which is the caller's.
void ip_arp_input(struct ip_layer *ip, struct rte_mbuf *m, uint16_t interface);
bool ip_icmp4_input(struct ip_layer *ip, struct ip_packet *p);
bool ip_icmp6_input(struct ip_layer *ip, struct ip_packet *p);
void ip_nd_input(struct ip_layer *ip, struct ip_packet *p);

// Asks for an IPv4 or IPv6 neighbour: broadcast or to the solicited-node group if `mac` is NULL,
// otherwise of that station alone.
void ip_arp_ask(struct ip_layer *ip, uint16_t interface, const struct postern_addr *target,
	const struct rte_ether_addr *mac);
void ip_nd_ask(struct ip_layer *ip, uint16_t interface, const struct postern_addr *target,
	const struct rte_ether_addr *mac);

// Tells everybody on the link where an address of ours is.
void ip_arp_announce(struct ip_layer *ip, uint16_t interface, const struct postern_addr *addr);
void ip_nd_announce(struct ip_layer *ip, uint16_t interface, const struct postern_addr *addr);

// Full buckets for each interface; freed with free(). NULL when memory is refused.
struct ip_bucket (*ip_answers_new(uint16_t interfaces, uint64_t now_us))[IP_ANSWERS];

int ip_neigh_init(struct ip_layer *ip, uint64_t now_us);
void ip_neigh_fini(struct ip_layer *ip);
void ip_neigh_poll(struct ip_layer *ip);

// How much to believe of what a neighbour says (RFC 4861 7.2.5).
#define IP_LEARN_OVERRIDE  0x1u // it may replace an address that is known
#define IP_LEARN_CONFIRMED 0x2u // it answers a question of ours

// A neighbour has said where it is. Only entries that exist are updated: who is never asked for
// cannot fill the table. False if there is no such entry.
bool ip_neigh_learn(struct ip_layer *ip, uint16_t interface, const struct postern_addr *addr,
	const struct rte_ether_addr *mac, unsigned how);

// Another station claims an address of ours: counted, and answered with an announcement at most every
// ten seconds (RFC 5227 2.4 (c)). Frames of our own that come back are none.
void ip_conflict(
	struct ip_layer *ip, const struct ip_local *claimed, const struct rte_ether_addr *by);

// An empty packet of `length` bytes with an Ethernet header of ours; NULL when buffers have run
// out (counted).
struct rte_mbuf *ip_packet_new(struct ip_layer *ip, uint16_t interface, uint16_t length,
	const struct rte_ether_addr *to, uint16_t ether_type);

// Some address of ours of that family on an interface, to ask from; NULL if there is none.
const struct postern_addr *ip_interface_addr(
	const struct ip_layer *ip, uint16_t interface, const struct postern_addr *target);

static inline void ip_drop(struct ip_layer *ip, struct rte_mbuf *m, enum postern_counter reason)
{
	base_add(&ip->counters->value[reason], 1);
	rte_pktmbuf_free(m);
}

#define IP_DROP(ip, m, reason) ip_drop(ip, m, POSTERN_COUNTER_DROP_##reason)
