// SPDX-License-Identifier: BSD-2-Clause
// What is followed and wanted, on a clock of the test's own: when it is asked, what the tables come to
// know, what happens when DNS fails, and who must not wait for whom.

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

#define SECOND 1000000u
#define MINUTE (60 * (uint64_t)SECOND)

static struct postern_facts_copy facts;

static int ask_tables(struct world *w, const char *domain)
{
	const struct postern_domain name = world_name(domain);

	return postern_policy_get_facts(w->tables, &name, &facts);
}

static uint64_t counted(struct world *w, enum discovery_counter c)
{
	struct discovery_stats s;

	discovery_read(w->d, &s);
	return s.counters[c];
}

static void fabrikam(struct world *w)
{
	world_srv(w, "fabrikam.com", 3600, 10, 0, "sip.fabrikam.com");
	world_address(w, "sip.fabrikam.com", 3600, "192.0.2.5");
	world_address(w, "sip.fabrikam.com", 3600, "2001:db8::5");
}

static void test_followed_domain_is_known(void **state)
{
	struct world *w = world_new(1, NULL);

	(void)state;
	fabrikam(w);
	world_follow(w, "fabrikam.com", NULL);
	assert_int_equal(ask_tables(w, "fabrikam.com"), -ENOENT);
	world_run(w, SECOND);
	assert_int_equal(ask_tables(w, "fabrikam.com"), 0);
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
	fabrikam(w);
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
	assert_int_equal(ask_tables(w, "fabrikam.com"), 0);
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
	assert_int_equal(ask_tables(w, "fabrikam.com"), 0);
	assert_int_equal(facts.facts.state, POSTERN_FACTS_FAILED);
	assert_int_equal(facts.facts.n_targets, 1);
	assert_int_equal(facts.targets[0].n_addresses, 1);
	assert_true(counted(w, DISCOVERY_STALE_COUNT) > 0);
	// 60 s of its own and 600 s kept.
	world_run(w, 530 * (uint64_t)SECOND);
	assert_int_equal(ask_tables(w, "fabrikam.com"), 0);
	assert_int_equal(facts.facts.n_targets, 1);
	world_run(w, 20 * (uint64_t)SECOND);
	assert_int_equal(ask_tables(w, "fabrikam.com"), 0);
	assert_int_equal(facts.facts.state, POSTERN_FACTS_FAILED);
	assert_int_equal(facts.facts.n_targets, 0);
	assert_int_equal(counted(w, DISCOVERY_EXPIRED_COUNT), 1);
	// And it comes back.
	w->odd_mood = WORLD_ANSWERS;
	world_run(w, 20 * MINUTE);
	assert_int_equal(ask_tables(w, "fabrikam.com"), 0);
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
	assert_int_equal(ask_tables(w, "fabrikam.com"), 0);
	assert_int_equal(facts.facts.state, POSTERN_FACTS_NONE);
	fabrikam(w);
	world_run(w, 78 * (uint64_t)SECOND);
	assert_int_equal(w->asked, 1);
	world_run(w, 21 * (uint64_t)SECOND);
	assert_int_equal(ask_tables(w, "fabrikam.com"), 0);
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
	assert_int_equal(ask_tables(w, "fabrikam.com"), 0);
	assert_int_equal(facts.facts.state, POSTERN_FACTS_NONE);
	assert_int_equal(facts.facts.n_targets, 0);
	// No other resolver is asked for what failed validation.
	assert_int_equal(w->asked, asked + 1);
	assert_int_equal(counted(w, DISCOVERY_BOGUS_COUNT), 1);
	world_free(w);
}

static void test_no_service(void **state)
{
	struct world *w = world_new(1, NULL);

	(void)state;
	world_srv(w, "fabrikam.com", 60, 0, 0, ".");
	world_follow(w, "fabrikam.com", NULL);
	world_run(w, SECOND);
	assert_int_equal(ask_tables(w, "fabrikam.com"), 0);
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
	assert_int_equal(ask_tables(w, "fabrikam.com"), 0);
	assert_int_equal(facts.targets[0].n_addresses, 1);
	assert_int_equal(ask_tables(w, "circle.com"), 0);
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
	assert_int_equal(ask_tables(w, "d49.example"), 0);
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
	assert_int_equal(ask_tables(w, "fabrikam.com"), 0);
	world_free(w);
}

