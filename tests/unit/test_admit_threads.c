// SPDX-License-Identifier: BSD-2-Clause
// Workers ask while control changes all that they read. Each answer must be whole: what stands in it
// belongs together. The thread sanitizer looks on.

#include "admit/admit.h"
#include "policy_rig.h"

#include <urcu-qsbr.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#define READERS 2
#define CHANGES 30000
#define DOMAINS 48

static struct postern_policy *policy;
static struct postern_domain domains[DOMAINS];
static struct postern_domain servers[2];
static struct postern_addr addresses[2]; // of the servers
static bool done;
static uint64_t seen[READERS][POSTERN_ROWS];

// ---- control

// An entry says the same thing twice: its id and its server are of one kind.
static void allow(unsigned i, unsigned kind)
{
	const struct postern_prefix prefix = {addresses[1], 64};
	const struct postern_allowed a = {
		.id = 1 + kind,
		.domain = domains[i],
		.suffix = i % 5 == 0,
		.proxy_fqdn = servers[kind],
		.prefixes = &prefix,
		.n_prefixes = i % 2,
		.monitored = kind == 1,
	};

	assert_int_equal(postern_policy_set_allowed(policy, RIG_ORGANISATION, &a), 0);
}

// So do facts: time and target.
static void found(unsigned i, unsigned kind)
{
	const struct postern_target t = {
		.name = servers[kind],
		.port = 5061,
		.addresses = &addresses[kind],
		.n_addresses = 1,
	};
	const struct postern_facts f = {
		.state = kind == 0 ? POSTERN_FACTS_GOOD : POSTERN_FACTS_NONE,
		.wall_us = 1 + kind,
		.targets = kind == 0 ? &t : NULL,
		.n_targets = kind == 0,
	};

	assert_int_equal(postern_policy_set_facts(policy, &domains[i], &f), 0);
}

static void change(unsigned n)
{
	const unsigned i = n * 7 % DOMAINS;

	switch (n / DOMAINS % 10) {
	case 0:
	case 1:
		allow(i, n & 1);
		break;
	case 2:
		found(i, n & 1);
		break;
	case 3:
		rig_block(policy, domains[i].text, i % 7 == 0);
		break;
	case 4:
	case 5:
		(void)postern_policy_remove_listed(policy, RIG_ORGANISATION, &domains[i]);
		break;
	case 6:
		(void)postern_policy_set_facts(policy, &domains[i], NULL);
		break;
	case 7:
		rig_switches(policy, n % 3 == 0);
		rig_provider(policy, n & 1 ? POSTERN_PROVIDER_PUBLIC : POSTERN_PROVIDER_HOSTING,
			servers[0].text, n % 4 < 2, false);
		break;
	case 8:
		assert_int_equal(
			postern_policy_set_host(policy, &servers[1], &addresses[n % 2], 1, n), 0);
		(void)postern_policy_work(policy, 10);
		break;
	default:
		if (postern_policy_set_own(policy, RIG_ORGANISATION, &domains[i]) == 0 &&
			n % 4 != 0)
			assert_int_equal(
				postern_policy_remove_own(policy, RIG_ORGANISATION, &domains[i]),
				0);
	}
}

// ---- a worker

static bool is_whole(const struct postern_answer *a)
{
	if (a->facts_wall_us != 0 && (a->facts_wall_us == 1) != (a->facts == POSTERN_FACTS_GOOD))
		return false;
	if (a->allowed != 0 && (a->allowed == 2) != a->monitored)
		return false;
	if (a->row == POSTERN_ROW_ALLOWED_DIRECT)
		return postern_domain_equal(&a->peer, &servers[a->allowed - 1]);
	return (a->row == POSTERN_ROW_BLOCKED) == (a->blocked != 0);
}

static void *work(void *mine)
{
	uint64_t *rows = mine;
	const struct postern_name proved = {servers[0].text, servers[0].length};
	bool whole = true;

	rcu_register_thread();
	for (unsigned n = 0; !__atomic_load_n(&done, __ATOMIC_RELAXED) && whole; n++) {
		struct postern_question q = {
			.organisation = RIG_ORGANISATION,
			.domain = &domains[n % DOMAINS],
			.address = addresses[n % 2],
			.names = &proved,
			.n_names = 1,
		};
		struct postern_answer a;

		admit_decide(policy, &q, &a);
		whole = is_whole(&a);
		if (n % 3 == 0) {
			// Nobody has said a name: whoever has that server's name or address.
			q.domain = NULL;
			q.proof = n % 2 ? POSTERN_PROOF_ADDRESS : POSTERN_PROOF_NAMES;
			admit_decide(policy, &q, &a);
			whole = whole && is_whole(&a);
		}
		__atomic_fetch_add(&rows[a.row], 1, __ATOMIC_RELAXED);
		if (n % 16 == 0)
			rcu_quiescent_state();
	}
	rcu_unregister_thread();
	return whole ? NULL : mine;
}

// Every row that the changes can lead to has been answered with.
static bool all_seen(void)
{
	static const enum postern_row wanted[] = {POSTERN_ROW_BLOCKED, POSTERN_ROW_ALLOWED_DIRECT,
		POSTERN_ROW_DISCOVERED, POSTERN_ROW_HOSTING_PROVIDER, POSTERN_ROW_OTHERWISE};

	for (unsigned i = 0; i < READERS; i++)
		for (size_t r = 0; r < sizeof(wanted) / sizeof(wanted[0]); r++)
			if (__atomic_load_n(&seen[i][wanted[r]], __ATOMIC_RELAXED) == 0)
				return false;
	return true;
}

static void answers_are_whole_while_tables_change(void **state)
{
	pthread_t readers[READERS];
	void *torn;

	(void)state;
	servers[0] = rig_domain("edge.one.example");
	servers[1] = rig_domain("edge.two.example");
	for (unsigned i = 0; i < DOMAINS; i++) {
		char text[128];

		// Some lie below others, some are too long to lie in an entry.
		snprintf(text, sizeof(text), "%s%sd%u.example", i % 3 == 0 ? "below." : "",
			i % 4 == 0 ? "a-label-of-which-there-are-many-characters.and-another-one-"
				     "of-the-same-kind.indeed."
				   : "",
			i % 3 == 0 ? i + 1 : i);
		domains[i] = rig_domain(text);
	}
	// Those of the two servers besides.
	const struct postern_policy_limits limits = {.domains = DOMAINS + 2, .index = true};

	assert_int_equal(postern_policy_new(&limits, &policy), 0);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(
			postern_addr_parse(i ? "2001:db8::1" : "192.0.2.1", &addresses[i]), 0);
	rig_switches(policy, true);
	for (unsigned i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, work, seen[i]), 0);
	for (unsigned n = 0; n < CHANGES || (n < 100 * CHANGES && !all_seen()); n++) {
		change(n);
		if (n % 32 == 0)
			sched_yield();
	}
	__atomic_store_n(&done, true, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < READERS; i++) {
		pthread_join(readers[i], &torn);
		assert_null(torn);
	}
	assert_true(all_seen());
	postern_policy_free(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(answers_are_whole_while_tables_change)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
