// SPDX-License-Identifier: BSD-2-Clause

#include "admit_model.h"

#include <string.h>

const char *const model_names[MODEL_NAMES] = {
	"a.com",
	"x.a.com",
	"z.x.a.com",
	"xa.com",
	"b.net",
	"long.b.net",
	"ours.org",
	"eu.ours.org",
	"c.example",
	"d.example",
	// servers
	"sip.a.com",
	"sip.x.a.com",
	"sip.b.net",
	"edge.ours.org",
	"im.public",
	"im2.public",
	"cloud.host",
	"sip.c.example",
};

// ---- names

// Counts labels from the right that two names have in common.
static int common_labels(const char *a, const char *b)
{
	const char *x = a + strlen(a), *y = b + strlen(b);
	int labels = 0;

	while (x > a && y > b && x[-1] == y[-1]) {
		x--;
		y--;
		if ((x == a || x[-1] == '.') && (y == b || y[-1] == '.'))
			labels++;
	}
	return labels;
}

static int labels_of(const char *a)
{
	return common_labels(a, a);
}

static bool is_at_or_below(int name, int domain)
{
	return common_labels(model_names[name], model_names[domain]) ==
	       labels_of(model_names[domain]);
}

static model_set all_within(int domain)
{
	model_set s = 0;

	for (int i = 0; i < MODEL_NAMES; i++)
		if (is_at_or_below(i, domain))
			s |= 1u << i;
	return s;
}

static model_set only(int name)
{
	return name < 0 ? 0 : 1u << name;
}

// ---- what a question is about

struct view {
	const struct model_policy *p;
	const struct model_question *q;
	const struct model_domain *entry; // the allowed one that counts, or NULL
	int entry_domain;
	int blocked_domain;
	model_set targets; // of D's SRV record
	model_set proved;
	bool known; // somebody has asked DNS
};

static int covering(const struct model_policy *p, int domain, enum model_listed as)
{
	int best = -1;

	for (int i = 0; i < MODEL_DOMAINS; i++) {
		const struct model_domain *d = &p->domains[i];

		if (d->listed != as)
			continue;
		if (i != domain && !(d->suffix && is_at_or_below(domain, i)))
			continue;
		if (best < 0 || labels_of(model_names[i]) > labels_of(model_names[best]))
			best = i;
	}
	return best;
}

static model_set providers_of(const struct view *v, bool public)
{
	model_set s = 0;

	for (int i = 0; i < MODEL_PROVIDERS; i++) {
		const struct model_provider *o = &v->p->providers[i];

		if (o->exists && o->enabled && o->public == public)
			s |= only(o->proxy);
	}
	return s;
}

static model_set sharing(const struct view *v)
{
	model_set s = 0;

	for (int i = 0; i < MODEL_PROVIDERS; i++) {
		const struct model_provider *o = &v->p->providers[i];

		if (o->exists && o->enabled && o->shared)
			s |= only(o->proxy);
	}
	return s;
}

// ---- the rows: when each applies, whom it wants proved, what it is called

static bool off(const struct view *v)
{
	return !v->p->on;
}

static bool is_blocked(const struct view *v)
{
	return v->blocked_domain >= 0;
}

static bool own_from_outside(const struct view *v)
{
	return !v->q->outbound && v->p->domains[v->q->domain].own;
}

static bool own_by_route(const struct view *v)
{
	return v->p->route >= 0 && own_from_outside(v);
}

static bool direct(const struct view *v)
{
	return v->entry != NULL && v->entry->proxy >= 0;
}

static bool routed(const struct view *v)
{
	return v->p->route >= 0;
}

static bool unasked_allowed(const struct view *v)
{
	return !v->known && v->entry != NULL;
}

static bool unasked_discovered(const struct view *v)
{
	return !v->known && v->p->discovery;
}

static bool unasked_public(const struct view *v)
{
	return !v->known && providers_of(v, true) != 0;
}

static bool public_target(const struct view *v)
{
	return (v->targets & providers_of(v, true)) != 0;
}

static bool hosted_target(const struct view *v)
{
	return (v->targets & providers_of(v, false)) != 0;
}

static bool hosted_stranger(const struct view *v)
{
	return hosted_target(v) && v->entry == NULL && !v->p->discovery;
}

static bool allowed(const struct view *v)
{
	return v->entry != NULL;
}

static bool discovering(const struct view *v)
{
	return v->p->discovery;
}

static bool always(const struct view *v)
{
	(void)v;
	return true;
}

static model_set want_sharing(const struct view *v)
{
	return sharing(v);
}

static model_set want_entered(const struct view *v)
{
	return only(v->entry->proxy) | v->entry->further;
}

static model_set want_route(const struct view *v)
{
	return only(v->p->route);
}

