// SPDX-License-Identifier: BSD-2-Clause
// member: the servers of the pools; their state, and the operator's word on it.

#include "control/pool/pool.h"
#include "control/rpc/internal.h"
#include "control/store/store.h"

#include "postern/dataplane.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail_without_pool(
	struct rpc_call *call, const struct rpc_context *context, const char *name)
{
	const struct pool_member *found = NULL;
	const struct pool *pool;
	char meant[2 * POSTERN_NAME_SIZE + 16] = "POOL/MEMBER";
	unsigned n = 0;

	for (unsigned i = 0; (pool = pool_set_at(context->pools, i)); i++) {
		const struct pool_member *m = pool_member_find(pool, name);

		n += m != NULL;
		found = m ? m : found;
	}
	if (n == 1)
		snprintf(meant, sizeof(meant), "%s/%s", found->pool->name, found->name);
	json_t *data = rpc_mistake(NULL, "member", 0, "the pool is missing", meant);
	if (n == 1)
		rpc_fail(call, RPC_INVALID_PARAMS, data,
			"a member is named as POOL/MEMBER; did you mean \"%s\"?", meant);
	else
		rpc_fail(call, RPC_INVALID_PARAMS, data, "a member is named as POOL/MEMBER");
}

struct pool_member *rpc_find_member(
	struct rpc_call *call, struct rpc_context *context, const char *path)
{
	const char *slash = strchr(path, '/');
	struct rpc_names names = {0};
	char name[POSTERN_NAME_SIZE];

	if (!slash) {
		fail_without_pool(call, context, path);
		return NULL;
	}
	// A longer name is cut to one that no pool has, since theirs end before.
	snprintf(
		name, sizeof(name), "%.*s", (int)(slash - path < 1024 ? slash - path : 1024), path);
	const struct pool *pool = rpc_find_pool(call, context, name);
	if (!pool)
		return NULL;
	struct pool_member *m = pool_member_find(pool, slash + 1);
	if (m)
		return m;
	for (uint16_t i = 0; i < pool->n_members; i++) {
		char full[2 * POSTERN_NAME_SIZE];

		snprintf(full, sizeof(full), "%s/%s", pool->name, pool->members[i]->name);
		rpc_names_add(&names, full);
	}
	rpc_fail_not_found(call, "member", path, rpc_names_text(&names, NULL));
	return NULL;
}

// since_ms is a time of the monotonic clock, which means nothing to a reader: shown is how long
// ago that was.
static uint64_t since(const struct pool_member *m)
{
	uint64_t now = rpc_monotonic_us() / 1000;

	return now > m->since_ms ? now - m->since_ms : 0;
}

static json_t *member_object(const struct pool_member *m, const struct postern_member_stats *stats)
{
	return json_pack("{s:o, s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
		"name", rpc_textf("%s/%s", m->pool->name, m->name), "address", rpc_endpoint(&m->at),
		"health", pool_health_name(m->health), "admin", pool_admin_name(m->admin), "weight",
		rpc_uint(m->weight), "share-percent", rpc_uint(pool_member_share(m)), "since-ms",
		rpc_uint(since(m)), "sessions", rpc_uint(stats->sessions - stats->ending), "ending",
		rpc_uint(stats->ending), "opened", rpc_uint(stats->opened), "refused",
		rpc_uint(stats->refused), "bytes-in", rpc_uint(stats->bytes_in), "bytes-out",
		rpc_uint(stats->bytes_out), "why", rpc_text(m->why));
}

json_t *rpc_member_row(const struct rpc_context *context, const struct pool_member *m)
{
	struct postern_member_stats stats = {0};

	postern_member_read(context->dp, m->id, &stats);
	return member_object(m, &stats);
}

static json_t *member_details(const struct pool_member *m, const struct postern_member_stats *stats)
{
	return json_pack("{s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:{s:o, s:o, s:o}}", "takes-new",
		rpc_member_takes_new(m), "weight-file", rpc_uint(m->weight_file), "weight-set",
		m->weight_set >= 0 ? json_integer(m->weight_set) : json_null(), "fqdn",
		m->fqdn ? rpc_text(m->fqdn) : json_null(), "established-since-start",
		rpc_uint(stats->established), "silent", rpc_uint(stats->silent), "probe",
		rpc_probe_object(m->settings), "probes", "ok", rpc_uint(m->probes_ok), "failed",
		rpc_uint(m->probes_failed), "last-ms", rpc_uint(m->last_probe_ms));
}

static void reply_member(
	struct rpc_call *call, const struct rpc_context *context, const struct pool_member *m)
{
	struct postern_member_stats stats = {0};

	postern_member_read(context->dp, m->id, &stats);
	json_t *shown = member_object(m, &stats);
	if (json_object_update_new(shown, member_details(m, &stats)) != 0) {
		json_decref(shown);
		shown = NULL;
	}
	rpc_reply(call, shown);
}

// A walk over all members, counted through, from the cursor on.
struct listing {
	const struct rpc_context *context;
	uint64_t at;
	uint64_t from;
	uint64_t limit;
	json_t *items;
	bool more;
};

