// SPDX-License-Identifier: BSD-2-Clause
// Partners and switches one by one: what may be said of them, what contradicts itself, what is kept, and
// what the tables say then.

#include "tests/unit/policy_store.h"

#include "postern/log.h"

#include <sqlite3.h>

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static void test_values_have_one_spelling(void **state)
{
	(void)state;
	static const struct {
		enum policy_kind kind;
		const char *field, *text, *kept; // NULL: refused; empty: the default
	} cases[] = {
		{POLICY_ALLOWED, "domain", "Contoso.COM.", "contoso.com"},
		{POLICY_ALLOWED, "domain",
			"b\xc3\xbc"
			"cher.example",
			"xn--bcher-kva.example"},
		{POLICY_ALLOWED, "domain", "", NULL},
		{POLICY_ALLOWED, "domain", "a..b", NULL},
		{POLICY_ALLOWED, "domain", "192.0.2.1", NULL},
		{POLICY_ALLOWED, "proxy-fqdn", "", ""},
		{POLICY_ALLOWED, "enabled", "YES", ""},
		{POLICY_ALLOWED, "enabled", "off", "false"},
		{POLICY_ALLOWED, "enabled", "perhaps", NULL},
		{POLICY_ALLOWED, "verification-level", "always-verifiable", "AlwaysVerifiable"},
		{POLICY_ALLOWED, "VerificationLevel", "USESOURCEVERIFICATION", ""},
		{POLICY_ALLOWED, "verification-level", "never", NULL},
		{POLICY_ALLOWED, "prefixes", "192.0.2.0/24, 2001:DB8::/32 10.0.0.1",
			"192.0.2.0/24,2001:db8::/32,10.0.0.1/32"},
		{POLICY_ALLOWED, "prefixes", "192.0.2.1/24", NULL},
		{POLICY_ALLOWED, "prefixes", "2001:db8::1/64", NULL},
		{POLICY_ALLOWED, "prefixes", "nowhere", NULL},
		{POLICY_ALLOWED, "further-names", "A.example;b.example", "a.example,b.example"},
		{POLICY_ALLOWED, "further-names", "a.example, *.example", NULL},
		{POLICY_ALLOWED, "further-names", " , ", ""},
		{POLICY_ALLOWED, "note", "caf\xc3\xa9, \"quoted\"", "caf\xc3\xa9, \"quoted\""},
		{POLICY_ALLOWED, "note", "two\nlines", NULL},
		{POLICY_ALLOWED, "note", "caf\xe9", NULL},
		{POLICY_ALLOWED, "note", "\xed\xa0\x80", NULL},
		{POLICY_ALLOWED, "lowest-tls", "1.0", "1.0"},
		{POLICY_ALLOWED, "lowest-tls", "1.1", NULL},
		{POLICY_PROVIDER, "name", "Skype for Business Online", "Skype for Business Online"},
		{POLICY_PROVIDER, "name", " x", NULL},
		{POLICY_SWITCHES, "OutgoingTlsCountForFederatedPartners", "4", ""},
		{POLICY_SWITCHES, "OutgoingTlsCountForFederatedPartners", "1", "1"},
		{POLICY_SWITCHES, "OutgoingTlsCountForFederatedPartners", "5", NULL},
		{POLICY_SWITCHES, "OutgoingTlsCountForFederatedPartners", "0", NULL},
		{POLICY_SWITCHES, "max-contacts-per-discovered-partner", "99999999999999999999999",
			NULL},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct policy_field *f = policy_field_find(
			policy_object(cases[i].kind), cases[i].field, strlen(cases[i].field));
		char *kept = NULL, text[POLICY_WHY] = "";

		assert_non_null(f);
		const int status =
			policy_value_read(f, cases[i].text, strlen(cases[i].text), &kept, text);
		if (cases[i].kept && status != 0)
			fail_msg("%s: %s", cases[i].text, text);
		if (!cases[i].kept && status == 0)
			fail_msg("%s is taken as %s", cases[i].text, kept);
		if (cases[i].kept)
			assert_string_equal(kept, cases[i].kept);
		else
			assert_true(text[0] != '\0');
		free(kept);
	}
}

