// SPDX-License-Identifier: BSD-2-Clause
// The table of admission, row by row and at its edges.

#include "policy_rig.h"

#include <errno.h>

static int setup(void **state)
{
	struct postern_policy *p = rig_policy(1000);

	rig_switches(p, false);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	postern_policy_free(*state);
	return 0;
}

static void nobody_is_responsible(void **state)
{
	struct postern_policy *p = *state;

	rig_allow(p, "contoso.com", "edge.contoso.com");
	assert_int_equal(postern_policy_remove_organisation(p, RIG_ORGANISATION), 0);
	rig_answers(rig_ask(p, "contoso.com", "edge.contoso.com"), NONE, REFUSE, NO_ORGANISATION);
	assert_int_equal(postern_policy_remove_organisation(p, RIG_ORGANISATION), -ENOENT);
	rig_switches(p, false);
	rig_answers(rig_ask(p, "contoso.com", "edge.contoso.com"), ALLOWED_DIRECT, ADMIT, ADMITTED);
}

static void row_1_the_master_switch(void **state)
{
	struct postern_policy *p = *state;
	struct postern_switches s;

	rig_allow(p, "contoso.com", "edge.contoso.com");
	postern_switches_default(&s);
	assert_int_equal(postern_policy_set_organisation(p, RIG_ORGANISATION, &s), 0);
	rig_answers(rig_ask(p, "contoso.com", "edge.contoso.com"), FEDERATION_OFF, REFUSE,
		FEDERATION_OFF);
}

static void row_2_blocked(void **state)
{
	struct postern_policy *p = *state;

	rig_switches(p, true);
	rig_srv(p, "bad.com", "sip.bad.com", NULL, NULL);
	rig_answers(rig_ask(p, "bad.com", "sip.bad.com"), DISCOVERED, ADMIT, ADMITTED);
	rig_block(p, "bad.com", false);
	rig_answers(rig_ask(p, "bad.com", "sip.bad.com"), BLOCKED, REFUSE, BLOCKED);
	assert_int_equal(rig_ask(p, "bad.com", NULL).blocked, 200);
	// Whole names alone, unless the entry says otherwise.
	rig_srv(p, "eu.bad.com", "sip.eu.bad.com", NULL, NULL);
	rig_answers(rig_ask(p, "eu.bad.com", "sip.eu.bad.com"), DISCOVERED, ADMIT, ADMITTED);
	rig_block(p, "bad.com", true);
	rig_answers(rig_ask(p, "eu.bad.com", "sip.eu.bad.com"), BLOCKED, REFUSE, BLOCKED);
	rig_answers(rig_ask(p, "notbad.com", NULL), DISCOVERED, ASK, SRV_UNKNOWN);
	// It beats what is allowed, however long that is.
	rig_allow(p, "eu.bad.com", "sip.eu.bad.com");
	rig_answers(rig_ask(p, "eu.bad.com", "sip.eu.bad.com"), BLOCKED, REFUSE, BLOCKED);
}

static void row_3_our_own_domain_from_outside(void **state)
{
	struct postern_policy *p = *state;
	const struct postern_domain own = rig_domain("ours.com");

	assert_int_equal(postern_policy_set_own(p, RIG_ORGANISATION, &own), 0);
	rig_answers(rig_ask(p, "ours.com", "sip.ours.com"), OWN_DOMAIN, REFUSE, OWN_DOMAIN);
	rig_provider(p, POSTERN_PROVIDER_HOSTING, "online.com", true, false);
	rig_answers(rig_ask(p, "ours.com", "online.com"), OWN_DOMAIN, REFUSE, OWN_DOMAIN);
	rig_provider(p, POSTERN_PROVIDER_HOSTING, "online.com", false, true);
	rig_answers(rig_ask(p, "ours.com", "online.com"), OWN_DOMAIN, REFUSE, OWN_DOMAIN);
	rig_provider(p, POSTERN_PROVIDER_HOSTING, "online.com", true, true);
	rig_answers(rig_ask(p, "ours.com", "online.com"), OWN_DOMAIN, ADMIT, ADMITTED);
	assert_int_equal(rig_ask(p, "ours.com", "online.com").type, POSTERN_TYPE_SHARED);
	rig_answers(rig_ask(p, "ours.com", "sip.ours.com"), OWN_DOMAIN, REFUSE, OWN_DOMAIN);
	// One below it is somebody else's.
	rig_answers(rig_ask(p, "eu.ours.com", "online.com"), OTHERWISE, REFUSE, NOT_LISTED);
}

