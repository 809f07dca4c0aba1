// SPDX-License-Identifier: BSD-2-Clause
// What is bounded: the session table, the ports towards members, answers of our own.

#include "outward.h"
#include "rig_cmocka.h"
#include "talk.h"

#include "postern/record.h"

#include <stdlib.h>
#include <string.h>

#define CAPACITY 64

static struct talk talks[CAPACITY];

// Fills a table: `established` sessions first, then others that `make` leaves in some state, each
// a second after the one before.
static struct rig *filled(unsigned established, void (*make)(struct talk *t))
{
	struct rig *r = rig_new(&(struct rig_options){.sessions = CAPACITY});

	assert_int_equal(postern_sessions_capacity(r->dp), CAPACITY);
	for (unsigned i = 0; i < CAPACITY; i++) {
		talks[i] = talk_new(r, i % 2 ? POSTERN_V4 : POSTERN_V6, i);
		if (i < established)
			talk_open(&talks[i]);
		else
			make(&talks[i]);
		rig_advance(r, 300 * RIG_MS);
	}
	assert_int_equal(postern_sessions_in_use(r->dp), CAPACITY);
	return r;
}

static void make_half_open(struct talk *t)
{
	talk_syn(t);
	talk_synack(t);
}

static void make_closing(struct talk *t)
{
	talk_open(t);
	talk_send(t, FROM_CLIENT, TALK_FIN, 0);
	talk_send(t, FROM_MEMBER, TALK_FIN, 0);
}

static void make_reset(struct talk *t)
{
	talk_open(t);
	talk_send(t, FROM_MEMBER, TALK_RST, 0);
}

static void check_gives_way(void (*make)(struct talk *t))
{
	const unsigned established = 40;
	struct rig *r = filled(established, make);

	for (unsigned i = established; i < CAPACITY; i++) {
		struct talk t = talk_new(r, POSTERN_V4, 1000 + i);

		assert_int_not_equal(talk_state(&talks[i]), -1);
		talk_open(&t);
		assert_int_equal(talk_state(&talks[i]), -1);
		assert_int_equal(rig_count(r, POSTERN_COUNTER_CLOSE_EVICTED), i + 1 - established);
		assert_int_equal(postern_sessions_in_use(r->dp), CAPACITY);
	}
	for (unsigned i = 0; i < established; i++)
		assert_int_equal(talk_state(&talks[i]), POSTERN_SESSION_ESTABLISHED);
	rig_check_steer(r);

	// Nothing but established ones is left: they stay, and the new one is not answered.
	struct talk late = talk_new(r, POSTERN_V4, 2000);

	talk_put(&late, FROM_CLIENT, TALK_SYN, 0);
	assert_int_equal(rig_waiting(r), 0);
	assert_int_equal(rig_count(r, POSTERN_COUNTER_DROP_TABLE_FULL), 1);
	assert_int_equal(rig_count(r, POSTERN_COUNTER_CLOSE_EVICTED), CAPACITY - established);
	for (unsigned i = 0; i < established; i++) {
		talk_send(&talks[i], FROM_CLIENT, TALK_ACK, 10);
		talk_send(&talks[i], FROM_MEMBER, TALK_ACK, 10);
	}
	rig_free(r);
}

static void test_opening_gives_way(void **state)
{
	(void)state;
	check_gives_way(talk_syn);
}

static void test_half_open_gives_way(void **state)
{
	(void)state;
	check_gives_way(make_half_open);
}

static void test_closing_gives_way(void **state)
{
	(void)state;
	check_gives_way(make_closing);
}

static void test_reset_gives_way(void **state)
{
	(void)state;
	check_gives_way(make_reset);
}

// SYNs without end from everywhere: established sessions go on, and the table is as good after.
static void test_flood(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){.sessions = CAPACITY});
	const unsigned flood = 20000;

	(void)state;
	for (unsigned i = 0; i < 16; i++) {
		talks[i] = talk_new(r, POSTERN_V4, 10000 + i);
		talk_open(&talks[i]);
	}
	for (unsigned i = 0; i < flood; i++) {
		struct talk t = talk_new(r, i & 1 ? POSTERN_V4 : POSTERN_V6, i % 9999);

		t.client_port = (uint16_t)(i + 1);
		talk_put(&t, FROM_CLIENT, TALK_SYN, 0);
		rig_discard(r);
		if (i % 100 == 0) {
			rig_advance(r, RIG_MS);
			talk_send(&talks[i % 16], FROM_CLIENT, TALK_ACK, 10);
		}
	}
	rig_check_steer(r);
	assert_int_equal(rig_count(r, POSTERN_COUNTER_CLOSE_EVICTED), flood - (CAPACITY - 16));
	assert_int_equal(rig_count(r, POSTERN_COUNTER_DROP_TABLE_FULL), 0);
	for (unsigned i = 0; i < 16; i++)
		talk_send(&talks[i], FROM_MEMBER, TALK_ACK, 10);
	rig_advance(r, (RIG_TIMES.opening_ms + 100) * RIG_MS);
	assert_int_equal(postern_sessions_in_use(r->dp), 16);
	rig_free(r);
}

