// SPDX-License-Identifier: BSD-2-Clause
// The schema of services.

#include "control/config/schema.h"

#include "postern/snapshot.h"

#define SECOND 1000u
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

#define NAME_LENGTH (POSTERN_NAME_SIZE - 1)
#define HOST_LENGTH 253 // RFC 1035 2.3.4: 255 bytes on the wire, less the first length and the root

static const char *const modes[] = {"forward", "relay", NULL};
static const char *const proxies[] = {"none", "v2", NULL};
static const char *const profiles[] = {
	"none", "access-edge", "web-conferencing", "av-edge", "xmpp", "web", NULL};
static const char *const service_transports[] = {"tcp", "udp", NULL};
static const char *const translations[] = {"source", "destination", NULL};
static const char *const affinities[] = {"tuple", "source", NULL};
static const char *const admissions[] = {"any", "observe", "enforce", NULL};
static const char *const on_refuses[] = {"drop", "reset", NULL};
static const char *const on_blocks[] = {"keep", "reset", NULL};

static const struct schema_field timeout_fields[] = {
	{.key = "opening",
		.type = SCHEMA_DURATION,
		.offset = offsetof(struct postern_session_times, opening_ms),
		.standard = "15s",
		.minimum = 100,
		.maximum = 10 * MINUTE,
		.help = "Until both sides have answered; in `mode: relay` the hello as well."},
	{.key = "idle",
		.type = SCHEMA_DURATION,
		.offset = offsetof(struct postern_session_times, idle_ms),
		.flags = SCHEMA_COMPUTED,
		.standard = "30m, or 5m over UDP",
		.minimum = SECOND,
		.maximum = 7 * DAY,
		.help = "Without a packet, once established."},
	{.key = "closing",
		.type = SCHEMA_DURATION,
		.offset = offsetof(struct postern_session_times, closing_ms),
		.standard = "1m",
		.minimum = 100,
		.maximum = HOUR,
		.help = "After a side has said that it is done."},
	{.key = "reset",
		.type = SCHEMA_DURATION,
		.offset = offsetof(struct postern_session_times, reset_ms),
		.standard = "10s",
		.minimum = 100,
		.maximum = 10 * MINUTE,
		.help = "After a reset, to meet what is still on its way, in `mode: forward`."},
};
static const struct schema_object timeouts_object = {
	.size = sizeof(struct postern_session_times),
	.line = -1,
	.given = -1,
	.count = sizeof(timeout_fields) / sizeof(timeout_fields[0]),
	.fields = timeout_fields,
};

