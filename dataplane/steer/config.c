// SPDX-License-Identifier: BSD-2-Clause
// What follows from a snapshot for steering: listening endpoints by address and port, pools and
// services by id; and what a worker copies from it when it adopts it.

#include "steer/private.h"

#include <rte_byteorder.h>

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define NO_LISTEN UINT16_MAX

static uint32_t slot_of(
	const struct steer_config *c, const struct postern_endpoint *e, uint8_t protocol)
{
	struct {
		struct postern_addr addr;
		uint32_t port, protocol;
	} key = {e->addr, e->port, protocol};

	return (uint32_t)base_hash_keyed(&c->secret, &key, sizeof(key)) & c->listens_mask;
}

// -EINVAL: a listening endpoint leads to a service or pool that is not there, or a range of ports
// would be kept where the source is translated.
static int fill(struct steer_config *c)
{
	const struct postern_snapshot *s = c->snapshot;

	for (uint16_t i = 0; i < s->n_pools; i++)
		c->pools[s->pools[i].id] = &s->pools[i];
	for (uint16_t i = 0; i < s->n_services; i++)
		c->services[s->services[i].id] = &s->services[i];
	for (uint16_t i = 0; i < s->n_listens; i++) {
		const struct postern_service *service = c->services[s->listens[i].service];

		if (service == NULL || c->pools[service->pool] == NULL)
			return -EINVAL;
		if (s->listens[i].last_port != 0) {
			if (service->translate != POSTERN_TRANSLATE_DESTINATION)
				return -EINVAL;
			c->ranges[c->n_ranges++] = i;
			continue;
		}
		uint32_t at = slot_of(c, &s->listens[i].at, s->listens[i].protocol);

		while (c->listens[at] != NO_LISTEN)
			at = (at + 1) & c->listens_mask;
		c->listens[at] = i;
	}
	return 0;
}

int steer_config_build(struct steer_config *out, const struct postern_snapshot *snapshot,
	const struct base_secret *secret)
{
	uint32_t slots = 16;

	memset(out, 0, sizeof(*out));
	while (slots < 2u * snapshot->n_listens)
		slots *= 2;
	out->snapshot = snapshot;
	out->secret = *secret;
	out->listens_mask = slots - 1;
	out->listens = malloc(slots * sizeof(*out->listens));
	out->ranges = calloc(snapshot->n_listens + 1u, sizeof(*out->ranges));
	out->pools = calloc(STEER_IDS, sizeof(*out->pools));
	out->services = calloc(STEER_IDS, sizeof(*out->services));
	if (out->listens == NULL || out->ranges == NULL || out->pools == NULL ||
		out->services == NULL) {
		steer_config_clear(out);
		return -ENOMEM;
	}
	memset(out->listens, 0xff, slots * sizeof(*out->listens));
	int rc = fill(out);

	if (rc == 0)
		rc = steer_nodes_build(out);
	if (rc < 0)
		steer_config_clear(out);
	return rc;
}

void steer_config_clear(struct steer_config *c)
{
	free(c->listens);
	free(c->ranges);
	free(c->pools);
	free(c->services);
	steer_nodes_clear(c);
	memset(c, 0, sizeof(*c));
}

// Ranges are few, and looked at only when no single port fits.
static uint16_t find_range(const struct steer_config *c, const struct ip_tuple *t, uint16_t port)
{
	for (unsigned i = 0; i < c->n_ranges; i++) {
		const struct postern_listen *l = &c->snapshot->listens[c->ranges[i]];

		if (l->protocol == t->proto && port >= l->at.port && port <= l->last_port &&
			postern_addr_equal(&l->at.addr, &t->dst))
			return l->id;
	}
	return POSTERN_ID_NONE;
}

uint16_t steer_listen_find(const struct steer *s, const struct ip_tuple *t)
{
	const struct steer_config *c = s->config;
	const struct postern_endpoint at = {t->dst, rte_be_to_cpu_16(t->dport)};

	// The table is at most half full, so a free slot ends every search.
	for (uint32_t i = slot_of(c, &at, (uint8_t)t->proto);; i = (i + 1) & c->listens_mask) {
		if (c->listens[i] == NO_LISTEN)
			return find_range(c, t, at.port);
		const struct postern_listen *l = &c->snapshot->listens[c->listens[i]];

		if (l->protocol == t->proto && postern_endpoint_equal(&l->at, &at))
			return l->id;
	}
}

bool steer_listens(const struct steer *s, const struct ip_tuple *t)
{
	return steer_listen_find(s, t) != POSTERN_ID_NONE;
}

bool steer_goes_to_member(const struct steer *s, const struct ip_tuple *t)
{
	return steer_node_find(s->config, &t->dst) != NULL &&
	       steer_node_find(s->config, &t->src) == NULL;
}

static bool has_changed(const struct steer_member *m, const struct postern_member *to)
{
	return !m->known || m->port != rte_cpu_to_be_16(to->at.port) ||
	       !postern_addr_equal(&m->addr, &to->at.addr);
}

