// SPDX-License-Identifier: BSD-2-Clause
// Each allocation of each change is refused once: the change says so, and every answer stays what it was.

#include "policy_rig.h"

#include <errno.h>
#include <stdlib.h>

static unsigned allocations; // since the change began
static unsigned refused;     // which one; 0: none

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);

void *__wrap_malloc(size_t size)
{
	return ++allocations == refused ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return ++allocations == refused ? NULL : __real_calloc(n, size);
}

static struct postern_addr address(unsigned i)
{
	struct postern_addr a = postern_addr_from_v4(0);

	a.bytes[12] = 192;
	a.bytes[14] = 2;
	a.bytes[15] = (uint8_t)i;
	return a;
}

// ---- what is asked before and after

static const char *const names[] = {"a.com", "x.a.com", "b.com", "sip.a.com", "edge.b.net",
	"edge2.b.net", "cloud.example",
	"long-long-long-long-long-long-long-long.label.of.many.com"};

#define NAMES     ((unsigned)(sizeof(names) / sizeof(names[0])))
#define ADDRESSES 6
#define QUESTIONS (NAMES + NAMES + ADDRESSES)

static struct postern_answer ask(struct postern_policy *p, unsigned i)
{
	const struct postern_domain d = rig_domain(names[i < NAMES ? i : 0]);
	struct postern_name name = {0};
	struct postern_question q = {.organisation = RIG_ORGANISATION};
	struct postern_answer a;

	memset(&a, 0, sizeof(a));
	if (i < NAMES) {
		q.domain = &d;
		q.proof = POSTERN_PROOF_ASSUMED;
	} else if (i < 2 * NAMES) {
		name = (struct postern_name){names[i - NAMES], (uint8_t)strlen(names[i - NAMES])};
		q.names = &name;
		q.n_names = 1;
	} else {
		q.proof = POSTERN_PROOF_ADDRESS;
		q.address = address(i - 2 * NAMES);
	}
	postern_policy_decide(p, &q, &a);
	return a;
}

static void ask_all(struct postern_policy *p, struct postern_answer out[static QUESTIONS])
{
	while (postern_policy_work(p, 100) > 0)
		;
	for (unsigned i = 0; i < QUESTIONS; i++)
		out[i] = ask(p, i);
}

// ---- changes

static int switches(struct postern_policy *p)
{
	struct postern_switches s;

	postern_switches_default(&s);
	s.allow_federated_users = true;
	return postern_policy_set_organisation(p, RIG_ORGANISATION, &s);
}

static int allow(struct postern_policy *p, uint16_t organisation, const char *domain, bool suffix)
{
	const struct postern_domain further[] = {
		rig_domain("edge2.b.net"), rig_domain("sip.a.com")};
	const struct postern_prefix prefixes[] = {{address(1), 32}, {address(2), 28}};
	struct postern_allowed a = rig_allowed(domain, "edge.b.net");

	a.suffix = suffix;
	a.further_names = further;
	a.n_further_names = 2;
	a.prefixes = prefixes;
	a.n_prefixes = 2;
	return postern_policy_set_allowed(p, organisation, &a);
}

static int allow_direct(struct postern_policy *p)
{
	return allow(p, RIG_ORGANISATION, "b.com", false);
}

static int allow_long(struct postern_policy *p)
{
	return allow(p, RIG_ORGANISATION, names[NAMES - 1], false);
}

static int allow_others(struct postern_policy *p)
{
	return allow(p, RIG_ORGANISATION + 1, "b.com", true);
}

static int allow_srv(struct postern_policy *p)
{
	struct postern_allowed a = rig_allowed("a.com", NULL);

	a.suffix = true;
	return postern_policy_set_allowed(p, RIG_ORGANISATION, &a);
}

static int block(struct postern_policy *p)
{
	const struct postern_blocked b = {.id = 9, .domain = rig_domain("b.com"), .suffix = true};

	return postern_policy_set_blocked(p, RIG_ORGANISATION, &b);
}

static int own(struct postern_policy *p)
{
	const struct postern_domain d = rig_domain("ours.com");

	return postern_policy_set_own(p, RIG_ORGANISATION, &d);
}

