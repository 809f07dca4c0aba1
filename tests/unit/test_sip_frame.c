// SPDX-License-Identifier: BSD-2-Clause
// Where a message ends: Content-Length and its abuses, limits, deadlines, keep-alives, lines.

#include "sip_try.h"

#define START "MESSAGE sip:bob@contoso.com SIP/2.0\r\n"
#define HEADERS                                                                                    \
	"Via: SIP/2.0/TLS sip.fabrikam.com;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n"                \
	"From: <sip:alice@fabrikam.com>;tag=1\r\nTo: <sip:bob@contoso.com>\r\n"                    \
	"Call-ID: 1\r\nCSeq: 1 MESSAGE\r\n"
#define GOOD START HEADERS "Content-Length: 5\r\n\r\nhello"

#define BYTES(literal) ((const uint8_t *)(literal)), (sizeof(literal) - 1)

static struct sip_try t;
static struct sip_message m;
static struct sip_framed framed;

struct verdict {
	const char *text;
	size_t length;
	int verdict;
	const char *why;
};

#define CASE(text, verdict, why)                                                                   \
	{                                                                                          \
		text, sizeof(text) - 1, verdict, why                                               \
	}

static const struct verdict verdicts[] = {
	CASE(GOOD, TRY_PASS, "as it should be"),
	// Content-Length
	CASE(START HEADERS "\r\n", SIP_ERROR_LENGTH_MISSING, "none"),
	CASE(START HEADERS "l: 5\r\n\r\nhello", TRY_PASS, "compact form"),
	CASE(START HEADERS "Content-Length: \r\n\r\n", SIP_ERROR_LENGTH_MALFORMED, "empty"),
	CASE(START HEADERS "Content-Length: +5\r\n\r\nhello", SIP_ERROR_LENGTH_MALFORMED, "a sign"),
	CASE(START HEADERS "Content-Length: -5\r\n\r\nhello", SIP_ERROR_LENGTH_MALFORMED,
		"negative"),
	CASE(START HEADERS "Content-Length: 0x5\r\n\r\nhello", SIP_ERROR_LENGTH_MALFORMED, "hex"),
	CASE(START HEADERS "Content-Length: 5 5\r\n\r\nhello", SIP_ERROR_LENGTH_MALFORMED, "two"),
	CASE(START HEADERS "Content-Length: 5,5\r\n\r\nhello", SIP_ERROR_LENGTH_MALFORMED,
		"a list"),
	CASE(START HEADERS "Content-Length: 5;a=b\r\n\r\nhello", SIP_ERROR_LENGTH_MALFORMED,
		"a parameter"),
	CASE(START HEADERS "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
		SIP_ERROR_LENGTH_REPEATED, "two that differ"),
	CASE(START HEADERS "Content-Length: 5\r\nl: 5\r\n\r\nhello", SIP_ERROR_LENGTH_REPEATED,
		"two that agree: one of them may be lost on the way"),
	CASE(START HEADERS "Content-Length: 000000000000000000005\r\n\r\nhello", TRY_PASS,
		"leading zeros are digits"),
	CASE(START HEADERS "Content-Length: 5120001\r\n\r\n", SIP_ERROR_BODY_LONG, "one too many"),
	CASE(START HEADERS "Content-Length: 5120000\r\n\r\n", TRY_WAIT, "the most"),
	CASE(START HEADERS "Content-Length: 4294967301\r\n\r\nhello", SIP_ERROR_BODY_LONG,
		"5 in 32 bits"),
	CASE(START HEADERS "Content-Length: 18446744073709551621\r\n\r\nhello", SIP_ERROR_BODY_LONG,
		"5 in 64 bits"),
	CASE(START HEADERS "Content-Length:\r\n 5\r\n\r\nhello", TRY_PASS, "on a line of its own"),
	CASE(START HEADERS "Content-Length: 6\r\n\r\nhello", TRY_WAIT, "a byte is missing"),
	// lines
	CASE("MESSAGE sip:a@b.example SIP/2.0\n", SIP_ERROR_BARE_LF, "LF for CRLF"),
	CASE(START "Via: x\n\r\n", SIP_ERROR_BARE_LF, "likewise in a header"),
	CASE(START "Via: x\ry\r\n", SIP_ERROR_BARE_CR, "CR in a header"),
	CASE(START "Via: x\r\r\n", SIP_ERROR_BARE_CR, "CRCRLF"),
	CASE(START "Via: x\0y\r\n", SIP_ERROR_CONTROL_BYTE, "NUL"),
	CASE(START "Via: x\x7fy\r\n", SIP_ERROR_CONTROL_BYTE, "DEL"),
	CASE(START "Via: x\vy\r\n", SIP_ERROR_CONTROL_BYTE, "vertical tab"),
	CASE(START "Via x\r\nTo: y\r\n", SIP_ERROR_HEADER_NAME, "no colon"),
	CASE(START ": x\r\nTo: y\r\n", SIP_ERROR_HEADER_NAME, "no name"),
	CASE(START "V\xc3\xa4: x\r\nTo: y\r\n", SIP_ERROR_HEADER_NAME, "a name beyond ASCII"),
	CASE(START "Vi a: x\r\nTo: y\r\n", SIP_ERROR_HEADER_NAME, "a space in a name"),
	CASE(START "Via\r\n : x\r\nTo: y\r\n", SIP_ERROR_HEADER_NAME, "a fold before the colon"),
	CASE(START " Via: x\r\nTo: y\r\n", SIP_ERROR_START_LINE, "a folded start line"),
	CASE(START HEADERS "X:\r\n \r\nl: 0\r\n\r\n", TRY_PASS, "a fold of nothing"),
	CASE(START HEADERS "l: 0\r\n\r\n \r\n", TRY_PASS, "a body's spaces are no fold"),
	// start line
	CASE("MESSAGE sip:a@b.example\r\nTo: x\r\n", SIP_ERROR_START_LINE, "no version"),
	CASE("MESSAGE  SIP/2.0\r\nTo: x\r\n", SIP_ERROR_START_LINE, "no URI"),
	CASE("\tMESSAGE sip:a@b.example SIP/2.0\r\nTo: x\r\n", SIP_ERROR_START_LINE, "a tab first"),
	CASE("MESSAGE\tsip:a@b.example SIP/2.0\r\nTo: x\r\n", SIP_ERROR_START_LINE,
		"a tab between"),
	CASE("GET / HTTP/1.1\r\nHost: x\r\n", SIP_ERROR_START_LINE, "another protocol"),
	CASE("MESSAGE sip:a@b.example SIP/2.1\r\nTo: x\r\n", SIP_ERROR_VERSION, "SIP/2.1"),
	CASE("MESSAGE sip:a@b.example SIP/02.0\r\nTo: x\r\n", SIP_ERROR_VERSION, "SIP/02.0"),
	CASE("MESSAGE sip:a@b.example sip/2.0\r\n" HEADERS "l: 0\r\n\r\n", TRY_PASS,
		"RFC 3261 7.1: the version's letters are of either case"),
	CASE("SIP/2.0 099 Low\r\nTo: x\r\n", SIP_ERROR_STATUS_CODE, "below 100"),
	CASE("SIP/2.0 700 High\r\nTo: x\r\n", SIP_ERROR_STATUS_CODE, "above 699"),
	CASE("SIP/2.0 0200 OK\r\nTo: x\r\n", SIP_ERROR_STATUS_CODE, "four digits"),
	CASE("SIP/2.0 20 OK\r\nTo: x\r\n", SIP_ERROR_STATUS_CODE, "two digits"),
	CASE("SIP/2.0 200\r\nTo: x\r\n", SIP_ERROR_START_LINE, "no space behind the code"),
	CASE("SIP/3.0 200 OK\r\nTo: x\r\n", SIP_ERROR_VERSION, "a response of SIP/3.0"),
	CASE("\x16\x03\x01\x02\x00", SIP_ERROR_CONTROL_BYTE, "a TLS record inside TLS"),
	CASE("\r\n\r\n\r\n", TRY_NOTHING, "keep-alives alone"),
	CASE("\r\n" GOOD, TRY_PASS, "a CRLF in front"),
	CASE("\rMESSAGE", SIP_ERROR_BARE_CR, "a CR in front"),
	CASE("\nMESSAGE", SIP_ERROR_BARE_LF, "an LF in front"),
};

