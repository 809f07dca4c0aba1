// SPDX-License-Identifier: BSD-2-Clause
// The settings of a service or a pool as OpenSSL wants them, made once for all connections.

#include "tls/private.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

// Forward secrecy first; RSA key exchange and CBC are for Windows servers of 2012 and older, which speak
// TLS 1.2 and have nothing better with an RSA certificate.
#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:RSA+AESGCM:RSA+AES:!aNULL:!PSK:!SRP"
#define GROUPS  "X25519:P-256:P-384"

struct build {
	struct tls *t;
	struct tls_context *x;
	const struct tls_settings *s;
	char *why;
	size_t why_size;
};

static int refuse(struct build *b, const char *what)
{
	const unsigned long e = ERR_peek_last_error();
	const char *text = ERR_reason_error_string(e);

	if (ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE)
		return -ENOMEM;
	if (text != NULL)
		snprintf(b->why, b->why_size, "%s: %s", what, text);
	else
		snprintf(b->why, b->why_size, "%s", what);
	return -EINVAL;
}

static int version_of(uint8_t v, int otherwise)
{
	switch (v) {
	case 10:
		return TLS1_VERSION;
	case 12:
		return TLS1_2_VERSION;
	case 13:
		return TLS1_3_VERSION;
	default:
		return otherwise;
	}
}

static int set_versions(struct build *b, SSL_CTX *ctx)
{
	const struct tls_settings *s = b->s;
	const int lowest = version_of(s->lowest_version, TLS1_2_VERSION);

	// TLS 1.0 signs with MD5 and SHA-1, which OpenSSL allows at level 0 only; the floor on certificates
	// does not move with it.
	SSL_CTX_set_security_level(ctx, lowest < TLS1_2_VERSION ? 0 : 2);
	if (lowest < TLS1_2_VERSION && s->is_client)
		SSL_CTX_set_options(ctx, SSL_OP_LEGACY_SERVER_CONNECT);
	if (SSL_CTX_set_min_proto_version(ctx, lowest) != 1 ||
		SSL_CTX_set_max_proto_version(
			ctx, version_of(s->highest_version, TLS1_3_VERSION)) != 1)
		return refuse(b, "versions");
	if (SSL_CTX_set_cipher_list(ctx, s->ciphers != NULL ? s->ciphers : CIPHERS) != 1)
		return refuse(b, "ciphers");
	if (s->suites != NULL && SSL_CTX_set_ciphersuites(ctx, s->suites) != 1)
		return refuse(b, "suites");
	if (SSL_CTX_set1_groups_list(ctx, s->groups != NULL ? s->groups : GROUPS) != 1)
		return refuse(b, "groups");
	return 0;
}

static void set_verify(struct build *b, SSL_CTX *ctx)
{
	int mode = SSL_VERIFY_NONE;

	if (b->s->verify == TLS_VERIFY_REQUIRE)
		mode = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	else if (b->s->verify == TLS_VERIFY_ASK)
		mode = SSL_VERIFY_PEER;
	SSL_CTX_set_verify(ctx, mode, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, tls_verify, b->t);
	SSL_CTX_set_max_cert_list(ctx, TLS_LIST_MAX);
}

