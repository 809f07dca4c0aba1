// SPDX-License-Identifier: BSD-2-Clause
// Acknowledgements (RFC 9293 3.10.7.4 fifth, RFC 5961 5, RFC 2018, RFC 6582): what has arrived, what is
// lost, what the peer's window is now.

#include "tcp/private.h"

// What one acknowledgement has told.
struct news {
	uint32_t acked; // sequence space newly acknowledged in order
	uint64_t
		newest; // when the latest of the segments that arrived, and were sent once, was sent
	bool fin;       // of ours
	bool sacked;    // new blocks
	bool dsack;
};

static void delivered(struct tcp *t, struct tcp_conn *c, const struct tcp_block *b,
	const struct tcp_segment *s, struct news *n)
{
	if (!(b->flags & BLOCK_AGAIN))
		n->newest = RTE_MAX(n->newest, b->sent_us);
	if (c->options & OPT_SACK)
		tcp_rack_delivered(t, c, b, s);
}

// RFC 2883 4.1, 4.2: the first block lies below the acknowledgement or within the second.
static bool is_dsack(const struct tcp_segment *s)
{
	const struct tcp_range *first = &s->sacks[0], *second = &s->sacks[1];

	if (s->n_sacks == 0)
		return false;
	if (seq_upto(first->end, s->ack))
		return true;
	return s->n_sacks > 1 && seq_upto(second->start, first->start) &&
	       seq_upto(first->end, second->end);
}

static bool range_is_sound(const struct tcp_conn *c, const struct tcp_range *r, uint32_t ack)
{
	return seq_before(r->start, r->end) && seq_before(ack, r->end) &&
	       seq_upto(r->end, c->snd_nxt) && seq_upto(c->snd_una, r->start);
}

static bool is_covered(
	const struct tcp_conn *c, const struct tcp_block *b, const struct tcp_segment *s)
{
	for (unsigned i = 0; i < s->n_sacks; i++) {
		const struct tcp_range *r = &s->sacks[i];

		if (range_is_sound(c, r, s->ack) && seq_upto(r->start, b->seq) &&
			seq_upto(block_end(b), r->end))
			return true;
	}
	return false;
}

// A block is sacked whole or not at all: blocks are what was sent as one segment.
static void sacks_apply(
	struct tcp *t, struct tcp_conn *c, const struct tcp_segment *s, struct news *n)
{
	for (uint32_t i = c->tx_head; i != c->tx_next; i = tcp_block_at(t, i)->next) {
		struct tcp_block *b = tcp_block_at(t, i);

		// What is acknowledged in order follows.
		if ((b->flags & BLOCK_SACKED) || seq_upto(block_end(b), s->ack) ||
			!is_covered(c, b, s))
			continue;
		delivered(t, c, b, s, n);
		if (b->flags & BLOCK_LOST)
			c->lost -= block_span(b);
		b->flags = (uint8_t)((b->flags & ~BLOCK_LOST) | BLOCK_SACKED);
		c->sacked += block_span(b);
		c->sacked_blocks++;
		n->sacked = true;
	}
}

static void forget_marks(struct tcp_conn *c, const struct tcp_block *b, uint32_t span)
{
	if (b->flags & BLOCK_SACKED)
		c->sacked -= span;
	else if (b->flags & BLOCK_LOST)
		c->lost -= span;
}

// Gives up what lies before the acknowledgement, which is not beyond snd_nxt.
static void acked_blocks(
	struct tcp *t, struct tcp_conn *c, const struct tcp_segment *s, struct news *n)
{
	while (c->tx_head != c->tx_next) {
		const uint32_t i = c->tx_head;
		struct tcp_block *b = tcp_block_at(t, i);

		if (!seq_upto(block_end(b), s->ack))
			break;
		if (b->flags & BLOCK_SACKED)
			c->sacked_blocks--;
		else
			delivered(t, c, b, s, n);
		forget_marks(c, b, block_span(b));
		n->fin |= (b->flags & BLOCK_FIN) != 0;
		c->tx_bytes -= b->length;
		c->tx_head = b->next;
		if (c->tx_tail == i)
			c->tx_tail = TCP_NONE;
		tcp_block_free(t, c, i);
	}
	if (c->tx_head == c->tx_next)
		return;
	struct tcp_block *b = tcp_block_at(t, c->tx_head);

