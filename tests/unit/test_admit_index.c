// SPDX-License-Identifier: BSD-2-Clause
// Who is found by a name or an address alone: whoever shares it, one who is admitted suffices, and only
// when none is left is it refused.

#include "admit/admit.h"
#include "policy_rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int setup(void **state)
{
	const struct postern_policy_limits limits = {.domains = 2000, .index = true};
	struct postern_policy *p;

	assert_int_equal(postern_policy_new(&limits, &p), 0);
	rig_switches(p, false);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	postern_policy_free(*state);
	return 0;
}

static void work(struct postern_policy *p)
{
	while (postern_policy_work(p, 3) > 0)
		;
}

static struct postern_addr address(const char *text)
{
	struct postern_addr a;

	assert_int_equal(postern_addr_parse(text, &a), 0);
	return a;
}

static struct postern_answer from(struct postern_policy *p, const char *text)
{
	const struct postern_question q = {
		.organisation = RIG_ORGANISATION,
		.proof = POSTERN_PROOF_ADDRESS,
		.address = address(text),
	};
	struct postern_answer a;
	struct admit_verdict v;

	postern_policy_decide(p, &q, &a);
	// What workers are told of the address alone is the same.
	admit_address_prefetch(p, RIG_ORGANISATION, &q.address);
	admit_address(p, RIG_ORGANISATION, &q.address, &v);
	assert_int_equal(v.outcome, a.outcome);
	assert_int_equal(v.row, a.row);
	assert_int_equal(v.reason, a.reason);
	assert_int_equal(v.admission, a.admission);
	return a;
}

static struct postern_answer proving(struct postern_policy *p, const char *name)
{
	const struct postern_name n = {name, (uint8_t)strlen(name)};
	const struct postern_question q = {
		.organisation = RIG_ORGANISATION, .names = &n, .n_names = 1};
	struct postern_answer a;

	postern_policy_decide(p, &q, &a);
	return a;
}

// SRV facts with one target at one address.
static void found_at(
	struct postern_policy *p, const char *domain, const char *target, const char *at)
{
	const struct postern_domain d = rig_domain(domain);
	const struct postern_addr a = address(at);
	const struct postern_target t = {
		.name = rig_domain(target), .port = 5061, .addresses = &a, .n_addresses = 1};
	const struct postern_facts f = {.state = POSTERN_FACTS_GOOD, .targets = &t, .n_targets = 1};

	assert_int_equal(postern_policy_set_facts(p, &d, &f), 0);
}

static void host_at(struct postern_policy *p, const char *host, const char *at)
{
	const struct postern_domain d = rig_domain(host);
	const struct postern_addr a = at != NULL ? address(at) : (struct postern_addr){0};

	assert_int_equal(postern_policy_set_host(p, &d, &a, at != NULL, 1), 0);
}

static void unlist(struct postern_policy *p, const char *domain)
{
	const struct postern_domain d = rig_domain(domain);

	assert_int_equal(postern_policy_remove_listed(p, RIG_ORGANISATION, &d), 0);
}

static void a_domain_is_found_by_what_srv_says(void **state)
{
	struct postern_policy *p = *state;

	rig_answers(from(p, "192.0.2.1"), OTHERWISE, REFUSE, NO_PARTNER);
	rig_answers(proving(p, "sip.a.com"), OTHERWISE, REFUSE, NO_PARTNER);
	found_at(p, "a.com", "sip.a.com", "192.0.2.1");
	rig_answers(from(p, "192.0.2.1"), OTHERWISE, REFUSE, NO_PARTNER);
	rig_allow(p, "a.com", NULL);
	const struct postern_answer a = from(p, "192.0.2.1");

	rig_answers(a, ALLOWED_SRV, ADMIT, ADMITTED);
	assert_string_equal(a.partner.text, "a.com");
	rig_answers(proving(p, "sip.a.com"), ALLOWED_SRV, ADMIT, ADMITTED);
	rig_answers(from(p, "192.0.2.2"), OTHERWISE, REFUSE, NO_PARTNER);
	// It moves.
	found_at(p, "a.com", "sip.a.com", "2001:db8::1");
	rig_answers(from(p, "192.0.2.1"), OTHERWISE, REFUSE, NO_PARTNER);
	rig_answers(from(p, "2001:db8::1"), ALLOWED_SRV, ADMIT, ADMITTED);
	// A target elsewhere proves nothing.
	found_at(p, "a.com", "sip.else.com", "192.0.2.9");
	rig_answers(from(p, "192.0.2.9"), ALLOWED_SRV, REFUSE, SRV_OTHER_DOMAIN);
	rig_block(p, "a.com", false);
	rig_answers(from(p, "192.0.2.9"), OTHERWISE, REFUSE, NO_PARTNER);
}