static int new_ctx(struct build *b, SSL_CTX **out)
{
	SSL_CTX *ctx = SSL_CTX_new_ex(
		b->t->lib, NULL, b->s->is_client ? TLS_client_method() : TLS_server_method());
	int rc;

	if (ctx == NULL)
		return -ENOMEM;
	*out = ctx;
	SSL_CTX_set_options(ctx,
		SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
	// Without the last OpenSSL would look for the chain of our own certificate in every handshake.
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_info_callback(ctx, tls_info);
	SSL_CTX_set_msg_callback(ctx, tls_message);
	if (!b->s->is_client) {
		SSL_CTX_set_client_hello_cb(ctx, tls_hello, NULL);
		SSL_CTX_set_tlsext_servername_callback(ctx, tls_choose);
		SSL_CTX_set_tlsext_servername_arg(ctx, b->x);
	}
	set_verify(b, ctx);
	rc = set_versions(b, ctx);
	return rc != 0 ? rc : tls_sessions_set(b->x, ctx);
}

// --- identities

static int no_password(char *out, int size, int writing, void *user)
{
	(void)out;
	(void)size;
	(void)writing;
	(void)user;
	return -1;
}

static X509 *read_one(struct build *b, BIO *in)
{
	X509 *x = X509_new_ex(b->t->lib, NULL);

	if (x != NULL && PEM_read_bio_X509(in, &x, no_password, NULL) == NULL) {
		X509_free(x);
		x = NULL;
	}
	return x;
}

static int read_chain(
	struct build *b, const struct tls_identity *i, X509 **leaf, STACK_OF(X509) * more)
{
	BIO *in = i->chain_size <= INT_MAX ? BIO_new_mem_buf(i->chain, (int)i->chain_size) : NULL;
	X509 *x;
	int rc = 0;

	if (in == NULL)
		return -ENOMEM;
	*leaf = read_one(b, in);
	if (*leaf == NULL)
		rc = refuse(b, "certificate");
	while (rc == 0 && (x = read_one(b, in)) != NULL)
		if (sk_X509_push(more, x) <= 0) {
			X509_free(x);
			rc = -ENOMEM;
		}
	if (rc == 0 && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		rc = refuse(b, "certificate behind the first");
	ERR_clear_error();
	BIO_free(in);
	return rc;
}

static int read_key(struct build *b, const struct tls_identity *i, EVP_PKEY **key)
{
	BIO *in = i->key_size <= INT_MAX ? BIO_new_mem_buf(i->key, (int)i->key_size) : NULL;

	if (in == NULL)
		return -ENOMEM;
	*key = PEM_read_bio_PrivateKey_ex(in, NULL, no_password, NULL, b->t->lib, NULL);
	BIO_free(in);
	return *key != NULL ? 0 : refuse(b, "key");
}

static bool add_name(struct tls_context *x, const char *name, SSL_CTX *ctx)
{
	struct tls_named *n = OPENSSL_realloc(x->named, (x->n_named + 1) * sizeof(x->named[0]));

	if (n == NULL)
		return false;
	x->named = n;
	snprintf(n[x->n_named].name, sizeof(n[0].name), "%s", name);
	n[x->n_named++].ctx = ctx;
	return true;
}

static SSL_CTX *ctx_named(const struct tls_context *x, const char *name)
{
	for (unsigned i = 0; i < x->n_named; i++)
		if (strcmp(x->named[i].name, name) == 0)
			return x->named[i].ctx;
	return NULL;
}

// The context that goes by the first name, which an ECDSA and an RSA certificate share; a new one if
// nobody has that name.
static int ctx_for(struct build *b, const struct cert_names *n, unsigned count, SSL_CTX **out)
{
	struct tls_context *x = b->x;
	int rc = 0;

	*out = count > 0 ? ctx_named(x, n->names[0].text) : NULL;
	if (*out != NULL)
		return 0;
	if (x->ctx == NULL) {
		rc = new_ctx(b, &x->ctx);
		*out = x->ctx;
	} else if (count == 0) {
		*out = x->ctx;
		return 0;
	} else {
		rc = new_ctx(b, out);
		// From the table of names it is freed once: by its first name.
		if (rc != 0) {
			SSL_CTX_free(*out);
			return rc;
		}
	}
	for (unsigned i = 0; rc == 0 && i < count; i++)
		if (ctx_named(x, n->names[i].text) == NULL &&
			!add_name(x, n->names[i].text, *out)) {
			if (*out != x->ctx && i == 0)
				SSL_CTX_free(*out);
			rc = -ENOMEM;
		}
	return rc;
}

static int use(struct build *b, X509 *leaf, EVP_PKEY *key, STACK_OF(X509) * more)
{
	struct cert_names names;
	void *memory;
	SSL_CTX *ctx;
	int rc;

	if (X509_check_private_key(leaf, key) != 1) {
		ERR_clear_error();
		return refuse(b, "the key does not belong to the certificate");
	}
	cert_names_read(leaf, &names, &memory);
	rc = ctx_for(b, &names,
		names.problem == CERT_GOOD
			? names.n + (unsigned)(names.has_cn && !names.has_alternative)
			: 0,
		&ctx);
	OPENSSL_free(memory);
	if (rc == 0 && SSL_CTX_use_cert_and_key(ctx, leaf, key, more, 1) != 1)
		rc = refuse(b, "certificate");
	return rc;
}

static int add_identity(struct build *b, const struct tls_identity *i)
{
	STACK_OF(X509) *more = sk_X509_new_null();
	X509 *leaf = NULL;
	EVP_PKEY *key = NULL;
	int rc = more != NULL ? read_chain(b, i, &leaf, more) : -ENOMEM;

	if (rc == 0)
		rc = read_key(b, i, &key);
	if (rc == 0)
		rc = use(b, leaf, key, more);
	sk_X509_pop_free(more, X509_free);
	X509_free(leaf);
	EVP_PKEY_free(key);
	return rc;
}

static int read_trust(struct build *b)
{
	const struct tls_settings *s = b->s;
	struct cert_floor floor = s->floor;
	char why[160];
	int rc;

	if (s->trust == NULL) {
		if (s->verify == TLS_VERIFY_NONE)
			return 0;
		snprintf(b->why, b->why_size,
			"trust: certificates are asked for, and none is trusted");
		return -EINVAL;
	}
	if (floor.rsa_bits == 0 && floor.ec_bits == 0)
		floor = cert_floor_default();
	rc = cert_trust_new(
		b->t->lib, &floor, s->trust, s->trust_size, &b->x->trust, why, sizeof(why));
	if (rc == 0 && s->intermediates != NULL)
		rc = cert_trust_add_intermediates(
			b->x->trust, s->intermediates, s->intermediates_size, why, sizeof(why));
	if (rc != 0)
		snprintf(b->why, b->why_size, "trust: %s", why);
	return rc;
}

int tls_context_new(struct tls *t, const struct tls_settings *s, struct tls_context **out,
	char *why, size_t why_size)
{
	struct tls_context *x = OPENSSL_zalloc(sizeof(*x));
	struct build b = {t, x, s, why, why_size};
	int rc;

	snprintf(why, why_size, "out of memory");
	if (x == NULL)
		return -ENOMEM;
	ERR_clear_error();
	x->t = t;
	x->references = 1;
	x->settings = *s;
	if (x->settings.rules.lowest_version == 0)
		x->settings.rules.lowest_version = s->lowest_version;
	rc = read_trust(&b);
	if (rc == 0)
		tls_policy_digest(x);
	if (rc == 0 && !s->is_client && s->n_identities == 0) {
		snprintf(why, why_size, "certificate: a service has one");
		rc = -EINVAL;
	}
	for (unsigned i = 0; rc == 0 && i < s->n_identities; i++)
		rc = add_identity(&b, &s->identities[i]);
	if (rc == 0 && x->ctx == NULL)
		rc = new_ctx(&b, &x->ctx);
	ERR_clear_error();
	if (rc == 0)
		*out = x;
	else
		tls_context_release(x);
	return rc;
}

void tls_context_release(struct tls_context *x)
{
	if (--x->references > 0)
		return;
	for (unsigned i = 0; i < x->n_named; i++) {
		SSL_CTX *ctx = x->named[i].ctx;
		unsigned first = 0;

		while (x->named[first].ctx != ctx)
			first++;
		if (first == i && ctx != x->ctx)
			SSL_CTX_free(ctx);
	}
	OPENSSL_free(x->named);
	SSL_CTX_free(x->ctx);
	cert_trust_free(x->trust);
	OPENSSL_free(x);
}
