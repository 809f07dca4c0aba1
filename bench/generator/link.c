// SPDX-License-Identifier: BSD-2-Clause
// The memif link: opening it, bursts, and neighbours.

#include "bench/generator/generator.h"

#include <rte_arp.h>
#include <rte_byteorder.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define RING      1024
#define BUFFERS   32767
#define CACHE     256
#define FLAGS_AT  13 // in the TCP header
#define ODD_FLAGS (RTE_TCP_SYN_FLAG | RTE_TCP_FIN_FLAG | RTE_TCP_RST_FLAG)

static void must(int rc, const char *what)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "generator: %s: %s\n", what, strerror(-rc));
	exit(1);
}

static void clear(struct rte_mempool *pool, void *unused, void *object, unsigned i)
{
	struct rte_mbuf *m = object;

	(void)pool;
	(void)unused;
	(void)i;
	memset(m->buf_addr, 0, m->buf_len);
}

void link_open(struct generator *g, int argc, char **argv)
{
	struct rte_eth_conf conf = {0};

	must(rte_eal_init(argc, argv), "EAL");
	g->rx_pool =
		rte_pktmbuf_pool_create("rx", BUFFERS, CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE, -1);
	g->tx_pool =
		rte_pktmbuf_pool_create("tx", BUFFERS, CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE, -1);
	if (g->rx_pool == NULL || g->tx_pool == NULL)
		must(-ENOMEM, "packet buffers");
	rte_mempool_obj_iter(g->tx_pool, clear, NULL);
	g->port = 0;
	must(rte_eth_dev_configure(g->port, 1, 1, &conf), "port");
	must(rte_eth_rx_queue_setup(g->port, 0, RING, 0, NULL, g->rx_pool), "receive queue");
	must(rte_eth_tx_queue_setup(g->port, 0, RING, 0, NULL), "transmit queue");
	must(rte_eth_dev_start(g->port), "start");
	rte_eth_macaddr_get(g->port, &g->mac);
}

static void flush(struct generator *g)
{
	unsigned sent = 0;

	while (sent < g->n_out) {
		const uint16_t want = (uint16_t)RTE_MIN(g->n_out - sent, BURST);
		const uint16_t n = rte_eth_tx_burst(g->port, 0, g->out + sent, want);

		sent += n;
		if (n < want)
			break;
	}
	g->n_out -= sent;
	if (sent > 0 && g->n_out > 0)
		memmove(g->out, g->out + sent, g->n_out * sizeof(g->out[0]));
}

// Data is counted, and one packet in 32 looked at closely; everything else goes the long way.
static void input(struct generator *g, struct rte_mbuf *m)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	const unsigned l4 = frame[12] == 0x86 ? 54 : 34;

	if (unlikely(m->data_len < l4 + 26u || (frame[l4 + FLAGS_AT] & ODD_FLAGS) ||
		     frame[l4 == 34 ? 23 : 20] != IPPROTO_TCP)) {
		if (frame[12] == 0x08 && frame[13] == 0x06)
			link_neighbour(g, m);
		else if (l4 == 54 && frame[20] == IPPROTO_ICMPV6)
			link_neighbour(g, m);
		else
			flow_input(g, frame, m->data_len);
		return;
	}
	g->tally.received_bytes += m->data_len;
	if ((++g->tally.received & 31u) == 0)
		flow_check(g, frame, m->data_len);
}

unsigned link_turn(struct generator *g)
{
	struct rte_mbuf *pkts[BURST];
	const uint16_t n = rte_eth_rx_burst(g->port, 0, pkts, BURST);

	for (uint16_t i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(pkts[i], void *));
	for (uint16_t i = 0; i < n; i++)
		input(g, pkts[i]);
	if (n > 0)
		rte_pktmbuf_free_bulk(pkts, n);
	if (g->n_out > 0)
		flush(g);
	return n;
}

static void arp(struct generator *g, const struct rte_ether_addr *to, uint16_t op, uint32_t from,
	uint32_t target)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(g->tx_pool);

	if (m == NULL)
		return;
	struct rte_ether_hdr *eth = (void *)rte_pktmbuf_append(m, 60);
	struct rte_arp_hdr *a = (void *)(eth + 1);

	memset(eth, 0, 60);
	eth->dst_addr = *to;
	eth->src_addr = g->mac;
	eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_ARP);
	a->arp_hardware = RTE_BE16(RTE_ARP_HRD_ETHER);
	a->arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	a->arp_hlen = 6;
	a->arp_plen = 4;
	a->arp_opcode = rte_cpu_to_be_16(op);
	a->arp_data.arp_sha = g->mac;
	a->arp_data.arp_sip = from;
	if (op == RTE_ARP_OP_REPLY)
		a->arp_data.arp_tha = *to;
	a->arp_data.arp_tip = target;
	link_push(g, m);
}

// Says that a target of a neighbour solicitation is here.
static void advertise(struct generator *g, const uint8_t *asked)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(g->tx_pool);

	if (m == NULL)
		return;
	uint8_t *at = (void *)rte_pktmbuf_append(m, 86);
	const struct rte_ether_hdr *was = (const void *)asked;
	struct rte_ether_hdr *eth = (void *)at;
	struct rte_ipv6_hdr *h = (void *)(at + 14);
	uint8_t *icmp = at + 54;

	memset(at, 0, 86);
	eth->dst_addr = was->src_addr;
	eth->src_addr = g->mac;
	eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV6);
	h->vtc_flow = RTE_BE32(0x60000000u);
	h->payload_len = RTE_BE16(32);
	h->proto = IPPROTO_ICMPV6;
	h->hop_limits = 255;
	memcpy(h->src_addr, asked + 62, 16);
	memcpy(h->dst_addr, asked + 22, 16);
	icmp[0] = 136;  // neighbour advertisement
	icmp[4] = 0x60; // solicited, override
	memcpy(icmp + 8, asked + 62, 16);
	icmp[24] = 2; // target link-layer address
	icmp[25] = 1;
	memcpy(icmp + 26, &g->mac, 6);
	const uint16_t sum = rte_ipv6_udptcp_cksum(h, icmp);

	memcpy(icmp + 2, &sum, 2);
	link_push(g, m);
}

void link_neighbour(struct generator *g, struct rte_mbuf *m)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	const struct rte_arp_hdr *a = (const void *)(frame + 14);

	if (frame[12] == 0x86) {
		if (m->data_len >= 78 && frame[54] == 135 && frame[62] != 0xff &&
			memcmp(frame + 22, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16) != 0)
			advertise(g, frame);
		return;
	}
	if (m->data_len < 42)
		return;
	if (a->arp_data.arp_sip == addr_service(false).words[3]) {
		g->peer = a->arp_data.arp_sha;
		g->peer_known = true;
	}
	// Who announces himself is not asking.
	if (a->arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST) &&
		a->arp_data.arp_sip != a->arp_data.arp_tip)
		arp(g, &a->arp_data.arp_sha, RTE_ARP_OP_REPLY, a->arp_data.arp_tip,
			a->arp_data.arp_sip);
}

bool link_find_peer(struct generator *g)
{
	static const struct rte_ether_addr all = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
	const uint64_t end = now_us(g) + 20000000u;
	uint64_t next = 0;

	while (!g->peer_known && now_us(g) < end) {
		if (now_us(g) >= next) {
			arp(g, &all, RTE_ARP_OP_REQUEST, RTE_BE32(0x0a000001u),
				addr_service(false).words[3]);
			next = now_us(g) + 100000u;
		}
		link_turn(g);
	}
	return g->peer_known;
}
