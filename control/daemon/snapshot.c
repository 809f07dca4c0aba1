// SPDX-License-Identifier: BSD-2-Clause
// From a configuration and its pools to the snapshot that the dataplane works by.

#include "control/daemon/daemon.h"

#include "postern/log.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

LOG_SUBSYSTEM("daemon");

static void name_copy(char to[static POSTERN_NAME_SIZE], const char *from)
{
	snprintf(to, POSTERN_NAME_SIZE, "%s", from);
}

// A copy of an array; an empty one is NULL and no failure.
static bool array_copy(void *to, const void *from, size_t count, size_t size)
{
	void *copy = NULL;

	if (count > 0) {
		copy = malloc(count * size);
		if (copy == NULL)
			return false;
		memcpy(copy, from, count * size);
	}
	memcpy(to, &copy, sizeof(copy));
	return true;
}

static bool interface_fill(struct postern_interface *to, const struct config_interface *from)
{
	name_copy(to->name, from->name);
	snprintf(to->device, sizeof(to->device), "%s", from->device);
	to->mtu = (uint16_t)from->mtu;
	to->kernel = from->kernel == CONFIG_KERNEL_TAP;
	for (size_t i = 0; i < from->gateways.count; i++) {
		const struct postern_addr *g = &from->gateways.items[i];

		*(postern_addr_is_v4(g) ? &to->gateway_v4 : &to->gateway_v6) = *g;
	}
	to->n_addresses = (uint16_t)from->addresses.count;
	to->n_translate_from = (uint16_t)from->translate_from.count;
	to->routes = calloc(from->routes.count + 1, sizeof(*to->routes));
	if (to->routes == NULL)
		return false;
	for (size_t i = 0; i < from->routes.count; i++)
		to->routes[i] =
			(struct postern_route){from->routes.items[i].to, from->routes.items[i].via};
	to->n_routes = (uint16_t)from->routes.count;
	return array_copy(&to->addresses, from->addresses.items, from->addresses.count,
		       sizeof(*to->addresses)) &&
	       array_copy(&to->translate_from, from->translate_from.items,
		       from->translate_from.count, sizeof(*to->translate_from));
}

static bool interfaces_fill(struct postern_snapshot *s, const struct config *c)
{
	s->interfaces = calloc(c->interfaces.count, sizeof(*s->interfaces));
	if (s->interfaces == NULL)
		return false;
	s->n_interfaces = (uint16_t)c->interfaces.count;
	for (unsigned i = 0; i < s->n_interfaces; i++)
		if (!interface_fill(&s->interfaces[i], &c->interfaces.items[i]))
			return false;
	return true;
}

// Maglev over the members of one family.
static bool maglev_fill(struct postern_pool *to, const struct pool *from, unsigned family)
{
	struct pool_maglev_input *input = calloc(from->n_members + 1u, sizeof(*input));
	unsigned n = 0;

	if (input == NULL)
		return false;
	for (unsigned i = 0; i < from->n_members; i++) {
		const struct pool_member *m = from->members[i];

		if (postern_addr_is_v4(&m->at.addr) == (family == POSTERN_V4))
			input[n++] = (struct pool_maglev_input){m->name, m->weight, m->id};
	}
	const int rc = pool_maglev_build(input, n, &to->maglev[family]);

	free(input);
	return rc == 0;
}

static bool pool_fill(struct postern_pool *to, const struct pool *from)
{
	to->id = from->id;
	name_copy(to->name, from->name);
	to->observe_fall = (uint16_t)from->config->observe_fall;
	to->try_all = from->config->all_down == CONFIG_ALL_DOWN_TRY_ALL;
	to->members = calloc(from->n_members + 1u, sizeof(*to->members));
	if (to->members == NULL)
		return false;
	// The dataplane chooses from this list when Maglev leads nowhere, so that members of
	// weight 0 are left out of both.
	for (unsigned i = 0; i < from->n_members; i++)
		if (from->members[i]->weight > 0)
			to->members[to->n_members++] = from->members[i]->id;
	for (unsigned family = 0; family < POSTERN_FAMILIES; family++)
		if (!maglev_fill(to, from, family))
			return false;
	return true;
}

