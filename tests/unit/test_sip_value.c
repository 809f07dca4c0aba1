// SPDX-License-Identifier: BSD-2-Clause
// Values of headers: what is found, and what is refused because two readers could find different
// things.

#include "sip_try.h"

static struct sip_try t;
static char text[8192];

// A MESSAGE in which a line takes the place of the header of the same name, or is added.
static int with(const char *line)
{
	static const char *const lines[] = {
		"Via: SIP/2.0/TLS sip.fabrikam.com;branch=z9hG4bK1",
		"Max-Forwards: 70",
		"From: <sip:alice@fabrikam.com>;tag=1",
		"To: <sip:bob@contoso.com>",
		"Call-ID: 1@fabrikam.com",
		"CSeq: 1 MESSAGE",
	};
	size_t n = (size_t)sprintf(text, "MESSAGE sip:bob@contoso.com SIP/2.0\r\n");
	const size_t name = strcspn(line, ":") + 1;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (strncmp(lines[i], line, name) != 0)
			n += (size_t)sprintf(text + n, "%s\r\n", lines[i]);
	n += (size_t)sprintf(text + n, "%sl: 0\r\n\r\n", line);
	return sip_try(&t, text, n);
}

static void assert_span(struct sip_span s, const char *expected)
{
	if (!expected) {
		assert_null(s.at);
		return;
	}
	assert_non_null(s.at);
	assert_int_equal(s.length, strlen(expected));
	assert_memory_equal(s.at, expected, s.length);
}

