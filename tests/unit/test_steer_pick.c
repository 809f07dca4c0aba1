// SPDX-License-Identifier: BSD-2-Clause
// Which member a session goes to: the same on every appliance, spread as Maglev's table says, and
// disturbed by a member that goes down no more than must be.

#include "control/pool/pool.h"
#include "rig_cmocka.h"
#include "talk.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EACH_FAMILY(f) for (uint8_t f = POSTERN_V4; f < POSTERN_FAMILIES; f++)

#define CLIENTS 4000
#define MEMBERS 5

static struct rig *rig_big(unsigned members)
{
	return rig_new(
		&(struct rig_options){.world = {.members = members}, .sessions = 2 * CLIENTS});
}

static unsigned choose(struct rig *r, uint8_t f, unsigned client)
{
	struct talk t = talk_new(r, f, client);

	talk_syn(&t);
	return rig_member_number(&t.member);
}

static void set_health(struct rig *r, uint8_t f, unsigned n, uint32_t word)
{
	rig_health(r, (uint16_t)((f == POSTERN_V4 ? RIG_MEMBER_V4 : RIG_MEMBER_V6) + n), word);
}

static void choose_all(struct rig *r, uint8_t f, unsigned chosen[CLIENTS])
{
	for (unsigned i = 0; i < CLIENTS; i++)
		chosen[i] = choose(r, f, i);
}

// Each rig draws secrets of its own; an appliance beside it must choose the same.
static void test_appliances_agree(void **state)
{
	static unsigned first[CLIENTS], second[CLIENTS];

	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_big(MEMBERS);
		const struct base_secret secret = r->dp->secret;

		choose_all(r, f, first);
		rig_free(r);
		r = rig_big(MEMBERS);
		assert_memory_not_equal(&secret, &r->dp->secret, sizeof(secret));
		// Nor does it matter what came before, or when.
		rig_advance(r, 12345 * RIG_S);
		for (unsigned i = CLIENTS; i-- > 0;)
			second[i] = choose(r, f, i);
		assert_memory_equal(first, second, sizeof(first));
		rig_free(r);
	}
}

// The choice hangs on the client's port too: many clients behind one address are spread.
static void test_port_counts(void **state)
{
	struct rig *r = rig_big(MEMBERS);
	static unsigned again[CLIENTS], chosen[CLIENTS];

	(void)state;
	choose_all(r, POSTERN_V4, chosen);
	unsigned moved = 0;

	for (unsigned i = 0; i < CLIENTS; i++) {
		struct talk t = talk_new(r, POSTERN_V4, i);

		t.client_port = (uint16_t)(t.client_port ^ 1);
		talk_syn(&t);
		again[i] = rig_member_number(&t.member);
		moved += again[i] != chosen[i];
	}
	// Four of five move; five standard deviations are 127.
	assert_in_range(moved, CLIENTS * 4 / 5 - 127, CLIENTS * 4 / 5 + 127);
	rig_free(r);
}

static void check_shares(const unsigned *chosen, const double *share, unsigned members)
{
	unsigned count[MEMBERS] = {0};

	for (unsigned i = 0; i < CLIENTS; i++)
		count[chosen[i]]++;
	for (unsigned n = 0; n < members; n++) {
		const double want = share[n] * CLIENTS;
		const double slack = 5 * sqrt(want * (1 - share[n])) + 1;

		if (fabs(count[n] - want) > slack)
			fail_msg("member %u has %u sessions of %.0f", n, count[n], want);
	}
}

static void test_spread(void **state)
{
	static const double even[MEMBERS] = {0.2, 0.2, 0.2, 0.2, 0.2};
	static unsigned chosen[CLIENTS];

	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_big(MEMBERS);

		choose_all(r, f, chosen);
		check_shares(chosen, even, MEMBERS);
		rig_free(r);
	}
}

// With the control half's own tables, weighted 1, 2, 3, 4, 0.
static void test_weights(void **state)
{
	static const double share[MEMBERS] = {0.1, 0.2, 0.3, 0.4, 0};
	static unsigned chosen[CLIENTS];
	struct pool_maglev_input in[MEMBERS];
	static char names[MEMBERS][8];

	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_big(MEMBERS);
		struct postern_snapshot *s = rig_snapshot(&r->world);
		struct postern_maglev *m = &s->pools[0].maglev[f];

		for (unsigned n = 0; n < MEMBERS; n++) {
			snprintf(names[n], sizeof(names[n]), "m%u", n);
			in[n] = (struct pool_maglev_input){names[n], n < 4 ? n + 1 : 0,
				(uint16_t)((f == POSTERN_V4 ? RIG_MEMBER_V4 : RIG_MEMBER_V6) + n)};
		}
		free(m->slots);
		assert_int_equal(pool_maglev_build(in, MEMBERS, m), 0);
		rig_adopt_snapshot(r, s);
		choose_all(r, f, chosen);
		check_shares(chosen, share, MEMBERS);
		rig_free(r);
	}
}

// Those of the others stay where they are.
static void test_down_moves_its_own(void **state)
{
	static unsigned before[CLIENTS], after[CLIENTS];
	const unsigned down = 2;

	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_big(MEMBERS);
		unsigned moved = 0;

		choose_all(r, f, before);
		rig_free(r);
		r = rig_big(MEMBERS);
		set_health(r, f, down, POSTERN_MEMBER_RESET);
		choose_all(r, f, after);
		for (unsigned i = 0; i < CLIENTS; i++) {
			assert_int_not_equal(after[i], down);
			if (before[i] == down) {
				moved++;
			} else {
				assert_int_equal(after[i], before[i]);
			}
		}
		assert_in_range(moved, CLIENTS / 10, CLIENTS / 3);
		rig_free(r);
	}
}