static void discovered_partners_are_not_found(void **state)
{
	struct postern_policy *p = *state;

	rig_switches(p, true);
	found_at(p, "a.com", "sip.a.com", "192.0.2.1");
	work(p);
	rig_answers(rig_ask(p, "a.com", "sip.a.com"), DISCOVERED, ADMIT, ADMITTED);
	rig_answers(from(p, "192.0.2.1"), OTHERWISE, REFUSE, NO_PARTNER);
	rig_answers(proving(p, "sip.a.com"), OTHERWISE, REFUSE, NO_PARTNER);
}

static void a_server_is_found_by_its_addresses(void **state)
{
	struct postern_policy *p = *state;

	// Whichever comes first, the entry or the address.
	rig_allow(p, "a.com", "edge.a.net");
	host_at(p, "edge.a.net", "192.0.2.1");
	host_at(p, "edge.b.net", "192.0.2.2");
	rig_allow(p, "b.com", "edge.b.net");
	rig_answers(from(p, "192.0.2.1"), ALLOWED_DIRECT, ADMIT, ADMITTED);
	rig_answers(from(p, "192.0.2.2"), ALLOWED_DIRECT, ADMIT, ADMITTED);
	rig_answers(proving(p, "edge.b.net"), ALLOWED_DIRECT, ADMIT, ADMITTED);
	host_at(p, "edge.a.net", "192.0.2.3");
	rig_answers(from(p, "192.0.2.1"), OTHERWISE, REFUSE, NO_PARTNER);
	rig_answers(from(p, "192.0.2.3"), ALLOWED_DIRECT, ADMIT, ADMITTED);
	// With D and the address.
	const struct postern_domain d = rig_domain("a.com");
	struct postern_question q = {
		.organisation = RIG_ORGANISATION,
		.domain = &d,
		.proof = POSTERN_PROOF_ADDRESS,
		.address = address("192.0.2.3"),
	};
	struct postern_answer a;

	postern_policy_decide(p, &q, &a);
	rig_answers(a, ALLOWED_DIRECT, ADMIT, ADMITTED);
	q.address = address("192.0.2.2");
	postern_policy_decide(p, &q, &a);
	rig_answers(a, ALLOWED_DIRECT, REFUSE, ADDRESS_MISMATCH);
	host_at(p, "edge.a.net", NULL);
	rig_answers(from(p, "192.0.2.3"), OTHERWISE, REFUSE, NO_PARTNER);
}

