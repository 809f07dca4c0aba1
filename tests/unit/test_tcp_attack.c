// SPDX-License-Identifier: BSD-2-Clause
// Who wishes an endpoint ill: floods of SYNs, resets and data sent blindly, two ends set against each
// other, crowds that never read, ICMP errors that lie. Each costs what a bound says, and who is honest
// is served meanwhile.

#include "tcp_rig.h"

#include <rte_tcp.h>

// cmocka.h needs the four before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <netinet/in.h>
#include <string.h>

#define SYN RTE_TCP_SYN_FLAG
#define ACK RTE_TCP_ACK_FLAG
#define RST RTE_TCP_RST_FLAG
#define PSH RTE_TCP_PSH_FLAG
#define FIN RTE_TCP_FIN_FLAG

#define OWN        "203.0.113.20"
#define PORT       5061
#define CHALLENGES 10 // a second, of a connection

static void rig_wrong(const char *what, const char *file, int line)
{
	_assert_true(0, what, file, line);
}

static int use_cmocka(void **state)
{
	(void)state;
	tcp_rig_failed = rig_wrong;
	return 0;
}

static struct postern_addr addr(const char *text)
{
	struct postern_addr a;

	assert_int_equal(postern_addr_parse(text, &a), 0);
	return a;
}

// An honest end: what it would send next, and what it has seen.
struct peer {
	struct tcp_rig *r;
	struct tcp_conn *c;
	struct tcp_rig_segment s; // its next segment
};

static void put(struct tcp_rig *r, const struct tcp_rig_segment *s)
{
	uint8_t bytes[TCP_RIG_FRAME];

	tcp_rig_put(r, bytes, tcp_rig_write(s, bytes));
	tcp_flush(r->t);
}

static struct tcp_rig *rig_new(const struct tcp_rig_options *o)
{
	struct tcp_rig *r = tcp_rig_new(o);
	const struct postern_endpoint e4 = {addr(OWN), PORT}, e6 = {addr("2001:db8:1::20"), PORT};

	assert_int_equal(tcp_listen(r->t, &e4, NULL), 0);
	assert_int_equal(tcp_listen(r->t, &e6, NULL), 0);
	return r;
}

// What has left towards the peer; all else is passed over. False if nothing has.
static bool heard(struct peer *p, struct tcp_rig_segment *s)
{
	const struct tcp_rig_packet *k;

	while ((k = tcp_rig_take(p->r)) != NULL) {
		assert_true(tcp_rig_read(k->bytes, k->length, s));
		if (s->dport == p->s.sport && postern_addr_equal(&s->dst, &p->s.src))
			return true;
	}
	return false;
}

static unsigned hear_all(struct peer *p)
{
	struct tcp_rig_segment s;
	unsigned n = 0;

	while (heard(p, &s))
		n++;
	return n;
}

static void acknowledge(struct peer *p)
{
	struct tcp_rig_segment got;

	while (heard(p, &got))
		if (got.seq == p->s.ack)
			p->s.ack += (uint32_t)got.length + ((got.flags & (SYN | FIN)) != 0);
	p->s.flags = ACK;
	p->s.length = 0;
	put(p->r, &p->s);
}

static struct tcp_conn *accepted(struct tcp_rig *r)
{
	struct tcp_event e;
	struct tcp_conn *c = NULL;

	while (tcp_events(r->t, &e, 1) == 1)
		if (e.what & TCP_EVENT_ACCEPTED)
			c = e.conn;
	return c;
}

// A connection from `src`, whose window is `window` once it stands.
static struct peer peer_open(struct tcp_rig *r, const char *src, uint16_t sport, uint16_t window)
{
	struct peer p = {.r = r};
	struct tcp_rig_segment answer;
	const bool v4 = strchr(src, ':') == NULL;

