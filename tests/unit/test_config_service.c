// SPDX-License-Identifier: BSD-2-Clause
// Services in the file: what a profile and a transport set, ranges of ports, and warnings.

#include "control/config/config.h"
#include "control/config/read.h"

// cmocka.h needs the four before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

// Reads a file with one service, of which all but name, mode and pool is given.
static struct config *read_service(const char *service)
{
	struct config *c;
	struct config_errors errors = {0};
	char text[1024];
	int n = snprintf(text, sizeof(text),
		"interfaces: [{name: one, device: net_null0, addresses: 192.0.2.1/24}]\n"
		"pools: [{name: edges, members: [{name: a, address: \"192.0.2.2:443\"}]}]\n"
		"services: [{name: s, mode: forward, pool: edges, %s}]\n",
		service);
	config_read_text("text", "/", text, (size_t)n, &c, &errors);
	config_errors_print(stderr, text, &errors);
	assert_non_null(c);
	return c;
}

static void assert_listen(const struct config_service *s, const char *text)
{
	char buf[CONFIG_LISTEN_TEXT];
	assert_string_equal(config_listen_format(&s->listen.items[0], buf), text);
}

static void test_profiles(void **state)
{
	static const struct {
		const char *text;
		const char *listen;
		enum config_translate translate;
		enum config_affinity affinity;
		uint32_t idle_minutes;
	} rows[] = {
		{"listen: \"192.0.2.3:7000\"", "192.0.2.3:7000", CONFIG_TRANSLATE_SOURCE,
			CONFIG_AFFINITY_TUPLE, 30},
		{"listen: \"192.0.2.3:7000\", transport: udp", "192.0.2.3:7000",
			CONFIG_TRANSLATE_SOURCE, CONFIG_AFFINITY_TUPLE, 5},
		{"listen: 192.0.2.3, profile: access-edge", "192.0.2.3:5061",
			CONFIG_TRANSLATE_SOURCE, CONFIG_AFFINITY_TUPLE, 30},
		{"listen: 192.0.2.3, profile: web-conferencing", "192.0.2.3:443",
			CONFIG_TRANSLATE_SOURCE, CONFIG_AFFINITY_TUPLE, 30},
		{"listen: 192.0.2.3, profile: av-edge", "192.0.2.3:443",
			CONFIG_TRANSLATE_DESTINATION, CONFIG_AFFINITY_SOURCE, 30},
		{"listen: 192.0.2.3, profile: av-edge, transport: udp", "192.0.2.3:3478",
			CONFIG_TRANSLATE_DESTINATION, CONFIG_AFFINITY_SOURCE, 5},
		{"listen: 192.0.2.3, profile: xmpp", "192.0.2.3:5269", CONFIG_TRANSLATE_SOURCE,
			CONFIG_AFFINITY_TUPLE, 30},
		{"listen: 192.0.2.3, profile: web", "192.0.2.3:443", CONFIG_TRANSLATE_SOURCE,
			CONFIG_AFFINITY_SOURCE, 30},
		// What is written counts.
		{"listen: \"192.0.2.3:80\", profile: web, affinity: tuple, translate: destination, "
		 "timeouts: {idle: 2m}",
			"192.0.2.3:80", CONFIG_TRANSLATE_DESTINATION, CONFIG_AFFINITY_TUPLE, 2},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config *c = read_service(rows[i].text);
		const struct config_service *s = &c->services.items[0];
		assert_listen(s, rows[i].listen);
		assert_int_equal(s->listen.items[0].last_port, 0);
		assert_int_equal(s->translate, rows[i].translate);
		assert_int_equal(s->affinity, rows[i].affinity);
		assert_int_equal(s->timeouts.idle_ms, rows[i].idle_minutes * 60 * 1000);
		assert_int_equal(c->warnings.list.count, 0);
		config_free(c);
	}
}

