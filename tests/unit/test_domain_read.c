// SPDX-License-Identifier: BSD-2-Clause
// Domain names as operators write them.

#include "postern/domain.h"

// cmocka.h needs the four before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <errno.h>
#include <string.h>

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static void test_one_spelling(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{"contoso.com", "contoso.com"},
		{"CONTOSO.Com.", "contoso.com"},
		{"b\xc3\xbc"
		 "cher.example",
			"xn--bcher-kva.example"},
		{"B\xc3\x9c"
		 "CHER.example.",
			"xn--bcher-kva.example"},
		// The umlaut as a letter and a combining mark.
		{"bu\xcc\x88"
		 "cher.example",
			"xn--bcher-kva.example"},
		{"XN--BCHER-KVA.example", "xn--bcher-kva.example"},
		// Ideographic full stop; letters of full width.
		{"contoso\xe3\x80\x82"
		 "com",
			"contoso.com"},
		{"\xef\xbd\x83ontoso.com", "contoso.com"},
		// Kept apart since IDNA 2008.
		{"stra\xc3\x9f"
		 "e.example",
			"xn--strae-oqa.example"},
		{"_sip.contoso.com", "_sip.contoso.com"},
		{"localhost", "localhost"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct postern_domain d;
		const char *why = "";

		if (postern_domain_read(cases[i][0], strlen(cases[i][0]), &d, &why) != 0)
			fail_msg("%s: %s", cases[i][0], why);
		assert_string_equal(d.text, cases[i][1]);
		assert_int_equal(d.length, strlen(d.text));
	}
}

static void refused(const char *text, size_t length, const char *expected)
{
	struct postern_domain d;
	const char *why = NULL;

	assert_int_equal(postern_domain_read(text, length, &d, &why), -EINVAL);
	assert_non_null(why);
	if (!strstr(why, expected))
		fail_msg("%s: %s", text, why);
}

static void test_what_is_no_name(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{"", "empty"},
		{".", "empty"},
		{"a..b", "a label of it is empty"},
		{".a.b", "a label of it is empty"},
		{"b\xc3\xbc"
		 "cher..example",
			"empty"},
		{"-a.example", "begins or ends with"},
		{"a-.example", "begins or ends with"},
		{"a b.example", "character"},
		{"*.example", "character"},
		{"192.0.2.1", "letter"},
		{"contoso.com:5061", "character"},
		{"xn--a-ecp.example", ""},
		{"a\xff.example", "UTF-8"},
		// A Hebrew letter beside Latin ones; a combining mark that begins a label.
		{"a\xd7\x90.example", ""},
		{"\xcc\x88"
		 "a.example",
			""},
	};
	for (size_t i = 0; i < COUNT(cases); i++)
		refused(cases[i][0], strlen(cases[i][0]), cases[i][1]);
	refused("a.example\0.evil.example", 23, "NUL");
}

static void test_lengths(void **state)
{
	(void)state;
	char text[2000];
	struct postern_domain d;
	const char *why;

	// 50 labels of four letters with their dots, then three letters: 253.
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 5 == 4 ? '.' : 'a';
	assert_int_equal(postern_domain_read(text, 253, &d, &why), 0);
	assert_int_equal(postern_domain_read(text, 254, &d, &why), -EINVAL);
	refused(text, 257, "longer than 253");
	refused(text, sizeof(text), "longer than 253");
	memset(text, 'a', 64);
	memcpy(text + 64, ".example", 9);
	refused(text, strlen(text), "longer than 63");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_spelling),
		cmocka_unit_test(test_what_is_no_name),
		cmocka_unit_test(test_lengths),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
