// SPDX-License-Identifier: BSD-2-Clause
// Pools without a network: ids over reloads, the state of members, the words that the dataplane
// is told, what it reports. The event loop runs only where events are tested, so that no probe
// comes in between.

#include "control/pool/private.h"
#include "control/pool/probe.h"

// cmocka.h needs the four before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "tests/unit/pool_rig.h"

#include <event2/event.h>

#include <stdlib.h>

static struct pool_member *one_pool(struct file *f, unsigned n_members)
{
	add_pool(f, "edges", n_members);
	apply(f);
	pool_set_attach(set, &fake);
	return member("edges", "m0");
}

static void test_names(void **state)
{
	(void)state;
	for (int a = POOL_ADMIN_READY; a <= POOL_ADMIN_MAINT; a++)
		assert_int_equal(pool_admin_parse(pool_admin_name((enum pool_admin)a)), a);
	assert_true(pool_admin_parse("down") < 0);
	assert_string_equal(pool_health_name(POOL_HEALTH_UNKNOWN), "unknown");
}

static void test_new_set_is_empty(void **state)
{
	(void)state;
	assert_null(pool_set_at(set, 0));
	assert_null(pool_set_find(set, "edges"));
	assert_null(pool_set_member(set, 0));
	assert_null(pool_set_member(set, POSTERN_ID_NONE));
}

static void test_apply_copies_the_configuration(void **state)
{
	(void)state;
	struct file f = {0};
	add_pool(&f, "edges", 2);
	add_pool(&f, "front-ends", 1);
	f.members[0][1].fqdn = (char *)"m1.contoso.local";
	f.members[0][1].weight = 7;
	apply(&f);

	const struct pool *p = pool_set_at(set, 0);
	assert_string_equal(p->name, "edges");
	assert_ptr_equal(p->config, &f.pools[0]);
	assert_int_equal(p->n_members, 2);
	assert_string_equal(pool_set_at(set, 1)->name, "front-ends");
	assert_null(pool_set_at(set, 2));
	assert_null(pool_member_find(p, "m2"));
	const struct pool_member *m = pool_member_find(p, "m1");
	assert_string_equal(m->fqdn, "m1.contoso.local");
	assert_int_equal(m->weight, 7);
	assert_ptr_equal(m->pool, p);
	assert_true(postern_endpoint_equal(&m->at, &f.members[0][1].address));
	assert_int_equal(m->health, POOL_HEALTH_UNKNOWN);
	assert_ptr_equal(pool_set_member(set, m->id), m);
}

// What the operator said of those who are new to the set.
static enum pool_admin remembered(void *user, const struct pool_member *m)
{
	assert_ptr_equal(user, &changes);
	if (strcmp(m->pool->name, "a") != 0)
		return POOL_ADMIN_READY;
	return strcmp(m->name, "m0") == 0   ? POOL_ADMIN_DRAIN
	       : strcmp(m->name, "m1") == 0 ? POOL_ADMIN_MAINT
					    : POOL_ADMIN_READY;
}

static void test_what_was_said_earlier_holds(void **state)
{
	(void)state;
	struct file both = {0}, other = {0};
	add_pool(&both, "a", 3);
	add_pool(&both, "b", 1);
	pool_set_free(set);
	set = pool_set_new(base, &(struct pool_callbacks){.admin = remembered, .user = &changes});
	assert_non_null(set);
	apply(&both);
	pool_set_attach(set, &fake);
	assert_int_equal(fake.words[member("a", "m0")->id], 0);
	assert_int_equal(fake.words[member("a", "m1")->id], POSTERN_MEMBER_RESET);
	assert_int_equal(fake.words[member("a", "m2")->id], POSTERN_MEMBER_TAKES_NEW);
	assert_int_equal(fake.words[member("b", "m0")->id], POSTERN_MEMBER_TAKES_NEW);
	assert_string_equal(member("a", "m0")->why, "set to drain earlier");
	// Who stays in the set keeps what was said since; who comes back is asked for again.
	pool_member_set_admin(set, member("a", "m0"), POOL_ADMIN_READY);
	apply(&both);
	assert_int_equal(member("a", "m0")->admin, POOL_ADMIN_READY);
	add_pool(&other, "b", 1);
	apply(&other);
	apply(&both);
	assert_int_equal(member("a", "m0")->admin, POOL_ADMIN_DRAIN);
}

