// SPDX-License-Identifier: BSD-2-Clause
// Slow start, and pools that try all when all are down.

// cmocka.h needs the four before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "tests/unit/pool_rig.h"

// The time that slow start has taken so far is set back, and the step comes at once.
static void let_pass(struct pool_member *m, uint32_t ms)
{
	pool_seat_of(m)->warm_us = pool_now_us() - (uint64_t)ms * 1000;
	event_active(set->warmer, EV_TIMEOUT, 0);
	turn();
}

static void down(struct pool_member *m)
{
	for (int i = 0; i < 3; i++)
		probed(m, false);
	assert_int_equal(m->health, POOL_HEALTH_DOWN);
}

static void up(struct pool_member *m)
{
	for (int i = 0; i < 2; i++)
		probed(m, true);
	assert_int_equal(m->health, POOL_HEALTH_UP);
}

// No probes of their own come in between.
static struct pool_member *warm_pool(struct file *f, unsigned n_members)
{
	add_pool(f, "edges", n_members)->slow_start_ms = 100 * 1000;
	for (unsigned i = 0; i < n_members; i++)
		f->members[0][i].probe = (struct config_probe){
			.kind = CONFIG_PROBE_NONE, .rise = 2, .fall = 3, .line = 1};
	apply(f);
	pool_set_attach(set, &fake);
	return member("edges", "m0");
}

static void assert_withheld(const struct pool_member *m, uint32_t low, uint32_t high)
{
	uint32_t word = fake.words[m->id];
	assert_true(word & POSTERN_MEMBER_TAKES_NEW);
	assert_false(word & POSTERN_MEMBER_RESET);
	assert_in_range(POSTERN_MEMBER_SHARE_WITHHELD(word), low, high);
}

// The bounds leave a slow machine some seconds.
static void test_slow_start(void **state)
{
	(void)state;
	struct file f = {0};
	struct pool_member *m = warm_pool(&f, 2);
	up(m);
	assert_withheld(m, 0, 0); // it was never down
	int before = pending();
	down(m);
	up(m);
	assert_withheld(m, 255, 255);
	assert_int_equal(pending(), before + 1); // the step
	let_pass(m, 25 * 1000);
	assert_withheld(m, 170, 191);
	let_pass(m, 75 * 1000);
	assert_withheld(m, 40, 63);
	let_pass(m, 100 * 1000);
	assert_withheld(m, 0, 0);
	assert_int_equal(pending(), before);
	assert_withheld(member("edges", "m1"), 0, 0);
}

// Whoever is alone has nobody to leave a share to.
static void test_slow_start_of_the_last(void **state)
{
	(void)state;
	struct file f = {0};
	struct pool_member *m0 = warm_pool(&f, 2), *m1 = member("edges", "m1");
	down(m0);
	up(m0);
	assert_withheld(m0, 200, 255);
	down(m1);
	assert_withheld(m0, 0, 0);
	up(m1);
	assert_withheld(m0, 200, 255);
	pool_member_set_admin(set, m1, POOL_ADMIN_DRAIN);
	assert_withheld(m0, 0, 0);
	pool_member_set_admin(set, m1, POOL_ADMIN_READY);
	assert_withheld(m0, 200, 255);
	down(m0);
	assert_int_equal(fake.words[m0->id], POSTERN_MEMBER_RESET);
	assert_withheld(m1, 0, 0);
}

static void test_slow_start_is_switched_off(void **state)
{
	(void)state;
	struct file f = {0};
	struct pool_member *m = warm_pool(&f, 2);
	down(m);
	up(m);
	assert_withheld(m, 255, 255);
	struct file g = f;
	g.config.pools.items = g.pools;
	g.pools[0].members.items = g.members[0];
	g.pools[0].slow_start_ms = 0;
	apply(&g);
	event_active(set->warmer, EV_TIMEOUT, 0);
	turn();
	assert_withheld(m, 0, 0);
	// What is removed warms no more.
	down(m);
	apply(&f);
	up(m);
	g.config.pools.count = 0;
	apply(&g);
	event_active(set->warmer, EV_TIMEOUT, 0);
	turn();
	assert_int_equal(fake.words[0], POSTERN_MEMBER_RESET);
}