// A burst of SYNs in which the first `junk` packets are of no protocol.
static void put_burst(struct rig *r, const struct talk *by, unsigned n, unsigned junk)
{
	struct rte_mbuf *pkts[PORT_BURST];
	uint8_t bytes[256];

	for (unsigned i = 0; i < n; i++) {
		const struct rig_tcp segment = talk_segment(&by[i], FROM_CLIENT, TALK_SYN, 0);
		const size_t length = rig_tcp_build(r, &segment, bytes);

		if (i < junk)
			bytes[12] = 0x12;

		pkts[i] = rte_pktmbuf_alloc(r->in_pool);
		assert_non_null(pkts[i]);
		memcpy(rte_pktmbuf_append(pkts[i], (uint16_t)length), bytes, length);
	}
	worker_burst(r->dp->workers[0], RIG_OUTSIDE, pkts, n);
	rig_advance(r, RIG_MS);
	rig_discard(r);
}

// What the flight recorder counts of a flood: one record of all IPv4.
static uint64_t recorded_of_flood(struct rig *r)
{
	struct postern_recorded one;
	uint64_t cursor = 0, count = 0;
	int rc;

	while ((rc = postern_record_next(r->dp, &cursor, 7, &one)) != 0) {
		if (rc != 1 || one.last.reason != POSTERN_COUNTER_DROP_FLOOD)
			continue;
		assert_int_equal(one.last.from_bits, 96);
		assert_int_equal(one.last.listen, RIG_LISTEN_V4);
		assert_int_equal(count, 0);
		count = one.count;
	}
	return count;
}

// In a table full of what never began, a full burst of SYNs begins a few sessions only; one that is
// not full, and one of a table that has room, begins them all.
static void test_burst_of_syns(void **state)
{
	struct rig *r = filled(16, make_half_open);
	struct talk syns[PORT_BURST];

	(void)state;
	for (unsigned i = 0; i < PORT_BURST; i++)
		syns[i] = talk_new(r, POSTERN_V4, 5000 + i);
	put_burst(r, syns, PORT_BURST, 0);
	assert_int_equal(rig_count(r, POSTERN_COUNTER_DROP_FLOOD), PORT_BURST - 8);
	assert_int_equal(rig_count(r, POSTERN_COUNTER_CLOSE_EVICTED), 8);
	assert_int_equal(recorded_of_flood(r), PORT_BURST - 8);
	// Also if one of its packets goes no further.
	for (unsigned i = 0; i < PORT_BURST; i++)
		syns[i] = talk_new(r, POSTERN_V4, 6000 + i);
	put_burst(r, syns, PORT_BURST, 1);
	assert_int_equal(rig_count(r, POSTERN_COUNTER_DROP_ETHERTYPE), 1);
	assert_int_equal(rig_count(r, POSTERN_COUNTER_DROP_FLOOD), 2 * (PORT_BURST - 8) - 1);
	put_burst(r, syns + 9, 32, 0);
	assert_int_equal(rig_count(r, POSTERN_COUNTER_DROP_FLOOD), 2 * (PORT_BURST - 8) - 1);
	assert_int_equal(rig_count(r, POSTERN_COUNTER_CLOSE_EVICTED), 8 + 8 + 32);
	rig_check_steer(r);
	for (unsigned i = 0; i < 16; i++)
		talk_send(&talks[i], FROM_MEMBER, TALK_ACK, 10);
	rig_free(r);

	r = rig_new(&(struct rig_options){.sessions = 4 * PORT_BURST});
	for (unsigned i = 0; i < PORT_BURST; i++)
		syns[i] = talk_new(r, POSTERN_V4, 5000 + i);
	put_burst(r, syns, PORT_BURST, 0);
	assert_int_equal(rig_count(r, POSTERN_COUNTER_SESSION_OPENED), PORT_BURST);
	rig_free(r);
}

