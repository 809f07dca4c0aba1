// SPDX-License-Identifier: BSD-2-Clause
// A partner test from SRV to addresses, with DNS played here. No connection is made: none of the addresses
// can be a server.

#include "control/config/config.h"
#include "control/discovery/discovery.h"
#include "control/partner/partner.h"

// cmocka.h needs the four before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <event2/event.h>

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

// ---- DNS: questions wait until the test answers them

#define QUESTIONS 32

struct discovery_lookup {
	struct postern_domain name;
	enum discovery_type type;
	discovery_answered answered;
	void *user;
	bool waits;
};

static struct discovery_lookup questions[QUESTIONS];
static unsigned n_questions;
static int refuse_with;

int discovery_lookup(struct discovery *d, const struct postern_domain *name,
	enum discovery_type type, discovery_answered answered, void *user,
	struct discovery_lookup **out)
{
	(void)d;
	if (refuse_with != 0)
		return refuse_with;
	assert_true(n_questions < QUESTIONS);
	struct discovery_lookup *q = &questions[n_questions++];
	*q = (struct discovery_lookup){*name, type, answered, user, true};
	*out = q;
	return 0;
}

void discovery_lookup_cancel(struct discovery_lookup *l)
{
	assert_true(l->waits);
	l->waits = false;
}

int discovery_service_name(const struct postern_domain *domain, struct postern_domain *out)
{
	const int n = snprintf(out->text, sizeof(out->text), DISCOVERY_SERVICE ".%s", domain->text);
	out->length = (uint8_t)n;
	return 0;
}

static void parse(struct postern_domain *out, const char *text)
{
	assert_int_equal(postern_domain_parse(text, strlen(text), out), 0);
}

// Answers a question of that name and type; fails if there is none.
static void answer(const char *name, enum discovery_type type, const struct discovery_answer *a)
{
	for (unsigned i = 0; i < n_questions; i++) {
		struct discovery_lookup *q = &questions[i];
		if (!q->waits || q->type != type || strcmp(q->name.text, name) != 0)
			continue;
		q->waits = false;
		q->answered(q->user, a);
		return;
	}
	fail_msg("nobody asks for %s", name);
}

static void answer_nothing(const char *name, enum discovery_type type)
{
	const struct discovery_answer a = {.negative = true, .why = "no such record"};
	answer(name, type, &a);
}

static void answer_a(const char *name, unsigned n, const char *const *addresses)
{
	struct discovery_record records[24] = {0};
	for (unsigned i = 0; i < n; i++) {
		records[i].type = DISCOVERY_A;
		assert_int_equal(postern_addr_parse(addresses[i], &records[i].address), 0);
	}
	const struct discovery_answer a = {.records = records, .n_records = n, .why = "good"};
	answer(name, DISCOVERY_A, &a);
}

struct srv {
	const char *target; // NULL: "."
	uint16_t priority, weight, port;
};

static void answer_srv(unsigned n, const struct srv *srv)
{
	struct discovery_record records[24] = {0};
	for (unsigned i = 0; i < n; i++) {
		records[i] = (struct discovery_record){.type = DISCOVERY_SRV,
			.priority = srv[i].priority,
			.weight = srv[i].weight,
			.port = srv[i].port};
		if (srv[i].target != NULL)
			parse(&records[i].target, srv[i].target);
	}
	const struct discovery_answer a = {.records = records, .n_records = n, .why = "good"};
	answer(DISCOVERY_SERVICE ".adatum.com", DISCOVERY_SRV, &a);
}

// ---- Tests run one at a time

static struct event_base *base;
static struct partner_set *set;
static struct partner_test *test;
static bool over;

static int setup(void **state)
{
	struct config config = {0};
	struct partner_identities *identities;
	char why[128];

	(void)state;
	n_questions = 0;
	refuse_with = 0;
	over = false;
	base = event_base_new();
	assert_int_equal(partner_set_new(base, NULL, &set), 0);
	assert_int_equal(partner_identities_load(&config, &identities, why, sizeof(why)), 0);
	partner_set_use(set, identities);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	partner_set_free(set);
	event_base_free(base);
	for (unsigned i = 0; i < n_questions; i++)
		assert_false(questions[i].waits);
	return 0;
}

static void done(void *user)
{
	(void)user;
	assert_false(over);
	over = true;
}

static void begin(const char *server, bool any_target)
{
	struct partner_test_question q = {
		.own = "sip.contoso.com", .from = "contoso.com", .any_target = any_target};
	parse(&q.domain, "adatum.com");
	if (server != NULL)
		parse(&q.server, server);
	assert_int_equal(partner_test_new(set, &q, done, NULL, &test), 0);
	assert_false(over);
}

