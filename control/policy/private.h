// SPDX-License-Identifier: BSD-2-Clause
// What the files of this folder share: work on the store thread, statements, and the feed of the
// dataplane's tables.

#pragma once

#include "control/config/config.h"
#include "control/policy/policy.h"
#include "control/store/store.h"
#include "control/store/work.h"

#include "postern/snapshot.h"

// Mistakes that are told one by one, and rows of a difference; of others the number is told.
// Of one organisation; the dataplane takes no more.
#define POLICY_PROVIDERS_MAX 64u

#define POLICY_MISTAKES_MAX    100u
#define POLICY_DIFFERENCES_MAX 1000u
#define POLICY_IGNORED_MAX     1000u // names of properties

// Whose SIP domains are whose, as the file says; shared by requests, never changed.
struct policy_own {
	unsigned references; // atomic
	size_t n;
	struct policy_own_domain {
		char *domain;
		const char *organisation;
	} * items; // sorted by domain
	size_t n_organisations;
	struct policy_own_organisation {
		char *name;
		uint16_t id; // the dataplane's
	} * organisations;   // sorted by name
};

struct policy {
	struct store *store;
	struct postern_policy *tables;   // any thread
	struct policy_follower follower; // what it calls may be called by any thread
	struct policy_own *own;          // control: rw
	unsigned loading;                // configurations whose organisations are being loaded
};

// entry.c
bool policy_entry_equal(const struct policy_entry *a, const struct policy_entry *b);
json_t *policy_value_json(const struct policy_field *f, const char *value);
// What is not by default, without the revision.
json_t *policy_entry_given_json(const struct policy_entry *e);
// Puts what is given over what is there. False: no memory.
bool policy_entry_merge(struct policy_entry *e, const struct policy_entry *given);
// Empty texts, which stand for defaults in what is asked, become NULL.
void policy_entry_settle(struct policy_entry *e);

// own.c
struct policy_own *policy_own_new(const struct config *c, const struct policy_own *before);
struct policy_own *policy_own_take(struct policy_own *own);
void policy_own_drop(struct policy_own *own);
// The organisation that has the domain; NULL: none.
const char *policy_own_find(const struct policy_own *own, const char *domain);
const struct policy_own_organisation *policy_own_organisation(
	const struct policy_own *own, const char *name);

// ---- db.c: statements. Store thread, within a job.

enum policy_statement {
	POLICY_FIND,
	POLICY_PUT,
	POLICY_DELETE,
	POLICY_STATEMENTS
};

struct policy_db {
	struct store *store;
	struct sqlite3 *db;
	struct sqlite3_stmt *statements[POLICY_KINDS][POLICY_STATEMENTS];
	struct sqlite3_stmt *proxy; // who has a ProxyFqdn among the providers
	char *why;                  // STORE_WHY bytes
};

void policy_db_open(struct policy_db *d, struct store *s, struct sqlite3 *db, char *why);
void policy_db_close(struct policy_db *d);
// 0 with the entry, which the caller clears; -ENOENT; or what the store says.
int policy_db_find(struct policy_db *d, const char *organisation, enum policy_kind kind,
	const char *key, struct policy_entry *out);
int policy_db_put(struct policy_db *d, const char *organisation, const struct policy_entry *e);
int policy_db_delete(
	struct policy_db *d, const char *organisation, enum policy_kind kind, const char *key);
// The name of the provider that has the FQDN in `out`, of `size` bytes; -ENOENT.
int policy_db_proxy(
	struct policy_db *d, const char *organisation, const char *fqdn, char *out, size_t size);
// The revision of an organisation; 0: nothing has been said of it yet.
int policy_db_revision(struct policy_db *d, const char *organisation, uint64_t *out);
int policy_db_set_revision(struct policy_db *d, const char *organisation, uint64_t revision);
// A number that is given once.
int policy_db_next_id(struct policy_db *d, uint64_t *out);
int policy_db_set_next_id(struct policy_db *d, uint64_t next);

struct policy_walk {
	const char *organisation;
	enum policy_kind kind;
	const char *after;                 // keys behind this one
	const char *match;                 // within the key
	const struct policy_entry *filter; // what is given is so
	uint64_t revision;                 // of this one alone; 0: any
};

// Calls for each entry in the order of the keys, until `each` returns other than 0: 1 ends the walk.
int policy_db_walk(struct policy_db *d, const struct policy_walk *w,
	int (*each)(void *user, struct policy_entry *e), void *user);

// ---- check.c

struct policy_mistakes {
	struct config_errors list;
	size_t more;
};

// Adds a mistake, or counts it. Returns -EINVAL, or -ENOMEM.
int policy_mistake(struct policy_mistakes *m, int line, const char *field, const char *expected,
	const char *format, ...) __attribute__((format(printf, 5, 6)));
void policy_mistakes_clear(struct policy_mistakes *m);

