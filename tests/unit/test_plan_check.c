// SPDX-License-Identifier: BSD-2-Clause
// What DNS and certificate files hold, against the plans.

#include "control/config/config.h"
#include "control/plan/check.h"

// cmocka.h needs the four before it, and the header with the certificates needs cmocka.h.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/unit/pool_identity.h"
// clang-format on

#include <string.h>
#include <time.h>

static const char *string(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text != NULL ? text : "null";
}

static json_t *read_json(const char *text)
{
	json_error_t error;
	json_t *value = json_loads(text, 0, &error);

	if (value == NULL)
		fail_msg("%s", error.text);
	return value;
}

static json_t *plan(void)
{
	return read_json(
		"{\"records\": ["
		"{\"name\": \"_sipfederationtls._tcp.contoso.com\", \"type\": \"SRV\", "
		"\"priority\": 0,"
		" \"weight\": 0, \"port\": 5061, \"target\": \"sip.contoso.com\"},"
		"{\"name\": \"sip.contoso.com\", \"type\": \"A\", \"address\": \"192.0.2.20\"},"
		"{\"name\": \"sip.contoso.com\", \"type\": \"A\", \"address\": \"192.0.2.21\"},"
		"{\"name\": \"SIP.contoso.com\", \"type\": \"AAAA\", \"address\": "
		"\"2001:db8::20\"},"
		"{\"name\": \"web.contoso.com\", \"type\": \"A\", \"address\": \"192.0.2.22\"}]}");
}

static void test_questions(void **state)
{
	static const char *const expected[] = {"_sipfederationtls._tcp.contoso.com SRV",
		"sip.contoso.com A", "sip.contoso.com AAAA", "web.contoso.com A",
		"web.contoso.com AAAA"};
	json_t *dns = plan(), *questions = plan_check_questions(dns);
	char text[300];

	(void)state;
	assert_int_equal(json_array_size(questions), 5);
	for (size_t i = 0; i < 5; i++) {
		const json_t *q = json_array_get(questions, i);
		snprintf(text, sizeof(text), "%s %s", string(q, "name"), string(q, "type"));
		assert_string_equal(text, expected[i]);
	}
	json_decref(questions);
	json_decref(dns);
}

// The five answers, then what each comes to; NULL: no item.
static void expect(
	const char *const answers[5], const char *const states[5], const char *const fixes[5])
{
	json_t *dns = plan(), *questions = plan_check_questions(dns), *list = json_array();

	for (size_t i = 0; i < 5; i++)
		json_array_append_new(list, read_json(answers[i]));
	json_t *items = plan_check_dns(dns, questions, list);
	size_t at = 0;
	for (size_t i = 0; i < 5; i++) {
		if (states[i] == NULL)
			continue;
		const json_t *item = json_array_get(items, at++);
		assert_string_equal(string(item, "state"), states[i]);
		assert_string_equal(string(item, "fix"), fixes[i]);
	}
	assert_int_equal(json_array_size(items), at);
	json_decref(items);
	json_decref(list);
	json_decref(questions);
	json_decref(dns);
}

#define NONE "{\"found\": []}"

static void test_dns_right(void **state)
{
	(void)state;
	// Priority and weight of the one record mean nothing; nor does the case of names.
	expect((const char *[]){"{\"found\": [\"10 5 5061 SIP.contoso.com\"]}",
		       "{\"found\": [\"192.0.2.21\", \"192.0.2.20\"]}",
		       "{\"found\": [\"2001:db8::20\"]}", "{\"found\": [\"192.0.2.22\"]}", NONE},
		(const char *[]){"right", "right", "right", "right", NULL},
		(const char *[]){"null", "null", "null", "null", NULL});
}

