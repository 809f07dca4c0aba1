// SPDX-License-Identifier: BSD-2-Clause
// The commands that measure.

#include "bench/generator/generator.h"

#include <rte_cycles.h>
#include <rte_tcp.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void drain(struct generator *g, uint64_t us)
{
	const uint64_t end = now_us(g) + us;

	while (now_us(g) < end)
		link_turn(g);
}

static void tally_clear(struct generator *g)
{
	memset(&g->tally, 0, sizeof(g->tally));
	g->bad_since_us = g->first_rescued_us = g->last_met_us = g->longest_us = g->rescued = 0;
}

static double delay_us(const struct generator *g, double permille)
{
	const double ticks = (double)histogram_permille(&g->tally.delay, permille);

	return ticks * (1 << STAMP_SHIFT) * 1e6 / (double)g->hz;
}

static void report(const struct generator *g, uint64_t us)
{
	const struct tally *t = &g->tally;

	printf("{\"seconds\": %.6f, \"sent\": %lu, \"received\": %lu, \"received_bytes\": %lu, "
	       "\"checked\": %lu, \"wrong\": %lu, \"floods\": %lu, \"floods_seen\": %lu, "
	       "\"resets\": %lu, \"stray\": %lu, \"served\": %lu, \"met\": %lu, "
	       "\"delay_us\": {\"50\": %.2f, \"90\": %.2f, \"99\": %.2f, \"99.9\": %.2f, "
	       "\"max\": %.2f}",
		(double)us / 1e6, t->sent, t->received, t->received_bytes, t->checked, t->wrong,
		t->floods, t->floods_seen, t->resets, t->stray, t->served, t->met, delay_us(g, 500),
		delay_us(g, 900), delay_us(g, 990), delay_us(g, 999),
		(double)t->delay.most * (1 << STAMP_SHIFT) * 1e6 / (double)g->hz);
}

// open flows=N first=N family=4|6 window=N: sessions that stay.
void open_command(struct generator *g, const char *args)
{
	const uint32_t first = (uint32_t)argument(args, "first", 0);
	const uint32_t n = (uint32_t)argument(args, "flows", 1000);
	const uint32_t window = (uint32_t)argument(args, "window", 512);
	const bool v6 = argument(args, "family", 4) > 4;
	const uint64_t began = now_us(g);
	uint64_t progress = began;
	uint64_t served = 0;
	uint32_t asked = 0, repeats = 0;

	tally_clear(g);
	if (first + n > PASSING_FIRST) {
		printf("{\"error\": \"too many\"}\n");
		return;
	}
	while (g->tally.served < n && now_us(g) < progress + 3000000u) {
		while (asked < n && asked - g->tally.served < window) {
			g->flows[first + asked] =
				(struct flow){.number = g->number++, .state = FLOW_ASKED, .v6 = v6};
			flow_ask(g, first + asked++);
		}
		link_turn(g);
		if (g->tally.served != served) {
			served = g->tally.served;
			progress = now_us(g);
		}
		if (now_us(g) > progress + 50000u && now_us(g) % 50000u < 10)
			for (uint32_t i = 0, k = 0; i < asked && k < window / 2; i++)
				if (g->flows[first + i].state != FLOW_SERVED) {
					flow_ask(g, first + i);
					repeats++;
					k++;
				}
	}
	const uint64_t took = now_us(g) - began;

	drain(g, DRAIN_US);
	report(g, took);
	printf(", \"repeats\": %u}\n", repeats);
}

static void passing_begin(struct generator *g)
{
	g->passing = true;
	g->n_free = 0;
	for (uint32_t i = PASSING; i-- > 0;) {
		g->flows[PASSING_FIRST + i].state = FLOW_FREE;
		g->free[g->n_free++] = PASSING_FIRST + i;
	}
}

