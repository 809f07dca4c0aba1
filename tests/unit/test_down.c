// SPDX-License-Identifier: BSD-2-Clause
// Members that go down, are drained or removed, services that are removed, configurations that
// follow each other, and what a reader sees meanwhile.

#include "rig_cmocka.h"
#include "talk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define EACH_FAMILY(f) for (uint8_t f = POSTERN_V4; f < POSTERN_FAMILIES; f++)

#define TALKS 40

static struct talk talks[TALKS];

static uint16_t member_id(const struct talk *t)
{
	return (uint16_t)((t->family == POSTERN_V4 ? RIG_MEMBER_V4 : RIG_MEMBER_V6) +
			  rig_member_number(&t->member));
}

static void open_all(struct rig *r, uint8_t f)
{
	for (unsigned i = 0; i < TALKS; i++) {
		talks[i] = talk_new(r, f, i + 1);
		talk_open(&talks[i]);
		talk_send(&talks[i], FROM_CLIENT, TALK_ACK, (uint16_t)(100 + i));
		talk_send(&talks[i], FROM_MEMBER, TALK_ACK, (uint16_t)(200 + i));
	}
}

static struct talk *talk_of_client(const struct rig_tcp *s)
{
	for (unsigned i = 0; i < TALKS; i++)
		if (s->sport == RIG_PORT ? postern_addr_equal(&s->dst, &talks[i].client)
					 : postern_addr_equal(&s->src, &talks[i].nat) &&
						   s->sport == talks[i].nat_port)
			return &talks[i];
	fail();
	return NULL;
}

// What lies ready are resets to both sides of each session of a member, with numbers that their
// receivers accept. Returns how many.
static unsigned take_resets_of(struct rig *r, uint16_t member)
{
	unsigned told[TALKS][DIRECTIONS] = {{0}}, n = 0;

	for (; rig_waiting(r) > 0; n++) {
		const struct rig_tcp s = rig_tcp_take(r);
		const struct talk *t = talk_of_client(&s);
		const unsigned to = s.sport == RIG_PORT ? FROM_CLIENT : FROM_MEMBER;

		assert_true(s.flags & RTE_TCP_RST_FLAG);
		assert_true(s.seq == t->next[!to] || s.seq == t->acked[to]);
		assert_int_equal(s.checksum_error, 0);
		assert_int_equal(member_id(t), member);
		told[t - talks][to]++;
	}
	for (unsigned i = 0; i < TALKS; i++)
		for (unsigned to = 0; to < DIRECTIONS; to++)
			assert_in_range(told[i][to], member_id(&talks[i]) == member,
				member_id(&talks[i]) == member ? 2 : 0);
	return n;
}

static unsigned count_of(uint16_t member)
{
	unsigned n = 0;

	for (unsigned i = 0; i < TALKS; i++)
		n += member_id(&talks[i]) == member;
	return n;
}

static void test_down_resets_both(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_new(&(struct rig_options){.world = {.members = 3}});

		open_all(r, f);
		const uint16_t down = member_id(&talks[0]);
		const unsigned n = count_of(down);

		assert_in_range(n, 1, TALKS - 1);
		rig_health(r, down, POSTERN_MEMBER_RESET);
		const unsigned resets = take_resets_of(r, down);

		assert_int_equal(rig_count(r, POSTERN_COUNTER_CLOSE_MEMBER_DOWN), n);
		assert_int_equal(rig_count(r, POSTERN_COUNTER_RESET_SENT), resets);
		for (unsigned i = 0; i < TALKS; i++) {
			const bool hit = member_id(&talks[i]) == down;

			assert_int_equal(talk_state(&talks[i]),
				hit ? POSTERN_SESSION_RESET : POSTERN_SESSION_ESTABLISHED);
			if (hit)
				continue;
			talk_send(&talks[i], FROM_CLIENT, TALK_ACK, 10);
			talk_send(&talks[i], FROM_MEMBER, TALK_ACK, 10);
		}
		// The same partner comes again at once, with the same port, and is answered elsewhere.
		for (unsigned i = 0; i < TALKS; i++) {
			if (member_id(&talks[i]) != down)
				continue;
			struct talk again = talks[i];

			again.next[FROM_CLIENT] += 70000;
			talk_open(&again);
			assert_int_not_equal(member_id(&again), down);
		}
		rig_free(r);
	}
}

