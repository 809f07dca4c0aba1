// SPDX-License-Identifier: BSD-2-Clause
// Outbound rules: what belongs together, and what is probably not meant.

#include "control/config/check.h"

#include <string.h>

static void check_names_of(struct config_context *ctx, const struct config_outbound *o,
	size_t index, const struct check_names *pools, const struct check_names *interfaces)
{
	for (size_t k = 0; k < o->pools.count; k++) {
		const char *name = o->pools.items[k];
		config_path_set(ctx, "outbound[%zu].pools[%zu]", index, k);
		if (!name)
			continue;
		if (!check_names_find(pools, name))
			check_unknown_name(ctx, "pool", name, pools);
		for (size_t before = 0; before < k; before++) {
			const char *other = o->pools.items[before];
			if (other && strcmp(other, name) == 0) {
				config_mistake_here(ctx, "each pool once",
					"pools[%zu] is \"%s\" already", before, name);
				break;
			}
		}
	}
	if (o->side && !check_names_find(interfaces, o->side)) {
		config_path_set(ctx, "outbound[%zu].side", index);
		check_unknown_name(ctx, "interface", o->side, interfaces);
	}
}

static void check_translation(
	struct config_context *ctx, const struct config_outbound *o, size_t index)
{
	config_path_set(ctx, "outbound[%zu].translate-to", index);
	if (o->mode == CONFIG_OUTBOUND_ROUTE && o->translate_to.count > 0)
		config_mistake_here(ctx, "mode: translate, or no such key",
			"nothing is translated in mode: route");
	if (o->mode == CONFIG_OUTBOUND_TRANSLATE && o->translate_to.count == 0 &&
		!config_was_wrong(ctx, ctx->path))
		config_mistake_here(ctx, "one address of postern's a family, which others see",
			"mode: translate says not to what");
	if (o->translate_to.count == 2) {
		const struct postern_addr *a = &o->translate_to.items[0], *b = a + 1;
		if (!postern_addr_is_none(a) && !postern_addr_is_none(b) &&
			postern_addr_is_v4(a) == postern_addr_is_v4(b)) {
			config_path_set(ctx, "outbound[%zu].translate-to[1]", index);
			config_mistake_here(ctx, "one a family; a rule of its own for other pools",
				"this is a second %s address",
				postern_addr_is_v4(a) ? "IPv4" : "IPv6");
		}
	}
}

static void check_inbound(struct config_context *ctx, const struct config_outbound *o, size_t index,
	const char *key, size_t count)
{
	if (o->mode != CONFIG_OUTBOUND_TRANSLATE || count == 0)
		return;
	config_path_set(ctx, "outbound[%zu].%s", index, key);
	config_mistake_here(ctx,
		"mode: route; or a service with a range of ports and a pool of this one member",
		"nobody outside can reach members at their own addresses in mode: translate");
}

static void check_ports(struct config_context *ctx, const struct config_outbound *o, size_t index)
{
	static const char *const keys[] = {"tcp", "udp", "inbound-tcp", "inbound-udp"};
	check_inbound(ctx, o, index, keys[2], o->inbound_tcp.count);
	check_inbound(ctx, o, index, keys[3], o->inbound_udp.count);
	if (o->tcp.count + o->udp.count + o->inbound_tcp.count + o->inbound_udp.count > 0)
		return;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		char path[64];
		snprintf(path, sizeof(path), "outbound[%zu].%s", index, keys[i]);
		if (config_was_wrong(ctx, path))
			return;
	}
	config_path_set(ctx, "outbound[%zu]", index);
	config_mistake_here(ctx, "ports under tcp or udp, such as tcp: [5061, 80, 443]",
		"this lets nothing pass");
}

void check_outbound(struct config_context *ctx, const struct config *c,
	const struct check_names *pools, const struct check_names *interfaces)
{
	for (size_t i = 0; i < c->outbound.count; i++) {
		const struct config_outbound *o = &c->outbound.items[i];
		char mode[64];
		check_names_of(ctx, o, i, pools, interfaces);
		snprintf(mode, sizeof(mode), "outbound[%zu].mode", i);
		if (!config_was_wrong(ctx, mode)) {
			check_translation(ctx, o, i);
			check_ports(ctx, o, i);
		}
	}
}

// RFC 1918, RFC 6598; RFC 4193.
static bool is_private(const struct postern_addr *a)
{
	const uint8_t *b = a->bytes + 12;
	if (!postern_addr_is_v4(a))
		return (a->bytes[0] & 0xfe) == 0xfc;
	return b[0] == 10 || (b[0] == 172 && (b[1] & 0xf0) == 16) || (b[0] == 192 && b[1] == 168) ||
	       (b[0] == 100 && (b[1] & 0xc0) == 64);
}

static bool holds(const struct config_ports *items, size_t count, uint16_t port)
{
	for (size_t i = 0; i < count; i++)
		if (port >= items[i].first && port <= items[i].last)
			return true;
	return false;
}