static void test_unfollowed_is_forgotten(void **state)
{
	struct world *w = world_new(1, NULL);
	const struct postern_domain name = world_name("fabrikam.com");
	struct postern_allowed a = {.id = 7, .domain = name};
	struct discovery_item item;

	(void)state;
	fabrikam(w);
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
	assert_int_equal(ask_tables(w, "fabrikam.com"), -ENOENT);
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
	fabrikam(w);
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
	assert_int_equal(ask_tables(w, "fabrikam.com"), 0);
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
	fabrikam(w);
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
	assert_int_equal(ask_tables(w, "fabrikam.com"), -ENOENT);
	world_free(w);
}

static void test_cancelled_wait(void **state)
{
	struct world *w = world_new(1, NULL);
	const struct postern_domain name = world_name("fabrikam.com");
	struct told t = {.w = w};
	struct discovery_wait *first, *second;

	(void)state;
	fabrikam(w);
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

// Domains that answer are not held up by ten thousand that do not.
static void test_silent_domains_delay_no_other(void **state)
{
	struct world *w = world_new(1, NULL);
	const struct postern_domain name = world_name("fabrikam.com");
	struct told t = {.w = w};
	char domain[64];

	(void)state;
	fabrikam(w);
	world_follow(w, "fabrikam.com", NULL);
	world_run(w, SECOND);
	snprintf(w->odd, sizeof(w->odd), ".silent.example");
	w->odd_mood = WORLD_SILENT;
	for (int i = 0; i < 5000; i++) {
		snprintf(domain, sizeof(domain), "f%d.silent.example", i);
		world_follow(w, domain, NULL);
		snprintf(domain, sizeof(domain), "w%d.silent.example", i);
		const struct postern_domain other = world_name(domain);

		assert_int_equal(discovery_wanted(w->d, &other, false, on_told, &t, NULL), 0);
	}
	world_run(w, 2 * SECOND);
	t = (struct told){.w = w};
	assert_int_equal(discovery_wanted(w->d, &name, true, on_told, &t, NULL), 0);
	world_run(w, 20000);
	assert_int_equal(t.n, 1);
	assert_int_equal(t.state, POSTERN_FACTS_GOOD);
	assert_true(w->most_pending <= 1000);
	world_free(w);
}

// Those who wait in vain are told within the time that they have.
static void test_waiting_has_an_end(void **state)
{
	struct world *w = world_new(1, NULL);
	struct told t = {.w = w};
	char domain[64];

	(void)state;
	w->resolver[0] = WORLD_SILENT;
	for (int i = 0; i < 5000; i++) {
		snprintf(domain, sizeof(domain), "w%d.example", i);
		const struct postern_domain other = world_name(domain);

		assert_int_equal(discovery_wanted(w->d, &other, false, on_told, &t, NULL), 0);
	}
	world_run(w, 9 * SECOND);
	assert_int_equal(t.n, 5000);
	assert_true(counted(w, DISCOVERY_OVERLOAD_COUNT) > 0);
	world_free(w);
}

static void test_resolvers_take_turns(void **state)
{
	struct world *w = world_new(3, NULL);
	char domain[64];

	(void)state;
	for (int i = 0; i < 300; i++) {
		snprintf(domain, sizeof(domain), "d%d.example", i);
		world_follow(w, domain, NULL);
	}
	world_run(w, SECOND);
	for (int i = 0; i < 3; i++)
		assert_int_equal(w->asked_of[i], 100);
	world_free(w);
}

// One that is dead costs the first questions a second, and then nothing but trials.
static void test_dead_resolver_rests(void **state)
{
	struct world *w = world_new(2, NULL);
	struct discovery_stats s;
	char domain[64];

	(void)state;
	w->resolver[1] = WORLD_SILENT;
	for (int i = 0; i < 40; i++) {
		snprintf(domain, sizeof(domain), "d%d.example", i);
		world_follow(w, domain, NULL);
	}
	// A second for their time, and one for the trial.
	world_run(w, 3 * SECOND);
	discovery_read(w->d, &s);
	assert_true(s.resolvers[1].resting);
	assert_int_not_equal(s.resolvers[1].failing_us, 0);
	assert_int_equal(s.failing, 0);
	const uint64_t before = w->asked_of[1];

	for (int i = 0; i < 200; i++) {
		snprintf(domain, sizeof(domain), "e%d.example", i);
		world_follow(w, domain, NULL);
	}
	world_run(w, 30 * SECOND);
	assert_in_range(w->asked_of[1] - before, 1, 10);
	// It comes back.
	w->resolver[1] = WORLD_ANSWERS;
	world_run(w, 31 * SECOND);
	discovery_read(w->d, &s);
	assert_false(s.resolvers[1].resting);
	assert_int_equal(s.resolvers[1].failing_us, 0);
	world_free(w);
}

static void test_other_resolver_is_asked(void **state)
{
	static const enum world_mood moods[] = {
		WORLD_FAILS, WORLD_SILENT, WORLD_RUBBISH, WORLD_REFUSES};

	(void)state;
	for (unsigned i = 0; i < sizeof(moods) / sizeof(moods[0]); i++) {
		struct world *w = world_new(2, NULL);

		fabrikam(w);
		w->resolver[0] = moods[i];
		world_follow(w, "fabrikam.com", NULL);
		world_run(w, 10 * SECOND);
		assert_int_equal(ask_tables(w, "fabrikam.com"), 0);
		assert_int_equal(facts.facts.state, POSTERN_FACTS_GOOD);
		world_free(w);
	}
}

static void test_no_resolver(void **state)
{
	struct world *w = world_new(0, NULL);
	const struct postern_domain name = world_name("fabrikam.com");
	struct told t = {.w = w};

	(void)state;
	assert_int_equal(discovery_wanted(w->d, &name, false, on_told, &t, NULL), 0);
	world_run(w, SECOND);
	assert_int_equal(t.n, 1);
	assert_int_equal(t.state, POSTERN_FACTS_FAILED);
	world_free(w);
}

// Domains that nobody follows are bounded in number; those wanted again stay for longest.
static void test_unfollowed_are_bounded(void **state)
{
	struct world *w = world_new(1, NULL);
	struct told t = {.w = w};
	struct discovery_stats s;
	char domain[64];

	(void)state;
	for (int i = 0; i < 101000; i++) {
		snprintf(domain, sizeof(domain), "w%d.example", i);
		const struct postern_domain other = world_name(domain);

		assert_int_equal(discovery_wanted(w->d, &other, false, on_told, &t, NULL), 0);
		if (i % 1000 == 999)
			world_run(w, 100000);
	}
	world_run(w, SECOND);
	discovery_read(w->d, &s);
	assert_in_range(s.discovered, 99000, 100000);
	assert_in_range(s.counters[DISCOVERY_EVICTED_COUNT], 1000, 2000);
	assert_int_equal(t.n, 101000);
	world_free(w);
}

// What nobody waits for keeps to its rate, at start too.
static void test_rate_at_start(void **state)
{
	struct discovery_settings s;
	char domain[64];

	(void)state;
	discovery_settings_default(&s);
	s.rate = 100;
	struct world *w = world_new(1, &s);

	for (int i = 0; i < 2000; i++) {
		snprintf(domain, sizeof(domain), "d%d.example", i);
		world_follow(w, domain, NULL);
	}
	world_run(w, 10 * SECOND);
	assert_in_range(w->asked, 990, 1020);
	world_free(w);
}

// A partner that is allowed while twenty thousand are asked for does not wait for them.
static void test_new_partner_goes_first(void **state)
{
	struct world *w = world_new(1, NULL);
	char domain[64];

	(void)state;
	for (int i = 0; i < 20000; i++) {
		snprintf(domain, sizeof(domain), "d%d.example", i);
		world_follow(w, domain, NULL);
	}
	world_run(w, 2 * SECOND);
	fabrikam(w);
	world_follow(w, "fabrikam.com", NULL);
	world_run(w, 100000);
	assert_int_equal(ask_tables(w, "fabrikam.com"), 0);
	assert_int_equal(facts.facts.state, POSTERN_FACTS_GOOD);
	world_free(w);
}

// At the rate that they need, no answer ends before the next has come.
static void test_refreshes_keep_up(void **state)
{
	struct discovery_settings s;
	struct discovery_stats stats;
	struct discovery_item item;
	char domain[64];

	(void)state;
	discovery_settings_default(&s);
	s.rate = 20; // 10,000 domains, one question each, within 15 minutes
	struct world *w = world_new(1, &s);

	w->negative_ttl = 900;
	for (int i = 0; i < 10000; i++) {
		snprintf(domain, sizeof(domain), "d%d.example", i);
		world_follow(w, domain, NULL);
	}
	for (int round = 0; round < 12; round++) {
		world_run(w, 5 * MINUTE);
		discovery_read(w->d, &stats);
		if (round < 2)
			continue;
		// A tenth of the time is left when the last of them is due.
		assert_true(stats.late_us <= 30 * SECOND);
		const uint64_t now = w->now + 1000000000000000u;

		for (int i = 0; i < 10000; i += 97) {
			snprintf(domain, sizeof(domain), "d%d.example", i);
			const struct postern_domain name = world_name(domain);

			assert_int_equal(discovery_find(w->d, &name, false, &item), 0);
			assert_true(item.ends_us >= now);
		}
	}
	world_free(w);
}

static uint32_t draw(void *user, uint32_t below)
{
	uint64_t *x = user;

	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return (uint32_t)((*x >> 32) % below);
}

// Priority first; then weights are shares, and 0 a small one.
static void test_order_by_weight(void **state)
{
	static const unsigned weights[] = {0, 10, 30, 60};
	unsigned first[4] = {0};
	uint64_t seed = 88172645463325252u;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		struct discovery_record r[5] = {{.priority = 20, .weight = 1000, .port = 4}};

		for (unsigned k = 0; k < 4; k++) {
			r[k + 1].priority = 10;
			r[k + 1].weight = (uint16_t)weights[k];
			r[k + 1].port = (uint16_t)k;
		}
		order_records(r, 5, DISCOVERY_ORDER_RFC2782, draw, &seed);
		assert_int_equal(r[4].port, 4);
		first[r[0].port]++;
	}
	// Of 101 numbers that may be drawn, 0 to 100.
	assert_in_range(first[0], 800, 1200);
	assert_in_range(first[1], 9400, 10400);
	assert_in_range(first[2], 29000, 30500);
	assert_in_range(first[3], 58500, 60300);
}