static void test_ids_are_stable(void **state)
{
	(void)state;
	struct file f = {0};
	add_pool(&f, "edges", 3);
	add_pool(&f, "front-ends", 2);
	apply(&f);
	pool_set_attach(set, &fake);
	uint16_t pool = pool_set_find(set, "front-ends")->id;
	uint16_t m2 = member("edges", "m2")->id, f1 = member("front-ends", "m1")->id;
	struct pool_member *before = member("edges", "m2");
	probed(before, true);

	// The other order, one member less, other properties.
	struct file g = {.config = {.pools = {g.pools, 2}}};
	g.pools[0] = f.pools[1];
	g.pools[1] = f.pools[0];
	struct config_member reversed[2] = {f.members[0][2], f.members[0][0]};
	reversed[0].weight = 9;
	reversed[0].fqdn = (char *)"other.contoso.local";
	g.pools[1].members.items = reversed;
	g.pools[1].members.count = 2;
	apply(&g);
	assert_int_equal(pool_set_find(set, "front-ends")->id, pool);
	assert_int_equal(member("edges", "m2")->id, m2);
	assert_int_equal(member("front-ends", "m1")->id, f1);
	assert_ptr_equal(member("edges", "m2"), before);
	assert_int_equal(before->health, POOL_HEALTH_UP);
	assert_int_equal(before->weight, 9);
	assert_string_equal(before->fqdn, "other.contoso.local");
	assert_ptr_equal(before->pool, pool_set_at(set, 1));
}

static void test_removed_id_waits_for_the_dataplane(void **state)
{
	(void)state;
	struct file f = {0};
	one_pool(&f, 2);
	uint16_t old = member("edges", "m1")->id;
	f.pools[0].on_down = CONFIG_ON_DOWN_KEEP; // removed members are reset all the same
	apply(&f);

	fake.busy[old] = true;
	f.pools[0].members.count = 1;
	apply(&f);
	assert_int_equal(fake.words[old], POSTERN_MEMBER_RESET);
	assert_null(pool_set_member(set, old));
	assert_int_equal(pool_set_find(set, "edges")->n_members, 1);

	// Sessions refer to it; the snapshot without it has been adopted.
	fake.adopted++;
	f.members[0][1] = (struct config_member){
		.name = (char *)"x1", .address = endpoint(77, 1), .weight = 1};
	f.pools[0].members.count = 2;
	apply(&f);
	assert_int_not_equal(member("edges", "x1")->id, old);
	assert_int_equal(fake.words[old], POSTERN_MEMBER_RESET);

	// Idle: free at the next apply.
	fake.busy[old] = false;
	f.members[0][2] = (struct config_member){
		.name = (char *)"x2", .address = endpoint(78, 1), .weight = 1};
	f.pools[0].members.count = 3;
	apply(&f);
	assert_int_equal(member("edges", "x2")->id, old);
	assert_int_equal(fake.words[old], POSTERN_MEMBER_TAKES_NEW);
}

static void test_removed_id_waits_for_adoption(void **state)
{
	(void)state;
	struct file f = {0};
	one_pool(&f, 2);
	uint16_t old = member("edges", "m1")->id;
	f.pools[0].members.count = 1;
	apply(&f);
	pool_seats_reap(set);
	assert_non_null(set->seats[old]);
	fake.adopted++;
	pool_seats_reap(set);
	assert_null(set->seats[old]);
}

