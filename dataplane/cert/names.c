// SPDX-License-Identifier: BSD-2-Clause
// P: the names that a certificate proves.

#include "cert/private.h"

#include <openssl/crypto.h>

#include <string.h>
#include <strings.h>

// Names are collected into one block: the array in front, the text behind it.
struct collection {
	struct cert_names *out;
	struct postern_name *names; // room for CERT_NAMES_MAX and the CN
	char *text;
	size_t used, room;
};

static bool is_known(const struct collection *c, const struct postern_domain *d)
{
	for (unsigned i = 0; i < c->out->n; i++)
		if (c->names[i].length == d->length &&
			memcmp(c->names[i].text, d->text, d->length) == 0)
			return true;
	return false;
}

// Text is normalised by the parser, which also refuses wildcards, addresses and anything that is no
// letter of a host name: U-labels do not belong into a certificate (RFC 5280 7.2).
static bool put(struct collection *c, unsigned at, const char *text, size_t length)
{
	struct postern_domain d;

	if (length > POSTERN_DOMAIN_MAX + 1 || postern_domain_parse(text, length, &d) < 0)
		return false;
	if (is_known(c, &d) && at == c->out->n)
		return true;
	if (c->room - c->used < d.length + 1u) {
		c->out->problem = CERT_TOO_MANY_NAMES;
		return false;
	}
	memcpy(c->text + c->used, d.text, d.length + 1u);
	c->names[at] = (struct postern_name){c->text + c->used, d.length};
	c->used += d.length + 1u;
	return true;
}

static void add(struct collection *c, const char *text, size_t length)
{
	const unsigned before = c->out->n;

	if (length > 2 && text[0] == '*' && text[1] == '.') {
		c->out->wildcards++;
		return;
	}
	if (before == CERT_NAMES_MAX) {
		c->out->problem = CERT_TOO_MANY_NAMES;
		return;
	}
	const size_t used = c->used;

	if (!put(c, before, text, length))
		c->out->others++;
	else if (c->used != used)
		c->out->n++;
}

// The host of a sip URI, if it has no user part (RFC 5922 7.1: with one it names a user, not the domain).
static bool host_of(const char *text, size_t length, const char **host, size_t *host_length)
{
	static const char scheme[] = "sip:";

	if (length <= sizeof(scheme) - 1 || strncasecmp(text, scheme, sizeof(scheme) - 1) != 0)
		return false;
	text += sizeof(scheme) - 1;
	length -= sizeof(scheme) - 1;
	if (memchr(text, '@', length) != NULL)
		return false;
	size_t n = 0;

	while (n < length && text[n] != ':' && text[n] != ';' && text[n] != '?')
		n++;
	*host = text;
	*host_length = n;
	return n > 0;
}

// Strings of certificates may hold any byte; a NUL is how a name is made to look like another to
// whoever reads it as a C string.
static bool text_of(struct collection *c, const ASN1_STRING *s, const char **text, size_t *length)
{
	*text = (const char *)ASN1_STRING_get0_data(s);
	*length = (size_t)ASN1_STRING_length(s);
	if (*length > 0 && memchr(*text, '\0', *length) != NULL) {
		c->out->problem = CERT_NAME_NUL;
		return false;
	}
	return *length > 0;
}

static void add_alternative(struct collection *c, const GENERAL_NAME *name)
{
	const char *text, *host;
	size_t length, host_length;
	int type;
	const void *value = GENERAL_NAME_get0_value(name, &type);

	switch (type) {
	case GEN_DNS:
		if (text_of(c, value, &text, &length))
			add(c, text, length);
		break;
	case GEN_URI:
		if (!text_of(c, value, &text, &length))
			break;
		if (host_of(text, length, &host, &host_length))
			add(c, host, host_length);
		else
			c->out->others++;
		break;
	case GEN_IPADD:
		c->out->addresses++;
		break;
	default:
		c->out->others++;
		break;
	}
}

// The last CN is the most specific one (RFC 6125 1.8).
static void add_common_name(struct collection *c, const X509 *certificate)
{
	const X509_NAME *subject = X509_get_subject_name(certificate);
	int at = -1, last = -1;
	const char *text;
	size_t length;

	while ((at = X509_NAME_get_index_by_NID((X509_NAME *)subject, NID_commonName, at)) >= 0)
		last = at;
	if (last < 0)
		return;
	const ASN1_STRING *value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, last));

	// BMPString and UniversalString are full of NULs by nature and are no host names.
	const int type = ASN1_STRING_type(value);

	if (type != V_ASN1_UTF8STRING && type != V_ASN1_PRINTABLESTRING &&
		type != V_ASN1_IA5STRING && type != V_ASN1_T61STRING)
		return;
	if (!text_of(c, value, &text, &length))
		return;
	if (length > 2 && text[0] == '*' && text[1] == '.') {
		if (!c->out->has_alternative)
			c->out->wildcards++;
		return;
	}
	const size_t used = c->used;

	// One that is among the alternative names adds nothing.
	c->out->has_cn = put(c, c->out->n, text, length) && c->used != used;
}

static size_t room_for(const STACK_OF(GENERAL_NAME) * all, int *count)
{
	size_t bytes = 0;
	int n = sk_GENERAL_NAME_num(all), type;

	if (n > CERT_NAMES_MAX)
		n = CERT_NAMES_MAX;
	for (int i = 0; i < n; i++) {
		const ASN1_STRING *value =
			GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(all, i), &type);

		if (type == GEN_DNS || type == GEN_URI)
			bytes += (size_t)ASN1_STRING_length(value) + 1;
	}
	*count = n > 0 ? n : 0;
	return bytes + POSTERN_DOMAIN_MAX + 1;
}

void cert_names_read(const X509 *certificate, struct cert_names *out, void **memory)
{
	struct collection c = {.out = out};
	int critical = -1, n;

	memset(out, 0, sizeof(*out));
	*memory = NULL;
	STACK_OF(GENERAL_NAME) *all =
		X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, NULL);

	out->has_alternative = critical != -1;
	if (all == NULL && critical != -1) {
		// There twice, or not to be read: ambiguous, so it proves nothing.
		out->problem = CERT_MALFORMED;
		return;
	}
	c.room = room_for(all, &n);
	const size_t array = ((size_t)n + 1) * sizeof(struct postern_name);

	c.names = OPENSSL_malloc(array + c.room);
	if (c.names == NULL) {
		out->problem = CERT_NO_MEMORY;
		GENERAL_NAMES_free(all);
		return;
	}
	*memory = c.names;
	c.text = (char *)c.names + array;
	out->names = c.names;
	if (sk_GENERAL_NAME_num(all) > CERT_NAMES_MAX)
		out->problem = CERT_TOO_MANY_NAMES;
	else
		for (int i = 0; i < n && out->problem == CERT_GOOD; i++)
			add_alternative(&c, sk_GENERAL_NAME_value(all, i));
	if (out->problem == CERT_GOOD)
		add_common_name(&c, certificate);
	GENERAL_NAMES_free(all);
}
