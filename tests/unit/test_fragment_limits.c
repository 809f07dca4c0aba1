// SPDX-License-Identifier: BSD-2-Clause
// Fragments that overlap, lie, are too small, too many, or never whole: bounded, each with its reason.

#include "pieces.h"
#include "rig_cmocka.h"

#include <netinet/in.h>
#include <string.h>

#define C(name) POSTERN_COUNTER_##name

#define EACH_FAMILY(f) for (uint8_t f = POSTERN_V4; f < POSTERN_FAMILIES; f++)

static const struct rig_world worlds[] = {{.udp = true}, {.udp = true, .destination = true}};

static struct piece_whole in, out;

static void check_kept(struct rig *r, unsigned held)
{
	assert_int_equal(rig_waiting(r), 0);
	assert_int_equal(rig_held(r), held);
}

// Two fragments that overlap in any way: the packet is lost, with all that still comes of it, and
// others are not.
static void test_overlap(void **state)
{
	static const struct piece second[] = {
		{0, 808, true},    // the same beginning
		{792, 808, true},  // eight bytes
		{8, 8, true},      // inside
		{0, 8, true},      // at the beginning
		{792, 8, true},    // at the end
		{8, 1400, true},   // around the end
		{792, 508, false}, // the last one
	};

	(void)state;
	EACH_FAMILY(f)
	for (unsigned i = 0; i < RTE_DIM(second); i++) {
		struct rig *r = rig_new(&(struct rig_options){.world = worlds[0]});

		piece_from_client(r, f, 1, 1992, &in);
		piece_put(r, &in, 7, 0, 800, true);
		piece_put(r, &in, 7, second[i].offset, second[i].length, second[i].more);
		assert_int_equal(rig_count(r, C(DROP_FRAGMENT_OVERLAP)), 2);
		check_kept(r, 0);
		piece_put(r, &in, 7, 800, 800, true);
		piece_put(r, &in, 7, 0, 800, true);
		piece_put(r, &in, 7, 1600, 400, false);
		assert_int_equal(rig_count(r, C(DROP_FRAGMENT_OVERLAP)), 5);
		check_kept(r, 0);
		piece_put_all(r, &in, 8, 800, 0);
		piece_gather(r, &out, f, 1500);
		piece_check_same(&in, &out);
		// After its time the number is free.
		rig_advance(r, 3 * RIG_S);
		piece_put_all(r, &in, 7, 800, 0);
		piece_gather(r, &out, f, 1500);
		piece_check_same(&in, &out);
		rig_free(r);
	}
}

// Backwards as well: what lies behind is there first.
static void test_overlap_backwards(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_new(&(struct rig_options){.world = worlds[0]});

		piece_from_client(r, f, 1, 1992, &in);
		piece_put(r, &in, 7, 1600, 400, false);
		piece_put(r, &in, 7, 792, 816, true);
		assert_int_equal(rig_count(r, C(DROP_FRAGMENT_OVERLAP)), 2);
		check_kept(r, 0);
		rig_free(r);
	}
}

// The network may double a packet: the first counts.
static void test_twice(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_new(&(struct rig_options){.world = worlds[0]});

		piece_from_client(r, f, 1, 1992, &in);
		for (unsigned i = 0; i < 3; i++)
			piece_put(r, &in, 7, 0, 800, true);
		for (unsigned i = 0; i < 3; i++)
			piece_put(r, &in, 7, 800, 800, true);
		check_kept(r, 2);
		piece_put(r, &in, 7, 1600, 400, false);
		piece_gather(r, &out, f, 1500);
		piece_check_same(&in, &out);
		assert_int_equal(rig_count(r, C(DROP_FRAGMENT)), 4);
		rig_free(r);
	}
}

// The whole transport header lies in the first fragment.
static void test_tiny(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_new(&(struct rig_options){0});
		struct rig_tcp t = {.src = rig_client(f, 1),
			.dst = rig_service(r, f),
			.sport = 40001,
			.dport = RIG_PORT,
			.flags = RTE_TCP_SYN_FLAG,
			.n_options = 20,
			.payload = 24};

		memset(t.options, 1, sizeof(t.options));
		in.family = f;
		in.interface = RIG_OUTSIDE;
		in.length = rig_tcp_build(r, &t, in.bytes);
		for (unsigned first = 8; first < 40; first += 8) {
			piece_put(r, &in, first, 0, first, true);
			assert_int_equal(rig_count(r, C(DROP_FRAGMENT_TINY)), first / 8);
		}
		check_kept(r, 0);
		// Forty bytes are enough, and the packet counts as one.
		piece_put(r, &in, 99, 0, 40, true);
		piece_put(r, &in, 99, 40, 24, false);
		assert_int_equal(rig_count(r, C(SESSION_OPENED)), 1);
		assert_int_equal(rig_waiting(r), 2);
		rig_free(r);
	}
}