// What an entry contradicts in itself and in what is kept already, all of it. `before` is what it
// replaces, NULL if nothing. 0, -EINVAL with mistakes, or what the store says.
int policy_check_entry(struct policy_db *d, const struct policy_own *own, const char *organisation,
	const struct policy_entry *e, const struct policy_entry *before, int line,
	struct policy_mistakes *m);
// What contradicts itself between switches and providers, once all is written.
int policy_check_whole(struct policy_db *d, const char *organisation, struct policy_mistakes *m);

// ---- job.c: what every request has.

struct policy_job {
	struct policy *policy;
	struct policy_own *own;
	char organisation[POSTERN_NAME_SIZE];
	int id;                     // the dataplane's, -1: none
	struct store_audit *record; // NULL: it changes nothing
	policy_done done;
	void *user;
	struct policy_mistakes mistakes;
	struct policy_result result;
	// What `result` points to, freed with the job.
	struct policy_entry before, entry;
	bool has_before, has_entry;
	json_t *differences, *ignored, *items;
	char *text, *next;
	// Frees what is the request's own, with the job.
	void (*free)(struct policy_job *job);
	// Store thread; 0, or a negative errno with `why` or mistakes. -ECANCELED: all right, and nothing
	// is to change.
	int (*run)(struct policy_job *job, struct policy_db *d);
	// Store thread, once that is on the disk.
	void (*committed)(struct policy_job *job, struct policy_db *d);
	bool tried; // it ran to its end and was taken back
};

// A job of at least `size` bytes that begins with struct policy_job; NULL: no memory.
struct policy_job *policy_job_new(struct policy *p, size_t size, const char *organisation,
	const struct store_audit *record, policy_done done, void *user);
void policy_job_free(struct policy_job *job);
enum policy_size {
	POLICY_READS, // changes nothing
	POLICY_SMALL, // a transaction
	POLICY_LARGE, // a transaction of many rows
};
// Takes the job in every case.
int policy_job_submit(struct policy_job *job, enum policy_size size, size_t bytes);
// Writes the record, with what was and what became, which it takes; NULL: nothing.
int policy_job_record(struct policy_job *job, struct policy_db *d, json_t *before, json_t *after);

// ---- change.c: what is written in one change gets one revision.
struct policy_write {
	struct policy_db *db;
	const struct policy_own *own;
	const char *organisation;
	uint64_t revision; // that is being made
	uint64_t next_id;
	uint64_t now_us;
};
int policy_write_begin(struct policy_write *w, const struct policy_job *job, struct policy_db *d);
// Gives the entry its revision, and the id of what it replaces, NULL: a new one.
int policy_write_entry(
	struct policy_write *w, struct policy_entry *e, const struct policy_entry *was);
int policy_write_end(struct policy_write *w);

// ---- bulk.c: changes of many entries.

// Names that a file has had, by kind.
struct policy_seen {
	struct seen_place *places;
	size_t n, room;
};
// The line on which it stood before; 0: nowhere, and from now on on this one; -ENOMEM.
int policy_seen(struct policy_seen *s, enum policy_kind kind, const char *key, int line);
void policy_seen_clear(struct policy_seen *s);

int policy_bulk_begin(struct policy_job *job, struct policy_db *d, const struct policy_file *file,
	struct policy_write *w);
// The checks of the whole, and the record. -ECANCELED for a dry run.
int policy_bulk_end(struct policy_job *job, struct policy_db *d, const struct policy_file *file,
	struct policy_write *w);
// To be called at the end in any case.
void policy_bulk_rest(struct policy_db *d);
// Writes an entry of a file, with checks: what is given over what was, or in its place.
int policy_bulk_put(struct policy_job *job, struct policy_db *d, struct policy_write *w,
	struct policy_entry *given, bool merge, int line);
// Counts and lists what becomes of an entry; NULL: there was none, there will be none. False: no memory.
bool policy_difference(
	struct policy_job *job, const struct policy_entry *was, const struct policy_entry *e);
// policy_entry_read() for a place in a file, with mistakes counted once there are too many to tell.
int policy_mistake_value(struct policy_mistakes *m, struct policy_entry *e,
	const struct policy_field *f, const char *text, size_t length, int line);

// ---- feed.c: the dataplane's tables. Store thread. Errors are logged: what is on the disk is said to be.
void policy_feed_set(const struct policy *p, uint16_t organisation, const struct policy_entry *e);
void policy_feed_remove(
	const struct policy *p, uint16_t organisation, const struct policy_entry *e);
// All that is kept of an organisation, or what a revision added and changed; 0, or what the store says.
int policy_feed_load(const struct policy *p, uint16_t organisation, struct policy_db *d,
	const char *name, uint64_t revision, uint64_t *n);
// After a commit, which nothing takes back: says so if not all of it could be loaded.
void policy_feed_told(int status, const struct policy_db *d, const char *name);
// Takes away all that is kept of an organisation, and the organisation.
int policy_feed_unload(
	const struct policy *p, uint16_t organisation, struct policy_db *d, const char *name);
