// SPDX-License-Identifier: BSD-2-Clause
// Sound frames for tests to spoil.

#include "frames.h"

#include <netinet/in.h>
#include <string.h>

static void put16(uint8_t *at, unsigned v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static unsigned get16(const uint8_t *at)
{
	return (unsigned)(at[0] << 8 | at[1]);
}

void frame_sum_ip(struct frame *f)
{
	uint8_t *ip = f->bytes + FRAME_IP;
	const size_t length = (ip[0] & 15u) * 4u;

	if (get16(f->bytes + 12) != 0x0800 || length < 20 || FRAME_IP + length > f->length)
		return;
	put16(ip + 10, 0);
	uint32_t sum = rig_sum(ip, length, 0);

	sum = (sum >> 16) + (sum & 0xffff);
	put16(ip + 10, ~((sum >> 16) + sum) & 0xffff);
}

void frame_sum(struct frame *f)
{
	uint8_t *ip = f->bytes + FRAME_IP;
	const unsigned type = get16(f->bytes + 12);
	const bool v4 = type == 0x0800 && f->length >= 34 && ip[0] >> 4 == 4;
	const bool v6 = type == 0x86dd && f->length >= 54 && ip[0] >> 4 == 6;
	size_t l4, total, field;
	uint8_t proto;

	frame_sum_ip(f);
	if (!v4 && !v6)
		return;
	l4 = FRAME_IP + (v4 ? (ip[0] & 15u) * 4u : 40);
	total = FRAME_IP + (v4 ? get16(ip + 2) : 40 + get16(ip + 4));
	proto = v4 ? ip[9] : ip[6];
	field = l4 + (proto == IPPROTO_TCP ? 16 : proto == IPPROTO_UDP ? 6 : 2);
	if (total > f->length || field + 2 > total || l4 < FRAME_IP + 20u)
		return;
	if (proto != IPPROTO_TCP && proto != IPPROTO_UDP && proto != IPPROTO_ICMP &&
		proto != IPPROTO_ICMPV6)
		return;
	put16(f->bytes + field, rig_l4_checksum(f->bytes, f->length));
}

static struct frame make_tcp(const struct rig *r, uint8_t family, bool syn)
{
	struct rig_tcp t = {
		.src = rig_client(family, 1),
		.dst = rig_service(r, family),
		.sport = 40001,
		.dport = RIG_PORT,
		.seq = 0x1000,
		.ack = syn ? 0 : 0x2000,
		.flags = syn ? RTE_TCP_SYN_FLAG : RTE_TCP_ACK_FLAG,
		.window = 1000,
		.payload = syn ? 0 : 32,
		.n_options = syn ? 20 : 0,
		.options = {2, 4, 5, 0x78, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7},
	};
	struct frame f;

	f.length = rig_tcp_build(r, &t, f.bytes);
	return f;
}

static struct frame make_options(const struct rig *r)
{
	struct frame f = make_tcp(r, POSTERN_V4, true);

	memmove(f.bytes + FRAME_TCP4_AT + 8, f.bytes + FRAME_TCP4_AT, f.length - FRAME_TCP4_AT);
	memset(f.bytes + FRAME_TCP4_AT, 1, 8);
	f.bytes[FRAME_IP] = 0x47;
	f.length += 8;
	put16(f.bytes + FRAME_IP + 2, (unsigned)f.length - FRAME_IP);
	frame_sum_ip(&f);
	return f;
}

static struct frame make_arp(const struct rig *r, bool reply)
{
	static const char who[] = "\x02\xaa\xcb\x00\x71\x63";
	const struct postern_addr target = rig_service(r, POSTERN_V4);
	struct frame f = {.length = 60};
	uint8_t *arp = f.bytes + 14;

	memset(f.bytes, 0xff, 6);
	memcpy(f.bytes + 6, who, 6);
	memcpy(f.bytes + 12, "\x08\x06\0\1\x08\0\6\4\0\1", 10);
	memcpy(arp + 8, who, 6);
	memcpy(arp + 14, "\xcb\x00\x71\x63", 4); // 203.0.113.99
	memcpy(arp + 24, &target.bytes[12], 4);
	if (reply) {
		const struct rte_ether_addr own = rig_own_mac(0);

		arp[7] = 2;
		memcpy(f.bytes, own.addr_bytes, 6);
		memcpy(arp + 18, own.addr_bytes, 6);
	}
	return f;
}

// Headers of a packet from the client, or from a station on the link for neighbour discovery.
static struct frame make_icmp(
	const struct rig *r, uint8_t family, const char *message, size_t length, uint8_t hops)
{
	const struct postern_addr src =
		hops == 255 ? rig_addr("2001:db8:1::99") : rig_client(family, 1);
	const struct postern_addr dst = rig_service(r, family);
	struct frame f = make_tcp(r, family, true);
	uint8_t *ip = f.bytes + FRAME_IP;
	const size_t at = FRAME_IP + (family == POSTERN_V4 ? 20 : 40);

	memcpy(f.bytes + at, message, length);
	f.length = at + length;
	if (family == POSTERN_V4) {
		put16(ip + 2, 20 + (unsigned)length);
		ip[9] = IPPROTO_ICMP;
		memcpy(ip + 12, &src.bytes[12], 4);
		memcpy(ip + 16, &dst.bytes[12], 4);
	} else {
		put16(ip + 4, (unsigned)length);
		ip[6] = IPPROTO_ICMPV6;
		ip[7] = hops;
		memcpy(ip + 8, src.bytes, 16);
		memcpy(ip + 24, dst.bytes, 16);
	}
	frame_sum(&f);
	return f;
}

static struct frame make_nd(const struct rig *r, bool advert)
{
	uint8_t message[32] = {advert ? 136 : 135};
	const struct postern_addr target =
		advert ? rig_addr("2001:db8:1::99") : rig_service(r, POSTERN_V6);

	message[4] = advert ? 0x60 : 0;
	memcpy(message + 8, target.bytes, 16);
	memcpy(message + 24, advert ? "\2\1\x02\xaa\0\0\0\x99" : "\1\1\x02\xaa\0\0\0\x99", 8);
	return make_icmp(r, POSTERN_V6, (const char *)message, sizeof(message), 255);
}

static struct frame make_udp(const struct rig *r, uint8_t family)
{
	const struct rig_udp u = {.src = rig_client(family, 1),
		.dst = rig_service(r, family),
		.sport = 40001,
		.dport = RIG_PORT,
		.payload = 24};
	struct frame f;

	f.length = rig_udp_build(&u, f.bytes);
	return f;
}

static struct frame make_error(const struct rig *r, uint8_t family)
{
	const struct rig_udp u = {.src = rig_service(r, family),
		.dst = rig_client(family, 1),
		.sport = RIG_PORT,
		.dport = 40001,
		.payload = 24};
	uint8_t message[128] = {family == POSTERN_V4 ? 3 : 1, family == POSTERN_V4 ? 3 : 4};
	uint8_t about[128];
	const size_t length = rig_udp_build(&u, about) - FRAME_IP;

	memcpy(message + 8, about + FRAME_IP, length);
	return make_icmp(r, family, (const char *)message, 8 + length, 60);
}

static struct frame make_fragment(const struct rig *r, uint8_t family)
{
	struct frame f = make_udp(r, family);

	if (family == POSTERN_V4) {
		put16(f.bytes + FRAME_IP + 6, 0x2000);
		frame_sum_ip(&f);
		return f;
	}
	memmove(f.bytes + FRAME_TCP6_AT + 8, f.bytes + FRAME_TCP6_AT, 32);
	memcpy(f.bytes + FRAME_TCP6_AT, "\x11\0\0\1\0\0\0\7", 8);
	f.bytes[FRAME_IP + 6] = 44;
	f.length += 8;
	put16(f.bytes + FRAME_IP + 4, 40);
	return f;
}

static struct frame make_extended(const struct rig *r)
{
	struct frame f = make_tcp(r, POSTERN_V6, true);

	memmove(f.bytes + FRAME_TCP6_AT + 16, f.bytes + FRAME_TCP6_AT, f.length - FRAME_TCP6_AT);
	memcpy(f.bytes + FRAME_TCP6_AT, "\x3c\0\1\4\0\0\0\0\6\0\1\4\0\0\0\0", 16);
	f.bytes[FRAME_IP + 6] = 0;
	f.length += 16;
	put16(f.bytes + FRAME_IP + 4, (unsigned)f.length - FRAME_TCP6_AT);
	return f;
}

struct frame frame_make(const struct rig *r, enum frame_kind kind)
{
	switch (kind) {
	case FRAME_TCP4:
		return make_tcp(r, POSTERN_V4, true);
	case FRAME_TCP6:
		return make_tcp(r, POSTERN_V6, true);
	case FRAME_DATA4:
		return make_tcp(r, POSTERN_V4, false);
	case FRAME_DATA6:
		return make_tcp(r, POSTERN_V6, false);
	case FRAME_OPTIONS4:
		return make_options(r);
	case FRAME_ARP:
		return make_arp(r, false);
	case FRAME_ARP_REPLY:
		return make_arp(r, true);
	case FRAME_ECHO4:
		return make_icmp(r, POSTERN_V4, "\x08\0\0\0\x12\x34\0\1abcdefgh", 16, 60);
	case FRAME_ECHO6:
		return make_icmp(r, POSTERN_V6, "\x80\0\0\0\x12\x34\0\1abcdefgh", 16, 60);
	case FRAME_NS:
		return make_nd(r, false);
	case FRAME_UDP4:
	case FRAME_UDP6:
		return make_udp(r, kind == FRAME_UDP6 ? POSTERN_V6 : POSTERN_V4);
	case FRAME_ERROR4:
	case FRAME_ERROR6:
		return make_error(r, kind == FRAME_ERROR6 ? POSTERN_V6 : POSTERN_V4);
	case FRAME_FRAGMENT4:
	case FRAME_FRAGMENT6:
		return make_fragment(r, kind == FRAME_FRAGMENT6 ? POSTERN_V6 : POSTERN_V4);
	case FRAME_EXTENDED6:
		return make_extended(r);
	default:
		return make_nd(r, true);
	}
}
