// SPDX-License-Identifier: BSD-2-Clause
// Opening and closing. What is wrong with the file is found here, before anything is built on it.

#include "control/store/private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Another postern that is just ending gets so long to let go of the file.
#define BUSY_MS 2000

static int begin(struct store *s, char why[static STORE_WHY])
{
	// One thread at a time uses it: the one that opens it, then the store thread.
	int rc = sqlite3_open_v2(s->path, &s->db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);

	if (rc != SQLITE_OK)
		return store_wrong(s, s->db, rc, why);
	sqlite3_busy_timeout(s->db, BUSY_MS);
	// The file's content is not trusted to call functions; each page is looked at when it is
	// read. Nobody else may write to it, and in this mode there is no shared memory file.
	return store_exec(s, s->db,
		"PRAGMA locking_mode=EXCLUSIVE; PRAGMA trusted_schema=OFF;"
		"PRAGMA cell_size_check=ON; PRAGMA foreign_keys=ON; PRAGMA temp_store=MEMORY;"
		// What a large change made of the log is given back, down to a thousand pages.
		"PRAGMA journal_size_limit=4194304",
		why);
}

// With synchronous=FULL the log is on the disk before COMMIT returns.
static int use_log(struct store *s, char why[static STORE_WHY])
{
	char mode[16];
	int status = store_text(s, s->db, "PRAGMA journal_mode=WAL", mode, sizeof(mode), why);

	if (status == 0 && strcmp(mode, "wal") != 0) {
		store_say(why,
			"state database %s: its file system takes no write-ahead log; set "
			"postern.state to a path on a local disk",
			s->path);
		status = -EIO;
	}
	return status != 0 ? status : store_exec(s, s->db, "PRAGMA synchronous=FULL", why);
}

// What cannot be written now could not be written when an operator asks for it.
static int try_write(struct store *s, char why[static STORE_WHY])
{
	if (sqlite3_db_readonly(s->db, "main") == 1)
		return store_wrong(s, s->db, SQLITE_READONLY, why);
	return 0;
}

static int open_database(struct store *s, char why[static STORE_WHY])
{
	int status = begin(s, why);

	if (status == 0)
		status = store_schema_known(s, why);
	if (status == 0)
		status = store_check(s, s->db, why);
	if (status == 0)
		status = try_write(s, why);
	if (status == 0)
		status = use_log(s, why);
	if (status == 0)
		status = store_schema_migrate(s, why);
	if (status == 0)
		status = store_members_load(s, why);
	return status;
}

static struct store *make(const struct store_options *options)
{
	struct store *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->wake_fd = -1;
	s->base = options->base;
	STAILQ_INIT(&s->waiting);
	STAILQ_INIT(&s->ended);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->more, NULL);
	pthread_cond_init(&s->rest, NULL);
	s->path = strdup(options->path);
	if (s->path)
		return s;
	store_close(s);
	return NULL;
}

int store_open(const struct store_options *options, struct store **out, char *why, size_t size)
{
	char text[STORE_WHY] = "out of memory";
	struct store *s = make(options);
	int status = s ? store_place_make(s->path, text) : -ENOMEM;

	if (status == 0) {
		status = open_database(s, text);
		if (status == -EBADMSG) {
			// Closed first: nobody offers a file that it holds.
			sqlite3_close(s->db);
			s->db = NULL;
			store_place_advise(s, text);
		}
	}
	if (status == 0)
		status = store_thread_start(s, options->cpus, text);
	if (status != 0) {
		snprintf(why, size, "%s", text);
		store_close(s);
		return status;
	}
	*out = s;
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	store_thread_stop(s);
	sqlite3_close(s->db);
	pthread_cond_destroy(&s->more);
	pthread_cond_destroy(&s->rest);
	pthread_mutex_destroy(&s->lock);
	free(s->members);
	free(s->path);
	free(s);
}
