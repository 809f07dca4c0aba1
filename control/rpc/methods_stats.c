// SPDX-License-Identifier: BSD-2-Clause
// stats: everything that the dataplane and discovery count.

#include "control/discovery/discovery.h"
#include "control/rpc/internal.h"

#include "postern/counter.h"
#include "postern/dataplane.h"

// Into an object by name, or into a list with what they mean.
static void add_dns(struct discovery *d, json_t *to)
{
	struct discovery_stats s;

	discovery_read(d, &s);
	for (int i = 0; i < DISCOVERY_COUNTER_COUNT; i++) {
		const char *name = discovery_counter_name((enum discovery_counter)i);

		if (json_is_object(to))
			json_object_set_new(to, name, rpc_uint(s.counters[i]));
		else
			json_array_append_new(
				to, json_pack("{s:s, s:o, s:s}", "name", name, "value",
					    rpc_uint(s.counters[i]), "help",
					    discovery_counter_help((enum discovery_counter)i)));
	}
}

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
	if (context->discovery)
		add_dns(context->discovery, shown);
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
	if (context->discovery)
		add_dns(context->discovery, items);
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
