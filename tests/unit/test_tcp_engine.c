// SPDX-License-Identifier: BSD-2-Clause
// What scripts of packets cannot say: numbers and ports that are drawn, addresses that no segment can have,
// crowds.

#include "base/siphash.h"
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

#include <errno.h>
#include <string.h>

#define SYN RTE_TCP_SYN_FLAG
#define ACK RTE_TCP_ACK_FLAG
#define RST RTE_TCP_RST_FLAG

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

static struct tcp_rig_segment segment(const char *src, uint16_t sport, uint8_t flags)
{
	return (struct tcp_rig_segment){.src = addr(src),
		.dst = addr("203.0.113.20"),
		.sport = sport,
		.dport = 5061,
		.seq = 1000,
		.window = 65535,
		.flags = flags};
}

static void put(struct tcp_rig *r, const struct tcp_rig_segment *s)
{
	uint8_t bytes[TCP_RIG_FRAME];

	tcp_rig_put(r, bytes, tcp_rig_write(s, bytes));
	tcp_flush(r->t);
	tcp_rig_check(r);
}

static bool take(struct tcp_rig *r, struct tcp_rig_segment *s)
{
	const struct tcp_rig_packet *p = tcp_rig_take(r);

	if (p == NULL)
		return false;
	assert_true(tcp_rig_read(p->bytes, p->length, s));
	return true;
}

static void listen_at(struct tcp_rig *r)
{
	const struct postern_endpoint e = {addr("203.0.113.20"), 5061};

	assert_int_equal(tcp_listen(r->t, &e, NULL), 0);
	assert_int_equal(tcp_listen(r->t, &e, NULL), -EEXIST);
}

// The vector of the function's authors: key 00 to 0f, text 00 to 0e.
static void test_siphash(void **state)
{
	struct base_siphash_key key;
	uint8_t text[15];

	(void)state;
	for (unsigned i = 0; i < 16; i++)
		((uint8_t *)key.k)[i] = (uint8_t)i;
	for (unsigned i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)i;
	assert_true(base_siphash(&key, text, sizeof(text)) == 0xa129ca6149be45e5ull);
	assert_int_equal(base_siphash_key_draw(&key), 0);
}

static uint32_t isn_of(struct tcp_rig *r, uint16_t sport)
{
	struct tcp_rig_segment s = segment("198.18.0.1", sport, SYN);
	struct tcp_rig_segment answer;

	put(r, &s);
	assert_true(take(r, &answer));
	assert_int_equal(answer.flags, SYN | ACK);
	s.flags = RST;
	s.seq++;
	put(r, &s);
	return answer.seq;
}

// Row 4 (RFC 6528): between the same ends it grows with the clock of 4 microseconds; between others
// it cannot be foreseen.
static void test_isn(void **state)
{
	struct tcp_rig_options o = tcp_rig_defaults();
	struct tcp_rig *r = tcp_rig_new(&o);
	uint32_t bits = 0;

	(void)state;
	listen_at(r);
	const uint32_t first = isn_of(r, 40000);

	tcp_rig_time(r, r->now_us + 4000000);
	assert_true(isn_of(r, 40000) - first == 1000000);
	for (uint16_t port = 40001; port < 40033; port++)
		bits |= isn_of(r, port) ^ first;
	// 32 others differ from it in every bit, somewhere.
	assert_true(bits == UINT32_MAX);
	tcp_rig_free(r);

	// Another secret, other numbers.
	o.secret = 1;
	r = tcp_rig_new(&o);
	listen_at(r);
	assert_true(isn_of(r, 40000) != first);
	tcp_rig_free(r);
}

// Row 34 (RFC 9293 MUST-57, MUST-63), and a segment that comes from where it goes.
static void test_addresses(void **state)
{
	static const char *const bad[] = {"224.0.0.1", "255.255.255.255", "0.0.0.0", "240.0.0.1"};
	struct tcp_rig_options o = tcp_rig_defaults();
	struct tcp_rig *r = tcp_rig_new(&o);
	struct tcp_rig_segment s, answer;

	(void)state;
	listen_at(r);
	for (unsigned i = 0; i < 4; i++) {
		s = segment(bad[i], 40000, SYN);
		put(r, &s);
		s = segment("198.18.0.1", 40000, SYN);
		s.dst = addr(bad[i]);
		put(r, &s);
		s = segment(bad[i], 40000, ACK);
		put(r, &s);
	}
	s = segment("203.0.113.20", 5061, SYN);
	put(r, &s);
	s.src = addr("ff02::1");
	s.dst = addr("2001:db8::1");
	put(r, &s);
	assert_false(take(r, &answer));
	assert_int_equal(tcp_count(r->t, TCP_COUNTER_DROP_ADDRESS), 14);
	assert_int_equal(tcp_use(r->t).half_open, 0);
	tcp_rig_free(r);
}

