// SPDX-License-Identifier: BSD-2-Clause
// Forward mode asks whose address a first packet comes from: dropped, told, observed, let in, while the
// policy changes; and sessions end when an operator has withdrawn their partner.

#include "policy_rig.h"
#include "rig_cmocka.h"
#include "talk.h"

#include "postern/record.h"

#include <netinet/in.h>
#include <stdio.h>

#define EACH_FAMILY(f) for (uint8_t f = POSTERN_V4; f < POSTERN_FAMILIES; f++)

#define C(name) POSTERN_COUNTER_##name

// Clients 1 to 5 are in the entry's prefixes, 6 is where DNS says that b.com is.
#define ALLOWED   1
#define BY_DNS    6
#define STRANGER  9
#define STRANGER2 10

static struct postern_policy *policy;

static struct postern_prefix exact(uint8_t family, unsigned client)
{
	return (struct postern_prefix){rig_client(family, client), family == POSTERN_V4 ? 32 : 128};
}

static void allow(const char *domain, unsigned client, enum postern_admission admission)
{
	const struct postern_prefix prefixes[] = {
		exact(POSTERN_V4, client), exact(POSTERN_V6, client)};
	struct postern_allowed a = rig_allowed(domain, NULL);

	a.prefixes = prefixes;
	a.n_prefixes = 2;
	a.admission = admission;
	assert_int_equal(postern_policy_set_allowed(policy, RIG_ORGANISATION, &a), 0);
}

static void at(const char *domain, unsigned client)
{
	const struct postern_domain d = rig_domain(domain);
	const struct postern_addr addresses[] = {
		rig_client(POSTERN_V4, client), rig_client(POSTERN_V6, client)};
	char name[64];
	struct postern_target t = {.port = 5061, .addresses = addresses, .n_addresses = 2};
	const struct postern_facts f = {.state = POSTERN_FACTS_GOOD, .targets = &t, .n_targets = 1};

	snprintf(name, sizeof(name), "sip.%s", domain);
	t.name = rig_domain(name);
	assert_int_equal(postern_policy_set_facts(policy, &d, &f), 0);
}

static void unlist(const char *domain)
{
	const struct postern_domain d = rig_domain(domain);

	assert_int_equal(postern_policy_remove_listed(policy, RIG_ORGANISATION, &d), 0);
}

static void work(void)
{
	while (postern_policy_work(policy, 100) > 0)
		;
}

static struct rig *begin(const struct rig_world *world)
{
	const struct postern_policy_limits limits = {.domains = 100, .index = true};

	assert_int_equal(postern_policy_new(&limits, &policy), 0);
	rig_switches(policy, false);
	allow("a.com", ALLOWED, POSTERN_ADMISSION_ENFORCE);
	rig_allow(policy, "b.com", NULL);
	at("b.com", BY_DNS);
	work();
	return rig_new(&(struct rig_options){.world = *world, .policy = policy});
}

static void end(struct rig *r)
{
	rig_free(r);
	postern_policy_free(policy);
}

static uint64_t opened(struct rig *r)
{
	return rig_count(r, C(SESSION_OPENED));
}

static bool gets_in(struct rig *r, uint8_t family, unsigned client)
{
	static uint16_t port = 20000;
	const uint64_t before = opened(r);
	struct talk t = talk_new(r, family, client);

	t.client_port = port++;
	talk_put(&t, FROM_CLIENT, TALK_SYN, 0);
	rig_discard(r);
	return opened(r) == before + 1;
}

// The record of a client's refusal says by which row.
static void check_record(struct rig *r, const struct talk *t, enum postern_counter reason,
	enum postern_row row, enum postern_reason why)
{
	struct postern_recorded one;
	uint64_t cursor = 0;
	bool found = false;
	int rc;

	while ((rc = postern_record_next(r->dp, &cursor, 100, &one)) != 0) {
		uint32_t number;

		if (rc != 1 || one.last.reason != reason ||
			!postern_addr_equal(&one.last.from, &t->client))
			continue;
		found = true;
		assert_int_equal(one.last.step, POSTERN_STEP_OPEN);
		assert_true(postern_record_number(&one.last, POSTERN_FACT_ROW, &number));
		assert_int_equal(number, row);
		assert_true(postern_record_number(&one.last, POSTERN_FACT_REASON, &number));
		assert_int_equal(number, why);
	}
	assert_true(found);
}