	p.s = (struct tcp_rig_segment){.src = addr(src),
		.dst = addr(v4 ? OWN : "2001:db8:1::20"),
		.sport = sport,
		.dport = PORT,
		.seq = 0x10000,
		.window = 65535,
		.flags = SYN};
	put(r, &p.s);
	assert_true(heard(&p, &answer));
	assert_int_equal(answer.flags, SYN | ACK);
	p.s.seq++;
	p.s.ack = answer.seq + 1;
	p.s.flags = ACK;
	p.s.window = window;
	put(r, &p.s);
	p.c = accepted(r);
	assert_non_null(p.c);
	return p;
}

// A question of the peer's is read and answered.
static void talk(struct peer *p)
{
	static const uint8_t text[1000];
	struct tcp_rig_segment got;
	size_t back = 0;

	p->s.flags = ACK | PSH;
	p->s.length = sizeof(text);
	p->s.payload = text;
	put(p->r, &p->s);
	p->s.seq += (uint32_t)sizeof(text);
	assert_int_equal(tcp_readable(p->c), sizeof(text));
	tcp_consume(p->r->t, p->c, sizeof(text));
	assert_int_equal(tcp_write(p->r->t, p->c, text, sizeof(text)), sizeof(text));
	tcp_flush(p->r->t);
	while (heard(p, &got)) {
		assert_int_equal(got.ack, p->s.seq);
		back += got.length;
		p->s.ack += got.length;
	}
	assert_int_equal(back, sizeof(text));
	p->s.flags = ACK;
	p->s.length = 0;
	put(p->r, &p->s);
	assert_int_equal(tcp_unacknowledged(p->c), 0);
}

static uint32_t draw(void)
{
	static uint64_t state = 88172645463325252ull;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16);
}

// 30,000 SYNs and as many ACKs of nobody, from everywhere: no state beyond the table, no connection, and who
// talks goes on as if nothing were. Who comes anew gets in, with what it has offered.
static void test_syn_flood(void **state)
{
	struct tcp_rig_options o = tcp_rig_defaults();

	(void)state;
	o.half_open = 16;
	struct tcp_rig *r = rig_new(&o);
	struct peer honest = peer_open(r, "198.51.100.1", 40000, 65535);

	for (unsigned turn = 0; turn < 300; turn++) {
		for (unsigned i = 0; i < 100; i++) {
			struct tcp_rig_segment s = {.dst = addr(OWN),
				.src = postern_addr_from_v4(
					rte_cpu_to_be_32(0x0a000000 | draw() >> 8)),
				.sport = (uint16_t)(1024 + draw() % 60000),
				.dport = PORT,
				.seq = draw(),
				.window = 65535,
				.flags = SYN};

			put(r, &s);
			s.flags = ACK;
			s.ack = draw();
			put(r, &s);
			hear_all(&honest);
		}
		talk(&honest);
		tcp_rig_time(r, r->now_us + 1000);
	}
	assert_true(tcp_use(r->t).half_open <= 16);
	assert_true(tcp_use(r->t).addresses <= 17);
	assert_int_equal(tcp_use(r->t).connections, 1);
	assert_true(tcp_count(r->t, TCP_COUNTER_COOKIES_SENT) > 29000);
	assert_int_equal(tcp_count(r->t, TCP_COUNTER_COOKIES_GOOD), 0);
	struct peer late = peer_open(r, "198.51.100.2", 40000, 65535);

	assert_int_equal(tcp_count(r->t, TCP_COUNTER_COOKIES_GOOD), 1);
	talk(&late);
	talk(&honest);
	tcp_rig_free(r);
}

