// SPDX-License-Identifier: BSD-2-Clause
// From what is kept to the dataplane's tables.

#include "control/policy/private.h"

#include "postern/log.h"
#include "postern/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

LOG_SUBSYSTEM("policy");

static void domain_of(const char *text, struct postern_domain *out)
{
	*out = (struct postern_domain){0};
	// As it is kept it is right.
	if (text && postern_domain_parse(text, strlen(text), out) != 0)
		*out = (struct postern_domain){0};
}

static enum postern_verification verification(const char *text)
{
	if (text && strcmp(text, "AlwaysVerifiable") == 0)
		return POSTERN_VERIFY_ALWAYS_VERIFIABLE;
	if (text && strcmp(text, "AlwaysUnverifiable") == 0)
		return POSTERN_VERIFY_ALWAYS_UNVERIFIABLE;
	return POSTERN_VERIFY_USE_SOURCE;
}

// The place of a value among the choices of its field.
static uint8_t place(const struct policy_entry *e, const char *field)
{
	const struct policy_field *f =
		policy_field_find(policy_object(e->kind), field, strlen(field));
	const char *value = policy_entry_named(e, field);

	for (uint8_t i = 0; value && f->choices[i]; i++)
		if (strcmp(f->choices[i], value) == 0)
			return i;
	return 0;
}

static uint32_t number(const struct policy_entry *e, const char *field)
{
	const char *value = policy_entry_named(e, field);

	return value ? (uint32_t)strtoul(value, NULL, 10) : 0;
}

// The elements of a list that is kept with commas between.
static unsigned names_of(const char *text, struct postern_domain *out)
{
	unsigned n = 0;

	while (text && *text != '\0' && n < POSTERN_FURTHER_NAMES_MAX) {
		const size_t length = strcspn(text, ",");

		n += postern_domain_parse(text, length, &out[n]) == 0;
		text += length + (text[length] == ',');
	}
	return n;
}

static unsigned prefixes_of(const char *text, struct postern_prefix *out)
{
	unsigned n = 0;

	while (text && *text != '\0' && n < POSTERN_PREFIXES_MAX) {
		const size_t length = strcspn(text, ",");
		char one[POSTERN_PREFIX_TEXT] = "";

		if (length < sizeof(one)) {
			memcpy(one, text, length);
			n += postern_prefix_parse(one, &out[n]) == 0;
		}
		text += length + (text[length] == ',');
	}
	return n;
}

static int set_allowed(const struct policy *p, uint16_t organisation, const struct policy_entry *e)
{
	static const uint8_t versions[] = {0, 10, 12, 13};
	struct postern_domain names[POSTERN_FURTHER_NAMES_MAX];
	struct postern_prefix prefixes[POSTERN_PREFIXES_MAX];
	struct postern_allowed a = {
		.id = e->id,
		.suffix = policy_entry_is_on(e, "suffix"),
		.trust_srv = policy_entry_is_on(e, "trust-srv"),
		.monitored = policy_entry_is_on(e, "mark-for-monitoring"),
		.verification = verification(policy_entry_named(e, "verification-level")),
		.admission = (enum postern_admission)place(e, "admission"),
		.tls = {.lowest_version = versions[place(e, "lowest-tls")],
			.key_usage = place(e, "key-usage"),
			.revocation = place(e, "revocation"),
			.accept_cn = policy_entry_is_on(e, "accept-cn")},
		.further_names = names,
		.n_further_names = names_of(policy_entry_named(e, "further-names"), names),
		.prefixes = prefixes,
		.n_prefixes = prefixes_of(policy_entry_named(e, "prefixes"), prefixes),
	};

	domain_of(e->value[0], &a.domain);
	domain_of(policy_entry_named(e, "proxy-fqdn"), &a.proxy_fqdn);
	const int rc = postern_policy_set_allowed(p->tables, organisation, &a);

	if (rc == 0 && p->follower.allowed)
		p->follower.allowed(p->follower.user, organisation, &a);
	return rc;
}

static int set_blocked(const struct policy *p, uint16_t organisation, const struct policy_entry *e)
{
	struct postern_blocked b = {.id = e->id, .suffix = policy_entry_is_on(e, "suffix")};

	domain_of(e->value[0], &b.domain);
	const int rc = postern_policy_set_blocked(p->tables, organisation, &b);

	if (rc == 0 && p->follower.unlisted)
		p->follower.unlisted(p->follower.user, organisation, &b.domain);
	return rc;
}

static int set_provider(const struct policy *p, uint16_t organisation, const struct policy_entry *e)
{
	struct postern_prefix prefixes[POSTERN_PREFIXES_MAX];
	struct postern_provider v = {
		.id = e->id,
		.kind = (enum postern_provider_kind)place(e, "kind"),
		.enabled = policy_entry_is_on(e, "enabled"),
		.shared_address_space = policy_entry_is_on(e, "shared-address-space"),
		.verification = verification(policy_entry_named(e, "verification-level")),
		.prefixes = prefixes,
		.n_prefixes = prefixes_of(policy_entry_named(e, "prefixes"), prefixes),
	};

	domain_of(policy_entry_named(e, "proxy-fqdn"), &v.proxy_fqdn);
	const int rc = postern_policy_set_provider(p->tables, organisation, &v);

	if (rc == 0 && p->follower.provider)
		p->follower.provider(p->follower.user, organisation, &v);
	return rc;
}