static void dropped_in_world(const struct rig_world *world, uint8_t family)
{
	struct rig *r = begin(world);
	struct talk good = talk_new(r, family, ALLOWED);
	struct talk by_dns = talk_new(r, family, BY_DNS);
	struct talk bad = talk_new(r, family, STRANGER);

	talk_open(&good);
	talk_open(&by_dns);
	talk_put(&bad, FROM_CLIENT, TALK_SYN, 0);
	assert_int_equal(rig_waiting(r), 0);
	assert_int_equal(talk_state(&bad), -1);
	assert_int_equal(opened(r), 2);
	assert_int_equal(rig_count(r, C(DROP_ADMISSION)), 1);
	check_record(r, &bad, C(DROP_ADMISSION), POSTERN_ROW_OTHERWISE, POSTERN_REASON_NO_PARTNER);
	talk_send(&good, FROM_CLIENT, TALK_ACK, 100);
	end(r);
}

static void test_strangers_are_dropped(void **state)
{
	static const struct rig_world worlds[] = {{0}, {.destination = true}, {.one_arm = true}};

	(void)state;
	for (unsigned w = 0; w < 3; w++)
		EACH_FAMILY(f)
	dropped_in_world(&worlds[w], f);
}

static void test_strangers_are_told(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = begin(&(struct rig_world){.refuse_reset = true});
		struct talk bad = talk_new(r, f, STRANGER);

		talk_put(&bad, FROM_CLIENT, TALK_SYN, 0);
		talk_take_reset(&bad, FROM_CLIENT);
		assert_int_equal(rig_waiting(r), 0);
		assert_int_equal(rig_count(r, C(REFUSE_ADMISSION)), 1);
		assert_int_equal(rig_count(r, C(DROP_ADMISSION)), 0);
		assert_true(gets_in(r, f, ALLOWED));
		end(r);
	}
}

// The first datagram is asked about, by either answer; those of a session are not.
static void test_udp(void **state)
{
	(void)state;
	for (unsigned tell = 0; tell < 2; tell++)
		EACH_FAMILY(f)
		{
			struct rig *r =
				begin(&(struct rig_world){.udp = true, .refuse_reset = tell});
			struct rig_udp u = {.interface = RIG_OUTSIDE,
				.src = rig_client(f, STRANGER),
				.dst = rig_service(r, f),
				.sport = 5000,
				.dport = RIG_PORT,
				.ttl = 64,
				.payload = 20};

			rig_udp_put(r, &u);
			assert_int_equal(rig_waiting(r), tell);
			rig_discard(r);
			assert_int_equal(
				rig_count(r, tell ? C(REFUSE_ADMISSION) : C(DROP_ADMISSION)), 1);
			assert_int_equal(rig_count(r, C(ERROR_SENT)), tell);
			assert_int_equal(opened(r), 0);
			u.src = rig_client(f, ALLOWED);
			rig_udp_put(r, &u);
			assert_int_equal(rig_waiting(r), 1);
			rig_discard(r);
			assert_int_equal(opened(r), 1);
			unlist("a.com");
			rig_udp_put(r, &u);
			assert_int_equal(rig_waiting(r), 1);
			end(r);
		}
}

static void test_observe_lets_through(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = begin(&(struct rig_world){.admission = POSTERN_ADMISSION_OBSERVE});
		struct talk bad = talk_new(r, f, STRANGER);
		struct postern_listen_stats stats;

		talk_open(&bad);
		assert_true(gets_in(r, f, ALLOWED));
		assert_int_equal(rig_count(r, C(SEEN_ADMISSION)), 1);
		check_record(r, &bad, C(SEEN_ADMISSION), POSTERN_ROW_OTHERWISE,
			POSTERN_REASON_NO_PARTNER);
		postern_listen_read(r->dp, (uint16_t)(RIG_LISTEN_V4 + f), &stats);
		assert_int_equal(stats.observed, 1);
		assert_int_equal(stats.not_admitted, 0);
		end(r);
	}
}

// An entry that is observed, or not asked about, softens what the service says.
static void test_entries_soften(void **state)
{
	struct rig *r = begin(&(struct rig_world){0});
	const struct postern_domain d = rig_domain("c.com");
	const struct postern_addr address = rig_client(POSTERN_V4, STRANGER);
	const struct postern_target t = {.name = rig_domain("elsewhere.net"),
		.port = 5061,
		.addresses = &address,
		.n_addresses = 1};
	const struct postern_facts f = {.state = POSTERN_FACTS_GOOD, .targets = &t, .n_targets = 1};
	struct postern_allowed a = rig_allowed("c.com", NULL);

	(void)state;
	// Its record points elsewhere, so row 7 refuses.
	assert_int_equal(postern_policy_set_facts(policy, &d, &f), 0);
	assert_int_equal(postern_policy_set_allowed(policy, RIG_ORGANISATION, &a), 0);
	assert_false(gets_in(r, POSTERN_V4, STRANGER));
	a.admission = POSTERN_ADMISSION_OBSERVE;
	assert_int_equal(postern_policy_set_allowed(policy, RIG_ORGANISATION, &a), 0);
	assert_true(gets_in(r, POSTERN_V4, STRANGER));
	assert_int_equal(rig_count(r, C(SEEN_ADMISSION)), 1);
	a.admission = POSTERN_ADMISSION_ANY;
	assert_int_equal(postern_policy_set_allowed(policy, RIG_ORGANISATION, &a), 0);
	assert_true(gets_in(r, POSTERN_V4, STRANGER));
	assert_int_equal(rig_count(r, C(SEEN_ADMISSION)), 1);
	end(r);
}

