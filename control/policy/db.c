// SPDX-License-Identifier: BSD-2-Clause
// Statements over the tables of the policy; columns follow the fields. Store thread.

#include "control/policy/private.h"

#include <ctype.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SQL_MAX 4096

// Columns before those of the fields.
#define HEAD_COLUMNS 4
#define HEAD         "organisation, id, revision, changed_us"

void policy_db_open(struct policy_db *d, struct store *s, struct sqlite3 *db, char *why)
{
	*d = (struct policy_db){.store = s, .db = db, .why = why};
}

void policy_db_close(struct policy_db *d)
{
	for (size_t k = 0; k < POLICY_KINDS; k++)
		for (size_t i = 0; i < POLICY_STATEMENTS; i++)
			sqlite3_finalize(d->statements[k][i]);
	sqlite3_finalize(d->proxy);
}

static int wrong(struct policy_db *d, int rc)
{
	return store_wrong(d->store, d->db, rc, d->why);
}

// "mark-for-monitoring" is the column mark_for_monitoring.
static void put_column(FILE *to, const struct policy_field *f)
{
	for (const char *c = f->name; *c; c++)
		fputc(*c == '-' ? '_' : tolower((unsigned char)*c), to);
}

static void put_columns(FILE *to, const struct policy_object *o)
{
	fputs(HEAD, to);
	for (size_t i = 0; i < o->n; i++) {
		fputs(", ", to);
		put_column(to, &o->fields[i]);
	}
}

static void put_key(FILE *to, const struct policy_object *o)
{
	fputs(" WHERE organisation = ?1", to);
	if (!o->keyed)
		return;
	fputs(" AND ", to);
	put_column(to, &o->fields[0]);
	fputs(" = ?2", to);
}

static void put_sql(FILE *to, const struct policy_object *o, enum policy_statement which)
{
	switch (which) {
	case POLICY_FIND:
		fputs("SELECT ", to);
		put_columns(to, o);
		fprintf(to, " FROM %s", o->table);
		put_key(to, o);
		break;
	case POLICY_PUT:
		fprintf(to, "INSERT OR REPLACE INTO %s (", o->table);
		put_columns(to, o);
		fputs(") VALUES (?1", to);
		for (size_t i = 1; i < HEAD_COLUMNS + o->n; i++)
			fprintf(to, ", ?%zu", i + 1);
		fputc(')', to);
		break;
	case POLICY_DELETE:
		fprintf(to, "DELETE FROM %s", o->table);
		put_key(to, o);
		break;
	case POLICY_STATEMENTS:
		break;
	}
}

static int prepare(
	struct policy_db *d, enum policy_kind kind, enum policy_statement which, sqlite3_stmt **out)
{
	char sql[SQL_MAX] = "";
	sqlite3_stmt **place = &d->statements[kind][which];

	if (!*place) {
		FILE *to = fmemopen(sql, sizeof(sql), "w");

		if (!to)
			return wrong(d, SQLITE_NOMEM);
		put_sql(to, policy_object(kind), which);
		fclose(to);
		const int status = store_prepare(d->store, sql, place, d->why);
		if (status != 0)
			return status;
	}
	*out = *place;
	return 0;
}

static int read_row(
	struct policy_db *d, sqlite3_stmt *stmt, enum policy_kind kind, struct policy_entry *out)
{
	const struct policy_object *o = policy_object(kind);
	bool good = true;

	*out = (struct policy_entry){
		.kind = kind,
		.id = (uint64_t)sqlite3_column_int64(stmt, 1),
		.revision = (uint64_t)sqlite3_column_int64(stmt, 2),
		.changed_us = (uint64_t)sqlite3_column_int64(stmt, 3),
	};
	for (size_t i = 0; i < o->n; i++) {
		const char *text = (const char *)sqlite3_column_text(stmt, HEAD_COLUMNS + (int)i);

		out->value[i] = text ? strdup(text) : NULL;
		good = good && (out->value[i] || !text);
	}
	if (good)
		return 0;
	policy_entry_clear(out);
	return wrong(d, SQLITE_NOMEM);
}

