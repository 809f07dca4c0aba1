// SPDX-License-Identifier: BSD-2-Clause
// The nouns of the control socket over a dataplane and pools that the test makes up.

#include "control/alarm/alarm.h"
#include "control/config/config.h"
#include "control/pool/pool.h"
#include "tests/unit/rpc_client.h"

#include "postern/dataplane.h"
#include "postern/log.h"
#include "postern/relay.h"
#include "postern/snapshot.h"

#include <netinet/in.h>

#define SESSIONS 10
#define MEMBERS  3

// What is made up.

static bool link_up[2];
static bool walk_stuck; // the walk finds nothing and no end
static struct pool_member members[MEMBERS];
static struct pool_member *member_list[MEMBERS] = {&members[0], &members[1], &members[2]};
static struct config_pool pool_config = {.name = (char[]){"edge"}};
static struct pool pool = {
	.id = 1,
	.name = "edge",
	.members = member_list,
	.n_members = MEMBERS,
	.config = &pool_config,
};

int postern_port_read(
	const struct postern_dataplane *dp, uint16_t interface, struct postern_port_info *out)
{
	(void)dp;
	*out = (struct postern_port_info){.driver = "made-up", .up = link_up[interface]};
	return 0;
}

void postern_member_read(
	const struct postern_dataplane *dp, uint16_t id, struct postern_member_stats *out)
{
	(void)dp;
	*out = (struct postern_member_stats){.sessions = id, .ending = 1, .opened = UINT64_MAX};
}

void postern_listen_read(
	const struct postern_dataplane *dp, uint16_t id, struct postern_listen_stats *out)
{
	(void)dp;
	*out = (struct postern_listen_stats){
		.sessions = 10u * id, .ending = id, .opened = 100u * id};
}

void postern_counters_read(
	const struct postern_dataplane *dp, uint64_t out[static POSTERN_COUNTER_COUNT])
{
	(void)dp;
	for (unsigned i = 0; i < POSTERN_COUNTER_COUNT; i++)
		out[i] = i;
}

uint64_t postern_dataplane_adopted(const struct postern_dataplane *dp)
{
	(void)dp;
	return 7;
}

uint32_t postern_sessions_capacity(const struct postern_dataplane *dp)
{
	(void)dp;
	return 1000;
}

uint32_t postern_sessions_in_use(const struct postern_dataplane *dp)
{
	(void)dp;
	return SESSIONS;
}

bool postern_dataplane_uses_huge_pages(const struct postern_dataplane *dp)
{
	(void)dp;
	return false;
}

const char *postern_session_state_name(enum postern_session_state s)
{
	static const char *const names[] = {"opening", "established", "closing", "reset"};

	return names[s];
}

static bool one_is_a_flow;

// Sessions lie in every second slot, so that a look of one slot may find nothing.
static void made_up(uint32_t slot, struct postern_session *out)
{
	*out = (struct postern_session){
		.slot = slot,
		.generation = 0x17,
		.state = slot % 4 == 0 ? POSTERN_SESSION_ESTABLISHED : POSTERN_SESSION_CLOSING,
		.client = {postern_addr_from_v4(__builtin_bswap32(0xc0000200u + slot)),
			(uint16_t)(1000 + slot)},
		.listen = 1,
		.protocol = IPPROTO_UDP,
		.member = (uint16_t)(slot / 2 % MEMBERS + 1),
		.age_ms = 60000,
	};
	// One that a member has begun.
	if (slot == 6 && one_is_a_flow) {
		out->kind = POSTERN_SESSION_OUTBOUND;
		out->listen = 12;
		out->member_port = 40123;
	}
}

int postern_session_next(const struct postern_dataplane *dp, uint64_t *cursor, unsigned budget,
	struct postern_session *out)
{
	(void)dp;
	(void)budget;
	if (walk_stuck)
		return -EAGAIN;
	if (*cursor >= 2 * SESSIONS)
		return 0;
	const uint32_t slot = (uint32_t)(*cursor)++;
	if (slot % 2 == 1)
		return -EAGAIN;
	made_up(slot, out);
	return 1;
}

int postern_session_get(const struct postern_dataplane *dp, unsigned worker, uint32_t slot,
	uint32_t generation, struct postern_session *out)
{
	(void)dp;
	if (worker != 0 || slot >= 2 * SESSIONS || slot % 2 == 1 || generation != 0x17)
		return -ENOENT;
	made_up(slot, out);
	return 0;
}

