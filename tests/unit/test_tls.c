// SPDX-License-Identifier: BSD-2-Clause
// TLS over the TCP endpoint, both roles: handshakes, certificates by name, bytes, back-pressure, ends.

#include "tls_rig.h"

// cmocka.h needs the four before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <openssl/crypto.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct tls_rig rig;

static void begin(const struct tls_rig_options *o)
{
	tls_rig_new(&rig, o);
}

static int plain(void **state)
{
	(void)state;
	begin(&(struct tls_rig_options){.loss = 0});
	return 0;
}

static int done(void **state)
{
	(void)state;
	tls_rig_free(&rig);
	return 0;
}

static struct tls_rig_conn *client(unsigned i)
{
	return &rig.client.conns[i];
}

static struct tls_rig_conn *server(unsigned i)
{
	return &rig.server.conns[i];
}

static void test_open(void **state)
{
	(void)state;
	tls_rig_connect(&rig, "sip.example.com");
	tls_rig_run(&rig, 20);
	assert_true(client(0)->open && server(0)->open);
	assert_int_equal(client(0)->outcome.version, 0x0304);
	assert_string_equal(client(0)->names, "sip.example.com example.com");
	assert_string_equal(server(0)->names, "edge.partner.example");
	assert_false(server(0)->outcome.resumed);
	assert_int_equal(server(0)->outcome.good_until, PKI_NOW + 365 * PKI_DAY);
	assert_int_equal(tls_use(rig.server.t).full, 1);
	assert_int_equal(tls_use(rig.server.t).handshakes, 0);
}

static void exchange(void)
{
	assert_int_equal(tls_write(client(0)->c, "hello", 5), 5);
	assert_int_equal(tls_write(client(0)->c, " there", 6), 6);
	assert_int_equal(tls_write(server(0)->c, "and you", 7), 7);
	tls_rig_run(&rig, 5);
	assert_int_equal(server(0)->received, 11);
	assert_memory_equal(server(0)->bytes, "hello there", 11);
	assert_int_equal(client(0)->received, 7);
	assert_true(tls_is_flushed(client(0)->c));
}

static void test_exchange(void **state)
{
	(void)state;
	tls_rig_connect(&rig, "sip.example.com");
	tls_rig_run(&rig, 20);
	const uint64_t before = tls_use(rig.client.t).records_out;

	exchange();
	// What was written in one turn is one record.
	assert_int_equal(tls_use(rig.client.t).records_out, before + 1);
	assert_int_equal(server(0)->reads, 1);
}

static void test_versions(void **state)
{
	static const uint8_t versions[] = {12, 13};
	static const uint16_t wire[] = {0x0303, 0x0304};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct tls_settings s = tls_rig_settings(&rig, false);

		s.highest_version = versions[i];
		tls_rig_use(&rig, NULL, &s);
		tls_rig_connect(&rig, "sip.example.com");
		tls_rig_run(&rig, 20);
		assert_int_equal(server(0)->outcome.version, wire[i]);
		exchange();
		tls_rig_clear(&rig);
	}
}

static void test_no_common_version(void **state)
{
	struct tls_settings s = tls_rig_settings(&rig, false), c = tls_rig_settings(&rig, true);

	(void)state;
	s.lowest_version = 13;
	c.highest_version = 12;
	tls_rig_use(&rig, &c, &s);
	tls_rig_connect(&rig, "sip.example.com");
	tls_rig_run(&rig, 20);
	assert_true(client(0)->closed && server(0)->closed);
	assert_int_equal(server(0)->outcome.reason, TLS_REASON_NO_VERSION);
	assert_true(server(0)->outcome.alert_is_ours);
	assert_string_equal(tls_alert_name(server(0)->outcome.alert), "protocol_version");
	assert_int_equal(client(0)->outcome.reason, TLS_REASON_PEER_ALERT);
	assert_false(client(0)->outcome.alert_is_ours);
	assert_string_equal(tls_alert_name(client(0)->outcome.alert), "protocol_version");
}

