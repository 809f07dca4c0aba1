// SPDX-License-Identifier: BSD-2-Clause
// The exception path: a TAP device of the kernel's beside a port, with the port's Ethernet address and
// the interface's own addresses, for BGP daemons and probes.

#include "port/port.h"

#include "postern/log.h"

#include <rte_dev.h>
#include <rte_ethdev.h>

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

LOG_SUBSYSTEM("port");

// What fits into one buffer, less the Ethernet header.
#define MTU_MAX 2000

// One packet is read at a time; the driver keeps a buffer for it.
#define RX_BUFFERS 1
#define TX_PACKETS 64

static void attribute(struct nlmsghdr *h, uint16_t type, const void *data, size_t size)
{
	struct rtattr *a = (struct rtattr *)((uint8_t *)h + NLMSG_ALIGN(h->nlmsg_len));

	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(size);
	memcpy(RTA_DATA(a), data, size);
	h->nlmsg_len = NLMSG_ALIGN(h->nlmsg_len) + RTA_ALIGN(a->rta_len);
}

// RTM_NEWADDR of rtnetlink(7), and its acknowledgement.
static int address_add(int fd, unsigned index, const struct postern_prefix *p)
{
	const bool v4 = postern_addr_is_v4(&p->addr);
	struct {
		struct nlmsghdr h;
		struct ifaddrmsg a;
		uint8_t attributes[64];
	} ask = {
		.h = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifaddrmsg)),
			.nlmsg_type = RTM_NEWADDR,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE},
		.a = {.ifa_family = v4 ? AF_INET : AF_INET6,
			.ifa_prefixlen = p->length,
			// The port answers for it, so nobody else does.
			.ifa_flags = IFA_F_NODAD,
			.ifa_index = index},
	};
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
		uint8_t rest[256];
	} answer;
	const uint8_t *bytes = p->addr.bytes + (v4 ? 12 : 0);

	attribute(&ask.h, IFA_LOCAL, bytes, v4 ? 4 : 16);
	attribute(&ask.h, IFA_ADDRESS, bytes, v4 ? 4 : 16);
	if (send(fd, &ask, ask.h.nlmsg_len, 0) < 0)
		return -errno;
	const ssize_t n = recv(fd, &answer, sizeof(answer), 0);

	if (n < 0)
		return -errno;
	if ((size_t)n < sizeof(answer.h) + sizeof(answer.e) || answer.h.nlmsg_type != NLMSG_ERROR)
		return -EPROTO;
	return answer.e.error == -EEXIST ? 0 : answer.e.error;
}

static void addresses_add(const struct postern_interface *interface)
{
	const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	const unsigned index = if_nametoindex(interface->name);

	for (unsigned i = 0; i < interface->n_addresses; i++) {
		const int rc = fd < 0 ? -errno : address_add(fd, index, &interface->addresses[i]);
		char text[POSTERN_PREFIX_TEXT];

		if (rc < 0)
			LOG(WARNING,
				"interface %s: the kernel does not take %s: %s; type: ip "
				"address add %s dev %s",
				interface->name,
				postern_prefix_format(&interface->addresses[i], text),
				strerror(-rc), text, interface->name);
	}
	if (fd >= 0)
		close(fd);
}

static int start(uint16_t id, uint16_t mtu, struct rte_mempool *pool)
{
	const struct rte_eth_conf conf = {0};
	int rc = rte_eth_dev_configure(id, 1, 1, &conf);

	if (rc == 0)
		rc = rte_eth_rx_queue_setup(id, 0, RX_BUFFERS, (unsigned)SOCKET_ID_ANY, NULL, pool);
	if (rc == 0)
		rc = rte_eth_tx_queue_setup(id, 0, TX_PACKETS, (unsigned)SOCKET_ID_ANY, NULL);
	if (rc == 0)
		rc = rte_eth_dev_set_mtu(id, (uint16_t)RTE_MIN(mtu, MTU_MAX));
	return rc < 0 ? rc : rte_eth_dev_start(id);
}

int port_kernel_open(struct port *p, const struct postern_interface *interface,
	struct rte_mempool *pool, char *why, size_t size)
{
	char name[RTE_ETH_NAME_MAX_LEN];
	char args[128];

	snprintf(name, sizeof(name), "net_tap_kernel%u", p->id);
	snprintf(args, sizeof(args), "iface=%s,mac=" RTE_ETHER_ADDR_PRT_FMT, interface->name,
		RTE_ETHER_ADDR_BYTES(&p->mac));
	int rc = if_nametoindex(interface->name) != 0 ? -EEXIST
						      : rte_eal_hotplug_add("vdev", name, args);

	if (rc == 0)
		rc = rte_eth_dev_get_port_by_name(name, &p->kernel);
	if (rc == 0) {
		p->has_kernel = true;
		rc = start(p->kernel, p->mtu, pool);
	}
	if (rc < 0) {
		snprintf(why, size,
			"interface %s: the kernel's device \"%s\" was not made: %s; \"kernel: "
			"tap\" "
			"needs /dev/net/tun, and no other device of the interface's name",
			interface->name, interface->name, strerror(-rc));
		return rc;
	}
	addresses_add(interface);
	return 0;
}

void port_kernel_close(struct port *p)
{
	if (!p->has_kernel)
		return;
	rte_eth_dev_stop(p->kernel);
	rte_eth_dev_close(p->kernel);
	p->has_kernel = false;
}
