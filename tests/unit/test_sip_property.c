// SPDX-License-Identifier: BSD-2-Clause
// What holds for every stream: any pieces give the same result, and what is written back reads as
// it was meant. On generated messages and on their mutations; the fuzzer goes further.

#include "sip_stream.h"

// cmocka.h needs the four before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

static uint64_t seed = 7;

static uint32_t draw(uint32_t below)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(seed >> 33) % below;
}

#define DRAW(list) list[draw(sizeof(list) / sizeof(list[0]))]

static const char *const starts[] = {"MESSAGE sip:bob@contoso.com SIP/2.0",
	"INVITE sips:b;x=y@[2001:db8::1]:5061;transport=tls SIP/2.0", "SIP/2.0 200 OK",
	"SIP/2.0 486 Busy \xc3\xa4", "X-NEW tel:+1555;ext=1 SIP/2.0"};
static const char *const methods[] = {"MESSAGE", "INVITE", "MESSAGE", "BYE", "X-NEW"};
static const char *const vias[] = {"Via: SIP/2.0/TLS a.example;branch=1",
	"v: SIP/2.0/TLS a.example, SIP/2.0/TCP [::1]:5;received=::2\r\nVia : SIP / 2.0 / UDP b",
	"Via: SIP/2.0/TLS a.example;x=\"a,b\"\r\n ;rport"};
static const char *const froms[] = {"From: <sip:alice@fabrikam.com>;tag=1",
	"f : \"A \\\" B\"\r\n <sip:a@B.Example.>\r\n\t;tag=1", "From: Alice <sip:192.0.2.1>",
	"From: sip:a@b.example;tag=x"};
static const char *const tos[] = {"To: <sip:bob@contoso.com>", "t:\r\n sip:bob@contoso.com;tag=2",
	"To: \"\xe5\xad\x97\" <tel:+1555>"};
static const char *const extras[] = {"Max-Forwards: 70\r\n", "Max-Forwards : 0\r\n",
	"Route: <sip:a.example;lr>, <sip:b.example>\r\n", "Record-Route: <sip:c.example>\r\n",
	"P-Asserted-Identity: <sip:a@b.example>,\r\n <tel:+1>\r\n", "Contact: *\r\n",
	"X-Unknown: a\r\n  folded \t\r\n  twice\r\n", "s:\r\n", "Subject2:x\r\n", "", ""};

// A message that is good more often than not.
static size_t generate(char *to)
{
	const unsigned kind = draw(5);
	char headers[6][200];
	unsigned order[6] = {0, 1, 2, 3, 4, 5};
	size_t n = (size_t)sprintf(to, "%s\r\n", starts[kind]);
	const unsigned body = draw(4) ? draw(40) : 0;

	snprintf(headers[0], 200, "%s\r\n", DRAW(vias));
	snprintf(headers[1], 200, "%s\r\n", DRAW(froms));
	snprintf(headers[2], 200, "%s\r\n", DRAW(tos));
	snprintf(headers[3], 200, "Call-ID: %u@x\r\n", draw(1000));
	snprintf(headers[4], 200, "CSeq: %u%s%s\r\n", draw(100000), draw(8) ? " " : "\r\n ",
		methods[kind]);
	snprintf(headers[5], 200, "%s%s", DRAW(extras), DRAW(extras));
	for (unsigned i = 5; i > 0; i--) {
		const unsigned k = draw(i + 1), kept = order[i];

		order[i] = order[k];
		order[k] = kept;
	}
	for (unsigned i = 0; i < 6; i++)
		n += (size_t)sprintf(to + n, "%s", headers[order[i]]);
	n += (size_t)sprintf(to + n, "%s: %u\r\n\r\n", draw(2) ? "l" : "Content-Length", body);
	for (unsigned i = 0; i < body; i++)
		to[n++] = "ab\r\n: \t\0"[draw(8)];
	return n;
}

static void mutate(char *text, size_t *length)
{
	static const char strange[] = "\r\n\t :;,<>@\"\\%()[]\0\x7f\x80/=?*";

	for (unsigned i = 0; i < 1 + draw(3); i++) {
		const size_t at = draw((uint32_t)*length);

		switch (draw(3)) {
		case 0:
			text[at] = strange[draw(sizeof(strange) - 1)];
			break;
		case 1:
			memmove(text + at + 1, text + at, *length - at);
			text[at] = strange[draw(sizeof(strange) - 1)];
			++*length;
			break;
		default:
			memmove(text + at, text + at + 1, *length - at - 1);
			--*length;
			break;
		}
	}
}

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

static void check(const char *text, size_t length, bool every_cut)
{
	const uint8_t *bytes = (const uint8_t *)text;

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
