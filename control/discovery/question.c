// SPDX-License-Identifier: BSD-2-Clause
// One question: its turn in its lane, its tries at one resolver after the other, and the answer as
// those who asked see it. Control thread only.

#include "control/discovery/private.h"

#include "postern/log.h"

#include <arpa/nameser.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

LOG_SUBSYSTEM("dns");

// An answer that ends with an alias is followed so often; what a resolver follows by itself is not
// counted.
#define FURTHER_MAX 8u

// Names of hostile answers that are logged: one in so long, with how many were not.
#define SAY_EVERY_US 5000000u

// Questions sent in one turn of the loop, some 10 us each.
#define SENT_AT_ONCE 64u

struct question {
	struct link at; // of its lane, or of those asked
	struct discovery *d;
	struct try *try;
	question_done done;
	void *user;
	uint64_t since_us;
	struct postern_domain name;    // that was asked for
	struct postern_domain current; // where its aliases lead
	enum discovery_type type;
	enum lane lane;
	unsigned tries;   // of this name
	unsigned sent;    // in all
	unsigned further; // names followed
	unsigned aliases;
	uint32_t ttl; // of the aliases so far
	int resolver; // last asked; negative: none
	struct postern_endpoint resolver_at;
};

struct
try {
	struct discovery *d;
	struct question *q; // NULL: nobody wants to know any more
	uint64_t sent_us;
	struct postern_endpoint at;
	enum lane lane;
	bool trial; // of the resolver
};

static unsigned share(const struct discovery *d, enum lane lane)
{
	const unsigned all = d->settings.outstanding;
	const unsigned part = lane == LANE_WANTED    ? all
			      : lane == LANE_UNSURE  ? all / 2
			      : lane == LANE_REFRESH ? all / 4 * 3
						     : all / 8;

	return part > 0 ? part : 1;
}

// Something is left for those who wait for names that answer.
static bool may_send(const struct discovery *d, enum lane lane)
{
	const unsigned all = d->settings.outstanding;

	if (d->out >= all || d->lane_out[lane] >= share(d, lane))
		return false;
	if (lane == LANE_WANTED)
		return true;
	if (lane >= LANE_REFRESH && d->tokens <= 0)
		return false;
	return d->out < all - all / 8;
}

bool question_has_room(const struct discovery *d, enum lane lane)
{
	// No more of those that nobody waits for than can be sent at once: who comes later may be urgent.
	if (lane >= LANE_REFRESH && d->lane_waiting[lane] >= d->tokens)
		return false;
	return may_send(d, lane) && d->lane_out[lane] + d->lane_waiting[lane] < share(d, lane);
}

struct question *question_ask(struct discovery *d, const struct postern_domain *name,
	enum discovery_type type, enum lane lane, question_done done, void *user)
{
	struct question *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return NULL;
	q->d = d;
	q->name = q->current = *name;
	q->type = type;
	q->lane = lane;
	q->done = done;
	q->user = user;
	q->since_us = now_us(d);
	q->ttl = INT32_MAX;
	q->resolver = -1;
	link_append(&d->lanes[lane], &q->at);
	d->lane_waiting[lane]++;
	discovery_wake(d);
	return q;
}

static void free_question(struct question *q)
{
	if (q->try != NULL)
		q->try->q = NULL;
	else
		q->d->lane_waiting[q->lane]--;
	link_remove(&q->at);
	free(q);
}

void question_cancel(struct question *q)
{
	if (q != NULL)
		free_question(q);
}

void question_free_all(struct discovery *d)
{
	for (int lane = 0; lane < LANES; lane++)
		while (!link_is_empty(&d->lanes[lane]))
			// Each has left its lane: NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
			free_question(LINK_OF(d->lanes[lane].next, struct question, at));
	while (!link_is_empty(&d->asked))
		free_question(LINK_OF(d->asked.next, struct question, at));
}

static void explain(const struct question *q, const struct discovery_answer *a, const char *what,
	char why[static DISCOVERY_WHY])
{
	char at[POSTERN_ENDPOINT_TEXT] = "";
	const char *extended = wire_extended_name(a->extended);
	const char *rcode = wire_rcode_name(a->rcode);
	char number[24];

	postern_endpoint_format(&q->resolver_at, at);
	snprintf(number, sizeof(number), "response code %u", a->rcode);
	if (rcode == NULL)
		rcode = number;
	if (a->status == -ENOTCONN)
		snprintf(why, DISCOVERY_WHY, "there is no resolver to ask");
	else if (a->status == -ETIMEDOUT)
		snprintf(why, DISCOVERY_WHY, "no answer in %u question%s, the last to %s", a->tries,
			a->tries == 1 ? "" : "s", at);
	else if (a->status == -EBADMSG)
		snprintf(why, DISCOVERY_WHY, "%s: its answer cannot be used: %s", at, what);
	else if (a->status < 0)
		snprintf(why, DISCOVERY_WHY, "%s: %s", at, strerror(-a->status));
	else if (a->rcode != DISCOVERY_NOERROR)
		snprintf(why, DISCOVERY_WHY, "%s: %s%s%s%s", at, rcode,
			extended != NULL ? " (" : "", extended != NULL ? extended : "",
			extended != NULL ? ")" : "");
	else if (a->n_records > 0)
		snprintf(why, DISCOVERY_WHY, "%s: %u record%s%s", at, a->n_records,
			a->n_records == 1 ? "" : "s", a->authenticated ? ", validated" : "");
	else
		snprintf(why, DISCOVERY_WHY, "%s: %s", at,
			a->skipped > 0 ? "no record that can be used" : "no such record");
}