// RFC 5961: whoever knows both ends and guesses numbers. From everywhere outside of the window nothing
// does anything; within it only the one expected number resets, and answers are counted out.
static void test_blind(void **state)
{
	static const uint8_t flags[] = {RST, RST | ACK, SYN, SYN | ACK, ACK | PSH, FIN | ACK, 0};
	static const uint8_t text[100] = "evil";
	struct tcp_rig_options o = tcp_rig_defaults();
	struct tcp_rig *r = rig_new(&o);
	struct peer p = peer_open(r, "198.51.100.1", 40000, 65535);

	(void)state;
	talk(&p);
	for (unsigned i = 0; i < 8192; i++) {
		struct tcp_rig_segment s = p.s;

		// Beside every place that is a multiple of half a million, the window's edge among them.
		s.seq = p.s.seq + i * (1u << 19) + 70000;
		s.ack = draw();
		s.flags = flags[i % sizeof(flags)];
		s.length = s.flags == (ACK | PSH) ? sizeof(text) : 0;
		s.payload = text;
		if (s.length > 0)
			s.length = (uint16_t)(1 + draw() % sizeof(text));
		put(r, &s);
		hear_all(&p);
	}
	assert_int_equal(tcp_readable(p.c), 0);
	// Nobody is kept from talking by it; only challenges have run out for the second.
	talk(&p);
	tcp_rig_time(r, r->now_us + 1100000);
	hear_all(&p);
	// Within the window: RFC 5961 3.2, 4.2 answer, 5.2 looks at what is acknowledged.
	for (unsigned i = 1; i <= 3000; i++) {
		struct tcp_rig_segment s = p.s;

		s.seq = p.s.seq + i * 20;
		s.flags = i % 3 == 0 ? RST : i % 3 == 1 ? SYN : ACK | PSH;
		if (i % 3 == 2) {
			s.ack = p.s.ack + 1 + draw() % 0x7fff0000;
			s.length = sizeof(text);
			s.payload = text;
		}
		put(r, &s);
	}
	assert_true(hear_all(&p) <= CHALLENGES);
	assert_int_equal(tcp_readable(p.c), 0);
	assert_int_equal(tcp_use(r->t).buffers, 0);
	talk(&p);
	// The one number that does.
	p.s.flags = RST;
	put(r, &p.s);
	assert_int_equal(tcp_conn_reason(p.c), TCP_REASON_RESET);
	tcp_rig_free(r);
}

// Carries what each of two engines has sent to the other; returns how many packets that were.
static unsigned exchange(struct tcp_rig *a, struct tcp_rig *b)
{
	struct tcp_rig *const side[2] = {a, b};
	const struct tcp_rig_packet *k;
	unsigned n = 0;

	for (unsigned i = 0; i < 2; i++) {
		struct tcp_rig_packet copy;

		while ((k = tcp_rig_take(side[i])) != NULL) {
			copy = *k;
			tcp_rig_put(side[!i], copy.bytes, copy.length);
			n++;
		}
		tcp_flush(side[!i]->t);
	}
	return n;
}

// Somebody who can see the connection sends each side data in the other's name: both then acknowledge what
// the other has never sent. What they say to each other about it is counted out.
static void test_ack_storm(void **state)
{
	static const uint8_t text[200] = "evil";
	struct tcp_rig_options o = tcp_rig_defaults();
	const struct postern_endpoint remote = {addr(OWN), PORT};
	const struct postern_addr local = addr("198.51.100.1");
	struct tcp_rig *b = rig_new(&o);
	struct tcp_conn *ca, *cb = NULL;
	unsigned n = 0;

	(void)state;
	o.settings.timestamps = false; // or the liar would have to know them too
	struct tcp_rig *a = tcp_rig_new(&o);

	assert_int_equal(tcp_connect(a->t, &local, &remote, 0, NULL, &ca), 0);
	tcp_flush(a->t);
	for (unsigned i = 0; i < 4; i++)
		exchange(a, b);
	cb = accepted(b);
	assert_non_null(cb);
	assert_int_equal(tcp_write(b->t, cb, text, 10), 10);
	tcp_flush(b->t);
	const struct tcp_rig_packet *k = tcp_rig_take(b);
	struct tcp_rig_segment s;

	assert_true(k != NULL && tcp_rig_read(k->bytes, k->length, &s));
	const struct tcp_rig_packet sent = *k;

	tcp_rig_put(a, sent.bytes, sent.length);
	// To B as from A, and to A as from B.
	struct tcp_rig_segment to_b = {.src = local,
		.dst = remote.addr,
		.sport = s.dport,
		.dport = PORT,
		.seq = s.ack,
		.ack = s.seq,
		.flags = ACK | PSH,
		.window = 65535,
		.length = sizeof(text),
		.payload = text};
	struct tcp_rig_segment to_a = {.src = remote.addr,
		.dst = local,
		.sport = PORT,
		.dport = s.dport,
		.seq = s.seq + s.length,
		.ack = s.ack,
		.flags = ACK | PSH,
		.window = 65535,
		.length = sizeof(text),
		.payload = text};

	put(b, &to_b);
	put(a, &to_a);
	const unsigned seconds = 20;

	for (unsigned ms = 0; ms < seconds * 1000; ms += 2) {
		tcp_rig_time(a, a->now_us + 2000);
		tcp_rig_time(b, b->now_us + 2000);
		n += exchange(a, b);
	}
	// What each may say of its own will, and repetitions of the ten bytes, which are answered each.
	assert_true(n <= 2 * CHALLENGES * (seconds + 1) + 40);
	tcp_rig_free(a);
	tcp_rig_free(b);
}

