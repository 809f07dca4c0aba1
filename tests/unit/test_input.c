// SPDX-License-Identifier: BSD-2-Clause
// Malformed and hostile packets: each ends in exactly one named reason, without an answer unless
// one is due, and without a session.

#include "frames.h"
#include "rig_cmocka.h"
#include "talk.h"

#include <stdlib.h>
#include <string.h>

#define C(name) POSTERN_COUNTER_##name

enum sums {
	SUM_NONE,
	SUM_IP,
	SUM_ALL
};

// Bytes put over a sound frame, and what becomes of it.
struct spoilt {
	const char *what;
	enum frame_kind kind;
	enum sums sums;
	uint16_t at;
	uint8_t n;
	const char *bytes;
	enum postern_counter reason;
};

#define AT(text, kind, sum, at, bytes, reason)                                                     \
	{                                                                                          \
		text, FRAME_##kind, SUM_##sum, at, sizeof(bytes) - 1, bytes, C(reason)             \
	}

static const struct spoilt ethernet[] = {
	AT("VLAN tag", TCP4, NONE, 12, "\x81\x00", DROP_ETHERTYPE),
	AT("LLDP", TCP4, NONE, 12, "\x88\xcc", DROP_ETHERTYPE),
	AT("802.3 length", TCP4, NONE, 12, "\x00\x40", DROP_ETHERTYPE),
	AT("another station", TCP4, NONE, 0, "\x02\x00\x00\x00\x00\x77", DROP_OTHER_HOST),
	AT("another station", TCP6, NONE, 0, "\x02\x00\x00\x00\x00\x77", DROP_OTHER_HOST),
	AT("the other interface's station", TCP4, NONE, 0, "\x02\0\0\0\0\x02", DROP_OTHER_HOST),
};

static const struct spoilt ipv4[] = {
	AT("version 6 under 0x0800", TCP4, NONE, 14, "\x65", DROP_IP_VERSION),
	AT("version 0", TCP4, NONE, 14, "\x05", DROP_IP_VERSION),
	AT("version 5", TCP4, IP, 14, "\x55", DROP_IP_VERSION),
	AT("header of 16 bytes", TCP4, NONE, 14, "\x44", DROP_IP_HEADER),
	AT("header of 0 bytes", TCP4, NONE, 14, "\x40", DROP_IP_HEADER),
	AT("checksum wrong by a bit", TCP4, NONE, 24, "\x12", DROP_IP_CHECKSUM),
	AT("other hop limit, old checksum", TCP4, NONE, 22, "\x3b", DROP_IP_CHECKSUM),
	AT("length below its header's", TCP4, IP, 16, "\x00\x13", DROP_IP_HEADER),
	AT("length 0", TCP4, IP, 16, "\x00\x00", DROP_IP_HEADER),
	AT("length behind the frame's end", TCP4, IP, 16, "\x00\x3d", DROP_TRUNCATED),
	AT("length 65535", TCP4, IP, 16, "\xff\xff", DROP_TRUNCATED),
	AT("fragment of 47 bytes", OPTIONS4, IP, 16, "\x00\x43\x00\x01\x20", DROP_FRAGMENT),
	AT("UDP whose length lies", TCP4, IP, 23, "\x11", DROP_UDP_HEADER),
	AT("protocol 0", TCP4, IP, 23, "\x00", DROP_PROTOCOL),
	AT("ESP", TCP4, IP, 23, "\x32", DROP_PROTOCOL),
	AT("IPv6 in IPv4", TCP4, IP, 23, "\x29", DROP_PROTOCOL),
	AT("ICMPv6 in IPv4", TCP4, IP, 23, "\x3a", DROP_PROTOCOL),
	AT("loose source route", OPTIONS4, IP, 34, "\x83\x07\x04\x0a\0\0\1", DROP_IP_OPTION),
	AT("strict source route", OPTIONS4, IP, 34, "\x89\x07\x04\x0a\0\0\1", DROP_IP_OPTION),
	AT("source route behind a no-operation", OPTIONS4, IP, 35, "\x83\x07\x04\x0a\0\0\1",
		DROP_IP_OPTION),
	AT("used up source route", OPTIONS4, IP, 34, "\x83\x03\x04", DROP_IP_OPTION),
	AT("option of 0 bytes", OPTIONS4, IP, 34, "\x44\x00", DROP_IP_HEADER),
	AT("option of 1 byte", OPTIONS4, IP, 34, "\x44\x01", DROP_IP_HEADER),
	AT("option behind the header's end", OPTIONS4, IP, 34, "\x44\x09", DROP_IP_HEADER),
	AT("option without a length", OPTIONS4, IP, 41, "\x44", DROP_IP_HEADER),
};

