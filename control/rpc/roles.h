// SPDX-License-Identifier: BSD-2-Clause
// The roles as looked up. Private to this folder.

#pragma once

#include "control/rpc/internal.h"

struct rpc_grant {
	bool group;
	uint32_t id;
	unsigned mask;
};

struct rpc_roles {
	bool has_control;
	gid_t control;
	size_t n;
	struct rpc_grant grants[];
};

// acl.c: lets those connect to the socket who have a role, and nobody else.
void rpc_acl_apply(struct rpc_server *server);
