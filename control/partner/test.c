// SPDX-License-Identifier: BSD-2-Clause
// A test: SRV, then the addresses of the targets, then all connections side by side.

#include "control/partner/test.h"

#include "control/discovery/discovery.h"

#include <event2/event.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct family {
	struct partner_test *test;
	unsigned server;
	struct discovery_lookup *lookup; // NULL: answered
	bool good;                       // it was, and not by an error
	bool bogus;
	char why[DISCOVERY_WHY];
	uint64_t took_us;
	struct postern_addr addresses[PARTNER_TRIES_MAX];
	unsigned n, unusable;
};

struct partner_test {
	LIST_ENTRY(partner_test) entry;
	struct partner_set *set;
	struct partner_test_question question;
	struct postern_domain *names;
	char own[POSTERN_DOMAIN_MAX + 1], from[POSTERN_DOMAIN_MAX + 1];
	SSL_CTX *context;
	void (*done)(void *user);
	void *user;
	struct event *end; // calls `done` from the loop
	struct discovery_lookup *srv;
	uint64_t asked_us; // when the questions that are under way began
	struct family families[PARTNER_SERVERS_MAX][2]; // IPv4, IPv6
	unsigned waiting;                               // answers, then connections
	struct partner_peer *peers[PARTNER_TRIES_MAX];
	struct partner_report report;
};

static void end(struct partner_test *t)
{
	event_active(t->end, EV_TIMEOUT, 0);
}

static void end_fired(evutil_socket_t fd, short what, void *arg)
{
	struct partner_test *t = arg;

	(void)fd;
	(void)what;
	t->done(t->user);
}

// ---- Connections

static void peer_done(void *user)
{
	struct partner_test *t = user;

	if (--t->waiting == 0)
		end(t);
}

static void connect_one(struct partner_test *t, unsigned server, const struct postern_addr *a)
{
	struct partner_report *r = &t->report;
	const struct partner_server *s = &r->servers[server];
	const unsigned i = r->n_tries;

	if (i == PARTNER_TRIES_MAX) {
		r->more++;
		return;
	}
	const struct partner_peer_question q = {
		.context = t->context,
		.at = {.addr = *a, .port = s->port},
		.server = s->name,
		.names = t->names,
		.n_names = t->question.n_names,
		.tls = t->question.tls,
		.own = t->own,
		.from = t->from,
	};
	t->peers[i] = partner_peer_new(t->set->base, &q, peer_done, t);
	if (t->peers[i] == NULL) {
		r->more++;
		return;
	}
	r->tries[i].server = server;
	r->tries[i].at = q.at;
	r->tries[i].peer = partner_peer_report(t->peers[i]);
	r->n_tries++;
	t->waiting++;
}

static void connect_all(struct partner_test *t)
{
	for (unsigned s = 0; s < t->report.n_servers; s++)
		for (unsigned f = 0; f < 2; f++)
			for (unsigned i = 0; i < t->families[s][f].n; i++)
				connect_one(t, s, &t->families[s][f].addresses[i]);
	if (t->waiting == 0)
		end(t);
}

// ---- Addresses

// Loopback, multicast, link-local and "none" lead to nobody's server.
static bool is_usable(const struct postern_addr *a)
{
	const uint8_t *b = a->bytes;

	if (postern_addr_is_v4(a))
		return b[12] != 0 && b[12] != 127 && b[12] < 224 && !(b[12] == 169 && b[13] == 254);
	// fe80::/10, ff00::/8, :: and ::1, and other embedded forms of IPv4 below ::/96
	static const uint8_t zero[12];
	return b[0] != 0xff && !(b[0] == 0xfe && (b[1] & 0xc0) == 0x80) &&
	       memcmp(b, zero, sizeof(zero)) != 0;
}

static void tell_addresses(struct partner_test *t, struct partner_server *s, unsigned server)
{
	const struct family *four = &t->families[server][0], *six = &t->families[server][1];
	struct partner_step *step = &s->step;
	char text[POSTERN_ADDR_TEXT];

	step->kind = PARTNER_STEP_ADDRESS;
	step->took_us = four->took_us > six->took_us ? four->took_us : six->took_us;
	if (four->n + six->n > 0) {
		for (unsigned f = 0; f < 2; f++)
			for (unsigned i = 0; i < t->families[server][f].n; i++)
				partner_step_add(step, "%s%s", step->text[0] != '\0' ? ", " : "",
					postern_addr_format(
						&t->families[server][f].addresses[i], text));
		return;
	}
	const bool good = four->good && six->good;
	if (four->unusable + six->unusable > 0) {
		step->result = PARTNER_ADDRESS_UNUSABLE;
		snprintf(step->text, sizeof(step->text), "no address that could be a server's");
	} else if (good) {
		step->result = PARTNER_ADDRESS_NONE;
		snprintf(step->text, sizeof(step->text), "%s", four->why);
	} else {
		const struct family *bad = four->good ? six : four;
		step->result = bad->bogus ? PARTNER_ADDRESS_BOGUS : PARTNER_ADDRESS_FAILED;
		snprintf(step->text, sizeof(step->text), "%s", bad->why);
	}
}

