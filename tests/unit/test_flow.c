// SPDX-License-Identifier: BSD-2-Clause
// The life of a session by the virtual clock: its states and how long each lasts, both ways of
// closing, resets that count and resets that do not.

#include "rig_cmocka.h"
#include "talk.h"

#include <stdlib.h>

// Times are kept in whole milliseconds and looked at once a tick of the wheel (8 ms).
#define LATE_US (10 * RIG_MS)

#define EACH_FAMILY(f) for (uint8_t f = POSTERN_V4; f < POSTERN_FAMILIES; f++)

static struct rig *rig_default(void)
{
	return rig_new(&(struct rig_options){0});
}

// The session stands for `ms` from now and has gone right after.
static void check_lasts(struct talk *t, uint64_t ms, enum postern_counter reason)
{
	const uint64_t before = rig_count(t->r, reason);
	const int state = talk_state(t);

	rig_advance(t->r, ms * RIG_MS - LATE_US);
	assert_int_equal(talk_state(t), state);
	assert_int_equal(rig_count(t->r, reason), before);
	rig_advance(t->r, 2 * LATE_US);
	assert_int_equal(talk_state(t), -1);
	assert_int_equal(rig_count(t->r, reason), before + 1);
	assert_int_equal(postern_sessions_in_use(t->r->dp), 0);
}

// Nothing for the idle time: both sides are told, so that neither keeps what leads nowhere.
static void check_idles(struct talk *t, uint64_t ms)
{
	const int state = talk_state(t);
	const uint64_t resets = rig_count(t->r, POSTERN_COUNTER_CLOSE_RESET);

	rig_advance(t->r, ms * RIG_MS - LATE_US);
	assert_int_equal(talk_state(t), state);
	assert_int_equal(rig_count(t->r, POSTERN_COUNTER_CLOSE_IDLE), 0);
	assert_int_equal(rig_waiting(t->r), 0);
	rig_advance(t->r, 2 * LATE_US);
	assert_int_equal(rig_count(t->r, POSTERN_COUNTER_CLOSE_IDLE), 1);
	talk_take_resets(t);
	assert_int_equal(talk_state(t), POSTERN_SESSION_RESET);
	rig_advance(t->r, RIG_TIMES.reset_ms * RIG_MS - 2 * LATE_US);
	assert_int_equal(talk_state(t), POSTERN_SESSION_RESET);
	rig_advance(t->r, 3 * LATE_US);
	assert_int_equal(talk_state(t), -1);
	assert_int_equal(rig_count(t->r, POSTERN_COUNTER_CLOSE_IDLE), 1);
	assert_int_equal(rig_count(t->r, POSTERN_COUNTER_CLOSE_RESET), resets);
	assert_int_equal(postern_sessions_in_use(t->r->dp), 0);
}

static void test_opening_lasts(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_default();
		struct talk t = talk_new(r, f, 1);

		talk_syn(&t);
		assert_int_equal(talk_state(&t), POSTERN_SESSION_OPENING);
		check_lasts(&t, RIG_TIMES.opening_ms, POSTERN_COUNTER_CLOSE_UNANSWERED);
		rig_free(r);
	}
}

static void test_half_open_lasts(void **state)
{
	struct rig *r = rig_default();
	struct talk t = talk_new(r, POSTERN_V4, 1);

	(void)state;
	talk_syn(&t);
	talk_synack(&t);
	assert_int_equal(talk_state(&t), POSTERN_SESSION_OPENING);
	assert_int_equal(rig_count(r, POSTERN_COUNTER_SESSION_ESTABLISHED), 0);
	check_lasts(&t, RIG_TIMES.opening_ms, POSTERN_COUNTER_CLOSE_UNANSWERED);
	rig_free(r);
}

static void test_established_lasts(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_default();
		struct talk t = talk_new(r, f, 1);

		talk_open(&t);
		assert_int_equal(talk_state(&t), POSTERN_SESSION_ESTABLISHED);
		assert_int_equal(rig_count(r, POSTERN_COUNTER_SESSION_OPENED), 1);
		assert_int_equal(rig_count(r, POSTERN_COUNTER_SESSION_ESTABLISHED), 1);
		check_idles(&t, 30 * 60 * 1000);
		rig_free(r);
	}
}