static void prefixes_of_every_length_hold(void **state)
{
	struct postern_policy *p = *state;
	static const struct {
		const char *domain, *prefix, *within, *beside;
	} cases[] = {
		{"a.com", "198.51.100.128/25", "198.51.100.200", "198.51.100.127"},
		{"b.com", "203.0.113.7/32", "203.0.113.7", "203.0.113.6"},
		{"c.com", "100.64.0.0/10", "100.127.255.255", "100.128.0.0"},
		{"d.com", "2001:db8:1::/48", "2001:db8:1:ffff::1", "2001:db8:2::1"},
		{"e.com", "2001:db8:9::8/127", "2001:db8:9::9", "2001:db8:9::a"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct postern_prefix prefix;
		struct postern_allowed a = rig_allowed(cases[i].domain, NULL);

		assert_int_equal(postern_prefix_parse(cases[i].prefix, &prefix), 0);
		a.proxy_fqdn = rig_domain("edge.example");
		a.prefixes = &prefix;
		a.n_prefixes = 1;
		assert_int_equal(postern_policy_set_allowed(p, RIG_ORGANISATION, &a), 0);
		const struct postern_answer in = from(p, cases[i].within);

		rig_answers(in, ALLOWED_DIRECT, ADMIT, ADMITTED);
		assert_string_equal(in.partner.text, cases[i].domain);
		rig_answers(from(p, cases[i].beside), OTHERWISE, REFUSE, NO_PARTNER);
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unlist(p, cases[i].domain);
		rig_answers(from(p, cases[i].within), OTHERWISE, REFUSE, NO_PARTNER);
	}
}

static void one_who_is_admitted_suffices(void **state)
{
	struct postern_policy *p = *state;
	char name[64];

	// A thousand share a server; each in turn is blocked.
	host_at(p, "edge.hoster.net", "192.0.2.1");
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "d%u.com", i);
		rig_allow(p, name, "edge.hoster.net");
	}
	for (unsigned i = 0; i < 1000; i++) {
		rig_answers(from(p, "192.0.2.1"), ALLOWED_DIRECT, ADMIT, ADMITTED);
		snprintf(name, sizeof(name), "d%u.com", i);
		rig_block(p, name, false);
	}
	rig_answers(from(p, "192.0.2.1"), OTHERWISE, REFUSE, NO_PARTNER);
	rig_allow(p, "d77.com", "edge.hoster.net");
	rig_answers(from(p, "192.0.2.1"), ALLOWED_DIRECT, ADMIT, ADMITTED);
	// Two hosts at one address: the one that has a partner counts.
	host_at(p, "edge.other.net", "192.0.2.1");
	rig_allow(p, "other.com", "edge.other.net");
	unlist(p, "d77.com");
	rig_answers(from(p, "192.0.2.1"), ALLOWED_DIRECT, ADMIT, ADMITTED);
	unlist(p, "other.com");
	rig_answers(from(p, "192.0.2.1"), OTHERWISE, REFUSE, NO_PARTNER);
}

static void providers_and_the_route(void **state)
{
	struct postern_policy *p = *state;
	struct postern_prefix prefix;
	struct postern_provider v = {
		.id = 5,
		.kind = POSTERN_PROVIDER_HOSTING,
		.enabled = true,
		.proxy_fqdn = rig_domain("cloud.example"),
		.prefixes = &prefix,
		.n_prefixes = 1,
	};
	struct postern_switches s;

	assert_int_equal(postern_prefix_parse("52.112.0.0/14", &prefix), 0);
	assert_int_equal(postern_policy_set_provider(p, RIG_ORGANISATION, &v), 0);
	host_at(p, "cloud.example", "192.0.2.1");
	rig_answers(from(p, "52.115.255.255"), HOSTING_PROVIDER, ADMIT, ADMITTED);
	rig_answers(from(p, "192.0.2.1"), HOSTING_PROVIDER, ADMIT, ADMITTED);
	rig_answers(proving(p, "cloud.example"), HOSTING_PROVIDER, ADMIT, ADMITTED);
	v.enabled = false;
	assert_int_equal(postern_policy_set_provider(p, RIG_ORGANISATION, &v), 0);
	rig_answers(from(p, "52.115.255.255"), OTHERWISE, REFUSE, NO_PARTNER);
	v.enabled = true;
	v.n_prefixes = 0;
	assert_int_equal(postern_policy_set_provider(p, RIG_ORGANISATION, &v), 0);
	rig_answers(from(p, "52.115.255.255"), OTHERWISE, REFUSE, NO_PARTNER);
	rig_answers(from(p, "192.0.2.1"), HOSTING_PROVIDER, ADMIT, ADMITTED);
	// The default route takes their place.
	postern_switches_default(&s);
	s.allow_federated_users = true;
	s.default_route = rig_domain("hub.example");
	assert_int_equal(postern_policy_set_organisation(p, RIG_ORGANISATION, &s), 0);
	host_at(p, "hub.example", "192.0.2.7");
	work(p);
	rig_answers(from(p, "192.0.2.1"), OTHERWISE, REFUSE, NO_PARTNER);
	rig_answers(from(p, "192.0.2.7"), DEFAULT_ROUTE, ADMIT, ADMITTED);
	rig_answers(proving(p, "hub.example"), DEFAULT_ROUTE, ADMIT, ADMITTED);
	s.allow_federated_users = false;
	assert_int_equal(postern_policy_set_organisation(p, RIG_ORGANISATION, &s), 0);
	rig_answers(from(p, "192.0.2.7"), FEDERATION_OFF, REFUSE, FEDERATION_OFF);
	assert_int_equal(postern_policy_remove_provider(p, RIG_ORGANISATION, 5), 0);
	rig_answers(from(p, "192.0.2.1"), FEDERATION_OFF, REFUSE, FEDERATION_OFF);
}

