// SPDX-License-Identifier: BSD-2-Clause
// The neighbour table: next hops that sessions and members use, where they are, and the few
// packets that wait for them. RFC 4861 7.3 in short, for ARP as well: resolving, reachable,
// probing, failed.

#include "base/arena.h"
#include "ip/private.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

// Next hops are gateways, members and partners on the link itself: a few. 4096 leave room for a
// link that is full of clients, who may not have them all.
#define TABLE_SIZE  IP_NEIGH_SLOTS
#define CLIENT_SIZE 3072u
#define BUCKETS     4096u

// Packets that wait for one neighbour, and for all: a resolution takes less than a millisecond
// when it succeeds, and the buffers must not all wait when it does not.
#define WAITING_PER_ENTRY 4u
#define WAITING_IN_ALL    256u

#define ASK_INTERVAL_US 1000000u  // RetransTimer, RFC 4861 10
#define ASK_TRIES       3u        // MAX_MULTICAST_SOLICIT, MAX_UNICAST_SOLICIT
#define REACHABLE_US    30000000u // REACHABLE_TIME
#define FAILED_US       3000000u  // packets are dropped at once for so long, then it is asked anew

#define TIMER_SHIFT 13 // ticks of 8 ms

enum state {
	FREE = POSTERN_NEIGHBOUR_NONE,
	RESOLVING = POSTERN_NEIGHBOUR_RESOLVING,
	REACHABLE = POSTERN_NEIGHBOUR_REACHABLE,
	PROBING = POSTERN_NEIGHBOUR_PROBING,
	FAILED = POSTERN_NEIGHBOUR_FAILED,
};

// What each packet needs lies in one cache line.
struct ip_neigh {
	struct postern_addr addr;
	struct rte_ether_hdr header; // of what is sent there, once it is known where that is
	uint16_t interface;
	uint8_t state;
	uint8_t tries;
	uint8_t n_waiting;
	bool for_client;
	uint16_t next; // in its bucket, or in the free list
	uint32_t refs;
	struct base_wheel_node timer;
	uint64_t heard_us; // when it last said where it is; 0: never
	struct rte_mbuf *waiting[WAITING_PER_ENTRY];
} __rte_cache_aligned;

#define NIL UINT16_MAX

static uint16_t *bucket_of(struct ip_layer *ip, uint16_t interface, const struct postern_addr *a)
{
	const uint64_t h =
		base_hash_keyed(&ip->config->secret, a->bytes, sizeof(a->bytes)) + interface;

	return &ip->neigh_buckets[h % BUCKETS];
}

int ip_neigh_init(struct ip_layer *ip, uint64_t now_us)
{
	ip->neigh = base_arena_map(TABLE_SIZE * sizeof(*ip->neigh));
	ip->neigh_buckets = base_arena_map(BUCKETS * sizeof(*ip->neigh_buckets));
	if (ip->neigh == NULL || ip->neigh_buckets == NULL || ip_neigh_copies_init(ip) < 0) {
		ip_neigh_fini(ip);
		return -ENOMEM;
	}
	memset(ip->neigh_buckets, 0xff, BUCKETS * sizeof(*ip->neigh_buckets));
	for (unsigned i = 0; i < TABLE_SIZE; i++)
		ip->neigh[i].next = i + 1 < TABLE_SIZE ? (uint16_t)(i + 1) : NIL;
	ip->neigh_free = 0;
	base_wheel_init(
		&ip->neigh_wheel, &ip->neigh[0].timer, sizeof(*ip->neigh), TIMER_SHIFT, now_us);
	return 0;
}

static void waiting_drop(struct ip_layer *ip, struct ip_neigh *n, enum postern_counter reason)
{
	for (unsigned i = 0; i < n->n_waiting; i++) {
		ip->neigh_waiting = (uint16_t)(ip->neigh_waiting - n->waiting[i]->nb_segs);
		ip_drop(ip, n->waiting[i], reason);
	}
	n->n_waiting = 0;
}

