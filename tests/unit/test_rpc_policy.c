// SPDX-License-Identifier: BSD-2-Clause
// Partners over the control socket, with a database and tables of their own: what is asked for, who may,
// and lists that change while they are read.

#include "control/config/config.h"
#include "control/policy/policy.h"
#include "control/store/store.h"
#include "tests/unit/rpc_user.h"

#include "postern/policy.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

static char folder[64];
static struct store *store;
static struct policy *policy;
static struct postern_policy *tables;
static struct rpc_context context;

static char *own_domains[] = {(char[]){"contoso.com"}};
static char *other_domains[] = {(char[]){"litware.example"}};
static struct config_organisation organisations[] = {
	{.name = (char[]){"contoso"}, .domains = {own_domains, 1}},
	{.name = (char[]){"litware"}, .domains = {other_domains, 1}},
};
static struct config config;

static const struct config *get_config(void *daemon)
{
	(void)daemon;
	return &config;
}

static int remove_one(const char *name, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(name);
}

static void use(size_t n)
{
	char text[POLICY_WHY];

	config.organisations.items = organisations;
	config.organisations.count = n;
	assert_int_equal(policy_use_config(policy, &config, true, text), 0);
}

static int setup_policy(void **state)
{
	const struct postern_policy_limits limits = {.domains = 1000};
	char path[96], why[256] = "";

	setup(state);
	snprintf(folder, sizeof(folder), "/tmp/postern-policy-XXXXXX");
	assert_non_null(mkdtemp(folder));
	assert_int_equal(chmod(folder, 0755), 0);
	snprintf(path, sizeof(path), "%s/state.db", folder);
	const struct store_options options = {.path = path, .base = base};
	if (store_open(&options, &store, why, sizeof(why)) != 0)
		fail_msg("%s", why);
	assert_int_equal(postern_policy_new(&limits, &tables), 0);
	const struct policy_options of = {.store = store, .tables = tables};
	assert_int_equal(policy_new(&of, &policy), 0);
	use(1);
	rpc_server_use_store(server, store);
	context = (struct rpc_context){
		.server = server, .store = store, .policy = policy, .config = get_config};
	rpc_methods_organisation(&context);
	rpc_methods_policy(&context);
	rpc_methods_policy_file(&context);
	rpc_methods_partner(&context);
	rpc_methods_backup(&context);
	return 0;
}

static int teardown_policy(void **state)
{
	(void)state;
	rpc_server_free(server);
	server = NULL;
	store_close(store);
	policy_free(policy);
	postern_policy_free(tables);
	nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	event_base_free(base);
	return 0;
}

static json_t *ask(struct client *c, const char *method, const char *params)
{
	char text[1024];

	snprintf(text, sizeof(text),
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":%s}\n", method, params);
	client_send(c, text);
	return client_answer(c);
}

static json_int_t code(const json_t *answer)
{
	return json_integer_value(json_object_get(json_object_get(answer, "error"), "code"));
}

static const char *message(const json_t *answer)
{
	return member(json_object_get(answer, "error"), "message");
}

// Asks for what works, and returns an integer of the answer.
static json_int_t number(struct client *c, const char *method, const char *params, const char *key)
{
	json_t *answer = ask(c, method, params);

	if (code(answer) != 0)
		fail_msg("%s %s: %s", method, params, message(answer));
	const json_int_t n =
		json_integer_value(json_object_get(json_object_get(answer, "result"), key));
	json_decref(answer);
	return n;
}

static json_int_t refusal(struct client *c, const char *method, const char *params)
{
	json_t *answer = ask(c, method, params);
	const json_int_t n = code(answer);

	json_decref(answer);
	return n;
}

