// SPDX-License-Identifier: BSD-2-Clause
// plan check: what DNS answers and what the certificate files hold, against the plans. The questions are
// asked a few at a time, past every cache of ours.

#include "control/config/config.h"
#include "control/discovery/discovery.h"
#include "control/partner/partner.h"
#include "control/plan/check.h"
#include "control/rpc/plan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

// Questions at once. Of one's own name servers nobody wants a flood.
#define AT_ONCE 16u

#define DNS_PORT 53

struct asked {
	struct check_call *call;
	size_t index; // of the question
	struct discovery_lookup *lookup;
};

struct check_call {
	struct rpc_policy_call *pc;
	struct discovery *own; // of a resolver that was given; NULL: the usual one is asked
	struct discovery *discovery;
	json_t *dns, *questions, *answers, *items;
	size_t next; // question
	unsigned waiting;
	struct event *end; // answers from the loop, not from under the questions
	struct asked asked[AT_ONCE];
	char resolver[96];
};

static void free_check(struct check_call *c)
{
	for (size_t i = 0; i < AT_ONCE; i++)
		if (c->asked[i].lookup)
			discovery_lookup_cancel(c->asked[i].lookup);
	discovery_free(c->own);
	if (c->end)
		event_free(c->end);
	json_decref(c->dns);
	json_decref(c->questions);
	json_decref(c->answers);
	json_decref(c->items);
	free(c->pc);
	free(c);
}

static void reply(struct check_call *c)
{
	json_t *items = c->dns ? plan_check_dns(c->dns, c->questions, c->answers) : json_array();
	json_t *result = NULL;

	if (items && json_array_extend(items, c->items) == 0)
		result = plan_check_end(c->pc->organisation, items, c->dns ? c->resolver : NULL);
	else
		json_decref(items);
	if (result)
		rpc_reply(c->pc->call, result);
	else
		rpc_fail(c->pc->call, RPC_INTERNAL_ERROR, NULL, "out of memory");
	free_check(c);
}

static void ask(struct check_call *c);

static json_t *found(const struct discovery_answer *a)
{
	json_t *list = json_array();
	char text[POSTERN_ADDR_TEXT];

	for (unsigned i = 0; i < a->n_records; i++) {
		const struct discovery_record *r = &a->records[i];

		json_array_append_new(
			list, r->type == DISCOVERY_SRV
				      ? rpc_textf("%u %u %u %s", r->priority, r->weight, r->port,
						r->target.length > 0 ? r->target.text : ".")
				      : json_string(postern_addr_format(&r->address, text)));
	}
	return list;
}

static void keep(struct check_call *c, size_t index, json_t *records, const char *why)
{
	json_array_set_new(
		c->answers, index, json_pack("{s:o, s:s?}", "found", records, "why", why));
}

static void answered(void *user, const struct discovery_answer *a)
{
	struct asked *slot = user;
	struct check_call *c = slot->call;
	const bool good = a->status == 0 && (a->negative || a->rcode == DISCOVERY_NOERROR);

	slot->lookup = NULL;
	keep(c, slot->index, good ? found(a) : json_array(), good ? NULL : a->why);
	c->waiting--;
	ask(c);
}

static int ask_one(struct check_call *c, struct asked *slot)
{
	const json_t *q = json_array_get(c->questions, c->next);
	const char *name = json_string_value(json_object_get(q, "name"));
	const char *type = json_string_value(json_object_get(q, "type"));
	struct postern_domain domain;

	slot->call = c;
	slot->index = c->next++;
	int status = postern_domain_parse(name, strlen(name), &domain);
	if (status == 0)
		status = discovery_lookup(c->discovery, &domain,
			strcmp(type, "SRV") == 0 ? DISCOVERY_SRV
			: strcmp(type, "A") == 0 ? DISCOVERY_A
						 : DISCOVERY_AAAA,
			answered, slot, &slot->lookup);
	if (status == 0)
		c->waiting++;
	else
		keep(c, slot->index, json_array(), strerror(-status));
	return status;
}

static void ask(struct check_call *c)
{
	for (size_t i = 0; c->next < json_array_size(c->questions) && i < AT_ONCE; i++)
		while (!c->asked[i].lookup && c->next < json_array_size(c->questions) &&
			ask_one(c, &c->asked[i]) != 0)
			continue;
	if (c->waiting == 0)
		event_active(c->end, EV_TIMEOUT, 0);
}

static void end_fired(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	reply(arg);
}

static void gone(void *user)
{
	struct check_call *c = user;

	rpc_fail(c->pc->call, RPC_REFUSED, NULL, "nobody waits for it");
	free_check(c);
}

