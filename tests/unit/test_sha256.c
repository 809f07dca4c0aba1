// SPDX-License-Identifier: BSD-2-Clause
// SHA-256 against the examples of FIPS 180-4, and around the ends of its blocks against OpenSSL.

#include "base/sha256.h"

#include <openssl/sha.h>

// cmocka.h needs the four before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

static void test_example(void **state)
{
	static const uint8_t abc[BASE_SHA256_SIZE] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf,
		0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96,
		0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
	uint8_t out[BASE_SHA256_SIZE];

	(void)state;
	base_sha256("abc", 3, out);
	assert_memory_equal(out, abc, sizeof(abc));
}

static void test_every_length(void **state)
{
	uint8_t data[300], ours[BASE_SHA256_SIZE], theirs[BASE_SHA256_SIZE];

	(void)state;
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + 1);
	for (size_t n = 0; n <= sizeof(data); n++) {
		base_sha256(data, n, ours);
		SHA256(data, n, theirs);
		assert_memory_equal(ours, theirs, sizeof(ours));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_example),
		cmocka_unit_test(test_every_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
