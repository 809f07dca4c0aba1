// SPDX-License-Identifier: BSD-2-Clause
// Writes DNS answers for tests.

#include "dns_answer.h"

#include <arpa/inet.h>
#include <string.h>

static void put16(struct dns_answer *a, unsigned value)
{
	a->bytes[a->n++] = (uint8_t)(value >> 8);
	a->bytes[a->n++] = (uint8_t)value;
}

static void put32(struct dns_answer *a, uint32_t value)
{
	put16(a, value >> 16);
	put16(a, value & 0xffff);
}

size_t dns_name(uint8_t *out, const char *name)
{
	uint8_t *p = out;

	while (*name != '\0' && strcmp(name, ".") != 0) {
		const size_t n = strcspn(name, ".");

		*p++ = (uint8_t)n;
		memcpy(p, name, n);
		p += n;
		name += n + (name[n] == '.');
	}
	*p++ = 0;
	return (size_t)(p - out);
}

static void put_name(struct dns_answer *a, const char *name)
{
	a->n += dns_name(a->bytes + a->n, name);
}

static void count(struct dns_answer *a, unsigned section)
{
	uint8_t *at = a->bytes + 4 + section * 2;
	const unsigned n = ((unsigned)at[0] << 8 | at[1]) + 1;

	at[0] = (uint8_t)(n >> 8);
	at[1] = (uint8_t)n;
}

void dns_begin(struct dns_answer *a, const uint8_t *question, size_t n, unsigned rcode)
{
	// Without the OPT record, which has 11 bytes.
	a->n = n - 11;
	memcpy(a->bytes, question, a->n);
	a->bytes[2] = 0x81;
	a->bytes[3] = (uint8_t)(0x80 | rcode);
	memset(a->bytes + 6, 0, 6);
}

void dns_begin_for(struct dns_answer *a, const char *name, enum discovery_type type, unsigned rcode)
{
	uint8_t question[WIRE_QUERY_MAX];
	struct postern_domain domain;

	postern_domain_parse(name, strlen(name), &domain);
	dns_begin(a, question, wire_query_write(&domain, type, 4711, question), rcode);
}

void dns_flags(struct dns_answer *a, unsigned set)
{
	a->bytes[2] |= (uint8_t)(set >> 8);
	a->bytes[3] |= (uint8_t)set;
}

void dns_raw(struct dns_answer *a, unsigned section, const char *owner, unsigned type,
	unsigned class, uint32_t ttl, const void *data, size_t n)
{
	put_name(a, owner);
	put16(a, type);
	put16(a, class);
	put32(a, ttl);
	put16(a, (unsigned)n);
	memcpy(a->bytes + a->n, data, n);
	a->n += n;
	count(a, section);
}

void dns_a(struct dns_answer *a, const char *owner, uint32_t ttl, const char *address)
{
	struct in_addr in;

	inet_pton(AF_INET, address, &in);
	dns_raw(a, 1, owner, DISCOVERY_A, 1, ttl, &in, sizeof(in));
}

void dns_aaaa(struct dns_answer *a, const char *owner, uint32_t ttl, const char *address)
{
	struct in6_addr in;

	inet_pton(AF_INET6, address, &in);
	dns_raw(a, 1, owner, DISCOVERY_AAAA, 1, ttl, &in, sizeof(in));
}

void dns_srv(struct dns_answer *a, const char *owner, uint32_t ttl, unsigned priority,
	unsigned weight, unsigned port, const char *target)
{
	struct dns_answer data = {0};

	put16(&data, priority);
	put16(&data, weight);
	put16(&data, port);
	put_name(&data, target);
	dns_raw(a, 1, owner, DISCOVERY_SRV, 1, ttl, data.bytes, data.n);
}

void dns_cname(struct dns_answer *a, const char *owner, uint32_t ttl, const char *target)
{
	uint8_t data[256];

	dns_raw(a, 1, owner, 5, 1, ttl, data, dns_name(data, target));
}

void dns_soa(struct dns_answer *a, const char *zone, uint32_t ttl, uint32_t minimum)
{
	struct dns_answer data = {0};

	put_name(&data, "ns.example.net");
	put_name(&data, "hostmaster.example.net");
	put32(&data, 1);
	put32(&data, 7200);
	put32(&data, 3600);
	put32(&data, 86400);
	put32(&data, minimum);
	dns_raw(a, 2, zone, 6, 1, ttl, data.bytes, data.n);
}

void dns_opt(struct dns_answer *a, int extended, unsigned rcode_high)
{
	struct dns_answer data = {0};

	if (extended >= 0) {
		put16(&data, 15);
		put16(&data, 2 + 4);
		put16(&data, (unsigned)extended);
		memcpy(data.bytes + data.n, "text", 4);
		data.n += 4;
	}
	dns_raw(a, 3, ".", 41, 1232, rcode_high << 24, data.bytes, data.n);
}
