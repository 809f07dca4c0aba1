// SPDX-License-Identifier: BSD-2-Clause
// Connections that peers open: from the SYN to the ACK that completes the handshake (RFC 9293 3.10.7.2
// and what 3.10.7.4 says of SYN-RECEIVED). Until then only a small entry is kept, and under pressure
// nothing at all (cookie.c).

#include "tcp/private.h"

#include <errno.h>
#include <string.h>

static struct tcp_key listener_key(const struct postern_endpoint *local)
{
	return (struct tcp_key){.local = local->addr, .lport = rte_cpu_to_be_16(local->port)};
}

int tcp_listen(struct tcp *t, const struct postern_endpoint *local, void *listener)
{
	const struct tcp_key key = listener_key(local);
	const uint32_t hash = tcp_table_hash(t, &key);

	if (tcp_table_find(&t->listeners, &key, hash) != NULL)
		return -EEXIST;
	struct tcp_listener *l = tcp_table_take(&t->listeners);

	if (l == NULL)
		return -ENOSPC;
	l->entry.key = key;
	l->user = listener;
	l->generation = ++t->listener_generation;
	tcp_table_link(&t->listeners, &l->entry, hash);
	return 0;
}

int tcp_unlisten(struct tcp *t, const struct postern_endpoint *local)
{
	const struct tcp_key key = listener_key(local);
	struct tcp_listener *l = tcp_table_find(&t->listeners, &key, tcp_table_hash(t, &key));

	if (l == NULL)
		return -ENOENT;
	tcp_table_give(&t->listeners, &l->entry);
	return 0;
}

struct tcp_listener *tcp_listener_find(const struct tcp *t, const struct tcp_key *key)
{
	const struct tcp_key local = {.local = key->local, .lport = key->lport};

	return tcp_table_find(&t->listeners, &local, tcp_table_hash(t, &local));
}

enum tcp_admission tcp_ask(
	const struct tcp *t, const struct tcp_listener *l, const struct tcp_key *key)
{
	const struct postern_endpoint local = {key->local, rte_be_to_cpu_16(key->lport)};
	const struct postern_endpoint remote = {key->remote, rte_be_to_cpu_16(key->rport)};

	if (t->user.admit == NULL)
		return TCP_ADMIT;
	return t->user.admit(t->user.context, l->user, &local, &remote);
}

uint8_t tcp_syn_options(const struct tcp *t, const struct tcp_segment *s)
{
	uint8_t options = 0;

	if (s->has_ts && t->settings.timestamps)
		options |= OPT_TIMESTAMPS;
	if (s->sack_ok && t->settings.sack)
		options |= OPT_SACK;
	if (s->wscale != TCP_NO_WSCALE && t->settings.window_scale)
		options |= OPT_WSCALE;
	return options;
}

// RFC 9293 MUST-15: what is taken from a SYN without the option.
static uint16_t mss_of_syn(const struct tcp_segment *s)
{
	if (s->mss != 0)
		return s->mss;
	return postern_addr_is_v4(&s->key.local) ? TCP_MSS_V4 : TCP_MSS_V6;
}

static uint16_t window_of_syn_ack(const struct tcp *t)
{
	return (uint16_t)RTE_MIN(t->settings.receive_buffer, (uint32_t)UINT16_MAX);
}

static struct tcp_out syn_ack(const struct tcp *t, const struct tcp_half *h, uint16_t mtu)
{
	return (struct tcp_out){
		.key = h->entry.key,
		.seq = h->iss,
		.ack = h->irs + 1,
		.flags = TCP_SYN | TCP_ACK,
		.window = window_of_syn_ack(t),
		.mss = tcp_mss_of_mtu(&h->entry.key.local, mtu),
		.wscale = h->options & OPT_WSCALE ? tcp_wscale_own(t) : TCP_NO_WSCALE,
		.sack_ok = h->options & OPT_SACK,
		.has_ts = h->options & OPT_TIMESTAMPS,
		.ts_value = tcp_ts_now(t, h->ts_offset),
		.ts_echo = h->ts_recent,
	};
}

// The MTU towards a peer, for the MSS that we announce. False without a way.
static bool mtu_towards(struct tcp *t, const struct tcp_key *key, uint16_t *mtu)
{
	uint32_t route;

	if (t->link.route(t->link.context, &key->local, &key->remote, &route, mtu) < 0)
		return false;
	t->link.release(t->link.context, route);
	return true;
}

static void send_syn_ack(struct tcp *t, const struct tcp_half *h, const struct tcp_segment *s)
{
	uint16_t mtu;

	if (!mtu_towards(t, &h->entry.key, &mtu))
		return;
	const struct tcp_out o = syn_ack(t, h, mtu);

	if (s != NULL)
		tcp_packet_reply(t, &o, s);
	else
		tcp_packet_route(t, &o);
}