static void test_policy_changes_under_way(void **state)
{
	struct rig *r = begin(&(struct rig_world){0});

	(void)state;
	EACH_FAMILY(f)
	{
		assert_false(gets_in(r, f, STRANGER));
		allow("new.com", STRANGER, POSTERN_ADMISSION_ENFORCE);
		assert_true(gets_in(r, f, STRANGER));
		unlist("new.com");
		assert_false(gets_in(r, f, STRANGER));
		// b.com moves, and back.
		at("b.com", STRANGER2);
		assert_false(gets_in(r, f, BY_DNS));
		assert_true(gets_in(r, f, STRANGER2));
		at("b.com", BY_DNS);
		assert_true(gets_in(r, f, BY_DNS));
		assert_false(gets_in(r, f, STRANGER2));
	}
	struct postern_switches off;

	postern_switches_default(&off);
	assert_int_equal(postern_policy_set_organisation(policy, RIG_ORGANISATION, &off), 0);
	assert_false(gets_in(r, POSTERN_V4, ALLOWED));
	rig_switches(policy, false);
	work();
	assert_true(gets_in(r, POSTERN_V4, ALLOWED));
	end(r);
}

// The service's setting follows a reload, and sessions that are there stay.
static void test_reload(void **state)
{
	struct rig_world world = {.admission = POSTERN_ADMISSION_ANY};
	struct rig *r = begin(&world);
	struct talk t = talk_new(r, POSTERN_V4, STRANGER);

	(void)state;
	talk_open(&t);
	world.admission = POSTERN_ADMISSION_ENFORCE;
	rig_adopt(r, &world);
	assert_false(gets_in(r, POSTERN_V4, STRANGER));
	talk_send(&t, FROM_CLIENT, TALK_ACK, 100);
	world.refuse_reset = true;
	rig_adopt(r, &world);
	assert_false(gets_in(r, POSTERN_V4, STRANGER));
	assert_int_equal(rig_count(r, C(REFUSE_ADMISSION)), 1);
	world.admission = POSTERN_ADMISSION_ANY;
	rig_adopt(r, &world);
	assert_true(gets_in(r, POSTERN_V4, STRANGER));
	talk_send(&t, FROM_MEMBER, TALK_ACK, 100);
	end(r);
}

// Sessions of an address end with its last partner, if the service says so, and others' stay.
static void test_blocked_sessions_end(void **state)
{
	(void)state;
	EACH_FAMILY(f)
	{
		struct rig *r = begin(&(struct rig_world){.close_on_block = true});
		struct talk a = talk_new(r, f, ALLOWED), b = talk_new(r, f, BY_DNS);

		// Two share the first one's address.
		allow("shared.com", ALLOWED, POSTERN_ADMISSION_ENFORCE);
		talk_open(&a);
		talk_open(&b);
		unlist("a.com");
		rig_turn(r);
		talk_send(&a, FROM_CLIENT, TALK_ACK, 10);
		rig_block(policy, "shared.com", false);
		rig_turn(r);
		talk_take_resets(&a);
		assert_int_equal(talk_state(&a), POSTERN_SESSION_RESET);
		assert_int_equal(rig_count(r, C(CLOSE_NOT_ADMITTED)), 1);
		// What moves in DNS keeps its sessions, also when others are blocked.
		at("b.com", STRANGER);
		rig_turn(r);
		allow("a.com", ALLOWED, POSTERN_ADMISSION_ENFORCE);
		unlist("a.com");
		rig_turn(r);
		talk_send(&b, FROM_CLIENT, TALK_ACK, 10);
		at("b.com", BY_DNS);
		rig_block(policy, "b.com", false);
		rig_turn(r);
		talk_take_resets(&b);
		assert_int_equal(rig_count(r, C(CLOSE_NOT_ADMITTED)), 2);
		end(r);
	}
}

