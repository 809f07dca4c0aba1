// SPDX-License-Identifier: BSD-2-Clause
// A TCP engine without a port: making it, time, packets in and out.

#include "tcp_rig.h"

#include "base/arena.h"
#include "base/hash.h"

#include <rte_eal.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUFFERS    2047
#define IN_BUFFERS 2047

static void failed(const char *what, const char *file, int line)
{
	fprintf(stderr, "%s:%d: %s\n", file, line, what);
	abort();
}

void (*tcp_rig_failed)(const char *what, const char *file, int line) = failed;

static void eal_start(void)
{
	static char *args[] = {"rig", "--no-huge", "--no-pci", "--no-shconf", "--no-telemetry",
		"-m", "64", "-l", "0", "--log-level=lib.*:error", NULL};
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
	TCP_RIG_CHECK(rte_eal_init((int)RTE_DIM(args) - 1, args) >= 0);
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

static uint64_t sum_of(const struct rte_mbuf *m)
{
	return base_hash_agreed(rte_pktmbuf_mtod(m, const void *), m->data_len) + m->pkt_len;
}

static void let_go_first(struct tcp_rig *r)
{
	TCP_RIG_CHECK(sum_of(r->held[0]) == r->held_sum[0]);
	rte_pktmbuf_free(r->held[0]);
	r->n_held--;
	memmove(&r->held[0], &r->held[1], r->n_held * sizeof(r->held[0]));
	memmove(&r->held_sum[0], &r->held_sum[1], r->n_held * sizeof(r->held_sum[0]));
}

void tcp_rig_let_go(struct tcp_rig *r)
{
	while (r->n_held > 0)
		let_go_first(r);
}

static void hold(struct tcp_rig *r, struct rte_mbuf *m)
{
	if (r->n_held == TCP_RIG_HELD)
		let_go_first(r);
	r->held[r->n_held] = m;
	r->held_sum[r->n_held++] = sum_of(m);
}

static void link_send(void *context, struct rte_mbuf *m, uint32_t route)
{
	struct tcp_rig *r = context;
	struct tcp_rig_packet *p = &r->out[r->n_out % TCP_RIG_OUT];
	const size_t length = m->pkt_len - IP_OFFSET;

	TCP_RIG_CHECK(route == 7);
	TCP_RIG_CHECK(m->nb_segs == 1 && m->l2_len == IP_OFFSET && m->data_len == m->pkt_len);
	TCP_RIG_CHECK(length <= r->mtu);
	TCP_RIG_CHECK(m->l3_len == (rte_pktmbuf_mtod(m, uint8_t *)[IP_OFFSET] >> 4 == 4 ? 20 : 40));
	if (!r->mute) {
		TCP_RIG_CHECK(r->n_out - r->next_out < TCP_RIG_OUT);
		p->at_us = r->now_us;
		p->length = (uint16_t)length;
		memcpy(p->bytes, rte_pktmbuf_mtod_offset(m, void *, IP_OFFSET), length);
		tcp_rig_sum(p->bytes, length);
		r->n_out++;
	}
	hold(r, m);
}

static void link_reply(void *context, struct rte_mbuf *m, const struct ip_packet *to)
{
	TCP_RIG_CHECK(to->m != NULL);
	link_send(context, m, 7);
}

static int link_route(void *context, const struct postern_addr *local,
	const struct postern_addr *remote, uint32_t *route, uint16_t *mtu)
{
	struct tcp_rig *r = context;

	TCP_RIG_CHECK(postern_addr_is_v4(local) == postern_addr_is_v4(remote));
	if (r->no_route != 0)
		return r->no_route;
	r->routes++;
	*route = 7;
	*mtu = r->mtu;
	return 0;
}

static void link_release(void *context, uint32_t route)
{
	struct tcp_rig *r = context;

	TCP_RIG_CHECK(route == 7);
	r->routes--;
}

static bool link_is_home(void *context, const struct ip_tuple *back)
{
	const struct tcp_rig *r = context;

	return r->home == 4 || rte_be_to_cpu_16(back->dport) % 4 == r->home;
}

struct tcp_rig_options tcp_rig_defaults(void)
{
	return (struct tcp_rig_options){.settings = tcp_settings_default()};
}

static struct rte_mempool *pool_new(const char *what, unsigned n)
{
	static unsigned number;
	char name[32];

	snprintf(name, sizeof(name), "%s%u", what, number++);
	struct rte_mempool *pool =
		rte_pktmbuf_pool_create(name, n, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);

	TCP_RIG_CHECK(pool != NULL);
	return pool;
}

// Pools are made once for a process, two engines at most stand at a time.
static struct rte_mempool *pools[2], *in_pools[2];
static bool pool_used[2];

static void pools_take(struct tcp_rig *r)
{
	const unsigned i = pool_used[0] ? 1 : 0;

	TCP_RIG_CHECK(!pool_used[i]);
	if (pools[i] == NULL) {
		pools[i] = pool_new("out", BUFFERS);
		in_pools[i] = pool_new("in", IN_BUFFERS);
	}
	pool_used[i] = true;
	r->pool = pools[i];
	r->in_pool = in_pools[i];
}

struct tcp_rig *tcp_rig_new(const struct tcp_rig_options *o)
{
	struct tcp_rig *r = calloc(1, sizeof(*r));

	TCP_RIG_CHECK(r != NULL);
	eal_start();
	pools_take(r);
	r->now_us = o->start_us != 0 ? o->start_us : 1000000;
	r->mtu = o->mtu != 0 ? o->mtu : 1500;
	r->home = 4;
	r->cuts = 1;
	struct tcp_setup setup = {
		.settings = o->settings,
		.link = {r, link_route, link_release, link_send, link_reply, link_is_home},
		.user = o->user,
		.pool = r->pool,
		.connections = o->connections != 0 ? o->connections : 64,
		.half_open = o->half_open != 0 ? o->half_open : 64,
		.time_wait = o->time_wait != 0 ? o->time_wait : 16,
		.listeners = 4,
		.buffers = o->buffers != 0 ? o->buffers : 1024,
		.now_us = r->now_us,
	};

	for (unsigned i = 0; i < sizeof(setup.secret); i++)
		setup.secret[i] = (uint8_t)(o->secret + i * 3);
	r->size = tcp_memory(&setup);
	r->memory = aligned_alloc(64, (r->size + 63) & ~(size_t)63);
	TCP_RIG_CHECK(r->memory != NULL);
	memset(r->memory, 0, r->size);
	r->t = tcp_init(r->memory, &setup);
	return r;
}

void tcp_rig_abandon(struct tcp_rig *r)
{
	for (unsigned i = 0; i < 2; i++)
		if (r->pool == pools[i])
			pool_used[i] = false;
	free(r->memory);
	free(r);
}

void tcp_rig_free(struct tcp_rig *r)
{
	tcp_rig_check(r);
	tcp_fini(r->t);
	tcp_rig_let_go(r);
	TCP_RIG_CHECK(r->routes == 0);
	TCP_RIG_CHECK(tcp_use(r->t).buffers == 0);
	TCP_RIG_CHECK(tcp_use(r->t).connections == 0);
	TCP_RIG_CHECK(tcp_use(r->t).addresses == 0);
	TCP_RIG_CHECK(rte_mempool_avail_count(r->pool) == BUFFERS);
	TCP_RIG_CHECK(rte_mempool_avail_count(r->in_pool) == IN_BUFFERS);
	tcp_rig_abandon(r);
}

void tcp_rig_check(struct tcp_rig *r)
{
	const char *wrong = tcp_check(r->t);

	if (wrong != NULL)
		tcp_rig_failed(wrong, __FILE__, __LINE__);
}

void tcp_rig_time(struct tcp_rig *r, uint64_t now_us)
{
	r->now_us = now_us;
	tcp_time(r->t, now_us);
	tcp_poll(r->t, 1000);
	tcp_flush(r->t);
}

const struct tcp_rig_packet *tcp_rig_take(struct tcp_rig *r)
{
	if (r->next_out == r->n_out)
		return NULL;
	return &r->out[r->next_out++ % TCP_RIG_OUT];
}

// The packet in `cuts` buffers, the first of which holds the headers.
static struct rte_mbuf *mbuf_of(struct tcp_rig *r, const uint8_t *bytes, size_t length)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(r->in_pool);
	size_t first = length;

	TCP_RIG_CHECK(m != NULL);
	if (r->cuts > 1 && length > 110)
		first = 100;
	memset(rte_pktmbuf_append(m, IP_OFFSET), 0, IP_OFFSET);
	memcpy(rte_pktmbuf_append(m, (uint16_t)first), bytes, first);
	for (size_t at = first; at < length;) {
		// Even sizes, as ports and fragments have them: rte_raw_cksum_mbuf() of this DPDK is
		// wrong for a buffer that begins at an odd offset.
		const size_t even = ((length - first) / (r->cuts - 1) + 2) & ~(size_t)1;
		const size_t n = RTE_MIN(length - at, even);
		struct rte_mbuf *more = rte_pktmbuf_alloc(r->in_pool);

		TCP_RIG_CHECK(more != NULL);
		memcpy(rte_pktmbuf_append(more, (uint16_t)n), bytes + at, n);
		TCP_RIG_CHECK(rte_pktmbuf_chain(m, more) == 0);
		at += n;
	}
	return m;
}

