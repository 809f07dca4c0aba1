// SPDX-License-Identifier: BSD-2-Clause
// session: what passes through now. The table may hold millions, so a list looks at a part of it
// in each turn of the event loop.

#include "control/pool/pool.h"
#include "control/rpc/internal.h"
#include "control/rpc/session.h"

#include "postern/dataplane.h"
#include "postern/relay.h"
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
	struct rpc_session_filter filter;
	uint64_t cursor;
	uint64_t limit;
	json_t *items;
};

static json_t *text_or_null(const char *text)
{
	return text ? rpc_text(text) : json_null();
}

// Where the member listens, or, without a service, what it speaks from.
static json_t *member_address(const struct pool_member *m, const struct postern_session *s)
{
	const struct postern_endpoint own = {m->at.addr, s->member_port};

	return rpc_endpoint(rpc_session_is_service(s) ? &m->at : &own);
}

// What has been removed since the session began is shown as null.
static json_t *session_object(const struct rpc_context *context, const struct postern_session *s)
{
	const struct postern_snapshot *snapshot = context->snapshot(context->daemon);
	const struct postern_listen *l = rpc_session_listen(snapshot, s->listen);
	const struct pool_member *m = pool_set_member(context->pools, s->member);

	return json_pack("{s:o, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
		"session", rpc_textf("w%u.%" PRIx32 ".%" PRIx32, s->worker, s->slot, s->generation),
		"kind", postern_session_kind_name(s->kind), "state",
		postern_session_state_name(s->state), "protocol",
		s->protocol == IPPROTO_UDP ? "udp" : "tcp", "client", rpc_endpoint(&s->client),
		"service", text_or_null(rpc_session_belongs(snapshot, s)), "listen",
		l ? rpc_endpoint(&l->at) : json_null(), "translated",
		postern_addr_is_none(&s->translated.addr) ? json_null()
							  : rpc_endpoint(&s->translated),
		"member", m ? rpc_textf("%s/%s", m->pool->name, m->name) : json_null(), "address",
		m ? member_address(m, s) : json_null(), "age-ms", rpc_uint(s->age_ms), "idle-ms",
		rpc_uint(s->idle_ms), "bytes-in", rpc_uint(s->bytes_in), "bytes-out",
		rpc_uint(s->bytes_out));
}

// What ss(8) tells of a connection.
static json_t *connection_object(const struct postern_tcp_info *i)
{
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
		"state", i->state, "local", rpc_endpoint(&i->local), "peer",
		rpc_endpoint(&i->remote), "recv-q", rpc_uint(i->recv_q), "send-q",
		rpc_uint(i->send_q), "rtt-us", rpc_uint(i->rtt_us), "rttvar-us",
		rpc_uint(i->rttvar_us), "rto-us", rpc_uint(i->rto_us), "retrans",
		rpc_uint(i->retransmitted), "lost", rpc_uint(i->lost), "mss", rpc_uint(i->mss),
		"cwnd", rpc_uint(i->cwnd), "snd-wnd", rpc_uint(i->snd_wnd), "last-rcv-ms",
		rpc_uint(i->last_heard_ms));
}

static json_t *hello_object(const struct postern_relay_info *r)
{
	return json_pack("{s:s, s:s, s:o, s:o, s:o}", "first",
		postern_hello_name((enum postern_hello)r->kind), "version",
		postern_tls_version_name(r->version), "server-name", rpc_text(r->name), "alpn",
		rpc_text(r->alpn), "ja4", rpc_text(r->ja4));
}

// A session in relay mode is a pair of connections and what was read.
static void add_relay(json_t *object, const struct postern_relay_info *r)
{
	json_object_set_new(object, "hello", r->has_hello ? hello_object(r) : json_null());
	json_object_set_new(object, "members-asked", rpc_uint(r->asked));
	json_object_set_new(object, "client-connection", connection_object(&r->client));
	json_object_set_new(object, "member-connection",
		r->has_member ? connection_object(&r->member) : json_null());
}

static void walk_free(struct walk *w)
{
	if (w->again)
		event_free(w->again);
	rpc_session_filter_clear(&w->filter);
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

		if (got == 1 && rpc_session_matches(w->context, &w->filter, &s))
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

static bool parse_cursor(struct walk *w, const char *text)
{
	char *end = NULL;

	if (!text)
		return true;
	errno = 0;
	w->cursor = strtoull(text, &end, 16);
	return errno == 0 && end != text && *end == '\0';
}

static struct walk *walk_new(struct rpc_call *call, const struct rpc_context *context)
{
	struct walk *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->call = call;
	w->context = context;
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
	int64_t limit = 100;
	json_t *mistakes = NULL;

	if (!rpc_param_integer(call, params, "limit", 1, 1000, &limit) ||
		!rpc_session_names_exist(call, context, params))
		return;
	struct walk *w = walk_new(call, context);
	if (!w) {
		rpc_fail(call, RPC_INTERNAL_ERROR, NULL, "out of memory");
		return;
	}
	w->limit = (uint64_t)limit;
	mistakes = rpc_session_filter_set(&w->filter, params);
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

static void session_show(struct rpc_call *call, const json_t *params, void *user)
{
	const struct rpc_context *context = user;
	const char *id = rpc_param_string(params, "session");
	struct postern_session s;
	unsigned worker;
	uint32_t slot;
	uint32_t generation;

	if (!rpc_session_id_parse(id, &worker, &slot, &generation)) {
		rpc_fail(call, RPC_INVALID_PARAMS, rpc_session_id_mistake(NULL),
			"session.show: wrong parameters");
		return;
	}
	if (postern_session_get(context->dp, worker, slot, generation, &s) != 0) {
		rpc_fail_not_found(call, "session", id, "one that is still open");
		return;
	}
	json_t *object = session_object(context, &s);
	struct postern_relay_info relay;

	if (object && s.kind == POSTERN_SESSION_RELAY &&
		postern_relay_get(context->dp, worker, slot, generation, &relay) == 0)
		add_relay(object, &relay);
	rpc_reply(call, object);
}

static const struct rpc_param list_params[] = {
	RPC_SESSION_FILTER_PARAMS,
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
