// SPDX-License-Identifier: BSD-2-Clause
// A chain that has not been seen yet: verified by OpenSSL up to a root, held to our own floor, and read for
// what judging it for a partner needs.

#include "cert/private.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include <string.h>
#include <time.h>

bool cert_time_read(const ASN1_TIME *t, int64_t *out)
{
	struct tm tm;

	// Without this OpenSSL would answer with the time of the day.
	if (t == NULL || ASN1_TIME_to_tm(t, &tm) != 1)
		return false;
	*out = timegm(&tm);
	return true;
}

bool cert_issuer_digest(const X509 *issuer, uint8_t out[static CERT_DIGEST_SIZE])
{
	const X509_NAME *name = X509_get_subject_name(issuer);
	const ASN1_BIT_STRING *key = X509_get0_pubkey_bitstr(issuer);
	const unsigned char *der;
	size_t size;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	const bool good = ctx != NULL && key != NULL &&
			  X509_NAME_get0_der(name, &der, &size) == 1 &&
			  EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 &&
			  EVP_DigestUpdate(ctx, der, size) == 1 &&
			  EVP_DigestUpdate(ctx, ASN1_STRING_get0_data(key),
				  (size_t)ASN1_STRING_length(key)) == 1 &&
			  EVP_DigestFinal_ex(ctx, out, NULL) == 1;

	EVP_MD_CTX_free(ctx);
	return good;
}

bool cert_serial_read(
	const ASN1_INTEGER *serial, uint8_t out[static CERT_SERIAL_MAX], uint8_t *size)
{
	const uint8_t *bytes = ASN1_STRING_get0_data(serial);
	const int length = ASN1_STRING_length(serial);

	if (length > CERT_SERIAL_MAX)
		return false;
	memset(out, 0, CERT_SERIAL_MAX);
	if (length > 0)
		memcpy(out, bytes, (size_t)length);
	*size = (uint8_t)length;
	return true;
}

// The weakest of what the chain stands on: keys of all, signatures of all but the root, which is trusted for
// itself.
static enum cert_reason check_floor(const struct cert_floor *f, STACK_OF(X509) * chain, int *at)
{
	const int n = sk_X509_num(chain);

	for (*at = 0; *at < n; (*at)++) {
		X509 *x = sk_X509_value(chain, *at);
		EVP_PKEY *key = X509_get0_pubkey(x);
		int digest = 0, bits;

		if (key == NULL)
			return CERT_MALFORMED;
		bits = EVP_PKEY_get_bits(key);
		switch (EVP_PKEY_get_base_id(key)) {
		case EVP_PKEY_RSA:
		case EVP_PKEY_RSA_PSS:
			if (bits < f->rsa_bits)
				return CERT_WEAK_KEY;
			break;
		case EVP_PKEY_EC:
		case EVP_PKEY_ED25519:
		case EVP_PKEY_ED448:
			if (bits < f->ec_bits)
				return CERT_WEAK_KEY;
			break;
		default:
			return CERT_WEAK_KEY;
		}
		if (*at == n - 1)
			break;
		// Ed25519 and Ed448 have their digest within, told as NID_undef.
		if (X509_get_signature_info(x, &digest, NULL, NULL, NULL) != 1)
			return CERT_WEAK_SIGNATURE;
		if (digest == NID_md5 || digest == NID_md2 || digest == NID_md4 ||
			digest == NID_mdc2 || digest == NID_md5_sha1 || digest == NID_ripemd160 ||
			(digest == NID_sha1 && !f->sha1))
			return CERT_WEAK_SIGNATURE;
	}
	return CERT_GOOD;
}

