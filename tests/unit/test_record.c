// SPDX-License-Identifier: BSD-2-Clause
// Each refusal of forward mode leaves the right record, and nothing else leaves one.

#include "rig_cmocka.h"
#include "talk.h"

#include "postern/record.h"

#include <netinet/in.h>

// All records, taken together over the workers; returns how many events they count.
static uint64_t events(struct rig *r)
{
	struct postern_recorded one;
	uint64_t cursor = 0, n = 0;
	int rc;

	while ((rc = postern_record_next(r->dp, &cursor, 100, &one)) != 0)
		n += rc == 1 ? one.count : 0;
	return n;
}

// The one record with a reason.
static struct postern_recorded expect(struct rig *r, enum postern_counter reason, uint64_t count)
{
	struct postern_recorded one, got = {0};
	uint64_t cursor = 0;
	int rc;

	while ((rc = postern_record_next(r->dp, &cursor, 7, &one)) != 0) {
		if (rc != 1 || one.last.reason != reason)
			continue;
		one.count += got.count;
		got = one;
	}
	if (got.count != count)
		fail_msg("%s: %u instead of %u", postern_counter_name(reason), (unsigned)got.count,
			(unsigned)count);
	return got;
}

static void expect_client(
	const struct postern_recorded *r, const struct talk *t, enum postern_step step)
{
	assert_true(postern_addr_equal(&r->last.from, &t->client));
	assert_true(postern_addr_equal(&r->last.to, &t->service));
	assert_int_equal(r->last.from_port, t->client_port);
	assert_int_equal(r->last.to_port, t->service_port);
	assert_int_equal(r->last.interface, RIG_OUTSIDE);
	assert_int_equal(r->last.protocol, IPPROTO_TCP);
	assert_int_equal(r->last.step, step);
	assert_int_equal(r->last.from_bits, 128);
}

static void put_syn(struct talk *t)
{
	talk_put(t, FROM_CLIENT, TALK_SYN, 0);
}

// What goes well, and ends well, is nobody's trouble.
static void test_nothing_to_tell(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){0});
	struct talk t = talk_new(r, POSTERN_V4, 1);
	struct talk reset = talk_new(r, POSTERN_V6, 2);

	(void)state;
	talk_open(&t);
	talk_send(&t, FROM_CLIENT, TALK_ACK, 100);
	talk_send(&t, FROM_CLIENT, TALK_FIN, 0);
	talk_send(&t, FROM_MEMBER, TALK_FIN, 0);
	talk_open(&reset);
	talk_send(&reset, FROM_CLIENT, TALK_RST, 0);
	rig_advance(r, 1000 * RIG_S);
	assert_int_equal(events(r), 0);
	rig_free(r);
}

static void test_no_member(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){0});
	struct talk t = talk_new(r, POSTERN_V4, 1);

	(void)state;
	rig_health(r, RIG_MEMBER_V4, 0);
	rig_health(r, RIG_MEMBER_V4 + 1, 0);
	put_syn(&t);
	const struct postern_recorded got = expect(r, POSTERN_COUNTER_REFUSE_NO_MEMBER, 1);

	expect_client(&got, &t, POSTERN_STEP_OPEN);
	assert_int_equal(got.last.listen, RIG_LISTEN_V4);
	assert_int_equal(got.last.member, POSTERN_ID_NONE);
	assert_int_equal(got.last.generation, 0);
	assert_int_equal(events(r), 1);
	rig_free(r);
}

static void test_port_closed(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){0});
	struct talk t = talk_new(r, POSTERN_V6, 1);

	(void)state;
	t.service_port = 4711;
	put_syn(&t);
	const struct postern_recorded got = expect(r, POSTERN_COUNTER_REFUSE_PORT_CLOSED, 1);

	expect_client(&got, &t, POSTERN_STEP_OPEN);
	assert_int_equal(got.last.listen, POSTERN_ID_NONE);
	assert_int_equal(events(r), 1);
	rig_free(r);
}

