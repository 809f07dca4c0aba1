// SPDX-License-Identifier: BSD-2-Clause
// One revocation list, out of its bytes: whether it proves anything, and the numbers on it.

#include "cert/crl.h"

#include "base/hash.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t cert_point_hash(const ASN1_IA5STRING *uri)
{
	const uint64_t hash =
		base_hash_agreed(ASN1_STRING_get0_data(uri), (size_t)ASN1_STRING_length(uri));

	return hash != CERT_POINT_ALL ? hash : 1;
}

void cert_list_release(struct cert_list *l)
{
	if (l != NULL && __atomic_sub_fetch(&l->references, 1, __ATOMIC_ACQ_REL) == 0) {
		OPENSSL_free(l->serials);
		OPENSSL_free(l);
	}
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct cert_serial));
}

bool cert_list_has(const struct cert_list *l, const uint8_t *serial, uint8_t size)
{
	struct cert_serial key = {.size = size};

	memcpy(key.bytes, serial, size);
	return l->n > 0 && bsearch(&key, l->serials, l->n, sizeof(key), compare) != NULL;
}

static int refuse(char *why, size_t size, const char *text)
{
	snprintf(why, size, "%s", text);
	return -EINVAL;
}

static X509_CRL *read_bytes(const void *bytes, size_t size)
{
	const unsigned char *at = bytes;
	BIO *in;
	X509_CRL *crl;

	if (size > CERT_LIST_BYTES_MAX)
		return NULL;
	if (size > 0 && at[0] == 0x30)
		return d2i_X509_CRL(NULL, &at, (long)size);
	in = BIO_new_mem_buf(bytes, (int)size);
	crl = in != NULL ? PEM_read_bio_X509_CRL(in, NULL, NULL, NULL) : NULL;
	BIO_free(in);
	return crl;
}

// A part of a list says nothing of what is not on it, unless it says which part it is (RFC 5280 5.2.5).
static int read_scope(X509_CRL *crl, struct cert_list *l, char *why, size_t size)
{
	int critical;
	ISSUING_DIST_POINT *p =
		X509_CRL_get_ext_d2i(crl, NID_issuing_distribution_point, &critical, NULL);
	int rc = 0;

	if (p == NULL)
		return critical == -1 ? 0
				      : refuse(why, size, "its distribution point is malformed");
	l->users_only = p->onlyuser > 0;
	l->issuers_only = p->onlyCA > 0;
	if (p->indirectCRL > 0)
		rc = refuse(why, size, "it is indirect: others' certificates are on it");
	else if (p->onlysomereasons != NULL)
		rc = refuse(why, size, "it holds revocations for some reasons only");
	else if (p->onlyattr > 0)
		rc = refuse(why, size, "it is for attribute certificates");
	else if (l->users_only && l->issuers_only)
		rc = refuse(why, size, "it contradicts itself about whom it is for");
	if (rc == 0 && p->distpoint != NULL) {
		l->n_points =
			(uint8_t)cert_points_read(p->distpoint, l->points, 0, CERT_POINTS_MAX);
		if (l->n_points == 0)
			rc = refuse(why, size, "its distribution point has no address");
	}
	ISSUING_DIST_POINT_free(p);
	return rc;
}

static bool is_known(const X509_EXTENSION *e)
{
	switch (OBJ_obj2nid(X509_EXTENSION_get_object((X509_EXTENSION *)e))) {
	case NID_issuing_distribution_point:
	case NID_crl_number:
	case NID_authority_key_identifier:
	case NID_crl_reason:
	case NID_invalidity_date:
		return true;
	default:
		return X509_EXTENSION_get_critical(e) == 0;
	}
}

