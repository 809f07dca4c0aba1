// SPDX-License-Identifier: BSD-2-Clause
// Replay of recorded packets (classic pcap files with Ethernet frames), over and over.

#include "bench/generator/generator.h"

#include <rte_cycles.h>

#include <stdlib.h>
#include <string.h>

#define RECORDS_MAX 65536u
#define FRAME_MAX   2000u

struct record {
	uint16_t length;
	uint8_t bytes[FRAME_MAX];
};

// Frames of a file; what does not fit a buffer is left out. Returns how many.
static uint32_t load(const char *path, struct record *to)
{
	struct {
		uint32_t magic, version, zone, digits, snap, link;
	} head;
	struct {
		uint32_t seconds, fraction, there, length;
	} each;
	FILE *f = fopen(path, "rb");
	uint32_t n = 0;

	if (f == NULL)
		return 0;
	if (fread(&head, sizeof(head), 1, f) == 1 &&
		(head.magic == 0xa1b2c3d4u || head.magic == 0xa1b23c4du))
		while (n < RECORDS_MAX && fread(&each, sizeof(each), 1, f) == 1) {
			if (each.there > FRAME_MAX || each.there < 14) {
				if (fseek(f, (long)each.there, SEEK_CUR) != 0)
					break;
				continue;
			}
			if (fread(to[n].bytes, each.there, 1, f) != 1)
				break;
			to[n++].length = (uint16_t)each.there;
		}
	fclose(f);
	return n;
}

static void send_record(struct generator *g, const struct record *r)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(g->rx_pool); // its bytes may be anything

	if (m == NULL)
		return;
	uint8_t *at = (void *)rte_pktmbuf_append(m, r->length);

	memcpy(at, r->bytes, r->length);
	memcpy(at, &g->peer, 6);
	link_push(g, m);
	g->tally.sent++;
}

// replay seconds=N rate=N file=PATH (last): data of sessions that are open is counted and looked at when it
// comes back, as with `send`; a packet that was not taken is not counted as sent.
void replay_command(struct generator *g, const char *args)
{
	const double rate = argument(args, "rate", 0);
	const char *path = strstr(args, "file=");
	struct record *records = malloc(RECORDS_MAX * sizeof(*records));
	const uint32_t n = path != NULL && records != NULL ? load(path + 5, records) : 0;

	memset(&g->tally, 0, sizeof(g->tally));
	if (n == 0) {
		free(records);
		printf("{\"error\": \"no packets\"}\n");
		return;
	}
	const uint64_t began = now_us(g);
	const uint64_t end = began + (uint64_t)(argument(args, "seconds", 1) * 1e6);
	uint64_t came = 0, took = 0;

	for (uint64_t now = began; now < end + DRAIN_US; now = now_us(g)) {
		const double allowed = rate > 0 ? (double)(now - began) * rate / 1e6 : 1e18;

		if (now < end)
			took = now - began;
		for (unsigned i = 0; i < BURST && now < end && (double)g->tally.sent < allowed &&
				     g->n_out < BURST;
			i++)
			send_record(g, &records[g->tally.sent % n]);
		came += link_turn(g);
	}
	printf("{\"seconds\": %.6f, \"packets\": %u, \"sent\": %lu, \"received\": %lu, "
	       "\"checked\": %lu, \"wrong\": %lu, \"came_back\": %lu}\n",
		(double)took / 1e6, n, g->tally.sent, g->tally.received, g->tally.checked,
		g->tally.wrong, came);
	free(records);
}
