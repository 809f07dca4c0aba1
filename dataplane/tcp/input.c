// SPDX-License-Identifier: BSD-2-Clause
// A segment arrives: whose it is, and for a connection the checks of RFC 9293 3.10.7.4 in their order, as
// RFC 5961 and RFC 7323 have sharpened them.

#include "tcp/private.h"

// RFC 5961 7 wants a limit; one for all connections together would tell a third party what goes
// on in others (CVE-2016-5696), so each connection has its own.
#define CHALLENGES   10
#define CHALLENGE_US TCP_S

// A timestamp of so long ago says nothing any more (RFC 7323 5.5): 24 days.
#define PAWS_IDLE_US (24ull * 86400 * TCP_S)

bool tcp_challenge_allowed(struct tcp *t, uint64_t *filled_us, uint8_t *used)
{
	if (t->now_us - *filled_us >= CHALLENGE_US) {
		*filled_us = t->now_us;
		*used = 0;
	}
	if (*used >= CHALLENGES) {
		TCP_COUNT(t, CHALLENGES_HELD);
		return false;
	}
	++*used;
	TCP_COUNT(t, CHALLENGES);
	return true;
}

static void challenge(struct tcp *t, struct tcp_conn *c)
{
	if (tcp_challenge_allowed(t, &c->challenge_us, &c->challenges))
		tcp_send_ack(t, c);
}

// An answer to what lies outside of the window. Data are always answered, or a peer whose
// acknowledgement was lost would repeat them for ever; without data two ends could answer each
// other for ever.
static void answer_unacceptable(struct tcp *t, struct tcp_conn *c, const struct tcp_segment *s)
{
	if (s->flags & TCP_RST)
		return;
	if (segment_span(s) > 0 && !(s->flags & TCP_SYN))
		tcp_send_ack(t, c);
	else
		challenge(t, c);
}

// RFC 7323 5.3 R1, and 3.2: what was agreed on stands in every segment but resets.
static bool timestamp_passes(struct tcp *t, struct tcp_conn *c, const struct tcp_segment *s)
{
	if (!(c->options & OPT_TIMESTAMPS) || (s->flags & TCP_RST))
		return true;
	if (!s->has_ts) {
		TCP_COUNT(t, DROP_NO_TIMESTAMP);
		return false;
	}
	if (!seq_before(s->ts_value, c->ts_recent) || t->now_us - c->ts_recent_us > PAWS_IDLE_US)
		return true;
	TCP_COUNT(t, DROP_PAWS);
	answer_unacceptable(t, c, s);
	return false;
}

// RFC 9293 3.10.7.4, first. A segment at the left edge of a shut window passes for the sake of its ACK;
// its data do not. One without data may stand right at the right edge: its sender has sent what it may.
static bool sequence_passes(const struct tcp_conn *c, const struct tcp_segment *s)
{
	const uint32_t span = segment_span(s);

	if (s->seq == c->rcv_nxt)
		return true;
	if (span == 0)
		return seq_before(c->rcv_nxt, s->seq) && seq_upto(s->seq, c->rcv_edge);
	return seq_before(c->rcv_nxt, s->seq + span) && seq_before(s->seq, c->rcv_edge);
}

static void note_duplicate(struct tcp_conn *c, const struct tcp_segment *s)
{
	// RFC 2883 4: what came again is named in the first block of the answer.
	if ((c->options & OPT_SACK) && s->length > 0 && seq_upto(s->seq + s->length, c->rcv_nxt))
		c->dsack = (struct tcp_range){s->seq, s->seq + s->length};
}

// RFC 5961 3.2: a reset ends the connection only if it has exactly the expected number.
static void reset_input(struct tcp *t, struct tcp_conn *c, const struct tcp_segment *s)
{
	enum tcp_reason reason = TCP_REASON_RESET;

	if (s->seq == c->rcv_nxt) {
		if (c->state == TCP_SYN_RECEIVED)
			reason = TCP_REASON_REFUSED;
		// Only the acknowledgement of our FIN was missing, and the peer no longer waits for it.
		else if (c->state == TCP_LAST_ACK && c->tx_bytes == 0)
			reason = TCP_REASON_FIN;
		tcp_conn_close(t, c, reason);
		return;
	}
	TCP_COUNT(t, DROP_RESET);
	challenge(t, c);
}

// RFC 7323 4.3 (2): only a segment that begins at or before what was acknowledged last brings a
// timestamp to be echoed. It has one, and no old one: timestamp_passes() has seen to that.
static void note_timestamp(struct tcp *t, struct tcp_conn *c, const struct tcp_segment *s)
{
	if (!(c->options & OPT_TIMESTAMPS) || !seq_upto(s->seq, c->last_ack))
		return;
	c->ts_recent = s->ts_value;
	c->ts_recent_us = t->now_us;
}

