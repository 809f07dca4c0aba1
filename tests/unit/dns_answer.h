// SPDX-License-Identifier: BSD-2-Clause
// Writes DNS answers for tests, good ones and others, byte by byte.

#pragma once

#include "control/discovery/wire.h"

struct dns_answer {
	size_t n;
	uint8_t bytes[65536];
};

// An answer to the question in these bytes, without records yet.
void dns_begin(struct dns_answer *a, const uint8_t *question, size_t n, unsigned rcode);
// An answer to a question by name.
void dns_begin_for(
	struct dns_answer *a, const char *name, enum discovery_type type, unsigned rcode);
void dns_flags(struct dns_answer *a, unsigned set); // further bits of the flags
// Records into the answer section, in the order of calls; sections in their order.
void dns_a(struct dns_answer *a, const char *owner, uint32_t ttl, const char *address);
void dns_aaaa(struct dns_answer *a, const char *owner, uint32_t ttl, const char *address);
void dns_srv(struct dns_answer *a, const char *owner, uint32_t ttl, unsigned priority,
	unsigned weight, unsigned port, const char *target);
void dns_cname(struct dns_answer *a, const char *owner, uint32_t ttl, const char *target);
// Into the authority section.
void dns_soa(struct dns_answer *a, const char *zone, uint32_t ttl, uint32_t minimum);
// Into the additional section: OPT with an extended error; negative: without one.
void dns_opt(struct dns_answer *a, int extended, unsigned rcode_high);
// Any record.
void dns_raw(struct dns_answer *a, unsigned section, const char *owner, unsigned type,
	unsigned class, uint32_t ttl, const void *data, size_t n);
// The name as labels; returns how many bytes.
size_t dns_name(uint8_t *out, const char *name);