static void half_arm(struct tcp *t, struct tcp_half *h)
{
	const uint64_t wait = (uint64_t)t->settings.rto_initial * TCP_MS << h->tries;

	base_wheel_arm(&t->half_wheel, tcp_table_index(&t->halves, h), t->now_us + wait);
}

void tcp_half_free(struct tcp *t, struct tcp_half *h)
{
	const uint32_t peer = h->peer;

	base_wheel_cancel(&t->half_wheel, tcp_table_index(&t->halves, h));
	tcp_table_give(&t->halves, &h->entry);
	tcp_peer_at(t, peer)->half_open--;
	tcp_peer_release(t, peer);
}

void tcp_half_fire(struct tcp *t, struct tcp_half *h)
{
	if (t->now_us - h->opened_us >= t->settings.syn_ack_timeout * TCP_MS) {
		tcp_half_free(t, h);
		return;
	}
	h->tries++;
	TCP_COUNT(t, RETRANSMITTED);
	send_syn_ack(t, h, NULL);
	half_arm(t, h);
}

// Room for one more half-open connection of this address, or TCP_NONE: a cookie serves then.
static uint32_t half_room(struct tcp *t, const struct tcp_key *key)
{
	if (t->halves.used >= t->settings.cookies_from || t->halves.free == TCP_NONE)
		return TCP_NONE;
	const uint32_t peer = tcp_peer_hold(t, &key->remote);

	if (peer == TCP_NONE || tcp_peer_at(t, peer)->half_open < t->settings.address_half_open)
		return peer;
	tcp_peer_release(t, peer);
	return TCP_NONE;
}

static void syn_input(struct tcp *t, const struct tcp_listener *l, const struct tcp_segment *s,
	const uint32_t *iss_least)
{
	const uint32_t peer = half_room(t, &s->key);

	if (peer == TCP_NONE) {
		tcp_cookie_send(t, s);
		return;
	}
	const enum tcp_admission admission = tcp_ask(t, l, &s->key);

	if (admission != TCP_ADMIT) {
		tcp_peer_release(t, peer);
		if (admission == TCP_IGNORE) {
			TCP_COUNT(t, DROP_ADMISSION);
			return;
		}
		TCP_COUNT(t, REFUSE_ADMISSION);
		tcp_packet_reset(t, s);
		return;
	}
	struct tcp_half *h = tcp_table_take(&t->halves);

	h->entry.key = s->key;
	h->listener = tcp_table_index(&t->listeners, l);
	h->listener_generation = l->generation;
	h->peer = peer;
	h->iss = tcp_isn(t, &s->key);
	// RFC 6191: a connection that follows another between the same ends begins behind it.
	if (iss_least != NULL)
		h->iss = seq_max(h->iss, *iss_least);
	h->irs = s->seq;
	h->ts_recent = s->ts_value;
	h->ts_offset = tcp_ts_offset(t, &s->key);
	h->peer_mss = mss_of_syn(s);
	h->window = s->window;
	h->options = tcp_syn_options(t, s);
	h->snd_wscale = h->options & OPT_WSCALE ? s->wscale : 0;
	h->opened_us = t->now_us;
	tcp_peer_at(t, peer)->half_open++;
	tcp_table_link(&t->halves, &h->entry, s->hash);
	send_syn_ack(t, h, s);
	half_arm(t, h);
}

struct tcp_conn *tcp_accept(struct tcp *t, const struct tcp_listener *l, const struct tcp_half *h)
{
	struct tcp_conn *c = tcp_conn_new(t, &h->entry.key, false);

	if (c == NULL)
		return NULL;
	c->user = l->user;
	c->iss = h->iss;
	c->snd_una = c->snd_nxt = h->iss + 1;
	c->irs = h->irs;
	c->rcv_nxt = c->last_ack = c->rcv_urgent = h->irs + 1;
	c->rcv_edge = c->rcv_nxt + window_of_syn_ack(t);
	c->snd_wscale = h->snd_wscale;
	c->ts_recent = h->ts_recent;
	c->ts_recent_us = t->now_us;
	tcp_conn_options(t, c, h->options, h->peer_mss);
	// The ACK that completes the handshake tells the window.
	c->snd_wl1 = h->irs;
	c->snd_wl2 = c->snd_una;
	c->snd_wnd = c->max_wnd = h->window;
	c->flags |= CONN_ACCEPTED | (h->tries > 0 ? CONN_SYN_AGAIN : 0);
	if (h->tries == 0 && h->opened_us != 0)
		tcp_rtt_sample(t, c, (uint32_t)RTE_MAX(t->now_us - h->opened_us, 1u));
	tcp_rtt_begin(t, c);
	tcp_conn_established(t, c);
	TCP_COUNT(t, ACCEPTED);
	tcp_conn_tell(t, c, TCP_EVENT_ACCEPTED);
	return c;
}

// An ACK for no connection: one of our cookies comes back, or nobody knows what.
static struct tcp_conn *ack_input(
	struct tcp *t, const struct tcp_listener *l, struct tcp_segment *s)
{
	struct tcp_half h;

