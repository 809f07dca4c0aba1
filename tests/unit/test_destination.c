// SPDX-License-Identifier: BSD-2-Clause
// Translation of the destination alone, ranges of ports, and what chooses a member besides the
// hash: affinity by source, members that warm up, a pool of which all are down.

#include "rig_cmocka.h"
#include "talk.h"

#define EACH_FAMILY(f) for (uint8_t f = POSTERN_V4; f < POSTERN_FAMILIES; f++)

static struct rig *rig_of(struct rig_world world)
{
	return rig_new(&(struct rig_options){.world = world, .sessions = 4096});
}

static uint16_t member_id(uint8_t f, unsigned n)
{
	return (uint16_t)((f == POSTERN_V4 ? RIG_MEMBER_V4 : RIG_MEMBER_V6) + n);
}

static unsigned choose(struct rig *r, uint8_t f, unsigned client)
{
	struct talk t = talk_new(r, f, client);

	talk_syn(&t);
	return rig_member_number(&t.member);
}

// The member sees the client itself, from its SYN to the last acknowledgement.
static void test_session(void **state)
{
	(void)state;
	for (unsigned one_arm = 0; one_arm < 2; one_arm++)
		EACH_FAMILY(f)
		{
			struct rig *r =
				rig_of((struct rig_world){.destination = true, .one_arm = one_arm});
			struct talk t = talk_new(r, f, 1);
			struct postern_session s;

			talk_open(&t);
			talk_send(&t, FROM_CLIENT, TALK_ACK, 999);
			talk_send(&t, FROM_MEMBER, TALK_ACK, 1000);
			assert_true(talk_read(&t, &s));
			assert_true(postern_endpoint_equal(&s.client, &s.translated));
			talk_send(&t, FROM_MEMBER, TALK_FIN, 0);
			talk_send(&t, FROM_CLIENT, TALK_FIN, 0);
			talk_send(&t, FROM_MEMBER, TALK_ACK, 0);
			assert_int_equal(talk_state(&t), POSTERN_SESSION_CLOSING);
			rig_free(r);
		}
}

// No translate-from address is used up, so as many clients as the table holds.
static void test_many_clients(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_of((struct rig_world){.destination = true, .members = 3});

		for (unsigned i = 0; i < 2000; i++)
			choose(r, f, i);
		assert_int_equal(postern_sessions_in_use(r->dp), 2000);
		rig_free(r);
	}
}

static void test_resets(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_of((struct rig_world){.destination = true});
		struct talk t = talk_new(r, f, 1);

		talk_open(&t);
		talk_send(&t, FROM_CLIENT, TALK_ACK, 10);
		rig_health(r, member_id(f, rig_member_number(&t.member)), POSTERN_MEMBER_RESET);
		talk_take_resets(&t);
		assert_int_equal(talk_state(&t), POSTERN_SESSION_RESET);
		rig_free(r);
	}
}

// A member that refuses: another is asked the same, from the same client.
static void test_refused(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_of((struct rig_world){.destination = true});
		struct talk t = talk_new(r, f, 1);

		talk_syn(&t);
		const struct postern_addr first = t.member;
		const struct rig_tcp rst = talk_segment(&t, FROM_MEMBER, TALK_RST, 0);

		rig_tcp_put(r, &rst);
		t.next[FROM_CLIENT]--;
		talk_syn_learn(&t);
		t.next[FROM_CLIENT]++;
		assert_false(postern_addr_equal(&first, &t.member));
		talk_synack(&t);
		talk_send(&t, FROM_CLIENT, TALK_ACK, 0);
		assert_int_equal(talk_state(&t), POSTERN_SESSION_ESTABLISHED);
		rig_free(r);
	}
}

// Of a session that is gone nothing is ours any more: what its member still sends to the client's
// address is no packet for us.
static void test_member_without_session(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_of((struct rig_world){.destination = true});
		struct talk t = talk_new(r, f, 1);

		t.nat = t.client;
		t.nat_port = t.client_port;
		t.member = rig_member(f, 0);
		const struct rig_tcp s = talk_segment(&t, FROM_MEMBER, TALK_ACK, 10);

		rig_tcp_put(r, &s);
		assert_int_equal(rig_waiting(r), 0);
		assert_int_equal(rig_count(r, POSTERN_COUNTER_DROP_NOT_OURS), 1);
		rig_free(r);
	}
}

