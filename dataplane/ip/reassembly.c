// SPDX-License-Identifier: BSD-2-Clause
// Reassembly (RFC 791 3.2, RFC 815; RFC 8200 4.5, RFC 5722) of what is for us: the ports, by which a
// packet finds its session, stand in its first fragment alone.
//
// DPDK's own table (rte_ip_frag) is not used: its hash can be aimed at, it refuses new packets when
// it is full instead of giving up the oldest, takes eight fragments a packet, and does not tell why
// one was lost.

#include "base/arena.h"
#include "ip/private.h"

#include <errno.h>
#include <string.h>

// Packets that wait for their rest; who floods us with fragments pushes out the oldest, and fragments of
// one packet follow each other within microseconds.
#define PACKETS 1024u
#define BUCKETS 2048u

// Buffers that they may hold together, besides an eighth of all: two a packet.
#define HELD_MAX 2048u

// 65,535 bytes in fragments of 1280 bytes, the least MTU of IPv6, are 54.
#define PIECES 64u

// Fragments of one packet are sent at once: what is not there after two seconds has been lost. RFC 8200
// gives a host a minute, which it has the memory for.
#define TIME_US 2000000u

#define NONE UINT16_MAX

struct packet {
	struct ip_fragment_key key;
	uint64_t began_us;
	uint32_t total;   // bytes of payload; 0: not known yet
	uint32_t bytes;   // of them here
	uint16_t largest; // fragment, bytes of IP packet
	uint16_t n;
	uint16_t next;         // of its bucket, or free
	uint16_t older, newer; // packets in the order in which they began
	// Not zero: it is given up, and so is what still comes of it (RFC 5722 3).
	uint16_t dead;
	struct ip_fragment_piece pieces[PIECES]; // by offset
};

struct ip_fragments {
	struct packet packets[PACKETS];
	uint16_t buckets[BUCKETS];
	uint16_t free;
	uint16_t oldest, newest;
	uint32_t id; // of what we send in fragments
};

int ip_fragments_init(struct ip_layer *ip)
{
	struct ip_fragments *t = base_arena_map(sizeof(*t));

	if (t == NULL)
		return -ENOMEM;
	memset(t->buckets, 0xff, sizeof(t->buckets));
	for (uint16_t i = 0; i < PACKETS; i++)
		t->packets[i].next = (uint16_t)(i + 1);
	t->packets[PACKETS - 1].next = NONE;
	t->oldest = t->newest = NONE;
	ip->fragments = t;
	return 0;
}

// Each worker's share.
static uint32_t held_max(const struct ip_layer *ip)
{
	return RTE_MIN(HELD_MAX, ip->pool->size / 8) / ip->workers;
}

static uint16_t *bucket_of(const struct ip_layer *ip, const struct ip_fragment_key *key)
{
	const uint64_t hash = base_hash_keyed(&ip->config->secret, key, sizeof(*key));

	return &ip->fragments->buckets[hash % BUCKETS];
}

static struct packet *find(const struct ip_layer *ip, const struct ip_fragment_key *key)
{
	struct ip_fragments *t = ip->fragments;

	for (uint16_t i = *bucket_of(ip, key); i != NONE; i = t->packets[i].next)
		if (memcmp(&t->packets[i].key, key, sizeof(*key)) == 0)
			return &t->packets[i];
	return NULL;
}

static uint16_t index_of(const struct ip_fragments *t, const struct packet *k)
{
	return (uint16_t)(k - t->packets);
}

// Frees the buffers and counts each as dropped.
static void pieces_drop(struct ip_layer *ip, struct packet *k, enum postern_counter reason)
{
	for (unsigned i = 0; i < k->n; i++)
		rte_pktmbuf_free(k->pieces[i].m);
	base_add(&ip->counters->value[reason], k->n);
	ip->fragments_held -= k->n;
	k->n = 0;
}

static void forget(struct ip_layer *ip, struct packet *k)
{
	struct ip_fragments *t = ip->fragments;
	uint16_t *link = bucket_of(ip, &k->key);

	while (*link != index_of(t, k))
		link = &t->packets[*link].next;
	*link = k->next;
	if (k->older != NONE)
		t->packets[k->older].newer = k->newer;
	else
		t->oldest = k->newer;
	if (k->newer != NONE)
		t->packets[k->newer].older = k->older;
	else
		t->newest = k->older;
	k->next = t->free;
	t->free = index_of(t, k);
}

static void give_up_oldest(struct ip_layer *ip, enum postern_counter reason)
{
	struct packet *k = &ip->fragments->packets[ip->fragments->oldest];

	pieces_drop(ip, k, reason);
	forget(ip, k);
}

void ip_fragments_fini(struct ip_layer *ip)
{
	if (ip->fragments == NULL)
		return;
	while (ip->fragments->oldest != NONE)
		give_up_oldest(ip, POSTERN_COUNTER_DROP_FRAGMENT_TIMEOUT);
	base_arena_unmap(ip->fragments, sizeof(*ip->fragments));
	ip->fragments = NULL;
}

void ip_fragments_poll(struct ip_layer *ip)
{
	struct ip_fragments *t = ip->fragments;

	for (unsigned budget = 16; budget > 0 && t->oldest != NONE; budget--) {
		if (ip->now_us - t->packets[t->oldest].began_us < TIME_US)
			return;
		give_up_oldest(ip, POSTERN_COUNTER_DROP_FRAGMENT_TIMEOUT);
	}
}

