// SPDX-License-Identifier: BSD-2-Clause
// Resets of our own: in answer to a segment that belongs nowhere, and to both sides of a session
// whose member is lost.

#include "steer/private.h"

#include <rte_byteorder.h>
#include <rte_ip.h>

#include <netinet/in.h>
#include <string.h>

static uint8_t family_of(const struct ip_tuple *t)
{
	return postern_addr_is_v4(&t->src) ? POSTERN_V4 : POSTERN_V6;
}

// Fills an empty packet: room for Ethernet, IP header, TCP header.
static void segment_write(struct rte_mbuf *m, const struct ip_tuple *t, uint8_t flags, uint32_t seq,
	uint32_t ack, unsigned options)
{
	const uint8_t family = family_of(t);
	const uint16_t l4 = (uint16_t)(sizeof(struct rte_tcp_hdr) + options);
	void *l3 = rte_pktmbuf_mtod_offset(m, void *, IP_OFFSET);
	const uint16_t header = ip_header_write(l3, family, &t->src, &t->dst, IPPROTO_TCP, l4);
	struct rte_tcp_hdr *tcp =
		rte_pktmbuf_mtod_offset(m, struct rte_tcp_hdr *, IP_OFFSET + header);

	*tcp = (struct rte_tcp_hdr){
		.src_port = t->sport,
		.dst_port = t->dport,
		.sent_seq = rte_cpu_to_be_32(seq),
		.recv_ack = rte_cpu_to_be_32(ack),
		.data_off = (uint8_t)(l4 / 4 << 4),
		.tcp_flags = flags,
	};
	m->l2_len = IP_OFFSET;
	m->l3_len = header & 0x1ffu;
}

static uint16_t segment_length(const struct ip_tuple *t, unsigned options)
{
	const unsigned header = family_of(t) == POSTERN_V4 ? sizeof(struct rte_ipv4_hdr)
							   : sizeof(struct rte_ipv6_hdr);

	return (uint16_t)(IP_OFFSET + header + sizeof(struct rte_tcp_hdr) + options);
}

struct rte_mbuf *steer_segment_new(struct steer *s, const struct ip_tuple *t, uint8_t flags,
	uint32_t seq, uint32_t ack, unsigned options)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(s->ip->pool);

	if (m == NULL) {
		COUNT(s->counters, DROP_NO_BUFFER);
		return NULL;
	}
	memset(rte_pktmbuf_append(m, segment_length(t, options)), 0, IP_OFFSET);
	segment_write(m, t, flags, seq, ack, options);
	return m;
}

void steer_send_segment(struct steer *s, const struct steer_flow *f, unsigned to, uint8_t flags,
	uint32_t seq, uint32_t ack)
{
	struct ip_tuple t;

	steer_flow_tuple_to(s, f, to, &t);
	struct rte_mbuf *b = steer_segment_new(s, &t, flags, seq, ack, 0);

	if (b == NULL)
		return;
	if (flags & RTE_TCP_RST_FLAG)
		COUNT(s->counters, RESET_SENT);
	ip_finish_output(s->ip, b, to == FROM_CLIENT ? f->neigh : s->members[f->member].neigh);
}

void steer_answer_reset(struct steer *s, struct steer_packet *p, enum postern_counter reason)
{
	struct rte_mbuf *m = p->ip->m;
	const struct ip_tuple *in = &p->ip->tuple;
	const struct ip_tuple t = {in->dst, in->src, in->dport, in->sport, in->proto};
	const bool has_ack = p->flags & RTE_TCP_ACK_FLAG;
	const uint16_t length = segment_length(&t, 0);

	if (!ip_answer_allowed(s->ip, p->ip->interface, IP_ANSWER_RESET)) {
		rte_pktmbuf_free(m);
		return;
	}
	base_add(&s->counters->value[reason], 1);
	// The answer is built where the segment lies; the Ethernet header stays for the way back.
	m->ol_flags = 0;
	rte_pktmbuf_free(m->next);
	m->next = NULL;
	m->nb_segs = 1;
	m->data_len = length;
	m->pkt_len = length;
	if (has_ack)
		segment_write(m, &t, RTE_TCP_RST_FLAG, p->ack, 0, 0);
	else
		segment_write(m, &t, RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG, 0, p->end, 0);
	COUNT(s->counters, RESET_SENT);
	ip_checksum_fill(s->ip, m, p->ip->interface, p->ip->family,
		(uint16_t)(m->l2_len + m->l3_len), IPPROTO_TCP);
	ip_reply(s->ip, m, p->ip->interface);
}

// Resets one side. What the other side has sent last is what this one expects, unless something
// was lost on the way or an acknowledgement is being delayed; then the last acknowledgement is. If
// they differ, both are tried: a wrong one is ignored or answered with a challenge (RFC 5961 3.2),
// and that with an exact reset.
static void reset_side(struct steer *s, const struct steer_flow *f, unsigned to)
{
	const unsigned from = to == FROM_CLIENT ? FROM_MEMBER : FROM_CLIENT;
	const uint8_t flags = RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG;

	steer_send_segment(s, f, to, flags, f->next[from], f->next[to]);
	if ((f->flags & FLOW_SYNACK) && f->expects[to] != f->next[from])
		steer_send_segment(s, f, to, flags, f->expects[to], f->next[to]);
}

void steer_kill(struct steer *s, struct steer_flow *f, enum postern_counter reason)
{
	base_add(&s->counters->value[reason], 1);
	steer_record_flow(s, f, POSTERN_STEP_CLOSE, reason, POSTERN_SIDE_MEMBER);
	if (f->flags & FLOW_UDP) {
		// There is no way to tell anybody; the next datagram begins a new session.
		steer_flow_free(s, f);
		return;
	}
	reset_side(s, f, FROM_CLIENT);
	reset_side(s, f, FROM_MEMBER);
	if (!(f->flags & FLOW_GATEWAY))
		steer_flow_leave(s, f);
	f->flags |= FLOW_KILLED;
	f->last_ms = s->now_ms;
	steer_flow_set_state(s, f, POSTERN_SESSION_RESET);
}
