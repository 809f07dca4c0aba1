// SPDX-License-Identifier: BSD-2-Clause
// The one table of what may stand in the file. Reading, defaults, checks of single values,
// `config show` and the manual's reference all follow it.

#include "control/config/schema.h"

#include "postern/snapshot.h"

#define SECOND 1000u
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

// Ids have 16 bits and one value stands for "none".
#define MOST_IDS UINT16_MAX

#define NAME_LENGTH   (POSTERN_NAME_SIZE - 1)
#define DEVICE_LENGTH (sizeof(((struct postern_interface *)0)->device) - 1)
#define PATH_LENGTH   4095
#define STATE_LENGTH  (PATH_LENGTH - 32) // names of files beside it are longer
#define ROLE_NAMES    64
#define SOCKET_LENGTH 107 // sun_path of unix(7) without its NUL
#define URI_LENGTH    400 // bounds the requests that hold it
#define HOST_LENGTH   253 // RFC 1035 2.3.4: 255 bytes on the wire, less the first length and the root

#define OBJECT(type, line_at, table)                                                               \
	{                                                                                          \
		.size = sizeof(type), .line = (line_at), .given = -1,                              \
		.count = sizeof(table) / sizeof((table)[0]), .fields = (table)                     \
	}
// Types and members take no parentheses: NOLINTBEGIN(bugprone-macro-parentheses)
#define LINE(type) ((ptrdiff_t)offsetof(type, line))

// A member of one of the two structs inside struct config.
#define WITHIN(part, member) (offsetof(struct config, part.member) - offsetof(struct config, part))
#define PART(part)           (((struct config *)0)->part)
// NOLINTEND(bugprone-macro-parentheses)

_Static_assert(sizeof(enum config_mode) == sizeof(uint32_t), "choices are kept in 32 bits");

static const char *const log_levels[] = {"error", "warning", "notice", "info", "debug", NULL};
static const char *const logs[] = {"stderr", "syslog", NULL};
static const char *const huge_pages[] = {"auto", "require", "off", NULL};
static const char *const kernels[] = {"none", "tap", NULL};
// These stand in the order of their enums, and are written out by the names below as well.
static const char *const all_downs[] = {"refuse", "try-all", NULL};
static const char *const on_downs[] = {"reset", "keep", NULL};
static const char *const probe_kinds[] = {"tcp", "tls", "sip-options", "none", NULL};
static const char *const transports[] = {"tls", "tcp", NULL};

static const struct schema_field roles_fields[] = {
	{.key = "view",
		.type = SCHEMA_NAME,
		.flags = SCHEMA_LIST | SCHEMA_ONE_TOO,
		.offset = offsetof(struct config_roles, view),
		.maximum = NAME_LENGTH,
		.most = ROLE_NAMES,
		.help = "Groups and users who may look at everything and change nothing."},
	{.key = "operate",
		.type = SCHEMA_NAME,
		.flags = SCHEMA_LIST | SCHEMA_ONE_TOO,
		.offset = offsetof(struct config_roles, operate),
		.maximum = NAME_LENGTH,
		.most = ROLE_NAMES,
		.help = "Groups and users who may look, set members, reload and so on. Without any "
			"the members of `control-group` may."},
	{.key = "policy",
		.type = SCHEMA_NAME,
		.flags = SCHEMA_LIST | SCHEMA_ONE_TOO,
		.offset = offsetof(struct config_roles, policy),
		.maximum = NAME_LENGTH,
		.most = ROLE_NAMES,
		.help = "Groups and users who may look, and change who may federate."},
};
static const struct schema_object roles_object = OBJECT(struct config_roles, -1, roles_fields);

