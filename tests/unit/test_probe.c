// SPDX-License-Identifier: BSD-2-Clause
// Probes against real sockets on the loopback and real OpenSSL servers with certificates made here.

#include "control/pool/private.h"
#include "control/pool/probe.h"
#include "tests/unit/pool_fake.h"

// cmocka.h needs the four before it, and the server's header needs cmocka.h.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/unit/pool_server.h"
// clang-format on

#include <event2/event.h>

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

// The prober: a pool "edges" with one member "fe1".

static struct event_base *base;
static struct pool_set *set;
static struct config config;
static struct config_pool pool;
static struct config_member config_member;
static char *further_names[] = {(char *)"contoso.com"};

static int open_files(void)
{
	int n = 0;
	DIR *d = opendir("/proc/self/fd");
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static int files_before;

static int setup(void **state)
{
	(void)state;
	alarm(60); // a probe that never ends must not hold up the tests
	fake_reset();
	files_before = open_files();
	base = event_base_new();
	set = pool_set_new(base, NULL);
	config_member = (struct config_member){.name = (char *)"fe1", .weight = 1};
	pool = (struct config_pool){.name = (char *)"edges",
		.members = {&config_member, 1},
		.probe = {.kind = CONFIG_PROBE_TCP,
			.interval_ms = 20,
			.timeout_ms = 5000,
			.rise = 2,
			.fall = 2,
			.jitter_percent = 10},
		.observe_fall = 3};
	config = (struct config){.pools = {&pool, 1}};
	return base != NULL && set != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	pool_set_free(set);
	event_base_free(base);
	assert_int_equal(open_files(), files_before);
	return 0;
}

static struct pool_member *probe(int family, uint16_t port)
{
	char text[POSTERN_ENDPOINT_TEXT];
	struct in6_addr v6 = IN6ADDR_LOOPBACK_INIT;
	config_member.address.port = port;
	if (family == AF_INET)
		config_member.address.addr = postern_addr_from_v4(htonl(INADDR_LOOPBACK));
	else
		memcpy(config_member.address.addr.bytes, &v6, sizeof(v6));
	int status = pool_set_apply(set, &config, text, sizeof(text));
	if (status != 0)
		fail_msg("apply: %s", text);
	pool_set_attach(set, &fake);
	return pool_set_at(set, 0)->members[0];
}

static void await_probes(const struct pool_member *m, uint32_t n)
{
	uint32_t end = m->probes_ok + m->probes_failed + n;
	while (m->probes_ok + m->probes_failed < end)
		event_base_loop(base, EVLOOP_ONCE);
}

// Probes a server of a kind once, ends everything, and gives what the member's state was then.
static struct pool_member probe_once(struct server *s, int family)
{
	start_server(s, family);
	struct pool_member *m = probe(family, s->port);
	await_probes(m, 1);
	struct pool_member result = *m;
	pool_member_set_admin(set, m, POOL_ADMIN_MAINT); // no further probe
	stop_server(s);
	return result;
}

static void use_tls(bool verify, bool certificate)
{
	pool.probe.kind = CONFIG_PROBE_TLS;
	pool.tls = (struct config_tls){
		.trust = verify ? trust_file : NULL,
		.certificate = certificate ? client_file : NULL,
		.key = certificate ? client_key : NULL,
	};
	config_member.fqdn = (char *)"fe1.contoso.local";
}

static void assert_ok(const struct pool_member *m)
{
	if (m->probes_ok != 1)
		fail_msg("%s", m->why);
	assert_memory_equal(m->why, "accepted in ", 12);
	assert_int_equal(m->health, POOL_HEALTH_UP);
}

static void assert_fails(const struct pool_member *m, const char *why)
{
	assert_int_equal(m->probes_failed, 1);
	assert_int_equal(m->health, POOL_HEALTH_UNKNOWN);
	if (strncmp(m->why, why, strlen(why)) != 0)
		fail_msg("\"%s\" instead of \"%s\"", m->why, why);
}

static void test_tcp_accepts(void **state)
{
	(void)state;
	const int families[] = {AF_INET, AF_INET6};
	for (unsigned i = 0; i < 2; i++) {
		struct server s = {.behaviour = ACCEPTS};
		struct pool_member m = probe_once(&s, families[i]);
		assert_ok(&m);
		assert_int_equal(s.good_ends, 1);
		assert_int_equal(s.bad_ends, 0);
	}
}

static void test_tcp_refuses(void **state)
{
	(void)state;
	struct server s = {0};
	listen_on(&s, AF_INET, -1);
	struct pool_member *m = probe(AF_INET, s.port);
	await_probes(m, 1);
	assert_fails(m, "connection refused after ");
	await_probes(m, 1);
	assert_int_equal(m->health, POOL_HEALTH_DOWN);
	assert_non_null(strstr(fake_log, "pool edges: member fe1 is down: connection refused"));
	assert_non_null(strstr(fake_log, " ms (2 in a row); 0 of 1 members take sessions"));

	// It comes back after two probes in a row.
	assert_int_equal(listen(s.fd, 16), 0);
	await_probes(m, 2);
	assert_int_equal(m->health, POOL_HEALTH_UP);
	assert_int_equal(fake.words[m->id], POSTERN_MEMBER_TAKES_NEW);
	close(s.fd);
}

// A full queue of connections that nobody accepts: the kernel leaves further SYNs unanswered.
static void test_tcp_never_answers(void **state)
{
	(void)state;
	struct server s = {0};
	int fillers[4];
	listen_on(&s, AF_INET, 0);
	struct sockaddr_in at = {.sin_family = AF_INET,
		.sin_port = htons(s.port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	for (unsigned i = 0; i < 4; i++) {
		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)connect(fillers[i], (struct sockaddr *)&at, sizeof(at));
	}
	pool.probe.timeout_ms = 100;
	struct pool_member *m = probe(AF_INET, s.port);
	await_probes(m, 1);
	assert_fails(m, "no answer within 100 ms");
	for (unsigned i = 0; i < 4; i++)
		close(fillers[i]);
	close(s.fd);
}

static void test_probes_go_on(void **state)
{
	(void)state;
	struct server s = {.behaviour = ACCEPTS};
	start_server(&s, AF_INET);
	pool.probe.interval_ms = 5;
	struct pool_member *m = probe(AF_INET, s.port);
	await_probes(m, 10);
	assert_int_equal(m->probes_ok, 10);
	pool_member_set_admin(set, m, POOL_ADMIN_MAINT);
	stop_server(&s);
	assert_int_equal(s.bad_ends, 0);
}

// What this machine lacks is no failure of the member.
static void test_no_descriptor_is_no_failure(void **state)
{
	(void)state;
	struct server s = {.behaviour = ACCEPTS};
	start_server(&s, AF_INET);
	struct rlimit before, none = {0};
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none.rlim_max = before.rlim_max;
	struct pool_member *m = probe(AF_INET, s.port);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	while (strncmp(m->why, "not probed yet", 14) == 0)
		event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_string_equal(m->why, "could not be probed: Too many open files");
	assert_int_equal(m->probes_failed, 0);
	assert_non_null(strstr(fake_log, "member fe1 could not be probed"));

	await_probes(m, 1);
	assert_ok(m);
	pool_member_set_admin(set, m, POOL_ADMIN_MAINT);
	stop_server(&s);
}

static void test_tls_versions(void **state)
{
	(void)state;
	const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	for (unsigned i = 0; i < 4; i++) {
		struct server s = {
			.behaviour = TLS, .version = versions[i / 2], .tickets = i % 2 != 0};
		use_tls(true, false);
		struct pool_member m = probe_once(&s, AF_INET);
		assert_ok(&m);
		assert_int_equal(s.good_ends, 1);
	}
}

static void test_tls_no_legacy(void **state)
{
	(void)state;
	struct server s = {.behaviour = TLS, .version = TLS1_1_VERSION};
	use_tls(true, false);
	struct pool_member m = probe_once(&s, AF_INET);
	assert_fails(&m, "TLS: peer sent alert: protocol version");
}

// A reset says nothing any more once the server has shown that it is content.
static void test_tls_reset_after_the_handshake(void **state)
{
	(void)state;
	struct server s = {.behaviour = TLS_RESETS, .version = TLS1_3_VERSION};
	use_tls(true, false);
	struct pool_member m = probe_once(&s, AF_INET);
	assert_fails(&m, "TLS: connection reset after the handshake");

	struct server t = {.behaviour = TLS_RESETS, .version = TLS1_3_VERSION, .tickets = true};
	m = probe_once(&t, AF_INET);
	assert_ok(&m);

	struct server u = {.behaviour = TLS_RESETS, .version = TLS1_2_VERSION};
	m = probe_once(&u, AF_INET);
	assert_ok(&m);
}

static void test_tls_server_that_does_not_say_goodbye(void **state)
{
	(void)state;
	struct server s = {.behaviour = TLS_NO_GOODBYE, .version = TLS1_3_VERSION};
	use_tls(true, false);
	pool.probe.timeout_ms = 300;
	struct pool_member m = probe_once(&s, AF_INET);
	assert_ok(&m);
}

static void test_tls_silent(void **state)
{
	(void)state;
	struct server s = {.behaviour = SILENT};
	use_tls(true, false);
	pool.probe.timeout_ms = 100;
	struct pool_member m = probe_once(&s, AF_INET);
	assert_fails(&m, "TLS: handshake not complete within 100 ms");
}

static void test_not_tls(void **state)
{
	(void)state;
	const struct {
		enum behaviour behaviour;
		const char *why;
	} rows[] = {
		{SPEAKS_SMTP, "TLS: peer does not speak TLS"},
		{CLOSES, "TLS: "}, // the end or a reset, as the race goes
		{RESETS, "TLS: connection reset during the handshake"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct server s = {.behaviour = rows[i].behaviour};
		use_tls(true, false);
		struct pool_member m = probe_once(&s, AF_INET);
		assert_fails(&m, rows[i].why);
	}
}

static void test_tls_wrong_name(void **state)
{
	(void)state;
	struct server s = {.behaviour = TLS};
	use_tls(true, false);
	config_member.fqdn = (char *)"fe2.contoso.local";
	struct pool_member m = probe_once(&s, AF_INET);
	assert_fails(&m, "TLS: certificate names do not hold fe2.contoso.local (they are: "
			 "fe1.contoso.local, contoso.com)");
}

static void test_tls_further_names(void **state)
{
	(void)state;
	struct server s = {.behaviour = TLS};
	use_tls(true, false);
	config_member.fqdn = (char *)"fe2.contoso.local";
	pool.tls.names.items = further_names;
	pool.tls.names.count = 1;
	struct pool_member m = probe_once(&s, AF_INET);
	assert_ok(&m);
}

static void test_tls_untrusted(void **state)
{
	(void)state;
	struct identity stranger = make_identity("fe1", "DNS:fe1.contoso.local", &other_ca);
	struct server s = {.behaviour = TLS, .id = &stranger};
	use_tls(true, false);
	struct pool_member m = probe_once(&s, AF_INET);
	assert_fails(&m, "TLS: unable to get local issuer certificate");

	// Without a trust file nothing is verified.
	struct server t = {.behaviour = TLS, .id = &stranger};
	use_tls(false, false);
	config_member.fqdn = (char *)"fe2.contoso.local";
	m = probe_once(&t, AF_INET);
	assert_ok(&m);
	free_identity(&stranger);
}

static void test_tls_client_certificate(void **state)
{
	(void)state;
	const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	for (unsigned i = 0; i < 2; i++) {
		struct server s = {
			.behaviour = TLS, .version = versions[i], .demands = true, .tickets = true};
		use_tls(true, true);
		struct pool_member m = probe_once(&s, AF_INET);
		assert_ok(&m);

		struct server t = {
			.behaviour = TLS, .version = versions[i], .demands = true, .tickets = true};
		use_tls(true, false);
		m = probe_once(&t, AF_INET);
		assert_fails(&m, i == 0 ? "TLS: peer sent alert: handshake failure"
					: "TLS: peer sent alert: certificate required");
	}
}

static void test_unusable_keys(void **state)
{
	(void)state;
	char why[256];
	use_tls(true, true);
	pool.tls.key = locked_key;
	assert_int_equal(pool_set_apply(set, &config, why, sizeof(why)), -EINVAL);
	assert_non_null(strstr(why, "pool edges: key "));
	assert_non_null(strstr(why, "locked.key: "));

	// The key of another certificate.
	pool.tls.certificate = trust_file;
	pool.tls.key = client_key;
	assert_int_equal(pool_set_apply(set, &config, why, sizeof(why)), -EINVAL);
	assert_non_null(strstr(why, "edge.key: key values mismatch"));
}

static void release(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct server *s = arg;
	assert_int_equal(write(s->released[1], "", 1), 1);
}

// Holds the event loop up for three times the timeout when the server has accepted, and lets the
// server go on only after the loop has seen that the time is up.
static void hold_up(evutil_socket_t fd, short what, void *arg)
{
	(void)what;
	struct timeval soon = {0, 20000};
	char c;
	assert_int_equal(read(fd, &c, 1), 1);
	usleep(3 * pool.probe.timeout_ms * 1000);
	event_base_update_cache_time(base); // libevent counts from its turn's start
	event_base_once(base, -1, EV_TIMEOUT, release, arg, &soon);
}

static void test_late_loop_is_no_failure(void **state)
{
	(void)state;
	struct server s = {.behaviour = TLS_LATE, .version = TLS1_3_VERSION};
	use_tls(true, false);
	pool.probe.timeout_ms = 200;
	start_server(&s, AF_INET);
	struct pool_member *m = probe(AF_INET, s.port);
	struct event *held = event_new(base, s.held[0], EV_READ | EV_PERSIST, hold_up, &s);
	assert_int_equal(event_add(held, NULL), 0);
	await_probes(m, 1);
	assert_ok(m);
	pool_member_set_admin(set, m, POOL_ADMIN_MAINT);
	event_free(held);
	stop_server(&s);
}

static void test_observed_member_comes_back_by_new_probes(void **state)
{
	(void)state;
	struct server s = {.behaviour = ACCEPTS};
	start_server(&s, AF_INET);
	struct pool_member *m = probe(AF_INET, s.port);
	await_probes(m, 1);
	fake_event(POSTERN_EVENT_SILENT, m->id, 3);
	while (m->health != POOL_HEALTH_DOWN)
		event_base_loop(base, EVLOOP_ONCE);
	uint32_t ok = m->probes_ok;
	while (m->health != POOL_HEALTH_UP)
		event_base_loop(base, EVLOOP_ONCE);
	assert_true(m->probes_ok >= ok + 2);
	pool_member_set_admin(set, m, POOL_ADMIN_MAINT);
	stop_server(&s);
}

static void await_connection(struct server *s)
{
	char c;
	struct pollfd accepted = {.fd = s->held[0], .events = POLLIN};
	while (poll(&accepted, 1, 0) == 0)
		event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	assert_int_equal(read(s->held[0], &c, 1), 1);
}

static void test_probe_from_before_proves_nothing(void **state)
{
	(void)state;
	struct server s = {.behaviour = TLS_LATE};
	use_tls(true, false);
	pool.probe.rise = 1;
	start_server(&s, AF_INET);
	struct pool_member *m = probe(AF_INET, s.port);
	await_connection(&s);
	fake_event(POSTERN_EVENT_SILENT, m->id, 3);
	while (m->health != POOL_HEALTH_DOWN)
		event_base_loop(base, EVLOOP_ONCE);
	// The probe that was under way is given up, and what becomes of it counts for nothing.
	assert_int_equal(write(s.released[1], "", 1), 1);
	await_connection(&s);
	assert_int_equal(m->probes_ok + m->probes_failed, 0);
	assert_int_equal(m->health, POOL_HEALTH_DOWN);
	assert_int_equal(write(s.released[1], "", 1), 1);
	await_probes(m, 1);
	assert_int_equal(m->health, POOL_HEALTH_UP);
	pool_member_set_admin(set, m, POOL_ADMIN_MAINT);
	stop_server(&s);
}

// Reload while a handshake is in flight: settings and contexts of the old configuration go.
static void test_reload_in_flight(void **state)
{
	(void)state;
	struct server s = {.behaviour = TLS_LATE};
	use_tls(true, false);
	start_server(&s, AF_INET);
	struct pool_member *m = probe(AF_INET, s.port);
	char why[256];
	await_connection(&s);
	struct config_pool next = pool;
	struct config changed = {.pools = {&next, 1}};
	assert_int_equal(pool_set_apply(set, &changed, why, sizeof(why)), 0);
	memset(&pool, 0x5a, sizeof(pool)); // what the owner has freed
	assert_int_equal(write(s.released[1], "", 1), 1);
	await_probes(m, 1);
	assert_ok(m);
	pool_member_set_admin(set, m, POOL_ADMIN_MAINT);
	stop_server(&s);
}

static bool match(const char *cn, const char *names, const char *wanted, const char *expected)
{
	struct identity id = make_identity(cn, names, &ca);
	char found[64];
	bool matched = probe_names_match(id.certificate, wanted, NULL, 0, found, sizeof(found));
	assert_string_equal(found, expected);
	free_identity(&id);
	return matched;
}

static void test_names(void **state)
{
	(void)state;
	assert_true(match("x", "DNS:FE1.contoso.local", "fe1.Contoso.local", "FE1.contoso.local"));
	assert_false(match("x", "DNS:*.contoso.local", "fe1.contoso.local", "*.contoso.local"));
	assert_true(
		match("x", "URI:sip:contoso.com:5061;transport=tls", "contoso.com", "contoso.com"));
	assert_false(match("x", "URI:sip:bob@contoso.com", "contoso.com", "none"));
	assert_false(match("x", "URI:sips:contoso.com", "contoso.com", "none"));
	// The common name counts only where there is no alternative name.
	assert_true(match("fe1.contoso.local", NULL, "fe1.contoso.local", "fe1.contoso.local"));
	assert_false(match("fe1.contoso.local", "DNS:b", "fe1.contoso.local", "b"));
	assert_false(match("fe1.contoso.local", "IP:10.0.0.1", "fe1.contoso.local", "none"));
	// Nothing wanted.
	assert_true(match("x", "DNS:a", NULL, "a"));
	// A long list is cut.
	assert_true(match("x",
		"DNS:aaaaaaaaaaaaaaaaaaaaaaaa,DNS:bbbbbbbbbbbbbbbbbbbbbbbb,"
		"DNS:cccccccccccccccccccccccc,DNS:dd",
		"dd", "aaaaaaaaaaaaaaaaaaaaaaaa, bbbbbbbbbbbbbbbbbbbbbbbb, ..."));
}

// Alternative names that cannot be read must not bring the common name into play.
static void test_names_given_twice(void **state)
{
	(void)state;
	struct identity id = make_identity("fe1.contoso.local", "DNS:a", &ca);
	add_extension(id.certificate, NID_subject_alt_name, "DNS:b");
	char found[64];
	assert_false(probe_names_match(
		id.certificate, "fe1.contoso.local", NULL, 0, found, sizeof(found)));
	free_identity(&id);
}

// A NUL in a name must not end it.
static void test_name_with_nul(void **state)
{
	(void)state;
	struct identity id = make_identity("x", NULL, &ca);
	const unsigned char names[][26] = {
		"contoso.com\0.example.com", "sip:contoso.com\0.example"};
	for (unsigned i = 0; i < 2; i++) {
		GENERAL_NAMES *list = sk_GENERAL_NAME_new_null();
		GENERAL_NAME *name = GENERAL_NAME_new();
		ASN1_IA5STRING *text = ASN1_IA5STRING_new();
		ASN1_STRING_set(text, names[i], 24);
		GENERAL_NAME_set0_value(name, i == 0 ? GEN_DNS : GEN_URI, text);
		sk_GENERAL_NAME_push(list, name);
		assert_int_equal(X509_add1_ext_i2d(id.certificate, NID_subject_alt_name, list, 0,
					 X509V3_ADD_REPLACE),
			1);
		GENERAL_NAMES_free(list);
		char found[64];
		assert_false(probe_names_match(
			id.certificate, "contoso.com", NULL, 0, found, sizeof(found)));
		assert_memory_equal(found, "contoso.com?.example", 20);
	}
	free_identity(&id);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static void expect_files(struct config_pool *p, const char *field, const char *what)
{
	const struct config file = {.pools = {p, 1}};
	struct config_errors mistakes = {0};
	struct config_errors warnings = {0};
	const int rc = pool_tls_check(&file, &mistakes, &warnings);

	assert_int_equal(rc, field != NULL ? -EINVAL : 0);
	assert_int_equal(mistakes.list.count, field != NULL);
	if (field != NULL) {
		assert_string_equal(mistakes.list.items[0].field, field);
		if (strstr(mistakes.list.items[0].what, what) == NULL)
			fail_msg("%s", mistakes.list.items[0].what);
		assert_true(mistakes.list.items[0].expected[0] != '\0');
	}
	assert_int_equal(warnings.list.count, 0);
	config_errors_free(&mistakes);
}

static void test_files_are_checked(void **state)
{
	struct config_pool p = {.name = (char *)"edges",
		.tls = {.certificate = client_file, .key = client_key, .trust = trust_file}};

	(void)state;
	expect_files(&p, NULL, NULL);
	p.tls.certificate = trust_file;
	expect_files(&p, "pools[0].tls.key", "does not belong to");
	p.tls.key = (char *)"/nowhere/a.key";
	expect_files(&p, "pools[0].tls.key", "cannot be used: No such file");
	p.tls.key = NULL;
	expect_files(&p, "pools[0].tls.certificate", "cannot be used");
	p.tls.certificate = (char *)"/dev/null";
	expect_files(&p, "pools[0].tls.certificate", "/dev/null cannot be used: no start line");
	p.tls.certificate = NULL;
	p.tls.trust = client_key;
	expect_files(&p, "pools[0].tls.trust", "cannot be used");
}

static void test_files_of_services_are_checked(void **state)
{
	struct config_service s = {.name = (char *)"sip",
		.tls = {.certificate = client_file, .key = client_key, .trust = trust_file}};
	const struct config file = {.services = {&s, 1}};
	struct config_errors mistakes = {0};
	struct config_errors warnings = {0};

	(void)state;
	assert_int_equal(pool_tls_check(&file, &mistakes, &warnings), 0);
	s.tls.certificate = trust_file;
	assert_int_equal(pool_tls_check(&file, &mistakes, &warnings), -EINVAL);
	assert_int_equal(mistakes.list.count, 1);
	assert_string_equal(mistakes.list.items[0].field, "services[0].tls.key");
	config_errors_free(&mistakes);
}

static void test_expired_certificate_is_a_warning(void **state)
{
	struct identity id = make_identity("old", NULL, NULL);
	char path[64];
	struct config_errors mistakes = {0};
	struct config_errors warnings = {0};

	(void)state;
	X509_gmtime_adj(X509_getm_notAfter(id.certificate), -60);
	assert_true(X509_sign(id.certificate, id.key, EVP_sha256()) > 0);
	write_certificate(path, "old.pem", id.certificate);
	struct config_pool p = {.tls = {.certificate = path, .key = client_key}};
	const struct config file = {.pools = {&p, 1}};
	// Its key is another, which is found as well.
	assert_int_equal(pool_tls_check(&file, &mistakes, &warnings), -EINVAL);
	assert_int_equal(mistakes.list.count, 1);
	assert_int_equal(warnings.list.count, 1);
	assert_string_equal(warnings.list.items[0].field, "pools[0].tls.certificate");
	assert_non_null(strstr(warnings.list.items[0].what, "has expired, on "));
	config_errors_free(&mistakes);
	config_errors_free(&warnings);
	free_identity(&id);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_tcp_accepts),
		TEST(test_tcp_refuses),
		TEST(test_tcp_never_answers),
		TEST(test_probes_go_on),
		TEST(test_no_descriptor_is_no_failure),
		TEST(test_tls_versions),
		TEST(test_tls_no_legacy),
		TEST(test_tls_reset_after_the_handshake),
		TEST(test_tls_server_that_does_not_say_goodbye),
		TEST(test_tls_silent),
		TEST(test_not_tls),
		TEST(test_tls_wrong_name),
		TEST(test_tls_further_names),
		TEST(test_tls_untrusted),
		TEST(test_tls_client_certificate),
		TEST(test_unusable_keys),
		TEST(test_late_loop_is_no_failure),
		TEST(test_observed_member_comes_back_by_new_probes),
		TEST(test_probe_from_before_proves_nothing),
		TEST(test_reload_in_flight),
		TEST(test_files_are_checked),
		TEST(test_files_of_services_are_checked),
		TEST(test_expired_certificate_is_a_warning),
		TEST(test_names),
		TEST(test_names_given_twice),
		TEST(test_name_with_nul),
	};
	return cmocka_run_group_tests(tests, make_files, remove_files);
}
