// SPDX-License-Identifier: BSD-2-Clause
// Any bytes as a URI, and as a domain name: what is accepted lies inside the input, has one host,
// and a name that was normalised stays as it is when it is normalised again.

#include "sip/sip.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static void check_domain(const struct postern_domain *d)
{
	struct postern_domain again;

	CHECK(d->length > 0 && d->length <= POSTERN_DOMAIN_MAX);
	CHECK(strlen(d->text) == d->length);
	CHECK(postern_domain_parse(d->text, d->length, &again) == 0);
	CHECK(postern_domain_equal(d, &again));
	for (unsigned i = 0; i < d->length; i++)
		CHECK(strchr("abcdefghijklmnopqrstuvwxyz0123456789-_.", d->text[i]));
}

static void check_within(struct sip_span inner, struct sip_span outer)
{
	CHECK(inner.at == NULL ||
		(inner.at >= outer.at && inner.at + inner.length <= outer.at + outer.length));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct sip_span text = {data, (uint32_t)size};
	struct postern_domain domain;
	struct postern_addr addr;
	struct sip_span value;
	struct sip_uri uri;

	if (size == 0)
		return 0;
	if (postern_domain_parse((const char *)data, size, &domain) == 0)
		check_domain(&domain);
	if (sip_uri_parse(text, &uri) != SIP_OK)
		return 0;
	check_within(uri.user, text);
	check_within(uri.password, text);
	check_within(uri.host.text, text);
	check_within(uri.parameters, text);
	check_within(uri.headers, text);
	sip_uri_parameter(&uri, SIP_SPAN("lr"), &value);
	switch (sip_uri_domain(&uri, &domain)) {
	case 0:
		check_domain(&domain);
		// No '@' behind the host, and at most the one before it.
		CHECK(!memchr(uri.host.text.at, '@', (size_t)(data + size - uri.host.text.at)));
		break;
	case -EAFNOSUPPORT:
		CHECK(sip_host_address(&uri.host, &addr) == 0);
		break;
	default:
		break;
	}
	return 0;
}
