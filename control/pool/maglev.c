// SPDX-License-Identifier: BSD-2-Clause
// Maglev tables: "Maglev: A Fast and Reliable Software Network Load Balancer" (NSDI 2016),
// section 3.4, with weights.
//
// Each member has a permutation of all slots, drawn from its name, and takes its favourite free
// slot whenever it is its turn. In the paper the turns go round; here a member of weight w has
// its turns at the times 0, 3/2w, 5/2w, 7/2w, ... and the earliest turn is the next one. Up to
// time t a member has had w * t turns, rounded (from the second on; the first comes early so that
// even the lightest member has a slot): shares are exact to one slot, but for what those lightest
// are given; turns of a heavy member are spread among those of the others; and since only ratios
// of weights enter, weights with a common divisor make the same table as without it. Members of
// equal weight have their turns at equal times and take them one after another, so that the order
// of times is kept for distinct weights only: a pool of equal members costs no ordering at all.

#include "control/pool/pool.h"

#include <xxhash.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// The first primes past powers of two, up to 100 slots for each of 65,535 members.
static const uint32_t sizes[] = {65537, 131101, 262147, 524309, 1048583, 2097169, 4194319, 8388617};

// Fixed for ever: appliances agree because they use the same.
#define SEED_OFFSET UINT64_C(0x6f66667365743031)
#define SEED_SKIP   UINT64_C(0x736b697070696e67)

struct taker {
	const char *name;
	uint32_t weight;
	uint16_t id;
	uint32_t next; // the slot that it asks for next
	uint32_t skip;
};

// Members of one weight; `turns` is how many each of them has had.
struct group {
	struct taker *takers;
	unsigned count;
	uint32_t weight;
	uint32_t turns;
};

static int compare_takers(const void *a, const void *b)
{
	const struct taker *x = a, *y = b;
	if (x->weight != y->weight)
		return x->weight > y->weight ? -1 : 1;
	int names = strcmp(x->name, y->name);
	return names != 0 ? names : (int)x->id - (int)y->id;
}

static uint32_t choose_size(unsigned n)
{
	size_t i = 0;
	while (i + 1 < sizeof(sizes) / sizeof(sizes[0]) && sizes[i] < (uint64_t)n * 100)
		i++;
	return sizes[i];
}

static unsigned collect(
	const struct pool_maglev_input *members, unsigned n, uint32_t size, struct taker *out)
{
	unsigned count = 0;
	for (unsigned i = 0; i < n; i++) {
		if (members[i].weight == 0)
			continue;
		size_t length = strlen(members[i].name);
		uint64_t offset = XXH3_64bits_withSeed(members[i].name, length, SEED_OFFSET);
		uint64_t skip = XXH3_64bits_withSeed(members[i].name, length, SEED_SKIP);
		out[count++] = (struct taker){
			.name = members[i].name,
			.weight = members[i].weight,
			.id = members[i].id,
			.next = (uint32_t)(offset % size),
			.skip = (uint32_t)(skip % (size - 1)) + 1,
		};
	}
	qsort(out, count, sizeof(*out), compare_takers);
	return count;
}

static unsigned group_by_weight(struct taker *takers, unsigned n, struct group *out)
{
	unsigned count = 0;
	for (unsigned i = 0; i < n; i++) {
		if (count == 0 || out[count - 1].weight != takers[i].weight)
			out[count++] = (struct group){&takers[i], 0, takers[i].weight, 0};
		out[count - 1].count++;
	}
	return count;
}

// Twice the time of the next turn is due(g) / g->weight.
static uint64_t due(const struct group *g)
{
	return g->turns == 0 ? 0 : 2 * (uint64_t)g->turns + 1;
}

// Fractions are compared by cross multiplication: exact, and within 64 bits, since turns stay
// below 2^24 and weights below 2^32. At equal times the heavier group goes first.
static bool before(const struct group *a, const struct group *b)
{
	uint64_t x = due(a) * b->weight, y = due(b) * a->weight;
	return x != y ? x < y : a->weight > b->weight;
}

// Restores the heap below its root, whose time has moved on.
static void sift(struct group *heap, unsigned n)
{
	struct group moving = heap[0];
	unsigned at = 0;
	for (unsigned child; (child = 2 * at + 1) < n; at = child) {
		if (child + 1 < n && before(&heap[child + 1], &heap[child]))
			child++;
		if (!before(&heap[child], &moving))
			break;
		heap[at] = heap[child];
	}
	heap[at] = moving;
}

static void take(struct taker *t, uint32_t size, uint16_t *slots)
{
	uint32_t at = t->next;
	while (slots[at] != POSTERN_ID_NONE) {
		at += t->skip;
		if (at >= size)
			at -= size;
	}
	slots[at] = t->id;
	t->next = at;
}

// Groups come heaviest first with equal times, which is a heap already.
static void fill(struct group *heap, unsigned n, uint32_t size, uint16_t *slots)
{
	memset(slots, 0xff, size * sizeof(*slots));
	for (uint32_t left = size; left > 0; sift(heap, n)) {
		struct group *g = &heap[0];
		for (unsigned i = 0; i < g->count && left > 0; i++, left--)
			take(&g->takers[i], size, slots);
		g->turns++;
	}
}

int pool_maglev_build(
	const struct pool_maglev_input *members, unsigned n, struct postern_maglev *out)
{
	*out = (struct postern_maglev){0};
	if (n == 0)
		return 0;

	uint32_t size = choose_size(n);
	struct taker *takers = calloc(n, sizeof(*takers));
	struct group *groups = calloc(n, sizeof(*groups));
	uint16_t *slots = NULL;
	int status = -ENOMEM;
	if (takers == NULL || groups == NULL)
		goto end;

	status = 0;
	unsigned count = collect(members, n, size, takers);
	if (count == 0)
		goto end;

	slots = malloc(size * sizeof(*slots));
	if (slots == NULL) {
		status = -ENOMEM;
		goto end;
	}
	fill(groups, group_by_weight(takers, count, groups), size, slots);
	*out = (struct postern_maglev){size, slots};
end:
	free(groups);
	free(takers);
	return status;
}
