// SPDX-License-Identifier: BSD-2-Clause
// Maglev tables: balance, weights and disruption within the bounds of the paper (NSDI 2016, 3.4
// and 5.3), and the same table for the same names, for ever.

#include "control/pool/pool.h"

// cmocka.h needs the four before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <xxhash.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMBERS_MAX 10000

static char names[MEMBERS_MAX][24];
static struct pool_maglev_input inputs[MEMBERS_MAX];
static uint32_t counts[POSTERN_ID_NONE];

// Members edge0, edge1, ... of weight 1, whose ids are their numbers.
static void make_inputs(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		snprintf(names[i], sizeof(names[i]), "edge%u", i);
		inputs[i] = (struct pool_maglev_input){names[i], 1, (uint16_t)i};
	}
}

static struct postern_maglev build(unsigned n)
{
	struct postern_maglev m;
	assert_int_equal(pool_maglev_build(inputs, n, &m), 0);
	return m;
}

// Counts the slots of each id; every slot must belong to one of the n members.
static void count(const struct postern_maglev *m, unsigned n)
{
	memset(counts, 0, sizeof(counts));
	for (uint32_t i = 0; i < m->size; i++) {
		assert_true(m->slots[i] < n);
		counts[m->slots[i]]++;
	}
}

static void assert_shares(const struct postern_maglev *m, unsigned n, double tolerance)
{
	double sum = 0;
	for (unsigned i = 0; i < n; i++)
		sum += inputs[i].weight;
	count(m, n);
	for (unsigned i = 0; i < n; i++) {
		double expected = m->size * (inputs[i].weight / sum);
		if (fabs(counts[i] - expected) > tolerance * expected)
			fail_msg("member %u of %u: %u slots, not %.1f", i, n, counts[i], expected);
	}
}

static bool is_prime(uint32_t n)
{
	for (uint32_t d = 2; d * d <= n; d++) {
		if (n % d == 0)
			return false;
	}
	return n > 1;
}

// The paper bounds the difference of the largest and the smallest share by 1 % if there are
// a hundred slots a member.
static void test_balance(void **state)
{
	(void)state;
	const unsigned numbers[] = {1, 2, 3, 12, 100, 655, 656, 1000, MEMBERS_MAX};
	for (size_t k = 0; k < sizeof(numbers) / sizeof(numbers[0]); k++) {
		unsigned n = numbers[k];
		make_inputs(n);
		struct postern_maglev m = build(n);
		assert_true(m.size >= 65537 && m.size >= 100 * n);
		assert_true(is_prime(m.size));
		assert_shares(&m, n, 0.01);

		uint32_t least = UINT32_MAX, most = 0;
		for (unsigned i = 0; i < n; i++) {
			least = counts[i] < least ? counts[i] : least;
			most = counts[i] > most ? counts[i] : most;
		}
		assert_true(most - least <= 1);
		free(m.slots);
	}
}

static void test_weights(void **state)
{
	(void)state;
	make_inputs(60);
	for (unsigned i = 0; i < 60; i++)
		inputs[i].weight = 1 + i % 3;
	struct postern_maglev m = build(60);
	assert_shares(&m, 60, 0.01);
	free(m.slots);

	for (unsigned i = 0; i < 60; i++)
		inputs[i].weight = 100 + 7 * i;
	m = build(60);
	assert_shares(&m, 60, 0.01);
	free(m.slots);
}

static void test_very_uneven_weights(void **state)
{
	(void)state;
	make_inputs(1000);
	inputs[7].weight = UINT32_MAX;
	struct postern_maglev m = build(1000);
	count(&m, 1000);
	for (unsigned i = 0; i < 1000; i++)
		assert_true(counts[i] == (i == 7 ? m.size - 999 : 1));
	free(m.slots);
}

static void test_only_ratios_of_weights_matter(void **state)
{
	(void)state;
	make_inputs(6);
	for (unsigned i = 0; i < 6; i++)
		inputs[i].weight = i + 1;
	struct postern_maglev small = build(6);
	for (unsigned i = 0; i < 6; i++)
		inputs[i].weight *= 700000000;
	struct postern_maglev large = build(6);
	assert_memory_equal(small.slots, large.slots, small.size * sizeof(*small.slots));
	free(small.slots);
	free(large.slots);
}

// The k-th choice of a member.
static uint32_t choice(const char *name, uint64_t k, uint32_t size)
{
	size_t length = strlen(name);
	uint64_t offset = XXH3_64bits_withSeed(name, length, 0x6f66667365743031) % size;
	uint64_t skip = XXH3_64bits_withSeed(name, length, 0x736b697070696e67) % (size - 1) + 1;
	return (uint32_t)((offset + k * skip) % size);
}

// With weights that have no common divisor, a member that took all turns of its weight in one go
// would leave to the other only half of its first choices.
static void test_turns_are_interleaved(void **state)
{
	(void)state;
	make_inputs(2);
	inputs[0].weight = 30001;
	inputs[1].weight = 30000;
	struct postern_maglev m = build(2);
	for (unsigned i = 0; i < 2; i++) {
		unsigned held = 0;
		for (uint64_t k = 0; k < 600; k++)
			held += m.slots[choice(names[i], k, m.size)] == i;
		assert_true(held > 570);
	}
	free(m.slots);
}

