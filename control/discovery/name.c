// SPDX-License-Identifier: BSD-2-Clause
// The names that are kept: finding them, when each is due, and which are forgotten.
//
// A wheel of seconds holds what waits for its time: a name costs its place in a list, whatever their
// number. What is due waits in a lane until there is room for its questions.

#include "control/discovery/private.h"

#include <xxhash.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// One that nobody follows is refreshed for so long after somebody wanted it; then it is forgotten at
// its end, and asked for anew if it is still in use.
#define LINGER_S 3600u

// After a failure: 10 s, 20 s, 40 s and so on up to a quarter of an hour, a quarter more or less.
#define RETRY_FIRST_S 10u
#define RETRY_LAST_S  900u

// Who waits for a worker's question has given up by then.
#define PATIENCE_US 4000000u

// Buckets that the CLOCK hand passes for one name at most.
#define HAND_MOST 16384u

// Names that come out of the wheel or begin in one turn of the loop, a fraction of a millisecond.
#define TURN_MOST 256u

// As libc's allocator rounds.
static size_t heap_size(size_t n)
{
	return (n + 8 + 15) & ~(size_t)15;
}

static struct name **bucket(struct discovery *d, const char *text, size_t length, bool host)
{
	return &d->buckets[XXH3_64bits_withSeed(text, length, d->secret + host) % NAME_BUCKETS];
}

struct name *name_find(struct discovery *d, const struct postern_domain *name, bool host)
{
	struct name *n = *bucket(d, name->text, name->length, host);

	while (n != NULL && (n->host != host || n->length != name->length ||
				    memcmp(n->text, name->text, name->length) != 0))
		n = n->hash_next;
	return n;
}

bool name_is_followed(const struct name *n)
{
	return n->n_organisations > 0 || n->followers > 0;
}

static uint32_t *counter_of(struct discovery *d, const struct name *n, bool followed)
{
	if (n->host)
		return followed ? &d->n_hosts : &d->n_cached;
	return followed ? &d->n_domains : &d->n_unfollowed;
}

static bool is_failing(const struct name *n)
{
	return n->failures > 0 && name_is_followed(n);
}

static void set_failing_long(struct discovery *d, struct name *n, bool on)
{
	if (n->failing_long == on)
		return;
	n->failing_long = on;
	if (!on) {
		d->n_failing_long--;
		return;
	}
	d->n_failing_long++;
	name_domain(n, &d->example);
}

void name_count(struct discovery *d, struct name *n, bool was_followed)
{
	const bool followed = name_is_followed(n);

	if (followed == was_followed)
		return;
	--*counter_of(d, n, was_followed);
	++*counter_of(d, n, followed);
	if (n->failures > 0)
		d->n_failing += followed ? 1 : UINT32_MAX;
	if (!followed)
		set_failing_long(d, n, false);
}

struct name *name_get(struct discovery *d, const struct postern_domain *name, bool host)
{
	struct name *n = name_find(d, name, host);

	if (n != NULL)
		return n;
	n = calloc(1, sizeof(*n) + name->length + 1);
	if (n == NULL)
		return NULL;
	struct name **at = bucket(d, name->text, name->length, host);

	n->hash_next = *at;
	*at = n;
	link_init(&n->at);
	n->host = host;
	n->want = LANES;
	n->extended = UINT8_MAX;
	n->length = name->length;
	memcpy(n->text, name->text, name->length);
	++*counter_of(d, n, false);
	d->memory += heap_size(sizeof(*n) + name->length + 1);
	return n;
}

void name_domain(const struct name *n, struct postern_domain *out)
{
	out->length = n->length;
	memcpy(out->text, n->text, n->length + 1u);
}

