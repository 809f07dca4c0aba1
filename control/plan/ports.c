// SPDX-License-Identifier: BSD-2-Clause
// What firewalls must let through, by direction, address and partner.

#include "control/plan/private.h"

#include <string.h>

#define PORTS "ports"

#define MEDIA "50000-59999"

void plan_port(struct plan_build *b, const char *side, const char *direction, json_t *from,
	json_t *to, const char *protocol, const char *ports, const char *why)
{
	plan_row(b, PORTS,
		json_pack("{s:s, s:s, s:o, s:o, s:s, s:s, s:s}", "side", side, "direction",
			direction, "from", from, "to", to, "protocol", protocol, "ports", ports,
			"why", why));
}

void plan_port_outside(struct plan_build *b, json_t *ours, json_t *theirs, bool out,
	const char *protocol, const char *ports, const char *why)
{
	if (out)
		plan_port(b, "outside", "out", json_incref(ours), json_incref(theirs), protocol,
			ports, why);
	else
		plan_port(b, "outside", "in", json_incref(theirs), json_incref(ours), protocol,
			ports, why);
}

json_t *plan_one(const char *text)
{
	return json_pack("[s]", text);
}

static json_t *any(void)
{
	return plan_one("any");
}

json_t *plan_openers(const struct plan_question *q, enum config_profile role)
{
	return q->place == PLAN_PLACE_A ? plan_member_addresses(q, role) : plan_one("postern");
}

static void open_to_all(struct plan_build *b, const struct plan_question *q,
	enum config_profile role, uint16_t port, const char *protocol, const char *why)
{
	char ports[8];
	json_t *to = plan_service_addresses(q, role, port);

	snprintf(ports, sizeof(ports), "%u", port);
	if (json_array_size(to) > 0)
		plan_port(b, "outside", "in", any(), to, protocol, ports, why);
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
		plan_port_outside(
			b, nodes, all, rows[i].out, rows[i].protocol, rows[i].ports, rows[i].why);
	if (json_array_size(nodes) > 0)
		plan_note(b, "media (" MEDIA ") goes to and from each A/V edge server's own public "
			     "address, never to the service's");
	json_decref(nodes);
	json_decref(all);
}

static void helper_rows(struct plan_build *b, const struct plan_question *q)
{
	json_t *from = plan_openers(q, CONFIG_PROFILE_ACCESS_EDGE);
	json_t *all = any();

	if (json_array_size(from) > 0 && plan_first(q, CONFIG_PROFILE_ACCESS_EDGE)) {
		plan_port_outside(b, from, all, true, "udp", "53", "DNS, at its resolvers");
		plan_port_outside(b, from, all, true, "tcp", "53", "DNS, answers that are long");
		plan_port_outside(
			b, from, all, true, "tcp", "80", "CRLs of partners' certificates");
	}
	json_decref(all);
	json_decref(from);
}

static void outside_rows(struct plan_build *b, const struct plan_question *q)
{
	json_t *proxies = plan_member_addresses(q, CONFIG_PROFILE_XMPP), *all = any();

	plan_port_partners(b, q, false);
	plan_port_partners(b, q, true);
	open_to_all(b, q, CONFIG_PROFILE_ACCESS_EDGE, 443, "tcp", "remote users sign in");
	open_to_all(b, q, CONFIG_PROFILE_WEB_CONFERENCING, 443, "tcp", "web conferencing");
	open_to_all(b, q, CONFIG_PROFILE_WEB, 443, "tcp", "web services");
	open_to_all(
		b, q, CONFIG_PROFILE_AV_EDGE, 443, "tcp", "STUN over TCP: remote users, partners");
	open_to_all(b, q, CONFIG_PROFILE_AV_EDGE, 3478, "udp", "STUN: remote users, partners");
	media_rows(b, q);
	open_to_all(b, q, CONFIG_PROFILE_XMPP, 5269, "tcp", "XMPP partners");
	if (plan_first(q, CONFIG_PROFILE_XMPP))
		plan_port_outside(b, proxies, all, true, "tcp", "5269", "XMPP partners");
	helper_rows(b, q);
	json_decref(proxies);
	json_decref(all);
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
	plan_port_inside(&b, q);
	add_notes(&b, q);
	if (!b.failed)
		json_object_set_new(b.result, "never-balanced",
			json_pack("[s, s, s, s]", "4443", "8057", "23456", "50001-50003"));
	return plan_end(&b, write_text);
}
