// SPDX-License-Identifier: BSD-2-Clause
// The schema of the configuration file: which keys there are, what they hold, where it is kept.
// Private to this folder.

#pragma once

#include "control/config/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What a value is, and in brackets the C type that keeps it.
enum schema_type {
	SCHEMA_BOOL,        // [bool]
	SCHEMA_NUMBER,      // [uint32_t]
	SCHEMA_CPU,         // [uint32_t]
	SCHEMA_DURATION,    // [uint32_t] milliseconds
	SCHEMA_PERCENT,     // [uint32_t]
	SCHEMA_SIZE,        // [uint32_t] units of 2^20 bytes
	SCHEMA_CHOICE,      // [uint32_t, or an enum of that size] index into `choices`
	SCHEMA_NAME,        // [char *] of an object
	SCHEMA_TEXT,        // [char *] one argument, taken as it is
	SCHEMA_HOST,        // [char *] name in DNS
	SCHEMA_SERVER_NAME, // [char *] name in DNS in lower case, or "*." and one
	SCHEMA_PATH,        // [char *] made absolute
	SCHEMA_DEVICE,      // [char *] PCI address with domain, or virtual device
	SCHEMA_ADDRESS,     // [struct postern_addr] of one host
	SCHEMA_PREFIX,      // [struct postern_prefix] a host's address in its network
	SCHEMA_NETWORK,     // [struct postern_prefix] no bits beyond its length
	SCHEMA_ENDPOINT,    // [struct postern_endpoint]
	SCHEMA_LISTEN,      // [struct config_listen] its port may come from a profile
	SCHEMA_DOMAIN,      // [char *] SIP domain, in the one spelling of domain.h
	SCHEMA_PORTS,       // [struct config_ports] one or a range
	SCHEMA_SIP_URI,     // [char *] of the schemes sip and sips
	SCHEMA_STATUS,      // [uint32_t] of a final SIP response, or the first digit of a class
	SCHEMA_SOCKET,      // [struct postern_endpoint] of the kernel's, where we listen
	SCHEMA_RESOLVER,    // [struct postern_endpoint] of a name server
	SCHEMA_OBJECT,      // [a struct] a mapping with fields of its own
};

enum schema_flags {
	SCHEMA_REQUIRED = 1,
	SCHEMA_LIST = 2,      // kept as CONFIG_LIST
	SCHEMA_ONE_TOO = 4,   // a list that may be written as its only element
	SCHEMA_NOT_EMPTY = 8, // a list of at least one
	SCHEMA_COMPUTED = 16, // `standard` describes the default in words; service.c fills it in
	SCHEMA_MAY_LACK = 32, // an object that keeps no defaults when it is not written
	SCHEMA_RESTART = 64,  // a change of it, or within it, needs a restart
	SCHEMA_INHERIT = 128, // an object whose keys, if not written, come from another
};

// Held by a value that was wrong, so that later checks keep quiet about it. Texts are NULL,
// addresses all zero then, and ports 0. A configuration with such values is never handed out.
#define SCHEMA_BAD_NUMBER UINT32_MAX
#define SCHEMA_BAD_LENGTH UINT8_MAX

struct schema_object;

struct schema_field {
	const char *key;
	enum schema_type type;
	unsigned flags;
	size_t offset;
	const char *standard; // default, as it would be written; NULL: none
	uint32_t minimum;     // of a value, in the unit of the type
	uint32_t maximum;     // of a value; of a text its bytes without NUL
	uint32_t most;        // of a list: its elements
	const char *zero;     // the word that stands for the value 0; NULL: no such word
	const char *const *choices;
	const struct schema_object *object;
	bool (*applies)(const void *object); // to the object that holds it; NULL: always
	const char *help;
};

struct schema_object {
	size_t size;
	ptrdiff_t line;  // offset of the member that keeps the line; negative: none
	ptrdiff_t given; // offset of a uint32_t with a bit for each key that was written; likewise
	size_t count;
	const struct schema_field *fields;
};

// Most fields of any one object.
#define SCHEMA_MOST_FIELDS 32

// The whole file; its struct is struct config.
extern const struct schema_object config_schema;

// A probe; its struct is struct config_probe.
extern const struct schema_object config_probe_schema;

// A service; its struct is struct config_service.
extern const struct schema_object config_service_schema;

// Certificates of a pool and of a service; their struct is struct config_tls.
extern const struct schema_object config_pool_tls_schema;
extern const struct schema_object config_service_tls_schema;

// A rule of relay mode; its struct is struct config_choose.
extern const struct schema_object config_choose_schema;

// An outbound rule; its struct is struct config_outbound.
extern const struct schema_object config_outbound_schema;

// Look-ups; its struct is struct config_dns.
extern const struct schema_object config_dns_schema;

// Any CONFIG_LIST, whatever its elements.
struct schema_list {
	void *items;
	size_t count;
};

struct schema_list schema_list_load(const void *at);
void schema_list_store(void *at, struct schema_list list);

bool schema_is_text(enum schema_type type);

// Bytes of one value of the field; of one element if it is a list.
size_t schema_value_size(const struct schema_field *f);

const struct schema_field *schema_field_find(const struct schema_object *o, const char *key);

// Makes a value equal to another of the same field; it is no object. False: out of memory.
bool schema_field_copy(const struct schema_field *f, void *to, const void *from);

// Frees what the values of an object own, not the object.
void schema_object_clear(const struct schema_object *o, void *base);
