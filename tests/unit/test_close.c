// SPDX-License-Identifier: BSD-2-Clause
// Sessions that an operator closes, and lists that are read while sessions come and go.

#include "rig_cmocka.h"
#include "talk.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#define EACH_FAMILY(f) for (uint8_t f = POSTERN_V4; f < POSTERN_FAMILIES; f++)

#define TURN_MOST 32 // sessions closed in a turn, of each worker

static int close_it(struct rig *r, const struct postern_session *s, uint32_t ticket)
{
	return postern_session_close(r->dp, s->worker, s->slot, s->generation, ticket);
}

// Asks for one session and expects one answer.
static bool closed(struct rig *r, const struct postern_session *s, uint32_t ticket)
{
	struct postern_closed answers[2] = {0};

	assert_int_equal(close_it(r, s, ticket), 0);
	assert_int_equal(postern_closed_take(r->dp, answers, 2), 0);
	rig_turn(r);
	assert_int_equal(postern_closed_take(r->dp, answers, 2), 1);
	assert_int_equal(answers[0].ticket, ticket);
	return answers[0].closed != 0;
}

static void close_in_world(const struct rig_world *world, uint8_t family)
{
	struct rig *r = rig_new(&(struct rig_options){.world = *world});
	struct talk t = talk_new(r, family, 1);
	struct talk other = talk_new(r, family, 2);
	struct postern_session s;

	talk_open(&t);
	talk_open(&other);
	assert_true(talk_read(&t, &s));
	assert_true(closed(r, &s, 77));
	talk_take_resets(&t);
	assert_int_equal(talk_state(&t), POSTERN_SESSION_RESET);
	assert_int_equal(rig_count(r, POSTERN_COUNTER_CLOSE_OPERATOR), 1);
	// What still comes is answered with an exact reset, as of any session that we have reset.
	talk_put(&t, FROM_CLIENT, TALK_ACK, 10);
	talk_take_reset(&t, FROM_CLIENT);
	talk_send(&other, FROM_CLIENT, TALK_ACK, 10);
	// Over already, so not closed a second time.
	assert_false(closed(r, &s, 78));
	assert_int_equal(rig_count(r, POSTERN_COUNTER_CLOSE_OPERATOR), 1);
	rig_advance(r, 100 * RIG_S);
	assert_int_equal(talk_state(&t), -1);
	rig_free(r);
}

static void test_both_sides_are_reset(void **state)
{
	static const struct rig_world worlds[] = {{0}, {.destination = true}, {.one_arm = true}};

	(void)state;
	for (unsigned w = 0; w < 3; w++)
		EACH_FAMILY(f)
	close_in_world(&worlds[w], f);
}

static void test_half_open(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){0});
	struct talk t = talk_new(r, POSTERN_V4, 1);
	struct postern_session s;

	(void)state;
	talk_syn(&t);
	assert_true(talk_read(&t, &s));
	assert_true(closed(r, &s, 1));
	assert_int_equal(rig_waiting(r), 2);
	assert_int_equal(talk_state(&t), POSTERN_SESSION_RESET);
	// The client's next try begins anew.
	rig_discard(r);
	t = talk_new(r, POSTERN_V4, 1);
	talk_open(&t);
	rig_free(r);
}

// There is nobody to tell; the next datagram begins a new session.
static void test_udp(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){.world = {.udp = true}});
	const struct rig_udp in = {
		.interface = RIG_OUTSIDE,
		.src = rig_client(POSTERN_V4, 1),
		.dst = rig_service(r, POSTERN_V4),
		.sport = 40000,
		.dport = RIG_PORT,
		.ttl = 60,
		.payload = 20,
	};
	struct postern_session s;
	uint64_t cursor = 0;

	(void)state;
	rig_udp_put(r, &in);
	rig_discard(r);
	while (postern_session_next(r->dp, &cursor, 1000, &s) != 1)
		;
	assert_true(closed(r, &s, 1));
	assert_int_equal(rig_waiting(r), 0);
	assert_int_equal(postern_sessions_in_use(r->dp), 0);
	rig_udp_put(r, &in);
	assert_int_equal(rig_waiting(r), 1);
	assert_int_equal(postern_sessions_in_use(r->dp), 1);
	rig_free(r);
}

