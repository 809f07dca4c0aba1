// SPDX-License-Identifier: BSD-2-Clause
// Forged SYNs: Ethernet frames at a rate, from addresses that nobody has.

#pragma once

#include <stdbool.h>
#include <stdint.h>

#define FLOOD_FRAME 74u // with the options that most systems send
#define FLOOD_BURST 64u

struct flood {
	double rate; // a second
	double due;
	uint64_t last_ns;
	uint64_t sent;
	uint32_t spread; // addresses, from 20.0.0.0 on
	uint32_t at;
	uint32_t server; // in wire order
	uint16_t port;
	uint8_t to[6];
	uint8_t from[6];
};

// How many frames are due now, FLOOD_BURST at most. What could not be kept up with is not caught up with.
unsigned flood_due(struct flood *f);
// Writes the next frame.
void flood_write(struct flood *f, uint8_t frame[FLOOD_FRAME]);
// True for a frame that answers one.
bool flood_is_answer(const uint8_t *frame);