static void address_answered(void *user, const struct discovery_answer *a)
{
	struct family *f = user;
	struct partner_test *t = f->test;

	f->lookup = NULL;
	f->took_us = partner_now_us() - t->asked_us;
	f->good = a->status == 0 && (a->negative || a->rcode == DISCOVERY_NOERROR);
	f->bogus = a->status == 0 && a->bogus;
	snprintf(f->why, sizeof(f->why), "%s", a->why);
	for (unsigned i = 0; f->good && i < a->n_records; i++) {
		if (!is_usable(&a->records[i].address))
			f->unusable++;
		else if (f->n < PARTNER_TRIES_MAX)
			f->addresses[f->n++] = a->records[i].address;
		else
			t->report.more++;
	}
	if (--t->waiting > 0)
		return;
	for (unsigned s = 0; s < t->report.n_servers; s++)
		if (!t->report.servers[s].outside)
			tell_addresses(t, &t->report.servers[s], s);
	connect_all(t);
}

static void ask_family(struct partner_test *t, unsigned server, unsigned family)
{
	struct family *f = &t->families[server][family];

	f->test = t;
	f->server = server;
	const int status = discovery_lookup(t->set->discovery, &t->report.servers[server].name,
		family == 0 ? DISCOVERY_A : DISCOVERY_AAAA, address_answered, f, &f->lookup);
	if (status == 0)
		t->waiting++;
	else
		snprintf(f->why, sizeof(f->why), "not asked: %s", strerror(-status));
}

static void ask_addresses(struct partner_test *t)
{
	t->asked_us = partner_now_us();
	for (unsigned s = 0; s < t->report.n_servers; s++)
		for (unsigned f = 0; f < 2 && !t->report.servers[s].outside; f++)
			ask_family(t, s, f);
	if (t->waiting > 0)
		return;
	for (unsigned s = 0; s < t->report.n_servers; s++)
		if (!t->report.servers[s].outside)
			tell_addresses(t, &t->report.servers[s], s);
	end(t);
}

// ---- SRV

// RFC 2782: lower priorities first. Of equal ones those of higher weight are drawn first more often
// than not; all are tried here, so that the order that is likely is shown.
static int compare_records(const void *a, const void *b)
{
	const struct discovery_record *x = a, *y = b;

	if (x->priority != y->priority)
		return x->priority < y->priority ? -1 : 1;
	return (x->weight < y->weight) - (x->weight > y->weight);
}

static void take_target(struct partner_test *t, const struct discovery_record *record)
{
	const struct partner_test_question *q = &t->question;
	struct partner_server *s = &t->report.servers[t->report.n_servers++];

	s->name = record->target;
	s->priority = record->priority;
	s->weight = record->weight;
	s->port = record->port;
	s->outside = !q->any_target && !postern_domain_is_within(&record->target, &q->domain) &&
		     !postern_domain_equal(&record->target, &q->provider);
}

static void tell_records(const struct partner_report *r, unsigned all, struct partner_step *step)
{
	for (unsigned i = 0; i < r->n_servers; i++)
		partner_step_add(step, "%s%u %u %u %s", i > 0 ? ", " : "", r->servers[i].priority,
			r->servers[i].weight, r->servers[i].port, r->servers[i].name.text);
	if (all > r->n_servers)
		partner_step_add(step, ", and %u more", all - r->n_servers);
}

static enum partner_result srv_failure(const struct discovery_answer *a)
{
	if (a->status == 0 && a->bogus)
		return PARTNER_SRV_BOGUS;
	if (a->status != 0 || (a->rcode != DISCOVERY_NOERROR && !a->negative))
		return PARTNER_SRV_FAILED;
	if (a->n_records == 0)
		return a->skipped > 0 ? PARTNER_SRV_UNUSABLE : PARTNER_SRV_NONE;
	return PARTNER_OK;
}

// Targets of "." and ports of 0 lead nowhere.
static unsigned take_records(struct partner_test *t, const struct discovery_answer *a)
{
	struct discovery_record sorted[DISCOVERY_RECORDS_MAX];
	const unsigned n =
		a->n_records < DISCOVERY_RECORDS_MAX ? a->n_records : DISCOVERY_RECORDS_MAX;
	unsigned dots = 0;

	memcpy(sorted, a->records, n * sizeof(sorted[0]));
	qsort(sorted, n, sizeof(sorted[0]), compare_records);
	for (unsigned i = 0; i < n; i++) {
		dots += sorted[i].target.length == 0;
		if (sorted[i].target.length > 0 && sorted[i].port != 0 &&
			t->report.n_servers < PARTNER_SERVERS_MAX)
			take_target(t, &sorted[i]);
	}
	return dots;
}

