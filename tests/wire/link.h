// SPDX-License-Identifier: BSD-2-Clause
// Links of test programs: each is one port of DPDK with one queue, made from its name.

#pragma once

#include <rte_mbuf.h>

#include <stdbool.h>
#include <stdint.h>

#define LINKS_MAX  2u
#define LINK_BURST 64u

// What may stand for a link, for the programs' own help.
#define LINK_HELP                                                                                  \
	"    packet:IFACE       a device that is there, by raw sockets (one end of a veth)\n"      \
	"    tap:IFACE          a TAP device that is made\n"                                       \
	"    memif:PATH         the memif whose socket another program has made\n"                 \
	"    memif-server:PATH  makes that socket\n"

// Starts EAL without huge pages, makes the links and a pool of `buffers` packet buffers for them. Link i is
// port i. `cpu` < 0: wherever the process may run. Ends the process with a message if that fails.
struct rte_mempool *links_open(
	const char *program, const char *const *names, unsigned n, unsigned buffers, int cpu);

// The program sleeps for `us` microseconds at most.
void link_sleep(uint64_t us);

// Microseconds of a clock that only goes forward.
uint64_t link_now_us(void);
