// SPDX-License-Identifier: BSD-2-Clause
// Text forms of addresses, prefixes and endpoints.

#include "postern/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define V4_OFFSET_BITS 96 // where the IPv4 address begins in ::ffff:0:0/96

bool postern_prefix_contains(const struct postern_prefix *p, const struct postern_addr *a)
{
	const bool v4 = postern_addr_is_v4(&p->addr);

	if (v4 != postern_addr_is_v4(a))
		return false;
	const unsigned bits = p->length + (v4 ? V4_OFFSET_BITS : 0u);
	const unsigned whole = bits / 8;
	const unsigned rest = bits % 8;

	if (memcmp(p->addr.bytes, a->bytes, whole) != 0)
		return false;
	if (rest == 0)
		return true;
	return ((p->addr.bytes[whole] ^ a->bytes[whole]) >> (8 - rest)) == 0;
}

int postern_addr_parse(const char *text, struct postern_addr *out)
{
	struct in_addr v4;
	struct postern_addr v6;

	if (inet_pton(AF_INET, text, &v4) == 1) {
		*out = postern_addr_from_v4(v4.s_addr);
		return 0;
	}
	if (inet_pton(AF_INET6, text, v6.bytes) != 1 || postern_addr_is_v4(&v6))
		return -EINVAL;
	*out = v6;
	return 0;
}

// Reads decimal digits alone: no sign, no space, nothing behind, no zero before other digits, which
// some read as octal.
static int number_parse(const char *text, unsigned max, unsigned *out)
{
	unsigned value = 0;

	if (*text == '\0' || (text[0] == '0' && text[1] != '\0'))
		return -EINVAL;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		value = value * 10 + (unsigned)(*text - '0');
		if (value > max)
			return -EINVAL;
	}
	*out = value;
	return 0;
}

// Copies text[0..length) into a buffer of POSTERN_ADDR_TEXT and reads it as an address.
static int addr_parse_part(const char *text, size_t length, struct postern_addr *out)
{
	char part[POSTERN_ADDR_TEXT];

	if (length >= sizeof(part))
		return -EINVAL;
	memcpy(part, text, length);
	part[length] = '\0';
	return postern_addr_parse(part, out);
}

int postern_prefix_parse(const char *text, struct postern_prefix *out)
{
	const char *slash = strchr(text, '/');
	struct postern_addr addr;
	unsigned length;

	if (slash == NULL || addr_parse_part(text, (size_t)(slash - text), &addr) < 0)
		return -EINVAL;
	if (number_parse(slash + 1, postern_addr_is_v4(&addr) ? 32 : 128, &length) < 0)
		return -EINVAL;
	*out = (struct postern_prefix){.addr = addr, .length = (uint8_t)length};
	return 0;
}

int postern_endpoint_parse(const char *text, struct postern_endpoint *out)
{
	const bool bracketed = text[0] == '[';
	const char *colon = bracketed ? strstr(text, "]:") : strchr(text, ':');
	struct postern_addr addr;
	unsigned port;

	if (colon == NULL)
		return -EINVAL;
	const char *start = bracketed ? text + 1 : text;

	if (addr_parse_part(start, (size_t)(colon - start), &addr) < 0)
		return -EINVAL;
	if (postern_addr_is_v4(&addr) == bracketed)
		return -EINVAL;
	if (number_parse(colon + (bracketed ? 2 : 1), UINT16_MAX, &port) < 0 || port == 0)
		return -EINVAL;
	*out = (struct postern_endpoint){.addr = addr, .port = (uint16_t)port};
	return 0;
}

const char *postern_addr_format(const struct postern_addr *a, char buf[static POSTERN_ADDR_TEXT])
{
	if (postern_addr_is_v4(a))
		inet_ntop(AF_INET, &a->words[3], buf, POSTERN_ADDR_TEXT);
	else
		inet_ntop(AF_INET6, a->bytes, buf, POSTERN_ADDR_TEXT);
	return buf;
}

const char *postern_prefix_format(
	const struct postern_prefix *p, char buf[static POSTERN_PREFIX_TEXT])
{
	char addr[POSTERN_ADDR_TEXT];

	snprintf(buf, POSTERN_PREFIX_TEXT, "%s/%u", postern_addr_format(&p->addr, addr), p->length);
	return buf;
}

const char *postern_endpoint_format(
	const struct postern_endpoint *e, char buf[static POSTERN_ENDPOINT_TEXT])
{
	char addr[POSTERN_ADDR_TEXT];
	const bool v4 = postern_addr_is_v4(&e->addr);

	snprintf(buf, POSTERN_ENDPOINT_TEXT, "%s%s%s:%u", v4 ? "" : "[",
		postern_addr_format(&e->addr, addr), v4 ? "" : "]", e->port);
	return buf;
}
