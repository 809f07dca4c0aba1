// SPDX-License-Identifier: BSD-2-Clause
// How sessions begin: members that refuse or stay silent, what is reported of them, the table and
// the ports when they are full.

#include "rig_cmocka.h"
#include "steer/private.h"
#include "talk.h"

#include <stdlib.h>
#include <string.h>

#define EACH_FAMILY(f) for (uint8_t f = POSTERN_V4; f < POSTERN_FAMILIES; f++)

// The member answers the SYN with a reset (RFC 9293 3.10.7.1: sequence 0, the SYN is acknowledged).
static void put_refusal(struct talk *t)
{
	struct rig_tcp s = talk_segment(t, FROM_MEMBER, TALK_RST, 0);

	s.seq = 0;
	rig_tcp_put(t->r, &s);
}

// A SYN to another member lies ready: the same in all that the client said.
static void take_redispatched(struct talk *t)
{
	const struct postern_addr before = t->member;

	assert_int_equal(rig_waiting(t->r), 1);
	t->next[FROM_CLIENT]--;
	talk_syn_learn(t);
	t->next[FROM_CLIENT]++;
	assert_false(postern_addr_equal(&t->member, &before));
}

// What the options say, in any order and padding.
struct said {
	uint16_t mss;
	int wscale;
	bool sack, ts;
	uint32_t ts_value, ts_echo;
};

static struct said read_options(const struct rig_tcp *s)
{
	struct said o = {.wscale = -1};

	for (unsigned at = 0; at < s->n_options && s->options[at] != 0;) {
		const uint8_t *p = &s->options[at];

		if (p[0] == 1) {
			at++;
			continue;
		}
		assert_in_range(p[1], 2, s->n_options - at);
		if (p[0] == 2)
			o.mss = (uint16_t)(p[2] << 8 | p[3]);
		else if (p[0] == 3)
			o.wscale = p[2];
		else if (p[0] == 4)
			o.sack = true;
		else if (p[0] == 8) {
			o.ts = true;
			o.ts_value = (uint32_t)p[2] << 24 | (uint32_t)p[3] << 16 |
				     (uint32_t)p[4] << 8 | p[5];
			o.ts_echo = (uint32_t)p[6] << 24 | (uint32_t)p[7] << 16 |
				    (uint32_t)p[8] << 8 | p[9];
		}
		at += p[1];
	}
	return o;
}

static void check_same_options(const struct rig_tcp *a, const struct rig_tcp *b)
{
	const struct said was = read_options(a), is = read_options(b);

	assert_int_equal(is.mss, was.mss);
	assert_int_equal(is.wscale, was.wscale);
	assert_int_equal(is.sack, was.sack);
	assert_int_equal(is.ts, was.ts);
	assert_int_equal(is.ts_value, was.ts_value);
	assert_int_equal(is.ts_echo, was.ts_echo);
}

static void test_refused_goes_elsewhere(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_new(&(struct rig_options){.world = {.members = 4}});
		struct talk t = talk_new(r, f, 1);

		talk_syn(&t);
		put_refusal(&t);
		take_redispatched(&t);
		assert_int_equal(rig_count(r, POSTERN_COUNTER_SESSION_REDISPATCHED), 1);
		assert_int_equal(rig_count(r, POSTERN_COUNTER_SEEN_MEMBER_REFUSED), 1);
		assert_int_equal(rig_count(r, POSTERN_COUNTER_SESSION_OPENED), 1);
		talk_synack(&t);
		talk_send(&t, FROM_CLIENT, TALK_ACK, 0);
		talk_send(&t, FROM_CLIENT, TALK_ACK, 100);
		assert_int_equal(talk_state(&t), POSTERN_SESSION_ESTABLISHED);
		rig_free(r);
	}
}

