// SPDX-License-Identifier: BSD-2-Clause
// ICMP errors about packets of sessions (RFC 792, RFC 4443, translated as RFC 5508 3.2 says): path
// MTU (RFC 1191, RFC 8201), hosts and ports that are not there, hop limits. The quoted packet names
// the session, and the error goes on to the side that sent it, with the quotation as that side knows
// it.
//
// What an error says may be forged, so it changes nothing here but one thing: a member whose host or
// port is unreachable is as silent to a SYN as one that does not answer, only sooner known.

#include "steer/private.h"
#include "steer/table.h"

#include <rte_byteorder.h>
#include <rte_icmp.h>
#include <rte_ip.h>

#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <string.h>

#define HEADER 8u // of an error, before the quotation

// What every quotation holds of the transport header: ports, and TCP's sequence number (RFC 792).
#define QUOTED_LEAST 8u

struct quote {
	void *l3, *l4;
	unsigned there; // bytes from the transport header to the end of the quotation
	struct ip_tuple tuple;
};

// Offset of the transport header in the quotation, or 0 if it quotes nothing of ours: another
// protocol (errors about errors are never sent), or a fragment without ports.
static unsigned read_v4(const void *l3, unsigned length, struct ip_tuple *t)
{
	const struct rte_ipv4_hdr *h = l3;

	if (length < sizeof(*h) + QUOTED_LEAST)
		return 0;
	const unsigned header = (h->version_ihl & 0xfu) * 4u;

	if (h->version_ihl >> 4 != 4 || header < sizeof(*h) ||
		(h->fragment_offset & rte_cpu_to_be_16(RTE_IPV4_HDR_OFFSET_MASK)) != 0)
		return 0;
	t->src = postern_addr_from_v4(h->src_addr);
	t->dst = postern_addr_from_v4(h->dst_addr);
	t->proto = h->next_proto_id;
	return header;
}

static unsigned read_v6(const void *l3, unsigned length, struct ip_tuple *t)
{
	const struct rte_ipv6_hdr *h = l3;

	if (length < sizeof(*h) + QUOTED_LEAST ||
		(h->vtc_flow & rte_cpu_to_be_32(0xf0000000u)) != rte_cpu_to_be_32(0x60000000u))
		return 0;
	memcpy(t->src.bytes, h->src_addr, sizeof(h->src_addr));
	memcpy(t->dst.bytes, h->dst_addr, sizeof(h->dst_addr));
	// These would pass for sessions of IPv4.
	if (postern_addr_is_v4(&t->src) || postern_addr_is_v4(&t->dst))
		return 0;
	uint8_t proto = 0;
	const unsigned header = ip_transport6(l3, length, &proto);

	t->proto = proto;
	return header;
}

static bool quote_read(const struct ip_packet *p, struct quote *q)
{
	if (p->l4_length < HEADER)
		return false;
	const unsigned length = p->l4_length - HEADER;

	q->l3 = rte_pktmbuf_mtod_offset(p->m, void *, p->l4 + HEADER);
	// The lengths that the quoted header states are not looked at: quotations are cut.
	const unsigned header = p->family == POSTERN_V4 ? read_v4(q->l3, length, &q->tuple)
							: read_v6(q->l3, length, &q->tuple);

	if (header == 0 || header + QUOTED_LEAST > length ||
		(q->tuple.proto != IPPROTO_TCP && q->tuple.proto != IPPROTO_UDP))
		return false;
	q->l4 = (uint8_t *)q->l3 + header;
	q->there = length - header;
	// Both begin with their ports.
	const struct rte_udp_hdr *ports = q->l4;

	q->tuple.sport = ports->src_port;
	q->tuple.dport = ports->dst_port;
	return true;
}

bool steer_error_about(const struct ip_packet *p, struct ip_tuple *back)
{
	struct quote q;

	if (!quote_read(p, &q))
		return false;
	*back = (struct ip_tuple){
		q.tuple.dst, q.tuple.src, q.tuple.dport, q.tuple.sport, q.tuple.proto};
	return true;
}

// True if a segment that begins with this number is under way between a side and the other, as far as
// can be told from here: not acknowledged yet, and sent (RFC 5927 4.1). `from` has sent it.
static bool is_under_way(const struct steer_flow *f, unsigned from, uint32_t seq)
{
	const unsigned to = from == FROM_CLIENT ? FROM_MEMBER : FROM_CLIENT;

	// Before the asked side has accepted there is the SYN alone.
	if (!(f->flags & FLOW_SYNACK))
		return from == steer_flow_asker(f) && seq == f->next[from] - 1;
	// What the SYN takes may be repeated until the handshake is over.
	const uint32_t oldest = f->expects[to] - (f->state == POSTERN_SESSION_OPENING);

	return seq - oldest <= f->next[from] - oldest;
}