static void suffixes_are_looked_at_again(void **state)
{
	struct postern_policy *p = *state;
	struct postern_allowed a = rig_allowed("group.com", NULL);

	found_at(p, "eu.group.com", "sip.eu.group.com", "192.0.2.1");
	found_at(p, "us.group.com", "sip.us.group.com", "192.0.2.1");
	a.suffix = true;
	assert_int_equal(postern_policy_set_allowed(p, RIG_ORGANISATION, &a), 0);
	work(p);
	rig_answers(from(p, "192.0.2.1"), ALLOWED_SRV, ADMIT, ADMITTED);
	rig_block(p, "eu.group.com", false);
	rig_answers(from(p, "192.0.2.1"), ALLOWED_SRV, ADMIT, ADMITTED);
	rig_block(p, "us.group.com", false);
	rig_answers(from(p, "192.0.2.1"), OTHERWISE, REFUSE, NO_PARTNER);
	unlist(p, "us.group.com");
	rig_answers(from(p, "192.0.2.1"), ALLOWED_SRV, ADMIT, ADMITTED);
	unlist(p, "group.com");
	work(p);
	rig_answers(from(p, "192.0.2.1"), OTHERWISE, REFUSE, NO_PARTNER);
}

// ---- whatever is done: found if and only if one of those that have it is admitted when he speaks

#define DOMAINS   12
#define HOSTS     6
#define ADDRESSES 5

static uint32_t draw(uint32_t n)
{
	static uint64_t x = 88172645463325252u;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (uint32_t)(x >> 33) % n;
}

static const char *const names[DOMAINS] = {"a.com", "x.a.com", "y.a.com", "b.com", "x.b.com",
	"c.com", "d.com", "e.com", "f.com", "g.com", "z.y.a.com", "h.com"};
static const char *const hosts[HOSTS] = {
	"sip.a.com", "sip.x.a.com", "sip.b.com", "edge.example", "edge2.example", "z.y.a.com"};
static const char *const addresses[ADDRESSES] = {
	"192.0.2.1", "192.0.2.2", "2001:db8::1", "198.51.100.1", "10.1.1.1"};

