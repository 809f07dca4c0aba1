// SPDX-License-Identifier: BSD-2-Clause
// outbound: the rules by which members begin flows themselves, and what has passed by them.

#include "control/config/config.h"
#include "control/rpc/internal.h"

#include "postern/dataplane.h"
#include "postern/snapshot.h"

#include <string.h>

// Of both families of a rule.
static void sum_up(
	const struct rpc_context *context, const char *name, struct postern_listen_stats *sum)
{
	const struct postern_snapshot *s = context->snapshot(context->daemon);

	for (uint16_t i = 0; s && i < s->n_outbounds; i++) {
		struct postern_listen_stats stats;

		if (strcmp(s->outbounds[i].name, name) != 0)
			continue;
		postern_listen_read(context->dp, s->outbounds[i].id, &stats);
		sum->sessions += stats.sessions;
		sum->ending += stats.ending;
		sum->opened += stats.opened;
		sum->refused += stats.refused;
		sum->bytes_in += stats.bytes_in;
		sum->bytes_out += stats.bytes_out;
	}
}

static json_t *names(const struct config_outbound *o)
{
	json_t *list = json_array();

	for (size_t i = 0; i < o->pools.count; i++)
		json_array_append_new(list, rpc_text(o->pools.items[i]));
	return list;
}

static json_t *addresses(const struct config_outbound *o)
{
	json_t *list = json_array();

	for (size_t i = 0; i < o->translate_to.count; i++)
		json_array_append_new(list, rpc_addr(&o->translate_to.items[i]));
	return list;
}

static json_t *row(const struct rpc_context *context, const struct config_outbound *o)
{
	struct postern_listen_stats sum = {0};

	sum_up(context, o->name, &sum);
	return json_pack("{s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name",
		rpc_text(o->name), "pools", names(o), "mode", config_outbound_mode_name(o->mode),
		"translate-to", addresses(o), "flows", rpc_uint(sum.sessions - sum.ending),
		"ending", rpc_uint(sum.ending), "opened", rpc_uint(sum.opened), "refused",
		rpc_uint(sum.refused), "flows-per-member", rpc_uint(o->flows_per_member),
		"bytes-in", rpc_uint(sum.bytes_in), "bytes-out", rpc_uint(sum.bytes_out));
}

static void outbound_list(struct rpc_call *call, const json_t *params, void *user)
{
	const struct rpc_context *context = user;
	const struct config *config = context->config(context->daemon);
	json_t *items = json_array();

	(void)params;
	for (size_t i = 0; i < config->outbound.count; i++)
		json_array_append_new(items, row(context, &config->outbound.items[i]));
	rpc_reply_list(call, items, NULL);
}

static const struct rpc_method methods[] = {
	{"outbound.list", RPC_VIEW, "the rules by which members begin flows, and their flows", NULL,
		outbound_list},
};

void rpc_methods_outbound(struct rpc_context *context)
{
	rpc_server_add(context->server, methods, sizeof(methods) / sizeof(methods[0]), context);
}
