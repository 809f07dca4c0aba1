// SPDX-License-Identifier: BSD-2-Clause
// Resolvers and what DNS answers are held to.

#include "control/config/check.h"

// A lowest TTL above one of the highest.
static void check_ttl(
	struct config_context *ctx, uint32_t lowest, uint32_t highest, const char *key)
{
	if (lowest == SCHEMA_BAD_NUMBER || highest == SCHEMA_BAD_NUMBER || lowest <= highest)
		return;
	config_path_set(ctx, "dns.lowest-ttl");
	config_mistake_here(ctx, "a shorter one", "it is longer than %s", key);
}

void check_dns(struct config_context *ctx, const struct config *c)
{
	for (size_t i = 1; i < c->resolvers.count; i++)
		for (size_t k = 0; k < i; k++) {
			char text[POSTERN_ENDPOINT_TEXT];

			if (c->resolvers.items[i].port == 0 ||
				!postern_endpoint_equal(
					&c->resolvers.items[i], &c->resolvers.items[k]))
				continue;
			config_path_set(ctx, "resolver[%zu]", i);
			config_mistake_here(ctx, "each resolver once",
				"%s is resolver[%zu] already",
				postern_endpoint_format(&c->resolvers.items[i], text), k);
			break;
		}
	check_ttl(ctx, c->dns.lowest_ttl_ms, c->dns.highest_ttl_ms, "highest-ttl");
	check_ttl(ctx, c->dns.lowest_ttl_ms, c->dns.negative_ttl_ms, "highest-negative-ttl");
}
