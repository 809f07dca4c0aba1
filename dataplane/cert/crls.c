// SPDX-License-Identifier: BSD-2-Clause
// The set of revocation lists, by issuer and distribution point. Control changes it, workers look.

#include "cert/crl.h"

#include <openssl/crypto.h>
#include <urcu-qsbr.h>
#include <urcu/rculfhash.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ENTRIES_MAX 4096
#define BUCKETS     1024
#define SERIALS_MAX 8000000u // numbers on all lists together: 168 MB

struct entry {
	struct cds_lfht_node node;
	struct rcu_head head;
	uint8_t issuer[CERT_DIGEST_SIZE];
	uint64_t point;
	struct cert_list *list;
};

struct cert_crls {
	struct cds_lfht *table;
	unsigned entries; // control: rw
	uint64_t serials; // control: rw
};

struct key {
	const uint8_t *issuer;
	uint64_t point;
};

static int is_key(struct cds_lfht_node *node, const void *key)
{
	const struct entry *e = caa_container_of(node, struct entry, node);
	const struct key *k = key;

	return e->point == k->point && memcmp(e->issuer, k->issuer, CERT_DIGEST_SIZE) == 0;
}

// The first part is a digest already.
static unsigned long hash_of(const struct key *k)
{
	unsigned long hash;

	memcpy(&hash, k->issuer, sizeof(hash));
	return hash ^ (unsigned long)k->point;
}

static struct entry *find(struct cert_crls *s, const struct key *k)
{
	struct cds_lfht_iter at;
	struct cds_lfht_node *node;

	cds_lfht_lookup(s->table, hash_of(k), is_key, k, &at);
	node = cds_lfht_iter_get_node(&at);
	return node != NULL ? caa_container_of(node, struct entry, node) : NULL;
}

int cert_crls_new(struct cert_crls **out)
{
	struct cert_crls *s = OPENSSL_zalloc(sizeof(*s));

	if (s == NULL)
		return -ENOMEM;
	s->table = cds_lfht_new(BUCKETS, BUCKETS, BUCKETS, 0, NULL);
	if (s->table == NULL) {
		OPENSSL_free(s);
		return -ENOMEM;
	}
	*out = s;
	return 0;
}

static void free_entry(struct rcu_head *head)
{
	struct entry *e = caa_container_of(head, struct entry, head);

	cert_list_release(e->list);
	OPENSSL_free(e);
}

static void drop(struct cert_crls *s, struct entry *e)
{
	s->entries--;
	s->serials -= e->list->n;
	call_rcu(&e->head, free_entry);
}

unsigned cert_crls_expire(struct cert_crls *s, int64_t before)
{
	struct cds_lfht_iter at;
	struct cds_lfht_node *node;
	unsigned n = 0;

	rcu_read_lock();
	cds_lfht_for_each(s->table, &at, node)
	{
		struct entry *e = caa_container_of(node, struct entry, node);

		if (e->list->next_update >= before || cds_lfht_del(s->table, node) != 0)
			continue;
		drop(s, e);
		n++;
	}
	rcu_read_unlock();
	return n;
}

void cert_crls_free(struct cert_crls *s)
{
	if (s == NULL)
		return;
	cert_crls_expire(s, INT64_MAX);
	rcu_barrier();
	cds_lfht_destroy(s->table, NULL);
	OPENSSL_free(s);
}

static bool is_older(const struct cert_list *a, const struct cert_list *b)
{
	if (a->number != 0 && b->number != 0 && a->number != b->number)
		return a->number < b->number;
	return a->this_update < b->this_update;
}

static int put(struct cert_crls *s, const uint8_t *issuer, uint64_t point, struct cert_list *l)
{
	const struct key k = {issuer, point};
	struct entry *e = OPENSSL_zalloc(sizeof(*e)), *old;

	if (e == NULL)
		return -ENOMEM;
	memcpy(e->issuer, issuer, CERT_DIGEST_SIZE);
	e->point = point;
	e->list = l;
	__atomic_fetch_add(&l->references, 1, __ATOMIC_RELAXED);
	rcu_read_lock();
	old = find(s, &k);
	if (old != NULL) {
		struct cds_lfht_iter at;

		cds_lfht_lookup(s->table, hash_of(&k), is_key, &k, &at);
		cds_lfht_replace(s->table, &at, hash_of(&k), is_key, &k, &e->node);
		drop(s, old);
	} else {
		cds_lfht_add(s->table, hash_of(&k), &e->node);
	}
	s->entries++;
	s->serials += l->n;
	rcu_read_unlock();
	return 0;
}

