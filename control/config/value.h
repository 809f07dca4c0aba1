// SPDX-License-Identifier: BSD-2-Clause
// Single values: from text, to text, and what they may be. Private to this folder.

#pragma once

#include "control/config/context.h"
#include "control/config/schema.h"

#include <stdio.h>

#define CONFIG_WHY 384

// Reads one value of the field's type into `at`. Returns 0; -EINVAL with what is wrong in `why`;
// or -ENOMEM. Relative paths start at `folder`.
int config_value_parse(const struct schema_field *f, const char *folder, const char *text,
	size_t length, void *at, char why[static CONFIG_WHY]);

// One value on its way in, as the readers of the several types share it.
struct config_input {
	const struct schema_field *field;
	const char *folder;
	const char *text;
	size_t length;
	char *why;
	char quoted[CONFIG_QUOTE];
};

// Says what is wrong, and returns -EINVAL.
int config_wrong(struct config_input *in, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

// Stores a copy. Returns 0 or -ENOMEM.
int config_store_text(const char *text, void *at);

// True for a name in DNS.
bool config_is_host(const char *text);

int config_parse_sip_uri(struct config_input *in, void *at);
int config_parse_status(struct config_input *in, void *at);
int config_parse_address(struct config_input *in, void *at);
int config_parse_prefix(struct config_input *in, void *at);
int config_parse_network(struct config_input *in, void *at);
int config_parse_endpoint(struct config_input *in, void *at);
int config_parse_listen(struct config_input *in, void *at);
int config_parse_ports(struct config_input *in, void *at);
int config_parse_socket(struct config_input *in, void *at);
int config_parse_resolver(struct config_input *in, void *at);

// Marks a value as one that was wrong.
void config_value_spoil(const struct schema_field *f, void *at);

// Describes what the field may hold, of one element if it is a list.
const char *config_value_expect(const struct schema_field *f, char buf[static CONFIG_EXPECT]);

// Writes a value as YAML that can be read again; nothing if it is a text that was not given.
void config_value_print(FILE *to, const struct schema_field *f, const void *at);

// CPUs that this process might run on when it first asked: later the dataplane pins its threads.
bool config_cpu_allowed(uint32_t cpu);
uint32_t config_cpu_highest(void);
void config_cpu_describe(struct config_words *w); // "0-3, 8"
