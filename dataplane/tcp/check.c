// SPDX-License-Identifier: BSD-2-Clause
// For tests: whether all that is kept agrees.

#include "tcp/private.h"

struct sums {
	uint32_t blocks;
	uint32_t connections;
};

static const char *check_sent(const struct tcp *t, const struct tcp_conn *c, uint32_t *blocks)
{
	uint32_t seq = c->snd_una, bytes = 0, sacked = 0, lost = 0, last = TCP_NONE;
	bool sent = c->tx_head != c->tx_next;

	if (c->state == TCP_SYN_SENT || c->state == TCP_SYN_RECEIVED)
		seq++;
	for (uint32_t i = c->tx_head; i != TCP_NONE; i = tcp_block_at(t, i)->next) {
		const struct tcp_block *b = tcp_block_at(t, i);

		if (i == c->tx_next)
			sent = false;
		if (b->seq != seq)
			return "blocks to be sent do not follow each other";
		if (sent != ((b->flags & BLOCK_SENT) != 0))
			return "a block is marked as sent and is not, or the reverse";
		if ((b->flags & BLOCK_LOST) && (b->flags & BLOCK_SACKED))
			return "a block is lost and has arrived";
		seq = block_end(b);
		bytes += b->length;
		sacked += b->flags & BLOCK_SACKED ? block_span(b) : 0;
		lost += b->flags & BLOCK_LOST ? block_span(b) : 0;
		last = i;
		++*blocks;
	}
	for (uint32_t i = c->spare; i != TCP_NONE; i = tcp_block_at(t, i)->next)
		++*blocks;
	if (last != c->tx_tail)
		return "the last block to be sent is not the last";
	if (bytes != c->tx_bytes)
		return "bytes to be sent do not add up";
	if (sacked != c->sacked || lost != c->lost)
		return "marks of blocks do not add up";
	if (c->state >= TCP_ESTABLISHED && seq != c->tx_end)
		return "the end of what is to be sent is elsewhere";
	return NULL;
}

static const char *check_received(const struct tcp *t, const struct tcp_conn *c, uint32_t *blocks)
{
	uint32_t bytes = 0, early = 0, n = 0, seq = c->rcv_nxt;

	for (uint32_t i = c->rx_head; i != TCP_NONE; i = tcp_block_at(t, i)->next) {
		bytes += tcp_block_at(t, i)->length;
		++*blocks;
	}
	for (uint32_t i = c->ofo_head; i != TCP_NONE; i = tcp_block_at(t, i)->next) {
		const struct tcp_block *b = tcp_block_at(t, i);

		if (seq_before(b->seq, seq) || b->length == 0)
			return "blocks that wait overlap or are out of order";
		seq = block_end(b);
		early += b->length;
		n++;
		++*blocks;
	}
	if (bytes != c->rx_bytes || early != c->ofo_bytes || n != c->ofo_blocks)
		return "received bytes do not add up";
	if (c->ofo_head != TCP_NONE && seq_before(c->rcv_edge, seq))
		return "bytes wait that lie outside of the window";
	if (bytes > t->settings.receive_buffer)
		return "more bytes lie unread than the window allowed";
	return NULL;
}

static bool has_deadline(const struct tcp_conn *c)
{
	return c->rto_at != 0 || c->ack_at != 0 || c->idle_at != 0 || c->probe_kind != 0;
}

static const char *check_conn(const struct tcp *t, const struct tcp_conn *c, struct sums *s)
{
	uint32_t blocks = 0;
	const char *wrong = check_sent(t, c, &blocks);

	s->connections++;
	if (wrong == NULL)
		wrong = check_received(t, c, &blocks);
	if (wrong != NULL)
		return wrong;
	s->blocks += blocks;
	if (blocks != c->buffers)
		return "buffers of a connection do not add up";
	if (blocks > t->settings.connection_buffers + 2u * 44u)
		return "a connection holds more buffers than its limit";
	if (seq_before(c->snd_nxt, c->snd_una))
		return "more is acknowledged than was sent";
	// A probe and a FIN may go beyond (RFC 9293 3.8.6.1).
	if (c->state >= TCP_ESTABLISHED && tcp_flight(c) > c->max_wnd + 2)
		return "more is under way than the peer has ever allowed";
	if (c->sacked + c->lost > tcp_flight(c))
		return "more is marked than is under way";
	if ((c->state != TCP_CLOSED) != c->entry.linked)
		return "a connection is not in the table, or still is";
	// The flush arms what has something to send.
	if (c->state != TCP_CLOSED && has_deadline(c) && !(c->listed & (1u << LIST_DIRTY)) &&
		!base_wheel_is_armed(&t->conn_wheel, tcp_conn_index(t, c)))
		return "a deadline has no place in the wheel";
	if (c->state >= TCP_ESTABLISHED && tcp_flight(c) > 0 && c->rto_at == 0 &&
		!(c->listed & (1u << LIST_DIRTY)))
		return "something is under way and no timer runs";
	return NULL;
}

static const char *check_conns(const struct tcp *t)
{
	struct sums s = {0};

	for (uint32_t i = 0; i < t->conns.capacity; i++) {
		const struct tcp_conn *c = tcp_conn_at(t, i);
		const char *wrong = c->entry.taken ? check_conn(t, c, &s) : NULL;

		if (wrong != NULL)
			return wrong;
	}
	if (s.blocks != t->used_blocks)
		return "buffers do not add up";
	return s.connections == t->conns.used ? NULL : "connections do not add up";
}

static const char *check_peers(const struct tcp *t)
{
	uint32_t connections = 0, halves = 0, buffers = 0;

	for (uint32_t i = 0; i < t->peers.capacity; i++) {
		const struct tcp_peer *p = tcp_peer_at(t, i);

		if (!p->entry.taken)
			continue;
		if (p->connections + p->half_open == 0)
			return "an address is kept that nobody needs";
		connections += p->connections;
		halves += p->half_open;
		buffers += p->buffers;
	}
	if (connections != t->conns.used || halves != t->halves.used || buffers != t->used_blocks)
		return "what addresses use does not add up";
	return NULL;
}

const char *tcp_check(const struct tcp *t)
{
	const char *wrong = check_conns(t);

	if (wrong == NULL)
		wrong = check_peers(t);
	if (wrong == NULL &&
		(!base_wheel_is_valid(&t->conn_wheel) || !base_wheel_is_valid(&t->half_wheel) ||
			!base_wheel_is_valid(&t->wait_wheel)))
		wrong = "a wheel is out of order";
	return wrong;
}
