// SPDX-License-Identifier: BSD-2-Clause
// Outbound rules and flows without a service. Included by test_rpc_methods.c, whose ask() it uses.

#pragma once

uint32_t postern_flows_capacity(const struct postern_dataplane *dp)
{
	(void)dp;
	return 500;
}

uint32_t postern_flows_in_use(const struct postern_dataplane *dp)
{
	(void)dp;
	return 0;
}

const char *postern_session_kind_name(enum postern_session_kind k)
{
	static const char *const names[] = {"service", "outbound", "inbound"};

	return names[k];
}

static char *rule_pools[] = {(char[]){"edge"}};
static struct postern_addr rule_address;
static struct config_outbound rules[] = {
	{.name = (char[]){"signalling"},
		.pools = {rule_pools, 1},
		.mode = CONFIG_OUTBOUND_TRANSLATE,
		.translate_to = {&rule_address, 1},
		.flows_per_member = 77},
};
// Of both families; their numbers are among those of listening endpoints.
static struct postern_outbound snapshot_outbounds[] = {
	{.id = 11, .name = "signalling"}, {.id = 12, .name = "signalling"}};
static void outbound_begin(void)
{
	postern_addr_parse("192.0.2.25", &rule_address);
	config.outbound.items = rules;
	config.outbound.count = 1;
	snapshot.outbounds = snapshot_outbounds;
	snapshot.n_outbounds = 2;
	one_is_a_flow = true;
}

static void outbound_end(void)
{
	config.outbound.count = 0;
	snapshot.n_outbounds = 0;
	one_is_a_flow = false;
}

static void test_outbound(void **state)
{
	struct client c = client_open();

	(void)state;
	outbound_begin();
	json_t *answer = ask(&c, "outbound.list", "{}");
	const json_t *rule = json_array_get(json_object_get(result_of(answer), "items"), 0);
	assert_string_equal(member(rule, "name"), "signalling");
	assert_string_equal(member(rule, "mode"), "translate");
	assert_int_equal(json_integer_value(json_object_get(rule, "flows")), 9 * (11 + 12));
	assert_int_equal(json_integer_value(json_object_get(rule, "flows-per-member")), 77);
	assert_string_equal(
		json_string_value(json_array_get(json_object_get(rule, "translate-to"), 0)),
		"192.0.2.25");
	json_decref(answer);
	answer = ask(&c, "session.list", "{\"kind\":\"outbound\"}");
	const json_t *items = json_object_get(result_of(answer), "items");
	assert_int_equal(json_array_size(items), 1);
	const json_t *flow = json_array_get(items, 0);
	assert_string_equal(member(flow, "kind"), "outbound");
	assert_string_equal(member(flow, "service"), "signalling");
	assert_true(json_is_null(json_object_get(flow, "listen")));
	assert_non_null(strstr(member(flow, "address"), ":40123"));
	json_decref(answer);
	answer = ask(&c, "session.list", "{\"kind\":\"service\",\"limit\":1000}");
	assert_int_equal(
		json_array_size(json_object_get(result_of(answer), "items")), SESSIONS - 1);
	json_decref(answer);
	outbound_end();
	client_free(&c);
}
