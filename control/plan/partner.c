// SPDX-License-Identifier: BSD-2-Clause
// The sheet that a partner's people are sent.

#include "control/plan/private.h"

#include <string.h>

#define SERVERS "servers"

static void add_server(struct plan_build *b, const struct plan_question *q, const char *domain)
{
	const struct config_service *s = plan_first(q, CONFIG_PROFILE_ACCESS_EDGE);
	char name[PLAN_NAME];

	if (!s)
		return;
	plan_host(s, "sip", domain, name);
	plan_row(b, SERVERS,
		json_pack("{s:s, s:s, s:o, s:o}", "domain", domain, "fqdn", name, "srv",
			plan_textf("_sipfederationtls._tcp.%s", domain), "command",
			plan_textf("New-CsAllowedDomain -Identity \"%s\" -ProxyFqdn \"%s\" "
				   "-Comment \"%s\"",
				domain, name, q->organisation->name)));
}

// What was set for this partner; NULL: what the servers have.
static const char *lowest_tls(const json_t *entry)
{
	const char *version = plan_string(entry, "lowest-tls");

	return version && strcmp(version, "service") != 0 ? version : NULL;
}

// How we find them and what we want of them, as their entry has it.
static json_t *terms(const struct plan_question *q, const char *domain, const json_t *entry,
	const json_t *blocked)
{
	const char *proxy = plan_string(entry, "proxy-fqdn");
	const bool discovery = plan_is_on(q->switches, "EnablePartnerDiscovery");

	if (blocked && plan_is_on(blocked, "enabled"))
		return plan_textf("%s is blocked here.", domain);
	if ((!entry || !plan_is_on(entry, "enabled")) && !discovery)
		return plan_textf("%s is not on our list yet.", domain);
	if (proxy)
		return plan_textf(
			"We connect to %s, port 5061, and take for yours what proves that "
			"name.",
			proxy);
	if (entry && plan_is_on(entry, "trust-srv"))
		return plan_textf("We connect to where your SRV record _sipfederationtls._tcp.%s "
				  "leads.",
			domain);
	return plan_textf("We connect to where your SRV record _sipfederationtls._tcp.%s leads. It "
			  "must point to a host in %s, and your certificate must have that host's "
			  "name.",
		domain, domain);
}

static json_t *theirs(const struct plan_question *q, const char *domain, const json_t *entry,
	const json_t *blocked)
{
	json_t *prefixes = entry ? json_object_get(entry, "prefixes") : NULL;

	return json_pack("{s:s, s:s?, s:O?, s:s?, s:o}", "domain", domain, "proxy-fqdn",
		plan_string(entry, "proxy-fqdn"), "prefixes", prefixes, "lowest-tls",
		lowest_tls(entry), "terms", terms(q, domain, entry, blocked));
}

static void print_servers(FILE *to, const json_t *result)
{
	size_t i;
	json_t *s;

	json_array_foreach(json_object_get(result, SERVERS), i, s)
	{
		fprintf(to, "  %s\n    server: %s, port 5061\n    DNS:    %s SRV\n",
			plan_string(s, "domain"), plan_string(s, "fqdn"), plan_string(s, "srv"));
	}
}

static void print_addresses(FILE *to, const json_t *result, const char *key, const char *title)
{
	if (json_array_size(json_object_get(result, key)) == 0)
		return;
	fputs(title, to);
	plan_print_list(to, json_object_get(result, key));
	fputc('\n', to);
}

static void write_text(FILE *to, const json_t *result)
{
	const json_t *them = json_object_get(result, "partner");
	const char *tls = plan_string(them, "lowest-tls");
	size_t i;
	json_t *s;

	fprintf(to, "Federation between %s and %s\n\nOur SIP domains\n",
		plan_string(result, "organisation"), plan_string(them, "domain"));
	print_servers(to, result);
	fputs("\nWhat you connect to\n", to);
	print_addresses(to, result, "addresses", "  SIP over TLS, TCP 5061:     ");
	print_addresses(to, result, "media", "  A/V, TCP 443, UDP 3478:     ");
	print_addresses(to, result, "conferencing", "  web conferencing, TCP 443: ");
	print_addresses(to, result, "xmpp", "  XMPP, TCP 5269:             ");
	fputs("\nWhat we connect from\n  ", to);
	plan_print_list(to, json_object_get(result, "from"));
	fprintf(to,
		"\n  to your port 5061, TCP. Public addresses, if these are translated: ________"
		"\n\nCertificates\n"
		"  Both sides show one, and check the other's. Ours has the server names above.\n"
		"  Issued by (CA): ________  with intermediates: ________\n"
		"  TLS %s%s. Yours may be meant for a server alone if you cannot get one\n"
		"  that is meant for clients as well.\n"
		"\nHow we find you\n",
		tls ? tls : "1.2", tls ? " or later" : ", or what both sides have");
	plan_print_words(to, "  ", "  ", plan_string(them, "terms"));
	print_addresses(to, them, "prefixes", "  You come from: ");
	fputs("\nOn Lync or Skype for Business, type\n", to);
	json_array_foreach(json_object_get(result, SERVERS), i, s)
		fprintf(to, "  %s\n", plan_string(s, "command"));
	fputs("  (without -ProxyFqdn our server is found by DNS)\n", to);
	plan_print_notes(to, result);
}

static void set(struct plan_build *b, const char *key, json_t *value)
{
	if (json_object_set_new(b->result, key, value) != 0)
		b->failed = true;
}

json_t *plan_partner(const struct plan_question *q, const char *domain, const json_t *entry,
	const json_t *blocked)
{
	struct plan_build b;

	plan_begin(&b, q, SERVERS);
	for (size_t i = 0; i < q->organisation->domains.count; i++)
		add_server(&b, q, q->organisation->domains.items[i]);
	set(&b, "addresses", plan_service_addresses(q, CONFIG_PROFILE_ACCESS_EDGE, 5061));
	set(&b, "media", plan_service_addresses(q, CONFIG_PROFILE_AV_EDGE, 443));
	set(&b, "conferencing", plan_service_addresses(q, CONFIG_PROFILE_WEB_CONFERENCING, 443));
	set(&b, "xmpp", plan_service_addresses(q, CONFIG_PROFILE_XMPP, 5269));
	set(&b, "from", plan_member_addresses(q, CONFIG_PROFILE_ACCESS_EDGE));
	set(&b, "partner", theirs(q, domain, entry, blocked));
	if (!plan_is_on(q->switches, "AllowFederatedUsers"))
		plan_note(
			&b, "for us, not for them: AllowFederatedUsers is off in the policy here");
	if (!plan_first(q, CONFIG_PROFILE_ACCESS_EDGE))
		plan_note(&b, "for us, not for them: no service is an access edge");
	return plan_end(&b, write_text);
}
