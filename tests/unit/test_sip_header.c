// SPDX-License-Identifier: BSD-2-Clause
// Names of headers and methods, and the vector forms of what looks at characters.

#include "sip/private.h"
#include "sip_try.h"

#include <ctype.h>

static const struct {
	const char *name;
	char compact;
	bool once;
} known[] = {
#define X(slot, enumerator, name, compact, often) {name, compact, (often) == SIP_ONCE},
	SIP_HEADERS(X)
#undef X
};

static const char *const methods[] = {
#define X(name) #name,
	SIP_METHODS(X)
#undef X
};

static enum sip_header find(const char *name)
{
	const uint8_t *p = (const uint8_t *)name;

	return sip_header_find(p, (uint32_t)strlen(name), p + strlen(name));
}

static void test_names(void **state)
{
	(void)state;
	char name[64];

	for (unsigned i = 0; i < SIP_HEADERS_KNOWN; i++) {
		strcpy(name, known[i].name);
		assert_int_equal(find(name), i);
		for (char *c = name; *c; c++)
			*c = (char)toupper(*c);
		assert_int_equal(find(name), i);
		for (char *c = name; *c; c++)
			*c = (char)tolower(*c);
		assert_int_equal(find(name), i);
		// A byte more, a byte less, another byte anywhere: another name.
		const size_t n = strlen(name);

		strcat(name, "s");
		assert_int_equal(find(name), SIP_HEADER_OTHER);
		name[n] = '\0';
		for (size_t k = 0; k < n; k++) {
			const char c = name[k];

			name[k] = c == 'q' ? 'z' : 'q';
			if (n > 1)
				assert_int_equal(find(name), SIP_HEADER_OTHER);
			name[k] = c;
		}
		if (n > 2) {
			name[n - 1] = '\0';
			assert_int_equal(find(name), SIP_HEADER_OTHER);
		}
		assert_string_equal(sip_header_name(i), known[i].name);
		assert_int_equal(sip_headers_once >> i & 1, known[i].once);
	}
	assert_int_equal(find("*"), SIP_HEADER_OTHER);
	assert_int_equal(find("Subject2"), SIP_HEADER_OTHER);
}

static void test_compact(void **state)
{
	(void)state;
	for (char c = 'a'; c <= 'z'; c++) {
		enum sip_header expected = SIP_HEADER_OTHER;
		const char lower[] = {c, '\0'};
		const char upper[] = {(char)toupper(c), '\0'};

		for (unsigned i = 0; i < SIP_HEADERS_KNOWN; i++)
			if (known[i].compact == c)
				expected = i;
		assert_int_equal(find(lower), expected);
		assert_int_equal(find(upper), expected);
	}
}

static void test_methods(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SIP_METHOD_OTHER; i++) {
		const uint8_t *p = (const uint8_t *)methods[i];
		const uint32_t n = (uint32_t)strlen(methods[i]);

		assert_int_equal(sip_method_find(p, n, p + n), i);
		assert_int_equal(sip_method_find(p, n - 1, p + n), SIP_METHOD_OTHER);
	}
	const uint8_t *p = (const uint8_t *)"message";

	assert_int_equal(sip_method_find(p, 7, p + 7), SIP_METHOD_OTHER);
	p = (const uint8_t *)"SUBSCRIBED";
	assert_int_equal(sip_method_find(p, 10, p + 10), SIP_METHOD_OTHER);
	p = (const uint8_t *)"SUBSCRIBX";
	assert_int_equal(sip_method_find(p, 9, p + 9), SIP_METHOD_OTHER);
}

static const struct sip_set *const sets[] = {
	&sip_set_token,
	&sip_set_word,
	&sip_set_display,
	&sip_set_digit,
	&sip_set_user,
	&sip_set_user_bare,
	&sip_set_password,
	&sip_set_password_bare,
	&sip_set_host,
	&sip_set_v6,
	&sip_set_uri_parameter,
	&sip_set_uri_headers,
	&sip_set_opaque,
	&sip_set_opaque_bare,
	&sip_set_value,
	&sip_set_quote,
};

#define N_SETS (sizeof(sets) / sizeof(sets[0]))