// Clients that wait: they ask again, or give up. Returns how many gave up.
static uint32_t passing_sweep(struct generator *g, uint32_t repeat_ms, uint32_t most)
{
	const uint16_t now = (uint16_t)(now_us(g) / 1000);
	uint32_t lost = 0;

	for (uint32_t i = PASSING_FIRST; i < PASSING_FIRST + PASSING; i++) {
		struct flow *f = &g->flows[i];

		if (f->state == FLOW_FREE || (uint16_t)(now - f->asked_ms) < repeat_ms)
			continue;
		if (f->repeats++ < most) {
			flow_ask(g, i);
			continue;
		}
		f->state = FLOW_FREE;
		g->free[g->n_free++] = i;
		lost++;
	}
	return lost;
}

static void passing_ask(struct generator *g, bool v6)
{
	const uint32_t flow = g->free[--g->n_free];

	g->flows[flow] = (struct flow){
		.number = g->number++,
		.state = FLOW_ASKED,
		.v6 = v6,
		.sent_us = (uint32_t)now_us(g),
	};
	flow_ask(g, flow);
	g->tally.sent++;
}

// new seconds=N window=N rate=N family=4|6 repeat=MS repeats=N: sessions that are opened and reset.
// With member=N mode=1|2 lead=S that member fails after so long, and the end comes S after the first
// session that met it has been served by another.
void new_command(struct generator *g, const char *args)
{
	const double rate = argument(args, "rate", 0);
	const uint32_t window = (uint32_t)argument(args, "window", 1024);
	const uint32_t repeat_ms = (uint32_t)argument(args, "repeat", 200);
	const uint32_t repeats = (uint32_t)argument(args, "repeats", 0);
	const int member = (int)argument(args, "member", -1);
	const uint64_t lead_us = (uint64_t)(argument(args, "lead", 0) * 1e6);
	const bool v6 = argument(args, "family", 4) > 4;
	const uint64_t began = now_us(g);
	const uint64_t end = began + (uint64_t)(argument(args, "seconds", 1) * 1e6);
	uint64_t now = began, swept = began;
	uint32_t lost = 0;

	tally_clear(g);
	passing_begin(g);
	for (; now < end; now = now_us(g)) {
		const double allowed = rate > 0 ? (double)(now - began) * rate / 1e6 : 1e18;

		if (member >= 0 && g->bad_since_us == 0 && now - began >= lead_us) {
			g->modes[(uint16_t)member] = (uint8_t)argument(args, "mode", 1);
			g->bad_since_us = now;
		}
		if (g->first_rescued_us != 0 && now - g->first_rescued_us > lead_us)
			break;
		for (unsigned i = 0; i < 32 && (double)g->tally.sent < allowed && g->n_free > 0 &&
				     PASSING - g->n_free < window;
			i++)
			passing_ask(g, v6);
		// At a low rate the CPU is left to the control thread, which shares it.
		if (link_turn(g) == 0 && rate > 0)
			usleep(20);
		if (now - swept > 5000u) {
			swept = now;
			lost += passing_sweep(g, repeat_ms, repeats);
		}
	}
	const uint64_t took = now_us(g) - began;

	drain(g, DRAIN_US);
	g->passing = false;
	report(g, took);
	printf(", \"lost\": %u, \"rescued\": %lu, \"first_rescued_ms\": %.3f, \"last_met_ms\": "
	       "%.3f, "
	       "\"longest_ms\": %.3f}\n",
		lost, g->rescued, ((double)g->first_rescued_us - (double)g->bad_since_us) / 1e3,
		((double)g->last_met_us - (double)g->bad_since_us) / 1e3,
		(double)g->longest_us / 1e3);
}

// The order in which sessions have their turn: a walk that no prefetcher of the CPU knows.
struct walk {
	uint32_t first, n, at, step, round;
};

static uint32_t divisor(uint32_t a, uint32_t b)
{
	return b == 0 ? a : divisor(b, a % b);
}

static struct walk walk_begin(const char *args)
{
	struct walk w = {.first = (uint32_t)argument(args, "first", 0),
		.n = (uint32_t)argument(args, "flows", 1000)};

