// SPDX-License-Identifier: BSD-2-Clause
// alarm: what an operator should do something about.

#include "control/alarm/alarm.h"
#include "control/rpc/internal.h"

#include <string.h>

static json_t *row(const struct alarm *a)
{
	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "severity",
		alarm_severity_name(a->severity), "alarm", alarm_kind_name(a->kind), "object",
		rpc_text(a->object), "since", rpc_time(a->since_us), "text", rpc_text(a->text),
		"remedy", rpc_text(a->remedy));
}

static void alarm_list(struct rpc_call *call, const json_t *params, void *user)
{
	const struct rpc_context *context = user;
	const char *severity = rpc_param_string(params, "severity");
	const struct alarm *a;
	int64_t limit = 1000;
	uint64_t at = 0;

	if (!rpc_param_integer(call, params, "limit", 1, 1000, &limit) ||
		!rpc_cursor_parse(call, rpc_param_string(params, "cursor"), &at))
		return;
	json_t *items = json_array();
	alarm_set_check(context->alarms);
	for (; (a = alarm_set_at(context->alarms, at)); at++) {
		if (severity && strcmp(severity, alarm_severity_name(a->severity)) != 0)
			continue;
		if (json_array_size(items) == (size_t)limit)
			break;
		json_array_append_new(items, row(a));
	}
	rpc_reply_list(call, items, a ? rpc_textf("%llx", (unsigned long long)at) : NULL);
}

static const char *const severities[] = {"note", "warning", "degraded", "down", NULL};

static const struct rpc_param list_params[] = {
	{"severity", RPC_STRING, false, true, severities, "alarms of this severity only"},
	{"limit", RPC_INTEGER, false, false, NULL, "most items at once, 1 to 1000; default 1000"},
	{"cursor", RPC_STRING, false, false, NULL, "goes on from an earlier answer's next"},
	{0},
};

static const struct rpc_method methods[] = {
	{"alarm.list", RPC_VIEW, "what is wrong, since when, and what to do about it", list_params,
		alarm_list},
};

void rpc_methods_alarm(struct rpc_context *context)
{
	rpc_server_add(context->server, methods, sizeof(methods) / sizeof(methods[0]), context);
}
