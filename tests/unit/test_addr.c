// SPDX-License-Identifier: BSD-2-Clause
// Addresses, prefixes and endpoints as text, there and back, and what is refused.

#include "postern/addr.h"

// cmocka.h needs the four before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

static void test_addr_round_trip(void **state)
{
	// Read, and written as RFC 5952 wants it.
	static const char *const cases[][2] = {
		{"0.0.0.0", "0.0.0.0"},
		{"192.0.2.1", "192.0.2.1"},
		{"255.255.255.255", "255.255.255.255"},
		{"::1", "::1"},
		{"2001:db8::1", "2001:db8::1"},
		{"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
		{"2001:0db8:0000:0001:0000:0000:0000:0001", "2001:db8:0:1::1"},
		{"fe80::1", "fe80::1"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
			"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
		{"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
		{"1::8", "1::8"},
	};
	char buf[POSTERN_ADDR_TEXT];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct postern_addr a, b;

		assert_int_equal(postern_addr_parse(cases[i][0], &a), 0);
		assert_ptr_equal(postern_addr_format(&a, buf), buf);
		assert_string_equal(buf, cases[i][1]);
		assert_int_equal(postern_addr_parse(buf, &b), 0);
		assert_true(postern_addr_equal(&a, &b));
		assert_int_equal(postern_addr_is_v4(&a), strchr(cases[i][0], '.') != NULL);
	}
}

static void test_addr_bytes(void **state)
{
	static const uint8_t v4[16] = {[10] = 0xff, 0xff, 192, 0, 2, 1};
	static const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
	struct postern_addr a, b;
	uint32_t be;

	(void)state;
	assert_int_equal(postern_addr_parse("192.0.2.1", &a), 0);
	assert_memory_equal(a.bytes, v4, 16);
	memcpy(&be, &v4[12], 4);
	b = postern_addr_from_v4(be);
	assert_true(postern_addr_equal(&a, &b));
	assert_int_equal(postern_addr_parse("2001:db8::1", &a), 0);
	assert_memory_equal(a.bytes, v6, 16);
	assert_false(postern_addr_is_none(&a));
	memset(&a, 0, sizeof(a));
	assert_true(postern_addr_is_none(&a));
	// 0.0.0.0 is an address and not "none given".
	assert_int_equal(postern_addr_parse("0.0.0.0", &a), 0);
	assert_false(postern_addr_is_none(&a));
}

static void test_addr_refused(void **state)
{
	static const char *const cases[] = {"", " ", "1", "1.2.3", "1.2.3.4.5", "256.0.0.1",
		"1.2.3.-4", "1.2.3.4 ", " 1.2.3.4", "1.2.3.4/24", "1.2.3.4:80", "01.2.3.4",
		"1.2.3.04", "a.b.c.d", ":", ":::", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9",
		"12345::", "g::1", "[::1]", "::1%eth0", "::1/64", "::ffff:192.0.2.1",
		"::ffff:c000:201", "0:0:0:0:0:ffff:1.2.3.4", "localhost", "0x7f.1", "2130706433",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd"};
	struct postern_addr a, before;

	(void)state;
	memset(&a, 0x5a, sizeof(a));
	before = a;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		if (postern_addr_parse(cases[i], &a) != -EINVAL)
			fail_msg("\"%s\" was taken", cases[i]);
		assert_memory_equal(&a, &before, sizeof(a));
	}
}

static void test_prefix_round_trip(void **state)
{
	static const char *const cases[] = {"0.0.0.0/0", "192.0.2.1/24", "192.0.2.0/32",
		"10.0.0.0/8", "::/0", "2001:db8::10/64", "2001:db8::/127", "::1/128",
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"};
	char buf[POSTERN_PREFIX_TEXT];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct postern_prefix p;

		assert_int_equal(postern_prefix_parse(cases[i], &p), 0);
		assert_string_equal(postern_prefix_format(&p, buf), cases[i]);
	}
}

static void test_prefix_refused(void **state)
{
	static const char *const cases[] = {"", "/", "/24", "192.0.2.1", "192.0.2.1/",
		"192.0.2.1/33", "192.0.2.1/-1", "192.0.2.1/ 24", "192.0.2.1/24 ", "192.0.2.1/+24",
		"192.0.2.1/24/24", "192.0.2.1/255.255.255.0", "192.0.2.1/0x18", "::1/129", "::/a",
		"::ffff:192.0.2.1/120", "192.0.2.1/4294967320", "192.0.2.1/256"};
	struct postern_prefix p, before;

	(void)state;
	memset(&p, 0x5a, sizeof(p));
	before = p;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		if (postern_prefix_parse(cases[i], &p) != -EINVAL)
			fail_msg("\"%s\" was taken", cases[i]);
		assert_memory_equal(&p, &before, sizeof(p));
	}
}

static bool contains(const char *prefix, const char *addr)
{
	struct postern_prefix p;
	struct postern_addr a;

	assert_int_equal(postern_prefix_parse(prefix, &p), 0);
	assert_int_equal(postern_addr_parse(addr, &a), 0);
	return postern_prefix_contains(&p, &a);
}

static void test_prefix_contains(void **state)
{
	(void)state;
	assert_true(contains("192.0.2.77/24", "192.0.2.0"));
	assert_true(contains("192.0.2.77/24", "192.0.2.255"));
	assert_false(contains("192.0.2.77/24", "192.0.3.0"));
	assert_false(contains("192.0.2.77/24", "192.0.1.255"));
	assert_true(contains("192.0.2.128/25", "192.0.2.129"));
	assert_false(contains("192.0.2.128/25", "192.0.2.127"));
	assert_true(contains("192.0.2.1/32", "192.0.2.1"));
	assert_false(contains("192.0.2.1/32", "192.0.2.0"));
	assert_true(contains("192.0.2.0/31", "192.0.2.1"));
	assert_true(contains("0.0.0.0/0", "255.255.255.255"));
	assert_true(contains("2001:db8::/32", "2001:db8:ffff::1"));
	assert_false(contains("2001:db8::/32", "2001:db9::"));
	assert_true(contains("2001:db8::8000:0:0:0/65", "2001:db8::8000:0:0:1"));
	assert_false(contains("2001:db8::8000:0:0:0/65", "2001:db8::7fff:0:0:1"));
	assert_true(contains("::1/128", "::1"));
	assert_false(contains("::1/128", "::2"));
	assert_true(contains("::/0", "2001:db8::1"));
	// Families never match each other.
	assert_false(contains("0.0.0.0/0", "2001:db8::1"));
	assert_false(contains("0.0.0.0/0", "::1"));
	assert_false(contains("::/0", "192.0.2.1"));
}

// Each length of both families against bits counted one by one.
static void test_prefix_lengths(void **state)
{
	struct postern_prefix p;
	char text[64];

	(void)state;
	for (unsigned length = 0; length <= 128; length++)
		for (unsigned bit = 0; bit < 128; bit++) {
			snprintf(text, sizeof(text), "a5a5:5a5a:1234:5678:9abc:def0:1357:2468/%u",
				length);
			assert_int_equal(postern_prefix_parse(text, &p), 0);
			struct postern_addr a = p.addr;

			a.bytes[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
			assert_int_equal(postern_prefix_contains(&p, &a), bit >= length);
		}
	for (unsigned length = 0; length <= 32; length++)
		for (unsigned bit = 0; bit < 32; bit++) {
			snprintf(text, sizeof(text), "165.90.18.52/%u", length);
			assert_int_equal(postern_prefix_parse(text, &p), 0);
			struct postern_addr a = p.addr;

			a.bytes[12 + bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
			assert_int_equal(postern_prefix_contains(&p, &a), bit >= length);
		}
}

static void test_endpoint_round_trip(void **state)
{
	static const char *const cases[] = {"192.0.2.1:5061", "0.0.0.0:1", "255.255.255.255:65535",
		"[2001:db8::1]:5061", "[::1]:65535",
		"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"};
	char buf[POSTERN_ENDPOINT_TEXT];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct postern_endpoint e, same;

		assert_int_equal(postern_endpoint_parse(cases[i], &e), 0);
		assert_string_equal(postern_endpoint_format(&e, buf), cases[i]);
		assert_int_equal(postern_endpoint_parse(buf, &same), 0);
		assert_true(postern_endpoint_equal(&e, &same));
		same.port ^= 1;
		assert_false(postern_endpoint_equal(&e, &same));
	}
}

static void test_endpoint_refused(void **state)
{
	static const char *const cases[] = {"", ":", ":5061", "192.0.2.1",
		"192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536", "192.0.2.1:-1", "192.0.2.1:+5",
		"192.0.2.1: 5", "192.0.2.1:5 ", "192.0.2.1:5061:5061", "192.0.2.1:sip",
		"192.0.2.1:0x10", "[192.0.2.1]:5061", "2001:db8::1:5061", "2001:db8::1",
		"[2001:db8::1]", "[2001:db8::1]:", "[2001:db8::1]5061", "[2001:db8::1:5061",
		"2001:db8::1]:5061", "[]:5061", "[::ffff:192.0.2.1]:5061", "[[::1]]:5061",
		"[::1]:5061 ", "host:5061", "192.0.2.1:99999999999999999999"};
	struct postern_endpoint e, before;

	(void)state;
	memset(&e, 0x5a, sizeof(e));
	before = e;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		if (postern_endpoint_parse(cases[i], &e) != -EINVAL)
			fail_msg("\"%s\" was taken", cases[i]);
		assert_memory_equal(&e, &before, sizeof(e));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addr_round_trip),
		cmocka_unit_test(test_addr_bytes),
		cmocka_unit_test(test_addr_refused),
		cmocka_unit_test(test_prefix_round_trip),
		cmocka_unit_test(test_prefix_refused),
		cmocka_unit_test(test_prefix_contains),
		cmocka_unit_test(test_prefix_lengths),
		cmocka_unit_test(test_endpoint_round_trip),
		cmocka_unit_test(test_endpoint_refused),
	};

	return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}