static void test_parameters(void **state)
{
	static const struct {
		const char *method, *params;
		int code;
		const char *field; // that is told
	} cases[] = {
		{"allowed-domain.add", "{}", RPC_INVALID_PARAMS, "domain"},
		{"allowed-domain.add", "{\"domain\":7}", RPC_INVALID_PARAMS, "domain"},
		{"allowed-domain.add", "{\"domain\":\"a..b\"}", RPC_INVALID_PARAMS, "domain"},
		{"allowed-domain.add", "{\"domain\":\"\"}", RPC_INVALID_PARAMS, "domain"},
		{"allowed-domain.add", "{\"domain\":\"a.example\",\"colour\":\"red\"}",
			RPC_INVALID_PARAMS, "colour"},
		{"allowed-domain.add", "{\"domain\":\"a.example\",\"enabled\":\"yes\"}",
			RPC_INVALID_PARAMS, "enabled"},
		{"allowed-domain.add", "{\"domain\":\"a..b\",\"proxy-fqdn\":\"c..d\"}",
			RPC_INVALID_PARAMS, "proxy-fqdn"},
		{"allowed-domain.add", "{\"domain\":\"a.example\",\"if-revision\":\"1\"}",
			RPC_INVALID_PARAMS, "if-revision"},
		{"allowed-domain.add", "{\"domain\":\"contoso.com\"}", RPC_REFUSED, "domain"},
		{"allowed-domain.list", "{\"limit\":0}", RPC_INVALID_PARAMS, "limit"},
		{"allowed-domain.list", "{\"limit\":1001}", RPC_INVALID_PARAMS, "limit"},
		{"allowed-domain.set", "{\"domain\":\"a.example\"}", RPC_NOT_FOUND, NULL},
		{"allowed-domain.remove", "{\"domain\":\"a.example\"}", RPC_NOT_FOUND, NULL},
		{"allowed-domain.show", "{\"domain\":\"a.example\"}", RPC_NOT_FOUND, NULL},
		{"provider.add", "{\"name\":\"x\"}", RPC_REFUSED, "proxy-fqdn"},
		{"policy.set", "{\"switch\":\"AllowFederated\",\"value\":\"true\"}",
			RPC_INVALID_PARAMS, "switch"},
		{"policy.set", "{\"switch\":\"AllowFederatedUsers\",\"value\":\"perhaps\"}",
			RPC_INVALID_PARAMS, "AllowFederatedUsers"},
		{"policy.export", "{\"cursor\":\"x\"}", RPC_REFUSED, "cursor"},
		{"policy.apply", "{\"file\":\"policy.yaml\"}", RPC_INVALID_PARAMS, "file"},
		{"policy.apply", "{\"file\":\"/nowhere/policy.yaml\"}", RPC_REFUSED, "file"},
		{"policy.import", "{\"file\":\"/dev/null\"}", RPC_REFUSED, "file"},
		{"policy.import", "{\"file\":\"/dev/null\",\"kind\":\"colours\"}",
			RPC_INVALID_PARAMS, "kind"},
		{"backup.write", "{\"file\":\"backup.db\"}", RPC_INVALID_PARAMS, "file"},
		{"partner.show", "{\"domain\":\"a..b\"}", RPC_INVALID_PARAMS, "domain"},
		{"partner.show", "{\"domain\":\"a.example\",\"direction\":\"up\"}",
			RPC_INVALID_PARAMS, "direction"},
		{"partner.show", "{\"domain\":\"a.example\",\"names\":\"b..c\"}",
			RPC_INVALID_PARAMS, "names"},
	};
	struct client c = client_open();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *answer = ask(&c, cases[i].method, cases[i].params);

		if (code(answer) != cases[i].code)
			fail_msg("%s %s: %d", cases[i].method, cases[i].params, (int)code(answer));
		if (cases[i].field && !mistake(answer, cases[i].field))
			fail_msg("%s %s: nothing of %s", cases[i].method, cases[i].params,
				cases[i].field);
		json_decref(answer);
	}
	// Nothing of it is there.
	assert_int_equal(number(&c, "policy.show", "{}", "revision"), 0);
	client_free(&c);
}

