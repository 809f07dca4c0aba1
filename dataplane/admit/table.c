// SPDX-License-Identifier: BSD-2-Clause
// Finding a domain, and the domains above it that count for what is below them.

#include "admit/private.h"

struct key {
	const char *text;
	size_t length;
};

static int is_key(struct cds_lfht_node *node, const void *key)
{
	const struct admit_entry *e = caa_container_of(node, struct admit_entry, node);
	const struct key *k = key;

	admit_published(node);
	return admit_name_equal(admit_entry_text(e), e->length, k->text, k->length);
}

// The buckets of a table that never grows lie in one array.
static struct cds_lfht_node *bucket(const struct postern_policy *p, uint64_t hash)
{
	return &p->buckets[hash & p->bucket_mask];
}

// What a bucket begins with, an entry or another bucket, less the flags in the pointer's low bits.
static struct cds_lfht_node *first(const struct postern_policy *p, uint64_t hash)
{
	struct cds_lfht_node *const next = rcu_dereference(bucket(p, hash)->next);

	return (struct cds_lfht_node *)((uintptr_t)next & ~(uintptr_t)7);
}

static bool is_entry(const struct postern_policy *p, const struct cds_lfht_node *node)
{
	return (uintptr_t)node - (uintptr_t)p->arena <
	       (uintptr_t)p->arena_size * sizeof(struct admit_entry);
}

static struct admit_entry *find(
	const struct postern_policy *p, uint64_t hash, const char *text, size_t length)
{
	const struct key key = {text, length};
	struct cds_lfht_node *node = first(p, hash);
	struct cds_lfht_iter at;

	// Two of three entries are the first of their bucket, and their names say for sure. One that is
	// just being replaced may be found so, as it would have been a moment before.
	if (is_entry(p, node) && is_key(node, &key))
		return caa_container_of(node, struct admit_entry, node);
	cds_lfht_lookup(p->domains, hash, is_key, &key, &at);
	node = cds_lfht_iter_get_node(&at);
	return node != NULL ? caa_container_of(node, struct admit_entry, node) : NULL;
}

struct admit_entry *admit_table_find(
	const struct postern_policy *p, const char *text, size_t length)
{
	return find(p, base_hash_keyed(&p->secret, text, length), text, length);
}

void admit_table_find_burst(const struct postern_policy *p, const struct postern_name *names,
	const struct admit_entry **out, unsigned n)
{
	uint64_t hashes[ADMIT_BURST];

	for (unsigned i = 0; i < n; i++) {
		hashes[i] = base_hash_keyed(&p->secret, names[i].text, names[i].length);
		__builtin_prefetch(bucket(p, hashes[i]));
	}
	for (unsigned i = 0; i < n; i++) {
		const char *entry = (const char *)first(p, hashes[i]);

		__builtin_prefetch(entry);
		__builtin_prefetch(entry + CACHE_LINE);
	}
	for (unsigned i = 0; i < n; i++)
		out[i] = find(p, hashes[i], names[i].text, names[i].length);
}

void admit_table_add(struct postern_policy *p, struct admit_entry *e)
{
	cds_lfht_add(
		p->domains, base_hash_keyed(&p->secret, admit_entry_text(e), e->length), &e->node);
}

void admit_table_replace(struct postern_policy *p, struct admit_entry *old, struct admit_entry *e)
{
	const struct key key = {admit_entry_text(old), old->length};
	struct cds_lfht_iter at;
	const unsigned long hash = base_hash_keyed(&p->secret, key.text, key.length);

	cds_lfht_lookup(p->domains, hash, is_key, &key, &at);
	cds_lfht_replace(p->domains, &at, hash, is_key, &key, &e->node);
}

void admit_table_remove(struct postern_policy *p, struct admit_entry *e)
{
	cds_lfht_del(p->domains, &e->node);
}

unsigned admit_table_depth(const char *text, size_t length)
{
	unsigned labels = 1;

	for (size_t i = 0; i < length; i++)
		labels += text[i] == '.';
	return labels < SUFFIX_DEPTHS ? labels : SUFFIX_DEPTHS;
}

static void take(
	struct admit_known *k, const struct admit_entry *e, uint16_t organisation, bool exact)
{
	const struct admit_listing *l = admit_entry_listing(e, organisation);

	if (l == NULL || !(exact || l->suffix))
		return;
	if (l->blocked && k->blocked == NULL)
		k->blocked = l;
	if (!l->blocked && k->allowed == NULL) {
		k->allowed = l;
		k->allowed_entry = e;
	}
}

// From the longest to the shortest, and only where an entry of so many labels counts for more than
// itself: mostly there is none, or one.
static void take_suffixes(const struct postern_policy *p, uint16_t organisation,
	const struct postern_domain *d, struct admit_known *k)
{
	const uint64_t depths = __atomic_load_n(&p->suffixes, __ATOMIC_RELAXED);
	unsigned labels;
	const char *at = d->text;

	if (depths == 0)
		return;
	labels = 1;
	for (size_t i = 0; i < d->length; i++)
		labels += d->text[i] == '.';
	while (--labels > 0) {
		at = (const char *)memchr(at, '.', (size_t)(d->text + d->length - at)) + 1;
		const unsigned depth = labels < SUFFIX_DEPTHS ? labels : SUFFIX_DEPTHS;

		if ((depths >> (depth - 1) & 1) == 0)
			continue;
		const struct admit_entry *e =
			admit_table_find(p, at, (size_t)(d->text + d->length - at));

		if (e != NULL)
			take(k, e, organisation, false);
	}
}

const struct admit_organisation *admit_organisation_of(
	const struct postern_policy *p, uint16_t organisation)
{
	const struct admit_organisation *o;

	if (organisation >= POSTERN_ORGANISATIONS_MAX)
		return NULL;
	o = __atomic_load_n(&p->organisations[organisation], __ATOMIC_ACQUIRE);
	return o != NULL && o->present ? o : NULL;
}

void admit_table_gather_entry(const struct postern_policy *p, uint16_t organisation,
	const struct admit_entry *e, const struct postern_domain *domain, struct admit_known *k)
{
	memset(k, 0, sizeof(*k));
	k->organisation = admit_organisation_of(p, organisation);
	if (e != NULL) {
		k->own = e->owner == organisation;
		k->facts = e->facts;
		k->learnt = e->learnt;
		take(k, e, organisation, true);
	}
	take_suffixes(p, organisation, domain, k);
}

void admit_decide(
	const struct postern_policy *p, const struct postern_question *q, struct postern_answer *a)
{
	struct admit_known k;

	if (q->domain == NULL) {
		admit_ask(p, q, a);
		return;
	}
	admit_table_gather_entry(p, q->organisation,
		admit_table_find(p, q->domain->text, q->domain->length), q->domain, &k);
	admit_judge_known(p, &k, q, a);
}
