// SPDX-License-Identifier: BSD-2-Clause
// The names that a certificate proves.

#include "control/pool/names.h"

#include <openssl/x509v3.h>

#include <string.h>
#include <strings.h>

struct walk {
	void (*each)(void *user, const char *name, size_t length);
	void *user;
};

static void give(const struct walk *w, const char *name, size_t length)
{
	if (length > 0)
		w->each(w->user, name, length);
}

static void give_uri(const struct walk *w, const char *uri, size_t length)
{
	if (length < 4 || strncasecmp(uri, "sip:", 4) != 0 || memchr(uri, '@', length) != NULL)
		return;
	const char *host = uri + 4, *end = host;
	while (end < uri + length && *end != ':' && *end != ';' && *end != '?')
		end++;
	give(w, host, (size_t)(end - host));
}

static void give_alternatives(const struct walk *w, const GENERAL_NAMES *names)
{
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		int type;
		const ASN1_STRING *text =
			GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
		if (type != GEN_DNS && type != GEN_URI)
			continue;
		const char *data = (const char *)ASN1_STRING_get0_data(text);
		size_t length = (size_t)ASN1_STRING_length(text);
		if (type == GEN_DNS)
			give(w, data, length);
		else
			give_uri(w, data, length);
	}
}

static void give_subject(const struct walk *w, const X509 *certificate)
{
	const X509_NAME *subject = X509_get_subject_name(certificate);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	if (at < 0)
		return;
	unsigned char *utf8 = NULL;
	int length = ASN1_STRING_to_UTF8(
		&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	if (length > 0)
		give(w, (const char *)utf8, (size_t)length);
	OPENSSL_free(utf8);
}

void pool_names_each(const X509 *certificate, bool subject_counts,
	void (*each)(void *user, const char *name, size_t length), void *user)
{
	const struct walk w = {each, user};
	int critical; // -1: there is no such extension, rather than one that cannot be read
	GENERAL_NAMES *alternatives =
		X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, NULL);
	if (alternatives != NULL)
		give_alternatives(&w, alternatives);
	if ((alternatives == NULL && critical == -1) || subject_counts)
		give_subject(&w, certificate);
	GENERAL_NAMES_free(alternatives);
}