static model_set want_public(const struct view *v)
{
	return v->targets & providers_of(v, true);
}

static model_set want_hosting(const struct view *v)
{
	return v->targets & providers_of(v, false);
}

static model_set own_targets(const struct view *v)
{
	return v->targets & all_within(v->q->domain);
}

static model_set usable_targets(const struct view *v)
{
	return v->entry->trust_srv ? v->targets : own_targets(v);
}

static model_set want_srv(const struct view *v)
{
	return usable_targets(v) | v->entry->further;
}

enum refusal {
	NEVER,     // the row asks for no proof
	MISMATCH,  // name-mismatch
	OUR_NAME,  // own-domain
	BY_TARGETS // says what is the matter with SRV when no target is usable
};

static const struct row {
	enum postern_row row;
	bool (*applies)(const struct view *);
	model_set (*wants)(const struct view *); // NULL: no proof helps
	enum postern_partner_type type;
	enum refusal refusal;
	enum postern_reason reason; // of a row without proof
	bool asks;
} table[] = {
	{POSTERN_ROW_FEDERATION_OFF, off, NULL, 0, NEVER, POSTERN_REASON_FEDERATION_OFF, false},
	{POSTERN_ROW_BLOCKED, is_blocked, NULL, 0, NEVER, POSTERN_REASON_BLOCKED, false},
	{POSTERN_ROW_DEFAULT_ROUTE, own_by_route, want_route, POSTERN_TYPE_ROUTE, MISMATCH, 0,
		false},
	{POSTERN_ROW_OWN_DOMAIN, own_from_outside, want_sharing, POSTERN_TYPE_SHARED, OUR_NAME, 0,
		false},
	{POSTERN_ROW_ALLOWED_DIRECT, direct, want_entered, POSTERN_TYPE_DIRECT, MISMATCH, 0, false},
	{POSTERN_ROW_DEFAULT_ROUTE, routed, want_route, POSTERN_TYPE_ROUTE, MISMATCH, 0, false},
	{POSTERN_ROW_ALLOWED_SRV, unasked_allowed, NULL, 0, NEVER, POSTERN_REASON_SRV_UNKNOWN,
		true},
	{POSTERN_ROW_DISCOVERED, unasked_discovered, NULL, 0, NEVER, POSTERN_REASON_SRV_UNKNOWN,
		true},
	{POSTERN_ROW_PUBLIC_PROVIDER, unasked_public, NULL, 0, NEVER, POSTERN_REASON_SRV_UNKNOWN,
		true},
	{POSTERN_ROW_PUBLIC_PROVIDER, public_target, want_public, POSTERN_TYPE_PUBLIC, MISMATCH, 0,
		false},
	{POSTERN_ROW_HOSTING_PROVIDER, hosted_stranger, NULL, 0, NEVER,
		POSTERN_REASON_HOSTED_UNLISTED, false},
	{POSTERN_ROW_HOSTING_PROVIDER, hosted_target, want_hosting, POSTERN_TYPE_HOSTING, MISMATCH,
		0, false},
	{POSTERN_ROW_ALLOWED_SRV, allowed, want_srv, POSTERN_TYPE_SRV, BY_TARGETS, 0, false},
	{POSTERN_ROW_DISCOVERED, discovering, own_targets, POSTERN_TYPE_SRV, BY_TARGETS, 0, false},
	{POSTERN_ROW_OTHERWISE, always, NULL, 0, NEVER, POSTERN_REASON_NOT_LISTED, false},
};

static enum postern_reason why_not(const struct row *r, const struct view *v)
{
	if (r->refusal == OUR_NAME)
		return POSTERN_REASON_OWN_DOMAIN;
	if (r->refusal == MISMATCH)
		return POSTERN_REASON_NAME_MISMATCH;
	const model_set usable =
		r->row == POSTERN_ROW_ALLOWED_SRV ? usable_targets(v) : own_targets(v);

	if (usable != 0)
		return POSTERN_REASON_NAME_MISMATCH;
	if (v->targets != 0)
		return POSTERN_REASON_SRV_OTHER_DOMAIN;
	return v->p->domains[v->q->domain].facts == POSTERN_FACTS_NONE ? POSTERN_REASON_SRV_NONE
								       : POSTERN_REASON_SRV_FAILED;
}

// Providers whose ProxyFqdn is among these names and that this row may mean.
static unsigned nameable(const struct view *v, const struct row *r, model_set names)
{
	unsigned out = 0;

	for (int i = 0; i < MODEL_PROVIDERS; i++) {
		const struct model_provider *o = &v->p->providers[i];
		const bool fits = r->row == POSTERN_ROW_PUBLIC_PROVIDER    ? o->public
				  : r->row == POSTERN_ROW_HOSTING_PROVIDER ? !o->public
				  : r->row == POSTERN_ROW_OWN_DOMAIN       ? o->shared
									   : false;

		if (o->exists && o->enabled && fits && (only(o->proxy) & names) != 0)
			out |= 1u << i;
	}
	return out;
}

