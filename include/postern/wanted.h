// SPDX-License-Identifier: BSD-2-Clause
// What workers want to know of DNS before they can decide, and what addresses they have learnt. A worker
// tells by a bounded ring; control finds out, changes the tables first (postern/policy.h), and then says
// to the worker that it may look again. Control thread.

#pragma once

#include "postern/addr.h"
#include "postern/domain.h"

#include <stdint.h>

struct postern_dataplane;

// A worker keeps what waits so long at most (RFC 3261's timer T2); then it decides with what is known.
#define POSTERN_WANTED_US 4000000u

// What may wait at one worker, in number and in bytes of what is kept meanwhile.
#define POSTERN_WANTED_MOST  4096u
#define POSTERN_WANTED_BYTES (8u << 20)

struct postern_wanted {
	uint32_t worker;
	uint32_t slot; // of what waits, by which it is answered
	uint32_t generation;
	struct postern_domain domain; // D, of which the facts are unknown
	uint8_t spare;
};

// Takes up to `n` questions; returns how many. The descriptor becomes readable when there are some.
unsigned postern_wanted_take(struct postern_dataplane *dp, struct postern_wanted *out, unsigned n);
int postern_wanted_fd(const struct postern_dataplane *dp);

// Says that the tables hold what can be found out. -ENOENT: there is no such worker. -EAGAIN: more
// answers wait there than it can ever have asked for; this one is lost, and what waits ends by its time.
int postern_wanted_answer(struct postern_dataplane *dp, const struct postern_wanted *wanted);