static void list_pool(struct listing *l, const struct pool *pool)
{
	for (uint16_t i = 0; i < pool->n_members && !l->more; i++, l->at++) {
		if (l->at < l->from)
			continue;
		if (json_array_size(l->items) == l->limit) {
			l->more = true;
			return;
		}
		json_array_append_new(l->items, rpc_member_row(l->context, pool->members[i]));
	}
}

bool rpc_cursor_parse(struct rpc_call *call, const char *cursor, uint64_t *from)
{
	char *end = NULL;

	if (!cursor)
		return true;
	errno = 0;
	*from = strtoull(cursor, &end, 16);
	if (errno == 0 && end != cursor && *end == '\0')
		return true;
	rpc_fail(call, RPC_INVALID_PARAMS,
		rpc_mistake(
			NULL, "cursor", 0, "this is no cursor", "the next of an earlier answer"),
		"wrong parameters");
	return false;
}

static void member_list(struct rpc_call *call, const json_t *params, void *user)
{
	struct rpc_context *context = user;
	const char *name = rpc_param_string(params, "pool");
	struct listing l = {.context = context};
	const struct pool *pool = NULL;
	int64_t limit = 1000;

	if (!rpc_param_integer(call, params, "limit", 1, 1000, &limit))
		return;
	if (name && !(pool = rpc_find_pool(call, context, name)))
		return;
	l.limit = (uint64_t)limit;
	if (!rpc_cursor_parse(call, rpc_param_string(params, "cursor"), &l.from))
		return;
	l.items = json_array();
	if (pool) {
		list_pool(&l, pool);
	} else {
		for (unsigned i = 0; !l.more && (pool = pool_set_at(context->pools, i)); i++)
			list_pool(&l, pool);
	}
	rpc_reply_list(call, l.items, l.more ? rpc_textf("%llx", (unsigned long long)l.at) : NULL);
}

static void member_show(struct rpc_call *call, const json_t *params, void *user)
{
	struct rpc_context *context = user;
	const struct pool_member *m =
		rpc_find_member(call, context, rpc_param_string(params, "member"));

	if (m)
		reply_member(call, context, m);
}

// A reload may have removed it while the disk was waited for.
static void reply_path(struct rpc_call *call, struct rpc_context *context, const char *path)
{
	const struct pool_member *m = rpc_find_member(call, context, path);

	if (m)
		reply_member(call, context, m);
}

// Reads "3" or "default"; false: it is neither.
static bool parse_weight(const char *text, int32_t *weight)
{
	char *end = NULL;

	if (!text)
		return true;
	if (strcmp(text, "default") == 0) {
		*weight = POOL_WEIGHT_FILE;
		return true;
	}
	const long number = strtol(text, &end, 10);
	*weight = (int32_t)number;
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && number <= POOL_WEIGHT_MAX;
}

static void member_set(struct rpc_call *call, const json_t *params, void *user)
{
	struct rpc_context *context = user;
	const char *state = rpc_param_string(params, "state");
	const char *weight = rpc_param_string(params, "weight");
	struct rpc_member_change what = {-1, STORE_WEIGHT_KEEP};

	if (!state && !weight) {
		rpc_fail(call, RPC_INVALID_PARAMS,
			rpc_mistake(NULL, "state", 0, "nothing says what to set",
				"a state, a weight or both"),
			"member.set: wrong parameters");
		return;
	}
	if (!parse_weight(weight, &what.weight)) {
		rpc_fail(call, RPC_INVALID_PARAMS,
			rpc_mistake(NULL, "weight", 0, "this is no weight",
				"a whole number from 0 to 256, or default"),
			"member.set: wrong parameters");
		return;
	}
	struct pool_member *m = rpc_find_member(call, context, rpc_param_string(params, "member"));
	if (!m)
		return;
	what.admin = state ? pool_admin_parse(state) : -1;
	rpc_change_members(
		call, context, rpc_param_string(params, "member"), &m, 1, &what, reply_path);
}

static const char *const states[] = {"ready", "drain", "maint", NULL};

static const struct rpc_param list_params[] = {
	{"pool", RPC_STRING, false, true, NULL, "members of this pool only"},
	{"limit", RPC_INTEGER, false, false, NULL, "most items at once, 1 to 1000; default 1000"},
	{"cursor", RPC_STRING, false, false, NULL, "goes on from an earlier answer's next"},
	{0},
};

static const struct rpc_param show_params[] = {
	{"member", RPC_STRING, true, true, NULL, "POOL/MEMBER"},
	{0},
};

static const struct rpc_param set_params[] = {
	{"member", RPC_STRING, true, true, NULL, "POOL/MEMBER"},
	{"state", RPC_STRING, false, true, states,
		"ready: takes sessions; drain: keeps those it has; maint: those are reset, too"},
	{"weight", RPC_STRING, false, false, NULL,
		"its share of new sessions, 0 to 256, kept until it is set to default, which is "
		"what the file says"},
	{0},
};

static const struct rpc_method methods[] = {
	{"member.list", RPC_VIEW, "the members with health, state and sessions", list_params,
		member_list},
	{"member.show", RPC_VIEW, "one member with all that is known of it", show_params,
		member_show},
	{"member.set", RPC_OPERATE,
		"makes a member ready, drains it or takes it out; sets its weight", set_params,
		member_set},
};

void rpc_methods_member(struct rpc_context *context)
{
	rpc_server_add(context->server, methods, sizeof(methods) / sizeof(methods[0]), context);
}
