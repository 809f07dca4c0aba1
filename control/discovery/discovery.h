// SPDX-License-Identifier: BSD-2-Clause
// Where partners are: what DNS says of domains (SRV of _sipfederationtls._tcp, then A and AAAA of the
// targets) and of hosts, asked over c-ares on the event loop, kept current within the TTLs, and told
// to the dataplane's tables.
//
// Threads: the control thread, where nothing else is said; callbacks come on it, through the event
// loop. The functions that say "any thread" only note what is wanted, in half a microsecond, under a
// lock that nobody holds for longer than that.
//
// Answers are hostile until they are proved to be answers: wire.c reads them, bounded, and what is
// wrong with one is counted and told with the name that was asked for.
//
// Errors are negative errno.

#pragma once

#include "postern/addr.h"
#include "postern/domain.h"
#include "postern/policy.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct discovery;
struct event_base;

#define DISCOVERY_RESOLVERS_MAX 8
#define DISCOVERY_RECORDS_MAX   64 // of one answer; what is beyond them is counted, not kept

// Domains that are wanted and that nobody follows.
#define DISCOVERY_UNFOLLOWED_MAX 100000u

// The label pair under which a domain says where its edge is.
#define DISCOVERY_SERVICE "_sipfederationtls._tcp"

// Which target comes first.
enum discovery_order {
	// RFC 2782: lowest priority; of equal ones drawn by weight, anew with each answer.
	DISCOVERY_ORDER_RFC2782,
	// As partners' own edges do: lowest priority, then highest weight, then the one received first.
	DISCOVERY_ORDER_PARTNER,
};

struct discovery_settings {
	struct postern_endpoint resolvers[DISCOVERY_RESOLVERS_MAX];
	unsigned n_resolvers;    // 0: nothing can be asked, and every question fails at once
	uint32_t timeout_ms;     // of one resolver for one question; then the next one is asked
	uint32_t tries;          // of one question, over all resolvers
	uint32_t lowest_ttl_s;   // answers hold for at least so long
	uint32_t highest_ttl_s;  // and at most so long
	uint32_t negative_ttl_s; // likewise of answers that say that there is nothing
	uint32_t
		keep_s; // the last good answer stays in force so long after its end, when DNS fails
	uint32_t
		rate; // questions a second, of refreshes and starts; nobody who waits is held up by it
	uint32_t outstanding; // questions under way at once
	enum discovery_order order;
};

// Two resolvers' worth of patience, TTLs between 30 s and an hour, 2,000 questions a second. No
// resolvers.
void discovery_settings_default(struct discovery_settings *s);

// The resolvers that /etc/resolv.conf names, into s->resolvers. How many; 0: none, or no such file.
unsigned discovery_settings_system(struct discovery_settings *s);

// Nothing is asked before the loop runs. `tables` may be NULL: nobody is told then. Both the base and
// the tables outlive it. -ENOMEM, -EMFILE, ...
int discovery_new(struct event_base *base, struct postern_policy *tables,
	const struct discovery_settings *settings, struct discovery **out);

// Other settings from now on: what is under way ends as it began. -ENOMEM: the old ones hold.
int discovery_use_settings(struct discovery *d, const struct discovery_settings *settings);
const struct discovery_settings *discovery_settings(const struct discovery *d);

// Ends everything. Nobody who waits is called. NULL is fine.
void discovery_free(struct discovery *d);

// ---- One question, once

enum discovery_type {
	DISCOVERY_A = 1,
	DISCOVERY_AAAA = 28,
	DISCOVERY_SRV = 33,
};

struct discovery_record {
	enum discovery_type type;
	uint32_t ttl; // seconds, as it came; above 2^31 it counts as 0 (RFC 2181 8)
	// A and AAAA
	struct postern_addr address;
	// SRV
	struct postern_domain target; // empty: "." stands there, there is no such service
	uint16_t priority;
	uint16_t weight;
	uint16_t port;
};

// Response codes (RFC 1035 4.1.1) that are looked at by name.
enum {
	DISCOVERY_NOERROR = 0,
	DISCOVERY_SERVFAIL = 2,
	DISCOVERY_NXDOMAIN = 3,
	DISCOVERY_REFUSED = 5,
};

#define DISCOVERY_WHY 192