// Peers that take nothing, all of one address: together they hold what the address may, others are
// served, and in the end they are shown out.
static void test_zero_window_crowd(void **state)
{
	enum {
		CROWD = 40
	};
	static const uint8_t text[1000];
	struct tcp_rig_options o = tcp_rig_defaults();
	struct peer crowd[CROWD];

	(void)state;
	o.settings.connection_buffers = 64;
	o.settings.address_buffers = 200;
	o.settings.zero_window = 60000;
	o.buffers = 1000;
	struct tcp_rig *r = rig_new(&o);

	for (unsigned i = 0; i < CROWD; i++) {
		crowd[i] = peer_open(r, "198.51.100.66", (uint16_t)(30000 + i), 0);
		while (tcp_write(r->t, crowd[i].c, text, sizeof(text)) > 0)
			;
		tcp_flush(r->t);
	}
	assert_int_equal(tcp_use(r->t).buffers, 100); // half of what the address may hold
	struct peer honest = peer_open(r, "198.51.100.1", 40000, 65535);

	for (unsigned second = 0; second < 130; second++) {
		struct tcp_event e;

		tcp_rig_time(r, r->now_us + 1000000);
		talk(&honest);
		for (unsigned i = 0; i < CROWD; i++)
			if (crowd[i].c != NULL)
				put(r, &crowd[i].s);
		while (tcp_events(r->t, &e, 1) == 1) {
			if (!(e.what & TCP_EVENT_CLOSED))
				continue;
			assert_int_equal(tcp_conn_reason(e.conn), TCP_REASON_ZERO_WINDOW);
			for (unsigned i = 0; i < CROWD; i++)
				if (crowd[i].c == e.conn)
					crowd[i].c = NULL;
			tcp_release(r->t, e.conn);
		}
		hear_all(&honest);
		tcp_rig_check(r);
	}
	// Those who had something to be sent are gone, and what they held with them.
	assert_int_equal(tcp_use(r->t).buffers, 0);
	// Each waits twice as long for the next probe, a minute at most; the last one finds that the time
	// is over.
	assert_true(tcp_count(r->t, TCP_COUNTER_WINDOW_PROBES) <= 10u * CROWD);
	talk(&honest);
	tcp_rig_free(r);
}

// An ICMP error about a packet of ours.
struct lie {
	const char *what;
	uint8_t type[2], code; // of IPv4, of IPv6
	uint16_t mtu;
	uint16_t quoted;  // bytes; 0: 64
	uint8_t at, with; // one byte of the quotation, 0xff: none
	bool ours;        // it is about a connection of ours
	bool soft;        // the user is told
	bool lowers;      // the path MTU
};

