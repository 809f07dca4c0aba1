// SPDX-License-Identifier: BSD-2-Clause
// The steps of reading. Private to this folder and its tests; the check of a text is for others that read
// YAML as well.

#pragma once

#include "control/config/context.h"

// Largest file.
#define CONFIG_FILE_SIZE (16u << 20)

// config_read() of a text in memory. `folder` is absolute; `file` is what the config remembers.
int config_read_text(const char *file, const char *folder, const char *text, size_t length,
	struct config **out, struct config_errors *errors);

// Finds what libfyaml need not meet: bytes that are not UTF-8 text, and what it takes quadratic
// time for. Returns 0, or -EINVAL with a mistake.
int config_text_check(struct config_context *ctx, const char *text, size_t length);

// Reads by the schema what the context's tree holds, with defaults for what it does not.
void config_read_tree(struct config_context *ctx, struct config *c);

// Fills in the members' own probes what the file leaves to their pools.
void config_probes_inherit(struct config_context *ctx, struct config *c);

// Fills in what services leave to their profile and transport.
void config_services_complete(struct config_context *ctx, struct config *c);

// Finds mistakes between values, of which each for itself is right or marked as wrong.
void config_check(struct config_context *ctx, const struct config *c);
