// SPDX-License-Identifier: BSD-2-Clause
// What is followed and wanted, on a clock of the test's own: when it is asked, what the tables come to
// know, what happens when DNS fails.

#include "dns_world.h"

// cmocka.h needs the four before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct postern_facts_copy facts;

static void test_followed_domain_is_known(void **state)
{
	struct world *w = world_new(1, NULL);

	(void)state;
	world_fabrikam(w);
	world_follow(w, "fabrikam.com", NULL);
	assert_int_equal(world_facts(w, "fabrikam.com", &facts), -ENOENT);
	world_run(w, SECOND);
	assert_int_equal(world_facts(w, "fabrikam.com", &facts), 0);
	assert_int_equal(facts.facts.state, POSTERN_FACTS_GOOD);
	assert_int_equal(facts.facts.n_targets, 1);
	assert_string_equal(facts.targets[0].name.text, "sip.fabrikam.com");
	assert_int_equal(facts.targets[0].port, 5061);
	assert_int_equal(facts.targets[0].n_addresses, 2);
	assert_int_equal(w->asked, 3);
	world_free(w);
}

// Between four and nine tenths of its time.
static void test_refreshed_before_its_end(void **state)
{
	struct world *w = world_new(1, NULL);

	(void)state;
	world_fabrikam(w);
	world_follow(w, "fabrikam.com", NULL);
	world_run(w, 2879 * (uint64_t)SECOND);
	assert_int_equal(w->asked, 3);
	world_run(w, 363 * (uint64_t)SECOND);
	assert_int_equal(w->asked, 6);
	world_free(w);
}

// The shortest of all TTLs counts, between floor and ceiling.
static void test_ttls_have_floor_and_ceiling(void **state)
{
	struct world *w = world_new(1, NULL);

	(void)state;
	world_srv(w, "fabrikam.com", 7 * 86400, 10, 0, "sip.fabrikam.com");
	world_address(w, "sip.fabrikam.com", 7 * 86400, "192.0.2.5");
	world_follow(w, "fabrikam.com", NULL);
	world_run(w, 3600 * (uint64_t)SECOND);
	assert_int_equal(w->asked, 6);
	world_free(w);

	w = world_new(1, NULL);
	world_srv(w, "fabrikam.com", 0, 10, 0, "sip.fabrikam.com");
	world_address(w, "sip.fabrikam.com", 3600, "192.0.2.5");
	world_follow(w, "fabrikam.com", NULL);
	world_run(w, 23 * (uint64_t)SECOND);
	assert_int_equal(w->asked, 3);
	world_run(w, 7 * (uint64_t)SECOND);
	// The address holds for longer, and is not asked for again.
	assert_int_equal(w->asked, 4);
	world_free(w);
}

static void test_moved_partner(void **state)
{
	struct world *w = world_new(1, NULL);

	(void)state;
	world_srv(w, "fabrikam.com", 60, 10, 0, "sip.fabrikam.com");
	world_address(w, "sip.fabrikam.com", 60, "192.0.2.5");
	world_follow(w, "fabrikam.com", NULL);
	world_run(w, SECOND);
	world_forget(w, "sip.fabrikam.com");
	world_address(w, "sip.fabrikam.com", 60, "192.0.2.77");
	world_run(w, 60 * (uint64_t)SECOND);
	assert_int_equal(world_facts(w, "fabrikam.com", &facts), 0);
	assert_int_equal(facts.targets[0].n_addresses, 1);
	assert_int_equal(facts.addresses[0][0].bytes[15], 77);
	world_free(w);
}