static void test_which_organisation(void **state)
{
	struct client c = client_open();

	(void)state;
	json_t *answer = ask(&c, "allowed-domain.list", "{\"organisation\":\"litwar\"}");
	assert_int_equal(code(answer), RPC_NOT_FOUND);
	assert_string_equal(member(mistake(answer, "organisation"), "expected"), "contoso");
	json_decref(answer);
	use(2);
	answer = ask(&c, "allowed-domain.add", "{\"domain\":\"a.example\"}");
	assert_int_equal(code(answer), RPC_INVALID_PARAMS);
	assert_string_equal(
		member(mistake(answer, "organisation"), "expected"), "contoso, litware");
	json_decref(answer);
	// Another's own domain may be a partner, one's own may not.
	number(&c, "allowed-domain.add",
		"{\"domain\":\"contoso.com\",\"organisation\":\"litware\"}", "revision");
	assert_int_equal(refusal(&c, "allowed-domain.add",
				 "{\"domain\":\"litware.example\",\"organisation\":\"litware\"}"),
		RPC_REFUSED);
	assert_int_equal(refusal(&c, "allowed-domain.show",
				 "{\"domain\":\"contoso.com\",\"organisation\":\"contoso\"}"),
		RPC_NOT_FOUND);
	use(0);
	assert_int_equal(refusal(&c, "policy.export", "{}"), RPC_REFUSED);
	assert_int_equal(refusal(&c, "partner.show", "{\"domain\":\"a.example\"}"), RPC_REFUSED);
	use(1);
	client_free(&c);
}

static void test_two_clients_change_one_entry(void **state)
{
	struct client a = client_open(), b = client_open();
	char params[128];

	(void)state;
	const json_int_t seen =
		number(&a, "allowed-domain.add", "{\"domain\":\"a.example\"}", "revision");
	assert_int_equal(
		number(&b, "allowed-domain.show", "{\"domain\":\"a.example\"}", "revision"), seen);
	snprintf(params, sizeof(params),
		"{\"domain\":\"a.example\",\"note\":\"first\",\"if-revision\":%d}", (int)seen);
	const json_int_t now = number(&a, "allowed-domain.set", params, "revision");
	assert_true(now > seen);
	for (unsigned i = 0; i < 2; i++) {
		json_t *answer =
			ask(&b, i == 0 ? "allowed-domain.set" : "allowed-domain.disable", params);

		if (i == 1) // "note" is none of its parameters
			assert_int_equal(code(answer), RPC_INVALID_PARAMS);
		else
			assert_non_null(strstr(message(answer), "changed meanwhile"));
		json_decref(answer);
	}
	snprintf(
		params, sizeof(params), "{\"domain\":\"a.example\",\"if-revision\":%d}", (int)seen);
	assert_int_equal(refusal(&b, "allowed-domain.remove", params), RPC_REFUSED);
	assert_int_equal(refusal(&b, "allowed-domain.disable", params), RPC_REFUSED);
	snprintf(params, sizeof(params), "{\"domain\":\"a.example\",\"if-revision\":%d}", (int)now);
	number(&b, "allowed-domain.remove", params, "revision");
	client_free(&a);
	client_free(&b);
}

static void add(struct client *c, const char *name)
{
	char params[128];

	snprintf(params, sizeof(params), "{\"domain\":\"%s\"}", name);
	number(c, "blocked-domain.add", params, "revision");
}

static void take_off(struct client *c, const char *name)
{
	char params[128];

	snprintf(params, sizeof(params), "{\"domain\":\"%s\"}", name);
	number(c, "blocked-domain.remove", params, "revision");
}

