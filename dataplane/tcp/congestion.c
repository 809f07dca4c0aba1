// SPDX-License-Identifier: BSD-2-Clause
// Congestion control: slow start and recovery of RFC 5681, CUBIC (RFC 9438) in between, the initial
// window of RFC 6928. The window grows only while it is what holds the sender back.

#include "tcp/private.h"

// RFC 9438 4.6: beta 0.7, C 0.4; alpha of 4.3 is 3 (1 - beta) / (1 + beta) = 9 / 17.
#define BETA(x)  ((uint32_t)((uint64_t)(x)*7 / 10))
#define ALPHA_OF 9u
#define ALPHA_BY 17u

// So far from the middle the cube is held, in milliseconds; 0.4 * (10^6)^3 fits into 64 bits.
#define CUBE_REACH_MS 1000000

void tcp_congestion_begin(struct tcp *t, struct tcp_conn *c)
{
	const uint32_t mss = c->mss;

	(void)t;
	// RFC 6928 2; RFC 5681 3.1 when the SYN was lost.
	c->cwnd = c->flags & CONN_SYN_AGAIN ? mss : RTE_MIN(10 * mss, RTE_MAX(2 * mss, 14600u));
	c->ssthresh = UINT32_MAX;
	c->w_max = 0;
	c->cwnd_prior = 0;
	c->epoch_us = 0;
}

// Cube root, rounded down.
static uint64_t cube_root(uint64_t x)
{
	uint64_t root = 0;

	for (int bit = 20; bit >= 0; bit--) {
		const uint64_t with = root | 1ull << bit;

		if (with * with * with <= x)
			root = with;
	}
	return root;
}

static void epoch_begin(struct tcp *t, struct tcp_conn *c)
{
	c->epoch_us = t->now_us;
	c->w_est = c->cwnd;
	c->acked_part = 0;
	c->k_ms = 0;
	if (c->cwnd >= c->w_max) {
		c->w_max = c->cwnd;
		return;
	}
	// K = cbrt((w_max - cwnd) / C) seconds, windows in segments: in milliseconds 10^9 / 0.4 times
	// the difference.
	c->k_ms = (uint32_t)cube_root((uint64_t)(c->w_max - c->cwnd) * 2500000000ull / c->mss);
}

// W(t) = C (t - K)^3 + w_max, in bytes.
static uint32_t cubic_window(const struct tcp_conn *c, uint64_t t_ms)
{
	const int64_t far = CUBE_REACH_MS;
	int64_t d = (int64_t)t_ms - c->k_ms;

	d = RTE_MAX(RTE_MIN(d, far), -far);
	const __int128 grown = (__int128)d * d * d * 4 / 10 * c->mss / 1000000000 + c->w_max;

	if (grown < (__int128)2 * c->mss)
		return 2u * c->mss;
	return grown > UINT32_MAX / 4 ? UINT32_MAX / 4 : (uint32_t)grown;
}

static void avoid_congestion(struct tcp *t, struct tcp_conn *c, uint32_t bytes)
{
	if (c->epoch_us == 0)
		epoch_begin(t, c);
	const uint64_t ms = (t->now_us - c->epoch_us + c->srtt_us) / 1000;
	const uint32_t most = c->cwnd + c->cwnd / 2;
	uint32_t target = cubic_window(c, ms);

	// 4.3: what Reno would have by now, on average. Beyond the window that was lost at, a segment each
	// round trip, as Reno itself.
	c->w_est +=
		(uint32_t)((uint64_t)c->mss * bytes *
			   (c->w_est < c->cwnd_prior ? ALPHA_OF : ALPHA_BY) / ALPHA_BY / c->cwnd);
	if (target < c->w_est) {
		c->cwnd = RTE_MAX(c->cwnd, RTE_MIN(c->w_est, most));
		return;
	}
	target = RTE_MIN(target, most);
	if (target <= c->cwnd)
		return;
	const uint64_t grown = (uint64_t)(target - c->cwnd) * bytes + c->acked_part;

	c->cwnd += (uint32_t)(grown / c->cwnd);
	c->acked_part = (uint32_t)(grown % c->cwnd);
}

void tcp_congestion_acked(struct tcp *t, struct tcp_conn *c, uint32_t bytes)
{
	// An application that does not fill the window proves nothing about a larger one (RFC 7661).
	if (!(c->flags & CONN_CWND_LIMITED))
		return;
	if (c->cwnd < c->ssthresh) {
		// RFC 3465 counts bytes, but two segments an acknowledgement at most: receivers that merge
		// what arrives acknowledge many at once, so all of them count (RFC 9002 7.3.1). After a
		// timeout an acknowledgement may be for what had arrived before: one segment.
		const uint32_t counted =
			c->flags & CONN_LOSS ? RTE_MIN(bytes, (uint32_t)c->mss) : bytes;

		c->cwnd += RTE_MIN(counted, c->ssthresh - c->cwnd);
	} else {
		avoid_congestion(t, c, bytes);
	}
	c->cwnd = RTE_MIN(c->cwnd, 1u << 30);
}

static void reduce(struct tcp_conn *c)
{
	const uint32_t flight = RTE_MIN(tcp_flight(c), c->cwnd);

	// 4.7, fast convergence: a window smaller than the last one leaves room for others.
	c->cwnd_prior = c->cwnd;
	c->w_max = c->cwnd < c->w_max ? (uint32_t)((uint64_t)c->cwnd * 17 / 20) : c->cwnd;
	c->ssthresh = RTE_MAX(BETA(flight), 2u * c->mss);
	c->epoch_us = 0;
}

void tcp_congestion_lost(struct tcp *t, struct tcp_conn *c)
{
	(void)t;
	reduce(c);
	c->cwnd = c->ssthresh;
}

void tcp_congestion_timeout(struct tcp *t, struct tcp_conn *c)
{
	(void)t;
	// RFC 5681 3.1: once for what was sent; further timeouts of the same keep the threshold.
	if (!(c->flags & CONN_LOSS))
		reduce(c);
	c->cwnd = c->mss;
}

// RFC 5681 4.1: after a time without sending the acknowledgements' clock has stopped.
void tcp_congestion_idle(struct tcp *t, struct tcp_conn *c)
{
	const uint32_t mss = c->mss;
	const uint32_t initial = RTE_MIN(10 * mss, RTE_MAX(2 * mss, 14600u));

	if (tcp_flight(c) != 0 || c->last_sent_us == 0 || t->now_us - c->last_sent_us <= c->rto_us)
		return;
	c->cwnd = RTE_MIN(c->cwnd, initial);
	c->epoch_us = 0;
}

void tcp_recovery_enter(struct tcp *t, struct tcp_conn *c)
{
	TCP_COUNT(t, RECOVERIES);
	tcp_congestion_lost(t, c);
	c->recover = c->snd_nxt;
	c->flags |= CONN_RECOVERY | CONN_FORCE;
	// RFC 8985 7.3: no probe while losses are being repaired.
	c->flags &= ~(CONN_TLP_OUT | CONN_TLP_AGAIN);
	if (c->probe_kind == PROBE_TLP)
		c->probe_kind = PROBE_OFF;
}
