// SPDX-License-Identifier: BSD-2-Clause
// Keys, certificates and revocation lists for tests.

#include "pki.h"

#include <openssl/bio.h>
#include <openssl/dsa.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(x) ((x) ? (void)0 : failed(#x, __LINE__))

static void failed(const char *what, int line)
{
	fprintf(stderr, "pki.c:%d: %s\n", line, what);
	ERR_print_errors_fp(stderr);
	abort();
}

static EVP_PKEY *make_dsa(void)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "DSA", NULL);
	EVP_PKEY *parameters = NULL, *key = NULL;

	CHECK(ctx != NULL && EVP_PKEY_paramgen_init(ctx) == 1);
	CHECK(EVP_PKEY_CTX_set_dsa_paramgen_bits(ctx, 1024) == 1);
	CHECK(EVP_PKEY_generate(ctx, &parameters) == 1);
	EVP_PKEY_CTX_free(ctx);
	ctx = EVP_PKEY_CTX_new_from_pkey(NULL, parameters, NULL);
	CHECK(ctx != NULL && EVP_PKEY_keygen_init(ctx) == 1 && EVP_PKEY_generate(ctx, &key) == 1);
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(parameters);
	return key;
}

static EVP_PKEY *make(const char *kind)
{
	if (strcmp(kind, "ec") == 0)
		return EVP_EC_gen("P-256");
	if (strcmp(kind, "ec384") == 0)
		return EVP_EC_gen("P-384");
	if (strcmp(kind, "ec192") == 0)
		return EVP_EC_gen("P-192");
	if (strcmp(kind, "ed25519") == 0)
		return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	if (strcmp(kind, "dsa") == 0)
		return make_dsa();
	return EVP_RSA_gen((unsigned)atoi(kind + 3));
}

#define KEYS 32

static struct made {
	char kind[12];
	unsigned number;
	EVP_PKEY *key;
} made[KEYS];

static void free_keys(void)
{
	for (unsigned i = 0; i < KEYS; i++)
		EVP_PKEY_free(made[i].key);
}

EVP_PKEY *pki_key(const char *kind, unsigned number)
{
	unsigned i = 0;

	while (made[i].key != NULL && (made[i].number != number || strcmp(made[i].kind, kind) != 0))
		CHECK(++i < KEYS);
	if (made[i].key == NULL) {
		if (i == 0)
			atexit(free_keys);
		made[i].key = make(kind);
		CHECK(made[i].key != NULL);
		made[i].number = number;
		snprintf(made[i].kind, sizeof(made[i].kind), "%s", kind);
	}
	return made[i].key;
}

