// SPDX-License-Identifier: BSD-2-Clause
// A day of traffic in fast motion: sessions of all lengths, members that flap and are drained, services
// that go and come back by reloads, over TCP and UDP and both translations. A model beside the
// worker knows when each session must end, and why; at the end the books balance and nothing is left.

#include "rig_cmocka.h"
#include "talk.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define DAY     (24 * 3600 * RIG_S)
#define FLOWS   20000 // a world: one each 4 s on average
#define MEMBERS 4

// A worker that is awake polls more often, one that sleeps each millisecond; this is what the test
// can afford over a day.
#define STEP (2 * RIG_S)

// A timer fires in the tick that follows its time, and milliseconds are cut off on the way.
#define EARLY (3 * RIG_MS)
#define LATE  (3 * 8192 + 2 * RIG_MS)

// Other than by default, so that each is told from the others.
#define OPENING_MS 15000u
#define IDLE_MS    1800000u
#define CLOSING_MS 60000u
#define RESET_MS   10000u

enum kind {
	SHORT,       // a few requests, then both sides end it
	ABORTED,     // ended by a reset of the client
	LONG,        // hours, with keep-alives more often than the idle time
	FORGOTTEN,   // quiet for longer than that
	HALF_OPEN,   // never established
	HALF_CLOSED, // one side has ended, and the other is forgotten
	DATAGRAMS,   // UDP, until nobody sends any more
	UNHEARD,     // UDP without an answer
	KINDS
};

enum phase {
	TALKING,
	EXPECTED, // a timer will end it, but not yet
	OVERDUE,  // now it must have
	KILLED,   // reset by us, and remembered for a while
	FORGOTTEN_BY_ALL,
	GONE
};

struct flow {
	struct talk t;
	struct rig_udp out; // UDP: what the client sends
	struct rig_udp back;
	enum kind kind;
	enum phase phase;
	uint64_t at; // when the next thing happens
	uint64_t ends;
	uint64_t every;
	unsigned left; // exchanges
	unsigned member;
	uint8_t worker;
	uint32_t slot, generation;
	bool second; // of the service that comes and goes
	bool killed; // its end, or the next one, is our doing
	enum postern_counter reason;
};

struct entry {
	uint64_t at;
	struct flow *f;
};

static struct flow flows[FLOWS];
static struct entry heap[4 * FLOWS];
static unsigned n_heap;
static struct rig *r;
static uint64_t expected[POSTERN_COUNTER_COUNT];
static uint64_t random_state;

static uint64_t draw(uint64_t from, uint64_t to)
{
	// SplitMix64.
	uint64_t z = random_state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return from + (z ^ (z >> 31)) % (to - from + 1);
}

// A queue of what is to happen, earliest first.

static void swap(unsigned a, unsigned b)
{
	const struct entry e = heap[a];

	heap[a] = heap[b];
	heap[b] = e;
}

static void at(struct flow *f, uint64_t when)
{
	assert_true(n_heap < sizeof(heap) / sizeof(heap[0]));
	f->at = when;
	heap[n_heap++] = (struct entry){when, f};
	for (unsigned i = n_heap - 1; i > 0 && heap[i].at < heap[(i - 1) / 2].at; i = (i - 1) / 2)
		swap(i, (i - 1) / 2);
}

static struct entry take(void)
{
	const struct entry first = heap[0];

	heap[0] = heap[--n_heap];
	for (unsigned i = 0;;) {
		unsigned least = i;

		for (unsigned k = 2 * i + 1; k <= 2 * i + 2; k++)
			if (k < n_heap && heap[k].at < heap[least].at)
				least = k;
		if (least == i)
			return first;
		swap(i, least);
		i = least;
	}
}

static void advance_to(uint64_t when)
{
	while (r->now_us < when) {
		const uint64_t left = when - r->now_us;

		rig_advance(r, left < STEP ? left : STEP);
	}
	rig_discard(r);
}

// What the worker knows of a flow's session.

static int state_of(const struct flow *f)
{
	struct postern_session s;

	return postern_session_get(r->dp, f->worker, f->slot, f->generation, &s) == 0 ? (int)s.state
										      : -1;
}

