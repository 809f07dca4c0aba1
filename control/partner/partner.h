// SPDX-License-Identifier: BSD-2-Clause
// Testing a partner from the appliance's own place: where DNS says its servers are, and what each of
// them does, step by step. Nothing of it changes anything. Control thread only; errors are negative
// errno.

#pragma once

#include "control/partner/peer.h"

#include <jansson.h>

struct config;
struct discovery;
struct event_base;
struct partner_set;
struct partner_identities;
struct partner_test;

// What runs at once; a test has up to 8 connections, and lasts as long as two DNS questions and the
// three waits of a connection, some 20 s at most.
#define PARTNER_TESTS_MAX   4
#define PARTNER_SERVERS_MAX 8 // SRV targets that are looked for, the first ones
#define PARTNER_TRIES_MAX   8 // addresses that are connected to, likewise

// The port of entries that name a server (ProxyFqdn).
#define PARTNER_PORT 5061

// The base and the discovery outlive it.
int partner_set_new(struct event_base *base, struct discovery *discovery, struct partner_set **out);
// Ends all tests; nobody is called. NULL is fine.
void partner_set_free(struct partner_set *set);

// Loads what the services of a configuration show and trust. -EINVAL with `why`; -ENOMEM. The two halves
// of a reload: nothing changes before partner_set_use(), which cannot fail.
int partner_identities_load(
	const struct config *config, struct partner_identities **out, char *why, size_t size);
void partner_identities_free(struct partner_identities *identities);
void partner_set_use(struct partner_set *set, struct partner_identities *identities);

// What a service trusts, as it was loaded; the set's, until the next partner_set_use(). NULL: nothing is.
X509_STORE *partner_set_trust(const struct partner_set *set, const char *service);

// All of it is copied.
struct partner_test_question {
	struct postern_domain domain;
	struct postern_domain server; // that it is to be reached at, without SRV; empty: SRV tells
	struct postern_domain
		provider; // an SRV target that counts though it is outside of the domain
	bool any_target;  // so do all (trust-srv)
	const struct postern_domain *names; // further ones that count as its server's
	unsigned n_names;
	struct postern_peer_tls tls;
	const char *service; // whose identity is shown; NULL: none
	const char *own;     // its name; NULL: none
	const char *from;    // our SIP domain
};

// `done` is called once, not before the return, unless the test is freed before. -EBUSY: as many run
// as may.
int partner_test_new(struct partner_set *set, const struct partner_test_question *q,
	void (*done)(void *user), void *user, struct partner_test **out);
// At any time, from `done` too. NULL is fine.
void partner_test_free(struct partner_test *t);

// ---- What came of it, once it is done

// One server that DNS, or the policy, has named.
struct partner_server {
	struct postern_domain name;
	uint16_t priority, weight, port;
	bool outside;             // of the domain, and not connected to for that
	struct partner_step step; // ADDRESS
};

struct partner_report {
	bool by_name; // no SRV was asked for
	struct partner_step srv;
	struct partner_server servers[PARTNER_SERVERS_MAX];
	unsigned n_servers;
	unsigned more; // addresses that were not tried
	struct {
		unsigned server; // index
		struct postern_endpoint at;
		const struct partner_peer_report *peer;
	} tries[PARTNER_TRIES_MAX];
	unsigned n_tries;
};

const struct partner_report *partner_test_report(const struct partner_test *t);

// "failed": nothing works; "partly"; "ok".
const char *partner_report_verdict(const struct partner_report *r);

// Adds "verdict", "steps" and "text" to an object that has "domain", "organisation", and "decision": an
// object with the texts "decision", "row" and "why". -ENOMEM.
int partner_report_write(const struct partner_report *r, json_t *to);
