// SPDX-License-Identifier: BSD-2-Clause
// IPv6 extension headers: passed on as they are within bounds, and stopped with a reason beyond.

#include "rig_cmocka.h"
#include "talk.h"

#include <netinet/in.h>
#include <string.h>

#define C(name) POSTERN_COUNTER_##name

#define HOP_BY_HOP 0
#define ROUTING    43
#define DEST       60

struct ext {
	uint8_t proto;
	uint8_t units;          // of eight bytes, beside the first
	uint8_t type, segments; // of a routing header
};

// Puts headers between the IPv6 header of a frame and what it carries.
static size_t extend(uint8_t *frame, size_t length, const struct ext *e, unsigned n)
{
	uint8_t headers[1024];
	size_t at = 0;
	const uint8_t proto = frame[20];

	for (unsigned i = 0; i < n; i++) {
		const size_t size = 8 + e[i].units * 8u;

		memset(headers + at, 0, size);
		headers[at] = i + 1 < n ? e[i + 1].proto : proto;
		headers[at + 1] = e[i].units;
		headers[at + 2] = e[i].proto == ROUTING ? e[i].type : 0;
		headers[at + 3] = e[i].proto == ROUTING ? e[i].segments : 0;
		at += size;
	}
	memmove(frame + 54 + at, frame + 54, length - 54);
	memcpy(frame + 54, headers, at);
	frame[20] = n > 0 ? e[0].proto : proto;
	const size_t payload = length + at - 54;

	frame[18] = (uint8_t)(payload >> 8);
	frame[19] = (uint8_t)payload;
	return length + at;
}

static size_t syn_build(struct rig *r, unsigned client, uint8_t *frame)
{
	const struct rig_tcp t = {.src = rig_client(POSTERN_V6, client),
		.dst = rig_service(r, POSTERN_V6),
		.sport = 40001,
		.dport = RIG_PORT,
		.flags = RTE_TCP_SYN_FLAG,
		.payload = 3};

	return rig_tcp_build(r, &t, frame);
}

static void check(const struct ext *e, unsigned n, enum postern_counter reason)
{
	struct rig *r = rig_new(&(struct rig_options){0});
	uint8_t frame[2048];
	const size_t plain = syn_build(r, 1, frame);
	const size_t length = extend(frame, plain, e, n);
	const bool passes = reason == C(SESSION_OPENED);

	rig_put(r, RIG_OUTSIDE, frame, length);
	assert_int_equal(rig_count(r, reason), 1);
	assert_int_equal(rig_waiting(r), passes);
	if (passes) {
		const struct rig_packet *p = rig_take(r);
		uint8_t bare[2048];
		const size_t headers = length - plain;

		// The headers are the same; without them it is a right segment of the session.
		assert_int_equal(p->length, length);
		assert_memory_equal(p->bytes + 54, frame + 54, headers);
		memcpy(bare, p->bytes, 54);
		memcpy(bare + 54, p->bytes + 54 + headers, p->length - 54 - headers);
		bare[20] = IPPROTO_TCP;
		bare[18] = 0;
		bare[19] = (uint8_t)(plain - 54);
		assert_int_equal(bare[70] << 8 | bare[71], rig_l4_checksum(bare, plain));
		assert_int_equal(bare[56] << 8 | bare[57], RIG_MEMBER_PORT);
	}
	rig_free(r);
}

#define CHECK(reason, ...)                                                                         \
	do {                                                                                       \
		const struct ext e[] = {__VA_ARGS__};                                              \
		check(e, sizeof(e) / sizeof(e[0]), C(reason));                                     \
	} while (0)

