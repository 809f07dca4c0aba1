// SPDX-License-Identifier: BSD-2-Clause
// Packets cut by hand, and fragments put together again.

#include "pieces.h"

#include <netinet/in.h>
#include <string.h>

static unsigned get16(const uint8_t *at)
{
	return (unsigned)(at[0] << 8 | at[1]);
}

static void put16(uint8_t *at, unsigned v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

size_t piece_header(uint8_t family)
{
	return family == POSTERN_V4 ? 20 : 40;
}

static void sum_ip(uint8_t *ip)
{
	put16(ip + 10, 0);
	const uint32_t sum = rig_sum(ip, (ip[0] & 15u) * 4u, 0);

	put16(ip + 10, ~((sum >> 16) + sum) & 0xffff);
}

// Bytes of the transport.
static unsigned payload_of(const struct piece_whole *w)
{
	return (unsigned)(w->length - 14 - piece_header(w->family));
}

size_t piece_build(const struct piece_whole *w, const struct piece *p, uint32_t id, uint8_t *frame)
{
	const size_t header = 14 + piece_header(w->family);
	size_t at = header;

	memcpy(frame, w->bytes, header);
	if (w->family == POSTERN_V4) {
		put16(frame + 16, 20 + p->length);
		put16(frame + 18, id);
		// "Don't fragment" stays as it was.
		put16(frame + 20,
			(frame[20] & 0x40u) << 8 | p->offset / 8 | (p->more ? 0x2000 : 0));
		sum_ip(frame + 14);
	} else {
		put16(frame + 18, 8 + p->length);
		frame[at] = frame[20];
		frame[at + 1] = 0;
		put16(frame + at + 2, p->offset | p->more);
		put16(frame + at + 4, id >> 16);
		put16(frame + at + 6, id);
		frame[20] = 44;
		at += 8;
	}
	memcpy(frame + at, w->bytes + header + p->offset, p->length);
	return at + p->length;
}

void piece_put(struct rig *r, const struct piece_whole *w, uint32_t id, unsigned offset,
	unsigned length, bool more)
{
	uint8_t frame[2048];
	const struct piece p = {offset, length, more};
	const size_t size = piece_build(w, &p, id, frame);

	rig_put(r, w->interface, frame, size);
}

// All of it in fragments of `each` bytes, in the order: 0 first to last, 1 backwards, 2 odd ones first.
void piece_put_all(
	struct rig *r, const struct piece_whole *w, uint32_t id, unsigned each, unsigned order)
{
	const unsigned total = payload_of(w), n = (total + each - 1) / each;

	for (unsigned i = 0; i < n; i++) {
		unsigned k = i;

		if (order == 1)
			k = n - 1 - i;
		else if (order == 2)
			k = i < n / 2 ? 2 * i + 1 : 2 * (i - n / 2);
		const unsigned length = RTE_MIN(each, total - k * each);

		piece_put(r, w, id, k * each, length, k + 1 < n);
	}
}

// Takes everything that has come out, which must be one packet in fragments of `most` bytes at most, and
// puts it together. Returns how many there were.
unsigned piece_gather(struct rig *r, struct piece_whole *out, uint8_t family, unsigned most)
{
	const size_t header = 14 + piece_header(family);
	unsigned n = 0, total = 0, at = 0, id = 0;
	const struct rig_packet *p;

	memset(out, 0, sizeof(*out));
	out->family = family;
	while ((p = rig_take(r)) != NULL) {
		const uint8_t *ip = p->bytes + 14;
		size_t body = header;
		unsigned offset = 0, this_id = 0;
		bool more = false;

		RIG_CHECK(p->length - 14u <= most);
		if (family == POSTERN_V4) {
			RIG_CHECK(get16(ip + 2) + 14u == p->length);
			RIG_CHECK(rig_sum(ip, 20, 0) == 0xffff);
			offset = (get16(ip + 6) & 0x1fff) * 8;
			more = get16(ip + 6) & 0x2000;
			this_id = get16(ip + 4);
		} else {
			RIG_CHECK(get16(ip + 4) + 54u == p->length);
			if (ip[6] == 44) {
				offset = get16(ip + 42) & ~7u;
				more = ip[43] & 1;
				this_id = get16(ip + 44) << 16 | get16(ip + 46);
				body += 8;
			}
		}
		if (n == 0) {
			memcpy(out->bytes, p->bytes, header);
			if (family == POSTERN_V6 && ip[6] == 44)
				out->bytes[20] = ip[40];
			out->interface = p->interface;
			id = this_id;
		}
		RIG_CHECK(this_id == id && p->interface == out->interface);
		RIG_CHECK(offset == at);
		memcpy(out->bytes + header + at, p->bytes + body, p->length - body);
		at += (unsigned)(p->length - body);
		n++;
		if (!more)
			total = at;
	}
	RIG_CHECK(n > 0 && total == at);
	out->length = header + total;
	if (family == POSTERN_V4) {
		put16(out->bytes + 16, 20 + total);
		put16(out->bytes + 20, out->bytes[20] & 0x40 ? 0x4000 : 0);
	} else {
		put16(out->bytes + 18, total);
	}
	return n;
}

static uint16_t side(const struct rig *r, bool client)
{
	return client || r->world.one_arm ? RIG_OUTSIDE : RIG_INSIDE;
}

void piece_from_client(
	struct rig *r, uint8_t f, unsigned n, unsigned payload, struct piece_whole *w)
{
	const struct rig_udp u = {.src = rig_client(f, n),
		.dst = rig_service(r, f),
		.sport = (uint16_t)(40000 + n % 20000),
		.dport = RIG_PORT,
		.payload = (uint16_t)payload,
		.mark = 0x4711};

	w->family = f;
	w->interface = RIG_OUTSIDE;
	w->length = rig_udp_build(&u, w->bytes);
}

void piece_from_member(const struct rig *r, uint8_t f, const struct piece_seen *s, unsigned payload,
	struct piece_whole *w)
{
	const struct rig_udp u = {.interface = side(r, false),
		.src = s->member,
		.dst = s->nat,
		.sport = RIG_MEMBER_PORT,
		.dport = s->nat_port,
		.payload = (uint16_t)payload,
		.mark = 0x4712};

	w->family = f;
	w->interface = side(r, false);
	w->length = rig_udp_build(&u, w->bytes);
}

struct piece_seen piece_see(const struct piece_whole *out)
{
	const uint8_t *ip = out->bytes + 14;
	struct piece_seen s;

	if (out->family == POSTERN_V4) {
		uint32_t be;

		memcpy(&be, ip + 12, 4);
		s.nat = postern_addr_from_v4(be);
		memcpy(&be, ip + 16, 4);
		s.member = postern_addr_from_v4(be);
	} else {
		memcpy(s.nat.bytes, ip + 8, 16);
		memcpy(s.member.bytes, ip + 24, 16);
	}
	s.nat_port = (uint16_t)get16(out->bytes + 14 + piece_header(out->family));
	return s;
}

// The same datagram on the other side: payload and a right checksum.
void piece_check_same(const struct piece_whole *in, const struct piece_whole *out)
{
	const size_t l4 = 14 + piece_header(in->family);

	RIG_CHECK(in->length == out->length);
	RIG_CHECK(memcmp(in->bytes + l4 + 8, out->bytes + l4 + 8, in->length - l4 - 8) == 0);
	const uint16_t right = rig_l4_checksum(out->bytes, out->length);

	RIG_CHECK(get16(out->bytes + l4 + 6) == (right ? right : 0xffff));
}