// Ranges side by side, the same over both transports, and one port that two services share.
static void test_ranges(void **state)
{
	(void)state;
	struct config *c =
		read_service("translate: destination, listen: [\"192.0.2.3:443-599\", "
			     "\"192.0.2.3:600\"]}, {name: t, mode: forward, pool: edges, "
			     "transport: udp, translate: destination, listen: "
			     "[\"192.0.2.3:1-1023\", \"192.0.2.3:65534-65535\"]");
	assert_listen(&c->services.items[0], "192.0.2.3:443-599");
	assert_int_equal(c->services.items[0].listen.items[0].at.port, 443);
	assert_int_equal(c->services.items[0].listen.items[0].last_port, 599);
	assert_int_equal(c->services.items[1].listen.items[1].last_port, 65535);
	assert_int_equal(c->services.items[1].transport, CONFIG_SERVICE_UDP);
	config_free(c);
}

static void test_pool_needs_no_ports(void **state)
{
	(void)state;
	struct config *c = read_service("listen: \"192.0.2.3:1\", translate: destination");
	assert_true(config_pool_needs_no_ports(c, "edges"));
	assert_false(config_pool_needs_no_ports(c, "unused"));
	config_free(c);
	c = read_service("listen: \"192.0.2.3:1\", translate: destination}, {name: t, mode: "
			 "forward, pool: edges, listen: \"192.0.2.3:2\"");
	assert_false(config_pool_needs_no_ports(c, "edges"));
	config_free(c);
}

static void test_shown(void **state)
{
	(void)state;
	static const char *const lines[] = {"listen: [\"192.0.2.3:443-599\", \"192.0.2.3:3478\"]\n",
		"profile: av-edge\n", "transport: udp\n", "translate: destination\n",
		"affinity: source\n", "idle: 5m\n", "all-down: refuse\n", "slow-start: 0\n"};
	struct config *c = read_service(
		"profile: av-edge, transport: udp, listen: [\"192.0.2.3:443-599\", 192.0.2.3]");
	char *text = NULL;
	size_t length;
	FILE *to = open_memstream(&text, &length);
	assert_non_null(to);
	config_show(to, c);
	fclose(to);
	config_free(c);
	for (size_t i = 0; i < COUNT(lines); i++)
		if (!strstr(text, lines[i]))
			fail_msg("not shown: %s", lines[i]);
	free(text);
}

static void test_pool_keys(void **state)
{
	(void)state;
	static const char text[] =
		"interfaces: [{name: one, device: net_null0, addresses: 192.0.2.1/24}]\n"
		"pools: [{name: p, all-down: try-all, slow-start: 90s, members: [{name: a, "
		"address: \"192.0.2.2:1\"}]}]\n";
	struct config *c;
	struct config_errors errors = {0};
	assert_int_equal(config_read_text("text", "/", text, strlen(text), &c, &errors), 0);
	assert_int_equal(c->pools.items[0].all_down, CONFIG_ALL_DOWN_TRY_ALL);
	assert_int_equal(c->pools.items[0].slow_start_ms, 90 * 1000);
	config_free(c);
}

