// SPDX-License-Identifier: BSD-2-Clause
// The reader of DNS answers: what counts, what does not, and what is no answer at all.

#include "control/discovery/wire.h"
#include "dns_answer.h"

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

static struct dns_answer answer;
static struct wire_answer got;
static const char *why;

static int read_as(const char *name, enum discovery_type type)
{
	struct postern_domain domain;

	assert_int_equal(postern_domain_parse(name, strlen(name), &domain), 0);
	why = NULL;
	return wire_answer_read(answer.bytes, answer.n, &domain, type, &got, &why);
}

#define SERVICE "_sipfederationtls._tcp.fabrikam.com"

static void test_question(void **state)
{
	static const uint8_t expected[] = "\x12\x34\x01\x20\0\1\0\0\0\0\0\1"
					  "\3sip\10fabrikam\3com\0\0\34\0\1"
					  "\0\0\51\4\320\0\0\0\0\0";
	const struct postern_domain name = {.length = 16, .text = "sip.fabrikam.com"};
	uint8_t out[WIRE_QUERY_MAX];

	(void)state;
	const size_t n = wire_query_write(&name, DISCOVERY_AAAA, 0x1234, out);

	assert_int_equal(n, sizeof(expected));
	assert_memory_equal(out, expected, n);
}

static void test_longest_name_fits(void **state)
{
	struct postern_domain name = {.length = POSTERN_DOMAIN_MAX};
	uint8_t out[WIRE_QUERY_MAX];

	(void)state;
	memset(name.text, 'a', sizeof(name.text) - 1);
	for (int i = 63; i < POSTERN_DOMAIN_MAX; i += 64)
		name.text[i] = '.';
	assert_int_equal(wire_query_write(&name, DISCOVERY_SRV, 1, out), WIRE_QUERY_MAX);
}

static void test_service(void **state)
{
	(void)state;
	dns_begin_for(&answer, SERVICE, DISCOVERY_SRV, 0);
	dns_srv(&answer, SERVICE, 3600, 10, 5, 5061, "SIP.Fabrikam.com");
	dns_srv(&answer, SERVICE, 600, 20, 0, 5062, "sip2.fabrikam.com");
	dns_flags(&answer, 0x20);
	assert_int_equal(read_as(SERVICE, DISCOVERY_SRV), 0);
	assert_int_equal(got.n_records, 2);
	assert_string_equal(got.records[0].target.text, "sip.fabrikam.com");
	assert_int_equal(got.records[0].priority, 10);
	assert_int_equal(got.records[0].weight, 5);
	assert_int_equal(got.records[0].port, 5061);
	assert_int_equal(got.records[0].ttl, 3600);
	assert_int_equal(got.records[1].port, 5062);
	assert_int_equal(got.ttl, 600);
	assert_true(got.authenticated);
	assert_false(got.negative);
}

static void test_addresses(void **state)
{
	(void)state;
	dns_begin_for(&answer, "sip.fabrikam.com", DISCOVERY_AAAA, 0);
	dns_aaaa(&answer, "sip.fabrikam.com", 60, "2001:db8::5");
	dns_aaaa(&answer, "sip.fabrikam.com", 60, "::ffff:192.0.2.1");
	dns_aaaa(&answer, "sip.fabrikam.com", 60, "ff02::1");
	dns_aaaa(&answer, "sip.fabrikam.com", 60, "::");
	dns_raw(&answer, 1, "sip.fabrikam.com", DISCOVERY_AAAA, 1, 60, "short", 5);
	assert_int_equal(read_as("sip.fabrikam.com", DISCOVERY_AAAA), 0);
	assert_int_equal(got.n_records, 1);
	assert_int_equal(got.skipped, 4);
	dns_begin_for(&answer, "sip.fabrikam.com", DISCOVERY_A, 0);
	dns_a(&answer, "sip.fabrikam.com", 60, "192.0.2.5");
	dns_a(&answer, "sip.fabrikam.com", 60, "0.0.0.0");
	dns_a(&answer, "sip.fabrikam.com", 60, "224.0.0.1");
	assert_int_equal(read_as("sip.fabrikam.com", DISCOVERY_A), 0);
	assert_int_equal(got.n_records, 1);
	assert_int_equal(got.skipped, 2);
	assert_true(postern_addr_is_v4(&got.records[0].address));
}

