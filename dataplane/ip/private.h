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
struct base_bucket (*ip_answers_new(uint16_t interfaces, uint64_t now_us))[IP_ANSWERS];

#define IP_FRAGMENT6 8u // bytes of the IPv6 fragment header

// A walk over extension headers: where it stands, counted from the IPv6 header, which protocol is there,
// and where the byte lies that says so.
struct ip_walk {
	uint16_t at;
	uint16_t next_at;
	uint8_t next;
};

#define IP_WALK_FIRST 6u // the IPv6 header's own Next Header

enum ip_walk_end {
	IP_WALK_FINE, // stands before something else than an extension header, or before a fragment's
	IP_WALK_MALFORMED,
	IP_WALK_ROUTED // a source route
};

// Goes on over `there` bytes from the IPv6 header. On anything but IP_WALK_FINE *w means nothing.
enum ip_walk_end ip_walk(const uint8_t *l3, unsigned there, struct ip_walk *w);

static inline struct ip_walk ip_walk_begin(const uint8_t *l3)
{
	return (struct ip_walk){.at = 40, .next_at = IP_WALK_FIRST, .next = l3[IP_WALK_FIRST]};
}

// To which packet a fragment belongs (RFC 791, RFC 8200 4.5).
struct ip_fragment_key {
	struct postern_addr src, dst;
	uint32_t id;
	uint16_t interface;
	uint16_t proto; // of IPv4; in IPv6 only the first fragment's counts
};

_Static_assert(sizeof(struct ip_fragment_key) == 40, "hashed as it lies, so without gaps");

struct ip_fragment_piece {
	struct rte_mbuf *m;
	uint16_t offset; // in the packet's payload
	uint16_t length;
	uint16_t header; // bytes before it in the frame
};

struct ip_fragment {
	struct ip_fragment_key key;
	struct ip_fragment_piece piece;
	bool more;
};

// reassembly.c
// Keeps a fragment that is sane in itself; takes it. When it was the last that was missing, returns the
// packet, as the first fragment with the payload of the others behind it, and its payload's length.
struct rte_mbuf *ip_fragments_add(
	struct ip_layer *ip, const struct ip_fragment *f, uint32_t *total);
int ip_fragments_init(struct ip_layer *ip);
void ip_fragments_fini(struct ip_layer *ip);
void ip_fragments_poll(struct ip_layer *ip);

// Keeps a fragment. True: the packet is whole, p->m is it, and is to be looked at anew; otherwise the
// fragment has been taken. Addresses and place of the payload are known; of IPv6 the walk stands at
// the fragment header.
bool ip_fragment4(struct ip_layer *ip, struct ip_packet *p, uint8_t proto);
bool ip_fragment6(struct ip_layer *ip, struct ip_packet *p, const struct ip_walk *w);

// The number of the packet that a fragment belongs to.
uint32_t ip_fragment6_id(const struct ip_packet *p, const struct ip_walk *w);

// A number for a packet that we send in fragments. Those of other senders behind one address of ours
// would meet in it.
uint32_t ip_fragment_id(struct ip_layer *ip);

// Sends a packet whose Ethernet header is complete in pieces, or whole in one buffer if it fits. Takes
// it. False: too big, or no buffer (counted).
bool ip_split(struct ip_layer *ip, struct rte_mbuf *m, uint16_t interface, bool v4);

// A neighbour's copy for readers on other threads, whole if `version` is even and the same before and
// after. In words, which are read and written one by one.
struct ip_neigh_copy {
	uint32_t version;
	uint32_t users;
	struct postern_addr addr;
	uint64_t heard_us; // 0: never
	uint16_t interface;
	uint8_t state; // enum postern_neighbour_state
	uint8_t for_client;
	uint8_t mac[6];
	uint8_t spare[6];
};

_Static_assert(sizeof(struct ip_neigh_copy) == 48, "words without gaps");

// neigh_show.c
int ip_neigh_copies_init(struct ip_layer *ip);
void ip_neigh_copies_fini(struct ip_layer *ip);
// Shows a slot as it is now; `version` and `users` are looked after here.
void ip_neigh_show(struct ip_layer *ip, uint16_t slot, const struct ip_neigh_copy *now);
static inline void ip_neigh_show_users(struct ip_layer *ip, uint16_t slot, uint32_t users)
{
	__atomic_store_n(&ip->neigh_copies[slot].users, users, __ATOMIC_RELAXED);
}
// Asks for neighbours that somebody wants to be asked for, some in each turn.
void ip_neigh_flush_some(struct ip_layer *ip);

#define IP_NEIGH_SLOTS 4096u

// neigh.c: asks for a neighbour anew, whoever answers; forgets it if nobody holds it.
void ip_neigh_doubt(struct ip_layer *ip, uint16_t slot);

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
