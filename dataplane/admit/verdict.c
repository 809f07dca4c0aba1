// SPDX-License-Identifier: BSD-2-Clause
// What the index says of each address and prefix, decided beforehand: one flat table, so that a worker
// that asks about an address misses the cache once, and can fetch that before. The lock holder writes,
// entry by entry; workers read without waiting.
//
// A table that has become too small, or too full of removed entries, is copied into another, some entries
// with each change. Meanwhile changes go to both, and workers look into the new one first; the old one loses
// nothing, so an entry is always in one of them.

#include "admit/private.h"
#include "base/arena.h"

#include <errno.h>
#include <stdlib.h>

#define SLOTS_LEAST 1024u
// Moved with each change. Half of the slots are used up before the next copy begins, so this one ends
// long before.
#define MOVE_A_CHANGE 16u

// A state, low bits first: LIVE or DEAD (0: free), outcome, admission, row, reason, version, generation.
#define LIVE          1u
#define DEAD          2u
#define KIND(state)   ((state)&3u)
#define VERSION_SHIFT 24
#define VERSION(s)    (((s) >> VERSION_SHIFT) & 0xffu)

struct slot {
	uint64_t state;
	uint64_t addr[2];
	uint64_t where; // organisation, family, length
};

_Static_assert(sizeof(struct slot) * 2 == CACHE_LINE, "two in a cache line");

struct admit_verdicts {
	struct rcu_head rcu;
	struct slot *slots;
	uint64_t mask;
	uint64_t used; // live and dead
	uint64_t live;
	uint64_t moved; // of the old one, slots that have been copied
};

struct key {
	uint64_t addr[2];
	uint64_t where;
};

static struct key key_of(
	uint16_t organisation, uint8_t kind, uint8_t length, const struct postern_addr *a)
{
	return (struct key){{a->quads[0], a->quads[1]},
		(uint64_t)organisation << 16 | (uint64_t)kind << 8 | length};
}

// A folded multiplication by secret numbers: half the time of a hash over bytes, and nobody who chooses his
// address knows what it is multiplied by.
static uint64_t hash_of(const struct postern_policy *p, const struct key *k)
{
	const unsigned __int128 product =
		(unsigned __int128)(k->addr[0] ^ k->where ^ p->front.key[0]) *
		(k->addr[1] ^ p->front.key[1]);
	const uint64_t h =
		((uint64_t)product ^ (uint64_t)(product >> 64)) * UINT64_C(0x9e3779b97f4a7c15);

	return h ^ h >> 32;
}

// A table as one word, so that its place and its size are read together: it lies on a page.
static uint64_t word_of(const struct admit_verdicts *t)
{
	return t != NULL ? (uint64_t)(uintptr_t)t->slots | (uint64_t)__builtin_ctzll(t->mask + 1)
			 : 0;
}

static const struct slot *slots_of(uint64_t word)
{
	return (const struct slot *)(uintptr_t)(word &
						~UINT64_C(63)); // NOLINT(performance-no-int-to-ptr)
}

static uint64_t mask_of(uint64_t word)
{
	return (UINT64_C(1) << (word & 63)) - 1;
}

// Whether the slot has the key, read as it may be written meanwhile.
static bool has_key(const struct slot *s, const struct key *k)
{
	return __atomic_load_n(&s->addr[1], __ATOMIC_RELAXED) == k->addr[1] &&
	       __atomic_load_n(&s->addr[0], __ATOMIC_RELAXED) == k->addr[0] &&
	       __atomic_load_n(&s->where, __ATOMIC_RELAXED) == k->where;
}

// ---- workers

// The state of a key, or 0. A slot that changes hands between the two looks at its state is read again.
static uint64_t look_up(uint64_t word, uint64_t hash, const struct key *k)
{
	const struct slot *slots = slots_of(word);
	const uint64_t mask = mask_of(word);

	for (uint64_t i = hash & mask;; i = (i + 1) & mask) {
		const struct slot *s = &slots[i];
		uint64_t state, again;
		bool found;

		do {
			state = __atomic_load_n(&s->state, __ATOMIC_ACQUIRE);
			if (state == 0)
				return 0;
			found = has_key(s, k);
			__atomic_thread_fence(__ATOMIC_ACQUIRE);
			again = __atomic_load_n(&s->state, __ATOMIC_RELAXED);
		} while (VERSION(again) != VERSION(state) || KIND(again) != KIND(state));
		if (found && KIND(state) == LIVE)
			return state;
	}
}

// In one of the two tables it is, if the old one is known before the new one is looked at.
static uint64_t find_state(const struct postern_policy *p, const struct key *k)
{
	const uint64_t hash = hash_of(p, k);
	const uint64_t now = __atomic_load_n(&p->front.now, __ATOMIC_ACQUIRE);
	const uint64_t old = __atomic_load_n(&p->front.old, __ATOMIC_ACQUIRE);
	const uint64_t state = look_up(now, hash, k);

	return state == 0 && old != 0 ? look_up(old, hash, k) : state;
}

