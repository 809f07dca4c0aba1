// SPDX-License-Identifier: BSD-2-Clause
// The tables as a whole: made, freed, asked by the control half.

#include "admit/private.h"
#include "base/arena.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

void admit_policy_enter(struct postern_policy *p)
{
	pthread_mutex_lock(&p->lock);
	rcu_register_thread();
}

void admit_policy_leave(struct postern_policy *p)
{
	rcu_unregister_thread();
	pthread_mutex_unlock(&p->lock);
}

void postern_switches_default(struct postern_switches *s)
{
	*s = (struct postern_switches){
		.enable_contacts_limit = true,
		.keep_crls_up_to_date = true,
		.mark_source_verifiable = true,
		.discovered_verification = POSTERN_VERIFY_USE_SOURCE,
		.max_contacts = 1000,
		.standard_rate = 20,
		.report_period_minutes = 60,
		.outgoing_tls_count = 4,
		.default_route_verification = POSTERN_VERIFY_USE_SOURCE,
	};
}

// As many buckets as domains, up to a million: those are 16 MB, which stay in a server's cache. A look-up
// takes longer in larger ones that hold no more names.
#define BUCKETS_MOST (1u << 20)

static unsigned long buckets(uint32_t limit)
{
	unsigned long n = 1024;

	while (n < limit && n < BUCKETS_MOST)
		n *= 2;
	return n;
}

int admit_index_new(struct postern_policy *p)
{
	const unsigned long n = buckets(p->limit);
	struct cds_lfht *groups = _cds_lfht_new(n, n, n, 0, &cds_lfht_mm_mmap, &rcu_flavor, NULL);

	if (groups == NULL)
		return -ENOMEM;
	if (p->verdicts == NULL && admit_verdicts_new(p) < 0) {
		cds_lfht_destroy(groups, NULL);
		return -ENOMEM;
	}
	__atomic_store_n(&p->groups, groups, __ATOMIC_RELEASE);
	return 0;
}

static int table_new(struct postern_policy *p, bool index)
{
	const unsigned long n = buckets(p->limit);

	p->domains = _cds_lfht_new(n, n, n, 0, &cds_lfht_mm_mmap, &rcu_flavor, NULL);
	if (p->domains == NULL)
		return -ENOMEM;
	p->buckets = cds_lfht_mm_mmap.bucket_at(p->domains, 0);
	p->bucket_mask = n - 1;
	base_arena_advise(p->buckets, n * sizeof(*p->buckets));
	if (!index)
		return 0;
	p->index_built = true;
	p->front.complete = true;
	return admit_index_new(p);
}

int postern_policy_new(const struct postern_policy_limits *limits, struct postern_policy **out)
{
	// Large for its table of organisations, of which most pages are never touched.
	struct postern_policy *p = base_arena_map(sizeof(*p));
	int rc = -ENOMEM;

	if (p == NULL)
		return -ENOMEM;
	pthread_mutex_init(&p->lock, NULL);
	pthread_mutex_init(&p->arena_lock, NULL);
	p->limit = limits->domains;
	CDS_INIT_LIST_HEAD(&p->homes);
	CDS_INIT_LIST_HEAD(&p->learnt);
	if (get_default_call_rcu_data() == NULL)
		rc = -EAGAIN;
	else
		rc = base_secret_draw(&p->secret);
	if (rc == 0)
		rc = admit_arena_new(p, p->limit);
	if (rc == 0) {
		rc = table_new(p, limits->index);
	}
	if (rc < 0)
		postern_policy_free(p);
	else
		*out = p;
	return rc;
}

static void entry_free(struct postern_policy *p, struct admit_entry *e)
{
	const struct admit_listing *l = admit_entry_listings(e);

	for (unsigned i = 0; i < e->n_listings; i++)
		admit_blob_free(p, l[i].names);
	if (e->n_listings > 1)
		admit_blob_free(p, e->many);
	admit_blob_free(p, e->facts);
	admit_blob_free(p, e->host);
	admit_blob_free(p, e->learnt);
	if (e->length > ENTRY_TEXT)
		admit_blob_free(p, e->text.far);
}

static void domains_free(struct postern_policy *p)
{
	struct cds_lfht_iter at;
	struct cds_lfht_node *node;

	rcu_register_thread();
	while (!cds_list_empty(&p->homes))
		admit_home_drop(p, cds_list_first_entry(&p->homes, struct admit_home, all));
	cds_lfht_first(p->domains, &at);
	while ((node = cds_lfht_iter_get_node(&at)) != NULL) {
		cds_lfht_next(p->domains, &at);
		cds_lfht_del(p->domains, node);
		entry_free(p, caa_container_of(node, struct admit_entry, node));
	}
	rcu_unregister_thread();
	cds_lfht_destroy(p->domains, NULL);
}

void postern_policy_free(struct postern_policy *p)
{
	if (p == NULL)
		return;
	rcu_barrier(); // what was left behind before
	for (unsigned i = 0; i < POSTERN_ORGANISATIONS_MAX; i++)
		if (p->organisations[i] != NULL)
			(void)postern_policy_remove_organisation(p, (uint16_t)i);
	if (p->domains != NULL)
		domains_free(p);
	rcu_barrier(); // and now
	if (p->groups != NULL)
		cds_lfht_destroy(p->groups, NULL);
	admit_verdicts_free(p);
	admit_learnt_free(p);
	admit_arena_free(p);
	pthread_mutex_destroy(&p->arena_lock);
	pthread_mutex_destroy(&p->lock);
	base_arena_unmap(p, sizeof(*p));
}

void postern_policy_decide(
	struct postern_policy *p, const struct postern_question *q, struct postern_answer *a)
{
	rcu_register_thread();
	admit_decide(p, q, a);
	rcu_unregister_thread();
}

int postern_policy_owner(struct postern_policy *p, const struct postern_domain *domain)
{
	rcu_register_thread();
	const struct admit_entry *e = admit_table_find(p, domain->text, domain->length);
	const int owner = e != NULL && e->owner != NO_OWNER ? e->owner : -ENOENT;

	rcu_unregister_thread();
	return owner;
}

void postern_policy_read(struct postern_policy *p, struct postern_policy_stats *out)
{
	pthread_mutex_lock(&p->lock);
	out->domains = p->n_domains;
	out->domains_limit = p->limit;
	const uint64_t verdicts = admit_verdicts_memory(p);
	pthread_mutex_unlock(&p->lock);
	pthread_mutex_lock(&p->arena_lock);
	out->memory = verdicts + (uint64_t)p->arena_used * sizeof(struct admit_entry);
	pthread_mutex_unlock(&p->arena_lock);
	out->memory +=
		__atomic_load_n(&p->blobs, __ATOMIC_RELAXED) +
		(p->groups != NULL ? 2 : 1) * buckets(p->limit) * sizeof(struct cds_lfht_node);
}

bool postern_policy_is_complete(const struct postern_policy *p)
{
	return __atomic_load_n(&p->front.complete, __ATOMIC_ACQUIRE);
}