static int read_extensions(X509_CRL *crl, struct cert_list *l, char *why, size_t size)
{
	ASN1_INTEGER *number;

	if (X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) >= 0)
		return refuse(why, size, "it holds only what has changed since another (a delta)");
	for (int i = 0; i < X509_CRL_get_ext_count(crl); i++)
		if (!is_known(X509_CRL_get_ext(crl, i)))
			return refuse(why, size, "it has a critical extension that is not known");
	number = X509_CRL_get_ext_d2i(crl, NID_crl_number, NULL, NULL);
	if (number != NULL && ASN1_INTEGER_get_uint64(&l->number, number) != 1)
		l->number = 0; // longer than 64 bits: the dates have to do
	ASN1_INTEGER_free(number);
	ERR_clear_error();
	return read_scope(crl, l, why, size);
}

static int read_times(const X509_CRL *crl, struct cert_list *l, char *why, size_t size)
{
	if (!cert_time_read(X509_CRL_get0_lastUpdate(crl), &l->this_update))
		return refuse(why, size, "its date is malformed");
	if (X509_CRL_get0_nextUpdate(crl) == NULL)
		return refuse(why, size, "it does not say when the next one comes");
	if (!cert_time_read(X509_CRL_get0_nextUpdate(crl), &l->next_update))
		return refuse(why, size, "its date is malformed");
	return 0;
}

static int read_serials(X509_CRL *crl, struct cert_list *l, char *why, size_t size)
{
	STACK_OF(X509_REVOKED) *revoked = X509_CRL_get_REVOKED(crl);
	const int n = sk_X509_REVOKED_num(revoked);

	if (n <= 0)
		return 0;
	l->serials = OPENSSL_zalloc((size_t)n * sizeof(l->serials[0]));
	if (l->serials == NULL)
		return -ENOMEM;
	for (int i = 0; i < n; i++) {
		const X509_REVOKED *r = sk_X509_REVOKED_value(revoked, i);
		struct cert_serial *s = &l->serials[l->n];

		for (int e = 0; e < X509_REVOKED_get_ext_count(r); e++)
			if (!is_known(X509_REVOKED_get_ext(r, e)))
				return refuse(why, size,
					"an entry has a critical extension that is not known");
		// What is longer cannot be the number of a certificate that is looked for.
		if (cert_serial_read(X509_REVOKED_get0_serialNumber(r), s->bytes, &s->size))
			l->n++;
	}
	qsort(l->serials, l->n, sizeof(l->serials[0]), compare);
	return 0;
}

static int check_issuer(X509_CRL *crl, const X509 *issuer, char *why, size_t size)
{
	EVP_PKEY *key = X509_get0_pubkey(issuer);

	if (X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(issuer)) != 0)
		return refuse(why, size, "it is another issuer's");
	if ((X509_get_key_usage((X509 *)issuer) & KU_CRL_SIGN) == 0)
		return refuse(why, size, "its issuer's certificate may not sign lists");
	if (key == NULL || X509_CRL_verify(crl, key) != 1) {
		refuse(why, size, "its signature is wrong");
		return -EKEYREJECTED;
	}
	return 0;
}

int cert_list_read(const X509 *issuer, const void *bytes, size_t size, struct cert_list **out,
	char *why, size_t why_size)
{
	struct cert_list *l = OPENSSL_zalloc(sizeof(*l));
	X509_CRL *crl = NULL;
	int rc = -ENOMEM;

	ERR_clear_error();
	snprintf(why, why_size, "out of memory");
	if (l == NULL)
		return rc;
	l->references = 1;
	crl = read_bytes(bytes, size);
	if (crl == NULL)
		rc = refuse(why, why_size, "it is no revocation list, in DER or PEM");
	else
		rc = issuer != NULL ? check_issuer(crl, issuer, why, why_size) : 0;
	if (rc == 0)
		rc = read_extensions(crl, l, why, why_size);
	if (rc == 0)
		rc = read_times(crl, l, why, why_size);
	if (rc == 0)
		rc = read_serials(crl, l, why, why_size);
	if (rc == -ENOMEM)
		snprintf(why, why_size, "out of memory");
	X509_CRL_free(crl);
	ERR_clear_error();
	if (rc == 0)
		*out = l;
	else
		cert_list_release(l);
	return rc;
}