static int bind_key(sqlite3_stmt *stmt, const char *organisation, const char *key)
{
	int rc = store_bind_text(stmt, 1, organisation);

	if (rc == SQLITE_OK && key)
		rc = store_bind_text(stmt, 2, key);
	return rc;
}

int policy_db_find(struct policy_db *d, const char *organisation, enum policy_kind kind,
	const char *key, struct policy_entry *out)
{
	sqlite3_stmt *stmt = NULL;
	int status = prepare(d, kind, POLICY_FIND, &stmt);

	*out = (struct policy_entry){.kind = kind};
	if (status != 0)
		return status;
	int rc = bind_key(stmt, organisation, key);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		status = read_row(d, stmt, kind, out);
	else
		status = rc == SQLITE_DONE ? -ENOENT : wrong(d, rc);
	sqlite3_reset(stmt);
	return status;
}

static int finish(struct policy_db *d, sqlite3_stmt *stmt, int rc)
{
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	const int status = rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : wrong(d, rc);
	sqlite3_reset(stmt);
	return status;
}

int policy_db_put(struct policy_db *d, const char *organisation, const struct policy_entry *e)
{
	const struct policy_object *o = policy_object(e->kind);
	sqlite3_stmt *stmt = NULL;
	const int status = prepare(d, e->kind, POLICY_PUT, &stmt);

	if (status != 0)
		return status;
	int rc = store_bind_text(stmt, 1, organisation);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(stmt, 2, (int64_t)e->id);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(stmt, 3, (int64_t)e->revision);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(stmt, 4, (int64_t)e->changed_us);
	for (size_t i = 0; i < o->n && rc == SQLITE_OK; i++)
		rc = store_bind_text(stmt, HEAD_COLUMNS + 1 + (int)i, e->value[i]);
	return finish(d, stmt, rc);
}

int policy_db_delete(
	struct policy_db *d, const char *organisation, enum policy_kind kind, const char *key)
{
	sqlite3_stmt *stmt = NULL;
	const int status = prepare(d, kind, POLICY_DELETE, &stmt);

	return status != 0 ? status : finish(d, stmt, bind_key(stmt, organisation, key));
}

int policy_db_proxy(
	struct policy_db *d, const char *organisation, const char *fqdn, char *out, size_t size)
{
	int status = 0;

	if (!d->proxy)
		status = store_prepare(d->store,
			"SELECT name FROM provider WHERE organisation = ?1 AND proxy_fqdn = ?2",
			&d->proxy, d->why);
	if (status != 0)
		return status;
	int rc = bind_key(d->proxy, organisation, fqdn);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(d->proxy);
	if (rc == SQLITE_ROW)
		snprintf(out, size, "%s", (const char *)sqlite3_column_text(d->proxy, 0));
	else
		status = rc == SQLITE_DONE ? -ENOENT : wrong(d, rc);
	sqlite3_reset(d->proxy);
	return status;
}

// A number in the first column of the only row; `otherwise` if there is none.
static int number(struct policy_db *d, const char *sql, const char *organisation,
	uint64_t otherwise, uint64_t *out)
{
	sqlite3_stmt *stmt = NULL;
	int status = store_prepare(d->store, sql, &stmt, d->why);

	if (status != 0)
		return status;
	int rc = organisation ? store_bind_text(stmt, 1, organisation) : SQLITE_OK;
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	*out = rc == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(stmt, 0) : otherwise;
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		status = wrong(d, rc);
	sqlite3_finalize(stmt);
	return status;
}

int policy_db_revision(struct policy_db *d, const char *organisation, uint64_t *out)
{
	return number(d, "SELECT revision FROM organisation WHERE name = ?1", organisation, 0, out);
}

int policy_db_set_revision(struct policy_db *d, const char *organisation, uint64_t revision)
{
	sqlite3_stmt *stmt = NULL;
	const int status = store_prepare(d->store,
		"INSERT OR REPLACE INTO organisation (name, revision) VALUES (?1, ?2)", &stmt,
		d->why);

	if (status != 0)
		return status;
	int rc = store_bind_text(stmt, 1, organisation);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(stmt, 2, (int64_t)revision);
	return store_finish(d->store, stmt, rc, d->why);
}

