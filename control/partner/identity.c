// SPDX-License-Identifier: BSD-2-Clause
// What we show to the outside and trust there.

#include "control/config/config.h"
#include "control/partner/private.h"

#include <openssl/err.h>

#include <errno.h>
#include <stdio.h>

// A key that is locked with a password cannot be used; without this OpenSSL would ask for it on the
// terminal and wait.
static int no_password(char *buf, int size, int writing, void *user)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)user;
	return -1;
}

static int refuse(const char *what, const char *file, char *why, size_t size)
{
	char reason[128];

	snprintf(why, size, "%s %s: %s", what, file, partner_tls_reason(reason, sizeof(reason)));
	return -EINVAL;
}

static int load(const struct config_tls *tls, SSL_CTX *ctx, char *why, size_t size)
{
	if (tls != NULL && tls->certificate != NULL) {
		if (SSL_CTX_use_certificate_chain_file(ctx, tls->certificate) != 1)
			return refuse("certificate", tls->certificate, why, size);
		if (SSL_CTX_use_PrivateKey_file(ctx, tls->key, SSL_FILETYPE_PEM) != 1 ||
			SSL_CTX_check_private_key(ctx) != 1)
			return refuse("key", tls->key, why, size);
	}
	if (tls != NULL && tls->trust != NULL) {
		if (SSL_CTX_load_verify_file(ctx, tls->trust) != 1)
			return refuse("trust", tls->trust, why, size);
	} else {
		// A folder by hashes of names: nothing is read before it is needed.
		SSL_CTX_set_default_verify_paths(ctx);
	}
	return 0;
}

int partner_identity_load(const struct config_tls *tls, SSL_CTX **out, char *why, size_t size)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	*out = NULL;
	ERR_clear_error();
	if (ctx == NULL) {
		snprintf(why, size, "out of memory");
		return -ENOMEM;
	}
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); // each test is a whole handshake
	SSL_CTX_set_default_passwd_cb(ctx, no_password);
	const int status = load(tls, ctx, why, size);
	ERR_clear_error();
	if (status != 0)
		SSL_CTX_free(ctx);
	else
		*out = ctx;
	return status;
}
