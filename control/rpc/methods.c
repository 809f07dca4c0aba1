// SPDX-License-Identifier: BSD-2-Clause
// All nouns in the order in which help shows them.

#include "control/rpc/internal.h"

void rpc_methods_add(struct rpc_context *context)
{
	rpc_methods_status(context);
	rpc_methods_alarm(context);
	rpc_methods_interface(context);
	rpc_methods_neighbour(context);
	rpc_methods_service(context);
	rpc_methods_outbound(context);
	rpc_methods_pool(context);
	rpc_methods_member(context);
	rpc_methods_node(context);
	rpc_methods_session(context);
	rpc_methods_session_close(context);
	rpc_methods_hello(context);
	rpc_methods_why(context);
	rpc_methods_stats(context);
	rpc_methods_organisation(context);
	rpc_methods_policy(context);
	rpc_methods_policy_file(context);
	rpc_methods_partner(context);
	rpc_methods_partner_test(context);
	rpc_methods_dns(context);
	rpc_methods_plan(context);
	rpc_methods_config(context);
	rpc_methods_diff(context);
	rpc_methods_audit(context);
	rpc_methods_backup(context);
	rpc_methods_log(context);
}