// The last good answer stays, marked, and goes when it has been kept for long enough.
static void test_last_good_answer_is_kept(void **state)
{
	struct discovery_settings s;

	(void)state;
	discovery_settings_default(&s);
	s.keep_s = 600;
	struct world *w = world_new(1, &s);

	world_srv(w, "fabrikam.com", 60, 10, 0, "sip.fabrikam.com");
	world_address(w, "sip.fabrikam.com", 60, "192.0.2.5");
	world_follow(w, "fabrikam.com", NULL);
	world_run(w, SECOND);
	snprintf(w->odd, sizeof(w->odd), "fabrikam.com");
	w->odd_mood = WORLD_FAILS;
	world_run(w, 120 * (uint64_t)SECOND);
	assert_int_equal(world_facts(w, "fabrikam.com", &facts), 0);
	assert_int_equal(facts.facts.state, POSTERN_FACTS_FAILED);
	assert_int_equal(facts.facts.n_targets, 1);
	assert_int_equal(facts.targets[0].n_addresses, 1);
	assert_true(world_counted(w, DISCOVERY_STALE_COUNT) > 0);
	// 60 s of its own and 600 s kept.
	world_run(w, 530 * (uint64_t)SECOND);
	assert_int_equal(world_facts(w, "fabrikam.com", &facts), 0);
	assert_int_equal(facts.facts.n_targets, 1);
	world_run(w, 20 * (uint64_t)SECOND);
	assert_int_equal(world_facts(w, "fabrikam.com", &facts), 0);
	assert_int_equal(facts.facts.state, POSTERN_FACTS_FAILED);
	assert_int_equal(facts.facts.n_targets, 0);
	assert_int_equal(world_counted(w, DISCOVERY_EXPIRED_COUNT), 1);
	// And it comes back.
	w->odd_mood = WORLD_ANSWERS;
	world_run(w, 20 * MINUTE);
	assert_int_equal(world_facts(w, "fabrikam.com", &facts), 0);
	assert_int_equal(facts.facts.state, POSTERN_FACTS_GOOD);
	world_free(w);
}

// That it is gone is an answer, and holds for as long as its SOA says.
static void test_negative_answer(void **state)
{
	struct world *w = world_new(1, NULL);

	(void)state;
	w->negative_ttl = 100;
	world_follow(w, "fabrikam.com", NULL);
	world_run(w, SECOND);
	assert_int_equal(world_facts(w, "fabrikam.com", &facts), 0);
	assert_int_equal(facts.facts.state, POSTERN_FACTS_NONE);
	world_fabrikam(w);
	world_run(w, 78 * (uint64_t)SECOND);
	assert_int_equal(w->asked, 1);
	world_run(w, 21 * (uint64_t)SECOND);
	assert_int_equal(world_facts(w, "fabrikam.com", &facts), 0);
	assert_int_equal(facts.facts.state, POSTERN_FACTS_GOOD);
	world_free(w);
}

// A forged answer withdraws what was known; a plain failure does not.
static void test_bogus_counts_as_no_answer(void **state)
{
	struct world *w = world_new(2, NULL);

	(void)state;
	world_srv(w, "fabrikam.com", 60, 10, 0, "sip.fabrikam.com");
	world_address(w, "sip.fabrikam.com", 60, "192.0.2.5");
	world_follow(w, "fabrikam.com", NULL);
	world_run(w, SECOND);
	snprintf(w->odd, sizeof(w->odd), "fabrikam.com");
	w->odd_mood = WORLD_BOGUS;
	const uint64_t asked = w->asked;

	world_run(w, 60 * (uint64_t)SECOND);
	assert_int_equal(world_facts(w, "fabrikam.com", &facts), 0);
	assert_int_equal(facts.facts.state, POSTERN_FACTS_NONE);
	assert_int_equal(facts.facts.n_targets, 0);
	// No other resolver is asked for what failed validation.
	assert_int_equal(w->asked, asked + 1);
	assert_int_equal(world_counted(w, DISCOVERY_BOGUS_COUNT), 1);
	world_free(w);
}

static void test_no_service(void **state)
{
	struct world *w = world_new(1, NULL);

	(void)state;
	world_srv(w, "fabrikam.com", 60, 0, 0, ".");
	world_follow(w, "fabrikam.com", NULL);
	world_run(w, SECOND);
	assert_int_equal(world_facts(w, "fabrikam.com", &facts), 0);
	assert_int_equal(facts.facts.state, POSTERN_FACTS_NONE);
	assert_int_equal(w->asked, 1);
	world_free(w);
}

