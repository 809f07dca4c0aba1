// SPDX-License-Identifier: BSD-2-Clause
// Neighbours: announcing our addresses, asking for next hops, what waits meanwhile, stations that
// move or fall silent.

#include "frames.h"
#include "rig_cmocka.h"
#include "talk.h"

#include <stdlib.h>
#include <string.h>

#define EACH_FAMILY(f) for (uint8_t f = POSTERN_V4; f < POSTERN_FAMILIES; f++)

#define ETH 14

// An announcement of an address: a request for itself (RFC 5227 2.3), or an unsolicited
// advertisement to all nodes that overrides (RFC 4861 7.2.6).
static bool announces(const struct rig_packet *p, const struct postern_addr *a)
{
	const uint8_t *b = p->bytes + ETH;
	const struct rte_ether_addr own = rig_own_mac(p->interface);

	if (memcmp(p->bytes + 12, "\x08\x06", 2) == 0) {
		if (!postern_addr_is_v4(a) || memcmp(b + 14, &a->bytes[12], 4) != 0)
			return false;
		assert_memory_equal(p->bytes, "\xff\xff\xff\xff\xff\xff", 6);
		assert_memory_equal(b, "\0\1\x08\0\6\4\0\1", 8);
		assert_memory_equal(b + 8, own.addr_bytes, 6);
		assert_memory_equal(b + 24, &a->bytes[12], 4);
		return true;
	}
	assert_memory_equal(p->bytes + 12, "\x86\xdd", 2);
	if (memcmp(b + 48, a->bytes, 16) != 0)
		return false;
	assert_memory_equal(p->bytes, "\x33\x33\0\0\0\1", 6);
	assert_int_equal(b[7], 255);
	assert_memory_equal(b + 8, a->bytes, 16);
	assert_memory_equal(b + 24, "\xff\2\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
	assert_int_equal(b[40], 136);
	assert_int_equal(b[44] & 0x60, 0x20);
	assert_memory_equal(b + 64, "\2\1", 2);
	assert_memory_equal(b + 66, own.addr_bytes, 6);
	assert_int_equal(rig_l4_checksum(p->bytes, p->length), (b[42] << 8) | b[43]);
	return true;
}

static void test_announced(void **state)
{
	static const struct {
		const char *addr;
		uint16_t interface;
	} ours[] = {{"203.0.113.10", RIG_OUTSIDE}, {"203.0.113.20", RIG_OUTSIDE},
		{"10.0.0.10", RIG_INSIDE}, {"10.0.0.20", RIG_INSIDE},
		{"2001:db8:1::10", RIG_OUTSIDE}, {"2001:db8:1::20", RIG_OUTSIDE},
		{"2001:db8:2::10", RIG_INSIDE}, {"2001:db8:2::20", RIG_INSIDE}};
	unsigned count[8] = {0};
	struct rig *r = rig_new(&(struct rig_options){.announces = true});

	(void)state;
	rig_advance_slowly(r, 60 * RIG_S, 100 * RIG_MS);
	for (const struct rig_packet *p; (p = rig_take(r)) != NULL;) {
		unsigned hits = 0;

		for (unsigned i = 0; i < 8; i++) {
			const struct postern_addr a = rig_addr(ours[i].addr);

			if (p->interface == ours[i].interface && announces(p, &a)) {
				count[i]++;
				hits++;
			}
		}
		assert_int_equal(hits, 1);
	}
	// Twice (ANNOUNCE_NUM), and never again.
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(count[i], 2);
	rig_free(r);
}

// A reload announces what is new, and is silent about the rest.
static void test_reload_announces(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){.world = {.no_service = true}});
	const struct postern_addr v4 = rig_service(r, POSTERN_V4), v6 = rig_service(r, POSTERN_V6);
	unsigned count = 0;

	(void)state;
	rig_adopt(r, &(struct rig_world){0});
	rig_advance_slowly(r, 60 * RIG_S, 100 * RIG_MS);
	for (const struct rig_packet *p; (p = rig_take(r)) != NULL; count++)
		assert_true(announces(p, &v4) || announces(p, &v6));
	assert_int_equal(count, 4);
	rig_adopt(r, &(struct rig_world){.observe_fall = 2});
	rig_advance_slowly(r, 60 * RIG_S, 100 * RIG_MS);
	assert_int_equal(rig_waiting(r), 0);
	rig_free(r);
}

