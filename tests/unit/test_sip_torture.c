// SPDX-License-Identifier: BSD-2-Clause
// The 49 messages of RFC 4475, byte for byte, with the verdict that is right for a proxy on a
// stream, and why. They are read from shared/rfc4475 beside the checkout and skipped where that
// is not.

#include "sip_try.h"

struct torture {
	const char *name;
	int verdict;
	const char *from; // domain that speaks, if the message passes; NULL: none
	const char *why;
};

static const struct torture messages[] = {
	// 3.1.1: valid
	{"wsinv", TRY_PASS, "example.com", "white space and folds wherever the grammar has them"},
	{"intmeth", SIP_ERROR_CONTROL_BYTE, NULL,
		"valid, but a quoted NUL ends the header for every reader that keeps it as a C "
		"string"},
	{"esc01", TRY_PASS, "example.net", "escapes in users and in parameters of Contact"},
	{"escnull", TRY_PASS, "example.com", "an escaped NUL is three ordinary bytes to a proxy"},
	{"esc02", TRY_PASS, "example.com", "a percent sign in a token or in quotes is no escape"},
	{"lwsdisp", TRY_PASS, "example.com", "no space is needed before '<'"},
	{"longreq", TRY_PASS, "example.net", "long, but within the limits; 34 Via"},
	{"dblreq", TRY_PASS, "example.com", "on a stream, two messages: see dblreq_second"},
	{"semiuri", TRY_PASS, "example.org", "a semicolon in the user of a Request-URI"},
	{"transports", TRY_PASS, "example.com",
		"a proxy does not judge transports below the top Via"},
	{"mpart01", TRY_PASS, "example.com", "a binary body, with NULs, is nobody's business here"},
	{"unreason", TRY_PASS, "example.com", "UTF-8 in a reason phrase"},
	{"noreason", TRY_PASS, "example.com", "an empty reason phrase"},
	// 3.1.2: invalid
	{"badinv01", SIP_ERROR_PARAMETER, NULL, "empty parameters in Via"},
	{"clerr", TRY_WAIT, NULL, "the body that Content-Length promises may still come"},
	{"ncl", SIP_ERROR_LENGTH_MALFORMED, NULL, "negative Content-Length: the stream is lost"},
	{"scalar02", SIP_ERROR_CSEQ, NULL, "CSeq of 2^31 or more"},
	{"scalarlg", SIP_ERROR_CSEQ, NULL, "likewise in a response, which is dropped"},
	{"quotbal", SIP_ERROR_QUOTE, NULL, "the quotation mark in To is never closed"},
	{"ltgtruri", SIP_ERROR_URI, NULL, "angle brackets around a Request-URI"},
	{"lwsruri", SIP_ERROR_START_LINE, NULL, "a space inside the Request-URI"},
	{"lwsstart", SIP_ERROR_START_LINE, NULL, "two spaces between the parts of the start line"},
	{"trws", SIP_ERROR_START_LINE, NULL, "white space behind the version"},
	{"escruri", SIP_ERROR_URI_HEADERS, NULL, "headers in a Request-URI"},
	{"baddate", TRY_PASS, "example.net", "no proxy reads Date"},
	{"regbadct", TRY_PASS, "example.com", "Contact is the registrar's to judge"},
	{"badaspec", SIP_ERROR_URI_SPACE, NULL, "spaces around a URI in angle brackets"},
	{"baddn", TRY_WAIT, NULL, "has no empty line; with it: see baddn_whole"},
	{"badvers", SIP_ERROR_VERSION, NULL, "SIP/7.0"},
	{"mismatch01", SIP_ERROR_CSEQ_METHOD, NULL, "CSeq has another method"},
	{"mismatch02", SIP_ERROR_CSEQ_METHOD, NULL, "likewise, an unknown one"},
	{"bigcode", SIP_ERROR_STATUS_CODE, NULL, "status code beyond 699"},
	// 3.2: transaction layer
	{"badbranch", TRY_PASS, "example.org", "an empty branch is the transaction layer's to see"},
	// 3.3: application layer
	{"insuf", SIP_ERROR_MISSING, NULL, "no From, To, Call-ID"},
	{"unkscm", SIP_ERROR_URI_SCHEME, NULL, "a Request-URI of a scheme that is not routed"},
	{"novelsc", SIP_ERROR_URI_SCHEME, NULL, "likewise, one that exists"},
	{"unksm2", TRY_PASS, NULL, "readable; a From without a domain is not admitted"},
	{"bext01", SIP_ERROR_OPTION_UNSUPPORTED, NULL, "Proxy-Require with unknown options"},
	{"invut", TRY_PASS, "example.net", "the body's type is for its reader"},
	{"regaut01", TRY_PASS, "example.com", "Authorization is for its reader"},
	{"multi01", SIP_ERROR_REPEATED, NULL, "two of From, To, Call-ID, CSeq, Max-Forwards"},
	{"mcl01", SIP_ERROR_LENGTH_REPEATED, NULL, "two Content-Lengths: the stream is lost"},
	{"bcast", TRY_PASS, "example.com",
		"a second Via with a broadcast address; not ours on top"},
	{"zeromf", TRY_PASS, "example.net",
		"readable; Max-Forwards of 0 is the router's to answer"},
	{"cparam01", TRY_PASS, "example.com", "an unknown parameter of Contact"},
	{"cparam02", TRY_PASS, "example.com", "an unknown parameter of the URI in Contact"},
	{"regescrt", TRY_PASS, "example.com", "headers in the URI of a Contact are legal"},
	{"sdp01", TRY_PASS, "example.net", "Accept is for its reader"},
	// 3.4: backward compatibility
	{"inv2543", SIP_ERROR_LENGTH_MISSING, NULL,
		"acceptable on UDP; without Content-Length a stream has no end of the body"},
};