// The sets say what the grammar says, character by character.
static void test_sets(void **state)
{
	(void)state;
	static const char *const grammar[N_SETS] = {
		[0] = "-.!%*_+`'~",
		[1] = "-.!%*_+`'~()<>:\\\"/[]?{}",
		[2] = "-.!%*_+`'~ \t\r\n",
		[4] = "-_.!~*'()&=+$,;?/",
		[5] = "-_.!~*'()&=+$/",
		[6] = "-_.!~*'()&=+$,",
		[7] = "-_.!~*'()&=+$",
		[8] = "-._",
		[10] = "-_.!~*'()[]/:&+$",
		[14] = "-.!%*_+`'~[]:",
	};

	for (unsigned i = 0; i < N_SETS; i++)
		for (unsigned c = 0; grammar[i] && c < 256; c++)
			assert_int_equal(sip_set_has(sets[i], (uint8_t)c),
				c < 128 && c && (isalnum((int)c) || strchr(grammar[i], (int)c)));
	for (unsigned c = 0; c < 256; c++) {
		assert_int_equal(sip_set_has(&sip_set_digit, (uint8_t)c), c >= '0' && c <= '9');
		assert_int_equal(sip_set_has(&sip_set_quote, (uint8_t)c), c == '"' || c == '\\');
		assert_int_equal(sip_set_has(&sip_set_v6, (uint8_t)c),
			c < 128 && (isxdigit((int)c) || c == ':' || c == '.'));
	}
}

#if SIP_VECTOR

static uint64_t seed = 1;

static uint32_t draw(uint32_t below)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(seed >> 33) % below;
}

// Texts of members with strangers strewn in, at every distance from the end of what may be read.
static void test_sets_vector(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 200000; round++) {
		const struct sip_set *s = sets[draw(N_SETS)];
		const uint32_t length = draw(50), beyond = draw(30);
		uint8_t *text = malloc(length + beyond + 1);

		assert_non_null(text);
		for (uint32_t i = 0; i < length + beyond; i++)
			text[i] = draw(8) ? (uint8_t) "aA09-.bcz:"[draw(10)] : (uint8_t)draw(256);
		const uint8_t *end = text + length, *bound = end + beyond;
		const uint8_t *from = text + (length ? draw(length) : 0);

		assert_ptr_equal(
			sip_set_skip_vector(s, from, end, bound), sip_set_skip_plain(s, from, end));
		assert_ptr_equal(
			sip_set_find_vector(s, from, end, bound), sip_set_find_plain(s, from, end));
		free(text);
	}
}

static void check_scan(sip_scan *scan, const uint8_t *text, uint32_t length)
{
	static uint16_t plain[SIP_CONTROLS_MAX + 64], vector[SIP_CONTROLS_MAX + 64];
	uint32_t n = sip_scan_plain(text, length, plain);
	const uint32_t n_vector = scan(text, length, vector);

	// A vector form finishes its block.
	assert_true(n_vector >= n && n_vector <= n + 63);
	assert_memory_equal(plain, vector, n * sizeof(plain[0]));
}

static void test_scan_vector(void **state)
{
	(void)state;
	const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi");

	for (unsigned round = 0; round < 20000; round++) {
		const uint32_t length = draw(round % 100 ? 400 : 20000);
		uint8_t *text = malloc(length + 1);

		assert_non_null(text);
		const uint32_t density = 1 + draw(40);

		for (uint32_t i = 0; i < length; i++)
			text[i] = (uint8_t)(draw(density) ? 'a' + draw(26) : draw(256));
		if (length > 8 && draw(2))
			memcpy(text + draw(length - 4), "\r\n\r\n", 4);
		check_scan(sip_scan_sse, text, length);
		if (avx2)
			check_scan(sip_scan_avx2, text, length);
		free(text);
	}
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_compact),
		cmocka_unit_test(test_methods),
		cmocka_unit_test(test_sets),
#if SIP_VECTOR
		cmocka_unit_test(test_sets_vector),
		cmocka_unit_test(test_scan_vector),
#endif
	};
	return cmocka_run_group_tests_name("sip_header", tests, NULL, NULL);
}
