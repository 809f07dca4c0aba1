// SPDX-License-Identifier: BSD-2-Clause
// Questions without D: only names are known, or only an address. The index says whom to ask first;
// what he would get is then decided as if he had spoken.

#include "admit/private.h"

// Most names that one address can prove for one domain: all its targets, ProxyFqdn and further names, the
// default route.
#define PROVED_MAX (POSTERN_TARGETS_MAX + 1 + POSTERN_FURTHER_NAMES_MAX + 1)

struct proved {
	struct postern_name names[PROVED_MAX];
	unsigned n;
	bool all; // the operator has written down where this domain comes from
};

static bool has_address(
	const struct postern_addr *list, unsigned n, const struct postern_addr *address)
{
	for (unsigned i = 0; i < n; i++)
		if (postern_addr_equal(&list[i], address))
			return true;
	return false;
}

static bool is_host(const struct postern_policy *p, const char *text, size_t length,
	const struct postern_addr *address)
{
	const struct admit_entry *e = length > 0 ? admit_table_find(p, text, length) : NULL;

	return e != NULL && e->host != NULL && has_address(e->host->addresses, e->host->n, address);
}

// What an address proves for the domain that is spoken of: the names whose address it is.
static void prove_by_address(const struct postern_policy *p, const struct admit_known *k,
	uint16_t organisation, const struct postern_addr *address, struct proved *out)
{
	const struct admit_names *entered = k->allowed != NULL ? k->allowed->names : NULL;
	const struct admit_facts *f = k->facts;

	out->n = 0;
	out->all = admit_learnt_has(k->learnt, organisation, address);
	for (unsigned i = 0; entered != NULL && i < entered->n_prefixes && !out->all; i++)
		out->all = postern_prefix_contains(&entered->prefixes[i], address);
	for (unsigned i = 0; f != NULL && i < f->n_targets; i++) {
		const struct admit_target *t = &f->targets[i];
		const char *text = (const char *)f + t->name;

		if (has_address(admit_target_addresses(f, t), t->n_addresses, address) ||
			is_host(p, text, t->length, address))
			out->names[out->n++] = (struct postern_name){text, t->length};
	}
	const uint8_t *at = entered != NULL ? admit_names_first(entered) : NULL;

	for (unsigned i = 0; entered != NULL && i < entered->n; i++, at += 1 + *at)
		if (is_host(p, (const char *)at + 1, *at, address))
			out->names[out->n++] = (struct postern_name){(const char *)at + 1, *at};
	if (k->organisation != NULL) {
		const struct postern_domain *route = &k->organisation->switches.default_route;

		if (is_host(p, route->text, route->length, address))
			out->names[out->n++] = (struct postern_name){route->text, route->length};
	}
}

void admit_judge_known(const struct postern_policy *p, const struct admit_known *k,
	const struct postern_question *q, struct postern_answer *a)
{
	if (q->proof != POSTERN_PROOF_ADDRESS) {
		admit_judge(k, q, a);
		return;
	}
	struct postern_question by_names = *q;
	struct admit_known known = *k;
	struct proved proved;

	prove_by_address(p, k, q->organisation, &q->address, &proved);
	by_names.proof = proved.all ? POSTERN_PROOF_ASSUMED : POSTERN_PROOF_NAMES;
	by_names.names = proved.names;
	by_names.n_names = proved.n;
	known.placed = proved.all;
	admit_judge(&known, &by_names, a);
	if (a->reason == POSTERN_REASON_NAME_MISMATCH)
		a->reason = POSTERN_REASON_ADDRESS_MISMATCH;
}

static void ask_domain(const struct postern_policy *p, const struct admit_entry *e,
	const struct postern_question *q, struct postern_answer *a)
{
	struct postern_question as = *q;
	struct postern_domain d;
	struct admit_known k;

	d.length = e->length;
	memcpy(d.text, admit_entry_text(e), e->length);
	d.text[e->length] = '\0';
	as.domain = &d;
	admit_table_gather_entry(p, q->organisation, e, &d, &k);
	if (k.allowed == NULL) // no longer; row 8 is not for those that have said no name
		return;
	admit_judge_known(p, &k, &as, a);
}

static bool by_name(const struct postern_policy *p, const struct postern_question *q,
	const struct postern_name *name, struct postern_answer *a);