// What came of a question. Everything is borrowed for the call.
struct discovery_answer {
	// 0: there is an answer, and rcode tells whether it is a good one. -ETIMEDOUT: no resolver has
	// answered; -EBADMSG: what they answered cannot be read; -ECONNREFUSED: nobody listens there;
	// -ENOTCONN: there is no resolver; -EAGAIN: too much is waiting. rcode means nothing then.
	int status;
	unsigned rcode;
	// It says where that name or type ends: NXDOMAIN, or no error and no such record.
	bool negative;
	bool authenticated; // a validating resolver says so (AD)
	bool bogus; // it was thrown away because it failed validation (RFC 8914 code 6 and its kin)
	bool over_tcp;
	int extended;                           // extended DNS error (RFC 8914); -1: none
	const struct discovery_record *records; // of the type asked for, at the end of the CNAMEs
	unsigned n_records;
	unsigned skipped; // records of that kind that were not kept: beyond the limit, or unusable
	uint32_t ttl;     // seconds that all of this holds, unclamped; of a negative one by its SOA
	unsigned aliases; // CNAMEs on the way
	struct postern_domain canonical;  // the name at their end
	struct postern_endpoint resolver; // who answered, or was asked last; port 0: nobody
	uint64_t took_us;                 // from the question to here
	unsigned tries;                   // questions sent
	const char *why;                  // one line for people, never NULL: "192.0.2.53: NXDOMAIN"
};

struct discovery_lookup;
typedef void (*discovery_answered)(void *user, const struct discovery_answer *answer);

// Asks for the records of one name, past every cache of ours (the resolver has its own). `answered`
// is called once, not before the return. *out, which may be NULL, ends with that call.
// -EAGAIN: too many questions wait. -ENOMEM.
int discovery_lookup(struct discovery *d, const struct postern_domain *name,
	enum discovery_type type, discovery_answered answered, void *user,
	struct discovery_lookup **out);

// `answered` is not called any more.
void discovery_lookup_cancel(struct discovery_lookup *l);

// The name at which a domain's SRV record is asked for. -ENAMETOOLONG.
int discovery_service_name(const struct postern_domain *domain, struct postern_domain *out);

// ---- What is wanted now

// What became of a domain. The tables have it already; `why` is one line for people.
struct discovery_told {
	const struct postern_domain *domain;
	enum postern_facts_state state;
	bool overloaded; // it was not asked for, too much is waiting: the state is what it was
	const char *why;
};

struct discovery_wait;
typedef void (*discovery_found)(void *user, const struct discovery_told *told);

// Somebody waits for what DNS says of a domain: a worker's question, an operator. Those who want the
// same domain at once share one question. The tables are updated first, then each is told, once and
// never before the return; from an answer that still holds if there is one, unless `fresh`.
// *out, which may be NULL, ends with that call. Domains that nobody follows are at most 100,000: the
// ones not wanted for longest are forgotten (CLOCK). -EAGAIN: too many wait. -ENOMEM.
int discovery_wanted(struct discovery *d, const struct postern_domain *domain, bool fresh,
	discovery_found found, void *user, struct discovery_wait **out);

void discovery_wait_cancel(struct discovery_wait *w);

// ---- What is followed: asked at once and again before its TTL ends, as long as it is followed

// What the policy lists, from where it comes into the tables (control/policy/feed.c). Any thread. A
// later call for the same organisation and domain (or provider) takes the earlier one's place. An entry
// is found by SRV, or by its ProxyFqdn; its further names are followed as hosts. -ENOMEM: what was
// followed before still is, and what is new is not.
int discovery_follow_allowed(
	struct discovery *d, uint16_t organisation, const struct postern_allowed *a);
void discovery_unfollow_listed(
	struct discovery *d, uint16_t organisation, const struct postern_domain *domain);
// A provider's ProxyFqdn; one that is not enabled is not followed.
int discovery_follow_provider(
	struct discovery *d, uint16_t organisation, const struct postern_provider *v);
void discovery_unfollow_provider(struct discovery *d, uint16_t organisation, uint64_t id);
// The default route. With one the organisation's allowed domains are not asked for, since nothing
// depends on them.
int discovery_follow_switches(
	struct discovery *d, uint16_t organisation, const struct postern_switches *s);
// Its providers and its default route; what it lists is taken away one by one.
void discovery_unfollow_organisation(struct discovery *d, uint16_t organisation);

// A host of the configuration's: pool members that are given by name.
struct discovery_host;

struct discovery_addresses {
	const struct postern_domain *host;
	enum postern_facts_state state;
	const struct postern_addr
		*addresses; // the last good ones, IPv4 first, in the order of their bytes
	unsigned n;
	const char *why; // one line for people
};

// `changed` is called when its addresses are known first, whenever they change, and when its state does.
typedef void (*discovery_changed)(void *user, const struct discovery_addresses *now);

int discovery_follow_host(struct discovery *d, const struct postern_domain *host,
	discovery_changed changed, void *user, struct discovery_host **out);
void discovery_unfollow_host(struct discovery_host *h);

