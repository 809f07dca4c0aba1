// SPDX-License-Identifier: BSD-2-Clause
// neighbour: the next hops on the links, as the workers know them, merged. The tables are walked a
// part in each turn of the event loop; what a page shows is kept in order on the way, so that
// nothing has to be sorted at its end.

#include "control/config/config.h"
#include "control/pool/pool.h"
#include "control/rpc/internal.h"

#include "postern/dataplane.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_AT_ONCE 256u // looked at between two looks at the clock
#define TURN_US       500u // half of what the control thread may spend on anything
#define LIMIT_MAX     1000
#define NAMES_MAX     100 // members that share an address and are shown

// One neighbour, whatever workers know of it.
struct hop {
	struct postern_neighbour best; // as the worker sees it that has heard of it last
	uint32_t users;
	bool for_client; // of all workers
};

struct look {
	struct rpc_call *call;
	struct rpc_context *context;
	struct event *again;
	void (*done)(struct look *l);
	uint64_t cursor;
	// What is looked for.
	struct postern_addr addr;
	bool by_addr;
	uint16_t interface; // POSTERN_INTERFACE_ANY: of all
	bool behind;        // only what comes after `last`
	struct hop last;
	// What has been found, in order.
	unsigned limit;
	unsigned n;
	bool more;
	struct hop hops[];
};

static int compare(const struct hop *a, const struct hop *b)
{
	if (a->best.interface != b->best.interface)
		return a->best.interface < b->best.interface ? -1 : 1;
	return memcmp(&a->best.addr, &b->best.addr, sizeof(a->best.addr));
}

// Workers that have heard nothing know less than those that have.
static bool knows_more(const struct postern_neighbour *a, const struct postern_neighbour *b)
{
	if (a->known != b->known)
		return a->known;
	return a->known && a->heard_ms < b->heard_ms;
}

static void merge(struct hop *h, const struct hop *other)
{
	h->users += other->users;
	h->for_client = h->for_client && other->for_client;
	if (knows_more(&other->best, &h->best))
		h->best = other->best;
}

