// SPDX-License-Identifier: BSD-2-Clause
// How a set becomes equal to a configuration: everything that can fail is built aside (a plan), and
// only then the set is switched.

#include "control/pool/private.h"
#include "control/pool/probe.h"

#include "postern/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

LOG_SUBSYSTEM("pool");

// What one member of the new configuration becomes.
struct planned {
	struct pool_seat *seat;
	const struct config_member *config;
	char *fqdn;
	bool fresh; // the seat was made for this plan
};

struct plan {
	const struct config *config;
	struct pool_group **groups;
	uint16_t n_groups; // built so far
	struct planned *members;
	size_t n_members;
	struct pool_seat **index; // as it was before the plan
	size_t n_index;
	uint8_t *pool_ids; // one byte an id: in use
	char *why;
	size_t size;
};

static void drop_plan(struct plan *plan, bool failed)
{
	for (size_t i = 0; failed && i < plan->n_members; i++) {
		free(plan->members[i].fqdn);
		if (plan->members[i].fresh)
			pool_seat_free(plan->members[i].seat);
	}
	for (unsigned i = 0; failed && i < plan->n_groups; i++)
		pool_group_free(plan->groups[i]);
	if (failed)
		free(plan->groups);
	free(plan->members);
	free(plan->index);
	free(plan->pool_ids);
}

static int out_of_memory(const struct plan *plan)
{
	snprintf(plan->why, plan->size, "out of memory");
	return -ENOMEM;
}

static int out_of_ids(const struct plan *plan, const char *of)
{
	snprintf(plan->why, plan->size,
		"no free id is left for a %s: at most %u at a time, those included that were "
		"removed and still have sessions",
		of, POSTERN_ID_NONE);
	return -ENOSPC;
}

// A pool's id is taken as long as a member's is that was in it.
static int plan_pool_id(struct pool_set *set, struct plan *plan, struct pool_group *group)
{
	uint16_t id = pool_seats_pool_id(plan->index, plan->n_index, group->pool.name);
	const struct pool *old = pool_set_find(set, group->pool.name);
	if (id == POSTERN_ID_NONE && old != NULL)
		id = old->id;
	if (id == POSTERN_ID_NONE) {
		id = 0;
		while (id < POSTERN_ID_NONE && plan->pool_ids[id])
			id++;
		if (id == POSTERN_ID_NONE)
			return out_of_ids(plan, "pool");
	}
	plan->pool_ids[id] = 1;
	group->pool.id = id;
	return 0;
}

static int plan_member(struct pool_set *set, struct plan *plan, struct pool_group *group,
	const struct config_member *c)
{
	struct planned *m = &plan->members[plan->n_members];
	m->config = c;
	m->seat =
		pool_seats_find(plan->index, plan->n_index, group->pool.name, c->name, &c->address);
	if (m->seat == NULL) {
		m->seat = pool_seat_new(set, group->pool.name, group->pool.id, c);
		if (m->seat == NULL)
			return errno == ENOSPC ? out_of_ids(plan, "member") : out_of_memory(plan);
		m->fresh = true;
	}
	plan->n_members++;
	if (m->seat->mark == set->applies) {
		snprintf(plan->why, plan->size, "pool %s: member %s is there twice",
			group->pool.name, c->name);
		return -EINVAL;
	}
	m->seat->mark = set->applies;
	group->pool.members[group->pool.n_members++] = &m->seat->member;
	if (c->fqdn != NULL && (m->fqdn = strdup(c->fqdn)) == NULL)
		return out_of_memory(plan);
	if (m->seat->member.probe == NULL &&
		(m->seat->member.probe = pool_probe_new(m->seat)) == NULL)
		return out_of_memory(plan);
	return 0;
}

static int plan_pool(struct pool_set *set, struct plan *plan, const struct config_pool *c)
{
	struct pool_group *group = calloc(1, sizeof(*group));
	if (group == NULL)
		return out_of_memory(plan);
	plan->groups[plan->n_groups++] = group;
	group->set = set;
	group->pool.config = c;
	snprintf(group->pool.name, sizeof(group->pool.name), "%s", c->name);
	group->pool.members = calloc(c->members.count + 1, sizeof(struct pool_member *));
	if (group->pool.members == NULL)
		return out_of_memory(plan);
	int status = plan_pool_id(set, plan, group);
	if (status == 0)
		status = pool_tls_load(c, &group->tls, plan->why, plan->size);
	for (size_t i = 0; status == 0 && i < c->members.count; i++)
		status = plan_member(set, plan, group, &c->members.items[i]);
	return status;
}

