// SPDX-License-Identifier: BSD-2-Clause
// URIs, hosts and domains: what is read, and what is refused because two readers could read it
// differently.

#include "sip_try.h"

static struct sip_span span(const char *text)
{
	return (struct sip_span){(const uint8_t *)text, (uint32_t)strlen(text)};
}

static void assert_span(struct sip_span s, const char *expected)
{
	if (!expected) {
		assert_null(s.at);
		return;
	}
	assert_int_equal(s.length, strlen(expected));
	assert_memory_equal(s.at, expected, s.length);
}

struct good {
	const char *text;
	uint8_t scheme;
	const char *user, *password, *host;
	uint16_t port;
	const char *parameters, *headers;
	int domain_rc;
	const char *domain;
};

static const struct good goods[] = {
	{"sip:alice@fabrikam.com", SIP_SCHEME_SIP, "alice", NULL, "fabrikam.com", 0, NULL, NULL, 0,
		"fabrikam.com"},
	{"SIPS:fabrikam.com", SIP_SCHEME_SIPS, NULL, NULL, "fabrikam.com", 0, NULL, NULL, 0,
		"fabrikam.com"},
	{"sip:a:secret@B.Example.:5061;transport=tls;lr?x=y&z=1", SIP_SCHEME_SIP, "a", "secret",
		"B.Example.", 5061, "transport=tls;lr", "x=y&z=1", 0, "b.example"},
	{"sip:a;b=c,d?e/f@g.example", SIP_SCHEME_SIP, "a;b=c,d?e/f", NULL, "g.example", 0, NULL,
		NULL, 0, "g.example"},
	{"sip:%61%40x@h.example", SIP_SCHEME_SIP, "%61%40x", NULL, "h.example", 0, NULL, NULL, 0,
		"h.example"},
	{"sip:host:5060", SIP_SCHEME_SIP, NULL, NULL, "host", 5060, NULL, NULL, 0, "host"},
	{"sip:_sip._tcp.a-b.example", SIP_SCHEME_SIP, NULL, NULL, "_sip._tcp.a-b.example", 0, NULL,
		NULL, 0, "_sip._tcp.a-b.example"},
	{"sip:a@192.0.2.1", SIP_SCHEME_SIP, "a", NULL, "192.0.2.1", 0, NULL, NULL, -EAFNOSUPPORT,
		NULL},
	{"sip:a@[2001:db8::1]:5061;lr", SIP_SCHEME_SIP, "a", NULL, "2001:db8::1", 5061, "lr", NULL,
		-EAFNOSUPPORT, NULL},
	{"sip:[2001:db8:::192.0.2.1]", SIP_SCHEME_SIP, NULL, NULL, "2001:db8:::192.0.2.1", 0, NULL,
		NULL, -EAFNOSUPPORT, NULL},
	{"sip:a@1.2.3.4.example", SIP_SCHEME_SIP, "a", NULL, "1.2.3.4.example", 0, NULL, NULL, 0,
		"1.2.3.4.example"},
	{"tel:+1-201-555-0123;phone-context=example.com", SIP_SCHEME_TEL, "+1-201-555-0123", NULL,
		NULL, 0, "phone-context=example.com", NULL, -ENOENT, NULL},
	{"http://www.example.com/?x@y", SIP_SCHEME_OTHER, NULL, NULL, NULL, 0, NULL, NULL, -ENOENT,
		NULL},
};

static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(goods) / sizeof(goods[0]); i++) {
		const struct good *g = &goods[i];
		struct postern_domain domain;
		struct sip_uri u;

		if (sip_uri_parse(span(g->text), &u) != SIP_OK)
			fail_msg("%s", g->text);
		assert_span(u.text, g->text);
		assert_int_equal(u.scheme, g->scheme);
		assert_span(u.user, g->user);
		assert_span(u.password, g->password);
		assert_span(u.host.text, g->host);
		assert_int_equal(u.port, g->port);
		assert_span(u.parameters, g->parameters);
		assert_span(u.headers, g->headers);
		assert_int_equal(sip_uri_domain(&u, &domain), g->domain_rc);
		if (g->domain)
			assert_string_equal(domain.text, g->domain);
	}
}

