// SPDX-License-Identifier: BSD-2-Clause
// What changes of many entries share: they are made in one transaction, tell what they change, and
// end with the checks of the whole.

#include "control/policy/private.h"

#include <xxhash.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A million rows come in the order of the file: the tree's pages should stay in memory meanwhile.
#define CACHE_KIB 262144

int policy_bulk_begin(struct policy_job *job, struct policy_db *d, const struct policy_file *file,
	struct policy_write *w)
{
	char sql[64];

	snprintf(sql, sizeof(sql), "PRAGMA cache_size = -%d", CACHE_KIB);
	int status = store_exec(d->store, d->db, sql, d->why);
	if (status == 0)
		status = policy_write_begin(w, job, d);
	if (status != 0)
		return status;
	job->result.revision = w->revision - 1;
	if (file->if_revision == POLICY_ANY_REVISION || file->if_revision == w->revision - 1)
		return 0;
	policy_mistake(&job->mistakes, 0, "if-revision", "the revision that export tells now",
		"the policy has changed meanwhile: its revision is %llu",
		(unsigned long long)w->revision - 1);
	return -ESTALE;
}

static json_t *summary(const struct policy_job *job)
{
	return json_pack("{s:I, s:I, s:I, s:I}", "added", (json_int_t)job->result.added, "changed",
		(json_int_t)job->result.changed, "removed", (json_int_t)job->result.removed,
		"revision", (json_int_t)job->result.revision);
}

int policy_bulk_end(struct policy_job *job, struct policy_db *d, const struct policy_file *file,
	struct policy_write *w)
{
	const struct policy_result *r = &job->result;
	int status = 0;

	if (job->mistakes.list.list.count == 0)
		status = policy_check_whole(d, job->organisation, &job->mistakes);
	if (status == 0 && job->mistakes.list.list.count > 0)
		status = -EINVAL;
	if (status == 0 && file->dry_run)
		status = -ECANCELED;
	if (status == 0 && r->added + r->changed + r->removed > 0) {
		job->result.revision = w->revision;
		status = policy_write_end(w);
	}
	// What was and what became may be large; a summary and the file's name say what was done.
	if (status == 0)
		status = policy_job_record(job, d, NULL, summary(job));
	return status;
}

void policy_bulk_rest(struct policy_db *d)
{
	// SQLite's own default.
	sqlite3_exec(d->db, "PRAGMA cache_size = -2000", NULL, NULL, NULL);
}

static int no_memory(const struct policy_db *d)
{
	return store_wrong(d->store, NULL, SQLITE_NOMEM, d->why);
}

static bool is_standard(const struct policy_entry *e)
{
	for (size_t i = 0; i < POLICY_FIELDS_MAX; i++)
		if (e->value[i])
			return false;
	return true;
}

static int put(struct policy_job *job, struct policy_db *d, struct policy_write *w,
	struct policy_entry *e, const struct policy_entry *was, int line)
{
	// Of switches that were never touched nothing is kept.
	if (was ? policy_entry_equal(was, e) : is_standard(e)) {
		job->result.unchanged++;
		return 0;
	}
	int status =
		policy_check_entry(d, job->own, job->organisation, e, was, line, &job->mistakes);
	if (status == 0)
		status = policy_write_entry(w, e, was);
	if (status == 0 && !policy_difference(job, was, e))
		status = no_memory(d);
	return status;
}

int policy_bulk_put(struct policy_job *job, struct policy_db *d, struct policy_write *w,
	struct policy_entry *given, bool merge, int line)
{
	struct policy_entry was, e = {.kind = given->kind};
	const char *key = policy_object(given->kind)->keyed ? given->value[0] : NULL;
	int status = policy_db_find(d, job->organisation, given->kind, key, &was);
	const bool there = status == 0;

	if (status != 0 && status != -ENOENT)
		return status;
	status = 0;
	if (there && merge && !policy_entry_copy(&e, &was))
		status = no_memory(d);
	if (status == 0 && !policy_entry_merge(&e, given))
		status = no_memory(d);
	if (status == 0)
		status = put(job, d, w, &e, there ? &was : NULL, line);
	policy_entry_clear(&was);
	policy_entry_clear(&e);
	return status;
}

