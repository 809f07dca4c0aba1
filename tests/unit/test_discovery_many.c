// SPDX-License-Identifier: BSD-2-Clause
// Many names at once, on a clock of the test's own: who must not wait for whom, resolvers in turn, bounds,
// rates, order, and changes by another thread.

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

// Domains that answer are not held up by ten thousand that do not.
static void test_silent_domains_delay_no_other(void **state)
{
	struct world *w = world_new(1, NULL);
	const struct postern_domain name = world_name("fabrikam.com");
	struct told t = {.w = w};
	char domain[64];

	(void)state;
	world_fabrikam(w);
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
	assert_true(world_counted(w, DISCOVERY_OVERLOAD_COUNT) > 0);
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

		world_fabrikam(w);
		w->resolver[0] = moods[i];
		world_follow(w, "fabrikam.com", NULL);
		world_run(w, 10 * SECOND);
		assert_int_equal(world_facts(w, "fabrikam.com", &facts), 0);
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
	world_fabrikam(w);
	world_follow(w, "fabrikam.com", NULL);
	world_run(w, 100000);
	assert_int_equal(world_facts(w, "fabrikam.com", &facts), 0);
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
	world_fabrikam(w);
	w->resolver[0] = WORLD_ANSWERS;
	world_run(w, 20 * MINUTE);
	discovery_read(w->d, &stats);
	assert_int_equal(stats.failing, 0);
	assert_int_equal(stats.failing_long, 0);
	world_free(w);
}

struct changer {
	struct world *w;
	bool ended;
};

// As the store thread does it: the policy changes while the loop turns.
static void *change(void *user)
{
	struct changer *c = user;
	struct postern_provider v = {.id = 5, .enabled = true};
	struct postern_allowed a = {.id = 1};
	char text[64];

	for (int i = 0; i < 3000; i++) {
		snprintf(text, sizeof(text), "d%d.example", i % 500);
		a.domain = world_name(text);
		a.proxy_fqdn = (struct postern_domain){0};
		if (i % 3 == 0) {
			snprintf(text, sizeof(text), "edge%d.example", i % 50);
			a.proxy_fqdn = v.proxy_fqdn = world_name(text);
			if (discovery_follow_provider(c->w->d, 2, &v) != 0)
				abort();
		}
		if (i % 7 == 6)
			discovery_unfollow_listed(c->w->d, 1, &a.domain);
		else if (discovery_follow_allowed(c->w->d, 1, &a) != 0)
			abort();
	}
	discovery_unfollow_organisation(c->w->d, 2);
	for (int i = 0; i < 500; i++) {
		snprintf(text, sizeof(text), "d%d.example", i);
		a.domain = world_name(text);
		discovery_unfollow_listed(c->w->d, 1, &a.domain);
	}
	__atomic_store_n(&c->ended, true, __ATOMIC_RELEASE);
	return NULL;
}

static void test_changes_by_another_thread(void **state)
{
	struct world *w = world_new(1, NULL);
	struct changer c = {.w = w};
	struct discovery_stats stats;
	pthread_t thread;

	(void)state;
	for (int i = 0; i < 50; i++) {
		char host[64];

		snprintf(host, sizeof(host), "edge%d.example", i);
		world_address(w, host, 60, "192.0.2.1");
	}
	assert_int_equal(pthread_create(&thread, NULL, change, &c), 0);
	while (!__atomic_load_n(&c.ended, __ATOMIC_ACQUIRE))
		world_run(w, SECOND);
	pthread_join(thread, NULL);
	// What was under way ends, and is forgotten when it is due.
	world_run(w, 70 * MINUTE);
	discovery_read(w->d, &stats);
	assert_int_equal(stats.domains, 0);
	assert_int_equal(stats.hosts, 0);
	assert_int_equal(stats.discovered, 0);
	world_free(w);
}

static void test_flush(void **state)
{
	struct world *w = world_new(1, NULL);
	const struct postern_domain name = world_name("fabrikam.com");

	(void)state;
	world_fabrikam(w);
	world_follow(w, "fabrikam.com", NULL);
	world_run(w, SECOND);
	assert_int_equal(discovery_flush(w->d, &name), 1);
	assert_int_equal(world_facts(w, "fabrikam.com", &facts), 0);
	world_run(w, SECOND);
	assert_true(w->asked > 3);
	const uint64_t asked = w->asked;

	assert_int_equal(discovery_flush(w->d, NULL), 2);
	world_run(w, SECOND);
	assert_true(w->asked > asked);
	assert_int_equal(world_facts(w, "fabrikam.com", &facts), 0);
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
	world_fabrikam(w);
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
		cmocka_unit_test(test_changes_by_another_thread),
		cmocka_unit_test(test_flush),
		cmocka_unit_test(test_host_handle),
		cmocka_unit_test(test_lookup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
