// SPDX-License-Identifier: BSD-2-Clause
// Outbound rules in the file: what they say, how they are shown and compared, and warnings.

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

#define AROUND                                                                                     \
	"interfaces:\n"                                                                            \
	"  - {name: out, device: net_null0, addresses: 192.0.2.1/24, gateway: 192.0.2.254}\n"      \
	"  - {name: in, device: net_null1, addresses: [198.51.100.1/24, 10.0.0.1/24]}\n"           \
	"pools:\n"                                                                                 \
	"  - {name: edges, members: [{name: a, address: \"198.51.100.2:443\"}]}\n"                 \
	"  - {name: inner, members: [{name: a, address: \"10.0.0.2:443\"}]}\n"                     \
	"  - {name: far, members: [{name: a, address: \"203.0.113.2:443\"}]}\n"                    \
	"services:\n"                                                                              \
	"  - {name: av, profile: av-edge, listen: 192.0.2.9, mode: forward, pool: edges}\n"

static struct config *read_text(const char *text)
{
	struct config *c;
	struct config_errors errors = {0};
	config_read_text("text", "/", text, strlen(text), &c, &errors);
	config_errors_print(stderr, text, &errors);
	assert_non_null(c);
	return c;
}

static struct config *read_rule(const char *rule)
{
	char text[2048];
	snprintf(text, sizeof(text), "%soutbound: [{name: r, %s}]\n", AROUND, rule);
	return read_text(text);
}

static void test_defaults(void **state)
{
	struct config *c = read_rule(
		"pools: inner, mode: translate, translate-to: 192.0.2.9, tcp: [80, 50000-50001]");
	const struct config_outbound *o = &c->outbound.items[0];
	(void)state;
	assert_int_equal(o->mode, CONFIG_OUTBOUND_TRANSLATE);
	assert_int_equal(o->tcp.count, 2);
	assert_int_equal(o->tcp.items[0].first, 80);
	assert_int_equal(o->tcp.items[0].last, 80);
	assert_int_equal(o->tcp.items[1].first, 50000);
	assert_int_equal(o->tcp.items[1].last, 50001);
	assert_int_equal(o->udp.count, 0);
	assert_int_equal(o->to.count, 0);
	assert_int_equal(o->flows_per_member, 16384);
	assert_int_equal(o->timeouts.opening_ms, 30000);
	assert_int_equal(o->timeouts.idle_ms, 1800000);
	assert_int_equal(o->timeouts.udp_idle_ms, 300000);
	assert_int_equal(c->dataplane.member_flows, 32768);
	assert_int_equal(c->warnings.list.count, 0);
	assert_int_equal(config_flows_limit(c, "inner"), 16384);
	assert_int_equal(config_flows_limit(c, "edges"), 0);
	config_free(c);
}

static char *shown(const struct config *c)
{
	char *text = NULL;
	size_t length;
	FILE *to = open_memstream(&text, &length);
	assert_non_null(to);
	config_show(to, c);
	fclose(to);
	return text;
}

static void test_shown(void **state)
{
	struct config *c = read_rule("pools: [edges, inner], mode: route, to: 198.18.0.0/15, "
				     "udp: [53, 50000-59999], inbound-udp: 50000-59999");
	char *once = shown(c), *twice;
	(void)state;
	config_free(c);
	assert_non_null(strstr(once, "udp: [53, 50000-59999]"));
	assert_non_null(strstr(once, "inbound-udp: [50000-59999]"));
	assert_non_null(strstr(once, "# translate-to: not used"));
	c = read_text(once);
	twice = shown(c);
	assert_string_equal(once, twice);
	config_free(c);
	free(once);
	free(twice);
}

static void test_compared(void **state)
{
	struct config *was =
		read_rule("pools: inner, mode: translate, translate-to: 192.0.2.9, tcp: 80");
	struct config *will =
		read_rule("pools: inner, mode: translate, translate-to: 192.0.2.9, tcp: [80, 443]");
	struct config_changes changes = {0};
	struct config_errors errors = {0};
	(void)state;
	assert_int_equal(config_needs_restart(was, will, &errors), 0);
	assert_int_equal(config_compare(was, will, &changes), 0);
	assert_int_equal(changes.list.count, 1);
	assert_string_equal(changes.list.items[0].object, "outbound r");
	assert_string_equal(changes.list.items[0].field, "tcp");
	assert_string_equal(changes.list.items[0].was, "[80]");
	assert_string_equal(changes.list.items[0].will, "[80, 443]");
	assert_false(changes.list.items[0].restart);
	config_changes_free(&changes);
	config_free(was);
	config_free(will);
}

static void test_warnings(void **state)
{
	static const struct {
		const char *rule;
		const char *field; // NULL: none
		const char *what;
	} rows[] = {
		{"pools: edges, mode: route, tcp: 80", NULL, NULL},
		{"pools: inner, mode: route, tcp: 80", "outbound[0].mode", "10.0.0.2 is a private"},
		{"pools: inner, mode: route, tcp: 80, to: 198.18.0.0/15", NULL, NULL},
		{"pools: inner, mode: translate, translate-to: 192.0.2.9, tcp: 80", NULL, NULL},
		{"pools: far, mode: route, tcp: 80", "pools[2].members[0].address",
			"203.0.113.2 is a neighbour on no interface"},
		{"pools: edges, mode: translate, translate-to: 192.0.2.9, udp: 40000-60000",
			"outbound[0].mode", "an A/V edge (service \"av\") tells others its own"},
		{"pools: edges, mode: translate, translate-to: 192.0.2.9, udp: 53", NULL, NULL},
		{"pools: edges, mode: route, inbound-tcp: 8000-9000", "outbound[0].inbound-tcp",
			"port 8057 of an edge server is for the inside"},
		{"pools: edges, mode: route, inbound-tcp: 50000-59999", NULL, NULL},
		{"pools: edges, mode: route, udp: 53, to: \"2001:db8::/32\"", "outbound[0].to[0]",
			"no interface leads to 2001:db8::/32"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config *c = read_rule(rows[i].rule);
		config_warnings_print(stderr, rows[i].rule, &c->warnings);
		assert_int_equal(c->warnings.list.count, rows[i].field != NULL);
		if (rows[i].field) {
			assert_string_equal(c->warnings.list.items[0].field, rows[i].field);
			assert_non_null(strstr(c->warnings.list.items[0].what, rows[i].what));
		}
		config_free(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_shown),
		cmocka_unit_test(test_compared),
		cmocka_unit_test(test_warnings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
