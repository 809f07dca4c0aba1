// SPDX-License-Identifier: BSD-2-Clause
// session: what passes through now. The table may hold millions, so a list looks at a part of it
// in each turn of the event loop.

#include "control/config/config.h"
#include "control/pool/pool.h"
#include "control/rpc/internal.h"

#include "postern/dataplane.h"
#include "postern/snapshot.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_AT_ONCE 256u // looked at between two looks at the clock
#define TURN_US       500u // half of what the control thread may spend on anything

struct walk {
	struct rpc_call *call;
	const struct rpc_context *context;
	struct event *again;
	json_t *params; // names are compared anew with each session: a reload may come in between
	bool by_client;
	struct postern_prefix client;
	uint16_t client_port; // 0: any
	uint64_t cursor;
	uint64_t limit;
	json_t *items;
};

static const struct postern_listen *find_listen(const struct postern_snapshot *s, uint16_t id)
{
	for (uint16_t i = 0; s && i < s->n_listens; i++)
		if (s->listens[i].id == id)
			return &s->listens[i];
	return NULL;
}

static const char *service_name(const struct postern_snapshot *s, const struct postern_listen *l)
{
	for (uint16_t i = 0; l && i < s->n_services; i++)
		if (s->services[i].id == l->service)
			return s->services[i].name;
	return NULL;
}

static json_t *text_or_null(const char *text)
{
	return text ? rpc_text(text) : json_null();
}

// What has been removed since the session began is shown as null.
static json_t *session_object(const struct rpc_context *context, const struct postern_session *s)
{
	const struct postern_snapshot *snapshot = context->snapshot(context->daemon);
	const struct postern_listen *l = find_listen(snapshot, s->listen);
	const struct pool_member *m = pool_set_member(context->pools, s->member);

	return json_pack("{s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
		"session", rpc_textf("w%u.%" PRIx32 ".%" PRIx32, s->worker, s->slot, s->generation),
		"state", postern_session_state_name(s->state), "protocol",
		s->protocol == IPPROTO_UDP ? "udp" : "tcp", "client", rpc_endpoint(&s->client),
		"service", text_or_null(service_name(snapshot, l)), "listen",
		l ? rpc_endpoint(&l->at) : json_null(), "translated", rpc_endpoint(&s->translated),
		"member", m ? rpc_textf("%s/%s", m->pool->name, m->name) : json_null(), "address",
		m ? rpc_endpoint(&m->at) : json_null(), "age-ms", rpc_uint(s->age_ms), "idle-ms",
		rpc_uint(s->idle_ms), "bytes-in", rpc_uint(s->bytes_in), "bytes-out",
		rpc_uint(s->bytes_out));
}

static bool member_matches(const struct walk *w, const struct postern_session *s)
{
	const char *pool = rpc_param_string(w->params, "pool");
	const char *member = rpc_param_string(w->params, "member");

	if (!pool && !member)
		return true;
	const struct pool_member *m = pool_set_member(w->context->pools, s->member);
	if (!m || (pool && strcmp(pool, m->pool->name) != 0))
		return false;
	if (!member)
		return true;
	size_t length = strlen(m->pool->name);
	return strncmp(member, m->pool->name, length) == 0 && member[length] == '/' &&
	       strcmp(member + length + 1, m->name) == 0;
}

static bool service_matches(const struct walk *w, const struct postern_session *s)
{
	const char *wanted = rpc_param_string(w->params, "service");

	if (!wanted)
		return true;
	const struct postern_snapshot *snapshot = w->context->snapshot(w->context->daemon);
	const char *name = service_name(snapshot, find_listen(snapshot, s->listen));
	return name && strcmp(name, wanted) == 0;
}

static bool matches(const struct walk *w, const struct postern_session *s)
{
	const char *state = rpc_param_string(w->params, "state");

	if (state && strcmp(state, postern_session_state_name(s->state)) != 0)
		return false;
	if (w->by_client && !postern_prefix_contains(&w->client, &s->client.addr))
		return false;
	if (w->client_port != 0 && w->client_port != s->client.port)
		return false;
	return member_matches(w, s) && service_matches(w, s);
}

static void walk_free(struct walk *w)
{
	if (w->again)
		event_free(w->again);
	json_decref(w->params);
	json_decref(w->items);
	free(w);
}

// Nobody waits for the rest of the list any more.
static void walk_gone(void *user)
{
	struct walk *w = user;
	struct rpc_call *call = w->call;

	walk_free(w);
	rpc_fail(call, RPC_INTERNAL_ERROR, NULL, "the client has gone");
}

static void walk_end(struct walk *w, bool more)
{
	struct rpc_call *call = w->call;
	json_t *items = w->items;
	json_t *next = more ? rpc_textf("%" PRIx64, w->cursor) : NULL;

	w->items = NULL;
	walk_free(w);
	rpc_reply_list(call, items, next);
}

static void walk_on(struct walk *w)
{
	const uint64_t until = rpc_monotonic_us() + TURN_US;
	const struct timeval now = {0};

	do {
		struct postern_session s;
		int got = postern_session_next(w->context->dp, &w->cursor, SLOTS_AT_ONCE, &s);

		if (got == 1 && matches(w, &s))
			json_array_append_new(w->items, session_object(w->context, &s));
		bool full = json_array_size(w->items) >= w->limit;
		if (full || (got != 1 && got != -EAGAIN)) {
			walk_end(w, full);
			return;
		}
	} while (rpc_monotonic_us() < until);
	event_add(w->again, &now);
}

static void walk_again(evutil_socket_t fd, short what, void *user)
{
	(void)fd;
	(void)what;
	walk_on(user);
}

