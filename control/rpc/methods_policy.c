// SPDX-License-Identifier: BSD-2-Clause
// allowed-domain, blocked-domain, provider and the switches: one by one. Parameters follow the table of
// fields.

#include "control/config/config.h"
#include "control/policy/policy.h"
#include "control/rpc/internal.h"
#include "control/rpc/policy.h"
#include "control/store/store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What the handlers of a noun know of it.
struct noun {
	struct rpc_context *context;
	enum policy_kind kind;
};

struct rpc_policy_call *rpc_policy_call_new(
	struct rpc_call *call, struct rpc_context *context, const json_t *params)
{
	const struct config_organisation *o =
		rpc_find_organisation(call, context, rpc_param_string(params, "organisation"));

	if (!o)
		return NULL;
	struct rpc_policy_call *pc = context->policy ? calloc(1, sizeof(*pc)) : NULL;
	if (!pc) {
		rpc_fail(call, RPC_INTERNAL_ERROR, NULL,
			context->policy ? "out of memory" : "there is no database");
		return NULL;
	}
	pc->call = call;
	pc->context = context;
	snprintf(pc->organisation, sizeof(pc->organisation), "%s", o->name);
	return pc;
}

void rpc_policy_not_asked(struct rpc_policy_call *pc, int status)
{
	if (status == -EAGAIN)
		rpc_fail(pc->call, RPC_BUSY, NULL, "too much waits for the disk; try again");
	else
		rpc_fail(pc->call, RPC_INTERNAL_ERROR, NULL, "%s", strerror(-status));
	free(pc);
}

#define FIRST_MISTAKE (POLICY_WHY + 64)

// The first mistake, with its field unless that is the entry's own name; `otherwise` if there is none.
static const char *first_mistake(
	const struct config_errors *errors, const char *otherwise, char text[static FIRST_MISTAKE])
{
	const struct config_error *e = errors->list.count > 0 ? &errors->list.items[0] : NULL;

	if (!e || !e->field || e->field[0] == '\0' || strcmp(e->field, "domain") == 0 ||
		strcmp(e->field, "name") == 0)
		return e ? e->what : otherwise;
	snprintf(text, FIRST_MISTAKE, "%s: %s", e->field, e->what);
	return text;
}

bool rpc_policy_failed(struct rpc_policy_call *pc, const struct policy_result *r)
{
	const bool changes = pc->call->audit != NULL;
	const char *before = changes ? "nothing was changed: " : "";
	json_t *data = rpc_config_mistakes(pc->file[0] != '\0' ? pc->file : NULL, r->errors);
	char first[FIRST_MISTAKE];

	if (r->status == 0) {
		json_decref(data);
		return false;
	}
	if (r->more_errors > 0)
		rpc_fail(pc->call, RPC_REFUSED, data,
			"nothing was changed: %zu mistakes, of which these are the first",
			r->errors->list.count + r->more_errors);
	else if (r->errors->list.count > 1)
		rpc_fail(pc->call, RPC_REFUSED, data, "%s%zu mistakes", before,
			r->errors->list.count);
	else
		rpc_fail(pc->call, r->status == -ENOENT ? RPC_NOT_FOUND : RPC_REFUSED, data, "%s%s",
			data && pc->file[0] == '\0' ? "" : before,
			pc->file[0] == '\0' ? first_mistake(r->errors, r->why, first) : r->why);
	return true;
}

