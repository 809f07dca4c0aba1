// SPDX-License-Identifier: BSD-2-Clause
// A burst of packets: header, index, session, each stage over the whole burst so that the
// memory of the next one is on its way meanwhile.

#include "steer/private.h"
#include "steer/table.h"

#include <rte_byteorder.h>
#include <rte_prefetch.h>

// Combinations that occur in a sane conversation, one bit each: SYN, SYN+ACK, RST, RST+ACK, ACK,
// FIN+ACK. All but the first segment and resets carry ACK (RFC 9293 3.10.7.4, fifth), and SYN
// excludes FIN and RST.
#define SANE(flags) (1u << (flags))
static const uint32_t sane_flags =
	SANE(RTE_TCP_SYN_FLAG) | SANE(RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG) |
	SANE(RTE_TCP_RST_FLAG) | SANE(RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG) |
	SANE(RTE_TCP_ACK_FLAG) | SANE(RTE_TCP_FIN_FLAG | RTE_TCP_ACK_FLAG);

// A client repeats its SYN after a second (RFC 6298 2.1), some stacks sooner. One that comes so
// long after the last is a repetition and no duplicate made on the way.
#define REPEATED_SYN_MS 400u

#define HOPS_USED_UP(s, p) ip_error((s)->ip, (p)->ip, IP_ERROR_TTL, 0, POSTERN_COUNTER_DROP_TTL)

// False: the packet has been dropped.
static bool tcp_read(struct steer *s, struct steer_packet *p)
{
	struct ip_packet *ip = p->ip;
	struct rte_tcp_hdr *tcp = rte_pktmbuf_mtod_offset(ip->m, struct rte_tcp_hdr *, ip->l4);

	if (ip->l4_length < sizeof(*tcp) || ip->l4 + sizeof(*tcp) > ip->m->data_len) {
		STEER_DROP(s, p->ip->m, TCP_HEADER);
		return false;
	}
	const unsigned header = (unsigned)(tcp->data_off >> 4) * 4;

	if (header < sizeof(*tcp) || header > ip->l4_length || ip->l4 + header > ip->m->data_len ||
		tcp->src_port == 0 || tcp->dst_port == 0) {
		STEER_DROP(s, p->ip->m, TCP_HEADER);
		return false;
	}
	ip->tuple.sport = tcp->src_port;
	ip->tuple.dport = tcp->dst_port;
	if (!(sane_flags >> (tcp->tcp_flags & STEER_FLAG_MASK) & 1)) {
		steer_record_packet(s, p, POSTERN_STEP_PACKET, POSTERN_COUNTER_DROP_TCP_FLAGS,
			POSTERN_ID_NONE, POSTERN_ID_NONE);
		STEER_DROP(s, p->ip->m, TCP_FLAGS);
		return false;
	}
	p->tcp = tcp;
	p->prepared = false;
	p->flags = tcp->tcp_flags;
	p->seq = rte_be_to_cpu_32(tcp->sent_seq);
	p->ack = rte_be_to_cpu_32(tcp->recv_ack);
	// SYN and FIN take a sequence number each (RFC 9293 3.4).
	p->end = p->seq + ip->l4_length - header + ((p->flags & RTE_TCP_SYN_FLAG) != 0) +
		 ((p->flags & RTE_TCP_FIN_FLAG) != 0);
	p->hash = steer_tuple_hash(s, &ip->tuple);
	return true;
}

// A first segment with a wrong checksum would be passed on wrong, and its member, silent about it,
// would be taken for dead; in a member's answer it tells of a sender that leaves checksums to a port
// that does not write them. Those of other segments are the receiver's to find.
bool steer_checksum_is_right(const struct steer_packet *p)
{
	const struct ip_packet *ip = p->ip;

	switch (ip->m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) {
	case RTE_MBUF_F_RX_L4_CKSUM_GOOD:
	case RTE_MBUF_F_RX_L4_CKSUM_NONE: // not filled in, but the data is good
		return true;
	case RTE_MBUF_F_RX_L4_CKSUM_BAD:
		return false;
	default:
		return ip_transport_sums_up(ip);
	}
}

