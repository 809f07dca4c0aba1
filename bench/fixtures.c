// SPDX-License-Identifier: BSD-2-Clause
// What a packet costs between ports: bursts of the frames that unit tests use go through a worker
// without ports. One JSON object a kind of frame: nanoseconds and cycles of a packet, in the middle of
// many bursts.

#include "frames.h"
#include "talk.h"

#include <rte_cycles.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BURSTS   4001u
#define WARM_UP  200u
#define APART_US 100000u // limits on answers are never met

static const char *const kinds[FRAME_ALL_KINDS] = {
	[FRAME_TCP4] = "SYN of an opening session, IPv4",
	[FRAME_TCP6] = "SYN of an opening session, IPv6",
	[FRAME_DATA4] = "stray segment, answered with a reset, IPv4",
	[FRAME_DATA6] = "stray segment, answered with a reset, IPv6",
	[FRAME_ARP] = "ARP request",
	[FRAME_ECHO4] = "echo request, IPv4",
	[FRAME_ECHO6] = "echo request, IPv6",
	[FRAME_NS] = "neighbour solicitation",
};

static int by_size(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a;
	const uint64_t y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static struct rte_mbuf *copy_of(struct rig *r, const uint8_t *bytes, size_t length)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(r->in_pool);

	RIG_CHECK(m != NULL);
	memcpy(rte_pktmbuf_append(m, (uint16_t)length), bytes, length);
	return m;
}

// Cycles of one burst.
static uint64_t burst(struct rig *r, uint16_t interface, const uint8_t *bytes, size_t length)
{
	struct worker *w = r->dp->workers[0];
	struct rte_mbuf *pkts[PORT_BURST];

	for (unsigned i = 0; i < PORT_BURST; i++)
		pkts[i] = copy_of(r, bytes, length);
	w->ip.now_us += APART_US;
	const uint64_t began = rte_rdtsc();

	worker_burst(w, interface, pkts, PORT_BURST);
	const uint64_t took = rte_rdtsc() - began;

	for (uint16_t i = 0; i < r->dp->n_ports; i++) {
		rte_pktmbuf_free_bulk(w->tx[i].pkts, w->tx[i].count);
		w->tx[i].count = 0;
	}
	return took;
}

static void measure(
	struct rig *r, const char *what, uint16_t interface, const uint8_t *bytes, size_t length)
{
	static uint64_t took[BURSTS];

	for (unsigned i = 0; i < WARM_UP; i++)
		burst(r, interface, bytes, length);
	for (unsigned i = 0; i < BURSTS; i++)
		took[i] = burst(r, interface, bytes, length);
	qsort(took, BURSTS, sizeof(took[0]), by_size);
	const double cycles = (double)took[BURSTS / 2] / PORT_BURST;

	printf("{\"what\": \"%s\", \"ns\": %.2f, \"cycles\": %.1f}\n", what,
		cycles * 1e9 / (double)rte_get_tsc_hz(), cycles);
}

static void measure_session(uint8_t family, unsigned from, const char *what)
{
	struct rig *r = rig_new(&(struct rig_options){.world = {.translate = 1}});
	struct talk t = talk_new(r, family, 1);
	uint8_t bytes[256];

	talk_open(&t);
	const struct rig_tcp segment = talk_segment(&t, from, TALK_ACK, 6);

	measure(r, what, segment.interface, bytes, rig_tcp_build(r, &segment, bytes));
	rig_free(r);
}

int main(void)
{
	measure_session(POSTERN_V4, FROM_CLIENT, "segment of a session, client's, IPv4");
	measure_session(POSTERN_V4, FROM_MEMBER, "segment of a session, member's, IPv4");
	measure_session(POSTERN_V6, FROM_CLIENT, "segment of a session, client's, IPv6");
	measure_session(POSTERN_V6, FROM_MEMBER, "segment of a session, member's, IPv6");
	for (unsigned kind = 0; kind < FRAME_ALL_KINDS; kind++) {
		struct rig *r;

		if (kinds[kind] == NULL)
			continue;
		r = rig_new(&(struct rig_options){.world = {.translate = 1}});
		const struct frame f = frame_make(r, (enum frame_kind)kind);

		measure(r, kinds[kind], RIG_OUTSIDE, f.bytes, f.length);
		rig_free(r);
	}
	return 0;
}
