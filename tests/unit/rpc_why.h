// SPDX-License-Identifier: BSD-2-Clause
// why over made-up records. Included by test_rpc_methods.c, whose ask() it uses.

#pragma once

#include "postern/record.h"

static struct postern_recorded why_records[16];
static unsigned why_n;

// Between two records nothing is found.
int postern_record_next(const struct postern_dataplane *dp, uint64_t *cursor, unsigned budget,
	struct postern_recorded *out)
{
	(void)dp;
	(void)budget;
	if (*cursor >= 2 * why_n)
		return 0;
	const uint64_t at = (*cursor)++;
	if (at % 2 == 1)
		return -EAGAIN;
	*out = why_records[at / 2];
	return 1;
}

static struct postern_recorded *why_add(const char *from, enum postern_counter reason,
	uint64_t count, uint64_t first_ms, uint64_t last_ms)
{
	struct postern_recorded *r = &why_records[why_n++];

	assert_true(why_n <= 16);
	*r = (struct postern_recorded){
		.last =
			{
				.from_port = 4711,
				.to_port = 5061,
				.reason = (uint16_t)reason,
				.listen = 1,
				.member = 2,
				.from_bits = 128,
				.protocol = IPPROTO_TCP,
				.step = POSTERN_STEP_OPEN,
			},
		.count = count,
		.first_ms = first_ms,
		.last_ms = last_ms,
	};
	assert_int_equal(postern_addr_parse(from, &r->last.from), 0);
	assert_int_equal(postern_addr_parse("192.0.2.20", &r->last.to), 0);
	return r;
}

static const json_t *why_finding(const json_t *answer, size_t i)
{
	return json_array_get(json_object_get(result_of(answer), "findings"), i);
}

static size_t why_count(const json_t *answer)
{
	return json_array_size(json_object_get(result_of(answer), "findings"));
}

static void test_why_address(void **state)
{
	struct client c = client_open();

	(void)state;
	why_n = 0;
	// Two workers have seen the same; another reason; another address; its network.
	why_add("198.51.100.7", POSTERN_COUNTER_REFUSE_NO_MEMBER, 3, 9000, 5000);
	why_add("198.51.100.7", POSTERN_COUNTER_REFUSE_NO_MEMBER, 4, 8000, 1000)->last.from_port =
		4712;
	why_add("198.51.100.7", POSTERN_COUNTER_CLOSE_IDLE, 1, 700000, 700000);
	why_add("198.51.100.8", POSTERN_COUNTER_REFUSE_NO_MEMBER, 9, 9000, 5000);
	why_add("198.51.100.0", POSTERN_COUNTER_DROP_TABLE_FULL, 50, 9000, 7000)->last.from_bits =
		96 + 24;
	json_t *answer = ask(&c, "why.show", "{\"about\":\"198.51.100.7\"}");
	assert_int_equal(why_count(answer), 3);
	const json_t *f = why_finding(answer, 0);
	assert_int_equal(json_integer_value(json_object_get(f, "count")), 7);
	assert_int_equal(json_integer_value(json_object_get(f, "last-ms")), 1000);
	assert_string_equal(member(f, "from"), "198.51.100.7:4712");
	assert_string_equal(member(f, "to"), "192.0.2.20:5061");
	assert_string_equal(member(f, "reason"), "refuse-no-member");
	assert_string_equal(member(f, "service"), "federation");
	assert_non_null(strstr(member(f, "what"), "no member of pool"));
	assert_non_null(strstr(member(f, "next"), "posternctl member list"));
	assert_true(json_is_false(json_object_get(f, "several-sources")));
	assert_non_null(strstr(member(why_finding(answer, 1), "from"), "198.51.100.0/24"));
	assert_true(json_is_true(json_object_get(why_finding(answer, 1), "several-sources")));
	assert_string_equal(member(why_finding(answer, 2), "reason"), "close-idle");
	assert_int_equal(json_integer_value(json_object_get(result_of(answer), "sessions")), 0);
	json_decref(answer);
	answer = ask(&c, "why.show", "{\"about\":\"198.51.100.7\",\"since\":600000}");
	assert_int_equal(why_count(answer), 2);
	json_decref(answer);
	answer = ask(&c, "why.show", "{\"about\":\"198.51.100.7\",\"limit\":1}");
	assert_int_equal(why_count(answer), 1);
	assert_true(json_is_true(json_object_get(result_of(answer), "more")));
	json_decref(answer);
	answer = ask(&c, "why.show", "{\"about\":\"198.51.100.0/28\"}");
	assert_int_equal(why_count(answer), 4);
	json_decref(answer);
	// Nobody that was ever refused, but one with a session; and nobody at all.
	answer = ask(&c, "why.show", "{\"about\":\"192.0.2.4\"}");
	assert_int_equal(why_count(answer), 0);
	assert_int_equal(json_integer_value(json_object_get(result_of(answer), "sessions")), 1);
	assert_null(json_object_get(result_of(answer), "next"));
	json_decref(answer);
	answer = ask(&c, "why.show", "{\"about\":\"2001:db8::1\"}");
	assert_non_null(strstr(member(result_of(answer), "answer"), "arrive"));
	assert_non_null(json_object_get(result_of(answer), "next"));
	json_decref(answer);
	client_free(&c);
}

