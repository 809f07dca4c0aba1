// SPDX-License-Identifier: BSD-2-Clause
// Flows without a service: how many there may be and who gives way, what a reload leaves, and ICMP
// errors about them.

#include "outward.h"
#include "rig_cmocka.h"
#include "talk.h"

#include <netinet/in.h>
#include <string.h>

#define C(name) POSTERN_COUNTER_##name

#define EACH_FAMILY(f) for (uint8_t f = POSTERN_V4; f < POSTERN_FAMILIES; f++)

static const struct rig_world routed = {.outbound = RIG_OUTBOUND_ROUTE};
static const struct rig_world translated = {.outbound = RIG_OUTBOUND_TRANSLATE};

static struct rig *rig_of(const struct rig_world *world, uint32_t sessions, uint32_t flows)
{
	return rig_new(
		&(struct rig_options){.world = *world, .sessions = sessions, .flows = flows});
}

// A member may have so many, of all workers together, and the others as many as before.
static void test_per_member(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	for (unsigned udp = 0; udp < 2; udp++) {
		struct rig_world world = translated;

		world.flows_per_member = 30;
		struct rig *r = rig_of(&world, 256, 256);

		for (unsigned i = 0; i < 200; i++) {
			struct outward o = outward_new(r, f, udp, 0, i + 1);

			outward_put(&o, FROM_MEMBER, OUT_SYN, 0);
			rig_discard(r);
		}
		const uint32_t has = postern_flows_in_use(r->dp);

		assert_int_equal(has, 30);
		assert_int_equal(rig_count(r, C(DROP_MEMBER_FLOWS)), 200 - has);
		assert_int_equal(rig_count(r, C(CLOSE_EVICTED)), 0);
		struct outward o = outward_new(r, f, udp, 1, 1);

		outward_open(&o);
		rig_advance(r, RIG_TIMES.opening_ms * RIG_MS + RIG_S);
		o = outward_new(r, f, udp, 0, 1);
		outward_open(&o);
		rig_free(r);
	}
}

// What members begin takes no place of clients', whatever its number; among themselves the oldest that
// have not been answered give way, and those that have stay.
static void test_full(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	for (unsigned udp = 0; udp < 2; udp++) {
		struct rig *r = rig_of(&translated, 8, 4);
		struct outward kept = outward_new(r, f, udp, 0, 1);

		outward_open(&kept);
		for (unsigned i = 0; i < 100; i++) {
			struct outward o = outward_new(r, f, udp, 1, i + 2);

			outward_begin(&o);
		}
		assert_true(postern_flows_in_use(r->dp) <= 4 * r->dp->n_workers);
		assert_true(rig_count(r, C(CLOSE_EVICTED)) >= 101 - 4 * r->dp->n_workers);
		for (unsigned i = 0; i < 4; i++) {
			struct talk t = talk_new(r, f, i);

			talk_open(&t);
		}
		assert_int_equal(postern_sessions_in_use(r->dp), 4);
		outward_send(&kept, FROM_CLIENT, OUT_ACK, 3);
		rig_free(r);
	}
}

// All in use: the next is told nothing and counted.
static void test_no_place(void **state)
{
	(void)state;
	struct rig *r = rig_of(&translated, 64, 3);
	unsigned begun = 0;

	for (unsigned i = 0; i < 200; i++) {
		struct outward o = outward_new(r, POSTERN_V4, false, 0, i + 1);

		outward_put(&o, FROM_MEMBER, OUT_SYN, 0);
		if (rig_waiting(r) == 0)
			continue;
		begun++;
		o.seen_port = rig_tcp_take(r).sport;
		outward_send(&o, FROM_CLIENT, OUT_SYN | OUT_ACK, 0);
		outward_send(&o, FROM_MEMBER, OUT_ACK, 0);
	}
	assert_int_equal(begun, 3 * r->dp->n_workers);
	assert_int_equal(rig_count(r, C(DROP_FLOWS_FULL)), 200 - begun);
	rig_free(r);
}

// Nor do clients take a place of members'.
static void test_clients_flood(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_of(&translated, 4, 8);
		struct outward o = outward_new(r, f, false, 0, 1);

		outward_begin(&o);
		for (unsigned i = 0; i < 100; i++) {
			struct talk t = talk_new(r, f, i + 10);

			talk_syn(&t);
		}
		outward_send(&o, FROM_CLIENT, OUT_SYN | OUT_ACK, 0);
		outward_send(&o, FROM_MEMBER, OUT_ACK, 0);
		assert_int_equal(outward_state(&o), POSTERN_SESSION_ESTABLISHED);
		rig_free(r);
	}
}

