// SPDX-License-Identifier: BSD-2-Clause
// Peers behind ports that real workers poll: clients that open sessions, send and close, and members
// that answer. Each packet comes in at any queue. It stands behind a driver, so it is built without
// the thread sanitizer, as drivers are: what passes through it orders nothing between workers.

#pragma once

#include <stdint.h>

struct wire_counts {
	uint64_t begun;    // SYNs of clients
	uint64_t ended;    // sessions that both sides have closed
	uint64_t reset;    // resets that clients have got
	uint64_t answered; // pings of ours
};

// Puts the peers behind the queues of ports 0 (outside) and 1 (inside). The workers may be running:
// from here on sessions come. Addresses are those of a rig's world.
void wire_begin(unsigned queues);
// No more sessions from now on.
void wire_end(void);
struct wire_counts wire_read(void);
