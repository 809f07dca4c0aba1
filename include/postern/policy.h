// SPDX-License-Identifier: BSD-2-Clause
// Who may federate: what control tells the dataplane of the operator's partners and of their DNS,
// and the one decision that follows from it. dataplane/admit/README.md holds the table of rows.
//
// Threads. Whatever changes the tables may be called by any thread of the control half, also while
// workers read; the functions serialise each other, wait for no reader and for no disk, and take
// microseconds, where nothing else is said. They must not be called by a worker. A worker sees an
// entry either as it was or as it is, never half of a change; it sees it with its next question.
//
// Memory. Everything handed in is copied, everything answered is a copy: nobody keeps a pointer.
// What is removed is freed after a grace period (liburcu's QSBR flavour). The number of
// domains is bounded by the limit given at the start.
//
// Errors are negative errno. Names come normalised by postern/domain.h, U-labels already turned to
// A-labels; an empty name (length 0) stands for none.

#pragma once

#include "postern/addr.h"
#include "postern/domain.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct postern_policy;

#define POSTERN_ORGANISATIONS_MAX 4096 // ids are below it
#define POSTERN_PROVIDERS_MAX     64   // enabled or not, of one organisation
#define POSTERN_FURTHER_NAMES_MAX 32   // of one entry
#define POSTERN_PREFIXES_MAX      256  // of one entry or provider
#define POSTERN_TARGETS_MAX       16   // SRV targets of one domain; control keeps the best
#define POSTERN_ADDRESSES_MAX     16   // of one host

// How much is believed of what a partner says about its users.
enum postern_verification {
	POSTERN_VERIFY_USE_SOURCE,          // the source's own mark counts; none: refused
	POSTERN_VERIFY_ALWAYS_VERIFIABLE,   // all is taken; the mark is added where it is missing
	POSTERN_VERIFY_ALWAYS_UNVERIFIABLE, // all is marked unverified
};

// What happens when a refusal concerns an entry (or a service) of this setting.
enum postern_admission {
	POSTERN_ADMISSION_ENFORCE, // it is refused
	POSTERN_ADMISSION_OBSERVE, // it is let through, and recorded
	POSTERN_ADMISSION_ANY,     // it is let through
};

// An organisation's switches, under the names that operators know.
struct postern_switches {
	bool allow_federated_users;                        // AllowFederatedUsers
	bool enable_partner_discovery;                     // EnablePartnerDiscovery
	bool enable_contacts_limit;                        // EnableDiscoveredPartnerContactsLimit
	bool keep_crls_up_to_date;                         // KeepCrlsUpToDateForPeers
	bool mark_source_verifiable;                       // MarkSourceVerifiableOnOutgoingMessages
	enum postern_verification discovered_verification; // DiscoveredPartnerVerificationLevel
	uint32_t max_contacts;                             // MaxContactsPerDiscoveredPartner
	uint32_t standard_rate;              // DiscoveredPartnerStandardRate, messages/s
	uint32_t report_period_minutes;      // DiscoveredPartnerReportPeriodMinutes
	uint8_t outgoing_tls_count;          // OutgoingTlsCountForFederatedPartners, 1-4
	struct postern_domain default_route; // DefaultRouteFqdn; empty: routing by SRV
	enum postern_verification default_route_verification;
};

// The defaults: nobody federates, nothing is discovered. Any thread.
void postern_switches_default(struct postern_switches *s);

// What of TLS an entry settles for its partner; 0 is the service's own setting.
struct postern_peer_tls {
	uint8_t lowest_version; // 10, 12, 13: TLS 1.0, 1.2, 1.3
	uint8_t key_usage;      // enum postern_key_usage
	uint8_t revocation;     // enum postern_revocation
	bool accept_cn;         // the subject's CN counts although the certificate has a SAN
};

enum postern_key_usage {
	POSTERN_KEY_USAGE_DEFAULT,
	POSTERN_KEY_USAGE_REQUIRE_CLIENT_AUTH,
	POSTERN_KEY_USAGE_ACCEPT_SERVER_AUTH,
	POSTERN_KEY_USAGE_ANY,
};

enum postern_revocation {
	POSTERN_REVOCATION_DEFAULT,
	POSTERN_REVOCATION_OFF,
	POSTERN_REVOCATION_TRY,     // refused if known to be revoked
	POSTERN_REVOCATION_REQUIRE, // refused unless known not to be
};

// An entry of the allowed list. One that is disabled is not handed in.
struct postern_allowed {
	uint64_t id; // the store's; it comes back in answers
	struct postern_domain domain;
	bool suffix;                      // domains below it count as well
	struct postern_domain proxy_fqdn; // the peer; empty: SRV tells
	bool trust_srv;                   // SRV targets outside of the domain count
	bool monitored;                   // MarkForMonitoring
	enum postern_verification verification;
	enum postern_admission admission;
	struct postern_peer_tls tls;
	const struct postern_domain *further_names; // count as the peer's
	unsigned n_further_names;
	const struct postern_prefix *prefixes; // whence it may come besides what DNS says
	unsigned n_prefixes;
};

