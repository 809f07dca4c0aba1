// SPDX-License-Identifier: BSD-2-Clause

#include "base/wheel.h"

#include <assert.h>
#include <string.h>

#define LEVEL_BITS 8
#define SLOT_MASK  (BASE_WHEEL_SLOTS - 1u)
#define HORIZON    (1u << (BASE_WHEEL_LEVELS * LEVEL_BITS))

// `prev` of a list's first node: this bit and the list's number.
#define HEAD_BIT  0x80000000u
#define COLLECTED (BASE_WHEEL_LEVELS * BASE_WHEEL_SLOTS)

static struct base_wheel_node *node_at(const struct base_wheel *w, uint32_t i)
{
	return (struct base_wheel_node *)(void *)(w->nodes + (size_t)i * w->stride);
}

void base_wheel_init(
	struct base_wheel *w, void *nodes, size_t stride, unsigned shift, uint64_t now_us)
{
	memset(w, 0, sizeof(*w));
	w->nodes = nodes;
	w->stride = stride;
	w->shift = shift;
	w->now = now_us >> shift;
}

bool base_wheel_is_armed(const struct base_wheel *w, uint32_t i)
{
	return node_at(w, i)->prev != 0;
}

static void list_push(struct base_wheel *w, uint32_t list, uint32_t i)
{
	struct base_wheel_node *n = node_at(w, i);

	n->next = w->heads[list];
	n->prev = HEAD_BIT | list;
	if (n->next != 0)
		node_at(w, n->next - 1)->prev = i + 1;
	w->heads[list] = i + 1;
}

static void list_remove(struct base_wheel *w, struct base_wheel_node *n)
{
	if (n->prev & HEAD_BIT)
		w->heads[n->prev & ~HEAD_BIT] = n->next;
	else
		node_at(w, n->prev - 1)->next = n->next;
	if (n->next != 0)
		node_at(w, n->next - 1)->prev = n->prev;
	n->next = 0;
	n->prev = 0;
}

// The list for a due time: the level is the highest group of eight bits in which `due` and `now`
// differ, the slot that group of `due`. What is due now waits for the next tick.
static uint32_t list_for(const struct base_wheel *w, uint32_t due)
{
	const uint32_t differ = due ^ (uint32_t)w->now;
	unsigned level = 0;

	while (level < BASE_WHEEL_LEVELS - 1 && differ >> ((level + 1) * LEVEL_BITS) != 0)
		level++;
	return level * BASE_WHEEL_SLOTS + ((due >> (level * LEVEL_BITS)) & SLOT_MASK);
}

void base_wheel_arm(struct base_wheel *w, uint32_t i, uint64_t due_us)
{
	struct base_wheel_node *n = node_at(w, i);
	const uint64_t round_up = (1ull << w->shift) - 1;
	uint64_t due = (due_us + round_up) >> w->shift;

	if (n->prev != 0)
		list_remove(w, n);
	else
		w->armed++;
	if (due <= w->now)
		due = w->now + 1;
	else if (due - w->now >= HORIZON)
		due = w->now + HORIZON - 1;
	n->due = (uint32_t)due;
	list_push(w, list_for(w, n->due), i);
}

void base_wheel_cancel(struct base_wheel *w, uint32_t i)
{
	struct base_wheel_node *n = node_at(w, i);

	if (n->prev == 0)
		return;
	list_remove(w, n);
	w->armed--;
}

// Moves a whole slot to the list of nodes to be looked at. That list is empty here.
static void collect(struct base_wheel *w, uint32_t list)
{
	const uint32_t first = w->heads[list];

	assert(w->heads[COLLECTED] == 0);
	if (first == 0)
		return;
	w->heads[COLLECTED] = first;
	node_at(w, first - 1)->prev = HEAD_BIT | COLLECTED;
	w->heads[list] = 0;
}

// Advances until some slot has been collected or the present is reached. Higher levels first:
// what they hold may be due in this very tick. A tick whose higher slot held something is
// entered again for the lower ones, once those nodes have been placed.
static void advance(struct base_wheel *w, uint64_t target)
{
	while (w->heads[COLLECTED] == 0) {
		for (unsigned level = BASE_WHEEL_LEVELS - 1; level > 0; level--) {
			const unsigned low = level * LEVEL_BITS;
			const uint32_t slot = (uint32_t)(w->now >> low) & SLOT_MASK;

			if ((w->now & ((1u << low) - 1)) != 0)
				continue;
			collect(w, level * BASE_WHEEL_SLOTS + slot);
			if (w->heads[COLLECTED] != 0)
				return;
		}
		collect(w, (uint32_t)w->now & SLOT_MASK);
		if (w->heads[COLLECTED] != 0 || w->now >= target)
			return;
		w->now++;
	}
}

uint32_t base_wheel_expire(struct base_wheel *w, uint64_t now_us, unsigned *budget)
{
	const uint64_t target = now_us >> w->shift;

	if (w->armed == 0) {
		if (target > w->now)
			w->now = target;
		return BASE_WHEEL_NONE;
	}
	while (*budget > 0) {
		if (w->heads[COLLECTED] == 0)
			advance(w, target);
		if (w->heads[COLLECTED] == 0)
			return BASE_WHEEL_NONE;
		const uint32_t i = w->heads[COLLECTED] - 1;
		struct base_wheel_node *n = node_at(w, i);

		(*budget)--;
		list_remove(w, n);
		// A signed distance, since both are the lower halves of longer counters.
		if ((int32_t)(n->due - (uint32_t)w->now) <= 0) {
			w->armed--;
			return i;
		}
		list_push(w, list_for(w, n->due), i);
	}
	return BASE_WHEEL_NONE;
}

bool base_wheel_is_valid(const struct base_wheel *w)
{
	uint32_t seen = 0;

	for (uint32_t list = 0; list <= COLLECTED; list++) {
		uint32_t prev = HEAD_BIT | list;

		for (uint32_t at = w->heads[list]; at != 0; at = node_at(w, at - 1)->next) {
			const struct base_wheel_node *n = node_at(w, at - 1);

			if (n->prev != prev || ++seen > w->armed)
				return false;
			if (list != COLLECTED && list_for(w, n->due) != list)
				return false;
			prev = at;
		}
	}
	return seen == w->armed;
}
