// SPDX-License-Identifier: BSD-2-Clause
// status: one verdict, what led to it, and what to type next.

#include "control/config/config.h"
#include "control/pool/pool.h"
#include "control/rpc/internal.h"

#include "postern/dataplane.h"

#include <stdarg.h>
#include <stdio.h>

enum verdict {
	VERDICT_OK,
	VERDICT_DEGRADED,
	VERDICT_DOWN,
};

static const char *const verdict_names[] = {
	[VERDICT_OK] = "ok",
	[VERDICT_DEGRADED] = "degraded",
	[VERDICT_DOWN] = "down",
};

// Who has more than this many reasons needs the first of them.
#define REASONS_MAX 50u

struct findings {
	enum verdict worst;
	json_t *reasons;
};

__attribute__((format(printf, 4, 5))) static void find(
	struct findings *f, enum verdict severity, const char *next, const char *format, ...)
{
	char what[320];
	va_list args;

	if (severity > f->worst)
		f->worst = severity;
	if (json_array_size(f->reasons) >= REASONS_MAX)
		return;
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	json_array_append_new(
		f->reasons, json_pack("{s:s, s:o, s:o}", "severity", verdict_names[severity],
				    "what", rpc_text(what), "next", rpc_text(next)));
}

static void look_at_interfaces(const struct rpc_context *context, struct findings *f)
{
	const struct config *config = context->config(context->daemon);
	size_t down = 0;

	for (size_t i = 0; i < config->interfaces.count; i++) {
		struct postern_port_info info = {0};

		if (postern_port_read(context->dp, (uint16_t)i, &info) != 0 || !info.up)
			down++;
	}
	for (size_t i = 0; i < config->interfaces.count && down > 0; i++) {
		const char *name = config->interfaces.items[i].name;
		struct postern_port_info info = {0};
		char next[128];

		if (postern_port_read(context->dp, (uint16_t)i, &info) == 0 && info.up)
			continue;
		snprintf(next, sizeof(next), "posternctl interface show %s", name);
		find(f, down == config->interfaces.count ? VERDICT_DOWN : VERDICT_DEGRADED, next,
			"interface %s has no link", name);
	}
}

static bool pool_takes_new(const struct pool *pool)
{
	for (uint16_t i = 0; i < pool->n_members; i++)
		if (rpc_member_takes_new(pool->members[i]))
			return true;
	return false;
}

static void look_at_services(const struct rpc_context *context, struct findings *f)
{
	const struct config *config = context->config(context->daemon);

	for (size_t i = 0; i < config->services.count; i++) {
		const struct config_service *service = &config->services.items[i];
		const struct pool *pool = pool_set_find(context->pools, service->pool);
		char next[128];

		if (pool && pool_takes_new(pool))
			continue;
		snprintf(next, sizeof(next), "posternctl member list %s", service->pool);
		find(f, VERDICT_DOWN, next, "service %s: no member of pool %s takes new sessions",
			service->name, service->pool);
	}
}

static void look_at_member(const struct pool_member *m, struct findings *f)
{
	char next[256];

	if (m->admin == POOL_ADMIN_MAINT) {
		snprintf(next, sizeof(next), "posternctl member set %s/%s state ready",
			m->pool->name, m->name);
		find(f, VERDICT_DEGRADED, next, "member %s/%s is in maintenance", m->pool->name,
			m->name);
	} else if (m->health == POOL_HEALTH_DOWN) {
		snprintf(
			next, sizeof(next), "posternctl member show %s/%s", m->pool->name, m->name);
		find(f, VERDICT_DEGRADED, next, "member %s/%s is down: %s", m->pool->name, m->name,
			m->why);
	}
}

static void look_at_members(const struct rpc_context *context, struct findings *f)
{
	const struct pool *pool;

	for (unsigned i = 0; (pool = pool_set_at(context->pools, i)); i++)
		for (uint16_t k = 0; k < pool->n_members; k++)
			look_at_member(pool->members[k], f);
}

static void status_show(struct rpc_call *call, const json_t *params, void *user)
{
	const struct rpc_context *context = user;
	const struct config *config = context->config(context->daemon);
	struct findings f = {VERDICT_OK, json_array()};
	uint64_t now = rpc_wall_us();
	uint64_t since = context->started_wall_us;

	(void)params;
	// What is down comes before what is merely worse than it should be.
	look_at_services(context, &f);
	look_at_interfaces(context, &f);
	look_at_members(context, &f);
	rpc_reply(call, json_pack("{s:s, s:o, s:s, s:o, s:o, s:o, s:{s:o, s:o}, s:o, s:b, s:o}",
				"verdict", verdict_names[f.worst], "reasons", f.reasons, "version",
				POSTERN_VERSION, "started", rpc_time(since), "uptime-ms",
				rpc_uint(now > since ? (now - since) / 1000 : 0), "epoch",
				rpc_uint(postern_dataplane_adopted(context->dp)), "sessions",
				"in-use", rpc_uint(postern_sessions_in_use(context->dp)),
				"capacity", rpc_uint(postern_sessions_capacity(context->dp)),
				"workers", rpc_uint(config->dataplane.workers.count), "huge-pages",
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