static void row_4_allowed_with_a_server(void **state)
{
	struct postern_policy *p = *state;
	struct postern_allowed a = rig_allowed("contoso.com", "edge.contoso.net");
	const struct postern_domain further[] = {
		rig_domain("edge2.contoso.net"), rig_domain("edge3.contoso.net")};

	assert_int_equal(postern_policy_set_allowed(p, RIG_ORGANISATION, &a), 0);
	rig_answers(rig_ask(p, "contoso.com", "edge.contoso.net"), ALLOWED_DIRECT, ADMIT, ADMITTED);
	rig_answers(rig_ask(p, "contoso.com", NULL), ALLOWED_DIRECT, REFUSE, NAME_MISMATCH);
	rig_answers(rig_ask(p, "contoso.com", "edge3.contoso.net"), ALLOWED_DIRECT, REFUSE,
		NAME_MISMATCH);
	// What SRV says is not asked for.
	rig_srv(p, "contoso.com", "sip.contoso.com", NULL, NULL);
	rig_answers(rig_ask(p, "contoso.com", "sip.contoso.com"), ALLOWED_DIRECT, REFUSE,
		NAME_MISMATCH);
	a.further_names = further;
	a.n_further_names = 2;
	a.admission = POSTERN_ADMISSION_OBSERVE;
	a.monitored = true;
	assert_int_equal(postern_policy_set_allowed(p, RIG_ORGANISATION, &a), 0);
	rig_answers(
		rig_ask(p, "contoso.com", "edge3.contoso.net"), ALLOWED_DIRECT, ADMIT, ADMITTED);
	const struct postern_answer answer = rig_ask(p, "contoso.com", "sip.contoso.com");

	rig_answers(answer, ALLOWED_DIRECT, REFUSE, NAME_MISMATCH);
	assert_int_equal(answer.allowed, 100);
	assert_int_equal(answer.admission, POSTERN_ADMISSION_OBSERVE);
	assert_true(answer.monitored);
	assert_string_equal(answer.partner.text, "contoso.com");
	assert_string_equal(answer.peer.text, "edge.contoso.net");
}

static void rows_5_and_6_providers(void **state)
{
	struct postern_policy *p = *state;

	rig_provider(p, POSTERN_PROVIDER_PUBLIC, "im.example", true, false);
	rig_provider(p, POSTERN_PROVIDER_HOSTING, "hoster.example", true, false);
	rig_srv(p, "user.com", "im.example", NULL, NULL);
	rig_answers(rig_ask(p, "user.com", "im.example"), PUBLIC_PROVIDER, ADMIT, ADMITTED);
	rig_answers(rig_ask(p, "user.com", "user.com"), PUBLIC_PROVIDER, REFUSE, NAME_MISMATCH);
	rig_srv(p, "tenant.com", "sip.tenant.com", "hoster.example", NULL);
	rig_answers(rig_ask(p, "tenant.com", "hoster.example"), HOSTING_PROVIDER, REFUSE,
		HOSTED_UNLISTED);
	rig_allow(p, "tenant.com", NULL);
	const struct postern_answer a = rig_ask(p, "tenant.com", "hoster.example");

	rig_answers(a, HOSTING_PROVIDER, ADMIT, ADMITTED);
	assert_int_equal(a.type, POSTERN_TYPE_HOSTING);
	assert_int_equal(a.provider, 300 + POSTERN_PROVIDER_HOSTING);
	rig_answers(rig_ask(p, "tenant.com", "sip.tenant.com"), HOSTING_PROVIDER, REFUSE,
		NAME_MISMATCH);
	// Disabled, the provider is nobody.
	rig_provider(p, POSTERN_PROVIDER_HOSTING, "hoster.example", false, false);
	rig_answers(rig_ask(p, "tenant.com", "sip.tenant.com"), ALLOWED_SRV, ADMIT, ADMITTED);
	assert_int_equal(
		postern_policy_remove_provider(p, RIG_ORGANISATION, 300 + POSTERN_PROVIDER_PUBLIC),
		0);
	rig_answers(rig_ask(p, "user.com", "im.example"), OTHERWISE, REFUSE, NOT_LISTED);
}