struct postern_blocked {
	uint64_t id;
	struct postern_domain domain;
	bool suffix; // domains below it are blocked as well, also those that are allowed
};

enum postern_provider_kind {
	POSTERN_PROVIDER_PUBLIC,
	POSTERN_PROVIDER_HOSTING,
};

struct postern_provider {
	uint64_t id; // the store's, by which it is replaced and removed
	enum postern_provider_kind kind;
	bool enabled;
	bool shared_address_space; // EnabledSharedAddressSpace
	enum postern_verification verification;
	struct postern_domain proxy_fqdn;
	const struct postern_prefix *prefixes;
	unsigned n_prefixes;
};

struct postern_policy_limits {
	uint32_t domains; // names in all, those that only DNS facts are known of included
	// Partners are also found by names and by addresses alone: questions without D, which forward,
	// relay and stream ask. Some 300 bytes a partner and server more.
	bool index;
};

// The tables, empty. Starts liburcu's thread, so before system calls are filtered. Called once;
// may take 100 ms. -ENOMEM, -EAGAIN (no thread).
int postern_policy_new(const struct postern_policy_limits *limits, struct postern_policy **out);

// Frees everything, when no worker reads any more. Waits for grace periods. NULL is fine.
void postern_policy_free(struct postern_policy *p);

// The functions below add, or replace in one step: there is no moment without the entry.
// -EINVAL: an id or a number of things above its limit. -ENOMEM, -ENOSPC (limit of domains): nothing
// has changed.

// An organisation is there from its first call on; until then its entries can be loaded, and
// questions about it are refused.
int postern_policy_set_organisation(
	struct postern_policy *p, uint16_t organisation, const struct postern_switches *s);

// A SIP domain of the organisation's own. -EEXIST: it is another organisation's.
int postern_policy_set_own(
	struct postern_policy *p, uint16_t organisation, const struct postern_domain *domain);

// A domain is listed once in an organisation: the last call of the two says as what.
int postern_policy_set_allowed(
	struct postern_policy *p, uint16_t organisation, const struct postern_allowed *a);
int postern_policy_set_blocked(
	struct postern_policy *p, uint16_t organisation, const struct postern_blocked *b);

int postern_policy_set_provider(
	struct postern_policy *p, uint16_t organisation, const struct postern_provider *v);

// Entries in bulk, at start or for an import: the same as one call each, only faster. Stops at the
// first error; *done: how many were taken. About a microsecond each; other threads may come between.
int postern_policy_load_allowed(struct postern_policy *p, uint16_t organisation,
	const struct postern_allowed *a, size_t n, size_t *done);

// -ENOENT: there was none.
int postern_policy_remove_own(
	struct postern_policy *p, uint16_t organisation, const struct postern_domain *domain);
int postern_policy_remove_listed( // allowed or blocked
	struct postern_policy *p, uint16_t organisation, const struct postern_domain *domain);
int postern_policy_remove_provider(struct postern_policy *p, uint16_t organisation, uint64_t id);

// Takes the switches and providers away, so that its questions are refused; what is listed under the
// id stays until it is removed.
int postern_policy_remove_organisation(struct postern_policy *p, uint16_t organisation);

// What DNS says of a domain (_sipfederationtls._tcp).
enum postern_facts_state {
	POSTERN_FACTS_UNKNOWN, // nobody has asked yet
	POSTERN_FACTS_GOOD,    // there are targets
	POSTERN_FACTS_NONE,    // there is no such record, or its target is "."
	POSTERN_FACTS_FAILED,  // the last question failed; the targets are the last good answer's
};

struct postern_target {
	struct postern_domain name;
	uint16_t priority;
	uint16_t weight;
	uint16_t port;
	const struct postern_addr *addresses;
	unsigned n_addresses;
};

struct postern_facts {
	enum postern_facts_state state;
	uint64_t wall_us; // when that was answered, microseconds since 1970-01-01T00:00:00Z
	const struct postern_target *targets;
	unsigned n_targets;
};

// Facts belong to a domain, whoever lists it. NULL: forget them.
int postern_policy_set_facts(struct postern_policy *p, const struct postern_domain *domain,
	const struct postern_facts *f);

// A copy of what is known of a domain, which holds its targets and their addresses itself.
struct postern_facts_copy {
	struct postern_facts facts; // what it points to lies below
	struct postern_target targets[POSTERN_TARGETS_MAX];
	struct postern_addr addresses[POSTERN_TARGETS_MAX][POSTERN_ADDRESSES_MAX];
};

