// SPDX-License-Identifier: BSD-2-Clause
// Numbers, their units, and the bits of prefixes. Private to this folder.

#pragma once

#include "control/config/schema.h"

struct config_unit {
	const char *name;
	uint32_t factor; // to the unit that the value is kept in
};

// The units of a type, smallest first, ended by a name of NULL.
const struct config_unit *config_units(enum schema_type type);

// Reads decimal digits without leading zeros, which YAML readers disagree about. Returns what
// follows, NULL if there are none. A number beyond 64 bits becomes the largest.
const char *config_unit_digits(const char *text, uint64_t *out);

// The first and the last address of a prefix.
struct postern_addr config_prefix_first(const struct postern_prefix *p);
struct postern_addr config_prefix_last(const struct postern_prefix *p);

// Changes of one character that make one word of the other; SIZE_MAX for words of 32 bytes and more.
size_t config_distance(const char *a, const char *b);
