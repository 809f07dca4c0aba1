// SPDX-License-Identifier: BSD-2-Clause
// Round trip time and the retransmission timeout that follows from it (RFC 6298).

#include "tcp/private.h"

// RFC 6298 5.7: the timeout after a handshake whose SYN had to be repeated.
#define RTO_AFTER_SYN_AGAIN_MS 3000

static uint32_t clamp_rto(const struct tcp *t, uint64_t us)
{
	const uint64_t least = t->settings.rto_min * TCP_MS, most = t->settings.rto_max * TCP_MS;

	return (uint32_t)RTE_MIN(RTE_MAX(us, least), most);
}

void tcp_rtt_sample(struct tcp *t, struct tcp_conn *c, uint32_t us)
{
	if (c->srtt_us == 0) {
		c->srtt_us = us;
		c->rttvar_us = us / 2;
	} else {
		const uint32_t off = us > c->srtt_us ? us - c->srtt_us : c->srtt_us - us;

		c->rttvar_us = (uint32_t)((3ull * c->rttvar_us + off) / 4);
		c->srtt_us = (uint32_t)((7ull * c->srtt_us + us) / 8);
	}
	// The clock ticks in milliseconds (G of RFC 6298 2).
	c->rto_us = clamp_rto(t, c->srtt_us + RTE_MAX((uint64_t)TCP_MS, 4ull * c->rttvar_us));
	c->backoff = 0;
}

void tcp_rtt_begin(const struct tcp *t, struct tcp_conn *c)
{
	if (c->srtt_us != 0)
		return;
	c->rto_us = t->settings.rto_initial * (uint32_t)TCP_MS;
	if (c->flags & CONN_SYN_AGAIN)
		c->rto_us = RTE_MAX(c->rto_us, RTO_AFTER_SYN_AGAIN_MS * (uint32_t)TCP_MS);
}

uint64_t tcp_rto(const struct tcp *t, const struct tcp_conn *c)
{
	const uint64_t us = (uint64_t)c->rto_us << RTE_MIN(c->backoff, (uint8_t)16);

	return RTE_MIN(us, t->settings.rto_max * TCP_MS);
}
