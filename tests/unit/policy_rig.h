// SPDX-License-Identifier: BSD-2-Clause
// Policies and questions in few words, for tests of admission.

#pragma once

#include "postern/policy.h"

// cmocka.h needs the four before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <string.h>

#define RIG_ORGANISATION 7

static inline struct postern_domain rig_domain(const char *text)
{
	struct postern_domain d;

	assert_int_equal(postern_domain_parse(text, strlen(text), &d), 0);
	return d;
}

static inline struct postern_policy *rig_policy(uint32_t domains)
{
	const struct postern_policy_limits limits = {.domains = domains};
	struct postern_policy *p;

	assert_int_equal(postern_policy_new(&limits, &p), 0);
	return p;
}

// Switches of the organisation under test: on, and discovery as asked for.
static inline void rig_switches(struct postern_policy *p, bool discovery)
{
	struct postern_switches s;

	postern_switches_default(&s);
	s.allow_federated_users = true;
	s.enable_partner_discovery = discovery;
	assert_int_equal(postern_policy_set_organisation(p, RIG_ORGANISATION, &s), 0);
}

// An allowed domain with that ProxyFqdn (NULL: none), to be changed and handed in.
static inline struct postern_allowed rig_allowed(const char *domain, const char *proxy)
{
	struct postern_allowed a = {.id = 100, .domain = rig_domain(domain)};

	if (proxy != NULL)
		a.proxy_fqdn = rig_domain(proxy);
	return a;
}

static inline void rig_allow(struct postern_policy *p, const char *domain, const char *proxy)
{
	const struct postern_allowed a = rig_allowed(domain, proxy);

	assert_int_equal(postern_policy_set_allowed(p, RIG_ORGANISATION, &a), 0);
}

static inline void rig_block(struct postern_policy *p, const char *domain, bool suffix)
{
	const struct postern_blocked b = {
		.id = 200, .domain = rig_domain(domain), .suffix = suffix};

	assert_int_equal(postern_policy_set_blocked(p, RIG_ORGANISATION, &b), 0);
}

static inline void rig_provider(struct postern_policy *p, enum postern_provider_kind kind,
	const char *proxy, bool enabled, bool shared)
{
	const struct postern_provider v = {
		.id = 300 + kind,
		.kind = kind,
		.enabled = enabled,
		.shared_address_space = shared,
		.verification = POSTERN_VERIFY_ALWAYS_VERIFIABLE,
		.proxy_fqdn = rig_domain(proxy),
	};

	assert_int_equal(postern_policy_set_provider(p, RIG_ORGANISATION, &v), 0);
}

// SRV facts with up to three targets, NULL behind the last.
static inline void rig_srv(struct postern_policy *p, const char *domain, const char *one,
	const char *two, const char *three)
{
	const char *const names[] = {one, two, three};
	struct postern_target targets[3] = {0};
	struct postern_facts f = {.state = POSTERN_FACTS_GOOD, .wall_us = 1000, .targets = targets};
	const struct postern_domain d = rig_domain(domain);

	while (f.n_targets < 3 && names[f.n_targets] != NULL) {
		targets[f.n_targets].name = rig_domain(names[f.n_targets]);
		targets[f.n_targets].port = 5061;
		f.n_targets++;
	}
	assert_int_equal(postern_policy_set_facts(p, &d, &f), 0);
}

static inline void rig_no_srv(
	struct postern_policy *p, const char *domain, enum postern_facts_state state)
{
	const struct postern_facts f = {.state = state, .wall_us = 1000};
	const struct postern_domain d = rig_domain(domain);

	assert_int_equal(postern_policy_set_facts(p, &d, &f), 0);
}

// A question: D speaks from outside, and the peer proves one name (NULL: none).
static inline struct postern_answer rig_ask(
	struct postern_policy *p, const char *domain, const char *proved)
{
	const struct postern_domain d = rig_domain(domain);
	const struct postern_name name = {proved, proved != NULL ? (uint8_t)strlen(proved) : 0};
	const struct postern_question q = {
		.organisation = RIG_ORGANISATION,
		.domain = &d,
		.names = &name,
		.n_names = proved != NULL,
	};
	struct postern_answer a;

	postern_policy_decide(p, &q, &a);
	return a;
}

#define rig_answers(answer, a_row, a_outcome, a_reason)                                            \
	do {                                                                                       \
		const struct postern_answer rig_a = (answer);                                      \
		assert_int_equal(rig_a.row, POSTERN_ROW_##a_row);                                  \
		assert_int_equal(rig_a.outcome, POSTERN_##a_outcome);                              \
		assert_int_equal(rig_a.reason, POSTERN_REASON_##a_reason);                         \
	} while (0)