// True if it has been told: once a rule is enough.
static bool warn_private(struct config_context *ctx, size_t index, const struct config_pool *pool)
{
	for (size_t i = 0; i < pool->members.count; i++) {
		const struct postern_endpoint *at = &pool->members.items[i].address;
		char text[POSTERN_ADDR_TEXT];
		if (!at->port || !is_private(&at->addr))
			continue;
		config_path_set(ctx, "outbound[%zu].mode", index);
		config_warning_here(ctx,
			"mode: translate, or under \"to\" the networks that know a way back",
			"%s is a private address, which nobody on the Internet answers",
			postern_addr_format(&at->addr, text));
		return true;
	}
	return false;
}

// Answers come back through postern alone, which must be the member's router.
static void warn_gateway(struct config_context *ctx, const struct config *c,
	const struct config_outbound *o, size_t pool)
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
			"a member in a prefix of an interface, with postern's address there as its "
			"default gateway",
			"%s is a neighbour on no interface, so postern cannot be its default "
			"gateway, as the outbound rule \"%s\" wants",
			postern_addr_format(&at->addr, text), o->name ? o->name : "?");
		return;
	}
}

// The address that an A/V edge tells the other side of a call is its own.
static void warn_media(struct config_context *ctx, const struct config *c,
	const struct config_outbound *o, size_t index, const char *pool)
{
	if (o->mode != CONFIG_OUTBOUND_TRANSLATE || !holds(o->udp.items, o->udp.count, 50000))
		return;
	for (size_t i = 0; i < c->services.count; i++) {
		const struct config_service *s = &c->services.items[i];
		if (s->profile != CONFIG_PROFILE_AV_EDGE || !s->pool || strcmp(s->pool, pool) != 0)
			continue;
		config_path_set(ctx, "outbound[%zu].mode", index);
		config_warning_here(ctx,
			"mode: route, with inbound-udp and inbound-tcp 50000-59999",
			"an A/V edge (service \"%s\") tells others its own address, and media from "
			"a translated one finds no way",
			s->name ? s->name : "?");
		return;
	}
}

// What an edge server answers on for itself and the inside alone.
static void warn_inside(struct config_context *ctx, const struct config_outbound *o, size_t index)
{
	static const uint16_t never[] = {4443, 8057, 23456};
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
		if (!holds(o->inbound_tcp.items, o->inbound_tcp.count, never[i]))
			continue;
		config_path_set(ctx, "outbound[%zu].inbound-tcp", index);
		config_warning_here(ctx,
			"50000-59999 alone, or the networks of the inside under to",
			"port %u of an edge server is for the inside, and everybody would reach it",
			never[i]);
		return;
	}
}

static bool has_gateway(const struct config *c)
{
	for (size_t i = 0; i < c->interfaces.count; i++)
		if (c->interfaces.items[i].gateways.count > 0 ||
			c->interfaces.items[i].routes.count > 0)
			return true;
	return false;
}

static void warn_ways(struct config_context *ctx, const struct config *c,
	const struct config_outbound *o, size_t index)
{
	if (o->to.count == 0 && !has_gateway(c)) {
		config_path_set(ctx, "outbound[%zu]", index);
		config_warning_here(ctx, "a gateway on the interface towards others",
			"no interface has a gateway or a route, so that members reach neighbours "
			"alone");
	}
	for (size_t k = 0; k < o->to.count; k++) {
		const struct postern_prefix *p = &o->to.items[k];
		char text[POSTERN_PREFIX_TEXT];
		if (!check_prefix_is_good(p) || config_interface_towards(c, &p->addr))
			continue;
		config_path_set(ctx, "outbound[%zu].to[%zu]", index, k);
		config_warning_here(ctx, "a route or a gateway that reaches it",
			"no interface leads to %s", postern_prefix_format(p, text));
	}
}

static void warn_pools(struct config_context *ctx, const struct config *c, size_t index,
	const struct check_names *pools)
{
	const struct config_outbound *o = &c->outbound.items[index];
	bool told = o->mode != CONFIG_OUTBOUND_ROUTE || o->to.count > 0;
	for (size_t k = 0; k < o->pools.count; k++) {
		const char *name = o->pools.items[k];
		const struct check_name *pool = name ? check_names_find(pools, name) : NULL;
		if (!pool)
			continue;
		warn_gateway(ctx, c, o, pool->index);
		warn_media(ctx, c, o, index, name);
		told = told || warn_private(ctx, index, &c->pools.items[pool->index]);
	}
}

void check_outbound_warnings(
	struct config_context *ctx, const struct config *c, const struct check_names *pools)
{
	if (!check_interfaces_are_good(c))
		return;
	for (size_t i = 0; i < c->outbound.count; i++) {
		warn_pools(ctx, c, i, pools);
		warn_inside(ctx, &c->outbound.items[i], i);
		warn_ways(ctx, c, &c->outbound.items[i], i);
	}
}
