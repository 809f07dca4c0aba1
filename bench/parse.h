// SPDX-License-Identifier: BSD-2-Clause
// What the parse benchmark's files share: messages, and parsers that read them.

#pragma once

#include <stdbool.h>
#include <stddef.h>

// Several messages of one kind: names, tags and the order of headers differ, so that nothing
// learns one message by heart. All are `length` bytes long.
#define PARSE_VARIANTS 256

struct parse_set {
	const char *name;
	unsigned n;
	char *text[PARSE_VARIANTS];
	size_t length[PARSE_VARIANTS];
};

// Fills the sets of ordinary messages; returns how many.
unsigned parse_sets_make(struct parse_set *sets);

#define PARSE_SETS 4

// A set of one message that lies in a file; false if it is not there.
bool parse_set_load(struct parse_set *s, const char *name, const char *path);

// A parser: reads a message as far as a proxy needs it, and gives back what it took.
struct parse_parser {
	const char *name;
	void (*start)(void);
	// True if the message was found good.
	bool (*read)(const char *text, size_t length);
	const char *version;
};

extern const struct parse_parser parse_postern;
extern const struct parse_parser parse_sofia;
extern const struct parse_parser parse_osip;
