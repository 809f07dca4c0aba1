// SPDX-License-Identifier: BSD-2-Clause
// Any order of packets, times, health words and configurations. The input is a script: its first
// bytes make the rig, each following byte names an action, which takes its operands from the bytes
// behind it. After each action everything that the steering keeps must agree; at the end every
// packet buffer must be back.

#include "unit/frames.h"
#include "unit/rig.h"

#include <rte_byteorder.h>

#include <errno.h>
#include <string.h>

#define PEERS 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Eight pairs of a client and whoever answers it.
struct peer {
	struct postern_addr nat, member;
	uint16_t nat_port;
	uint32_t next[DIRECTIONS];
};

struct script {
	const uint8_t *data;
	size_t size, at;
	struct rig *r;
	struct peer peers[PEERS];
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

// Learns from a packet that goes to a member where the peer's answers come from.
static void learn(struct script *s, struct peer *peer)
{
	const struct rig_packet *p;

	while ((p = rig_take(s->r)) != NULL) {
		const uint8_t *ip = p->bytes + FRAME_IP;
		const bool v4 = p->bytes[12] == 0x08 && p->bytes[13] == 0 && ip[9] == 6;
		const bool v6 = p->bytes[12] == 0x86 && ip[6] == 6;
		const size_t l4 = v4 ? FRAME_TCP4_AT : FRAME_TCP6_AT;

		s->last = *p;
		if (peer == NULL || (!v4 && !v6) || p->length < l4 + 20)
			continue;
		if (rte_cpu_to_be_16(RIG_MEMBER_PORT) !=
			(uint16_t)(p->bytes[l4 + 2] | p->bytes[l4 + 3] << 8))
			continue;
		peer->nat_port = (uint16_t)(p->bytes[l4] << 8 | p->bytes[l4 + 1]);
		if (v4) {
			memcpy(&peer->nat, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
			memcpy(&peer->member, &peer->nat, 12);
			memcpy(&peer->nat.bytes[12], ip + 12, 4);
			memcpy(&peer->member.bytes[12], ip + 16, 4);
		} else {
			memcpy(&peer->nat, ip + 8, 16);
			memcpy(&peer->member, ip + 24, 16);
		}
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
		.sport = client ? (uint16_t)(40000 + n) : RIG_MEMBER_PORT,
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
	};

	if (b & 0x80)
		world.times = (struct postern_session_times){1000, 2000, 3000, 4000};
	rig_adopt(s->r, &world);
	learn(s, NULL);
}

// A sound frame with some bytes changed.
static void do_spoilt(struct script *s)
{
	const uint8_t kind = take(s), how = take(s);
	struct frame f = frame_make(s->r, kind % FRAME_KINDS);

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
	RIG_CHECK(n == postern_sessions_in_use(s->r->dp));
	postern_events_take(s->r->dp, events, 8);
	steer_take_event_mark(s->r->w->steer);
}

static void act(struct script *s)
{
	switch (take(s) % 16) {
	case 0 ... 6:
		do_segment(s);
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
	const uint8_t a = take(&s), b = take(&s);
	const struct rig_options o = {
		.world = {.one_arm = a & 1,
			.members = 1 + (a >> 1 & 3),
			.translate = 1 + (a >> 3 & 1),
			.observe_fall = a >> 4 & 3,
			.second_service = a & 0x40},
		.sessions = 1 + b % 8u,
		.tx_checksum = b & 0x40,
		.rx_checksum = b & 0x80,
		// The clock of 32-bit milliseconds may wrap on the way.
		.start_us = b & 0x20 ? (1ull << 32) * RIG_MS - 100 * RIG_S : 0,
		.announces = b & 0x10,
		.deaf = a & 0x80,
		.secret = 0x5c,
	};

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