static void test_times_out(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_new(&(struct rig_options){.world = worlds[0]});

		piece_from_client(r, f, 1, 1992, &in);
		piece_put(r, &in, 7, 0, 800, true);
		rig_advance(r, RIG_S);
		// It is the first that counts.
		piece_put(r, &in, 7, 800, 800, true);
		rig_advance(r, RIG_S - RIG_MS);
		check_kept(r, 2);
		rig_advance(r, 2 * RIG_MS);
		check_kept(r, 0);
		assert_int_equal(rig_count(r, C(DROP_FRAGMENT_TIMEOUT)), 2);
		piece_put(r, &in, 7, 1600, 400, false);
		check_kept(r, 1);
		rig_free(r);
	}
}

// First fragments without end: buffers are bounded, the oldest give way, whoever sends all of his comes
// through, and sessions are not disturbed.
static void test_flood(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_new(&(struct rig_options){.world = worlds[0]});
		const unsigned most = 4095 / 8;
		unsigned through = 0;

		for (unsigned i = 0; i < 20000; i++) {
			piece_from_client(r, f, i % 5000, 1992, &in);
			piece_put(r, &in, i, 0, 800, true);
			assert_true(rig_held(r) <= most);
			assert_int_equal(rig_waiting(r), 0);
			if (i % 1000 == 999) {
				piece_from_client(r, f, 7777, 1992, &in);
				piece_put_all(r, &in, i, 1448, i % 3);
				piece_gather(r, &out, f, 1500);
				piece_check_same(&in, &out);
				through++;
			}
		}
		// The last whole one has pushed out one more, and each worker has its share.
		assert_in_range(rig_held(r), most - 2 * r->dp->n_workers, most);
		assert_int_equal(rig_count(r, C(REASSEMBLED)), through);
		// The whole ones push out as well, and not themselves.
		assert_in_range(rig_count(r, C(DROP_FRAGMENT_LIMIT)), 20000 - most, 20000);
		rig_advance_slowly(r, 3 * RIG_S, RIG_MS);
		assert_int_equal(rig_held(r), 0);
		rig_free(r);
	}
}

// Incomplete packets are bounded in number too, when they hold next to nothing: overlapping ones hold
// no buffer at all.
static void test_flood_of_dead(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){.world = worlds[0]});

	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		piece_from_client(r, POSTERN_V4, i % 5000, 1992, &in);
		piece_put(r, &in, i, 0, 800, true);
		piece_put(r, &in, i, 792, 800, true);
	}
	check_kept(r, 0);
	assert_int_equal(rig_count(r, C(DROP_FRAGMENT_OVERLAP)), 10000);
	piece_put_all(r, &in, 60000, 800, 0);
	piece_gather(r, &out, POSTERN_V4, 1500);
	piece_check_same(&in, &out);
	rig_free(r);
}

static void test_too_many_pieces(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_new(&(struct rig_options){.world = worlds[0]});

		piece_from_client(r, f, 1, 1992, &in);
		for (unsigned i = 0; i < 64; i++)
			piece_put(r, &in, 7, 8 * i, 8, true);
		check_kept(r, 64);
		piece_put(r, &in, 7, 512, 8, true);
		check_kept(r, 0);
		assert_int_equal(rig_count(r, C(DROP_FRAGMENT_LIMIT)), 65);
		rig_free(r);
	}
}

