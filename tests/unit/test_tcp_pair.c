// SPDX-License-Identifier: BSD-2-Clause
// Two engines against each other through a link that delays, loses, reorders, duplicates, corrupts and cuts,
// by seed: random writes and reads, half-closes, resets and releases on several connections. What
// one side reads is what the other has written, and in the end every buffer is back.
//
// Arguments: how many seeds, and the first; the number is what a run of the tests can afford, unless the
// environment's POSTERN_TCP_SEEDS says another.

#include "tcp_rig.h"

// cmocka.h needs the four before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CONNS      3
#define UNDER_WAY  2048 // packets on the link
#define MS         1000ull
#define LONGEST_US (3000ull * 1000000) // of a run

static unsigned seeds = 200, first_seed = 1;
static uint64_t seed_now;

static uint64_t state_of_random;

static uint32_t draw(uint32_t n)
{
	state_of_random ^= state_of_random << 13;
	state_of_random ^= state_of_random >> 7;
	state_of_random ^= state_of_random << 17;
	return n == 0 ? 0 : (uint32_t)((state_of_random >> 20) % n);
}

static void describe(void);

static void wrong(const char *what, const char *file, int line)
{
	print_error("seed %llu: %s:%d: %s\n", (unsigned long long)seed_now, file, line, what);
	describe();
	fail();
}

#define CHECK(x) ((x) ? (void)0 : wrong(#x, __FILE__, __LINE__))

// One way of a connection's stream: bytes follow from their place, so both sides know them.
struct stream {
	size_t written, read, wanted;
	bool finished; // the reader has seen the end
	bool complete; // the writer has said all and nothing was lost by its will
};

struct side {
	struct tcp_rig *r;
	struct tcp_conn *c[CONNS];
	bool closed[CONNS], released[CONNS], connected[CONNS];
	enum tcp_reason reason[CONNS];
};

struct packet {
	uint64_t at_us;
	uint8_t to;
	uint16_t length;
	uint8_t bytes[TCP_RIG_FRAME];
};

struct run {
	struct side side[2];            // 0 connects, 1 listens
	struct stream stream[CONNS][2]; // [conn][who writes]
	bool rough[CONNS];              // ends in a reset or a release with data unread
	uint64_t now_us;
	unsigned loss, twice, early, spoilt, cut; // in 10,000
	uint32_t delay_us, jitter_us;
	bool starves; // turns in which an engine finds no packet buffers
	bool strays;  // turns in which there is no way to the other
	bool v6;
	uint16_t port[CONNS];
	unsigned n_link;
	struct packet link[UNDER_WAY];
};

static struct run run;

static uint8_t pattern(unsigned conn, unsigned who, size_t at)
{
	return (uint8_t)(at * 31 + at / 253 + conn * 77 + who * 131);
}

static bool chance(unsigned in_10000)
{
	return draw(10000) < in_10000;
}

static void describe(void)
{
	print_error("loss %u twice %u early %u spoilt %u cut %u, delay %u us and %u, %s%s%s\n",
		run.loss, run.twice, run.early, run.spoilt, run.cut, run.delay_us, run.jitter_us,
		run.v6 ? "v6" : "v4", run.starves ? ", starves" : "", run.strays ? ", strays" : "");
	for (unsigned k = 0; k < CONNS; k++)
		for (unsigned who = 0; who < 2; who++)
			print_error("connection %u%s side %u: written %zu of %zu, of the other's "
				    "read %zu; "
				    "connected %d closed %d (%s) released %d\n",
				k, run.rough[k] ? " (rough)" : "", who, run.stream[k][who].written,
				run.stream[k][who].wanted, run.stream[k][!who].read,
				run.side[who].connected[k], run.side[who].closed[k],
				tcp_reason_text(run.side[who].reason[k]),
				run.side[who].released[k]);
}

// --- the link

static void link_add(unsigned to, const struct tcp_rig_packet *p)
{
	struct packet *k;

	if (run.n_link == UNDER_WAY)
		return; // a queue that is full loses
	k = &run.link[run.n_link++];
	k->to = (uint8_t)to;
	k->length = p->length;
	memcpy(k->bytes, p->bytes, p->length);
	k->at_us = run.now_us + run.delay_us + draw(run.jitter_us + 1);
	if (chance(run.early))
		k->at_us += run.delay_us / 2 + draw(run.delay_us + 1);
	if (chance(run.spoilt))
		k->bytes[draw(k->length)] ^= (uint8_t)(1u << draw(8));
	if (chance(run.cut))
		k->length = (uint16_t)(1 + draw(k->length));
}