// Records that belong to somebody else, are of another class or type, or lie about their length.
static void test_strange_records(void **state)
{
	(void)state;
	dns_begin_for(&answer, SERVICE, DISCOVERY_SRV, 0);
	dns_srv(&answer, "_sipfederationtls._tcp.contoso.com", 60, 0, 0, 5061, "sip.contoso.com");
	dns_raw(&answer, 1, SERVICE, DISCOVERY_SRV, 3, 60, "\0\0\0\0\23\305\1a\0", 9);
	dns_raw(&answer, 1, SERVICE, DISCOVERY_SRV, 1, 60, "\0\0\0\0\23\305\1a\0x", 10);
	dns_raw(&answer, 1, SERVICE, DISCOVERY_SRV, 1, 60, "\0\0\0\0\23\305", 6);
	dns_srv(&answer, SERVICE, 60, 0, 0, 5061, "192.0.2.7");
	dns_srv(&answer, SERVICE, 60, 0, 0, 0, "sip.fabrikam.com");
	dns_raw(&answer, 1, SERVICE, DISCOVERY_SRV, 1, 60, "\0\0\0\0\23\305\3a.b\0", 11);
	dns_a(&answer, SERVICE, 60, "192.0.2.9");
	assert_int_equal(read_as(SERVICE, DISCOVERY_SRV), 0);
	assert_int_equal(got.n_records, 0);
	assert_int_equal(got.skipped, 7);
	assert_true(got.negative);
}

static void test_no_service(void **state)
{
	(void)state;
	dns_begin_for(&answer, SERVICE, DISCOVERY_SRV, 0);
	dns_srv(&answer, SERVICE, 60, 0, 0, 0, ".");
	assert_int_equal(read_as(SERVICE, DISCOVERY_SRV), 0);
	assert_int_equal(got.n_records, 1);
	assert_int_equal(got.records[0].target.length, 0);
}

static void test_ttls(void **state)
{
	(void)state;
	dns_begin_for(&answer, "a.example", DISCOVERY_A, 0);
	dns_a(&answer, "a.example", UINT32_MAX, "192.0.2.1");
	assert_int_equal(read_as("a.example", DISCOVERY_A), 0);
	assert_int_equal(got.ttl, 0);
	dns_begin_for(&answer, "a.example", DISCOVERY_A, 0);
	dns_a(&answer, "a.example", INT32_MAX, "192.0.2.1");
	assert_int_equal(read_as("a.example", DISCOVERY_A), 0);
	assert_int_equal(got.ttl, INT32_MAX);
}

static void test_negative(void **state)
{
	(void)state;
	dns_begin_for(&answer, SERVICE, DISCOVERY_SRV, 3);
	dns_soa(&answer, "fabrikam.com", 7200, 300);
	assert_int_equal(read_as(SERVICE, DISCOVERY_SRV), 0);
	assert_true(got.negative);
	assert_true(got.proven);
	assert_int_equal(got.rcode, DISCOVERY_NXDOMAIN);
	assert_int_equal(got.ttl, 300);
	dns_begin_for(&answer, SERVICE, DISCOVERY_SRV, 0);
	dns_soa(&answer, "com", 100, 300);
	assert_int_equal(read_as(SERVICE, DISCOVERY_SRV), 0);
	assert_true(got.negative);
	assert_int_equal(got.ttl, 100);
	// A SOA of elsewhere proves nothing, and neither does none.
	dns_begin_for(&answer, SERVICE, DISCOVERY_SRV, 0);
	dns_soa(&answer, "contoso.com", 100, 300);
	assert_int_equal(read_as(SERVICE, DISCOVERY_SRV), 0);
	assert_false(got.proven);
	assert_int_equal(got.ttl, 0);
}

