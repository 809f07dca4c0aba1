// SPDX-License-Identifier: BSD-2-Clause
// The flight recorder by itself: facts, what is counted together, and that a flood of some pushes out
// nobody else.

#include "base/recorder.h"
#include "rig_cmocka.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static uint64_t lost;
static struct base_secret secret;

static struct base_recorder *recorder(void)
{
	struct base_recorder *r;

	lost = 0;
	assert_int_equal(base_secret_draw(&secret), 0);
	r = base_recorder_new(&secret, 3, &lost);
	assert_non_null(r);
	return r;
}

static struct postern_record event(uint32_t v4, uint16_t reason)
{
	return (struct postern_record){
		.from = postern_addr_from_v4(__builtin_bswap32(v4)),
		.from_port = 1234,
		.reason = reason,
		.listen = 7,
		.member = POSTERN_ID_NONE,
		.protocol = IPPROTO_TCP,
	};
}

// The record of a source, or NULL; `n` counts all records.
static bool find(struct base_recorder *r, const struct postern_record *like, uint64_t now_us,
	struct postern_recorded *out)
{
	struct postern_recorded one;

	for (uint32_t at = 0; at < BASE_RECORDS; at++)
		if (base_recorder_next(r, at, now_us, &one) == 0 &&
			one.last.reason == like->reason && one.last.listen == like->listen &&
			postern_addr_equal(&one.last.from, &like->from)) {
			*out = one;
			return true;
		}
	return false;
}

static uint64_t sum(struct base_recorder *r, unsigned *n)
{
	struct postern_recorded one;
	uint64_t all = 0;

	*n = 0;
	for (uint32_t at = 0; at < BASE_RECORDS; at++)
		if (base_recorder_next(r, at, 0, &one) == 0) {
			all += one.count;
			++*n;
		}
	return all;
}

static void test_facts(void **state)
{
	struct postern_record r = {0};
	const uint32_t four = 0x12345678;
	const uint16_t two = 0x1234;
	const uint8_t one = 0x12;
	uint32_t out = 0;
	size_t length;

	(void)state;
	assert_null(postern_record_find(&r, POSTERN_FACT_SIDE, &length));
	postern_record_add(&r, POSTERN_FACT_SIDE, &one, 1);
	postern_record_add(&r, POSTERN_FACT_ASKED, &two, 2);
	postern_record_add(&r, (enum postern_fact)200, "sip:alice", 9);
	postern_record_add(&r, POSTERN_FACT_QUIET_MS, &four, 4);
	assert_true(postern_record_number(&r, POSTERN_FACT_SIDE, &out) && out == one);
	assert_true(postern_record_number(&r, POSTERN_FACT_ASKED, &out) && out == two);
	assert_true(postern_record_number(&r, POSTERN_FACT_QUIET_MS, &out) && out == four);
	assert_false(postern_record_number(&r, (enum postern_fact)200, &out));
	assert_memory_equal(
		postern_record_find(&r, (enum postern_fact)200, &length), "sip:alice", 9);
	assert_int_equal(length, 9);
	// What does not fit is left out, and what fits afterwards is not.
	const uint8_t before = r.facts_length;
	uint8_t big[POSTERN_FACTS_SIZE] = {0};

	postern_record_add(&r, (enum postern_fact)201, big, sizeof(big));
	assert_int_equal(r.facts_length, before);
	postern_record_add(&r, (enum postern_fact)202, big, sizeof(r.facts) - before - 2u);
	assert_int_equal(r.facts_length, sizeof(r.facts));
	assert_non_null(postern_record_find(&r, (enum postern_fact)202, &length));
	postern_record_add(&r, (enum postern_fact)203, big, 0);
	assert_int_equal(r.facts_length, sizeof(r.facts));
}

// Whatever stands in a record, nothing outside is read.
static void test_damaged_facts(void **state)
{
	struct postern_record *r = malloc(sizeof(*r));
	uint32_t out;

	(void)state;
	assert_non_null(r);
	srand(1);
	for (unsigned i = 0; i < 100000; i++) {
		uint8_t *bytes = (uint8_t *)r;
		size_t length = 0;

		for (unsigned k = 0; k < sizeof(*r); k++)
			bytes[k] = (uint8_t)(rand() >> 7);
		const uint8_t *f = postern_record_find(r, (enum postern_fact)(rand() % 8), &length);

		if (f != NULL)
			assert_true(f >= r->facts && f + length <= r->facts + sizeof(r->facts));
		(void)postern_record_number(r, POSTERN_FACT_SIDE, &out);
	}
	free(r);
}