void name_forget(struct discovery *d, struct name *n)
{
	struct postern_domain name;
	struct name **at = bucket(d, n->text, n->length, n->host);

	if (n->told && d->tables != NULL) {
		name_domain(n, &name);
		if (n->host)
			postern_policy_set_host(d->tables, &name, NULL, 0, 0);
		else
			postern_policy_set_facts(d->tables, &name, NULL);
	}
	while (*at != n)
		at = &(*at)->hash_next;
	*at = n->hash_next;
	name_unlink(d, n);
	--*counter_of(d, n, name_is_followed(n));
	d->n_failing -= is_failing(n);
	set_failing_long(d, n, false);
	d->memory -= heap_size(sizeof(*n) + n->length + 1u);
	if (n->addresses != NULL)
		d->memory -= heap_size(n->n_addresses * sizeof(*n->addresses));
	free(n->addresses);
	free(n->organisations);
	free(n);
}

static bool can_go(const struct name *n)
{
	return !name_is_followed(n) && n->job == NULL && n->waiters == NULL && !n->telling;
}

void name_evict(struct discovery *d, bool host)
{
	struct name *any = NULL;

	for (unsigned i = 0; i < HAND_MOST; i++) {
		d->hand = (d->hand + 1) % NAME_BUCKETS;
		for (struct name *n = d->buckets[d->hand]; n != NULL; n = n->hash_next) {
			if (n->host != host || !can_go(n))
				continue;
			any = n;
			if (!n->referenced)
				goto found;
			n->referenced = false;
		}
	}
found:
	if (any == NULL)
		return;
	d->counters[DISCOVERY_EVICTED_COUNT] += !host;
	name_forget(d, any);
}

uint32_t name_now_s(const struct discovery *d)
{
	return (uint32_t)((now_us(d) - d->started_us) / 1000000) + 1;
}

bool name_is_needed(const struct discovery *d, const struct name *n)
{
	const uint16_t *all = n->n_organisations > 1 ? n->organisations : &n->organisation;

	if (n->followers > 0 || n->waiters != NULL || n->n_organisations == 0)
		return true;
	for (unsigned i = 0; i < n->n_organisations; i++)
		if (!(d->routed[all[i] / 8] & 1u << all[i] % 8))
			return true;
	return false;
}

void name_unlink(struct discovery *d, struct name *n)
{
	if (n->place == PLACE_READY) {
		d->n_ready[n->lane]--;
		d->n_waiting--;
	}
	link_remove(&n->at);
	n->place = PLACE_NONE;
}

void name_schedule(struct discovery *d, struct name *n, uint32_t due_s)
{
	const uint32_t first = d->wheel_s;
	uint32_t at = due_s < first ? first : due_s;

	name_unlink(d, n);
	n->due_s = due_s;
	// What is due after a whole turn of the wheel is looked at once a turn.
	if (at - first >= WHEEL_SECONDS)
		at = first + WHEEL_SECONDS - 1;
	link_append(&d->wheel[at % WHEEL_SECONDS], &n->at);
	n->place = PLACE_WHEEL;
}

static enum lane lane_of(const struct name *n)
{
	const bool good =
		n->failures == 0 && (n->state == POSTERN_FACTS_GOOD || name_is_followed(n));

	if (n->want >= LANE_REFRESH)
		return n->failures > 0 ? LANE_SUSPECT : LANE_REFRESH;
	// A server of which nothing is known yet is asked for as the domain is that it serves.
	return good || n->host ? (enum lane)n->want : LANE_UNSURE;
}

void name_ready(struct discovery *d, struct name *n)
{
	if (n->place == PLACE_ASKING || (n->place == PLACE_READY && n->lane == lane_of(n)))
		return;
	name_unlink(d, n);
	n->lane = (uint8_t)lane_of(n);
	n->place = PLACE_READY;
	// Who is new, or asked for by an operator, does not wait for a million that are refreshed.
	if (n->state == POSTERN_FACTS_UNKNOWN || n->fresh)
		link_append(d->ready[n->lane].next, &n->at);
	else
		link_append(&d->ready[n->lane], &n->at);
	d->n_ready[n->lane]++;
	d->n_waiting++;
}