// Puts a neighbour where it belongs, if that is on this page.
static void put(struct look *l, const struct hop *h)
{
	unsigned low = 0;
	unsigned high = l->n;

	while (low < high) {
		const unsigned middle = (low + high) / 2;
		const int order = compare(&l->hops[middle], h);

		if (order == 0) {
			merge(&l->hops[middle], h);
			return;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (l->n == l->limit) {
		l->more = true;
		if (low == l->n)
			return;
		l->n--;
	}
	memmove(&l->hops[low + 1], &l->hops[low], (l->n - low) * sizeof(*h));
	l->hops[low] = *h;
	l->n++;
}

static void take(struct look *l, const struct postern_neighbour *n)
{
	const struct hop h = {.best = *n, .users = n->users, .for_client = n->for_client};

	if (l->interface != POSTERN_INTERFACE_ANY && l->interface != n->interface)
		return;
	if (l->by_addr && !postern_addr_equal(&l->addr, &n->addr))
		return;
	if (l->behind && compare(&h, &l->last) <= 0)
		return;
	put(l, &h);
}

static void look_free(struct look *l)
{
	event_free(l->again);
	free(l);
}

static void look_gone(void *user)
{
	struct look *l = user;
	struct rpc_call *call = l->call;

	look_free(l);
	rpc_fail(call, RPC_INTERNAL_ERROR, NULL, "the client has gone");
}

static void look_on(struct look *l)
{
	const uint64_t until = rpc_monotonic_us() + TURN_US;
	const struct timeval now = {0};

	do {
		struct postern_neighbour n;
		const int got =
			postern_neighbour_next(l->context->dp, &l->cursor, SLOTS_AT_ONCE, &n);

		if (got == 1) {
			take(l, &n);
		} else if (got != -EAGAIN) {
			l->done(l);
			look_free(l);
			return;
		}
	} while (rpc_monotonic_us() < until);
	event_add(l->again, &now);
}

static void look_again(evutil_socket_t fd, short what, void *user)
{
	(void)fd;
	(void)what;
	look_on(user);
}

static const char *interface_name(const struct rpc_context *context, uint16_t index)
{
	const struct config *config = context->config(context->daemon);

	return index < config->interfaces.count ? config->interfaces.items[index].name : "?";
}

static bool is_gateway(const struct rpc_context *context, const struct postern_neighbour *n)
{
	const struct config *config = context->config(context->daemon);

	if (n->interface >= config->interfaces.count)
		return false;
	const struct config_interface *i = &config->interfaces.items[n->interface];
	for (size_t k = 0; k < i->gateways.count; k++)
		if (postern_addr_equal(&i->gateways.items[k], &n->addr))
			return true;
	for (size_t k = 0; k < i->routes.count; k++)
		if (postern_addr_equal(&i->routes.items[k].via, &n->addr))
			return true;
	return false;
}

static json_t *row(const struct rpc_context *context, const struct hop *h)
{
	const struct postern_neighbour *n = &h->best;
	const char *use = is_gateway(context, n) ? "gateway" : h->for_client ? "client" : "member";

	return json_pack("{s:o, s:o, s:o, s:s, s:o, s:s, s:o}", "address", rpc_addr(&n->addr),
		"interface", rpc_text(interface_name(context, n->interface)), "mac",
		n->known ? rpc_mac(n->mac) : json_null(), "state",
		postern_neighbour_state_name(n->state), "heard-ms",
		n->known ? rpc_uint(n->heard_ms) : json_null(), "use", use, "users",
		rpc_uint(h->users));
}

static void list_done(struct look *l)
{
	json_t *items = json_array();
	json_t *next = NULL;

	for (unsigned i = 0; i < l->n; i++)
		json_array_append_new(items, row(l->context, &l->hops[i]));
	if (l->more && l->n > 0) {
		const struct postern_neighbour *last = &l->hops[l->n - 1].best;
		char text[POSTERN_ADDR_TEXT];

		postern_addr_format(&last->addr, text);
		next = rpc_textf("%u-%s", last->interface, text);
	}
	rpc_reply_list(l->call, items, next);
}

static bool cursor_parse(struct look *l, const char *text)
{
	unsigned interface = 0;
	int used = 0;

	if (!text)
		return true;
	l->behind = true;
	if (sscanf(text, "%5u-%n", &interface, &used) != 1 || used == 0 || interface > UINT16_MAX)
		return false;
	l->last.best.interface = (uint16_t)interface;
	return postern_addr_parse(text + used, &l->last.best.addr) == 0;
}

// Reads `interface` and `address`; ends the call and returns NULL if they are wrong.
static struct look *look_new(struct rpc_call *call, struct rpc_context *context,
	const json_t *params, unsigned limit, void (*done)(struct look *l))
{
	const struct config *config = context->config(context->daemon);
	const char *interface = rpc_param_string(params, "interface");
	const char *address = rpc_param_string(params, "address");
	struct rpc_names names = {0};
	struct look *l = calloc(1, sizeof(*l) + (limit + 1) * sizeof(l->hops[0]));

	if (l)
		l->again = evtimer_new(context->server->base, look_again, l);
	if (!l || !l->again) {
		free(l);
		rpc_fail(call, RPC_INTERNAL_ERROR, NULL, "out of memory");
		return NULL;
	}
	l->call = call;
	l->context = context;
	l->done = done;
	l->limit = limit;
	l->interface = POSTERN_INTERFACE_ANY;
	for (size_t i = 0; interface && i < config->interfaces.count; i++) {
		rpc_names_add(&names, config->interfaces.items[i].name);
		if (strcmp(config->interfaces.items[i].name, interface) == 0)
			l->interface = (uint16_t)i;
	}
	if (interface && l->interface == POSTERN_INTERFACE_ANY) {
		look_free(l);
		rpc_fail_not_found(call, "interface", interface, rpc_names_text(&names, NULL));
		return NULL;
	}
	l->by_addr = address != NULL;
	if (address && postern_addr_parse(address, &l->addr) != 0) {
		look_free(l);
		rpc_fail(call, RPC_INVALID_PARAMS,
			rpc_mistake(NULL, "address", 0, "this is no address",
				"an IPv4 or IPv6 address"),
			"wrong parameters");
		return NULL;
	}
	return l;
}

static void look_begin(struct look *l)
{
	rpc_call_on_gone(l->call, look_gone, l);
	look_on(l);
}

static void neighbour_list(struct rpc_call *call, const json_t *params, void *user)
{
	int64_t limit = LIMIT_MAX;

	if (!rpc_param_integer(call, params, "limit", 1, LIMIT_MAX, &limit))
		return;
	struct look *l = look_new(call, user, params, (unsigned)limit, list_done);
	if (!l)
		return;
	if (!cursor_parse(l, rpc_param_string(params, "cursor"))) {
		look_free(l);
		rpc_fail(call, RPC_INVALID_PARAMS,
			rpc_mistake(NULL, "cursor", 0, "this is no cursor",
				"the next of an earlier answer"),
			"neighbour.list: wrong parameters");
		return;
	}
	look_begin(l);
}

static json_t *members_at(const struct rpc_context *context, const struct postern_addr *addr)
{
	json_t *list = json_array();
	const struct pool *pool;

	for (unsigned p = 0; (pool = pool_set_at(context->pools, p)); p++)
		for (uint16_t i = 0; i < pool->n_members; i++)
			if (postern_addr_equal(&pool->members[i]->at.addr, addr) &&
				json_array_size(list) < NAMES_MAX)
				json_array_append_new(list,
					rpc_textf("%s/%s", pool->name, pool->members[i]->name));
	return list;
}

// What the state means, and what to do about it.
static const char *state_means(const struct hop *h)
{
	switch (h->best.state) {
	case POSTERN_NEIGHBOUR_RESOLVING:
		return "asked for; packets wait for the answer";
	case POSTERN_NEIGHBOUR_REACHABLE:
		return "has answered within 30 s";
	case POSTERN_NEIGHBOUR_PROBING:
		return "used, and asked again whether it is still there";
	case POSTERN_NEIGHBOUR_FAILED:
		return "does not answer; packets are dropped as drop-neighbour-failed, and it is "
		       "asked again every 3 s: is it up, on this link, and is its address right?";
	default:
		return "unknown";
	}
}

static void show_done(struct look *l)
{
	const char *seen = "one of posternctl neighbour list";
	char text[POSTERN_ADDR_TEXT];
	struct rpc_names names = {0};

	if (l->n == 1) {
		json_t *shown = row(l->context, &l->hops[0]);

		json_object_set_new(shown, "means", json_string(state_means(&l->hops[0])));
		json_object_set_new(
			shown, "members", members_at(l->context, &l->hops[0].best.addr));
		rpc_reply(l->call, shown);
		return;
	}
	postern_addr_format(&l->addr, text);
	if (l->n == 0) {
		rpc_fail_not_found(l->call, "address", text, seen);
		return;
	}
	for (unsigned i = 0; i < l->n; i++)
		rpc_names_add(&names, interface_name(l->context, l->hops[i].best.interface));
	rpc_fail(l->call, RPC_INVALID_PARAMS,
		rpc_mistake(NULL, "interface", 0, "it is on several interfaces",
			rpc_names_text(&names, NULL)),
		"neighbour.show: which %s is meant?", text);
}

// As many as there may be interfaces.
#define SHOW_LIMIT 32

static void neighbour_show(struct rpc_call *call, const json_t *params, void *user)
{
	struct look *l = look_new(call, user, params, SHOW_LIMIT, show_done);

	if (l)
		look_begin(l);
}

static void flush_done(struct look *l)
{
	char text[POSTERN_ADDR_TEXT];

	postern_addr_format(&l->addr, text);
	if (l->by_addr && l->n == 0) {
		rpc_fail_not_found(l->call, "address", text, "one of posternctl neighbour list");
		return;
	}
	if (postern_neighbour_flush(l->context->dp, l->interface, l->by_addr ? &l->addr : NULL) !=
		0) {
		rpc_fail(l->call, RPC_BUSY, NULL,
			"neighbours are being asked for already; try again");
		return;
	}
	rpc_reply(l->call, json_pack("{s:o, s:b}", "asked", rpc_uint(l->n), "more", l->more));
}

static void neighbour_flush(struct rpc_call *call, const json_t *params, void *user)
{
	struct look *l = look_new(call, user, params, LIMIT_MAX, flush_done);

	if (l)
		look_begin(l);
}

#define INTERFACE_PARAM                                                                            \
	{                                                                                          \
		"interface", RPC_STRING, false, false, NULL, "on this interface only"              \
	}

static const struct rpc_param list_params[] = {
	INTERFACE_PARAM,
	{"limit", RPC_INTEGER, false, false, NULL, "most items at once, 1 to 1000; default 1000"},
	{"cursor", RPC_STRING, false, false, NULL, "goes on from an earlier answer's next"},
	{0},
};

static const struct rpc_param show_params[] = {
	{"address", RPC_STRING, true, true, NULL, "its address"},
	INTERFACE_PARAM,
	{0},
};

static const struct rpc_param flush_params[] = {
	{"address", RPC_STRING, false, true, NULL, "its address; left out: all"},
	INTERFACE_PARAM,
	{0},
};

static const struct rpc_method methods[] = {
	{"neighbour.list", RPC_VIEW, "the next hops on the links: where they are, since when",
		list_params, neighbour_list},
	{"neighbour.show", RPC_VIEW, "one next hop, and which members are there", show_params,
		neighbour_show},
	{"neighbour.flush", RPC_OPERATE,
		"asks for next hops anew; what is known is used until they have answered",
		flush_params, neighbour_flush},
};

void rpc_methods_neighbour(struct rpc_context *context)
{
	rpc_server_add(context->server, methods, sizeof(methods) / sizeof(methods[0]), context);
}
