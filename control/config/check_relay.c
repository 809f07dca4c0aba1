// SPDX-License-Identifier: BSD-2-Clause
// Services in relay mode: what their rules say, and which keys belong to which mode.

#include "control/config/check.h"

#include <string.h>

static void check_target(struct config_context *ctx, const struct config_choose *rule,
	const struct check_names *pools, const char *path)
{
	char key[96];
	snprintf(key, sizeof(key), "%s.pool", path);
	config_path_set(ctx, "%s", key);
	if (rule->pool && rule->refuse)
		config_mistake_here(ctx, "one of the two", "a rule has a pool and refuse: true");
	else if (rule->pool && !check_names_find(pools, rule->pool))
		check_unknown_name(ctx, "pool", rule->pool, pools);
	else if (!rule->pool && !rule->refuse && !config_was_wrong(ctx, key)) {
		config_path_set(ctx, "%s", path);
		config_mistake_here(ctx, "pool, or refuse: true", "a rule does not say where to");
	}
}

static bool asks_for_tls(const struct config_choose *rule)
{
	for (size_t i = 0; i < rule->first.count; i++)
		if (rule->first.items[i] == POSTERN_HELLO_TLS)
			return true;
	return false;
}

static void check_conditions(
	struct config_context *ctx, const struct config_choose *rule, const char *path)
{
	const bool names = rule->server_names.count > 0 || rule->organisation;
	if (rule->no_server_name && names) {
		config_path_set(ctx, "%s.no-server-name", path);
		config_mistake_here(ctx, "a rule for each",
			"a hello without a server name has none of these names");
	}
	if (rule->server_names.count > 0 && rule->organisation) {
		config_path_set(ctx, "%s.organisation", path);
		config_mistake_here(ctx, "a rule for each",
			"a rule takes its server names from a list or from an organisation");
	}
	char key[96];
	snprintf(key, sizeof(key), "%s.first", path);
	if (asks_for_tls(rule) || config_was_wrong(ctx, key) || !(names || rule->alpn.count > 0))
		return;
	config_path_set(ctx, "%s", key);
	config_mistake_here(ctx, "first: tls, or no names and protocols",
		"only a ClientHello of TLS names a server or protocols");
}

static void check_organisation(struct config_context *ctx, const struct config *c,
	const struct config_choose *rule, const char *path)
{
	if (!rule->organisation || config_organisation_find(c, rule->organisation))
		return;
	config_path_set(ctx, "%s.organisation", path);
	config_mistake_here(ctx, "the name of one of organisations",
		"there is no organisation \"%s\"", rule->organisation);
}

// What relay mode does otherwise, and what forward mode has no use for.
static void check_mode(struct config_context *ctx, const struct config_service *s, size_t index)
{
	if (s->mode == CONFIG_MODE_FORWARD) {
		config_path_set(ctx, "services[%zu].choose", index);
		if (s->choose.count > 0)
			config_mistake_here(ctx, "mode: relay",
				"mode: forward chooses by the first packet and reads no hello");
		config_path_set(ctx, "services[%zu].proxy-protocol", index);
		if (s->proxy_protocol != CONFIG_PROXY_NONE)
			config_mistake_here(
				ctx, "mode: relay", "mode: forward puts nothing into sessions");
		return;
	}
	config_path_set(ctx, "services[%zu].transport", index);
	if (s->transport == CONFIG_SERVICE_UDP)
		config_mistake_here(ctx, "transport: tcp, or mode: forward",
			"mode: relay ends TCP connections");
	config_path_set(ctx, "services[%zu].translate", index);
	if (s->translate == CONFIG_TRANSLATE_DESTINATION)
		config_mistake_here(ctx,
			"proxy-protocol: v2, which tells members the client's address; or mode: "
			"forward",
			"in mode: relay members are connected to from addresses of postern");
	for (size_t i = 0; i < s->listen.count; i++) {
		config_path_set(ctx, "services[%zu].listen[%zu]", index, i);
		if (s->listen.items[i].last_port)
			config_mistake_here(ctx, "one port, or mode: forward",
				"a range of ports is for mode: forward");
	}
}

void check_relays(
	struct config_context *ctx, const struct config *c, const struct check_names *pools)
{
	for (size_t i = 0; i < c->services.count; i++) {
		const struct config_service *s = &c->services.items[i];
		check_mode(ctx, s, i);
		for (size_t k = 0; k < s->choose.count; k++) {
			char path[64];
			snprintf(path, sizeof(path), "services[%zu].choose[%zu]", i, k);
			check_target(ctx, &s->choose.items[k], pools, path);
			check_conditions(ctx, &s->choose.items[k], path);
			check_organisation(ctx, c, &s->choose.items[k], path);
		}
	}
}
