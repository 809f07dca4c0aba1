// SPDX-License-Identifier: BSD-2-Clause
// The table of admission a second time, over a world of a few names: policies are sets of bits, rows
// are data. Written from dataplane/admit/README.md alone, to be compared with the real one.

#pragma once

#include "postern/policy.h"

// Names of the small world: first those that speak as domains, then those that are only servers.
#define MODEL_DOMAINS   10
#define MODEL_NAMES     18
#define MODEL_PROVIDERS 4

extern const char *const model_names[MODEL_NAMES];

typedef uint32_t model_set; // bit n: model_names[n]

enum model_listed {
	MODEL_UNLISTED,
	MODEL_ALLOWED,
	MODEL_BLOCKED,
};

struct model_domain {
	enum model_listed listed;
	bool suffix, trust_srv, monitored, own;
	int proxy; // name, or -1
	model_set further;
	enum postern_verification level;
	enum postern_admission admission;
	bool asked; // facts are there at all
	enum postern_facts_state facts;
	model_set targets;
};

struct model_provider {
	bool exists, public, enabled, shared;
	int proxy;
	enum postern_verification level;
};

struct model_policy {
	bool present, on, discovery;
	enum postern_verification discovered;
	int route; // name, or -1
	enum postern_verification route_level;
	struct model_domain domains[MODEL_DOMAINS];
	struct model_provider providers[MODEL_PROVIDERS];
};

struct model_question {
	bool outbound, assumed;
	int domain;
	model_set proved;
	enum postern_partner_type type;
	enum postern_mark mark;
};

// What must come out. Several providers may be meant by a row; any of them may be named.
struct model_answer {
	enum postern_row row;
	enum postern_outcome outcome;
	enum postern_reason reason;
	enum postern_partner_type type;
	enum postern_mark mark;
	bool watched, monitored;
	enum postern_admission admission;
	int allowed;        // domain whose entry D comes under, or -1
	int blocked;        // likewise, when row 2 refuses
	unsigned providers; // bit n: may be named; 0: none is
};

// How the level of each provider that may be named would mark the message makes the answer depend on
// which one was named: `named` is that one, or -1.
void model_decide(const struct model_policy *p, const struct model_question *q, int named,
	struct model_answer *a);
