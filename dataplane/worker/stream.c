// SPDX-License-Identifier: BSD-2-Clause
// Connections that end here: the TCP endpoint on a worker's packets, and relay mode on top of it. Made when
// the first service needs them, since their tables are large, and kept until the stop.

#include "base/arena.h"
#include "worker/worker.h"

#include <rte_byteorder.h>
#include <rte_tcp.h>

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

// Timers of each kind in a turn.
#define TIMERS_PER_TURN 256u

// Half-open connections are 120 bytes each, and beyond a quarter of them cookies serve.
#define HALF_OPEN 16384u

// As many as there are ids of listening endpoints: 100 bytes each.
#define LISTENERS 65536u

// ip_route() and what it leads to, for tcp/.
static int link_route(void *context, const struct postern_addr *local,
	const struct postern_addr *remote, uint32_t *route, uint16_t *mtu)
{
	struct worker *w = context;
	const struct ip_local *ours = ip_config_find(w->ip.config, local);
	struct postern_addr next_hop;
	uint16_t interface;

	// Back by the interface that announces the address, if several lead there.
	if (ip_route(&w->ip, remote, ours != NULL ? ours->interface : 0, &interface, &next_hop) < 0)
		return -ENETUNREACH;
	const uint16_t neigh = ip_neigh_hold(&w->ip, interface, &next_hop,
		ours != NULL && (ours->kind & IP_SERVICE) ? IP_NEIGH_CLIENT : IP_NEIGH_OURS);

	if (neigh == IP_NEIGH_NONE)
		return -ENOSPC;
	*route = neigh;
	*mtu = ip_interface_mtu(&w->ip, interface);
	return 0;
}

static void link_release(void *context, uint32_t route)
{
	struct worker *w = context;

	ip_neigh_release(&w->ip, (uint16_t)route);
}

static void link_send(void *context, struct rte_mbuf *m, uint32_t route)
{
	struct worker *w = context;

	ip_finish_output(&w->ip, m, (uint16_t)route);
}

// Resets go to whoever sends what fits nowhere, so they are held back like others' (forward mode); an
// answer to a SYN is as small as what it answers.
static void link_reply(void *context, struct rte_mbuf *m, const struct ip_packet *to)
{
	struct worker *w = context;
	const uint16_t l4 = (uint16_t)(m->l2_len + m->l3_len);
	const struct rte_tcp_hdr *tcp = rte_pktmbuf_mtod_offset(m, const struct rte_tcp_hdr *, l4);

	if ((tcp->tcp_flags & RTE_TCP_RST_FLAG) &&
		!ip_answer_allowed(&w->ip, to->interface, IP_ANSWER_RESET)) {
		rte_pktmbuf_free(m);
		return;
	}
	memcpy(rte_pktmbuf_mtod(m, void *), rte_pktmbuf_mtod(to->m, const void *),
		sizeof(struct rte_ether_hdr));
	ip_checksum_fill(&w->ip, m, to->interface, to->family, l4, IPPROTO_TCP);
	ip_reply(&w->ip, m, to->interface);
}

// Ports of our addresses towards members are shared with sessions in forward mode, and ports of an
// interface's own address with services that listen there.
static bool link_is_home(void *context, const struct ip_tuple *back)
{
	const struct worker *w = context;

	return !steer_listens(w->steer, back) && !steer_has(w->steer, back) &&
	       base_home_worker(&w->dp->home, &back->dst, rte_be_to_cpu_16(back->dport)) ==
		       w->index;
}

bool worker_stream_has(void *worker, const struct ip_tuple *back)
{
	const struct worker *w = worker;

	return w->stream != NULL && tcp_has(w->stream->tcp, back);
}

// The addresses that forward mode takes as well: translate-from of the interface, or its own.
static bool source_of(
	void *context, const struct postern_addr *member, uint32_t n, struct postern_addr *out)
{
	struct worker *w = context;
	const bool v4 = postern_addr_is_v4(member);
	struct postern_addr next_hop;
	uint16_t interface;
	unsigned count = 0;

	if (ip_route(&w->ip, member, 0, &interface, &next_hop) < 0) {
		COUNT(&w->counters, DROP_NO_ROUTE);
		return false;
	}
	const struct postern_interface *f = w->ip.config->interfaces[interface].settings;

	for (unsigned i = 0; i < f->n_translate_from; i++)
		count += postern_addr_is_v4(&f->translate_from[i]) == v4;
	const unsigned wanted = count > 0 ? n % count : 0;

	for (unsigned i = 0, seen = 0; i < f->n_translate_from; i++)
		if (postern_addr_is_v4(&f->translate_from[i]) == v4 && seen++ == wanted) {
			*out = f->translate_from[i];
			return true;
		}
	for (unsigned i = 0; i < f->n_addresses; i++)
		if (postern_addr_is_v4(&f->addresses[i].addr) == v4) {
			*out = f->addresses[i].addr;
			return true;
		}
	COUNT(&w->counters, DROP_NO_ROUTE);
	return false;
}

static enum tcp_admission may_connect(void *context, void *listener,
	const struct postern_endpoint *local, const struct postern_endpoint *remote)
{
	const struct worker *w = context;

	(void)local;
	return relay_admit(w->stream->relay, listener, remote);
}

