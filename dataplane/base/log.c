// SPDX-License-Identifier: BSD-2-Clause
// Log lines: to standard error for whoever watches, and to a ring for whoever asks later.

#include "postern/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

// 1024 lines of about 0.6 KB keep memory below 700 KB and hold some hours of a calm appliance.
#define RING_LINES 1024

static const char *const level_names[] = {
	[POSTERN_LOG_ERROR] = "error",
	[POSTERN_LOG_WARNING] = "warning",
	[POSTERN_LOG_NOTICE] = "notice",
	[POSTERN_LOG_INFO] = "info",
	[POSTERN_LOG_DEBUG] = "debug",
};

// Priorities of syslog(3) for the journal's "<N>" prefix, by level.
static const int journal_priority[] = {3, 4, 5, 6, 7};

static pthread_mutex_t ring_lock = PTHREAD_MUTEX_INITIALIZER;
static struct postern_log_line ring[RING_LINES]; // guarded by ring_lock
static uint64_t ring_written;                    // lines ever, guarded by ring_lock
static atomic_int threshold = POSTERN_LOG_NOTICE;

void postern_log_set_level(enum postern_log_level level)
{
	atomic_store_explicit(&threshold, (int)level, memory_order_relaxed);
}

enum postern_log_level postern_log_get_level(void)
{
	return (enum postern_log_level)atomic_load_explicit(&threshold, memory_order_relaxed);
}

const char *postern_log_level_name(enum postern_log_level level)
{
	return level_names[level];
}

int postern_log_level_parse(const char *name)
{
	for (unsigned i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++)
		if (strcmp(name, level_names[i]) == 0)
			return (int)i;
	return -EINVAL;
}

// The journal sets JOURNAL_STREAM to the device and inode of the stream that it reads
// (systemd.exec(5)); a redirected standard error does not match.
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat st;
	unsigned long long dev, ino;

	return stream != NULL && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

static pthread_once_t journal_once = PTHREAD_ONCE_INIT;
static bool to_journal;

static void journal_look(void)
{
	to_journal = stderr_is_journal();
}

static void line_write(const struct postern_log_line *line)
{
	char stamp[32];
	struct tm tm;
	const time_t seconds = (time_t)(line->wall_us / 1000000);

	pthread_once(&journal_once, journal_look);
	if (to_journal) {
		fprintf(stderr, "<%d>%s: %s\n", journal_priority[line->level], line->subsystem,
			line->text);
		return;
	}
	gmtime_r(&seconds, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	fprintf(stderr, "%s.%03uZ %-7s %s: %s\n", stamp, (unsigned)(line->wall_us / 1000 % 1000),
		level_names[line->level], line->subsystem, line->text);
}

void postern_log_va(
	enum postern_log_level level, const char *subsystem, const char *format, va_list args)
{
	struct timespec ts;

	if (level > postern_log_get_level())
		return;
	clock_gettime(CLOCK_REALTIME, &ts);
	pthread_mutex_lock(&ring_lock);
	struct postern_log_line *line = &ring[ring_written % RING_LINES];

	line->number = ++ring_written;
	line->wall_us = (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
	line->level = level;
	snprintf(line->subsystem, sizeof(line->subsystem), "%s", subsystem);
	vsnprintf(line->text, sizeof(line->text), format, args);
	line_write(line);
	pthread_mutex_unlock(&ring_lock);
}

void postern_log(enum postern_log_level level, const char *subsystem, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	postern_log_va(level, subsystem, format, args);
	va_end(args);
}

bool postern_log_read(uint64_t from, struct postern_log_line *out)
{
	bool found = false;

	pthread_mutex_lock(&ring_lock);
	const uint64_t oldest = ring_written > RING_LINES ? ring_written - RING_LINES + 1 : 1;

	if (from < oldest)
		from = oldest;
	if (from <= ring_written) {
		*out = ring[(from - 1) % RING_LINES];
		found = true;
	}
	pthread_mutex_unlock(&ring_lock);
	return found;
}
