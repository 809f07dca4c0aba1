// SPDX-License-Identifier: BSD-2-Clause
// The checks that relate values to each other, by subject. Each finds all mistakes of its own
// kind and keeps quiet about values that are marked as wrong. Private to this folder.

#pragma once

#include "control/config/context.h"
#include "control/config/schema.h"

// A name, and the index of the object that has it.
struct check_name {
	const char *name;
	size_t index;
};

struct check_names {
	struct check_name *items;
	size_t count;
	bool broken; // some names were wrong
};

// Collects the names of objects whose first member is `char *name`, sorted, and reports those
// that stand twice. `path` is that of the list. The table is freed by the caller with free().
struct check_names check_names_collect(struct config_context *ctx, const char *path,
	const void *items, size_t count, size_t stride);
const struct check_name *check_names_find(const struct check_names *names, const char *name);

// Says at the context's path that nothing has this name, and what has one.
void check_unknown_name(struct config_context *ctx, const char *kind, const char *name,
	const struct check_names *names);

// What postern itself answers on or sends from.
void check_own_addresses(struct config_context *ctx, const struct config *c);

// Interfaces: devices, gateways, routes.
void check_interfaces(struct config_context *ctx, const struct config *c);

// Probes of a pool and of its members.
void check_probes(struct config_context *ctx, const struct config_pool *pool, size_t index);

// Whether the interfaces lead to every member, with a source address of its family.
void check_reach(struct config_context *ctx, const struct config *c);

// Services: profiles, ranges, and that no port is taken twice.
void check_services(struct config_context *ctx, const struct config *c);

// Resolvers, and what their answers are held to.
void check_dns(struct config_context *ctx, const struct config *c);

// Organisations and their domains.
void check_organisations(struct config_context *ctx, const struct config *c);

// Files of object `index` of "pools" or "services".
void check_tls(
	struct config_context *ctx, const struct config_tls *tls, const char *list, size_t index);

// What of services works and is probably not meant. `pools` are the names of all pools.
void check_service_warnings(
	struct config_context *ctx, const struct config *c, const struct check_names *pools);

// Services in relay mode: their rules, and keys of the other mode.
void check_relays(
	struct config_context *ctx, const struct config *c, const struct check_names *pools);

// Outbound rules: names, and what belongs to which mode. The tables are of all pools and interfaces.
void check_outbound(struct config_context *ctx, const struct config *c,
	const struct check_names *pools, const struct check_names *interfaces);
void check_outbound_warnings(
	struct config_context *ctx, const struct config *c, const struct check_names *pools);

// Whether every address of a service or an outbound rule is announced by exactly one interface.
void check_sides(struct config_context *ctx, const struct config *c);

// True if all addresses of all interfaces are good, so that it can be said where others lie.
bool check_interfaces_are_good(const struct config *c);

bool check_prefix_is_good(const struct postern_prefix *p);
bool check_on_link(const struct config_interface *i, const struct postern_addr *a);