static const struct {
	const char *line;
	int verdict;
	const char *domain, *display, *tag;
} froms[] = {
	{"From: <sip:alice@fabrikam.com>;tag=1\r\n", TRY_PASS, "fabrikam.com", NULL, "1"},
	{"From: sip:alice@fabrikam.com;tag=1\r\n", TRY_PASS, "fabrikam.com", NULL, "1"},
	{"From: sip:alice@fabrikam.com\r\n", TRY_PASS, "fabrikam.com", NULL, NULL},
	{"From: Alice <sip:alice@FABRIKAM.com.>\r\n", TRY_PASS, "fabrikam.com", "Alice", NULL},
	{"From: Alice B. Smith<sip:a@b.example>;tag=x\r\n", TRY_PASS, "b.example", "Alice B. Smith",
		"x"},
	{"From: \"\" <sip:a@b.example>\r\n", TRY_PASS, "b.example", "", NULL},
	{"From: \"<sip:a@evil.example>\" <sip:a@b.example>\r\n", TRY_PASS, "b.example",
		"<sip:a@evil.example>", NULL},
	{"From: \"a\\\"<sip:a@evil.example>\\\\\" <sip:a@b.example>\r\n", TRY_PASS, "b.example",
		"a\\\"<sip:a@evil.example>\\\\", NULL},
	{"From: \"\xc3\x85sa\" <sip:a@b.example>\r\n", TRY_PASS, "b.example", "\xc3\x85sa", NULL},
	{"From: \xc3\x85sa \xe5\xad\x97 x <sip:a@b.example>\r\n", TRY_PASS, "b.example",
		"\xc3\x85sa \xe5\xad\x97 x", NULL},
	{"From: \"a\r\n b\"\r\n\t<sip:a@b.example>\r\n ; tag = 1\r\n", TRY_PASS, "b.example",
		"a\r\n b", "1"},
	{"From: <sip:a;tag=x@b.example>;TAG=y;tagx=z\r\n", TRY_PASS, "b.example", NULL, "y"},
	{"From: <sip:a@b.example>;p=\"tag=x;tag=y\";tag=z\r\n", TRY_PASS, "b.example", NULL, "z"},
	{"From: <sip:a@b.example>;host=[::1]:5\r\n", TRY_PASS, "b.example", NULL, NULL},
	{"From: <sip:a@b.example?x=y>\r\n", TRY_PASS, "b.example", NULL, NULL},
	// What is behind the first semicolon is no user of the URI.
	{"From: sip:a;b@evil.example\r\n", SIP_ERROR_TRAILING, NULL, NULL, NULL},
	{"From: sip:fabrikam.com;x=@evil.example\r\n", SIP_ERROR_PARAMETER, NULL, NULL, NULL},
	{"From: sip:a,b@evil.example\r\n", SIP_ERROR_TRAILING, NULL, NULL, NULL},
	{"From: sip:a@b.example?x=y\r\n", SIP_ERROR_URI_HEADERS, NULL, NULL, NULL},
	{"From: sip:a?b@evil.example\r\n", SIP_ERROR_URI_HEADERS, NULL, NULL, NULL},
	{"From: <sip:a@b.example>, <sip:a@evil.example>\r\n", SIP_ERROR_TRAILING, NULL, NULL, NULL},
	{"From: <sip:a@b.example> <sip:a@evil.example>\r\n", SIP_ERROR_TRAILING, NULL, NULL, NULL},
	{"From: <sip:a@b.example>>\r\n", SIP_ERROR_TRAILING, NULL, NULL, NULL},
	{"From: <<sip:a@b.example>>\r\n", SIP_ERROR_URI, NULL, NULL, NULL},
	{"From: <sip:a@b.example\r\n", SIP_ERROR_ANGLE, NULL, NULL, NULL},
	{"From: sip:a@b.example>\r\n", SIP_ERROR_TRAILING, NULL, NULL, NULL},
	{"From: < sip:a@b.example>\r\n", SIP_ERROR_URI_SPACE, NULL, NULL, NULL},
	{"From: <sip:a@b.example >\r\n", SIP_ERROR_URI_SPACE, NULL, NULL, NULL},
	{"From: <sip:a@b.example\r\n >\r\n", SIP_ERROR_URI_SPACE, NULL, NULL, NULL},
	{"From: <sip:a @b.example>\r\n", SIP_ERROR_URI_SPACE, NULL, NULL, NULL},
	{"From: <sip:a@b.example@evil.example>\r\n", SIP_ERROR_URI_AT, NULL, NULL, NULL},
	{"From: <sip:a@b%2eexample>\r\n", SIP_ERROR_HOST_ESCAPED, NULL, NULL, NULL},
	{"From: <sip:a@b..example>\r\n", SIP_ERROR_HOST, NULL, NULL, NULL},
	{"From: <sip:a@b.0x1>\r\n", SIP_ERROR_HOST, NULL, NULL, NULL},
	{"From: (Alice) <sip:a@b.example>\r\n", SIP_ERROR_COMMENT, NULL, NULL, NULL},
	{"From: Alice (at home) <sip:a@b.example>\r\n", SIP_ERROR_COMMENT, NULL, NULL, NULL},
	{"From: <sip:a@b.example> (Alice)\r\n", SIP_ERROR_COMMENT, NULL, NULL, NULL},
	{"From: <sip:a@b.example>;tag=1 (x)\r\n", SIP_ERROR_COMMENT, NULL, NULL, NULL},
	{"From: sip:a@b.example(x)\r\n", SIP_ERROR_COMMENT, NULL, NULL, NULL},
	{"From: \"Alice <sip:a@b.example>\r\n", SIP_ERROR_QUOTE, NULL, NULL, NULL},
	{"From: Alice\" <sip:a@b.example>\r\n", SIP_ERROR_QUOTE, NULL, NULL, NULL},
	{"From: \"Alice\\\" <sip:a@b.example>\r\n", SIP_ERROR_QUOTE, NULL, NULL, NULL},
	{"From: \"a\\\r\n b\" <sip:a@b.example>\r\n", SIP_ERROR_QUOTE, NULL, NULL, NULL},
	{"From: \"Alice\" x <sip:a@b.example>\r\n", SIP_ERROR_DISPLAY_NAME, NULL, NULL, NULL},
	{"From: Smith, Alice <sip:a@b.example>\r\n", SIP_ERROR_DISPLAY_NAME, NULL, NULL, NULL},
	{"From: a@b.example\r\n", SIP_ERROR_DISPLAY_NAME, NULL, NULL, NULL},
	{"From: <sip:a@b.example>;tag=1;tag=2\r\n", SIP_ERROR_PARAMETER_REPEATED, NULL, NULL, NULL},
	{"From: <sip:a@b.example>;tag\r\n", SIP_ERROR_PARAMETER, NULL, NULL, NULL},
	{"From: <sip:a@b.example>;tag=\"1\"\r\n", SIP_ERROR_PARAMETER, NULL, NULL, NULL},
	{"From: <sip:a@b.example>;;tag=1\r\n", SIP_ERROR_PARAMETER, NULL, NULL, NULL},
	{"From: <sip:a@b.example>;\r\n", SIP_ERROR_PARAMETER, NULL, NULL, NULL},
	{"From: *\r\n", SIP_ERROR_DISPLAY_NAME, NULL, NULL, NULL},
	{"From:\r\n", SIP_ERROR_DISPLAY_NAME, NULL, NULL, NULL},
	{"From: <sip:a@b.example>\r\nf: <sip:a@evil.example>\r\n", SIP_ERROR_REPEATED, NULL, NULL,
		NULL},
	{"From: <sip:a@b.example>\r\nFROM : <sip:a@b.example>\r\n", SIP_ERROR_REPEATED, NULL, NULL,
		NULL},
};