static int make_plan(struct pool_set *set, struct plan *plan)
{
	const struct config *c = plan->config;
	size_t members = 0;
	for (size_t i = 0; i < c->pools.count; i++)
		members += c->pools.items[i].members.count;
	if (members > POSTERN_ID_NONE)
		return out_of_ids(plan, "member");
	if (c->pools.count > POSTERN_ID_NONE)
		return out_of_ids(plan, "pool");

	plan->groups = calloc(c->pools.count + 1, sizeof(struct pool_group *));
	plan->members = calloc(members + 1, sizeof(*plan->members));
	plan->pool_ids = calloc(POSTERN_ID_NONE, 1);
	if (plan->groups == NULL || plan->members == NULL || plan->pool_ids == NULL ||
		pool_seats_index(set, &plan->index, &plan->n_index) != 0)
		return out_of_memory(plan);
	for (size_t i = 0; i < plan->n_index; i++)
		plan->pool_ids[plan->index[i]->pool_id] = 1;
	for (unsigned i = 0; i < set->n_groups; i++)
		plan->pool_ids[set->groups[i]->pool.id] = 1;

	int status = 0;
	for (size_t i = 0; status == 0 && i < c->pools.count; i++)
		status = plan_pool(set, plan, &c->pools.items[i]);
	return status;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_answers(const struct config_probe *a, const struct config_probe *b)
{
	size_t alive = a->alive.count, dead = a->not_alive.count;
	if (alive != b->alive.count || dead != b->not_alive.count)
		return false;
	for (size_t i = 0; i < alive; i++) {
		if (a->alive.items[i] != b->alive.items[i])
			return false;
	}
	for (size_t i = 0; i < dead; i++) {
		if (a->not_alive.items[i] != b->not_alive.items[i])
			return false;
	}
	return true;
}

static bool same_probe(const struct config_probe *a, const struct config_probe *b)
{
	return a->kind == b->kind && a->interval_ms == b->interval_ms &&
	       a->timeout_ms == b->timeout_ms && a->rise == b->rise && a->fall == b->fall &&
	       a->jitter_percent == b->jitter_percent &&
	       postern_addr_equal(&a->address, &b->address) && a->port == b->port &&
	       a->transport == b->transport && same_text(a->from, b->from) &&
	       same_text(a->uri, b->uri) && same_answers(a, b);
}

static enum pool_admin admin_of(const struct pool_seat *seat)
{
	const struct pool_callbacks *ask = &seat->set->callbacks;
	return ask->admin != NULL ? ask->admin(ask->user, &seat->member) : POOL_ADMIN_READY;
}

static int32_t weight_of(const struct pool_seat *seat)
{
	const struct pool_callbacks *ask = &seat->set->callbacks;
	return ask->weight != NULL ? ask->weight(ask->user, &seat->member) : POOL_WEIGHT_FILE;
}

// Seats a member in its new pool. Whoever is new, or back after having been removed, begins as
// unknown; the others keep what is known of them.
static void seat_member(struct planned *p, const struct pool *pool)
{
	struct pool_member *m = &p->seat->member;
	const struct pool *old = m->pool;
	const struct config_probe *before = m->settings;
	free(m->fqdn);
	m->fqdn = p->fqdn;
	m->pool = pool;
	m->weight_file = p->config->weight;
	if (old == NULL)
		m->weight_set = weight_of(p->seat);
	m->weight = m->weight_set >= 0 ? (uint32_t)m->weight_set : m->weight_file;
	m->settings = config_member_probe(pool->config, p->config);
	if (old != NULL && same_probe(before, m->settings))
		return;
	if (old == NULL) {
		m->admin = admin_of(p->seat);
		m->health = POOL_HEALTH_UNKNOWN;
		m->since_ms = pool_now_us() / 1000;
		snprintf(m->why, sizeof(m->why), "%s",
			m->settings->kind == CONFIG_PROBE_NONE ? "not probed" : "not probed yet");
		if (m->admin != POOL_ADMIN_READY)
			snprintf(m->why, sizeof(m->why), "set to %s earlier",
				pool_admin_name(m->admin));
		p->seat->removed = false;
		p->seat->cold = m->admin == POOL_ADMIN_MAINT;
	}
	if (old == NULL || before->kind != m->settings->kind) {
		p->seat->ok_in_row = 0;
		p->seat->failed_in_row = 0;
	}
	pool_probe_restart(p->seat, POOL_FIRST_MS);
}

static void remove_missing(struct pool_set *set)
{
	for (unsigned id = 0; id < set->seats_end; id++) {
		struct pool_seat *seat = set->seats[id];
		if (seat == NULL || seat->removed || seat->mark == set->applies)
			continue;
		LOG(NOTICE, "pool %s: member %s is removed", seat->pool_name, seat->member.name);
		pool_seat_remove(seat);
	}
}

static void carry_out(struct pool_set *set, struct plan *plan)
{
	remove_missing(set);
	struct planned *next = plan->members;
	for (unsigned i = 0; i < plan->n_groups; i++) {
		for (unsigned j = 0; j < plan->groups[i]->pool.n_members; j++)
			seat_member(next++, &plan->groups[i]->pool);
	}
	for (unsigned i = 0; i < set->n_groups; i++)
		pool_group_free(set->groups[i]);
	free(set->groups);
	set->groups = plan->groups;
	set->n_groups = plan->n_groups;

	for (unsigned i = 0; i < set->n_groups; i++)
		pool_warm_refresh(&set->groups[i]->pool);
	// The owner is told only now that the whole set is new; on-down may have changed a word.
	for (size_t i = 0; i < plan->n_members; i++) {
		struct pool_seat *seat = plan->members[i].seat;
		bool known = !plan->members[i].fresh;
		if (pool_member_write(seat, !known) && known && set->callbacks.changed != NULL)
			set->callbacks.changed(set->callbacks.user, &seat->member);
	}
}

int pool_set_apply(struct pool_set *set, const struct config *config, char *why, size_t size)
{
	struct plan plan = {.config = config, .why = why, .size = size};
	pool_seats_reap(set);
	set->applies++;
	int status = make_plan(set, &plan);
	if (status == 0)
		carry_out(set, &plan);
	drop_plan(&plan, status != 0);
	return status;
}
