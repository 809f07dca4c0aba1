// SPDX-License-Identifier: BSD-2-Clause
// Requests: what every one of them has, and their way to the store thread and back.

#include "control/policy/private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct policy_job *policy_job_new(struct policy *p, size_t size, const char *organisation,
	const struct store_audit *record, policy_done done, void *user)
{
	struct policy_job *job = calloc(1, size);

	if (!job)
		return NULL;
	job->policy = p;
	job->own = policy_own_take(p->own);
	job->done = done;
	job->user = user;
	snprintf(job->organisation, sizeof(job->organisation), "%s", organisation);
	const struct policy_own_organisation *o =
		policy_own_organisation(job->own, job->organisation);
	job->id = o && o->id != UINT16_MAX ? (int)o->id : -1;
	if (!record || (job->record = store_audit_copy(record)))
		return job;
	policy_job_free(job);
	return NULL;
}

void policy_job_free(struct policy_job *job)
{
	if (job->free)
		job->free(job);
	policy_own_drop(job->own);
	policy_mistakes_clear(&job->mistakes);
	policy_entry_clear(&job->before);
	policy_entry_clear(&job->entry);
	json_decref(job->differences);
	json_decref(job->ignored);
	json_decref(job->items);
	free(job->record);
	free(job->text);
	free(job->next);
	free(job);
}

static int run(struct store *s, struct sqlite3 *db, void *user, char *why)
{
	struct policy_job *job = user;
	struct policy_db d;

	policy_db_open(&d, s, db, why);
	int status = job->run(job, &d);
	policy_db_close(&d);
	if (status == -ECANCELED)
		job->tried = true;
	return status;
}

static void committed(struct store *s, struct sqlite3 *db, void *user)
{
	struct policy_job *job = user;
	struct policy_db d;
	char why[STORE_WHY] = "";

	policy_db_open(&d, s, db, why);
	job->committed(job, &d);
	policy_db_close(&d);
}

static void done(void *user, int status, const char *why)
{
	struct policy_job *job = user;
	struct policy_result *r = &job->result;

	r->status = job->tried && status == -ECANCELED ? 0 : status;
	r->why = why;
	r->errors = &job->mistakes.list;
	r->more_errors = job->mistakes.more;
	r->before = job->has_before ? &job->before : NULL;
	r->entry = job->has_entry ? &job->entry : NULL;
	r->differences = job->differences;
	r->ignored = job->ignored;
	r->items = job->items;
	r->next = job->next;
	r->text = job->text;
	// The first mistake says it where there is room for one line alone.
	if (r->status != 0 && r->errors->list.count > 0)
		r->why = r->errors->list.items[0].what;
	job->done(job->user, r);
	policy_job_free(job);
}

int policy_job_submit(struct policy_job *job, enum policy_size size, size_t bytes)
{
	const struct store_work work = {
		.change = size != POLICY_READS,
		.large = size == POLICY_LARGE,
		.bytes = sizeof(*job) + bytes + (job->record ? store_audit_bytes(job->record) : 0),
		.run = run,
		.committed = job->committed ? committed : NULL,
		.done = done,
		.user = job,
	};
	const int status = job->policy->store ? store_work(job->policy->store, &work) : -ESHUTDOWN;

	if (status != 0)
		policy_job_free(job);
	return status;
}

int policy_job_record(struct policy_job *job, struct policy_db *d, json_t *before, json_t *after)
{
	char *was = before ? json_dumps(before, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
	char *became = after ? json_dumps(after, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
	struct store_audit record = *job->record;

	record.before = was;
	record.after = became;
	const int status = store_audit_insert(d->store, &record, d->why);
	free(was);
	free(became);
	json_decref(before);
	json_decref(after);
	return status;
}