static void test_from(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(froms) / sizeof(froms[0]); i++) {
		with(froms[i].line);
		sip_try_assert(&t, froms[i].verdict, froms[i].line);
		if (froms[i].verdict != TRY_PASS)
			continue;
		assert_int_equal(t.from_rc, 0);
		assert_string_equal(t.from.text, froms[i].domain);
		assert_span(sip_message_from(&t.m)->display, froms[i].display);
		assert_span(sip_message_from(&t.m)->tag, froms[i].tag);
	}
}

static const struct {
	const char *line;
	int verdict;
	const char *host;
	uint16_t port;
	const char *branch, *received;
	bool rport;
} vias[] = {
	{"Via: SIP/2.0/TLS a.example\r\n", TRY_PASS, "a.example", 0, NULL, NULL, false},
	{"Via: sip/2.0/tls a.example:5061;branch=z9hG4bK1;rport;received=192.0.2.1\r\n", TRY_PASS,
		"a.example", 5061, "z9hG4bK1", "192.0.2.1", true},
	{"Via: SIP / 2.0 / TLS\r\n a.example : 5061 ; rport = 5 ; branch = x\r\n", TRY_PASS,
		"a.example", 5061, "x", NULL, true},
	{"Via: SIP/2.0/TLS [2001:db8::1]:5061;received=2001:db8::2\r\n", TRY_PASS, "2001:db8::1",
		5061, NULL, "2001:db8::2", false},
	{"Via: SIP/2.0/TLS a.example;x=\"a,b;branch=c\", SIP/2.0/TCP b.example;branch=d\r\n",
		TRY_PASS, "a.example", 0, NULL, NULL, false},
	{"Via: SIP/2.0/TLS a.example;ms-received-cid=ABC;alias\r\n", TRY_PASS, "a.example", 0, NULL,
		NULL, false},
	{"Via: SIP/2.0/TLS\r\n", SIP_ERROR_VIA, NULL, 0, NULL, NULL, false},
	{"Via: SIP/3.0/TLS a.example\r\n", SIP_ERROR_VIA, NULL, 0, NULL, NULL, false},
	{"Via: HTTP/2.0/TLS a.example\r\n", SIP_ERROR_VIA, NULL, 0, NULL, NULL, false},
	{"Via: SIP/2.0 a.example\r\n", SIP_ERROR_VIA, NULL, 0, NULL, NULL, false},
	{"Via: SIP/2.0/TLS a.example b.example\r\n", SIP_ERROR_TRAILING, NULL, 0, NULL, NULL,
		false},
	{"Via: SIP/2.0/TLS a.example:\r\n", SIP_ERROR_PORT, NULL, 0, NULL, NULL, false},
	{"Via: SIP/2.0/TLS a.example:70000\r\n", SIP_ERROR_PORT, NULL, 0, NULL, NULL, false},
	{"Via: SIP/2.0/TLS a.example;branch=a;branch=b\r\n", SIP_ERROR_PARAMETER_REPEATED, NULL, 0,
		NULL, NULL, false},
	{"Via: SIP/2.0/TLS a.example;branch=\r\n", SIP_ERROR_PARAMETER, NULL, 0, NULL, NULL, false},
	{"Via: SIP/2.0/TLS a.example (comment)\r\n", SIP_ERROR_COMMENT, NULL, 0, NULL, NULL, false},
	{"Via: , SIP/2.0/TLS a.example\r\n", SIP_ERROR_LIST, NULL, 0, NULL, NULL, false},
	{"Via:\r\nVia: SIP/2.0/TLS a.example\r\n", SIP_ERROR_LIST, NULL, 0, NULL, NULL, false},
};

