// SPDX-License-Identifier: BSD-2-Clause
// Where addresses lie: which interface announces a service, and which leads to a member.

#include "control/config/check.h"
#include "control/config/unit.h"

static void tell_nowhere(
	struct config_context *ctx, const struct config *c, const struct postern_addr *a)
{
	char text[POSTERN_ADDR_TEXT], prefix[POSTERN_PREFIX_TEXT];
	struct config_words w;
	config_words_begin(
		&w, "a key \"side\" that names the interface, or an address in one of: ");
	for (size_t i = 0; i < c->interfaces.count; i++) {
		const struct config_interface *in = &c->interfaces.items[i];
		for (size_t k = 0; k < in->addresses.count; k++) {
			const struct postern_prefix *p = &in->addresses.items[k];
			struct postern_prefix network = {config_prefix_first(p), p->length};
			if (postern_addr_is_v4(&p->addr) == postern_addr_is_v4(a))
				config_words_add(&w, postern_prefix_format(&network, prefix));
		}
	}
	config_mistake_here(ctx, w.count ? w.text : "a key \"side\" that names the interface",
		"%s lies in no prefix of any interface", postern_addr_format(a, text));
}

static void check_side(
	struct config_context *ctx, const struct config *c, const struct postern_addr *a)
{
	struct config_words w;
	config_words_begin(&w, "a key \"side\", one of: ");
	for (size_t i = 0; i < c->interfaces.count; i++) {
		const struct config_interface *in = &c->interfaces.items[i];
		if (check_on_link(in, a))
			config_words_add(&w, in->name ? in->name : "?");
	}
	char text[POSTERN_ADDR_TEXT];
	if (w.count == 0)
		tell_nowhere(ctx, c, a);
	else if (w.count > 1)
		config_mistake_here(ctx, w.text, "%s lies in prefixes of %zu interfaces",
			postern_addr_format(a, text), w.count);
}

void check_sides(struct config_context *ctx, const struct config *c)
{
	// An address that was mistyped may be the one that holds a service's.
	if (!check_interfaces_are_good(c))
		return;
	for (size_t i = 0; i < c->services.count; i++) {
		const struct config_service *s = &c->services.items[i];
		for (size_t k = 0; !s->side && k < s->listen.count; k++) {
			config_path_set(ctx, "services[%zu].listen[%zu]", i, k);
			if (s->listen.items[k].at.port)
				check_side(ctx, c, &s->listen.items[k].at.addr);
		}
	}
	for (size_t i = 0; i < c->outbound.count; i++) {
		const struct config_outbound *o = &c->outbound.items[i];
		for (size_t k = 0; !o->side && k < o->translate_to.count; k++) {
			config_path_set(ctx, "outbound[%zu].translate-to[%zu]", i, k);
			if (!postern_addr_is_none(&o->translate_to.items[k]))
				check_side(ctx, c, &o->translate_to.items[k]);
		}
	}
}

static bool has_source(const struct config_interface *in, bool v4)
{
	for (size_t i = 0; i < in->translate_from.count; i++) {
		const struct postern_addr *a = &in->translate_from.items[i];
		// One that was wrong may have been meant for this.
		if (postern_addr_is_none(a) || postern_addr_is_v4(a) == v4)
			return true;
	}
	for (size_t i = 0; i < in->addresses.count; i++)
		if (postern_addr_is_v4(&in->addresses.items[i].addr) == v4)
			return true;
	return false;
}

static void check_member(
	struct config_context *ctx, const struct config *c, const struct postern_addr *a)
{
	const struct config_interface *way = config_interface_towards(c, a);
	char text[POSTERN_ADDR_TEXT], expect[128];
	bool v4 = postern_addr_is_v4(a);
	const char *family = v4 ? "IPv4" : "IPv6";
	if (!way) {
		config_mistake_here(ctx,
			"an interface with an address, a route or a gateway that reaches it",
			"no interface leads to %s", postern_addr_format(a, text));
	} else if (!has_source(way, v4)) {
		snprintf(expect, sizeof(expect), "an %s address of that interface", family);
		config_mistake_here(ctx, expect,
			"the interface \"%s\" leads to %s but has no %s address to send from",
			way->name ? way->name : "?", postern_addr_format(a, text), family);
	}
}

void check_reach(struct config_context *ctx, const struct config *c)
{
	if (!check_interfaces_are_good(c))
		return;
	for (size_t i = 0; i < c->pools.count; i++) {
		const struct config_pool *pool = &c->pools.items[i];
		for (size_t k = 0; k < pool->members.count; k++) {
			const struct postern_endpoint *e = &pool->members.items[k].address;
			config_path_set(ctx, "pools[%zu].members[%zu].address", i, k);
			if (e->port)
				check_member(ctx, c, &e->addr);
		}
	}
}
