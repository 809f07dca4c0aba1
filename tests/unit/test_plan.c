// SPDX-License-Identifier: BSD-2-Clause
// Plans of a full and of a minimal configuration, held against files. PLAN_WRITE=1 writes those anew, to
// be read before they are committed.

#include "control/config/config.h"
#include "control/plan/plan.h"

// cmocka.h needs the four before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define FOLDER "tests/unit/plan/"
#define PATH   128

struct site {
	struct config *config;
	json_t *policy;
	struct plan_question q;
};

static void open_site(struct site *s, const char *name, const char *policy)
{
	struct config_errors errors = {0};
	char path[PATH];

	snprintf(path, sizeof(path), FOLDER "%s.yaml", name);
	config_read(path, &s->config, &errors);
	config_errors_print(stderr, path, &errors);
	config_errors_free(&errors);
	assert_non_null(s->config);
	// Paths are absolute, and wherever the sources lie.
	for (size_t i = 0; i < s->config->pools.count; i++) {
		char **file = &s->config->pools.items[i].tls.certificate;

		if (*file) {
			free(*file);
			*file = strdup("/etc/postern/probe.pem");
		}
	}
	s->policy = policy ? json_load_file(policy, 0, NULL) : json_pack("{s:{}}", "switches");
	assert_non_null(s->policy);
	s->q = (struct plan_question){
		.config = s->config,
		.organisation = &s->config->organisations.items[0],
		.switches = json_object_get(s->policy, "switches"),
		.providers = json_object_get(s->policy, "providers"),
		.partners = json_object_get(s->policy, "partners"),
		.inside = "postern.contoso.local",
	};
}

static void open_full(struct site *s)
{
	open_site(s, "full", FOLDER "full-policy.json");
}

static void close_site(struct site *s)
{
	json_decref(s->policy);
	config_free(s->config);
}

static char *read_all(const char *path)
{
	char *text = NULL;
	size_t size = 0;
	FILE *from = fopen(path, "r");

	if (!from) {
		print_error("%s is missing\n", path);
		return NULL;
	}
	if (getdelim(&text, &size, '\0', from) < 0)
		text[0] = '\0';
	fclose(from);
	return text;
}

static void assert_golden(const char *name, const char *text)
{
	char path[PATH];

	snprintf(path, sizeof(path), FOLDER "%s", name);
	if (getenv("PLAN_WRITE")) {
		FILE *to = fopen(path, "w");

		assert_non_null(to);
		fputs(text, to);
		fclose(to);
	}
	char *want = read_all(path);
	assert_non_null(want);
	assert_string_equal(text, want);
	free(want);
}

