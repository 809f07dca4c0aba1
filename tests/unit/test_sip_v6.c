// SPDX-License-Identifier: BSD-2-Clause
// The messages of RFC 5118, written from its text, with what is right for a proxy on a stream. Their
// Content-Length is that of the body as it stands here.

#include "sip_try.h"

static const char sdp_46[] = "v=0\r\no=assistant 971731711378798081 0 IN IP6 2001:db8::20\r\n"
			     "s=Live video feed for today's meeting\r\nc=IN IP6 2001:db8::20\r\n"
			     "t=3338481189 3370017201\r\nm=audio 6000 RTP/AVP 2\r\n"
			     "a=rtpmap:2 G726-32/8000\r\nm=video 6024 RTP/AVP 107\r\n"
			     "a=rtpmap:107 H263-1998/90000\r\n";

static const char sdp_48[] = "v=0\r\no=bob 280744730 28977631 IN IP4 host.example.com\r\ns=\r\n"
			     "t=0 0\r\nm=audio 22334 RTP/AVP 0\r\nc=IN IP4 192.0.2.1\r\n"
			     "m=video 6024 RTP/AVP 107\r\nc=IN IP6 2001:db8::1\r\n"
			     "a=rtpmap:107 H263-1998/90000\r\n";

static const char sdp_49[] = "v=0\r\no=bob 280744730 28977631 IN IP6 ::ffff:192.0.2.2\r\ns=\r\n"
			     "c=IN IP6 ::ffff:192.0.2.2\r\nt=0 0\r\nm=audio 22334 RTP/AVP 0\r\n";

struct v6 {
	const char *name, *head, *body;
	int verdict;
	const char *why;
	const char *target; // address of the Request-URI; NULL: a name
	uint16_t port;
	const char *received; // of the top Via
};