// RFC 9293 3.8.5: data stay in line, the user learns where the urgent ones end. The pointer names the
// octet behind them, as RFC 6093 has settled.
static void urgent_input(struct tcp *t, struct tcp_conn *c, const struct tcp_segment *s)
{
	const uint32_t point = s->seq + s->urgent;

	if (!(s->flags & TCP_URG) || c->state > TCP_FIN_WAIT_2)
		return;
	if (!seq_before(c->rcv_nxt, point))
		return;
	if ((c->flags & CONN_URGENT) && !seq_before(c->rcv_urgent, point))
		return;
	c->rcv_urgent = point;
	c->flags |= CONN_URGENT;
	TCP_COUNT(t, URGENT);
	tcp_conn_tell(t, c, TCP_EVENT_URGENT);
}

bool tcp_conn_input(struct tcp *t, struct tcp_conn *c, struct tcp_segment *s)
{
	bool kept;

	if (c->state == TCP_SYN_SENT)
		return tcp_syn_sent_input(t, c, s);
	if (!timestamp_passes(t, c, s))
		return false;
	if (!sequence_passes(c, s)) {
		TCP_COUNT(t, DROP_SEQUENCE);
		note_duplicate(c, s);
		answer_unacceptable(t, c, s);
		return false;
	}
	if (s->flags & TCP_RST) {
		reset_input(t, c, s);
		return false;
	}
	if (s->flags & TCP_SYN) {
		// RFC 5961 4.2: wherever it lies.
		TCP_COUNT(t, DROP_SEQUENCE);
		challenge(t, c);
		return false;
	}
	if (!(s->flags & TCP_ACK)) {
		TCP_COUNT(t, DROP_NO_ACK);
		return false;
	}
	c->last_heard_us = t->now_us;
	c->keepalives = 0;
	if (!tcp_ack_input(t, c, s))
		return false;
	note_timestamp(t, c, s);
	urgent_input(t, c, s);
	kept = tcp_receive(t, c, s);
	if (c->state != TCP_CLOSED) {
		tcp_list_add(t, c, LIST_DIRTY);
		tcp_timer_arm(t, c);
	}
	return kept;
}

static void input_one(struct tcp *t, struct tcp_segment *s)
{
	struct tcp_conn *c = tcp_table_find(&t->conns, &s->key, s->hash);
	bool kept = false;

	if (c == NULL) {
		struct tcp_half *h = tcp_table_find(&t->halves, &s->key, s->hash);
		struct tcp_wait *w = tcp_table_find(&t->waits, &s->key, s->hash);

		if (h != NULL)
			c = tcp_half_input(t, h, s);
		else if (w != NULL)
			c = tcp_wait_input(t, w, s);
		else
			c = tcp_listen_input(t, s, NULL);
	}
	if (c != NULL)
		kept = tcp_conn_input(t, c, s);
	if (!kept)
		rte_pktmbuf_free(s->packet->m);
}

void tcp_input(struct tcp *t, struct ip_packet *p)
{
	struct tcp_segment s;

	TCP_COUNT(t, SEGMENTS_IN);
	if (tcp_segment_read(t, p, &s))
		input_one(t, &s);
	else
		rte_pktmbuf_free(p->m);
}

// Segments whose memory is fetched together: it has come when the first of them is looked at, and is still
// in the nearest cache when the last is.
#define AHEAD 16u

static void fetch_buckets(const struct tcp *t, const struct tcp_segment *s)
{
	tcp_table_fetch_bucket(&t->conns, s->hash);
	if (!(s->flags & TCP_SYN))
		return;
	tcp_table_fetch_bucket(&t->halves, s->hash);
	tcp_table_fetch_bucket(&t->waits, s->hash);
}

static void input_some(struct tcp *t, struct ip_packet *p, unsigned n)
{
	struct tcp_segment s[AHEAD];
	unsigned kept = 0;

	for (unsigned i = 0; i < n; i++) {
		if (tcp_segment_read(t, &p[i], &s[kept]))
			fetch_buckets(t, &s[kept++]);
		else
			rte_pktmbuf_free(p[i].m);
	}
	for (unsigned i = 0; i < kept; i++)
		tcp_table_fetch_entry(&t->conns, s[i].hash);
	for (unsigned i = 0; i < kept; i++)
		input_one(t, &s[i]);
}

void tcp_input_burst(struct tcp *t, struct ip_packet *p, unsigned n)
{
	TCP_COUNT_N(t, SEGMENTS_IN, n);
	for (unsigned i = 0; i < n; i += AHEAD)
		input_some(t, p + i, RTE_MIN(n - i, AHEAD));
}
