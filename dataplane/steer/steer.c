// SPDX-License-Identifier: BSD-2-Clause
// Life of an instance, and its share of work between packets.

#include "steer/steer.h"

#include "base/arena.h"
#include "steer/private.h"
#include "steer/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TIMER_SHIFT 13 // ticks of 8 ms: times of sessions are seconds and more

// Work of one turn between packets: about as much as a burst of packets takes.
#define EXPIRE_PER_TURN 64u
#define KILL_PER_TURN   32u // two packets each
#define SWEEP_PER_TURN  1024u

// The addresses of ours towards members: what the interface says, or its own addresses. Fixed
// from start to stop, as interfaces are.
static int nats_init(struct steer *s)
{
	const struct ip_config *c = s->ip->config;
	uint32_t room = 1; // calloc() of nothing may be NULL

	for (unsigned i = 0; i < c->n_interfaces; i++)
		room += (uint32_t)c->interfaces[i].settings->n_translate_from +
			c->interfaces[i].settings->n_addresses;
	s->nats = calloc(room, sizeof(*s->nats));
	s->nat_ranges = calloc(c->n_interfaces + 1u, POSTERN_FAMILIES * sizeof(*s->nat_ranges));
	if (s->nats == NULL || s->nat_ranges == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < c->n_interfaces; i++) {
		const struct postern_interface *f = c->interfaces[i].settings;

		for (unsigned family = 0; family < POSTERN_FAMILIES; family++) {
			struct steer_nat_range *r = &s->nat_ranges[i * POSTERN_FAMILIES + family];
			const bool v4 = family == POSTERN_V4;

			r->first = (uint16_t)s->n_nats;
			for (unsigned k = 0; k < f->n_translate_from; k++)
				if (postern_addr_is_v4(&f->translate_from[k]) == v4)
					s->nats[s->n_nats++] = f->translate_from[k];
			for (unsigned k = 0; k < f->n_addresses && r->first == s->n_nats; k++)
				if (postern_addr_is_v4(&f->addresses[k].addr) == v4)
					s->nats[s->n_nats++] = f->addresses[k].addr;
			r->count = (uint16_t)(s->n_nats - r->first);
		}
	}
	return 0;
}

// Ports are seen by strangers, so their key tells nothing of the secret that it is made from, and each worker
// draws others (RFC 6056 3.1).
static struct base_siphash_key ports_key(const struct steer_setup *setup)
{
	struct {
		char what[8];
		uint64_t worker;
	} label = {"ports 0", setup->worker};
	struct base_siphash_key from, key;

	memcpy(&from, setup->secret.bytes, sizeof(from));
	key.k[0] = base_siphash(&from, &label, sizeof(label));
	label.what[6] = '1';
	key.k[1] = base_siphash(&from, &label, sizeof(label));
	return key;
}

struct steer *steer_new(const struct steer_setup *setup)
{
	struct steer *s = base_arena_map(sizeof(*s));

	if (s == NULL)
		return NULL;
	s->counters = setup->counters;
	s->ip = setup->ip;
	s->limits[QUOTA_SESSIONS] = setup->sessions;
	s->limits[QUOTA_FLOWS] = setup->flows;
	s->capacity = setup->sessions + setup->flows;
	s->secret = setup->secret;
	s->worker = setup->worker;
	s->home = setup->home;
	s->events = setup->events;
	s->recorder = setup->recorder;
	s->closes = setup->closes;
	s->closed = setup->closed;
	s->policy = setup->policy;
	s->is_taken = setup->is_taken;
	s->context = setup->context;
	s->health = setup->health;
	s->health_changes = setup->health_changes;
	s->ports_key = ports_key(setup);
	s->flows = base_arena_map_whole((size_t)s->capacity * sizeof(*s->flows));
	s->cold = base_arena_map_whole((size_t)s->capacity * sizeof(*s->cold));
	s->members = base_arena_map(STEER_IDS * sizeof(*s->members));
	s->listens = base_arena_map(STEER_IDS * sizeof(*s->listens));
	if (s->flows == NULL || s->cold == NULL || s->members == NULL || s->listens == NULL ||
		steer_table_init(&s->table, s->capacity * DIRECTIONS) < 0 || nats_init(s) < 0) {
		steer_free(s);
		return NULL;
	}
	base_wheel_init(&s->wheel, &s->cold[0].timer, sizeof(*s->cold), TIMER_SHIFT, s->ip->now_us);
	return s;
}

