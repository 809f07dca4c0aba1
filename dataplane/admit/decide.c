// SPDX-License-Identifier: BSD-2-Clause
// The table of rows (README.md), and nothing else: what is known goes in, what follows comes out.

#include "admit/private.h"

// Whether the peer proves this name.
static bool proves(const struct postern_question *q, const char *text, size_t length)
{
	if (q->proof == POSTERN_PROOF_ASSUMED)
		return true;
	for (unsigned i = 0; i < q->n_names; i++)
		if (admit_name_equal(q->names[i].text, q->names[i].length, text, length))
			return true;
	return false;
}

static bool proves_domain(const struct postern_question *q, const struct postern_domain *d)
{
	return proves(q, d->text, d->length);
}

static bool has_proxy(const struct admit_listing *l)
{
	return l->names != NULL && l->names->has_proxy;
}

// Whether the peer proves one of the names that the operator wrote down for this entry.
static bool proves_entered(const struct postern_question *q, const struct admit_listing *l)
{
	const struct admit_names *names = l->names;
	const uint8_t *at;

	if (names == NULL)
		return false;
	at = admit_names_first(names);
	for (unsigned i = 0; i < names->n; i++, at += 1 + *at)
		if (proves(q, (const char *)at + 1, *at))
			return true;
	return false;
}

static const char *target_text(const struct admit_facts *f, const struct admit_target *t)
{
	return (const char *)f + t->name;
}

// "Same domain": the target is D or below it, label by label.
static bool target_is_within(
	const struct admit_facts *f, const struct admit_target *t, const struct postern_domain *d)
{
	const char *text = target_text(f, t);

	if (t->length < d->length)
		return false;
	const size_t above = (size_t)t->length - d->length;

	return memcmp(text + above, d->text, d->length) == 0 &&
	       (above == 0 || text[above - 1] == '.');
}

static bool target_is(
	const struct admit_facts *f, const struct admit_target *t, const struct admit_provider *v)
{
	return t->hash == v->hash && admit_name_equal(target_text(f, t), t->length,
					     v->proxy_fqdn.text, v->proxy_fqdn.length);
}

static unsigned n_targets(const struct admit_known *k)
{
	return k->facts != NULL ? k->facts->n_targets : 0;
}

static enum postern_facts_state facts_state(const struct admit_known *k)
{
	return k->facts != NULL ? k->facts->state : POSTERN_FACTS_UNKNOWN;
}

static void copy_domain(struct postern_domain *to, const char *text, size_t length)
{
	memcpy(to->text, text, length);
	to->text[length] = '\0';
	to->length = (uint8_t)length;
}

static void refuse(struct postern_answer *a, enum postern_row row, enum postern_reason reason)
{
	a->row = row;
	a->outcome = POSTERN_REFUSE;
	a->reason = reason;
}

// The row's last word: admitted if the proof holds.
static void settle(struct postern_answer *a, enum postern_row row, enum postern_partner_type type,
	enum postern_verification level, bool proved)
{
	refuse(a, row, POSTERN_REASON_NAME_MISMATCH);
	a->verification = level;
	if (!proved)
		return;
	a->outcome = POSTERN_ADMIT;
	a->reason = POSTERN_REASON_ADMITTED;
	a->type = type;
}

static void settle_provider(const struct postern_question *q, struct postern_answer *a,
	enum postern_row row, enum postern_partner_type type, const struct admit_provider *v)
{
	a->provider = v->id;
	copy_domain(&a->peer, v->proxy_fqdn.text, v->proxy_fqdn.length);
	settle(a, row, type, v->verification, proves_domain(q, &v->proxy_fqdn));
}

static void settle_route(const struct admit_organisation *o, const struct postern_question *q,
	struct postern_answer *a)
{
	const struct postern_switches *s = &o->switches;

	copy_domain(&a->peer, s->default_route.text, s->default_route.length);
	settle(a, POSTERN_ROW_DEFAULT_ROUTE, POSTERN_TYPE_ROUTE, s->default_route_verification,
		proves_domain(q, &s->default_route));
}