void ip_neigh_fini(struct ip_layer *ip)
{
	for (unsigned i = 0; ip->neigh != NULL && i < TABLE_SIZE; i++)
		waiting_drop(ip, &ip->neigh[i], POSTERN_COUNTER_DROP_NEIGHBOUR_FAILED);
	base_arena_unmap(ip->neigh, TABLE_SIZE * sizeof(*ip->neigh));
	base_arena_unmap(ip->neigh_buckets, BUCKETS * sizeof(*ip->neigh_buckets));
	ip_neigh_copies_fini(ip);
	ip->neigh = NULL;
	ip->neigh_buckets = NULL;
}

static uint16_t index_of(const struct ip_layer *ip, const struct ip_neigh *n)
{
	return (uint16_t)(n - ip->neigh);
}

static void state_set(struct ip_layer *ip, struct ip_neigh *n, enum state state)
{
	n->state = (uint8_t)state;
	struct ip_neigh_copy c = {
		.addr = n->addr,
		.heard_us = n->heard_us,
		.interface = n->interface,
		.state = n->state,
		.for_client = n->for_client,
	};

	memcpy(c.mac, n->header.dst_addr.addr_bytes, sizeof(c.mac));
	ip_neigh_show(ip, index_of(ip, n), &c);
}

static struct ip_neigh *find(struct ip_layer *ip, uint16_t interface, const struct postern_addr *a)
{
	for (uint16_t i = *bucket_of(ip, interface, a); i != NIL; i = ip->neigh[i].next)
		if (ip->neigh[i].interface == interface &&
			postern_addr_equal(&ip->neigh[i].addr, a))
			return &ip->neigh[i];
	return NULL;
}

static void ask(struct ip_layer *ip, struct ip_neigh *n, bool unicast)
{
	const struct rte_ether_addr *to = unicast ? &n->header.dst_addr : NULL;

	n->tries++;
	if (postern_addr_is_v4(&n->addr))
		ip_arp_ask(ip, n->interface, &n->addr, to);
	else
		ip_nd_ask(ip, n->interface, &n->addr, to);
	base_wheel_arm(&ip->neigh_wheel, index_of(ip, n), ip->now_us + ASK_INTERVAL_US);
}

static void resolve(struct ip_layer *ip, struct ip_neigh *n)
{
	state_set(ip, n, RESOLVING);
	n->tries = 0;
	ask(ip, n, false);
}

static void entry_free(struct ip_layer *ip, struct ip_neigh *n)
{
	uint16_t *at = bucket_of(ip, n->interface, &n->addr);
	const uint16_t i = index_of(ip, n);

	while (*at != i)
		at = &ip->neigh[*at].next;
	*at = n->next;
	waiting_drop(ip, n, POSTERN_COUNTER_DROP_NEIGHBOUR_FAILED);
	base_wheel_cancel(&ip->neigh_wheel, i);
	n->heard_us = 0;
	state_set(ip, n, FREE);
	if (n->for_client)
		ip->neigh_clients--;
	n->next = ip->neigh_free;
	ip->neigh_free = i;
}

// An entry that nobody holds gives way; a few are looked at, from where the last search ended.
static bool reclaim(struct ip_layer *ip)
{
	for (unsigned i = 0; i < 64; i++) {
		struct ip_neigh *n = &ip->neigh[ip->neigh_hand];

		ip->neigh_hand = (uint16_t)((ip->neigh_hand + 1) % TABLE_SIZE);
		if (n->refs == 0 && n->state != FREE) {
			entry_free(ip, n);
			return true;
		}
	}
	return false;
}

static struct ip_neigh *entry_new(struct ip_layer *ip, uint16_t interface,
	const struct postern_addr *addr, enum ip_neigh_for whom)
{
	const bool for_client = whom == IP_NEIGH_CLIENT;

	if ((ip->neigh_free == NIL || (for_client && ip->neigh_clients >= CLIENT_SIZE)) &&
		!reclaim(ip)) {
		COUNT(ip->counters, DROP_NEIGHBOUR_TABLE);
		return NULL;
	}
	uint16_t *bucket = bucket_of(ip, interface, addr);
	struct ip_neigh *n = &ip->neigh[ip->neigh_free];

	ip->neigh_free = n->next;
	n->addr = *addr;
	n->interface = interface;
	n->refs = 0;
	n->heard_us = 0;
	n->for_client = for_client;
	n->next = *bucket;
	*bucket = index_of(ip, n);
	ip->neigh_clients = (uint16_t)(ip->neigh_clients + for_client);
	resolve(ip, n);
	return n;
}

