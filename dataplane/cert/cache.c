// SPDX-License-Identifier: BSD-2-Clause
// Verdicts that have been come to, by the digest of what was presented. Good and bad ones have places
// of their own, so that nobody who presents bad chains pushes a partner out; within a set of four the
// one that was asked for longest ago gives way.

#include "cert/private.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <errno.h>
#include <string.h>

#define WAYS     4
#define BAD_FOR  60 // seconds that a refusal is believed: what was missing may have been learned
#define DER_ROOM 32768

struct place {
	struct cert_verdict *v;
	int64_t until;
	uint64_t used; // the cache's count of questions
};

struct half {
	struct place *places;
	unsigned sets; // a power of two
	unsigned held;
};

struct cert_cache {
	EVP_MD *sha256;
	EVP_MD_CTX *ctx;
	uint64_t turn, hits, misses;
	struct half good, bad;
	uint8_t der[DER_ROOM];
};

void cert_verdict_hold(struct cert_verdict *v)
{
	__atomic_fetch_add(&v->references, 1, __ATOMIC_RELAXED);
}

void cert_verdict_release(struct cert_verdict *v)
{
	if (v == NULL || __atomic_sub_fetch(&v->references, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	OPENSSL_free(v->memory);
	OPENSSL_free(v);
}

static bool half_new(struct half *h, unsigned n)
{
	h->sets = 1;
	while (h->sets * WAYS < n)
		h->sets *= 2;
	h->places = OPENSSL_zalloc(h->sets * WAYS * sizeof(h->places[0]));
	return h->places != NULL;
}

static void half_free(struct half *h)
{
	for (unsigned i = 0; h->places != NULL && i < h->sets * WAYS; i++)
		cert_verdict_release(h->places[i].v);
	OPENSSL_free(h->places);
}

int cert_cache_new(OSSL_LIB_CTX *lib, unsigned good, unsigned bad, struct cert_cache **out)
{
	struct cert_cache *c = OPENSSL_zalloc(sizeof(*c));

	if (c == NULL)
		return -ENOMEM;
	c->sha256 = EVP_MD_fetch(lib, "SHA256", NULL);
	c->ctx = EVP_MD_CTX_new();
	if (c->sha256 == NULL || c->ctx == NULL || !half_new(&c->good, good) ||
		!half_new(&c->bad, bad)) {
		cert_cache_free(c);
		return -ENOMEM;
	}
	*out = c;
	return 0;
}

void cert_cache_free(struct cert_cache *c)
{
	if (c == NULL)
		return;
	half_free(&c->good);
	half_free(&c->bad);
	EVP_MD_CTX_free(c->ctx);
	EVP_MD_free(c->sha256);
	OPENSSL_free(c);
}

struct cert_cache_use cert_cache_use(const struct cert_cache *c)
{
	return (struct cert_cache_use){c->hits, c->misses, c->good.held, c->bad.held};
}

// The first bytes of a digest that who presents a chain can choose only by trying: no need of a secret.
static struct place *set_of(const struct half *h, const uint8_t *key)
{
	uint32_t n;

	memcpy(&n, key, sizeof(n));
	return &h->places[(n & (h->sets - 1)) * WAYS];
}

static struct place *find(const struct half *h, const uint8_t *key)
{
	struct place *p = set_of(h, key);

	for (unsigned i = 0; i < WAYS; i++)
		if (p[i].v != NULL && memcmp(p[i].v->key, key, CERT_DIGEST_SIZE) == 0)
			return &p[i];
	return NULL;
}

static void drop(struct half *h, struct place *p)
{
	cert_verdict_release(p->v);
	memset(p, 0, sizeof(*p));
	h->held--;
}

static void keep(struct cert_cache *c, struct half *h, struct cert_verdict *v, int64_t until)
{
	struct place *p = set_of(h, v->key), *oldest = p;

	for (unsigned i = 0; i < WAYS && oldest->v != NULL; i++)
		if (p[i].v == NULL || p[i].used < oldest->used)
			oldest = &p[i];
	if (oldest->v != NULL)
		drop(h, oldest);
	cert_verdict_hold(v);
	*oldest = (struct place){v, until, c->turn};
	h->held++;
}

// A hit whose time is over is none.
static struct cert_verdict *look(
	struct cert_cache *c, struct half *h, const uint8_t *key, int64_t now)
{
	struct place *p = find(h, key);

	if (p == NULL)
		return NULL;
	if (now > p->until || now < p->v->not_before) {
		drop(h, p);
		return NULL;
	}
	p->used = c->turn;
	cert_verdict_hold(p->v);
	return p->v;
}

static bool add(struct cert_cache *c, X509 *x)
{
	uint8_t *at = c->der;
	const int size = i2d_X509(x, NULL);

	if (size <= 0 || size > DER_ROOM)
		return false;
	return i2d_X509(x, &at) == size && EVP_DigestUpdate(c->ctx, c->der, (size_t)size) == 1;
}

static bool digest(struct cert_cache *c, const struct cert_trust *t, X509 *leaf,
	STACK_OF(X509) * chain, uint8_t out[static CERT_DIGEST_SIZE])
{
	bool good = EVP_DigestInit_ex(c->ctx, c->sha256, NULL) == 1 &&
		    EVP_DigestUpdate(c->ctx, t->whole_digest, CERT_DIGEST_SIZE) == 1 &&
		    add(c, leaf);

	// The leaf is in the chain as well where we are the client.
	for (int i = 0; good && i < sk_X509_num(chain); i++)
		if (sk_X509_value(chain, i) != leaf)
			good = add(c, sk_X509_value(chain, i));
	return good && EVP_DigestFinal_ex(c->ctx, out, NULL) == 1;
}

static void examine(const struct cert_trust *t, X509 *leaf, STACK_OF(X509) * chain, int64_t now,
	struct cert_verdict *v)
{
	if (sk_X509_num(chain) > CERT_CHAIN_MAX) {
		v->reason = CERT_CHAIN_TOO_LONG;
		v->error = X509_V_ERR_CERT_CHAIN_TOO_LONG;
		return;
	}
	cert_chain_check(t, leaf, chain, now, v);
}

struct cert_verdict *cert_check(struct cert_cache *c, const struct cert_trust *t, X509 *leaf,
	STACK_OF(X509) * chain, int64_t now)
{
	uint8_t key[CERT_DIGEST_SIZE];
	struct cert_verdict *v = NULL;
	const bool known = sk_X509_num(chain) <= CERT_CHAIN_MAX && digest(c, t, leaf, chain, key);

	c->turn++;
	if (known) {
		v = look(c, &c->good, key, now);
		if (v == NULL)
			v = look(c, &c->bad, key, now);
	}
	if (v != NULL) {
		c->hits++;
		return v;
	}
	c->misses++;
	v = OPENSSL_zalloc(sizeof(*v));
	if (v == NULL)
		return NULL;
	v->references = 1;
	v->not_before = INT64_MIN;
	memcpy(v->trust, t->digest, sizeof(v->trust));
	examine(t, leaf, chain, now, v);
	if (!known || v->reason == CERT_NO_MEMORY)
		return v;
	memcpy(v->key, key, sizeof(v->key));
	if (v->reason == CERT_GOOD)
		keep(c, &c->good, v, v->not_after);
	else
		keep(c, &c->bad, v, now + BAD_FOR);
	return v;
}

// For verdicts that come with a session: those that hold.
struct cert_verdict *cert_cache_find(
	struct cert_cache *c, const uint8_t key[static CERT_DIGEST_SIZE])
{
	struct place *p = find(&c->good, key);

	if (p == NULL)
		return NULL;
	p->used = ++c->turn;
	cert_verdict_hold(p->v);
	return p->v;
}