static void deliver(struct question *q, struct discovery_answer *a, const char *what)
{
	char why[DISCOVERY_WHY];
	const question_done done = q->done;
	void *user = q->user;

	a->resolver = q->resolver_at;
	a->took_us = now_us(q->d) - q->since_us;
	a->tries = q->sent;
	a->aliases += q->aliases;
	explain(q, a, what, why);
	a->why = why;
	if (a->status < 0) {
		a->canonical = q->current;
		a->extended = -1;
	}
	free_question(q);
	done(user, a);
}

// Into its lane again, before those that have not been asked for yet.
static void again(struct question *q)
{
	struct link *head = &q->d->lanes[q->lane];

	link_remove(&q->at);
	link_append(head->next, &q->at);
	q->d->lane_waiting[q->lane]++;
	discovery_wake(q->d);
}

static bool may_try_again(const struct question *q)
{
	return q->tries < q->d->settings.tries;
}

static void fail(struct question *q, int status, const char *what)
{
	struct discovery_answer a = {.status = status};

	if (may_try_again(q)) {
		again(q);
		return;
	}
	// deliver() takes it for one that waits.
	q->d->lane_waiting[q->lane]++;
	deliver(q, &a, what);
}

static void tell_hostile(struct question *q, const char *what)
{
	struct discovery *d = q->d;
	char at[POSTERN_ENDPOINT_TEXT];

	if (d->said_us != 0 && now_us(d) - d->said_us < SAY_EVERY_US) {
		d->unsaid++;
		return;
	}
	LOG(WARNING, "%s: an answer by way of resolver %s cannot be used: %s (%llu more like it)",
		q->name.text, postern_endpoint_format(&q->resolver_at, at), what,
		(unsigned long long)d->unsaid);
	d->said_us = now_us(d);
	d->unsaid = 0;
}

static void count(struct discovery *d, const struct wire_answer *w, bool over_tcp)
{
	d->counters[DISCOVERY_ANSWER_COUNT]++;
	d->counters[DISCOVERY_SKIPPED_COUNT] += w->skipped;
	d->counters[DISCOVERY_TCP_COUNT] += over_tcp;
	d->counters[DISCOVERY_NEGATIVE_COUNT] += w->negative;
	d->counters[DISCOVERY_BOGUS_COUNT] += w->bogus;
	d->counters[DISCOVERY_SERVER_FAILURE_COUNT] +=
		w->rcode != DISCOVERY_NOERROR && w->rcode != DISCOVERY_NXDOMAIN && !w->bogus;
}

// From the answer to what the questioner sees.
static void answered(struct question *q, const struct wire_answer *w, bool over_tcp)
{
	const bool failure = w->rcode != DISCOVERY_NOERROR && w->rcode != DISCOVERY_NXDOMAIN;

	// One that failed validation must not be had elsewhere, from a resolver that does not look.
	if (failure && !w->bogus && may_try_again(q)) {
		again(q);
		return;
	}
	if (w->skipped > 0 && w->n_records == 0)
		tell_hostile(q, "none of its records can be used");
	if (w->ttl < q->ttl)
		q->ttl = w->ttl;
	if (w->negative && !w->proven && w->aliases > 0 && w->rcode == DISCOVERY_NOERROR &&
		q->further < FURTHER_MAX) {
		q->further++;
		q->tries = 0;
		q->aliases += w->aliases;
		q->current = w->canonical;
		again(q);
		return;
	}
	struct discovery_answer a = {
		.rcode = w->rcode,
		.negative = w->negative,
		.authenticated = w->authenticated,
		.bogus = w->bogus,
		.over_tcp = over_tcp,
		.extended = w->extended,
		.records = w->records,
		.n_records = w->n_records,
		.skipped = w->skipped,
		.ttl = q->ttl,
		.aliases = w->aliases,
		.canonical = w->canonical,
	};

	q->d->lane_waiting[q->lane]++;
	deliver(q, &a, "");
}

static int resolver_at(const struct discovery *d, const struct postern_endpoint *at)
{
	for (unsigned i = 0; i < d->settings.n_resolvers; i++)
		if (postern_endpoint_equal(&d->settings.resolvers[i], at))
			return (int)i;
	return -1;
}