uint16_t ip_neigh_hold(struct ip_layer *ip, uint16_t interface, const struct postern_addr *addr,
	enum ip_neigh_for whom)
{
	struct ip_neigh *n = find(ip, interface, addr);

	if (n == NULL)
		n = entry_new(ip, interface, addr, whom);
	if (n == NULL)
		return IP_NEIGH_NONE;
	n->refs++;
	ip_neigh_show_users(ip, index_of(ip, n), n->refs);
	return index_of(ip, n);
}

void ip_neigh_release(struct ip_layer *ip, uint16_t neigh)
{
	// The entry stays until its timer finds that nobody holds it: the next session of the
	// same partner is spared the question.
	if (neigh == IP_NEIGH_NONE)
		return;
	ip->neigh[neigh].refs--;
	ip_neigh_show_users(ip, neigh, ip->neigh[neigh].refs);
}

uint16_t ip_neigh_interface(const struct ip_layer *ip, uint16_t neigh)
{
	return ip->neigh[neigh].interface;
}

static void header_set(
	const struct ip_layer *ip, struct ip_neigh *n, const struct rte_ether_addr *mac)
{
	n->header.dst_addr = *mac;
	n->header.src_addr = ip->config->interfaces[n->interface].mac;
	n->header.ether_type = postern_addr_is_v4(&n->addr) ? RTE_BE16(RTE_ETHER_TYPE_IPV4)
							    : RTE_BE16(RTE_ETHER_TYPE_IPV6);
}

static inline bool transmit(struct ip_layer *ip, const struct ip_neigh *n, struct rte_mbuf *m)
{
	memcpy(rte_pktmbuf_mtod(m, void *), &n->header, sizeof(n->header));
	if (unlikely((m->ol_flags & RTE_MBUF_F_TX_UDP_SEG) ||
		     m->pkt_len > (uint32_t)ip->config->interfaces[n->interface].mtu + IP_OFFSET))
		return ip_split(ip, m, n->interface, postern_addr_is_v4(&n->addr));
	port_tx_push(&ip->tx[n->interface], m, ip->counters);
	return true;
}

bool ip_output(struct ip_layer *ip, struct rte_mbuf *m, uint16_t neigh)
{
	struct ip_neigh *n = &ip->neigh[neigh];

	switch (n->state) {
	case REACHABLE:
	case PROBING:
		return transmit(ip, n, m);
	case RESOLVING:
		if (n->n_waiting < WAITING_PER_ENTRY &&
			ip->neigh_waiting + m->nb_segs <= WAITING_IN_ALL) {
			n->waiting[n->n_waiting++] = m;
			ip->neigh_waiting = (uint16_t)(ip->neigh_waiting + m->nb_segs);
			return true;
		}
		IP_DROP(ip, m, NEIGHBOUR_PENDING);
		return false;
	default:
		IP_DROP(ip, m, NEIGHBOUR_FAILED);
		return true;
	}
}

bool ip_finish_output(struct ip_layer *ip, struct rte_mbuf *m, uint16_t neigh)
{
	const struct ip_neigh *n = &ip->neigh[neigh];

	ip_checksum_fill(ip, m, n->interface,
		postern_addr_is_v4(&n->addr) ? POSTERN_V4 : POSTERN_V6,
		(uint16_t)(m->l2_len + m->l3_len), IPPROTO_TCP);
	return ip_output(ip, m, neigh);
}

static void waiting_send(struct ip_layer *ip, struct ip_neigh *n)
{
	for (unsigned i = 0; i < n->n_waiting; i++) {
		ip->neigh_waiting = (uint16_t)(ip->neigh_waiting - n->waiting[i]->nb_segs);
		transmit(ip, n, n->waiting[i]);
	}
	n->n_waiting = 0;
}

static void reachable(struct ip_layer *ip, struct ip_neigh *n)
{
	state_set(ip, n, REACHABLE);
	n->tries = 0;
	base_wheel_arm(&ip->neigh_wheel, index_of(ip, n), ip->now_us + REACHABLE_US);
}

