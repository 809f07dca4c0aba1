// SPDX-License-Identifier: BSD-2-Clause
// What the plans share: which services there are and how they are called, rows and notes as they are
// collected, and text. Nobody outside includes this.

#pragma once

#include "control/config/config.h"
#include "control/plan/plan.h"

#include <stddef.h>
#include <stdio.h>

// What a service is: by its profile, or, without one, by a port that says so.
enum config_profile plan_role(const struct config_service *s);
#define PLAN_ANY_ROLE ((enum config_profile)UINT32_MAX)
// The next service of the organisation with that role, from *at on; NULL: no more.
const struct config_service *plan_next(
	const struct plan_question *q, enum config_profile role, size_t *at);
const struct config_service *plan_first(const struct plan_question *q, enum config_profile role);
const struct config_pool *plan_pool(const struct plan_question *q, const struct config_service *s);
// Whether it answers on a port; with 0 on any.
bool plan_listens(const struct config_service *s, uint16_t port);

bool plan_serves_pool(const struct plan_question *q, const struct config_pool *pool);

// Most members that are told of each pool.
#define PLAN_MEMBERS_MAX 32u
// Arrays of texts, each text once: "pool/member", and addresses.
void plan_members_add(json_t *list, const struct config_pool *pool);
void plan_address_add(json_t *list, const struct postern_addr *a);
void plan_member_addresses_add(json_t *list, const struct config_pool *pool);
// Addresses of services of a role; of those with that port, or with 0 of all but 443.
json_t *plan_service_addresses(
	const struct plan_question *q, enum config_profile role, uint16_t port);
json_t *plan_member_addresses(const struct plan_question *q, enum config_profile role);

// Equal to the domain or below it, label by label.
bool plan_in_domain(const char *name, const char *domain);
// The SIP domain that a name lies in, the longest; NULL: none.
const char *plan_zone_of(const struct plan_question *q, const char *name);
// The host of a SIP domain for a role: the service's own name if that lies in the domain, else the
// label and the domain. SRV records of a domain must point into it.
#define PLAN_NAME PLAN_EDGE_NAME
const char *plan_host(const struct config_service *s, const char *label, const char *domain,
	char name[static PLAN_NAME]);
// The label of a role's default names; NULL: it has none.
const char *plan_label(enum config_profile role);

bool plan_is_on(const json_t *entry, const char *key);
const char *plan_string(const json_t *entry, const char *key); // NULL: null
// An enabled provider of that FQDN.
bool plan_has_provider(const struct plan_question *q, const char *fqdn);

// A plan that is being made. Once something failed the whole has.
struct plan_build {
	json_t *result;
	json_t *seen; // keys of what has been told
	bool failed;
};

void plan_begin(struct plan_build *b, const struct plan_question *q, const char *list);
// Takes the row.
void plan_row(struct plan_build *b, const char *list, json_t *row);
void plan_note(struct plan_build *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void plan_strings_add(json_t *list, const char *text); // unless it is there
json_t *plan_textf(const char *format, ...) __attribute__((format(printf, 1, 2)));
// Adds the text and hands the result out.
typedef void (*plan_writer)(FILE *to, const json_t *result);
json_t *plan_end(struct plan_build *b, plan_writer write);

// ports.c: a rule, with `from` and `to` taken; one of the outside, with neither taken.
void plan_port(struct plan_build *b, const char *side, const char *direction, json_t *from,
	json_t *to, const char *protocol, const char *ports, const char *why);
void plan_port_outside(struct plan_build *b, json_t *ours, json_t *theirs, bool out,
	const char *protocol, const char *ports, const char *why);
json_t *plan_one(const char *text); // an array of it
// Who opens connections to the outside.
json_t *plan_openers(const struct plan_question *q, enum config_profile role);
// ports_partner.c: port 5061 outside, in one direction.
void plan_port_partners(struct plan_build *b, const struct plan_question *q, bool out);
// ports_inside.c
void plan_port_inside(struct plan_build *b, const struct plan_question *q);

// text.c: rows with the widest of each column, which keys name; the last is not padded.
void plan_print_table(FILE *to, const json_t *rows, const char *const *keys, size_t n);
// A paragraph, with what its first line and the others begin with.
void plan_print_words(FILE *to, const char *first, const char *next, const char *text);
void plan_print_notes(FILE *to, const json_t *result);
// An array of texts on one line.
void plan_print_list(FILE *to, const json_t *list);
