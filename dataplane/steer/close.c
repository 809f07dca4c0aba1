// SPDX-License-Identifier: BSD-2-Clause
// Sessions that control wants closed.

#include "steer/private.h"

#include <rte_ring.h>
#include <rte_ring_elem.h>

#define CLOSE_PER_TURN 32u // as many as a lost member's: two packets each

_Static_assert(sizeof(struct steer_close) % 4 == 0, "as the ring wants its elements");
_Static_assert(sizeof(struct postern_closed) % 4 == 0, "as the ring wants its elements");

static bool close_one(struct steer *s, const struct steer_close *c)
{
	if (c->slot >= s->high_water)
		return false;
	struct steer_flow *f = steer_flow_at(s, c->slot);

	if (c->generation % 2 == 0 || f->generation != c->generation || steer_flow_is_over(f))
		return false;
	steer_kill(s, f, POSTERN_COUNTER_CLOSE_OPERATOR);
	return true;
}

bool steer_close_some(struct steer *s)
{
	struct steer_close wanted[CLOSE_PER_TURN];
	struct postern_closed answers[CLOSE_PER_TURN];

	if (rte_ring_empty(s->closes))
		return false;
	// None is begun that could not be answered.
	const unsigned room = rte_ring_free_count(s->closed);
	const unsigned most = room < CLOSE_PER_TURN ? room : CLOSE_PER_TURN;
	const unsigned n =
		rte_ring_sc_dequeue_burst_elem(s->closes, wanted, sizeof(wanted[0]), most, NULL);

	for (unsigned i = 0; i < n; i++)
		answers[i] = (struct postern_closed){wanted[i].ticket, close_one(s, &wanted[i])};
	rte_ring_sp_enqueue_bulk_elem(s->closed, answers, sizeof(answers[0]), n, NULL);
	return n == CLOSE_PER_TURN;
}
