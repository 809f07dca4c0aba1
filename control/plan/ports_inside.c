// SPDX-License-Identifier: BSD-2-Clause
// What goes between postern, its pools, the servers behind them and who watches.

#include "control/plan/private.h"

// Of members, "5061", or a range that is kept.
static const char *member_ports(
	const struct config_service *s, const struct config_pool *pool, char text[static 32])
{
	const struct config_listen *l = &s->listen.items[0];

	if (l->last_port)
		snprintf(text, 32, "%u-%u", l->at.port, l->last_port);
	else
		snprintf(text, 32, "%u", pool->members.items[0].address.port);
	return text;
}

// Addresses that sessions come to a pool from.
static json_t *sources(const struct plan_question *q, const struct config_pool *pool)
{
	json_t *list = json_array();

	for (size_t i = 0; i < pool->members.count && i < PLAN_MEMBERS_MAX; i++) {
		const struct config_interface *way =
			config_interface_towards(q->config, &pool->members.items[i].address.addr);

		for (size_t k = 0; way && k < way->translate_from.count; k++)
			if (postern_addr_is_v4(&way->translate_from.items[k]) ==
				postern_addr_is_v4(&pool->members.items[i].address.addr))
				plan_address_add(list, &way->translate_from.items[k]);
	}
	return list;
}

static void member_row(
	struct plan_build *b, const struct plan_question *q, const struct config_service *s)
{
	const struct config_pool *pool = plan_pool(q, s);
	const bool seen = s->translate == CONFIG_TRANSLATE_DESTINATION;
	char ports[32];
	json_t *to = json_array(), *why;

	plan_member_addresses_add(to, pool);
	why = plan_textf("service %s to its members%s", s->name,
		seen ? ", which see the clients' own addresses and have postern as their gateway"
		     : "");
	plan_port(b, "inside", "in", seen ? plan_one("any") : sources(q, pool), to,
		config_transport_name(s->transport), member_ports(s, pool, ports),
		json_string_value(why));
	json_decref(why);
}

static void probe_row(
	struct plan_build *b, const struct config_pool *pool, const struct config_member *m)
{
	const struct config_probe *p = config_member_probe(pool, m);
	char ports[8];
	json_t *to = json_array(), *why;

	if (p->kind == CONFIG_PROBE_NONE) {
		json_decref(to);
		return;
	}
	plan_address_add(to, postern_addr_is_none(&p->address) ? &m->address.addr : &p->address);
	snprintf(ports, sizeof(ports), "%u", p->port ? p->port : m->address.port);
	why = plan_textf("probes of %s/%s", pool->name, m->name);
	plan_port(b, "inside", "in", plan_one("postern's machine, by an address of the kernel's"),
		to, "tcp", ports, json_string_value(why));
	json_decref(why);
}

static void service_rows(struct plan_build *b, const struct plan_question *q)
{
	const struct config_service *s;

	for (size_t at = 0; (s = plan_next(q, PLAN_ANY_ROLE, &at));)
		if (plan_pool(q, s))
			member_row(b, q, s);
	for (size_t i = 0; i < q->config->pools.count; i++) {
		const struct config_pool *pool = &q->config->pools.items[i];

		for (size_t k = 0; plan_serves_pool(q, pool) && k < pool->members.count &&
				   k < PLAN_MEMBERS_MAX;
			k++)
			probe_row(b, pool, &pool->members.items[k]);
	}
}

// What edge servers and the inside say to each other besides, past postern.
static void past_rows(struct plan_build *b, const struct plan_question *q)
{
	static const struct {
		enum config_profile role;
		const char *ports, *why;
	} rows[] = {
		{CONFIG_PROFILE_ACCESS_EDGE, "5061", "SIP, both ways"},
		{CONFIG_PROFILE_ACCESS_EDGE, "4443", "replication of the configuration"},
		{CONFIG_PROFILE_ACCESS_EDGE, "50001-50003", "central logging"},
		{CONFIG_PROFILE_WEB_CONFERENCING, "8057", "web conferencing (PSOM)"},
		{CONFIG_PROFILE_AV_EDGE, "5062", "A/V authentication"},
		{CONFIG_PROFILE_XMPP, "23456", "the XMPP gateway"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *to = plan_member_addresses(q, rows[i].role);
		const bool front =
			q->place == PLAN_PLACE_C && rows[i].role == CONFIG_PROFILE_ACCESS_EDGE;

		if (json_array_size(to) > 0 && !front)
			plan_port(b, "inside", "in", plan_one("Front Ends and Directors"), to,
				"tcp", rows[i].ports, rows[i].why);
		else
			json_decref(to);
	}
}

// Places B and C: partners are reached through postern.
static void to_postern(struct plan_build *b, const struct plan_question *q)
{
	json_t *from = plan_member_addresses(q, CONFIG_PROFILE_ACCESS_EDGE);

	if (q->place != PLAN_PLACE_A && json_array_size(from) > 0)
		plan_port(b, "inside", "out", from, plan_one("postern, inside"), "tcp", "5061",
			"what the pool sends to partners");
	else
		json_decref(from);
}

static bool is_loopback(const struct postern_addr *a)
{
	struct postern_addr six = {.bytes = {[15] = 1}};

	return postern_addr_is_v4(a) ? a->bytes[12] == 127 : postern_addr_equal(a, &six);
}

static void management_rows(struct plan_build *b, const struct plan_question *q)
{
	const struct postern_endpoint *at = &q->config->postern.metrics;
	char address[POSTERN_ADDR_TEXT], ports[8];

	if (at->port == 0 || is_loopback(&at->addr))
		return;
	snprintf(ports, sizeof(ports), "%u", at->port);
	plan_port(b, "management", "in", plan_one("Prometheus"),
		plan_one(postern_addr_format(&at->addr, address)), "tcp", ports,
		"metrics and health; who may ask is the firewall's matter alone");
}

void plan_port_inside(struct plan_build *b, const struct plan_question *q)
{
	service_rows(b, q);
	to_postern(b, q);
	past_rows(b, q);
	management_rows(b, q);
}
