// SPDX-License-Identifier: BSD-2-Clause
// Who the peer is, and why a handshake failed. Called by OpenSSL within a handshake step, by whichever
// thread does it.

#include "tls/private.h"

#include <openssl/err.h>

#include <string.h>

static void ask_rules(
	struct tls_conn *c, const struct cert_names *n, struct postern_peer_tls *rules)
{
	const struct tls_user *u = &c->t->user;

	const unsigned proved = n->n + (unsigned)(n->has_cn && !n->has_alternative);

	memset(rules, 0, sizeof(*rules));
	if (u->rules != NULL && n->problem == CERT_GOOD)
		u->rules(u->context, c->asked_for, n->names, proved, rules);
	// The CN proves nothing until the entry of that name says that it does, and brings no other rule.
	if (u->rules != NULL && n->problem == CERT_GOOD && n->has_cn && n->has_alternative) {
		struct postern_peer_tls by_cn = {0};

		u->rules(u->context, c->asked_for, &n->names[n->n], 1, &by_cn);
		rules->accept_cn |= by_cn.accept_cn;
	}
	if (rules->key_usage == POSTERN_KEY_USAGE_DEFAULT)
		rules->key_usage = c->x->settings.rules.key_usage;
	if (rules->revocation == POSTERN_REVOCATION_DEFAULT)
		rules->revocation = c->x->settings.rules.revocation;
	if (rules->lowest_version == 0)
		rules->lowest_version = c->x->settings.rules.lowest_version;
	rules->accept_cn |= c->x->settings.rules.accept_cn;
}

// The numbers of struct postern_peer_tls as the wire has them.
static int version_of(uint8_t lowest)
{
	return lowest >= 13 ? TLS1_3_VERSION : lowest >= 12 ? TLS1_2_VERSION : TLS1_VERSION;
}

static bool is_expected(struct tls_conn *c, const struct cert_judgement *j)
{
	const struct tls_expected *e = c->expected;

	if (e == NULL || e->n_names == 0)
		return true;
	for (unsigned i = 0; i < e->n_names; i++)
		if (cert_proves(j, &e->names[i]))
			return true;
	return false;
}

static enum cert_reason judge(struct tls_conn *c)
{
	struct postern_peer_tls peer;
	struct cert_judgement j;

	ask_rules(c, &c->verdict->names, &peer);
	const struct cert_rules rules = {
		.key_usage = peer.key_usage,
		.revocation = peer.revocation,
		.accept_cn = peer.accept_cn,
		.need_names = c->x->settings.need_names,
		.peer_is_client = !c->x->settings.is_client,
	};

	cert_judge(
		c->verdict, &rules, c->t->crls, __atomic_load_n(&c->t->wall, __ATOMIC_RELAXED), &j);
	if (j.reason == CERT_GOOD && peer.lowest_version != 0 &&
		SSL_version(c->ssl) < version_of(peer.lowest_version))
		j.reason = CERT_VERSION_LOW;
	if (j.reason == CERT_GOOD && !is_expected(c, &j))
		j.reason = CERT_NAME_MISMATCH;
	c->judged = true;
	c->outcome.certificate = j.reason;
	c->outcome.names = j.names;
	c->outcome.n_names = j.n_names;
	c->outcome.by_cn = j.by_cn;
	c->outcome.good_until = j.good_until;
	c->outcome.leaf_not_after = c->verdict->leaf_not_after;
	c->outcome.issuer = c->verdict->issuer;
	c->outcome.error = c->verdict->error;
	return j.reason;
}

enum cert_reason tls_judge_again(struct tls_conn *c)
{
	if (c->verdict == NULL || c->state != TLS_OPEN)
		return c->outcome.certificate;
	const struct tls_outcome before = c->outcome;

	c->asked_for = c->user;
	const enum cert_reason r = judge(c);

	// P as it was told stays what it was.
	c->outcome.names = before.names;
	c->outcome.n_names = before.n_names;
	c->outcome.by_cn = before.by_cn;
	return r;
}

// What makes OpenSSL send the alert that says it best.
static int error_of(const struct tls_conn *c)
{
	switch (c->outcome.certificate) {
	case CERT_GOOD:
		return X509_V_OK;
	case CERT_EXPIRED:
		return X509_V_ERR_CERT_HAS_EXPIRED;
	case CERT_KEY_USAGE:
		return X509_V_ERR_INVALID_PURPOSE;
	case CERT_REVOKED:
		return X509_V_ERR_CERT_REVOKED;
	case CERT_CRL_STALE:
	case CERT_CRL_UNKNOWN:
		return X509_V_ERR_UNABLE_TO_GET_CRL;
	case CERT_NAME_MISMATCH:
		return X509_V_ERR_HOSTNAME_MISMATCH;
	default:
		return c->verdict != NULL && c->verdict->error != X509_V_OK
			       ? c->verdict->error
			       : X509_V_ERR_CERT_REJECTED;
	}
}

