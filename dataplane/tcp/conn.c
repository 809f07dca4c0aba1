// SPDX-License-Identifier: BSD-2-Clause
// A connection's life apart from its segments: making it, what both ends agreed on, telling the user,
// ending it.

#include "tcp/private.h"

// RFC 9293 3.8.6.3: acknowledgements without delay at the start let a peer's window grow; the
// number is that of an initial window (RFC 6928) in pairs.
#define QUICK_ACKS 5

static void list_init(struct tcp_conn *c)
{
	for (unsigned i = 0; i < LISTS; i++)
		c->list_next[i] = c->list_prev[i] = TCP_NONE;
}

void tcp_list_add(struct tcp *t, struct tcp_conn *c, unsigned list)
{
	struct tcp_list *l = &t->lists[list];
	const uint32_t i = tcp_conn_index(t, c);

	if (c->listed & (1u << list))
		return;
	c->listed |= (uint8_t)(1u << list);
	c->list_next[list] = TCP_NONE;
	c->list_prev[list] = l->tail;
	if (l->tail == TCP_NONE)
		l->head = i;
	else
		tcp_conn_at(t, l->tail)->list_next[list] = i;
	l->tail = i;
}

void tcp_list_remove(struct tcp *t, struct tcp_conn *c, unsigned list)
{
	struct tcp_list *l = &t->lists[list];
	const uint32_t next = c->list_next[list], prev = c->list_prev[list];

	if (!(c->listed & (1u << list)))
		return;
	c->listed &= (uint8_t) ~(1u << list);
	if (prev == TCP_NONE)
		l->head = next;
	else
		tcp_conn_at(t, prev)->list_next[list] = next;
	if (next == TCP_NONE)
		l->tail = prev;
	else
		tcp_conn_at(t, next)->list_prev[list] = prev;
}

void tcp_conn_tell(struct tcp *t, struct tcp_conn *c, unsigned events)
{
	if (c->flags & CONN_RELEASED)
		return;
	c->events |= (uint16_t)events;
	tcp_list_add(t, c, LIST_READY);
}

struct tcp_conn *tcp_conn_new(struct tcp *t, const struct tcp_key *key, bool ours)
{
	const uint32_t peer = tcp_peer_hold(t, &key->remote);

	if (peer == TCP_NONE) {
		TCP_COUNT(t, DROP_LIMIT_ALL);
		return NULL;
	}
	struct tcp_peer *p = tcp_peer_at(t, peer);

	if (!ours && p->connections >= t->settings.address_connections) {
		TCP_COUNT(t, DROP_LIMIT_ADDRESS);
		tcp_peer_release(t, peer);
		return NULL;
	}
	struct tcp_conn *c = tcp_table_take(&t->conns);

	if (c == NULL) {
		TCP_COUNT(t, DROP_LIMIT_ALL);
		tcp_peer_release(t, peer);
		return NULL;
	}
	c->entry.key = *key;
	c->peer = peer;
	p->connections++;
	list_init(c);
	c->tx_head = c->tx_tail = c->tx_next = c->spare = TCP_NONE;
	c->rx_head = c->rx_tail = c->ofo_head = TCP_NONE;
	c->reo_mult = 1;
	c->quick_acks = QUICK_ACKS;
	c->opened_us = c->last_heard_us = t->now_us;
	c->flags = t->settings.nagle ? CONN_NAGLE : 0;
	if (t->link.route(t->link.context, &key->local, &key->remote, &c->route, &c->mtu) < 0) {
		tcp_conn_free(t, c);
		return NULL;
	}
	c->flags |= CONN_ROUTED;
	c->rto_us = t->settings.rto_initial * (uint32_t)TCP_MS;
	tcp_table_link(&t->conns, &c->entry, tcp_table_hash(t, key));
	return c;
}

uint16_t tcp_mss_of_mtu(const struct postern_addr *a, uint16_t mtu)
{
	const unsigned headers = (postern_addr_is_v4(a) ? 20u : 40u) + 20u;

	return (uint16_t)(mtu > headers + TCP_MSS_LEAST ? mtu - headers : TCP_MSS_LEAST);
}

uint8_t tcp_wscale_own(const struct tcp *t)
{
	uint8_t shift = 0;

	while (shift < TCP_WSCALE_MAX && t->settings.receive_buffer >> shift > UINT16_MAX)
		shift++;
	return shift;
}

// RFC 9293 3.7.1: the peer's MSS and the path's, less the options that each segment carries.
void tcp_conn_set_mtu(struct tcp *t, struct tcp_conn *c, uint16_t mtu)
{
	const uint16_t path = tcp_mss_of_mtu(&c->entry.key.local, mtu);
	const uint32_t room = rte_pktmbuf_data_room_size(t->pool) - TCP_HEADROOM;
	const uint32_t options = c->options & OPT_TIMESTAMPS ? 12 : 0;
	uint32_t mss = RTE_MIN((uint32_t)path, (uint32_t)c->peer_mss);

	mss = RTE_MIN(mss - options, room);
	c->mtu = mtu;
	c->mss = (uint16_t)mss;
	// What is on its way and too large now will not arrive; that is no sign of congestion.
	for (uint32_t i = c->tx_head; i != c->tx_next; i = tcp_block_at(t, i)->next)
		if (tcp_block_at(t, i)->length > mss)
			tcp_block_lose(c, tcp_block_at(t, i));
}