static void test_passed_on(void **state)
{
	(void)state;
	CHECK(SESSION_OPENED, {.proto = HOP_BY_HOP});
	CHECK(SESSION_OPENED, {.proto = DEST});
	CHECK(SESSION_OPENED, {.proto = HOP_BY_HOP}, {.proto = DEST, .units = 3}, {.proto = DEST});
	// Routing that has come to its end, of a type that may.
	CHECK(SESSION_OPENED, {.proto = ROUTING, .type = 2, .units = 2});
	CHECK(SESSION_OPENED, {.proto = HOP_BY_HOP}, {.proto = DEST}, {.proto = ROUTING, .type = 4},
		{.proto = DEST});
	// As many and as long as may be.
	CHECK(SESSION_OPENED, {.proto = DEST, .units = 31});
	CHECK(SESSION_OPENED, {.proto = HOP_BY_HOP, .units = 3}, {.proto = DEST, .units = 3},
		{.proto = DEST, .units = 3}, {.proto = DEST, .units = 3},
		{.proto = DEST, .units = 3}, {.proto = DEST, .units = 3},
		{.proto = DEST, .units = 3}, {.proto = DEST, .units = 3});
}

static void test_stopped(void **state)
{
	(void)state;
	CHECK(DROP_IP_OPTION, {.proto = ROUTING, .type = 0, .units = 2, .segments = 1});
	CHECK(DROP_IP_OPTION, {.proto = ROUTING, .type = 0});
	CHECK(DROP_IP_OPTION, {.proto = ROUTING, .type = 2, .units = 2, .segments = 1});
	CHECK(DROP_IP_OPTION, {.proto = ROUTING, .type = 4, .units = 2, .segments = 1});
	CHECK(DROP_IP_OPTION, {.proto = HOP_BY_HOP}, {.proto = DEST}, {.proto = ROUTING});
	CHECK(DROP_EXTENSION, {.proto = DEST}, {.proto = HOP_BY_HOP});
	CHECK(DROP_EXTENSION, {.proto = HOP_BY_HOP}, {.proto = HOP_BY_HOP});
	CHECK(DROP_EXTENSION, {.proto = DEST, .units = 32});
	CHECK(DROP_EXTENSION, {.proto = DEST, .units = 16}, {.proto = DEST, .units = 15});
	CHECK(DROP_EXTENSION, {.proto = DEST}, {.proto = DEST}, {.proto = DEST}, {.proto = DEST},
		{.proto = DEST}, {.proto = DEST}, {.proto = DEST}, {.proto = DEST},
		{.proto = DEST});
	// Neither walked nor spoken: authentication, encryption, mobility, HIP.
	CHECK(DROP_PROTOCOL, {.proto = 51});
	CHECK(DROP_PROTOCOL, {.proto = DEST}, {.proto = 50});
	CHECK(DROP_PROTOCOL, {.proto = 135});
	CHECK(DROP_PROTOCOL, {.proto = HOP_BY_HOP}, {.proto = 139});
}

// Cut anywhere, or a header that is longer than what is left.
static void test_cut(void **state)
{
	static const struct ext e[] = {
		{.proto = HOP_BY_HOP, .units = 1}, {.proto = DEST, .units = 2}};
	struct rig *r = rig_new(&(struct rig_options){0});
	uint8_t frame[2048];
	const size_t length = extend(frame, syn_build(r, 1, frame), e, 2);

	(void)state;
	for (size_t n = 54; n < length - 3; n++) {
		const uint64_t before = rig_count_ends(r);

		frame[18] = 0;
		frame[19] = (uint8_t)(n - 54);
		rig_put(r, RIG_OUTSIDE, frame, n);
		assert_int_equal(rig_count_ends(r), before + 1);
		assert_int_equal(rig_waiting(r), 0);
	}
	// Sixteen and twenty-four bytes of headers: all cut before their end are malformed.
	assert_int_equal(rig_count(r, C(DROP_EXTENSION)), 40);
	frame[19] = (uint8_t)(length - 54);
	for (unsigned units = 8; units < 256; units++) {
		frame[55] = (uint8_t)units;
		rig_put(r, RIG_OUTSIDE, frame, length);
		assert_int_equal(rig_waiting(r), 0);
	}
	assert_int_equal(postern_sessions_in_use(r->dp), 0);
	rig_free(r);
}