// A member asked at its own address by forged clients loses nothing of its own.
static void test_inbound_flood(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct rig_world world = routed;
		struct rig *r = rig_of(&world, 8, 8);

		// A limit that it would reach with those, were they its own.
		world.flows_per_member = 3 * r->dp->n_workers;
		rig_adopt(r, &world);
		struct outward own = outward_new(r, f, true, 0, 1);

		outward_open(&own);
		for (unsigned i = 0; i < 100; i++) {
			struct outward o = outward_new(r, f, true, 0, i + 2);

			o.member_port = o.seen_port = RIG_IN_FIRST;
			outward_send(&o, FROM_CLIENT, 0, 3);
			outward_send(&o, FROM_MEMBER, 0, 3);
		}
		assert_int_equal(outward_state(&own), POSTERN_SESSION_ESTABLISHED);
		assert_true(postern_sessions_in_use(r->dp) <= 8 * r->dp->n_workers);
		own = outward_new(r, f, true, 0, 200);
		outward_open(&own);
		assert_int_equal(rig_count(r, C(DROP_MEMBER_FLOWS)), 0);
		rig_free(r);
	}
}

// A reload leaves what is still allowed, and ends the rest.
static void test_reload(void **state)
{
	static const struct {
		struct rig_world world;
		bool stays;     // the nearer of two flows
		unsigned ended; // of both
	} next[] = {
		{{0}, false, 2},
		{{.outbound_near = true}, true, 1},
		{{.outbound_last = RIG_OUT_FIRST}, true, 1},
		{{.outbound_last = RIG_OUT_LAST + 9, .flows_per_member = 1}, true, 0},
		{{.outbound_other = true}, false, 2},
		{{.without = 1}, false, 1},
		{{.without = 2}, true, 1},
		{{.no_service = true}, true, 0},
	};

	(void)state;
	for (unsigned translate = 0; translate < 2; translate++)
		for (unsigned i = 0; i < RTE_DIM(next); i++)
			EACH_FAMILY(f)
	for (unsigned udp = 0; udp < 2; udp++) {
		struct rig *r = rig_of(translate ? &translated : &routed, 64, 64);
		struct outward o = outward_new(r, f, udp, 0, 1);
		struct outward far = outward_new(r, f, udp, 1, 300);
		struct rig_world world = next[i].world;

		far.outside_port = RIG_OUT_LAST;
		outward_open(&o);
		outward_open(&far);
		if (i > 0)
			world.outbound = r->world.outbound;
		rig_adopt(r, &world);
		rig_check_steer(r);
		assert_int_equal(rig_count(r, C(CLOSE_NOT_ALLOWED)), next[i].ended);
		rig_discard(r);
		if (next[i].stays) {
			outward_send(&o, FROM_CLIENT, OUT_ACK, 10);
			outward_send(&o, FROM_MEMBER, OUT_ACK, 10);
		} else {
			assert_int_equal(outward_state(&o), udp ? -1 : POSTERN_SESSION_RESET);
		}
		rig_free(r);
	}
}

// An address that others see changes: old flows go with the rule's old id.
static void test_reload_translation(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_of(&translated, 64, 64);
		struct outward o = outward_new(r, f, false, 0, 1);
		struct rig_world world = {.outbound = RIG_OUTBOUND_SERVICE, .outbound_other = true};

		outward_open(&o);
		rig_adopt(r, &world);
		assert_int_equal(rig_count(r, C(CLOSE_NOT_ALLOWED)), 1);
		outward_take_resets(&o);
		rig_advance(r, RIG_TIMES.reset_ms * RIG_MS + RIG_S);
		assert_true(postern_listen_is_idle(r->dp, rig_outbound_id(&translated, f)));
		o = outward_new(r, f, false, 0, 1);
		outward_open(&o);
		rig_free(r);
	}
}

// A member that is down or in maintenance still reaches what it needs.
static void test_member_down(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_of(&routed, 64, 64);
		struct outward o = outward_new(r, f, false, 0, 1);

		outward_open(&o);
		rig_health(r, (uint16_t)(f == POSTERN_V4 ? RIG_MEMBER_V4 : RIG_MEMBER_V6),
			POSTERN_MEMBER_RESET);
		assert_int_equal(rig_waiting(r), 0);
		outward_send(&o, FROM_CLIENT, OUT_ACK, 3);
		o = outward_new(r, f, false, 0, 2);
		outward_open(&o);
		rig_free(r);
	}
}

