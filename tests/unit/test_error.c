// SPDX-License-Identifier: BSD-2-Clause
// ICMP errors: those about packets of sessions reach the side that sent the packet, quoting it as it
// was sent; those about anything else reach nobody; and those that we make ourselves.

#include "rig_cmocka.h"
#include "talk.h"

#include <netinet/in.h>
#include <string.h>

#define C(name) POSTERN_COUNTER_##name

#define EACH_FAMILY(f) for (uint8_t f = POSTERN_V4; f < POSTERN_FAMILIES; f++)

// Type, code and the word behind the checksum.
struct message {
	uint8_t type, code;
	uint32_t word;
};

static const struct message translated[POSTERN_FAMILIES][7] = {
	{{3, 4, 1280}, {3, 1, 0}, {3, 3, 0}, {3, 13, 0}, {11, 0, 0}, {11, 1, 0}, {12, 0, 9u << 24}},
	{{2, 0, 1280}, {1, 0, 0}, {1, 4, 0}, {1, 1, 0}, {3, 0, 0}, {3, 1, 0}, {4, 1, 40}},
};

static const struct message too_big[POSTERN_FAMILIES] = {{3, 4, 1300}, {2, 0, 1300}};
static const struct message no_port[POSTERN_FAMILIES] = {{3, 3, 0}, {1, 4, 0}};
static const struct message no_hops[POSTERN_FAMILIES] = {{11, 0, 0}, {3, 0, 0}};

static const struct rig_world worlds[] = {
	{0}, {.destination = true}, {.one_arm = true}, {.destination = true, .one_arm = true}};

#define EACH_WORLD(w) for (unsigned w = 0; w < sizeof(worlds) / sizeof(worlds[0]); w++)

// A session over TCP or UDP, and its last packet as it came and as it left.
struct session {
	struct talk talk;
	bool udp;
	uint8_t in[2048];
	size_t in_length;
	struct rig_packet out;
};

static size_t header_of(uint8_t family)
{
	return family == POSTERN_V4 ? 20 : 40;
}

static unsigned get16(const uint8_t *at)
{
	return (unsigned)(at[0] << 8 | at[1]);
}

