// SPDX-License-Identifier: BSD-2-Clause
// What the inside must be told: steps in Topology Builder and commands of the management shell.

#include "control/plan/private.h"

#include <string.h>

#define COMMANDS "commands"

static void step(struct plan_build *b, json_t *why)
{
	plan_row(b, COMMANDS, json_pack("{s:n, s:o}", "command", "why", why));
}

static void command(struct plan_build *b, json_t *what, const char *why)
{
	plan_row(b, COMMANDS, json_pack("{s:o, s:s}", "command", what, "why", why));
}

static void users(struct plan_build *b)
{
	command(b,
		json_string("Set-CsExternalAccessPolicy -Identity Global -EnableFederationAccess "
			    "$True"),
		"the users may speak with partners; or a policy that only some have");
}

// Where a role of the edge pool is reached: a virtual address.
static void address_step(struct plan_build *b, const struct plan_question *q,
	enum config_profile role, const char *what)
{
	const struct config_service *s;

	for (size_t at = 0; (s = plan_next(q, role, &at));) {
		char text[CONFIG_LISTEN_TEXT], name[PLAN_NAME];
		const char *label = plan_label(role), *fqdn = s->fqdn;

		if (!fqdn && label && q->organisation->domains.count > 0)
			fqdn = plan_host(s, label, q->organisation->domains.items[0], name);
		step(b, plan_textf("Topology Builder, edge pool: %s is %s at %s (service %s)", what,
				fqdn ? fqdn : "a name of its own",
				config_listen_format(&s->listen.items[0], text), s->name));
	}
}

static void before(struct plan_build *b, const struct plan_question *q)
{
	step(b, json_string(
			"Topology Builder, edge pool: several computers; the pool is reached by "
			"virtual addresses, those of postern's services, in place of DNS load "
			"balancing"));
	address_step(b, q, CONFIG_PROFILE_ACCESS_EDGE, "the external FQDN of the Access Edge");
	address_step(b, q, CONFIG_PROFILE_WEB_CONFERENCING, "that of web conferencing");
	address_step(b, q, CONFIG_PROFILE_AV_EDGE, "that of A/V");
}

static void place_a(struct plan_build *b, const struct plan_question *q)
{
	before(b, q);
	plan_note(b, "no command is needed: the edge servers hold their certificates and decide on "
		     "partners as before");
	plan_note(b,
		"outside the same kind of balancing is used as inside: virtual addresses on both "
		"sides, or DNS on both");
}

static void place_b(struct plan_build *b, const struct plan_question *q)
{
	before(b, q);
	command(b,
		json_string("@(Get-CsAllowedDomain; Get-CsBlockedDomain; Get-CsHostingProvider; "
			    "Get-CsPublicProvider; Get-CsAccessEdgeConfiguration) | "
			    "ConvertTo-Json | Out-File partners.json"),
		"first: what is in force now, for policy import here, and to go back to");
	command(b, json_string("Get-CsHostingProvider | Remove-CsHostingProvider"),
		"with a default route there are no providers; they are postern's now");
	command(b, json_string("Get-CsPublicProvider | Remove-CsPublicProvider"), "likewise");
	command(b,
		json_string("Get-CsAllowedDomain | Where-Object { $_.ProxyFqdn } | "
			    "Remove-CsAllowedDomain"),
		"an allowed domain with a ProxyFqdn would be connected to past postern");
	command(b,
		plan_textf("Set-CsAccessEdgeConfiguration -AllowFederatedUsers $True "
			   "-UseDefaultRouting -DefaultRouteFqdn \"%s\" -VerificationLevel "
			   "UseSourceVerification",
			q->inside),
		"everything for partners goes to postern, which says of each whether it is "
		"verified");
	users(b);
	plan_note(b,
		"back: Set-CsAccessEdgeConfiguration -UseDnsSrvRouting -EnablePartnerDiscovery "
		"$%s, then the providers and domains of partners.json",
		plan_is_on(q->switches, "EnablePartnerDiscovery") ? "True" : "False");
}

static void place_c(struct plan_build *b, const struct plan_question *q)
{
	step(b, plan_textf(
			"Topology Builder: a new edge pool of one computer, %s, whose next hop is "
			"the pool of Front Ends or Directors: postern's inside name. Publish",
			q->inside));
	step(b, plan_textf("Topology Builder, site: SIP federation is on, its route is %s",
			q->inside));
	step(b, json_string(
			"A/V and web conferencing stay with the edge servers that there are, as "
			"the Front Ends' edge pool for media"));
	command(b, json_string("Enable-CsTopology"),
		"if Topology Builder published without rights");
	command(b, json_string("Set-CsAccessEdgeConfiguration -AllowFederatedUsers $True"),
		"the inside offers federation; who may is postern's policy");
	users(b);
	command(b, json_string("Get-CsService -EdgeServer"), "the new edge is among them");
	plan_note(b,
		"the name must be in postern's inside certificate, of a CA that the Front Ends "
		"trust (plan certificates place=c)");
}

static void write_text(FILE *to, const json_t *result)
{
	size_t i;
	json_t *c;

	fprintf(to, "# Lync or Skype for Business, for %s: place %s\n",
		plan_string(result, "organisation"), plan_string(result, "place"));
	json_array_foreach(json_object_get(result, COMMANDS), i, c)
	{
		fputc('\n', to);
		plan_print_words(to, "# ", "# ", plan_string(c, "why"));
		if (plan_string(c, "command"))
			fprintf(to, "%s\n", plan_string(c, "command"));
	}
	json_array_foreach(json_object_get(result, "notes"), i, c)
	{
		fputc('\n', to);
		plan_print_words(to, "# To know: ", "# ", json_string_value(c));
	}
}

json_t *plan_lync(const struct plan_question *q)
{
	static const char *const names[] = {"a", "b", "c"};
	struct plan_build b;

	plan_begin(&b, q, COMMANDS);
	if (!b.failed)
		json_object_set_new(b.result, "place", json_string(names[q->place]));
	if (q->place == PLAN_PLACE_A)
		place_a(&b, q);
	else if (q->place == PLAN_PLACE_B)
		place_b(&b, q);
	else
		place_c(&b, q);
	return plan_end(&b, write_text);
}