// What is there all the while is listed once, whatever comes and goes between two pages.
static void test_pages_of_what_changes(void **state)
{
	struct client c = client_open();
	unsigned seen[30] = {0}, pages = 0;
	char params[160] = "{\"limit\":4}", name[32];

	(void)state;
	for (unsigned i = 0; i < 30; i++) {
		snprintf(name, sizeof(name), "d%02u.example", i);
		add(&c, name);
	}
	for (bool more = true; more;) {
		json_t *answer = ask(&c, "blocked-domain.list", params);
		const json_t *result = json_object_get(answer, "result");
		const json_t *items = json_object_get(result, "items");
		const char *next = json_string_value(json_object_get(result, "next"));
		unsigned n = 0;

		for (size_t i = 0; i < json_array_size(items); i++)
			if (sscanf(member(json_array_get(items, i), "domain"), "d%02u.", &n) == 1)
				seen[n]++;
		more = next != NULL;
		if (more) {
			snprintf(params, sizeof(params), "{\"limit\":4,\"cursor\":\"%s\"}", next);
			// The very entry that the next page begins behind, and one before it that is new.
			take_off(&c, member(json_array_get(items, json_array_size(items) - 1),
					     "domain"));
			snprintf(name, sizeof(name), "a%u.example", pages++);
			add(&c, name);
		}
		json_decref(answer);
	}
	assert_true(pages >= 7);
	for (unsigned i = 0; i < 30; i++)
		assert_int_equal(seen[i], 1);
	client_free(&c);
}

