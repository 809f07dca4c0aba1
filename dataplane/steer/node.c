// SPDX-License-Identifier: BSD-2-Clause
// Members' machines by address, and which rules let each begin flows, or be reached at its own address.

#include "steer/private.h"

#include <errno.h>
#include <stdlib.h>

static uint32_t slot_of(const struct steer_config *c, const struct postern_addr *a)
{
	return (uint32_t)base_hash_keyed(&c->secret, a->bytes, sizeof(a->bytes)) & c->nodes_mask;
}

// The node of an address, or the free slot where it belongs: the table is at most half full.
static struct steer_node *place_of(const struct steer_config *c, const struct postern_addr *a)
{
	uint32_t i = slot_of(c, a);

	while (c->nodes[i].known && !postern_addr_equal(&c->nodes[i].addr, a))
		i = (i + 1) & c->nodes_mask;
	return &c->nodes[i];
}

const struct steer_node *steer_node_find(const struct steer_config *c, const struct postern_addr *a)
{
	if (c->nodes == NULL)
		return NULL;
	const struct steer_node *n = place_of(c, a);

	return n->known ? n : NULL;
}

static bool is_for(const struct postern_outbound *o, const struct postern_member *m)
{
	if (postern_addr_is_v4(&m->at.addr) != (o->family == POSTERN_V4))
		return false;
	for (unsigned i = 0; i < o->n_pools; i++)
		if (o->pools[i] == m->pool)
			return true;
	return false;
}

// Counts the rules of each node, and notes them once there is room. A machine may be several members
// of a rule's pools: the first one has the flows.
static void walk(struct steer_config *c)
{
	const struct postern_snapshot *s = c->snapshot;

	for (uint16_t i = 0; i < s->n_outbounds; i++)
		for (unsigned k = 0; k < s->n_members; k++) {
			const struct postern_member *m = &s->members[k];

			if (!is_for(&s->outbounds[i], m))
				continue;
			struct steer_node *n = place_of(c, &m->at.addr);

			if (n->count > 0 && n->last == i)
				continue;
			if (c->passes != NULL)
				c->passes[n->first + n->count] = (struct steer_pass){i, m->id};
			n->count++;
			n->last = i;
		}
}

int steer_nodes_build(struct steer_config *c)
{
	const struct postern_snapshot *s = c->snapshot;
	uint32_t slots = 16, sum = 0;

	if (s->n_outbounds == 0)
		return 0;
	while (slots < 2u * s->n_members)
		slots *= 2;
	c->nodes_mask = slots - 1;
	c->nodes = calloc(slots, sizeof(*c->nodes));
	if (c->nodes == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < s->n_members; i++) {
		struct steer_node *n = place_of(c, &s->members[i].at.addr);

		if (!n->known)
			*n = (struct steer_node){.addr = s->members[i].at.addr,
				.member = s->members[i].id,
				.known = true};
	}
	walk(c);
	for (uint32_t i = 0; i < slots; i++) {
		c->nodes[i].first = sum;
		sum += c->nodes[i].count;
		c->nodes[i].count = 0;
	}
	c->passes = calloc(sum + 1, sizeof(*c->passes));
	if (c->passes == NULL)
		return -ENOMEM;
	walk(c);
	return 0;
}

void steer_nodes_clear(struct steer_config *c)
{
	free(c->nodes);
	free(c->passes);
	c->nodes = NULL;
	c->passes = NULL;
}

static bool allows(const struct postern_outbound *o, enum postern_outbound_ports kind,
	const struct postern_addr *outside, uint16_t port)
{
	const struct postern_port_list *ports = &o->ports[kind];
	bool fits = o->n_to == 0;

	for (unsigned i = 0; i < o->n_to && !fits; i++)
		fits = postern_prefix_contains(&o->to[i], outside);
	for (unsigned i = 0; i < ports->n && fits; i++)
		if (port >= ports->items[i].first && port <= ports->items[i].last)
			return true;
	return false;
}

const struct steer_pass *steer_pass_find(const struct steer_config *c, const struct steer_node *n,
	enum postern_outbound_ports kind, const struct postern_addr *outside, uint16_t port,
	uint16_t rule)
{
	for (unsigned i = 0; i < n->count; i++) {
		const struct steer_pass *pass = &c->passes[n->first + i];
		const struct postern_outbound *o = &c->snapshot->outbounds[pass->outbound];

		if ((rule == POSTERN_ID_NONE || rule == o->id) && allows(o, kind, outside, port))
			return pass;
	}
	return NULL;
}
