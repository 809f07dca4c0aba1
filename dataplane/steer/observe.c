// SPDX-License-Identifier: BSD-2-Clause
// What sessions tell of their members. A worker only reports; health is control's to change.

#include "steer/private.h"

#include <rte_ring.h>
#include <rte_ring_elem.h>

_Static_assert(sizeof(struct postern_event) % 4 == 0, "as the ring wants its elements");

void steer_member_accepted(struct steer *s, struct steer_flow *f)
{
	struct steer_member *m = &s->members[f->member];

	// Behind what took the SYN's place: readers look at the flag first.
	__atomic_store_n(&f->flags, (uint8_t)(f->flags | FLOW_SYNACK), __ATOMIC_RELEASE);
	if (m->in_a_row != 0 && !(f->flags & FLOW_GATEWAY))
		m->in_a_row = 0;
}

void steer_member_failed(struct steer *s, const struct steer_flow *f, enum postern_event_kind kind)
{
	struct steer_member *m = &s->members[f->member];
	const struct postern_pool *pool = s->config->pools[m->pool];

	// What never left us says nothing about the member.
	if (!f->syn.asked)
		return;
	steer_record_flow(s, f, POSTERN_STEP_MEMBER,
		kind == POSTERN_EVENT_REFUSED ? POSTERN_COUNTER_SEEN_MEMBER_REFUSED
					      : POSTERN_COUNTER_SEEN_MEMBER_SILENT,
		POSTERN_SIDE_MEMBER);
	if (kind == POSTERN_EVENT_REFUSED) {
		COUNT(s->counters, SEEN_MEMBER_REFUSED);
		base_add(&m->stats.refused, 1);
	} else {
		COUNT(s->counters, SEEN_MEMBER_SILENT);
		base_add(&m->stats.silent, 1);
	}
	m->in_a_row++;
	if (pool == NULL || pool->observe_fall == 0 || m->in_a_row < pool->observe_fall)
		return;
	const struct postern_event event = {
		.kind = (uint8_t)kind,
		.worker = s->worker,
		.member = f->member,
		.in_a_row = m->in_a_row,
	};

	// A full ring loses nothing for long: the next failure reports again.
	if (rte_ring_sp_enqueue_elem(s->events, (void *)(uintptr_t)&event, sizeof(event)) != 0)
		COUNT(s->counters, SEEN_EVENT_LOST);
	s->event_mark = true;
}

bool steer_take_event_mark(struct steer *s)
{
	const bool mark = s->event_mark;

	s->event_mark = false;
	return mark;
}