static void test_order_of_partners(void **state)
{
	struct discovery_record r[] = {
		{.priority = 10, .weight = 5, .port = 1},
		{.priority = 10, .weight = 5, .port = 2},
		{.priority = 10, .weight = 9, .port = 3},
		{.priority = 5, .weight = 0, .port = 4},
	};

	(void)state;
	order_records(r, 4, DISCOVERY_ORDER_PARTNER, NULL, NULL);
	assert_int_equal(r[0].port, 4);
	assert_int_equal(r[1].port, 3);
	assert_int_equal(r[2].port, 1);
	assert_int_equal(r[3].port, 2);
}

static void test_long_failure_is_told(void **state)
{
	struct world *w = world_new(1, NULL);
	struct discovery_stats stats;

	(void)state;
	w->resolver[0] = WORLD_FAILS;
	world_follow(w, "fabrikam.com", NULL);
	world_run(w, 5 * MINUTE);
	discovery_read(w->d, &stats);
	assert_int_equal(stats.failing, 1);
	assert_int_equal(stats.failing_long, 0);
	world_run(w, 25 * MINUTE);
	discovery_read(w->d, &stats);
	assert_int_equal(stats.failing_long, 1);
	assert_string_equal(stats.example.text, "fabrikam.com");
	fabrikam(w);
	w->resolver[0] = WORLD_ANSWERS;
	world_run(w, 20 * MINUTE);
	discovery_read(w->d, &stats);
	assert_int_equal(stats.failing, 0);
	assert_int_equal(stats.failing_long, 0);
	world_free(w);
}

