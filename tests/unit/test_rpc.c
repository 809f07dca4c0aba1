// SPDX-License-Identifier: BSD-2-Clause
// The control socket's protocol: requests whole, in pieces, in heaps and malformed; parameters,
// batches, and what describe says.

#include "tests/unit/rpc_client.h"

#include "postern/log.h"

static void test_ids(void **state)
{
	static const char *const ids[] = {"1", "-7", "\"a \\\" b\"", "null", "1.5", "\"\""};
	struct client c = client_open();
	char text[128];

	(void)state;
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		snprintf(text, sizeof(text),
			"{\"jsonrpc\": \"2.0\", \"id\": %s, \"method\": \"fake.echo\"}\r\n",
			ids[i]);
		client_send(&c, text);
		json_t *answer = client_answer(&c);
		json_t *id = json_loads(ids[i], JSON_DECODE_ANY, NULL);
		assert_true(json_equal(json_object_get(answer, "id"), id));
		assert_true(json_is_object(json_object_get(answer, "result")));
		json_decref(id);
		json_decref(answer);
	}
	client_free(&c);
}

static void test_notification(void **state)
{
	struct client c = client_open();

	(void)state;
	client_send(&c, "{\"jsonrpc\":\"2.0\",\"method\":\"fake.echo\"}\n"
			"{\"jsonrpc\":\"2.0\",\"method\":\"no.such\"}\n"
			"{\"jsonrpc\":\"2.0\",\"method\":\"fake.set\"}\n"
			"{\"jsonrpc\":\"2.0\",\"method\":\"fake.fail\"}\n"
			"\n \t\r\n");
	expect_alive(&c);
	assert_int_equal(n_called, 2);
	client_free(&c);
}

static void test_byte_by_byte(void **state)
{
	static const char text[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fake.echo\"}\n"
				   "[{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"fake.echo\"}]\n";
	struct client c = client_open();

	(void)state;
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		client_send_bytes(&c, text + i, 1);
		turn();
	}
	expect_result(&c, 1);
	json_t *answer = client_answer(&c);
	assert_int_equal(json_array_size(answer), 1);
	json_decref(answer);
	client_free(&c);
}

static void test_many_at_once(void **state)
{
	struct client c = client_open();
	char text[64 * 200] = "";

	(void)state;
	for (int i = 0; i < 200; i++)
		sprintf(text + strlen(text),
			"{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"fake.echo\"}\n", i);
	client_send(&c, text);
	for (int i = 0; i < 200; i++)
		expect_result(&c, i);
	expect_alive(&c);
	client_free(&c);
}

// A client that floods does not keep another from being served.
static void test_fair(void **state)
{
	struct client flood = client_open();
	struct client c = client_open();
	char text[64 * 200] = "";

	(void)state;
	for (int i = 0; i < 200; i++)
		sprintf(text + strlen(text),
			"{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"fake.echo\"}\n", i);
	client_send(&flood, text);
	client_send(&c, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fake.uid\"}\n");
	json_t *answer = client_answer(&c);
	const json_t *called = json_object_get(json_object_get(answer, "result"), "called");
	// 60 are what one read of the flood's bytes would bring.
	assert_in_range(json_integer_value(called), 0, 30);
	json_decref(answer);
	for (int i = 0; i < 200; i++)
		expect_result(&flood, i);
	client_free(&c);
	client_free(&flood);
}

static void test_half_line(void **state)
{
	struct client c = client_open();

	(void)state;
	client_send(&c, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":");
	turns(10);
	client_read(&c);
	assert_int_equal(evbuffer_get_length(c.in), 0);
	client_send(&c, "\"fake.echo\"}");
	turns(10);
	assert_int_equal(n_called, 0);
	// The end of the client's sending ends the line; what it asked is still answered.
	shutdown(c.fd, SHUT_WR);
	expect_result(&c, 1);
	expect_closed(&c);
	assert_int_equal(server->n_connections, 0);
	client_free(&c);
}