static void test_dns_wrong(void **state)
{
	(void)state;
	expect((const char *[]){"{\"found\": [\"0 0 5061 sip.contoso.com\", \"0 0 443 a.b\"]}",
		       "{\"found\": [\"192.0.2.20\"]}", "{\"found\": [\"2001:db8::21\"]}",
		       "{\"found\": [], \"why\": \"192.0.2.53: SERVFAIL\"}",
		       "{\"found\": [\"2001:db8::9\"]}"},
		(const char *[]){"more", "missing", "different", "unknown", "more"},
		(const char *[]){"remove 0 0 443 a.b", "publish A 192.0.2.21",
			"publish AAAA 2001:db8::20; remove 2001:db8::21", "null",
			"remove 2001:db8::9"});
	expect((const char *[]){NONE, NONE, NONE, NONE, NONE},
		(const char *[]){"missing", "missing", "missing", "missing", NULL},
		(const char *[]){"publish SRV 0 0 5061 sip.contoso.com",
			"publish A 192.0.2.20, 192.0.2.21", "publish AAAA 2001:db8::20",
			"publish A 192.0.2.22", NULL});
}

// ---- Certificates

static const char *state_of(const json_t *items, const char *aspect)
{
	for (size_t i = 0; i < json_array_size(items); i++)
		if (strcmp(string(json_array_get(items, i), "aspect"), aspect) == 0)
			return string(json_array_get(items, i), "state");
	return "none";
}

static const char *fix_of(const json_t *items, const char *aspect)
{
	for (size_t i = 0; i < json_array_size(items); i++)
		if (strcmp(string(json_array_get(items, i), "aspect"), aspect) == 0)
			return string(json_array_get(items, i), "fix");
	return "none";
}

static json_t *check(
	const char *file, const char *key, const char *trust, const char *name, int64_t after_s)
{
	X509_STORE *store = trust != NULL ? X509_STORE_new() : NULL;
	if (store != NULL)
		assert_int_equal(X509_STORE_load_file(store, trust), 1);
	json_t *facts = plan_file_read(file, key, store);
	X509_STORE_free(store);
	json_t *names = json_pack("[s, s]", "edge.contoso.com", name);
	json_t *purposes = json_pack("[s, s]", "serverAuth", "clientAuth");
	json_t *items = plan_check_file(facts, names, purposes, (int64_t)time(NULL) + after_s);

	json_decref(facts);
	json_decref(names);
	json_decref(purposes);
	return items;
}

static void test_file_right(void **state)
{
	static const char *const aspects[] = {"dates", "key", "chain", "names", "purposes"};
	json_t *items = check(client_file, client_key, trust_file, "EDGE.contoso.com", 0);

	(void)state;
	assert_int_equal(json_array_size(items), 5);
	for (size_t i = 0; i < 5; i++)
		if (strcmp(state_of(items, aspects[i]), "right") != 0)
			fail_msg("%s: %s", aspects[i], state_of(items, aspects[i]));
	// It has an hour left, which is right today.
	assert_string_equal(fix_of(items, "dates"), "renew it: it ends in 0 days");
	assert_string_equal(fix_of(items, "key"), "null");
	json_decref(items);
}

static void test_file_wrong(void **state)
{
	json_t *items = check(client_file, locked_key, NULL, "sip.contoso.com", 7200);

	(void)state;
	assert_string_equal(state_of(items, "dates"), "different");
	assert_string_equal(fix_of(items, "dates"), "renew it: it has expired");
	assert_string_equal(state_of(items, "key"), "different");
	assert_string_equal(state_of(items, "chain"), "missing");
	assert_non_null(strstr(fix_of(items, "chain"), "beginning with Contoso CA"));
	assert_string_equal(state_of(items, "names"), "missing");
	assert_string_equal(fix_of(items, "names"), "have it issued with sip.contoso.com as well");
	json_decref(items);
	items = check(client_file, client_key, trust_file, "a.b", -7200);
	assert_string_equal(state_of(items, "dates"), "different");
	json_decref(items);
	items = check("/nowhere/a.pem", NULL, NULL, "a.b", 0);
	assert_string_equal(state_of(items, "file"), "missing");
	assert_int_equal(json_array_size(items), 1);
	json_decref(items);
}

