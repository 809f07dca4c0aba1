// SPDX-License-Identifier: BSD-2-Clause
// pool: groups of members, how they are probed, and how many of them serve.

#include "control/config/config.h"
#include "control/pool/pool.h"
#include "control/rpc/internal.h"

#include "postern/dataplane.h"

#include <string.h>

bool rpc_member_takes_new(const struct pool_member *m)
{
	return m->weight > 0 && (pool_member_word(m) & POSTERN_MEMBER_TAKES_NEW) != 0;
}

const struct pool *rpc_find_pool(
	struct rpc_call *call, struct rpc_context *context, const char *name)
{
	const struct pool *pool = pool_set_find(context->pools, name);
	struct rpc_names names = {0};

	if (pool)
		return pool;
	for (unsigned i = 0; (pool = pool_set_at(context->pools, i)); i++)
		rpc_names_add(&names, pool->name);
	rpc_fail_not_found(call, "pool", name, rpc_names_text(&names, NULL));
	return NULL;
}

static json_t *users(const struct rpc_context *context, const struct pool *pool)
{
	const struct config *config = context->config(context->daemon);
	json_t *list = json_array();

	for (size_t i = 0; i < config->services.count; i++)
		if (strcmp(config->services.items[i].pool, pool->name) == 0)
			json_array_append_new(list, rpc_text(config->services.items[i].name));
	return list;
}

static json_t *row(const struct rpc_context *context, const struct pool *pool)
{
	struct postern_member_stats sum = {0};
	unsigned healthy = 0;
	unsigned taking = 0;

	for (uint16_t i = 0; i < pool->n_members; i++) {
		const struct pool_member *m = pool->members[i];
		struct postern_member_stats stats = {0};

		postern_member_read(context->dp, m->id, &stats);
		sum.sessions += stats.sessions;
		sum.ending += stats.ending;
		sum.opened += stats.opened;
		sum.refused += stats.refused;
		sum.bytes_in += stats.bytes_in;
		sum.bytes_out += stats.bytes_out;
		healthy += m->health != POOL_HEALTH_DOWN;
		taking += rpc_member_takes_new(m);
	}
	return json_pack("{s:o, s:i, s:i, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name",
		rpc_text(pool->name), "members", (int)pool->n_members, "healthy", (int)healthy,
		"taking", (int)taking, "services", users(context, pool), "sessions",
		rpc_uint(sum.sessions - sum.ending), "ending", rpc_uint(sum.ending), "opened",
		rpc_uint(sum.opened), "refused", rpc_uint(sum.refused), "bytes-in",
		rpc_uint(sum.bytes_in), "bytes-out", rpc_uint(sum.bytes_out));
}

static void pool_list(struct rpc_call *call, const json_t *params, void *user)
{
	const struct rpc_context *context = user;
	const struct pool *pool;
	json_t *items = json_array();

	(void)params;
	for (unsigned i = 0; (pool = pool_set_at(context->pools, i)); i++)
		json_array_append_new(items, row(context, pool));
	rpc_reply_list(call, items, NULL);
}

// "404", or "4xx" for a class.
static json_t *statuses(const uint32_t *items, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(
			list, rpc_textf(items[i] < 10 ? "%uxx" : "%u", (unsigned)items[i]));
	return list;
}

static json_t *text_or_null(const char *text)
{
	return text ? rpc_text(text) : json_null();
}

// What only a probe by SIP has.
static json_t *sip_object(const struct config_probe *p)
{
	return json_pack("{s:s, s:o, s:o, s:o, s:o}", "transport",
		p->transport == CONFIG_TRANSPORT_TLS ? "tls" : "tcp", "from", text_or_null(p->from),
		"uri", text_or_null(p->uri), "alive", statuses(p->alive.items, p->alive.count),
		"not-alive", statuses(p->not_alive.items, p->not_alive.count));
}

json_t *rpc_probe_object(const struct config_probe *p)
{
	static const char *const kinds[] = {
		[CONFIG_PROBE_TCP] = "tcp",
		[CONFIG_PROBE_TLS] = "tls",
		[CONFIG_PROBE_SIP] = "sip-options",
		[CONFIG_PROBE_NONE] = "none",
	};
	char address[POSTERN_ADDR_TEXT];
	const bool own = postern_addr_is_none(&p->address);

	json_t *shown = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "kind",
		kinds[p->kind], "interval-ms", rpc_uint(p->interval_ms), "timeout-ms",
		rpc_uint(p->timeout_ms), "rise", rpc_uint(p->rise), "fall", rpc_uint(p->fall),
		"jitter-percent", rpc_uint(p->jitter_percent), "address",
		text_or_null(own ? NULL : postern_addr_format(&p->address, address)), "port",
		p->port ? rpc_uint(p->port) : json_null());
	if (p->kind == CONFIG_PROBE_SIP)
		json_object_update_new(shown, sip_object(p));
	return shown;
}

static json_t *details(const struct rpc_context *context, const struct pool *pool)
{
	json_t *members = json_array();

	for (uint16_t i = 0; i < pool->n_members; i++)
		json_array_append_new(members, rpc_member_row(context, pool->members[i]));
	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "on-down",
		pool->config->on_down == CONFIG_ON_DOWN_RESET ? "reset" : "keep", "all-down",
		pool->config->all_down == CONFIG_ALL_DOWN_TRY_ALL ? "try-all" : "refuse",
		"slow-start-ms", rpc_uint(pool->config->slow_start_ms), "observe-fall",
		rpc_uint(pool->config->observe_fall), "probe",
		rpc_probe_object(&pool->config->probe), "member-list", members);
}

static void pool_show(struct rpc_call *call, const json_t *params, void *user)
{
	struct rpc_context *context = user;
	const struct pool *pool = rpc_find_pool(call, context, rpc_param_string(params, "pool"));

	if (!pool)
		return;
	json_t *shown = row(context, pool);
	if (json_object_update_new(shown, details(context, pool)) != 0) {
		json_decref(shown);
		shown = NULL;
	}
	rpc_reply(call, shown);
}

static const struct rpc_param show_params[] = {
	{"pool", RPC_STRING, true, true, NULL, "name of the pool"},
	{0},
};

static const struct rpc_method methods[] = {
	{"pool.list", RPC_VIEW, "the pools with how many of their members serve", NULL, pool_list},
	{"pool.show", RPC_VIEW, "one pool with its probe and its members", show_params, pool_show},
};

void rpc_methods_pool(struct rpc_context *context)
{
	rpc_server_add(context->server, methods, sizeof(methods) / sizeof(methods[0]), context);
}
