// SPDX-License-Identifier: BSD-2-Clause
// Any order of segments, ICMP errors, times and calls of the user. The input is a script: its first bytes
// make the engine, each following byte names an action, which takes its operands from the bytes behind
// it. After each action all that the engine keeps must agree; at the end every buffer must be back.

#include "unit/tcp_rig.h"

#include <rte_tcp.h>

#include <netinet/in.h>
#include <string.h>

#define PEERS   4
#define PORT    5061
#define ACTIONS 300

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// One remote end: what it has last seen of us, and what it would send next.
struct peer {
	uint32_t next;  // its own number
	uint32_t seen;  // behind the last that we sent
	uint32_t acked; // the lowest of ours that it may not have acknowledged
	uint32_t ts;    // our last timestamp
	uint16_t own;   // our port
	bool known;
	struct tcp_conn *c;
	bool closed;
};

struct script {
	const uint8_t *data;
	size_t size, at;
	struct tcp_rig *r;
	struct peer peers[PEERS];
	struct tcp_rig_packet last;
};

static struct script s;

static uint8_t take(void)
{
	return s.at < s.size ? s.data[s.at++] : 0;
}

static bool is_v6(unsigned n)
{
	return n & 1;
}

static struct postern_addr addr(unsigned n, bool own)
{
	struct postern_addr a;

	postern_addr_parse(is_v6(n) ? (own ? "2001:db8:1::20" : "2001:db8:99::1")
				    : (own ? "203.0.113.20" : "198.18.0.1"),
		&a);
	if (!own)
		a.bytes[15] = (uint8_t)(1 + n / 2);
	return a;
}

static void learn(void)
{
	const struct tcp_rig_packet *p;

	while ((p = tcp_rig_take(s.r)) != NULL) {
		struct tcp_rig_segment g;

		s.last = *p;
		if (!tcp_rig_read(p->bytes, p->length, &g))
			continue;
		const unsigned n = g.dport - 40000u;

		if (n >= PEERS || (g.flags & RTE_TCP_RST_FLAG))
			continue;
		struct peer *peer = &s.peers[n];

		peer->own = g.sport;
		peer->seen =
			g.seq + g.length + ((g.flags & (RTE_TCP_SYN_FLAG | RTE_TCP_FIN_FLAG)) != 0);
		if (g.flags & RTE_TCP_SYN_FLAG)
			peer->acked = g.seq;
		peer->known = true;
		for (unsigned i = 0; i + 10 <= g.n_options; i++)
			if (g.options[i] == 8 && g.options[i + 1] == 10)
				memcpy(&peer->ts, &g.options[i + 2], 4);
	}
}

static void collect(void)
{
	struct tcp_event e[4];
	unsigned n;

	while ((n = tcp_events(s.r->t, e, 4)) > 0) {
		for (unsigned i = 0; i < n; i++) {
			const unsigned port = tcp_conn_remote(e[i].conn).port - 40000u;

			TCP_RIG_CHECK(port < PEERS);
			struct peer *p = &s.peers[port];

			if (e[i].what & TCP_EVENT_ACCEPTED) {
				// The one before is still the user's.
				if (p->c != NULL)
					tcp_release(s.r->t, p->c);
				p->c = e[i].conn;
				p->closed = false;
			}
			TCP_RIG_CHECK(p->c == e[i].conn);
			if (e[i].what & TCP_EVENT_CLOSED) {
				TCP_RIG_CHECK(!p->closed);
				p->closed = true;
			}
		}
	}
}

static void put_32(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 24);
	at[1] = (uint8_t)(v >> 16);
	at[2] = (uint8_t)(v >> 8);
	at[3] = (uint8_t)v;
}