static bool pools_fill(struct postern_snapshot *s, const struct pool_set *pools)
{
	unsigned n_pools = 0;
	unsigned n_members = 0;

	for (const struct pool *p; (p = pool_set_at(pools, n_pools)) != NULL; n_pools++)
		n_members += p->n_members;
	s->pools = calloc(n_pools + 1u, sizeof(*s->pools));
	s->members = calloc(n_members + 1u, sizeof(*s->members));
	if (s->pools == NULL || s->members == NULL)
		return false;
	s->n_pools = (uint16_t)n_pools;
	for (unsigned i = 0; i < n_pools; i++) {
		const struct pool *p = pool_set_at(pools, i);

		if (!pool_fill(&s->pools[i], p))
			return false;
		for (unsigned k = 0; k < p->n_members; k++) {
			const struct pool_member *from = p->members[k];
			struct postern_member *to = &s->members[s->n_members++];

			*to = (struct postern_member){
				.id = from->id, .pool = p->id, .at = from->at};
			name_copy(to->name, from->name);
		}
	}
	return true;
}

// The interface that announces an address: the named one, or the one whose prefix holds it. The
// configuration has been checked, so one is found.
static uint16_t interface_of(const struct config *c, const char *side, const struct postern_addr *a)
{
	for (uint16_t i = 0; i < c->interfaces.count; i++) {
		const struct config_interface *f = &c->interfaces.items[i];

		if (side != NULL) {
			if (strcmp(f->name, side) == 0)
				return i;
			continue;
		}
		for (size_t k = 0; k < f->addresses.count; k++)
			if (postern_prefix_contains(&f->addresses.items[k], a))
				return i;
	}
	return 0;
}

static bool listens_fill(struct postern_snapshot *s, const struct config *c, uint16_t service,
	struct listen_ids *ids)
{
	const struct config_service *from = &c->services.items[service];

	for (size_t i = 0; i < from->listen.count; i++) {
		const struct config_listen *l = &from->listen.items[i];
		const int id = listen_ids_get(ids, from, l);

		if (id < 0) {
			LOG(ERROR, "service %s: no id for another address: %s", from->name,
				strerror(-id));
			return false;
		}
		s->listens[s->n_listens++] = (struct postern_listen){
			.id = (uint16_t)id,
			.service = service,
			.interface = interface_of(c, from->side, &l->at.addr),
			.at = l->at,
			.last_port = l->last_port,
			.protocol =
				from->transport == CONFIG_SERVICE_UDP ? IPPROTO_UDP : IPPROTO_TCP,
		};
	}
	return true;
}

static enum postern_admission admission_of(const struct config_service *s)
{
	switch (s->admission) {
	case CONFIG_ADMISSION_ENFORCE:
		return POSTERN_ADMISSION_ENFORCE;
	case CONFIG_ADMISSION_OBSERVE:
		return POSTERN_ADMISSION_OBSERVE;
	case CONFIG_ADMISSION_ANY:
		break;
	}
	return POSTERN_ADMISSION_ANY;
}

// Of one that is in no tables nobody is a partner.
static uint16_t organisation_of(
	const struct config *c, const struct policy *policy, const struct config_service *s)
{
	const char *name = config_service_organisation(c, s);
	const int id = name != NULL ? policy_organisation_id(policy, name) : -ENOENT;

	return id >= 0 ? (uint16_t)id : POSTERN_ID_NONE;
}

static bool services_fill(struct postern_snapshot *s, const struct config *c,
	const struct pool_set *pools, const struct policy *policy, struct listen_ids *ids)
{
	size_t n_listens = 0;

	for (size_t i = 0; i < c->services.count; i++)
		n_listens += c->services.items[i].listen.count;
	s->services = calloc(c->services.count + 1, sizeof(*s->services));
	s->listens = calloc(n_listens + 1, sizeof(*s->listens));
	if (s->services == NULL || s->listens == NULL)
		return false;
	for (uint16_t i = 0; i < c->services.count; i++) {
		const struct config_service *from = &c->services.items[i];
		struct postern_service *to = &s->services[s->n_services++];

		*to = (struct postern_service){
			.id = i,
			.pool = pool_set_find(pools, from->pool)->id,
			.times = from->timeouts,
			.translate = from->translate == CONFIG_TRANSLATE_DESTINATION
					     ? POSTERN_TRANSLATE_DESTINATION
					     : POSTERN_TRANSLATE_SOURCE,
			.affinity = from->affinity == CONFIG_AFFINITY_SOURCE
					    ? POSTERN_AFFINITY_SOURCE
					    : POSTERN_AFFINITY_NONE,
			.admission = admission_of(from),
			.organisation = organisation_of(c, policy, from),
			.refuse_reset = from->on_refuse == CONFIG_ON_REFUSE_RESET,
			.close_on_block = from->on_block == CONFIG_ON_BLOCK_RESET,
		};
		name_copy(to->name, from->name);
		if (!snapshot_relay_fill(to, c, from, pools) || !listens_fill(s, c, i, ids))
			return false;
	}
	return true;
}

