// SPDX-License-Identifier: BSD-2-Clause
// The folder's own: how entries lie in memory. What a worker can reach is never changed, only
// replaced, and freed after a grace period.

#pragma once

#include "admit/admit.h"
#include "base/hash.h"

#include <urcu-qsbr.h>
#include <urcu/list.h>
#include <urcu/rculfhash.h>

#include <pthread.h>
#include <string.h>

#define CACHE_LINE 64

// The thread sanitizer does not see how liburcu publishes an entry.
#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#include <sanitizer/tsan_interface.h>
#define admit_published(at) __tsan_acquire(at)
#endif
#endif
#ifndef admit_published
#define admit_published(at) ((void)(at))
#endif

#define NO_OWNER UINT16_MAX

// Suffixes are told apart by their number of labels, up to this many.
#define SUFFIX_DEPTHS 64

// What an operator wrote of a partner's servers: prefixes, and behind them several names, one behind the
// other: a byte of length and the text, no NUL.
struct admit_names {
	uint8_t n;      // all
	bool has_proxy; // the first one is ProxyFqdn, the others are further names
	uint16_t n_prefixes;
	struct postern_prefix prefixes[];
};

static inline const uint8_t *admit_names_first(const struct admit_names *names)
{
	return (const uint8_t *)&names->prefixes[names->n_prefixes];
}

// One organisation's word on a domain.
struct admit_listing {
	uint64_t id;                     // the store's
	const struct admit_names *names; // NULL: neither ProxyFqdn nor further names
	struct postern_peer_tls tls;
	uint16_t organisation;
	uint8_t verification;  // enum postern_verification
	uint8_t admission : 2; // enum postern_admission
	bool blocked : 1;      // else allowed
	bool suffix : 1;
	bool trust_srv : 1;
	bool monitored : 1;
};

struct admit_target {
	uint32_t hash;      // admit_name_hash()
	uint32_t name;      // offset of its text in the facts, bytes
	uint32_t addresses; // likewise, of its struct postern_addr
	uint16_t n_addresses;
	uint16_t priority;
	uint16_t weight;
	uint16_t port;
	uint8_t length; // of its name
};

struct admit_facts {
	uint64_t wall_us;
	uint8_t state; // enum postern_facts_state
	uint8_t n_targets;
	struct admit_target targets[]; // addresses and names lie behind them
};

static inline const struct postern_addr *admit_target_addresses(
	const struct admit_facts *f, const struct admit_target *t)
{
	return (const struct postern_addr *)(const void *)((const char *)f + t->addresses);
}

// Whence a partner has come.
struct admit_learnt {
	unsigned n;
	struct {
		struct postern_addr addr;
		struct admit_learnt_item *item; // control's own
		uint16_t organisation;
	} items[];
};

// The addresses of a server, by its name.
struct admit_host {
	uint64_t wall_us;
	unsigned n;
	struct postern_addr addresses[];
};

// Longest name that lies in the entry itself; a longer one has memory of its own.
#define ENTRY_TEXT 50

// A domain, whoever knows it. A look-up compares the first cache line alone for names of up to 42
// characters; what a decision needs lies in the second.
struct admit_entry {
	struct cds_lfht_node node;
	uint16_t n_listings;
	uint16_t owner; // the organisation whose SIP domain it is, or NO_OWNER
	uint8_t length;
	uint8_t : 8;
	union {
		char near[ENTRY_TEXT];
		const char *far;
	} __attribute__((packed)) text;
	const struct admit_facts *facts;   // NULL: never asked
	const struct admit_host *host;     // NULL: nobody asked for its addresses
	const struct admit_learnt *learnt; // NULL: nothing
	struct admit_home *home;           // NULL: without an index
	union {
		struct admit_listing one;         // n_listings is 1
		const struct admit_listing *many; // sorted by organisation
	};
} __attribute__((aligned(CACHE_LINE)));

_Static_assert(sizeof(struct admit_listing) == 24, "a listing is three words");
_Static_assert(sizeof(struct admit_entry) == 2 * CACHE_LINE, "an entry is two cache lines");

static inline const char *admit_entry_text(const struct admit_entry *e)
{
	return e->length <= ENTRY_TEXT ? e->text.near : e->text.far;
}

struct admit_provider {
	uint64_t id;
	uint32_t hash; // admit_name_hash() of proxy_fqdn
	uint8_t kind;  // enum postern_provider_kind
	uint8_t verification;
	bool enabled;
	bool shared_address_space;
	struct postern_domain proxy_fqdn;
	// control's own
	struct admit_home *home; // NULL: without an index
	const struct postern_prefix *prefixes;
	unsigned n_prefixes;
};