// ---- What has been seen of a file

struct seen_place {
	uint64_t hash; // 0: free
	int line;
};

static bool seen_grow(struct policy_seen *s)
{
	const size_t room = s->room ? 2 * s->room : 1024;
	struct seen_place *grown = calloc(room, sizeof(*grown));

	if (!grown)
		return false;
	for (size_t i = 0; i < s->room; i++) {
		if (s->places[i].hash == 0)
			continue;
		size_t at = s->places[i].hash & (room - 1);
		while (grown[at].hash != 0)
			at = (at + 1) & (room - 1);
		grown[at] = s->places[i];
	}
	free(s->places);
	s->places = grown;
	s->room = room;
	return true;
}

int policy_seen(struct policy_seen *s, enum policy_kind kind, const char *key, int line)
{
	// Two of a million names have the same 63 bits and so are taken for one, once in some ten million files.
	const uint64_t hash =
		XXH3_64bits_withSeed(key ? key : "", key ? strlen(key) : 0, (uint64_t)kind + 1) | 1;

	if (2 * s->n >= s->room && !seen_grow(s))
		return -ENOMEM;
	size_t at = hash & (s->room - 1);
	for (; s->places[at].hash != 0; at = (at + 1) & (s->room - 1))
		if (s->places[at].hash == hash)
			return s->places[at].line;
	s->places[at] = (struct seen_place){hash, line > 0 ? line : 1};
	s->n++;
	return 0;
}

void policy_seen_clear(struct policy_seen *s)
{
	free(s->places);
	*s = (struct policy_seen){0};
}

// ---- Differences

static bool add_row(struct policy_job *job, const char *change, const struct policy_entry *e,
	const char *field, json_t *was, json_t *will)
{
	const struct policy_object *o = policy_object(e->kind);
	char name[512];

	if (json_array_size(job->differences) >= POLICY_DIFFERENCES_MAX) {
		json_decref(was);
		json_decref(will);
		return true;
	}
	snprintf(name, sizeof(name), "%s%s%s", o->keyed ? o->noun : "switches", o->keyed ? " " : "",
		o->keyed ? e->value[0] : "");
	return json_array_append_new(job->differences,
		       json_pack("{s:s, s:s, s:s, s:o, s:o}", "change", change, "object", name,
			       "field", field, "was", was, "will", will)) == 0;
}

static bool add_fields(
	struct policy_job *job, const struct policy_entry *was, const struct policy_entry *e)
{
	const struct policy_object *o = policy_object(e->kind);
	bool good = true;

	for (size_t i = 0; i < o->n && good; i++) {
		const char *x = was->value[i] ? was->value[i] : "";
		const char *y = e->value[i] ? e->value[i] : "";

		if (strcmp(x, y) != 0)
			good = add_row(job, "changed", e, o->fields[i].name,
				policy_value_json(&o->fields[i], policy_entry_get(was, i)),
				policy_value_json(&o->fields[i], policy_entry_get(e, i)));
	}
	return good;
}

bool policy_difference(
	struct policy_job *job, const struct policy_entry *was, const struct policy_entry *e)
{
	static const struct policy_entry switches = {.kind = POLICY_SWITCHES};

	if (!was && e && e->kind == POLICY_SWITCHES)
		was = &switches;
	if (was && e) {
		job->result.changed++;
		return add_fields(job, was, e);
	}
	if (e) {
		job->result.added++;
		return add_row(job, "added", e, "", json_null(), policy_entry_given_json(e));
	}
	job->result.removed++;
	return add_row(job, "removed", was, "", policy_entry_given_json(was), json_null());
}

int policy_mistake_value(struct policy_mistakes *m, struct policy_entry *e,
	const struct policy_field *f, const char *text, size_t length, int line)
{
	struct config_errors one = {0};

	if (m->list.list.count < POLICY_MISTAKES_MAX)
		return policy_entry_read(e, f, text, length, line, &m->list);
	const int status = policy_entry_read(e, f, text, length, line, &one);
	config_errors_free(&one);
	m->more += status == -EINVAL;
	return status;
}
