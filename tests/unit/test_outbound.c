// SPDX-License-Identifier: BSD-2-Clause
// Flows without a service: what members begin, routed and translated, what reaches them at their own
// addresses, what is refused, and how long it lasts.

#include "outward.h"
#include "pieces.h"
#include "rig_cmocka.h"
#include "talk.h"

#include <netinet/in.h>
#include <string.h>

#define C(name) POSTERN_COUNTER_##name

#define EACH_FAMILY(f) for (uint8_t f = POSTERN_V4; f < POSTERN_FAMILIES; f++)

static const struct rig_world worlds[] = {
	{.outbound = RIG_OUTBOUND_ROUTE},
	{.outbound = RIG_OUTBOUND_TRANSLATE},
	{.outbound = RIG_OUTBOUND_SERVICE, .destination = true},
	{.outbound = RIG_OUTBOUND_ROUTE, .one_arm = true},
	{.outbound = RIG_OUTBOUND_TRANSLATE, .one_arm = true},
};

#define EACH_WORLD(w)        for (unsigned w = 0; w < RTE_DIM(worlds); w++)
#define EACH_CASE(w, f, udp) EACH_WORLD(w) EACH_FAMILY(f) for (unsigned udp = 0; udp < 2; udp++)

static struct rig *rig_of(const struct rig_world *world)
{
	return rig_new(&(struct rig_options){.world = *world});
}

static void test_conversation(void **state)
{
	(void)state;
	EACH_CASE(w, f, udp)
	{
		struct rig *r = rig_of(&worlds[w]);
		struct outward o = outward_new(r, f, udp, 1, 7);
		struct postern_session s;
		struct postern_member_stats m;
		struct postern_listen_stats l;

		outward_open(&o);
		outward_send(&o, FROM_MEMBER, OUT_ACK, 999);
		outward_send(&o, FROM_CLIENT, OUT_ACK, 1000);
		outward_send(&o, FROM_CLIENT, OUT_ACK, 1);
		assert_true(outward_read(&o, &s));
		assert_int_equal(s.kind, POSTERN_SESSION_OUTBOUND);
		assert_int_equal(s.state, POSTERN_SESSION_ESTABLISHED);
		assert_int_equal(s.listen, rig_outbound_id(&r->world, f));
		assert_int_equal(s.member, (f == POSTERN_V4 ? RIG_MEMBER_V4 : RIG_MEMBER_V6) + 1);
		assert_true(postern_addr_equal(&s.translated.addr, &o.seen));
		assert_int_equal(s.translated.port, o.seen_port);
		const uint64_t headers = (f == POSTERN_V4 ? 20u : 40u) + (udp ? 8u : 20u);

		assert_int_equal(s.bytes_out, 3 * headers + 999 + (udp ? 33u : 0u));
		assert_int_equal(s.bytes_in, 3 * headers + 1001);
		postern_member_read(r->dp, s.member, &m);
		assert_int_equal(m.flows, 1);
		assert_int_equal(m.sessions, 0);
		assert_int_equal(m.opened, 0);
		postern_listen_read(r->dp, s.listen, &l);
		assert_int_equal(l.sessions, 1);
		assert_int_equal(l.bytes_in, s.bytes_in);
		assert_int_equal(postern_flows_in_use(r->dp), 1);
		assert_int_equal(postern_sessions_in_use(r->dp), 0);
		assert_int_equal(rig_count(r, C(FLOW_OPENED)), 1);
		assert_int_equal(rig_count(r, C(FLOW_ESTABLISHED)), 1);
		assert_int_equal(rig_count(r, C(SESSION_OPENED)), 0);
		if (!udp) {
			outward_send(&o, FROM_CLIENT, OUT_FIN, 0);
			outward_send(&o, FROM_MEMBER, OUT_FIN, 0);
			outward_send(&o, FROM_CLIENT, OUT_ACK, 0);
			assert_int_equal(outward_state(&o), POSTERN_SESSION_CLOSING);
			rig_advance(r, RIG_TIMES.closing_ms * RIG_MS + RIG_S);
			assert_int_equal(rig_count(r, C(CLOSE_FIN)), 1);
		}
		rig_free(r);
	}
}

// The member's port is kept if it can be; two members with one port differ outside.
static void test_ports(void **state)
{
	(void)state;
	for (unsigned shared = 0; shared < 2; shared++)
		EACH_FAMILY(f)
	for (unsigned udp = 0; udp < 2; udp++) {
		const struct rig_world world = {.members = 20,
			.outbound = shared ? RIG_OUTBOUND_SERVICE : RIG_OUTBOUND_TRANSLATE};
		struct rig *r = rig_of(&world);
		uint16_t ports[20];

		for (unsigned i = 0; i < 20; i++) {
			struct outward o = outward_new(r, f, udp, i, 7);

			outward_open(&o);
			ports[i] = o.seen_port;
			for (unsigned k = 0; k < i; k++)
				assert_int_not_equal(ports[i], ports[k]);
			if (i == 0 && r->dp->n_workers == 1)
				assert_int_equal(ports[i], o.member_port);
		}
		assert_int_equal(postern_flows_in_use(r->dp), 20);
		rig_free(r);
	}
}

