// SPDX-License-Identifier: BSD-2-Clause
// Opening, closing and describing a port; handing packets to it.

#include "port/port.h"

#include "postern/log.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

LOG_SUBSYSTEM("port");

#define RX_CHECKSUMS                                                                               \
	(RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM |                            \
		RTE_ETH_RX_OFFLOAD_UDP_CKSUM)
#define TX_CHECKSUMS                                                                               \
	(RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM |                            \
		RTE_ETH_TX_OFFLOAD_UDP_CKSUM)

// Ports are found in the order of the interfaces: EAL names a virtual device as its argument
// does up to the comma, a PCI device by its address.
static int find_port(const char *device, uint16_t *id)
{
	char name[RTE_ETH_NAME_MAX_LEN];
	const size_t length = strcspn(device, ",");

	if (length >= sizeof(name))
		return -ENAMETOOLONG;
	memcpy(name, device, length);
	name[length] = '\0';
	return rte_eth_dev_get_port_by_name(name, id) == 0 ? 0 : -ENODEV;
}

unsigned port_home_bits(const struct postern_interface *interfaces, unsigned n)
{
	unsigned bits = BASE_HOME_BITS_MAX;

	for (unsigned i = 0; i < n; i++) {
		struct rte_eth_dev_info info;
		uint16_t id;

		// What is not there is complained about when it is opened.
		if (find_port(interfaces[i].device, &id) == 0 &&
			rte_eth_dev_info_get(id, &info) == 0)
			bits = RTE_MIN(bits, port_rss_bits(&info));
	}
	return bits;
}

static int configure(struct port *p, const struct postern_interface *interface,
	const struct base_home *home, struct rte_mempool *pool)
{
	struct rte_eth_dev_info info;
	struct rte_eth_conf conf = {0};
	uint16_t rxd = PORT_DESCRIPTORS;
	uint16_t txd = PORT_DESCRIPTORS;
	int rc = rte_eth_dev_info_get(p->id, &info);

	if (rc < 0)
		return rc;
	p->rx_checksum = (info.rx_offload_capa & RX_CHECKSUMS) == RX_CHECKSUMS;
	p->tx_checksum = (info.tx_offload_capa & TX_CHECKSUMS) == TX_CHECKSUMS;
	if (p->rx_checksum)
		conf.rxmode.offloads |= RX_CHECKSUMS;
	if (p->tx_checksum)
		conf.txmode.offloads |= TX_CHECKSUMS;
	conf.rxmode.mtu = interface->mtu;
	if (interface->mtu == 0) {
		// Without a wish in it, configuring would set 1500.
		rc = rte_eth_dev_get_mtu(p->id, &p->mtu);
		if (rc < 0)
			return rc;
		conf.rxmode.mtu = p->mtu;
	}
	p->rx_queues = (uint16_t)RTE_MIN(home->workers, info.max_rx_queues);
	p->tx_queues = (uint16_t)RTE_MIN(home->workers, info.max_tx_queues);
	// An af_packet device gets packets on all of its sockets, whether somebody looks or not.
	if (strcmp(info.driver_name, "net_af_packet") == 0)
		p->rx_queues = info.max_rx_queues;
	port_rss_wish(p, &info, home, &conf);
	rc = rte_eth_dev_configure(p->id, p->rx_queues, p->tx_queues, &conf);
	if (rc < 0)
		return rc;
	p->configured = true;
	rc = rte_eth_dev_adjust_nb_rx_tx_desc(p->id, &rxd, &txd);
	if (rc < 0)
		return rc;
	const int socket = rte_eth_dev_socket_id(p->id);
	const unsigned node = socket < 0 ? (unsigned)SOCKET_ID_ANY : (unsigned)socket;

	for (uint16_t q = 0; q < p->rx_queues; q++) {
		rc = rte_eth_rx_queue_setup(p->id, q, rxd, node, NULL, pool);
		if (rc < 0)
			return rc;
	}
	for (uint16_t q = 0; q < p->tx_queues; q++) {
		rc = rte_eth_tx_queue_setup(p->id, q, txd, node, NULL);
		if (rc < 0)
			return rc;
	}
	return 0;
}

// Neighbour discovery is sent to multicast groups (RFC 4861 7.2.1), so those must reach us; a
// port that cannot filter for all groups receives everything instead.
static int receive_multicast(const struct port *p)
{
	if (rte_eth_allmulticast_enable(p->id) == 0)
		return 0;
	return rte_eth_promiscuous_enable(p->id);
}