// ---- What is known

// One name that is kept: a domain, or a host.
struct discovery_item {
	struct postern_domain name;
	bool host;     // a server by name, otherwise a SIP domain
	bool followed; // otherwise it has been wanted, and will be forgotten
	bool asking;   // a question is under way, or waits for its turn
	enum postern_facts_state state;
	uint64_t answered_us; // microseconds since 1970 of the last answer; 0: none yet
	uint64_t due_us;      // when it will be asked again, likewise
	uint64_t
		ends_us; // when the answer ends, likewise; of a failed one, when the last good one goes
	uint32_t failures;       // in a row
	uint64_t failing_us;     // since when, likewise; 0: it does not
	char why[DISCOVERY_WHY]; // of the last answer
};

// Calls `each` for up to `most` names from *place on (0 at the start) and moves it; false: that was all.
// Names that stay are met once, those that come and go meanwhile once or not at all.
bool discovery_walk(struct discovery *d, uint32_t *place, unsigned most,
	void (*each)(void *user, const struct discovery_item *item), void *user);

// One name; -ENOENT.
int discovery_find(struct discovery *d, const struct postern_domain *name, bool host,
	struct discovery_item *out);

// Asks again, as if the TTL had ended: one name (as a domain and as a host), or with NULL all of them, at
// the settings' rate. What is known stays in force until there are answers; what nobody follows is
// forgotten at once. How many names.
size_t discovery_flush(struct discovery *d, const struct postern_domain *name);

// X(enumerator, shown name, what it means)
#define DISCOVERY_COUNTERS(X)                                                                      \
	X(QUESTION, "dns-question", "questions sent to resolvers")                                 \
	X(ANSWER, "dns-answer", "answers that could be read")                                      \
	X(NEGATIVE, "dns-negative", "of these, that there is no such name or record")              \
	X(SERVER_FAILURE, "dns-server-failure", "of these, SERVFAIL, REFUSED and other errors")    \
	X(BOGUS, "dns-bogus", "of these, that the answer failed validation")                       \
	X(TIMEOUT, "dns-timeout", "questions that a resolver did not answer in time")              \
	X(UNREACHABLE, "dns-unreachable", "questions that could not be sent, or were refused")     \
	X(MALFORMED, "dns-malformed", "answers that cannot be read")                               \
	X(STRANGE, "dns-strange", "answers to another question")                                   \
	X(SKIPPED, "dns-record-skipped",                                                           \
		"records left out of an answer: unusable, or beyond the limit")                    \
	X(TCP, "dns-tcp", "answers that came over TCP because they were long")                     \
	X(OVERLOAD, "dns-overload", "questions refused because too many waited")                   \
	X(EVICTED, "dns-evicted", "domains that nobody follows, forgotten for others")             \
	X(STALE, "dns-stale", "times that a last good answer was kept because DNS failed")         \
	X(EXPIRED, "dns-expired", "last good answers given up because DNS failed for too long")

enum discovery_counter {
#define X(enumerator, name, help) DISCOVERY_##enumerator##_COUNT,
	DISCOVERY_COUNTERS(X)
#undef X
	DISCOVERY_COUNTER_COUNT
};

struct discovery_resolver_stats {
	struct postern_endpoint at;
	uint64_t questions;
	uint64_t answers;
	uint64_t timeouts;   // refused and unreachable ones included
	uint32_t failed_row; // questions in a row that it has not answered
	uint64_t failing_us; // microseconds since 1970 since then; 0: it answers
	bool resting;        // it is left alone but for trials
	uint32_t average_us; // of its answers, smoothed
};

// What fails for so long is told as an alarm.
#define DISCOVERY_LONG_S 600u

struct discovery_stats {
	uint64_t counters[DISCOVERY_COUNTER_COUNT];
	uint32_t domains;    // followed
	uint32_t discovered; // wanted, and followed by nobody
	uint32_t hosts;
	uint32_t failing;              // followed names whose last question failed
	uint32_t failing_long;         // of these, those that have failed for DISCOVERY_LONG_S
	struct postern_domain example; // one of those; empty: there is none
	uint32_t outstanding;          // questions under way
	uint32_t waiting;              // names that wait for their turn
	uint64_t late_us;              // by how much the name that is longest overdue is; 0: none
	uint64_t memory;               // bytes of what is kept of names
	unsigned n_resolvers;
	struct discovery_resolver_stats resolvers[DISCOVERY_RESOLVERS_MAX];
};

void discovery_read(struct discovery *d, struct discovery_stats *out);
const char *discovery_counter_name(enum discovery_counter c);
const char *discovery_counter_help(enum discovery_counter c);