static void test_warnings(void **state)
{
	static const struct {
		int line;
		const char *field;
		const char *what;
		const char *expected;
	} rows[] = {
		{14, "pools[0].members[0].address",
			"port 443 is used by probes alone: 192.0.2.22:50000-59999 of the service "
			"\"media\"",
			"a port of the range"},
		{15, "pools[0].members[1].address",
			"10.1.0.12 is a neighbour on no interface, so postern cannot be its "
			"default gateway, as translate: destination of the service \"far\"",
			"translate: source"},
		{16, "pools[0].members[2].address", "198.51.100.13 is a neighbour on no interface",
			"translate: source"},
		{17, "pools[1].members[0].address",
			"port 443 is used by probes alone: 192.0.2.23:20000-30000", "of the range"},
		{24, "services[0].timeouts.idle", "may be silent for longer", "at least 30m"},
		{25, "services[1].listen[0]", "192.0.2.21:8057: an edge server has web conferenc",
			"each server's own address"},
		{26, "services[2].listen[0]", "192.0.2.21:4443: an edge server has replication",
			"each server's own address"},
		{27, "services[3].listen[0]", "192.0.2.21:50002: an edge server has central log",
			"each server's own address"},
		{30, "services[5].listen[0]", "192.0.2.23:20000-30000: an edge server has the XMPP",
			"each server's own address"},
		{30, "services[5].listen[1]", "192.0.2.23:50001-50010: an edge server has central",
			"each server's own address"},
	};
	(void)state;
	struct config *c;
	struct config_errors errors = {0};
	assert_int_equal(config_read("tests/unit/config/warnings.yaml", &c, &errors), 0);
	assert_int_equal(errors.list.count, 0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (i >= c->warnings.list.count)
			fail_msg("no warning at line %d: %s", rows[i].line, rows[i].what);
		const struct config_error *e = &c->warnings.list.items[i];
		if (e->line != rows[i].line || strcmp(e->field, rows[i].field) != 0 ||
			!strstr(e->what, rows[i].what) || !strstr(e->expected, rows[i].expected))
			fail_msg("expected line %d, %s: %s; got line %d, %s: %s; %s", rows[i].line,
				rows[i].field, rows[i].what, e->line, e->field, e->what,
				e->expected);
	}
	assert_int_equal(c->warnings.list.count, COUNT(rows));

	char *text = NULL;
	size_t length;
	FILE *to = open_memstream(&text, &length);
	assert_non_null(to);
	config_warnings_print(to, "f", &c->warnings);
	fclose(to);
	assert_non_null(strstr(text, "f:24: warning: services[0].timeouts.idle: servers of an"));
	free(text);
	config_free(c);
}

static void test_published_as(void **state)
{
	struct config *c = read_service("listen: 192.0.2.3, profile: access-edge, fqdn: "
					"access.contoso.com, organisation: contoso}]\n"
					"organisations: [{name: contoso, domains: contoso.com");
	(void)state;
	assert_string_equal(c->services.items[0].fqdn, "access.contoso.com");
	assert_string_equal(c->services.items[0].organisation, "contoso");
	config_free(c);

	struct config_errors errors = {0};
	const char *text = "interfaces: [{name: one, device: net_null0, addresses: 192.0.2.1/24}]\n"
			   "pools: [{name: e, members: [{name: a, address: \"192.0.2.2:443\"}]}]\n"
			   "services:\n"
			   "  - {name: s, mode: forward, pool: e, listen: \"192.0.2.3:443\",\n"
			   "     fqdn: \"a b\",\n"
			   "     organisation: nobody}\n";
	config_read_text("text", "/", text, strlen(text), &c, &errors);
	assert_null(c);
	assert_int_equal(errors.list.count, 2);
	assert_int_equal(errors.list.items[0].line, 5);
	assert_string_equal(errors.list.items[0].field, "services[0].fqdn");
	assert_int_equal(errors.list.items[1].line, 6);
	assert_string_equal(errors.list.items[1].field, "services[0].organisation");
	assert_non_null(strstr(errors.list.items[1].what, "no organisation \"nobody\""));
	config_errors_free(&errors);
}

