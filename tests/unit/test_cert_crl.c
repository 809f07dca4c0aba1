// SPDX-License-Identifier: BSD-2-Clause
// Revocation: which lists are believed, and what they do to a verdict.

#include "cert/cert.h"
#include "pki.h"

// cmocka.h needs the four before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <openssl/crypto.h>
#include <urcu-qsbr.h>

#include <errno.h>
#include <string.h>

#define ONE "http://crl.example/1.crl"
#define TWO "http://crl.example/2.crl"

static struct pki pki;
static struct cert_trust *trust;
static struct cert_cache *cache;
static struct cert_crls *crls;
static char why[128];

static int setup(void **state)
{
	const struct cert_floor floor = cert_floor_default();

	(void)state;
	rcu_register_thread();
	pki_new(&pki, "ec");
	if (cert_trust_new(NULL, &floor, pki.root_pem, strlen(pki.root_pem), &trust, why,
		    sizeof(why)) != 0)
		return -1;
	return cert_cache_new(NULL, 64, 16, &cache) + cert_crls_new(&crls);
}

static int teardown(void **state)
{
	(void)state;
	cert_crls_free(crls);
	cert_cache_free(cache);
	cert_trust_free(trust);
	pki_free(&pki);
	rcu_unregister_thread();
	return 0;
}

static int fresh(void **state)
{
	(void)state;
	cert_crls_free(crls);
	return cert_crls_new(&crls);
}

static int set(const struct pki_list *l, const X509 *issuer, EVP_PKEY *key)
{
	uint8_t *bytes;
	const size_t size = pki_revoke(l, issuer, key, &bytes);
	const int rc = cert_crls_set(crls, issuer, bytes, size, NULL, why, sizeof(why));

	OPENSSL_free(bytes);
	rcu_quiescent_state();
	return rc;
}

static int set_both(const struct pki_list *l)
{
	const int rc = set(&(struct pki_list){.n = 0}, pki.root, pki.root_key);

	return rc != 0 ? rc : set(l, pki.issuer, pki.issuer_key);
}

static struct cert_judgement judge(
	long serial, const char *points, enum postern_revocation revocation)
{
	const struct cert_rules r = {.peer_is_client = true, .revocation = revocation};
	const struct pki_options o = {
		.serial = serial, .alternative = "DNS:a.example", .points = points};
	X509 *leaf = pki_issue(&o, pki_key("ec", 0), pki.issuer, pki.issuer_key);
	STACK_OF(X509) *chain = sk_X509_new_null();
	struct cert_judgement j;

	sk_X509_push(chain, pki.issuer);
	struct cert_verdict *v = cert_check(cache, trust, leaf, chain, PKI_NOW);

	cert_judge(v, &r, crls, PKI_NOW, &j);
	cert_verdict_release(v);
	sk_X509_free(chain);
	X509_free(leaf);
	return j;
}

static enum cert_reason try(long serial, enum postern_revocation r)
{
	return judge(serial, NULL, r).reason;
}

static void test_soft_and_hard(void **state)
{
	static const long revoked[] = {7, 9};

	(void)state;
	assert_int_equal(try(7, POSTERN_REVOCATION_TRY), CERT_GOOD);
	assert_int_equal(try(7, POSTERN_REVOCATION_REQUIRE), CERT_CRL_UNKNOWN);
	assert_int_equal(set_both(&(struct pki_list){.revoked = revoked, .n = 2}), 0);
	assert_int_equal(try(7, POSTERN_REVOCATION_OFF), CERT_GOOD);
	assert_int_equal(try(7, POSTERN_REVOCATION_TRY), CERT_REVOKED);
	assert_int_equal(try(7, POSTERN_REVOCATION_DEFAULT), CERT_REVOKED);
	assert_int_equal(try(9, POSTERN_REVOCATION_REQUIRE), CERT_REVOKED);
	assert_int_equal(try(8, POSTERN_REVOCATION_REQUIRE), CERT_GOOD);
	// It holds until the next list is due.
	assert_int_equal(judge(8, NULL, POSTERN_REVOCATION_REQUIRE).good_until, PKI_NOW + PKI_DAY);
}

static void test_stale(void **state)
{
	static const long revoked[] = {7};

	(void)state;
	assert_int_equal(set_both(&(struct pki_list){
				 .revoked = revoked, .n = 1, .from = -2 * PKI_DAY, .to = -1}),
		0);
	assert_int_equal(try(7, POSTERN_REVOCATION_TRY), CERT_REVOKED);
	assert_int_equal(try(8, POSTERN_REVOCATION_TRY), CERT_GOOD);
	assert_int_equal(try(8, POSTERN_REVOCATION_REQUIRE), CERT_CRL_STALE);
	assert_int_equal(cert_crls_expire(crls, PKI_NOW), 1);
	rcu_quiescent_state();
	assert_int_equal(try(8, POSTERN_REVOCATION_REQUIRE), CERT_CRL_UNKNOWN);
}

// The intermediate's own number, on the root's list.
static void test_issuer_revoked(void **state)
{
	const long serial = ASN1_INTEGER_get(X509_get0_serialNumber(pki.issuer));

	(void)state;
	assert_int_equal(
		set(&(struct pki_list){.revoked = &serial, .n = 1}, pki.root, pki.root_key), 0);
	assert_int_equal(try(7, POSTERN_REVOCATION_TRY), CERT_REVOKED);
}

