// SPDX-License-Identifier: BSD-2-Clause
// The access list of the socket file: whoever has a role may connect, and the kernel keeps everybody
// else away before anything of ours runs.

#include "control/rpc/internal.h"
#include "control/rpc/roles.h"

#include "postern/log.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

LOG_SUBSYSTEM("rpc");

// The socket's access list, as acl(5) has it on disk: a version, then entries in order of tag and
// id.
#define ACL_NAME    "system.posix_acl_access"
#define ACL_VERSION 2u
#define ACL_NO_ID   UINT32_MAX

enum acl_tag {
	ACL_OWNER = 0x01,
	ACL_USER = 0x02,
	ACL_OWNING_GROUP = 0x04,
	ACL_GROUP = 0x08,
	ACL_MASK = 0x10,
	ACL_OTHERS = 0x20,
};

struct acl_entry {
	uint16_t tag;
	uint16_t may;
	uint32_t id;
};

#define ACL_READ_WRITE 6

static int compare_grants(const void *a, const void *b)
{
	const struct rpc_grant *x = a, *y = b;

	return x->group != y->group ? (int)x->group - (int)y->group
				    : (x->id > y->id) - (x->id < y->id);
}

struct acl {
	uint32_t version;
	struct acl_entry entries[];
};

// Users sort before groups, so that the owning group's entry comes between them.
static size_t write_acl(const struct rpc_roles *roles, struct acl_entry *e)
{
	const uint16_t control = roles->has_control ? ACL_READ_WRITE : 0;
	size_t n = 0;
	size_t i = 0;

	e[n++] = (struct acl_entry){ACL_OWNER, ACL_READ_WRITE, ACL_NO_ID};
	for (; i < roles->n && !roles->grants[i].group; i++)
		e[n++] = (struct acl_entry){ACL_USER, ACL_READ_WRITE, roles->grants[i].id};
	e[n++] = (struct acl_entry){ACL_OWNING_GROUP, control, ACL_NO_ID};
	for (; i < roles->n; i++)
		e[n++] = (struct acl_entry){ACL_GROUP, ACL_READ_WRITE, roles->grants[i].id};
	e[n++] = (struct acl_entry){ACL_MASK, ACL_READ_WRITE, ACL_NO_ID};
	e[n++] = (struct acl_entry){ACL_OTHERS, 0, ACL_NO_ID};
	return n;
}

static int set_acl(const char *path, struct rpc_roles *roles)
{
	struct acl *acl = malloc(sizeof(*acl) + (roles->n + 4) * sizeof(acl->entries[0]));

	if (!acl)
		return -ENOMEM;
	qsort(roles->grants, roles->n, sizeof(roles->grants[0]), compare_grants);
	acl->version = htole32(ACL_VERSION);
	size_t n = write_acl(roles, acl->entries);
	for (size_t i = 0; i < n; i++) {
		acl->entries[i].tag = htole16(acl->entries[i].tag);
		acl->entries[i].may = htole16(acl->entries[i].may);
		acl->entries[i].id = htole32(acl->entries[i].id);
	}
	int err = lsetxattr(path, ACL_NAME, acl, sizeof(*acl) + n * sizeof(acl->entries[0]), 0) == 0
			  ? 0
			  : -errno;
	free(acl);
	return err;
}

static bool only_control(const struct rpc_roles *roles)
{
	return roles->n == (roles->has_control ? 1u : 0u);
}

// Lets those connect who have a role, and nobody else.
void rpc_acl_apply(struct rpc_server *server)
{
	struct rpc_roles *roles = server->roles;
	int err = 0;

	if (!server->path || (only_control(roles) && !server->has_acl))
		return;
	err = set_acl(server->path, roles);
	server->has_acl = server->has_acl || err == 0;
	if (err != 0)
		LOG(WARNING,
			"control socket %s: %s: the users and groups of postern.roles may not "
			"connect unless they are in postern.control-group; put the socket on a "
			"file system with access lists (tmpfs, ext4)",
			server->path, strerror(-err));
}
