// SPDX-License-Identifier: BSD-2-Clause
// Whether somebody may connect to a service, by his address alone: asked before anything is kept of him; and
// sessions whose address has lost its last partner.

#include "relay/private.h"

#include <errno.h>
#include <netinet/in.h>

// Sessions looked at in a turn, and such that are reset.
#define LOOK_PER_TURN 128u
#define KILL_PER_TURN 32u

static void record(struct relay *r, const struct relay_listen *l,
	const struct postern_endpoint *remote, enum postern_counter reason,
	const struct admit_verdict *v)
{
	struct postern_record rec = {
		.from = remote->addr,
		.to = l->at.addr,
		.from_port = remote->port,
		.to_port = l->at.port,
		.reason = (uint16_t)reason,
		.interface = POSTERN_ID_NONE,
		.listen = l->id,
		.member = POSTERN_ID_NONE,
		.protocol = IPPROTO_TCP,
		.step = POSTERN_STEP_OPEN,
	};

	postern_record_add(&rec, POSTERN_FACT_ROW, &v->row, sizeof(v->row));
	postern_record_add(&rec, POSTERN_FACT_REASON, &v->reason, sizeof(v->reason));
	base_record(r->recorder, &rec, r->now_us);
	base_add(&r->counters->value[reason], 1);
}

enum tcp_admission relay_admit(
	struct relay *r, void *listener, const struct postern_endpoint *remote)
{
	struct relay_listen *l = listener;
	const struct postern_service *service = relay_service(r, l);
	struct admit_verdict v;

	if (service == NULL)
		return TCP_REFUSE;
	if (service->admission == POSTERN_ADMISSION_ANY || r->policy == NULL)
		return TCP_ADMIT;
	admit_address(r->policy, service->organisation, &remote->addr, &v);
	if (v.outcome != POSTERN_REFUSE || v.admission == POSTERN_ADMISSION_ANY)
		return TCP_ADMIT;
	if (service->admission != POSTERN_ADMISSION_ENFORCE ||
		v.admission != POSTERN_ADMISSION_ENFORCE) {
		base_add(&l->stats.observed, 1);
		record(r, l, remote, POSTERN_COUNTER_SEEN_ADMISSION, &v);
		return TCP_ADMIT;
	}
	base_add(&l->stats.not_admitted, 1);
	record(r, l, remote,
		service->refuse_reset ? POSTERN_COUNTER_REFUSE_ADMISSION
				      : POSTERN_COUNTER_DROP_ADMISSION,
		&v);
	return service->refuse_reset ? TCP_REFUSE : TCP_IGNORE;
}

static bool ends_withdrawn(const struct postern_service *s)
{
	return s != NULL && s->close_on_block && s->admission == POSTERN_ADMISSION_ENFORCE;
}

void relay_admission_adopt(struct relay *r)
{
	r->withdrawn.wanted = false;
	for (uint32_t i = 0; i < r->n_listen_ids; i++)
		r->withdrawn.wanted |=
			r->listens[i].known && ends_withdrawn(relay_service(r, &r->listens[i]));
}

static bool is_among(const struct relay *r, const struct relay_session *s, uint16_t organisation)
{
	for (unsigned i = 0; i < r->withdrawn.n; i++) {
		const struct admit_lost *l = &r->withdrawn.lost[i];
		const struct postern_prefix p = {l->addr, l->bits};

		if (l->organisation == organisation && postern_prefix_contains(&p, &s->client.addr))
			return true;
	}
	return r->withdrawn.all;
}

// True: it has been reset.
static bool withdraw(struct relay *r, struct relay_session *s)
{
	struct admit_verdict v;

	if (s->generation % 2 == 0)
		return false;
	const struct postern_service *service = relay_service(r, &r->listens[s->listen]);

	if (!ends_withdrawn(service) || !is_among(r, s, service->organisation))
		return false;
	// He may have been allowed again meanwhile, or comes from a network that is.
	admit_address(r->policy, service->organisation, &s->client.addr, &v);
	if (v.outcome != POSTERN_REFUSE || v.admission != POSTERN_ADMISSION_ENFORCE)
		return false;
	relay_kill(r, s, POSTERN_COUNTER_CLOSE_NOT_ADMITTED, POSTERN_SIDE_CLIENT);
	return true;
}

bool relay_withdraw_some(struct relay *r)
{
	unsigned resets = KILL_PER_TURN;

	if (r->policy == NULL)
		return false;
	if (!r->withdrawn.wanted) {
		r->withdrawn.sweeping = false;
		r->withdrawn.cursor = admit_lost_count(r->policy);
		return false;
	}
	if (!r->withdrawn.sweeping) {
		if (admit_lost_count(r->policy) == r->withdrawn.cursor)
			return false;
		const int n = admit_lost_take(
			r->policy, &r->withdrawn.cursor, r->withdrawn.lost, RELAY_LOST_MOST);

		r->withdrawn.all = n == -EOVERFLOW;
		r->withdrawn.n = n > 0 ? (unsigned)n : 0;
		r->withdrawn.at = 0;
		r->withdrawn.sweeping = true;
	}
	for (unsigned i = 0; i < LOOK_PER_TURN && resets > 0; i++) {
		if (r->withdrawn.at >= r->high_water) {
			r->withdrawn.sweeping = false;
			break;
		}
		resets -= withdraw(r, &r->sessions[r->withdrawn.at++]);
	}
	return true;
}
