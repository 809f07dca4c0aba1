// SPDX-License-Identifier: BSD-2-Clause
// Peers that do what they should not, at every step. Each is refused by its own name, nothing grows, and
// everything is given back.

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

#include <stdlib.h>
#include <string.h>

static struct tls_rig rig;

static int plain(void **state)
{
	(void)state;
	tls_rig_new(&rig, &(struct tls_rig_options){.loss = 0});
	return 0;
}

static int done(void **state)
{
	(void)state;
	tls_rig_free(&rig);
	return 0;
}

static struct tls_rig_conn *server(unsigned i)
{
	return &rig.server.conns[i];
}

static const char *reason(void)
{
	return tls_reason_name(server(0)->outcome.reason);
}

static void again(void)
{
	foreign_free(&rig);
	tls_rig_clear(&rig);
}

// Raw bytes in the place of a ClientHello.
static const char *answer_to(const void *bytes, size_t size)
{
	foreign_new(&rig, NULL);
	tls_rig_run(&rig, 5);
	foreign_send(&rig, bytes, size);
	tls_rig_run(&rig, 20);
	return reason();
}

static void test_no_tls(void **state)
{
	static const uint8_t sslv2[] = {
		0x80, 0x2e, 0x01, 0x00, 0x02, 0x00, 0x15, 0x00, 0x00, 0x00, 0x10};
	uint8_t large[5 + 20000] = {
		22, 3, 1, 0x48, 0x05}; // 18437 bytes: more than a record may have
	static const uint8_t alert[] = {21, 3, 1, 0, 2, 2, 40};
	static const uint8_t data[] = {23, 3, 3, 0, 4, 1, 2, 3, 4};
	static const uint8_t empty[] = {22, 3, 1, 0, 0};

	(void)state;
	assert_string_equal(answer_to("GET / HTTP/1.0\r\n\r\n", 18), "not-tls");
	again();
	assert_string_equal(
		answer_to("OPTIONS sip:example.com SIP/2.0\r\nVia: SIP/2.0/TCP x\r\n\r\n", 55),
		"not-tls");
	again();
	assert_string_equal(answer_to(sslv2, sizeof(sslv2)), "open"); // half of it: waits
	again();
	assert_string_equal(answer_to(large, sizeof(large)), "protocol-error");
	again();
	assert_string_equal(
		answer_to(alert, sizeof(alert)), "protocol-error"); // nothing to alert of
	again();
	assert_string_equal(answer_to(data, sizeof(data)), "protocol-error");
	again();
	assert_string_equal(answer_to(empty, sizeof(empty)), "open"); // allowed, up to a number
	again();
	foreign_new(&rig, NULL);
	tls_rig_run(&rig, 5);
	tcp_shutdown(rig.client.tcp->t, rig.foreign->tcp);
	tls_rig_run(&rig, 20);
	assert_string_equal(reason(), "hung-up");
}

// A ClientHello with only what Windows Server 2003 has.
static void test_old_ciphers(void **state)
{
	static const uint8_t hello[] = {22, 3, 1, 0, 49, 1, 0, 0, 45, 3, 1, 1, 2, 3, 4, 5, 6, 7, 8,
		9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29,
		30, 31, 32, 0, 0, 6, 0, 4, 0, 5, 0, 10, 1, 0};
	struct tls_settings s = tls_rig_settings(&rig, false);

	(void)state;
	s.lowest_version = 10;
	tls_rig_use(&rig, NULL, &s);
	assert_string_equal(answer_to(hello, sizeof(hello)), "old-ciphers");
	assert_true(server(0)->outcome.alert_is_ours);
}

// A good handshake, as many bytes of it as are allowed, then an alert or nothing, and the end.
static void broken_off(size_t after, const uint8_t *bytes, size_t size)
{
	SSL_CTX *ctx = foreign_ctx(&rig);
	SSL *ssl = SSL_new(ctx);
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	size_t sent = 0, seen = 0;

	BIO_set_mem_eof_return(in, -1);
	SSL_set_bio(ssl, in, out);
	SSL_set_connect_state(ssl);
	foreign_new(&rig, NULL);
	for (unsigned i = 0; i < 40 && sent < after; i++) {
		char *data;
		long n;

		SSL_do_handshake(ssl);
		n = BIO_get_mem_data(out, &data);
		if (n > 0 && rig.foreign->connected) {
			const size_t part = (size_t)n < after - sent ? (size_t)n : after - sent;

			foreign_send(&rig, data, part);
			sent += part;
			BIO_reset(out);
		}
		tls_rig_run(&rig, 1);
		for (; seen < rig.foreign->n_bytes; seen++)
			BIO_write(in, &rig.foreign->bytes[seen], 1);
	}
	if (size > 0)
		foreign_send(&rig, bytes, size);
	tcp_shutdown(rig.client.tcp->t, rig.foreign->tcp);
	tls_rig_run(&rig, 10);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
}