// The session that has sent the quoted packet, and *to: the side it went to. NULL if there is none, or
// if the error cannot have come from there.
static struct steer_flow *find(
	const struct steer *s, const struct ip_packet *p, const struct quote *q, unsigned *to)
{
	const struct ip_tuple *t = &q->tuple;
	// What would come back from there.
	const struct ip_tuple back = {t->dst, t->src, t->dport, t->sport, t->proto};
	const uint32_t ref = steer_table_find(s, steer_tuple_hash(s, &back), &back);

	// An error goes to whom the packet came from (RFC 1122 3.2.2).
	if (ref == STEER_NO_REF || !postern_addr_equal(&p->tuple.dst, &t->src))
		return NULL;
	struct steer_flow *f = steer_flow_at(s, ref / 2);

	*to = ref % 2;
	if ((f->flags & FLOW_KILLED) ||
		(*to == FROM_MEMBER && p->interface != s->members[f->member].interface))
		return NULL;
	if (f->flags & FLOW_UDP)
		return f;
	const struct rte_tcp_hdr *tcp = q->l4;

	return is_under_way(f, !*to, rte_be_to_cpu_32(tcp->sent_seq)) ? f : NULL;
}

static bool is_unreachable(const struct ip_packet *p)
{
	const struct rte_icmp_hdr *h =
		rte_pktmbuf_mtod_offset(p->m, const struct rte_icmp_hdr *, p->l4);

	if (p->family == POSTERN_V6)
		return h->icmp_type == ICMP6_DST_UNREACH;
	return h->icmp_type == ICMP_UNREACH && h->icmp_code != ICMP_UNREACH_NEEDFRAG;
}

// A SYN that did not reach its member. Were the client told, it would give up (RFC 1122 4.2.3.9)
// although others can be asked; were it not, it would ask again in a second and be sent to another
// then (input.c). So another is asked now, and the member counts as silent. Who forges this must know
// the number of the SYN and stand on the member's link, and gains what a lost SYN does.
static bool ask_another(struct steer *s, struct steer_flow *f)
{
	steer_member_failed(s, f, POSTERN_EVENT_SILENT);
	if (!steer_redispatch(s, f))
		return false;
	f->last_ms = s->now_ms;
	steer_syn_send(s, f);
	return true;
}

// Sends the error to a side, which knows the quoted packet by the addresses that it has put in itself.
static void pass_on(struct steer *s, const struct steer_flow *f, unsigned to, struct ip_packet *p,
	struct quote *q)
{
	void *l3 = rte_pktmbuf_mtod_offset(p->m, void *, IP_OFFSET);
	void *icmp = rte_pktmbuf_mtod_offset(p->m, void *, p->l4);
	struct ip_tuple known, outer;

	steer_flow_tuple(s, f, to, &known);
	steer_rewrite_transport(q->l4, q->there, &q->tuple, &known);
	steer_rewrite_ip(q->l3, p->family, &known, 0);
	// It comes from whom this side takes for the other: who stands behind is hidden from clients,
	// and members may know no way to strangers. Only where we are their router do they see who
	// it was.
	steer_flow_tuple_to(s, f, to, &outer);
	if (to == FROM_MEMBER && (f->flags & (FLOW_DESTINATION | FLOW_GATEWAY)))
		outer.src = p->tuple.src;
	steer_rewrite_ip(l3, p->family, &outer, 1);
	ip_icmp_sum(l3, p->family, icmp, p->l4_length);
	COUNT(s->counters, ERROR_TRANSLATED);
	ip_output(s->ip, p->m, to == FROM_CLIENT ? f->neigh : s->members[f->member].neigh);
}

void steer_error_input(struct steer *s, struct ip_packet *p)
{
	struct quote q;
	unsigned to;

	if (!ip_source_is_acceptable(s->ip, p)) {
		rte_pktmbuf_free(p->m);
		return;
	}
	struct steer_flow *f = quote_read(p, &q) ? find(s, p, &q, &to) : NULL;

	if (f == NULL) {
		STEER_DROP(s, p->m, ERROR_UNKNOWN);
		return;
	}
	// About an error nothing is said.
	if (p->ttl <= 1) {
		STEER_DROP(s, p->m, TTL);
		return;
	}
	if (to == FROM_MEMBER && f->state == POSTERN_SESSION_OPENING &&
		!(f->flags & (FLOW_SYNACK | FLOW_UDP | FLOW_GATEWAY)) && is_unreachable(p) &&
		ask_another(s, f)) {
		rte_pktmbuf_free(p->m);
		return;
	}
	pass_on(s, f, !to, p, &q);
}
