// SPDX-License-Identifier: BSD-2-Clause
// Reads a TCP segment out of an IP packet: everything that can be said against it without knowing a
// connection.

#include "tcp/private.h"

#include <rte_ip.h>

#include <netinet/in.h>

// RFC 9293 MUST-57, MUST-63: neither end may be a group or a broadcast. What else is wrong with a
// source, and broadcasts of our links, are known to the layer below.
static bool is_unicast(const struct postern_addr *a)
{
	if (postern_addr_is_v4(a))
		return a->bytes[12] != 0 && a->bytes[12] < 224;
	return a->bytes[0] != 0xff && !postern_addr_is_none(a);
}

// RFC 9293 MUST-2, MUST-3. The port may have done it; a sender on this machine may have left it out.
static bool checksum_is_right(const struct ip_packet *p)
{
	struct rte_mbuf *m = p->m;
	const void *l3 = rte_pktmbuf_mtod_offset(m, const void *, IP_OFFSET);

	if (p->checksum_missing ||
		(m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD)
		return true;
	if (p->family == POSTERN_V4)
		return rte_ipv4_udptcp_cksum_mbuf_verify(m, l3, p->l4) == 0;
	const struct rte_ipv6_hdr pseudo = ip_pseudo6(l3, IPPROTO_TCP, p->l4_length);

	return rte_ipv6_udptcp_cksum_mbuf_verify(m, &pseudo, p->l4) == 0;
}

bool tcp_segment_read(struct tcp *t, struct ip_packet *p, struct tcp_segment *s)
{
	struct rte_mbuf *m = p->m;
	const struct rte_tcp_hdr *h = rte_pktmbuf_mtod_offset(m, const struct rte_tcp_hdr *, p->l4);

	if (p->l4_length < sizeof(*h) || m->data_len < p->l4 + sizeof(*h)) {
		TCP_COUNT(t, DROP_HEADER);
		return false;
	}
	const unsigned header = (h->data_off >> 4) * 4u;

	if (header < sizeof(*h) || header > p->l4_length || m->data_len < p->l4 + header ||
		m->pkt_len < (uint32_t)p->l4 + p->l4_length) {
		TCP_COUNT(t, DROP_HEADER);
		return false;
	}
	if (!checksum_is_right(p)) {
		TCP_COUNT(t, DROP_CHECKSUM);
		return false;
	}
	p->tuple.sport = h->src_port;
	p->tuple.dport = h->dst_port;
	*s = (struct tcp_segment){
		.packet = p,
		.key = {.local = p->tuple.dst,
			.remote = p->tuple.src,
			.lport = h->dst_port,
			.rport = h->src_port},
		.seq = rte_be_to_cpu_32(h->sent_seq),
		.ack = rte_be_to_cpu_32(h->recv_ack),
		.length = p->l4_length - header,
		.data = (uint16_t)(p->l4 + header),
		.window = rte_be_to_cpu_16(h->rx_win),
		.urgent = rte_be_to_cpu_16(h->tcp_urp),
		.flags = h->tcp_flags,
	};
	if (!tcp_options_read(s, (const uint8_t *)(h + 1), header - (unsigned)sizeof(*h))) {
		TCP_COUNT(t, DROP_HEADER);
		return false;
	}
	// A segment from its own destination would be answered to ourselves for ever.
	if (!is_unicast(&s->key.remote) || !is_unicast(&s->key.local) ||
		(s->key.lport == s->key.rport &&
			postern_addr_equal(&s->key.local, &s->key.remote))) {
		TCP_COUNT(t, DROP_ADDRESS);
		return false;
	}
	s->hash = tcp_table_hash(t, &s->key);
	return true;
}
