// SPDX-License-Identifier: BSD-2-Clause
// `describe`: every method with its parameters. Help and completion of posternctl come from it.

#include "control/rpc/internal.h"

static json_t *describe_choices(const struct rpc_param *p)
{
	if (!p->choices)
		return json_null();
	json_t *list = json_array();
	for (const char *const *choice = p->choices; *choice; choice++)
		json_array_append_new(list, json_string(*choice));
	return list;
}

static json_t *describe_param(const struct rpc_param *p)
{
	static const char *const types[] = {
		[RPC_STRING] = "string",
		[RPC_INTEGER] = "integer",
		[RPC_BOOLEAN] = "boolean",
		[RPC_DURATION] = "duration",
	};

	return json_pack("{s:s, s:s, s:b, s:b, s:o, s:s}", "name", p->name, "type", types[p->type],
		"required", p->required, "positional", p->positional, "choices",
		describe_choices(p), "help", p->help);
}

static json_t *describe_method(const struct rpc_method *m)
{
	json_t *params = json_array();

	for (const struct rpc_param *p = m->params; p && p->name; p++)
		json_array_append_new(params, describe_param(p));
	if (rpc_param_comment(m))
		json_array_append_new(params, describe_param(rpc_param_comment(m)));
	return json_pack("{s:s, s:s, s:s, s:o}", "name", m->name, "role", rpc_role_name(m->role),
		"help", m->help, "params", params);
}

static void describe(struct rpc_call *call, const json_t *params, void *user)
{
	const struct rpc_server *server = user;
	json_t *items = json_array();

	(void)params;
	for (unsigned g = 0; g < server->n_groups; g++)
		for (size_t i = 0; i < server->groups[g].count; i++)
			json_array_append_new(
				items, describe_method(&server->groups[g].methods[i]));
	rpc_reply_list(call, items, NULL);
}

const struct rpc_method rpc_describe_methods[1] = {
	{"describe", RPC_VIEW, "every method with its parameters", NULL, describe},
};
