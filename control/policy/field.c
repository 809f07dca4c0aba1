// SPDX-License-Identifier: BSD-2-Clause
// The one table of what may be said of partners: commands, files, imports, columns of the database
// and what is shown all follow it.

#include "control/policy/policy.h"

#include "postern/policy.h"

#include <ctype.h>
#include <string.h>

#define COMMENT_MAX 1024

static const char *const verifications[] = {
	"UseSourceVerification", "AlwaysVerifiable", "AlwaysUnverifiable", NULL};
static const char *const admissions[] = {"enforce", "observe", NULL};
static const char *const versions[] = {"service", "1.0", "1.2", "1.3", NULL};
static const char *const key_usages[] = {
	"service", "require-client-auth", "accept-server-auth", "any", NULL};
static const char *const revocations[] = {"service", "off", "try", "require", NULL};
static const char *const provider_kinds[] = {"public", "hosting", NULL};
static const char *const routings[] = {"UseDnsSrvRouting", "UseDefaultRouting", NULL};

#define ON_OFF(text, called, usual, means)                                                         \
	{                                                                                          \
		.name = (text), .property = (called), .type = POLICY_BOOL, .standard = (usual),    \
		.help = (means)                                                                    \
	}
#define CHOICE(text, called, list, usual, means)                                                   \
	{                                                                                          \
		.name = (text), .property = (called), .type = POLICY_CHOICE, .choices = (list),    \
		.standard = (usual), .help = (means)                                               \
	}
#define NUMBER(text, called, usual, low, high, means)                                              \
	{                                                                                          \
		.name = (text), .property = (called), .type = POLICY_NUMBER, .standard = (usual),  \
		.minimum = (low), .maximum = (high), .help = (means)                               \
	}
#define SHORT_ON_OFF(text, called, usual, means)                                                   \
	{                                                                                          \
		.name = (text), .property = (called), .type = POLICY_BOOL, .flags = POLICY_SHORT,  \
		.standard = (usual), .help = (means)                                               \
	}
#define COMMENT                                                                                    \
	{                                                                                          \
		.name = "note", .property = "Comment", .type = POLICY_TEXT, .flags = POLICY_SHORT, \
		.maximum = COMMENT_MAX, .help = "what people should know of it"                    \
	}

static const struct policy_field allowed[] = {
	{.name = "domain",
		.property = "Domain",
		.type = POLICY_DOMAIN,
		.flags = POLICY_REQUIRED | POLICY_FIXED | POLICY_SHORT,
		.help = "the partner's SIP domain"},
	SHORT_ON_OFF("enabled", NULL, "true", "whether it counts"),
	{.name = "proxy-fqdn",
		.property = "ProxyFqdn",
		.type = POLICY_DOMAIN,
		.flags = POLICY_SHORT,
		.help = "the partner's edge server; without it DNS SRV tells"},
	CHOICE("verification-level", "VerificationLevel", verifications, "UseSourceVerification",
		"what is believed of the source's word on its users"),
	ON_OFF("mark-for-monitoring", "MarkForMonitoring", "false", "watched more closely"),
	ON_OFF("trust-srv", NULL, "false",
		"SRV targets outside of the domain count; without proxy-fqdn alone"),
	ON_OFF("suffix", NULL, "false", "domains below it count as well"),
	{.name = "further-names",
		.type = POLICY_DOMAINS,
		.maximum = POSTERN_FURTHER_NAMES_MAX,
		.help = "names in a certificate that count as the partner's server, besides"},
	{.name = "prefixes",
		.type = POLICY_PREFIXES,
		.maximum = POSTERN_PREFIXES_MAX,
		.help = "networks that it may come from, besides what DNS says"},
	{.name = "admission",
		.type = POLICY_CHOICE,
		.flags = POLICY_SHORT,
		.choices = admissions,
		.standard = "enforce",
		.help = "observe: what would be refused is let through, and recorded"},
	CHOICE("lowest-tls", NULL, versions, "service", "the lowest version of TLS"),
	CHOICE("key-usage", NULL, key_usages, "service",
		"what its certificate must be meant for, as a client"),
	CHOICE("revocation", NULL, revocations, "service", "how its certificate's CRL counts"),
	ON_OFF("accept-cn", NULL, "false",
		"the subject's common name counts although there are alternative names"),
	COMMENT,
};

static const struct policy_field blocked[] = {
	{.name = "domain",
		.property = "Domain",
		.type = POLICY_DOMAIN,
		.flags = POLICY_REQUIRED | POLICY_FIXED | POLICY_SHORT,
		.help = "the SIP domain that is refused"},
	SHORT_ON_OFF("enabled", NULL, "true", "whether it counts"),
	ON_OFF("suffix", NULL, "false", "domains below it are blocked as well, allowed ones too"),
	COMMENT,
};

