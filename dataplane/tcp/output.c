// SPDX-License-Identifier: BSD-2-Clause
// What leaves: losses first, then new data as far as windows allow, else an ACK that is owed
// (RFC 9293 3.8.6.2, RFC 5681, RFC 6675 5).
//
// Data leave in the buffer that they were written into, with headers in the room in front. The buffer is
// held until it is acknowledged; while the link may still hold it too it is not written: what must be
// sent again then is copied.

#include "tcp/private.h"

#include <string.h>

static struct tcp_out out_of(struct tcp *t, struct tcp_conn *c, uint32_t seq, uint8_t flags)
{
	struct tcp_out o = {
		.key = c->entry.key,
		.seq = seq,
		.ack = c->rcv_nxt,
		.flags = flags,
		.wscale = TCP_NO_WSCALE,
		// RFC 7323 3.2: resets too.
		.has_ts = c->options & OPT_TIMESTAMPS,
	};

	o.window = flags & TCP_RST ? 0 : (uint16_t)tcp_receive_window(t, c);
	if (o.has_ts) {
		o.ts_value = tcp_ts_now(t, c->ts_offset);
		o.ts_echo = c->ts_recent;
	}
	return o;
}

// RFC 2018 3, RFC 2883 4: as many blocks as there is room for, what came twice in front.
static void add_sacks(struct tcp_conn *c, struct tcp_out *o, unsigned room)
{
	const unsigned most = o->has_ts ? TCP_SACKS - 1 : TCP_SACKS;

	if (!(c->options & OPT_SACK) || room < 4 + 8)
		return;
	if (c->dsack.start != c->dsack.end) {
		o->sacks[o->n_sacks++] = c->dsack;
		c->dsack.start = c->dsack.end;
		room -= 8;
	}
	for (unsigned i = 0; i < c->n_sacks && o->n_sacks < most && room >= 4 + 8; i++, room -= 8)
		o->sacks[o->n_sacks++] = c->sacks[i];
}

// An ACK has left, alone or with data.
static void ack_left(struct tcp_conn *c)
{
	c->last_ack = c->rcv_nxt;
	c->ack_at = 0;
	c->unacked_rcvd = 0;
	c->flags &= ~CONN_ACK_NOW;
}

static void hand_down(struct tcp *t, struct tcp_conn *c, struct rte_mbuf *m)
{
	TCP_COUNT(t, SEGMENTS_OUT);
	t->link.send(t->link.context, m, c->route);
}

void tcp_send_ack(struct tcp *t, struct tcp_conn *c)
{
	struct rte_mbuf *m = tcp_packet_new(t);

	if (m == NULL)
		return;
	struct tcp_out o = out_of(t, c, c->snd_nxt, TCP_ACK);

	add_sacks(c, &o, 40);
	tcp_packet_finish(m, &o);
	ack_left(c);
	hand_down(t, c, m);
}

void tcp_send_keepalive(struct tcp *t, struct tcp_conn *c)
{
	struct rte_mbuf *m = tcp_packet_new(t);

	if (m == NULL)
		return;
	// RFC 9293 3.8.4: an old number makes any peer answer; no garbage byte.
	const struct tcp_out o = out_of(t, c, c->snd_nxt - 1, TCP_ACK);

	tcp_packet_finish(m, &o);
	TCP_COUNT(t, KEEPALIVES);
	ack_left(c);
	hand_down(t, c, m);
}

void tcp_send_reset(struct tcp *t, struct tcp_conn *c)
{
	struct rte_mbuf *m = tcp_packet_new(t);

	if (m == NULL)
		return;
	const struct tcp_out o = out_of(t, c, c->snd_nxt, TCP_RST | TCP_ACK);

	tcp_packet_finish(m, &o);
	TCP_COUNT(t, RESET_OUT);
	hand_down(t, c, m);
}

void tcp_send_syn(struct tcp *t, struct tcp_conn *c)
{
	const bool answers = c->state == TCP_SYN_RECEIVED;
	struct rte_mbuf *m = tcp_packet_new(t);

	c->rto_at = t->now_us + tcp_rto(t, c);
	c->last_sent_us = t->now_us;
	if (m == NULL)
		return;
	const struct tcp_out o = {
		.key = c->entry.key,
		.seq = c->iss,
		.ack = answers ? c->rcv_nxt : 0,
		.flags = (uint8_t)(TCP_SYN | (answers ? TCP_ACK : 0)),
		.window = (uint16_t)RTE_MIN(t->settings.receive_buffer, (uint32_t)UINT16_MAX),
		.mss = tcp_mss_of_mtu(&c->entry.key.local, c->mtu),
		.wscale = (answers ? c->options & OPT_WSCALE : t->settings.window_scale)
				  ? tcp_wscale_own(t)
				  : TCP_NO_WSCALE,
		.sack_ok = answers ? c->options & OPT_SACK : t->settings.sack,
		.has_ts = answers ? c->options & OPT_TIMESTAMPS : t->settings.timestamps,
		.ts_value = tcp_ts_now(t, c->ts_offset),
		.ts_echo = answers ? c->ts_recent : 0,
	};

	tcp_packet_finish(m, &o);
	hand_down(t, c, m);
}

