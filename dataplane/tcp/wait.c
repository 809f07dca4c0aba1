// SPDX-License-Identifier: BSD-2-Clause
// TIME-WAIT (RFC 9293 3.6.1, MUST-13): what is left of a connection that we closed first, in entries of
// a table of its own, the oldest of which give way.

#include "tcp/private.h"

static void list_drop(struct tcp *t, struct tcp_wait *w)
{
	if (w->newer == TCP_NONE)
		t->newest_wait = w->older;
	else
		((struct tcp_wait *)tcp_table_at(&t->waits, w->newer))->older = w->older;
	if (w->older == TCP_NONE)
		t->oldest_wait = w->newer;
	else
		((struct tcp_wait *)tcp_table_at(&t->waits, w->older))->newer = w->newer;
}

static void list_push(struct tcp *t, struct tcp_wait *w)
{
	const uint32_t i = tcp_table_index(&t->waits, w);

	w->newer = TCP_NONE;
	w->older = t->newest_wait;
	if (t->newest_wait == TCP_NONE)
		t->oldest_wait = i;
	else
		((struct tcp_wait *)tcp_table_at(&t->waits, t->newest_wait))->newer = i;
	t->newest_wait = i;
	w->since_us = t->now_us;
	base_wheel_arm(&t->wait_wheel, i, t->now_us + t->settings.time_wait * TCP_MS);
}

void tcp_wait_free(struct tcp *t, struct tcp_wait *w)
{
	list_drop(t, w);
	base_wheel_cancel(&t->wait_wheel, tcp_table_index(&t->waits, w));
	tcp_table_give(&t->waits, &w->entry);
}

void tcp_wait_begin(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_wait *w = tcp_table_take(&t->waits);

	if (w == NULL && t->oldest_wait != TCP_NONE) {
		TCP_COUNT(t, WAIT_EVICTED);
		tcp_wait_free(t, tcp_table_at(&t->waits, t->oldest_wait));
		w = tcp_table_take(&t->waits);
	}
	if (w != NULL) {
		w->entry.key = c->entry.key;
		w->snd_nxt = c->snd_nxt;
		w->rcv_nxt = c->rcv_nxt;
		w->ts_recent = c->ts_recent;
		w->ts_offset = c->ts_offset;
		w->options = c->options;
		w->window = (uint16_t)RTE_MIN(
			(c->rcv_edge - c->rcv_nxt) >> c->rcv_wscale, (uint32_t)UINT16_MAX);
		tcp_table_link(&t->waits, &w->entry, c->entry.hash);
		list_push(t, w);
	}
	tcp_conn_close(t, c, TCP_REASON_FIN);
}

static void wait_ack(struct tcp *t, const struct tcp_wait *w, const struct tcp_segment *s)
{
	const struct tcp_out o = {
		.key = w->entry.key,
		.seq = w->snd_nxt,
		.ack = w->rcv_nxt,
		.flags = TCP_ACK,
		.window = w->window,
		.wscale = TCP_NO_WSCALE,
		.has_ts = w->options & OPT_TIMESTAMPS,
		.ts_value = tcp_ts_now(t, w->ts_offset),
		.ts_echo = w->ts_recent,
	};

	tcp_packet_reply(t, &o, s);
}

// RFC 9293 MAY-2 and RFC 6191 2: a SYN that cannot be an old duplicate opens a new connection.
static bool is_new(const struct tcp_wait *w, const struct tcp_segment *s)
{
	if (s->has_ts && !(w->options & OPT_TIMESTAMPS))
		return true;
	if (s->has_ts && s->ts_value != w->ts_recent)
		return seq_before(w->ts_recent, s->ts_value);
	return seq_before(w->rcv_nxt, s->seq);
}

struct tcp_conn *tcp_wait_input(struct tcp *t, struct tcp_wait *w, struct tcp_segment *s)
{
	// RFC 1337: a reset would end the state that keeps old segments away.
	if (s->flags & TCP_RST) {
		TCP_COUNT(t, DROP_RESET);
		return NULL;
	}
	if ((s->flags & TCP_SYN) && !(s->flags & TCP_ACK) && is_new(w, s) &&
		tcp_listener_find(t, &s->key) != NULL) {
		const uint32_t least = w->snd_nxt + UINT16_MAX + 2;

		tcp_wait_free(t, w);
		return tcp_listen_input(t, s, &least);
	}
	const bool old_ts =
		(w->options & OPT_TIMESTAMPS) && s->has_ts && seq_before(s->ts_value, w->ts_recent);

	// Only the peer's FIN can come again: ours was acknowledged, and the time begins anew.
	if ((s->flags & TCP_FIN) && !(s->flags & TCP_SYN) && !old_ts &&
		s->seq + segment_span(s) == w->rcv_nxt) {
		list_drop(t, w);
		list_push(t, w);
		wait_ack(t, w, s);
		return NULL;
	}
	if (s->seq == w->rcv_nxt && segment_span(s) == 0)
		return NULL;
	TCP_COUNT(t, DROP_SEQUENCE);
	if (tcp_challenge_allowed(t, &w->challenge_us, &w->challenges))
		wait_ack(t, w, s);
	return NULL;
}
