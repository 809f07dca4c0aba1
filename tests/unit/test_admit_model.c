// SPDX-License-Identifier: BSD-2-Clause
// Two million questions about policies that change all the time, answered by the tables and by the model.
// RIG_SEED chooses another sequence.

#include "admit_model.h"
#include "policy_rig.h"

#include <errno.h>
#include <stdlib.h>

#define POLICIES  50000
#define QUESTIONS 40 // each
#define OFTEN     200

static uint64_t seed;

// xorshift64*
static uint32_t draw(uint32_t n)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (uint32_t)((seed * UINT64_C(2685821657736338717)) >> 33) % n;
}

static bool percent(uint32_t p)
{
	return draw(100) < p;
}

static model_set some_names(uint32_t p)
{
	model_set s = 0;

	for (int i = 0; i < MODEL_NAMES; i++)
		if (percent(p))
			s |= 1u << i;
	return s;
}

static enum postern_verification some_level(void)
{
	return (enum postern_verification)draw(3);
}

// ---- changes: the same in the model and in the tables

static struct postern_domain name_of(int i)
{
	return rig_domain(model_names[i]);
}

static unsigned unfold(model_set s, struct postern_domain out[static MODEL_NAMES])
{
	unsigned n = 0;

	for (int i = 0; i < MODEL_NAMES; i++)
		if (s >> i & 1)
			out[n++] = name_of(i);
	return n;
}

static void change_switches(struct model_policy *m, struct postern_policy *p)
{
	struct postern_switches s;

	postern_switches_default(&s);
	m->present = !percent(2);
	m->on = !percent(7);
	m->discovery = percent(55);
	m->discovered = some_level();
	m->route = percent(15) ? (int)draw(MODEL_NAMES) : -1;
	m->route_level = some_level();
	s.allow_federated_users = m->on;
	s.enable_partner_discovery = m->discovery;
	s.discovered_verification = m->discovered;
	s.default_route_verification = m->route_level;
	if (m->route >= 0)
		s.default_route = name_of(m->route);
	assert_int_equal(postern_policy_set_organisation(p, RIG_ORGANISATION, &s), 0);
	if (m->present)
		return;
	assert_int_equal(postern_policy_remove_organisation(p, RIG_ORGANISATION), 0);
	memset(m->providers, 0, sizeof(m->providers));
}

static void change_provider(struct model_policy *m, struct postern_policy *p)
{
	const unsigned i = draw(MODEL_PROVIDERS);
	struct model_provider *o = &m->providers[i];

	if (percent(25)) {
		assert_int_equal(postern_policy_remove_provider(p, RIG_ORGANISATION, i),
			o->exists ? 0 : -ENOENT);
		o->exists = false;
		return;
	}
	*o = (struct model_provider){
		.exists = true,
		.public = percent(40),
		.enabled = percent(70),
		.shared = percent(60),
		.proxy = percent(90) ? 14 + (int)draw(3) : (int)draw(MODEL_NAMES),
		.level = some_level(),
	};
	const struct postern_provider v = {
		.id = i,
		.kind = o->public ? POSTERN_PROVIDER_PUBLIC : POSTERN_PROVIDER_HOSTING,
		.enabled = o->enabled,
		.shared_address_space = o->shared,
		.verification = o->level,
		.proxy_fqdn = name_of(o->proxy),
	};

	assert_int_equal(postern_policy_set_provider(p, RIG_ORGANISATION, &v), 0);
}

static void change_own(struct model_policy *m, struct postern_policy *p)
{
	const int i = percent(80) ? 6 + (int)draw(2) : (int)draw(MODEL_DOMAINS);
	const struct postern_domain d = name_of(i);

	if (percent(70)) {
		assert_int_equal(postern_policy_set_own(p, RIG_ORGANISATION, &d), 0);
		m->domains[i].own = true;
		return;
	}
	assert_int_equal(postern_policy_remove_own(p, RIG_ORGANISATION, &d),
		m->domains[i].own ? 0 : -ENOENT);
	m->domains[i].own = false;
}

