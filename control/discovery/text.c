// SPDX-License-Identifier: BSD-2-Clause
// What became of a name, as it is kept and in words; names of counters.

#include "control/discovery/private.h"

#include <errno.h>
#include <stdio.h>

enum outcome name_note(struct name *n, const struct discovery_answer *a)
{
	n->rcode = (uint8_t)(a->status < 0 ? 0 : a->rcode);
	n->extended = (uint8_t)(a->extended < 0 || a->extended > 254 ? UINT8_MAX : a->extended);
	if (n->skipped + a->skipped < UINT8_MAX)
		n->skipped = (uint8_t)(n->skipped + a->skipped);
	else
		n->skipped = UINT8_MAX;
	switch (a->status) {
	case 0:
		break;
	case -ETIMEDOUT:
		return OUTCOME_TIMEOUT;
	case -EBADMSG:
		return OUTCOME_MALFORMED;
	case -ENOTCONN:
		return OUTCOME_NO_RESOLVER;
	case -ENOMEM:
		return OUTCOME_NO_MEMORY;
	default:
		return OUTCOME_UNREACHABLE;
	}
	if (a->bogus)
		return OUTCOME_BOGUS;
	if (a->rcode == DISCOVERY_NXDOMAIN)
		return OUTCOME_NO_NAME;
	if (a->rcode != DISCOVERY_NOERROR)
		return OUTCOME_SERVER_FAILURE;
	if (a->n_records > 0)
		return OUTCOME_GOOD;
	return a->skipped > 0 ? OUTCOME_UNUSABLE : OUTCOME_NO_RECORD;
}

static const char *words(const struct name *n)
{
	switch ((enum outcome)n->outcome) {
	case OUTCOME_NOT_ASKED:
		return "not asked yet";
	case OUTCOME_GOOD:
		return "found";
	case OUTCOME_NO_NAME:
		return "there is no such name";
	case OUTCOME_NO_RECORD:
		return n->host ? "it has no address" : "there is no such record";
	case OUTCOME_NO_SERVICE:
		return "its record says that there is no such service";
	case OUTCOME_UNUSABLE:
		return "none of its records can be used";
	case OUTCOME_BOGUS:
		return "the answer is forged or badly signed";
	case OUTCOME_NO_ADDRESS:
		return "its servers have no address";
	case OUTCOME_ADDRESS_FAILED:
		return "the addresses of a server cannot be had";
	case OUTCOME_SERVER_FAILURE:
		return "the resolver reports an error";
	case OUTCOME_TIMEOUT:
		return "no answer in time";
	case OUTCOME_MALFORMED:
		return "the answers cannot be read";
	case OUTCOME_UNREACHABLE:
		return "the resolver cannot be reached";
	case OUTCOME_NO_RESOLVER:
		return "there is no resolver to ask";
	case OUTCOME_NO_MEMORY:
		return "out of memory";
	}
	return "";
}

void name_why(const struct name *n, char why[static DISCOVERY_WHY])
{
	const char *extended = n->extended != UINT8_MAX ? wire_extended_name(n->extended) : NULL;
	const char *rcode = n->outcome == OUTCOME_SERVER_FAILURE ? wire_rcode_name(n->rcode) : NULL;
	char skipped[48] = "";

	if (n->skipped > 0)
		snprintf(skipped, sizeof(skipped), "; %u%s record%s left out", n->skipped,
			n->skipped == UINT8_MAX ? " or more" : "", n->skipped == 1 ? "" : "s");
	snprintf(why, DISCOVERY_WHY, "%s%s%s%s%s%s", words(n), rcode != NULL ? ", " : "",
		rcode != NULL ? rcode : "", extended != NULL ? ": " : "",
		extended != NULL ? extended : "", skipped);
}

const char *discovery_counter_name(enum discovery_counter c)
{
	static const char *const names[] = {
#define X(enumerator, name, help) name,
		DISCOVERY_COUNTERS(X)
#undef X
	};

	return names[c];
}

const char *discovery_counter_help(enum discovery_counter c)
{
	static const char *const helps[] = {
#define X(enumerator, name, help) help,
		DISCOVERY_COUNTERS(X)
#undef X
	};

	return helps[c];
}