int postern_relay_get(const struct postern_dataplane *dp, unsigned worker, uint32_t slot,
	uint32_t generation, struct postern_relay_info *out)
{
	(void)dp;
	(void)worker;
	(void)slot;
	(void)generation;
	(void)out;
	return -ENOENT;
}

int postern_hello_next(const struct postern_dataplane *dp, uint64_t *cursor, unsigned budget,
	struct postern_hello_seen *out)
{
	(void)dp;
	(void)cursor;
	(void)budget;
	(void)out;
	return 0;
}

const struct pool *pool_set_at(const struct pool_set *set, unsigned index)
{
	(void)set;
	return index == 0 ? &pool : NULL;
}

const struct pool *pool_set_find(const struct pool_set *set, const char *name)
{
	(void)set;
	return strcmp(name, pool.name) == 0 ? &pool : NULL;
}

struct pool_member *pool_member_find(const struct pool *p, const char *name)
{
	for (unsigned i = 0; i < p->n_members; i++)
		if (strcmp(p->members[i]->name, name) == 0)
			return p->members[i];
	return NULL;
}

const struct pool_member *pool_set_member(const struct pool_set *set, uint16_t id)
{
	(void)set;
	return id >= 1 && id <= MEMBERS ? &members[id - 1] : NULL;
}

void pool_member_set_admin(struct pool_set *set, struct pool_member *m, enum pool_admin admin)
{
	(void)set;
	m->admin = admin;
}

uint32_t pool_member_word(const struct pool_member *m)
{
	return m->admin == POOL_ADMIN_READY && m->health != POOL_HEALTH_DOWN
		       ? POSTERN_MEMBER_TAKES_NEW
		       : 0;
}

void pool_member_set_weight(struct pool_set *set, struct pool_member *m, int32_t weight)
{
	(void)set;
	m->weight_set = weight;
}

unsigned pool_member_share(const struct pool_member *m)
{
	return m->id == 2 ? 40 : 100;
}

int pool_tls_check(
	const struct config *c, struct config_errors *mistakes, struct config_errors *warnings)
{
	(void)c;
	(void)mistakes;
	(void)warnings;
	return 0;
}

struct x509_store_st *pool_trust(const struct pool *p)
{
	(void)p;
	return NULL;
}

int64_t pool_certificate_end(const struct pool *p)
{
	(void)p;
	return 0;
}

static const char *const admins[] = {"ready", "drain", "maint"};

const char *pool_admin_name(enum pool_admin a)
{
	return admins[a];
}

const char *pool_health_name(enum pool_health h)
{
	static const char *const names[] = {"unknown", "up", "down"};

	return names[h];
}

int pool_admin_parse(const char *name)
{
	for (int i = 0; i < 3; i++)
		if (strcmp(admins[i], name) == 0)
			return i;
	return -EINVAL;
}

// The configuration and the snapshot.

static struct config_interface interfaces[] = {
	{.name = (char[]){"outside"}, .device = (char[]){"net_null0"}},
	{.name = (char[]){"inside"}, .device = (char[]){"net_null1"}},
};
static struct config_listen service_listens[] = {
	{.at = {.port = 3478}},
	{.at = {.port = 50000}, .last_port = 59999},
};
static struct config_service services[] = {
	{.name = (char[]){"federation"},
		.pool = (char[]){"edge"},
		.listen = {service_listens, 2},
		.profile = CONFIG_PROFILE_AV_EDGE,
		.transport = CONFIG_SERVICE_UDP,
		.translate = CONFIG_TRANSLATE_DESTINATION,
		.affinity = CONFIG_AFFINITY_SOURCE},
};
static struct config_error warning = {.line = 9,
	.field = (char[]){"services[0].listen[0]"},
	.what = (char[]){"no good idea"},
	.expected = (char[]){"a better one"}};
static struct config config = {
	.file = (char[]){"/nowhere/postern.yaml"},
	.interfaces = {interfaces, 2},
	.services = {services, 1},
	.warnings = {.list = {&warning, 1}},
};
static struct postern_service snapshot_services[] = {{.id = 4, .name = "federation"}};
static struct postern_listen snapshot_listens[] = {
	{.id = 1, .service = 4}, {.id = 2, .service = 4}, {.id = 3, .service = 5}};
static struct postern_snapshot snapshot = {
	.services = snapshot_services,
	.n_services = 1,
	.listens = snapshot_listens,
	.n_listens = 3,
};
static void (*reload_done)(
	void *user, int status, uint64_t epoch, const struct config_errors *errors);
