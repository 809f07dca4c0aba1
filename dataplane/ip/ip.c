// SPDX-License-Identifier: BSD-2-Clause
// Life of an instance: start, adoption of a configuration, announcements, end.

#include "ip/private.h"

#include <string.h>

// RFC 5227 2.3: an address is announced twice, two seconds apart.
#define ANNOUNCE_ROUNDS      2
#define ANNOUNCE_INTERVAL_US 2000000u
#define ANNOUNCE_PER_TURN    64 // slots of the address table looked at

int ip_init(struct ip_layer *ip, struct base_counters *counters, struct rte_mempool *pool,
	struct port_tx *tx, uint64_t now_us)
{
	memset(ip, 0, sizeof(*ip));
	ip->counters = counters;
	ip->pool = pool;
	ip->tx = tx;
	ip->now_us = now_us;
	ip->answer_filled_us = now_us;
	return ip_neigh_init(ip, now_us);
}

void ip_fini(struct ip_layer *ip)
{
	ip_neigh_fini(ip);
}

void ip_adopt(struct ip_layer *ip, const struct ip_config *config)
{
	ip->config = config;
	ip->announce_at = 0;
	ip->announce_rounds = ANNOUNCE_ROUNDS;
	ip->announce_due_us = ip->now_us;
}

static void announce_some(struct ip_layer *ip)
{
	const struct ip_config *c = ip->config;
	const uint32_t end = c->locals_mask + 1;

	if (ip->announce_rounds == 0 || ip->now_us < ip->announce_due_us)
		return;
	for (unsigned i = 0; i < ANNOUNCE_PER_TURN && ip->announce_at < end; i++) {
		const struct ip_local *l = &c->locals[ip->announce_at++];

		if (l->kind == 0 || !l->fresh)
			continue;
		if (postern_addr_is_v4(&l->addr))
			ip_arp_announce(ip, l->interface, &l->addr);
		else
			ip_nd_announce(ip, l->interface, &l->addr);
	}
	if (ip->announce_at < end)
		return;
	ip->announce_rounds--;
	ip->announce_at = 0;
	ip->announce_due_us = ip->now_us + ANNOUNCE_INTERVAL_US;
}

void ip_poll(struct ip_layer *ip)
{
	ip_neigh_poll(ip);
	announce_some(ip);
}
