// SPDX-License-Identifier: BSD-2-Clause
// A disk between SQLite and the real one: it fails when the test wants, and it can lose power, which
// takes away everything that was written and not yet synced. Include once in a program.

#pragma once

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum disk_fault {
	DISK_GOOD,
	DISK_ERROR,      // one operation fails
	DISK_FULL,       // from one on nothing can be written
	DISK_POWER_LOSS, // from one on nothing works, and what was not synced is gone
};

struct disk_file {
	sqlite3_file base;
	char name[256];
	sqlite3_file *real;
};

// What a write or a truncation replaced.
struct disk_undo {
	struct disk_undo *next;
	struct disk_file *file;
	sqlite3_int64 size; // of the file before
	sqlite3_int64 at;
	int n;
	char old[];
};

static sqlite3_vfs disk_vfs;
static sqlite3_vfs *disk_real;
static pthread_mutex_t disk_lock = PTHREAD_MUTEX_INITIALIZER;
static enum disk_fault disk_mode;
static long disk_count; // operations so far
static long disk_at;    // the one that fails
static bool disk_hit;
static struct disk_undo *disk_undone;

static inline void disk_reset(enum disk_fault mode, long at)
{
	pthread_mutex_lock(&disk_lock);
	disk_mode = mode;
	disk_at = at;
	disk_count = 0;
	disk_hit = false;
	pthread_mutex_unlock(&disk_lock);
}

static inline struct disk_file *disk_of(sqlite3_file *f)
{
	return (struct disk_file *)f;
}

static inline void disk_forget(const struct disk_file *file)
{
	for (struct disk_undo **u = &disk_undone; *u;) {
		struct disk_undo *gone = *u;

		if (gone->file != file) {
			u = &gone->next;
			continue;
		}
		*u = gone->next;
		free(gone);
	}
}

// The newest first, which is how the list is.
static inline void disk_lose_power(void)
{
	while (disk_undone) {
		struct disk_undo *u = disk_undone;
		sqlite3_file *real = u->file->real;

		if (u->n > 0)
			real->pMethods->xWrite(real, u->old, u->n, u->at);
		real->pMethods->xTruncate(real, u->size);
		disk_undone = u->next;
		free(u);
	}
}

// Counts an operation; what it fails with. Under the lock.
static inline int disk_step(bool writes)
{
	disk_count++;
	if (disk_mode == DISK_GOOD || disk_count < disk_at)
		return SQLITE_OK;
	if (disk_mode == DISK_ERROR && disk_hit)
		return SQLITE_OK;
	if (disk_mode == DISK_FULL && !writes)
		return SQLITE_OK;
	if (disk_mode == DISK_POWER_LOSS && !disk_hit)
		disk_lose_power();
	disk_hit = true;
	return disk_mode == DISK_FULL ? SQLITE_FULL : SQLITE_IOERR;
}

static inline void disk_remember(struct disk_file *f, sqlite3_int64 at, int n)
{
	if (disk_mode != DISK_POWER_LOSS)
		return;
	struct disk_undo *u = malloc(sizeof(*u) + (size_t)n);
	sqlite3_int64 size = 0;

	if (!u)
		abort();
	f->real->pMethods->xFileSize(f->real, &size);
	*u = (struct disk_undo){.next = disk_undone, .file = f, .size = size, .at = at};
	u->n = at >= size ? 0 : at + n > size ? (int)(size - at) : n;
	if (u->n > 0)
		f->real->pMethods->xRead(f->real, u->old, u->n, at);
	disk_undone = u;
}

#define DISK_DO(writes, call)                                                                      \
	pthread_mutex_lock(&disk_lock);                                                            \
	int rc = disk_step(writes);                                                                \
	if (rc == SQLITE_OK)                                                                       \
		rc = (call);                                                                       \
	pthread_mutex_unlock(&disk_lock);                                                          \
	return rc

static inline int disk_close(sqlite3_file *f)
{
	pthread_mutex_lock(&disk_lock);
	disk_forget(disk_of(f));
	int rc = disk_of(f)->real->pMethods->xClose(disk_of(f)->real);
	pthread_mutex_unlock(&disk_lock);
	return rc;
}

