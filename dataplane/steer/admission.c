// SPDX-License-Identifier: BSD-2-Clause
// Whether somebody may begin sessions with a service, by his address alone: asked before anything is kept
// of him.

#include "steer/private.h"

#include <errno.h>

// Sessions looked at in a turn, of which each may cost a miss of the cache, and such that are reset.
#define LOOK_PER_TURN 128u
#define KILL_PER_TURN 32u

static void record(struct steer *s, const struct steer_packet *p, uint16_t listen,
	enum postern_counter reason, const struct admit_verdict *v)
{
	struct postern_record r =
		steer_record_of(p, POSTERN_STEP_OPEN, reason, listen, POSTERN_ID_NONE);

	postern_record_add(&r, POSTERN_FACT_ROW, &v->row, sizeof(v->row));
	postern_record_add(&r, POSTERN_FACT_REASON, &v->reason, sizeof(v->reason));
	base_record(s->recorder, &r, s->ip->now_us);
}

static void refuse(
	struct steer *s, struct steer_packet *p, uint16_t listen, const struct admit_verdict *v)
{
	const bool tell = s->listens[listen].refuse_reset;

	base_add(&s->listens[listen].stats.not_admitted, 1);
	record(s, p, listen,
		tell ? POSTERN_COUNTER_REFUSE_ADMISSION : POSTERN_COUNTER_DROP_ADMISSION, v);
	if (!tell) {
		COUNT(s->counters, DROP_ADMISSION);
		rte_pktmbuf_free(p->ip->m);
	} else if (p->ip->tuple.proto == IPPROTO_TCP) {
		steer_answer_reset(s, p, POSTERN_COUNTER_REFUSE_ADMISSION);
	} else {
		ip_error(s->ip, p->ip, IP_ERROR_PROHIBITED, 0, POSTERN_COUNTER_REFUSE_ADMISSION);
	}
}

bool steer_admit(struct steer *s, struct steer_packet *p, uint16_t listen)
{
	struct steer_listen *l = &s->listens[listen];
	struct admit_verdict v;

	admit_address(s->policy, l->organisation, &p->ip->tuple.src, &v);
	if (likely(v.outcome != POSTERN_REFUSE || v.admission == POSTERN_ADMISSION_ANY))
		return true;
	if (l->admission == POSTERN_ADMISSION_ENFORCE && v.admission == POSTERN_ADMISSION_ENFORCE) {
		refuse(s, p, listen, &v);
		return false;
	}
	base_add(&l->stats.observed, 1);
	COUNT(s->counters, SEEN_ADMISSION);
	record(s, p, listen, POSTERN_COUNTER_SEEN_ADMISSION, &v);
	return true;
}

static bool ends_withdrawn(const struct steer_listen *l)
{
	return l->known && !l->gone && l->close_on_block &&
	       l->admission == POSTERN_ADMISSION_ENFORCE;
}

void steer_admission_adopt(struct steer *s)
{
	s->withdrawn.wanted = false;
	for (uint32_t i = 0; i < s->n_listen_ids; i++)
		s->withdrawn.wanted |= ends_withdrawn(&s->listens[i]);
}

static bool is_among(const struct steer *s, const struct steer_flow *f, uint16_t organisation)
{
	for (unsigned i = 0; i < s->withdrawn.n; i++) {
		const struct admit_lost *l = &s->withdrawn.lost[i];
		const struct postern_prefix p = {l->addr, l->bits};

		if (l->organisation == organisation && postern_prefix_contains(&p, &f->client))
			return true;
	}
	return s->withdrawn.all;
}

// True: it has been reset.
static bool withdraw(struct steer *s, struct steer_flow *f)
{
	const struct steer_listen *l = &s->listens[f->listen];
	struct admit_verdict v;

	if (f->generation % 2 == 0 || (f->flags & (FLOW_GATEWAY | FLOW_KILLED)) ||
		!ends_withdrawn(l) || steer_flow_is_over(f) || !is_among(s, f, l->organisation))
		return false;
	// He may have been allowed again meanwhile, or comes from a network that is.
	admit_address(s->policy, l->organisation, &f->client, &v);
	if (v.outcome != POSTERN_REFUSE || v.admission != POSTERN_ADMISSION_ENFORCE)
		return false;
	steer_kill(s, f, POSTERN_COUNTER_CLOSE_NOT_ADMITTED);
	return true;
}

bool steer_withdraw_some(struct steer *s)
{
	unsigned resets = KILL_PER_TURN;

	if (s->policy == NULL)
		return false;
	if (!s->withdrawn.wanted) {
		s->withdrawn.sweeping = false;
		s->withdrawn.cursor = admit_lost_count(s->policy);
		return false;
	}
	if (!s->withdrawn.sweeping) {
		if (admit_lost_count(s->policy) == s->withdrawn.cursor)
			return false;
		const int n = admit_lost_take(
			s->policy, &s->withdrawn.cursor, s->withdrawn.lost, STEER_LOST_MOST);

		s->withdrawn.all = n == -EOVERFLOW;
		s->withdrawn.n = n > 0 ? (unsigned)n : 0;
		s->withdrawn.at = 0;
		s->withdrawn.sweeping = true;
	}
	for (unsigned i = 0; i < LOOK_PER_TURN && resets > 0; i++) {
		if (s->withdrawn.at >= s->high_water) {
			s->withdrawn.sweeping = false;
			break;
		}
		resets -= withdraw(s, steer_flow_at(s, s->withdrawn.at++));
	}
	return true;
}