static void put16(uint8_t *at, unsigned v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static void sum_ip(uint8_t *ip)
{
	put16(ip + 10, 0);
	const uint32_t sum = rig_sum(ip, 20, 0);

	put16(ip + 10, ~((sum >> 16) + sum) & 0xffff);
}

static void say(struct session *s, unsigned from, uint16_t payload)
{
	struct talk *t = &s->talk;
	const struct rig_tcp seg = talk_segment(t, from, TALK_ACK, payload);

	if (s->udp) {
		const struct rig_udp u = {.interface = seg.interface,
			.src = seg.src,
			.dst = seg.dst,
			.sport = seg.sport,
			.dport = seg.dport,
			.ttl = 60,
			.payload = payload};

		s->in_length = rig_udp_build(&u, s->in);
	} else {
		s->in_length = rig_tcp_build(t->r, &seg, s->in);
		t->next[from] += payload;
	}
	rig_put(t->r, seg.interface, s->in, s->in_length);
	RIG_CHECK(rig_waiting(t->r) == 1);
	s->out = *rig_take(t->r);
}

static void learn_udp(struct session *s)
{
	s->talk.r->next_out--;
	const struct rig_udp out = rig_udp_take(s->talk.r);

	s->talk.nat = out.src;
	s->talk.nat_port = out.sport;
	s->talk.member = out.dst;
}

static struct session session_new(const struct rig_world *world, uint8_t family, bool udp)
{
	struct rig_world w = *world;

	w.udp = udp;
	struct rig *r = rig_new(&(struct rig_options){.world = w});
	struct session s = {.talk = talk_new(r, family, 1), .udp = udp};

	if (!udp) {
		talk_open(&s.talk);
		return s;
	}
	say(&s, FROM_CLIENT, 30);
	learn_udp(&s);
	say(&s, FROM_MEMBER, 30);
	return s;
}

// A router's error about what left.
static size_t error_build(const struct rig_packet *about, uint8_t family, const char *router,
	const struct message *m, size_t quote, uint8_t *frame)
{
	const bool v4 = family == POSTERN_V4;
	const size_t header = header_of(family);
	const struct postern_addr src = rig_addr(router);
	struct postern_addr dst = src;

	memcpy(dst.bytes + (v4 ? 12 : 0), about->bytes + 14 + (v4 ? 12 : 8), v4 ? 4 : 16);
	rig_headers_put(about->interface, &src, &dst, 50, v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6,
		(unsigned)(8 + quote), frame);
	uint8_t *icmp = frame + 14 + header;

	memset(icmp, 0, 8);
	icmp[0] = m->type;
	icmp[1] = m->code;
	put16(icmp + 4, m->word >> 16);
	put16(icmp + 6, m->word);
	memcpy(icmp + 8, about->bytes + 14, quote);
	put16(icmp + 2, rig_l4_checksum(frame, 14 + header + 8 + quote));
	return 14 + header + 8 + quote;
}

static const char *router_of(uint8_t family)
{
	return family == POSTERN_V4 ? "192.0.2.77" : "2001:db8:77::77";
}

static void check_addr(const uint8_t *at, const struct postern_addr *a, uint8_t family)
{
	if (family == POSTERN_V4)
		RIG_CHECK(memcmp(at, &a->bytes[12], 4) == 0);
	else
		RIG_CHECK(memcmp(at, a->bytes, 16) == 0);
}

// The next packet is the error as the sender of the quoted packet must see it.
static void check_error(
	const struct session *s, unsigned sender, const struct message *m, size_t quote)
{
	const struct talk *t = &s->talk;
	const uint8_t f = t->family;
	const size_t header = header_of(f);
	const bool client = sender == FROM_CLIENT;
	const struct postern_addr router = rig_addr(router_of(f));
	const struct postern_addr *src = client ? &t->service : &t->nat;
	const struct rig_packet *p = rig_take(t->r);
	uint8_t sent[2048];

	RIG_CHECK(p != NULL);
	if (p == NULL)
		return;
	const uint8_t *ip = p->bytes + 14, *icmp = ip + header;

	if (!client && t->r->world.destination)
		src = &router;
	RIG_CHECK(p->interface == (client || t->r->world.one_arm ? RIG_OUTSIDE : RIG_INSIDE));
	RIG_CHECK(p->length == 14 + header + 8 + quote);
	check_addr(ip + (f == POSTERN_V4 ? 12 : 8), src, f);
	check_addr(ip + (f == POSTERN_V4 ? 16 : 24), client ? &t->client : &t->member, f);
	RIG_CHECK(ip[f == POSTERN_V4 ? 8 : 7] == 49);
	if (f == POSTERN_V4)
		RIG_CHECK(rig_sum(ip, 20, 0) == 0xffff);
	RIG_CHECK(icmp[0] == m->type && icmp[1] == m->code);
	RIG_CHECK(((uint32_t)get16(icmp + 4) << 16 | get16(icmp + 6)) == m->word);
	RIG_CHECK(get16(icmp + 2) == rig_l4_checksum(p->bytes, p->length));
	// The quotation is what was sent, one hop on.
	memcpy(sent, s->in + 14, s->in_length - 14);
	sent[f == POSTERN_V4 ? 8 : 7]--;
	if (f == POSTERN_V4) {
		sum_ip(sent);
	}
	RIG_CHECK(memcmp(icmp + 8, sent, quote) == 0);
}

static void put_error(const struct session *s, const struct message *m, size_t quote)
{
	uint8_t frame[2048];
	const size_t length =
		error_build(&s->out, s->talk.family, router_of(s->talk.family), m, quote, frame);

	rig_put(s->talk.r, s->out.interface, frame, length);
}

static void test_translated(void **state)
{
	(void)state;
	EACH_WORLD(w) EACH_FAMILY(f) for (unsigned udp = 0; udp < 2; udp++)
	{
		struct session s = session_new(&worlds[w], f, udp);
		unsigned n = 0;

		for (unsigned from = 0; from < DIRECTIONS; from++)
			for (unsigned i = 0; i < RTE_DIM(translated[f]); i++) {
				say(&s, from, (uint16_t)(200 + i));
				const size_t whole = s.out.length - 14u, least = header_of(f) + 8;
				const size_t quotes[] = {least, least + 1, least + 8, least + 10,
					least + 12, whole - 1, whole};

				put_error(&s, &translated[f][i], quotes[i]);
				check_error(&s, from, &translated[f][i], quotes[i]);
				assert_int_equal(rig_waiting(s.talk.r), 0);
				assert_int_equal(rig_count(s.talk.r, C(ERROR_TRANSLATED)), ++n);
			}
		assert_int_equal(talk_state(&s.talk), POSTERN_SESSION_ESTABLISHED);
		// Nothing has changed for the session.
		say(&s, FROM_CLIENT, 10);
		say(&s, FROM_MEMBER, 10);
		rig_free(s.talk.r);
	}
}

// The quoted datagram had no checksum: it gets none.
static void test_quoted_without_checksum(void **state)
{
	struct session s = session_new(&worlds[0], POSTERN_V4, true);

	(void)state;
	say(&s, FROM_CLIENT, 50);
	put16(s.in + 14 + 20 + 6, 0);
	put16(s.out.bytes + 14 + 20 + 6, 0);
	put_error(&s, &too_big[POSTERN_V4], s.out.length - 14u);
	check_error(&s, FROM_CLIENT, &too_big[POSTERN_V4], s.out.length - 14u);
	rig_free(s.talk.r);
}

// Bytes of the quotation or of the error's own header, changed: it concerns no session.
static void check_unknown(struct session *s, size_t at, uint8_t flip, enum postern_counter reason)
{
	struct rig *r = s->talk.r;
	const uint8_t f = s->talk.family;
	uint8_t frame[2048];
	const size_t length =
		error_build(&s->out, f, router_of(f), &too_big[f], header_of(f) + 28, frame);
	const size_t icmp = 14 + header_of(f);
	const uint64_t before = rig_count(r, reason);

	frame[at] ^= flip;
	if (f == POSTERN_V4) {
		sum_ip(frame + 14);
	}
	put16(frame + icmp + 2, rig_l4_checksum(frame, length));
	rig_put(r, s->out.interface, frame, length);
	if (rig_waiting(r) > 0 || rig_count(r, reason) != before + 1)
		print_error("byte %u of an error, family %u\n", (unsigned)at, f);
	assert_int_equal(rig_waiting(r), 0);
	assert_int_equal(rig_count(r, reason), before + 1);
	assert_int_equal(rig_count(r, C(ERROR_TRANSLATED)), 0);
}

static void test_unknown(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	for (unsigned udp = 0; udp < 2; udp++)
		for (unsigned from = 0; from < DIRECTIONS; from++) {
			struct session s = session_new(&worlds[0], f, udp);
			const size_t ip = 14, q = ip + header_of(f) + 8, l4 = q + header_of(f);
			const bool v4 = f == POSTERN_V4;

			say(&s, from, 300);
			// Version, addresses (the last byte of each), protocol, ports.
			check_unknown(&s, q, 0x20, C(DROP_ERROR_UNKNOWN));
			check_unknown(&s, q + (v4 ? 15 : 23), 1, C(DROP_ERROR_UNKNOWN));
			check_unknown(&s, q + (v4 ? 19 : 39), 1, C(DROP_ERROR_UNKNOWN));
			check_unknown(
				&s, q + (v4 ? 9 : 6), udp ? 0x17 : 0x17, C(DROP_ERROR_UNKNOWN));
			check_unknown(
				&s, q + (v4 ? 9 : 6), udp ? 0x10 : 0x07, C(DROP_ERROR_UNKNOWN));
			for (size_t i = 0; i < 4; i++)
				check_unknown(&s, l4 + i, 1, C(DROP_ERROR_UNKNOWN));
			if (v4) {
				// A header of 16 bytes, one longer than the quotation, an offset.
				check_unknown(&s, q, 1, C(DROP_ERROR_UNKNOWN));
				check_unknown(&s, q, 0x0a, C(DROP_ERROR_UNKNOWN));
				check_unknown(&s, q + 7, 1, C(DROP_ERROR_UNKNOWN));
			}
			// To another address than the quoted packet came from.
			check_unknown(&s, ip + (v4 ? 19 : 39), 1, C(DROP_ERROR_UNKNOWN));
			if (!udp)
				check_unknown(&s, l4 + 4, 0x80, C(DROP_ERROR_UNKNOWN));
			rig_free(s.talk.r);
		}
}

// Of a TCP segment the number must be of what that side has under way.
static void test_sequence(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	for (unsigned from = 0; from < DIRECTIONS; from++) {
		struct session s = session_new(&worlds[0], f, false);
		struct rig *r = s.talk.r;
		const uint32_t begin = s.talk.next[from];
		const size_t at = 14 + header_of(f) + 4;
		static const struct {
			int32_t off;
			bool fine;
		} numbers[] = {{0, true}, {1, true}, {899, true}, {900, true}, {901, false},
			{-1, false}, {-2, false}, {0x10000, false}, {INT32_MIN, false}};

		say(&s, from, 900);
		for (unsigned i = 0; i < RTE_DIM(numbers); i++) {
			const uint32_t seq = begin + (uint32_t)numbers[i].off;

			put16(s.out.bytes + at, seq >> 16);
			put16(s.out.bytes + at + 2, seq);
			put_error(&s, &too_big[f], header_of(f) + 8);
			assert_int_equal(rig_waiting(r), numbers[i].fine);
			rig_discard(r);
		}
		// Acknowledged: an error about it comes too late or is forged.
		say(&s, !from, 0);
		put16(s.out.bytes + at, begin >> 16);
		put16(s.out.bytes + at + 2, begin);
		put_error(&s, &too_big[f], header_of(f) + 8);
		assert_int_equal(rig_waiting(r), 0);
		rig_free(r);
	}
}

// Only the member's own link can tell of what happened there.
static void test_wrong_link(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct session s = session_new(&worlds[0], f, true);

		say(&s, FROM_CLIENT, 100);
		s.out.interface = RIG_OUTSIDE;
		put_error(&s, &too_big[f], header_of(f) + 8);
		assert_int_equal(rig_waiting(s.talk.r), 0);
		assert_int_equal(rig_count(s.talk.r, C(DROP_ERROR_UNKNOWN)), 1);
		rig_free(s.talk.r);
	}
}