static void link_collect(void)
{
	for (unsigned from = 0; from < 2; from++) {
		const struct tcp_rig_packet *p;

		while ((p = tcp_rig_take(run.side[from].r)) != NULL) {
			if (chance(run.loss))
				continue;
			link_add(!from, p);
			if (chance(run.twice))
				link_add(!from, p);
		}
	}
}

static void link_deliver(void)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < run.n_link; i++) {
		struct packet *k = &run.link[i];

		if (k->at_us > run.now_us) {
			if (kept != i)
				run.link[kept] = *k;
			kept++;
			continue;
		}
		tcp_rig_put(run.side[k->to].r, k->bytes, k->length);
	}
	run.n_link = kept;
}

// --- users

static unsigned conn_of(const struct side *s, const struct tcp_conn *c)
{
	for (unsigned i = 0; i < CONNS; i++)
		if (s->c[i] == c)
			return i;
	CHECK(false);
	return 0;
}

static void take_events(unsigned who)
{
	struct side *s = &run.side[who];
	struct tcp_event e[8];
	unsigned n;

	while ((n = tcp_events(s->r->t, e, 8)) > 0) {
		for (unsigned i = 0; i < n; i++) {
			if (e[i].what & TCP_EVENT_ACCEPTED) {
				const uint16_t port = tcp_conn_remote(e[i].conn).port;
				unsigned k = 0;

				while (k < CONNS && run.port[k] != port)
					k++;
				CHECK(k < CONNS && who == 1);
				// Of a connection that is over the ACK with its cookie has come again: who
				// sends cookies cannot know.
				if (s->released[k]) {
					tcp_abort(s->r->t, e[i].conn);
					tcp_release(s->r->t, e[i].conn);
					continue;
				}
				CHECK(s->c[k] == NULL);
				s->c[k] = e[i].conn;
				s->connected[k] = true;
			}
			const unsigned k = conn_of(s, e[i].conn);

			if (e[i].what & TCP_EVENT_CONNECTED)
				s->connected[k] = true;
			if (e[i].what & TCP_EVENT_CLOSED) {
				CHECK(!s->closed[k]);
				s->closed[k] = true;
				s->reason[k] = tcp_conn_reason(e[i].conn);
			}
		}
	}
}

static void user_write(unsigned who, unsigned k)
{
	struct side *s = &run.side[who];
	struct stream *out = &run.stream[k][who];
	size_t n = RTE_MIN((size_t)draw(draw(4) == 0 ? 9000 : 600) + 1, out->wanted - out->written);
	struct iovec iov[4];
	size_t got = tcp_reserve(s->r->t, s->c[k], n, iov, 4), done = 0;

	CHECK(got <= n);
	// Not all that was reserved is used, now and then.
	if (got > 1 && draw(4) == 0)
		got -= draw((uint32_t)got);
	for (unsigned i = 0; done < got; i++)
		for (size_t b = 0; b < iov[i].iov_len && done < got; b++, done++)
			((uint8_t *)iov[i].iov_base)[b] = pattern(k, who, out->written + done);
	tcp_commit(s->r->t, s->c[k], got);
	out->written += got;
}

static void user_read(unsigned who, unsigned k)
{
	struct side *s = &run.side[who];
	struct stream *in = &run.stream[k][!who];
	struct iovec iov[8];
	const unsigned n = tcp_peek(s->r->t, s->c[k], iov, 8);
	size_t most = draw(8) == 0 ? draw(2000) : SIZE_MAX, done = 0;

	for (unsigned i = 0; i < n && most > 0; i++)
		for (size_t b = 0; b < iov[i].iov_len && most > 0; b++, done++, most--)
			CHECK(((uint8_t *)iov[i].iov_base)[b] == pattern(k, !who, in->read + done));
	tcp_consume(s->r->t, s->c[k], done);
	in->read += done;
	CHECK(in->read <= in->written);
	if (tcp_is_finished(s->c[k]) && tcp_readable(s->c[k]) == 0)
		in->finished = true;
}