static void allow(struct model_domain *d, struct postern_policy *p, int i)
{
	struct postern_domain further[MODEL_NAMES];

	d->listed = MODEL_ALLOWED;
	d->suffix = percent(25);
	d->trust_srv = percent(30);
	d->monitored = percent(50);
	d->proxy = percent(35) ? (int)draw(MODEL_NAMES) : -1;
	d->further = percent(30) ? some_names(15) : 0;
	d->level = some_level();
	d->admission = (enum postern_admission)draw(3);
	struct postern_allowed a = {
		.id = (uint64_t)i + 1,
		.domain = name_of(i),
		.suffix = d->suffix,
		.trust_srv = d->trust_srv,
		.monitored = d->monitored,
		.verification = d->level,
		.admission = d->admission,
		.further_names = further,
		.n_further_names = unfold(d->further, further),
	};

	if (d->proxy >= 0)
		a.proxy_fqdn = name_of(d->proxy);
	assert_int_equal(postern_policy_set_allowed(p, RIG_ORGANISATION, &a), 0);
}

static void change_listed(struct model_policy *m, struct postern_policy *p)
{
	const int i = (int)draw(MODEL_DOMAINS);
	struct model_domain *d = &m->domains[i];
	const struct postern_domain name = name_of(i);
	const uint32_t what = draw(10);

	if (what < 3) {
		allow(d, p, i);
	} else if (what < 4) {
		d->listed = MODEL_BLOCKED;
		d->suffix = percent(25);
		const struct postern_blocked b = {
			.id = (uint64_t)i + 1, .domain = name, .suffix = d->suffix};

		assert_int_equal(postern_policy_set_blocked(p, RIG_ORGANISATION, &b), 0);
	} else {
		assert_int_equal(postern_policy_remove_listed(p, RIG_ORGANISATION, &name),
			d->listed == MODEL_UNLISTED ? -ENOENT : 0);
		d->listed = MODEL_UNLISTED;
	}
}

// What another organisation says must not matter; it shares the entry.
static void change_other(struct model_policy *m, struct postern_policy *p)
{
	const uint16_t other = (uint16_t)(RIG_ORGANISATION - 2 + (int)draw(2) * 4);
	const struct postern_domain name = name_of((int)draw(MODEL_DOMAINS));
	const struct postern_blocked b = {.id = 999, .domain = name, .suffix = true};

	(void)m;
	if (percent(60))
		assert_int_equal(postern_policy_set_blocked(p, other, &b), 0);
	else
		(void)postern_policy_remove_listed(p, other, &name);
}

static void change_facts(struct model_policy *m, struct postern_policy *p)
{
	const int i = (int)draw(MODEL_DOMAINS);
	struct model_domain *d = &m->domains[i];
	const struct postern_domain name = name_of(i);
	struct postern_domain names[MODEL_NAMES];
	struct postern_target targets[MODEL_NAMES] = {0};

	if (percent(10)) {
		assert_int_equal(postern_policy_set_facts(p, &name, NULL), d->asked ? 0 : -ENOENT);
		d->asked = false;
		return;
	}
	d->asked = true;
	d->facts = percent(70) ? POSTERN_FACTS_GOOD : (enum postern_facts_state)draw(4);
	d->targets = 0;
	while (d->targets == 0 && d->facts == POSTERN_FACTS_GOOD)
		d->targets = some_names(6) | (percent(40) ? 1u << (14 + draw(3)) : 0);
	if (d->facts == POSTERN_FACTS_FAILED && percent(60))
		d->targets = some_names(8);
	struct postern_facts f = {
		.state = d->facts,
		.targets = targets,
		.n_targets = unfold(d->targets, names),
	};

	for (unsigned t = 0; t < f.n_targets; t++)
		targets[t].name = names[t];
	assert_int_equal(postern_policy_set_facts(p, &name, &f), 0);
}

static void change(struct model_policy *m, struct postern_policy *p)
{
	static void (*const kinds[])(struct model_policy *, struct postern_policy *) = {
		change_switches,
		change_provider,
		change_provider,
		change_own,
		change_listed,
		change_listed,
		change_listed,
		change_other,
		change_facts,
		change_facts,
		change_facts,
	};

	kinds[draw(sizeof(kinds) / sizeof(kinds[0]))](m, p);
}

