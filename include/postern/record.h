// SPDX-License-Identifier: BSD-2-Clause
// The flight recorder: why what somebody wanted did not come about. Each record has the same fixed
// part, whatever was being done, and room for facts that belong to the step at which it failed. What
// happens again to the same source for the same reason is counted in one record, so that who repeats
// himself pushes nobody else out.

#pragma once

#include "postern/addr.h"
#include "postern/counter.h"
#include "postern/snapshot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct postern_dataplane;

// How far it had come. New steps are added at the end.
enum postern_step {
	POSTERN_STEP_PACKET, // a packet by itself
	POSTERN_STEP_OPEN, // the first packet of a session: service, member, address and port of ours
	POSTERN_STEP_MEMBER, // the member's answer to it
	POSTERN_STEP_CLOSE,  // a session that was there, and ended otherwise than by its two sides
	POSTERN_STEP_HELLO,  // what a relayed client said first
	POSTERN_STEPS
};

// Facts: kind, length, bytes, one after the other. Who reads skips kinds that he does not know; new
// ones are added at the end, with what they hold: numbers as they lie in memory, texts without NUL.
enum postern_fact {
	POSTERN_FACT_NONE,
	POSTERN_FACT_SIDE,     // uint8_t, enum postern_side: who was silent, or ended it
	POSTERN_FACT_ASKED,    // uint8_t: members that were asked
	POSTERN_FACT_QUIET_MS, // uint32_t: how long nobody had sent
	POSTERN_FACT_ROW,      // uint8_t, enum postern_row: of admission, by which it was decided
	POSTERN_FACT_REASON,   // uint8_t, enum postern_reason
	POSTERN_FACT_HELLO,    // uint8_t, enum postern_hello: what a relayed client said first
	POSTERN_FACT_VERSION,  // uint16_t: the highest version that it offered
	POSTERN_FACT_SERVER_NAME, // text: the server name that it asked for, or the end of it
	POSTERN_FACTS
};

enum postern_side {
	POSTERN_SIDE_CLIENT,
	POSTERN_SIDE_MEMBER,
};

#define POSTERN_FACTS_SIZE 56

// What was recorded last, of all that one record counts.
struct postern_record {
	struct postern_addr
		from;           // the client; its network if from_bits is less than the address has
	struct postern_addr to; // what it wanted to reach
	uint16_t from_port;
	uint16_t to_port;
	uint16_t reason;    // enum postern_counter
	uint16_t interface; // index of where it came in; POSTERN_ID_NONE: not known
	uint16_t listen;    // id; POSTERN_ID_NONE: none
	uint16_t member;    // id; POSTERN_ID_NONE: none, or not chosen yet
	uint8_t from_bits;  // length of the prefix, of 128
	uint8_t protocol;   // IPPROTO_TCP, ...
	uint8_t step;       // enum postern_step
	uint8_t worker;
	uint32_t slot; // of the session; generation 0: there was none
	uint32_t generation;
	uint8_t spare[7];
	uint8_t facts_length;
	uint8_t facts[POSTERN_FACTS_SIZE];
};

_Static_assert(sizeof(struct postern_record) == 120, "words without gaps");

// Adds a fact; what does not fit is left out. Any thread, on a record of its own.
void postern_record_add(
	struct postern_record *r, enum postern_fact kind, const void *data, size_t length);
// The bytes of a fact, or NULL. A record may have been damaged: nothing outside it is read.
const void *postern_record_find(
	const struct postern_record *r, enum postern_fact kind, size_t *length);
// A fact that is a number of one, two or four bytes; false if there is none.
bool postern_record_number(const struct postern_record *r, enum postern_fact kind, uint32_t *out);

// A record as it is read.
struct postern_recorded {
	struct postern_record last;
	uint64_t count;
	uint64_t first_ms; // ago
	uint64_t last_ms;  // ago
};

// Walks the records of all workers, as postern_session_next() does sessions. Those of several workers
// that have all but the count in common are to be taken together.
int postern_record_next(const struct postern_dataplane *dp, uint64_t *cursor, unsigned budget,
	struct postern_recorded *out);

struct postern_recorder_stats {
	uint32_t kept; // records now
	uint32_t limit;
	uint64_t pushed_out; // records that gave way to newer ones
};

void postern_recorder_read(const struct postern_dataplane *dp, struct postern_recorder_stats *out);
