// SPDX-License-Identifier: BSD-2-Clause
// The peers of running workers. Drivers of DPDK receive nothing and send to nowhere here; their
// callbacks put packets in and take them out, on the worker's own thread.

#include "wire.h"

#include <rte_arp.h>
#include <rte_ethdev.h>
#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_spinlock.h>
#include <rte_tcp.h>

#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define PORTS    2
#define OUTSIDE  0
#define INSIDE   1
#define QUEUES   8
#define ROOM     1024 // packets that wait in a queue; further ones are lost, as on a wire
#define FRAME    160
#define OPEN     200         // clients that have a session at once
#define LOST     4096        // one turn in so many begins a session for one whose packet was lost
#define CLIENTS  0xc6120000u // 198.18.0.0
#define SERVICE  0xcb007114u // 203.0.113.20
#define OWN      0xcb00710au // 203.0.113.10
#define SIP_PORT 5061

struct frame {
	uint16_t length;
	uint8_t bytes[FRAME];
};

struct inbox {
	rte_spinlock_t lock;
	unsigned first, count;
	struct frame frames[ROOM];
};

static struct inbox inboxes[PORTS][QUEUES];
static unsigned n_queues;
static struct rte_mempool *pool;
static struct wire_counts counts; // relaxed: any worker
static uint32_t next_client;      // likewise
static bool open_more;            // likewise

static void count(uint64_t *what)
{
	__atomic_fetch_add(what, 1, __ATOMIC_RELAXED);
}

static void put(unsigned port, const struct frame *f)
{
	// Which queue it is follows from nothing that the packet says.
	struct inbox *in = &inboxes[port][(unsigned)rte_rdtsc() % 1021 % n_queues];

	rte_spinlock_lock(&in->lock);
	if (in->count < ROOM)
		in->frames[(in->first + in->count++) % ROOM] = *f;
	rte_spinlock_unlock(&in->lock);
}

static unsigned get(unsigned port, unsigned queue, struct rte_mbuf **pkts, unsigned max)
{
	struct inbox *in = &inboxes[port][queue];
	unsigned n = 0;

	rte_spinlock_lock(&in->lock);
	while (n < max && in->count > 0) {
		const struct frame *f = &in->frames[in->first];
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

		if (m == NULL)
			break;
		memcpy(rte_pktmbuf_append(m, f->length), f->bytes, f->length);
		m->port = (uint16_t)port;
		pkts[n++] = m;
		in->first = (in->first + 1) % ROOM;
		in->count--;
	}
	rte_spinlock_unlock(&in->lock);
	return n;
}

static struct rte_ether_hdr *ether(struct frame *f, unsigned port, uint16_t type)
{
	struct rte_ether_hdr *eth = (struct rte_ether_hdr *)f->bytes;

	memset(f, 0, sizeof(*f));
	rte_eth_macaddr_get((uint16_t)port, &eth->dst_addr);
	eth->src_addr = (struct rte_ether_addr){{2, 0, 0, 0, 0, (uint8_t)port}};
	eth->ether_type = rte_cpu_to_be_16(type);
	return eth;
}

static struct rte_ipv4_hdr *ip(
	struct frame *f, unsigned port, uint32_t src, uint32_t dst, uint8_t proto, unsigned l4)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(ether(f, port, RTE_ETHER_TYPE_IPV4) + 1);

	ip->version_ihl = 0x45;
	ip->total_length = rte_cpu_to_be_16((uint16_t)(sizeof(*ip) + l4));
	ip->time_to_live = 64;
	ip->next_proto_id = proto;
	ip->src_addr = rte_cpu_to_be_32(src);
	ip->dst_addr = rte_cpu_to_be_32(dst);
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	f->length = (uint16_t)(RTE_ETHER_HDR_LEN + sizeof(*ip) + l4);
	return ip;
}

struct segment {
	uint32_t src, dst;
	uint16_t sport, dport;
	uint32_t seq, ack;
	uint8_t flags;
	uint16_t payload;
};

