// SPDX-License-Identifier: BSD-2-Clause
// The engine's side of seeded connections with a kernel: engine LINK FIRST COUNT AT_ONCE. Several engines with
// other settings each stand behind one link. Each byte of standard input is answered with what the engines
// keep and have counted; the first one begins. A line of JSON for each connection that is over. Ends with
// standard input.

#include "tcp/tcp.h"
#include "wire/link.h"
#include "wire/plan.h"

#include <rte_ethdev.h>
#include <rte_ip.h>

#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFERS     24575
#define OUT_MAX     2048u
#define CONNECTIONS 2048
#define POLL_BUDGET 256
#define NAP_US      100u
#define CONNECT_MS  180000

// The kernel's end of the link, and ours.
static const struct rte_ether_addr kernel_mac = {{2, 0, 0, 0, 0, 2}};
static const struct rte_ether_addr own_mac = {{2, 0, 0, 0, 0, 1}};

struct conn {
	struct plan plan;
	struct tcp_conn *c;
	struct tcp *t;
	bool connected;
	bool closed;
	bool shut;
	bool finished;
	bool good;
	uint64_t random;
	struct plan_stream out;
	struct plan_stream in;
	uint32_t next; // of those that stand
	uint32_t prev;
};

struct instance {
	struct tcp *t;
	uint16_t mtu;
};

#define NONE UINT32_MAX

static struct instance instances[PLAN_INSTANCES];
static struct rte_mempool *pool;
static struct conn *conns; // by seed, from the first on
static uint32_t first, count, head = NONE, n_standing;
static bool *over; // likewise
static struct rte_mbuf *out[OUT_MAX];
static unsigned n_out;
static uint64_t ghosts;

// --- the link

static void flush_out(void)
{
	unsigned sent = 0;

	while (sent < n_out) {
		const uint16_t n = rte_eth_tx_burst(0, 0, out + sent, (uint16_t)(n_out - sent));

		if (n == 0)
			break;
		sent += n;
	}
	rte_pktmbuf_free_bulk(out + sent, n_out - sent); // a full ring is one more loss
	n_out = 0;
}

static void link_send(void *context, struct rte_mbuf *m, uint32_t route)
{
	struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	const bool v6 = (rte_pktmbuf_mtod(m, const uint8_t *)[sizeof(*eth)] >> 4) == 6;
	void *l3 = eth + 1;
	struct rte_tcp_hdr *tcp = (void *)((char *)l3 + m->l3_len);

	(void)context;
	(void)route;
	*eth = (struct rte_ether_hdr){.dst_addr = kernel_mac,
		.src_addr = own_mac,
		.ether_type = v6 ? RTE_BE16(RTE_ETHER_TYPE_IPV6) : RTE_BE16(RTE_ETHER_TYPE_IPV4)};
	tcp->cksum = 0;
	tcp->cksum = v6 ? rte_ipv6_udptcp_cksum(l3, tcp) : rte_ipv4_udptcp_cksum(l3, tcp);
	if (n_out == OUT_MAX)
		flush_out();
	out[n_out++] = m;
}

static void link_reply(void *context, struct rte_mbuf *m, const struct ip_packet *to)
{
	(void)to;
	link_send(context, m, 0);
}

static int link_route(void *context, const struct postern_addr *local,
	const struct postern_addr *remote, uint32_t *route, uint16_t *mtu)
{
	const struct instance *i = context;

	(void)local;
	(void)remote;
	*route = 0;
	*mtu = i->mtu;
	return 0;
}

static void link_release(void *context, uint32_t route)
{
	(void)context;
	(void)route;
}

