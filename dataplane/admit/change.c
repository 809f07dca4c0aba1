// SPDX-License-Identifier: BSD-2-Clause
// Changes of domains. Each makes a new entry of the old one, publishes it, and leaves the old one to
// be freed; everything that can fail is done before.

#include "admit/private.h"

#include <errno.h>
#include <stdlib.h>

struct change {
	struct postern_policy *policy;
	struct admit_entry *old; // NULL: the domain had none
	struct admit_entry *new;
	struct admit_gone *gone;
	struct admit_plan plan;
	const void *made[2]; // for the new entry; freed if the change comes to nothing
	unsigned n_made;
	bool fresh_home; // none had been made for the domain before
};

static void leave_behind(struct change *c, const void *blob)
{
	if (blob != NULL)
		c->gone->blobs[c->gone->n_blobs++] = blob;
}

static void *make(struct change *c, size_t size)
{
	void *blob = admit_blob_new(c->policy, size);

	if (blob != NULL)
		c->made[c->n_made++] = blob;
	return blob;
}

// 0, -ENOMEM or -ENOSPC. -ENOENT: there is no entry, and one is needed.
static int begin(
	struct change *c, struct postern_policy *p, const struct postern_domain *d, bool needed)
{
	*c = (struct change){.policy = p};
	c->old = admit_table_find(p, d->text, d->length);
	if (c->old == NULL && needed)
		return -ENOENT;
	if (c->old == NULL && p->n_domains >= p->limit)
		return -ENOSPC;
	c->gone = admit_gone_new(p);
	if (c->gone == NULL)
		return -ENOMEM;
	c->new = c->old != NULL ? admit_entry_copy(p, c->old)
				: admit_entry_new(p, d->text, d->length);
	if (c->new != NULL && p->groups != NULL && c->new->home == NULL) {
		c->fresh_home = true;
		c->new->home = admit_home_new(p, ADMIT_HOME_DOMAIN);
		if (c->new->home == NULL) {
			admit_entry_discard(p, c->new, c->old == NULL);
			c->new = NULL;
		}
	}
	if (c->new != NULL)
		return 0;
	free(c->gone);
	return -ENOMEM;
}

static int undo(struct change *c, int rc)
{
	for (unsigned i = 0; i < c->n_made; i++)
		admit_blob_free(c->policy, c->made[i]);
	if (c->fresh_home)
		admit_blob_free(c->policy, c->new->home);
	admit_entry_discard(c->policy, c->new, c->old == NULL);
	free(c->gone);
	return rc;
}

// So many more listings of this domain count for what is below it.
static void count_suffixes(struct postern_policy *p, const struct postern_domain *d, int more)
{
	const unsigned depth = admit_table_depth(d->text, d->length);
	const uint64_t bit = UINT64_C(1) << (depth - 1);

	p->n_suffixes[depth - 1] += (uint32_t)more;
	if (p->n_suffixes[depth - 1] > 0)
		__atomic_fetch_or(&p->suffixes, bit, __ATOMIC_RELAXED);
	else
		__atomic_fetch_and(&p->suffixes, ~bit, __ATOMIC_RELAXED);
}

static bool is_empty(const struct admit_entry *e)
{
	return e->n_listings == 0 && e->owner == NO_OWNER && e->facts == NULL && e->host == NULL &&
	       e->learnt == NULL;
}

// Plans by what names and addresses the new entry is found. 0, or undone and -ENOMEM.
static int plan(struct change *c)
{
	if (c->new->home == NULL ||
		admit_domain_plan(&c->plan, c->policy, c->new->home, c->new) == 0)
		return 0;
	return undo(c, -ENOMEM);
}

static void commit(struct change *c)
{
	struct postern_policy *p = c->policy;
	struct admit_home *home = c->new->home;

	c->gone->entry = c->old;
	if (c->fresh_home)
		cds_list_add_tail(&home->all, &p->homes);
	if (home != NULL && !is_empty(c->new))
		__atomic_store_n(&home->entry, c->new, __ATOMIC_RELEASE);
	if (is_empty(c->new)) {
		if (home != NULL) {
			admit_plan_undo(&c->plan);
			admit_home_drop(p, home);
			home = NULL;
		}
		if (c->old != NULL) {
			admit_table_remove(p, c->old);
			p->n_domains--;
		}
		if (c->new->length > ENTRY_TEXT)
			leave_behind(c, c->new->text.far);
		admit_entry_discard(p, c->new, false);
	} else if (c->old != NULL) {
		admit_table_replace(p, c->old, c->new);
	} else {
		admit_table_add(p, c->new);
		p->n_domains++;
	}
	if (home != NULL)
		admit_plan_commit(&c->plan);
	admit_gone_later(c->gone);
}

