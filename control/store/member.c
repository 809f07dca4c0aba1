// SPDX-License-Identifier: BSD-2-Clause
// What operators said of members: in the database, and as a sorted copy that the control thread
// looks into without waiting.

#include "control/store/private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const states[] = {"ready", "drain", "maint"};

static int compare(const struct store_member *m, const char *pool, const char *name,
	const struct postern_endpoint *at)
{
	int order = strcmp(m->pool, pool);

	if (order == 0)
		order = strcmp(m->name, name);
	if (order == 0)
		order = memcmp(m->at.addr.bytes, at->addr.bytes, sizeof(at->addr.bytes));
	return order != 0 ? order : (int)m->at.port - (int)at->port;
}

// Where it is, or would be.
static size_t place(const struct store *s, const char *pool, const char *name,
	const struct postern_endpoint *at)
{
	size_t low = 0, high = s->n_members;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare(&s->members[middle], pool, name, at) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct store_member *store_members_in_copy(const struct store *s, const struct store_member *key)
{
	size_t at = place(s, key->pool, key->name, &key->at);

	return at < s->n_members && compare(&s->members[at], key->pool, key->name, &key->at) == 0
		       ? &s->members[at]
		       : NULL;
}

const struct store_member *store_member_find(const struct store *s, const char *pool,
	const char *name, const struct postern_endpoint *at)
{
	size_t i = place(s, pool, name, at);

	return i < s->n_members && compare(&s->members[i], pool, name, at) == 0 ? &s->members[i]
										: NULL;
}

// Room for `more` entries besides those on their way, so that what the disk takes can be kept.
static bool reserve(struct store *s, size_t more)
{
	if (s->room_members - s->n_members >= s->n_coming + more)
		return true;
	size_t room = s->n_members + s->n_coming + more + 64;
	struct store_member *grown = realloc(s->members, room * sizeof(*grown));
	if (!grown)
		return false;
	s->members = grown;
	s->room_members = room;
	return true;
}

bool store_member_is_plain(const struct store_member *m)
{
	return strcmp(m->state, "ready") == 0 && m->weight == STORE_WEIGHT_FILE;
}

// Makes the copy say what the disk says.
void store_members_keep(struct store *s, const struct store_member *m)
{
	size_t at = place(s, m->pool, m->name, &m->at);
	struct store_member *old = store_members_in_copy(s, m);
	size_t behind = (s->n_members - at) * sizeof(*m);

	if (store_member_is_plain(m)) {
		if (old) {
			memmove(old, old + 1, behind - sizeof(*m));
			s->n_members--;
		}
		return;
	}
	if (!old) {
		memmove(&s->members[at + 1], &s->members[at], behind);
		s->n_members++;
	}
	s->members[at] = *m;
}

// The columns of a row after its key: state, weight, absent_us.
static void read_row(sqlite3_stmt *stmt, int from, struct store_member *m)
{
	const char *state = (const char *)sqlite3_column_text(stmt, from);
	bool weighs = sqlite3_column_type(stmt, from + 1) == SQLITE_INTEGER;

	snprintf(m->state, sizeof(m->state), "%s", state ? state : "ready");
	m->weight = weighs ? sqlite3_column_int(stmt, from + 1) : STORE_WEIGHT_FILE;
	m->absent_us = (uint64_t)sqlite3_column_int64(stmt, from + 2);
}

static int load_row(struct store *s, sqlite3_stmt *stmt)
{
	struct store_member m = {0};
	const char *pool = (const char *)sqlite3_column_text(stmt, 0);
	const char *name = (const char *)sqlite3_column_text(stmt, 1);
	const char *address = (const char *)sqlite3_column_text(stmt, 2);

	if (!pool || !name || !address)
		return -ENOMEM;
	snprintf(m.pool, sizeof(m.pool), "%s", pool);
	snprintf(m.name, sizeof(m.name), "%s", name);
	// No address of this kind can be configured, so nobody will ask for it.
	if (postern_endpoint_parse(address, &m.at) != 0)
		return 0;
	read_row(stmt, 3, &m);
	if (!reserve(s, 1))
		return -ENOMEM;
	store_members_keep(s, &m);
	return 0;
}

int store_members_load(struct store *s, char why[static STORE_WHY])
{
	sqlite3_stmt *stmt;
	int rc;
	int status = store_prepare(
		s, "SELECT pool, name, address, state, weight, absent_us FROM member", &stmt, why);

	if (status != 0)
		return status;
	while (status == 0 && (rc = sqlite3_step(stmt)) != SQLITE_DONE)
		status = rc == SQLITE_ROW ? load_row(s, stmt) : store_wrong(s, s->db, rc, why);
	sqlite3_finalize(stmt);
	if (status == -ENOMEM)
		store_wrong(s, NULL, SQLITE_NOMEM, why);
	return status;
}

static int bind_key(sqlite3_stmt *stmt, const struct store_member *m,
	char address[static POSTERN_ENDPOINT_TEXT])
{
	postern_endpoint_format(&m->at, address);
	int rc = store_bind_text(stmt, 1, m->pool);

	if (rc == SQLITE_OK)
		rc = store_bind_text(stmt, 2, m->name);
	return rc == SQLITE_OK ? store_bind_text(stmt, 3, address) : rc;
}

// Store thread: what the disk says of a member now.
int store_member_read(struct store *s, const struct store_member *key, struct store_member *out,
	char why[static STORE_WHY])
{
	char address[POSTERN_ENDPOINT_TEXT];
	sqlite3_stmt *stmt;
	int status = store_prepare(s,
		"SELECT state, weight, absent_us FROM member"
		" WHERE pool = ?1 AND name = ?2 AND address = ?3",
		&stmt, why);

	if (status != 0)
		return status;
	*out = *key;
	snprintf(out->state, sizeof(out->state), "ready");
	out->weight = STORE_WEIGHT_FILE;
	out->absent_us = 0;
	int rc = bind_key(stmt, key, address);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		read_row(stmt, 0, out);
	else if (rc != SQLITE_DONE)
		status = store_wrong(s, s->db, rc, why);
	sqlite3_finalize(stmt);
	return status;
}

int store_member_write(struct store *s, const struct store_member *m, char why[static STORE_WHY])
{
	char address[POSTERN_ENDPOINT_TEXT];
	sqlite3_stmt *stmt;
	int status = store_prepare(s,
		store_member_is_plain(m)
			? "DELETE FROM member WHERE pool = ?1 AND name = ?2 AND address = ?3"
			: "INSERT INTO member (pool, name, address, state, weight, changed_us,"
			  " absent_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
			  " ON CONFLICT DO UPDATE SET state = ?4, weight = ?5, changed_us = ?6,"
			  " absent_us = ?7",
		&stmt, why);

	if (status != 0)
		return status;
	int rc = bind_key(stmt, m, address);
	if (!store_member_is_plain(m)) {
		if (rc == SQLITE_OK)
			rc = store_bind_text(stmt, 4, m->state);
		if (rc == SQLITE_OK)
			rc = m->weight < 0 ? sqlite3_bind_null(stmt, 5)
					   : sqlite3_bind_int(stmt, 5, m->weight);
		if (rc == SQLITE_OK)
			rc = sqlite3_bind_int64(stmt, 6, (int64_t)store_wall_us());
		if (rc == SQLITE_OK)
			rc = sqlite3_bind_int64(stmt, 7, (int64_t)m->absent_us);
	}
	return store_finish(s, stmt, rc, why);
}

// A change of members on its way. Once done, `list` holds what they have become.
struct set_job {
	struct store_job job; // first
	store_done done;
	void *user;
	struct store_audit *record;
	char *before; // JSON for the record, `room` bytes each
	char *after;
	size_t room;
	size_t n;
	struct store_member list[];
};

// {"pool/name":{"state":"drain","weight":2}}. Names hold nothing that JSON would escape.
#define JSON_ROOM (2 * POSTERN_NAME_SIZE + 64)

static void describe(char *text, size_t room, const struct store_member *m, bool last)
{
	size_t used = strlen(text);
	char weight[32] = "";

	if (m->weight >= 0)
		snprintf(weight, sizeof(weight), ",\"weight\":%" PRId32, m->weight);
	snprintf(text + used, room - used, "%s\"%s/%s\":{\"state\":\"%s\"%s}%s",
		used > 0 ? "," : "{", m->pool, m->name, m->state, weight, last ? "}" : "");
}

static int run_set(struct store *s, struct store_job *job)
{
	struct set_job *set = (struct set_job *)job;

	set->before[0] = set->after[0] = '\0';
	for (size_t i = 0; i < set->n; i++) {
		struct store_member *m = &set->list[i];
		struct store_member was;
		int status = store_member_read(s, m, &was, job->why);

		if (status != 0)
			return status;
		if (m->state[0] == '\0')
			memcpy(m->state, was.state, sizeof(m->state));
		if (m->weight == STORE_WEIGHT_KEEP)
			m->weight = was.weight;
		// Whoever is changed is there.
		m->absent_us = 0;
		describe(set->before, set->room, &was, i + 1 == set->n);
		describe(set->after, set->room, m, i + 1 == set->n);
		status = store_member_write(s, m, job->why);
		if (status != 0)
			return status;
	}
	struct store_audit record = *set->record;
	record.before = set->before;
	record.after = set->after;
	return store_audit_insert(s, &record, job->why);
}

static void set_free(struct set_job *set)
{
	free(set->record);
	free(set->before);
	free(set->after);
	free(set);
}

static void set_done(struct store *s, struct store_job *job)
{
	struct set_job *set = (struct set_job *)job;

	s->n_coming -= set->n;
	for (size_t i = 0; job->status == 0 && i < set->n; i++)
		store_members_keep(s, &set->list[i]);
	set->done(set->user, job->status, job->why);
	set_free(set);
}

static bool is_name(const char *name, size_t size)
{
	size_t length = strnlen(name, size);

	for (size_t i = 0; i < length; i++)
		if (name[i] == '"' || name[i] == '\\' || (unsigned char)name[i] < ' ')
			return false;
	return length > 0 && length < size;
}

static bool is_good(const struct store_member *m)
{
	bool state = m->state[0] == '\0';

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		state = state || strncmp(m->state, states[i], sizeof(m->state)) == 0;
	return state && m->weight >= STORE_WEIGHT_KEEP && is_name(m->pool, sizeof(m->pool)) &&
	       is_name(m->name, sizeof(m->name));
}

int store_members_set(struct store *s, const struct store_member *list, size_t n,
	const struct store_audit *record, store_done done, void *user)
{
	for (size_t i = 0; i < n; i++)
		if (!is_good(&list[i]))
			return -EINVAL;
	struct set_job *set = calloc(1, sizeof(*set) + n * sizeof(*list));
	if (!set)
		return -ENOMEM;
	set->job.change = true;
	set->job.run = run_set;
	set->job.done = set_done;
	set->done = done;
	set->user = user;
	set->n = n;
	memcpy(set->list, list, n * sizeof(*list));
	set->room = (n + 1) * JSON_ROOM;
	set->record = store_audit_copy(record);
	set->before = calloc(1, set->room);
	set->after = calloc(1, set->room);
	int status = set->record && set->before && set->after && reserve(s, n) ? 0 : -ENOMEM;
	if (status == 0)
		status = store_submit(s, &set->job,
			sizeof(*set) + n * sizeof(*list) + 2 * set->room +
				store_audit_bytes(record),
			false);
	if (status == 0)
		s->n_coming += n;
	else
		set_free(set);
	return status;
}
