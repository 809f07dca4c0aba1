// SPDX-License-Identifier: BSD-2-Clause
// The rules on DNS: resolvers that do not answer, partners that cannot be found, refreshes that are late.

#include "control/alarm/private.h"

// Answers whose time has come wait for their turn; so much is told.
#define LATE_RAISE_US 60000000u
#define LATE_CLEAR_US 10000000u

static void look_at_resolvers(struct alarm_set *set, const struct discovery_stats *s)
{
	char at[ALARM_TIME_SIZE], name[POSTERN_ENDPOINT_TEXT];
	unsigned silent = 0;

	for (unsigned i = 0; i < s->n_resolvers; i++)
		silent += s->resolvers[i].resting;
	for (unsigned i = 0; i < s->n_resolvers; i++) {
		const struct discovery_resolver_stats *r = &s->resolvers[i];

		if (!r->resting)
			continue;
		postern_endpoint_format(&r->at, name);
		alarm_raise(set, ALARM_RESOLVER,
			silent == s->n_resolvers ? ALARM_DEGRADED : ALARM_WARNING, name,
			"see that it runs and that port 53 leads there over UDP and TCP; "
			"posternctl "
			"dns show",
			"resolver %s has not answered since %s%s", name,
			alarm_time_text(at, r->failing_us),
			silent == s->n_resolvers ? ", and neither has another: partners are where "
						   "they were last"
						 : "");
	}
	if (s->n_resolvers == 0 && (s->domains > 0 || s->hosts > 0))
		alarm_raise(set, ALARM_RESOLVER, ALARM_DEGRADED, "dns",
			"resolver: [ADDRESS] in the configuration, and reload",
			"there is no resolver, so that partners cannot be found");
}

void alarm_rule_dns(struct alarm_set *set)
{
	struct discovery_stats s = {0};

	if (set->source.dns == NULL)
		return;
	set->source.dns(set->source.daemon, &s);
	look_at_resolvers(set, &s);
	if (s.failing_long > 0)
		alarm_raise(set, ALARM_PARTNER_DNS, ALARM_WARNING, "dns",
			"posternctl dns list state=failed; posternctl dns lookup NAME",
			"DNS of %u followed name%s has failed for 10 minutes and more, %.64s among "
			"them",
			s.failing_long, s.failing_long == 1 ? "" : "s", s.example.text);
	const bool raised = alarm_since(set, ALARM_DNS_LATE, "dns") != set->now.wall_us;

	if (s.late_us > (raised ? LATE_CLEAR_US : LATE_RAISE_US))
		alarm_raise(set, ALARM_DNS_LATE, ALARM_WARNING, "dns",
			"a higher dns.rate, if the resolvers bear it, or a higher dns.lowest-ttl",
			"answers are asked for again %llu s late: %u names wait for their turn",
			(unsigned long long)(s.late_us / 1000000), s.waiting);
}
