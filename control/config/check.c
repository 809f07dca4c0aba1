// SPDX-License-Identifier: BSD-2-Clause
// Names, references between objects, and what the values of one object must have in common.

#include "control/config/check.h"

#include "control/config/read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// The members of all pools share 16-bit ids, one of which stands for "none".
#define MOST_IDS UINT16_MAX

static int compare_names(const void *a, const void *b)
{
	const struct check_name *x = a, *y = b;
	int order = strcmp(x->name, y->name);
	return order ? order : (x->index > y->index) - (x->index < y->index);
}

struct check_names check_names_collect(struct config_context *ctx, const char *path,
	const void *items, size_t count, size_t stride)
{
	struct check_names names = {.items = calloc(count + 1, sizeof(names.items[0]))};
	if (!names.items) {
		ctx->failure = -ENOMEM;
		names.broken = true;
		return names;
	}
	for (size_t i = 0; i < count; i++) {
		const char *name;
		memcpy(&name, (const char *)items + i * stride, sizeof(name));
		if (name)
			names.items[names.count++] = (struct check_name){name, i};
		else
			names.broken = true;
	}
	qsort(names.items, names.count, sizeof(names.items[0]), compare_names);
	size_t first = 0;
	for (size_t i = 1; i < names.count; i++) {
		if (strcmp(names.items[first].name, names.items[i].name) != 0) {
			first = i;
			continue;
		}
		config_path_set(ctx, "%s[%zu].name", path, names.items[i].index);
		config_mistake_here(ctx, "another name", "%s[%zu] is named \"%s\" already", path,
			names.items[first].index, names.items[i].name);
	}
	return names;
}

