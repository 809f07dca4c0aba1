// SPDX-License-Identifier: BSD-2-Clause
// What monitoring reads: counters, gauges and limits as OpenMetrics text 1.0.0 over HTTP, and a sign
// of life. Control thread only.

#pragma once

#include "control/alarm/alarm.h"
#include "control/config/config.h"
#include "control/discovery/discovery.h"
#include "control/pool/pool.h"

#include "postern/dataplane.h"

#include <stddef.h>
#include <stdint.h>

struct event_base;
struct metrics_server;

// What is shown.
struct metrics_source {
	struct pool_set *pools;
	struct alarm_set *alarms;
	struct postern_dataplane *dp;
	uint64_t started_wall_us;
	void (*dns)(void *daemon, struct discovery_stats *out); // NULL: there is no such thing
	void *daemon;
	const struct config *(*config)(void *daemon);             // the one that runs
	const struct postern_snapshot *(*snapshot)(void *daemon); // the newest
};

// Listens at `at`; what comes is answered once the event loop runs. The source is borrowed and
// need not be filled before that. Errors: negative errno, with one line in `why` that says what to
// do.
int metrics_server_new(struct event_base *base, const struct postern_endpoint *at,
	const struct metrics_source *source, struct metrics_server **out, char *why, size_t size);

// Closes all connections. NULL is fine.
void metrics_server_free(struct metrics_server *server);
