// SPDX-License-Identifier: BSD-2-Clause
// Whose a packet is. Both directions of a session must come to the same answer:
//
//     from a client               the client's address and port
//     from a member, translated   our port, drawn so that its remainder names the owner
//     from a member, to a client  the client's address and port again (destination translation)

#include "worker/worker.h"

#include <rte_byteorder.h>

#include <netinet/in.h>

static unsigned by_client(const struct worker *w, const struct postern_addr *addr, uint16_t port)
{
	const struct {
		struct postern_addr addr;
		uint64_t port;
	} key = {*addr, port};
	const uint64_t hash = base_hash_keyed(&w->dp->secret, &key, sizeof(key));

	return base_hash_reduce((uint32_t)(hash >> 32), w->dp->n_workers);
}

// The tuple that tells: the packet's own, or for an ICMP error that of what would come back for the
// packet that it quotes. False if there is none; whoever has the packet then drops it.
static bool tuple_of(const struct ip_packet *p, struct ip_tuple *t)
{
	uint16_t ports[2]; // source and destination lead TCP's and UDP's headers alike

	*t = p->tuple;
	if (t->proto != IPPROTO_TCP && t->proto != IPPROTO_UDP)
		return steer_error_quoted(p, t);
	if (p->l4_length < sizeof(ports) || p->l4 + sizeof(ports) > p->m->data_len)
		return false;
	memcpy(ports, rte_pktmbuf_mtod_offset(p->m, const void *, p->l4), sizeof(ports));
	t->sport = ports[0];
	t->dport = ports[1];
	return true;
}

unsigned worker_owner(const struct worker *w, const struct ip_packet *p)
{
	struct ip_tuple t;

	if (!tuple_of(p, &t))
		return w->index;
	const struct ip_local *local = ip_config_find(w->ip.config, &t.dst);

	if (local == NULL)
		return by_client(w, &t.dst, t.dport);
	// An interface's own address may be a service's and, without translate-from, our side towards
	// members at once.
	if (local->kind == IP_SERVICE ||
		(local->kind != IP_TRANSLATE && steer_listens(w->steer, &t)))
		return by_client(w, &t.src, t.sport);
	return rte_be_to_cpu_16(t.dport) % w->dp->n_workers;
}
