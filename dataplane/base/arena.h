// SPDX-License-Identifier: BSD-2-Clause
// Memory for tables: mapped once, zeroed, in transparent huge pages where the kernel has them.

#pragma once

#include <stddef.h>

// Maps `size` bytes, zeroed; pages that are never touched cost nothing. NULL when the kernel
// refuses. Start and stop only; freed with base_arena_unmap() and the same size.
void *base_arena_map(size_t size);

// The same with every page in place, so that no later touch enters the kernel and a machine with
// too little memory says so at start.
void *base_arena_map_whole(size_t size);

// Asks for huge pages where memory that somebody else has mapped and touched lies; without them it is
// only slower. Start only.
void base_arena_advise(void *memory, size_t size);

void base_arena_unmap(void *arena, size_t size);
