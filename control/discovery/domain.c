// SPDX-License-Identifier: BSD-2-Clause
// Where a domain's edge is: its SRV record, then the addresses of the servers that it names, four of
// them at a time; and what of it the tables are told.

#include "control/discovery/private.h"

#include "postern/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

LOG_SUBSYSTEM("dns");

#define HOSTS_AT_ONCE 4u

struct target {
	struct waiting waiting;
	struct job *job;
	struct postern_addr *addresses;
	unsigned n;
	bool failed;
};

struct job {
	struct discovery *d;
	struct name *name;
	enum lane lane;
	struct question *question;
	unsigned n;    // targets
	unsigned next; // to be asked for
	unsigned under_way;
	bool asking; // do not finish from within
	uint32_t ttl;
	struct discovery_record records[POSTERN_TARGETS_MAX];
	struct target targets[POSTERN_TARGETS_MAX];
};

int discovery_service_name(const struct postern_domain *domain, struct postern_domain *out)
{
	static const char service[] = DISCOVERY_SERVICE ".";
	const size_t n = sizeof(service) - 1;

	if (domain->length + n > POSTERN_DOMAIN_MAX)
		return -ENAMETOOLONG;
	memcpy(out->text, service, n);
	memcpy(out->text + n, domain->text, domain->length + 1u);
	out->length = (uint8_t)(domain->length + n);
	return 0;
}

static void tell_tables(struct discovery *d, struct name *n, const struct postern_facts *f)
{
	struct postern_domain name;

	if (d->tables == NULL)
		return;
	name_domain(n, &name);
	const int rc = postern_policy_set_facts(d->tables, &name, f);

	if (rc == 0)
		n->told = true;
	else
		LOG(ERROR, "%s: what DNS says of it is not in force: %s", n->text, strerror(-rc));
}

// Ends the job; what has come of it is noted already.
static void job_end(struct job *j)
{
	for (unsigned i = 0; i < j->n; i++) {
		waiting_drop(&j->targets[i].waiting);
		free(j->targets[i].addresses);
	}
	question_cancel(j->question);
	j->name->job = NULL;
	j->name->place = PLACE_NONE;
	free(j);
}

static void finish_none(struct job *j, enum outcome outcome, uint32_t ttl)
{
	struct discovery *d = j->d;
	struct name *n = j->name;
	const struct postern_facts f = {.state = POSTERN_FACTS_NONE, .wall_us = wall_us(d)};

	job_end(j);
	name_answered(d, n, POSTERN_FACTS_NONE, outcome, ttl);
	tell_tables(d, n, &f);
	waiting_tell(n, false);
}

// What was known stays in force while it may be kept.
static void finish_failed(struct job *j, enum outcome outcome)
{
	struct discovery *d = j->d;
	struct name *n = j->name;
	struct postern_facts f = {.state = POSTERN_FACTS_FAILED, .wall_us = wall_us(d)};
	struct postern_domain name;

	job_end(j);
	name_failed(d, n, outcome);
	name_domain(n, &name);
	if (n->ends_s != 0 && d->tables != NULL &&
		postern_policy_get_facts(d->tables, &name, &d->copy) == 0) {
		f = d->copy.facts;
		f.state = POSTERN_FACTS_FAILED;
	}
	tell_tables(d, n, &f);
	waiting_tell(n, false);
}

static void finish_good(struct job *j)
{
	struct discovery *d = j->d;
	struct name *n = j->name;
	struct postern_target targets[POSTERN_TARGETS_MAX];
	struct postern_facts f = {.state = POSTERN_FACTS_GOOD,
		.wall_us = wall_us(d),
		.targets = targets,
		.n_targets = j->n};
	enum outcome outcome = OUTCOME_GOOD;
	unsigned addresses = 0;
	bool failed = false;
	const uint32_t ttl = j->ttl;

	for (unsigned i = 0; i < j->n; i++) {
		targets[i] = (struct postern_target){
			.name = j->records[i].target,
			.priority = j->records[i].priority,
			.weight = j->records[i].weight,
			.port = j->records[i].port,
			.addresses = j->targets[i].addresses,
			.n_addresses = j->targets[i].n,
		};
		addresses += j->targets[i].n;
		failed |= j->targets[i].failed;
	}
	if (failed)
		outcome = OUTCOME_ADDRESS_FAILED;
	else if (addresses == 0)
		outcome = OUTCOME_NO_ADDRESS;
	// Where it cannot be reached at all because DNS fails, it is asked again soon.
	if (failed && addresses == 0)
		f.state = POSTERN_FACTS_FAILED;
	tell_tables(d, n, &f);
	job_end(j);
	if (f.state == POSTERN_FACTS_GOOD) {
		name_answered(d, n, POSTERN_FACTS_GOOD, outcome, ttl);
	} else {
		// Its servers are known, so there is something to be kept.
		n->state = POSTERN_FACTS_GOOD;
		n->ends_s = name_now_s(d) + 1;
		name_failed(d, n, outcome);
	}
	waiting_tell(n, false);
}

static void ask_hosts(struct job *j);

