// SPDX-License-Identifier: BSD-2-Clause
// The state database: what operators have said and must outlive a restart, a kill and a power
// failure, and who said it. It has a thread of its own: requests and results cross by bounded
// queues, and whoever asks never waits for a disk, except in store_open() and store_close().
// Everything here is called by the control thread.

#pragma once

#include "postern/addr.h"
#include "postern/snapshot.h"

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct event_base;
struct store;

// Told once of each request, from the event loop, never from within the call that made it. For a
// change, status 0 means that it is on the disk. Otherwise a negative errno, nothing has changed,
// and `why` is one line for the operator.
typedef void (*store_done)(void *user, int status, const char *why);

struct store_options {
	const char *path;
	struct event_base *base;
	const cpu_set_t *cpus; // where the thread may run; NULL: where the caller may
};

// Opens the database, makes it and its folder when they are missing, checks it whole, and brings an
// older one up to date. It waits for the disk. A damaged file, a missing one of which a copy is
// there, one of a newer postern and one of another program are refused: negative errno, `why`
// says what to type. The event base outlives the store.
int store_open(const struct store_options *options, struct store **out, char *why, size_t size);

// Does what has been asked, tells whoever waits for it, and closes. Waits for the disk.
void store_close(struct store *s);

// Copies the database as it is now, whole and checked, to a file that is not there yet. -EEXIST if it
// is. Others wait meanwhile: about a second a hundred thousand pages.
int store_backup(struct store *s, const char *to, store_done done, void *user);

// Puts a backup in the place of the database at `path`, which no postern uses, and keeps what was there
// beside it under the name that is written to `kept` (of `size` bytes; empty: nothing was there). A
// backup that is damaged, another program's or a newer postern's is refused: negative errno with `why`,
// and nothing has changed. Without a store; waits for the disk.
int store_restore(const char *path, const char *from, char *kept, char *why, size_t size);

// Why the last change could not be written, in one line; NULL: it could. Borrowed until the next turn of
// the event loop.
const char *store_trouble(const struct store *s);
// Writes something that changes nothing, to find out. Its result shows in store_trouble(), and nowhere
// else.
void store_try(struct store *s);

// Who did what. As an argument: `wall_us` 0 for now, `user` NULL to have the uid's name looked up,
// and texts are copied. Texts that are JSON and longer than STORE_AUDIT_TEXT_MAX are replaced
// by their length, others cut. Texts may be NULL for "none".
#define STORE_AUDIT_TEXT_MAX 8192u

struct store_audit {
	uint64_t id; // counts up, never given twice
	uint64_t wall_us;
	int64_t uid; // negative: nobody's, like a signal's
	int64_t pid;
	const char *user;
	const char *method;
	const char *params; // JSON
	const char *before; // JSON
	const char *after;  // JSON
	const char *comment;
	const char *result; // "ok", or what was wrong
};

// Adds a record. `done` may be NULL. Returns 0, or a negative errno with nothing to come: -EAGAIN
// when too much waits for the disk.
int store_audit_add(struct store *s, const struct store_audit *record, store_done done, void *user);

struct store_audit_query {
	uint64_t before;    // ids below this one; 0: from the newest
	unsigned limit;     // at least 1
	const char *method; // "member.set", or all of a noun: "member"; NULL: any
	const char *user;   // a name or a uid; NULL: any
};

// Rows come newest first and are borrowed for the call. `more` says that a query with `before` set
// to the last id would find others. A page ends early when its texts grow past 1 MiB.
typedef void (*store_audit_rows)(void *user, int status, const char *why,
	const struct store_audit *const *rows, size_t n, bool more);

int store_audit_list(
	struct store *s, const struct store_audit_query *query, store_audit_rows done, void *user);

// What the operator said of a member, by which the member is recognised over restarts and reloads.
#define STORE_WEIGHT_FILE (-1) // as the configuration says
#define STORE_WEIGHT_KEEP (-2) // in a change: as it was

struct store_member {
	char pool[POSTERN_NAME_SIZE];
	char name[POSTERN_NAME_SIZE];
	struct postern_endpoint at;
	char state[8];      // "ready", "drain", "maint"; in a change empty: as it was
	int32_t weight;     // 0 and above, or as above
	uint64_t absent_us; // wall time since when the configuration has not named it; 0: it does
};

// Changes several members, all or none, and writes the record with what they were before and
// after, in one transaction. -EINVAL when a value is none.
int store_members_set(struct store *s, const struct store_member *list, size_t n,
	const struct store_audit *record, store_done done, void *user);

// What is known of a member, NULL if nothing: it is ready and weighs what the file says. As the
// disk has it: changes are seen here when their `done` is called. Borrowed until the next turn of
// the event loop.
const struct store_member *store_member_find(const struct store *s, const char *pool,
	const char *name, const struct postern_endpoint *at);

// Looks which members the configuration names, by `present`. Others are remembered for 30 days
// more. To be called after each reload and once a day.
void store_members_sweep(struct store *s, uint64_t wall_us,
	bool (*present)(void *user, const struct store_member *member), void *user);
