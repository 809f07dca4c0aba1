// SPDX-License-Identifier: BSD-2-Clause
// The load generator's connections on our engine, and forged SYNs past it.

#include "bench/load/engine.h"
#include "bench/load/stack.h"

#include "postern/addr.h"

#include <rte_cycles.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECES      16
#define FLOOD_BURST 64

// Forged SYNs come from here on.
#define FLOOD_FROM 0x14000000u // 20.0.0.0

static struct engine engine;
static struct postern_addr server, first_client;
static uint32_t clients;

static struct {
	double rate; // a second
	double due;
	uint64_t last; // TSC
	uint64_t sent;
	uint32_t spread;
	uint32_t at;
	uint16_t port;
} flood;

// What answers forged SYNs is nobody's, and never reaches the engine.
static bool is_answer_to_flood(struct rte_mbuf *m)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);

	if (flood.spread == 0 || frame[12] != 8 || frame[13] != 0 || frame[30] < 20 ||
		frame[30] > 24)
		return false;
	rte_pktmbuf_free(m);
	return true;
}

static const char *word(int argc, char **argv, const char *name)
{
	const size_t length = strlen(name);

	for (int i = 1; i < argc; i++)
		if (strncmp(argv[i], name, length) == 0 && argv[i][length] == '=')
			return argv[i] + length + 1;
	fprintf(stderr, "%s= is wanted\n", name);
	exit(1);
}

void stack_open(int argc, char **argv)
{
	if (postern_addr_parse(word(argc, argv, "server"), &server) < 0 ||
		postern_addr_parse(word(argc, argv, "client"), &first_client) < 0) {
		fprintf(stderr, "server= and client= are addresses\n");
		exit(1);
	}
	clients = (uint32_t)engine_number(argc, argv, "clients", 256);
	engine.any_destination = true;
	engine.filter = is_answer_to_flood;
	engine_open(&engine, argc, argv);
}

static struct postern_addr client_address(uint32_t client)
{
	const uint32_t first = rte_be_to_cpu_32(first_client.words[3]);

	return postern_addr_from_v4(rte_cpu_to_be_32(first + client % clients));
}

int stack_connect(struct stack_end *e, uint32_t client, uint16_t port)
{
	const struct postern_addr from = client_address(client);
	const struct postern_endpoint to = {server, port};

	e->stuck = false;
	e->fd = 0;
	return tcp_connect(engine.tcp, &from, &to, 10000, e, &e->conn);
}

size_t stack_write(struct stack_end *e, const void *bytes, size_t n)
{
	const size_t done = tcp_write(engine.tcp, e->conn, bytes, n);

	e->stuck = done < n;
	return done;
}

// The end whose bytes are being handed up, and whether it is to be closed behind them: bytes that are not
// consumed would be answered with a reset.
static struct stack_end *reading;
static bool closes;

void stack_close(struct stack_end *e)
{
	if (e == reading) {
		closes = true;
		return;
	}
	tcp_release(engine.tcp, e->conn);
	e->conn = NULL;
}

void stack_abort(struct stack_end *e)
{
	tcp_abort(engine.tcp, e->conn);
	stack_close(e);
}

static void read_all(struct tcp_conn *c, struct stack_end *e)
{
	struct iovec in[PIECES];
	unsigned n;

	reading = e;
	closes = false;
	while (!closes && (n = tcp_peek(engine.tcp, c, in, PIECES)) > 0) {
		size_t all = 0;

		for (unsigned i = 0; i < n && !closes; i++) {
			user_data(e, in[i].iov_base, in[i].iov_len);
			all += in[i].iov_len;
		}
		tcp_consume(engine.tcp, c, all);
	}
	reading = NULL;
	if (closes)
		stack_close(e);
}

