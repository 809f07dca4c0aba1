// SPDX-License-Identifier: BSD-2-Clause
// From a file to a checked configuration: its bytes, a first look at them, and the order of the
// steps.

#include "control/config/read.h"
#include "control/config/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// libfyaml's time grows with the square of the empty lines in a row within a value: 200,000 take
// minutes. With this many, 16 MB of the worst take a few seconds.
#define MOST_EMPTY_LINES 100

struct scan {
	const unsigned char *at;
	const unsigned char *end;
	int line;
	unsigned empty; // lines without a character up to here
	bool begun;     // this line has a character other than white space
};

// Bytes of the UTF-8 character at hand, 0 if it is none (RFC 3629 4: no overlong forms, no
// surrogates, nothing beyond U+10FFFF).
static size_t character_size(const struct scan *s)
{
	unsigned char c = *s->at;
	if (c < 0x80)
		return 1;
	if (c < 0xc2 || c > 0xf4)
		return 0;
	size_t size = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	if ((size_t)(s->end - s->at) < size)
		return 0;
	unsigned char low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
	unsigned char high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
	if (s->at[1] < low || s->at[1] > high)
		return 0;
	for (size_t i = 2; i < size; i++)
		if (s->at[i] < 0x80 || s->at[i] > 0xbf)
			return 0;
	return size;
}

static bool is_text(unsigned char c)
{
	return c != 0x7f && (c >= 0x20 || c == '\t' || c == '\n' || c == '\r');
}

// A line ends with LF, CR LF or CR (YAML 1.2.2, 5.4).
static bool ends_line(const struct scan *s)
{
	if (*s->at == '\n')
		return true;
	return *s->at == '\r' && !(s->at + 1 < s->end && s->at[1] == '\n');
}

static int take_character(struct config_context *ctx, struct scan *s, const unsigned char *start)
{
	if (ends_line(s)) {
		s->empty = s->begun ? 0 : s->empty + 1;
		s->begun = false;
		s->line++;
		if (s->empty <= MOST_EMPTY_LINES)
			return 0;
		config_mistake(ctx, s->line - 1, "fewer of them",
			"more than %d empty lines in a row", MOST_EMPTY_LINES);
		return -EINVAL;
	}
	bool first = s->at == start || s->at[-1] == '\n' || s->at[-1] == '\r';
	if (first && *s->at == '%') {
		config_mistake(ctx, s->line, "the file without this line",
			"directives (\"%%...\") have no meaning here");
		return -EINVAL;
	}
	if (*s->at != ' ' && *s->at != '\t' && *s->at != '\r')
		s->begun = true;
	return 0;
}

int config_text_check(struct config_context *ctx, const char *text, size_t length)
{
	const unsigned char *start = (const unsigned char *)text;
	struct scan s = {.at = start, .end = start + length, .line = 1};
	while (s.at < s.end) {
		size_t size = character_size(&s);
		if (size == 0 || !is_text(*s.at)) {
			config_mistake(ctx, s.line, "a text file in UTF-8",
				"the byte 0x%02x is not text", *s.at);
			return -EINVAL;
		}
		int rc = take_character(ctx, &s, start);
		if (rc)
			return rc;
		s.at += size;
	}
	return 0;
}

static void read_tree(struct config_context *ctx, const struct config_tree *tree, struct config *c)
{
	ctx->tree = tree;
	ctx->warnings = &c->warnings;
	config_read_tree(ctx, c);
	if (!ctx->failure)
		config_check(ctx, c);
}

int config_read_text(const char *file, const char *folder, const char *text, size_t length,
	struct config **out, struct config_errors *errors)
{
	struct config_context ctx = {.errors = errors, .folder = folder};
	struct config *c = calloc(1, sizeof(*c));
	*out = NULL;
	if (!c || !(c->file = strdup(file)) || !(c->tree = calloc(1, sizeof(*c->tree))))
		ctx.failure = -ENOMEM;
	else if (config_text_check(&ctx, text, length) == 0 &&
		 config_tree_parse(c->tree, &ctx, text, length) == 0)
		read_tree(&ctx, c->tree, c);
	ctx.tree = NULL;
	int rc = config_context_finish(&ctx);
	if (rc)
		config_free(c);
	else
		*out = c;
	return rc;
}

// Reads what the descriptor holds. The result is freed by the caller.
static int read_all(int fd, char **text, size_t *length)
{
	struct stat st;
	if (fstat(fd, &st))
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return -ENODEV;
	if (st.st_size > CONFIG_FILE_SIZE)
		return -EFBIG;
	// The file may grow meanwhile: never read more than there was.
	size_t size = (size_t)st.st_size;
	*text = malloc(size + 1);
	if (!*text)
		return -ENOMEM;
	for (*length = 0; *length < size;) {
		ssize_t n = read(fd, *text + *length, size - *length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		*length += (size_t)n;
	}
	(*text)[*length] = '\0';
	return 0;
}

// The absolute path of the folder that a file is in.
static char *folder_of(const char *file)
{
	const char *slash = strrchr(file, '/');
	if (!slash)
		return realpath(".", NULL);
	char *part = strndup(file, slash == file ? 1 : (size_t)(slash - file));
	char *folder = part ? realpath(part, NULL) : NULL;
	free(part);
	return folder;
}

static int tell_file(struct config_errors *errors, int rc)
{
	struct config_context ctx = {.errors = errors};
	if (rc == -EFBIG)
		config_mistake(&ctx, 0, "at most 16 MB", "the file is too large");
	else if (rc == -ENODEV)
		config_mistake(&ctx, 0, "a file", "this is neither a file nor a link to one");
	else if (rc == -ENOENT)
		config_mistake(&ctx, 0, "name the file that is meant with -c FILE",
			"it cannot be read: %s", strerror(-rc));
	else
		config_mistake(
			&ctx, 0, "a file that can be read", "it cannot be read: %s", strerror(-rc));
	return rc;
}

int config_read(const char *file, struct config **out, struct config_errors *errors)
{
	*out = NULL;
	char *text = NULL;
	size_t length = 0;
	// O_NONBLOCK: opening a FIFO must not hold up whoever reloads.
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int rc = fd < 0 ? -errno : read_all(fd, &text, &length);
	if (fd >= 0)
		close(fd);
	char *folder = rc ? NULL : folder_of(file);
	if (!rc && !folder)
		rc = -errno;
	if (rc)
		rc = tell_file(errors, rc);
	else
		rc = config_read_text(file, folder, text, length, out, errors);
	free(folder);
	free(text);
	return rc;
}
