// SPDX-License-Identifier: BSD-2-Clause
// Groups members by address in one pass, since there may be tens of thousands and the loop waits.

#include "control/rpc/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static uint32_t count_members(const struct pool_set *pools)
{
	const struct pool *pool;
	uint32_t n = 0;

	for (unsigned i = 0; (pool = pool_set_at(pools, i)) != NULL; i++)
		n += pool->n_members;
	return n;
}

// Where an address is, or where it would go. The multiplier is that of splitmix64; addresses are
// the operator's own, nobody else chooses them.
static uint32_t *slot_of(const struct rpc_nodes *nodes, const struct postern_addr *at)
{
	uint64_t hash =
		(at->quads[0] ^ (at->quads[1] >> 29) ^ at->quads[1]) * UINT64_C(0xbf58476d1ce4e5b9);
	uint32_t i = (uint32_t)(hash >> 32) & (nodes->n_slots - 1);

	while (nodes->slots[i] != 0 &&
		!postern_addr_equal(&nodes->nodes[nodes->slots[i] - 1].at, at))
		i = (i + 1) & (nodes->n_slots - 1);
	return &nodes->slots[i];
}

static void add(struct rpc_nodes *nodes, struct pool_member *m)
{
	const uint32_t index = nodes->n_members++;
	uint32_t *slot = slot_of(nodes, &m->at.addr);

	nodes->members[index] = (struct rpc_node_member){m, RPC_NODES_END};
	if (*slot == 0) {
		nodes->nodes[nodes->n_nodes++] = (struct rpc_node){m->at.addr, index, index};
		*slot = nodes->n_nodes;
		return;
	}
	struct rpc_node *node = &nodes->nodes[*slot - 1];
	nodes->members[node->last].next = index;
	node->last = index;
}

bool rpc_nodes_collect(
	struct rpc_call *call, const struct rpc_context *context, struct rpc_nodes *out)
{
	const uint32_t n = count_members(context->pools);
	const struct pool *pool;

	*out = (struct rpc_nodes){.n_slots = 16};
	while (out->n_slots < 2 * n)
		out->n_slots *= 2;
	out->members = calloc(n + 1, sizeof(*out->members));
	out->nodes = calloc(n + 1, sizeof(*out->nodes));
	out->slots = calloc(out->n_slots, sizeof(*out->slots));
	if (out->members == NULL || out->nodes == NULL || out->slots == NULL) {
		rpc_nodes_free(out);
		rpc_fail(call, RPC_INTERNAL_ERROR, NULL, "out of memory");
		return false;
	}
	for (unsigned i = 0; (pool = pool_set_at(context->pools, i)) != NULL; i++)
		for (uint16_t k = 0; k < pool->n_members; k++)
			add(out, pool->members[k]);
	return true;
}

void rpc_nodes_free(struct rpc_nodes *nodes)
{
	free(nodes->members);
	free(nodes->nodes);
	free(nodes->slots);
}

static bool has_name(const struct pool_member *m, const char *name)
{
	return strcmp(m->name, name) == 0 || (m->fqdn != NULL && strcasecmp(m->fqdn, name) == 0);
}

static bool node_has_name(
	const struct rpc_nodes *nodes, const struct rpc_node *node, const char *name)
{
	for (uint32_t i = node->first; i != RPC_NODES_END; i = nodes->members[i].next)
		if (has_name(nodes->members[i].member, name))
			return true;
	return false;
}

static void add_address(struct rpc_names *names, const struct rpc_node *node)
{
	char text[POSTERN_ADDR_TEXT];

	rpc_names_add(names, postern_addr_format(&node->at, text));
}

static const struct rpc_node *fail_find(
	struct rpc_call *call, const struct rpc_nodes *nodes, const char *name)
{
	struct rpc_names names = {0};

	for (uint32_t i = 0; i < nodes->n_nodes; i++)
		add_address(&names, &nodes->nodes[i]);
	rpc_fail_not_found(call, "node", name, rpc_names_text(&names, NULL));
	return NULL;
}

static const struct rpc_node *fail_many(
	struct rpc_call *call, const char *name, const struct rpc_names *names)
{
	char what[160];

	snprintf(what, sizeof(what), "\"%.80s\" is the name of members on several nodes", name);
	rpc_fail(call, RPC_INVALID_PARAMS,
		rpc_mistake(NULL, "node", 0, what, rpc_names_text(names, NULL)), "%s", what);
	return NULL;
}

const struct rpc_node *rpc_nodes_find(
	struct rpc_call *call, const struct rpc_nodes *nodes, const char *name)
{
	const struct rpc_node *found = NULL;
	struct rpc_names names = {0};
	struct postern_addr at;
	unsigned n = 0;

	if (postern_addr_parse(name, &at) == 0) {
		const uint32_t slot = *slot_of(nodes, &at);

		return slot != 0 ? &nodes->nodes[slot - 1] : fail_find(call, nodes, name);
	}
	for (uint32_t i = 0; i < nodes->n_nodes; i++) {
		if (!node_has_name(nodes, &nodes->nodes[i], name))
			continue;
		found = &nodes->nodes[i];
		add_address(&names, found);
		n++;
	}
	if (n == 0)
		return fail_find(call, nodes, name);
	return n == 1 ? found : fail_many(call, name, &names);
}