static void first_segment(struct steer *s, struct steer_packet *p)
{
	const uint16_t listen = p->prepared ? p->listen : steer_listen_find(s, &p->ip->tuple);

	if (listen == POSTERN_ID_NONE) {
		steer_record_packet(s, p, POSTERN_STEP_OPEN, POSTERN_COUNTER_REFUSE_PORT_CLOSED,
			listen, POSTERN_ID_NONE);
		steer_answer_reset(s, p, POSTERN_COUNTER_REFUSE_PORT_CLOSED);
	} else if (p->ip->ttl <= 1) {
		HOPS_USED_UP(s, p);
	} else if (!steer_checksum_is_right(p)) {
		steer_record_packet(s, p, POSTERN_STEP_OPEN, POSTERN_COUNTER_DROP_TCP_CHECKSUM,
			listen, POSTERN_ID_NONE);
		STEER_DROP(s, p->ip->m, TCP_CHECKSUM);
	} else {
		steer_open(s, p, listen);
	}
}

// A segment of a session that nobody knows. After a restart the answer is what tells both sides to
// begin anew.
static void unknown_segment(struct steer *s, struct steer_packet *p)
{
	steer_record_packet(s, p, POSTERN_STEP_PACKET, POSTERN_COUNTER_REFUSE_NO_SESSION,
		steer_listen_find(s, &p->ip->tuple), POSTERN_ID_NONE);
	steer_answer_reset(s, p, POSTERN_COUNTER_REFUSE_NO_SESSION);
}

// A packet of no session that we know: a new one, or something stray.
static void stray(struct steer *s, struct steer_packet *p)
{
	if (ip_config_find(s->ip->config, &p->ip->tuple.dst) == NULL) {
		steer_pass_through(s, p);
		return;
	}
	if (!ip_is_acceptable(s->ip, p->ip)) {
		rte_pktmbuf_free(p->ip->m);
		return;
	}
	if (steer_is_first_segment(p))
		first_segment(s, p);
	else if (p->flags & RTE_TCP_RST_FLAG)
		STEER_DROP(s, p->ip->m, NO_SESSION);
	else
		unknown_segment(s, p);
}

// A SYN on a session that exists. True: it is not to be sent on in that session.
static bool syn_again(struct steer *s, struct steer_flow *f, struct steer_packet *p)
{
	if (steer_flow_is_over(f)) {
		steer_flow_end(s, f);
		stray(s, p);
		return true;
	}
	// The receiver of any other challenges it (RFC 5961 4.2) and sorts it out.
	if (f->state != POSTERN_SESSION_OPENING)
		return false;
	if (p->seq + 1 != f->next[steer_flow_asker(f)] && !(f->flags & FLOW_SYNACK)) {
		// Another attempt from the same port: the first is over.
		COUNT(s->counters, CLOSE_UNANSWERED);
		steer_record_flow(s, f, POSTERN_STEP_MEMBER, POSTERN_COUNTER_CLOSE_UNANSWERED,
			POSTERN_SIDE_MEMBER);
		steer_flow_free(s, f);
		stray(s, p);
		return true;
	}
	if (!(f->flags & (FLOW_SYNACK | FLOW_GATEWAY)) &&
		s->now_ms - f->last_ms >= REPEATED_SYN_MS) {
		steer_member_failed(s, f, POSTERN_EVENT_SILENT);
		steer_redispatch(s, f);
	}
	return false;
}

// A reset in answer to the SYN. True: another member is being asked instead.
static bool refused(struct steer *s, struct steer_flow *f, const struct steer_packet *p)
{
	// Only a reset that acknowledges the SYN is one (RFC 9293 3.10.7.3); the rest passes.
	if (!(p->flags & RTE_TCP_ACK_FLAG) || !steer_acknowledges_syn(f, p))
		return false;
	if (f->flags & FLOW_GATEWAY) {
		steer_flow_set_state(s, f, POSTERN_SESSION_RESET);
		return false;
	}
	steer_member_failed(s, f, POSTERN_EVENT_REFUSED);
	if (!steer_redispatch(s, f)) {
		// The client is told; its next try begins anew.
		steer_flow_set_state(s, f, POSTERN_SESSION_RESET);
		return false;
	}
	f->last_ms = s->now_ms;
	steer_syn_send(s, f);
	return true;
}

