// SPDX-License-Identifier: BSD-2-Clause
// The index from a packet's addresses and ports to its session.
//
// Each key has two buckets of eight places: it goes to the first while at most half of that is taken,
// then to the emptier one, and is never moved. Simulated with a full table of four million keys and
// random replacement at the load of 60 % that the size is computed for, seven insertions in a
// million found both full, and a third of the keys lay in their second bucket; of a table that is
// half full it is one in fifty. A look-up goes to the second bucket only if some key of the first
// lies there.

#include "steer/table.h"

#include "base/arena.h"
#include "steer/private.h"

#include <errno.h>

#define PLACES       8u
#define LOAD_PERCENT 60u

int steer_table_init(struct steer_table *t, uint32_t keys)
{
	const uint64_t places = (uint64_t)keys * 100 / LOAD_PERCENT;

	// Two buckets at least, so that first and second can differ.
	t->n_buckets = (uint32_t)(places / PLACES) + 2;
	t->buckets = base_arena_map_whole((size_t)t->n_buckets * sizeof(*t->buckets));
	return t->buckets != NULL ? 0 : -ENOMEM;
}

void steer_table_fini(struct steer_table *t)
{
	base_arena_unmap(t->buckets, (size_t)t->n_buckets * sizeof(*t->buckets));
	t->buckets = NULL;
}

bool steer_table_insert(struct steer_table *t, uint64_t hash, uint32_t ref)
{
	struct steer_bucket *first = steer_bucket_first(t, hash);
	struct steer_bucket *b = first;
	unsigned places = steer_bucket_match(first, 0);
	const int n_first = __builtin_popcount(places);
	bool spill = false;

	// The second is seldom in the cache: it is looked at only when it may be needed.
	if (n_first < (int)PLACES / 2) {
		struct steer_bucket *second = steer_bucket_second(t, hash);
		const unsigned free_second = steer_bucket_match(second, 0);

		spill = __builtin_popcount(free_second) > n_first;
		if (spill) {
			b = second;
			places = free_second;
		}
	}
	if (places == 0)
		return false;
	const unsigned at = (unsigned)__builtin_ctz(places);

	b->tags[at] = steer_tag(hash);
	b->refs[at] = ref;
	first->spilled = (uint16_t)(first->spilled + spill);
	return true;
}

static bool remove_from(struct steer_bucket *b, uint16_t tag, uint32_t ref)
{
	for (unsigned m = steer_bucket_match(b, tag); m != 0; m &= m - 1) {
		const unsigned at = (unsigned)__builtin_ctz(m);

		if (b->refs[at] == ref) {
			b->tags[at] = 0;
			return true;
		}
	}
	return false;
}

void steer_table_remove(struct steer_table *t, uint64_t hash, uint32_t ref)
{
	struct steer_bucket *first = steer_bucket_first(t, hash);

	if (remove_from(first, steer_tag(hash), ref))
		return;
	if (remove_from(steer_bucket_second(t, hash), steer_tag(hash), ref))
		first->spilled--;
}