#define N_MESSAGES (sizeof(messages) / sizeof(messages[0]))

_Static_assert(N_MESSAGES == 49, "RFC 4475 has 49 messages");

static struct sip_try t;

// Opens shared/rfc4475/NAME.dat beside the checkout, wherever below it the test runs.
static FILE *open_message(const char *name)
{
	static const char *const above[] = {"", "../", "../../", "../../../"};
	char path[128];

	for (unsigned i = 0; i < sizeof(above) / sizeof(above[0]); i++) {
		snprintf(path, sizeof(path), "%s../shared/rfc4475/%s.dat", above[i], name);
		FILE *f = fopen(path, "rb");

		if (f)
			return f;
	}
	return NULL;
}

static uint8_t *load(const char *name, size_t *length)
{
	FILE *f = open_message(name);

	assert_non_null(f);
	uint8_t *bytes = malloc(65536);

	assert_non_null(bytes);
	*length = fread(bytes, 1, 65536, f);
	fclose(f);
	// Exactly as long as it is, so that the sanitizer sees a byte too many.
	bytes = realloc(bytes, *length);
	assert_non_null(bytes);
	return bytes;
}

static void test_verdict(void **state)
{
	const struct torture *e = *state;
	size_t length;
	uint8_t *bytes = load(e->name, &length);

	sip_try(&t, bytes, length);
	sip_try_assert(&t, e->verdict, e->why);
	if (e->verdict == TRY_PASS && e->from) {
		assert_int_equal(t.from_rc, 0);
		assert_string_equal(t.from.text, e->from);
	}
	if (e->verdict == TRY_PASS && !e->from)
		assert_int_equal(t.from_rc, -ENOENT);
	free(bytes);
}

// "Extra trailing octets in a datagram" are the next message on a stream.
static void test_dblreq_second(void **state)
{
	(void)state;
	size_t length;
	uint8_t *bytes = load("dblreq", &length);

	assert_int_equal(sip_try(&t, bytes, length), TRY_PASS);
	assert_int_equal(t.m.method, SIP_METHOD_REGISTER);
	const size_t first = t.consumed;

	assert_int_equal(sip_try(&t, bytes + first, length - first), TRY_PASS);
	assert_int_equal(t.m.method, SIP_METHOD_INVITE);
	assert_string_equal(t.from.text, "example.net");
	free(bytes);
}

// A comma in a display name without quotes.
static void test_baddn_whole(void **state)
{
	(void)state;
	size_t length;
	uint8_t *bytes = load("baddn", &length);

	bytes = realloc(bytes, length + 2);
	assert_non_null(bytes);
	memcpy(bytes + length, "\r\n", 2);
	sip_try(&t, bytes, length + 2);
	sip_try_assert(&t, SIP_ERROR_DISPLAY_NAME, "baddn with its empty line");
	free(bytes);
}

// Values that only such a message shows to be read right.
static void test_wsinv_values(void **state)
{
	(void)state;
	size_t length;
	uint8_t *bytes = load("wsinv", &length);
	struct sip_list l;
	struct sip_via via;
	unsigned vias = 0;

	assert_int_equal(sip_try(&t, bytes, length), TRY_PASS);
	assert_int_equal(sip_message_max_forwards(&t.m), 68);
	assert_int_equal(sip_message_cseq(&t.m)->number, 9);
	assert_true(sip_span_equal(sip_message_from(&t.m)->tag, SIP_SPAN("98asjd8")));
	assert_true(sip_span_equal(sip_message_to(&t.m)->tag, SIP_SPAN("1918181833n")));
	assert_true(
		sip_span_equal(sip_message_from(&t.m)->display, SIP_SPAN("J Rosenberg \\\\\\\"")));
	sip_list_begin(&l, &t.m, SIP_HEADER_VIA);
	while (sip_list_next_via(&l, &via) == 1)
		vias++;
	assert_int_equal(vias, 3);
	assert_true(sip_span_equal(via.branch, SIP_SPAN("z9hG4bK30239")));
	assert_int_equal(sip_uri_parameter(&sip_message_route(&t.m)->uri, SIP_SPAN("lr"),
				 &(struct sip_span){0}),
		1);
	free(bytes);
}

int main(void)
{
	struct CMUnitTest tests[N_MESSAGES + 3];
	FILE *first = open_message(messages[0].name);

	if (!first) {
		// A whole test program is skipped like this (Test Anything Protocol).
		printf("1..0 # SKIP shared/rfc4475 is not beside the checkout\n");
		return 0;
	}
	fclose(first);

	for (size_t i = 0; i < N_MESSAGES; i++)
		tests[i] = (struct CMUnitTest){.name = messages[i].name,
			.test_func = test_verdict,
			.initial_state = (void *)(uintptr_t)&messages[i]};
	tests[N_MESSAGES] = (struct CMUnitTest)cmocka_unit_test(test_dblreq_second);
	tests[N_MESSAGES + 1] = (struct CMUnitTest)cmocka_unit_test(test_wsinv_values);
	tests[N_MESSAGES + 2] = (struct CMUnitTest)cmocka_unit_test(test_baddn_whole);
	return cmocka_run_group_tests_name("sip_torture", tests, NULL, NULL);
}
