// SPDX-License-Identifier: BSD-2-Clause
// What follows from a snapshot for the IP layer: the table of our addresses, and routes.

#include "ip/ip.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint32_t slot_of(const struct ip_config *c, const struct postern_addr *a)
{
	return (uint32_t)base_hash_keyed(&c->secret, a->bytes, sizeof(a->bytes)) & c->locals_mask;
}

const struct ip_local *ip_config_find(const struct ip_config *c, const struct postern_addr *a)
{
	// The table is at most half full, so a free slot ends every search.
	for (uint32_t i = slot_of(c, a);; i = (i + 1) & c->locals_mask) {
		const struct ip_local *l = &c->locals[i];

		if (l->kind == 0)
			return NULL;
		if (postern_addr_equal(&l->addr, a))
			return l;
	}
}

static void local_add(struct ip_config *c, const struct postern_addr *a, uint16_t interface,
	uint8_t kind, const struct ip_config *previous)
{
	struct ip_local *l = NULL;

	for (uint32_t i = slot_of(c, a);; i = (i + 1) & c->locals_mask) {
		l = &c->locals[i];
		if (l->kind == 0)
			break;
		if (postern_addr_equal(&l->addr, a)) {
			l->kind |= kind;
			return;
		}
	}
	l->addr = *a;
	l->interface = interface;
	l->kind = kind;
	const struct ip_local *before = previous != NULL ? ip_config_find(previous, a) : NULL;

	l->fresh = before == NULL || before->interface != interface;
}

static uint32_t count_locals(const struct postern_snapshot *s)
{
	uint32_t n = (uint32_t)s->n_listens + s->n_outbounds;

	for (unsigned i = 0; i < s->n_interfaces; i++)
		n += (uint32_t)s->interfaces[i].n_addresses + s->interfaces[i].n_translate_from;
	return n;
}

static void fill_locals(
	struct ip_config *c, const struct postern_snapshot *s, const struct ip_config *previous)
{
	for (uint16_t i = 0; i < s->n_interfaces; i++) {
		const struct postern_interface *f = &s->interfaces[i];

		for (unsigned k = 0; k < f->n_addresses; k++)
			local_add(c, &f->addresses[k].addr, i, IP_OWN, previous);
		for (unsigned k = 0; k < f->n_translate_from; k++)
			local_add(c, &f->translate_from[k], i, IP_TRANSLATE, previous);
	}
	for (unsigned i = 0; i < s->n_listens; i++)
		local_add(c, &s->listens[i].at.addr, s->listens[i].interface, IP_SERVICE, previous);
	for (unsigned i = 0; i < s->n_outbounds; i++)
		if (!postern_addr_is_none(&s->outbounds[i].address))
			local_add(c, &s->outbounds[i].address, s->outbounds[i].interface,
				IP_TRANSLATE, previous);
}

int ip_config_build(struct ip_config *out, const struct postern_snapshot *snapshot,
	const struct port *ports, const struct base_secret *secret,
	const struct ip_config *previous)
{
	uint32_t slots = 16;

	memset(out, 0, sizeof(*out));
	while (slots < 2 * count_locals(snapshot))
		slots *= 2;
	out->locals_mask = slots - 1;
	out->secret = *secret;
	out->n_interfaces = snapshot->n_interfaces;
	out->locals = calloc(slots, sizeof(*out->locals));
	out->interfaces = calloc(snapshot->n_interfaces, sizeof(*out->interfaces));
	if (out->locals == NULL || out->interfaces == NULL) {
		ip_config_clear(out);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < snapshot->n_interfaces; i++)
		out->interfaces[i] = (struct ip_interface){
			.settings = &snapshot->interfaces[i],
			.mac = ports[i].mac,
			.mtu = ports[i].mtu,
			.tx_checksum = ports[i].tx_checksum,
		};
	for (unsigned i = 0; i < snapshot->n_services; i++)
		out->forwards |= snapshot->services[i].translate == POSTERN_TRANSLATE_DESTINATION;
	out->forwards |= snapshot->n_outbounds > 0;
	fill_locals(out, snapshot, previous);
	return 0;
}

void ip_config_clear(struct ip_config *c)
{
	free(c->locals);
	free(c->interfaces);
	memset(c, 0, sizeof(*c));
}

// Link-local addresses are on every link (RFC 4291 2.5.6).
static bool is_link_local(const struct postern_addr *a)
{
	return a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;
}

static const struct postern_addr *gateway_of(
	const struct postern_interface *f, const struct postern_addr *dst)
{
	const struct postern_addr *g = postern_addr_is_v4(dst) ? &f->gateway_v4 : &f->gateway_v6;

	return postern_addr_is_none(g) ? NULL : g;
}

// The longest match among on-link prefixes and routes; on a tie the link itself.
static int longest_match(const struct ip_config *c, const struct postern_addr *dst,
	uint16_t *interface, struct postern_addr *next_hop)
{
	int best = -1;

	for (uint16_t i = 0; i < c->n_interfaces; i++) {
		const struct postern_interface *f = c->interfaces[i].settings;

		for (unsigned k = 0; k < f->n_addresses; k++)
			if (f->addresses[k].length > best &&
				postern_prefix_contains(&f->addresses[k], dst)) {
				best = f->addresses[k].length;
				*interface = i;
				*next_hop = *dst;
			}
	}
	for (uint16_t i = 0; i < c->n_interfaces; i++) {
		const struct postern_interface *f = c->interfaces[i].settings;

		for (unsigned k = 0; k < f->n_routes; k++)
			if (f->routes[k].to.length > best &&
				postern_prefix_contains(&f->routes[k].to, dst)) {
				best = f->routes[k].to.length;
				*interface = i;
				*next_hop = f->routes[k].via;
			}
	}
	return best < 0 ? -ENETUNREACH : 0;
}

int ip_route(const struct ip_layer *ip, const struct postern_addr *dst, uint16_t prefer,
	uint16_t *interface, struct postern_addr *next_hop)
{
	const struct ip_config *c = ip->config;

	if (is_link_local(dst)) {
		*interface = prefer;
		*next_hop = *dst;
		return 0;
	}
	if (longest_match(c, dst, interface, next_hop) == 0)
		return 0;
	for (unsigned i = 0; i < c->n_interfaces; i++) {
		const uint16_t at = (uint16_t)((prefer + i) % c->n_interfaces);
		const struct postern_addr *g = gateway_of(c->interfaces[at].settings, dst);

		if (g != NULL) {
			*interface = at;
			*next_hop = *g;
			return 0;
		}
	}
	return -ENETUNREACH;
}
