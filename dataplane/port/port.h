// SPDX-License-Identifier: BSD-2-Clause
// Ethernet ports: opening any ethdev, receiving and sending bursts.

#pragma once

#include "base/count.h"
#include "base/home.h"

#include "postern/dataplane.h"

#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_mbuf.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Descriptors of a queue: 1024 hold 30 microseconds of the smallest packets at 32 Mpps, which
// covers the longest turn of the loop.
#define PORT_DESCRIPTORS 1024

// Bursts of 64 fill a vectorised driver's receive loop and still fit the first-level cache.
#define PORT_BURST 64

struct port {
	uint16_t id; // DPDK's
	uint16_t mtu;
	struct rte_ether_addr mac;
	uint16_t rx_queues;       // worker w of n has w, w + n, ...
	uint16_t tx_queues;       // at most one a worker
	bool rx_checksum;         // the port verifies IPv4 and TCP checksums
	bool tx_checksum;         // the port writes IPv4 and TCP checksums
	enum base_home_side side; // which end of a packet RSS is to hash
	enum postern_rss rss;     // as it was at the start
	uint64_t rss_kinds;       // RTE_ETH_RSS_* that come to the right queue; 0: hand-over alone
	uint8_t rss_key[BASE_HOME_KEY];
	uint16_t kernel; // DPDK's number of the TAP device
	bool has_kernel;
	bool configured;
	bool started;
};

// Room for what a turn may send before it is flushed or handed on.
#define PORT_TX_MAX (8 * PORT_BURST)

// Packets on their way out of one port. One worker owns it.
struct port_tx {
	uint16_t port;
	uint16_t queue;
	uint16_t count;
	bool has_queue;   // otherwise the owner passes them on before the turn ends
	uint64_t dropped; // worker: rw, control: ro
	struct rte_mbuf *pkts[PORT_TX_MAX];
};

// Starts EAL for the devices of the interfaces, with huge pages or without. *huge tells which.
// On failure returns a negative errno and says in `why` what is wrong and what to type.
int port_eal_start(const struct postern_start *start, const struct postern_interface *interfaces,
	unsigned n_interfaces, bool *huge, char *why, size_t size);

// The bits of a hash of homes that every port's table of RSS has room for.
unsigned port_home_bits(const struct postern_interface *interfaces, unsigned n);

// Finds the port of a device, configures one receive and one transmit queue a worker, or as many as
// it has, and starts it.
// Errors as above.
int port_open(struct port *p, const struct postern_interface *interface,
	const struct base_home *home, enum base_home_side side, struct rte_mempool *pool, char *why,
	size_t size);

// kernel.c: makes and starts the kernel's device beside a port that is open. Errors as above.
int port_kernel_open(struct port *p, const struct postern_interface *interface,
	struct rte_mempool *pool, char *why, size_t size);
// None is fine.
void port_kernel_close(struct port *p);
// rss.c: the kinds of packets that a key suits, RTE_ETH_RSS_*. Fragments have no ports.
uint64_t port_rss_kinds(enum base_home_side side);
// What a port's table has room for; asking for it before the port is configured; telling it
// the queues, and asking back, when it is started.
unsigned port_rss_bits(const struct rte_eth_dev_info *info);
void port_rss_wish(struct port *p, const struct rte_eth_dev_info *info,
	const struct base_home *home, struct rte_eth_conf *conf);
void port_rss_check(struct port *p, const struct base_home *home);
void port_close(struct port *p);

void port_info_read(const struct port *p, struct postern_port_info *out);

// Hands everything that waits to the port; what it does not take is dropped and counted.
void port_tx_flush(struct port_tx *tx, struct base_counters *counters);

static inline void port_tx_push(struct port_tx *tx, struct rte_mbuf *m, struct base_counters *c)
{
	if (tx->has_queue && tx->count == PORT_BURST)
		port_tx_flush(tx, c);
	if (unlikely(tx->count == PORT_TX_MAX)) {
		COUNT(c, DROP_TX_FULL);
		base_add(&tx->dropped, 1);
		rte_pktmbuf_free(m);
		return;
	}
	tx->pkts[tx->count++] = m;
}