// Nearly every packet: a segment of an established session, no SYN, FIN or reset.
static inline bool is_ordinary(const struct steer_flow *f, const struct steer_packet *p)
{
	return f->state == POSTERN_SESSION_ESTABLISHED &&
	       (p->flags & STEER_FLAG_MASK) == RTE_TCP_ACK_FLAG &&
	       !(f->flags & (FLOW_KILLED | FLOW_UDP)) && p->ip->ttl > 1;
}

static void tcp_in_session(
	struct steer *s, struct steer_flow *f, unsigned direction, struct steer_packet *p)
{
	const bool asked = direction != steer_flow_asker(f);

	if (!asked && steer_is_first_segment(p) && syn_again(s, f, p))
		return;
	if (f->flags & FLOW_KILLED) {
		if (p->flags & RTE_TCP_RST_FLAG)
			STEER_DROP(s, p->ip->m, NO_SESSION);
		else
			steer_answer_reset(s, p, POSTERN_COUNTER_REFUSE_NO_SESSION);
		return;
	}
	if (p->ip->ttl <= 1) {
		HOPS_USED_UP(s, p);
		return;
	}
	if (asked && f->state == POSTERN_SESSION_OPENING && (p->flags & RTE_TCP_SYN_FLAG) &&
		!steer_checksum_is_right(p)) {
		STEER_DROP(s, p->ip->m, TCP_CHECKSUM);
		return;
	}
	if (asked && f->state == POSTERN_SESSION_OPENING && (p->flags & RTE_TCP_RST_FLAG) &&
		!(f->flags & FLOW_SYNACK) && refused(s, f, p)) {
		rte_pktmbuf_free(p->ip->m);
		return;
	}
	steer_track(s, f, direction, p);
	const bool sent = steer_forward(s, f, direction, p);

	if (!(f->flags & (FLOW_SYNACK | FLOW_GATEWAY)) && !asked)
		f->syn.asked |= sent;
}

static void in_session(struct steer *s, struct steer_packet *p, uint32_t ref)
{
	struct steer_flow *f = steer_flow_at(s, ref / 2);
	const unsigned direction = ref % 2;

	// Nobody on another link speaks as a member (RFC 1122 3.3.4.2, the strong model).
	if (direction == FROM_MEMBER && p->ip->interface != s->members[f->member].interface) {
		STEER_DROP(s, p->ip->m, SPOOFED);
		return;
	}
	if (likely(is_ordinary(f, p))) {
		f->last_ms = s->now_ms;
		steer_follow(f, direction, p);
		steer_forward(s, f, direction, p);
		return;
	}
	if (f->flags & FLOW_UDP && p->ip->ttl <= 1)
		HOPS_USED_UP(s, p);
	else if (f->flags & FLOW_UDP)
		steer_udp_in_session(s, f, direction, p);
	else
		tcp_in_session(s, f, direction, p);
}

// False: the packet has been dealt with.
static bool packet_read(struct steer *s, struct steer_packet *p)
{
	switch (p->ip->tuple.proto) {
	case IPPROTO_TCP:
		return tcp_read(s, p);
	case IPPROTO_UDP:
		return steer_udp_read(s, p);
	default:
		steer_error_input(s, p->ip);
		return false;
	}
}

// When packets come faster than they are worked off, new sessions may have the places that are free, and
// those of sessions that are over; of what would take the place of one that has not begun, a flood of
// SYNs, few begin one, as each costs as much as ten packets of a session. A client that is held back asks
// again after a second.
#define BEGIN_PER_BURST 8u

static unsigned may_begin(const struct steer *s, bool full)
{
	const uint32_t limit = s->limits[QUOTA_SESSIONS];
	const uint32_t used = s->in_use[QUOTA_SESSIONS] - s->lists[LIST_ENDING].length;
	const uint32_t room = limit > used ? limit - used : 0;

	if (!full || room >= PORT_BURST)
		return PORT_BURST;
	return RTE_MAX(room, BEGIN_PER_BURST);
}

// What members begin has places of its own, which no flood of clients may take.
static bool wants_session(const struct steer *s, const struct steer_packet *p)
{
	const struct ip_tuple *t = &p->ip->tuple;

	return steer_is_first_segment(p) && (steer_node_find(s->config, &t->src) == NULL ||
						    ip_config_find(s->ip->config, &t->dst) != NULL);
}