static enum postern_verification level_of(const struct view *v, const struct row *r, int named)
{
	switch (r->row) {
	case POSTERN_ROW_ALLOWED_DIRECT:
	case POSTERN_ROW_ALLOWED_SRV:
		return v->entry->level;
	case POSTERN_ROW_DISCOVERED:
		return v->p->discovered;
	case POSTERN_ROW_DEFAULT_ROUTE:
		return v->p->route_level;
	default:
		return named >= 0 ? v->p->providers[named].level : POSTERN_VERIFY_USE_SOURCE;
	}
}

// The marks that come out, by level and by the mark that came in. MISSING: the message is refused.
static const enum postern_mark marks[3][4] = {
	[POSTERN_VERIFY_USE_SOURCE] = {POSTERN_MARK_IRRELEVANT, POSTERN_MARK_MISSING,
		POSTERN_MARK_VERIFIED, POSTERN_MARK_UNVERIFIED},
	[POSTERN_VERIFY_ALWAYS_VERIFIABLE] = {POSTERN_MARK_IRRELEVANT, POSTERN_MARK_VERIFIED,
		POSTERN_MARK_VERIFIED, POSTERN_MARK_UNVERIFIED},
	[POSTERN_VERIFY_ALWAYS_UNVERIFIABLE] = {POSTERN_MARK_IRRELEVANT, POSTERN_MARK_UNVERIFIED,
		POSTERN_MARK_UNVERIFIED, POSTERN_MARK_UNVERIFIED},
};

static void take_back(struct model_answer *a, enum postern_reason reason)
{
	a->outcome = POSTERN_REFUSE;
	a->reason = reason;
	a->type = POSTERN_TYPE_NONE;
	a->watched = false;
}

static void prove(const struct view *v, const struct row *r, int named, struct model_answer *a)
{
	const model_set wanted = r->wants(v);
	const model_set shown = v->q->assumed ? wanted : wanted & v->proved;

	a->providers = nameable(v, r, shown != 0 ? shown : wanted);
	if (shown == 0) {
		a->reason = why_not(r, v);
		if (r->refusal == OUR_NAME)
			a->providers = 0;
		return;
	}
	a->outcome = POSTERN_ADMIT;
	a->reason = POSTERN_REASON_ADMITTED;
	a->type = r->type;
	a->watched = r->row == POSTERN_ROW_DISCOVERED;
	if (v->q->type != POSTERN_TYPE_NONE && v->q->type != a->type) {
		take_back(a, POSTERN_REASON_TYPE_CONFLICT);
		return;
	}
	if (v->q->outbound)
		return;
	a->mark = marks[level_of(v, r, named)][v->q->mark];
	if (a->mark != POSTERN_MARK_MISSING)
		return;
	if (r->row == POSTERN_ROW_DEFAULT_ROUTE) {
		a->mark = POSTERN_MARK_UNVERIFIED;
	} else {
		take_back(a, POSTERN_REASON_MARK_MISSING);
		a->mark = POSTERN_MARK_IRRELEVANT;
	}
}

void model_decide(const struct model_policy *p, const struct model_question *q, int named,
	struct model_answer *a)
{
	const struct model_domain *d = &p->domains[q->domain];
	const struct row *r = table;
	struct view v = {
		.p = p,
		.q = q,
		.entry_domain = covering(p, q->domain, MODEL_ALLOWED),
		.blocked_domain = covering(p, q->domain, MODEL_BLOCKED),
		.targets = d->asked ? d->targets : 0,
		.known = d->asked && d->facts != POSTERN_FACTS_UNKNOWN,
		.proved = q->proved,
	};

	v.entry = v.entry_domain >= 0 ? &p->domains[v.entry_domain] : NULL;
	*a = (struct model_answer){
		.allowed = v.entry_domain,
		.blocked = -1,
		.monitored = v.entry != NULL && v.entry->monitored,
		.reason = POSTERN_REASON_NO_ORGANISATION,
	};
	if (!p->present)
		return;
	while (!r->applies(&v))
		r++;
	a->row = r->row;
	a->reason = r->reason;
	if (r->row == POSTERN_ROW_BLOCKED)
		a->blocked = v.blocked_domain;
	if (v.entry != NULL && r > &table[3])
		a->admission = v.entry->admission;
	if (r->asks)
		a->outcome = POSTERN_ASK;
	if (r->wants != NULL)
		prove(&v, r, named, a);
	else if (r->row == POSTERN_ROW_HOSTING_PROVIDER)
		a->providers = nameable(&v, r, want_hosting(&v));
}