// A port on which a service listens is the service's.
static void test_service_ports(void **state)
{
	static const struct rig_world world = {
		.outbound = RIG_OUTBOUND_SERVICE, .destination = true, .last_port = 35000};

	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_new(
			&(struct rig_options){.world = world, .sessions = 256, .flows = 256});

		for (unsigned i = 0; i < 50; i++) {
			struct outward o = outward_new(r, f, false, 0, i + 1);
			struct talk t = talk_new(r, f, i + 1);

			t.member_port = RIG_PORT;
			o.member_port = (uint16_t)(20000 + i);
			outward_open(&o);
			assert_false(o.seen_port >= RIG_PORT && o.seen_port <= 35000);
			talk_open(&t);
			talk_send(&t, FROM_MEMBER, TALK_ACK, 7);
			outward_send(&o, FROM_CLIENT, OUT_ACK, 7);
		}
		rig_free(r);
	}
}

static void test_inbound(void **state)
{
	(void)state;
	for (unsigned one_arm = 0; one_arm < 2; one_arm++)
		EACH_FAMILY(f)
	for (unsigned udp = 0; udp < 2; udp++) {
		struct rig *r = rig_of(
			&(struct rig_world){.outbound = RIG_OUTBOUND_ROUTE, .one_arm = one_arm});
		struct outward o = outward_new(r, f, udp, 1, 7);
		struct postern_session s;

		o.outside_port = 1234;
		o.member_port = RIG_IN_FIRST + 5;
		outward_open_inbound(&o);
		outward_send(&o, FROM_MEMBER, OUT_ACK, 500);
		outward_send(&o, FROM_CLIENT, OUT_ACK, 500);
		assert_true(outward_read(&o, &s));
		assert_int_equal(s.kind, POSTERN_SESSION_INBOUND);
		assert_int_equal(s.state, POSTERN_SESSION_ESTABLISHED);
		// It takes a place of those that others have.
		assert_int_equal(postern_flows_in_use(r->dp), 0);
		assert_int_equal(postern_sessions_in_use(r->dp), 1);
		rig_free(r);
	}
}

static void check_refused(struct outward *o, enum postern_counter why, bool told)
{
	const uint64_t before = rig_count(o->r, why);
	const uint8_t code[POSTERN_FAMILIES] = {13, 1};
	const uint8_t type[POSTERN_FAMILIES] = {3, 1};

	outward_put(o, FROM_MEMBER, OUT_SYN, 0);
	assert_int_equal(rig_count(o->r, why), before + 1);
	assert_int_equal(rig_waiting(o->r), told);
	assert_int_equal(postern_flows_in_use(o->r->dp), 0);
	if (!told)
		return;
	const struct rig_packet *p = rig_take(o->r);
	const uint8_t *icmp = p->bytes + 14 + (o->family == POSTERN_V4 ? 20 : 40);

	assert_int_equal(icmp[0], type[o->family]);
	assert_int_equal(icmp[1], code[o->family]);
}

static void expect_recorded(const struct outward *o, enum postern_counter reason)
{
	struct postern_recorded one;
	uint64_t cursor = 0, n = 0;
	int rc;

	while ((rc = postern_record_next(o->r->dp, &cursor, 100, &one)) != 0) {
		if (rc != 1 || one.last.reason != reason)
			continue;
		assert_true(postern_addr_equal(&one.last.to, &o->outside));
		assert_int_equal(one.last.to_port, o->outside_port);
		n += one.count;
	}
	assert_int_equal(n, 1);
}