static bool ports_fill(struct postern_port_list *to, const struct config_ports *from, size_t count)
{
	to->items = calloc(count + 1, sizeof(*to->items));
	if (to->items == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
		to->items[to->n++] = (struct postern_ports){from[i].first, from[i].last};
	return true;
}

// The address that others see of a family; NULL: none.
static const struct postern_addr *translation_of(const struct config_outbound *o, unsigned family)
{
	for (size_t i = 0; i < o->translate_to.count; i++)
		if (postern_addr_is_v4(&o->translate_to.items[i]) == (family == POSTERN_V4))
			return &o->translate_to.items[i];
	return NULL;
}

static bool outbound_fill(struct postern_outbound *to, const struct config_outbound *from,
	const struct pool_set *pools)
{
	const struct config_outbound_times *t = &from->timeouts;

	name_copy(to->name, from->name);
	to->flows_per_member = from->flows_per_member;
	to->times = (struct postern_session_times){
		t->opening_ms, t->idle_ms, t->closing_ms, t->reset_ms};
	to->udp_idle_ms = t->udp_idle_ms;
	to->pools = calloc(from->pools.count + 1, sizeof(*to->pools));
	if (to->pools == NULL)
		return false;
	for (size_t i = 0; i < from->pools.count; i++)
		to->pools[to->n_pools++] = pool_set_find(pools, from->pools.items[i])->id;
	to->n_to = (uint16_t)from->to.count;
	return array_copy(&to->to, from->to.items, from->to.count, sizeof(*to->to)) &&
	       ports_fill(&to->ports[POSTERN_OUTBOUND_TCP], from->tcp.items, from->tcp.count) &&
	       ports_fill(&to->ports[POSTERN_OUTBOUND_UDP], from->udp.items, from->udp.count) &&
	       ports_fill(&to->ports[POSTERN_INBOUND_TCP], from->inbound_tcp.items,
		       from->inbound_tcp.count) &&
	       ports_fill(&to->ports[POSTERN_INBOUND_UDP], from->inbound_udp.items,
		       from->inbound_udp.count);
}

static uint16_t side_of(const struct config *c, const struct config_outbound *from,
	const struct postern_addr *translation)
{
	if (translation == NULL && from->side == NULL)
		return POSTERN_ID_NONE;
	return interface_of(c, from->side, translation);
}

// One a family that the rule lets out.
static bool outbounds_fill(struct postern_snapshot *s, const struct config *c,
	const struct pool_set *pools, struct listen_ids *ids)
{
	s->outbounds = calloc(c->outbound.count + 1, POSTERN_FAMILIES * sizeof(*s->outbounds));
	if (s->outbounds == NULL)
		return false;
	for (size_t i = 0; i < c->outbound.count * POSTERN_FAMILIES; i++) {
		const struct config_outbound *from = &c->outbound.items[i / POSTERN_FAMILIES];
		const uint8_t family = i % POSTERN_FAMILIES;
		const struct postern_addr *translation = translation_of(from, family);

		if (from->mode == CONFIG_OUTBOUND_TRANSLATE && translation == NULL)
			continue;
		const int id = listen_ids_get_outbound(ids, from, family, translation);

		if (id < 0) {
			LOG(ERROR, "outbound %s: no id for another rule: %s", from->name,
				strerror(-id));
			return false;
		}
		struct postern_outbound *to = &s->outbounds[s->n_outbounds++];

		to->id = (uint16_t)id;
		to->family = family;
		to->interface = side_of(c, from, translation);
		if (translation != NULL)
			to->address = *translation;
		if (!outbound_fill(to, from, pools))
			return false;
	}
	return true;
}

struct postern_snapshot *snapshot_build(const struct config *config, const struct pool_set *pools,
	const struct policy *policy, struct listen_ids *ids)
{
	struct postern_snapshot *s = calloc(1, sizeof(*s));

	if (s != NULL && interfaces_fill(s, config) && pools_fill(s, pools) &&
		services_fill(s, config, pools, policy, ids) &&
		outbounds_fill(s, config, pools, ids))
		return s;
	postern_snapshot_free(s);
	return NULL;
}