// The same when the clock of 32-bit milliseconds wraps on the way (49.7 days after the start).
static void test_clock_wraps(void **state)
{
	struct rig *r =
		rig_new(&(struct rig_options){.start_us = (1ull << 32) * RIG_MS - 60 * RIG_S});
	struct talk t = talk_new(r, POSTERN_V4, 1);
	struct postern_session s;

	(void)state;
	talk_open(&t);
	rig_advance(r, 100 * RIG_S);
	assert_true(talk_read(&t, &s));
	assert_in_range(s.age_ms, 99990, 100010);
	assert_in_range(s.idle_ms, 99990, 100010);
	talk_send(&t, FROM_CLIENT, TALK_ACK, 10);
	check_idles(&t, RIG_TIMES.idle_ms);
	rig_free(r);
}

// Either side's packets keep a session alive, for days if need be.
static void test_activity_refreshes(void **state)
{
	struct rig *r = rig_default();
	struct talk t = talk_new(r, POSTERN_V4, 1);

	(void)state;
	talk_open(&t);
	for (unsigned i = 0; i < 100; i++) {
		rig_advance(r, RIG_TIMES.idle_ms * RIG_MS - LATE_US);
		talk_send(&t, i & 1, TALK_ACK, (uint16_t)(i % 3));
	}
	check_idles(&t, RIG_TIMES.idle_ms);
	rig_free(r);
}

// A segment in the middle of the idle time moves its end, neither more nor less.
static void test_refresh_is_exact(void **state)
{
	struct rig *r = rig_default();
	struct talk t = talk_new(r, POSTERN_V6, 1);

	(void)state;
	talk_open(&t);
	rig_advance(r, 1234567 * RIG_MS);
	talk_send(&t, FROM_MEMBER, TALK_ACK, 1);
	check_idles(&t, RIG_TIMES.idle_ms);
	rig_free(r);
}

static void test_bytes_are_counted(void **state)
{
	struct rig *r = rig_default();
	struct talk t = talk_new(r, POSTERN_V4, 1);
	struct postern_session s;
	struct postern_member_stats m;
	struct postern_listen_stats l;

	(void)state;
	talk_open(&t);
	assert_true(talk_read(&t, &s));
	const uint64_t in = s.bytes_in, out = s.bytes_out;

	talk_send(&t, FROM_CLIENT, TALK_ACK, 1000);
	talk_send(&t, FROM_MEMBER, TALK_ACK, 60);
	talk_send(&t, FROM_CLIENT, TALK_ACK, 0);
	assert_true(talk_read(&t, &s));
	assert_int_equal(s.bytes_in - in, 1040 + 40);
	assert_int_equal(s.bytes_out - out, 100);
	postern_member_read(r->dp, s.member, &m);
	postern_listen_read(r->dp, s.listen, &l);
	assert_int_equal(m.opened, 1);
	assert_int_equal(m.established, 1);
	assert_int_equal(m.sessions, 1);
	assert_int_equal(l.opened, 1);
	assert_int_equal(l.sessions, 1);
	// SYN with 20 bytes of options, ACK, and the two above; likewise the other way.
	assert_int_equal(m.bytes_in, 60 + 40 + 1040 + 40);
	assert_int_equal(m.bytes_out, 60 + 100);
	assert_int_equal(l.bytes_in, m.bytes_in);
	assert_int_equal(l.bytes_out, m.bytes_out);
	rig_free(r);
}

static void test_half_close(void **state)
{
	(void)state;
	for (unsigned first = 0; first < DIRECTIONS; first++) {
		struct rig *r = rig_default();
		struct talk t = talk_new(r, POSTERN_V4, 1);

		talk_open(&t);
		talk_send(&t, first, TALK_FIN, 0);
		talk_send(&t, !first, TALK_ACK, 0);
		assert_int_equal(talk_state(&t), POSTERN_SESSION_CLOSING);
		// The other side may go on for as long as it sends (RFC 9293 3.10.7.4).
		for (unsigned i = 0; i < 20; i++) {
			rig_advance(r, RIG_TIMES.closing_ms * RIG_MS - LATE_US);
			talk_send(&t, !first, TALK_ACK, 500);
			talk_send(&t, first, TALK_ACK, 0);
		}
		assert_int_equal(rig_count(r, POSTERN_COUNTER_CLOSE_FIN), 0);
		talk_send(&t, !first, TALK_FIN, 5);
		talk_send(&t, first, TALK_ACK, 0);
		check_lasts(&t, RIG_TIMES.closing_ms, POSTERN_COUNTER_CLOSE_FIN);
		rig_free(r);
	}
}