static void test_half_line_then_gone(void **state)
{
	struct client c = client_open();

	(void)state;
	client_send(&c, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fake.ec");
	client_hang_up(&c);
	turns(10);
	assert_int_equal(server->n_connections, 0);
	assert_int_equal(n_called, 0);
	client_free(&c);
}

static void test_not_json(void **state)
{
	static const char *const texts[] = {
		"{",
		"}",
		"nonsense",
		"\"",
		"[1,",
		"{\"a\":1,\"a\":2}",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"fake.echo\"}",
		"{\"jsonrpc\":\"2.0\",\"id\":99999999999999999999,\"method\":\"fake.echo\"}",
		"{\"jsonrpc\":\"2.0\",\"id\":1e999,\"method\":\"fake.echo\"}",
		"{\"jsonrpc\":\"2.0\",\"id\":\"\xff\",\"method\":\"fake.echo\"}",
		"{\"jsonrpc\":\"2.0\",\"id\":\"\xc0\xaf\",\"method\":\"fake.echo\"}",
		"{\"jsonrpc\":\"2.0\",\"id\":\"\\ud800\",\"method\":\"fake.echo\"}",
		"{\"jsonrpc\":\"2.0\",\"id\":\"\\u0000\",\"method\":\"fake.echo\"}",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fake.echo\"} x",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fake.echo\"}{}",
	};
	struct client c = client_open();

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		client_send(&c, texts[i]);
		client_send(&c, "\n");
		json_decref(expect_error(&c, RPC_PARSE_ERROR, true));
	}
	client_send_bytes(&c, "\0\n", 2);
	json_decref(expect_error(&c, RPC_PARSE_ERROR, true));
	assert_int_equal(n_called, 0);
	expect_alive(&c);
	client_free(&c);
}

static void test_deep(void **state)
{
	struct client c = client_open();
	char *text = malloc(200001);

	(void)state;
	assert_non_null(text);
	memset(text, '[', 200000);
	text[200000] = '\0';
	client_send(&c, text);
	client_send(&c, "\n");
	json_decref(expect_error(&c, RPC_PARSE_ERROR, true));
	for (size_t i = 0; i < 200000; i += 5)
		memcpy(text + i, "{\"a\":", 5);
	client_send(&c, text);
	client_send(&c, "\n");
	json_decref(expect_error(&c, RPC_PARSE_ERROR, true));
	expect_alive(&c);
	free(text);
	client_free(&c);
}

static void test_not_a_request(void **state)
{
	static const char *const texts[] = {
		"1",
		"\"a\"",
		"null",
		"true",
		"{}",
		"[]",
		"[[]]",
		"[1]",
		"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"fake.echo\"}",
		"{\"jsonrpc\":2.0,\"id\":1,\"method\":\"fake.echo\"}",
		"{\"id\":1,\"method\":\"fake.echo\"}",
		"{\"jsonrpc\":\"2.0\",\"id\":1}",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":1}",
		"{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"fake.echo\"}",
		"{\"jsonrpc\":\"2.0\",\"id\":[],\"method\":\"fake.echo\"}",
		"{\"jsonrpc\":\"2.0\",\"id\":true,\"method\":\"fake.echo\"}",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fake.echo\",\"parms\":{}}",
	};
	struct client c = client_open();

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		client_send(&c, texts[i]);
		client_send(&c, "\n");
		json_t *answer;
		if (strcmp(texts[i], "[[]]") == 0 || strcmp(texts[i], "[1]") == 0) {
			answer = client_answer(&c);
			assert_int_equal(json_array_size(answer), 1);
			assert_int_equal(
				json_integer_value(json_object_get(
					json_object_get(json_array_get(answer, 0), "error"),
					"code")),
				RPC_INVALID_REQUEST);
		} else {
			answer = expect_error(&c, RPC_INVALID_REQUEST, true);
		}
		json_decref(answer);
	}
	assert_int_equal(n_called, 0);
	expect_alive(&c);
	client_free(&c);
}

static void test_unknown_method(void **state)
{
	struct client c = client_open();

	(void)state;
	client_send(&c, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fake.ecoh\"}\n");
	json_t *answer = expect_error(&c, RPC_METHOD_NOT_FOUND, false);
	assert_string_equal(member(mistake(answer, "method"), "expected"), "fake.echo");
	json_decref(answer);
	client_send(&c, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"entirely.different\"}\n");
	answer = expect_error(&c, RPC_METHOD_NOT_FOUND, false);
	assert_non_null(strstr(member(mistake(answer, "method"), "expected"), "describe"));
	json_decref(answer);
	client_free(&c);
}