// What is known of a server now.
static void take_host(struct job *j, struct target *t, const struct name *host)
{
	const uint32_t now = name_now_s(j->d);

	t->failed = host->state == POSTERN_FACTS_FAILED;
	if (host->n_addresses > 0) {
		t->addresses = malloc(host->n_addresses * sizeof(*t->addresses));
		if (t->addresses == NULL) {
			t->failed = true;
			return;
		}
		memcpy(t->addresses, host->addresses, host->n_addresses * sizeof(*t->addresses));
		t->n = host->n_addresses;
	}
	// The domain is as old as the oldest that it rests on; what failed is looked at when it is tried.
	const uint32_t left = t->failed            ? host->due_s - now
			      : host->ends_s > now ? host->ends_s - now
						   : 0;

	if (left < j->ttl)
		j->ttl = left;
}

static void on_host(struct waiting *w, struct name *host, bool overloaded)
{
	struct target *t = LINK_OF(w, struct target, waiting);
	struct job *j = t->job;

	if (overloaded)
		t->failed = true;
	else
		take_host(j, t, host);
	j->under_way--;
	if (!j->asking)
		ask_hosts(j);
}

// From an answer that will hold for half of its time still, or by asking.
static void ask_host(struct job *j, unsigned i)
{
	struct discovery *d = j->d;
	struct target *t = &j->targets[i];
	struct name *host = name_find(d, &j->records[i].target, true);

	if (host == NULL && d->n_cached >= HOSTS_CACHED_MAX)
		name_evict(d, true);
	if (host == NULL)
		host = name_get(d, &j->records[i].target, true);
	if (host == NULL) {
		t->failed = true;
		return;
	}
	host->referenced = true;
	const uint32_t half = host->answered_s + (host->ends_s - host->answered_s) / 2;

	if (!j->name->fresh && name_holds(d, host) &&
		(host->state == POSTERN_FACTS_FAILED || name_now_s(d) <= half)) {
		take_host(j, t, host);
		return;
	}
	t->job = j;
	t->waiting.lane = j->lane;
	t->waiting.arrived = on_host;
	link_init(&t->waiting.at);
	if (waiting_add(d, host, &t->waiting) == 0)
		j->under_way++;
	else
		t->failed = true;
}

static void ask_hosts(struct job *j)
{
	j->asking = true;
	while (j->next < j->n && j->under_way < HOSTS_AT_ONCE)
		ask_host(j, j->next++);
	j->asking = false;
	if (j->next == j->n && j->under_way == 0)
		finish_good(j);
}

static uint32_t draw(void *user, uint32_t below)
{
	struct discovery *d = user;

	return d->clocks.random(d->clocks.user) % below;
}

// The best of the targets, each once; false: none of them is a server.
static bool take_records(struct job *j, const struct discovery_answer *a)
{
	struct discovery *d = j->d;
	struct discovery_record all[DISCOVERY_RECORDS_MAX];
	unsigned n = 0, left = 0;

	for (unsigned i = 0; i < a->n_records; i++) {
		bool known = a->records[i].target.length == 0;

		for (unsigned k = 0; k < n && !known; k++)
			known = all[k].port == a->records[i].port &&
				postern_domain_equal(&all[k].target, &a->records[i].target);
		if (!known)
			all[n++] = a->records[i];
	}
	order_records(all, n, d->settings.order, draw, d);
	if (n > POSTERN_TARGETS_MAX) {
		left = n - POSTERN_TARGETS_MAX;
		n = POSTERN_TARGETS_MAX;
	}
	d->counters[DISCOVERY_SKIPPED_COUNT] += left;
	left += j->name->skipped;
	j->name->skipped = (uint8_t)(left < UINT8_MAX ? left : UINT8_MAX);
	memcpy(j->records, all, n * sizeof(*all));
	j->n = n;
	return n > 0;
}

static void on_service(void *user, const struct discovery_answer *a)
{
	struct job *j = user;
	struct discovery *d = j->d;

	pthread_mutex_lock(&d->lock);
	const enum outcome outcome = name_note(j->name, a);

	j->question = NULL;
	j->ttl = a->ttl;
	if (outcome >= OUTCOME_SERVER_FAILURE)
		finish_failed(j, outcome);
	else if (outcome != OUTCOME_GOOD)
		finish_none(j, outcome, a->ttl);
	else if (!take_records(j, a))
		finish_none(j, OUTCOME_NO_SERVICE, a->ttl);
	else
		ask_hosts(j);
	pthread_mutex_unlock(&d->lock);
}

int domain_begin(struct discovery *d, struct name *n, enum lane lane)
{
	struct job *j = calloc(1, sizeof(*j));
	struct postern_domain domain, service;

	if (j == NULL)
		return -ENOMEM;
	j->d = d;
	j->name = n;
	j->lane = lane;
	n->job = j;
	n->skipped = 0;
	name_domain(n, &domain);
	if (discovery_service_name(&domain, &service) < 0) {
		// Nobody can publish one either.
		finish_none(j, OUTCOME_NO_NAME, UINT32_MAX);
		return 0;
	}
	j->question = question_ask(d, &service, DISCOVERY_SRV, lane, on_service, j);
	if (j->question != NULL)
		return 0;
	n->job = NULL;
	free(j);
	return -ENOMEM;
}

void domain_end(struct name *n)
{
	job_end(n->job);
}
