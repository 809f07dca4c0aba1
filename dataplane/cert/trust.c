// SPDX-License-Identifier: BSD-2-Clause
// Sets of roots.

#include "cert/private.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGESTS_MAX 4096 // roots of one set; public programmes have some 150

struct cert_floor cert_floor_default(void)
{
	return (struct cert_floor){.rsa_bits = 2048, .ec_bits = 255};
}

// Calls `take` for each certificate of the PEM text. How many, or a negative errno.
static int each(OSSL_LIB_CTX *lib, const void *pem, size_t size,
	int (*take)(void *context, X509 *x), void *context, char *why, size_t why_size)
{
	BIO *in = size <= INT_MAX ? BIO_new_mem_buf(pem, (int)size) : NULL;
	int n = 0, rc = 0;

	if (in == NULL) {
		snprintf(why, why_size, "out of memory");
		return -ENOMEM;
	}
	ERR_clear_error();
	while (rc == 0) {
		X509 *x = X509_new_ex(lib, NULL);

		if (x == NULL) {
			rc = -ENOMEM;
			break;
		}
		if (PEM_read_bio_X509(in, &x, NULL, NULL) == NULL) {
			X509_free(x);
			// The end of the text is told as "no start line".
			if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
				snprintf(why, why_size, "certificate %d cannot be read: %s", n + 1,
					ERR_reason_error_string(ERR_peek_last_error()));
				rc = -EINVAL;
			}
			break;
		}
		rc = take(context, x);
		X509_free(x);
		n++;
	}
	ERR_clear_error();
	BIO_free(in);
	if (rc == -ENOMEM)
		snprintf(why, why_size, "out of memory");
	return rc < 0 ? rc : n;
}

struct roots {
	struct cert_trust *t;
	uint8_t (*digests)[CERT_DIGEST_SIZE];
	unsigned n;
};

static int take_root(void *context, X509 *x)
{
	struct roots *r = context;
	unsigned size = 0;

	if (r->n == DIGESTS_MAX)
		return -E2BIG;
	if (X509_digest(x, EVP_sha256(), r->digests[r->n], &size) != 1)
		return -ENOMEM;
	r->n++;
	return X509_STORE_add_cert(r->t->store, x) == 1 ? 0 : -ENOMEM;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, CERT_DIGEST_SIZE);
}

// Over the sorted digests, so that the order of a file does not matter.
static bool sum(struct cert_trust *t, struct roots *r)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good = ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1;

	qsort(r->digests, r->n, CERT_DIGEST_SIZE, compare);
	for (unsigned i = 0; good && i < r->n; i++)
		good = (i > 0 && compare(r->digests[i], r->digests[i - 1]) == 0) ||
		       EVP_DigestUpdate(ctx, r->digests[i], CERT_DIGEST_SIZE) == 1;
	const uint16_t floor[3] = {t->floor.rsa_bits, t->floor.ec_bits, t->floor.sha1};

	good = good && EVP_DigestUpdate(ctx, floor, sizeof(floor)) == 1 &&
	       EVP_DigestFinal_ex(ctx, t->digest, NULL) == 1;
	EVP_MD_CTX_free(ctx);
	memcpy(t->whole_digest, t->digest, sizeof(t->whole_digest));
	return good;
}

int cert_trust_new(OSSL_LIB_CTX *lib, const struct cert_floor *floor, const void *pem, size_t size,
	struct cert_trust **out, char *why, size_t why_size)
{
	struct cert_trust *t = OPENSSL_zalloc(sizeof(*t));
	struct roots r = {.t = t};
	int n = -ENOMEM;

	snprintf(why, why_size, "out of memory");
	if (t == NULL)
		return -ENOMEM;
	t->lib = lib;
	t->floor = *floor;
	t->store = X509_STORE_new();
	t->more = sk_X509_new_null();
	r.digests = OPENSSL_malloc(DIGESTS_MAX * CERT_DIGEST_SIZE);
	if (t->store != NULL && t->more != NULL && r.digests != NULL)
		n = each(lib, pem, size, take_root, &r, why, why_size);
	if (n == -E2BIG) {
		snprintf(why, why_size, "more than %d certificates", DIGESTS_MAX);
		n = -EINVAL;
	} else if (n == 0) {
		snprintf(why, why_size, "it holds no certificate");
		n = -EINVAL;
	}
	if (n > 0 && !sum(t, &r))
		n = -ENOMEM;
	OPENSSL_free(r.digests);
	if (n < 0) {
		cert_trust_free(t);
		return n;
	}
	*out = t;
	return 0;
}

void cert_trust_free(struct cert_trust *t)
{
	if (t == NULL)
		return;
	X509_STORE_free(t->store);
	sk_X509_pop_free(t->more, X509_free);
	OPENSSL_free(t);
}

static int take_more(void *context, X509 *x)
{
	struct cert_trust *t = context;
	uint8_t digest[CERT_DIGEST_SIZE];
	unsigned size = 0;

	if (X509_digest(x, EVP_sha256(), digest, &size) != 1 || X509_up_ref(x) != 1)
		return -ENOMEM;
	if (sk_X509_push(t->more, x) <= 0) {
		X509_free(x);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < CERT_DIGEST_SIZE; i++)
		t->whole_digest[i] ^= digest[i];
	return 0;
}

int cert_trust_add_intermediates(
	struct cert_trust *t, const void *pem, size_t size, char *why, size_t why_size)
{
	const int n = each(t->lib, pem, size, take_more, t, why, why_size);

	return n < 0 ? n : 0;
}

const uint8_t *cert_trust_digest(const struct cert_trust *t)
{
	return t->digest;
}