// Cut at every length below what names the session; nothing is read behind the end.
static void test_cut(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct session s = session_new(&worlds[0], f, false);

		say(&s, FROM_CLIENT, 100);
		for (size_t quote = 0; quote < header_of(f) + 8; quote++)
			put_error(&s, &too_big[f], quote);
		assert_int_equal(rig_waiting(s.talk.r), 0);
		assert_int_equal(rig_count(s.talk.r, C(DROP_ERROR_UNKNOWN)), header_of(f) + 8);
		rig_free(s.talk.r);
	}
}

// Errors whose sources cannot be, whose hops are used up, whose checksum is wrong, or to a group.
static void test_bad_errors(void **state)
{
	static const char *const sources[POSTERN_FAMILIES][2] = {
		{"127.0.0.1", "10.0.0.10"}, {"ff02::1", "2001:db8:2::10"}};
	static const enum postern_counter reasons[2] = {C(DROP_MARTIAN), C(DROP_SPOOFED)};

	(void)state;
	EACH_FAMILY(f)
	{
		struct session s = session_new(&worlds[0], f, false);
		struct rig *r = s.talk.r;
		uint8_t frame[2048];
		size_t length;

		say(&s, FROM_CLIENT, 100);
		for (unsigned i = 0; i < 2; i++) {
			length = error_build(
				&s.out, f, sources[f][i], &too_big[f], header_of(f) + 8, frame);
			rig_put(r, RIG_INSIDE, frame, length);
			assert_int_equal(rig_count(r, reasons[i]), 1);
		}
		length = error_build(&s.out, f, router_of(f), &too_big[f], header_of(f) + 8, frame);
		frame[length - 1] ^= 1;
		rig_put(r, RIG_INSIDE, frame, length);
		assert_int_equal(rig_count(r, C(DROP_ICMP)), 1);
		frame[length - 1] ^= 1;
		memset(frame, 0xff, 6);
		rig_put(r, RIG_INSIDE, frame, length);
		assert_int_equal(rig_count(r, C(DROP_ICMP)), 2);
		assert_int_equal(rig_waiting(r), 0);
		assert_int_equal(rig_count(r, C(ERROR_SENT)), 0);
		rig_free(r);
	}
}