static void random_change(struct postern_policy *p)
{
	const char *name = names[draw(DOMAINS)];
	const char *host = hosts[draw(HOSTS)];
	const struct postern_domain d = rig_domain(name);

	switch (draw(9)) {
	case 0:
	case 1:
	case 2: {
		struct postern_prefix prefix = {address(addresses[draw(ADDRESSES)]), 24};
		struct postern_allowed a = rig_allowed(name, draw(2) ? host : NULL);
		struct postern_domain further = rig_domain(hosts[draw(HOSTS)]);

		a.suffix = draw(3) == 0;
		a.trust_srv = draw(3) == 0;
		a.prefixes = &prefix;
		a.n_prefixes = draw(4) == 0;
		a.further_names = &further;
		a.n_further_names = draw(4) == 0;
		assert_int_equal(postern_policy_set_allowed(p, RIG_ORGANISATION, &a), 0);
		break;
	}
	case 3:
		rig_block(p, name, draw(3) == 0);
		break;
	case 4:
		(void)postern_policy_remove_listed(p, RIG_ORGANISATION, &d);
		break;
	case 5:
	case 6:
		found_at(p, name, host, addresses[draw(ADDRESSES)]);
		break;
	case 7:
		if (draw(2) == 0)
			(void)postern_policy_set_facts(p, &d, NULL);
		else
			rig_switches(p, draw(2));
		break;
	default: {
		const struct postern_domain h = rig_domain(host);
		const struct postern_addr a = address(addresses[draw(ADDRESSES)]);
		const int rc = postern_policy_set_host(p, &h, &a, draw(4) != 0, 1);

		assert_true(rc == 0 || rc == -ENOENT);
	}
	}
}

// Whether any domain of the small world is admitted when it says its name; rows that discovery opens do
// not count.
static bool any(struct postern_policy *p, struct postern_question *q)
{
	for (unsigned i = 0; i < DOMAINS; i++) {
		const struct postern_domain d = rig_domain(names[i]);
		struct postern_answer a;

		q->domain = &d;
		postern_policy_decide(p, q, &a);
		if (a.outcome == POSTERN_ADMIT && a.row != POSTERN_ROW_DISCOVERED)
			return true;
	}
	return false;
}

// An entry is known by what stands in it and by SRV facts; domains below a suffix only by facts.
static void found_as_if_spoken(void **state)
{
	struct postern_policy *p = *state;
	unsigned found = 0;

	for (unsigned n = 0; n < 4000; n++) {
		random_change(p);
		if (draw(4) != 0)
			continue;
		work(p);
		for (unsigned i = 0; i < ADDRESSES; i++) {
			struct postern_question q = {
				.organisation = RIG_ORGANISATION,
				.proof = POSTERN_PROOF_ADDRESS,
				.address = address(addresses[i]),
			};
			const bool is = from(p, addresses[i]).outcome == POSTERN_ADMIT;

			found += is;
			assert_int_equal(is, any(p, &q));
		}
		for (unsigned i = 0; i < HOSTS; i++) {
			const struct postern_name name = {hosts[i], (uint8_t)strlen(hosts[i])};
			struct postern_question q = {
				.organisation = RIG_ORGANISATION, .names = &name, .n_names = 1};
			const bool is = proving(p, hosts[i]).outcome == POSTERN_ADMIT;

			found += is;
			assert_int_equal(is, any(p, &q));
		}
	}
	assert_true(found > 1000);
}

static void learn(struct postern_policy *p, const char *domain, const char *at, uint64_t now)
{
	const struct postern_domain d = rig_domain(domain);
	const struct postern_addr a = address(at);

	assert_int_equal(postern_policy_learn(p, RIG_ORGANISATION, &d, &a, now), 0);
}