// A reset that is not exact is challenged (RFC 5961 3.2); the challenge is answered with exactly
// the number that it names.
static void test_challenge(void **state)
{
	(void)state;
	for (unsigned side = 0; side < DIRECTIONS; side++) {
		struct rig *r = rig_new(&(struct rig_options){0});
		struct talk t = talk_new(r, POSTERN_V4, 1);

		talk_open(&t);
		// A thousand bytes that have passed here and were lost behind.
		talk_send(&t, !side, TALK_ACK, 1000);
		rig_health(r, member_id(&t), POSTERN_MEMBER_RESET);
		talk_take_resets(&t);
		struct rig_tcp challenge = talk_segment(&t, side, TALK_ACK, 0);

		challenge.ack -= 1000;
		rig_tcp_put(r, &challenge);
		assert_int_equal(rig_waiting(r), 1);
		const struct rig_tcp rst = talk_take_reset(&t, side);

		assert_int_equal(rst.flags, RTE_TCP_RST_FLAG);
		assert_int_equal(rst.seq, challenge.ack);
		assert_int_equal(rig_waiting(r), 0);
		// A reset in answer is the end of it.
		struct rig_tcp back = talk_segment(&t, side, TALK_RST, 0);

		rig_tcp_put(r, &back);
		assert_int_equal(rig_waiting(r), 0);
		rig_free(r);
	}
}

// The old member must not reach the client any more once its session was reset.
static void test_down_is_final(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){0});
	struct talk t = talk_new(r, POSTERN_V4, 1);

	(void)state;
	talk_open(&t);
	rig_health(r, member_id(&t), POSTERN_MEMBER_RESET);
	rig_discard(r);
	rig_health(r, member_id(&t), POSTERN_MEMBER_TAKES_NEW);
	assert_int_equal(rig_waiting(r), 0);
	talk_put(&t, FROM_MEMBER, TALK_ACK, 100);
	const struct rig_tcp rst = talk_take_reset(&t, FROM_MEMBER);

	assert_int_equal(rst.seq, t.next[FROM_CLIENT]);
	assert_int_equal(rig_waiting(r), 0);
	rig_advance(r, (RIG_TIMES.reset_ms + 100) * RIG_MS);
	assert_int_equal(talk_state(&t), -1);
	assert_int_equal(rig_count(r, POSTERN_COUNTER_CLOSE_MEMBER_DOWN), 1);
	rig_free(r);
}

// A client that waits for its SYN's answer hears of it too: by a reset that it accepts in
// SYN-SENT, or because another member is asked.
static void test_down_while_opening(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){0});
	struct talk t = talk_new(r, POSTERN_V4, 1);

	(void)state;
	talk_syn(&t);
	const uint16_t down = member_id(&t);

	rig_health(r, down, POSTERN_MEMBER_RESET);
	bool client_hears = false;

	while (rig_waiting(r) > 0) {
		const struct rig_tcp s = rig_tcp_take(r);

		if (s.interface == RIG_OUTSIDE) {
			assert_int_equal(s.flags, TALK_RST);
			assert_int_equal(s.ack, t.next[FROM_CLIENT]);
			client_hears = true;
		} else if (s.flags == TALK_SYN) {
			assert_int_equal(s.seq, t.next[FROM_CLIENT] - 1);
			client_hears = true;
		}
	}
	assert_true(client_hears);
	rig_free(r);
}

// on-down: keep, drain: the word says neither "takes new" nor "reset".
static void test_drain(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r =
			rig_new(&(struct rig_options){.world = {.members = 2}, .sessions = 256});

		open_all(r, f);
		const uint16_t drained = member_id(&talks[0]);

		rig_health(r, drained, 0);
		assert_int_equal(rig_waiting(r), 0);
		for (unsigned i = 0; i < TALKS; i++) {
			talk_send(&talks[i], FROM_CLIENT, TALK_ACK, 10);
			talk_send(&talks[i], FROM_MEMBER, TALK_ACK, 10);
		}
		for (unsigned i = 0; i < TALKS; i++) {
			struct talk t = talk_new(r, f, 1000 + i);

			talk_open(&t);
			assert_int_not_equal(member_id(&t), drained);
		}
		// When its last session has gone it is idle.
		assert_false(postern_member_is_idle(r->dp, drained));
		for (unsigned i = 0; i < TALKS; i++)
			if (member_id(&talks[i]) == drained)
				talk_send(&talks[i], FROM_CLIENT, TALK_RST, 0);
		rig_advance(r, (RIG_TIMES.reset_ms + 100) * RIG_MS);
		assert_true(postern_member_is_idle(r->dp, drained));
		rig_free(r);
	}
}

