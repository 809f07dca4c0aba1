// SPDX-License-Identifier: BSD-2-Clause
// Who tests, and with what certificates.

#include "control/config/config.h"
#include "control/partner/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct identity {
	char *service; // NULL: of those without any
	SSL_CTX *context;
};

struct partner_identities {
	size_t count;
	struct identity items[];
};

int partner_set_new(struct event_base *base, struct discovery *discovery, struct partner_set **out)
{
	struct partner_set *set = calloc(1, sizeof(*set));

	*out = set;
	if (set == NULL)
		return -ENOMEM;
	set->base = base;
	set->discovery = discovery;
	LIST_INIT(&set->tests);
	return 0;
}

void partner_set_free(struct partner_set *set)
{
	if (set == NULL)
		return;
	while (!LIST_EMPTY(&set->tests))
		partner_test_free(LIST_FIRST(&set->tests));
	partner_identities_free(set->identities);
	free(set);
}

static int load_one(
	struct partner_identities *all, const struct config_service *s, char *why, size_t size)
{
	struct identity *one = &all->items[all->count];
	char reason[256] = "";
	const int status = partner_identity_load(
		s != NULL ? &s->tls : NULL, &one->context, reason, sizeof(reason));

	if (status != 0) {
		snprintf(why, size, "%s%s%s%s", s != NULL ? "service " : "",
			s != NULL ? s->name : "", s != NULL ? ": " : "", reason);
		return status;
	}
	all->count++;
	one->service = s != NULL ? strdup(s->name) : NULL;
	return s != NULL && one->service == NULL ? -ENOMEM : 0;
}

int partner_identities_load(
	const struct config *config, struct partner_identities **out, char *why, size_t size)
{
	struct partner_identities *all =
		calloc(1, sizeof(*all) + (config->services.count + 1) * sizeof(all->items[0]));

	*out = NULL;
	snprintf(why, size, "out of memory");
	int status = all != NULL ? load_one(all, NULL, why, size) : -ENOMEM;
	for (size_t i = 0; status == 0 && i < config->services.count; i++)
		if (config->services.items[i].tls.line != 0)
			status = load_one(all, &config->services.items[i], why, size);
	if (status == 0)
		*out = all;
	else
		partner_identities_free(all);
	return status;
}

void partner_identities_free(struct partner_identities *identities)
{
	if (identities == NULL)
		return;
	for (size_t i = 0; i < identities->count; i++) {
		SSL_CTX_free(identities->items[i].context);
		free(identities->items[i].service);
	}
	free(identities);
}

void partner_set_use(struct partner_set *set, struct partner_identities *identities)
{
	partner_identities_free(set->identities);
	set->identities = identities;
}

SSL_CTX *partner_set_context(const struct partner_set *set, const char *service)
{
	const struct partner_identities *all = set->identities;

	for (size_t i = 0; all != NULL && service != NULL && i < all->count; i++)
		if (all->items[i].service != NULL && strcmp(all->items[i].service, service) == 0)
			return all->items[i].context;
	return all != NULL ? all->items[0].context : NULL;
}

X509_STORE *partner_set_trust(const struct partner_set *set, const char *service)
{
	SSL_CTX *context = partner_set_context(set, service);

	return context != NULL ? SSL_CTX_get_cert_store(context) : NULL;
}
