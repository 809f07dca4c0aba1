// SPDX-License-Identifier: BSD-2-Clause
// The set of alarms: raising, keeping, clearing, order. What raises them stands in rule_*.c.

#include "control/alarm/private.h"

#include "postern/log.h"

#include <event2/event.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

LOG_SUBSYSTEM("alarm");

// When a rack goes down at once, so many lines say enough; `alarm list` has them all.
#define LOG_LINES_MAX 32u

// A link that goes and comes is one alarm until it has stayed for so long. The others have their
// hysteresis in what they look at: rise and fall of a probe, the two thresholds of a limit.
#define LINK_HOLD_US 3000000u

static const char *const kind_names[] = {
	[ALARM_SERVICE_DOWN] = "service-down",
	[ALARM_INTERFACE_LINK] = "interface-link",
	[ALARM_POOL_MINIMUM] = "pool-minimum",
	[ALARM_POOL_CERTIFICATE] = "pool-certificate",
	[ALARM_MEMBER_DOWN] = "member-down",
	[ALARM_MEMBER_MAINTENANCE] = "member-maintenance",
	[ALARM_MEMBER_DRAINED] = "member-drained",
	[ALARM_MEMBER_PORTS] = "member-ports",
	[ALARM_CHECKSUM] = "tcp-checksum",
	[ALARM_HANDSHAKES] = "handshakes",
	[ALARM_CONFIG_REFUSED] = "config-refused",
	[ALARM_SESSION_TABLE] = "session-table",
	[ALARM_FLOW_TABLE] = "flow-table",
	[ALARM_MEMBER_FLOWS] = "member-flows",
	[ALARM_WORKER_BUSY] = "worker-busy",
	[ALARM_CONFIG_UNCONFIRMED] = "config-unconfirmed",
	[ALARM_CONFIG_TAKEN_BACK] = "config-taken-back",
	[ALARM_STATE_DATABASE] = "state-database",
	[ALARM_RESOLVER] = "resolver",
	[ALARM_PARTNER_DNS] = "partner-dns",
	[ALARM_DNS_LATE] = "dns-late",
};

static const char *const severity_names[] = {
	[ALARM_NOTE] = "note",
	[ALARM_WARNING] = "warning",
	[ALARM_DEGRADED] = "degraded",
	[ALARM_DOWN] = "down",
};

const char *alarm_kind_name(enum alarm_kind kind)
{
	return kind_names[kind];
}

const char *alarm_severity_name(enum alarm_severity severity)
{
	return severity_names[severity];
}

