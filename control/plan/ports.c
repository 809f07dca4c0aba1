// SPDX-License-Identifier: BSD-2-Clause
// What firewalls must let through, by direction, address and partner.

#include "control/plan/private.h"

#include <string.h>

#define PORTS "ports"

#define MEDIA "50000-59999"

// A rule; `from` and `to` are taken.
static void add(struct plan_build *b, const char *side, const char *direction, json_t *from,
	json_t *to, const char *protocol, const char *ports, const char *why)
{
	plan_row(b, PORTS,
		json_pack("{s:s, s:s, s:o, s:o, s:s, s:s, s:s}", "side", side, "direction",
			direction, "from", from, "to", to, "protocol", protocol, "ports", ports,
			"why", why));
}

static void add_out_and_in(struct plan_build *b, json_t *ours, json_t *theirs, bool out,
	const char *protocol, const char *ports, const char *why)
{
	if (out)
		add(b, "outside", "out", json_incref(ours), json_incref(theirs), protocol, ports,
			why);
	else
		add(b, "outside", "in", json_incref(theirs), json_incref(ours), protocol, ports,
			why);
}

static json_t *one(const char *text)
{
	return json_pack("[s]", text);
}

static json_t *any(void)
{
	return one("any");
}

// ---- Ends of rules

// Who opens connections to partners.
static json_t *openers(const struct plan_question *q, enum config_profile role)
{
	return q->place == PLAN_PLACE_A ? plan_member_addresses(q, role) : one("postern");
}

static json_t *peer(const json_t *entry)
{
	json_t *list = json_array();
	size_t i;
	json_t *prefix;

	if (plan_string(entry, "proxy-fqdn"))
		plan_strings_add(list, plan_string(entry, "proxy-fqdn"));
	json_array_foreach(json_object_get(entry, "prefixes"), i, prefix)
		plan_strings_add(list, json_string_value(prefix));
	return list;
}

// ---- Partners

struct partners {
	struct plan_build *b;
	const struct plan_question *q;
	json_t *ours; // outside addresses, or who opens connections
	bool out;
};

static void partner_row(const struct partners *p, json_t *theirs, json_t *why)
{
	add_out_and_in(p->b, p->ours, theirs, p->out, "tcp", "5061", json_string_value(why));
	json_decref(theirs);
	json_decref(why);
}

static void provider_rows(const struct partners *p)
{
	for (size_t i = 0; i < json_array_size(p->q->providers); i++) {
		const json_t *v = json_array_get(p->q->providers, i);

		if (plan_is_on(v, "enabled"))
			partner_row(p, peer(v),
				plan_textf("%s provider %s", plan_string(v, "kind"),
					plan_string(v, "name")));
	}
}

// Those that DNS leads to may be anywhere, and admit no narrower rule; the others are told one by one.
static void allowed_rows(const struct partners *p)
{
	const bool discovery = plan_is_on(p->q->switches, "EnablePartnerDiscovery");
	size_t by_srv = 0;

	for (size_t i = 0; i < json_array_size(p->q->partners); i++) {
		const json_t *a = json_array_get(p->q->partners, i);

		if (!plan_is_on(a, "enabled"))
			continue;
		if (!plan_string(a, "proxy-fqdn"))
			by_srv++;
		else
			partner_row(p, peer(a),
				plan_textf("direct partner %s", plan_string(a, "domain")));
	}
	if (by_srv > 0 || p->q->more_partners)
		partner_row(p, any(),
			plan_textf("partners by SRV (%zu domains%s): where DNS says, which may "
				   "change",
				by_srv, p->q->more_partners ? " or more" : ""));
	if (discovery)
		partner_row(p, any(), json_string("discovered partners"));
}

static void partner_rows(struct plan_build *b, const struct plan_question *q, bool out)
{
	const bool on = plan_is_on(q->switches, "AllowFederatedUsers");
	const char *route = plan_string(q->switches, "DefaultRouteFqdn");
	const char *routing = plan_string(q->switches, "RoutingMethod");
	struct partners p = {.b = b, .q = q, .out = out};

	p.ours = out ? openers(q, CONFIG_PROFILE_ACCESS_EDGE)
		     : plan_service_addresses(q, CONFIG_PROFILE_ACCESS_EDGE, 0);
	if (json_array_size(p.ours) == 0)
		;
	else if (!on && q->place == PLAN_PLACE_A)
		partner_row(&p, any(), json_string("partners: the edge servers decide on them"));
	else if (!on)
		;
	else if (route && routing && strcmp(routing, "UseDefaultRouting") == 0)
		partner_row(&p, one(route), json_string("the default route"));
	else {
		allowed_rows(&p);
		provider_rows(&p);
	}
	json_decref(p.ours);
}

