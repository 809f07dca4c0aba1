// SPDX-License-Identifier: BSD-2-Clause
// Who did what. Records are written, read page by page from the newest, and dropped when they are
// too many or too old.

#include "control/store/private.h"

#include "postern/log.h"

#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

LOG_SUBSYSTEM("state");

#define KEEP_RECORDS 100000
#define KEEP_US      ((uint64_t)365 * 24 * 3600 * 1000000)
// Most records that go for their age with one that comes: a clock that jumps does not take all.
#define DROP_AT_ONCE 100

#define PLAIN_MAX 1024u // bytes of a comment or a result

// The texts of a record, to treat them alike.
static void texts_of(const struct store_audit *r, const char *out[static 7])
{
	const char *const all[7] = {
		r->user, r->method, r->params, r->before, r->after, r->comment, r->result};

	memcpy(out, all, sizeof(all));
}

size_t store_audit_bytes(const struct store_audit *record)
{
	const char *texts[7];
	size_t bytes = sizeof(*record);

	texts_of(record, texts);
	for (size_t i = 0; i < 7; i++)
		bytes += texts[i] ? strlen(texts[i]) + 1 : 0;
	return bytes;
}

static const char *put(char **to, const char *text)
{
	if (!text)
		return NULL;
	char *at = *to;
	*to = stpcpy(at, text) + 1;
	return at;
}

struct store_audit *store_audit_copy(const struct store_audit *record)
{
	struct store_audit *copy = malloc(store_audit_bytes(record));

	if (!copy)
		return NULL;
	char *at = (char *)(copy + 1);
	*copy = *record;
	copy->user = put(&at, record->user);
	copy->method = put(&at, record->method);
	copy->params = put(&at, record->params);
	copy->before = put(&at, record->before);
	copy->after = put(&at, record->after);
	copy->comment = put(&at, record->comment);
	copy->result = put(&at, record->result);
	if (copy->wall_us == 0)
		copy->wall_us = store_wall_us();
	return copy;
}

// The name of a uid. The look-up may ask a directory service and wait for it, which is why it is
// this thread's work.
static const char *name_of(int64_t uid, char *buffer, size_t size)
{
	struct passwd entry;
	struct passwd *found = NULL;

	if (uid < 0 || getpwuid_r((uid_t)uid, &entry, buffer, size, &found) != 0 || !found)
		return NULL;
	return found->pw_name;
}

static int bind_json(sqlite3_stmt *stmt, int at, const char *text)
{
	char instead[64];

	if (!text || strlen(text) <= STORE_AUDIT_TEXT_MAX)
		return store_bind_text(stmt, at, text);
	int length = snprintf(instead, sizeof(instead), "{\"too-long\":%zu}", strlen(text));
	return sqlite3_bind_text(stmt, at, instead, length, SQLITE_TRANSIENT);
}

static int bind_plain(sqlite3_stmt *stmt, int at, const char *text)
{
	if (!text)
		return sqlite3_bind_null(stmt, at);
	size_t length = strnlen(text, PLAIN_MAX);
	// Not within a character: bytes 10xxxxxx continue one.
	while (length > 0 && text[length] != '\0' && ((unsigned char)text[length] & 0xc0) == 0x80)
		length--;
	return sqlite3_bind_text(stmt, at, text, (int)length, SQLITE_STATIC);
}

static int bind_record(sqlite3_stmt *stmt, const struct store_audit *r, const char *user)
{
	int rc = sqlite3_bind_int64(stmt, 1, (int64_t)r->wall_us);

	if (rc == SQLITE_OK && r->uid >= 0)
		rc = sqlite3_bind_int64(stmt, 2, r->uid);
	if (rc == SQLITE_OK && r->pid > 0)
		rc = sqlite3_bind_int64(stmt, 3, r->pid);
	if (rc == SQLITE_OK)
		rc = bind_plain(stmt, 4, user);
	if (rc == SQLITE_OK)
		rc = bind_plain(stmt, 5, r->method ? r->method : "");
	if (rc == SQLITE_OK)
		rc = bind_json(stmt, 6, r->params);
	if (rc == SQLITE_OK)
		rc = bind_json(stmt, 7, r->before);
	if (rc == SQLITE_OK)
		rc = bind_json(stmt, 8, r->after);
	if (rc == SQLITE_OK)
		rc = bind_plain(stmt, 9, r->comment);
	if (rc == SQLITE_OK)
		rc = bind_plain(stmt, 10, r->result ? r->result : "ok");
	return rc;
}

// Both limits are found at the lower end of the key, so that this takes no time when nothing is to
// go.
static int drop_old(struct store *s, char why[static STORE_WHY])
{
	const uint64_t now = store_wall_us();
	char sql[384];

	snprintf(sql, sizeof(sql),
		"DELETE FROM audit WHERE id <= (SELECT max(id) FROM audit) - %d;"
		"DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE id <"
		" coalesce((SELECT id FROM audit WHERE wall_us >= %" PRIu64
		" ORDER BY id LIMIT 1), 0) ORDER BY id LIMIT %d)",
		KEEP_RECORDS, now > KEEP_US ? now - KEEP_US : 0, DROP_AT_ONCE);
	return store_exec(s, s->db, sql, why);
}

int store_audit_insert(
	struct store *s, const struct store_audit *record, char why[static STORE_WHY])
{
	char buffer[4096];
	const char *user =
		record->user ? record->user : name_of(record->uid, buffer, sizeof(buffer));
	sqlite3_stmt *stmt;
	int status = store_prepare(s,
		"INSERT INTO audit (wall_us, uid, pid, user, method, params, was, became, comment,"
		" result) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
		&stmt, why);

	if (status != 0)
		return status;
	status = store_finish(s, stmt, bind_record(stmt, record, user), why);
	return status != 0 ? status : drop_old(s, why);
}

struct add_job {
	struct store_job job; // first
	struct store_audit *record;
	store_done done; // NULL: nobody waits
	void *user;
};

static int run_add(struct store *s, struct store_job *job)
{
	return store_audit_insert(s, ((struct add_job *)job)->record, job->why);
}

static void add_done(struct store *s, struct store_job *job)
{
	struct add_job *add = (struct add_job *)job;

	(void)s;
	if (add->done)
		add->done(add->user, job->status, job->why);
	else if (job->status != 0)
		LOG(ERROR, "%s is not in the audit: %s", add->record->method, job->why);
	free(add->record);
	free(add);
}

int store_audit_add(struct store *s, const struct store_audit *record, store_done done, void *user)
{
	struct add_job *add = calloc(1, sizeof(*add));

	if (!add)
		return -ENOMEM;
	add->job.change = true;
	add->job.run = run_add;
	add->job.done = add_done;
	add->done = done;
	add->user = user;
	add->record = store_audit_copy(record);
	int status = add->record ? store_submit(s, &add->job,
					   sizeof(*add) + store_audit_bytes(record), true)
				 : -ENOMEM;
	if (status != 0) {
		free(add->record);
		free(add);
	}
	return status;
}