	w.step = (uint32_t)((double)w.n * 0.6180339) | 1u;
	while (divisor(w.n, w.step) != 1)
		w.step += 2;
	w.step %= w.n;
	return w;
}

static uint32_t walk_next(struct walk *w)
{
	w->at += w->step;
	if (w->at >= w->n) {
		w->at -= w->n;
		w->round += w->at < w->step;
	}
	return w->first + w->at;
}

// Frames as in the Internet of old: 7 small, 4 middle, 1 large.
#define SIZES 3u

static unsigned imix(unsigned i)
{
	const unsigned k = i % 12;

	return k == 11 ? 2 : k >= 7;
}

struct load {
	struct walk walk;
	uint64_t hz;
	uint64_t began;                     // TSC
	double rate;                        // packets a second; 0: as many as go
	double flood;                       // SYNs of nobody a second
	uint32_t spread;                    // from so many addresses
	struct frame_kind kinds[2 * SIZES]; // by size and direction
	uint32_t offsets[2 * SIZES];
	uint32_t offset_round;
	uint32_t client, service; // lower 32 bits of addresses
	bool mixed;
	bool back; // every other packet is a member's
	bool v6;
};

static unsigned due(const struct load *l, double rate, uint64_t sent, unsigned most)
{
	const double owed = (double)(rte_rdtsc() - l->began) * rate / (double)l->hz - (double)sent;

	return owed <= 0 ? 0 : owed > most ? most : (unsigned)owed;
}

// Sequence numbers go on for nearly 4096 bytes and begin anew: receivers see repetitions.
static uint32_t offset_of(const struct frame_kind *k, uint32_t round)
{
	const uint32_t payload = k->length - k->l4 - 20u;

	return 1u + round % (((1u << FLOW_SHIFT) - 2u) / payload) * payload;
}

static inline void put(uint8_t *to, uint32_t value)
{
	memcpy(to, &value, 4);
}

// Addresses are lower 32 bits, ports the two of the header as they lie there.
static inline void data_write(uint8_t *to, const struct frame_kind *k, uint32_t src, uint32_t dst,
	uint32_t ports, uint32_t seq, uint32_t ack, uint32_t stamped)
{
	const uint16_t tag = flow_tag(seq);
	const uint32_t seq_be = rte_cpu_to_be_32(seq);
	const uint32_t ack_be = rte_cpu_to_be_32(ack);
	const uint64_t addresses = (uint64_t)src + dst;
	const uint16_t tcp_sum =
		frame_fold(k->tcp_sum + addresses + ports + seq_be + ack_be + stamped + tag);

	memcpy(to, k->bytes, sizeof(k->bytes));
	put(to + k->src_at, src);
	put(to + k->dst_at, dst);
	if (k->l4 == 34) {
		const uint16_t ip_sum = frame_fold(k->ip_sum + addresses);

		memcpy(to + 24, &ip_sum, 2);
	}
	uint8_t *tcp = to + k->l4;
	uint32_t was;

	memcpy(&was, tcp, 4);
	put(tcp, was | ports);
	put(tcp + 4, seq_be);
	put(tcp + 8, ack_be);
	memcpy(tcp + 16, &tcp_sum, 2);
	put(tcp + 20, stamped);
	memcpy(tcp + 24, &tag, 2);
}