// ---- questions

static void draw_question(struct model_question *q)
{
	q->outbound = percent(25);
	q->assumed = percent(10);
	q->domain = (int)draw(MODEL_DOMAINS);
	q->proved = percent(10) ? 0 : some_names(25);
	q->type = percent(70) ? POSTERN_TYPE_NONE : (enum postern_partner_type)draw(POSTERN_TYPES);
	q->mark = percent(30) ? POSTERN_MARK_MISSING : (enum postern_mark)draw(4);
}

static struct postern_answer ask(struct postern_policy *p, const struct model_question *q)
{
	struct postern_domain unfolded[MODEL_NAMES];
	struct postern_name names[MODEL_NAMES];
	const struct postern_domain d = name_of(q->domain);
	const unsigned n = unfold(q->proved, unfolded);
	struct postern_answer a;

	for (unsigned i = 0; i < n; i++)
		names[i] = (struct postern_name){unfolded[i].text, unfolded[i].length};
	const struct postern_question real = {
		.organisation = RIG_ORGANISATION,
		.direction = q->outbound ? POSTERN_OUTBOUND : POSTERN_INBOUND,
		.domain = &d,
		.proof = q->assumed ? POSTERN_PROOF_ASSUMED : POSTERN_PROOF_NAMES,
		.names = names,
		.n_names = n,
		.type = q->type,
		.mark = q->mark,
	};

	memset(&a, 0xa5, sizeof(a)); // nothing of it may stay
	postern_policy_decide(p, &real, &a);
	return a;
}

static uint32_t seen[POSTERN_ROWS][3][POSTERN_REASON_COUNT];

static bool names_a_provider(const struct postern_answer *a, const struct model_answer *m)
{
	// Ids are the places of providers, so that 0 is one; the row says whether one is meant.
	if (m->providers == 0)
		return a->provider == 0;
	return a->provider < MODEL_PROVIDERS && (m->providers >> a->provider & 1) != 0;
}

static bool agree(const struct postern_answer *a, const struct model_answer *m)
{
	return a->row == m->row && a->outcome == m->outcome && a->reason == m->reason &&
	       a->type == m->type && a->mark == m->mark && a->watched == m->watched &&
	       a->monitored == m->monitored && a->admission == m->admission &&
	       a->allowed == (uint64_t)(m->allowed + 1) &&
	       a->blocked == (uint64_t)(m->blocked + 1) && names_a_provider(a, m);
}

static void compare(const struct model_policy *m, struct postern_policy *p)
{
	struct model_question q;
	struct model_answer expected;

	draw_question(&q);
	const struct postern_answer a = ask(p, &q);

	model_decide(m, &q, a.provider < MODEL_PROVIDERS ? (int)a.provider : -1, &expected);
	if (!agree(&a, &expected))
		print_error("%s from %s: tables say row %s, %s, %s; model row %s, %s, %s\n",
			model_names[q.domain], q.outbound ? "inside" : "outside",
			postern_row_name(a.row), postern_outcome_name(a.outcome),
			postern_reason_name(a.reason), postern_row_name(expected.row),
			postern_outcome_name(expected.outcome),
			postern_reason_name(expected.reason));
	assert_true(agree(&a, &expected));
	seen[a.row][a.outcome][a.reason]++;
}