static void test_member_that_returns_has_its_id(void **state)
{
	(void)state;
	struct file f = {0};
	one_pool(&f, 2);
	struct pool_member *m = member("edges", "m1");
	uint16_t id = m->id;
	pool_member_set_admin(set, m, POOL_ADMIN_MAINT);
	fake.busy[id] = true;
	f.pools[0].members.count = 1;
	apply(&f);
	fake.adopted++;
	f.pools[0].members.count = 2;
	apply(&f);
	m = member("edges", "m1");
	assert_int_equal(m->id, id);
	assert_int_equal(m->admin, POOL_ADMIN_READY);
	assert_int_equal(m->health, POOL_HEALTH_UNKNOWN);
	assert_int_equal(fake.words[id], POSTERN_MEMBER_TAKES_NEW);
}

static void test_other_address_is_another_member(void **state)
{
	(void)state;
	struct file f = {0};
	uint16_t id = one_pool(&f, 1)->id;
	fake.busy[id] = true;
	f.members[0][0].address.port = 443;
	apply(&f);
	assert_int_not_equal(member("edges", "m0")->id, id);
	assert_int_equal(fake.words[id], POSTERN_MEMBER_RESET);
}

static void test_pool_id_outlives_its_members(void **state)
{
	(void)state;
	struct file f = {0};
	uint16_t id = one_pool(&f, 1)->id, pool = pool_set_at(set, 0)->id;
	fake.busy[id] = true;
	struct file g = {0};
	add_pool(&g, "others", 1);
	apply(&g);
	assert_int_not_equal(pool_set_find(set, "others")->id, pool);
	apply(&f);
	assert_int_equal(pool_set_find(set, "edges")->id, pool);
}

// So many members that not all of them can be there twice.
#define MANY 40000

static void test_out_of_ids(void **state)
{
	(void)state;
	static struct config_member many[2][MANY];
	static char names[2][MANY][8];
	struct file f = {0};
	add_pool(&f, "edges", 0)->probe.kind = CONFIG_PROBE_NONE;
	for (unsigned k = 0; k < 2; k++) {
		for (unsigned i = 0; i < MANY; i++) {
			snprintf(names[k][i], sizeof(names[k][i]), "%c%u", (int)('a' + k), i);
			many[k][i] = (struct config_member){
				.name = names[k][i], .address = endpoint(i, 5061), .weight = 1};
		}
	}
	f.pools[0].members.items = many[0];
	f.pools[0].members.count = MANY;
	apply(&f);
	pool_set_attach(set, &fake);
	memset(fake.busy, true, sizeof(fake.busy));

	struct file g = f;
	g.config.pools.items = g.pools;
	g.pools[0].members.items = many[1];
	assert_int_equal(pool_set_apply(set, &g.config, why, sizeof(why)), -ENOSPC);
	assert_non_null(strstr(why, "no free id"));
	assert_int_equal(pool_set_at(set, 0)->n_members, MANY);
	assert_non_null(pool_member_find(pool_set_at(set, 0), "a39999"));
	assert_ptr_equal(pool_set_at(set, 0)->config, &f.pools[0]);

	// Few enough new ones fit beside those that are removed.
	g.pools[0].members.count = UINT16_MAX - MANY;
	apply(&g);
	assert_int_equal(pool_set_at(set, 0)->n_members, UINT16_MAX - MANY);
}

static void test_first_success_is_up(void **state)
{
	(void)state;
	struct file f = {0};
	struct pool_member *m = one_pool(&f, 3);
	assert_int_equal(fake.words[m->id], POSTERN_MEMBER_TAKES_NEW);
	probed(m, true);
	assert_int_equal(m->health, POOL_HEALTH_UP);
	assert_int_equal(m->probes_ok, 1);
	assert_int_equal(m->last_probe_ms, 3);
	assert_string_equal(m->why, "accepted in 3 ms");
	assert_int_equal(changes, 1);
	assert_string_equal(fake_log,
		"pool edges: member m0 is up: accepted in 3 ms; 3 of 3 members take sessions");
	probed(m, true);
	assert_int_equal(changes, 1);
}

