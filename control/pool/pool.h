// SPDX-License-Identifier: BSD-2-Clause
// Pools and their members at run time: probing, what the dataplane saw, what the operator said,
// and the health word that follows from the three. Control thread only.

#pragma once

#include "control/config/config.h"

#include "postern/dataplane.h"

#include <stdbool.h>
#include <stdint.h>

struct event_base;

enum pool_admin {
	POOL_ADMIN_READY, // takes new sessions while it is healthy
	POOL_ADMIN_DRAIN, // takes no new ones, keeps those it has
	POOL_ADMIN_MAINT, // takes none, those it has are reset, is not probed
};

enum pool_health {
	POOL_HEALTH_UNKNOWN, // no probe has ended yet: taken for healthy, so that a start loses nothing
	POOL_HEALTH_UP,
	POOL_HEALTH_DOWN,
};

#define POOL_WEIGHT_FILE (-1)
#define POOL_WEIGHT_MAX  256 // as in the configuration

struct pool_member {
	const struct pool *pool;
	uint16_t id;
	char name[POSTERN_NAME_SIZE];
	struct postern_endpoint at;
	char *fqdn;                          // NULL: none
	uint32_t weight;                     // that holds: the operator's word, or else the file's
	uint32_t weight_file;                // as the configuration says
	int32_t weight_set;                  // as an operator has set it; POOL_WEIGHT_FILE: not
	const struct config_probe *settings; // how it is probed: its own, or its pool's
	enum pool_admin admin;
	enum pool_health health;
	uint64_t since_ms;  // monotonic time of the last change of health or admin
	char why[160];      // the last change or the last probe's result, in words
	uint32_t probes_ok; // since start
	uint32_t probes_failed;
	uint32_t last_probe_ms;   // how long the last probe took; 0 before the first
	struct pool_probe *probe; // probe.c's own
};

struct pool {
	uint16_t id;
	char name[POSTERN_NAME_SIZE];
	struct pool_member **members;
	uint16_t n_members;
	const struct config_pool *config; // of the configuration that runs
};

struct pool_set;

// What the owner is told. `changed` comes after a member's health word has changed.
struct pool_callbacks {
	void (*changed)(void *user, const struct pool_member *member);
	// What the operator has said of a member that comes into the set; NULL: all are ready.
	enum pool_admin (*admin)(void *user, const struct pool_member *member);
	// The weight that he has set, or POOL_WEIGHT_FILE; NULL: none is set.
	int32_t (*weight)(void *user, const struct pool_member *member);
	void *user;
};

// An empty set. The event base outlives it. Freeing stops every probe.
struct pool_set *pool_set_new(struct event_base *base, const struct pool_callbacks *callbacks);
void pool_set_free(struct pool_set *set);

// Gives the set its dataplane: from here on health words are written there and events are read.
void pool_set_attach(struct pool_set *set, struct postern_dataplane *dp);

// Makes the set equal to the configuration: members are recognised by pool, name and address and
// keep id, health and administrative state; new ones get an id that is free; removed ones get
// POSTERN_MEMBER_RESET and their id comes back when the dataplane says that it is idle.
// Certificates and keys are loaded anew. -ENOSPC when ids have run out, -EINVAL when TLS files
// cannot be loaded (`why` says which and why); the set is unchanged then.
int pool_set_apply(struct pool_set *set, const struct config *config, char *why, size_t size);

// Loads the files that the pools and services of a configuration name, for nothing but to say what is wrong with them.
// 0; -EINVAL with every mistake; or -ENOMEM. What works but should not stay so is a warning.
int pool_tls_check(const struct config *config, struct config_errors *mistakes,
	struct config_errors *warnings);

// Pools in the order of the configuration; NULL past the end.
const struct pool *pool_set_at(const struct pool_set *set, unsigned index);
const struct pool *pool_set_find(const struct pool_set *set, const char *name);
struct pool_member *pool_member_find(const struct pool *pool, const char *name);

// The member that has an id now, or NULL.
const struct pool_member *pool_set_member(const struct pool_set *set, uint16_t id);

// When the certificate that a pool's probes show ends, in seconds since 1970; 0: it has none.
int64_t pool_certificate_end(const struct pool *pool);
// What is trusted of its members, as it was loaded; the pool's. NULL: it has no TLS.
struct x509_store_st *pool_trust(const struct pool *pool);

// Changes what the operator said of a member; takes effect at once.
void pool_member_set_admin(struct pool_set *set, struct pool_member *m, enum pool_admin admin);

// Sets the weight, or with POOL_WEIGHT_FILE leaves it to the configuration. Shares of new sessions follow
// from the next snapshot on.
void pool_member_set_weight(struct pool_set *set, struct pool_member *m, int32_t weight);

// The health word as it follows from health, administrative state and the pool's on-down, all-down
// and slow-start.
uint32_t pool_member_word(const struct pool_member *m);

// The part of its share of new sessions that a member takes, in per cent: less than 100 while it warms
// up.
unsigned pool_member_share(const struct pool_member *m);

const char *pool_admin_name(enum pool_admin a);
const char *pool_health_name(enum pool_health h);
int pool_admin_parse(const char *name); // enum pool_admin, or -EINVAL

// Builds a Maglev table (NSDI 2016, 3.4) over `n` members with their names, weights and ids. The
// size is the smallest of a fixed list of primes that is at least 100 times n (so that the shares
// differ by at most one per cent) and at least 65537. Names and weights alone decide the
// outcome, not the order in which they come, so that two appliances with the same file agree.
// Members of weight 0 get no slot. Returns 0 with *out filled (size 0 if there is nothing to
// put in), or -ENOMEM.
struct pool_maglev_input {
	const char *name;
	uint32_t weight;
	uint16_t id;
};

int pool_maglev_build(
	const struct pool_maglev_input *members, unsigned n, struct postern_maglev *out);
