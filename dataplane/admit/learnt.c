// SPDX-License-Identifier: BSD-2-Clause
// Addresses learnt from admitted sessions: whence a partner has come who proved by name who he is. They count
// as if the operator had written them into his entry, and are bounded and forgotten with time.

#include "admit/private.h"

#include <errno.h>
#include <stdlib.h>

// One of them as control keeps it, in the order in which they were last heard of.
struct admit_learnt_item {
	struct cds_list_head at;
	uint64_t heard_us;
	struct postern_addr addr;
	struct postern_domain domain;
	uint16_t organisation;
};

static size_t size_of(unsigned n)
{
	return sizeof(struct admit_learnt) + n * sizeof(((struct admit_learnt *)0)->items[0]);
}

// Where an address stands among a domain's, l->n if it does not.
static unsigned place_of(
	const struct admit_learnt *l, uint16_t organisation, const struct postern_addr *address)
{
	unsigned i = 0;

	while (i < l->n && (l->items[i].organisation != organisation ||
				   !postern_addr_equal(&l->items[i].addr, address)))
		i++;
	return i;
}

bool admit_learnt_has(
	const struct admit_learnt *l, uint16_t organisation, const struct postern_addr *address)
{
	return l != NULL && place_of(l, organisation, address) < l->n;
}

// The entry's addresses without one and with another; both may be NULL. 0, -ENOMEM or -ENOSPC.
static int replace(struct postern_policy *p, const struct postern_domain *d,
	const struct admit_learnt_item *without, struct admit_learnt_item *with)
{
	const struct admit_entry *e = admit_table_find(p, d->text, d->length);
	const struct admit_learnt *old = e != NULL ? e->learnt : NULL;
	const unsigned n_old = old != NULL ? old->n : 0;
	struct admit_learnt *l = admit_blob_new(p, size_of(n_old + 1));

	if (l == NULL)
		return -ENOMEM;
	l->n = 0;
	for (unsigned i = 0; i < n_old; i++)
		if (old->items[i].item != without)
			l->items[l->n++] = old->items[i];
	if (with != NULL) {
		l->items[l->n].addr = with->addr;
		l->items[l->n].item = with;
		l->items[l->n++].organisation = with->organisation;
	}
	const bool any = l->n > 0;

	if (!any)
		admit_blob_free(p, l);
	const int rc = admit_entry_set_learnt(p, d, any ? l : NULL);

	if (rc < 0 && any)
		admit_blob_free(p, l);
	return rc;
}

static int forget(struct postern_policy *p, struct admit_learnt_item *item)
{
	const int rc = replace(p, &item->domain, item, NULL);

	if (rc < 0)
		return rc;
	cds_list_del(&item->at);
	free(item);
	p->n_learnt--;
	return 0;
}

static struct admit_learnt_item *oldest_of(const struct admit_learnt *l)
{
	struct admit_learnt_item *oldest = l->items[0].item;

	for (unsigned i = 1; i < l->n; i++)
		if (l->items[i].item->heard_us < oldest->heard_us)
			oldest = l->items[i].item;
	return oldest;
}

// Room for one more of a domain, and in all.
static int make_room(struct postern_policy *p, const struct admit_learnt *l)
{
	if (l != NULL && l->n >= POSTERN_LEARNT_OF_DOMAIN)
		return forget(p, oldest_of(l));
	if (p->n_learnt < POSTERN_LEARNT_MOST)
		return 0;
	return forget(p, cds_list_first_entry(&p->learnt, struct admit_learnt_item, at));
}

static int learn(struct postern_policy *p, uint16_t organisation, const struct postern_domain *d,
	const struct postern_addr *address, uint64_t now_us)
{
	const struct admit_entry *e = admit_table_find(p, d->text, d->length);
	const struct admit_learnt *l = e != NULL ? e->learnt : NULL;
	const unsigned place = l != NULL ? place_of(l, organisation, address) : 0;
	struct admit_learnt_item *item;

	if (l != NULL && place < l->n) {
		item = l->items[place].item;
		item->heard_us = now_us;
		cds_list_del(&item->at);
		cds_list_add_tail(&item->at, &p->learnt);
		return 0;
	}
	int rc = make_room(p, l);

	item = rc == 0 ? calloc(1, sizeof(*item)) : NULL;
	if (item == NULL)
		return rc < 0 ? rc : -ENOMEM;
	item->heard_us = now_us;
	item->addr = *address;
	item->domain = *d;
	item->organisation = organisation;
	rc = replace(p, d, NULL, item);
	if (rc < 0) {
		free(item);
		return rc;
	}
	cds_list_add_tail(&item->at, &p->learnt);
	p->n_learnt++;
	return 0;
}

int postern_policy_learn(struct postern_policy *p, uint16_t organisation,
	const struct postern_domain *domain, const struct postern_addr *address, uint64_t now_us)
{
	if (organisation >= POSTERN_ORGANISATIONS_MAX || domain->length == 0)
		return -EINVAL;
	admit_policy_enter(p);
	p->by_dns = true;
	const int rc = learn(p, organisation, domain, address, now_us);

	p->by_dns = false;
	admit_policy_leave(p);
	return rc;
}

unsigned postern_policy_forget(struct postern_policy *p, uint64_t now_us, unsigned budget)
{
	struct admit_learnt_item *item, *next;
	unsigned gone = 0;

	admit_policy_enter(p);
	p->by_dns = true;
	cds_list_for_each_entry_safe(item, next, &p->learnt, at)
	{
		if (gone == budget || item->heard_us + POSTERN_LEARNT_US > now_us ||
			forget(p, item) < 0)
			break;
		gone++;
	}
	p->by_dns = false;
	admit_policy_leave(p);
	return gone;
}

void admit_learnt_free(struct postern_policy *p)
{
	struct admit_learnt_item *item, *next;

	cds_list_for_each_entry_safe(item, next, &p->learnt, at) free(item);
	CDS_INIT_LIST_HEAD(&p->learnt);
}
