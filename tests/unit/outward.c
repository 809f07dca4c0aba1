// SPDX-License-Identifier: BSD-2-Clause
// A member and a host outside that talk through a rig without a service.

#include "outward.h"

#include <netinet/in.h>

struct outward outward_new(
	struct rig *r, uint8_t family, bool udp, unsigned member, unsigned outside)
{
	// Numbers that wrap soon: what goes wrong at 2^32 goes wrong here.
	return (struct outward){
		.r = r,
		.family = family,
		.udp = udp,
		.outside = rig_client(family, outside),
		.member = rig_member(family, member),
		.seen = rig_seen(&r->world, family, member),
		.outside_port = RIG_OUT_FIRST,
		.member_port = (uint16_t)(30000 + outside % 1000),
		.next = {0xffffff00u + outside, 0xfffffe00u + outside * 7},
	};
}

static uint16_t interface_of(const struct outward *o, unsigned side)
{
	return o->r->world.one_arm || side == FROM_CLIENT ? RIG_OUTSIDE : RIG_INSIDE;
}

struct rig_tcp outward_segment(
	const struct outward *o, unsigned from, uint8_t flags, uint16_t payload)
{
	const bool outside = from == FROM_CLIENT;

	return (struct rig_tcp){
		.interface = interface_of(o, from),
		.src = outside ? o->outside : o->member,
		.dst = outside ? o->seen : o->outside,
		.sport = outside ? o->outside_port : o->member_port,
		.dport = outside ? o->seen_port : o->outside_port,
		.seq = o->next[from],
		.ack = flags & RTE_TCP_ACK_FLAG ? o->next[!from] : 0,
		.flags = flags,
		.ttl = 60,
		.window = 8000,
		.payload = payload,
	};
}

struct rig_udp outward_datagram(const struct outward *o, unsigned from, uint16_t payload)
{
	const struct rig_tcp s = outward_segment(o, from, 0, payload);

	return (struct rig_udp){
		.interface = s.interface,
		.src = s.src,
		.dst = s.dst,
		.sport = s.sport,
		.dport = s.dport,
		.ttl = 60,
		.payload = payload,
		.mark = 0x4321,
	};
}

void outward_put(struct outward *o, unsigned from, uint8_t flags, uint16_t payload)
{
	const struct rig_tcp s = outward_segment(o, from, flags, payload);
	const struct rig_udp u = outward_datagram(o, from, payload);

	RIG_CHECK(rig_waiting(o->r) == 0);
	if (o->udp) {
		rig_udp_put(o->r, &u);
		return;
	}
	rig_tcp_put(o->r, &s);
	o->next[from] += payload;
	o->next[from] += (flags & (RTE_TCP_FIN_FLAG | RTE_TCP_SYN_FLAG)) != 0;
}

static void check_addresses(const struct outward *o, unsigned from, uint16_t interface,
	const struct postern_addr *src, const struct postern_addr *dst)
{
	const bool outside = from == FROM_CLIENT;

	RIG_CHECK(interface == interface_of(o, !from));
	RIG_CHECK(postern_addr_equal(src, outside ? &o->outside : &o->seen));
	RIG_CHECK(postern_addr_equal(dst, outside ? &o->member : &o->outside));
}

static void take(struct outward *o, unsigned from, uint8_t flags, uint32_t seq, uint16_t payload)
{
	const bool outside = from == FROM_CLIENT;
	uint16_t sport, dport;

	RIG_CHECK(rig_waiting(o->r) == 1);
	if (o->udp) {
		const struct rig_udp u = rig_udp_take(o->r);

		RIG_CHECK(u.ttl == 59 && u.payload == payload && u.checksum_error == 0);
		RIG_CHECK(payload < 2 || u.mark == 0x4321);
		check_addresses(o, from, u.interface, &u.src, &u.dst);
		sport = u.sport;
		dport = u.dport;
	} else {
		const struct rig_tcp s = rig_tcp_take(o->r);

		RIG_CHECK(s.ttl == 59 && s.payload == payload && s.checksum_error == 0);
		RIG_CHECK(s.flags == flags && s.seq == seq);
		RIG_CHECK(!(flags & RTE_TCP_ACK_FLAG) || s.ack == o->next[!from]);
		check_addresses(o, from, s.interface, &s.src, &s.dst);
		sport = s.sport;
		dport = s.dport;
	}
	if (!outside && o->seen_port == 0)
		o->seen_port = sport;
	RIG_CHECK(sport == (outside ? o->outside_port : o->seen_port));
	RIG_CHECK(dport == (outside ? o->member_port : o->outside_port));
}

void outward_send(struct outward *o, unsigned from, uint8_t flags, uint16_t payload)
{
	const uint32_t seq = o->next[from];

	outward_put(o, from, flags, payload);
	take(o, from, flags, seq, payload);
}

void outward_begin(struct outward *o)
{
	const bool routed = o->r->world.outbound == RIG_OUTBOUND_ROUTE;

	o->seen_port = 0;
	outward_send(o, FROM_MEMBER, OUT_SYN, o->udp ? 33 : 0);
	RIG_CHECK(o->seen_port >= 1024 && (!routed || o->seen_port == o->member_port));
}

void outward_open(struct outward *o)
{
	outward_begin(o);
	outward_send(o, FROM_CLIENT, OUT_SYN | OUT_ACK, 0);
	outward_send(o, FROM_MEMBER, OUT_ACK, 0);
}

void outward_open_inbound(struct outward *o)
{
	o->seen_port = o->member_port;
	outward_send(o, FROM_CLIENT, OUT_SYN, 0);
	outward_send(o, FROM_MEMBER, OUT_SYN | OUT_ACK, 0);
	outward_send(o, FROM_CLIENT, OUT_ACK, 0);
}

bool outward_read(const struct outward *o, struct postern_session *out)
{
	uint64_t cursor = 0;
	int rc;

	while ((rc = postern_session_next(o->r->dp, &cursor, 1000, out)) != 0)
		if (rc == 1 && out->kind != POSTERN_SESSION_SERVICE &&
			out->protocol == (o->udp ? IPPROTO_UDP : IPPROTO_TCP) &&
			out->member_port == o->member_port && out->client.port == o->outside_port &&
			postern_addr_equal(&out->client.addr, &o->outside))
			return true;
	return false;
}

int outward_state(const struct outward *o)
{
	struct postern_session s;

	return outward_read(o, &s) ? (int)s.state : -1;
}

void outward_take_resets(struct outward *o)
{
	bool told[DIRECTIONS] = {false, false};

	while (rig_waiting(o->r) > 0) {
		const struct rig_tcp s = rig_tcp_take(o->r);
		const unsigned to =
			postern_addr_equal(&s.dst, &o->member) ? FROM_MEMBER : FROM_CLIENT;

		RIG_CHECK((s.flags & RTE_TCP_RST_FLAG) && s.checksum_error == 0);
		check_addresses(o, !to, s.interface, &s.src, &s.dst);
		RIG_CHECK(s.dport == (to == FROM_MEMBER ? o->member_port : o->outside_port));
		RIG_CHECK(s.sport == (to == FROM_MEMBER ? o->outside_port : o->seen_port));
		told[to] |= s.seq == o->next[!to];
	}
	RIG_CHECK(told[FROM_CLIENT] && told[FROM_MEMBER]);
}
