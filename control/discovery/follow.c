// SPDX-License-Identifier: BSD-2-Clause
// Who follows what: entries of the policy, by organisation and domain, and handles of the
// configuration's hosts. Entries come from other threads.
//
// An entry that SRV tells about is kept as its organisation's id with the domain. What names hosts
// (ProxyFqdn, further names, providers, the default route) is a listing of its own.

#include "control/discovery/private.h"

#include <xxhash.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LISTING_BUCKETS (1u << 17)

// Providers and the route are listed under keys that are no domains.
#define KEY_MAX POSTERN_DOMAIN_MAX

// Names that a sweep looks at in one turn of the loop, some 50 us.
#define SWEEP_MOST    256u
#define SWEEP_BUCKETS 8192u

struct listing {
	struct listing *next;
	uint16_t organisation;
	uint8_t length;
	uint8_t n;
	struct name **hosts;
	char key[];
};

static void locked(struct discovery *d)
{
	pthread_mutex_lock(&d->lock);
}

static void unlock(struct discovery *d)
{
	pthread_mutex_unlock(&d->lock);
}

// ---- Domains by SRV

static uint16_t *organisations(struct name *n)
{
	return n->n_organisations > 1 ? n->organisations : &n->organisation;
}

static bool is_listed(struct name *n, uint16_t organisation)
{
	const uint16_t *all = organisations(n);

	for (unsigned i = 0; i < n->n_organisations; i++)
		if (all[i] == organisation)
			return true;
	return false;
}

static int add_organisation(struct discovery *d, struct name *n, uint16_t organisation)
{
	const bool followed = name_is_followed(n);

	if (is_listed(n, organisation))
		return 0;
	if (n->n_organisations == 0) {
		n->organisation = organisation;
	} else {
		uint16_t *more = realloc(n->n_organisations > 1 ? n->organisations : NULL,
			(n->n_organisations + 1u) * sizeof(*more));

		if (more == NULL)
			return -ENOMEM;
		if (n->n_organisations == 1)
			more[0] = n->organisation;
		more[n->n_organisations] = organisation;
		n->organisations = more;
	}
	n->n_organisations++;
	name_count(d, n, followed);
	return 0;
}

// Nobody follows it any more.
static void let_go(struct discovery *d, struct name *n)
{
	if (name_is_followed(n) || n->waiters != NULL)
		return;
	// One under way is forgotten when it is due.
	if (n->job == NULL && !n->telling)
		name_forget(d, n);
}

static void remove_organisation(struct discovery *d, struct name *n, uint16_t organisation)
{
	uint16_t *all = organisations(n);

	if (!is_listed(n, organisation))
		return;
	for (unsigned i = 0; i < n->n_organisations; i++)
		if (all[i] == organisation)
			all[i] = all[n->n_organisations - 1];
	n->n_organisations--;
	if (n->n_organisations == 1) {
		n->organisation = n->organisations[0];
		free(n->organisations);
		n->organisations = NULL;
	}
	name_count(d, n, true);
	let_go(d, n);
}

// ---- Hosts

static struct name *host_hold(struct discovery *d, const struct postern_domain *host)
{
	struct name *n = name_get(d, host, true);

	if (n == NULL)
		return NULL;
	const bool followed = name_is_followed(n);

	n->followers++;
	name_count(d, n, followed);
	// What is known from serving a domain will do, once the tables have it.
	if (!followed)
		name_ready(d, n);
	return n;
}

static void host_release(struct discovery *d, struct name *n)
{
	n->followers--;
	name_count(d, n, true);
	let_go(d, n);
}

static struct listing **listing_at(
	struct discovery *d, uint16_t organisation, const char *key, size_t length)
{
	struct listing **at =
		&d->listings[XXH3_64bits_withSeed(key, length, d->secret + organisation) %
			     LISTING_BUCKETS];

	while (*at != NULL && ((*at)->organisation != organisation || (*at)->length != length ||
				      memcmp((*at)->key, key, length) != 0))
		at = &(*at)->next;
	return at;
}

static void listing_free(struct discovery *d, struct listing *l)
{
	for (unsigned i = 0; i < l->n; i++)
		host_release(d, l->hosts[i]);
	d->memory -= sizeof(*l) + l->length + l->n * sizeof(*l->hosts);
	free(l->hosts);
	free(l);
}

static void unlist(struct discovery *d, uint16_t organisation, const char *key, size_t length)
{
	if (d->listings == NULL)
		return;
	struct listing **at = listing_at(d, organisation, key, length);
	struct listing *l = *at;

	if (l == NULL)
		return;
	*at = l->next;
	listing_free(d, l);
}