static void tcp(unsigned port, const struct segment *s)
{
	struct frame f;
	struct rte_ipv4_hdr *h =
		ip(&f, port, s->src, s->dst, IPPROTO_TCP, sizeof(struct rte_tcp_hdr) + s->payload);
	struct rte_tcp_hdr *t = (struct rte_tcp_hdr *)(h + 1);

	t->src_port = rte_cpu_to_be_16(s->sport);
	t->dst_port = rte_cpu_to_be_16(s->dport);
	t->sent_seq = rte_cpu_to_be_32(s->seq);
	t->recv_ack = rte_cpu_to_be_32(s->ack);
	t->data_off = 5 << 4;
	t->tcp_flags = s->flags;
	t->rx_win = rte_cpu_to_be_16(8000);
	t->cksum = rte_ipv4_udptcp_cksum(h, t);
	put(port, &f);
}

static void ping(uint32_t client)
{
	struct frame f;
	struct rte_ipv4_hdr *h = ip(&f, OUTSIDE, client, OWN, IPPROTO_ICMP, 8);
	struct rte_icmp_hdr *icmp = (struct rte_icmp_hdr *)(h + 1);

	icmp->icmp_type = RTE_IP_ICMP_ECHO_REQUEST;
	icmp->icmp_cksum = (uint16_t)~rte_raw_cksum(icmp, sizeof(*icmp));
	put(OUTSIDE, &f);
}

static void client_begin(void)
{
	const uint32_t n = __atomic_fetch_add(&next_client, 1, __ATOMIC_RELAXED);
	const struct segment syn = {
		.src = CLIENTS + n % 5000,
		.dst = SERVICE,
		.sport = (uint16_t)(1024 + n % 60000),
		.dport = SIP_PORT,
		.seq = n * 65536,
		.flags = RTE_TCP_SYN_FLAG,
	};

	count(&counts.begun);
	tcp(OUTSIDE, &syn);
	if (n % 16 == 0)
		ping(syn.src);
}

// What both have in common: an answer in the other direction that acknowledges everything.
static struct segment answer(const struct segment *s, uint8_t flags, uint16_t payload)
{
	const bool counts_one = s->flags & (RTE_TCP_SYN_FLAG | RTE_TCP_FIN_FLAG);

	return (struct segment){
		.src = s->dst,
		.dst = s->src,
		.sport = s->dport,
		.dport = s->sport,
		.seq = s->ack,
		.ack = s->seq + s->payload + counts_one,
		.flags = flags,
		.payload = payload,
	};
}

// A client sends 32 bytes, gets them back, closes and is done when the member has closed too.
static void client_got(const struct segment *s)
{
	struct segment a = answer(s, RTE_TCP_ACK_FLAG, 0);

	if (s->flags & RTE_TCP_RST_FLAG) {
		count(&counts.reset);
	} else if (s->flags & RTE_TCP_SYN_FLAG) {
		tcp(OUTSIDE, &a);
		a.flags |= RTE_TCP_PSH_FLAG;
		a.payload = 32;
		tcp(OUTSIDE, &a);
	} else if (s->flags & RTE_TCP_FIN_FLAG) {
		tcp(OUTSIDE, &a);
		count(&counts.ended);
	} else if (s->payload > 0) {
		a.flags |= RTE_TCP_FIN_FLAG;
		tcp(OUTSIDE, &a);
	}
}

static void member_got(const struct segment *s)
{
	struct segment a = answer(s, RTE_TCP_ACK_FLAG, s->payload);

	if (s->flags & RTE_TCP_RST_FLAG)
		return;
	if (s->flags & (RTE_TCP_SYN_FLAG | RTE_TCP_FIN_FLAG))
		a.flags |= s->flags;
	else if (s->payload == 0)
		return;
	tcp(INSIDE, &a);
}

