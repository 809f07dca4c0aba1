// SPDX-License-Identifier: BSD-2-Clause
// UDP services: sessions and their times, both translations, checksums with their two zeros, lengths.

#include "rig_cmocka.h"
#include "talk.h"

#include <netinet/in.h>

#define EACH_FAMILY(f) for (uint8_t f = POSTERN_V4; f < POSTERN_FAMILIES; f++)

// Both translations, and one-arm with that of the source.
static const struct rig_world worlds[] = {
	{.udp = true},
	{.udp = true, .destination = true},
	{.udp = true, .one_arm = true},
};

#define EACH_WORLD(w) for (unsigned w = 0; w < sizeof(worlds) / sizeof(worlds[0]); w++)

// A client and the member that answers it.
struct pair {
	struct rig *r;
	struct postern_addr client, service, nat, member;
	uint16_t client_port, nat_port, service_port, member_port;
};

static struct pair pair_new(struct rig *r, uint8_t family, unsigned client)
{
	return (struct pair){
		.r = r,
		.client = rig_client(family, client),
		.service = rig_service(r, family),
		.client_port = (uint16_t)(40000 + client % 20000),
		.service_port = RIG_PORT,
		.member_port = RIG_MEMBER_PORT,
	};
}

static struct rig_udp datagram(const struct pair *p, unsigned from, uint16_t payload)
{
	const bool client = from == FROM_CLIENT;

	return (struct rig_udp){
		.interface = client || p->r->world.one_arm ? RIG_OUTSIDE : RIG_INSIDE,
		.src = client ? p->client : p->member,
		.dst = client ? p->service : p->nat,
		.sport = client ? p->client_port : p->member_port,
		.dport = client ? p->service_port : p->nat_port,
		.ttl = 60,
		.payload = payload,
		.mark = 0x1234,
	};
}

static void check_same(const struct rig_udp *in, const struct rig_udp *out)
{
	RIG_CHECK(out->ttl == in->ttl - 1);
	RIG_CHECK(out->payload == in->payload);
	RIG_CHECK(out->payload < 2 || out->mark == in->mark);
	RIG_CHECK(out->length == 8 + in->payload);
	RIG_CHECK(out->no_checksum == in->no_checksum);
	RIG_CHECK(out->checksum_error == in->checksum_error);
}

// Puts the first datagram and learns from what comes out who the member is.
static void begin(struct pair *p)
{
	const struct rig_udp in = datagram(p, FROM_CLIENT, 20);

	RIG_CHECK(rig_waiting(p->r) == 0);
	rig_udp_put(p->r, &in);
	RIG_CHECK(rig_waiting(p->r) == 1);
	const struct rig_udp out = rig_udp_take(p->r);

	check_same(&in, &out);
	RIG_CHECK(out.interface == (p->r->world.one_arm ? RIG_OUTSIDE : RIG_INSIDE));
	RIG_CHECK(out.dport == p->member_port);
	RIG_CHECK(rig_member_number(&out.dst) < RIG_MEMBERS_MAX);
	if (p->r->world.destination) {
		RIG_CHECK(postern_addr_equal(&out.src, &p->client));
		RIG_CHECK(out.sport == p->client_port);
	} else {
		RIG_CHECK(!postern_addr_equal(&out.src, &p->client));
		RIG_CHECK(out.sport >= 1024);
	}
	p->nat = out.src;
	p->nat_port = out.sport;
	p->member = out.dst;
}

static struct rig_udp through(struct pair *p, unsigned from, const struct rig_udp *in)
{
	const bool client = from == FROM_CLIENT;

	RIG_CHECK(rig_waiting(p->r) == 0);
	rig_udp_put(p->r, in);
	RIG_CHECK(rig_waiting(p->r) == 1);
	const struct rig_udp out = rig_udp_take(p->r);

	check_same(in, &out);
	RIG_CHECK(out.interface == (client && !p->r->world.one_arm ? RIG_INSIDE : RIG_OUTSIDE));
	RIG_CHECK(postern_addr_equal(&out.src, client ? &p->nat : &p->service));
	RIG_CHECK(postern_addr_equal(&out.dst, client ? &p->member : &p->client));
	RIG_CHECK(out.sport == (client ? p->nat_port : p->service_port));
	RIG_CHECK(out.dport == (client ? p->member_port : p->client_port));
	return out;
}