struct admit_organisation {
	struct rcu_head rcu;
	bool present; // its switches have been given
	struct postern_switches switches;
	unsigned n_providers;
	struct admit_provider providers[];
};

struct postern_policy {
	// verdict.c (control: rw, worker: ro)
	struct {
		uint64_t now; // address of the slots, and how many
		uint64_t old; // likewise, of what is being copied; 0: nothing
		uint64_t key[2];
		uint32_t generation; // verdicts of another one are out of date
		bool missing;        // some did not fit
		bool complete;       // all that is known has been entered in the index
	} __attribute__((aligned(CACHE_LINE))) front;
	struct cds_lfht *domains;
	struct cds_lfht_node *buckets; // its own, one array; for reading ahead
	uint64_t bucket_mask;
	struct base_secret secret;
	struct cds_lfht *groups; // the index; NULL: there is none (control: rw, worker: ro)
	// Bit n: there are prefixes of that length, IPv4 and IPv6 (control: rw, worker: ro).
	uint64_t lengths[2][3];
	// Bit n: some entry of n labels (the last one: or more) counts for what is below it.
	uint64_t suffixes; // control: rw, worker: ro
	struct admit_organisation *organisations[POSTERN_ORGANISATIONS_MAX];
	// lost.c (control: rw, worker: ro)
	struct admit_lost lost[ADMIT_LOST];
	uint64_t n_lost;   // ever
	uint64_t n_losing; // the same, grows before the place is written

	// control's own
	pthread_mutex_t lock; // of whoever changes the tables
	uint32_t n_domains;
	uint32_t limit;
	uint32_t n_suffixes[SUFFIX_DEPTHS];
	uint32_t n_lengths[2][129];
	unsigned organisations_end; // above every id that has been seen
	struct cds_list_head homes; // of all domains
	struct admit_verdicts *verdicts, *verdicts_old;
	struct cds_list_head learnt; // the one that was heard of longest ago first
	uint32_t n_learnt;
	struct cds_list_head *sweep_at; // among them; NULL: nothing to look at again
	bool sweep_again;
	bool index_built; // everybody has a home
	bool filling;     // the sweep enters what was there before the index
	bool by_dns;      // the change under way is none of an operator's
	uint64_t blobs;   // bytes outside of the arena; also changed by liburcu's thread

	// of entries: control and liburcu's thread
	pthread_mutex_t arena_lock;
	struct admit_entry *arena;
	uint32_t arena_size, arena_used; // entries
	void *arena_free;
};

// What the tables hold about one question's domain, before anything is decided.
struct admit_known {
	const struct admit_organisation *organisation; // NULL: there is none
	const struct admit_facts *facts;               // NULL: never asked
	const struct admit_learnt *learnt;
	const struct admit_listing *allowed;     // the longest that covers the domain, or NULL
	const struct admit_entry *allowed_entry; // whose listing that is
	const struct admit_listing *blocked;     // likewise
	bool own;
	bool placed; // the address is where the operator says that the allowed domain comes from
};

// ---- the index: from names and addresses to partners

enum admit_key_kind {
	ADMIT_NAME,
	ADMIT_V4,
	ADMIT_V6,
};

struct admit_key {
	uint16_t organisation;
	uint8_t kind;
	uint8_t length;           // of the name in bytes, of the prefix in bits of its family
	const char *text;         // of a name
	struct postern_addr addr; // of a prefix, other bits 0
};

enum admit_home_kind {
	ADMIT_HOME_DOMAIN,
	ADMIT_HOME_PROVIDER,
	ADMIT_HOME_HOST, // a name that has addresses
};

// Whoever has names and addresses; it stays while its entry is replaced.
struct admit_home {
	struct rcu_head rcu;
	struct postern_policy *policy;
	const struct admit_entry *entry; // of a domain (control: rw, worker: ro)
	const struct admit_group *name;  // of a host
	uint64_t provider;               // id
	uint8_t kind;                    // enum admit_home_kind
	// control's own
	struct cds_list_head members;
	struct cds_list_head all; // domains, in policy->homes
};

