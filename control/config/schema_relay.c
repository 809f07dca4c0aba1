// SPDX-License-Identifier: BSD-2-Clause
// The part of the schema table that says where clients of a service in relay mode go.

#include "control/config/schema.h"

#include "postern/snapshot.h"

#define HOST_LENGTH 253 // RFC 1035 2.3.4

// In the order of enum postern_hello, of which nobody can ask for silence.
static const char *const firsts[] = {
	"tls", "sslv2", "http", "sip", "xmpp", "ssh", "text", "other", NULL};
_Static_assert(sizeof(firsts) / sizeof(firsts[0]) == POSTERN_HELLOS, "all but silence");
static const char *const versions[] = {"any", "ssl3", "tls1.0", "tls1.1", "tls1.2", "tls1.3", NULL};

static const struct schema_field choose_fields[] = {
	{.key = "first",
		.type = SCHEMA_CHOICE,
		.flags = SCHEMA_LIST | SCHEMA_ONE_TOO | SCHEMA_NOT_EMPTY,
		.offset = offsetof(struct config_choose, first),
		.standard = "[tls]",
		.choices = firsts,
		.most = POSTERN_HELLOS,
		.help = "What the client says first: a ClientHello (`tls`, or in the form of "
			"SSLv2, `sslv2`), or plain `http`, `sip`, `xmpp`, `ssh`, other `text`, or "
			"anything else (`other`). What is not TLS and fits no rule is refused."},
	{.key = "server-names",
		.type = SCHEMA_SERVER_NAME,
		.flags = SCHEMA_LIST | SCHEMA_ONE_TOO,
		.offset = offsetof(struct config_choose, server_names),
		.maximum = HOST_LENGTH + 2,
		.most = 4096,
		.help = "Server names that the client asks for, one of these; `*.example.com` "
			"stands for every name below example.com."},
	{.key = "organisation",
		.type = SCHEMA_NAME,
		.offset = offsetof(struct config_choose, organisation),
		.maximum = POSTERN_NAME_SIZE - 1,
		.help = "The server name is one of this organisation's SIP domains, or below one."},
	{.key = "no-server-name",
		.type = SCHEMA_BOOL,
		.offset = offsetof(struct config_choose, no_server_name),
		.standard = "false",
		.help = "The client asks for no server name, as Office Communications Server "
			"does."},
	{.key = "alpn",
		.type = SCHEMA_TEXT,
		.flags = SCHEMA_LIST | SCHEMA_ONE_TOO,
		.offset = offsetof(struct config_choose, alpn),
		.maximum = 255,
		.most = 64,
		.help = "One of these protocols is among those that the client offers (ALPN)."},
	{.key = "version-at-most",
		.type = SCHEMA_CHOICE,
		.offset = offsetof(struct config_choose, version),
		.standard = "any",
		.choices = versions,
		.help = "The highest version that the client offers is this one or lower."},
	{.key = "pool",
		.type = SCHEMA_NAME,
		.offset = offsetof(struct config_choose, pool),
		.maximum = POSTERN_NAME_SIZE - 1,
		.help = "Pool that such clients go to."},
	{.key = "refuse",
		.type = SCHEMA_BOOL,
		.offset = offsetof(struct config_choose, refuse),
		.standard = "false",
		.help = "Such clients are refused: with a TLS alert, or a reset where they speak "
			"no TLS."},
};
const struct schema_object config_choose_schema = {
	.size = sizeof(struct config_choose),
	.line = (ptrdiff_t)offsetof(struct config_choose, line),
	.given = -1,
	.count = sizeof(choose_fields) / sizeof(choose_fields[0]),
	.fields = choose_fields,
};

uint16_t config_version_number(enum config_version v)
{
	static const uint16_t numbers[] = {
		[CONFIG_VERSION_ANY] = 0,
		[CONFIG_VERSION_SSL3] = POSTERN_SSL3,
		[CONFIG_VERSION_TLS10] = POSTERN_TLS10,
		[CONFIG_VERSION_TLS11] = POSTERN_TLS11,
		[CONFIG_VERSION_TLS12] = POSTERN_TLS12,
		[CONFIG_VERSION_TLS13] = POSTERN_TLS13,
	};

	return numbers[v];
}
