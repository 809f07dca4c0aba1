// SPDX-License-Identifier: BSD-2-Clause
// A worker without ports: making it, time, packets in and out.

#include "rig.h"

#include "base/arena.h"

#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_ring_elem.h>
#include <rte_thash.h>

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RIG_ASAN
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define RIG_ASAN
#endif

#ifdef RIG_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, size)   ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

#define BUFFERS 4095
#define CACHE   64

// A turn may leave work for the next; a rig that is never done is a loop.
#define TURNS_MAX 1000000

static void failed(const char *what, const char *file, int line)
{
	fprintf(stderr, "%s:%d: %s\n", file, line, what);
	abort();
}

void (*rig_failed)(const char *what, const char *file, int line) = failed;

// The rig that stands: where packets go that overflow a transmit queue, and what a test that
// failed has left behind.
static struct rig *catcher;

static void eal_start(void)
{
	static char *args[] = {"rig", "--no-huge", "--no-pci", "--no-shconf", "--no-telemetry",
		"-m", "128", "-l", "0", "--log-level=lib.*:error", NULL};
	static bool started;
	cpu_set_t cpus;

	if (started)
		return;
	started = true;
	// EAL pins its main thread; several tests run at once and would all sit on one CPU.
	sched_getaffinity(0, sizeof(cpus), &cpus);
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		static char first[8];

		if (!CPU_ISSET(cpu, &cpus))
			continue;
		snprintf(first, sizeof(first), "%zu", cpu);
		args[8] = first;
		break;
	}
	RIG_CHECK(rte_eal_init((int)RTE_DIM(args) - 1, args) >= 0);
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

// What a port that writes checksums does before the packet leaves.
static void complete_offload(const struct rte_mbuf *m, uint8_t *frame)
{
	if (m->ol_flags & RTE_MBUF_F_TX_L4_MASK) {
		const bool v6 = m->ol_flags & RTE_MBUF_F_TX_IPV6;
		const uint64_t kind = m->ol_flags & RTE_MBUF_F_TX_L4_MASK;
		const unsigned at = kind == RTE_MBUF_F_TX_TCP_CKSUM ? 16 : 6;
		uint8_t *l4 = frame + m->l2_len + m->l3_len;

		RIG_CHECK(kind == RTE_MBUF_F_TX_TCP_CKSUM || kind == RTE_MBUF_F_TX_UDP_CKSUM);
		RIG_CHECK(v6 || (m->ol_flags & RTE_MBUF_F_TX_IPV4));
		RIG_CHECK(m->l2_len == 14 && m->l3_len >= (v6 ? 40 : 20));
		RIG_CHECK(m->l2_len + m->l3_len + at + 2u <= m->data_len);
		uint32_t sum = rig_sum(l4, (size_t)m->data_len - m->l2_len - m->l3_len, 0);

		sum = (sum >> 16) + (sum & 0xffff);
		sum = ~((sum >> 16) + sum) & 0xffff;
		if (sum == 0 && at == 6)
			sum = 0xffff;
		l4[at] = (uint8_t)(sum >> 8);
		l4[at + 1] = (uint8_t)sum;
	}
	if (m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM) {
		uint8_t *ip = frame + m->l2_len;
		uint32_t sum;

		ip[10] = ip[11] = 0;
		sum = rig_sum(ip, m->l3_len, 0);
		sum = (sum >> 16) + (sum & 0xffff);
		sum = ~((sum >> 16) + sum) & 0xffff;
		ip[10] = (uint8_t)(sum >> 8);
		ip[11] = (uint8_t)sum;
	}
}

static void catch_one(struct rig *r, uint16_t interface, struct rte_mbuf *m)
{
	struct rig_packet p = {.interface = interface, .length = m->data_len};

	RIG_CHECK(m->nb_segs == 1 && m->data_len == m->pkt_len);
	RIG_CHECK(m->data_len >= 14 && m->data_len <= sizeof(p.bytes));
	memcpy(p.bytes, rte_pktmbuf_mtod(m, void *), m->data_len);
	complete_offload(m, p.bytes);
	rte_pktmbuf_free(m);
	if (rig_is_request(&p)) {
		if (!r->deaf) {
			RIG_CHECK(r->n_ask < RTE_DIM(r->ask));
			r->ask[r->n_ask++] = p;
		}
		if (!r->shows_requests)
			return;
	}
	RIG_CHECK(r->n_out < RIG_OUT_MAX);
	r->out[r->n_out++] = p;
}