static bool is_request_for(const struct rig_packet *p, const struct postern_addr *a)
{
	const uint8_t *b = p->bytes + ETH;
	const bool arp = p->bytes[12] == 0x08;

	if (!rig_is_request(p) || arp != postern_addr_is_v4(a))
		return false;
	return arp ? memcmp(b + 24, &a->bytes[12], 4) == 0 : memcmp(b + 48, a->bytes, 16) == 0;
}

static unsigned count_requests_for(struct rig *r, const struct postern_addr *a)
{
	unsigned n = 0;

	for (const struct rig_packet *p; (p = rig_take(r)) != NULL;)
		n += is_request_for(p, a);
	return n;
}

// RFC 4861 7.2.2: three times, a second apart; then what waited is given up. A member is asked for
// again and again, but not without pauses, and works as soon as it answers.
static void test_silent_neighbour(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_new(&(struct rig_options){
			.world = {.members = 1}, .deaf = true, .announces = true});
		const struct postern_addr member = rig_member(f, 0);
		struct talk t = talk_new(r, f, 1);

		r->shows_requests = true;
		talk_put(&t, FROM_CLIENT, TALK_SYN, 0);
		assert_int_equal(r->w->ip.neigh_waiting, 1);
		rig_advance_slowly(r, 2900 * RIG_MS, 50 * RIG_MS);
		assert_int_equal(rig_count(r, POSTERN_COUNTER_DROP_NEIGHBOUR_FAILED), 0);
		rig_advance_slowly(r, 300 * RIG_MS, 50 * RIG_MS);
		assert_int_equal(rig_count(r, POSTERN_COUNTER_DROP_NEIGHBOUR_FAILED), 1);
		assert_int_equal(r->w->ip.neigh_waiting, 0);
		assert_int_equal(count_requests_for(r, &member), 3);
		rig_advance_slowly(r, 60 * RIG_S, 100 * RIG_MS);
		assert_in_range(count_requests_for(r, &member), 6, 40);
		r->deaf = false;
		rig_advance_slowly(r, 10 * RIG_S, 100 * RIG_MS);
		rig_discard(r);
		struct talk other = talk_new(r, f, 2);

		r->shows_requests = false;
		talk_open(&other);
		rig_free(r);
	}
}

// A few packets wait for a neighbour and go on in order when it answers, others are counted.
static void test_few_wait(void **state)
{
	enum {
		SENT = 20
	};

	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_new(&(struct rig_options){
			.world = {.members = 1}, .deaf = true, .announces = true});
		const struct postern_addr member = rig_member(f, 0);
		unsigned out = 0;

		r->shows_requests = true;
		for (unsigned i = 0; i < SENT; i++) {
			struct talk t = talk_new(r, f, i);

			talk_put(&t, FROM_CLIENT, TALK_SYN, 0);
		}
		const uint64_t dropped = rig_count(r, POSTERN_COUNTER_DROP_NEIGHBOUR_PENDING);
		struct rig_packet request = {0};

		rig_advance(r, 1100 * RIG_MS);
		assert_int_equal(r->w->ip.neigh_waiting, SENT - dropped);
		assert_in_range(SENT - dropped, 1, SENT - 1);
		for (const struct rig_packet *p; (p = rig_take(r)) != NULL;)
			if (is_request_for(p, &member))
				request = *p;
		assert_int_not_equal(request.length, 0);
		rig_answer_request(r, &request);
		uint32_t before = 0;

		for (; rig_waiting(r) > 0; out++) {
			const struct rig_tcp s = rig_tcp_take(r);

			assert_int_equal(s.flags, TALK_SYN);
			assert_true(out == 0 || s.seq > before);
			before = s.seq;
		}
		assert_int_equal(out, SENT - dropped);
		assert_int_equal(r->w->ip.neigh_waiting, 0);
		rig_free(r);
	}
}

