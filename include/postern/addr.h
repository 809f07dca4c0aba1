// SPDX-License-Identifier: BSD-2-Clause
// Addresses, prefixes and endpoints as both halves know them, and their text forms.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// An IPv4 or IPv6 address in network byte order. IPv4 is held as ::ffff:a.b.c.d (RFC 4291
// 2.5.5.2), so that one compare of 16 bytes serves both families; a packet that carries such an
// address in a real IPv6 header is dropped at input (reason "martian") and cannot be confused.
struct postern_addr {
	union {
		uint8_t bytes[16];
		uint32_t words[4];
		uint64_t quads[2];
	};
};

struct postern_prefix {
	struct postern_addr addr;
	uint8_t length; // bits of the family's own address: 0-32 for IPv4, 0-128 for IPv6
};

struct postern_endpoint {
	struct postern_addr addr;
	uint16_t port; // host byte order
};

// Sizes of text forms, terminating NUL included: the longest IPv6 text is 45 characters, with
// "[", "]", ":65535" 53, with "/128" 49.
#define POSTERN_ADDR_TEXT     46
#define POSTERN_PREFIX_TEXT   50
#define POSTERN_ENDPOINT_TEXT 54

// ::ffff:0:0/96 as the two halves of its upper 96 bits, in memory order.
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define POSTERN_V4_MAPPED_WORD 0xffff0000u
#else
#define POSTERN_V4_MAPPED_WORD 0x0000ffffu
#endif

static inline bool postern_addr_is_v4(const struct postern_addr *a)
{
	return a->quads[0] == 0 && a->words[2] == POSTERN_V4_MAPPED_WORD;
}

// Makes an address of an IPv4 address in network byte order.
static inline struct postern_addr postern_addr_from_v4(uint32_t be)
{
	return (struct postern_addr){.words = {0, 0, POSTERN_V4_MAPPED_WORD, be}};
}

static inline bool postern_addr_equal(const struct postern_addr *a, const struct postern_addr *b)
{
	return ((a->quads[0] ^ b->quads[0]) | (a->quads[1] ^ b->quads[1])) == 0;
}

// True for the all-zero value, which stands for "no address given" in configuration.
static inline bool postern_addr_is_none(const struct postern_addr *a)
{
	return (a->quads[0] | a->quads[1]) == 0;
}

static inline bool postern_endpoint_equal(
	const struct postern_endpoint *a, const struct postern_endpoint *b)
{
	return a->port == b->port && postern_addr_equal(&a->addr, &b->addr);
}

// True if the address lies inside the prefix; families never match each other.
bool postern_prefix_contains(const struct postern_prefix *p, const struct postern_addr *a);

// The functions below read text in the usual forms ("192.0.2.1", "2001:db8::1", "192.0.2.1/24",
// "192.0.2.1:5061", "[2001:db8::1]:5061"). They return 0, or -EINVAL and leave *out alone.
// A prefix keeps its host bits, since an interface's address is written as one.
// The IPv4-mapped text form "::ffff:192.0.2.1" is refused. Any thread may call.
int postern_addr_parse(const char *text, struct postern_addr *out);
int postern_prefix_parse(const char *text, struct postern_prefix *out);
int postern_endpoint_parse(const char *text, struct postern_endpoint *out);

// The functions below write the text form into the caller's buffer of the size named above
// and return it. Any thread may call.
const char *postern_addr_format(const struct postern_addr *a, char buf[static POSTERN_ADDR_TEXT]);
const char *postern_prefix_format(
	const struct postern_prefix *p, char buf[static POSTERN_PREFIX_TEXT]);
const char *postern_endpoint_format(
	const struct postern_endpoint *e, char buf[static POSTERN_ENDPOINT_TEXT]);
