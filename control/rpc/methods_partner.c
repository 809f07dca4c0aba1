// SPDX-License-Identifier: BSD-2-Clause
// partner: how a domain would be decided upon, and why. The decision is made by the very function that
// decides on messages.

#include "control/config/config.h"
#include "control/rpc/partner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX 32

static json_t *age_ms(uint64_t wall_us)
{
	const uint64_t now = rpc_wall_us();

	return wall_us == 0 ? json_null() : rpc_uint(now > wall_us ? (now - wall_us) / 1000 : 0);
}

static json_t *address_list(const struct postern_addr *addresses, unsigned n)
{
	char text[POSTERN_ADDR_TEXT];
	json_t *list = json_array();

	for (unsigned i = 0; i < n; i++)
		json_array_append_new(list, json_string(postern_addr_format(&addresses[i], text)));
	return list;
}

static json_t *since(uint64_t wall_us)
{
	return wall_us == 0 ? json_null() : rpc_time(wall_us);
}

// The addresses of the server that the decision names, where it names one.
static void add_peer(
	json_t *facts, struct postern_policy *tables, const struct postern_domain *peer)
{
	struct postern_addr addresses[POSTERN_ADDRESSES_MAX];
	uint64_t wall_us;
	const unsigned n = postern_policy_get_host(tables, peer, addresses, &wall_us);

	json_object_set_new(facts, "peer-addresses", address_list(addresses, n));
	json_object_set_new(facts, "peer-since", since(wall_us));
	json_object_set_new(facts, "peer-age-ms", age_ms(wall_us));
}

static json_t *facts_object(struct postern_policy *tables, const struct postern_answer *a,
	const struct postern_facts *f)
{
	static const char *const states[] = {
		[POSTERN_FACTS_UNKNOWN] = "not asked",
		[POSTERN_FACTS_GOOD] = "good",
		[POSTERN_FACTS_NONE] = "no record",
		[POSTERN_FACTS_FAILED] = "failed",
	};

	json_t *facts = json_pack("{s:s, s:o, s:o}", "srv", states[f->state], "since",
		since(f->wall_us), "age-ms", age_ms(f->wall_us));
	if (facts && a->peer.length > 0)
		add_peer(facts, tables, &a->peer);
	return facts;
}

// The targets of the domain's SRV record, as it was answered.
static json_t *target_list(const struct postern_facts *f)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < f->n_targets; i++) {
		const struct postern_target *t = &f->targets[i];

		json_array_append_new(list,
			json_pack("{s:s, s:i, s:i, s:i, s:o}", "target", t->name.text, "priority",
				(int)t->priority, "weight", (int)t->weight, "port", (int)t->port,
				"addresses", address_list(t->addresses, t->n_addresses)));
	}
	return list;
}

static const char *verification_name(enum postern_verification v)
{
	static const char *const names[] = {
		[POSTERN_VERIFY_USE_SOURCE] = "UseSourceVerification",
		[POSTERN_VERIFY_ALWAYS_VERIFIABLE] = "AlwaysVerifiable",
		[POSTERN_VERIFY_ALWAYS_UNVERIFIABLE] = "AlwaysUnverifiable",
	};

	return names[v];
}

json_t *rpc_partner_decision(const struct rpc_partner_call *p)
{
	const struct postern_answer *a = &p->answer;
	const bool admitted = a->outcome == POSTERN_ADMIT;
	struct postern_policy *tables = policy_tables(p->pc->context->policy);
	struct postern_facts_copy known;

	if (postern_policy_get_facts(tables, &p->domain, &known) != 0)
		known.facts = (struct postern_facts){.state = POSTERN_FACTS_UNKNOWN};
	return json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:b, s:b, s:o, s:o}",
		"domain", p->domain.text, "organisation", p->pc->organisation, "direction",
		p->direction == POSTERN_INBOUND ? "inbound" : "outbound", "decision",
		postern_outcome_name(a->outcome), "row", postern_row_name(a->row), "reason",
		postern_reason_name(a->reason), "why", postern_reason_help(a->reason), "type",
		admitted ? rpc_text(postern_partner_type_name(a->type)) : json_null(), "peer",
		a->peer.length > 0 ? rpc_text(a->peer.text) : json_null(), "verification-level",
		admitted ? rpc_text(verification_name(a->verification)) : json_null(), "admission",
		rpc_text(a->admission == POSTERN_ADMISSION_OBSERVE ? "observe" : "enforce"),
		"watched", a->watched, "monitored", a->monitored, "facts",
		facts_object(tables, a, &known.facts), "targets", target_list(&known.facts));
}

// Takes the entry.
static void reply(struct rpc_partner_call *p, json_t *entry)
{
	json_t *shown = rpc_partner_decision(p);

	if (shown && !p->given && p->direction == POSTERN_INBOUND)
		json_object_set_new(shown, "assumed",
			json_string("that the peer's certificate proves the right name"));
	if (shown)
		json_object_set_new(shown, "entry", entry ? entry : json_null());
	else
		json_decref(entry);
	rpc_reply(p->pc->call, shown);
	free(p->pc);
	free(p);
}

static void show_listed(struct rpc_partner_call *p);

// An entry with `suffix` speaks of domains below it, too.
static void entry_shown(void *user, const struct policy_result *r)
{
	struct rpc_partner_call *p = user;
	const char *dot = strchr(p->key, '.');

	if (r->status != -ENOENT || !dot) {
		p->shown(p, r->status == 0 && r->entry ? policy_entry_json(r->entry) : NULL);
		return;
	}
	p->key = dot + 1;
	show_listed(p);
}

