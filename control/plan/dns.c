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

// In lower case, in place.
static const char *lower(char *text)
{
	for (char *c = text; *c != '\0'; c++)
		*c = (char)tolower((unsigned char)*c);
	return text;
}

// Notes name and address, or with "" the name alone; false if they have been told.
static bool is_new(struct plan_build *b, const char *name, const char *address)
{
	char key[PLAN_NAME + POSTERN_ADDR_TEXT];

	snprintf(key, sizeof(key), "%s %s", name, address);
	if (json_object_get(b->seen, lower(key)))
		return false;
	if (json_object_set_new(b->seen, key, json_true()) != 0)
		b->failed = true;
	return true;
}

// Addresses on which the service answers at a port; with 0 at any.
static void add_addresses(struct plan_build *b, const struct plan_question *q,
	const struct config_service *s, uint16_t port, const char *name, const char *why)
{
	const char *zone = plan_zone_of(q, name);

	is_new(b, name, "");
	for (size_t i = 0; is_asked(q, zone) && i < s->listen.count; i++) {
		const struct postern_addr *a = &s->listen.items[i].at.addr;
		char address[POSTERN_ADDR_TEXT];

		if (port != 0 && s->listen.items[i].at.port != port)
			continue;
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

static bool answers(const struct config_service *s, const struct postern_addr *a, uint16_t port)
{
	for (size_t i = 0; i < s->listen.count; i++)
		if (s->listen.items[i].at.port == port &&
			postern_addr_equal(&s->listen.items[i].at.addr, a))
			return true;
	return false;
}

// Whether all addresses that b has at its port are among those that a has at its own.
static bool covers(const struct config_service *a, uint16_t a_port, const struct config_service *b,
	uint16_t b_port)
{
	for (size_t i = 0; i < b->listen.count; i++)
		if (b->listen.items[i].at.port == b_port &&
			!answers(a, &b->listen.items[i].at.addr, a_port))
			return false;
	return true;
}

static void sign_in_records(struct plan_build *b, const struct plan_question *q, const char *domain,
	const struct config_service *access, uint16_t access_port, const char *taken)
{
	uint16_t port = 0;
	char target[PLAN_NAME], sip[PLAN_NAME];
	const struct config_service *s =
		find_port(q, CONFIG_PROFILE_ACCESS_EDGE, 443, false, &port);

	if (!s)
		return;
	plan_host(s, "sip", domain, target);
	add_srv(b, q, "_sip._tls", domain, port, target, "remote users sign in");
	// One name has the addresses of one port, or partners meet one that nobody answers on.
	snprintf(sip, sizeof(sip), "sip.%s", domain);
	if (strcasecmp(target, taken) != 0 && strcasecmp(target, sip) != 0)
		add_addresses(b, q, s, port, target, "target of SRV records");
	else if (!covers(access, access_port, s, port))
		plan_note(b,
			"%s is the name for port %u (service %s) and for 443 (service %s), whose "
			"addresses differ: only the former's are published. Let both have the same "
			"addresses, or write an fqdn in %s for one",
			target, access_port, access->name, s->name, domain);
}

static void access_records(struct plan_build *b, const struct plan_question *q, const char *domain)
{
	const bool push = plan_has_provider(q, "sipfed.online.lync.com");
	char target[PLAN_NAME], sip[PLAN_NAME];
	uint16_t port = 0;
	const struct config_service *s =
		find_port(q, CONFIG_PROFILE_ACCESS_EDGE, 5061, true, &port);

	if (!s)
		return;
	plan_host(s, "sip", domain, target);
	add_srv(b, q, "_sipfederationtls._tcp", domain, port, target,
		push ? "partners find us; push notifications, with discovery off as well"
		     : "partners find us");
	add_addresses(b, q, s, port, target, "target of SRV records");
	snprintf(sip, sizeof(sip), "sip.%s", domain);
	add_addresses(b, q, s, port, sip,
		"public instant messaging, and clients that find no SRV record");
	sign_in_records(b, q, domain, s, port, target);
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
	add_addresses(b, q, s, port, target, "target of SRV records");
}

// Services with names that they have for themselves.
static void named_records(struct plan_build *b, const struct plan_question *q,
	enum config_profile role, const char *why)
{
	const struct config_service *s;

	for (size_t at = 0; (s = plan_next(q, role, &at));) {
		// An access edge's name that SRV records lead to has all the addresses that it may have.
		if (s->fqdn && (role != CONFIG_PROFILE_ACCESS_EDGE || is_new(b, s->fqdn, "")))
			add_addresses(b, q, s, 0, s->fqdn, why);
		else if (!s->fqdn && !plan_label(role) && role != CONFIG_PROFILE_NONE)
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
