// SPDX-License-Identifier: BSD-2-Clause
// Whose a packet is. Both directions of a session must come to the same answer:
//
//     from a client               the client's address and port
//     from a member, translated   our address and port, drawn so that they are at home
//     from a member, to a client  the client's address and port again (destination translation)
//     what a member begins        where it goes, as if to a client
//     its answer, routed          where it comes from
//     its answer, translated      our port again, drawn by the worker that the first packet came to
//     an ICMP error               as what would come back from where the quoted packet went
//
// Fragments have no ports: which packet they belong to names who puts it together, and hands it on.

#include "worker/worker.h"

#include <rte_byteorder.h>

#include <netinet/in.h>
#include <string.h>

static enum base_home_side side_of(const struct worker *w, const struct ip_tuple *t)
{
	const struct ip_local *local = ip_config_find(w->ip.config, &t->dst);

	if (local == NULL)
		return steer_goes_to_member(w->steer, t) ? BASE_HOME_SOURCE : BASE_HOME_DESTINATION;
	// What is a service's alone is clients', also where nobody listens any more: a session outlives a
	// change of ports.
	if (local->kind == IP_SERVICE ||
		(local->kind != IP_TRANSLATE && steer_listens(w->steer, t)))
		return BASE_HOME_SOURCE;
	return BASE_HOME_DESTINATION;
}

static unsigned by_tuple(const struct worker *w, const struct ip_tuple *t, enum base_home_side side)
{
	const struct base_home *h = &w->dp->home;

	if (side == BASE_HOME_SOURCE)
		return base_home_worker(h, &t->src, rte_be_to_cpu_16(t->sport));
	return base_home_worker(h, &t->dst, rte_be_to_cpu_16(t->dport));
}

// True if the port's RSS has hashed this end of the packet. Headers beyond the plainest are read by
// some ports and not by others.
static bool is_hashed(const struct worker *w, const struct ip_packet *p, enum base_home_side side)
{
	static const uint64_t kinds[POSTERN_FAMILIES][2] = {
		{RTE_ETH_RSS_NONFRAG_IPV4_UDP, RTE_ETH_RSS_NONFRAG_IPV4_TCP},
		{RTE_ETH_RSS_NONFRAG_IPV6_UDP, RTE_ETH_RSS_NONFRAG_IPV6_TCP},
	};
	const struct port *port = &w->dp->ports[p->interface];
	const unsigned l3 =
		p->family == POSTERN_V4 ? sizeof(struct rte_ipv4_hdr) : sizeof(struct rte_ipv6_hdr);

	return !p->reassembled && !p->handed && port->side == side && p->l4 == IP_OFFSET + l3 &&
	       (port->rss_kinds & kinds[p->family][p->tuple.proto == IPPROTO_TCP]);
}

unsigned worker_owner(const struct worker *w, const struct ip_packet *p, bool *by_port)
{
	uint16_t ports[2]; // source and destination lead TCP's and UDP's headers alike
	struct ip_tuple t = p->tuple;

	switch (t.proto) {
	case IP_PROTO_FRAGMENT:
		return base_hash_reduce(
			(uint32_t)(base_hash_keyed(&w->dp->secret, &t, sizeof(t)) >> 32),
			w->dp->n_workers);
	case IPPROTO_TCP:
	case IPPROTO_UDP:
		break;
	default:
		return steer_error_about(p, &t) ? by_tuple(w, &t, side_of(w, &t)) : w->index;
	}
	// What is too short to have ports is dropped by whoever has it.
	if (p->l4_length < sizeof(ports) || p->l4 + sizeof(ports) > p->m->data_len)
		return w->index;
	memcpy(ports, rte_pktmbuf_mtod_offset(p->m, const void *, p->l4), sizeof(ports));
	t.sport = ports[0];
	t.dport = ports[1];
	const enum base_home_side side = side_of(w, &t);

	*by_port = is_hashed(w, p, side);
	return by_tuple(w, &t, side);
}