static void test_lists_are_bounded(void **state)
{
	(void)state;
	const struct policy_field *f =
		policy_field_find(policy_object(POLICY_ALLOWED), "further-names", 13);
	char text[POSTERN_FURTHER_NAMES_MAX * 8 + 64] = "", why_not[POLICY_WHY];
	char *kept;

	for (unsigned i = 0; i < POSTERN_FURTHER_NAMES_MAX; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "a%u.b,", i);
	assert_int_equal(policy_value_read(f, text, strlen(text), &kept, why_not), 0);
	free(kept);
	strcat(text, "last.b");
	assert_int_equal(policy_value_read(f, text, strlen(text), &kept, why_not), -EINVAL);
	assert_non_null(strstr(why_not, "more than 32"));
}

static void test_added_changed_removed(void **state)
{
	(void)state;
	assert_int_equal(
		add(POLICY_ALLOWED, "domain=Fabrikam.COM.;proxy-fqdn=sip.fabrikam.com"), 0);
	assert_string_equal(value("domain"), "fabrikam.com");
	assert_int_equal(json_integer_value(json_object_get(got.entry, "revision")), 1);
	assert_int_equal(add(POLICY_ALLOWED, "domain=fabrikam.com"), -EEXIST);
	expect_mistake("fabrikam.com is there already");
	assert_int_equal(set_entry(POLICY_ALLOWED, "domain=fabrikam.com;note=x"), 0);
	assert_string_equal(value("proxy-fqdn"), "sip.fabrikam.com");
	assert_int_equal(json_integer_value(json_object_get(got.entry, "revision")), 2);
	// The empty text is the default.
	assert_int_equal(set_entry(POLICY_ALLOWED, "domain=fabrikam.com;proxy-fqdn=;note="), 0);
	assert_null(value("proxy-fqdn"));
	assert_int_equal(set_entry(POLICY_ALLOWED, "domain=nobody.example;note=x"), -ENOENT);
	assert_int_equal(remove_entry(POLICY_ALLOWED, "domain=nobody.example"), -ENOENT);
	assert_int_equal(remove_entry(POLICY_ALLOWED, "domain=fabrikam.com"), 0);
	assert_int_equal(show(POLICY_ALLOWED, "fabrikam.com"), -ENOENT);
}

static void test_two_clients(void **state)
{
	(void)state;
	assert_int_equal(add(POLICY_ALLOWED, "domain=fabrikam.com"), 0);
	// Both have seen revision 1; the first one wins.
	assert_int_equal(change_if(POLICY_SET, POLICY_ALLOWED, "domain=fabrikam.com;note=a", 1), 0);
	assert_int_equal(
		change_if(POLICY_SET, POLICY_ALLOWED, "domain=fabrikam.com;note=b", 1), -ESTALE);
	expect_mistake("its revision is 2");
	assert_int_equal(show(POLICY_ALLOWED, "fabrikam.com"), 0);
	assert_string_equal(value("note"), "a");
	assert_int_equal(
		change_if(POLICY_REMOVE, POLICY_ALLOWED, "domain=fabrikam.com", 1), -ESTALE);
	assert_int_equal(change_if(POLICY_REMOVE, POLICY_ALLOWED, "domain=fabrikam.com", 2), 0);
	// A revision is of what is there: 0 says that there is nothing.
	assert_int_equal(change_if(POLICY_ADD, POLICY_ALLOWED, "domain=fabrikam.com", 0), 0);
	assert_int_equal(change_if(POLICY_SET, POLICY_SWITCHES, "AllowFederatedUsers=true", 0), 0);
	assert_int_equal(
		change_if(POLICY_SET, POLICY_SWITCHES, "AllowFederatedUsers=false", 0), -ESTALE);
}