// The gateway has failed and another station has taken its address.
static void test_station_moves(void **state)
{
	static const uint8_t elsewhere[6] = {0x02, 0xcc, 0, 0, 0, 7};
	struct rig *r = rig_new(&(struct rig_options){.world = {.members = 1}});
	struct talk t = talk_new(r, POSTERN_V4, 1);
	uint8_t arp[60] = "\xff\xff\xff\xff\xff\xff";
	const struct postern_addr member = rig_member(POSTERN_V4, 0);

	(void)state;
	talk_open(&t);
	memcpy(arp + 6, elsewhere, 6);
	memcpy(arp + 12, "\x08\x06\0\1\x08\0\6\4\0\1", 10);
	memcpy(arp + 22, elsewhere, 6);
	memcpy(arp + 28, &member.bytes[12], 4);
	memcpy(arp + 38, &member.bytes[12], 4);
	rig_put(r, RIG_INSIDE, arp, sizeof(arp));
	rig_discard(r);
	talk_put(&t, FROM_CLIENT, TALK_ACK, 10);
	const struct rig_packet *p = rig_take(r);

	assert_non_null(p);
	assert_memory_equal(p->bytes, elsewhere, 6);
	rig_free(r);
}

// RFC 4861 7.2.5: an advertisement changes a known station only when it says that it overrides,
// and one that is solicited never goes to a group (7.1.2).
static void test_advertisement_overrides(void **state)
{
	static const struct {
		uint8_t flags; // solicited 0x40, override 0x20
		bool group;
		bool moves;
	} cases[] = {{0x20, false, true}, {0x20, true, true}, {0x60, false, true},
		{0x00, false, false}, {0x00, true, false}, {0x40, false, false},
		{0x60, true, false}};
	unsigned wrong = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rig *r = rig_new(&(struct rig_options){.world = {.members = 1}});
		struct talk t = talk_new(r, POSTERN_V6, 1);
		struct frame na = frame_make(r, FRAME_NA);
		const struct postern_addr member = rig_member(POSTERN_V6, 0);
		const struct postern_addr to =
			rig_addr(cases[i].group ? "ff02::1" : "2001:db8:2::10");
		const struct rte_ether_addr own = rig_own_mac(RIG_INSIDE), mac = rig_mac(&member);
		const uint8_t moved[6] = {0x02, 0xcc, 0, 0, 0, 7};

		talk_open(&t);
		memcpy(na.bytes, own.addr_bytes, 6);
		memcpy(na.bytes + 6, moved, 6);
		memcpy(na.bytes + 22, member.bytes, 16);
		memcpy(na.bytes + 38, to.bytes, 16);
		na.bytes[58] = cases[i].flags;
		memcpy(na.bytes + 62, member.bytes, 16);
		memcpy(na.bytes + 80, moved, 6);
		frame_sum(&na);
		rig_put(r, RIG_INSIDE, na.bytes, na.length);
		rig_discard(r);
		talk_put(&t, FROM_CLIENT, TALK_ACK, 10);
		const struct rig_packet *p = rig_take(r);

		assert_non_null(p);
		if (memcmp(p->bytes, cases[i].moves ? moved : mac.addr_bytes, 6) != 0) {
			print_error("flags %02x, to %s: sent to %02x:%02x:...\n", cases[i].flags,
				cases[i].group ? "all" : "us", p->bytes[0], p->bytes[1]);
			wrong++;
		}
		rig_free(r);
	}
	assert_int_equal(wrong, 0);
}

