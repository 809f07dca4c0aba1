// SPDX-License-Identifier: BSD-2-Clause
// Any order of packets, times, health words and configurations. The input is a script: its first
// bytes make the rig, each following byte names an action, which takes its operands from the bytes
// behind it. After each action everything that the steering keeps must agree; at the end every
// packet buffer must be back.

#include "unit/frames.h"
#include "unit/rig.h"

#include <rte_byteorder.h>

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#define PEERS 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Eight pairs of a client and whoever answers it.
struct peer {
	struct postern_addr nat, member;
	uint16_t nat_port, member_port;
	uint32_t next[DIRECTIONS];
};

// A flow without a service.
struct through {
	uint16_t seen_port;
	uint32_t next[DIRECTIONS];
};

struct script {
	const uint8_t *data;
	size_t size, at;
	struct rig *r;
	struct peer peers[PEERS];
	struct through through[PEERS][2];
	struct rig_packet last; // what came out
};

static uint8_t take(struct script *s)
{
	return s->at < s->size ? s->data[s->at++] : 0;
}

static uint16_t side_interface(const struct script *s, unsigned from)
{
	return from == FROM_CLIENT || s->r->world.one_arm ? RIG_OUTSIDE : RIG_INSIDE;
}

static bool is_member(const struct postern_addr *a)
{
	const struct postern_addr first =
		rig_member(postern_addr_is_v4(a) ? POSTERN_V4 : POSTERN_V6, 0);

	return memcmp(a->bytes, first.bytes, 15) == 0 && rig_member_number(a) < RIG_MEMBERS_MAX;
}

// Learns from a packet that goes to a member where the peer's answers come from.
static void learn(struct script *s, struct peer *peer)
{
	const struct rig_packet *p;

	while ((p = rig_take(s->r)) != NULL) {
		const uint8_t *ip = p->bytes + FRAME_IP;
		const bool v4 = p->bytes[12] == 0x08 && p->bytes[13] == 0;
		const bool v6 = p->bytes[12] == 0x86;
		const size_t l4 = v4 ? FRAME_TCP4_AT : FRAME_TCP6_AT;
		const uint8_t proto = v4 ? ip[9] : ip[6];
		struct postern_addr src = {0}, dst = {0};

		s->last = *p;
		if (peer == NULL || (!v4 && !v6) || p->length < l4 + 8 ||
			(proto != IPPROTO_TCP && proto != IPPROTO_UDP))
			continue;
		if (v4) {
			src = dst = rig_member(POSTERN_V4, 0);
			memcpy(&src.bytes[12], ip + 12, 4);
			memcpy(&dst.bytes[12], ip + 16, 4);
		} else {
			memcpy(src.bytes, ip + 8, 16);
			memcpy(dst.bytes, ip + 24, 16);
		}
		if (!is_member(&dst))
			continue;
		peer->nat = src;
		peer->member = dst;
		peer->nat_port = (uint16_t)(p->bytes[l4] << 8 | p->bytes[l4 + 1]);
		peer->member_port = (uint16_t)(p->bytes[l4 + 2] << 8 | p->bytes[l4 + 3]);
	}
}

