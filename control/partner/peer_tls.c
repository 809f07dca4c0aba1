// SPDX-License-Identifier: BSD-2-Clause
// TLS over buffers: bytes go in and come out, and what the peer does is noted. A chain that is wrong
// does not end the handshake, so that everything that is wrong with a peer is seen at once; whoever
// asks must not say more to it then.

#include "control/partner/private.h"

#include <openssl/err.h>

#include <errno.h>
#include <string.h>

#define BIT(result) (1ul << (result))

static void note_chain(struct partner_tls *t, int error, int depth)
{
	enum partner_result what = PARTNER_CHAIN_BAD;

	if (t->chain_error == 0)
		t->chain_error = error;
	switch (error) {
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
		// Further up something was sent, and what lacks is its authority.
		what = depth == 0 ? PARTNER_CHAIN_INCOMPLETE : PARTNER_CHAIN_UNTRUSTED;
		break;
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
		what = PARTNER_CHAIN_UNTRUSTED;
		break;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		what = PARTNER_CHAIN_SELF_SIGNED;
		break;
	case X509_V_ERR_CERT_HAS_EXPIRED:
		what = PARTNER_CHAIN_EXPIRED;
		break;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		what = PARTNER_CHAIN_NOT_YET;
		break;
	case X509_V_ERR_INVALID_PURPOSE:
		what = PARTNER_CHAIN_PURPOSE;
		break;
	case X509_V_ERR_EE_KEY_TOO_SMALL:
	case X509_V_ERR_CA_KEY_TOO_SMALL:
	case X509_V_ERR_CA_MD_TOO_WEAK:
		what = PARTNER_CHAIN_WEAK;
		break;
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_CERT_UNTRUSTED:
		// These follow from one that has been noted.
		if (t->chain != 0)
			return;
		break;
	default:
		break;
	}
	t->chain |= BIT(what);
}

static int verified(int good, X509_STORE_CTX *store)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct partner_tls *t = SSL_get_app_data(ssl);

	if (!good)
		note_chain(
			t, X509_STORE_CTX_get_error(store), X509_STORE_CTX_get_error_depth(store));
	return 1;
}

// RFC 8446 4: a message has a type, three bytes of length, and ServerHello begins with a version.
static void seen(
	int is_write, int version, int type, const void *data, size_t length, SSL *ssl, void *arg)
{
	struct partner_tls *t = arg;
	const unsigned char *bytes = data;

	(void)version;
	(void)ssl;
	if (is_write)
		return;
	if (type == SSL3_RT_ALERT && length == 2 && bytes[1] != SSL_AD_CLOSE_NOTIFY)
		t->alert = bytes[1];
	if (type == SSL3_RT_HANDSHAKE && length >= 6 && bytes[0] == SSL3_MT_SERVER_HELLO)
		t->hello_version = bytes[4] << 8 | bytes[5];
	if (type == SSL3_RT_HANDSHAKE && length > 0 && bytes[0] == SSL3_MT_CERTIFICATE_REQUEST)
		t->asked = true;
}

// The policy may admit old versions for a partner. What is that old has signatures that no higher
// level of security takes.
static void set_versions(SSL *ssl, const struct postern_peer_tls *tls)
{
	if (tls->lowest_version == 10) {
		SSL_set_security_level(ssl, 0);
		SSL_set_cipher_list(ssl, "DEFAULT:@SECLEVEL=0");
		SSL_set_options(ssl, SSL_OP_LEGACY_SERVER_CONNECT);
		SSL_set_min_proto_version(ssl, TLS1_VERSION);
	} else if (tls->lowest_version == 13) {
		SSL_set_min_proto_version(ssl, TLS1_3_VERSION);
	}
}

int partner_tls_begin(struct partner_tls *t, const struct partner_peer_question *q)
{
	*t = (struct partner_tls){.alert = -1, .ssl = SSL_new(q->context)};
	t->in = BIO_new(BIO_s_mem());
	t->out = BIO_new(BIO_s_mem());
	if (t->ssl == NULL || t->in == NULL || t->out == NULL) {
		BIO_free(t->in);
		BIO_free(t->out);
		SSL_free(t->ssl);
		t->ssl = NULL;
		ERR_clear_error();
		return -ENOMEM;
	}
	SSL_set_bio(t->ssl, t->in, t->out);
	SSL_set_app_data(t->ssl, t);
	SSL_set_verify(t->ssl, SSL_VERIFY_PEER, verified);
	SSL_set_msg_callback(t->ssl, seen);
	SSL_set_msg_callback_arg(t->ssl, t);
	set_versions(t->ssl, &q->tls);
	t->shown = SSL_get_certificate(t->ssl) != NULL;
	if (q->server.length > 0)
		SSL_set_tlsext_host_name(t->ssl, q->server.text);
	return 0;
}

void partner_tls_end(struct partner_tls *t)
{
	SSL_free(t->ssl);
	t->ssl = NULL;
}

bool partner_tls_take(struct partner_tls *t, const void *data, size_t n)
{
	const size_t room = sizeof(t->first) - t->n_first, more = n < room ? n : room;

	memcpy(t->first + t->n_first, data, more);
	t->n_first += more;
	return BIO_write(t->in, data, (int)n) == (int)n;
}

size_t partner_tls_give(struct partner_tls *t, void *data, size_t room)
{
	const int n = BIO_read(t->out, data, (int)room);

	return n > 0 ? (size_t)n : 0;
}

void partner_tls_take_end(struct partner_tls *t)
{
	BIO_set_mem_eof_return(t->in, 0);
}

static enum partner_way way(const struct partner_tls *t, int status)
{
	const int error = SSL_get_error(t->ssl, status);

	return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? PARTNER_WANT_MORE
									     : PARTNER_FAILED;
}

enum partner_way partner_tls_shake(struct partner_tls *t)
{
	ERR_clear_error();
	const int status = SSL_connect(t->ssl);

	if (status != 1)
		return way(t, status);
	t->shaken = true;
	return PARTNER_DONE;
}

void partner_tls_bye(struct partner_tls *t)
{
	if (t->shaken)
		SSL_shutdown(t->ssl);
	ERR_clear_error();
}

enum partner_way partner_tls_write(struct partner_tls *t, const char *data, size_t n)
{
	size_t done;

	ERR_clear_error();
	// Into memory, all of it goes at once.
	return SSL_write_ex(t->ssl, data, n, &done) == 1 ? PARTNER_DONE : way(t, 0);
}

enum partner_way partner_tls_read(struct partner_tls *t, char *data, size_t room, size_t *got)
{
	ERR_clear_error();
	*got = 0;
	if (SSL_read_ex(t->ssl, data, room, got) == 1)
		return PARTNER_DONE;
	*got = 0;
	if (SSL_get_error(t->ssl, 0) == SSL_ERROR_ZERO_RETURN)
		return PARTNER_DONE;
	return way(t, 0);
}
