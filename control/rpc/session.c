// SPDX-License-Identifier: BSD-2-Clause
// Which sessions an operator means: by id, or by what they have in common.

#include "control/rpc/session.h"

#include "control/config/config.h"
#include "control/pool/pool.h"
#include "control/rpc/internal.h"

#include "postern/snapshot.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const struct postern_listen *rpc_session_listen(const struct postern_snapshot *s, uint16_t id)
{
	for (uint16_t i = 0; s && i < s->n_listens; i++)
		if (s->listens[i].id == id)
			return &s->listens[i];
	return NULL;
}

const char *rpc_session_service(const struct postern_snapshot *s, const struct postern_listen *l)
{
	for (uint16_t i = 0; l && i < s->n_services; i++)
		if (s->services[i].id == l->service)
			return s->services[i].name;
	return NULL;
}

const char *rpc_session_belongs(
	const struct postern_snapshot *s, const struct postern_session *session)
{
	if (rpc_session_is_service(session))
		return rpc_session_service(s, rpc_session_listen(s, session->listen));
	for (uint16_t i = 0; s && i < s->n_outbounds; i++)
		if (s->outbounds[i].id == session->listen)
			return s->outbounds[i].name;
	return NULL;
}

static bool member_matches(const struct rpc_context *context, const struct rpc_session_filter *f,
	const struct postern_session *s)
{
	const char *pool = rpc_param_string(f->params, "pool");
	const char *member = rpc_param_string(f->params, "member");

	if (!pool && !member)
		return true;
	const struct pool_member *m = pool_set_member(context->pools, s->member);
	if (!m || (pool && strcmp(pool, m->pool->name) != 0))
		return false;
	if (!member)
		return true;
	size_t length = strlen(m->pool->name);
	return strncmp(member, m->pool->name, length) == 0 && member[length] == '/' &&
	       strcmp(member + length + 1, m->name) == 0;
}

static bool service_matches(const struct rpc_context *context, const struct rpc_session_filter *f,
	const struct postern_session *s)
{
	const char *wanted = rpc_param_string(f->params, "service");

	if (!wanted)
		return true;
	const struct postern_snapshot *snapshot = context->snapshot(context->daemon);
	const char *name = rpc_session_is_service(s) ? rpc_session_belongs(snapshot, s) : NULL;
	return name && strcmp(name, wanted) == 0;
}

bool rpc_session_matches(const struct rpc_context *context, const struct rpc_session_filter *f,
	const struct postern_session *s)
{
	const char *state = rpc_param_string(f->params, "state");

	if (state && strcmp(state, postern_session_state_name(s->state)) != 0)
		return false;
	const char *kind = rpc_param_string(f->params, "kind");

	if (kind && strcmp(kind, postern_session_kind_name(s->kind)) != 0)
		return false;
	if (f->by_client && !postern_prefix_contains(&f->client, &s->client.addr))
		return false;
	if (f->client_port != 0 && f->client_port != s->client.port)
		return false;
	return member_matches(context, f, s) && service_matches(context, f, s);
}

// Reads "192.0.2.1", "192.0.2.0/24" or "192.0.2.1:5061".
static bool parse_client(struct rpc_session_filter *f, const char *text)
{
	struct postern_endpoint at;

	f->by_client = true;
	if (postern_prefix_parse(text, &f->client) == 0)
		return true;
	if (postern_addr_parse(text, &at.addr) == 0) {
		at.port = 0;
	} else if (postern_endpoint_parse(text, &at) != 0) {
		return false;
	}
	f->client.addr = at.addr;
	f->client.length = postern_addr_is_v4(&at.addr) ? 32 : 128;
	f->client_port = at.port;
	return true;
}

json_t *rpc_session_filter_set(struct rpc_session_filter *f, const json_t *params)
{
	const char *client = rpc_param_string(params, "client");

	// The reference keeps the borrowed parameters for the turns to come.
	f->params = json_incref((json_t *)(uintptr_t)params);
	if (client && !parse_client(f, client))
		return rpc_mistake(NULL, "client", 0, "this is no address",
			"an address, ADDRESS/BITS or ADDRESS:PORT");
	return NULL;
}

void rpc_session_filter_clear(struct rpc_session_filter *f)
{
	json_decref(f->params);
	f->params = NULL;
}

bool rpc_session_names_exist(
	struct rpc_call *call, struct rpc_context *context, const json_t *params)
{
	const char *service = rpc_param_string(params, "service");
	const char *pool = rpc_param_string(params, "pool");
	const char *member = rpc_param_string(params, "member");

	return (!service || rpc_find_service(call, context, service)) &&
	       (!pool || rpc_find_pool(call, context, pool)) &&
	       (!member || rpc_find_member(call, context, member));
}

// Reads wWORKER.SLOT.GENERATION.
bool rpc_session_id_parse(const char *text, unsigned *worker, uint32_t *slot, uint32_t *generation)
{
	int used = 0;

	// Widths keep the numbers within their types; the first character after each number must
	// follow at once, or %n is not reached.
	return sscanf(text, "w%3u.%8" SCNx32 ".%8" SCNx32 "%n", worker, slot, generation, &used) ==
		       3 &&
	       text[used] == '\0' && *worker <= UINT8_MAX && !strpbrk(text, " \t\n\r\v\f+-xX");
}

json_t *rpc_session_id_mistake(json_t *mistakes)
{
	return rpc_mistake(mistakes, "session", 0, "this is no session's id",
		"an id as session list shows it, like w0.3fa2.17");
}

const char *const rpc_session_kinds[] = {"service", "outbound", "inbound", "relay", NULL};
const char *const rpc_session_states[] = {"opening", "established", "closing", "reset", NULL};
