// SPDX-License-Identifier: BSD-2-Clause
// Which server of a partner is tried first.

#include "control/discovery/private.h"

#include <string.h>

// Whether `a` comes before `b` whatever is drawn.
static bool precedes(const struct discovery_record *a, const struct discovery_record *b,
	enum discovery_order order)
{
	if (a->priority != b->priority)
		return a->priority < b->priority;
	if (order == DISCOVERY_ORDER_PARTNER)
		return a->weight > b->weight;
	// RFC 2782: those of weight 0 stand first before it is drawn.
	return a->weight == 0 && b->weight != 0;
}

// Keeps the order of those that are equal.
static void sort(struct discovery_record *r, unsigned n, enum discovery_order order)
{
	for (unsigned i = 1; i < n; i++) {
		const struct discovery_record one = r[i];
		unsigned at = i;

		for (; at > 0 && precedes(&one, &r[at - 1], order); at--)
			r[at] = r[at - 1];
		r[at] = one;
	}
}

// Among n of one priority: who comes first with a chance by weight, then likewise among the rest.
static void draw_all(struct discovery_record *r, unsigned n,
	uint32_t (*draw)(void *user, uint32_t below), void *user)
{
	for (; n > 1; r++, n--) {
		uint32_t sum = 0, running = 0;
		unsigned at = 0;

		for (unsigned i = 0; i < n; i++)
			sum += r[i].weight;
		// "A uniform random number between 0 and the sum computed (inclusive)."
		const uint32_t drawn = draw(user, sum + 1);

		while (running += r[at].weight, running < drawn)
			at++;
		const struct discovery_record one = r[at];

		memmove(r + 1, r, at * sizeof(*r));
		r[0] = one;
	}
}

void order_records(struct discovery_record *records, unsigned n, enum discovery_order order,
	uint32_t (*draw)(void *user, uint32_t below), void *user)
{
	sort(records, n, order);
	if (order != DISCOVERY_ORDER_RFC2782)
		return;
	for (unsigned from = 0, to; from < n; from = to) {
		for (to = from + 1; to < n && records[to].priority == records[from].priority; to++)
			;
		draw_all(records + from, to - from, draw, user);
	}
}