static void say(struct pair *p, unsigned from, uint16_t payload)
{
	const struct rig_udp in = datagram(p, from, payload);

	through(p, from, &in);
}

static bool find(const struct pair *p, struct postern_session *out)
{
	uint64_t cursor = 0;
	int rc;

	while ((rc = postern_session_next(p->r->dp, &cursor, 1000, out)) != 0)
		if (rc == 1 && out->client.port == p->client_port &&
			postern_addr_equal(&out->client.addr, &p->client))
			return true;
	return false;
}

static int state(const struct pair *p)
{
	struct postern_session s;

	return find(p, &s) ? (int)s.state : -1;
}

static void test_both_ways(void **state)
{
	(void)state;
	EACH_WORLD(w) EACH_FAMILY(f)
	{
		struct rig *r = rig_new(&(struct rig_options){.world = worlds[w]});
		struct pair p = pair_new(r, f, 1);
		struct postern_session s;

		begin(&p);
		// Nothing, one byte, odd, even, whatever an Ethernet frame holds.
		for (unsigned from = 0; from < DIRECTIONS; from++) {
			static const uint16_t sizes[] = {0, 1, 2, 3, 7, 8, 511, 1200, 1451, 1452};

			for (unsigned i = 0; i < RTE_DIM(sizes); i++)
				say(&p, from, sizes[i]);
		}
		assert_true(find(&p, &s));
		assert_int_equal(s.protocol, IPPROTO_UDP);
		assert_int_equal(s.state, POSTERN_SESSION_ESTABLISHED);
		assert_true(postern_addr_equal(&s.translated.addr, &p.nat));
		assert_int_equal(s.translated.port, p.nat_port);
		const uint64_t headers = f == POSTERN_V4 ? 28 : 48;
		const uint64_t out = 10 * headers + 1 + 2 + 3 + 7 + 8 + 511 + 1200 + 1451 + 1452;

		assert_int_equal(s.bytes_out, out);
		assert_int_equal(s.bytes_in, out + headers + 20);
		assert_int_equal(rig_count(r, POSTERN_COUNTER_SESSION_OPENED), 1);
		assert_int_equal(rig_count(r, POSTERN_COUNTER_SESSION_ESTABLISHED), 1);
		rig_free(r);
	}
}

// IPv4 may leave the checksum out, and then it stays out (RFC 768); IPv6 may not (RFC 8200 8.1).
static void test_no_checksum(void **state)
{
	(void)state;
	EACH_WORLD(w) EACH_FAMILY(f)
	{
		struct rig *r = rig_new(&(struct rig_options){.world = worlds[w]});
		struct pair p = pair_new(r, f, 1);

		begin(&p);
		for (unsigned from = 0; from < DIRECTIONS; from++) {
			struct rig_udp u = datagram(&p, from, 33);

			u.no_checksum = true;
			if (f == POSTERN_V4) {
				assert_int_equal(through(&p, from, &u).checksum, 0);
				continue;
			}
			rig_udp_put(r, &u);
			assert_int_equal(rig_waiting(r), 0);
			assert_int_equal(rig_count(r, POSTERN_COUNTER_DROP_UDP_HEADER), from + 1);
		}
		rig_free(r);
	}
}

// A sum that comes to zero on the other side is sent as 0xffff, since zero would mean none.
static void check_computed_zero(struct pair *p, unsigned from)
{
	struct rig_udp u = datagram(p, from, 32);

	u.mark = 0;
	const uint16_t with_zero = through(p, from, &u).checksum;

	// One's complement: adding to the data what the checksum was brings the sum to all ones.
	u.mark = with_zero;
	const struct rig_udp out = through(p, from, &u);

	RIG_CHECK(out.checksum == 0xffff);
	// The same arriving as such.
	const struct rig_udp again = through(p, from, &u);

	RIG_CHECK(again.checksum == 0xffff);
}