// False if no engine has taken the packet.
static bool put(struct rte_mbuf *m)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *), *l3 = frame + IP_OFFSET;
	struct ip_packet p = {.m = m, .ttl = 64};
	unsigned header, total;

	if (m->data_len < IP_OFFSET + 40u)
		return false;
	if (frame[12] == 0x08 && frame[13] == 0x00 && l3[0] >> 4 == 4) {
		header = (l3[0] & 0xfu) * 4u;
		total = (unsigned)(l3[2] << 8 | l3[3]);
		if (header < 20 || header > total || rte_raw_cksum(l3, header) != 0xffff ||
			((l3[6] & 0x3f) | l3[7]) != 0)
			return false;
		uint32_t words[2];

		memcpy(words, l3 + 12, sizeof(words));
		p.family = POSTERN_V4;
		p.tuple.src = postern_addr_from_v4(words[0]);
		p.tuple.dst = postern_addr_from_v4(words[1]);
		p.tuple.proto = l3[9];
	} else if (frame[12] == 0x86 && frame[13] == 0xdd && l3[0] >> 4 == 6) {
		header = 40;
		total = header + (unsigned)(l3[4] << 8 | l3[5]);
		p.family = POSTERN_V6;
		memcpy(p.tuple.src.bytes, l3 + 8, 16);
		memcpy(p.tuple.dst.bytes, l3 + 24, 16);
		p.tuple.proto = l3[6];
	} else {
		return false;
	}
	if (IP_OFFSET + total > m->data_len)
		return false;
	rte_pktmbuf_trim(m, (uint16_t)(m->data_len - IP_OFFSET - total)); // Ethernet's padding
	const unsigned to = (unsigned)(p.tuple.dst.bytes[15] - 1);
	uint8_t wanted[16];

	if (to >= PLAN_INSTANCES)
		return false;
	plan_engine_address(to, p.family == POSTERN_V6, wanted);
	if (memcmp(p.family == POSTERN_V6 ? p.tuple.dst.bytes : p.tuple.dst.bytes + 12, wanted,
		    p.family == POSTERN_V6 ? 16 : 4) != 0)
		return false;
	p.l4 = (uint16_t)(IP_OFFSET + header);
	p.l4_length = (uint16_t)(total - header);
	if (p.tuple.proto == IPPROTO_TCP) {
		tcp_input(instances[to].t, &p);
		return true;
	}
	return (p.tuple.proto == IPPROTO_ICMP || p.tuple.proto == IPPROTO_ICMPV6) &&
	       tcp_icmp(instances[to].t, &p);
}

static unsigned receive(void)
{
	struct rte_mbuf *pkts[LINK_BURST];
	const uint16_t n = rte_eth_rx_burst(0, 0, pkts, LINK_BURST);

	for (uint16_t i = 0; i < n; i++)
		if (!put(pkts[i]))
			rte_pktmbuf_free(pkts[i]);
	return n;
}

// --- engines

static void instance_new(unsigned i)
{
	struct instance *e = &instances[i];
	struct tcp_setup setup = {
		.settings = tcp_settings_default(),
		.link = {e, link_route, link_release, link_send, link_reply, NULL},
		.pool = pool,
		.connections = CONNECTIONS,
		.half_open = CONNECTIONS,
		.time_wait = CONNECTIONS,
		.listeners = 2,
		.buffers = (BUFFERS - 4096) / PLAN_INSTANCES,
		.now_us = link_now_us(),
	};
	struct tcp_settings *s = &setup.settings;

	e->mtu = (uint16_t)(i == 7 ? 1280 : i == 3 ? 1400 : 1500);
	s->timestamps = i != 1 && i != 4;
	s->sack = i != 2 && i != 4;
	s->window_scale = i != 3 && i != 4;
	s->nagle = i == 7;
	s->cookies_from = i == 5 ? 0 : s->cookies_from;
	s->time_wait = 2000;
	s->fin_wait = 5000;
	// A reset that was lost is made up for by the answer to a probe.
	s->keepalive = i == 0 ? 300 : 5000;
	s->keepalive_interval = 1000;
	s->connection_buffers = i == 6 ? 16 : 128;
	s->receive_buffer = i == 6 ? 4000 : i == 2 ? 1 << 20 : s->receive_buffer;
	s->send_buffer = i == 6 ? 4000 : s->send_buffer;
	for (unsigned k = 0; k < sizeof(setup.secret); k++)
		setup.secret[k] = (uint8_t)(k * 7 + i * 31);
	const size_t size = (tcp_memory(&setup) + 63) & ~(size_t)63;
	void *memory = aligned_alloc(64, size);

	if (memory == NULL)
		exit(1);
	memset(memory, 0, size);
	e->t = tcp_init(memory, &setup);
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct postern_endpoint local = {.port = PLAN_PORT};
		uint8_t bytes[16];

		plan_engine_address(i, v6, bytes);
		if (v6) {
			memcpy(local.addr.bytes, bytes, 16);
		} else {
			uint32_t word;

			memcpy(&word, bytes, 4);
			local.addr = postern_addr_from_v4(word);
		}
		if (tcp_listen(e->t, &local, NULL) < 0)
			exit(1);
	}
}

static struct postern_addr addr_of(bool v6, const uint8_t *bytes)
{
	struct postern_addr a = {0};
	uint32_t word;

	if (v6) {
		memcpy(a.bytes, bytes, 16);
		return a;
	}
	memcpy(&word, bytes, 4);
	return postern_addr_from_v4(word);
}

// --- connections

static struct conn *conn_begin(uint32_t seed)
{
	struct conn *c = &conns[seed - first];