// Puts an organisation's word into the new entry, or takes it out (l is NULL).
static int put(struct change *c, uint16_t organisation, const struct admit_listing *l)
{
	const struct admit_listing *old = admit_entry_listings(c->new);
	const struct admit_listing *had = admit_entry_listing(c->new, organisation);
	const unsigned n_old = c->new->n_listings;
	const unsigned n = n_old - (had != NULL) + (l != NULL);
	struct admit_listing one;
	struct admit_listing *out = &one;
	unsigned at = 0;

	if (n > 1) {
		out = make(c, n * sizeof(*out));
		if (out == NULL)
			return -ENOMEM;
	}
	for (unsigned i = 0; i < n_old; i++) {
		if (l != NULL && old[i].organisation >= organisation) {
			out[at++] = *l;
			l = NULL;
		}
		if (old[i].organisation != organisation)
			out[at++] = old[i];
	}
	if (l != NULL)
		out[at++] = *l;
	if (had != NULL)
		leave_behind(c, had->names);
	if (n_old > 1)
		leave_behind(c, c->new->many);
	if (n > 1)
		c->new->many = out;
	else if (n == 1)
		c->new->one = one;
	c->new->n_listings = (uint16_t)n;
	return 0;
}

static int change_listing(struct postern_policy *p, const struct postern_domain *d,
	uint16_t organisation, const struct admit_listing *l)
{
	struct change c;
	int rc = begin(&c, p, d, l == NULL);

	if (rc < 0)
		return rc;
	const struct admit_listing *had = admit_entry_listing(c.new, organisation);
	const int more = (l != NULL && l->suffix) - (had != NULL && had->suffix);

	if (l == NULL && had == NULL)
		return undo(&c, -ENOENT);
	rc = put(&c, organisation, l);
	if (rc < 0)
		return undo(&c, rc);
	rc = plan(&c);
	if (rc < 0)
		return rc;
	// What lies below a suffix is found by it, or no longer.
	if (more != 0 || (l != NULL && l->suffix))
		admit_sweep_begin(p);
	if (organisation >= p->organisations_end)
		p->organisations_end = organisation + 1u;
	// A suffix is looked for before its entry is there, and until it has gone.
	if (more > 0)
		count_suffixes(p, d, more);
	commit(&c);
	if (more < 0)
		count_suffixes(p, d, more);
	return 0;
}

static size_t append(uint8_t *to, const struct postern_domain *d)
{
	*to = d->length;
	memcpy(to + 1, d->text, d->length);
	return 1 + (size_t)d->length;
}

// The names of an entry in one block; *out is NULL if it has none.
static int names_new(
	struct postern_policy *p, const struct postern_allowed *a, const struct admit_names **out)
{
	const bool has_proxy = a->proxy_fqdn.length > 0;
	const size_t prefixes = a->n_prefixes * sizeof(a->prefixes[0]);
	size_t size = sizeof(struct admit_names) + prefixes + 1 + a->proxy_fqdn.length;
	struct admit_names *names;
	uint8_t *at;

	*out = NULL;
	if (!has_proxy && a->n_further_names == 0 && a->n_prefixes == 0)
		return 0;
	for (unsigned i = 0; i < a->n_further_names; i++)
		size += 1 + (size_t)a->further_names[i].length;
	names = admit_blob_new(p, size);
	if (names == NULL)
		return -ENOMEM;
	names->n = (uint8_t)(a->n_further_names + has_proxy);
	names->has_proxy = has_proxy;
	names->n_prefixes = (uint16_t)a->n_prefixes;
	if (prefixes > 0)
		memcpy(names->prefixes, a->prefixes, prefixes);
	at = (uint8_t *)&names->prefixes[a->n_prefixes];
	if (has_proxy)
		at += append(at, &a->proxy_fqdn);
	for (unsigned i = 0; i < a->n_further_names; i++)
		at += append(at, &a->further_names[i]);
	*out = names;
	return 0;
}

