// SPDX-License-Identifier: BSD-2-Clause
// service: what postern answers on, and what has come there.

#include "control/alarm/alarm.h"
#include "control/config/config.h"
#include "control/pool/pool.h"
#include "control/rpc/internal.h"

#include "postern/dataplane.h"
#include "postern/snapshot.h"

#include <string.h>

const struct config_service *rpc_find_service(
	struct rpc_call *call, struct rpc_context *context, const char *name)
{
	const struct config *config = context->config(context->daemon);
	struct rpc_names names = {0};

	for (size_t i = 0; i < config->services.count; i++) {
		if (strcmp(config->services.items[i].name, name) == 0)
			return &config->services.items[i];
		rpc_names_add(&names, config->services.items[i].name);
	}
	rpc_fail_not_found(call, "service", name, rpc_names_text(&names, NULL));
	return NULL;
}

// The service's id in the running snapshot; POSTERN_ID_NONE if it is not in it.
static uint16_t service_id(const struct postern_snapshot *s, const char *name)
{
	for (uint16_t i = 0; s && i < s->n_services; i++)
		if (strcmp(s->services[i].name, name) == 0)
			return s->services[i].id;
	return POSTERN_ID_NONE;
}

static json_t *listen_text(const struct config_listen *l)
{
	char text[CONFIG_LISTEN_TEXT];

	return json_string(config_listen_format(l, text));
}

static json_t *listen_object(const struct rpc_context *context,
	const struct config_service *service, const struct postern_snapshot *s,
	const struct postern_listen *l, struct postern_listen_stats *sum)
{
	const struct pool *pool = pool_set_find(context->pools, service->pool);
	struct postern_listen_stats stats = {0};

	postern_listen_read(context->dp, l->id, &stats);
	sum->opened += stats.opened;
	sum->refused += stats.refused;
	sum->not_admitted += stats.not_admitted;
	sum->observed += stats.observed;
	sum->bytes_in += stats.bytes_in;
	sum->bytes_out += stats.bytes_out;
	sum->sessions += stats.sessions;
	sum->ending += stats.ending;
	return json_pack("{s:o, s:o, s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "address",
		listen_text(&(struct config_listen){l->at, l->last_port}), "interface",
		l->interface < s->n_interfaces ? rpc_text(s->interfaces[l->interface].name)
					       : json_null(),
		"taking", (int)alarm_taking(pool, &l->at.addr), "sessions",
		rpc_uint(stats.sessions - stats.ending), "ending", rpc_uint(stats.ending), "opened",
		rpc_uint(stats.opened), "refused", rpc_uint(stats.refused), "bytes-in",
		rpc_uint(stats.bytes_in), "bytes-out", rpc_uint(stats.bytes_out));
}

static json_t *listen_list(const struct rpc_context *context, const struct config_service *service,
	struct postern_listen_stats *sum)
{
	const struct postern_snapshot *s = context->snapshot(context->daemon);
	uint16_t id = service_id(s, service->name);
	json_t *list = json_array();

	for (uint16_t i = 0; s && id != POSTERN_ID_NONE && i < s->n_listens; i++)
		if (s->listens[i].service == id)
			json_array_append_new(
				list, listen_object(context, service, s, &s->listens[i], sum));
	return list;
}

static json_t *addresses(const struct config_service *service)
{
	json_t *list = json_array();

	for (size_t i = 0; i < service->listen.count; i++)
		json_array_append_new(list, listen_text(&service->listen.items[i]));
	return list;
}

static json_t *row(const struct config_service *service, const struct postern_listen_stats *sum)
{
	return json_pack("{s:o, s:s, s:o, s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "name",
		rpc_text(service->name), "mode", config_mode_name(service->mode), "pool",
		rpc_text(service->pool), "transport", config_transport_name(service->transport),
		"listen", addresses(service), "translate",
		config_translate_name(service->translate), "sessions",
		rpc_uint(sum->sessions - sum->ending), "ending", rpc_uint(sum->ending), "opened",
		rpc_uint(sum->opened), "refused", rpc_uint(sum->refused), "bytes-in",
		rpc_uint(sum->bytes_in), "bytes-out", rpc_uint(sum->bytes_out));
}

static void service_list(struct rpc_call *call, const json_t *params, void *user)
{
	const struct rpc_context *context = user;
	const struct config *config = context->config(context->daemon);
	json_t *items = json_array();

	(void)params;
	for (size_t i = 0; i < config->services.count; i++) {
		struct postern_listen_stats sum = {0};

		json_decref(listen_list(context, &config->services.items[i], &sum));
		json_array_append_new(items, row(&config->services.items[i], &sum));
	}
	rpc_reply_list(call, items, NULL);
}

// Who is let in, and how many were not.
static json_t *admission_object(const struct rpc_context *context,
	const struct config_service *service, const struct postern_listen_stats *sum)
{
	const char *organisation =
		config_service_organisation(context->config(context->daemon), service);

	if (service->admission == CONFIG_ADMISSION_ANY)
		return json_pack("{s:s}", "mode", config_admission_name(service->admission));
	return json_pack("{s:s, s:o, s:s, s:s, s:o, s:o}", "mode",
		config_admission_name(service->admission), "organisation",
		organisation ? rpc_text(organisation) : json_null(), "on-refuse",
		config_on_refuse_name(service->on_refuse), "on-block",
		config_on_block_name(service->on_block), "refused", rpc_uint(sum->not_admitted),
		"observed", rpc_uint(sum->observed));
}

static json_t *details(const struct rpc_context *context, const struct config_service *service,
	const struct postern_listen_stats *sum, json_t *listens)
{
	const struct pool *pool = pool_set_find(context->pools, service->pool);
	unsigned taking = 0;

	for (uint16_t i = 0; pool && i < pool->n_members; i++)
		taking += rpc_member_takes_new(pool->members[i]);
	return json_pack("{s:o, s:s, s:s, s:o, s:i, s:{s:o, s:o, s:o, s:o}, s:o}", "side",
		service->side ? rpc_text(service->side) : json_null(), "profile",
		config_profile_name(service->profile), "affinity",
		config_affinity_name(service->affinity), "admission",
		admission_object(context, service, sum), "members-taking", (int)taking, "timeouts",
		"opening-ms", rpc_uint(service->timeouts.opening_ms), "idle-ms",
		rpc_uint(service->timeouts.idle_ms), "closing-ms",
		rpc_uint(service->timeouts.closing_ms), "reset-ms",
		rpc_uint(service->timeouts.reset_ms), "listens", listens);
}

static void service_show(struct rpc_call *call, const json_t *params, void *user)
{
	struct rpc_context *context = user;
	const struct config_service *service =
		rpc_find_service(call, context, rpc_param_string(params, "service"));
	struct postern_listen_stats sum = {0};

	if (!service)
		return;
	json_t *listens = listen_list(context, service, &sum);
	json_t *shown = row(service, &sum);
	if (json_object_update_new(shown, details(context, service, &sum, listens)) != 0) {
		json_decref(shown);
		shown = NULL;
	}
	rpc_reply(call, shown);
}

static const struct rpc_param show_params[] = {
	{"service", RPC_STRING, true, true, NULL, "name of the service"},
	{0},
};

static const struct rpc_method methods[] = {
	{"service.list", RPC_VIEW, "the services with their addresses and sessions", NULL,
		service_list},
	{"service.show", RPC_VIEW, "one service, address by address", show_params, service_show},
};

void rpc_methods_service(struct rpc_context *context)
{
	rpc_server_add(context->server, methods, sizeof(methods) / sizeof(methods[0]), context);
}
