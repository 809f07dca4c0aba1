// SPDX-License-Identifier: BSD-2-Clause
// A world for discovery to ask.

#include "dns_world.h"

#include "postern/policy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t world_now(void *user)
{
	// Other threads ask as well.
	return __atomic_load_n(&((struct world *)user)->now, __ATOMIC_RELAXED);
}

static uint64_t world_wall(void *user)
{
	return ((struct world *)user)->now + 1000000000000000u;
}

static uint32_t world_random(void *user)
{
	struct world *w = user;

	w->seed = w->seed * 1664525 + 1013904223;
	return w->seed >> 3;
}

static int world_send(void *user, unsigned resolver, const uint8_t *bytes, size_t n, struct try *t)
{
	struct world *w = user;

	w->asked++;
	w->asked_of[resolver]++;
	if (w->n_pending == WORLD_PENDING)
		abort();
	w->pending[w->n_pending].t = t;
	w->pending[w->n_pending].resolver = resolver;
	w->pending[w->n_pending].n = n;
	w->pending[w->n_pending].at_us = w->now + w->latency_us;
	memcpy(w->pending[w->n_pending++].bytes, bytes, n);
	if (w->n_pending > w->most_pending)
		w->most_pending = w->n_pending;
	return 0;
}

struct world *world_new(unsigned resolvers, struct discovery_settings *settings)
{
	static const struct postern_policy_limits limits = {.domains = 400000, .index = true};
	struct world *w = calloc(1, sizeof(*w));
	const struct clocks clocks = {world_now, world_wall, world_random, w};
	const struct transport transport = {.send = world_send, .self = w};
	struct discovery_settings s;

	if (settings == NULL) {
		discovery_settings_default(&s);
		settings = &s;
	}
	w->now = 5000000;
	w->seed = 1;
	w->latency_us = 1000;
	w->negative_ttl = 300;
	settings->n_resolvers = resolvers;
	for (unsigned i = 0; i < resolvers; i++)
		settings->resolvers[i] = (struct postern_endpoint){
			.addr = postern_addr_from_v4(htonl(0xc0000201 + i)), .port = 53};
	if (postern_policy_new(&limits, &w->tables) != 0 ||
		discovery_new_with(NULL, w->tables, settings, &clocks, &transport, &w->d) != 0)
		abort();
	return w;
}

void world_free(struct world *w)
{
	while (w->n_pending > 0)
		try_done(w->pending[--w->n_pending].t, -ECANCELED, NULL, 0, false);
	discovery_free(w->d);
	postern_policy_free(w->tables);
	free(w);
}

static struct world_record *add(
	struct world *w, const char *name, enum discovery_type type, uint32_t ttl, const char *data)
{
	struct world_record *r = NULL;

	for (unsigned i = 0; i < w->n_records && r == NULL; i++)
		if (w->records[i].name[0] == '\0')
			r = &w->records[i];
	if (r == NULL) {
		if (w->n_records == WORLD_RECORDS)
			abort();
		r = &w->records[w->n_records++];
	}
	*r = (struct world_record){.type = type, .ttl = ttl};
	snprintf(r->name, sizeof(r->name), "%s", name);
	snprintf(r->data, sizeof(r->data), "%s", data);
	return r;
}

void world_srv(struct world *w, const char *domain, uint32_t ttl, unsigned priority,
	unsigned weight, const char *target)
{
	char name[300];

	snprintf(name, sizeof(name), DISCOVERY_SERVICE ".%s", domain);
	struct world_record *r = add(w, name, DISCOVERY_SRV, ttl, target);

	r->priority = priority;
	r->weight = weight;
	r->port = 5061;
}

void world_address(struct world *w, const char *host, uint32_t ttl, const char *address)
{
	add(w, host, strchr(address, ':') != NULL ? DISCOVERY_AAAA : DISCOVERY_A, ttl, address);
}

void world_alias(struct world *w, const char *name, uint32_t ttl, const char *target)
{
	add(w, name, (enum discovery_type)5, ttl, target);
}

void world_forget(struct world *w, const char *name)
{
	char service[300];

	snprintf(service, sizeof(service), DISCOVERY_SERVICE ".%s", name);
	for (unsigned i = 0; i < w->n_records; i++)
		if (strcmp(w->records[i].name, name) == 0 ||
			strcmp(w->records[i].name, service) == 0)
			w->records[i].name[0] = '\0';
}

static void name_of(const uint8_t *question, char out[256])
{
	const uint8_t *p = question + 12;
	size_t n = 0;

	for (; *p != 0; p += *p + 1) {
		memcpy(out + n, p + 1, *p);
		n += *p;
		out[n++] = '.';
	}
	out[n > 0 ? n - 1 : 0] = '\0';
}