// False for what the layer below would drop.
static bool read_packet(
	struct tcp_rig *r, const uint8_t *bytes, size_t length, struct ip_packet *out)
{
	struct ip_packet p = {.ttl = 64};
	unsigned header, total;

	if (length < 20)
		return false;
	if (bytes[0] >> 4 == 4) {
		header = (bytes[0] & 0xfu) * 4u;
		total = (unsigned)(bytes[2] << 8 | bytes[3]);
		if (header < 20 || total > length || header > total ||
			rte_raw_cksum(bytes, header) != 0xffff)
			return false;
		p.family = POSTERN_V4;
		memcpy(&p.tuple.src.words[3], bytes + 12, 4);
		memcpy(&p.tuple.dst.words[3], bytes + 16, 4);
		p.tuple.src = postern_addr_from_v4(p.tuple.src.words[3]);
		p.tuple.dst = postern_addr_from_v4(p.tuple.dst.words[3]);
		p.tuple.proto = bytes[9];
	} else {
		header = 40;
		if (length < header || bytes[0] >> 4 != 6)
			return false;
		total = header + (unsigned)(bytes[4] << 8 | bytes[5]);
		if (total > length)
			return false;
		p.family = POSTERN_V6;
		memcpy(p.tuple.src.bytes, bytes + 8, 16);
		memcpy(p.tuple.dst.bytes, bytes + 24, 16);
		p.tuple.proto = bytes[6];
	}
	p.m = mbuf_of(r, bytes, total);
	p.l4 = (uint16_t)(IP_OFFSET + header);
	p.l4_length = (uint16_t)(total - header);
	*out = p;
	return true;
}