static void test_strays(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){0});
	struct talk t = talk_new(r, POSTERN_V4, 1);
	struct rig_tcp odd = talk_segment(&t, FROM_CLIENT, TALK_ACK, 10);
	struct postern_recorded got;

	(void)state;
	rig_tcp_put(r, &odd);
	got = expect(r, POSTERN_COUNTER_REFUSE_NO_SESSION, 1);
	expect_client(&got, &t, POSTERN_STEP_PACKET);
	assert_int_equal(got.last.listen, RIG_LISTEN_V4);
	odd.flags = RTE_TCP_SYN_FLAG | RTE_TCP_FIN_FLAG;
	rig_tcp_put(r, &odd);
	got = expect(r, POSTERN_COUNTER_DROP_TCP_FLAGS, 1);
	expect_client(&got, &t, POSTERN_STEP_PACKET);
	odd = talk_segment(&t, FROM_CLIENT, TALK_SYN, 0);
	odd.checksum_error = 1;
	rig_tcp_put(r, &odd);
	got = expect(r, POSTERN_COUNTER_DROP_TCP_CHECKSUM, 1);
	expect_client(&got, &t, POSTERN_STEP_OPEN);
	assert_int_equal(events(r), 3);
	rig_free(r);
}

static void test_no_way_back(void **state)
{
	const struct rig_world world = {.no_gateway = true};
	struct rig *r = rig_new(&(struct rig_options){.world = world});
	struct talk t = talk_new(r, POSTERN_V4, 1);

	(void)state;
	put_syn(&t);
	const struct postern_recorded got = expect(r, POSTERN_COUNTER_DROP_NO_ROUTE, 1);

	expect_client(&got, &t, POSTERN_STEP_OPEN);
	assert_int_equal(got.last.listen, RIG_LISTEN_V4);
	rig_free(r);
}

// Refused by one member after the other: each is told, and by which.
static void test_members_refuse(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){.world = {.members = 1}});
	struct talk t = talk_new(r, POSTERN_V4, 1);
	uint32_t n = 0;

	(void)state;
	talk_syn(&t);
	talk_send(&t, FROM_MEMBER, TALK_RST, 0);
	const struct postern_recorded got = expect(r, POSTERN_COUNTER_SEEN_MEMBER_REFUSED, 1);

	expect_client(&got, &t, POSTERN_STEP_MEMBER);
	assert_int_equal(got.last.member, RIG_MEMBER_V4);
	assert_int_equal(got.last.generation % 2, 1);
	assert_true(postern_record_number(&got.last, POSTERN_FACT_ASKED, &n));
	assert_int_equal(n, 1);
	rig_free(r);
}

static uint32_t side_of(const struct postern_recorded *r)
{
	uint32_t side = UINT32_MAX;

	assert_true(postern_record_number(&r->last, POSTERN_FACT_SIDE, &side));
	return side;
}

static void test_nobody_answers(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){.world = {.members = 1}});
	struct talk silent = talk_new(r, POSTERN_V4, 1);
	struct talk half = talk_new(r, POSTERN_V6, 2);
	struct postern_recorded one;
	uint64_t cursor = 0;
	unsigned seen = 0;
	int rc;

	(void)state;
	talk_syn(&silent);
	talk_syn(&half);
	talk_synack(&half);
	rig_advance(r, 70 * RIG_S);
	expect(r, POSTERN_COUNTER_SEEN_MEMBER_SILENT, 1);
	expect(r, POSTERN_COUNTER_CLOSE_UNANSWERED, 2);
	while ((rc = postern_record_next(r->dp, &cursor, 100, &one)) != 0) {
		if (rc != 1 || one.last.reason != POSTERN_COUNTER_CLOSE_UNANSWERED)
			continue;
		const bool v4 = postern_addr_is_v4(&one.last.from);

		expect_client(&one, v4 ? &silent : &half, POSTERN_STEP_MEMBER);
		assert_int_equal(side_of(&one), v4 ? POSTERN_SIDE_MEMBER : POSTERN_SIDE_CLIENT);
		seen++;
	}
	assert_int_equal(seen, 2);
	rig_free(r);
}

