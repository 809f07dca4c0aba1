// SPDX-License-Identifier: BSD-2-Clause
// The good copy, PATH.good. It is made beside the old one in small steps between other work,
// checked whole, and only then takes the old one's place.

#include "control/store/private.h"

#include "postern/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

LOG_SUBSYSTEM("state");

// A step of 1 MiB (256 pages of 4096) holds up a change by a millisecond or so.
#define STEP_PAGES 256

#define PATH_ROOM (4096 + 32)

static void names(const struct store *s, char new[static PATH_ROOM], char good[static PATH_ROOM])
{
	snprintf(new, PATH_ROOM, "%s.good.new", s->path);
	snprintf(good, PATH_ROOM, "%s.good", s->path);
}

// Opens an empty file for a copy. Nothing is synced before the whole is there.
static int open_target(
	const struct store *s, const char *name, sqlite3 **out, char why[static STORE_WHY])
{
	if (unlink(name) != 0 && errno != ENOENT) {
		store_say(why, "%s: %s", name, strerror(errno));
		return -EIO;
	}
	int fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (fd < 0) {
		int status = -errno;
		store_say(why, "%s: %s", name, strerror(-status));
		return status;
	}
	close(fd);
	int rc = sqlite3_open_v2(name, out, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	int status = rc == SQLITE_OK ? 0 : store_wrong(s, *out, rc, why);
	if (status == 0)
		status = store_exec(
			s, *out, "PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE", why);
	return status;
}

static int sync_file(const char *name)
{
	int fd = open(name, O_RDWR | O_CLOEXEC);
	int status = fd < 0 || fsync(fd) != 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return status;
}

// Closes the filled copy, checks it, and puts it in its place. The journal mode is one that needs no
// other file beside it.
static int settle(const struct store *s, sqlite3 *to, const char *name, const char *place,
	char why[static STORE_WHY])
{
	int status = store_exec(s, to, "PRAGMA journal_mode=DELETE", why);

	if (status == 0)
		status = store_check(s, to, why);
	int rc = sqlite3_close(to);
	if (status == 0 && rc != SQLITE_OK)
		status = store_wrong(s, NULL, rc, why);
	if (status != 0)
		return status;
	status = sync_file(name);
	if (status == 0 && rename(name, place) != 0)
		status = -errno;
	if (status == 0)
		status = store_place_sync_folder(place);
	if (status != 0)
		store_say(why, "%s: %s", name, strerror(-status));
	return status;
}

int store_copy_whole(const struct store *s, const char *to, char why[static STORE_WHY])
{
	char name[PATH_ROOM];
	sqlite3 *db = NULL;

	snprintf(name, sizeof(name), "%s.new", to);
	int status = open_target(s, name, &db, why);
	if (status == 0) {
		sqlite3_backup *backup = sqlite3_backup_init(db, "main", s->db, "main");
		if (backup)
			sqlite3_backup_step(backup, -1);
		int rc = backup ? sqlite3_backup_finish(backup) : sqlite3_errcode(db);
		if (rc != SQLITE_OK)
			status = store_wrong(s, db, rc, why);
	}
	if (status == 0)
		return settle(s, db, name, to, why);
	sqlite3_close(db);
	unlink(name);
	return status;
}

static void failed(const struct store *s, const char *why)
{
	char new[PATH_ROOM];
	char good[PATH_ROOM];

	names(s, new, good);
	unlink(new);
	LOG(WARNING, "the good copy of the state database could not be taken: %s", why);
}

bool store_copy_under_way(const struct store *s)
{
	return s->copy.backup != NULL;
}

void store_copy_begin(struct store *s)
{
	char new[PATH_ROOM];
	char good[PATH_ROOM];
	char why[STORE_WHY];

	s->changes = 0;
	if (s->copy.backup)
		return;
	names(s, new, good);
	int status = open_target(s, new, &s->copy.to, why);
	if (status == 0) {
		s->copy.backup = sqlite3_backup_init(s->copy.to, "main", s->db, "main");
		if (!s->copy.backup)
			status = store_wrong(s, s->copy.to, sqlite3_errcode(s->copy.to), why);
	}
	if (status == 0) {
		// It is checked whole at its end.
		sqlite3_progress_handler(s->copy.to, STORE_LOOK_EVERY, store_step_aside, s);
		return;
	}
	sqlite3_close(s->copy.to);
	s->copy.to = NULL;
	failed(s, why);
}

void store_copy_cancel(struct store *s)
{
	char new[PATH_ROOM];
	char good[PATH_ROOM];

	if (!s->copy.backup)
		return;
	sqlite3_backup_finish(s->copy.backup);
	sqlite3_close(s->copy.to);
	s->copy = (struct store_copy){0};
	names(s, new, good);
	unlink(new);
}

static void finish(struct store *s)
{
	char new[PATH_ROOM];
	char good[PATH_ROOM];
	char why[STORE_WHY];
	sqlite3 *to = s->copy.to;
	int rc = sqlite3_backup_finish(s->copy.backup);

	s->copy = (struct store_copy){0};
	names(s, new, good);
	int status = 0;
	if (rc != SQLITE_OK) {
		status = store_wrong(s, to, rc, why);
		sqlite3_close(to);
	} else {
		status = settle(s, to, new, good, why);
	}
	if (status != 0)
		failed(s, why);
}

void store_copy_step(struct store *s)
{
	// SQLITE_OK says that there is more; whatever else, that this is the end.
	if (s->copy.backup && sqlite3_backup_step(s->copy.backup, STEP_PAGES) != SQLITE_OK)
		finish(s);
}
