// SPDX-License-Identifier: BSD-2-Clause
// Alarms: what an operator should know and do something about, raised and cleared by rules that
// are looked at once a second, each logged once when it comes and once when it goes. `status` takes
// its reasons from here. Control thread only.

#pragma once

#include "control/config/config.h"
#include "control/discovery/discovery.h"
#include "control/pool/pool.h"

#include "postern/dataplane.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;

enum alarm_severity {
	ALARM_NOTE,     // as an operator wanted it, so that nobody forgets
	ALARM_WARNING,  // nothing is lost yet, and will be if nobody acts
	ALARM_DEGRADED, // something is lost, or there is little left
	ALARM_DOWN,     // a service does not serve
	ALARM_SEVERITIES
};

enum alarm_kind {
	ALARM_SERVICE_DOWN,
	ALARM_INTERFACE_LINK,
	ALARM_POOL_MINIMUM,
	ALARM_POOL_CERTIFICATE,
	ALARM_MEMBER_DOWN,
	ALARM_MEMBER_MAINTENANCE,
	ALARM_MEMBER_DRAINED,
	ALARM_MEMBER_PORTS,
	ALARM_CHECKSUM,
	ALARM_HANDSHAKES,
	ALARM_CONFIG_REFUSED,
	ALARM_SESSION_TABLE,
	ALARM_FLOW_TABLE,
	ALARM_MEMBER_FLOWS,
	ALARM_WORKER_BUSY,
	ALARM_CONFIG_UNCONFIRMED,
	ALARM_CONFIG_TAKEN_BACK,
	ALARM_STATE_DATABASE,
	ALARM_RESOLVER,
	ALARM_PARTNER_DNS,
	ALARM_DNS_LATE,
	ALARM_KINDS
};

struct alarm {
	enum alarm_kind kind;
	enum alarm_severity severity;
	uint64_t since_us;                  // wall clock, when it was raised
	char object[2 * POSTERN_NAME_SIZE]; // "edges/fe1", "inside"
	char text[4 * POSTERN_NAME_SIZE + 160];
	char remedy[2 * POSTERN_NAME_SIZE + 160]; // what to type or to do
};

struct alarm_time {
	uint64_t monotonic_us;
	uint64_t wall_us;
	uint64_t cycles; // of the clock that the workers' busy cycles are counted in
};

// A reload that waits to be confirmed.
struct alarm_confirm {
	bool pending;
	uint32_t remaining_s;
	bool taken_back;  // the last one was, and nothing has been reloaded since
	const char *file; // of the configuration
};

// What is looked at.
struct alarm_source {
	struct pool_set *pools;
	struct postern_dataplane *dp;
	const struct config *(*config)(void *daemon);             // the one that runs
	void (*confirm)(void *daemon, struct alarm_confirm *out); // NULL: there is no such thing
	const char *(*state_trouble)(void *daemon); // why it cannot be written; NULL: no such thing
	void (*dns)(void *daemon, struct discovery_stats *out); // NULL: there is no such thing
	void *daemon;
	struct alarm_time (*now)(void); // NULL: the machine's clocks
};

// An empty set; NULL when memory is refused. The source is copied.
struct alarm_set *alarm_set_new(const struct alarm_source *source);
void alarm_set_free(struct alarm_set *set);

// Looks once a second from here on. 0, or -ENOMEM.
int alarm_set_start(struct alarm_set *set, struct event_base *base);

// Looks now.
void alarm_set_check(struct alarm_set *set);

// Those that are raised, the worst first; NULL past the end. Valid until the next look.
const struct alarm *alarm_set_at(const struct alarm_set *set, size_t index);
// How many of a severity are raised.
size_t alarm_set_count(const struct alarm_set *set, enum alarm_severity severity);

// How a reload ended: with so many mistakes, or changes that need a restart; 0: it was good. Told until
// the next.
void alarm_set_refused(struct alarm_set *set, size_t mistakes, bool restart);

enum alarm_link_state {
	ALARM_LINK_UNKNOWN,
	ALARM_LINK_UP,
	ALARM_LINK_DOWN,
	ALARM_LINK_SHUT, // the kernel's interface below is not set up
	ALARM_LINK_GONE, // ... is not there any more
};

// The link of an interface by its index, and of the kernel's interface that it sits on, whose name
// is empty if there is none.
#define ALARM_LINK_NAME 16
enum alarm_link_state alarm_link_read(const struct postern_dataplane *dp,
	const struct config_interface *interface, uint16_t index,
	char kernel[static ALARM_LINK_NAME]);

// How many members of a pool take new sessions that come to an address of this one's family.
unsigned alarm_taking(const struct pool *pool, const struct postern_addr *of);

const char *alarm_kind_name(enum alarm_kind kind);             // "member-down"
const char *alarm_severity_name(enum alarm_severity severity); // "degraded"
