// SPDX-License-Identifier: BSD-2-Clause
// status: one verdict, what led to it, and what to type next. The reasons are the alarms.

#include "control/alarm/alarm.h"
#include "control/config/config.h"
#include "control/rpc/internal.h"

#include "postern/dataplane.h"

// Who has more than this many reasons needs the first of them; `alarm list` has them all.
#define REASONS_MAX 50u

// Notes and warnings are shown and change nothing: all still works.
static const char *verdict(const struct alarm_set *alarms)
{
	if (alarm_set_count(alarms, ALARM_DOWN) > 0)
		return "down";
	return alarm_set_count(alarms, ALARM_DEGRADED) > 0 ? "degraded" : "ok";
}

static json_t *reasons(const struct alarm_set *alarms)
{
	json_t *list = json_array();
	const struct alarm *a;

	for (size_t i = 0; i < REASONS_MAX && (a = alarm_set_at(alarms, i)); i++)
		json_array_append_new(list,
			json_pack("{s:s, s:o, s:o}", "severity", alarm_severity_name(a->severity),
				"what", rpc_text(a->text), "next", rpc_text(a->remedy)));
	return list;
}

static void status_show(struct rpc_call *call, const json_t *params, void *user)
{
	const struct rpc_context *context = user;
	const struct config *config = context->config(context->daemon);
	uint64_t now = rpc_wall_us();
	uint64_t since = context->started_wall_us;

	(void)params;
	// Not as it was a second ago: who has just changed something wants to see what came of it.
	alarm_set_check(context->alarms);
	rpc_reply(call,
		json_pack(
			"{s:s, s:o, s:s, s:o, s:o, s:o, s:{s:o, s:o}, s:{s:o, s:o}, s:o, s:b, s:o}",
			"verdict", verdict(context->alarms), "reasons", reasons(context->alarms),
			"version", POSTERN_VERSION, "started", rpc_time(since), "uptime-ms",
			rpc_uint(now > since ? (now - since) / 1000 : 0), "epoch",
			rpc_uint(postern_dataplane_adopted(context->dp)), "sessions", "in-use",
			rpc_uint(postern_sessions_in_use(context->dp)), "capacity",
			rpc_uint(postern_sessions_capacity(context->dp)), "member-flows", "in-use",
			rpc_uint(postern_flows_in_use(context->dp)), "capacity",
			rpc_uint(postern_flows_capacity(context->dp)), "workers",
			rpc_uint(config->dataplane.workers.count), "huge-pages",
			postern_dataplane_uses_huge_pages(context->dp), "config-file",
			rpc_text(config->file)));
}

static const struct rpc_method methods[] = {
	{"status.show", RPC_VIEW, "whether all is well, what is not, and what to do about it", NULL,
		status_show},
};

void rpc_methods_status(struct rpc_context *context)
{
	rpc_server_add(context->server, methods, sizeof(methods) / sizeof(methods[0]), context);
}
