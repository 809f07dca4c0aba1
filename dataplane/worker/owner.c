// SPDX-License-Identifier: BSD-2-Clause
// Whose a packet is. Both directions of a session must come to the same answer:
//
//     from a client               the client's address and port
//     from a member, translated   our port, drawn so that its remainder names the owner
//     from a member, to a client  the client's address and port again (destination translation)

#include "worker/worker.h"

#include <rte_byteorder.h>

static unsigned by_client(const struct worker *w, const struct postern_addr *addr, uint16_t port)
{
	const struct {
		struct postern_addr addr;
		uint64_t port;
	} key = {*addr, port};
	const uint64_t hash = base_hash_keyed(&w->dp->secret, &key, sizeof(key));

	return base_hash_reduce((uint32_t)(hash >> 32), w->dp->n_workers);
}

unsigned worker_owner(const struct worker *w, const struct ip_packet *p)
{
	uint16_t ports[2]; // source and destination lead TCP's and UDP's headers alike

	// What is too short to have ports is dropped by whoever has it.
	if (p->l4_length < sizeof(ports) || p->l4 + sizeof(ports) > p->m->data_len)
		return w->index;
	memcpy(ports, rte_pktmbuf_mtod_offset(p->m, const void *, p->l4), sizeof(ports));
	const struct ip_local *local = ip_config_find(w->ip.config, &p->tuple.dst);

	if (local == NULL)
		return by_client(w, &p->tuple.dst, ports[1]);
	struct ip_tuple t = p->tuple;

	t.dport = ports[1];
	if (local->kind != IP_TRANSLATE && steer_listens(w->steer, &t))
		return by_client(w, &p->tuple.src, ports[0]);
	return rte_be_to_cpu_16(ports[1]) % w->dp->n_workers;
}
