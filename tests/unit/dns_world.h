// SPDX-License-Identifier: BSD-2-Clause
// A world for discovery to ask: a clock that the test turns, resolvers that answer from a list of
// records, or fail, or stay silent.

#pragma once

#include "control/discovery/private.h"
#include "dns_answer.h"

// Microseconds.
#define SECOND 1000000u
#define MINUTE (60 * (uint64_t)SECOND)

#define WORLD_RECORDS 4096
#define WORLD_PENDING 8192

enum world_mood {
	WORLD_ANSWERS,
	WORLD_FAILS, // SERVFAIL
	WORLD_BOGUS, // SERVFAIL, with the extended error
	WORLD_SILENT,
	WORLD_RUBBISH, // bytes that are no answer
	WORLD_REFUSES, // cannot be reached
};

struct world_record {
	char name[300];           // "" : none
	enum discovery_type type; // 5: an alias
	uint32_t ttl;
	unsigned priority, weight, port;
	char data[256]; // target or address
};

struct world {
	struct discovery *d;
	struct postern_policy *tables;
	uint64_t now;
	uint32_t seed;
	struct world_record records[WORLD_RECORDS];
	unsigned n_records;
	enum world_mood resolver[DISCOVERY_RESOLVERS_MAX];
	// A name (and what lies below it) with a mood of its own.
	char odd[256];
	enum world_mood odd_mood;
	uint32_t negative_ttl;
	uint64_t latency_us;
	struct {
		struct try *t;
		uint64_t at_us;
		unsigned resolver;
		uint8_t bytes[WIRE_QUERY_MAX];
		size_t n;
	} pending[WORLD_PENDING];
	unsigned n_pending;
	unsigned most_pending;
	uint64_t asked; // questions
	uint64_t asked_of[DISCOVERY_RESOLVERS_MAX];
	struct dns_answer answer;
};

// With tables, and `resolvers` of them that answer.
struct world *world_new(unsigned resolvers, struct discovery_settings *settings);
void world_free(struct world *w);
void world_srv(struct world *w, const char *domain, uint32_t ttl, unsigned priority,
	unsigned weight, const char *target);
void world_address(struct world *w, const char *host, uint32_t ttl, const char *address);
void world_alias(struct world *w, const char *name, uint32_t ttl, const char *target);
// All records of a name; for a domain those of its service.
void world_forget(struct world *w, const char *name);
// A partner with one server of both families.
void world_fabrikam(struct world *w);
// What the tables know of a domain; -ENOENT: nobody has asked about it.
int world_facts(struct world *w, const char *domain, struct postern_facts_copy *out);
uint64_t world_counted(struct world *w, enum discovery_counter c);
// Lets time go by.
void world_run(struct world *w, uint64_t us);
// Names with a parse.
struct postern_domain world_name(const char *text);
// Allows a domain in organisation 1.
void world_follow(struct world *w, const char *domain, const char *proxy_fqdn);