// Each is refused for its reason, and nothing is there afterwards.
static void test_contradictions(void **state)
{
	(void)state;
	static const struct {
		enum policy_verb verb;
		enum policy_kind kind;
		const char *text, *mistake;
	} cases[] = {
		{POLICY_ADD, POLICY_BLOCKED, "domain=allowed.example", "is allowed already"},
		{POLICY_ADD, POLICY_ALLOWED, "domain=blocked.example", "is blocked already"},
		{POLICY_ADD, POLICY_ALLOWED, "domain=contoso.net", "one of our own"},
		{POLICY_ADD, POLICY_BLOCKED, "domain=contoso.com", "one of our own"},
		{POLICY_ADD, POLICY_ALLOWED, "domain=a.example;proxy-fqdn=b.example;trust-srv=true",
			"trust-srv: "},
		{POLICY_SET, POLICY_ALLOWED, "domain=allowed.example;trust-srv=true",
			"trust-srv: "},
		{POLICY_ADD, POLICY_PROVIDER, "name=x;proxy-fqdn=x.example", "kind: it is missing"},
		{POLICY_ADD, POLICY_PROVIDER, "name=x;kind=hosting", "proxy-fqdn: it is missing"},
		{POLICY_ADD, POLICY_PROVIDER, "name=x;kind=public;proxy-fqdn=host.example",
			"is the provider Host's already"},
		{POLICY_ADD, POLICY_PROVIDER,
			"name=x;kind=public;proxy-fqdn=x.example;is-local=true", "is-local: "},
		{POLICY_SET, POLICY_PROVIDER, "name=Host;proxy-fqdn=other.example",
			"never changed"},
		{POLICY_SET, POLICY_PROVIDER, "name=Host;kind=public", "never changed"},
		{POLICY_SET, POLICY_SWITCHES, "RoutingMethod=UseDefaultRouting",
			"DefaultRouteFqdn: UseDefaultRouting needs it"},
		{POLICY_SET, POLICY_SWITCHES, "DefaultRouteFqdn=a.example", "RoutingMethod: "},
		{POLICY_SET, POLICY_SWITCHES,
			"RoutingMethod=UseDefaultRouting;DefaultRouteFqdn=a.example",
			"Host is enabled"},
		{POLICY_SET, POLICY_SWITCHES,
			"RoutingMethod=UseDefaultRouting;DefaultRouteFqdn=a.example;"
			"EnablePartnerDiscovery=true",
			"nobody is discovered"},
	};
	assert_int_equal(add(POLICY_ALLOWED, "domain=allowed.example;proxy-fqdn=edge.example"), 0);
	assert_int_equal(add(POLICY_BLOCKED, "domain=blocked.example"), 0);
	assert_int_equal(
		add(POLICY_PROVIDER, "name=Host;kind=hosting;proxy-fqdn=host.example;enabled=true"),
		0);
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(
			change_if(cases[i].verb, cases[i].kind, cases[i].text, POLICY_ANY_REVISION),
			-EINVAL);
		expect_mistake(cases[i].mistake);
	}
	assert_int_equal(show(POLICY_SWITCHES, NULL), 0);
	assert_int_equal(got.revision, 3);
	assert_int_equal(show(POLICY_ALLOWED, "a.example"), -ENOENT);
	assert_int_equal(show(POLICY_PROVIDER, "x"), -ENOENT);
	// With the provider off the default route is possible, and then no provider.
	assert_int_equal(set_entry(POLICY_PROVIDER, "name=Host;enabled=false"), 0);
	assert_int_equal(set_entry(POLICY_SWITCHES,
				 "RoutingMethod=UseDefaultRouting;DefaultRouteFqdn=a.example"),
		0);
	assert_int_equal(set_entry(POLICY_PROVIDER, "name=Host;enabled=true"), -EINVAL);
	expect_mistake("Host is enabled");
	assert_int_equal(set_entry(POLICY_SWITCHES, "EnablePartnerDiscovery=true"), -EINVAL);
}

static void test_tables_follow(void **state)
{
	(void)state;
	assert_int_equal(decide("fabrikam.com").row, POSTERN_ROW_FEDERATION_OFF);
	assert_int_equal(set_entry(POLICY_SWITCHES, "AllowFederatedUsers=true"), 0);
	assert_int_equal(decide("fabrikam.com").row, POSTERN_ROW_OTHERWISE);
	assert_int_equal(
		add(POLICY_ALLOWED,
			"domain=fabrikam.com;proxy-fqdn=sip.fabrikam.com;admission=observe;"
			"lowest-tls=1.2;key-usage=any;mark-for-monitoring=true"),
		0);
	struct postern_answer a = decide("fabrikam.com");
	assert_int_equal(a.row, POSTERN_ROW_ALLOWED_DIRECT);
	assert_int_equal(a.outcome, POSTERN_ADMIT);
	assert_string_equal(a.peer.text, "sip.fabrikam.com");
	assert_int_equal(a.admission, POSTERN_ADMISSION_OBSERVE);
	assert_int_equal(a.tls.lowest_version, 12);
	assert_int_equal(a.tls.key_usage, POSTERN_KEY_USAGE_ANY);
	assert_true(a.monitored);
	assert_int_equal(set_entry(POLICY_ALLOWED, "domain=fabrikam.com;enabled=false"), 0);
	assert_int_equal(decide("fabrikam.com").row, POSTERN_ROW_OTHERWISE);
	assert_int_equal(set_entry(POLICY_ALLOWED, "domain=fabrikam.com;enabled=true"), 0);
	assert_int_equal(add(POLICY_BLOCKED, "domain=evil.example;suffix=true"), 0);
	assert_int_equal(decide("www.evil.example").row, POSTERN_ROW_BLOCKED);
	assert_int_equal(decide("contoso.com").row, POSTERN_ROW_OWN_DOMAIN);
	restart();
	assert_int_equal(decide("fabrikam.com").row, POSTERN_ROW_ALLOWED_DIRECT);
	assert_int_equal(decide("www.evil.example").row, POSTERN_ROW_BLOCKED);
	assert_int_equal(remove_entry(POLICY_BLOCKED, "domain=evil.example"), 0);
	assert_int_equal(decide("www.evil.example").row, POSTERN_ROW_OTHERWISE);
	assert_int_equal(
		add(POLICY_PROVIDER, "name=H;kind=hosting;proxy-fqdn=h.example;enabled=true;"
				     "shared-address-space=true"),
		0);
	assert_int_equal(decide("contoso.com").outcome, POSTERN_ADMIT);
	assert_int_equal(remove_entry(POLICY_PROVIDER, "name=H"), 0);
	assert_int_equal(decide("contoso.com").outcome, POSTERN_REFUSE);
}