// What is known but not confirmed is used and soon asked for again (STALE and DELAY of RFC 4861).
static void unconfirmed(struct ip_layer *ip, struct ip_neigh *n)
{
	state_set(ip, n, PROBING);
	n->tries = 0;
	base_wheel_arm(&ip->neigh_wheel, index_of(ip, n), ip->now_us + ASK_INTERVAL_US);
}

static bool learn(struct ip_layer *ip, uint16_t interface, const struct postern_addr *addr,
	const struct rte_ether_addr *mac, unsigned how)
{
	struct ip_neigh *n = find(ip, interface, addr);

	if (n == NULL)
		return false;
	const bool known = n->state == REACHABLE || n->state == PROBING;

	// RFC 4861 7.2.5: without an address nothing can begin.
	if (!known && mac == NULL)
		return true;
	const bool differs =
		known && mac != NULL && !rte_is_same_ether_addr(mac, &n->header.dst_addr);

	if (differs && !(how & IP_LEARN_OVERRIDE)) {
		if (n->state == REACHABLE)
			unconfirmed(ip, n);
		return true;
	}
	if (mac != NULL)
		header_set(ip, n, mac);
	n->heard_us = ip->now_us;
	if (how & IP_LEARN_CONFIRMED)
		reachable(ip, n);
	else if (!known || differs)
		unconfirmed(ip, n);
	else
		state_set(ip, n, n->state);
	waiting_send(ip, n);
	return true;
}

bool ip_neigh_learn(struct ip_layer *ip, uint16_t interface, const struct postern_addr *addr,
	const struct rte_ether_addr *mac, unsigned how)
{
	if (ip->shares && ip->n_learnt < IP_LEARNT_MAX) {
		struct ip_learnt *l = &ip->learnt[ip->n_learnt++];

		*l = (struct ip_learnt){.addr = *addr, .interface = interface, .how = how};
		l->has_mac = mac != NULL;
		if (mac != NULL)
			l->mac = *mac;
	}
	return learn(ip, interface, addr, mac, how);
}

void ip_learn(struct ip_layer *ip, const struct ip_learnt *l)
{
	learn(ip, l->interface, &l->addr, l->has_mac ? &l->mac : NULL, l->how);
}

void ip_neigh_doubt(struct ip_layer *ip, uint16_t slot)
{
	struct ip_neigh *n = &ip->neigh[slot];

	if (n->state == FREE || n->state == RESOLVING)
		return;
	if (n->refs == 0) {
		entry_free(ip, n);
	} else if (n->state == FAILED) {
		resolve(ip, n);
	} else {
		// Of everybody, so that a station that has taken over is heard, too.
		state_set(ip, n, PROBING);
		n->tries = 0;
		ask(ip, n, false);
	}
}

static void entry_expired(struct ip_layer *ip, struct ip_neigh *n)
{
	if (n->refs == 0 && n->state != RESOLVING) {
		entry_free(ip, n);
		return;
	}
	switch (n->state) {
	case REACHABLE:
		state_set(ip, n, PROBING);
		n->tries = 0;
		ask(ip, n, true);
		return;
	case PROBING:
		if (n->tries < ASK_TRIES)
			ask(ip, n, true);
		else
			resolve(ip, n);
		return;
	case RESOLVING:
		if (n->tries < ASK_TRIES) {
			ask(ip, n, false);
			return;
		}
		state_set(ip, n, FAILED);
		waiting_drop(ip, n, POSTERN_COUNTER_DROP_NEIGHBOUR_FAILED);
		base_wheel_arm(&ip->neigh_wheel, index_of(ip, n), ip->now_us + FAILED_US);
		return;
	default:
		resolve(ip, n);
	}
}

void ip_neigh_poll(struct ip_layer *ip)
{
	unsigned budget = 16; // a turn's share; timers of this table never hurry

	for (;;) {
		const uint32_t i = base_wheel_expire(&ip->neigh_wheel, ip->now_us, &budget);

		if (i == BASE_WHEEL_NONE)
			return;
		entry_expired(ip, &ip->neigh[i]);
	}
}