// No such extension, or anyExtendedKeyUsage in it: no restriction.
static uint8_t uses_of(X509 *x)
{
	const uint8_t all = CERT_USE_SERVER | CERT_USE_CLIENT | CERT_USE_SIP;
	uint8_t uses = 0;
	EXTENDED_KEY_USAGE *e;

	if ((X509_get_extension_flags(x) & EXFLAG_XKUSAGE) == 0)
		return all;
	e = X509_get_ext_d2i(x, NID_ext_key_usage, NULL, NULL);
	for (int i = 0; i < sk_ASN1_OBJECT_num(e); i++) {
		char oid[32];
		const ASN1_OBJECT *object = sk_ASN1_OBJECT_value(e, i);

		switch (OBJ_obj2nid(object)) {
		case NID_server_auth:
			uses |= CERT_USE_SERVER;
			break;
		case NID_client_auth:
			uses |= CERT_USE_CLIENT;
			break;
		case NID_anyExtendedKeyUsage:
			uses |= all;
			break;
		case NID_undef:
			// id-kp-sipDomain (RFC 5924), which OpenSSL has no name for.
			if (OBJ_obj2txt(oid, sizeof(oid), object, 1) > 0 &&
				strcmp(oid, "1.3.6.1.5.5.7.3.20") == 0)
				uses |= CERT_USE_SIP;
			break;
		default:
			break;
		}
	}
	EXTENDED_KEY_USAGE_free(e);
	return uses;
}

unsigned cert_points_read(const DIST_POINT_NAME *name, uint64_t *out, unsigned n, unsigned most)
{
	int type;

	if (name == NULL || name->type != 0)
		return n;
	for (int i = 0; i < sk_GENERAL_NAME_num(name->name.fullname) && n < most; i++) {
		const ASN1_IA5STRING *uri = GENERAL_NAME_get0_value(
			sk_GENERAL_NAME_value(name->name.fullname, i), &type);

		if (type == GEN_URI)
			out[n++] = cert_point_hash(uri);
	}
	return n;
}

static void read_points(X509 *x, struct cert_link *link)
{
	CRL_DIST_POINTS *points = X509_get_ext_d2i(x, NID_crl_distribution_points, NULL, NULL);
	unsigned n = 0;

	for (int i = 0; i < sk_DIST_POINT_num(points); i++)
		n = cert_points_read(sk_DIST_POINT_value(points, i)->distpoint, link->points, n,
			CERT_POINTS_MAX);
	link->n_points = (uint8_t)n;
	CRL_DIST_POINTS_free(points);
}

static bool read_link(X509 *x, X509 *issuer, struct cert_link *link)
{
	memset(link, 0, sizeof(*link));
	link->is_ca = (X509_get_extension_flags(x) & EXFLAG_CA) != 0;
	read_points(x, link);
	return cert_issuer_digest(issuer, link->issuer) &&
	       cert_serial_read(X509_get0_serialNumber(x), link->serial, &link->serial_size);
}

// What holds of all certificates of the chain together. Extended key usage of an issuer restricts what
// it has issued, as browsers and Windows read it.
static enum cert_reason read_chain(STACK_OF(X509) * chain, struct cert_verdict *v)
{
	const int n = sk_X509_num(chain);

	v->not_before = INT64_MIN;
	v->not_after = INT64_MAX;
	v->uses = CERT_USE_SERVER | CERT_USE_CLIENT | CERT_USE_SIP;
	for (int i = 0; i < n; i++) {
		X509 *x = sk_X509_value(chain, i);
		int64_t from, to;

		if (!cert_time_read(X509_get0_notBefore(x), &from) ||
			!cert_time_read(X509_get0_notAfter(x), &to))
			return CERT_MALFORMED;
		if (i == 0)
			v->leaf_not_after = to;
		v->not_before = from > v->not_before ? from : v->not_before;
		v->not_after = to < v->not_after ? to : v->not_after;
		if (i > 0 && i == n - 1)
			break;
		v->uses &= uses_of(x);
		if (i + 1 < n && i < CERT_DEPTH_MAX) {
			if (!read_link(x, sk_X509_value(chain, i + 1), &v->links[i]))
				return CERT_MALFORMED;
			v->n_links = (uint8_t)(i + 1);
		}
	}
	return CERT_GOOD;
}

static void read_leaf(X509 *leaf, struct cert_verdict *v)
{
	const uint32_t usage = X509_get_key_usage(leaf); // UINT32_MAX if there is none
	const EVP_PKEY *key = X509_get0_pubkey(leaf);

	v->can_sign = (usage & (KU_DIGITAL_SIGNATURE | KU_KEY_AGREEMENT)) != 0;
	v->can_encrypt = (usage & (KU_KEY_ENCIPHERMENT | KU_KEY_AGREEMENT)) != 0;
	v->key_bits = (uint16_t)(key != NULL ? EVP_PKEY_get_bits(key) : 0);
	cert_time_read(X509_get0_notAfter(leaf), &v->leaf_not_after);
	cert_names_read(leaf, &v->names, &v->memory);
}