// By explicit choice, with certificates that still are as they must be today.
static void test_old_version(void **state)
{
	struct tls_settings s = tls_rig_settings(&rig, false), c = tls_rig_settings(&rig, true);

	(void)state;
	s.lowest_version = 10;
	c.lowest_version = 10;
	c.highest_version = 10;
	tls_rig_use(&rig, &c, &s);
	tls_rig_connect(&rig, "sip.example.com");
	tls_rig_run(&rig, 20);
	assert_true(server(0)->open);
	assert_int_equal(server(0)->outcome.version, 0x0301);
	exchange();
	// Not without it.
	tls_rig_clear(&rig);
	tls_rig_use(&rig, &c, NULL);
	tls_rig_connect(&rig, "sip.example.com");
	tls_rig_run(&rig, 20);
	assert_int_equal(server(0)->outcome.reason, TLS_REASON_NO_VERSION);
}

static void test_floor_at_level_zero(void **state)
{
	struct tls_settings s = tls_rig_settings(&rig, false), c = tls_rig_settings(&rig, true);
	const struct pki_options o = {.alternative = "DNS:old.example", .digest = "SHA1"};
	X509 *old[2] = {pki_issue(&o, pki_key("rsa1024", 0), rig.pki.issuer, rig.pki.issuer_key),
		rig.pki.issuer};
	char *pem = pki_pem(old, 2), *key = pki_pem_key(pki_key("rsa1024", 0));
	const struct tls_identity i = {pem, strlen(pem), key, strlen(key)};

	(void)state;
	s.lowest_version = 10;
	c.lowest_version = 10;
	c.identities = &i;
	tls_rig_use(&rig, &c, &s);
	tls_rig_connect(&rig, NULL);
	tls_rig_run(&rig, 20);
	assert_int_equal(server(0)->outcome.reason, TLS_REASON_CERTIFICATE);
	assert_int_equal(server(0)->outcome.certificate, CERT_WEAK_KEY);
	tls_rig_clear(&rig);
	s.floor = (struct cert_floor){.rsa_bits = 1024, .ec_bits = 255, .sha1 = true};
	tls_rig_use(&rig, &c, &s);
	tls_rig_connect(&rig, NULL);
	tls_rig_run(&rig, 20);
	assert_true(server(0)->open);
	X509_free(old[0]);
	OPENSSL_free(pem);
	OPENSSL_free(key);
}

// The certificate goes by the name that is asked for, and the kind of key by what the client takes.
static void test_certificate_by_name(void **state)
{
	struct tls_settings s = tls_rig_settings(&rig, false), c = tls_rig_settings(&rig, true);
	X509 *other[2] = {
		pki_leaf(&rig.pki, "ec", "DNS:other.example,DNS:more.example"), rig.pki.issuer};
	char *pem = pki_pem(other, 2);
	const struct tls_identity three[] = {s.identities[0], s.identities[1],
		{pem, strlen(pem), rig.key_pem[0], strlen(rig.key_pem[0])}};

	(void)state;
	s.identities = three;
	s.n_identities = 3;
	tls_rig_use(&rig, NULL, &s);
	tls_rig_connect(&rig, "other.example");
	tls_rig_connect(&rig, "more.example");
	tls_rig_connect(&rig, "example.com");
	tls_rig_connect(&rig, "nobody.example");
	tls_rig_connect(&rig, NULL);
	tls_rig_run(&rig, 40);
	assert_string_equal(client(0)->names, "other.example more.example");
	assert_string_equal(client(1)->names, "other.example more.example");
	assert_string_equal(client(2)->names, "sip.example.com example.com");
	assert_int_equal(client(3)->outcome.certificate, CERT_NAME_MISMATCH);
	assert_true(client(4)->open);
	assert_string_equal(client(4)->names, "sip.example.com example.com");
	tls_rig_clear(&rig);
	// ECDSA and RSA under one name.
	c.highest_version = 12;
	c.ciphers = "ECDHE-RSA-AES128-GCM-SHA256";
	tls_rig_use(&rig, &c, &s);
	tls_rig_connect(&rig, "sip.example.com");
	tls_rig_run(&rig, 40);
	assert_true(client(0)->open);
	assert_string_equal(client(0)->names, "sip.example.com");
	assert_string_equal(client(0)->outcome.cipher, "ECDHE-RSA-AES128-GCM-SHA256");
	X509_free(other[0]);
	OPENSSL_free(pem);
}

