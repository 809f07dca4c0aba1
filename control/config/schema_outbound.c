// SPDX-License-Identifier: BSD-2-Clause
// The schema of outbound rules: what passes for members without a service.

#include "control/config/schema.h"

#include "postern/snapshot.h"

#define SECOND 1000u
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

#define NAME_LENGTH (POSTERN_NAME_SIZE - 1)

static const char *const modes[] = {"route", "translate", NULL};

static bool is_routed(const void *outbound)
{
	return ((const struct config_outbound *)outbound)->mode == CONFIG_OUTBOUND_ROUTE;
}

static bool is_translated(const void *outbound)
{
	return !is_routed(outbound);
}

static const struct schema_field timeout_fields[] = {
	{.key = "opening",
		.type = SCHEMA_DURATION,
		.offset = offsetof(struct config_outbound_times, opening_ms),
		.standard = "30s",
		.minimum = 100,
		.maximum = 10 * MINUTE,
		.help = "Until both sides have answered; over UDP, until whoever began has sent "
			"again after an answer."},
	{.key = "idle",
		.type = SCHEMA_DURATION,
		.offset = offsetof(struct config_outbound_times, idle_ms),
		.standard = "30m",
		.minimum = SECOND,
		.maximum = 7 * DAY,
		.help = "Over TCP without a packet, once established."},
	{.key = "udp-idle",
		.type = SCHEMA_DURATION,
		.offset = offsetof(struct config_outbound_times, udp_idle_ms),
		.standard = "5m", // RFC 4787 REQ-5
		.minimum = SECOND,
		.maximum = 7 * DAY,
		.help = "Likewise over UDP."},
	{.key = "closing",
		.type = SCHEMA_DURATION,
		.offset = offsetof(struct config_outbound_times, closing_ms),
		.standard = "1m",
		.minimum = 100,
		.maximum = HOUR,
		.help = "After both sides have said that they are done."},
	{.key = "reset",
		.type = SCHEMA_DURATION,
		.offset = offsetof(struct config_outbound_times, reset_ms),
		.standard = "10s",
		.minimum = 100,
		.maximum = 10 * MINUTE,
		.help = "After a reset, to meet what is still on its way."},
};
static const struct schema_object timeouts_object = {
	.size = sizeof(struct config_outbound_times),
	.line = -1,
	.given = -1,
	.count = sizeof(timeout_fields) / sizeof(timeout_fields[0]),
	.fields = timeout_fields,
};

static const struct schema_field outbound_fields[] = {
	{.key = "name",
		.type = SCHEMA_NAME,
		.flags = SCHEMA_REQUIRED,
		.offset = offsetof(struct config_outbound, name),
		.maximum = NAME_LENGTH,
		.help = "Name of the rule."},
	{.key = "pools",
		.type = SCHEMA_NAME,
		.flags = SCHEMA_REQUIRED | SCHEMA_LIST | SCHEMA_ONE_TOO | SCHEMA_NOT_EMPTY,
		.offset = offsetof(struct config_outbound, pools),
		.maximum = NAME_LENGTH,
		.most = 256,
		.help = "Pools whose members may. Of several rules that fit, the first one "
			"counts."},
	{.key = "mode",
		.type = SCHEMA_CHOICE,
		.flags = SCHEMA_REQUIRED,
		.offset = offsetof(struct config_outbound, mode),
		.choices = modes,
		.help = "`route`: others see the member's own address; `translate`: they see that "
			"of `translate-to` (source NAT)."},
	{.key = "translate-to",
		.type = SCHEMA_ADDRESS,
		.flags = SCHEMA_LIST | SCHEMA_ONE_TOO,
		.offset = offsetof(struct config_outbound, translate_to),
		.most = 2,
		.applies = is_translated,
		.help = "Address that others see, at most one a family; members of a family "
			"without one are not let out. May be a service's. Carries 64,512 flows to "
			"each address and port."},
	{.key = "side",
		.type = SCHEMA_NAME,
		.offset = offsetof(struct config_outbound, side),
		.maximum = NAME_LENGTH,
		.help = "Interface that announces `translate-to`, and whose gateway is taken where "
			"several have one. Needed only for an address that lies in the prefix of "
			"no interface, or of more than one."},
	{.key = "to",
		.type = SCHEMA_NETWORK,
		.flags = SCHEMA_LIST | SCHEMA_ONE_TOO,
		.offset = offsetof(struct config_outbound, to),
		.most = 256,
		.help = "Networks that others are in; without any, everywhere."},
	{.key = "tcp",
		.type = SCHEMA_PORTS,
		.flags = SCHEMA_LIST | SCHEMA_ONE_TOO,
		.offset = offsetof(struct config_outbound, tcp),
		.most = 64,
		.help = "Ports that members may connect to."},
	{.key = "udp",
		.type = SCHEMA_PORTS,
		.flags = SCHEMA_LIST | SCHEMA_ONE_TOO,
		.offset = offsetof(struct config_outbound, udp),
		.most = 64,
		.help = "Ports that members may send to."},
	{.key = "inbound-tcp",
		.type = SCHEMA_PORTS,
		.flags = SCHEMA_LIST | SCHEMA_ONE_TOO,
		.offset = offsetof(struct config_outbound, inbound_tcp),
		.most = 64,
		.applies = is_routed,
		.help = "Ports of the members' own addresses that others may connect to, as they "
			"must for media (`50000-59999`)."},
	{.key = "inbound-udp",
		.type = SCHEMA_PORTS,
		.flags = SCHEMA_LIST | SCHEMA_ONE_TOO,
		.offset = offsetof(struct config_outbound, inbound_udp),
		.most = 64,
		.applies = is_routed,
		.help = "Ports of the members' own addresses that others may send to."},
	{.key = "flows-per-member",
		.type = SCHEMA_NUMBER,
		.offset = offsetof(struct config_outbound, flows_per_member),
		.standard = "16384",
		.minimum = 1,
		.maximum = 1u << 26,
		.help = "Flows that a member may have begun at once, of all rules; each worker "
			"keeps its share."},
	{.key = "timeouts",
		.type = SCHEMA_OBJECT,
		.offset = offsetof(struct config_outbound, timeouts),
		.object = &timeouts_object,
		.help = "How long a flow may stay without a packet in each of its states."},
};
const struct schema_object config_outbound_schema = {
	.size = sizeof(struct config_outbound),
	.line = (ptrdiff_t)offsetof(struct config_outbound, line),
	.given = -1,
	.count = sizeof(outbound_fields) / sizeof(outbound_fields[0]),
	.fields = outbound_fields,
};

const char *config_outbound_mode_name(enum config_outbound_mode m)
{
	return modes[m];
}