// What a packet will touch lies in main memory when there are many sessions, so it is fetched in steps
// while packets before it are worked off: the first place of its key, then the session or the second
// place, then the session that lies there. A group of packets at a time: a fetch holds up what follows
// until its address is translated, and those that follow each other closely are translated together;
// more than some twenty lines at once a core does not wait for.
#define GROUP 16u

// A burst that is being worked off.
struct work {
	struct steer_packet pkts[PORT_BURST];
	unsigned n;
	uint64_t elsewhere; // of a group: nothing at the first place looks like their session
	unsigned begin;     // sessions that may still begin
	unsigned prepare;   // of these, for which that has not been prepared
	unsigned held_back;
	const struct steer_packet *first_held;
};

_Static_assert(PORT_BURST <= 64, "one bit each");

static void prepare_elsewhere(struct steer *s, struct work *w, unsigned i)
{
	struct steer_packet *p = &w->pkts[i];

	w->elsewhere |= (uint64_t)1 << i;
	if (p->ip->tuple.proto != IPPROTO_TCP || !steer_is_first_segment(p)) {
		steer_table_prefetch_second(&s->table, p->hash);
	} else if (w->prepare > 0) {
		steer_prepare(s, p);
		w->prepare--;
	}
}

static inline void fetch_first(struct steer *s, struct work *w, unsigned from, unsigned end)
{
	for (unsigned i = from; i < end; i++) {
		const uint32_t guess = steer_table_guess(&s->table, w->pkts[i].hash);

		if (likely(guess != STEER_NO_REF))
			rte_prefetch0(steer_flow_at(s, guess / 2));
		else
			prepare_elsewhere(s, w, i);
	}
}

// When the second places have come.
static inline void fetch_second(struct steer *s, struct work *w, uint64_t elsewhere)
{
	for (; elsewhere != 0; elsewhere &= elsewhere - 1) {
		struct steer_packet *p = &w->pkts[__builtin_ctzll(elsewhere)];
		const uint32_t guess = steer_table_guess_second(&s->table, p->hash);

		if (guess != STEER_NO_REF)
			rte_prefetch0(steer_flow_at(s, guess / 2));
		else if (p->prepared)
			steer_prepare_again(s, p);
	}
}

static void work_off(struct steer *s, struct work *w, struct steer_packet *p)
{
	const uint32_t ref = steer_table_find(s, p->hash, &p->ip->tuple);

	if (likely(ref != STEER_NO_REF)) {
		in_session(s, p, ref);
	} else if (p->ip->tuple.proto != IPPROTO_TCP) {
		steer_udp_stray(s, p);
	} else if (!wants_session(s, p)) {
		stray(s, p);
	} else if (w->begin == 0) {
		w->first_held = w->held_back++ == 0 ? p : w->first_held;
		STEER_DROP(s, p->ip->m, FLOOD);
	} else {
		w->begin--;
		stray(s, p);
	}
}

void steer_input(struct steer *s, struct ip_packet *pkts, unsigned n, bool full)
{
	const unsigned begin = may_begin(s, full);
	struct work w;

	w.n = 0;
	w.elsewhere = 0;
	w.begin = w.prepare = begin;
	w.held_back = 0;
	w.first_held = NULL;
	s->now_ms = (uint32_t)(s->ip->now_us / 1000);
	for (unsigned i = 0, fetched = 0; i < n;) {
		const unsigned end = RTE_MIN(i + GROUP, n);

		for (; i < end; i++) {
			w.pkts[w.n].ip = &pkts[i];
			w.n += packet_read(s, &w.pkts[w.n]);
		}
		for (; fetched < w.n; fetched++)
			steer_table_prefetch(&s->table, w.pkts[fetched].hash);
	}
	for (unsigned g = 0; g < w.n + 2 * GROUP; g += GROUP) {
		const uint64_t before = w.elsewhere;

		w.elsewhere = 0;
		fetch_first(s, &w, g, RTE_MIN(g + GROUP, w.n));
		fetch_second(s, &w, before);
		for (unsigned i = g - 2 * GROUP; i < RTE_MIN(g - GROUP, w.n); i++)
			work_off(s, &w, &w.pkts[i]);
	}
	if (w.held_back > 0)
		steer_record_flood(s, w.first_held, w.held_back);
}
