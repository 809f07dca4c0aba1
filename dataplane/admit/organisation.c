// SPDX-License-Identifier: BSD-2-Clause
// An organisation's switches and providers: few and seldom changed, so they are one block that is
// replaced as a whole.

#include "admit/private.h"

#include <errno.h>
#include <stdlib.h>

static size_t block_size(unsigned n_providers)
{
	return sizeof(struct admit_organisation) + n_providers * sizeof(struct admit_provider);
}

// A copy with room for so many providers. NULL: no memory.
static struct admit_organisation *copy(const struct admit_organisation *old, unsigned n_providers)
{
	struct admit_organisation *o = calloc(1, block_size(n_providers));

	if (o != NULL && old != NULL)
		memcpy(o, old,
			block_size(
				old->n_providers < n_providers ? old->n_providers : n_providers));
	if (o != NULL)
		o->n_providers = n_providers;
	return o;
}

static void organisation_free(struct rcu_head *head)
{
	free(caa_container_of(head, struct admit_organisation, rcu));
}

static void publish(struct postern_policy *p, uint16_t organisation, struct admit_organisation *o)
{
	struct admit_organisation *old = p->organisations[organisation];

	__atomic_store_n(&p->organisations[organisation], o, __ATOMIC_RELEASE);
	if (old != NULL)
		call_rcu(&old->rcu, organisation_free);
}

static int set_switches(
	struct postern_policy *p, uint16_t organisation, const struct postern_switches *s)
{
	const struct admit_organisation *old = p->organisations[organisation];
	struct admit_organisation *o = copy(old, old != NULL ? old->n_providers : 0);

	if (o == NULL)
		return -ENOMEM;
	const struct postern_switches was = o->switches;

	o->present = true;
	o->switches = *s;
	publish(p, organisation, o);
	// Rows that ask for no name or address of the index.
	if ((was.allow_federated_users && !s->allow_federated_users) ||
		!postern_domain_equal(&was.default_route, &s->default_route))
		admit_lose_all(p);
	admit_sweep_begin(p);
	return 0;
}

int postern_policy_set_organisation(
	struct postern_policy *p, uint16_t organisation, const struct postern_switches *s)
{
	if (organisation >= POSTERN_ORGANISATIONS_MAX ||
		s->discovered_verification > POSTERN_VERIFY_ALWAYS_UNVERIFIABLE ||
		s->default_route_verification > POSTERN_VERIFY_ALWAYS_UNVERIFIABLE)
		return -EINVAL;
	admit_policy_enter(p);
	const int rc = set_switches(p, organisation, s);

	admit_policy_leave(p);
	return rc;
}

int postern_policy_remove_organisation(struct postern_policy *p, uint16_t organisation)
{
	int rc = -ENOENT;

	if (organisation >= POSTERN_ORGANISATIONS_MAX)
		return -EINVAL;
	admit_policy_enter(p);
	if (p->organisations[organisation] != NULL) {
		const struct admit_organisation *o = p->organisations[organisation];

		for (unsigned i = 0; i < o->n_providers; i++) {
			admit_blob_free(p, o->providers[i].prefixes);
			if (o->providers[i].home != NULL)
				admit_home_drop(p, o->providers[i].home);
		}
		publish(p, organisation, NULL);
		rc = 0;
	}
	admit_policy_leave(p);
	return rc;
}

static unsigned provider_at(const struct admit_organisation *o, uint64_t id)
{
	unsigned i = 0;

	while (o != NULL && i < o->n_providers && o->providers[i].id != id)
		i++;
	return i;
}

// Prefixes are wanted again when an index is made. 0 or -ENOMEM.
static int prefixes_keep(
	struct postern_policy *p, struct admit_provider *to, const struct postern_provider *v)
{
	const size_t size = v->n_prefixes * sizeof(v->prefixes[0]);

	if (size == 0)
		return 0;
	struct postern_prefix *prefixes = admit_blob_new(p, size);

	if (prefixes == NULL)
		return -ENOMEM;
	memcpy(prefixes, v->prefixes, size);
	to->prefixes = prefixes;
	to->n_prefixes = v->n_prefixes;
	return 0;
}

// Plans by what a provider is found, with a home for it if it has none. 0 or -ENOMEM.
static int enter(struct postern_policy *p, struct admit_plan *plan, uint16_t organisation,
	struct admit_provider *v)
{
	struct admit_home *home =
		v->home != NULL ? v->home : admit_home_new(p, ADMIT_HOME_PROVIDER);