// The member's answers come from its own link alone.
static void test_member_spoofed(void **state)
{
	struct rig *r = rig_of((struct rig_world){.destination = true});
	struct talk t = talk_new(r, POSTERN_V4, 1);

	(void)state;
	talk_syn(&t);
	struct rig_tcp s = talk_segment(&t, FROM_MEMBER, TALK_SYN | TALK_ACK, 0);

	s.interface = RIG_OUTSIDE;
	rig_tcp_put(r, &s);
	assert_int_equal(rig_waiting(r), 0);
	assert_int_equal(rig_count(r, POSTERN_COUNTER_DROP_SPOOFED), 1);
	rig_free(r);
}

// One client port with two services of one member: seen from the member that is one connection.
// The second waits until the first is over.
static void test_two_services(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_of((struct rig_world){
			.destination = true, .second_service = true, .members = 1});
		struct talk t = talk_new(r, f, 1), other = talk_new(r, f, 1);

		other.service_port = RIG_PORT_MORE;
		talk_open(&t);
		talk_put(&other, FROM_CLIENT, TALK_SYN, 0);
		assert_int_equal(rig_waiting(r), 0);
		assert_int_equal(rig_count(r, POSTERN_COUNTER_DROP_PORTS_EXHAUSTED), 1);
		assert_int_equal(talk_state(&t), POSTERN_SESSION_ESTABLISHED);
		talk_send(&t, FROM_CLIENT, TALK_FIN, 0);
		talk_send(&t, FROM_MEMBER, TALK_FIN, 0);
		other.next[FROM_CLIENT]--;
		talk_open(&other);
		talk_send(&other, FROM_MEMBER, TALK_ACK, 5);
		assert_int_equal(postern_sessions_in_use(r->dp), 1);
		assert_int_equal(rig_count(r, POSTERN_COUNTER_CLOSE_FIN), 1);
		rig_free(r);
	}
}

// Every port of a range reaches the same port of a member; its neighbours are closed.
static void test_range(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		const uint16_t last = RIG_PORT + 1000;
		static const uint16_t offsets[] = {0, 1, 500, 999, 1000};
		struct rig *r = rig_of((struct rig_world){.destination = true, .last_port = last});
		struct talk t;

		for (unsigned i = 0; i < RTE_DIM(offsets); i++) {
			t = talk_new(r, f, 7);
			t.service_port = t.member_port = (uint16_t)(RIG_PORT + offsets[i]);
			talk_open(&t);
			talk_send(&t, FROM_CLIENT, TALK_ACK, 100);
			talk_send(&t, FROM_MEMBER, TALK_ACK, 100);
		}
		// The same client's port five times.
		assert_int_equal(postern_sessions_in_use(r->dp), RTE_DIM(offsets));
		t.service_port = last + 1;
		talk_put(&t, FROM_CLIENT, TALK_SYN, 0);
		talk_take_reset(&t, FROM_CLIENT);
		t.service_port = RIG_PORT - 1;
		talk_put(&t, FROM_CLIENT, TALK_SYN, 0);
		talk_take_reset(&t, FROM_CLIENT);
		assert_int_equal(rig_count(r, POSTERN_COUNTER_REFUSE_PORT_CLOSED), 2);
		rig_free(r);
	}
}

// A single port within a range is a service of its own.
static void test_range_with_hole(void **state)
{
	struct rig *r = rig_of((struct rig_world){
		.destination = true, .last_port = RIG_PORT + 10, .second_service = true});
	struct talk t = talk_new(r, POSTERN_V4, 1);
	struct postern_session s;

	(void)state;
	t.service_port = RIG_PORT_MORE;
	talk_open(&t);
	assert_true(talk_read(&t, &s));
	assert_int_equal(s.listen, RIG_LISTEN_MORE);
	rig_free(r);
}