// Every way that the table can end, each often enough to mean something.
static void check_coverage(void)
{
	static const struct {
		enum postern_row row;
		enum postern_outcome outcome;
		enum postern_reason reason;
	} ways[] = {
#define ADMITTED(row)                                                                              \
	{POSTERN_ROW_##row, POSTERN_ADMIT, POSTERN_REASON_ADMITTED},                               \
		{POSTERN_ROW_##row, POSTERN_REFUSE, POSTERN_REASON_TYPE_CONFLICT}
#define REFUSED(row, reason)                                                                       \
	{                                                                                          \
		POSTERN_ROW_##row, POSTERN_REFUSE, POSTERN_REASON_##reason                         \
	}
#define ASKED(row)                                                                                 \
	{                                                                                          \
		POSTERN_ROW_##row, POSTERN_ASK, POSTERN_REASON_SRV_UNKNOWN                         \
	}
		REFUSED(NONE, NO_ORGANISATION),
		REFUSED(FEDERATION_OFF, FEDERATION_OFF),
		REFUSED(BLOCKED, BLOCKED),
		ADMITTED(OWN_DOMAIN),
		REFUSED(OWN_DOMAIN, OWN_DOMAIN),
		REFUSED(OWN_DOMAIN, MARK_MISSING),
		ADMITTED(ALLOWED_DIRECT),
		REFUSED(ALLOWED_DIRECT, NAME_MISMATCH),
		REFUSED(ALLOWED_DIRECT, MARK_MISSING),
		ADMITTED(PUBLIC_PROVIDER),
		REFUSED(PUBLIC_PROVIDER, NAME_MISMATCH),
		REFUSED(PUBLIC_PROVIDER, MARK_MISSING),
		ASKED(PUBLIC_PROVIDER),
		ADMITTED(HOSTING_PROVIDER),
		REFUSED(HOSTING_PROVIDER, NAME_MISMATCH),
		REFUSED(HOSTING_PROVIDER, HOSTED_UNLISTED),
		REFUSED(HOSTING_PROVIDER, MARK_MISSING),
		ADMITTED(ALLOWED_SRV),
		REFUSED(ALLOWED_SRV, NAME_MISMATCH),
		REFUSED(ALLOWED_SRV, SRV_NONE),
		REFUSED(ALLOWED_SRV, SRV_FAILED),
		REFUSED(ALLOWED_SRV, SRV_OTHER_DOMAIN),
		REFUSED(ALLOWED_SRV, MARK_MISSING),
		ASKED(ALLOWED_SRV),
		ADMITTED(DISCOVERED),
		REFUSED(DISCOVERED, NAME_MISMATCH),
		REFUSED(DISCOVERED, SRV_NONE),
		REFUSED(DISCOVERED, SRV_FAILED),
		REFUSED(DISCOVERED, SRV_OTHER_DOMAIN),
		REFUSED(DISCOVERED, MARK_MISSING),
		ASKED(DISCOVERED),
		REFUSED(OTHERWISE, NOT_LISTED),
		ADMITTED(DEFAULT_ROUTE),
		REFUSED(DEFAULT_ROUTE, NAME_MISMATCH),
#undef ADMITTED
#undef REFUSED
#undef ASKED
	};
	const size_t n = sizeof(ways) / sizeof(ways[0]);
	size_t all = 0;

	for (size_t i = 0; i < n; i++) {
		const uint32_t times = seen[ways[i].row][ways[i].outcome][ways[i].reason];

		if (times < OFTEN)
			print_error("row %s, %s, %s: only %u times\n",
				postern_row_name(ways[i].row),
				postern_outcome_name(ways[i].outcome),
				postern_reason_name(ways[i].reason), times);
		assert_true(times >= OFTEN);
		all += times;
	}
	// There is no other way.
	assert_int_equal(all, POLICIES * QUESTIONS);
}

static void tables_and_model_agree(void **state)
{
	struct model_policy m = {.route = -1};
	struct postern_policy *p = rig_policy(100);

	(void)state;
	for (int i = 0; i < MODEL_DOMAINS; i++)
		m.domains[i].proxy = -1;
	change_switches(&m, p);
	for (unsigned i = 0; i < POLICIES; i++) {
		for (uint32_t n = 1 + draw(6); n > 0; n--)
			change(&m, p);
		for (unsigned k = 0; k < QUESTIONS; k++)
			compare(&m, p);
	}
	postern_policy_free(p);
	check_coverage();
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(tables_and_model_agree)};
	const char *given = getenv("RIG_SEED");

	seed = given != NULL ? strtoull(given, NULL, 0) | 1 : UINT64_C(0x9e3779b97f4a7c15);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
