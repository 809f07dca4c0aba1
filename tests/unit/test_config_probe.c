// SPDX-License-Identifier: BSD-2-Clause
// Probes in the configuration: a pool's, its members' own, and which answers mean alive.

#include "control/config/config.h"

// cmocka.h needs the four before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

static struct config *read_sample(void)
{
	struct config *c;
	struct config_errors errors = {0};
	int rc = config_read("tests/unit/config/full.yaml", &c, &errors);
	config_errors_print(stderr, "full.yaml", &errors);
	assert_int_equal(rc, 0);
	config_errors_free(&errors);
	return c;
}

static void assert_address(const struct postern_addr *a, const char *text)
{
	char buf[POSTERN_ADDR_TEXT];
	assert_string_equal(postern_addr_format(a, buf), text);
}

static void assert_codes(const uint32_t *items, size_t count, uint32_t first, uint32_t second)
{
	assert_int_equal(count, (first != 0) + (second != 0));
	if (first != 0)
		assert_int_equal(items[0], first);
	if (second != 0)
		assert_int_equal(items[1], second);
}

static void test_full_probes(void **state)
{
	(void)state;
	struct config *c = read_sample();
	const struct config_pool *pool = config_pool_find(c, "front-ends");
	const struct config_probe *p = &pool->probe;
	assert_int_equal(p->kind, CONFIG_PROBE_SIP);
	assert_address(&p->address, "10.0.0.9");
	assert_int_equal(p->port, 5062);
	assert_int_equal(p->transport, CONFIG_TRANSPORT_TCP);
	assert_string_equal(p->from, "sip:probe@contoso.com");
	assert_string_equal(p->uri, "sip:contoso.com:5062;transport=tcp");
	assert_codes(p->alive.items, p->alive.count, 200, 4);
	assert_codes(p->not_alive.items, p->not_alive.count, 4, 500);
	assert_true(config_member_probe(pool, &pool->members.items[2]) == p);
	assert_false(config_probe_uses_tls(p));

	// A member's own, the rest from its pool, whatever the order in the file.
	p = config_member_probe(pool, &pool->members.items[0]);
	assert_int_equal(p->kind, CONFIG_PROBE_TCP);
	assert_int_equal(p->port, 0);
	assert_address(&p->address, "10.0.0.9");
	assert_string_equal(p->from, "sip:probe@contoso.com");
	p = config_member_probe(pool, &pool->members.items[1]);
	assert_int_equal(p->kind, CONFIG_PROBE_SIP);
	assert_int_equal(p->interval_ms, 2000);
	assert_string_equal(p->uri, "sip:[fd00::12]");
	assert_codes(p->alive.items, p->alive.count, 404, 0);
	assert_codes(p->not_alive.items, p->not_alive.count, 0, 0);
	config_free(c);
}

static void test_alive(void **state)
{
	(void)state;
	uint32_t codes[] = {2, 404, 5}, others[] = {503, 5, 202};
	struct config_probe p = {.alive = {codes, 3}, .not_alive = {others, 3}};
	assert_true(config_probe_alive(&p, 200));
	assert_false(config_probe_alive(&p, 202));
	assert_true(config_probe_alive(&p, 404));
	assert_false(config_probe_alive(&p, 403));
	assert_false(config_probe_alive(&p, 503));
	assert_false(config_probe_alive(&p, 500)); // of two equal ones not-alive counts
	codes[2] = 500;
	assert_true(config_probe_alive(&p, 500));
	assert_false(config_probe_alive(&p, 600));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full_probes),
		cmocka_unit_test(test_alive),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