static uint32_t reload_ms;
static void *reload_user;

static const struct config *get_config(void *daemon)
{
	(void)daemon;
	return &config;
}

static const struct postern_snapshot *get_snapshot(void *daemon)
{
	(void)daemon;
	return &snapshot;
}

static void reload(void *daemon, uint32_t confirm_ms,
	void (*done)(void *user, int status, uint64_t epoch, const struct config_errors *errors),
	void *user)
{
	(void)daemon;
	reload_ms = confirm_ms;
	reload_done = done;
	reload_user = user;
}

static struct rpc_context context;

static int setup_methods(void **state)
{
	const struct alarm_source watched = {.config = get_config};

	setup(state);
	context = (struct rpc_context){
		.server = server,
		.alarms = alarm_set_new(&watched),
		.config = get_config,
		.snapshot = get_snapshot,
		.reload = reload,
	};
	postern_endpoint_parse("192.0.2.20:3478", &service_listens[0].at);
	postern_endpoint_parse("192.0.2.20:50000", &service_listens[1].at);
	for (unsigned i = 0; i < 3; i++)
		snapshot_listens[i].at = service_listens[0].at;
	rpc_methods_add(&context);
	link_up[0] = link_up[1] = true;
	walk_stuck = false;
	for (unsigned i = 0; i < MEMBERS; i++) {
		members[i] = (struct pool_member){
			.pool = &pool,
			.settings = &pool_config.probe,
			.id = (uint16_t)(i + 1),
			.weight = 1,
			.weight_set = POOL_WEIGHT_FILE,
			.health = POOL_HEALTH_UP,
		};
		// fe1 and fe2 are on one machine.
		members[i].at = (struct postern_endpoint){
			postern_addr_from_v4(__builtin_bswap32(0x0a000001u + i / 2)),
			(uint16_t)(5060 + i)};
		snprintf(members[i].name, sizeof(members[i].name), "fe%u", i + 1);
	}
	return 0;
}

// Asks and returns the whole answer; `params` is JSON.
static json_t *ask(struct client *c, const char *method, const char *params)
{
	char text[512];

	snprintf(text, sizeof(text),
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":%s}\n", method, params);
	client_send(c, text);
	return client_answer(c);
}

static const json_t *result_of(const json_t *answer)
{
	const json_t *result = json_object_get(answer, "result");

	assert_non_null(result);
	return result;
}

static void expect_verdict(struct client *c, const char *verdict, size_t n, const char *what)
{
	json_t *answer = ask(c, "status.show", "{}");
	const json_t *reasons = json_object_get(result_of(answer), "reasons");

	assert_string_equal(member(result_of(answer), "verdict"), verdict);
	assert_int_equal(json_array_size(reasons), n);
	if (n > 0) {
		assert_non_null(strstr(member(json_array_get(reasons, 0), "what"), what));
		assert_memory_equal(member(json_array_get(reasons, 0), "next"), "posternctl ", 11);
	}
	json_decref(answer);
}

static void test_status(void **state)
{
	struct client c = client_open();

	(void)state;
	expect_verdict(&c, "ok", 0, NULL);
	members[0].admin = POOL_ADMIN_DRAIN; // an operator's own wish is no trouble
	expect_verdict(&c, "ok", 1, "edge/fe1 is drained since");
	members[0].admin = POOL_ADMIN_MAINT;
	expect_verdict(&c, "degraded", 1, "edge/fe1");
	members[1].health = POOL_HEALTH_DOWN;
	expect_verdict(&c, "degraded", 2, "edge/fe1");
	members[2].weight = 0;
	expect_verdict(&c, "down", 3, "federation");
	members[2].weight = 1;
	members[0].admin = POOL_ADMIN_READY;
	members[1].health = POOL_HEALTH_UP;
	link_up[1] = false;
	expect_verdict(&c, "degraded", 1, "inside");
	link_up[0] = false;
	expect_verdict(&c, "down", 2, "outside");
	client_free(&c);
}

static void test_lists_answer(void **state)
{
	static const char *const names[] = {"interface.list", "service.list", "pool.list",
		"member.list", "session.list", "stats.list"};
	struct client c = client_open();

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		json_t *answer = ask(&c, names[i], "{}");
		assert_true(json_array_size(json_object_get(result_of(answer), "items")) > 0);
		assert_true(json_is_null(json_object_get(result_of(answer), "next")));
		json_decref(answer);
	}
	client_free(&c);
}