static const struct schema_field postern_fields[] = {
	{.key = "control-socket",
		.type = SCHEMA_PATH,
		.flags = SCHEMA_RESTART,
		.offset = WITHIN(postern, control_socket),
		.standard = "/run/postern/control.sock",
		.maximum = SOCKET_LENGTH,
		.help = "Unix socket that `posternctl` connects to."},
	{.key = "control-group",
		.type = SCHEMA_NAME,
		.flags = SCHEMA_RESTART,
		.offset = WITHIN(postern, control_group),
		.maximum = NAME_LENGTH,
		.help = "Group whose members may use the control socket. Without it only the "
			"user that postern runs as and root may."},
	{.key = "log-level",
		.type = SCHEMA_CHOICE,
		.offset = WITHIN(postern, log_level),
		.standard = "notice",
		.choices = log_levels,
		.help = "The least urgent lines that are logged."},
	{.key = "log",
		.type = SCHEMA_CHOICE,
		.offset = WITHIN(postern, log),
		.standard = "stderr",
		.choices = logs,
		.help = "Where lines are logged: `stderr`, which the journal reads under systemd, "
			"or `syslog`."},
	{.key = "metrics",
		.type = SCHEMA_SOCKET,
		.flags = SCHEMA_RESTART,
		.offset = WITHIN(postern, metrics),
		.standard = "off",
		.zero = "off",
		.help = "Where `GET /metrics` (OpenMetrics) and `GET /healthz` are answered over "
			"HTTP. Nobody is asked who he is: an address that only those reach who "
			"may read."},
	{.key = "state",
		.type = SCHEMA_PATH,
		.flags = SCHEMA_RESTART,
		.offset = WITHIN(postern, state),
		.standard = "/var/lib/postern/state.db",
		.maximum = STATE_LENGTH,
		.help = "Database of what operators set and of who set it, kept over restarts. "
			"Its folder is made."},
	{.key = "user",
		.type = SCHEMA_NAME,
		.flags = SCHEMA_RESTART,
		.offset = WITHIN(postern, user),
		.maximum = NAME_LENGTH,
		.help = "User that postern becomes once it has started. It keeps no right of "
			"root's but to read files at a reload. Without it postern stays who "
			"starts it."},
	{.key = "seccomp",
		.type = SCHEMA_BOOL,
		.flags = SCHEMA_RESTART,
		.offset = WITHIN(postern, seccomp),
		.standard = "true",
		.help = "Refuse system calls that postern does not make once it has started."},
	{.key = "roles",
		.type = SCHEMA_OBJECT,
		.offset = WITHIN(postern, roles),
		.object = &roles_object,
		.help = "Who may do what over the control socket. Root and the user that postern "
			"runs as may do everything; `control-group` may at least look."},
};
static const struct schema_object postern_object = OBJECT(PART(postern), -1, postern_fields);

static const struct schema_field dataplane_fields[] = {
	{.key = "workers",
		.type = SCHEMA_CPU,
		.flags = SCHEMA_LIST | SCHEMA_NOT_EMPTY | SCHEMA_COMPUTED,
		.offset = WITHIN(dataplane, workers),
		.standard = "the highest CPU that the process may run on",
		.most = 1024,
		.help = "CPUs that move packets, one worker each. A CPU may stand more than once, "
			"which is "
			"of use in trials only."},
	{.key = "huge-pages",
		.type = SCHEMA_CHOICE,
		.offset = WITHIN(dataplane, huge_pages),
		.standard = "auto",
		.choices = huge_pages,
		.help = "`auto` uses them if enough are free, `require` refuses to start without "
			"them, `off` does without, which virtual devices alone can."},
	{.key = "memory",
		.type = SCHEMA_SIZE,
		.offset = WITHIN(dataplane, memory_mb),
		.standard = "auto",
		.minimum = 64,
		.maximum = 1u << 20,
		.zero = "auto",
		.help = "Memory for packet buffers; `auto` computes it from their number."},
	{.key = "buffers",
		.type = SCHEMA_NUMBER,
		.offset = WITHIN(dataplane, buffers),
		.standard = "16384",
		.minimum = 1024,
		.maximum = 1u << 22,
		.help = "Packet buffers in all."},
	{.key = "sessions",
		.type = SCHEMA_NUMBER,
		.offset = WITHIN(dataplane, sessions),
		.standard = "131072",
		.minimum = 1024,
		.maximum = 1u << 26,
		.help = "Sessions that the flow table holds at once."},
	{.key = "member-flows",
		.type = SCHEMA_NUMBER,
		.offset = WITHIN(dataplane, member_flows),
		.standard = "32768",
		.minimum = 64,
		.maximum = 1u << 26,
		.help = "Flows at once that members have begun (`outbound`), beside the sessions: "
			"neither takes the other's place."},
	{.key = "connections",
		.type = SCHEMA_NUMBER,
		.offset = WITHIN(dataplane, connections),
		.standard = "65536",
		.minimum = 64,
		.maximum = 1u << 24,
		.help = "TCP connections at once that end here: two a session in `mode: relay`. "
			"Some 900 bytes each, once a service needs them."},
	{.key = "connections-per-address",
		.type = SCHEMA_NUMBER,
		.offset = WITHIN(dataplane, connections_per_address),
		.standard = "4096",
		.minimum = 1,
		.maximum = 1u << 24,
		.help = "Of these, that one IPv4 address or one IPv6 /64 may have opened; each "
			"worker counts for itself."},
	{.key = "opening-per-address",
		.type = SCHEMA_NUMBER,
		.offset = WITHIN(dataplane, opening_per_address),
		.standard = "256",
		.minimum = 1,
		.maximum = 1u << 24,
		.help = "Of these, whose hello is not whole yet."},
	{.key = "busy-poll",
		.type = SCHEMA_BOOL,
		.offset = WITHIN(dataplane, busy_poll),
		.standard = "false",
		.help = "Never sleep when no packets arrive: the lowest delay for a whole CPU."},
	{.key = "eal",
		.type = SCHEMA_TEXT,
		.flags = SCHEMA_LIST,
		.offset = WITHIN(dataplane, eal),
		.maximum = 1023,
		.most = 64,
		.help = "Further arguments for DPDK's environment (EAL), one an element."},
};
static const struct schema_object dataplane_object = OBJECT(PART(dataplane), -1, dataplane_fields);