static void test_verdicts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
		// Memory of exactly this length, so that the sanitizer sees a byte too many.
		uint8_t *copy = malloc(verdicts[i].length);

		assert_non_null(copy);
		memcpy(copy, verdicts[i].text, verdicts[i].length);
		sip_try(&t, copy, verdicts[i].length);
		sip_try_assert(&t, verdicts[i].verdict, verdicts[i].why);
		free(copy);
	}
}

static void test_message_lies_where_it_was(void **state)
{
	(void)state;
	static const char two[] = GOOD GOOD;
	struct sip_frame f = {0};

	assert_int_equal(sip_frame_next(&f, &sip_default_limits, BYTES(two), 0, &m, &framed),
		SIP_FRAME_MESSAGE);
	assert_ptr_equal(m.bytes, two);
	assert_int_equal(framed.consumed, sizeof(GOOD) - 1);
	assert_int_equal(m.headers_length, sizeof(GOOD) - 1 - 5);
	assert_true(sip_span_equal(sip_message_body(&m), SIP_SPAN("hello")));
	assert_int_equal(m.method, SIP_METHOD_MESSAGE);
}

// "Need more" says how much there is a point in waiting for.
static void test_need(void **state)
{
	(void)state;
	struct sip_frame f = {0};
	const size_t whole = sizeof(GOOD) - 1;

	assert_int_equal(
		sip_frame_next(&f, &sip_default_limits, (const uint8_t *)GOOD, 10, 0, &m, &framed),
		SIP_FRAME_MORE);
	assert_int_equal(framed.need, 11);
	assert_int_equal(sip_frame_next(&f, &sip_default_limits, (const uint8_t *)GOOD, whole - 3,
				 0, &m, &framed),
		SIP_FRAME_MORE);
	assert_int_equal(framed.need, whole);
	assert_int_equal(framed.consumed, 0);
	assert_int_equal(sip_frame_next(&f, &sip_default_limits, (const uint8_t *)GOOD, whole, 0,
				 &m, &framed),
		SIP_FRAME_MESSAGE);
	assert_int_equal(
		sip_frame_next(&f, &sip_default_limits, NULL, 0, 0, &m, &framed), SIP_FRAME_MORE);
	assert_int_equal(framed.deadline_us, 0);
}

