// SPDX-License-Identifier: BSD-2-Clause
// What a configuration wants of the world around it: names in DNS, certificates, open ports, commands
// for the inside, and what a partner is told. Pure functions from what is configured to JSON objects,
// and writers of those for people and for DNS servers. Any thread may call; nothing is kept.

#pragma once

#include <jansson.h>

#include <stdbool.h>

struct config;
struct config_organisation;
struct config_service;

// Where postern stands: before the edge servers without terminating, before them terminating, or in
// the place of their access edge.
enum plan_place {
	PLAN_PLACE_A,
	PLAN_PLACE_B,
	PLAN_PLACE_C,
};

// All borrowed. Entries are as policy_entry_json() writes them.
struct plan_question {
	const struct config *config;
	const struct config_organisation *organisation;
	const json_t *switches;
	const json_t *providers; // array
	const json_t *partners;  // array of allowed domains
	bool more_providers;     // than are listed
	bool more_partners;
	bool push;          // push.lync.com is an allowed domain that counts
	const char *domain; // DNS: of this SIP domain alone; NULL: of all
	enum plan_place place;
	const char *inside; // places B and C: postern's name towards the pool
};

// The access edge by which partners know an organisation: the first that has a certificate here, else the
// first; NULL: none. `name` gets the name under which it is published, empty where there is none.
#define PLAN_EDGE_NAME 300
const struct config_service *plan_edge(const struct config *config,
	const struct config_organisation *organisation, char name[static PLAN_EDGE_NAME]);

// Most SIP domains and most partners that a plan speaks of, so that it is made in a few milliseconds.
#define PLAN_DOMAINS_MAX  100u
#define PLAN_PARTNERS_MAX 200u

// Each returns a new object whose "text" is what people read; NULL when memory is refused.

// "records": {zone, name, type, priority, weight, port, target | address, why}, "notes". The zone is the
// SIP domain that the name lies in, or null.
json_t *plan_dns(const struct plan_question *q);
// "certificates": {use, holders, subject, names, key-usage, why}, "notes".
json_t *plan_certificates(const struct plan_question *q);
// "ports": {side, direction, from, to, protocol, ports, why}, "notes", "never-balanced".
json_t *plan_ports(const struct plan_question *q);
// "commands": {command | null, why}, "notes".
json_t *plan_lync(const struct plan_question *q);
// The sheet for a partner; `entry` is its allowed domain, `blocked` its blocked domain; NULL: none.
json_t *plan_partner(const struct plan_question *q, const char *domain, const json_t *entry,
	const json_t *blocked);

// The records of plan_dns() in the form of zone files (RFC 1035 5.1), with names in full, to be
// included in each zone. The caller frees it; NULL when memory is refused.
char *plan_zone(const json_t *dns);
