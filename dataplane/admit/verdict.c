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

// control: rw, worker: ro
struct admit_verdicts {
	struct slot *slots;
	uint64_t mask;
	// control's own
	uint64_t used; // live and dead
	uint64_t live;
};

// control: rw, worker: ro; replaced as a whole
struct admit_verdict_tables {
	struct admit_verdicts *now;
	struct admit_verdicts *old; // that is being copied; NULL: none
	// control's own
	uint64_t moved;
	struct rcu_head rcu;
	bool frees_old; // with itself
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

static uint64_t hash_of(const struct postern_policy *p, const struct key *k)
{
	return base_hash_keyed(&p->secret, k, sizeof(*k));
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
static uint64_t look_up(const struct admit_verdicts *t, uint64_t hash, const struct key *k)
{
	for (uint64_t i = hash & t->mask;; i = (i + 1) & t->mask) {
		const struct slot *s = &t->slots[i];
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

bool admit_verdict_find(
	const struct postern_policy *p, const struct admit_key *key, struct admit_verdict *out)
{
	const struct admit_verdict_tables *t = __atomic_load_n(&p->verdicts, __ATOMIC_ACQUIRE);
	const struct key k = key_of(key->organisation, key->kind, key->length, &key->addr);
	const uint64_t hash = hash_of(p, &k);
	uint64_t state = look_up(t->now, hash, &k);

	if (state == 0 && t->old != NULL)
		state = look_up(t->old, hash, &k);
	if (state == 0) {
		out->row = POSTERN_ROW_NONE;
		return !__atomic_load_n(&p->verdicts_missing, __ATOMIC_RELAXED);
	}
	*out = (struct admit_verdict){
		.outcome = (uint8_t)(state >> 2 & 3),
		.admission = (uint8_t)(state >> 4 & 3),
		.row = (uint8_t)(state >> 8),
		.reason = (uint8_t)(state >> 16),
	};
	return state >> 32 == __atomic_load_n(&p->generation, __ATOMIC_ACQUIRE);
}

void admit_address_prefetch(
	const struct postern_policy *p, uint16_t organisation, const struct postern_addr *address)
{
	const struct admit_verdict_tables *t = __atomic_load_n(&p->verdicts, __ATOMIC_ACQUIRE);
	const bool v4 = postern_addr_is_v4(address);

	if (t == NULL)
		return;
	const struct key k = key_of(organisation, v4 ? ADMIT_V4 : ADMIT_V6, v4 ? 32 : 128, address);

	__builtin_prefetch(&t->now->slots[hash_of(p, &k) & t->now->mask]);
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

static void tables_free(struct rcu_head *head)
{
	struct admit_verdict_tables *t = caa_container_of(head, struct admit_verdict_tables, rcu);

	if (t->frees_old)
		table_free(t->old);
	free(t);
}

static int publish(struct postern_policy *p, struct admit_verdicts *now, struct admit_verdicts *old)
{
	struct admit_verdict_tables *was = p->verdicts;
	struct admit_verdict_tables *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return -ENOMEM;
	t->now = now;
	t->old = old;
	__atomic_store_n(&p->verdicts, t, __ATOMIC_RELEASE);
	if (was == NULL)
		return 0;
	was->frees_old = old == NULL;
	call_rcu(&was->rcu, tables_free);
	return 0;
}

int admit_verdicts_new(struct postern_policy *p)
{
	struct admit_verdicts *t = table_new(SLOTS_LEAST);
	const int rc = t != NULL ? publish(p, t, NULL) : -ENOMEM;

	if (rc < 0)
		table_free(t);
	return rc;
}

void admit_verdicts_free(struct postern_policy *p)
{
	if (p->verdicts == NULL)
		return;
	table_free(p->verdicts->old);
	table_free(p->verdicts->now);
	free(p->verdicts);
	p->verdicts = NULL;
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

static bool is_moved(const struct admit_verdict_tables *t)
{
	return t->old == NULL || t->moved > t->old->mask;
}

void admit_verdicts_move(struct postern_policy *p, unsigned budget)
{
	struct admit_verdict_tables *t = p->verdicts;

	if (t == NULL || t->old == NULL)
		return;
	for (; budget > 0 && !is_moved(t); budget--, t->moved++) {
		const struct slot *s = &t->old->slots[t->moved];
		const struct key k = {{s->addr[0], s->addr[1]}, s->where};

		// What has changed since the copy began is in the new one already.
		if (KIND(s->state) == LIVE && find(t->now, hash_of(p, &k), &k) == NULL)
			insert(t->now, hash_of(p, &k), &k, s->state);
	}
	if (is_moved(t))
		(void)publish(p, t->now, NULL); // without memory another time
}

// At most half of the slots are in use; a search then ends after two or three of them.
static void make_room(struct postern_policy *p)
{
	const struct admit_verdict_tables *t = p->verdicts;
	const uint64_t slots = t->now->mask + 1;
	struct admit_verdicts *bigger;

	if (t->now->used < slots / 2 || t->old != NULL)
		return;
	bigger = table_new(t->now->live >= slots / 4 ? slots * 2 : slots);
	if (bigger != NULL && publish(p, bigger, t->now) < 0)
		table_free(bigger);
}

static uint64_t state_of(const struct postern_policy *p, const struct postern_answer *a)
{
	return LIVE | (uint64_t)a->outcome << 2 | (uint64_t)a->admission << 4 |
	       (uint64_t)a->row << 8 | (uint64_t)a->reason << 16 | (uint64_t)p->generation << 32;
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
	struct admit_verdicts *now = p->verdicts->now, *old = p->verdicts->old;
	struct slot *s = find(now, hash, &k);
	struct slot *was = old != NULL ? find(old, hash, &k) : NULL;

	if (s != NULL)
		update(s, state_of(p, a));
	else if (now->used < (now->mask + 1) / 8 * 7)
		insert(now, hash, &k, state_of(p, a));
	else // memory was refused: what is not found is decided on
		__atomic_store_n(&p->verdicts_missing, true, __ATOMIC_RELAXED);
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
	struct admit_verdict_tables *t = p->verdicts;

	if (g->kind == ADMIT_NAME)
		return;
	memcpy(&addr, g->key, sizeof(addr));
	const struct key k = key_of(g->organisation, g->kind, g->length, &addr);
	const uint64_t hash = hash_of(p, &k);
	struct slot *s = find(t->now, hash, &k);

	if (s != NULL)
		bury(t->now, s);
	s = t->old != NULL ? find(t->old, hash, &k) : NULL;
	if (s != NULL)
		bury(t->old, s);
}

uint64_t admit_verdicts_memory(const struct postern_policy *p)
{
	const struct admit_verdict_tables *t = p->verdicts;

	if (t == NULL)
		return 0;
	return (t->now->mask + 1 + (t->old != NULL ? t->old->mask + 1 : 0)) * sizeof(struct slot);
}
