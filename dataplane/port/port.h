// SPDX-License-Identifier: BSD-2-Clause
// Ethernet ports: opening any ethdev, receiving and sending bursts.

#pragma once

#include "base/count.h"

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
	uint16_t rx_queues; // worker w of n has w, w + n, ...
	uint16_t tx_queues; // at most one a worker
	bool rx_checksum;   // the port verifies IPv4 and TCP checksums
	bool tx_checksum;   // the port writes IPv4 and TCP checksums
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

// Finds the port of a device, configures one receive and one transmit queue a worker, or as many as
// it has, and starts it.
// Errors as above.
int port_open(struct port *p, const struct postern_interface *interface, uint16_t workers,
	struct rte_mempool *pool, char *why, size_t size);
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