int port_open(struct port *p, const struct postern_interface *interface,
	const struct base_home *home, enum base_home_side side, struct rte_mempool *pool, char *why,
	size_t size)
{
	struct rte_eth_link link;
	int rc;

	memset(p, 0, sizeof(*p));
	rc = find_port(interface->device, &p->id);
	if (rc < 0) {
		snprintf(why, size,
			"interface %s: DPDK knows no device \"%s\"; for a NIC bind it to vfio-pci "
			"(dpdk-devbind.py --status lists them), for a virtual device see its name "
			"and arguments",
			interface->name, interface->device);
		return rc;
	}
	p->side = side;
	rc = configure(p, interface, home, pool);
	if (rc < 0) {
		snprintf(why, size, "interface %s: the port refused its configuration (MTU %s): %s",
			interface->name, interface->mtu != 0 ? "as in the file" : "its own",
			strerror(-rc));
		return rc;
	}
	rc = rte_eth_dev_start(p->id);
	if (rc < 0) {
		snprintf(why, size, "interface %s: the port did not start: %s", interface->name,
			strerror(-rc));
		return rc;
	}
	p->started = true;
	port_rss_check(p, home);
	rc = receive_multicast(p);
	if (rc < 0)
		LOG(WARNING,
			"interface %s: the port receives no multicast (%s); IPv6 neighbours may "
			"not "
			"find it",
			interface->name, strerror(-rc));
	rte_eth_macaddr_get(p->id, &p->mac);
	rte_eth_dev_get_mtu(p->id, &p->mtu);
	// A port without link now may get it later; that is reported, not refused.
	if (rte_eth_link_get_nowait(p->id, &link) == 0 && link.link_status == RTE_ETH_LINK_DOWN)
		LOG(WARNING, "interface %s: no link yet", interface->name);
	LOG(NOTICE,
		"interface %s: %s, " RTE_ETHER_ADDR_PRT_FMT
		", MTU %u, %u queue%s, checksums received "
		"by %s, sent by %s; RSS: %s",
		interface->name, interface->device, RTE_ETHER_ADDR_BYTES(&p->mac), p->mtu,
		p->rx_queues, p->rx_queues == 1 ? "" : "s",
		p->rx_checksum ? "the port" : "software", p->tx_checksum ? "the port" : "software",
		postern_rss_text(p->rss));
	return interface->kernel ? port_kernel_open(p, interface, pool, why, size) : 0;
}

void port_close(struct port *p)
{
	port_kernel_close(p);
	if (p->started)
		rte_eth_dev_stop(p->id);
	if (p->configured)
		rte_eth_dev_close(p->id);
	p->started = p->configured = false;
}

void port_info_read(const struct port *p, struct postern_port_info *out)
{
	struct rte_eth_dev_info info;
	struct rte_eth_link link;
	struct rte_eth_stats stats;

	memset(out, 0, sizeof(*out));
	if (rte_eth_dev_info_get(p->id, &info) == 0)
		snprintf(out->driver, sizeof(out->driver), "%s", info.driver_name);
	if (rte_eth_link_get_nowait(p->id, &link) == 0) {
		out->up = link.link_status == RTE_ETH_LINK_UP;
		if (link.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN)
			out->speed_mbps = link.link_speed;
	}
	if (rte_eth_stats_get(p->id, &stats) == 0) {
		out->rx_packets = stats.ipackets;
		out->rx_bytes = stats.ibytes;
		out->rx_missed = stats.imissed;
		out->rx_errors = stats.ierrors;
		out->rx_no_buffer = stats.rx_nombuf;
		out->tx_packets = stats.opackets;
		out->tx_bytes = stats.obytes;
		out->tx_errors = stats.oerrors;
	}
	memcpy(out->mac, p->mac.addr_bytes, sizeof(out->mac));
	out->mtu = p->mtu;
	out->rx_queues = p->rx_queues;
	out->tx_queues = p->tx_queues;
	out->rx_checksum = p->rx_checksum;
	out->rss = p->rss;
	out->tx_checksum = p->tx_checksum;
}

void port_tx_flush(struct port_tx *tx, struct base_counters *counters)
{
	uint64_t bytes = 0;

	if (tx->count == 0)
		return;
	for (uint16_t i = 0; i < tx->count; i++)
		bytes += tx->pkts[i]->pkt_len;
	const uint16_t sent = rte_eth_tx_burst(tx->port, tx->queue, tx->pkts, tx->count);

	for (uint16_t i = sent; i < tx->count; i++) {
		bytes -= tx->pkts[i]->pkt_len;
		rte_pktmbuf_free(tx->pkts[i]);
	}
	COUNT_N(counters, TX_PACKETS, sent);
	COUNT_N(counters, TX_BYTES, bytes);
	COUNT_N(counters, DROP_TX_FULL, (uint64_t)(tx->count - sent));
	base_add(&tx->dropped, (uint64_t)(tx->count - sent));
	tx->count = 0;
}
