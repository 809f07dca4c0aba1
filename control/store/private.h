// SPDX-License-Identifier: BSD-2-Clause
// What the files of this folder share: the store, its jobs, and the small helpers around SQLite.

#pragma once

#include "control/store/store.h"
#include "control/store/work.h"

#include <pthread.h>
#include <sqlite3.h>
#include <sys/queue.h>

struct event;

// "post" in ASCII: SQLite's own mark for whose file it is.
#define STORE_APPLICATION_ID 0x706f7374

// What may be asked and not yet answered. Answers of calls that an operator waits for are bounded
// by the socket; records of what has happened already get twice the room, so that a flood of
// changes does not push them out.
#define STORE_JOBS_MAX    1024u
#define STORE_RECORDS_MAX (4 * STORE_JOBS_MAX)
#define STORE_BYTES_MAX   (32u * 1024u * 1024u)

// Changes until the good copy is taken anew.
#define STORE_COPY_EVERY 1000u

// One request on its way to the thread and back. The part that is special to it follows.
struct store_job {
	STAILQ_ENTRY(store_job) entry;
	size_t bytes;
	bool change;     // runs in a transaction, which is committed if it returns 0
	unsigned weight; // how many changes it counts for; 0: one
	// Store thread. Returns 0 or a negative errno with the job's `why`.
	int (*run)(struct store *s, struct store_job *job);
	// Store thread, once a change is on the disk; NULL: nothing follows.
	void (*committed)(struct store *s, struct store_job *job);
	// Control thread: tells the caller, and frees the job.
	void (*done)(struct store *s, struct store_job *job);
	int status;
	char why[STORE_WHY];
};

STAILQ_HEAD(store_jobs, store_job);

// A good copy in the making. Store thread.
struct store_copy {
	sqlite3 *to; // NULL: none
	sqlite3_backup *backup;
};

struct store {
	char *path;
	struct event_base *base;
	struct event *wake;
	int wake_fd;

	// Opened by the control thread, from then on the store thread's.
	sqlite3 *db;
	struct store_copy copy;
	unsigned changes;  // since the last good copy
	uint64_t aside_us; // monotonic, when it last stepped aside

	pthread_t thread;
	bool started; // control: rw

	pthread_mutex_t lock;
	pthread_cond_t more;
	pthread_cond_t rest;       // nothing waits and nothing runs
	unsigned open;             // under the lock: what waits or runs
	struct store_jobs waiting; // under the lock
	struct store_jobs ended;   // under the lock
	bool stopping;             // under the lock

	// Control thread: why the last change was not written; empty: it was.
	char trouble[STORE_WHY];

	// Control thread: what was asked and not yet told.
	unsigned count;
	size_t bytes;

	// Control thread: what the disk says of members, sorted.
	struct store_member *members;
	size_t n_members;
	size_t room_members;
	size_t n_coming; // in changes that are on their way
};

// sql.c: what is wrong, in one line; longer ones are cut.
void store_say(char why[static STORE_WHY], const char *format, ...)
	__attribute__((format(printf, 2, 3)));
// The first column of the first row, as a number or as a text of `size` bytes.
int store_number(const struct store *s, sqlite3 *db, const char *sql, int64_t *out,
	char why[static STORE_WHY]);
int store_text(const struct store *s, sqlite3 *db, const char *sql, char *out, size_t size,
	char why[static STORE_WHY]);
uint64_t store_wall_us(void);

// schema.c: brings the database to this version's schema. -EPROTO when it is newer.
int store_schema_migrate(const struct store *s, char why[static STORE_WHY]);
int store_schema_version(void);
// Whose file it is and of which version, before anything in it is touched.
int store_schema_known(const struct store *s, char why[static STORE_WHY]);
// From version `from` on; what store_schema_migrate() does with its own list.
int store_schema_run(const struct store *s, const char *const *list, int from, int to,
	char why[static STORE_WHY]);

// place.c: the folder and the file, before SQLite sees them.
int store_place_make(const char *path, char why[static STORE_WHY]);
// Adds to `why` how to go on from the last good copy, or without one.
void store_place_advise(const struct store *s, char why[static STORE_WHY]);
int store_place_sync_folder(const char *path);

// check.c: -EBADMSG with the first finding if the database is damaged.
int store_check(const struct store *s, sqlite3 *db, char why[static STORE_WHY]);

// copy.c: PATH.good. Errors are logged: the next attempt comes with the next changes.
void store_copy_begin(struct store *s);
void store_copy_step(struct store *s);
void store_copy_cancel(struct store *s);
// A copy of the database as it is now, in one go.
int store_copy_whole(const struct store *s, const char *to, char why[static STORE_WHY]);
bool store_copy_under_way(const struct store *s);

// How many of SQLite's instructions are about a third of a millisecond.
#define STORE_LOOK_EVERY 2000

// thread.c: lets others have the CPU if it is time; SQLite's progress handler, `user` is the store.
int store_step_aside(void *user);
int store_thread_start(struct store *s, const cpu_set_t *cpus, char why[static STORE_WHY]);
void store_thread_stop(struct store *s);
// Takes the job if it returns 0. `record`: it tells what has happened already.
int store_submit(struct store *s, struct store_job *job, size_t bytes, bool record);

// member.c: at the start, before there is a thread.
int store_members_load(struct store *s, char why[static STORE_WHY]);
// Ready, and weighing what the file says: no row is kept of it.
bool store_member_is_plain(const struct store_member *m);
// Store thread, within a transaction: what the disk says of a member, and will say.
int store_member_read(struct store *s, const struct store_member *key, struct store_member *out,
	char why[static STORE_WHY]);
int store_member_write(struct store *s, const struct store_member *m, char why[static STORE_WHY]);
// Control thread: makes the copy in memory say what the disk says. There must be room for one that
// is new.
void store_members_keep(struct store *s, const struct store_member *m);
struct store_member *store_members_in_copy(const struct store *s, const struct store_member *key);
