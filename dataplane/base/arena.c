// SPDX-License-Identifier: BSD-2-Clause

#include "base/arena.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_WRITE // Linux 5.14
#define MADV_POPULATE_WRITE 23
#endif

#ifndef MADV_COLLAPSE // Linux 6.1
#define MADV_COLLAPSE 25
#endif

#define PAGE      4096u
#define HUGE_PAGE ((uintptr_t)2 << 20)

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

void base_arena_advise(void *memory, size_t size)
{
	const uintptr_t from = ((uintptr_t)memory + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
	const uintptr_t to = ((uintptr_t)memory + size) & ~(HUGE_PAGE - 1);

	if (to <= from)
		return;
	// The first is for pages to come and for older kernels, which do it by and by; the second is for now.
	madvise((void *)from, to - from, MADV_HUGEPAGE);
	madvise((void *)from, to - from, MADV_COLLAPSE);
}

void base_arena_unmap(void *arena, size_t size)
{
	if (arena != NULL)
		munmap(arena, size);
}