// Reads what is given of an entry; false after having answered with every mistake.
static bool read_entry(struct rpc_call *call, const json_t *params, struct policy_entry *e)
{
	const struct policy_object *o = policy_object(e->kind);
	struct config_errors errors = {0};
	char first[FIRST_MISTAKE];
	int status = 0;

	for (size_t i = 0; i < o->n && status != -ENOMEM; i++) {
		const json_t *value = json_object_get(params, o->fields[i].name);
		char number[32];
		const char *text = json_string_value(value);

		if (json_is_integer(value)) {
			snprintf(number, sizeof(number), "%lld",
				(long long)json_integer_value(value));
			text = number;
		} else if (json_is_boolean(value)) {
			text = json_is_true(value) ? "true" : "false";
		}
		if (text)
			status =
				policy_entry_read(e, &o->fields[i], text, strlen(text), 0, &errors);
	}
	json_t *data = rpc_config_mistakes(NULL, &errors);
	if (status == -ENOMEM)
		rpc_fail(call, RPC_INTERNAL_ERROR, data, "out of memory");
	else if (data)
		rpc_fail(call, RPC_INVALID_PARAMS, data, "%s",
			first_mistake(&errors, "wrong", first));
	const bool good = status != -ENOMEM && !data;
	config_errors_free(&errors);
	if (!good)
		policy_entry_clear(e);
	return good;
}

static json_t *shown(const struct rpc_policy_call *pc, const struct policy_entry *e)
{
	json_t *object = json_pack("{s:s}", "organisation", pc->organisation);
	json_t *fields = policy_entry_json(e);

	if (!object || !fields || json_object_update(object, fields) != 0) {
		json_decref(object);
		object = NULL;
	}
	json_decref(fields);
	return object;
}

static void changed(void *user, const struct policy_result *r)
{
	struct rpc_policy_call *pc = user;

	if (!rpc_policy_failed(pc, r)) {
		rpc_audit_written(pc->call);
		if (r->entry)
			rpc_reply(pc->call, shown(pc, r->entry));
		else
			rpc_reply(pc->call,
				json_pack("{s:s, s:o, s:o}", "organisation", pc->organisation,
					"removed", rpc_text(r->before->value[0]), "revision",
					rpc_uint(r->revision)));
	}
	free(pc);
}

// Takes the entry.
static void change(struct rpc_policy_call *pc, enum policy_verb verb, struct policy_entry *e,
	const json_t *params)
{
	struct store_audit record;
	const json_t *revision = json_object_get(params, "if-revision");
	const uint64_t expected = revision && json_integer_value(revision) >= 0
					  ? (uint64_t)json_integer_value(revision)
					  : POLICY_ANY_REVISION;

	rpc_audit_record(pc->call, &record);
	const int status = policy_change(
		pc->context->policy, pc->organisation, verb, e, expected, &record, changed, pc);
	if (status != 0)
		rpc_policy_not_asked(pc, status);
}

static bool set_enabled(struct policy_entry *e, const char *enabled)
{
	const struct policy_object *o = policy_object(e->kind);

	for (size_t i = 0; i < o->n; i++) {
		if (strcmp(o->fields[i].name, "enabled") != 0)
			continue;
		e->value[i] = strdup(strcmp(enabled, o->fields[i].standard) == 0 ? "" : enabled);
		return e->value[i] != NULL;
	}
	return true;
}

static void change_entry(struct rpc_call *call, const json_t *params, const struct noun *noun,
	enum policy_verb verb, const char *enabled)
{
	struct policy_entry e = {.kind = noun->kind};
	struct rpc_policy_call *pc = rpc_policy_call_new(call, noun->context, params);

	if (!pc)
		return;
	if (!read_entry(call, params, &e)) {
		free(pc);
		return;
	}
	if (enabled && !set_enabled(&e, enabled)) {
		policy_entry_clear(&e);
		rpc_policy_not_asked(pc, -ENOMEM);
		return;
	}
	change(pc, verb, &e, params);
}

static void entry_add(struct rpc_call *call, const json_t *params, void *user)
{
	change_entry(call, params, user, POLICY_ADD, NULL);
}

static void entry_set(struct rpc_call *call, const json_t *params, void *user)
{
	change_entry(call, params, user, POLICY_SET, NULL);
}

static void entry_remove(struct rpc_call *call, const json_t *params, void *user)
{
	change_entry(call, params, user, POLICY_REMOVE, NULL);
}