// A packet with the first `length` bytes of a block: the block's own buffer if nobody else holds it.
static struct rte_mbuf *packet_of(struct tcp *t, struct tcp_block *b, uint16_t length)
{
	struct rte_mbuf *m;

	if (b->m != NULL && length == b->length && rte_mbuf_refcnt_read(b->m) == 1) {
		m = b->m;
		m->data_off = b->offset;
		m->data_len = length;
		m->pkt_len = length;
		rte_mbuf_refcnt_update(m, 1);
		return m;
	}
	m = tcp_packet_new(t);
	if (m != NULL && length > 0)
		memcpy(rte_pktmbuf_append(m, length), tcp_block_bytes(b), length);
	return m;
}

static void block_left(struct tcp *t, struct tcp_conn *c, struct tcp_block *b)
{
	if (b->flags & BLOCK_SENT) {
		b->flags |= BLOCK_AGAIN;
		TCP_COUNT(t, RETRANSMITTED);
		c->retransmitted++;
	} else {
		b->flags |= BLOCK_SENT;
		c->snd_nxt = block_end(b);
		c->tx_next = b->next;
	}
	if (b->flags & BLOCK_LOST) {
		b->flags &= (uint8_t)~BLOCK_LOST;
		c->lost -= block_span(b);
	}
	b->sent_us = t->now_us;
	c->last_sent_us = t->now_us;
}

bool tcp_send_block(struct tcp *t, struct tcp_conn *c, struct tcp_block *b)
{
	struct rte_mbuf *m = packet_of(t, b, b->length);
	uint8_t flags = TCP_ACK;

	if (m == NULL)
		return false;
	if (b->flags & BLOCK_FIN)
		flags |= TCP_FIN;
	// RFC 9293 MUST-60: the last one of what there is to be sent is pushed.
	if (b->length > 0 && b->next == TCP_NONE)
		flags |= TCP_PSH;
	struct tcp_out o = out_of(t, c, b->seq, flags);
	const unsigned used = b->length + tcp_options_length(&o);
	const unsigned room = tcp_mss_of_mtu(&c->entry.key.local, c->mtu);

	add_sacks(c, &o, room > used ? room - used : 0);
	tcp_packet_finish(m, &o);
	block_left(t, c, b);
	ack_left(c);
	tcp_timer_sent(t, c);
	hand_down(t, c, m);
	return true;
}

bool tcp_block_split(struct tcp *t, struct tcp_conn *c, uint32_t i, uint16_t at)
{
	struct rte_mbuf *m = tcp_packet_new(t);

	if (m == NULL)
		return false;
	const uint32_t n = tcp_block_new(t, c, m);

	if (n == TCP_NONE) {
		rte_pktmbuf_free(m);
		return false;
	}
	struct tcp_block *b = tcp_block_at(t, i), *rest = tcp_block_at(t, n);

	rest->seq = b->seq + at;
	rest->offset = m->data_off;
	rest->length = (uint16_t)(b->length - at);
	rest->flags = b->flags;
	rest->sent_us = b->sent_us;
	rest->next = b->next;
	memcpy(tcp_block_bytes(rest), tcp_block_bytes(b) + at, rest->length);
	b->flags &= (uint8_t)~BLOCK_FIN;
	b->length = at;
	b->next = n;
	c->sacked_blocks += (b->flags & BLOCK_SACKED) != 0;
	if (c->tx_tail == i) {
		c->tx_tail = n;
		c->tail_room = 0;
	}
	return true;
}

// The FIN goes with the last data if those have not left, else alone.
static void queue_fin(struct tcp *t, struct tcp_conn *c)
{
	uint32_t i = c->tx_tail;

	if (!(c->flags & CONN_SHUT) || (c->flags & CONN_FIN_QUEUED))
		return;
	if (i == TCP_NONE || (tcp_block_at(t, i)->flags & BLOCK_SENT)) {
		i = tcp_block_new(t, c, NULL);
		if (i == TCP_NONE)
			return;
		tcp_block_at(t, i)->seq = c->tx_end;
		if (c->tx_tail == TCP_NONE)
			c->tx_head = i;
		else
			tcp_block_at(t, c->tx_tail)->next = i;
		if (c->tx_next == TCP_NONE)
			c->tx_next = i;
		c->tx_tail = i;
	}
	tcp_block_at(t, i)->flags |= BLOCK_FIN;
	c->tx_end++;
	c->flags |= CONN_FIN_QUEUED;
	c->state = c->state == TCP_CLOSE_WAIT ? TCP_LAST_ACK : TCP_FIN_WAIT_1;
}