bool steer_member_reach(struct steer *s, uint16_t member)
{
	struct steer_member *m = &s->members[member];
	struct postern_addr next_hop;

	if (m->neigh != IP_NEIGH_NONE)
		return true;
	if (ip_route(s->ip, &m->addr, 0, &m->interface, &next_hop) < 0) {
		COUNT(s->counters, DROP_NO_ROUTE);
		return false;
	}
	m->neigh = ip_neigh_hold(s->ip, m->interface, &next_hop, IP_NEIGH_OURS);
	return m->neigh != IP_NEIGH_NONE;
}

void steer_member_forget(struct steer *s, uint16_t member)
{
	struct steer_member *m = &s->members[member];

	if (!m->known || !m->gone || m->stats.sessions > 0 || m->stats.flows > 0 ||
		m->stats.inbound > 0)
		return;
	ip_neigh_release(s->ip, m->neigh);
	m->neigh = IP_NEIGH_NONE;
	m->known = false;
}

static void adopt_member(struct steer *s, const struct postern_member *from)
{
	struct steer_member *m = &s->members[from->id];

	m->gone = false;
	m->pool = from->pool;
	if (!has_changed(m, from))
		return;
	if (m->known)
		ip_neigh_release(s->ip, m->neigh);
	memset(m, 0, offsetof(struct steer_member, stats));
	steer_stats_clear(&m->stats, sizeof(m->stats));
	m->known = true;
	m->pool = from->pool;
	m->addr = from->at.addr;
	m->port = rte_cpu_to_be_16(from->at.port);
	m->family = postern_addr_is_v4(&m->addr) ? POSTERN_V4 : POSTERN_V6;
	m->neigh = IP_NEIGH_NONE;
	// Its next hop is asked for now, so that the first session need not wait.
	steer_member_reach(s, from->id);
	if (s->n_member_ids <= from->id)
		s->n_member_ids = from->id + 1u;
}

static void adopt_listen(struct steer *s, const struct postern_listen *from)
{
	struct steer_listen *l = &s->listens[from->id];
	const struct postern_service *service = s->config->services[from->service];
	const uint16_t port = rte_cpu_to_be_16(from->at.port);

	if (!l->known || l->port != port || !postern_addr_equal(&l->addr, &from->at.addr))
		steer_stats_clear(&l->stats, sizeof(l->stats));
	l->known = true;
	l->gone = false;
	l->addr = from->at.addr;
	l->port = port;
	l->pool = service->pool;
	l->times = service->times;
	l->last_port = from->last_port;
	l->protocol = from->protocol;
	l->translate = service->translate;
	l->affinity = service->affinity;
	l->admission = s->policy != NULL ? (uint8_t)service->admission : POSTERN_ADMISSION_ANY;
	l->organisation = service->organisation;
	l->refuse_reset = service->refuse_reset;
	l->close_on_block = service->close_on_block;
	if (s->n_listen_ids <= from->id)
		s->n_listen_ids = from->id + 1u;
}

static void adopt_outbound(struct steer *s, const struct postern_outbound *from)
{
	struct steer_listen *l = &s->listens[from->id];

	// Control reads the address of those that have flows.
	if (!l->known || !postern_addr_equal(&l->addr, &from->address)) {
		steer_stats_clear(&l->stats, sizeof(l->stats));
		l->addr = from->address;
	}
	l->known = true;
	l->gone = false;
	l->port = 0;
	l->last_port = 0;
	l->times = from->times;
	l->udp_idle_ms = from->udp_idle_ms;
	if (s->n_listen_ids <= from->id)
		s->n_listen_ids = from->id + 1u;
}

void steer_adopt(struct steer *s, const struct steer_config *config)
{
	const struct postern_snapshot *snapshot = config->snapshot;

	s->config = config;
	for (uint32_t i = 0; i < s->n_listen_ids; i++)
		s->listens[i].gone = true;
	for (uint16_t i = 0; i < snapshot->n_listens; i++)
		adopt_listen(s, &snapshot->listens[i]);
	for (uint16_t i = 0; i < snapshot->n_outbounds; i++)
		adopt_outbound(s, &snapshot->outbounds[i]);
	steer_admission_adopt(s);
	for (uint32_t i = 0; i < s->n_member_ids; i++)
		s->members[i].gone = true;
	for (uint16_t i = 0; i < snapshot->n_members; i++)
		adopt_member(s, &snapshot->members[i]);
	for (uint32_t i = 0; i < s->n_member_ids; i++)
		steer_member_forget(s, (uint16_t)i);
	for (uint32_t i = 0; i < s->n_listen_ids; i++)
		if (s->listens[i].gone && s->listens[i].stats.sessions > 0)
			s->sweeping = true;
	s->sweeping |= s->n_gateway_flows > 0;
	s->sweep_at = 0;
	// Health may have been set before the member's place here was known.
	s->health_seen = UINT64_MAX;
}
