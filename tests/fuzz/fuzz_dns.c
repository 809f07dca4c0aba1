// SPDX-License-Identifier: BSD-2-Clause
// Any bytes as a resolver's answer. What must hold: nothing is read beyond them, what counts is within
// its bounds and belongs to the question, and the order of servers loses none.

#include "control/discovery/private.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool right)
{
	if (!right)
		abort();
}

static void check_record(const struct discovery_record *r, enum discovery_type type)
{
	struct postern_domain again;

	need(r->type == type);
	need(r->ttl <= INT32_MAX);
	if (type != DISCOVERY_SRV) {
		need(postern_addr_is_v4(&r->address) == (type == DISCOVERY_A));
		need(!postern_addr_is_none(&r->address));
		return;
	}
	need(r->target.length == 0 || r->port != 0);
	need(r->target.length <= POSTERN_DOMAIN_MAX && r->target.text[r->target.length] == '\0');
	// Targets are names as the tables have them.
	if (r->target.length > 0)
		need(postern_domain_parse(r->target.text, r->target.length, &again) == 0 &&
			postern_domain_equal(&again, &r->target));
}

static uint32_t draw(void *user, uint32_t below)
{
	uint32_t *seed = user;

	*seed = *seed * 1664525 + 1013904223;
	return (*seed >> 8) % below;
}

static void check_order(struct wire_answer *a, enum discovery_order order, uint32_t seed)
{
	uint64_t before = 0, after = 0;

	for (unsigned i = 0; i < a->n_records; i++)
		before += (uint64_t)a->records[i].weight << 32 | a->records[i].port;
	order_records(a->records, a->n_records, order, draw, &seed);
	for (unsigned i = 0; i < a->n_records; i++) {
		after += (uint64_t)a->records[i].weight << 32 | a->records[i].port;
		need(i == 0 || a->records[i - 1].priority <= a->records[i].priority);
	}
	need(before == after);
}

// The first byte chooses type and whether the answer begins with a good header and question, which
// mutation alone seldom finds.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum discovery_type types[] = {DISCOVERY_SRV, DISCOVERY_A, DISCOVERY_AAAA};
	static struct wire_answer a;
	static uint8_t bytes[WIRE_QUERY_MAX + 65536];
	static const struct postern_domain name = {.length = 9, .text = "a.example"};
	const char *why = NULL;
	size_t n = 0;

	if (size < 10 || size > 65536)
		return 0;
	const enum discovery_type type = types[data[0] % 3];

	if (data[0] & 0x80) {
		n = wire_query_write(&name, type, 1, bytes) - 11;
		bytes[2] = (uint8_t)(0x80 | (data[1] & 2));
		memcpy(bytes + 3, data + 2, 1);
		memcpy(bytes + 6, data + 3, 6);
		data += 8;
		size -= 8;
	}
	memcpy(bytes + n, data + 1, size - 1);
	n += size - 1;
	// In a place of its own size, so that a step beyond it is seen.
	uint8_t *exact = malloc(n);

	if (exact == NULL)
		return 0;
	memcpy(exact, bytes, n);
	const int rc = wire_answer_read(exact, n, &name, type, &a, &why);

	free(exact);
	need(rc == 0 || why != NULL);
	if (rc < 0)
		return 0;
	need(a.n_records <= DISCOVERY_RECORDS_MAX && a.aliases <= WIRE_ALIASES_MAX);
	need(!a.negative || a.n_records == 0);
	need(a.ttl <= INT32_MAX);
	need(!a.bogus || a.rcode == DISCOVERY_SERVFAIL);
	for (unsigned i = 0; i < a.n_records; i++)
		check_record(&a.records[i], type);
	if (type == DISCOVERY_SRV) {
		check_order(&a, DISCOVERY_ORDER_RFC2782, data[0]);
		check_order(&a, DISCOVERY_ORDER_PARTNER, data[0]);
	}
	return 0;
}
