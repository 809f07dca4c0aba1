// SPDX-License-Identifier: BSD-2-Clause
// node: machines that several members share. Included by test_rpc_methods.c, whose ask() it uses.

#pragma once

static void expect_node(struct client *c, const char *name, const char *address, size_t n)
{
	char params[96];

	snprintf(params, sizeof(params), "{\"node\":\"%s\"}", name);
	json_t *answer = ask(c, "node.show", params);
	assert_string_equal(member(result_of(answer), "name"), address);
	assert_int_equal(json_array_size(json_object_get(result_of(answer), "members")), n);
	json_decref(answer);
}

static void test_nodes(void **state)
{
	struct client c = client_open();

	(void)state;
	for (unsigned limit = 1; limit < 4; limit++)
		assert_int_equal(count_pages(&c, "node.list", limit), 2);
	members[2].fqdn = (char[]){"FE3.contoso.local"};
	expect_node(&c, "10.0.0.1", "10.0.0.1", 2);
	expect_node(&c, "fe2", "10.0.0.1", 2);
	expect_node(&c, "fe3.contoso.local", "10.0.0.2", 1);
	json_t *answer = ask(&c, "node.show", "{\"node\":\"10.0.0.3\"}");
	assert_string_equal(member(mistake(answer, "node"), "expected"), "10.0.0.1, 10.0.0.2");
	json_decref(answer);
	// A name that two machines have is none.
	snprintf(members[2].name, sizeof(members[2].name), "fe1");
	answer = ask(&c, "node.drain", "{\"node\":\"fe1\"}");
	assert_string_equal(member(mistake(answer, "node"), "expected"), "10.0.0.1, 10.0.0.2");
	json_decref(answer);
	assert_int_equal(members[0].admin, POOL_ADMIN_READY);
	client_free(&c);
}

static void test_node_set(void **state)
{
	struct client c = client_open();

	(void)state;
	json_t *answer = ask(&c, "node.drain", "{\"node\":\"10.0.0.1\"}");
	assert_string_equal(member(result_of(answer), "admin"), "drain");
	// Ids 1 and 2, which is also how many sessions they have; one of each is over.
	assert_int_equal(json_integer_value(json_object_get(result_of(answer), "sessions")), 1);
	assert_int_equal(json_integer_value(json_object_get(result_of(answer), "ending")), 2);
	assert_int_equal(members[0].admin, POOL_ADMIN_DRAIN);
	assert_int_equal(members[1].admin, POOL_ADMIN_DRAIN);
	assert_int_equal(members[2].admin, POOL_ADMIN_READY);
	json_decref(answer);
	members[0].admin = POOL_ADMIN_READY;
	members[0].health = POOL_HEALTH_DOWN;
	answer = ask(&c, "node.show", "{\"node\":\"10.0.0.1\"}");
	assert_string_equal(member(result_of(answer), "admin"), "mixed");
	assert_string_equal(member(result_of(answer), "health"), "mixed");
	json_decref(answer);
	answer = ask(&c, "node.set", "{\"node\":\"fe2\",\"state\":\"maint\"}");
	assert_string_equal(member(result_of(answer), "admin"), "maint");
	assert_int_equal(members[0].admin, POOL_ADMIN_MAINT);
	json_decref(answer);
	client_free(&c);
}
