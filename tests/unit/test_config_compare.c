// SPDX-License-Identifier: BSD-2-Clause
// What a new configuration changes, as it is told to an operator.

#include "control/config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// cmocka.h needs the four before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

#define INTERFACES                                                                                 \
	"interfaces:\n"                                                                            \
	"  - {name: out, device: net_null0, addresses: 192.0.2.1/24}\n"                            \
	"  - {name: in, device: net_null1, addresses: 10.0.0.1/24}\n"
#define POOLS                                                                                      \
	"pools:\n"                                                                                 \
	"  - name: edges\n"                                                                        \
	"    members: [{name: a, address: \"10.0.0.11:5061\"}, {name: b, address: "                \
	"\"10.0.0.12:5061\"}]\n"
#define SERVICES                                                                                   \
	"services:\n"                                                                              \
	"  - {name: sip, listen: \"192.0.2.20:5061\", mode: forward, pool: edges}\n"

static struct config *read_text(const char *text)
{
	char path[] = "/tmp/postern-compare-XXXXXX";
	struct config_errors errors = {0};
	struct config *c;
	const int fd = mkstemp(path);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	const int rc = config_read(path, &c, &errors);
	config_errors_print(stderr, path, &errors);
	unlink(path);
	assert_int_equal(rc, 0);
	config_errors_free(&errors);
	return c;
}

static char *compare(const char *now_text, const char *next_text)
{
	struct config *now = read_text(now_text);
	struct config *next = read_text(next_text);
	struct config_changes changes = {0};
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	assert_int_equal(config_compare(now, next, &changes), 0);
	for (size_t i = 0; i < changes.list.count; i++) {
		const struct config_change *c = &changes.list.items[i];

		fprintf(to, "%s|%s|%s|%s|%s|%s\n", c->object, config_change_name(c->kind), c->field,
			c->was ? c->was : "-", c->will ? c->will : "-",
			c->restart ? "restart" : "reload");
	}
	fclose(to);
	config_changes_free(&changes);
	config_free(now);
	config_free(next);
	return text;
}

static const struct {
	const char *what;
	const char *next;
	const char *changes;
} cases[] = {
	{"nothing", "# a comment\n" INTERFACES POOLS SERVICES, ""},
	{"a default that is written", "postern: {log-level: notice}\n" INTERFACES POOLS SERVICES,
		""},
	{"a value of a part", "postern: {log-level: debug}\n" INTERFACES POOLS SERVICES,
		"postern|changed|log-level|notice|debug|reload\n"},
	{"a value that needs a restart", "dataplane: {sessions: 2048}\n" INTERFACES POOLS SERVICES,
		"dataplane|changed|sessions|131072|2048|restart\n"},
	{"a value that was not there", "postern: {control-group: a}\n" INTERFACES POOLS SERVICES,
		"postern|added|control-group|-|a|restart\n"},
	{"an object within", "postern: {roles: {view: [a, b]}}\n" INTERFACES POOLS SERVICES,
		"postern|changed|roles.view|[]|[a, b]|reload\n"},
	{"members: one more, one less, one other, in another order",
		INTERFACES "pools:\n"
			   "  - name: edges\n"
			   "    probe: {interval: 5s}\n"
			   "    members:\n"
			   "      - {name: c, address: \"10.0.0.13:5061\", weight: 3}\n"
			   "      - {name: b, address: \"10.0.0.14:5061\"}\n" SERVICES,
		"pool edges|changed|probe.interval|2s|5s|reload\n"
		"pool edges member a|removed||{name: a, address: \"10.0.0.11:5061\"}|-|reload\n"
		"pool edges member b|changed|address|\"10.0.0.12:5061\"|\"10.0.0.14:5061\"|reload\n"
		"pool edges member c|added||-|{name: c, address: \"10.0.0.13:5061\", weight: "
		"3}|reload\n"},
	{"a probe of a member's own",
		INTERFACES "pools:\n"
			   "  - name: edges\n"
			   "    members:\n"
			   "      - {name: a, address: \"10.0.0.11:5061\", probe: {kind: none}}\n"
			   "      - {name: b, address: \"10.0.0.12:5061\"}\n" SERVICES,
		"pool edges member a|added|probe|-|{kind: none}|reload\n"},
	{"a service and its pool",
		INTERFACES POOLS "  - name: more\n"
				 "    members: [{name: x, address: \"10.0.0.11:7000\"}]\n" SERVICES
				 "  - {name: bytes, listen: \"192.0.2.20:7000\", mode: forward, "
				 "pool: more}\n",
		"pool more|added||-|{name: more, members: [{name: x, address: "
		"\"10.0.0.11:7000\"}]}|reload\n"
		"service bytes|added||-|{name: bytes, listen: [\"192.0.2.20:7000\"], mode: "
		"forward, pool: more, translate: source, affinity: tuple, timeouts: "
		"{idle: 30m}}|reload\n"},
	{"an interface",
		"interfaces:\n"
		"  - {name: out, device: net_null0, addresses: [192.0.2.1/24, 192.0.3.1/24]}\n"
		"  - {name: in, device: net_null1, addresses: 10.0.0.1/24, routes: [{to: "
		"10.9.0.0/16, via: 10.0.0.2}]}\n" POOLS SERVICES,
		"interface in route 10.9.0.0/16|added||-|{to: 10.9.0.0/16, via: "
		"10.0.0.2}|restart\n"
		"interface out|changed|addresses|[192.0.2.1/24]|[192.0.2.1/24, "
		"192.0.3.1/24]|restart\n"},
	{"interfaces in another order",
		"interfaces:\n"
		"  - {name: in, device: net_null1, addresses: 10.0.0.1/24}\n"
		"  - {name: out, device: net_null0, addresses: 192.0.2.1/24}\n" POOLS SERVICES,
		"interfaces|changed||in the order that runs|in another order|restart\n"},
};

static void test_changes(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char *found = compare(INTERFACES POOLS SERVICES, cases[i].next);

		if (strcmp(found, cases[i].changes) != 0)
			fail_msg("%s:\n%s", cases[i].what, found);
		free(found);
	}
}

// What takes a restart is the same as what a reload refuses.
static void test_agrees_with_reload(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct config *now = read_text(INTERFACES POOLS SERVICES);
		struct config *next = read_text(cases[i].next);
		struct config_errors errors = {0};
		const bool restart = config_needs_restart(now, next, &errors) > 0;

		config_errors_free(&errors);
		if (restart != (strstr(cases[i].changes, "|restart\n") != NULL))
			fail_msg("%s", cases[i].what);
		config_free(now);
		config_free(next);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_agrees_with_reload),
	};

	return cmocka_run_group_tests_name("config_compare", tests, NULL, NULL);
}
