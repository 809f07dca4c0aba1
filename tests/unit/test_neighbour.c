// SPDX-License-Identifier: BSD-2-Clause
// What can be seen of neighbours from outside the worker, and that they can be asked for anew.

#include "rig_cmocka.h"
#include "talk.h"

#include <errno.h>

// The neighbour as some worker that knows it sees it; false if none does. `n` counts them.
static bool find(struct rig *r, uint16_t interface, const struct postern_addr *a,
	struct postern_neighbour *out, unsigned *n)
{
	struct postern_neighbour one;
	uint64_t cursor = 0;
	unsigned steps = 0;
	int rc;

	*n = 0;
	while ((rc = postern_neighbour_next(r->dp, &cursor, 3, &one)) != 0) {
		assert_true(++steps < 10000);
		if (rc != 1 || one.interface != interface || !postern_addr_equal(&one.addr, a))
			continue;
		assert_true(one.worker < r->dp->n_workers);
		if (*n == 0 || (one.known && !out->known) || one.users > out->users)
			*out = one;
		++*n;
	}
	return *n > 0;
}

static struct postern_neighbour expect(
	struct rig *r, uint16_t interface, const struct postern_addr *a)
{
	struct postern_neighbour one = {0};
	unsigned n;

	assert_true(find(r, interface, a, &one, &n));
	assert_in_range(n, 1, r->dp->n_workers);
	return one;
}

static void test_what_is_shown(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){0});
	const struct postern_addr gateway = rig_addr("203.0.113.1");
	struct talk t = talk_new(r, POSTERN_V4, 1);
	struct postern_neighbour n;
	unsigned known;

	(void)state;
	n = expect(r, RIG_OUTSIDE, &gateway);
	const uint32_t users = n.users;
	const struct rte_ether_addr mac = rig_mac(&gateway);

	assert_int_equal(n.state, POSTERN_NEIGHBOUR_REACHABLE);
	assert_true(n.known && !n.for_client);
	assert_memory_equal(n.mac, &mac, 6);
	talk_open(&t);
	assert_int_equal(expect(r, RIG_OUTSIDE, &gateway).users, users + 1);
	n = expect(r, RIG_INSIDE, &t.member);
	assert_int_equal(n.state, POSTERN_NEIGHBOUR_REACHABLE);
	assert_false(n.for_client);
	const uint64_t heard_ms = n.heard_ms;

	rig_advance(r, 5 * RIG_S);
	n = expect(r, RIG_INSIDE, &t.member);
	assert_in_range(n.heard_ms, heard_ms + 4999, heard_ms + 5010);
	assert_false(find(r, RIG_OUTSIDE, &t.member, &n, &known));
	// Nobody holds what a session that is over has held.
	talk_send(&t, FROM_CLIENT, TALK_RST, 0);
	rig_advance(r, 100 * RIG_S);
	assert_int_equal(expect(r, RIG_OUTSIDE, &gateway).users, users);
	rig_free(r);
}

static void test_silent_ones(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){.deaf = true});
	const struct postern_addr gateway = rig_addr("203.0.113.1");
	struct postern_neighbour n = expect(r, RIG_OUTSIDE, &gateway);

	(void)state;
	// Ten seconds have passed since the start: three questions, a pause, and again.
	bool failed = false, resolving = false;

	for (unsigned i = 0; i < 100; i++) {
		rig_advance(r, 100 * RIG_MS);
		n = expect(r, RIG_OUTSIDE, &gateway);
		assert_false(n.known);
		failed |= n.state == POSTERN_NEIGHBOUR_FAILED;
		resolving |= n.state == POSTERN_NEIGHBOUR_RESOLVING;
	}
	assert_true(failed && resolving);
	r->deaf = false;
	rig_advance_slowly(r, 10 * RIG_S, 100 * RIG_MS);
	n = expect(r, RIG_OUTSIDE, &gateway);
	assert_true(n.known);
	rig_free(r);
}

// Questions of ours among what has come out, for one address or for any.
static unsigned questions(struct rig *r)
{
	const struct rig_packet *p;
	unsigned n = 0;

	while ((p = rig_take(r)) != NULL)
		n += rig_is_request(p);
	return n;
}