// Whether every place of the list may be taken by it.
static int check_places(
	struct cert_crls *s, const uint8_t *issuer, const struct cert_list *l, unsigned n)
{
	uint64_t replaced = 0;
	int rc = 0;

	rcu_read_lock();
	for (unsigned i = 0; i < n; i++) {
		const struct key k = {issuer, l->n_points > 0 ? l->points[i] : CERT_POINT_ALL};
		const struct entry *old = find(s, &k);

		if (old == NULL)
			continue;
		replaced += old->list->n;
		if (is_older(l, old->list))
			rc = -ESTALE;
	}
	if (rc == 0 && (s->entries + n > ENTRIES_MAX ||
			       s->serials - replaced + (uint64_t)n * l->n > SERIALS_MAX))
		rc = -ENOSPC;
	rcu_read_unlock();
	return rc;
}

int cert_crls_set(struct cert_crls *s, const X509 *issuer, const void *bytes, size_t size,
	struct cert_crl_facts *facts, char *why, size_t why_size)
{
	uint8_t digest[CERT_DIGEST_SIZE];
	struct cert_list *l;
	int rc = cert_list_read(issuer, bytes, size, &l, why, why_size);

	if (rc < 0)
		return rc;
	const unsigned n = l->n_points > 0 ? l->n_points : 1;

	if (!cert_issuer_digest(issuer, digest))
		rc = -ENOMEM;
	if (rc == 0)
		rc = check_places(s, digest, l, n);
	for (unsigned i = 0; rc == 0 && i < n; i++)
		rc = put(s, digest, l->n_points > 0 ? l->points[i] : CERT_POINT_ALL, l);
	if (rc == -ESTALE)
		snprintf(why, why_size, "a newer one is known");
	else if (rc == -ENOSPC)
		snprintf(why, why_size, "there are too many revocation lists, or numbers on them");
	else if (rc == -ENOMEM)
		snprintf(why, why_size, "out of memory");
	if (rc == 0 && facts != NULL)
		*facts = (struct cert_crl_facts){l->this_update, l->next_update, l->n, l->number};
	cert_list_release(l);
	return rc;
}

static enum cert_revocation look(struct cert_crls *s, const struct cert_link *link, uint64_t point,
	int64_t now, int64_t *until)
{
	const struct key k = {link->issuer, point};
	const struct entry *e = find(s, &k);

	if (e == NULL || (link->is_ca ? e->list->users_only : e->list->issuers_only))
		return CERT_REVOCATION_UNKNOWN;
	// Out of date it still knows who was revoked then.
	if (cert_list_has(e->list, link->serial, link->serial_size))
		return CERT_REVOCATION_REVOKED;
	if (now > e->list->next_update)
		return CERT_REVOCATION_STALE;
	if (e->list->next_update < *until)
		*until = e->list->next_update;
	return CERT_REVOCATION_GOOD;
}

enum cert_revocation cert_crls_look(
	struct cert_crls *s, const struct cert_link *link, int64_t now, int64_t *until)
{
	enum cert_revocation best = CERT_REVOCATION_UNKNOWN;

	if (s == NULL)
		return best;
	rcu_read_lock();
	// One list that has it is enough to refuse, one that is fresh and does not have it to accept.
	for (unsigned i = 0; i <= link->n_points && best != CERT_REVOCATION_REVOKED; i++) {
		const uint64_t point = i < link->n_points ? link->points[i] : CERT_POINT_ALL;
		const enum cert_revocation r = look(s, link, point, now, until);

		if (r == CERT_REVOCATION_REVOKED || r == CERT_REVOCATION_GOOD ||
			best == CERT_REVOCATION_UNKNOWN)
			best = best == CERT_REVOCATION_GOOD && r != CERT_REVOCATION_REVOKED ? best
											    : r;
	}
	rcu_read_unlock();
	return best;
}
