// SPDX-License-Identifier: BSD-2-Clause
// The one way to log. Workers never log on the packet path: what they must tell is counted.
//
// A source file names its subsystem once, after its includes:
//
//     LOG_SUBSYSTEM("probe");
//     ...
//     LOG(WARNING, "%s: no answer within %u ms", member->name, timeout_ms);

#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum postern_log_level {
	POSTERN_LOG_ERROR,   // something is broken and an operator must act
	POSTERN_LOG_WARNING, // something works less well than it should
	POSTERN_LOG_NOTICE,  // a change of state that an operator wants to see by default
	POSTERN_LOG_INFO,    // what happens, step by step
	POSTERN_LOG_DEBUG,   // for whoever reads the code beside it
};

#define LOG_SUBSYSTEM(name) static const char *const log_subsystem = name

#define LOG(level, ...) postern_log(POSTERN_LOG_##level, log_subsystem, __VA_ARGS__)

// Writes one line to standard error (with the priority prefix of sd-daemon(3) when that is the
// journal) and into the ring that `posternctl log show` reads. Control thread and helpers of its
// half; never a worker after it has started its loop. Thread-safe.
void postern_log(enum postern_log_level level, const char *subsystem, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void postern_log_va(
	enum postern_log_level level, const char *subsystem, const char *format, va_list args);

// Where the system's logger listens.
#define POSTERN_SYSLOG "/dev/log"

// From now on lines go to the logger at this socket, in the facility "daemon"; NULL: to standard
// error. Lines that the logger does not take, because it is gone or does not keep up, go to standard
// error: nobody waits for it. Thread-safe.
void postern_log_set_syslog(const char *path);

// The lowest urgency that is still written; lines below it are not formatted. Thread-safe.
void postern_log_set_level(enum postern_log_level level);
enum postern_log_level postern_log_get_level(void);

// "error", "warning", "notice", "info", "debug"; -EINVAL for any other name.
const char *postern_log_level_name(enum postern_log_level level);
int postern_log_level_parse(const char *name);

struct postern_log_line {
	uint64_t number;  // counts from 1 over the life of the process
	uint64_t wall_us; // microseconds since 1970-01-01T00:00:00Z
	enum postern_log_level level;
	char subsystem[16];
	char text[512]; // longer lines are cut
};

// Copies the oldest kept line whose number is at least `from`; false if there is none.
// The last 1024 lines are kept. Thread-safe.
bool postern_log_read(uint64_t from, struct postern_log_line *out);
