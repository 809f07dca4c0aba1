// SPDX-License-Identifier: BSD-2-Clause
// Certificates of peers, sound ones and every defect that is told apart, in both directions.

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

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct pki pki;
static struct cert_trust *trust;
static struct cert_cache *cache;

static struct cert_trust *trust_new(const struct cert_floor *floor, const char *pem)
{
	struct cert_trust *t = NULL;
	char why[128];

	assert_int_equal(cert_trust_new(NULL, floor, pem, strlen(pem), &t, why, sizeof(why)), 0);
	return t;
}

static int setup(void **state)
{
	const struct cert_floor floor = cert_floor_default();

	(void)state;
	pki_new(&pki, "ec");
	trust = trust_new(&floor, pki.root_pem);
	return cert_cache_new(NULL, 64, 16, &cache);
}

static int teardown(void **state)
{
	(void)state;
	cert_cache_free(cache);
	cert_trust_free(trust);
	pki_free(&pki);
	return 0;
}

static const struct cert_rules from_client = {.peer_is_client = true, .need_names = true};
static const struct cert_rules from_server = {.need_names = true};

// The verdict on a leaf with what was sent behind it, and how it is judged.
static enum cert_reason try_with(const struct cert_trust *t, X509 *leaf, X509 *const *more,
	unsigned n, const struct cert_rules *rules, struct cert_verdict **out)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	struct cert_judgement j;

	for (unsigned i = 0; i < n; i++)
		assert_true(sk_X509_push(chain, more[i]) > 0);
	struct cert_verdict *v = cert_check(cache, t, leaf, chain, PKI_NOW);

	assert_non_null(v);
	sk_X509_free(chain);
	cert_judge(v, rules, NULL, PKI_NOW, &j);
	if (out != NULL)
		*out = v;
	else
		cert_verdict_release(v);
	return j.reason;
}

// Both directions, with the intermediate.
static void expect(const struct pki_options *o, const char *kind, enum cert_reason as_client,
	enum cert_reason as_server)
{
	X509 *leaf = pki_issue(o, pki_key(kind, 0), pki.issuer, pki.issuer_key);

	assert_string_equal(
		cert_reason_name(try_with(trust, leaf, &pki.issuer, 1, &from_client, NULL)),
		cert_reason_name(as_client));
	assert_string_equal(
		cert_reason_name(try_with(trust, leaf, &pki.issuer, 1, &from_server, NULL)),
		cert_reason_name(as_server));
	X509_free(leaf);
}

