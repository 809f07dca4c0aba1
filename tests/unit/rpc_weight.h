// SPDX-License-Identifier: BSD-2-Clause
// member set with weights. Included by test_rpc_methods.c, whose ask() it uses.

#pragma once

static unsigned weights_published;

static int weights_publish(void *daemon)
{
	(void)daemon;
	weights_published++;
	return 0;
}

static void test_member_weight(void **state)
{
	static const char *const wrong[] = {
		"", "-1", "257", "3x", " 3", "+3", "Default", "99999999999999999999"};
	struct client c = client_open();
	char params[96];

	(void)state;
	context.publish = weights_publish;
	weights_published = 0;
	json_t *answer = ask(&c, "member.set", "{\"member\":\"edge/fe2\",\"weight\":\"3\"}");
	assert_int_equal(json_integer_value(json_object_get(result_of(answer), "weight-set")), 3);
	json_decref(answer);
	assert_int_equal(members[1].weight_set, 3);
	assert_int_equal(members[1].admin, POOL_ADMIN_READY);
	assert_int_equal(weights_published, 1);
	answer = ask(&c, "config.show", "{}");
	assert_non_null(strstr(member(result_of(answer), "yaml"),
		"# pool edge: member fe2: weight 3 (posternctl "
		"member set edge/fe2 weight default)"));
	json_decref(answer);
	// States leave it alone, and both may be set at once.
	answer = ask(&c, "member.set", "{\"member\":\"edge/fe2\",\"state\":\"drain\"}");
	json_decref(answer);
	assert_int_equal(members[1].weight_set, 3);
	assert_int_equal(weights_published, 1);
	answer = ask(&c, "member.set",
		"{\"member\":\"edge/fe2\",\"state\":\"ready\",\"weight\":\"default\"}");
	assert_true(json_is_null(json_object_get(result_of(answer), "weight-set")));
	json_decref(answer);
	assert_int_equal(members[1].admin, POOL_ADMIN_READY);
	assert_int_equal(members[1].weight_set, POOL_WEIGHT_FILE);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(params, sizeof(params), "{\"member\":\"edge/fe2\",\"weight\":\"%s\"}",
			wrong[i]);
		answer = ask(&c, "member.set", params);
		assert_string_equal(member(mistake(answer, "weight"), "what"), "this is no weight");
		json_decref(answer);
	}
	answer = ask(&c, "member.set", "{\"member\":\"edge/fe2\"}");
	assert_non_null(mistake(answer, "state"));
	json_decref(answer);
	assert_int_equal(weights_published, 2);
	client_free(&c);
}
