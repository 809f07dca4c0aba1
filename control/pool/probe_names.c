// SPDX-License-Identifier: BSD-2-Clause
// The names that a certificate proves: all DNS names and the hosts of sip URIs without user part
// (RFC 5922 section 7.1); the subject's common name only if there is no alternative name. Compared
// whole and without regard to case: no wildcards (RFC 5922 section 7.2).

#include "control/pool/probe.h"

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <stdio.h>
#include <string.h>
#include <strings.h>

struct search {
	const char *fqdn;
	char *const *names;
	size_t n_names;
	bool matched;
	char *found;
	size_t size;
	size_t used;
	bool full;
};

static bool equal(const char *wanted, const char *name, size_t length)
{
	return strlen(wanted) == length && strncasecmp(wanted, name, length) == 0;
}

// Adds a name to the list. The certificate is a stranger's: what is not a plain character of a
// host name is shown as "?".
static void append(struct search *s, const char *name, size_t length)
{
	size_t separator = s->used > 0 ? 2 : 0;
	if (s->full)
		return;
	if (s->used + separator + length + sizeof(", ...") > s->size) {
		s->full = true;
		s->used += (size_t)snprintf(
			s->found + s->used, s->size - s->used, "%s...", separator ? ", " : "");
		return;
	}
	memcpy(s->found + s->used, ", ", separator);
	s->used += separator;
	for (size_t i = 0; i < length; i++)
		s->found[s->used++] = name[i] > ' ' && name[i] <= '~' ? name[i] : '?';
	s->found[s->used] = '\0';
}

static void consider(struct search *s, const char *name, size_t length)
{
	if (length == 0)
		return;
	append(s, name, length);
	// Lengths are compared, so that a NUL inside a name matches nothing.
	s->matched |= s->fqdn != NULL && equal(s->fqdn, name, length);
	for (size_t i = 0; i < s->n_names; i++)
		s->matched |= equal(s->names[i], name, length);
}

static void consider_uri(struct search *s, const char *uri, size_t length)
{
	if (length < 4 || strncasecmp(uri, "sip:", 4) != 0 || memchr(uri, '@', length) != NULL)
		return;
	const char *host = uri + 4, *end = host;
	while (end < uri + length && *end != ':' && *end != ';' && *end != '?')
		end++;
	consider(s, host, (size_t)(end - host));
}

static void consider_alternatives(struct search *s, const GENERAL_NAMES *names)
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
			consider(s, data, length);
		else
			consider_uri(s, data, length);
	}
}

static void consider_subject(struct search *s, const X509 *certificate)
{
	const X509_NAME *subject = X509_get_subject_name(certificate);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	if (at < 0)
		return;
	unsigned char *utf8 = NULL;
	int length = ASN1_STRING_to_UTF8(
		&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	if (length > 0)
		consider(s, (const char *)utf8, (size_t)length);
	OPENSSL_free(utf8);
}

bool probe_names_match(const X509 *certificate, const char *fqdn, char *const *names,
	size_t n_names, char *found, size_t size)
{
	struct search s = {
		.fqdn = fqdn, .names = names, .n_names = n_names, .found = found, .size = size};
	snprintf(found, size, "none");
	int critical; // -1: there is no such extension, rather than one that cannot be read
	GENERAL_NAMES *alternatives =
		X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, NULL);
	if (alternatives != NULL)
		consider_alternatives(&s, alternatives);
	else if (critical == -1)
		consider_subject(&s, certificate);
	GENERAL_NAMES_free(alternatives);
	return s.matched || (fqdn == NULL && n_names == 0);
}