// Whatever options a client sets, the second member hears the same.
static void test_options_are_said_again(void **state)
{
	static const struct {
		uint8_t n, bytes[40];
		bool sound; // a list that can be read to its end
	} cases[] = {
		{0, {0}, true}, {4, {2, 4, 0xff, 0xff}, true},
		{8, {2, 4, 5, 0xb4, 1, 1, 4, 2}, true}, {8, {1, 3, 3, 14, 2, 4, 2, 0}, true},
		{12, {1, 1, 8, 10, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}, true},
		{4, {1, 3, 3, 0}, true},
		{20, {2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7}, true},
		{24, {2, 4, 5, 0xb4, 1, 3, 3, 8, 1, 1, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0},
			true},
		{4, {0, 9, 9, 9}, true},               // ends at once
		{4, {1, 2, 1, 0}, false},              // a length that cannot be
		{4, {2, 40, 1, 0}, false},             // a length behind the end
		{4, {1, 1, 1, 2}, false},              // a kind without a length
		{8, {254, 6, 1, 2, 3, 4, 4, 2}, true}, // unknown: not needed to connect
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rig *r = rig_new(&(struct rig_options){0});
		struct talk t = talk_new(r, POSTERN_V4, 1);

		t.n_options = cases[i].n;
		memcpy(t.options, cases[i].bytes, cases[i].n);
		const struct rig_tcp syn = talk_segment(&t, FROM_CLIENT, TALK_SYN, 0);

		talk_syn(&t);
		put_refusal(&t);
		assert_int_equal(rig_waiting(r), 1);
		const struct rig_tcp again = rig_tcp_take(r);

		assert_int_equal(again.flags, TALK_SYN);
		assert_int_equal(again.seq, syn.seq);
		assert_int_equal(again.window, syn.window);
		assert_int_equal(again.checksum_error, 0);
		if (cases[i].sound)
			check_same_options(&syn, &again);
		rig_free(r);
	}
}

// The client hears a reset that it accepts in SYN-SENT (RFC 9293 3.10.7.3).
static void check_told(struct talk *t)
{
	assert_int_equal(rig_waiting(t->r), 1);
	const struct rig_tcp s = talk_take_reset(t, FROM_CLIENT);

	assert_int_equal(s.flags, TALK_RST);
	assert_int_equal(s.ack, t->next[FROM_CLIENT]);
}

static void test_three_tries(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_new(&(struct rig_options){.world = {.members = 8}});
		struct talk t = talk_new(r, f, 1);

		talk_syn(&t);
		put_refusal(&t);
		take_redispatched(&t);
		put_refusal(&t);
		take_redispatched(&t);
		put_refusal(&t);
		check_told(&t);
		assert_int_equal(rig_count(r, POSTERN_COUNTER_SESSION_REDISPATCHED), 2);
		assert_int_equal(rig_count(r, POSTERN_COUNTER_SEEN_MEMBER_REFUSED), 3);
		rig_advance(r, (RIG_TIMES.reset_ms + 100) * RIG_MS);
		assert_int_equal(talk_state(&t), -1);
		rig_free(r);
	}
}

static void test_only_member_refuses(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){.world = {.members = 1}});
	struct talk t = talk_new(r, POSTERN_V4, 1);

	(void)state;
	talk_syn(&t);
	put_refusal(&t);
	check_told(&t);
	// It may try again at once with the same port.
	t.next[FROM_CLIENT] += 5000;
	talk_open(&t);
	rig_free(r);
}

// A reset that does not acknowledge the SYN, or a segment of data in it (RFC 7413), is not the
// member's answer.
static void test_forged_refusal(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){0});
	struct talk t = talk_new(r, POSTERN_V4, 1);

	(void)state;
	talk_syn(&t);
	for (uint32_t off = 2048; off != 0; off <<= 1) {
		struct rig_tcp s = talk_segment(&t, FROM_MEMBER, TALK_RST, 0);

		s.seq = 0;
		s.ack += off;
		rig_tcp_put(r, &s);
		rig_discard(r);
	}
	assert_int_equal(rig_count(r, POSTERN_COUNTER_SESSION_REDISPATCHED), 0);
	assert_int_equal(rig_count(r, POSTERN_COUNTER_SEEN_MEMBER_REFUSED), 0);
	talk_synack(&t);
	talk_send(&t, FROM_CLIENT, TALK_ACK, 0);
	assert_int_equal(talk_state(&t), POSTERN_SESSION_ESTABLISHED);
	rig_free(r);
}

// RFC 6298 2: a client says its SYN again after a second, then two.
static void test_silent_goes_elsewhere(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_new(&(struct rig_options){.world = {.members = 4}});
		struct talk t = talk_new(r, f, 1);
		const struct rig_tcp syn = talk_segment(&t, FROM_CLIENT, TALK_SYN, 0);

		talk_syn(&t);
		for (unsigned i = 0; i < 2; i++) {
			rig_advance(r, RIG_S << i);
			rig_tcp_put(r, &syn);
			take_redispatched(&t);
		}
		assert_int_equal(rig_count(r, POSTERN_COUNTER_SESSION_REDISPATCHED), 2);
		assert_int_equal(rig_count(r, POSTERN_COUNTER_SEEN_MEMBER_SILENT), 2);
		talk_synack(&t);
		talk_send(&t, FROM_CLIENT, TALK_ACK, 0);
		assert_int_equal(talk_state(&t), POSTERN_SESSION_ESTABLISHED);
		rig_free(r);
	}
}