static void test_broken_off_anywhere(void **state)
{
	static const uint8_t alert[] = {21, 3, 3, 0, 2, 2, 80};

	(void)state;
	for (size_t after = 0; after < 2400; after += after < 600 ? 53 : 191)
		for (unsigned i = 0; i < 2; i++) {
			broken_off(after, alert, i == 0 ? 0 : sizeof(alert));
			assert_int_equal(rig.server.n, 1);
			// Ended in the middle of the handshake, or behind it; never left standing.
			assert_true(server(0)->closed);
			assert_int_not_equal(server(0)->outcome.reason, TLS_REASON_NONE);
			again();
			assert_int_equal(tls_use(rig.server.t).handshakes, 0);
			assert_int_equal(tls_use(rig.server.t).connections, 0);
		}
}

// Every bit of a flight flipped somewhere: nothing but an end comes of it.
static void test_spoilt(void **state)
{
	SSL_CTX *ctx = foreign_ctx(&rig);

	(void)state;
	for (unsigned i = 0; i < 60; i++) {
		SSL *ssl = SSL_new(ctx);
		BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
		uint8_t bytes[1024];
		int n;

		SSL_set_bio(ssl, in, out);
		SSL_set_connect_state(ssl);
		SSL_do_handshake(ssl);
		n = BIO_read(out, bytes, sizeof(bytes));
		assert_true(n > 60);
		bytes[i * 7 % (unsigned)n] ^= (uint8_t)(1u << i % 8);
		foreign_new(&rig, NULL);
		tls_rig_run(&rig, 2);
		foreign_send(&rig, bytes, (size_t)n);
		tls_rig_run(&rig, 4);
		tcp_shutdown(rig.client.tcp->t, rig.foreign->tcp);
		tls_rig_run(&rig, 4);
		assert_true(server(0)->closed);
		assert_false(server(0)->open);
		again();
		SSL_free(ssl);
	}
	SSL_CTX_free(ctx);
}

static struct foreign *foreign_open(int version)
{
	SSL_CTX *ctx = foreign_ctx(&rig);
	struct foreign *f;

	SSL_CTX_set_max_proto_version(ctx, version);
	f = foreign_new(&rig, ctx);
	tls_rig_run(&rig, 20);
	assert_true(f->done && server(0)->open);
	SSL_CTX_free(ctx);
	return f;
}

static void test_key_updates(void **state)
{
	struct foreign *f = foreign_open(TLS1_3_VERSION);

	(void)state;
	// A few are in order, and answered.
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(SSL_key_update(f->ssl, SSL_KEY_UPDATE_REQUESTED), 1);
		assert_int_equal(SSL_write(f->ssl, "x", 1), 1);
		tls_rig_run(&rig, 2);
	}
	assert_int_equal(server(0)->received, 5);
	assert_false(server(0)->closed);
	for (unsigned i = 0; i < 200 && !server(0)->closed; i++) {
		SSL_key_update(f->ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
		SSL_write(f->ssl, "x", 1);
		tls_rig_turn(&rig);
	}
	assert_string_equal(reason(), "flood");
	assert_true(server(0)->received < 5 + 80);
}

static void test_renegotiation(void **state)
{
	struct foreign *f = foreign_open(TLS1_2_VERSION);

	(void)state;
	assert_int_equal(SSL_renegotiate(f->ssl), 1);
	SSL_do_handshake(f->ssl);
	tls_rig_run(&rig, 5);
	assert_int_equal(f->last_alert, SSL_AD_NO_RENEGOTIATION);
	assert_false(server(0)->outcome.resumed);
	assert_int_equal(tls_use(rig.server.t).full, 1);
}

// TLS_FALLBACK_SCSV in a hello for less than we speak (RFC 7507).
static void test_downgrade(void **state)
{
	SSL_CTX *ctx = foreign_ctx(&rig);

	(void)state;
	SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_mode(ctx, SSL_MODE_SEND_FALLBACK_SCSV);
	foreign_new(&rig, ctx);
	tls_rig_run(&rig, 20);
	assert_string_equal(reason(), "downgrade");
	assert_string_equal(tls_alert_name(server(0)->outcome.alert), "inappropriate_fallback");
	SSL_CTX_free(ctx);
}

static void test_small_records(void **state)
{
	struct foreign *f = foreign_open(TLS1_3_VERSION);

	(void)state;
	for (unsigned i = 0; i < 500; i++)
		assert_int_equal(SSL_write(f->ssl, "y", 1), 1);
	tls_rig_run(&rig, 20);
	assert_int_equal(server(0)->received, 500);
	assert_false(server(0)->closed);
}

