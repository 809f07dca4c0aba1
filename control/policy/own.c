// SPDX-License-Identifier: BSD-2-Clause
// Whose SIP domains are whose. Made anew from each configuration; requests that are under way keep
// the one they began with.

#include "control/policy/private.h"

#include "postern/policy.h"

#include <stdlib.h>
#include <string.h>

static int compare_domains(const void *a, const void *b)
{
	const struct policy_own_domain *x = a, *y = b;

	return strcmp(x->domain, y->domain);
}

static int compare_organisations(const void *a, const void *b)
{
	const struct policy_own_organisation *x = a, *y = b;

	return strcmp(x->name, y->name);
}

// Ids are stable by name; one that is free goes to one that is new.
static void give_ids(struct policy_own *own, const struct policy_own *before)
{
	bool taken[POSTERN_ORGANISATIONS_MAX] = {false};
	uint16_t next = 0;

	// Whoever leaves now keeps its id until the next time: it is unloaded first.
	for (size_t i = 0; before && i < before->n_organisations; i++)
		if (before->organisations[i].id != UINT16_MAX)
			taken[before->organisations[i].id] = true;
	for (size_t i = 0; i < own->n_organisations; i++) {
		const struct policy_own_organisation *was =
			before ? policy_own_organisation(before, own->organisations[i].name) : NULL;

		own->organisations[i].id = was ? was->id : UINT16_MAX;
	}
	for (size_t i = 0; i < own->n_organisations; i++) {
		if (own->organisations[i].id != UINT16_MAX)
			continue;
		while (next < POSTERN_ORGANISATIONS_MAX && taken[next])
			next++;
		// When all 4096 are exchanged at once, there is none left for some until the next time.
		own->organisations[i].id = next < POSTERN_ORGANISATIONS_MAX ? next++ : UINT16_MAX;
	}
}

static bool fill(struct policy_own *own, const struct config *c)
{
	for (size_t i = 0; i < c->organisations.count; i++) {
		const struct config_organisation *o = &c->organisations.items[i];
		char *name = strdup(o->name);

		if (!name)
			return false;
		own->organisations[own->n_organisations++].name = name;
		for (size_t j = 0; j < o->domains.count; j++) {
			char *domain = strdup(o->domains.items[j]);

			if (!domain)
				return false;
			own->items[own->n++] = (struct policy_own_domain){domain, name};
		}
	}
	return true;
}

struct policy_own *policy_own_new(const struct config *c, const struct policy_own *before)
{
	struct policy_own *own = calloc(1, sizeof(*own));
	size_t n = 0;

	if (!own)
		return NULL;
	own->references = 1;
	for (size_t i = 0; i < c->organisations.count; i++)
		n += c->organisations.items[i].domains.count;
	own->items = calloc(n + 1, sizeof(*own->items));
	own->organisations = calloc(c->organisations.count + 1, sizeof(*own->organisations));
	if (!own->items || !own->organisations || !fill(own, c)) {
		policy_own_drop(own);
		return NULL;
	}
	qsort(own->items, own->n, sizeof(*own->items), compare_domains);
	qsort(own->organisations, own->n_organisations, sizeof(*own->organisations),
		compare_organisations);
	give_ids(own, before);
	return own;
}

struct policy_own *policy_own_take(struct policy_own *own)
{
	__atomic_add_fetch(&own->references, 1, __ATOMIC_RELAXED);
	return own;
}

void policy_own_drop(struct policy_own *own)
{
	if (!own || __atomic_sub_fetch(&own->references, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	for (size_t i = 0; i < own->n; i++)
		free(own->items[i].domain);
	for (size_t i = 0; i < own->n_organisations; i++)
		free(own->organisations[i].name);
	free(own->items);
	free(own->organisations);
	free(own);
}

const char *policy_own_find(const struct policy_own *own, const char *domain)
{
	size_t low = 0, high = own->n;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		const int order = strcmp(own->items[middle].domain, domain);

		if (order == 0)
			return own->items[middle].organisation;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

const struct policy_own_organisation *policy_own_organisation(
	const struct policy_own *own, const char *name)
{
	size_t low = 0, high = own->n_organisations;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		const int order = strcmp(own->organisations[middle].name, name);

		if (order == 0)
			return &own->organisations[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}
