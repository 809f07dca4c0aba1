// SPDX-License-Identifier: BSD-2-Clause
// The rule on the file: what is on the disk and what runs are not the same.

#include "control/alarm/private.h"

void alarm_set_refused(struct alarm_set *set, size_t mistakes, bool restart)
{
	set->refused = mistakes;
	set->refused_restart = restart;
	set->refused_us = set->source.now != NULL ? set->source.now().wall_us : alarm_wall_us();
}

void alarm_rule_config(struct alarm_set *set)
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
			"postern runs "
			"the one before",
			at, set->refused, s, set->refused == 1 ? "s" : "");
	else
		alarm_raise(set, ALARM_CONFIG_REFUSED, ALARM_WARNING, "configuration",
			"posternctl config check",
			"the file on disk was refused at %s: %zu mistake%s; postern runs the one "
			"before",
			at, set->refused, s);
}
