// SPDX-License-Identifier: BSD-2-Clause
// Rules on what belongs to the dataplane: links, the session table, the workers' time.

#include "control/alarm/private.h"

#include <stdio.h>

static void tell_link(struct alarm_set *set, enum alarm_severity severity, const char *name,
	enum alarm_link_state state, const char *kernel)
{
	char remedy[POSTERN_NAME_SIZE + 64];

	if (state == ALARM_LINK_SHUT) {
		snprintf(remedy, sizeof(remedy), "type: ip link set %s up", kernel);
		alarm_raise(set, ALARM_INTERFACE_LINK, severity, name, remedy,
			"interface %s: %s is down", name, kernel);
	} else if (state == ALARM_LINK_GONE) {
		alarm_raise(set, ALARM_INTERFACE_LINK, severity, name,
			"bring it back and restart postern; \"ip link\" lists what there is",
			"interface %s: there is no %s any more", name, kernel);
	} else if (kernel[0] != '\0') {
		snprintf(remedy, sizeof(remedy), "look at the far end; here: ip link show %s",
			kernel);
		alarm_raise(set, ALARM_INTERFACE_LINK, severity, name, remedy,
			"interface %s: %s has no link", name, kernel);
	} else {
		snprintf(remedy, sizeof(remedy), "posternctl interface show %s", name);
		alarm_raise(set, ALARM_INTERFACE_LINK, severity, name, remedy,
			"interface %s has no link", name);
	}
}

void alarm_rule_interfaces(struct alarm_set *set)
{
	const struct config *config = set->source.config(set->source.daemon);
	const struct config_interface *interfaces = config->interfaces.items;
	char kernel[ALARM_LINK_NAME];
	size_t down = 0;

	for (size_t i = 0; i < config->interfaces.count; i++)
		down += alarm_link_read(set->source.dp, &interfaces[i], (uint16_t)i, kernel) !=
			ALARM_LINK_UP;
	for (size_t i = 0; i < config->interfaces.count && down > 0; i++) {
		const enum alarm_link_state state =
			alarm_link_read(set->source.dp, &interfaces[i], (uint16_t)i, kernel);

		if (state != ALARM_LINK_UP)
			tell_link(set,
				down >= config->interfaces.count ? ALARM_DOWN : ALARM_DEGRADED,
				interfaces[i].name, state, kernel);
	}
}

void alarm_rule_sessions(struct alarm_set *set)
{
	const uint32_t use = postern_sessions_in_use(set->source.dp);
	const uint32_t limit = postern_sessions_capacity(set->source.dp);

	if (alarm_is_nearly_full(set, ALARM_SESSION_TABLE, "dataplane", use, limit))
		alarm_raise(set, ALARM_SESSION_TABLE, ALARM_DEGRADED, "dataplane",
			"posternctl stats; if they are wanted, raise dataplane.sessions and "
			"restart postern",
			"%u of %u sessions are in use", use, limit);
	const uint32_t flows = postern_flows_in_use(set->source.dp);
	const uint32_t flows_limit = postern_flows_capacity(set->source.dp);

	if (alarm_is_nearly_full(set, ALARM_FLOW_TABLE, "dataplane", flows, flows_limit))
		alarm_raise(set, ALARM_FLOW_TABLE, ALARM_DEGRADED, "dataplane",
			"posternctl session list kind outbound; if they are wanted, raise "
			"dataplane.member-flows and restart postern",
			"%u of %u flows that members begin are in use", flows, flows_limit);
}

static void take_sample(struct alarm_set *set)
{
	uint64_t counters[POSTERN_COUNTER_COUNT];

	// A timer may come a little early; a look that somebody asked for comes at any time.
	if (set->n_samples > 0 && set->now.monotonic_us - set->sampled_us < 900000)
		return;
	postern_counters_read(set->source.dp, counters);
	set->samples[set->n_samples++ % (ALARM_BUSY_SECONDS + 1)] = (struct alarm_sample){
		.cycles = set->now.cycles,
		.busy = counters[POSTERN_COUNTER_WORKER_BUSY_CYCLES],
	};
	set->sampled_us = set->now.monotonic_us;
}

void alarm_rule_workers(struct alarm_set *set)
{
	const struct config *config = set->source.config(set->source.daemon);
	const uint64_t workers = config->dataplane.workers.count;

	take_sample(set);
	if (set->n_samples <= ALARM_BUSY_SECONDS)
		return;
	// With all slots filled, the one to be written next is the oldest.
	const size_t slots = ALARM_BUSY_SECONDS + 1;
	const struct alarm_sample *old = &set->samples[set->n_samples % slots];
	const struct alarm_sample *new = &set->samples[(set->n_samples - 1) % slots];
	const uint64_t busy = new->busy - old->busy;
	const uint64_t all = (new->cycles - old->cycles) * workers;

	if (all > 0 && alarm_is_nearly_full(set, ALARM_WORKER_BUSY, "dataplane", busy, all))
		alarm_raise(set, ALARM_WORKER_BUSY, ALARM_DEGRADED, "dataplane",
			"posternctl stats --watch; if the traffic is wanted, a faster CPU, or a "
			"second appliance",
			"workers were busy for %llu %% of the last %u s",
			(unsigned long long)(busy * 100 / all), ALARM_BUSY_SECONDS);
}