static void test_no_common_cipher(void **state)
{
	struct tls_settings s = tls_rig_settings(&rig, false), c = tls_rig_settings(&rig, true);

	(void)state;
	c.highest_version = 12;
	c.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384";
	s.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256";
	tls_rig_use(&rig, &c, &s);
	tls_rig_connect(&rig, "sip.example.com");
	tls_rig_run(&rig, 20);
	assert_int_equal(server(0)->outcome.reason, TLS_REASON_NO_CIPHER);
	tls_rig_clear(&rig);
	c.ciphers = NULL;
	c.groups = "P-384";
	s.groups = "P-256";
	s.ciphers = NULL;
	c.highest_version = 13;
	tls_rig_use(&rig, &c, &s);
	tls_rig_connect(&rig, "sip.example.com");
	tls_rig_run(&rig, 20);
	assert_int_equal(server(0)->outcome.reason, TLS_REASON_NO_GROUP);
}

// The client's certificate is refused, and both sides know why and whose alert it was.
static void test_refused_by_server(void **state)
{
	struct tls_settings c = tls_rig_settings(&rig, true);
	X509 *leaf = pki_leaf(&rig.pki, "ec", "DNS:edge.partner.example");
	char *pem = pki_pem(&leaf, 1); // without the intermediate
	const struct tls_identity i = {
		pem, strlen(pem), rig.client_key_pem, strlen(rig.client_key_pem)};

	(void)state;
	c.identities = &i;
	tls_rig_use(&rig, &c, NULL);
	tls_rig_connect(&rig, "sip.example.com");
	tls_rig_run(&rig, 20);
	assert_true(server(0)->closed && client(0)->closed);
	assert_int_equal(server(0)->outcome.reason, TLS_REASON_CERTIFICATE);
	assert_int_equal(server(0)->outcome.certificate, CERT_CHAIN_INCOMPLETE);
	assert_non_null(strstr(server(0)->issuer, "Test Issuer"));
	assert_true(server(0)->outcome.alert_is_ours);
	assert_int_equal(client(0)->outcome.reason, TLS_REASON_PEER_CERTIFICATE);
	assert_string_equal(tls_alert_name(client(0)->outcome.alert), "unknown_ca");
	assert_int_equal(tls_use(rig.server.t).refused[CERT_CHAIN_INCOMPLETE], 1);
	X509_free(leaf);
	OPENSSL_free(pem);
}

static void test_no_certificate(void **state)
{
	struct tls_settings c = tls_rig_settings(&rig, true), s = tls_rig_settings(&rig, false);

	(void)state;
	c.n_identities = 0;
	for (unsigned version = 12; version <= 13; version++) {
		c.highest_version = (uint8_t)version;
		tls_rig_use(&rig, &c, NULL);
		tls_rig_connect(&rig, "sip.example.com");
		tls_rig_run(&rig, 20);
		assert_int_equal(server(0)->outcome.reason, TLS_REASON_CERTIFICATE);
		assert_int_equal(server(0)->outcome.certificate, CERT_NONE);
		tls_rig_clear(&rig);
	}
	s.verify = TLS_VERIFY_ASK;
	tls_rig_use(&rig, &c, &s);
	tls_rig_connect(&rig, "sip.example.com");
	tls_rig_run(&rig, 20);
	assert_true(server(0)->open);
	assert_int_equal(server(0)->outcome.n_names, 0);
}

static void rules_of(void *context, void *user, const struct postern_name *names, unsigned n,
	struct postern_peer_tls *rules)
{
	(void)user;
	assert_int_equal(n, 1);
	if (strcmp(names[0].text, "leaf") == 0) // the subject's CN
		return;
	assert_string_equal(names[0].text, "edge.partner.example");
	*rules = *(struct postern_peer_tls *)context;
}

// The partner's own rules, known when its certificate is.
static void test_rules_of_the_partner(void **state)
{
	struct postern_peer_tls rules = {.lowest_version = 13};
	struct tls_settings c;

	(void)state;
	begin(&(struct tls_rig_options){.user = {&rules, rules_of}});
	c = tls_rig_settings(&rig, true);
	c.highest_version = 12;
	tls_rig_use(&rig, &c, NULL);
	tls_rig_connect(&rig, "sip.example.com");
	tls_rig_run(&rig, 20);
	assert_int_equal(server(0)->outcome.certificate, CERT_VERSION_LOW);
	tls_rig_clear(&rig);
	rules = (struct postern_peer_tls){.revocation = POSTERN_REVOCATION_REQUIRE};
	tls_rig_connect(&rig, "sip.example.com");
	tls_rig_run(&rig, 20);
	assert_int_equal(server(0)->outcome.certificate, CERT_CRL_UNKNOWN);
	tls_rig_clear(&rig);
	rules.revocation = POSTERN_REVOCATION_TRY;
	tls_rig_connect(&rig, "sip.example.com");
	tls_rig_run(&rig, 20);
	assert_true(server(0)->open);
	// Asked again, the rules of then count.
	assert_int_equal(tls_judge_again(server(0)->c), CERT_GOOD);
	rules.revocation = POSTERN_REVOCATION_REQUIRE;
	assert_int_equal(tls_judge_again(server(0)->c), CERT_CRL_UNKNOWN);
}

