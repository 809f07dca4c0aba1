// SPDX-License-Identifier: BSD-2-Clause
// Admission as workers see it: one question, one answer. What the words mean stands in
// postern/policy.h, the table of rows in README.md.

#pragma once

#include "postern/policy.h"

// What the tables say of an address alone, before anybody has spoken.
struct admit_verdict {
	uint8_t outcome; // enum postern_outcome; ASK: the tables are not complete yet
	uint8_t row;     // enum postern_row
	uint8_t reason;  // enum postern_reason
	uint8_t admission; // enum postern_admission of the entry that a refusal concerns; else enforce
};

// The same as admit_decide() for a question with an address and nothing else. Worker, as below.
void admit_address(const struct postern_policy *p, uint16_t organisation,
	const struct postern_addr *address, struct admit_verdict *out);

// Fetches what that will look at. Worker.
void admit_address_prefetch(
	const struct postern_policy *p, uint16_t organisation, const struct postern_addr *address);

// An address or prefix that an operator's change has left without an admitted partner.
struct admit_lost {
	union {
		struct {
			struct postern_addr addr;
			uint16_t organisation;
			uint8_t bits; // of the family's own address
			uint8_t spare[5];
		};
		uint64_t words[3];
	};
};

#define ADMIT_LOST 1024u // that are remembered

// How many there have been. Any thread.
uint64_t admit_lost_count(const struct postern_policy *p);
// Takes up to n of them behind *cursor, and moves that on; how many. -EOVERFLOW: more have come than are
// remembered, any address may be one. Any thread.
int admit_lost_take(
	const struct postern_policy *p, uint64_t *cursor, struct admit_lost *out, unsigned n);

// Decides. Worker, registered with liburcu and not offline; takes no lock. The answer is a copy.
void admit_decide(
	const struct postern_policy *p, const struct postern_question *q, struct postern_answer *a);
