// SPDX-License-Identifier: BSD-2-Clause
// Interfaces: that no device is used twice, and that routers are where they can be reached.

#include "control/config/check.h"
#include "control/config/unit.h"

#include <net/if.h>
#include <string.h>

bool check_prefix_is_good(const struct postern_prefix *p)
{
	return p->length != SCHEMA_BAD_LENGTH;
}

bool check_on_link(const struct config_interface *i, const struct postern_addr *a)
{
	for (size_t k = 0; k < i->addresses.count; k++) {
		const struct postern_prefix *p = &i->addresses.items[k];
		if (check_prefix_is_good(p) && postern_prefix_contains(p, a))
			return true;
	}
	return false;
}

bool check_interfaces_are_good(const struct config *c)
{
	for (size_t i = 0; i < c->interfaces.count; i++) {
		const struct config_interface *in = &c->interfaces.items[i];
		if (in->addresses.count == 0)
			return false;
		for (size_t k = 0; k < in->addresses.count; k++)
			if (!check_prefix_is_good(&in->addresses.items[k]))
				return false;
		for (size_t k = 0; k < in->gateways.count; k++)
			if (postern_addr_is_none(&in->gateways.items[k]))
				return false;
		for (size_t k = 0; k < in->routes.count; k++)
			if (!check_prefix_is_good(&in->routes.items[k].to) ||
				postern_addr_is_none(&in->routes.items[k].via))
				return false;
	}
	return c->interfaces.count > 0;
}

// The argument "iface=..." of a virtual device; its length is 0 if there is none.
static const char *kernel_interface(const char *device, size_t *length)
{
	const char *at = strstr(device, ",iface=");
	at = at ? at + strlen(",iface=") : "";
	*length = strcspn(at, ",");
	return at;
}

// Two texts mean one device if the part before the first comma is the same, or if both are
// virtual devices upon the same interface of the kernel.
static bool is_same_device(const char *a, const char *b)
{
	size_t n = strcspn(a, ",");
	if (n == strcspn(b, ",") && memcmp(a, b, n) == 0)
		return true;
	size_t x, y;
	const char *p = kernel_interface(a, &x);
	const char *q = kernel_interface(b, &y);
	return x > 0 && x == y && memcmp(p, q, x) == 0;
}

static void check_devices(struct config_context *ctx, const struct config *c)
{
	for (size_t i = 1; i < c->interfaces.count; i++) {
		const char *device = c->interfaces.items[i].device;
		for (size_t k = 0; device && k < i; k++) {
			const char *other = c->interfaces.items[k].device;
			if (!other || !is_same_device(device, other))
				continue;
			config_path_set(ctx, "interfaces[%zu].device", i);
			config_mistake_here(ctx, "a device of its own for each interface",
				"interfaces[%zu] has this device already", k);
			break;
		}
	}
}

static bool is_link_local(const struct postern_addr *a)
{
	return a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;
}

// A router must be a neighbour.
static void check_neighbour(
	struct config_context *ctx, const struct config_interface *in, const struct postern_addr *a)
{
	for (size_t i = 0; i < in->addresses.count; i++)
		if (!check_prefix_is_good(&in->addresses.items[i]))
			return;
	if (in->addresses.count == 0 || is_link_local(a) || check_on_link(in, a))
		return;
	char text[POSTERN_ADDR_TEXT], prefix[POSTERN_PREFIX_TEXT];
	struct config_words w;
	config_words_begin(&w, "an address in one of: ");
	for (size_t i = 0; i < in->addresses.count; i++) {
		const struct postern_prefix *p = &in->addresses.items[i];
		struct postern_prefix network = {config_prefix_first(p), p->length};
		if (postern_addr_is_v4(&p->addr) == postern_addr_is_v4(a))
			config_words_add(&w, postern_prefix_format(&network, prefix));
	}
	if (!postern_addr_is_v4(a))
		config_words_add(&w, "fe80::/10");
	config_mistake_here(ctx, w.count ? w.text : "an address of the interface in this family",
		"%s lies in no prefix of the interface", postern_addr_format(a, text));
}

