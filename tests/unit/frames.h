// SPDX-License-Identifier: BSD-2-Clause
// Sound frames of every kind that a rig's worker understands, for tests and the fuzzer to spoil.

#pragma once

#include "rig.h"

enum frame_kind {
	FRAME_TCP4, // SYN with 20 bytes of options for the service
	FRAME_TCP6,
	FRAME_DATA4, // ACK with 32 bytes
	FRAME_DATA6,
	FRAME_OPTIONS4, // SYN behind 8 bytes of no-operations in the IP header
	FRAME_ARP,      // request for the service's address
	FRAME_ARP_REPLY,
	FRAME_ECHO4,
	FRAME_ECHO6,
	FRAME_NS, // for the service's address, with option
	FRAME_NA,
	FRAME_KINDS,              // those that end at once, whole or not
	FRAME_UDP4 = FRAME_KINDS, // datagram for the service
	FRAME_UDP6,
	FRAME_ERROR4, // port unreachable, quoting a datagram of the service
	FRAME_ERROR6,
	FRAME_FRAGMENT4, // the first, of 32 bytes
	FRAME_FRAGMENT6,
	FRAME_EXTENDED6, // SYN behind hop-by-hop and destination options
	FRAME_ALL_KINDS
};

// Offsets in the frames above.
#define FRAME_IP      14
#define FRAME_TCP4_AT 34
#define FRAME_TCP6_AT 54

struct frame {
	size_t length;
	uint8_t bytes[512];
};

struct frame frame_make(const struct rig *r, enum frame_kind kind);

// Sums both checksums anew, as far as the headers can be found.
void frame_sum(struct frame *f);
// The IPv4 header's alone.
void frame_sum_ip(struct frame *f);
