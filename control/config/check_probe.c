// SPDX-License-Identifier: BSD-2-Clause
// Probes: values that do not go together, and keys that the kind of probe has no use for.

#include "control/config/check.h"

#include <string.h>
#include <strings.h>

// A block of settings: that of a pool, or one of a member.
struct block {
	const struct config_probe *probe;
	const struct config_pool *pool;
	bool whole_pool;
	char path[96];
};

// True if a mistake has been told of this key.
static bool is_wrong(const struct config_context *ctx, const char *block, const char *key)
{
	char path[128];
	snprintf(path, sizeof(path), "%s.%s", block, key);
	return config_was_wrong(ctx, path);
}

static bool is_given(const struct config_probe *p, const char *key)
{
	const struct schema_field *f = schema_field_find(&config_probe_schema, key);
	return p->given & (UINT32_C(1) << (f - config_probe_schema.fields));
}

// True if the block has at least one of two keys of its own; a mistake in what a member takes from
// its pool is told there.
static bool is_own(const struct block *b, const char *key, const char *other)
{
	return b->whole_pool || is_given(b->probe, key) || is_given(b->probe, other);
}

static void check_timeout(struct config_context *ctx, const struct block *b)
{
	const struct config_probe *p = b->probe;
	if (p->timeout_ms == SCHEMA_BAD_NUMBER || p->timeout_ms <= p->interval_ms ||
		!is_own(b, "timeout", "interval"))
		return;
	config_path_set(ctx, "%s.timeout", b->path);
	config_mistake_here(ctx, "a timeout of at most the interval",
		"the timeout (%u ms) is longer than the interval (%u ms)", p->timeout_ms,
		p->interval_ms);
}

// A pool's block also says what its members' blocks do not.
static bool is_used(const struct schema_field *f, const struct block *b)
{
	if (f->applies(b->probe))
		return true;
	for (size_t i = 0; b->whole_pool && i < b->pool->members.count; i++)
		if (f->applies(config_member_probe(b->pool, &b->pool->members.items[i])))
			return true;
	return false;
}

static void check_kind(struct config_context *ctx, const struct block *b)
{
	for (size_t i = 0; i < config_probe_schema.count; i++) {
		const struct schema_field *f = &config_probe_schema.fields[i];
		if (!f->applies || !(b->probe->given & (UINT32_C(1) << i)) || is_used(f, b))
			continue;
		config_path_set(ctx, "%s.%s", b->path, f->key);
		config_mistake_here(ctx,
			b->probe->kind == CONFIG_PROBE_NONE
				? "another kind of probe, or leave the key out"
				: "kind: sip-options, or leave the key out",
			"a probe of this kind has no use for the key \"%s\"", f->key);
	}
}

static bool holds(const uint32_t *items, size_t count, uint32_t status)
{
	for (size_t i = 0; i < count; i++)
		if (items[i] == status)
			return true;
	return false;
}

// A code in both lists is a mistake; classes overlap by default, and not-alive counts.
static void check_answers(struct config_context *ctx, const struct block *b)
{
	const struct config_probe *p = b->probe;
	size_t dead = 0;
	// One that was wrong may have been any.
	if (holds(p->alive.items, p->alive.count, SCHEMA_BAD_NUMBER) ||
		holds(p->not_alive.items, p->not_alive.count, SCHEMA_BAD_NUMBER))
		return;
	for (size_t i = 0; i < p->alive.count; i++) {
		uint32_t status = p->alive.items[i];
		if (!holds(p->not_alive.items, p->not_alive.count, status))
			continue;
		dead++;
		if (status < 10)
			continue;
		config_path_set(ctx, "%s.alive[%zu]", b->path, i);
		config_mistake_here(ctx,
			"each status in one of the two; \"not-alive: []\" empties it",
			"%u stands in \"not-alive\" as well, where 503 and 504 are by default",
			status);
		return;
	}
	if (p->alive.count == 0 || dead < p->alive.count)
		return;
	config_path_set(ctx, "%s.not-alive", b->path);
	config_mistake_here(ctx, "a status or class in \"alive\" that is not here",
		"no answer would mean that a member is alive");
}

static void check_sips(struct config_context *ctx, const struct block *b)
{
	const struct config_probe *p = b->probe;
	// A transport that was wrong reads as the default.
	if (p->transport != CONFIG_TRANSPORT_TCP || !p->uri || strncasecmp(p->uri, "sips:", 5) != 0)
		return;
	config_path_set(ctx, "%s.uri", b->path);
	config_mistake_here(ctx, "a URI that begins with \"sip:\", or transport: tls",
		"a sips URI is never asked over plain TCP");
}

static void check_block(struct config_context *ctx, const struct block *b)
{
	char pool[96];
	check_timeout(ctx, b);
	// A kind that was wrong may have been any, here or where it comes from.
	snprintf(pool, sizeof(pool), "%.*s.probe", (int)strcspn(b->path, "."), b->path);
	if (is_wrong(ctx, b->path, "kind") || is_wrong(ctx, pool, "kind"))
		return;
	check_kind(ctx, b);
	if (b->probe->kind != CONFIG_PROBE_SIP)
		return;
	bool fresh = b->pool->probe.kind != CONFIG_PROBE_SIP; // the pool's was not looked at
	if (fresh || is_own(b, "alive", "not-alive"))
		check_answers(ctx, b);
	if (fresh || is_own(b, "transport", "uri"))
		check_sips(ctx, b);
}

void check_probes(struct config_context *ctx, const struct config_pool *pool, size_t index)
{
	struct block b = {.probe = &pool->probe, .pool = pool, .whole_pool = true};
	snprintf(b.path, sizeof(b.path), "pools[%zu].probe", index);
	check_block(ctx, &b);
	b.whole_pool = false;
	for (size_t i = 0; i < pool->members.count; i++) {
		b.probe = &pool->members.items[i].probe;
		snprintf(b.path, sizeof(b.path), "pools[%zu].members[%zu].probe", index, i);
		if (b.probe->line)
			check_block(ctx, &b);
	}
}
