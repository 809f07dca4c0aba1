// SPDX-License-Identifier: BSD-2-Clause
// node: the members that share an address, whatever their pools and ports: one machine, as whoever
// has to restart it sees it.

#include "control/pool/pool.h"
#include "control/rpc/internal.h"
#include "control/rpc/node.h"
#include "control/store/store.h"

#include "postern/dataplane.h"

#include <stdlib.h>
#include <string.h>

// What all members agree on, or that they do not.
static void merge(const char **all, const char *one)
{
	if (*all == NULL)
		*all = one;
	else if (strcmp(*all, one) != 0)
		*all = "mixed";
}

static json_t *node_row(const struct rpc_context *context, const struct rpc_nodes *nodes,
	const struct rpc_node *node)
{
	const char *health = NULL;
	const char *admin = NULL;
	uint64_t sessions = 0;
	uint64_t ending = 0;
	json_t *members = json_array();

	for (uint32_t i = node->first; i != RPC_NODES_END; i = nodes->members[i].next) {
		const struct pool_member *m = nodes->members[i].member;
		struct postern_member_stats stats = {0};

		postern_member_read(context->dp, m->id, &stats);
		sessions += stats.sessions - stats.ending;
		ending += stats.ending;
		merge(&health, pool_health_name(m->health));
		merge(&admin, pool_admin_name(m->admin));
		json_array_append_new(members, rpc_textf("%s/%s", m->pool->name, m->name));
	}
	return json_pack("{s:o, s:s, s:s, s:o, s:o, s:o}", "name", rpc_addr(&node->at), "health",
		health, "admin", admin, "sessions", rpc_uint(sessions), "ending", rpc_uint(ending),
		"members", members);
}

static void reply_node(struct rpc_call *call, const struct rpc_context *context,
	const struct rpc_nodes *nodes, const struct rpc_node *node)
{
	json_t *shown = node_row(context, nodes, node);
	json_t *rows = json_array();

	for (uint32_t i = node->first; i != RPC_NODES_END; i = nodes->members[i].next)
		json_array_append_new(rows, rpc_member_row(context, nodes->members[i].member));
	if (json_object_set_new(shown, "members", rows) != 0) {
		json_decref(shown);
		shown = NULL;
	}
	rpc_reply(call, shown);
}

static void node_list(struct rpc_call *call, const json_t *params, void *user)
{
	struct rpc_context *context = user;
	struct rpc_nodes nodes;
	int64_t limit = 1000;
	uint64_t at = 0;

	if (!rpc_param_integer(call, params, "limit", 1, 1000, &limit) ||
		!rpc_cursor_parse(call, rpc_param_string(params, "cursor"), &at) ||
		!rpc_nodes_collect(call, context, &nodes))
		return;
	json_t *items = json_array();
	for (; at < nodes.n_nodes && json_array_size(items) < (size_t)limit; at++)
		json_array_append_new(items, node_row(context, &nodes, &nodes.nodes[at]));
	rpc_reply_list(
		call, items, at < nodes.n_nodes ? rpc_textf("%llx", (unsigned long long)at) : NULL);
	rpc_nodes_free(&nodes);
}

static void reply_name(struct rpc_call *call, struct rpc_context *context, const char *name)
{
	struct rpc_nodes nodes;

	if (!rpc_nodes_collect(call, context, &nodes))
		return;
	const struct rpc_node *node = rpc_nodes_find(call, &nodes, name);
	if (node != NULL)
		reply_node(call, context, &nodes, node);
	rpc_nodes_free(&nodes);
}

static void node_show(struct rpc_call *call, const json_t *params, void *user)
{
	reply_name(call, user, rpc_param_string(params, "node"));
}

// The members of a node as one array; the caller frees it. NULL when memory is refused.
static struct pool_member **members_of(
	const struct rpc_nodes *nodes, const struct rpc_node *node, size_t *n)
{
	struct pool_member **members = calloc(nodes->n_members, sizeof(struct pool_member *));

	*n = 0;
	for (uint32_t i = node->first; members != NULL && i != RPC_NODES_END;
		i = nodes->members[i].next)
		members[(*n)++] = nodes->members[i].member;
	return members;
}

static void set_state(
	struct rpc_call *call, struct rpc_context *context, const char *name, enum pool_admin admin)
{
	struct rpc_nodes nodes;
	size_t n;

	if (!rpc_nodes_collect(call, context, &nodes))
		return;
	const struct rpc_node *node = rpc_nodes_find(call, &nodes, name);
	if (node != NULL) {
		struct pool_member **members = members_of(&nodes, node, &n);

		if (members != NULL)
			rpc_change_members(call, context, name, members, n,
				&(struct rpc_member_change){(int)admin, STORE_WEIGHT_KEEP},
				reply_name);
		else
			rpc_fail(call, RPC_INTERNAL_ERROR, NULL, "out of memory");
		free(members);
	}
	rpc_nodes_free(&nodes);
}

static void node_set(struct rpc_call *call, const json_t *params, void *user)
{
	const int admin = pool_admin_parse(rpc_param_string(params, "state"));

	if (admin < 0)
		rpc_fail(call, RPC_INTERNAL_ERROR, NULL, "that state is not known");
	else
		set_state(call, user, rpc_param_string(params, "node"), (enum pool_admin)admin);
}

static void node_drain(struct rpc_call *call, const json_t *params, void *user)
{
	set_state(call, user, rpc_param_string(params, "node"), POOL_ADMIN_DRAIN);
}

static const char *const states[] = {"ready", "drain", "maint", NULL};

static const struct rpc_param list_params[] = {
	{"limit", RPC_INTEGER, false, false, NULL, "most items at once, 1 to 1000; default 1000"},
	{"cursor", RPC_STRING, false, false, NULL, "goes on from an earlier answer's next"},
	{0},
};

#define NODE_HELP "its address, or the name or FQDN of one of its members"

static const struct rpc_param show_params[] = {
	{"node", RPC_STRING, true, true, NULL, NODE_HELP},
	{0},
};

static const struct rpc_param set_params[] = {
	{"node", RPC_STRING, true, true, NULL, NODE_HELP},
	{"state", RPC_STRING, true, true, states,
		"ready: takes sessions; drain: keeps those it has; maint: those are reset, too"},
	{0},
};

static const struct rpc_method methods[] = {
	{"node.list", RPC_VIEW, "the machines that members run on, by address", list_params,
		node_list},
	{"node.show", RPC_VIEW, "one machine and the members on it", show_params, node_show},
	{"node.set", RPC_OPERATE, "sets all members of a machine", set_params, node_set},
	{"node.drain", RPC_OPERATE,
		"drains all members of a machine; posternctl waits for the last session with "
		"--wait",
		show_params, node_drain},
};

void rpc_methods_node(struct rpc_context *context)
{
	rpc_server_add(context->server, methods, sizeof(methods) / sizeof(methods[0]), context);
}