// A segment of one of the pairs: which one and its side, flags, how far off its numbers are.
static void do_segment(struct script *s)
{
	static const uint32_t off[8] = {0, 1, -1u, 1000, -1000u, 0x10000, 0x40000000, 0x80000000};
	static const uint8_t usual[8] = {RTE_TCP_SYN_FLAG, RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG,
		RTE_TCP_ACK_FLAG, RTE_TCP_ACK_FLAG | RTE_TCP_PSH_FLAG,
		RTE_TCP_ACK_FLAG | RTE_TCP_FIN_FLAG, RTE_TCP_RST_FLAG,
		RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG, RTE_TCP_SYN_FLAG};
	const uint8_t who = take(s), what = take(s), how = take(s);
	const unsigned n = who % PEERS, from = who >> 3 & 1;
	const uint8_t family = n & 1 ? POSTERN_V6 : POSTERN_V4;
	struct peer *peer = &s->peers[n];
	const bool client = from == FROM_CLIENT;
	struct rig_tcp t = {
		.interface = side_interface(s, from),
		.src = client ? rig_client(family, n + 1) : peer->member,
		.dst = client ? rig_service(s->r, family) : peer->nat,
		.sport = client ? (uint16_t)(40000 + n) : peer->member_port,
		.dport = client ? (who & 0x10 ? RIG_PORT_MORE : RIG_PORT) : peer->nat_port,
		.flags = what & 0x80 ? what & 0x3f : usual[what & 7],
		.seq = peer->next[from] + off[how & 7],
		.ack = peer->next[!from] + off[how >> 3 & 7],
		.window = 1000,
		.payload = (uint16_t)(what & 0x80 ? 0 : (what >> 3 & 3) * 7),
		.checksum_error = how & 0x80 ? 1 : 0,
	};

	if (!client && postern_addr_is_none(&peer->nat))
		return;
	if (how & 0x40)
		for (t.n_options = 0; t.n_options < 40; t.n_options++)
			t.options[t.n_options] = take(s);
	rig_tcp_put(s->r, &t);
	if ((how & 7) == 0)
		peer->next[from] +=
			t.payload + ((t.flags & (RTE_TCP_SYN_FLAG | RTE_TCP_FIN_FLAG)) != 0);
	learn(s, peer);
}

// A datagram of one of the pairs: which one and its side, how many bytes, and which are wrong.
static void do_datagram(struct script *s)
{
	const uint8_t who = take(s), how = take(s), size = take(s);
	const unsigned n = who % PEERS, from = who >> 3 & 1;
	const uint8_t family = n & 1 ? POSTERN_V6 : POSTERN_V4;
	struct peer *peer = &s->peers[n];
	const bool client = from == FROM_CLIENT;
	const struct rig_udp u = {
		.interface = side_interface(s, from),
		.src = client ? rig_client(family, n + 1) : peer->member,
		.dst = client ? rig_service(s->r, family) : peer->nat,
		.sport = client ? (uint16_t)(40000 + n) : peer->member_port,
		.dport = client ? (uint16_t)(RIG_PORT + (who >> 4 & 3)) : peer->nat_port,
		.ttl = how & 1 ? 1 : 60,
		.no_checksum = how & 2,
		.checksum_error = how >> 2 & 1,
		.length = how & 8 ? size : 0,
		.payload = (uint16_t)(size * 7 > 1400 ? 1400 : size * 7),
	};

	if (!client && postern_addr_is_none(&peer->nat))
		return;
	rig_udp_put(s->r, &u);
	learn(s, peer);
}

// A packet of a flow without a service: which member and host, who sends, over what; ports that rules
// allow and others, and strangers as either side.
static void do_through(struct script *s)
{
	static const uint8_t usual[8] = {RTE_TCP_SYN_FLAG, RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG,
		RTE_TCP_ACK_FLAG, RTE_TCP_ACK_FLAG | RTE_TCP_FIN_FLAG, RTE_TCP_RST_FLAG,
		RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG, RTE_TCP_SYN_FLAG, RTE_TCP_ACK_FLAG};
	const uint8_t who = take(s), what = take(s), how = take(s);
	const unsigned n = who % PEERS, from = who >> 3 & 1;
	const uint8_t family = n & 1 ? POSTERN_V6 : POSTERN_V4;
	const bool outside = from == FROM_CLIENT, udp = who & 0x10;
	const struct postern_addr host =
		how & 0x20 ? rig_member(family, 1) : rig_client(family, n + (how & 0x40 ? 256 : 0));
	const struct postern_addr member = rig_member(family, how & 0x80 ? 20 : 0);
	struct through *t = &s->through[n][udp];
	const uint16_t hosts_port = (uint16_t)(RIG_OUT_FIRST + (what >> 6));
	const uint16_t own_port = (uint16_t)(who & 0x20 ? RIG_IN_FIRST : 30000 + (who >> 6));
	const struct rig_tcp seg = {
		.interface = side_interface(s, from),
		.src = outside ? host : member,
		.dst = outside ? rig_seen(&s->r->world, family, 0) : host,
		.sport = outside ? hosts_port : own_port,
		.dport = !outside     ? hosts_port
			 : who & 0x20 ? own_port
				      : t->seen_port,
		.flags = usual[what & 7],
		.seq = t->next[from] + (how >> 1 & 3),
		.ack = t->next[!from],
		.window = 1000,
		.ttl = how & 1 ? 1 : 60,
		.payload = (uint16_t)((what >> 3 & 7) * 9),
	};
	const struct rig_udp datagram = {.interface = seg.interface,
		.src = seg.src,
		.dst = seg.dst,
		.sport = seg.sport,
		.dport = seg.dport,
		.ttl = seg.ttl,
		.payload = seg.payload};

	if (udp)
		rig_udp_put(s->r, &datagram);
	else
		rig_tcp_put(s->r, &seg);
	t->next[from] +=
		seg.payload + ((seg.flags & (RTE_TCP_SYN_FLAG | RTE_TCP_FIN_FLAG)) != 0 ? 1u : 0u);
	learn(s, NULL);
	const size_t l4 = family == POSTERN_V4 ? FRAME_TCP4_AT : FRAME_TCP6_AT;

	if (!outside && s->last.length > l4 + 2)
		t->seen_port = (uint16_t)(s->last.bytes[l4] << 8 | s->last.bytes[l4 + 1]);
}