static void entry_enable(struct rpc_call *call, const json_t *params, void *user)
{
	change_entry(call, params, user, POLICY_SET, "true");
}

static void entry_disable(struct rpc_call *call, const json_t *params, void *user)
{
	change_entry(call, params, user, POLICY_SET, "false");
}

static void showed(void *user, const struct policy_result *r)
{
	struct rpc_policy_call *pc = user;

	if (r->status == -ENOENT)
		rpc_fail(pc->call, RPC_NOT_FOUND, NULL, "there is none of that name");
	else if (!rpc_policy_failed(pc, r))
		rpc_reply(pc->call, shown(pc, r->entry));
	free(pc);
}

static void entry_show(struct rpc_call *call, const json_t *params, void *user)
{
	const struct noun *noun = user;
	struct policy_entry e = {.kind = noun->kind};
	struct rpc_policy_call *pc = rpc_policy_call_new(call, noun->context, params);

	if (!pc)
		return;
	if (!read_entry(call, params, &e)) {
		free(pc);
		return;
	}
	const int status = policy_show(
		noun->context->policy, pc->organisation, noun->kind, e.value[0], showed, pc);
	policy_entry_clear(&e);
	if (status != 0)
		rpc_policy_not_asked(pc, status);
}

static void listed(void *user, const struct policy_result *r)
{
	struct rpc_policy_call *pc = user;

	if (!rpc_policy_failed(pc, r))
		rpc_reply_list(pc->call, json_incref(r->items), r->next ? rpc_text(r->next) : NULL);
	free(pc);
}

static void entry_list(struct rpc_call *call, const json_t *params, void *user)
{
	const struct noun *noun = user;
	struct policy_query query = {
		.kind = noun->kind,
		.after = rpc_param_string(params, "cursor"),
		.match = rpc_param_string(params, "match"),
		.filter = {.kind = noun->kind},
	};
	int64_t limit = 100;

	if (!rpc_param_integer(call, params, "limit", 1, 1000, &limit))
		return;
	struct rpc_policy_call *pc = rpc_policy_call_new(call, noun->context, params);
	if (!pc)
		return;
	if (!read_entry(call, params, &query.filter)) {
		free(pc);
		return;
	}
	query.organisation = pc->organisation;
	query.limit = (unsigned)limit;
	const int status = policy_list(noun->context->policy, &query, listed, pc);
	if (status != 0)
		rpc_policy_not_asked(pc, status);
}

static void policy_show_switches(struct rpc_call *call, const json_t *params, void *user)
{
	const struct noun *noun = user;
	struct rpc_policy_call *pc = rpc_policy_call_new(call, noun->context, params);

	if (!pc)
		return;
	const int status = policy_show(
		noun->context->policy, pc->organisation, POLICY_SWITCHES, NULL, showed, pc);
	if (status != 0)
		rpc_policy_not_asked(pc, status);
}

static void no_such_switch(struct rpc_call *call, const char *name)
{
	const struct policy_object *o = policy_object(POLICY_SWITCHES);
	const char *nearest = NULL;
	char what[160];

	for (size_t i = 0; i < o->n; i++)
		if (rpc_is_near(name, o->fields[i].name))
			nearest = o->fields[i].name;
	snprintf(what, sizeof(what), "there is no switch \"%.64s\"", name);
	rpc_fail(call, RPC_INVALID_PARAMS,
		rpc_mistake(NULL, "switch", 0, what,
			nearest ? nearest : "one of those that policy show lists"),
		"%s", what);
}