// Under which verdict a session began goes with the session.
static void stamp(struct tls_conn *c)
{
	uint8_t bytes[CERT_PACKED_MAX];
	SSL_SESSION *s = SSL_get_session(c->ssl);

	if (s != NULL && !c->x->settings.no_resumption)
		SSL_SESSION_set1_ticket_appdata(s, bytes, cert_verdict_pack(c->verdict, bytes));
}

int tls_verify(X509_STORE_CTX *ctx, void *context)
{
	struct tls *t = context;
	const SSL *ssl = X509_STORE_CTX_get_ex_data(ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_conn *c = tls_conn_of(ssl);
	X509 *leaf = X509_STORE_CTX_get0_cert(ctx);

	cert_verdict_release(c->verdict);
	c->verdict = NULL;
	if (leaf == NULL || c->x->trust == NULL) {
		c->outcome.certificate = CERT_NONE;
		X509_STORE_CTX_set_error(ctx, X509_V_ERR_CERT_REJECTED);
		return 0;
	}
	c->verdict = cert_check(t->cache, c->x->trust, leaf, X509_STORE_CTX_get0_untrusted(ctx),
		__atomic_load_n(&t->wall, __ATOMIC_RELAXED));
	if (c->verdict == NULL)
		c->outcome.certificate = CERT_NO_MEMORY;
	else if (judge(c) == CERT_GOOD)
		stamp(c);
	X509_STORE_CTX_set_error(ctx, error_of(c));
	return c->outcome.certificate == CERT_GOOD;
}

// A resumed session brings its verdict along; whether it is good enough is decided now.
static bool judge_resumed(struct tls_conn *c)
{
	const X509 *leaf = SSL_get0_peer_certificate(c->ssl);
	SSL_SESSION *s = SSL_get_session(c->ssl);
	void *bytes = NULL;
	size_t size = 0;

	if (leaf == NULL)
		return c->x->settings.verify != TLS_VERIFY_REQUIRE;
	if (SSL_SESSION_get0_ticket_appdata(s, &bytes, &size) == 1 && bytes != NULL)
		c->verdict = cert_verdict_unpack(c->t->cache, c->x->trust, leaf, bytes, size);
	if (c->verdict == NULL)
		c->outcome.certificate = CERT_OTHER;
	else
		judge(c);
	if (c->outcome.certificate == CERT_GOOD)
		return true;
	SSL_CTX_remove_session(c->x->ctx, s);
	return false;
}

bool tls_conclude(struct tls_conn *c)
{
	const SSL_CIPHER *cipher = SSL_get_current_cipher(c->ssl);

	c->outcome.version = (uint16_t)SSL_version(c->ssl);
	c->outcome.cipher = cipher != NULL ? SSL_CIPHER_get_name(cipher) : NULL;
	c->outcome.resumed = SSL_session_reused(c->ssl) == 1;
	c->outcome.asked_for_names = c->expected != NULL && c->expected->n_names > 0;
	// OpenSSL tells of a session of TLS 1.2 that is new, but not of one that was renewed.
	if (c->x->settings.is_client && c->outcome.version < TLS1_3_VERSION && c->fresh == NULL &&
		!c->x->settings.no_resumption)
		c->fresh = SSL_get1_session(c->ssl);
	if (c->outcome.resumed && c->x->settings.verify != TLS_VERIFY_NONE && !judge_resumed(c)) {
		c->outcome.reason = TLS_REASON_CERTIFICATE;
		return false;
	}
	return true;
}

// --- what went wrong

void tls_info(const SSL *ssl, int where, int value)
{
	struct tls_conn *c = tls_conn_of(ssl);
	const uint8_t alert = (uint8_t)value;

	if ((where & SSL_CB_ALERT) == 0 || c == NULL || alert == SSL_AD_CLOSE_NOTIFY)
		return;
	if ((where & SSL_CB_READ) != 0)
		c->alert_in = alert;
	else if (alert != SSL_AD_NO_RENEGOTIATION)
		c->alert_out = alert;
	else if (!base_bucket_take(&c->odd, c->t->now_us, TLS_ODD_RATE, 1000000, TLS_ODD_BURST))
		c->flooded = true;
}

void tls_message(
	int written, int version, int type, const void *bytes, size_t size, SSL *ssl, void *context)
{
	struct tls_conn *c = tls_conn_of(ssl);

	(void)version;
	(void)bytes;
	(void)size;
	(void)context;
	if (c == NULL || c->away)
		return;
	if (type == SSL3_RT_HEADER) {
		*(written ? &c->t->use.records_out : &c->t->use.records_in) += 1;
		return;
	}
	if (written || type != SSL3_RT_HANDSHAKE || c->state != TLS_OPEN)
		return;
	if (!base_bucket_take(&c->odd, c->t->now_us, TLS_ODD_RATE, 1000000, TLS_ODD_BURST))
		c->flooded = true;
}

static bool is_about_certificate(uint8_t alert)
{
	return (alert >= SSL_AD_NO_CERTIFICATE && alert <= SSL_AD_CERTIFICATE_UNKNOWN) ||
	       alert == SSL_AD_UNKNOWN_CA || alert == SSL_AD_CERTIFICATE_REQUIRED;
}

static enum tls_reason reason_of(struct tls_conn *c, int code)
{
	switch (code) {
	case SSL_R_CERTIFICATE_VERIFY_FAILED:
		return TLS_REASON_CERTIFICATE;
	case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
		c->outcome.certificate = CERT_NONE;
		return TLS_REASON_CERTIFICATE;
	case SSL_R_EXCESSIVE_MESSAGE_SIZE:
		// Behind the hellos only certificates are large.
		if (c->verdict != NULL || SSL_get_pending_cipher(c->ssl) == NULL)
			return TLS_REASON_PROTOCOL;
		c->outcome.certificate = CERT_CHAIN_TOO_LONG;
		return TLS_REASON_CERTIFICATE;
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_VERSION_TOO_LOW:
	case SSL_R_VERSION_TOO_HIGH:
	case SSL_R_WRONG_SSL_VERSION:
	case SSL_R_NO_PROTOCOLS_AVAILABLE:
	case SSL_R_UNKNOWN_PROTOCOL:
	case SSL_R_BAD_PROTOCOL_VERSION_NUMBER:
		return TLS_REASON_NO_VERSION;
	case SSL_R_HTTP_REQUEST:
	case SSL_R_HTTPS_PROXY_REQUEST:
	case SSL_R_WRONG_VERSION_NUMBER:
		return TLS_REASON_NOT_TLS;
	case SSL_R_NO_SHARED_CIPHER:
	case SSL_R_NO_CIPHERS_AVAILABLE:
		return c->old_ciphers ? TLS_REASON_OLD_CIPHERS : TLS_REASON_NO_CIPHER;
	case SSL_R_NO_SUITABLE_KEY_SHARE:
	case SSL_R_NO_SHARED_GROUPS:
	case SSL_R_NO_SUITABLE_GROUPS:
	case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
	case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
		return TLS_REASON_NO_GROUP;
	case SSL_R_INAPPROPRIATE_FALLBACK:
		return TLS_REASON_DOWNGRADE;
	case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC:
	case SSL_R_DECRYPTION_FAILED:
	case SSL_R_BLOCK_CIPHER_PAD_IS_WRONG:
		return TLS_REASON_BAD_RECORD;
	case SSL_R_UNEXPECTED_EOF_WHILE_READING:
		return c->state == TLS_OPEN ? TLS_REASON_TRUNCATED : TLS_REASON_HUNG_UP;
	case ERR_R_MALLOC_FAILURE:
		return TLS_REASON_NO_MEMORY;
	default:
		return TLS_REASON_PROTOCOL;
	}
}

void tls_explain(struct tls_conn *c, int ssl_error)
{
	const unsigned long code = ERR_peek_error();
	struct tls_outcome *o = &c->outcome;

	o->library = ERR_reason_error_string(code);
	if (c->alert_in != 0) {
		o->alert = c->alert_in;
		o->reason = is_about_certificate(c->alert_in) ? TLS_REASON_PEER_CERTIFICATE
							      : TLS_REASON_PEER_ALERT;
	} else if (ssl_error == SSL_ERROR_SYSCALL || code == 0) {
		o->reason = c->state == TLS_OPEN ? TLS_REASON_TRUNCATED : TLS_REASON_HUNG_UP;
	} else {
		o->reason = reason_of(c, ERR_GET_REASON(code));
		o->alert = c->alert_out;
		o->alert_is_ours = c->alert_out != 0;
	}
	ERR_clear_error();
}
