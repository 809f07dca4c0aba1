// SPDX-License-Identifier: BSD-2-Clause
// The reader of first bytes: hellos as libraries write them (tests/fuzz/corpus/hello), whole, a byte at a
// time and in every two pieces, and what only looks like one.

#include "relay/hello.h"

// cmocka.h needs the four before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define CORPUS       "tests/fuzz/corpus/hello/"

struct row {
	const char *file;
	enum relay_hello_state state;
	unsigned kind; // enum postern_hello; of BAD: enum relay_hello_fault
	uint16_t version;
	const char *name;
	const char *ja4; // NULL: only that there is one, or none
};

// What openssl, gnutls-cli and curl of Debian 12 sent; of Chrome the extensions that FoxIO's published
// fingerprint was made from. Windows' of TLS 1.0 are those of Schannel's lists of ciphers.
static const struct row rows[] = {
	{"openssl-tls13", RELAY_HELLO_READ, POSTERN_HELLO_TLS, POSTERN_TLS13, "sip.contoso.com",
		NULL},
	{"openssl-tls12", RELAY_HELLO_READ, POSTERN_HELLO_TLS, POSTERN_TLS12, "sip.fabrikam.com",
		NULL},
	{"openssl-tls11", RELAY_HELLO_READ, POSTERN_HELLO_TLS, POSTERN_TLS11, "sip.contoso.com",
		NULL},
	{"openssl-tls10", RELAY_HELLO_READ, POSTERN_HELLO_TLS, POSTERN_TLS10, "sip.contoso.com",
		NULL},
	{"openssl-noname", RELAY_HELLO_READ, POSTERN_HELLO_TLS, POSTERN_TLS13, "", NULL},
	{"openssl-records", RELAY_HELLO_READ, POSTERN_HELLO_TLS, POSTERN_TLS13, "sip.contoso.com",
		NULL},
	{"gnutls-tls13", RELAY_HELLO_READ, POSTERN_HELLO_TLS, POSTERN_TLS13, "sip.contoso.com",
		NULL},
	{"gnutls-tls12", RELAY_HELLO_READ, POSTERN_HELLO_TLS, POSTERN_TLS12, "sip.contoso.com",
		NULL},
	{"gnutls-tls10", RELAY_HELLO_READ, POSTERN_HELLO_TLS, POSTERN_TLS10, "sip.contoso.com",
		NULL},
	{"curl", RELAY_HELLO_READ, POSTERN_HELLO_TLS, POSTERN_TLS13, "sip.contoso.com", NULL},
	{"ocs-tls10", RELAY_HELLO_READ, POSTERN_HELLO_TLS, POSTERN_TLS10, "", NULL},
	{"lync-tls10", RELAY_HELLO_READ, POSTERN_HELLO_TLS, POSTERN_TLS10, "sip.contoso.com", NULL},
	{"chrome", RELAY_HELLO_READ, POSTERN_HELLO_TLS, POSTERN_TLS13, "sip.contoso.com",
		"t13d1516h2_8daaf6152771_e5627efa2ab1"},
	{"post-quantum", RELAY_HELLO_READ, POSTERN_HELLO_TLS, POSTERN_TLS13, "sip.contoso.com",
		"t13d1516h2_8daaf6152771_e5627efa2ab1"},
	{"post-quantum-records", RELAY_HELLO_READ, POSTERN_HELLO_TLS, POSTERN_TLS13,
		"sip.contoso.com", "t13d1516h2_8daaf6152771_e5627efa2ab1"},
	{"sslv2", RELAY_HELLO_READ, POSTERN_HELLO_SSLV2, POSTERN_TLS10, "", ""},
	{"sip", RELAY_HELLO_READ, POSTERN_HELLO_SIP, 0, "", ""},
	{"http", RELAY_HELLO_READ, POSTERN_HELLO_HTTP, 0, "", ""},
	{"ssh", RELAY_HELLO_READ, POSTERN_HELLO_SSH, 0, "", ""},
	{"alert", RELAY_HELLO_READ, POSTERN_HELLO_OTHER, 0, "", ""},
	{"lying-extension", RELAY_HELLO_BAD, RELAY_HELLO_MALFORMED, POSTERN_TLS12, "", NULL},
	{"two-names", RELAY_HELLO_BAD, RELAY_HELLO_MALFORMED, POSTERN_TLS12, "a.com", NULL},
	{"trailing-dot", RELAY_HELLO_BAD, RELAY_HELLO_NAME, POSTERN_TLS12, "", NULL},
	{"long", RELAY_HELLO_BAD, RELAY_HELLO_TOO_LONG, 0, "", NULL},
};

