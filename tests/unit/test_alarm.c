// SPDX-License-Identifier: BSD-2-Clause
// Alarms: what raises and clears them, in which order they are shown, what is logged.

#include "tests/unit/watch_fake.h"

// cmocka.h needs the four before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#define DAY_S 86400

static struct alarm_set *set;

static int setup(void **state)
{
	(void)state;
	fake_reset();
	set = fake_alarms();
	return set != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	alarm_set_free(set);
	return 0;
}

static size_t count(void)
{
	size_t n = 0;

	while (alarm_set_at(set, n) != NULL)
		n++;
	return n;
}

// Looks, and expects nothing but this alarm.
static const struct alarm *only(
	enum alarm_kind kind, enum alarm_severity severity, const char *object, const char *text)
{
	alarm_set_check(set);
	const struct alarm *a = alarm_set_at(set, 0);

	assert_int_equal(count(), 1);
	assert_int_equal(a->kind, kind);
	assert_int_equal(a->severity, severity);
	assert_string_equal(a->object, object);
	assert_non_null(strstr(a->text, text));
	assert_true(a->remedy[0] != '\0');
	for (int s = 0; s < ALARM_SEVERITIES; s++)
		assert_int_equal(alarm_set_count(set, (enum alarm_severity)s), s == (int)severity);
	return a;
}

static void none(void)
{
	alarm_set_check(set);
	assert_int_equal(count(), 0);
	for (int s = 0; s < ALARM_SEVERITIES; s++)
		assert_int_equal(alarm_set_count(set, (enum alarm_severity)s), 0);
}

static void test_all_is_well(void **state)
{
	(void)state;
	none();
	assert_int_equal(fake_lines, 0);
}

// An operator's own wish changes no verdict, and is not forgotten.
// One that is silent is a warning as long as another answers.
static void test_resolvers(void **state)
{
	(void)state;
	fake_dns.n_resolvers = 2;
	for (int i = 0; i < 2; i++)
		fake_dns.resolvers[i].at = (struct postern_endpoint){
			.addr = postern_addr_from_v4(0x350200c0 + ((uint32_t)i << 24)), .port = 53};
	none();
	fake_dns.resolvers[1].resting = true;
	fake_dns.resolvers[1].failing_us = 1000000;
	only(ALARM_RESOLVER, ALARM_WARNING, "192.0.2.54:53",
		"resolver 192.0.2.54:53 has not answered since 1970-01-01T00:00:01Z");
	fake_dns.resolvers[0].resting = true;
	alarm_set_check(set);
	assert_int_equal(count(), 2);
	assert_int_equal(alarm_set_count(set, ALARM_DEGRADED), 2);
	assert_non_null(strstr(alarm_set_at(set, 0)->text, "neither has another"));
	fake_dns.resolvers[0].resting = fake_dns.resolvers[1].resting = false;
	none();
	// Without any, and nobody to be found, nothing is missing.
	fake_dns.n_resolvers = 0;
	none();
	fake_dns.domains = 1;
	only(ALARM_RESOLVER, ALARM_DEGRADED, "dns", "there is no resolver");
}

static void test_partners_in_dns(void **state)
{
	(void)state;
	fake_dns.n_resolvers = 1;
	fake_dns.failing = 2;
	none();
	fake_dns.failing_long = 2;
	fake_dns.example = (struct postern_domain){.length = 12, .text = "fabrikam.com"};
	only(ALARM_PARTNER_DNS, ALARM_WARNING, "dns", "2 followed names has failed for 10 minutes");
	fake_dns.failing_long = 0;
	none();
	// Between the two thresholds it stays as it was.
	fake_dns.late_us = 59000000;
	none();
	fake_dns.late_us = 61000000;
	only(ALARM_DNS_LATE, ALARM_WARNING, "dns", "asked for again 61 s late");
	fake_time.wall_us += 1000000;
	fake_dns.late_us = 11000000;
	only(ALARM_DNS_LATE, ALARM_WARNING, "dns", "asked for again 11 s late");
	fake_dns.late_us = 9000000;
	none();
}