// An error about what came out last, from where it went or elsewhere, with a few bytes spoilt.
static void do_error(struct script *s)
{
	static const uint8_t types[2][4] = {{3, 11, 12, 4}, {1, 2, 3, 4}};
	const uint8_t how = take(s), code = take(s);
	const struct rig_packet about = s->last;
	const bool v6 = about.bytes[12] == 0x86;
	const size_t header = v6 ? 40 : 20;
	struct postern_addr src = rig_addr(v6 ? "2001:db8:7::7" : "192.0.2.7"), dst = src;
	struct frame f;

	if (about.length < FRAME_IP + header + 8)
		return;
	const size_t there = about.length - (size_t)FRAME_IP;
	const size_t quote = RTE_MIN(RTE_MIN(there, header + 8u + code / 4u), (size_t)256);

	memcpy(dst.bytes + (v6 ? 0 : 12), about.bytes + FRAME_IP + (v6 ? 8 : 12), v6 ? 16 : 4);
	rig_headers_put(how & 4 ? RIG_OUTSIDE : about.interface, &src, &dst, how & 8 ? 1 : 60,
		v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, (unsigned)(8 + quote), f.bytes);
	f.length = FRAME_IP + header + 8 + quote;
	uint8_t *icmp = f.bytes + FRAME_IP + header;

	memset(icmp, 0, 8);
	icmp[0] = types[v6][how & 3];
	icmp[1] = code & 7;
	memcpy(icmp + 8, about.bytes + FRAME_IP, quote);
	for (unsigned i = 0; i < (how >> 4 & 3); i++) {
		const uint8_t at = take(s);

		icmp[8 + at % quote] ^= take(s);
	}
	frame_sum(&f);
	rig_put(s->r, how & 4 ? RIG_OUTSIDE : about.interface, f.bytes, f.length);
	learn(s, NULL);
}