static void test_reload_keeps_sessions(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){.world = {.members = 4}});
	struct postern_session before[TALKS], after;

	(void)state;
	open_all(r, POSTERN_V4);
	for (unsigned i = 0; i < TALKS; i++)
		assert_true(talk_read(&talks[i], &before[i]));
	for (unsigned round = 0; round < 100; round++) {
		struct rig_world world = {.members = 4,
			.second_service = round % 2,
			.translate = 1,
			.observe_fall = (uint16_t)(round % 5)};

		rig_adopt(r, &world);
		assert_int_equal(postern_dataplane_adopted(r->dp), round + 2);
		// Announcements that the reload before had cut short.
		rig_discard(r);
		talk_send(&talks[round % TALKS], FROM_CLIENT, TALK_ACK, 10);
		talk_send(&talks[round % TALKS], FROM_MEMBER, TALK_ACK, 10);
	}
	for (unsigned i = 0; i < TALKS; i++) {
		assert_true(talk_read(&talks[i], &after));
		assert_int_equal(after.slot, before[i].slot);
		assert_int_equal(after.generation, before[i].generation);
		assert_int_equal(after.listen, before[i].listen);
		assert_int_equal(after.member, before[i].member);
		assert_int_equal(after.state, POSTERN_SESSION_ESTABLISHED);
	}
	assert_int_equal(rig_count(r, POSTERN_COUNTER_RESET_SENT), 0);
	rig_free(r);
}

// Times of a service that is configured anew hold for the sessions that it has.
static void test_reload_changes_times(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){0});
	struct talk t = talk_new(r, POSTERN_V4, 1);
	struct rig_world world = {.times = RIG_TIMES};

	(void)state;
	talk_open(&t);
	world.times.idle_ms *= 2;
	rig_adopt(r, &world);
	rig_advance(r, (world.times.idle_ms - 100) * RIG_MS);
	assert_int_equal(talk_state(&t), POSTERN_SESSION_ESTABLISHED);
	rig_advance(r, 200 * RIG_MS);
	assert_int_equal(rig_count(r, POSTERN_COUNTER_CLOSE_IDLE), 1);
	rig_free(r);
}

// A member that the file no longer names: those it has go on, unless control says reset.
static void test_member_removed(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){.world = {.members = 3}, .sessions = 256});
	struct rig_world world = {.members = 3};

	(void)state;
	open_all(r, POSTERN_V4);
	const uint16_t gone = member_id(&talks[0]);
	const unsigned n = count_of(gone);

	world.without = 1u << (gone - RIG_MEMBER_V4);
	rig_adopt(r, &world);
	assert_int_equal(rig_waiting(r), 0);
	for (unsigned i = 0; i < TALKS; i++) {
		struct talk t = talk_new(r, POSTERN_V4, 1000 + i);

		talk_send(&talks[i], FROM_CLIENT, TALK_ACK, 10);
		talk_send(&talks[i], FROM_MEMBER, TALK_ACK, 10);
		talk_open(&t);
		assert_int_not_equal(member_id(&t), gone);
	}
	assert_false(postern_member_is_idle(r->dp, gone));
	rig_health(r, gone, POSTERN_MEMBER_RESET);
	take_resets_of(r, gone);
	assert_int_equal(rig_count(r, POSTERN_COUNTER_CLOSE_MEMBER_DOWN), n);
	rig_advance(r, (RIG_TIMES.reset_ms + 100) * RIG_MS);
	assert_true(postern_member_is_idle(r->dp, gone));
	// It comes back under its id, and takes its part again.
	world.without = 0;
	rig_adopt(r, &world);
	rig_health(r, gone, POSTERN_MEMBER_TAKES_NEW);
	bool taken = false;

	for (unsigned i = 0; i < TALKS; i++) {
		struct talk t = talk_new(r, POSTERN_V4, 2000 + i);

		talk_open(&t);
		taken |= member_id(&t) == gone;
	}
	assert_true(taken);
	rig_free(r);
}

static void test_service_removed(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){.world = {.second_service = true}});
	struct talk stays = talk_new(r, POSTERN_V4, 900);
	unsigned resets = 0;

	(void)state;
	stays.service_port = RIG_PORT_MORE;
	talk_open(&stays);
	open_all(r, POSTERN_V4);
	rig_adopt(r, &(struct rig_world){.second_service = true, .no_service = true});
	while (rig_waiting(r) > 0) {
		const struct rig_tcp s = rig_tcp_take(r);

		assert_true(s.flags & RTE_TCP_RST_FLAG);
		resets++;
	}
	assert_in_range(resets, 2 * TALKS, 4 * TALKS);
	assert_int_equal(rig_count(r, POSTERN_COUNTER_CLOSE_SERVICE_GONE), TALKS);
	talk_send(&stays, FROM_CLIENT, TALK_ACK, 10);
	talk_send(&stays, FROM_MEMBER, TALK_ACK, 10);
	struct talk late = talk_new(r, POSTERN_V4, 901);

	talk_put(&late, FROM_CLIENT, TALK_SYN, 0);
	talk_take_reset(&late, FROM_CLIENT);
	assert_int_equal(rig_count(r, POSTERN_COUNTER_REFUSE_PORT_CLOSED), 1);
	assert_false(postern_listen_is_idle(r->dp, RIG_LISTEN_V4));
	rig_advance(r, (RIG_TIMES.reset_ms + 100) * RIG_MS);
	assert_true(postern_listen_is_idle(r->dp, RIG_LISTEN_V4));

	// The same service again, under its id.
	rig_adopt(r, &(struct rig_world){.second_service = true});
	struct talk again = talk_new(r, POSTERN_V4, 902);

	talk_open(&again);
	assert_int_equal(rig_count(r, POSTERN_COUNTER_CLOSE_SERVICE_GONE), TALKS);
	rig_free(r);
}