static void add(X509 *x, const X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;

	if (value == NULL)
		return;
	X509V3_set_ctx(&ctx, (X509 *)issuer, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	CHECK(e != NULL && X509_add_ext(x, e, -1) == 1);
	X509_EXTENSION_free(e);
}

static X509_EXTENSION *raw(const char *oid, bool critical, const void *bytes, size_t size)
{
	ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
	ASN1_OCTET_STRING *s = ASN1_OCTET_STRING_new();
	X509_EXTENSION *e;

	CHECK(object != NULL && s != NULL && ASN1_OCTET_STRING_set(s, bytes, (int)size) == 1);
	e = X509_EXTENSION_create_by_OBJ(NULL, object, critical, s);
	CHECK(e != NULL);
	ASN1_OBJECT_free(object);
	ASN1_OCTET_STRING_free(s);
	return e;
}

static void add_raw(X509 *x, const char *oid, bool critical, const void *bytes, size_t size)
{
	X509_EXTENSION *e = raw(oid, critical, bytes, size);

	CHECK(X509_add_ext(x, e, -1) == 1);
	X509_EXTENSION_free(e);
}

static void add_basic(X509 *x, const X509 *issuer, const struct pki_options *o)
{
	char text[48];

	if (o->no_basic)
		return;
	if (o->ca && o->path_length > 0)
		snprintf(text, sizeof(text), "critical,CA:TRUE,pathlen:%d", o->path_length - 1);
	else
		snprintf(text, sizeof(text), "critical,CA:%s", o->ca ? "TRUE" : "FALSE");
	add(x, issuer, NID_basic_constraints, text);
}

static void set_times(X509 *x, const struct pki_options *o)
{
	const int64_t from = PKI_NOW + (o->from != 0 ? o->from : -365 * PKI_DAY);
	const int64_t to = PKI_NOW + (o->to != 0 ? o->to : 365 * PKI_DAY);

	CHECK(ASN1_TIME_set(X509_getm_notBefore(x), from) != NULL);
	CHECK(ASN1_TIME_set(X509_getm_notAfter(x), to) != NULL);
}

static const EVP_MD *digest_of(const char *name, const EVP_PKEY *key)
{
	if (EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519)
		return NULL;
	return EVP_get_digestbyname(name != NULL ? name : "SHA256");
}

static X509 *spoil(X509 *x)
{
	uint8_t *der = NULL;
	const uint8_t *at;
	const int size = i2d_X509(x, &der);
	X509 *again;

	CHECK(size > 0);
	der[size - 1] ^= 1;
	at = der;
	again = d2i_X509(NULL, &at, size);
	CHECK(again != NULL);
	OPENSSL_free(der);
	X509_free(x);
	return again;
}

X509 *pki_issue(
	const struct pki_options *o, EVP_PKEY *key, const X509 *issuer, EVP_PKEY *issuer_key)
{
	static long serial = 1000;
	static const uint8_t null[] = {5, 0};
	X509 *x = X509_new();
	X509_NAME *name = X509_NAME_new();
	const X509 *by = issuer != NULL ? issuer : x;

	CHECK(x != NULL && name != NULL && X509_set_version(x, X509_VERSION_3) == 1);
	CHECK(ASN1_INTEGER_set(X509_get_serialNumber(x), o->serial != 0 ? o->serial : ++serial));
	if (o->cn != NULL)
		CHECK(X509_NAME_add_entry_by_txt(
			      name, "CN", MBSTRING_UTF8, (const void *)o->cn, -1, -1, 0) == 1);
	CHECK(X509_set_subject_name(x, name) == 1);
	CHECK(X509_set_issuer_name(x, issuer != NULL ? X509_get_subject_name(issuer) : name) == 1);
	X509_NAME_free(name);
	set_times(x, o);
	CHECK(X509_set_pubkey(x, key) == 1);
	add_basic(x, by, o);
	add(x, by, NID_subject_key_identifier, "hash");
	if (issuer != NULL)
		add(x, by, NID_authority_key_identifier, "keyid");
	add(x, by, NID_key_usage,
		o->usage != NULL ? o->usage
		: o->ca          ? "critical,keyCertSign,cRLSign"
				 : NULL);
	add(x, by, NID_ext_key_usage, o->extended);
	add(x, by, NID_subject_alt_name, o->alternative);
	add(x, by, NID_name_constraints, o->constraints);
	add(x, by, NID_crl_distribution_points, o->points);
	if (o->raw_names != NULL)
		add_raw(x, "2.5.29.17", false, o->raw_names, o->raw_names_size);
	if (o->odd != NULL)
		add_raw(x, "1.3.6.1.4.1.55555.1", strcmp(o->odd, "critical") == 0, null,
			sizeof(null));
	EVP_PKEY *signer = issuer != NULL ? issuer_key : key;

	CHECK(X509_sign(x, signer, digest_of(o->digest, signer)) > 0);
	return o->bad_signature ? spoil(x) : x;
}

static void add_to_list(X509_CRL *crl, const X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	CONF *conf = NCONF_new(NULL);
	BIO *in = BIO_new_mem_buf(value, -1);
	long line = 0;
	X509_EXTENSION *e;

	CHECK(conf != NULL && in != NULL);
	CHECK(NCONF_load_bio(conf, in, &line) == 1);
	X509V3_set_ctx(&ctx, (X509 *)issuer, NULL, NULL, crl, 0);
	X509V3_set_nconf(&ctx, conf);
	e = X509V3_EXT_nconf_nid(conf, &ctx, nid, "critical,@scope");
	CHECK(e != NULL && X509_CRL_add_ext(crl, e, -1) == 1);
	X509_EXTENSION_free(e);
	BIO_free(in);
	NCONF_free(conf);
}

static void add_number(X509_CRL *crl, int nid, long value, int critical)
{
	ASN1_INTEGER *number = ASN1_INTEGER_new();

	CHECK(number != NULL && ASN1_INTEGER_set(number, value) == 1);
	CHECK(X509_CRL_add1_ext_i2d(crl, nid, number, critical, 0) == 1);
	ASN1_INTEGER_free(number);
}

static void add_revoked(X509_CRL *crl, long serial)
{
	X509_REVOKED *r = X509_REVOKED_new();
	ASN1_INTEGER *number = ASN1_INTEGER_new();
	ASN1_TIME *when = ASN1_TIME_set(NULL, PKI_NOW - PKI_DAY);

	CHECK(r != NULL && number != NULL && when != NULL && ASN1_INTEGER_set(number, serial) == 1);
	CHECK(X509_REVOKED_set_serialNumber(r, number) == 1);
	CHECK(X509_REVOKED_set_revocationDate(r, when) == 1);
	CHECK(X509_CRL_add0_revoked(crl, r) == 1);
	ASN1_INTEGER_free(number);
	ASN1_TIME_free(when);
}

size_t pki_revoke(const struct pki_list *l, const X509 *issuer, EVP_PKEY *key, uint8_t **out)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *from = ASN1_TIME_set(NULL, PKI_NOW + (l->from != 0 ? l->from : -PKI_DAY));
	ASN1_TIME *to = ASN1_TIME_set(NULL, PKI_NOW + (l->to != 0 ? l->to : PKI_DAY));

	CHECK(crl != NULL && from != NULL && to != NULL && X509_CRL_set_version(crl, 1) == 1);
	CHECK(X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer)) == 1);
	CHECK(X509_CRL_set1_lastUpdate(crl, from) == 1);
	CHECK(l->no_end || X509_CRL_set1_nextUpdate(crl, to) == 1);
	for (unsigned i = 0; i < l->n; i++)
		add_revoked(crl, l->revoked[i]);
	if (l->number != 0)
		add_number(crl, NID_crl_number, l->number, 0);
	if (l->delta)
		add_number(crl, NID_delta_crl, 1, 1);
	if (l->scope != NULL)
		add_to_list(crl, issuer, NID_issuing_distribution_point, l->scope);
	CHECK(X509_CRL_sort(crl) == 1 && X509_CRL_sign(crl, key, EVP_sha256()) > 0);
	*out = NULL;
	const int size = i2d_X509_CRL(crl, out);

	CHECK(size > 0);
	ASN1_TIME_free(from);
	ASN1_TIME_free(to);
	X509_CRL_free(crl);
	return (size_t)size;
}

