// SPDX-License-Identifier: BSD-2-Clause
// organisation: whom postern serves, as the file says.

#include "control/config/config.h"
#include "control/rpc/internal.h"

#include <string.h>

const struct config_organisation *rpc_find_organisation(
	struct rpc_call *call, const struct rpc_context *context, const char *name)
{
	const struct config *c = context->config(context->daemon);
	struct rpc_names names = {0};

	if (!name && c->organisations.count == 1)
		return &c->organisations.items[0];
	const struct config_organisation *found = name ? config_organisation_find(c, name) : NULL;
	if (found)
		return found;
	for (size_t i = 0; i < c->organisations.count; i++)
		rpc_names_add(&names, c->organisations.items[i].name);
	if (c->organisations.count == 0)
		rpc_fail(call, RPC_REFUSED,
			rpc_mistake(NULL, "organisation", 0, "the file names no organisation",
				"organisations: [{name: …, domains: […]}] in the file, then config "
				"reload"),
			"the file names no organisation");
	else if (name)
		rpc_fail_not_found(call, "organisation", name, rpc_names_text(&names, NULL));
	else
		rpc_fail(call, RPC_INVALID_PARAMS,
			rpc_mistake(NULL, "organisation", 0, "missing, and there are several",
				rpc_names_text(&names, NULL)),
			"of which organisation?");
	return NULL;
}

static json_t *domain_list(const struct config_organisation *o)
{
	json_t *list = json_array();

	for (size_t i = 0; i < o->domains.count; i++)
		json_array_append_new(list, rpc_text(o->domains.items[i]));
	return list;
}

static void organisation_list(struct rpc_call *call, const json_t *params, void *user)
{
	const struct rpc_context *context = user;
	const struct config *c = context->config(context->daemon);
	uint64_t at = 0;
	int64_t limit = 100;

	if (!rpc_param_integer(call, params, "limit", 1, 1000, &limit) ||
		!rpc_cursor_parse(call, rpc_param_string(params, "cursor"), &at))
		return;
	json_t *items = json_array();
	for (; at < c->organisations.count && json_array_size(items) < (size_t)limit; at++) {
		const struct config_organisation *o = &c->organisations.items[at];

		json_array_append_new(items, json_pack("{s:o, s:o}", "name", rpc_text(o->name),
						     "domains", domain_list(o)));
	}
	rpc_reply_list(call, items,
		at < c->organisations.count ? rpc_textf("%llx", (unsigned long long)at) : NULL);
}

static void organisation_show(struct rpc_call *call, const json_t *params, void *user)
{
	const struct config_organisation *o =
		rpc_find_organisation(call, user, rpc_param_string(params, "organisation"));

	if (o)
		rpc_reply(call, json_pack("{s:o, s:o}", "name", rpc_text(o->name), "domains",
					domain_list(o)));
}

static const struct rpc_param list_params[] = {
	{"limit", RPC_INTEGER, false, false, NULL, "most items at once, 1 to 1000; default 100"},
	{"cursor", RPC_STRING, false, false, NULL, "goes on from an earlier answer's next"},
	{0},
};

static const struct rpc_param show_params[] = {
	{"organisation", RPC_STRING, false, true, NULL, "its name; may lack if there is one"},
	{0},
};

static const struct rpc_method methods[] = {
	{"organisation.list", RPC_VIEW, "whom postern serves, with their SIP domains", list_params,
		organisation_list},
	{"organisation.show", RPC_VIEW, "one of them", show_params, organisation_show},
};

void rpc_methods_organisation(struct rpc_context *context)
{
	rpc_server_add(context->server, methods, sizeof(methods) / sizeof(methods[0]), context);
}