// ---- The outside

static void open_to_all(struct plan_build *b, const struct plan_question *q,
	enum config_profile role, uint16_t port, const char *protocol, const char *why)
{
	char ports[8];
	json_t *to = plan_service_addresses(q, role, port);

	snprintf(ports, sizeof(ports), "%u", port);
	if (json_array_size(to) > 0)
		add(b, "outside", "in", any(), to, protocol, ports, why);
	else
		json_decref(to);
}

static void media_rows(struct plan_build *b, const struct plan_question *q)
{
	static const struct {
		bool out;
		const char *protocol, *ports, *why;
	} rows[] = {
		{true, "tcp", "443", "STUN over TCP, to partners' A/V edges"},
		{true, "udp", "3478", "STUN, to partners' A/V edges; tells their version"},
		{true, "tcp", MEDIA, "media, with partners of every version"},
		{true, "udp", MEDIA, "media, only with Office Communications Server 2007"},
		{false, "tcp", MEDIA,
			"media, only from Office Communications Server 2007 and Messenger"},
		{false, "udp", MEDIA, "media, only from Office Communications Server 2007"},
	};
	json_t *nodes = plan_member_addresses(q, CONFIG_PROFILE_AV_EDGE);
	json_t *all = any();

	for (size_t i = 0; json_array_size(nodes) > 0 && i < sizeof(rows) / sizeof(rows[0]); i++)
		add_out_and_in(
			b, nodes, all, rows[i].out, rows[i].protocol, rows[i].ports, rows[i].why);
	if (json_array_size(nodes) > 0)
		plan_note(b, "media (" MEDIA ") goes to and from each A/V edge server's own public "
			     "address, never to the service's");
	json_decref(nodes);
	json_decref(all);
}

static void helper_rows(struct plan_build *b, const struct plan_question *q)
{
	json_t *from = openers(q, CONFIG_PROFILE_ACCESS_EDGE);
	json_t *all = any();

	if (json_array_size(from) > 0 && plan_first(q, CONFIG_PROFILE_ACCESS_EDGE)) {
		add_out_and_in(b, from, all, true, "udp", "53", "DNS, at its resolvers");
		add_out_and_in(b, from, all, true, "tcp", "53", "DNS, answers that are long");
		add_out_and_in(b, from, all, true, "tcp", "80", "CRLs of partners' certificates");
	}
	json_decref(all);
	json_decref(from);
}

static void outside_rows(struct plan_build *b, const struct plan_question *q)
{
	json_t *proxies = plan_member_addresses(q, CONFIG_PROFILE_XMPP), *all = any();

	partner_rows(b, q, false);
	partner_rows(b, q, true);
	open_to_all(b, q, CONFIG_PROFILE_ACCESS_EDGE, 443, "tcp", "remote users sign in");
	open_to_all(b, q, CONFIG_PROFILE_WEB_CONFERENCING, 443, "tcp", "web conferencing");
	open_to_all(b, q, CONFIG_PROFILE_WEB, 443, "tcp", "web services");
	open_to_all(
		b, q, CONFIG_PROFILE_AV_EDGE, 443, "tcp", "STUN over TCP: remote users, partners");
	open_to_all(b, q, CONFIG_PROFILE_AV_EDGE, 3478, "udp", "STUN: remote users, partners");
	media_rows(b, q);
	open_to_all(b, q, CONFIG_PROFILE_XMPP, 5269, "tcp", "XMPP partners");
	if (plan_first(q, CONFIG_PROFILE_XMPP))
		add_out_and_in(b, proxies, all, true, "tcp", "5269", "XMPP partners");
	helper_rows(b, q);
	json_decref(proxies);
	json_decref(all);
}

// ---- The inside

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
	add(b, "inside", "in", seen ? any() : sources(q, pool), to,
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
	add(b, "inside", "in", one("postern's machine, by an address of the kernel's"), to, "tcp",
		ports, json_string_value(why));
	json_decref(why);
}

