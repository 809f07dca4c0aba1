// SPDX-License-Identifier: BSD-2-Clause
// A member and a host outside that talk through a rig without a service: every packet that goes through
// is checked for its translation.

#pragma once

#include "rig.h"

struct outward {
	struct rig *r;
	uint8_t family;
	bool udp;
	struct postern_addr outside, member, seen; // seen: by what the outside knows the member
	uint16_t outside_port, member_port, seen_port;
	uint32_t next[DIRECTIONS]; // sequence numbers, of FROM_CLIENT (the outside) and FROM_MEMBER
};

// A member by number and a client as the host outside. Its flow goes to RIG_OUT_FIRST.
struct outward outward_new(
	struct rig *r, uint8_t family, bool udp, unsigned member, unsigned outside);

struct rig_tcp outward_segment(
	const struct outward *o, unsigned from, uint8_t flags, uint16_t payload);
struct rig_udp outward_datagram(const struct outward *o, unsigned from, uint16_t payload);

// Puts a packet without looking at what comes out; moves the sender's sequence number.
void outward_put(struct outward *o, unsigned from, uint8_t flags, uint16_t payload);
// The same, and exactly this comes out on the other side; of UDP the flags are nothing.
void outward_send(struct outward *o, unsigned from, uint8_t flags, uint16_t payload);
// The member's first packet; learns from what comes out the port that it is seen by.
void outward_begin(struct outward *o);
// The whole handshake, or a datagram each way and another one.
void outward_open(struct outward *o);
// The first packet comes from outside.
void outward_open_inbound(struct outward *o);

bool outward_read(const struct outward *o, struct postern_session *out);
// The state of its flow, or -1.
int outward_state(const struct outward *o);

// Takes resets to both sides, at least one each.
void outward_take_resets(struct outward *o);

#define OUT_ACK RTE_TCP_ACK_FLAG
#define OUT_SYN RTE_TCP_SYN_FLAG
#define OUT_FIN (RTE_TCP_FIN_FLAG | RTE_TCP_ACK_FLAG)
#define OUT_RST (RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG)
