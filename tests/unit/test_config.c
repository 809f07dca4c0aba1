// SPDX-License-Identifier: BSD-2-Clause
// The configuration file: samples good and bad, defaults, and the bounds of what is read.

#include "control/config/config.h"
#include "control/config/read.h"
#include "tests/unit/config/mistakes.h"

#include "postern/log.h"

// cmocka.h needs the four before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

// The folder of the samples; tests run at the root of the project.
static const char *samples(void)
{
	static char folder[PATH_MAX];
	assert_non_null(realpath("tests/unit/config", folder));
	return folder;
}

static int read_sample(const char *name, struct config **c, struct config_errors *errors)
{
	char path[PATH_MAX + 64];
	snprintf(path, sizeof(path), "%s/%s", samples(), name);
	return config_read(path, c, errors);
}

static struct config *read_good_sample(const char *name)
{
	struct config *c;
	struct config_errors errors = {0};
	int rc = read_sample(name, &c, &errors);
	config_errors_print(stderr, name, &errors);
	assert_int_equal(rc, 0);
	assert_non_null(c);
	assert_int_equal(errors.list.count, 0);
	config_errors_free(&errors);
	return c;
}

static int read_text(const char *text, struct config **c, struct config_errors *errors)
{
	return config_read_text("text", samples(), text, strlen(text), c, errors);
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

static char *shown(const struct config *c)
{
	char *text = NULL;
	size_t length;
	FILE *to = open_memstream(&text, &length);
	assert_non_null(to);
	config_show(to, c);
	assert_int_equal(fclose(to), 0);
	return text;
}

static void assert_mistake(const struct config_error *e, const struct expectation *x)
{
	if (e->line == x->line && strcmp(e->field, x->field) == 0 && strstr(e->what, x->what) &&
		strstr(e->expected, x->expected))
		return;
	fail_msg("%s: expected line %d, %s: \"%s\"; \"%s\"; got line %d, %s: \"%s\"; \"%s\"",
		x->file, x->line, x->field, x->what, x->expected, e->line, e->field, e->what,
		e->expected);
}

// Reads one sample and compares all its mistakes. Returns how many the table has for it.
static size_t check_sample(const struct expectation *first, const struct expectation *end)
{
	struct config *c;
	struct config_errors errors = {0};
	assert_int_equal(read_sample(first->file, &c, &errors), -EINVAL);
	assert_null(c);
	size_t n = 0;
	for (; first + n < end && strcmp(first[n].file, first->file) == 0; n++) {
		if (n >= errors.list.count)
			fail_msg("%s: no mistake at line %d, \"%s\"", first->file, first[n].line,
				first[n].what);
		assert_mistake(&errors.list.items[n], &first[n]);
	}
	if (n < errors.list.count)
		fail_msg("%s: one too many: line %d, %s: %s", first->file,
			errors.list.items[n].line, errors.list.items[n].field,
			errors.list.items[n].what);
	config_errors_free(&errors);
	return n;
}

static void test_bad_samples(void **state)
{
	(void)state;
	const struct expectation *end = expectations + COUNT(expectations);
	for (const struct expectation *x = expectations; x < end;)
		x += check_sample(x, end);
}

static void test_defaults(void **state)
{
	(void)state;
	struct config *c = read_good_sample("minimal.yaml");
	assert_string_equal(c->postern.control_socket, "/run/postern/control.sock");
	assert_null(c->postern.control_group);
	assert_int_equal(c->postern.log_level, POSTERN_LOG_NOTICE);
	assert_int_equal(c->dataplane.huge_pages, POSTERN_HUGE_AUTO);
	assert_int_equal(c->dataplane.memory_mb, 0);
	assert_int_equal(c->dataplane.buffers, 16384);
	assert_int_equal(c->dataplane.sessions, 131072);
	assert_false(c->dataplane.busy_poll);
	assert_int_equal(c->dataplane.eal.count, 0);

	const struct config_interface *in = config_interface_find(c, "one");
	assert_non_null(in);
	assert_int_equal(in->gateways.count, 0);
	assert_int_equal(in->routes.count, 0);
	assert_int_equal(in->translate_from.count, 0);
	assert_int_equal(in->mtu, 0);

	const struct config_pool *p = config_pool_find(c, "edges");
	assert_non_null(p);
	assert_int_equal(p->on_down, CONFIG_ON_DOWN_RESET);
	assert_int_equal(p->all_down, CONFIG_ALL_DOWN_REFUSE);
	assert_int_equal(p->slow_start_ms, 0);
	assert_int_equal(p->observe_fall, 3);
	assert_int_equal(p->tls.line, 0);
	assert_null(p->tls.certificate);
	assert_null(p->tls.key);
	assert_null(p->tls.trust);
	assert_int_equal(p->tls.names.count, 0);
	assert_int_equal(p->probe.kind, CONFIG_PROBE_TCP);
	assert_int_equal(p->probe.interval_ms, 2000);
	assert_int_equal(p->probe.timeout_ms, 1000);
	assert_int_equal(p->probe.rise, 2);
	assert_int_equal(p->probe.fall, 3);
	assert_int_equal(p->probe.jitter_percent, 10);
	assert_true(postern_addr_is_none(&p->probe.address));
	assert_int_equal(p->probe.port, 0);
	assert_int_equal(p->probe.transport, CONFIG_TRANSPORT_TLS);
	assert_null(p->probe.from);
	assert_null(p->probe.uri);
	for (uint32_t status = 200; status < 700; status++)
		assert_int_equal(
			config_probe_alive(&p->probe, status), status != 503 && status != 504);
	assert_int_equal(p->members.items[0].probe.line, 0);
	assert_null(p->members.items[0].fqdn);
	assert_int_equal(p->members.items[0].weight, 1);

	const struct config_service *s = &c->services.items[0];
	assert_null(s->side);
	assert_int_equal(s->profile, CONFIG_PROFILE_NONE);
	assert_int_equal(s->transport, CONFIG_SERVICE_TCP);
	assert_int_equal(s->translate, CONFIG_TRANSLATE_SOURCE);
	assert_int_equal(s->affinity, CONFIG_AFFINITY_TUPLE);
	assert_int_equal(s->timeouts.opening_ms, 15 * 1000);
	assert_int_equal(s->timeouts.idle_ms, 30 * 60 * 1000);
	assert_int_equal(s->timeouts.closing_ms, 60 * 1000);
	assert_int_equal(s->timeouts.reset_ms, 10 * 1000);

	assert_null(config_interface_find(c, "two"));
	assert_null(config_pool_find(c, "two"));
	config_free(c);
}

static void find_cpus(unsigned *lowest, unsigned *highest)
{
	cpu_set_t *set = CPU_ALLOC(8192);
	assert_non_null(set);
	assert_int_equal(sched_getaffinity(0, CPU_ALLOC_SIZE(8192), set), 0);
	for (unsigned cpu = 8192; cpu-- > 0;)
		if (CPU_ISSET_S(cpu, CPU_ALLOC_SIZE(8192), set))
			*lowest = cpu;
	for (unsigned cpu = 0; cpu < 8192; cpu++)
		if (CPU_ISSET_S(cpu, CPU_ALLOC_SIZE(8192), set))
			*highest = cpu;
	CPU_FREE(set);
}

static void test_worker(void **state)
{
	(void)state;
	unsigned lowest = 0, highest = 0;
	find_cpus(&lowest, &highest);
	struct config *c = read_good_sample("minimal.yaml");
	assert_int_equal(c->dataplane.workers.count, 1);
	assert_int_equal(c->dataplane.workers.items[0], highest);
	config_free(c);

	char start[64];
	snprintf(start, sizeof(start), "dataplane: {workers: [%u]}", lowest);
	c = read_skeleton(start, PLAIN);
	assert_int_equal(c->dataplane.workers.count, 1);
	assert_int_equal(c->dataplane.workers.items[0], lowest);
	config_free(c);

	struct config_errors errors = {0};
	snprintf(start, sizeof(start), "dataplane: {workers: [%u, %u]}", lowest, highest);
	c = read_skeleton(start, PLAIN);
	assert_int_equal(c->dataplane.workers.count, 2);
	config_free(c);

	char many[512] = "dataplane: {workers: [";
	for (unsigned i = 0; i <= POSTERN_WORKERS_MAX; i++)
		snprintf(many + strlen(many), sizeof(many) - strlen(many), "%s%u", i ? "," : "",
			lowest);
	snprintf(many + strlen(many), sizeof(many) - strlen(many), "]}");
	assert_int_equal(read_text(many, &c, &errors), -EINVAL);
	assert_string_equal(errors.list.items[1].field, "dataplane.workers");
	assert_non_null(strstr(errors.list.items[1].what, "at most 64 workers"));
	config_errors_free(&errors);
}

static void assert_endpoint(const struct postern_endpoint *e, const char *text)
{
	char buf[POSTERN_ENDPOINT_TEXT];
	assert_string_equal(postern_endpoint_format(e, buf), text);
}

static void assert_address(const struct postern_addr *a, const char *text)
{
	char buf[POSTERN_ADDR_TEXT];
	assert_string_equal(postern_addr_format(a, buf), text);
}

static void assert_prefix(const struct postern_prefix *p, const char *text)
{
	char buf[POSTERN_PREFIX_TEXT];
	assert_string_equal(postern_prefix_format(p, buf), text);
}

static void assert_in_samples(const char *path, const char *name)
{
	char expected[PATH_MAX + 64];
	snprintf(expected, sizeof(expected), "%s/%s", samples(), name);
	assert_string_equal(path, expected);
}

static void test_roles(void **state)
{
	(void)state;
	struct config *c = read_good_sample("minimal.yaml");
	assert_string_equal(c->postern.state, "/var/lib/postern/state.db");
	assert_int_equal(c->postern.roles.view.count, 0);
	assert_int_equal(c->postern.roles.operate.count, 0);
	assert_int_equal(c->postern.roles.policy.count, 0);
	config_free(c);
	c = read_good_text(
		"postern: {state: a.db, roles: {view: help, operate: [noc, alice]}}\n"
		"interfaces: [{name: one, device: net_null0, addresses: 192.0.2.1/24}]\n");
	assert_in_samples(c->postern.state, "a.db");
	assert_int_equal(c->postern.roles.view.count, 1);
	assert_string_equal(c->postern.roles.view.items[0], "help");
	assert_int_equal(c->postern.roles.operate.count, 2);
	assert_string_equal(c->postern.roles.operate.items[1], "alice");
	config_free(c);
}

static void test_full_interfaces(void **state)
{
	(void)state;
	struct config *c = read_good_sample("full.yaml");
	assert_in_samples(c->postern.control_socket, "control.sock");
	assert_string_equal(c->postern.control_group, "postern");
	assert_int_equal(c->postern.log_level, POSTERN_LOG_DEBUG);
	assert_int_equal(c->dataplane.huge_pages, POSTERN_HUGE_OFF);
	assert_int_equal(c->dataplane.memory_mb, 512);
	assert_int_equal(c->dataplane.buffers, 8192);
	assert_int_equal(c->dataplane.sessions, 65536);
	assert_true(c->dataplane.busy_poll);
	assert_int_equal(c->dataplane.eal.count, 3);
	assert_string_equal(c->dataplane.eal.items[2], "a \"quoted\" \\ one");

	assert_int_equal(c->interfaces.count, 2);
	const struct config_interface *in = config_interface_find(c, "outside");
	assert_string_equal(in->device, "net_af_packet0,iface=eth1");
	assert_prefix(&in->addresses.items[0], "203.0.113.10/24");
	assert_prefix(&in->addresses.items[1], "2001:db8::10/64");
	assert_address(&in->gateways.items[1], "fe80::1");
	assert_prefix(&in->routes.items[1].to, "2001:db8:5::/48");
	assert_address(&in->routes.items[1].via, "2001:db8::2");
	assert_int_equal(in->routes.items[1].line, 21);
	assert_int_equal(in->mtu, 9000);
	assert_int_equal(in->kernel, CONFIG_KERNEL_TAP);
	assert_int_equal(in->line, 15);
	in = config_interface_find(c, "inside");
	assert_string_equal(in->device, "0000:01:00.0");
	assert_int_equal(in->translate_from.count, 3);
	assert_address(&in->translate_from.items[2], "fd00::20");
	config_free(c);
}

static void test_full_pools_and_services(void **state)
{
	(void)state;
	struct config *c = read_good_sample("full.yaml");
	const struct config_pool *p = config_pool_find(c, "edges");
	assert_int_equal(p->on_down, CONFIG_ON_DOWN_KEEP);
	assert_int_equal(p->observe_fall, 0);
	assert_in_samples(p->tls.certificate, "probe.pem");
	assert_in_samples(p->tls.key, "probe.key");
	assert_in_samples(p->tls.trust, "ca.pem");
	assert_string_equal(p->tls.names.items[0], "fe.contoso.local");
	assert_int_not_equal(p->tls.line, 0);
	assert_int_equal(p->probe.kind, CONFIG_PROBE_TLS);
	assert_int_equal(p->probe.interval_ms, 500);
	assert_int_equal(p->probe.timeout_ms, 400);
	assert_int_equal(p->probe.rise, 1);
	assert_int_equal(p->probe.fall, 2);
	assert_int_equal(p->probe.jitter_percent, 0);
	assert_int_equal(p->members.count, 3);
	assert_string_equal(p->members.items[0].fqdn, "fe1.contoso.local");
	assert_int_equal(p->members.items[0].weight, 0);
	assert_int_equal(p->members.items[1].weight, 256);
	assert_endpoint(&p->members.items[2].address, "[fd00::13]:5061");
	assert_int_equal(config_pool_find(c, "other")->probe.kind, CONFIG_PROBE_NONE);

	const struct config_service *s = &c->services.items[0];
	assert_string_equal(s->side, "outside");
	assert_int_equal(s->mode, CONFIG_MODE_FORWARD);
	assert_endpoint(&s->listen.items[1].at, "[2001:db8::20]:5061");
	assert_int_equal(s->timeouts.opening_ms, 1000);
	assert_int_equal(s->timeouts.idle_ms, 2 * 60 * 60 * 1000);
	assert_int_equal(s->timeouts.closing_ms, 90 * 1000);
	assert_int_equal(s->timeouts.reset_ms, 1500);
	config_free(c);
}

static void test_anchors(void **state)
{
	(void)state;
	struct config *c = read_good_sample("anchors.yaml");
	const struct config_pool *more = config_pool_find(c, "more");
	assert_int_equal(more->probe.interval_ms, 5000);
	assert_int_equal(more->members.count, 1);
	assert_string_equal(more->members.items[0].name, "fe1");
	config_free(c);
}

// The result is read from another folder, so that paths must have become absolute.
static void test_show_reads_back(void **state)
{
	(void)state;
	static const char *const files[] = {"full.yaml", "minimal.yaml", "anchors.yaml"};
	for (size_t i = 0; i < COUNT(files); i++) {
		struct config *c = read_good_sample(files[i]);
		char *text = shown(c);
		struct config *again;
		struct config_errors errors = {0};
		int rc = config_read_text("shown", "/", text, strlen(text), &again, &errors);
		config_errors_print(stderr, text, &errors);
		assert_int_equal(rc, 0);
		char *second = shown(again);
		assert_string_equal(text, second);
		assert_int_equal(config_needs_restart(c, again, &errors), 0);
		config_free(again);
		config_free(c);
		free(second);
		free(text);
	}
}

static void test_show_tells_defaults(void **state)
{
	(void)state;
	static const char *const lines[] = {"\n  # control-group: not set\n",
		"\n  log-level: notice\n", "\n  memory: auto\n", "\n    mtu: auto\n",
		"\n    kernel: none\n", "\n    gateway: []\n", "\n    # tls: not set\n",
		"\n      interval: 2s\n", "\n      jitter: 10%\n", "\n      idle: 30m\n",
		"\n        weight: 1\n"};
	struct config *c = read_good_sample("minimal.yaml");
	char *text = shown(c);
	for (size_t i = 0; i < COUNT(lines); i++)
		if (!strstr(text, lines[i]))
			fail_msg("not shown: %s", lines[i]);
	free(text);
	config_free(c);
}

static void test_mistakes_are_bounded(void **state)
{
	(void)state;
	char *text = NULL;
	size_t length;
	FILE *to = open_memstream(&text, &length);
	for (int i = 0; i < 130; i++)
		fprintf(to, "unknown-%d: 1\n", i);
	fclose(to);
	struct config *c;
	struct config_errors errors = {0};
	assert_int_equal(read_text(text, &c, &errors), -EINVAL);
	assert_int_equal(errors.list.count, CONFIG_MOST_ERRORS + 1);
	// The missing interfaces are the 131st.
	assert_string_equal(
		errors.list.items[CONFIG_MOST_ERRORS].what, "31 more mistakes are not shown");
	assert_int_equal(errors.list.items[0].line, 1);
	config_errors_free(&errors);
	free(text);
}

static void test_print(void **state)
{
	(void)state;
	struct config *c;
	struct config_errors errors = {0};
	char *text = NULL;
	size_t length;
	assert_int_equal(
		read_text("postern: {log-level: loud}\ninterfaces: []\n", &c, &errors), -EINVAL);
	FILE *to = open_memstream(&text, &length);
	config_errors_print(to, "a.yaml", &errors);
	fclose(to);
	assert_string_equal(text,
		"a.yaml:1: postern.log-level: this version does not offer \"loud\"; one of: error, "
		"warning, notice, info, debug\n"
		"a.yaml:2: interfaces: the list is empty; at least one\n");
	free(text);
	config_errors_free(&errors);
}

static void assert_unreadable(const char *file, int expected)
{
	struct config *c;
	struct config_errors errors = {0};
	assert_int_equal(config_read(file, &c, &errors), expected);
	assert_null(c);
	assert_int_equal(errors.list.count, 1);
	assert_int_equal(errors.list.items[0].line, 0);
	config_errors_free(&errors);
}

static void test_unreadable_files(void **state)
{
	(void)state;
	char folder[] = "/tmp/test_config.XXXXXX", path[64];
	assert_non_null(mkdtemp(folder));
	assert_unreadable(folder, -EISDIR);
	snprintf(path, sizeof(path), "%s/file", folder);
	assert_unreadable(path, -ENOENT);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_unreadable(path, -ENODEV);
	assert_int_equal(unlink(path), 0);
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, CONFIG_FILE_SIZE + 1), 0);
	close(fd);
	assert_unreadable(path, -EFBIG);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0);
}