static uint64_t clock_us(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t alarm_wall_us(void)
{
	return clock_us(CLOCK_REALTIME);
}

static struct alarm_time machine_time(void)
{
	return (struct alarm_time){
		.monotonic_us = clock_us(CLOCK_MONOTONIC),
		.wall_us = clock_us(CLOCK_REALTIME),
		.cycles = __builtin_ia32_rdtsc(),
	};
}

// FNV-1a, 32 bits.
static unsigned bucket_of(enum alarm_kind kind, const char *object)
{
	uint32_t hash = (2166136261u ^ (uint32_t)kind) * 16777619u;

	for (; *object != '\0'; object++)
		hash = (hash ^ (unsigned char)*object) * 16777619u;
	return hash % ALARM_BUCKETS;
}

static struct alarm_entry *find(
	const struct alarm_set *set, enum alarm_kind kind, const char *object)
{
	struct alarm_entry *e = LIST_FIRST(&set->buckets[bucket_of(kind, object)]);

	while (e != NULL && (e->alarm.kind != kind || strcmp(e->alarm.object, object) != 0))
		e = LIST_NEXT(e, chain);
	return e;
}

static void tell(struct alarm_set *set, const struct alarm *a, const char *what)
{
	if (set->logged++ >= LOG_LINES_MAX)
		return;
	if (a->severity == ALARM_DOWN)
		LOG(ERROR, "%s %s %s: %s; %s", kind_names[a->kind], a->object, what, a->text,
			a->remedy);
	else if (a->severity == ALARM_NOTE)
		LOG(NOTICE, "%s %s %s: %s", kind_names[a->kind], a->object, what, a->text);
	else
		LOG(WARNING, "%s %s %s: %s; %s", kind_names[a->kind], a->object, what, a->text,
			a->remedy);
}

uint64_t alarm_since(const struct alarm_set *set, enum alarm_kind kind, const char *object)
{
	const struct alarm_entry *e = find(set, kind, object);

	return e != NULL ? e->alarm.since_us : set->now.wall_us;
}

static bool make_room(struct alarm_set *set)
{
	if (set->n_raised < set->room)
		return true;
	const size_t room = set->room > 0 ? 2 * set->room : 64;
	struct alarm_entry **more = reallocarray(set->raised, room, sizeof(struct alarm_entry *));

	if (more == NULL)
		return false;
	set->raised = more;
	set->room = room;
	return true;
}

static struct alarm_entry *add(struct alarm_set *set, enum alarm_kind kind, const char *object)
{
	struct alarm_entry *e = make_room(set) ? calloc(1, sizeof(*e)) : NULL;

	if (e == NULL)
		return NULL;
	e->alarm.kind = kind;
	e->alarm.since_us = set->now.wall_us;
	snprintf(e->alarm.object, sizeof(e->alarm.object), "%s", object);
	LIST_INSERT_HEAD(&set->buckets[bucket_of(kind, object)], e, chain);
	set->raised[set->n_raised++] = e;
	return e;
}

void alarm_raise_text(struct alarm_set *set, enum alarm_kind kind, enum alarm_severity severity,
	const char *object, const char *remedy, const char *text)
{
	struct alarm_entry *e = find(set, kind, object);
	const bool fresh = e == NULL;

	// Without memory for it the alarm comes with a later look.
	if (fresh && (e = add(set, kind, object)) == NULL)
		return;
	const bool changed = !fresh && e->alarm.severity != severity;
	e->alarm.severity = severity;
	e->round = set->round;
	e->found_us = set->now.monotonic_us;
	e->place = set->found++;
	alarm_join(e->alarm.remedy, sizeof(e->alarm.remedy), remedy, "", "");
	alarm_join(e->alarm.text, sizeof(e->alarm.text), text, "", "");
	if (fresh || changed)
		tell(set, &e->alarm, fresh ? "raised" : severity_names[severity]);
}

void alarm_raise(struct alarm_set *set, enum alarm_kind kind, enum alarm_severity severity,
	const char *object, const char *remedy, const char *format, ...)
{
	char text[sizeof(((struct alarm *)0)->text)];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	alarm_raise_text(set, kind, severity, object, remedy, text);
}

void alarm_join(char *to, size_t size, const char *a, const char *b, const char *c)
{
	const char *const parts[] = {a, b, c};

	for (size_t i = 0; i < 3; i++) {
		size_t length = strlen(parts[i]);

		if (length > size - 1)
			length = size - 1;
		memcpy(to, parts[i], length);
		to += length;
		size -= length;
	}
	*to = '\0';
}

const char *alarm_time_text(char text[static ALARM_TIME_SIZE], uint64_t wall_us)
{
	const time_t seconds = (time_t)(wall_us / 1000000);
	struct tm tm;

	if (gmtime_r(&seconds, &tm) == NULL ||
		strftime(text, ALARM_TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		text[0] = '\0';
	return text;
}

bool alarm_is_nearly_full(const struct alarm_set *set, enum alarm_kind kind, const char *object,
	uint64_t use, uint64_t limit)
{
	if (use * 100 > limit * ALARM_RAISE_PERCENT)
		return true;
	return use * 100 >= limit * ALARM_CLEAR_PERCENT && find(set, kind, object) != NULL;
}

static bool is_over(const struct alarm_set *set, const struct alarm_entry *e)
{
	const uint64_t hold = e->alarm.kind == ALARM_INTERFACE_LINK ? LINK_HOLD_US : 0;

	return e->round != set->round && set->now.monotonic_us - e->found_us >= hold;
}

static void clear(struct alarm_set *set, struct alarm_entry *e)
{
	if (set->logged++ < LOG_LINES_MAX)
		LOG(NOTICE, "%s %s cleared after %llu s", kind_names[e->alarm.kind],
			e->alarm.object,
			(unsigned long long)((set->now.wall_us - e->alarm.since_us) / 1000000));
	LIST_REMOVE(e, chain);
	free(e);
}

static int compare(const void *a, const void *b)
{
	const struct alarm_entry *x = *(struct alarm_entry *const *)a;
	const struct alarm_entry *y = *(struct alarm_entry *const *)b;

	if (x->alarm.severity != y->alarm.severity)
		return x->alarm.severity > y->alarm.severity ? -1 : 1;
	return (x->place > y->place) - (x->place < y->place);
}

static void sweep(struct alarm_set *set)
{
	size_t kept = 0;

	memset(set->counts, 0, sizeof(set->counts));
	for (size_t i = 0; i < set->n_raised; i++) {
		struct alarm_entry *e = set->raised[i];

		if (is_over(set, e)) {
			clear(set, e);
			continue;
		}
		set->raised[kept++] = e;
		set->counts[e->alarm.severity]++;
	}
	set->n_raised = kept;
	// Mostly the order is that of the look before.
	size_t sorted = 1;
	while (sorted < kept && compare(&set->raised[sorted - 1], &set->raised[sorted]) <= 0)
		sorted++;
	if (sorted < kept)
		qsort(set->raised, kept, sizeof(struct alarm_entry *), compare);
}

void alarm_set_check(struct alarm_set *set)
{
	set->now = set->source.now != NULL ? set->source.now() : machine_time();
	set->round++;
	set->found = 0;
	set->logged = 0;
	alarm_rule_config(set);
	alarm_rule_dns(set);
	alarm_rule_services(set);
	alarm_rule_interfaces(set);
	alarm_rule_pools(set);
	alarm_rule_members(set);
	alarm_rule_traffic(set);
	alarm_rule_sessions(set);
	alarm_rule_workers(set);
	sweep(set);
	if (set->logged > LOG_LINES_MAX)
		LOG(WARNING, "and %zu more alarms raised or cleared; posternctl alarm list",
			set->logged - LOG_LINES_MAX);
}

static void on_tick(evutil_socket_t fd, short what, void *user)
{
	(void)fd;
	(void)what;
	alarm_set_check(user);
}

struct alarm_set *alarm_set_new(const struct alarm_source *source)
{
	struct alarm_set *set = calloc(1, sizeof(*set));

	if (set != NULL)
		set->source = *source;
	return set;
}

int alarm_set_start(struct alarm_set *set, struct event_base *base)
{
	const struct timeval second = {.tv_sec = 1};

	set->tick = event_new(base, -1, EV_PERSIST, on_tick, set);
	return set->tick != NULL && event_add(set->tick, &second) == 0 ? 0 : -ENOMEM;
}

void alarm_set_free(struct alarm_set *set)
{
	if (set == NULL)
		return;
	if (set->tick != NULL)
		event_free(set->tick);
	for (size_t i = 0; i < set->n_raised; i++)
		free(set->raised[i]);
	free(set->raised);
	free(set);
}

const struct alarm *alarm_set_at(const struct alarm_set *set, size_t index)
{
	return index < set->n_raised ? &set->raised[index]->alarm : NULL;
}

size_t alarm_set_count(const struct alarm_set *set, enum alarm_severity severity)
{
	return set->counts[severity];
}
