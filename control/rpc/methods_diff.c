// SPDX-License-Identifier: BSD-2-Clause
// config diff: what a reload of the file would change of what runs.

#include "control/config/config.h"
#include "control/pool/pool.h"
#include "control/rpc/internal.h"

#include <string.h>

// Nobody reads more; this bounds the answer.
#define CHANGES_MAX 2000u
// Of one value: an added pool with a thousand members is a long line.
#define VALUE_MAX 400

static json_t *value(const char *text)
{
	if (!text)
		return json_null();
	return rpc_textf("%.*s%s", VALUE_MAX, text, strlen(text) > VALUE_MAX ? "..." : "");
}

// What an operator has set, and a reload leaves as it is.
static void add_overrides(json_t *items, const struct rpc_context *context)
{
	const struct pool *pool;

	for (unsigned p = 0; (pool = pool_set_at(context->pools, p)); p++)
		for (uint16_t i = 0; i < pool->n_members; i++) {
			const struct pool_member *m = pool->members[i];

			if (m->weight_set >= 0 && json_array_size(items) < CHANGES_MAX)
				json_array_append_new(items,
					json_pack("{s:o, s:s, s:s, s:o, s:o, s:s}", "object",
						rpc_textf("pool %s member %s", pool->name, m->name),
						"change", "overridden", "field", "weight", "old",
						rpc_textf("%u", m->weight_file), "new",
						rpc_textf("%d", m->weight_set), "takes",
						"nothing"));
		}
}

static void reply(struct rpc_call *call, const struct rpc_context *context,
	const struct config_changes *changes)
{
	const size_t count = changes->list.count;
	json_t *items = json_array();

	for (size_t i = 0; i < count && i < CHANGES_MAX; i++) {
		const struct config_change *c = &changes->list.items[i];

		json_array_append_new(
			items, json_pack("{s:o, s:s, s:o, s:o, s:o, s:s}", "object",
				       rpc_text(c->object), "change", config_change_name(c->kind),
				       "field", rpc_text(c->field), "old", value(c->was), "new",
				       value(c->will), "takes", c->restart ? "restart" : "reload"));
	}
	if (count > CHANGES_MAX)
		json_array_append_new(
			items, json_pack("{s:o, s:s, s:s, s:n, s:n, s:s}", "object",
				       rpc_textf("%zu more", count - CHANGES_MAX), "change",
				       "changed", "field", "", "old", "new", "takes", "reload"));
	add_overrides(items, context);
	rpc_reply_list(call, items, NULL);
}

static void config_diff(struct rpc_call *call, const json_t *params, void *user)
{
	const struct rpc_context *context = user;
	const struct config *now = context->config(context->daemon);
	struct config_errors errors = {0};
	struct config_changes changes = {0};
	struct config *next = NULL;

	(void)params;
	if (rpc_config_read(context, now->file, &next, &errors) != 0)
		rpc_fail(call, RPC_REFUSED, rpc_config_mistakes(now->file, &errors),
			"%.256s: a reload would refuse it", now->file);
	else if (config_compare(now, next, &changes) != 0)
		rpc_fail(call, RPC_INTERNAL_ERROR, NULL, "out of memory");
	else
		reply(call, context, &changes);
	config_changes_free(&changes);
	config_free(next);
	config_errors_free(&errors);
}

static const struct rpc_method methods[] = {
	{"config.diff", RPC_VIEW, "what a reload of the file would change of what runs", NULL,
		config_diff},
};

void rpc_methods_diff(struct rpc_context *context)
{
	rpc_server_add(context->server, methods, sizeof(methods) / sizeof(methods[0]), context);
}
