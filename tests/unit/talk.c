// SPDX-License-Identifier: BSD-2-Clause
// A client and a member that talk through a rig.

#include "talk.h"

#include <string.h>

static uint16_t interface_of(const struct talk *t, unsigned side)
{
	return t->r->world.one_arm || side == FROM_CLIENT ? RIG_OUTSIDE : RIG_INSIDE;
}

struct talk talk_new(struct rig *r, uint8_t family, unsigned client)
{
	// Numbers that wrap soon: what goes wrong at 2^32 goes wrong here.
	return (struct talk){
		.r = r,
		.family = family,
		.client = rig_client(family, client),
		.service = rig_service(r, family),
		.client_port = (uint16_t)(40000 + client % 20000),
		.service_port = RIG_PORT,
		.member_port = RIG_MEMBER_PORT,
		.next = {0xffffff00u + client, 0xfffffe00u + client * 7},
		.window = 8000,
		.n_options = 20,
		// MSS 1400, SACK, timestamps 0x01020304 and 0, NOP, window scale 7
		.options = {2, 4, 5, 0x78, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7},
	};
}

struct rig_tcp talk_segment(const struct talk *t, unsigned from, uint8_t flags, uint16_t payload)
{
	const bool client = from == FROM_CLIENT;
	struct rig_tcp s = {
		.interface = interface_of(t, from),
		.src = client ? t->client : t->member,
		.dst = client ? t->service : t->nat,
		.sport = client ? t->client_port : t->member_port,
		.dport = client ? t->service_port : t->nat_port,
		.seq = t->next[from],
		.ack = flags & RTE_TCP_ACK_FLAG ? t->next[!from] : 0,
		.flags = flags,
		.ttl = 60,
		.window = t->window,
		.payload = payload,
	};

	if (flags & RTE_TCP_SYN_FLAG) {
		s.n_options = t->n_options;
		memcpy(s.options, t->options, t->n_options);
	}
	return s;
}

static void check_same(const struct rig_tcp *in, const struct rig_tcp *out)
{
	RIG_CHECK(out->seq == in->seq);
	RIG_CHECK(out->ack == in->ack);
	RIG_CHECK(out->flags == in->flags);
	RIG_CHECK(out->window == in->window);
	RIG_CHECK(out->payload == in->payload);
	RIG_CHECK(out->ttl == in->ttl - 1);
	RIG_CHECK(out->checksum_error == in->checksum_error);
	RIG_CHECK(out->n_options == in->n_options);
	RIG_CHECK(memcmp(out->options, in->options, in->n_options) == 0);
}

void talk_through(struct talk *t, unsigned from, const struct rig_tcp *in)
{
	const bool client = from == FROM_CLIENT;

	RIG_CHECK(rig_waiting(t->r) == 0);
	rig_tcp_put(t->r, in);
	RIG_CHECK(rig_waiting(t->r) == 1);
	const struct rig_tcp out = rig_tcp_take(t->r);

	check_same(in, &out);
	RIG_CHECK(out.interface == interface_of(t, !from));
	RIG_CHECK(postern_addr_equal(&out.src, client ? &t->nat : &t->service));
	RIG_CHECK(postern_addr_equal(&out.dst, client ? &t->member : &t->client));
	RIG_CHECK(out.sport == (client ? t->nat_port : t->service_port));
	RIG_CHECK(out.dport == (client ? t->member_port : t->client_port));
}

static void move_on(struct talk *t, unsigned from, uint8_t flags, uint16_t payload)
{
	if (flags & RTE_TCP_ACK_FLAG)
		t->acked[from] = t->next[!from];
	t->next[from] += payload;
	if (flags & (RTE_TCP_FIN_FLAG | RTE_TCP_SYN_FLAG))
		t->next[from]++;
}

void talk_send(struct talk *t, unsigned from, uint8_t flags, uint16_t payload)
{
	const struct rig_tcp s = talk_segment(t, from, flags, payload);

	talk_through(t, from, &s);
	move_on(t, from, flags, payload);
}

void talk_put(struct talk *t, unsigned from, uint8_t flags, uint16_t payload)
{
	const struct rig_tcp s = talk_segment(t, from, flags, payload);

	rig_tcp_put(t->r, &s);
	move_on(t, from, flags, payload);
}

