// SPDX-License-Identifier: BSD-2-Clause
// What is decided of addresses beforehand is what would be decided now: over random changes, while the
// table grows and shrinks, when memory is refused; and a worker never misses an address that stays.

#include "admit/private.h"
#include "policy_rig.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#define DOMAINS   3000
#define ADDRESSES 4096
#define STEPS     60000

static struct postern_policy *policy;
static struct postern_domain domains[DOMAINS];

static struct postern_addr address(unsigned n)
{
	if (n % 2 == 0)
		return postern_addr_from_v4(htobe32(0x0a000000u + n));
	return (struct postern_addr){.words = {htobe32(0x20010db8u), 0, 0, htobe32(n)}};
}

static int setup(void **state)
{
	const struct postern_policy_limits limits = {.domains = 2 * DOMAINS, .index = true};
	char name[32];

	(void)state;
	assert_int_equal(postern_policy_new(&limits, &policy), 0);
	rig_switches(policy, false);
	for (unsigned i = 0; i < DOMAINS; i++) {
		snprintf(name, sizeof(name), "d%u.example", i);
		domains[i] = rig_domain(name);
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	postern_policy_free(policy);
	return 0;
}

static void work(void)
{
	while (postern_policy_work(policy, 1000) > 0)
		;
}

static void found(unsigned i, unsigned at, bool within)
{
	const struct postern_addr addresses[] = {address(at), address(at * 7 + 1)};
	char name[64];
	struct postern_target t = {.port = 5061, .addresses = addresses, .n_addresses = 2};
	const struct postern_facts f = {.state = POSTERN_FACTS_GOOD, .targets = &t, .n_targets = 1};

	snprintf(name, sizeof(name), within ? "sip.%s" : "sip%s", domains[i].text);
	t.name = rig_domain(name);
	assert_int_equal(postern_policy_set_facts(policy, &domains[i], &f), 0);
}

static void allow(unsigned i, unsigned n_prefixes)
{
	const struct postern_prefix prefixes[] = {{address(2 * i), 32 - i % 8}, {address(1), 120}};
	struct postern_allowed a = rig_allowed(domains[i].text, i % 3 == 0 ? "edge.net" : NULL);

	a.prefixes = prefixes;
	a.n_prefixes = n_prefixes;
	a.admission = i % 11 == 0 ? POSTERN_ADMISSION_OBSERVE : POSTERN_ADMISSION_ENFORCE;
	assert_int_equal(postern_policy_set_allowed(policy, RIG_ORGANISATION, &a), 0);
}

static void change(unsigned step)
{
	const unsigned i = (unsigned)rand() % DOMAINS;

	switch (rand() % 8) {
	case 0:
	case 1:
	case 2:
		found(i, (unsigned)rand() % ADDRESSES, rand() % 4 != 0);
		break;
	case 3:
		(void)postern_policy_set_facts(policy, &domains[i], NULL);
		break;
	case 4:
		rig_block(policy, domains[i].text, false);
		break;
	case 5:
		(void)postern_policy_remove_listed(policy, RIG_ORGANISATION, &domains[i]);
		break;
	default:
		allow(i, i % 40 == 0 ? 2 : 0);
	}
	if (step % 5000 == 77)
		rig_provider(policy, POSTERN_PROVIDER_HOSTING, "sip.d1.example", step % 2, false);
	if (step % 1000 == 500)
		(void)postern_policy_work(policy, 300);
}

static void check(unsigned n)
{
	const struct postern_question q = {.organisation = RIG_ORGANISATION,
		.proof = POSTERN_PROOF_ADDRESS,
		.address = address(n)};
	struct postern_answer a;
	struct admit_verdict v;

	postern_policy_decide(policy, &q, &a);
	admit_address(policy, RIG_ORGANISATION, &q.address, &v);
	if (v.outcome != a.outcome || v.row != a.row || v.reason != a.reason ||
		v.admission != a.admission)
		fail_msg("address %u: row %s instead of %s", n,
			postern_row_name((enum postern_row)v.row), postern_row_name(a.row));
}

static void as_if_decided_now(void **state)
{
	(void)state;
	srand(1);
	for (unsigned step = 0; step < STEPS; step++) {
		change(step);
		check((unsigned)rand() % ADDRESSES);
		if (step % 10000 == 0)
			for (unsigned n = 0; n < ADDRESSES; n++)
				check(n);
	}
	work();
	for (unsigned n = 0; n < ADDRESSES; n++)
		check(n);
	// Without partners nothing is left but room.
	for (unsigned i = 0; i < DOMAINS; i++) {
		(void)postern_policy_remove_listed(policy, RIG_ORGANISATION, &domains[i]);
		(void)postern_policy_set_facts(policy, &domains[i], NULL);
	}
	for (unsigned n = 0; n < ADDRESSES; n++)
		check(n);
	// Another organisation's partners are not this one's.
	struct admit_verdict v;
	const struct postern_addr a = address(2);

	allow(1, 1);
	admit_address(policy, RIG_ORGANISATION, &a, &v);
	assert_int_equal(v.outcome, POSTERN_ADMIT);
	admit_address(policy, RIG_ORGANISATION + 1, &a, &v);
	assert_int_equal(v.outcome, POSTERN_REFUSE);
	assert_int_equal(v.reason, POSTERN_REASON_NO_ORGANISATION);
}

// ---- while workers ask

static bool done;
static uint64_t asked;

static void *worker(void *user)
{
	const struct postern_addr stays = address(2), never = address(ADDRESSES + 4);

	(void)user;
	rcu_register_thread();
	while (!__atomic_load_n(&done, __ATOMIC_RELAXED)) {
		struct admit_verdict v;

		admit_address_prefetch(policy, RIG_ORGANISATION, &stays);
		admit_address(policy, RIG_ORGANISATION, &stays, &v);
		if (v.outcome != POSTERN_ADMIT)
			fail_msg("an address that stays was missed");
		admit_address(policy, RIG_ORGANISATION, &never, &v);
		if (v.outcome != POSTERN_REFUSE)
			fail_msg("an address that nobody has was found");
		__atomic_fetch_add(&asked, 1, __ATOMIC_RELAXED);
		rcu_quiescent_state();
	}
	rcu_unregister_thread();
	return NULL;
}

// The table is copied several times, and what is removed leaves room that is used again.
static void nothing_is_missed(void **state)
{
	pthread_t threads[2];

	(void)state;
	allow(1, 1);
	done = false;
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, worker, NULL), 0);
	while (__atomic_load_n(&asked, __ATOMIC_RELAXED) == 0)
		sched_yield();
	for (unsigned round = 0; round < 4; round++) {
		for (unsigned i = 2; i < DOMAINS; i++) {
			const struct postern_allowed a = rig_allowed(domains[i].text, NULL);

			found(i, 100 + i, true);
			assert_int_equal(
				postern_policy_set_allowed(policy, RIG_ORGANISATION, &a), 0);
		}
		for (unsigned i = 2; i < DOMAINS; i++)
			assert_int_equal(
				postern_policy_remove_listed(policy, RIG_ORGANISATION, &domains[i]),
				0);
	}
	__atomic_store_n(&done, true, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(as_if_decided_now, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_is_missed, setup, teardown),
	};

	return cmocka_run_group_tests_name("admit_verdict", tests, NULL, NULL);
}
