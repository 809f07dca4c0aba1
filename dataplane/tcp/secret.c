// SPDX-License-Identifier: BSD-2-Clause
// What nobody outside may foresee: initial sequence numbers, timestamps' beginnings, ports.

#include "tcp/private.h"

// RFC 6528 3: ISN = M + F(both ends, secret), M counts up every 4 microseconds.
uint32_t tcp_isn(const struct tcp *t, const struct tcp_key *key)
{
	return (uint32_t)(t->now_us / 4) + (uint32_t)base_siphash(&t->isn_key, key, TCP_KEY_SIZE);
}

// RFC 7323 7.1: a random offset for each connection. It follows from the ends, so that a cookie's
// timestamp is understood without having kept anything, and so that the timestamps of two connections
// between the same ends go on growing (RFC 6191).
uint32_t tcp_ts_offset(const struct tcp *t, const struct tcp_key *key)
{
	return (uint32_t)base_siphash(&t->ts_key, key, TCP_KEY_SIZE);
}

uint64_t tcp_random(struct tcp *t)
{
	const uint64_t n = t->random_drawn++;

	return base_siphash(&t->random_key, &n, sizeof(n));
}