static void test_fall_and_rise_are_in_a_row(void **state)
{
	(void)state;
	struct file f = {0};
	struct pool_member *m = one_pool(&f, 3);
	probed(m, false);
	probed(m, false);
	assert_int_equal(m->health, POOL_HEALTH_UNKNOWN);
	probed(m, true);
	probed(m, false);
	probed(m, false);
	assert_int_equal(m->health, POOL_HEALTH_UP);
	assert_string_equal(m->why, "no answer within 400 ms (2 in a row)");
	probed(m, false);
	assert_int_equal(m->health, POOL_HEALTH_DOWN);
	assert_int_equal(m->probes_failed, 5);
	assert_int_equal(fake.words[m->id], POSTERN_MEMBER_RESET);
	assert_ptr_equal(last_changed, m);
	assert_string_equal(fake_log, "pool edges: member m0 is down: no answer within 400 ms "
				      "(3 in a row); 2 of 3 members take sessions");

	probed(m, true);
	probed(m, false);
	probed(m, true);
	assert_int_equal(m->health, POOL_HEALTH_DOWN);
	assert_string_equal(m->why, "accepted in 3 ms (1 of 2 in a row)");
	probed(m, true);
	assert_int_equal(m->health, POOL_HEALTH_UP);
	assert_int_equal(fake.words[m->id], POSTERN_MEMBER_TAKES_NEW);
}

static void test_unknown_goes_down_after_fall(void **state)
{
	(void)state;
	struct file f = {0};
	struct pool_member *m = one_pool(&f, 1);
	probed(m, false);
	probed(m, false);
	assert_int_equal(fake.words[m->id], POSTERN_MEMBER_TAKES_NEW);
	probed(m, false);
	assert_int_equal(m->health, POOL_HEALTH_DOWN);
	assert_non_null(strstr(fake_log, "0 of 1 members take sessions"));
}

static void test_long_reasons_are_cut(void **state)
{
	(void)state;
	struct file f = {0};
	struct pool_member *m = one_pool(&f, 1);
	char text[300];
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	pool_member_probed(pool_seat_of(m), false, 0, text);
	assert_non_null(strstr(m->why, "xxx (1 in a row)"));
}

static void test_words(void **state)
{
	(void)state;
	const struct {
		enum pool_admin admin;
		enum pool_health health;
		uint32_t reset, keep; // the word by on-down
	} rows[] = {
		{POOL_ADMIN_READY, POOL_HEALTH_UNKNOWN, 1, 1},
		{POOL_ADMIN_READY, POOL_HEALTH_UP, 1, 1},
		{POOL_ADMIN_READY, POOL_HEALTH_DOWN, 2, 0},
		{POOL_ADMIN_DRAIN, POOL_HEALTH_UNKNOWN, 0, 0},
		{POOL_ADMIN_DRAIN, POOL_HEALTH_UP, 0, 0},
		{POOL_ADMIN_DRAIN, POOL_HEALTH_DOWN, 2, 0},
		{POOL_ADMIN_MAINT, POOL_HEALTH_UNKNOWN, 2, 2},
		{POOL_ADMIN_MAINT, POOL_HEALTH_UP, 2, 2},
		{POOL_ADMIN_MAINT, POOL_HEALTH_DOWN, 2, 2},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config_pool config = {.on_down = CONFIG_ON_DOWN_RESET};
		struct pool_group group = {.pool = {.config = &config}};
		struct pool_seat seat = {.member = {.pool = &group.pool,
						 .admin = rows[i].admin,
						 .health = rows[i].health}};
		assert_int_equal(pool_member_word(&seat.member), rows[i].reset);
		config.on_down = CONFIG_ON_DOWN_KEEP;
		assert_int_equal(pool_member_word(&seat.member), rows[i].keep);
	}
}

