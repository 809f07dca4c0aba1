// SPDX-License-Identifier: BSD-2-Clause
// audit: who changed what, newest first.

#include "control/rpc/internal.h"
#include "control/store/store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static json_t *text_or_null(const char *text)
{
	return text ? rpc_text(text) : json_null();
}

// What was stored as JSON.
static json_t *value_or_null(const char *text)
{
	json_t *value = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;

	return value ? value : text_or_null(text);
}

static json_t *row_object(const struct store_audit *r)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id",
		rpc_uint(r->id), "time", rpc_time(r->wall_us), "user", text_or_null(r->user), "uid",
		r->uid < 0 ? json_null() : json_integer(r->uid), "pid",
		r->pid > 0 ? json_integer(r->pid) : json_null(), "method", text_or_null(r->method),
		"params", value_or_null(r->params), "before", value_or_null(r->before), "after",
		value_or_null(r->after), "comment", text_or_null(r->comment), "result",
		text_or_null(r->result));
}

static void listed(void *user, int status, const char *why, const struct store_audit *const *rows,
	size_t n, bool more)
{
	struct rpc_call *call = user;

	if (status < 0) {
		rpc_fail(call, RPC_REFUSED, NULL, "%s", why);
		return;
	}
	json_t *items = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(items, row_object(rows[i]));
	rpc_reply_list(call, items, more ? rpc_textf("%" PRIu64, rows[n - 1]->id) : NULL);
}

static bool parse_cursor(const char *text, uint64_t *out)
{
	char *end = NULL;

	if (!text)
		return true;
	errno = 0;
	*out = strtoull(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' && *out > 0 && text[0] != '-';
}

static void audit_list(struct rpc_call *call, const json_t *params, void *user)
{
	const struct rpc_context *context = user;
	struct store_audit_query query = {
		.method = rpc_param_string(params, "method"),
		.user = rpc_param_string(params, "user"),
	};
	int64_t limit = 100;

	if (!rpc_param_integer(call, params, "limit", 1, 1000, &limit))
		return;
	if (!parse_cursor(rpc_param_string(params, "cursor"), &query.before)) {
		rpc_fail(call, RPC_INVALID_PARAMS,
			rpc_mistake(NULL, "cursor", 0, "this is no cursor",
				"the next of an earlier answer"),
			"audit.list: wrong parameters");
		return;
	}
	query.limit = (unsigned)limit;
	int status =
		context->store ? store_audit_list(context->store, &query, listed, call) : -ENOENT;
	if (status == -EAGAIN)
		rpc_fail(call, RPC_BUSY, NULL, "too much waits for the disk; try again");
	else if (status < 0)
		rpc_fail(call, RPC_INTERNAL_ERROR, NULL, "the audit: %s", strerror(-status));
}

static const struct rpc_param list_params[] = {
	{"method", RPC_STRING, false, true, NULL,
		"of this method (member.set), or of all of a noun (member)"},
	{"user", RPC_STRING, false, false, NULL, "of this user, by name or uid"},
	{"limit", RPC_INTEGER, false, false, NULL, "most items at once, 1 to 1000; default 100"},
	{"cursor", RPC_STRING, false, false, NULL, "goes on from an earlier answer's next"},
	{0},
};

static const struct rpc_method methods[] = {
	{"audit.list", RPC_VIEW, "who changed what, newest first", list_params, audit_list},
};

void rpc_methods_audit(struct rpc_context *context)
{
	rpc_server_add(context->server, methods, sizeof(methods) / sizeof(methods[0]), context);
}