static void test_the_same_is_counted(void **state)
{
	struct base_recorder *r = recorder();
	struct postern_record e = event(0xc6336407, POSTERN_COUNTER_REFUSE_NO_MEMBER);
	struct postern_recorded got;
	unsigned n;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		e.from_port = (uint16_t)(1000 + i);
		base_record(r, &e, (10 + i) * 1000);
	}
	assert_true(find(r, &e, 2009 * 1000, &got));
	assert_int_equal(got.count, 1000);
	assert_int_equal(got.first_ms, 1999);
	assert_int_equal(got.last_ms, 1000);
	assert_int_equal(got.last.from_port, 1999);
	assert_int_equal(got.last.from_bits, 128);
	assert_int_equal(got.last.worker, 3);
	// Another reason, another service, another address are others.
	e.reason = POSTERN_COUNTER_DROP_TABLE_FULL;
	base_record(r, &e, 2000000);
	e.listen = 8;
	base_record(r, &e, 2000000);
	e = event(0xc6336408, POSTERN_COUNTER_REFUSE_NO_MEMBER);
	base_record(r, &e, 2000000);
	assert_int_equal(sum(r, &n), 1003);
	assert_int_equal(n, 4);
	assert_int_equal(lost, 0);
	base_recorder_free(r);
}

// A network whose addresses are all refused has some records of its own, and one for the rest.
static void test_one_network_floods(void **state)
{
	struct base_recorder *r = recorder();
	struct postern_record partner = event(0xc6336407, POSTERN_COUNTER_REFUSE_NO_MEMBER);
	struct postern_record network = event(0xcb007100, POSTERN_COUNTER_REFUSE_NO_MEMBER);
	struct postern_recorder_stats stats = {0};
	struct postern_recorded got;
	uint64_t now = RIG_S;
	unsigned n;

	(void)state;
	base_record(r, &partner, now);
	for (unsigned round = 0; round < 100; round++)
		for (uint32_t host = 1; host < 255; host++, now += 100) {
			const struct postern_record e =
				event(0xcb007100 + host, POSTERN_COUNTER_REFUSE_NO_MEMBER);

			base_record(r, &e, now);
		}
	assert_true(find(r, &partner, now, &got));
	assert_int_equal(sum(r, &n), 100 * 254 + 1);
	assert_in_range(n, BASE_NETWORK_BURST, BASE_NETWORK_BURST + 3);
	assert_true(find(r, &network, now, &got));
	assert_int_equal(got.last.from_bits, 96 + 24);
	assert_in_range(got.count, 100 * (254 - BASE_NETWORK_BURST - 3),
		100 * (254 - BASE_NETWORK_BURST) + 100);
	assert_int_equal(lost, 0);
	// Another of its addresses has a record again when it has been quiet for a while.
	now += 2 * BASE_NETWORK_REFILL_US;
	partner = event(0xcb0071ff, POSTERN_COUNTER_REFUSE_NO_MEMBER);
	base_record(r, &partner, now);
	assert_true(find(r, &partner, now, &got));
	base_recorder_stats_add(r, &stats);
	assert_int_equal(stats.kept, n + 1);
	assert_int_equal(stats.limit, BASE_RECORDS);
	assert_int_equal(stats.pushed_out, 0);
	base_recorder_free(r);
}

// IPv6 has more addresses than any table: a network is 48 bits of them.
static void test_one_network_floods_v6(void **state)
{
	struct base_recorder *r = recorder();
	struct postern_record e = event(0, POSTERN_COUNTER_REFUSE_NO_MEMBER);
	unsigned n;

	(void)state;
	assert_int_equal(postern_addr_parse("2001:db8:7:1::1", &e.from), 0);
	for (uint32_t i = 0; i < 50000; i++) {
		memcpy(e.from.bytes + 6, &i, sizeof(i));
		base_record(r, &e, RIG_S + i * 1000);
	}
	assert_int_equal(sum(r, &n), 50000);
	// Fifty seconds: the burst, one more each four seconds, and the network's.
	assert_in_range(n, BASE_NETWORK_BURST, BASE_NETWORK_BURST + 14);
	base_recorder_free(r);
}