static void test_admin(void **state)
{
	(void)state;
	struct file f = {0};
	struct pool_member *m = one_pool(&f, 3);
	probed(m, true);
	pool_member_set_admin(set, m, POOL_ADMIN_DRAIN);
	assert_int_equal(fake.words[m->id], 0);
	assert_int_equal(changes, 2);
	assert_string_equal(
		fake_log, "pool edges: member m0 is set to drain; 2 of 3 members take sessions");
	pool_member_set_admin(set, m, POOL_ADMIN_DRAIN);
	assert_int_equal(changes, 2);
	pool_member_set_admin(set, m, POOL_ADMIN_READY);
	assert_int_equal(m->health, POOL_HEALTH_UP);
	assert_int_equal(fake.words[m->id], POSTERN_MEMBER_TAKES_NEW);

	pool_member_set_admin(set, m, POOL_ADMIN_MAINT);
	assert_int_equal(fake.words[m->id], POSTERN_MEMBER_RESET);
	pool_member_set_admin(set, m, POOL_ADMIN_READY);
	assert_int_equal(m->health, POOL_HEALTH_UNKNOWN);
	assert_int_equal(fake.words[m->id], POSTERN_MEMBER_TAKES_NEW);
}

static void test_maint_is_not_probed(void **state)
{
	(void)state;
	struct file f = {0};
	struct pool_member *m = one_pool(&f, 1);
	int before = pending();
	pool_member_set_admin(set, m, POOL_ADMIN_MAINT);
	assert_int_equal(pending(), before - 1);
	pool_member_set_admin(set, m, POOL_ADMIN_DRAIN);
	assert_int_equal(pending(), before);
}

static void test_weight_zero_takes_no_sessions(void **state)
{
	(void)state;
	struct file f = {0};
	add_pool(&f, "edges", 3);
	f.members[0][1].weight = 0;
	apply(&f);
	probed(member("edges", "m0"), true);
	assert_non_null(strstr(fake_log, "2 of 3 members take sessions"));
	pool_member_set_admin(set, member("edges", "m2"), POOL_ADMIN_DRAIN);
	assert_non_null(strstr(fake_log, "1 of 3 members takes sessions"));
}

static void test_observed(void **state)
{
	(void)state;
	struct file f = {0};
	add_pool(&f, "edges", 4);
	f.pools[0].probe.kind = CONFIG_PROBE_NONE;
	apply(&f);
	pool_set_attach(set, &fake);
	struct pool_member *m0 = member("edges", "m0"), *m1 = member("edges", "m1");

	fake_event(POSTERN_EVENT_REFUSED, m0->id, 2);
	fake_event(POSTERN_EVENT_REFUSED, 999, 3);
	fake_event(POSTERN_EVENT_REFUSED, POSTERN_ID_NONE, 3);
	fake_event((enum postern_event_kind)77, m0->id, 3);
	turn();
	assert_int_equal(changes, 0);

	fake_event(POSTERN_EVENT_REFUSED, m0->id, 3);
	fake_event(POSTERN_EVENT_REFUSED, m0->id, 4);
	fake_event(POSTERN_EVENT_SILENT, m1->id, 5);
	turn();
	assert_int_equal(changes, 2);
	assert_int_equal(m0->health, POOL_HEALTH_DOWN);
	assert_int_equal(fake.words[m0->id], POSTERN_MEMBER_RESET);
	assert_string_equal(m0->why, "refused 3 SYNs in a row, seen by the dataplane");
	assert_string_equal(m1->why, "did not answer 5 SYNs in a row, seen by the dataplane");

	struct pool_member *m2 = member("edges", "m2");
	pool_member_set_admin(set, m2, POOL_ADMIN_MAINT);
	fake_event(POSTERN_EVENT_REFUSED, m2->id, 3);
	turn();
	assert_int_equal(m2->health, POOL_HEALTH_UNKNOWN);
}

static void test_observe_fall_zero(void **state)
{
	(void)state;
	struct file f = {0};
	add_pool(&f, "edges", 1)->observe_fall = 0;
	f.pools[0].probe.kind = CONFIG_PROBE_NONE;
	apply(&f);
	pool_set_attach(set, &fake);
	fake_event(POSTERN_EVENT_REFUSED, member("edges", "m0")->id, 100);
	turn();
	assert_int_equal(member("edges", "m0")->health, POOL_HEALTH_UNKNOWN);
}