// Ids of other sessions, of none, of no worker.
static void test_wrong_ids(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){.sessions = 64});
	struct talk t = talk_new(r, POSTERN_V4, 1);
	struct postern_session s, wrong;

	(void)state;
	talk_open(&t);
	assert_true(talk_read(&t, &s));
	assert_int_equal(s.generation % 2, 1);
	wrong = s;
	wrong.generation += 2;
	assert_false(closed(r, &wrong, 1));
	wrong.generation = s.generation - 1;
	assert_false(closed(r, &wrong, 2));
	wrong = s;
	wrong.slot++;
	assert_false(closed(r, &wrong, 3));
	wrong.slot = UINT32_MAX;
	assert_false(closed(r, &wrong, 4));
	wrong = s;
	wrong.worker = (uint8_t)r->dp->n_workers;
	assert_int_equal(close_it(r, &wrong, 5), -ENOENT);
	talk_send(&t, FROM_CLIENT, TALK_ACK, 10);
	assert_int_equal(rig_count(r, POSTERN_COUNTER_CLOSE_OPERATOR), 0);
	rig_free(r);
}

#define MANY 3000

static void open_many(struct rig *r, unsigned from, unsigned n)
{
	for (unsigned i = from; i < from + n; i++) {
		struct talk t = talk_new(r, POSTERN_V4, i);

		talk_put(&t, FROM_CLIENT, TALK_SYN, 0);
	}
	rig_discard(r);
}

// Asks for all sessions; what the rings do not take is asked for again by the caller.
static unsigned ask_for_all(struct rig *r, uint64_t *cursor)
{
	struct postern_session s;
	unsigned asked = 0;
	int rc;

	for (;;) {
		const uint64_t before = *cursor;

		rc = postern_session_next(r->dp, cursor, 256, &s);
		if (rc == 0)
			return asked;
		if (rc != 1)
			continue;
		if (s.state != POSTERN_SESSION_RESET && close_it(r, &s, 1) != 0) {
			*cursor = before;
			return asked;
		}
		asked += s.state != POSTERN_SESSION_RESET;
	}
}

// A worker closes a bounded number in a turn, however many wait.
static void test_turns_are_bounded(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){.sessions = MANY});
	const unsigned most = TURN_MOST * r->dp->n_workers;
	struct postern_closed answers[256];
	unsigned asked = 0, answered = 0, done = 0, n;
	uint64_t cursor = 0;

	(void)state;
	open_many(r, 0, MANY);
	assert_int_equal(postern_sessions_in_use(r->dp), MANY);
	while (done < MANY) {
		asked += ask_for_all(r, &cursor);
		for (unsigned i = 0; i < r->dp->n_workers; i++)
			steer_poll(r->dp->workers[i]->steer);
		const unsigned now = (unsigned)rig_count(r, POSTERN_COUNTER_CLOSE_OPERATOR);

		assert_in_range(now - done, 1, most);
		done = now;
		rig_discard(r);
		while ((n = postern_closed_take(r->dp, answers, 256)) > 0)
			answered += n;
		assert_int_equal(answered, done);
	}
	assert_int_equal(asked, MANY);
	rig_turn(r);
	rig_discard(r);
	rig_free(r);
}

