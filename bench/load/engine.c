// SPDX-License-Identifier: BSD-2-Clause

#include "bench/load/engine.h"

#include "base/arena.h"
#include "base/hash.h"

#include <rte_eal.h>
#include <rte_ethdev.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS 256
#define CACHE  256

__attribute__((noreturn)) static void fail(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s\n", what, why);
	exit(1);
}

static void must(int rc, const char *what)
{
	if (rc < 0)
		fail(what, strerror(-rc));
}

static const char *word(int n, char *const *words, const char *name)
{
	const size_t length = strlen(name);

	for (int i = 0; i < n; i++)
		if (strncmp(words[i], name, length) == 0 && words[i][length] == '=')
			return words[i] + length + 1;
	return NULL;
}

double engine_number(int n, char *const *words, const char *name, double otherwise)
{
	const char *at = word(n, words, name);

	return at != NULL ? strtod(at, NULL) : otherwise;
}

// --- what carries the engine's packets

static int link_route(void *context, const struct postern_addr *local,
	const struct postern_addr *remote, uint32_t *route, uint16_t *mtu)
{
	struct engine *e = context;
	struct postern_addr hop;
	uint16_t interface;
	const int rc = ip_route(&e->ip, remote, 0, &interface, &hop);

	(void)local;
	if (rc < 0)
		return rc;
	const uint16_t neigh = ip_neigh_hold(&e->ip, interface, &hop, IP_NEIGH_OURS);

	if (neigh == IP_NEIGH_NONE)
		return -ENOSPC;
	*route = neigh;
	*mtu = ip_interface_mtu(&e->ip, interface);
	return 0;
}

static void link_release(void *context, uint32_t route)
{
	struct engine *e = context;

	ip_neigh_release(&e->ip, (uint16_t)route);
}

static void link_send(void *context, struct rte_mbuf *m, uint32_t route)
{
	struct engine *e = context;

	ip_finish_output(&e->ip, m, (uint16_t)route);
}

static void link_reply(void *context, struct rte_mbuf *m, const struct ip_packet *to)
{
	struct engine *e = context;

	memcpy(rte_pktmbuf_mtod(m, void *), rte_pktmbuf_mtod(to->m, const void *), IP_OFFSET);
	ip_checksum_fill(&e->ip, m, to->interface, to->family, (uint16_t)(IP_OFFSET + m->l3_len),
		IPPROTO_TCP);
	ip_reply(&e->ip, m, to->interface);
}

// --- start

static void open_port(struct engine *e)
{
	struct base_home *home = calloc(1, sizeof(*home));
	struct base_secret secret;
	char why[512];

	if (home == NULL)
		fail("home", "no memory");
	must(base_secret_draw(&secret), "secret");
	base_home_init(home, &secret, 1, BASE_HOME_BITS_MIN);
	if (rte_eth_dev_get_name_by_port(0, e->interface.device) < 0)
		fail("port", "none; give --vdev");
	if (port_open(&e->port, &e->interface, home, BASE_HOME_SOURCE, e->pool, why, sizeof(why)) <
		0)
		fail("port", why);
	free(home);
	e->tx = (struct port_tx){.port = e->port.id, .has_queue = true};
	must(ip_config_build(&e->config, &e->snapshot, &e->port, &secret, NULL), "addresses");
	must(ip_init(&e->ip, &e->counters, e->pool, &e->tx, &e->config, e->now_us), "ip");
	e->ip.announces = true;
}

static void read_addresses(struct engine *e, int n, char *const *words)
{
	const char *address = word(n, words, "address"), *gateway = word(n, words, "gateway");

	if (address == NULL || postern_prefix_parse(address, &e->address) < 0)
		fail("address", "address=A/LEN is wanted");
	if (gateway != NULL && postern_addr_parse(gateway, &e->interface.gateway_v4) < 0)
		fail("gateway", "gateway=A is wanted");
	strcpy(e->interface.name, "link");
	e->interface.addresses = &e->address;
	e->interface.n_addresses = 1;
	e->snapshot.interfaces = &e->interface;
	e->snapshot.n_interfaces = 1;
}

