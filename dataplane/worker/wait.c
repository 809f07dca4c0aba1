// SPDX-License-Identifier: BSD-2-Clause
// What waits at workers for DNS: the rings on which they ask and are told, and control's ends of them.

#include "worker/worker.h"

#include <rte_ring_elem.h>

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static struct rte_ring *ring(const char *what, unsigned index, size_t size)
{
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), "%s-%u", what, index);
	return rte_ring_create_elem(name, (unsigned)size, ADMIT_WAIT_RING, SOCKET_ID_ANY,
		RING_F_SP_ENQ | RING_F_SC_DEQ);
}

int worker_waits_new(struct worker *w)
{
	w->wanted = ring("wanted", w->index, sizeof(struct postern_wanted));
	w->told = ring("told", w->index, sizeof(struct admit_told));
	if (w->wanted == NULL || w->told == NULL)
		return -ENOMEM;
	const struct admit_waits_setup setup = {
		.worker = w->index,
		.counters = &w->counters,
		.wanted = w->wanted,
		.told = w->told,
		.most = POSTERN_WANTED_MOST,
		.bytes = POSTERN_WANTED_BYTES,
	};

	w->waits = admit_waits_new(&setup);
	return w->waits != NULL ? 0 : -ENOMEM;
}

void worker_waits_free(struct worker *w)
{
	admit_waits_free(w->waits);
	rte_ring_free(w->wanted);
	rte_ring_free(w->told);
}

int postern_wanted_fd(const struct postern_dataplane *dp)
{
	return dp->wanted_fd;
}

unsigned postern_wanted_take(struct postern_dataplane *dp, struct postern_wanted *out, unsigned n)
{
	uint64_t marks;
	// Reset the mark first: what is put in after this read sets it again.
	const ssize_t was_set = read(dp->wanted_fd, &marks, sizeof(marks));
	unsigned taken = 0;

	(void)was_set;
	for (unsigned i = 0; i < dp->n_workers; i++)
		taken += rte_ring_sc_dequeue_burst_elem(
			dp->workers[i]->wanted, out + taken, sizeof(*out), n - taken, NULL);
	return taken;
}

int postern_wanted_answer(struct postern_dataplane *dp, const struct postern_wanted *wanted)
{
	const struct admit_told told = {wanted->slot, wanted->generation};

	if (wanted->worker >= dp->n_workers)
		return -ENOENT;
	if (rte_ring_sp_enqueue_elem(
		    dp->workers[wanted->worker]->told, (void *)(uintptr_t)&told, sizeof(told)) != 0)
		return -EAGAIN;
	return 0;
}
