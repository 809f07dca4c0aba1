// SPDX-License-Identifier: BSD-2-Clause
// Whose a packet is. Both directions of a session must come to the same answer:
//
//     from a client               the client's address and port
//     from a member, translated   our port, drawn so that its remainder names the owner
//     from a member, to a client  the client's address and port again (destination translation)
//     an ICMP error               as what would come back from where the quoted packet went
//
// Fragments have no ports: which packet they belong to names who puts it together, and hands it on.

#include "worker/worker.h"

#include <rte_byteorder.h>

#include <netinet/in.h>
#include <string.h>

static unsigned by_client(const struct worker *w, const struct postern_addr *addr, uint16_t port)
{
	const struct {
		struct postern_addr addr;
		uint64_t port;
	} key = {*addr, port};
	const uint64_t hash = base_hash_keyed(&w->dp->secret, &key, sizeof(key));

	return base_hash_reduce((uint32_t)(hash >> 32), w->dp->n_workers);
}

static unsigned by_tuple(const struct worker *w, const struct ip_tuple *t)
{
	const struct ip_local *local = ip_config_find(w->ip.config, &t->dst);

	if (local == NULL)
		return by_client(w, &t->dst, t->dport);
	// What is a service's alone is clients', also where nobody listens any more: a session outlives a
	// change of ports.
	if (local->kind == IP_SERVICE ||
		(local->kind != IP_TRANSLATE && steer_listens(w->steer, t)))
		return by_client(w, &t->src, t->sport);
	return rte_be_to_cpu_16(t->dport) % w->dp->n_workers;
}

unsigned worker_owner(const struct worker *w, const struct ip_packet *p)
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
		return steer_error_about(p, &t) ? by_tuple(w, &t) : w->index;
	}
	// What is too short to have ports is dropped by whoever has it.
	if (p->l4_length < sizeof(ports) || p->l4 + sizeof(ports) > p->m->data_len)
		return w->index;
	memcpy(ports, rte_pktmbuf_mtod_offset(p->m, const void *, p->l4), sizeof(ports));
	t.sport = ports[0];
	t.dport = ports[1];
	return by_tuple(w, &t);
}