static void test_computed_zero(void **state)
{
	(void)state;
	EACH_WORLD(w) EACH_FAMILY(f)
	{
		struct rig *r = rig_new(&(struct rig_options){.world = worlds[w]});
		struct pair p = pair_new(r, f, 1);

		begin(&p);
		check_computed_zero(&p, FROM_CLIENT);
		check_computed_zero(&p, FROM_MEMBER);
		rig_free(r);
	}
}

// The same of a sender on this machine, by the port and in software.
static void test_unsummed(void **state)
{
	(void)state;
	for (unsigned port = 0; port < 2; port++)
		EACH_FAMILY(f)
		{
			struct rig *r = rig_new(&(struct rig_options){
				.world = worlds[0], .tx_checksum = port, .rx_checksum = port});
			struct pair p = pair_new(r, f, 1);

			begin(&p);
			for (unsigned from = 0; from < DIRECTIONS; from++) {
				struct rig_udp u = datagram(&p, from, 32);

				r->rx_flags = RTE_MBUF_F_RX_L4_CKSUM_NONE;
				// What stands in the field is made anew.
				u.checksum_error = 0x1111;
				rig_udp_put(r, &u);
				const struct rig_udp out = rig_udp_take(r);

				assert_int_equal(out.checksum_error, 0);
				u.checksum_error = 0;
				check_same(&u, &out);
				// And if it comes to zero.
				u.mark = 0;
				rig_udp_put(r, &u);
				u.mark = rig_udp_take(r).checksum;
				rig_udp_put(r, &u);
				assert_int_equal(rig_udp_take(r).checksum, 0xffff);
				r->rx_flags = 0;
			}
			rig_free(r);
		}
}

// An error in the data stays one that the receiver finds.
static void test_wrong_checksum(void **state)
{
	(void)state;
	EACH_WORLD(w) EACH_FAMILY(f)
	{
		struct rig *r = rig_new(&(struct rig_options){.world = worlds[w]});
		struct pair p = pair_new(r, f, 1);

		begin(&p);
		for (unsigned from = 0; from < DIRECTIONS; from++) {
			const struct rig_udp in = datagram(&p, from, 100);
			uint8_t frame[2048];
			const size_t length = rig_udp_build(&in, frame);

			frame[length - 1] ^= 0x40;
			rig_put(r, in.interface, frame, length);
			const struct rig_packet *out = rig_take(r);

			assert_non_null(out);
			assert_int_not_equal(rig_l4_checksum(out->bytes, out->length),
				(uint16_t)(out->bytes[out->length - 102] << 8 |
					   out->bytes[out->length - 101]));
		}
		rig_free(r);
	}
}

static void test_bad_headers(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_new(&(struct rig_options){.world = worlds[0]});
		struct pair p = pair_new(r, f, 1);
		struct rig_udp bad[5];

		for (unsigned i = 0; i < RTE_DIM(bad); i++)
			bad[i] = datagram(&p, FROM_CLIENT, 20);
		bad[0].length = 7;
		bad[1].length = 29;
		bad[2].length = 0xffff;
		bad[3].sport = 0;
		bad[4].dport = 0;
		for (unsigned i = 0; i < RTE_DIM(bad); i++) {
			rig_udp_put(r, &bad[i]);
			assert_int_equal(rig_count(r, POSTERN_COUNTER_DROP_UDP_HEADER), i + 1);
		}
		assert_int_equal(rig_waiting(r), 0);
		assert_int_equal(postern_sessions_in_use(r->dp), 0);
		rig_free(r);
	}
}

