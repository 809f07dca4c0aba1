// SPDX-License-Identifier: BSD-2-Clause
// What names and addresses a domain, a provider or a host has, by which it can be found.

#include "admit/private.h"

#include <errno.h>

static int want_name(
	struct admit_plan *plan, uint16_t organisation, const char *text, size_t length)
{
	struct admit_key k;

	admit_key_of_name(&k, organisation, text, length);
	return admit_plan_want(plan, &k);
}

static int want_prefix(struct admit_plan *plan, uint16_t organisation, const struct postern_addr *a,
	unsigned length)
{
	struct admit_key k;

	admit_key_of_prefix(&k, organisation, a, length);
	return admit_plan_want(plan, &k);
}

static int want_addresses(
	struct admit_plan *plan, uint16_t organisation, const struct postern_addr *a, unsigned n)
{
	int rc = 0;

	for (unsigned i = 0; i < n && rc == 0; i++)
		rc = want_prefix(plan, organisation, &a[i], postern_addr_is_v4(&a[i]) ? 32 : 128);
	return rc;
}

// ProxyFqdn, further names and prefixes, as the operator wrote them.
static int want_entered(struct admit_plan *plan, const struct admit_listing *l)
{
	const struct admit_names *names = l->names;
	int rc = 0;

	if (names == NULL)
		return 0;
	const uint8_t *at = admit_names_first(names);

	for (unsigned i = 0; i < names->n && rc == 0; i++, at += 1 + *at)
		rc = want_name(plan, l->organisation, (const char *)at + 1, *at);
	for (unsigned i = 0; i < names->n_prefixes && rc == 0; i++)
		rc = want_prefix(
			plan, l->organisation, &names->prefixes[i].addr, names->prefixes[i].length);
	return rc;
}

// SRV targets, for an organisation that allows the domain.
static int want_facts(struct admit_plan *plan, uint16_t organisation, const struct admit_facts *f)
{
	int rc = 0;

	for (unsigned i = 0; i < f->n_targets && rc == 0; i++) {
		const struct admit_target *t = &f->targets[i];

		rc = want_name(plan, organisation, (const char *)f + t->name, t->length);
		if (rc == 0)
			rc = want_addresses(
				plan, organisation, admit_target_addresses(f, t), t->n_addresses);
	}
	return rc;
}

static int want_learnt(
	struct admit_plan *plan, uint16_t organisation, const struct admit_learnt *learnt)
{
	int rc = 0;

	for (unsigned i = 0; learnt != NULL && i < learnt->n && rc == 0; i++)
		if (learnt->items[i].organisation == organisation)
			rc = want_addresses(plan, organisation, &learnt->items[i].addr, 1);
	return rc;
}

static int want_all(
	struct admit_plan *plan, const struct admit_listing *l, const struct admit_entry *e)
{
	int rc = want_entered(plan, l);

	if (rc == 0 && e->facts != NULL)
		rc = want_facts(plan, l->organisation, e->facts);
	return rc == 0 ? want_learnt(plan, l->organisation, e->learnt) : rc;
}

// The same for organisations that allow it by what lies above it.
static int want_by_suffix(
	struct admit_plan *plan, const struct postern_policy *p, const struct admit_entry *e)
{
	const char *text = admit_entry_text(e);
	const char *const end = text + e->length;
	const char *at = text;
	int rc = 0;

	while (rc == 0 && (at = memchr(at, '.', (size_t)(end - at))) != NULL) {
		const struct admit_entry *above;
		const struct admit_listing *l;

		at++;
		above = admit_table_find(p, at, (size_t)(end - at));
		if (above == NULL)
			continue;
		l = admit_entry_listings(above);
		for (unsigned i = 0; i < above->n_listings && rc == 0; i++)
			if (l[i].suffix && !l[i].blocked &&
				admit_entry_listing(e, l[i].organisation) == NULL)
				rc = want_all(plan, &l[i], e);
	}
	return rc;
}

int admit_domain_plan(struct admit_plan *plan, struct postern_policy *p, struct admit_home *home,
	const struct admit_entry *e)
{
	const struct admit_listing *l = admit_entry_listings(e);
	int rc = 0;

	admit_plan_begin(plan, p, home);
	for (unsigned i = 0; i < e->n_listings && rc == 0; i++) {
		if (l[i].blocked)
			continue;
		rc = want_all(plan, &l[i], e);
	}
	if (rc == 0 && (e->facts != NULL || e->learnt != NULL) && p->suffixes != 0)
		rc = want_by_suffix(plan, p, e);
	if (rc < 0)
		admit_plan_undo(plan);
	return rc;
}

int admit_provider_plan(struct admit_plan *plan, struct postern_policy *p, struct admit_home *home,
	uint16_t organisation, const struct admit_provider *v)
{
	int rc;

	admit_plan_begin(plan, p, home);
	rc = want_name(plan, organisation, v->proxy_fqdn.text, v->proxy_fqdn.length);
	for (unsigned i = 0; i < v->n_prefixes && rc == 0; i++)
		rc = want_prefix(plan, organisation, &v->prefixes[i].addr, v->prefixes[i].length);
	if (rc < 0)
		admit_plan_undo(plan);
	return rc;
}

int admit_host_derive(
	struct postern_policy *p, struct admit_group *name, const struct admit_host *host)
{
	struct admit_plan plan;
	int rc;

	if (name->host == NULL) {
		name->host = admit_home_new(p, ADMIT_HOME_HOST);
		if (name->host == NULL)
			return -ENOMEM;
		name->host->name = name;
	}
	admit_plan_begin(&plan, p, name->host);
	rc = host != NULL ? want_addresses(&plan, name->organisation, host->addresses, host->n) : 0;
	if (rc < 0)
		admit_plan_undo(&plan);
	else
		admit_plan_commit(&plan);
	return rc;
}

int postern_policy_work(struct postern_policy *p, unsigned budget)
{
	int more;

	admit_policy_enter(p);
	admit_verdicts_move(p, budget);
	while (p->sweep_at != NULL && p->sweep_at != &p->homes && budget-- > 0) {
		struct admit_home *home = caa_container_of(p->sweep_at, struct admit_home, all);
		struct admit_plan plan;

		if (home->kind == ADMIT_HOME_PROVIDER) {
			p->sweep_at = p->sweep_at->next;
			admit_look_at_all(p, home);
			continue;
		}
		// Without memory it keeps what it has, and the sweep goes on with it another time.
		if (admit_domain_plan(&plan, p, home, home->entry) < 0)
			break;
		p->sweep_at = p->sweep_at->next;
		admit_plan_commit(&plan);
	}
	more = p->sweep_at != NULL && p->sweep_at != &p->homes;
	if (!more)
		p->sweep_at = p->sweep_again ? p->homes.next : NULL;
	if (!more && p->sweep_again) {
		p->sweep_again = false;
		more = 1;
	}
	if (!more && p->filling) {
		p->filling = false;
		__atomic_store_n(&p->front.complete, true, __ATOMIC_RELEASE);
	}
	admit_policy_leave(p);
	return more;
}

void admit_sweep_begin(struct postern_policy *p)
{
	if (p->groups == NULL)
		return;
	__atomic_store_n(&p->front.generation, p->front.generation + 1, __ATOMIC_RELEASE);
	p->sweep_again = p->sweep_at != NULL; // what has been passed may have to be looked at again
	if (p->sweep_at == NULL)
		p->sweep_at = p->homes.next;
}