// An alias whose end the resolver does not tell is followed; a circle of them ends.
static void test_aliases_are_followed(void **state)
{
	struct world *w = world_new(1, NULL);

	(void)state;
	world_srv(w, "fabrikam.com", 3600, 10, 0, "sip.fabrikam.com");
	world_alias(w, "sip.fabrikam.com", 3600, "edge.hoster.net");
	world_address(w, "edge.hoster.net", 3600, "192.0.2.9");
	world_srv(w, "circle.com", 3600, 10, 0, "a.circle.com");
	world_alias(w, "a.circle.com", 3600, "b.circle.com");
	world_alias(w, "b.circle.com", 3600, "a.circle.com");
	world_follow(w, "fabrikam.com", NULL);
	world_follow(w, "circle.com", NULL);
	world_run(w, 10 * SECOND);
	assert_int_equal(world_facts(w, "fabrikam.com", &facts), 0);
	assert_int_equal(facts.targets[0].n_addresses, 1);
	assert_int_equal(world_facts(w, "circle.com", &facts), 0);
	assert_int_equal(facts.targets[0].n_addresses, 0);
	assert_true(w->asked < 40);
	world_free(w);
}

static void test_hosts_are_asked_once_for_many_domains(void **state)
{
	struct world *w = world_new(1, NULL);

	(void)state;
	for (int i = 0; i < 50; i++) {
		char domain[64];

		snprintf(domain, sizeof(domain), "d%d.example", i);
		world_srv(w, domain, 3600, 0, 0, "edge.hoster.net");
		world_follow(w, domain, NULL);
	}
	world_address(w, "edge.hoster.net", 3600, "192.0.2.9");
	world_run(w, SECOND);
	assert_int_equal(w->asked, 52);
	assert_int_equal(world_facts(w, "d49.example", &facts), 0);
	assert_int_equal(facts.targets[0].n_addresses, 1);
	world_free(w);
}

static void test_proxy_fqdn_is_followed(void **state)
{
	struct world *w = world_new(1, NULL);
	const struct postern_domain host = world_name("edge.fabrikam.com");
	struct postern_addr addresses[POSTERN_ADDRESSES_MAX];
	uint64_t since;

	(void)state;
	world_address(w, "edge.fabrikam.com", 60, "192.0.2.9");
	world_follow(w, "fabrikam.com", "edge.fabrikam.com");
	world_run(w, SECOND);
	assert_int_equal(w->asked, 2);
	assert_int_equal(postern_policy_get_host(w->tables, &host, addresses, &since), 1);
	assert_int_equal(addresses[0].bytes[15], 9);
	world_forget(w, "edge.fabrikam.com");
	world_address(w, "edge.fabrikam.com", 60, "192.0.2.10");
	world_address(w, "edge.fabrikam.com", 60, "192.0.2.8");
	world_run(w, MINUTE);
	assert_int_equal(postern_policy_get_host(w->tables, &host, addresses, &since), 2);
	assert_int_equal(addresses[0].bytes[15], 8);
	// By SRV from now on: the host is forgotten.
	world_follow(w, "fabrikam.com", NULL);
	assert_int_equal(postern_policy_get_host(w->tables, &host, addresses, &since), 0);
	world_run(w, SECOND);
	assert_int_equal(world_facts(w, "fabrikam.com", &facts), 0);
	world_free(w);
}

static void test_unfollowed_is_forgotten(void **state)
{
	struct world *w = world_new(1, NULL);
	const struct postern_domain name = world_name("fabrikam.com");
	struct postern_allowed a = {.id = 7, .domain = name};
	struct discovery_item item;

	(void)state;
	world_fabrikam(w);
	world_follow(w, "fabrikam.com", NULL);
	world_follow(w, "fabrikam.com", NULL);
	assert_int_equal(discovery_follow_allowed(w->d, 2, &a), 0);
	assert_int_equal(discovery_follow_allowed(w->d, 3, &a), 0);
	world_run(w, SECOND);
	discovery_unfollow_listed(w->d, 2, &name);
	discovery_unfollow_listed(w->d, 1, &name);
	assert_int_equal(discovery_find(w->d, &name, false, &item), 0);
	assert_true(item.followed);
	discovery_unfollow_listed(w->d, 1, &name);
	discovery_unfollow_listed(w->d, 3, &name);
	assert_int_equal(discovery_find(w->d, &name, false, &item), -ENOENT);
	assert_int_equal(world_facts(w, "fabrikam.com", &facts), -ENOENT);
	world_free(w);
}