static uint16_t catch_flushed(void *queue, struct rte_mbuf **pkts, uint16_t n)
{
	const uint16_t interface = (uint16_t)((uintptr_t)queue - 1);

	for (uint16_t i = 0; i < n; i++)
		catch_one(catcher, interface, pkts[i]);
	return n;
}

static void catch_sent(struct rig *r, struct worker *w)
{
	for (uint16_t i = 0; i < r->dp->n_ports; i++) {
		struct port_tx *tx = &w->tx[i];

		for (uint16_t n = 0; n < tx->count; n++)
			catch_one(r, i, tx->pkts[n]);
		tx->count = 0;
	}
}

// Lets workers take what the others have for them, until nothing is left on the way.
static void exchange(struct rig *r)
{
	unsigned taken;

	if (r->dp->n_workers == 1)
		return;
	do {
		taken = 0;
		for (unsigned i = 0; i < r->dp->n_workers; i++) {
			struct worker *w = r->dp->workers[i];

			taken += w->ip.n_learnt;
			worker_share_learnt(w);
		}
		for (unsigned i = 0; i < r->dp->n_workers; i++)
			taken += worker_take_handed(r->dp->workers[i]);
	} while (taken > 0);
}

static void catch_all(struct rig *r)
{
	exchange(r);
	for (unsigned i = 0; i < r->dp->n_workers; i++)
		catch_sent(r, r->dp->workers[i]);
	if (r->answering)
		return;
	r->answering = true;
	while (r->next_ask < r->n_ask) {
		const struct rig_packet request = r->ask[r->next_ask++];

		rig_answer_request(r, &request);
	}
	r->next_ask = r->n_ask = 0;
	r->answering = false;
}

// Pools serve one rig after the other, unless a test that failed has left one with holes.
static struct rte_mempool *pool_new(const char *name)
{
	struct rte_mempool *pool = rte_mempool_lookup(name);

	if (pool != NULL && rte_mempool_avail_count(pool) == BUFFERS)
		return pool;
	rte_mempool_free(pool);
	pool = rte_pktmbuf_pool_create(
		name, BUFFERS, CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	RIG_CHECK(pool != NULL);
	return pool;
}

static void ports_new(struct rig *r, const struct rig_options *o)
{
	static void *queues[RTE_MAX_ETHPORTS][1];

	r->dp->n_ports = o->world.one_arm ? 1 : 2;
	for (uint16_t i = 0; i < r->dp->n_ports; i++) {
		r->dp->ports[i] = (struct port){.id = i,
			.mtu = o->world.mtu && i == RIG_INSIDE ? o->world.mtu : 1500,
			.mac = rig_own_mac(i),
			.rx_checksum = o->rx_checksum,
			.tx_checksum = o->tx_checksum,
			.rx_queues = 1,
			.tx_queues = 1,
			.side = i == RIG_OUTSIDE ? BASE_HOME_SOURCE : BASE_HOME_DESTINATION,
			.started = true};
		if (o->rss) {
			r->dp->ports[i].rss = POSTERN_RSS_VERIFIED;
			r->dp->ports[i].rss_kinds = port_rss_kinds(r->dp->ports[i].side);
			memcpy(r->dp->ports[i].rss_key, r->dp->home.key[r->dp->ports[i].side],
				BASE_HOME_KEY);
		}
		// A transmit queue that overflows is flushed in the middle of a burst.
		queues[i][0] = (void *)(uintptr_t)(i + 1u);
		rte_eth_fp_ops[i].tx_pkt_burst = catch_flushed;
		rte_eth_fp_ops[i].txq.data = queues[i];
	}
}

static void workers_free(struct rig *r)
{
	for (unsigned i = 0; i < r->dp->n_workers; i++) {
		worker_free(r->dp->workers[i]);
		r->dp->workers[i] = NULL;
	}
	r->w = NULL;
}

static void dispose(struct rig *r)
{
	workers_free(r);
	while (r->dp->epoch != NULL) {
		struct worker_epoch *next = r->dp->epoch->next;

		worker_epoch_free(r->dp->epoch);
		r->dp->epoch = next;
	}
	free(r->dp);
	catcher = NULL;
}

void rig_free(struct rig *r)
{
	catch_all(r);
	rig_check_steer(r);
	// What is not back waits for a neighbour or for the rest of its packet.
	const unsigned back =
		rte_mempool_avail_count(r->in_pool) + rte_mempool_avail_count(r->dp->pool);

	unsigned waiting = 0;

	for (unsigned i = 0; i < r->dp->n_workers; i++)
		waiting +=
			r->dp->workers[i]->ip.neigh_waiting + r->dp->workers[i]->ip.fragments_held;
	RIG_CHECK(back + waiting == 2 * BUFFERS);
	workers_free(r);
	RIG_CHECK(rte_mempool_avail_count(r->in_pool) == BUFFERS);
	RIG_CHECK(rte_mempool_avail_count(r->dp->pool) == BUFFERS);
	dispose(r);
}

// RIG_WORKERS: so many workers, and each packet comes in at any of them.
static unsigned workers_wanted(void)
{
	const char *text = getenv("RIG_WORKERS");
	const unsigned n = text != NULL ? (unsigned)atoi(text) : 1;

	RIG_CHECK(n >= 1 && n <= MAX_WORKERS);
	return n;
}

struct rig *rig_new(const struct rig_options *options)
{
	static struct rig the_one; // its packets alone are megabytes, too much to clear each time
	struct rig *r = &the_one;

