// SPDX-License-Identifier: BSD-2-Clause
// One connection to a partner's server, against real servers that fail in every way there is.

#include "control/config/config.h"
#include "control/partner/peer.h"

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
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct event_base *base;
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
	alarm(60); // what never ends must not hold up the tests
	files_before = open_files();
	base = event_base_new();
	return base != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	event_base_free(base);
	assert_int_equal(open_files(), files_before);
	return 0;
}

// ---- What servers say

static char heard[4096];

static bool hear(SSL *ssl)
{
	size_t length = 0;
	for (;;) {
		heard[length] = '\0';
		if (strstr(heard, "\r\n\r\n") != NULL)
			return true;
		int n = SSL_read(ssl, heard + length, (int)(sizeof(heard) - 1 - length));
		if (n <= 0)
			return false;
		length += (size_t)n;
	}
}

// Writes the script with the request's Call-ID in place of "$".
static void speak(struct server *s, int fd, SSL *ssl)
{
	char text[4096];
	size_t n = 0;
	(void)fd;
	if (!hear(ssl))
		return;
	const char *id = strstr(heard, "Call-ID: ") + strlen("Call-ID: ");
	for (const char *c = s->script; *c != '\0'; c++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%.*s",
			*c == '$' ? (int)strcspn(id, "\r") : 1, *c == '$' ? id : c);
	if (n > 0)
		SSL_write(ssl, text, (int)n);
}

static void speak_and_end(struct server *s, int fd, SSL *ssl)
{
	speak(s, fd, ssl);
	SSL_shutdown(ssl);
	shutdown(fd, SHUT_WR);
}

static void hear_and_end(struct server *s, int fd, SSL *ssl)
{
	char data[4096];
	(void)s;
	(void)ssl;
	if (recv(fd, data, sizeof(data), 0) > 0)
		shutdown(fd, SHUT_WR);
}

#define IDS            "Via: SIP/2.0/TLS a;branch=z9hG4bK1\r\nCall-ID: $\r\nCSeq: 1 OPTIONS\r\n"
#define ANSWER(status) "SIP/2.0 " status "\r\n" IDS "Content-Length: 0\r\n\r\n"

// ---- Asking

struct asked {
	bool without_certificate, trust_none;
	const char *server; // NULL: what the certificate proves
	struct postern_domain *further;
	uint8_t lowest_version;
	bool accept_cn;
	unsigned limit_ms;
};

static void done(void *user)
{
	*(bool *)user = true;
	event_base_loopbreak(base);
}

static void parse(struct postern_domain *out, const char *text)
{
	assert_int_equal(postern_domain_parse(text, strlen(text), out), 0);
}

static struct partner_peer_report ask_at(uint16_t port, int family, const struct asked *a)
{
	struct in6_addr v6 = IN6ADDR_LOOPBACK_INIT;
	struct config_tls tls = {.certificate = a->without_certificate ? NULL : client_file,
		.key = a->without_certificate ? NULL : client_key,
		.trust = a->trust_none ? NULL : trust_file,
		.line = 1};
	struct partner_peer_question q = {.at.port = port,
		.names = a->further,
		.n_names = a->further != NULL,
		.tls = {.lowest_version = a->lowest_version, .accept_cn = a->accept_cn},
		.own = "sip.contoso.com",
		.from = "contoso.com",
		.limit_ms = a->limit_ms};
	char why[256];
	bool over = false;

	assert_int_equal(partner_identity_load(&tls, &q.context, why, sizeof(why)), 0);
	parse(&q.server, a->server != NULL ? a->server : "fe1.contoso.local");
	if (family == AF_INET)
		q.at.addr = postern_addr_from_v4(htonl(INADDR_LOOPBACK));
	else
		memcpy(q.at.addr.bytes, &v6, sizeof(v6));
	struct partner_peer *p = partner_peer_new(base, &q, done, &over);
	assert_non_null(p);
	SSL_CTX_free(q.context);
	assert_false(over); // not before the return
	while (!over)
		event_base_loop(base, EVLOOP_ONCE);
	const struct partner_peer_report r = *partner_peer_report(p);
	partner_peer_free(p);
	return r;
}