// Where all are tried when none is up, those that take sessions after all are not reset.
static void test_try_all(void **state)
{
	(void)state;
	struct file f = {0};
	add_pool(&f, "edges", 2)->all_down = CONFIG_ALL_DOWN_TRY_ALL;
	apply(&f);
	pool_set_attach(set, &fake);
	struct pool_member *m0 = member("edges", "m0"), *m1 = member("edges", "m1");
	down(m0);
	assert_int_equal(fake.words[m0->id], POSTERN_MEMBER_RESET);
	down(m1);
	assert_int_equal(fake.words[m0->id], 0);
	assert_int_equal(fake.words[m1->id], 0);
	up(m1);
	assert_int_equal(fake.words[m0->id], POSTERN_MEMBER_RESET);
	assert_int_equal(fake.words[m1->id], POSTERN_MEMBER_TAKES_NEW);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

// A server that was worked on begins cold, also if it is drained in between; one that was only drained
// is warm.
static void test_slow_start_after_maintenance(void **state)
{
	(void)state;
	struct file f = {0};
	struct pool_member *m = warm_pool(&f, 2);
	assert_int_equal(pool_member_share(m), 100);
	pool_member_set_admin(set, m, POOL_ADMIN_DRAIN);
	pool_member_set_admin(set, m, POOL_ADMIN_READY);
	assert_int_equal(pool_member_share(m), 100);
	pool_member_set_admin(set, m, POOL_ADMIN_MAINT);
	assert_int_equal(fake.words[m->id], POSTERN_MEMBER_RESET);
	pool_member_set_admin(set, m, POOL_ADMIN_READY);
	assert_withheld(m, 250, 255);
	assert_in_range(pool_member_share(m), 0, 2);
	let_pass(m, 50 * 1000);
	assert_withheld(m, 110, 128);
	assert_in_range(pool_member_share(m), 50, 57);
	pool_member_set_admin(set, m, POOL_ADMIN_MAINT);
	pool_member_set_admin(set, m, POOL_ADMIN_DRAIN);
	assert_int_equal(fake.words[m->id], 0);
	pool_member_set_admin(set, m, POOL_ADMIN_READY);
	assert_withheld(m, 250, 255);
	let_pass(m, 200 * 1000);
	assert_withheld(m, 0, 0);
	assert_int_equal(pool_member_share(m), 100);
}

// What an operator has set holds over reloads, until it is left to the file again.
static void test_weight_that_is_set(void **state)
{
	(void)state;
	struct file f = {0};
	struct pool_member *m = warm_pool(&f, 2);
	assert_int_equal(m->weight, 1);
	assert_int_equal(m->weight_set, POOL_WEIGHT_FILE);
	pool_member_set_weight(set, m, 5);
	assert_int_equal(m->weight, 5);
	f.members[0][0].weight = 2;
	apply(&f);
	m = member("edges", "m0");
	assert_int_equal(m->weight, 5);
	assert_int_equal(m->weight_file, 2);
	pool_member_set_weight(set, m, POOL_WEIGHT_FILE);
	assert_int_equal(m->weight, 2);
	// Without weight nothing comes, so the other is the only one: nothing is withheld from it.
	pool_member_set_admin(set, m, POOL_ADMIN_MAINT);
	pool_member_set_admin(set, m, POOL_ADMIN_READY);
	assert_in_range(pool_member_share(m), 0, 2);
	pool_member_set_weight(set, member("edges", "m1"), 0);
	assert_int_equal(pool_member_share(m), 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_slow_start),
		TEST(test_slow_start_of_the_last),
		TEST(test_slow_start_is_switched_off),
		TEST(test_slow_start_after_maintenance),
		TEST(test_weight_that_is_set),
		TEST(test_try_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