static bool is_current(const struct postern_policy *p, uint64_t state)
{
	return state >> 32 == __atomic_load_n(&p->front.generation, __ATOMIC_ACQUIRE);
}

static struct admit_verdict verdict_of(uint64_t state)
{
	return (struct admit_verdict){
		.outcome = (uint8_t)(state >> 2 & 3),
		.admission = (uint8_t)(state >> 4 & 3),
		.row = (uint8_t)(state >> 8),
		.reason = (uint8_t)(state >> 16),
	};
}

bool admit_verdict_find(
	const struct postern_policy *p, const struct admit_key *key, struct admit_verdict *out)
{
	const struct key k = key_of(key->organisation, key->kind, key->length, &key->addr);
	const uint64_t state = find_state(p, &k);

	if (state == 0) {
		out->row = POSTERN_ROW_NONE;
		return !__atomic_load_n(&p->front.missing, __ATOMIC_RELAXED);
	}
	*out = verdict_of(state);
	return is_current(p, state);
}

static struct key exact_key(uint16_t organisation, const struct postern_addr *address)
{
	const bool v4 = postern_addr_is_v4(address);

	return key_of(organisation, v4 ? ADMIT_V4 : ADMIT_V6, v4 ? 32 : 128, address);
}

bool admit_verdict_admits(const struct postern_policy *p, uint16_t organisation,
	const struct postern_addr *address, struct admit_verdict *out)
{
	const struct key k = exact_key(organisation, address);
	const uint64_t state = find_state(p, &k);

	if (state == 0 || !is_current(p, state))
		return false;
	*out = verdict_of(state);
	return out->outcome == POSTERN_ADMIT;
}

void admit_address_prefetch(
	const struct postern_policy *p, uint16_t organisation, const struct postern_addr *address)
{
	const uint64_t now = __atomic_load_n(&p->front.now, __ATOMIC_ACQUIRE);
	const struct key k = exact_key(organisation, address);

	if (now != 0)
		__builtin_prefetch(&slots_of(now)[hash_of(p, &k) & mask_of(now)]);
}

// ---- tables; under the lock

static void table_free(struct admit_verdicts *t)
{
	if (t == NULL)
		return;
	base_arena_unmap(t->slots, (t->mask + 1) * sizeof(struct slot));
	free(t);
}

static struct admit_verdicts *table_new(uint64_t slots)
{
	struct admit_verdicts *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->mask = slots - 1;
	t->slots = base_arena_map(slots * sizeof(struct slot));
	if (t->slots != NULL)
		return t;
	free(t);
	return NULL;
}

static void freed(struct rcu_head *head)
{
	table_free(caa_container_of(head, struct admit_verdicts, rcu));
}

int admit_verdicts_new(struct postern_policy *p)
{
	struct admit_verdicts *t = table_new(SLOTS_LEAST);

	if (t == NULL)
		return -ENOMEM;
	memcpy(p->front.key, &p->secret, sizeof(p->front.key));
	p->verdicts = t;
	__atomic_store_n(&p->front.now, word_of(t), __ATOMIC_RELEASE);
	return 0;
}

void admit_verdicts_free(struct postern_policy *p)
{
	table_free(p->verdicts_old);
	table_free(p->verdicts);
	p->verdicts = p->verdicts_old = NULL;
}

static struct slot *find(struct admit_verdicts *t, uint64_t hash, const struct key *k)
{
	for (uint64_t i = hash & t->mask;; i = (i + 1) & t->mask) {
		struct slot *s = &t->slots[i];

		if (s->state == 0)
			return NULL;
		if (KIND(s->state) == LIVE && has_key(s, k))
			return s;
	}
}

static void set_state(struct slot *s, uint64_t state)
{
	__atomic_store_n(&s->state, state, __ATOMIC_RELEASE);
}