// Unanswered: the opening time after the last datagram. Answered: the idle time after either
// side's last. Nobody is told of the end, for there is no way to.
static void test_times(void **unused)
{
	(void)unused;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_new(&(struct rig_options){.world = worlds[0]});
		struct pair p = pair_new(r, f, 1);
		const uint64_t late = 10 * RIG_MS;

		begin(&p);
		assert_int_equal(state(&p), POSTERN_SESSION_OPENING);
		rig_advance(r, RIG_TIMES.opening_ms * RIG_MS - late);
		say(&p, FROM_CLIENT, 9);
		rig_advance(r, RIG_TIMES.opening_ms * RIG_MS - late);
		assert_int_equal(state(&p), POSTERN_SESSION_OPENING);
		rig_advance(r, 2 * late);
		assert_int_equal(state(&p), -1);
		assert_int_equal(rig_count(r, POSTERN_COUNTER_CLOSE_UNANSWERED), 1);
		// Silence says nothing about the member: many protocols answer nothing.
		assert_int_equal(rig_count(r, POSTERN_COUNTER_SEEN_MEMBER_SILENT), 0);

		begin(&p);
		say(&p, FROM_MEMBER, 9);
		for (unsigned from = 0; from < DIRECTIONS; from++) {
			rig_advance(r, RIG_TIMES.idle_ms * RIG_MS - late);
			say(&p, from, 5);
		}
		rig_advance(r, RIG_TIMES.idle_ms * RIG_MS - late);
		assert_int_equal(state(&p), POSTERN_SESSION_ESTABLISHED);
		rig_advance(r, 2 * late);
		assert_int_equal(state(&p), -1);
		assert_int_equal(rig_count(r, POSTERN_COUNTER_CLOSE_IDLE), 1);
		assert_int_equal(rig_waiting(r), 0);
		assert_int_equal(rig_count(r, POSTERN_COUNTER_RESET_SENT), 0);
		rig_free(r);
	}
}

// A member that goes down: answered or not, what has begun ends without a word, and the client's
// next datagram finds another.
static void test_member_down(void **unused)
{
	(void)unused;
	for (unsigned answered = 0; answered < 2; answered++)
		EACH_WORLD(w) EACH_FAMILY(f)
		{
			struct rig *r = rig_new(&(struct rig_options){.world = worlds[w]});
			struct pair p = pair_new(r, f, 1);

			begin(&p);
			if (answered)
				say(&p, FROM_MEMBER, 3);
			const struct postern_addr first = p.member;
			const uint16_t id = f == POSTERN_V4 ? RIG_MEMBER_V4 : RIG_MEMBER_V6;

			rig_health(r, (uint16_t)(id + rig_member_number(&first)),
				POSTERN_MEMBER_RESET);
			assert_int_equal(rig_waiting(r), 0);
			assert_int_equal(state(&p), -1);
			assert_int_equal(rig_count(r, POSTERN_COUNTER_CLOSE_MEMBER_DOWN), 1);
			begin(&p);
			assert_false(postern_addr_equal(&first, &p.member));
			say(&p, FROM_MEMBER, 3);
			rig_free(r);
		}
}

static void test_service_removed(void **unused)
{
	struct rig *r = rig_new(&(struct rig_options){.world = worlds[0]});
	struct pair p = pair_new(r, POSTERN_V4, 1);
	struct rig_world world = worlds[0];

	(void)unused;
	begin(&p);
	say(&p, FROM_MEMBER, 3);
	world.no_service = true;
	rig_adopt(r, &world);
	assert_int_equal(state(&p), -1);
	assert_int_equal(rig_waiting(r), 0);
	assert_int_equal(rig_count(r, POSTERN_COUNTER_CLOSE_SERVICE_GONE), 1);
	rig_free(r);
}

// TCP and UDP of one port are two services, and one client's port twice is two sessions.
static void test_beside_tcp(void **unused)
{
	(void)unused;
	for (unsigned destination = 0; destination < 2; destination++)
		EACH_FAMILY(f)
		{
			struct rig *r = rig_new(&(struct rig_options){
				.world = {.udp = true, .twin = true, .destination = destination}});
			struct pair p = pair_new(r, f, 1);
			struct talk t = talk_new(r, f, 1);

			begin(&p);
			talk_open(&t);
			say(&p, FROM_MEMBER, 10);
			talk_send(&t, FROM_MEMBER, TALK_ACK, 10);
			say(&p, FROM_CLIENT, 10);
			talk_send(&t, FROM_CLIENT, TALK_ACK, 10);
			assert_int_equal(postern_sessions_in_use(r->dp), 2);
			rig_free(r);
		}
}