// A half-closed session is in full use: it has the idle time (RFC 9293 3.6.1).
static void test_half_close_lasts(void **state)
{
	struct rig *r = rig_default();
	struct talk t = talk_new(r, POSTERN_V4, 1);

	(void)state;
	talk_open(&t);
	talk_send(&t, FROM_CLIENT, TALK_FIN, 0);
	check_idles(&t, RIG_TIMES.idle_ms);
	rig_free(r);
}

static void test_close_at_once(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_default();
		struct talk t = talk_new(r, f, 1);

		talk_open(&t);
		talk_send(&t, FROM_CLIENT, TALK_FIN, 0);
		talk_send(&t, FROM_MEMBER, TALK_FIN, 0);
		talk_send(&t, FROM_CLIENT, TALK_ACK, 0);
		assert_int_equal(talk_state(&t), POSTERN_SESSION_CLOSING);
		check_lasts(&t, RIG_TIMES.closing_ms, POSTERN_COUNTER_CLOSE_FIN);
		rig_free(r);
	}
}

// A retransmitted FIN is the same FIN: one side alone does not close.
static void test_fin_twice_by_one(void **state)
{
	struct rig *r = rig_default();
	struct talk t = talk_new(r, POSTERN_V4, 1);

	(void)state;
	talk_open(&t);
	const struct rig_tcp fin = talk_segment(&t, FROM_CLIENT, TALK_FIN, 0);

	talk_through(&t, FROM_CLIENT, &fin);
	talk_through(&t, FROM_CLIENT, &fin);
	t.next[FROM_CLIENT]++;
	for (unsigned i = 0; i < 3; i++) {
		rig_advance(r, RIG_TIMES.closing_ms * RIG_MS - LATE_US);
		talk_send(&t, FROM_MEMBER, TALK_ACK, 100);
	}
	assert_int_equal(talk_state(&t), POSTERN_SESSION_CLOSING);
	rig_free(r);
}

static void test_reset_ends(void **state)
{
	(void)state;
	for (unsigned from = 0; from < DIRECTIONS; from++)
		EACH_FAMILY(f)
		{
			struct rig *r = rig_default();
			struct talk t = talk_new(r, f, 1);

			talk_open(&t);
			talk_send(&t, FROM_CLIENT, TALK_ACK, 100);
			talk_send(&t, FROM_MEMBER, TALK_ACK, 200);
			talk_send(&t, from, TALK_RST, 0);
			assert_int_equal(talk_state(&t), POSTERN_SESSION_RESET);
			check_lasts(&t, RIG_TIMES.reset_ms, POSTERN_COUNTER_CLOSE_RESET);
			rig_free(r);
		}
}

// A reset far from the window is what a stranger guesses; the receiver ignores it, so do we.
static void test_reset_far_away(void **state)
{
	(void)state;
	for (unsigned from = 0; from < DIRECTIONS; from++) {
		struct rig *r = rig_default();
		struct talk t = talk_new(r, POSTERN_V4, 1);

		talk_open(&t);
		for (uint32_t far = 0x50000000; far <= 0xb0000000; far += 0x10000000) {
			struct rig_tcp rst = talk_segment(&t, from, TALK_RST, 0);

			rst.seq += far;
			rig_tcp_put(r, &rst);
			rig_discard(r);
			assert_int_equal(talk_state(&t), POSTERN_SESSION_ESTABLISHED);
		}
		rig_advance(r, RIG_TIMES.reset_ms * RIG_MS * 2);
		talk_send(&t, FROM_CLIENT, TALK_ACK, 10);
		talk_send(&t, FROM_MEMBER, TALK_ACK, 10);
		rig_free(r);
	}
}

// A forged reset that falls into the window but is not exact is challenged by its receiver
// (RFC 5961 3.2) and both go on: so must the session, for its whole idle time.
static void test_reset_forged(void **state)
{
	(void)state;
	for (unsigned from = 0; from < DIRECTIONS; from++)
		for (unsigned next = 0; next < DIRECTIONS; next++) {
			struct rig *r = rig_default();
			struct talk t = talk_new(r, POSTERN_V4, 1);

			talk_open(&t);
			struct rig_tcp rst = talk_segment(&t, from, RTE_TCP_RST_FLAG, 0);

			rst.seq += 700;
			rig_tcp_put(r, &rst);
			rig_discard(r);
			// The receiver's challenge, then data from either.
			talk_send(&t, !from, TALK_ACK, 0);
			talk_send(&t, from, TALK_ACK, 0);
			talk_send(&t, next, TALK_ACK, 100);
			talk_send(&t, !next, TALK_ACK, 100);
			assert_int_equal(talk_state(&t), POSTERN_SESSION_ESTABLISHED);
			check_idles(&t, RIG_TIMES.idle_ms);
			rig_free(r);
		}
}

