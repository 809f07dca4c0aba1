// SPDX-License-Identifier: BSD-2-Clause
// dns: what is known of partners' domains and servers, one question to the resolvers, and forgetting.

#include "control/discovery/discovery.h"
#include "control/rpc/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const state_names[] = {
	[POSTERN_FACTS_UNKNOWN] = "not asked",
	[POSTERN_FACTS_GOOD] = "good",
	[POSTERN_FACTS_NONE] = "no record",
	[POSTERN_FACTS_FAILED] = "failed",
};

static json_t *when(uint64_t wall_us)
{
	return wall_us != 0 ? rpc_time(wall_us) : json_null();
}

static json_t *item_row(const struct discovery_item *i)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:i, s:o, s:b}", "name", i->name.text,
		"kind", i->host ? "host" : "domain", "state", state_names[i->state], "why", i->why,
		"answered", when(i->answered_us), "next",
		i->asking ? json_string("now") : when(i->due_us), "ends", when(i->ends_us),
		"failures", (int)i->failures, "failing-since", when(i->failing_us), "followed",
		i->followed);
}

// ---- list

struct listing {
	json_t *items;
	const char *state;
	const char *kind;
};

static void add_item(void *user, const struct discovery_item *i)
{
	struct listing *l = user;

	if (l->state && strcmp(l->state, state_names[i->state]) != 0)
		return;
	if (l->kind && strcmp(l->kind, i->host ? "host" : "domain") != 0)
		return;
	json_array_append_new(l->items, item_row(i));
}

// Names looked at in one call, so that a filter that finds little does not hold up the loop.
#define LOOKED_AT_MOST 2000

static bool read_domain(
	struct rpc_call *call, const json_t *params, const char *field, struct postern_domain *out)
{
	const char *text = rpc_param_string(params, field), *why = "out of memory";

	if (postern_domain_read(text, strlen(text), out, &why) == 0)
		return true;
	rpc_fail(call, RPC_INVALID_PARAMS,
		rpc_mistake(NULL, field, 0, why, "a name such as contoso.com"), "%s: %s", field,
		why);
	return false;
}

static void list_one(struct rpc_call *call, const json_t *params, struct discovery *d)
{
	struct discovery_item item;
	struct postern_domain name;
	json_t *items;

	if (!read_domain(call, params, "name", &name))
		return;
	items = json_array();
	for (int host = 0; host < 2; host++)
		if (discovery_find(d, &name, host == 1, &item) == 0)
			json_array_append_new(items, item_row(&item));
	rpc_reply_list(call, items, NULL);
}

static void dns_list(struct rpc_call *call, const json_t *params, void *user)
{
	const struct rpc_context *context = user;
	struct listing l = {.state = rpc_param_string(params, "state"),
		.kind = rpc_param_string(params, "kind")};
	int64_t limit = 1000;
	uint64_t from = 0;

	if (rpc_param_string(params, "name")) {
		list_one(call, params, context->discovery);
		return;
	}
	if (!rpc_param_integer(call, params, "limit", 1, 1000, &limit) ||
		!rpc_cursor_parse(call, rpc_param_string(params, "cursor"), &from))
		return;
	uint32_t place = from > UINT32_MAX ? UINT32_MAX : (uint32_t)from;
	unsigned looked = 0;
	bool more = true;

	l.items = json_array();
	while (more && json_array_size(l.items) < (size_t)limit && looked++ < LOOKED_AT_MOST)
		more = discovery_walk(context->discovery, &place, 1, add_item, &l);
	rpc_reply_list(call, l.items, more ? rpc_textf("%llx", (unsigned long long)place) : NULL);
}

// ---- lookup

#define QUESTIONS_MAX 3

struct lookup_call {
	struct rpc_call *call;
	struct discovery_lookup *lookups[QUESTIONS_MAX];
	struct lookup {
		struct lookup_call *owner;
		unsigned index;
		enum discovery_type type;
		struct postern_domain name;
		json_t *rows;
		json_t *shown; // NULL: not answered yet
	} one[QUESTIONS_MAX];
	unsigned n, pending;
};

static const char *type_name(enum discovery_type type)
{
	return type == DISCOVERY_A ? "A" : type == DISCOVERY_AAAA ? "AAAA" : "SRV";
}