// Row 37 (RFC 6056): ports come home, differ, and follow no order; when none is free that is said.
static void test_ports(void **state)
{
	struct tcp_rig_options o = tcp_rig_defaults();
	const struct postern_endpoint remote = {addr("198.18.0.1"), 5061};
	const struct postern_addr local = addr("203.0.113.20");
	struct tcp_conn *c[32], *more;
	bool seen[65536] = {false};
	unsigned rising = 0;
	uint16_t last = 0;

	(void)state;
	o.settings.port_first = 2000;
	o.settings.port_last = 2127;
	struct tcp_rig *r = tcp_rig_new(&o);

	r->home = 3;
	// Of 128 ports 32 come home; most of them are found in spite of that.
	unsigned n = 0;

	while (n < 32 && tcp_connect(r->t, &local, &remote, 0, NULL, &c[n]) == 0) {
		const uint16_t port = tcp_conn_local(c[n]).port;

		assert_in_range(port, 2000, 2127);
		assert_int_equal(port % 4, 3);
		assert_false(seen[port]);
		seen[port] = true;
		rising += port > last;
		last = port;
		n++;
	}
	assert_true(n >= 24);
	assert_in_range(rising, n / 4, n - n / 4);
	while (n < 32 && tcp_connect(r->t, &local, &remote, 0, NULL, &c[n]) == 0)
		n++;
	// To another port of the peer the same ports are free.
	const struct postern_endpoint other = {remote.addr, 5062};

	assert_int_equal(tcp_connect(r->t, &local, &other, 0, NULL, &more), 0);
	tcp_release(r->t, more);
	r->home = 5; // none
	assert_int_equal(tcp_connect(r->t, &local, &remote, 0, NULL, &more), -EADDRINUSE);
	r->no_route = -ENETUNREACH;
	assert_int_equal(tcp_connect(r->t, &local, &remote, 0, NULL, &more), -ENETUNREACH);
	r->no_route = 0;
	for (unsigned i = 0; i < n; i++)
		tcp_release(r->t, c[i]);
	tcp_flush(r->t);
	assert_int_equal(tcp_use(r->t).connections, 0);
	tcp_rig_free(r);
}

// Row 9, row 38: a flood of SYNs from everywhere holds no more than the table, and who is real is served.
static void test_flood(void **state)
{
	struct tcp_rig_options o = tcp_rig_defaults();
	struct tcp_rig_segment s, answer;

	(void)state;
	o.half_open = 16;
	struct tcp_rig *r = tcp_rig_new(&o);

	listen_at(r);
	r->mute = true;
	for (unsigned i = 0; i < 20000; i++) {
		uint8_t bytes[TCP_RIG_FRAME];

		s = segment("198.18.0.1", (uint16_t)(1024 + i), SYN);
		s.src.bytes[14] = (uint8_t)(i >> 8);
		s.src.bytes[15] = (uint8_t)i;
		tcp_rig_put(r, bytes, tcp_rig_write(&s, bytes));
	}
	assert_int_equal(tcp_use(r->t).half_open, 16);
	assert_int_equal(tcp_use(r->t).addresses, 16);
	assert_int_equal(tcp_count(r->t, TCP_COUNTER_COOKIES_SENT), 20000 - 16);
	r->mute = false;
	s = segment("198.51.100.1", 40000, SYN);
	put(r, &s);
	assert_true(take(r, &answer));
	s.flags = ACK;
	s.seq++;
	s.ack = answer.seq + 1;
	put(r, &s);
	assert_int_equal(tcp_use(r->t).connections, 1);
	tcp_rig_free(r);
}

// All addresses of an IPv6 network are one; of IPv4 each is its own.
static void test_networks(void **state)
{
	struct tcp_rig_options o = tcp_rig_defaults();
	struct tcp_rig *r = tcp_rig_new(&o);
	struct tcp_rig_segment s;
	struct postern_endpoint e = {addr("2001:db8:1::20"), 5061};

	(void)state;
	listen_at(r);
	assert_int_equal(tcp_listen(r->t, &e, NULL), 0);
	for (unsigned i = 0; i < 8; i++) {
		s = segment("2001:db8:99::1", 40000, SYN);
		s.dst = e.addr;
		s.src.bytes[15] = (uint8_t)i;
		put(r, &s);
	}
	assert_int_equal(tcp_use(r->t).addresses, 1);
	assert_int_equal(tcp_use(r->t).half_open, 8);
	for (unsigned i = 0; i < 8; i++) {
		s = segment("198.18.0.1", 40000, SYN);
		s.src.bytes[15] = (uint8_t)(i + 1);
		put(r, &s);
	}
	assert_int_equal(tcp_use(r->t).addresses, 9);
	assert_int_equal(tcp_unlisten(r->t, &e), 0);
	assert_int_equal(tcp_unlisten(r->t, &e), -ENOENT);
	tcp_rig_free(r);
}