int policy_db_next_id(struct policy_db *d, uint64_t *out)
{
	return number(d, "SELECT next FROM sequence", NULL, 1, out);
}

int policy_db_set_next_id(struct policy_db *d, uint64_t next)
{
	sqlite3_stmt *stmt = NULL;
	const int status = store_prepare(d->store, "UPDATE sequence SET next = ?1", &stmt, d->why);

	if (status != 0)
		return status;
	return store_finish(d->store, stmt, sqlite3_bind_int64(stmt, 1, (int64_t)next), d->why);
}

// Parameters: 1 organisation, 2 after, 3 match, 4 revision, then one a field.
#define WALK_PARAMETERS 4

static void put_walk(FILE *to, const struct policy_walk *w)
{
	const struct policy_object *o = policy_object(w->kind);

	fputs("SELECT ", to);
	put_columns(to, o);
	fprintf(to, " FROM %s WHERE organisation = ?1", o->table);
	if (w->after && o->keyed) {
		fputs(" AND ", to);
		put_column(to, &o->fields[0]);
		fputs(" > ?2", to);
	}
	if (w->match && o->keyed) {
		fputs(" AND instr(lower(", to);
		put_column(to, &o->fields[0]);
		fputs("), lower(?3)) > 0", to);
	}
	if (w->revision > 0)
		fputs(" AND revision = ?4", to);
	for (size_t i = 0; w->filter && i < o->n; i++) {
		if (!w->filter->value[i])
			continue;
		// A default is kept as NULL, and asked for by the empty text.
		fputs(" AND coalesce(", to);
		put_column(to, &o->fields[i]);
		fprintf(to, ", '') = ?%zu", WALK_PARAMETERS + 1 + i);
	}
	if (o->keyed) {
		fputs(" ORDER BY ", to);
		put_column(to, &o->fields[0]);
	}
}

static int bind_walk(sqlite3_stmt *stmt, const struct policy_walk *w)
{
	const struct policy_object *o = policy_object(w->kind);
	int rc = store_bind_text(stmt, 1, w->organisation);

	if (rc == SQLITE_OK && w->after && o->keyed)
		rc = store_bind_text(stmt, 2, w->after);
	if (rc == SQLITE_OK && w->match && o->keyed)
		rc = store_bind_text(stmt, 3, w->match);
	if (rc == SQLITE_OK && w->revision > 0)
		rc = sqlite3_bind_int64(stmt, 4, (int64_t)w->revision);
	for (size_t i = 0; w->filter && i < o->n && rc == SQLITE_OK; i++)
		if (w->filter->value[i])
			rc = store_bind_text(
				stmt, WALK_PARAMETERS + 1 + (int)i, w->filter->value[i]);
	return rc;
}

int policy_db_walk(struct policy_db *d, const struct policy_walk *w,
	int (*each)(void *user, struct policy_entry *e), void *user)
{
	char sql[SQL_MAX] = "";
	sqlite3_stmt *stmt = NULL;
	FILE *to = fmemopen(sql, sizeof(sql), "w");

	if (!to)
		return wrong(d, SQLITE_NOMEM);
	put_walk(to, w);
	fclose(to);
	int status = store_prepare(d->store, sql, &stmt, d->why);
	if (status != 0)
		return status;
	int rc = bind_walk(stmt, w);
	while (rc == SQLITE_OK && status == 0) {
		struct policy_entry e;

		rc = sqlite3_step(stmt);
		if (rc != SQLITE_ROW)
			break;
		rc = SQLITE_OK;
		status = read_row(d, stmt, w->kind, &e);
		if (status == 0)
			status = each(user, &e);
		policy_entry_clear(&e);
	}
	if (status == 0 && rc != SQLITE_OK && rc != SQLITE_DONE)
		status = wrong(d, rc);
	sqlite3_finalize(stmt);
	return status == 1 ? 0 : status;
}