void steer_free(struct steer *s)
{
	if (s == NULL)
		return;
	steer_table_fini(&s->table);
	base_arena_unmap(s->flows, (size_t)s->capacity * sizeof(*s->flows));
	base_arena_unmap(s->cold, (size_t)s->capacity * sizeof(*s->cold));
	base_arena_unmap(s->members, STEER_IDS * sizeof(*s->members));
	base_arena_unmap(s->listens, STEER_IDS * sizeof(*s->listens));
	free(s->nats);
	free(s->nat_ranges);
	base_arena_unmap(s, sizeof(*s));
}

bool steer_has(const struct steer *s, const struct ip_tuple *t)
{
	return steer_table_find(s, steer_tuple_hash(s, t), t) != STEER_NO_REF;
}

static uint32_t health_of(const struct steer *s, uint32_t member)
{
	return __atomic_load_n(&s->health[member], __ATOMIC_RELAXED);
}

// After a change: whose sessions must go, and who begins with a clean slate.
static void look_at_health(struct steer *s, uint64_t changes)
{
	s->health_seen = changes;
	for (uint32_t i = 0; i < s->n_member_ids; i++) {
		struct steer_member *m = &s->members[i];
		const uint32_t word = health_of(s, i);
		const bool taking = word & POSTERN_MEMBER_TAKES_NEW;

		const bool reset = word & POSTERN_MEMBER_RESET;

		if (taking && !m->taking)
			m->in_a_row = 0;
		m->taking = taking;
		// Those that come later were sent there although it is down (try_all), and stay.
		m->losing = reset && m->flows != 0 && (m->losing || !m->reset);
		m->reset = reset;
		s->killing |= m->losing;
	}
	s->kill_at = 0;
}

// A session that its member has not accepted yet goes to another; the rest is told. Of UDP nothing
// is kept that could be said again: the client's next datagram finds another member.
static void lose_member(struct steer *s, struct steer_flow *f)
{
	if (steer_flow_is_over(f))
		steer_flow_end(s, f);
	else if (f->state == POSTERN_SESSION_OPENING && !(f->flags & (FLOW_SYNACK | FLOW_UDP)) &&
		 steer_redispatch(s, f))
		steer_syn_send(s, f);
	else
		steer_kill(s, f, POSTERN_COUNTER_CLOSE_MEMBER_DOWN);
}

static void kill_some(struct steer *s)
{
	unsigned budget = KILL_PER_TURN;
	unsigned ids = SWEEP_PER_TURN;

	while (s->kill_at < s->n_member_ids) {
		struct steer_member *m = &s->members[s->kill_at];

		if (m->flows == 0 || !m->losing) {
			m->losing = false;
			s->kill_at++;
			if (--ids == 0)
				return;
			continue;
		}
		if (budget-- == 0)
			return;
		lose_member(s, steer_flow_at(s, m->flows - 1));
	}
	s->killing = false;
}

// Ends a session that its service or rule leaves no longer. True: that took packets.
static bool sweep_one(struct steer *s, struct steer_flow *f)
{
	const bool gateway = f->flags & FLOW_GATEWAY;

	if (f->generation % 2 == 0 || (f->flags & FLOW_KILLED) ||
		(gateway ? steer_outbound_stands(s, f) : !s->listens[f->listen].gone))
		return false;
	if (steer_flow_is_over(f))
		steer_flow_end(s, f);
	else
		steer_kill(s, f,
			gateway ? POSTERN_COUNTER_CLOSE_NOT_ALLOWED
				: POSTERN_COUNTER_CLOSE_SERVICE_GONE);
	return true;
}

static void sweep_some(struct steer *s)
{
	unsigned resets = KILL_PER_TURN;

	for (unsigned i = 0; i < SWEEP_PER_TURN && resets > 0; i++) {
		if (s->sweep_at >= s->high_water) {
			s->sweeping = false;
			return;
		}
		resets -= sweep_one(s, steer_flow_at(s, s->sweep_at++));
	}
}

bool steer_poll(struct steer *s)
{
	const uint64_t changes = __atomic_load_n(s->health_changes, __ATOMIC_ACQUIRE);
	unsigned budget = EXPIRE_PER_TURN;
	uint32_t slot;

	s->now_ms = (uint32_t)(s->ip->now_us / 1000);
	if (changes != s->health_seen)
		look_at_health(s, changes);
	if (s->killing)
		kill_some(s);
	if (s->sweeping)
		sweep_some(s);
	const bool closing = steer_close_some(s);
	const bool withdrawing = steer_withdraw_some(s);

	while ((slot = base_wheel_expire(&s->wheel, s->ip->now_us, &budget)) != BASE_WHEEL_NONE)
		steer_flow_expired(s, steer_flow_at(s, slot));
	return s->killing || s->sweeping || closing || withdrawing || budget == 0;
}
