// SPDX-License-Identifier: BSD-2-Clause
// A backup takes the database's place, while nobody uses it.

#include "control/store/private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PATH_ROOM (4096 + 64)

// Whether it is one of ours that this version reads, whole and undamaged.
static int look_at_backup(const char *from, char why[static STORE_WHY])
{
	struct store s = {.path = (char *)(uintptr_t)from};
	int64_t owner = 0;
	int status = 0;

	if (access(from, R_OK) != 0) {
		status = -errno;
		store_say(why, "%s: %s; name a file that posternctl backup write has made", from,
			strerror(-status));
		return status;
	}
	int rc = sqlite3_open_v2(from, &s.db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);

	if (rc != SQLITE_OK)
		status = store_wrong(&s, s.db, rc, why);
	if (status == 0)
		status = store_number(&s, s.db, "PRAGMA application_id", &owner, why);
	if (status == 0 && owner != STORE_APPLICATION_ID) {
		store_say(why, "%s is no backup of postern's", from);
		status = -EPROTO;
	}
	if (status == 0)
		status = store_schema_known(&s, why);
	if (status == 0)
		status = store_check(&s, s.db, why);
	sqlite3_close(s.db);
	return status;
}

// A database that somebody uses is left alone; a damaged one is nobody's.
static int look_at_present(const char *path, char why[static STORE_WHY])
{
	struct store s = {.path = (char *)(uintptr_t)path};
	int rc = sqlite3_open_v2(path, &s.db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_exec(s.db, "PRAGMA locking_mode=EXCLUSIVE; BEGIN IMMEDIATE; ROLLBACK",
			NULL, NULL, NULL);
	const int code = rc & 0xff;
	const int status = code == SQLITE_BUSY || code == SQLITE_LOCKED ||
					   code == SQLITE_READONLY || code == SQLITE_CANTOPEN
				   ? store_wrong(&s, s.db, rc, why)
				   : 0;
	sqlite3_close(s.db);
	return status;
}

static int copy_bytes(int from, int to)
{
	char bytes[65536];
	ssize_t n;

	while ((n = read(from, bytes, sizeof(bytes))) > 0)
		for (ssize_t done = 0; done < n;) {
			const ssize_t put = write(to, bytes + done, (size_t)(n - done));

			if (put < 0)
				return -errno;
			done += put;
		}
	return n < 0 || fsync(to) != 0 ? -errno : 0;
}

static int copy_file(const char *from, const char *to)
{
	const int in = open(from, O_RDONLY | O_CLOEXEC);
	const int out = in < 0 ? -1 : open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	int status = in < 0 || out < 0 ? -errno : copy_bytes(in, out);

	if (in >= 0)
		close(in);
	if (out >= 0 && close(out) != 0 && status == 0)
		status = -errno;
	return status;
}

static void name_kept(const char *path, char *kept, size_t size)
{
	const time_t now = time(NULL);
	char when[32] = "";
	struct tm tm;

	if (gmtime_r(&now, &tm))
		strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &tm);
	snprintf(kept, size, "%s.before-%s", path, when);
}

// Whoever may read the old one may read the new one.
static void take_owner(const char *path, const char *new)
{
	struct stat st;

	if (stat(path, &st) == 0 && chown(new, st.st_uid, st.st_gid) == 0)
		(void)!chmod(new, st.st_mode & 07777);
}

static int exchange(const char *path, const char *new, char *kept, size_t size)
{
	char log[PATH_ROOM], kept_log[PATH_ROOM];
	const bool there = access(path, F_OK) == 0;

	kept[0] = '\0';
	if (there) {
		take_owner(path, new);
		name_kept(path, kept, size);
		snprintf(log, sizeof(log), "%s-wal", path);
		snprintf(kept_log, sizeof(kept_log), "%s-wal", kept);
		// It has both names until the new one takes the first: whoever ends this halfway leaves a
		// database there. Not every file system can do that.
		if (link(path, kept) != 0 && (errno == EEXIST || rename(path, kept) != 0))
			return -errno;
		// What a damaged database has not taken from its log stays beside it.
		if (rename(log, kept_log) != 0 && errno != ENOENT)
			return -errno;
	}
	return rename(new, path) != 0 ? -errno : store_place_sync_folder(path);
}

int store_restore(const char *path, const char *from, char *kept, char *why, size_t size)
{
	char text[STORE_WHY] = "", new[PATH_ROOM];
	int status = strlen(path) + 64 > 4096 ? -ENAMETOOLONG : look_at_backup(from, text);

	snprintf(new, sizeof(new), "%s.restore", path);
	if (status == 0 && access(path, F_OK) == 0)
		status = look_at_present(path, text);
	if (status == 0) {
		status = copy_file(from, new);
		if (status == 0)
			status = exchange(path, new, kept, size);
		if (status != 0)
			store_say(text, "%s: %s", path, strerror(-status));
	}
	if (status != 0)
		unlink(new);
	snprintf(why, size, "%s", text);
	return status;
}