// A turn in which there is no buffer to send from loses nothing for good.
static void test_no_buffers(void **state)
{
	struct tcp_rig_options o = tcp_rig_defaults();
	struct tcp_rig *r = tcp_rig_new(&o);
	static struct rte_mbuf *taken[4096];
	struct tcp_rig_segment s = segment("198.18.0.1", 40000, SYN), answer;
	struct tcp_event event;
	unsigned n = 0;

	(void)state;
	listen_at(r);
	put(r, &s);
	assert_true(take(r, &answer));
	s.flags = ACK;
	s.seq++;
	s.ack = answer.seq + 1;
	put(r, &s);
	assert_int_equal(tcp_events(r->t, &event, 1), 1);
	assert_int_equal(tcp_write(r->t, event.conn, "12345", 5), 5);
	while (n < 4096 && (taken[n] = rte_pktmbuf_alloc(r->pool)) != NULL)
		n++;
	// Its own buffer carries it; a copy and an acknowledgement cannot be made.
	tcp_flush(r->t);
	assert_true(take(r, &answer));
	assert_int_equal(answer.length, 5);
	assert_int_equal(tcp_write(r->t, event.conn, "6", 1), 0);
	tcp_shutdown(r->t, event.conn);
	tcp_flush(r->t);
	tcp_rig_time(r, r->now_us + 300000);
	assert_false(take(r, &answer));
	assert_true(tcp_count(r->t, TCP_COUNTER_DROP_NO_BUFFER) > 0);
	for (unsigned i = 0; i < n; i++)
		rte_pktmbuf_free(taken[i]);
	for (unsigned i = 0; i < 40; i++)
		tcp_rig_time(r, r->now_us + 100000);
	bool data = false, fin = false;

	while (take(r, &answer)) {
		data |= answer.length == 5;
		fin |= (answer.flags & RTE_TCP_FIN_FLAG) != 0;
	}
	assert_true(data && fin);
	tcp_rig_free(r);
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(tcp_reason_text(TCP_REASON_FIN), "closed by both sides");
	assert_string_equal(tcp_counter_name(TCP_COUNTER_DROP_PAWS), "tcp-drop-paws");
}

#define CROWD 20u // more than are fetched together

struct burst {
	uint8_t bytes[TCP_RIG_BURST][TCP_RIG_FRAME];
	size_t lengths[TCP_RIG_BURST];
	unsigned n;
};

static void burst_add(struct burst *b, const struct tcp_rig_segment *s)
{
	b->lengths[b->n] = tcp_rig_write(s, b->bytes[b->n]);
	b->n++;
}

static void burst_put(struct tcp_rig *r, struct burst *b)
{
	tcp_rig_put_burst(r, b->bytes, b->lengths, b->n);
	b->n = 0;
	tcp_flush(r->t);
	tcp_rig_check(r);
}

// In one burst: what completes a handshake, data for the connection that it makes, and between them what is
// for nobody, or spoiled. All is as if each had come alone.
static void test_burst(void **state)
{
	static struct burst b;
	struct tcp_rig_options o = tcp_rig_defaults();
	struct tcp_rig *r = tcp_rig_new(&o);
	struct tcp_event events[2 * CROWD];
	struct tcp_rig_segment s, answers[CROWD];

	(void)state;
	listen_at(r);
	for (uint16_t i = 0; i < CROWD; i++) {
		s = segment("198.18.0.1", (uint16_t)(40000 + i), SYN);
		burst_add(&b, &s);
	}
	burst_put(r, &b);
	for (unsigned i = 0; i < CROWD; i++)
		assert_true(take(r, &answers[i]));
	for (unsigned i = 0; i < CROWD; i++) {
		s = segment("198.18.0.1", answers[i].dport, ACK);
		s.seq = 1001;
		s.ack = answers[i].seq + 1;
		burst_add(&b, &s);
		s.payload = (const uint8_t *)"twice";
		s.length = 5;
		burst_add(&b, &s);
		if (i % 8 == 3)
			b.bytes[b.n - 1][44] ^= 1;
		if (i % 8 == 5) {
			s = segment("198.18.0.2", 40000, RST);
			burst_add(&b, &s);
		}
	}
	burst_put(r, &b);
	assert_int_equal(tcp_events(r->t, events, RTE_DIM(events)), CROWD);
	for (unsigned i = 0; i < CROWD; i++) {
		const unsigned which = tcp_conn_remote(events[i].conn).port - 40000u;

		assert_true(events[i].what & TCP_EVENT_ACCEPTED);
		assert_int_equal(tcp_readable(events[i].conn), which % 8 == 3 ? 0 : 5);
		tcp_abort(r->t, events[i].conn);
		tcp_release(r->t, events[i].conn);
	}
	assert_int_equal(tcp_count(r->t, TCP_COUNTER_DROP_CHECKSUM), 3);
	assert_int_equal(tcp_count(r->t, TCP_COUNTER_SEGMENTS_IN), 3 * CROWD + 2);
	tcp_flush(r->t);
	tcp_rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_siphash),
		cmocka_unit_test(test_isn),
		cmocka_unit_test(test_burst),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_networks),
		cmocka_unit_test(test_no_buffers),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests_name("tcp_engine", tests, use_cmocka, NULL);
}
