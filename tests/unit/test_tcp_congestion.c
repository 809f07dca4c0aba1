// SPDX-License-Identifier: BSD-2-Clause
// CUBIC's window where Reno's would be the larger one (RFC 9438 4.3): short round trips, small windows.

#include "tcp/private.h"

// cmocka.h needs the four before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#define MSS 1000u
#define RTT (20 * TCP_MS)

static struct tcp t;

// A connection that has lost a segment of a window of ten, and recovered.
static struct tcp_conn after_loss(void)
{
	struct tcp_conn c = {.mss = MSS, .srtt_us = RTT, .flags = CONN_CWND_LIMITED};

	t = (struct tcp){.now_us = TCP_S};
	tcp_congestion_begin(&t, &c);
	c.snd_nxt = c.cwnd;
	tcp_congestion_lost(&t, &c);
	assert_int_equal(c.cwnd, 7 * MSS);
	return c;
}

// Each segment of a round trip is acknowledged. Returns by how much the window has grown.
static uint32_t round_trip(struct tcp_conn *c)
{
	const uint32_t before = c->cwnd;

	t.now_us += RTT;
	for (uint32_t left = before; left > 0; left -= RTE_MIN(left, MSS))
		tcp_congestion_acked(&t, c, RTE_MIN(left, MSS));
	return c->cwnd - before;
}

// 9 / 17 of a segment each round trip is what Reno has on average if it gives up three tenths only.
static void test_below_the_last_window(void **state)
{
	struct tcp_conn c = after_loss();

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		assert_in_range(round_trip(&c), MSS * 9 / 17 - 60, MSS * 9 / 17 + 10);
	assert_in_range(c.cwnd, 9400, 9700);
}

static void test_beyond_the_last_window(void **state)
{
	struct tcp_conn c = after_loss();

	(void)state;
	while (c.cwnd <= 10 * MSS)
		round_trip(&c);
	for (unsigned i = 0; i < 5; i++)
		assert_in_range(round_trip(&c), MSS - 60, MSS + 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_below_the_last_window),
		cmocka_unit_test(test_beyond_the_last_window),
	};

	return cmocka_run_group_tests_name("tcp_congestion", tests, NULL, NULL);
}