// Asks whom the index names. True if he is admitted.
static bool ask_home(const struct postern_policy *p, const struct admit_home *home,
	const struct postern_question *q, struct postern_answer *a)
{
	switch (home->kind) {
	case ADMIT_HOME_DOMAIN:
		ask_domain(p, __atomic_load_n(&home->entry, __ATOMIC_ACQUIRE), q, a);
		break;
	case ADMIT_HOME_PROVIDER:
		admit_judge_provider(
			admit_organisation_of(p, q->organisation), home->provider, q, a);
		break;
	case ADMIT_HOME_HOST: {
		const struct postern_name name = {home->name->key, home->name->length};
		struct postern_question as = *q;

		as.proof = POSTERN_PROOF_NAMES;
		as.names = &name;
		as.n_names = 1;
		return by_name(p, &as, &name, a);
	}
	}
	return a->outcome == POSTERN_ADMIT;
}

static bool ask_group(const struct postern_policy *p, const struct admit_key *k,
	const struct postern_question *q, struct postern_answer *a)
{
	const struct admit_group *g = admit_index_find(p, k);
	const struct admit_home *first =
		g != NULL ? __atomic_load_n(&g->first, __ATOMIC_ACQUIRE) : NULL;

	return first != NULL && ask_home(p, first, q, a);
}

static bool by_name(const struct postern_policy *p, const struct postern_question *q,
	const struct postern_name *name, struct postern_answer *a)
{
	struct admit_key k;

	admit_key_of_name(&k, q->organisation, name->text, name->length);
	return ask_group(p, &k, q, a);
}

// Every prefix that there may be and that holds the address, the longest first.
static bool by_address(
	const struct postern_policy *p, const struct postern_question *q, struct postern_answer *a)
{
	const unsigned family = postern_addr_is_v4(&q->address) ? 0 : 1;

	for (unsigned word = 3; word-- > 0;) {
		uint64_t bits = __atomic_load_n(&p->lengths[family][word], __ATOMIC_RELAXED);

		while (bits != 0) {
			const unsigned bit = 63 - (unsigned)__builtin_clzll(bits);
			struct admit_key k;

			bits &= ~(UINT64_C(1) << bit);
			admit_key_of_prefix(&k, q->organisation, &q->address, word * 64 + bit);
			if (ask_group(p, &k, q, a))
				return true;
		}
	}
	return false;
}

static bool by_route(const struct postern_policy *p, const struct admit_organisation *o,
	const struct postern_question *q, struct postern_answer *a)
{
	const struct postern_domain *route = &o->switches.default_route;
	bool proved = false;

	if (route->length == 0)
		return false;
	if (q->proof == POSTERN_PROOF_ADDRESS)
		proved = is_host(p, route->text, route->length, &q->address);
	for (unsigned i = 0; q->proof == POSTERN_PROOF_NAMES && i < q->n_names && !proved; i++)
		proved = admit_name_equal(
			q->names[i].text, q->names[i].length, route->text, route->length);
	if (proved)
		admit_judge_route(o, q, a);
	return proved && a->outcome == POSTERN_ADMIT;
}

void admit_ask(
	const struct postern_policy *p, const struct postern_question *q, struct postern_answer *a)
{
	const struct admit_organisation *o = admit_organisation_of(p, q->organisation);
	bool found = false;

	// Rows 0 and 1, or what is said if nobody is found.
	admit_judge_nobody(o, a);
	if (o == NULL || !o->switches.allow_federated_users ||
		__atomic_load_n(&p->groups, __ATOMIC_ACQUIRE) == NULL)
		return;
	if (by_route(p, o, q, a))
		return;
	if (q->proof == POSTERN_PROOF_ADDRESS)
		found = by_address(p, q, a);
	for (unsigned i = 0; q->proof == POSTERN_PROOF_NAMES && i < q->n_names && !found; i++)
		found = by_name(p, q, &q->names[i], a);
}

bool admit_home_is_admitted(const struct postern_policy *p, const struct admit_group *g,
	const struct admit_home *home, struct postern_answer *a)
{
	const struct postern_name name = {g->key, g->length};
	struct postern_question q = {.organisation = g->organisation};

	// What holds if the entry is allowed no longer.
	admit_judge_nobody(admit_organisation_of(p, g->organisation), a);
	if (g->kind == ADMIT_NAME) {
		q.names = &name;
		q.n_names = 1;
	} else {
		q.proof = POSTERN_PROOF_ADDRESS;
		memcpy(&q.address, g->key, sizeof(q.address));
	}
	return ask_home(p, home, &q, a);
}