// Whose partners are admitted must be clear, and is asked for by its line.
static void test_admission(void **state)
{
	static const struct {
		const char *service, *organisations, *wrong;
	} rows[] = {
		{"admission: enforce", "",
			"there is no organisation whose partners could be admitted"},
		{"admission: observe",
			"organisations: [{name: a, domains: [a.com]}, {name: b, domains: "
			"[b.com]}]\n",
			"there are 2 organisations"},
		{"admission: observe, organisation: c",
			"organisations: [{name: a, domains: [a.com]}]\n",
			"there is no organisation \"c\""},
		{"admission: ask", "", "admission"},
		{"admission: observe, organisation: b, on-refuse: reset, on-block: reset",
			"organisations: [{name: a, domains: [a.com]}, {name: b, domains: "
			"[b.com]}]\n",
			NULL},
		{"admission: enforce", "organisations: [{name: b, domains: [b.com]}]\n", NULL},
		{"admission: any", "", NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config_errors errors = {0};
		struct config *c = NULL;
		char text[1024];
		int n = snprintf(text, sizeof(text),
			"interfaces: [{name: one, device: net_null0, addresses: 192.0.2.1/24}]\n"
			"pools: [{name: edges, members: [{name: a, address: \"192.0.2.2:443\"}]}]\n"
			"services: [{name: s, mode: forward, pool: edges, listen: \"192.0.2.3:1\", "
			"%s}]\n%s",
			rows[i].service, rows[i].organisations);
		config_read_text("text", "/", text, (size_t)n, &c, &errors);
		if (rows[i].wrong) {
			assert_null(c);
			assert_int_equal(errors.list.count, 1);
			assert_int_equal(errors.list.items[0].line, 3);
			char *said = config_error_text("text", &errors.list.items[0]);
			assert_non_null(strstr(said, rows[i].wrong));
			free(said);
			config_errors_free(&errors);
			continue;
		}
		assert_non_null(c);
		const struct config_service *s = &c->services.items[0];
		const char *whose = config_service_organisation(c, s);
		assert_int_equal(config_wants_admission(c), i != 6);
		if (i == 6)
			assert_null(whose);
		else
			assert_string_equal(whose, "b");
		assert_int_equal(s->on_refuse == CONFIG_ON_REFUSE_RESET, i == 4);
		assert_int_equal(s->on_block == CONFIG_ON_BLOCK_RESET, i == 4);
		config_free(c);
	}
}

static void test_tls(void **state)
{
	static const struct {
		const char *tls, *field, *what;
	} rows[] = {
		{"tls: {certificate: /dev/zero}", "services[0].tls.certificate", "is not a file"},
		{"tls: {key: /etc/hostname}", "services[0].tls.key", "without its certificate"},
		{"tls: {trust: /nowhere/a.pem}", "services[0].tls.trust", "cannot be read"},
		{"transport: udp, tls: {trust: /etc/hostname}", "services[0].tls", "no TLS"},
		{"tls: {trust: /etc/hostname, names: [a.b]}", "services[0].tls.names", ""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config *c;
		struct config_errors errors = {0};
		char text[512];
		int n = snprintf(text, sizeof(text),
			"interfaces: [{name: one, device: net_null0, addresses: 192.0.2.1/24}]\n"
			"pools: [{name: e, members: [{name: a, address: \"192.0.2.2:443\"}]}]\n"
			"services: [{name: s, mode: forward, pool: e, listen: \"192.0.2.3:7000\", "
			"%s}]\n",
			rows[i].tls);
		assert_true(config_read_text("text", "/", text, (size_t)n, &c, &errors) != 0);
		assert_true(errors.list.count >= 1);
		assert_string_equal(errors.list.items[0].field, rows[i].field);
		if (strstr(errors.list.items[0].what, rows[i].what) == NULL)
			fail_msg("%s", errors.list.items[0].what);
		config_errors_free(&errors);
	}
	struct config *c = read_service("listen: \"192.0.2.3:7000\"");
	assert_int_equal(c->services.items[0].tls.line, 0);
	config_free(c);
	c = read_service("listen: \"192.0.2.3:7000\", tls: {trust: /etc/hostname}");
	assert_string_equal(c->services.items[0].tls.trust, "/etc/hostname");
	assert_true(c->services.items[0].tls.line > 0);
	config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_profiles),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_pool_needs_no_ports),
		cmocka_unit_test(test_shown),
		cmocka_unit_test(test_admission),
		cmocka_unit_test(test_pool_keys),
		cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_published_as),
		cmocka_unit_test(test_tls),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