static void asked(unsigned port, const struct rte_arp_hdr *arp)
{
	const struct rte_arp_ipv4 *q = &arp->arp_data;
	struct frame f;

	if (arp->arp_opcode != rte_cpu_to_be_16(RTE_ARP_OP_REQUEST) || q->arp_sip == q->arp_tip)
		return;
	const struct rte_ether_hdr *eth = ether(&f, port, RTE_ETHER_TYPE_ARP);
	struct rte_arp_hdr *a = (struct rte_arp_hdr *)(f.bytes + RTE_ETHER_HDR_LEN);

	*a = *arp;
	a->arp_opcode = rte_cpu_to_be_16(RTE_ARP_OP_REPLY);
	a->arp_data = (struct rte_arp_ipv4){
		.arp_sha = eth->src_addr,
		.arp_sip = q->arp_tip,
		.arp_tha = q->arp_sha,
		.arp_tip = q->arp_sip,
	};
	f.length = 60;
	put(port, &f);
}

static void sent(unsigned port, const struct rte_mbuf *m)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	const struct rte_ipv4_hdr *h = (const struct rte_ipv4_hdr *)(eth + 1);
	const struct rte_tcp_hdr *t = (const struct rte_tcp_hdr *)(h + 1);

	if (eth->ether_type == rte_cpu_to_be_16(RTE_ETHER_TYPE_ARP)) {
		asked(port, rte_pktmbuf_mtod_offset(m, const struct rte_arp_hdr *, sizeof(*eth)));
		return;
	}
	if (eth->ether_type != rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4))
		return;
	if (h->next_proto_id == IPPROTO_ICMP)
		count(&counts.answered);
	if (h->next_proto_id != IPPROTO_TCP)
		return;
	const struct segment s = {
		.src = rte_be_to_cpu_32(h->src_addr),
		.dst = rte_be_to_cpu_32(h->dst_addr),
		.sport = rte_be_to_cpu_16(t->src_port),
		.dport = rte_be_to_cpu_16(t->dst_port),
		.seq = rte_be_to_cpu_32(t->sent_seq),
		.ack = rte_be_to_cpu_32(t->recv_ack),
		.flags = t->tcp_flags,
		.payload = (uint16_t)(rte_be_to_cpu_16(h->total_length) - sizeof(*h) -
				      (t->data_off >> 4) * 4u),
	};

	if (port == OUTSIDE)
		client_got(&s);
	else
		member_got(&s);
}

static bool may_begin(void)
{
	const struct wire_counts c = wire_read();

	return __atomic_load_n(&open_more, __ATOMIC_RELAXED) &&
	       ((int64_t)(c.begun - c.ended - c.reset) < OPEN || (uint32_t)rte_rdtsc() % LOST == 0);
}

static uint16_t receive(
	uint16_t port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n, uint16_t max, void *user)
{
	(void)user;
	if (port == OUTSIDE && may_begin())
		client_begin();
	return (uint16_t)(n + get(port, queue, pkts + n, max - n));
}

static uint16_t transmit(
	uint16_t port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n, void *user)
{
	(void)queue;
	(void)user;
	for (uint16_t i = 0; i < n; i++)
		sent(port, pkts[i]);
	return n;
}

void wire_begin(unsigned queues)
{
	n_queues = queues < QUEUES ? queues : QUEUES;
	pool = rte_mempool_lookup("buffers");
	__atomic_store_n(&open_more, true, __ATOMIC_RELAXED);
	for (uint16_t port = 0; port < PORTS; port++)
		for (uint16_t q = 0; q < n_queues; q++)
			if (pool == NULL || !rte_eth_add_rx_callback(port, q, receive, NULL) ||
				!rte_eth_add_tx_callback(port, q, transmit, NULL))
				abort();
}

void wire_end(void)
{
	__atomic_store_n(&open_more, false, __ATOMIC_RELAXED);
}

struct wire_counts wire_read(void)
{
	return (struct wire_counts){
		.begun = __atomic_load_n(&counts.begun, __ATOMIC_RELAXED),
		.ended = __atomic_load_n(&counts.ended, __ATOMIC_RELAXED),
		.reset = __atomic_load_n(&counts.reset, __ATOMIC_RELAXED),
		.answered = __atomic_load_n(&counts.answered, __ATOMIC_RELAXED),
	};
}
