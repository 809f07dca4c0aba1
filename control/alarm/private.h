// SPDX-License-Identifier: BSD-2-Clause
// What the files of this folder share: the set, and how rules raise.

#pragma once

#include "control/alarm/alarm.h"

#include <stdbool.h>
#include <sys/queue.h>

struct event;

// Few are raised at a time; when all the members that there can be are down a chain has four.
#define ALARM_BUCKETS 16384u

// What is nearly full is told from 90 % on, until it has fallen below 80 %.
#define ALARM_RAISE_PERCENT 90u
#define ALARM_CLEAR_PERCENT 80u

// The share of busy cycles is taken over so many seconds.
#define ALARM_BUSY_SECONDS 10u

struct alarm_entry {
	struct alarm alarm; // first: callers hold a pointer to it
	LIST_ENTRY(alarm_entry) chain;
	uint64_t round;    // the look that last found it
	uint64_t found_us; // when that was, monotonic
	size_t place;      // in what order that look found it
};

struct alarm_sample {
	uint64_t cycles;
	uint64_t busy;
};

// What look before look has shown.
struct alarm_traffic {
	bool begun;
	bool wrong_now;        // checksums are wrong of late
	uint64_t wrong;        // counted so far
	uint64_t wrong_before; // when they had not begun
	uint64_t wrong_us;     // monotonic, of the last that was seen
	uint64_t opened;
	uint64_t opened_us;
	uint64_t established;
	uint64_t fruitless; // opened since one was established
	uint64_t fruitless_us;
};

struct alarm_set {
	struct alarm_source source;
	struct event *tick;
	LIST_HEAD(, alarm_entry) buckets[ALARM_BUCKETS];
	struct alarm_entry **raised; // sorted, the worst first
	size_t n_raised;
	size_t room;
	size_t counts[ALARM_SEVERITIES];
	struct alarm_time now; // of the look under way
	uint64_t round;
	size_t found;  // in this look
	size_t logged; // lines, in this look
	// Once a second; the oldest is ALARM_BUSY_SECONDS back once all are filled.
	struct alarm_sample samples[ALARM_BUSY_SECONDS + 1];
	uint64_t n_samples;
	uint64_t sampled_us;
	struct alarm_traffic traffic;
	size_t refused; // mistakes of the last reload
	bool refused_restart;
	uint64_t refused_us; // wall clock
};

// Raises, or keeps raised; text and severity are the newest.
void alarm_raise(struct alarm_set *set, enum alarm_kind kind, enum alarm_severity severity,
	const char *object, const char *remedy, const char *format, ...)
	__attribute__((format(printf, 6, 7)));

void alarm_raise_text(struct alarm_set *set, enum alarm_kind kind, enum alarm_severity severity,
	const char *object, const char *remedy, const char *text);

// Writes three texts as one, cut where there is no room. For rules that may raise tens of thousands
// of alarms in one turn of the loop, for which printf is too slow.
void alarm_join(char *to, size_t size, const char *a, const char *b, const char *c);

uint64_t alarm_wall_us(void);
unsigned alarm_count_taking(const struct pool *pool);

// When it was raised; now, if it is about to be.
uint64_t alarm_since(const struct alarm_set *set, enum alarm_kind kind, const char *object);

// "2026-01-31T12:00:00Z"
#define ALARM_TIME_SIZE 32
const char *alarm_time_text(char text[static ALARM_TIME_SIZE], uint64_t wall_us);

// Whether a use of a limit is to be told, by the two thresholds and what is told already.
bool alarm_is_nearly_full(const struct alarm_set *set, enum alarm_kind kind, const char *object,
	uint64_t use, uint64_t limit);

// The rules, in the order in which alarms of one severity are shown.
void alarm_rule_config(struct alarm_set *set);
void alarm_rule_dns(struct alarm_set *set);
void alarm_rule_services(struct alarm_set *set);
void alarm_rule_interfaces(struct alarm_set *set);
void alarm_rule_pools(struct alarm_set *set);
void alarm_rule_members(struct alarm_set *set);
void alarm_rule_traffic(struct alarm_set *set);
void alarm_rule_sessions(struct alarm_set *set);
void alarm_rule_workers(struct alarm_set *set);