// A SYN that the network has doubled says nothing about the member.
static void test_doubled_syn(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){.world = {.members = 4}});
	struct talk t = talk_new(r, POSTERN_V4, 1);
	const struct rig_tcp syn = talk_segment(&t, FROM_CLIENT, TALK_SYN, 0);

	(void)state;
	talk_syn(&t);
	rig_advance(r, 20 * RIG_MS);
	talk_through(&t, FROM_CLIENT, &syn);
	assert_int_equal(rig_count(r, POSTERN_COUNTER_SEEN_MEMBER_SILENT), 0);
	assert_int_equal(rig_count(r, POSTERN_COUNTER_SESSION_OPENED), 1);
	talk_synack(&t);
	// The client has not heard the SYN-ACK: both say it again, to each other.
	rig_advance(r, RIG_S);
	talk_through(&t, FROM_CLIENT, &syn);
	t.next[FROM_MEMBER]--;
	talk_synack(&t);
	talk_send(&t, FROM_CLIENT, TALK_ACK, 0);
	assert_int_equal(rig_count(r, POSTERN_COUNTER_SESSION_REDISPATCHED), 0);
	rig_free(r);
}

// The first member's answer comes when the session has already gone to another: it must not be
// taken for the other's, and must not reach the client.
static void test_late_answer(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){.world = {.members = 4}});
	struct talk t = talk_new(r, POSTERN_V4, 1);
	const struct rig_tcp syn = talk_segment(&t, FROM_CLIENT, TALK_SYN, 0);
	struct talk first;

	(void)state;
	talk_syn(&t);
	first = t;
	rig_advance(r, RIG_S);
	rig_tcp_put(r, &syn);
	take_redispatched(&t);
	talk_put(&first, FROM_MEMBER, (uint8_t)(TALK_SYN | TALK_ACK), 0);
	while (rig_waiting(r) > 0)
		assert_int_equal(rig_tcp_take(r).interface, RIG_INSIDE);
	talk_synack(&t);
	talk_send(&t, FROM_CLIENT, TALK_ACK, 0);
	rig_free(r);
}

static void take_event(struct rig *r, enum postern_event_kind kind, uint16_t member, uint32_t row)
{
	struct postern_event e[4];

	assert_int_equal(postern_events_take(r->dp, e, 4), 1);
	assert_true(steer_take_event_mark(r->w->steer));
	assert_false(steer_take_event_mark(r->w->steer));
	assert_int_equal(e[0].kind, kind);
	assert_int_equal(e[0].worker, 0);
	assert_int_equal(e[0].member, member);
	assert_int_equal(e[0].in_a_row, row);
}

static void check_no_event(struct rig *r)
{
	struct postern_event e;

	assert_int_equal(postern_events_take(r->dp, &e, 1), 0);
	assert_false(steer_take_event_mark(r->w->steer));
}

static void refuse(struct rig *r, unsigned client)
{
	struct talk t = talk_new(r, POSTERN_V4, client);

	talk_syn(&t);
	put_refusal(&t);
	rig_discard(r);
}

static void test_refusals_are_reported(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){.world = {.members = 1, .observe_fall = 3}});
	struct postern_member_stats m;

	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		struct talk t = talk_new(r, POSTERN_V4, round * 10);

		refuse(r, round * 10 + 1);
		refuse(r, round * 10 + 2);
		check_no_event(r);
		refuse(r, round * 10 + 3);
		take_event(r, POSTERN_EVENT_REFUSED, RIG_MEMBER_V4, 3);
		// One that it accepts makes it good again.
		talk_open(&t);
	}
	postern_member_read(r->dp, RIG_MEMBER_V4, &m);
	assert_int_equal(m.refused, 6);
	assert_int_equal(m.established, 2);
	rig_free(r);
}

static void test_silence_is_reported(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){.world = {.members = 1, .observe_fall = 2}});
	struct talk t = talk_new(r, POSTERN_V6, 1), other = talk_new(r, POSTERN_V6, 2);
	struct postern_member_stats m;

	(void)state;
	talk_syn(&t);
	rig_advance(r, (RIG_TIMES.opening_ms + 100) * RIG_MS);
	assert_int_equal(talk_state(&t), -1);
	check_no_event(r);
	talk_syn(&other);
	rig_advance(r, (RIG_TIMES.opening_ms + 100) * RIG_MS);
	take_event(r, POSTERN_EVENT_SILENT, RIG_MEMBER_V6, 2);
	postern_member_read(r->dp, RIG_MEMBER_V6, &m);
	assert_int_equal(m.silent, 2);
	assert_int_equal(m.sessions, 0);
	rig_free(r);
}

