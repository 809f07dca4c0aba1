// SPDX-License-Identifier: BSD-2-Clause
// Life of an instance: start, adoption of a configuration, announcements, end.

#include "ip/private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// RFC 5227 2.3: an address is announced twice, two seconds apart.
#define ANNOUNCE_ROUNDS      2
#define ANNOUNCE_INTERVAL_US 2000000u
#define ANNOUNCE_PER_TURN    64 // slots of the address table looked at

#define DEFEND_INTERVAL_US 10000000u // DEFEND_INTERVAL, RFC 5227 1.1

// Gateways are held from start to stop: whatever fills the table, the way out stays.
static int hold_gateways(struct ip_layer *ip)
{
	const struct ip_config *c = ip->config;

	ip->gateways = calloc(c->n_interfaces * 2u, sizeof(*ip->gateways));
	if (ip->gateways == NULL)
		return -ENOMEM;
	for (uint16_t i = 0; i < c->n_interfaces; i++) {
		const struct postern_interface *f = c->interfaces[i].settings;

		if (!postern_addr_is_none(&f->gateway_v4))
			ip->gateways[i * 2] = ip_neigh_hold(ip, i, &f->gateway_v4, IP_NEIGH_OURS);
		if (!postern_addr_is_none(&f->gateway_v6))
			ip->gateways[i * 2 + 1] =
				ip_neigh_hold(ip, i, &f->gateway_v6, IP_NEIGH_OURS);
	}
	return 0;
}

int ip_init(struct ip_layer *ip, struct base_counters *counters, struct rte_mempool *pool,
	struct port_tx *tx, const struct ip_config *config, uint64_t now_us)
{
	memset(ip, 0, sizeof(*ip));
	ip->counters = counters;
	ip->pool = pool;
	ip->tx = tx;
	ip->now_us = now_us;
	ip->workers = 1;
	ip_adopt(ip, config);
	ip->answers = ip_answers_new(config->n_interfaces, now_us);
	if (ip->answers == NULL || ip_neigh_init(ip, now_us) < 0 || hold_gateways(ip) < 0 ||
		ip_fragments_init(ip) < 0) {
		ip_fini(ip);
		return -ENOMEM;
	}
	return 0;
}

void ip_fini(struct ip_layer *ip)
{
	ip_fragments_fini(ip);
	ip_neigh_fini(ip);
	free(ip->gateways);
	free(ip->answers);
	ip->gateways = NULL;
	ip->answers = NULL;
}

void ip_adopt(struct ip_layer *ip, const struct ip_config *config)
{
	ip->config = config;
	// What an interrupted round had still to say is lost with the old table, so say it all.
	ip->announce_all = ip->announce_rounds > 0;
	ip->announce_at = 0;
	ip->announce_rounds = ANNOUNCE_ROUNDS;
	ip->announce_due_us = ip->now_us;
}

static void announce(struct ip_layer *ip, const struct ip_local *l)
{
	if (postern_addr_is_v4(&l->addr))
		ip_arp_announce(ip, l->interface, &l->addr);
	else
		ip_nd_announce(ip, l->interface, &l->addr);
}

void ip_conflict(
	struct ip_layer *ip, const struct ip_local *claimed, const struct rte_ether_addr *by)
{
	// Two of our interfaces on one link hear each other.
	for (unsigned i = 0; i < ip->config->n_interfaces; i++)
		if (rte_is_same_ether_addr(by, &ip->config->interfaces[i].mac))
			return;
	COUNT(ip->counters, SEEN_ADDRESS_CONFLICT);
	if (ip->defended_us != 0 && ip->now_us - ip->defended_us < DEFEND_INTERVAL_US)
		return;
	ip->defended_us = ip->now_us;
	announce(ip, claimed);
}

static void announce_some(struct ip_layer *ip)
{
	const struct ip_config *c = ip->config;
	const uint32_t end = c->locals_mask + 1;

	if (!ip->announces || ip->announce_rounds == 0 || ip->now_us < ip->announce_due_us)
		return;
	for (unsigned i = 0; i < ANNOUNCE_PER_TURN && ip->announce_at < end; i++) {
		const struct ip_local *l = &c->locals[ip->announce_at++];

		if (l->kind != 0 && (l->fresh || ip->announce_all))
			announce(ip, l);
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
	ip_neigh_flush_some(ip);
	ip_fragments_poll(ip);
	announce_some(ip);
}