static const struct spoilt martians[] = {
	AT("from 0.0.0.0", TCP4, ALL, 26, "\0\0\0\0", DROP_MARTIAN),
	AT("from 0.1.2.3", TCP4, ALL, 26, "\0\1\2\3", DROP_MARTIAN),
	AT("from 127.0.0.1", TCP4, ALL, 26, "\x7f\0\0\1", DROP_MARTIAN),
	AT("from 127.255.255.254", TCP4, ALL, 26, "\x7f\xff\xff\xfe", DROP_MARTIAN),
	AT("from 224.0.0.1", TCP4, ALL, 26, "\xe0\0\0\1", DROP_MARTIAN),
	AT("from 239.255.255.255", TCP4, ALL, 26, "\xef\xff\xff\xff", DROP_MARTIAN),
	AT("from 240.0.0.1", TCP4, ALL, 26, "\xf0\0\0\1", DROP_MARTIAN),
	AT("from 255.255.255.255", TCP4, ALL, 26, "\xff\xff\xff\xff", DROP_MARTIAN),
	AT("to 127.0.0.1", TCP4, ALL, 30, "\x7f\0\0\1", DROP_NOT_OURS),
	AT("to 0.0.0.0", TCP4, ALL, 30, "\0\0\0\0", DROP_NOT_OURS),
	AT("to 224.0.0.1", TCP4, ALL, 30, "\xe0\0\0\1", DROP_NOT_OURS),
	AT("to 255.255.255.255", TCP4, ALL, 30, "\xff\xff\xff\xff", DROP_NOT_OURS),
	AT("echo from 127.0.0.1", ECHO4, ALL, 26, "\x7f\0\0\1", DROP_MARTIAN),
	AT("echo from 255.255.255.255", ECHO4, ALL, 26, "\xff\xff\xff\xff", DROP_MARTIAN),
	AT("from ::", TCP6, ALL, 22, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", DROP_MARTIAN),
	AT("from ::1", TCP6, ALL, 22, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", DROP_MARTIAN),
	AT("from ff02::1", TCP6, ALL, 22, "\xff\2\0\0\0\0\0\0\0\0\0\0\0\0\0\1", DROP_MARTIAN),
	AT("from ff0e::1", TCP6, ALL, 22, "\xff\x0e\0\0\0\0\0\0\0\0\0\0\0\0\0\1", DROP_MARTIAN),
	AT("from ::ffff:198.18.0.1", TCP6, ALL, 22, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc6\x12\0\1",
		DROP_MARTIAN),
	AT("from ::ffff:203.0.113.20", TCP6, ALL, 22, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xcb\0\x71\x14",
		DROP_MARTIAN),
	AT("to ::ffff:203.0.113.20", TCP6, ALL, 38, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xcb\0\x71\x14",
		DROP_MARTIAN),
	AT("to ::1", TCP6, ALL, 38, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", DROP_NOT_OURS),
	AT("to ::", TCP6, ALL, 38, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", DROP_NOT_OURS),
	AT("to ff02::1", TCP6, ALL, 38, "\xff\2\0\0\0\0\0\0\0\0\0\0\0\0\0\1", DROP_NOT_OURS),
	AT("echo from ::1", ECHO6, ALL, 22, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", DROP_MARTIAN),
	AT("echo from ff02::1", ECHO6, ALL, 22, "\xff\2\0\0\0\0\0\0\0\0\0\0\0\0\0\1", DROP_MARTIAN),
};

static const struct spoilt addresses[] = {
	AT("from our own", TCP4, ALL, 26, "\xcb\0\x71\x0a", DROP_SPOOFED),
	AT("from our own inside", TCP4, ALL, 26, "\x0a\0\0\x0a", DROP_SPOOFED),
	AT("from the service itself", TCP4, ALL, 26, "\xcb\0\x71\x14", DROP_SPOOFED),
	AT("from translate-from", TCP4, ALL, 26, "\x0a\0\0\x14", DROP_SPOOFED),
	AT("echo from the service itself", ECHO4, ALL, 26, "\xcb\0\x71\x14", DROP_SPOOFED),
	AT("data from our own", DATA4, ALL, 26, "\xcb\0\x71\x0a", DROP_SPOOFED),
	AT("from a station of the other side", TCP4, ALL, 26, "\x0a\0\0\xc8", DROP_SPOOFED),
	AT("wrong TCP checksum", TCP4, NONE, 50, "\x12\x34", DROP_TCP_CHECKSUM),
	AT("wrong TCP checksum", TCP6, NONE, 70, "\x12\x34", DROP_TCP_CHECKSUM),
	AT("to somebody else", TCP4, ALL, 30, "\xcb\0\x71\x15", DROP_NOT_OURS),
	AT("to the subnet's broadcast", TCP4, ALL, 30, "\xcb\0\x71\xff", DROP_NOT_OURS),
	AT("to a member past us", TCP4, ALL, 30, "\x0a\0\0\x65", DROP_NOT_OURS),
	AT("echo to somebody else", ECHO4, ALL, 30, "\xcb\0\x71\x15", DROP_NOT_OURS),
	AT("from our own", TCP6, ALL, 22, "\x20\1\x0d\xb8\0\1\0\0\0\0\0\0\0\0\0\x10", DROP_SPOOFED),
	AT("from the service itself", TCP6, ALL, 22, "\x20\1\x0d\xb8\0\1\0\0\0\0\0\0\0\0\0\x20",
		DROP_SPOOFED),
	AT("from translate-from", TCP6, ALL, 22, "\x20\1\x0d\xb8\0\2\0\0\0\0\0\0\0\0\0\x20",
		DROP_SPOOFED),
	AT("to somebody else", TCP6, ALL, 53, "\x99", DROP_NOT_OURS),
};

static const struct spoilt ipv6[] = {
	AT("version 4 under 0x86dd", TCP6, NONE, 14, "\x45", DROP_IP_VERSION),
	AT("length behind the frame's end", TCP6, NONE, 18, "\x00\x29", DROP_TRUNCATED),
	AT("length 65535", TCP6, NONE, 18, "\xff\xff", DROP_TRUNCATED),
	AT("hop-by-hop options beyond the end", TCP6, NONE, 20, "\x00", DROP_EXTENSION),
	AT("routing header beyond the end", TCP6, NONE, 20, "\x2b", DROP_EXTENSION),
	AT("destination options beyond the end", TCP6, NONE, 20, "\x3c", DROP_EXTENSION),
	AT("no next header", TCP6, NONE, 20, "\x3b", DROP_PROTOCOL),
	AT("UDP whose length lies", TCP6, NONE, 20, "\x11", DROP_UDP_HEADER),
	AT("ICMPv4 in IPv6", TCP6, NONE, 20, "\x01", DROP_PROTOCOL),
	AT("protocol 253", TCP6, NONE, 20, "\xfd", DROP_PROTOCOL),
};

static const struct spoilt tcp[] = {
	AT("header of 16 bytes", TCP4, ALL, 46, "\x40", DROP_TCP_HEADER),
	AT("header of 0 bytes", TCP4, ALL, 46, "\x00", DROP_TCP_HEADER),
	AT("header behind the packet's end", TCP4, ALL, 46, "\xb0", DROP_TCP_HEADER),
	AT("header of 60 bytes", TCP4, ALL, 46, "\xf0", DROP_TCP_HEADER),
	AT("length 20: no TCP at all", TCP4, IP, 16, "\0\x14", DROP_TCP_HEADER),
	AT("length 39: half a header", TCP4, IP, 16, "\0\x27", DROP_TCP_HEADER),
	AT("from port 0", TCP4, ALL, 34, "\0\0", DROP_TCP_HEADER),
	AT("to port 0", TCP4, ALL, 36, "\0\0", DROP_TCP_HEADER),
	AT("header of 16 bytes", TCP6, ALL, 66, "\x40", DROP_TCP_HEADER),
	AT("header of 60 bytes", TCP6, ALL, 66, "\xf0", DROP_TCP_HEADER),
	AT("length 0", TCP6, NONE, 18, "\0\0", DROP_TCP_HEADER),
	AT("length 19", TCP6, NONE, 18, "\0\x13", DROP_TCP_HEADER),
	AT("from port 0", TCP6, ALL, 54, "\0\0", DROP_TCP_HEADER),
};

static const struct spoilt arp[] = {
	AT("hardware type 2", ARP, NONE, 14, "\0\2", DROP_ARP),
	AT("protocol IPv6", ARP, NONE, 16, "\x86\xdd", DROP_ARP),
	AT("hardware length 5", ARP, NONE, 18, "\5", DROP_ARP),
	AT("hardware length 0", ARP, NONE, 18, "\0", DROP_ARP),
	AT("hardware length 255", ARP, NONE, 18, "\xff", DROP_ARP),
	AT("protocol length 16", ARP, NONE, 19, "\x10", DROP_ARP),
	AT("operation 0", ARP, NONE, 20, "\0\0", DROP_ARP),
	AT("operation 3, reverse", ARP, NONE, 20, "\0\3", DROP_ARP),
	AT("from a broadcast station", ARP, NONE, 22, "\xff\xff\xff\xff\xff\xff", DROP_ARP),
	AT("from a multicast station", ARP, NONE, 22, "\1\0\x5e\0\0\1", DROP_ARP),
	AT("reply from a multicast station", ARP_REPLY, NONE, 22, "\1\0\x5e\0\0\1", DROP_ARP),
};

static const struct spoilt nd[] = {
	AT("solicitation from far", NS, ALL, 21, "\xfe", DROP_ND),
	AT("advertisement from far", NA, ALL, 21, "\xfe", DROP_ND),
	AT("solicitation, code 1", NS, ALL, 55, "\1", DROP_ND),
	AT("advertisement, code 1", NA, ALL, 55, "\1", DROP_ND),
	AT("option of 0 bytes", NS, ALL, 79, "\0", DROP_ND),
	AT("option of 0 bytes", NA, ALL, 79, "\0", DROP_ND),
	AT("option behind the end", NS, ALL, 79, "\2", DROP_ND),
	AT("option behind the end", NA, ALL, 79, "\xff", DROP_ND),
	AT("target multicast", NS, ALL, 62, "\xff\2", DROP_ND),
	AT("target multicast", NA, ALL, 62, "\xff\2", DROP_ND),
	AT("solicited, to all nodes", NA, ALL, 38, "\xff\2\0\0\0\0\0\0\0\0\0\0\0\0\0\1", DROP_ND),
};

static const struct spoilt icmp[] = {
	AT("echo, wrong checksum", ECHO4, NONE, 36, "\x12\x34", DROP_ICMP),
	AT("echo reply", ECHO4, ALL, 34, "\x00", DROP_ICMP),
	AT("unreachable, of nothing", ECHO4, ALL, 34, "\x03", DROP_ERROR_UNKNOWN),
	AT("time exceeded, of nothing", ECHO4, ALL, 34, "\x0b", DROP_ERROR_UNKNOWN),
	AT("source quench", ECHO4, ALL, 34, "\x04", DROP_ICMP),
	AT("redirect", ECHO4, ALL, 34, "\x05", DROP_ICMP),
	AT("time stamp", ECHO4, ALL, 34, "\x0d", DROP_ICMP),
	AT("length 20", ECHO4, IP, 16, "\0\x14", DROP_ICMP),
	AT("length 27", ECHO4, IP, 16, "\0\x1b", DROP_ICMP),
	AT("echo, wrong checksum", ECHO6, NONE, 56, "\x12\x34", DROP_ICMP),
	AT("echo reply", ECHO6, ALL, 54, "\x81", DROP_ICMP),
	AT("too big, of nothing", ECHO6, ALL, 54, "\x02", DROP_ERROR_UNKNOWN),
	AT("unreachable, of nothing", ECHO6, ALL, 54, "\x01", DROP_ERROR_UNKNOWN),
	AT("router advertisement", ECHO6, ALL, 54, "\x86", DROP_ICMP),
	AT("redirect", ECHO6, ALL, 54, "\x89", DROP_ICMP),
	AT("type 255", ECHO6, ALL, 54, "\xff", DROP_ICMP),
	AT("length 0", ECHO6, NONE, 18, "\0\0", DROP_ICMP),
	AT("length 7", ECHO6, NONE, 18, "\0\7", DROP_ICMP),
};

// Whether the reason has grown by one, no other has, and nothing else has happened.
static bool ends_as(struct rig *r, const uint64_t *before, const struct spoilt *s)
{
	uint64_t after[POSTERN_COUNTER_COUNT];
	bool as = true;

	postern_counters_read(r->dp, after);
	for (enum postern_counter c = C(REFUSE_NO_MEMBER); c <= C(DROP_NO_BUFFER); c++)
		if (after[c] - before[c] != (c == s->reason)) {
			print_error("%s: wanted %s, and %s grew by %u\n", s->what,
				postern_counter_name(s->reason), postern_counter_name(c),
				(unsigned)(after[c] - before[c]));
			as = false;
		}
	if (rig_waiting(r) > 0 || postern_sessions_in_use(r->dp) > 0) {
		print_error("%s: has an effect\n", s->what);
		as = false;
	}
	return as;
}

static void check_table(const struct spoilt *table, size_t n)
{
	unsigned wrong = 0;

	for (size_t i = 0; i < n; i++) {
		struct rig *r = rig_new(&(struct rig_options){0});
		const struct spoilt *s = &table[i];
		struct frame f = frame_make(r, s->kind);
		uint64_t before[POSTERN_COUNTER_COUNT];

		assert_in_range(s->at + s->n, 1, f.length);
		memcpy(f.bytes + s->at, s->bytes, s->n);
		if (s->sums == SUM_IP)
			frame_sum_ip(&f);
		else if (s->sums == SUM_ALL)
			frame_sum(&f);
		postern_counters_read(r->dp, before);
		rig_put(r, RIG_OUTSIDE, f.bytes, f.length);
		wrong += !ends_as(r, before, s);
		rig_free(r);
	}
	assert_int_equal(wrong, 0);
}

#define TABLE_TEST(name)                                                                           \
	static void test_##name(void **state)                                                      \
	{                                                                                          \
		(void)state;                                                                       \
		check_table(name, sizeof(name) / sizeof(name[0]));                                 \
	}

TABLE_TEST(ethernet)
TABLE_TEST(ipv4)
TABLE_TEST(ipv6)
TABLE_TEST(martians)
TABLE_TEST(addresses)
TABLE_TEST(tcp)
TABLE_TEST(arp)
TABLE_TEST(nd)
TABLE_TEST(icmp)

// The frames that are spoilt above are sound before.
static void test_sound(void **state)
{
	static const enum postern_counter counters[FRAME_KINDS] = {
		[FRAME_TCP4] = C(SESSION_OPENED),
		[FRAME_TCP6] = C(SESSION_OPENED),
		[FRAME_OPTIONS4] = C(SESSION_OPENED),
		[FRAME_DATA4] = C(REFUSE_NO_SESSION),
		[FRAME_DATA6] = C(REFUSE_NO_SESSION),
		[FRAME_ARP] = C(ARP_ANSWERED),
		[FRAME_ECHO4] = C(ECHO_ANSWERED),
		[FRAME_ECHO6] = C(ECHO_ANSWERED),
		[FRAME_NS] = C(ND_ANSWERED),
		[FRAME_ARP_REPLY] = C(ARP_IGNORED),
		[FRAME_NA] = C(ND_IGNORED),
	};

	(void)state;
	for (unsigned kind = 0; kind < FRAME_KINDS; kind++) {
		struct rig *r = rig_new(&(struct rig_options){0});
		const struct frame f = frame_make(r, kind);
		const uint64_t ends = rig_count_ends(r), before = rig_count(r, counters[kind]);

		rig_put(r, RIG_OUTSIDE, f.bytes, f.length);
		assert_int_equal(rig_waiting(r), kind != FRAME_ARP_REPLY && kind != FRAME_NA);
		assert_int_equal(rig_count(r, counters[kind]), before + 1);
		assert_int_equal(rig_count_ends(r) - ends, counters[kind] != C(SESSION_OPENED));
		rig_free(r);
	}
}

// Cut anywhere: one reason each, no answer, and nothing read behind the end (under the address
// sanitizer the rig poisons what lies there).
static void test_cut(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){0});

	(void)state;
	for (unsigned kind = 0; kind < FRAME_KINDS; kind++) {
		const struct frame f = frame_make(r, kind);
		// An ARP packet ends before its padding.
		const size_t end = kind == FRAME_ARP || kind == FRAME_ARP_REPLY ? 42 : f.length;

		for (size_t n = 0; n < end; n++) {
			const uint64_t ends = rig_count_ends(r);

			rig_put(r, RIG_OUTSIDE, f.bytes, n);
			assert_int_equal(rig_count_ends(r), ends + 1);
			assert_int_equal(rig_waiting(r), 0);
		}
	}
	assert_int_equal(postern_sessions_in_use(r->dp), 0);
	rig_free(r);
}

// Cut, and the length in the header says so: what is left is taken for what it is.
static void test_cut_honestly(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){0});

	(void)state;
	for (unsigned kind = 0; kind < FRAME_KINDS; kind++) {
		const struct frame whole = frame_make(r, kind);

		if (kind == FRAME_ARP || kind == FRAME_ARP_REPLY)
			continue;
		for (size_t n = 54; n < whole.length; n++) {
			struct frame f = whole;
			const bool v4 = f.bytes[12] == 0x08;
			const unsigned l3 = (unsigned)n - FRAME_IP;
			const unsigned length = v4 ? l3 : l3 - 40;
			const uint64_t ends = rig_count_ends(r);
			const uint64_t opened = rig_count(r, C(SESSION_OPENED));

			f.length = n;
			f.bytes[v4 ? 16 : 18] = (uint8_t)(length >> 8);
			f.bytes[v4 ? 17 : 19] = (uint8_t)length;
			frame_sum(&f);
			rig_put(r, RIG_OUTSIDE, f.bytes, f.length);
			assert_int_equal(rig_count(r, C(SESSION_OPENED)), opened);
			assert_int_equal(rig_count_ends(r), ends + 1);
			rig_discard(r);
		}
	}
	rig_free(r);
}

// RFC 9293 3.10.7: what each combination of FIN, SYN, RST, ACK does where there is no session.
static void test_flags_without_session(void **state)
{
	static const enum postern_counter ends[16] = {
		[0x0] = C(DROP_TCP_FLAGS),    // none
		[0x1] = C(DROP_TCP_FLAGS),    // FIN
		[0x2] = C(SESSION_OPENED),    // SYN
		[0x3] = C(DROP_TCP_FLAGS),    // SYN FIN
		[0x4] = C(DROP_NO_SESSION),   // RST
		[0x5] = C(DROP_TCP_FLAGS),    // RST FIN
		[0x6] = C(DROP_TCP_FLAGS),    // RST SYN
		[0x7] = C(DROP_TCP_FLAGS),    // RST SYN FIN
		[0x8] = C(REFUSE_NO_SESSION), // ACK
		[0x9] = C(REFUSE_NO_SESSION), // ACK FIN
		[0xa] = C(REFUSE_NO_SESSION), // ACK SYN
		[0xb] = C(DROP_TCP_FLAGS),    // ACK SYN FIN
		[0xc] = C(DROP_NO_SESSION),   // ACK RST
		[0xd] = C(DROP_TCP_FLAGS),    // ACK RST FIN
		[0xe] = C(DROP_TCP_FLAGS),    // ACK RST SYN
		[0xf] = C(DROP_TCP_FLAGS),    // all
	};

	(void)state;
	for (unsigned bits = 0; bits < 16; bits++)
		for (uint8_t f = POSTERN_V4; f < POSTERN_FAMILIES; f++) {
			struct rig *r = rig_new(&(struct rig_options){0});
			struct talk t = talk_new(r, f, 1);
			// PSH, URG, ECE, CWR mean nothing here.
			const uint8_t more = f == POSTERN_V4 ? 0 : 0xe8;
			const uint8_t flags =
				(uint8_t)((bits & 7) | (bits & 8 ? TALK_ACK : 0) | more);

			const uint64_t before = rig_count_ends(r);

			talk_put(&t, FROM_CLIENT, flags, 0);
			if (rig_count(r, ends[bits]) != 1)
				print_error("flags %x\n", flags);
			assert_int_equal(rig_count(r, ends[bits]), 1);
			assert_int_equal(rig_waiting(r), ends[bits] == C(REFUSE_NO_SESSION) ||
								 ends[bits] == C(SESSION_OPENED));
			assert_int_equal(
				rig_count_ends(r) - before, ends[bits] != C(SESSION_OPENED));
			rig_free(r);
		}
}

// No insane combination passes to the other side of a session or changes its state.
static void test_flags_within_session(void **state)
{
	static const uint8_t insane[] = {0, 1, 3, 5, 6, 7, 0x13, 0x15, 0x16, 0x17};

	(void)state;
	for (unsigned from = 0; from < DIRECTIONS; from++) {
		struct rig *r = rig_new(&(struct rig_options){0});
		struct talk t = talk_new(r, POSTERN_V4, 1);

		talk_open(&t);
		for (size_t i = 0; i < sizeof(insane); i++) {
			const struct rig_tcp s = talk_segment(&t, from, insane[i], 0);

			rig_tcp_put(r, &s);
			assert_int_equal(rig_waiting(r), 0);
			assert_int_equal(rig_count(r, C(DROP_TCP_FLAGS)), i + 1);
			assert_int_equal(talk_state(&t), POSTERN_SESSION_ESTABLISHED);
		}
		rig_free(r);
	}
}

// RFC 1122 4.2.3.10: TCP that came by broadcast or multicast is thrown away silently.
static void test_many_stations(void **state)
{
	static const uint8_t to[][6] = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, {1, 0, 0x5e, 0, 0, 1},
		{0x33, 0x33, 0, 0, 0, 1}};

	(void)state;
	for (size_t i = 0; i < 3; i++)
		for (unsigned kind = FRAME_TCP4; kind <= FRAME_OPTIONS4; kind++) {
			struct rig *r = rig_new(&(struct rig_options){0});
			struct frame f = frame_make(r, kind);

			const uint64_t before = rig_count_ends(r);

			memcpy(f.bytes, to[i], 6);
			rig_put(r, RIG_OUTSIDE, f.bytes, f.length);
			assert_int_equal(rig_waiting(r), 0);
			assert_int_equal(rig_count_ends(r), before + 1);
			assert_int_equal(postern_sessions_in_use(r->dp), 0);
			rig_free(r);
		}
}

