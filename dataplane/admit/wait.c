// SPDX-License-Identifier: BSD-2-Clause
// Places for what waits, in the order in which it began: all wait equally long, so the first is always the
// next whose time is up. A generation, odd while a place is taken, tells an answer that comes too late.

#include "admit/wait.h"

#include "base/arena.h"

#include <rte_ring.h>
#include <rte_ring_elem.h>

#include <errno.h>
#include <string.h>

#define NONE UINT32_MAX

_Static_assert(sizeof(struct postern_wanted) % 4 == 0, "as the ring wants its elements");
_Static_assert(sizeof(struct admit_told) % 4 == 0, "as the ring wants its elements");

struct place {
	void *what;
	uint64_t until_us;
	uint32_t generation;
	uint32_t bytes;
	uint32_t next, prev; // in the order of beginning, or of free places
};

struct admit_waits {
	struct base_counters *counters;
	struct rte_ring *wanted;
	struct rte_ring *told;
	struct place *places;
	uint32_t most;
	uint32_t first, last, free;
	uint64_t bytes_most, bytes;
	uint8_t worker;
	bool mark;
};

static size_t places_size(const struct admit_waits *w)
{
	return w->most * sizeof(struct place);
}

struct admit_waits *admit_waits_new(const struct admit_waits_setup *setup)
{
	struct admit_waits *w = base_arena_map(sizeof(*w));

	if (w == NULL)
		return NULL;
	w->counters = setup->counters;
	w->wanted = setup->wanted;
	w->told = setup->told;
	w->worker = setup->worker;
	w->most = setup->most;
	w->bytes_most = setup->bytes;
	w->first = w->last = NONE;
	w->places = base_arena_map(places_size(w));
	if (w->places == NULL) {
		base_arena_unmap(w, sizeof(*w));
		return NULL;
	}
	for (uint32_t i = 0; i < w->most; i++)
		w->places[i].next = i + 1 < w->most ? i + 1 : NONE;
	return w;
}

void admit_waits_free(struct admit_waits *w)
{
	if (w == NULL)
		return;
	base_arena_unmap(w->places, places_size(w));
	base_arena_unmap(w, sizeof(*w));
}

static void append(struct admit_waits *w, uint32_t slot)
{
	struct place *p = &w->places[slot];

	p->next = NONE;
	p->prev = w->last;
	if (w->last != NONE)
		w->places[w->last].next = slot;
	else
		w->first = slot;
	w->last = slot;
}

static void take_out(struct admit_waits *w, uint32_t slot)
{
	struct place *p = &w->places[slot];

	if (p->prev != NONE)
		w->places[p->prev].next = p->next;
	else
		w->first = p->next;
	if (p->next != NONE)
		w->places[p->next].prev = p->prev;
	else
		w->last = p->prev;
	w->bytes -= p->bytes;
	p->generation++;
	p->next = w->free;
	w->free = slot;
}

int admit_wait(struct admit_waits *w, const struct postern_domain *domain, void *what,
	uint32_t bytes, uint64_t now_us, struct admit_ticket *out)
{
	const uint32_t slot = w->free;

	if (slot == NONE || bytes > w->bytes_most - w->bytes) {
		COUNT(w->counters, WANTED_FULL);
		return -ENOSPC;
	}
	struct place *p = &w->places[slot];
	struct postern_wanted question = {
		.worker = w->worker,
		.slot = slot,
		.generation = p->generation + 1,
		.domain = {.length = domain->length},
	};

	memcpy(question.domain.text, domain->text, domain->length);
	if (rte_ring_sp_enqueue_elem(w->wanted, &question, sizeof(question)) != 0) {
		COUNT(w->counters, WANTED_LOST);
		return -EAGAIN;
	}
	COUNT(w->counters, WANTED);
	w->mark = true;
	w->free = p->next;
	w->bytes += bytes;
	p->what = what;
	p->bytes = bytes;
	p->until_us = now_us + POSTERN_WANTED_US;
	p->generation++;
	append(w, slot);
	*out = (struct admit_ticket){slot, p->generation};
	return 0;
}

static bool waits(const struct admit_waits *w, uint32_t slot, uint32_t generation)
{
	return slot < w->most && generation % 2 != 0 && w->places[slot].generation == generation;
}

void admit_wait_cancel(struct admit_waits *w, const struct admit_ticket *t)
{
	if (waits(w, t->slot, t->generation))
		take_out(w, t->slot);
}

unsigned admit_waits_take(
	struct admit_waits *w, uint64_t now_us, struct admit_waited *out, unsigned n)
{
	struct admit_told told;
	unsigned taken = 0;

	while (taken < n && rte_ring_sc_dequeue_elem(w->told, &told, sizeof(told)) == 0) {
		if (!waits(w, told.slot, told.generation))
			continue;
		out[taken++] = (struct admit_waited){w->places[told.slot].what, true};
		take_out(w, told.slot);
	}
	while (taken < n && w->first != NONE && w->places[w->first].until_us <= now_us) {
		COUNT(w->counters, WANTED_LATE);
		out[taken++] = (struct admit_waited){w->places[w->first].what, false};
		take_out(w, w->first);
	}
	return taken;
}

bool admit_waits_take_mark(struct admit_waits *w)
{
	const bool was = w->mark;

	w->mark = false;
	return was;
}