static void test_flush(void **state)
{
	struct world *w = world_new(1, NULL);
	const struct postern_domain name = world_name("fabrikam.com");

	(void)state;
	fabrikam(w);
	world_follow(w, "fabrikam.com", NULL);
	world_run(w, SECOND);
	assert_int_equal(discovery_flush(w->d, &name), 1);
	assert_int_equal(ask_tables(w, "fabrikam.com"), 0);
	world_run(w, SECOND);
	assert_true(w->asked > 3);
	const uint64_t asked = w->asked;

	assert_int_equal(discovery_flush(w->d, NULL), 2);
	world_run(w, SECOND);
	assert_true(w->asked > asked);
	assert_int_equal(ask_tables(w, "fabrikam.com"), 0);
	assert_int_equal(facts.facts.state, POSTERN_FACTS_GOOD);
	world_free(w);
}

struct seen {
	unsigned n;
	struct discovery_addresses last;
	struct postern_addr first;
};

static void on_changed(void *user, const struct discovery_addresses *now)
{
	struct seen *s = user;

	s->n++;
	s->last = *now;
	if (now->n > 0)
		s->first = now->addresses[0];
}

static void test_host_handle(void **state)
{
	struct world *w = world_new(1, NULL);
	const struct postern_domain name = world_name("edge1.contoso.com");
	struct discovery_host *h;
	struct seen seen = {0};

	(void)state;
	world_address(w, "edge1.contoso.com", 60, "192.0.2.1");
	assert_int_equal(discovery_follow_host(w->d, &name, on_changed, &seen, &h), 0);
	world_run(w, SECOND);
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.first.bytes[15], 1);
	world_run(w, MINUTE);
	assert_int_equal(seen.n, 1);
	world_forget(w, "edge1.contoso.com");
	world_address(w, "edge1.contoso.com", 60, "192.0.2.2");
	world_run(w, MINUTE);
	assert_int_equal(seen.n, 2);
	assert_int_equal(seen.first.bytes[15], 2);
	// It fails: those it had stay, and that is told.
	w->resolver[0] = WORLD_FAILS;
	world_run(w, MINUTE);
	assert_int_equal(seen.n, 3);
	assert_int_equal(seen.last.state, POSTERN_FACTS_FAILED);
	assert_int_equal(seen.last.n, 1);
	discovery_unfollow_host(h);
	world_run(w, MINUTE);
	assert_int_equal(seen.n, 3);
	world_free(w);
}