static void test_via(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vias) / sizeof(vias[0]); i++) {
		with(vias[i].line);
		sip_try_assert(&t, vias[i].verdict, vias[i].line);
		if (vias[i].verdict != TRY_PASS)
			continue;
		const struct sip_via *v = sip_message_via(&t.m);

		assert_span(v->host.text, vias[i].host);
		assert_int_equal(v->port, vias[i].port);
		assert_span(v->branch, vias[i].branch);
		assert_span(v->received, vias[i].received);
		assert_int_equal(v->rport, vias[i].rport);
	}
}

static const struct {
	const char *line;
	int verdict;
} others[] = {
	{"CSeq: 0 MESSAGE\r\n", TRY_PASS},
	{"CSeq: 2147483647 MESSAGE\r\n", TRY_PASS},
	{"CSeq: 2147483648 MESSAGE\r\n", SIP_ERROR_CSEQ},
	{"CSeq: 4294967297 MESSAGE\r\n", SIP_ERROR_CSEQ},
	{"CSeq: -1 MESSAGE\r\n", SIP_ERROR_CSEQ},
	{"CSeq: 1MESSAGE\r\n", SIP_ERROR_CSEQ},
	{"CSeq: 1\r\n", SIP_ERROR_CSEQ},
	{"CSeq: MESSAGE 1\r\n", SIP_ERROR_CSEQ},
	{"CSeq: 1 MESSAGE x\r\n", SIP_ERROR_TRAILING},
	{"CSeq: 1 message\r\n", SIP_ERROR_CSEQ_METHOD},
	{"CSeq: 1 MESSAGES\r\n", SIP_ERROR_CSEQ_METHOD},
	{"Call-ID: a b\r\n", SIP_ERROR_CALL_ID},
	{"Call-ID: a@b@c\r\n", SIP_ERROR_CALL_ID},
	{"Call-ID: @c\r\n", SIP_ERROR_CALL_ID},
	{"Call-ID: a,b\r\n", SIP_ERROR_CALL_ID},
	{"Call-ID:\r\n", SIP_ERROR_CALL_ID},
	{"Call-ID: {a}<b>\"[c]?/:(x)@d\r\n", TRY_PASS},
	{"Max-Forwards: 0\r\n", TRY_PASS},
	{"Max-Forwards: 255\r\n", TRY_PASS},
	{"Max-Forwards: 256\r\n", SIP_ERROR_MAX_FORWARDS},
	{"Max-Forwards: 70, 70\r\n", SIP_ERROR_TRAILING},
	{"Max-Forwards: x\r\n", SIP_ERROR_MAX_FORWARDS},
	{"Max-Forwards:\r\n", SIP_ERROR_MAX_FORWARDS},
	{"Max-Forwards: 70\r\nMax-Forwards: 69\r\n", SIP_ERROR_REPEATED},
	{"Call-ID: 1\r\ni: 2\r\n", SIP_ERROR_REPEATED},
	{"Event: a\r\no: b\r\n", SIP_ERROR_REPEATED},
	{"Content-Type: a/b\r\nc: c/d\r\n", SIP_ERROR_REPEATED},
	{"To: <sip:b@c.example>\r\nt: <sip:d@e.example>\r\n", SIP_ERROR_REPEATED},
	{"To: <sip:b@c.example>;tag=1;tag=2\r\n", SIP_ERROR_PARAMETER_REPEATED},
	{"Route: <sip:a.example;lr>\r\n", TRY_PASS},
	{"Route: <sip:a.example;lr>,<sip:b.example>\r\nRoute: X <sip:c.example>;x=y\r\n", TRY_PASS},
	{"Route: sip:a.example;lr\r\n", SIP_ERROR_ANGLE},
	{"Route: <sip:a.example;lr>,\r\n", SIP_ERROR_LIST},
	{"Route: <sip:a.example;lr>,,<sip:b.example>\r\n", SIP_ERROR_LIST},
	{"Route: <sip:a.example;lr>\r\nRoute: <sip:b@c@d.example>\r\n", SIP_ERROR_URI_AT},
	{"Route: <sip:a.example;lr> <sip:b.example>\r\n", SIP_ERROR_TRAILING},
	{"Proxy-Require: foo\r\n", SIP_ERROR_OPTION_UNSUPPORTED},
	{"Proxy-Require:\r\n", SIP_ERROR_LIST},
	{"Proxy-Require: ,foo\r\n", SIP_ERROR_LIST},
	{"Proxy-Require: \"foo\"\r\n", SIP_ERROR_OPTION},
	{"Require: foo\r\n", TRY_PASS},
	{"Contact: ???\r\n", TRY_PASS},
	{"Date: whenever\r\n", TRY_PASS},
};

