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

static int set_allowed(
	struct postern_policy *t, uint16_t organisation, const struct policy_entry *e)
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
	return postern_policy_set_allowed(t, organisation, &a);
}

static int set_blocked(
	struct postern_policy *t, uint16_t organisation, const struct policy_entry *e)
{
	struct postern_blocked b = {.id = e->id, .suffix = policy_entry_is_on(e, "suffix")};

	domain_of(e->value[0], &b.domain);
	return postern_policy_set_blocked(t, organisation, &b);
}

static int set_provider(
	struct postern_policy *t, uint16_t organisation, const struct policy_entry *e)
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
	return postern_policy_set_provider(t, organisation, &v);
}

static int set_switches(
	struct postern_policy *t, uint16_t organisation, const struct policy_entry *e)
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
	return postern_policy_set_organisation(t, organisation, &s);
}

static void tell(int status, const struct policy_entry *e)
{
	if (status != 0 && status != -ENOENT)
		LOG(ERROR, "%s %s is kept but not in force: %s", policy_object(e->kind)->noun,
			policy_object(e->kind)->keyed ? e->value[0] : "switches",
			status == -ENOSPC ? "there are more names than the tables take"
					  : strerror(-status));
}

void policy_feed_remove(
	struct postern_policy *t, uint16_t organisation, const struct policy_entry *e)
{
	struct postern_domain domain;

	switch (e->kind) {
	case POLICY_ALLOWED:
	case POLICY_BLOCKED:
		domain_of(e->value[0], &domain);
		tell(postern_policy_remove_listed(t, organisation, &domain), e);
		break;
	case POLICY_PROVIDER:
		tell(postern_policy_remove_provider(t, organisation, e->id), e);
		break;
	case POLICY_SWITCHES:
	case POLICY_KINDS:
		break;
	}
}

void policy_feed_set(struct postern_policy *t, uint16_t organisation, const struct policy_entry *e)
{
	switch (e->kind) {
	case POLICY_ALLOWED:
	case POLICY_BLOCKED:
		if (!policy_entry_is_on(e, "enabled"))
			policy_feed_remove(t, organisation, e);
		else if (e->kind == POLICY_ALLOWED)
			tell(set_allowed(t, organisation, e), e);
		else
			tell(set_blocked(t, organisation, e), e);
		break;
	case POLICY_PROVIDER:
		tell(set_provider(t, organisation, e), e);
		break;
	case POLICY_SWITCHES:
		tell(set_switches(t, organisation, e), e);
		break;
	case POLICY_KINDS:
		break;
	}
}

struct feed {
	struct postern_policy *tables;
	uint16_t organisation;
	uint64_t n;
};

static int feed_one(void *user, struct policy_entry *e)
{
	struct feed *f = user;

	policy_feed_set(f->tables, f->organisation, e);
	f->n++;
	return 0;
}

static int unfeed_one(void *user, struct policy_entry *e)
{
	struct feed *f = user;

	policy_feed_remove(f->tables, f->organisation, e);
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

int policy_feed_load(struct postern_policy *t, uint16_t organisation, struct policy_db *d,
	const char *name, uint64_t revision, uint64_t *n)
{
	struct feed f = {t, organisation, 0};
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
	struct postern_policy *t, uint16_t organisation, struct policy_db *d, const char *name)
{
	struct feed f = {t, organisation, 0};

	postern_policy_remove_organisation(t, organisation);
	return walk(&f, d, name, 0, unfeed_one);
}
