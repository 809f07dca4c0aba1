// SPDX-License-Identifier: BSD-2-Clause
// Whether everything that the steering keeps about its sessions agrees.

#include "rig.h"
#include "steer/table.h"

static bool used(const struct steer_flow *f)
{
	return f->generation & 1;
}

static uint32_t all(const struct steer *s)
{
	return s->in_use[QUOTA_SESSIONS] + s->in_use[QUOTA_FLOWS];
}

static void check_reached(const struct steer *s, uint32_t slot)
{
	for (unsigned direction = 0; direction < DIRECTIONS; direction++) {
		struct ip_tuple t = {0};

		steer_flow_tuple(s, steer_flow_at(s, slot), direction, &t);
		RIG_CHECK(steer_table_find(s, steer_tuple_hash(s, &t), &t) == slot * 2 + direction);
	}
}

static uint32_t count_table(const struct steer *s)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->table.n_buckets; i++)
		for (unsigned k = 0; k < 8; k++)
			n += s->table.buckets[i].tags[k] != 0;
	return n;
}

// Answered or not, a session of UDP gives way until its client has gone on.
static unsigned gives_way_as(const struct steer_flow *f)
{
	const bool own = (f->flags & FLOW_GATEWAY) && !(f->flags & FLOW_INBOUND);

	if (f->state == POSTERN_SESSION_OPENING ||
		((f->flags & FLOW_UDP) && !(f->flags & FLOW_ASSURED)))
		return own ? LIST_FLOW_OPENING : LIST_OPENING;
	if (!steer_flow_is_over(f))
		return LIST_NONE;
	return own ? LIST_FLOW_ENDING : LIST_ENDING;
}

static void check_list(const struct steer *s, unsigned list)
{
	uint32_t before = 0, n = 0;

	for (uint32_t at = s->lists[list].head; at != 0; at = s->cold[at - 1].list_next) {
		const struct steer_flow *f = steer_flow_at(s, at - 1);

		RIG_CHECK(used(f));
		RIG_CHECK(s->cold[at - 1].list_prev == before);
		RIG_CHECK(gives_way_as(f) == list);
		RIG_CHECK(++n <= all(s));
		before = at;
	}
	RIG_CHECK(s->lists[list].tail == before);
	RIG_CHECK(s->lists[list].length == n);
}

// Sessions of each member's list, and how many stand in all.
static uint32_t check_members(const struct steer *s)
{
	uint32_t sum = 0;

	for (uint32_t id = 0; id < s->n_member_ids; id++) {
		const struct steer_member *m = &s->members[id];
		uint32_t before = 0, n = 0;

		RIG_CHECK(m->stats.ending <= m->stats.sessions);
		for (uint32_t at = m->flows; at != 0; at = s->cold[at - 1].member_next) {
			RIG_CHECK(used(steer_flow_at(s, at - 1)));
			RIG_CHECK(steer_flow_at(s, at - 1)->member == id);
			RIG_CHECK(s->cold[at - 1].member_prev == before);
			RIG_CHECK(++n <= all(s));
			before = at;
		}
		sum += m->stats.sessions + m->stats.flows + m->stats.inbound;
	}
	return sum;
}

static void check_free(const struct steer *s)
{
	uint32_t n = 0;

	for (uint32_t at = s->free; at != 0; at = s->cold[at - 1].list_next) {
		RIG_CHECK(!used(steer_flow_at(s, at - 1)));
		RIG_CHECK(++n <= s->capacity);
	}
	RIG_CHECK(n + all(s) == s->high_water);
}

static void check_worker(const struct worker *w)
{
	const struct steer *s = w->steer;
	uint32_t n = 0, listening = 0, over = 0, ending = 0;
	uint32_t own = 0, gateway = 0, gateway_over = 0;

	for (uint32_t slot = 0; slot < s->capacity; slot++) {
		const struct steer_flow *f = steer_flow_at(s, slot);

		RIG_CHECK(!used(f) || slot < s->high_water);
		RIG_CHECK(used(f) == base_wheel_is_armed(&s->wheel, slot));
		if (!used(f))
			continue;
		RIG_CHECK(f->state < POSTERN_SESSION_STATES);
		n++;
		over += steer_flow_is_over(f);
		own += steer_flow_asker(f) == FROM_MEMBER;
		gateway += (f->flags & FLOW_GATEWAY) != 0;
		gateway_over += (f->flags & FLOW_GATEWAY) && steer_flow_is_over(f);
		check_reached(s, slot);
	}
	RIG_CHECK(n == all(s) && n == steer_in_use(s) + steer_flows_in_use(s));
	RIG_CHECK(own == steer_flows_in_use(s) && gateway == s->n_gateway_flows);
	for (unsigned i = 0; i < QUOTAS; i++)
		RIG_CHECK(s->in_use[i] <= s->limits[i]);
	RIG_CHECK(count_table(s) == 2 * n);
	check_list(s, LIST_OPENING);
	check_list(s, LIST_ENDING);
	check_list(s, LIST_FLOW_OPENING);
	check_list(s, LIST_FLOW_ENDING);
	check_free(s);
	RIG_CHECK(check_members(s) == n);
	for (uint32_t id = 0; id < s->n_listen_ids; id++) {
		listening += s->listens[id].stats.sessions;
		ending += s->listens[id].stats.ending;
	}
	RIG_CHECK(listening == n && ending == over);
	for (uint32_t id = 0; id < s->n_member_ids; id++)
		ending -= s->members[id].stats.ending;
	RIG_CHECK(ending == gateway_over);
	RIG_CHECK(base_wheel_is_valid(&s->wheel));
	RIG_CHECK(base_wheel_is_valid(&w->ip.neigh_wheel));
}

void rig_check_steer(const struct rig *r)
{
	for (unsigned i = 0; i < r->dp->n_workers; i++)
		check_worker(r->dp->workers[i]);
}
