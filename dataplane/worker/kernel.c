// SPDX-License-Identifier: BSD-2-Clause
// What is the kernel's on an interface with `kernel: tap`: TCP and UDP to the interface's own addresses
// where no service listens, the ICMP errors about them, answers to its pings, and copies of answers to its
// questions for neighbours. What the kernel sends leaves as it is. The first worker has the device; both
// ways are bounded, so that its system calls take little of a turn.

#include "worker/worker.h"

#include <rte_arp.h>
#include <rte_icmp.h>

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <string.h>

// A BGP session and probes are some hundreds of packets a second, a full table at its start some
// thousands. A packet costs a system call of about a microsecond: 1 % of a worker at the most.
#define RATE  10000u // a second, interface and direction
#define BURST 256u
#define TURN  16u // read from the kernel at once

static bool may_pass(const struct worker *w, struct base_bucket *b)
{
	return base_bucket_take(b, w->ip.now_us, RATE, 1000000u, BURST);
}

void worker_to_kernel(struct worker *w, uint16_t interface, struct rte_mbuf *m)
{
	if (w->index != 0) {
		worker_hand_over(w, 0, m, interface, WORKER_KERNEL);
		return;
	}
	if (may_pass(w, &w->to_kernel[interface]) &&
		rte_eth_tx_burst(w->dp->ports[interface].kernel, 0, &m, 1) == 1) {
		COUNT(&w->counters, KERNEL_GIVEN);
		return;
	}
	COUNT(&w->counters, DROP_KERNEL);
	rte_pktmbuf_free(m);
}

// Addresses towards members are sessions' alone.
static bool is_own(const struct worker *w, uint16_t interface, const struct postern_addr *a)
{
	const struct ip_local *local = ip_config_find(w->ip.config, a);

	return local != NULL && (local->kind & IP_OWN) && !(local->kind & IP_TRANSLATE) &&
	       local->interface == interface;
}

bool worker_is_kernels(const struct worker *w, const struct ip_packet *p)
{
	struct ip_tuple t = p->tuple;
	uint16_t ports[2];

	if (!w->dp->ports[p->interface].has_kernel)
		return false;
	switch (t.proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
		if (p->l4_length < sizeof(ports) || p->l4 + sizeof(ports) > p->m->data_len)
			return false;
		memcpy(ports, rte_pktmbuf_mtod_offset(p->m, const void *, p->l4), sizeof(ports));
		t.sport = ports[0];
		t.dport = ports[1];
		break;
	case IP_PROTO_FRAGMENT:
		return false;
	default: // an ICMP error is whose what it quotes is
		if (!steer_error_about(p, &t))
			return false;
	}
	return is_own(w, p->interface, &t.dst) && !steer_listens(w->steer, &t);
}

enum share {
	NOT_KERNELS,
	COPIED, // both want to know
	KERNELS,
};

static enum share share4(const struct worker *w, uint16_t interface, const struct rte_mbuf *m)
{
	const struct rte_ipv4_hdr *h =
		rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, IP_OFFSET);
	const struct rte_icmp_hdr *icmp = (const struct rte_icmp_hdr *)(h + 1);
	const struct postern_addr dst = postern_addr_from_v4(h->dst_addr);

	if (m->data_len < IP_OFFSET + sizeof(*h) + sizeof(*icmp) || h->version_ihl != 0x45 ||
		h->next_proto_id != IPPROTO_ICMP ||
		(h->fragment_offset & ~rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG)) != 0 ||
		icmp->icmp_type != RTE_IP_ICMP_ECHO_REPLY)
		return NOT_KERNELS;
	return is_own(w, interface, &dst) ? KERNELS : NOT_KERNELS;
}

static enum share share6(const struct worker *w, uint16_t interface, const struct rte_mbuf *m)
{
	const struct rte_ipv6_hdr *h =
		rte_pktmbuf_mtod_offset(m, const struct rte_ipv6_hdr *, IP_OFFSET);
	const struct rte_icmp_hdr *icmp = (const struct rte_icmp_hdr *)(h + 1);
	struct postern_addr dst;

	if (m->data_len < IP_OFFSET + sizeof(*h) + sizeof(*icmp) || h->proto != IPPROTO_ICMPV6)
		return NOT_KERNELS;
	if (icmp->icmp_type == ND_NEIGHBOR_ADVERT)
		return COPIED;
	memcpy(dst.bytes, h->dst_addr, sizeof(dst.bytes));
	return icmp->icmp_type == ICMP6_ECHO_REPLY && is_own(w, interface, &dst) ? KERNELS
										 : NOT_KERNELS;
}

static enum share share_of(const struct worker *w, uint16_t interface, const struct rte_mbuf *m)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	const struct rte_arp_hdr *arp =
		rte_pktmbuf_mtod_offset(m, const struct rte_arp_hdr *, IP_OFFSET);

	if (m->data_len < IP_OFFSET + sizeof(*arp) ||
		!rte_is_same_ether_addr(&eth->dst_addr, &w->dp->ports[interface].mac))
		return NOT_KERNELS;
	switch (eth->ether_type) {
	case RTE_BE16(RTE_ETHER_TYPE_ARP):
		return arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REPLY) ? COPIED : NOT_KERNELS;
	case RTE_BE16(RTE_ETHER_TYPE_IPV4):
		return share4(w, interface, m);
	case RTE_BE16(RTE_ETHER_TYPE_IPV6):
		return share6(w, interface, m);
	default:
		return NOT_KERNELS;
	}
}

unsigned worker_kernel_take(
	struct worker *w, uint16_t interface, struct rte_mbuf **pkts, unsigned n)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		const enum share share = share_of(w, interface, m);

		if (share == KERNELS) {
			COUNT(&w->counters, RX_PACKETS);
			COUNT_N(&w->counters, RX_BYTES, m->pkt_len);
			worker_to_kernel(w, interface, m);
			continue;
		}
		pkts[kept++] = m;
		if (share == NOT_KERNELS)
			continue;
		m = rte_pktmbuf_copy(m, w->dp->pool, 0, UINT32_MAX);
		if (m != NULL)
			worker_to_kernel(w, interface, m);
		else
			COUNT(&w->counters, DROP_NO_BUFFER);
	}
	return kept;
}

// What is beyond the rate waits in the device's own queue, which drops when it is full.
unsigned worker_kernel_send(struct worker *w, uint16_t interface)
{
	const struct port *p = &w->dp->ports[interface];
	struct base_bucket *b = &w->from_kernel[interface];
	unsigned total = 0;
	struct rte_mbuf *m;

	while (total < TURN && may_pass(w, b)) {
		if (rte_eth_rx_burst(p->kernel, 0, &m, 1) == 0) {
			b->tokens++; // nothing was there
			break;
		}
		total++;
		if (m->nb_segs > 1 || m->pkt_len < IP_OFFSET ||
			m->pkt_len > (uint32_t)p->mtu + IP_OFFSET) {
			COUNT(&w->counters, DROP_KERNEL);
			rte_pktmbuf_free(m);
			continue;
		}
		// Marks of the device mean nothing to the port.
		m->ol_flags = 0;
		COUNT(&w->counters, KERNEL_TAKEN);
		port_tx_push(&w->tx[interface], m, &w->counters);
	}
	return total;
}
