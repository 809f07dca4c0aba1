// SPDX-License-Identifier: BSD-2-Clause
// stats: everything that the dataplane counts.

#include "control/rpc/internal.h"

#include "postern/counter.h"
#include "postern/dataplane.h"

static void stats_show(struct rpc_call *call, const json_t *params, void *user)
{
	const struct rpc_context *context = user;
	uint64_t values[POSTERN_COUNTER_COUNT];
	json_t *shown = json_object();

	(void)params;
	postern_counters_read(context->dp, values);
	for (unsigned c = 0; c < POSTERN_COUNTER_COUNT; c++)
		json_object_set_new(
			shown, postern_counter_name((enum postern_counter)c), rpc_uint(values[c]));
	rpc_reply(call, shown);
}

static void stats_list(struct rpc_call *call, const json_t *params, void *user)
{
	const struct rpc_context *context = user;
	uint64_t values[POSTERN_COUNTER_COUNT];
	json_t *items = json_array();

	(void)params;
	postern_counters_read(context->dp, values);
	for (unsigned c = 0; c < POSTERN_COUNTER_COUNT; c++)
		json_array_append_new(
			items, json_pack("{s:s, s:o, s:s}", "name",
				       postern_counter_name((enum postern_counter)c), "value",
				       rpc_uint(values[c]), "help",
				       postern_counter_help((enum postern_counter)c)));
	rpc_reply_list(call, items, NULL);
}

static const struct rpc_method methods[] = {
	{"stats.show", RPC_VIEW, "every counter since start", NULL, stats_show},
	{"stats.list", RPC_VIEW, "every counter with what it means", NULL, stats_list},
};

void rpc_methods_stats(struct rpc_context *context)
{
	rpc_server_add(context->server, methods, sizeof(methods) / sizeof(methods[0]), context);
}
