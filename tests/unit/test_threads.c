// SPDX-License-Identifier: BSD-2-Clause
// Real workers in their own loops, with packets that come in at any queue, while control does to
// them all that it may: snapshots, health, lists, counters, stop. The thread sanitizer looks on.

#include "rig_cmocka.h"
#include "wire.h"

#include <rte_lcore.h>

#include <sched.h>
#include <stdio.h>
#include <string.h>

#define WORKERS  3
#define SESSIONS 3000 // closed by both sides, until it is enough
#define EPOCHS   100  // likewise, of snapshots
#define BEHIND   4    // so many are published before all workers have adopted the first

static const struct rig_world world = {
	.members = 4,
	.observe_fall = 2,
	// Sessions that nobody ends any more, because the member was reset, make room.
	.times = {.opening_ms = 300, .idle_ms = 1000, .closing_ms = 50, .reset_ms = 50},
};

static struct postern_snapshot *snapshot(unsigned n)
{
	struct rig_world w = world;

	// Members come and go, and a service beside the one in use.
	w.without = n % 5 == 4 ? 0 : 1u << n % 5;
	w.second_service = n % 2 != 0;
	struct postern_snapshot *s = rig_snapshot(&w);

	strcpy(s->interfaces[0].device, "net_null0,no-rx=1");
	strcpy(s->interfaces[1].device, "net_null1,no-rx=1");
	return s;
}

static uint32_t a_cpu(void)
{
	cpu_set_t cpus;

	sched_getaffinity(0, sizeof(cpus), &cpus);
	for (uint32_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &cpus))
			return cpu;
	return 0;
}

static struct postern_dataplane *started(void)
{
	const uint32_t cpu = a_cpu();
	const uint32_t cpus[WORKERS] = {cpu, cpu, cpu};
	static char pool[] = "--mbuf-pool-ops-name=ordered";
	char *const eal[] = {pool};
	const struct postern_start start = {
		.program = "threads",
		.worker_cpus = cpus,
		.n_workers = WORKERS,
		.huge_pages = POSTERN_HUGE_OFF,
		.buffers = 16384,
		.sessions = 3 * 256,
		.eal = eal,
		.n_eal = 1,
	};
	struct postern_dataplane *dp = NULL;
	char why[256] = "";

	if (postern_dataplane_start(&start, snapshot(4), &dp, why, sizeof(why)) != 0)
		fail_msg("%s", why);
	return dp;
}

static void change_health(struct postern_dataplane *dp, unsigned n)
{
	static const uint32_t words[] = {0, POSTERN_MEMBER_TAKES_NEW, POSTERN_MEMBER_RESET,
		POSTERN_MEMBER_TAKES_NEW | 0x8000u, POSTERN_MEMBER_TAKES_NEW};

	postern_member_set_health(
		dp, (uint16_t)(RIG_MEMBER_V4 + n % 4), words[n / 4 % RTE_DIM(words)]);
}

static unsigned look(struct postern_dataplane *dp)
{
	uint64_t counters[POSTERN_COUNTER_COUNT];
	struct postern_member_stats m;
	struct postern_listen_stats l;
	struct postern_port_info port;
	struct postern_event events[16];
	struct postern_session s, again;
	uint64_t cursor = 0;
	unsigned n = 0;
	int got;

	postern_counters_read(dp, counters);
	for (uint16_t i = 0; i < 4; i++)
		postern_member_read(dp, (uint16_t)(RIG_MEMBER_V4 + i), &m);
	postern_listen_read(dp, RIG_LISTEN_V4, &l);
	postern_member_is_idle(dp, RIG_MEMBER_V4 + 1);
	postern_listen_is_idle(dp, RIG_LISTEN_V4);
	postern_port_read(dp, RIG_OUTSIDE, &port);
	postern_events_take(dp, events, RTE_DIM(events));
	for (unsigned w = 0; w < postern_workers(dp); w++)
		postern_worker_turns(dp, w);
	assert_true(postern_sessions_in_use(dp) <= postern_sessions_capacity(dp));
	while ((got = postern_session_next(dp, &cursor, 64, &s)) != 0) {
		if (got != 1)
			continue;
		n++;
		// A session is that of one client of the wire, never a mixture of two.
		assert_int_equal(s.client.addr.bytes[12], 198);
		assert_in_range(s.member, RIG_MEMBER_V4, RIG_MEMBER_V4 + 3);
		postern_session_get(dp, s.worker, s.slot, s.generation, &again);
	}
	return n;
}

static enum postern_rss rss(const struct postern_dataplane *dp)
{
	struct postern_port_info info;

	assert_int_equal(postern_port_read(dp, RIG_OUTSIDE, &info), 0);
	return info.rss;
}

static void test_all_at_once(void **state)
{
	struct postern_dataplane *dp = started();
	uint64_t counters[POSTERN_COUNTER_COUNT];
	struct wire_counts wire;
	uint64_t epoch = 1, listed = 0;

	(void)state;
	for (uint16_t i = 0; i < 4; i++)
		postern_member_set_health(
			dp, (uint16_t)(RIG_MEMBER_V4 + i), POSTERN_MEMBER_TAKES_NEW);
	// The driver takes keys and tables, and what is read back of them is what was written.
	assert_int_equal(rss(dp), POSTERN_RSS_VERIFIED);
	wire_begin(WORKERS);
	for (unsigned n = 0;; n++) {
		wire = wire_read();
		if (wire.ended >= SESSIONS && epoch >= EPOCHS)
			break;
		listed += look(dp);
		change_health(dp, n);
		postern_dataplane_reclaim(dp);
		if (epoch - postern_dataplane_adopted(dp) < BEHIND)
			epoch = (uint64_t)postern_dataplane_publish(dp, snapshot(n));
		sched_yield();
	}
	wire_end();
	postern_counters_read(dp, counters);
	print_message("# %lu sessions, %lu ended, %lu resets, %lu pings, %lu listed, %lu handed "
		      "over, epoch %lu\n",
		wire.begun, wire.ended, wire.reset, wire.answered, listed,
		counters[POSTERN_COUNTER_HANDED_OVER], epoch);
	assert_true(listed > 0);
	assert_true(wire.reset > 0);
	assert_true(wire.answered > 0);
	assert_true(counters[POSTERN_COUNTER_HANDED_OVER] > 0);
	// The wire keeps to none of it.
	assert_int_equal(rss(dp), POSTERN_RSS_BROKEN);
	postern_dataplane_stop(dp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_at_once),
	};

	return cmocka_run_group_tests(tests, rig_use_cmocka, NULL);
}