static void inside_rows(struct plan_build *b, const struct plan_question *q)
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
			add(b, "inside", "in", one("Front Ends and Directors"), to, "tcp",
				rows[i].ports, rows[i].why);
		else
			json_decref(to);
	}
}

// Places B and C: partners are reached through postern.
static void to_postern(struct plan_build *b, const struct plan_question *q)
{
	json_t *from = plan_member_addresses(q, CONFIG_PROFILE_ACCESS_EDGE);

	if (q->place != PLAN_PLACE_A && json_array_size(from) > 0)
		add(b, "inside", "out", from, one("postern, inside"), "tcp", "5061",
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
	add(b, "management", "in", one("Prometheus"), one(postern_addr_format(&at->addr, address)),
		"tcp", ports, "metrics and health; who may ask is the firewall's matter alone");
}

static void add_notes(struct plan_build *b, const struct plan_question *q)
{
	if (!plan_first(q, CONFIG_PROFILE_ACCESS_EDGE))
		plan_note(b, "no service is an access edge (profile: access-edge, or port 5061)");
	if (!plan_is_on(q->switches, "AllowFederatedUsers"))
		plan_note(
			b, q->place == PLAN_PLACE_A
				   ? "AllowFederatedUsers is off in the policy here, so nothing is "
				     "known of partners; import the edge servers' lists (policy "
				     "import) for narrower rules"
				   : "AllowFederatedUsers is off: nothing is open for partners");
	else if (q->place == PLAN_PLACE_A)
		plan_note(b, "the edge servers decide on partners; these rules follow the policy "
			     "here, so keep both alike");
	if (q->more_partners)
		plan_note(b,
			"only the first %u allowed domains are looked at: allowed-domain list "
			"has all",
			PLAN_PARTNERS_MAX);
	if (q->place == PLAN_PLACE_A && plan_first(q, CONFIG_PROFILE_ACCESS_EDGE))
		plan_note(b, "what members open themselves leaves by their own address, not by the "
			     "service's: partners that admit by address must know it");
	plan_note(b, "never through a balancer, since each edge server answers for itself: 4443, "
		     "8057, 23456, 50001-50003");
	plan_note(b, "firewalls must keep an idle connection to 5061 as long as postern does: 30 "
		     "minutes at least");
}

static void write_rules(
	FILE *to, const json_t *result, const char *side, const char *direction, const char *title)
{
	bool begun = false;
	size_t i;
	json_t *r;

	json_array_foreach(json_object_get(result, PORTS), i, r)
	{
		if (strcmp(plan_string(r, "side"), side) != 0 ||
			strcmp(plan_string(r, "direction"), direction) != 0)
			continue;
		if (!begun)
			fprintf(to, "\n%s\n", title);
		begun = true;
		fprintf(to, "  %s %-11s  ", plan_string(r, "protocol"), plan_string(r, "ports"));
		plan_print_list(to, json_object_get(r, "from"));
		fputs(" -> ", to);
		plan_print_list(to, json_object_get(r, "to"));
		fputc('\n', to);
		plan_print_words(
			to, "                   ", "                   ", plan_string(r, "why"));
	}
}

static void write_text(FILE *to, const json_t *result)
{
	fprintf(to, "Ports of %s\n", plan_string(result, "organisation"));
	write_rules(to, result, "outside", "in", "From outside");
	write_rules(to, result, "outside", "out", "To the outside");
	write_rules(to, result, "inside", "in", "Inside, to the pools");
	write_rules(to, result, "inside", "out", "Inside, from the pools");
	write_rules(to, result, "management", "in", "Management");
	plan_print_notes(to, result);
}

json_t *plan_ports(const struct plan_question *q)
{
	struct plan_build b;

	plan_begin(&b, q, PORTS);
	outside_rows(&b, q);
	inside_rows(&b, q);
	to_postern(&b, q);
	past_rows(&b, q);
	management_rows(&b, q);
	add_notes(&b, q);
	if (!b.failed)
		json_object_set_new(b.result, "never-balanced",
			json_pack("[s, s, s, s]", "4443", "8057", "23456", "50001-50003"));
	return plan_end(&b, write_text);
}