static bool lies_below(const char *name, const char *parent)
{
	const size_t n = strlen(name), m = strlen(parent);

	return m > 0 && n >= m && strcmp(name + n - m, parent) == 0;
}

static void answer_good(struct world *w, const char *name, unsigned type)
{
	unsigned n = 0;

	for (unsigned i = 0; i < w->n_records; i++) {
		const struct world_record *r = &w->records[i];

		if (strcmp(r->name, name) != 0 || (r->type != type && r->type != 5))
			continue;
		n++;
		if (r->type == 5)
			dns_cname(&w->answer, name, r->ttl, r->data);
		else if (type == DISCOVERY_SRV)
			dns_srv(&w->answer, name, r->ttl, r->priority, r->weight, r->port, r->data);
		else if (type == DISCOVERY_A)
			dns_a(&w->answer, name, r->ttl, r->data);
		else
			dns_aaaa(&w->answer, name, r->ttl, r->data);
	}
	if (n == 0)
		dns_soa(&w->answer, ".", w->negative_ttl, w->negative_ttl);
}

static void serve_one(struct world *w, unsigned at)
{
	char name[256];
	const uint8_t *question = w->pending[at].bytes;
	const size_t n = w->pending[at].n;
	const unsigned resolver = w->pending[at].resolver;
	struct try *t = w->pending[at].t;
	enum world_mood mood = w->resolver[resolver];

	name_of(question, name);
	if (lies_below(name, w->odd) && mood == WORLD_ANSWERS)
		mood = w->odd_mood;
	if (mood == WORLD_SILENT &&
		w->now < w->pending[at].at_us + (uint64_t)w->d->settings.timeout_ms * 1000)
		return;
	dns_begin(&w->answer, question, n, mood == WORLD_FAILS || mood == WORLD_BOGUS ? 2 : 0);
	if (mood == WORLD_ANSWERS)
		answer_good(w, name, (unsigned)question[n - 11 - 3]);
	if (mood == WORLD_BOGUS)
		dns_opt(&w->answer, 6, 0);
	if (mood == WORLD_RUBBISH)
		w->answer.n--;
	w->pending[at].t = NULL;
	if (mood == WORLD_SILENT || mood == WORLD_REFUSES)
		try_done(t, mood == WORLD_SILENT ? -ETIMEDOUT : -ECONNREFUSED, NULL, 0, false);
	else
		try_done(t, 0, w->answer.bytes, w->answer.n, false);
}

// What is due at the resolvers.
static void serve(struct world *w)
{
	unsigned kept = 0;
	const unsigned n = w->n_pending;

	for (unsigned i = 0; i < n; i++)
		if (w->pending[i].at_us <= w->now)
			serve_one(w, i);
	for (unsigned i = 0; i < w->n_pending; i++)
		if (w->pending[i].t != NULL)
			w->pending[kept++] = w->pending[i];
	w->n_pending = kept;
}

void world_run(struct world *w, uint64_t us)
{
	const uint64_t end = w->now + us;

	for (;;) {
		uint64_t next = discovery_turn(w->d);

		serve(w);
		if (w->n_pending > 0 && next > w->now + 1000)
			next = w->now + 1000;
		// What has just come may have begun something.
		if (w->n_pending == 0 && next > w->now)
			next = discovery_turn(w->d);
		if (w->n_pending > 0 && next > w->now + 1000)
			next = w->now + 1000;
		if (next >= end)
			break;
		__atomic_store_n(&w->now, next > w->now ? next : w->now + 1, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&w->now, end, __ATOMIC_RELAXED);
	discovery_turn(w->d);
}

struct postern_domain world_name(const char *text)
{
	struct postern_domain name;

	if (postern_domain_parse(text, strlen(text), &name) != 0)
		abort();
	return name;
}

void world_follow(struct world *w, const char *domain, const char *proxy_fqdn)
{
	struct postern_allowed a = {.id = 1, .domain = world_name(domain)};

	if (proxy_fqdn != NULL)
		a.proxy_fqdn = world_name(proxy_fqdn);
	if (discovery_follow_allowed(w->d, 1, &a) != 0)
		abort();
}

void world_fabrikam(struct world *w)
{
	world_srv(w, "fabrikam.com", 3600, 10, 0, "sip.fabrikam.com");
	world_address(w, "sip.fabrikam.com", 3600, "192.0.2.5");
	world_address(w, "sip.fabrikam.com", 3600, "2001:db8::5");
}

int world_facts(struct world *w, const char *domain, struct postern_facts_copy *out)
{
	const struct postern_domain name = world_name(domain);

	return postern_policy_get_facts(w->tables, &name, out);
}

uint64_t world_counted(struct world *w, enum discovery_counter c)
{
	struct discovery_stats s;

	discovery_read(w->d, &s);
	return s.counters[c];
}