	if (!tcp_cookie_read(t, s, &h)) {
		// While cookies are out, it may have overtaken the ACK that brings one back.
		if (tcp_cookies_out(t)) {
			TCP_COUNT(t, DROP_ACK);
			return NULL;
		}
		TCP_COUNT(t, REFUSE_CLOSED_PORT);
		tcp_packet_reset(t, s);
		return NULL;
	}
	switch (tcp_ask(t, l, &s->key)) {
	case TCP_ADMIT:
		break;
	case TCP_IGNORE:
		TCP_COUNT(t, DROP_ADMISSION);
		return NULL;
	default:
		TCP_COUNT(t, REFUSE_ADMISSION);
		tcp_packet_reset(t, s);
		return NULL;
	}
	struct tcp_conn *c = tcp_accept(t, l, &h);

	if (c != NULL)
		TCP_COUNT(t, COOKIES_GOOD);
	else
		tcp_packet_reset(t, s);
	return c;
}

struct tcp_conn *tcp_listen_input(struct tcp *t, struct tcp_segment *s, const uint32_t *iss_least)
{
	const struct tcp_listener *l = tcp_listener_find(t, &s->key);

	if (s->flags & TCP_RST) {
		TCP_COUNT(t, DROP_RESET);
		return NULL;
	}
	if (l == NULL) {
		TCP_COUNT(t, REFUSE_CLOSED_PORT);
		tcp_packet_reset(t, s);
		return NULL;
	}
	if (s->flags & TCP_ACK) {
		if (!(s->flags & TCP_SYN))
			return ack_input(t, l, s);
		TCP_COUNT(t, REFUSE_CLOSED_PORT);
		tcp_packet_reset(t, s);
		return NULL;
	}
	if (!(s->flags & TCP_SYN)) {
		TCP_COUNT(t, DROP_NO_ACK);
		return NULL;
	}
	if (s->flags & TCP_FIN) {
		TCP_COUNT(t, DROP_FLAGS);
		return NULL;
	}
	syn_input(t, l, s, iss_least);
	return NULL;
}

static void half_ack(struct tcp *t, struct tcp_half *h, const struct tcp_segment *s)
{
	const struct tcp_out o = {
		.key = h->entry.key,
		.seq = h->iss + 1,
		.ack = h->irs + 1,
		.flags = TCP_ACK,
		.window = window_of_syn_ack(t),
		.wscale = TCP_NO_WSCALE,
		.has_ts = h->options & OPT_TIMESTAMPS,
		.ts_value = tcp_ts_now(t, h->ts_offset),
		.ts_echo = h->ts_recent,
	};

	if (!tcp_challenge_allowed(t, &h->challenge_us, &h->challenges))
		return;
	tcp_packet_reply(t, &o, s);
}

struct tcp_conn *tcp_half_input(struct tcp *t, struct tcp_half *h, struct tcp_segment *s)
{
	const uint32_t next = h->irs + 1;
	const uint32_t edge = next + window_of_syn_ack(t);
	const struct tcp_listener *l = tcp_table_at(&t->listeners, h->listener);

	if (s->flags & TCP_RST) {
		// RFC 5961 3.2: exact or not at all.
		TCP_COUNT(t, DROP_RESET);
		if (s->seq == next)
			tcp_half_free(t, h);
		else if (seq_before(next, s->seq) && seq_before(s->seq, edge))
			half_ack(t, h, s);
		return NULL;
	}
	if (s->flags & TCP_SYN) {
		if (s->seq == h->irs && !(s->flags & TCP_ACK))
			send_syn_ack(t, h, s);
		else
			half_ack(t, h, s);
		return NULL;
	}
	if (!(s->flags & TCP_ACK)) {
		TCP_COUNT(t, DROP_NO_ACK);
		return NULL;
	}
	if (h->options & OPT_TIMESTAMPS) {
		if (!s->has_ts) {
			TCP_COUNT(t, DROP_NO_TIMESTAMP);
			return NULL;
		}
		if (seq_before(s->ts_value, h->ts_recent)) {
			TCP_COUNT(t, DROP_PAWS);
			half_ack(t, h, s);
			return NULL;
		}
	}
	if (seq_before(s->seq, next) || seq_before(edge, s->seq)) {
		TCP_COUNT(t, DROP_SEQUENCE);
		half_ack(t, h, s);
		return NULL;
	}
	if (s->ack != h->iss + 1) {
		TCP_COUNT(t, DROP_ACK);
		tcp_packet_reset(t, s);
		return NULL;
	}
	if (!l->entry.linked || l->generation != h->listener_generation) {
		tcp_packet_reset(t, s);
		tcp_half_free(t, h);
		return NULL;
	}
	struct tcp_conn *c = tcp_accept(t, l, h);

	// Without room the ACK is lost; the peer's data bring another.
	if (c != NULL)
		tcp_half_free(t, h);
	return c;
}
