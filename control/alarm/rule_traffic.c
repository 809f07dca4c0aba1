// SPDX-License-Identifier: BSD-2-Clause
// Rules on what the traffic shows of its surroundings: checksums that nobody computed, handshakes
// that nobody completes.

#include "control/alarm/private.h"

// So long after the last of them it has stopped.
#define QUIET_US 10000000u
// Sessions begun without one being completed: for so long, and so many, that no port scan by hand
// and no slow client is meant.
#define FRUITLESS_US  30000000u
#define FRUITLESS_MIN 3u

static void look_at_checksums(struct alarm_set *set, uint64_t wrong)
{
	struct alarm_traffic *t = &set->traffic;

	if (wrong != t->wrong) {
		if (set->now.monotonic_us - t->wrong_us >= QUIET_US || !t->wrong_now)
			t->wrong_before = t->wrong;
		t->wrong = wrong;
		t->wrong_us = set->now.monotonic_us;
		t->wrong_now = true;
	}
	t->wrong_now = t->wrong_now && set->now.monotonic_us - t->wrong_us < QUIET_US;
	if (!t->wrong_now)
		return;
	const uint64_t n = wrong - t->wrong_before;

	alarm_raise(set, ALARM_CHECKSUM, ALARM_WARNING, "dataplane",
		"on a virtual link turn off the sender's offloads, on the far end type: ethtool -K "
		"IFACE tx off tso off gso off",
		"%llu segment%s with a wrong TCP checksum came in", (unsigned long long)n,
		n == 1 ? "" : "s");
}

static bool any_takes(const struct alarm_set *set)
{
	const struct pool *pool;

	for (unsigned i = 0; (pool = pool_set_at(set->source.pools, i)) != NULL; i++)
		if (alarm_count_taking(pool) > 0)
			return true;
	return false;
}

static void look_at_handshakes(struct alarm_set *set, uint64_t opened, uint64_t established)
{
	struct alarm_traffic *t = &set->traffic;
	const uint64_t now = set->now.monotonic_us;

	if (opened != t->opened) {
		// After a pause the count begins anew: what came before it is another matter.
		if (t->fruitless == 0 || now - t->opened_us >= FRUITLESS_US) {
			t->fruitless = 0;
			t->fruitless_us = now;
		}
		t->fruitless += opened - t->opened;
		t->opened = opened;
		t->opened_us = now;
	}
	if (established != t->established)
		t->fruitless = 0;
	t->established = established;
	if (t->fruitless < FRUITLESS_MIN || now - t->fruitless_us < FRUITLESS_US ||
		now - t->opened_us >= FRUITLESS_US || !any_takes(set))
		return;
	alarm_raise(set, ALARM_HANDSHAKES, ALARM_WARNING, "dataplane",
		"posternctl stats; look whether members can answer translate-from, and clients us",
		"%llu sessions were opened in the last %llu s and none established",
		(unsigned long long)t->fruitless,
		(unsigned long long)((now - t->fruitless_us) / 1000000));
}

void alarm_rule_traffic(struct alarm_set *set)
{
	uint64_t counters[POSTERN_COUNTER_COUNT];
	struct alarm_traffic *t = &set->traffic;

	postern_counters_read(set->source.dp, counters);
	if (!t->begun) {
		t->begun = true;
		t->wrong = counters[POSTERN_COUNTER_DROP_TCP_CHECKSUM];
		t->opened = counters[POSTERN_COUNTER_SESSION_OPENED];
		t->established = counters[POSTERN_COUNTER_SESSION_ESTABLISHED];
	}
	look_at_checksums(set, counters[POSTERN_COUNTER_DROP_TCP_CHECKSUM]);
	look_at_handshakes(set, counters[POSTERN_COUNTER_SESSION_OPENED],
		counters[POSTERN_COUNTER_SESSION_ESTABLISHED]);
}
