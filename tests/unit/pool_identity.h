// SPDX-License-Identifier: BSD-2-Clause
// Certificates made on the spot, in files that go again. For use within cmocka tests; include once in
// a program.

#pragma once

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct identity {
	EVP_PKEY *key;
	X509 *certificate;
};

static struct identity ca, other_ca, server_id, client_id;
static char folder[] = "/tmp/test_probe.XXXXXX";
static char trust_file[64], client_file[64], client_key[64], locked_key[64];

static void add_extension(X509 *c, int nid, const char *value)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	assert_non_null(e);
	assert_int_equal(X509_add_ext(c, e, -1), 1);
	X509_EXTENSION_free(e);
}

// Makes a certificate with a common name and alternative names (NULL: none), signed by `issuer` or
// by itself.
static struct identity make_identity(
	const char *cn, const char *names, const struct identity *issuer)
{
	static long serial;
	struct identity id = {EVP_EC_gen("P-256"), X509_new()};
	assert_non_null(id.key);
	X509_set_version(id.certificate, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(id.certificate), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(id.certificate), -3600);
	X509_gmtime_adj(X509_getm_notAfter(id.certificate), 3600);
	X509_set_pubkey(id.certificate, id.key);
	X509_NAME *subject = X509_get_subject_name(id.certificate);
	X509_NAME_add_entry_by_txt(
		subject, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0);
	X509_set_issuer_name(id.certificate,
		issuer != NULL ? X509_get_subject_name(issuer->certificate) : subject);
	add_extension(
		id.certificate, NID_basic_constraints, issuer != NULL ? "CA:FALSE" : "CA:TRUE");
	if (names != NULL)
		add_extension(id.certificate, NID_subject_alt_name, names);
	EVP_PKEY *signer = issuer != NULL ? issuer->key : id.key;
	assert_true(X509_sign(id.certificate, signer, EVP_sha256()) > 0);
	return id;
}

static void free_identity(struct identity *id)
{
	EVP_PKEY_free(id->key);
	X509_free(id->certificate);
}

static void write_certificate(char path[static 64], const char *name, X509 *c)
{
	snprintf(path, 64, "%s/%s", folder, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(PEM_write_X509(f, c), 1);
	fclose(f);
}

static void write_key(char path[static 64], const char *name, EVP_PKEY *key, bool locked)
{
	char password[] = "secret";
	snprintf(path, 64, "%s/%s", folder, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(PEM_write_PKCS8PrivateKey(f, key, locked ? EVP_aes_128_cbc() : NULL,
				 locked ? password : NULL, locked ? 6 : 0, NULL, NULL),
		1);
	fclose(f);
}

static int make_files(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	ca = make_identity("Contoso CA", NULL, NULL);
	other_ca = make_identity("Other CA", NULL, NULL);
	server_id = make_identity("fe1", "DNS:fe1.contoso.local,URI:sip:contoso.com", &ca);
	client_id = make_identity("edge", "DNS:edge.contoso.com", &ca);
	write_certificate(trust_file, "ca.pem", ca.certificate);
	write_certificate(client_file, "edge.pem", client_id.certificate);
	write_key(client_key, "edge.key", client_id.key, false);
	write_key(locked_key, "locked.key", client_id.key, true);
	return 0;
}

static int remove_files(void **state)
{
	(void)state;
	unlink(trust_file);
	unlink(client_file);
	unlink(client_key);
	unlink(locked_key);
	rmdir(folder);
	free_identity(&ca);
	free_identity(&other_ca);
	free_identity(&server_id);
	free_identity(&client_id);
	return 0;
}