static size_t load(const char *name, uint8_t *to, size_t size)
{
	char path[128];

	snprintf(path, sizeof(path), CORPUS "%s", name);
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	const size_t n = fread(to, 1, size, f);
	fclose(f);
	return n;
}

static void check(const struct row *r, enum relay_hello_state state, struct relay_hello *h)
{
	if (state != r->state)
		fail_msg("%s: state %d", r->file, state);
	if (state == RELAY_HELLO_BAD) {
		assert_int_equal(h->fault, r->kind);
		return;
	}
	assert_int_equal(h->kind, r->kind);
	assert_int_equal(h->version, r->version);
	assert_string_equal(h->name, r->name);
	assert_int_equal(h->name_length, strlen(r->name));
	relay_ja4(h);
	if (r->ja4)
		assert_string_equal(h->ja4, r->ja4);
	else
		assert_int_equal(strlen(h->ja4), 36);
}

static void test_whole(void **state)
{
	static uint8_t bytes[4096];
	static struct relay_hello h;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const size_t n = load(rows[i].file, bytes, sizeof(bytes));
		const struct iovec iov = {bytes, n};

		check(&rows[i], relay_hello_read(&iov, 1, false, &h), &h);
	}
}

// More is asked for until the last byte has come, and never more than has to come.
static void test_byte_by_byte(void **state)
{
	static uint8_t bytes[4096];
	static struct relay_hello h;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const size_t n = load(rows[i].file, bytes, sizeof(bytes));
		enum relay_hello_state got = RELAY_HELLO_MORE;
		size_t need = 1;

		for (size_t there = 1; there <= n && got == RELAY_HELLO_MORE; there++) {
			const struct iovec iov = {bytes, there};

			if (there < need)
				continue;
			got = relay_hello_read(&iov, 1, false, &h);
			if (got != RELAY_HELLO_MORE)
				break;
			assert_true(h.need > there);
			assert_true(h.need <= n);
			need = h.need;
		}
		check(&rows[i], got, &h);
	}
}

static void test_two_pieces(void **state)
{
	static uint8_t bytes[4096];
	static struct relay_hello h;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const size_t n = load(rows[i].file, bytes, sizeof(bytes));

		for (size_t at = 1; at < n; at++) {
			const struct iovec iov[] = {{bytes, at}, {bytes + at, n - at}};

			check(&rows[i], relay_hello_read(iov, 2, false, &h), &h);
		}
	}
}

// What never comes whole gets the best name there is.
static void test_last(void **state)
{
	static struct relay_hello h;
	uint8_t bytes[4096];

	(void)state;
	assert_int_equal(relay_hello_read(NULL, 0, false, &h), RELAY_HELLO_MORE);
	assert_int_equal(relay_hello_read(NULL, 0, true, &h), RELAY_HELLO_READ);
	assert_int_equal(h.kind, POSTERN_HELLO_SILENT);
	const struct iovec text = {(void *)(uintptr_t) "hello", 5};

	assert_int_equal(relay_hello_read(&text, 1, false, &h), RELAY_HELLO_MORE);
	assert_int_equal(relay_hello_read(&text, 1, true, &h), RELAY_HELLO_READ);
	assert_int_equal(h.kind, POSTERN_HELLO_TEXT);
	const size_t n = load("openssl-tls13", bytes, sizeof(bytes));
	const struct iovec half = {bytes, n - 1};

	assert_int_equal(relay_hello_read(&half, 1, true, &h), RELAY_HELLO_BAD);
	assert_int_equal(h.fault, RELAY_HELLO_MALFORMED);
}

static void test_xmpp(void **state)
{
	static struct relay_hello h;
	uint8_t bytes[4096];
	const size_t n = load("xmpp", bytes, sizeof(bytes));
	const struct iovec iov = {bytes, n};

	(void)state;
	assert_int_equal(relay_hello_read(&iov, 1, true, &h), RELAY_HELLO_READ);
	assert_int_equal(h.kind, POSTERN_HELLO_XMPP);
}

