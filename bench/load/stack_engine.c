// SPDX-License-Identifier: BSD-2-Clause
// The load generator's connections on our engine, and forged SYNs past it.

#include "bench/load/engine.h"
#include "bench/load/flood.h"
#include "bench/load/load.h"

#include "postern/addr.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECES 16

static struct engine engine;
static struct postern_addr server, first_client;
static uint32_t clients;

static struct flood flood;

// What answers forged SYNs is nobody's, and never reaches the engine.
static bool is_answer_to_flood(struct rte_mbuf *m)
{
	if (flood.spread == 0 || !flood_is_answer(rte_pktmbuf_mtod(m, const uint8_t *)))
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

// Where the server is: the station that our engine has found for it.
static bool server_station(uint8_t mac[6])
{
	struct postern_neighbour n;

	for (uint32_t i = 0; i < ip_neigh_high_water(&engine.ip); i++)
		if (ip_neigh_read(&engine.ip, i, engine.now_us, &n) == 0 &&
			postern_addr_equal(&n.addr, &server)) {
			memcpy(mac, n.mac, 6);
			return true;
		}
	return false;
}

static void flood_some(void)
{
	const unsigned n = flood_due(&flood);

	for (unsigned i = 0; i < n; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(engine.pool);

		if (m == NULL)
			return;
		flood_write(&flood, (uint8_t *)rte_pktmbuf_append(m, FLOOD_FRAME));
		engine_push(&engine, m);
	}
}

bool stack_flood(double rate, uint32_t spread, uint16_t port)
{
	flood.rate = rate;
	flood.due = 0;
	flood.last_ns = load_now_ns();
	flood.port = port;
	if (rate <= 0)
		return true;
	flood.spread = spread;
	flood.server = server.words[3];
	memcpy(flood.from, &engine.port.mac, sizeof(flood.from));
	return server_station(flood.to);
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
