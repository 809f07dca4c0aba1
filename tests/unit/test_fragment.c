// SPDX-License-Identifier: BSD-2-Clause
// Fragments: put together whatever their order, cut again where they leave, and the packets that they
// become are packets like others.

#include "pieces.h"
#include "rig_cmocka.h"

#include <netinet/in.h>
#include <string.h>

#define C(name) POSTERN_COUNTER_##name

#define EACH_FAMILY(f) for (uint8_t f = POSTERN_V4; f < POSTERN_FAMILIES; f++)

static const struct rig_world worlds[] = {
	{.udp = true},
	{.udp = true, .destination = true},
	{.udp = true, .one_arm = true},
	{.udp = true, .destination = true, .one_arm = true},
};

#define EACH_WORLD(w) for (unsigned w = 0; w < sizeof(worlds) / sizeof(worlds[0]); w++)

static unsigned get16(const uint8_t *at)
{
	return (unsigned)(at[0] << 8 | at[1]);
}

static void put16(uint8_t *at, unsigned v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static void sum_ip(uint8_t *ip)
{
	put16(ip + 10, 0);
	const uint32_t sum = rig_sum(ip, (ip[0] & 15u) * 4u, 0);

	put16(ip + 10, ~((sum >> 16) + sum) & 0xffff);
}

static uint16_t side(const struct rig *r, bool client)
{
	return client || r->world.one_arm ? RIG_OUTSIDE : RIG_INSIDE;
}

static struct piece_whole in, out;

static void test_put_together(void **state)
{
	static const unsigned sizes[] = {1473, 1500, 2999, 3000, 3001, 9000, 20000, 64000};

	(void)state;
	EACH_WORLD(w) EACH_FAMILY(f)
	{
		struct rig *r = rig_new(&(struct rig_options){.world = worlds[w]});
		uint32_t id = 100;
		uint64_t n = 0;

		for (unsigned i = 0; i < RTE_DIM(sizes); i++)
			for (unsigned order = 0; order < 3; order++) {
				piece_from_client(r, f, 1, sizes[i], &in);
				piece_put_all(r, &in, id++, 1448, order);
				assert_true(piece_gather(r, &out, f, 1500) > 1);
				assert_int_equal(out.interface, side(r, false));
				piece_check_same(&in, &out);
				const struct piece_seen s = piece_see(&out);

				piece_from_member(r, f, &s, sizes[i], &in);
				piece_put_all(r, &in, id++, 1448, order);
				piece_gather(r, &out, f, 1500);
				assert_int_equal(out.interface, RIG_OUTSIDE);
				piece_check_same(&in, &out);
				n += 2;
			}
		assert_int_equal(rig_count(r, C(REASSEMBLED)), n);
		assert_int_equal(rig_count(r, C(FRAGMENTED)), n);
		assert_int_equal(rig_count(r, C(SESSION_OPENED)), 1);
		assert_int_equal(rig_held(r), 0);
		rig_free(r);
	}
}

// What came in small pieces, since it would not have come through otherwise, leaves in no larger ones.
static void test_no_larger_than_they_came(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_new(&(struct rig_options){.world = worlds[0]});

		piece_from_client(r, f, 1, 2000, &in);
		piece_put_all(r, &in, 7, 560, 0);
		const unsigned n =
			piece_gather(r, &out, f, 560 + (unsigned)piece_header(f) + (f ? 8u : 0u));

		assert_int_equal(n, 4);
		piece_check_same(&in, &out);
		rig_free(r);
	}
}

// Fragments larger than the other side carries: IPv4 without DF is cut smaller, all else is answered.
static void test_smaller_outside(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	for (unsigned df = 0; df < 2; df++) {
		struct rig_world world = worlds[0];
		struct rig *r;

		world.mtu = 1300;
		r = rig_new(&(struct rig_options){.world = world});
		piece_from_client(r, f, 1, 3000, &in);
		if (f == POSTERN_V4 && !df)
			put16(in.bytes + 20, 0);
		piece_put_all(r, &in, 7, 1400, 0);
		if (f == POSTERN_V4 && !df) {
			assert_int_equal(piece_gather(r, &out, f, 1300), 3);
			piece_check_same(&in, &out);
			rig_free(r);
			continue;
		}
		assert_int_equal(rig_count(r, C(DROP_TOO_BIG)), 1);
		assert_int_equal(rig_count(r, C(ERROR_SENT)), 1);
		const struct rig_packet *p = rig_take(r);

		assert_non_null(p);
		assert_int_equal(p->interface, RIG_OUTSIDE);
		assert_int_equal(get16(p->bytes + 14 + piece_header(f) + 6), 1300);
		assert_int_equal(rig_waiting(r), 0);
		rig_free(r);
	}
}

