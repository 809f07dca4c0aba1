// SPDX-License-Identifier: BSD-2-Clause
// Snapshots for a rig.

#include "rig.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A prime; every member has its share of slots, in turns.
#define MAGLEV_SIZE 1009

static void *array(size_t n, size_t size)
{
	void *a = calloc(n ? n : 1, size);

	RIG_CHECK(a != NULL);
	return a;
}

static struct postern_prefix prefix(const char *text)
{
	struct postern_prefix p;

	RIG_CHECK(postern_prefix_parse(text, &p) == 0);
	return p;
}

static void addresses(struct postern_interface *i, const char *v4, const char *v6)
{
	i->n_addresses = 2;
	i->addresses = array(2, sizeof(*i->addresses));
	i->addresses[0] = prefix(v4);
	i->addresses[1] = prefix(v6);
}

static void translate(struct postern_interface *i, unsigned n)
{
	char text[64];

	i->n_translate_from = (uint16_t)(2 * n);
	i->translate_from = array(2 * n, sizeof(*i->translate_from));
	for (unsigned k = 0; k < n; k++) {
		snprintf(text, sizeof(text), "10.0.0.%u", 20 + k);
		i->translate_from[2 * k] = rig_addr(text);
		snprintf(text, sizeof(text), "2001:db8:2::%u", 20 + k);
		i->translate_from[2 * k + 1] = rig_addr(text);
	}
}

static void interfaces(struct postern_snapshot *s, const struct rig_world *w)
{
	const unsigned n_translate = w->translate ? w->translate : 1;

	s->n_interfaces = w->one_arm ? 1 : 2;
	s->interfaces = array(s->n_interfaces, sizeof(*s->interfaces));
	struct postern_interface *out = &s->interfaces[0];
	struct postern_interface *in = &s->interfaces[s->n_interfaces - 1];

	strcpy(out->name, "outside");
	if (w->one_arm) {
		addresses(out, "10.0.0.10/24", "2001:db8:2::10/64");
		out->gateway_v4 = rig_addr("10.0.0.1");
		out->gateway_v6 = rig_addr("2001:db8:2::1");
	} else {
		strcpy(in->name, "inside");
		addresses(out, "203.0.113.10/24", "2001:db8:1::10/64");
		addresses(in, "10.0.0.10/24", "2001:db8:2::10/64");
		out->gateway_v4 = rig_addr("203.0.113.1");
		out->gateway_v6 = rig_addr("2001:db8:1::1");
	}
	if (w->no_gateway)
		out->gateway_v4 = out->gateway_v6 = (struct postern_addr){0};
	translate(in, n_translate);
}

static void listen_at(struct postern_snapshot *s, const struct rig_world *w, unsigned n,
	uint16_t service, uint8_t family)
{
	struct postern_listen *l = &s->listens[s->n_listens++];
	const uint16_t port = n && !w->twin ? RIG_PORT_MORE : RIG_PORT;
	static const char *const at[2][POSTERN_FAMILIES] = {
		{"203.0.113.20", "2001:db8:1::20"}, {"10.0.0.100", "2001:db8:2::100"}};

	*l = (struct postern_listen){
		.id = (uint16_t)((n ? RIG_LISTEN_MORE : RIG_LISTEN_V4) + family),
		.service = service,
		.at = {rig_addr(at[w->one_arm][family]), port},
		.last_port = n ? 0 : w->last_port,
		.protocol = w->udp != (n && w->twin) ? IPPROTO_UDP : IPPROTO_TCP,
	};
}

static void services(struct postern_snapshot *s, const struct rig_world *w)
{
	s->services = array(2, sizeof(*s->services));
	s->listens = array(4, sizeof(*s->listens));
	for (unsigned n = 0; n < 2; n++) {
		struct postern_service *v = &s->services[s->n_services];

		if (n ? !w->second_service && !w->twin : w->no_service)
			continue;
		s->n_services++;
		v->id = n ? RIG_SERVICE_MORE : RIG_SERVICE;
		v->pool = RIG_POOL;
		v->times = w->times.idle_ms ? w->times : RIG_TIMES;
		v->affinity = w->affinity;
		v->admission = w->admission;
		v->organisation = RIG_ORGANISATION;
		v->refuse_reset = w->refuse_reset;
		v->close_on_block = w->close_on_block;
		v->translate =
			w->destination ? POSTERN_TRANSLATE_DESTINATION : POSTERN_TRANSLATE_SOURCE;
		snprintf(v->name, sizeof(v->name), "service%u", v->id);
		for (uint8_t family = 0; family < POSTERN_FAMILIES; family++)
			listen_at(s, w, n, v->id, family);
	}
}

