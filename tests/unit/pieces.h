// SPDX-License-Identifier: BSD-2-Clause
// Packets cut by hand, and fragments put together again.

#pragma once

#include "rig.h"

#define PIECE_FRAME_MAX (65536 + 64)

// A packet that is cut by hand.
struct piece_whole {
	uint8_t family;
	uint16_t interface;
	size_t length;
	uint8_t bytes[PIECE_FRAME_MAX];
};

// One fragment to make of it.
struct piece {
	unsigned offset, length;
	bool more;
};

// A datagram from a client, and what a member sees of it.
struct piece_seen {
	struct postern_addr nat, member;
	uint16_t nat_port;
};

// Bytes of an IP header without options.
size_t piece_header(uint8_t family);

size_t piece_build(const struct piece_whole *w, const struct piece *p, uint32_t id, uint8_t *frame);
void piece_put(struct rig *r, const struct piece_whole *w, uint32_t id, unsigned offset,
	unsigned length, bool more);
// All of it in fragments of `each` bytes, in the order: 0 first to last, 1 backwards, 2 odd ones first.
void piece_put_all(
	struct rig *r, const struct piece_whole *w, uint32_t id, unsigned each, unsigned order);

// Takes everything that has come out, which must be one packet in fragments of `most` bytes at most, and
// puts it together. Returns how many there were.
unsigned piece_gather(struct rig *r, struct piece_whole *out, uint8_t family, unsigned most);

void piece_from_client(
	struct rig *r, uint8_t f, unsigned n, unsigned payload, struct piece_whole *w);
void piece_from_member(const struct rig *r, uint8_t f, const struct piece_seen *s, unsigned payload,
	struct piece_whole *w);
struct piece_seen piece_see(const struct piece_whole *out);
// The same datagram on the other side: payload and a right checksum.
void piece_check_same(const struct piece_whole *in, const struct piece_whole *out);