// What is still under way after a reset must not bring a session back to life: data that the one
// who reset had sent before, and the answer of a side that has not heard it.
static void test_reset_then_late_segments(void **state)
{
	struct rig *r = rig_default();
	struct talk t = talk_new(r, POSTERN_V4, 1);

	(void)state;
	talk_open(&t);
	talk_send(&t, FROM_CLIENT, TALK_RST, 0);
	talk_put(&t, FROM_MEMBER, TALK_ACK, 300);
	rig_discard(r);
	rig_advance(r, RIG_TIMES.reset_ms * RIG_MS * 3);
	assert_int_equal(talk_state(&t), -1);
	rig_free(r);
}

// A client may use its port again while the old session is dying (RFC 9293 3.6.1, RFC 6191).
static void check_port_again(struct talk *t)
{
	struct talk again = *t;

	again.next[FROM_CLIENT] = t->next[FROM_CLIENT] + 100000;
	again.next[FROM_MEMBER] = 0x1234567;
	talk_open(&again);
	talk_send(&again, FROM_CLIENT, TALK_ACK, 77);
	talk_send(&again, FROM_MEMBER, TALK_ACK, 78);
	assert_int_equal(talk_state(&again), POSTERN_SESSION_ESTABLISHED);
	assert_int_equal(rig_count(t->r, POSTERN_COUNTER_SESSION_OPENED), 2);
	assert_int_equal(rig_count(t->r, POSTERN_COUNTER_SESSION_ESTABLISHED), 2);
	assert_int_equal(postern_sessions_in_use(t->r->dp), 1);
	check_idles(&again, RIG_TIMES.idle_ms);
}

static void test_port_again_after_fin(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_default();
		struct talk t = talk_new(r, f, 1);

		talk_open(&t);
		talk_send(&t, FROM_CLIENT, TALK_FIN, 0);
		talk_send(&t, FROM_MEMBER, TALK_FIN, 0);
		talk_send(&t, FROM_CLIENT, TALK_ACK, 0);
		check_port_again(&t);
		rig_free(r);
	}
}

static void test_port_again_after_reset(void **state)
{
	(void)state;
	for (unsigned from = 0; from < DIRECTIONS; from++) {
		struct rig *r = rig_default();
		struct talk t = talk_new(r, POSTERN_V4, 1);

		talk_open(&t);
		talk_send(&t, from, TALK_RST, 0);
		check_port_again(&t);
		rig_free(r);
	}
}

// A SYN into an established session may be forged: the session stays, the member answers it.
static void test_syn_into_established(void **state)
{
	struct rig *r = rig_default();
	struct talk t = talk_new(r, POSTERN_V4, 1);

	(void)state;
	talk_open(&t);
	struct rig_tcp syn = talk_segment(&t, FROM_CLIENT, TALK_SYN, 0);

	syn.seq += 0x40000000;
	rig_tcp_put(r, &syn);
	rig_discard(r);
	assert_int_equal(talk_state(&t), POSTERN_SESSION_ESTABLISHED);
	talk_send(&t, FROM_MEMBER, TALK_ACK, 0);
	talk_send(&t, FROM_CLIENT, TALK_ACK, 10);
	check_idles(&t, RIG_TIMES.idle_ms);
	rig_free(r);
}