// In the place of what is listed there.
static int list(struct discovery *d, uint16_t organisation, const char *key, size_t length,
	const struct postern_domain *const *hosts, unsigned n)
{
	if (n == 0) {
		unlist(d, organisation, key, length);
		return 0;
	}
	if (d->listings == NULL) {
		d->listings = calloc(LISTING_BUCKETS, sizeof(struct listing *));
		if (d->listings == NULL)
			return -ENOMEM;
		d->memory += LISTING_BUCKETS * sizeof(struct listing *);
	}
	struct listing *l = calloc(1, sizeof(*l) + length);

	if (l == NULL)
		return -ENOMEM;
	l->organisation = organisation;
	l->length = (uint8_t)length;
	memcpy(l->key, key, length);
	l->hosts = malloc(n * sizeof(struct name *));
	d->memory += sizeof(*l) + length;
	for (; l->hosts != NULL && l->n < n; l->n++) {
		l->hosts[l->n] = host_hold(d, hosts[l->n]);
		if (l->hosts[l->n] == NULL)
			break;
		d->memory += sizeof(struct name *);
	}
	if (l->n < n) {
		listing_free(d, l);
		return -ENOMEM;
	}
	// The new one holds its hosts before the old one lets go of them.
	unlist(d, organisation, key, length);
	struct listing **at = listing_at(d, organisation, key, length);

	l->next = *at;
	*at = l;
	return 0;
}

// ---- What the policy calls

int discovery_follow_allowed(
	struct discovery *d, uint16_t organisation, const struct postern_allowed *a)
{
	const struct postern_domain *hosts[POSTERN_FURTHER_NAMES_MAX + 1];
	const bool by_srv = a->proxy_fqdn.length == 0;
	struct name *n = NULL;
	unsigned n_hosts = 0;
	int rc = 0;

	if (organisation >= POSTERN_ORGANISATIONS_MAX ||
		a->n_further_names > POSTERN_FURTHER_NAMES_MAX)
		return -EINVAL;
	if (!by_srv)
		hosts[n_hosts++] = &a->proxy_fqdn;
	for (unsigned i = 0; i < a->n_further_names; i++)
		hosts[n_hosts++] = &a->further_names[i];
	locked(d);
	if (by_srv) {
		n = name_get(d, &a->domain, false);
		const bool followed = n != NULL && name_is_followed(n);

		rc = n != NULL ? add_organisation(d, n, organisation) : -ENOMEM;
		if (rc == 0 && (!followed || n->idle) && !name_holds(d, n))
			name_ready(d, n);
	}
	if (rc == 0)
		rc = list(d, organisation, a->domain.text, a->domain.length, hosts, n_hosts);
	if (rc == 0 && !by_srv) {
		n = name_find(d, &a->domain, false);
		if (n != NULL)
			remove_organisation(d, n, organisation);
	}
	unlock(d);
	discovery_wake(d);
	return rc;
}

void discovery_unfollow_listed(
	struct discovery *d, uint16_t organisation, const struct postern_domain *domain)
{
	locked(d);
	struct name *n = name_find(d, domain, false);

	if (n != NULL)
		remove_organisation(d, n, organisation);
	unlist(d, organisation, domain->text, domain->length);
	unlock(d);
}

static size_t provider_key(uint64_t id, char key[static KEY_MAX])
{
	return (size_t)snprintf(key, KEY_MAX, "#%llu", (unsigned long long)id);
}

int discovery_follow_provider(
	struct discovery *d, uint16_t organisation, const struct postern_provider *v)
{
	const struct postern_domain *host = &v->proxy_fqdn;
	char key[KEY_MAX];
	const size_t length = provider_key(v->id, key);

	locked(d);
	const int rc = list(d, organisation, key, length, &host, v->enabled && host->length > 0);

	unlock(d);
	discovery_wake(d);
	return rc;
}

void discovery_unfollow_provider(struct discovery *d, uint16_t organisation, uint64_t id)
{
	char key[KEY_MAX];
	const size_t length = provider_key(id, key);

	locked(d);
	unlist(d, organisation, key, length);
	unlock(d);
}

static void set_routed(struct discovery *d, uint16_t organisation, bool routed)
{
	uint8_t *at = &d->routed[organisation / 8];
	const uint8_t bit = (uint8_t)(1u << organisation % 8);

	if (routed == ((*at & bit) != 0))
		return;
	*at ^= bit;
	if (!routed)
		d->sweep = NAME_BUCKETS;
}

int discovery_follow_switches(
	struct discovery *d, uint16_t organisation, const struct postern_switches *s)
{
	const struct postern_domain *host = &s->default_route;

	if (organisation >= POSTERN_ORGANISATIONS_MAX)
		return -EINVAL;
	locked(d);
	const int rc = list(d, organisation, "#", 1, &host, host->length > 0);

	set_routed(d, organisation, host->length > 0);
	unlock(d);
	discovery_wake(d);
	return rc;
}

