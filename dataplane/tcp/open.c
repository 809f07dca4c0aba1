// SPDX-License-Identifier: BSD-2-Clause
// Connections that we open: a port, the SYN, and what answers it (RFC 9293 3.10.7.3).

#include "tcp/private.h"

#include <errno.h>
#include <netinet/in.h>

// Draws before the ports count as used up. With as many workers as 16 and half of the ports taken one
// draw in 32 serves, and all of 512 fail once in ten million.
#define PORT_DRAWS 512

// Ports in TIME-WAIT that are met before one of them is used again: while there are free ones, they rest.
#define WAITS_MET 4

// A peer whose timestamps grow takes a new connection between the same ends (RFC 6191), and an old segment
// is known by its timestamp (RFC 7323 5); after a second ours has grown.
static bool may_reuse(const struct tcp *t, const struct tcp_wait *w)
{
	return (w->options & OPT_TIMESTAMPS) && t->now_us - w->since_us > TCP_S;
}

// RFC 6056 3.3.2: at random, and so that what comes back comes to this worker.
// *waits: what is left of the connection before, if it is to give way.
static bool draw_port(struct tcp *t, struct tcp_key *key, struct tcp_wait **waits)
{
	unsigned met = 0;
	const uint32_t ports = (uint32_t)t->settings.port_last - t->settings.port_first + 1;

	for (unsigned i = 0; i < PORT_DRAWS; i++) {
		const uint32_t n = base_hash_reduce((uint32_t)tcp_random(t), ports);

		key->lport = rte_cpu_to_be_16((uint16_t)(t->settings.port_first + n));
		const struct ip_tuple back = {.src = key->remote,
			.dst = key->local,
			.sport = key->rport,
			.dport = key->lport,
			.proto = IPPROTO_TCP};

		if (t->link.is_home != NULL && !t->link.is_home(t->link.context, &back))
			continue;
		const uint32_t hash = tcp_table_hash(t, key);

		if (tcp_table_find(&t->conns, key, hash) != NULL ||
			tcp_table_find(&t->halves, key, hash) != NULL)
			continue;
		*waits = tcp_table_find(&t->waits, key, hash);
		if (*waits == NULL || (++met > WAITS_MET && may_reuse(t, *waits)))
			return true;
	}
	return false;
}

int tcp_connect(struct tcp *t, const struct postern_addr *local,
	const struct postern_endpoint *remote, uint32_t timeout_ms, void *user,
	struct tcp_conn **out)
{
	struct tcp_key key = {
		.local = *local, .remote = remote->addr, .rport = rte_cpu_to_be_16(remote->port)};
	struct tcp_wait *waits = NULL;
	uint32_t route;
	uint16_t mtu;
	// Asked before anything is made, so that its answer is told as it is.
	const int rc = t->link.route(t->link.context, local, &remote->addr, &route, &mtu);

	if (rc < 0)
		return rc;
	t->link.release(t->link.context, route);
	if (!draw_port(t, &key, &waits))
		return -EADDRINUSE;
	struct tcp_conn *c = tcp_conn_new(t, &key, true);

	if (c == NULL)
		return -ENOSPC;
	c->user = user;
	c->state = TCP_SYN_SENT;
	c->iss = tcp_isn(t, &key);
	if (waits != NULL) {
		c->iss = seq_max(c->iss, waits->snd_nxt + 1);
		tcp_wait_free(t, waits);
	}
	c->snd_una = c->iss;
	c->snd_nxt = c->tx_end = c->iss + 1;
	c->connect_ms = timeout_ms != 0 ? timeout_ms : t->settings.connect_timeout;
	tcp_conn_options(t, c, 0, tcp_mss_of_mtu(local, c->mtu));
	tcp_list_add(t, c, LIST_DIRTY);
	TCP_COUNT(t, OPENED);
	*out = c;
	return 0;
}

static void read_syn(struct tcp *t, struct tcp_conn *c, const struct tcp_segment *s)
{
	const uint8_t options = tcp_syn_options(t, s);
	uint16_t mss = s->mss;

	// RFC 9293 MUST-15.
	if (mss == 0)
		mss = postern_addr_is_v4(&c->entry.key.local) ? TCP_MSS_V4 : TCP_MSS_V6;
	c->irs = s->seq;
	c->rcv_nxt = c->last_ack = c->rcv_urgent = s->seq + 1;
	c->rcv_edge = c->rcv_nxt + RTE_MIN(t->settings.receive_buffer, (uint32_t)UINT16_MAX);
	c->snd_wscale = options & OPT_WSCALE ? s->wscale : 0;
	c->ts_recent = s->ts_value;
	c->ts_recent_us = t->now_us;
	tcp_conn_options(t, c, options, mss);
	// The window of a SYN is never scaled (RFC 7323 2.2).
	c->snd_wnd = c->max_wnd = s->window;
	c->snd_wl1 = s->seq;
	c->snd_wl2 = s->ack;
}

// Both ends have sent a SYN at once (RFC 9293 3.5, figure 7).
static void open_simultaneously(struct tcp *t, struct tcp_conn *c)
{
	c->state = TCP_SYN_RECEIVED;
	c->snd_wl2 = c->iss;
	tcp_send_syn(t, c);
	tcp_timer_arm(t, c);
}

static void open_established(struct tcp *t, struct tcp_conn *c, struct tcp_segment *s)
{
	c->snd_una = s->ack;
	if (!(c->flags & CONN_SYN_AGAIN))
		tcp_rtt_sample(t, c, (uint32_t)RTE_MAX(t->now_us - c->last_sent_us, 1u));
	tcp_rtt_begin(t, c);
	tcp_conn_established(t, c);
	c->flags |= CONN_ACK_NOW;
	tcp_conn_tell(t, c, TCP_EVENT_CONNECTED);
}

bool tcp_syn_sent_input(struct tcp *t, struct tcp_conn *c, struct tcp_segment *s)
{
	const bool acks = s->flags & TCP_ACK;

	if (acks && s->ack != c->snd_nxt) {
		TCP_COUNT(t, DROP_ACK);
		tcp_packet_reset(t, s);
		return false;
	}
	if (s->flags & TCP_RST) {
		// Without an ACK anybody may have sent it.
		if (acks)
			tcp_conn_close(t, c, TCP_REASON_REFUSED);
		else
			TCP_COUNT(t, DROP_RESET);
		return false;
	}
	if (!(s->flags & TCP_SYN)) {
		TCP_COUNT(t, DROP_NO_ACK);
		return false;
	}
	if (s->flags & TCP_FIN) {
		TCP_COUNT(t, DROP_FLAGS);
		return false;
	}
	read_syn(t, c, s);
	if (!acks) {
		open_simultaneously(t, c);
		return false;
	}
	open_established(t, c, s);
	// Data may come with the SYN (RFC 9293 3.10.7.3); they follow it.
	s->seq++;
	s->flags &= (uint8_t)~TCP_SYN;
	return s->length > 0 && tcp_receive(t, c, s);
}