static const struct schema_field service_fields[] = {
	{.key = "name",
		.type = SCHEMA_NAME,
		.flags = SCHEMA_REQUIRED,
		.offset = offsetof(struct config_service, name),
		.maximum = NAME_LENGTH,
		.help = "Name of the service."},
	{.key = "listen",
		.type = SCHEMA_LISTEN,
		.flags = SCHEMA_REQUIRED | SCHEMA_LIST | SCHEMA_ONE_TOO | SCHEMA_NOT_EMPTY,
		.offset = offsetof(struct config_service, listen),
		.most = 64,
		.help = "Addresses and ports that the service answers on. A range of ports is kept "
			"towards the members, and needs `translate: destination`. With a profile "
			"the address may stand alone."},
	{.key = "mode",
		.type = SCHEMA_CHOICE,
		.flags = SCHEMA_REQUIRED,
		.offset = offsetof(struct config_service, mode),
		.choices = modes,
		.help = "`forward`: packets are steered, nothing is terminated. `relay`: TCP ends "
			"here on both sides, and what a client says first chooses the pool "
			"(`choose`)."},
	{.key = "side",
		.type = SCHEMA_NAME,
		.offset = offsetof(struct config_service, side),
		.maximum = NAME_LENGTH,
		.help = "Interface that announces the addresses. Needed only for an address that "
			"lies in the prefix of no interface, or of more than one."},
	{.key = "pool",
		.type = SCHEMA_NAME,
		.flags = SCHEMA_REQUIRED,
		.offset = offsetof(struct config_service, pool),
		.maximum = NAME_LENGTH,
		.help = "Pool whose members serve; in `mode: relay` clients that no rule of "
			"`choose` fits."},
	{.key = "choose",
		.type = SCHEMA_OBJECT,
		.flags = SCHEMA_LIST,
		.offset = offsetof(struct config_service, choose),
		.most = 4096,
		.object = &config_choose_schema,
		.help = "Of `mode: relay`: where clients go by what they say first. The first "
			"rule that fits counts; keys that it does not have fit always."},
	{.key = "proxy-protocol",
		.type = SCHEMA_CHOICE,
		.offset = offsetof(struct config_service, proxy_protocol),
		.standard = "none",
		.choices = proxies,
		.help = "Of `mode: relay`: `v2` tells members the client's address and port, and "
			"the server name, by the PROXY protocol, which they must expect."},
	{.key = "fqdn",
		.type = SCHEMA_HOST,
		.offset = offsetof(struct config_service, fqdn),
		.maximum = HOST_LENGTH,
		.help = "Name under which DNS and certificates have it, for `posternctl plan`. "
			"Without it an access edge is `sip.` and each SIP domain, XMPP is `xmpp.` "
			"and each, and others have no name."},
	{.key = "organisation",
		.type = SCHEMA_NAME,
		.offset = offsetof(struct config_service, organisation),
		.maximum = NAME_LENGTH,
		.help = "Organisation that it is for: whose partners `admission` lets in, and "
			"whose "
			"names `posternctl plan` takes. Without it, the only one there is; of "
			"several, `plan` takes all."},
	{.key = "tls",
		.type = SCHEMA_OBJECT,
		.flags = SCHEMA_MAY_LACK,
		.offset = offsetof(struct config_service, tls),
		.object = &config_service_tls_schema,
		.help = "What it shows to the outside and trusts there. Sessions that are "
			"forwarded are not touched by it, since the members hold the certificate: "
			"`posternctl partner test` shows it to partners, and `plan check` holds it "
			"against what is wanted."},
	{.key = "profile",
		.type = SCHEMA_CHOICE,
		.offset = offsetof(struct config_service, profile),
		.standard = "none",
		.choices = profiles,
		.help = "What the service is for. Sets the port (5061 of `access-edge`, 5269 of "
			"`xmpp`, else 443, or 3478 of `av-edge` over UDP) and what is not written "
			"of `translate` and `affinity`; warns of what does not fit."},
	{.key = "transport",
		.type = SCHEMA_CHOICE,
		.offset = offsetof(struct config_service, transport),
		.standard = "tcp",
		.choices = service_transports,
		.help = "What clients come over."},
	{.key = "translate",
		.type = SCHEMA_CHOICE,
		.flags = SCHEMA_COMPUTED,
		.offset = offsetof(struct config_service, translate),
		.standard = "source, or destination of `av-edge`",
		.choices = translations,
		.help = "`source`: members see an address of postern as the client's, and need no "
			"route back. `destination`: they see the client's own address and port; "
			"postern must be their default gateway."},
	{.key = "affinity",
		.type = SCHEMA_CHOICE,
		.flags = SCHEMA_COMPUTED,
		.offset = offsetof(struct config_service, affinity),
		.standard = "tuple, or source of `av-edge` and `web`",
		.choices = affinities,
		.help = "What chooses the member: `tuple`, addresses and ports of both sides, each "
			"connection for itself; `source`, the client's address, so that all that "
			"it opens goes to one member."},
	{.key = "admission",
		.type = SCHEMA_CHOICE,
		.offset = offsetof(struct config_service, admission),
		.standard = "any",
		.choices = admissions,
		.help = "Whether the address of a first packet must be one of an admitted partner "
			"of "
			"the organisation: one that DNS gives, in the `prefixes` of its entry or "
			"provider, or learnt. `observe` lets all others through, counts "
			"(`seen-admission`) and records them for `posternctl why`."},
	{.key = "on-refuse",
		.type = SCHEMA_CHOICE,
		.offset = offsetof(struct config_service, on_refuse),
		.standard = "drop",
		.choices = on_refuses,
		.help = "What becomes of a first packet that `admission` refuses: `drop`, without "
			"an "
			"answer; `reset`, with one (over UDP by ICMP)."},
	{.key = "on-block",
		.type = SCHEMA_CHOICE,
		.offset = offsetof(struct config_service, on_block),
		.standard = "keep",
		.choices = on_blocks,
		.help = "What becomes of sessions whose address loses its last admitted partner by "
			"an "
			"operator's change: blocked, removed, switched off. Only with `admission: "
			"enforce`; what moves in DNS keeps its sessions."},
	{.key = "timeouts",
		.type = SCHEMA_OBJECT,
		.offset = offsetof(struct config_service, timeouts),
		.object = &timeouts_object,
		.help = "How long a session may stay without a packet in each of its states."},
};
const struct schema_object config_service_schema = {
	.size = sizeof(struct config_service),
	.line = (ptrdiff_t)offsetof(struct config_service, line),
	.given = (ptrdiff_t)offsetof(struct config_service, given),
	.count = sizeof(service_fields) / sizeof(service_fields[0]),
	.fields = service_fields,
};

const char *config_mode_name(enum config_mode m)
{
	return modes[m];
}

const char *config_profile_name(enum config_profile p)
{
	return profiles[p];
}

const char *config_transport_name(enum config_service_transport t)
{
	return service_transports[t];
}

const char *config_translate_name(enum config_translate t)
{
	return translations[t];
}

const char *config_affinity_name(enum config_affinity a)
{
	return affinities[a];
}

const char *config_admission_name(enum config_admission a)
{
	return admissions[a];
}

const char *config_on_refuse_name(enum config_on_refuse r)
{
	return on_refuses[r];
}

const char *config_on_block_name(enum config_on_block b)
{
	return on_blocks[b];
}