void tcp_conn_options(struct tcp *t, struct tcp_conn *c, uint8_t options, uint16_t peer_mss)
{
	c->options = options;
	c->peer_mss = peer_mss < TCP_MSS_LEAST ? (uint16_t)TCP_MSS_LEAST : peer_mss;
	c->ts_offset = tcp_ts_offset(t, &c->entry.key);
	c->rcv_wscale = options & OPT_WSCALE ? tcp_wscale_own(t) : 0;
	tcp_conn_set_mtu(t, c, c->mtu);
}

void tcp_conn_established(struct tcp *t, struct tcp_conn *c)
{
	c->state = TCP_ESTABLISHED;
	c->rto_at = 0;
	c->backoff = 0;
	c->stuck_us = 0;
	c->tx_end = c->tx_head == TCP_NONE ? c->snd_nxt : c->tx_end;
	c->recover = c->iss;
	c->rack_fack = c->dsack_round = c->snd_una;
	tcp_congestion_begin(t, c);
	tcp_timer_keepalive(t, c);
	tcp_list_add(t, c, LIST_DIRTY);
}

static void count_end(struct tcp *t, enum tcp_reason reason)
{
	switch (reason) {
	case TCP_REASON_FIN:
		TCP_COUNT(t, CLOSED);
		break;
	case TCP_REASON_RESET:
	case TCP_REASON_REFUSED:
		TCP_COUNT(t, RESET_IN);
		break;
	case TCP_REASON_TIMEOUT:
	case TCP_REASON_CONNECT_TIMEOUT:
	case TCP_REASON_KEEPALIVE:
	case TCP_REASON_ZERO_WINDOW:
	case TCP_REASON_FIN_WAIT:
		TCP_COUNT(t, TIMEOUTS);
		break;
	default:
		break;
	}
}

static void free_sent(struct tcp *t, struct tcp_conn *c)
{
	tcp_block_free_list(t, c, &c->tx_head);
	tcp_block_free_list(t, c, &c->spare);
	c->tx_tail = c->tx_next = TCP_NONE;
	c->tx_bytes = c->sacked = c->lost = c->sacked_blocks = 0;
	c->snd_una = c->snd_nxt;
	c->tail_room = 0;
}

static void free_received(struct tcp *t, struct tcp_conn *c)
{
	tcp_block_free_list(t, c, &c->rx_head);
	c->rx_tail = TCP_NONE;
	c->rx_bytes = 0;
}

void tcp_conn_close(struct tcp *t, struct tcp_conn *c, enum tcp_reason reason)
{
	if (c->state == TCP_CLOSED)
		return;
	c->state = TCP_CLOSED;
	c->reason = (uint8_t)reason;
	count_end(t, reason);
	free_sent(t, c);
	tcp_block_free_list(t, c, &c->ofo_head);
	c->ofo_bytes = c->ofo_blocks = 0;
	// What lies there was acknowledged; a reset takes it away all the same (RFC 9293 3.10.7.4).
	if (reason != TCP_REASON_FIN)
		free_received(t, c);
	base_wheel_cancel(&t->conn_wheel, tcp_conn_index(t, c));
	c->rto_at = c->probe_at = c->ack_at = c->idle_at = 0;
	tcp_table_unlink(&t->conns, &c->entry);
	t->link.release(t->link.context, c->route);
	c->flags &= ~(CONN_ROUTED | CONN_ACK_NOW);
	tcp_list_remove(t, c, LIST_ROOM);
	tcp_conn_tell(t, c, TCP_EVENT_CLOSED);
	// Callers up the stack still look at it, so it is freed at the flush.
	if (c->flags & CONN_RELEASED)
		tcp_list_add(t, c, LIST_DIRTY);
}

void tcp_conn_reset(struct tcp *t, struct tcp_conn *c, enum tcp_reason reason)
{
	if (c->state == TCP_CLOSED)
		return;
	if (c->state != TCP_SYN_SENT)
		tcp_send_reset(t, c);
	tcp_conn_close(t, c, reason);
}

void tcp_conn_free(struct tcp *t, struct tcp_conn *c)
{
	const uint32_t peer = c->peer;

	free_sent(t, c);
	free_received(t, c);
	tcp_block_free_list(t, c, &c->ofo_head);
	for (unsigned i = 0; i < LISTS; i++)
		tcp_list_remove(t, c, i);
	base_wheel_cancel(&t->conn_wheel, tcp_conn_index(t, c));
	if (c->flags & CONN_ROUTED)
		t->link.release(t->link.context, c->route);
	tcp_peer_at(t, peer)->connections--;
	tcp_table_give(&t->conns, &c->entry);
	tcp_peer_release(t, peer);
}
