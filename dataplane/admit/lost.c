// SPDX-License-Identifier: BSD-2-Clause
// Addresses that have lost their last admitted partner by an operator's change: the last of them, in a
// ring that each worker reads with a cursor of its own. What DNS takes away is not among them.

#include "admit/private.h"

#include <errno.h>

_Static_assert(sizeof(struct admit_lost) == 3 * sizeof(uint64_t), "it is written in words");

static void put(struct postern_policy *p, const struct admit_lost *l)
{
	struct admit_lost *to = &p->lost[p->n_lost % ADMIT_LOST];
	uint64_t words[3];

	memcpy(words, l, sizeof(words));
	// A reader that sees the new words sees afterwards that the old ones have gone.
	__atomic_store_n(&p->n_losing, p->n_lost + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	for (unsigned i = 0; i < 3; i++)
		__atomic_store_n(&to->words[i], words[i], __ATOMIC_RELAXED);
	__atomic_store_n(&p->n_lost, p->n_lost + 1, __ATOMIC_RELEASE);
}

void admit_lose(struct postern_policy *p, const struct admit_group *g)
{
	struct admit_lost l = {.organisation = g->organisation, .bits = g->length};

	if (p->by_dns || g->kind == ADMIT_NAME)
		return;
	memcpy(&l.addr, g->key, sizeof(l.addr));
	put(p, &l);
}

void admit_lose_all(struct postern_policy *p)
{
	const uint64_t n = p->n_lost + ADMIT_LOST + 1;

	__atomic_store_n(&p->n_losing, n, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	__atomic_store_n(&p->n_lost, n, __ATOMIC_RELEASE);
}

uint64_t admit_lost_count(const struct postern_policy *p)
{
	return __atomic_load_n(&p->n_lost, __ATOMIC_ACQUIRE);
}

int admit_lost_take(
	const struct postern_policy *p, uint64_t *cursor, struct admit_lost *out, unsigned n)
{
	const uint64_t end = admit_lost_count(p);
	unsigned taken = 0;

	for (uint64_t at = *cursor; end - *cursor <= ADMIT_LOST && at < end && taken < n; at++)
		for (unsigned i = 0; i < 3; i++) {
			out[taken].words[i] = __atomic_load_n(
				&p->lost[at % ADMIT_LOST].words[i], __ATOMIC_RELAXED);
			taken += i == 2;
		}
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (__atomic_load_n(&p->n_losing, __ATOMIC_RELAXED) - *cursor > ADMIT_LOST) {
		*cursor = end;
		return -EOVERFLOW;
	}
	*cursor += taken;
	return (int)taken;
}
