// SPDX-License-Identifier: BSD-2-Clause
// The tables, and how an older database becomes one of this version. The version is SQLite's
// user_version; each step from one to the next is one transaction.

#include "control/store/private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

// Step n leads from version n to n + 1. Steps that have been delivered are never changed.
static const char *const steps[] = {
	// Times are microseconds since 1970. A member that is ready and weighs what the file says
	// has no row. Ids of records are never given twice: a cursor stays right while old
	// records go.
	"CREATE TABLE member ("
	" pool TEXT NOT NULL,"
	" name TEXT NOT NULL,"
	" address TEXT NOT NULL,"
	" state TEXT NOT NULL CHECK (state IN ('ready', 'drain', 'maint')),"
	" weight INTEGER CHECK (weight >= 0),"
	" changed_us INTEGER NOT NULL,"
	" absent_us INTEGER NOT NULL DEFAULT 0,"
	" PRIMARY KEY (pool, name, address)"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE audit ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" wall_us INTEGER NOT NULL,"
	" uid INTEGER,"
	" pid INTEGER,"
	" user TEXT,"
	" method TEXT NOT NULL,"
	" params TEXT,"
	" was TEXT,"
	" became TEXT,"
	" comment TEXT,"
	" result TEXT NOT NULL"
	") STRICT;",
};

#define VERSION ((int)(sizeof(steps) / sizeof(steps[0])))

int store_schema_version(void)
{
	return VERSION;
}

int store_schema_known(const struct store *s, char why[static STORE_WHY])
{
	int64_t owner = 0, version = 0, tables = 0;
	int status = store_number(s, s->db, "PRAGMA application_id", &owner, why);

	if (status == 0)
		status = store_number(s, s->db, "PRAGMA user_version", &version, why);
	if (status == 0)
		status = store_number(s, s->db, "SELECT count(*) FROM sqlite_schema", &tables, why);
	if (status != 0)
		return status;
	if (owner != STORE_APPLICATION_ID && (owner != 0 || version != 0 || tables != 0)) {
		store_say(why,
			"state database %s is another program's; set postern.state to another path",
			s->path);
		return -EPROTO;
	}
	if (version <= VERSION)
		return 0;
	store_say(why,
		"state database %s was written by a newer postern (schema %" PRId64
		", this one knows up to %d): install that version again, or go on with the copy "
		"made when the schema changed, if it is there; type: mv %s %s.newer; cp -p "
		"%s.schema-%d "
		"%s",
		s->path, version, VERSION, s->path, s->path, s->path, VERSION, s->path);
	return -EPROTO;
}

static int run_step(const struct store *s, const char *step, int to, char why[static STORE_WHY])
{
	char mark[96];

	snprintf(mark, sizeof(mark), "PRAGMA application_id = %d; PRAGMA user_version = %d",
		STORE_APPLICATION_ID, to);
	int status = store_exec(s, s->db, "BEGIN IMMEDIATE", why);
	if (status == 0)
		status = store_exec(s, s->db, step, why);
	if (status == 0)
		status = store_exec(s, s->db, mark, why);
	if (status == 0)
		status = store_exec(s, s->db, "COMMIT", why);
	if (!sqlite3_get_autocommit(s->db))
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	return status;
}

int store_schema_run(const struct store *s, const char *const *list, int from, int to,
	char why[static STORE_WHY])
{
	char copy[4096 + 32];

	// Who goes back to the version before finds what that one wrote.
	if (from > 0 && from < to) {
		snprintf(copy, sizeof(copy), "%s.schema-%d", s->path, from);
		int status = store_copy_whole(s, copy, why);
		if (status != 0)
			return status;
	}
	for (int at = from; at < to; at++) {
		int status = run_step(s, list[at], at + 1, why);

		if (status != 0)
			return status;
	}
	return 0;
}

int store_schema_migrate(const struct store *s, char why[static STORE_WHY])
{
	int64_t version = 0;
	int status = store_number(s, s->db, "PRAGMA user_version", &version, why);

	return status != 0 ? status : store_schema_run(s, steps, (int)version, VERSION, why);
}
