// SPDX-License-Identifier: BSD-2-Clause
// One entry added, changed or removed.

#include "control/policy/private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t wall_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

int policy_write_begin(struct policy_write *w, const struct policy_job *job, struct policy_db *d)
{
	*w = (struct policy_write){
		.db = d,
		.own = job->own,
		.organisation = job->organisation,
		.now_us = wall_us(),
	};
	int status = policy_db_revision(d, job->organisation, &w->revision);

	w->revision++;
	return status != 0 ? status : policy_db_next_id(d, &w->next_id);
}

int policy_write_end(struct policy_write *w)
{
	const int status = policy_db_set_revision(w->db, w->organisation, w->revision);

	return status != 0 ? status : policy_db_set_next_id(w->db, w->next_id);
}

int policy_write_entry(
	struct policy_write *w, struct policy_entry *e, const struct policy_entry *was)
{
	e->id = was ? was->id : w->next_id++;
	e->revision = w->revision;
	e->changed_us = w->now_us;
	return policy_db_put(w->db, w->organisation, e);
}

struct change {
	struct policy_job job; // first
	enum policy_verb verb;
	struct policy_entry given;
	uint64_t if_revision;
};

static const char *name_of(const struct policy_entry *e)
{
	const struct policy_object *o = policy_object(e->kind);

	return o->keyed ? e->value[0] : "the switches";
}

// Whether the verb fits what is there.
static int look(struct change *c, struct policy_db *d)
{
	struct policy_job *job = &c->job;
	const struct policy_object *o = policy_object(c->given.kind);

	if (c->verb == POLICY_ADD && job->has_before) {
		policy_mistake(&job->mistakes, 0, o->fields[0].name, "set, to change it",
			"%s is there already", name_of(&c->given));
		return -EEXIST;
	}
	if (c->verb != POLICY_ADD && !job->has_before && o->keyed) {
		snprintf(d->why, STORE_WHY, "there is no %s %s", o->noun, name_of(&c->given));
		return -ENOENT;
	}
	if (c->if_revision == POLICY_ANY_REVISION ||
		c->if_revision == (job->has_before ? job->before.revision : 0))
		return 0;
	policy_mistake(&job->mistakes, 0, "if-revision", "the revision that show tells now",
		"%s has changed meanwhile: its revision is %llu", name_of(&c->given),
		(unsigned long long)(job->has_before ? job->before.revision : 0));
	return -ESTALE;
}

static int write_entry(struct change *c, struct policy_db *d, struct policy_write *w)
{
	struct policy_job *job = &c->job;

	if (job->has_before && !policy_entry_copy(&job->entry, &job->before))
		return store_wrong(d->store, NULL, SQLITE_NOMEM, d->why);
	job->entry.kind = c->given.kind;
	job->has_entry = true;
	if (!policy_entry_merge(&job->entry, &c->given))
		return store_wrong(d->store, NULL, SQLITE_NOMEM, d->why);
	int status = policy_check_entry(d, job->own, job->organisation, &job->entry,
		job->has_before ? &job->before : NULL, 0, &job->mistakes);
	if (status == 0)
		status = policy_write_entry(w, &job->entry, job->has_before ? &job->before : NULL);
	if (status == 0 && c->given.kind != POLICY_ALLOWED && c->given.kind != POLICY_BLOCKED)
		status = policy_check_whole(d, job->organisation, &job->mistakes);
	return status;
}

static json_t *described(bool there, const struct policy_entry *e)
{
	return there ? policy_entry_given_json(e) : NULL;
}

static int run(struct policy_job *job, struct policy_db *d)
{
	struct change *c = (struct change *)job;
	const char *key = policy_object(c->given.kind)->keyed ? c->given.value[0] : NULL;
	struct policy_write w;
	int status = policy_db_find(d, job->organisation, c->given.kind, key, &job->before);

	job->has_before = status == 0;
	if (status == 0 || status == -ENOENT)
		status = look(c, d);
	if (status == 0)
		status = policy_write_begin(&w, job, d);
	if (status == 0)
		status = c->verb == POLICY_REMOVE
				 ? policy_db_delete(d, job->organisation, c->given.kind, key)
				 : write_entry(c, d, &w);
	if (status == 0)
		status = policy_write_end(&w);
	if (status != 0)
		return status;
	job->result.revision = w.revision;
	return policy_job_record(job, d, described(job->has_before, &job->before),
		described(job->has_entry, &job->entry));
}

static void committed(struct policy_job *job, struct policy_db *d)
{
	struct change *c = (struct change *)job;

	(void)d;
	if (job->id < 0 || !job->policy->tables)
		return;
	if (c->verb == POLICY_REMOVE)
		policy_feed_remove(job->policy, (uint16_t)job->id, &job->before);
	else
		policy_feed_set(job->policy, (uint16_t)job->id, &job->entry);
}

static void clear(struct policy_job *job)
{
	policy_entry_clear(&((struct change *)job)->given);
}

int policy_change(struct policy *p, const char *organisation, enum policy_verb verb,
	struct policy_entry *entry, uint64_t if_revision, const struct store_audit *record,
	policy_done done, void *user)
{
	struct policy_job *job =
		policy_job_new(p, sizeof(struct change), organisation, record, done, user);
	struct change *c = (struct change *)job;
	size_t bytes = 0;

	if (!job) {
		policy_entry_clear(entry);
		return -ENOMEM;
	}
	c->verb = verb;
	c->given = *entry;
	c->if_revision = if_revision;
	*entry = (struct policy_entry){.kind = entry->kind};
	job->run = run;
	job->committed = committed;
	job->free = clear;
	for (size_t i = 0; i < POLICY_FIELDS_MAX; i++)
		bytes += c->given.value[i] ? strlen(c->given.value[i]) : 0;
	return policy_job_submit(job, POLICY_SMALL, sizeof(*c) + 4 * bytes);
}
