// SPDX-License-Identifier: BSD-2-Clause
// interface: the ports, as configured and as they are.

#include "control/alarm/alarm.h"
#include "control/config/config.h"
#include "control/rpc/internal.h"

#include "postern/dataplane.h"

#include <stdio.h>
#include <string.h>

static json_t *prefixes(const struct config_interface *i)
{
	json_t *list = json_array();

	for (size_t k = 0; k < i->addresses.count; k++)
		json_array_append_new(list, rpc_prefix(&i->addresses.items[k]));
	return list;
}

static json_t *addresses(const struct postern_addr *items, size_t count)
{
	json_t *list = json_array();

	for (size_t k = 0; k < count; k++)
		json_array_append_new(list, rpc_addr(&items[k]));
	return list;
}

static json_t *routes(const struct config_interface *i)
{
	json_t *list = json_array();

	for (size_t k = 0; k < i->routes.count; k++)
		json_array_append_new(
			list, json_pack("{s:o, s:o}", "to", rpc_prefix(&i->routes.items[k].to),
				      "via", rpc_addr(&i->routes.items[k].via)));
	return list;
}

static json_t *row(const struct rpc_context *context, const struct config *config, size_t index)
{
	const struct config_interface *i = &config->interfaces.items[index];
	struct postern_port_info info = {0};
	char kernel[ALARM_LINK_NAME];
	const enum alarm_link_state link = alarm_link_read(context->dp, i, (uint16_t)index, kernel);

	(void)postern_port_read(context->dp, (uint16_t)index, &info);

	return json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name",
		rpc_text(i->name), "link",
		link == ALARM_LINK_UNKNOWN ? "unknown"
		: link == ALARM_LINK_UP    ? "up"
					   : "down",
		"mac", rpc_mac(info.mac), "mtu", rpc_uint(info.mtu), "addresses", prefixes(i),
		"rx-packets", rpc_uint(info.rx_packets), "tx-packets", rpc_uint(info.tx_packets),
		"rx-missed", rpc_uint(info.rx_missed), "rx-errors", rpc_uint(info.rx_errors),
		"rx-no-buffer", rpc_uint(info.rx_no_buffer), "tx-errors", rpc_uint(info.tx_errors),
		"tx-dropped", rpc_uint(info.tx_dropped));
}

static json_t *details(const struct rpc_context *context, const struct config *config, size_t index)
{
	const struct config_interface *i = &config->interfaces.items[index];
	struct postern_port_info info = {0};

	// An unknown port shows zeros here; its row says that it is unknown.
	(void)postern_port_read(context->dp, (uint16_t)index, &info);
	info.driver[sizeof(info.driver) - 1] = '\0';
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:o, s:o, s:s, s:o}",
		"device", rpc_text(i->device), "driver", rpc_text(info.driver), "speed-mbps",
		info.speed_mbps ? rpc_uint(info.speed_mbps) : json_null(), "rx-queues",
		rpc_uint(info.rx_queues), "tx-queues", rpc_uint(info.tx_queues), "gateways",
		addresses(i->gateways.items, i->gateways.count), "translate-from",
		addresses(i->translate_from.items, i->translate_from.count), "routes", routes(i),
		"rx-checksum", info.rx_checksum, "tx-checksum", info.tx_checksum, "rx-bytes",
		rpc_uint(info.rx_bytes), "tx-bytes", rpc_uint(info.tx_bytes), "rss",
		postern_rss_text(info.rss), "rx-handed-over", rpc_uint(info.rx_handed_over));
}

static void interface_list(struct rpc_call *call, const json_t *params, void *user)
{
	const struct rpc_context *context = user;
	const struct config *config = context->config(context->daemon);
	json_t *items = json_array();

	(void)params;
	for (size_t i = 0; i < config->interfaces.count; i++)
		json_array_append_new(items, row(context, config, i));
	rpc_reply_list(call, items, NULL);
}

static void interface_show(struct rpc_call *call, const json_t *params, void *user)
{
	const struct rpc_context *context = user;
	const struct config *config = context->config(context->daemon);
	const char *name = rpc_param_string(params, "interface");
	struct rpc_names names = {0};

	for (size_t i = 0; i < config->interfaces.count; i++) {
		if (strcmp(config->interfaces.items[i].name, name) == 0) {
			json_t *shown = row(context, config, i);

			if (json_object_update_new(shown, details(context, config, i)) != 0) {
				json_decref(shown);
				shown = NULL;
			}
			rpc_reply(call, shown);
			return;
		}
		rpc_names_add(&names, config->interfaces.items[i].name);
	}
	rpc_fail_not_found(call, "interface", name, rpc_names_text(&names, NULL));
}

static const struct rpc_param show_params[] = {
	{"interface", RPC_STRING, true, true, NULL, "name of the interface"},
	{0},
};

static const struct rpc_method methods[] = {
	{"interface.list", RPC_VIEW, "the interfaces with link and packet counts", NULL,
		interface_list},
	{"interface.show", RPC_VIEW, "one interface with all that is known of it", show_params,
		interface_show},
};

void rpc_methods_interface(struct rpc_context *context)
{
	rpc_server_add(context->server, methods, sizeof(methods) / sizeof(methods[0]), context);
}
