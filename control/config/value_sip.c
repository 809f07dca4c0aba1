// SPDX-License-Identifier: BSD-2-Clause
// Reads values that SIP knows: URIs and the status of a response.

#include "control/config/unit.h"
#include "control/config/value.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// "host", "host:port", "1.2.3.4:port" or "[IPv6]:port" in `length` bytes.
static bool is_host_port(const char *text, size_t length)
{
	char host[256];
	struct postern_addr address;
	const char *inner = text, *end = text + length;
	bool v6 = length > 0 && *text == '[';
	const char *close = memchr(text, v6 ? ']' : ':', length);
	if ((v6 && !close) || length >= sizeof(host))
		return false;
	inner += v6;
	size_t n = (size_t)((close ? close : end) - inner);
	const char *rest = close ? close + v6 : end;
	memcpy(host, inner, n);
	host[n] = '\0';
	bool number = postern_addr_parse(host, &address) == 0;
	if (v6 ? !number || postern_addr_is_v4(&address) : !number && !config_is_host(host))
		return false;
	if (rest == end)
		return true;
	uint64_t port = 0;
	const char *behind = *rest == ':' ? config_unit_digits(rest + 1, &port) : NULL;
	return behind == end && port >= 1 && port <= UINT16_MAX;
}

// The sip and sips URIs of RFC 3261 section 19.1.1, without headers and with nothing that would
// have to be escaped in a header field between "<" and ">".
int config_parse_sip_uri(struct config_input *in, void *at)
{
	const char *t = in->text;
	size_t scheme = strncasecmp(t, "sip:", 4) == 0    ? 4
			: strncasecmp(t, "sips:", 5) == 0 ? 5
							  : 0;
	if (scheme == 0)
		return config_wrong(in, "%s does not begin with \"sip:\"", in->quoted);
	for (size_t i = 0; i < in->length; i++)
		if (!isascii(t[i]) ||
			!(isalnum((unsigned char)t[i]) || strchr("-_.!~*'()%&=+$,;:@[]/", t[i])))
			return config_wrong(in,
				"%s holds a character that such a URI does not have", in->quoted);
	const char *host = t + scheme, *sign = strchr(host, '@');
	if (sign == host || (sign && strchr(sign + 1, '@')))
		return config_wrong(in, "%s has no user before the \"@\", or two", in->quoted);
	host = sign ? sign + 1 : host;
	if (!is_host_port(host, strcspn(host, ";")))
		return config_wrong(in, "%s has no host where one must stand", in->quoted);
	return config_store_text(t, at);
}

// A code of a final response (RFC 3261 section 7.2), or a class of them: "2xx", kept as 2.
int config_parse_status(struct config_input *in, void *at)
{
	const char *t = in->text;
	uint32_t status = 0;
	if (in->length == 3 && t[0] >= '2' && t[0] <= '6') {
		if (strcmp(t + 1, "xx") == 0)
			status = (uint32_t)(t[0] - '0');
		else if (isdigit((unsigned char)t[1]) && isdigit((unsigned char)t[2]))
			status = (uint32_t)strtoul(t, NULL, 10);
	}
	if (status == 0)
		return config_wrong(in, "%s is no status of a final SIP response", in->quoted);
	memcpy(at, &status, sizeof(status));
	return 0;
}