static json_t *record_row(const struct postern_domain *name, const struct discovery_record *r)
{
	json_t *row = json_pack("{s:s, s:s, s:o}", "name", name->text, "type", type_name(r->type),
		"ttl-ms", rpc_uint((uint64_t)r->ttl * 1000));

	if (!row)
		return NULL;
	if (r->type == DISCOVERY_SRV) {
		json_object_set_new(row, "priority", json_integer(r->priority));
		json_object_set_new(row, "weight", json_integer(r->weight));
		json_object_set_new(row, "port", json_integer(r->port));
		json_object_set_new(
			row, "value", json_string(r->target.length > 0 ? r->target.text : "."));
	} else {
		json_object_set_new(row, "value", rpc_addr(&r->address));
	}
	return row;
}

static const char *result_name(const struct discovery_answer *a)
{
	if (a->status == -ETIMEDOUT)
		return "no answer";
	if (a->status < 0)
		return "failed";
	if (a->bogus)
		return "bogus";
	if (a->n_records > 0)
		return "found";
	return a->negative ? "no record" : "failed";
}

static void finish(struct lookup_call *l)
{
	json_t *questions = json_array(), *records = json_array();

	for (unsigned i = 0; i < l->n; i++) {
		json_array_extend(records, l->one[i].rows);
		json_decref(l->one[i].rows);
		json_array_append_new(questions, l->one[i].shown);
	}
	rpc_reply(l->call, json_pack("{s:s, s:o, s:o}", "name", l->one[0].name.text, "questions",
				   questions, "records", records));
	free(l);
}

static void answered(void *user, const struct discovery_answer *a)
{
	struct lookup *one = user;
	struct lookup_call *l = one->owner;

	one->rows = json_array();
	for (unsigned i = 0; a->status == 0 && i < a->n_records; i++)
		json_array_append_new(one->rows, record_row(&a->canonical, &a->records[i]));
	one->shown = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:i, s:b, s:b, s:i, s:o}",
		"question", one->name.text, "type", type_name(one->type), "result", result_name(a),
		"why", a->why, "resolver",
		a->resolver.port != 0 ? rpc_endpoint(&a->resolver) : json_null(), "took-ms",
		rpc_uint(a->took_us / 1000), "tries", (int)a->tries, "validated", a->authenticated,
		"tcp", a->over_tcp, "left-out", (int)a->skipped, "ttl-ms",
		a->status == 0 ? rpc_uint((uint64_t)a->ttl * 1000) : json_null());
	l->lookups[one->index] = NULL;
	if (--l->pending == 0)
		finish(l);
}

static void lookup_free(struct lookup_call *l)
{
	for (unsigned i = 0; i < l->n; i++) {
		discovery_lookup_cancel(l->lookups[i]);
		json_decref(l->one[i].rows);
		json_decref(l->one[i].shown);
	}
	free(l);
}

static void asker_gone(void *user)
{
	struct lookup_call *l = user;
	struct rpc_call *call = l->call;

	lookup_free(l);
	rpc_fail(call, RPC_INTERNAL_ERROR, NULL, "the client has gone");
}

static void add_question(
	struct lookup_call *l, const struct postern_domain *name, enum discovery_type type)
{
	struct lookup *one = &l->one[l->n];

	*one = (struct lookup){.owner = l, .index = l->n, .type = type, .name = *name};
	l->n++;
}

// Which questions a type stands for; "all" is what discovery itself asks of a domain, and of a host.
static int choose(struct lookup_call *l, const struct postern_domain *name, const char *type)
{
	struct postern_domain service;

	if (!type || strcmp(type, "srv") == 0) {
		// A whole service name is asked for as it stands.
		if (name->text[0] == '_')
			service = *name;
		else if (discovery_service_name(name, &service) != 0)
			return -ENAMETOOLONG;
		add_question(l, &service, DISCOVERY_SRV);
	}
	if (!type || strcmp(type, "a") == 0)
		add_question(l, name, DISCOVERY_A);
	if (!type || strcmp(type, "aaaa") == 0)
		add_question(l, name, DISCOVERY_AAAA);
	return 0;
}

static void dns_lookup(struct rpc_call *call, const json_t *params, void *user)
{
	const struct rpc_context *context = user;
	struct lookup_call *l;
	struct postern_domain name;
	int rc;

	if (!read_domain(call, params, "name", &name))
		return;
	l = calloc(1, sizeof(*l));
	rc = l ? choose(l, &name, rpc_param_string(params, "type")) : -ENOMEM;
	for (unsigned i = 0; rc == 0 && i < l->n; i++) {
		rc = discovery_lookup(context->discovery, &l->one[i].name, l->one[i].type, answered,
			&l->one[i], &l->lookups[i]);
		l->pending += rc == 0;
	}
	if (rc != 0) {
		if (l)
			lookup_free(l);
		rpc_fail(call, RPC_REFUSED, NULL, "%s",
			rc == -EAGAIN         ? "too many questions wait; try again in a moment"
			: rc == -ENAMETOOLONG ? "the name is too long for a service to be there"
					      : "out of memory");
		return;
	}
	l->call = call;
	rpc_call_on_gone(call, asker_gone, l);
}

