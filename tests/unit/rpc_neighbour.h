// SPDX-License-Identifier: BSD-2-Clause
// neighbour over made-up tables of two workers. Included by test_rpc_methods.c, whose ask() it uses.

#pragma once

#define HOPS 7 // of each worker

static unsigned hops_flushed;
static uint16_t hops_interface;
static bool hops_by_addr;
static bool hops_busy;

const char *postern_neighbour_state_name(enum postern_neighbour_state s)
{
	return s == POSTERN_NEIGHBOUR_REACHABLE ? "reachable" : "failed";
}

// 10.0.0.1 to .7 of worker 0, in no order; .4 to .10 of worker 1, who has heard of them since. Those
// with even addresses are on the second interface, and 10.0.0.5 is on both.
int postern_neighbour_next(const struct postern_dataplane *dp, uint64_t *cursor, unsigned budget,
	struct postern_neighbour *out)
{
	static const unsigned order[HOPS] = {3, 0, 6, 1, 5, 2, 4};

	(void)dp;
	(void)budget;
	if (*cursor >= 4 * HOPS)
		return 0;
	const uint64_t at = (*cursor)++;
	if (at % 2 == 1)
		return -EAGAIN;
	const unsigned worker = at / 2 >= HOPS;
	const unsigned last = order[at / 2 % HOPS] + 1 + 3 * worker;
	*out = (struct postern_neighbour){
		.addr = postern_addr_from_v4(__builtin_bswap32(0x0a000000u + last)),
		.interface = last % 2 == 0 || (last == 5 && worker),
		.worker = (uint8_t)worker,
		.state = last == 9 ? POSTERN_NEIGHBOUR_FAILED : POSTERN_NEIGHBOUR_REACHABLE,
		.mac = {2, 0, 0, 0, (uint8_t)worker, (uint8_t)last},
		.known = last != 9,
		.for_client = last == 10,
		.heard_ms = 100 - 50 * worker,
		.users = 1 + worker,
	};
	return 1;
}

int postern_neighbour_flush(
	struct postern_dataplane *dp, uint16_t interface, const struct postern_addr *addr)
{
	(void)dp;
	if (hops_busy)
		return -EAGAIN;
	hops_flushed++;
	hops_interface = interface;
	hops_by_addr = addr != NULL;
	return 0;
}

static void test_neighbours(void **state)
{
	struct client c = client_open();
	const char *first[] = {"10.0.0.1", "10.0.0.3", "10.0.0.5", "10.0.0.7", "10.0.0.9"};

	(void)state;
	for (unsigned limit = 1; limit < 14; limit++)
		assert_int_equal(count_pages(&c, "neighbour.list", limit), 11);
	json_t *answer = ask(&c, "neighbour.list", "{}");
	const json_t *items = json_object_get(result_of(answer), "items");
	for (unsigned i = 0; i < 5; i++) {
		const json_t *row = json_array_get(items, i);

		assert_string_equal(member(row, "address"), first[i]);
		assert_string_equal(member(row, "interface"), "outside");
	}
	// Both know it: the sum of their users, and what the one says that heard last.
	const json_t *both = json_array_get(items, 3);
	assert_int_equal(json_integer_value(json_object_get(both, "users")), 3);
	assert_string_equal(member(both, "mac"), "02:00:00:00:01:07");
	assert_int_equal(json_integer_value(json_object_get(both, "heard-ms")), 50);
	assert_true(json_is_null(json_object_get(json_array_get(items, 4), "mac")));
	assert_string_equal(member(json_array_get(items, 10), "use"), "client");
	json_decref(answer);
	answer = ask(&c, "neighbour.list", "{\"interface\":\"inside\"}");
	assert_int_equal(json_array_size(json_object_get(result_of(answer), "items")), 6);
	json_decref(answer);
	answer = ask(&c, "neighbour.show", "{\"address\":\"10.0.0.1\"}");
	assert_int_equal(json_array_size(json_object_get(result_of(answer), "members")), 2);
	json_decref(answer);
	client_free(&c);
}

static void expect_hop_error(
	struct client *c, const char *method, const char *params, int code, const char *field)
{
	json_t *answer = ask(c, method, params);
	const json_t *error = json_object_get(answer, "error");

	assert_int_equal(json_integer_value(json_object_get(error, "code")), code);
	if (field)
		assert_non_null(mistake(answer, field));
	json_decref(answer);
}

static void test_neighbour_mistakes(void **state)
{
	static const char *const cursors[] = {
		"", "x", "1", "1-", "-10.0.0.1", "99999-10.0.0.1", "1-10.0.0", "1-10.0.0.1x"};
	struct client c = client_open();
	char params[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cursors) / sizeof(cursors[0]); i++) {
		snprintf(params, sizeof(params), "{\"cursor\":\"%s\"}", cursors[i]);
		expect_hop_error(&c, "neighbour.list", params, RPC_INVALID_PARAMS, "cursor");
	}
	expect_hop_error(&c, "neighbour.list", "{\"interface\":\"x\"}", RPC_NOT_FOUND, "interface");
	expect_hop_error(
		&c, "neighbour.show", "{\"address\":\"x\"}", RPC_INVALID_PARAMS, "address");
	expect_hop_error(
		&c, "neighbour.show", "{\"address\":\"10.0.0.99\"}", RPC_NOT_FOUND, "address");
	expect_hop_error(&c, "neighbour.show", "{\"address\":\"10.0.0.5\"}", RPC_INVALID_PARAMS,
		"interface");
	client_free(&c);
}

static void test_neighbour_flush(void **state)
{
	struct client c = client_open();

	(void)state;
	hops_flushed = 0;
	json_t *answer = ask(&c, "neighbour.flush", "{}");
	assert_int_equal(json_integer_value(json_object_get(result_of(answer), "asked")), 11);
	assert_int_equal(hops_interface, POSTERN_INTERFACE_ANY);
	json_decref(answer);
	answer = ask(&c, "neighbour.flush", "{\"address\":\"10.0.0.5\",\"interface\":\"inside\"}");
	assert_int_equal(json_integer_value(json_object_get(result_of(answer), "asked")), 1);
	assert_int_equal(hops_interface, 1);
	assert_true(hops_by_addr);
	json_decref(answer);
	assert_int_equal(hops_flushed, 2);
	expect_hop_error(
		&c, "neighbour.flush", "{\"address\":\"10.9.9.9\"}", RPC_NOT_FOUND, "address");
	hops_busy = true;
	expect_hop_error(&c, "neighbour.flush", "{}", RPC_BUSY, NULL);
	hops_busy = false;
	assert_int_equal(hops_flushed, 2);
	client_free(&c);
}
