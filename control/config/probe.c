// SPDX-License-Identifier: BSD-2-Clause
// Probes: which settings count for a member, and what they mean.

#include "control/config/read.h"
#include "control/config/schema.h"

#include <errno.h>

static void inherit(
	struct config_context *ctx, struct config_probe *probe, const struct config_probe *from)
{
	for (size_t i = 0; i < config_probe_schema.count; i++) {
		const struct schema_field *f = &config_probe_schema.fields[i];
		if (!(probe->given & (UINT32_C(1) << i)) &&
			!schema_field_copy(
				f, (char *)probe + f->offset, (const char *)from + f->offset))
			ctx->failure = -ENOMEM;
	}
}

void config_probes_inherit(struct config_context *ctx, struct config *c)
{
	for (size_t i = 0; i < c->pools.count; i++) {
		struct config_pool *pool = &c->pools.items[i];
		for (size_t k = 0; k < pool->members.count; k++)
			if (pool->members.items[k].probe.line)
				inherit(ctx, &pool->members.items[k].probe, &pool->probe);
	}
}

const struct config_probe *config_member_probe(
	const struct config_pool *pool, const struct config_member *m)
{
	return m->probe.line ? &m->probe : &pool->probe;
}

bool config_probe_uses_tls(const struct config_probe *p)
{
	return p->kind == CONFIG_PROBE_TLS ||
	       (p->kind == CONFIG_PROBE_SIP && p->transport == CONFIG_TRANSPORT_TLS);
}

static bool holds(const uint32_t *items, size_t count, uint32_t status)
{
	for (size_t i = 0; i < count; i++)
		if (items[i] == status)
			return true;
	return false;
}

bool config_probe_alive(const struct config_probe *p, uint32_t status)
{
	for (uint32_t s = status; s > 0; s = s >= 100 ? s / 100 : 0) {
		if (holds(p->not_alive.items, p->not_alive.count, s))
			return false;
		if (holds(p->alive.items, p->alive.count, s))
			return true;
	}
	return false;
}
