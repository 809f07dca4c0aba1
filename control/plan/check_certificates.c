// SPDX-License-Identifier: BSD-2-Clause
// Holding certificate files against what is wanted of them.

#include "control/plan/check.h"
#include "control/plan/private.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define DAY         86400
#define RENEW_DAYS  30
#define FILES_MAX   16 // that are read for one answer, each in about a millisecond
#define CERTIFICATE "certificate"

// Takes `wanted`, `found` and `fix`, of which the last may be NULL.
static int add(json_t *items, const char *file, const char *aspect, const char *state,
	json_t *wanted, json_t *found, json_t *fix)
{
	return json_array_append_new(
		items, json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o}", "what", CERTIFICATE, "name",
			       file, "aspect", aspect, "state", state, "wanted", wanted, "found",
			       found, "fix", fix ? fix : json_null()));
}

static bool holds(const json_t *list, const char *text)
{
	size_t i;
	json_t *item;

	json_array_foreach((json_t *)(uintptr_t)list, i, item)
	{
		if (strcasecmp(json_string_value(item), text) == 0)
			return true;
	}
	return false;
}

// The items of a list that another lacks, or has, with commas between.
static json_t *listed(const json_t *list, const json_t *other, bool lacks, size_t *n)
{
	char *text = NULL;
	size_t size = 0, i, count = 0;
	json_t *item;
	FILE *to = open_memstream(&text, &size);

	if (!to)
		return NULL;
	json_array_foreach((json_t *)(uintptr_t)list, i, item)
	{
		if (other && holds(other, json_string_value(item)) == lacks)
			continue;
		fprintf(to, "%s%s", count > 0 ? ", " : "", json_string_value(item));
		count++;
	}
	json_t *value = fclose(to) == 0 ? json_string(count > 0 ? text : "none") : NULL;
	free(text);
	if (n)
		*n = count;
	return value;
}

static void date(json_int_t seconds, char text[static 24])
{
	const time_t at = (time_t)seconds;
	struct tm tm;

	gmtime_r(&at, &tm);
	strftime(text, 24, "%Y-%m-%d", &tm);
}

static int check_dates(json_t *items, const json_t *facts, int64_t now)
{
	const json_int_t begins = json_integer_value(json_object_get(facts, "begins"));
	const json_int_t ends = json_integer_value(json_object_get(facts, "ends"));
	const char *state = now < begins || now >= ends ? "different" : "right";
	char from[24], to[24];
	json_t *fix = NULL;

	date(begins, from);
	date(ends, to);
	if (now >= ends)
		fix = json_string("renew it: it has expired");
	else if (now < begins)
		fix = json_string("wait for that day, or look at the clock here");
	else if (ends - now < RENEW_DAYS * DAY)
		fix = plan_textf("renew it: it ends in %d days", (int)((ends - now) / DAY));
	return add(items, plan_string(facts, "file"), "dates", state, json_string("valid today"),
		plan_textf("from %s to %s", from, to), fix);
}

static int check_key(json_t *items, const json_t *facts)
{
	const char *problem = plan_string(facts, "key");

	return add(items, plan_string(facts, "file"), "key", problem ? "different" : "right",
		json_string("the key that the certificate was made for"),
		json_string(problem ? problem : "fits"),
		problem ? json_string("name the right key file, in PEM and without a password")
			: NULL);
}

static int check_chain(json_t *items, const json_t *facts)
{
	const char *problem = plan_string(facts, "chain"), *issuer = plan_string(facts, "issuer");
	const int sent = (int)json_integer_value(json_object_get(facts, "sent"));

	if (!problem)
		return add(items, plan_string(facts, "file"), "chain", "right",
			json_string("whole"),
			plan_textf("whole, %d sent; issued by %s", sent, issuer), NULL);
	return add(items, plan_string(facts, "file"), "chain", "missing",
		json_string(
			"whole: the certificate and those between it and a root that is trusted"),
		plan_textf("%s; issued by %s, %d sent", problem, issuer, sent),
		plan_textf("add to the file what is between it and its root, beginning with %s; if "
			   "%s is a root itself, put that under trust",
			issuer, issuer));
}

static int check_names(json_t *items, const json_t *facts, const json_t *names)
{
	const json_t *found = json_object_get(facts, "names");
	size_t n;
	json_t *lacks = listed(names, found, true, &n);
	json_t *fix = n > 0 ? plan_textf("have it issued with %s as well", json_string_value(lacks))
			    : NULL;
	const char *state = n == 0 ? "right" : n < json_array_size(names) ? "missing" : "different";

	json_decref(lacks);
	// Further names are usual, and in nobody's way.
	return add(items, plan_string(facts, "file"), "names", state,
		listed(names, NULL, true, NULL), listed(found, NULL, true, NULL), fix);
}

static int check_purposes(json_t *items, const json_t *facts, const json_t *purposes)
{
	const json_t *found = json_object_get(facts, "purposes");
	size_t n;
	json_t *lacks = listed(purposes, found, true, &n);
	json_t *fix =
		n > 0 ? plan_textf("have it issued with %s, or have those who meet it accept it "
				   "without",
				json_string_value(lacks))
		      : NULL;

	json_decref(lacks);
	return add(items, plan_string(facts, "file"), "purposes", n == 0 ? "right" : "missing",
		listed(purposes, NULL, true, NULL), listed(found, NULL, true, NULL), fix);
}