static void test_sessions_stay_otherwise(void **state)
{
	static const struct rig_world worlds[] = {
		{.close_on_block = false},
		{.close_on_block = true, .admission = POSTERN_ADMISSION_OBSERVE},
		{.close_on_block = true, .admission = POSTERN_ADMISSION_ANY},
	};

	(void)state;
	for (unsigned w = 0; w < 3; w++) {
		struct rig_world world = worlds[w];
		struct rig *r = begin(&world);
		struct talk t = talk_new(r, POSTERN_V4, ALLOWED);

		talk_open(&t);
		rig_block(policy, "a.com", false);
		rig_turn(r);
		talk_send(&t, FROM_CLIENT, TALK_ACK, 10);
		// What was blocked before does not count when the setting comes.
		world = (struct rig_world){.close_on_block = true};
		rig_adopt(r, &world);
		talk_send(&t, FROM_CLIENT, TALK_ACK, 10);
		assert_int_equal(rig_count(r, C(CLOSE_NOT_ADMITTED)), 0);
		end(r);
	}
}

// More at one go than is remembered, and the master switch: everybody is looked at.
static void test_all_are_withdrawn(void **state)
{
	struct rig *r = begin(&(struct rig_world){.close_on_block = true});
	struct talk a = talk_new(r, POSTERN_V4, ALLOWED), b = talk_new(r, POSTERN_V6, BY_DNS);
	struct postern_switches off;

	(void)state;
	talk_open(&a);
	talk_open(&b);
	for (unsigned i = 0; i < 1200; i++) {
		allow("x.com", 1000 + i % 200, POSTERN_ADMISSION_ENFORCE);
		unlist("x.com");
	}
	unlist("a.com");
	rig_turn(r);
	talk_take_resets(&a);
	talk_send(&b, FROM_CLIENT, TALK_ACK, 10);
	postern_switches_default(&off);
	assert_int_equal(postern_policy_set_organisation(policy, RIG_ORGANISATION, &off), 0);
	rig_turn(r);
	talk_take_resets(&b);
	assert_int_equal(rig_count(r, C(CLOSE_NOT_ADMITTED)), 2);
	end(r);
}

// Tables without an index let all through until they have one; then the same holds as ever.
static void test_index_comes_later(void **state)
{
	const struct postern_policy_limits limits = {.domains = 100};
	struct postern_provider v = {.id = 1,
		.kind = POSTERN_PROVIDER_HOSTING,
		.enabled = true,
		.proxy_fqdn = rig_domain("sipfed.example.net")};
	const struct postern_prefix prefix = exact(POSTERN_V4, 7);

	(void)state;
	assert_int_equal(postern_policy_new(&limits, &policy), 0);
	rig_switches(policy, false);
	allow("a.com", ALLOWED, POSTERN_ADMISSION_ENFORCE);
	v.prefixes = &prefix;
	v.n_prefixes = 1;
	assert_int_equal(postern_policy_set_provider(policy, RIG_ORGANISATION, &v), 0);
	struct rig *r = rig_new(&(struct rig_options){.policy = policy});

	assert_true(gets_in(r, POSTERN_V4, STRANGER));
	assert_int_equal(postern_policy_use_index(policy), 0);
	assert_false(postern_policy_is_complete(policy));
	assert_true(gets_in(r, POSTERN_V4, STRANGER));
	work();
	assert_true(postern_policy_is_complete(policy));
	assert_false(gets_in(r, POSTERN_V4, STRANGER));
	assert_true(gets_in(r, POSTERN_V4, ALLOWED));
	assert_true(gets_in(r, POSTERN_V4, 7));
	rig_allow(policy, "b.com", NULL);
	at("b.com", BY_DNS);
	assert_true(gets_in(r, POSTERN_V4, BY_DNS));
	v.enabled = false;
	assert_int_equal(postern_policy_set_provider(policy, RIG_ORGANISATION, &v), 0);
	assert_false(gets_in(r, POSTERN_V4, 7));
	assert_int_equal(postern_policy_use_index(policy), 0);
	end(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strangers_are_dropped),
		cmocka_unit_test(test_strangers_are_told),
		cmocka_unit_test(test_udp),
		cmocka_unit_test(test_observe_lets_through),
		cmocka_unit_test(test_entries_soften),
		cmocka_unit_test(test_policy_changes_under_way),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_blocked_sessions_end),
		cmocka_unit_test(test_sessions_stay_otherwise),
		cmocka_unit_test(test_all_are_withdrawn),
		cmocka_unit_test(test_index_comes_later),
	};

	return cmocka_run_group_tests_name("admission", tests, rig_use_cmocka, NULL);
}
