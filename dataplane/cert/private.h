// SPDX-License-Identifier: BSD-2-Clause
// What the files of this folder share.

#pragma once

#include "cert/cert.h"

#include <openssl/x509v3.h>

struct cert_trust {
	OSSL_LIB_CTX *lib;
	X509_STORE *store;
	STACK_OF(X509) * more; // intermediates that were remembered
	struct cert_floor floor;
	uint8_t digest[CERT_DIGEST_SIZE];       // of roots and floor
	uint8_t whole_digest[CERT_DIGEST_SIZE]; // of the intermediates as well
};

// The chain itself, without the cache. Fills all but key and references.
void cert_chain_check(const struct cert_trust *t, X509 *leaf, STACK_OF(X509) * chain, int64_t now,
	struct cert_verdict *v);

// What OpenSSL's verification said, in our names. `leaf_alone`: the chain that was found is the leaf.
enum cert_reason cert_reason_of(int error, bool leaf_alone);

// Seconds since 1970, or INT64_MAX for what never ends; false: malformed.
bool cert_time_read(const ASN1_TIME *t, int64_t *out);

// Who signs: the digest of name and public key.
bool cert_issuer_digest(const X509 *issuer, uint8_t out[static CERT_DIGEST_SIZE]);
// The number as its bytes, without leading zeros. False: longer than CERT_SERIAL_MAX.
bool cert_serial_read(
	const ASN1_INTEGER *serial, uint8_t out[static CERT_SERIAL_MAX], uint8_t *size);
uint64_t cert_point_hash(const ASN1_IA5STRING *uri);
// The URIs of one distribution point's name.
unsigned cert_points_read(const DIST_POINT_NAME *name, uint64_t *out, unsigned n, unsigned most);

enum cert_revocation {
	CERT_REVOCATION_GOOD,
	CERT_REVOCATION_REVOKED,
	CERT_REVOCATION_STALE,
	CERT_REVOCATION_UNKNOWN,
};

// What the lists say of one certificate. `until`: lowered to the list's nextUpdate.
enum cert_revocation cert_crls_look(
	struct cert_crls *s, const struct cert_link *link, int64_t now, int64_t *until);

// A verdict that holds, for sessions that were begun under it; NULL if it is not there any more.
struct cert_verdict *cert_cache_find(
	struct cert_cache *c, const uint8_t key[static CERT_DIGEST_SIZE]);
