// SPDX-License-Identifier: BSD-2-Clause
// What goes on in a message's place: byte for byte, and that it cannot be made to say something
// else.

#include "sip_try.h"

#define MESSAGE                                                                                    \
	"MESSAGE sip:bob@contoso.com SIP/2.0\r\n"                                                  \
	"Via: SIP/2.0/TLS a.example;branch=1 , SIP/2.0/TLS b.example;branch=2\r\n"                 \
	"X-First: 1\r\n"                                                                           \
	"v: SIP/2.0/TCP c.example\r\n"                                                             \
	"Route: <sip:us.example;lr>, <sip:us2.example;lr>\r\n"                                     \
	"Max-Forwards: 70\r\n"                                                                     \
	"From: <sip:alice@fabrikam.com>;tag=1\r\n"                                                 \
	"To : <sip:bob@contoso.com>\r\n"                                                           \
	"Call-ID: 1\r\n"                                                                           \
	"CSeq: 1\r\n\t MESSAGE\r\n"                                                                \
	"P-Asserted-Identity: <sip:alice@fabrikam.com>\r\n"                                        \
	"X-Mark: old\r\n"                                                                          \
	"l: 5\r\n"                                                                                 \
	"\r\n"                                                                                     \
	"hello"

// The same without an edit: neither the space before a colon nor the fold goes on.
#define TIDY_TO   "To: <sip:bob@contoso.com>\r\n"
#define TIDY_CSEQ "CSeq: 1 MESSAGE\r\n"

static struct sip_try t;
static char written[4096];
static int n_pieces;

static int write_with(const struct sip_edit *edits, unsigned n)
{
	struct iovec pieces[64];

	assert_int_equal(sip_try(&t, MESSAGE, sizeof(MESSAGE) - 1), TRY_PASS);
	n_pieces = sip_write(&t.m, edits, n, pieces, 64);
	if (n_pieces < 0)
		return n_pieces;
	const size_t length = sip_pieces_length(pieces, (unsigned)n_pieces);

	sip_pieces_gather(pieces, (unsigned)n_pieces, (uint8_t *)written);
	written[length] = '\0';
	return 0;
}

#define VIA_LINES                                                                                  \
	"Via: SIP/2.0/TLS a.example;branch=1 , SIP/2.0/TLS b.example;branch=2\r\n"                 \
	"X-First: 1\r\nv: SIP/2.0/TCP c.example\r\n"
#define ROUTE  "Route: <sip:us.example;lr>, <sip:us2.example;lr>\r\n"
#define MIDDLE "From: <sip:alice@fabrikam.com>;tag=1\r\n" TIDY_TO "Call-ID: 1\r\n" TIDY_CSEQ
#define PAI    "P-Asserted-Identity: <sip:alice@fabrikam.com>\r\n"
#define END    "X-Mark: old\r\nl: 5\r\n\r\nhello"

static void test_nothing_changed(void **state)
{
	(void)state;
	assert_int_equal(write_with(NULL, 0), 0);
	assert_string_equal(written, "MESSAGE sip:bob@contoso.com SIP/2.0\r\n" VIA_LINES ROUTE
				     "Max-Forwards: 70\r\n" MIDDLE PAI END);
}

static void test_as_a_proxy(void **state)
{
	(void)state;
	char number[4];
	const struct sip_edit edits[] = {
		{.kind = SIP_EDIT_PUSH,
			.header = SIP_HEADER_VIA,
			.text = SIP_SPAN("SIP/2.0/TLS edge.example;branch=z9hG4bKx")},
		{.kind = SIP_EDIT_PUSH,
			.header = SIP_HEADER_RECORD_ROUTE,
			.text = SIP_SPAN("<sip:token@edge.example;lr>")},
		{.kind = SIP_EDIT_EXTEND,
			.header = SIP_HEADER_VIA,
			.text = SIP_SPAN(";received=192.0.2.1")},
		{.kind = SIP_EDIT_POP, .header = SIP_HEADER_ROUTE, .count = 1},
		sip_edit_max_forwards(69, number),
		{.kind = SIP_EDIT_STRIP, .header = SIP_HEADER_P_ASSERTED_IDENTITY},
		{.kind = SIP_EDIT_STRIP_NAME, .name = SIP_SPAN("x-mark")},
		{.kind = SIP_EDIT_ADD_NAME, .name = SIP_SPAN("X-Mark"), .text = SIP_SPAN("new")},
		{.kind = SIP_EDIT_REQUEST_URI, .text = SIP_SPAN("sip:bob@inside.example")},
	};

	assert_int_equal(write_with(edits, 9), 0);
	assert_string_equal(written,
		"MESSAGE sip:bob@inside.example SIP/2.0\r\n"
		"Via: SIP/2.0/TLS edge.example;branch=z9hG4bKx\r\n"
		"Record-Route: <sip:token@edge.example;lr>\r\n"
		"Via: SIP/2.0/TLS a.example;branch=1;received=192.0.2.1 , "
		"SIP/2.0/TLS b.example;branch=2\r\n"
		"X-First: 1\r\nv: SIP/2.0/TCP c.example\r\n"
		"Route: <sip:us2.example;lr>\r\n"
		"Max-Forwards: 69\r\n" MIDDLE "l: 5\r\nX-Mark: new\r\n\r\nhello");
}