// The only member is silent and the client asks again: it is asked again, and reported.
static void test_only_member_silent(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){.world = {.members = 1, .observe_fall = 1}});
	struct talk t = talk_new(r, POSTERN_V4, 1);
	const struct rig_tcp syn = talk_segment(&t, FROM_CLIENT, TALK_SYN, 0);

	(void)state;
	talk_syn(&t);
	rig_advance(r, RIG_S);
	talk_through(&t, FROM_CLIENT, &syn);
	take_event(r, POSTERN_EVENT_SILENT, RIG_MEMBER_V4, 1);
	talk_synack(&t);
	talk_send(&t, FROM_CLIENT, TALK_ACK, 0);
	rig_free(r);
}

static void test_never_reported(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){.world = {.members = 1}});

	(void)state;
	for (unsigned i = 0; i < 20; i++)
		refuse(r, i);
	check_no_event(r);
	rig_free(r);
}

// The ring of reports is full: counted, and nothing else happens.
static void test_reports_overflow(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){
		.world = {.members = 1, .observe_fall = 1}, .sessions = 2048});
	static struct postern_event e[2048];
	const unsigned failures = 1100;

	(void)state;
	for (unsigned i = 0; i < failures; i++)
		refuse(r, i);
	const unsigned n = postern_events_take(r->dp, e, 2048);

	assert_int_equal(n, 1023);
	assert_int_equal(rig_count(r, POSTERN_COUNTER_SEEN_EVENT_LOST), failures - n);
	rig_free(r);
}

static void test_no_member(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_new(&(struct rig_options){0});
		const uint16_t first = f == POSTERN_V4 ? RIG_MEMBER_V4 : RIG_MEMBER_V6;
		struct talk t = talk_new(r, f, 1);
		struct postern_listen_stats l;

		rig_health(r, first, 0);
		rig_health(r, (uint16_t)(first + 1), 0);
		talk_put(&t, FROM_CLIENT, TALK_SYN, 0);
		check_told(&t);
		assert_int_equal(rig_count(r, POSTERN_COUNTER_REFUSE_NO_MEMBER), 1);
		postern_listen_read(r->dp, (uint16_t)(RIG_LISTEN_V4 + f), &l);
		assert_int_equal(l.refused, 1);
		assert_int_equal(postern_sessions_in_use(r->dp), 0);
		rig_free(r);
	}
}

// A neighbour that nobody knows yet: the SYN waits, and goes on when it answers.
static void test_member_unresolved(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){.deaf = true});
	struct talk t = talk_new(r, POSTERN_V4, 1);

	(void)state;
	r->deaf = false;
	const struct rig_tcp syn = talk_segment(&t, FROM_CLIENT, TALK_SYN, 0);

	rig_advance_slowly(r, 5 * RIG_S, 100 * RIG_MS);
	rig_discard(r);
	rig_tcp_put(r, &syn);
	rig_advance_slowly(r, 100 * RIG_MS, 10 * RIG_MS);
	assert_int_equal(rig_waiting(r), 1);
	talk_syn_learn(&t);
	rig_free(r);
}

// Ports are drawn with a key that is no part of the tables' secret, and no two workers have the same.
static void test_ports_tell_no_secret(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){.secret = 0x5c});

	(void)state;
	for (unsigned i = 0; i < r->dp->n_workers; i++) {
		const uint64_t seed = r->dp->workers[i]->steer->ports_key.k[0];

		for (size_t at = 0; at + sizeof(seed) <= sizeof(r->dp->secret); at += sizeof(seed))
			assert_memory_not_equal(&seed, r->dp->secret.bytes + at, sizeof(seed));
		for (unsigned k = 0; k < i; k++)
			assert_true(r->dp->workers[k]->steer->ports_key.k[0] != seed);
	}
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused_goes_elsewhere),
		cmocka_unit_test(test_options_are_said_again),
		cmocka_unit_test(test_three_tries),
		cmocka_unit_test(test_only_member_refuses),
		cmocka_unit_test(test_forged_refusal),
		cmocka_unit_test(test_silent_goes_elsewhere),
		cmocka_unit_test(test_doubled_syn),
		cmocka_unit_test(test_late_answer),
		cmocka_unit_test(test_refusals_are_reported),
		cmocka_unit_test(test_silence_is_reported),
		cmocka_unit_test(test_only_member_silent),
		cmocka_unit_test(test_never_reported),
		cmocka_unit_test(test_reports_overflow),
		cmocka_unit_test(test_no_member),
		cmocka_unit_test(test_member_unresolved),
		cmocka_unit_test(test_ports_tell_no_secret),
	};

	return cmocka_run_group_tests_name("open", tests, rig_use_cmocka, NULL);
}
