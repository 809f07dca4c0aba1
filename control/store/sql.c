// SPDX-License-Identifier: BSD-2-Clause
// Small helpers around SQLite, and its errors in words that help who reads them.

#include "control/store/private.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

uint64_t store_wall_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

void store_say(char why[static STORE_WHY], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, STORE_WHY, format, args);
	va_end(args);
}

static int io_error(const struct store *s, sqlite3 *db, char why[static STORE_WHY])
{
	int err = db ? sqlite3_system_errno(db) : 0;

	if (err == ENOSPC || err == EDQUOT)
		return store_wrong(s, db, SQLITE_FULL, why);
	store_say(why,
		"state database %s: the disk reports an error (%s); look at the kernel's log "
		"(dmesg)",
		s->path, err != 0 ? strerror(err) : sqlite3_errmsg(db));
	return -EIO;
}

int store_wrong(const struct store *s, sqlite3 *db, int rc, char why[static STORE_WHY])
{
	switch (rc & 0xff) {
	case SQLITE_NOMEM:
		store_say(why, "state database %s: out of memory", s->path);
		return -ENOMEM;
	case SQLITE_FULL:
		store_say(why,
			"state database %s: the disk or the quota is full; make room (\"df -h\" "
			"shows where), then ask again",
			s->path);
		return -ENOSPC;
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_CANTOPEN:
		store_say(why,
			"state database %s: it or its folder cannot be written; give both to the "
			"user that postern runs as, on a file system that is not read-only",
			s->path);
		return (rc & 0xff) == SQLITE_READONLY ? -EROFS : -EACCES;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		store_say(why,
			"state database %s is in use by another process, perhaps another postern; "
			"end that one (\"fuser %s\" shows it), or set postern.state to another "
			"path",
			s->path, s->path);
		return -EBUSY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		store_say(why, "state database %s is damaged (%s)", s->path,
			db ? sqlite3_errmsg(db) : "not a database");
		return -EBADMSG;
	case SQLITE_IOERR:
		return io_error(s, db, why);
	default:
		store_say(why, "state database %s: %s", s->path,
			db ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
		return (rc & 0xff) == SQLITE_CONSTRAINT ? -EINVAL : -EIO;
	}
}

int store_exec(const struct store *s, sqlite3 *db, const char *sql, char why[static STORE_WHY])
{
	int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : store_wrong(s, db, rc, why);
}

int store_prepare(
	const struct store *s, const char *sql, sqlite3_stmt **out, char why[static STORE_WHY])
{
	int rc = sqlite3_prepare_v2(s->db, sql, -1, out, NULL);

	return rc == SQLITE_OK ? 0 : store_wrong(s, s->db, rc, why);
}

int store_finish(const struct store *s, sqlite3_stmt *stmt, int bound, char why[static STORE_WHY])
{
	int rc = bound == SQLITE_OK ? sqlite3_step(stmt) : bound;
	int status = rc == SQLITE_DONE ? 0 : store_wrong(s, s->db, rc, why);

	sqlite3_finalize(stmt);
	return status;
}

static int first_row(const struct store *s, sqlite3 *db, const char *sql, sqlite3_stmt **out,
	char why[static STORE_WHY])
{
	int rc = sqlite3_prepare_v2(db, sql, -1, out, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(*out);
	if (rc == SQLITE_ROW)
		return 0;
	// A question that has no row has no answer, which none of ours can have.
	int status = store_wrong(s, db, rc == SQLITE_DONE ? SQLITE_CORRUPT : rc, why);
	sqlite3_finalize(*out);
	return status;
}

int store_number(const struct store *s, sqlite3 *db, const char *sql, int64_t *out,
	char why[static STORE_WHY])
{
	sqlite3_stmt *stmt;
	int status = first_row(s, db, sql, &stmt, why);

	if (status != 0)
		return status;
	*out = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return 0;
}

int store_text(const struct store *s, sqlite3 *db, const char *sql, char *out, size_t size,
	char why[static STORE_WHY])
{
	sqlite3_stmt *stmt;
	int status = first_row(s, db, sql, &stmt, why);

	if (status != 0)
		return status;
	const char *text = (const char *)sqlite3_column_text(stmt, 0);
	if (text)
		snprintf(out, size, "%s", text);
	else
		status = store_wrong(s, db, SQLITE_NOMEM, why);
	sqlite3_finalize(stmt);
	return status;
}

int store_bind_text(sqlite3_stmt *stmt, int at, const char *text)
{
	return text ? sqlite3_bind_text(stmt, at, text, -1, SQLITE_STATIC)
		    : sqlite3_bind_null(stmt, at);
}