static uint8_t pattern(size_t at)
{
	return (uint8_t)(at * 31 + at / 251);
}

// A megabyte through small buffers, with a reader that rests.
static void stream(unsigned rest)
{
	static uint8_t bytes[TLS_RIG_BYTES];
	size_t sent = 0;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = pattern(i);
	tls_rig_connect(&rig, "sip.example.com");
	tls_rig_run(&rig, 3000);
	assert_true(server(0)->open);
	server(0)->idle = rest > 0;
	for (unsigned i = 0; i < rest; i++) {
		sent += tls_write(client(0)->c, bytes + sent, sizeof(bytes) - sent);
		tls_rig_turn(&rig);
	}
	if (rest > 0) {
		// Back-pressure reaches the writer: what is under way is bounded by buffers.
		assert_true(sent < 200000);
		assert_int_equal(server(0)->received, 0);
		server(0)->idle = false;
		struct iovec iov[1];

		while (tls_peek(server(0)->c, iov, 1) > 0) {
			assert_true(server(0)->received + iov[0].iov_len <= sizeof(bytes));
			assert_memory_equal(
				bytes + server(0)->received, iov[0].iov_base, iov[0].iov_len);
			server(0)->received += iov[0].iov_len;
			tls_consume(server(0)->c, iov[0].iov_len);
		}
	}
	const size_t apart = server(0)->received;

	for (unsigned i = 0; i < 600000 && server(0)->received < sizeof(bytes); i++) {
		sent += tls_write(client(0)->c, bytes + sent, sizeof(bytes) - sent);
		tls_rig_turn(&rig);
	}
	assert_int_equal(server(0)->received, sizeof(bytes));
	assert_memory_equal(server(0)->bytes + apart, bytes + apart, sizeof(bytes) - apart);
	assert_true(rest == 0 || client(0)->writable);
}

static void test_stream(void **state)
{
	(void)state;
	begin(&(struct tls_rig_options){.buffer = 40000});
	stream(0);
}

static void test_back_pressure(void **state)
{
	(void)state;
	begin(&(struct tls_rig_options){.buffer = 40000});
	stream(2000);
}

static void test_losses(void **state)
{
	(void)state;
	begin(&(struct tls_rig_options){.loss = 300});
	stream(0);
}

// Several are read from in turn, each not to its end: what is left is kept.
static void test_reading_in_turn(void **state)
{
	struct iovec iov[1];

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		tls_rig_connect(&rig, "sip.example.com");
	tls_rig_run(&rig, 40);
	for (unsigned i = 0; i < 3; i++) {
		server(i)->idle = true;
		assert_int_equal(tls_write(client(i)->c, "abcdef", 6), 6);
	}
	tls_rig_run(&rig, 5);
	for (unsigned round = 0; round < 6; round++)
		for (unsigned i = 0; i < 3; i++) {
			assert_int_equal(tls_peek(server(i)->c, iov, 1), 1);
			assert_int_equal(iov[0].iov_len, 6 - round);
			assert_int_equal(*(char *)iov[0].iov_base, "abcdef"[round]);
			tls_consume(server(i)->c, 1);
		}
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(tls_peek(server(i)->c, iov, 1), 0);
}

static void test_close(void **state)
{
	(void)state;
	tls_rig_connect(&rig, "sip.example.com");
	tls_rig_run(&rig, 20);
	tls_write(client(0)->c, "last", 4);
	tls_shutdown(client(0)->c);
	assert_int_equal(tls_write(client(0)->c, "no", 2), 0);
	tls_rig_run(&rig, 5);
	assert_true(server(0)->finished);
	assert_int_equal(server(0)->received, 4);
	assert_false(server(0)->closed);
	// The other way is still open.
	tls_write(server(0)->c, "answer", 6);
	tls_rig_run(&rig, 5);
	assert_int_equal(client(0)->received, 6);
	tls_shutdown(server(0)->c);
	tls_rig_run(&rig, 50);
	assert_true(server(0)->closed && client(0)->closed);
	assert_int_equal(server(0)->outcome.reason, TLS_REASON_CLOSED);
	assert_int_equal(client(0)->outcome.reason, TLS_REASON_CLOSED);
}