static void identify(struct flow *f, const struct postern_addr *client, uint16_t port)
{
	struct postern_session s;
	uint64_t cursor = 0;
	int rc;

	while ((rc = postern_session_next(r->dp, &cursor, 1000, &s)) != 0) {
		if (rc != 1 || s.client.port != port ||
			!postern_addr_equal(&s.client.addr, client) ||
			s.state == POSTERN_SESSION_RESET)
			continue;
		f->worker = s.worker;
		f->slot = s.slot;
		f->generation = s.generation;
		return;
	}
	fail_msg("a session that has begun is not there");
}

static bool is_udp(const struct flow *f)
{
	return f->kind == DATAGRAMS || f->kind == UNHEARD;
}

// Its last packet has gone: a timer ends it.
static void leave_to_timer(struct flow *f, uint32_t after_ms, enum postern_counter reason)
{
	f->phase = EXPECTED;
	f->reason = reason;
	f->killed = reason == POSTERN_COUNTER_CLOSE_IDLE && !is_udp(f);
	f->ends = r->now_us + after_ms * RIG_MS;
	at(f, f->ends - EARLY);
}

static void ended(struct flow *f)
{
	assert_int_equal(state_of(f), -1);
	f->phase = GONE;
}

// We have reset both sides; the entry stays for a while.
static void was_killed(struct flow *f, enum postern_counter reason)
{
	expected[reason]++;
	if (is_udp(f)) {
		ended(f);
		return;
	}
	assert_int_equal(state_of(f), POSTERN_SESSION_RESET);
	f->phase = KILLED;
	// Killed by a timer, it may have been a little earlier.
	f->ends = r->now_us + RESET_MS * RIG_MS;
	at(f, f->ends - LATE - EARLY);
}

static struct rig_udp through(const struct rig_udp *in)
{
	rig_udp_put(r, in);
	RIG_CHECK(rig_waiting(r) == 1);
	return rig_udp_take(r);
}

// The next exchange of a flow that talks.
static void exchange(struct flow *f)
{
	if (f->kind == DATAGRAMS) {
		through(&f->out);
		through(&f->back);
		return;
	}
	talk_send(&f->t, FROM_CLIENT, TALK_ACK, 100);
	talk_send(&f->t, FROM_MEMBER, TALK_ACK, 200);
	talk_send(&f->t, FROM_CLIENT, TALK_ACK, 0);
}

static void finish(struct flow *f)
{
	switch (f->kind) {
	case SHORT:
	case LONG:
		talk_send(&f->t, FROM_CLIENT, TALK_FIN, 0);
		talk_send(&f->t, FROM_MEMBER, TALK_FIN, 0);
		talk_send(&f->t, FROM_CLIENT, TALK_ACK, 0);
		leave_to_timer(f, CLOSING_MS, POSTERN_COUNTER_CLOSE_FIN);
		return;
	case ABORTED:
		talk_send(&f->t, FROM_CLIENT, TALK_RST, 0);
		leave_to_timer(f, RESET_MS, POSTERN_COUNTER_CLOSE_RESET);
		return;
	case HALF_CLOSED:
		talk_send(&f->t, FROM_MEMBER, TALK_FIN, 0);
		talk_send(&f->t, FROM_CLIENT, TALK_ACK, 0);
		leave_to_timer(f, IDLE_MS, POSTERN_COUNTER_CLOSE_IDLE);
		return;
	default:
		exchange(f);
		leave_to_timer(f, IDLE_MS, POSTERN_COUNTER_CLOSE_IDLE);
	}
}

static void begin_udp(struct flow *f, uint8_t family, unsigned n, uint16_t port)
{
	f->out = (struct rig_udp){
		.interface = RIG_OUTSIDE,
		.src = rig_client(family, n),
		.dst = rig_service(r, family),
		.sport = (uint16_t)(40000 + n % 20000),
		.dport = port,
		.ttl = 60,
		.payload = 40,
	};
	const struct rig_udp got = through(&f->out);

	f->back = f->out;
	f->back.interface = RIG_INSIDE;
	f->back.src = got.dst;
	f->back.sport = got.dport;
	f->back.dst = got.src;
	f->back.dport = got.sport;
	f->member = rig_member_number(&got.dst);
	identify(f, &f->out.src, f->out.sport);
	if (f->kind == DATAGRAMS)
		through(&f->back);
}