static struct partner_peer_report ask(struct server *s, int family, const struct asked *a)
{
	start_server(s, family);
	const struct partner_peer_report r = ask_at(s->port, family, a);
	stop_server(s);
	return r;
}

// The steps before the last went well, and that one came to the result, with the text in it.
static void expect(const struct partner_peer_report *r, enum partner_step_kind kind,
	enum partner_result result, const char *text)
{
	assert_true(r->n > 0);
	for (unsigned i = 0; i < r->n; i++) {
		const struct partner_step *s = &r->steps[i];
		if (s->kind == kind) {
			if (s->result != result || strstr(s->text, text) == NULL)
				fail_msg("%s: %s: \"%s\" instead of %s, \"%s\"",
					partner_step_name(kind), partner_result_name(s->result),
					s->text, partner_result_name(result), text);
			return;
		}
		if (!partner_result_is_good(s->result))
			fail_msg("%s: %s: %s", partner_step_name(s->kind),
				partner_result_name(s->result), s->text);
	}
	fail_msg("there is no step %s", partner_step_name(kind));
}

static void try(struct server s, struct asked a, enum partner_step_kind kind,
	enum partner_result result, const char *text)
{
	if (s.talk == NULL)
		s.talk = speak;
	const struct partner_peer_report r = ask(&s, AF_INET, &a);
	expect(&r, kind, result, text);
	assert_true(r.works == (kind == PARTNER_STEP_OPTIONS && partner_result_is_good(result)));
}

// ---- Tests

static void test_works(void **state)
{
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	static const int families[] = {AF_INET, AF_INET6};

	(void)state;
	for (size_t v = 0; v < COUNT(versions); v++) {
		struct server s = {.behaviour = TLS_TALKS,
			.version = versions[v],
			.demands = true,
			.tickets = true,
			.talk = speak,
			.script = ANSWER("100 Trying") ANSWER("200 OK")};
		struct asked a = {0};
		const struct partner_peer_report r = ask(&s, families[v], &a);
		expect(&r, PARTNER_STEP_OPTIONS, PARTNER_OK, "200 OK");
		assert_int_equal(r.n, 5);
		assert_true(r.works);
		assert_non_null(strstr(r.steps[1].text, v == 0 ? "TLSv1.2, " : "TLSv1.3, "));
		assert_non_null(strstr(r.steps[1].text, "shown our certificate of edge"));
		assert_non_null(strstr(r.steps[2].text, "\"fe1\", issued by \"Contoso CA\""));
		assert_string_equal(r.steps[3].text, "fe1.contoso.local, contoso.com");
		assert_int_equal(r.n_names, 2);
		assert_string_equal(r.names[1].text, "contoso.com");
		// It ends in the ordinary way.
		assert_int_equal(s.bad_ends, 0);
		assert_int_equal(s.good_ends, 1);
		assert_non_null(strstr(heard, "OPTIONS sip:fe1.contoso.local SIP/2.0\r\n"));
		assert_non_null(strstr(heard, "\r\nFrom: <sip:postern@contoso.com>;tag="));
		assert_non_null(strstr(heard, "\r\nVia: SIP/2.0/TLS sip.contoso.com;branch="));
	}
}