// A record may hold up to 16 KB, a hello as well, and its records have a bound.
static void test_bounds(void **state)
{
	static uint8_t bytes[8 * RELAY_HELLO_MAX];
	static struct relay_hello h;
	size_t at = 0;

	(void)state;
	for (unsigned i = 0; i <= RELAY_HELLO_RECORDS; i++) {
		const uint8_t record[] = {22, 3, 1, 0, 1, i == 0 ? 1 : i == 2 ? 1 : 0};

		memcpy(bytes + at, record, sizeof(record));
		at += sizeof(record);
	}
	const struct iovec many = {bytes, at};

	assert_int_equal(relay_hello_read(&many, 1, false, &h), RELAY_HELLO_BAD);
	assert_int_equal(h.fault, RELAY_HELLO_TOO_LONG);
	// An alert between two records of one hello, and a record without bytes.
	memcpy(bytes, (uint8_t[]){22, 3, 1, 0, 1, 1, 21, 3, 1, 0, 2, 2, 40}, 13);
	const struct iovec alert = {bytes, 13};

	assert_int_equal(relay_hello_read(&alert, 1, false, &h), RELAY_HELLO_BAD);
	memcpy(bytes, (uint8_t[]){22, 3, 1, 0, 0}, 5);
	const struct iovec empty = {bytes, 5};

	assert_int_equal(relay_hello_read(&empty, 1, false, &h), RELAY_HELLO_BAD);
	assert_int_equal(h.fault, RELAY_HELLO_MALFORMED);
}

static void test_alpn(void **state)
{
	static struct relay_hello h;
	uint8_t bytes[4096];
	const size_t n = load("openssl-tls13", bytes, sizeof(bytes));
	const struct iovec iov = {bytes, n};

	(void)state;
	assert_int_equal(relay_hello_read(&iov, 1, true, &h), RELAY_HELLO_READ);
	assert_true(relay_hello_offers(&h, "sip", 3));
	assert_true(relay_hello_offers(&h, "h2", 2));
	assert_false(relay_hello_offers(&h, "si", 2));
	assert_false(relay_hello_offers(&h, "http/1.1", 8));
}

// What is taken from TLS 1.0, which has no extension for it, from a list that is all GREASE, and twice.
static void test_odd_hellos(void **state)
{
	static struct relay_hello h;
	static uint8_t bytes[256];
	// version, random, no session, one cipher, one compression, extensions
	static const uint8_t grease[] = {0x00, 0x2b, 0x00, 0x03, 0x02, 0x0a, 0x0a};
	static const uint8_t twice[] = {0x00, 0x10, 0x00, 0x04, 0x00, 0x02, 0x01, 'a', 0x00, 0x10,
		0x00, 0x04, 0x00, 0x02, 0x01, 'b'};
	const struct {
		const uint8_t *extensions;
		size_t length;
		enum relay_hello_state state;
	} odd[] = {{grease, sizeof(grease), RELAY_HELLO_READ},
		{twice, sizeof(twice), RELAY_HELLO_BAD},
		{twice, sizeof(twice) / 2, RELAY_HELLO_READ}, {NULL, 0, RELAY_HELLO_READ}};

	(void)state;
	for (size_t i = 0; i < COUNT(odd); i++) {
		const size_t body = 2 + 32 + 1 + 4 + 2 + 2 + odd[i].length;
		uint8_t *at = bytes + 9;

		memset(bytes, 0, sizeof(bytes));
		memcpy(bytes, (uint8_t[]){22, 3, 1, 0, (uint8_t)(body + 4), 1, 0, 0, (uint8_t)body},
			9);
		memcpy(at, (uint8_t[]){3, 3}, 2);
		memcpy(at + 34, (uint8_t[]){0, 0, 2, 0x13, 0x01, 1, 0}, 7);
		at[42] = (uint8_t)odd[i].length;
		if (odd[i].length > 0)
			memcpy(at + 43, odd[i].extensions, odd[i].length);
		const struct iovec iov = {bytes, body + 9};

		assert_int_equal(relay_hello_read(&iov, 1, false, &h), odd[i].state);
		assert_int_equal(h.version, POSTERN_TLS12);
	}
	relay_ja4(&h);
	assert_string_equal(h.ja4, "t12i010000_0f2cb44170f4_000000000000");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_byte_by_byte),
		cmocka_unit_test(test_two_pieces),
		cmocka_unit_test(test_last),
		cmocka_unit_test(test_xmpp),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_alpn),
		cmocka_unit_test(test_odd_hellos),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