// Members are told; strangers are not.
static void test_refused(void **state)
{
	(void)state;
	EACH_CASE(w, f, udp)
	{
		struct rig_world world = worlds[w];

		world.outbound_near = true;
		struct rig *r = rig_of(&world);
		struct outward o = outward_new(r, f, udp, 0, 1);

		o.outside_port = RIG_OUT_LAST + 1;
		check_refused(&o, C(REFUSE_OUTBOUND), true);
		o.outside_port = RIG_OUT_FIRST - 1;
		check_refused(&o, C(REFUSE_OUTBOUND), true);
		o = outward_new(r, f, udp, 0, 300);
		check_refused(&o, C(REFUSE_OUTBOUND), true);
		// Between members.
		o = outward_new(r, f, udp, 0, 1);
		o.outside = rig_member(f, 1);
		check_refused(&o, C(REFUSE_OUTBOUND), true);
		// To a group.
		o = outward_new(r, f, udp, 0, 1);
		o.outside = rig_addr(f == POSTERN_V4 ? "224.1.2.3" : "ff0e::1");
		check_refused(&o, C(DROP_MARTIAN), false);
		o = outward_new(r, f, udp, 25, 1);
		check_refused(&o, C(DROP_NOT_MEMBER), false);
		expect_recorded(&o, C(DROP_NOT_MEMBER));
		if (!world.one_arm) {
			struct rig_udp u = outward_datagram(&o, FROM_MEMBER, 3);

			u.src = rig_member(f, 0);
			u.interface = RIG_OUTSIDE;
			rig_udp_put(r, &u);
			assert_int_equal(rig_count(r, C(DROP_SPOOFED)), 1);
			assert_int_equal(rig_waiting(r), 0);
		}
		rig_free(r);
	}
}

// Nothing reaches a member that it has not asked for: not its open ports, not what follows a flow of
// another host or port.
static void test_unasked(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	for (unsigned udp = 0; udp < 2; udp++) {
		struct rig *r = rig_of(&worlds[0]);
		struct outward o = outward_new(r, f, udp, 0, 1), other;
		unsigned n = 0;

		outward_open(&o);
		static const uint8_t flags[] = {OUT_SYN, OUT_SYN | OUT_ACK, OUT_ACK, OUT_RST};

		for (unsigned i = 0; i < RTE_DIM(flags); i++) {
			for (unsigned k = 0; k < 4; k++) {
				other = o;
				other.outside_port = (uint16_t)(o.outside_port + (k == 0));
				other.outside = rig_client(f, k == 1 ? 2 : 1);
				other.seen_port = (uint16_t)(o.seen_port + (k == 2));
				other.seen = rig_member(f, k == 3);
				outward_put(&other, FROM_CLIENT, flags[i], 0);
				assert_int_equal(rig_waiting(r), 0);
				assert_int_equal(rig_count(r, C(DROP_UNASKED)), ++n);
			}
		}
		outward_send(&o, FROM_CLIENT, OUT_ACK, 5);
		rig_free(r);
	}
}

// After a restart of ours a member learns that its connection is gone.
static void test_unknown_segment(void **state)
{
	(void)state;
	EACH_WORLD(w) EACH_FAMILY(f)
	{
		struct rig *r = rig_of(&worlds[w]);
		struct outward o = outward_new(r, f, false, 0, 1);

		outward_put(&o, FROM_MEMBER, OUT_ACK, 9);
		const struct rig_tcp s = rig_tcp_take(r);

		assert_true(s.flags & RTE_TCP_RST_FLAG);
		assert_int_equal(s.seq, o.next[FROM_CLIENT]);
		assert_true(postern_addr_equal(&s.dst, &o.member));
		assert_true(postern_addr_equal(&s.src, &o.outside));
		outward_put(&o, FROM_MEMBER, OUT_RST, 0);
		assert_int_equal(rig_waiting(r), 0);
		assert_int_equal(rig_count(r, C(DROP_NO_SESSION)), 1);
		rig_free(r);
	}
}

// Who is asked refuses, and the member may ask again from the same port.
static void test_asked_refuses(void **state)
{
	(void)state;
	EACH_WORLD(w) EACH_FAMILY(f)
	{
		struct rig *r = rig_of(&worlds[w]);
		struct outward o = outward_new(r, f, false, 0, 1);

		outward_begin(&o);
		o.next[FROM_CLIENT] = 0;
		outward_send(&o, FROM_CLIENT, OUT_RST, 0);
		assert_int_equal(outward_state(&o), POSTERN_SESSION_RESET);
		assert_int_equal(rig_count(r, C(SEEN_MEMBER_REFUSED)), 0);
		outward_open(&o);
		assert_int_equal(rig_count(r, C(FLOW_OPENED)), 2);
		// Silence is nobody's fault here either.
		o = outward_new(r, f, false, 1, 2);
		outward_begin(&o);
		rig_advance(r, RIG_S);
		o.next[FROM_MEMBER]--;
		outward_send(&o, FROM_MEMBER, OUT_SYN, 0);
		rig_advance(r, RIG_TIMES.opening_ms * RIG_MS + RIG_S);
		assert_int_equal(outward_state(&o), -1);
		assert_int_equal(rig_count(r, C(SEEN_MEMBER_SILENT)), 0);
		rig_free(r);
	}
}

