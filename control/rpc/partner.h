// SPDX-License-Identifier: BSD-2-Clause
// What the methods of partners share. Nobody outside includes this.

#pragma once

#include "control/rpc/policy.h"

#include "postern/policy.h"

// A domain that is decided upon.
struct rpc_partner_call {
	struct rpc_policy_call *pc;
	struct postern_domain domain;
	struct postern_answer answer;
	enum postern_direction direction;
	bool given;      // names were
	const char *key; // of the entry that is looked for
	// Gets the entry that the decision came from, or NULL, and takes it.
	void (*shown)(struct rpc_partner_call *p, json_t *entry);
	void *user; // for it
};

// From the parameters `domain` and `organisation`; NULL after having answered.
struct rpc_partner_call *rpc_partner_call_new(
	struct rpc_call *call, const json_t *params, struct rpc_context *context);
// Decides, with the parameter `names` if there is one; false after having answered.
bool rpc_partner_decide(struct rpc_partner_call *p, const json_t *params);
void rpc_partner_show_entry(struct rpc_partner_call *p);
// The decision with its row and DNS facts, for people and scripts.
json_t *rpc_partner_decision(const struct rpc_partner_call *p);