static struct packet *begin(struct ip_layer *ip, const struct ip_fragment_key *key)
{
	struct ip_fragments *t = ip->fragments;

	if (t->free == NONE)
		give_up_oldest(ip, POSTERN_COUNTER_DROP_FRAGMENT_LIMIT);
	struct packet *k = &t->packets[t->free];
	uint16_t *bucket = bucket_of(ip, key);

	t->free = k->next;
	k->key = *key;
	k->began_us = ip->now_us;
	k->total = k->bytes = 0;
	k->largest = k->n = k->dead = 0;
	k->next = *bucket;
	*bucket = index_of(t, k);
	k->newer = NONE;
	k->older = t->newest;
	if (t->newest != NONE)
		t->packets[t->newest].newer = index_of(t, k);
	else
		t->oldest = index_of(t, k);
	t->newest = index_of(t, k);
	return k;
}

static void kill(struct ip_layer *ip, struct packet *k, enum postern_counter reason)
{
	pieces_drop(ip, k, reason);
	k->dead = (uint16_t)reason;
}

// The reason for which the packet must be given up, or 0: `at` is where the fragment belongs.
static enum postern_counter fault(
	const struct packet *k, const struct ip_fragment_piece *p, bool more, unsigned at)
{
	const uint32_t end = (uint32_t)p->offset + p->length;

	if (at > 0 && (uint32_t)k->pieces[at - 1].offset + k->pieces[at - 1].length > p->offset)
		return POSTERN_COUNTER_DROP_FRAGMENT_OVERLAP;
	if (at < k->n && end > k->pieces[at].offset)
		return POSTERN_COUNTER_DROP_FRAGMENT_OVERLAP;
	// Two ends, or something behind the end.
	if (k->total != 0 && (more ? end > k->total : end != k->total))
		return POSTERN_COUNTER_DROP_FRAGMENT;
	if (!more && at < k->n)
		return POSTERN_COUNTER_DROP_FRAGMENT;
	return k->n == PIECES ? POSTERN_COUNTER_DROP_FRAGMENT_LIMIT : 0;
}

// Puts the fragment where it belongs. False: it has been dropped.
static bool insert(struct ip_layer *ip, struct packet *k, const struct ip_fragment *f)
{
	const struct ip_fragment_piece *p = &f->piece;
	unsigned at = k->n;

	while (at > 0 && k->pieces[at - 1].offset >= p->offset)
		at--;
	// Sent twice on the way: the first counts.
	if (at < k->n && k->pieces[at].offset == p->offset && k->pieces[at].length == p->length) {
		IP_DROP(ip, p->m, FRAGMENT);
		return false;
	}
	const enum postern_counter reason = fault(k, p, f->more, at);

	if (reason != 0) {
		kill(ip, k, reason);
		ip_drop(ip, p->m, reason);
		return false;
	}
	memmove(&k->pieces[at + 1], &k->pieces[at], (k->n - at) * sizeof(*p));
	k->pieces[at] = *p;
	k->n++;
	k->bytes += p->length;
	if (!f->more)
		k->total = (uint32_t)p->offset + p->length;
	k->largest = (uint16_t)RTE_MAX(k->largest, p->m->pkt_len - IP_OFFSET);
	ip->fragments_held++;
	return true;
}

// Chains the pieces behind the first one's headers.
static struct rte_mbuf *chain(struct ip_layer *ip, struct packet *k)
{
	struct rte_mbuf *head = k->pieces[0].m;
	struct rte_mbuf *last = head;

	for (unsigned i = 1; i < k->n; i++) {
		struct rte_mbuf *m = k->pieces[i].m;

		rte_pktmbuf_adj(m, k->pieces[i].header);
		last->next = m;
		last = m;
		head->pkt_len += m->data_len;
		head->nb_segs++;
	}
	// What the port said of the first fragment does not hold for the whole; and to leave it
	// must be cut again, into nothing larger than it came in.
	head->ol_flags = RTE_MBUF_F_TX_UDP_SEG;
	head->tso_segsz = k->largest;
	ip->fragments_held -= k->n;
	k->n = 0;
	COUNT(ip->counters, REASSEMBLED);
	return head;
}

struct rte_mbuf *ip_fragments_add(struct ip_layer *ip, const struct ip_fragment *f, uint32_t *total)
{
	struct packet *k = find(ip, &f->key);

	if (k == NULL)
		k = begin(ip, &f->key);
	if (k->dead != 0) {
		ip_drop(ip, f->piece.m, k->dead);
		return NULL;
	}
	if (!insert(ip, k, f))
		return NULL;
	if (k->total != 0 && k->bytes == k->total) {
		struct rte_mbuf *m = chain(ip, k);

		*total = k->total;
		forget(ip, k);
		return m;
	}
	while (ip->fragments_held > held_max(ip))
		give_up_oldest(ip, POSTERN_COUNTER_DROP_FRAGMENT_LIMIT);
	return NULL;
}

uint32_t ip_fragment_id(struct ip_layer *ip)
{
	struct {
		uint64_t what;
		uint32_t n;
		uint32_t gap;
	} seed = {UINT64_MAX, ip->fragments->id++, 0};

	return (uint32_t)base_hash_keyed(&ip->config->secret, &seed, sizeof(seed));
}