static void user_release(unsigned who, unsigned k)
{
	struct side *s = &run.side[who];

	tcp_release(s->r->t, s->c[k]);
	s->c[k] = NULL; // its place may be another's soon
	s->released[k] = true;
}

static void user_act(unsigned who, unsigned k)
{
	struct side *s = &run.side[who];
	struct stream *out = &run.stream[k][who];

	if (s->c[k] == NULL || s->released[k])
		return;
	user_read(who, k);
	if (s->closed[k]) {
		if (tcp_readable(s->c[k]) == 0)
			user_release(who, k);
		return;
	}
	if (!s->connected[k] && draw(10) != 0)
		return;
	if (out->written < out->wanted && draw(3) != 0)
		user_write(who, k);
	if (out->written == out->wanted && draw(20) == 0) {
		out->complete = true;
		tcp_shutdown(s->r->t, s->c[k]);
	}
	if (run.rough[k] && draw(400) == 0) {
		if (draw(2) == 0)
			tcp_abort(s->r->t, s->c[k]);
		else
			user_release(who, k);
	}
}

// --- a run

static struct tcp_rig_options options_of(unsigned who)
{
	struct tcp_rig_options o = tcp_rig_defaults();
	struct tcp_settings *t = &o.settings;

	o.secret = (uint8_t)(who + draw(200));
	o.start_us = 1000000ull + draw(2) * (0xffffffffull * MS - 20000000ull);
	o.mtu = (uint16_t)(1280 + draw(3) * 110);
	t->timestamps = draw(3) != 0;
	t->sack = draw(3) != 0;
	t->window_scale = draw(3) != 0;
	t->nagle = draw(4) == 0;
	t->receive_buffer = 2000u << draw(7);
	t->send_buffer = 2000u << draw(7);
	t->connection_buffers = 8u << draw(6);
	t->cookies_from = draw(3) == 0 ? 0 : 16;
	t->time_wait = 30000; // for FINs whose acknowledgements are lost
	t->fin_wait = 5000;
	t->give_up = 1000000; // patience is tried elsewhere
	t->syn_ack_timeout = 20000;
	t->keepalive = draw(3) == 0 ? 5000 : 0;
	t->keepalive_interval = 1000;
	t->address_buffers = 64u << draw(6);
	return o;
}

static void begin(uint64_t seed)
{
	static const unsigned rates[] = {0, 0, 20, 100, 300, 500};

	memset(&run, 0, offsetof(struct run, link));
	seed_now = seed;
	state_of_random = seed * 0x9e3779b97f4a7c15ull + 0x1234567;
	for (unsigned i = 0; i < 8; i++)
		draw(1);
	struct tcp_rig_options o[2] = {options_of(0), options_of(1)};

	o[1].start_us = o[0].start_us;
	for (unsigned who = 0; who < 2; who++) {
		run.side[who].r = tcp_rig_new(&o[who]);
		run.side[who].r->cuts = 1 + draw(2) * draw(3);
	}
	run.now_us = o[0].start_us;
	run.loss = rates[draw(6)];
	// Without SACK and timestamps losses need timeouts, whose back-off (Karn) then stays long.
	if (!(o[0].settings.sack && o[1].settings.sack && o[0].settings.timestamps &&
		    o[1].settings.timestamps))
		run.loss = RTE_MIN(run.loss, 100u);
	run.twice = rates[draw(6)];
	run.early = rates[draw(6)];
	run.spoilt = rates[draw(5)];
	run.cut = rates[draw(4)];
	run.delay_us = draw(30000);
	run.jitter_us = draw(2) * draw(20000);
	run.v6 = draw(2);
	run.starves = draw(4) == 0;
	// With cookies a way that is lost is a connection that is lost.
	run.strays =
		draw(4) == 0 && o[0].settings.cookies_from > 0 && o[1].settings.cookies_from > 0;
	struct postern_addr local;
	struct postern_endpoint remote = {.port = 5061};

	CHECK(postern_addr_parse(run.v6 ? "2001:db8::1" : "192.0.2.1", &local) == 0);
	CHECK(postern_addr_parse(run.v6 ? "2001:db8::2" : "192.0.2.2", &remote.addr) == 0);
	CHECK(tcp_listen(run.side[1].r->t, &remote, NULL) == 0);
	for (unsigned k = 0; k < CONNS; k++) {
		CHECK(tcp_connect(run.side[0].r->t, &local, &remote, 60000, NULL,
			      &run.side[0].c[k]) == 0);
		run.port[k] = tcp_conn_local(run.side[0].c[k]).port;
		run.rough[k] = draw(3) == 0;
		for (unsigned who = 0; who < 2; who++)
			run.stream[k][who].wanted = draw(draw(2) == 0 ? 100000 : 3000);
	}
}

