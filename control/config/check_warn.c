// SPDX-License-Identifier: BSD-2-Clause
// Services: what works, and is probably not what somebody wants.

#include "control/config/check.h"

#include <errno.h>
#include <stdlib.h>

// What an edge server answers on for itself alone, over TCP. A range that begins with 50000 is that
// of media, which holds the ports of the last row and is not meant by it.
static const struct {
	uint16_t first;
	uint16_t last;
	const char *what;
} never[] = {
	{4443, 4443, "replication of the configuration"},
	{8057, 8057, "web conferencing (PSOM) from inside"},
	{23456, 23456, "the XMPP gateway"},
	{50001, 50003, "central logging"},
};

static bool is_meant(const struct config_listen *l, uint16_t first, uint16_t last)
{
	if (l->last_port == 0)
		return l->at.port >= first && l->at.port <= last;
	return l->at.port <= last && l->last_port >= first &&
	       (first == last || l->at.port >= first);
}

static void warn_ports(struct config_context *ctx, const struct config_service *s, size_t index)
{
	for (size_t i = 0; s->transport == CONFIG_SERVICE_TCP && i < s->listen.count; i++) {
		const struct config_listen *l = &s->listen.items[i];
		for (size_t k = 0; l->at.port && k < sizeof(never) / sizeof(never[0]); k++) {
			char text[CONFIG_LISTEN_TEXT];
			if (!is_meant(l, never[k].first, never[k].last))
				continue;
			config_path_set(ctx, "services[%zu].listen[%zu]", index, i);
			config_warning_here(ctx,
				"no service there: it is reached at each server's own address",
				"%s: an edge server has %s on this port, which must never be "
				"balanced",
				config_listen_format(l, text), never[k].what);
		}
	}
}

static void warn_idle(struct config_context *ctx, const struct config_service *s, size_t index)
{
	if (s->profile != CONFIG_PROFILE_ACCESS_EDGE || s->timeouts.idle_ms >= 30 * 60 * 1000)
		return;
	config_path_set(ctx, "services[%zu].timeouts.idle", index);
	config_warning_here(ctx, "at least 30m",
		"servers of an access edge may be silent for longer and still want their "
		"connections");
}

// The answers of a member come back through postern only if postern is its router, and that takes
// a link in common.
static void warn_gateway(struct config_context *ctx, const struct config *c,
	const struct config_service *s, size_t pool)
{
	const struct config_pool *p = &c->pools.items[pool];
	for (size_t i = 0; i < p->members.count; i++) {
		const struct postern_endpoint *at = &p->members.items[i].address;
		const struct config_interface *way = config_interface_towards(c, &at->addr);
		char text[POSTERN_ADDR_TEXT];
		if (!at->port || !way || check_on_link(way, &at->addr))
			continue;
		config_path_set(ctx, "pools[%zu].members[%zu].address", pool, i);
		config_warning_here(ctx,
			"a member in a prefix of an interface, with postern's address there as "
			"its default gateway; or translate: source",
			"%s is a neighbour on no interface, so postern cannot be its default "
			"gateway, as translate: destination of the service \"%s\" wants",
			postern_addr_format(&at->addr, text), s->name ? s->name : "?");
	}
}

// A member whose port is none of the range, or the number of members if there is none.
static size_t find_other_port(const struct config_pool *p, const struct config_listen *l)
{
	size_t i = 0;
	for (; i < p->members.count; i++) {
		const struct postern_endpoint *at = &p->members.items[i].address;
		if (at->port && postern_addr_is_v4(&at->addr) == postern_addr_is_v4(&l->at.addr) &&
			(at->port < l->at.port || at->port > l->last_port))
			break;
	}
	return i;
}

// A range is kept as it is towards members. Told once a service.
static void warn_member_ports(struct config_context *ctx, const struct config *c,
	const struct config_service *s, size_t pool)
{
	const struct config_pool *p = &c->pools.items[pool];
	for (size_t i = 0; i < s->listen.count; i++) {
		const struct config_listen *l = &s->listen.items[i];
		size_t k = l->last_port ? find_other_port(p, l) : p->members.count;
		if (k == p->members.count)
			continue;
		char text[CONFIG_LISTEN_TEXT];
		config_path_set(ctx, "pools[%zu].members[%zu].address", pool, k);
		config_warning_here(ctx, "a port of the range, unless probes go to this one",
			"port %u is used by probes alone: %s of the service \"%s\" keeps its ports "
			"towards members",
			p->members.items[k].address.port, config_listen_format(l, text),
			s->name ? s->name : "?");
		return;
	}
}

static void warn_pool(struct config_context *ctx, const struct config *c,
	const struct config_service *s, size_t pool, bool *told)
{
	if (s->translate != CONFIG_TRANSLATE_DESTINATION)
		return;
	if (!told[pool] && check_interfaces_are_good(c))
		warn_gateway(ctx, c, s, pool);
	told[pool] = true;
	warn_member_ports(ctx, c, s, pool);
}

void check_service_warnings(
	struct config_context *ctx, const struct config *c, const struct check_names *pools)
{
	bool *told = calloc(c->pools.count + 1, sizeof(told[0])); // of a pool's members' links
	if (!told) {
		ctx->failure = -ENOMEM;
		return;
	}
	for (size_t i = 0; i < c->services.count; i++) {
		const struct config_service *s = &c->services.items[i];
		const struct check_name *pool = s->pool ? check_names_find(pools, s->pool) : NULL;
		warn_ports(ctx, s, i);
		warn_idle(ctx, s, i);
		if (pool)
			warn_pool(ctx, c, s, pool->index, told);
	}
	free(told);
}