static void test_file_of_another_key(void **state)
{
	struct identity other = make_identity("other", NULL, NULL);
	char key[64];

	(void)state;
	write_key(key, "other.key", other.key, false);
	json_t *items = check(client_file, key, trust_file, "edge.contoso.com", 0);
	assert_string_equal(state_of(items, "key"), "different");
	assert_string_equal(state_of(items, "chain"), "right");
	json_decref(items);
	unlink(key);
	free_identity(&other);
}

static void test_file_purposes(void **state)
{
	struct identity server = make_identity("server", "DNS:edge.contoso.com", &ca);
	char path[64], key[64];

	(void)state;
	add_extension(server.certificate, NID_ext_key_usage, "serverAuth");
	assert_true(X509_sign(server.certificate, ca.key, EVP_sha256()) > 0);
	write_certificate(path, "server.pem", server.certificate);
	write_key(key, "server.key", server.key, false);
	json_t *items = check(path, key, trust_file, "edge.contoso.com", 0);
	assert_string_equal(state_of(items, "purposes"), "missing");
	assert_non_null(strstr(fix_of(items, "purposes"), "with clientAuth,"));
	json_decref(items);
	unlink(path);
	unlink(key);
	free_identity(&server);
}

static X509_STORE *trusts_none(
	void *user, const struct config_service *service, const struct config_pool *p)
{
	assert_true((service == NULL) != (p == NULL));
	++*(unsigned *)user;
	return NULL;
}

// Each file once, and as many as may be read; the others are told of.
static void test_many_files(void **state)
{
	static struct config_listen listen = {.at.port = 5061};
	struct config_service services[40];
	char names[40][32];
	struct config_organisation o = {.name = (char *)"contoso"};
	struct config config = {.services = {services, 40}, .organisations = {&o, 1}};
	const struct plan_question q = {.config = &config, .organisation = &o};
	unsigned asked = 0, unknown = 0;

	(void)state;
	for (size_t i = 0; i < 40; i++) {
		snprintf(names[i], sizeof(names[i]), "/nowhere/%zu.pem", i / 2);
		services[i] = (struct config_service){.name = names[i],
			.pool = (char *)"none",
			.listen = {&listen, 1},
			.tls = {.certificate = names[i], .line = 1}};
	}
	json_t *wanted = plan_certificates(&q);
	json_t *items = plan_check_certificates(&q, wanted, time(NULL), trusts_none, &asked);
	assert_int_equal(json_array_size(items), 20);
	for (size_t i = 0; i < 20; i++)
		unknown += strcmp(string(json_array_get(items, i), "state"), "unknown") == 0;
	assert_int_equal(unknown, 4);
	assert_true(asked >= 16);
	json_decref(items);
	json_decref(wanted);
}

static void test_verdict(void **state)
{
	static const struct {
		const char *state, *verdict;
	} rows[] = {
		{"right", "right"},
		{"elsewhere", "right"},
		{"unknown", "unknown"},
		{"missing", "different"},
		{"more", "different"},
		{"different", "different"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *items = json_pack("[{s:s, s:s, s:s, s:s, s:s, s:s, s:n}, {s:s, s:s, s:s, "
					  "s:s, s:s, s:s, s:n}]",
			"what", "dns", "name", "a.b", "aspect", "A", "state", "right", "wanted",
			"x", "found", "x", "fix", "what", "dns", "name", "a.b", "aspect", "A",
			"state", rows[i].state, "wanted", "x", "found", "y", "fix");
		json_t *result = plan_check_end("contoso", items, "192.0.2.53:53");
		assert_string_equal(string(result, "verdict"), rows[i].verdict);
		assert_non_null(strstr(string(result, "text"), "DNS, as 192.0.2.53:53 answers"));
		json_decref(result);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_questions),
		cmocka_unit_test(test_dns_right),
		cmocka_unit_test(test_dns_wrong),
		cmocka_unit_test(test_file_right),
		cmocka_unit_test(test_file_wrong),
		cmocka_unit_test(test_file_of_another_key),
		cmocka_unit_test(test_file_purposes),
		cmocka_unit_test(test_many_files),
		cmocka_unit_test(test_verdict),
	};
	return cmocka_run_group_tests(tests, make_files, remove_files);
}
