// SPDX-License-Identifier: BSD-2-Clause
// The schema of certificates, keys and trust: towards the members of a pool, and of a service towards
// the outside.

#include "control/config/schema.h"

#define PATH_LENGTH 4095
#define HOST_LENGTH 253 // RFC 1035 2.3.4: 255 bytes on the wire, less the first length and the root

#define OBJECT(table)                                                                              \
	{                                                                                          \
		.size = sizeof(struct config_tls), .line = offsetof(struct config_tls, line),      \
		.given = -1, .count = sizeof(table) / sizeof((table)[0]), .fields = (table)        \
	}

static const struct schema_field pool_fields[] = {
	{.key = "certificate",
		.type = SCHEMA_PATH,
		.offset = offsetof(struct config_tls, certificate),
		.maximum = PATH_LENGTH,
		.help = "PEM file with the client certificate and its intermediates."},
	{.key = "key",
		.type = SCHEMA_PATH,
		.offset = offsetof(struct config_tls, key),
		.maximum = PATH_LENGTH,
		.help = "PEM file with the key of the certificate."},
	{.key = "trust",
		.type = SCHEMA_PATH,
		.offset = offsetof(struct config_tls, trust),
		.maximum = PATH_LENGTH,
		.help = "PEM file with the authorities that members' certificates must come "
			"from. Without it they are not verified."},
	{.key = "names",
		.type = SCHEMA_HOST,
		.flags = SCHEMA_LIST | SCHEMA_ONE_TOO,
		.offset = offsetof(struct config_tls, names),
		.maximum = HOST_LENGTH,
		.most = 64,
		.help = "Names that a member's certificate may prove beside the member's `fqdn`."},
};
const struct schema_object config_pool_tls_schema = OBJECT(pool_fields);

static const struct schema_field service_fields[] = {
	{.key = "certificate",
		.type = SCHEMA_PATH,
		.offset = offsetof(struct config_tls, certificate),
		.maximum = PATH_LENGTH,
		.help = "PEM file with the certificate that the outside meets, and its "
			"intermediates."},
	{.key = "key",
		.type = SCHEMA_PATH,
		.offset = offsetof(struct config_tls, key),
		.maximum = PATH_LENGTH,
		.help = "PEM file with the key of the certificate."},
	{.key = "trust",
		.type = SCHEMA_PATH,
		.offset = offsetof(struct config_tls, trust),
		.maximum = PATH_LENGTH,
		.help = "PEM file with the authorities that partners' certificates must come from. "
			"Without it those that the system trusts."},
};
const struct schema_object config_service_tls_schema = OBJECT(service_fields);
