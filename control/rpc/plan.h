// SPDX-License-Identifier: BSD-2-Clause
// What the methods of plans share. Nobody outside includes this.

#pragma once

#include "control/plan/plan.h"
#include "control/rpc/policy.h"

#include "postern/addr.h"

// What `plan check` is about.
struct rpc_plan_check {
	bool dns, certificates;
	struct postern_endpoint resolver; // port 0: those of the configuration
};

// Reads `what` and `resolver`; false after having answered.
bool rpc_plan_check_read(struct rpc_call *call, const json_t *params, struct rpc_plan_check *out);

// Answers the call, later; `q` is borrowed until the return, and `pc` is taken.
void rpc_plan_check(struct rpc_policy_call *pc, const struct plan_question *q,
	const struct rpc_plan_check *what);
