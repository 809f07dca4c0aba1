// SPDX-License-Identifier: BSD-2-Clause
// What one reading of a file carries along: where it is and which mistakes it has found. For this
// folder, and for others that read YAML.

#pragma once

#include "control/config/config.h"

#include <stddef.h>

struct config_tree;

// Mistakes that are reported one by one; of the others only the number is told.
#define CONFIG_MOST_ERRORS 100

// A quoted excerpt of the operator's text: at most CONFIG_QUOTE_BYTES bytes, each shown as up to
// four characters, with quotes, dots and NUL.
#define CONFIG_QUOTE_BYTES 60
#define CONFIG_QUOTE       (CONFIG_QUOTE_BYTES * 4 + 2 + 3 + 1)

// A description of what would be right; longer lists of names are cut.
#define CONFIG_EXPECT 512

struct config_context {
	struct config_errors *errors;
	struct config_errors *warnings; // NULL: nobody wants them
	size_t unreported;              // mistakes beyond CONFIG_MOST_ERRORS
	int failure;                    // -ENOMEM once memory has run out, else 0
	const struct config_tree *tree; // NULL until the file has been parsed
	const char *folder;             // absolute; relative paths start there
	size_t values;                  // read so far
	size_t path_length;
	char path[256]; // of the field at hand, "pools[0].members[1]"
};

// Adds a mistake at the context's path. `expected` may be NULL.
void config_mistake(struct config_context *ctx, int line, const char *expected, const char *format,
	...) __attribute__((format(printf, 4, 5)));

// Adds a mistake at the context's path, on the line where the file has that path or the nearest
// thing around it.
void config_mistake_here(struct config_context *ctx, const char *expected, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

// True if a mistake has been told of this path.
bool config_was_wrong(const struct config_context *ctx, const char *path);

// Adds a warning, likewise. Those beyond CONFIG_MOST_ERRORS are dropped.
void config_warning_here(struct config_context *ctx, const char *expected, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

// Sets the path.
void config_path_set(struct config_context *ctx, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

// Appends to the path and returns its former length, for config_path_leave().
size_t config_path_enter(struct config_context *ctx, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void config_path_leave(struct config_context *ctx, size_t length);

// Orders what was found by line and tells how many were left out. Returns 0 if nothing was found,
// -EINVAL, or -ENOMEM.
int config_context_finish(struct config_context *ctx);

// Writes text in quotes, cut when it is long, with everything but printable ASCII as \xNN: it
// goes to terminals and into JSON.
const char *config_quote(char buf[static CONFIG_QUOTE], const char *text, size_t length);

// A list of words in a buffer of CONFIG_EXPECT bytes: "one of: a, b, c".
struct config_words {
	char text[CONFIG_EXPECT];
	size_t length;
	size_t count;
};

void config_words_begin(struct config_words *w, const char *start);
void config_words_add(struct config_words *w, const char *word);
