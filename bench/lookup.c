// SPDX-License-Identifier: BSD-2-Clause
// Looking domains up: nanoseconds each in the partners' table and in rte_hash, over the same names.
// Prints one JSON object a line; bench/lookup makes figures of them.

#include "admit/private.h"
#include "base/arena.h"

#include <rte_eal.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_memory.h>

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#define KEY       64
#define BURST     32
#define ROUNDS    9
#define LOOKUPS   (1u << 20) // a round
#define CHANGES   10000      // a second, by the writer
#define READER    0          // CPUs
#define WRITER    1
#define LOAD_STEP 256

struct key {
	char text[KEY];
};

static struct key *names; // in the tables
static struct key *hits, *misses;
static const struct key *queries; // one of the two, in the order of asking
static uint32_t order[LOOKUPS];   // of addresses

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint32_t draw(uint32_t n)
{
	static uint64_t x = 88172645463325252u;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (uint32_t)(((x >> 32) * n) >> 32);
}

static void name_of(struct key *k, uint32_t i, bool hit)
{
	// Of the lengths that names of companies have: 18 to 34 characters.
	memset(k, 0, sizeof(*k));
	snprintf(k->text, KEY, "%s%.*s-%07u.example.com", hit ? "p" : "q", (int)(i % 17),
		"abcdefghijklmnopq", i);
}

static void make_queries(struct key *out, uint32_t n, bool hit)
{
	for (uint32_t i = 0; i < LOOKUPS; i++)
		name_of(&out[i], draw(n), hit);
}

static void pin(unsigned cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) != 0)
		perror("sched_setaffinity");
}

// ---- what is measured: each looks all queries up and returns how many it has found

static struct postern_policy *policy;
static struct rte_hash *hash;

static unsigned by_table(void)
{
	unsigned found = 0;

	for (unsigned i = 0; i < LOOKUPS; i++) {
		const char *text = queries[i].text;
		const struct admit_entry *e = admit_table_find(policy, text, strlen(text));

		found += e != NULL && e->n_listings > 0;
		if ((i & 255) == 0)
			rcu_quiescent_state();
	}
	return found;
}

static unsigned by_table_burst(void)
{
	unsigned found = 0;

	for (unsigned i = 0; i < LOOKUPS; i += BURST) {
		struct postern_name wanted[BURST];
		const struct admit_entry *e[BURST];

		for (unsigned k = 0; k < BURST; k++) {
			const char *text = queries[i + k].text;

			wanted[k] = (struct postern_name){text, (uint8_t)strlen(text)};
		}
		admit_table_find_burst(policy, wanted, e, BURST);
		for (unsigned k = 0; k < BURST; k++)
			found += e[k] != NULL && e[k]->n_listings > 0;
		rcu_quiescent_state();
	}
	return found;
}

static unsigned by_decision(void)
{
	const struct postern_name proved = {"edge.example.net", 16};
	unsigned found = 0;

	for (unsigned i = 0; i < LOOKUPS; i++) {
		struct postern_domain d;
		struct postern_answer a;

		if (postern_domain_parse(queries[i].text, strlen(queries[i].text), &d) < 0)
			abort();
		const struct postern_question q = {
			.organisation = 1,
			.domain = &d,
			.names = &proved,
			.n_names = 1,
		};

		admit_decide(policy, &q, &a);
		found += a.outcome == POSTERN_ADMIT;
		if ((i & 255) == 0)
			rcu_quiescent_state();
	}
	return found;
}

static unsigned by_hash(void)
{
	unsigned found = 0;

	for (unsigned i = 0; i < LOOKUPS; i++) {
		const int at = rte_hash_lookup(hash, &queries[i]);

		found += at >= 0 && names[at].text[0] != 0;
	}
	return found;
}

static unsigned by_hash_bulk(void)
{
	unsigned found = 0;

	for (unsigned i = 0; i < LOOKUPS; i += BURST) {
		const void *keys[BURST];
		int32_t at[BURST];

		for (unsigned k = 0; k < BURST; k++)
			keys[k] = &queries[i + k];
		rte_hash_lookup_bulk(hash, keys, BURST, at);
		for (unsigned k = 0; k < BURST; k++)
			found += at[k] >= 0;
	}
	return found;
}

