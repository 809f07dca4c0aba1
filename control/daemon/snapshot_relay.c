// SPDX-License-Identifier: BSD-2-Clause
// The rules of services in relay mode as the dataplane has them.

#include "control/daemon/daemon.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool text_add(struct postern_texts *to, const char *before, const char *text)
{
	if (asprintf(&to->items[to->n], "%s%s", before, text) < 0)
		return false;
	to->n++;
	return true;
}

static bool texts_copy(struct postern_texts *to, char *const *items, size_t count)
{
	to->items = calloc(count + 1, sizeof(*to->items));
	if (to->items == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
		if (!text_add(to, "", items[i]))
			return false;
	return true;
}

// An organisation's server names are its domains and all below: sip.contoso.com, as partners connect to.
static bool names_of(struct postern_texts *to, const struct config_organisation *o)
{
	to->items = calloc(2 * o->domains.count + 1, sizeof(*to->items));
	if (to->items == NULL)
		return false;
	for (size_t i = 0; i < o->domains.count; i++)
		if (!text_add(to, "", o->domains.items[i]) ||
			!text_add(to, "*.", o->domains.items[i]))
			return false;
	return true;
}

static bool rule_fill(struct postern_relay_rule *to, const struct config *c,
	const struct config_choose *from, const struct pool_set *pools)
{
	for (size_t i = 0; i < from->first.count; i++)
		to->kinds |= (uint16_t)(1u << from->first.items[i]);
	to->version_at_most = config_version_number(from->version);
	to->no_name = from->no_server_name;
	to->pool = from->refuse ? POSTERN_ID_NONE : pool_set_find(pools, from->pool)->id;
	if (from->organisation != NULL &&
		!names_of(&to->names, config_organisation_find(c, from->organisation)))
		return false;
	if (from->organisation == NULL &&
		!texts_copy(&to->names, from->server_names.items, from->server_names.count))
		return false;
	return texts_copy(&to->protocols, from->alpn.items, from->alpn.count);
}

bool snapshot_relay_fill(struct postern_service *to, const struct config *c,
	const struct config_service *from, const struct pool_set *pools)
{
	if (from->mode != CONFIG_MODE_RELAY)
		return true;
	to->mode = POSTERN_MODE_RELAY;
	to->proxy_protocol = from->proxy_protocol == CONFIG_PROXY_V2;
	to->rules = calloc(from->choose.count + 1, sizeof(*to->rules));
	if (to->rules == NULL)
		return false;
	for (size_t i = 0; i < from->choose.count; i++)
		if (!rule_fill(&to->rules[to->n_rules++], c, &from->choose.items[i], pools))
			return false;
	return true;
}
