// SPDX-License-Identifier: BSD-2-Clause
// What holds for every stream: any pieces give the same result, and what is written back reads as
// it was meant. On generated messages and on their mutations; the fuzzer goes further.

#include "sip_generate.h"
#include "sip_ordinary.h"
#include "sip_stream.h"

// cmocka.h needs the four before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

static size_t step_one(void *arg, size_t come)
{
	(void)arg;
	(void)come;
	return 1;
}

static size_t step_drawn(void *arg, size_t come)
{
	(void)arg;
	(void)come;
	return 1 + draw(200);
}

// Cuts once, at *arg.
static size_t step_once(void *arg, size_t come)
{
	const size_t at = *(size_t *)arg;

	return come < at ? at - come : SIZE_MAX;
}

static struct stream_events whole, pieces;
static unsigned ordinary; // how many went the short way of indexing

static void check(const char *text, size_t length, bool every_cut)
{
	const uint8_t *bytes = (const uint8_t *)text;

	ordinary += ordinary_check(bytes, length, &stream_limits);
	stream_read(bytes, length, stream_all_at_once, NULL, stream_visit_write, &whole);
	stream_read(bytes, length, step_drawn, NULL, NULL, &pieces);
	STREAM_CHECK(stream_same(&whole, &pieces));
	if (!every_cut)
		return;
	stream_read(bytes, length, step_one, NULL, NULL, &pieces);
	STREAM_CHECK(stream_same(&whole, &pieces));
	for (size_t at = 1; at < length; at++) {
		stream_read(bytes, length, step_once, &at, NULL, &pieces);
		STREAM_CHECK(stream_same(&whole, &pieces));
	}
}

static bool is_good(const struct stream_events *e)
{
	for (unsigned i = 0; i < e->n; i++)
		if (e->list[i].event == SIP_FRAME_MESSAGE && e->list[i].fault.error == SIP_OK)
			return true;
	return false;
}

static void test_generated(void **state)
{
	(void)state;
	static char text[20000];
	unsigned good = 0;

	for (unsigned round = 0; round < 3000; round++) {
		size_t n = 0;

		for (unsigned i = 0; i < 1 + draw(3); i++) {
			n += generate(text + n);
			if (draw(4) == 0)
				n += (size_t)sprintf(text + n, "\r\n%s", draw(2) ? "\r\n" : "");
		}
		check(text, n, round % 50 == 0);
		good += is_good(&whole);
	}
	// The generator is worth something only if most of what it makes is good.
	assert_true(good > 1500);
	assert_true(!SIP_VECTOR || ordinary > 200);
}

static void test_mutated(void **state)
{
	(void)state;
	static char text[20000];
	unsigned good = 0;

	for (unsigned round = 0; round < 20000; round++) {
		size_t n = generate(text);

		n += generate(text + n);
		mutate(text, &n);
		check(text, n, round % 200 == 0);
		good += is_good(&whole);
	}
	assert_true(good > 2000 && good < 19000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_generated),
		cmocka_unit_test(test_mutated),
	};
	return cmocka_run_group_tests_name("sip_property", tests, NULL, NULL);
}
