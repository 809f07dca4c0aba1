// SPDX-License-Identifier: BSD-2-Clause
// Readers of files with many entries. They know nothing of the database; fuzzers and tests call them
// alone. Private to this folder and its tests.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A million partners with a comment each are some 100 MB; in UTF-16 twice that.
#define POLICY_FILE_MAX ((size_t)512 << 20)

#define POLICY_COLUMNS_MAX 64u

// Of a policy file, which is in memory as a tree: a million partners with seven values each besides their
// names, 640 MB at 40 bytes a node; and as many entries as the dataplane's tables take.
#define POLICY_TREE_FILE_MAX ((size_t)256 << 20)
#define POLICY_TREE_MAX      (1u << 24)
#define POLICY_ENTRIES_MAX   ((size_t)1 << 21)

struct policy_slice {
	char *text;
	size_t length;
};

// text.c: the whole of a file of at most `most` bytes, with a NUL behind it; the caller frees it. -EFBIG,
// or what read() says.
int policy_text_read(int fd, size_t most, char **out, size_t *length);
// From UTF-16, with or without a mark, and UTF-8 with one, to UTF-8 without; frees what it replaces.
int policy_text_decode(char **text, size_t *length);

// csv.c
struct policy_csv {
	char *at, *end;
	char delimiter;
	int line;   // at hand
	int record; // where the last record begins
	const char *why;
};

// The text is written to.
void policy_csv_begin(struct policy_csv *csv, char *text, size_t length);
// 1 with at most POLICY_COLUMNS_MAX fields; 0 at the end; -EINVAL with `why`, and the next call goes on
// behind it.
int policy_csv_next(struct policy_csv *csv, struct policy_slice *fields, size_t *n);

// json.c
struct policy_json {
	const char *at, *end;
	int line, record;
	bool begun, list, ended;
	const char *why;
};

void policy_json_begin(struct policy_json *j, const char *text, size_t length);
// 1 with the text of the next object; 0 at the end; -EINVAL with `why`.
int policy_json_next(struct policy_json *j, struct policy_slice *object);
// The line of a key of an object that begins on `line`; that if it is not found.
int policy_json_line(const struct policy_slice *object, int line, const char *key);