// Unreachable for a SYN: another member is asked at once, as if the first had stayed silent; when
// there is none left the client is told.
static void test_unreachable_member(void **state)
{
	(void)state;
	for (unsigned members = 1; members <= 2; members++)
		EACH_FAMILY(f)
		{
			struct rig *r =
				rig_new(&(struct rig_options){.world = {.members = members}});
			struct session s = {.talk = talk_new(r, f, 1)};
			const struct rig_tcp syn = talk_segment(&s.talk, FROM_CLIENT, TALK_SYN, 0);

			s.in_length = rig_tcp_build(r, &syn, s.in);
			talk_syn(&s.talk);
			s.out = r->out[r->next_out - 1];
			const struct postern_addr first = s.talk.member;

			put_error(&s, &no_port[f], header_of(f) + 20);
			assert_int_equal(rig_count(r, C(SEEN_MEMBER_SILENT)), 1);
			assert_int_equal(rig_waiting(r), 1);
			if (members == 1) {
				check_error(&s, FROM_CLIENT, &no_port[f], header_of(f) + 20);
				// It may have been forged: the member's answer still counts.
				talk_synack(&s.talk);
				talk_send(&s.talk, FROM_CLIENT, TALK_ACK, 0);
			} else {
				s.talk.next[FROM_CLIENT]--;
				talk_syn_learn(&s.talk);
				s.talk.next[FROM_CLIENT]++;
				assert_false(postern_addr_equal(&first, &s.talk.member));
				talk_synack(&s.talk);
				talk_send(&s.talk, FROM_CLIENT, TALK_ACK, 0);
			}
			assert_int_equal(talk_state(&s.talk), POSTERN_SESSION_ESTABLISHED);
			rig_free(r);
		}
}