// What nobody's address says anything about is one record of all, which counts what it is told.
static void test_all_sources(void **state)
{
	struct base_recorder *r = recorder();
	struct postern_record e = event(0xc6336407, POSTERN_COUNTER_DROP_FLOOD);
	struct postern_recorded got = {0};
	unsigned n;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		e.from = event(i << 16 | 7, POSTERN_COUNTER_DROP_FLOOD).from;
		base_record_all(r, &e, 56, RIG_S + i);
	}
	e.from_bits = 96;
	memset(e.from.bytes + 12, 0, 4);
	assert_int_equal(sum(r, &n), 56000);
	assert_int_equal(n, 1);
	assert_true(find(r, &e, RIG_S + 1000, &got));
	assert_int_equal(got.last.from_bits, 96);
	assert_true(postern_addr_is_v4(&got.last.from));
	assert_int_equal(got.count, 56000);
	assert_int_equal(postern_addr_parse("2001:db8::1", &e.from), 0);
	base_record_all(r, &e, 1, RIG_S);
	assert_int_equal(sum(r, &n), 56001);
	assert_int_equal(n, 2);
	assert_int_equal(lost, 0);
	base_recorder_free(r);
}

// Forged sources from everywhere: what a partner is told again and again stays, whatever comes.
static void test_everybody_floods(void **state)
{
	struct base_recorder *r = recorder();
	const struct postern_record partner = event(0xc6336407, POSTERN_COUNTER_REFUSE_NO_MEMBER);
	struct postern_recorded got;
	uint64_t now = RIG_S;
	unsigned n;

	(void)state;
	base_record(r, &partner, now);
	base_record(r, &partner, now + 1);
	srand(7);
	// Nine minutes of 2000 a second.
	for (unsigned i = 0; i < 9 * 60 * 2000; i++, now += 500) {
		const uint32_t from = (uint32_t)rand() << 8 ^ (uint32_t)rand();
		const struct postern_record e = event(from, POSTERN_COUNTER_DROP_TABLE_FULL);

		base_record(r, &e, now);
	}
	assert_true(find(r, &partner, now, &got));
	assert_int_equal(got.count, 2);
	sum(r, &n);
	assert_int_equal(n, BASE_RECORDS);
	// So many were new, and no more.
	assert_in_range(lost, 9 * 60 * (2000 - BASE_RECORDS_PER_SECOND) - 2000 * 10,
		9 * 60 * (2000 - BASE_RECORDS_PER_SECOND) + 2000 * 10);
	base_recorder_free(r);
}

// Nobody waits for anybody: a reader sees whole records or none.

#define WRITES 300000

static void *write_records(void *user)
{
	struct base_recorder *r = user;

	for (uint32_t i = 0; i < WRITES; i++) {
		struct postern_record e =
			event(0x0a000000 + i % 5000 * 0x100, POSTERN_COUNTER_REFUSE_NO_MEMBER);

		// The same number in all of its ends.
		e.from_port = e.to_port = (uint16_t)i;
		e.slot = e.generation = i;
		memcpy(e.facts + sizeof(e.facts) - 4, &i, 4);
		base_record(r, &e, RIG_S + i * 1000ull);
	}
	return NULL;
}

static void test_reader_beside_writer(void **state)
{
	struct base_recorder *r = recorder();
	struct postern_recorded got;
	pthread_t writer;

	(void)state;
	assert_int_equal(pthread_create(&writer, NULL, write_records, r), 0);
	for (unsigned round = 0; round < 50; round++)
		for (uint32_t at = 0; at < BASE_RECORDS; at++) {
			uint32_t end;

			if (base_recorder_next(r, at, RIG_S, &got) != 0)
				continue;
			memcpy(&end, got.last.facts + sizeof(got.last.facts) - 4, 4);
			assert_int_equal(got.last.slot, end);
			assert_int_equal(got.last.generation, end);
			assert_int_equal(got.last.from_port, (uint16_t)end);
			assert_int_equal(got.last.to_port, (uint16_t)end);
		}
	pthread_join(writer, NULL);

	base_recorder_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_facts),
		cmocka_unit_test(test_damaged_facts),
		cmocka_unit_test(test_the_same_is_counted),
		cmocka_unit_test(test_one_network_floods),
		cmocka_unit_test(test_one_network_floods_v6),
		cmocka_unit_test(test_all_sources),
		cmocka_unit_test(test_everybody_floods),
		cmocka_unit_test(test_reader_beside_writer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