static void srv_answered(void *user, const struct discovery_answer *a)
{
	struct partner_test *t = user;
	struct partner_report *r = &t->report;
	struct partner_step *step = &r->srv;
	bool inside = false;

	t->srv = NULL;
	step->took_us = partner_now_us() - t->asked_us;
	step->result = srv_failure(a);
	if (step->result != PARTNER_OK) {
		snprintf(step->text, sizeof(step->text), "%s", a->why);
		end(t);
		return;
	}
	const unsigned dots = take_records(t, a);
	if (r->n_servers == 0) {
		step->result = dots > 0 ? PARTNER_SRV_NOT_OFFERED : PARTNER_SRV_UNUSABLE;
		snprintf(step->text, sizeof(step->text), "%s",
			dots > 0 ? "the target is \".\"" : "the port is 0");
		end(t);
		return;
	}
	tell_records(r, a->n_records, step);
	for (unsigned i = 0; i < r->n_servers; i++)
		inside |= !r->servers[i].outside;
	if (!inside)
		step->result = PARTNER_SRV_OTHER_DOMAIN;
	ask_addresses(t);
}

static void ask_srv(struct partner_test *t)
{
	struct postern_domain name;
	int status = discovery_service_name(&t->question.domain, &name);

	t->report.srv.kind = PARTNER_STEP_SRV;
	t->asked_us = partner_now_us();
	if (status == 0)
		status = discovery_lookup(
			t->set->discovery, &name, DISCOVERY_SRV, srv_answered, t, &t->srv);
	if (status == 0)
		return;
	t->report.srv.result = status == -ENAMETOOLONG ? PARTNER_SRV_NONE : PARTNER_LOCAL;
	snprintf(t->report.srv.text, sizeof(t->report.srv.text), "not asked: %s",
		status == -ENAMETOOLONG ? "the domain is too long to have one" : strerror(-status));
	end(t);
}

static void begin_by_name(struct partner_test *t)
{
	struct partner_report *r = &t->report;

	r->by_name = true;
	r->srv.kind = PARTNER_STEP_SRV;
	r->srv.result = PARTNER_SKIPPED;
	snprintf(r->srv.text, sizeof(r->srv.text), "the policy names its server: %s",
		t->question.server.text);
	r->servers[0].name = t->question.server;
	r->servers[0].port = PARTNER_PORT;
	r->n_servers = 1;
	ask_addresses(t);
}

// ---- Life

static bool copy(struct partner_test *t, const struct partner_test_question *q)
{
	t->question = *q;
	snprintf(t->own, sizeof(t->own), "%s", q->own != NULL ? q->own : "");
	snprintf(t->from, sizeof(t->from), "%s", q->from != NULL ? q->from : "");
	t->names = malloc((q->n_names + 1) * sizeof(t->names[0]));
	if (t->names == NULL)
		return false;
	if (q->n_names > 0)
		memcpy(t->names, q->names, q->n_names * sizeof(t->names[0]));
	return true;
}

int partner_test_new(struct partner_set *set, const struct partner_test_question *q,
	void (*done)(void *user), void *user, struct partner_test **out)
{
	SSL_CTX *context = partner_set_context(set, q->service);

	*out = NULL;
	if (set->n_tests == PARTNER_TESTS_MAX)
		return -EBUSY;
	struct partner_test *t = context != NULL ? calloc(1, sizeof(*t)) : NULL;
	if (t == NULL)
		return -ENOMEM;
	t->set = set;
	t->done = done;
	t->user = user;
	t->end = event_new(set->base, -1, 0, end_fired, t);
	if (t->end == NULL || !copy(t, q) || SSL_CTX_up_ref(context) != 1) {
		if (t->end != NULL)
			event_free(t->end);
		free(t->names);
		free(t);
		return -ENOMEM;
	}
	t->context = context;
	LIST_INSERT_HEAD(&set->tests, t, entry);
	set->n_tests++;
	*out = t;
	if (q->server.length > 0)
		begin_by_name(t);
	else
		ask_srv(t);
	return 0;
}

void partner_test_free(struct partner_test *t)
{
	if (t == NULL)
		return;
	LIST_REMOVE(t, entry);
	t->set->n_tests--;
	if (t->srv != NULL)
		discovery_lookup_cancel(t->srv);
	for (unsigned s = 0; s < PARTNER_SERVERS_MAX; s++)
		for (unsigned f = 0; f < 2; f++)
			if (t->families[s][f].lookup != NULL)
				discovery_lookup_cancel(t->families[s][f].lookup);
	for (unsigned i = 0; i < PARTNER_TRIES_MAX; i++)
		partner_peer_free(t->peers[i]);
	event_free(t->end);
	SSL_CTX_free(t->context);
	free(t->names);
	free(t);
}

const struct partner_report *partner_test_report(const struct partner_test *t)
{
	return &t->report;
}