// All that have one name, or one prefix, in one organisation.
struct admit_group {
	struct cds_lfht_node node;
	const struct admit_home *first; // whom to ask (control: rw, worker: ro)
	uint16_t organisation;
	uint8_t kind;
	uint8_t length;
	// control's own
	bool good; // who is asked first was admitted when last looked at; else nobody was
	bool kept;
	struct admit_home *host; // of a name whose addresses are known
	struct cds_list_head members;
	struct postern_policy *policy;
	struct rcu_head rcu;
	char key[]; // the name, or the address
};

struct admit_member {
	struct cds_list_head in_group;
	struct cds_list_head in_home;
	struct admit_group *group;
	struct admit_home *home;
	bool again; // the same home is in that group by another member
};

// New members of a home, made while the old ones are still there.
struct admit_plan {
	struct postern_policy *policy;
	struct admit_home *home;
	struct cds_list_head members;
};

static inline uint32_t admit_name_hash(const char *text, size_t length)
{
	return (uint32_t)base_hash_agreed(text, length);
}

static inline bool admit_name_equal(const char *a, size_t a_length, const char *b, size_t b_length)
{
	return a_length == b_length && memcmp(a, b, a_length) == 0;
}

// decide.c: the rows. A pure function of what it is given.
void admit_judge(
	const struct admit_known *k, const struct postern_question *q, struct postern_answer *a);

// The same where there is no D: a provider by its id, the default route, nobody (rows 0 and 1 apart).
void admit_judge_provider(const struct admit_organisation *o, uint64_t provider,
	const struct postern_question *q, struct postern_answer *a);
void admit_judge_route(const struct admit_organisation *o, const struct postern_question *q,
	struct postern_answer *a);
void admit_judge_nobody(const struct admit_organisation *o, struct postern_answer *a);

// table.c. Within a read-side; what is found holds until its end. Whoever changes holds the lock.
struct admit_entry *admit_table_find(
	const struct postern_policy *p, const char *text, size_t length);
// The same for several names at once, whose cache misses then overlap: n is at most ADMIT_BURST.
#define ADMIT_BURST 64
void admit_table_find_burst(const struct postern_policy *p, const struct postern_name *names,
	const struct admit_entry **out, unsigned n);
void admit_table_add(struct postern_policy *p, struct admit_entry *e);
void admit_table_replace(struct postern_policy *p, struct admit_entry *old, struct admit_entry *e);
void admit_table_remove(struct postern_policy *p, struct admit_entry *e);

// What is known of a domain whose entry has been found (NULL: it has none).
void admit_table_gather_entry(const struct postern_policy *p, uint16_t organisation,
	const struct admit_entry *e, const struct postern_domain *domain, struct admit_known *k);
// NULL: there is none, or its switches have not been given.
const struct admit_organisation *admit_organisation_of(
	const struct postern_policy *p, uint16_t organisation);

// Labels of a name, at most SUFFIX_DEPTHS.
unsigned admit_table_depth(const char *text, size_t length);

// entry.c: making and giving back, under the lock; an entry belongs to its caller until it is published.

// NULL: no memory.
struct admit_entry *admit_entry_new(struct postern_policy *p, const char *text, size_t length);
// What hangs on the old one hangs on the new one too.
struct admit_entry *admit_entry_copy(struct postern_policy *p, const struct admit_entry *old);
// One that was never published; with_text: nor was one that it is a copy of.
void admit_entry_discard(struct postern_policy *p, struct admit_entry *e, bool with_text);

const struct admit_listing *admit_entry_listings(const struct admit_entry *e);
// The word of an organisation on an entry's domain, or NULL.
const struct admit_listing *admit_entry_listing(const struct admit_entry *e, uint16_t organisation);

// Memory beside entries, counted. NULL: none left.
void *admit_blob_new(struct postern_policy *p, size_t size);
void admit_blob_free(struct postern_policy *p, const void *blob);

int admit_arena_new(struct postern_policy *p, uint32_t limit);
void admit_arena_free(struct postern_policy *p);

// What a change leaves behind: at most the old entry's slot, its text, its listings, an organisation's
// names and the facts.
#define ADMIT_GONE_BLOBS 4

struct admit_gone {
	struct rcu_head rcu;
	struct postern_policy *policy;
	struct admit_entry *entry;
	const void *blobs[ADMIT_GONE_BLOBS];
	unsigned n_blobs;
};

// Room for it, taken before the change, which then cannot fail. NULL: no memory.
struct admit_gone *admit_gone_new(struct postern_policy *p);
// Frees it and all that it holds when no reader can see that any more.
void admit_gone_later(struct admit_gone *g);