#define EXPECT(reason, ...)                                                                        \
	expect(&(struct pki_options){__VA_ARGS__}, "ec", CERT_##reason, CERT_##reason)
#define NAMED .alternative = "DNS:sip.example.com"

static void test_leaf_defects(void **state)
{
	(void)state;
	EXPECT(GOOD, NAMED);
	EXPECT(EXPIRED, NAMED, .to = -1);
	EXPECT(NOT_YET_VALID, NAMED, .from = 60);
	EXPECT(BAD_SIGNATURE, NAMED, .bad_signature = true);
	EXPECT(CRITICAL_EXTENSION, NAMED, .odd = "critical");
	EXPECT(GOOD, NAMED, .odd = "plain");
	EXPECT(WEAK_SIGNATURE, NAMED, .digest = "SHA1");
	EXPECT(NO_NAMES, .alternative = NULL);
	EXPECT(NO_NAMES, .alternative = "email:a@example.com");
	EXPECT(WILDCARD, .alternative = "DNS:*.example.com");
	EXPECT(GOOD, .alternative = "DNS:*.example.com,DNS:sip.example.com");
	EXPECT(ADDRESS_ONLY, .alternative = "IP:192.0.2.1");
	expect(&(struct pki_options){.cn = "x", NAMED}, "rsa1024", CERT_WEAK_KEY, CERT_WEAK_KEY);
	expect(&(struct pki_options){.cn = "x", NAMED}, "dsa", CERT_WEAK_KEY, CERT_WEAK_KEY);
	expect(&(struct pki_options){.cn = "x", NAMED}, "rsa2048", CERT_GOOD, CERT_GOOD);
	expect(&(struct pki_options){.cn = "x", NAMED}, "ed25519", CERT_GOOD, CERT_GOOD);
}

// Each use under each policy.
static void test_key_usage(void **state)
{
	static const struct {
		const char *extended, *usage;
		bool client[3], server[3]; // require-client-auth, accept-server-auth, any
	} cases[] = {
		{NULL, NULL, {1, 1, 1}, {1, 1, 1}},
		{"serverAuth,clientAuth", NULL, {1, 1, 1}, {1, 1, 1}},
		{"serverAuth", NULL, {0, 1, 1}, {1, 1, 1}},
		{"clientAuth", NULL, {1, 1, 1}, {0, 0, 1}},
		{"codeSigning", NULL, {0, 0, 1}, {0, 0, 1}},
		{"anyExtendedKeyUsage", NULL, {1, 1, 1}, {1, 1, 1}},
		{"1.3.6.1.5.5.7.3.20", NULL, {0, 1, 1}, {0, 1, 1}},
		{NULL, "digitalSignature", {1, 1, 1}, {1, 1, 1}},
		{NULL, "keyEncipherment", {0, 0, 1}, {1, 1, 1}},
		{NULL, "dataEncipherment", {0, 0, 1}, {0, 0, 1}},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct pki_options o = {
			NAMED, .extended = cases[i].extended, .usage = cases[i].usage};
		X509 *leaf = pki_issue(&o, pki_key("ec", 0), pki.issuer, pki.issuer_key);

		for (unsigned k = 0; k < 6; k++) {
			const bool client = k < 3;
			const struct cert_rules r = {.need_names = true,
				.peer_is_client = client,
				.key_usage = POSTERN_KEY_USAGE_REQUIRE_CLIENT_AUTH + k % 3};
			const bool good = client ? cases[i].client[k % 3] : cases[i].server[k % 3];

			assert_int_equal(try_with(trust, leaf, &pki.issuer, 1, &r, NULL),
				good ? CERT_GOOD : CERT_KEY_USAGE);
		}
		X509_free(leaf);
	}
}

// A leaf below issuers made of these options, the first of which the root has signed.
static enum cert_reason below(
	const struct pki_options *o, unsigned n, const struct pki_options *leaf_options)
{
	X509 *chain[12], *sent[12];
	const X509 *by = pki.root;
	EVP_PKEY *by_key = pki.root_key;
	enum cert_reason r;

	for (unsigned i = 0; i < n; i++) {
		EVP_PKEY *key = pki_key("ec", 10 + i);

		chain[i] = pki_issue(&o[i], key, by, by_key);
		by = chain[i];
		by_key = key;
	}
	X509 *leaf = pki_issue(leaf_options, pki_key("ec", 0), by, by_key);

	for (unsigned i = 0; i < n; i++)
		sent[i] = chain[n - 1 - i];
	r = try_with(trust, leaf, sent, n, &from_client, NULL);
	for (unsigned i = 0; i < n; i++)
		X509_free(chain[i]);
	X509_free(leaf);
	return r;
}

static void test_chain_defects(void **state)
{
	const struct pki_options leaf = {.cn = "x", NAMED};
	const struct pki_options ca = {.cn = "I1", .ca = true};
	const struct pki_options two[] = {
		{.cn = "I1", .ca = true, .path_length = 1}, {.cn = "I2", .ca = true}};
	struct pki_options many[8];

	(void)state;
	assert_int_equal(below(&ca, 1, &leaf), CERT_GOOD);
	assert_int_equal(below(two, 2, &leaf), CERT_PATH_LENGTH);
	assert_int_equal(below(&(struct pki_options){.cn = "I1", .no_basic = true}, 1, &leaf),
		CERT_NOT_A_CA);
	assert_int_equal(
		below(&(struct pki_options){.cn = "I1", .ca = true, .usage = "cRLSign"}, 1, &leaf),
		CERT_NOT_A_CA);
	assert_int_equal(below(&(struct pki_options){.cn = "I1", .ca = true, .to = -1}, 1, &leaf),
		CERT_EXPIRED);
	assert_int_equal(below(&(struct pki_options){.cn = "I1",
				       .ca = true,
				       .constraints = "permitted;DNS:example.net"},
				 1, &leaf),
		CERT_NAME_CONSTRAINTS);
	assert_int_equal(below(&(struct pki_options){.cn = "I1",
				       .ca = true,
				       .constraints = "permitted;DNS:example.com"},
				 1, &leaf),
		CERT_GOOD);
	assert_int_equal(
		below(&(struct pki_options){.cn = "I1", .ca = true, .odd = "critical"}, 1, &leaf),
		CERT_CRITICAL_EXTENSION);
	assert_int_equal(
		below(&(struct pki_options){.cn = "I1", .ca = true, .digest = "SHA1"}, 1, &leaf),
		CERT_WEAK_SIGNATURE);
	// Extended usage of an issuer restricts what it has issued.
	assert_int_equal(
		below(&(struct pki_options){.cn = "I1", .ca = true, .extended = "codeSigning"}, 1,
			&leaf),
		CERT_KEY_USAGE);
	for (unsigned i = 0; i < 8; i++)
		many[i] = (struct pki_options){
			.cn = (const char *[]){"I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8"}[i],
			.ca = true};
	assert_int_equal(below(many, 6, &leaf), CERT_GOOD);
	assert_int_equal(below(many, 7, &leaf), CERT_CHAIN_TOO_LONG);
}

static void test_roots(void **state)
{
	const struct pki_options self = {.cn = "self", NAMED};
	const struct pki_options other = {.cn = "Other Root", .ca = true};
	X509 *alone = pki_issue(&self, pki_key("ec", 0), NULL, NULL);
	X509 *leaf = pki_leaf(&pki, "ec", "DNS:sip.example.com");
	X509 *root = pki_issue(&other, pki_key("ec", 5), NULL, NULL);
	X509 *stray = pki_issue(&self, pki_key("ec", 0), root, pki_key("ec", 5));
	X509 *issuer = pki_issue(&(struct pki_options){.cn = "Other Issuer", .ca = true},
		pki_key("ec", 6), root, pki_key("ec", 5));
	X509 *below_stray = pki_issue(&self, pki_key("ec", 0), issuer, pki_key("ec", 6));
	struct cert_verdict *v;

	(void)state;
	assert_int_equal(try_with(trust, alone, NULL, 0, &from_client, NULL), CERT_SELF_SIGNED);
	assert_int_equal(try_with(trust, stray, &root, 1, &from_client, NULL), CERT_UNKNOWN_CA);
	assert_int_equal(
		try_with(trust, below_stray, &issuer, 1, &from_client, NULL), CERT_UNKNOWN_CA);
	// The issuer that was not sent is named.
	assert_int_equal(try_with(trust, leaf, NULL, 0, &from_client, &v), CERT_CHAIN_INCOMPLETE);
	assert_non_null(strstr(v->issuer, "Test Issuer"));
	cert_verdict_release(v);
	X509_free(alone);
	X509_free(leaf);
	X509_free(root);
	X509_free(stray);
	X509_free(issuer);
	X509_free(below_stray);
}

static void test_intermediate_remembered(void **state)
{
	const struct cert_floor floor = cert_floor_default();
	struct cert_trust *t = trust_new(&floor, pki.root_pem);
	X509 *leaf = pki_leaf(&pki, "ec", "DNS:sip.example.com");
	char *pem = pki_pem(&pki.issuer, 1), why[128];

	(void)state;
	assert_int_equal(try_with(t, leaf, NULL, 0, &from_client, NULL), CERT_CHAIN_INCOMPLETE);
	assert_int_equal(cert_trust_add_intermediates(t, pem, strlen(pem), why, sizeof(why)), 0);
	// What was said before does not count for the set as it is now.
	assert_int_equal(try_with(t, leaf, NULL, 0, &from_client, NULL), CERT_GOOD);
	assert_memory_equal(cert_trust_digest(t), cert_trust_digest(trust), CERT_DIGEST_SIZE);
	cert_trust_free(t);
	X509_free(leaf);
	OPENSSL_free(pem);
}

// A chain of a hundred certificates, without looking at more than their number.
static void test_chain_of_a_hundred(void **state)
{
	X509 *leaf = pki_leaf(&pki, "ec", "DNS:sip.example.com");
	X509 *many[100];

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		many[i] = pki.issuer;
	assert_int_equal(try_with(trust, leaf, many, 100, &from_client, NULL), CERT_CHAIN_TOO_LONG);
	X509_free(leaf);
}

static void test_floor(void **state)
{
	const struct cert_floor low = {.rsa_bits = 1024, .ec_bits = 192, .sha1 = true};
	struct cert_trust *t = trust_new(&low, pki.root_pem);
	const struct pki_options old = {.cn = "x", NAMED, .digest = "SHA1"};
	const struct pki_options older = {.cn = "x", NAMED, .digest = "MD5"};
	X509 *leaf = pki_issue(&old, pki_key("rsa1024", 0), pki.issuer, pki.issuer_key);
	X509 *rsa = pki_issue(&(struct pki_options){.cn = "R", .ca = true}, pki_key("rsa2048", 1),
		pki.root, pki.root_key);
	X509 *md5 = pki_issue(&older, pki_key("rsa1024", 0), rsa, pki_key("rsa2048", 1));
	X509 *small = pki_issue(&old, pki_key("rsa512", 0), pki.issuer, pki.issuer_key);

	(void)state;
	assert_int_equal(try_with(t, leaf, &pki.issuer, 1, &from_client, NULL), CERT_GOOD);
	assert_int_equal(try_with(trust, leaf, &pki.issuer, 1, &from_client, NULL), CERT_WEAK_KEY);
	assert_int_equal(try_with(t, md5, &rsa, 1, &from_client, NULL), CERT_WEAK_SIGNATURE);
	assert_int_equal(try_with(t, small, &pki.issuer, 1, &from_client, NULL), CERT_WEAK_KEY);
	// Another floor is another policy: sessions do not pass from one to the other.
	assert_memory_not_equal(cert_trust_digest(t), cert_trust_digest(trust), CERT_DIGEST_SIZE);
	X509_free(leaf);
	X509_free(md5);
	X509_free(rsa);
	X509_free(small);
	cert_trust_free(t);
}

// The names in their order, with spaces between, as judged.
static void names_of(const struct pki_options *o, bool accept_cn, char *out, size_t size)
{
	const struct cert_rules r = {.peer_is_client = true, .accept_cn = accept_cn};
	X509 *leaf = pki_issue(o, pki_key("ec", 0), pki.issuer, pki.issuer_key);
	struct cert_verdict *v;
	struct cert_judgement j;

	out[0] = '\0';
	if (try_with(trust, leaf, &pki.issuer, 1, &r, &v) == CERT_GOOD) {
		cert_judge(v, &r, NULL, PKI_NOW, &j);
		for (unsigned i = 0; i < j.n_names; i++) {
			strncat(out, i > 0 ? " " : "", size - strlen(out) - 1);
			strncat(out, j.names[i].text, size - strlen(out) - 1);
		}
		assert_int_equal(j.by_cn, accept_cn && o->alternative != NULL);
	} else {
		strncat(out, "refused", size - 1);
	}
	cert_verdict_release(v);
	X509_free(leaf);
}

static void expect_names(
	const char *alternative, const char *cn, bool accept_cn, const char *wanted)
{
	char found[512];

	names_of(&(struct pki_options){.cn = cn, .alternative = alternative}, accept_cn, found,
		sizeof(found));
	assert_string_equal(found, wanted);
}

static void test_names(void **state)
{
	(void)state;
	expect_names("DNS:sip.Example.COM,DNS:edge.example.com.", "cn.example.com", false,
		"sip.example.com edge.example.com");
	expect_names("DNS:a.example.com,DNS:A.example.com", NULL, false, "a.example.com");
	expect_names(
		"URI:sip:example.com,DNS:a.example.com", NULL, false, "example.com a.example.com");
	expect_names("URI:SIP:example.com:5061;transport=tls", NULL, false, "example.com");
	expect_names("URI:sip:alice@example.com,URI:sips:example.org,URI:https://example.net",
		"cn.example", false, "");
	expect_names("DNS:*.example.com,DNS:a.*.example.com,DNS:a*.example.com", NULL, false, "");
	expect_names("DNS:xn--bcher-kva.example", NULL, false, "xn--bcher-kva.example");
	expect_names("DNS:192.0.2.1", "192.0.2.1", false, "");
	// The subject's name only where there is no extension, or by the option.
	expect_names(NULL, "cn.example.com", false, "cn.example.com");
	expect_names(NULL, "*.example.com", false, "");
	expect_names(NULL, "Alice of Example", false, "");
	expect_names("IP:192.0.2.1", "cn.example.com", false, "");
	expect_names("DNS:a.example.com", "cn.example.com", true, "a.example.com cn.example.com");
}

// [2] of a GeneralNames: "good.example" NUL ".evil.example".
static void test_name_with_nul(void **state)
{
	static const char name[] = "sip.bank.example\0.evil.example";
	const uint8_t length = sizeof(name) - 1;
	uint8_t der[64] = {0x30, (uint8_t)(length + 2), 0x82, length};
	char found[64];

	(void)state;
	memcpy(der + 4, name, length);
	names_of(&(struct pki_options){.cn = "x", .raw_names = der, .raw_names_size = length + 4u},
		false, found, sizeof(found));
	assert_string_equal(found, "refused");
	EXPECT(NAME_NUL, .raw_names = der, .raw_names_size = length + 4u);
	// Not ASCII is no name: an A-label would be.
	der[4] = 0xc3;
	memset(der + 20, 'a', 1);
	names_of(&(struct pki_options){.cn = "x", .raw_names = der, .raw_names_size = length + 4u},
		false, found, sizeof(found));
	assert_string_equal(found, "");
	EXPECT(MALFORMED, .raw_names = der, .raw_names_size = 9);
	EXPECT(MALFORMED, .raw_names = der, .raw_names_size = length + 4u,
		.alternative = "DNS:a.example");
}

static void test_names_are_bounded(void **state)
{
	static char text[64 * 1024];
	size_t used = 0;

	(void)state;
	for (unsigned i = 0; i < CERT_NAMES_MAX; i++)
		used += (size_t)snprintf(
			text + used, sizeof(text) - used, "%sDNS:d%u.example", i > 0 ? "," : "", i);
	EXPECT(GOOD, .alternative = text);
	snprintf(text + used, sizeof(text) - used, ",DNS:last.example");
	EXPECT(TOO_MANY_NAMES, .alternative = text);
}

static void test_cache(void **state)
{
	X509 *leaf = pki_leaf(&pki, "ec", "DNS:sip.example.com"), *bad[64];
	struct cert_verdict *first, *again;
	struct cert_cache_use before, after;

	(void)state;
	assert_int_equal(try_with(trust, leaf, &pki.issuer, 1, &from_client, &first), CERT_GOOD);
	before = cert_cache_use(cache);
	assert_int_equal(try_with(trust, leaf, &pki.issuer, 1, &from_server, &again), CERT_GOOD);
	assert_ptr_equal(first, again);
	after = cert_cache_use(cache);
	assert_int_equal(after.hits, before.hits + 1);
	cert_verdict_release(again);
	// Bad ones have room for themselves only.
	for (unsigned i = 0; i < 64; i++) {
		bad[i] = pki_leaf(&pki, "ec", "DNS:sip.example.com");
		try_with(trust, bad[i], NULL, 0, &from_client, NULL);
	}
	assert_true(cert_cache_use(cache).bad <= 16);
	assert_int_equal(try_with(trust, leaf, &pki.issuer, 1, &from_client, &again), CERT_GOOD);
	assert_ptr_equal(first, again);
	cert_verdict_release(again);
	// When a certificate of the chain has ended it is looked at anew.
	STACK_OF(X509) *chain = sk_X509_new_null();

	sk_X509_push(chain, pki.issuer);
	again = cert_check(cache, trust, leaf, chain, PKI_NOW + 366 * PKI_DAY);
	assert_int_equal(again->reason, CERT_EXPIRED);
	sk_X509_free(chain);
	cert_verdict_release(again);
	cert_verdict_release(first);
	for (unsigned i = 0; i < 64; i++)
		X509_free(bad[i]);
	X509_free(leaf);
}

static void test_pack(void **state)
{
	const struct cert_floor low = {.rsa_bits = 1024, .ec_bits = 192};
	struct cert_trust *other = trust_new(&low, pki.root_pem);
	const struct pki_options o = {.alternative = "DNS:a.example,DNS:b.example",
		.extended = "serverAuth",
		.points = "URI:http://crl.example/1"};
	X509 *leaf = pki_issue(&o, pki_key("ec", 0), pki.issuer, pki.issuer_key);
	uint8_t bytes[CERT_PACKED_MAX];
	struct cert_verdict *v, *u;
	struct cert_judgement j;

	(void)state;
	assert_int_equal(try_with(trust, leaf, &pki.issuer, 1, &from_client, &v), CERT_GOOD);
	const size_t size = cert_verdict_pack(v, bytes);

	u = cert_verdict_unpack(cache, trust, leaf, bytes, size);
	assert_ptr_equal(u, v);
	cert_verdict_release(u);
	u = cert_verdict_unpack(NULL, trust, leaf, bytes, size); // as on another worker
	assert_non_null(u);
	assert_memory_equal(u->links, v->links, sizeof(v->links));
	assert_int_equal(u->n_links, 2);
	assert_int_equal(u->not_after, v->not_after);
	cert_judge(u, &from_client, NULL, PKI_NOW, &j);
	assert_int_equal(j.reason, CERT_GOOD);
	assert_int_equal(j.n_names, 2);
	assert_string_equal(j.names[1].text, "b.example");
	cert_judge(u, &from_client, NULL, PKI_NOW + 366 * PKI_DAY, &j);
	assert_int_equal(j.reason, CERT_EXPIRED);
	cert_verdict_release(u);
	// Every cut of it, and another trust, are of no use.
	for (size_t cut = 0; cut < size; cut++)
		assert_null(cert_verdict_unpack(NULL, trust, leaf, bytes, cut));
	assert_null(cert_verdict_unpack(NULL, other, leaf, bytes, size));
	cert_verdict_release(v);
	cert_trust_free(other);
	X509_free(leaf);
}

static void test_trust_files(void **state)
{
	const struct cert_floor floor = cert_floor_default();
	struct cert_trust *t, *u;
	X509 *both[2] = {pki.root, pki.issuer}, *swapped[2] = {pki.issuer, pki.root};
	char why[128], *a = pki_pem(both, 2), *b = pki_pem(swapped, 2);

	(void)state;
	assert_int_equal(cert_trust_new(NULL, &floor, "", 0, &t, why, sizeof(why)), -EINVAL);
	assert_string_equal(why, "it holds no certificate");
	a[100] = '!';
	assert_int_equal(cert_trust_new(NULL, &floor, a, strlen(a), &t, why, sizeof(why)), -EINVAL);
	assert_non_null(strstr(why, "certificate 1 cannot be read"));
	OPENSSL_free(a);
	a = pki_pem(both, 2);
	t = trust_new(&floor, a);
	u = trust_new(&floor, b);
	assert_memory_equal(cert_trust_digest(t), cert_trust_digest(u), CERT_DIGEST_SIZE);
	assert_memory_not_equal(cert_trust_digest(t), cert_trust_digest(trust), CERT_DIGEST_SIZE);
	cert_trust_free(t);
	cert_trust_free(u);
	OPENSSL_free(a);
	OPENSSL_free(b);
}

static void test_reasons_have_words(void **state)
{
	(void)state;
	for (unsigned r = 0; r < CERT_REASON_COUNT; r++) {
		assert_true(strlen(cert_reason_name(r)) > 0);
		assert_true(strlen(cert_reason_for_operator(r)) > 10);
		assert_true(strlen(cert_reason_for_partner(r)) > 10);
	}
	assert_string_equal(cert_reason_name(CERT_REASON_COUNT), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_leaf_defects),
		cmocka_unit_test(test_key_usage),
		cmocka_unit_test(test_chain_defects),
		cmocka_unit_test(test_roots),
		cmocka_unit_test(test_intermediate_remembered),
		cmocka_unit_test(test_chain_of_a_hundred),
		cmocka_unit_test(test_floor),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_name_with_nul),
		cmocka_unit_test(test_names_are_bounded),
		cmocka_unit_test(test_cache),
		cmocka_unit_test(test_pack),
		cmocka_unit_test(test_trust_files),
		cmocka_unit_test(test_reasons_have_words),
	};

	return cmocka_run_group_tests_name("cert", tests, setup, teardown);
}