// ---- flush

static void dns_flush(struct rpc_call *call, const json_t *params, void *user)
{
	const struct rpc_context *context = user;
	const char *text = rpc_param_string(params, "name");
	struct postern_domain name;

	if (text && !read_domain(call, params, "name", &name))
		return;
	const size_t n = discovery_flush(context->discovery, text ? &name : NULL);

	if (text && n == 0) {
		rpc_fail_not_found(call, "name", text, "a name that posternctl dns list shows");
		return;
	}
	rpc_reply(call, json_pack("{s:o}", "asked-again", rpc_uint(n)));
}

// ---- what is asked of

static json_t *resolver_row(const struct discovery_resolver_stats *r)
{
	return json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "resolver", rpc_endpoint(&r->at),
		"state",
		r->resting          ? "silent"
		: r->failed_row > 0 ? "doubtful"
		: r->answers > 0    ? "answers"
				    : "not asked",
		"failing-since", when(r->failing_us), "questions", rpc_uint(r->questions),
		"answers", rpc_uint(r->answers), "unanswered", rpc_uint(r->timeouts), "average-us",
		rpc_uint(r->average_us));
}

static void dns_show(struct rpc_call *call, const json_t *params, void *user)
{
	const struct rpc_context *context = user;
	struct discovery_stats s;
	json_t *resolvers = json_array(), *counters = json_object();

	(void)params;
	discovery_read(context->discovery, &s);
	for (unsigned i = 0; i < s.n_resolvers; i++)
		json_array_append_new(resolvers, resolver_row(&s.resolvers[i]));
	for (int i = 0; i < DISCOVERY_COUNTER_COUNT; i++)
		json_object_set_new(counters, discovery_counter_name((enum discovery_counter)i),
			rpc_uint(s.counters[i]));
	rpc_reply(call,
		json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:o, s:o, s:o, s:o}", "domains",
			(int)s.domains, "discovered", (int)s.discovered, "hosts", (int)s.hosts,
			"failing", (int)s.failing, "under-way", (int)s.outstanding, "waiting",
			(int)s.waiting, "late-ms", rpc_uint(s.late_us / 1000), "memory-bytes",
			rpc_uint(s.memory), "resolvers", resolvers, "counters", counters));
}

static const char *const states[] = {"not asked", "good", "no record", "failed", NULL};
static const char *const kinds[] = {"domain", "host", NULL};
static const char *const types[] = {"srv", "a", "aaaa", NULL};

static const struct rpc_param list_params[] = {
	{"name", RPC_STRING, false, true, NULL, "this name alone"},
	{"state", RPC_STRING, false, false, states, "names of this state only"},
	{"kind", RPC_STRING, false, false, kinds, "SIP domains, or servers by name, only"},
	{"limit", RPC_INTEGER, false, false, NULL, "most items at once, 1 to 1000; default 1000"},
	{"cursor", RPC_STRING, false, false, NULL, "goes on from an earlier answer's next"},
	{0},
};

static const struct rpc_param lookup_params[] = {
	{"name", RPC_STRING, true, true, NULL, "a SIP domain, or a server"},
	{"type", RPC_STRING, false, true, types,
		"one type only; srv is that of the domain's federation service"},
	{0},
};

static const struct rpc_param flush_params[] = {
	{"name", RPC_STRING, false, true, NULL, "this name alone; default all"},
	{0},
};

static const struct rpc_method methods[] = {
	{"dns.show", RPC_VIEW, "resolvers, how they answer, and what has been asked", NULL,
		dns_show},
	{"dns.list", RPC_VIEW, "what is known of partners' domains and servers, until when",
		list_params, dns_list},
	{"dns.lookup", RPC_VIEW, "asks the resolvers now: SRV of the domain, A and AAAA",
		lookup_params, dns_lookup},
	{"dns.flush", RPC_OPERATE,
		"asks again for what is followed, and forgets the rest; what is known stays in "
		"force until there is an answer",
		flush_params, dns_flush},
};

void rpc_methods_dns(struct rpc_context *context)
{
	rpc_server_add(context->server, methods, sizeof(methods) / sizeof(methods[0]), context);
}