static void lie_about(struct tcp_rig *r, const struct tcp_rig_packet *k, const struct lie *l)
{
	uint8_t packet[256] = {0};
	const bool v6 = k->bytes[0] >> 4 == 6;
	const struct postern_addr src = addr(v6 ? "2001:db8:99::99" : "198.51.100.99");
	const struct postern_addr dst = addr(v6 ? "2001:db8:1::20" : OWN);
	const uint16_t quoted = l->quoted != 0 ? l->quoted : 64;
	const uint16_t header = ip_header_write(packet, v6 ? POSTERN_V6 : POSTERN_V4, &src, &dst,
		v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, (uint16_t)(8 + quoted));
	uint8_t *icmp = packet + header;

	icmp[0] = l->type[v6];
	icmp[1] = l->code;
	icmp[6] = (uint8_t)(l->mtu >> 8);
	icmp[7] = (uint8_t)l->mtu;
	memcpy(icmp + 8, k->bytes, quoted);
	if (l->at != 0xff && l->at < quoted)
		icmp[8 + l->at] = l->with;
	tcp_rig_sum(packet, header + 8u + quoted);
	tcp_rig_put(r, packet, header + 8u + quoted);
}

// RFC 5927: what is no quotation of ours, or of what is not under way, does nothing; an error that is hard
// elsewhere is soft here; and no MTU is lowered beyond what any path has.
static void test_icmp_lies(void **state)
{
	static const struct lie v4[] = {
		{"a quotation of nothing", {3, 1}, 1, 0, 1, 0xff, 0, false, false, false},
		{"half a header", {3, 1}, 1, 0, 19, 0xff, 0, false, false, false},
		{"no ports", {3, 1}, 1, 0, 24, 0xff, 0, false, false, false},
		{"not IPv4", {3, 1}, 1, 0, 0, 0, 0x65, false, false, false},
		{"UDP", {3, 1}, 1, 0, 0, 9, 17, false, false, false},
		{"a later fragment", {3, 1}, 1, 0, 0, 7, 9, false, false, false},
		{"of another's port", {3, 1}, 1, 0, 0, 23, 1, false, false, false},
		{"of what was never sent", {3, 1}, 1, 0, 0, 24, 0x77, true, false, false},
		{"source quench", {4, 0}, 0, 0, 0, 0xff, 0, true, false, false},
		{"port unreachable", {3, 1}, 3, 0, 0, 0xff, 0, true, true, false},
		{"protocol unreachable", {3, 1}, 2, 0, 0, 0xff, 0, true, true, false},
		{"too big of what was never sent", {3, 2}, 4, 600, 0, 24, 0x77, true, false, false},
		{"too big for more than was sent", {3, 2}, 4, 9000, 0, 0xff, 0, true, false, false},
		{"too big for anything", {3, 2}, 4, 68, 0, 0xff, 0, true, false, true},
		{"too big once more", {3, 2}, 4, 1, 0, 0xff, 0, true, false, false},
		{"too big for nobody says what", {3, 2}, 4, 0, 0, 0xff, 0, true, false, false},
	};
	static const struct lie v6[] = {
		{"half a header", {3, 1}, 0, 0, 39, 0xff, 0, false, false, false},
		{"no ports", {3, 1}, 0, 0, 44, 0xff, 0, false, false, false},
		{"UDP", {3, 1}, 0, 0, 0, 6, 17, false, false, false},
		{"extension headers without end", {3, 1}, 0, 0, 0, 6, 43, false, false, false},
		{"of what was never sent", {3, 1}, 0, 0, 0, 44, 0x77, true, false, false},
		{"port unreachable", {3, 1}, 4, 0, 0, 0xff, 0, true, true, false},
		{"forbidden", {3, 1}, 1, 0, 0, 0xff, 0, true, true, false},
		{"no route", {3, 1}, 0, 0, 0, 0xff, 0, true, true, false},
		{"time exceeded", {11, 3}, 0, 0, 0, 0xff, 0, true, true, false},
		{"too big for anything", {3, 2}, 0, 68, 0, 0xff, 0, true, false, true},
		{"too big for nobody says what", {3, 2}, 0, 0, 0, 0xff, 0, true, false, false},
	};
	static const uint8_t text[100];
	struct tcp_rig_options o = tcp_rig_defaults();

	(void)state;
	for (unsigned family = 0; family < 2; family++) {
		struct tcp_rig *r = rig_new(&o);
		struct peer p =
			peer_open(r, family ? "2001:db8:99::1" : "198.51.100.1", 40000, 65535);
		const struct lie *lies = family ? v6 : v4;
		const unsigned n = family ? RTE_DIM(v6) : RTE_DIM(v4);

		assert_int_equal(tcp_write(r->t, p.c, text, sizeof(text)), sizeof(text));
		tcp_flush(r->t);
		const struct tcp_rig_packet *k = tcp_rig_take(r);

		assert_non_null(k);
		const struct tcp_rig_packet sent = *k;

		for (unsigned i = 0; i < n; i++) {
			const uint64_t dropped = tcp_count(r->t, TCP_COUNTER_DROP_ICMP);
			const uint64_t lowered = tcp_count(r->t, TCP_COUNTER_PMTU_LOWERED);
			struct tcp_event e = {0};
			const bool too_big =
				lies[i].code == (family ? 0 : 4) && lies[i].type[1] == 2;

			lie_about(r, &sent, &lies[i]);
			tcp_events(r->t, &e, 1);
			if (lies[i].soft != ((e.what & TCP_EVENT_SOFT) != 0) ||
				lies[i].lowers !=
					(tcp_count(r->t, TCP_COUNTER_PMTU_LOWERED) > lowered) ||
				(lies[i].ours && !lies[i].soft && !too_big) !=
					(tcp_count(r->t, TCP_COUNTER_DROP_ICMP) > dropped &&
						!too_big))
				fail_msg("IPv%d: %s", family ? 6 : 4, lies[i].what);
			assert_int_equal(e.what & TCP_EVENT_CLOSED, 0);
			tcp_rig_check(r);
		}
		// It stands, and its data arrive.
		p.s.ack = tcp_unacknowledged(p.c) > 0 ? p.s.ack + (uint32_t)sizeof(text) : p.s.ack;
		put(r, &p.s);
		assert_int_equal(tcp_unacknowledged(p.c), 0);
		talk(&p);
		tcp_rig_free(r);
	}
}