	if (seq_before(b->seq, s->ack)) {
		const uint32_t part = s->ack - b->seq;

		forget_marks(c, b, part);
		b->seq += part;
		b->offset = (uint16_t)(b->offset + part);
		b->length = (uint16_t)(b->length - part);
		c->tx_bytes -= part;
	}
}

static void window_update(struct tcp *t, struct tcp_conn *c, const struct tcp_segment *s)
{
	const uint32_t was = c->snd_wnd;

	// RFC 9293 3.10.7.4: not from an older segment.
	if (!seq_before(c->snd_wl1, s->seq) &&
		!(c->snd_wl1 == s->seq && seq_upto(c->snd_wl2, s->ack)))
		return;
	c->snd_wnd = (uint32_t)s->window << c->snd_wscale;
	c->snd_wl1 = s->seq;
	c->snd_wl2 = s->ack;
	c->max_wnd = RTE_MAX(c->max_wnd, c->snd_wnd);
	if (c->snd_wnd <= was || !(c->flags & CONN_PERSIST))
		return;
	// The window has opened: what the probes said was most likely thrown away.
	c->flags &= ~CONN_PERSIST;
	c->rto_at = 0;
	c->backoff = 0;
	c->stuck_us = 0;
	if (c->tx_head != c->tx_next)
		tcp_block_lose(c, tcp_block_at(t, c->tx_head));
	c->flags |= CONN_FORCE;
}

// RFC 8985 7.4: whether a probe has repaired a loss that nobody has noticed otherwise.
static void tlp_acked(
	struct tcp *t, struct tcp_conn *c, const struct tcp_segment *s, const struct news *n)
{
	if (!(c->flags & CONN_TLP_OUT) || seq_before(s->ack, c->tlp_end))
		return;
	if ((c->flags & CONN_TLP_AGAIN) && !n->dsack) {
		if (s->ack == c->tlp_end && (n->acked > 0 || s->n_sacks > 0))
			return;
		if (s->ack != c->tlp_end)
			tcp_congestion_lost(t, c);
	}
	c->flags &= ~(CONN_TLP_OUT | CONN_TLP_AGAIN);
}

static void recovery_leave(struct tcp_conn *c)
{
	if (c->flags & CONN_RECOVERY) {
		// RFC 6582 3.2 (3): no burst when much has been acknowledged at once.
		const uint32_t flight = RTE_MAX(tcp_flight(c), (uint32_t)c->mss) + c->mss;

		c->cwnd = RTE_MAX(RTE_MIN(c->ssthresh, flight), 2u * c->mss);
	}
	c->flags &= ~(CONN_RECOVERY | CONN_LOSS);
	c->dup_acks = 0;
	if (c->reo_persist > 0 && --c->reo_persist == 0)
		c->reo_mult = 1;
}

// Loss without SACK: the third duplicate, and partial acknowledgements (RFC 5681 3.2, RFC 6582).
static void reno_detect(struct tcp *t, struct tcp_conn *c, const struct news *n)
{
	struct tcp_block *head;

	if (c->tx_head == c->tx_next)
		return;
	head = tcp_block_at(t, c->tx_head);
	// After a timeout all was taken for lost, and what goes again is known by its marks.
	if (c->flags & CONN_LOSS)
		return;
	if (c->flags & CONN_RECOVERY) {
		if (n->acked == 0)
			return;
		c->dup_acks -= RTE_MIN(c->dup_acks, n->acked / c->mss);
		tcp_block_lose(c, head);
		c->flags |= CONN_FORCE;
		return;
	}
	if (n->acked > 0) {
		c->dup_acks = 0;
		return;
	}
	// RFC 6582 4.1: duplicates of what was repeated before are no new loss.
	if (c->dup_acks != TCP_DUP_ACKS || seq_upto(c->snd_una, c->recover))
		return;
	tcp_recovery_enter(t, c);
	tcp_block_lose(c, head);
}

static void loss_detect(struct tcp *t, struct tcp_conn *c, const struct news *n)
{
	if ((c->flags & (CONN_RECOVERY | CONN_LOSS)) && seq_upto(c->recover, c->snd_una))
		recovery_leave(c);
	if (!(c->options & OPT_SACK)) {
		reno_detect(t, c, n);
		return;
	}
	if (tcp_rack_detect(t, c) && !(c->flags & (CONN_RECOVERY | CONN_LOSS)))
		tcp_recovery_enter(t, c);
}