static void test_params_right(void **state)
{
	struct client c = client_open();

	(void)state;
	client_send(&c,
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fake.set\",\"params\":{\"name\":"
		"\"a\",\"colour\":\"green\",\"count\":3,\"bright\":false}}\n");
	json_t *answer = client_answer(&c);
	const json_t *result = json_object_get(answer, "result");
	assert_string_equal(member(result, "colour"), "green");
	assert_int_equal(json_integer_value(json_object_get(result, "count")), 3);
	json_decref(answer);
	client_free(&c);
}

static void test_params_all_wrong(void **state)
{
	struct client c = client_open();

	(void)state;
	client_send(&c, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fake.set\",\"params\":{"
			"\"colour\":\"blue\",\"count\":1.5,\"bright\":\"yes\",\"cuont\":1,\"zzz\":"
			"null}}\n");
	json_t *answer = expect_error(&c, RPC_INVALID_PARAMS, false);
	const json_t *list = json_object_get(
		json_object_get(json_object_get(answer, "error"), "data"), "errors");
	assert_int_equal(json_array_size(list), 6);
	assert_string_equal(member(mistake(answer, "name"), "what"), "missing");
	assert_string_equal(member(mistake(answer, "name"), "expected"), "what it is called");
	assert_string_equal(member(mistake(answer, "colour"), "expected"), "one of red, green");
	assert_string_equal(member(mistake(answer, "count"), "expected"), "an integer");
	assert_string_equal(member(mistake(answer, "bright"), "expected"), "true or false");
	assert_string_equal(member(mistake(answer, "cuont"), "expected"), "count");
	assert_string_equal(
		member(mistake(answer, "zzz"), "expected"), "one of name, colour, count, bright");
	assert_true(json_is_null(json_object_get(mistake(answer, "zzz"), "line")));
	json_decref(answer);
	assert_int_equal(n_called, 0);
	client_free(&c);
}

static void test_params_by_position(void **state)
{
	static const char *const params[] = {"[]", "[\"a\"]", "null", "1", "\"x\""};
	struct client c = client_open();
	char text[128];

	(void)state;
	for (size_t i = 0; i < sizeof(params) / sizeof(params[0]); i++) {
		snprintf(text, sizeof(text),
			"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fake.echo\",\"params\":%s}\n",
			params[i]);
		client_send(&c, text);
		json_t *answer = expect_error(&c, RPC_INVALID_PARAMS, false);
		assert_non_null(mistake(answer, "params"));
		json_decref(answer);
	}
	assert_int_equal(n_called, 0);
	client_free(&c);
}

static void test_params_flood(void **state)
{
	struct client c = client_open();
	char text[32];

	(void)state;
	client_send(&c, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fake.echo\",\"params\":{");
	for (int i = 0; i < 10000; i++) {
		snprintf(text, sizeof(text), "%s\"k%d\":1", i > 0 ? "," : "", i);
		client_send(&c, text);
	}
	client_send(&c, "}}\n");
	json_t *answer = expect_error(&c, RPC_INVALID_PARAMS, false);
	const json_t *list = json_object_get(
		json_object_get(json_object_get(answer, "error"), "data"), "errors");
	assert_in_range(json_array_size(list), 1, 50);
	json_decref(answer);
	client_free(&c);
}

static void test_fail_data(void **state)
{
	struct client c = client_open();

	(void)state;
	client_send(&c, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fake.fail\"}\n");
	json_t *answer = expect_error(&c, RPC_REFUSED, false);
	const json_t *one = mistake(answer, "a");
	assert_int_equal(json_integer_value(json_object_get(one, "line")), 7);
	assert_string_equal(member(one, "what"), "b??");
	assert_true(json_is_null(json_object_get(one, "expected")));
	assert_string_equal(member(json_object_get(answer, "error"), "message"), "no ?(1)");
	json_decref(answer);
	client_free(&c);
}