// What is over makes room for as many, not for a whole burst.
static void test_burst_and_some_over(void **state)
{
	struct rig *r = filled(20, make_half_open);
	struct talk syns[PORT_BURST];

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		talk_send(&talks[i], FROM_CLIENT, TALK_FIN, 0);
		talk_send(&talks[i], FROM_MEMBER, TALK_FIN, 0);
	}
	for (unsigned i = 0; i < PORT_BURST; i++)
		syns[i] = talk_new(r, POSTERN_V4, 5000 + i);
	put_burst(r, syns, PORT_BURST, 0);
	assert_int_equal(rig_count(r, POSTERN_COUNTER_DROP_FLOOD), PORT_BURST - 20);
	for (unsigned i = 0; i < CAPACITY; i++)
		assert_int_equal(talk_state(&talks[i]), i < 20 ? -1 : POSTERN_SESSION_OPENING);
	rig_check_steer(r);
	rig_free(r);
}

// Places of members' own flows are not clients': in the same burst one begins although no more sessions do.
static void test_burst_with_member(void **state)
{
	const struct rig_world world = {.outbound = RIG_OUTBOUND_ROUTE, .one_arm = true};
	struct rig *r = rig_new(
		&(struct rig_options){.world = world, .sessions = CAPACITY, .flows = CAPACITY});
	struct rte_mbuf *pkts[PORT_BURST];
	const struct outward own = outward_new(r, POSTERN_V4, false, 0, 1);

	(void)state;
	for (unsigned i = 0; i < CAPACITY; i++) {
		struct talk t = talk_new(r, POSTERN_V4, i);

		make_half_open(&t);
	}
	for (unsigned i = 0; i < PORT_BURST; i++) {
		const struct talk t = talk_new(r, POSTERN_V4, 5000 + i);
		const struct rig_tcp s = i + 1 < PORT_BURST
						 ? talk_segment(&t, FROM_CLIENT, TALK_SYN, 0)
						 : outward_segment(&own, FROM_MEMBER, OUT_SYN, 0);

		pkts[i] = rte_pktmbuf_alloc(r->in_pool);
		assert_non_null(pkts[i]);
		rte_pktmbuf_append(pkts[i], 256);
		rte_pktmbuf_trim(pkts[i],
			(uint16_t)(256 - rig_tcp_build(r, &s, rte_pktmbuf_mtod(pkts[i], void *))));
	}
	worker_burst(r->dp->workers[0], RIG_OUTSIDE, pkts, PORT_BURST);
	rig_advance(r, RIG_MS);
	rig_discard(r);
	assert_int_equal(rig_count(r, POSTERN_COUNTER_DROP_FLOOD), PORT_BURST - 1 - 8);
	assert_int_equal(rig_count(r, POSTERN_COUNTER_FLOW_OPENED), 1);
	rig_check_steer(r);
	rig_free(r);
}

// A session that is evicted leaves nothing behind: its segments are strangers' from then on.
static void test_evicted_is_unknown(void **state)
{
	struct rig *r = filled(CAPACITY - 1, make_half_open);
	struct talk t = talk_new(r, POSTERN_V4, 1000);

	(void)state;
	talk_open(&t);
	talk_put(&talks[CAPACITY - 1], FROM_CLIENT, TALK_ACK, 10);
	const struct rig_tcp rst = talk_take_reset(&talks[CAPACITY - 1], FROM_CLIENT);

	assert_int_equal(rst.seq, talks[CAPACITY - 1].next[FROM_MEMBER]);
	rig_free(r);
}

enum {
	CLIENTS = 68000,
	PORTS = 65536 - 1024
};

// The n-th of more clients than there are ports.
static struct talk talk_of_many(struct rig *r, unsigned n)
{
	struct talk t = talk_new(r, POSTERN_V4, n & 0xffff);

	t.client_port = (uint16_t)(1 + (n >> 16));
	return t;
}

// Ports are drawn from all but the well-known ones, and none serves two sessions of a member.
// What cannot get one is counted, gets no answer, and does not stay in the table.
static void test_ports_exhausted(void **state)
{
	struct rig *r =
		rig_new(&(struct rig_options){.world = {.members = 1}, .sessions = CLIENTS + 1000});
	static bool taken[65536];
	unsigned opened = 0;

	(void)state;
	for (unsigned i = 0; i < CLIENTS; i++) {
		struct talk t = talk_of_many(r, i);

		rig_discard(r);
		talk_put(&t, FROM_CLIENT, TALK_SYN, 0);
		if (rig_waiting(r) == 0)
			continue;
		t.next[FROM_CLIENT]--;
		talk_syn_learn(&t);
		t.next[FROM_CLIENT]++;
		assert_in_range(t.nat_port, 1024, 65535);
		assert_false(taken[t.nat_port]);
		taken[t.nat_port] = true;
		opened++;
		talk_synack(&t);
		talk_send(&t, FROM_CLIENT, TALK_ACK, 0);
	}
	assert_int_equal(postern_sessions_in_use(r->dp), opened);
	assert_int_equal(rig_count(r, POSTERN_COUNTER_DROP_PORTS_EXHAUSTED), CLIENTS - opened);
	assert_int_equal(rig_count(r, POSTERN_COUNTER_CLOSE_EVICTED), 0);
	assert_in_range(opened, PORTS * 9 / 10, PORTS);
	rig_check_steer(r);
	rig_free(r);
}

