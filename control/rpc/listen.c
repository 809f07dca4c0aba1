// SPDX-License-Identifier: BSD-2-Clause
// Puts the control socket in its place: a stale one is replaced, a live one is left alone, and
// nobody can connect before its permissions are right.

#include "control/rpc/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

// Whether somebody listens there: 0 no, 1 yes, or a negative errno.
static int probe_live(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	// EAGAIN: the queue of a listener is full.
	int live = 1;
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) != 0 && errno != EAGAIN)
		live = errno == ECONNREFUSED || errno == ENOENT ? 0 : -errno;
	close(fd);
	return live;
}

static int clear_place(const struct sockaddr_un *addr, char *why, size_t size)
{
	const char *path = addr->sun_path;
	struct stat st;

	if (lstat(path, &st) != 0) {
		if (errno == ENOENT)
			return 0;
		int err = -errno;
		snprintf(why, size, "control socket %s: %s", path, strerror(-err));
		return err;
	}
	if (!S_ISSOCK(st.st_mode)) {
		snprintf(why, size,
			"control socket %s: something that is no socket stands there; remove it, "
			"or set postern.control-socket to another path",
			path);
		return -EEXIST;
	}
	int live = probe_live(addr);
	if (live == 1) {
		snprintf(why, size,
			"control socket %s: another postern answers there; stop it, or set "
			"postern.control-socket to another path",
			path);
		return -EADDRINUSE;
	}
	if (live == 0 && unlink(path) != 0 && errno != ENOENT)
		live = -errno;
	if (live < 0)
		snprintf(why, size, "control socket %s: cannot replace the one that is there: %s",
			path, strerror(-live));
	return live;
}

// The folder is usually made by the service manager; one level is made here for those without.
static int make_folder(const char *path, char *why, size_t size)
{
	char *folder = strdup(path);

	if (!folder) {
		snprintf(why, size, "control socket %s: out of memory", path);
		return -ENOMEM;
	}
	char *slash = strrchr(folder, '/');
	int err = 0;
	if (slash && slash != folder) {
		*slash = '\0';
		if (mkdir(folder, 0755) != 0 && errno != EEXIST)
			err = -errno;
	}
	if (err != 0)
		snprintf(why, size,
			"control socket %s: cannot make the folder %s: %s; make it, or set "
			"postern.control-socket to another path",
			path, folder, strerror(-err));
	free(folder);
	return err;
}

// Linux gives the file of a bound socket the mode that the socket itself had, less the umask; and
// a socket that does not listen yet refuses whoever connects. So the file is never open wider
// than it will be, and nobody is let in before owner and mode are final.
static int bind_private(int fd, const struct sockaddr_un *addr, bool grouped, gid_t gid)
{
	if (fchmod(fd, 0600) != 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) != 0)
		return -errno;
	if (chmod(addr->sun_path, 0600) == 0 &&
		(!grouped || (lchown(addr->sun_path, (uid_t)-1, gid) == 0 &&
				     chmod(addr->sun_path, 0660) == 0)))
		return 0;
	int err = -errno;
	unlink(addr->sun_path);
	return err;
}

int rpc_listen_bind(const char *path, const char *group, char *why, size_t size)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	gid_t gid = 0;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		snprintf(why, size, "control socket %s: the path is longer than %zu characters",
			path, sizeof(addr.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	memcpy(addr.sun_path, path, strlen(path) + 1);
	int err = group ? rpc_group_find(group, &gid) : 0;
	if (err != 0) {
		snprintf(why, size,
			"control socket %s: group \"%s\": %s; create it (groupadd --system %s), or "
			"leave postern.control-group out",
			path, group, err == -ENOENT ? "no such group" : strerror(-err), group);
		return err;
	}
	err = make_folder(path, why, size);
	if (err == 0)
		err = clear_place(&addr, why, size);
	if (err != 0)
		return err;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	err = fd < 0 ? -errno : bind_private(fd, &addr, group != NULL, gid);
	if (err != 0) {
		snprintf(why, size, "control socket %s: %s%s", path, strerror(-err),
			err == -EACCES || err == -EPERM
				? "; run as root, or set postern.control-socket to a path that may "
				  "be written"
				: "");
		if (fd >= 0)
			close(fd);
		return err;
	}
	return fd;
}
