// SPDX-License-Identifier: BSD-2-Clause
// The user's side of a connection: bytes in and out where they lie, and its end.

#include "tcp/private.h"

#include <string.h>

void tcp_conn_set_user(struct tcp_conn *c, void *user)
{
	c->user = user;
}

struct postern_endpoint tcp_conn_local(const struct tcp_conn *c)
{
	return (struct postern_endpoint){c->entry.key.local, rte_be_to_cpu_16(c->entry.key.lport)};
}

struct postern_endpoint tcp_conn_remote(const struct tcp_conn *c)
{
	return (struct postern_endpoint){c->entry.key.remote, rte_be_to_cpu_16(c->entry.key.rport)};
}

enum tcp_reason tcp_conn_reason(const struct tcp_conn *c)
{
	return c->reason;
}

uint16_t tcp_conn_soft_error(const struct tcp_conn *c)
{
	return c->soft_error;
}

void tcp_conn_set_nagle(struct tcp_conn *c, bool on)
{
	c->flags = on ? c->flags | CONN_NAGLE : c->flags & ~CONN_NAGLE;
}

size_t tcp_readable(const struct tcp_conn *c)
{
	return c->rx_bytes;
}

bool tcp_is_finished(const struct tcp_conn *c)
{
	return c->flags & CONN_FIN_RECEIVED;
}

size_t tcp_unacknowledged(const struct tcp_conn *c)
{
	return c->tx_bytes;
}

unsigned tcp_peek(const struct tcp *t, const struct tcp_conn *c, struct iovec *iov, unsigned n)
{
	unsigned i = 0;

	for (uint32_t at = c->rx_head; at != TCP_NONE && i < n; at = tcp_block_at(t, at)->next) {
		const struct tcp_block *b = tcp_block_at(t, at);

		iov[i++] = (struct iovec){tcp_block_bytes(b), b->length};
	}
	return i;
}

// RFC 9293 SHLD-16 and 3.8.6.2.2: a window that has grown much is told without waiting for data.
static void tell_window(struct tcp *t, struct tcp_conn *c)
{
	const uint32_t size = t->settings.receive_buffer;
	const uint32_t most = (uint32_t)UINT16_MAX << c->rcv_wscale;
	const uint32_t room = RTE_MIN(size - c->rx_bytes, most);
	const uint32_t offered = seq_before(c->rcv_nxt, c->rcv_edge) ? c->rcv_edge - c->rcv_nxt : 0;
	const uint32_t step = RTE_MIN(size / 2, 2u * RTE_MAX((uint32_t)c->rcv_mss, TCP_MSS_V4));

	if (c->state == TCP_CLOSED || (c->flags & CONN_FIN_RECEIVED))
		return;
	if (offered > RTE_MIN(size, most) / 2 || room < offered + step)
		return;
	c->flags |= CONN_ACK_NOW;
	tcp_list_add(t, c, LIST_DIRTY);
}

void tcp_consume(struct tcp *t, struct tcp_conn *c, size_t bytes)
{
	while (bytes > 0 && c->rx_head != TCP_NONE) {
		const uint32_t i = c->rx_head;
		struct tcp_block *b = tcp_block_at(t, i);
		const uint16_t n = (uint16_t)RTE_MIN(bytes, (size_t)b->length);

		b->offset = (uint16_t)(b->offset + n);
		b->length = (uint16_t)(b->length - n);
		b->seq += n;
		c->rx_bytes -= n;
		bytes -= n;
		if (b->length > 0)
			break;
		c->rx_head = b->next;
		if (c->rx_tail == i)
			c->rx_tail = TCP_NONE;
		tcp_block_free(t, c, i);
	}
	if ((c->flags & CONN_URGENT) && tcp_urgent(c) == 0)
		c->flags &= ~CONN_URGENT;
	tell_window(t, c);
}

uint32_t tcp_urgent(const struct tcp_conn *c)
{
	const uint32_t fin = c->flags & CONN_FIN_RECEIVED ? 1 : 0;
	const uint32_t unread = c->rcv_nxt - fin - c->rx_bytes;

	if (!(c->flags & CONN_URGENT) || seq_upto(c->rcv_urgent, unread))
		return 0;
	return c->rcv_urgent - unread;
}

static bool may_write(const struct tcp_conn *c)
{
	return !(c->flags & (CONN_SHUT | CONN_RELEASED)) &&
	       (c->state == TCP_SYN_SENT || c->state == TCP_SYN_RECEIVED ||
		       c->state == TCP_ESTABLISHED || c->state == TCP_CLOSE_WAIT);
}

// Room behind what lies in the last block and has not left.
static uint16_t room_in_tail(const struct tcp *t, const struct tcp_conn *c)
{
	const struct tcp_block *b;

	if (c->tx_tail == TCP_NONE)
		return 0;
	b = tcp_block_at(t, c->tx_tail);
	if ((b->flags & (BLOCK_SENT | BLOCK_FIN)) || b->length >= c->mss)
		return 0;
	return (uint16_t)RTE_MIN((uint32_t)c->mss - b->length, (uint32_t)tcp_block_room(b));
}

// One more empty block behind the reserved ones. TCP_NONE when limits are against it.
static uint32_t spare_new(struct tcp *t, struct tcp_conn *c)
{
	struct rte_mbuf *m;
	uint32_t i;

	if (!tcp_block_may_send(t, c))
		return TCP_NONE;
	m = tcp_packet_new(t);
	if (m == NULL)
		return TCP_NONE;
	i = tcp_block_new(t, c, m);
	tcp_block_at(t, i)->offset = m->data_off;
	return i;
}

