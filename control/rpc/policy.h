// SPDX-License-Identifier: BSD-2-Clause
// What the methods of the policy share. Nobody outside includes this.

#pragma once

#include "control/policy/policy.h"
#include "control/rpc/internal.h"

#include "postern/snapshot.h"

// A call that waits for the policy.
struct rpc_policy_call {
	struct rpc_call *call;
	struct rpc_context *context;
	char organisation[POSTERN_NAME_SIZE];
	char file[1024]; // that mistakes are in; empty: none
	bool dry_run;
};

// Finds the organisation; NULL after having answered.
struct rpc_policy_call *rpc_policy_call_new(
	struct rpc_call *call, struct rpc_context *context, const json_t *params);
// What could not even be asked. Ends the call.
void rpc_policy_not_asked(struct rpc_policy_call *pc, int status);
// Whether it failed; if so the call has its answer.
bool rpc_policy_failed(struct rpc_policy_call *pc, const struct policy_result *r);