static char *text_of(BIO *out)
{
	char *data;
	const long size = BIO_get_mem_data(out, &data);
	char *text = OPENSSL_malloc((size_t)size + 1);

	CHECK(text != NULL);
	memcpy(text, data, (size_t)size);
	text[size] = '\0';
	BIO_free(out);
	return text;
}

char *pki_pem(X509 *const *certificates, unsigned n)
{
	BIO *out = BIO_new(BIO_s_mem());

	CHECK(out != NULL);
	for (unsigned i = 0; i < n; i++)
		CHECK(PEM_write_bio_X509(out, certificates[i]) == 1);
	return text_of(out);
}

char *pki_pem_key(EVP_PKEY *key)
{
	BIO *out = BIO_new(BIO_s_mem());

	CHECK(out != NULL && PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) == 1);
	return text_of(out);
}

void pki_new(struct pki *p, const char *kind)
{
	p->root_key = pki_key(kind, 100);
	p->issuer_key = pki_key(kind, 101);
	p->root = pki_issue(
		&(struct pki_options){.cn = "Test Root", .ca = true}, p->root_key, NULL, NULL);
	p->issuer = pki_issue(&(struct pki_options){.cn = "Test Issuer", .ca = true}, p->issuer_key,
		p->root, p->root_key);
	p->root_pem = pki_pem(&p->root, 1);
}

void pki_free(struct pki *p)
{
	X509_free(p->root);
	X509_free(p->issuer);
	OPENSSL_free(p->root_pem);
}

X509 *pki_leaf(const struct pki *p, const char *kind, const char *alternative)
{
	const struct pki_options o = {.cn = "leaf", .alternative = alternative};

	return pki_issue(&o, pki_key(kind, 0), p->issuer, p->issuer_key);
}