static void test_drained_member_is_noted(void **state)
{
	(void)state;
	fake_members[0].admin = POOL_ADMIN_DRAIN;
	fake_member_sessions[0] = 5;
	fake_member_ending[0] = 4;
	only(ALARM_MEMBER_DRAINED, ALARM_NOTE, "edge/fe1",
		"member edge/fe1 is drained since 2023-11-14T22:13:20Z, 1 session left");
	fake_pass_ms(60000);
	fake_member_ending[0] = 5;
	const struct alarm *a = only(ALARM_MEMBER_DRAINED, ALARM_NOTE, "edge/fe1",
		"since 2023-11-14T22:13:20Z, 0 sessions left");
	assert_string_equal(a->remedy, "posternctl member set edge/fe1 state ready");
	assert_string_equal(alarm_severity_name(a->severity), "note");
	fake_members[0].admin = POOL_ADMIN_READY;
	none();
}

// What cannot be kept is told until it can.
static void test_state_database(void **state)
{
	(void)state;
	fake_trouble = "state database /s.db: the disk is full; make room";
	only(ALARM_STATE_DATABASE, ALARM_DEGRADED, "state",
		"what operators set cannot be kept, and changes are not in the audit: state "
		"database /s.db: the disk is full; make room");
	fake_trouble = NULL;
	none();
}

// Members of one family are no use to an address of the other.
static void test_service_by_address(void **state)
{
	(void)state;
	fake_services[0].listen.count = 2;
	only(ALARM_SERVICE_DOWN, ALARM_DOWN, "federation",
		"service federation: no member takes new sessions for [2001:db8::20]:5061");
	postern_endpoint_parse("[2001:db8::11]:5061", &fake_members[2].at);
	none();
	fake_members[0].health = fake_members[1].health = POOL_HEALTH_DOWN;
	alarm_set_check(set);
	assert_int_equal(alarm_set_count(set, ALARM_DOWN), 1);
	assert_string_equal(alarm_set_at(set, 0)->text,
		"service federation: no member takes new sessions for 192.0.2.20:5061");
	fake_members[2].weight = 0;
	alarm_set_check(set);
	assert_string_equal(alarm_set_at(set, 0)->text,
		"service federation: no member takes new sessions for 192.0.2.20:5061, "
		"[2001:db8::20]:5061");
}

static void test_member_comes_and_goes(void **state)
{
	(void)state;
	const uint64_t raised_us = fake_time.wall_us;

	fake_members[1].health = POOL_HEALTH_DOWN;
	snprintf(fake_members[1].why, sizeof(fake_members[1].why), "no answer (2 in a row)");
	only(ALARM_MEMBER_DOWN, ALARM_DEGRADED, "edge/fe2", "no answer (2 in a row)");
	assert_int_equal(fake_lines, 1);
	assert_non_null(strstr(fake_log[0], "member-down edge/fe2 raised"));
	assert_non_null(strstr(fake_log[0], "posternctl member show edge/fe2"));
	// The text follows, the log keeps quiet, the beginning stays.
	fake_pass_ms(4000);
	snprintf(fake_members[1].why, sizeof(fake_members[1].why), "no answer (9 in a row)");
	const struct alarm *a =
		only(ALARM_MEMBER_DOWN, ALARM_DEGRADED, "edge/fe2", "no answer (9 in a row)");
	assert_true(a->since_us == raised_us);
	assert_int_equal(fake_lines, 1);
	fake_members[1].health = POOL_HEALTH_UP;
	none();
	assert_int_equal(fake_lines, 2);
	assert_non_null(strstr(fake_log[1], "member-down edge/fe2 cleared after 4 s"));
	none();
	assert_int_equal(fake_lines, 2);
}