void tcp_rig_put(struct tcp_rig *r, const uint8_t *bytes, size_t length)
{
	struct ip_packet p;

	if (!read_packet(r, bytes, length, &p))
		return;
	if (p.tuple.proto == IPPROTO_TCP) {
		tcp_input(r->t, &p);
	} else if ((p.tuple.proto != IPPROTO_ICMP && p.tuple.proto != IPPROTO_ICMPV6) ||
		   !tcp_icmp(r->t, &p)) {
		rte_pktmbuf_free(p.m);
	}
}

void tcp_rig_put_burst(
	struct tcp_rig *r, const uint8_t (*bytes)[TCP_RIG_FRAME], const size_t *lengths, unsigned n)
{
	struct ip_packet p[TCP_RIG_BURST];

	TCP_RIG_CHECK(n <= TCP_RIG_BURST);
	for (unsigned i = 0; i < n; i++)
		TCP_RIG_CHECK(read_packet(r, bytes[i], lengths[i], &p[i]));
	tcp_input_burst(r->t, p, n);
}

static uint16_t checksum6(const struct rte_ipv6_hdr *ip, const void *l4)
{
	return rte_ipv6_udptcp_cksum(ip, l4);
}

void tcp_rig_sum(uint8_t *bytes, size_t length)
{
	const bool v4 = bytes[0] >> 4 == 4;
	const unsigned header = v4 ? (bytes[0] & 0xfu) * 4u : 40;
	const uint8_t proto = v4 ? bytes[9] : bytes[6];
	uint8_t *l4 = bytes + header;
	uint16_t sum;

	if (v4) {
		struct rte_ipv4_hdr *ip = (void *)bytes;

		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
	}
	if (proto == IPPROTO_TCP) {
		memset(l4 + 16, 0, 2);
		sum = v4 ? rte_ipv4_udptcp_cksum((void *)bytes, l4) : checksum6((void *)bytes, l4);
		memcpy(l4 + 16, &sum, 2);
	} else if (proto == IPPROTO_ICMP) {
		memset(l4 + 2, 0, 2);
		sum = (uint16_t)~rte_raw_cksum(l4, length - header);
		memcpy(l4 + 2, &sum, 2);
	}
}