static void begin_tcp(struct flow *f, uint8_t family, unsigned n, uint16_t port)
{
	f->t = talk_new(r, family, n);
	f->t.service_port = port;
	if (r->world.last_port != 0 && !f->second)
		f->t.member_port = port;
	if (f->kind == HALF_OPEN)
		talk_syn(&f->t);
	else
		talk_open(&f->t);
	f->member = rig_member_number(&f->t.member);
	identify(f, &f->t.client, f->t.client_port);
}

static void begin(struct flow *f)
{
	const unsigned n = (unsigned)(f - flows);
	const uint8_t family = n % 3 == 0 ? POSTERN_V6 : POSTERN_V4;
	const uint16_t last = r->world.last_port;
	const bool range = last != 0 && !f->second;
	const uint16_t port = (uint16_t)draw(RIG_PORT, range ? last : RIG_PORT);

	expected[POSTERN_COUNTER_SESSION_OPENED]++;
	if (is_udp(f))
		begin_udp(f, family, n, port);
	else
		begin_tcp(f, family, n, port);
	f->phase = TALKING;
	if (f->kind == HALF_OPEN || f->kind == UNHEARD) {
		leave_to_timer(f, OPENING_MS, POSTERN_COUNTER_CLOSE_UNANSWERED);
		return;
	}
	expected[POSTERN_COUNTER_SESSION_ESTABLISHED]++;
	at(f, r->now_us + f->every);
}

// A timer's time has nearly come: the session is as it was.
static void not_yet(struct flow *f)
{
	const int state = state_of(f);

	if (state == -1)
		fail_msg("a session that %s is to end at %llu ms has ended before %llu ms",
			postern_counter_name(f->reason), (unsigned long long)(f->ends / 1000),
			(unsigned long long)(r->now_us / 1000));
	assert_true(!f->killed || state != POSTERN_SESSION_RESET);
	f->phase = OVERDUE;
	at(f, f->ends + LATE);
}

static void by_now(struct flow *f)
{
	if (f->killed) {
		was_killed(f, f->reason);
		return;
	}
	expected[f->reason]++;
	ended(f);
}

static void step(struct flow *f)
{
	switch (f->phase) {
	case TALKING:
		if (f->left == 0) {
			finish(f);
			return;
		}
		f->left--;
		exchange(f);
		at(f, r->now_us + f->every);
		return;
	case EXPECTED:
		not_yet(f);
		return;
	case OVERDUE:
		by_now(f);
		return;
	case KILLED:
		assert_int_equal(state_of(f), POSTERN_SESSION_RESET);
		f->phase = FORGOTTEN_BY_ALL;
		at(f, f->ends + LATE);
		return;
	case FORGOTTEN_BY_ALL:
		ended(f);
		return;
	default:
		return;
	}
}

// Over but not yet forgotten: a loss of member or service ends it at once, for its own reason.
static bool is_over(const struct flow *f)
{
	return f->reason == POSTERN_COUNTER_CLOSE_FIN || f->reason == POSTERN_COUNTER_CLOSE_RESET;
}

static void lose(struct flow *f, enum postern_counter reason)
{
	if (f->phase != TALKING && f->phase != EXPECTED && f->phase != OVERDUE)
		return;
	f->at = 0; // what was to happen does not
	if (f->phase != TALKING && is_over(f)) {
		expected[f->reason]++;
		ended(f);
		return;
	}
	was_killed(f, reason);
}

static void lose_member(unsigned member)
{
	rig_health(r, (uint16_t)(RIG_MEMBER_V4 + member), POSTERN_MEMBER_RESET);
	rig_health(r, (uint16_t)(RIG_MEMBER_V6 + member), POSTERN_MEMBER_RESET);
	rig_discard(r);
	for (struct flow *f = flows; f < flows + FLOWS; f++)
		// A session that its member has not accepted goes to another.
		if (f->member == member && f->kind != HALF_OPEN)
			lose(f, POSTERN_COUNTER_CLOSE_MEMBER_DOWN);
}

