// SPDX-License-Identifier: BSD-2-Clause
// Where entries lie, and how they are given back. Entries come from one arena in huge pages, so that a
// look-up misses the cache and not the TLB as well; what hangs on them comes from the heap.

#include "admit/private.h"
#include "base/arena.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

// Entries that wait for readers while their successors are in use already: an eighth more.
static uint32_t with_waiting(uint32_t limit)
{
	return limit + limit / 8 + 1024;
}

int admit_arena_new(struct postern_policy *p, uint32_t limit)
{
	p->arena_size = with_waiting(limit);
	p->arena = base_arena_map((size_t)p->arena_size * sizeof(struct admit_entry));
	return p->arena != NULL ? 0 : -ENOMEM;
}

void admit_arena_free(struct postern_policy *p)
{
	base_arena_unmap(p->arena, (size_t)p->arena_size * sizeof(struct admit_entry));
}

static struct admit_entry *slot_try(struct postern_policy *p)
{
	struct admit_entry *e = NULL;

	pthread_mutex_lock(&p->arena_lock);
	if (p->arena_free != NULL) {
		e = p->arena_free;
		memcpy(&p->arena_free, e, sizeof(void *));
	} else if (p->arena_used < p->arena_size) {
		e = &p->arena[p->arena_used++];
	}
	pthread_mutex_unlock(&p->arena_lock);
	return e;
}

// Those that wait are many only when a million entries are replaced at one go; then, and only then,
// whoever replaces them waits too.
static struct admit_entry *slot_new(struct postern_policy *p)
{
	struct admit_entry *e = slot_try(p);

	if (e != NULL)
		return e;
	rcu_thread_offline();
	rcu_barrier();
	rcu_thread_online();
	return slot_try(p);
}

static void slot_free(struct postern_policy *p, struct admit_entry *e)
{
	pthread_mutex_lock(&p->arena_lock);
	memcpy(e, &p->arena_free, sizeof(void *));
	p->arena_free = e;
	pthread_mutex_unlock(&p->arena_lock);
}

void *admit_blob_new(struct postern_policy *p, size_t size)
{
	void *blob = malloc(size);

	if (blob != NULL)
		__atomic_fetch_add(&p->blobs, malloc_usable_size(blob), __ATOMIC_RELAXED);
	return blob;
}

void admit_blob_free(struct postern_policy *p, const void *blob)
{
	if (blob == NULL)
		return;
	__atomic_fetch_sub(
		&p->blobs, malloc_usable_size((void *)(uintptr_t)blob), __ATOMIC_RELAXED);
	free((void *)(uintptr_t)blob);
}

struct admit_entry *admit_entry_new(struct postern_policy *p, const char *text, size_t length)
{
	char *far = NULL;
	struct admit_entry *e;

	if (length > ENTRY_TEXT) {
		far = admit_blob_new(p, length);
		if (far == NULL)
			return NULL;
		memcpy(far, text, length);
	}
	e = slot_new(p);
	if (e == NULL) {
		admit_blob_free(p, far);
		return NULL;
	}
	memset(e, 0, sizeof(*e));
	e->owner = NO_OWNER;
	e->length = (uint8_t)length;
	if (far != NULL)
		e->text.far = far;
	else
		memcpy(e->text.near, text, length);
	return e;
}

struct admit_entry *admit_entry_copy(struct postern_policy *p, const struct admit_entry *old)
{
	struct admit_entry *e = slot_new(p);

	if (e != NULL)
		memcpy(e, old, sizeof(*e));
	return e;
}

void admit_entry_discard(struct postern_policy *p, struct admit_entry *e, bool with_text)
{
	if (with_text && e->length > ENTRY_TEXT)
		admit_blob_free(p, e->text.far);
	slot_free(p, e);
}

const struct admit_listing *admit_entry_listings(const struct admit_entry *e)
{
	return e->n_listings == 1 ? &e->one : e->many;
}

const struct admit_listing *admit_entry_listing(const struct admit_entry *e, uint16_t organisation)
{
	const struct admit_listing *l = admit_entry_listings(e);
	unsigned low = 0, high = e->n_listings;

	while (low < high) {
		const unsigned middle = (low + high) / 2;

		if (l[middle].organisation == organisation)
			return &l[middle];
		if (l[middle].organisation < organisation)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

struct admit_gone *admit_gone_new(struct postern_policy *p)
{
	struct admit_gone *g = calloc(1, sizeof(*g));

	if (g != NULL)
		g->policy = p;
	return g;
}

static void gone_free(struct rcu_head *head)
{
	struct admit_gone *g = caa_container_of(head, struct admit_gone, rcu);

	if (g->entry != NULL)
		slot_free(g->policy, g->entry);
	for (unsigned i = 0; i < ADMIT_GONE_BLOBS; i++)
		admit_blob_free(g->policy, g->blobs[i]);
	free(g);
}

void admit_gone_later(struct admit_gone *g)
{
	call_rcu(&g->rcu, gone_free);
}