// From the first byte of a message: 10 s to its headers' end, 30 s to its own.
static void test_deadlines(void **state)
{
	(void)state;
	struct sip_frame f = {0};
	const uint64_t began = 5000000;
	const struct sip_limits *l = &sip_default_limits;
	const uint8_t *p = (const uint8_t *)GOOD;

	assert_int_equal(sip_frame_next(&f, l, p, 10, began, &m, &framed), SIP_FRAME_MORE);
	assert_int_equal(framed.deadline_us, began + 10000000);
	assert_int_equal(
		sip_frame_next(&f, l, p, 20, began + 9999999, &m, &framed), SIP_FRAME_MORE);
	assert_int_equal(framed.deadline_us, began + 10000000);
	struct sip_frame late = f;

	assert_int_equal(
		sip_frame_next(&late, l, p, 20, began + 10000000, &m, &framed), SIP_FRAME_FAULT);
	assert_int_equal(m.fault.error, SIP_ERROR_HEADERS_LATE);
	// The headers are here: the message's own deadline.
	const size_t most = sizeof(GOOD) - 2;

	assert_int_equal(
		sip_frame_next(&f, l, p, most, began + 10000001, &m, &framed), SIP_FRAME_MORE);
	assert_int_equal(framed.deadline_us, began + 30000000);
	late = f;
	assert_int_equal(
		sip_frame_next(&late, l, p, most, began + 30000000, &m, &framed), SIP_FRAME_FAULT);
	assert_int_equal(m.fault.error, SIP_ERROR_MESSAGE_LATE);
	// What is whole is not late.
	assert_int_equal(sip_frame_next(&f, l, p, most + 1, began + 40000000, &m, &framed),
		SIP_FRAME_MESSAGE);
	// The next message has a clock of its own.
	assert_int_equal(
		sip_frame_next(&f, l, p, 10, began + 50000000, &m, &framed), SIP_FRAME_MORE);
	assert_int_equal(framed.deadline_us, began + 60000000);
}