static void test_flush(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){0});
	const struct postern_addr gateway = rig_addr("203.0.113.1");
	struct talk t = talk_new(r, POSTERN_V4, 1);

	(void)state;
	talk_open(&t);
	rig_advance(r, 5 * RIG_S);
	r->shows_requests = true;
	assert_int_equal(postern_neighbour_flush(r->dp, POSTERN_INTERFACE_ANY, &t.member), 0);
	rig_turn(r);
	// Each worker that holds it asks.
	assert_in_range(questions(r), 1, r->dp->n_workers);
	assert_in_range(expect(r, RIG_INSIDE, &t.member).heard_ms, 0, 10);
	assert_true(expect(r, RIG_OUTSIDE, &gateway).heard_ms >= 5000);
	assert_int_equal(postern_neighbour_flush(r->dp, RIG_OUTSIDE, &t.member), 0);
	rig_turn(r);
	assert_int_equal(questions(r), 0);
	assert_int_equal(postern_neighbour_flush(r->dp, RIG_OUTSIDE, NULL), 0);
	rig_turn(r);
	assert_true(questions(r) >= 2 * r->dp->n_workers);
	assert_in_range(expect(r, RIG_OUTSIDE, &gateway).heard_ms, 0, 10);
	rig_free(r);
}

// While the answer is waited for, what was known is used; who does not answer is forgotten.
static void test_flush_loses_nothing(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){0});
	struct talk t = talk_new(r, POSTERN_V4, 1);

	(void)state;
	talk_open(&t);
	r->deaf = true;
	assert_int_equal(postern_neighbour_flush(r->dp, POSTERN_INTERFACE_ANY, NULL), 0);
	rig_turn(r);
	assert_int_equal(expect(r, RIG_INSIDE, &t.member).state, POSTERN_NEIGHBOUR_PROBING);
	talk_send(&t, FROM_CLIENT, TALK_ACK, 100);
	talk_send(&t, FROM_MEMBER, TALK_ACK, 100);
	rig_advance_slowly(r, 10 * RIG_S, 100 * RIG_MS);
	assert_false(expect(r, RIG_INSIDE, &t.member).known);
	// Asked for at once, not in three seconds.
	r->deaf = false;
	assert_int_equal(postern_neighbour_flush(r->dp, POSTERN_INTERFACE_ANY, NULL), 0);
	rig_turn(r);
	rig_advance_slowly(r, RIG_S + 100 * RIG_MS, 100 * RIG_MS);
	assert_true(expect(r, RIG_INSIDE, &t.member).known);
	talk_send(&t, FROM_CLIENT, TALK_ACK, 100);
	rig_free(r);
}

// A station that has taken over an address is found by its answer to everybody.
static void test_flush_finds_another_station(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){0});
	struct talk t = talk_new(r, POSTERN_V4, 1);

	(void)state;
	talk_open(&t);
	r->shows_requests = true;
	r->deaf = true;
	assert_int_equal(postern_neighbour_flush(r->dp, RIG_INSIDE, &t.member), 0);
	rig_turn(r);
	const struct rig_packet *p = rig_take(r);

	assert_non_null(p);
	assert_true(rig_is_request(p));
	// To all stations, not to the one that is known.
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(p->bytes[i], 0xff);
	rig_discard(r);
	rig_free(r);
}

static void test_too_many_wishes(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){0});
	unsigned n = 0;

	(void)state;
	while (postern_neighbour_flush(r->dp, POSTERN_INTERFACE_ANY, NULL) == 0)
		assert_in_range(++n, 1, 100);
	rig_advance_slowly(r, RIG_S, RIG_MS);
	assert_int_equal(postern_neighbour_flush(r->dp, POSTERN_INTERFACE_ANY, NULL), 0);
	rig_turn(r);
	rig_free(r);
}

// Any cursor leads to the end.
static void test_any_cursor(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){0});
	const uint64_t cursors[] = {UINT64_MAX, UINT32_MAX, 4095, 4096, UINT64_C(1) << 32,
		UINT64_C(1) << 63, UINT64_C(0xffffffff) << 32};
	struct postern_neighbour n;

	(void)state;
	for (unsigned i = 0; i < sizeof(cursors) / sizeof(cursors[0]); i++) {
		uint64_t cursor = cursors[i];
		unsigned steps = 0;

		while (postern_neighbour_next(r->dp, &cursor, 5, &n) != 0)
			assert_true(++steps < 10000);
	}
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_shown),
		cmocka_unit_test(test_silent_ones),
		cmocka_unit_test(test_flush),
		cmocka_unit_test(test_flush_loses_nothing),
		cmocka_unit_test(test_flush_finds_another_station),
		cmocka_unit_test(test_too_many_wishes),
		cmocka_unit_test(test_any_cursor),
	};

	return cmocka_run_group_tests(tests, rig_use_cmocka, NULL);
}
