// SPDX-License-Identifier: BSD-2-Clause
// A client and a member that talk through a rig: each keeps its sequence numbers, and every packet
// that goes through is checked for its translation.

#pragma once

#include "rig.h"

struct talk {
	struct rig *r;
	uint8_t family;
	struct postern_addr client, service, nat, member;
	uint16_t client_port, service_port, nat_port;
	uint16_t member_port;       // the member's own, unless the service keeps its ports
	uint32_t next[DIRECTIONS];  // sequence numbers
	uint32_t acked[DIRECTIONS]; // what this side has acknowledged
	uint16_t window;            // what both offer
	uint8_t n_options;          // of every SYN
	uint8_t options[40];
};

// A client by number; its port and sequence numbers follow from it.
struct talk talk_new(struct rig *r, uint8_t family, unsigned client);

// A segment with the right numbers, as it leaves its sender; to be changed and put.
struct rig_tcp talk_segment(const struct talk *t, unsigned from, uint8_t flags, uint16_t payload);

// Puts a segment, and checks that exactly this comes out translated on the other side.
void talk_through(struct talk *t, unsigned from, const struct rig_tcp *in);
// The same for the next segment in order; moves the sender's sequence number.
void talk_send(struct talk *t, unsigned from, uint8_t flags, uint16_t payload);
// Puts the next segment in order without looking at what comes out.
void talk_put(struct talk *t, unsigned from, uint8_t flags, uint16_t payload);

// Puts the client's SYN and learns member and translation from what comes out.
void talk_syn(struct talk *t);
void talk_syn_learn(struct talk *t);
void talk_synack(struct talk *t);
void talk_open(struct talk *t);

// Takes a reset to the side `to`; checks its addresses.
struct rig_tcp talk_take_reset(struct talk *t, unsigned to);
// Both sides are told with numbers that they accept (RFC 5961 3.2: exactly what they expect): what
// they have acknowledged, and, if they may have got more since, what follows that.
void talk_take_resets(struct talk *t);

// The state of its session, or -1.
int talk_state(const struct talk *t);
bool talk_read(const struct talk *t, struct postern_session *out);

#define TALK_FIN (RTE_TCP_FIN_FLAG | RTE_TCP_ACK_FLAG)
#define TALK_ACK RTE_TCP_ACK_FLAG
#define TALK_RST (RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG)
#define TALK_SYN RTE_TCP_SYN_FLAG
