// SPDX-License-Identifier: BSD-2-Clause
// Resumption. A session is tied to the trust policy under which it began: by OpenSSL, which compares the
// session-id context, of tickets as well; and by the table of servers' sessions, whose key holds it.

#include "tls/private.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <errno.h>
#include <string.h>

#define WAYS 4

// Everything that decides who may connect. What belongs to one partner is asked for again with each
// resumption and is not in it.
void tls_policy_digest(struct tls_context *x)
{
	static const char label[] = "postern tls policy 1";
	const struct tls_settings *s = &x->settings;
	uint8_t bytes[sizeof(label) + CERT_DIGEST_SIZE + 12] = {0};
	uint8_t *at = bytes + sizeof(label);

	memcpy(bytes, label, sizeof(label));
	if (x->trust != NULL)
		memcpy(at, cert_trust_digest(x->trust), CERT_DIGEST_SIZE);
	at += CERT_DIGEST_SIZE;
	*at++ = s->is_client;
	*at++ = s->lowest_version;
	*at++ = (uint8_t)s->verify;
	*at++ = s->rules.lowest_version;
	*at++ = s->rules.key_usage;
	*at++ = s->rules.revocation;
	*at++ = s->rules.accept_cn;
	*at++ = s->need_names;
	*at++ = (uint8_t)(s->organisation >> 8);
	*at++ = (uint8_t)s->organisation;
	EVP_Digest(bytes, sizeof(bytes), x->policy, NULL, EVP_sha256(), NULL);
}

const uint8_t *tls_context_policy(const struct tls_context *x)
{
	return x->policy;
}

// --- tickets

static const uint8_t *key_named(const struct tls_ticket_keys *k, const uint8_t *name, unsigned *at)
{
	for (*at = 0; k != NULL && *at < k->n; ++*at)
		if (CRYPTO_memcmp(k->keys[*at], name, 16) == 0)
			return k->keys[*at];
	return NULL;
}

static bool set_mac(EVP_MAC_CTX *mac, const uint8_t *key)
{
	const OSSL_PARAM p[] = {
		OSSL_PARAM_construct_octet_string(
			OSSL_MAC_PARAM_KEY, (void *)(uintptr_t)(key + 48), 32),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char[]){"SHA256"}, 0),
		OSSL_PARAM_construct_end(),
	};

	return EVP_MAC_CTX_set_params(mac, p) == 1;
}

// 0: no key of ours; 1: good; 2: good, and a new one is due. What was encrypted under any but the first key is
// renewed, so that no ticket outlives its key; of TLS 1.3 each is, because it is to be used once.
static int ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
	EVP_MAC_CTX *mac, int encrypt)
{
	struct tls *t = tls_conn_of(ssl)->t;
	const struct tls_ticket_keys *k = __atomic_load_n(&t->keys, __ATOMIC_ACQUIRE);
	const uint8_t *key;
	unsigned at = 0;

	if (k == NULL)
		return 0;
	if (encrypt) {
		key = k->keys[0];
		memcpy(name, key, 16);
		if (RAND_bytes_ex(t->lib, iv, 16, 0) != 1)
			return -1;
	} else {
		key = key_named(k, name, &at);
		if (key == NULL) {
			__atomic_fetch_add(&t->tickets_unknown, 1, __ATOMIC_RELAXED);
			return 0;
		}
	}
	if (EVP_CipherInit_ex2(cipher, t->ticket_cipher, key + 16, iv, encrypt, NULL) != 1 ||
		!set_mac(mac, key))
		return -1;
	return at > 0 || SSL_version(ssl) >= TLS1_3_VERSION ? 2 : 1;
}

static void free_keys(struct tls_ticket_keys *k)
{
	if (k != NULL)
		OPENSSL_clear_free(k, sizeof(*k));
}

int tls_set_ticket_keys(struct tls *t, const uint8_t (*keys)[TLS_TICKET_KEY_SIZE], unsigned n)
{
	struct tls_ticket_keys *k;

	if (n == 0 || n > TLS_TICKET_KEYS)
		return -EINVAL;
	k = OPENSSL_zalloc(sizeof(*k));
	if (k == NULL)
		return -ENOMEM;
	k->n = n;
	memcpy(k->keys, keys, n * sizeof(keys[0]));
	// Who has read the pointer is done with it in microseconds.
	free_keys(t->old_keys);
	t->old_keys = t->keys;
	__atomic_store_n(&t->keys, k, __ATOMIC_RELEASE);
	return 0;
}

// --- sessions that servers gave us

struct peer {
	uint64_t key; // 0: none
	uint64_t used;
	uint8_t policy[CERT_DIGEST_SIZE];
	SSL_SESSION *session;
};