static void test_release_says_so(void **state)
{
	(void)state;
	tls_rig_connect(&rig, "sip.example.com");
	tls_rig_run(&rig, 20);
	tls_write(client(0)->c, "last", 4);
	tls_release(client(0)->c);
	client(0)->c = NULL;
	tls_rig_run(&rig, 5);
	assert_int_equal(server(0)->received, 4);
	assert_true(server(0)->finished);
}

static void test_abort(void **state)
{
	(void)state;
	tls_rig_connect(&rig, "sip.example.com");
	tls_rig_run(&rig, 20);
	tls_abort(client(0)->c);
	tls_rig_run(&rig, 5);
	assert_true(client(0)->closed && server(0)->closed);
	assert_int_equal(client(0)->outcome.reason, TLS_REASON_ABORTED);
	assert_int_equal(server(0)->outcome.reason, TLS_REASON_TRANSPORT);
	assert_int_equal(tcp_conn_reason(tls_conn_tcp(server(0)->c)), TCP_REASON_RESET);
}

static void expect_refused(const struct tls_settings *s, const char *text)
{
	struct tls_context *x;
	char why[256];

	assert_int_equal(tls_context_new(rig.server.t, s, &x, why, sizeof(why)), -EINVAL);
	if (strncmp(why, text, strlen(text)) != 0)
		assert_string_equal(why, text);
}

static void test_wrong_settings(void **state)
{
	struct tls_settings s = tls_rig_settings(&rig, false);
	struct tls_identity i = s.identities[0];

	(void)state;
	s.identities = &i;
	s.n_identities = 1;
	i.key = rig.key_pem[1];
	i.key_size = strlen(i.key);
	expect_refused(&s, "the key does not belong to the certificate");
	i.key = "nothing";
	i.key_size = 7;
	expect_refused(&s, "key: ");
	i.chain = "nothing";
	i.chain_size = 7;
	expect_refused(&s, "certificate: ");
	i = tls_rig_settings(&rig, false).identities[0];
	s.trust = "nothing";
	s.trust_size = 7;
	expect_refused(&s, "trust: it holds no certificate");
	s.trust = NULL;
	expect_refused(&s, "trust: certificates are asked for, and none is trusted");
	s = tls_rig_settings(&rig, false);
	s.n_identities = 0;
	expect_refused(&s, "certificate: a service has one");
	s = tls_rig_settings(&rig, false);
	s.ciphers = "RC4-SHA";
	expect_refused(&s, "ciphers: ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_open, plain, done),
		cmocka_unit_test_setup_teardown(test_exchange, plain, done),
		cmocka_unit_test_setup_teardown(test_versions, plain, done),
		cmocka_unit_test_setup_teardown(test_no_common_version, plain, done),
		cmocka_unit_test_setup_teardown(test_old_version, plain, done),
		cmocka_unit_test_setup_teardown(test_floor_at_level_zero, plain, done),
		cmocka_unit_test_setup_teardown(test_certificate_by_name, plain, done),
		cmocka_unit_test_setup_teardown(test_no_common_cipher, plain, done),
		cmocka_unit_test_setup_teardown(test_refused_by_server, plain, done),
		cmocka_unit_test_setup_teardown(test_no_certificate, plain, done),
		cmocka_unit_test_teardown(test_rules_of_the_partner, done),
		cmocka_unit_test_teardown(test_stream, done),
		cmocka_unit_test_teardown(test_back_pressure, done),
		cmocka_unit_test_teardown(test_losses, done),
		cmocka_unit_test_setup_teardown(test_reading_in_turn, plain, done),
		cmocka_unit_test_setup_teardown(test_close, plain, done),
		cmocka_unit_test_setup_teardown(test_release_says_so, plain, done),
		cmocka_unit_test_setup_teardown(test_abort, plain, done),
		cmocka_unit_test_setup_teardown(test_wrong_settings, plain, done),
	};

	return cmocka_run_group_tests_name("tls", tests, NULL, NULL);
}
