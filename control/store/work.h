// SPDX-License-Identifier: BSD-2-Clause
// For folders that keep tables of their own in the state database: work on its thread.

#pragma once

#include "control/store/store.h"

#include <sqlite3.h>

#define STORE_WHY 512

struct store_work {
	bool change;  // runs in a transaction, which is committed if it returns 0
	bool large;   // of many rows: a good copy is taken afterwards
	size_t bytes; // held until it is done, for the bound on what waits
	// Store thread. Returns 0 or a negative errno with `why`, of STORE_WHY bytes.
	int (*run)(struct store *s, struct sqlite3 *db, void *user, char *why);
	// Store thread, once a change is on the disk; NULL: nothing follows.
	void (*committed)(struct store *s, struct sqlite3 *db, void *user);
	// Control thread, as for every request.
	store_done done;
	void *user;
};

// 0, or a negative errno with nothing to come: -EAGAIN when too much waits for the disk.
int store_work(struct store *s, const struct store_work *work);

// Returns when all that has been asked up to now has been done; nobody is told of it yet. Control
// thread, at start.
void store_settle(struct store *s);

// The rest is for `run`.

// Words for a result code of SQLite in `why`, and a negative errno for it.
int store_wrong(const struct store *s, sqlite3 *db, int rc, char why[static STORE_WHY]);
int store_prepare(
	const struct store *s, const char *sql, sqlite3_stmt **out, char why[static STORE_WHY]);
// Steps a statement that returns no rows and finishes it in every case. Values that could not be
// bound are told in `bound`, a result code.
int store_finish(const struct store *s, sqlite3_stmt *stmt, int bound, char why[static STORE_WHY]);
int store_bind_text(sqlite3_stmt *stmt, int at, const char *text); // NULL: SQL's NULL
// Executes statements that return nothing.
int store_exec(const struct store *s, sqlite3 *db, const char *sql, char why[static STORE_WHY]);

// A copy of a record, with all its texts, in one allocation; freed with free(). Any thread.
struct store_audit *store_audit_copy(const struct store_audit *record);
size_t store_audit_bytes(const struct store_audit *record);
// Within a change.
int store_audit_insert(
	struct store *s, const struct store_audit *record, char why[static STORE_WHY]);
