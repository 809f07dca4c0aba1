// SPDX-License-Identifier: BSD-2-Clause
// What postern gives up once its ports are open, its socket is bound and its database is open.
//
// Of root's capabilities one is kept, CAP_DAC_READ_SEARCH, on the control thread alone and not in
// force but while a configuration is read (privilege_read()): keys that root alone may read must be
// loaded again at a reload. A helper process that stays root and hands files over would have to
// open whatever path the control thread names, since a reload may name new ones, so that it would
// guard no more than this capability does, which writes nothing. No other is needed: rings of
// af_packet and TAP's queues are open and are only read and written; memif's other end is a socket;
// probes come from ports that the kernel chooses; listening ports are bound once, at start.

#include "control/daemon/daemon.h"

#include "postern/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

LOG_SUBSYSTEM("start");

#define DEFAULT_USER "postern"

// Sanitizers look at their own process from outside (leaks) and use calls that nobody else does.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
	__has_feature(memory_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

static bool may_read; // control thread: the capability is there to be raised

static int user_find(const char *name, struct passwd *out, char *why, size_t size)
{
	const struct passwd *found = getpwnam(name);

	if (found == NULL) {
		snprintf(why, size,
			"there is no user %s; type: useradd --system --no-create-home --shell "
			"/usr/sbin/nologin %s",
			name, name);
		return -ENOENT;
	}
	*out = *found;
	return 0;
}

static void recommend(const struct config *c)
{
	if (c->postern.user == NULL && geteuid() == 0 && getpwnam(DEFAULT_USER) != NULL)
		LOG(NOTICE, "running as root; \"user: " DEFAULT_USER "\" under \"postern\" gives "
			    "root's rights up once postern has started");
}

// Before any thread is made, so that all inherit it.
int privilege_begin(const struct config *c, char *why, size_t size)
{
	const struct rlimit none = {0, 0};
	struct passwd user;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0) {
		snprintf(why, size, "rights could not be given up: %s", strerror(errno));
		return -EPERM;
	}
	recommend(c);
	if (c->postern.user == NULL)
		return 0;
	if (user_find(c->postern.user, &user, why, size) < 0)
		return -ENOENT;
	if (geteuid() == 0 || geteuid() == user.pw_uid)
		return 0;
	snprintf(why, size,
		"only root can become the user %s; start postern as root, or take \"user\" off "
		"\"postern\"",
		c->postern.user);
	return -EPERM;
}

static bool is_state_file(const char *name, const char *base)
{
	return strncmp(name, base, strlen(base)) == 0;
}

// One file of ours; a link to somebody else's is left alone.
static int own_file(int folder, const char *name, const struct passwd *user)
{
	struct stat st = {0};
	const int fd = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	int rc = fd < 0 || fstat(fd, &st) < 0 ? -errno : 0;

	if (rc == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 && st.st_uid == 0 &&
		fchownat(fd, "", user->pw_uid, user->pw_gid, AT_EMPTY_PATH) < 0)
		rc = -errno;
	if (fd >= 0)
		close(fd);
	return rc;
}

// The database with what lies beside it, and its folder if that holds nothing else: a folder that
// postern shares with others is not its to give away.
static int own_state(const char *path, const struct passwd *user)
{
	const char *slash = strrchr(path, '/');
	char *name =
		slash != NULL ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : NULL;
	const int fd = name != NULL ? open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
	bool alone = true;
	int rc = folder != NULL ? 0 : -errno;

	for (const struct dirent *e; folder != NULL && rc == 0 && (e = readdir(folder)) != NULL;) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (is_state_file(e->d_name, slash + 1))
			rc = own_file(fd, e->d_name, user);
		else
			alone = false;
	}
	if (rc == 0 && alone && fchown(fd, user->pw_uid, user->pw_gid) < 0)
		rc = -errno;
	if (folder != NULL)
		closedir(folder);
	else if (fd >= 0)
		close(fd);
	free(name);
	return rc;
}