size_t tcp_reserve(struct tcp *t, struct tcp_conn *c, size_t wanted, struct iovec *iov, unsigned n)
{
	const size_t limit = t->settings.send_buffer;
	size_t got = 0;
	unsigned at = 0;
	uint32_t *link = &c->spare;
	size_t most;

	c->tail_room = 0;
	if (!may_write(c) || n == 0)
		return 0;
	most = limit > c->tx_bytes ? RTE_MIN(wanted, limit - c->tx_bytes) : 0;
	c->tail_room = room_in_tail(t, c);
	if (c->tail_room > 0 && most > 0) {
		const struct tcp_block *b = tcp_block_at(t, c->tx_tail);

		c->tail_room = (uint16_t)RTE_MIN((size_t)c->tail_room, most);
		iov[at++] = (struct iovec){tcp_block_bytes(b) + b->length, c->tail_room};
		got = c->tail_room;
	}
	for (; got < most && at < n; link = &tcp_block_at(t, *link)->next) {
		if (*link == TCP_NONE) {
			const uint32_t i = spare_new(t, c);

			if (i == TCP_NONE)
				break;
			*link = i;
		}
		const struct tcp_block *b = tcp_block_at(t, *link);
		const size_t room = RTE_MIN((size_t)c->mss, most - got);

		iov[at++] = (struct iovec){tcp_block_bytes(b), room};
		got += room;
	}
	if (got < wanted)
		tcp_list_add(t, c, LIST_ROOM);
	if (c->spare != TCP_NONE)
		tcp_list_add(t, c, LIST_DIRTY);
	return got;
}

static void spare_link(struct tcp *t, struct tcp_conn *c, uint16_t bytes)
{
	const uint32_t i = c->spare;
	struct tcp_block *b = tcp_block_at(t, i);

	c->spare = b->next;
	b->next = TCP_NONE;
	b->seq = c->tx_end;
	b->length = bytes;
	if (c->tx_tail == TCP_NONE)
		c->tx_head = i;
	else
		tcp_block_at(t, c->tx_tail)->next = i;
	c->tx_tail = i;
	if (c->tx_next == TCP_NONE)
		c->tx_next = i;
	c->tx_end += bytes;
	c->tx_bytes += bytes;
}

void tcp_commit(struct tcp *t, struct tcp_conn *c, size_t bytes)
{
	const uint16_t first = (uint16_t)RTE_MIN(bytes, (size_t)c->tail_room);

	if (first > 0) {
		struct tcp_block *b = tcp_block_at(t, c->tx_tail);

		b->length = (uint16_t)(b->length + first);
		c->tx_end += first;
		c->tx_bytes += first;
		c->tail_room = (uint16_t)(c->tail_room - first);
		bytes -= first;
	}
	if (bytes > 0)
		c->tail_room = 0;
	while (bytes > 0 && c->spare != TCP_NONE) {
		const uint16_t part = (uint16_t)RTE_MIN(bytes, (size_t)c->mss);

		spare_link(t, c, part);
		bytes -= part;
	}
	tcp_list_add(t, c, LIST_DIRTY);
}

size_t tcp_write(struct tcp *t, struct tcp_conn *c, const void *bytes, size_t size)
{
	struct iovec iov[16];
	size_t done = 0;

	while (done < size) {
		const size_t got = tcp_reserve(t, c, size - done, iov, (unsigned)RTE_DIM(iov));
		size_t copied = 0;

		if (got == 0)
			break;
		for (unsigned i = 0; copied < got; i++) {
			memcpy(iov[i].iov_base, (const char *)bytes + done + copied,
				iov[i].iov_len);
			copied += iov[i].iov_len;
		}
		tcp_commit(t, c, got);
		done += got;
	}
	return done;
}

void tcp_shutdown(struct tcp *t, struct tcp_conn *c)
{
	if (c->state == TCP_CLOSED || (c->flags & CONN_SHUT))
		return;
	c->flags |= CONN_SHUT;
	tcp_list_add(t, c, LIST_DIRTY);
}

void tcp_abort(struct tcp *t, struct tcp_conn *c)
{
	tcp_conn_reset(t, c, TCP_REASON_ABORTED);
}

void tcp_release(struct tcp *t, struct tcp_conn *c)
{
	if (c->state == TCP_CLOSED) {
		tcp_conn_free(t, c);
		return;
	}
	c->flags |= CONN_RELEASED;
	c->events = 0;
	tcp_list_remove(t, c, LIST_READY);
	tcp_list_remove(t, c, LIST_ROOM);
	if (c->state == TCP_SYN_SENT) {
		tcp_conn_close(t, c, TCP_REASON_ABORTED);
	} else if (c->rx_bytes > 0 || (c->ofo_head != TCP_NONE)) {
		// RFC 9293 3.6.1, RFC 2525 2.17.
		tcp_conn_reset(t, c, TCP_REASON_DATA_LOST);
	} else {
		tcp_shutdown(t, c);
		if (c->state == TCP_FIN_WAIT_2) {
			c->idle_at = t->now_us + t->settings.fin_wait * TCP_MS;
			tcp_timer_arm(t, c);
		}
	}
}

uint32_t *tcp_conn_peer_word(struct tcp *t, const struct tcp_conn *c)
{
	return &tcp_peer_at(t, c->peer)->word;
}
