// SPDX-License-Identifier: BSD-2-Clause
// Hosts and ports: names, IPv4 addresses, IPv6 references.

#include "sip/grammar.h"

#include <arpa/inet.h>

// The longest text of an IPv6 address, with one colon too many, and a NUL.
#define V6_TEXT (POSTERN_ADDR_TEXT + 1)

// RFC 3261's grammar, taken from RFC 2373, lets three colons stand before an embedded IPv4
// address; RFC 5118 4.10 has such messages understood. Takes the third colon out, there and
// nowhere else.
static void mend_three_colons(char *text)
{
	char *three = strstr(text, ":::");

	if (three != NULL && strchr(three + 3, '.') != NULL && strchr(three + 3, ':') == NULL)
		memmove(three, three + 1, strlen(three));
}

static int read_v6(const struct sip_span *text, struct postern_addr *out)
{
	char copy[V6_TEXT];

	if (text->length >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, text->at, text->length);
	copy[text->length] = '\0';
	mend_three_colons(copy);
	return inet_pton(AF_INET6, copy, out->bytes) == 1 ? 0 : -EINVAL;
}

// Whether a name is what some reader takes for an address: its last label begins with a digit. So
// do "192.0.2.1", "192.0.2.1." and the old spellings "3221225985" and "0xc0000201".
static bool looks_numeric(const struct sip_span *text)
{
	uint32_t end = text->length;

	if (end > 0 && text->at[end - 1] == '.')
		end--;
	uint32_t label = end;

	while (label > 0 && text->at[label - 1] != '.')
		label--;
	return label < end && text->at[label] >= '0' && text->at[label] <= '9';
}

int sip_host_address(const struct sip_host *host, struct postern_addr *out)
{
	char copy[POSTERN_ADDR_TEXT];

	if (host->v6)
		return read_v6(&host->text, out);
	if (!looks_numeric(&host->text))
		return -EAFNOSUPPORT;
	if (host->text.length >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, host->text.at, host->text.length);
	copy[host->text.length] = '\0';
	return postern_addr_parse(copy, out);
}

int sip_uri_domain(const struct sip_uri *uri, struct postern_domain *out)
{
	struct postern_addr unused;

	if (uri->scheme > SIP_SCHEME_SIPS)
		return -ENOENT;
	// No name ends in a label that begins with a digit, so addresses fail here.
	if (!uri->host.v6 && postern_domain_parse((const char *)uri->host.text.at,
				     uri->host.text.length, out) == 0)
		return 0;
	return sip_host_address(&uri->host, &unused) == 0 ? -EAFNOSUPPORT : -EINVAL;
}

enum sip_error sip_reference_read(struct sip_cursor *c, struct sip_host *host)
{
	struct postern_addr unused;

	c->at++;
	host->v6 = true;
	host->text = sip_take(c, &sip_set_v6);
	if (sip_peek(c) != ']' || read_v6(&host->text, &unused) < 0)
		return SIP_ERROR_HOST_ADDRESS;
	c->at++;
	return SIP_OK;
}
