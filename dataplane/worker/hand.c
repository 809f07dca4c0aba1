// SPDX-License-Identifier: BSD-2-Clause
// What passes between workers: packets that another owns, packets that want another's transmit queue,
// and what was learnt of neighbours, which one worker hears and all need.

#include "worker/worker.h"

#include <rte_ring_elem.h>

#include <errno.h>
#include <stdio.h>

// A ring takes what one worker can receive for another in a turn, several times over.
#define HANDED 1024
#define LEARNT 256

_Static_assert(sizeof(struct worker_handed) % 4 == 0, "as rings want their elements");
_Static_assert(sizeof(struct ip_learnt) % 4 == 0, "as rings want their elements");

static struct rte_ring *ring(const char *what, unsigned from, unsigned to, size_t size, unsigned n)
{
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), "%s-%u-%u", what, from, to);
	return rte_ring_create_elem(
		name, (unsigned)size, n, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

int worker_rings_new(struct postern_dataplane *dp)
{
	for (unsigned to = 0; to < dp->n_workers; to++)
		for (unsigned from = 0; from < dp->n_workers; from++) {
			struct worker *w = dp->workers[to];

			if (from == to)
				continue;
			w->handed[from] =
				ring("handed", from, to, sizeof(struct worker_handed), HANDED);
			w->learnt[from] =
				ring("learnt", from, to, sizeof(struct ip_learnt), LEARNT);
			if (w->handed[from] == NULL || w->learnt[from] == NULL)
				return -ENOMEM;
		}
	return 0;
}

void worker_hand_over(
	struct worker *w, unsigned to, struct rte_mbuf *m, uint16_t interface, enum worker_why why)
{
	const struct worker_handed h = {m, interface, why};
	struct rte_ring *r = w->dp->workers[to]->handed[w->index];

	if (rte_ring_sp_enqueue_elem(r, (void *)(uintptr_t)&h, sizeof(h)) == 0) {
		COUNT(&w->counters, HANDED_OVER);
		return;
	}
	COUNT(&w->counters, DROP_HAND_OVER);
	rte_pktmbuf_free(m);
}

static void send_for(struct worker *w, const struct worker_handed *h)
{
	if (h->why == WORKER_KERNEL)
		worker_to_kernel(w, (uint16_t)h->interface, h->m);
	else
		port_tx_push(&w->tx[h->interface], h->m, &w->counters);
}

// Packets come in by interface, as bursts from ports do.
static void work_on(struct worker *w, const struct worker_handed *h, unsigned n)
{
	struct rte_mbuf *pkts[PORT_BURST];
	unsigned at = 0;

	while (at < n) {
		unsigned k = 0;
		const uint16_t interface = (uint16_t)h[at].interface;

		while (at < n && h[at].why == WORKER_OWNER && h[at].interface == interface)
			pkts[k++] = h[at++].m;
		if (k > 0)
			worker_handed_burst(w, interface, pkts, k);
		while (at < n && h[at].why != WORKER_OWNER)
			send_for(w, &h[at++]);
	}
}

static void learn(struct worker *w, struct rte_ring *r)
{
	struct ip_learnt learnt[16];
	const unsigned n =
		rte_ring_sc_dequeue_burst_elem(r, learnt, sizeof(learnt[0]), RTE_DIM(learnt), NULL);

	for (unsigned i = 0; i < n; i++)
		ip_learn(&w->ip, &learnt[i]);
}

unsigned worker_take_handed(struct worker *w)
{
	struct worker_handed handed[PORT_BURST];
	unsigned total = 0;

	for (unsigned from = 0; from < w->dp->n_workers; from++) {
		if (from == w->index)
			continue;
		learn(w, w->learnt[from]);
		const unsigned n = rte_ring_sc_dequeue_burst_elem(
			w->handed[from], handed, sizeof(handed[0]), PORT_BURST, NULL);

		work_on(w, handed, n);
		total += n;
	}
	return total;
}

void worker_share_learnt(struct worker *w)
{
	for (unsigned i = 0; i < w->ip.n_learnt; i++)
		for (unsigned to = 0; to < w->dp->n_workers; to++) {
			if (to == w->index)
				continue;
			// What does not fit is asked for again by whoever needs it.
			if (rte_ring_sp_enqueue_elem(w->dp->workers[to]->learnt[w->index],
				    &w->ip.learnt[i], sizeof(w->ip.learnt[i])) != 0)
				COUNT(&w->counters, DROP_HAND_OVER);
		}
	w->ip.n_learnt = 0;
}

bool worker_transmit(struct worker *w)
{
	bool any = false;

	for (uint16_t i = 0; i < w->dp->n_ports; i++) {
		struct port_tx *tx = &w->tx[i];
		const uint16_t queues = w->dp->ports[i].tx_queues;

		any |= tx->count > 0;
		if (w->index < queues) {
			port_tx_flush(tx, &w->counters);
			continue;
		}
		for (unsigned k = 0; k < tx->count; k++)
			worker_hand_over(w, w->index % queues, tx->pkts[k], i, WORKER_SEND);
		tx->count = 0;
	}
	return any;
}
