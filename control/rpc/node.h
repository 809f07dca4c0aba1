// SPDX-License-Identifier: BSD-2-Clause
// Members grouped by their address. A grouping is made for one call and does not outlive it.
// Private to this folder.

#pragma once

#include "control/pool/pool.h"
#include "control/rpc/internal.h"

#define RPC_NODES_END UINT32_MAX

struct rpc_node_member {
	struct pool_member *member;
	uint32_t next; // of the same node; RPC_NODES_END
};

struct rpc_node {
	struct postern_addr at;
	uint32_t first;
	uint32_t last;
};

struct rpc_nodes {
	struct rpc_node_member *members;
	struct rpc_node *nodes; // in the order of the configuration
	uint32_t *slots;        // hash of the address to index + 1; 0: free
	uint32_t n_slots;       // a power of two
	uint32_t n_members;
	uint32_t n_nodes;
};

// Groups all members; ends the call and returns false if memory is refused.
bool rpc_nodes_collect(
	struct rpc_call *call, const struct rpc_context *context, struct rpc_nodes *out);
void rpc_nodes_free(struct rpc_nodes *nodes);

// A node by its address, or by a member's name or FQDN; ends the call and returns NULL if there is
// none, or more than one.
const struct rpc_node *rpc_nodes_find(
	struct rpc_call *call, const struct rpc_nodes *nodes, const char *name);