static void put_16(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static void put_32(uint8_t *at, uint32_t v)
{
	put_16(at, v >> 16);
	put_16(at + 2, v & 0xffff);
}

static uint16_t get_16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t get_32(const uint8_t *at)
{
	return (uint32_t)get_16(at) << 16 | get_16(at + 2);
}

size_t tcp_rig_write(const struct tcp_rig_segment *s, uint8_t *bytes)
{
	const bool v4 = postern_addr_is_v4(&s->src);
	const unsigned options = (s->n_options + 3u) & ~3u;
	const uint16_t l4 = (uint16_t)(20 + options + s->length);
	const uint16_t header = ip_header_write(
		bytes, v4 ? POSTERN_V4 : POSTERN_V6, &s->src, &s->dst, IPPROTO_TCP, l4);
	uint8_t *tcp = bytes + header;

	memset(tcp, 0, 20 + options);
	put_16(tcp, s->sport);
	put_16(tcp + 2, s->dport);
	put_32(tcp + 4, s->seq);
	put_32(tcp + 8, s->ack);
	tcp[12] = (uint8_t)((20 + options) / 4 << 4);
	tcp[13] = s->flags;
	put_16(tcp + 14, s->window);
	put_16(tcp + 18, s->urgent);
	memcpy(tcp + 20, s->options, s->n_options);
	if (s->length > 0)
		memcpy(tcp + 20 + options, s->payload, s->length);
	tcp_rig_sum(bytes, (size_t)header + l4);
	return (size_t)header + l4;
}

bool tcp_rig_read(const uint8_t *bytes, size_t length, struct tcp_rig_segment *s)
{
	const bool v4 = bytes[0] >> 4 == 4;
	const unsigned header = v4 ? (bytes[0] & 0xfu) * 4u : 40;
	const uint8_t *tcp = bytes + header;
	uint32_t src, dst;

	memset(s, 0, sizeof(*s));
	if (length < header + 20 || (v4 ? bytes[9] : bytes[6]) != IPPROTO_TCP)
		return false;
	if (v4) {
		memcpy(&src, bytes + 12, 4);
		memcpy(&dst, bytes + 16, 4);
		s->src = postern_addr_from_v4(src);
		s->dst = postern_addr_from_v4(dst);
	} else {
		memcpy(s->src.bytes, bytes + 8, 16);
		memcpy(s->dst.bytes, bytes + 24, 16);
	}
	s->sport = get_16(tcp);
	s->dport = get_16(tcp + 2);
	s->seq = get_32(tcp + 4);
	s->ack = get_32(tcp + 8);
	s->flags = tcp[13];
	s->window = get_16(tcp + 14);
	s->urgent = get_16(tcp + 18);
	s->n_options = (uint8_t)((tcp[12] >> 4) * 4 - 20);
	if (length < header + 20u + s->n_options)
		return false;
	memcpy(s->options, tcp + 20, s->n_options);
	s->payload = tcp + 20 + s->n_options;
	s->length = (uint16_t)(length - header - 20 - s->n_options);
	return true;
}
