// SPDX-License-Identifier: BSD-2-Clause
// Services in relay mode in the file: what their rules say, how they are shown, and mistakes.

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
	"interfaces: [{name: out, device: net_null0, addresses: 192.0.2.1/24}]\n"                  \
	"organisations: [{name: contoso, domains: [contoso.com]}]\n"                               \
	"pools:\n"                                                                                 \
	"  - {name: edges, members: [{name: a, address: \"192.0.2.2:443\"}]}\n"                    \
	"  - {name: others, members: [{name: a, address: \"192.0.2.3:443\"}]}\n"

// 0, or -EINVAL with the mistakes.
static int read_service(const char *service, struct config **c, struct config_errors *errors)
{
	char text[2048];

	snprintf(text, sizeof(text),
		AROUND "services: [{name: r, listen: \"192.0.2.9:443\", pool: edges, %s}]\n",
		service);
	return config_read_text("text", "/", text, strlen(text), c, errors);
}

static void test_rules(void **state)
{
	struct config_errors errors = {0};
	struct config *c;

	(void)state;
	assert_int_equal(
		read_service("mode: relay, proxy-protocol: v2, choose: ["
			     "{server-names: [\"*.Contoso.com\", a.b], pool: others}, "
			     "{organisation: contoso, alpn: sip, pool: others}, "
			     "{first: [sslv2, sip], refuse: true}, "
			     "{no-server-name: true, version-at-most: tls1.1, refuse: true}]",
			&c, &errors),
		0);
	const struct config_service *s = &c->services.items[0];

	assert_int_equal(s->mode, CONFIG_MODE_RELAY);
	assert_int_equal(s->proxy_protocol, CONFIG_PROXY_V2);
	assert_int_equal(s->choose.count, 4);
	assert_string_equal(s->choose.items[0].server_names.items[0], "*.contoso.com");
	assert_int_equal(s->choose.items[0].first.items[0], POSTERN_HELLO_TLS);
	assert_string_equal(s->choose.items[1].alpn.items[0], "sip");
	assert_int_equal(s->choose.items[2].first.items[1], POSTERN_HELLO_SIP);
	assert_int_equal(config_version_number(s->choose.items[3].version), POSTERN_TLS11);
	assert_int_equal(c->dataplane.connections, 65536);
	assert_int_equal(c->dataplane.connections_per_address, 4096);
	assert_int_equal(c->dataplane.opening_per_address, 256);
	config_free(c);
	config_errors_free(&errors);
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
	struct config_errors errors = {0};
	struct config *c, *again;

	(void)state;
	assert_int_equal(read_service("mode: relay, choose: [{first: [tls, xmpp], pool: others}]",
				 &c, &errors),
		0);
	char *once = shown(c);

	assert_non_null(strstr(once, "first: [tls, xmpp]"));
	assert_int_equal(config_read_text("text", "/", once, strlen(once), &again, &errors), 0);
	char *twice = shown(again);

	assert_string_equal(once, twice);
	config_free(c);
	config_free(again);
	config_errors_free(&errors);
	free(once);
	free(twice);
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *service;
		const char *field;
		const char *what; // part of it
	} rows[] = {
		{"mode: forward, choose: [{pool: others}]", "services[0].choose", "reads no hello"},
		{"mode: forward, proxy-protocol: v2", "services[0].proxy-protocol", "puts nothing"},
		{"mode: relay, translate: destination", "services[0].translate",
			"from addresses of"},
		{"mode: relay, transport: udp", "services[0].transport", "ends TCP"},
		{"mode: relay, choose: [{alpn: h2}]", "services[0].choose[0]", "where to"},
		{"mode: relay, choose: [{pool: others, refuse: true}]",
			"services[0].choose[0].pool", "a pool and refuse"},
		{"mode: relay, choose: [{pool: nobody}]", "services[0].choose[0].pool",
			"no pool \"nobody\""},
		{"mode: relay, choose: [{organisation: x, pool: others}]",
			"services[0].choose[0].organisation", "no organisation \"x\""},
		{"mode: relay, choose: [{first: sip, alpn: sip, pool: others}]",
			"services[0].choose[0].first", "only a ClientHello"},
		{"mode: relay, choose: [{no-server-name: true, server-names: a.b, pool: others}]",
			"services[0].choose[0].no-server-name", "none of these"},
		{"mode: relay, choose: [{server-names: \"a.*.b\", pool: others}]",
			"services[0].choose[0].server-names", "no name of a server"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config_errors errors = {0};
		struct config *c = NULL;

		assert_true(read_service(rows[i].service, &c, &errors) < 0);
		if (errors.list.count != 1)
			config_errors_print(stderr, rows[i].service, &errors);
		assert_int_equal(errors.list.count, 1);
		assert_string_equal(errors.list.items[0].field, rows[i].field);
		assert_non_null(strstr(errors.list.items[0].what, rows[i].what));
		config_errors_free(&errors);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_shown),
		cmocka_unit_test(test_mistakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