static void set_member(unsigned member, uint32_t word)
{
	rig_health(r, (uint16_t)(RIG_MEMBER_V4 + member), word);
	rig_health(r, (uint16_t)(RIG_MEMBER_V6 + member), word);
	rig_discard(r);
}

// Reloads: the other protocol's service goes, and is there again an hour later.
static void reload(bool with_second)
{
	struct rig_world world = r->world;

	world.twin = with_second;
	rig_adopt(r, &world);
	rig_turn(r);
	rig_discard(r);
	for (struct flow *f = flows; f < flows + FLOWS && !with_second; f++)
		if (f->second)
			lose(f, POSTERN_COUNTER_CLOSE_SERVICE_GONE);
}

static void check_books(void)
{
	static const enum postern_counter counted[] = {POSTERN_COUNTER_SESSION_OPENED,
		POSTERN_COUNTER_SESSION_ESTABLISHED, POSTERN_COUNTER_CLOSE_FIN,
		POSTERN_COUNTER_CLOSE_RESET, POSTERN_COUNTER_CLOSE_IDLE,
		POSTERN_COUNTER_CLOSE_UNANSWERED, POSTERN_COUNTER_CLOSE_MEMBER_DOWN,
		POSTERN_COUNTER_CLOSE_SERVICE_GONE, POSTERN_COUNTER_CLOSE_EVICTED,
		POSTERN_COUNTER_CLOSE_OPERATOR, POSTERN_COUNTER_DROP_PORTS_EXHAUSTED,
		POSTERN_COUNTER_DROP_TABLE_FULL};
	unsigned alive = 0;

	for (struct flow *f = flows; f < flows + FLOWS; f++)
		alive += f->phase != GONE;
	// What is counted by a timer may be so a moment before the model looks.
	for (unsigned i = 0; i < sizeof(counted) / sizeof(counted[0]); i++)
		if (rig_count(r, counted[i]) - expected[counted[i]] > 3)
			fail_msg("%s: %u instead of %u", postern_counter_name(counted[i]),
				(unsigned)rig_count(r, counted[i]), (unsigned)expected[counted[i]]);
	assert_in_range(alive - postern_sessions_in_use(r->dp), 0, 3);
	rig_check_steer(r);
}

static unsigned neighbours(void)
{
	struct postern_neighbour n;
	uint64_t cursor = 0;
	unsigned found = 0;
	int rc;

	while ((rc = postern_neighbour_next(r->dp, &cursor, 1000, &n)) != 0)
		found += rc == 1;
	return found;
}

static void plan(struct flow *f, const struct rig_world *world, uint64_t start)
{
	static const enum kind tcp[] = {
		SHORT, SHORT, ABORTED, LONG, FORGOTTEN, HALF_OPEN, HALF_CLOSED};
	static const enum kind udp[] = {DATAGRAMS, DATAGRAMS, UNHEARD};

	f->second = draw(0, 9) < 4;
	f->kind = f->second != world->udp ? udp[draw(0, 2)] : tcp[draw(0, 6)];
	f->left = (unsigned)draw(1, 8);
	f->every = draw(1, 60) * RIG_S;
	if (f->kind == LONG) {
		// Up to ten hours, with a keep-alive at 99 % of the idle time at the latest.
		f->every = draw(300, IDLE_MS / 1000 * 99 / 100) * RIG_S;
		f->left = (unsigned)draw(1, 20);
	}
	f->phase = GONE;
	f->at = start + draw(0, DAY);
	at(f, f->at);
}