static void test_service_sums(void **state)
{
	struct client c = client_open();
	json_t *answer = ask(&c, "service.show", "{\"service\":\"federation\"}");

	(void)state;
	// Listens 1 and 2 are its own, 3 is not.
	assert_int_equal(json_integer_value(json_object_get(result_of(answer), "sessions")), 27);
	assert_int_equal(json_integer_value(json_object_get(result_of(answer), "ending")), 3);
	const json_t *first = json_array_get(json_object_get(result_of(answer), "listens"), 0);
	assert_int_equal(json_integer_value(json_object_get(first, "taking")), 3);
	assert_int_equal(json_array_size(json_object_get(result_of(answer), "listens")), 2);
	json_decref(answer);
	client_free(&c);
}

static void test_service_says_how(void **state)
{
	static const char *const said[][2] = {{"transport", "udp"}, {"translate", "destination"},
		{"profile", "av-edge"}, {"affinity", "source"}};
	struct client c = client_open();
	json_t *answer = ask(&c, "service.show", "{\"service\":\"federation\"}");

	(void)state;
	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++)
		assert_string_equal(member(result_of(answer), said[i][0]), said[i][1]);
	const json_t *listen = json_object_get(result_of(answer), "listen");
	assert_string_equal(json_string_value(json_array_get(listen, 0)), "192.0.2.20:3478");
	assert_string_equal(json_string_value(json_array_get(listen, 1)), "192.0.2.20:50000-59999");
	json_decref(answer);
	client_free(&c);
}

static void test_not_there(void **state)
{
	static const char *const asked[][4] = {
		{"interface.show", "{\"interface\":\"x\"}", "interface", "outside, inside"},
		{"service.show", "{\"service\":\"x\"}", "service", "federation"},
		{"pool.show", "{\"pool\":\"x\"}", "pool", "edge"},
		{"member.list", "{\"pool\":\"x\"}", "pool", "edge"},
		{"member.show", "{\"member\":\"edge/x\"}", "member",
			"edge/fe1, edge/fe2, edge/fe3"},
		{"session.list", "{\"member\":\"x/y\"}", "pool", "edge"},
	};
	struct client c = client_open();

	(void)state;
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		json_t *answer = ask(&c, asked[i][0], asked[i][1]);
		assert_int_equal(json_integer_value(
					 json_object_get(json_object_get(answer, "error"), "code")),
			RPC_NOT_FOUND);
		assert_string_equal(member(mistake(answer, asked[i][2]), "expected"), asked[i][3]);
		json_decref(answer);
	}
	client_free(&c);
}

#include "tests/unit/rpc_meant.h"

static void test_probes(void **state)
{
	struct client c = client_open();
	uint32_t alive[] = {2, 404};
	const struct config_probe own = {.kind = CONFIG_PROBE_SIP,
		.port = 5062,
		.transport = CONFIG_TRANSPORT_TCP,
		.from = (char[]){"sip:a@b"},
		.alive = {alive, 2}};
	char *kind, *transport, *from, *first, *second;
	int port;

	(void)state;
	members[1].settings = &own;
	json_t *a = ask(&c, "member.show", "{\"member\":\"edge/fe2\"}");
	assert_int_equal(
		json_unpack(a, "{s:{s:{s:s, s:n, s:i, s:s, s:s, s:n, s:[ss], s:[]}}}", "result",
			"probe", "kind", &kind, "address", "port", &port, "transport", &transport,
			"from", &from, "uri", "alive", &first, &second, "not-alive"),
		0);
	assert_string_equal(kind, "sip-options");
	assert_int_equal(port, 5062);
	assert_string_equal(transport, "tcp");
	assert_string_equal(from, "sip:a@b");
	assert_string_equal(first, "2xx");
	assert_string_equal(second, "404");
	json_decref(a);

	// The pool's own is another.
	a = ask(&c, "pool.show", "{\"pool\":\"edge\"}");
	const json_t *probe = json_object_get(json_object_get(a, "result"), "probe");
	assert_string_equal(json_string_value(json_object_get(probe, "kind")), "tcp");
	assert_true(json_is_null(json_object_get(probe, "port")));
	assert_null(json_object_get(probe, "transport"));
	json_decref(a);
	client_free(&c);
}