// A try has ended: the resolver's account.
static void settle(struct discovery *d, const struct try *t, int status)
{
	const int resolver = resolver_at(d, &t->at);

	d->out--;
	d->lane_out[t->lane]--;
	if (status == -ETIMEDOUT)
		d->counters[DISCOVERY_TIMEOUT_COUNT]++;
	else if (status < 0)
		d->counters[DISCOVERY_UNREACHABLE_COUNT]++;
	if (resolver < 0)
		return;
	if (status == 0)
		resolver_answered(d, (unsigned)resolver, now_us(d) - t->sent_us);
	else
		resolver_failed(d, (unsigned)resolver, t->sent_us, t->trial);
}

void try_done(struct try *t, int status, const uint8_t *bytes, size_t n, bool over_tcp)
{
	struct discovery *d = t->d;
	struct question *q = t->q;
	const char *what = "";

	settle(d, t, status);
	free(t);
	discovery_wake(d);
	if (q == NULL)
		return;
	q->try = NULL;
	if (status < 0) {
		fail(q, status, what);
		return;
	}
	const int rc = wire_answer_read(bytes, n, &q->current, q->type, &d->scratch, &what);

	if (rc == 0 && d->scratch.truncated && over_tcp)
		what = "it is cut off, over TCP too";
	if (rc < 0 || (d->scratch.truncated && over_tcp)) {
		d->counters[rc == -ENOMSG ? DISCOVERY_STRANGE_COUNT : DISCOVERY_MALFORMED_COUNT]++;
		tell_hostile(q, what);
		fail(q, -EBADMSG, what);
		return;
	}
	count(d, &d->scratch, over_tcp);
	answered(q, &d->scratch, over_tcp);
}

static void send_try(struct discovery *d, unsigned resolver, struct question *q,
	const struct postern_domain *name, enum discovery_type type, enum lane lane)
{
	uint8_t bytes[WIRE_QUERY_MAX];
	struct try *t = calloc(1, sizeof(*t));
	const size_t n =
		wire_query_write(name, type, (uint16_t)d->clocks.random(d->clocks.user), bytes);

	if (t == NULL) {
		if (q != NULL) {
			q->tries = d->settings.tries;
			d->lane_waiting[lane]--;
			fail(q, -ENOMEM, "");
		}
		return;
	}
	*t = (struct try){.d = d,
		.q = q,
		.sent_us = now_us(d),
		.at = d->settings.resolvers[resolver],
		.lane = lane,
		.trial = q == NULL};
	d->out++;
	d->lane_out[lane]++;
	d->counters[DISCOVERY_QUESTION_COUNT]++;
	d->resolvers[resolver].stats.questions++;
	if (q != NULL) {
		q->resolver = (int)resolver;
		q->resolver_at = t->at;
		q->try = t;
		q->tries++;
		q->sent++;
		d->lane_waiting[lane]--;
		link_remove(&q->at);
		link_append(&d->asked, &q->at);
	}
	// The end may come before this returns.
	const int rc = d->transport.send(d->transport.self, resolver, bytes, n, t);

	if (rc < 0)
		try_done(t, rc, NULL, 0, false);
}

void question_try(struct discovery *d, unsigned resolver, const struct postern_domain *name)
{
	send_try(d, resolver, NULL, name, DISCOVERY_A, LANE_WANTED);
}

void question_pump(struct discovery *d)
{
	unsigned n = 0;

	for (enum lane lane = 0; lane < LANES; lane++)
		while (!link_is_empty(&d->lanes[lane]) && may_send(d, lane)) {
			struct question *q = LINK_OF(d->lanes[lane].next, struct question, at);
			const int resolver = resolver_choose(d, q->resolver);

			// The rest in the next turn: others in the loop have theirs between.
			if (n++ == SENT_AT_ONCE) {
				discovery_wake(d);
				return;
			}

			if (resolver < 0) {
				struct discovery_answer a = {.status = -ENOTCONN};

				deliver(q, &a, "");
				continue;
			}
			if (lane >= LANE_REFRESH)
				d->tokens -= 1;
			send_try(d, (unsigned)resolver, q, &q->current, q->type, lane);
		}
}

uint64_t question_turn(struct discovery *d)
{
	const uint64_t now = now_us(d);
	// What a late loop may send at once.
	const double most = d->settings.rate / 20.0 + 1;

	d->tokens += (double)(now - d->tokens_us) * d->settings.rate / 1e6;
	if (d->tokens > most)
		d->tokens = most;
	d->tokens_us = now;
	if (d->tokens > 0 ||
		(d->n_ready[LANE_REFRESH] == 0 && d->n_ready[LANE_SUSPECT] == 0 &&
			d->lane_waiting[LANE_REFRESH] == 0 && d->lane_waiting[LANE_SUSPECT] == 0))
		return UINT64_MAX;
	// A few at a time, so that the loop is not woken for each.
	return now + 2000 + (uint64_t)(-d->tokens * 1e6 / d->settings.rate);
}