// Of the slots of the members that stay, how large a part changes when member `leaver` goes.
static double disruption(unsigned n, unsigned leaver)
{
	make_inputs(n);
	struct postern_maglev before = build(n);
	memmove(&inputs[leaver], &inputs[leaver + 1], (n - leaver - 1) * sizeof(inputs[0]));
	struct postern_maglev after = build(n - 1);
	assert_int_equal(before.size, after.size);

	uint32_t stayed = 0, moved = 0;
	for (uint32_t i = 0; i < before.size; i++) {
		assert_true(after.slots[i] != leaver);
		if (before.slots[i] == leaver)
			continue;
		stayed++;
		moved += before.slots[i] != after.slots[i];
	}
	free(before.slots);
	free(after.slots);
	return (double)moved / stayed;
}

// Figure 12 of the paper: with some 65,000 slots, few per cent change beyond those that must.
static void test_disruption(void **state)
{
	(void)state;
	for (unsigned leaver = 0; leaver < 12; leaver++) {
		double d = disruption(12, leaver);
		if (d > 0.05)
			fail_msg("member %u of 12 leaves, %.1f %% move", leaver, 100 * d);
	}
	for (unsigned leaver = 0; leaver < 600; leaver += 100)
		assert_true(disruption(600, leaver) < 0.05);
}

// A reference in the paper's own words: permutations written out, turns in the order of names.
static void test_equal_weights_are_the_papers_algorithm(void **state)
{
	(void)state;
	enum {
		N = 5
	};
	make_inputs(N);
	struct postern_maglev m = build(N);
	uint16_t *entry = malloc(m.size * sizeof(*entry));
	uint32_t next[N] = {0}, filled = 0;
	assert_non_null(entry);
	memset(entry, 0xff, m.size * sizeof(*entry));
	while (filled < m.size) {
		for (unsigned i = 0; i < N && filled < m.size; i++) {
			uint32_t c;
			do
				c = choice(names[i], next[i]++, m.size);
			while (entry[c] != UINT16_MAX);
			entry[c] = (uint16_t)i;
			filled++;
		}
	}
	assert_memory_equal(entry, m.slots, m.size * sizeof(*entry));
	free(entry);
	free(m.slots);
}

static void test_order_of_input_does_not_matter(void **state)
{
	(void)state;
	make_inputs(100);
	for (unsigned i = 0; i < 100; i++)
		inputs[i].weight = 1 + i % 5;
	struct postern_maglev sorted = build(100);
	srand(1);
	for (unsigned i = 99; i > 0; i--) {
		unsigned j = (unsigned)rand() % (i + 1);
		struct pool_maglev_input swap = inputs[i];
		inputs[i] = inputs[j];
		inputs[j] = swap;
	}
	struct postern_maglev shuffled = build(100);
	assert_memory_equal(sorted.slots, shuffled.slots, sorted.size * sizeof(*sorted.slots));
	free(sorted.slots);
	free(shuffled.slots);
}

// Hash over the table with names in place of ids. A change of these numbers would make appliances
// of two versions steer differently, and move established clients on an update.
static uint64_t golden(unsigned n)
{
	struct postern_maglev m = build(n);
	XXH3_state_t *hash = XXH3_createState();
	XXH3_64bits_reset(hash);
	for (uint32_t i = 0; i < m.size; i++) {
		const char *name = NULL;
		for (unsigned j = 0; j < n && name == NULL; j++)
			name = inputs[j].id == m.slots[i] ? inputs[j].name : NULL;
		assert_non_null(name);
		XXH3_64bits_update(hash, name, strlen(name) + 1);
	}
	uint64_t digest = XXH3_64bits_digest(hash);
	XXH3_freeState(hash);
	free(m.slots);
	return digest;
}

static void test_golden(void **state)
{
	(void)state;
	make_inputs(3);
	assert_int_equal(golden(3), UINT64_C(0xfa4be4e96127b874));
	for (unsigned i = 0; i < 3; i++) {
		inputs[i].weight = i + 1;
		inputs[i].id = (uint16_t)(60000 - i); // ids do not enter
	}
	assert_int_equal(golden(3), UINT64_C(0x3aa1fa658afac9c2));
}

static void test_nothing_to_put_in(void **state)
{
	(void)state;
	struct postern_maglev m = build(0);
	assert_int_equal(m.size, 0);
	assert_null(m.slots);

	make_inputs(2);
	inputs[0].weight = inputs[1].weight = 0;
	m = build(2);
	assert_int_equal(m.size, 0);
	assert_null(m.slots);
}

static void test_weight_zero(void **state)
{
	(void)state;
	make_inputs(3);
	inputs[1].weight = 0;
	struct postern_maglev m = build(3);
	count(&m, 3);
	assert_int_equal(counts[1], 0);
	assert_int_equal(counts[0] + counts[2], m.size);
	free(m.slots);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_balance),
		cmocka_unit_test(test_weights),
		cmocka_unit_test(test_very_uneven_weights),
		cmocka_unit_test(test_only_ratios_of_weights_matter),
		cmocka_unit_test(test_turns_are_interleaved),
		cmocka_unit_test(test_disruption),
		cmocka_unit_test(test_equal_weights_are_the_papers_algorithm),
		cmocka_unit_test(test_order_of_input_does_not_matter),
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_nothing_to_put_in),
		cmocka_unit_test(test_weight_zero),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