// The same with the control half's table: its own spread over all that are left.
static void test_down_spreads(void **state)
{
	static unsigned before[CLIENTS], after[CLIENTS];
	struct pool_maglev_input in[MEMBERS];
	static char names[MEMBERS][8];
	const unsigned down = 1;
	struct rig *r = rig_big(MEMBERS);
	struct postern_snapshot *s;
	unsigned taken[MEMBERS] = {0}, moved = 0;

	(void)state;
	for (unsigned n = 0; n < MEMBERS; n++) {
		snprintf(names[n], sizeof(names[n]), "edge%u", n);
		in[n] = (struct pool_maglev_input){names[n], 1, (uint16_t)(RIG_MEMBER_V4 + n)};
	}
	for (unsigned round = 0; round < 2; round++) {
		s = rig_snapshot(&r->world);
		free(s->pools[0].maglev[POSTERN_V4].slots);
		assert_int_equal(
			pool_maglev_build(in, MEMBERS, &s->pools[0].maglev[POSTERN_V4]), 0);
		rig_adopt_snapshot(r, s);
		if (round)
			set_health(r, POSTERN_V4, down, 0);
		choose_all(r, POSTERN_V4, round ? after : before);
		if (round == 0) {
			rig_free(r);
			r = rig_big(MEMBERS);
		}
	}
	for (unsigned i = 0; i < CLIENTS; i++)
		if (before[i] == down) {
			taken[after[i]]++;
			moved++;
		} else {
			assert_int_equal(after[i], before[i]);
		}
	assert_int_equal(taken[down], 0);
	for (unsigned n = 0; n < MEMBERS; n++)
		if (n != down)
			assert_in_range(taken[n], moved / 8, moved / 2);
	rig_free(r);
}

// The member comes back: the sessions that begin then go where they went before.
static void test_up_again(void **state)
{
	static unsigned before[CLIENTS];
	struct rig *r = rig_big(MEMBERS);

	(void)state;
	choose_all(r, POSTERN_V6, before);
	rig_free(r);
	r = rig_big(MEMBERS);
	set_health(r, POSTERN_V6, 0, 0);
	set_health(r, POSTERN_V6, 0, POSTERN_MEMBER_TAKES_NEW);
	for (unsigned i = 0; i < CLIENTS; i++)
		assert_int_equal(choose(r, POSTERN_V6, i), before[i]);
	rig_free(r);
}

static void test_last_one_standing(void **state)
{
	struct rig *r = rig_big(MEMBERS);

	(void)state;
	for (unsigned n = 0; n < MEMBERS; n++)
		if (n != 3)
			set_health(r, POSTERN_V4, n, 0);
	unsigned served = 0;

	for (unsigned i = 0; i < CLIENTS; i++) {
		struct talk t = talk_new(r, POSTERN_V4, i);

		talk_put(&t, FROM_CLIENT, TALK_SYN, 0);
		const struct rig_tcp s = rig_tcp_take(r);

		if (s.flags == TALK_SYN) {
			assert_int_equal(rig_member_number(&s.dst), 3);
			served++;
		}
	}
	assert_int_equal(served, CLIENTS);
	rig_free(r);
}

static void test_all_down(void **state)
{
	struct rig *r = rig_big(MEMBERS);

	(void)state;
	for (unsigned n = 0; n < MEMBERS; n++)
		set_health(r, POSTERN_V4, n, 0);
	for (unsigned i = 0; i < 100; i++) {
		struct talk t = talk_new(r, POSTERN_V4, i);

		talk_put(&t, FROM_CLIENT, TALK_SYN, 0);
		const struct rig_tcp rst = talk_take_reset(&t, FROM_CLIENT);

		assert_int_equal(rst.ack, t.next[FROM_CLIENT]);
	}
	assert_int_equal(rig_count(r, POSTERN_COUNTER_REFUSE_NO_MEMBER), 100);
	assert_int_equal(postern_sessions_in_use(r->dp), 0);
	// The other family is not touched.
	choose(r, POSTERN_V6, 1);
	rig_free(r);
}

// One healthy member of thirty-two, with the control half's table.
static void test_one_of_many(void **state)
{
	enum {
		MANY = RIG_MEMBERS_MAX
	};
	struct pool_maglev_input in[MANY];
	static char names[MANY][8];
	struct rig *r = rig_big(MANY);
	struct postern_snapshot *s = rig_snapshot(&r->world);

	(void)state;
	for (unsigned n = 0; n < MANY; n++) {
		snprintf(names[n], sizeof(names[n]), "e%u", n);
		in[n] = (struct pool_maglev_input){names[n], 1, (uint16_t)(RIG_MEMBER_V4 + n)};
		if (n != 17)
			set_health(r, POSTERN_V4, n, 0);
	}
	free(s->pools[0].maglev[POSTERN_V4].slots);
	assert_int_equal(pool_maglev_build(in, MANY, &s->pools[0].maglev[POSTERN_V4]), 0);
	rig_adopt_snapshot(r, s);
	for (unsigned i = 0; i < CLIENTS; i++)
		assert_int_equal(choose(r, POSTERN_V4, i), 17);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_appliances_agree),
		cmocka_unit_test(test_port_counts),
		cmocka_unit_test(test_spread),
		cmocka_unit_test(test_weights),
		cmocka_unit_test(test_down_moves_its_own),
		cmocka_unit_test(test_down_spreads),
		cmocka_unit_test(test_up_again),
		cmocka_unit_test(test_last_one_standing),
		cmocka_unit_test(test_all_down),
		cmocka_unit_test(test_one_of_many),
	};

	return cmocka_run_group_tests_name("steer_pick", tests, rig_use_cmocka, NULL);
}