// Strangers do not speak as a member, neither from another address or port nor from another link.
static void test_strangers(void **unused)
{
	(void)unused;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_new(&(struct rig_options){.world = worlds[0]});
		struct pair p = pair_new(r, f, 1);

		begin(&p);
		struct rig_udp u = datagram(&p, FROM_MEMBER, 10);

		u.interface = RIG_OUTSIDE;
		rig_udp_put(r, &u);
		assert_int_equal(rig_count(r, POSTERN_COUNTER_DROP_SPOOFED), 1);
		u.interface = RIG_INSIDE;
		u.sport++;
		rig_udp_put(r, &u);
		u.sport--;
		u.src = rig_member(f, !rig_member_number(&p.member));
		rig_udp_put(r, &u);
		while (rig_waiting(r) > 0)
			assert_int_equal(rig_take(r)->interface, RIG_INSIDE);
		assert_int_equal(state(&p), POSTERN_SESSION_OPENING);
		rig_free(r);
	}
}

// Half-open sessions give way when the table is full; those whose client went on after an answer stay.
static void test_table_full(void **unused)
{
	struct rig *r = rig_new(&(struct rig_options){.world = worlds[0], .sessions = 4});
	struct pair p = pair_new(r, POSTERN_V4, 1);

	(void)unused;
	begin(&p);
	say(&p, FROM_MEMBER, 3);
	say(&p, FROM_CLIENT, 3);
	for (unsigned i = 2; i < 20; i++) {
		struct pair other = pair_new(r, POSTERN_V4, i);

		begin(&other);
	}
	assert_int_equal(state(&p), POSTERN_SESSION_ESTABLISHED);
	// Each worker has a table of its own.
	if (r->dp->n_workers == 1)
		assert_int_equal(rig_count(r, POSTERN_COUNTER_CLOSE_EVICTED), 15);
	say(&p, FROM_CLIENT, 3);
	rig_free(r);
}

// A member answers whoever seems to ask. However many forged clients it has answered, they give way to
// each other and to new ones, the oldest first, and a client who goes on is never among them.
static void test_answered_flood(void **unused)
{
	(void)unused;
	EACH_WORLD(w) EACH_FAMILY(f)
	{
		struct rig *r = rig_new(&(struct rig_options){.world = worlds[w], .sessions = 4});
		struct pair p = pair_new(r, f, 1), late = pair_new(r, f, 2);

		begin(&p);
		say(&p, FROM_MEMBER, 3);
		say(&p, FROM_CLIENT, 3);
		for (unsigned i = 10; i < 40; i++) {
			struct pair forged = pair_new(r, f, i);

			begin(&forged);
			say(&forged, FROM_MEMBER, 3);
			say(&forged, FROM_MEMBER, 3);
			assert_int_equal(state(&forged), POSTERN_SESSION_ESTABLISHED);
		}
		begin(&late);
		say(&late, FROM_MEMBER, 3);
		say(&late, FROM_CLIENT, 3);
		assert_int_equal(rig_count(r, POSTERN_COUNTER_DROP_TABLE_FULL), 0);
		for (unsigned i = 40; i < 70; i++) {
			struct pair forged = pair_new(r, f, i);

			begin(&forged);
			say(&forged, FROM_MEMBER, 3);
		}
		say(&p, FROM_CLIENT, 3);
		say(&p, FROM_MEMBER, 3);
		say(&late, FROM_MEMBER, 3);
		assert_int_equal(rig_count(r, POSTERN_COUNTER_SESSION_OPENED), 62);
		rig_free(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_ways),
		cmocka_unit_test(test_no_checksum),
		cmocka_unit_test(test_computed_zero),
		cmocka_unit_test(test_unsummed),
		cmocka_unit_test(test_wrong_checksum),
		cmocka_unit_test(test_bad_headers),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_member_down),
		cmocka_unit_test(test_service_removed),
		cmocka_unit_test(test_beside_tcp),
		cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_table_full),
		cmocka_unit_test(test_answered_flood),
	};

	return cmocka_run_group_tests_name("udp", tests, rig_use_cmocka, NULL);
}