static void send_lost(struct tcp *t, struct tcp_conn *c)
{
	for (uint32_t i = c->tx_head; i != c->tx_next && c->lost > 0;
		i = tcp_block_at(t, i)->next) {
		struct tcp_block *b = tcp_block_at(t, i);

		if (!(b->flags & BLOCK_LOST))
			continue;
		// RFC 9293 MUST-34: a window that has been drawn back holds.
		if (c->snd_wnd == 0)
			return;
		if (!(c->flags & CONN_FORCE) && tcp_pipe(c) > 0 &&
			tcp_pipe(c) + block_span(b) > c->cwnd) {
			c->flags |= CONN_CWND_LIMITED;
			return;
		}
		if (b->length > c->mss && !tcp_block_split(t, c, i, c->mss))
			return;
		if (!tcp_send_block(t, c, b))
			return;
		c->flags &= ~CONN_FORCE;
	}
}

// How many bytes of a block may leave now; 0: none. RFC 9293 3.8.6.2.1, and Nagle's rule of 3.7.4.
static uint16_t sendable(const struct tcp *t, const struct tcp_conn *c, const struct tcp_block *b)
{
	const uint32_t edge = c->snd_una + c->snd_wnd;
	const uint32_t room = seq_before(b->seq, edge) ? edge - b->seq : 0;
	const uint32_t length = RTE_MIN((uint32_t)b->length, (uint32_t)c->mss);
	const bool last = b->next == TCP_NONE && length == b->length;

	(void)t;
	if (length > room) {
		// A part, when it is worth it: half of the largest window ever seen, or it has waited.
		if (room > 0 && (room >= c->max_wnd / 2 || (c->flags & CONN_OVERRIDE)))
			return (uint16_t)room;
		return 0;
	}
	if ((c->flags & CONN_NAGLE) && last && length < c->mss && tcp_flight(c) > 0 &&
		!(b->flags & BLOCK_FIN) && length < c->max_wnd / 2 + 1)
		return 0;
	return (uint16_t)length;
}

static void send_new(struct tcp *t, struct tcp_conn *c)
{
	while (c->tx_next != TCP_NONE) {
		const uint32_t i = c->tx_next;
		struct tcp_block *b = tcp_block_at(t, i);
		uint16_t length = 0;

		if (b->length > 0) {
			length = sendable(t, c, b);
			if (length == 0)
				return;
		} else if (c->snd_wnd == 0) {
			return;
		}
		if (tcp_pipe(c) > 0 && tcp_pipe(c) + length > c->cwnd) {
			c->flags |= CONN_CWND_LIMITED;
			return;
		}
		if (length < b->length && !tcp_block_split(t, c, i, length))
			return;
		if (!tcp_send_block(t, c, b))
			return;
		c->flags &= ~CONN_OVERRIDE;
	}
}

static bool may_send(const struct tcp_conn *c)
{
	return c->state >= TCP_ESTABLISHED && c->state != TCP_FIN_WAIT_2;
}

void tcp_output(struct tcp *t, struct tcp_conn *c)
{
	if (c->state == TCP_SYN_SENT && c->last_sent_us == 0)
		tcp_send_syn(t, c);
	if (may_send(c)) {
		queue_fin(t, c);
		tcp_congestion_idle(t, c);
		c->flags &= ~CONN_CWND_LIMITED;
		send_lost(t, c);
		// In slow start half of the window counts as using it, since it doubles (RFC 7661).
		send_new(t, c);
		if (c->cwnd < c->ssthresh && tcp_pipe(c) >= c->cwnd / 2)
			c->flags |= CONN_CWND_LIMITED;
	}
	if (c->flags & CONN_ACK_NOW)
		tcp_send_ack(t, c);
	tcp_timer_arm(t, c);
}

// RFC 9293 3.8.6.1: one byte against a shut window, new or sent before.
void tcp_send_probe(struct tcp *t, struct tcp_conn *c)
{
	uint32_t i = c->tx_head != c->tx_next ? c->tx_head : c->tx_next;
	struct tcp_block *b;

	if (i == TCP_NONE)
		return;
	b = tcp_block_at(t, i);
	TCP_COUNT(t, WINDOW_PROBES);
	if (b->length > 1 && !tcp_block_split(t, c, i, 1))
		return;
	tcp_send_block(t, c, tcp_block_at(t, i));
}