	c->plan = plan_of(seed);
	c->t = instances[c->plan.instance].t;
	c->good = true;
	c->random = seed * 11ull + 3;
	plan_stream_begin(&c->out);
	plan_stream_begin(&c->in);
	c->prev = NONE;
	c->next = head;
	if (head != NONE)
		conns[head].prev = seed - first;
	head = seed - first;
	n_standing++;
	return c;
}

static void conn_over(struct conn *c, const char *end)
{
	const uint32_t i = (uint32_t)(c - conns);

	plan_report(c->plan.seed, end, c->good, &c->out, &c->in);
	if (c->prev == NONE)
		head = c->next;
	else
		conns[c->prev].next = c->next;
	if (c->next != NONE)
		conns[c->next].prev = c->prev;
	n_standing--;
	tcp_release(c->t, c->c);
	c->c = NULL;
	over[i] = true;
}

static void open_one(uint32_t seed)
{
	struct conn *c = conn_begin(seed);
	uint8_t own[16], other[16];

	plan_engine_address(c->plan.instance, c->plan.v6, own);
	plan_kernel_address(seed, c->plan.v6, other);
	const struct postern_addr local = addr_of(c->plan.v6, own);
	const struct postern_endpoint remote = {addr_of(c->plan.v6, other), PLAN_PORT};
	const int rc = tcp_connect(c->t, &local, &remote, CONNECT_MS, c, &c->c);

	if (rc < 0) {
		fprintf(stderr, "seed %u: connect: %s\n", seed, strerror(-rc));
		exit(1);
	}
}

static struct conn *accepted(const struct tcp_event *e, struct tcp *t)
{
	const struct postern_endpoint remote = tcp_conn_remote(e->conn);
	const bool v6 = !postern_addr_is_v4(&remote.addr);
	const uint32_t seed = plan_seed_of(v6, v6 ? remote.addr.bytes : remote.addr.bytes + 12);

	// An ACK that carries a cookie and comes a second time, of a connection that is over: nothing
	// was kept that could tell.
	if (seed - first >= count || over[seed - first] || conns[seed - first].c != NULL) {
		ghosts++;
		tcp_abort(t, e->conn);
		tcp_release(t, e->conn);
		return NULL;
	}
	struct conn *c = conn_begin(seed);

	c->c = e->conn;
	c->connected = true;
	tcp_conn_set_user(e->conn, c);
	return c;
}

static void take_events(struct tcp *t)
{
	struct tcp_event events[64];
	unsigned n;

	while ((n = tcp_events(t, events, 64)) > 0) {
		for (unsigned i = 0; i < n; i++) {
			const struct tcp_event *e = &events[i];
			struct conn *c = e->what & TCP_EVENT_ACCEPTED ? accepted(e, t) : e->user;

			if (c == NULL)
				continue;
			c->connected |= (e->what & TCP_EVENT_CONNECTED) != 0;
			c->closed |= (e->what & TCP_EVENT_CLOSED) != 0;
		}
	}
}

static void read_some(struct conn *c)
{
	struct iovec iov[8];
	const unsigned n = tcp_peek(c->t, c->c, iov, 8);
	size_t most = plan_draw(&c->random, 8) == 0 ? plan_draw(&c->random, 2000) : SIZE_MAX;
	size_t done = 0;

	for (unsigned i = 0; i < n && most > 0; i++) {
		const size_t part = RTE_MIN(most, iov[i].iov_len);

		c->good &= plan_read(&c->in, c->plan.seed, PLAN_KERNEL, iov[i].iov_base, part);
		most -= part;
		done += part;
	}
	tcp_consume(c->t, c->c, done);
	if (tcp_is_finished(c->c) && tcp_readable(c->c) == 0)
		c->finished = true;
}

static void write_some(struct conn *c)
{
	const uint64_t left = c->plan.bytes[PLAN_ENGINE] - c->out.n;
	const uint32_t wish = plan_draw(&c->random, plan_draw(&c->random, 4) == 0 ? 9000 : 600) + 1;
	struct iovec iov[8];
	size_t got = tcp_reserve(c->t, c->c, RTE_MIN(left, wish), iov, 8);

	// Not all that was reserved is used, now and then.
	if (got > 1 && plan_draw(&c->random, 4) == 0)
		got -= plan_draw(&c->random, (uint32_t)got);
	tcp_commit(c->t, c->c, got);
	for (unsigned i = 0; got > 0; i++) {
		const size_t part = RTE_MIN(got, iov[i].iov_len);

		plan_write(&c->out, c->plan.seed, PLAN_ENGINE, iov[i].iov_base, part);
		got -= part;
	}
}