static void test_the_worst_first(void **state)
{
	(void)state;
	fake_members[0].admin = POOL_ADMIN_MAINT;
	fake_members[1].health = POOL_HEALTH_DOWN;
	fake_members[2].weight = 0;
	fake_pool_config.minimum = 1;
	fake_certificate_end = (int64_t)(fake_time.wall_us / 1000000) + 20 * DAY_S;
	alarm_set_check(set);
	static const enum alarm_kind order[] = {ALARM_SERVICE_DOWN, ALARM_POOL_MINIMUM,
		ALARM_MEMBER_MAINTENANCE, ALARM_MEMBER_DOWN, ALARM_POOL_CERTIFICATE};
	assert_int_equal(count(), 5);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(alarm_set_at(set, i)->kind, order[i]);
	assert_int_equal(alarm_set_count(set, ALARM_DOWN), 1);
	assert_int_equal(alarm_set_count(set, ALARM_DEGRADED), 3);
	assert_int_equal(alarm_set_count(set, ALARM_WARNING), 1);
}

static void test_minimum(void **state)
{
	(void)state;
	fake_pool_config.minimum = 3;
	none();
	fake_members[0].weight = 0;
	only(ALARM_POOL_MINIMUM, ALARM_DEGRADED, "edge",
		"2 of 3 members take new sessions, its minimum is 3");
	fake_members[0].weight = 1;
	none();
}

static void test_certificate(void **state)
{
	const int64_t now = (int64_t)(fake_time.wall_us / 1000000);

	(void)state;
	fake_certificate_end = now + 30 * DAY_S;
	none();
	fake_certificate_end = now + 30 * DAY_S - 1;
	only(ALARM_POOL_CERTIFICATE, ALARM_WARNING, "edge", "within 30 days");
	fake_certificate_end = now + 7 * DAY_S;
	only(ALARM_POOL_CERTIFICATE, ALARM_WARNING, "edge", "within 8 days");
	assert_int_equal(fake_lines, 1);
	fake_certificate_end = now + 7 * DAY_S - 1;
	only(ALARM_POOL_CERTIFICATE, ALARM_DEGRADED, "edge", "within 7 days");
	assert_int_equal(fake_lines, 2); // it has become worse
	fake_certificate_end = now + 5;
	only(ALARM_POOL_CERTIFICATE, ALARM_DEGRADED, "edge", "within 1 day");
	fake_certificate_end = now;
	only(ALARM_POOL_CERTIFICATE, ALARM_DEGRADED, "edge", "has expired");
	fake_certificate_end = now + 90 * DAY_S;
	none();
	assert_int_equal(fake_lines, 3);
}

static void test_link_that_flaps_is_one_alarm(void **state)
{
	(void)state;
	fake_link[1] = false;
	only(ALARM_INTERFACE_LINK, ALARM_DEGRADED, "inside", "has no link");
	for (int i = 0; i < 5; i++) {
		fake_pass_ms(1000);
		fake_link[1] = !fake_link[1];
		only(ALARM_INTERFACE_LINK, ALARM_DEGRADED, "inside", "has no link");
	}
	assert_int_equal(fake_lines, 1);
	assert_true(fake_link[1]);
	fake_pass_ms(1999);
	only(ALARM_INTERFACE_LINK, ALARM_DEGRADED, "inside", "has no link");
	fake_pass_ms(1);
	none();
	fake_link[0] = fake_link[1] = false;
	alarm_set_check(set);
	assert_int_equal(alarm_set_count(set, ALARM_DOWN), 2);
}

static void test_flows_of_members(void **state)
{
	struct config_outbound rules[2] = {{.flows_per_member = 10}, {.flows_per_member = 200}};
	char *pools[] = {(char *)(uintptr_t)fake_pool.name};

	(void)state;
	fake_flows = 450;
	none();
	fake_flows = 451;
	only(ALARM_FLOW_TABLE, ALARM_DEGRADED, "dataplane", "451 of 500");
	fake_flows = 399;
	none();
	for (unsigned i = 0; i < 2; i++) {
		rules[i].pools.items = pools;
		rules[i].pools.count = 1;
	}
	fake_config.outbound.items = rules;
	fake_config.outbound.count = 2;
	fake_member_flows[0] = 180;
	none();
	fake_member_flows[0] = 181;
	only(ALARM_MEMBER_FLOWS, ALARM_DEGRADED, "edge/fe1", "181 of 200");
	fake_member_flows[0] = 0;
	none();
	fake_config.outbound.count = 0;
}

