// SPDX-License-Identifier: BSD-2-Clause
// ICMP errors about our segments (RFC 9293 3.9.2.2), believed as far as RFC 5927 lets: only if they quote
// a sequence number that is under way, and never to end a connection that stands.

#include "tcp/private.h"

#include <rte_icmp.h>
#include <rte_ip.h>

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <string.h>

#define HEADER 8u // of an error, before the quotation

// What a quotation holds of TCP at least: ports and the sequence number (RFC 792).
#define QUOTED_LEAST 8u

struct quote {
	struct tcp_key key;
	uint32_t seq;
	uint8_t type;
	uint8_t code;
	uint16_t mtu;    // of "too big"
	uint16_t length; // of the quoted packet
};

static uint16_t be_16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

// Offset of the TCP header in the quotation; 0: it quotes none.
static unsigned read_v4(const uint8_t *l3, unsigned there, struct quote *q)
{
	struct rte_ipv4_hdr h;

	if (there < sizeof(h))
		return 0;
	memcpy(&h, l3, sizeof(h));
	if (h.version_ihl >> 4 != 4 || h.next_proto_id != IPPROTO_TCP ||
		(h.fragment_offset & rte_cpu_to_be_16(RTE_IPV4_HDR_OFFSET_MASK)) != 0)
		return 0;
	q->key.local = postern_addr_from_v4(h.src_addr);
	q->key.remote = postern_addr_from_v4(h.dst_addr);
	q->length = rte_be_to_cpu_16(h.total_length);
	return (h.version_ihl & 0xfu) * 4u;
}

static unsigned read_v6(const uint8_t *l3, unsigned there, struct quote *q)
{
	struct rte_ipv6_hdr h;
	uint8_t proto = 0;

	if (there < sizeof(h))
		return 0;
	memcpy(&h, l3, sizeof(h));
	const unsigned l4 = ip_transport6(l3, there, &proto);

	if (l4 == 0 || proto != IPPROTO_TCP)
		return 0;
	memcpy(q->key.local.bytes, h.src_addr, sizeof(h.src_addr));
	memcpy(q->key.remote.bytes, h.dst_addr, sizeof(h.dst_addr));
	q->length = (uint16_t)(rte_be_to_cpu_16(h.payload_len) + sizeof(h));
	return l4;
}

static bool quote_read(const struct ip_packet *p, struct quote *q)
{
	const uint8_t *icmp = rte_pktmbuf_mtod_offset(p->m, const uint8_t *, p->l4);
	const unsigned length = RTE_MIN((unsigned)p->l4_length, (unsigned)(p->m->data_len - p->l4));
	const bool v4 = p->family == POSTERN_V4;
	uint32_t mtu;

	if (p->m->data_len <= p->l4 || length < HEADER)
		return false;
	*q = (struct quote){.type = icmp[0], .code = icmp[1]};
	memcpy(&mtu, icmp + 4, sizeof(mtu));
	mtu = rte_be_to_cpu_32(mtu);
	q->mtu = (uint16_t)RTE_MIN(v4 ? mtu & UINT16_MAX : mtu, (uint32_t)UINT16_MAX);
	const uint8_t *l3 = icmp + HEADER;
	const unsigned there = length - HEADER;
	const unsigned l4 = v4 ? read_v4(l3, there, q) : read_v6(l3, there, q);

	if (l4 == 0 || l4 + QUOTED_LEAST > there)
		return false;
	memcpy(&q->key.lport, l3 + l4, sizeof(q->key.lport));
	memcpy(&q->key.rport, l3 + l4 + 2, sizeof(q->key.rport));
	q->seq = (uint32_t)be_16(l3 + l4 + 4) << 16 | be_16(l3 + l4 + 6);
	return true;
}

static bool is_too_big(const struct ip_packet *p, const struct quote *q)
{
	if (p->family == POSTERN_V4)
		return q->type == ICMP_UNREACH && q->code == ICMP_UNREACH_NEEDFRAG;
	return q->type == ICMP6_PACKET_TOO_BIG;
}

// RFC 9293 SHLD-26: protocol and port unreachable mean that nobody is there. For IPv6, also what an
// administrator has forbidden (RFC 4443 3.1).
static bool is_hard(const struct ip_packet *p, const struct quote *q)
{
	if (p->family == POSTERN_V4)
		return q->type == ICMP_UNREACH &&
		       (q->code == ICMP_UNREACH_PROTOCOL || q->code == ICMP_UNREACH_PORT);
	return q->type == ICMP6_DST_UNREACH &&
	       (q->code == ICMP6_DST_UNREACH_ADMIN || q->code == ICMP6_DST_UNREACH_NOPORT);
}

// RFC 1191 7.1: what paths have, for routers that do not tell.
static uint16_t plateau_below(uint16_t length)
{
	static const uint16_t plateaus[] = {8166, 4352, 2002, 1492, 1006, TCP_MTU_LEAST_V4};

	for (unsigned i = 0; i < RTE_DIM(plateaus); i++)
		if (plateaus[i] < length)
			return plateaus[i];
	return TCP_MTU_LEAST_V4;
}

static void too_big(struct tcp *t, struct tcp_conn *c, const struct quote *q)
{
	const bool v4 = postern_addr_is_v4(&c->entry.key.local);
	const uint16_t least = (uint16_t)(v4 ? TCP_MTU_LEAST_V4 : TCP_MTU_LEAST_V6);
	uint16_t mtu = q->mtu;

	if (mtu == 0 && v4)
		mtu = plateau_below(q->length < c->mtu ? q->length : c->mtu);
	// Smaller than any path is a lie, or a path that needs fragments (RFC 8201 4).
	mtu = mtu < least ? least : mtu;
	if (mtu >= c->mtu)
		return;
	TCP_COUNT(t, PMTU_LOWERED);
	tcp_conn_set_mtu(t, c, mtu);
	c->flags |= c->lost > 0 ? CONN_FORCE : 0;
	tcp_list_add(t, c, LIST_DIRTY);
}

bool tcp_icmp(struct tcp *t, struct ip_packet *p)
{
	struct quote q;
	struct tcp_conn *c;

	if (!quote_read(p, &q))
		return false;
	c = tcp_table_find(&t->conns, &q.key, tcp_table_hash(t, &q.key));
	if (c == NULL)
		return false;
	// RFC 5927 4.1. A SYN that waits for its answer is under way too.
	const bool under_way = !seq_before(q.seq, c->snd_una) && seq_before(q.seq, c->snd_nxt);
	// RFC 6633, RFC 9293 MUST-55.
	const bool quench = p->family == POSTERN_V4 && q.type == ICMP_SOURCEQUENCH;

	if (!under_way || quench) {
		TCP_COUNT(t, DROP_ICMP);
	} else if (is_too_big(p, &q)) {
		too_big(t, c, &q);
	} else if (is_hard(p, &q) && c->state == TCP_SYN_SENT) {
		tcp_conn_close(t, c, TCP_REASON_UNREACHABLE);
	} else {
		// RFC 9293 MUST-56: it may pass; the user is told.
		c->soft_error = (uint16_t)(q.type << 8 | q.code);
		tcp_conn_tell(t, c, TCP_EVENT_SOFT);
	}
	rte_pktmbuf_free(p->m);
	return true;
}
