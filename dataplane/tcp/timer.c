// SPDX-License-Identifier: BSD-2-Clause
// What the clock brings: retransmission (RFC 6298), tail loss probes (RFC 8985 7), window probes,
// delayed acknowledgements, keep-alive. A connection has one place in the wheel, at the earliest of its
// deadlines or before: what an ACK puts off is put off in the connection alone.

#include "tcp/private.h"

// RFC 8985 7.2: how long a peer may hold back the ACK of a single segment.
#define PEER_ACK_DELAY_US (200 * TCP_MS)

// A full segment that has timed out twice may be too large for a path that does not say so (RFC 4821,
// RFC 2923): then it is cut to what passes nearly everywhere.
#define BLACK_HOLE_TIMEOUTS 2u
#define BLACK_HOLE_MTU_V4   1064u // 1024 bytes of segment
#define BLACK_HOLE_MTU_V6   TCP_MTU_LEAST_V6

static uint64_t earliest(const struct tcp_conn *c)
{
	const uint64_t at[4] = {
		c->rto_at, c->ack_at, c->idle_at, c->probe_kind != PROBE_OFF ? c->probe_at : 0};
	uint64_t first = UINT64_MAX;

	for (unsigned i = 0; i < RTE_DIM(at); i++)
		if (at[i] != 0)
			first = RTE_MIN(first, at[i]);
	return first;
}

static bool is_stuck(const struct tcp_conn *c)
{
	return c->state >= TCP_ESTABLISHED && c->rto_at == 0 && c->tx_head != TCP_NONE;
}

void tcp_timer_arm(struct tcp *t, struct tcp_conn *c)
{
	const uint32_t i = tcp_conn_index(t, c);

	if (c->state == TCP_CLOSED)
		return;
	// Something waits and nothing is on its way that could bring an answer: the window is shut or
	// too small, or there was no buffer.
	if (is_stuck(c)) {
		c->rto_at = t->now_us + tcp_rto(t, c);
		c->flags |= CONN_PERSIST;
	}
	const uint64_t first = earliest(c);

	if (first == UINT64_MAX)
		return;
	if (base_wheel_is_armed(&t->conn_wheel, i) && c->armed_us <= first)
		return;
	c->armed_us = first;
	base_wheel_arm(&t->conn_wheel, i, first);
}

// RFC 8985 7.2.
static void probe_arm(struct tcp *t, struct tcp_conn *c)
{
	uint64_t wait = TCP_S;

	if (c->probe_kind == PROBE_REORDER)
		return;
	c->probe_kind = PROBE_OFF;
	if (!(c->options & OPT_SACK) || (c->flags & (CONN_RECOVERY | CONN_LOSS | CONN_TLP_OUT)) ||
		c->sacked_blocks > 0 || tcp_flight(c) == 0 || (c->flags & CONN_PERSIST) ||
		c->rto_at == 0)
		return;
	if (c->srtt_us != 0) {
		wait = 2ull * c->srtt_us;
		if (c->tx_head != TCP_NONE && tcp_block_at(t, c->tx_head)->next == c->tx_next)
			wait += PEER_ACK_DELAY_US;
	}
	c->probe_kind = PROBE_TLP;
	c->probe_at = RTE_MIN(t->now_us + wait, c->rto_at);
}

// RFC 6298 5.1.
void tcp_timer_sent(struct tcp *t, struct tcp_conn *c)
{
	if (c->flags & CONN_PERSIST) {
		if (c->snd_wnd == 0)
			return;
		c->flags &= ~CONN_PERSIST;
		c->rto_at = 0;
	}
	if (c->rto_at == 0)
		c->rto_at = t->now_us + tcp_rto(t, c);
	probe_arm(t, c);
}

// RFC 6298 5.2, 5.3.
void tcp_timer_acked(struct tcp *t, struct tcp_conn *c, bool progress)
{
	if (tcp_flight(c) == 0) {
		if (c->tx_head == TCP_NONE)
			c->flags &= ~CONN_PERSIST;
		if (!(c->flags & CONN_PERSIST))
			c->rto_at = 0;
		else if (progress)
			c->rto_at = t->now_us + tcp_rto(t, c);
		c->probe_kind = PROBE_OFF;
		return;
	}
	if (c->snd_wnd == 0 && !(c->flags & CONN_PERSIST)) {
		c->flags |= CONN_PERSIST;
		c->backoff = 0;
		c->rto_at = t->now_us + tcp_rto(t, c);
		c->probe_kind = PROBE_OFF;
		return;
	}
	if (!progress)
		return;
	if (!(c->flags & CONN_PERSIST))
		c->rto_at = t->now_us + tcp_rto(t, c);
	probe_arm(t, c);
}