// An organisation that leaves the file is unloaded, and is as it was when it comes back.
static void test_organisations_come_and_go(void **state)
{
	(void)state;
	assert_int_equal(set_entry(POLICY_SWITCHES, "AllowFederatedUsers=true"), 0);
	assert_int_equal(add(POLICY_ALLOWED, "domain=fabrikam.com;proxy-fqdn=sip.fabrikam.com"), 0);
	use(2, true);
	assert_int_equal(policy_organisation_id(policy, "litware"), 1);
	struct policy_entry e = entry_of(POLICY_ALLOWED, "domain=contoso.com");
	// What is our own for one is a partner of another.
	assert_int_equal(answered(told, policy_change(policy, "litware", POLICY_ADD, &e,
						POLICY_ANY_REVISION, &by, got_take, NULL)),
		0);
	use(0, true);
	assert_int_equal(policy_organisation_id(policy, "contoso"), -ENOENT);
	struct postern_policy_stats stats;
	postern_policy_read(tables, &stats);
	assert_int_equal(stats.domains, 0);
	use(1, true);
	assert_int_equal(decide("fabrikam.com").row, POSTERN_ROW_ALLOWED_DIRECT);
	assert_int_equal(decide("contoso.com").row, POSTERN_ROW_OWN_DOMAIN);
}

static int list_page(const char *after, const char *match, const char *filter, unsigned limit)
{
	struct policy_query q = {.organisation = "contoso",
		.kind = POLICY_ALLOWED,
		.after = after,
		.match = match,
		.filter = entry_of(POLICY_ALLOWED, filter),
		.limit = limit};
	const unsigned before = told;

	return answered(before, policy_list(policy, &q, got_take, NULL));
}

static void test_lists_page_by_page(void **state)
{
	(void)state;
	for (int i = 0; i < 25; i++) {
		char text[128];

		snprintf(text, sizeof(text), "domain=d%02d.example;admission=%s", i,
			i % 5 == 0 ? "observe" : "enforce");
		assert_int_equal(add(POLICY_ALLOWED, text), 0);
	}
	size_t n = 0;
	char *after = NULL;
	do {
		assert_int_equal(list_page(after, NULL, "", 10), 0);
		n += json_array_size(got.items);
		free(after);
		after = got.next ? strdup(got.next) : NULL;
	} while (after);
	assert_int_equal(n, 25);
	assert_int_equal(list_page(NULL, NULL, "", 25), 0);
	assert_null(got.next);
	assert_int_equal(list_page(NULL, "D1", "", 100), 0);
	assert_int_equal(json_array_size(got.items), 10);
	assert_int_equal(list_page(NULL, NULL, "admission=observe", 100), 0);
	assert_int_equal(json_array_size(got.items), 5);
	// A default is asked for like any other value.
	assert_int_equal(list_page(NULL, NULL, "admission=enforce", 100), 0);
	assert_int_equal(json_array_size(got.items), 20);
	assert_int_equal(list_page(NULL, "%", "", 100), 0);
	assert_int_equal(json_array_size(got.items), 0);
}