// Sessions that end otherwise than by their two sides.
static void test_closes(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){.world = {.members = 1}});
	struct talk idle = talk_new(r, POSTERN_V4, 1);
	struct talk down = talk_new(r, POSTERN_V6, 2);
	struct talk reset = talk_new(r, POSTERN_V4, 3);
	struct postern_session s;
	struct postern_recorded got;
	uint32_t quiet = 0;

	(void)state;
	talk_open(&idle);
	talk_open(&down);
	talk_open(&reset);
	talk_send(&reset, FROM_MEMBER, TALK_RST, 0);
	got = expect(r, POSTERN_COUNTER_CLOSE_RESET, 1);
	expect_client(&got, &reset, POSTERN_STEP_CLOSE);
	assert_int_equal(side_of(&got), POSTERN_SIDE_MEMBER);
	assert_true(talk_read(&down, &s));
	rig_health(r, RIG_MEMBER_V6, POSTERN_MEMBER_RESET);
	got = expect(r, POSTERN_COUNTER_CLOSE_MEMBER_DOWN, 1);
	expect_client(&got, &down, POSTERN_STEP_CLOSE);
	assert_int_equal(got.last.member, RIG_MEMBER_V6);
	assert_int_equal(got.last.worker, s.worker);
	assert_int_equal(got.last.slot, s.slot);
	assert_int_equal(got.last.generation, s.generation);
	rig_advance(r, 1801 * RIG_S);
	got = expect(r, POSTERN_COUNTER_CLOSE_IDLE, 1);
	expect_client(&got, &idle, POSTERN_STEP_CLOSE);
	assert_true(postern_record_number(&got.last, POSTERN_FACT_QUIET_MS, &quiet));
	assert_in_range(quiet, 1800000, 1802000);
	assert_in_range(got.last_ms, 0, 1000);
	rig_free(r);
}

static void test_operator_and_reload(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){0});
	struct talk closed = talk_new(r, POSTERN_V4, 1);
	struct talk gone = talk_new(r, POSTERN_V4, 2);
	const struct rig_world without = {.no_service = true};
	struct postern_closed answer;
	struct postern_recorded got;
	struct postern_session s;

	(void)state;
	talk_open(&closed);
	talk_open(&gone);
	assert_true(talk_read(&closed, &s));
	assert_int_equal(postern_session_close(r->dp, s.worker, s.slot, s.generation, 1), 0);
	rig_turn(r);
	assert_int_equal(postern_closed_take(r->dp, &answer, 1), 1);
	got = expect(r, POSTERN_COUNTER_CLOSE_OPERATOR, 1);
	expect_client(&got, &closed, POSTERN_STEP_CLOSE);
	rig_discard(r);
	rig_adopt(r, &without);
	rig_discard(r);
	got = expect(r, POSTERN_COUNTER_CLOSE_SERVICE_GONE, 1);
	expect_client(&got, &gone, POSTERN_STEP_CLOSE);
	assert_int_equal(got.last.listen, RIG_LISTEN_V4);
	rig_free(r);
}

// A table that is full: of half-open ones some give way, of established ones none.
static void test_table_full(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){.sessions = 8});
	const unsigned room = 8 * r->dp->n_workers;
	unsigned opened = 0;

	(void)state;
	// Whose sessions fill which worker's table is a hash's choice: until all are full.
	for (unsigned i = 0; opened < room && i < 1000; i++) {
		struct talk t = talk_new(r, POSTERN_V4, i);

		const struct rig_tcp syn = talk_segment(&t, FROM_CLIENT, TALK_SYN, 0);

		rig_tcp_put(r, &syn);
		if (rig_waiting(r) == 0)
			continue;
		talk_syn_learn(&t);
		t.next[FROM_CLIENT]++;
		talk_synack(&t);
		talk_send(&t, FROM_CLIENT, TALK_ACK, 0);
		opened = postern_sessions_in_use(r->dp);
	}
	assert_int_equal(opened, room);
	const uint64_t before = rig_count(r, POSTERN_COUNTER_DROP_TABLE_FULL);
	struct talk late = talk_new(r, POSTERN_V4, 5000);

	put_syn(&late);
	assert_int_equal(rig_waiting(r), 0);
	assert_int_equal(rig_count(r, POSTERN_COUNTER_DROP_TABLE_FULL), before + 1);
	assert_true(events(r) + rig_count(r, POSTERN_COUNTER_RECORD_LOST) >= before + 1);
	rig_free(r);
}