static size_t header_of(uint8_t family)
{
	return family == POSTERN_V4 ? 20 : 40;
}

static void put16(uint8_t *at, unsigned v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

// A router says of a packet that left that it was too large.
static void put_too_big(struct rig *r, uint8_t family, const struct rig_packet *about)
{
	const bool v4 = family == POSTERN_V4;
	const size_t header = header_of(family), quote = header + 8;
	const struct postern_addr src = rig_addr(v4 ? "192.0.2.77" : "2001:db8:77::77");
	struct postern_addr dst = src;
	uint8_t frame[256];

	memcpy(dst.bytes + (v4 ? 12 : 0), about->bytes + 14 + (v4 ? 12 : 8), v4 ? 4 : 16);
	rig_headers_put(about->interface, &src, &dst, 50, v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6,
		(unsigned)(8 + quote), frame);
	uint8_t *icmp = frame + 14 + header;

	memset(icmp, 0, 8);
	icmp[0] = v4 ? 3 : 2;
	icmp[1] = v4 ? 4 : 0;
	put16(icmp + 6, 1280);
	memcpy(icmp + 8, about->bytes + 14, quote);
	put16(icmp + 2, rig_l4_checksum(frame, 14 + header + 8 + quote));
	rig_put(r, about->interface, frame, 14 + header + 8 + quote);
}

// It reaches who has sent it, with the addresses and ports that it sent.
static void test_errors(void **state)
{
	static const struct rig_world worlds[] = {{.outbound = RIG_OUTBOUND_ROUTE},
		{.outbound = RIG_OUTBOUND_TRANSLATE}, {.outbound = RIG_OUTBOUND_SERVICE},
		{.outbound = RIG_OUTBOUND_TRANSLATE, .one_arm = true}};

	(void)state;
	for (unsigned w = 0; w < RTE_DIM(worlds); w++)
		EACH_FAMILY(f)
	for (unsigned udp = 0; udp < 2; udp++) {
		struct rig *r = rig_of(&worlds[w], 64, 64);
		struct outward o = outward_new(r, f, udp, 0, 1);

		outward_open(&o);
		for (unsigned from = 0; from < DIRECTIONS; from++) {
			const struct rig_tcp s = outward_segment(&o, from, OUT_ACK, 700);
			const struct rig_udp u = outward_datagram(&o, from, 700);
			const size_t header = header_of(f);
			uint8_t sent[2048];

			if (udp)
				rig_udp_build(&u, sent);
			else
				rig_tcp_build(r, &s, sent);
			outward_put(&o, from, OUT_ACK, 700);
			const struct rig_packet out = *rig_take(r);

			put_too_big(r, f, &out);
			const struct rig_packet *p = rig_take(r);

			assert_non_null(p);
			assert_int_equal(p->interface, s.interface);
			const uint8_t *ip = p->bytes + 14, *icmp = ip + header;
			const size_t src = f == POSTERN_V4 ? 12 : 8;
			const size_t size = f == POSTERN_V4 ? 4 : 16;

			assert_int_equal(icmp[0], f == POSTERN_V4 ? 3 : 2);
			// To the sender, whose packet is quoted as it was.
			assert_memory_equal(ip + src + size, sent + 14 + src, size);
			assert_memory_equal(icmp + 8 + src, sent + 14 + src, 2 * size);
			assert_memory_equal(icmp + 8 + header, sent + 14 + header, 8);
			assert_int_equal(rig_count(r, C(ERROR_TRANSLATED)), from + 1);
		}
		assert_int_equal(outward_state(&o), POSTERN_SESSION_ESTABLISHED);
		rig_free(r);
	}
}

// Of what nobody has sent nothing is passed on.
static void test_unknown_error(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_of(&routed, 64, 64);
		struct outward o = outward_new(r, f, false, 0, 1);

		outward_begin(&o);
		struct rig_packet out = r->out[r->next_out - 1];

		out.bytes[14 + header_of(f) + 1] ^= 1;
		put_too_big(r, f, &out);
		assert_int_equal(rig_waiting(r), 0);
		assert_int_equal(rig_count(r, C(DROP_ERROR_UNKNOWN)), 1);
		rig_free(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_per_member),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_no_place),
		cmocka_unit_test(test_clients_flood),
		cmocka_unit_test(test_inbound_flood),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_reload_translation),
		cmocka_unit_test(test_member_down),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_unknown_error),
	};

	return cmocka_run_group_tests_name("outbound_limits", tests, rig_use_cmocka, NULL);
}
