// SPDX-License-Identifier: BSD-2-Clause
// What DNS and the certificate files really hold, against what the plans want. Files are read here; DNS
// is asked by the caller, who hands in the answers. Any thread; nothing is kept.

#pragma once

#include "control/plan/plan.h"

#include <openssl/types.h>

#include <stdint.h>

struct config_pool;

// Items are {what, name, aspect, state, wanted, found, fix}, all texts but for `fix`, which may be null.
// States: "right"; "missing", "different" and "more" (besides what is right) are differences;
// "unknown": it could not be looked at; "elsewhere": it is not kept here.

// What to ask: {name, type} for each name of a plan_dns() and each type that it could have. NULL when
// memory is refused.
json_t *plan_check_questions(const json_t *dns);

// Holds the answers against the plan. They are in the order of the questions: {found: [texts], why:
// text or null}; with `why` the question has failed. Found are addresses as postern_addr_format() writes
// them, and SRV records as "priority weight port target", in lower case.
json_t *plan_check_dns(const json_t *dns, const json_t *questions, const json_t *answers);

// What a file holds: {file, error} when it cannot be used, else {file, subject, issuer, names, begins,
// ends (seconds since 1970), key (null, or what is wrong with it), chain (likewise), purposes}. `key` may
// be NULL: it is in the file; `trust` too: the system's authorities alone. Takes about a millisecond.
json_t *plan_file_read(const char *file, const char *key, X509_STORE *trust);

// Holds what was read against names that are wanted and purposes ("serverAuth"), as of a time in seconds
// since 1970.
json_t *plan_check_file(
	const json_t *facts, const json_t *names, const json_t *purposes, int64_t now);

// What is trusted towards whom a certificate is shown, as it was loaded when the configuration was adopted:
// reading a whole bundle of authorities takes 40 ms. One of the two is NULL, and so may be the answer.
typedef X509_STORE *(*plan_trust)(
	void *user, const struct config_service *service, const struct config_pool *pool);

// All files that the configuration names, against plan_certificates(), up to a bound; what is beyond that
// is "unknown".
json_t *plan_check_certificates(const struct plan_question *q, const json_t *certificates,
	int64_t now, plan_trust trust, void *user);

// The result, from the items of both; takes them. "verdict": "right", "different", or "unknown" where
// nothing differs, but something could not be looked at; "items", "notes", "text". `resolver` says who
// was asked; NULL: nobody.
json_t *plan_check_end(const char *organisation, json_t *items, const char *resolver);
