// SPDX-License-Identifier: BSD-2-Clause

#include "base/arena.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_WRITE // Linux 5.14
#define MADV_POPULATE_WRITE 23
#endif

#define PAGE 4096u

void *base_arena_map(size_t size)
{
	void *arena = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (arena == MAP_FAILED)
		return NULL;
	// Advice alone: without huge pages the tables work, only with more TLB misses.
	madvise(arena, size, MADV_HUGEPAGE);
	return arena;
}

static bool populate(char *arena, size_t size)
{
	if (madvise(arena, size, MADV_POPULATE_WRITE) == 0)
		return true;
	if (errno != EINVAL)
		return false;
	// An older kernel: touch each page. It may kill us when there is no memory.
	for (size_t at = 0; at < size; at += PAGE)
		*(volatile char *)(arena + at) = 0;
	return true;
}

void *base_arena_map_whole(size_t size)
{
	void *arena = base_arena_map(size);

	if (arena != NULL && !populate(arena, size)) {
		base_arena_unmap(arena, size);
		return NULL;
	}
	return arena;
}

void base_arena_unmap(void *arena, size_t size)
{
	if (arena != NULL)
		munmap(arena, size);
}