static int facts(struct postern_policy *p, const char *domain, const char *target)
{
	const struct postern_domain d = rig_domain(domain);
	const struct postern_addr addresses[] = {address(3), address(4)};
	const struct postern_target t = {
		.name = rig_domain(target), .addresses = addresses, .n_addresses = 2};
	const struct postern_facts f = {.state = POSTERN_FACTS_GOOD, .targets = &t, .n_targets = 1};

	return postern_policy_set_facts(p, &d, &f);
}

static int facts_of_a(struct postern_policy *p)
{
	return facts(p, "a.com", "sip.a.com");
}

static int facts_below(struct postern_policy *p)
{
	return facts(p, "x.a.com", "x.a.com");
}

static int host(struct postern_policy *p)
{
	const struct postern_domain d = rig_domain("cloud.example");
	const struct postern_addr a = address(5);

	return postern_policy_set_host(p, &d, &a, 1, 1);
}

static int provider(struct postern_policy *p)
{
	const struct postern_prefix prefix = {address(0), 32};
	const struct postern_provider v = {
		.id = 4,
		.enabled = true,
		.proxy_fqdn = rig_domain("cloud.example"),
		.prefixes = &prefix,
		.n_prefixes = 1,
	};

	return postern_policy_set_provider(p, RIG_ORGANISATION, &v);
}

static int no_provider(struct postern_policy *p)
{
	return postern_policy_remove_provider(p, RIG_ORGANISATION, 4);
}

static int unlist(struct postern_policy *p)
{
	const struct postern_domain d = rig_domain("b.com");

	return postern_policy_remove_listed(p, RIG_ORGANISATION, &d);
}

// One change with its first allocation refused, then its second, and so on until none is.
static void try_all(struct postern_policy *p, int (*change)(struct postern_policy *p))
{
	static struct postern_answer before[QUESTIONS], after[QUESTIONS];
	int rc = -ENOMEM;

	ask_all(p, before);
	for (unsigned n = 1; rc != 0; n++) {
		allocations = 0;
		refused = n;
		rc = change(p);
		refused = 0;
		if (rc == 0)
			break;
		assert_int_equal(rc, -ENOMEM);
		ask_all(p, after);
		assert_memory_equal(before, after, sizeof(before));
	}
}

static void nothing_has_changed_without_memory(void **state)
{
	static int (*const changes[])(struct postern_policy *) = {switches, own, facts_of_a,
		facts_below, allow_srv, allow_direct, allow_long, allow_others, host, provider,
		block, facts_of_a, allow_direct, provider, unlist, no_provider, allow_direct, block,
		unlist};
	const struct postern_policy_limits limits = {.domains = 50, .index = true};
	struct postern_policy *p;

	(void)state;
	assert_int_equal(postern_policy_new(&limits, &p), 0);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
		try_all(p, changes[i]);
	rig_answers(ask(p, NAMES - 1), ALLOWED_DIRECT, ADMIT, ADMITTED);
	rig_answers(ask(p, 2 * NAMES + 4), ALLOWED_SRV, ADMIT, ADMITTED);
	postern_policy_free(p);
}

static void a_full_table_says_so(void **state)
{
	const struct postern_policy_limits limits = {.domains = 2, .index = true};
	const struct postern_domain c = rig_domain("c.com");
	const struct postern_facts none = {.state = POSTERN_FACTS_NONE};
	struct postern_policy *p;

	(void)state;
	assert_int_equal(postern_policy_new(&limits, &p), 0);
	assert_int_equal(switches(p), 0);
	assert_int_equal(allow_direct(p), 0);
	assert_int_equal(allow_srv(p), 0);
	assert_int_equal(postern_policy_set_facts(p, &c, &none), -ENOSPC);
	assert_int_equal(own(p), -ENOSPC);
	// What has its entry can still be changed, thousands of times.
	for (unsigned i = 0; i < 5000; i++)
		assert_int_equal(i % 2 ? allow_direct(p) : facts_of_a(p), 0);
	assert_int_equal(unlist(p), 0);
	assert_int_equal(postern_policy_set_facts(p, &c, &none), 0);
	postern_policy_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_has_changed_without_memory),
		cmocka_unit_test(a_full_table_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
