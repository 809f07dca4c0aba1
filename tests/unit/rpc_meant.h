// SPDX-License-Identifier: BSD-2-Clause
// What a client is told when it mistypes a name. Included by test_rpc_methods.c, whose ask() it uses.

#pragma once

static void expect_said(struct client *c, const char *method, const char *params, const char *said)
{
	json_t *answer = ask(c, method, params);
	const char *message =
		json_string_value(json_object_get(json_object_get(answer, "error"), "message"));

	assert_non_null(message);
	assert_string_equal(message, said);
	json_decref(answer);
}

static void test_what_was_meant(void **state)
{
	struct client c = client_open();

	(void)state;
	expect_said(&c, "member.show", "{\"member\":\"fe2\"}",
		"a member is named as POOL/MEMBER; did you mean \"edge/fe2\"?");
	expect_said(&c, "member.show", "{\"member\":\"fe9\"}", "a member is named as POOL/MEMBER");
	expect_said(&c, "pool.show", "{\"pool\":\"edgs\"}",
		"there is no pool \"edgs\"; did you mean \"edge\"?");
	expect_said(&c, "interface.show", "{\"interface\":\"insdie\"}",
		"there is no interface \"insdie\"; did you mean \"inside\"?");
	expect_said(&c, "pool.show", "{\"pool\":\"x\"}", "there is no pool \"x\"");
	expect_said(&c, "reload.show", "{}",
		"there is no method \"reload.show\"; did you mean \"config.reload\"?");
	client_free(&c);
}
