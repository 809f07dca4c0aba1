// SPDX-License-Identifier: BSD-2-Clause
// Incremental checksums against summing the whole packet anew.

#include "ip/checksum.h"

// cmocka.h needs the four before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <arpa/inet.h>
#include <string.h>

#define ROUNDS 300000

// The parts of a packet that are translated, and something behind them.
struct packet {
	struct postern_addr src, dst;
	uint16_t sport, dport;
	uint8_t data[64];
	unsigned length; // of data
	bool v6;
};

static uint64_t state_of_random = 42;

static uint32_t draw(void)
{
	state_of_random = state_of_random * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(state_of_random >> 32);
}

static uint64_t sum(const void *bytes, size_t n)
{
	const uint8_t *b = bytes;
	uint64_t s = 0;

	for (size_t i = 0; i < n; i++)
		s += i % 2 ? b[i] : (uint64_t)b[i] << 8;
	return s;
}

static uint16_t fold(uint64_t s)
{
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)s;
}

// The checksum in network order, as it stands in the packet (RFC 1071).
static uint16_t whole(const struct packet *p)
{
	const size_t from = p->v6 ? 0 : 12;
	const uint64_t s = sum(p->src.bytes + from, 16 - from) +
			   sum(p->dst.bytes + from, 16 - from) + sum(&p->sport, 2) +
			   sum(&p->dport, 2) + sum(p->data, p->length) + 6 + p->length;

	return htons((uint16_t)~fold(s));
}

// +0 and -0 are the same number in one's complement.
static bool same(uint16_t a, uint16_t b)
{
	return a == b || (a == 0 && b == 0xffff) || (a == 0xffff && b == 0);
}

static uint32_t edge(void)
{
	static const uint32_t edges[] = {0, 0xffffffff, 0xffff0000, 0x0000ffff, 0x00ff00ff, 1,
		0x80000000, 0x00010000, 0xfffefffe, 0x01000000};

	return draw() % 2 ? draw() : edges[draw() % (sizeof(edges) / sizeof(edges[0]))];
}

static void draw_addr(struct postern_addr *a, bool v6)
{
	if (!v6) {
		*a = postern_addr_from_v4(edge());
		return;
	}
	for (unsigned i = 0; i < 4; i++)
		a->words[i] = edge();
}

static struct packet draw_packet(bool v6)
{
	struct packet p = {.length = draw() % (sizeof(p.data) + 1), .v6 = v6};

	draw_addr(&p.src, v6);
	draw_addr(&p.dst, v6);
	p.sport = (uint16_t)edge();
	p.dport = (uint16_t)edge();
	for (unsigned i = 0; i < p.length; i++)
		p.data[i] = (uint8_t)(draw() % 3 ? draw() : edge());
	return p;
}

static uint64_t change(const struct packet *was, const struct packet *is)
{
	uint64_t c = 0;

	c = ip_change_addr(c, &was->src, &is->src);
	c = ip_change_addr(c, &was->dst, &is->dst);
	c = ip_change_half(c, was->sport, is->sport);
	return ip_change_half(c, was->dport, is->dport);
}

static struct packet translated(const struct packet *p, bool v6)
{
	struct packet is = draw_packet(v6);

	memcpy(is.data, p->data, sizeof(is.data));
	is.length = p->length;
	return is;
}

static void test_against_whole(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		const bool v6 = i & 1;
		const struct packet was = draw_packet(v6), is = translated(&was, v6);
		const uint16_t updated = ip_checksum_apply(whole(&was), change(&was, &is));

		assert_true(same(updated, whole(&is)));
		// The protocol number alone makes that no real packet sums to +0, and so none has
		// the checksum 0xffff (RFC 1624 3).
		assert_int_not_equal(whole(&is), 0xffff);
		assert_int_equal(updated, whole(&is));
	}
}

// RFC 1624 4: the example that the older equation gets wrong. 0x5555 becomes 0x3285, the checksum
// was 0xdd2f and must be 0x0000, not 0xffff.
static void test_rfc1624(void **state)
{
	(void)state;
	assert_int_equal(
		ip_checksum_apply(htons(0xdd2f), ip_change_half(0, htons(0x5555), htons(0x3285))),
		0);
}

// What was wrong stays wrong by the same difference.
static void test_error_stays(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		const bool v6 = i & 1;
		const struct packet was = draw_packet(v6), is = translated(&was, v6);
		const uint16_t error = (uint16_t)(1 + draw() % 0xfffe);
		const uint16_t before = htons(fold((uint64_t)ntohs(whole(&was)) + error));
		const uint16_t wanted = htons(fold((uint64_t)ntohs(whole(&is)) + error));
		const uint16_t updated = ip_checksum_apply(before, change(&was, &is));

		assert_true(same(updated, wanted));
		assert_false(same(updated, whole(&is)));
	}
}

static void test_no_change(void **state)
{
	(void)state;
	for (uint32_t c = 0; c <= 0xffff; c++) {
		const struct packet p = draw_packet(c & 1);

		assert_int_equal(ip_checksum_apply((uint16_t)c, 0), c);
		assert_true(same(ip_checksum_apply((uint16_t)c, change(&p, &p)), (uint16_t)c));
	}
}

// There and back again.
static void test_inverse(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		const struct packet was = draw_packet(i & 1), is = translated(&was, i & 1);
		const uint16_t first = (uint16_t)draw();
		const uint16_t there = ip_checksum_apply(first, change(&was, &is));

		assert_true(same(ip_checksum_apply(there, change(&is, &was)), first));
	}
}

// Every pair of old and new value of a field at the edges, with every checksum.
static void test_halves(void **state)
{
	static const uint16_t edges[] = {0, 1, 0x7fff, 0x8000, 0xff00, 0x00ff, 0xfffe, 0xffff};

	(void)state;
	for (unsigned a = 0; a < 8; a++)
		for (unsigned b = 0; b < 8; b++)
			for (uint32_t c = 0; c <= 0xffff; c++) {
				const uint16_t wanted = (uint16_t)~fold(
					(uint64_t)(uint16_t)~c + (uint16_t)~edges[a] + edges[b]);

				assert_int_equal(ip_checksum_apply((uint16_t)c,
							 ip_change_half(0, edges[a], edges[b])),
					wanted);
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_whole),
		cmocka_unit_test(test_rfc1624),
		cmocka_unit_test(test_error_stays),
		cmocka_unit_test(test_no_change),
		cmocka_unit_test(test_inverse),
		cmocka_unit_test(test_halves),
	};

	return cmocka_run_group_tests_name("checksum", tests, NULL, NULL);
}