static void add_options(struct tcp_rig_segment *g, const struct peer *p, uint8_t which)
{
	uint8_t *at = g->options;

	if ((g->flags & RTE_TCP_SYN_FLAG) && (which & 1)) {
		memcpy(at, "\x02\x04\x05\x00\x04\x02\x03\x03", 8);
		at[3] = take();
		at[8] = take() % 16;
		at[9] = 1;
		at += 10;
	}
	if (which & 2) {
		at[0] = 8;
		at[1] = 10;
		put_32(at + 2, 1000 + take());
		memcpy(at + 6, &p->ts, 4);
		at += 10;
	}
	if ((which & 4) && !(g->flags & RTE_TCP_SYN_FLAG)) {
		const unsigned n = 1 + (which >> 3 & 1);

		at[0] = 5;
		at[1] = (uint8_t)(2 + 8 * n);
		at += 2;
		for (unsigned i = 0; i < n; i++, at += 8) {
			const uint32_t start = p->acked + take() * 50u;

			put_32(at, start);
			put_32(at + 4, start + take() * 50u);
		}
	}
	if (which & 0x80) {
		for (at = g->options; at < g->options + 12; at++)
			*at = take();
	}
	g->n_options = (uint8_t)(at - g->options);
}

static void do_segment(void)
{
	static const uint32_t off[8] = {0, 1, -1u, 100, 1448, -1448u, 40000, 0x80000000};
	static const uint8_t usual[8] = {RTE_TCP_SYN_FLAG, RTE_TCP_ACK_FLAG, RTE_TCP_ACK_FLAG,
		RTE_TCP_ACK_FLAG | RTE_TCP_PSH_FLAG, RTE_TCP_ACK_FLAG | RTE_TCP_FIN_FLAG,
		RTE_TCP_RST_FLAG, RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG,
		RTE_TCP_ACK_FLAG | RTE_TCP_URG_FLAG};
	static const uint16_t lengths[8] = {0, 1, 10, 100, 536, 1000, 1400, 1448};
	static const uint8_t zeros[1500];
	const uint8_t who = take(), what = take(), how = take();
	const unsigned n = who % PEERS;
	struct peer *p = &s.peers[n];
	struct tcp_rig_segment g = {
		.src = addr(n, false),
		.dst = addr(n, true),
		.sport = (uint16_t)(40000 + n),
		.dport = p->known ? p->own : PORT,
		.flags = what & 0x80 ? what & 0x3f : usual[what & 7],
		.seq = p->next + off[how & 7],
		.ack = (who & 4 ? p->acked : p->seen) + off[how >> 3 & 7],
		.window = who & 8 ? (uint16_t)(take() * 257u) : 60000,
		.urgent = (uint16_t)(who >> 4),
		.length = what & 0x80 ? 0 : lengths[what >> 3 & 7],
		.payload = zeros,
	};
	uint8_t packet[TCP_RIG_FRAME];
	const uint8_t which = how & 0x40 ? take() : 2;

	if (!(g.flags & RTE_TCP_ACK_FLAG))
		g.ack = 0;
	if (who & 0x80)
		g.dport = PORT;
	add_options(&g, p, which);
	const size_t length = tcp_rig_write(&g, packet);

	if (how & 0x80)
		packet[take() % length] ^= take();
	tcp_rig_put(s.r, packet, length);
	if ((how & 7) == 0)
		p->next += (uint32_t)g.length +
			   ((g.flags & (RTE_TCP_SYN_FLAG | RTE_TCP_FIN_FLAG)) != 0);
	if ((g.flags & RTE_TCP_ACK_FLAG) && (how >> 3 & 7) == 0)
		p->acked = g.ack;
}

static void do_time(void)
{
	static const uint32_t ms[8] = {1, 10, 45, 201, 1000, 5000, 61000, 400000};

	// A worker that was held up fires many timers at once, and not all in one turn.
	tcp_time(s.r->t, s.r->now_us += ms[take() % 8] * 1000ull);
	tcp_poll(s.r->t, 1 + take() % 64u);
}