static void test_session_table_has_two_thresholds(void **state)
{
	(void)state;
	fake_sessions = 900;
	none();
	fake_sessions = 901;
	only(ALARM_SESSION_TABLE, ALARM_DEGRADED, "dataplane", "901 of 1000");
	fake_sessions = 800;
	only(ALARM_SESSION_TABLE, ALARM_DEGRADED, "dataplane", "800 of 1000");
	fake_sessions = 799;
	none();
	fake_sessions = 900;
	none();
}

static void test_ports_by_source_addresses(void **state)
{
	(void)state;
	// Two addresses of the interface that leads to the member, 64,512 ports each.
	fake_member_sessions[2] = 116121; // 90 % is 116,121.6
	none();
	fake_member_sessions[2] = 116122;
	const struct alarm *a = only(
		ALARM_MEMBER_PORTS, ALARM_DEGRADED, "edge/fe3", "116122 of 129024 source ports");
	assert_non_null(strstr(a->remedy, "translate-from of interface inside"));
	fake_member_sessions[2] = 103220; // 80 % is 103,219.2
	only(ALARM_MEMBER_PORTS, ALARM_DEGRADED, "edge/fe3", "103220");
	fake_member_sessions[2] = 103219;
	none();
	// An IPv6 source is of no use to it.
	postern_addr_parse("fd00::20", &fake_translate[1]);
	only(ALARM_MEMBER_PORTS, ALARM_DEGRADED, "edge/fe3", "103219 of 64512");
}

// Seconds in which the worker was busy for `percent` of the time, one look in each.
static void work(unsigned seconds, unsigned percent)
{
	for (unsigned i = 0; i < seconds; i++) {
		fake_pass_ms(1000);
		fake_busy += UINT64_C(10000000) * percent;
		alarm_set_check(set);
	}
}

static void test_busy_worker(void **state)
{
	(void)state;
	alarm_set_check(set);
	work(9, 100);
	none(); // not known for ten seconds yet
	work(1, 100);
	only(ALARM_WORKER_BUSY, ALARM_DEGRADED, "dataplane", "100 %");
	work(10, 81);
	only(ALARM_WORKER_BUSY, ALARM_DEGRADED, "dataplane", "81 %");
	work(10, 79);
	none();
	work(10, 90);
	none();
	work(10, 91);
	only(ALARM_WORKER_BUSY, ALARM_DEGRADED, "dataplane", "91 %");
}

// A look that somebody asked for does not shorten the ten seconds.
static void test_busy_is_measured_by_time(void **state)
{
	(void)state;
	alarm_set_check(set);
	work(3, 0);
	fake_busy += UINT64_C(3000000000);
	for (int i = 0; i < 50; i++) {
		fake_pass_ms(1);
		alarm_set_check(set);
	}
	none();
}

static void test_wrong_checksums(void **state)
{
	(void)state;
	none();
	fake_wrong += 3;
	const struct alarm *a = only(ALARM_CHECKSUM, ALARM_WARNING, "dataplane",
		"3 segments with a wrong TCP checksum came in");
	assert_non_null(strstr(a->remedy, "ethtool -K IFACE tx off tso off gso off"));
	fake_pass_ms(9000);
	fake_wrong += 4;
	only(ALARM_CHECKSUM, ALARM_WARNING, "dataplane", "7 segments");
	fake_pass_ms(9999);
	only(ALARM_CHECKSUM, ALARM_WARNING, "dataplane", "7 segments");
	fake_pass_ms(1);
	none();
	fake_pass_ms(60000);
	fake_wrong += 1;
	only(ALARM_CHECKSUM, ALARM_WARNING, "dataplane", "1 segment with");
}

