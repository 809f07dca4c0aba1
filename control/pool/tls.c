// SPDX-License-Identifier: BSD-2-Clause
// The TLS settings of a pool, as its probes use them.

#include "control/pool/probe.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

const char *pool_tls_reason(char *buf, size_t size)
{
	unsigned long error = ERR_get_error();
	const char *text = ERR_SYSTEM_ERROR(error) ? strerror(ERR_GET_REASON(error))
						   : ERR_reason_error_string(error);
	if (text != NULL)
		snprintf(buf, size, "%s", text);
	else if (error != 0)
		snprintf(buf, size, "error %lx", error);
	else
		snprintf(buf, size, "no reason given");
	ERR_clear_error();
	return buf;
}

// A key that is locked with a password cannot be used; without this OpenSSL would ask for it on
// the terminal and wait.
int pool_tls_no_password(char *buf, int size, int writing, void *user)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)user;
	return -1;
}

static int refuse(const struct config_pool *config, const char *what, const char *file, char *why,
	size_t size)
{
	char reason[128];
	snprintf(why, size, "pool %s: %s %s: %s", config->name, what, file,
		pool_tls_reason(reason, sizeof(reason)));
	return -EINVAL;
}

static int load_files(const struct config_pool *config, SSL_CTX *ctx, char *why, size_t size)
{
	const struct config_tls *c = &config->tls;
	if (c->certificate != NULL) {
		const char *key = c->key != NULL ? c->key : c->certificate;
		if (SSL_CTX_use_certificate_chain_file(ctx, c->certificate) != 1)
			return refuse(config, "certificate", c->certificate, why, size);
		if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
			return refuse(config, "key", key, why, size);
		if (SSL_CTX_check_private_key(ctx) != 1)
			return refuse(config, "key", key, why, size);
	}
	if (c->trust != NULL) {
		if (SSL_CTX_load_verify_file(ctx, c->trust) != 1)
			return refuse(config, "trust", c->trust, why, size);
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	}
	return 0;
}

static bool is_needed(const struct config_pool *config)
{
	bool needed = config_probe_uses_tls(&config->probe);
	for (size_t i = 0; i < config->members.count; i++)
		needed |= config_probe_uses_tls(
			config_member_probe(config, &config->members.items[i]));
	return needed;
}

int pool_tls_load(const struct config_pool *config, SSL_CTX **out, char *why, size_t size)
{
	const struct config_tls *c = &config->tls;
	*out = NULL;
	if (!is_needed(config) && c->certificate == NULL && c->trust == NULL)
		return 0;

	ERR_clear_error();
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	if (ctx == NULL) {
		snprintf(why, size, "pool %s: out of memory", config->name);
		return -ENOMEM;
	}
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); // a probe is a whole handshake
	SSL_CTX_set_default_passwd_cb(ctx, pool_tls_no_password);
	int status = load_files(config, ctx, why, size);
	if (status != 0)
		SSL_CTX_free(ctx);
	else
		*out = ctx;
	return status;
}

int64_t pool_certificate_end(const struct pool *pool)
{
	const SSL_CTX *ctx = ((const struct pool_group *)pool)->tls;
	const X509 *certificate = ctx != NULL ? SSL_CTX_get0_certificate(ctx) : NULL;
	struct tm end;
	if (certificate == NULL || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) != 1)
		return 0;
	return timegm(&end);
}

struct x509_store_st *pool_trust(const struct pool *pool)
{
	const SSL_CTX *ctx = ((const struct pool_group *)pool)->tls;
	return ctx != NULL ? SSL_CTX_get_cert_store(ctx) : NULL;
}