static inline int disk_read(sqlite3_file *f, void *to, int n, sqlite3_int64 at)
{
	sqlite3_file *real = disk_of(f)->real;
	DISK_DO(false, real->pMethods->xRead(real, to, n, at));
}

static inline int disk_write_real(struct disk_file *f, const void *from, int n, sqlite3_int64 at)
{
	disk_remember(f, at, n);
	return f->real->pMethods->xWrite(f->real, from, n, at);
}

static inline int disk_write(sqlite3_file *f, const void *from, int n, sqlite3_int64 at)
{
	DISK_DO(true, disk_write_real(disk_of(f), from, n, at));
}

static inline int disk_truncate_real(struct disk_file *f, sqlite3_int64 size)
{
	sqlite3_int64 before = 0;

	f->real->pMethods->xFileSize(f->real, &before);
	if (before > size)
		disk_remember(f, size, (int)(before - size));
	return f->real->pMethods->xTruncate(f->real, size);
}

static inline int disk_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	DISK_DO(true, disk_truncate_real(disk_of(f), size));
}

static inline int disk_sync_real(struct disk_file *f, int flags)
{
	int rc = f->real->pMethods->xSync(f->real, flags);

	if (rc == SQLITE_OK)
		disk_forget(f);
	return rc;
}

static inline int disk_sync(sqlite3_file *f, int flags)
{
	DISK_DO(true, disk_sync_real(disk_of(f), flags));
}

static inline int disk_size(sqlite3_file *f, sqlite3_int64 *size)
{
	sqlite3_file *real = disk_of(f)->real;
	DISK_DO(false, real->pMethods->xFileSize(real, size));
}

static inline int disk_lock_file(sqlite3_file *f, int level)
{
	sqlite3_file *real = disk_of(f)->real;
	return real->pMethods->xLock(real, level);
}

static inline int disk_unlock_file(sqlite3_file *f, int level)
{
	sqlite3_file *real = disk_of(f)->real;
	return real->pMethods->xUnlock(real, level);
}

static inline int disk_reserved(sqlite3_file *f, int *out)
{
	sqlite3_file *real = disk_of(f)->real;
	return real->pMethods->xCheckReservedLock(real, out);
}

static inline int disk_control(sqlite3_file *f, int op, void *arg)
{
	sqlite3_file *real = disk_of(f)->real;
	return real->pMethods->xFileControl(real, op, arg);
}

static inline int disk_sector(sqlite3_file *f)
{
	sqlite3_file *real = disk_of(f)->real;
	return real->pMethods->xSectorSize(real);
}

static inline int disk_character(sqlite3_file *f)
{
	(void)f;
	return 0; // promises nothing
}

// Version 1: no shared memory, which an exclusive log does not need.
static const sqlite3_io_methods disk_methods = {1, disk_close, disk_read, disk_write, disk_truncate,
	disk_sync, disk_size, disk_lock_file, disk_unlock_file, disk_reserved, disk_control,
	disk_sector, disk_character, NULL, NULL, NULL, NULL, NULL, NULL};

static inline int disk_open_real(sqlite3_filename name, struct disk_file *f, int flags, int *out)
{
	f->real = (sqlite3_file *)(f + 1);
	int rc = disk_real->xOpen(disk_real, name, f->real, flags, out);
	f->base.pMethods = rc == SQLITE_OK ? &disk_methods : NULL;
	return rc;
}

static inline int disk_open(
	sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *f, int flags, int *out)
{
	(void)vfs;
	f->pMethods = NULL;
	DISK_DO(false, disk_open_real(name, disk_of(f), flags, out));
}

static inline int disk_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
	(void)vfs;
	DISK_DO(true, disk_real->xDelete(disk_real, name, sync));
}

static inline void disk_install(void)
{
	disk_real = sqlite3_vfs_find(NULL);
	disk_vfs = *disk_real;
	disk_vfs.zName = "disk";
	disk_vfs.szOsFile = (int)sizeof(struct disk_file) + disk_real->szOsFile;
	disk_vfs.xOpen = disk_open;
	disk_vfs.xDelete = disk_delete;
	sqlite3_vfs_register(&disk_vfs, 1);
}
