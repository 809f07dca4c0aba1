// SPDX-License-Identifier: BSD-2-Clause
// The audit, read page by page from the newest record.

#include "control/store/private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_MAX (1024u * 1024u)

struct list_job {
	struct store_job job; // first
	uint64_t before;
	unsigned limit;
	char *method;
	char *by;
	store_audit_rows done;
	void *user;
	struct store_audit **rows;
	size_t n;
	size_t bytes;
	bool more;
};

static const char *column(sqlite3_stmt *stmt, int at)
{
	return (const char *)sqlite3_column_text(stmt, at);
}

static int list_row(struct list_job *list, sqlite3_stmt *stmt)
{
	const struct store_audit row = {
		.id = (uint64_t)sqlite3_column_int64(stmt, 0),
		.wall_us = (uint64_t)sqlite3_column_int64(stmt, 1),
		.uid = sqlite3_column_type(stmt, 2) == SQLITE_NULL ? -1
								   : sqlite3_column_int64(stmt, 2),
		.pid = sqlite3_column_int64(stmt, 3),
		.user = column(stmt, 4),
		.method = column(stmt, 5),
		.params = column(stmt, 6),
		.before = column(stmt, 7),
		.after = column(stmt, 8),
		.comment = column(stmt, 9),
		.result = column(stmt, 10),
	};

	list->bytes += store_audit_bytes(&row);
	if (list->n == list->limit || (list->n > 0 && list->bytes > PAGE_MAX)) {
		list->more = true;
		return 0;
	}
	list->rows[list->n] = store_audit_copy(&row);
	if (!list->rows[list->n])
		return -ENOMEM;
	list->n++;
	return 0;
}

static int bind_query(sqlite3_stmt *stmt, const struct list_job *list)
{
	int rc = sqlite3_bind_int64(stmt, 1, (int64_t)list->before);

	if (rc == SQLITE_OK)
		rc = store_bind_text(stmt, 2, list->method);
	return rc == SQLITE_OK ? store_bind_text(stmt, 3, list->by) : rc;
}

static int run_list(struct store *s, struct store_job *job)
{
	struct list_job *list = (struct list_job *)job;
	sqlite3_stmt *stmt;
	int status = store_prepare(s,
		"SELECT id, wall_us, uid, pid, user, method, params, was, became, comment, result"
		" FROM audit WHERE id < ?1"
		" AND (?2 IS NULL OR method = ?2 OR substr(method, 1, length(?2) + 1) = ?2 || '.')"
		" AND (?3 IS NULL OR user = ?3 OR CAST(uid AS TEXT) = ?3)"
		" ORDER BY id DESC",
		&stmt, job->why);

	if (status != 0)
		return status;
	int rc = bind_query(stmt, list);
	while (rc == SQLITE_OK && status == 0 && !list->more) {
		rc = sqlite3_step(stmt);
		if (rc == SQLITE_DONE)
			break;
		if (rc == SQLITE_ROW) {
			status = list_row(list, stmt);
			rc = SQLITE_OK;
		}
	}
	if (status != 0)
		store_wrong(s, NULL, SQLITE_NOMEM, job->why);
	else if (rc != SQLITE_OK && rc != SQLITE_DONE)
		status = store_wrong(s, s->db, rc, job->why);
	sqlite3_finalize(stmt);
	return status;
}

static void list_free(struct list_job *list)
{
	for (size_t i = 0; list->rows && i < list->n; i++)
		free(list->rows[i]);
	free(list->rows);
	free(list->method);
	free(list->by);
	free(list);
}

static void list_done(struct store *s, struct store_job *job)
{
	struct list_job *list = (struct list_job *)job;

	(void)s;
	list->done(list->user, job->status, job->why, (const struct store_audit *const *)list->rows,
		list->n, list->more);
	list_free(list);
}

// What a page holds at most is bounded, so that the memory is known beforehand.
int store_audit_list(
	struct store *s, const struct store_audit_query *query, store_audit_rows done, void *user)
{
	struct list_job *list = calloc(1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	list->job.run = run_list;
	list->job.done = list_done;
	list->before = query->before > 0 && query->before < INT64_MAX ? query->before : INT64_MAX;
	list->limit = query->limit > 0 ? query->limit : 1;
	list->done = done;
	list->user = user;
	list->rows = calloc(list->limit, sizeof(struct store_audit *));
	list->method = query->method ? strdup(query->method) : NULL;
	list->by = query->user ? strdup(query->user) : NULL;
	int status = list->rows && (list->method || !query->method) && (list->by || !query->user)
			     ? 0
			     : -ENOMEM;
	if (status == 0)
		status = store_submit(s, &list->job,
			sizeof(*list) + PAGE_MAX + list->limit * sizeof(struct store_audit *),
			false);
	if (status != 0)
		list_free(list);
	return status;
}