static const struct schema_field route_fields[] = {
	{.key = "to",
		.type = SCHEMA_NETWORK,
		.flags = SCHEMA_REQUIRED,
		.offset = offsetof(struct config_route, to),
		.help = "Network that is reached this way."},
	{.key = "via",
		.type = SCHEMA_ADDRESS,
		.flags = SCHEMA_REQUIRED,
		.offset = offsetof(struct config_route, via),
		.help = "Router, in a prefix of the interface or link-local."},
};
static const struct schema_object route_object =
	OBJECT(struct config_route, LINE(struct config_route), route_fields);

static const struct schema_field interface_fields[] = {
	{.key = "name",
		.type = SCHEMA_NAME,
		.flags = SCHEMA_REQUIRED,
		.offset = offsetof(struct config_interface, name),
		.maximum = NAME_LENGTH,
		.help = "Name of the interface in this file and in `posternctl`."},
	{.key = "device",
		.type = SCHEMA_DEVICE,
		.flags = SCHEMA_REQUIRED,
		.offset = offsetof(struct config_interface, device),
		.maximum = DEVICE_LENGTH,
		.help = "PCI address of a port, or a DPDK virtual device."},
	{.key = "addresses",
		.type = SCHEMA_PREFIX,
		.flags = SCHEMA_REQUIRED | SCHEMA_LIST | SCHEMA_ONE_TOO | SCHEMA_NOT_EMPTY,
		.offset = offsetof(struct config_interface, addresses),
		.most = 64,
		.help = "The interface's own addresses, each with the length of its prefix."},
	{.key = "gateway",
		.type = SCHEMA_ADDRESS,
		.flags = SCHEMA_LIST | SCHEMA_ONE_TOO,
		.offset = offsetof(struct config_interface, gateways),
		.most = 2,
		.help = "Router for everything that no prefix and no route covers, at most one a "
			"family; in a prefix of the interface or link-local."},
	{.key = "routes",
		.type = SCHEMA_OBJECT,
		.flags = SCHEMA_LIST,
		.offset = offsetof(struct config_interface, routes),
		.most = 256,
		.object = &route_object,
		.help = "Networks behind other routers."},
	{.key = "translate-from",
		.type = SCHEMA_ADDRESS,
		.flags = SCHEMA_LIST | SCHEMA_ONE_TOO,
		.offset = offsetof(struct config_interface, translate_from),
		.most = 256,
		.help = "Source addresses of what goes to members through this interface; each "
			"carries 64,512 sessions to one member. Without one of a family the "
			"interface's own address of that family is used."},
	{.key = "mtu",
		.type = SCHEMA_NUMBER,
		.offset = offsetof(struct config_interface, mtu),
		.standard = "auto",
		.minimum = 1280, // the least that IPv6 works on (RFC 8200 5)
		.maximum = 9216,
		.zero = "auto",
		.help = "Bytes of the largest IP packet; `auto` leaves it as the port has it."},
	{.key = "kernel",
		.type = SCHEMA_CHOICE,
		.offset = offsetof(struct config_interface, kernel),
		.standard = "none",
		.choices = kernels,
		.help = "`tap`: the kernel gets a TAP device with the interface's name and own "
			"addresses, for BGP daemons and probes: TCP and UDP to these addresses "
			"where "
			"no service listens."},
};
static const struct schema_object interface_object =
	OBJECT(struct config_interface, LINE(struct config_interface), interface_fields);

