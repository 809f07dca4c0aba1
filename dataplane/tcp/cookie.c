// SPDX-License-Identifier: BSD-2-Clause
// SYN cookies (RFC 4987 3.6): when half-open connections grow many, what the SYN said goes into the
// SYN-ACK and comes back with the ACK, and nothing is kept.
//
// The sequence number holds, much as Bernstein's have it, a hash of both ends and of the peer's own
// number, a count of minutes, and one of eight sizes of segments. Window scale and SACK go into the
// lowest bits of the timestamp, if the peer sends one; without, there is neither.

#include "tcp/private.h"

#include <string.h>

#define PERIOD_US (64 * TCP_S)
#define PERIODS   2u // that a cookie lives

#define DATA_BITS 24u
#define DATA_MASK ((1u << DATA_BITS) - 1)

// Bits of the timestamp: four of window scale, 15 for none, and one of SACK.
#define TS_BITS      6u
#define TS_MASK      ((1u << TS_BITS) - 1)
#define TS_WSCALE    0x0fu
#define TS_SACK      0x10u
#define TS_NO_WSCALE 0x0fu

// What paths have: minimum of IPv4, of IPv6, tunnels, Ethernet with either, jumbo frames.
static const uint16_t sizes[8] = {216, 536, 1024, 1220, 1360, 1440, 1460, 8940};

static uint32_t hash(const struct tcp *t, const struct tcp_key *key, uint32_t irs, uint32_t what)
{
	uint8_t text[TCP_KEY_SIZE + sizeof(irs) + sizeof(what)];

	memcpy(text, key, TCP_KEY_SIZE);
	memcpy(text + TCP_KEY_SIZE, &irs, sizeof(irs));
	memcpy(text + TCP_KEY_SIZE + sizeof(irs), &what, sizeof(what));
	return (uint32_t)base_siphash(&t->cookie_key, text, sizeof(text));
}

static uint32_t period(const struct tcp *t)
{
	return (uint32_t)(t->now_us / PERIOD_US);
}

// `what` beyond 32 bits of periods: the hash that does not change with time.
#define HASH_FIXED UINT32_MAX

static uint32_t cookie_make(
	const struct tcp *t, const struct tcp_key *key, uint32_t irs, uint32_t size)
{
	const uint32_t count = period(t);

	return hash(t, key, irs, HASH_FIXED) + (count << DATA_BITS) +
	       ((hash(t, key, irs, count) + size) & DATA_MASK);
}

static bool cookie_check(const struct tcp *t, const struct tcp_key *key, uint32_t irs,
	uint32_t cookie, uint32_t *size)
{
	const uint32_t rest = cookie - hash(t, key, irs, HASH_FIXED);
	const uint32_t count = period(t);
	const uint32_t age = (count - (rest >> DATA_BITS)) & (UINT32_MAX >> DATA_BITS);

	if (age >= PERIODS)
		return false;
	*size = (rest - hash(t, key, irs, count - age)) & DATA_MASK;
	return *size < RTE_DIM(sizes);
}

static uint32_t size_index(uint16_t mss)
{
	uint32_t i = RTE_DIM(sizes) - 1;

	while (i > 0 && sizes[i] > mss)
		i--;
	return i;
}

// The present time with our bits in it, and not behind the present, so that later timestamps of the
// connection are not older.
static uint32_t ts_make(uint32_t now, uint32_t bits)
{
	const uint32_t with = (now & ~TS_MASK) | bits;

	return seq_before(now, with) ? with - (1u << TS_BITS) : with;
}

void tcp_cookie_send(struct tcp *t, const struct tcp_segment *s)
{
	const uint8_t options = tcp_syn_options(t, s);
	const bool ts = options & OPT_TIMESTAMPS;
	const uint16_t usual = postern_addr_is_v4(&s->key.local) ? TCP_MSS_V4 : TCP_MSS_V6;
	struct tcp_out o = {
		.key = s->key,
		.seq = cookie_make(t, &s->key, s->seq, size_index(s->mss != 0 ? s->mss : usual)),
		.ack = s->seq + 1,
		.flags = TCP_SYN | TCP_ACK,
		.window = (uint16_t)RTE_MIN(t->settings.receive_buffer, (uint32_t)UINT16_MAX),
		.wscale = TCP_NO_WSCALE,
	};
	uint32_t route, bits = TS_NO_WSCALE;
	uint16_t mtu;

	if (t->link.route(t->link.context, &s->key.local, &s->key.remote, &route, &mtu) < 0)
		return;
	t->link.release(t->link.context, route);
	o.mss = tcp_mss_of_mtu(&s->key.local, mtu);
	if (ts) {
		if (options & OPT_WSCALE) {
			o.wscale = tcp_wscale_own(t);
			bits = s->wscale;
		}
		if (options & OPT_SACK) {
			o.sack_ok = true;
			bits |= TS_SACK;
		}
		o.has_ts = true;
		o.ts_value = ts_make(tcp_ts_now(t, tcp_ts_offset(t, &s->key)), bits);
		o.ts_echo = s->ts_value;
	}
	TCP_COUNT(t, COOKIES_SENT);
	t->cookies_us = t->now_us;
	tcp_packet_reply(t, &o, s);
}

bool tcp_cookies_out(const struct tcp *t)
{
	return t->cookies_us != 0 && t->now_us - t->cookies_us <= PERIODS * PERIOD_US;
}

bool tcp_cookie_read(struct tcp *t, const struct tcp_segment *s, struct tcp_half *h)
{
	uint32_t size;

	// Where none was sent none can come back, and nobody may guess.
	if (!tcp_cookies_out(t) || !cookie_check(t, &s->key, s->seq - 1, s->ack - 1, &size))
		return false;
	*h = (struct tcp_half){
		.entry.key = s->key,
		.iss = s->ack - 1,
		.irs = s->seq - 1,
		.ts_recent = s->ts_value,
		.peer_mss = sizes[size],
		.window = s->window,
		.tries = 0,
	};
	if (s->has_ts && t->settings.timestamps) {
		const uint32_t bits = s->ts_echo & TS_MASK;

		h->options |= OPT_TIMESTAMPS;
		if (bits & TS_SACK)
			h->options |= OPT_SACK;
		if ((bits & TS_WSCALE) != TS_NO_WSCALE) {
			h->options |= OPT_WSCALE;
			h->snd_wscale = bits & TS_WSCALE;
		}
	}
	return true;
}
