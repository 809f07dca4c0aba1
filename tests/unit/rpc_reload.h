// SPDX-License-Identifier: BSD-2-Clause
// What a client is told of a reload, and of files to check. Included by test_rpc_methods.c, whose
// ask() and reload() it uses.

#pragma once

static void test_reload(void **state)
{
	struct config_error one = {.line = 7,
		.field = (char[]){"pools[0]"},
		.what = (char[]){"wrong"},
		.expected = (char[]){"right"}};
	struct config_errors errors = {{&one, 1}};
	struct client c = client_open();

	(void)state;
	client_send(&c, "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"config.reload\"}\n");
	expect_alive(&c);
	assert_int_equal(reload_ms, 0);
	reload_done(reload_user, 0, 8, NULL);
	json_t *answer = client_answer(&c);
	assert_int_equal(json_integer_value(json_object_get(result_of(answer), "epoch")), 8);
	const json_t *warnings = json_object_get(result_of(answer), "warnings");
	assert_int_equal(json_array_size(warnings), 1);
	assert_string_equal(member(json_array_get(warnings, 0), "what"), "no good idea");
	assert_int_equal(
		json_integer_value(json_object_get(json_array_get(warnings, 0), "line")), 9);
	json_decref(answer);
	client_send(&c, "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"config.reload\",\"params\":{"
			"\"confirm\":5000}}\n");
	expect_alive(&c);
	assert_int_equal(reload_ms, 5000);
	reload_done(reload_user, -EINVAL, 0, &errors);
	answer = expect_error(&c, RPC_REFUSED, false);
	assert_int_equal(
		json_integer_value(json_object_get(mistake(answer, "pools[0]"), "line")), 7);
	const json_t *error = json_object_get(answer, "error");
	assert_non_null(json_object_get(json_object_get(error, "data"), "file"));
	json_decref(answer);
	client_send(&c, "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"config.reload\"}\n");
	expect_alive(&c);
	reload_done(reload_user, -ENOTSUP, 0, &errors);
	answer = expect_error(&c, RPC_REFUSED, false);
	assert_non_null(strstr(
		json_string_value(json_object_get(json_object_get(answer, "error"), "message")),
		"1 change needs a restart; nothing was changed"));
	json_decref(answer);
	// No mistake in the file, so none is named.
	client_send(&c, "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"config.reload\"}\n");
	expect_alive(&c);
	reload_done(reload_user, -EALREADY, 0, &errors);
	answer = expect_error(&c, RPC_REFUSED, false);
	error = json_object_get(answer, "error");
	assert_null(json_object_get(json_object_get(error, "data"), "file"));
	json_decref(answer);
	client_send(&c, "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"config.reload\"}\n");
	expect_alive(&c);
	client_free(&c);
	turns(10);
	reload_done(reload_user, -EBUSY, 0, &errors);
}

static void test_check_guards(void **state)
{
	static const char *const files[] = {"/dev/zero", "/tmp", "relative.yaml", "/no/such/file"};
	struct client c = client_open();
	char params[64];

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(params, sizeof(params), "{\"file\":\"%s\"}", files[i]);
		json_t *answer = ask(&c, "config.check", params);
		assert_non_null(json_object_get(answer, "error"));
		json_decref(answer);
	}
	client_free(&c);
}