static void open_for(unsigned seconds)
{
	for (unsigned i = 0; i < seconds; i++) {
		fake_opened++;
		alarm_set_check(set);
		fake_pass_ms(1000);
	}
}

static void test_nothing_is_established(void **state)
{
	(void)state;
	none();
	open_for(29);
	none();
	fake_pass_ms(1000);
	fake_opened++;
	only(ALARM_HANDSHAKES, ALARM_WARNING, "dataplane",
		"30 sessions were opened in the last 30 s and none established");
	fake_established++;
	none();
	open_for(31);
	assert_int_equal(count(), 1);
	fake_pass_ms(30000); // nobody tries any more
	none();
	fake_opened++;
	none();
	// Without a member that is another alarm's matter.
	open_for(31);
	for (unsigned i = 0; i < FAKE_MEMBERS; i++)
		fake_members[i].weight = 0;
	only(ALARM_SERVICE_DOWN, ALARM_DOWN, "federation", "192.0.2.20:5061");
}

static void test_a_few_slow_clients_are_no_alarm(void **state)
{
	(void)state;
	none();
	fake_opened += 2;
	none();
	fake_pass_ms(29000);
	none();
	fake_pass_ms(2000);
	none();
}

static void test_refused_file_stays_in_mind(void **state)
{
	(void)state;
	alarm_set_refused(set, 2, false);
	const struct alarm *a = only(ALARM_CONFIG_REFUSED, ALARM_WARNING, "configuration",
		"the file on disk was refused at 2023-11-14T22:13:20Z: 2 mistakes; postern runs "
		"the "
		"one before");
	assert_string_equal(a->remedy, "posternctl config check");
	fake_pass_ms(100000);
	only(ALARM_CONFIG_REFUSED, ALARM_WARNING, "configuration", "22:13:20Z: 2 mistakes");
	alarm_set_refused(set, 1, true);
	only(ALARM_CONFIG_REFUSED, ALARM_WARNING, "configuration", "1 change needs a restart");
	alarm_set_refused(set, 0, false);
	none();
}

// The driver says that there is a link, and the kernel knows better.
static void test_link_of_the_kernel(void **state)
{
	static char gone[] = "net_af_packet0,iface=no-such0,blocksz=4096";
	static char there[] = "net_af_packet0,iface=lo";
	char kernel[ALARM_LINK_NAME];

	(void)state;
	fake_interfaces[0].device = gone;
	only(ALARM_INTERFACE_LINK, ALARM_DEGRADED, "outside",
		"interface outside: there is no no-such0 any more");
	assert_int_equal(alarm_link_read(NULL, &fake_interfaces[0], 0, kernel), ALARM_LINK_GONE);
	assert_string_equal(kernel, "no-such0");
	fake_interfaces[0].device = there;
	assert_true(alarm_link_read(NULL, &fake_interfaces[0], 0, kernel) != ALARM_LINK_GONE);
	fake_link[0] = false;
	assert_true(alarm_link_read(NULL, &fake_interfaces[0], 0, kernel) != ALARM_LINK_UP);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_all_is_well),
		TEST(test_state_database),
		TEST(test_resolvers),
		TEST(test_partners_in_dns),
		TEST(test_drained_member_is_noted),
		TEST(test_service_by_address),
		TEST(test_member_comes_and_goes),
		TEST(test_the_worst_first),
		TEST(test_minimum),
		TEST(test_certificate),
		TEST(test_link_that_flaps_is_one_alarm),
		TEST(test_session_table_has_two_thresholds),
		TEST(test_flows_of_members),
		TEST(test_ports_by_source_addresses),
		TEST(test_wrong_checksums),
		TEST(test_nothing_is_established),
		TEST(test_a_few_slow_clients_are_no_alarm),
		TEST(test_refused_file_stays_in_mind),
		TEST(test_link_of_the_kernel),
		TEST(test_busy_worker),
		TEST(test_busy_is_measured_by_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