// A piece of a packet for a pair's client or member: where it begins, how long it is, whether more comes.
static void do_fragment(struct script *s)
{
	const uint8_t who = take(s), offset = take(s), length = take(s), how = take(s);
	const unsigned n = who % PEERS, from = who >> 3 & 1;
	const bool v6 = n & 1, client = from == FROM_CLIENT, more = how & 1;
	const uint8_t family = v6 ? POSTERN_V6 : POSTERN_V4;
	const struct peer *peer = &s->peers[n];
	const struct postern_addr src = client ? rig_client(family, n + 1) : peer->member;
	const struct postern_addr dst = client ? rig_service(s->r, family) : peer->nat;
	const unsigned size = more && !(how & 2) ? length * 8u % 1024 : length;
	const unsigned field = how & 4 ? 65528u - offset * 8u : offset * 8u;
	uint8_t frame[2048];
	size_t at;

	if (!client && postern_addr_is_none(&peer->nat))
		return;
	at = rig_headers_put(side_interface(s, from), &src, &dst, 60, v6 ? 44 : IPPROTO_UDP,
		size + (v6 ? 8u : 0u), frame);
	if (v6) {
		const uint8_t header[8] = {IPPROTO_UDP, 0, (uint8_t)(field >> 8),
			(uint8_t)(field | more), 0, 0, 0, how >> 4};

		memcpy(frame + at, header, 8);
		at += 8;
	} else {
		struct frame f = {.length = at};

		frame[FRAME_IP + 5] = how >> 4;
		frame[FRAME_IP + 6] =
			(uint8_t)((how & 8u) << 3 | (unsigned)more << 5 | field >> 11);
		frame[FRAME_IP + 7] = (uint8_t)(field >> 3);
		memcpy(f.bytes, frame, at);
		frame_sum_ip(&f);
		memcpy(frame, f.bytes, at);
	}
	memset(frame + at, offset, size);
	if (field == 0 && size >= 8) {
		const uint16_t sport = client ? (uint16_t)(40000 + n) : peer->member_port;
		const uint16_t dport = client ? RIG_PORT : peer->nat_port;
		const uint8_t udp[8] = {(uint8_t)(sport >> 8), (uint8_t)sport,
			(uint8_t)(dport >> 8), (uint8_t)dport, take(s), take(s), 1, 1};

		memcpy(frame + at, udp, 8);
	}
	rig_put(s->r, side_interface(s, from), frame, at + size);
	learn(s, NULL);
}

static void do_time(struct script *s)
{
	static const uint32_t ms[16] = {1, 8, 100, 300, 500, 1000, 3000, 10000, 30000, 31000, 60000,
		61000, 120000, 121000, 1800000, 3000000};

	rig_advance(s->r, ms[take(s) % 16] * RIG_MS);
	learn(s, NULL);
}

static void do_health(struct script *s)
{
	const uint8_t which = take(s);
	const uint16_t first = which & 0x40 ? RIG_MEMBER_V6 : RIG_MEMBER_V4;

	rig_health(s->r, (uint16_t)(first + which % 4), which >> 4 & 3);
	learn(s, NULL);
}

static void outbound(struct rig_world *world, uint8_t how)
{
	world->outbound = how & 3;
	world->outbound_near = how & 4;
	world->outbound_other = how & 8;
	world->outbound_last = how & 0x10 ? RIG_OUT_FIRST : 0;
	world->flows_per_member = how >> 5;
}

static void do_adopt(struct script *s)
{
	const uint8_t a = take(s), b = take(s);
	struct rig_world world = {
		.one_arm = s->r->world.one_arm,
		.translate = s->r->world.translate,
		.members = 1 + a % 4,
		.without = a >> 2 & 0xf,
		.no_service = a & 0x40,
		.second_service = a & 0x80,
		.no_gateway = b & 1,
		.observe_fall = b >> 1 & 3,
		.udp = s->r->world.udp,
		.twin = s->r->world.twin,
		.destination = s->r->world.destination != (b >> 3 & 1),
		.affinity = b >> 4 & 1,
		.try_all = b >> 5 & 1,
	};

	if (world.destination && (b & 0x40))
		world.last_port = RIG_PORT + 2;
	outbound(&world, b & 0x10 ? take(s) : 0);
	if (b & 0x80)
		world.times = (struct postern_session_times){1000, 2000, 3000, 4000};
	rig_adopt(s->r, &world);
	learn(s, NULL);
}

// A sound frame with some bytes changed.
static void do_spoilt(struct script *s)
{
	const uint8_t kind = take(s), how = take(s);
	struct frame f = frame_make(s->r, kind % FRAME_ALL_KINDS);

	for (unsigned i = 0; i < how % 8u; i++) {
		const uint8_t at = take(s);

		f.bytes[at % f.length] = take(s);
	}
	if (how & 0x80)
		frame_sum(&f);
	else if (how & 0x40)
		frame_sum_ip(&f);
	if (how & 0x20)
		f.length -= take(s) % f.length;
	rig_put(s->r, how & 0x10 ? side_interface(s, FROM_MEMBER) : RIG_OUTSIDE, f.bytes, f.length);
	learn(s, NULL);
}

