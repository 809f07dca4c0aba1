// SPDX-License-Identifier: BSD-2-Clause
// The timing wheel against a model that is too simple to be wrong: an array of due times.

#include "base/wheel.h"

// cmocka.h needs the four before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <string.h>

#define OBJECTS  128
#define SHIFT    13
#define TICK     (1ull << SHIFT)
#define FARTHEST ((1ull << 24) - 1) // ticks

// The node lies somewhere in the object.
struct object {
	uint64_t before;
	struct base_wheel_node node;
	uint64_t behind;
};

static struct object objects[OBJECTS];
static uint64_t due[OBJECTS]; // tick at which an object fires; 0: idle
static struct base_wheel wheel;
static uint64_t now; // microseconds
static uint64_t state_of_random;

static uint64_t draw(void)
{
	state_of_random = state_of_random * 6364136223846793005ull + 1442695040888963407ull;
	return state_of_random >> 20;
}

static void begin(uint64_t at)
{
	memset(objects, 0, sizeof(objects));
	memset(due, 0, sizeof(due));
	now = at;
	state_of_random = at + 1;
	base_wheel_init(&wheel, &objects[0].node, sizeof(objects[0]), SHIFT, now);
	assert_true(base_wheel_is_valid(&wheel));
}

static uint32_t count_due(void)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < OBJECTS; i++)
		n += due[i] != 0;
	return n;
}

static void check(void)
{
	assert_true(base_wheel_is_valid(&wheel));
	assert_int_equal(wheel.armed, count_due());
	for (uint32_t i = 0; i < OBJECTS; i++) {
		assert_int_equal(base_wheel_is_armed(&wheel, i), due[i] != 0);
		assert_int_equal(objects[i].before | objects[i].behind, 0);
	}
}

static void arm(uint32_t i, uint64_t at)
{
	// The first tick that is not before and has not been looked at; the far future is cut.
	uint64_t tick = (at + TICK - 1) / TICK;

	base_wheel_arm(&wheel, i, at);
	if (tick <= now / TICK)
		tick = now / TICK + 1;
	if (tick - now / TICK > FARTHEST)
		tick = now / TICK + FARTHEST;
	due[i] = tick;
}

// Everything whose time has come fires, once, and nothing else does.
static void expire(unsigned step)
{
	for (;;) {
		unsigned budget = step;
		const uint32_t i = base_wheel_expire(&wheel, now, &budget);

		assert_in_range(budget, 0, step);
		if (i == BASE_WHEEL_NONE) {
			if (budget > 0)
				break;
			continue;
		}
		assert_in_range(i, 0, OBJECTS - 1);
		assert_int_not_equal(due[i], 0);
		assert_true(due[i] <= now / TICK);
		due[i] = 0;
		assert_false(base_wheel_is_armed(&wheel, i));
	}
	for (unsigned i = 0; i < OBJECTS; i++)
		assert_true(due[i] == 0 || due[i] > now / TICK);
}

static uint64_t some_time(void)
{
	// From the next ticks to farther than the wheel reaches.
	const uint64_t ticks = draw() & ((1ull << (draw() % 27)) - 1);

	return now + ticks * TICK + draw() % TICK;
}

static void run(uint64_t at, unsigned steps, unsigned budget)
{
	begin(at);
	for (unsigned n = 0; n < steps; n++) {
		const uint32_t i = (uint32_t)(draw() % OBJECTS);

		switch (draw() % 8) {
		case 0:
			base_wheel_cancel(&wheel, i);
			due[i] = 0;
			break;
		case 1:
			// Time passes, now and then much of it.
			now += (draw() & ((1ull << (draw() % 25)) - 1)) * TICK / 64 + draw() % TICK;
			expire(budget);
			break;
		case 2:
			arm(i, now - (now > TICK ? draw() % TICK : 0));
			break;
		default:
			arm(i, some_time());
			break;
		}
		check();
	}
	now += (FARTHEST + 2) * TICK;
	expire(budget);
	check();
	assert_int_equal(count_due(), 0);
}

static void test_model(void **state)
{
	(void)state;
	run(0, 60000, 1000);
}

static void test_budget_of_one(void **state)
{
	(void)state;
	run(12345678, 30000, 1);
}

// Ticks are kept in 32 bits in the nodes.
static void test_ticks_wrap(void **state)
{
	(void)state;
	run(((1ull << 32) - 300) * TICK, 30000, 7);
	run(((1ull << 32) - FARTHEST) * TICK, 30000, 64);
	run(((1ull << 33) - 1) * TICK, 10000, 64);
}

// Each tick by itself over all boundaries of slots and levels.
static void test_each_tick(void **state)
{
	(void)state;
	begin(0);
	for (unsigned i = 0; i < OBJECTS; i++)
		arm(i, (uint64_t)i * i * i * TICK / 2 + 1);
	while (count_due() > 0) {
		now += TICK;
		expire(3);
		if (now / TICK % 64 == 0)
			check();
	}
}

// All objects on one tick of a high level: a turn does no more than it may.
static void test_crowded_slot(void **state)
{
	unsigned calls = 0, fired = 0;

	(void)state;
	begin(5 * TICK);
	for (unsigned i = 0; i < OBJECTS; i++)
		arm(i, 70000 * TICK + i);
	now = 71000 * TICK;
	while (fired < OBJECTS) {
		unsigned budget = 1;
		const uint32_t i = base_wheel_expire(&wheel, now, &budget);

		assert_true(base_wheel_is_valid(&wheel));
		if (i != BASE_WHEEL_NONE) {
			due[i] = 0;
			fired++;
		}
		// Each object is looked at a bounded number of times: once a level.
		assert_in_range(++calls, 1, (BASE_WHEEL_LEVELS + 1) * OBJECTS + 8);
	}
	check();
}

static void test_no_budget(void **state)
{
	unsigned budget = 0;

	(void)state;
	begin(0);
	arm(3, 1);
	now = 5 * TICK;
	assert_int_equal(base_wheel_expire(&wheel, now, &budget), BASE_WHEEL_NONE);
	assert_int_equal(budget, 0);
	budget = 10;
	assert_int_equal(base_wheel_expire(&wheel, now, &budget), 3);
}

// What fires may be armed again at once, also for now.
static void test_rearm_while_expiring(void **state)
{
	(void)state;
	begin(0);
	arm(1, TICK);
	arm(2, TICK);
	for (unsigned n = 0; n < 1000; n++) {
		unsigned budget = 100;

		now += TICK;
		const uint32_t i = base_wheel_expire(&wheel, now, &budget);

		assert_true(i == 1 || i == 2);
		due[i] = 0;
		arm(i, now + TICK);
		const uint32_t k = base_wheel_expire(&wheel, now, &budget);

		assert_int_equal(k, 3 - i);
		due[k] = 0;
		base_wheel_cancel(&wheel, k);
		arm(k, now + TICK);
		check();
	}
}

static void test_cancel_idle(void **state)
{
	(void)state;
	begin(0);
	for (uint32_t i = 0; i < OBJECTS; i++)
		base_wheel_cancel(&wheel, i);
	check();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_budget_of_one),
		cmocka_unit_test(test_ticks_wrap),
		cmocka_unit_test(test_each_tick),
		cmocka_unit_test(test_crowded_slot),
		cmocka_unit_test(test_no_budget),
		cmocka_unit_test(test_rearm_while_expiring),
		cmocka_unit_test(test_cancel_idle),
	};

	return cmocka_run_group_tests_name("wheel", tests, NULL, NULL);
}
