// SPDX-License-Identifier: BSD-2-Clause
// What of a new configuration needs a restart, at which line, and advice on slips.

#include "control/config/read.h"

// cmocka.h needs the four before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int read_text(const char *text, struct config **c, struct config_errors *errors)
{
	return config_read_text("text", "/", text, strlen(text), c, errors);
}

static struct config *read_good_text(const char *text)
{
	struct config *c;
	struct config_errors errors = {0};
	int rc = read_text(text, &c, &errors);
	config_errors_print(stderr, text, &errors);
	assert_int_equal(rc, 0);
	return c;
}

// What a file must have; %s are, in this order: the start of the file, and in the interface what
// follows its name.
static const char skeleton[] =
	"%s\n"
	"interfaces:\n"
	"  - {name: one, %s}\n"
	"  - {name: two, device: net_null9, addresses: 198.51.100.1/24}\n"
	"pools:\n"
	"  - {name: edges, members: [{name: a, address: \"192.0.2.2:1\"}]}\n"
	"services:\n"
	"  - {name: s, listen: \"192.0.2.3:1\", mode: forward, pool: edges}\n";

static struct config *read_skeleton(const char *start, const char *interface)
{
	char *text;
	assert_true(asprintf(&text, skeleton, start, interface) > 0);
	struct config *c = read_good_text(text);
	free(text);
	return c;
}

#define PLAIN "device: net_null0, addresses: 192.0.2.1/24"

static void test_needs_restart(void **state)
{
	(void)state;
	static const struct {
		const char *start;
		const char *interface;
		const char *field; // NULL: no restart
		const char *what;
	} cases[] = {
		{"# other lines\n", PLAIN, NULL, NULL},
		{"postern: {log-level: debug}", PLAIN, NULL, NULL},
		{"postern: {control-socket: a}", PLAIN, "postern.control-socket", "changes from "},
		{"postern: {roles: {view: a}}", PLAIN, NULL, NULL},
		{"postern: {state: /a.db}", PLAIN, "postern.state",
			"changes from /var/lib/postern/state.db to /a.db"},
		{"postern: {control-group: a}", PLAIN, "postern.control-group",
			"changes from none to a"},
		{"dataplane: {memory: 1GB}", PLAIN, "dataplane.memory", "changes from auto to 1GB"},
		{"dataplane: {buffers: 2048}", PLAIN, "dataplane.buffers",
			"changes from 16384 to 2048"},
		{"dataplane: {sessions: 2048}", PLAIN, "dataplane.sessions",
			"changes from 131072 to 2048"},
		{"dataplane: {busy-poll: true}", PLAIN, "dataplane.busy-poll",
			"changes from false to true"},
		{"dataplane: {huge-pages: off}", PLAIN, "dataplane.huge-pages",
			"changes from auto to off"},
		{"dataplane: {eal: [a]}", PLAIN, "dataplane.eal", "changes from [] to [a]"},
		{"", "device: net_null1, addresses: 192.0.2.1/24", "interfaces[0].device",
			"changes from net_null0 to net_null1"},
		{"", "device: net_null0, addresses: [192.0.2.1/24, 192.0.3.1/24]",
			"interfaces[0].addresses",
			"changes from [192.0.2.1/24] to [192.0.2.1/24, 192.0.3.1/24]"},
		{"", PLAIN ", gateway: 192.0.2.9", "interfaces[0].gateway",
			"changes from [] to [192.0.2.9]"},
		{"", PLAIN ", routes: [{to: 10.0.0.0/8, via: 192.0.2.9}]",
			"interfaces[0].routes[0]", "is new"},
		{"",
			PLAIN ", routes: [{to: 10.0.0.0/8, via: 192.0.2.9}, {to: 0.0.0.0/0, via: "
			      "192.0.2.9}]",
			"interfaces[0].routes[1]", "is new"},
		{"", PLAIN ", translate-from: 192.0.2.9", "interfaces[0].translate-from",
			"changes from [] to [192.0.2.9]"},
		{"", PLAIN ", mtu: 9000", "interfaces[0].mtu", "changes from auto to 9000"},
		{"",
			PLAIN ", translate-from: 192.0.2.9, kernel: tap}\n  - {name: mid, device: "
			      "net_null5, addresses: 203.0.113.1/24",
			"interfaces[0].kernel", "changes from none to tap"},
		{"", PLAIN "}\n  - {name: mid, device: net_null5, addresses: 203.0.113.1/24",
			"interfaces[2]", "is new"},
	};
	struct config *now = read_skeleton("", PLAIN);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct config *next = read_skeleton(cases[i].start, cases[i].interface);
		struct config_errors errors = {0};
		size_t n = config_needs_restart(now, next, &errors);
		assert_int_equal(n, errors.list.count);
		bool found = !cases[i].field && n == 0;
		for (size_t k = 0; cases[i].field && k < n; k++)
			found |= strcmp(errors.list.items[k].field, cases[i].field) == 0 &&
				 strstr(errors.list.items[k].what, cases[i].what);
		if (!found)
			fail_msg("case %zu, %s: %zu found, the first at %s: %s", i,
				cases[i].field ? cases[i].field : "none", n,
				n ? errors.list.items[0].field : "",
				n ? errors.list.items[0].what : "");
		// One change, one line, but for elements of lists that are new or shifted.
		if (cases[i].field && !strstr(cases[i].interface, "}"))
			assert_int_equal(n, 1);
		config_errors_free(&errors);
		config_free(next);
	}
	config_free(now);
}

