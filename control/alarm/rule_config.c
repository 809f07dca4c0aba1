// SPDX-License-Identifier: BSD-2-Clause
// The rule on the configuration: one that is on trial, and one that was taken back.

#include "control/alarm/private.h"

void alarm_rule_config(struct alarm_set *set)
{
	struct alarm_confirm c = {0};

	if (set->source.confirm == NULL)
		return;
	set->source.confirm(set->source.daemon, &c);
	if (c.pending)
		alarm_raise(set, ALARM_CONFIG_UNCONFIRMED, ALARM_WARNING, "config",
			"posternctl config confirm, or config rollback; a restart starts with the "
			"file as it is",
			"the configuration of before comes back in %um %02us unless this one is "
			"confirmed",
			c.remaining_s / 60, c.remaining_s % 60);
	if (c.taken_back)
		alarm_raise(set, ALARM_CONFIG_TAKEN_BACK, ALARM_WARNING, "config",
			"posternctl config diff; mend the file and reload it",
			"the configuration was taken back, and a restart would start with it: "
			"%.120s holds it",
			c.file);
}