static void settle_own(
	const struct admit_known *k, const struct postern_question *q, struct postern_answer *a)
{
	const struct admit_organisation *o = k->organisation;

	for (unsigned i = 0; i < o->n_providers; i++) {
		const struct admit_provider *v = &o->providers[i];

		if (!v->enabled || !v->shared_address_space || !proves_domain(q, &v->proxy_fqdn))
			continue;
		settle_provider(q, a, POSTERN_ROW_OWN_DOMAIN, POSTERN_TYPE_SHARED, v);
		return;
	}
	refuse(a, POSTERN_ROW_OWN_DOMAIN, POSTERN_REASON_OWN_DOMAIN);
}

// The enabled provider of that kind whose ProxyFqdn is an SRV target of D: one that the peer proves to
// be, if there are several. NULL: none.
static const struct admit_provider *provider_of(const struct admit_known *k,
	const struct postern_question *q, enum postern_provider_kind kind)
{
	const struct admit_organisation *o = k->organisation;
	const struct admit_provider *found = NULL;

	for (unsigned t = 0; t < n_targets(k); t++) {
		for (unsigned i = 0; i < o->n_providers; i++) {
			const struct admit_provider *v = &o->providers[i];

			if (v->kind != kind || !v->enabled ||
				!target_is(k->facts, &k->facts->targets[t], v))
				continue;
			if (proves_domain(q, &v->proxy_fqdn))
				return v;
			if (found == NULL)
				found = v;
		}
	}
	return found;
}

// Rows 7 and 8 without a target that may be asked for: why.
static enum postern_reason no_target(const struct admit_known *k)
{
	if (n_targets(k) > 0)
		return POSTERN_REASON_SRV_OTHER_DOMAIN;
	return facts_state(k) == POSTERN_FACTS_NONE ? POSTERN_REASON_SRV_NONE
						    : POSTERN_REASON_SRV_FAILED;
}

static void settle_srv(const struct admit_known *k, const struct postern_question *q,
	struct postern_answer *a, enum postern_row row, enum postern_verification level)
{
	const struct admit_listing *l = k->allowed;
	const bool any = l != NULL && l->trust_srv;
	bool usable = false;
	bool proved = l != NULL && (k->placed || proves_entered(q, l));

	for (unsigned t = 0; t < n_targets(k) && !proved; t++) {
		const struct admit_target *target = &k->facts->targets[t];

		if (!any && !target_is_within(k->facts, target, q->domain))
			continue;
		usable = true;
		proved = proves(q, target_text(k->facts, target), target->length);
	}
	settle(a, row, POSTERN_TYPE_SRV, level, proved);
	if (!proved && !usable)
		a->reason = no_target(k);
}

static void ask(struct postern_answer *a, enum postern_row row)
{
	a->row = row;
	a->outcome = POSTERN_ASK;
	a->reason = POSTERN_REASON_SRV_UNKNOWN;
}

static bool has_public_provider(const struct admit_organisation *o)
{
	for (unsigned i = 0; i < o->n_providers; i++)
		if (o->providers[i].enabled && o->providers[i].kind == POSTERN_PROVIDER_PUBLIC)
			return true;
	return false;
}