static const struct policy_field providers[] = {
	{.name = "name",
		.property = "Identity",
		.type = POLICY_NAME,
		.flags = POLICY_REQUIRED | POLICY_FIXED | POLICY_SHORT,
		.maximum = 128,
		.help = "what it is called"},
	{.name = "kind",
		.type = POLICY_CHOICE,
		.flags = POLICY_REQUIRED | POLICY_FIXED | POLICY_SHORT,
		.choices = provider_kinds,
		.help = "of public instant messaging, or of hosted domains"},
	{.name = "proxy-fqdn",
		.property = "ProxyFqdn",
		.type = POLICY_DOMAIN,
		.flags = POLICY_REQUIRED | POLICY_FIXED | POLICY_SHORT,
		.help = "its edge server; each is one provider's, and never changed"},
	SHORT_ON_OFF("enabled", "Enabled", "false", "whether it counts"),
	CHOICE("verification-level", "VerificationLevel", verifications, "AlwaysVerifiable",
		"what is believed of the source's word on its users"),
	ON_OFF("shared-address-space", "EnabledSharedAddressSpace", "false",
		"of hosting: our own domains may come from it"),
	ON_OFF("hosts-ocs-users", "HostsOCSUsers", "false", "of hosting: for the record"),
	ON_OFF("is-local", "IsLocal", "false", "of hosting: for the record"),
	{.name = "prefixes",
		.type = POLICY_PREFIXES,
		.maximum = POSTERN_PREFIXES_MAX,
		.help = "networks that it may come from, besides what DNS says"},
	COMMENT,
};

#define SWITCH(text, usual, means) ON_OFF(text, text, usual, means)

static const struct policy_field switches[] = {
	SWITCH("AllowFederatedUsers", "false", "the master switch"),
	SWITCH("EnablePartnerDiscovery", "false", "domains that nobody listed are found by DNS"),
	CHOICE("DiscoveredPartnerVerificationLevel", "DiscoveredPartnerVerificationLevel",
		verifications, "UseSourceVerification", "verification-level of those"),
	SWITCH("EnableDiscoveredPartnerContactsLimit", "true",
		"those may ask for so many of our users only"),
	NUMBER("MaxContactsPerDiscoveredPartner", "MaxContactsPerDiscoveredPartner", "1000", 1,
		1000000, "namely"),
	NUMBER("DiscoveredPartnerStandardRate", "DiscoveredPartnerStandardRate", "20", 1, 1000000,
		"messages a second of each of those"),
	NUMBER("DiscoveredPartnerReportPeriodMinutes", "DiscoveredPartnerReportPeriodMinutes", "60",
		1, 100000, "how often they are reported"),
	NUMBER("OutgoingTlsCountForFederatedPartners", "OutgoingTlsCountForFederatedPartners", "4",
		1, 4, "most connections that we open to a partner's server"),
	SWITCH("KeepCrlsUpToDateForPeers", "true", "CRLs of partners' certificates are fetched"),
	SWITCH("MarkSourceVerifiableOnOutgoingMessages", "true",
		"partners are told that our users are verified"),
	CHOICE("RoutingMethod", "RoutingMethod", routings, "UseDnsSrvRouting",
		"where messages go: as DNS SRV says, or all to DefaultRouteFqdn"),
	{.name = "DefaultRouteFqdn",
		.property = "DefaultRouteFqdn",
		.type = POLICY_DOMAIN,
		.help = "the one next hop of UseDefaultRouting"},
	CHOICE("DefaultRouteVerificationLevel", "VerificationLevel", verifications,
		"UseSourceVerification", "verification-level of what comes from there"),
};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static const struct policy_object objects[POLICY_KINDS] = {
	[POLICY_ALLOWED] = {"allowed-domain", "allowed-domains", "allowed_domain", allowed,
		COUNT(allowed), true},
	[POLICY_BLOCKED] = {"blocked-domain", "blocked-domains", "blocked_domain", blocked,
		COUNT(blocked), true},
	[POLICY_PROVIDER] = {"provider", "providers", "provider", providers, COUNT(providers),
		true},
	[POLICY_SWITCHES] = {"policy", "switches", "switches", switches, COUNT(switches), false},
};

_Static_assert(COUNT(allowed) <= POLICY_FIELDS_MAX, "fields fit");
_Static_assert(COUNT(providers) <= POLICY_FIELDS_MAX, "fields fit");
_Static_assert(COUNT(switches) <= POLICY_FIELDS_MAX, "fields fit");

const struct policy_object *policy_object(enum policy_kind kind)
{
	return &objects[kind];
}

bool policy_name_equal(const char *known, const char *name, size_t length)
{
	size_t i = 0;

	for (;;) {
		while (*known == '-')
			known++;
		while (i < length && name[i] == '-')
			i++;
		if (*known == '\0' || i == length)
			return *known == '\0' && i == length;
		if (tolower((unsigned char)*known++) != tolower((unsigned char)name[i++]))
			return false;
	}
}

const struct policy_field *policy_field_find(
	const struct policy_object *o, const char *name, size_t length)
{
	for (size_t i = 0; i < o->n; i++)
		if (policy_name_equal(o->fields[i].name, name, length) ||
			(o->fields[i].property &&
				policy_name_equal(o->fields[i].property, name, length)))
			return &o->fields[i];
	return NULL;
}