static void test_replaced(void **state)
{
	static const long revoked[] = {7};

	(void)state;
	assert_int_equal(set_both(&(struct pki_list){.number = 5}), 0);
	assert_int_equal(try(7, POSTERN_REVOCATION_REQUIRE), CERT_GOOD);
	assert_int_equal(set(&(struct pki_list){.revoked = revoked, .n = 1, .number = 4},
				 pki.issuer, pki.issuer_key),
		-ESTALE);
	assert_string_equal(why, "a newer one is known");
	assert_int_equal(set(&(struct pki_list){.revoked = revoked, .n = 1, .number = 6},
				 pki.issuer, pki.issuer_key),
		0);
	assert_int_equal(try(7, POSTERN_REVOCATION_REQUIRE), CERT_REVOKED);
}

// Lists in parts, as large authorities have them: each certificate names its own.
static void test_parts(void **state)
{
	static const long revoked[] = {7};

	(void)state;
	assert_int_equal(set_both(&(struct pki_list){
				 revoked, 1, .scope = "[scope]\nfullname=URI:" ONE "\n"}),
		0);
	assert_int_equal(judge(7, "URI:" ONE, POSTERN_REVOCATION_TRY).reason, CERT_REVOKED);
	assert_int_equal(judge(8, "URI:" ONE, POSTERN_REVOCATION_REQUIRE).reason, CERT_GOOD);
	assert_int_equal(judge(7, "URI:" TWO, POSTERN_REVOCATION_TRY).reason, CERT_GOOD);
	assert_int_equal(judge(7, "URI:" TWO, POSTERN_REVOCATION_REQUIRE).reason, CERT_CRL_UNKNOWN);
	assert_int_equal(
		judge(7, "URI:" TWO ",URI:" ONE, POSTERN_REVOCATION_TRY).reason, CERT_REVOKED);
}

static void test_scope(void **state)
{
	(void)state;
	assert_int_equal(set_both(&(struct pki_list){.scope = "[scope]\nonlyCA=TRUE\n"}), 0);
	assert_int_equal(try(8, POSTERN_REVOCATION_REQUIRE), CERT_CRL_UNKNOWN);
	assert_int_equal(set(&(struct pki_list){.scope = "[scope]\nonlyuser=TRUE\n"}, pki.issuer,
				 pki.issuer_key),
		0);
	assert_int_equal(try(8, POSTERN_REVOCATION_REQUIRE), CERT_GOOD);
}

static void refused(const struct pki_list *l, const char *text)
{
	assert_int_equal(set(l, pki.issuer, pki.issuer_key), -EINVAL);
	assert_string_equal(why, text);
}

static void test_lists_that_prove_nothing(void **state)
{
	X509 *dumb =
		pki_issue(&(struct pki_options){.cn = "Dumb", .ca = true, .usage = "keyCertSign"},
			pki_key("ec", 3), pki.root, pki.root_key);
	uint8_t *bytes;
	size_t size;

	(void)state;
	refused(&(struct pki_list){.delta = true},
		"it holds only what has changed since another (a delta)");
	refused(&(struct pki_list){.no_end = true}, "it does not say when the next one comes");
	refused(&(struct pki_list){.scope = "[scope]\nindirectCRL=TRUE\n"},
		"it is indirect: others' certificates are on it");
	refused(&(struct pki_list){.scope = "[scope]\nonlysomereasons=keyCompromise\n"},
		"it holds revocations for some reasons only");
	refused(&(struct pki_list){.scope = "[scope]\nonlyAA=TRUE\n"},
		"it is for attribute certificates");
	assert_int_equal(set(&(struct pki_list){.n = 0}, pki.issuer, pki.root_key), -EKEYREJECTED);
	assert_int_equal(set(&(struct pki_list){.n = 0}, dumb, pki_key("ec", 3)), -EINVAL);
	assert_string_equal(why, "its issuer's certificate may not sign lists");
	size = pki_revoke(&(struct pki_list){.n = 0}, pki.root, pki.root_key, &bytes);
	assert_int_equal(
		cert_crls_set(crls, pki.issuer, bytes, size, NULL, why, sizeof(why)), -EINVAL);
	assert_string_equal(why, "it is another issuer's");
	for (size_t cut = 0; cut < size; cut++)
		assert_true(cert_crls_set(crls, pki.root, bytes, cut, NULL, why, sizeof(why)) < 0);
	assert_int_equal(try(8, POSTERN_REVOCATION_REQUIRE), CERT_CRL_UNKNOWN);
	OPENSSL_free(bytes);
	X509_free(dumb);
}

static void test_facts(void **state)
{
	static const long revoked[] = {7, 8, 9};
	struct cert_crl_facts f;
	uint8_t *bytes;
	const size_t size = pki_revoke(&(struct pki_list){.revoked = revoked, .n = 3, .number = 44},
		pki.issuer, pki.issuer_key, &bytes);

	(void)state;
	assert_int_equal(cert_crls_set(crls, pki.issuer, bytes, size, &f, why, sizeof(why)), 0);
	assert_int_equal(f.revoked, 3);
	assert_int_equal(f.number, 44);
	assert_int_equal(f.next_update, PKI_NOW + PKI_DAY);
	OPENSSL_free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_soft_and_hard, fresh),
		cmocka_unit_test_setup(test_stale, fresh),
		cmocka_unit_test_setup(test_issuer_revoked, fresh),
		cmocka_unit_test_setup(test_replaced, fresh),
		cmocka_unit_test_setup(test_parts, fresh),
		cmocka_unit_test_setup(test_scope, fresh),
		cmocka_unit_test_setup(test_lists_that_prove_nothing, fresh),
		cmocka_unit_test_setup(test_facts, fresh),
	};

	return cmocka_run_group_tests_name("cert_crl", tests, setup, teardown);
}
