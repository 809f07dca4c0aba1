// SPDX-License-Identifier: BSD-2-Clause
// The index from a packet's addresses and ports to its session.
//
// Each key has two buckets of eight places: it goes to the first while that is half empty, then
// to the emptier one, and is never moved. Simulated with a full table of two million keys and
// random replacement at the load of 60 % that the size is computed for, four insertions in a
// million found both full. A look-up goes to the second bucket only if some key of the first
// lies there.

#include "base/arena.h"
#include "steer/private.h"

#include <rte_prefetch.h>

#include <emmintrin.h>
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

// Buckets come from the two halves of the hash by their upper bits, the tag from the lowest bits
// of the first half, so that they are independent for tables of up to 2^16 buckets and nearly so
// beyond.
static struct steer_bucket *first_bucket(const struct steer_table *t, uint64_t hash)
{
	return &t->buckets[base_hash_reduce((uint32_t)hash, t->n_buckets)];
}

static struct steer_bucket *second_bucket(const struct steer_table *t, uint64_t hash)
{
	struct steer_bucket *b =
		&t->buckets[base_hash_reduce((uint32_t)(hash >> 32), t->n_buckets)];

	if (b != first_bucket(t, hash))
		return b;
	return b == t->buckets ? b + 1 : b - 1;
}

static uint16_t tag_of(uint64_t hash)
{
	const uint16_t tag = (uint16_t)hash;

	return tag != 0 ? tag : 1;
}

// One bit a place whose tag is the wanted one.
static unsigned match(const struct steer_bucket *b, uint16_t tag)
{
	const __m128i tags = _mm_load_si128((const __m128i *)(const void *)b->tags);
	const __m128i equal = _mm_cmpeq_epi16(tags, _mm_set1_epi16((short)tag));

	return (unsigned)_mm_movemask_epi8(_mm_packs_epi16(equal, _mm_setzero_si128()));
}

bool steer_table_insert(struct steer_table *t, uint64_t hash, uint32_t ref)
{
	struct steer_bucket *first = first_bucket(t, hash);
	struct steer_bucket *second = second_bucket(t, hash);
	const unsigned free_first = match(first, 0);
	const unsigned free_second = match(second, 0);
	const int n_first = __builtin_popcount(free_first);
	const bool spill = n_first <= (int)PLACES / 2 && __builtin_popcount(free_second) > n_first;
	struct steer_bucket *b = spill ? second : first;
	const unsigned places = spill ? free_second : free_first;

	if (places == 0)
		return false;
	const unsigned at = (unsigned)__builtin_ctz(places);

	b->tags[at] = tag_of(hash);
	b->refs[at] = ref;
	first->spilled = (uint16_t)(first->spilled + spill);
	return true;
}

static bool remove_from(struct steer_bucket *b, uint16_t tag, uint32_t ref)
{
	for (unsigned m = match(b, tag); m != 0; m &= m - 1) {
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
	struct steer_bucket *first = first_bucket(t, hash);

	if (remove_from(first, tag_of(hash), ref))
		return;
	if (remove_from(second_bucket(t, hash), tag_of(hash), ref))
		first->spilled--;
}

void steer_table_prefetch(const struct steer_table *t, uint64_t hash)
{
	rte_prefetch0(first_bucket(t, hash));
}

uint32_t steer_table_guess(const struct steer_table *t, uint64_t hash)
{
	const struct steer_bucket *b = first_bucket(t, hash);
	const unsigned m = match(b, tag_of(hash));

	return m != 0 ? b->refs[__builtin_ctz(m)] : STEER_NO_REF;
}

static bool is_key_of(const struct steer *s, uint32_t ref, const struct ip_tuple *t)
{
	struct ip_tuple key;

	steer_flow_tuple(s, steer_flow_at(s, ref / 2), ref % 2, &key);
	return t->sport == key.sport && t->dport == key.dport && t->proto == key.proto &&
	       postern_addr_equal(&t->src, &key.src) && postern_addr_equal(&t->dst, &key.dst);
}

static uint32_t find_in(const struct steer *s, const struct steer_bucket *b, uint16_t tag,
	const struct ip_tuple *tuple)
{
	for (unsigned m = match(b, tag); m != 0; m &= m - 1) {
		const uint32_t ref = b->refs[__builtin_ctz(m)];

		if (is_key_of(s, ref, tuple))
			return ref;
	}
	return STEER_NO_REF;
}

uint32_t steer_table_find(const struct steer *s, uint64_t hash, const struct ip_tuple *tuple)
{
	const struct steer_bucket *first = first_bucket(&s->table, hash);
	const uint32_t ref = find_in(s, first, tag_of(hash), tuple);

	if (ref != STEER_NO_REF || first->spilled == 0)
		return ref;
	return find_in(s, second_bucket(&s->table, hash), tag_of(hash), tuple);
}