static void test_member_set(void **state)
{
	struct client c = client_open();
	json_t *answer = ask(&c, "member.set", "{\"member\":\"edge/fe2\",\"state\":\"drain\"}");

	(void)state;
	assert_string_equal(member(result_of(answer), "name"), "edge/fe2");
	assert_string_equal(member(result_of(answer), "admin"), "drain");
	assert_true(json_is_false(json_object_get(result_of(answer), "takes-new")));
	// What JSON's integers cannot hold is not shown as negative.
	assert_int_equal(
		json_integer_value(json_object_get(result_of(answer), "opened")), INT64_MAX);
	assert_int_equal(members[1].admin, POOL_ADMIN_DRAIN);
	json_decref(answer);
	answer = ask(&c, "member.set", "{\"member\":\"fe2\",\"state\":\"ready\"}");
	assert_string_equal(member(mistake(answer, "member"), "expected"), "edge/fe2");
	json_decref(answer);
	client_free(&c);
}

// All items of a list, asked for in pages of `limit`.
static size_t count_pages(struct client *c, const char *method, unsigned limit)
{
	char params[96];
	char cursor[40] = "";
	size_t n = 0;

	for (unsigned page = 0;; page++) {
		assert_true(page < 100);
		snprintf(params, sizeof(params), "{\"limit\":%u%s%s%s}", limit,
			cursor[0] ? ",\"cursor\":\"" : "", cursor, cursor[0] ? "\"" : "");
		json_t *answer = ask(c, method, params);
		const json_t *next = json_object_get(result_of(answer), "next");
		size_t got = json_array_size(json_object_get(result_of(answer), "items"));
		assert_in_range(got, 0, limit);
		n += got;
		if (json_is_null(next)) {
			json_decref(answer);
			return n;
		}
		snprintf(cursor, sizeof(cursor), "%s", json_string_value(next));
		json_decref(answer);
	}
}

static void test_pages(void **state)
{
	struct client c = client_open();

	(void)state;
	for (unsigned limit = 1; limit < 12; limit++) {
		assert_int_equal(count_pages(&c, "session.list", limit), SESSIONS);
		assert_int_equal(count_pages(&c, "member.list", limit), MEMBERS);
	}
	client_free(&c);
}

static void expect_sessions(struct client *c, const char *params, size_t n)
{
	json_t *answer = ask(c, "session.list", params);

	assert_int_equal(json_array_size(json_object_get(result_of(answer), "items")), n);
	json_decref(answer);
}

static void test_session_filters(void **state)
{
	struct client c = client_open();

	(void)state;
	expect_sessions(&c, "{\"state\":\"established\"}", 5);
	expect_sessions(&c, "{\"state\":\"reset\"}", 0);
	expect_sessions(&c, "{\"pool\":\"edge\"}", 10);
	expect_sessions(&c, "{\"member\":\"edge/fe1\"}", 4);
	expect_sessions(&c, "{\"member\":\"edge/fe2\"}", 3);
	expect_sessions(&c, "{\"service\":\"federation\"}", 10);
	expect_sessions(&c, "{\"client\":\"192.0.2.4\"}", 1);
	expect_sessions(&c, "{\"client\":\"192.0.2.5\"}", 0);
	expect_sessions(&c, "{\"client\":\"192.0.2.0/29\"}", 4);
	expect_sessions(&c, "{\"client\":\"192.0.2.4:1004\"}", 1);
	expect_sessions(&c, "{\"client\":\"192.0.2.4:1005\"}", 0);
	client_free(&c);
}

static void test_session_ids(void **state)
{
	static const char *const wrong[] = {"", "w", "w0", "w0.4", "w0.4.", "w0.4.17x", "w0.4.17 ",
		" w0.4.17", "w-1.4.17", "w0.0x4.17", "w0.4.17.1", "w999.4.17", "w0.4.123456789",
		"w99999999999.4.17"};
	struct client c = client_open();
	char params[64];
	json_t *answer = ask(&c, "session.show", "{\"session\":\"w0.4.17\"}");

	(void)state;
	assert_string_equal(member(result_of(answer), "session"), "w0.4.17");
	assert_string_equal(member(result_of(answer), "client"), "192.0.2.4:1004");
	assert_string_equal(member(result_of(answer), "protocol"), "udp");
	assert_string_equal(member(result_of(answer), "member"), "edge/fe3");
	json_decref(answer);
	answer = ask(&c, "session.show", "{\"session\":\"w0.4.18\"}");
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(answer, "error"), "code")),
		RPC_NOT_FOUND);
	json_decref(answer);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(params, sizeof(params), "{\"session\":\"%s\"}", wrong[i]);
		answer = ask(&c, "session.show", params);
		assert_int_equal(json_integer_value(
					 json_object_get(json_object_get(answer, "error"), "code")),
			RPC_INVALID_PARAMS);
		json_decref(answer);
	}
	client_free(&c);
}