// With a number that is not the SYN's nothing happens at all.
static void test_unreachable_forged(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = rig_new(&(struct rig_options){0});
		struct session s = {.talk = talk_new(r, f, 1)};

		talk_syn(&s.talk);
		s.out = r->out[r->next_out - 1];
		s.out.bytes[14 + header_of(f) + 7] ^= 1;
		put_error(&s, &no_port[f], header_of(f) + 20);
		assert_int_equal(rig_waiting(r), 0);
		assert_int_equal(rig_count(r, C(SEEN_MEMBER_SILENT)), 0);
		assert_int_equal(rig_count(r, C(DROP_ERROR_UNKNOWN)), 1);
		rig_free(r);
	}
}

// What we say ourselves: back to the station, from the address that was asked, quoting as much as fits.
static void check_own(struct rig *r, uint16_t interface, const uint8_t *about, size_t length,
	uint8_t family, const struct message *m, const struct postern_addr *from)
{
	const bool v4 = family == POSTERN_V4;
	const size_t header = header_of(family), room = (v4 ? 576 : 1280) - header - 8;
	const size_t quote = RTE_MIN(length - 14, room);
	const struct rig_packet *p = rig_take(r);

	assert_non_null(p);
	const uint8_t *ip = p->bytes + 14, *icmp = ip + header;

	assert_int_equal(p->interface, interface);
	assert_memory_equal(p->bytes, about + 6, 6);
	assert_int_equal(p->length, 14 + header + 8 + quote);
	check_addr(ip + (v4 ? 12 : 8), from, family);
	assert_memory_equal(ip + (v4 ? 16 : 24), about + 14 + (v4 ? 12 : 8), v4 ? 4 : 16);
	if (v4)
		assert_int_equal(rig_sum(ip, 20, 0), 0xffff);
	assert_int_equal(icmp[0], m->type);
	assert_int_equal(icmp[1], m->code);
	assert_int_equal((uint32_t)get16(icmp + 4) << 16 | get16(icmp + 6), m->word);
	assert_int_equal(get16(icmp + 2), rig_l4_checksum(p->bytes, p->length));
	assert_memory_equal(icmp + 8, about + 14, quote);
}

static void test_own_too_big(void **state)
{
	(void)state;
	for (unsigned udp = 0; udp < 2; udp++)
		EACH_FAMILY(f)
		{
			const struct rig_world world = {.mtu = 1300};
			struct session s = session_new(&world, f, udp);
			struct talk *t = &s.talk;
			struct rig_tcp seg = talk_segment(t, FROM_CLIENT, TALK_ACK, 1400);
			const struct rig_udp u = {.src = t->client,
				.dst = t->service,
				.sport = t->client_port,
				.dport = t->service_port,
				.payload = 1400};
			const size_t length =
				udp ? rig_udp_build(&u, s.in) : rig_tcp_build(t->r, &seg, s.in);

			rig_put(t->r, RIG_OUTSIDE, s.in, length);
			assert_int_equal(rig_count(t->r, C(DROP_TOO_BIG)), 1);
			assert_int_equal(rig_count(t->r, C(ERROR_SENT)), 1);
			check_own(t->r, RIG_OUTSIDE, s.in, length, f, &too_big[f], &t->service);
			assert_int_equal(rig_waiting(t->r), 0);
			// What fits goes on.
			say(&s, FROM_CLIENT, (uint16_t)(1300 - header_of(f) - 20));
			rig_free(t->r);
		}
}

