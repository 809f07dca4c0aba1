// SPDX-License-Identifier: BSD-2-Clause
// Keys, certificates and revocation lists, made by the test that needs them, sound or with the defect
// that it names. Failures abort: nothing here depends on what is tested.

#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PKI_NOW 1800000000 // what time it is in these tests: January 2027
#define PKI_DAY 86400

// "ec" (P-256), "ec384", "ed25519", "rsa1024", "rsa2048", "dsa", by number, so that several of a kind can be
// had. Made once for a process, and nobody's to free.
EVP_PKEY *pki_key(const char *kind, unsigned number);

struct pki_options {
	const char *cn;          // NULL: an empty subject
	const char *alternative; // as in OpenSSL's configuration: "DNS:a.example,URI:sip:b.example"
	const char *usage;       // keyUsage, likewise
	const char *extended;    // extendedKeyUsage
	const char *constraints; // nameConstraints
	const char *points;      // crlDistributionPoints
	const char *odd;         // an extension of an unknown kind: "critical" or "plain"
	const void *raw_names;   // the alternative names as DER
	size_t raw_names_size;
	int64_t from, to;   // seconds around PKI_NOW; 0: a year before and after
	const char *digest; // NULL: SHA256; "" for keys that have their own
	long serial;        // 0: one that nobody else has
	bool ca;
	int path_length; // of a CA, one more than it says; 0: none
	bool no_basic;   // no basicConstraints at all
	bool bad_signature;
};

// A certificate for `key`. `issuer` NULL: signed by itself. To be freed.
X509 *pki_issue(
	const struct pki_options *o, EVP_PKEY *key, const X509 *issuer, EVP_PKEY *issuer_key);

struct pki_list {
	const long *revoked;
	unsigned n;
	int64_t from, to; // as above; 0: a day before and after
	bool no_end;
	const char *
		scope; // issuingDistributionPoint, as in OpenSSL's configuration; begins "critical,"
	bool delta;
	long number; // 0: none
};

// A revocation list, DER. The size; freed with OPENSSL_free().
size_t pki_revoke(const struct pki_list *l, const X509 *issuer, EVP_PKEY *key, uint8_t **out);

// Certificates one behind the other, or a key, as PEM text. Freed with OPENSSL_free().
char *pki_pem(X509 *const *certificates, unsigned n);
char *pki_pem_key(EVP_PKEY *key);

// A root, an intermediate and what they were made with, as most tests need it.
struct pki {
	X509 *root, *issuer;
	EVP_PKEY *root_key, *issuer_key;
	char *root_pem;
};

void pki_new(struct pki *p, const char *kind);
void pki_free(struct pki *p);
// An end entity's certificate of the intermediate, for the first key of a kind.
X509 *pki_leaf(const struct pki *p, const char *kind, const char *alternative);