// Larger than the inside carries (RFC 791, RFC 8200: who forwards must say or drop).
static void test_too_big(void **state)
{
	(void)state;
	for (uint8_t f = POSTERN_V4; f < POSTERN_FAMILIES; f++) {
		struct rig *r = rig_new(&(struct rig_options){.world = {.mtu = 1400}});
		struct talk t = talk_new(r, f, 1);
		const uint16_t headers = f == POSTERN_V4 ? 40 : 60;

		talk_open(&t);
		talk_send(&t, FROM_CLIENT, TALK_ACK, (uint16_t)(1400 - headers));
		talk_put(&t, FROM_CLIENT, TALK_ACK, (uint16_t)(1401 - headers));
		assert_int_equal(rig_count(r, C(DROP_TOO_BIG)), 1);
		// And says so to the client (test_error.c).
		assert_int_equal(rig_waiting(r), 1);
		assert_int_equal(rig_take(r)->interface, RIG_OUTSIDE);
		rig_free(r);
	}
}

// A client that no route leads back to.
static void test_no_route(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){.world = {.no_gateway = true}});
	struct talk t = talk_new(r, POSTERN_V4, 1);

	(void)state;
	talk_put(&t, FROM_CLIENT, TALK_SYN, 0);
	assert_int_equal(rig_waiting(r), 0);
	assert_int_equal(rig_count(r, C(DROP_NO_ROUTE)), 1);
	assert_int_equal(postern_sessions_in_use(r->dp), 0);
	rig_free(r);
}