json_t *plan_check_file(
	const json_t *facts, const json_t *names, const json_t *purposes, int64_t now)
{
	json_t *items = json_array();
	const char *error = plan_string(facts, "error");
	int failed = items ? 0 : -1;

	if (error)
		failed |= add(items, plan_string(facts, "file"), "file", "missing",
			json_string("a certificate in PEM"), json_string(error),
			json_string("put the certificate there"));
	if (!error) {
		failed |= check_dates(items, facts, now);
		failed |= check_key(items, facts);
		failed |= check_chain(items, facts);
	}
	if (!error && json_array_size(names) > 0)
		failed |= check_names(items, facts, names);
	if (!error && json_array_size(purposes) > 0)
		failed |= check_purposes(items, facts, purposes);
	if (!failed)
		return items;
	json_decref(items);
	return NULL;
}

// ---- The files of a configuration

struct files {
	const struct plan_question *q;
	const json_t *certificates; // what is wanted
	int64_t now;
	plan_trust trust;
	void *user;
	json_t *items;
	json_t *seen; // certificate files, by path and use
	json_t *met;  // uses for which there is a file
	unsigned n;
	bool failed;
};

static const json_t *wanted_for(const struct files *f, const char *use)
{
	size_t i;
	json_t *c;

	json_array_foreach(json_object_get(f->certificates, "certificates"), i, c)
	{
		if (strcmp(plan_string(c, "use"), use) == 0)
			return c;
	}
	return NULL;
}

static void check_one(struct files *f, const struct config_tls *tls, X509_STORE *trust,
	const json_t *names, const json_t *purposes)
{
	if (!tls->certificate || json_object_get(f->seen, tls->certificate))
		return;
	if (json_object_set_new(f->seen, tls->certificate, json_true()) != 0)
		f->failed = true;
	if (++f->n > FILES_MAX) {
		f->failed |= add(f->items, tls->certificate, "file", "unknown",
				     json_string("as plan certificates says"),
				     plan_textf("not looked at: %u files are, at most", FILES_MAX),
				     NULL) != 0;
		return;
	}
	json_t *facts = plan_file_read(tls->certificate, tls->key, trust);
	json_t *items = facts ? plan_check_file(facts, names, purposes, f->now) : NULL;

	if (!items || json_array_extend(f->items, items) != 0)
		f->failed = true;
	json_decref(items);
	json_decref(facts);
}

// The use that a service's certificate has in the plan.
static const char *use_of(const struct plan_question *q, const struct config_service *s)
{
	switch (plan_role(s)) {
	case CONFIG_PROFILE_ACCESS_EDGE:
		return "access edge, outside";
	case CONFIG_PROFILE_XMPP:
		return q->place == PLAN_PLACE_A ? "access edge, outside" : "XMPP, outside";
	case CONFIG_PROFILE_WEB_CONFERENCING:
		return "web conferencing, outside";
	default:
		return NULL;
	}
}

static void check_service(struct files *f, const struct config_service *s)
{
	const char *use = use_of(f->q, s);
	const json_t *wanted = use ? wanted_for(f, use) : NULL;
	json_t *own = s->fqdn ? json_pack("[s]", s->fqdn) : json_array();
	json_t *server = json_pack("[s]", "serverAuth");

	if (s->tls.certificate && use)
		json_object_set_new(f->met, use, json_true());
	check_one(f, &s->tls, f->trust(f->user, s, NULL),
		wanted ? json_object_get(wanted, "names") : own,
		wanted ? json_object_get(wanted, "key-usage") : server);
	json_decref(own);
	json_decref(server);
}

static void check_pools(struct files *f)
{
	json_t *client = json_pack("[s]", "clientAuth");

	for (size_t i = 0; i < f->q->config->pools.count; i++) {
		const struct config_pool *pool = &f->q->config->pools.items[i];

		if (plan_serves_pool(f->q, pool))
			check_one(f, &pool->tls, f->trust(f->user, NULL, pool), NULL, client);
	}
	json_decref(client);
}

// What the plan wants and no file here is for: the members hold it.
static void add_elsewhere(struct files *f)
{
	size_t i;
	json_t *c;

	json_array_foreach(json_object_get(f->certificates, "certificates"), i, c)
	{
		const char *use = plan_string(c, "use");

		if (plan_string(c, "file") || json_object_get(f->met, use))
			continue;
		json_t *holders = listed(json_object_get(c, "holders"), NULL, true, NULL);
		if (add(f->items, use, "file", "elsewhere",
			    json_string("as plan certificates says"),
			    plan_textf("held by %s", json_string_value(holders)), NULL) != 0)
			f->failed = true;
		json_decref(holders);
	}
}

json_t *plan_check_certificates(const struct plan_question *q, const json_t *certificates,
	int64_t now, plan_trust trust, void *user)
{
	struct files f = {.q = q,
		.certificates = certificates,
		.now = now,
		.trust = trust,
		.user = user,
		.items = json_array(),
		.seen = json_object(),
		.met = json_object()};
	const struct config_service *s;

	for (size_t at = 0; (s = plan_next(q, PLAN_ANY_ROLE, &at));)
		check_service(&f, s);
	check_pools(&f);
	add_elsewhere(&f);
	json_decref(f.seen);
	json_decref(f.met);
	if (!f.failed && f.items)
		return f.items;
	json_decref(f.items);
	return NULL;
}