// What a session was begun as it stays, although its service says otherwise now.
static void test_settings_change(void **state)
{
	static const struct rig_world before = {.destination = true, .last_port = RIG_PORT + 10};
	static const struct rig_world after = {0};

	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_of(before);
		struct talk t = talk_new(r, f, 1), later;

		t.service_port = t.member_port = RIG_PORT + 4;
		talk_open(&t);
		rig_adopt(r, &after);
		rig_check_steer(r);
		r->world = before;
		talk_send(&t, FROM_CLIENT, TALK_ACK, 10);
		talk_send(&t, FROM_MEMBER, TALK_ACK, 10);
		r->world = after;
		later = talk_new(r, f, 2);
		talk_open(&later);
		rig_free(r);
	}
}

static void test_affinity(void **state)
{
	(void)state;
	for (unsigned destination = 0; destination < 2; destination++)
		EACH_FAMILY(f)
		{
			struct rig *r =
				rig_of((struct rig_world){.affinity = POSTERN_AFFINITY_SOURCE,
					.members = 5,
					.second_service = true,
					.destination = destination});
			unsigned used = 0;

			for (unsigned client = 0; client < 100; client++) {
				const unsigned first = choose(r, f, client);

				used |= 1u << first;
				for (unsigned i = 1; i < 8; i++) {
					struct talk t = talk_new(r, f, client);

					t.client_port = (uint16_t)(t.client_port + 7 * i);
					// Both services of the pool: what belongs together.
					if (i & 1)
						t.service_port = RIG_PORT_MORE;
					talk_syn(&t);
					assert_int_equal(rig_member_number(&t.member), first);
				}
			}
			assert_int_equal(used, 0x1f);
			rig_free(r);
		}
}

// With a member down its clients go elsewhere, each to one member; the others stay.
static void test_affinity_member_down(void **state)
{
	struct rig *r =
		rig_of((struct rig_world){.affinity = POSTERN_AFFINITY_SOURCE, .members = 5});
	unsigned first[200], moved = 0;

	(void)state;
	for (unsigned i = 0; i < 200; i++)
		first[i] = choose(r, POSTERN_V4, i);
	rig_health(r, member_id(POSTERN_V4, 2), 0);
	for (unsigned i = 0; i < 200; i++) {
		for (unsigned k = 1; k < 4; k++) {
			struct talk t = talk_new(r, POSTERN_V4, i);

			t.client_port = (uint16_t)(t.client_port + 1000 * k);
			talk_syn(&t);
			const unsigned now = rig_member_number(&t.member);

			if (first[i] == 2 && k == 1) {
				assert_int_not_equal(now, 2);
				first[i] = now;
				moved++;
			}
			assert_int_equal(now, first[i]);
		}
	}
	assert_in_range(moved, 1, 199);
	rig_free(r);
}

// Of 256 new sessions so many are withheld from a member that warms up; all others get theirs.
static void test_share_withheld(void **state)
{
	enum {
		CLIENTS = 2000
	};
	static unsigned before[CLIENTS];

	(void)state;
	EACH_FAMILY(f)
	{
		for (unsigned withheld = 0; withheld <= 255; withheld += 85) {
			struct rig *r = rig_of((struct rig_world){.members = 4});
			unsigned own = 0, kept = 0;

			for (unsigned i = 0; i < CLIENTS; i++)
				own += (before[i] = choose(r, f, i)) == 1;
			rig_health(r, member_id(f, 1), POSTERN_MEMBER_TAKES_NEW | withheld << 8);
			for (unsigned i = 0; i < CLIENTS; i++) {
				struct talk t = talk_new(r, f, i);

				t.next[FROM_CLIENT] += 77;
				talk_syn(&t);
				const unsigned now = rig_member_number(&t.member);

				// Nobody comes to it who was not its own, nobody else moves.
				if (before[i] != 1)
					assert_int_equal(now, before[i]);
				kept += before[i] == 1 && now == 1;
			}
			const double want = own * (256 - withheld) / 256.0;

			// Five standard deviations of a share of some 500.
			assert_true(kept >= want - 56 && kept <= want + 56);
			if (withheld == 0)
				assert_int_equal(kept, own);
			rig_free(r);
		}
	}
}

