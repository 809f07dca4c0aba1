// SPDX-License-Identifier: BSD-2-Clause
// Ports with RSS: where it is right nobody hands over, where it is wrong everything works all the same.

#include "rig_cmocka.h"
#include "talk.h"

#include "postern/log.h"

#include <string.h>

#define SESSIONS 100

static void sessions(struct rig *r, uint8_t family)
{
	for (unsigned i = 0; i < SESSIONS; i++) {
		// Not one after the other: address and port would go up together, and what a hash does of
		// that follows from its key.
		struct talk t = talk_new(r, family, i * 7919 % 20000);

		talk_open(&t);
		talk_send(&t, FROM_CLIENT, TALK_ACK, 100);
		talk_send(&t, FROM_MEMBER, TALK_ACK, 100);
		talk_send(&t, FROM_CLIENT, TALK_FIN, 0);
		talk_send(&t, FROM_MEMBER, TALK_FIN, 0);
		talk_send(&t, FROM_CLIENT, TALK_ACK, 0);
	}
}

static struct rig *new (bool destination, bool one_arm)
{
	const struct rig_options options = {
		.world = {.destination = destination, .one_arm = one_arm},
		.rss = true,
		.sessions = 4 * SESSIONS,
	};
	struct rig *r = rig_new(&options);

	assert_true(r->dp->n_workers > 1);
	return r;
}

static uint64_t handed(const struct rig *r, uint16_t interface)
{
	struct postern_port_info info;

	assert_int_equal(postern_port_read(r->dp, interface, &info), 0);
	return info.rx_handed_over;
}

static enum postern_rss shown(const struct rig *r, uint16_t interface)
{
	struct postern_port_info info;

	assert_int_equal(postern_port_read(r->dp, interface, &info), 0);
	return info.rss;
}

static unsigned warnings(const struct rig *r)
{
	struct postern_log_line line = {0};
	unsigned n = 0;

	postern_dataplane_reclaim(r->dp);
	while (postern_log_read(line.number + 1, &line))
		n += strstr(line.text, "its RSS brings packets to other queues") != NULL;
	return n;
}

static void test_right(void **state)
{
	(void)state;
	for (unsigned destination = 0; destination < 2; destination++) {
		struct rig *r = new (destination, false);

		sessions(r, POSTERN_V4);
		assert_int_equal(rig_count(r, POSTERN_COUNTER_HANDED_OVER), 0);
		// The key of the members' side has no room for IPv6.
		sessions(r, POSTERN_V6);
		assert_int_equal(handed(r, RIG_OUTSIDE), 0);
		assert_true(handed(r, RIG_INSIDE) > 0);
		assert_int_equal(shown(r, RIG_OUTSIDE), POSTERN_RSS_VERIFIED);
		assert_int_equal(shown(r, RIG_INSIDE), POSTERN_RSS_VERIFIED);
		assert_int_equal(warnings(r), 0);
		rig_free(r);
	}
}

// Clients and members on one port: what clients send is at home, answers are handed over.
static void test_one_arm(void **state)
{
	struct rig *r = new (false, true);

	(void)state;
	sessions(r, POSTERN_V4);
	const uint64_t all = handed(r, RIG_OUTSIDE);

	assert_true(all > 0 && all <= 3 * SESSIONS);
	assert_int_equal(shown(r, RIG_OUTSIDE), POSTERN_RSS_VERIFIED);
	rig_free(r);
}

static void test_wrong(void **state)
{
	(void)state;
	for (unsigned destination = 0; destination < 2; destination++) {
		struct rig *r = new (destination, false);

		// Another key than it was told, as a port that ignores it has.
		for (unsigned i = 0; i < BASE_HOME_KEY; i++)
			r->dp->ports[RIG_OUTSIDE].rss_key[i] = (uint8_t)(37 * i + 11);
		sessions(r, POSTERN_V4);
		sessions(r, POSTERN_V6);
		assert_true(handed(r, RIG_OUTSIDE) > SESSIONS);
		assert_int_equal(shown(r, RIG_OUTSIDE), POSTERN_RSS_BROKEN);
		assert_int_equal(shown(r, RIG_INSIDE), POSTERN_RSS_VERIFIED);
		// Once for each rig.
		assert_int_equal(warnings(r), destination + 1);
		assert_int_equal(warnings(r), destination + 1);
		rig_free(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_right),
		cmocka_unit_test(test_one_arm),
		cmocka_unit_test(test_wrong),
	};

	return cmocka_run_group_tests(tests, rig_use_cmocka, NULL);
}