// Nothing depends on SRV records where all goes by the default route.
static void test_default_route(void **state)
{
	struct world *w = world_new(1, NULL);
	struct postern_switches s;
	struct postern_addr addresses[POSTERN_ADDRESSES_MAX];
	uint64_t since;

	(void)state;
	world_fabrikam(w);
	world_address(w, "route.contoso.com", 3600, "192.0.2.1");
	postern_switches_default(&s);
	s.default_route = world_name("route.contoso.com");
	assert_int_equal(discovery_follow_switches(w->d, 1, &s), 0);
	world_follow(w, "fabrikam.com", NULL);
	world_run(w, SECOND);
	assert_int_equal(w->asked, 2);
	assert_int_equal(
		postern_policy_get_host(w->tables, &s.default_route, addresses, &since), 1);
	s.default_route = (struct postern_domain){0};
	assert_int_equal(discovery_follow_switches(w->d, 1, &s), 0);
	world_run(w, SECOND);
	assert_int_equal(world_facts(w, "fabrikam.com", &facts), 0);
	assert_int_equal(facts.facts.state, POSTERN_FACTS_GOOD);
	world_free(w);
}

struct told {
	unsigned n;
	enum postern_facts_state state;
	bool overloaded;
	struct world *w;
};

static void on_told(void *user, const struct discovery_told *told)
{
	struct told *t = user;

	t->n++;
	t->state = told->state;
	t->overloaded = told->overloaded;
	// The tables come first.
	if (!told->overloaded)
		assert_int_equal(postern_policy_get_facts(t->w->tables, told->domain, &facts), 0);
}

static void test_wanted_domain(void **state)
{
	struct world *w = world_new(1, NULL);
	const struct postern_domain name = world_name("fabrikam.com");
	struct told t = {.w = w};
	struct discovery_item item;

	(void)state;
	world_fabrikam(w);
	for (int i = 0; i < 5; i++)
		assert_int_equal(discovery_wanted(w->d, &name, false, on_told, &t, NULL), 0);
	assert_int_equal(t.n, 0);
	world_run(w, SECOND);
	assert_int_equal(t.n, 5);
	assert_int_equal(t.state, POSTERN_FACTS_GOOD);
	assert_int_equal(w->asked, 3);
	// From what holds still, unless it must be fresh.
	assert_int_equal(discovery_wanted(w->d, &name, false, on_told, &t, NULL), 0);
	world_run(w, SECOND);
	assert_int_equal(t.n, 6);
	assert_int_equal(w->asked, 3);
	assert_int_equal(discovery_wanted(w->d, &name, true, on_told, &t, NULL), 0);
	world_run(w, SECOND);
	assert_int_equal(t.n, 7);
	assert_int_equal(w->asked, 6);
	// In the end it is forgotten.
	world_run(w, 130 * MINUTE);
	assert_int_equal(discovery_find(w->d, &name, false, &item), -ENOENT);
	assert_int_equal(world_facts(w, "fabrikam.com", &facts), -ENOENT);
	world_free(w);
}

static void test_cancelled_wait(void **state)
{
	struct world *w = world_new(1, NULL);
	const struct postern_domain name = world_name("fabrikam.com");
	struct told t = {.w = w};
	struct discovery_wait *first, *second;

	(void)state;
	world_fabrikam(w);
	assert_int_equal(discovery_wanted(w->d, &name, false, on_told, &t, &first), 0);
	assert_int_equal(discovery_wanted(w->d, &name, false, on_told, &t, &second), 0);
	discovery_wait_cancel(first);
	world_run(w, SECOND);
	assert_int_equal(t.n, 1);
	assert_int_equal(discovery_wanted(w->d, &name, false, on_told, &t, &first), 0);
	discovery_wait_cancel(first);
	world_run(w, SECOND);
	assert_int_equal(t.n, 1);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_followed_domain_is_known),
		cmocka_unit_test(test_refreshed_before_its_end),
		cmocka_unit_test(test_ttls_have_floor_and_ceiling),
		cmocka_unit_test(test_moved_partner),
		cmocka_unit_test(test_last_good_answer_is_kept),
		cmocka_unit_test(test_negative_answer),
		cmocka_unit_test(test_bogus_counts_as_no_answer),
		cmocka_unit_test(test_no_service),
		cmocka_unit_test(test_aliases_are_followed),
		cmocka_unit_test(test_hosts_are_asked_once_for_many_domains),
		cmocka_unit_test(test_proxy_fqdn_is_followed),
		cmocka_unit_test(test_unfollowed_is_forgotten),
		cmocka_unit_test(test_default_route),
		cmocka_unit_test(test_wanted_domain),
		cmocka_unit_test(test_cancelled_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