// More events than one turn takes, with a descriptor that tells of them once.
static void test_many_events(void **state)
{
	(void)state;
	struct file f = {0};
	add_pool(&f, "edges", 1)->probe.kind = CONFIG_PROBE_NONE;
	apply(&f);
	pool_set_attach(set, &fake);
	for (unsigned i = 0; i < 3000; i++)
		fake_event(POSTERN_EVENT_SILENT, 999, 3);
	fake_event(POSTERN_EVENT_SILENT, member("edges", "m0")->id, 3);
	for (unsigned i = 0; i < 10; i++)
		turn();
	assert_int_equal(member("edges", "m0")->health, POOL_HEALTH_DOWN);
}

// Who spoils his own SYNs can make a member look silent. New sessions stay away at once; those that
// stand are reset only when a probe finds the same.
static void test_silence_resets_only_when_a_probe_agrees(void **state)
{
	(void)state;
	struct file f = {0};
	struct pool_member *m = one_pool(&f, 1);
	probed(m, true);
	pool_member_observed(pool_seat_of(m), POSTERN_EVENT_SILENT, 3);
	assert_int_equal(m->health, POOL_HEALTH_DOWN);
	assert_int_equal(pool_member_word(m), 0);
	probed(m, true);
	probed(m, true);
	assert_int_equal(m->health, POOL_HEALTH_UP);
	assert_int_equal(pool_member_word(m), POSTERN_MEMBER_TAKES_NEW);

	pool_member_observed(pool_seat_of(m), POSTERN_EVENT_SILENT, 3);
	assert_int_equal(pool_member_word(m), 0);
	probed(m, false);
	assert_int_equal(m->health, POOL_HEALTH_DOWN);
	assert_int_equal(pool_member_word(m), POSTERN_MEMBER_RESET);

	// A refusal needs no second opinion.
	probed(m, true);
	probed(m, true);
	pool_member_observed(pool_seat_of(m), POSTERN_EVENT_REFUSED, 3);
	assert_int_equal(pool_member_word(m), POSTERN_MEMBER_RESET);
}

static void test_member_without_probes_comes_back(void **state)
{
	(void)state;
	struct file f = {0};
	add_pool(&f, "edges", 1)->probe.kind = CONFIG_PROBE_NONE;
	apply(&f);
	pool_set_attach(set, &fake);
	struct pool_member *m = member("edges", "m0");
	int before = pending();
	pool_member_observed(pool_seat_of(m), POSTERN_EVENT_SILENT, 3);
	assert_int_equal(m->health, POOL_HEALTH_DOWN);
	assert_int_equal(pending(), before + 1); // the hold
	pool_member_release(pool_seat_of(m));
	assert_int_equal(m->health, POOL_HEALTH_UNKNOWN);
	assert_int_equal(fake.words[m->id], POSTERN_MEMBER_TAKES_NEW);
}

static void test_new_settings_keep_health(void **state)
{
	(void)state;
	struct file f = {0};
	struct pool_member *m = one_pool(&f, 2);
	for (int i = 0; i < 3; i++)
		probed(m, false);
	assert_int_equal(changes, 1);

	struct file g = f;
	g.config.pools.items = g.pools;
	g.pools[0].on_down = CONFIG_ON_DOWN_KEEP;
	g.pools[0].probe.kind = CONFIG_PROBE_TLS;
	g.pools[0].probe.rise = 1;
	apply(&g);
	assert_int_equal(m->health, POOL_HEALTH_DOWN);
	assert_int_equal(fake.words[m->id], 0);
	assert_int_equal(changes, 2);
	assert_ptr_equal(last_changed, m);
	probed(m, true);
	assert_int_equal(m->health, POOL_HEALTH_UP);

	// Without probes nobody would bring a member back: the hold does.
	pool_member_observed(pool_seat_of(m), POSTERN_EVENT_SILENT, 3);
	int before = pending();
	g.pools[0].probe.kind = CONFIG_PROBE_NONE;
	struct file h = g;
	h.config.pools.items = h.pools;
	g.pools[0].probe.kind = CONFIG_PROBE_TLS;
	apply(&h);
	assert_int_equal(m->health, POOL_HEALTH_DOWN);
	assert_int_equal(pending(), before - 1); // m0's hold, and nothing of m1's
	apply(&f);
}