// Its time has come.
static void come_due(struct discovery *d, struct name *n)
{
	const uint32_t now = name_now_s(d);

	if (!name_is_followed(n) &&
		(n->host || n->state != POSTERN_FACTS_GOOD || now - n->wanted_s > LINGER_S)) {
		// The last of an answer that nobody asks for any more.
		if (n->ends_s > now && !n->host)
			name_schedule(d, n, n->ends_s);
		else
			name_forget(d, n);
		return;
	}
	name_ready(d, n);
}

// Out of the wheel; whether all of it that is due has come out.
static bool turn_wheel(struct discovery *d)
{
	const uint32_t now = name_now_s(d);
	unsigned n = 0;

	for (; d->wheel_s <= now; d->wheel_s++) {
		struct link *slot = &d->wheel[d->wheel_s % WHEEL_SECONDS];

		while (!link_is_empty(slot)) {
			struct name *one = LINK_OF(slot->next, struct name, at);

			if (n++ == TURN_MOST)
				return false;
			// Who was forgotten has left the slot: NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
			if (one->due_s <= now) {
				come_due(d, one);
				continue;
			}
			// Not into the slot that is being emptied, which is a turn away.
			const uint32_t first = d->wheel_s + 1, due = one->due_s;
			const uint32_t at =
				due - first < WHEEL_SECONDS - 1 ? due : first + WHEEL_SECONDS - 2;

			link_remove(&one->at);
			link_append(&d->wheel[at % WHEEL_SECONDS], &one->at);
		}
	}
	return true;
}

static void begin(struct discovery *d, struct name *n)
{
	const enum lane lane = (enum lane)n->lane;

	name_unlink(d, n);
	if (!name_is_needed(d, n)) {
		n->idle = true;
		name_schedule(d, n, name_now_s(d) + d->settings.highest_ttl_s);
		return;
	}
	n->idle = false;
	n->place = PLACE_ASKING;
	if ((n->host ? host_begin(d, n, lane) : domain_begin(d, n, lane)) == 0)
		return;
	n->place = PLACE_NONE;
	name_failed(d, n, OUTCOME_NO_MEMORY);
	waiting_tell(n, false);
}

static bool is_too_late(const struct discovery *d, const struct name *n)
{
	return n->lane <= LANE_UNSURE && n->waiters != NULL && !n->host &&
	       name_now_s(d) > n->wanted_s + PATIENCE_US / 1000000;
}

static void give_up(struct discovery *d, struct name *n)
{
	d->counters[DISCOVERY_OVERLOAD_COUNT]++;
	waiting_tell(n, true);
	n->want = LANES;
	if (can_go(n))
		name_forget(d, n);
	else
		name_schedule(d, n, name_now_s(d) + RETRY_FIRST_S);
}

uint64_t name_turn(struct discovery *d)
{
	bool all = turn_wheel(d);
	unsigned n = 0;

	for (enum lane lane = 0; lane < LANES; lane++)
		while (!link_is_empty(&d->ready[lane])) {
			struct name *one = LINK_OF(d->ready[lane].next, struct name, at);

			if (n++ == TURN_MOST) {
				all = false;
				break;
			}
			if (is_too_late(d, one))
				give_up(d, one);
			else if (question_has_room(d, lane))
				begin(d, one);
			else
				break;
		}
	if (!all)
		return now_us(d);
	return d->started_us + (uint64_t)name_now_s(d) * 1000000;
}

static uint32_t random_below(struct discovery *d, uint32_t n)
{
	return d->clocks.random(d->clocks.user) % n;
}

static uint32_t clamp(uint32_t value, uint32_t lowest, uint32_t highest)
{
	return value < lowest ? lowest : value > highest ? highest : value;
}

void name_answered(struct discovery *d, struct name *n, enum postern_facts_state state,
	enum outcome outcome, uint32_t ttl)
{
	const struct discovery_settings *s = &d->settings;
	const bool good = state == POSTERN_FACTS_GOOD;

