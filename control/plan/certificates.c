// SPDX-License-Identifier: BSD-2-Clause
// Which certificates there must be, with which names, and who holds them.

#include "control/plan/private.h"

#include <string.h>

#define CERTIFICATES "certificates"

// Most names that public CAs usually put into one certificate.
#define NAMES_USUAL 100

static void add_holders(json_t *holders, const struct plan_question *q, enum config_profile role)
{
	const struct config_service *s;

	for (size_t at = 0; (s = plan_next(q, role, &at));)
		if (plan_pool(q, s))
			plan_members_add(holders, plan_pool(q, s));
}

static void add_sip_names(json_t *names, const struct plan_question *q)
{
	char name[PLAN_NAME];
	const struct config_service *s;

	for (size_t at = 0; (s = plan_next(q, CONFIG_PROFILE_ACCESS_EDGE, &at));)
		if (s->fqdn)
			plan_strings_add(names, s->fqdn);
	for (size_t i = 0;
		plan_first(q, CONFIG_PROFILE_ACCESS_EDGE) && i < q->organisation->domains.count;
		i++) {
		snprintf(name, sizeof(name), "sip.%s", q->organisation->domains.items[i]);
		plan_strings_add(names, name);
	}
}

// Of XMPP the domains themselves are proved (RFC 6120 13.7.1.2).
static void add_xmpp_names(json_t *names, const struct plan_question *q)
{
	const struct config_service *xmpp = plan_first(q, CONFIG_PROFILE_XMPP);
	char name[PLAN_NAME];

	for (size_t i = 0; xmpp && i < q->organisation->domains.count; i++) {
		const char *domain = q->organisation->domains.items[i];

		plan_strings_add(names, plan_host(xmpp, "xmpp", domain, name));
		plan_strings_add(names, domain);
	}
}

// Takes holders and names; the first name is the subject.
static void add(struct plan_build *b, const char *use, json_t *holders, json_t *names, bool client,
	const char *why)
{
	const char *subject = json_string_value(json_array_get(names, 0));

	plan_row(b, CERTIFICATES,
		json_pack("{s:s, s:o, s:s?, s:o, s:o, s:s}", "use", use, "holders", holders,
			"subject", subject, "names", names, "key-usage",
			client ? json_pack("[s, s]", "serverAuth", "clientAuth")
			       : json_pack("[s]", "serverAuth"),
			"why", why));
}

// Of a use for which there are names; takes holders and names.
static void add_if_named(struct plan_build *b, const char *use, json_t *holders, json_t *names,
	bool client, const char *why)
{
	if (json_array_size(names) > NAMES_USUAL)
		plan_note(b,
			"%zu names are more than public CAs put into one certificate: several "
			"organisations, each with an address of its own",
			json_array_size(names));
	if (json_array_size(names) > 0) {
		add(b, use, holders, names, client, why);
		return;
	}
	json_decref(holders);
	json_decref(names);
}

// Before the edge servers one certificate has the names of XMPP as well: the same servers answer.
static void add_external(struct plan_build *b, const struct plan_question *q)
{
	json_t *names = json_array(), *holders = json_array();

	add_sip_names(names, q);
	if (q->place == PLAN_PLACE_A) {
		add_xmpp_names(names, q);
		add_holders(holders, q, CONFIG_PROFILE_ACCESS_EDGE);
		add_holders(holders, q, CONFIG_PROFILE_XMPP);
		add_if_named(b, "access edge, outside", holders, names, true,
			"the same certificate and key on every one, since any of them may answer; "
			"postern terminates nothing and holds none");
		return;
	}
	plan_strings_add(holders, "postern");
	add_if_named(b, "access edge, outside", holders, names, true,
		"partners meet postern's certificate alone");
	names = json_array();
	holders = json_array();
	add_xmpp_names(names, q);
	add_holders(holders, q, CONFIG_PROFILE_XMPP);
	add_if_named(b, "XMPP, outside", holders, names, true,
		"the same certificate and key on every one; XMPP is forwarded");
}

static void add_inside(struct plan_build *b, const struct plan_question *q)
{
	if (q->place == PLAN_PLACE_A || !plan_first(q, CONFIG_PROFILE_ACCESS_EDGE))
		return;
	add(b, "access edge, inside", json_pack("[s]", "postern"), json_pack("[s]", q->inside),
		true,
		q->place == PLAN_PLACE_B
			? "the edge servers connect to this name and trust its CA: the default "
			  "route"
			: "the name of the trusted edge in the topology; its CA is the "
			  "enterprise's");
}