static struct postern_port_list ports(uint16_t first, uint16_t last)
{
	struct postern_port_list l = {.items = array(1, sizeof(*l.items)), .n = 1};

	l.items[0] = (struct postern_ports){first, last};
	return l;
}

uint16_t rig_outbound_id(const struct rig_world *w, uint8_t family)
{
	return (uint16_t)(RIG_OUTBOUND + 2 * w->outbound + family + (w->outbound_other ? 8 : 0));
}

static void outbound(struct postern_snapshot *s, const struct rig_world *w, uint8_t family)
{
	struct postern_outbound *o = &s->outbounds[s->n_outbounds++];
	const uint16_t last = w->outbound_last ? w->outbound_last : RIG_OUT_LAST;

	*o = (struct postern_outbound){
		.id = rig_outbound_id(w, family),
		.family = family,
		.interface = w->outbound == RIG_OUTBOUND_ROUTE ? POSTERN_ID_NONE : RIG_OUTSIDE,
		.pools = array(1, sizeof(*o->pools)),
		.n_pools = 1,
		.ports = {ports(RIG_OUT_FIRST, last), ports(RIG_OUT_FIRST, last)},
		.flows_per_member = w->flows_per_member ? w->flows_per_member : 1000,
		.times = w->times.idle_ms ? w->times : RIG_TIMES,
		.udp_idle_ms = w->times.idle_ms ? w->times.idle_ms : RIG_UDP_IDLE_MS,
	};
	o->pools[0] = RIG_POOL;
	if (w->outbound != RIG_OUTBOUND_ROUTE) {
		o->address = rig_seen(w, family, 0);
	} else {
		o->ports[POSTERN_INBOUND_TCP] = ports(RIG_IN_FIRST, RIG_IN_LAST);
		o->ports[POSTERN_INBOUND_UDP] = ports(RIG_IN_FIRST, RIG_IN_LAST);
	}
	if (w->outbound_near) {
		o->to = array(1, sizeof(*o->to));
		o->to[o->n_to++] =
			prefix(family == POSTERN_V4 ? "198.18.0.0/24" : "2001:db8:99::/120");
	}
}

static void member(struct postern_snapshot *s, uint8_t family, unsigned n)
{
	struct postern_member *m = &s->members[s->n_members++];

	m->id = (uint16_t)((family == POSTERN_V4 ? RIG_MEMBER_V4 : RIG_MEMBER_V6) + n);
	m->pool = RIG_POOL;
	m->at.port = RIG_MEMBER_PORT;
	m->at.addr = rig_member(family, n);
	snprintf(m->name, sizeof(m->name), "member%u", m->id);
}

static void maglev(struct postern_maglev *m, const uint16_t *ids, unsigned n)
{
	if (n == 0)
		return;
	m->size = MAGLEV_SIZE;
	m->slots = array(m->size, sizeof(*m->slots));
	for (uint32_t i = 0; i < m->size; i++)
		m->slots[i] = ids[i % n];
}

struct postern_snapshot *rig_snapshot(const struct rig_world *w)
{
	struct postern_snapshot *s = array(1, sizeof(*s));
	const unsigned n = w->members ? w->members : 2;
	uint16_t ids[POSTERN_FAMILIES * RIG_MEMBERS_MAX];

	interfaces(s, w);
	services(s, w);
	s->outbounds = array(POSTERN_FAMILIES, sizeof(*s->outbounds));
	for (uint8_t family = 0; family < POSTERN_FAMILIES && w->outbound; family++)
		outbound(s, w, family);
	s->n_pools = 1;
	s->pools = array(1, sizeof(*s->pools));
	s->members = array((size_t)2 * n, sizeof(*s->members));
	struct postern_pool *p = &s->pools[0];

	p->id = RIG_POOL;
	strcpy(p->name, "pool");
	p->observe_fall = w->observe_fall;
	p->try_all = w->try_all;
	for (uint8_t family = 0; family < POSTERN_FAMILIES; family++) {
		unsigned k = 0;

		for (unsigned i = 0; i < n; i++) {
			if (w->without & (1u << i))
				continue;
			member(s, family, i);
			ids[k++] = s->members[s->n_members - 1].id;
		}
		maglev(&p->maglev[family], ids, k);
	}
	p->members = array(s->n_members, sizeof(*p->members));
	for (unsigned i = 0; i < s->n_members; i++)
		p->members[p->n_members++] = s->members[i].id;
	return s;
}