// From a member, with destination translation, towards a smaller outside: from our own address there,
// since the client's is not ours.
static void test_own_too_big_to_member(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct session s = session_new(&worlds[1], f, false);
		struct talk *t = &s.talk;
		const struct postern_addr own =
			rig_addr(f == POSTERN_V4 ? "10.0.0.10" : "2001:db8:2::10");
		const struct message small[] = {{3, 4, 1280}, {2, 0, 1280}};
		const struct rig_tcp seg = talk_segment(t, FROM_MEMBER, TALK_ACK, 1400);

		((struct ip_config *)(uintptr_t)t->r->w->ip.config)->interfaces[RIG_OUTSIDE].mtu =
			1280;
		s.in_length = rig_tcp_build(t->r, &seg, s.in);
		rig_put(t->r, RIG_INSIDE, s.in, s.in_length);
		check_own(t->r, RIG_INSIDE, s.in, s.in_length, f, &small[f], &own);
		rig_free(t->r);
	}
}

static void test_own_hops(void **state)
{
	(void)state;
	for (unsigned udp = 0; udp < 2; udp++)
		EACH_FAMILY(f)
	for (unsigned from = 0; from < DIRECTIONS; from++) {
		struct session s = session_new(&worlds[0], f, udp);
		struct talk *t = &s.talk;
		const uint16_t in = from == FROM_CLIENT ? RIG_OUTSIDE : RIG_INSIDE;

		say(&s, from, 40);
		s.in[14 + (f == POSTERN_V4 ? 8 : 7)] = 1;
		if (f == POSTERN_V4) {
			sum_ip(s.in + 14);
		}
		rig_put(t->r, in, s.in, s.in_length);
		assert_int_equal(rig_count(t->r, C(DROP_TTL)), 1);
		check_own(t->r, in, s.in, s.in_length, f, &no_hops[f],
			from == FROM_CLIENT ? &t->service : &t->nat);
		rig_free(t->r);
	}
}

// A datagram to a port where nobody listens, and to a service of which no member takes sessions.
static void test_own_port(void **state)
{
	(void)state;
	for (unsigned closed = 0; closed < 2; closed++)
		EACH_FAMILY(f)
		{
			struct rig *r = rig_new(&(struct rig_options){.world = {.udp = true}});
			const struct rig_udp u = {.src = rig_client(f, 1),
				.dst = rig_service(r, f),
				.sport = 40000,
				.dport = closed ? 99 : RIG_PORT,
				.payload = 30};
			const struct postern_addr service = rig_service(r, f);
			uint8_t frame[2048];
			const size_t length = rig_udp_build(&u, frame);

			for (unsigned i = 0; i < 2; i++)
				rig_health(
					r, (uint16_t)((f ? RIG_MEMBER_V6 : RIG_MEMBER_V4) + i), 0);
			rig_put(r, RIG_OUTSIDE, frame, length);
			check_own(r, RIG_OUTSIDE, frame, length, f, &no_port[f], &service);
			assert_int_equal(
				rig_count(r, closed ? C(REFUSE_PORT_CLOSED) : C(REFUSE_NO_MEMBER)),
				1);
			assert_int_equal(postern_sessions_in_use(r->dp), 0);
			rig_free(r);
		}
}

// So many a second, and no more, whoever asks.
static void test_own_limit(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){.world = {.udp = true}});
	struct rig_udp u = {.src = rig_client(POSTERN_V4, 1),
		.dst = rig_service(r, POSTERN_V4),
		.sport = 40000,
		.dport = 99};

	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		u.src = rig_client(POSTERN_V4, i);
		rig_udp_put(r, &u);
	}
	// Each worker has its share, and owns some of the clients.
	const unsigned share = 1000 / r->dp->n_workers, all = share * r->dp->n_workers;

	assert_int_equal(rig_count(r, C(ERROR_SENT)), all);
	assert_int_equal(rig_count(r, C(REFUSE_PORT_CLOSED)), all);
	assert_int_equal(rig_count(r, C(DROP_ANSWER_LIMIT)), 3000 - all);
	rig_advance(r, RIG_S / 2);
	for (unsigned i = 0; i < 3000; i++)
		rig_udp_put(r, &u);
	assert_int_equal(rig_count(r, C(ERROR_SENT)), all + share / 2);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_translated),
		cmocka_unit_test(test_quoted_without_checksum),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_sequence),
		cmocka_unit_test(test_wrong_link),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_bad_errors),
		cmocka_unit_test(test_unreachable_member),
		cmocka_unit_test(test_unreachable_forged),
		cmocka_unit_test(test_own_too_big),
		cmocka_unit_test(test_own_too_big_to_member),
		cmocka_unit_test(test_own_hops),
		cmocka_unit_test(test_own_port),
		cmocka_unit_test(test_own_limit),
	};

	return cmocka_run_group_tests_name("error", tests, rig_use_cmocka, NULL);
}
