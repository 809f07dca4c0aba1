// SPDX-License-Identifier: BSD-2-Clause
// plan: what the configuration and the policy want of DNS, certificates, firewalls, the inside and
// partners. The policy is asked piece by piece, and the plan made when all of it is there.

#include "control/config/config.h"
#include "control/rpc/plan.h"

#include "postern/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// Most services that a plan is made of, for the same reason as PLAN_DOMAINS_MAX.
#define SERVICES_MAX 256u

enum kind {
	DNS,
	CERTIFICATES,
	PORTS,
	LYNC,
	PARTNER,
	CHECK,
};

// What is asked, in this order.
enum stage {
	SWITCHES,
	PROVIDERS,
	PARTNERS,
	PUSH,
	ALLOWED,
	BLOCKED,
	ASKED,
};

struct plan_call {
	struct rpc_policy_call *pc;
	enum kind kind;
	enum stage stage;
	enum plan_place place;
	bool zone; // the form
	bool push;
	bool more_providers, more_partners;
	char inside[POSTERN_DOMAIN_MAX + 1];
	char domain[POSTERN_DOMAIN_MAX + 1]; // DNS: ours; of a partner: his; empty: not given
	struct rpc_plan_check check;
	json_t *switches, *providers, *partners, *allowed, *blocked;
};

static void free_call(struct plan_call *p)
{
	json_decref(p->switches);
	json_decref(p->providers);
	json_decref(p->partners);
	json_decref(p->allowed);
	json_decref(p->blocked);
	free(p->pc);
	free(p);
}

static json_t *zone_of(json_t *dns)
{
	char *text = dns ? plan_zone(dns) : NULL;
	json_t *shown = text ? json_pack("{s:s}", "zone", text) : NULL;

	free(text);
	json_decref(dns);
	return shown;
}

static json_t *make(const struct plan_call *p, const struct plan_question *q)
{
	switch (p->kind) {
	case DNS:
		return p->zone ? zone_of(plan_dns(q)) : plan_dns(q);
	case CERTIFICATES:
		return plan_certificates(q);
	case PORTS:
		return plan_ports(q);
	case LYNC:
		return plan_lync(q);
	case PARTNER:
	case CHECK:
		break;
	}
	return plan_partner(q, p->domain, p->allowed, p->blocked);
}

// Its `domain` is one of ours.
static bool is_of_dns(const struct plan_call *p)
{
	return p->kind == DNS || p->kind == CHECK;
}

// A reload may have taken the organisation away meanwhile.
static void answer(struct plan_call *p)
{
	const struct rpc_context *context = p->pc->context;
	const struct config *c = context->config(context->daemon);
	const struct plan_question q = {
		.config = c,
		.organisation = config_organisation_find(c, p->pc->organisation),
		.switches = p->switches,
		.providers = p->providers,
		.partners = p->partners,
		.more_providers = p->more_providers,
		.more_partners = p->more_partners,
		.push = p->push,
		.domain = is_of_dns(p) && p->domain[0] != '\0' ? p->domain : NULL,
		.place = p->place,
		.inside = p->inside[0] != '\0' ? p->inside : NULL,
	};

	if (!q.organisation) {
		rpc_fail_not_found(p->pc->call, "organisation", p->pc->organisation, NULL);
	} else if (p->kind == CHECK) {
		rpc_plan_check(p->pc, &q, &p->check);
		p->pc = NULL;
	} else {
		json_t *plan = make(p, &q);

		if (plan)
			rpc_reply(p->pc->call, plan);
		else
			rpc_fail(p->pc->call, RPC_INTERNAL_ERROR, NULL, "out of memory");
	}
	free_call(p);
}

static void ask(struct plan_call *p);

static bool counts(const struct policy_result *r)
{
	return r->status == 0 && r->entry && policy_entry_is_on(r->entry, "enabled");
}

static json_t *entry_of(const struct policy_result *r)
{
	return r->status == 0 && r->entry ? policy_entry_json(r->entry) : NULL;
}

static void told(void *user, const struct policy_result *r)
{
	struct plan_call *p = user;

	if (r->status != -ENOENT && rpc_policy_failed(p->pc, r)) {
		free_call(p);
		return;
	}
	switch (p->stage++) {
	case SWITCHES:
		p->switches = entry_of(r);
		break;
	case PROVIDERS:
		p->providers = json_incref(r->items);
		p->more_providers = r->next != NULL;
		break;
	case PARTNERS:
		p->partners = json_incref(r->items);
		p->more_partners = r->next != NULL;
		break;
	case PUSH:
		p->push = counts(r);
		break;
	case ALLOWED:
		p->allowed = entry_of(r);
		break;
	case BLOCKED:
		p->blocked = entry_of(r);
		break;
	case ASKED:
		break;
	}
	ask(p);
}