static int allowed_check(const struct postern_allowed *a)
{
	if (a->domain.length == 0 || a->n_further_names > POSTERN_FURTHER_NAMES_MAX ||
		a->n_prefixes > POSTERN_PREFIXES_MAX ||
		a->verification > POSTERN_VERIFY_ALWAYS_UNVERIFIABLE ||
		a->admission > POSTERN_ADMISSION_ANY)
		return -EINVAL;
	for (unsigned i = 0; i < a->n_further_names; i++)
		if (a->further_names[i].length == 0)
			return -EINVAL;
	return 0;
}

static int set_allowed(
	struct postern_policy *p, uint16_t organisation, const struct postern_allowed *a)
{
	struct admit_listing l = {
		.id = a->id,
		.tls = a->tls,
		.organisation = organisation,
		.verification = (uint8_t)a->verification,
		.admission = a->admission & 3u,
		.suffix = a->suffix,
		.trust_srv = a->trust_srv,
		.monitored = a->monitored,
	};
	int rc = organisation < POSTERN_ORGANISATIONS_MAX ? allowed_check(a) : -EINVAL;

	if (rc == 0)
		rc = names_new(p, a, &l.names);
	if (rc == 0)
		rc = change_listing(p, &a->domain, organisation, &l);
	if (rc < 0)
		admit_blob_free(p, l.names);
	return rc;
}

int postern_policy_set_allowed(
	struct postern_policy *p, uint16_t organisation, const struct postern_allowed *a)
{
	size_t done;

	return postern_policy_load_allowed(p, organisation, a, 1, &done);
}

int postern_policy_load_allowed(struct postern_policy *p, uint16_t organisation,
	const struct postern_allowed *a, size_t n, size_t *done)
{
	int rc = 0;

	for (*done = 0; *done < n && rc == 0;) {
		admit_policy_enter(p);
		// So many that others need not wait for long: a tenth of a millisecond or so.
		for (unsigned i = 0; i < 128 && *done < n && rc == 0; i++) {
			rc = set_allowed(p, organisation, &a[*done]);
			*done += rc == 0;
		}
		admit_policy_leave(p);
	}
	return rc;
}

int postern_policy_set_blocked(
	struct postern_policy *p, uint16_t organisation, const struct postern_blocked *b)
{
	const struct admit_listing l = {
		.id = b->id,
		.organisation = organisation,
		.blocked = true,
		.suffix = b->suffix,
	};

	if (organisation >= POSTERN_ORGANISATIONS_MAX || b->domain.length == 0)
		return -EINVAL;
	admit_policy_enter(p);
	const int rc = change_listing(p, &b->domain, organisation, &l);

	admit_policy_leave(p);
	return rc;
}

int postern_policy_remove_listed(
	struct postern_policy *p, uint16_t organisation, const struct postern_domain *domain)
{
	admit_policy_enter(p);
	const int rc = change_listing(p, domain, organisation, NULL);

	admit_policy_leave(p);
	return rc;
}

static int set_owner(
	struct postern_policy *p, const struct postern_domain *d, uint16_t from, uint16_t to)
{
	struct change c;
	int rc = begin(&c, p, d, to == NO_OWNER);

	if (rc < 0)
		return rc;
	if (c.new->owner != from && c.new->owner != to)
		return undo(&c, from == NO_OWNER ? -EEXIST : -ENOENT);
	if (c.new->owner == to)
		return undo(&c, to == NO_OWNER ? -ENOENT : 0);
	c.new->owner = to;
	rc = plan(&c);
	if (rc == 0)
		commit(&c);
	return rc;
}

int postern_policy_set_own(
	struct postern_policy *p, uint16_t organisation, const struct postern_domain *domain)
{
	if (organisation >= POSTERN_ORGANISATIONS_MAX || domain->length == 0)
		return -EINVAL;
	admit_policy_enter(p);
	const int rc = set_owner(p, domain, NO_OWNER, organisation);

	admit_policy_leave(p);
	return rc;
}

int postern_policy_remove_own(
	struct postern_policy *p, uint16_t organisation, const struct postern_domain *domain)
{
	if (organisation >= POSTERN_ORGANISATIONS_MAX)
		return -EINVAL;
	admit_policy_enter(p);
	const int rc = set_owner(p, domain, organisation, NO_OWNER);

