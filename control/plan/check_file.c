// SPDX-License-Identifier: BSD-2-Clause
// What a certificate's file holds.

#include "control/plan/check.h"
#include "control/plan/private.h"
#include "control/pool/names.h"

#include "postern/domain.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <string.h>
#include <time.h>

#define NAMES_MAX 200 // of a certificate that are listed

static int no_password(char *buf, int size, int writing, void *user)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)user;
	return -1;
}

static const char *reason(void)
{
	const unsigned long error = ERR_get_error();
	const char *text = ERR_SYSTEM_ERROR(error) ? strerror(ERR_GET_REASON(error))
						   : ERR_reason_error_string(error);

	ERR_clear_error();
	return text ? text : "it cannot be read";
}

static json_t *name_of(const X509_NAME *name)
{
	char text[128];
	int n = X509_NAME_get_text_by_NID(
		(X509_NAME *)(uintptr_t)name, NID_commonName, text, (int)sizeof(text));

	if (n <= 0)
		n = X509_NAME_get_text_by_NID((X509_NAME *)(uintptr_t)name, NID_organizationName,
			text, (int)sizeof(text));
	for (int i = 0; i < n; i++)
		if (text[i] < ' ' || text[i] > '~')
			text[i] = '?';
	return json_string(n > 0 ? text : "no name");
}

static json_int_t seconds_of(const ASN1_TIME *at)
{
	struct tm tm;

	return ASN1_TIME_to_tm(at, &tm) == 1 ? (json_int_t)timegm(&tm) : 0;
}

static void add_name(void *user, const char *name, size_t length)
{
	char text[POSTERN_DOMAIN_MAX + 1];

	if (length >= sizeof(text) || json_array_size(user) >= NAMES_MAX)
		return;
	for (size_t i = 0; i < length; i++)
		text[i] = name[i] > ' ' && name[i] <= '~' ? name[i] : '?';
	text[length] = '\0';
	plan_strings_add(user, text);
}

static json_t *purposes_of(X509 *certificate)
{
	const uint32_t usage = X509_get_extended_key_usage(certificate); // all bits: not said
	json_t *list = json_array();

	if (usage & XKU_SSL_SERVER)
		json_array_append_new(list, json_string("serverAuth"));
	if (usage & XKU_SSL_CLIENT)
		json_array_append_new(list, json_string("clientAuth"));
	return list;
}

// NULL: it fits.
static const char *key_problem(SSL_CTX *ctx, const char *key)
{
	if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) == 1 &&
		SSL_CTX_check_private_key(ctx) == 1)
		return NULL;
	return reason();
}

// 0, or the error. Dates are another matter.
static int verify(SSL_CTX *ctx, X509_STORE *store)
{
	STACK_OF(X509) *rest = NULL;
	X509_STORE_CTX *check = X509_STORE_CTX_new();
	int error = X509_V_ERR_OUT_OF_MEM;

	SSL_CTX_get0_chain_certs(ctx, &rest);
	if (store && check &&
		X509_STORE_CTX_init(check, store, SSL_CTX_get0_certificate(ctx), rest) == 1) {
		X509_STORE_CTX_set_flags(check, X509_V_FLAG_NO_CHECK_TIME);
		error = X509_verify_cert(check) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(check);
	}
	X509_STORE_CTX_free(check);
	ERR_clear_error();
	return error;
}

// Whether a peer can build the chain from what the file has: one that trusts what the system trusts here,
// of which nothing is read but what is needed, or what is trusted towards it.
static const char *chain_problem(SSL_CTX *ctx, X509_STORE *trust)
{
	X509_STORE *system = X509_STORE_new();

	if (system)
		X509_STORE_set_default_paths(system);
	int error = verify(ctx, system);
	if (error != X509_V_OK && trust)
		error = verify(ctx, trust);
	X509_STORE_free(system);
	return error == X509_V_OK ? NULL : X509_verify_cert_error_string(error);
}

static json_t *facts_of(SSL_CTX *ctx, const char *file, const char *key, X509_STORE *trust)
{
	X509 *c = SSL_CTX_get0_certificate(ctx);
	STACK_OF(X509) *rest = NULL;
	json_t *names = json_array();
	const char *chain = chain_problem(ctx, trust);

	SSL_CTX_get0_chain_certs(ctx, &rest);
	pool_names_each(c, false, add_name, names);
	json_t *facts = json_pack("{s:s, s:o, s:o, s:o, s:I, s:I, s:s?, s:i, s:o}", "file", file,
		"subject", name_of(X509_get_subject_name(c)), "issuer",
		name_of(X509_get_issuer_name(c)), "names", names, "begins",
		seconds_of(X509_get0_notBefore(c)), "ends", seconds_of(X509_get0_notAfter(c)),
		"chain", chain, "sent", 1 + (rest ? sk_X509_num(rest) : 0), "purposes",
		purposes_of(c));
	// Last, since it takes the certificate out when it does not fit.
	const char *problem = key_problem(ctx, key ? key : file);
	json_object_set_new(facts, "key", problem ? json_string(problem) : json_null());
	return facts;
}

json_t *plan_file_read(const char *file, const char *key, X509_STORE *trust)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	json_t *facts;

	ERR_clear_error();
	if (!ctx)
		return NULL;
	SSL_CTX_set_default_passwd_cb(ctx, no_password);
	SSL_CTX_set_security_level(ctx, 0); // what is weak is shown, and judged by others
	if (SSL_CTX_use_certificate_chain_file(ctx, file) == 1)
		facts = facts_of(ctx, file, key, trust);
	else
		facts = json_pack("{s:s, s:s}", "file", file, "error", reason());
	SSL_CTX_free(ctx);
	ERR_clear_error();
	return facts;
}
