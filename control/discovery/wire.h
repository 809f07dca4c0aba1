// SPDX-License-Identifier: BSD-2-Clause
// DNS messages as bytes: the question that we send, and what an answer says. Pure functions: no clock,
// no socket, no memory of their own. What comes from the wire is hostile.

#pragma once

#include "control/discovery/discovery.h"

#include <stddef.h>
#include <stdint.h>

// Header, name, type and class, and an OPT record without options (RFC 6891).
#define WIRE_QUERY_MAX (12 + 255 + 4 + 11)

// UDP payload that we take: what passes every path in one piece (DNS flag day 2020). Longer answers
// come over TCP.
#define WIRE_PAYLOAD 1232

// Records of an answer that are looked at. 64 KB can hold 5,900; reading as many would take the loop's
// millisecond.
#define WIRE_LOOK_MAX 512

#define WIRE_ALIASES_MAX 16 // CNAMEs in one answer

// The question, with RD and AD: the resolver does the work, and says whether it validated (RFC 6840
// 5.7). Returns its length.
size_t wire_query_write(const struct postern_domain *name, enum discovery_type type, uint16_t id,
	uint8_t out[static WIRE_QUERY_MAX]);

struct wire_answer {
	unsigned rcode; // the extended one (RFC 6891 6.1.3)
	bool truncated;
	bool authenticated;
	bool negative; // NXDOMAIN, or no such record: there is none at the end of the CNAMEs
	bool proven; // of a negative answer: a SOA is there; without one the CNAMEs may go on elsewhere
	bool bogus;
	int extended; // RFC 8914; -1: none
	unsigned aliases;
	struct postern_domain canonical;
	unsigned n_records;
	unsigned skipped;
	uint32_t
		ttl; // the least of all that count; of a negative answer min(TTL, MINIMUM) of its SOA, or 0
	struct discovery_record records[DISCOVERY_RECORDS_MAX];
};

// Reads an answer to a question. 0; -EBADMSG: it is no DNS answer, or contradicts itself; -ENOMSG: it
// answers another question. `why`, a constant, says what is wrong.
int wire_answer_read(const uint8_t *bytes, size_t n, const struct postern_domain *name,
	enum discovery_type type, struct wire_answer *out, const char **why);

// Words for response codes and extended errors; NULL for those that have no name here.
const char *wire_rcode_name(unsigned rcode);
const char *wire_extended_name(int code);