static bool is_translate(const struct talk *t, const struct postern_addr *a)
{
	const unsigned n = t->r->world.translate ? t->r->world.translate : 1;
	struct postern_addr first =
		rig_addr(t->family == POSTERN_V4 ? "10.0.0.20" : "2001:db8:2::20");

	for (unsigned i = 0; i < n; i++, first.bytes[15]++)
		if (postern_addr_equal(a, &first))
			return true;
	return false;
}

void talk_syn_learn(struct talk *t)
{
	const struct rig_tcp in = talk_segment(t, FROM_CLIENT, TALK_SYN, 0);
	const struct rig_tcp out = rig_tcp_take(t->r);

	RIG_CHECK(out.flags == TALK_SYN && out.seq == in.seq && out.payload == 0);
	RIG_CHECK(out.window == in.window && out.checksum_error == 0);
	RIG_CHECK(out.interface == interface_of(t, FROM_MEMBER));
	RIG_CHECK(out.dport == t->member_port);
	if (t->r->world.destination) {
		RIG_CHECK(postern_addr_equal(&out.src, &t->client));
		RIG_CHECK(out.sport == t->client_port);
	} else {
		RIG_CHECK(is_translate(t, &out.src));
		RIG_CHECK(out.sport >= 1024);
	}
	t->nat = out.src;
	t->nat_port = out.sport;
	t->member = out.dst;
	RIG_CHECK(rig_member_number(&t->member) < RIG_MEMBERS_MAX);
}

void talk_syn(struct talk *t)
{
	const struct rig_tcp in = talk_segment(t, FROM_CLIENT, TALK_SYN, 0);

	RIG_CHECK(rig_waiting(t->r) == 0);
	rig_tcp_put(t->r, &in);
	RIG_CHECK(rig_waiting(t->r) == 1);
	const struct rig_tcp out = rig_tcp_take(t->r);

	check_same(&in, &out);
	t->r->next_out--;
	talk_syn_learn(t);
	t->next[FROM_CLIENT]++;
}

void talk_synack(struct talk *t)
{
	talk_send(t, FROM_MEMBER, RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG, 0);
}

void talk_open(struct talk *t)
{
	talk_syn(t);
	talk_synack(t);
	talk_send(t, FROM_CLIENT, TALK_ACK, 0);
}

struct rig_tcp talk_take_reset(struct talk *t, unsigned to)
{
	const struct rig_tcp s = rig_tcp_take(t->r);
	const bool client = to == FROM_CLIENT;

	RIG_CHECK(s.flags & RTE_TCP_RST_FLAG);
	RIG_CHECK(s.checksum_error == 0 && s.payload == 0);
	RIG_CHECK(s.interface == interface_of(t, to));
	RIG_CHECK(postern_addr_equal(&s.src, client ? &t->service : &t->nat));
	RIG_CHECK(postern_addr_equal(&s.dst, client ? &t->client : &t->member));
	RIG_CHECK(s.sport == (client ? t->service_port : t->nat_port));
	RIG_CHECK(s.dport == (client ? t->client_port : t->member_port));
	return s;
}

void talk_take_resets(struct talk *t)
{
	bool next[DIRECTIONS] = {false, false}, acked[DIRECTIONS] = {false, false};

	while (rig_waiting(t->r) > 0) {
		// In one-arm both leave by the same interface: the port tells.
		struct rig_tcp s = rig_tcp_take(t->r);
		const unsigned to = s.sport == t->service_port ? FROM_CLIENT : FROM_MEMBER;

		t->r->next_out--;
		s = talk_take_reset(t, to);
		RIG_CHECK(s.seq == t->next[!to] || s.seq == t->acked[to]);
		next[to] |= s.seq == t->next[!to];
		acked[to] |= s.seq == t->acked[to];
		if (s.flags & RTE_TCP_ACK_FLAG)
			RIG_CHECK(s.ack == t->next[to]);
	}
	RIG_CHECK(next[FROM_CLIENT] && next[FROM_MEMBER]);
	RIG_CHECK(acked[FROM_CLIENT] && acked[FROM_MEMBER]);
}

bool talk_read(const struct talk *t, struct postern_session *out)
{
	uint64_t cursor = 0;
	int rc;

	while ((rc = postern_session_next(t->r->dp, &cursor, 1000, out)) != 0)
		if (rc == 1 && out->client.port == t->client_port &&
			postern_addr_equal(&out->client.addr, &t->client))
			return true;
	return false;
}

int talk_state(const struct talk *t)
{
	struct postern_session s;

	return talk_read(t, &s) ? (int)s.state : -1;
}