static void policy_set_switch(struct rpc_call *call, const json_t *params, void *user)
{
	const struct noun *noun = user;
	const struct policy_object *o = policy_object(POLICY_SWITCHES);
	const char *name = rpc_param_string(params, "switch");
	const struct policy_field *f = NULL;
	struct policy_entry e = {.kind = POLICY_SWITCHES};

	for (size_t i = 0; i < o->n && !f; i++)
		if (policy_name_equal(o->fields[i].name, name, strlen(name)))
			f = &o->fields[i];
	if (!f) {
		no_such_switch(call, name);
		return;
	}
	struct rpc_policy_call *pc = rpc_policy_call_new(call, noun->context, params);
	if (!pc)
		return;
	json_t *given = json_pack("{s:O}", f->name, json_object_get(params, "value"));
	// Routing and its FQDN make sense together alone.
	const char *route = rpc_param_string(params, "route");
	if (given && route)
		json_object_set_new(given, "DefaultRouteFqdn", json_string(route));
	const bool good = read_entry(call, given, &e);
	json_decref(given);
	if (good)
		change(pc, POLICY_SET, &e, params);
	else
		free(pc);
}

// Parameters of a method, made from the fields.
#define PARAMS_MAX (POLICY_FIELDS_MAX + 8)

static const struct rpc_param of_organisation = {
	"organisation", RPC_STRING, false, false, NULL, "whose; may lack if there is one"};
static const struct rpc_param if_revision = {"if-revision", RPC_INTEGER, false, false, NULL,
	"only if this is its revision still, as show told"};
static const struct rpc_param paging[] = {
	{"match", RPC_STRING, false, true, NULL, "with this text in the name"},
	{"limit", RPC_INTEGER, false, false, NULL, "most items at once, 1 to 1000; default 100"},
	{"cursor", RPC_STRING, false, false, NULL, "goes on from an earlier answer's next"},
};

enum shape {
	KEY,    // the key alone
	FIELDS, // what may be given when it is added, and changed
	FILTER, // what a list is filtered by
};

static struct rpc_param param_of(const struct policy_field *f, bool key)
{
	return (struct rpc_param){
		.name = f->name,
		.type = f->type == POLICY_BOOL     ? RPC_BOOLEAN
			: f->type == POLICY_NUMBER ? RPC_INTEGER
						   : RPC_STRING,
		.required = key,
		.positional = key,
		.choices = f->choices,
		.help = f->help,
	};
}

// Parameters of `kind`, in static memory: methods are registered once in a program's life, and in tests
// again with the same ones.
static const struct rpc_param *params_of(enum policy_kind kind, enum shape shape)
{
	static struct rpc_param all[POLICY_KINDS][3][PARAMS_MAX];
	struct rpc_param *p = all[kind][shape];
	const struct policy_object *o = policy_object(kind);
	size_t n = 0;

	if (shape == FILTER)
		for (size_t i = 0; i < 3; i++)
			p[n++] = paging[i];
	for (size_t i = 0; i < o->n; i++) {
		const struct policy_field *f = &o->fields[i];
		const bool plain = f->type == POLICY_BOOL || f->type == POLICY_CHOICE ||
				   f->type == POLICY_DOMAIN;

		if (i == 0 ? shape != FILTER : shape == FIELDS || (shape == FILTER && plain))
			p[n++] = param_of(f, i == 0);
	}
	p[n++] = of_organisation;
	if (shape != FILTER)
		p[n++] = if_revision;
	p[n] = (struct rpc_param){0};
	return p;
}

static const struct rpc_param show_params[POLICY_KINDS][3] = {
	[POLICY_ALLOWED] = {{"domain", RPC_STRING, true, true, NULL, "the partner's SIP domain"},
		{"organisation", RPC_STRING, false, false, NULL, "whose; may lack if there is one"},
		{0}},
	[POLICY_BLOCKED] = {{"domain", RPC_STRING, true, true, NULL, "the SIP domain"},
		{"organisation", RPC_STRING, false, false, NULL, "whose; may lack if there is one"},
		{0}},
	[POLICY_PROVIDER] = {{"name", RPC_STRING, true, true, NULL, "what it is called"},
		{"organisation", RPC_STRING, false, false, NULL, "whose; may lack if there is one"},
		{0}},
	[POLICY_SWITCHES] = {{"organisation", RPC_STRING, false, true, NULL,
				     "whose; may lack if there is one"},
		{0}},
};