static char *file_of(const char *name, const char *text, const char *user)
{
	static char file[128];

	snprintf(file, sizeof(file), "%s/%s", folder, name);
	const int fd = open(file, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	if (user)
		assert_int_equal(fchown(fd, user_of(user), (gid_t)-1), 0);
	close(fd);
	return file;
}

static void test_roles(void **state)
{
	struct client c;
	char params[256];

	(void)state;
	assert_int_equal(take(NULL, "games", "news", "mail"), 0);
	c = client_as("games", NULL);
	assert_int_equal(number(&c, "allowed-domain.list", "{}", "none"), 0);
	assert_int_equal(number(&c, "organisation.list", "{}", "none"), 0);
	number(&c, "partner.show", "{\"domain\":\"a.example\"}", "none");
	number(&c, "policy.export", "{}", "revision");
	static const char *const changes[][2] = {
		{"allowed-domain.add", "{\"domain\":\"a.example\"}"},
		{"blocked-domain.remove", "{\"domain\":\"a.example\"}"},
		{"provider.disable", "{\"name\":\"x\"}"},
		{"policy.set", "{\"switch\":\"AllowFederatedUsers\",\"value\":\"true\"}"},
		{"policy.apply", "{\"file\":\"/nowhere\",\"dry-run\":true}"},
		{"policy.import", "{\"file\":\"/nowhere\"}"},
	};
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
		assert_int_equal(refusal(&c, changes[i][0], changes[i][1]), RPC_FORBIDDEN);
	assert_int_equal(
		refusal(&c, "backup.write", "{\"file\":\"/tmp/never.db\"}"), RPC_FORBIDDEN);
	client_free(&c);
	// Who operates changes no partners, and has no file written.
	c = client_as("news", NULL);
	assert_int_equal(refusal(&c, changes[0][0], changes[0][1]), RPC_FORBIDDEN);
	assert_int_equal(refusal(&c, "backup.write", "{\"file\":\"/tmp/never.db\"}"), RPC_REFUSED);
	client_free(&c);
	c = client_as("mail", NULL);
	number(&c, changes[0][0], changes[0][1], "revision");
	snprintf(params, sizeof(params), "{\"file\":\"%s\"}",
		file_of("his.csv", "domain,proxy-fqdn\nb.example,\n", "mail"));
	assert_int_equal(number(&c, "policy.import", params, "added"), 1);
	client_free(&c);
}

// He is told the same of what he may not read, whether it is there or not, and nothing of what it holds.
static void test_files_of_others(void **state)
{
	struct client c;
	char params[256], of_nothing[256];

	(void)state;
	assert_int_equal(take(NULL, NULL, NULL, "games"), 0);
	c = client_as("games", NULL);
	const char *file = file_of("secret", "root:secret:1\n", NULL);
	snprintf(params, sizeof(params), "{\"file\":\"%s\"}", file);
	snprintf(of_nothing, sizeof(of_nothing), "{\"file\":\"%s.not\"}", file);
	static const char *const methods_[] = {"policy.import", "policy.apply"};
	for (size_t i = 0; i < 2; i++) {
		json_t *there = ask(&c, methods_[i], params);
		json_t *nothing = ask(&c, methods_[i], of_nothing);

		assert_int_equal(code(there), RPC_REFUSED);
		assert_int_equal(code(nothing), RPC_REFUSED);
		assert_string_equal(member(mistake(there, "file"), "what"),
			member(mistake(nothing, "file"), "what"));
		assert_null(strstr(message(there), "secret:1"));
		json_decref(there);
		json_decref(nothing);
	}
	client_free(&c);
}

static void test_partner_with_facts(void **state)
{
	struct client c = client_open();
	const struct postern_addr at[] = {
		postern_addr_from_v4(0x010200c0), postern_addr_from_v4(0x020200c0)};
	struct postern_target target = {
		.priority = 3, .weight = 5, .port = 5061, .addresses = at, .n_addresses = 2};
	const struct postern_facts facts = {POSTERN_FACTS_GOOD, 1000000, &target, 1};
	struct postern_domain domain, host;

	(void)state;
	assert_int_equal(postern_domain_parse("sip.a.example", 13, &target.name), 0);
	assert_int_equal(postern_domain_parse("a.example", 9, &domain), 0);
	assert_int_equal(postern_domain_parse("edge.b.example", 14, &host), 0);
	assert_int_equal(postern_policy_set_facts(tables, &domain, &facts), 0);
	assert_int_equal(postern_policy_set_host(tables, &host, at, 1, 2000000), 0);
	number(&c, "allowed-domain.add", "{\"domain\":\"a.example\"}", "revision");
	number(&c, "allowed-domain.add",
		"{\"domain\":\"b.example\",\"proxy-fqdn\":\"edge.b.example\"}", "revision");
	number(&c, "policy.set", "{\"switch\":\"AllowFederatedUsers\",\"value\":\"true\"}",
		"revision");
	json_t *answer = ask(&c, "partner.show", "{\"domain\":\"A.example.\"}");
	const json_t *result = json_object_get(answer, "result");
	const json_t *told = json_object_get(result, "facts");
	assert_string_equal(member(result, "decision"), "admit");
	assert_string_equal(member(told, "srv"), "good");
	assert_string_equal(member(told, "since"), "1970-01-01T00:00:01.000Z");
	assert_true(json_integer_value(json_object_get(told, "age-ms")) > 0);
	assert_null(json_object_get(told, "peer-addresses"));
	const json_t *one = json_array_get(json_object_get(result, "targets"), 0);
	assert_string_equal(member(one, "target"), "sip.a.example");
	assert_int_equal(json_integer_value(json_object_get(one, "priority")), 3);
	assert_int_equal(json_integer_value(json_object_get(one, "weight")), 5);
	assert_int_equal(json_integer_value(json_object_get(one, "port")), 5061);
	assert_string_equal(json_string_value(json_array_get(json_object_get(one, "addresses"), 1)),
		"192.0.2.2");
	json_decref(answer);
	answer = ask(&c, "partner.show", "{\"domain\":\"b.example\"}");
	result = json_object_get(answer, "result");
	told = json_object_get(result, "facts");
	assert_string_equal(member(told, "srv"), "not asked");
	assert_int_equal(json_array_size(json_object_get(result, "targets")), 0);
	assert_string_equal(
		json_string_value(json_array_get(json_object_get(told, "peer-addresses"), 0)),
		"192.0.2.1");
	assert_string_equal(member(told, "peer-since"), "1970-01-01T00:00:02.000Z");
	json_decref(answer);
	client_free(&c);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_policy, teardown_policy)
	const struct CMUnitTest tests[] = {
		TEST(test_parameters),
		TEST(test_which_organisation),
		TEST(test_two_clients_change_one_entry),
		TEST(test_pages_of_what_changes),
		TEST(test_roles),
		TEST(test_files_of_others),
		TEST(test_partner_with_facts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