void tcp_timer_keepalive(struct tcp *t, struct tcp_conn *c)
{
	if (t->settings.keepalive != 0)
		c->idle_at = t->now_us + t->settings.keepalive * TCP_MS;
}

static void syn_timeout(struct tcp *t, struct tcp_conn *c)
{
	if (t->now_us - c->opened_us >= c->connect_ms * TCP_MS) {
		tcp_conn_close(t, c, TCP_REASON_CONNECT_TIMEOUT);
		return;
	}
	c->backoff++;
	c->flags |= CONN_SYN_AGAIN;
	TCP_COUNT(t, RETRANSMITTED);
	c->retransmitted++;
	tcp_send_syn(t, c);
	// Not beyond the time that the user has given.
	c->rto_at = RTE_MIN(c->rto_at, c->opened_us + c->connect_ms * TCP_MS);
}

// True if the connection has been given up.
static bool gave_up(struct tcp *t, struct tcp_conn *c, uint64_t since, uint32_t limit_ms,
	enum tcp_reason reason)
{
	if (limit_ms == 0 || since == 0 || t->now_us - since < limit_ms * TCP_MS)
		return false;
	tcp_conn_reset(t, c, reason);
	return true;
}

static void persist_timeout(struct tcp *t, struct tcp_conn *c)
{
	if (c->snd_wnd > 0) {
		// A window too small to be worth it has waited long enough (RFC 9293 3.8.6.2.1 (4)), or
		// buffers are there again.
		c->flags |= CONN_OVERRIDE;
		c->flags &= ~CONN_PERSIST;
		c->rto_at = 0;
		tcp_list_add(t, c, LIST_DIRTY);
		tcp_output(t, c);
		return;
	}
	if (c->stuck_us == 0)
		c->stuck_us = t->now_us;
	// A peer that answers may stay shut for so long; one that does not has gone.
	if (gave_up(t, c, c->stuck_us, t->settings.zero_window, TCP_REASON_ZERO_WINDOW))
		return;
	if (c->backoff > 0 && gave_up(t, c, RTE_MAX(c->last_heard_us, c->stuck_us),
				      t->settings.give_up, TCP_REASON_TIMEOUT))
		return;
	tcp_send_probe(t, c);
	c->backoff++;
	c->rto_at = t->now_us + tcp_rto(t, c);
}

static void black_hole(struct tcp *t, struct tcp_conn *c)
{
	const bool v4 = postern_addr_is_v4(&c->entry.key.local);
	const uint16_t mtu = v4 ? BLACK_HOLE_MTU_V4 : BLACK_HOLE_MTU_V6;
	const struct tcp_block *head = tcp_block_at(t, c->tx_head);

	if (c->mtu <= mtu || head->length < tcp_mss_of_mtu(&c->entry.key.local, mtu) - 12u)
		return;
	TCP_COUNT(t, PMTU_LOWERED);
	tcp_conn_set_mtu(t, c, mtu);
}

// RFC 8985 6.3: what a timeout takes for lost; without SACK, all.
static void lose_on_timeout(struct tcp *t, struct tcp_conn *c)
{
	const uint64_t wait = (uint64_t)c->rack_rtt_us + tcp_rack_window(c);
	const bool sack = c->options & OPT_SACK;
	// RFC 2018 8: a peer that has reported the first segment but not acknowledged it has thrown
	// it away, and who knows what else.
	const bool reneged = tcp_block_at(t, c->tx_head)->flags & BLOCK_SACKED;

	for (uint32_t i = c->tx_head; i != c->tx_next; i = tcp_block_at(t, i)->next) {
		struct tcp_block *b = tcp_block_at(t, i);

		if (reneged && (b->flags & BLOCK_SACKED)) {
			b->flags &= (uint8_t)~BLOCK_SACKED;
			c->sacked -= block_span(b);
			c->sacked_blocks--;
		}
		if (!sack || reneged || i == c->tx_head || b->sent_us + wait <= t->now_us)
			tcp_block_lose(c, b);
	}
}

