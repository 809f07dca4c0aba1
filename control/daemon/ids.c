// SPDX-License-Identifier: BSD-2-Clause
// Ids of listening endpoints and outbound rules. A session in the dataplane names what it belongs to by
// id, so an id keeps its meaning over reloads and is given to another only when no session has it.

#include "control/daemon/daemon.h"

#include <jansson.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define KEY_SIZE (POSTERN_NAME_SIZE + POSTERN_ENDPOINT_TEXT + sizeof("outbound - udp relay"))

struct listen_ids {
	json_t *by_key; // "service address:port transport", "outbound name address" to id
	bool taken[POSTERN_ID_NONE];
	uint16_t next; // where the search for a free id goes on, so that ids rest before reuse
};

struct listen_ids *listen_ids_new(void)
{
	struct listen_ids *ids = calloc(1, sizeof(*ids));

	if (ids == NULL)
		return NULL;
	ids->by_key = json_object();
	if (ids->by_key == NULL) {
		free(ids);
		return NULL;
	}
	return ids;
}

void listen_ids_free(struct listen_ids *ids)
{
	if (ids == NULL)
		return;
	json_decref(ids->by_key);
	free(ids);
}

// The end of a range is left out, so that one that grows keeps its sessions. Those of one mode mean
// nothing to the other.
static void key_write(char key[static KEY_SIZE], const struct config_service *service,
	const struct config_listen *listen)
{
	char text[POSTERN_ENDPOINT_TEXT];

	snprintf(key, KEY_SIZE, "%s %s%s %s%s", service->name,
		postern_endpoint_format(&listen->at, text), listen->last_port != 0 ? "-" : "",
		config_transport_name(service->transport),
		service->mode == CONFIG_MODE_RELAY ? " relay" : "");
}

static int id_get(struct listen_ids *ids, const char *key)
{
	const json_t *known = json_object_get(ids->by_key, key);

	if (known != NULL)
		return (int)json_integer_value(known);
	for (unsigned i = 0; i < POSTERN_ID_NONE; i++) {
		const uint16_t id = (uint16_t)((ids->next + i) % POSTERN_ID_NONE);

		if (ids->taken[id])
			continue;
		if (json_object_set_new(ids->by_key, key, json_integer(id)) < 0)
			return -ENOMEM;
		ids->taken[id] = true;
		ids->next = (uint16_t)((id + 1) % POSTERN_ID_NONE);
		return id;
	}
	return -ENOSPC;
}

int listen_ids_get(struct listen_ids *ids, const struct config_service *service,
	const struct config_listen *listen)
{
	char key[KEY_SIZE];

	key_write(key, service, listen);
	return id_get(ids, key);
}

int listen_ids_get_outbound(struct listen_ids *ids, const struct config_outbound *rule,
	unsigned family, const struct postern_addr *translation)
{
	char key[KEY_SIZE], text[POSTERN_ADDR_TEXT];

	// Names hold no blanks, so that no service's key is like this.
	snprintf(key, KEY_SIZE, "outbound %s %s", rule->name,
		translation != NULL    ? postern_addr_format(translation, text)
		: family == POSTERN_V4 ? "routed4"
				       : "routed6");
	return id_get(ids, key);
}

void listen_ids_sweep(struct listen_ids *ids, const struct postern_snapshot *snapshot,
	const struct postern_dataplane *dp)
{
	bool *wanted = calloc(POSTERN_ID_NONE, sizeof(*wanted));
	const char *key;
	json_t *value;
	void *next;

	if (wanted == NULL)
		return;
	for (unsigned i = 0; i < snapshot->n_listens; i++)
		wanted[snapshot->listens[i].id] = true;
	for (unsigned i = 0; i < snapshot->n_outbounds; i++)
		wanted[snapshot->outbounds[i].id] = true;
	json_object_foreach_safe(ids->by_key, next, key, value)
	{
		const uint16_t id = (uint16_t)json_integer_value(value);

		if (wanted[id] || !postern_listen_is_idle(dp, id))
			continue;
		json_object_del(ids->by_key, key);
		ids->taken[id] = false;
	}
	free(wanted);
}