	eal_start();
	if (catcher != NULL)
		dispose(catcher);
	memset(r, 0, offsetof(struct rig, ask));
	r->dp = calloc(1, sizeof(*r->dp));
	RIG_CHECK(r->dp != NULL);
	catcher = r;
	r->w = NULL;
	r->dp->n_workers = workers_wanted();
	r->world = options->world;
	r->deaf = options->deaf;
	r->now_us = options->start_us ? options->start_us : RIG_S;
	r->dp->events_fd = -1;
	r->dp->wanted_fd = -1;
	r->dp->policy = options->policy;
	r->dp->pool = pool_new("own");
	r->in_pool = pool_new("in");
	if (options->secret != 0)
		memset(&r->dp->secret, options->secret, sizeof(r->dp->secret));
	else
		RIG_CHECK(base_secret_draw(&r->dp->secret) == 0);
	base_home_init(&r->dp->home, &r->dp->secret, r->dp->n_workers, RIG_HOME_BITS);
	ports_new(r, options);

	// The clock that readers use stands at the rig's time: one microsecond in 2^20 ticks.
	r->dp->clock.multiplier = 1u << 12;
	r->dp->clock.origin = rte_rdtsc() - (r->now_us << 20);
	struct postern_snapshot *s = rig_snapshot(&r->world);

	for (unsigned i = 0; i < s->n_members; i++)
		postern_member_set_health(r->dp, s->members[i].id, POSTERN_MEMBER_TAKES_NEW);
	RIG_CHECK(worker_epoch_build(&r->dp->epoch, r->dp, s, NULL) == 0);
	s->epoch = 1;
	for (unsigned i = 0; i < r->dp->n_workers; i++) {
		RIG_CHECK(worker_new(r->dp, (uint8_t)i, options->sessions ? options->sessions : 64,
				  options->flows ? options->flows : 64) == 0);
		r->dp->workers[i]->ip.now_us = r->now_us;
	}
	RIG_CHECK(worker_rings_new(r->dp) == 0);
	r->w = r->dp->workers[0];
	if (!options->announces) {
		// Announcements of the start, and the neighbours that it asks for.
		rig_advance_slowly(r, 10 * RIG_S, 100 * RIG_MS);
		rig_discard(r);
	}
	return r;
}

void rig_turn(struct rig *r)
{
	unsigned turns = 0;
	bool more;

	for (unsigned i = 0; i < r->dp->n_workers; i++)
		r->dp->workers[i]->ip.now_us = r->now_us;
	r->dp->clock.origin = rte_rdtsc() - (r->now_us << 20);
	do {
		more = false;
		for (unsigned i = 0; i < r->dp->n_workers; i++) {
			ip_poll(&r->dp->workers[i]->ip);
			more |= steer_poll(r->dp->workers[i]->steer);
		}
		catch_all(r);
		RIG_CHECK(turns++ < TURNS_MAX);
	} while (more);
}

void rig_advance(struct rig *r, uint64_t us)
{
	r->now_us += us;
	rig_turn(r);
}

void rig_advance_slowly(struct rig *r, uint64_t us, uint64_t step_us)
{
	for (uint64_t gone = 0; gone < us; gone += step_us)
		rig_advance(r, RTE_MIN(step_us, us - gone));
}

// Where a port with RSS puts a packet, in DPDK's own arithmetic; otherwise anywhere.
static unsigned queue_of(const struct rig *r, uint16_t interface, const uint8_t *frame)
{
	const struct port *port = &r->dp->ports[interface];
	const bool v6 = frame[12] == 0x86;
	const uint8_t proto = frame[v6 ? 20 : 23];

	if (port->rss != POSTERN_RSS_VERIFIED || (proto != 6 && proto != 17))
		return (unsigned)rand() % r->dp->n_workers;
	if (v6 && port->side == BASE_HOME_DESTINATION)
		return 0;
	// Source and destination, then the ports, as they follow one another in the packet.
	uint32_t words[9];
	const unsigned n = v6 ? 9 : 3;

	memcpy(words, frame + (v6 ? 22 : 26), n * 4);
	for (unsigned i = 0; i < n; i++)
		words[i] = rte_be_to_cpu_32(words[i]);
	const uint32_t hash = rte_softrss(words, n, port->rss_key);

	return r->dp->home.worker[hash % (1u << r->dp->home.bits)];
}

void rig_put(struct rig *r, uint16_t interface, const void *bytes, size_t length)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(r->in_pool);