static void load_data(struct generator *g, struct load *l, unsigned n)
{
	struct rte_mbuf *pkts[BURST];
	uint32_t flows[BURST];
	const uint32_t now = stamp();

	if (n == 0 || rte_pktmbuf_alloc_bulk(g->tx_pool, pkts, n) != 0)
		return;
	for (unsigned i = 0; i < n; i++) {
		flows[i] = walk_next(&l->walk);
		rte_prefetch0(&g->flows[flows[i]]);
		rte_prefetch0(rte_pktmbuf_mtod(pkts[i], void *));
	}
	if (l->walk.round != l->offset_round)
		for (unsigned i = 0; i < 2 * SIZES; i++)
			l->offsets[i] = offset_of(&l->kinds[i], l->walk.round);
	l->offset_round = l->walk.round;
	for (unsigned i = 0; i < n; i++) {
		const bool back = l->back && (i & 1);
		const struct flow *f = &g->flows[flows[i]];
		const unsigned kind = 2 * (l->mixed ? imix((unsigned)g->tally.sent + i) : 0) + back;
		const struct frame_kind *k = &l->kinds[kind];
		const uint32_t first = flows[i] << FLOW_SHIFT;
		const uint32_t seq = first + l->offsets[kind];
		uint8_t *to = rte_pktmbuf_mtod(pkts[i], uint8_t *);

		if (back)
			data_write(to, k, f->member, f->nat, (uint32_t)f->nat_port << 16, seq,
				first + 1, now);
		else
			data_write(to, k, l->client + rte_cpu_to_be_32(f->number & 0x1ffffu),
				l->service, port_client(f->number), seq, first + 1, now);
		pkts[i]->data_len = k->length;
		pkts[i]->pkt_len = k->length;
		link_push(g, pkts[i]);
	}
	g->tally.sent += n;
}

static void load_flood(struct generator *g, const struct load *l, unsigned n)
{
	struct rte_mbuf *pkts[BURST];

	if (n == 0 || rte_pktmbuf_alloc_bulk(g->tx_pool, pkts, n) != 0)
		return;
	for (unsigned i = 0; i < n; i++) {
		const uint64_t r = draw(g);
		const struct segment s = {
			.src = addr_spoofed(
				(uint32_t)((uint32_t)r * (uint64_t)l->spread >> 32), l->v6),
			.dst = addr_service(l->v6),
			.sport = (uint16_t)(r >> 32 | 1u),
			.dport = rte_cpu_to_be_16(SERVICE_PORT),
			.seq = FLOW_NONE << FLOW_SHIFT | (uint32_t)(r >> 52),
			.flags = RTE_TCP_SYN_FLAG,
			.v6 = l->v6,
		};

		frame_tcp(g, pkts[i], &s);
		link_push(g, pkts[i]);
	}
	g->tally.floods += n;
}

// send flows=N first=N seconds=N frame=BYTES rate=N imix=1 back=1 family=4|6 flood=N spread=N
void send_command(struct generator *g, const char *args)
{
	const bool v6 = argument(args, "family", 4) > 4;
	struct load l = {
		.walk = walk_begin(args),
		.hz = g->hz,
		.rate = argument(args, "rate", 0),
		.flood = argument(args, "flood", 0),
		.spread = (uint32_t)argument(args, "spread", 10e6),
		.offset_round = UINT32_MAX,
		.client = addr_client(0, v6).words[3],
		.service = addr_service(v6).words[3],
		.mixed = argument(args, "imix", 0) > 0,
		.back = argument(args, "back", 0) > 0,
		.v6 = v6,
	};

	const uint16_t sizes[SIZES] = {
		(uint16_t)argument(args, "frame", v6 ? FRAME_LEAST6 : FRAME_LEAST4), 590, 1514};

	for (unsigned i = 0; i < 2 * SIZES; i++)
		frame_kind_make(g, &l.kinds[i], i & 1, v6, sizes[i / 2]);
	tally_clear(g);
	l.began = rte_rdtsc();
	const uint64_t end = l.began + (uint64_t)(argument(args, "seconds", 1) * (double)g->hz);

	while (rte_rdtsc() < end) {
		for (unsigned i = 0; i < 4 && link_turn(g) == BURST; i++)
			;
		if (g->n_out >= BURST)
			continue;
		load_data(g, &l, l.rate > 0 ? due(&l, l.rate, g->tally.sent, BURST) : BURST);
		if (l.flood > 0)
			load_flood(g, &l, due(&l, l.flood, g->tally.floods, BURST));
	}
	const uint64_t took = (rte_rdtsc() - l.began) * 1000000u / g->hz;

	drain(g, DRAIN_US);
	report(g, took);
	printf("}\n");
}