void discovery_unfollow_organisation(struct discovery *d, uint16_t organisation)
{
	if (organisation >= POSTERN_ORGANISATIONS_MAX)
		return;
	locked(d);
	unlist(d, organisation, "#", 1);
	set_routed(d, organisation, false);
	for (size_t i = 0; d->listings != NULL && i < LISTING_BUCKETS; i++)
		for (struct listing **at = &d->listings[i]; *at != NULL;) {
			struct listing *l = *at;

			if (l->organisation != organisation || l->key[0] != '#') {
				at = &l->next;
				continue;
			}
			*at = l->next;
			listing_free(d, l);
		}
	unlock(d);
}

bool follow_sweep(struct discovery *d)
{
	unsigned n = 0;

	for (unsigned i = 0; d->sweep > 0 && i < SWEEP_BUCKETS && n < SWEEP_MOST; i++) {
		struct name *next;

		d->sweep--;
		for (struct name *one = d->buckets[d->sweep]; one != NULL; one = next) {
			next = one->hash_next;
			n++;
			if (one->place != PLACE_WHEEL)
				continue;
			if (d->sweep_all && !name_is_followed(one) && one->waiters == NULL)
				name_forget(d, one);
			else if (d->sweep_all || (one->idle && name_is_needed(d, one)))
				name_ready(d, one);
		}
	}
	if (d->sweep == 0)
		d->sweep_all = false;
	return d->sweep > 0;
}

void follow_free(struct discovery *d)
{
	for (size_t i = 0; d->listings != NULL && i < LISTING_BUCKETS; i++)
		while (d->listings[i] != NULL) {
			struct listing *l = d->listings[i];

			d->listings[i] = l->next;
			free(l->hosts);
			free(l);
		}
	free(d->listings);
	while (!link_is_empty(&d->handles)) {
		struct discovery_host *h = LINK_OF(d->handles.next, struct discovery_host, at);

		link_remove(&h->at);
		free(h);
	}
}

// ---- Handles

int discovery_follow_host(struct discovery *d, const struct postern_domain *host,
	discovery_changed changed, void *user, struct discovery_host **out)
{
	struct discovery_host *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return -ENOMEM;
	locked(d);
	h->d = d;
	h->changed = changed;
	h->user = user;
	h->name = host_hold(d, host);
	if (h->name != NULL) {
		link_append(&d->handles, &h->at);
		h->pending = h->name->state != POSTERN_FACTS_UNKNOWN;
	}
	unlock(d);
	if (h->name == NULL) {
		free(h);
		return -ENOMEM;
	}
	discovery_wake(d);
	*out = h;
	return 0;
}

void discovery_unfollow_host(struct discovery_host *h)
{
	struct discovery *d;

	if (h == NULL)
		return;
	d = h->d;
	locked(d);
	link_remove(&h->at);
	host_release(d, h->name);
	unlock(d);
	free(h);
}

void follow_changed(struct discovery *d, const struct name *host)
{
	for (struct link *l = d->handles.next; l != &d->handles; l = l->next) {
		struct discovery_host *h = LINK_OF(l, struct discovery_host, at);

		h->pending |= h->name == host;
	}
	discovery_wake(d);
}

// A handle that has something to tell; NULL: none. What is to be told is copied.
static struct discovery_host *next_pending(struct discovery *d, struct discovery_addresses *now,
	struct postern_domain *host, struct postern_addr addresses[static POSTERN_ADDRESSES_MAX],
	char why[static DISCOVERY_WHY])
{
	struct discovery_host *found = NULL;

	locked(d);
	for (struct link *l = d->handles.next; l != &d->handles && found == NULL; l = l->next) {
		struct discovery_host *h = LINK_OF(l, struct discovery_host, at);

		if (!h->pending)
			continue;
		h->pending = false;
		found = h;
		name_domain(h->name, host);
		name_why(h->name, why);
		if (h->name->n_addresses > 0)
			memcpy(addresses, h->name->addresses,
				h->name->n_addresses * sizeof(*addresses));
		*now = (struct discovery_addresses){.host = host,
			.state = (enum postern_facts_state)h->name->state,
			.addresses = addresses,
			.n = h->name->n_addresses,
			.why = why};
	}
	unlock(d);
	return found;
}

void follow_deliver(struct discovery *d)
{
	struct postern_addr addresses[POSTERN_ADDRESSES_MAX];
	struct discovery_addresses now;
	struct discovery_host *h;
	struct postern_domain host;
	char why[DISCOVERY_WHY];

	while ((h = next_pending(d, &now, &host, addresses, why)) != NULL)
		h->changed(h->user, &now);
	for (;;) {
		locked(d);
		struct discovery_wait *w =
			link_is_empty(&d->told) ? NULL
						: LINK_OF(d->told.next, struct discovery_wait, at);

		if (w != NULL) {
			link_remove(&w->at);
			d->n_waits--;
		}
		unlock(d);
		if (w == NULL)
			return;
		const struct discovery_told told = {.domain = &w->domain,
			.state = w->state,
			.overloaded = w->overloaded,
			.why = w->why};

		w->found(w->user, &told);
		free(w);
	}
}
