// SPDX-License-Identifier: BSD-2-Clause
// The reader of answers to a probe's OPTIONS, with no socket: what it takes, what it refuses and in
// which words, in whole and in pieces of every size.

#include "control/pool/sip_answer.h"

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

// What every answer must have, and what ends it.
#define IDS  "Via: SIP/2.0/TCP 10.0.0.2:1;branch=z9hG4bK1\r\nCall-ID: abc\r\nCSeq: 1 OPTIONS\r\n"
#define ZERO "Content-Length: 0\r\n\r\n"
#define OK   "SIP/2.0 200 OK\r\n" IDS ZERO

struct row {
	const char *text;
	enum sip_answer_state state;
	const char *words;
};

static struct sip_answer *read_in_pieces(const char *text, size_t length, size_t piece)
{
	static struct sip_answer a;
	sip_answer_begin(&a, "abc", 1);
	for (size_t at = 0; at < length && a.state == SIP_ANSWER_MORE; at += piece)
		sip_answer_take(&a, text + at, length - at < piece ? length - at : piece);
	return &a;
}

static void check(const struct row *r)
{
	char lacks[96];
	const size_t pieces[] = {SIZE_MAX, 1, 2, 3, 7, 64};
	for (size_t i = 0; i < COUNT(pieces); i++) {
		size_t length = strlen(r->text);
		const struct sip_answer *a = read_in_pieces(
			r->text, length, pieces[i] < length ? pieces[i] : length + 1);
		sip_answer_lacks(a, lacks, sizeof(lacks));
		const char *words = a->state == SIP_ANSWER_MORE ? lacks : a->text;
		if (a->state != r->state || strcmp(words, r->words) != 0)
			fail_msg("%s: %d, \"%s\"", r->text, a->state, words);
	}
}

static void test_answers(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{OK, SIP_ANSWER_FINAL, "200 OK"},
		{OK "rubbish", SIP_ANSWER_FINAL, "200 OK"},
		{"\r\n\r\n" OK, SIP_ANSWER_FINAL, "200 OK"},
		{"sip/2.0 503 Service Unavailable\r\n" IDS ZERO, SIP_ANSWER_FINAL,
			"503 Service Unavailable"},
		{"SIP/2.0 699 \r\n" IDS ZERO, SIP_ANSWER_FINAL, "699"},
		{"SIP/2.0 404 Nicht verf\xc3\xbcgbar\r\n" IDS ZERO, SIP_ANSWER_FINAL,
			"404 Nicht verf??gbar"},
		{"SIP/2.0 200 OK\r\n" IDS "Content-Length: 5\r\n\r\nv=0\r\n", SIP_ANSWER_FINAL,
			"200 OK"},
		{"SIP/2.0 200 OK\r\nI:abc\r\ncseq:1\tOPTIONS\r\nl : 0000000000\r\n\r\n",
			SIP_ANSWER_FINAL, "200 OK"},
		{"SIP/2.0 200 OK\r\nCall-ID:\r\n abc\r\nCSeq: 1\r\n\tOPTIONS \r\nX: a\r\n "
		 "b\r\n" ZERO,
			SIP_ANSWER_FINAL, "200 OK"},
		{"SIP/2.0 100 Trying\r\n" IDS ZERO OK, SIP_ANSWER_FINAL, "200 OK"},
		{"SIP/2.0 183 Soon\r\n" IDS "l: 3\r\n\r\nabc\r\n" OK, SIP_ANSWER_FINAL, "200 OK"},
		{"NEGOTIATE sip:127.0.0.1:5061 SIP/2.0\r\nCSeq: 7 NEGOTIATE\r\nCall-ID: x\r\n"
		 "l: 2\r\n\r\nab" OK,
			SIP_ANSWER_FINAL, "200 OK"},
	};
	for (size_t i = 0; i < COUNT(rows); i++)
		check(&rows[i]);
}

static void test_not_sip(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"220 mail.contoso.com ESMTP\r\n",
		"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
		"SIP/2.0 200\r\n" IDS ZERO,
		"SIP/2.0 2000 OK\r\n" IDS ZERO,
		"SIP/2.0 099 OK\r\n" IDS ZERO,
		"SIP/2.0 700 OK\r\n" IDS ZERO,
		"SIP/2.0 20x OK\r\n" IDS ZERO,
		"SIP/3.0 200 OK\r\n" IDS ZERO,
		"SIP/2.0  200 OK\r\n" IDS ZERO,
		"SIP/2.0 200 OK\n",
		"SIP/2.0 200 OK\r\nCall-ID: abc\rCSeq",
		"SIP/2.0 200 OK\r\nCall-ID: a\x01",
		"\x15\x03\x03", // a TLS alert
		" SIP/2.0 200 OK\r\n",
		"OPTIONS  SIP/2.0\r\n",
		"OPTIONS a b SIP/2.0\r\n",
		"SIP/2.0\r\n",
	};
	for (size_t i = 0; i < COUNT(texts); i++)
		check(&(struct row){texts[i], SIP_ANSWER_WRONG, "answer is not SIP"});
	const struct sip_answer *a = read_in_pieces("SIP/2.0 200 OK\0", 15, 15);
	assert_int_equal(a->state, SIP_ANSWER_WRONG);
}

