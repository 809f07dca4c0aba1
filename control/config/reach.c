// SPDX-License-Identifier: BSD-2-Clause
// Which interface leads to an address, and how many addresses its sessions may come from.

#include "control/config/config.h"

#include <string.h>

// How well an interface leads to an address: 1 + the length of the longest prefix, 1 for the
// gateway, 0 if not at all.
static unsigned leads_to(const struct config_interface *in, const struct postern_addr *a)
{
	unsigned best = 0;
	for (size_t i = 0; i < in->gateways.count; i++)
		if (postern_addr_is_v4(&in->gateways.items[i]) == postern_addr_is_v4(a))
			best = 1;
	for (size_t i = 0; i < in->routes.count; i++) {
		const struct postern_prefix *p = &in->routes.items[i].to;
		if (p->length + 1u > best && postern_prefix_contains(p, a))
			best = p->length + 1u;
	}
	for (size_t i = 0; i < in->addresses.count; i++) {
		const struct postern_prefix *p = &in->addresses.items[i];
		if (p->length + 1u > best && postern_prefix_contains(p, a))
			best = p->length + 1u;
	}
	return best;
}

const struct config_interface *config_interface_towards(
	const struct config *c, const struct postern_addr *a)
{
	const struct config_interface *way = NULL;
	unsigned best = 0;
	for (size_t i = 0; i < c->interfaces.count; i++) {
		unsigned length = leads_to(&c->interfaces.items[i], a);
		if (length > best) {
			best = length;
			way = &c->interfaces.items[i];
		}
	}
	return way;
}

uint32_t config_sessions_limit(const struct config *c, const struct postern_addr *member)
{
	const struct config_interface *way = config_interface_towards(c, member);
	uint32_t sources = 0;
	for (size_t i = 0; way && i < way->translate_from.count; i++)
		sources += postern_addr_is_v4(&way->translate_from.items[i]) ==
			   postern_addr_is_v4(member);
	// Without one of the family the interface's own address serves.
	return (sources ? sources : 1) * CONFIG_PORTS_PER_ADDRESS;
}

uint32_t config_flows_limit(const struct config *c, const char *pool)
{
	uint32_t most = 0;
	for (size_t i = 0; i < c->outbound.count; i++) {
		const struct config_outbound *o = &c->outbound.items[i];
		for (size_t k = 0; k < o->pools.count; k++)
			if (strcmp(o->pools.items[k], pool) == 0 && o->flows_per_member > most)
				most = o->flows_per_member;
	}
	return most;
}

bool config_pool_needs_no_ports(const struct config *c, const char *pool)
{
	bool used = false;
	for (size_t i = 0; i < c->services.count; i++) {
		const struct config_service *s = &c->services.items[i];
		if (strcmp(s->pool, pool) != 0)
			continue;
		if (s->translate == CONFIG_TRANSLATE_SOURCE)
			return false;
		used = true;
	}
	return used;
}
