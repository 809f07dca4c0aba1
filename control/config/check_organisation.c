// SPDX-License-Identifier: BSD-2-Clause
// Organisations: no name and no domain stands twice.

#include "control/config/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct place {
	const char *domain;
	size_t organisation, at; // indexes
};

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	int order = strcmp(x->domain, y->domain);
	if (order == 0)
		order = (x->organisation > y->organisation) - (x->organisation < y->organisation);
	return order ? order : (x->at > y->at) - (x->at < y->at);
}

static size_t collect(const struct config *c, struct place *places)
{
	size_t n = 0;
	for (size_t i = 0; i < c->organisations.count; i++) {
		const struct config_organisation *o = &c->organisations.items[i];
		for (size_t j = 0; j < o->domains.count; j++)
			if (o->domains.items[j])
				places[n++] = (struct place){o->domains.items[j], i, j};
	}
	return n;
}

static size_t count_domains(const struct config *c)
{
	size_t n = 0;
	for (size_t i = 0; i < c->organisations.count; i++)
		n += c->organisations.items[i].domains.count;
	return n;
}

void check_organisations(struct config_context *ctx, const struct config *c)
{
	struct check_names names = check_names_collect(ctx, "organisations", c->organisations.items,
		c->organisations.count, sizeof(c->organisations.items[0]));
	free(names.items);
	struct place *places = calloc(count_domains(c) + 1, sizeof(places[0]));
	if (!places) {
		ctx->failure = -ENOMEM;
		return;
	}
	size_t n = collect(c, places);
	qsort(places, n, sizeof(places[0]), compare_places);
	for (size_t i = 1, first = 0; i < n; i++) {
		if (strcmp(places[first].domain, places[i].domain) != 0) {
			first = i;
			continue;
		}
		config_path_set(ctx, "organisations[%zu].domains[%zu]", places[i].organisation,
			places[i].at);
		config_mistake_here(ctx, "each domain once",
			"%s is organisations[%zu].domains[%zu] already", places[i].domain,
			places[first].organisation, places[first].at);
	}
	free(places);
}