// What was presented, and of what is remembered; only those that are named as somebody's issuer are
// looked at.
static STACK_OF(X509) * candidates(const struct cert_trust *t, STACK_OF(X509) * chain)
{
	STACK_OF(X509) *all = chain != NULL ? sk_X509_dup(chain) : sk_X509_new_null();

	for (int i = 0; all != NULL && i < sk_X509_num(t->more); i++)
		if (sk_X509_push(all, sk_X509_value(t->more, i)) <= 0) {
			sk_X509_free(all);
			return NULL;
		}
	return all;
}

// Purposes are ours to judge, partner by partner; OpenSSL would refuse a certificate that is for
// servers only in the hands of a client.
static void set_parameters(X509_STORE_CTX *ctx, int64_t now)
{
	X509_VERIFY_PARAM *p = X509_STORE_CTX_get0_param(ctx);

	X509_VERIFY_PARAM_set_depth(p, CERT_DEPTH_MAX - 2); // intermediates
	X509_VERIFY_PARAM_set_auth_level(p, 0);             // the floor says it exactly
	X509_VERIFY_PARAM_set_time(p, (time_t)now);
}

// One whose extensions cannot be read is found to be nobody's issuer and nobody's issue: what is wrong
// with it has to be said here.
static bool is_malformed(X509 *leaf, STACK_OF(X509) * chain)
{
	bool bad = (X509_get_extension_flags(leaf) & EXFLAG_INVALID) != 0;

	for (int i = 0; !bad && i < sk_X509_num(chain); i++)
		bad = (X509_get_extension_flags(sk_X509_value(chain, i)) & EXFLAG_INVALID) != 0;
	return bad;
}

void cert_chain_check(const struct cert_trust *t, X509 *leaf, STACK_OF(X509) * chain, int64_t now,
	struct cert_verdict *v)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new_ex(t->lib, NULL);
	STACK_OF(X509) *all = candidates(t, chain);
	STACK_OF(X509) * found;
	int at = 0;

	ERR_set_mark();
	v->reason = CERT_NO_MEMORY;
	v->error = X509_V_ERR_OUT_OF_MEM;
	if (ctx == NULL || all == NULL || X509_STORE_CTX_init(ctx, t->store, leaf, all) != 1)
		goto out;
	if (is_malformed(leaf, chain)) {
		v->reason = CERT_MALFORMED;
		v->error = X509_V_ERR_INVALID_EXTENSION;
		goto out;
	}
	read_leaf(leaf, v);
	set_parameters(ctx, now);
	const int verified = X509_verify_cert(ctx);

	found = X509_STORE_CTX_get0_chain(ctx);
	v->error = X509_STORE_CTX_get_error(ctx);
	if (verified <= 0 && v->error == X509_V_OK)
		v->error = X509_V_ERR_UNSPECIFIED;
	v->at = (uint8_t)X509_STORE_CTX_get_error_depth(ctx);
	v->reason = cert_reason_of(v->error, sk_X509_num(found) <= 1);
	if (found != NULL && sk_X509_num(found) > 0)
		X509_NAME_oneline(
			X509_get_issuer_name(sk_X509_value(found, sk_X509_num(found) - 1)),
			v->issuer, sizeof(v->issuer));
	if (v->reason != CERT_GOOD)
		goto out;
	v->reason = check_floor(&t->floor, found, &at);
	if (v->reason == CERT_WEAK_KEY)
		v->error = at == 0 ? X509_V_ERR_EE_KEY_TOO_SMALL : X509_V_ERR_CA_KEY_TOO_SMALL;
	else if (v->reason != CERT_GOOD)
		v->error = X509_V_ERR_CA_MD_TOO_WEAK;
	v->at = (uint8_t)at;
	if (v->reason != CERT_GOOD)
		goto out;
	v->at = 0;
	v->reason = read_chain(found, v);
	if (v->reason != CERT_GOOD)
		v->error = X509_V_ERR_INVALID_EXTENSION;
out:
	ERR_pop_to_mark();
	sk_X509_free(all);
	X509_STORE_CTX_free(ctx);
}