static void test_others(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		with(others[i].line);
		sip_try_assert(&t, others[i].verdict, others[i].line);
	}
}

static void test_missing(void **state)
{
	(void)state;
	static const struct {
		const char *line;
		enum sip_header header;
	} needed[] = {
		{"Via: SIP/2.0/TLS sip.fabrikam.com\r\n", SIP_HEADER_VIA},
		{"From: <sip:alice@fabrikam.com>\r\n", SIP_HEADER_FROM},
		{"To: <sip:bob@contoso.com>\r\n", SIP_HEADER_TO},
		{"Call-ID: 1\r\n", SIP_HEADER_CALL_ID},
		{"CSeq: 1 MESSAGE\r\n", SIP_HEADER_CSEQ},
	};
	const size_t n_needed = sizeof(needed) / sizeof(needed[0]);

	for (size_t leave = 0; leave <= n_needed; leave++) {
		size_t n = (size_t)sprintf(text, "MESSAGE sip:bob@contoso.com SIP/2.0\r\n");

		for (size_t i = 0; i < n_needed; i++)
			if (i != leave)
				n += (size_t)sprintf(text + n, "%s", needed[i].line);
		n += (size_t)sprintf(text + n, "l: 0\r\n\r\n");
		sip_try(&t, text, n);
		// Nothing left out but Max-Forwards.
		sip_try_assert(&t, leave < n_needed ? SIP_ERROR_MISSING : TRY_PASS, "left out");
		if (leave < n_needed)
			assert_int_equal(t.m.fault.header, needed[leave].header);
	}
	assert_int_equal(sip_message_max_forwards(&t.m), -ENOENT);
}