struct tls_peers {
	unsigned sets;
	uint64_t turn;
	struct peer *places;
};

int tls_peers_new(struct tls *t)
{
	struct tls_peers *p = OPENSSL_zalloc(sizeof(*p));

	t->peers = p;
	if (p == NULL)
		return -ENOMEM;
	p->sets = 1;
	while (p->sets * WAYS < t->limits.peer_sessions)
		p->sets *= 2;
	p->places = OPENSSL_zalloc(p->sets * WAYS * sizeof(p->places[0]));
	return p->places != NULL ? 0 : -ENOMEM;
}

void tls_peers_free(struct tls *t)
{
	struct tls_peers *p = t->peers;

	for (unsigned i = 0; p != NULL && p->places != NULL && i < p->sets * WAYS; i++)
		SSL_SESSION_free(p->places[i].session);
	if (p != NULL)
		OPENSSL_free(p->places);
	OPENSSL_free(p);
	free_keys(t->keys);
	free_keys(t->old_keys);
}

// By the name that we connect to, or its address and port where there is none.
static uint64_t key_of(const struct tls_conn *c)
{
	struct {
		uint8_t policy[CERT_DIGEST_SIZE];
		char name[POSTERN_DOMAIN_MAX + 1];
		struct postern_endpoint remote;
	} k;

	memset(&k, 0, sizeof(k));
	memcpy(k.policy, c->x->policy, sizeof(k.policy));
	if (c->expected != NULL && c->expected->n_names > 0)
		memcpy(k.name, c->expected->names[0].text, c->expected->names[0].length);
	else
		k.remote = tcp_conn_remote(c->tcp);
	return base_hash_keyed(&c->t->secret, &k, sizeof(k)) | 1;
}

static struct peer *find(struct tls_conn *c, uint64_t key, bool make)
{
	struct tls_peers *p = c->t->peers;
	struct peer *set = &p->places[(key >> 1) % p->sets * WAYS], *oldest = set;

	p->turn++;
	for (unsigned i = 0; i < WAYS; i++) {
		if (set[i].key == key &&
			memcmp(set[i].policy, c->x->policy, sizeof(set[i].policy)) == 0)
			return &set[i];
		if (set[i].used < oldest->used)
			oldest = &set[i];
	}
	return make ? oldest : NULL;
}

void tls_peers_keep(struct tls_conn *c)
{
	if (c->fresh == NULL)
		return;
	const uint64_t key = key_of(c);
	struct peer *p = find(c, key, true);

	SSL_SESSION_free(p->session);
	p->key = key;
	p->used = c->t->peers->turn;
	memcpy(p->policy, c->x->policy, sizeof(p->policy));
	p->session = c->fresh;
	c->fresh = NULL;
}

// A session of TLS 1.3 is used once (RFC 8446 C.4); the server gives another.
void tls_peers_use(struct tls_conn *c)
{
	struct peer *p = find(c, key_of(c), false);

	if (p == NULL || p->session == NULL || c->x->settings.no_resumption)
		return;
	if (SSL_SESSION_is_resumable(p->session) == 1)
		SSL_set_session(c->ssl, p->session);
	if (SSL_SESSION_get_protocol_version(p->session) >= TLS1_3_VERSION) {
		SSL_SESSION_free(p->session);
		memset(p, 0, sizeof(*p));
	}
}

static int keep_fresh(SSL *ssl, SSL_SESSION *session)
{
	struct tls_conn *c = tls_conn_of(ssl);

	SSL_SESSION_free(c->fresh);
	c->fresh = session;
	return 1;
}

int tls_sessions_set(struct tls_context *x, SSL_CTX *ctx)
{
	const struct tls_settings *s = &x->settings;

	// Without it OpenSSL refuses to resume where certificates are asked for.
	if (SSL_CTX_set_session_id_context(ctx, x->policy, sizeof(x->policy)) != 1)
		return -ENOMEM;
	SSL_CTX_set_timeout(ctx, x->t->limits.session_seconds);
	if (s->no_resumption) {
		SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
		return SSL_CTX_set_num_tickets(ctx, 0) == 1 ? 0 : -ENOMEM;
	}
	if (s->is_client) {
		SSL_CTX_set_session_cache_mode(
			ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
		SSL_CTX_sess_set_new_cb(ctx, keep_fresh);
		return 0;
	}
	// Sessions whose time is over go when their place is needed; sweeping all of them would hold
	// the worker up.
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_AUTO_CLEAR);
	SSL_CTX_sess_set_cache_size(ctx, (long)x->t->limits.sessions);
	SSL_CTX_set_num_tickets(ctx, 1);
	if (s->tickets)
		SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, ticket_key);
	else
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	return 0;
}