// When all that take sessions are warming up, nobody is spared.
static void test_all_warm_up(void **state)
{
	struct rig *r = rig_of((struct rig_world){.members = 3});
	unsigned used = 0;

	(void)state;
	for (unsigned n = 0; n < 3; n++)
		rig_health(r, member_id(POSTERN_V4, n), POSTERN_MEMBER_TAKES_NEW | 0xff00);
	for (unsigned i = 0; i < 300; i++)
		used |= 1u << choose(r, POSTERN_V4, i);
	assert_int_equal(used, 7);
	assert_int_equal(rig_count(r, POSTERN_COUNTER_REFUSE_NO_MEMBER), 0);
	rig_free(r);
}

// No member takes sessions: the client is told, or the choice is made as if all did.
static void test_try_all(void **state)
{
	(void)state;
	for (unsigned try_all = 0; try_all < 2; try_all++)
		EACH_FAMILY(f)
		{
			struct rig *r =
				rig_of((struct rig_world){.members = 3, .try_all = try_all});
			unsigned before[50];

			for (unsigned i = 0; i < 50; i++)
				before[i] = choose(r, f, i);
			for (unsigned n = 0; n < 3; n++)
				rig_health(r, member_id(f, n), 0);
			for (unsigned i = 0; i < 50; i++) {
				struct talk t = talk_new(r, f, i);

				t.next[FROM_CLIENT] += 99;
				if (try_all) {
					talk_syn(&t);
					assert_int_equal(rig_member_number(&t.member), before[i]);
				} else {
					talk_put(&t, FROM_CLIENT, TALK_SYN, 0);
					talk_take_reset(&t, FROM_CLIENT);
				}
			}
			assert_int_equal(
				rig_count(r, POSTERN_COUNTER_REFUSE_NO_MEMBER), try_all ? 0 : 50);
			// One that comes back is the only choice.
			rig_health(r, member_id(f, 2), POSTERN_MEMBER_TAKES_NEW);
			for (unsigned i = 100; i < 120; i++)
				assert_int_equal(choose(r, f, i), 2);
			rig_free(r);
		}
}

// Sessions that members had when they went down are reset; those that try_all sends there
// afterwards are not, whatever changes elsewhere.
static void test_try_all_stays(void **state)
{
	struct rig *r = rig_of((struct rig_world){.members = 2, .try_all = true});
	struct talk t = talk_new(r, POSTERN_V4, 1);

	(void)state;
	talk_open(&t);
	for (unsigned n = 0; n < 2; n++)
		rig_health(r, member_id(POSTERN_V4, n), POSTERN_MEMBER_RESET);
	talk_take_resets(&t);
	t = talk_new(r, POSTERN_V4, 2);
	talk_open(&t);
	rig_health(r, member_id(POSTERN_V6, 0), 0);
	rig_adopt(r, &r->world);
	assert_int_equal(rig_waiting(r), 0);
	talk_send(&t, FROM_CLIENT, TALK_ACK, 10);
	talk_send(&t, FROM_MEMBER, TALK_ACK, 10);
	// Up and down again: now it had it.
	const uint16_t id = member_id(POSTERN_V4, rig_member_number(&t.member));

	rig_health(r, id, POSTERN_MEMBER_TAKES_NEW);
	rig_health(r, id, POSTERN_MEMBER_RESET);
	assert_int_equal(rig_count(r, POSTERN_COUNTER_CLOSE_MEMBER_DOWN), 2);
	rig_discard(r);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_session),
		cmocka_unit_test(test_many_clients),
		cmocka_unit_test(test_resets),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_member_without_session),
		cmocka_unit_test(test_member_spoofed),
		cmocka_unit_test(test_two_services),
		cmocka_unit_test(test_range),
		cmocka_unit_test(test_range_with_hole),
		cmocka_unit_test(test_settings_change),
		cmocka_unit_test(test_affinity),
		cmocka_unit_test(test_affinity_member_down),
		cmocka_unit_test(test_share_withheld),
		cmocka_unit_test(test_all_warm_up),
		cmocka_unit_test(test_try_all),
		cmocka_unit_test(test_try_all_stays),
	};

	return cmocka_run_group_tests_name("destination", tests, rig_use_cmocka, NULL);
}
