// SPDX-License-Identifier: BSD-2-Clause
// Which resolver is asked. They take turns; one that answers nothing is asked something that every resolver
// answers by itself, and if that is not answered either it rests, longer each time. That a partner's own servers do not
// answer, for which a resolver waits as we do, is not the resolver's failure: it counts as one only while
// nothing else comes from it either.

#include "control/discovery/private.h"

#include "postern/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

LOG_SUBSYSTEM("dns");

#define FAILURES_TO_REST 3u
#define REST_FIRST_MS    1000u
#define REST_LAST_MS     30000u

// RFC 6761 6.3: resolvers answer it themselves.
static const struct postern_domain trial_name = {.length = 9, .text = "localhost"};

int resolver_choose(struct discovery *d, int last)
{
	const unsigned n = d->settings.n_resolvers;
	const uint64_t now = now_us(d);
	int soonest = -1;

	for (unsigned i = 0; i < n; i++) {
		const unsigned at = (d->turn_of + i) % n;
		const struct resolver *r = &d->resolvers[at];

		if ((int)at == last && n > 1)
			continue;
		if (r->rest_until_us <= now && r->stats.failed_row < FAILURES_TO_REST) {
			d->turn_of = at + 1;
			return (int)at;
		}
		if (soonest < 0 || r->rest_until_us < d->resolvers[soonest].rest_until_us)
			soonest = (int)at;
	}
	// All rest: the question must go somewhere, and one of them may be back. The last one asked is as
	// good as another that rests.
	if (last >= 0 && last < (int)n && d->resolvers[last].stats.failed_row < FAILURES_TO_REST)
		return last;
	return soonest;
}

static void say(const struct resolver *r, bool answers)
{
	char text[POSTERN_ENDPOINT_TEXT];

	postern_endpoint_format(&r->stats.at, text);
	if (answers)
		LOG(NOTICE, "resolver %s answers again", text);
	else
		LOG(WARNING, "resolver %s does not answer; it is left alone but for trials", text);
}

void resolver_answered(struct discovery *d, unsigned resolver, uint64_t took_us)
{
	struct resolver *r = &d->resolvers[resolver];
	const uint32_t took = took_us > UINT32_MAX ? UINT32_MAX : (uint32_t)took_us;

	if (r->stats.resting)
		say(r, true);
	r->last_answer_us = now_us(d);
	r->stats.answers++;
	r->stats.failed_row = 0;
	r->stats.failing_us = 0;
	r->stats.resting = false;
	r->rest_until_us = 0;
	r->rest_ms = 0;
	// As RFC 6298 smooths round trips.
	if (r->stats.average_us == 0)
		r->stats.average_us = took;
	else
		r->stats.average_us += took / 8 - r->stats.average_us / 8;
}

void resolver_failed(struct discovery *d, unsigned resolver, uint64_t sent_us, bool trial)
{
	struct resolver *r = &d->resolvers[resolver];

	r->stats.timeouts++;
	if (r->last_answer_us >= sent_us && r->last_answer_us != 0)
		return;
	if (r->stats.failing_us == 0)
		r->stats.failing_us = wall_us(d);
	if (r->stats.failed_row < UINT32_MAX)
		r->stats.failed_row++;
	// It may be partners that do not answer: the trial tells.
	if (trial && !r->stats.resting) {
		say(r, false);
		r->stats.resting = true;
	}
}

uint64_t resolver_turn(struct discovery *d)
{
	const uint64_t now = now_us(d);
	uint64_t next = UINT64_MAX;

	for (unsigned i = 0; i < d->settings.n_resolvers; i++) {
		struct resolver *r = &d->resolvers[i];

		if (r->stats.failed_row < FAILURES_TO_REST)
			continue;
		if (r->rest_until_us > now) {
			if (r->rest_until_us < next)
				next = r->rest_until_us;
			continue;
		}
		question_try(d, i, &trial_name);
		r->rest_ms = r->rest_ms == 0 ? REST_FIRST_MS : r->rest_ms * 2;
		if (r->rest_ms > REST_LAST_MS)
			r->rest_ms = REST_LAST_MS;
		r->rest_until_us = now + (uint64_t)r->rest_ms * 1000;
		if (r->rest_until_us < next)
			next = r->rest_until_us;
	}
	return next;
}

void resolver_renew(struct discovery *d)
{
	const struct discovery_settings *s = &d->settings;
	struct resolver was[DISCOVERY_RESOLVERS_MAX];

	memcpy(was, d->resolvers, sizeof(was));
	memset(d->resolvers, 0, sizeof(d->resolvers));
	for (unsigned i = 0; i < s->n_resolvers; i++) {
		d->resolvers[i].stats.at = s->resolvers[i];
		for (unsigned j = 0; j < DISCOVERY_RESOLVERS_MAX; j++)
			if (postern_endpoint_equal(&was[j].stats.at, &s->resolvers[i]))
				d->resolvers[i] = was[j];
	}
	d->turn_of = 0;
}