	admit_policy_leave(p);
	return rc;
}

static int facts_check(const struct postern_facts *f)
{
	const bool may = f->state == POSTERN_FACTS_GOOD || f->state == POSTERN_FACTS_FAILED;

	if (f->state > POSTERN_FACTS_FAILED || f->n_targets > POSTERN_TARGETS_MAX ||
		(f->n_targets > 0 && !may) || (f->n_targets == 0 && f->state == POSTERN_FACTS_GOOD))
		return -EINVAL;
	for (unsigned i = 0; i < f->n_targets; i++)
		if (f->targets[i].name.length == 0 ||
			f->targets[i].n_addresses > POSTERN_ADDRESSES_MAX)
			return -EINVAL;
	return 0;
}

static int set_facts(
	struct postern_policy *p, const struct postern_domain *d, const struct admit_facts *facts)
{
	struct change c;
	int rc = begin(&c, p, d, facts == NULL);

	if (rc < 0)
		return rc;
	if (facts == NULL && c.new->facts == NULL)
		return undo(&c, -ENOENT);
	leave_behind(&c, c.new->facts);
	c.new->facts = facts;
	rc = plan(&c);
	if (rc == 0)
		commit(&c);
	return rc;
}

int postern_policy_set_facts(struct postern_policy *p, const struct postern_domain *domain,
	const struct postern_facts *f)
{
	const struct admit_facts *facts = NULL;
	int rc = domain->length > 0 ? 0 : -EINVAL;

	if (rc == 0 && f != NULL)
		rc = facts_check(f);
	if (rc < 0)
		return rc;
	if (f != NULL) {
		facts = admit_facts_new(p, f);
		if (facts == NULL)
			return -ENOMEM;
	}
	admit_policy_enter(p);
	p->by_dns = true;
	rc = set_facts(p, domain, facts);
	p->by_dns = false;
	admit_policy_leave(p);
	if (rc < 0)
		admit_blob_free(p, facts);
	return rc;
}

static int set_host(
	struct postern_policy *p, const struct postern_domain *d, const struct admit_host *host)
{
	struct change c;
	int rc = begin(&c, p, d, host == NULL);

	if (rc < 0)
		return rc;
	if (host == NULL && c.new->host == NULL)
		return undo(&c, -ENOENT);
	leave_behind(&c, c.new->host);
	c.new->host = host;
	rc = plan(&c);
	if (rc == 0)
		commit(&c);
	return rc;
}

int admit_entry_set_learnt(
	struct postern_policy *p, const struct postern_domain *d, const struct admit_learnt *learnt)
{
	struct change c;
	int rc = begin(&c, p, d, learnt == NULL);

	if (rc < 0)
		return rc;
	leave_behind(&c, c.new->learnt);
	c.new->learnt = learnt;
	rc = plan(&c);
	if (rc == 0)
		commit(&c);
	return rc;
}

// Whoever names it as a server is found by its addresses.
static int tell_organisations(
	struct postern_policy *p, const struct postern_domain *d, const struct admit_host *host)
{
	int rc = 0;

	for (unsigned o = 0; p->groups != NULL && o < p->organisations_end && rc == 0; o++) {
		struct admit_group *g;
		struct admit_key k;

		admit_key_of_name(&k, (uint16_t)o, d->text, d->length);
		g = admit_index_find(p, &k);
		if (g != NULL)
			rc = admit_host_derive(p, g, host);
	}
	return rc;
}

int postern_policy_set_host(struct postern_policy *p, const struct postern_domain *host,
	const struct postern_addr *addresses, unsigned n, uint64_t wall_us)
{
	struct admit_host *h = NULL;
	int rc;

	if (host->length == 0 || n > POSTERN_ADDRESSES_MAX)
		return -EINVAL;
	if (n > 0) {
		h = admit_blob_new(p, sizeof(*h) + n * sizeof(*addresses));
		if (h == NULL)
			return -ENOMEM;
		h->wall_us = wall_us;
		h->n = n;
		memcpy(h->addresses, addresses, n * sizeof(*addresses));
	}
	admit_policy_enter(p);
	p->by_dns = true;
	rc = set_host(p, host, h);
	if (rc < 0)
		admit_blob_free(p, h);
	else
		rc = tell_organisations(p, host, h);
	p->by_dns = false;
	admit_policy_leave(p);
	return rc;
}