// Segments of no session are reset exactly as RFC 9293 3.10.7.1 says; resets are not answered.
static void test_no_session(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_default();
		struct talk t = talk_new(r, f, 1);
		struct rig_tcp s = talk_segment(&t, FROM_CLIENT, TALK_ACK, 11);

		s.ack = 0x777;
		rig_tcp_put(r, &s);
		struct rig_tcp rst = talk_take_reset(&t, FROM_CLIENT);

		assert_int_equal(rst.flags, RTE_TCP_RST_FLAG);
		assert_int_equal(rst.seq, 0x777);
		assert_int_equal(rig_count(r, POSTERN_COUNTER_REFUSE_NO_SESSION), 1);
		assert_int_equal(rig_count(r, POSTERN_COUNTER_RESET_SENT), 1);

		s = talk_segment(&t, FROM_CLIENT, TALK_RST, 0);
		rig_tcp_put(r, &s);
		assert_int_equal(rig_waiting(r), 0);
		assert_int_equal(rig_count(r, POSTERN_COUNTER_DROP_NO_SESSION), 1);

		// A closed port: the SYN's own number is answered, its length counts.
		s = talk_segment(&t, FROM_CLIENT, TALK_SYN, 0);
		s.dport = t.service_port = 99;
		rig_tcp_put(r, &s);
		rst = talk_take_reset(&t, FROM_CLIENT);
		assert_int_equal(rst.flags, TALK_RST);
		assert_int_equal(rst.seq, 0);
		assert_int_equal(rst.ack, s.seq + 1);
		assert_int_equal(rig_count(r, POSTERN_COUNTER_REFUSE_PORT_CLOSED), 1);
		rig_free(r);
	}
}

// The same ports, another member: from the member's side a stranger has no session.
static void test_member_has_no_session(void **state)
{
	struct rig *r = rig_default();
	struct talk t = talk_new(r, POSTERN_V4, 1);

	(void)state;
	talk_open(&t);
	struct talk other = t;

	other.member = rig_member(POSTERN_V4, !rig_member_number(&t.member));
	const struct rig_tcp s = talk_segment(&other, FROM_MEMBER, TALK_ACK, 10);

	rig_tcp_put(r, &s);
	const struct rig_tcp rst = talk_take_reset(&other, FROM_MEMBER);

	assert_int_equal(rst.seq, s.ack);
	assert_int_equal(rig_waiting(r), 0);
	assert_int_equal(talk_state(&t), POSTERN_SESSION_ESTABLISHED);
	rig_free(r);
}

static void test_one_arm(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_new(&(struct rig_options){.world = {.one_arm = true}});
		struct talk t = talk_new(r, f, 1);

		talk_open(&t);
		talk_send(&t, FROM_CLIENT, TALK_ACK, 1000);
		talk_send(&t, FROM_MEMBER, TALK_ACK, 1000);
		talk_send(&t, FROM_MEMBER, TALK_FIN, 0);
		talk_send(&t, FROM_CLIENT, TALK_FIN, 0);
		talk_send(&t, FROM_MEMBER, TALK_ACK, 0);
		check_lasts(&t, RIG_TIMES.closing_ms, POSTERN_COUNTER_CLOSE_FIN);
		rig_free(r);
	}
}

// A port that writes checksums gets the sum of the pseudo header and the right flags.
static void test_port_writes_checksums(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r =
			rig_new(&(struct rig_options){.tx_checksum = true, .rx_checksum = true});
		struct talk t = talk_new(r, f, 1);

		r->rx_flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
		talk_open(&t);
		talk_send(&t, FROM_CLIENT, TALK_ACK, 999);
		rig_health(
			r, f == POSTERN_V4 ? RIG_MEMBER_V4 : RIG_MEMBER_V6, POSTERN_MEMBER_RESET);
		rig_health(r, (f == POSTERN_V4 ? RIG_MEMBER_V4 : RIG_MEMBER_V6) + 1,
			POSTERN_MEMBER_RESET);
		talk_take_resets(&t);
		rig_free(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_opening_lasts),
		cmocka_unit_test(test_half_open_lasts),
		cmocka_unit_test(test_established_lasts),
		cmocka_unit_test(test_clock_wraps),
		cmocka_unit_test(test_activity_refreshes),
		cmocka_unit_test(test_refresh_is_exact),
		cmocka_unit_test(test_bytes_are_counted),
		cmocka_unit_test(test_half_close),
		cmocka_unit_test(test_half_close_lasts),
		cmocka_unit_test(test_close_at_once),
		cmocka_unit_test(test_fin_twice_by_one),
		cmocka_unit_test(test_reset_ends),
		cmocka_unit_test(test_reset_far_away),
		cmocka_unit_test(test_reset_forged),
		cmocka_unit_test(test_reset_then_late_segments),
		cmocka_unit_test(test_port_again_after_fin),
		cmocka_unit_test(test_port_again_after_reset),
		cmocka_unit_test(test_syn_into_established),
		cmocka_unit_test(test_no_session),
		cmocka_unit_test(test_member_has_no_session),
		cmocka_unit_test(test_one_arm),
		cmocka_unit_test(test_port_writes_checksums),
	};

	return cmocka_run_group_tests_name("flow", tests, rig_use_cmocka, NULL);
}
