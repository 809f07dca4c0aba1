// SPDX-License-Identifier: BSD-2-Clause
// The rules on what is on the disk: the configuration there is not the one that runs, or that is on
// trial; the state database cannot be written.

#include "control/alarm/private.h"

void alarm_set_refused(struct alarm_set *set, size_t mistakes, bool restart)
{
	set->refused = mistakes;
	set->refused_restart = restart;
	set->refused_us = set->source.now != NULL ? set->source.now().wall_us : alarm_wall_us();
}

static void look_at_refused(struct alarm_set *set)
{
	const char *s = set->refused == 1 ? "" : "s";
	char at[ALARM_TIME_SIZE];

	if (set->refused == 0)
		return;
	alarm_time_text(at, set->refused_us);
	if (set->refused_restart)
		alarm_raise(set, ALARM_CONFIG_REFUSED, ALARM_WARNING, "configuration",
			"posternctl config check",
			"the file on disk was refused at %s: %zu change%s need%s a restart; "
			"postern runs the one before",
			at, set->refused, s, set->refused == 1 ? "s" : "");
	else
		alarm_raise(set, ALARM_CONFIG_REFUSED, ALARM_WARNING, "configuration",
			"posternctl config check",
			"the file on disk was refused at %s: %zu mistake%s; postern runs the one "
			"before",
			at, set->refused, s);
}

static void look_at_trial(struct alarm_set *set)
{
	struct alarm_confirm c = {0};

	if (set->source.confirm == NULL)
		return;
	set->source.confirm(set->source.daemon, &c);
	if (c.pending)
		alarm_raise(set, ALARM_CONFIG_UNCONFIRMED, ALARM_WARNING, "configuration",
			"posternctl config confirm, or config rollback; a restart starts with the "
			"file as it is",
			"the configuration of before comes back in %um %02us unless this one is "
			"confirmed",
			c.remaining_s / 60, c.remaining_s % 60);
	if (c.taken_back)
		alarm_raise(set, ALARM_CONFIG_TAKEN_BACK, ALARM_WARNING, "configuration",
			"posternctl config diff; mend the file and reload it",
			"the configuration was taken back, and a restart would start with it: "
			"%.120s holds it",
			c.file);
}

// What was said of a member holds and is not kept; what is said now is refused.
static void look_at_state(struct alarm_set *set)
{
	const char *why = set->source.state_trouble != NULL
				  ? set->source.state_trouble(set->source.daemon)
				  : NULL;

	if (why != NULL)
		alarm_raise(set, ALARM_STATE_DATABASE, ALARM_DEGRADED, "state",
			"mend that; postern tries again every 10 s, and refuses changes of members "
			"and partners until then",
			"what operators set cannot be kept, and changes are not in the audit: "
			"%.300s",
			why);
}

void alarm_rule_config(struct alarm_set *set)
{
	look_at_state(set);
	look_at_refused(set);
	look_at_trial(set);
}