// Records without a byte: some are taken, and many in a row are an attack.
static void test_empty_records(void **state)
{
	struct foreign *f = foreign_open(TLS1_2_VERSION);

	(void)state;
	(void)f;
	for (unsigned i = 0; i < 64; i++) {
		static const uint8_t empty[] = {23, 3, 3, 0, 0};

		foreign_send(&rig, empty, sizeof(empty));
	}
	tls_rig_run(&rig, 5);
	assert_true(server(0)->closed);
	assert_string_equal(reason(), "bad-record");
}

static void test_record_too_large(void **state)
{
	static uint8_t bytes[5 + 17000] = {23, 3, 3, 0x42, 0x68};

	(void)state;
	foreign_open(TLS1_3_VERSION);
	foreign_send(&rig, bytes, sizeof(bytes));
	tls_rig_run(&rig, 20);
	assert_true(server(0)->closed);
	assert_int_equal(server(0)->outcome.alert, SSL_AD_RECORD_OVERFLOW);
	assert_true(server(0)->outcome.alert_is_ours);
}

static void test_forged_record(void **state)
{
	static const uint8_t bytes[64] = {23, 3, 3, 0, 59};

	(void)state;
	foreign_open(TLS1_3_VERSION);
	foreign_send(&rig, bytes, sizeof(bytes));
	tls_rig_run(&rig, 5);
	assert_string_equal(reason(), "bad-record");
	assert_string_equal(tls_alert_name(server(0)->outcome.alert), "bad_record_mac");
}

static void test_no_close_notify(void **state)
{
	(void)state;
	foreign_open(TLS1_3_VERSION);
	SSL_write(rig.foreign->ssl, "last", 4);
	tls_rig_turn(&rig);
	tcp_shutdown(rig.client.tcp->t, rig.foreign->tcp);
	tls_rig_run(&rig, 5);
	assert_int_equal(server(0)->received, 4);
	assert_string_equal(reason(), "truncated");
}

// An alert on an open connection is told with its name and side.
static void test_alert_later(void **state)
{
	(void)state;
	foreign_open(TLS1_2_VERSION);
	again();
	foreign_open(TLS1_3_VERSION);
	tcp_abort(rig.client.tcp->t, rig.foreign->tcp);
	tls_rig_run(&rig, 5);
	assert_string_equal(reason(), "transport");
}

static void test_early_data(void **state)
{
	SSL_CTX *ctx = foreign_ctx(&rig);
	struct foreign *f;
	SSL_SESSION *session;
	size_t sent;

	(void)state;
	f = foreign_new(&rig, ctx);
	tls_rig_run(&rig, 20);
	assert_true(f->done);
	session = SSL_get1_session(f->ssl);
	SSL_set_shutdown(
		f->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); // else it is thrown away
	assert_int_equal(SSL_SESSION_get_max_early_data(session), 0);
	again();
	// Sent all the same it is skipped.
	SSL_SESSION_set_max_early_data(session, 1000);
	f = foreign_new(&rig, ctx);
	SSL_set_session(f->ssl, session);
	assert_int_equal(SSL_write_early_data(f->ssl, "early", 5, &sent), 1);
	tls_rig_run(&rig, 20);
	assert_true(f->done);
	assert_int_equal(server(0)->received, 0);
	assert_int_equal(SSL_get_early_data_status(f->ssl), SSL_EARLY_DATA_REJECTED);
	SSL_SESSION_free(session);
	SSL_CTX_free(ctx);
}

// More certificates than any chain has: by their number, or by their bytes.
static void many(unsigned n, enum cert_reason expected)
{
	SSL_CTX *ctx = foreign_ctx(&rig);

	for (unsigned i = 0; i < n; i++)
		assert_int_equal(SSL_CTX_add1_chain_cert(ctx, rig.pki.issuer), 1);
	foreign_new(&rig, ctx);
	tls_rig_run(&rig, 40);
	assert_string_equal(reason(), "certificate");
	assert_string_equal(
		cert_reason_name(server(0)->outcome.certificate), cert_reason_name(expected));
	SSL_CTX_free(ctx);
	again();
}

static void test_many_certificates(void **state)
{
	(void)state;
	many(20, CERT_CHAIN_TOO_LONG);
	many(190, CERT_CHAIN_TOO_LONG);
}

