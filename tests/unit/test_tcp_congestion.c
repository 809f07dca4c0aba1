// SPDX-License-Identifier: BSD-2-Clause
// CUBIC's window: where Reno's would be the larger one (RFC 9438 4.3), with short round trips and small windows,
// and its own curve where it is not.

#include "tcp/private.h"

// cmocka.h needs the four before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <math.h>

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

// W(t) = 0.4 (t - K)^3 + 1000 segments, K the cube root of 300 / 0.4 (4.2): steep, flat about the window that was
// lost at, steep again. Reno's would be far below.
static void test_curve(void **state)
{
	const uint32_t rtt = 100 * TCP_MS;
	struct tcp_conn c = {.mss = MSS, .srtt_us = rtt, .flags = CONN_CWND_LIMITED};
	const double k = cbrt(300 / 0.4);

	(void)state;
	t = (struct tcp){.now_us = TCP_S};
	tcp_congestion_begin(&t, &c);
	c.cwnd = 1000 * MSS;
	c.snd_nxt = c.cwnd;
	tcp_congestion_lost(&t, &c);
	assert_int_equal(c.cwnd, 700 * MSS);
	const uint64_t begun = t.now_us + rtt;

	for (unsigned i = 0; i < 200; i++) {
		t.now_us += rtt;
		for (uint32_t left = c.cwnd; left > 0; left -= RTE_MIN(left, MSS))
			tcp_congestion_acked(&t, &c, RTE_MIN(left, MSS));
		const double at = (double)(t.now_us - begun) / 1e6;
		const double wanted = 1000 * MSS + 0.4 * MSS * (at - k) * (at - k) * (at - k);

		// A round trip late, or early: it aims at where the curve will be in one.
		assert_true(c.cwnd > wanted * 0.97 && c.cwnd < wanted * 1.03);
	}
	assert_true(c.cwnd > 1450 * MSS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_below_the_last_window),
		cmocka_unit_test(test_beyond_the_last_window),
		cmocka_unit_test(test_curve),
	};

	return cmocka_run_group_tests_name("tcp_congestion", tests, NULL, NULL);
}