// RFC 5626 3.5.1 and 4.4.1: two CRLF are a ping and want one in answer, one is an answer.
static void test_keep_alive(void **state)
{
	(void)state;
	struct sip_frame f = {0};
	const struct sip_limits *l = &sip_default_limits;

	assert_int_equal(sip_frame_next(&f, l, BYTES("\r\n\r\n"), 0, &m, &framed), SIP_FRAME_CRLF);
	assert_int_equal(framed.consumed, 2);
	assert_int_equal(sip_frame_next(&f, l, BYTES("\r\n"), 0, &m, &framed), SIP_FRAME_PING);
	// The third begins anew.
	assert_int_equal(sip_frame_next(&f, l, BYTES("\r\n"), 0, &m, &framed), SIP_FRAME_CRLF);
	assert_int_equal(sip_frame_next(&f, l, BYTES(GOOD), 0, &m, &framed), SIP_FRAME_MESSAGE);
	assert_int_equal(sip_frame_next(&f, l, BYTES("\r\n"), 0, &m, &framed), SIP_FRAME_CRLF);
	// Half of one is worth waiting for, but not for ever.
	assert_int_equal(sip_frame_next(&f, l, BYTES("\r"), 0, &m, &framed), SIP_FRAME_MORE);
	assert_int_equal(framed.need, 2);
	assert_int_equal(sip_frame_next(&f, l, BYTES("\r\n"), 1, &m, &framed), SIP_FRAME_PING);
	assert_int_equal(sip_frame_next(&f, l, NULL, 0, 2, &m, &framed), SIP_FRAME_MORE);
	assert_int_equal(framed.deadline_us, 0);
}

// A request for compression is known as soon as it is framed, whatever it has besides: it is answered
// hop by hop and never routed. What stands behind it is SIP as before.
static void test_negotiate(void **state)
{
	(void)state;
	struct sip_frame f = {0};
	const uint8_t text[] =
		"NEGOTIATE sip:127.0.0.1:5061 SIP/2.0\r\nCSeq: 1 NEGOTIATE\r\n"
		"Call-ID: 1\r\nCompression: LZ77-8K\r\nContent-Length: 0\r\n\r\n" GOOD;
	const size_t both = sizeof(text) - 1, first = both - (sizeof(GOOD) - 1);

	assert_int_equal(sip_frame_next(&f, &sip_default_limits, text, both, 0, &m, &framed),
		SIP_FRAME_MESSAGE);
	assert_true(m.request);
	assert_int_equal(m.method, SIP_METHOD_NEGOTIATE);
	assert_int_equal(framed.consumed, first);
	assert_int_not_equal(sip_message_find(&m, SIP_SPAN("compression"), 0), SIP_LINE_NONE);
	assert_int_equal(
		sip_frame_next(&f, &sip_default_limits, text + first, both - first, 0, &m, &framed),
		SIP_FRAME_MESSAGE);
	assert_int_equal(m.method, SIP_METHOD_MESSAGE);
	// Methods are case-sensitive.
	const uint8_t other[] = "Negotiate sip:a SIP/2.0\r\nl: 0\r\n\r\n";

	assert_int_equal(
		sip_frame_next(&f, &sip_default_limits, other, sizeof(other) - 1, 0, &m, &framed),
		SIP_FRAME_MESSAGE);
	assert_int_equal(m.method, SIP_METHOD_OTHER);
}

// A message with one thing of a given size; the rest is small.
static size_t print_sized(char *to, unsigned uri, unsigned header, unsigned headers)
{
	size_t n = (size_t)sprintf(to, "MESSAGE sip:%0*d@contoso.com SIP/2.0\r\n" HEADERS, uri, 0);

	n += (size_t)sprintf(to + n, "X: %0*d\r\n", header, 0);
	for (unsigned i = 0; i < headers; i++)
		n += (size_t)sprintf(to + n, "Y: %u\r\n", i);
	return n + (size_t)sprintf(to + n, "l: 0\r\n\r\n");
}

static void test_limits(void **state)
{
	(void)state;
	static char text[200000];
	const unsigned around = sizeof("MESSAGE sip:@contoso.com SIP/2.0") - 1;
	const struct {
		unsigned uri, header, headers;
		int verdict;
	} cases[] = {
		{4096 - around, 10, 1, TRY_PASS},
		{4096 - around + 1, 10, 1, SIP_ERROR_START_LINE_LONG},
		{10, 8192 - 3, 1, TRY_PASS},
		{10, 8192 - 2, 1, SIP_ERROR_HEADER_LONG},
		{10, 10, 120, TRY_PASS}, // 6 + X + 120 + l
		{10, 10, 121, SIP_ERROR_HEADERS_MANY},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const size_t n = print_sized(text, cases[i].uri, cases[i].header, cases[i].headers);

		sip_try(&t, text, n);
		sip_try_assert(&t, cases[i].verdict, "a limit");
	}
}