struct answered {
	unsigned n;
	int status;
	unsigned records;
	char why[DISCOVERY_WHY];
};

static void on_answered(void *user, const struct discovery_answer *a)
{
	struct answered *x = user;

	x->n++;
	x->status = a->status;
	x->records = a->n_records;
	snprintf(x->why, sizeof(x->why), "%s", a->why);
}

static void test_lookup(void **state)
{
	struct world *w = world_new(2, NULL);
	const struct postern_domain name = world_name("sip.fabrikam.com");
	struct discovery_lookup *l;
	struct answered x = {0};

	(void)state;
	fabrikam(w);
	assert_int_equal(discovery_lookup(w->d, &name, DISCOVERY_A, on_answered, &x, NULL), 0);
	world_run(w, SECOND);
	assert_int_equal(x.n, 1);
	assert_int_equal(x.status, 0);
	assert_int_equal(x.records, 1);
	assert_string_equal(x.why, "192.0.2.1:53: 1 record");
	assert_int_equal(discovery_lookup(w->d, &name, DISCOVERY_A, on_answered, &x, &l), 0);
	discovery_lookup_cancel(l);
	world_run(w, SECOND);
	assert_int_equal(x.n, 1);
	w->resolver[0] = w->resolver[1] = WORLD_SILENT;
	assert_int_equal(discovery_lookup(w->d, &name, DISCOVERY_A, on_answered, &x, NULL), 0);
	world_run(w, 4 * SECOND);
	assert_int_equal(x.n, 2);
	assert_int_equal(x.status, -ETIMEDOUT);
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
		cmocka_unit_test(test_silent_domains_delay_no_other),
		cmocka_unit_test(test_waiting_has_an_end),
		cmocka_unit_test(test_resolvers_take_turns),
		cmocka_unit_test(test_dead_resolver_rests),
		cmocka_unit_test(test_other_resolver_is_asked),
		cmocka_unit_test(test_no_resolver),
		cmocka_unit_test(test_unfollowed_are_bounded),
		cmocka_unit_test(test_rate_at_start),
		cmocka_unit_test(test_new_partner_goes_first),
		cmocka_unit_test(test_refreshes_keep_up),
		cmocka_unit_test(test_order_by_weight),
		cmocka_unit_test(test_order_of_partners),
		cmocka_unit_test(test_long_failure_is_told),
		cmocka_unit_test(test_flush),
		cmocka_unit_test(test_host_handle),
		cmocka_unit_test(test_lookup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