static void measure(const char *what, unsigned (*all)(void), uint32_t n, bool hit, bool writer)
{
	const uint64_t from = now_ns();
	const unsigned found = all();
	const double ns = (double)(now_ns() - from) / LOOKUPS;

	if (found != (hit ? LOOKUPS : 0)) {
		fprintf(stderr, "%s found %u of %u\n", what, found, LOOKUPS);
		exit(1);
	}
	printf("{\"what\": \"%s\", \"entries\": %u, \"hit\": %s, \"writer\": %s, \"ns\": %.2f}\n",
		what, n, hit ? "true" : "false", writer ? "true" : "false", ns);
	fflush(stdout);
}

// ---- the writer

static volatile bool writing;
static uint32_t n_entries;
static uint64_t changes, changes_ns; // of all rounds

static void fill(struct postern_allowed *a, uint32_t i)
{
	struct key k;

	memset(a, 0, sizeof(*a));
	name_of(&k, i, true);
	a->id = i + 1;
	if (postern_domain_parse(k.text, strlen(k.text), &a->domain) < 0 ||
		postern_domain_parse("edge.example.net", 16, &a->proxy_fqdn) < 0)
		abort();
}

static void *write_on(void *unused)
{
	(void)unused;
	pin(WRITER);
	const uint64_t from = now_ns();
	uint64_t at = from;

	while (writing) {
		struct postern_allowed a;

		fill(&a, (uint32_t)((changes * 7919) % n_entries));
		if (postern_policy_set_allowed(policy, 1, &a) < 0)
			abort();
		changes++;
		at += 1000000000u / CHANGES;
		const struct timespec t = {
			.tv_sec = (time_t)(at / 1000000000u),
			.tv_nsec = (long)(at % 1000000000u),
		};

		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
	}
	changes_ns += now_ns() - from;
	return NULL;
}

// ---- the tables

static void load(uint32_t n)
{
	const struct postern_policy_limits limits = {.domains = n};
	struct postern_allowed *a = calloc(LOAD_STEP, sizeof(*a));
	struct postern_switches s;
	uint64_t ns = 0;
	size_t done;

	if (a == NULL || postern_policy_new(&limits, &policy) < 0)
		abort();
	postern_switches_default(&s);
	s.allow_federated_users = true;
	postern_policy_set_organisation(policy, 1, &s);
	for (uint32_t i = 0; i < n; i += LOAD_STEP) {
		const uint32_t step = n - i < LOAD_STEP ? n - i : LOAD_STEP;

		for (uint32_t k = 0; k < step; k++)
			fill(&a[k], i + k);
		const uint64_t from = now_ns();

		if (postern_policy_load_allowed(policy, 1, a, step, &done) < 0)
			abort();
		ns += now_ns() - from;
	}
	free(a);
	struct postern_policy_stats stats;

	postern_policy_read(policy, &stats);
	printf("{\"what\": \"load\", \"entries\": %u, \"ns\": %" PRIu64 ", \"bytes\": %" PRIu64
	       "}\n",
		n, ns, stats.memory);
}

// ---- by address: each partner with a server and an address of his own

static struct postern_addr address_of(uint32_t i)
{
	return postern_addr_from_v4(__builtin_bswap32(0x0a000000u + i));
}

static unsigned by_address(void)
{
	unsigned found = 0;

	for (unsigned i = 0; i < LOOKUPS; i++) {
		const struct postern_question q = {
			.organisation = 1,
			.proof = POSTERN_PROOF_ADDRESS,
			.address = address_of(order[i]),
		};
		struct postern_answer a;

		admit_decide(policy, &q, &a);
		found += a.outcome == POSTERN_ADMIT;
		if ((i & 255) == 0)
			rcu_quiescent_state();
	}
	return found;
}

// Partners that DNS has found, each at one address.
static void load_found(uint32_t n)
{
	const struct postern_policy_limits limits = {.domains = n, .index = true};
	struct postern_policy_stats stats;
	struct postern_switches s;
	uint64_t ns = 0;

	if (postern_policy_new(&limits, &policy) < 0)
		abort();
	postern_switches_default(&s);
	s.allow_federated_users = true;
	postern_policy_set_organisation(policy, 1, &s);
	for (uint32_t i = 0; i < n; i++) {
		const struct postern_addr at = address_of(i);
		struct postern_target t = {.port = 5061, .addresses = &at, .n_addresses = 1};
		const struct postern_facts f = {
			.state = POSTERN_FACTS_GOOD, .targets = &t, .n_targets = 1};
		struct postern_allowed a;

		fill(&a, i);
		a.proxy_fqdn.length = 0;
		t.name = a.domain;
		const uint64_t from = now_ns();

		if (postern_policy_set_allowed(policy, 1, &a) < 0 ||
			postern_policy_set_facts(policy, &a.domain, &f) < 0)
			abort();
		ns += now_ns() - from;
	}
	postern_policy_read(policy, &stats);
	printf("{\"what\": \"load-found\", \"entries\": %u, \"ns\": %" PRIu64
	       ", \"bytes\": %" PRIu64 "}\n",
		n, ns, stats.memory);
}

