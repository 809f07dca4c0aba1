// SPDX-License-Identifier: BSD-2-Clause
// posternctl: asks postern's control socket and shows the answer. What it can ask it learns from
// the server (`describe`), so that it never knows more or less than the postern that runs.

#pragma once

#include <jansson.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CTL_SOCKET_DEFAULT "/run/postern/control.sock"

// Exit codes. Those of `status show` say how postern is.
enum {
	CTL_OK = 0,
	CTL_FAILED = 1, // also: degraded
	CTL_DOWN = 2,
	CTL_USAGE = 3, // also: postern cannot be reached
};

// Codes of JSON-RPC 2.0 section 5.1 that speak of the command line.
enum {
	CTL_NO_METHOD = -32601,
	CTL_WRONG_PARAMS = -32602,
};

// client.c
struct ctl_client {
	const char *path;
	int fd; // -1: not connected
	json_int_t last_id;
	json_t *methods; // what describe said; NULL: not asked yet
};

// Connects and asks for the methods. Prints what is wrong unless `quiet`.
int ctl_client_open(struct ctl_client *c, const char *path, bool quiet);
void ctl_client_close(struct ctl_client *c);
// Takes the parameters. Returns the answer, a new reference with "result" or "error" in it, or
// NULL after having printed what is wrong.
json_t *ctl_client_call(struct ctl_client *c, const char *method, json_t *params, bool quiet);
// The description of a method, borrowed; NULL: there is none.
const json_t *ctl_client_method(const struct ctl_client *c, const char *noun, const char *verb);
// What a noun without a verb stands for: show, if that needs no parameter, else list; or NULL.
const json_t *ctl_client_default(const struct ctl_client *c, const char *noun);
// The method of a noun that has no other, whose verb may be left out before parameters; or NULL.
const json_t *ctl_client_only(const struct ctl_client *c, const char *noun);
// Whether any noun has this verb.
bool ctl_client_is_verb(const struct ctl_client *c, const char *word);
// The verbs of a noun, "list, show", to be freed; NULL: there is no such noun.
char *ctl_client_verbs(const struct ctl_client *c, const char *noun);

// args.c
struct ctl_arg {
	const json_t *param; // NULL: the word fits nowhere
	const char *value;   // NULL: the value is missing
	const char *word;
	bool named;
};

// Lays words against the parameters of a method: by position, "name=value", "name value",
// "--name=value" and "--name value". Returns how many `out` (of at least n) were filled.
size_t ctl_args_scan(const json_t *method, char *const *words, size_t n, struct ctl_arg *out);
// The parameters as a new object, or NULL after having printed every mistake.
json_t *ctl_args_params(const json_t *method, char *const *words, size_t n);

// help.c
void ctl_help_options(FILE *to);
// Where the nouns are, when no postern is reached.
void ctl_help_unreached(FILE *to);
void ctl_help_usage(FILE *to, const json_t *method);
int ctl_help(const struct ctl_client *c, char *const *words, size_t n);

// complete.c
int ctl_completion(const char *shell);
int ctl_complete(const char *socket, char *const *words, size_t n);

// print.c
void ctl_print(FILE *to, const json_t *result);
void ctl_print_error(const json_t *error);

// watch.c: goes on until Ctrl-C; until the node, by its address, has no session left.
int ctl_watch_stats(struct ctl_client *c, bool json);
int ctl_watch_drain(struct ctl_client *c, const char *node, bool json);
// How much a counter grows in a second, if it did so in `ns`.
json_int_t ctl_watch_rate(const json_t *before, const json_t *after, const char *key, int64_t ns);

// table.c: rows are objects, columns their keys.
void ctl_table(FILE *to, const json_t *rows, unsigned indent);

// text.c: new strings, never NULL (the program ends when memory does).
// A text that cannot steer a terminal: what is neither printable nor, if `lines`, a new line or a
// tab is shown as an escape.
char *ctl_text_safe(const char *text, bool lines);
// A value for people; the key tells its unit.
char *ctl_text_value(const char *key, const json_t *value);
// The key without its unit.
char *ctl_text_label(const char *key);
// How many characters wide a text is.
size_t ctl_text_width(const char *text);
char *ctl_text_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
