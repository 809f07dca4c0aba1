// SPDX-License-Identifier: BSD-2-Clause
// The choice of a member.

#include "base/pick.h"

#include "base/hash.h"

#include "postern/dataplane.h"

// Slots looked at behind a member that takes nothing, before the others are simply listed. With
// half of a pool down 64 slots in a row without a healthy one have a probability of 2^-64.
#define WALK_SLOTS 64u

static bool is_avoided(const struct base_pick *p, uint16_t member)
{
	for (unsigned i = 0; i < p->n_avoid; i++)
		if (p->avoid[i] == member)
			return true;
	return false;
}

// A member that has just come back may take a share only; which clients it takes follows from their
// hash, so that a client's repetition meets the same answer.
static bool takes_new(const struct base_pick *p, uint16_t member, uint32_t hash)
{
	const uint32_t word = __atomic_load_n(&p->health[member], __ATOMIC_RELAXED);

	return (word & POSTERN_MEMBER_TAKES_NEW) &&
	       (hash & 0xffu) >= POSTERN_MEMBER_SHARE_WITHHELD(word);
}

static bool is_choice(const struct base_pick *p, uint16_t member)
{
	// Among the last that are left nobody is spared.
	return !is_avoided(p, member) && p->is_family(p->context, member, p->family) &&
	       takes_new(p, member, 0xff);
}

// For a pool that is nearly all down: the n-th of those that take sessions.
static uint16_t from_list(const struct base_pick *p)
{
	uint32_t choices = 0;

	for (unsigned i = 0; i < p->pool->n_members; i++)
		choices += is_choice(p, p->pool->members[i]);
	if (choices == 0)
		return POSTERN_ID_NONE;
	uint32_t n = base_hash_reduce(p->hash, choices);

	for (unsigned i = 0; i < p->pool->n_members; i++)
		if (is_choice(p, p->pool->members[i]) && n-- == 0)
			return p->pool->members[i];
	return POSTERN_ID_NONE;
}

uint16_t base_pick_member(const struct base_pick *p)
{
	const struct postern_maglev *maglev = &p->pool->maglev[p->family];

	if (maglev->size == 0)
		return POSTERN_ID_NONE;
	const uint32_t first = base_hash_reduce(p->hash, maglev->size);
	uint32_t at = first;

	for (unsigned i = 0; i < WALK_SLOTS; i++) {
		const uint16_t member = maglev->slots[at];

		if (!is_avoided(p, member) && takes_new(p, member, p->hash))
			return member;
		at = at + 1 < maglev->size ? at + 1 : 0;
	}
	const uint16_t left = from_list(p);

	if (left == POSTERN_ID_NONE && p->pool->try_all && !is_avoided(p, maglev->slots[first]))
		return maglev->slots[first];
	return left;
}