// Not by a worker; it waits for nobody. -ENOENT: nobody has asked about the domain yet.
int postern_policy_get_facts(struct postern_policy *p, const struct postern_domain *domain,
	struct postern_facts_copy *out);

// The addresses of a server that entries name (ProxyFqdn, default route), and when they were answered,
// microseconds since 1970; n 0: forget them. -ENOMEM: they may be known in part; say it again.
int postern_policy_set_host(struct postern_policy *p, const struct postern_domain *host,
	const struct postern_addr *addresses, unsigned n, uint64_t wall_us);

// Those addresses as they are known, and since when. Not by a worker. How many; 0: none are known, and
// *wall_us is 0.
unsigned postern_policy_get_host(struct postern_policy *p, const struct postern_domain *host,
	struct postern_addr addresses[static POSTERN_ADDRESSES_MAX], uint64_t *wall_us);

// Bounds of what is learnt, and for how long after it was last heard of.
#define POSTERN_LEARNT_MOST      65536u
#define POSTERN_LEARNT_OF_DOMAIN 8u
#define POSTERN_LEARNT_US        (24 * UINT64_C(3600) * 1000000)

// A session of the domain has been admitted from an address by what its peer proved: from now on the address
// counts as the domain's, as if the operator had written it into its entry, as long as that is allowed.
// When there are too many the ones not heard of for longest are forgotten. `now_us` is of any clock that goes
// on. -ENOMEM, -ENOSPC: it is not learnt.
int postern_policy_learn(struct postern_policy *p, uint16_t organisation,
	const struct postern_domain *domain, const struct postern_addr *address, uint64_t now_us);

// Forgets what has not been heard of for so long, up to `budget`; how many. To be called now and then.
unsigned postern_policy_forget(struct postern_policy *p, uint64_t now_us, unsigned budget);

// Makes the index if there is none, for tables that are filled already; afterwards postern_policy_work()
// enters what is there, and until it has done so postern_policy_is_complete() is false. Takes some 100 ns
// a domain. -ENOMEM.
int postern_policy_use_index(struct postern_policy *p);

// Whether whoever is known can be found by names and addresses. Any thread.
bool postern_policy_is_complete(const struct postern_policy *p);

// With an index, a change of switches, of providers or of entries that count for what is below them may
// change who is to be asked at an address or a name that several share. Looks again at up to `budget`
// domains, about 2 us each; 1 while there is more to do. Until it is done a question without D may
// be refused too much, never too little. To be called from the loop.
int postern_policy_work(struct postern_policy *p, unsigned budget);

// ---- The decision

// Rows of the table, as dataplane/admit/README.md numbers them.
enum postern_row {
	POSTERN_ROW_NONE, // no row was come to: there is no such organisation
	POSTERN_ROW_FEDERATION_OFF,
	POSTERN_ROW_BLOCKED,
	POSTERN_ROW_OWN_DOMAIN,
	POSTERN_ROW_ALLOWED_DIRECT,
	POSTERN_ROW_PUBLIC_PROVIDER,
	POSTERN_ROW_HOSTING_PROVIDER,
	POSTERN_ROW_ALLOWED_SRV,
	POSTERN_ROW_DISCOVERED,
	POSTERN_ROW_OTHERWISE,
	POSTERN_ROW_DEFAULT_ROUTE, // stands for rows 3 and 5 to 8 where there is one
	POSTERN_ROWS
};

enum postern_outcome {
	POSTERN_REFUSE,
	POSTERN_ADMIT,
	POSTERN_ASK, // it depends on DNS facts that are unknown: find out, and decide again
};

// X(enumerator, shown name, what it means)
#define POSTERN_REASONS(X)                                                                         \
	X(ADMITTED, "admitted", "the row's condition holds")                                       \
	X(NO_ORGANISATION, "no-organisation", "no organisation is responsible")                    \
	X(FEDERATION_OFF, "federation-off", "AllowFederatedUsers is off")                          \
	X(BLOCKED, "blocked", "the domain is on the blocked list")                                 \
	X(OWN_DOMAIN, "own-domain",                                                                \
		"one of our own domains from outside, and no provider shares the address space")   \
	X(NAME_MISMATCH, "name-mismatch",                                                          \
		"the certificate proves none of the names that the partner's server has")          \
	X(ADDRESS_MISMATCH, "address-mismatch",                                                    \
		"the address is none that the partner's server has")                               \
	X(NO_PARTNER, "no-partner", "no partner is known by that name or address")                 \
	X(HOSTED_UNLISTED, "hosted-unlisted",                                                      \
		"a hosting provider's domain that is not allowed, and discovery is off")           \
	X(SRV_UNKNOWN, "srv-unknown", "the domain's SRV record has not been asked for yet")        \
	X(SRV_NONE, "srv-none", "the domain has no SRV record, so it has no edge")                 \
	X(SRV_FAILED, "srv-failed", "the domain's SRV record cannot be had")                       \
	X(SRV_OTHER_DOMAIN, "srv-other-domain",                                                    \
		"the domain's SRV record points to hosts outside of it")                           \
	X(NOT_LISTED, "not-listed", "the domain is not allowed, and discovery is off")             \
	X(TYPE_CONFLICT, "type-conflict",                                                          \
		"the connection belongs to partners of another type by its first message")         \
	X(MARK_MISSING, "mark-missing",                                                            \
		"the source did not say whether its user is verified, and must")