// All services gone: their addresses are nobody's then.
static void test_address_removed(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){0});
	struct talk t = talk_new(r, POSTERN_V6, 1);

	(void)state;
	rig_adopt(r, &(struct rig_world){.no_service = true});
	talk_put(&t, FROM_CLIENT, TALK_SYN, 0);
	assert_int_equal(rig_waiting(r), 0);
	assert_int_equal(rig_count(r, POSTERN_COUNTER_DROP_NOT_OURS), 1);
	rig_free(r);
}

// A walk in small steps while sessions come and go: each that stands all the time is seen once,
// and what is read is one session's whole.
static void test_walk(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){.sessions = 512});
	unsigned seen[TALKS] = {0};
	uint64_t cursor = 0;
	struct postern_session s;
	unsigned next = 1000;
	int rc;

	(void)state;
	for (unsigned i = 0; i < TALKS; i++) {
		struct talk passing = talk_new(r, POSTERN_V4, next++);

		talks[i] = talk_new(r, i & 1 ? POSTERN_V4 : POSTERN_V6, i + 1);
		talk_open(&talks[i]);
		talk_open(&passing);
		if (i % 2)
			talk_send(&passing, FROM_CLIENT, TALK_RST, 0);
	}
	while ((rc = postern_session_next(r->dp, &cursor, 2, &s)) != 0) {
		struct talk passing = talk_new(r, POSTERN_V4, next++);
		struct postern_session same;

		talk_open(&passing);
		talk_send(&passing, FROM_MEMBER, TALK_RST, 0);
		rig_advance(r, RIG_S);
		if (rc == -EAGAIN)
			continue;
		assert_int_equal(rc, 1);
		for (unsigned i = 0; i < TALKS; i++)
			if (postern_addr_equal(&s.client.addr, &talks[i].client)) {
				seen[i]++;
				assert_int_equal(s.client.port, talks[i].client_port);
				assert_int_equal(s.translated.port, talks[i].nat_port);
				assert_true(postern_addr_equal(&s.translated.addr, &talks[i].nat));
				assert_int_equal(s.member, member_id(&talks[i]));
				assert_int_equal(s.listen, RIG_LISTEN_V4 + talks[i].family);
				assert_int_equal(postern_session_get(r->dp, s.worker, s.slot,
							 s.generation, &same),
					0);
				assert_int_equal(postern_session_get(r->dp, s.worker, s.slot,
							 s.generation + 2, &same),
					-ENOENT);
			}
		assert_true(next < 3000);
	}
	for (unsigned i = 0; i < TALKS; i++)
		assert_int_equal(seen[i], 1);
	assert_int_equal(postern_session_get(r->dp, 1, 0, 1, &s), -ENOENT);
	assert_int_equal(postern_session_get(r->dp, 0, 0xffffffff, 1, &s), -ENOENT);
	rig_free(r);
}

// An id is a session's for ever: its slot's next session has another.
static void test_ids_differ(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){.sessions = 1});
	struct postern_session first, second, s;
	struct talk a = talk_new(r, POSTERN_V4, 1), b = talk_new(r, POSTERN_V4, 2);

	(void)state;
	talk_open(&a);
	assert_true(talk_read(&a, &first));
	talk_send(&a, FROM_CLIENT, TALK_RST, 0);
	talk_open(&b);
	assert_true(talk_read(&b, &second));
	assert_int_equal(first.slot, second.slot);
	assert_int_not_equal(first.generation, second.generation);
	assert_int_equal(postern_session_get(r->dp, 0, first.slot, first.generation, &s), -ENOENT);
	assert_int_equal(postern_session_get(r->dp, 0, second.slot, second.generation, &s), 0);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_down_resets_both),
		cmocka_unit_test(test_challenge),
		cmocka_unit_test(test_down_is_final),
		cmocka_unit_test(test_down_while_opening),
		cmocka_unit_test(test_drain),
		cmocka_unit_test(test_reload_keeps_sessions),
		cmocka_unit_test(test_reload_changes_times),
		cmocka_unit_test(test_member_removed),
		cmocka_unit_test(test_service_removed),
		cmocka_unit_test(test_address_removed),
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_ids_differ),
	};

	return cmocka_run_group_tests_name("down", tests, rig_use_cmocka, NULL);
}