// A single packet without DF that is too large is cut here, with its options where they belong.
static void test_cut_here(void **state)
{
	static const char options[] =
		"\x01\x07\x03\x04\x94\x04\0\0"; // NOP, record route, router alert

	(void)state;
	for (unsigned with_options = 0; with_options < 2; with_options++)
		for (unsigned port = 0; port < 2; port++) {
			struct rig_world world = worlds[0];
			struct rig *r;

			world.mtu = 800;
			r = rig_new(&(struct rig_options){.world = world, .tx_checksum = port});
			piece_from_client(r, POSTERN_V4, 1, 1400, &in);
			put16(in.bytes + 20, 0);
			if (with_options) {
				memmove(in.bytes + 42, in.bytes + 34, in.length - 34);
				memcpy(in.bytes + 34, options, 8);
				in.bytes[14] = 0x47;
				in.length += 8;
				put16(in.bytes + 16, (unsigned)in.length - 14);
			}
			sum_ip(in.bytes + 14);
			// The checksum may have been left to a port, which cannot make it any more.
			r->rx_flags = port ? RTE_MBUF_F_RX_L4_CKSUM_NONE : 0;
			rig_put(r, RIG_OUTSIDE, in.bytes, in.length);
			assert_int_equal(rig_count(r, C(FRAGMENTED)), 1);
			if (!with_options) {
				assert_int_equal(piece_gather(r, &out, POSTERN_V4, 800), 2);
				piece_check_same(&in, &out);
				rig_free(r);
				continue;
			}
			const struct rig_packet *p = rig_take(r);

			assert_memory_equal(p->bytes + 34, options, 8);
			p = rig_take(r);
			assert_memory_equal(p->bytes + 34, "\x01\x01\x01\x01\x94\x04\0\0", 8);
			assert_int_equal(rig_sum(p->bytes + 14, 28, 0), 0xffff);
			rig_free(r);
		}
}

static void check_kept(struct rig *r, unsigned held)
{
	assert_int_equal(rig_waiting(r), 0);
	assert_int_equal(rig_held(r), held);
}

// A SYN's checksum goes over all of its fragments.
static void test_syn_checksum(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	for (unsigned error = 0; error < 2; error++) {
		struct rig *r = rig_new(&(struct rig_options){.rx_checksum = true});
		const struct rig_tcp t = {.src = rig_client(f, 1),
			.dst = rig_service(r, f),
			.sport = 40001,
			.dport = RIG_PORT,
			.flags = RTE_TCP_SYN_FLAG,
			.payload = 100,
			.checksum_error = (uint16_t)error};

		in.family = f;
		in.interface = RIG_OUTSIDE;
		in.length = rig_tcp_build(r, &t, in.bytes);
		// What a port says of a fragment is nothing to go by.
		r->rx_flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD |
			      (error ? RTE_MBUF_F_RX_L4_CKSUM_GOOD : RTE_MBUF_F_RX_L4_CKSUM_BAD);
		piece_put_all(r, &in, 5, 64, 1);
		assert_int_equal(rig_count(r, C(DROP_TCP_CHECKSUM)), error);
		assert_int_equal(rig_count(r, C(SESSION_OPENED)), !error);
		rig_free(r);
	}
}

// A segment of no session that came in fragments is answered like any other.
static void test_reset(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_new(&(struct rig_options){0});
		const struct rig_tcp t = {.src = rig_client(f, 1),
			.dst = rig_service(r, f),
			.sport = 40001,
			.dport = RIG_PORT,
			.flags = RTE_TCP_ACK_FLAG,
			.ack = 0x777,
			.payload = 3000};

		in.family = f;
		in.interface = RIG_OUTSIDE;
		in.length = rig_tcp_build(r, &t, in.bytes);
		piece_put_all(r, &in, 5, 1024, 2);
		assert_int_equal(rig_waiting(r), 1);
		assert_int_equal(rig_tcp_take(r).seq, 0x777);
		rig_free(r);
	}
}

// A fragment that is the whole packet (RFC 6946) neither waits nor meets others of its number.
static void test_atomic(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){.world = worlds[0]});

	(void)state;
	piece_from_client(r, POSTERN_V6, 1, 1000, &in);
	piece_put(r, &in, 7, 0, 800, true);
	piece_put(r, &in, 7, 0, 1008, false);
	assert_int_equal(piece_gather(r, &out, POSTERN_V6, 1500), 1);
	piece_check_same(&in, &out);
	assert_int_equal(out.bytes[20], IPPROTO_UDP);
	check_kept(r, 1);
	// A fragment within a fragment is nobody's.
	uint8_t frame[2048];
	const size_t length = piece_build(&in, &(struct piece){0, 1008, false}, 8, frame);

	memmove(frame + 62, frame + 54, length - 54);
	frame[54] = 44;
	put16(frame + 18, (unsigned)length + 8 - 54);
	rig_put(r, RIG_OUTSIDE, frame, length + 8);
	assert_int_equal(rig_count(r, C(DROP_FRAGMENT_TINY)) + rig_count(r, C(DROP_FRAGMENT)), 1);
	check_kept(r, 1);
	rig_free(r);
}