static int own_files(const struct config *c, const struct passwd *user, char *why, size_t size)
{
	int rc = own_state(c->postern.state, user);

	// Its access list is changed by reloads.
	if (rc == 0 && fchownat(AT_FDCWD, c->postern.control_socket, user->pw_uid, (gid_t)-1,
			       AT_SYMLINK_NOFOLLOW) < 0)
		rc = -errno;
	if (rc < 0)
		snprintf(why, size,
			"state database and control socket could not be given to %s: %s",
			c->postern.user, strerror(-rc));
	return rc;
}

static int capabilities_set(uint32_t permitted, uint32_t effective)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {
		{.effective = effective, .permitted = permitted},
	};

	return syscall(SYS_capset, &header, data) == 0 ? 0 : -errno;
}

#define READ_SEARCH (1u << CAP_DAC_READ_SEARCH)

// libc changes the ids of all threads; the others lose every capability with that, for only this
// thread keeps what it had.
static int become(const struct passwd *user, char *why, size_t size)
{
	int rc = 0;

	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || initgroups(user->pw_name, user->pw_gid) < 0 ||
		setresgid(user->pw_gid, user->pw_gid, user->pw_gid) < 0 ||
		setresuid(user->pw_uid, user->pw_uid, user->pw_uid) < 0 ||
		prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
		rc = -errno;
	// Where the start was not given the capability, files must be readable by the user.
	if (rc == 0 && capabilities_set(READ_SEARCH, 0) == 0)
		may_read = true;
	else if (rc == 0)
		rc = capabilities_set(0, 0);
	if (rc < 0)
		snprintf(why, size, "postern could not become the user %s: %s", user->pw_name,
			strerror(-rc));
	return rc;
}

static int check_state(const struct config *c, char *why, size_t size)
{
	const char *path = c->postern.state;
	const int length = (int)(strrchr(path, '/') - path);
	char folder[4096];

	snprintf(folder, sizeof(folder), "%.*s", length > 0 ? length : 1, path);
	if (faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) == 0)
		return 0;
	const int rc = -errno;

	snprintf(why, size,
		"the user %s may not write to %s, where the state database is: %s; set "
		"\"state\" to a folder of its own, or type: chown %s %s",
		c->postern.user, folder, strerror(-rc), c->postern.user, folder);
	return rc;
}

static int change_user(const struct config *c, char *why, size_t size)
{
	struct passwd user;
	int rc = user_find(c->postern.user, &user, why, size);

	if (rc < 0)
		return rc;
	if (geteuid() != 0)
		return 0;
	// getpwnam()'s texts do not outlive the next look-up, and initgroups() is one.
	user.pw_name = c->postern.user;
	rc = own_files(c, &user, why, size);
	if (rc == 0)
		rc = become(&user, why, size);
	if (rc == 0)
		rc = check_state(c, why, size);
	return rc;
}

int privilege_drop(const struct config *c, char *why, size_t size)
{
	int rc = c->postern.user != NULL ? change_user(c, why, size) : 0;

	if (rc < 0)
		return rc;
	// After the change of user, which sets it anew. Keys are in memory: no core has them, and no
	// other process of the same user looks into ours.
	if (!SANITIZED && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) {
		snprintf(why, size, "core dumps could not be turned off: %s", strerror(errno));
		return -EPERM;
	}
	if (SANITIZED || !c->postern.seccomp) {
		LOG(NOTICE, "system calls are not filtered (%s)",
			SANITIZED ? "a build with sanitizers" : "seccomp: false");
		return 0;
	}
	return seccomp_start(why, size);
}

void privilege_read(bool on)
{
	if (!may_read)
		return;
	const int rc = capabilities_set(READ_SEARCH, on ? READ_SEARCH : 0);

	if (rc < 0)
		LOG(ERROR, "the right to read root's files could not be %s: %s",
			on ? "raised" : "lowered", strerror(-rc));
}
