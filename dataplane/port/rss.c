// SPDX-License-Identifier: BSD-2-Clause
// RSS: the port is told to bring each packet to the queue of the worker that is at home for it, and
// asked afterwards whether it will. Whose a packet is does not depend on the answer: workers look
// at each packet, and hand over what is another's.

#include "port/port.h"

#include <rte_ethdev.h>

#include <string.h>

#define GROUPS (4096 / RTE_ETH_RETA_GROUP_SIZE) // of entries, in the largest table that is written

uint64_t port_rss_kinds(enum base_home_side side)
{
	const uint64_t v4 = RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV4_UDP;
	const uint64_t v6 = RTE_ETH_RSS_NONFRAG_IPV6_TCP | RTE_ETH_RSS_NONFRAG_IPV6_UDP;

	return side == BASE_HOME_SOURCE ? v4 | v6 : v4;
}

const char *postern_rss_text(enum postern_rss rss)
{
	static const char *const texts[] = {
		[POSTERN_RSS_UNUSED] = "not needed: one worker",
		[POSTERN_RSS_VERIFIED] = "verified",
		[POSTERN_RSS_NONE] = "handed over: the driver offers no RSS",
		[POSTERN_RSS_QUEUES] = "handed over: fewer queues than workers",
		[POSTERN_RSS_REFUSED] = "handed over: the port does not take our key and table",
		[POSTERN_RSS_BROKEN] =
			"handed over: packets come to other queues than the port was told",
	};

	return rss < sizeof(texts) / sizeof(texts[0]) ? texts[rss] : "?";
}

unsigned port_rss_bits(const struct rte_eth_dev_info *info)
{
	unsigned bits = BASE_HOME_BITS_MIN;

	if (!(info->flow_type_rss_offloads & RTE_ETH_RSS_NONFRAG_IPV4_TCP) ||
		info->reta_size < 1u << BASE_HOME_BITS_MIN)
		return BASE_HOME_BITS_MAX;
	while (bits < BASE_HOME_BITS_MAX && info->reta_size >= 2u << bits)
		bits++;
	return bits;
}

// 40 bytes are what the longest input takes, IPv6 with ports; some drivers do not say it.
static uint8_t key_size(const struct rte_eth_dev_info *info)
{
	return info->hash_key_size != 0 ? info->hash_key_size : 40;
}

void port_rss_wish(struct port *p, const struct rte_eth_dev_info *info,
	const struct base_home *home, struct rte_eth_conf *conf)
{
	struct rte_eth_rss_conf *rss = &conf->rx_adv_conf.rss_conf;

	p->rss_kinds = 0;
	if (home->workers == 1) {
		p->rss = POSTERN_RSS_UNUSED;
		return;
	}
	p->rss = POSTERN_RSS_NONE;
	if (info->flow_type_rss_offloads == 0)
		return;
	if (p->rx_queues > 1)
		conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	if (p->rx_queues < home->workers) {
		// Its own key spreads packets over what queues it has.
		p->rss = POSTERN_RSS_QUEUES;
		rss->rss_hf = info->flow_type_rss_offloads &
			      (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP);
		return;
	}
	rss->rss_hf = info->flow_type_rss_offloads & port_rss_kinds(p->side);
	p->rss = POSTERN_RSS_REFUSED;
	if (!(rss->rss_hf & RTE_ETH_RSS_NONFRAG_IPV4_TCP) || key_size(info) < 40 ||
		key_size(info) > BASE_HOME_KEY || info->reta_size % (1u << home->bits) != 0 ||
		info->reta_size == 0 || info->reta_size > GROUPS * RTE_ETH_RETA_GROUP_SIZE)
		return;
	memcpy(p->rss_key, home->key[p->side], sizeof(p->rss_key));
	rss->rss_key = p->rss_key;
	rss->rss_key_len = key_size(info);
	p->rss_kinds = rss->rss_hf;
}

// Entry by entry the queue of the worker whose the hash is; a larger table holds it several times.
static void table_fill(
	const struct base_home *home, unsigned size, struct rte_eth_rss_reta_entry64 *table)
{
	for (unsigned i = 0; i < size; i++) {
		struct rte_eth_rss_reta_entry64 *group = &table[i / RTE_ETH_RETA_GROUP_SIZE];

		group->mask = UINT64_MAX;
		group->reta[i % RTE_ETH_RETA_GROUP_SIZE] =
			home->worker[i & ((1u << home->bits) - 1)];
	}
}

static bool has_table(const struct port *p, const struct base_home *home, uint16_t size)
{
	struct rte_eth_rss_reta_entry64 wanted[GROUPS] = {0};
	struct rte_eth_rss_reta_entry64 got[GROUPS] = {0};

	table_fill(home, size, wanted);
	if (rte_eth_dev_rss_reta_update(p->id, wanted, size) < 0)
		return false;
	for (unsigned i = 0; i < GROUPS; i++)
		got[i].mask = wanted[i].mask;
	if (rte_eth_dev_rss_reta_query(p->id, got, size) < 0)
		return false;
	return memcmp(wanted, got, sizeof(wanted)) == 0;
}

static bool has_key(const struct port *p)
{
	uint8_t key[BASE_HOME_KEY] = {0};
	struct rte_eth_rss_conf got = {.rss_key = key, .rss_key_len = sizeof(key)};

	return rte_eth_dev_rss_hash_conf_get(p->id, &got) == 0 &&
	       memcmp(key, p->rss_key, 40) == 0 && (got.rss_hf & p->rss_kinds) == p->rss_kinds;
}

// Some drivers take a key only when they run.
static bool takes_key(struct port *p, uint8_t length)
{
	struct rte_eth_rss_conf conf = {
		.rss_key = p->rss_key, .rss_key_len = length, .rss_hf = p->rss_kinds};

	return has_key(p) || (rte_eth_dev_rss_hash_update(p->id, &conf) == 0 && has_key(p));
}

void port_rss_check(struct port *p, const struct base_home *home)
{
	struct rte_eth_dev_info info;

	if (p->rss_kinds == 0)
		return;
	if (rte_eth_dev_info_get(p->id, &info) == 0 && has_table(p, home, info.reta_size) &&
		takes_key(p, key_size(&info)))
		p->rss = POSTERN_RSS_VERIFIED;
	else
		p->rss_kinds = 0;
}