// Sessions that have not begun give their ports up, as they do their places in the table.
static void test_ports_give_way(void **state)
{
	struct rig *r =
		rig_new(&(struct rig_options){.world = {.members = 1}, .sessions = CLIENTS + 1000});
	struct talk first = talk_new(r, POSTERN_V4, 1);

	(void)state;
	talk_open(&first);
	for (unsigned i = 0; i < CLIENTS; i++) {
		struct talk t = talk_of_many(r, i);

		rig_discard(r);
		talk_put(&t, FROM_CLIENT, TALK_SYN, 0);
		assert_int_equal(rig_waiting(r), 1);
	}
	rig_discard(r);
	assert_int_equal(rig_count(r, POSTERN_COUNTER_DROP_PORTS_EXHAUSTED), 0);
	assert_int_equal(
		postern_sessions_in_use(r->dp) + rig_count(r, POSTERN_COUNTER_CLOSE_EVICTED),
		CLIENTS + 1);
	assert_in_range(postern_sessions_in_use(r->dp), PORTS * 8 / 10, PORTS);
	rig_check_steer(r);
	talk_send(&first, FROM_CLIENT, TALK_ACK, 10);
	talk_send(&first, FROM_MEMBER, TALK_ACK, 10);
	// They come back when their sessions have gone.
	rig_advance(r, (RIG_TIMES.opening_ms + 100) * RIG_MS);
	assert_int_equal(postern_sessions_in_use(r->dp), 1);
	rig_free(r);
}

static void test_translate_addresses(void **state)
{
	enum {
		SOME = 600,
		ADDRESSES = 3
	};

	(void)state;
	for (uint8_t f = POSTERN_V4; f < POSTERN_FAMILIES; f++) {
		struct rig *r = rig_new(
			&(struct rig_options){.world = {.translate = ADDRESSES}, .sessions = 1024});
		const struct postern_addr first =
			rig_addr(f == POSTERN_V4 ? "10.0.0.20" : "2001:db8:2::20");
		unsigned uses[ADDRESSES] = {0};

		for (unsigned i = 0; i < SOME; i++) {
			struct talk t = talk_new(r, f, i);

			talk_open(&t);
			const unsigned n = (unsigned)(t.nat.bytes[15] - first.bytes[15]);

			assert_in_range(n, 0, ADDRESSES - 1);
			uses[n]++;
		}
		// Shares of a third each; five standard deviations are 58.
		for (unsigned n = 0; n < ADDRESSES; n++)
			assert_in_range(uses[n], 200 - 58, 200 + 58);
		rig_free(r);
	}
}

// The answers of our own are limited; what a stranger sends cannot make us shout.
static void test_answers_are_limited(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){0});
	const unsigned sent = 100000;
	uint64_t before = 0;

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < sent; i++) {
			struct talk t = talk_new(r, POSTERN_V4, i % 60000);

			talk_put(&t, FROM_CLIENT, TALK_ACK, 0);
			rig_discard(r);
		}
		const uint64_t resets = rig_count(r, POSTERN_COUNTER_RESET_SENT);

		assert_int_equal(resets + rig_count(r, POSTERN_COUNTER_DROP_ANSWER_LIMIT),
			(round + 1) * (uint64_t)sent);
		assert_in_range(resets - before, 100, sent / 2);
		before = resets;
		// An hour of silence is worth no more than what may come at once.
		rig_advance(r, 3600 * RIG_S);
	}
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_opening_gives_way),
		cmocka_unit_test(test_half_open_gives_way),
		cmocka_unit_test(test_closing_gives_way),
		cmocka_unit_test(test_reset_gives_way),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_burst_of_syns),
		cmocka_unit_test(test_burst_and_some_over),
		cmocka_unit_test(test_burst_with_member),
		cmocka_unit_test(test_evicted_is_unknown),
		cmocka_unit_test(test_ports_exhausted),
		cmocka_unit_test(test_ports_give_way),
		cmocka_unit_test(test_translate_addresses),
		cmocka_unit_test(test_answers_are_limited),
	};

	return cmocka_run_group_tests_name("full", tests, rig_use_cmocka, NULL);
}