// Reads "192.0.2.1", "192.0.2.0/24" or "192.0.2.1:5061".
static bool parse_client(struct walk *w, const char *text)
{
	struct postern_endpoint at;

	w->by_client = true;
	if (postern_prefix_parse(text, &w->client) == 0)
		return true;
	if (postern_addr_parse(text, &at.addr) == 0) {
		at.port = 0;
	} else if (postern_endpoint_parse(text, &at) != 0) {
		return false;
	}
	w->client.addr = at.addr;
	w->client.length = postern_addr_is_v4(&at.addr) ? 32 : 128;
	w->client_port = at.port;
	return true;
}

static bool parse_cursor(struct walk *w, const char *text)
{
	char *end = NULL;

	if (!text)
		return true;
	errno = 0;
	w->cursor = strtoull(text, &end, 16);
	return errno == 0 && end != text && *end == '\0';
}

static bool names_exist(struct rpc_call *call, struct rpc_context *context, const json_t *params)
{
	const char *service = rpc_param_string(params, "service");
	const char *pool = rpc_param_string(params, "pool");
	const char *member = rpc_param_string(params, "member");

	return (!service || rpc_find_service(call, context, service)) &&
	       (!pool || rpc_find_pool(call, context, pool)) &&
	       (!member || rpc_find_member(call, context, member));
}

static struct walk *walk_new(
	struct rpc_call *call, const struct rpc_context *context, const json_t *params)
{
	struct walk *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->call = call;
	w->context = context;
	// The reference keeps the borrowed parameters for the turns to come.
	w->params = json_incref((json_t *)(uintptr_t)params);
	w->items = json_array();
	w->again = evtimer_new(context->server->base, walk_again, w);
	if (w->items && w->again)
		return w;
	walk_free(w);
	return NULL;
}

static void session_list(struct rpc_call *call, const json_t *params, void *user)
{
	struct rpc_context *context = user;
	const char *client = rpc_param_string(params, "client");
	int64_t limit = 100;
	json_t *mistakes = NULL;

	if (!rpc_param_integer(call, params, "limit", 1, 1000, &limit) ||
		!names_exist(call, context, params))
		return;
	struct walk *w = walk_new(call, context, params);
	if (!w) {
		rpc_fail(call, RPC_INTERNAL_ERROR, NULL, "out of memory");
		return;
	}
	w->limit = (uint64_t)limit;
	if (client && !parse_client(w, client))
		mistakes = rpc_mistake(mistakes, "client", 0, "this is no address",
			"an address, ADDRESS/BITS or ADDRESS:PORT");
	if (!parse_cursor(w, rpc_param_string(params, "cursor")))
		mistakes = rpc_mistake(mistakes, "cursor", 0, "this is no cursor",
			"the next of an earlier answer");
	if (mistakes) {
		walk_free(w);
		rpc_fail(call, RPC_INVALID_PARAMS, mistakes, "session.list: wrong parameters");
		return;
	}
	rpc_call_on_gone(call, walk_gone, w);
	walk_on(w);
}

// Reads wWORKER.SLOT.GENERATION.
static bool parse_id(const char *text, unsigned *worker, uint32_t *slot, uint32_t *generation)
{
	int used = 0;

	// Widths keep the numbers within their types; the first character after each number must
	// follow at once, or %n is not reached.
	return sscanf(text, "w%3u.%8" SCNx32 ".%8" SCNx32 "%n", worker, slot, generation, &used) ==
		       3 &&
	       text[used] == '\0' && *worker <= UINT8_MAX && !strpbrk(text, " \t\n\r\v\f+-xX");
}

static void session_show(struct rpc_call *call, const json_t *params, void *user)
{
	const struct rpc_context *context = user;
	const char *id = rpc_param_string(params, "session");
	struct postern_session s;
	unsigned worker;
	uint32_t slot;
	uint32_t generation;

	if (!parse_id(id, &worker, &slot, &generation)) {
		rpc_fail(call, RPC_INVALID_PARAMS,
			rpc_mistake(NULL, "session", 0, "this is no session's id",
				"an id as session list shows it, like w0.3fa2.17"),
			"session.show: wrong parameters");
		return;
	}
	if (postern_session_get(context->dp, worker, slot, generation, &s) != 0) {
		rpc_fail_not_found(call, "session", id, "one that is still open");
		return;
	}
	rpc_reply(call, session_object(context, &s));
}

static const char *const states[] = {"opening", "established", "closing", "reset", NULL};

static const struct rpc_param list_params[] = {
	{"service", RPC_STRING, false, false, NULL, "sessions of this service only"},
	{"pool", RPC_STRING, false, false, NULL, "sessions of this pool's members only"},
	{"member", RPC_STRING, false, false, NULL, "sessions of this POOL/MEMBER only"},
	{"client", RPC_STRING, false, false, NULL,
		"sessions from this ADDRESS, ADDRESS/BITS or ADDRESS:PORT only"},
	{"state", RPC_STRING, false, false, states, "sessions in this state only"},
	{"limit", RPC_INTEGER, false, false, NULL, "most items at once, 1 to 1000; default 100"},
	{"cursor", RPC_STRING, false, false, NULL, "goes on from an earlier answer's next"},
	{0},
};

static const struct rpc_param show_params[] = {
	{"session", RPC_STRING, true, true, NULL, "the session's id, like w0.3fa2.17"},
	{0},
};

static const struct rpc_method methods[] = {
	{"session.list", RPC_VIEW, "the sessions that pass through now", list_params, session_list},
	{"session.show", RPC_VIEW, "one session", show_params, session_show},
};

void rpc_methods_session(struct rpc_context *context)
{
	rpc_server_add(context->server, methods, sizeof(methods) / sizeof(methods[0]), context);
}
