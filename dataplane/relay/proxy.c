// SPDX-License-Identifier: BSD-2-Clause
// The PROXY protocol, version 2 (haproxy.org, proxy-protocol.txt 2.2): tells a member who the client is,
// and which server name it asked for.

#include "relay/private.h"

#include <rte_byteorder.h>

#include <string.h>

#define VERSION_PROXY 0x21u // version 2, command PROXY
#define TCP_OVER_V4   0x11u
#define TCP_OVER_V6   0x21u
#define TLV_AUTHORITY 0x02u

#define HEADER 16u

static unsigned put(uint8_t *to, const void *from, size_t size)
{
	memcpy(to, from, size);
	return (unsigned)size;
}

unsigned relay_proxy_write(const struct relay_session *s, uint8_t out[static RELAY_PROXY_MAX])
{
	static const uint8_t signature[12] = "\r\n\r\n\0\r\nQUIT\n";
	const bool v4 = postern_addr_is_v4(&s->client.addr);
	const size_t skip = v4 ? 12 : 0;
	const uint16_t ports[2] = {
		rte_cpu_to_be_16(s->client.port), rte_cpu_to_be_16(s->local.port)};
	const size_t name = strlen(s->name);
	unsigned at = put(out, signature, sizeof(signature));

	out[at++] = VERSION_PROXY;
	out[at++] = v4 ? TCP_OVER_V4 : TCP_OVER_V6;
	at += 2; // length
	at += put(out + at, s->client.addr.bytes + skip, 16 - skip);
	at += put(out + at, s->local.addr.bytes + skip, 16 - skip);
	at += put(out + at, ports, sizeof(ports));
	// One that was cut would be another name.
	if (name > 0 && name < sizeof(s->name) - 1) {
		out[at++] = TLV_AUTHORITY;
		out[at++] = 0;
		out[at++] = (uint8_t)name;
		at += put(out + at, s->name, name);
	}
	const uint16_t length = rte_cpu_to_be_16((uint16_t)(at - HEADER));

	memcpy(out + 14, &length, sizeof(length));
	return at;
}
