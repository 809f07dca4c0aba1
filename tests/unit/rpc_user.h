// SPDX-License-Identifier: BSD-2-Clause
// Clients who are somebody else, and the roles that they have. Others than root skip what uses it.

#pragma once

#include "control/config/config.h"
#include "control/rpc/roles.h"
#include "tests/unit/rpc_client.h"

#include <grp.h>
#include <pwd.h>
#include <sys/syscall.h>

static inline uid_t user_of(const char *name)
{
	const struct passwd *entry = getpwnam(name);

	assert_non_null(entry);
	return entry->pw_uid;
}

static inline gid_t group_of(const char *name)
{
	const struct group *entry = getgrnam(name);

	assert_non_null(entry);
	return entry->gr_gid;
}

// Connects as somebody else, in one further group.
static inline struct client client_as(const char *user, const char *group)
{
	const gid_t more = group ? group_of(group) : 0;
	const uid_t uid = user_of(user);

	if (geteuid() != 0)
		skip();
	// The kernel's own calls lower this thread alone; the store's stays what it is.
	assert_int_equal(syscall(SYS_setgroups, group ? 1 : 0, &more), 0);
	assert_int_equal(syscall(SYS_setresgid, -1, 65534, -1), 0);
	assert_int_equal(syscall(SYS_setresuid, -1, uid, -1), 0);
	int fds[2];
	int rc = socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds);
	assert_int_equal(syscall(SYS_setresuid, -1, 0, -1), 0);
	assert_int_equal(syscall(SYS_setresgid, -1, 0, -1), 0);
	assert_int_equal(syscall(SYS_setgroups, 0, NULL), 0);
	assert_int_equal(rc, 0);
	assert_int_equal(rpc_connection_adopt(server, fds[1]), 0);
	struct client c = {.fd = fds[0], .in = evbuffer_new()};
	assert_non_null(c.in);
	return c;
}

// The roles as a configuration would have them; each is one name or NULL.
static inline int take(
	const char *control, const char *view, const char *operate, const char *policy)
{
	char *names[3] = {
		(char *)(uintptr_t)view, (char *)(uintptr_t)operate, (char *)(uintptr_t)policy};
	struct config c = {0};
	struct rpc_roles *roles = NULL;
	char why[256] = "";

	c.postern.control_group = (char *)(uintptr_t)control;
	c.postern.roles.view.items = &names[0];
	c.postern.roles.view.count = view != NULL;
	c.postern.roles.operate.items = &names[1];
	c.postern.roles.operate.count = operate != NULL;
	c.postern.roles.policy.items = &names[2];
	c.postern.roles.policy.count = policy != NULL;
	int status = rpc_roles_new(&c, &roles, why, sizeof(why));
	if (status == 0)
		rpc_server_take_roles(server, roles);
	else
		assert_true(why[0] != '\0');
	return status;
}
