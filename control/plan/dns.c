// SPDX-License-Identifier: BSD-2-Clause
// What must be published in DNS.

#include "control/plan/private.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define RECORDS "records"

static bool is_asked(const struct plan_question *q, const char *zone)
{
	return !q->domain || (zone && strcmp(zone, q->domain) == 0);
}

// Notes name and address; false if they have been told.
static bool is_new(struct plan_build *b, const char *name, const char *address)
{
	char key[PLAN_NAME + POSTERN_ADDR_TEXT];

	snprintf(key, sizeof(key), "%s %s", name, address);
	for (char *c = key; *c != '\0'; c++)
		*c = (char)tolower((unsigned char)*c);
	if (json_object_get(b->seen, key))
		return false;
	if (json_object_set_new(b->seen, key, json_true()) != 0)
		b->failed = true;
	return true;
}

static void add_addresses(struct plan_build *b, const struct plan_question *q,
	const struct config_service *s, const char *name, const char *why)
{
	const char *zone = plan_zone_of(q, name);

	for (size_t i = 0; is_asked(q, zone) && i < s->listen.count; i++) {
		const struct postern_addr *a = &s->listen.items[i].at.addr;
		char address[POSTERN_ADDR_TEXT];

		if (!is_new(b, name, postern_addr_format(a, address)))
			continue;
		plan_row(b, RECORDS,
			json_pack("{s:s?, s:s, s:s, s:s, s:s}", "zone", zone, "name", name, "type",
				postern_addr_is_v4(a) ? "A" : "AAAA", "address", address, "why",
				why));
	}
}

static void add_srv(struct plan_build *b, const struct plan_question *q, const char *label,
	const char *domain, uint16_t port, const char *target, const char *why)
{
	if (!is_asked(q, domain))
		return;
	plan_row(b, RECORDS,
		json_pack("{s:s, s:o, s:s, s:i, s:i, s:i, s:s, s:s}", "zone", domain, "name",
			plan_textf("%s.%s", label, domain), "type", "SRV", "priority", 0, "weight",
			0, "port", (int)port, "target", target, "why", why));
}

// The port of `usual`, if a service of the role answers there; else the first one's own.
static const struct config_service *find_port(const struct plan_question *q,
	enum config_profile role, uint16_t usual, bool or_other, uint16_t *port)
{
	const struct config_service *s;

	for (size_t at = 0; (s = plan_next(q, role, &at));) {
		*port = usual;
		if (plan_listens(s, usual))
			return s;
	}
	s = or_other ? plan_first(q, role) : NULL;
	if (s)
		*port = s->listen.items[0].at.port;
	return s;
}

static bool same_addresses(const struct config_service *a, const struct config_service *b)
{
	bool same = a->listen.count == b->listen.count;

	for (size_t i = 0; same && i < b->listen.count; i++) {
		same = false;
		for (size_t k = 0; !same && k < a->listen.count; k++)
			same = postern_addr_equal(
				&a->listen.items[k].at.addr, &b->listen.items[i].at.addr);
	}
	return same;
}

static void access_records(struct plan_build *b, const struct plan_question *q, const char *domain)
{
	const enum config_profile role = CONFIG_PROFILE_ACCESS_EDGE;
	const bool push = plan_has_provider(q, "sipfed.online.lync.com");
	char target[PLAN_NAME], sip[PLAN_NAME];
	uint16_t port = 0;
	const struct config_service *s = find_port(q, role, 5061, true, &port);

	if (!s)
		return;
	plan_host(s, "sip", domain, target);
	add_srv(b, q, "_sipfederationtls._tcp", domain, port, target,
		push ? "partners find us; push notifications, with discovery off as well"
		     : "partners find us");
	add_addresses(b, q, s, target, "target of SRV records");
	snprintf(sip, sizeof(sip), "sip.%s", domain);
	add_addresses(
		b, q, s, sip, "public instant messaging, and clients that find no SRV record");
	const struct config_service *sign_in = find_port(q, role, 443, false, &port);
	if (!sign_in)
		return;
	plan_host(sign_in, "sip", domain, sip);
	add_srv(b, q, "_sip._tls", domain, port, sip, "remote users sign in");
	// One name has the addresses of one service, or partners meet a port that nobody answers on.
	if (strcasecmp(target, sip) != 0)
		add_addresses(b, q, sign_in, sip, "target of SRV records");
	else if (!same_addresses(s, sign_in))
		plan_note(b,
			"%s is the name of services %s and %s, whose addresses differ: only those "
			"of "
			"the first are published. Let both answer on the same, or write an fqdn in "
			"%s for one",
			target, s->name, sign_in->name, domain);
}