// Rows 5 to 9, which rest on what DNS says.
static void by_facts(
	const struct admit_known *k, const struct postern_question *q, struct postern_answer *a)
{
	const struct admit_organisation *o = k->organisation;
	const struct admit_provider *v;
	const bool discovery = o->switches.enable_partner_discovery;

	if (facts_state(k) == POSTERN_FACTS_UNKNOWN) {
		// Where it would end by what the operator said; an answer is waited for only where it
		// can make a difference.
		if (k->allowed != NULL && k->placed)
			settle_srv(k, q, a, POSTERN_ROW_ALLOWED_SRV, k->allowed->verification);
		else if (k->allowed != NULL)
			ask(a, POSTERN_ROW_ALLOWED_SRV);
		else if (discovery)
			ask(a, POSTERN_ROW_DISCOVERED);
		else if (has_public_provider(o))
			ask(a, POSTERN_ROW_PUBLIC_PROVIDER);
		else
			refuse(a, POSTERN_ROW_OTHERWISE, POSTERN_REASON_NOT_LISTED);
		return;
	}
	// admission row 5
	v = provider_of(k, q, POSTERN_PROVIDER_PUBLIC);
	if (v != NULL) {
		settle_provider(q, a, POSTERN_ROW_PUBLIC_PROVIDER, POSTERN_TYPE_PUBLIC, v);
		return;
	}
	// admission row 6
	v = provider_of(k, q, POSTERN_PROVIDER_HOSTING);
	if (v != NULL) {
		settle_provider(q, a, POSTERN_ROW_HOSTING_PROVIDER, POSTERN_TYPE_HOSTING, v);
		if (k->allowed == NULL && !discovery) {
			refuse(a, POSTERN_ROW_HOSTING_PROVIDER, POSTERN_REASON_HOSTED_UNLISTED);
			a->type = POSTERN_TYPE_NONE;
		}
		return;
	}
	// admission row 7
	if (k->allowed != NULL) {
		settle_srv(k, q, a, POSTERN_ROW_ALLOWED_SRV, k->allowed->verification);
		return;
	}
	// admission row 8
	if (discovery) {
		settle_srv(k, q, a, POSTERN_ROW_DISCOVERED, o->switches.discovered_verification);
		a->watched = a->outcome == POSTERN_ADMIT;
		return;
	}
	// admission row 9
	refuse(a, POSTERN_ROW_OTHERWISE, POSTERN_REASON_NOT_LISTED);
}

static void by_rows(
	const struct admit_known *k, const struct postern_question *q, struct postern_answer *a)
{
	const struct admit_organisation *o = k->organisation;

	// admission row 1
	if (!o->switches.allow_federated_users) {
		refuse(a, POSTERN_ROW_FEDERATION_OFF, POSTERN_REASON_FEDERATION_OFF);
		return;
	}
	// admission row 2
	if (k->blocked != NULL) {
		a->blocked = k->blocked->id;
		refuse(a, POSTERN_ROW_BLOCKED, POSTERN_REASON_BLOCKED);
		return;
	}
	const bool routed = o->switches.default_route.length > 0;

	// admission row 3
	if (k->own && q->direction == POSTERN_INBOUND) {
		if (routed)
			settle_route(k->organisation, q, a);
		else
			settle_own(k, q, a);
		return;
	}
	if (k->allowed != NULL)
		a->admission = k->allowed->admission;
	// admission row 4
	if (k->allowed != NULL && has_proxy(k->allowed)) {
		const uint8_t *proxy = admit_names_first(k->allowed->names);

		copy_domain(&a->peer, (const char *)proxy + 1, *proxy);
		settle(a, POSTERN_ROW_ALLOWED_DIRECT, POSTERN_TYPE_DIRECT, k->allowed->verification,
			proves_entered(q, k->allowed));
		return;
	}
	if (routed)
		settle_route(k->organisation, q, a);
	else
		by_facts(k, q, a);
}

// One connection, one type: the first admitted message has fixed it.
static void hold_to_type(const struct postern_question *q, struct postern_answer *a)
{
	if (q->type == POSTERN_TYPE_NONE || q->type == a->type)
		return;
	refuse(a, a->row, POSTERN_REASON_TYPE_CONFLICT);
	a->type = POSTERN_TYPE_NONE;
	a->watched = false;
}

// What the inside is told of the user, by the verification level.
static void mark(const struct postern_question *q, struct postern_answer *a)
{
	if (q->direction == POSTERN_OUTBOUND || q->mark == POSTERN_MARK_IRRELEVANT)
		return;
	a->mark = q->mark;
	switch (a->verification) {
	case POSTERN_VERIFY_ALWAYS_UNVERIFIABLE:
		a->mark = POSTERN_MARK_UNVERIFIED;
		break;
	case POSTERN_VERIFY_ALWAYS_VERIFIABLE:
		if (q->mark == POSTERN_MARK_MISSING)
			a->mark = POSTERN_MARK_VERIFIED;
		break;
	case POSTERN_VERIFY_USE_SOURCE:
		if (q->mark != POSTERN_MARK_MISSING)
			break;
		if (a->row == POSTERN_ROW_DEFAULT_ROUTE) {
			a->mark = POSTERN_MARK_UNVERIFIED;
			break;
		}
		refuse(a, a->row, POSTERN_REASON_MARK_MISSING);
		a->type = POSTERN_TYPE_NONE;
		a->mark = POSTERN_MARK_IRRELEVANT;
		a->watched = false;
		break;
	}
}

