// SPDX-License-Identifier: BSD-2-Clause
// What the files of this folder share: families of metrics, the walk over them, the text.

#pragma once

#include "control/metrics/metrics.h"

#include "postern/counter.h"
#include "postern/snapshot.h"

#include <stdbool.h>

struct evbuffer;

enum metrics_type {
	METRICS_COUNTER,
	METRICS_GAUGE,
	METRICS_INFO, // always 1; its labels say it
};

// What a family has one sample for each of.
enum metrics_each {
	METRICS_ONE,
	METRICS_SEVERITY, // of alarms
	METRICS_INTERFACE,
	METRICS_LISTEN,
	METRICS_OUTBOUND,
	METRICS_POOL,
	METRICS_MEMBER,
	METRICS_RESOLVER,
};

// One of them; what does not apply is NULL or 0.
struct metrics_subject {
	unsigned index; // of a severity or an interface
	const struct config_interface *interface;
	const struct postern_listen *listen;
	const struct postern_service *service;
	const struct postern_outbound *outbound;
	const struct pool *pool;
	const struct pool_member *member;
	const struct discovery_resolver_stats *resolver;
	const struct discovery_stats
		*dns; // as they were at the beginning of the scrape; NULL: none
};

struct metrics_family {
	const char *name; // whole, but without the _total of counters and the _info of an info
	enum metrics_type type;
	enum metrics_each each;
	const char *unit; // the end of the name; NULL: none. "seconds" have values of microseconds
	const char *help;
	uint64_t (*value)(const struct metrics_source *s, const struct metrics_subject *at);
};

extern const struct metrics_family metrics_families[];
extern const unsigned metrics_n_families;

// OpenMetrics 1.0.0, or the older text format 0.0.4 for who does not ask for it.
enum metrics_format {
	METRICS_TEXT,
	METRICS_OPEN,
};

// A scrape in progress. It is made in slices, between which the pools may change.
struct metrics_walk {
	const struct metrics_source *source;
	enum metrics_format format;
	uint64_t epoch;                           // of the snapshot that it began with
	uint64_t counters[POSTERN_COUNTER_COUNT]; // as they were at its beginning
	struct discovery_stats dns;               // likewise; none of them without
	unsigned counter;                         // next; those of DNS come after the dataplane's
	unsigned family;                          // next, when the counters are done
	unsigned outer, inner;                    // next subject in the family
	bool headed;                              // the family's head is written
};

void metrics_walk_begin(
	struct metrics_walk *walk, const struct metrics_source *source, enum metrics_format format);

// Writes about `lines` lines more. Returns 1, or 0 at the end; -ESTALE when the configuration has
// changed meanwhile, so that members might be there twice; -ENOMEM.
int metrics_walk_step(struct metrics_walk *walk, struct evbuffer *out, unsigned lines);

// text.c. They return 0 or -ENOMEM.
int metrics_text_head(
	struct evbuffer *out, enum metrics_format format, const struct metrics_family *family);
// `labels` is "" or "{…}".
int metrics_text_sample(struct evbuffer *out, const struct metrics_family *family,
	const char *labels, uint64_t value);
int metrics_text_end(struct evbuffer *out, enum metrics_format format);

// A label's value within its quotes, as much of it as fits.
void metrics_text_escape(char *to, size_t size, const char *from);