	if (home == NULL)
		return -ENOMEM;
	if (v->home == NULL)
		home->provider = v->id;
	if (admit_provider_plan(plan, p, home, organisation, v) < 0) {
		if (v->home == NULL)
			admit_blob_free(p, home);
		return -ENOMEM;
	}
	if (v->home == NULL)
		cds_list_add_tail(&home->all, &p->homes);
	v->home = home;
	return 0;
}

static int set_provider(
	struct postern_policy *p, uint16_t organisation, const struct postern_provider *v)
{
	const struct admit_organisation *old = p->organisations[organisation];
	const unsigned n = old != NULL ? old->n_providers : 0;
	const unsigned at = provider_at(old, v->id);

	if (at >= POSTERN_PROVIDERS_MAX)
		return -EINVAL;
	const struct admit_provider *had = at < n ? &old->providers[at] : NULL;
	struct admit_organisation *o = copy(old, at < n ? n : n + 1);
	struct admit_plan plan;

	if (o == NULL)
		return -ENOMEM;
	struct admit_provider *now = &o->providers[at];

	*now = (struct admit_provider){
		.id = v->id,
		.hash = admit_name_hash(v->proxy_fqdn.text, v->proxy_fqdn.length),
		.kind = (uint8_t)v->kind,
		.verification = (uint8_t)v->verification,
		.enabled = v->enabled,
		.shared_address_space = v->shared_address_space,
		.proxy_fqdn = v->proxy_fqdn,
		.home = had != NULL ? had->home : NULL,
	};
	if (prefixes_keep(p, now, v) < 0 ||
		(p->groups != NULL && enter(p, &plan, organisation, now) < 0)) {
		admit_blob_free(p, now->prefixes);
		free(o);
		return -ENOMEM;
	}
	if (had != NULL)
		admit_blob_free(p, had->prefixes);
	publish(p, organisation, o);
	if (organisation >= p->organisations_end)
		p->organisations_end = organisation + 1u;
	if (now->home != NULL)
		admit_plan_commit(&plan);
	admit_sweep_begin(p);
	return 0;
}

int admit_organisation_index(struct postern_policy *p, uint16_t organisation)
{
	struct admit_organisation *o = p->organisations[organisation];

	for (unsigned i = 0; i < o->n_providers; i++) {
		struct admit_plan plan;

		if (o->providers[i].home != NULL)
			continue;
		if (enter(p, &plan, organisation, &o->providers[i]) < 0)
			return -ENOMEM;
		admit_plan_commit(&plan);
	}
	return 0;
}

int postern_policy_set_provider(
	struct postern_policy *p, uint16_t organisation, const struct postern_provider *v)
{
	if (organisation >= POSTERN_ORGANISATIONS_MAX || v->proxy_fqdn.length == 0 ||
		v->kind > POSTERN_PROVIDER_HOSTING || v->n_prefixes > POSTERN_PREFIXES_MAX ||
		v->verification > POSTERN_VERIFY_ALWAYS_UNVERIFIABLE)
		return -EINVAL;
	admit_policy_enter(p);
	const int rc = set_provider(p, organisation, v);

	admit_policy_leave(p);
	return rc;
}

static int remove_provider(struct postern_policy *p, uint16_t organisation, uint64_t id)
{
	const struct admit_organisation *old = p->organisations[organisation];
	const unsigned at = provider_at(old, id);

	if (old == NULL || at == old->n_providers)
		return -ENOENT;
	struct admit_organisation *o = copy(old, old->n_providers - 1);

	if (o == NULL)
		return -ENOMEM;
	if (at < o->n_providers)
		memcpy(&o->providers[at], &old->providers[at + 1],
			(o->n_providers - at) * sizeof(o->providers[0]));
	admit_blob_free(p, old->providers[at].prefixes);
	publish(p, organisation, o);
	if (old->providers[at].home != NULL)
		admit_home_drop(p, old->providers[at].home);
	admit_sweep_begin(p);
	return 0;
}

int postern_policy_remove_provider(struct postern_policy *p, uint16_t organisation, uint64_t id)
{
	if (organisation >= POSTERN_ORGANISATIONS_MAX)
		return -EINVAL;
	admit_policy_enter(p);
	const int rc = remove_provider(p, organisation, id);

	admit_policy_leave(p);
	return rc;
}