// Takes the first slot that is free or dead; there is one. A dead one gets another version with its key.
static void insert(struct admit_verdicts *t, uint64_t hash, const struct key *k, uint64_t state)
{
	uint64_t i = hash & t->mask;

	while (KIND(t->slots[i].state) == LIVE)
		i = (i + 1) & t->mask;
	struct slot *s = &t->slots[i];
	const uint64_t version = (VERSION(s->state) + 1) & 0xffu;

	t->used += s->state == 0;
	t->live++;
	if (s->state != 0) // still dead, but for those who have found it dead no longer the same
		__atomic_store_n(&s->state, DEAD | version << VERSION_SHIFT, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	__atomic_store_n(&s->addr[0], k->addr[0], __ATOMIC_RELAXED);
	__atomic_store_n(&s->addr[1], k->addr[1], __ATOMIC_RELAXED);
	__atomic_store_n(&s->where, k->where, __ATOMIC_RELAXED);
	set_state(s, (state & ~(UINT64_C(0xff) << VERSION_SHIFT)) | version << VERSION_SHIFT);
}

static void update(struct slot *s, uint64_t state)
{
	set_state(s, (state & ~(UINT64_C(0xff) << VERSION_SHIFT)) |
			     (s->state & UINT64_C(0xff) << VERSION_SHIFT));
}

void admit_verdicts_move(struct postern_policy *p, unsigned budget)
{
	struct admit_verdicts *now = p->verdicts, *old = p->verdicts_old;

	if (old == NULL)
		return;
	for (; budget > 0 && now->moved <= old->mask; budget--, now->moved++) {
		const struct slot *s = &old->slots[now->moved];
		const struct key k = {{s->addr[0], s->addr[1]}, s->where};

		// What has changed since the copy began is in the new one already.
		if (KIND(s->state) == LIVE && find(now, hash_of(p, &k), &k) == NULL)
			insert(now, hash_of(p, &k), &k, s->state);
	}
	if (now->moved <= old->mask)
		return;
	p->verdicts_old = NULL;
	__atomic_store_n(&p->front.old, 0, __ATOMIC_RELEASE);
	call_rcu(&old->rcu, freed);
}

// At most half of the slots are in use; a search then ends after two or three of them.
static void make_room(struct postern_policy *p)
{
	struct admit_verdicts *t = p->verdicts;
	const uint64_t slots = t->mask + 1;
	struct admit_verdicts *next;

	if (t->used < slots / 2 || p->verdicts_old != NULL)
		return;
	next = table_new(t->live >= slots / 4 ? slots * 2 : slots);
	if (next == NULL)
		return;
	p->verdicts_old = t;
	p->verdicts = next;
	// Who sees the new one sees the old one as well.
	__atomic_store_n(&p->front.old, word_of(t), __ATOMIC_RELEASE);
	__atomic_store_n(&p->front.now, word_of(next), __ATOMIC_RELEASE);
}

static uint64_t state_of(const struct postern_policy *p, const struct postern_answer *a)
{
	return LIVE | (uint64_t)a->outcome << 2 | (uint64_t)a->admission << 4 |
	       (uint64_t)a->row << 8 | (uint64_t)a->reason << 16 |
	       (uint64_t)p->front.generation << 32;
}

void admit_verdict_set(
	struct postern_policy *p, const struct admit_group *g, const struct postern_answer *a)
{
	struct postern_addr addr;

	if (g->kind == ADMIT_NAME)
		return;
	memcpy(&addr, g->key, sizeof(addr));
	const struct key k = key_of(g->organisation, g->kind, g->length, &addr);
	const uint64_t hash = hash_of(p, &k);

	make_room(p);
	admit_verdicts_move(p, MOVE_A_CHANGE);
	struct admit_verdicts *now = p->verdicts, *old = p->verdicts_old;
	struct slot *s = find(now, hash, &k);
	struct slot *was = old != NULL ? find(old, hash, &k) : NULL;

	if (s != NULL)
		update(s, state_of(p, a));
	else if (now->used < (now->mask + 1) / 8 * 7)
		insert(now, hash, &k, state_of(p, a));
	else // memory was refused: what is not found is decided on
		__atomic_store_n(&p->front.missing, true, __ATOMIC_RELAXED);
	if (was != NULL)
		update(was, state_of(p, a));
}

static void bury(struct admit_verdicts *t, struct slot *s)
{
	const uint64_t version = s->state & UINT64_C(0xff) << VERSION_SHIFT;

	t->live--;
	set_state(s, DEAD | version);
}

void admit_verdict_remove(struct postern_policy *p, const struct admit_group *g)
{
	struct postern_addr addr;

	if (g->kind == ADMIT_NAME)
		return;
	memcpy(&addr, g->key, sizeof(addr));
	const struct key k = key_of(g->organisation, g->kind, g->length, &addr);
	const uint64_t hash = hash_of(p, &k);
	struct slot *s = find(p->verdicts, hash, &k);

	if (s != NULL)
		bury(p->verdicts, s);
	s = p->verdicts_old != NULL ? find(p->verdicts_old, hash, &k) : NULL;
	if (s != NULL)
		bury(p->verdicts_old, s);
}

uint64_t admit_verdicts_memory(const struct postern_policy *p)
{
	const uint64_t old = p->verdicts_old != NULL ? p->verdicts_old->mask + 1 : 0;

	return p->verdicts != NULL ? (p->verdicts->mask + 1 + old) * sizeof(struct slot) : 0;
}