static const struct rpc_param set_switch_params[] = {
	{"switch", RPC_STRING, true, true, NULL, "which; policy show lists them"},
	{"value", RPC_STRING, true, true, NULL, "what it is to be; empty: the default"},
	{"route", RPC_STRING, false, false, NULL,
		"with RoutingMethod UseDefaultRouting: DefaultRouteFqdn; empty: none"},
	{"organisation", RPC_STRING, false, false, NULL, "whose; may lack if there is one"},
	{"if-revision", RPC_INTEGER, false, false, NULL,
		"only if this is the switches' revision still, as show told"},
	{0},
};

static const char *const helps[POLICY_SWITCHES][7] = {
	[POLICY_ALLOWED] = {"the partners that are allowed", "one of them", "allows a partner",
		"changes what is given of one", "takes one off the list", "lets one count again",
		"keeps one on the list without effect"},
	[POLICY_BLOCKED] = {"the domains that are blocked", "one of them", "blocks a domain",
		"changes what is given of one", "takes one off the list", "lets one count again",
		"keeps one on the list without effect"},
	[POLICY_PROVIDER] = {"hosting and public providers", "one of them", "adds a provider",
		"changes what is given of one", "removes one", "lets one count",
		"keeps one without effect"},
};

static const struct {
	const char *verb;
	enum rpc_role role;
	void (*handler)(struct rpc_call *call, const json_t *params, void *user);
} verbs[] = {
	{"list", RPC_VIEW, entry_list},
	{"show", RPC_VIEW, entry_show},
	{"add", RPC_POLICY, entry_add},
	{"set", RPC_POLICY, entry_set},
	{"remove", RPC_POLICY, entry_remove},
	{"enable", RPC_POLICY, entry_enable},
	{"disable", RPC_POLICY, entry_disable},
};

#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

static void add_noun(struct rpc_context *context, struct noun *noun)
{
	static struct rpc_method methods[POLICY_SWITCHES][VERBS];
	static char names[POLICY_SWITCHES][VERBS][40];
	const enum policy_kind kind = noun->kind;

	for (size_t i = 0; i < VERBS; i++) {
		const bool fields = verbs[i].handler == entry_add || verbs[i].handler == entry_set;

		snprintf(names[kind][i], sizeof(names[kind][i]), "%s.%s", policy_object(kind)->noun,
			verbs[i].verb);
		methods[kind][i] = (struct rpc_method){
			.name = names[kind][i],
			.role = verbs[i].role,
			.help = helps[kind][i],
			.params = i == 0   ? params_of(kind, FILTER)
				  : i == 1 ? show_params[kind]
					   : params_of(kind, fields ? FIELDS : KEY),
			.handler = verbs[i].handler,
		};
	}
	rpc_server_add(context->server, methods[kind], VERBS, noun);
}

static const struct rpc_method switch_methods[] = {
	{"policy.show", RPC_VIEW, "the switches", show_params[POLICY_SWITCHES],
		policy_show_switches},
	{"policy.set", RPC_POLICY, "turns a switch", set_switch_params, policy_set_switch},
};

void rpc_methods_policy(struct rpc_context *context)
{
	static struct noun nouns[POLICY_KINDS];

	for (int kind = 0; kind < POLICY_KINDS; kind++)
		nouns[kind] = (struct noun){context, (enum policy_kind)kind};
	for (int kind = 0; kind < POLICY_SWITCHES; kind++)
		add_noun(context, &nouns[kind]);
	rpc_server_add(context->server, switch_methods,
		sizeof(switch_methods) / sizeof(switch_methods[0]), &nouns[POLICY_SWITCHES]);
}