// A name that does not exist has no records, whatever comes with it.
static void test_nxdomain_with_records(void **state)
{
	(void)state;
	dns_begin_for(&answer, "a.example", DISCOVERY_A, 3);
	dns_a(&answer, "a.example", 60, "192.0.2.1");
	assert_int_equal(read_as("a.example", DISCOVERY_A), 0);
	assert_int_equal(got.n_records, 0);
	assert_true(got.negative);
}

static void test_aliases(void **state)
{
	(void)state;
	// In any order.
	dns_begin_for(&answer, "a.example", DISCOVERY_A, 0);
	dns_a(&answer, "c.example", 900, "192.0.2.1");
	dns_cname(&answer, "b.example", 200, "c.example");
	dns_cname(&answer, "a.example", 500, "b.example");
	dns_a(&answer, "a.example", 900, "192.0.2.66");
	assert_int_equal(read_as("a.example", DISCOVERY_A), 0);
	assert_int_equal(got.n_records, 1);
	assert_int_equal(got.aliases, 2);
	assert_int_equal(got.ttl, 200);
	assert_string_equal(got.canonical.text, "c.example");
	assert_int_equal(got.records[0].address.bytes[15], 1);
}

static void test_alias_circles(void **state)
{
	(void)state;
	dns_begin_for(&answer, "a.example", DISCOVERY_A, 0);
	dns_cname(&answer, "a.example", 60, "b.example");
	dns_cname(&answer, "b.example", 60, "a.example");
	assert_int_equal(read_as("a.example", DISCOVERY_A), -EBADMSG);
	dns_begin_for(&answer, "a.example", DISCOVERY_A, 0);
	dns_cname(&answer, "a.example", 60, "a.example");
	assert_int_equal(read_as("a.example", DISCOVERY_A), -EBADMSG);
	dns_begin_for(&answer, "a.example", DISCOVERY_A, 0);
	for (int i = 0; i < 30; i++)
		dns_cname(&answer, "a.example", 60, "b.example");
	assert_int_equal(read_as("a.example", DISCOVERY_A), -EBADMSG);
	dns_begin_for(&answer, "a.example", DISCOVERY_A, 0);
	dns_cname(&answer, "a.example", 60, ".");
	assert_int_equal(read_as("a.example", DISCOVERY_A), -EBADMSG);
}

static void test_other_questions(void **state)
{
	(void)state;
	dns_begin_for(&answer, "a.example", DISCOVERY_A, 0);
	assert_int_equal(read_as("b.example", DISCOVERY_A), -ENOMSG);
	assert_int_equal(read_as("a.example", DISCOVERY_AAAA), -ENOMSG);
	assert_int_equal(read_as("a.example", DISCOVERY_A), 0);
	answer.bytes[answer.n - 1] = 3; // class
	assert_int_equal(read_as("a.example", DISCOVERY_A), -ENOMSG);
}

static void test_no_answers(void **state)
{
	(void)state;
	answer.n = 0;
	assert_int_equal(read_as("a.example", DISCOVERY_A), -EBADMSG);
	dns_begin_for(&answer, "a.example", DISCOVERY_A, 0);
	answer.bytes[2] &= 0x7f; // a question
	assert_int_equal(read_as("a.example", DISCOVERY_A), -EBADMSG);
	dns_begin_for(&answer, "a.example", DISCOVERY_A, 0);
	answer.bytes[2] |= 0x28; // an update
	assert_int_equal(read_as("a.example", DISCOVERY_A), -EBADMSG);
	// Every cut of an answer is no answer.
	dns_begin_for(&answer, SERVICE, DISCOVERY_SRV, 0);
	dns_srv(&answer, SERVICE, 60, 0, 0, 5061, "sip.fabrikam.com");
	dns_opt(&answer, 6, 0);
	const size_t whole = answer.n;

	for (answer.n = 0; answer.n < whole; answer.n++)
		assert_int_equal(read_as(SERVICE, DISCOVERY_SRV), -EBADMSG);
	assert_int_equal(read_as(SERVICE, DISCOVERY_SRV), 0);
	assert_non_null(why == NULL ? "" : why);
}