static void do_user(void)
{
	const uint8_t who = take(), what = take(), n = take();
	struct peer *p = &s.peers[who % PEERS];
	struct iovec iov[8];
	size_t got;

	if (p->c == NULL) {
		const struct postern_addr local = addr(who % PEERS, true);
		const struct postern_endpoint remote = {
			addr(who % PEERS, false), (uint16_t)(40000 + who % PEERS)};

		if (what & 1 && tcp_connect(s.r->t, &local, &remote, n * 100u, NULL, &p->c) == 0)
			p->closed = p->known = false;
		return;
	}
	switch (what % 8) {
	case 0:
	case 1:
		got = tcp_reserve(s.r->t, p->c, n * 50u, iov, 8);
		for (unsigned i = 0, done = 0; done < got; done += (unsigned)iov[i++].iov_len)
			memset(iov[i].iov_base, n, iov[i].iov_len);
		tcp_commit(s.r->t, p->c, what & 8 ? got / 2 : got);
		break;
	case 2:
	case 3:
		tcp_peek(s.r->t, p->c, iov, 8);
		tcp_consume(s.r->t, p->c, n * 50u);
		tcp_urgent(p->c);
		break;
	case 4:
		tcp_shutdown(s.r->t, p->c);
		break;
	case 5:
		tcp_abort(s.r->t, p->c);
		break;
	case 6:
		tcp_conn_set_nagle(p->c, n & 1);
		break;
	default:
		tcp_release(s.r->t, p->c);
		p->c = NULL;
		break;
	}
}

// An error about what came out last, with bytes of it spoilt.
static void do_error(void)
{
	static const uint8_t types[2][4] = {{3, 3, 11, 4}, {2, 1, 3, 4}};
	const uint8_t how = take(), mtu = take();
	const bool v6 = s.last.bytes[0] >> 4 == 6;
	const uint16_t quoted = (uint16_t)(28 + how % 64);
	const uint16_t quote = quoted < s.last.length ? quoted : s.last.length;
	const struct postern_addr src = addr(v6, false), dst = addr(v6, true);
	uint8_t packet[256] = {0};

	if (s.last.length == 0)
		return;
	const uint16_t header = ip_header_write(packet, v6 ? POSTERN_V6 : POSTERN_V4, &src, &dst,
		v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, (uint16_t)(8 + quote));

	packet[header] = types[v6][how >> 6];
	packet[header + 1] = (uint8_t)(!v6 && (how & 0x40) == 0 ? 4 : mtu & 7);
	packet[header + 6] = mtu >> 4;
	packet[header + 7] = mtu;
	memcpy(packet + header + 8, s.last.bytes, quote);
	if (how & 0x20)
		packet[header + 8 + take() % quote] ^= take();
	tcp_rig_sum(packet, header + 8u + quote);
	tcp_rig_put(s.r, packet, header + 8u + quote);
}

static void act(void)
{
	switch (take() % 16) {
	case 0 ... 8:
		do_segment();
		break;
	case 9 ... 11:
		do_user();
		break;
	case 12:
	case 13:
		do_time();
		break;
	case 14:
		do_error();
		break;
	default:
		tcp_rig_let_go(s.r);
		s.r->cuts = 1 + take() % 3u;
		break;
	}
	collect();
	// Several actions may make one turn.
	if (take() & 1) {
		tcp_flush(s.r->t);
		collect();
	}
	learn();
	tcp_rig_check(s.r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tcp_rig_options o = tcp_rig_defaults();

	memset(&s, 0, offsetof(struct script, last));
	s.last.length = 0;
	s.data = data;
	s.size = size;
	const uint8_t a = take(), b = take();

	o.settings.timestamps = !(a & 1);
	o.settings.sack = !(a & 2);
	o.settings.window_scale = !(a & 4);
	o.settings.nagle = a & 8;
	o.settings.cookies_from = a & 0x10 ? 0 : 2;
	o.settings.keepalive = a & 0x20 ? 5000 : 0;
	o.settings.receive_buffer = 1000u << (b & 7);
	o.settings.send_buffer = 1000u << (b >> 3 & 7);
	o.settings.connection_buffers = 4u << (b >> 6);
	o.settings.address_buffers = a & 0x40 ? 12 : 1000;
	o.connections = a & 0x80 ? 2 : 8;
	o.half_open = 4;
	o.time_wait = 2;
	o.buffers = 48;
	o.secret = 0x5c;
	s.r = tcp_rig_new(&o);
	for (unsigned i = 0; i < PEERS; i++) {
		const struct postern_endpoint e = {addr(i, true), PORT};

		if (i < 2)
			TCP_RIG_CHECK(tcp_listen(s.r->t, &e, NULL) == 0);
		s.peers[i].next = i & 2 ? 0xfffffe00 : 0x1000;
	}
	for (unsigned i = 0; i < ACTIONS && s.at < s.size; i++)
		act();
	tcp_rig_free(s.r);
	return 0;
}