// Lengths and places that no packet has.
static void test_malformed(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_new(&(struct rig_options){.world = worlds[0]});

		piece_from_client(r, f, 1, 1992, &in);
		piece_put(r, &in, 1, 8, 0, true);   // nothing
		piece_put(r, &in, 2, 8, 0, false);  // nothing, the last
		piece_put(r, &in, 3, 0, 799, true); // no multiple of eight
		piece_put(r, &in, 4, 0, 801, true); //
		assert_int_equal(rig_count(r, C(DROP_FRAGMENT)), 4);
		memset(in.bytes + in.length, 0, sizeof(in.bytes) - in.length);
		piece_put(r, &in, 5, 65528, 16, false); // past the largest packet
		piece_put(r, &in, 5, 65528, 8, false);
		assert_int_equal(rig_count(r, C(DROP_FRAGMENT)), 6);
		check_kept(r, 0);
		// Two ends, and something behind the end.
		piece_put(r, &in, 6, 800, 100, false);
		piece_put(r, &in, 6, 1600, 100, false);
		assert_int_equal(rig_count(r, C(DROP_FRAGMENT)), 8);
		piece_put(r, &in, 8, 800, 100, false);
		piece_put(r, &in, 8, 1600, 80, true);
		assert_int_equal(rig_count(r, C(DROP_FRAGMENT)), 10);
		piece_put(r, &in, 9, 1600, 80, true);
		piece_put(r, &in, 9, 800, 100, false);
		assert_int_equal(rig_count(r, C(DROP_FRAGMENT)), 12);
		check_kept(r, 0);
		rig_free(r);
	}
}

// What belongs to different packets does not mix: numbers, protocols, interfaces, senders.
static void test_no_mixing(void **state)
{
	static struct piece_whole other;

	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_new(&(struct rig_options){.world = worlds[0]});

		piece_from_client(r, f, 1, 1992, &in);
		piece_from_client(r, f, 2, 1992, &other);
		piece_put(r, &in, 7, 0, 800, true);
		piece_put(r, &in, 8, 800, 1200, false);
		piece_put(r, &other, 7, 800, 1200, false);
		other = in;
		other.interface = RIG_INSIDE;
		memcpy(other.bytes, rig_own_mac(RIG_INSIDE).addr_bytes, 6);
		piece_put(r, &other, 7, 800, 1200, false);
		check_kept(r, 4);
		if (f == POSTERN_V4) {
			other = in;
			other.bytes[23] = IPPROTO_TCP;
			piece_put(r, &other, 7, 800, 1200, false);
			check_kept(r, 5);
		}
		piece_put(r, &in, 7, 800, 1200, false);
		piece_gather(r, &out, f, 1500);
		piece_check_same(&in, &out);
		rig_free(r);
	}
}

// Fragments that nobody here needs take no place.
static void test_not_wanted(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	for (unsigned w = 0; w < 2; w++) {
		struct rig *r = rig_new(&(struct rig_options){.world = worlds[w]});
		const size_t dst = f == POSTERN_V4 ? 14 + 19 : 14 + 39;
		const size_t src = f == POSTERN_V4 ? 14 + 12 : 14 + 8;

		// To a stranger, from the outside: as a router for members as well.
		piece_from_client(r, f, 1, 1992, &in);
		in.bytes[dst] ^= 0x40;
		piece_put(r, &in, 7, 0, 800, true);
		assert_int_equal(rig_count(r, C(DROP_NOT_OURS)), w == 0);
		check_kept(r, w != 0);
		in.bytes[dst] ^= 0x40;
		memcpy(in.bytes, "\xff\xff\xff\xff\xff\xff", 6);
		piece_put(r, &in, 8, 0, 800, true);
		assert_int_equal(rig_count(r, C(DROP_OTHER_HOST)), 1);
		memcpy(in.bytes, rig_own_mac(RIG_OUTSIDE).addr_bytes, 6);
		in.bytes[src] = f == POSTERN_V4 ? 127 : 0xff;
		piece_put(r, &in, 9, 0, 800, true);
		assert_int_equal(rig_count(r, C(DROP_MARTIAN)), 1);
		check_kept(r, w != 0);
		rig_free(r);
	}
}

// Waiting for a neighbour a packet counts by its buffers.
static void test_waiting(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_new(&(struct rig_options){.world = worlds[0], .deaf = true});

		for (unsigned i = 0; i < 40; i++) {
			piece_from_client(r, f, i, 20000, &in);
			piece_put_all(r, &in, i, 1000, 0);
			assert_true(r->w->ip.neigh_waiting <= 256);
		}
		rig_discard(r);
		rig_free(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_overlap),
		cmocka_unit_test(test_overlap_backwards),
		cmocka_unit_test(test_twice),
		cmocka_unit_test(test_tiny),
		cmocka_unit_test(test_times_out),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_flood_of_dead),
		cmocka_unit_test(test_too_many_pieces),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_no_mixing),
		cmocka_unit_test(test_not_wanted),
		cmocka_unit_test(test_waiting),
	};

	return cmocka_run_group_tests_name("fragment_limits", tests, rig_use_cmocka, NULL);
}