static void test_pop(void **state)
{
	(void)state;
	static const char *const left[] = {
		VIA_LINES,
		"Via: SIP/2.0/TLS b.example;branch=2\r\nX-First: 1\r\nv: SIP/2.0/TCP c.example\r\n",
		"X-First: 1\r\nv: SIP/2.0/TCP c.example\r\n",
		"X-First: 1\r\n",
	};

	for (uint8_t count = 0; count <= 3; count++) {
		const struct sip_edit pop = {
			.kind = SIP_EDIT_POP, .header = SIP_HEADER_VIA, .count = count};
		char expected[4096];

		assert_int_equal(write_with(&pop, 1), 0);
		snprintf(expected, sizeof(expected), "%s%s%s",
			"MESSAGE sip:bob@contoso.com SIP/2.0\r\n", left[count],
			ROUTE "Max-Forwards: 70\r\n" MIDDLE PAI END);
		assert_string_equal(written, expected);
	}
	const struct sip_edit too_many = {
		.kind = SIP_EDIT_POP, .header = SIP_HEADER_VIA, .count = 4};

	assert_int_equal(write_with(&too_many, 1), -EINVAL);
}

static void test_set_what_is_missing(void **state)
{
	(void)state;
	const struct sip_edit set = {
		.kind = SIP_EDIT_SET, .header = SIP_HEADER_EXPIRES, .text = SIP_SPAN("60")};

	assert_int_equal(write_with(&set, 1), 0);
	assert_string_equal(written, "MESSAGE sip:bob@contoso.com SIP/2.0\r\n" VIA_LINES ROUTE
				     "Max-Forwards: 70\r\n" MIDDLE PAI
				     "X-Mark: old\r\nl: 5\r\nExpires: 60\r\n\r\nhello");
}

static void test_refused(void **state)
{
	(void)state;
	const struct sip_edit bad[] = {
		{.kind = SIP_EDIT_PUSH, .header = SIP_HEADER_VIA, .text = SIP_SPAN("a\r\nEvil: 1")},
		{.kind = SIP_EDIT_ADD, .header = SIP_HEADER_PATH, .text = SIP_SPAN("a\n b")},
		{.kind = SIP_EDIT_ADD_NAME, .name = SIP_SPAN("X Y"), .text = SIP_SPAN("a")},
		{.kind = SIP_EDIT_ADD_NAME, .name = SIP_SPAN("X:"), .text = SIP_SPAN("a")},
		{.kind = SIP_EDIT_REQUEST_URI, .text = SIP_SPAN("sip:a@b SIP/2.0")},
		{.kind = SIP_EDIT_REQUEST_URI, .text = SIP_SPAN("sip:a@b@c")},
		{.kind = SIP_EDIT_SET, .header = SIP_HEADER_VIA, .text = SIP_SPAN("a")},
		{.kind = SIP_EDIT_SET, .header = SIP_HEADER_OTHER, .text = SIP_SPAN("a")},
		{.kind = SIP_EDIT_EXTEND, .header = SIP_HEADER_PATH, .text = SIP_SPAN(";a")},
	};
	const struct sip_edit twice[] = {
		{.kind = SIP_EDIT_STRIP, .header = SIP_HEADER_MAX_FORWARDS},
		{.kind = SIP_EDIT_SET, .header = SIP_HEADER_MAX_FORWARDS, .text = SIP_SPAN("1")},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(write_with(&bad[i], 1), -EINVAL);
	assert_int_equal(write_with(twice, 2), -EINVAL);
}

static void test_room(void **state)
{
	(void)state;
	struct iovec pieces[64];

	assert_int_equal(write_with(NULL, 0), 0);
	const unsigned need = (unsigned)n_pieces;

	for (unsigned max = 0; max < need; max++)
		assert_int_equal(sip_write(&t.m, NULL, 0, pieces, max), -ENOSPC);
	assert_int_equal(sip_write(&t.m, NULL, 0, pieces, need), need);
}

static void test_max_forwards(void **state)
{
	(void)state;
	for (unsigned value = 0; value <= 255; value++) {
		char number[4], expected[8];
		const struct sip_edit e = sip_edit_max_forwards((uint8_t)value, number);

		snprintf(expected, sizeof(expected), "%u", value);
		assert_int_equal(e.text.length, strlen(expected));
		assert_memory_equal(e.text.at, expected, e.text.length);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_changed),
		cmocka_unit_test(test_as_a_proxy),
		cmocka_unit_test(test_pop),
		cmocka_unit_test(test_set_what_is_missing),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_max_forwards),
	};
	return cmocka_run_group_tests_name("sip_write", tests, NULL, NULL);
}