static bool probe_asks(const void *probe)
{
	return ((const struct config_probe *)probe)->kind != CONFIG_PROBE_NONE;
}

static bool probe_is_sip(const void *probe)
{
	return ((const struct config_probe *)probe)->kind == CONFIG_PROBE_SIP;
}

static const struct schema_field probe_fields[] = {
	{.key = "kind",
		.type = SCHEMA_CHOICE,
		.offset = offsetof(struct config_probe, kind),
		.standard = "tcp",
		.choices = probe_kinds,
		.help = "`tcp`: the member accepts a connection; `tls`: and completes a "
			"handshake; `sip-options`: and answers an OPTIONS request; `none`: it is "
			"taken for healthy."},
	{.key = "interval",
		.type = SCHEMA_DURATION,
		.offset = offsetof(struct config_probe, interval_ms),
		.standard = "2s",
		.minimum = 100,
		.maximum = HOUR,
		.help = "From the start of one probe to the start of the next."},
	{.key = "timeout",
		.type = SCHEMA_DURATION,
		.offset = offsetof(struct config_probe, timeout_ms),
		.standard = "1s",
		.minimum = 10,
		.maximum = 5 * MINUTE,
		.help = "After which a probe has failed; not above `interval`."},
	{.key = "rise",
		.type = SCHEMA_NUMBER,
		.offset = offsetof(struct config_probe, rise),
		.standard = "2",
		.minimum = 1,
		.maximum = 100,
		.help = "Successful probes in a row that bring a member up."},
	{.key = "fall",
		.type = SCHEMA_NUMBER,
		.offset = offsetof(struct config_probe, fall),
		.standard = "3",
		.minimum = 1,
		.maximum = 100,
		.help = "Failed probes in a row that take a member down."},
	{.key = "jitter",
		.type = SCHEMA_PERCENT,
		.offset = offsetof(struct config_probe, jitter_percent),
		.standard = "10%",
		.maximum = 50,
		.help = "Each interval is longer or shorter by up to this much, so that probes "
			"of many members do not march in step."},
	{.key = "address",
		.type = SCHEMA_ADDRESS,
		.offset = offsetof(struct config_probe, address),
		.applies = probe_asks,
		.help = "Where probes go, if not to the member's address."},
	{.key = "port",
		.type = SCHEMA_NUMBER,
		.offset = offsetof(struct config_probe, port),
		.standard = "member",
		.minimum = 1,
		.maximum = UINT16_MAX,
		.zero = "member",
		.applies = probe_asks,
		.help = "Port that probes go to; `member`: that of the member's address."},
	{.key = "transport",
		.type = SCHEMA_CHOICE,
		.offset = offsetof(struct config_probe, transport),
		.standard = "tls",
		.choices = transports,
		.applies = probe_is_sip,
		.help = "Of `sip-options`: over `tls`, with what the pool's `tls` says, or over "
			"plain `tcp`."},
	{.key = "from",
		.type = SCHEMA_SIP_URI,
		.offset = offsetof(struct config_probe, from),
		.maximum = URI_LENGTH,
		.applies = probe_is_sip,
		.help = "Of `sip-options`: who asks. Without it `sip:postern@` and the address "
			"that the probe comes from."},
	{.key = "uri",
		.type = SCHEMA_SIP_URI,
		.offset = offsetof(struct config_probe, uri),
		.maximum = URI_LENGTH,
		.applies = probe_is_sip,
		.help = "Of `sip-options`: who is asked (Request-URI and To). Without it `sip:` "
			"and the member's `fqdn`, or the address that the probe goes to."},
	{.key = "alive",
		.type = SCHEMA_STATUS,
		.flags = SCHEMA_LIST | SCHEMA_ONE_TOO | SCHEMA_NOT_EMPTY,
		.offset = offsetof(struct config_probe, alive),
		.standard = "[2xx, 3xx, 4xx, 5xx, 6xx]",
		.most = 64,
		.applies = probe_is_sip,
		.help = "Of `sip-options`: final answers that say that the member is alive."},
	{.key = "not-alive",
		.type = SCHEMA_STATUS,
		.flags = SCHEMA_LIST | SCHEMA_ONE_TOO,
		.offset = offsetof(struct config_probe, not_alive),
		.standard = "[503, 504]",
		.most = 64,
		.applies = probe_is_sip,
		.help = "Of `sip-options`: final answers that say that it is not. A code counts "
			"before its class, and of two equal ones this key."},
};
const struct schema_object config_probe_schema = {
	.size = sizeof(struct config_probe),
	.line = LINE(struct config_probe),
	.given = (ptrdiff_t)offsetof(struct config_probe, given),
	.count = sizeof(probe_fields) / sizeof(probe_fields[0]),
	.fields = probe_fields,
};

