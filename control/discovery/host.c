// SPDX-License-Identifier: BSD-2-Clause
// The addresses of a server: A and AAAA at once. A family whose question fails keeps the addresses that
// it had, as long as the last good answer is kept.

#include "control/discovery/private.h"

#include "postern/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

LOG_SUBSYSTEM("dns");

enum {
	V4,
	V6,
	FAMILIES
};

struct job {
	struct discovery *d;
	struct name *name;
	struct question *question[FAMILIES];
	struct postern_addr found[FAMILIES][POSTERN_ADDRESSES_MAX];
	unsigned n_found[FAMILIES];
	bool failed[FAMILIES];
	uint32_t ttl[FAMILIES];
	enum outcome outcome[FAMILIES];
};

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct postern_addr));
}

// The last good addresses of a family.
static unsigned last_good(const struct discovery *d, const struct name *n, int family,
	struct postern_addr out[static POSTERN_ADDRESSES_MAX])
{
	unsigned count = 0;

	if (name_is_over(d, n))
		return 0;
	for (unsigned i = 0; i < n->n_addresses; i++)
		if (postern_addr_is_v4(&n->addresses[i]) == (family == V4))
			out[count++] = n->addresses[i];
	return count;
}

// Both families in one list, sorted, each once; where they are too many each keeps half.
static unsigned together(struct job *j, struct postern_addr out[static POSTERN_ADDRESSES_MAX])
{
	struct postern_addr all[FAMILIES * POSTERN_ADDRESSES_MAX];
	unsigned keep[FAMILIES] = {j->n_found[V4], j->n_found[V6]};
	unsigned n = 0;

	for (int family = 0; family < FAMILIES; family++) {
		const unsigned other = keep[!family] < POSTERN_ADDRESSES_MAX / 2
					       ? keep[!family]
					       : POSTERN_ADDRESSES_MAX / 2;

		if (keep[family] > POSTERN_ADDRESSES_MAX - other)
			keep[family] = POSTERN_ADDRESSES_MAX - other;
		memcpy(all + n, j->found[family], keep[family] * sizeof(*all));
		n += keep[family];
	}
	// IPv4 is ::ffff:0:0/96, which lies below every IPv6 address that is in use.
	qsort(all, n, sizeof(*all), compare);
	unsigned kept = 0;

	for (unsigned i = 0; i < n && kept < POSTERN_ADDRESSES_MAX; i++)
		if (kept == 0 || !postern_addr_equal(&out[kept - 1], &all[i]))
			out[kept++] = all[i];
	return kept;
}

// Whether the addresses are others than before.
static bool take(
	struct discovery *d, struct name *n, const struct postern_addr *now, unsigned count)
{
	struct postern_addr *copy = NULL;

	if (count == n->n_addresses &&
		(count == 0 || memcmp(now, n->addresses, count * sizeof(*now)) == 0))
		return false;
	if (count > 0) {
		copy = malloc(count * sizeof(*copy));
		if (copy == NULL)
			return false; // those of before; they are asked for again
		memcpy(copy, now, count * sizeof(*copy));
	}
	// As name_forget() takes it off.
	if (n->addresses != NULL)
		d->memory -= (n->n_addresses * sizeof(*now) + 8 + 15) & ~(size_t)15;
	if (copy != NULL)
		d->memory += (count * sizeof(*now) + 8 + 15) & ~(size_t)15;
	free(n->addresses);
	n->addresses = copy;
	n->n_addresses = (uint8_t)count;
	return true;
}

// The tables know those that entries name.
static void publish(struct discovery *d, struct name *n)
{
	struct postern_domain host;

	if (d->tables == NULL || (n->followers == 0 && !n->told))
		return;
	name_domain(n, &host);
	const int rc =
		postern_policy_set_host(d->tables, &host, n->addresses, n->n_addresses, wall_us(d));

	n->told = n->n_addresses > 0;
	if (rc < 0)
		LOG(ERROR, "%s: its addresses are not in force: %s", n->text, strerror(-rc));
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static void finish(struct job *j)
{
	struct discovery *d = j->d;
	struct name *n = j->name;
	struct postern_addr now[POSTERN_ADDRESSES_MAX];
	const uint8_t state = n->state;
	const bool failed = (j->failed[V4] && j->failed[V6]) ||
			    (j->failed[V4] && j->n_found[V6] == 0) ||
			    (j->failed[V6] && j->n_found[V4] == 0);

	n->job = NULL;
	n->place = PLACE_NONE;
	if (failed)
		name_failed(d, n, j->outcome[j->failed[V4] ? V4 : V6]);
	for (int family = 0; family < FAMILIES; family++)
		if (j->failed[family])
			j->n_found[family] = last_good(d, n, family, j->found[family]);
	const unsigned count = together(j, now);

	if (!failed && count > 0) {
		// That one family has nothing says little about when to look again.
		const uint32_t ttl = least(j->n_found[V4] > 0 ? j->ttl[V4] : UINT32_MAX,
			j->n_found[V6] > 0 ? j->ttl[V6] : UINT32_MAX);

		name_answered(d, n, POSTERN_FACTS_GOOD, OUTCOME_GOOD, ttl);
	} else if (!failed) {
		name_answered(
			d, n, POSTERN_FACTS_NONE, j->outcome[V4], least(j->ttl[V4], j->ttl[V6]));
	}
	const bool changed = take(d, n, now, count);

	free(j);
	if (changed || (n->followers > 0 && !n->told))
		publish(d, n);
	if (changed || n->state != state)
		follow_changed(d, n);
	waiting_tell(n, false);
}

static void take_answer(struct job *j, int family, const struct discovery_answer *a)
{
	j->question[family] = NULL;
	j->outcome[family] = name_note(j->name, a);
	j->failed[family] = j->outcome[family] >= OUTCOME_SERVER_FAILURE;
	j->ttl[family] = j->failed[family] ? UINT32_MAX : a->ttl;
	for (unsigned i = 0; i < a->n_records && i < POSTERN_ADDRESSES_MAX; i++)
		j->found[family][j->n_found[family]++] = a->records[i].address;
	if (j->question[!family] == NULL)
		finish(j);
}

static void on_v4(void *user, const struct discovery_answer *a)
{
	struct job *j = user;
	struct discovery *d = j->d;

	pthread_mutex_lock(&d->lock);
	take_answer(j, V4, a);
	pthread_mutex_unlock(&d->lock);
}

static void on_v6(void *user, const struct discovery_answer *a)
{
	struct job *j = user;
	struct discovery *d = j->d;

	pthread_mutex_lock(&d->lock);
	take_answer(j, V6, a);
	pthread_mutex_unlock(&d->lock);
}

int host_begin(struct discovery *d, struct name *n, enum lane lane)
{
	struct job *j = calloc(1, sizeof(*j));
	struct postern_domain name;

	if (j == NULL)
		return -ENOMEM;
	j->d = d;
	j->name = n;
	n->job = j;
	n->skipped = 0;
	name_domain(n, &name);
	j->question[V4] = question_ask(d, &name, DISCOVERY_A, lane, on_v4, j);
	j->question[V6] = question_ask(d, &name, DISCOVERY_AAAA, lane, on_v6, j);
	if (j->question[V4] != NULL && j->question[V6] != NULL)
		return 0;
	host_end(n);
	return -ENOMEM;
}

void host_end(struct name *n)
{
	struct job *j = n->job;

	n->job = NULL;
	question_cancel(j->question[V4]);
	question_cancel(j->question[V6]);
	free(j);
}
