// SPDX-License-Identifier: BSD-2-Clause
// The part of the schema that is about DNS.

#include "control/config/schema.h"

#define SECOND 1000u
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

#define AT(member) offsetof(struct config_dns, member)

// In the order of enum config_dns_order.
static const char *const orders[] = {"rfc2782", "partner", NULL};

static const struct schema_field dns_fields[] = {
	{.key = "timeout",
		.type = SCHEMA_DURATION,
		.offset = AT(timeout_ms),
		.standard = "1s",
		.minimum = 100,
		.maximum = 30 * SECOND,
		.help = "How long one resolver has to answer; then the next one is asked."},
	{.key = "tries",
		.type = SCHEMA_NUMBER,
		.offset = AT(tries),
		.standard = "3",
		.minimum = 1,
		.maximum = 10,
		.help = "How often a question is asked before it has failed. A message waits 4 s "
			"for it."},
	{.key = "lowest-ttl",
		.type = SCHEMA_DURATION,
		.offset = AT(lowest_ttl_ms),
		.standard = "30s",
		.minimum = SECOND,
		.maximum = DAY,
		.help = "Answers hold for at least so long, whatever their TTL."},
	{.key = "highest-ttl",
		.type = SCHEMA_DURATION,
		.offset = AT(highest_ttl_ms),
		.standard = "1h",
		.minimum = SECOND,
		.maximum = 7 * DAY,
		.help = "Answers hold for at most so long."},
	{.key = "highest-negative-ttl",
		.type = SCHEMA_DURATION,
		.offset = AT(negative_ttl_ms),
		.standard = "15m",
		.minimum = SECOND,
		.maximum = DAY,
		.help = "Likewise of answers that there is no such name or record."},
	{.key = "keep",
		.type = SCHEMA_DURATION,
		.offset = AT(keep_ms),
		.standard = "24h",
		.minimum = SECOND,
		.maximum = 30 * DAY,
		.zero = "0",
		.help = "How long the last good answer stays in force after its end while DNS "
			"fails."},
	{.key = "rate",
		.type = SCHEMA_NUMBER,
		.offset = AT(rate),
		.standard = "2000",
		.minimum = 1,
		.maximum = 100000,
		.help = "Questions a second that nobody waits for: those after the start, and "
			"those that keep answers fresh."},
	{.key = "questions",
		.type = SCHEMA_NUMBER,
		.offset = AT(questions),
		.standard = "1000",
		.minimum = 16,
		.maximum = 10000,
		.help = "Questions under way at once."},
	{.key = "order",
		.type = SCHEMA_CHOICE,
		.offset = AT(order),
		.standard = "rfc2782",
		.choices = orders,
		.help = "Which of a partner's servers is the first: drawn by weight among those "
			"of the lowest priority (`rfc2782`), or as edge servers of partners do it "
			"(`partner`): lowest priority, highest weight, the one received first."},
};

const struct schema_object config_dns_schema = {
	.size = sizeof(struct config_dns),
	.line = -1,
	.given = -1,
	.count = sizeof(dns_fields) / sizeof(dns_fields[0]),
	.fields = dns_fields,
};