static bool end_early(struct conn *c)
{
	const enum plan_end end = c->plan.end[PLAN_ENGINE];

	if (end == PLAN_CLOSE || c->in.n + c->out.n < c->plan.end_at[PLAN_ENGINE])
		return false;
	if (end == PLAN_RESET)
		tcp_abort(c->t, c->c);
	conn_over(c, end == PLAN_RESET ? "reset by plan" : "left by plan");
	return true;
}

static void act(struct conn *c)
{
	const uint32_t all = c->plan.bytes[PLAN_ENGINE];

	if (plan_draw(&c->random, 4) == 0)
		return;
	if (c->connected && !c->closed && end_early(c))
		return;
	read_some(c);
	if (c->closed) {
		const enum tcp_reason reason = tcp_conn_reason(c->c);

		if (tcp_readable(c->c) == 0)
			conn_over(c, reason == TCP_REASON_FIN && c->finished ? "closed"
				     : reason == TCP_REASON_RESET            ? "reset"
								  : tcp_reason_text(reason));
		return;
	}
	if (c->out.n < all) {
		write_some(c);
	} else if (c->connected && !c->shut && plan_draw(&c->random, 8) == 0) {
		tcp_shutdown(c->t, c->c);
		c->shut = true;
	}
	// Half of them leave the rest to the engine.
	if (c->shut && c->finished && plan_draw(&c->random, 2) == 0)
		conn_over(c, "closed");
}

static void turn(void)
{
	const uint64_t now = link_now_us();

	for (unsigned i = 0; i < PLAN_INSTANCES; i++)
		tcp_time(instances[i].t, now);
	const unsigned n = receive();

	for (unsigned i = 0; i < PLAN_INSTANCES; i++) {
		tcp_poll(instances[i].t, POLL_BUDGET);
		take_events(instances[i].t);
	}
	for (uint32_t i = head; i != NONE;) {
		struct conn *c = &conns[i];

		i = c->next;
		act(c);
	}
	for (unsigned i = 0; i < PLAN_INSTANCES; i++)
		tcp_flush(instances[i].t);
	flush_out();
	if (n < LINK_BURST)
		link_sleep(NAP_US);
}

// What engines keep when everything is over, counters, and whether it all agrees.
static void report(void)
{
	struct tcp_use u = {0};
	const char *wrong = NULL;

	for (unsigned i = 0; i < PLAN_INSTANCES; i++) {
		const struct tcp_use one = tcp_use(instances[i].t);

		u.connections += one.connections;
		u.half_open += one.half_open;
		u.time_wait += one.time_wait;
		u.buffers += one.buffers;
		wrong = wrong != NULL ? wrong : tcp_check(instances[i].t);
	}
	printf("{\"left\": %u, \"connections\": %u, \"half_open\": %u, \"time_wait\": %u, "
	       "\"buffers\": %u, \"ghosts\": %llu, \"check\": \"%s\"",
		n_standing, u.connections, u.half_open, u.time_wait, u.buffers,
		(unsigned long long)ghosts, wrong != NULL ? wrong : "");
	for (unsigned k = 0; k < TCP_COUNTER_COUNT; k++) {
		uint64_t sum = 0;

		for (unsigned i = 0; i < PLAN_INSTANCES; i++)
			sum += tcp_count(instances[i].t, k);
		printf(", \"%s\": %llu", tcp_counter_name(k), (unsigned long long)sum);
	}
	printf("}\n");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	if (argc != 5) {
		fprintf(stderr,
			"usage: engine LINK FIRST COUNT AT_ONCE\n    LINK is one of\n" LINK_HELP);
		return 2;
	}
	first = (uint32_t)atoi(argv[2]);
	count = (uint32_t)atoi(argv[3]);
	const unsigned at_once = (unsigned)atoi(argv[4]);
	uint32_t next = first;
	bool asked = false;

	pool = links_open(argv[0], (const char *const *)argv + 1, 1, BUFFERS, -1);
	conns = calloc(count, sizeof(*conns));
	over = calloc(count, sizeof(*over));
	if (conns == NULL || over == NULL)
		return 1;
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (unsigned i = 0; i < PLAN_INSTANCES; i++)
		instance_new(i);
	printf("{\"ready\": true}\n");
	for (;;) {
		struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
		char byte;

		turn();
		for (; asked && next - first < count && n_standing < at_once; next++)
			if (plan_of(next).engine_opens)
				open_one(next);
		if (poll(&input, 1, 0) > 0) {
			if (read(STDIN_FILENO, &byte, 1) <= 0)
				break;
			asked = true;
			report();
		}
	}
	report();
	for (unsigned i = 0; i < PLAN_INSTANCES; i++)
		tcp_fini(instances[i].t);
	flush_out();
	rte_eth_dev_stop(0);
	rte_eth_dev_close(0);
	free(conns);
	free(over);
	return 0;
}
