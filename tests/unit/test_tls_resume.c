// SPDX-License-Identifier: BSD-2-Clause
// Resumption: from the cache and by ticket, decided again, and never across trust policies.

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
#include <openssl/pem.h>
#include <urcu-qsbr.h>

#include <string.h>

static struct tls_rig rig;
static struct cert_crls *crls;
static struct postern_peer_tls rules;
static uint8_t keys[3][TLS_TICKET_KEY_SIZE];

static void rules_of(void *context, void *user, const struct postern_name *names, unsigned n,
	struct postern_peer_tls *out)
{
	(void)context;
	(void)user;
	(void)names;
	(void)n;
	*out = rules;
}

static int setup(void **state)
{
	(void)state;
	rcu_register_thread();
	rules = (struct postern_peer_tls){0};
	for (unsigned i = 0; i < 3; i++)
		memset(keys[i], 'a' + (int)i, sizeof(keys[i]));
	if (cert_crls_new(&crls) != 0)
		return -1;
	tls_rig_new(&rig, &(struct tls_rig_options){.user = {NULL, rules_of}, .crls = crls});
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tls_rig_free(&rig);
	cert_crls_free(crls);
	rcu_unregister_thread();
	return 0;
}

static void use(unsigned version, bool tickets)
{
	struct tls_settings s = tls_rig_settings(&rig, false);

	s.lowest_version = s.highest_version = (uint8_t)version;
	s.tickets = tickets;
	tls_rig_use(&rig, NULL, &s);
}

// Connects, says whether the session was resumed, and ends it.
static bool again(const char *name)
{
	struct tls_rig_conn *c, *s;
	bool resumed;

	tls_rig_connect(&rig, name);
	tls_rig_run(&rig, 30);
	c = &rig.client.conns[0];
	s = &rig.server.conns[0];
	assert_true(c->open && s->open);
	assert_int_equal(c->outcome.resumed, s->outcome.resumed);
	// Who it is is known either way.
	assert_string_equal(s->names, "edge.partner.example");
	assert_string_equal(c->names, "sip.example.com example.com");
	resumed = s->outcome.resumed;
	tls_write(c->c, "x", 1);
	tls_rig_run(&rig, 5);
	assert_int_equal(s->received, 1);
	tls_rig_clear(&rig);
	return resumed;
}

static enum cert_reason refused(void)
{
	struct tls_rig_conn *s;
	enum cert_reason r;

	tls_rig_connect(&rig, "sip.example.com");
	tls_rig_run(&rig, 30);
	s = &rig.server.conns[0];
	assert_true(s->closed);
	assert_int_equal(s->outcome.reason, TLS_REASON_CERTIFICATE);
	r = s->outcome.certificate;
	tls_rig_clear(&rig);
	return r;
}

static void test_cache(void **state)
{
	(void)state;
	for (unsigned version = 12; version <= 13; version++) {
		use(version, false);
		assert_false(again("sip.example.com"));
		for (unsigned i = 0; i < 3; i++)
			assert_true(again("sip.example.com"));
		// Another name is another peer.
		assert_false(again("example.com"));
	}
	assert_int_equal(tls_use(rig.server.t).resumed, 6);
}

static void test_tickets(void **state)
{
	(void)state;
	assert_int_equal(tls_set_ticket_keys(rig.server.t, keys, 1), 0);
	for (unsigned version = 12; version <= 13; version++) {
		use(version, true);
		assert_false(again("sip.example.com"));
		for (unsigned i = 0; i < 3; i++)
			assert_true(again("sip.example.com"));
	}
}

// Tickets of a key that is not the first any more are good, and renewed; of one that has gone they are not.
static void test_keys_rotate(void **state)
{
	uint8_t next[2][TLS_TICKET_KEY_SIZE];

	(void)state;
	assert_int_equal(tls_set_ticket_keys(rig.server.t, keys, 1), 0);
	use(12, true);
	assert_false(again("sip.example.com"));
	memcpy(next[0], keys[1], sizeof(next[0]));
	memcpy(next[1], keys[0], sizeof(next[1]));
	assert_int_equal(tls_set_ticket_keys(rig.server.t, next, 2), 0);
	assert_true(again("sip.example.com")); // renewed under the second
	assert_int_equal(tls_set_ticket_keys(rig.server.t, &keys[1], 1), 0);
	assert_true(again("sip.example.com"));
	assert_int_equal(tls_set_ticket_keys(rig.server.t, &keys[2], 1), 0);
	assert_false(again("sip.example.com"));
	assert_int_equal(tls_use(rig.server.t).tickets_unknown, 1);
	assert_int_equal(tls_set_ticket_keys(rig.server.t, keys, 0), -22);
	assert_int_equal(tls_set_ticket_keys(rig.server.t, keys, TLS_TICKET_KEYS + 1), -22);
}

// What was begun here resumes at another instance with the same keys and policy, which has not seen the
// intermediate: a new instance stands for it, as after a restart.
static void test_another_appliance(void **state)
{
	struct tls_settings s = tls_rig_settings(&rig, false);
	struct tls *first = rig.server.t;
	struct tls_context *first_x;
	const struct tls_setup setup = {.tcp = rig.server.tcp->t,
		.limits = tls_limits_default(),
		.crls = crls,
		.user = {NULL, rules_of},
		.now_us = rig.now_us,
		.wall = rig.wall};

	(void)state;
	for (unsigned version = 12; version <= 13; version++) {
		use(version, true);
		assert_int_equal(tls_set_ticket_keys(first, keys, 1), 0);
		assert_false(again("sip.example.com"));
		first_x = rig.server.x;
		assert_int_equal(tls_new(&setup, &rig.server.t), 0);
		assert_int_equal(tls_set_ticket_keys(rig.server.t, keys, 1), 0);
		s.lowest_version = s.highest_version = (uint8_t)version;
		s.tickets = true;
		rig.server.x = tls_rig_context(&rig, &s);
		assert_true(again("sip.example.com"));
		tls_context_release(rig.server.x);
		tls_free(rig.server.t);
		rig.server.t = first;
		rig.server.x = first_x;
	}
}

