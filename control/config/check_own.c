// SPDX-License-Identifier: BSD-2-Clause
// Addresses that are postern's own: each has one use, none is the network's or somebody else's.

#include "control/config/check.h"
#include "control/config/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// In the order in which they keep an address that several claim.
enum use {
	USE_INTERFACE,
	USE_SERVICE,
	USE_TRANSLATE,
	USE_OUTBOUND,
};

struct own {
	struct postern_addr addr;
	enum use use;
	size_t first; // index of the interface, service or rule
	size_t second;
};

struct table {
	struct own *items;
	size_t count;
};

static int compare_own(const void *a, const void *b)
{
	const struct own *x = a, *y = b;
	int order = memcmp(x->addr.bytes, y->addr.bytes, sizeof(x->addr.bytes));
	if (!order)
		order = (x->use > y->use) - (x->use < y->use);
	if (!order)
		order = (x->first > y->first) - (x->first < y->first);
	return order ? order : (x->second > y->second) - (x->second < y->second);
}

static size_t count_own(const struct config *c)
{
	size_t n = 0;
	for (size_t i = 0; i < c->interfaces.count; i++)
		n += c->interfaces.items[i].addresses.count +
		     c->interfaces.items[i].translate_from.count;
	for (size_t i = 0; i < c->services.count; i++)
		n += c->services.items[i].listen.count;
	for (size_t i = 0; i < c->outbound.count; i++)
		n += c->outbound.items[i].translate_to.count;
	return n;
}

static void add(
	struct table *t, const struct postern_addr *a, enum use use, size_t first, size_t second)
{
	if (!postern_addr_is_none(a))
		t->items[t->count++] = (struct own){*a, use, first, second};
}

static struct table collect(struct config_context *ctx, const struct config *c)
{
	struct table t = {.items = calloc(count_own(c) + 1, sizeof(t.items[0]))};
	if (!t.items) {
		ctx->failure = -ENOMEM;
		return t;
	}
	for (size_t i = 0; i < c->interfaces.count; i++) {
		const struct config_interface *in = &c->interfaces.items[i];
		for (size_t k = 0; k < in->addresses.count; k++)
			add(&t, &in->addresses.items[k].addr, USE_INTERFACE, i, k);
		for (size_t k = 0; k < in->translate_from.count; k++)
			add(&t, &in->translate_from.items[k], USE_TRANSLATE, i, k);
	}
	for (size_t i = 0; i < c->services.count; i++) {
		const struct config_service *s = &c->services.items[i];
		for (size_t k = 0; k < s->listen.count; k++)
			add(&t, &s->listen.items[k].at.addr, USE_SERVICE, i, k);
	}
	for (size_t i = 0; i < c->outbound.count; i++) {
		const struct config_outbound *o = &c->outbound.items[i];
		for (size_t k = 0; k < o->translate_to.count; k++)
			add(&t, &o->translate_to.items[k], USE_OUTBOUND, i, k);
	}
	qsort(t.items, t.count, sizeof(t.items[0]), compare_own);
	return t;
}

static const char *path_of(char buf[static 64], const struct own *o)
{
	switch (o->use) {
	case USE_INTERFACE:
		snprintf(buf, 64, "interfaces[%zu].addresses[%zu]", o->first, o->second);
		break;
	case USE_SERVICE:
		snprintf(buf, 64, "services[%zu].listen[%zu]", o->first, o->second);
		break;
	case USE_OUTBOUND:
		snprintf(buf, 64, "outbound[%zu].translate-to[%zu]", o->first, o->second);
		break;
	case USE_TRANSLATE:
		snprintf(buf, 64, "interfaces[%zu].translate-from[%zu]", o->first, o->second);
		break;
	}
	return buf;
}

// A service may stand on an interface's address, services share addresses, and what members begin may
// leave from either's; nothing else may.
static void check_shared(struct config_context *ctx, const struct table *t)
{
	for (size_t i = 1, first = 0; i < t->count; i++) {
		const struct own *a = &t->items[first], *b = &t->items[i];
		if (!postern_addr_equal(&a->addr, &b->addr)) {
			first = i;
			continue;
		}
		if (b->use == USE_SERVICE || (b->use == USE_OUTBOUND && a->use != USE_TRANSLATE))
			continue;
		char text[POSTERN_ADDR_TEXT], path[64];
		config_path_set(ctx, "%s", path_of(path, b));
		config_mistake_here(ctx,
			b->use == USE_INTERFACE ? "an address of its own for each interface"
						: "an address that is used for nothing else",
			"%s is %s already", postern_addr_format(&b->addr, text), path_of(path, a));
	}
}