static void one_size_by_address(uint32_t n)
{
	load_found(n);
	for (uint32_t i = 0; i < LOOKUPS; i++)
		order[i] = draw(n);
	rcu_register_thread();
	for (unsigned i = 0; i < ROUNDS; i++)
		measure("address", by_address, n, true, false);
	for (uint32_t i = 0; i < LOOKUPS; i++)
		order[i] += n;
	for (unsigned i = 0; i < ROUNDS; i++)
		measure("address", by_address, n, false, false);
	rcu_unregister_thread();
	postern_policy_free(policy);
}

static void hash_load(uint32_t n)
{
	const struct rte_hash_parameters parameters = {
		.name = "names",
		.entries = n,
		.key_len = KEY,
		.hash_func = rte_hash_crc,
		.socket_id = SOCKET_ID_ANY,
	};

	hash = rte_hash_create(&parameters);
	if (hash == NULL)
		abort();
	for (uint32_t i = 0; i < n; i++) {
		name_of(&names[i], i, true);
		// A table of n entries need not take all n; the rest is not asked for below.
		if (rte_hash_add_key(hash, &names[i]) < 0) {
			fprintf(stderr, "rte_hash is full at %u of %u\n", i, n);
			exit(1);
		}
	}
}

static void start_writing(pthread_t *thread)
{
	writing = true;
	if (pthread_create(thread, NULL, write_on, NULL) != 0)
		abort();
}

static void stop_writing(pthread_t thread)
{
	writing = false;
	pthread_join(thread, NULL);
}

// Each thing once, so that what the machine does meanwhile meets all of them.
static void one_round(uint32_t n)
{
	pthread_t writer;

	queries = hits;
	measure("table", by_table, n, true, false);
	measure("rte_hash", by_hash, n, true, false);
	start_writing(&writer);
	measure("table", by_table, n, true, true);
	measure("table-burst", by_table_burst, n, true, true);
	stop_writing(writer);
	measure("table-burst", by_table_burst, n, true, false);
	measure("rte_hash-bulk", by_hash_bulk, n, true, false);
	measure("decision", by_decision, n, true, false);
	queries = misses;
	measure("table", by_table, n, false, false);
	measure("rte_hash", by_hash, n, false, false);
}

static void one_size(uint32_t n)
{
	load(n);
	hash_load(n);
	make_queries(hits, n, true);
	make_queries(misses, n, false);
	n_entries = n;
	changes = changes_ns = 0;
	rcu_register_thread();
	for (unsigned i = 0; i < ROUNDS; i++)
		one_round(n);
	rcu_unregister_thread();
	printf("{\"what\": \"changes\", \"entries\": %u, \"rate\": %.0f}\n", n,
		(double)changes * 1e9 / (double)changes_ns);
	rte_hash_free(hash);
	postern_policy_free(policy);
}

// rte_hash lies in huge pages as the table does, also where EAL has none of its own.
static int advise(const struct rte_memseg_list *list, void *unused)
{
	(void)unused;
	madvise(list->base_va, list->len, MADV_HUGEPAGE);
	return 0;
}

int main(int argc, char **argv)
{
	char *eal[] = {argv[0], "--no-huge", "--no-shconf", "--no-pci", "-m", "1024", "--log-level",
		"error", "-l", "0"};

	(void)argc;
	if (rte_eal_init((int)(sizeof(eal) / sizeof(eal[0])), eal) < 0)
		return 1;
	rte_memseg_list_walk(advise, NULL);
	names = base_arena_map((size_t)1000000 * KEY);
	hits = base_arena_map((size_t)LOOKUPS * KEY);
	misses = base_arena_map((size_t)LOOKUPS * KEY);
	if (names == NULL || hits == NULL || misses == NULL)
		return 1;
	// liburcu's thread goes where the writer is.
	pin(WRITER);
	get_default_call_rcu_data();
	pin(READER);
	one_size(1000);
	one_size(1000000);
	one_size_by_address(1000);
	one_size_by_address(1000000);
	rte_eal_cleanup();
	return 0;
}