// facts.c: a copy of what control says. NULL: no memory.
const struct admit_facts *admit_facts_new(struct postern_policy *p, const struct postern_facts *f);

// Changes begin and end with these: the lock, and a place among the readers.
void admit_policy_enter(struct postern_policy *p);
void admit_policy_leave(struct postern_policy *p);

// ask.c: questions by an address, and such without D. Within a read-side.
void admit_judge_known(const struct postern_policy *p, const struct admit_known *k,
	const struct postern_question *q, struct postern_answer *a);
void admit_ask(
	const struct postern_policy *p, const struct postern_question *q, struct postern_answer *a);
// Whether a group's name or address gets this one of it admitted, and what he is told.
bool admit_home_is_admitted(const struct postern_policy *p, const struct admit_group *g,
	const struct admit_home *home, struct postern_answer *a);

// verdict.c: what is decided of addresses and prefixes beforehand. Workers: false if it is not known, or out
// of date; the row is NONE if nobody has the key.
bool admit_verdict_find(
	const struct postern_policy *p, const struct admit_key *key, struct admit_verdict *out);
// True if the address itself is known to be admitted.
bool admit_verdict_admits(const struct postern_policy *p, uint16_t organisation,
	const struct postern_addr *address, struct admit_verdict *out);
// Under the lock; nothing is done for a group that has a name.
void admit_verdict_set(
	struct postern_policy *p, const struct admit_group *g, const struct postern_answer *a);
void admit_verdict_remove(struct postern_policy *p, const struct admit_group *g);
// Goes on with a copy that is under way.
void admit_verdicts_move(struct postern_policy *p, unsigned budget);
int admit_verdicts_new(struct postern_policy *p);   // -ENOMEM
void admit_verdicts_free(struct postern_policy *p); // when nobody reads or waits
uint64_t admit_verdicts_memory(const struct postern_policy *p);

// learnt.c
bool admit_learnt_has(
	const struct admit_learnt *l, uint16_t organisation, const struct postern_addr *address);
void admit_learnt_free(struct postern_policy *p);
// change.c: another list for a domain (NULL: none), which is taken; -ENOMEM, -ENOSPC: it is not.
int admit_entry_set_learnt(struct postern_policy *p, const struct postern_domain *d,
	const struct admit_learnt *learnt);

// lost.c, under the lock: nobody of a group is admitted any more; or perhaps of any.
void admit_lose(struct postern_policy *p, const struct admit_group *g);
void admit_lose_all(struct postern_policy *p);

// index.c. Finding within a read-side; all else under the lock.
void admit_key_of_name(struct admit_key *k, uint16_t organisation, const char *text, size_t length);
void admit_key_of_prefix(
	struct admit_key *k, uint16_t organisation, const struct postern_addr *a, unsigned length);
struct admit_group *admit_index_find(const struct postern_policy *p, const struct admit_key *k);

struct admit_home *admit_home_new(struct postern_policy *p, enum admit_home_kind kind);
// Something has changed about one who is in the index.
void admit_look_at_all(struct postern_policy *p, const struct admit_home *home);
void admit_home_drop(
	struct postern_policy *p, struct admit_home *home); // freed after a grace period

// A plan makes members (-ENOMEM: undo it), then takes the place of those that the home has; that cannot
// fail.
void admit_plan_begin(struct admit_plan *plan, struct postern_policy *p, struct admit_home *home);
int admit_plan_want(struct admit_plan *plan, const struct admit_key *k);
void admit_plan_undo(struct admit_plan *plan);
void admit_plan_commit(struct admit_plan *plan);

// policy.c: the index, empty. -ENOMEM.
int admit_index_new(struct postern_policy *p);
// organisation.c: enters its providers in the index. -ENOMEM.
int admit_organisation_index(struct postern_policy *p, uint16_t organisation);

// derive.c: plans. 0 or -ENOMEM, and then nothing is planned.
int admit_domain_plan(struct admit_plan *plan, struct postern_policy *p, struct admit_home *home,
	const struct admit_entry *e);
int admit_provider_plan(struct admit_plan *plan, struct postern_policy *p, struct admit_home *home,
	uint16_t organisation, const struct admit_provider *v);
// Addresses of a name's host as they are now (NULL: none).
int admit_host_derive(
	struct postern_policy *p, struct admit_group *name, const struct admit_host *host);
// All domains are to be looked at again by postern_policy_work().
void admit_sweep_begin(struct postern_policy *p);
