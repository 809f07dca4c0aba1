// SPDX-License-Identifier: BSD-2-Clause
// Looking up sessions, for the packet path: everything that each packet does with the index. table.c
// says how the index works.

#pragma once

#include "steer/private.h"

#include <rte_prefetch.h>

#include <emmintrin.h>

// Buckets come from the two halves of the hash by their upper bits, the tag from the lowest bits
// of the first half, so that they are independent for tables of up to 2^16 buckets and nearly so
// beyond.
static inline struct steer_bucket *steer_bucket_first(const struct steer_table *t, uint64_t hash)
{
	return &t->buckets[base_hash_reduce((uint32_t)hash, t->n_buckets)];
}

static inline struct steer_bucket *steer_bucket_second(const struct steer_table *t, uint64_t hash)
{
	struct steer_bucket *b =
		&t->buckets[base_hash_reduce((uint32_t)(hash >> 32), t->n_buckets)];

	if (b != steer_bucket_first(t, hash))
		return b;
	return b == t->buckets ? b + 1 : b - 1;
}

static inline uint16_t steer_tag(uint64_t hash)
{
	const uint16_t tag = (uint16_t)hash;

	return tag != 0 ? tag : 1;
}

// One bit a place whose tag is the wanted one.
static inline unsigned steer_bucket_match(const struct steer_bucket *b, uint16_t tag)
{
	const __m128i tags = _mm_load_si128((const __m128i *)(const void *)b->tags);
	const __m128i equal = _mm_cmpeq_epi16(tags, _mm_set1_epi16((short)tag));

	return (unsigned)_mm_movemask_epi8(_mm_packs_epi16(equal, _mm_setzero_si128()));
}

static inline void steer_table_prefetch(const struct steer_table *t, uint64_t hash)
{
	rte_prefetch0(steer_bucket_first(t, hash));
}

// Both places of a key: of one that is to be entered or taken out, which a full table spills.
static inline void steer_table_prefetch_both(const struct steer_table *t, uint64_t hash)
{
	rte_prefetch0(steer_bucket_first(t, hash));
	rte_prefetch0(steer_bucket_second(t, hash));
}

// The second place, if the key may lie there.
static inline void steer_table_prefetch_second(const struct steer_table *t, uint64_t hash)
{
	if (steer_bucket_first(t, hash)->spilled != 0)
		rte_prefetch0(steer_bucket_second(t, hash));
}

static inline uint32_t steer_bucket_guess(const struct steer_bucket *b, uint64_t hash)
{
	const unsigned m = steer_bucket_match(b, steer_tag(hash));

	return m != 0 ? b->refs[__builtin_ctz(m)] : STEER_NO_REF;
}

// The first reference whose tag matches at the first place, to be prefetched; it may be another key's.
static inline uint32_t steer_table_guess(const struct steer_table *t, uint64_t hash)
{
	return steer_bucket_guess(steer_bucket_first(t, hash), hash);
}

// The same at the second place, when there is nothing at the first.
static inline uint32_t steer_table_guess_second(const struct steer_table *t, uint64_t hash)
{
	if (steer_bucket_first(t, hash)->spilled == 0)
		return STEER_NO_REF;
	return steer_bucket_guess(steer_bucket_second(t, hash), hash);
}

// False if the key is certainly not there.
static inline bool steer_table_may_hold(const struct steer_table *t, uint64_t hash)
{
	return steer_table_guess(t, hash) != STEER_NO_REF ||
	       steer_table_guess_second(t, hash) != STEER_NO_REF;
}

static inline bool steer_flow_is_gateways(const struct steer *s, const struct steer_flow *f,
	unsigned direction, const struct ip_tuple *t)
{
	struct ip_tuple own;

	steer_flow_tuple(s, f, direction, &own);
	return own.sport == t->sport && own.dport == t->dport &&
	       postern_addr_equal(&own.src, &t->src) && postern_addr_equal(&own.dst, &t->dst);
}

// The same as steer_flow_tuple() and a comparison; of a service's sessions without writing the tuple
// down.
static inline bool steer_flow_is_at(const struct steer *s, uint32_t ref, const struct ip_tuple *t)
{
	const struct steer_flow *f = steer_flow_at(s, ref / 2);
	const struct steer_listen *l = &s->listens[f->listen];
	const struct steer_member *m = &s->members[f->member];
	const bool destination = f->flags & FLOW_DESTINATION;

	if (t->proto != (f->flags & FLOW_UDP ? IPPROTO_UDP : IPPROTO_TCP))
		return false;
	if (unlikely(f->flags & FLOW_GATEWAY))
		return steer_flow_is_gateways(s, f, ref % 2, t);
	if (ref % 2 == FROM_CLIENT)
		return t->sport == f->client_port && postern_addr_equal(&t->src, &f->client) &&
		       t->dport == (destination ? f->own_port : l->port) &&
		       postern_addr_equal(&t->dst, &l->addr);
	return t->sport == (f->flags & FLOW_RANGE ? f->own_port : m->port) &&
	       t->dport == (destination ? f->client_port : f->own_port) &&
	       postern_addr_equal(&t->src, &m->addr) &&
	       postern_addr_equal(&t->dst, destination ? &f->client : &s->nats[f->nat]);
}

static inline uint32_t steer_bucket_find(const struct steer *s, const struct steer_bucket *b,
	uint16_t tag, const struct ip_tuple *tuple)
{
	for (unsigned m = steer_bucket_match(b, tag); m != 0; m &= m - 1) {
		const uint32_t ref = b->refs[__builtin_ctz(m)];

		if (steer_flow_is_at(s, ref, tuple))
			return ref;
	}
	return STEER_NO_REF;
}

static inline uint32_t steer_table_find(
	const struct steer *s, uint64_t hash, const struct ip_tuple *tuple)
{
	const struct steer_bucket *first = steer_bucket_first(&s->table, hash);
	const uint32_t ref = steer_bucket_find(s, first, steer_tag(hash), tuple);

	if (likely(ref != STEER_NO_REF) || first->spilled == 0)
		return ref;
	return steer_bucket_find(s, steer_bucket_second(&s->table, hash), steer_tag(hash), tuple);
}