static const struct {
	const char *text;
	enum sip_error error;
} bads[] = {
	{"", SIP_ERROR_URI},
	{"sip", SIP_ERROR_URI},
	{"sip:", SIP_ERROR_HOST},
	{":a@b", SIP_ERROR_URI},
	{"sip:@b.example", SIP_ERROR_URI},
	{"sip:a@", SIP_ERROR_HOST},
	{"sip:a@b@c.example", SIP_ERROR_URI_AT},
	{"sip:a@b.example;x=y@c.example", SIP_ERROR_URI_AT},
	{"sip:a@b.example?x=y@c.example", SIP_ERROR_URI_AT},
	{"sip:a:b@c:d@e.example", SIP_ERROR_PORT},
	// Outside of a message a control byte counts as white space.
	{"sip\x1a"
	 "a@b.example",
		SIP_ERROR_URI_SPACE},
	{"\x13ip:a@b.example", SIP_ERROR_URI_SPACE},
	{"sip:a b@c.example", SIP_ERROR_URI},
	{"sip:a@b .example", SIP_ERROR_URI},
	{"sip:a@b%2eexample", SIP_ERROR_HOST_ESCAPED},
	{"sip:a@%62.example", SIP_ERROR_HOST_ESCAPED},
	{"sip:a%4@b.example", SIP_ERROR_URI_ESCAPE},
	{"sip:a%zz@b.example", SIP_ERROR_URI_ESCAPE},
	{"sip:a\x80@b.example", SIP_ERROR_URI},
	{"sip:a@b\xc3\xa4.example", SIP_ERROR_URI},
	{"sip:a(comment)@b.example)", SIP_ERROR_URI},
	{"sip:a@b.example:", SIP_ERROR_PORT},
	{"sip:a@b.example:0", SIP_ERROR_PORT},
	{"sip:a@b.example:65536", SIP_ERROR_PORT},
	{"sip:a@b.example:4294972357", SIP_ERROR_PORT},
	{"sip:a@b.example:5060x", SIP_ERROR_URI},
	{"sip:a@b.example;", SIP_ERROR_URI_PARAMETER},
	{"sip:a@b.example;;lr", SIP_ERROR_URI_PARAMETER},
	{"sip:a@b.example;=x", SIP_ERROR_URI_PARAMETER},
	{"sip:a@b.example;x=", SIP_ERROR_URI_PARAMETER},
	{"sip:a@b.example?", SIP_ERROR_URI},
	{"sip:2001:db8::10", SIP_ERROR_PORT},
	{"sip:[2001:db8::10", SIP_ERROR_HOST_ADDRESS},
	{"sip:[2001:db8:::10]", SIP_ERROR_HOST_ADDRESS},
	{"sip:[::::192.0.2.1]", SIP_ERROR_HOST_ADDRESS},
	{"sip:[1::2:::192.0.2.1]", SIP_ERROR_HOST_ADDRESS},
	{"sip:[fe80::1%25eth0]", SIP_ERROR_HOST_ADDRESS},
	{"sip:[example.com]", SIP_ERROR_HOST_ADDRESS},
	{"sip:[]", SIP_ERROR_HOST_ADDRESS},
	{"<sip:a@b.example>", SIP_ERROR_URI},
};

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
		struct sip_uri u;
		const enum sip_error e = sip_uri_parse(span(bads[i].text), &u);

		if (e != bads[i].error)
			fail_msg("%s: %s, expected %s", bads[i].text, sip_error_name(e),
				sip_error_name(bads[i].error));
	}
}

static void test_parameters(void **state)
{
	(void)state;
	struct sip_uri u;
	struct sip_span value = {NULL, 0};

	assert_int_equal(sip_uri_parse(span("sip:a@b.example;LR;transport=TLS;x=1"), &u), SIP_OK);
	assert_int_equal(sip_uri_parameter(&u, SIP_SPAN("lr"), &value), 1);
	assert_int_equal(value.length, 0);
	assert_int_equal(sip_uri_parameter(&u, SIP_SPAN("transport"), &value), 1);
	assert_span(value, "TLS");
	assert_int_equal(sip_uri_parameter(&u, SIP_SPAN("maddr"), &value), 0);
	assert_int_equal(sip_uri_parameter(&u, SIP_SPAN("l"), &value), 0);
	// Twice, or in disguise: nobody can say who reads what.
	assert_int_equal(sip_uri_parse(span("sip:a@b.example;maddr=x;MADDR=y"), &u), SIP_OK);
	assert_int_equal(sip_uri_parameter(&u, SIP_SPAN("maddr"), &value), -EBADMSG);
	assert_int_equal(sip_uri_parse(span("sip:a@b.example;%6d%61ddr=x"), &u), SIP_OK);
	assert_int_equal(sip_uri_parameter(&u, SIP_SPAN("maddr"), &value), -EBADMSG);
}

static void test_host_address(void **state)
{
	(void)state;
	static const struct {
		const char *host;
		bool v6;
		int rc;
		const char *address;
	} cases[] = {
		{"192.0.2.1", false, 0, "192.0.2.1"},
		{"192.0.2.256", false, -EINVAL, NULL},
		{"192.0.2.01", false, -EINVAL, NULL},
		{"192.0.2.1.", false, -EINVAL, NULL},
		{"192.0.513", false, -EINVAL, NULL},
		{"3221225985", false, -EINVAL, NULL},
		{"0xc0000201", false, -EINVAL, NULL},
		{"a.0x1", false, -EINVAL, NULL},
		{"a.example", false, -EAFNOSUPPORT, NULL},
		{"2001:DB8::1", true, 0, "2001:db8::1"},
		{"2001:db8:::192.0.2.1", true, 0, "2001:db8::c000:201"},
		{"::ffff:192.0.2.1", true, 0, "192.0.2.1"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct sip_host h = {span(cases[i].host), cases[i].v6};
		const struct sip_uri u = {.host = h};
		struct postern_addr a;
		struct postern_domain d;
		char text[POSTERN_ADDR_TEXT];

		assert_int_equal(sip_host_address(&h, &a), cases[i].rc);
		if (cases[i].address)
			assert_string_equal(postern_addr_format(&a, text), cases[i].address);
		// A domain, an address, or malformed: never two of them.
		const int expected = cases[i].rc == 0               ? -EAFNOSUPPORT
				     : cases[i].rc == -EAFNOSUPPORT ? 0
								    : -EINVAL;

		assert_int_equal(sip_uri_domain(&u, &d), expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_parameters),
		cmocka_unit_test(test_host_address),
	};
	return cmocka_run_group_tests_name("sip_uri", tests, NULL, NULL);
}
