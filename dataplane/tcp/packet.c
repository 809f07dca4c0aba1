// SPDX-License-Identifier: BSD-2-Clause
// Packets of our own: headers in front of data, and answers that belong to no connection.

#include "tcp/private.h"

#include <netinet/in.h>
#include <string.h>

struct rte_mbuf *tcp_packet_new(struct tcp *t)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(t->pool);

	if (m == NULL)
		TCP_COUNT(t, DROP_NO_BUFFER);
	else
		m->data_off = TCP_HEADROOM;
	return m;
}

void tcp_packet_finish(struct rte_mbuf *m, const struct tcp_out *o)
{
	const bool v4 = postern_addr_is_v4(&o->key.local);
	const unsigned l3 = v4 ? 20 : 40;
	const unsigned options = tcp_options_length(o);
	const unsigned l4 = (unsigned)sizeof(struct rte_tcp_hdr) + options;
	const uint16_t payload = (uint16_t)m->pkt_len;
	char *at = rte_pktmbuf_prepend(m, (uint16_t)(IP_OFFSET + l3 + l4));

	memset(at, 0, IP_OFFSET);
	ip_header_write(at + IP_OFFSET, v4 ? POSTERN_V4 : POSTERN_V6, &o->key.local, &o->key.remote,
		IPPROTO_TCP, (uint16_t)(l4 + payload));
	struct rte_tcp_hdr *h = (void *)(at + IP_OFFSET + l3);

	*h = (struct rte_tcp_hdr){
		.src_port = o->key.lport,
		.dst_port = o->key.rport,
		.sent_seq = rte_cpu_to_be_32(o->seq),
		.recv_ack = rte_cpu_to_be_32(o->ack),
		.data_off = (uint8_t)(l4 / 4 << 4),
		.tcp_flags = o->flags,
		.rx_win = rte_cpu_to_be_16(o->window),
	};
	tcp_options_write(o, (uint8_t *)(h + 1));
	m->l2_len = IP_OFFSET;
	m->l3_len = l3 & 0x1ffu;
	m->l4_len = l4 & 0xffu;
	m->ol_flags = 0;
}

void tcp_packet_reply(struct tcp *t, const struct tcp_out *o, const struct tcp_segment *s)
{
	struct rte_mbuf *m = tcp_packet_new(t);

	if (m == NULL)
		return;
	tcp_packet_finish(m, o);
	TCP_COUNT(t, SEGMENTS_OUT);
	if (o->flags & TCP_RST)
		TCP_COUNT(t, RESET_OUT);
	t->link.reply(t->link.context, m, s->packet);
}

// RFC 9293 3.10.7.1: with the number that the other side expects if it has told one.
void tcp_packet_reset(struct tcp *t, const struct tcp_segment *s)
{
	struct tcp_out o = {.key = s->key, .flags = TCP_RST, .wscale = TCP_NO_WSCALE};

	if (s->flags & TCP_RST)
		return;
	if (s->flags & TCP_ACK) {
		o.seq = s->ack;
	} else {
		o.flags |= TCP_ACK;
		o.ack = s->seq + segment_span(s);
	}
	tcp_packet_reply(t, &o, s);
}

void tcp_packet_route(struct tcp *t, const struct tcp_out *o)
{
	uint32_t route;
	uint16_t mtu;

	if (t->link.route(t->link.context, &o->key.local, &o->key.remote, &route, &mtu) < 0)
		return;
	struct rte_mbuf *m = tcp_packet_new(t);

	if (m != NULL) {
		tcp_packet_finish(m, o);
		TCP_COUNT(t, SEGMENTS_OUT);
		t->link.send(t->link.context, m, route);
	}
	t->link.release(t->link.context, route);
}