static const struct partner_report *finish(void)
{
	while (!over)
		assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
	return partner_test_report(test);
}

// "failed", and what DNS's own step came to.
static void expect_srv(enum partner_result result)
{
	const struct partner_report *r = finish();
	if (r->srv.result != result)
		fail_msg("%s: %s", partner_result_name(r->srv.result), r->srv.text);
	assert_string_equal(partner_report_verdict(r), "failed");
	assert_int_equal(r->n_tries, 0);
}

static void test_no_record(void **state)
{
	(void)state;
	begin(NULL, false);
	answer_nothing(DISCOVERY_SERVICE ".adatum.com", DISCOVERY_SRV);
	expect_srv(PARTNER_SRV_NONE);
}

static void test_failures(void **state)
{
	static const struct {
		struct discovery_answer answer;
		enum partner_result result;
	} rows[] = {
		{{.status = -ETIMEDOUT, .why = "no answer"}, PARTNER_SRV_FAILED},
		{{.rcode = DISCOVERY_SERVFAIL, .why = "SERVFAIL"}, PARTNER_SRV_FAILED},
		{{.rcode = DISCOVERY_SERVFAIL, .bogus = true, .why = "bogus"}, PARTNER_SRV_BOGUS},
		{{.skipped = 1, .why = "unusable"}, PARTNER_SRV_UNUSABLE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		over = false;
		begin(NULL, false);
		answer(DISCOVERY_SERVICE ".adatum.com", DISCOVERY_SRV, &rows[i].answer);
		expect_srv(rows[i].result);
		partner_test_free(test);
	}
}

static void test_targets_that_lead_nowhere(void **state)
{
	(void)state;
	begin(NULL, false);
	answer_srv(1, (struct srv[]){{NULL, 0, 0, 0}});
	expect_srv(PARTNER_SRV_NOT_OFFERED);
	partner_test_free(test);
	over = false;
	begin(NULL, false);
	answer_srv(1, (struct srv[]){{"sip.adatum.com", 0, 0, 0}});
	expect_srv(PARTNER_SRV_UNUSABLE);
	partner_test_free(test);
	over = false;
	begin(NULL, false);
	answer_srv(1, (struct srv[]){{"sip.evil-adatum.com", 0, 0, 5061}});
	expect_srv(PARTNER_SRV_OTHER_DOMAIN);
}

static void test_order_of_targets(void **state)
{
	static const char *const order[] = {
		"d.adatum.com", "c.adatum.com", "b.adatum.com", "sip.fabrikam.com", "a.adatum.com"};

	(void)state;
	begin(NULL, false);
	answer_srv(5, (struct srv[]){{"a.adatum.com", 20, 9, 5061}, {"b.adatum.com", 10, 0, 5061},
			      {"c.adatum.com", 10, 5, 5061}, {"d.adatum.com", 0, 0, 5061},
			      {"sip.fabrikam.com", 15, 0, 5061}});
	for (unsigned i = 0; i < 5; i++)
		if (i != 3) {
			answer_nothing(order[i], DISCOVERY_A);
			answer_nothing(order[i], DISCOVERY_AAAA);
		}
	const struct partner_report *r = finish();
	assert_int_equal(r->srv.result, PARTNER_OK);
	assert_int_equal(r->n_servers, 5);
	for (unsigned i = 0; i < 5; i++) {
		assert_string_equal(r->servers[i].name.text, order[i]);
		assert_true(r->servers[i].outside == (i == 3));
		if (i != 3)
			assert_int_equal(r->servers[i].step.result, PARTNER_ADDRESS_NONE);
	}
}

static void test_many_targets(void **state)
{
	struct srv srv[20];
	char names[20][32];

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		snprintf(names[i], sizeof(names[i]), "s%u.adatum.com", i);
		srv[i] = (struct srv){names[i], (uint16_t)i, 0, 5061};
	}
	begin(NULL, false);
	answer_srv(20, srv);
	for (unsigned i = 0; i < PARTNER_SERVERS_MAX; i++) {
		answer_nothing(names[i], DISCOVERY_A);
		answer_nothing(names[i], DISCOVERY_AAAA);
	}
	const struct partner_report *r = finish();
	assert_int_equal(r->n_servers, PARTNER_SERVERS_MAX);
	assert_non_null(strstr(r->srv.text, ", and 12 more"));
}