	RIG_CHECK(m != NULL);
	if (!r->answering && r->next_out == r->n_out)
		rig_discard(r);
	uint8_t *data = rte_pktmbuf_mtod(m, uint8_t *);
	const size_t room = (size_t)m->buf_len - m->data_off;

	RIG_CHECK(length <= room && interface < r->dp->n_ports);
	memset(data, 0xa5, room);
	memcpy(data, bytes, length);
	m->data_len = (uint16_t)length;
	m->pkt_len = (uint32_t)length;
	m->ol_flags = r->rx_flags;
	m->port = interface;
	for (unsigned i = 0; i < r->dp->n_workers; i++)
		r->dp->workers[i]->ip.now_us = r->now_us;
	// A look behind the packet's end is found out.
	ASAN_POISON_MEMORY_REGION(data + length, room - length);
	worker_burst(r->dp->workers[queue_of(r, interface, bytes)], interface, &m, 1);
	exchange(r);
	ASAN_UNPOISON_MEMORY_REGION(data, room);
	catch_all(r);
}

const struct rig_packet *rig_take(struct rig *r)
{
	return r->next_out < r->n_out ? &r->out[r->next_out++] : NULL;
}

unsigned rig_waiting(const struct rig *r)
{
	return r->n_out - r->next_out;
}

void rig_discard(struct rig *r)
{
	r->n_out = r->next_out = 0;
}

void rig_health(struct rig *r, uint16_t member, uint32_t word)
{
	postern_member_set_health(r->dp, member, word);
	rig_turn(r);
}

uint32_t rig_held(const struct rig *r)
{
	uint32_t held = 0;

	for (unsigned i = 0; i < r->dp->n_workers; i++)
		held += r->dp->workers[i]->ip.fragments_held;
	return held;
}

uint64_t rig_count(const struct rig *r, enum postern_counter c)
{
	uint64_t all[POSTERN_COUNTER_COUNT];

	postern_counters_read(r->dp, all);
	return all[c];
}

uint64_t rig_count_ends(const struct rig *r)
{
	uint64_t all[POSTERN_COUNTER_COUNT], sum;

	postern_counters_read(r->dp, all);
	sum = all[POSTERN_COUNTER_ARP_ANSWERED] + all[POSTERN_COUNTER_ND_ANSWERED] +
	      all[POSTERN_COUNTER_ECHO_ANSWERED] + all[POSTERN_COUNTER_ARP_IGNORED] +
	      all[POSTERN_COUNTER_ND_IGNORED];
	for (unsigned i = POSTERN_COUNTER_REFUSE_NO_MEMBER; i <= POSTERN_COUNTER_DROP_NO_BUFFER;
		i++)
		sum += all[i];
	return sum;
}

void rig_adopt_snapshot(struct rig *r, struct postern_snapshot *s)
{
	RIG_CHECK(postern_dataplane_publish(r->dp, s) > 0);
	for (unsigned i = 0; i < r->dp->n_workers; i++) {
		struct worker *w = r->dp->workers[i];

		w->ip.now_us = r->now_us;
		ip_adopt(&w->ip, &r->dp->epoch->ip);
		steer_adopt(w->steer, &r->dp->epoch->steer);
		w->adopted = s->epoch;
	}
	postern_dataplane_reclaim(r->dp);
	RIG_CHECK(r->dp->epoch->next == NULL);
	rig_turn(r);
}

void rig_adopt(struct rig *r, const struct rig_world *world)
{
	r->world = *world;
	rig_adopt_snapshot(r, rig_snapshot(world));
}