static void has_mistake(const char *text, const char *what, const char *expected)
{
	struct config *c;
	struct config_errors errors = {0};
	assert_int_equal(read_text(text, &c, &errors), -EINVAL);
	bool found = false;
	for (size_t i = 0; i < errors.list.count; i++)
		found |= strstr(errors.list.items[i].what, what) &&
			 strstr(errors.list.items[i].expected, expected);
	if (!found)
		fail_msg("not told: %s; %s", what, expected);
	config_errors_free(&errors);
}

static void test_advice_fits(void **state)
{
	(void)state;
	char *text;
	assert_true(asprintf(&text, skeleton, "",
			    "device: \"net_afpacket0,iface=lo\", addresses: 192.0.2.1/24") > 0);
	has_mistake(text,
		"unknown virtual device driver \"net_afpacket\", did you mean \"net_af_packet\"?",
		"");
	free(text);
	config_free(read_skeleton("", "device: net_bonding0, addresses: 192.0.2.1/24"));
	config_free(read_skeleton("", "device: net_tun0, addresses: 192.0.2.1/24"));
	has_mistake("pools:\n  - name: a\n    probe: {kind: tcp, interval: 500 ms}\n",
		"\"500 ms\" must be written without a space", "ms, s, m, h");
	has_mistake("postern:\n\tlog-level: debug\n", "no YAML", "no tabs");
	has_mistake("postern: {log-level: debug\n", "no YAML", "needs quotes");
}

static void restart_line(const char *start, const char *interface, const char *field, int line)
{
	struct config *now = read_skeleton("\n\n\n", PLAIN);
	struct config *next = read_skeleton(start, interface);
	struct config_errors errors = {0};
	int found = -1;
	config_needs_restart(now, next, &errors);
	for (size_t i = 0; i < errors.list.count; i++)
		if (strcmp(errors.list.items[i].field, field) == 0)
			found = errors.list.items[i].line;
	assert_int_equal(found, line);
	config_errors_free(&errors);
	config_free(now);
	config_free(next);
}

// The line is the value's own, and left out where the new file does not have the value.
static void test_needs_restart_tells_lines(void **state)
{
	(void)state;
	restart_line(
		"dataplane:\n  buffers: 2048\n  sessions: 2048", PLAIN, "dataplane.sessions", 3);
	restart_line("",
		"device: net_null0, addresses: 192.0.2.1/24,\n    translate-from: 192.0.2.9",
		"interfaces[0].translate-from", 4);
	struct config *now = read_skeleton("dataplane: {sessions: 2048}", PLAIN);
	struct config *next = read_skeleton("", PLAIN);
	struct config_errors errors = {0};
	assert_int_equal(config_needs_restart(now, next, &errors), 1);
	char *text = config_error_text("a.yaml", &errors.list.items[0]);
	assert_string_equal(text, "a.yaml: dataplane.sessions: changes from 2048 to 131072; "
				  "restart postern to apply it");
	free(text);
	config_errors_free(&errors);
	config_free(now);
	config_free(next);
}

static void test_removed_interface_needs_restart(void **state)
{
	(void)state;
	struct config *now = read_skeleton(
		"", PLAIN "}\n  - {name: mid, device: net_null5, addresses: 203.0.113.1/24");
	struct config *next = read_skeleton("", PLAIN);
	struct config_errors errors = {0};
	size_t n = config_needs_restart(now, next, &errors);
	assert_true(n > 0);
	bool found = false;
	for (size_t i = 0; i < n; i++)
		found |= strcmp(errors.list.items[i].field, "interfaces[2]") == 0 &&
			 strstr(errors.list.items[i].what, "no longer there");
	assert_true(found);
	config_errors_free(&errors);
	config_free(now);
	config_free(next);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_needs_restart),
		cmocka_unit_test(test_needs_restart_tells_lines),
		cmocka_unit_test(test_removed_interface_needs_restart),
		cmocka_unit_test(test_advice_fits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
