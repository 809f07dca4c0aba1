// SPDX-License-Identifier: BSD-2-Clause
// What a ClientHello decides: the certificate, by the name that is asked for; and whether there is any
// point in going on.

#include "tls/private.h"

#include <string.h>

// RC4, 3DES, DES, export and NULL suites by their numbers: what an old Windows server offers when nobody has
// updated it. Debian's OpenSSL has none of them.
static bool is_old(unsigned suite)
{
	return suite <= 0x002b || suite == 0x0066 || suite == 0xc002 || suite == 0xc003 ||
	       suite == 0xc007 || suite == 0xc008 || suite == 0xc00c || suite == 0xc00d ||
	       suite == 0xc011 || suite == 0xc012;
}

static bool is_signal(unsigned suite)
{
	return suite == 0x00ff || suite == 0x5600 || (suite & 0x0f0f) == 0x0a0a; // SCSVs, GREASE
}

static bool are_all_old(SSL *ssl)
{
	const unsigned char *suites;
	const size_t size = SSL_client_hello_get0_ciphers(ssl, &suites);
	bool any = false;

	for (size_t i = 0; i + 1 < size; i += 2) {
		const unsigned suite = (unsigned)(suites[i] << 8 | suites[i + 1]);

		if (is_signal(suite))
			continue;
		if (!is_old(suite))
			return false;
		any = true;
	}
	return any;
}

int tls_hello(SSL *ssl, int *alert, void *context)
{
	struct tls_conn *c = tls_conn_of(ssl);

	(void)alert;
	(void)context;
	c->old_ciphers = are_all_old(ssl);
	return SSL_CLIENT_HELLO_SUCCESS;
}

// A name that nobody has gets the default: most federation servers ask for no name at all, some for one
// that only their own DNS knows.
int tls_choose(SSL *ssl, int *alert, void *context)
{
	const struct tls_context *x = context;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	struct postern_domain d;

	(void)alert;
	if (name == NULL || postern_domain_parse(name, strlen(name), &d) < 0)
		return SSL_TLSEXT_ERR_NOACK;
	for (unsigned i = 0; i < x->n_named; i++)
		if (strcmp(x->named[i].name, d.text) == 0) {
			if (x->named[i].ctx != x->ctx)
				SSL_set_SSL_CTX(ssl, x->named[i].ctx);
			return SSL_TLSEXT_ERR_OK;
		}
	return SSL_TLSEXT_ERR_NOACK;
}