static void do_raw(struct script *s)
{
	const uint8_t how = take(s);
	struct frame f = {.length = take(s)};

	for (size_t i = 0; i < f.length; i++)
		f.bytes[i] = take(s);
	rig_put(s->r, how & 1 ? side_interface(s, FROM_MEMBER) : RIG_OUTSIDE, f.bytes, f.length);
	learn(s, NULL);
}

// What came out last comes back, from where it went or on the other side.
static void do_reflect(struct script *s)
{
	const uint8_t how = take(s);
	struct rig_packet p = s->last;
	const uint16_t to = how & 1 ? side_interface(s, FROM_MEMBER) : RIG_OUTSIDE;
	const struct rte_ether_addr own = rig_own_mac(to);

	if (p.length == 0)
		return;
	memcpy(p.bytes, own.addr_bytes, 6);
	if (how & 2)
		memcpy(p.bytes + 6, "\x02\xbb\0\0\0\1", 6);
	rig_put(s->r, to, p.bytes, p.length);
	learn(s, NULL);
}

static void do_read(struct script *s)
{
	struct postern_session one, same;
	struct postern_event events[8];
	uint64_t cursor = 0;
	uint32_t n = 0;
	int rc;

	while ((rc = postern_session_next(s->r->dp, &cursor, 1 + take(s) % 8, &one)) != 0) {
		if (rc == -EAGAIN)
			continue;
		n++;
		RIG_CHECK(one.state < POSTERN_SESSION_STATES);
		RIG_CHECK(postern_session_get(
				  s->r->dp, one.worker, one.slot, one.generation, &same) == 0);
	}
	RIG_CHECK(n == postern_sessions_in_use(s->r->dp) + postern_flows_in_use(s->r->dp));
	postern_events_take(s->r->dp, events, 8);
	steer_take_event_mark(s->r->w->steer);
}

static void act(struct script *s)
{
	switch (take(s) % 32) {
	case 0 ... 6:
	case 29 ... 30:
		do_segment(s);
		break;
	case 16 ... 18:
		do_datagram(s);
		break;
	case 19 ... 22:
		do_error(s);
		break;
	case 31:
		do_through(s);
		break;
	case 23 ... 28:
		do_fragment(s);
		break;
	case 7:
	case 8:
		do_time(s);
		break;
	case 9:
		do_health(s);
		break;
	case 10:
		do_adopt(s);
		break;
	case 11:
	case 12:
		do_spoilt(s);
		break;
	case 13:
		do_raw(s);
		break;
	case 14:
		do_reflect(s);
		break;
	default:
		do_read(s);
		s->r->deaf = take(s) & 1;
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct script s;
	// Longer scripts find nothing that shorter ones do not, and take their time.
	const unsigned actions = 200;

	s = (struct script){.data = data, .size = size};
	const uint8_t a = take(&s), b = take(&s), c = b & 8 ? take(&s) : 0;
	struct rig_options o = {
		.world = {.one_arm = a & 1,
			.members = 1 + (a >> 1 & 3),
			.translate = 1 + (a >> 3 & 1),
			.observe_fall = a >> 4 & 3,
			.second_service = a & 0x40,
			.udp = c & 1,
			.twin = c & 2,
			.destination = c & 4,
			.affinity = c >> 3 & 1,
			.try_all = c & 0x10,
			.mtu = c & 0x20 ? 600 : 0},
		.sessions = 1 + b % 8u,
		.flows = 1 + b % 4u,
		.tx_checksum = b & 0x40,
		.rx_checksum = b & 0x80,
		// The clock of 32-bit milliseconds may wrap on the way.
		.start_us = b & 0x20 ? (1ull << 32) * RIG_MS - 100 * RIG_S : 0,
		.announces = b & 0x10,
		.deaf = a & 0x80,
		.secret = 0x5c,
	};

	if (o.world.destination && (c & 0x40))
		o.world.last_port = RIG_PORT + 2;
	if (c & 0x80)
		outbound(&o.world, take(&s));
	s.r = rig_new(&o);
	for (unsigned i = 0; i < PEERS; i++)
		s.peers[i].next[FROM_CLIENT] = i & 2 ? 0xfffffff0 : 0x1000;
	for (unsigned i = 0; i < actions && s.at < s.size; i++) {
		act(&s);
		rig_check_steer(s.r);
	}
	rig_free(s.r);
	return 0;
}