static void test_addresses_that_are_none(void **state)
{
	static const char *const none[] = {"127.0.0.1", "0.0.0.0", "224.0.0.1", "169.254.1.1"};

	(void)state;
	begin("sip.fabrikam.com", false);
	answer_a("sip.fabrikam.com", 4, none);
	answer_nothing("sip.fabrikam.com", DISCOVERY_AAAA);
	const struct partner_report *r = finish();
	assert_true(r->by_name);
	assert_int_equal(r->srv.result, PARTNER_SKIPPED);
	assert_int_equal(r->servers[0].step.result, PARTNER_ADDRESS_UNUSABLE);
	assert_int_equal(r->servers[0].port, PARTNER_PORT);
	assert_int_equal(r->n_tries, 0);
}

static void test_one_family_fails(void **state)
{
	const struct discovery_answer failed = {.status = -ETIMEDOUT, .why = "no answer"};

	(void)state;
	begin("sip.fabrikam.com", false);
	answer_nothing("sip.fabrikam.com", DISCOVERY_A);
	answer("sip.fabrikam.com", DISCOVERY_AAAA, &failed);
	assert_int_equal(finish()->servers[0].step.result, PARTNER_ADDRESS_FAILED);
}

static void test_nothing_can_be_asked(void **state)
{
	(void)state;
	refuse_with = -EAGAIN;
	begin(NULL, false);
	expect_srv(PARTNER_LOCAL);
	partner_test_free(test);
	over = false;
	begin("sip.fabrikam.com", false);
	assert_int_equal(finish()->servers[0].step.result, PARTNER_ADDRESS_FAILED);
}

static void test_so_many_at_once(void **state)
{
	struct partner_test_question q = {0};
	struct partner_test *more;

	(void)state;
	for (unsigned i = 0; i < PARTNER_TESTS_MAX; i++)
		begin(NULL, false);
	parse(&q.domain, "adatum.com");
	assert_int_equal(partner_test_new(set, &q, done, NULL, &more), -EBUSY);
	partner_test_free(test);
	assert_int_equal(partner_test_new(set, &q, done, NULL, &more), 0);
	// All are ended with the set, and what they have asked is taken back (teardown looks).
}

static void test_freed_between_questions(void **state)
{
	(void)state;
	begin(NULL, false);
	answer_srv(2, (struct srv[]){{"a.adatum.com", 0, 0, 5061}, {"b.adatum.com", 0, 0, 5061}});
	answer_nothing("a.adatum.com", DISCOVERY_A);
	partner_test_free(test);
	event_base_loop(base, EVLOOP_NONBLOCK);
	assert_false(over);
}

static void test_report(void **state)
{
	json_t *to = json_pack("{s:s, s:s, s:{s:s, s:s, s:s, s:s}}", "domain", "adatum.com",
		"organisation", "contoso", "decision", "decision", "refuse", "row", "9", "why",
		"not allowed", "reason", "not-listed");

	(void)state;
	begin(NULL, false);
	answer_srv(1, (struct srv[]){{"sip.adatum.com", 0, 0, 5061}});
	answer_nothing("sip.adatum.com", DISCOVERY_A);
	answer_nothing("sip.adatum.com", DISCOVERY_AAAA);
	assert_int_equal(partner_report_write(finish(), to), 0);
	const json_t *steps = json_object_get(to, "steps");
	static const char *const expected[] = {
		"decision refused-here", "srv ok", "address no-address"};
	assert_int_equal(json_array_size(steps), 3);
	for (size_t i = 0; i < 3; i++) {
		const json_t *s = json_array_get(steps, i);
		char text[64];
		snprintf(text, sizeof(text), "%s %s", json_string_value(json_object_get(s, "step")),
			json_string_value(json_object_get(s, "result")));
		assert_string_equal(text, expected[i]);
	}
	const char *text = json_string_value(json_object_get(to, "text"));
	assert_non_null(strstr(text, "adatum.com cannot be reached from here."));
	assert_non_null(strstr(text, "ask the partner: to publish the address"));
	assert_string_equal(json_string_value(json_object_get(to, "verdict")), "failed");
	json_decref(to);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_no_record),
		TEST(test_failures),
		TEST(test_targets_that_lead_nowhere),
		TEST(test_order_of_targets),
		TEST(test_many_targets),
		TEST(test_addresses_that_are_none),
		TEST(test_one_family_fails),
		TEST(test_nothing_can_be_asked),
		TEST(test_so_many_at_once),
		TEST(test_freed_between_questions),
		TEST(test_report),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
