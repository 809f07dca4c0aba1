// SPDX-License-Identifier: BSD-2-Clause
// What the control half may look at and tell while the worker runs.

#include "worker/worker.h"

#include <rte_ring_elem.h>

#include <errno.h>
#include <unistd.h>

void postern_member_set_health(struct postern_dataplane *dp, uint16_t member, uint32_t word)
{
	if (__atomic_load_n(&dp->health[member], __ATOMIC_RELAXED) == word)
		return;
	__atomic_store_n(&dp->health[member], word, __ATOMIC_RELAXED);
	__atomic_store_n(&dp->health_changes, dp->health_changes + 1, __ATOMIC_RELEASE);
}

int postern_events_fd(const struct postern_dataplane *dp)
{
	return dp->events_fd;
}

unsigned postern_events_take(struct postern_dataplane *dp, struct postern_event *out, unsigned n)
{
	uint64_t marks;
	// Reset the mark first: what is put in after this read sets it again.
	const ssize_t was_set = read(dp->events_fd, &marks, sizeof(marks));

	(void)was_set;
	return rte_ring_sc_dequeue_burst_elem(dp->events, out, sizeof(*out), n, NULL);
}

void postern_counters_read(
	const struct postern_dataplane *dp, uint64_t out[static POSTERN_COUNTER_COUNT])
{
	for (unsigned i = 0; i < POSTERN_COUNTER_COUNT; i++)
		out[i] = base_get(&dp->worker.counters.value[i]);
}

void postern_member_read(
	const struct postern_dataplane *dp, uint16_t member, struct postern_member_stats *out)
{
	*out = (struct postern_member_stats){0};
	steer_member_stats_add(dp->worker.steer, member, out);
}

void postern_listen_read(
	const struct postern_dataplane *dp, uint16_t listen, struct postern_listen_stats *out)
{
	*out = (struct postern_listen_stats){0};
	steer_listen_stats_add(dp->worker.steer, listen, out);
}

bool postern_member_is_idle(const struct postern_dataplane *dp, uint16_t member)
{
	struct postern_member_stats stats;

	postern_member_read(dp, member, &stats);
	return stats.sessions == 0;
}

bool postern_listen_is_idle(const struct postern_dataplane *dp, uint16_t listen)
{
	struct postern_listen_stats stats;

	postern_listen_read(dp, listen, &stats);
	return stats.sessions == 0;
}

const char *postern_session_state_name(enum postern_session_state s)
{
	static const char *const names[POSTERN_SESSION_STATES] = {
		[POSTERN_SESSION_OPENING] = "opening",
		[POSTERN_SESSION_ESTABLISHED] = "established",
		[POSTERN_SESSION_CLOSING] = "closing",
		[POSTERN_SESSION_RESET] = "reset",
	};

	return s < POSTERN_SESSION_STATES ? names[s] : "?";
}

int postern_session_next(const struct postern_dataplane *dp, uint64_t *cursor, unsigned budget,
	struct postern_session *out)
{
	const struct steer *s = dp->worker.steer;
	const uint64_t now = base_clock_us(&dp->clock);
	const uint64_t end = steer_high_water(s);

	for (; *cursor < end; budget--) {
		if (budget == 0)
			return -EAGAIN;
		if (steer_session_read(s, (uint32_t)(*cursor)++, now, out) == 0)
			return 1;
	}
	return 0;
}

int postern_session_get(const struct postern_dataplane *dp, unsigned worker, uint32_t slot,
	uint32_t generation, struct postern_session *out)
{
	const struct steer *s = dp->worker.steer;

	if (worker != 0 || slot >= steer_high_water(s))
		return -ENOENT;
	const int rc = steer_session_read(s, slot, base_clock_us(&dp->clock), out);

	return rc == 0 && out->generation != generation ? -ENOENT : rc;
}

uint32_t postern_sessions_capacity(const struct postern_dataplane *dp)
{
	return steer_capacity(dp->worker.steer);
}

uint32_t postern_sessions_in_use(const struct postern_dataplane *dp)
{
	return steer_in_use(dp->worker.steer);
}

int postern_port_read(
	const struct postern_dataplane *dp, uint16_t interface, struct postern_port_info *out)
{
	if (interface >= dp->n_ports)
		return -ENOENT;
	port_info_read(&dp->ports[interface], out);
	return 0;
}

bool postern_dataplane_uses_huge_pages(const struct postern_dataplane *dp)
{
	return dp->huge;
}