static void test_wrong_headers(void **state)
{
	(void)state;
	static const struct {
		const char *headers, *words;
	} rows[] = {
		{"Call-ID: abcd\r\nCSeq: 1 OPTIONS\r\n" ZERO,
			"answer is to another request (Call-ID)"},
		{"Call-ID: ABC\r\nCSeq: 1 OPTIONS\r\n" ZERO,
			"answer is to another request (Call-ID)"},
		{"Call-ID: abc\r\nCSeq: 2 OPTIONS\r\n" ZERO, "answer is to another request (CSeq)"},
		{"Call-ID: abc\r\nCSeq: 1 INVITE\r\n" ZERO, "answer is to another request (CSeq)"},
		{"Call-ID: abc\r\nCSeq: 1OPTIONS\r\n" ZERO, "answer is to another request (CSeq)"},
		{"Call-ID: abc\r\nCSeq: 4294967297 OPTIONS\r\n" ZERO,
			"answer is to another request (CSeq)"},
		{"Call-ID: abc\r\nCSeq:\r\n" ZERO, "answer is to another request (CSeq)"},
		{"CSeq: 1 OPTIONS\r\n" ZERO, "answer has no Call-ID"},
		{"Call-ID: abc\r\n" ZERO, "answer has no CSeq"},
		{IDS "Call-ID: abc\r\n" ZERO, "answer has more than one Call-ID"},
		{IDS "CSeq: 1 OPTIONS\r\n" ZERO, "answer has more than one CSeq"},
		{IDS "\r\n", "answer has no Content-Length"},
		{"\r\n", "answer has no Content-Length"},
		{IDS "l: 0\r\n" ZERO, "answer has more than one Content-Length"},
		{IDS "l: -1\r\n\r\n", "answer has a Content-Length that is no number"},
		{IDS "l:\r\n\r\n", "answer has a Content-Length that is no number"},
		{IDS "l: 1 2\r\n\r\n", "answer has a Content-Length that is no number"},
		{IDS "l: 99999999999999999999999\r\n\r\n",
			"answer has a Content-Length that is no number"},
		{IDS "l: 65537\r\n\r\n", "answer has a body of more than 64 KB"},
		{IDS "no colon\r\n" ZERO, "answer has a header that is none"},
		{IDS ": value\r\n" ZERO, "answer has a header that is none"},
		{" folded: value\r\n" IDS ZERO, "answer has a header that is none"},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[512];
		snprintf(text, sizeof(text), "SIP/2.0 200 OK\r\n%s", rows[i].headers);
		check(&(struct row){text, SIP_ANSWER_WRONG, rows[i].words});
	}
}

// Every beginning of an answer lacks something, and says so.
static void test_parts(void **state)
{
	(void)state;
	static const char text[] =
		"\r\nSIP/2.0 100 Trying\r\n" IDS ZERO "SIP/2.0 200 OK\r\n" IDS "l: 2\r\n\r\nab";
	const size_t first = (size_t)(strstr(text, "SIP/2.0 200") - text);
	for (size_t n = 0; n < sizeof(text) - 1; n++) {
		char lacks[96];
		const struct sip_answer *a = read_in_pieces(text, n, n + 1);
		assert_int_equal(a->state, SIP_ANSWER_MORE);
		sip_answer_lacks(a, lacks, sizeof(lacks));
		assert_string_equal(lacks, n <= 2       ? "no answer"
					   : n == first ? "only 100 Trying"
							: "half an answer");
	}
}

static char *repeat(const char *first, const char *again, size_t size)
{
	char *text = calloc(1, size + strlen(first) + strlen(again) + 1), *end = text;
	assert_non_null(text);
	end = stpcpy(end, first);
	while ((size_t)(end - text) < size)
		end = stpcpy(end, again);
	return text;
}

static void test_bounds(void **state)
{
	(void)state;
	static const struct {
		const char *first, *again, *words;
	} rows[] = {
		{"SIP/2.0 200 OK\r\nX: ", "a", "answer has a head of more than 16 KB"},
		{"SIP/2.0 200 ", "a", "answer has a head of more than 16 KB"},
		{"", "a", "answer has a head of more than 16 KB"},
		{"SIP/2.0 200 OK\r\n", "X: a\r\n", "answer has a head of more than 16 KB"},
		{"", "\r\n", "no final answer in 128 KB"},
		{"", "SIP/2.0 180 Ringing\r\n" IDS ZERO, "no final answer in 128 KB"},
		{"", "SIP/2.0 180 Ringing\r\n" IDS "l: 5\r\n\r\n12345",
			"no final answer in 128 KB"},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		char *text = repeat(rows[i].first, rows[i].again, SIP_ANSWER_TOTAL + 1);
		check(&(struct row){text, SIP_ANSWER_WRONG, rows[i].words});
		free(text);
	}
	// What just fits.
	char *text = repeat("SIP/2.0 200 OK\r\n" IDS "l: 65536\r\n\r\n", "a", 200 + 65536);
	check(&(struct row){text, SIP_ANSWER_FINAL, "200 OK"});
	free(text);
	text = repeat("SIP/2.0 200 OK\r\nX: ", "a", SIP_ANSWER_HEAD - strlen("\r\n" IDS ZERO));
	char *whole = repeat(text, "\r\n" IDS ZERO, SIP_ANSWER_HEAD);
	check(&(struct row){whole, SIP_ANSWER_FINAL, "200 OK"});
	free(whole);
	free(text);
	// A long reason is cut.
	text = repeat("SIP/2.0 500 ", "a", 100);
	whole = repeat(text, "\r\n" IDS ZERO, 101 + strlen(IDS ZERO));
	const struct sip_answer *a = read_in_pieces(whole, strlen(whole), 1000);
	assert_int_equal(a->status, 500);
	assert_int_equal(strlen(a->text), sizeof(a->text) - 1);
	free(whole);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_not_sip),
		cmocka_unit_test(test_wrong_headers),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_bounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