static int ask_list(struct plan_call *p, enum policy_kind kind)
{
	struct policy_query query = {
		.organisation = p->pc->organisation,
		.kind = kind,
		.filter = {.kind = kind},
		.whole = true,
		.limit = PLAN_PARTNERS_MAX,
	};

	return policy_list(p->pc->context->policy, &query, told, p);
}

static int ask_one(struct plan_call *p, enum policy_kind kind, const char *key)
{
	return policy_show(p->pc->context->policy, p->pc->organisation, kind, key, told, p);
}

static int ask_stage(struct plan_call *p)
{
	switch (p->stage) {
	case SWITCHES:
		return ask_one(p, POLICY_SWITCHES, NULL);
	case PROVIDERS:
		return ask_list(p, POLICY_PROVIDER);
	case PARTNERS:
		return ask_list(p, POLICY_ALLOWED);
	case PUSH:
		return ask_one(p, POLICY_ALLOWED, "push.lync.com");
	case ALLOWED:
		return ask_one(p, POLICY_ALLOWED, p->domain);
	default:
		return ask_one(p, POLICY_BLOCKED, p->domain);
	}
}

static void ask(struct plan_call *p)
{
	if (p->stage == ALLOWED && p->kind != PARTNER)
		p->stage = ASKED;
	if (p->stage == ASKED) {
		answer(p);
		return;
	}
	const int status = ask_stage(p);
	if (status != 0) {
		struct rpc_policy_call *pc = p->pc;

		p->pc = NULL;
		free_call(p);
		rpc_policy_not_asked(pc, status);
	}
}

// ---- Parameters; each is false after having answered

static bool read_domain(struct rpc_call *call, const json_t *params, const char *name,
	char out[static POSTERN_DOMAIN_MAX + 1])
{
	const char *text = rpc_param_string(params, name);
	const char *why = "out of memory";
	struct postern_domain domain;

	out[0] = '\0';
	if (!text)
		return true;
	if (postern_domain_read(text, strlen(text), &domain, &why) != 0) {
		rpc_fail(call, RPC_INVALID_PARAMS,
			rpc_mistake(NULL, name, 0, why, "a name such as contoso.com"), "%s: %s",
			name, why);
		return false;
	}
	memcpy(out, domain.text, domain.length);
	out[domain.length] = '\0';
	return true;
}

static bool is_own(const struct config_organisation *o, const char *domain)
{
	for (size_t i = 0; i < o->domains.count; i++)
		if (strcmp(o->domains.items[i], domain) == 0)
			return true;
	return false;
}

static bool check_domain(
	struct plan_call *p, struct rpc_call *call, const struct config_organisation *o)
{
	struct rpc_names names = {0};

	if (p->kind == PARTNER && is_own(o, p->domain)) {
		rpc_fail(call, RPC_INVALID_PARAMS,
			rpc_mistake(
				NULL, "domain", 0, "this is one of our own domains", "a partner's"),
			"%s is one of our own domains", p->domain);
		return false;
	}
	if (!is_of_dns(p) || p->domain[0] == '\0' || is_own(o, p->domain))
		return true;
	for (size_t i = 0; i < o->domains.count; i++)
		rpc_names_add(&names, o->domains.items[i]);
	rpc_fail_not_found(call, "domain", p->domain, rpc_names_text(&names, NULL));
	return false;
}

static bool check_size(struct plan_call *p, struct rpc_call *call, const struct config *c,
	const struct config_organisation *o)
{
	const bool alone = is_of_dns(p) && p->domain[0] != '\0';

	if ((alone || o->domains.count <= PLAN_DOMAINS_MAX) && c->services.count <= SERVICES_MAX)
		return true;
	rpc_fail(call, RPC_REFUSED, NULL,
		"plans are made for %u SIP domains of an organisation (of DNS: or for one, "
		"domain=NAME) and %u services at most; there are %zu and %zu",
		PLAN_DOMAINS_MAX, SERVICES_MAX, o->domains.count, c->services.count);
	return false;
}

static bool read_place(struct plan_call *p, struct rpc_call *call, const json_t *params)
{
	const char *place = rpc_param_string(params, "place");

	p->place = place ? (enum plan_place)(place[0] - 'a') : PLAN_PLACE_A;
	if (!read_domain(call, params, "inside", p->inside))
		return false;
	if (p->place == PLAN_PLACE_A || p->kind == PORTS || p->inside[0] != '\0')
		return true;
	rpc_fail(call, RPC_INVALID_PARAMS,
		rpc_mistake(NULL, "inside", 0, "missing",
			"postern's name towards the pool, such as postern.contoso.local"),
		"places b and c want postern's name towards the pool: inside=NAME");
	return false;
}

