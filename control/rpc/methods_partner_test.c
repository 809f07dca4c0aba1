// SPDX-License-Identifier: BSD-2-Clause
// partner test: the way to a partner, step by step, from here. What DNS says is asked for first and told to
// the tables, so that the decision speaks of now; then the test goes where it leads.

#include "control/config/config.h"
#include "control/discovery/discovery.h"
#include "control/partner/partner.h"
#include "control/plan/plan.h"
#include "control/rpc/partner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct test_call {
	struct rpc_partner_call *p;
	struct discovery_wait *wait;
	struct partner_test *test;
	json_t *entry; // of the decision; NULL: none
	bool gone;     // whoever asked
};

static void free_call(struct test_call *t)
{
	if (t->wait)
		discovery_wait_cancel(t->wait);
	partner_test_free(t->test);
	json_decref(t->entry);
	free(t->p->pc);
	free(t->p);
	free(t);
}

static void fail(struct test_call *t, int status)
{
	struct rpc_call *call = t->p->pc->call;

	if (status == -EBUSY)
		rpc_fail(call, RPC_BUSY, NULL,
			"%u tests are under way, which is as many as may be; try again in some "
			"seconds",
			PARTNER_TESTS_MAX);
	else
		rpc_fail(
			call, RPC_REFUSED, NULL, "the test could not begin: %s", strerror(-status));
	free_call(t);
}

static void tested(void *user)
{
	struct test_call *t = user;
	json_t *result = json_pack("{s:s, s:s, s:o, s:O?}", "domain", t->p->domain.text,
		"organisation", t->p->pc->organisation, "decision", rpc_partner_decision(t->p),
		"entry", t->entry);

	if (result && partner_report_write(partner_test_report(t->test), result) != 0) {
		json_decref(result);
		result = NULL;
	}
	rpc_reply(t->p->pc->call, result);
	free_call(t);
}

static unsigned read_names(const json_t *list, struct postern_domain *out)
{
	unsigned n = 0;
	size_t i;
	json_t *name;

	json_array_foreach((json_t *)(uintptr_t)list, i, name)
	{
		const char *text = json_string_value(name);

		if (text && n < POSTERN_FURTHER_NAMES_MAX &&
			postern_domain_parse(text, strlen(text), &out[n]) == 0)
			n++;
	}
	return n;
}

// A reload may have taken the organisation away meanwhile.
static int begin_test(struct test_call *t)
{
	const struct rpc_context *context = t->p->pc->context;
	const struct config *config = context->config(context->daemon);
	const struct config_organisation *o =
		config_organisation_find(config, t->p->pc->organisation);
	const struct postern_answer *a = &t->p->answer;
	struct postern_domain names[POSTERN_FURTHER_NAMES_MAX];
	char own[PLAN_EDGE_NAME];

	if (!o)
		return -ENOENT;
	const struct config_service *edge = plan_edge(config, o, own);
	struct partner_test_question q = {
		.domain = t->p->domain,
		.any_target = json_is_true(json_object_get(t->entry, "trust-srv")),
		.names = names,
		.n_names = read_names(json_object_get(t->entry, "further-names"), names),
		.tls = a->tls,
		.service = edge ? edge->name : NULL,
		.own = own,
		.from = o->domains.count > 0 ? o->domains.items[0] : "",
	};
	if (a->row == POSTERN_ROW_ALLOWED_DIRECT || a->row == POSTERN_ROW_DEFAULT_ROUTE)
		q.server = a->peer;
	else
		q.provider = a->peer;
	return partner_test_new(context->partners, &q, tested, t, &t->test);
}

static void entry_shown(struct rpc_partner_call *p, json_t *entry)
{
	struct test_call *t = p->user;

	t->entry = entry;
	const int status = t->gone ? -ECANCELED : begin_test(t);
	if (status != 0)
		fail(t, status);
}

static void decide(struct test_call *t)
{
	if (rpc_partner_decide(t->p, NULL))
		rpc_partner_show_entry(t->p);
	else
		free_call(t);
}

static void found(void *user, const struct discovery_told *told)
{
	struct test_call *t = user;

	(void)told;
	t->wait = NULL;
	decide(t);
}

// What waits for the policy ends when that has answered.
static void gone(void *user)
{
	struct test_call *t = user;

	t->gone = true;
	if (t->wait || t->test)
		fail(t, -ECANCELED);
}

static void partner_test(struct rpc_call *call, const json_t *params, void *user)
{
	struct rpc_context *context = user;
	struct rpc_partner_call *p = rpc_partner_call_new(call, params, context);
	struct test_call *t = p ? calloc(1, sizeof(*t)) : NULL;

	if (!t) {
		if (p)
			rpc_policy_not_asked(p->pc, -ENOMEM);
		free(p);
		return;
	}
	t->p = p;
	p->shown = entry_shown;
	p->user = t;
	p->direction = POSTERN_INBOUND;
	if (!context->partners || !context->discovery) {
		fail(t, -ENOTSUP);
		return;
	}
	rpc_call_on_gone(call, gone, t);
	// Entries that name a server need no more of DNS than the test asks itself.
	if (discovery_wanted(context->discovery, &p->domain, true, found, t, &t->wait) != 0)
		decide(t);
}

static const struct rpc_param test_params[] = {
	{"domain", RPC_STRING, true, true, NULL, "the partner's SIP domain"},
	{"organisation", RPC_STRING, false, true, NULL, "whose; may lack if there is one"},
	{0},
};

static const struct rpc_method methods[] = {
	{"partner.test", RPC_VIEW,
		"the way to a partner from here: DNS, TCP, TLS, certificate, SIP; exit code 1 if "
		"it "
		"does not work",
		test_params, partner_test},
};

void rpc_methods_partner_test(struct rpc_context *context)
{
	rpc_server_add(context->server, methods, sizeof(methods) / sizeof(methods[0]), context);
}
