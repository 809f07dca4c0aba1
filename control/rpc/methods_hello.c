// SPDX-License-Identifier: BSD-2-Clause
// hello: who said what first to services in relay mode. Workers count for themselves; here they are added
// up, a part in each turn of the event loop.

#include "control/rpc/internal.h"
#include "control/rpc/session.h"

#include "postern/dataplane.h"
#include "postern/relay.h"
#include "postern/snapshot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT_ONCE 64u  // places looked at between two looks at the clock
#define TURN_US 500u // half of what the control thread may spend on anything

struct walk {
	struct rpc_call *call;
	struct rpc_context *context;
	struct event *again;
	struct rpc_session_filter filter;
	uint64_t wall_us;
	uint64_t cursor;
	size_t limit;
	json_t *found; // by what they have in common
};

static void walk_free(struct walk *w)
{
	if (w->again)
		event_free(w->again);
	rpc_session_filter_clear(&w->filter);
	json_decref(w->found);
	free(w);
}

static void walk_gone(void *user)
{
	struct walk *w = user;
	struct rpc_call *call = w->call;

	walk_free(w);
	rpc_fail(call, RPC_INTERNAL_ERROR, NULL, "the client has gone");
}

static const char *service_of(const struct walk *w, const struct postern_hello_seen *h)
{
	const struct postern_snapshot *s = w->context->snapshot(w->context->daemon);
	const char *name = rpc_session_service(s, rpc_session_listen(s, h->listen));

	return name ? name : "";
}

static bool matches(const struct walk *w, const struct postern_hello_seen *h)
{
	const char *version = rpc_param_string(w->filter.params, "version");
	const char *name = rpc_param_string(w->filter.params, "server-name");
	const char *service = rpc_param_string(w->filter.params, "service");

	if (version && strcmp(version, postern_tls_version_name(h->version)) != 0)
		return false;
	if (name && strcmp(name, h->name) != 0)
		return false;
	if (service && strcmp(service, service_of(w, h)) != 0)
		return false;
	return !w->filter.by_client || postern_prefix_contains(&w->filter.client, &h->from);
}

static json_t *hello_object(const struct walk *w, const struct postern_hello_seen *h)
{
	char from[POSTERN_ADDR_TEXT];

	return json_pack("{s:s, s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "client",
		postern_addr_format(&h->from, from), "service", rpc_text(service_of(w, h)), "first",
		postern_hello_name((enum postern_hello)h->kind), "version",
		postern_tls_version_name(h->version), "server-name", rpc_text(h->name), "alpn",
		rpc_text(h->alpn), "ja4", rpc_text(h->ja4), "count", rpc_uint(h->count),
		"first-seen", rpc_time(w->wall_us - h->first_ms * 1000), "last-seen",
		rpc_time(w->wall_us - h->last_ms * 1000));
}

// The later of two times in their text form, which sorts as they do.
static void keep_time(json_t *to, json_t *from, const char *key, bool later)
{
	const int order = strcmp(json_string_value(json_object_get(from, key)),
		json_string_value(json_object_get(to, key)));

	if (later ? order > 0 : order < 0)
		json_object_set(to, key, json_object_get(from, key));
}

static void add(struct walk *w, const struct postern_hello_seen *h)
{
	char from[POSTERN_ADDR_TEXT];
	char key[POSTERN_ADDR_TEXT + POSTERN_NAME_SHOWN + POSTERN_ALPN_SHOWN + POSTERN_JA4_SIZE +
		 64];
	json_t *one = hello_object(w, h);

	snprintf(key, sizeof(key), "%s %u %u %u %s %s %s", postern_addr_format(&h->from, from),
		h->listen, h->kind, h->version, h->name, h->alpn, h->ja4);
	json_t *known = json_object_get(w->found, key);

	if (!one)
		return;
	if (!known) {
		json_object_set_new(w->found, key, one);
		return;
	}
	json_object_set_new(known, "count",
		json_integer(json_integer_value(json_object_get(known, "count")) +
			     (json_int_t)h->count));
	keep_time(known, one, "first-seen", false);
	keep_time(known, one, "last-seen", true);
	json_decref(one);
}

static int most_first(const void *a, const void *b)
{
	const json_int_t x = json_integer_value(json_object_get(*(json_t *const *)a, "count"));
	const json_int_t y = json_integer_value(json_object_get(*(json_t *const *)b, "count"));

	return (x < y) - (x > y);
}

static void walk_end(struct walk *w)
{
	struct rpc_call *call = w->call;
	const size_t n = json_object_size(w->found);
	const size_t limit = w->limit;
	json_t **sorted = calloc(n + 1, sizeof(json_t *));
	json_t *items = json_array();
	const char *key;
	json_t *one;
	size_t i = 0;

	json_object_foreach(w->found, key, one) if (sorted) sorted[i++] = one;
	if (sorted)
		qsort(sorted, i, sizeof(json_t *), most_first);
	for (size_t k = 0; k < i && k < limit; k++)
		json_array_append(items, sorted[k]);
	free(sorted);
	walk_free(w);
	rpc_reply_list(call, items, NULL);
}

static void walk_on(struct walk *w)
{
	const uint64_t until = rpc_monotonic_us() + TURN_US;
	const struct timeval now = {0};

	do {
		struct postern_hello_seen h;
		const int got = postern_hello_next(w->context->dp, &w->cursor, AT_ONCE, &h);

		if (got == 1 && matches(w, &h))
			add(w, &h);
		if (got != 1 && got != -EAGAIN) {
			walk_end(w);
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

static void hello_list(struct rpc_call *call, const json_t *params, void *user)
{
	struct rpc_context *context = user;

	int64_t limit = 100;

	if (!rpc_param_integer(call, params, "limit", 1, 1000, &limit) ||
		!rpc_session_names_exist(call, context, params))
		return;
	struct walk *w = calloc(1, sizeof(*w));

	if (w) {
		w->call = call;
		w->limit = (size_t)limit;
		w->context = context;
		w->wall_us = rpc_wall_us();
		w->found = json_object();
		w->again = evtimer_new(context->server->base, walk_again, w);
	}
	if (!w || !w->found || !w->again) {
		if (w)
			walk_free(w);
		rpc_fail(call, RPC_INTERNAL_ERROR, NULL, "out of memory");
		return;
	}
	json_t *mistakes = rpc_session_filter_set(&w->filter, params);

	if (mistakes) {
		walk_free(w);
		rpc_fail(call, RPC_INVALID_PARAMS, mistakes, "hello.list: wrong parameters");
		return;
	}
	rpc_call_on_gone(call, walk_gone, w);
	walk_on(w);
}

static const char *const versions[] = {
	"tls1.3", "tls1.2", "tls1.1", "tls1.0", "ssl3", "ssl2", "none", NULL};

static const struct rpc_param list_params[] = {
	{"client", RPC_STRING, false, false, NULL, "an address, or ADDRESS/BITS"},
	{"service", RPC_STRING, false, false, NULL, "a service"},
	{"version", RPC_STRING, false, false, versions, "the highest version that was offered"},
	{"server-name", RPC_STRING, false, false, NULL, "the server name that was asked for"},
	{"limit", RPC_INTEGER, false, false, NULL,
		"most items, those that came most often; 1 to 1000, default 100"},
	{0},
};

static const struct rpc_method methods[] = {
	{"hello.list", RPC_VIEW,
		"what clients of services in relay mode said first: versions, server names, JA4",
		list_params, hello_list},
};

void rpc_methods_hello(struct rpc_context *context)
{
	rpc_server_add(context->server, methods, sizeof(methods) / sizeof(methods[0]), context);
}