// All but the two names, which are long and mostly copied over at once.
static void begin(struct postern_answer *a)
{
	memset(a, 0, offsetof(struct postern_answer, partner));
	a->partner.length = a->peer.length = 0;
	a->partner.text[0] = a->peer.text[0] = '\0';
}

static void begin_domain(
	const struct admit_known *k, const struct postern_question *q, struct postern_answer *a)
{
	const struct admit_listing *l = k->allowed;

	begin(a);
	a->facts = facts_state(k);
	a->facts_wall_us = k->facts != NULL ? k->facts->wall_us : 0;
	if (l == NULL) {
		copy_domain(&a->partner, q->domain->text, q->domain->length);
		return;
	}
	a->allowed = l->id;
	a->monitored = l->monitored;
	a->tls = l->tls;
	copy_domain(&a->partner, admit_entry_text(k->allowed_entry), k->allowed_entry->length);
}

// What is left when a row has admitted.
static void finish(const struct postern_question *q, struct postern_answer *a)
{
	if (a->outcome == POSTERN_ADMIT)
		hold_to_type(q, a);
	if (a->outcome == POSTERN_ADMIT)
		mark(q, a);
}

void admit_judge(
	const struct admit_known *k, const struct postern_question *q, struct postern_answer *a)
{
	begin_domain(k, q, a);
	if (k->organisation == NULL) {
		refuse(a, POSTERN_ROW_NONE, POSTERN_REASON_NO_ORGANISATION);
		return;
	}
	by_rows(k, q, a);
	finish(q, a);
}

// Without D it is nobody's domain that is refused: whoever the provider hosts may be allowed.
void admit_judge_provider(const struct admit_organisation *o, uint64_t provider,
	const struct postern_question *q, struct postern_answer *a)
{
	if (o == NULL || o->switches.default_route.length > 0)
		return;
	for (unsigned i = 0; i < o->n_providers; i++) {
		const struct admit_provider *v = &o->providers[i];
		struct postern_question proved = *q;

		if (v->id != provider || !v->enabled)
			continue;
		begin(a);
		proved.proof = POSTERN_PROOF_ASSUMED;
		if (v->kind == POSTERN_PROVIDER_PUBLIC) // admission row 5
			settle_provider(
				&proved, a, POSTERN_ROW_PUBLIC_PROVIDER, POSTERN_TYPE_PUBLIC, v);
		else // admission row 6
			settle_provider(
				&proved, a, POSTERN_ROW_HOSTING_PROVIDER, POSTERN_TYPE_HOSTING, v);
		finish(q, a);
	}
}

void admit_judge_route(const struct admit_organisation *o, const struct postern_question *q,
	struct postern_answer *a)
{
	struct postern_question proved = *q;

	begin(a);
	proved.proof = POSTERN_PROOF_ASSUMED;
	settle_route(o, &proved, a);
	finish(q, a);
}

void admit_judge_nobody(const struct admit_organisation *o, struct postern_answer *a)
{
	begin(a);
	if (o == NULL)
		refuse(a, POSTERN_ROW_NONE, POSTERN_REASON_NO_ORGANISATION);
	else if (!o->switches.allow_federated_users) // admission row 1
		refuse(a, POSTERN_ROW_FEDERATION_OFF, POSTERN_REASON_FEDERATION_OFF);
	else // admission row 9
		refuse(a, POSTERN_ROW_OTHERWISE, POSTERN_REASON_NO_PARTNER);
}
