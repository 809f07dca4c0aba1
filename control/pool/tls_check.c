// SPDX-License-Identifier: BSD-2-Clause
// What is wrong with the files that the TLS settings of pools and services name, all of it at once and
// at the line of the file that names them.

#include "control/pool/probe.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509err.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct check {
	const struct config *config;
	const struct config_tls *tls;
	const char *list; // "pools" or "services"
	size_t index;
	SSL_CTX *ctx;
	struct config_errors *mistakes;
	struct config_errors *warnings;
	int status;
};

// One about a key of the block; a key that the file does not have is the certificate's.
static void tell(struct check *c, struct config_errors *to, const char *key, const char *expected,
	const char *what)
{
	char field[64];

	snprintf(field, sizeof(field), "%s[%zu].tls.%s", c->list, c->index, key);
	const int rc =
		config_errors_add(to, config_line(c->config, field), field, expected, "%s", what);
	if (rc < 0)
		c->status = rc;
}

static void tell_unloaded(struct check *c, const char *key, const char *file, const char *expected)
{
	char reason[128];
	char what[512];

	snprintf(what, sizeof(what), "%.300s cannot be used: %s", file,
		pool_tls_reason(reason, sizeof(reason)));
	tell(c, c->mistakes, key, expected, what);
}

static void check_end(struct check *c, const char *file)
{
	const X509 *certificate = SSL_CTX_get0_certificate(c->ctx);
	char what[512], date[32];
	struct tm end;

	if (certificate == NULL || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) != 1 ||
		timegm(&end) > time(NULL))
		return;
	strftime(date, sizeof(date), "%Y-%m-%d %H:%M UTC", &end);
	snprintf(what, sizeof(what), "%.300s has expired, on %s", file, date);
	tell(c, c->warnings, "certificate", "others may refuse it; renew it", what);
}

static bool is_mismatch(unsigned long error)
{
	return ERR_GET_LIB(error) == ERR_LIB_X509 &&
	       (ERR_GET_REASON(error) == X509_R_KEY_VALUES_MISMATCH ||
		       ERR_GET_REASON(error) == X509_R_KEY_TYPE_MISMATCH);
}

static void check_key(struct check *c)
{
	const char *own = c->tls->key;
	const char *key = own != NULL ? own : c->tls->certificate;
	char what[768];

	if (SSL_CTX_use_PrivateKey_file(c->ctx, key, SSL_FILETYPE_PEM) == 1 &&
		SSL_CTX_check_private_key(c->ctx) == 1)
		return;
	if (!is_mismatch(ERR_peek_error())) {
		tell_unloaded(c, own != NULL ? "key" : "certificate", key,
			own != NULL ? "a private key in PEM, without a password"
				    : "a file that holds the private key as well, or the key "
				      "\"key\" beside it");
		return;
	}
	ERR_clear_error();
	snprintf(what, sizeof(what), "%.300s does not belong to %.300s", key, c->tls->certificate);
	tell(c, c->mistakes, own != NULL ? "key" : "certificate",
		"the private key that the certificate was made for", what);
}

static void check_trust(struct check *c)
{
	static const char expected[] = "the certificates that are trusted, in PEM";
	unsigned n = 0;

	if (SSL_CTX_load_verify_file(c->ctx, c->tls->trust) != 1) {
		tell_unloaded(c, "trust", c->tls->trust, expected);
		return;
	}
	const STACK_OF(X509_OBJECT) *objects =
		X509_STORE_get0_objects(SSL_CTX_get_cert_store(c->ctx));
	for (int i = 0; i < sk_X509_OBJECT_num(objects); i++)
		n += X509_OBJECT_get_type(sk_X509_OBJECT_value(objects, i)) == X509_LU_X509;
	if (n > 0)
		return;
	char what[512];
	snprintf(what, sizeof(what), "%.300s holds no certificate", c->tls->trust);
	tell(c, c->mistakes, "trust", expected, what);
}

static void check_files(struct check *c)
{
	const char *certificate = c->tls->certificate;

	ERR_clear_error();
	SSL_CTX_set_default_passwd_cb(c->ctx, pool_tls_no_password);
	if (certificate != NULL && SSL_CTX_use_certificate_chain_file(c->ctx, certificate) == 1) {
		check_end(c, certificate);
		check_key(c);
	} else if (certificate != NULL) {
		tell_unloaded(c, "certificate", certificate,
			"a certificate in PEM, followed by those between it and its root");
	}
	if (c->tls->trust != NULL)
		check_trust(c);
	ERR_clear_error();
}

static void check_tls(struct check *c, const char *list, size_t index, const struct config_tls *tls)
{
	if (c->status != 0 || (tls->certificate == NULL && tls->trust == NULL))
		return;
	c->list = list;
	c->index = index;
	c->tls = tls;
	c->ctx = SSL_CTX_new(TLS_client_method());
	if (c->ctx == NULL) {
		c->status = -ENOMEM;
		return;
	}
	check_files(c);
	SSL_CTX_free(c->ctx);
}

int pool_tls_check(
	const struct config *config, struct config_errors *mistakes, struct config_errors *warnings)
{
	struct check c = {.config = config, .mistakes = mistakes, .warnings = warnings};

	for (size_t i = 0; i < config->pools.count; i++)
		check_tls(&c, "pools", i, &config->pools.items[i].tls);
	for (size_t i = 0; i < config->services.count; i++)
		check_tls(&c, "services", i, &config->services.items[i].tls);
	if (c.status == 0 && mistakes->list.count > 0)
		c.status = -EINVAL;
	return c.status;
}