const struct check_name *check_names_find(const struct check_names *names, const char *name)
{
	// Of namesakes, which have been reported, any will do.
	size_t low = 0, high = names->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(names->items[middle].name, name);
		if (order == 0)
			return &names->items[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

void check_unknown_name(struct config_context *ctx, const char *kind, const char *name,
	const struct check_names *names)
{
	if (names->broken)
		return;
	struct config_words w;
	config_words_begin(&w, "one of: ");
	for (size_t i = 0; i < names->count; i++)
		if (i == 0 || strcmp(names->items[i].name, names->items[i - 1].name) != 0)
			config_words_add(&w, names->items[i].name);
	config_mistake_here(
		ctx, names->count ? w.text : "define one", "there is no %s \"%s\"", kind, name);
}

static void check_dataplane(struct config_context *ctx, const struct config *c)
{
	if (c->dataplane.workers.count <= POSTERN_WORKERS_MAX)
		return;
	config_path_set(ctx, "dataplane.workers");
	config_mistake_here(ctx, "fewer CPUs", "at most %u workers are possible, here are %zu",
		POSTERN_WORKERS_MAX, c->dataplane.workers.count);
}

static int compare_endpoints(const struct postern_endpoint *a, const struct postern_endpoint *b)
{
	int order = memcmp(a->addr.bytes, b->addr.bytes, sizeof(a->addr.bytes));
	return order ? order : (a->port > b->port) - (a->port < b->port);
}

struct place {
	struct postern_endpoint at;
	size_t member; // index
};

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	int order = compare_endpoints(&x->at, &y->at);
	return order ? order : (x->member > y->member) - (x->member < y->member);
}

static void check_member_addresses(
	struct config_context *ctx, const struct config_pool *pool, size_t index)
{
	size_t n = 0;
	struct place *places = calloc(pool->members.count + 1, sizeof(places[0]));
	if (!places) {
		ctx->failure = -ENOMEM;
		return;
	}
	for (size_t i = 0; i < pool->members.count; i++)
		if (pool->members.items[i].address.port)
			places[n++] = (struct place){pool->members.items[i].address, i};
	qsort(places, n, sizeof(places[0]), compare_places);
	for (size_t i = 1, first = 0; i < n; i++) {
		if (!postern_endpoint_equal(&places[first].at, &places[i].at)) {
			first = i;
			continue;
		}
		char text[POSTERN_ENDPOINT_TEXT];
		config_path_set(ctx, "pools[%zu].members[%zu].address", index, places[i].member);
		config_mistake_here(ctx, "each server once, with its share as weight",
			"members[%zu] of this pool has the address %s already",
			places[first].member, postern_endpoint_format(&places[i].at, text));
	}
	free(places);
}

static void check_pool(struct config_context *ctx, const struct config_pool *pool, size_t index)
{
	char path[64];
	snprintf(path, sizeof(path), "pools[%zu].members", index);
	struct check_names names = check_names_collect(ctx, path, pool->members.items,
		pool->members.count, sizeof(pool->members.items[0]));
	free(names.items);
	check_member_addresses(ctx, pool, index);
	check_tls(ctx, &pool->tls, "pools", index);
	check_probes(ctx, pool, index);
	if (pool->minimum != SCHEMA_BAD_NUMBER && pool->minimum > pool->members.count) {
		char expect[48];
		snprintf(expect, sizeof(expect), "at most %zu", pool->members.count);
		config_path_set(ctx, "pools[%zu].minimum", index);
		config_mistake_here(ctx, expect, "the pool has fewer members than its minimum, %u",
			pool->minimum);
	}
}

static void check_pools(struct config_context *ctx, const struct config *c)
{
	size_t members = 0;
	for (size_t i = 0; i < c->pools.count; i++) {
		const struct config_pool *pool = &c->pools.items[i];
		check_pool(ctx, pool, i);
		bool fit = members <= MOST_IDS;
		members += pool->members.count;
		if (fit && members > MOST_IDS) {
			config_path_set(ctx, "pools[%zu].members", i);
			config_mistake_here(ctx, "at most 65535",
				"here the members of all pools are %zu", members);
		}
	}
}

// Whether a pool has members of a family; a wrong one may be of either.
static bool pool_has_family(const struct config_pool *pool, bool v4)
{
	for (size_t i = 0; i < pool->members.count; i++) {
		const struct postern_endpoint *e = &pool->members.items[i].address;
		if (e->port == 0 || postern_addr_is_v4(&e->addr) == v4)
			return true;
	}
	return pool->members.count == 0;
}

static void check_families(struct config_context *ctx, const struct config_service *s, size_t index,
	const struct config_pool *pool)
{
	bool has[2] = {pool_has_family(pool, false), pool_has_family(pool, true)};
	for (size_t i = 0; i < s->listen.count; i++) {
		const struct postern_endpoint *e = &s->listen.items[i].at;
		bool v4 = postern_addr_is_v4(&e->addr);
		if (e->port == 0 || has[v4])
			continue;
		char text[POSTERN_ENDPOINT_TEXT], expect[128];
		const char *family = v4 ? "IPv4" : "IPv6";
		snprintf(expect, sizeof(expect),
			"a member with an %s address, or a service without", family);
		config_path_set(ctx, "services[%zu].listen[%zu]", index, i);
		config_mistake_here(ctx, expect, "%s is %s, and the pool \"%s\" has no %s member",
			postern_endpoint_format(e, text), family, pool->name, family);
	}
}

static void check_service_pools(
	struct config_context *ctx, const struct config *c, const struct check_names *pools)
{
	for (size_t i = 0; i < c->services.count; i++) {
		const struct config_service *s = &c->services.items[i];
		if (!s->pool)
			continue;
		const struct check_name *pool = check_names_find(pools, s->pool);
		if (pool) {
			if (s->mode == CONFIG_MODE_RELAY)
				continue;
			check_families(ctx, s, i, &c->pools.items[pool->index]);
		} else {
			config_path_set(ctx, "services[%zu].pool", i);
			check_unknown_name(ctx, "pool", s->pool, pools);
		}
	}
}

static void check_service_sides(
	struct config_context *ctx, const struct config *c, const struct check_names *interfaces)
{
	for (size_t i = 0; i < c->services.count; i++) {
		const char *side = c->services.items[i].side;
		if (!side || check_names_find(interfaces, side))
			continue;
		config_path_set(ctx, "services[%zu].side", i);
		check_unknown_name(ctx, "interface", side, interfaces);
	}
}

void config_check(struct config_context *ctx, const struct config *c)
{
	struct check_names interfaces = check_names_collect(ctx, "interfaces", c->interfaces.items,
		c->interfaces.count, sizeof(c->interfaces.items[0]));
	struct check_names pools = check_names_collect(
		ctx, "pools", c->pools.items, c->pools.count, sizeof(c->pools.items[0]));
	struct check_names services = check_names_collect(ctx, "services", c->services.items,
		c->services.count, sizeof(c->services.items[0]));
	struct check_names rules = check_names_collect(ctx, "outbound", c->outbound.items,
		c->outbound.count, sizeof(c->outbound.items[0]));
	// Without any the missing list has been reported.
	interfaces.broken |= interfaces.count == 0;
	check_dataplane(ctx, c);
	check_interfaces(ctx, c);
	check_pools(ctx, c);
	check_service_pools(ctx, c, &pools);
	check_service_sides(ctx, c, &interfaces);
	check_services(ctx, c);
	check_relays(ctx, c, &pools);
	check_outbound(ctx, c, &pools, &interfaces);
	check_own_addresses(ctx, c);
	check_sides(ctx, c);
	check_organisations(ctx, c);
	check_dns(ctx, c);
	check_reach(ctx, c);
	check_service_warnings(ctx, c, &pools);
	check_outbound_warnings(ctx, c, &pools);
	free(interfaces.items);
	free(pools.items);
	free(services.items);
	free(rules.items);
}
