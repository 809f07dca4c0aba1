// SPDX-License-Identifier: BSD-2-Clause
// Entries shown, one by one or page by page.

#include "control/policy/private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct show {
	struct policy_job job; // first
	enum policy_kind kind;
	char *key;
};

static int run_show(struct policy_job *job, struct policy_db *d)
{
	struct show *s = (struct show *)job;
	int status = policy_db_revision(d, job->organisation, &job->result.revision);

	if (status != 0)
		return status;
	status = policy_db_find(d, job->organisation, s->kind, s->key, &job->entry);
	job->has_entry = status == 0;
	// Of the switches nothing has been said yet: they are as by default.
	if (status == -ENOENT && s->kind == POLICY_SWITCHES) {
		job->has_entry = true;
		status = 0;
	}
	return status;
}

static void free_show(struct policy_job *job)
{
	free(((struct show *)job)->key);
}

int policy_show(struct policy *p, const char *organisation, enum policy_kind kind, const char *key,
	policy_done done, void *user)
{
	struct policy_job *job =
		policy_job_new(p, sizeof(struct show), organisation, NULL, done, user);
	struct show *s = (struct show *)job;

	if (!job)
		return -ENOMEM;
	s->kind = kind;
	s->key = key ? strdup(key) : NULL;
	job->run = run_show;
	job->free = free_show;
	if (key && !s->key) {
		policy_job_free(job);
		return -ENOMEM;
	}
	return policy_job_submit(job, POLICY_READS, sizeof(*s));
}

struct list {
	struct policy_job job; // first
	struct policy_query query;
	char *after, *match;
};

static int take(void *user, struct policy_entry *e)
{
	struct list *l = user;
	struct policy_job *job = &l->job;

	if (json_array_size(job->items) == l->query.limit) {
		const char *last = json_string_value(
			json_object_get(json_array_get(job->items, l->query.limit - 1),
				policy_object(e->kind)->fields[0].name));

		job->next = last ? strdup(last) : NULL;
		return job->next ? 1 : -ENOMEM;
	}
	json_t *row = l->query.whole ? policy_entry_json(e) : policy_entry_short_json(e);
	return json_array_append_new(job->items, row) == 0 ? 0 : -ENOMEM;
}

static int run_list(struct policy_job *job, struct policy_db *d)
{
	struct list *l = (struct list *)job;
	const struct policy_walk walk = {
		.organisation = job->organisation,
		.kind = l->query.kind,
		.after = l->after,
		.match = l->match,
		.filter = &l->query.filter,
	};

	job->items = json_array();
	const int status = job->items ? policy_db_walk(d, &walk, take, l) : -ENOMEM;
	return status == -ENOMEM ? store_wrong(d->store, NULL, SQLITE_NOMEM, d->why) : status;
}

static void free_list(struct policy_job *job)
{
	struct list *l = (struct list *)job;

	policy_entry_clear(&l->query.filter);
	free(l->after);
	free(l->match);
}

int policy_list(struct policy *p, struct policy_query *query, policy_done done, void *user)
{
	struct policy_job *job =
		policy_job_new(p, sizeof(struct list), query->organisation, NULL, done, user);
	struct list *l = (struct list *)job;

	if (!job) {
		policy_entry_clear(&query->filter);
		return -ENOMEM;
	}
	l->query = *query;
	query->filter = (struct policy_entry){.kind = query->kind};
	l->after = query->after ? strdup(query->after) : NULL;
	l->match = query->match ? strdup(query->match) : NULL;
	job->run = run_list;
	job->free = free_list;
	if ((query->after && !l->after) || (query->match && !l->match)) {
		policy_job_free(job);
		return -ENOMEM;
	}
	return policy_job_submit(job, POLICY_READS, sizeof(*l));
}