void engine_event(struct engine *e, const struct tcp_event *event)
{
	struct stack_end *end = event->user;
	struct tcp_conn *c = event->conn;

	(void)e;
	if (event->what & TCP_EVENT_CONNECTED)
		user_connected(end);
	if (end->conn == c && (event->what & TCP_EVENT_WRITABLE) && end->stuck)
		user_room(end);
	if (end->conn == c && (event->what & TCP_EVENT_READABLE))
		read_all(c, end);
	if (end->conn == c && (event->what & TCP_EVENT_CLOSED))
		user_over(end, tcp_reason_text(tcp_conn_reason(c)));
	else if (end->conn == c && (event->what & TCP_EVENT_FIN))
		user_over(end, "closed");
}

// --- the flood

// A SYN as most systems send it: segment size, SACK, timestamp, window scale.
struct syn {
	struct rte_ether_hdr eth;
	struct rte_ipv4_hdr ip;
	struct rte_tcp_hdr tcp;
	uint8_t options[20];
} __attribute__((packed, aligned(2)));

static const struct syn model = {
	.eth.ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4),
	.ip = {.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = RTE_BE16(60),
		.time_to_live = 60,
		.next_proto_id = IPPROTO_TCP},
	.tcp = {.data_off = 10 << 4, .tcp_flags = RTE_TCP_SYN_FLAG, .rx_win = RTE_BE16(64240)},
	.options = {2, 4, 5, 180, 4, 2, 8, 10, 0, 1, 2, 3, 0, 0, 0, 0, 1, 3, 3, 7},
};

static void forge(struct syn *s, uint32_t n)
{
	const uint32_t mixed = n * 2654435761u;

	*s = model;
	s->eth.src_addr = engine.port.mac;
	s->ip.src_addr = rte_cpu_to_be_32(FLOOD_FROM + n % flood.spread);
	s->ip.dst_addr = server.words[3];
	s->ip.hdr_checksum = rte_ipv4_cksum(&s->ip);
	s->tcp.src_port = rte_cpu_to_be_16((uint16_t)(1024 + mixed % 60000u));
	s->tcp.dst_port = rte_cpu_to_be_16(flood.port);
	s->tcp.sent_seq = mixed;
	s->tcp.cksum = 0;
	s->tcp.cksum = rte_ipv4_udptcp_cksum(&s->ip, &s->tcp);
}

// Where the server is: the station that our engine has found for it.
static bool server_station(struct rte_ether_addr *mac)
{
	struct postern_neighbour n;

	for (uint32_t i = 0; i < ip_neigh_high_water(&engine.ip); i++)
		if (ip_neigh_read(&engine.ip, i, engine.now_us, &n) == 0 &&
			postern_addr_equal(&n.addr, &server)) {
			memcpy(mac, n.mac, sizeof(*mac));
			return true;
		}
	return false;
}

static struct rte_ether_addr station;

static void flood_some(void)
{
	const uint64_t now = rte_rdtsc();
	unsigned n;

	flood.due += (double)(now - flood.last) * flood.rate / (double)rte_get_tsc_hz();
	flood.last = now;
	n = flood.due > FLOOD_BURST ? FLOOD_BURST : (unsigned)flood.due;
	// What could not be kept up with is not caught up with.
	flood.due = RTE_MIN(flood.due - n, (double)FLOOD_BURST);
	for (unsigned i = 0; i < n; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(engine.pool);

		if (m == NULL)
			return;
		struct syn *s = (void *)rte_pktmbuf_append(m, sizeof(*s));

		forge(s, flood.at++);
		s->eth.dst_addr = station;
		engine_push(&engine, m);
		flood.sent++;
	}
}

bool stack_flood(double rate, uint32_t spread, uint16_t port)
{
	flood.rate = rate;
	flood.due = 0;
	flood.last = rte_rdtsc();
	flood.port = port;
	if (rate <= 0)
		return true;
	flood.spread = spread;
	return server_station(&station);
}

uint64_t stack_flooded(void)
{
	return flood.sent;
}

bool stack_turn(void)
{
	if (flood.rate > 0)
		flood_some();
	return engine_turn(&engine);
}