static void rto_timeout(struct tcp *t, struct tcp_conn *c)
{
	TCP_COUNT(t, RTO_FIRED);
	if (c->stuck_us == 0)
		c->stuck_us = t->now_us - tcp_rto(t, c);
	if (gave_up(t, c, c->stuck_us, t->settings.give_up, TCP_REASON_TIMEOUT))
		return;
	if (c->backoff + 1u == BLACK_HOLE_TIMEOUTS)
		black_hole(t, c);
	tcp_congestion_timeout(t, c);
	c->flags &= ~(CONN_RECOVERY | CONN_TLP_OUT | CONN_TLP_AGAIN);
	c->flags |= CONN_LOSS | CONN_FORCE;
	c->recover = c->snd_nxt;
	c->dup_acks = 0;
	c->backoff++;
	c->probe_kind = PROBE_OFF;
	lose_on_timeout(t, c);
	c->rto_at = t->now_us + tcp_rto(t, c);
	tcp_output(t, c);
}

static uint32_t last_sent(const struct tcp *t, const struct tcp_conn *c)
{
	uint32_t last = TCP_NONE;

	for (uint32_t i = c->tx_head; i != c->tx_next; i = tcp_block_at(t, i)->next)
		last = i;
	return last;
}

// RFC 8985 7.3: new data if the windows allow, else what was sent last.
static void send_tlp(struct tcp *t, struct tcp_conn *c)
{
	const uint32_t edge = c->snd_una + c->snd_wnd;
	uint32_t i = c->tx_next;
	bool again = false;

	if (i == TCP_NONE || seq_before(edge, block_end(tcp_block_at(t, i))) ||
		tcp_block_at(t, i)->length > c->mss) {
		i = last_sent(t, c);
		again = true;
	}
	if (i == TCP_NONE)
		return;
	struct tcp_block *b = tcp_block_at(t, i);

	if (b->length > c->mss && !tcp_block_split(t, c, i, c->mss))
		return;
	c->flags |= CONN_TLP_OUT | (again ? CONN_TLP_AGAIN : 0);
	if (!tcp_send_block(t, c, b))
		return;
	TCP_COUNT(t, TLP_SENT);
	c->tlp_end = c->snd_nxt;
	c->rto_at = t->now_us + tcp_rto(t, c);
}

static void probe_timeout(struct tcp *t, struct tcp_conn *c)
{
	const uint8_t kind = c->probe_kind;

	c->probe_kind = PROBE_OFF;
	if (kind == PROBE_TLP) {
		send_tlp(t, c);
		return;
	}
	if (tcp_rack_detect(t, c)) {
		if (!(c->flags & (CONN_RECOVERY | CONN_LOSS)))
			tcp_recovery_enter(t, c);
		tcp_output(t, c);
	}
}

// RFC 9293 3.8.4.
static void idle_timeout(struct tcp *t, struct tcp_conn *c)
{
	const struct tcp_settings *set = &t->settings;
	const uint64_t due = c->last_heard_us + set->keepalive * TCP_MS;

	if (c->state == TCP_FIN_WAIT_2 && (c->flags & CONN_RELEASED)) {
		tcp_conn_close(t, c, TCP_REASON_FIN_WAIT);
		return;
	}
	if (c->keepalives == 0 && t->now_us < due) {
		c->idle_at = due;
		return;
	}
	if (tcp_flight(c) > 0) {
		c->idle_at = t->now_us + set->keepalive * TCP_MS;
		return;
	}
	if (c->keepalives >= set->keepalive_probes) {
		tcp_conn_reset(t, c, TCP_REASON_KEEPALIVE);
		return;
	}
	c->keepalives++;
	tcp_send_keepalive(t, c);
	c->idle_at = t->now_us + set->keepalive_interval * TCP_MS;
}

static bool is_due(const struct tcp *t, uint64_t *at)
{
	if (*at == 0 || *at > t->now_us)
		return false;
	*at = 0;
	return true;
}

void tcp_timer_fire(struct tcp *t, struct tcp_conn *c)
{
	if (is_due(t, &c->ack_at))
		tcp_send_ack(t, c);
	if (c->probe_kind != PROBE_OFF && c->probe_at <= t->now_us)
		probe_timeout(t, c);
	if (c->state != TCP_CLOSED && is_due(t, &c->rto_at)) {
		if (c->state == TCP_SYN_SENT || c->state == TCP_SYN_RECEIVED)
			syn_timeout(t, c);
		else if (c->flags & CONN_PERSIST)
			persist_timeout(t, c);
		else if (tcp_flight(c) > 0)
			rto_timeout(t, c);
	}
	if (c->state != TCP_CLOSED && is_due(t, &c->idle_at))
		idle_timeout(t, c);
	tcp_timer_arm(t, c);
}