static const struct v6 messages[] = {
	{"4.1 ipv6-good",
		"REGISTER sip:[2001:db8::10] SIP/2.0\r\nTo: sip:user@example.com\r\n"
		"From: sip:user@example.com;tag=81x2\r\n"
		"Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111\r\n"
		"Call-ID: SSG9559905523997077@hlau_4100\r\nMax-Forwards: 70\r\n"
		"Contact: \"Caller\" <sip:caller@[2001:db8::1]>\r\nCSeq: 98176 REGISTER\r\n",
		"", TRY_PASS, "IPv6 references wherever hosts stand", "2001:db8::10", 0, NULL},
	{"4.2 ipv6-bad",
		"REGISTER sip:2001:db8::10 SIP/2.0\r\nTo: sip:user@example.com\r\n"
		"From: sip:user@example.com;tag=81x2\r\n"
		"Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111\r\n"
		"Call-ID: SSG9559905523997077@hlau_4100\r\nMax-Forwards: 70\r\n"
		"Contact: \"Caller\" <sip:caller@[2001:db8::1]>\r\nCSeq: 98176 REGISTER\r\n",
		"", SIP_ERROR_PORT, "without brackets: host 2001, and then no port", NULL, 0, NULL},
	{"4.3 port-ambiguous",
		"REGISTER sip:[2001:db8::10:5070] SIP/2.0\r\nTo: sip:user@example.com\r\n"
		"From: sip:user@example.com;tag=81x2\r\n"
		"Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111\r\n"
		"Call-ID: SSG9559905523997077@hlau_4100\r\nMax-Forwards: 70\r\n"
		"Contact: \"Caller\" <sip:caller@[2001:db8::1]>\r\nCSeq: 98176 REGISTER\r\n",
		"", TRY_PASS, "inside the brackets nothing is a port", "2001:db8::10:5070", 0,
		NULL},
	{"4.4 port-unambiguous",
		"REGISTER sip:[2001:db8::10]:5070 SIP/2.0\r\nTo: sip:user@example.com\r\n"
		"From: sip:user@example.com;tag=81x2\r\n"
		"Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111\r\n"
		"Call-ID: SSG9559905523997077@hlau_4100\r\nMax-Forwards: 70\r\n"
		"Contact: \"Caller\" <sip:caller@[2001:db8::1]>\r\nCSeq: 98176 REGISTER\r\n",
		"", TRY_PASS, "behind them it is", "2001:db8::10", 5070, NULL},
	{"4.5 via-received-param-with-delim",
		"BYE sip:[2001:db8::10] SIP/2.0\r\nTo: sip:user@example.com;tag=bd76ya\r\n"
		"From: sip:user@example.com;tag=81x2\r\n"
		"Via: SIP/2.0/UDP "
		"[2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3-111\r\n"
		"Call-ID: SSG9559905523997077@hlau_4100\r\nMax-Forwards: 70\r\nCSeq: 321 BYE\r\n",
		"", TRY_PASS, "brackets that the grammar does not have, to be understood",
		"2001:db8::10", 0, "[2001:db8::9:255]"},
	{"4.5 via-received-param-no-delim",
		"OPTIONS sip:[2001:db8::10] SIP/2.0\r\nTo: sip:user@example.com\r\n"
		"From: sip:user@example.com;tag=81x2\r\n"
		"Via: SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bKas3\r\n"
		"Call-ID: SSG95523997077@hlau_4100\r\nMax-Forwards: 70\r\n"
		"Contact: \"Caller\" <sip:caller@[2001:db8::9:1]>\r\nCSeq: 921 OPTIONS\r\n",
		"", TRY_PASS, "the same without", "2001:db8::10", 0, "2001:db8::9:255"},
	{"4.6 ipv6-in-sdp",
		"INVITE sip:user@[2001:db8::10] SIP/2.0\r\nTo: sip:user@[2001:db8::10]\r\n"
		"From: sip:user@example.com;tag=81x2\r\n"
		"Via: SIP/2.0/UDP [2001:db8::20];branch=z9hG4bKas3-111\r\n"
		"Call-ID: SSG9559905523997077@hlau_4100\r\n"
		"Contact: \"Caller\" <sip:caller@[2001:db8::20]>\r\nCSeq: 8612 INVITE\r\n"
		"Max-Forwards: 70\r\nContent-Type: application/sdp\r\n",
		sdp_46, TRY_PASS, "a proxy does not read the body", "2001:db8::10", 0, NULL},
	{"4.7 mult-ip-in-header",
		"BYE sip:user@host.example.net SIP/2.0\r\n"
		"Via: SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bKas3-111\r\n"
		"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKjhja8781hjuaij65144\r\n"
		"Via: SIP/2.0/TCP [2001:db8::9:255];branch=z9hG4bK451jj;received=192.0.2.200\r\n"
		"Call-ID: 997077@lau_4100\r\nMax-Forwards: 70\r\nCSeq: 89187 BYE\r\n"
		"To: sip:user@example.net;tag=9817--94\r\nFrom: sip:user@example.com;tag=81x2\r\n",
		"", TRY_PASS, "IPv4 and IPv6 side by side", NULL, 0, NULL},
	{"4.8 mult-ip-in-sdp",
		"INVITE sip:user@[2001:db8::10] SIP/2.0\r\nTo: sip:user@[2001:db8::10]\r\n"
		"From: sip:user@example.com;tag=81x2\r\n"
		"Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111\r\n"
		"Call-ID: SSG9559905523997077@hlau_4100\r\n"
		"Contact: \"Caller\" <sip:caller@[2001:db8::9:1]>\r\nMax-Forwards: 70\r\n"
		"CSeq: 8912 INVITE\r\nContent-Type: application/sdp\r\n",
		sdp_48, TRY_PASS, "likewise in the body", "2001:db8::10", 0, NULL},
	{"4.9 ipv4-mapped-ipv6",
		"INVITE sip:user@example.com SIP/2.0\r\nTo: sip:user@example.com\r\n"
		"From: sip:user@east.example.com;tag=81x2\r\n"
		"Via: SIP/2.0/UDP [::ffff:192.0.2.10]:19823;branch=z9hG4bKbh19\r\n"
		"Via: SIP/2.0/UDP [::ffff:192.0.2.2];branch=z9hG4bKas3-111\r\n"
		"Call-ID: SSG9559905523997077@hlau_4100\r\n"
		"Contact: \"T. desk phone\" <sip:ted@[::ffff:192.0.2.2]>\r\nCSeq: 612 INVITE\r\n"
		"Max-Forwards: 70\r\nContent-Type: application/sdp\r\n",
		sdp_49, TRY_PASS, "IPv4-mapped addresses are IPv6 references too", NULL, 0, NULL},
	{"4.10 ipv6-bug-abnf-3-colons",
		"OPTIONS sip:user@[2001:db8:::192.0.2.1] SIP/2.0\r\n"
		"To: sip:user@[2001:db8:::192.0.2.1]\r\nFrom: sip:user@example.com;tag=810x2\r\n"
		"Via: SIP/2.0/UDP lab1.east.example.com;branch=z9hG4bKas3-111\r\n"
		"Call-ID: G9559905523997077@hlau_4100\r\nCSeq: 689 OPTIONS\r\nMax-Forwards: 70\r\n",
		"", TRY_PASS, "RFC 3261's grammar has a colon too many: to be tolerated",
		"2001:db8::c000:201", 0, NULL},
	{"4.10 ipv6-correct-abnf-2-colons",
		"OPTIONS sip:user@[2001:db8::192.0.2.1] SIP/2.0\r\n"
		"To: sip:user@[2001:db8::192.0.2.1]\r\nFrom: sip:user@example.com;tag=810x2\r\n"
		"Via: SIP/2.0/UDP lab1.east.example.com;branch=z9hG4bKas3-111\r\n"
		"Call-ID: G9559905523997077@hlau_4100\r\nCSeq: 689 OPTIONS\r\nMax-Forwards: 70\r\n",
		"", TRY_PASS, "as RFC 4291 has it", "2001:db8::c000:201", 0, NULL},
};

static struct sip_try t;

static void test_messages(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		const struct v6 *v = &messages[i];
		char text[4096], address[POSTERN_ADDR_TEXT];
		struct postern_addr a;
		const int n = snprintf(text, sizeof(text), "%sContent-Length: %zu\r\n\r\n%s",
			v->head, strlen(v->body), v->body);

		sip_try(&t, text, (size_t)n);
		sip_try_assert(&t, v->verdict, v->name);
		if (v->verdict != TRY_PASS)
			continue;
		const struct sip_uri *u = sip_message_request_uri(&t.m);

		assert_int_equal(sip_host_address(&u->host, &a), v->target ? 0 : -EAFNOSUPPORT);
		if (v->target)
			assert_string_equal(postern_addr_format(&a, address), v->target);
		assert_int_equal(u->port, v->port);
		const struct sip_span received = sip_message_via(&t.m)->received;

		if (v->received) {
			assert_int_equal(received.length, strlen(v->received));
			assert_memory_equal(received.at, v->received, received.length);
		} else {
			assert_null(received.at);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_messages)};
	return cmocka_run_group_tests_name("sip_v6", tests, NULL, NULL);
}
