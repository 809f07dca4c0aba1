// SPDX-License-Identifier: BSD-2-Clause
// A hierarchical timing wheel over objects that lie in one array. Arming, re-arming and
// cancelling are O(1); the work of a turn is bounded by the caller, also when a slot of a higher
// level with a million objects comes round. One thread owns a wheel.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BASE_WHEEL_LEVELS 3
#define BASE_WHEEL_SLOTS  256 // 3 levels of 256 slots reach 2^24 ticks
#define BASE_WHEEL_NONE   UINT32_MAX

// Lies somewhere in each object. Zeroed memory is an idle node.
struct base_wheel_node {
	uint32_t next; // object index + 1; 0: last of its list
	uint32_t prev; // object index + 1, or BASE_WHEEL_HEAD with the list's number
	uint32_t due;  // tick, its lower 32 bits
};

struct base_wheel {
	char *nodes;    // the node of object 0
	size_t stride;  // bytes from one object's node to the next
	unsigned shift; // a tick is 2^shift microseconds
	uint64_t now;   // tick up to which slots have been collected
	uint32_t armed; // nodes in all lists
	uint32_t heads[BASE_WHEEL_LEVELS * BASE_WHEEL_SLOTS +
		       1]; // the last: collected, not looked at
};

// `nodes` points to the first object's node and outlives the wheel. Objects number at most 2^31.
void base_wheel_init(
	struct base_wheel *w, void *nodes, size_t stride, unsigned shift, uint64_t now_us);

// Arms object `i` for a time, or moves it there if it is armed. It fires at the first tick that
// is not before `due_us`; times past 2^24 ticks from now are cut to that.
void base_wheel_arm(struct base_wheel *w, uint32_t i, uint64_t due_us);

// Disarms object `i`; an idle one is fine.
void base_wheel_cancel(struct base_wheel *w, uint32_t i);

bool base_wheel_is_armed(const struct base_wheel *w, uint32_t i);

// Returns an object whose time has come, disarmed, or BASE_WHEEL_NONE. Looks at no more than
// *budget nodes and takes what it looked at off the budget.
uint32_t base_wheel_expire(struct base_wheel *w, uint64_t now_us, unsigned *budget);

// For tests: every list is well linked and every node lies where its due time says.
bool base_wheel_is_valid(const struct base_wheel *w);