static void row_7_allowed_and_found_by_srv(void **state)
{
	struct postern_policy *p = *state;
	struct postern_allowed a = rig_allowed("fabrikam.com", NULL);

	rig_allow(p, "fabrikam.com", NULL);
	rig_answers(rig_ask(p, "fabrikam.com", "sip.fabrikam.com"), ALLOWED_SRV, ASK, SRV_UNKNOWN);
	rig_no_srv(p, "fabrikam.com", POSTERN_FACTS_NONE);
	rig_answers(rig_ask(p, "fabrikam.com", "sip.fabrikam.com"), ALLOWED_SRV, REFUSE, SRV_NONE);
	rig_no_srv(p, "fabrikam.com", POSTERN_FACTS_FAILED);
	rig_answers(
		rig_ask(p, "fabrikam.com", "sip.fabrikam.com"), ALLOWED_SRV, REFUSE, SRV_FAILED);
	rig_srv(p, "fabrikam.com", "sip.other.com", "xfabrikam.com", NULL);
	rig_answers(
		rig_ask(p, "fabrikam.com", "sip.other.com"), ALLOWED_SRV, REFUSE, SRV_OTHER_DOMAIN);
	rig_answers(
		rig_ask(p, "fabrikam.com", "xfabrikam.com"), ALLOWED_SRV, REFUSE, SRV_OTHER_DOMAIN);
	a.trust_srv = true;
	assert_int_equal(postern_policy_set_allowed(p, RIG_ORGANISATION, &a), 0);
	rig_answers(rig_ask(p, "fabrikam.com", "sip.other.com"), ALLOWED_SRV, ADMIT, ADMITTED);
	rig_srv(p, "fabrikam.com", "sip.fabrikam.com", "fabrikam.com", NULL);
	rig_allow(p, "fabrikam.com", NULL);
	rig_answers(rig_ask(p, "fabrikam.com", "sip.fabrikam.com"), ALLOWED_SRV, ADMIT, ADMITTED);
	rig_answers(rig_ask(p, "fabrikam.com", "fabrikam.com"), ALLOWED_SRV, ADMIT, ADMITTED);
	rig_answers(
		rig_ask(p, "fabrikam.com", "www.fabrikam.com"), ALLOWED_SRV, REFUSE, NAME_MISMATCH);
}

static void row_8_discovered(void **state)
{
	struct postern_policy *p = *state;

	rig_srv(p, "new.com", "sip.new.com", "edge.else.com", NULL);
	rig_answers(rig_ask(p, "new.com", "sip.new.com"), OTHERWISE, REFUSE, NOT_LISTED);
	rig_switches(p, true);
	const struct postern_answer a = rig_ask(p, "new.com", "sip.new.com");

	rig_answers(a, DISCOVERED, ADMIT, ADMITTED);
	assert_true(a.watched);
	assert_int_equal(a.type, POSTERN_TYPE_SRV);
	rig_answers(rig_ask(p, "new.com", "edge.else.com"), DISCOVERED, REFUSE, NAME_MISMATCH);
}

static void the_longest_suffix_counts(void **state)
{
	struct postern_policy *p = *state;
	struct postern_allowed a = rig_allowed("group.com", "edge.group.com");

	a.suffix = true;
	assert_int_equal(postern_policy_set_allowed(p, RIG_ORGANISATION, &a), 0);
	a = rig_allowed("eu.group.com", "edge.eu.group.com");
	a.id = 101;
	a.suffix = true;
	assert_int_equal(postern_policy_set_allowed(p, RIG_ORGANISATION, &a), 0);
	rig_allow(p, "it.eu.group.com", "edge.it.group.com");
	rig_answers(rig_ask(p, "group.com", "edge.group.com"), ALLOWED_DIRECT, ADMIT, ADMITTED);
	rig_answers(rig_ask(p, "us.group.com", "edge.group.com"), ALLOWED_DIRECT, ADMIT, ADMITTED);
	rig_answers(rig_ask(p, "fr.eu.group.com", "edge.eu.group.com"), ALLOWED_DIRECT, ADMIT,
		ADMITTED);
	assert_int_equal(rig_ask(p, "a.b.eu.group.com", NULL).allowed, 101);
	rig_answers(rig_ask(p, "it.eu.group.com", "edge.it.group.com"), ALLOWED_DIRECT, ADMIT,
		ADMITTED);
	// Below one without the option it is the next longer one that counts.
	rig_answers(rig_ask(p, "x.it.eu.group.com", "edge.eu.group.com"), ALLOWED_DIRECT, ADMIT,
		ADMITTED);
	rig_answers(rig_ask(p, "xgroup.com", "edge.group.com"), OTHERWISE, REFUSE, NOT_LISTED);
	const struct postern_domain eu = rig_domain("eu.group.com");

	assert_int_equal(postern_policy_remove_listed(p, RIG_ORGANISATION, &eu), 0);
	assert_int_equal(rig_ask(p, "a.b.eu.group.com", NULL).allowed, 100);
}