static void assert_has_mistake(const char *text, size_t length, int line, const char *what)
{
	struct config *c;
	struct config_errors errors = {0};
	assert_int_equal(config_read_text("text", "/", text, length, &c, &errors), -EINVAL);
	assert_true(errors.list.count > 0);
	if (!strstr(errors.list.items[0].what, what) || errors.list.items[0].line != line)
		fail_msg("expected line %d, \"%s\"; got line %d, \"%s\"", line, what,
			errors.list.items[0].line, errors.list.items[0].what);
	config_errors_free(&errors);
}

static void test_text_is_utf8(void **state)
{
	(void)state;
	static const char *const bad[] = {"\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80",
		"\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\xc3",
		"\xff", "\x01", "\x7f"};
	static const char *const good[] = {
		"\xc2\xa9", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbd"};
	char text[32];
	for (size_t i = 0; i < COUNT(bad); i++) {
		int n = snprintf(text, sizeof(text), "# a\n# %s", bad[i]);
		assert_has_mistake(text, (size_t)n, 2, "is not text");
	}
	assert_has_mistake("a\0b", 3, 1, "the byte 0x00 is not text");
	for (size_t i = 0; i < COUNT(good); i++) {
		int n = snprintf(text, sizeof(text), "# a\n# %s", good[i]);
		assert_has_mistake(text, (size_t)n, 0, "the file is empty");
	}
}

// Of these the parser's time would grow with the square.
static void test_costly_text(void **state)
{
	(void)state;
	static char text[1 << 20];
	memset(text, '\n', sizeof(text));
	memcpy(text, "a: |\n", 5);
	assert_has_mistake(text, sizeof(text), 102, "more than 100 empty lines in a row");
	memset(text, '\r', sizeof(text));
	memcpy(text, "a: |\n", 5);
	assert_has_mistake(text, sizeof(text), 102, "more than 100 empty lines in a row");
	memset(text + 5, ' ', 100);
	assert_has_mistake(text, sizeof(text), 102, "more than 100 empty lines in a row");
	for (size_t i = 0; i + 1 < sizeof(text); i += 2)
		memcpy(text + i, "%\n", 2);
	assert_has_mistake(text, sizeof(text), 1, "directives");
}

// As editors on other systems write files.
static void test_foreign_line_ends(void **state)
{
	(void)state;
	config_free(read_good_text("\xef\xbb\xbfinterfaces:\r\n  - name: one\r\n"
				   "    device: net_null0\r\n    addresses: 192.0.2.1/24\r\n"));
}

static void test_deep_nesting(void **state)
{
	(void)state;
	static char text[1 << 20];
	memset(text, '[', sizeof(text));
	assert_has_mistake(text, sizeof(text), 1, "nested deeper than 32 levels");
	memset(text, '{', sizeof(text));
	assert_has_mistake(text, sizeof(text), 1, "nested deeper than 32 levels");
	for (size_t i = 0; i + 1 < sizeof(text); i += 2)
		memcpy(text + i, "- ", 2);
	assert_has_mistake(text, sizeof(text), 1, "nested deeper than 32 levels");
}

// Two thousand pools that all stand for one with thousands of members.
static void test_aliases_are_bounded(void **state)
{
	(void)state;
	char *text = NULL;
	size_t length;
	FILE *to = open_memstream(&text, &length);
	fprintf(to, "pools:\n  - &p\n    name: a\n    members: [&m {name: a, address: "
		    "\"192.0.2.1:1\"}");
	for (int i = 0; i < 4000; i++)
		fprintf(to, ", *m");
	fprintf(to, "]\n");
	for (int i = 0; i < 2000; i++)
		fprintf(to, "  - *p\n");
	fclose(to);
	struct config *c;
	struct config_errors errors = {0};
	assert_int_equal(read_text(text, &c, &errors), -EINVAL);
	bool found = false;
	for (size_t i = 0; i < errors.list.count; i++)
		found |=
			strstr(errors.list.items[i].what, "means more than 4194304 values") != NULL;
	assert_true(found);
	config_errors_free(&errors);
	free(text);
}

static void test_ids_are_bounded(void **state)
{
	(void)state;
	char *text = NULL;
	size_t length;
	FILE *to = open_memstream(&text, &length);
	fprintf(to,
		"interfaces: [{name: one, device: net_null0, addresses: 10.0.0.1/8}]\npools:\n");
	for (unsigned i = 0; i < 65536; i++) {
		if (i % 32768 == 0)
			fprintf(to, "  - name: p%u\n    members:\n", i);
		fprintf(to, "      - {name: m%u, address: \"10.1.%u.%u:%u\"}\n", i, i / 256 % 256,
			i % 256, 1 + i / 32768);
	}
	fprintf(to, "services:\n");
	for (unsigned i = 0; i < 1025; i++) {
		fprintf(to, "  - {name: s%u, mode: forward, pool: p0, listen: [", i);
		for (unsigned k = 0; k < 64; k++)
			fprintf(to, "\"10.2.%u.%u:%u\", ", i / 256, i % 256, k + 1);
		fprintf(to, "]}\n");
	}
	fclose(to);
	struct config *c;
	struct config_errors errors = {0};
	assert_int_equal(read_text(text, &c, &errors), -EINVAL);
	bool members = false, listens = false;
	for (size_t i = 0; i < errors.list.count; i++) {
		members |= strstr(errors.list.items[i].what, "members of all pools are 65536") &&
			   strcmp(errors.list.items[i].field, "pools[1].members") == 0;
		listens |=
			strstr(errors.list.items[i].what, "services have 65600 addresses") != NULL;
	}
	assert_true(members);
	assert_true(listens);
	config_errors_free(&errors);
	free(text);
}

// The first interface leads everywhere but has no address to send from; the others know better.
static void test_longest_prefix_leads(void **state)
{
	(void)state;
	config_free(read_good_text(
		"interfaces:\n"
		"  - {name: any, device: net_null0, addresses: 192.0.2.1/24, gateway: "
		"\"fe80::1\"}\n"
		"  - {name: link, device: net_null1, addresses: \"2001:db8::1/64\"}\n"
		"  - name: routed\n"
		"    device: net_null2\n"
		"    addresses: \"2001:db8:1::1/64\"\n"
		"    routes: [{to: \"2001:db8:2::/48\", via: \"fe80::1\"}]\n"
		"pools:\n"
		"  - name: edges\n"
		"    members:\n"
		"      - {name: a, address: \"[2001:db8::2]:1\"}\n"
		"      - {name: b, address: \"[2001:db8:2::2]:1\"}\n"));
}

static void test_reference(void **state)
{
	(void)state;
	static const char *const keys[] = {"| `postern.log-level` | one of: error, ",
		"| `dataplane.workers` | a list: ", "| `interfaces[].routes[].via` | ",
		"| `interfaces[].gateway` | one or a list: ", "| `pools[].probe.jitter` | ",
		"such as 4xx | `[503, 504]` | reload | ", "| `pools[].members[].probe` | ",
		"| `pools[].tls.trust` | a path | none | reload | ",
		"| `pools[].members[].weight` | a whole number from 0 to 256 | `1` | reload | ",
		"| `services[].profile` | one of: none, access-edge, ", "| `services[].listen` | ",
		"| `services[].affinity` | one of: tuple, source | tuple, or source of ",
		"| 30m, or 5m over UDP | reload | Without a packet"};
	char *text = NULL;
	size_t length;
	FILE *to = open_memstream(&text, &length);
	config_reference(to);
	fclose(to);
	for (size_t i = 0; i < COUNT(keys); i++)
		if (!strstr(text, keys[i]))
			fail_msg("not in the reference: %s", keys[i]);
	// Six bars a row, whatever the row says.
	for (char *row = strtok(text, "\n"); row; row = strtok(NULL, "\n")) {
		size_t bars = 0;
		for (const char *at = row; *at; at++)
			bars += *at == '|';
		assert_int_equal(bars, 6);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_samples),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_worker),
		cmocka_unit_test(test_roles),
		cmocka_unit_test(test_full_interfaces),
		cmocka_unit_test(test_full_pools_and_services),
		cmocka_unit_test(test_anchors),
		cmocka_unit_test(test_show_reads_back),
		cmocka_unit_test(test_show_tells_defaults),
		cmocka_unit_test(test_mistakes_are_bounded),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_unreadable_files),
		cmocka_unit_test(test_text_is_utf8),
		cmocka_unit_test(test_costly_text),
		cmocka_unit_test(test_foreign_line_ends),
		cmocka_unit_test(test_deep_nesting),
		cmocka_unit_test(test_aliases_are_bounded),
		cmocka_unit_test(test_ids_are_bounded),
		cmocka_unit_test(test_longest_prefix_leads),
		cmocka_unit_test(test_reference),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