// Who is asked, in words.
static void name_resolvers(struct check_call *c)
{
	const struct discovery_settings *s = discovery_settings(c->discovery);
	char text[POSTERN_ENDPOINT_TEXT];

	snprintf(c->resolver, sizeof(c->resolver), "%s",
		s->n_resolvers > 0 ? postern_endpoint_format(&s->resolvers[0], text)
				   : "nobody (no resolver)");
	if (s->n_resolvers > 1)
		snprintf(c->resolver + strlen(c->resolver), 24, " and %u more", s->n_resolvers - 1);
}

static int use_resolver(struct check_call *c, const struct postern_endpoint *at)
{
	const struct rpc_context *context = c->pc->context;
	struct discovery_settings s;

	c->discovery = context->discovery;
	if (at->port == 0)
		return c->discovery ? 0 : -ENOTCONN;
	discovery_settings_default(&s);
	s.resolvers[0] = *at;
	s.n_resolvers = 1;
	const int status = discovery_new(context->server->base, NULL, &s, &c->own);
	c->discovery = c->own;
	return status;
}

static int prepare_dns(struct check_call *c, const struct plan_question *q,
	const struct postern_endpoint *resolver)
{
	const int status = use_resolver(c, resolver);

	if (status != 0)
		return status;
	name_resolvers(c);
	c->dns = plan_dns(q);
	c->questions = c->dns ? plan_check_questions(c->dns) : NULL;
	c->answers = json_array();
	for (size_t i = 0; i < json_array_size(c->questions); i++)
		json_array_append_new(c->answers, json_null());
	return c->questions && c->answers ? 0 : -ENOMEM;
}

static X509_STORE *trust_towards(
	void *user, const struct config_service *service, const struct config_pool *pool)
{
	const struct rpc_context *context = user;

	if (service)
		return context->partners ? partner_set_trust(context->partners, service->name)
					 : NULL;
	const struct pool *running = pool_set_find(context->pools, pool->name);
	return running ? pool_trust(running) : NULL;
}

static int prepare_certificates(struct check_call *c, const struct plan_question *q)
{
	struct rpc_context *context = c->pc->context;
	json_t *wanted = plan_certificates(q);

	if (!wanted)
		return -ENOMEM;
	if (context->read_files)
		context->read_files(true);
	c->items = plan_check_certificates(
		q, wanted, (int64_t)(rpc_wall_us() / 1000000), trust_towards, context);
	if (context->read_files)
		context->read_files(false);
	json_decref(wanted);
	return c->items ? 0 : -ENOMEM;
}

void rpc_plan_check(struct rpc_policy_call *pc, const struct plan_question *q,
	const struct rpc_plan_check *what)
{
	struct check_call *c = calloc(1, sizeof(*c));

	if (!c) {
		rpc_policy_not_asked(pc, -ENOMEM);
		return;
	}
	c->pc = pc;
	c->end = event_new(pc->context->server->base, -1, 0, end_fired, c);
	int status = c->end ? 0 : -ENOMEM;
	if (status == 0 && what->certificates)
		status = prepare_certificates(c, q);
	if (status == 0 && !what->certificates && !(c->items = json_array()))
		status = -ENOMEM;
	if (status == 0 && what->dns)
		status = prepare_dns(c, q, &what->resolver);
	if (status == 0) {
		rpc_call_on_gone(pc->call, gone, c);
		ask(c);
		return;
	}
	c->pc = NULL;
	free_check(c);
	rpc_policy_not_asked(pc, status);
}

// An address, with a port or without.
static bool read_endpoint(const char *text, struct postern_endpoint *out)
{
	if (postern_endpoint_parse(text, out) == 0)
		return out->port != 0;
	out->port = DNS_PORT;
	return postern_addr_parse(text, &out->addr) == 0;
}

bool rpc_plan_check_read(struct rpc_call *call, const json_t *params, struct rpc_plan_check *out)
{
	const char *what = rpc_param_string(params, "what");
	const char *resolver = rpc_param_string(params, "resolver");

	*out = (struct rpc_plan_check){
		.dns = !what || strcmp(what, "certificates") != 0,
		.certificates = !what || strcmp(what, "dns") != 0,
	};
	if (!resolver || read_endpoint(resolver, &out->resolver))
		return true;
	rpc_fail(call, RPC_INVALID_PARAMS,
		rpc_mistake(NULL, "resolver", 0, "no address",
			"an address such as 192.0.2.53, or with a port, 192.0.2.53:5353"),
		"resolver: %.64s is no address", resolver);
	return false;
}
