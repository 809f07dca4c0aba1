// SPDX-License-Identifier: BSD-2-Clause

#include "base/arena.h"

#include <sys/mman.h>

void *base_arena_map(size_t size)
{
	void *arena = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (arena == MAP_FAILED)
		return NULL;
	// Advice alone: without huge pages the tables work, only with more TLB misses.
	madvise(arena, size, MADV_HUGEPAGE);
	return arena;
}

void base_arena_unmap(void *arena, size_t size)
{
	if (arena != NULL)
		munmap(arena, size);
}