// Minutes of the day at which something happens to members and services.
static void event(unsigned minute)
{
	const unsigned member = minute / 40 % MEMBERS;

	switch (minute % 40) {
	case 7:
		lose_member(member);
		return;
	case 9:
		set_member(member, POSTERN_MEMBER_TAKES_NEW);
		return;
	case 20: // drained: what it has goes on
		set_member(member, 0);
		return;
	case 35:
		set_member(member, POSTERN_MEMBER_TAKES_NEW);
		return;
	default:
		break;
	}
	if (minute % 240 == 110)
		reload(false);
	if (minute % 240 == 170)
		reload(true);
	if (minute % 60 == 59)
		check_books();
}

static void begin_or_step(struct flow *f)
{
	rig_discard(r);
	if (f->phase != GONE)
		step(f);
	else if (!f->second || r->world.twin)
		begin(f);
}

static void day(struct rig_world world)
{
	world.members = MEMBERS;
	world.twin = true;
	world.times = (struct postern_session_times){
		.opening_ms = OPENING_MS,
		.idle_ms = IDLE_MS,
		.closing_ms = CLOSING_MS,
		.reset_ms = RESET_MS,
	};
	r = rig_new(&(struct rig_options){.world = world, .sessions = 8192});
	const uint64_t start = r->now_us;
	const unsigned known = neighbours();
	unsigned minute = 0;

	memset(flows, 0, sizeof(flows));
	memset(expected, 0, sizeof(expected));
	n_heap = 0;
	random_state = 20261120;
	srand(1);
	for (struct flow *f = flows; f < flows + FLOWS; f++)
		plan(f, &world, start);
	while (n_heap > 0) {
		const uint64_t next = start + (minute + 1) * 60 * RIG_S;

		// It may let something happen that is earlier than what is first now.
		if (next <= heap[0].at) {
			advance_to(next);
			event(minute++);
			continue;
		}
		const struct entry e = take();

		// What has been put off, or will not happen any more.
		if (e.at != e.f->at)
			continue;
		advance_to(e.at);
		begin_or_step(e.f);
	}
	assert_true(minute > 24 * 60);
	for (unsigned i = 0; i < POSTERN_COUNTER_COUNT; i++)
		if (expected[i] != 0)
			assert_int_equal(rig_count(r, (enum postern_counter)i), expected[i]);
	check_books();
	assert_int_equal(postern_sessions_in_use(r->dp), 0);
	assert_int_equal(rig_count(r, POSTERN_COUNTER_SESSION_OPENED),
		rig_count(r, POSTERN_COUNTER_CLOSE_FIN) +
			rig_count(r, POSTERN_COUNTER_CLOSE_RESET) +
			rig_count(r, POSTERN_COUNTER_CLOSE_IDLE) +
			rig_count(r, POSTERN_COUNTER_CLOSE_UNANSWERED) +
			rig_count(r, POSTERN_COUNTER_CLOSE_MEMBER_DOWN) +
			rig_count(r, POSTERN_COUNTER_CLOSE_SERVICE_GONE));
	// Of each there was enough for the day to mean something.
	assert_true(rig_count(r, POSTERN_COUNTER_CLOSE_FIN) > 100);
	assert_true(rig_count(r, POSTERN_COUNTER_CLOSE_IDLE) > 100);
	assert_true(rig_count(r, POSTERN_COUNTER_CLOSE_UNANSWERED) > 100);
	assert_true(rig_count(r, POSTERN_COUNTER_CLOSE_MEMBER_DOWN) > 50);
	assert_true(rig_count(r, POSTERN_COUNTER_CLOSE_SERVICE_GONE) > 5);
	assert_int_equal(neighbours(), known);
	rig_free(r);
}

static void test_source(void **state)
{
	(void)state;
	day((struct rig_world){.translate = 2});
}

static void test_destination(void **state)
{
	(void)state;
	day((struct rig_world){.destination = true});
}

static void test_udp_first(void **state)
{
	(void)state;
	day((struct rig_world){.destination = true, .udp = true});
}

static void test_range(void **state)
{
	(void)state;
	day((struct rig_world){.destination = true, .last_port = RIG_PORT + 5000});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_source),
		cmocka_unit_test(test_destination),
		cmocka_unit_test(test_udp_first),
		cmocka_unit_test(test_range),
	};

	return cmocka_run_group_tests(tests, rig_use_cmocka, NULL);
}