static void xmpp_records(struct plan_build *b, const struct plan_question *q, const char *domain)
{
	char target[PLAN_NAME];
	uint16_t port = 0;
	const struct config_service *s = find_port(q, CONFIG_PROFILE_XMPP, 5269, true, &port);

	if (!s)
		return;
	plan_host(s, "xmpp", domain, target);
	add_srv(b, q, "_xmpp-server._tcp", domain, port, target, "XMPP partners find us");
	add_addresses(b, q, s, target, "target of SRV records");
}

// Services with names that they have for themselves.
static void named_records(struct plan_build *b, const struct plan_question *q,
	enum config_profile role, const char *why)
{
	const struct config_service *s;

	for (size_t at = 0; (s = plan_next(q, role, &at));) {
		if (s->fqdn)
			add_addresses(b, q, s, s->fqdn, why);
		else if (!plan_label(role) && role != CONFIG_PROFILE_NONE)
			plan_note(b,
				"service %s has no name: write its fqdn, as the topology has it",
				s->name);
	}
}

static void add_notes(struct plan_build *b, const struct plan_question *q)
{
	uint16_t port = 0;
	const struct config_service *s =
		find_port(q, CONFIG_PROFILE_ACCESS_EDGE, 5061, true, &port);

	if (!s) {
		plan_note(b, "no service is an access edge (profile: access-edge, or port 5061): "
			     "partners have nothing to connect to");
		return;
	}
	plan_note(b,
		"an SRV record of a SIP domain must point to a host in that domain, else "
		"partners refuse it; one record a domain, since an Access Edge tries no second");
	if (port != 5061)
		plan_note(b, "partners' firewalls are open to port 5061, and %s answers on %u",
			s->name, port);
	if (!find_port(q, CONFIG_PROFILE_ACCESS_EDGE, 443, false, &port))
		plan_note(b, "no access edge answers on 443: no _sip._tls for remote users");
	if (!plan_is_on(q->switches, "AllowFederatedUsers"))
		plan_note(b, "AllowFederatedUsers is off in the policy here: by it all whom "
			     "_sipfederationtls leads here are refused");
	if (plan_has_provider(q, "sipfed.online.lync.com") && !q->push &&
		!plan_is_on(q->switches, "EnablePartnerDiscovery"))
		plan_note(b, "push notifications want push.lync.com as an allowed domain besides "
			     "their provider, since discovery is off");
}

static void write_text(FILE *to, const json_t *result)
{
	static const char *const keys[] = {"name", "type", "data", "why"};
	const json_t *records = json_object_get(result, RECORDS);
	json_t *rows = json_array();
	size_t i;
	json_t *r;

	fprintf(to, "DNS of %s, as the outside sees it\n\n", plan_string(result, "organisation"));
	json_array_foreach((json_t *)(uintptr_t)records, i, r)
	{
		const char *target = plan_string(r, "target");
		json_t *data = target ? plan_textf("0 0 %d %s",
						(int)json_integer_value(json_object_get(r, "port")),
						target)
				      : json_string(plan_string(r, "address"));

		json_array_append_new(
			rows, json_pack("{s:s, s:s, s:o, s:s}", "name", plan_string(r, "name"),
				      "type", plan_string(r, "type"), "data", data, "why",
				      plan_string(r, "why")));
	}
	if (json_array_size(rows) == 0)
		fputs("  nothing\n", to);
	plan_print_table(to, rows, keys, 4);
	json_decref(rows);
	plan_print_notes(to, result);
}

json_t *plan_dns(const struct plan_question *q)
{
	struct plan_build b;

	plan_begin(&b, q, RECORDS);
	for (size_t i = 0; i < q->organisation->domains.count; i++) {
		const char *domain = q->organisation->domains.items[i];

		if (!is_asked(q, domain))
			continue;
		access_records(&b, q, domain);
		xmpp_records(&b, q, domain);
	}
	named_records(&b, q, CONFIG_PROFILE_ACCESS_EDGE, "the access edge's own name");
	named_records(&b, q, CONFIG_PROFILE_XMPP, "the XMPP proxy's own name");
	named_records(&b, q, CONFIG_PROFILE_WEB_CONFERENCING, "web conferencing");
	named_records(&b, q, CONFIG_PROFILE_AV_EDGE, "audio and video");
	named_records(&b, q, CONFIG_PROFILE_WEB, "web services");
	named_records(&b, q, CONFIG_PROFILE_NONE, "the service's name");
	add_notes(&b, q);
	return plan_end(&b, write_text);
}
