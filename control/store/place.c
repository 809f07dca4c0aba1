// SPDX-License-Identifier: BSD-2-Clause
// The folder and the file before SQLite sees them, and how to go on when the file is lost. A file
// that should be there and is not, or is empty, is never taken for a new beginning.

#include "control/store/private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

// Room for a path and the longest of what is appended to it.
#define PATH_ROOM (4096 + 32)

// Bytes of a database of one page of the smallest size. SQLite takes a shorter file for an empty one.
#define SMALLEST 512

static void beside(const char *path, const char *end, char out[static PATH_ROOM])
{
	snprintf(out, PATH_ROOM, "%s%s", path, end);
}

static bool exists(const char *path, const char *end)
{
	char name[PATH_ROOM];
	struct stat st;

	beside(path, end, name);
	return lstat(name, &st) == 0;
}

// The folder of a path; the caller frees it.
static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return strdup(".");
	return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

int store_place_sync_folder(const char *path)
{
	char *folder = folder_of(path);

	if (!folder)
		return -ENOMEM;
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int status = fd < 0 || fsync(fd) != 0 ? -errno : 0;
	if (fd >= 0)
		close(fd);
	free(folder);
	return status;
}

static int make_folder(const char *path, char why[static STORE_WHY])
{
	char *folder = folder_of(path);
	int status = 0;

	if (!folder) {
		store_say(why, "state database %s: out of memory", path);
		return -ENOMEM;
	}
	if (mkdir(folder, 0750) == 0)
		status = store_place_sync_folder(folder);
	else if (errno != EEXIST)
		status = -errno;
	if (status != 0)
		store_say(why,
			"state database %s: cannot make the folder %s: %s; make it (type: mkdir -p "
			"-m 0750 %s), or set postern.state to another path",
			path, folder, strerror(-status), folder);
	free(folder);
	return status;
}

static int make_file(const char *path, char why[static STORE_WHY])
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	int status = fd < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	if (status == 0)
		status = store_place_sync_folder(path);
	if (status != 0)
		store_say(why, "state database %s: cannot be made: %s; %s", path, strerror(-status),
			status == -ENOSPC ? "make room (\"df -h\" shows where)"
					  : "give its folder to the user that postern runs as, or "
					    "set postern.state to another path");
	return status;
}

// 2026-11-20T04:11:00Z
static void write_time(time_t at, char out[static 32])
{
	struct tm tm;

	if (!gmtime_r(&at, &tm) || strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		snprintf(out, 32, "an unknown time");
}

// Whether the copy can be gone on from. It is opened for reading alone.
static bool copy_is_good(const struct store *s, const char *name)
{
	char why[STORE_WHY];
	sqlite3 *db = NULL;
	bool good = sqlite3_open_v2(name, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) ==
			    SQLITE_OK &&
		    store_check(s, db, why) == 0;

	sqlite3_close(db);
	return good;
}

// Where the file is and what it is called, for commands that stay short.
struct spot {
	char *folder;
	const char *name;
};

static struct spot spot_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return (struct spot){folder_of(path), slash ? slash + 1 : path};
}

void store_place_advise(const struct store *s, char why[static STORE_WHY])
{
	const struct spot at = spot_of(s->path);
	const char *folder = at.folder ? at.folder : "its folder";
	const size_t used = strlen(why);
	char good[PATH_ROOM];
	char when[32] = "";
	struct stat st;

	beside(s->path, ".good", good);
	const bool copy = stat(good, &st) == 0;
	if (copy && copy_is_good(s, good)) {
		write_time(st.st_mtime, when);
		snprintf(why + used, STORE_WHY - used,
			"; to go on from its last good copy, of %s, type: cd %s; mv %s %s.damaged; "
			"rm -f %s-wal; cp -p %s.good %s",
			when, folder, at.name, at.name, at.name, at.name, at.name);
	} else {
		snprintf(why + used, STORE_WHY - used,
			"; %s; to begin with an empty one, in which every member is ready, type: "
			"cd %s; mv %s %s.damaged; rm -f %s-wal %s.good",
			copy ? "its last good copy is damaged, too" : "there is no good copy",
			folder, at.name, at.name, at.name, at.name);
	}
	free(at.folder);
}

// Lost while its copy is still there.
static int refuse_lost(const char *path, const char *how, char why[static STORE_WHY])
{
	const struct spot at = spot_of(path);
	char good[PATH_ROOM];
	char when[32] = "an unknown time";
	struct stat st;

	beside(path, ".good", good);
	if (stat(good, &st) == 0)
		write_time(st.st_mtime, when);
	store_say(why,
		"state database %s %s, but its last good copy, of %s, is there; to go on from the "
		"copy, type: cd %s; rm -f %s-wal; cp -p %s.good %s; to begin with an empty one, "
		"type: cd %s; mv %s.good %s.old",
		path, how, when, at.folder ? at.folder : "its folder", at.name, at.name, at.name,
		at.folder ? at.folder : "its folder", at.name, at.name);
	free(at.folder);
	return -EBADMSG;
}

int store_place_make(const char *path, char why[static STORE_WHY])
{
	struct stat st;

	// Names of files beside it must fit, too.
	if (strlen(path) + 32 > 4096) {
		store_say(why, "state database: its path is longer than %u bytes", 4096 - 32);
		return -ENAMETOOLONG;
	}
	int status = make_folder(path, why);
	if (status != 0)
		return status;
	if (stat(path, &st) != 0 && errno != ENOENT) {
		status = -errno;
		store_say(why, "state database %s: %s", path, strerror(-status));
		return status;
	}
	const bool missing = access(path, F_OK) != 0;
	if (missing && exists(path, ".good"))
		return refuse_lost(path, "is missing", why);
	if (missing)
		return make_file(path, why);
	if (!S_ISREG(st.st_mode)) {
		store_say(why,
			"state database %s: this is no file; set postern.state to another path",
			path);
		return -EINVAL;
	}
	// SQLite would open it for reading, and stumble over its log.
	if (access(path, W_OK) != 0 && errno == EROFS) {
		store_say(why,
			"state database %s: its file system is read-only; mount it for writing, or "
			"set postern.state to another path",
			path);
		return -EROFS;
	}
	if (st.st_size < SMALLEST && exists(path, ".good"))
		return refuse_lost(path, "is empty", why);
	return 0;
}