static void test_batch(void **state)
{
	struct client c = client_open();

	(void)state;
	client_send(&c, "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fake.echo\"},"
			"{\"jsonrpc\":\"2.0\",\"method\":\"fake.echo\"}, 7,"
			"{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"no.such\"},"
			"{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"fake.uid\"}]\n");
	json_t *answer = client_answer(&c);
	assert_int_equal(json_array_size(answer), 4);
	json_decref(answer);
	assert_int_equal(n_called, 2);
	// Nothing but notifications: nothing comes back.
	client_send(&c, "[{\"jsonrpc\":\"2.0\",\"method\":\"fake.echo\"},"
			"{\"jsonrpc\":\"2.0\",\"method\":\"fake.echo\"}]\n");
	expect_alive(&c);
	assert_int_equal(n_called, 5);
	client_free(&c);
}

static void test_batch_too_large(void **state)
{
	struct client c = client_open();

	(void)state;
	client_send(&c, "[1");
	for (unsigned i = 1; i < RPC_BATCH_MAX + 1; i++)
		client_send(&c, ",1");
	client_send(&c, "]\n");
	json_decref(expect_error(&c, RPC_INVALID_REQUEST, true));
	expect_alive(&c);
	client_free(&c);
}

static void test_batch_later(void **state)
{
	struct client c = client_open();

	(void)state;
	client_send(&c, "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fake.later\"},"
			"{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"fake.echo\"},"
			"{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"fake.later\"}]\n");
	// A single request in between is not held up.
	expect_alive(&c);
	assert_int_equal(n_kept, 2);
	rpc_reply(kept[1], json_true());
	expect_alive(&c);
	rpc_reply(kept[0], json_true());
	n_kept = 0;
	json_t *answer = client_answer(&c);
	assert_int_equal(json_array_size(answer), 3);
	json_decref(answer);
	client_free(&c);
}

static void test_batch_gone(void **state)
{
	struct client c = client_open();

	(void)state;
	client_send(&c, "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fake.later\"},"
			"{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"fake.later\"},"
			"{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"fake.gone\"}]\n");
	turns(10);
	assert_int_equal(n_kept, 2);
	client_hang_up(&c);
	turns(10);
	rpc_connection_close(LIST_FIRST(&server->connections));
	assert_int_equal(n_gone, 1);
	rpc_reply(kept[1], json_true());
	turns(10);
	rpc_reply(kept[0], json_true());
	n_kept = 0;
	client_free(&c);
}

// In the middle of a batch that waits for its place among the calls in flight.
static void test_batch_interrupted(void **state)
{
	struct client c = client_open();

	(void)state;
	client_send(&c, "[");
	for (unsigned i = 0; i < RPC_BATCH_MAX; i++)
		client_send(
			&c, i == 0 ? "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fake.later\"}"
				   : ",{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fake.later\"}");
	client_send(&c, "]\n");
	turns(100);
	assert_int_equal(n_kept, RPC_CALLS_MAX);
	rpc_connection_close(LIST_FIRST(&server->connections));
	client_free(&c);
}

static void test_describe(void **state)
{
	struct client c = client_open();

	(void)state;
	client_send(&c, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"describe\"}\n");
	json_t *answer = client_answer(&c);
	const json_t *result = json_object_get(answer, "result");
	const json_t *items = json_object_get(result, "items");
	assert_true(json_is_null(json_object_get(result, "next")));
	assert_int_equal(json_array_size(items), 1 + sizeof(methods) / sizeof(methods[0]));
	assert_string_equal(member(json_array_get(items, 0), "name"), "describe");
	const json_t *set = json_array_get(items, 2);
	assert_string_equal(member(set, "name"), "fake.set");
	assert_string_equal(member(set, "role"), "operate");
	assert_string_equal(member(set, "help"), "says what it is told");
	const json_t *params = json_object_get(set, "params");
	// Its own four, and the comment that every change takes.
	assert_int_equal(json_array_size(params), 5);
	assert_string_equal(member(json_array_get(params, 4), "name"), "comment");
	const json_t *colour = json_array_get(params, 1);
	assert_string_equal(member(colour, "type"), "string");
	assert_true(json_is_true(json_object_get(colour, "required")));
	assert_true(json_is_true(json_object_get(colour, "positional")));
	assert_int_equal(json_array_size(json_object_get(colour, "choices")), 2);
	const json_t *bright = json_array_get(params, 3);
	assert_string_equal(member(bright, "type"), "boolean");
	assert_true(json_is_false(json_object_get(bright, "required")));
	assert_true(json_is_null(json_object_get(bright, "choices")));
	json_decref(answer);
	client_free(&c);
}

