// SPDX-License-Identifier: BSD-2-Clause
// Probes by SIP OPTIONS against real sockets on the loopback, plain and upon TLS, and the settings
// that a member has for itself.

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
#include <netinet/tcp.h>
#include <poll.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct event_base *base;
static struct pool_set *set;
static struct config config;
static struct config_pool pool;
static struct config_member config_member;
static uint32_t final[] = {2, 3, 4, 5, 6}, not_final[] = {503, 504};
static int files_before;

static int open_files(void)
{
	int n = 0;
	DIR *d = opendir("/proc/self/fd");
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static int setup(void **state)
{
	(void)state;
	alarm(60); // a probe that never ends must not hold up the tests
	fake_reset();
	files_before = open_files();
	base = event_base_new();
	set = pool_set_new(base, NULL);
	config_member = (struct config_member){
		.name = (char *)"fe1", .weight = 1, .fqdn = (char *)"fe1.contoso.local"};
	pool = (struct config_pool){.name = (char *)"edges",
		.members = {&config_member, 1},
		.tls = {.trust = trust_file},
		.probe = {.kind = CONFIG_PROBE_SIP,
			.interval_ms = 20,
			.timeout_ms = 5000,
			.rise = 2,
			.fall = 2,
			.jitter_percent = 10,
			.transport = CONFIG_TRANSPORT_TCP,
			.alive = {final, 5},
			.not_alive = {not_final, 2}},
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

static struct postern_addr loopback(int family)
{
	struct in6_addr v6 = IN6ADDR_LOOPBACK_INIT;
	struct postern_addr a = postern_addr_from_v4(htonl(INADDR_LOOPBACK));
	if (family == AF_INET6)
		memcpy(a.bytes, &v6, sizeof(v6));
	return a;
}

static struct pool_member *probe(int family, uint16_t port)
{
	char why[256];
	config_member.address = (struct postern_endpoint){.addr = loopback(family), .port = port};
	if (pool_set_apply(set, &config, why, sizeof(why)) != 0)
		fail_msg("apply: %s", why);
	pool_set_attach(set, &fake);
	return pool_set_at(set, 0)->members[0];
}

static void await_probes(const struct pool_member *m, uint32_t n)
{
	uint32_t end = m->probes_ok + m->probes_failed + n;
	while (m->probes_ok + m->probes_failed < end)
		event_base_loop(base, EVLOOP_ONCE);
}

// The server's side.

static char heard[4096]; // the last request

static ssize_t hear_some(int fd, SSL *ssl, char *to, size_t room)
{
	return ssl != NULL ? SSL_read(ssl, to, (int)room) : recv(fd, to, room, 0);
}

static bool hear(int fd, SSL *ssl)
{
	size_t length = 0;
	for (;;) {
		heard[length] = '\0';
		if (strstr(heard, "\r\n\r\n") != NULL)
			return true;
		ssize_t n = hear_some(fd, ssl, heard + length, sizeof(heard) - 1 - length);
		if (n <= 0)
			return false;
		length += (size_t)n;
	}
}

static void say(int fd, SSL *ssl, const char *data, size_t length)
{
	if (length == 0)
		return;
	if (ssl != NULL)
		SSL_write(ssl, data, (int)length);
	else
		send(fd, data, length, MSG_NOSIGNAL);
}

// Writes the script with the request's Call-ID in place of "$".
static size_t fill(char *to, size_t size, const char *script)
{
	const char *id = strstr(heard, "Call-ID: ") + strlen("Call-ID: ");
	size_t n = 0;
	for (const char *c = script; *c != '\0'; c++)
		n += (size_t)snprintf(to + n, size - n, "%.*s",
			*c == '$' ? (int)strcspn(id, "\r") : 1, *c == '$' ? id : c);
	return n;
}

static void speak(struct server *s, int fd, SSL *ssl)
{
	static char text[65536];
	if (hear(fd, ssl))
		say(fd, ssl, text, fill(text, sizeof(text), s->script));
}

static void speak_byte_by_byte(struct server *s, int fd, SSL *ssl)
{
	char text[1024];
	int yes = 1;
	if (!hear(fd, ssl))
		return;
	size_t n = fill(text, sizeof(text), s->script);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	for (size_t i = 0; i < n; i++)
		say(fd, ssl, text + i, 1);
}

static void speak_and_close(struct server *s, int fd, SSL *ssl)
{
	speak(s, fd, ssl);
	shutdown(fd, SHUT_WR);
}

static void speak_and_reset(struct server *s, int fd, SSL *ssl)
{
	struct linger reset = {1, 0};
	speak(s, fd, ssl);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	shutdown(fd, SHUT_RD); // so that nobody waits for the prober
}

static void speak_late(struct server *s, int fd, SSL *ssl)
{
	char c;
	if (hear(fd, ssl) && write(s->held[1], "", 1) == 1 && read(s->released[0], &c, 1) == 1) {
		char text[1024];
		say(fd, ssl, text, fill(text, sizeof(text), s->script));
	}
}

#define IDS            "Via: SIP/2.0/TCP 127.0.0.1:1;branch=z9hG4bK1\r\nCall-ID: $\r\nCSeq: 1 OPTIONS\r\n"
#define ANSWER(status) "SIP/2.0 " status "\r\n" IDS "Content-Length: 0\r\n\r\n"
#define OK             ANSWER("200 OK")

// Probes a server once, ends everything, and gives what the member's state was then.
static struct pool_member probe_once(struct server *s, int family)
{
	if (s->talk == NULL)
		s->talk = speak;
	start_server(s, family);
	struct pool_member *m = probe(family, s->port);
	await_probes(m, 1);
	struct pool_member result = *m;
	pool_member_set_admin(set, m, POOL_ADMIN_MAINT); // no further probe
	stop_server(s);
	return result;
}

static void use_tls(bool tls)
{
	pool.probe.transport = tls ? CONFIG_TRANSPORT_TLS : CONFIG_TRANSPORT_TCP;
}

static void assert_outcome(const struct pool_member *m, bool ok, const char *why)
{
	if (m->probes_ok != ok || m->probes_failed != !ok || strncmp(m->why, why, strlen(why)) != 0)
		fail_msg("%u ok, \"%s\" instead of \"%s\"", m->probes_ok, m->why, why);
}

static void try(bool tls, const char *script, bool ok, const char *why)
{
	struct server s = {.behaviour = tls ? TLS_TALKS : TALKS, .script = script};
	use_tls(tls);
	struct pool_member m = probe_once(&s, AF_INET);
	assert_outcome(&m, ok, why);
	// Whatever the answer, the connection ends in the ordinary way.
	if (ok)
		assert_int_equal(s.bad_ends, 0);
}

static void test_answers(void **state)
{
	(void)state;
	static const struct {
		const char *script;
		bool ok;
		const char *why;
	} rows[] = {
		{OK, true, "200 OK in "},
		{ANSWER("403 Forbidden"), true, "403 Forbidden in "},
		{ANSWER("404 Not Found"), true, "404 Not Found in "},
		{ANSWER("500 Server Internal Error"), true, "500 Server Internal Error in "},
		{ANSWER("600 Busy"), true, "600 Busy in "},
		{ANSWER("503 Service Unavailable"), false, "503 Service Unavailable (1 in a row)"},
		{ANSWER("504 Server Time-out"), false, "504 Server Time-out (1 in a row)"},
		{ANSWER("100 Trying") OK, true, "200 OK in "},
		{ANSWER("100 Trying") ANSWER("503 "), false, "503 (1 in a row)"},
		{"\r\n\r\nOPTIONS sip:you SIP/2.0\r\nl: 2\r\n\r\n\r\n" OK, true, "200 OK in "},
		{"220 mail.contoso.com\r\n", false, "answer is not SIP (1 in a row)"},
		{"SIP/2.0 200 OK\r\nCall-ID: $\r\nCSeq: 2 OPTIONS\r\nl: 0\r\n\r\n", false,
			"answer is to another request (CSeq)"},
		{"SIP/2.0 200 OK\r\nCall-ID: $0\r\nCSeq: 1 OPTIONS\r\nl: 0\r\n\r\n", false,
			"answer is to another request (Call-ID)"},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		try(false, rows[i].script, rows[i].ok, rows[i].why);
		try(true, rows[i].script, rows[i].ok, rows[i].why);
	}
}

static void test_huge_header(void **state)
{
	(void)state;
	static char script[40000];
	memset(script, 'a', sizeof(script) - 1);
	memcpy(script, "SIP/2.0 200 OK\r\nX: ", 19);
	try(false, script, false, "answer has a head of more than 16 KB");
	try(true, script, false, "answer has a head of more than 16 KB");
}

static void test_not_in_time(void **state)
{
	(void)state;
	static const struct {
		const char *script, *why;
	} rows[] = {
		{"", "no answer to OPTIONS within 100 ms"},
		{"SIP/2.0 200 OK\r\nCall-ID: $\r\nCS", "half an answer to OPTIONS within 100 ms"},
		{"SIP/2.0 200 OK\r\n" IDS "l: 5\r\n\r\nv=",
			"half an answer to OPTIONS within 100 ms"},
		{ANSWER("100 Trying"), "only 100 Trying to OPTIONS within 100 ms"},
	};
	pool.probe.timeout_ms = 100;
	for (size_t i = 0; i < COUNT(rows); i++) {
		try(false, rows[i].script, false, rows[i].why);
		try(true, rows[i].script, false, rows[i].why);
	}
	struct server s = {.behaviour = SILENT};
	struct pool_member m = probe_once(&s, AF_INET);
	assert_outcome(&m, false, "TLS: handshake not complete within 100 ms");
}

static void test_closed(void **state)
{
	(void)state;
	for (int tls = 0; tls < 2; tls++) {
		struct server s = {.behaviour = tls ? TLS_TALKS : TALKS, .talk = speak_and_close};
		use_tls(tls);
		s.script = "";
		struct pool_member m = probe_once(&s, AF_INET);
		assert_outcome(&m, false, "no answer to OPTIONS before it closed the connection");
		s.script = "SIP/2.0 200";
		m = probe_once(&s, AF_INET);
		assert_outcome(&m, false, "half an answer to OPTIONS before it closed");
		s.script = OK;
		m = probe_once(&s, AF_INET);
		assert_outcome(&m, true, "200 OK in ");
	}
	use_tls(false);
	struct server s = {.behaviour = TALKS, .talk = speak_and_reset, .script = ""};
	struct pool_member m = probe_once(&s, AF_INET);
	assert_outcome(&m, false, "no answer to OPTIONS, then connection reset");
}

static void test_byte_by_byte(void **state)
{
	(void)state;
	for (int tls = 0; tls < 2; tls++) {
		struct server s = {.behaviour = tls ? TLS_TALKS : TALKS,
			.talk = speak_byte_by_byte,
			.script = ANSWER("100 Trying") OK};
		use_tls(tls);
		struct pool_member m = probe_once(&s, AF_INET);
		assert_outcome(&m, true, "200 OK in ");
	}
}

static void assert_heard(const char *line)
{
	if (strstr(heard, line) == NULL)
		fail_msg("no \"%s\" in\n%s", line, heard);
}

static void test_request(void **state)
{
	(void)state;
	char first[sizeof(heard)];
	try(false, OK, true, "200 OK");
	assert_memory_equal(heard, "OPTIONS sip:fe1.contoso.local SIP/2.0\r\n", 39);
	assert_heard("\r\nVia: SIP/2.0/TCP 127.0.0.1:");
	assert_heard(";branch=z9hG4bK");
	assert_heard("\r\nMax-Forwards: 70\r\n");
	assert_heard("\r\nFrom: <sip:postern@127.0.0.1>;tag=");
	assert_heard("\r\nTo: <sip:fe1.contoso.local>\r\n");
	assert_heard("\r\nCSeq: 1 OPTIONS\r\n");
	assert_heard("\r\nContact: <sip:postern@127.0.0.1:");
	assert_heard(";transport=tcp>\r\n");
	assert_heard("\r\nContent-Length: 0\r\n\r\n");

	// Each request is another.
	memcpy(first, heard, sizeof(first));
	try(true, OK, true, "200 OK");
	assert_heard("\r\nVia: SIP/2.0/TLS 127.0.0.1:");
	assert_heard(";transport=tls>\r\n");
	const char *const ids[] = {"Call-ID: ", ";tag=", ";branch=z9hG4bK"};
	const size_t lengths[] = {32, 16, 16};
	for (size_t i = 0; i < COUNT(ids); i++) {
		const char *a = strstr(first, ids[i]) + strlen(ids[i]);
		const char *b = strstr(heard, ids[i]) + strlen(ids[i]);
		assert_int_equal(strcspn(a, "\r"), lengths[i]);
		assert_memory_not_equal(a, b, lengths[i]);
	}
}

static void test_request_from_the_file(void **state)
{
	(void)state;
	char uri[401];
	memset(uri, 'a', sizeof(uri) - 1);
	memcpy(uri, "sip:", 4);
	uri[400] = '\0';
	pool.probe.from = (char *)"sip:probe@contoso.com";
	pool.probe.uri = uri;
	try(false, OK, true, "200 OK");
	assert_memory_equal(heard, "OPTIONS sip:aaaa", 16);
	assert_heard("aaa SIP/2.0\r\n");
	assert_heard("\r\nFrom: <sip:probe@contoso.com>;tag=");
	pool.probe.from = uri; // the longest request
	try(true, OK, true, "200 OK");
	assert_heard("\r\nContent-Length: 0\r\n\r\n");
}

static void test_request_without_names(void **state)
{
	(void)state;
	struct server s = {.behaviour = TALKS, .script = OK};
	char line[64];
	config_member.fqdn = NULL;
	struct pool_member m = probe_once(&s, AF_INET6);
	assert_outcome(&m, true, "200 OK");
	snprintf(line, sizeof(line), "OPTIONS sip:[::1]:%u SIP/2.0\r\n", s.port);
	assert_heard(line);
	assert_heard("\r\nVia: SIP/2.0/TCP [::1]:");
	assert_heard("\r\nFrom: <sip:postern@[::1]>;tag=");
}

static void test_which_answers(void **state)
{
	(void)state;
	uint32_t only[] = {200, 404}, none[] = {4};
	pool.probe.alive.items = only;
	pool.probe.alive.count = 2;
	try(false, OK, true, "200 OK");
	try(false, ANSWER("403 Forbidden"), false, "403 Forbidden (1 in a row)");
	pool.probe.not_alive.items = none;
	pool.probe.not_alive.count = 1;
	try(false, ANSWER("404 Not Found"), true, "404 Not Found in ");
	try(false, ANSWER("405 Method Not Allowed"), false, "405 Method Not Allowed");
}

static void test_tls_settings(void **state)
{
	(void)state;
	struct server s = {.behaviour = TLS_TALKS, .script = OK, .demands = true, .tickets = true};
	use_tls(true);
	struct pool_member m = probe_once(&s, AF_INET);
	assert_outcome(&m, false, "TLS: peer sent alert: certificate required");
	pool.tls.certificate = client_file;
	pool.tls.key = client_key;
	m = probe_once(&s, AF_INET);
	assert_outcome(&m, true, "200 OK in ");
	config_member.fqdn = (char *)"fe2.contoso.local";
	m = probe_once(&s, AF_INET);
	assert_outcome(&m, false, "TLS: certificate names do not hold fe2.contoso.local");
	s = (struct server){.behaviour = TALKS, .script = OK};
	s.behaviour = SPEAKS_SMTP;
	m = probe_once(&s, AF_INET);
	assert_outcome(&m, false, "TLS: peer does not speak TLS");
}

// A member down by its answers alone, while it accepts connections, and back again.
static void test_down_and_up(void **state)
{
	(void)state;
	struct server s = {.behaviour = TALKS, .talk = speak};
	s.script = ANSWER("503 Service Unavailable");
	start_server(&s, AF_INET);
	struct pool_member *m = probe(AF_INET, s.port);
	await_probes(m, 2);
	assert_int_equal(m->health, POOL_HEALTH_DOWN);
	assert_string_equal(m->why, "503 Service Unavailable (2 in a row)");
	assert_int_equal(fake.words[m->id], POSTERN_MEMBER_RESET);
	pool_member_set_admin(set, m, POOL_ADMIN_MAINT);
	stop_server(&s);

	s = (struct server){.behaviour = TALKS, .talk = speak, .script = OK};
	start_server(&s, AF_INET);
	pool.probe.port = s.port;
	m = probe(AF_INET, config_member.address.port);
	pool_member_set_admin(set, m, POOL_ADMIN_READY);
	await_probes(m, 10);
	assert_int_equal(m->health, POOL_HEALTH_UP);
	assert_int_equal(m->probes_ok, 10);
	pool_member_set_admin(set, m, POOL_ADMIN_MAINT);
	stop_server(&s);
	assert_int_equal(s.bad_ends, 0);
}

static void test_other_port_and_address(void **state)
{
	(void)state;
	struct server s = {.behaviour = TALKS, .talk = speak, .script = OK};
	start_server(&s, AF_INET6);
	pool.probe.port = s.port;
	pool.probe.address = loopback(AF_INET6);
	config_member.fqdn = NULL;
	struct pool_member *m = probe(AF_INET, 1);
	await_probes(m, 1);
	assert_outcome(m, true, "200 OK in ");
	char line[64];
	snprintf(line, sizeof(line), "OPTIONS sip:[::1]:%u SIP/2.0\r\n", s.port);
	assert_heard(line);
	pool_member_set_admin(set, m, POOL_ADMIN_MAINT);
	stop_server(&s);
}

// The member's kind, rise and fall are its own; TLS settings are loaded for it alone.
static void test_members_own(void **state)
{
	(void)state;
	struct server s = {.behaviour = TLS};
	start_server(&s, AF_INET);
	config_member.probe = pool.probe;
	config_member.probe.line = 1;
	config_member.probe.kind = CONFIG_PROBE_TLS;
	config_member.probe.rise = 1;
	config_member.probe.fall = 1;
	pool.probe.kind = CONFIG_PROBE_NONE;
	struct pool_member *m = probe(AF_INET, s.port);
	assert_string_equal(m->why, "not probed yet");
	await_probes(m, 1);
	assert_outcome(m, true, "accepted in ");
	pool_member_set_admin(set, m, POOL_ADMIN_MAINT);
	pool_member_set_admin(set, m, POOL_ADMIN_READY);
	pool_member_probed(pool_seat_of(m), false, 0, "test");
	assert_int_equal(m->health, POOL_HEALTH_DOWN);

	// A reload that changes nothing of it leaves it alone; one that takes it away makes the
	// pool's count.
	char why[256];
	assert_int_equal(pool_set_apply(set, &config, why, sizeof(why)), 0);
	assert_int_equal(pool_seat_of(m)->failed_in_row, 1);
	struct config_member plain = config_member;
	plain.probe = (struct config_probe){0};
	struct config_pool next = pool;
	next.members.items = &plain;
	struct config changed = {.pools = {&next, 1}};
	assert_int_equal(pool_set_apply(set, &changed, why, sizeof(why)), 0);
	assert_int_equal(pool_seat_of(m)->failed_in_row, 0);
	assert_ptr_equal(m->settings, &next.probe);
	stop_server(&s);
}

static void release(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct server *s = arg;
	assert_int_equal(write(s->released[1], "", 1), 1);
}

// Holds the event loop up for three times the timeout when the server has the request, and lets the
// server answer only after the loop has seen that the time is up.
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
	for (int tls = 0; tls < 2; tls++) {
		struct server s = {
			.behaviour = tls ? TLS_TALKS : TALKS, .talk = speak_late, .script = OK};
		use_tls(tls);
		pool.probe.timeout_ms = 200;
		start_server(&s, AF_INET);
		struct pool_member *m = probe(AF_INET, s.port);
		pool_member_set_admin(set, m, POOL_ADMIN_READY);
		struct event *held = event_new(base, s.held[0], EV_READ | EV_PERSIST, hold_up, &s);
		assert_int_equal(event_add(held, NULL), 0);
		await_probes(m, 1);
		assert_outcome(m, true, "200 OK in ");
		pool_member_set_admin(set, m, POOL_ADMIN_MAINT);
		event_free(held);
		stop_server(&s);
	}
}

static void await_request(struct server *s)
{
	char c;
	struct pollfd held = {.fd = s->held[0], .events = POLLIN};
	while (poll(&held, 1, 0) == 0)
		event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	assert_int_equal(read(s->held[0], &c, 1), 1);
}

// Reload while an answer is awaited: settings of the old configuration go, the probe does not.
static void test_reload_in_flight(void **state)
{
	(void)state;
	struct server s = {.behaviour = TLS_TALKS, .talk = speak_late, .script = OK};
	char why[256], from[] = "sip:a@b", same[] = "sip:a@b";
	use_tls(true);
	pool.probe.from = from;
	start_server(&s, AF_INET);
	struct pool_member *m = probe(AF_INET, s.port);
	await_request(&s);
	struct config_pool next = pool;
	next.probe.from = same;
	struct config changed = {.pools = {&next, 1}};
	assert_int_equal(pool_set_apply(set, &changed, why, sizeof(why)), 0);
	memset(&pool, 0x5a, sizeof(pool)); // what the owner has freed
	assert_int_equal(write(s.released[1], "", 1), 1);
	await_probes(m, 1);
	assert_outcome(m, true, "200 OK in ");
	pool_member_set_admin(set, m, POOL_ADMIN_MAINT);
	stop_server(&s);
}

// What another answer means, or another question, begins anew.
static void test_reload_restarts(void **state)
{
	(void)state;
	struct server s = {.behaviour = TALKS, .talk = speak_late, .script = OK};
	char why[256];
	uint32_t only[] = {404, 2, 3, 4, 5};
	start_server(&s, AF_INET);
	struct pool_member *m = probe(AF_INET, s.port);
	struct config_pool next[5];
	for (unsigned i = 0; i < 5; i++) {
		next[i] = i > 0 ? next[i - 1] : pool;
		struct config_probe *p = &next[i].probe;
		struct config changed = {.pools = {&next[i], 1}};
		if (i == 0)
			p->from = (char *)"sip:a@b";
		else if (i == 1)
			p->uri = (char *)"sip:a@b";
		else if (i == 2)
			p->alive.items = only;
		else if (i == 3)
			p->not_alive.count = 1;
		else
			p->address = loopback(AF_INET);
		await_request(&s);
		assert_int_equal(pool_set_apply(set, &changed, why, sizeof(why)), 0);
		assert_int_equal(write(s.released[1], "", 1), 1);
	}
	await_request(&s); // of a sixth connection
	assert_int_equal(m->probes_ok + m->probes_failed, 0);
	assert_int_equal(write(s.released[1], "", 1), 1);
	await_probes(m, 1);
	pool_member_set_admin(set, m, POOL_ADMIN_MAINT);
	stop_server(&s);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_answers),
		TEST(test_huge_header),
		TEST(test_not_in_time),
		TEST(test_closed),
		TEST(test_byte_by_byte),
		TEST(test_request),
		TEST(test_request_from_the_file),
		TEST(test_request_without_names),
		TEST(test_which_answers),
		TEST(test_tls_settings),
		TEST(test_down_and_up),
		TEST(test_other_port_and_address),
		TEST(test_members_own),
		TEST(test_late_loop_is_no_failure),
		TEST(test_reload_in_flight),
		TEST(test_reload_restarts),
	};
	return cmocka_run_group_tests(tests, make_files, remove_files);
}