enum change {
	TRUST,
	FLOOR,
	VERIFY,
	VERSION,
	USAGE,
	REVOCATION,
	ORGANISATION,
	NAMES,
	CHANGES
};

static void change(struct tls_settings *s, enum change what, const char *other_roots)
{
	switch (what) {
	case TRUST:
		s->trust = other_roots;
		s->trust_size = strlen(other_roots);
		break;
	case FLOOR:
		s->floor = (struct cert_floor){.rsa_bits = 3072, .ec_bits = 255};
		break;
	case VERIFY:
		s->verify = TLS_VERIFY_ASK;
		break;
	case VERSION:
		s->lowest_version = 10;
		break;
	case USAGE:
		s->rules.key_usage = POSTERN_KEY_USAGE_ANY;
		break;
	case REVOCATION:
		s->rules.revocation = POSTERN_REVOCATION_OFF;
		break;
	case ORGANISATION:
		s->organisation = 7;
		break;
	default:
		s->need_names = false;
		break;
	}
}

// Under other roots, another floor, other rules or for another organisation a session is worth nothing,
// although the keys of its ticket are known.
static void test_never_across_policies(void **state)
{
	X509 *roots[2] = {rig.pki.root, pki_issue(&(struct pki_options){.cn = "Second", .ca = true},
						pki_key("ec", 7), NULL, NULL)};
	char *pem = pki_pem(roots, 2);

	(void)state;
	assert_int_equal(tls_set_ticket_keys(rig.server.t, keys, 1), 0);
	for (unsigned version = 12; version <= 13; version++)
		for (enum change c = 0; c < CHANGES; c++) {
			struct tls_settings s = tls_rig_settings(&rig, false);

			s.highest_version = (uint8_t)version;
			s.tickets = true;
			tls_rig_use(&rig, NULL, &s);
			again("sip.example.com");
			assert_true(again("sip.example.com"));
			// The same settings, made anew: the ticket is good there.
			tls_rig_use(&rig, NULL, &s);
			assert_true(again("sip.example.com"));
			change(&s, c, pem);
			tls_rig_use(&rig, NULL, &s);
			assert_false(again("sip.example.com"));
			assert_true(again("sip.example.com"));
		}
	X509_free(roots[1]);
	OPENSSL_free(pem);
}

// A client does not offer to one policy's server what it got under another.
static void test_client_keeps_policies_apart(void **state)
{
	struct tls_settings c = tls_rig_settings(&rig, true);

	(void)state;
	assert_false(again("sip.example.com"));
	assert_true(again("sip.example.com"));
	c.rules.key_usage = POSTERN_KEY_USAGE_ANY;
	tls_rig_use(&rig, &c, NULL);
	assert_false(again("sip.example.com"));
}

static void revoke(long serial)
{
	uint8_t *bytes;
	char why[128];
	const size_t size = pki_revoke(&(struct pki_list){.revoked = &serial, .n = 1},
		rig.pki.issuer, rig.pki.issuer_key, &bytes);

	assert_int_equal(
		cert_crls_set(crls, rig.pki.issuer, bytes, size, NULL, why, sizeof(why)), 0);
	OPENSSL_free(bytes);
}

static void test_decided_again(void **state)
{
	long serial;
	BIO *in = BIO_new_mem_buf(rig.client_pem, -1);
	X509 *leaf = PEM_read_bio_X509(in, NULL, NULL, NULL);

	(void)state;
	serial = ASN1_INTEGER_get(X509_get0_serialNumber(leaf));
	X509_free(leaf);
	BIO_free(in);
	assert_int_equal(tls_set_ticket_keys(rig.server.t, keys, 1), 0);
	for (unsigned i = 0; i < 4; i++) {
		use(12 + i % 2, i >= 2);
		// The partner's rules have changed.
		assert_false(again("sip.example.com"));
		rules.revocation = POSTERN_REVOCATION_REQUIRE;
		assert_int_equal(refused(), CERT_CRL_UNKNOWN);
		rules.revocation = POSTERN_REVOCATION_DEFAULT;
		// Its certificate has expired.
		use(12 + i % 2, i >= 2);
		again("sip.example.com");
		rig.wall = PKI_NOW + 400 * PKI_DAY;
		assert_int_equal(refused(), CERT_EXPIRED);
		rig.wall = PKI_NOW;
	}
	// It has been revoked, between one connection and the next.
	use(13, false);
	again("sip.example.com");
	revoke(serial);
	assert_int_equal(refused(), CERT_REVOKED);
	assert_int_equal(refused(), CERT_REVOKED);
}

static void test_none(void **state)
{
	struct tls_settings s = tls_rig_settings(&rig, false);

	(void)state;
	s.no_resumption = true;
	for (unsigned version = 12; version <= 13; version++) {
		s.highest_version = (uint8_t)version;
		tls_rig_use(&rig, NULL, &s);
		assert_false(again("sip.example.com"));
		assert_false(again("sip.example.com"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_cache, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tickets, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keys_rotate, setup, teardown),
		cmocka_unit_test_setup_teardown(test_another_appliance, setup, teardown),
		cmocka_unit_test_setup_teardown(test_never_across_policies, setup, teardown),
		cmocka_unit_test_setup_teardown(test_client_keeps_policies_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(test_decided_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_none, setup, teardown),
	};

	return cmocka_run_group_tests_name("tls_resume", tests, NULL, NULL);
}