enum postern_reason {
#define X(enumerator, name, help) POSTERN_REASON_##enumerator,
	POSTERN_REASONS(X)
#undef X
	POSTERN_REASON_COUNT
};

// One connection has one type, given by its first admitted message.
enum postern_partner_type {
	POSTERN_TYPE_NONE, // nothing admitted so far
	POSTERN_TYPE_SHARED,
	POSTERN_TYPE_DIRECT,
	POSTERN_TYPE_PUBLIC,
	POSTERN_TYPE_HOSTING,
	POSTERN_TYPE_SRV,
	POSTERN_TYPE_ROUTE, // the default route
	POSTERN_TYPES
};

// Shown names and explanations. Any thread.
const char *postern_row_name(enum postern_row row);
const char *postern_outcome_name(enum postern_outcome outcome);
const char *postern_reason_name(enum postern_reason reason);
const char *postern_reason_help(enum postern_reason reason);
const char *postern_partner_type_name(enum postern_partner_type type);

enum postern_direction {
	POSTERN_INBOUND,
	POSTERN_OUTBOUND,
};

// What is known of P, the names that the peer's certificate proves.
enum postern_proof {
	POSTERN_PROOF_NAMES,   // they are given; none at all proves nothing
	POSTERN_PROOF_ADDRESS, // there is only the address: it proves the names whose address it is
	POSTERN_PROOF_ASSUMED, // nobody has connected yet: what would a peer get that proves them?
};

// Whether the message says that its user is verified.
enum postern_mark {
	POSTERN_MARK_IRRELEVANT, // there is no message: a connection is asked about
	POSTERN_MARK_MISSING,
	POSTERN_MARK_VERIFIED,
	POSTERN_MARK_UNVERIFIED,
};

struct postern_name {
	const char *text; // normalised
	uint8_t length;
};

struct postern_question {
	uint16_t organisation;
	enum postern_direction direction;
	// D, who speaks: inbound the host of the From URI, outbound of the Request-URI. NULL: nobody has
	// spoken yet, and any partner will do whom the proof shows; discovered ones are not among them.
	const struct postern_domain *domain;
	enum postern_proof proof;
	const struct postern_name *names; // P
	unsigned n_names;
	struct postern_addr address;
	enum postern_partner_type type; // of the connection so far
	enum postern_mark mark;         // inbound
};

struct postern_answer {
	enum postern_row row;
	enum postern_outcome outcome;
	enum postern_reason reason;
	enum postern_partner_type type; // NONE unless admitted
	// The mark that the inside is shown; IRRELEVANT unless an inbound message is admitted.
	enum postern_mark mark;
	bool watched;   // row 8: a discovered partner, held to its limits
	bool monitored; // MarkForMonitoring of the entry
	enum postern_admission
		admission;           // the entry's, when the refusal concerns one; else enforce
	struct postern_peer_tls tls; // the entry's
	enum postern_verification verification;
	uint64_t allowed;               // id of the entry that D comes under; 0: none
	uint64_t blocked;               // likewise; row 2 alone
	uint64_t provider;              // rows 3, 5 and 6; 0: none
	enum postern_facts_state facts; // of D
	uint64_t facts_wall_us;
	struct postern_domain partner; // the entry's domain; D itself if no entry is for it
	// The peer that D must come from and is reached at: ProxyFqdn of entry or provider, or the default
	// route. Empty: SRV tells.
	struct postern_domain peer;
};

// Decides. The same function that workers call, over the same tables. Not by a worker: those call
// admit_decide() of dataplane/admit/admit.h, within their read-side.
void postern_policy_decide(
	struct postern_policy *p, const struct postern_question *q, struct postern_answer *a);

// The organisation that a domain is one of the SIP domains of, or -ENOENT.
int postern_policy_owner(struct postern_policy *p, const struct postern_domain *domain);

struct postern_policy_stats {
	uint64_t domains;       // names that have an entry
	uint64_t domains_limit; // as given
	uint64_t memory;        // bytes in use by entries and what hangs on them, buckets included
};

void postern_policy_read(struct postern_policy *p, struct postern_policy_stats *out);