// Several lines and several values in a line are one list, in order.
static void test_lists(void **state)
{
	(void)state;
	static const char *const hosts[] = {"a.example", "b.example", "c.example", "d.example"};
	struct sip_list l;
	struct sip_address a;
	struct sip_span option;

	assert_int_equal(
		with("Record-Route: \"a,b\" <sip:a.example;lr>;x=\"y,z\" , <sip:b.example>\r\n"
		     "X-Between: 1\r\nRecord-Route: <sip:c.example>\r\n"
		     "Record-Route:\r\n <sip:d.example>\r\n"
		     "Require: x , y\r\nRequire: z\r\n"
		     "m: *\r\nP-Asserted-Identity: <sip:a@b.example>, <tel:+1555>\r\n"),
		TRY_PASS);
	sip_list_begin(&l, &t.m, SIP_HEADER_RECORD_ROUTE);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(sip_list_next_route(&l, &a), 1);
		assert_span(a.uri.host.text, hosts[i]);
	}
	assert_int_equal(sip_list_next_route(&l, &a), 0);
	assert_int_equal(sip_list_next_route(&l, &a), 0);
	sip_list_begin(&l, &t.m, SIP_HEADER_REQUIRE);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(sip_list_next_option(&l, &option), 1);
		assert_int_equal(option.at[0], "xyz"[i]);
	}
	assert_int_equal(sip_list_next_option(&l, &option), 0);
	sip_list_begin(&l, &t.m, SIP_HEADER_P_ASSERTED_IDENTITY);
	assert_int_equal(sip_list_next_address(&l, &a), 1);
	assert_int_equal(a.uri.scheme, SIP_SCHEME_SIP);
	assert_int_equal(sip_list_next_address(&l, &a), 1);
	assert_int_equal(a.uri.scheme, SIP_SCHEME_TEL);
	sip_list_begin(&l, &t.m, SIP_HEADER_PATH);
	assert_int_equal(sip_list_next_address(&l, &a), 0);
	assert_int_equal(t.m.fault.error, SIP_OK);
	sip_list_begin(&l, &t.m, SIP_HEADER_CONTACT);
	assert_int_equal(sip_list_next_address(&l, &a), -EBADMSG);
	assert_int_equal(t.m.fault.header, SIP_HEADER_CONTACT);
}

// Values can be asked for in any order, before the check and after it; unknown headers by name.
static void test_any_order(void **state)
{
	(void)state;
	struct sip_frame f = {0};
	struct sip_framed framed;

	with("X-Mine: 1\r\nx-mine : 2\r\n");
	assert_int_equal(sip_frame_next(&f, &sip_default_limits, (const uint8_t *)text,
				 strlen(text), 0, &t.m, &framed),
		SIP_FRAME_MESSAGE);
	assert_null(sip_message_route(&t.m));
	assert_int_equal(sip_message_cseq(&t.m)->number, 1);
	assert_span(*sip_message_call_id(&t.m), "1@fabrikam.com");
	assert_span(sip_message_to(&t.m)->uri.host.text, "contoso.com");
	assert_true(sip_message_check(&t.m));
	assert_span(sip_message_request_uri(&t.m)->user, "bob");
	const unsigned first = sip_message_find(&t.m, SIP_SPAN("X-MINE"), 0);

	assert_span(sip_line_value(&t.m, first), "1");
	const unsigned second = sip_message_find(&t.m, SIP_SPAN("X-MINE"), first + 1);

	assert_span(sip_line_value(&t.m, second), "2");
	assert_int_equal(sip_message_find(&t.m, SIP_SPAN("X-MINE"), second + 1), SIP_LINE_NONE);
	assert_int_equal(t.m.fault.error, SIP_OK);
}

static void test_schemes(void **state)
{
	(void)state;
	static const struct {
		const char *uri;
		int verdict;
	} cases[] = {
		{"sip:bob@contoso.com", TRY_PASS},
		{"SIPS:bob@contoso.com;transport=tls", TRY_PASS},
		{"tel:+1-555", TRY_PASS},
		{"im:bob@contoso.com", SIP_ERROR_URI_SCHEME},
		{"sip:bob@contoso.com?Route=%3csip:evil.example%3e", SIP_ERROR_URI_HEADERS},
		{"<sip:bob@contoso.com>", SIP_ERROR_URI},
		{"*", SIP_ERROR_URI},
		{"bob@contoso.com", SIP_ERROR_URI},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const int n = sprintf(text,
			"MESSAGE %s SIP/2.0\r\nVia: SIP/2.0/TLS a.example\r\nFrom: "
			"<sip:a@b.example>\r\n"
			"To: <sip:c@d.example>\r\nCall-ID: 1\r\nCSeq: 1 MESSAGE\r\nl: 0\r\n\r\n",
			cases[i].uri);

		sip_try(&t, text, (size_t)n);
		sip_try_assert(&t, cases[i].verdict, cases[i].uri);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from),
		cmocka_unit_test(test_via),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_any_order),
		cmocka_unit_test(test_schemes),
	};
	return cmocka_run_group_tests_name("sip_value", tests, NULL, NULL);
}