static void test_times(void **state)
{
	const uint64_t late = 20 * RIG_MS;

	(void)state;
	EACH_CASE(w, f, udp)
	{
		struct rig *r = rig_of(&worlds[w]);
		struct outward o = outward_new(r, f, udp, 0, 1);
		const uint64_t idle = (udp ? RIG_UDP_IDLE_MS : RIG_TIMES.idle_ms) * RIG_MS;

		outward_begin(&o);
		rig_advance(r, RIG_TIMES.opening_ms * RIG_MS + late);
		assert_int_equal(outward_state(&o), -1);
		assert_int_equal(rig_count(r, C(CLOSE_UNANSWERED)), 1);
		// A question and its answer need not be kept for long.
		if (udp) {
			outward_begin(&o);
			outward_send(&o, FROM_CLIENT, 0, 5);
			assert_int_equal(outward_state(&o), POSTERN_SESSION_ESTABLISHED);
			rig_advance(r, RIG_TIMES.opening_ms * RIG_MS + late);
			assert_int_equal(outward_state(&o), -1);
		}
		o.next[FROM_CLIENT] += 1000;
		outward_open(&o);
		for (unsigned from = 0; from < DIRECTIONS; from++) {
			rig_advance(r, idle - late);
			outward_send(&o, from, OUT_ACK, 5);
		}
		outward_send(&o, FROM_CLIENT, OUT_ACK, 0);
		rig_advance(r, idle - late);
		assert_int_equal(outward_state(&o), POSTERN_SESSION_ESTABLISHED);
		rig_advance(r, 2 * late);
		if (udp) {
			assert_int_equal(outward_state(&o), -1);
			assert_int_equal(rig_waiting(r), 0);
		} else {
			outward_take_resets(&o);
			assert_int_equal(outward_state(&o), POSTERN_SESSION_RESET);
		}
		rig_free(r);
	}
}

// Hop limits and sizes, as of any packet that passes.
static void test_cannot_go_on(void **state)
{
	(void)state;
	EACH_CASE(w, f, udp)
	{
		struct rig *r = rig_of(&worlds[w]);
		struct outward o = outward_new(r, f, udp, 0, 1);
		struct rig_tcp s = outward_segment(&o, FROM_MEMBER, OUT_SYN, 0);
		struct rig_udp u = outward_datagram(&o, FROM_MEMBER, 0);

		s.ttl = u.ttl = 1;
		if (udp)
			rig_udp_put(r, &u);
		else
			rig_tcp_put(r, &s);
		assert_int_equal(rig_count(r, C(DROP_TTL)), 1);
		assert_int_equal(rig_waiting(r), 1);
		rig_discard(r);
		assert_int_equal(postern_flows_in_use(r->dp), 0);
		if (!udp) {
			s.ttl = 60;
			s.checksum_error = 1;
			rig_tcp_put(r, &s);
			assert_int_equal(rig_count(r, C(DROP_TCP_CHECKSUM)), 1);
		}
		rig_free(r);
	}
}

// What cannot be entered is recorded like any other refusal.
static void test_no_way_out(void **state)
{
	(void)state;
	EACH_CASE(w, f, udp)
	{
		struct rig_world world = worlds[w];

		world.no_gateway = true;
		struct rig *r = rig_of(&world);
		struct outward o = outward_new(r, f, udp, 0, 1);

		outward_put(&o, FROM_MEMBER, OUT_SYN, 0);
		assert_int_equal(rig_count(r, C(DROP_NO_ROUTE)), 1);
		assert_int_equal(postern_flows_in_use(r->dp), 0);
		expect_recorded(&o, C(DROP_NO_ROUTE));
		rig_free(r);
	}
}

// In pieces, both ways, as the media of large packets may be.
static void test_fragments(void **state)
{
	static struct piece_whole in, out;

	(void)state;
	EACH_WORLD(w) EACH_FAMILY(f)
	{
		struct rig *r = rig_of(&worlds[w]);
		struct outward o = outward_new(r, f, true, 0, 1);

		outward_open(&o);
		for (unsigned from = 0; from < DIRECTIONS; from++) {
			struct rig_udp u = outward_datagram(&o, from, 1300);

			in = (struct piece_whole){.family = f, .interface = u.interface};
			in.length = rig_udp_build(&u, in.bytes);
			piece_put_all(r, &in, 77 + from, 520, from);
			assert_int_equal(piece_gather(r, &out, f, 1500), 3);
			piece_check_same(&in, &out);
			assert_int_equal(rig_count(r, C(REASSEMBLED)), from + 1);
		}
		rig_free(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conversation),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_service_ports),
		cmocka_unit_test(test_inbound),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_unasked),
		cmocka_unit_test(test_unknown_segment),
		cmocka_unit_test(test_asked_refuses),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_cannot_go_on),
		cmocka_unit_test(test_no_way_out),
		cmocka_unit_test(test_fragments),
	};

	return cmocka_run_group_tests_name("outbound", tests, rig_use_cmocka, NULL);
}
