// SPDX-License-Identifier: BSD-2-Clause
// From a name or an address to whom it may belong. A group is one such key of one organisation; its
// members are the domains, providers and hosts that have it. Workers read one word of a group: whom to
// ask first, kept by control at one who is admitted as long as there is any. So however many partners
// share an address, a worker asks once.

#include "admit/private.h"

#include <errno.h>
#include <stdlib.h>

// ---- keys

static uint64_t key_hash(const struct postern_policy *p, const struct admit_key *k)
{
	const size_t size = k->kind == ADMIT_NAME ? k->length : sizeof(k->addr);
	const void *data = k->kind == ADMIT_NAME ? (const void *)k->text : (const void *)&k->addr;
	const uint64_t rest =
		(uint64_t)k->organisation << 16 | (uint64_t)k->kind << 8 | (uint64_t)k->length;

	// The rest is no longer than the hash, and is spread over it.
	return base_hash_keyed(&p->secret, data, size) ^ (rest + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

static int is_key(struct cds_lfht_node *node, const void *key)
{
	const struct admit_group *g = caa_container_of(node, struct admit_group, node);
	const struct admit_key *k = key;

	admit_published(node);
	if (g->organisation != k->organisation || g->kind != k->kind || g->length != k->length)
		return false;
	if (k->kind == ADMIT_NAME)
		return memcmp(g->key, k->text, k->length) == 0;
	return memcmp(g->key, &k->addr, sizeof(k->addr)) == 0;
}

struct admit_group *admit_index_find(const struct postern_policy *p, const struct admit_key *k)
{
	struct cds_lfht_iter at;

	cds_lfht_lookup(p->groups, key_hash(p, k), is_key, k, &at);
	struct cds_lfht_node *node = cds_lfht_iter_get_node(&at);

	return node != NULL ? caa_container_of(node, struct admit_group, node) : NULL;
}

void admit_key_of_name(struct admit_key *k, uint16_t organisation, const char *text, size_t length)
{
	*k = (struct admit_key){
		.organisation = organisation,
		.kind = ADMIT_NAME,
		.length = (uint8_t)length,
		.text = text,
	};
}

void admit_key_of_prefix(
	struct admit_key *k, uint16_t organisation, const struct postern_addr *a, unsigned length)
{
	const bool v4 = postern_addr_is_v4(a);
	const unsigned bits = length + (v4 ? 96 : 0);

	*k = (struct admit_key){
		.organisation = organisation,
		.kind = v4 ? ADMIT_V4 : ADMIT_V6,
		.length = (uint8_t)length,
	};
	memcpy(k->addr.bytes, a->bytes, bits / 8);
	if (bits % 8 != 0)
		k->addr.bytes[bits / 8] = (uint8_t)(a->bytes[bits / 8] & (0xff00u >> (bits % 8)));
}

// ---- groups; under the lock

// Which lengths of prefix there are at all, so that workers try no others.
static void count_length(struct postern_policy *p, const struct admit_group *g, int more)
{
	if (g->kind == ADMIT_NAME)
		return;
	const unsigned family = g->kind == ADMIT_V4 ? 0 : 1;
	uint32_t *n = &p->n_lengths[family][g->length];
	uint64_t *word = &p->lengths[family][g->length / 64];
	const uint64_t bit = UINT64_C(1) << (g->length % 64);

	*n += (uint32_t)more;
	if (*n > 0)
		__atomic_fetch_or(word, bit, __ATOMIC_RELAXED);
	else
		__atomic_fetch_and(word, ~bit, __ATOMIC_RELAXED);
}

static struct admit_group *group_new(struct postern_policy *p, const struct admit_key *k)
{
	const size_t size = k->kind == ADMIT_NAME ? k->length : sizeof(k->addr);
	struct admit_group *g = admit_blob_new(p, sizeof(*g) + size);

	if (g == NULL)
		return NULL;
	memset(g, 0, sizeof(*g));
	g->policy = p;
	g->organisation = k->organisation;
	g->kind = k->kind;
	g->length = k->length;
	memcpy(g->key, k->kind == ADMIT_NAME ? (const void *)k->text : (const void *)&k->addr,
		size);
	CDS_INIT_LIST_HEAD(&g->members);
	count_length(p, g, 1);
	cds_lfht_add(p->groups, key_hash(p, k), &g->node);
	return g;
}

static void group_free(struct rcu_head *head)
{
	struct admit_group *g = caa_container_of(head, struct admit_group, rcu);

	admit_blob_free(g->policy, g);
}

static void group_drop(struct postern_policy *p, struct admit_group *g)
{
	if (g->host != NULL) {
		struct admit_home *host = g->host;

		g->host = NULL;
		admit_home_drop(p, host);
	}
	cds_lfht_del(p->groups, &g->node);
	admit_verdict_remove(p, g);
	count_length(p, g, -1);
	// Behind the verdict, since workers ask again about what is lost.
	if (g->good)
		admit_lose(p, g);
	call_rcu(&g->rcu, group_free);
}

static void ask_first(struct admit_group *g, const struct admit_home *home)
{
	__atomic_store_n(&g->first, home, __ATOMIC_RELEASE);
}

// Who is asked first is no longer admitted, or has gone: the next one who is. Those who are not go to the
// end, so that nobody is looked at over and over while others leave.
static void look_for_another(struct postern_policy *p, struct admit_group *g)
{
	struct admit_member *const end =
		cds_list_entry(g->members.prev, struct admit_member, in_group);
	struct postern_answer a;
	struct admit_member *m;

	do {
		m = cds_list_first_entry(&g->members, struct admit_member, in_group);
		g->good = admit_home_is_admitted(p, g, m->home, &a);
		if (g->good) {
			ask_first(g, m->home);
			admit_verdict_set(p, g, &a);
			return;
		}
		cds_list_del(&m->in_group);
		cds_list_add_tail(&m->in_group, &g->members);
	} while (m != end);
	admit_lose(p, g);
}

// Who is asked first is another one, or gets another answer.
static void tell_first(struct postern_policy *p, struct admit_group *g)
{
	struct postern_answer a;

	g->good = admit_home_is_admitted(p, g, g->first, &a);
	admit_verdict_set(p, g, &a);
}

// A member has come, or something about it has changed. As long as `good` is false none is admitted.
static void look_at(struct postern_policy *p, struct admit_group *g, const struct admit_home *home)
{
	const bool was = g->good;
	struct postern_answer a;

	if (g->first == home) {
		tell_first(p, g);
		if (was && !g->good)
			look_for_another(p, g);
	} else if (g->first == NULL || (!was && admit_home_is_admitted(p, g, home, &a))) {
		ask_first(g, home);
		tell_first(p, g);
	}
}

void admit_look_at_all(struct postern_policy *p, const struct admit_home *home)
{
	struct admit_member *m;

	cds_list_for_each_entry(m, &home->members, in_home)
	{
		look_at(p, m->group, home);
		// Who has an address of that host is asked by the host's name.
		if (m->group->host != NULL)
			admit_look_at_all(p, m->group->host);
	}
}

// ---- members

static void member_drop(struct postern_policy *p, struct admit_member *m)
{
	struct admit_group *g = m->group;

	cds_list_del(&m->in_group);
	cds_list_del(&m->in_home);
	if (cds_list_empty(&g->members)) {
		ask_first(g, NULL);
		group_drop(p, g);
	} else if (g->first == m->home && !m->again) {
		const bool was = g->good;

		ask_first(
			g, cds_list_first_entry(&g->members, struct admit_member, in_group)->home);
		tell_first(p, g);
		if (was && !g->good)
			look_for_another(p, g);
		if (g->host != NULL)
			admit_look_at_all(p, g->host);
	}
	admit_blob_free(p, m);
}

static void members_drop(struct postern_policy *p, struct cds_list_head *members)
{
	while (!cds_list_empty(members))
		member_drop(p, cds_list_first_entry(members, struct admit_member, in_home));
}

void admit_plan_begin(struct admit_plan *plan, struct postern_policy *p, struct admit_home *home)
{
	plan->policy = p;
	plan->home = home;
	CDS_INIT_LIST_HEAD(&plan->members);
}

// A name that turns up may be a host whose addresses are known already.
static int host_begin(struct postern_policy *p, struct admit_group *g)
{
	const struct admit_entry *e = admit_table_find(p, g->key, g->length);

	return e != NULL && e->host != NULL ? admit_host_derive(p, g, e->host) : 0;
}

int admit_plan_want(struct admit_plan *plan, const struct admit_key *k)
{
	struct postern_policy *p = plan->policy;
	struct admit_group *g = admit_index_find(p, k);
	struct admit_member *m = admit_blob_new(p, sizeof(*m));
	const bool fresh = g == NULL;

	if (m != NULL && fresh)
		g = group_new(p, k);
	if (m == NULL || g == NULL) {
		admit_blob_free(p, m);
		return -ENOMEM;
	}
	m->group = g;
	m->home = plan->home;
	m->again = false;
	cds_list_add_tail(&m->in_group, &g->members);
	cds_list_add_tail(&m->in_home, &plan->members);
	return fresh && k->kind == ADMIT_NAME ? host_begin(p, g) : 0;
}

void admit_plan_undo(struct admit_plan *plan)
{
	struct admit_member *m;

	// The home stays where it was before.
	cds_list_for_each_entry(m, &plan->home->members, in_home) m->group->kept = true;
	cds_list_for_each_entry(m, &plan->members, in_home) m->again = m->group->kept;
	cds_list_for_each_entry(m, &plan->home->members, in_home) m->group->kept = false;
	members_drop(plan->policy, &plan->members);
}

void admit_plan_commit(struct admit_plan *plan)
{
	struct cds_list_head *have = &plan->home->members;
	struct admit_member *m;

	// Who stays in a group is not taken from its head meanwhile.
	cds_list_for_each_entry(m, &plan->members, in_home) m->group->kept = true;
	cds_list_for_each_entry(m, have, in_home) m->again = m->group->kept;
	cds_list_for_each_entry(m, &plan->members, in_home) m->group->kept = false;
	members_drop(plan->policy, have);
	cds_list_splice(&plan->members, have);
	admit_look_at_all(plan->policy, plan->home);
}

// ---- homes

struct admit_home *admit_home_new(struct postern_policy *p, enum admit_home_kind kind)
{
	struct admit_home *h = admit_blob_new(p, sizeof(*h));

	if (h == NULL)
		return NULL;
	memset(h, 0, sizeof(*h));
	h->policy = p;
	h->kind = (uint8_t)kind;
	CDS_INIT_LIST_HEAD(&h->members);
	CDS_INIT_LIST_HEAD(&h->all);
	return h;
}

static void home_free(struct rcu_head *head)
{
	struct admit_home *h = caa_container_of(head, struct admit_home, rcu);

	admit_blob_free(h->policy, h);
}

void admit_home_drop(struct postern_policy *p, struct admit_home *home)
{
	members_drop(p, &home->members);
	if (p->sweep_at == &home->all)
		p->sweep_at = home->all.next;
	cds_list_del(&home->all);
	call_rcu(&home->rcu, home_free);
}