static void plan(
	struct rpc_call *call, const json_t *params, struct rpc_context *context, enum kind kind)
{
	const char *form = rpc_param_string(params, "form");
	const struct config *c = context->config(context->daemon);
	struct rpc_policy_call *pc = rpc_policy_call_new(call, context, params);
	struct plan_call *p = pc ? calloc(1, sizeof(*p)) : NULL;

	if (!p) {
		if (pc)
			rpc_policy_not_asked(pc, -ENOMEM);
		return;
	}
	const struct config_organisation *o = config_organisation_find(c, pc->organisation);
	p->pc = pc;
	p->kind = kind;
	p->zone = form && strcmp(form, "zone") == 0;
	if ((kind != CHECK || rpc_plan_check_read(call, params, &p->check)) &&
		read_domain(call, params, "domain", p->domain) && check_domain(p, call, o) &&
		check_size(p, call, c, o) && read_place(p, call, params))
		ask(p);
	else
		free_call(p);
}

static void plan_of_dns(struct rpc_call *call, const json_t *params, void *user)
{
	plan(call, params, user, DNS);
}

static void plan_of_certificates(struct rpc_call *call, const json_t *params, void *user)
{
	plan(call, params, user, CERTIFICATES);
}

static void plan_of_ports(struct rpc_call *call, const json_t *params, void *user)
{
	plan(call, params, user, PORTS);
}

static void plan_of_lync(struct rpc_call *call, const json_t *params, void *user)
{
	plan(call, params, user, LYNC);
}

static void plan_of_partner(struct rpc_call *call, const json_t *params, void *user)
{
	plan(call, params, user, PARTNER);
}

static void plan_is_checked(struct rpc_call *call, const json_t *params, void *user)
{
	plan(call, params, user, CHECK);
}

static const char *const forms[] = {"text", "zone", NULL};
static const char *const places[] = {"a", "b", "c", NULL};

#define ORGANISATION                                                                               \
	{                                                                                          \
		"organisation", RPC_STRING, false, false, NULL, "whose; may lack if there is one"  \
	}
#define PLACE                                                                                      \
	{                                                                                          \
		"place", RPC_STRING, false, false, places,                                         \
			"a: before the edge servers, forwarding (default); b: terminating; c: in " \
			"place of the access edge; b and c for planning ahead"                     \
	}
#define INSIDE                                                                                     \
	{                                                                                          \
		"inside", RPC_STRING, false, false, NULL,                                          \
			"of places b and c: postern's name towards the pool"                       \
	}

static const struct rpc_param dns_params[] = {
	{"domain", RPC_STRING, false, true, NULL, "one of our SIP domains; default all"},
	{"form", RPC_STRING, false, false, forms, "zone: as zone files have it"},
	ORGANISATION,
	{0},
};
static const struct rpc_param named_place_params[] = {PLACE, INSIDE, ORGANISATION, {0}};
static const struct rpc_param place_params[] = {PLACE, ORGANISATION, {0}};
static const struct rpc_param partner_params[] = {
	{"domain", RPC_STRING, true, true, NULL, "the partner's SIP domain"},
	ORGANISATION,
	{0},
};

static const char *const checks[] = {"all", "dns", "certificates", NULL};
static const struct rpc_param check_params[] = {
	{"what", RPC_STRING, false, true, checks, "default all"},
	{"domain", RPC_STRING, false, false, NULL, "of DNS: one of our SIP domains; default all"},
	{"resolver", RPC_STRING, false, false, NULL,
		"whom to ask, such as 192.0.2.53; default those of the configuration"},
	ORGANISATION,
	{0},
};

static const struct rpc_method methods[] = {
	{"plan.dns", RPC_VIEW, "what must be published in DNS", dns_params, plan_of_dns},
	{"plan.certificates", RPC_VIEW, "which certificates there must be, and who holds them",
		named_place_params, plan_of_certificates},
	{"plan.ports", RPC_VIEW, "what firewalls must let through", place_params, plan_of_ports},
	{"plan.lync", RPC_VIEW, "steps and commands for Lync or Skype for Business inside",
		named_place_params, plan_of_lync},
	{"plan.partner", RPC_VIEW, "the sheet to send to a partner", partner_params,
		plan_of_partner},
	{"plan.check", RPC_VIEW,
		"what DNS and the certificate files hold, against the plans; exit code 1 if that "
		"differs",
		check_params, plan_is_checked},
};

void rpc_methods_plan(struct rpc_context *context)
{
	rpc_server_add(context->server, methods, sizeof(methods) / sizeof(methods[0]), context);
}