static void test_who(void **state)
{
	struct client c = client_open();

	(void)state;
	client_send(&c, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fake.uid\"}\n");
	json_t *answer = client_answer(&c);
	const json_t *result = json_object_get(answer, "result");
	assert_int_equal(json_integer_value(json_object_get(result, "uid")), getuid());
	assert_true(json_is_true(json_object_get(result, "user")));
	json_decref(answer);
	client_free(&c);
}

// Whether a line was logged after number `from` that contains the text.
static bool was_logged(uint64_t from, const char *text)
{
	struct postern_log_line line;

	while (postern_log_read(from, &line)) {
		if (strstr(line.text, text))
			return true;
		from = line.number + 1;
	}
	return false;
}

static void test_operating_is_logged(void **state)
{
	struct postern_log_line line;
	struct client c = client_open();
	uint64_t from = 1;
	char who[32];

	(void)state;
	while (postern_log_read(from, &line))
		from = line.number + 1;
	client_send(&c, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fake.set\",\"params\":{"
			"\"name\":\"a\\n\\u001b[31m\\u0085b\",\"colour\":\"red\"}}\n");
	expect_result(&c, 1);
	expect_alive(&c);
	snprintf(who, sizeof(who), "uid %u: fake.set", (unsigned)getuid());
	assert_true(was_logged(from, who));
	// One line, and nothing that steers a terminal.
	assert_true(was_logged(from, "a\\n\\u001B[31m\\u0085b"));
	assert_false(was_logged(from, "fake.echo"));
	client_free(&c);
}

static void test_distance(void **state)
{
	char longest[100];

	(void)state;
	assert_int_equal(rpc_distance("", ""), 0);
	assert_int_equal(rpc_distance("abc", ""), 3);
	assert_int_equal(rpc_distance("", "abc"), 3);
	assert_int_equal(rpc_distance("member", "membre"), 2);
	assert_int_equal(rpc_distance("kitten", "sitting"), 3);
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_true(rpc_distance(longest, "x") > 1000);
	assert_true(rpc_distance("x", longest) > 1000);
}

static void expect_text(const char *in, const char *out)
{
	json_t *value = rpc_text(in);

	assert_string_equal(json_string_value(value), out);
	json_decref(value);
}

static void test_text(void **state)
{
	(void)state;
	expect_text("plain", "plain");
	expect_text("gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f");
	expect_text("cut \xc3", "cut ?");
	expect_text("cut \xe2\x82", "cut ??");
	expect_text("\xe2\x82\xac\xff", "\xe2\x82\xac?");
	expect_text("\xc0\xaf \xed\xa0\x80 \xf4\x90\x80\x80", "?? ??? ????");
	expect_text("\xf0\x9f\x98\x80\x80", "\xf0\x9f\x98\x80?");
}

static void test_time(void **state)
{
	json_t *value = rpc_time(1700000000123456u);

	(void)state;
	assert_string_equal(json_string_value(value), "2023-11-14T22:13:20.123Z");
	json_decref(value);
	value = rpc_uint(UINT64_MAX);
	assert_int_equal(json_integer_value(value), INT64_MAX);
	json_decref(value);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ids),
		TEST(test_notification),
		TEST(test_byte_by_byte),
		TEST(test_many_at_once),
		TEST(test_fair),
		TEST(test_half_line),
		TEST(test_half_line_then_gone),
		TEST(test_not_json),
		TEST(test_deep),
		TEST(test_not_a_request),
		TEST(test_unknown_method),
		TEST(test_params_right),
		TEST(test_params_all_wrong),
		TEST(test_params_by_position),
		TEST(test_params_flood),
		TEST(test_fail_data),
		TEST(test_batch),
		TEST(test_batch_too_large),
		TEST(test_batch_later),
		TEST(test_batch_gone),
		TEST(test_batch_interrupted),
		TEST(test_describe),
		TEST(test_who),
		TEST(test_operating_is_logged),
		cmocka_unit_test(test_distance),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