static void test_changes_are_recorded_with_them(void **state)
{
	(void)state;
	assert_int_equal(add(POLICY_ALLOWED, "domain=fabrikam.com;note=x"), 0);
	assert_int_equal(remove_entry(POLICY_ALLOWED, "domain=fabrikam.com"), 0);
	assert_int_equal(add(POLICY_ALLOWED, "domain=contoso.com"), -EINVAL);
	const struct store_audit_query all = {.limit = 10};
	assert_int_equal(list(disk, &all), 0);
	// What was refused is recorded by who was asked.
	assert_int_equal(n_page, 2);
	assert_string_equal(page[1]->after, "{\"domain\":\"fabrikam.com\",\"note\":\"x\"}");
	assert_null(page[1]->before);
	assert_string_equal(page[0]->before, "{\"domain\":\"fabrikam.com\",\"note\":\"x\"}");
	assert_null(page[0]->after);
	page_clear();
}

// What is not there, or is there already, says nothing of the disk.
static void test_mistakes_are_no_trouble(void **state)
{
	(void)state;
	assert_int_equal(remove_entry(POLICY_ALLOWED, "domain=nobody.example"), -ENOENT);
	assert_null(store_trouble(disk));
	assert_int_equal(add(POLICY_ALLOWED, "domain=a.example"), 0);
	assert_int_equal(add(POLICY_ALLOWED, "domain=a.example"), -EEXIST);
	assert_int_equal(change_if(POLICY_SET, POLICY_ALLOWED, "domain=a.example", 99), -ESTALE);
	assert_null(store_trouble(disk));
}

static void test_loading_is_told(void **state)
{
	struct config c = {.organisations = {organisations, 2}};
	char text[POLICY_WHY];

	(void)state;
	while (policy_is_loading(policy))
		assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
	assert_int_equal(policy_use_config(policy, &c, false, text), 0);
	assert_int_equal(policy_use_config(policy, &c, false, text), 0);
	assert_true(policy_is_loading(policy));
	while (policy_is_loading(policy))
		assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
	assert_int_equal(add(POLICY_ALLOWED, "domain=fabrikam.com"), 0);
}

// All ids are in use while those who leave still have theirs: who finds none gets one the next time.
static void test_all_organisations_exchanged(void **state)
{
	static struct config_organisation many[POSTERN_ORGANISATIONS_MAX];
	static char names[POSTERN_ORGANISATIONS_MAX][2][24];
	static char *domains[POSTERN_ORGANISATIONS_MAX];
	const char *const letters = "abb";
	struct postern_domain last;
	char text[POLICY_WHY];

	(void)state;
	const enum postern_log_level level = postern_log_get_level();

	postern_log_set_level(POSTERN_LOG_WARNING);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < POSTERN_ORGANISATIONS_MAX; i++) {
			snprintf(names[i][0], sizeof(names[i][0]), "%c%u", letters[round], i);
			snprintf(names[i][1], sizeof(names[i][1]), "%c%u.example", letters[round],
				i);
			domains[i] = names[i][1];
			many[i] = (struct config_organisation){
				.name = names[i][0], .domains = {&domains[i], 1}};
		}
		const struct config c = {.organisations = {many, POSTERN_ORGANISATIONS_MAX}};
		assert_int_equal(policy_use_config(policy, &c, true, text), 0);
		const int id = policy_organisation_id(policy, names[4095][0]);
		assert_int_equal(
			postern_domain_parse(names[4095][1], strlen(names[4095][1]), &last), 0);
		assert_int_equal(postern_policy_owner(tables, &last), id);
		assert_true(round == 1 || id >= 0);
	}
	postern_log_set_level(level);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_have_one_spelling),
		cmocka_unit_test(test_lists_are_bounded),
		cmocka_unit_test_setup_teardown(
			test_added_changed_removed, policy_setup, policy_teardown),
		cmocka_unit_test_setup_teardown(test_two_clients, policy_setup, policy_teardown),
		cmocka_unit_test_setup_teardown(test_contradictions, policy_setup, policy_teardown),
		cmocka_unit_test_setup_teardown(test_tables_follow, policy_setup, policy_teardown),
		cmocka_unit_test_setup_teardown(
			test_organisations_come_and_go, policy_setup, policy_teardown),
		cmocka_unit_test_setup_teardown(
			test_mistakes_are_no_trouble, policy_setup, policy_teardown),
		cmocka_unit_test_setup_teardown(
			test_loading_is_told, policy_setup, policy_teardown),
		cmocka_unit_test_setup_teardown(
			test_all_organisations_exchanged, policy_setup, policy_teardown),
		cmocka_unit_test_setup_teardown(
			test_lists_page_by_page, policy_setup, policy_teardown),
		cmocka_unit_test_setup_teardown(
			test_changes_are_recorded_with_them, policy_setup, policy_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
