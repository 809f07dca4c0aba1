// SPDX-License-Identifier: BSD-2-Clause
// session close over made-up sessions. Included by test_rpc_methods.c, whose ask() it uses.

#pragma once

static unsigned close_asked; // of the worker
static unsigned close_given; // answers
static unsigned close_room;  // so many more are taken
static bool close_mute;      // the worker answers nothing
static uint32_t close_tickets[64];

int postern_session_close(struct postern_dataplane *dp, unsigned worker, uint32_t slot,
	uint32_t generation, uint32_t ticket)
{
	(void)dp;
	assert_int_equal(worker, 0);
	assert_int_equal(generation, 0x17);
	assert_int_equal(slot % 2, 0);
	if (close_room == 0)
		return -EAGAIN;
	close_room--;
	assert_true(close_asked < 64);
	close_tickets[close_asked++] = ticket;
	return 0;
}

// One answer at a time, and each makes room for one more. Every third session was over before.
unsigned postern_closed_take(struct postern_dataplane *dp, struct postern_closed *out, unsigned n)
{
	(void)dp;
	assert_true(n > 0);
	if (close_mute || close_given == close_asked)
		return 0;
	*out = (struct postern_closed){close_tickets[close_given], close_given % 3 != 2};
	close_given++;
	close_room++;
	return 1;
}

static void close_reset(unsigned room)
{
	close_asked = close_given = 0;
	close_room = room;
	close_mute = false;
}

static void expect_closing(
	struct client *c, const char *params, unsigned found, unsigned closed, bool more)
{
	json_t *answer = ask(c, "session.close", params);
	const json_t *result = result_of(answer);

	assert_int_equal(json_integer_value(json_object_get(result, "found")), found);
	assert_int_equal(json_integer_value(json_object_get(result, "closed")), closed);
	assert_int_equal(json_is_true(json_object_get(result, "more")), more);
	json_decref(answer);
}

static void test_session_close(void **state)
{
	struct client c = client_open();

	(void)state;
	close_reset(64);
	expect_closing(&c, "{\"session\":\"w0.4.17\"}", 1, 1, false);
	assert_int_equal(close_asked, 1);
	close_reset(64);
	expect_closing(&c, "{\"pool\":\"edge\"}", 10, 7, false);
	assert_int_equal(close_asked, 10);
	// Workers that take two at a time.
	close_reset(2);
	expect_closing(&c, "{\"member\":\"edge/fe1\"}", 4, 3, false);
	close_reset(64);
	expect_closing(&c, "{\"service\":\"federation\",\"limit\":4}", 4, 3, true);
	assert_int_equal(close_asked, 4);
	close_reset(64);
	expect_closing(&c, "{\"client\":\"192.0.2.0/29\",\"limit\":4}", 4, 3, false);
	close_reset(64);
	expect_closing(&c, "{\"client\":\"192.0.2.9\"}", 0, 0, false);
	// A dry run touches nobody.
	close_reset(64);
	expect_closing(&c, "{\"client\":\"192.0.2.0/29\",\"dry-run\":true}", 4, 0, false);
	expect_closing(&c, "{\"session\":\"w0.4.17\",\"dry-run\":true}", 1, 0, false);
	assert_int_equal(close_asked, 0);
	client_free(&c);
}

static void expect_close_fails(
	struct client *c, const char *params, int code, const char *field, const char *what)
{
	json_t *answer = ask(c, "session.close", params);
	const json_t *error = json_object_get(answer, "error");

	assert_int_equal(json_integer_value(json_object_get(error, "code")), code);
	const json_t *m = mistake(answer, field);
	assert_non_null(strstr(member(m, "what"), what));
	json_decref(answer);
}

static void test_session_close_mistakes(void **state)
{
	struct client c = client_open();

	(void)state;
	close_reset(64);
	expect_close_fails(&c, "{}", RPC_INVALID_PARAMS, "session", "nothing says which");
	expect_close_fails(&c, "{\"limit\":5}", RPC_INVALID_PARAMS, "session", "nothing says");
	expect_close_fails(&c, "{\"session\":\"w0.4.17\",\"pool\":\"edge\"}", RPC_INVALID_PARAMS,
		"session", "exclude each other");
	expect_close_fails(
		&c, "{\"session\":\"w0\"}", RPC_INVALID_PARAMS, "session", "no session's id");
	expect_close_fails(&c, "{\"client\":\"x\"}", RPC_INVALID_PARAMS, "client", "no address");
	expect_close_fails(&c, "{\"session\":\"w0.4.18\"}", RPC_NOT_FOUND, "session", "");
	expect_close_fails(&c, "{\"pool\":\"egde\"}", RPC_NOT_FOUND, "pool", "");
	assert_int_equal(close_asked, 0);
	client_free(&c);
}

// Workers that are busy hold up nobody else, and who goes away leaves nothing behind.
static void test_session_close_waits(void **state)
{
	struct client c = client_open();
	struct client other = client_open();

	(void)state;
	close_reset(3);
	close_mute = true;
	client_send(&c, "{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"session.close\","
			"\"params\":{\"pool\":\"edge\"}}\n");
	expect_alive(&other);
	assert_int_equal(close_asked, 3);
	client_free(&c);
	expect_alive(&other);
	// Its answers are nobody's.
	close_mute = false;
	close_room = 64;
	expect_closing(&other, "{\"member\":\"edge/fe2\"}", 3, 2, false);
	client_free(&other);
}
