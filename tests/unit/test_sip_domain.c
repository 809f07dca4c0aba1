// SPDX-License-Identifier: BSD-2-Clause
// Domain names: one spelling each, and nothing that is none.

#include "postern/domain.h"

// cmocka.h needs the four before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define L63 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk"

static const struct {
	const char *text, *name; // NULL: none
} cases[] = {
	{"contoso.com", "contoso.com"},
	{"CONTOSO.Com", "contoso.com"},
	{"contoso.com.", "contoso.com"},
	{"localhost", "localhost"},
	{"a", "a"},
	{"_sipfederationtls._tcp.contoso.com", "_sipfederationtls._tcp.contoso.com"},
	{"xn--bcher-kva.example", "xn--bcher-kva.example"},
	{"1and1.example", "1and1.example"},
	{"1.2.3.4.example", "1.2.3.4.example"},
	{"a--b.example", "a--b.example"},
	{L63 ".example", L63 ".example"},
	{L63 "." L63 "." L63 ".abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghi", L63
		"." L63 "." L63 ".abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghi"},
	{"", NULL},
	{".", NULL},
	{"..", NULL},
	{"contoso.com..", NULL},
	{".contoso.com", NULL},
	{"contoso..com", NULL},
	{"-contoso.com", NULL},
	{"contoso-.com", NULL},
	{"contoso.-com", NULL},
	{"contoso.com-", NULL},
	{"-", NULL},
	{"con toso.com", NULL},
	{"contoso.com ", NULL},
	{"contoso,com", NULL},
	{"contoso.com:5061", NULL},
	{"a@contoso.com", NULL},
	{"*.contoso.com", NULL},
	{"contoso%2ecom", NULL},
	{"b\xc3\xbc"
	 "cher.example",
		NULL},
	{"contoso\x80.com", NULL},
	{"contoso.com/", NULL},
	{"[::1]", NULL},
	{"::1", NULL},
	{"192.0.2.1", NULL},
	{"192.0.2.1.", NULL},
	{"3221225985", NULL},
	{"0xc0000201", NULL},
	{"a.1b", NULL},
	{"a._b", NULL},
	{L63 "l.example", NULL},
	{L63 "l", NULL},
	{L63 "." L63 "." L63 ".abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghij",
		NULL},
};

static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct postern_domain d;
		const int rc = postern_domain_parse(cases[i].text, strlen(cases[i].text), &d);

		if (rc != (cases[i].name ? 0 : -EINVAL))
			fail_msg("%s: %d", cases[i].text, rc);
		if (!cases[i].name)
			continue;
		assert_string_equal(d.text, cases[i].name);
		assert_int_equal(d.length, strlen(cases[i].name));
	}
}

static void test_nul_inside(void **state)
{
	(void)state;
	struct postern_domain d;

	assert_int_equal(postern_domain_parse("a.example\0.evil.example", 23, &d), -EINVAL);
}

// The rules once more, one character at a time, as a second opinion on the vector form.
static bool opinion(const char *text, size_t n, char *name)
{
	size_t label = 0;

	if (n && text[n - 1] == '.')
		n--;
	if (n == 0 || n > 253)
		return false;
	for (size_t i = 0; i <= n; i++) {
		if (i < n && text[i] != '.') {
			const unsigned char c = (unsigned char)text[i];

			if (c >= 128 || (!isalnum(c) && c != '-' && c != '_'))
				return false;
			name[i] = (char)tolower(c);
			continue;
		}
		if (i == label || i - label > 63 || text[label] == '-' || text[i - 1] == '-')
			return false;
		if (i == n && !isalpha((unsigned char)text[label]))
			return false;
		name[i] = i < n ? '.' : '\0';
		label = i + 1;
	}
	return true;
}

static void test_drawn(void **state)
{
	(void)state;
	static const char often[] = "abcXYZ019-_..-a";
	uint64_t seed = 3;
	unsigned good = 0;

	for (unsigned round = 0; round < 300000; round++) {
		char name[300];
		struct postern_domain d;

		seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		const size_t n = (seed >> 33) % (round % 16 ? 24 : 280);
		char *text = malloc(n + 1);

		assert_non_null(text);
		for (size_t i = 0; i < n; i++) {
			seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
			const unsigned r = (unsigned)(seed >> 40);

			text[i] = r % 400 == 0 ? (char)(r >> 12)
				  : r % 3      ? (char)('a' + r % 26)
					       : often[r % (sizeof(often) - 1)];
		}
		const bool expected = opinion(text, n, name);
		const int rc = postern_domain_parse(text, n, &d);

		if (rc != (expected ? 0 : -EINVAL))
			fail_msg("%.*s: %d", (int)n, text, rc);
		if (expected) {
			assert_string_equal(d.text, name);
			good++;
		}
		free(text);
	}
	assert_true(good > 10000);
}

static void parse(struct postern_domain *d, const char *text)
{
	assert_int_equal(postern_domain_parse(text, strlen(text), d), 0);
}

static void test_within(void **state)
{
	(void)state;
	struct postern_domain a, b;

	parse(&a, "sip.Contoso.com");
	parse(&b, "contoso.com.");
	assert_true(postern_domain_is_within(&a, &b));
	assert_false(postern_domain_is_within(&b, &a));
	assert_true(postern_domain_is_within(&b, &b));
	assert_false(postern_domain_equal(&a, &b));
	parse(&a, "notcontoso.com");
	assert_false(postern_domain_is_within(&a, &b));
	parse(&a, "CONTOSO.COM");
	assert_true(postern_domain_equal(&a, &b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_nul_inside),
		cmocka_unit_test(test_drawn),
		cmocka_unit_test(test_within),
	};
	return cmocka_run_group_tests_name("sip_domain", tests, NULL, NULL);
}