static void show_listed(struct rpc_partner_call *p)
{
	const int status = policy_show(p->pc->context->policy, p->pc->organisation,
		p->answer.blocked != 0 ? POLICY_BLOCKED : POLICY_ALLOWED, p->key, entry_shown, p);

	if (status != 0)
		p->shown(p, NULL);
}

static void provider_shown(void *user, const struct policy_result *r)
{
	struct rpc_partner_call *p = user;

	p->shown(p, r->status == 0 ? json_incref(json_array_get(r->items, 0)) : NULL);
}

void rpc_partner_show_entry(struct rpc_partner_call *p)
{
	struct policy *policy = p->pc->context->policy;
	const struct postern_answer *a = &p->answer;
	int status = -ENOENT;

	if (a->blocked != 0 || a->allowed != 0) {
		p->key = a->partner.text;
		show_listed(p);
		return;
	}
	if (a->provider != 0 && a->peer.length > 0) {
		struct policy_query q = {.organisation = p->pc->organisation,
			.kind = POLICY_PROVIDER,
			.filter = {.kind = POLICY_PROVIDER},
			.limit = 1};

		q.filter.value[2] = strdup(a->peer.text);
		if (q.filter.value[2])
			status = policy_list(policy, &q, provider_shown, p);
	}
	if (status != 0)
		p->shown(p, NULL);
}

// "a.example, b.example" in place; false after having answered.
static bool read_names(struct rpc_call *call, const char *text, struct postern_domain *domains,
	struct postern_name *names, unsigned *n)
{
	for (*n = 0; *text != '\0';) {
		text += strspn(text, ", ");
		const size_t length = strcspn(text, ", ");
		const char *why = "there are more than 32 of them";

		if (length == 0)
			break;
		if (*n == NAMES_MAX || postern_domain_read(text, length, &domains[*n], &why) != 0) {
			rpc_fail(call, RPC_INVALID_PARAMS,
				rpc_mistake(NULL, "names", 0, why,
					"names such as sip.contoso.com with commas between"),
				"names: %s", why);
			return false;
		}
		names[*n] = (struct postern_name){domains[*n].text, domains[*n].length};
		(*n)++;
		text += length;
	}
	return true;
}

bool rpc_partner_decide(struct rpc_partner_call *p, const json_t *params)
{
	struct policy *policy = p->pc->context->policy;
	const char *given = rpc_param_string(params, "names");
	struct postern_domain domains[NAMES_MAX];
	struct postern_name names[NAMES_MAX];
	unsigned n = 0;
	const int id = policy_organisation_id(policy, p->pc->organisation);

	if (!policy_tables(policy) || id < 0) {
		rpc_fail(p->pc->call, RPC_REFUSED, NULL, "the organisation is not in force yet");
		return false;
	}
	if (given && !read_names(p->pc->call, given, domains, names, &n))
		return false;
	p->given = given != NULL;
	const struct postern_question q = {
		.organisation = (uint16_t)id,
		.direction = p->direction,
		.domain = &p->domain,
		.proof = given ? POSTERN_PROOF_NAMES : POSTERN_PROOF_ASSUMED,
		.names = names,
		.n_names = n,
	};
	postern_policy_decide(policy_tables(policy), &q, &p->answer);
	return true;
}

struct rpc_partner_call *rpc_partner_call_new(
	struct rpc_call *call, const json_t *params, struct rpc_context *context)
{
	const char *text = rpc_param_string(params, "domain");
	struct postern_domain domain;
	const char *why = "out of memory";

	if (postern_domain_read(text, strlen(text), &domain, &why) != 0) {
		rpc_fail(call, RPC_INVALID_PARAMS,
			rpc_mistake(NULL, "domain", 0, why, "a domain such as contoso.com"),
			"domain: %s", why);
		return NULL;
	}
	struct rpc_policy_call *pc = rpc_policy_call_new(call, context, params);
	if (!pc)
		return NULL;
	struct rpc_partner_call *p = calloc(1, sizeof(*p));
	if (!p) {
		rpc_policy_not_asked(pc, -ENOMEM);
		return NULL;
	}
	p->pc = pc;
	p->domain = domain;
	return p;
}

static void partner_show(struct rpc_call *call, const json_t *params, void *user)
{
	const char *direction = rpc_param_string(params, "direction");
	struct rpc_partner_call *p = rpc_partner_call_new(call, params, user);

	if (!p)
		return;
	p->shown = reply;
	p->direction = direction && strcmp(direction, "outbound") == 0 ? POSTERN_OUTBOUND
								       : POSTERN_INBOUND;
	if (rpc_partner_decide(p, params)) {
		rpc_partner_show_entry(p);
		return;
	}
	free(p->pc);
	free(p);
}

static const char *const directions[] = {"inbound", "outbound", NULL};

static const struct rpc_param show_params[] = {
	{"domain", RPC_STRING, true, true, NULL, "the domain that speaks, or is spoken to"},
	{"direction", RPC_STRING, false, false, directions, "default inbound"},
	{"names", RPC_STRING, false, false, NULL,
		"what the peer's certificate proves; without them: what is right"},
	{"organisation", RPC_STRING, false, false, NULL, "whose; may lack if there is one"},
	{0},
};

static const struct rpc_method methods[] = {
	{"partner.show", RPC_VIEW, "how a domain is decided upon: row, why, entry, DNS facts",
		show_params, partner_show},
};

void rpc_methods_partner(struct rpc_context *context)
{
	rpc_server_add(context->server, methods, sizeof(methods) / sizeof(methods[0]), context);
}
