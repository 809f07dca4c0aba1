// SPDX-License-Identifier: BSD-2-Clause
// Organisations as the file names them: what is kept of them is loaded when they come, and unloaded
// when they go.

#include "control/policy/private.h"

#include "postern/log.h"
#include "postern/policy.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

LOG_SUBSYSTEM("policy");

int policy_new(const struct policy_options *options, struct policy **out)
{
	struct policy *p = calloc(1, sizeof(*p));
	const struct config none = {0};

	if (!p)
		return -ENOMEM;
	p->store = options->store;
	p->tables = options->tables;
	p->follower = options->follower;
	p->own = policy_own_new(&none, NULL);
	if (!p->own) {
		free(p);
		return -ENOMEM;
	}
	*out = p;
	return 0;
}

void policy_free(struct policy *p)
{
	if (!p)
		return;
	policy_own_drop(p->own);
	free(p);
}

int policy_organisation_id(const struct policy *p, const char *name)
{
	const struct policy_own_organisation *o = policy_own_organisation(p->own, name);

	return o && o->id != UINT16_MAX ? (int)o->id : -ENOENT;
}

struct postern_policy *policy_tables(const struct policy *p)
{
	return p->tables;
}

bool policy_is_loading(const struct policy *p)
{
	return p && p->loading > 0;
}

struct adopt {
	struct policy_job job; // first; its `own` is the new one
	struct policy_own *before;
	bool index; // partners are looked for by their addresses
	// store: rw; control: r, once the store has settled
	int status;
	char why[POLICY_WHY];
};

static void set_own(
	struct postern_policy *t, uint16_t id, const struct policy_own_domain *d, bool there)
{
	struct postern_domain domain;

	if (postern_domain_parse(d->domain, strlen(d->domain), &domain) != 0)
		return;
	const int status = there ? postern_policy_set_own(t, id, &domain)
				 : postern_policy_remove_own(t, id, &domain);
	if (status != 0 && status != -ENOENT)
		LOG(ERROR, "organisation %s: its domain %s is not in force: %s", d->organisation,
			d->domain, strerror(-status));
}

static const char *owner_in(const struct policy_own *own, const struct policy_own_domain *d)
{
	const char *owner = policy_own_find(own, d->domain);

	return owner && strcmp(owner, d->organisation) == 0 ? owner : NULL;
}

// Whether an organisation is in the tables by then; one without an id is not.
static bool is_loaded(const struct policy_own *own, const char *name)
{
	const struct policy_own_organisation *o = policy_own_organisation(own, name);

	return o && o->id != UINT16_MAX;
}

// Domains that are `there` and not in `other`.
static void move_domains(struct postern_policy *t, const struct policy_own *own,
	const struct policy_own *other, bool there)
{
	for (size_t i = 0; i < own->n; i++) {
		const struct policy_own_organisation *o =
			policy_own_organisation(own, own->items[i].organisation);

		const char *owner = owner_in(other, &own->items[i]);

		if (o->id != UINT16_MAX && !(owner && is_loaded(other, owner)))
			set_own(t, o->id, &own->items[i], there);
	}
}

// A domain that became our own while it is a partner's entry.
static void warn_of_own(struct policy_db *d, const struct policy_own *own)
{
	for (size_t i = 0; i < own->n; i++) {
		for (enum policy_kind kind = POLICY_ALLOWED; kind <= POLICY_BLOCKED; kind++) {
			struct policy_entry e;

			if (policy_db_find(d, own->items[i].organisation, kind,
				    own->items[i].domain, &e) == 0)
				LOG(WARNING,
					"organisation %s: %s is its own domain and on its list of "
					"%ss; posternctl %s remove %s",
					own->items[i].organisation, own->items[i].domain,
					policy_object(kind)->noun, policy_object(kind)->noun,
					own->items[i].domain);
			policy_entry_clear(&e);
		}
	}
}

static uint64_t monotonic_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static int load(struct adopt *a, struct policy_db *d, const struct policy_own_organisation *o)
{
	struct postern_policy *t = a->job.policy->tables;
	struct postern_switches standard;
	const uint64_t from = monotonic_ms();
	uint64_t n = 0;

	postern_switches_default(&standard);
	int status = postern_policy_set_organisation(t, o->id, &standard);
	if (status == 0)
		status = policy_feed_load(a->job.policy, o->id, d, o->name, 0, &n);
	if (status == 0)
		LOG(NOTICE,
			"organisation %s: %" PRIu64 " entries are in force after %" PRIu64 " ms",
			o->name, n, monotonic_ms() - from);
	return status;
}

static int run(struct policy_job *job, struct policy_db *d)
{
	struct adopt *a = (struct adopt *)job;
	const struct policy_own *own = job->own, *before = a->before;
	struct postern_policy *t = job->policy->tables;
	int status = 0;

	if (t && a->index)
		status = postern_policy_use_index(t);
	if (t) {
		move_domains(t, before, own, false);
		for (size_t i = 0; i < before->n_organisations && status == 0; i++) {
			const struct policy_own_organisation *o = &before->organisations[i];

			if (!is_loaded(own, o->name) && o->id != UINT16_MAX)
				status = policy_feed_unload(job->policy, o->id, d, o->name);
		}
		for (size_t i = 0; i < own->n_organisations && status == 0; i++) {
			const struct policy_own_organisation *o = &own->organisations[i];

			if (!is_loaded(before, o->name) && o->id != UINT16_MAX)
				status = load(a, d, o);
		}
		move_domains(t, own, before, true);
	}
	warn_of_own(d, own);
	a->status = status;
	snprintf(a->why, sizeof(a->why), "partners: %.300s",
		d->why[0] != '\0' ? d->why : strerror(-status));
	return status;
}

static void loaded(void *user, const struct policy_result *result)
{
	struct policy *p = user;

	p->loading--;
	if (result->status != 0)
		LOG(ERROR, "partners could not be loaded: %s", result->why);
}

static void free_adopt(struct policy_job *job)
{
	policy_own_drop(((struct adopt *)job)->before);
}

int policy_use_config(
	struct policy *p, const struct config *c, bool wait, char why[static POLICY_WHY])
{
	struct policy_own *next = policy_own_new(c, p->own);
	struct policy_own *before = p->own;
	int status = -ENOMEM;

	snprintf(why, POLICY_WHY, "out of memory");
	if (!next)
		return status;
	p->own = next;
	struct policy_job *job = policy_job_new(p, sizeof(struct adopt), "", NULL, loaded, p);
	if (job) {
		((struct adopt *)job)->before = policy_own_take(before);
		((struct adopt *)job)->index = config_wants_admission(c);
		job->run = run;
		job->free = free_adopt;
		status = policy_job_submit(job, POLICY_READS, sizeof(struct adopt));
	}
	if (status != 0) {
		p->own = before;
		policy_own_drop(next);
		snprintf(why, POLICY_WHY, "partners: %s", strerror(-status));
		return status;
	}
	policy_own_drop(before);
	p->loading++;
	if (!wait)
		return 0;
	// It is done, and not freed before it is told, which the event loop does later.
	store_settle(p->store);
	const struct adopt *a = (const struct adopt *)job;
	if (a->status != 0)
		snprintf(why, POLICY_WHY, "%s", a->why);
	return a->status;
}