static void test_attach_writes_all_words(void **state)
{
	(void)state;
	struct file f = {0};
	add_pool(&f, "edges", 2);
	apply(&f);
	struct pool_member *m = member("edges", "m1");
	pool_member_set_admin(set, m, POOL_ADMIN_DRAIN);
	assert_int_equal(fake.words[m->id], UINT32_MAX);
	pool_set_attach(set, &fake);
	assert_int_equal(fake.words[m->id], 0);
	assert_int_equal(fake.words[member("edges", "m0")->id], POSTERN_MEMBER_TAKES_NEW);
	pool_set_attach(set, NULL);
	pool_member_set_admin(set, m, POOL_ADMIN_READY);
	assert_int_equal(fake.words[m->id], 0);
}

static void test_bad_tls_files_change_nothing(void **state)
{
	(void)state;
	struct file f = {0};
	one_pool(&f, 1);
	const struct pool *before = pool_set_at(set, 0);

	struct file g = {0};
	add_pool(&g, "others", 3);
	add_pool(&g, "edges", 2)->tls.trust = (char *)"/nowhere/ca.pem";
	assert_int_equal(pool_set_apply(set, &g.config, why, sizeof(why)), -EINVAL);
	assert_string_equal(why, "pool edges: trust /nowhere/ca.pem: No such file or directory");
	assert_ptr_equal(pool_set_at(set, 0), before);
	assert_null(pool_set_at(set, 1));
	assert_int_equal(before->n_members, 1);

	g.pools[1].tls.trust = NULL;
	g.pools[1].tls.certificate = (char *)"/dev/null";
	assert_int_equal(pool_set_apply(set, &g.config, why, sizeof(why)), -EINVAL);
	assert_string_equal(why, "pool edges: certificate /dev/null: no start line");

	// The same member twice, which the reader of the file does not let pass.
	g.pools[1].tls.certificate = NULL;
	g.pools[1].members.count = 1;
	g.members[1][0] = f.members[0][0];
	struct config_member twice[2] = {f.members[0][0], f.members[0][0]};
	g.pools[1].members.items = twice;
	g.pools[1].members.count = 2;
	assert_int_equal(pool_set_apply(set, &g.config, why, sizeof(why)), -EINVAL);
	assert_ptr_equal(pool_set_at(set, 0), before);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_names),
		TEST(test_new_set_is_empty),
		TEST(test_apply_copies_the_configuration),
		TEST(test_what_was_said_earlier_holds),
		TEST(test_ids_are_stable),
		TEST(test_removed_id_waits_for_the_dataplane),
		TEST(test_removed_id_waits_for_adoption),
		TEST(test_member_that_returns_has_its_id),
		TEST(test_other_address_is_another_member),
		TEST(test_pool_id_outlives_its_members),
		TEST(test_out_of_ids),
		TEST(test_first_success_is_up),
		TEST(test_fall_and_rise_are_in_a_row),
		TEST(test_unknown_goes_down_after_fall),
		TEST(test_long_reasons_are_cut),
		TEST(test_words),
		TEST(test_admin),
		TEST(test_maint_is_not_probed),
		TEST(test_weight_zero_takes_no_sessions),
		TEST(test_observed),
		TEST(test_observe_fall_zero),
		TEST(test_many_events),
		TEST(test_silence_resets_only_when_a_probe_agrees),
		TEST(test_member_without_probes_comes_back),
		TEST(test_new_settings_keep_health),
		TEST(test_attach_writes_all_words),
		TEST(test_bad_tls_files_change_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
