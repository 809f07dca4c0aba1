// SPDX-License-Identifier: BSD-2-Clause
// The files that `tls` names, of a pool or of a service. What is in them is looked at elsewhere.

#include "control/config/check.h"
#include "control/config/read.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void check_file(struct config_context *ctx, const char *list, size_t index, const char *key,
	const char *path)
{
	if (!path)
		return;
	config_path_set(ctx, "%s[%zu].tls.%s", list, index, key);
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		config_mistake_here(ctx,
			"a PEM file; relative paths start at the folder of this file",
			"%s cannot be read: %s", path, strerror(errno));
	else if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode))
		config_mistake_here(ctx, "a PEM file", "%s is not a file", path);
	if (fd >= 0)
		close(fd);
}

// A certificate proves nothing without its key, and the other way round.
static void check_pair(
	struct config_context *ctx, const struct config_tls *tls, const char *list, size_t index)
{
	if (!tls->certificate == !tls->key)
		return;
	const char *there = tls->certificate ? "certificate" : "key";
	const char *lacks = tls->certificate ? "key" : "certificate";
	config_path_set(ctx, "%s[%zu].tls.%s", list, index, there);
	config_mistake_here(ctx, "both, or neither", "here is a %s without its %s", there, lacks);
}

void check_tls(
	struct config_context *ctx, const struct config_tls *tls, const char *list, size_t index)
{
	check_file(ctx, list, index, "certificate", tls->certificate);
	check_file(ctx, list, index, "key", tls->key);
	check_file(ctx, list, index, "trust", tls->trust);
	check_pair(ctx, tls, list, index);
}