static int set_switches(const struct policy *p, uint16_t organisation, const struct policy_entry *e)
{
	struct postern_switches s = {
		.allow_federated_users = policy_entry_is_on(e, "AllowFederatedUsers"),
		.enable_partner_discovery = policy_entry_is_on(e, "EnablePartnerDiscovery"),
		.enable_contacts_limit =
			policy_entry_is_on(e, "EnableDiscoveredPartnerContactsLimit"),
		.keep_crls_up_to_date = policy_entry_is_on(e, "KeepCrlsUpToDateForPeers"),
		.mark_source_verifiable =
			policy_entry_is_on(e, "MarkSourceVerifiableOnOutgoingMessages"),
		.discovered_verification =
			verification(policy_entry_named(e, "DiscoveredPartnerVerificationLevel")),
		.max_contacts = number(e, "MaxContactsPerDiscoveredPartner"),
		.standard_rate = number(e, "DiscoveredPartnerStandardRate"),
		.report_period_minutes = number(e, "DiscoveredPartnerReportPeriodMinutes"),
		.outgoing_tls_count = (uint8_t)number(e, "OutgoingTlsCountForFederatedPartners"),
		.default_route_verification =
			verification(policy_entry_named(e, "DefaultRouteVerificationLevel")),
	};

	// Kept only with UseDefaultRouting.
	domain_of(policy_entry_named(e, "DefaultRouteFqdn"), &s.default_route);
	const int rc = postern_policy_set_organisation(p->tables, organisation, &s);

	if (rc == 0 && p->follower.switches)
		p->follower.switches(p->follower.user, organisation, &s);
	return rc;
}

static void tell(int status, const struct policy_entry *e)
{
	if (status != 0 && status != -ENOENT)
		LOG(ERROR, "%s %s is kept but not in force: %s", policy_object(e->kind)->noun,
			policy_object(e->kind)->keyed ? e->value[0] : "switches",
			status == -ENOSPC ? "there are more names than the tables take"
					  : strerror(-status));
}

void policy_feed_remove(const struct policy *p, uint16_t organisation, const struct policy_entry *e)
{
	struct postern_domain domain;

	switch (e->kind) {
	case POLICY_ALLOWED:
	case POLICY_BLOCKED:
		domain_of(e->value[0], &domain);
		tell(postern_policy_remove_listed(p->tables, organisation, &domain), e);
		if (p->follower.unlisted)
			p->follower.unlisted(p->follower.user, organisation, &domain);
		break;
	case POLICY_PROVIDER:
		tell(postern_policy_remove_provider(p->tables, organisation, e->id), e);
		if (p->follower.provider_gone)
			p->follower.provider_gone(p->follower.user, organisation, e->id);
		break;
	case POLICY_SWITCHES:
	case POLICY_KINDS:
		break;
	}
}

void policy_feed_set(const struct policy *p, uint16_t organisation, const struct policy_entry *e)
{
	switch (e->kind) {
	case POLICY_ALLOWED:
	case POLICY_BLOCKED:
		if (!policy_entry_is_on(e, "enabled"))
			policy_feed_remove(p, organisation, e);
		else if (e->kind == POLICY_ALLOWED)
			tell(set_allowed(p, organisation, e), e);
		else
			tell(set_blocked(p, organisation, e), e);
		break;
	case POLICY_PROVIDER:
		tell(set_provider(p, organisation, e), e);
		break;
	case POLICY_SWITCHES:
		tell(set_switches(p, organisation, e), e);
		break;
	case POLICY_KINDS:
		break;
	}
}

struct feed {
	const struct policy *policy;
	uint16_t organisation;
	uint64_t n;
};

static int feed_one(void *user, struct policy_entry *e)
{
	struct feed *f = user;

	policy_feed_set(f->policy, f->organisation, e);
	f->n++;
	return 0;
}

static int unfeed_one(void *user, struct policy_entry *e)
{
	struct feed *f = user;

	policy_feed_remove(f->policy, f->organisation, e);
	return 0;
}

static int walk(struct feed *f, struct policy_db *d, const char *name, uint64_t revision,
	int (*each)(void *user, struct policy_entry *e))
{
	int status = 0;

	for (int kind = 0; kind < POLICY_KINDS && status == 0; kind++) {
		const struct policy_walk all = {
			.organisation = name, .kind = (enum policy_kind)kind, .revision = revision};

		status = policy_db_walk(d, &all, each, f);
	}
	return status;
}

int policy_feed_load(const struct policy *p, uint16_t organisation, struct policy_db *d,
	const char *name, uint64_t revision, uint64_t *n)
{
	struct feed f = {p, organisation, 0};
	const int status = walk(&f, d, name, revision, feed_one);

	*n = f.n;
	return status;
}

void policy_feed_told(int status, const struct policy_db *d, const char *name)
{
	if (status != 0)
		LOG(ERROR,
			"organisation %s: what was written is kept but not all in force: %s; "
			"restart "
			"postern to load it",
			name, d->why[0] != '\0' ? d->why : strerror(-status));
}

int policy_feed_unload(
	const struct policy *p, uint16_t organisation, struct policy_db *d, const char *name)
{
	struct feed f = {p, organisation, 0};

	postern_policy_remove_organisation(p->tables, organisation);
	if (p->follower.organisation_gone)
		p->follower.organisation_gone(p->follower.user, organisation);
	return walk(&f, d, name, 0, unfeed_one);
}