static void test_given_way(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){.sessions = 8});
	struct talk first = talk_new(r, POSTERN_V4, 1);

	(void)state;
	put_syn(&first);
	rig_discard(r);
	for (unsigned i = 2; rig_count(r, POSTERN_COUNTER_CLOSE_EVICTED) == 0; i++) {
		struct talk t = talk_new(r, POSTERN_V6, i);

		assert_true(i < 1000);
		put_syn(&t);
		rig_discard(r);
	}
	const struct postern_recorded got = expect(r, POSTERN_COUNTER_CLOSE_EVICTED, 1);

	assert_int_equal(got.last.step, POSTERN_STEP_OPEN);
	assert_int_equal(side_of(&got), POSTERN_SIDE_MEMBER);
	rig_free(r);
}

// Datagrams: nobody there, no member, and no answer.
static void test_udp(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){.world = {.udp = true, .members = 1}});
	struct rig_udp in = {
		.interface = RIG_OUTSIDE,
		.src = rig_client(POSTERN_V4, 1),
		.dst = rig_service(r, POSTERN_V4),
		.sport = 40000,
		.dport = RIG_PORT,
		.ttl = 60,
		.payload = 20,
	};
	struct postern_recorded got;

	(void)state;
	rig_udp_put(r, &in);
	rig_advance(r, 70 * RIG_S);
	got = expect(r, POSTERN_COUNTER_CLOSE_UNANSWERED, 1);
	assert_int_equal(got.last.protocol, IPPROTO_UDP);
	assert_int_equal(side_of(&got), POSTERN_SIDE_MEMBER);
	in.dport = 9;
	rig_udp_put(r, &in);
	got = expect(r, POSTERN_COUNTER_REFUSE_PORT_CLOSED, 1);
	assert_int_equal(got.last.to_port, 9);
	in.dport = RIG_PORT;
	rig_health(r, RIG_MEMBER_V4, 0);
	rig_udp_put(r, &in);
	got = expect(r, POSTERN_COUNTER_REFUSE_NO_MEMBER, 1);
	assert_int_equal(got.last.from_port, 40000);
	assert_int_equal(events(r), 3);
	rig_discard(r);
	rig_free(r);
}

// A flood of one source leaves the record of another alone, whichever workers see them.
static void test_flood_pushes_out_nobody(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){0});
	struct talk partner = talk_new(r, POSTERN_V4, 1);
	struct talk flood = talk_new(r, POSTERN_V4, 2);
	struct postern_recorded one;
	uint64_t cursor = 0, of_partner = 0, of_flood = 0;
	int rc;

	(void)state;
	flood.client = rig_addr("192.0.2.66");
	partner.service_port = flood.service_port = 4711;
	put_syn(&partner);
	for (unsigned i = 0; i < 20000; i++) {
		flood.client_port = (uint16_t)(1024 + i);
		put_syn(&flood);
		rig_discard(r);
		if (i % 100 == 0)
			rig_advance(r, RIG_MS);
	}
	while ((rc = postern_record_next(r->dp, &cursor, 100, &one)) != 0) {
		if (rc != 1)
			continue;
		if (postern_addr_equal(&one.last.from, &partner.client))
			of_partner += one.count;
		else
			of_flood += one.count;
	}
	assert_int_equal(of_partner, 1);
	assert_int_equal(of_flood, 20000);
	assert_int_equal(rig_count(r, POSTERN_COUNTER_RECORD_LOST), 0);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_to_tell),
		cmocka_unit_test(test_no_member),
		cmocka_unit_test(test_port_closed),
		cmocka_unit_test(test_strays),
		cmocka_unit_test(test_no_way_back),
		cmocka_unit_test(test_members_refuse),
		cmocka_unit_test(test_nobody_answers),
		cmocka_unit_test(test_closes),
		cmocka_unit_test(test_operator_and_reload),
		cmocka_unit_test(test_table_full),
		cmocka_unit_test(test_given_way),
		cmocka_unit_test(test_udp),
		cmocka_unit_test(test_flood_pushes_out_nobody),
	};

	return cmocka_run_group_tests(tests, rig_use_cmocka, NULL);
}