// Flows without a service speak of their rule and of the member.
static void test_why_outbound(void **state)
{
	struct client c = client_open();

	(void)state;
	why_n = 0;
	outbound_begin();
	why_add("10.0.0.1", POSTERN_COUNTER_REFUSE_OUTBOUND, 3, 9000, 5000)->last.listen =
		POSTERN_ID_NONE;
	why_add("10.0.0.1", POSTERN_COUNTER_DROP_FLOWS_FULL, 3, 9000, 4000)->last.listen = 12;
	struct postern_recorded *silent =
		why_add("10.0.0.1", POSTERN_COUNTER_CLOSE_UNANSWERED, 3, 9000, 3000);
	const uint8_t side = POSTERN_SIDE_CLIENT;
	silent->last.listen = 11;
	postern_record_add(&silent->last, POSTERN_FACT_SIDE, &side, sizeof(side));
	json_t *answer = ask(&c, "why.show", "{\"about\":\"10.0.0.1\"}");
	assert_int_equal(why_count(answer), 3);
	assert_non_null(strstr(member(why_finding(answer, 0), "what"), "(signalling) never began"));
	assert_non_null(strstr(member(why_finding(answer, 0), "next"), "is the other side there"));
	assert_non_null(strstr(member(why_finding(answer, 1), "what"), "(signalling): all places"));
	assert_non_null(strstr(member(why_finding(answer, 2), "what"), "no outbound rule lets it"));
	json_decref(answer);
	why_n = 0;
	why_add("10.0.0.9", POSTERN_COUNTER_DROP_NOT_MEMBER, 1, 9000, 5000)->last.listen =
		POSTERN_ID_NONE;
	answer = ask(&c, "why.show", "{\"about\":\"10.0.0.9\"}");
	assert_string_equal(member(json_object_get(answer, "result"), "answer"),
		"refused, dropped or closed 1 time");
	assert_non_null(strstr(member(why_finding(answer, 0), "what"), "neither is a member's"));
	json_decref(answer);
	outbound_end();
	client_free(&c);
}

static void test_why_service_and_session(void **state)
{
	struct client c = client_open();

	(void)state;
	why_n = 0;
	why_add("198.51.100.7", POSTERN_COUNTER_REFUSE_NO_MEMBER, 3, 9000, 5000);
	why_add("198.51.100.8", POSTERN_COUNTER_REFUSE_NO_MEMBER, 4, 9000, 1000);
	why_add("198.51.100.9", POSTERN_COUNTER_REFUSE_NO_MEMBER, 4, 9000, 1000)->last.listen = 3;
	struct postern_recorded *down =
		why_add("198.51.100.7", POSTERN_COUNTER_CLOSE_MEMBER_DOWN, 1, 100, 100);
	down->last.slot = 0x3fa2;
	down->last.generation = 0x17;
	json_t *answer = ask(&c, "why.show", "{\"about\":\"federation\"}");
	assert_int_equal(why_count(answer), 2);
	assert_string_equal(member(why_finding(answer, 0), "session"), "w0.3fa2.17");
	assert_non_null(strstr(member(why_finding(answer, 0), "what"), "edge/fe2"));
	assert_int_equal(json_integer_value(json_object_get(why_finding(answer, 1), "count")), 7);
	assert_true(json_is_true(json_object_get(why_finding(answer, 1), "several-sources")));
	json_decref(answer);
	answer = ask(&c, "why.show", "{\"about\":\"w0.3fa2.17\"}");
	assert_int_equal(why_count(answer), 1);
	json_decref(answer);
	// One that is open, and one that nobody knows.
	answer = ask(&c, "why.show", "{\"about\":\"w0.4.17\"}");
	assert_non_null(strstr(member(result_of(answer), "answer"), "it is established"));
	json_decref(answer);
	answer = ask(&c, "why.show", "{\"about\":\"w0.4.19\"}");
	assert_non_null(strstr(member(result_of(answer), "answer"), "nothing is known"));
	json_decref(answer);
	answer = ask(&c, "why.show", "{\"about\":\"federatoin\"}");
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(answer, "error"), "code")),
		RPC_NOT_FOUND);
	assert_non_null(strstr(member(mistake(answer, "about"), "expected"), "federation"));
	json_decref(answer);
	client_free(&c);
}

// Every counter gives a sentence without a gap, also those that nothing records, and numbers that are
// no counter's.
static void test_why_words(void **state)
{
	struct client c = client_open();

	(void)state;
	for (unsigned reason = 0; reason < POSTERN_COUNTER_COUNT + 2u; reason++) {
		const uint8_t side = POSTERN_SIDE_CLIENT;

		why_n = 0;
		struct postern_recorded *r =
			why_add("198.51.100.7", (enum postern_counter)reason, 1, 10, 10);
		if (reason % 2 == 0)
			postern_record_add(&r->last, POSTERN_FACT_SIDE, &side, 1);
		if (reason % 3 == 0)
			r->last.listen = r->last.member = POSTERN_ID_NONE;
		r->last.step = (uint8_t)reason;
		json_t *answer = ask(&c, "why.show", "{\"about\":\"198.51.100.7\"}");
		assert_int_equal(why_count(answer), 1);
		const char *what = member(why_finding(answer, 0), "what");
		const char *next = member(why_finding(answer, 0), "next");
		assert_true(strlen(what) > 5 && strlen(next) > 5);
		assert_null(strchr(what, '{'));
		json_decref(answer);
	}
	client_free(&c);
}