// Segments that acknowledge every other segment, and windows of one byte: what is kept follows the limit of
// buffers, and each is answered within it (CVE-2019-11477, CVE-2019-11478).
static void test_small_pieces(void **state)
{
	static const uint8_t text[2000];
	struct tcp_rig_options o = tcp_rig_defaults();

	(void)state;
	o.settings.connection_buffers = 64;
	struct tcp_rig *r = rig_new(&o);
	struct peer p = peer_open(r, "198.51.100.1", 40000, 1);
	uint32_t ack = p.s.ack;

	for (unsigned turn = 0; turn < 400; turn++) {
		tcp_write(r->t, p.c, text, sizeof(text));
		tcp_flush(r->t);
		tcp_rig_time(r, r->now_us + 250000);
		acknowledge(&p);
		assert_true(tcp_use(r->t).buffers <= 64 + 44);
		tcp_rig_check(r);
	}
	assert_true(p.s.ack - ack > 100); // it gets on all the same
	tcp_rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_syn_flood),
		cmocka_unit_test(test_blind),
		cmocka_unit_test(test_ack_storm),
		cmocka_unit_test(test_zero_window_crowd),
		cmocka_unit_test(test_icmp_lies),
		cmocka_unit_test(test_small_pieces),
	};

	return cmocka_run_group_tests_name("tcp_attack", tests, use_cmocka, NULL);
}