// The text, and what is besides it as JSON. Takes the plan.
static void check(const char *name, json_t *plan)
{
	char file[PATH];

	assert_non_null(plan);
	const char *text = json_string_value(json_object_get(plan, "text"));
	assert_non_null(text);
	snprintf(file, sizeof(file), "%s.txt", name);
	assert_golden(file, text);
	json_object_del(plan, "text");
	char *shown = json_dumps(plan, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
	snprintf(file, sizeof(file), "%s.json", name);
	assert_golden(file, shown);
	free(shown);
	json_decref(plan);
}

static void test_full(void **state)
{
	struct site s;

	(void)state;
	open_full(&s);
	check("full-dns", plan_dns(&s.q));
	check("full-certificates", plan_certificates(&s.q));
	check("full-ports", plan_ports(&s.q));
	check("full-lync", plan_lync(&s.q));
	check("full-partner",
		plan_partner(&s.q, "litware.com", json_array_get(s.q.partners, 0), NULL));
	close_site(&s);
}

static void test_minimal(void **state)
{
	struct site s;

	(void)state;
	open_site(&s, "minimal", NULL);
	check("minimal-dns", plan_dns(&s.q));
	check("minimal-certificates", plan_certificates(&s.q));
	check("minimal-ports", plan_ports(&s.q));
	check("minimal-lync", plan_lync(&s.q));
	check("minimal-partner", plan_partner(&s.q, "litware.com", NULL, NULL));
	close_site(&s);
}

static void test_places(void **state)
{
	struct site s;

	(void)state;
	open_full(&s);
	s.q.place = PLAN_PLACE_B;
	check("full-b-lync", plan_lync(&s.q));
	check("full-b-certificates", plan_certificates(&s.q));
	check("full-b-ports", plan_ports(&s.q));
	s.q.place = PLAN_PLACE_C;
	check("full-c-lync", plan_lync(&s.q));
	check("full-c-certificates", plan_certificates(&s.q));
	check("full-c-ports", plan_ports(&s.q));
	close_site(&s);
}

// ---- Zones

static void assert_zone(const struct plan_question *q, const char *name)
{
	char file[PATH];
	json_t *plan = plan_dns(q);
	char *zone = plan_zone(plan);

	assert_non_null(zone);
	snprintf(file, sizeof(file), "%s.zone", name);
	assert_golden(file, zone);
	free(zone);
	json_decref(plan);
}

static void test_zone(void **state)
{
	struct site s;

	(void)state;
	open_full(&s);
	assert_zone(&s.q, "full");
	close_site(&s);
	open_site(&s, "minimal", NULL);
	assert_zone(&s.q, "minimal");
	close_site(&s);
}

static void write_file(const char *path, const char *text)
{
	FILE *to = fopen(path, "w");

	assert_non_null(to);
	fputs(text, to);
	assert_int_equal(fclose(to), 0);
}

// knotc's exit status.
static int run_knotc(const char *conf)
{
	int status;
	const pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
		dup2(STDERR_FILENO, STDOUT_FILENO); // standard output is the test protocol's
		execlp("knotc", "knotc", "-c", conf, "zone-check", (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 127);
	return WEXITSTATUS(status);
}

// The zone of one SIP domain with our records in it; `more` is added besides.
static int check_zone(const struct plan_question *q, const char *more)
{
	char folder[] = "/tmp/postern-plan-XXXXXX", conf[64], file[64], text[4096];
	json_t *plan = plan_dns(q);
	char *zone = plan_zone(plan);

	assert_non_null(mkdtemp(folder));
	assert_non_null(zone);
	snprintf(conf, sizeof(conf), "%s/conf", folder);
	snprintf(file, sizeof(file), "%s/zone", folder);
	snprintf(text, sizeof(text),
		"%s. 3600 IN SOA ns.example. hostmaster.example. 1 3600 600 604800 60\n"
		"%s. 3600 IN NS ns.example.\n%s%s",
		q->domain, q->domain, zone, more);
	write_file(file, text);
	snprintf(text, sizeof(text),
		"server:\n  rundir: %s\ndatabase:\n  storage: %s\n"
		"zone:\n  - domain: %s\n    file: %s\n    semantic-checks: on\n",
		folder, folder, q->domain, file);
	write_file(conf, text);
	const int status = run_knotc(conf);
	unlink(file);
	unlink(conf);
	rmdir(folder);
	free(zone);
	json_decref(plan);
	return status;
}

// A name server reads it, all within the zone.
static void test_zone_is_read(void **state)
{
	struct site s;

	(void)state;
	open_full(&s);
	for (size_t i = 0; i < s.q.organisation->domains.count; i++) {
		s.q.domain = s.q.organisation->domains.items[i];
		assert_int_equal(check_zone(&s.q, ""), 0);
	}
	assert_int_not_equal(check_zone(&s.q, "a.contoso.com. 3600 IN A 192.0.2.256\n"), 0);
	close_site(&s);
}

// ---- Rules

static bool has_port(const json_t *plan, const char *direction, const char *from, const char *ports)
{
	const json_t *rows = json_object_get(plan, "ports");

	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *r = json_array_get(rows, i), *list = json_object_get(r, "from");

		if (strcmp(json_string_value(json_object_get(r, "side")), "outside") != 0 ||
			strcmp(json_string_value(json_object_get(r, "direction")), direction) !=
				0 ||
			strcmp(json_string_value(json_object_get(r, "ports")), ports) != 0)
			continue;
		for (size_t k = 0; k < json_array_size(list); k++)
			if (strcmp(json_string_value(json_array_get(list, k)), from) == 0)
				return true;
	}
	return false;
}

static void assert_in(const struct plan_question *q, const char *from, bool expected)
{
	json_t *plan = plan_ports(q);

	assert_int_equal(has_port(plan, "in", from, "5061"), expected);
	json_decref(plan);
}

// Who may connect to 5061 follows the kind of the partners.
static void test_partner_kinds(void **state)
{
	struct site s;

	(void)state;
	open_full(&s);
	json_t *direct = json_array(), *switches = json_deep_copy(s.q.switches);
	json_array_append(direct, json_array_get(s.q.partners, 0));
	s.q.switches = switches;
	assert_in(&s.q, "any", true); // tailspin.com is found by SRV
	s.q.partners = direct;
	assert_in(&s.q, "any", false);
	assert_in(&s.q, "198.51.100.0/28", true);
	assert_in(&s.q, "sipfed.online.lync.com", true);
	assert_in(&s.q, "federation.messenger.msn.com", false); // not enabled
	s.q.more_partners = true;
	assert_in(&s.q, "any", true);
	s.q.more_partners = false;
	json_object_set_new(switches, "EnablePartnerDiscovery", json_true());
	assert_in(&s.q, "any", true);
	json_object_set_new(switches, "RoutingMethod", json_string("UseDefaultRouting"));
	json_object_set_new(switches, "DefaultRouteFqdn", json_string("hub.contoso.com"));
	assert_in(&s.q, "hub.contoso.com", true);
	assert_in(&s.q, "any", false);
	assert_in(&s.q, "198.51.100.0/28", false);
	json_object_set_new(switches, "AllowFederatedUsers", json_false());
	assert_in(&s.q, "any", true); // the edge servers decide
	s.q.place = PLAN_PLACE_B;
	assert_in(&s.q, "any", false);
	json_decref(direct);
	json_decref(switches);
	close_site(&s);
}

// An SRV record never leaves its domain.
static void test_same_domain(void **state)
{
	struct site s;
	size_t i, seen = 0;
	json_t *r;

	(void)state;
	open_full(&s);
	json_t *plan = plan_dns(&s.q);
	json_array_foreach(json_object_get(plan, "records"), i, r)
	{
		const char *target = json_string_value(json_object_get(r, "target"));
		const char *zone = json_string_value(json_object_get(r, "zone"));

		if (!target)
			continue;
		const size_t t = strlen(target), z = strlen(zone);
		assert_true(t > z && target[t - z - 1] == '.' && strcmp(target + t - z, zone) == 0);
		seen++;
	}
	assert_int_equal(seen, 9);
	json_decref(plan);
	close_site(&s);
}

static bool is_said(const json_t *plan, const char *words)
{
	size_t i;
	json_t *note;

	json_array_foreach(json_object_get(plan, "notes"), i,
		note) if (strstr(json_string_value(note), words)) return true;
	return false;
}

static void assert_said(json_t *plan, const char *words, bool expected)
{
	assert_non_null(plan);
	if (is_said(plan, words) != expected)
		fail_msg("\"%s\" is%s said", words, expected ? " not" : "");
	json_decref(plan);
}

static struct config_service *service_of(struct site *s, const char *name)
{
	for (size_t i = 0; i < s->config->services.count; i++)
		if (strcmp(s->config->services.items[i].name, name) == 0)
			return &s->config->services.items[i];
	fail_msg("no service %s", name);
	return NULL;
}

// What is missing or contradicts itself is said, once it is so and only then.
static void test_notes(void **state)
{
	struct site s;

	(void)state;
	open_full(&s);
	assert_said(plan_dns(&s.q), "push.lync.com", true);
	s.q.push = true;
	assert_said(plan_dns(&s.q), "push.lync.com", false);
	assert_said(plan_dns(&s.q), "addresses differ", false);
	service_of(&s, "sign-in")->listen.items[0].at.addr =
		postern_addr_from_v4(__builtin_bswap32(0xcb00711e));
	json_t *plan = plan_dns(&s.q);
	assert_null(strstr(json_string_value(json_object_get(plan, "text")), "203.0.113.30"));
	assert_said(plan, "addresses differ", true);
	assert_said(plan_dns(&s.q), "answers on 6061", false);
	service_of(&s, "federation")->listen.items[0].at.port = 6061;
	service_of(&s, "federation")->listen.items[1].at.port = 6061;
	assert_said(plan_dns(&s.q), "answers on 6061", true);
	s.q.more_partners = true;
	assert_said(plan_ports(&s.q), "first 200 allowed domains", true);
	close_site(&s);

	open_site(&s, "minimal", NULL);
	assert_said(plan_dns(&s.q), "no service is an access edge", false);
	s.config->services.items[0].profile = CONFIG_PROFILE_WEB;
	assert_said(plan_dns(&s.q), "no service is an access edge", true);
	assert_said(plan_ports(&s.q), "no service is an access edge", true);
	assert_said(
		plan_partner(&s.q, "a.example", NULL, NULL), "no service is an access edge", true);
	close_site(&s);
}

// Names that lie in none of the SIP domains are published elsewhere.
static void test_name_elsewhere(void **state)
{
	struct site s;

	(void)state;
	open_full(&s);
	struct config_service *conferencing = service_of(&s, "conferencing");
	free(conferencing->fqdn);
	conferencing->fqdn = strdup("webcon.hoster.example");
	json_t *plan = plan_dns(&s.q);
	char *zone = plan_zone(plan);
	assert_non_null(strstr(zone, "; in none of the SIP domains\n"
				     "webcon.hoster.example. 3600 IN A 203.0.113.21\n"));
	free(zone);
	json_decref(plan);
	s.q.domain = "contoso.com";
	plan = plan_dns(&s.q);
	zone = plan_zone(plan);
	assert_null(strstr(zone, "hoster"));
	assert_null(strstr(zone, "contoso.net"));
	assert_non_null(strstr(zone, "av.contoso.com."));
	free(zone);
	json_decref(plan);
	close_site(&s);
}

// A service of another organisation is none of ours.
static void test_organisations(void **state)
{
	struct site s;

	(void)state;
	open_full(&s);
	json_t *plan = plan_dns(&s.q);
	assert_null(strstr(json_string_value(json_object_get(plan, "text")), "203.0.113.40"));
	json_decref(plan);
	s.q.organisation = &s.config->organisations.items[1];
	plan = plan_dns(&s.q);
	const char *text = json_string_value(json_object_get(plan, "text"));
	assert_non_null(strstr(text, "sip.fabrikam.example"));
	assert_null(strstr(text, "sip.contoso.com"));
	json_decref(plan);
	close_site(&s);
}

static void test_blocked_partner(void **state)
{
	struct site s;

	(void)state;
	open_full(&s);
	json_t *blocked = json_pack("{s:b}", "enabled", 1);
	json_t *plan = plan_partner(&s.q, "evil.example", NULL, blocked);
	assert_non_null(
		strstr(json_string_value(json_object_get(plan, "text")), "is blocked here"));
	json_decref(plan);
	json_decref(blocked);
	close_site(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_minimal),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_zone),
		cmocka_unit_test(test_zone_is_read),
		cmocka_unit_test(test_partner_kinds),
		cmocka_unit_test(test_same_domain),
		cmocka_unit_test(test_notes),
		cmocka_unit_test(test_name_elsewhere),
		cmocka_unit_test(test_organisations),
		cmocka_unit_test(test_blocked_partner),
	};

	return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