	ttl = clamp(ttl, s->lowest_ttl_s, good ? s->highest_ttl_s : s->negative_ttl_s);
	d->n_failing -= is_failing(n);
	set_failing_long(d, n, false);
	n->state = (uint8_t)state;
	n->outcome = (uint8_t)outcome;
	n->failures = 0;
	n->failing_s = 0;
	n->answered_s = name_now_s(d);
	n->ends_s = n->answered_s + ttl;
	// At four fifths of its time and up to a tenth later, so that names that came together part.
	name_schedule(d, n,
		n->answered_s + ttl / 5 * 4 + ttl % 5 * 4 / 5 + random_below(d, ttl / 10 + 1));
}

void name_failed(struct discovery *d, struct name *n, enum outcome outcome)
{
	const uint32_t now = name_now_s(d);
	uint32_t wait = RETRY_FIRST_S;

	for (unsigned i = 0; i < n->failures && wait < RETRY_LAST_S; i++)
		wait *= 2;
	if (wait > RETRY_LAST_S)
		wait = RETRY_LAST_S;
	wait += random_below(d, wait / 2 + 1) - wait / 4;
	if (n->failing_s == 0)
		n->failing_s = now;
	if (n->failures < UINT16_MAX)
		n->failures++;
	d->n_failing += is_failing(n) && n->failures == 1;
	if (is_failing(n) && now - n->failing_s >= DISCOVERY_LONG_S)
		set_failing_long(d, n, true);
	n->outcome = (uint8_t)outcome;
	if (n->state != POSTERN_FACTS_GOOD && n->state != POSTERN_FACTS_FAILED)
		n->ends_s = 0; // there is no last good answer
	n->state = POSTERN_FACTS_FAILED;
	uint32_t due = now + wait;

	if (n->ends_s != 0) {
		const uint32_t over = n->ends_s + d->settings.keep_s + 1;

		if (name_is_over(d, n)) {
			d->counters[DISCOVERY_EXPIRED_COUNT]++;
			n->ends_s = 0;
		} else {
			d->counters[DISCOVERY_STALE_COUNT]++;
			if (over < due)
				due = over;
		}
	}
	name_schedule(d, n, due);
}

bool name_is_over(const struct discovery *d, const struct name *n)
{
	return n->ends_s == 0 || name_now_s(d) > n->ends_s + d->settings.keep_s;
}

bool name_holds(const struct discovery *d, const struct name *n)
{
	const uint32_t now = name_now_s(d);

	switch (n->state) {
	case POSTERN_FACTS_GOOD:
	case POSTERN_FACTS_NONE:
		return now < n->ends_s;
	case POSTERN_FACTS_FAILED:
		return now < n->due_s;
	default:
		return false;
	}
}

int waiting_add(struct discovery *d, struct name *n, struct waiting *w)
{
	if (n->waiters == NULL) {
		n->waiters = malloc(sizeof(*n->waiters));
		if (n->waiters == NULL)
			return -ENOMEM;
		link_init(n->waiters);
	}
	w->name = n;
	link_append(n->waiters, &w->at);
	if ((uint8_t)w->lane < n->want)
		n->want = (uint8_t)w->lane;
	name_ready(d, n);
	discovery_wake(d);
	return 0;
}

void waiting_tell(struct name *n, bool overloaded)
{
	struct link *waiters = n->waiters;

	n->waiters = NULL;
	n->want = LANES;
	n->fresh = false;
	if (waiters == NULL)
		return;
	n->telling = true;
	while (!link_is_empty(waiters)) {
		struct waiting *w = LINK_OF(waiters->next, struct waiting, at);

		link_remove(&w->at);
		w->name = NULL;
		w->arrived(w, n, overloaded);
	}
	n->telling = false;
	free(waiters);
}

void waiting_drop(struct waiting *w)
{
	struct name *n = w->name;

	if (n == NULL)
		return;
	link_remove(&w->at);
	w->name = NULL;
	if (!link_is_empty(n->waiters))
		return;
	free(n->waiters);
	n->waiters = NULL;
	n->want = LANES;
}