static void add_conferencing(struct plan_build *b, const struct plan_question *q)
{
	const enum config_profile role = CONFIG_PROFILE_WEB_CONFERENCING;
	json_t *names = json_array(), *holders = json_array();
	const struct config_service *s;

	for (size_t at = 0; (s = plan_next(q, role, &at));)
		if (s->fqdn)
			plan_strings_add(names, s->fqdn);
	add_holders(holders, q, role);
	add_if_named(b, "web conferencing, outside", holders, names, false,
		"may be that of the access edge, with this name besides");
}

static void add_av(struct plan_build *b, const struct plan_question *q)
{
	json_t *holders = json_array();

	add_holders(holders, q, CONFIG_PROFILE_AV_EDGE);
	if (json_array_size(holders) == 0) {
		json_decref(holders);
		return;
	}
	plan_row(b, CERTIFICATES,
		json_pack("{s:s, s:o, s:n, s:[], s:[s], s:s}", "use", "A/V authentication",
			"holders", holders, "subject", "names", "key-usage", "serverAuth", "why",
			"the same certificate and key on every one, of the enterprise's CA, in the "
			"edge pool's inside name; outside, A/V shows none"));
}

static bool is_probed_over_tls(const struct config_pool *pool)
{
	for (size_t i = 0; i < pool->members.count; i++)
		if (config_probe_uses_tls(config_member_probe(pool, &pool->members.items[i])))
			return true;
	return false;
}

static void add_probes(struct plan_build *b, const struct plan_question *q)
{
	for (size_t i = 0; i < q->config->pools.count; i++) {
		const struct config_pool *pool = &q->config->pools.items[i];

		if (!plan_serves_pool(q, pool) || !is_probed_over_tls(pool))
			continue;
		if (!pool->tls.certificate) {
			plan_note(b,
				"probes of pool %s present no certificate, and an access edge asks "
				"for one: write the pool's tls certificate and key",
				pool->name);
			continue;
		}
		plan_row(b, CERTIFICATES,
			json_pack("{s:o, s:[s], s:n, s:[], s:[s], s:o, s:s}", "use",
				plan_textf("probes of pool %s", pool->name), "holders", "postern",
				"subject", "names", "key-usage", "clientAuth", "why",
				plan_textf("the members' own CAs must trust it; its names do not "
					   "matter%s",
					pool->tls.trust ? "" : "; theirs are not verified"),
				"file", pool->tls.certificate));
	}
}

static void note_providers(struct plan_build *b, const struct plan_question *q)
{
	for (size_t i = 0; i < json_array_size(q->providers); i++) {
		const json_t *p = json_array_get(q->providers, i);

		if (plan_is_on(p, "enabled"))
			plan_note(b,
				"%s provider %s (%s) meets our certificate as a client's when "
				"we connect to it: ask whether it wants clientAuth, as AOL did",
				plan_string(p, "kind"), plan_string(p, "name"),
				plan_string(p, "proxy-fqdn"));
	}
}

static void write_text(FILE *to, const json_t *result)
{
	size_t i;
	json_t *c;

	fprintf(to, "Certificates of %s\n", plan_string(result, "organisation"));
	json_array_foreach(json_object_get(result, CERTIFICATES), i, c)
	{
		const char *subject = plan_string(c, "subject");

		fprintf(to, "\n%s\n  held by:  ", plan_string(c, "use"));
		plan_print_list(to, json_object_get(c, "holders"));
		if (subject)
			fprintf(to, "\n  subject:  %s\n  names:    ", subject);
		if (subject)
			plan_print_list(to, json_object_get(c, "names"));
		fputs("\n  meant as: ", to);
		plan_print_list(to, json_object_get(c, "key-usage"));
		if (plan_string(c, "file"))
			fprintf(to, "\n  file:     %s", plan_string(c, "file"));
		fputc('\n', to);
		plan_print_words(to, "  ", "  ", plan_string(c, "why"));
	}
	plan_print_notes(to, result);
}

json_t *plan_certificates(const struct plan_question *q)
{
	struct plan_build b;

	plan_begin(&b, q, CERTIFICATES);
	add_external(&b, q);
	add_inside(&b, q);
	add_conferencing(&b, q);
	add_av(&b, q);
	add_probes(&b, q);
	plan_note(&b, "no wildcards: partners compare whole names, among the subject alternative "
		      "names, and Office Communications Server with the subject's");
	plan_note(&b,
		"on 5061 both sides show a certificate, and ours is a client's when we "
		"connect. Public CAs stopped issuing clientAuth in 2026: keep what still has "
		"it until it ends; then take a CA that partners trust and that still issues it, "
		"or have them accept serverAuth alone");
	plan_note(&b, "the chain is sent whole, intermediates included: not every partner fetches "
		      "what is missing");
	note_providers(&b, q);
	return plan_end(&b, write_text);
}