static void open_engine(struct engine *e, int n, char *const *words)
{
	struct tcp_setup *s = &e->setup;
	struct base_secret secret;

	s->settings = tcp_settings_default();
	s->settings.send_buffer = (uint32_t)engine_number(n, words, "send-buffer", 128 << 10);
	s->settings.receive_buffer = (uint32_t)engine_number(n, words, "receive-buffer", 128 << 10);
	s->settings.address_buffers = UINT32_MAX;
	s->settings.address_connections = UINT32_MAX;
	s->settings.address_half_open = UINT32_MAX;
	s->link = (struct tcp_link){e, link_route, link_release, link_send, link_reply, NULL};
	s->pool = e->pool;
	s->connections = (uint32_t)engine_number(n, words, "connections", 1 << 17);
	s->half_open = (uint32_t)engine_number(n, words, "half-open", 4096);
	s->time_wait = (uint32_t)engine_number(n, words, "time-wait", 65536);
	s->listeners = 16;
	s->buffers = (uint32_t)engine_number(n, words, "buffers", 32767) / 2;
	s->now_us = e->now_us;
	must(base_secret_draw(&secret), "secret");
	memcpy(s->secret, secret.bytes, sizeof(s->secret));
	e->memory = tcp_memory(s);
	void *memory = base_arena_map_whole(e->memory);

	if (memory == NULL)
		fail("engine", "no memory");
	e->tcp = tcp_init(memory, s);
}

void engine_open(struct engine *e, int argc, char **argv)
{
	const int used = rte_eal_init(argc, argv);

	must(used, "EAL");
	const int n = argc - used - 1;
	char *const *words = argv + used + 1;

	base_clock_init(&e->clock);
	e->now_us = base_clock_us(&e->clock);
	e->pool = rte_pktmbuf_pool_create("buffers",
		(unsigned)engine_number(n, words, "buffers", 32767), CACHE, 0,
		RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (e->pool == NULL)
		fail("packet buffers", "no memory; more with -m");
	read_addresses(e, n, words);
	open_port(e);
	open_engine(e, n, words);
}

// --- a turn

// What is TCP for us comes first in `in`; the rest is dealt with here. Returns how many come first.
static unsigned sort_out(struct engine *e, struct ip_packet *in, unsigned n)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < n; i++) {
		const bool tcp = in[i].tuple.proto == IPPROTO_TCP;

		if (tcp && (e->any_destination || ip_is_acceptable(&e->ip, &in[i])))
			in[kept++] = in[i];
		else if (tcp || in[i].tuple.proto == IPPROTO_UDP || !tcp_icmp(e->tcp, &in[i]))
			rte_pktmbuf_free(in[i].m);
	}
	return kept;
}

static unsigned receive(struct engine *e)
{
	struct rte_mbuf *pkts[PORT_BURST];
	struct ip_packet in[PORT_BURST];
	const uint16_t n = rte_eth_rx_burst(e->port.id, 0, pkts, PORT_BURST);
	unsigned kept = n;

	if (e->filter != NULL) {
		kept = 0;
		for (unsigned i = 0; i < n; i++)
			if (!e->filter(pkts[i]))
				pkts[kept++] = pkts[i];
	}
	kept = ip_input(&e->ip, 0, pkts, kept, in);
	tcp_input_burst(e->tcp, in, sort_out(e, in, kept));
	e->packets[0] += n;
	return n;
}

static unsigned tell(struct engine *e)
{
	struct tcp_event events[EVENTS];
	unsigned n, all = 0;

	while ((n = tcp_events(e->tcp, events, EVENTS)) > 0) {
		for (unsigned i = 0; i < n; i++)
			engine_event(e, &events[i]);
		all += n;
	}
	return all;
}

bool engine_turn(struct engine *e)
{
	const uint64_t began = rte_rdtsc();
	const uint64_t sent_before = e->counters.value[POSTERN_COUNTER_TX_PACKETS];

	e->now_us = e->ip.now_us = base_clock_at(&e->clock, began);
	tcp_time(e->tcp, e->now_us);
	const unsigned received = receive(e);

	tcp_poll(e->tcp, PORT_BURST);
	ip_poll(&e->ip);
	const unsigned told = tell(e);

	tcp_flush(e->tcp);
	port_tx_flush(&e->tx, &e->counters);
	const uint64_t sent = e->counters.value[POSTERN_COUNTER_TX_PACKETS] - sent_before;

	e->packets[1] += sent;
	if (received + told + sent == 0) {
		e->idle++;
		return false;
	}
	e->idle = 0;
	e->turns++;
	e->busy += rte_rdtsc() - began;
	return true;
}

void engine_push(struct engine *e, struct rte_mbuf *m)
{
	port_tx_push(&e->tx, m, &e->counters);
}