static void check_gateways(
	struct config_context *ctx, const struct config_interface *in, size_t index)
{
	for (size_t i = 0; i < in->gateways.count; i++) {
		const struct postern_addr *a = &in->gateways.items[i];
		if (postern_addr_is_none(a))
			continue;
		config_path_set(ctx, "interfaces[%zu].gateway[%zu]", index, i);
		check_neighbour(ctx, in, a);
		const struct postern_addr *first = &in->gateways.items[0];
		if (i > 0 && !postern_addr_is_none(first) &&
			postern_addr_is_v4(a) == postern_addr_is_v4(first))
			config_mistake_here(ctx, "at most one a family; use routes for others",
				"this is a second %s gateway",
				postern_addr_is_v4(a) ? "IPv4" : "IPv6");
	}
}

static void check_route(
	struct config_context *ctx, const struct config_interface *in, size_t index, size_t at)
{
	const struct config_route *r = &in->routes.items[at];
	char text[POSTERN_PREFIX_TEXT];
	if (postern_addr_is_none(&r->via) || !check_prefix_is_good(&r->to))
		return;
	config_path_set(ctx, "interfaces[%zu].routes[%zu].via", index, at);
	if (postern_addr_is_v4(&r->via) != postern_addr_is_v4(&r->to.addr))
		config_mistake_here(ctx, "a router of the network's family",
			"the router and the network %s are of different families",
			postern_prefix_format(&r->to, text));
	else
		check_neighbour(ctx, in, &r->via);
	for (size_t k = 0; k < at; k++) {
		const struct config_route *other = &in->routes.items[k];
		if (other->to.length != r->to.length ||
			!postern_addr_equal(&other->to.addr, &r->to.addr))
			continue;
		config_path_set(ctx, "interfaces[%zu].routes[%zu].to", index, at);
		config_mistake_here(ctx, "one route to a network",
			"routes[%zu] leads to %s already", k, postern_prefix_format(&r->to, text));
		break;
	}
}

// The kernel draws ports of its own from the addresses that it has, so sessions must not use them.
static void check_kernel_members(
	struct config_context *ctx, const struct config *c, const struct config_interface *in)
{
	for (size_t p = 0; p < c->pools.count; p++)
		for (size_t m = 0; m < c->pools.items[p].members.count; m++) {
			const struct postern_addr *a =
				&c->pools.items[p].members.items[m].address.addr;
			bool has = false;

			if (postern_addr_is_none(a) || config_interface_towards(c, a) != in)
				continue;
			for (size_t k = 0; k < in->translate_from.count; k++)
				has |= postern_addr_is_v4(&in->translate_from.items[k]) ==
				       postern_addr_is_v4(a);
			if (has)
				continue;
			config_mistake_here(ctx,
				"translate-from with an address of the member's family",
				"sessions to pools[%zu].members[%zu] would use the addresses that "
				"the kernel has",
				p, m);
			return;
		}
}

static void check_kernel(struct config_context *ctx, const struct config *c, size_t index)
{
	const struct config_interface *in = &c->interfaces.items[index];
	size_t length = 0;

	if (in->kernel != CONFIG_KERNEL_TAP || !in->name)
		return;
	config_path_set(ctx, "interfaces[%zu].kernel", index);
	const char *other = in->device ? kernel_interface(in->device, &length) : "";
	if (strlen(in->name) >= IF_NAMESIZE)
		config_mistake_here(ctx, "a name of at most 15 characters",
			"the kernel's device gets the interface's name, which is too long");
	else if (length == strlen(in->name) && memcmp(other, in->name, length) == 0)
		config_mistake_here(ctx, "another name for the interface",
			"the kernel's device gets the interface's name, which is that of its "
			"own device");
	check_kernel_members(ctx, c, in);
}

void check_interfaces(struct config_context *ctx, const struct config *c)
{
	check_devices(ctx, c);
	for (size_t i = 0; i < c->interfaces.count; i++) {
		const struct config_interface *in = &c->interfaces.items[i];
		check_gateways(ctx, in, i);
		check_kernel(ctx, c, i);
		for (size_t k = 0; k < in->routes.count; k++)
			check_route(ctx, in, i, k);
	}
}