// All headers together: the empty line's LF is the last byte that may be there.
static void test_headers_bytes(void **state)
{
	(void)state;
	struct sip_limits l = sip_default_limits;
	const uint32_t headers = sizeof(GOOD) - 1 - 5;

	for (uint32_t limit = headers - 3; limit <= headers + 1; limit++) {
		struct sip_frame f = {0};

		l.headers_bytes = limit;
		const enum sip_frame_event event =
			sip_frame_next(&f, &l, BYTES(GOOD), 0, &m, &framed);

		if (limit < headers - 1) {
			assert_int_equal(event, SIP_FRAME_FAULT);
			assert_int_equal(m.fault.error, SIP_ERROR_HEADERS_LONG);
		} else {
			assert_int_equal(event, SIP_FRAME_MESSAGE);
		}
	}
}

// Tabs by the thousand: many control bytes in a line, and a line of nothing else.
static void test_many_controls(void **state)
{
	(void)state;
	static char text[60000];
	size_t n = (size_t)sprintf(text, START HEADERS);

	for (unsigned line = 0; line < 10; line++) {
		n += (size_t)sprintf(text + n, "Z:");
		memset(text + n, '\t', 900);
		n += 900;
		n += (size_t)sprintf(text + n, "y\r\n");
	}
	const size_t good = n;

	n += (size_t)sprintf(text + n, "l: 0\r\n\r\n");
	assert_int_equal(sip_try(&t, text, n), TRY_PASS);
	assert_int_equal(t.m.n_lines, 6 + 10 + 1);
	n = good + (size_t)sprintf(text + good, "Z:");
	memset(text + n, '\t', 5000);
	n += 5000;
	n += (size_t)sprintf(text + n, "y\r\nl: 0\r\n\r\n");
	assert_int_equal(sip_try(&t, text, n), SIP_ERROR_HEADERS_MANY);
}

// What a status and a reason phrase come to.
static void test_reason(void **state)
{
	(void)state;
	char reason[SIP_REASON_SIZE], expected[SIP_REASON_SIZE];

	sip_try(&t, BYTES(START HEADERS "l: 5120001\r\n\r\n"));
	assert_int_equal(sip_error_status(t.m.fault.error), 413);
	assert_true(sip_error_closes(t.m.fault.error));
	sip_try(&t, BYTES(START HEADERS "f: <sip:eve@evil.example>\r\nl: 0\r\n\r\n"));
	assert_int_equal(t.verdict, SIP_ERROR_REPEATED);
	assert_int_equal(sip_error_status(t.m.fault.error), 400);
	assert_false(sip_error_closes(t.m.fault.error));
	snprintf(expected, sizeof(expected), "From: occurs more than once, byte %zu",
		sizeof(START HEADERS) - 1);
	assert_string_equal(sip_fault_reason(&t.m.fault, reason), expected);
	assert_int_equal(sip_error_status(SIP_ERROR_VERSION), 505);
	assert_int_equal(sip_error_status(SIP_ERROR_URI_SCHEME), 416);
	assert_int_equal(sip_error_status(SIP_ERROR_OPTION_UNSUPPORTED), 420);
	// No phrase is cut.
	for (int e = 1; e < SIP_ERROR_COUNT; e++) {
		const struct sip_fault f = {
			(uint8_t)e, SIP_HEADER_MS_ASSERTED_VERIFICATION_LEVEL, UINT32_MAX};

		assert_non_null(strstr(sip_fault_reason(&f, reason), "byte 4294967295"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_message_lies_where_it_was),
		cmocka_unit_test(test_need),
		cmocka_unit_test(test_deadlines),
		cmocka_unit_test(test_keep_alive),
		cmocka_unit_test(test_negotiate),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_headers_bytes),
		cmocka_unit_test(test_many_controls),
		cmocka_unit_test(test_reason),
	};
	return cmocka_run_group_tests_name("sip_frame", tests, NULL, NULL);
}