// A neighbour in use is asked now and then whether it is there, and packets flow meanwhile
// (RFC 4861 7.3.1).
static void test_reachability(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_new(&(struct rig_options){.world = {.members = 1}});
		const struct postern_addr member = rig_member(f, 0);
		const struct rte_ether_addr mac = rig_mac(&member);
		struct talk t = talk_new(r, f, 1);
		unsigned requests = 0;

		talk_open(&t);
		r->shows_requests = true;
		for (unsigned i = 0; i < 200; i++) {
			talk_put(&t, FROM_CLIENT, TALK_ACK, 10);
			bool through = false;

			for (const struct rig_packet *p; (p = rig_take(r)) != NULL;) {
				if (rig_is_request(p)) {
					// It is known: the question goes to it alone.
					if (memcmp(p->bytes, mac.addr_bytes, 6) == 0)
						requests++;
				} else if (p->interface == RIG_INSIDE) {
					through = true;
				}
			}
			assert_true(through);
			rig_advance(r, RIG_S);
		}
		for (const struct rig_packet *p; (p = rig_take(r)) != NULL;)
			requests += memcmp(p->bytes, mac.addr_bytes, 6) == 0;
		assert_in_range(requests, 1, 20);
		rig_free(r);
	}
}

// It stops answering: its sessions' packets are dropped and counted, and flow again after.
static void test_neighbour_dies(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){.world = {.members = 1}});
	struct talk t = talk_new(r, POSTERN_V4, 1);

	(void)state;
	talk_open(&t);
	r->deaf = true;
	for (unsigned i = 0; i < 120; i++) {
		talk_put(&t, FROM_CLIENT, TALK_ACK, 1);
		rig_advance(r, RIG_S);
		rig_discard(r);
	}
	assert_int_not_equal(rig_count(r, POSTERN_COUNTER_DROP_NEIGHBOUR_FAILED), 0);
	r->deaf = false;
	for (unsigned i = 0; i < 10; i++) {
		talk_put(&t, FROM_CLIENT, TALK_ACK, 1);
		rig_advance(r, RIG_S);
		rig_discard(r);
	}
	talk_send(&t, FROM_CLIENT, TALK_ACK, 1);
	talk_send(&t, FROM_MEMBER, TALK_ACK, 1);
	rig_free(r);
}

// Clients on the link itself, more than the table holds: refused with a reason, never in the way of
// those that have their place.
static void test_neighbour_table_full(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){.sessions = 6000, .deaf = true});
	struct talk first;

	(void)state;
	r->deaf = false;
	rig_advance_slowly(r, 10 * RIG_S, 100 * RIG_MS);
	first = talk_new(r, POSTERN_V4, 1);
	talk_open(&first);
	r->deaf = true;
	for (unsigned i = 0; i < 5000; i++) {
		struct rig_tcp s = talk_segment(&first, FROM_CLIENT, TALK_SYN, 0);

		s.src = rig_addr("2001:db8:1::5:0");
		s.dst = rig_service(r, POSTERN_V6);
		s.src.bytes[14] = (uint8_t)(i >> 8);
		s.src.bytes[15] = (uint8_t)i;
		rig_tcp_put(r, &s);
		rig_discard(r);
	}
	assert_int_not_equal(rig_count(r, POSTERN_COUNTER_DROP_NEIGHBOUR_TABLE), 0);
	talk_send(&first, FROM_CLIENT, TALK_ACK, 10);
	talk_send(&first, FROM_MEMBER, TALK_ACK, 10);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_announced),
		cmocka_unit_test(test_reload_announces),
		cmocka_unit_test(test_silent_neighbour),
		cmocka_unit_test(test_few_wait),
		cmocka_unit_test(test_station_moves),
		cmocka_unit_test(test_advertisement_overrides),
		cmocka_unit_test(test_reachability),
		cmocka_unit_test(test_neighbour_dies),
		cmocka_unit_test(test_neighbour_table_full),
	};

	return cmocka_run_group_tests_name("ip", tests, rig_use_cmocka, NULL);
}
