// SPDX-License-Identifier: BSD-2-Clause
// What follows from a snapshot for relaying, and adopting it.

#include "relay/private.h"

#include <rte_common.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool rules_are_sound(const struct relay_config *c, const struct postern_service *s)
{
	for (unsigned i = 0; i < s->n_rules; i++)
		if (s->rules[i].pool != POSTERN_ID_NONE && c->pools[s->rules[i].pool] == NULL)
			return false;
	return c->pools[s->pool] != NULL;
}

int relay_config_build(struct relay_config *out, const struct postern_snapshot *snapshot)
{
	memset(out, 0, sizeof(*out));
	out->snapshot = snapshot;
	out->services = calloc(RELAY_IDS, sizeof(*out->services));
	out->pools = calloc(RELAY_IDS, sizeof(*out->pools));
	out->members = calloc(RELAY_IDS, sizeof(*out->members));
	if (out->services == NULL || out->pools == NULL || out->members == NULL) {
		relay_config_clear(out);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < snapshot->n_pools; i++)
		out->pools[snapshot->pools[i].id] = &snapshot->pools[i];
	for (unsigned i = 0; i < snapshot->n_members; i++)
		out->members[snapshot->members[i].id] = &snapshot->members[i];
	for (unsigned i = 0; i < snapshot->n_services; i++) {
		const struct postern_service *s = &snapshot->services[i];

		if (s->mode != POSTERN_MODE_RELAY)
			continue;
		if (!rules_are_sound(out, s)) {
			relay_config_clear(out);
			return -EINVAL;
		}
		out->relays = true;
		out->services[s->id] = s;
	}
	return 0;
}

void relay_config_clear(struct relay_config *c)
{
	free(c->services);
	free(c->pools);
	free(c->members);
	memset(c, 0, sizeof(*c));
}

static void adopt_listen(struct relay *r, const struct postern_listen *from)
{
	struct relay_listen *l = &r->listens[from->id];

	if (r->n_listen_ids <= from->id)
		r->n_listen_ids = from->id + 1u;
	l->gone = false;
	l->service = from->service;
	if (l->known)
		return;
	// An id is given to another endpoint only when nothing is left of the one before.
	memset(l, 0, sizeof(*l));
	l->at = from->at;
	l->id = from->id;
	l->service = from->service;
	l->known = tcp_listen(r->tcp, &l->at, l) == 0;
}

// An id is given to another member only when no session has it; its counts begin anew.
static void adopt_member(struct relay *r, const struct postern_member *from)
{
	struct relay_member *m = &r->members[from->id];
	uint64_t *counts[] = {&m->stats.opened, &m->stats.established, &m->stats.refused,
		&m->stats.silent, &m->stats.bytes_in, &m->stats.bytes_out};

	if (r->n_member_ids <= from->id)
		r->n_member_ids = from->id + 1u;
	if (postern_endpoint_equal(&m->at, &from->at))
		return;
	m->at = from->at;
	m->in_a_row = 0;
	for (unsigned i = 0; i < RTE_DIM(counts); i++)
		__atomic_store_n(counts[i], 0, __ATOMIC_RELAXED);
}

void relay_adopt(struct relay *r, const struct relay_config *config)
{
	const struct postern_snapshot *snapshot = config->snapshot;

	r->config = config;
	for (uint32_t i = 0; i < r->n_listen_ids; i++)
		r->listens[i].gone = true;
	for (unsigned i = 0; i < snapshot->n_listens; i++) {
		const struct postern_listen *l = &snapshot->listens[i];

		if (config->services[l->service] != NULL)
			adopt_listen(r, l);
	}
	for (uint32_t i = 0; i < r->n_listen_ids; i++) {
		struct relay_listen *l = &r->listens[i];

		if (!l->known || !l->gone)
			continue;
		tcp_unlisten(r->tcp, &l->at);
		l->known = false;
		r->sweeping = true;
	}
	for (unsigned i = 0; i < snapshot->n_members; i++)
		adopt_member(r, &snapshot->members[i]);
	r->sweep_at = 0;
	// Health may have been set before the member's place here was known.
	r->health_seen = UINT64_MAX;
	relay_admission_adopt(r);
}