// A name that points to itself.
static void test_compression_loop(void **state)
{
	(void)state;
	dns_begin_for(&answer, "a.example", DISCOVERY_A, 0);
	dns_a(&answer, "a.example", 60, "192.0.2.1");
	const size_t at = answer.n - 14 - 11;

	answer.bytes[at] = 0xc0;
	answer.bytes[at + 1] = (uint8_t)at;
	memmove(answer.bytes + at + 2, answer.bytes + at + 11, 14);
	answer.n -= 9;
	assert_int_equal(read_as("a.example", DISCOVERY_A), -EBADMSG);
}

static void test_thousands_of_records(void **state)
{
	(void)state;
	dns_begin_for(&answer, "a.example", DISCOVERY_A, 0);
	for (int i = 0; i < 2000; i++)
		dns_a(&answer, "a.example", 60, "192.0.2.1");
	assert_int_equal(read_as("a.example", DISCOVERY_A), 0);
	assert_int_equal(got.n_records, DISCOVERY_RECORDS_MAX);
	assert_int_equal(got.skipped, 2000 - DISCOVERY_RECORDS_MAX);
}

static void test_extended_errors(void **state)
{
	(void)state;
	dns_begin_for(&answer, SERVICE, DISCOVERY_SRV, 2);
	dns_opt(&answer, 6, 0);
	assert_int_equal(read_as(SERVICE, DISCOVERY_SRV), 0);
	assert_true(got.bogus);
	assert_int_equal(got.extended, 6);
	dns_begin_for(&answer, SERVICE, DISCOVERY_SRV, 2);
	dns_opt(&answer, -1, 0);
	assert_int_equal(read_as(SERVICE, DISCOVERY_SRV), 0);
	assert_false(got.bogus);
	assert_int_equal(got.extended, -1);
	dns_begin_for(&answer, SERVICE, DISCOVERY_SRV, 2);
	dns_opt(&answer, 22, 0);
	assert_int_equal(read_as(SERVICE, DISCOVERY_SRV), 0);
	assert_false(got.bogus);
	// What a resolver answers in spite of it is answered.
	dns_begin_for(&answer, SERVICE, DISCOVERY_SRV, 0);
	dns_srv(&answer, SERVICE, 60, 0, 0, 5061, "sip.fabrikam.com");
	dns_opt(&answer, 6, 0);
	assert_int_equal(read_as(SERVICE, DISCOVERY_SRV), 0);
	assert_false(got.bogus);
	assert_int_equal(got.n_records, 1);
	// BADVERS is 16.
	dns_begin_for(&answer, SERVICE, DISCOVERY_SRV, 0);
	dns_opt(&answer, -1, 1);
	assert_int_equal(read_as(SERVICE, DISCOVERY_SRV), 0);
	assert_int_equal(got.rcode, 16);
	// An option that is longer than its record.
	dns_begin_for(&answer, SERVICE, DISCOVERY_SRV, 2);
	dns_raw(&answer, 3, ".", 41, 1232, 0, "\0\17\0\11\0\6", 6);
	assert_int_equal(read_as(SERVICE, DISCOVERY_SRV), 0);
	assert_int_equal(got.extended, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_question),
		cmocka_unit_test(test_longest_name_fits),
		cmocka_unit_test(test_service),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_strange_records),
		cmocka_unit_test(test_no_service),
		cmocka_unit_test(test_ttls),
		cmocka_unit_test(test_negative),
		cmocka_unit_test(test_nxdomain_with_records),
		cmocka_unit_test(test_aliases),
		cmocka_unit_test(test_alias_circles),
		cmocka_unit_test(test_other_questions),
		cmocka_unit_test(test_no_answers),
		cmocka_unit_test(test_compression_loop),
		cmocka_unit_test(test_thousands_of_records),
		cmocka_unit_test(test_extended_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