static const struct schema_field member_fields[] = {
	{.key = "name",
		.type = SCHEMA_NAME,
		.flags = SCHEMA_REQUIRED,
		.offset = offsetof(struct config_member, name),
		.maximum = NAME_LENGTH,
		.help = "Name of the member, unique in its pool."},
	{.key = "address",
		.type = SCHEMA_ENDPOINT,
		.flags = SCHEMA_REQUIRED,
		.offset = offsetof(struct config_member, address),
		.help = "Where the member listens."},
	{.key = "fqdn",
		.type = SCHEMA_HOST,
		.offset = offsetof(struct config_member, fqdn),
		.maximum = HOST_LENGTH,
		.help = "Name that the member's certificate proves."},
	{.key = "weight",
		.type = SCHEMA_NUMBER,
		.offset = offsetof(struct config_member, weight),
		.standard = "1",
		.maximum = 256,
		.help = "Share of new sessions relative to the other members; 0 takes none."},
	{.key = "probe",
		.type = SCHEMA_OBJECT,
		.flags = SCHEMA_MAY_LACK | SCHEMA_INHERIT,
		.offset = offsetof(struct config_member, probe),
		.object = &config_probe_schema,
		.help = "How this member is watched: keys as in `pools[].probe`. Those that are "
			"not written are as they are there."},
};
static const struct schema_object member_object =
	OBJECT(struct config_member, LINE(struct config_member), member_fields);

static const struct schema_field pool_fields[] = {
	{.key = "name",
		.type = SCHEMA_NAME,
		.flags = SCHEMA_REQUIRED,
		.offset = offsetof(struct config_pool, name),
		.maximum = NAME_LENGTH,
		.help = "Name of the pool."},
	{.key = "on-down",
		.type = SCHEMA_CHOICE,
		.offset = offsetof(struct config_pool, on_down),
		.standard = "reset",
		.choices = on_downs,
		.help = "Sessions of a member that goes down are `reset` on both sides, so that "
			"partners reconnect at once, or left alone (`keep`)."},
	{.key = "all-down",
		.type = SCHEMA_CHOICE,
		.offset = offsetof(struct config_pool, all_down),
		.standard = "refuse",
		.choices = all_downs,
		.help = "New sessions while no member is up are refused (`refuse`), or go to the "
			"members as if all were up (`try-all`), and none is reset: for a pool "
			"whose probes are more likely to be wrong than all of its members down."},
	{.key = "slow-start",
		.type = SCHEMA_DURATION,
		.offset = offsetof(struct config_pool, slow_start_ms),
		.standard = "0",
		.minimum = SECOND,
		.maximum = HOUR,
		.zero = "0",
		.help = "Time over which a member that was down gets back its share of new "
			"sessions, little by little; 0: at once."},
	{.key = "observe-fall",
		.type = SCHEMA_NUMBER,
		.offset = offsetof(struct config_pool, observe_fall),
		.standard = "3",
		.maximum = 1000,
		.help = "Refused or unanswered connection attempts in a row that take a member "
			"down until a probe succeeds; 0: never."},
	{.key = "minimum",
		.type = SCHEMA_NUMBER,
		.offset = offsetof(struct config_pool, minimum),
		.standard = "0",
		.maximum = MOST_IDS,
		.help = "Members that must take sessions; fewer raise an alarm. 0: no alarm."},
	{.key = "tls",
		.type = SCHEMA_OBJECT,
		.flags = SCHEMA_MAY_LACK,
		.offset = offsetof(struct config_pool, tls),
		.object = &config_pool_tls_schema,
		.help = "What probes over TLS present and verify."},
	{.key = "probe",
		.type = SCHEMA_OBJECT,
		.offset = offsetof(struct config_pool, probe),
		.object = &config_probe_schema,
		.help = "How members are watched."},
	{.key = "members",
		.type = SCHEMA_OBJECT,
		.flags = SCHEMA_REQUIRED | SCHEMA_LIST | SCHEMA_NOT_EMPTY,
		.offset = offsetof(struct config_pool, members),
		.most = MOST_IDS,
		.object = &member_object,
		.help = "The servers of the pool."},
};
static const struct schema_object pool_object =
	OBJECT(struct config_pool, LINE(struct config_pool), pool_fields);