static bool is_over(void)
{
	for (unsigned k = 0; k < CONNS; k++) {
		if (!run.side[0].released[k])
			return false;
		if (run.side[1].c[k] != NULL && !run.side[1].released[k])
			return false;
	}
	for (unsigned who = 0; who < 2; who++) {
		const struct tcp_use u = tcp_use(run.side[who].r->t);

		if (u.connections + u.half_open + u.time_wait != 0)
			return false;
	}
	return run.n_link == 0;
}

static void check_ends(void)
{
	for (unsigned k = 0; k < CONNS; k++) {
		const struct side *a = &run.side[0], *b = &run.side[1];

		if (run.rough[k])
			continue;
		// Nothing that the link did is a reason to lose anything or to end otherwise.
		CHECK(a->connected[k] && b->connected[k]);
		CHECK(a->reason[k] == TCP_REASON_FIN && b->reason[k] == TCP_REASON_FIN);
		for (unsigned who = 0; who < 2; who++) {
			const struct stream *s = &run.stream[k][who];

			CHECK(s->written == s->wanted && s->read == s->wanted);
			CHECK(s->complete && s->finished);
		}
	}
}

// All buffers that an engine could send from.
static unsigned starve(struct tcp_rig *r, void **taken)
{
	const unsigned n = rte_mempool_avail_count(r->pool);

	if (!run.starves || draw(6) != 0 || n == 0)
		return 0;
	CHECK(rte_mempool_get_bulk(r->pool, taken, n) == 0);
	return n;
}

static void turn(void)
{
	static void *taken[2][4096];
	unsigned n_taken[2];

	for (unsigned who = 0; who < 2; who++) {
		n_taken[who] = starve(run.side[who].r, taken[who]);
		run.side[who].r->no_route = run.strays && draw(6) == 0 ? -EHOSTUNREACH : 0;
	}
	link_deliver();
	for (unsigned who = 0; who < 2; who++) {
		struct tcp_rig *r = run.side[who].r;

		r->now_us = run.now_us;
		tcp_time(r->t, run.now_us);
		tcp_poll(r->t, 64);
		take_events(who);
		for (unsigned k = 0; k < CONNS; k++)
			user_act(who, k);
		take_events(who);
		tcp_flush(r->t);
		if (draw(16) == 0)
			tcp_rig_let_go(r);
		tcp_rig_check(r);
		if (n_taken[who] > 0)
			rte_mempool_put_bulk(r->pool, taken[who], n_taken[who]);
	}
	link_collect();
}

static bool are_gone(void)
{
	for (unsigned k = 0; k < CONNS; k++)
		if (run.side[0].c[k] != NULL || run.side[1].c[k] != NULL)
			return false;
	return true;
}

static void play(uint64_t seed)
{
	begin(seed);
	const uint64_t start = run.now_us;

	while (!is_over()) {
		turn();
		// When users have gone only TIME-WAIT is waited for.
		run.now_us += are_gone() || run.n_link == 0 ? draw(20 * MS) : 200 + draw(3000);
		CHECK(run.now_us - start < LONGEST_US);
	}
	check_ends();
	for (unsigned who = 0; who < 2; who++)
		tcp_rig_free(run.side[who].r);
}

static void test_pair(void **state)
{
	(void)state;
	for (unsigned i = 0; i < seeds; i++)
		play(first_seed + i);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_pair)};

	if (argc > 1)
		seeds = (unsigned)atoi(argv[1]);
	else if (getenv("POSTERN_TCP_SEEDS") != NULL)
		seeds = (unsigned)atoi(getenv("POSTERN_TCP_SEEDS"));
	if (argc > 2)
		first_seed = (unsigned)atoi(argv[2]);
	tcp_rig_failed = wrong;
	return cmocka_run_group_tests_name("tcp_pair", tests, NULL, NULL);
}