static void test_answers(void **state)
{
	static const struct {
		const char *script;
		enum partner_result result;
		const char *text;
	} rows[] = {
		{ANSWER("404 Not Found"), PARTNER_OK, "404 Not Found"},
		{"SIP/2.0 403 Forbidden\r\n" IDS "Server: RTC/5.0\r\n"
		 "ms-diagnostics: 1002;reason=\"From URI not authorized\"\r\n"
		 "Content-Length: 0\r\n\r\n",
			PARTNER_OPTIONS_FORBIDDEN,
			"403 Forbidden, from RTC/5.0; diagnostics: 1002;reason=\"From URI not "
			"authorized\""},
		{"SIP/2.0 504 Server time-out\r\n" IDS "ms-diagnostics-public: 1007\r\n"
		 "Warning: 399 a \"b\"\r\nl: 0\r\n\r\n",
			PARTNER_OPTIONS_UNROUTED, "504 Server time-out; diagnostics: 1007"},
		{"HTTP/1.1 400 Bad Request\r\n\r\n", PARTNER_OPTIONS_NOT_SIP, "answer is not SIP"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		try((struct server){.behaviour = TLS_TALKS, .script = rows[i].script},
			(struct asked){0}, PARTNER_STEP_OPTIONS, rows[i].result, rows[i].text);
}

static void test_closed_without_an_answer(void **state)
{
	(void)state;
	try((struct server){.behaviour = TLS_TALKS, .talk = speak_and_end, .script = ""},
		(struct asked){0}, PARTNER_STEP_OPTIONS, PARTNER_OPTIONS_CLOSED,
		"no answer, then the connection was closed");
	try((struct server){.behaviour = TLS_TALKS, .talk = speak_and_end, .script = "SIP/2.0 2"},
		(struct asked){0}, PARTNER_STEP_OPTIONS, PARTNER_OPTIONS_CLOSED, "half an answer");
}

static void test_not_in_time(void **state)
{
	(void)state;
	try((struct server){.behaviour = TLS_TALKS, .script = ""}, (struct asked){.limit_ms = 100},
		PARTNER_STEP_OPTIONS, PARTNER_OPTIONS_TIMEOUT, "no answer within 100 ms");
	try((struct server){.behaviour = SILENT}, (struct asked){.limit_ms = 100}, PARTNER_STEP_TLS,
		PARTNER_TLS_TIMEOUT, "not a byte within 100 ms");
}

static void test_tcp_refuses(void **state)
{
	struct server s = {0};
	struct asked a = {0};

	(void)state;
	listen_on(&s, AF_INET, -1);
	const struct partner_peer_report r = ask_at(s.port, AF_INET, &a);
	expect(&r, PARTNER_STEP_TCP, PARTNER_TCP_REFUSED, "connection refused");
	assert_int_equal(r.n, 1);
	close(s.fd);
}

static void test_no_tls(void **state)
{
	(void)state;
	try((struct server){.behaviour = SPEAKS_SMTP}, (struct asked){0}, PARTNER_STEP_TLS,
		PARTNER_TLS_NOT_TLS, "begins with \"220 mail.contoso.com\"");
	try((struct server){.behaviour = TALKS, .talk = hear_and_end}, (struct asked){0},
		PARTNER_STEP_TLS, PARTNER_TLS_CLOSED, "in the handshake, without a byte");
	try((struct server){.behaviour = RESETS}, (struct asked){0}, PARTNER_STEP_TLS,
		PARTNER_TLS_RESET, "reset");
}

static void test_versions(void **state)
{
	const struct server old = {
		.behaviour = TLS_TALKS, .version = TLS1_1_VERSION, .script = ANSWER("200 OK")};

	(void)state;
	try(old, (struct asked){0}, PARTNER_STEP_TLS, PARTNER_TLS_VERSION, "protocol version");
	try(old, (struct asked){.lowest_version = 10}, PARTNER_STEP_OPTIONS, PARTNER_OK, "200 OK");
	try((struct server){.behaviour = TLS_TALKS, .version = TLS1_2_VERSION},
		(struct asked){.lowest_version = 13}, PARTNER_STEP_TLS, PARTNER_TLS_VERSION, "");
}

static void test_client_certificate(void **state)
{
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

	(void)state;
	for (size_t i = 0; i < COUNT(versions); i++) {
		// In TLS 1.3 the peer objects when the handshake is complete here.
		struct server s = {.behaviour = TLS_TALKS,
			.version = versions[i],
			.demands = true,
			.talk = speak,
			.script = ANSWER("200 OK")};
		struct asked a = {.without_certificate = true};
		const struct partner_peer_report r = ask(&s, AF_INET, &a);
		const struct partner_step *last = &r.steps[r.n - 1];
		assert_int_equal(last->result, PARTNER_TLS_NO_CERTIFICATE);
		assert_non_null(strstr(last->text, "the peer sent the alert"));
		assert_non_null(strstr(last->text, versions[i] == TLS1_3_VERSION ? "after" : "in"));
		assert_false(r.works);
	}
}

static void test_chain(void **state)
{
	struct identity own = make_identity("alone", "DNS:fe1.contoso.local", NULL);
	struct identity stranger = make_identity("fe1", "DNS:fe1.contoso.local", &other_ca);
	struct identity old = make_identity("fe1", "DNS:fe1.contoso.local", &ca);
	struct identity young = make_identity("fe1", "DNS:fe1.contoso.local", &ca);
	X509_gmtime_adj(X509_getm_notAfter(old.certificate), -60);
	X509_gmtime_adj(X509_getm_notBefore(young.certificate), 600);
	assert_true(X509_sign(old.certificate, ca.key, EVP_sha256()) > 0);
	assert_true(X509_sign(young.certificate, ca.key, EVP_sha256()) > 0);
	const struct {
		const struct identity *id;
		enum partner_result result;
	} rows[] = {
		{&own, PARTNER_CHAIN_SELF_SIGNED},
		{&stranger, PARTNER_CHAIN_INCOMPLETE},
		{&old, PARTNER_CHAIN_EXPIRED},
		{&young, PARTNER_CHAIN_NOT_YET},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		try((struct server){.behaviour = TLS_TALKS,
			    .id = rows[i].id,
			    .script = ANSWER("200 OK")},
			(struct asked){0}, PARTNER_STEP_CERTIFICATE, rows[i].result,
			partner_result_name(rows[i].result));
	free_identity(&own);
	free_identity(&stranger);
	free_identity(&old);
	free_identity(&young);
}

static void test_names(void **state)
{
	const struct server s = {.behaviour = TLS_TALKS, .script = ANSWER("200 OK")};
	struct identity wild = make_identity("fe1.contoso.local", "DNS:*.contoso.local", &ca);
	struct postern_domain further;

	(void)state;
	try(s, (struct asked){.server = "sip.fabrikam.com"}, PARTNER_STEP_NAMES,
		PARTNER_NAME_MISMATCH,
		"sip.fabrikam.com is not among: fe1.contoso.local, contoso.com");
	parse(&further, "contoso.com");
	try(s, (struct asked){.server = "sip.fabrikam.com", .further = &further},
		PARTNER_STEP_OPTIONS, PARTNER_OK, "200 OK");
	struct server w = s;
	w.id = &wild;
	try(w, (struct asked){0}, PARTNER_STEP_NAMES, PARTNER_NAME_MISMATCH, "*.contoso.local");
	try(w, (struct asked){.accept_cn = true}, PARTNER_STEP_OPTIONS, PARTNER_OK, "200 OK");
	free_identity(&wild);
}

static void test_freed_under_way(void **state)
{
	struct partner_peer_question q = {.at.port = 1, .own = "", .from = "contoso.com"};
	struct server s = {0};
	char why[64];
	bool over = false;

	(void)state;
	listen_on(&s, AF_INET, 16);
	assert_int_equal(partner_identity_load(NULL, &q.context, why, sizeof(why)), 0);
	parse(&q.server, "sip.fabrikam.com");
	q.at = (struct postern_endpoint){postern_addr_from_v4(htonl(INADDR_LOOPBACK)), s.port};
	struct partner_peer *p = partner_peer_new(base, &q, done, &over);
	SSL_CTX_free(q.context);
	event_base_loop(base, EVLOOP_ONCE); // connected: the ClientHello is out
	partner_peer_free(p);
	event_base_loop(base, EVLOOP_NONBLOCK);
	assert_false(over);
	close(s.fd);
}

static void test_words(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PARTNER_RESULT_COUNT; i++) {
		const enum partner_result r = i;
		assert_non_null(partner_result_name(r));
		// Every failure is explained.
		if (!partner_result_is_good(r) && partner_result_meaning(r) == NULL)
			fail_msg("%s", partner_result_name(r));
	}
	for (unsigned i = 0; i < PARTNER_STEP_COUNT; i++)
		assert_non_null(partner_step_name(i));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_works),
		TEST(test_answers),
		TEST(test_closed_without_an_answer),
		TEST(test_not_in_time),
		TEST(test_tcp_refuses),
		TEST(test_no_tls),
		TEST(test_versions),
		TEST(test_client_certificate),
		TEST(test_chain),
		TEST(test_names),
		TEST(test_freed_under_way),
		TEST(test_words),
	};
	return cmocka_run_group_tests(tests, make_files, remove_files);
}
