// SPDX-License-Identifier: BSD-2-Clause
// Links of test programs, by name.

#include "wire/link.h"

#include <rte_eal.h>
#include <rte_ethdev.h>

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define RING     1024
#define ARGS_MAX 24u
#define ARG_SIZE 256

// Bytes for a packet buffer with all that DPDK keeps around it, and MB for rings and tables.
#define BUFFER_BYTES 3072u
#define FIXED_MB     48u

static char text[ARGS_MAX][ARG_SIZE];
static char *args[ARGS_MAX + 1];
static int n_args;

__attribute__((noreturn)) static void fail(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s\n", what, why);
	exit(1);
}

__attribute__((format(printf, 1, 2))) static void add(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	if (vsnprintf(text[n_args], ARG_SIZE, format, list) >= ARG_SIZE)
		fail(text[n_args], "too long");
	va_end(list);
	args[n_args] = text[n_args];
	n_args++;
}

// The name of the port that a link becomes.
static void add_link(const char *name, unsigned i, char *port, size_t size)
{
	const char *at = strchr(name, ':');

	if (at == NULL || at[1] == '\0')
		fail(name, "a link is packet:IFACE, tap:IFACE, memif:PATH or memif-server:PATH");
	at++;
	if (strncmp(name, "packet:", 7) == 0) {
		snprintf(port, size, "net_af_packet%u", i);
		add("--vdev=%s,iface=%s,blocksz=4096,framesz=2048,framecnt=1024", port, at);
	} else if (strncmp(name, "tap:", 4) == 0) {
		snprintf(port, size, "net_tap%u", i);
		add("--vdev=%s,iface=%s", port, at);
	} else if (strncmp(name, "memif", 5) == 0) {
		snprintf(port, size, "net_memif%u", i);
		add("--vdev=%s,role=%s,socket=%s,socket-abstract=no,rsize=10", port,
			name[5] == ':' ? "client" : "server", at);
	} else {
		fail(name, "no such kind of link");
	}
}

static void port_start(uint16_t port, struct rte_mempool *pool, const char *name)
{
	const struct rte_eth_conf conf = {0};

	if (rte_eth_dev_configure(port, 1, 1, &conf) < 0 ||
		rte_eth_rx_queue_setup(port, 0, RING, 0, NULL, pool) < 0 ||
		rte_eth_tx_queue_setup(port, 0, RING, 0, NULL) < 0 || rte_eth_dev_start(port) < 0)
		fail(name, "cannot be started");
	rte_eth_promiscuous_enable(port); // where the driver knows of it
}

static int first_cpu(const cpu_set_t *cpus)
{
	size_t cpu = 0;

	while (cpu < CPU_SETSIZE && !CPU_ISSET(cpu, cpus))
		cpu++;
	return (int)cpu;
}

struct rte_mempool *links_open(
	const char *program, const char *const *names, unsigned n, unsigned buffers, int cpu)
{
	char ports[LINKS_MAX][32];
	cpu_set_t cpus;

	sched_getaffinity(0, sizeof(cpus), &cpus);
	n_args = 0;
	add("%s", program);
	add("--no-huge");
	add("--no-pci");
	add("--no-shconf");
	add("--no-telemetry");
	add("--log-level=error");
	add("-m");
	add("%u", FIXED_MB + (unsigned)((uint64_t)buffers * BUFFER_BYTES >> 20));
	add("--lcores=0@%d", cpu >= 0 ? cpu : first_cpu(&cpus));
	for (unsigned i = 0; i < n; i++)
		add_link(names[i], i, ports[i], sizeof(ports[i]));
	if (rte_eal_init(n_args, args) < 0)
		fail(program, "EAL does not start");
	// EAL pins its main thread.
	if (cpu < 0)
		sched_setaffinity(0, sizeof(cpus), &cpus);
	struct rte_mempool *pool = rte_pktmbuf_pool_create(
		"links", buffers, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);

	if (pool == NULL)
		fail(program, "no memory for packet buffers");
	for (uint16_t i = 0; i < n; i++) {
		uint16_t port;

		if (rte_eth_dev_get_port_by_name(ports[i], &port) < 0 || port != i)
			fail(names[i], "is not there");
		port_start(port, pool, names[i]);
	}
	prctl(PR_SET_TIMERSLACK, 1ul);
	return pool;
}

void link_sleep(uint64_t us)
{
	const struct timespec t = {.tv_nsec = (long)(us * 1000)};

	nanosleep(&t, NULL);
}

uint64_t link_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}
