// SPDX-License-Identifier: BSD-2-Clause
// What contradicts itself: refused when it is entered, with the reason.

#include "control/policy/private.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int policy_mistake(struct policy_mistakes *m, int line, const char *field, const char *expected,
	const char *format, ...)
{
	char what[512];
	va_list args;

	if (m->list.list.count >= POLICY_MISTAKES_MAX) {
		m->more++;
		return -EINVAL;
	}
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	const int status = config_errors_add(&m->list, line, field, expected, "%s", what);
	return status != 0 ? status : -EINVAL;
}

void policy_mistakes_clear(struct policy_mistakes *m)
{
	config_errors_free(&m->list);
	*m = (struct policy_mistakes){0};
}

struct check {
	struct policy_db *db;
	const struct policy_own *own;
	const char *organisation;
	const struct policy_entry *e;
	const struct policy_entry *before;
	int line;
	struct policy_mistakes *m;
	int status;
};

#define WRONG(c, field, expected, ...)                                                             \
	((c)->status = policy_mistake((c)->m, (c)->line, field, expected, __VA_ARGS__))

static void check_required(struct check *c)
{
	const struct policy_object *o = policy_object(c->e->kind);
	char expected[512];

	for (size_t i = 0; i < o->n; i++)
		if ((o->fields[i].flags & POLICY_REQUIRED) && !policy_entry_get(c->e, i))
			WRONG(c, o->fields[i].name,
				policy_value_expect(&o->fields[i], expected, sizeof(expected)),
				"it is missing");
}

static void check_fixed(struct check *c)
{
	const struct policy_object *o = policy_object(c->e->kind);

	for (size_t i = 0; c->before && i < o->n; i++) {
		const char *was = policy_entry_get(c->before, i);
		const char *is = policy_entry_get(c->e, i);

		if ((o->fields[i].flags & POLICY_FIXED) && was && is && strcmp(was, is) != 0)
			WRONG(c, o->fields[i].name, "another entry: remove this one, then add that",
				"it is %s and is never changed", was);
	}
}

// A domain is on one of the two lists.
static void check_other_list(struct check *c)
{
	const enum policy_kind other =
		c->e->kind == POLICY_ALLOWED ? POLICY_BLOCKED : POLICY_ALLOWED;
	struct policy_entry found;
	int status;

	if (!c->e->value[0])
		return;
	status = policy_db_find(c->db, c->organisation, other, c->e->value[0], &found);
	policy_entry_clear(&found);
	if (status == 0)
		WRONG(c, "domain",
			other == POLICY_BLOCKED ? "blocked-domain remove, before"
						: "allowed-domain remove, before",
			"%s is %s already; a domain is never both", c->e->value[0],
			other == POLICY_BLOCKED ? "blocked" : "allowed");
	else if (status != -ENOENT)
		c->status = status;
}

static void check_own(struct check *c)
{
	const char *owner = c->e->value[0] ? policy_own_find(c->own, c->e->value[0]) : NULL;

	if (owner && strcmp(owner, c->organisation) == 0)
		WRONG(c, "domain", "a partner's domain", "%s is one of our own domains",
			c->e->value[0]);
}

static void check_allowed(struct check *c)
{
	check_own(c);
	check_other_list(c);
	if (policy_entry_named(c->e, "proxy-fqdn") && policy_entry_is_on(c->e, "trust-srv"))
		WRONG(c, "trust-srv", "one of the two",
			"with proxy-fqdn no SRV record is asked for, so there is none to trust");
}

static void check_blocked(struct check *c)
{
	check_own(c);
	check_other_list(c);
}

static void check_provider(struct check *c)
{
	static const char *const hosting[] = {
		"shared-address-space", "hosts-ocs-users", "is-local"};
	const char *kind = policy_entry_named(c->e, "kind");
	const char *fqdn = policy_entry_named(c->e, "proxy-fqdn");
	char name[256];

	for (size_t i = 0; kind && strcmp(kind, "public") == 0 && i < 3; i++)
		if (policy_entry_is_on(c->e, hosting[i]))
			WRONG(c, hosting[i], "a provider of the kind hosting",
				"a public provider has no such thing");
	if (!fqdn)
		return;
	const int status = policy_db_proxy(c->db, c->organisation, fqdn, name, sizeof(name));
	if (status == 0 && c->e->value[0] && strcmp(name, c->e->value[0]) != 0)
		WRONG(c, "proxy-fqdn", "an FQDN of its own for each provider",
			"%s is the provider %s's already", fqdn, name);
	else if (status != 0 && status != -ENOENT)
		c->status = status;
}

static void check_switches(struct check *c)
{
	const char *routing = policy_entry_named(c->e, "RoutingMethod");
	const char *fqdn = policy_entry_named(c->e, "DefaultRouteFqdn");
	const bool by_default = routing && strcmp(routing, "UseDefaultRouting") == 0;

	if (by_default && !fqdn)
		WRONG(c, "DefaultRouteFqdn", "the FQDN that all goes to",
			"UseDefaultRouting needs it");
	if (!by_default && fqdn)
		WRONG(c, "RoutingMethod", "UseDefaultRouting, or no DefaultRouteFqdn",
			"with UseDnsSrvRouting no DefaultRouteFqdn is used");
	if (by_default && policy_entry_is_on(c->e, "EnablePartnerDiscovery"))
		WRONG(c, "EnablePartnerDiscovery", "one of the two",
			"with UseDefaultRouting nobody is discovered");
}

int policy_check_entry(struct policy_db *d, const struct policy_own *own, const char *organisation,
	const struct policy_entry *e, const struct policy_entry *before, int line,
	struct policy_mistakes *m)
{
	struct check c = {d, own, organisation, e, before, line, m, 0};

	check_required(&c);
	check_fixed(&c);
	switch (e->kind) {
	case POLICY_ALLOWED:
		check_allowed(&c);
		break;
	case POLICY_BLOCKED:
		check_blocked(&c);
		break;
	case POLICY_PROVIDER:
		check_provider(&c);
		break;
	case POLICY_SWITCHES:
		check_switches(&c);
		break;
	case POLICY_KINDS:
		break;
	}
	return c.status;
}

struct providers {
	size_t n, enabled;
	char name[160]; // one that is enabled
};

static int count_provider(void *user, struct policy_entry *e)
{
	struct providers *p = user;

	p->n++;
	if (policy_entry_is_on(e, "enabled")) {
		p->enabled++;
		snprintf(p->name, sizeof(p->name), "%s", e->value[0]);
	}
	return 0;
}

int policy_check_whole(struct policy_db *d, const char *organisation, struct policy_mistakes *m)
{
	const struct policy_walk all = {.organisation = organisation, .kind = POLICY_PROVIDER};
	struct providers p = {0};
	struct policy_entry switches;
	int status = policy_db_walk(d, &all, count_provider, &p);

	if (status != 0)
		return status;
	if (p.n > POLICY_PROVIDERS_MAX)
		return policy_mistake(m, 0, "provider", "fewer of them",
			"there are more than %u providers", POLICY_PROVIDERS_MAX);
	status = policy_db_find(d, organisation, POLICY_SWITCHES, NULL, &switches);
	if (status == -ENOENT)
		return 0;
	if (status != 0)
		return status;
	const char *routing = policy_entry_named(&switches, "RoutingMethod");
	if (p.enabled > 0 && strcmp(routing, "UseDefaultRouting") == 0)
		status = policy_mistake(m, 0, "RoutingMethod",
			"no provider enabled, or UseDnsSrvRouting",
			"with UseDefaultRouting there are no providers, and %s is enabled", p.name);
	policy_entry_clear(&switches);
	return status;
}
