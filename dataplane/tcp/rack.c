// SPDX-License-Identifier: BSD-2-Clause
// Loss by time: RACK (RFC 8985 6). A segment is lost when one sent later has arrived and it has not, a
// reordering window later.

#include "tcp/private.h"

#define REO_PERSIST  16 // recoveries that a widened window outlives (RFC 8985 6.2 step 4)
#define REO_MULT_MAX 64

void tcp_block_lose(struct tcp_conn *c, struct tcp_block *b)
{
	if (b->flags & (BLOCK_LOST | BLOCK_SACKED) || !(b->flags & BLOCK_SENT))
		return;
	b->flags |= BLOCK_LOST;
	c->lost += block_span(b);
}

static bool sent_after(uint64_t us_a, uint32_t end_a, uint64_t us_b, uint32_t end_b)
{
	return us_a > us_b || (us_a == us_b && seq_before(end_b, end_a));
}

void tcp_rack_delivered(
	struct tcp *t, struct tcp_conn *c, const struct tcp_block *b, const struct tcp_segment *s)
{
	const uint32_t rtt = (uint32_t)RTE_MIN(t->now_us - b->sent_us, UINT32_MAX);
	const uint32_t end = block_end(b);

	if (b->flags & BLOCK_AGAIN) {
		// Step 2: of a repeated segment the earlier copy may have arrived.
		if ((c->options & OPT_TIMESTAMPS) && s->has_ts &&
			seq_before(s->ts_echo, (uint32_t)(b->sent_us / 1000) + c->ts_offset))
			return;
		if (rtt < c->min_rtt_us)
			return;
	}
	c->rack_rtt_us = rtt;
	if (c->min_rtt_us == 0 || rtt < c->min_rtt_us)
		c->min_rtt_us = rtt;
	if (sent_after(b->sent_us, end, c->rack_sent_us, c->rack_end)) {
		c->rack_sent_us = b->sent_us;
		c->rack_end = end;
	}
	// Step 3.
	if (seq_before(c->rack_fack, end))
		c->rack_fack = end;
	else if (seq_before(end, c->rack_fack) && !(b->flags & BLOCK_AGAIN))
		c->flags |= CONN_REORDERED;
}

// Step 4: a duplicate that the peer reports was repeated in vain, so the window was too short.
void tcp_rack_dsack(struct tcp *t, struct tcp_conn *c)
{
	(void)t;
	if (seq_before(c->snd_una, c->dsack_round))
		return;
	c->dsack_round = c->snd_nxt;
	if (c->reo_mult < REO_MULT_MAX)
		c->reo_mult++;
	c->reo_persist = REO_PERSIST;
}

uint32_t tcp_rack_window(const struct tcp_conn *c)
{
	if (!(c->flags & CONN_REORDERED) &&
		((c->flags & (CONN_RECOVERY | CONN_LOSS)) || c->sacked_blocks >= TCP_DUP_ACKS))
		return 0;
	return RTE_MIN(c->reo_mult * (c->min_rtt_us / 4), c->srtt_us);
}

bool tcp_rack_detect(struct tcp *t, struct tcp_conn *c)
{
	const uint64_t wait = (uint64_t)c->rack_rtt_us + tcp_rack_window(c);
	uint64_t latest = 0;
	bool any = false;

	if (c->probe_kind == PROBE_REORDER)
		c->probe_kind = PROBE_OFF;
	if (c->rack_sent_us == 0)
		return false;
	for (uint32_t i = c->tx_head; i != c->tx_next; i = tcp_block_at(t, i)->next) {
		struct tcp_block *b = tcp_block_at(t, i);

		if (b->flags & (BLOCK_SACKED | BLOCK_LOST))
			continue;
		if (!sent_after(c->rack_sent_us, c->rack_end, b->sent_us, block_end(b)))
			continue;
		if (b->sent_us + wait <= t->now_us) {
			tcp_block_lose(c, b);
			any = true;
		} else {
			latest = RTE_MAX(latest, b->sent_us + wait);
		}
	}
	if (latest != 0) {
		c->probe_kind = PROBE_REORDER;
		c->probe_at = latest;
	}
	return any;
}