// The address of the network itself, or the broadcast address of one in IPv4 (RFC 1122 3.2.1.3;
// RFC 3021 has none in /31). In IPv6 the first is every router's (RFC 4291 2.6.1).
static const char *reserved_in(const struct postern_prefix *p, const struct postern_addr *a)
{
	bool v4 = postern_addr_is_v4(&p->addr);
	if (!check_prefix_is_good(p) || p->length > (v4 ? 30 : 126) ||
		!postern_prefix_contains(p, a))
		return NULL;
	struct postern_addr first = config_prefix_first(p), last = config_prefix_last(p);
	if (postern_addr_equal(&first, a))
		return v4 ? "the address of the network" : "the address of all routers in";
	return v4 && postern_addr_equal(&last, a) ? "the broadcast address of" : NULL;
}

// At the context's path.
static void check_reserved(
	struct config_context *ctx, const struct config *c, const struct postern_addr *a)
{
	for (size_t i = 0; i < c->interfaces.count; i++) {
		const struct config_interface *in = &c->interfaces.items[i];
		for (size_t k = 0; k < in->addresses.count; k++) {
			const struct postern_prefix *p = &in->addresses.items[k];
			const char *what = reserved_in(p, a);
			if (!what)
				continue;
			char text[POSTERN_ADDR_TEXT], net[POSTERN_PREFIX_TEXT];
			struct postern_prefix network = {config_prefix_first(p), p->length};
			config_mistake_here(ctx, "an address of one host", "%s is %s %s",
				postern_addr_format(a, text), what,
				postern_prefix_format(&network, net));
			return;
		}
	}
}

static void check_foreign(struct config_context *ctx, const struct config *c, const struct table *t,
	const struct postern_addr *a, const char *whose)
{
	if (postern_addr_is_none(a))
		return;
	check_reserved(ctx, c, a);
	size_t low = 0, high = t->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = memcmp(t->items[middle].addr.bytes, a->bytes, sizeof(a->bytes));
		if (order == 0) {
			char text[POSTERN_ADDR_TEXT], path[64], expect[64];
			snprintf(expect, sizeof(expect), "the address of the %s", whose);
			config_mistake_here(ctx, expect, "%s is postern's own (%s)",
				postern_addr_format(a, text), path_of(path, &t->items[middle]));
			return;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
}

static void check_others(struct config_context *ctx, const struct config *c, const struct table *t)
{
	for (size_t i = 0; i < c->interfaces.count; i++) {
		const struct config_interface *in = &c->interfaces.items[i];
		for (size_t k = 0; k < in->gateways.count; k++) {
			config_path_set(ctx, "interfaces[%zu].gateway[%zu]", i, k);
			check_foreign(ctx, c, t, &in->gateways.items[k], "router");
		}
		for (size_t k = 0; k < in->routes.count; k++) {
			config_path_set(ctx, "interfaces[%zu].routes[%zu].via", i, k);
			check_foreign(ctx, c, t, &in->routes.items[k].via, "router");
		}
	}
	for (size_t i = 0; i < c->pools.count; i++) {
		const struct config_pool *pool = &c->pools.items[i];
		config_path_set(ctx, "pools[%zu].probe.address", i);
		check_foreign(ctx, c, t, &pool->probe.address, "members");
		for (size_t k = 0; k < pool->members.count; k++) {
			config_path_set(ctx, "pools[%zu].members[%zu].address", i, k);
			check_foreign(ctx, c, t, &pool->members.items[k].address.addr, "member");
			if (postern_addr_equal(
				    &pool->members.items[k].probe.address, &pool->probe.address))
				continue;
			config_path_set(ctx, "pools[%zu].members[%zu].probe.address", i, k);
			check_foreign(ctx, c, t, &pool->members.items[k].probe.address, "member");
		}
	}
}

static void check_translate(
	struct config_context *ctx, const struct config_interface *in, size_t index)
{
	for (size_t k = 0; k < in->translate_from.count; k++) {
		const struct postern_addr *a = &in->translate_from.items[k];
		if (postern_addr_is_none(a) || check_on_link(in, a))
			continue;
		char text[POSTERN_ADDR_TEXT];
		config_path_set(ctx, "interfaces[%zu].translate-from[%zu]", index, k);
		config_mistake_here(ctx, "an address that neighbours on this interface can ask for",
			"%s lies in no prefix of the interface", postern_addr_format(a, text));
	}
}

void check_own_addresses(struct config_context *ctx, const struct config *c)
{
	struct table t = collect(ctx, c);
	if (!t.items)
		return;
	check_shared(ctx, &t);
	for (size_t i = 0; i < t.count; i++) {
		char path[64];
		config_path_set(ctx, "%s", path_of(path, &t.items[i]));
		check_reserved(ctx, c, &t.items[i].addr);
	}
	check_others(ctx, c, &t);
	free(t.items);
	for (size_t i = 0; check_interfaces_are_good(c) && i < c->interfaces.count; i++)
		check_translate(ctx, &c->interfaces.items[i], i);
}