// Fragments of neighbour discovery are thrown away (RFC 6980).
static void test_neighbour_discovery(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){0});
	const struct postern_addr src = rig_addr("2001:db8:1::99"),
				  dst = rig_addr("2001:db8:1::20");

	(void)state;
	in.family = POSTERN_V6;
	in.interface = RIG_OUTSIDE;
	in.length = 54 + 32;
	memset(in.bytes, 0, in.length);
	rig_headers_put(RIG_OUTSIDE, &src, &dst, 255, IPPROTO_ICMPV6, 32, in.bytes);
	in.bytes[54] = 135;
	memcpy(in.bytes + 62, dst.bytes, 16);
	memcpy(in.bytes + 78, "\1\1\x02\xaa\0\0\0\x99", 8);
	put16(in.bytes + 56, rig_l4_checksum(in.bytes, in.length));
	piece_put(r, &in, 5, 0, 32, false);
	assert_int_equal(rig_waiting(r), 0);
	assert_int_equal(rig_count(r, C(DROP_ND)), 1);
	rig_put(r, RIG_OUTSIDE, in.bytes, in.length);
	assert_int_equal(rig_waiting(r), 1);
	rig_free(r);
}

// Behind hop-by-hop options, which stay before the fragment header on the way out.
static void test_behind_options(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){.world = worlds[0]});
	uint8_t frame[2048];

	(void)state;
	piece_from_client(r, POSTERN_V6, 1, 1992, &in);
	for (unsigned i = 0; i < 2; i++) {
		const struct piece p = {1000 * i, 1000, i == 0};
		const size_t length = piece_build(&in, &p, 9, frame);

		memmove(frame + 62, frame + 54, length - 54);
		memcpy(frame + 54, "\x2c\0\1\4\0\0\0\0", 8);
		frame[20] = 0;
		put16(frame + 18, (unsigned)length + 8 - 54);
		rig_put(r, RIG_OUTSIDE, frame, length + 8);
	}
	assert_int_equal(rig_waiting(r), 2);
	unsigned at = 0;

	for (unsigned i = 0; i < 2; i++) {
		const struct rig_packet *p = rig_take(r);

		assert_int_equal(p->bytes[20], 0);
		assert_memory_equal(p->bytes + 54, "\x2c\0\1\4\0\0\0\0", 8);
		assert_int_equal(p->bytes[62], IPPROTO_UDP);
		assert_int_equal(get16(p->bytes + 64), at | (i == 0));
		assert_int_equal(get16(p->bytes + 18) + 54u, p->length);
		at += p->length - 70u;
	}
	assert_int_equal(at, 2000);
	rig_free(r);
}

// An error about a fragment of ours finds its session by the first one (RFC 8200 4.5).
static void test_error_about_fragment(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){.world = worlds[0]});
	const struct postern_addr router = rig_addr("2001:db8:2::1");
	uint8_t frame[2048];

	(void)state;
	piece_from_client(r, POSTERN_V6, 1, 1992, &in);
	piece_put_all(r, &in, 7, 1000, 0);
	for (unsigned i = 0; i < 2; i++) {
		const struct rig_packet p = r->out[i];
		struct postern_addr dst;

		memcpy(dst.bytes, p.bytes + 14 + 8, 16);
		rig_headers_put(RIG_INSIDE, &router, &dst, 64, IPPROTO_ICMPV6, 8 + 100, frame);
		memcpy(frame + 54, "\2\0\0\0\0\0\5\0", 8);
		memcpy(frame + 62, p.bytes + 14, 100);
		put16(frame + 56, rig_l4_checksum(frame, 162));
		r->next_out = 0;
		rig_put(r, RIG_INSIDE, frame, 162);
		assert_int_equal(rig_count(r, C(ERROR_TRANSLATED)), 1);
		assert_int_equal(rig_count(r, C(DROP_ERROR_UNKNOWN)), i);
	}
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_put_together),
		cmocka_unit_test(test_no_larger_than_they_came),
		cmocka_unit_test(test_smaller_outside),
		cmocka_unit_test(test_cut_here),
		cmocka_unit_test(test_syn_checksum),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_atomic),
		cmocka_unit_test(test_neighbour_discovery),
		cmocka_unit_test(test_behind_options),
		cmocka_unit_test(test_error_about_fragment),
	};

	return cmocka_run_group_tests_name("fragment", tests, rig_use_cmocka, NULL);
}
