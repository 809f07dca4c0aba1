// SPDX-License-Identifier: BSD-2-Clause
// Log lines: to standard error for whoever watches, and to a ring for whoever asks later.

#include "postern/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
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

// RFC 3164 4.1.1: the facility of daemons, times eight.
#define SYSLOG_DAEMON (3 * 8)

static char syslog_path[108]; // of unix(7); empty: standard error. Guarded by ring_lock
static int syslog_fd = -1;    // likewise

static void syslog_close(void)
{
	if (syslog_fd >= 0)
		close(syslog_fd);
	syslog_fd = -1;
}

static bool syslog_connect(void)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};

	if (syslog_fd >= 0)
		return true;
	memcpy(to.sun_path, syslog_path, sizeof(syslog_path));
	syslog_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (syslog_fd >= 0 && connect(syslog_fd, (const struct sockaddr *)&to, sizeof(to)) == 0)
		return true;
	syslog_close();
	return false;
}

// The form of RFC 3164, in local time, as syslog(3) sends it. syslog(3) itself would wait for a
// logger that does not read, and with it the control thread.
static bool syslog_write(const struct postern_log_line *line)
{
	const time_t seconds = (time_t)(line->wall_us / 1000000);
	char text[sizeof(line->text) + 96];
	char stamp[32];
	struct tm tm;

	localtime_r(&seconds, &tm);
	strftime(stamp, sizeof(stamp), "%b %e %H:%M:%S", &tm);
	const int length = snprintf(text, sizeof(text), "<%d>%s postern[%d]: %s: %s",
		SYSLOG_DAEMON + journal_priority[line->level], stamp, (int)getpid(),
		line->subsystem, line->text);

	// A logger that was restarted has another socket under the same name.
	for (unsigned tries = 0; tries < 2 && syslog_connect(); tries++) {
		if (send(syslog_fd, text, (size_t)length, MSG_NOSIGNAL) >= 0)
			return true;
		if (errno == EAGAIN)
			return false;
		syslog_close();
	}
	return false;
}

void postern_log_set_syslog(const char *path)
{
	pthread_mutex_lock(&ring_lock);
	if (strcmp(path != NULL ? path : "", syslog_path) != 0) {
		syslog_close();
		snprintf(syslog_path, sizeof(syslog_path), "%s", path != NULL ? path : "");
		if (path != NULL)
			syslog_connect();
	}
	pthread_mutex_unlock(&ring_lock);
}

static void line_write(const struct postern_log_line *line)
{
	char stamp[32];
	struct tm tm;
	const time_t seconds = (time_t)(line->wall_us / 1000000);

	if (syslog_path[0] != '\0' && syslog_write(line))
		return;
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