// A table that takes long to look through holds up nobody.
static void test_long_walk(void **state)
{
	struct client c = client_open();
	struct client other = client_open();

	(void)state;
	walk_stuck = true;
	client_send(&c, "{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"session.list\"}\n");
	expect_alive(&other);
	expect_alive(&c);
	walk_stuck = false;
	expect_result(&c, 9);
	// One that is under way when its connection is closed ends with it.
	walk_stuck = true;
	client_send(&c, "{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"session.list\"}\n");
	expect_alive(&c);
	client_free(&other);
	client_free(&c);
}

#include "tests/unit/rpc_close.h"
#include "tests/unit/rpc_neighbour.h"
#include "tests/unit/rpc_node.h"
#include "tests/unit/rpc_outbound.h"
#include "tests/unit/rpc_reload.h"
#include "tests/unit/rpc_weight.h"
#include "tests/unit/rpc_why.h"

static void test_log(void **state)
{
	static const char *const subsystem = "test";
	struct client c = client_open();

	(void)state;
	for (int i = 0; i < 5; i++)
		postern_log(POSTERN_LOG_WARNING, subsystem, "line %d \xff", i);
	json_t *answer = ask(&c, "log.show", "{\"limit\":2,\"level\":\"warning\"}");
	const json_t *items = json_object_get(result_of(answer), "items");
	assert_int_equal(json_array_size(items), 2);
	assert_string_equal(member(json_array_get(items, 0), "text"), "line 3 ?");
	assert_string_equal(member(json_array_get(items, 1), "text"), "line 4 ?");
	json_decref(answer);
	assert_true(count_pages(&c, "log.show", 1000) >= 5);
	answer = ask(&c, "log.show", "{\"from\":1,\"limit\":2}");
	assert_true(json_is_string(json_object_get(result_of(answer), "next")));
	json_decref(answer);
	answer = ask(&c, "log.set", "{\"level\":\"error\"}");
	assert_string_equal(member(result_of(answer), "level"), "error");
	assert_int_equal(postern_log_get_level(), POSTERN_LOG_ERROR);
	json_decref(answer);
	client_free(&c);
}

static int teardown_methods(void **state)
{
	alarm_set_free(context.alarms);
	return teardown(state);
}

static void test_alarms(void **state)
{
	struct client c = client_open();

	(void)state;
	members[1].health = POOL_HEALTH_DOWN;
	link_up[0] = link_up[1] = false;
	json_t *answer = ask(&c, "alarm.list", "{}");
	const json_t *items = json_object_get(result_of(answer), "items");
	assert_int_equal(json_array_size(items), 3);
	const json_t *last = json_array_get(items, 2);
	assert_string_equal(member(json_array_get(items, 0), "severity"), "down");
	assert_string_equal(member(last, "alarm"), "member-down");
	assert_string_equal(member(last, "object"), "edge/fe2");
	assert_string_equal(member(last, "remedy"), "posternctl member show edge/fe2");
	assert_int_equal(strlen(member(last, "since")), strlen("2026-01-01T00:00:00.000Z"));
	json_decref(answer);
	answer = ask(&c, "alarm.list", "{\"severity\":\"degraded\"}");
	assert_int_equal(json_array_size(json_object_get(result_of(answer), "items")), 1);
	json_decref(answer);
	for (unsigned limit = 1; limit < 5; limit++)
		assert_int_equal(count_pages(&c, "alarm.list", limit), 3);
	client_free(&c);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_methods, teardown_methods)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_status),
		TEST(test_alarms),
		TEST(test_nodes),
		TEST(test_node_set),
		TEST(test_lists_answer),
		TEST(test_outbound),
		TEST(test_service_sums),
		TEST(test_service_says_how),
		TEST(test_not_there),
		TEST(test_what_was_meant),
		TEST(test_probes),
		TEST(test_member_set),
		TEST(test_member_weight),
		TEST(test_pages),
		TEST(test_session_filters),
		TEST(test_session_ids),
		TEST(test_long_walk),
		TEST(test_session_close),
		TEST(test_session_close_mistakes),
		TEST(test_session_close_waits),
		TEST(test_neighbours),
		TEST(test_neighbour_mistakes),
		TEST(test_neighbour_flush),
		TEST(test_why_address),
		TEST(test_why_outbound),
		TEST(test_why_service_and_session),
		TEST(test_why_words),
		TEST(test_reload),
		TEST(test_check_guards),
		TEST(test_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