// Whence a partner came who had proved his name: as if it stood in his entry, until it is old.
static void addresses_are_learnt(void **state)
{
	struct postern_policy *p = *state;
	struct postern_allowed suffix = rig_allowed("net.example", NULL);

	rig_allow(p, "a.com", "sip.a.com");
	rig_answers(from(p, "192.0.2.1"), OTHERWISE, REFUSE, NO_PARTNER);
	learn(p, "a.com", "192.0.2.1", 5);
	learn(p, "a.com", "2001:db8::7", 6);
	rig_answers(from(p, "192.0.2.1"), ALLOWED_DIRECT, ADMIT, ADMITTED);
	rig_answers(from(p, "2001:db8::7"), ALLOWED_DIRECT, ADMIT, ADMITTED);
	rig_answers(from(p, "192.0.2.2"), OTHERWISE, REFUSE, NO_PARTNER);
	// What the entry says counts, then as now.
	rig_block(p, "a.com", false);
	rig_answers(from(p, "192.0.2.1"), OTHERWISE, REFUSE, NO_PARTNER);
	rig_allow(p, "a.com", NULL);
	rig_answers(from(p, "192.0.2.1"), ALLOWED_SRV, ADMIT, ADMITTED);
	unlist(p, "a.com");
	rig_answers(from(p, "192.0.2.1"), OTHERWISE, REFUSE, NO_PARTNER);
	// Of one who is allowed by what lies above him; nobody else comes in by it.
	suffix.suffix = true;
	assert_int_equal(postern_policy_set_allowed(p, RIG_ORGANISATION, &suffix), 0);
	learn(p, "b.net.example", "192.0.2.3", 7);
	learn(p, "stranger.example", "192.0.2.4", 7);
	rig_answers(from(p, "192.0.2.3"), ALLOWED_SRV, ADMIT, ADMITTED);
	rig_answers(from(p, "192.0.2.4"), OTHERWISE, REFUSE, NO_PARTNER);
	// With time: the one heard of again stays.
	rig_allow(p, "a.com", NULL);
	learn(p, "a.com", "192.0.2.1", 1000);
	assert_int_equal(postern_policy_forget(p, POSTERN_LEARNT_US + 4, 10), 0);
	assert_int_equal(postern_policy_forget(p, POSTERN_LEARNT_US + 999, 10), 3);
	rig_answers(from(p, "192.0.2.1"), ALLOWED_SRV, ADMIT, ADMITTED);
	rig_answers(from(p, "2001:db8::7"), OTHERWISE, REFUSE, NO_PARTNER);
	assert_int_equal(postern_policy_forget(p, POSTERN_LEARNT_US + 1000, 10), 1);
	rig_answers(from(p, "192.0.2.1"), OTHERWISE, REFUSE, NO_PARTNER);
}

static void what_is_learnt_is_bounded(void **state)
{
	struct postern_policy *p = *state;
	const struct postern_domain d = rig_domain("a.com");

	rig_allow(p, "a.com", NULL);
	for (uint32_t i = 0; i < 3 * POSTERN_LEARNT_OF_DOMAIN; i++) {
		const struct postern_addr a = postern_addr_from_v4(i << 24 | 0x0a);

		assert_int_equal(postern_policy_learn(p, RIG_ORGANISATION, &d, &a, i + 1), 0);
	}
	// The last ones are there, the first ones have given way.
	rig_answers(from(p, "10.0.0.0"), OTHERWISE, REFUSE, NO_PARTNER);
	rig_answers(from(p, "10.0.0.15"), OTHERWISE, REFUSE, NO_PARTNER);
	rig_answers(from(p, "10.0.0.16"), ALLOWED_SRV, ADMIT, ADMITTED);
	rig_answers(from(p, "10.0.0.23"), ALLOWED_SRV, ADMIT, ADMITTED);
	assert_int_equal(
		postern_policy_forget(p, 2 * POSTERN_LEARNT_US, 100), POSTERN_LEARNT_OF_DOMAIN);
	rig_answers(from(p, "10.0.0.23"), OTHERWISE, REFUSE, NO_PARTNER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		TEST(a_domain_is_found_by_what_srv_says),
		TEST(discovered_partners_are_not_found),
		TEST(a_server_is_found_by_its_addresses),
		TEST(prefixes_of_every_length_hold),
		TEST(one_who_is_admitted_suffices),
		TEST(providers_and_the_route),
		TEST(suffixes_are_looked_at_again),
		TEST(found_as_if_spoken),
		TEST(addresses_are_learnt),
		TEST(what_is_learnt_is_bounded),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