// Nobody takes answers: the worker stops when the room for them is used up, and goes on later.
static void test_nobody_listens(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){.sessions = MANY});
	const unsigned room = 1023; // of a ring of 1024
	struct postern_closed answer;
	struct postern_session s = {.slot = 0, .generation = 1};

	(void)state;
	for (unsigned i = 0; i < room; i++)
		assert_int_equal(close_it(r, &s, i), 0);
	assert_int_equal(close_it(r, &s, room), -EAGAIN);
	rig_turn(r);
	for (unsigned i = 0; i < room; i++)
		assert_int_equal(close_it(r, &s, room + i), 0);
	rig_turn(r);
	assert_int_equal(close_it(r, &s, 9999), -EAGAIN);
	for (unsigned i = 0; i < 2 * room; i++) {
		while (postern_closed_take(r->dp, &answer, 1) == 0)
			rig_turn(r);
		assert_int_equal(answer.ticket, i);
		assert_int_equal(answer.closed, 0);
	}
	rig_free(r);
}

#define STAY 400

// Reads the whole list page by page while `meanwhile` sessions come between two pages. Those that
// stay are seen once, nobody twice.
static unsigned read_while(struct rig *r, unsigned page, unsigned meanwhile, unsigned *next)
{
	unsigned seen[STAY] = {0};
	uint64_t cursor = 0, last = 0;
	unsigned pages = 0, on_page = 0;
	struct postern_session s;
	int rc;

	while ((rc = postern_session_next(r->dp, &cursor, 7, &s)) != 0) {
		assert_true(cursor >= last);
		last = cursor;
		if (rc != 1)
			continue;
		for (unsigned i = 0; i < STAY; i++) {
			const struct postern_addr a = rig_client(POSTERN_V4, i);

			if (postern_addr_equal(&a, &s.client.addr))
				seen[i]++;
		}
		if (++on_page < page)
			continue;
		on_page = 0;
		pages++;
		// Longer than the table has places would be an endless list.
		assert_in_range(pages, 1, r->dp->n_workers * (4 * STAY) / page + 1);
		open_many(r, *next, meanwhile);
		*next += meanwhile;
		// Half-open ones end, those that stay are older and established.
		rig_advance(r, 100 * RIG_MS);
	}
	for (unsigned i = 0; i < STAY; i++)
		assert_int_equal(seen[i], 1);
	return pages;
}

static void test_pages_of_a_table_that_changes(void **state)
{
	const struct rig_world world = {.times = {.opening_ms = 1000,
						.idle_ms = 3600000,
						.closing_ms = 1000,
						.reset_ms = 1000}};
	struct rig *r = rig_new(&(struct rig_options){.world = world, .sessions = 4 * STAY});
	unsigned next = STAY;

	(void)state;
	for (unsigned i = 0; i < STAY; i++) {
		struct talk t = talk_new(r, POSTERN_V4, i);

		talk_open(&t);
		// Gaps between them, which others will come and go in.
		open_many(r, next++, 1);
	}
	for (unsigned page = 1; page < 300; page += 37)
		read_while(r, page, page < 10 ? 3 : 60, &next);
	rig_free(r);
}

// Cursors that nobody was ever given lead to the end, or to a session, and nowhere else.
static void test_any_cursor(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){.sessions = 64});
	struct talk t = talk_new(r, POSTERN_V4, 1);
	struct postern_session s;

	(void)state;
	talk_open(&t);
	srand(1);
	for (unsigned i = 0; i < 10000; i++) {
		uint64_t cursor = (uint64_t)rand() << (i % 3 * 16) ^ (uint64_t)rand();
		unsigned steps = 0;

		if (i == 0)
			cursor = UINT64_MAX;
		while (postern_session_next(r->dp, &cursor, 5, &s) != 0)
			assert_true(++steps < 64 * r->dp->n_workers);
	}
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_sides_are_reset),
		cmocka_unit_test(test_half_open),
		cmocka_unit_test(test_udp),
		cmocka_unit_test(test_wrong_ids),
		cmocka_unit_test(test_turns_are_bounded),
		cmocka_unit_test(test_nobody_listens),
		cmocka_unit_test(test_pages_of_a_table_that_changes),
		cmocka_unit_test(test_any_cursor),
	};

	return cmocka_run_group_tests(tests, rig_use_cmocka, NULL);
}