static const struct schema_field organisation_fields[] = {
	{.key = "name",
		.type = SCHEMA_NAME,
		.flags = SCHEMA_REQUIRED,
		.offset = offsetof(struct config_organisation, name),
		.maximum = NAME_LENGTH,
		.help = "Name of the organisation, by which its partners are kept."},
	{.key = "domains",
		.type = SCHEMA_DOMAIN,
		.flags = SCHEMA_REQUIRED | SCHEMA_LIST | SCHEMA_ONE_TOO | SCHEMA_NOT_EMPTY,
		.offset = offsetof(struct config_organisation, domains),
		.maximum = 4 * HOST_LENGTH, // a character has four bytes at most
		.most = MOST_IDS,
		.help = "Its SIP domains. Each belongs to one organisation, and is nobody's "
			"partner there."},
};
static const struct schema_object organisation_object =
	OBJECT(struct config_organisation, LINE(struct config_organisation), organisation_fields);

static const struct schema_field config_fields[] = {
	{.key = "postern",
		.type = SCHEMA_OBJECT,
		.offset = offsetof(struct config, postern),
		.object = &postern_object,
		.help = "The program itself."},
	{.key = "dataplane",
		.type = SCHEMA_OBJECT,
		.flags = SCHEMA_RESTART,
		.offset = offsetof(struct config, dataplane),
		.object = &dataplane_object,
		.help = "CPUs and memory."},
	{.key = "interfaces",
		.type = SCHEMA_OBJECT,
		.flags = SCHEMA_REQUIRED | SCHEMA_LIST | SCHEMA_NOT_EMPTY | SCHEMA_RESTART,
		.offset = offsetof(struct config, interfaces),
		.most = 32, // RTE_MAX_ETHPORTS
		.object = &interface_object,
		.help = "Ports and their addresses."},
	{.key = "pools",
		.type = SCHEMA_OBJECT,
		.flags = SCHEMA_LIST,
		.offset = offsetof(struct config, pools),
		.most = MOST_IDS,
		.object = &pool_object,
		.help = "Groups of servers that do the same."},
	{.key = "services",
		.type = SCHEMA_OBJECT,
		.flags = SCHEMA_LIST,
		.offset = offsetof(struct config, services),
		.most = MOST_IDS,
		.object = &config_service_schema,
		.help = "What postern answers on."},
	{.key = "organisations",
		.type = SCHEMA_OBJECT,
		.flags = SCHEMA_LIST,
		.offset = offsetof(struct config, organisations),
		.most = 4096, // POSTERN_ORGANISATIONS_MAX
		.object = &organisation_object,
		.help = "Whom postern serves. Their partners are in the state database: "
			"`posternctl allowed-domain list`."},
	{.key = "outbound",
		.type = SCHEMA_OBJECT,
		.flags = SCHEMA_LIST,
		.offset = offsetof(struct config, outbound),
		.most = 256,
		.object = &config_outbound_schema,
		.help = "What members may begin themselves through postern, their default gateway, "
			"and where they are reached without a service. Nothing else passes."},
	{.key = "resolver",
		.type = SCHEMA_RESOLVER,
		.flags = SCHEMA_LIST | SCHEMA_ONE_TOO,
		.offset = offsetof(struct config, resolvers),
		.most = 8, // DISCOVERY_RESOLVERS_MAX
		.help = "Name servers that look up partners, in turn; without any, those of "
			"/etc/resolv.conf. One that validates (DNSSEC), reached over a path that "
			"nobody else writes to, is best."},
	{.key = "dns",
		.type = SCHEMA_OBJECT,
		.offset = offsetof(struct config, dns),
		.object = &config_dns_schema,
		.help = "How partners are looked up."},
};
const struct schema_object config_schema = OBJECT(struct config, -1, config_fields);
