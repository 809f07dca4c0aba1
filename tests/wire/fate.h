// SPDX-License-Identifier: BSD-2-Clause
// What becomes of a packet on a bad link, by seed.

#pragma once

#include <rte_mbuf.h>

#include <stdbool.h>
#include <stdint.h>

// Both directions share these. Chances are parts of a million.
struct fate_settings {
	uint64_t seed;
	uint32_t delay_us; // of every packet
	uint32_t jitter_us;
	uint32_t late_us; // added for those that are to be overtaken
	uint32_t loss;
	uint32_t burst; // packets that one loss takes
	uint32_t reorder;
	uint32_t duplicate;
	uint32_t corrupt;
	uint32_t truncate;
	uint32_t rate_mbit; // 0: as fast as it goes
	uint32_t queue_us;  // what would wait longer for its turn is lost
	bool vary; // each flow has a share of the chances and the jitter, that its ends draw
};

struct fate_counts {
	uint64_t in;
	uint64_t lost;
	uint64_t late;
	uint64_t duplicated;
	uint64_t corrupted;
	uint64_t truncated;
	uint64_t full; // lost for want of room
	uint64_t out;
};

// One direction of a link.
struct fate {
	uint64_t salt;
	uint64_t free_us; // when the last packet has left a link of that rate
	struct fate_counts counts;
	uint32_t *nth;  // packets of flows, by hash
	uint8_t *taken; // of a burst of losses, still to be lost
};

// False without memory.
bool fate_init(struct fate *f, unsigned direction);
void fate_free(struct fate *f);

// Spoils the packet. Fills the delays of up to two copies of it, and returns how many there are to be; 0:
// it is lost. The buffers stay the caller's.
//
// What happens to the nth packet of a flow follows from the seed, the flow's ends and n. Neighbour
// discovery and ARP are only delayed: a lost answer would stop everything for a second.
unsigned fate_of(struct fate *f, const struct fate_settings *s, struct rte_mbuf *m, uint64_t now_us,
	uint64_t delay_us[2]);