// An echo behind options, and an error about a packet that had some.
static void test_icmp(void **state)
{
	static const struct ext e[] = {{.proto = HOP_BY_HOP}, {.proto = DEST, .units = 1}};
	struct rig *r = rig_new(&(struct rig_options){0});
	const struct postern_addr client = rig_client(POSTERN_V6, 1);
	const struct postern_addr service = rig_service(r, POSTERN_V6);
	const struct postern_addr router = rig_addr("2001:db8:2::1");
	uint8_t frame[2048];

	(void)state;
	rig_headers_put(RIG_OUTSIDE, &client, &service, 60, IPPROTO_ICMPV6, 12, frame);
	memcpy(frame + 54, "\x80\0\0\0\x12\x34\0\1ping", 12);
	const uint16_t sum = rig_l4_checksum(frame, 66);

	frame[56] = (uint8_t)(sum >> 8);
	frame[57] = (uint8_t)sum;
	rig_put(r, RIG_OUTSIDE, frame, extend(frame, 66, e, 2));
	assert_int_equal(rig_count(r, C(ECHO_ANSWERED)), 1);
	rig_discard(r);

	const size_t plain = syn_build(r, 1, frame);
	const size_t length = extend(frame, plain, e, 2);

	rig_put(r, RIG_OUTSIDE, frame, length);
	const struct rig_packet syn = *rig_take(r);
	struct postern_addr nat;

	memcpy(nat.bytes, syn.bytes + 14 + 8, 16);
	const unsigned quote = syn.length - 14u;
	uint8_t error[2048];

	rig_headers_put(RIG_INSIDE, &router, &nat, 60, IPPROTO_ICMPV6, 8 + quote, error);
	memcpy(error + 54, "\2\0\0\0\0\0\5\0", 8);
	memcpy(error + 62, syn.bytes + 14, quote);
	const uint16_t right = rig_l4_checksum(error, 62 + quote);

	error[56] = (uint8_t)(right >> 8);
	error[57] = (uint8_t)right;
	rig_put(r, RIG_INSIDE, error, 62 + quote);
	const struct rig_packet *out = rig_take(r);

	assert_non_null(out);
	assert_int_equal(rig_count(r, C(ERROR_TRANSLATED)), 1);
	frame[21]--;
	assert_memory_equal(out->bytes + 62, frame + 14, quote);
	rig_free(r);
}

// Checksums that a sender has left out are made without the headers between.
static void test_unsummed(void **state)
{
	static const struct ext e[] = {{.proto = HOP_BY_HOP}, {.proto = DEST, .units = 1}};

	(void)state;
	for (unsigned port = 0; port < 2; port++) {
		struct rig *r =
			rig_new(&(struct rig_options){.tx_checksum = port, .rx_checksum = port});
		uint8_t frame[2048], bare[2048];
		const size_t plain = syn_build(r, 1, frame);
		const size_t length = extend(frame, plain, e, 2);

		r->rx_flags = RTE_MBUF_F_RX_L4_CKSUM_NONE;
		frame[54 + 24 + 16] ^= 0x55;
		rig_put(r, RIG_OUTSIDE, frame, length);
		const struct rig_packet *p = rig_take(r);

		memcpy(bare, p->bytes, 54);
		memcpy(bare + 54, p->bytes + 54 + 24, plain - 54);
		bare[20] = IPPROTO_TCP;
		bare[19] = (uint8_t)(plain - 54);
		assert_int_equal(bare[70] << 8 | bare[71], rig_l4_checksum(bare, plain));
		rig_free(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_passed_on),
		cmocka_unit_test(test_stopped),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_icmp),
		cmocka_unit_test(test_unsummed),
	};

	return cmocka_run_group_tests_name("extension", tests, rig_use_cmocka, NULL);
}