// Half handshakes by the thousand: no more at once than the limit, all gone when their time is over, and
// who is honest is let in then.
static void test_half_handshakes(void **state)
{
	struct tls_limits l = tls_limits_default();
	struct postern_endpoint remote = {.port = 5061};
	struct postern_addr local;
	struct tcp_conn *c[64];
	unsigned refused = 0;

	(void)state;
	l.handshakes = 6;
	l.deadline_ms = 500;
	l.address_rate = 0;
	tls_rig_new(&rig, &(struct tls_rig_options){.limits = l});
	foreign_new(&rig, NULL);
	assert_int_equal(postern_addr_parse("192.0.2.1", &local), 0);
	assert_int_equal(postern_addr_parse("192.0.2.2", &remote.addr), 0);
	for (unsigned round = 0; round < 16; round++) {
		for (unsigned i = 0; i < 64; i++)
			assert_int_equal(tcp_connect(rig.client.tcp->t, &local, &remote, 0,
						 rig.foreign, &c[i]),
				0);
		tls_rig_run(&rig, 3);
		assert_true(tls_use(rig.server.t).handshakes <= 6);
		refused = rig.server.refused;
		for (unsigned i = 0; i < 64; i++)
			tcp_release(rig.client.tcp->t, c[i]);
		tls_rig_run(&rig, 3);
		for (unsigned i = 0; i < rig.server.n; i++)
			if (rig.server.conns[i].closed && rig.server.conns[i].c != NULL) {
				tls_release(rig.server.conns[i].c);
				rig.server.conns[i].c = NULL;
			}
	}
	assert_true(refused > 800);
	assert_int_equal(tls_use(rig.server.t).ended[TLS_REASON_HANDSHAKES], rig.server.refused);
	again();
	tls_rig_connect(&rig, "sip.example.com");
	tls_rig_run(&rig, 50);
	assert_true(rig.client.conns[0].open);
}

static void test_deadline(void **state)
{
	struct tls_limits l = tls_limits_default();

	(void)state;
	l.deadline_ms = 100;
	tls_rig_new(&rig, &(struct tls_rig_options){.limits = l});
	foreign_new(&rig, NULL);
	tls_rig_run(&rig, 95);
	assert_int_equal(tls_use(rig.server.t).handshakes, 1);
	tls_rig_run(&rig, 10);
	assert_int_equal(tls_use(rig.server.t).handshakes, 0);
	assert_string_equal(reason(), "handshake-timeout");
}

static void test_rates(void **state)
{
	struct tls_limits l = tls_limits_default();

	(void)state;
	l.address_rate = 1;
	l.address_burst = 3;
	tls_rig_new(&rig, &(struct tls_rig_options){.limits = l});
	for (unsigned i = 0; i < 5; i++)
		tls_rig_connect(&rig, "sip.example.com");
	tls_rig_run(&rig, 30);
	assert_int_equal(tls_use(rig.server.t).full + tls_use(rig.server.t).resumed, 3);
	assert_int_equal(tls_use(rig.server.t).ended[TLS_REASON_ADDRESS_RATE], 2);
	tls_rig_clear(&rig);
	tls_rig_run(&rig, 1100);
	tls_rig_connect(&rig, "sip.example.com");
	tls_rig_run(&rig, 30);
	assert_true(rig.client.conns[0].open);
}

static void test_rate_of_a_partner(void **state)
{
	struct tls_limits l = tls_limits_default();

	(void)state;
	l.partner_rate = 1;
	l.partner_burst = 2;
	tls_rig_new(&rig, &(struct tls_rig_options){.limits = l});
	for (unsigned i = 0; i < 4; i++)
		tls_rig_connect(&rig, "sip.example.com");
	tls_rig_run(&rig, 30);
	assert_int_equal(tls_use(rig.server.t).ended[TLS_REASON_PARTNER_RATE], 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_no_tls, plain, done),
		cmocka_unit_test_setup_teardown(test_old_ciphers, plain, done),
		cmocka_unit_test_setup_teardown(test_broken_off_anywhere, plain, done),
		cmocka_unit_test_setup_teardown(test_spoilt, plain, done),
		cmocka_unit_test_setup_teardown(test_key_updates, plain, done),
		cmocka_unit_test_setup_teardown(test_renegotiation, plain, done),
		cmocka_unit_test_setup_teardown(test_downgrade, plain, done),
		cmocka_unit_test_setup_teardown(test_small_records, plain, done),
		cmocka_unit_test_setup_teardown(test_empty_records, plain, done),
		cmocka_unit_test_setup_teardown(test_record_too_large, plain, done),
		cmocka_unit_test_setup_teardown(test_forged_record, plain, done),
		cmocka_unit_test_setup_teardown(test_no_close_notify, plain, done),
		cmocka_unit_test_setup_teardown(test_alert_later, plain, done),
		cmocka_unit_test_setup_teardown(test_early_data, plain, done),
		cmocka_unit_test_setup_teardown(test_many_certificates, plain, done),
		cmocka_unit_test_teardown(test_half_handshakes, done),
		cmocka_unit_test_teardown(test_deadline, done),
		cmocka_unit_test_teardown(test_rates, done),
		cmocka_unit_test_teardown(test_rate_of_a_partner, done),
	};

	return cmocka_run_group_tests_name("tls_bad", tests, NULL, NULL);
}