static void organisations_do_not_see_each_other(void **state)
{
	struct postern_policy *p = *state;
	const struct postern_domain d = rig_domain("contoso.com");
	struct postern_allowed a = rig_allowed("contoso.com", "a.net");

	for (uint16_t o = 0; o < 20; o++) {
		a.id = o;
		assert_int_equal(postern_policy_set_allowed(p, (uint16_t)(19 - o), &a), 0);
	}
	rig_answers(rig_ask(p, "contoso.com", "a.net"), ALLOWED_DIRECT, ADMIT, ADMITTED);
	assert_int_equal(rig_ask(p, "contoso.com", "a.net").allowed, 19 - RIG_ORGANISATION);
	assert_int_equal(postern_policy_remove_listed(p, RIG_ORGANISATION, &d), 0);
	assert_int_equal(postern_policy_remove_listed(p, RIG_ORGANISATION, &d), -ENOENT);
	rig_answers(rig_ask(p, "contoso.com", "a.net"), OTHERWISE, REFUSE, NOT_LISTED);
	for (uint16_t o = 0; o < 20; o++)
		if (o != RIG_ORGANISATION)
			assert_int_equal(postern_policy_remove_listed(p, o, &d), 0);
	struct postern_policy_stats stats;

	postern_policy_read(p, &stats);
	assert_int_equal(stats.domains, 0);
	assert_int_equal(postern_policy_set_own(p, 1, &d), 0);
	assert_int_equal(postern_policy_set_own(p, 2, &d), -EEXIST);
	assert_int_equal(postern_policy_owner(p, &d), 1);
	assert_int_equal(postern_policy_remove_own(p, 2, &d), -ENOENT);
	assert_int_equal(postern_policy_remove_own(p, 1, &d), 0);
	assert_int_equal(postern_policy_owner(p, &d), -ENOENT);
}

static void facts_can_be_had_again(void **state)
{
	struct postern_policy *p = *state;
	const struct postern_domain d = rig_domain("fabrikam.com"), none = rig_domain("none.com");
	const struct postern_addr a[2] = {
		postern_addr_from_v4(0x010200c0), postern_addr_from_v4(0x020200c0)};
	const struct postern_target targets[2] = {
		{.name = rig_domain("sip.fabrikam.com"),
			.priority = 1,
			.weight = 2,
			.port = 5061,
			.addresses = a,
			.n_addresses = 2},
		{.name = rig_domain("sip2.fabrikam.com"), .priority = 9, .port = 443},
	};
	const struct postern_facts f = {POSTERN_FACTS_GOOD, 4711, targets, 2};
	struct postern_addr addresses[POSTERN_ADDRESSES_MAX];
	struct postern_facts_copy copy;
	uint64_t wall_us = 1;

	assert_int_equal(postern_policy_get_facts(p, &d, &copy), -ENOENT);
	assert_int_equal(postern_policy_set_facts(p, &d, &f), 0);
	assert_int_equal(postern_policy_get_facts(p, &d, &copy), 0);
	// It is a copy: what happens afterwards is no part of it.
	assert_int_equal(postern_policy_set_facts(p, &d, NULL), 0);
	assert_int_equal(copy.facts.state, POSTERN_FACTS_GOOD);
	assert_int_equal(copy.facts.wall_us, 4711);
	assert_int_equal(copy.facts.n_targets, 2);
	for (unsigned i = 0; i < 2; i++) {
		const struct postern_target *t = &copy.facts.targets[i];

		assert_string_equal(t->name.text, targets[i].name.text);
		assert_int_equal(t->name.length, targets[i].name.length);
		assert_int_equal(t->priority, targets[i].priority);
		assert_int_equal(t->weight, targets[i].weight);
		assert_int_equal(t->port, targets[i].port);
		assert_int_equal(t->n_addresses, targets[i].n_addresses);
	}
	assert_memory_equal(copy.facts.targets[0].addresses, a, sizeof(a));
	assert_int_equal(postern_policy_get_facts(p, &d, &copy), -ENOENT);
	// An entry of which DNS was not asked.
	rig_allow(p, "none.com", NULL);
	assert_int_equal(postern_policy_get_facts(p, &none, &copy), -ENOENT);
	assert_int_equal(postern_policy_get_host(p, &none, addresses, &wall_us), 0);
	assert_int_equal(wall_us, 0);
	assert_int_equal(postern_policy_set_host(p, &none, a, 2, 4712), 0);
	assert_int_equal(postern_policy_get_host(p, &none, addresses, &wall_us), 2);
	assert_memory_equal(addresses, a, sizeof(a));
	assert_int_equal(wall_us, 4712);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		TEST(nobody_is_responsible),
		TEST(row_1_the_master_switch),
		TEST(row_2_blocked),
		TEST(row_3_our_own_domain_from_outside),
		TEST(row_4_allowed_with_a_server),
		TEST(rows_5_and_6_providers),
		TEST(row_7_allowed_and_found_by_srv),
		TEST(row_8_discovered),
		TEST(facts_can_be_had_again),
		TEST(the_longest_suffix_counts),
		TEST(organisations_do_not_see_each_other),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
