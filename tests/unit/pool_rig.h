// SPDX-License-Identifier: BSD-2-Clause
// A set of pools over the fake dataplane, from a configuration that a test makes by hand. The event
// loop turns only when a test says so. Include once in a program, after cmocka.h.

#pragma once

#include "control/pool/private.h"
#include "tests/unit/pool_fake.h"

#include <event2/event.h>

#define POOLS   3
#define MEMBERS 4

struct file {
	struct config config;
	struct config_pool pools[POOLS];
	struct config_member members[POOLS][MEMBERS];
};

static struct event_base *base;
static struct pool_set *set;
static unsigned changes;
static const struct pool_member *last_changed;
static char why[256];

static inline struct postern_endpoint endpoint(uint32_t host, uint16_t port)
{
	return (struct postern_endpoint){
		postern_addr_from_v4(__builtin_bswap32(0x0a000000 + host)), port};
}

// Adds a pool with members m0, m1, ... at 10.0.<pool>.<member>.
static inline struct config_pool *add_pool(struct file *f, const char *name, unsigned n_members)
{
	static char *const names[MEMBERS] = {"m0", "m1", "m2", "m3"};
	size_t at = f->config.pools.count++;
	for (unsigned i = 0; i < n_members; i++)
		f->members[at][i] = (struct config_member){.name = names[i],
			.address = endpoint((uint32_t)at * 256 + i, 5061),
			.weight = 1};
	f->pools[at] = (struct config_pool){.name = (char *)name,
		.members = {f->members[at], n_members},
		.probe = {.kind = CONFIG_PROBE_TCP,
			.interval_ms = 500,
			.timeout_ms = 400,
			.rise = 2,
			.fall = 3,
			.jitter_percent = 10},
		.observe_fall = 3,
		.on_down = CONFIG_ON_DOWN_RESET};
	f->config.pools.items = f->pools;
	return &f->pools[at];
}

static inline void apply(const struct file *f)
{
	int status = pool_set_apply(set, &f->config, why, sizeof(why));
	if (status != 0)
		fail_msg("apply: %d: %s", status, why);
}

static inline struct pool_member *member(const char *pool, const char *name)
{
	const struct pool *p = pool_set_find(set, pool);
	assert_non_null(p);
	struct pool_member *m = pool_member_find(p, name);
	assert_non_null(m);
	return m;
}

static inline void probed(struct pool_member *m, bool ok)
{
	pool_member_probed(
		pool_seat_of(m), ok, 3, ok ? "accepted in 3 ms" : "no answer within 400 ms");
}

static inline void changed(void *user, const struct pool_member *m)
{
	(void)user;
	assert_true(fake.words[m->id] == pool_member_word(m) || set->dp == NULL);
	changes++;
	last_changed = m;
}

static inline int setup(void **state)
{
	(void)state;
	fake_reset();
	base = event_base_new();
	set = pool_set_new(base, &(struct pool_callbacks){.changed = changed});
	changes = 0;
	last_changed = NULL;
	return base != NULL && set != NULL ? 0 : -1;
}

static inline int teardown(void **state)
{
	(void)state;
	pool_set_free(set);
	event_base_free(base);
	return 0;
}

static inline int pending(void)
{
	return event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED);
}

static inline void turn(void)
{
	event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}