static void take_rtt(
	struct tcp *t, struct tcp_conn *c, const struct tcp_segment *s, const struct news *n)
{
	// Karn: only what was sent once, or what a timestamp tells apart (RFC 7323 4.1).
	if (n->newest != 0) {
		tcp_rtt_sample(t, c, (uint32_t)RTE_MAX(t->now_us - n->newest, 1u));
	} else if (n->acked > 0 && (c->options & OPT_TIMESTAMPS) && s->ts_echo != 0) {
		const uint32_t ms = tcp_ts_now(t, c->ts_offset) - s->ts_echo;

		if (ms < UINT32_MAX / 1000 / 2)
			tcp_rtt_sample(t, c, RTE_MAX(ms * 1000, 1u));
	}
}

// What our FIN's acknowledgement means (RFC 9293 3.10.7.4 fifth). False when the connection is over.
static bool fin_acked(struct tcp *t, struct tcp_conn *c)
{
	switch (c->state) {
	case TCP_FIN_WAIT_1:
		c->state = TCP_FIN_WAIT_2;
		if (c->flags & CONN_RELEASED)
			c->idle_at = t->now_us + t->settings.fin_wait * TCP_MS;
		return true;
	case TCP_CLOSING:
		tcp_wait_begin(t, c);
		return false;
	case TCP_LAST_ACK:
		tcp_conn_close(t, c, TCP_REASON_FIN);
		return false;
	default:
		return true;
	}
}

static bool is_duplicate(const struct tcp_conn *c, const struct tcp_segment *s, uint32_t window_was)
{
	// RFC 5681 2, DUPLICATE ACKNOWLEDGMENT (a) to (e).
	return s->ack == c->snd_una && segment_span(s) == 0 && tcp_flight(c) > 0 &&
	       c->snd_wnd == window_was;
}

// RFC 5961 5.2: at most a window old, and nothing that was not sent.
static bool ack_passes(struct tcp *t, struct tcp_conn *c, const struct tcp_segment *s)
{
	if (c->state == TCP_SYN_RECEIVED) {
		if (s->ack == c->snd_nxt) {
			c->snd_una = s->ack;
			tcp_rtt_begin(t, c);
			tcp_conn_established(t, c);
			tcp_conn_tell(t, c, TCP_EVENT_CONNECTED);
			return true;
		}
		TCP_COUNT(t, DROP_ACK);
		tcp_packet_reset(t, s);
		return false;
	}
	if (seq_before(c->snd_nxt, s->ack) || seq_before(s->ack, c->snd_una - c->max_wnd)) {
		TCP_COUNT(t, DROP_ACK);
		if (tcp_challenge_allowed(t, &c->challenge_us, &c->challenges))
			tcp_send_ack(t, c);
		return false;
	}
	return true;
}

// Marks that nothing has moved for long must not come to lie ahead when numbers wrap.
static void marks_follow(struct tcp_conn *c)
{
	c->dsack_round = seq_max(c->dsack_round, c->snd_una);
	if (!(c->flags & (CONN_RECOVERY | CONN_LOSS)))
		c->recover = seq_max(c->recover, c->snd_una - 1);
}

bool tcp_ack_input(struct tcp *t, struct tcp_conn *c, struct tcp_segment *s)
{
	const uint32_t window_was = c->snd_wnd;
	struct news n = {0};

	if (!ack_passes(t, c, s))
		return false;
	if (seq_before(s->ack, c->snd_una))
		return true; // an old one; its data may be new
	window_update(t, c, s);
	if (c->options & OPT_SACK) {
		n.dsack = is_dsack(s);
		if (n.dsack)
			tcp_rack_dsack(t, c);
		if (s->n_sacks > 0)
			sacks_apply(t, c, s, &n);
	} else if (is_duplicate(c, s, window_was)) {
		c->dup_acks++;
	}
	n.acked = s->ack - c->snd_una;
	tlp_acked(t, c, s, &n);
	if (n.acked > 0) {
		acked_blocks(t, c, s, &n);
		c->snd_una = s->ack;
		c->stuck_us = 0;
		c->flags &= ~CONN_OVERRIDE;
		marks_follow(c);
	}
	take_rtt(t, c, s, &n);
	if (n.acked > 0 && !(c->flags & CONN_RECOVERY))
		tcp_congestion_acked(t, c, n.acked);
	loss_detect(t, c, &n);
	tcp_timer_acked(t, c, n.acked > 0 || n.sacked);
	return !n.fin || fin_acked(t, c);
}
