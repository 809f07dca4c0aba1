// SPDX-License-Identifier: BSD-2-Clause
// What metrics and alarms take from the file: the address, a pool's minimum, how many sessions the
// source addresses carry.

#include "control/config/config.h"

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
#include <unistd.h>

static struct config *read_text(const char *postern, const char *pool, struct config_errors *errors)
{
	char path[] = "/tmp/postern-config-XXXXXX";
	FILE *to = fdopen(mkstemp(path), "w");
	struct config *c = NULL;
	assert_non_null(to);
	fprintf(to,
		"postern: {%s}\n"
		"interfaces:\n"
		"  - {name: a, device: net_null0, addresses: [192.0.2.1/24]}\n"
		"pools:\n"
		"  - {name: p, %s members: [{name: m, address: \"192.0.2.2:1\"}]}\n",
		postern, pool);
	fclose(to);
	config_read(path, &c, errors);
	unlink(path);
	return c;
}

static void test_metrics_address(void **state)
{
	static const char *const bad[] = {"metrics: 127.0.0.1", "metrics: \"127.0.0.1:0\"",
		"metrics: \"224.0.0.1:9464\"", "metrics: on"};
	struct config_errors errors = {0};
	char text[POSTERN_ENDPOINT_TEXT];
	(void)state;
	struct config *c = read_text("", "", &errors);
	assert_non_null(c);
	assert_int_equal(c->postern.metrics.port, 0);
	config_free(c);
	c = read_text("metrics: off", "minimum: 1,", &errors);
	assert_int_equal(c->postern.metrics.port, 0);
	assert_int_equal(c->pools.items[0].minimum, 1);
	config_free(c);
	c = read_text("metrics: \"127.0.0.1:9464\"", "", &errors);
	postern_endpoint_format(&c->postern.metrics, text);
	assert_string_equal(text, "127.0.0.1:9464");
	config_free(c);
	c = read_text("metrics: \"[::]:9464\"", "", &errors);
	postern_endpoint_format(&c->postern.metrics, text);
	assert_string_equal(text, "[::]:9464");
	config_free(c);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_null(read_text(bad[i], "", &errors));
		assert_string_equal(errors.list.items[0].field, "postern.metrics");
		assert_non_null(strstr(errors.list.items[0].expected, "[::1]:9464"));
		assert_non_null(strstr(errors.list.items[0].expected, ", or off"));
		config_errors_free(&errors);
		errors = (struct config_errors){0};
	}
	assert_null(read_text("", "minimum: 2,", &errors));
	assert_string_equal(errors.list.items[0].field, "pools[0].minimum");
	assert_string_equal(errors.list.items[0].expected, "at most 1");
	config_errors_free(&errors);
}

static void test_sessions_limit(void **state)
{
	(void)state;
	struct config_errors errors = {0};
	struct postern_addr a;
	struct config *c = NULL;
	assert_int_equal(config_read("tests/unit/config/full.yaml", &c, &errors), 0);
	postern_addr_parse("10.0.0.11", &a);
	assert_string_equal(config_interface_towards(c, &a)->name, "inside");
	assert_int_equal(config_sessions_limit(c, &a), 2 * 64512);
	postern_addr_parse("fd00::13", &a);
	assert_int_equal(config_sessions_limit(c, &a), 64512);
	// Through the gateway, where nothing is to be translated from but the interface's own.
	postern_addr_parse("8.8.8.8", &a);
	assert_string_equal(config_interface_towards(c, &a)->name, "outside");
	assert_int_equal(config_sessions_limit(c, &a), 64512);
	config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_metrics_address),
		cmocka_unit_test(test_sessions_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
