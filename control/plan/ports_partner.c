// SPDX-License-Identifier: BSD-2-Clause
// Which partners come to port 5061, and whom we connect to, as the policy has them.

#include "control/plan/private.h"

#include <string.h>

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

struct partners {
	struct plan_build *b;
	const struct plan_question *q;
	json_t *ours; // outside addresses, or who opens connections
	bool out;
};

static void partner_row(const struct partners *p, json_t *theirs, json_t *why)
{
	plan_port_outside(p->b, p->ours, theirs, p->out, "tcp", "5061", json_string_value(why));
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
		partner_row(p, plan_one("any"),
			plan_textf("partners by SRV (%zu domains%s): where DNS says, which may "
				   "change",
				by_srv, p->q->more_partners ? " or more" : ""));
	if (discovery)
		partner_row(p, plan_one("any"), json_string("discovered partners"));
}

void plan_port_partners(struct plan_build *b, const struct plan_question *q, bool out)
{
	const bool on = plan_is_on(q->switches, "AllowFederatedUsers");
	const char *route = plan_string(q->switches, "DefaultRouteFqdn");
	const char *routing = plan_string(q->switches, "RoutingMethod");
	struct partners p = {.b = b, .q = q, .out = out};

	p.ours = out ? plan_openers(q, CONFIG_PROFILE_ACCESS_EDGE)
		     : plan_service_addresses(q, CONFIG_PROFILE_ACCESS_EDGE, 0);
	const bool wanted = json_array_size(p.ours) > 0 && (on || q->place == PLAN_PLACE_A);

	if (wanted && !on) {
		partner_row(&p, plan_one("any"),
			json_string("partners: the edge servers decide on them"));
	} else if (wanted && route && routing && strcmp(routing, "UseDefaultRouting") == 0) {
		partner_row(&p, plan_one(route), json_string("the default route"));
	} else if (wanted) {
		allowed_rows(&p);
		provider_rows(&p);
	}
	json_decref(p.ours);
}