static struct tcp_setup tcp_setup_of(struct worker *w)
{
	const struct postern_dataplane *dp = w->dp;
	struct tcp_setup setup = {
		.settings = tcp_settings_default(),
		.link = {.context = w,
			.route = link_route,
			.release = link_release,
			.send = link_send,
			.reply = link_reply,
			.is_home = link_is_home},
		.user = {.context = w, .admit = may_connect},
		.pool = dp->pool,
		.connections = dp->connections,
		.half_open = HALF_OPEN,
		.time_wait = dp->connections,
		.listeners = LISTENERS,
		.buffers = dp->stream_buffers,
		.now_us = base_clock_us(&dp->clock),
	};
	const struct {
		char what[8];
		uint64_t worker;
	} key = {"tcp", w->index};

	setup.settings.address_connections = dp->address_connections;
	setup.settings.address_half_open = dp->address_opening;
	// Each worker has keys of its own, and none follows from what tables are keyed by.
	for (unsigned i = 0; i < sizeof(setup.secret) / sizeof(uint64_t); i++) {
		const struct {
			uint64_t key, n;
		} part = {base_hash_keyed(&dp->stream_secret, &key, sizeof(key)), i};
		const uint64_t word = base_hash_keyed(&dp->stream_secret, &part, sizeof(part));

		memcpy(setup.secret + i * sizeof(word), &word, sizeof(word));
	}
	return setup;
}

int worker_stream_new(struct worker *w)
{
	const struct tcp_setup setup = tcp_setup_of(w);
	struct worker_stream *s = base_arena_map(sizeof(*s));

	if (s == NULL)
		return -ENOMEM;
	s->size = tcp_memory(&setup);
	s->memory = base_arena_map(s->size);
	if (s->memory != NULL) {
		s->tcp = tcp_init(s->memory, &setup);
		const struct relay_setup relay = {
			.counters = &w->counters,
			.tcp = s->tcp,
			.sessions = setup.connections / 2,
			.first_slot = steer_capacity(w->steer) + steer_flows_capacity(w->steer),
			.address_opening = w->dp->address_opening,
			.worker = w->index,
			.recorder = w->recorder,
			.events = w->events,
			.closes = w->relay_closes,
			.closed = w->closed,
			.health = w->dp->health,
			.health_changes = &w->dp->health_changes,
			.secret = w->dp->secret,
			.policy = w->dp->policy,
			.now_us = setup.now_us,
			.source = source_of,
			.context = w,
		};

		s->relay = relay_new(&relay);
	}
	if (s->relay == NULL) {
		base_arena_unmap(s->memory, s->size);
		base_arena_unmap(s, sizeof(*s));
		return -ENOMEM;
	}
	__atomic_store_n(&w->stream, s, __ATOMIC_RELEASE);
	return 0;
}

void worker_stream_free(struct worker *w)
{
	struct worker_stream *s = w->stream;

	if (s == NULL)
		return;
	w->stream = NULL;
	relay_free(s->relay);
	tcp_fini(s->tcp);
	base_arena_unmap(s->memory, s->size);
	base_arena_unmap(s, sizeof(*s));
}

void worker_stream_adopt(struct worker *w, const struct relay_config *config)
{
	// Until the first service needs it there is none; from then on there always is.
	if (__atomic_load_n(&w->stream, __ATOMIC_ACQUIRE) == NULL)
		return;
	relay_adopt(w->stream->relay, config);
	w->streaming = true;
}

void worker_stream_time(struct worker *w)
{
	if (w->streaming)
		tcp_time(w->stream->tcp, w->ip.now_us);
}

// A SYN opens something only if its source can be one; later segments prove it by their numbers.
static bool may_pass(struct worker *w, const struct ip_packet *p)
{
	const struct rte_tcp_hdr *tcp =
		rte_pktmbuf_mtod_offset(p->m, const struct rte_tcp_hdr *, p->l4);

	return p->l4 + sizeof(*tcp) > p->m->data_len || !(tcp->tcp_flags & RTE_TCP_SYN_FLAG) ||
	       ip_is_acceptable(&w->ip, p);
}

unsigned worker_stream_input(struct worker *w, struct ip_packet *pkts, unsigned n)
{
	struct tcp *t = w->stream->tcp;
	struct ip_packet taken[PORT_BURST];
	unsigned n_taken = 0, kept = 0;

	for (unsigned i = 0; i < n; i++) {
		struct ip_packet *p = &pkts[i];

		switch (p->tuple.proto) {
		case IPPROTO_TCP:
			if (!tcp_wants(t, p))
				break;
			if (may_pass(w, p))
				taken[n_taken++] = *p;
			else
				rte_pktmbuf_free(p->m);
			continue;
		case IPPROTO_ICMP:
		case IPPROTO_ICMPV6:
			if (tcp_icmp(t, p))
				continue;
			break;
		default:
			break;
		}
		pkts[kept++] = *p;
	}
	tcp_input_burst(t, taken, n_taken);
	return kept;
}

bool worker_stream_turn(struct worker *w)
{
	struct worker_stream *s = w->stream;

	if (!w->streaming)
		return false;
	tcp_poll(s->tcp, TIMERS_PER_TURN);
	worker_lap(w, STAGE_TCP);
	const bool more = relay_turn(s->relay, w->ip.now_us);

	worker_lap(w, STAGE_RELAY);
	tcp_flush(s->tcp);
	worker_lap(w, STAGE_TCP);
	return more;
}
