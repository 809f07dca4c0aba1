// SPDX-License-Identifier: BSD-2-Clause
// Sets members as an operator wants them: first in the database, together with the record of who
// did it, and once that is on the disk, in the pools. All of them or none.

#include "control/pool/pool.h"
#include "control/rpc/internal.h"
#include "control/store/store.h"

#include "postern/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

LOG_SUBSYSTEM("rpc");

// Two names of one number, which is what is asserted. NOLINTNEXTLINE(misc-redundant-expression)
_Static_assert(POOL_WEIGHT_FILE == STORE_WEIGHT_FILE, "what is set is kept as it is");

struct change {
	struct rpc_call *call;
	struct rpc_context *context;
	char *name;
	rpc_change_reply reply;
	struct rpc_member_change what;
	size_t n;
	struct store_member list[];
};

static void change_free(struct change *c)
{
	free(c->name);
	free(c);
}

// A reload may have removed a member meanwhile; what was set of it is remembered.
static void apply(const struct change *c)
{
	const struct rpc_context *context = c->context;
	const bool weighs = c->what.weight != STORE_WEIGHT_KEEP;

	for (size_t i = 0; i < c->n; i++) {
		const struct store_member *want = &c->list[i];
		const struct pool *pool = pool_set_find(context->pools, want->pool);
		struct pool_member *m = pool ? pool_member_find(pool, want->name) : NULL;

		if (!m || !postern_endpoint_equal(&m->at, &want->at))
			continue;
		if (c->what.admin >= 0)
			pool_member_set_admin(context->pools, m, (enum pool_admin)c->what.admin);
		if (weighs)
			pool_member_set_weight(context->pools, m, c->what.weight);
	}
	// Shares follow from a snapshot; what is kept holds with the next one in any case.
	const int rc = weighs && context->publish ? context->publish(context->daemon) : 0;
	if (rc < 0)
		LOG(ERROR, "the new weights hold from the next reload on: %s", strerror(-rc));
}

static void fail(const struct change *c, int status, const char *why)
{
	if (status == -EAGAIN)
		rpc_fail(c->call, RPC_BUSY, NULL,
			"too many changes wait for the disk; nothing was changed; try again");
	else
		rpc_fail(c->call, RPC_REFUSED, NULL, "nothing was changed: %s", why);
}

static void changed(void *user, int status, const char *why)
{
	struct change *c = user;

	if (status < 0) {
		fail(c, status, why);
	} else {
		rpc_audit_written(c->call);
		apply(c);
		c->reply(c->call, c->context, c->name);
	}
	change_free(c);
}

static void submit(struct change *c)
{
	struct store_audit record;
	int status = 0;

	// Without a database nothing is kept.
	if (!c->context->store) {
		apply(c);
		c->reply(c->call, c->context, c->name);
		change_free(c);
		return;
	}
	rpc_audit_record(c->call, &record);
	status = store_members_set(c->context->store, c->list, c->n, &record, changed, c);
	if (status < 0) {
		fail(c, status, strerror(-status));
		change_free(c);
	}
}

void rpc_change_members(struct rpc_call *call, struct rpc_context *context, const char *name,
	struct pool_member *const *members, size_t n, const struct rpc_member_change *what,
	rpc_change_reply reply)
{
	struct change *c = calloc(1, sizeof(*c) + n * sizeof(c->list[0]));

	if (c)
		c->name = strdup(name);
	if (!c || !c->name) {
		free(c);
		rpc_fail(call, RPC_INTERNAL_ERROR, NULL, "out of memory");
		return;
	}
	c->call = call;
	c->context = context;
	c->reply = reply;
	c->what = *what;
	c->n = n;
	for (size_t i = 0; i < n; i++) {
		struct store_member *m = &c->list[i];

		m->at = members[i]->at;
		m->weight = what->weight;
		snprintf(m->pool, sizeof(m->pool), "%s", members[i]->pool->name);
		snprintf(m->name, sizeof(m->name), "%s", members[i]->name);
		if (what->admin >= 0)
			snprintf(m->state, sizeof(m->state), "%s",
				pool_admin_name((enum pool_admin)what->admin));
	}
	submit(c);
}