// Some bytes of a sound frame changed at random, sums right or not: nothing breaks.
static void test_random_bytes(void **state)
{
	struct rig *r = rig_new(&(struct rig_options){0});
	uint32_t x = 1;

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		struct frame f = frame_make(r, i % FRAME_ALL_KINDS);

		for (unsigned k = 0; k < 1 + i % 4; k++) {
			x = x * 1664525u + 1013904223u;
			f.bytes[(x >> 8) % f.length] ^= (uint8_t)(x >> 24);
		}
		if (x & 0x10000)
			frame_sum(&f);
		if (x & 0x20000)
			f.length -= x % 8;
		rig_put(r, x & 0x40000 ? RIG_INSIDE : RIG_OUTSIDE, f.bytes, f.length);
		rig_discard(r);
		if (i % 1000 == 0) {
			rig_advance(r, 100 * RIG_MS);
			rig_check_steer(r);
			rig_discard(r);
		}
	}
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sound),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_cut_honestly),
		cmocka_unit_test(test_ethernet),
		cmocka_unit_test(test_ipv4),
		cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_martians),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_tcp),
		cmocka_unit_test(test_arp),
		cmocka_unit_test(test_nd),
		cmocka_unit_test(test_icmp),
		cmocka_unit_test(test_flags_without_session),
		cmocka_unit_test(test_flags_within_session),
		cmocka_unit_test(test_many_stations),
		cmocka_unit_test(test_too_big),
		cmocka_unit_test(test_no_route),
		cmocka_unit_test(test_random_bytes),
	};

	return cmocka_run_group_tests_name("input", tests, rig_use_cmocka, NULL);
}
