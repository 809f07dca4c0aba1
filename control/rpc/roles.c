// SPDX-License-Identifier: BSD-2-Clause
// Who may do what. Names of the configuration are looked up once, when it is adopted; a client is
// known by the uid and the groups that the kernel tells of it.

#include "control/rpc/roles.h"

#include "control/config/config.h"
#include "control/rpc/internal.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VIEW    (1u << RPC_VIEW)
#define OPERATE (1u << RPC_OPERATE)
#define POLICY  (1u << RPC_POLICY)

const char *rpc_role_name(enum rpc_role role)
{
	static const char *const names[] = {
		[RPC_VIEW] = "view", [RPC_OPERATE] = "operate", [RPC_POLICY] = "policy"};

	return names[role];
}

// Entries of the group and user databases with as much room as they take, within reason.
#define ENTRY_MIN 4096u
#define ENTRY_MAX (1024u * 1024u)

int rpc_group_find(const char *name, gid_t *out)
{
	for (size_t size = ENTRY_MIN; size <= ENTRY_MAX; size *= 4) {
		struct group entry;
		struct group *found = NULL;
		char *buffer = malloc(size);

		if (!buffer)
			return -ENOMEM;
		int err = getgrnam_r(name, &entry, buffer, size, &found);
		if (found)
			*out = found->gr_gid;
		free(buffer);
		if (err != ERANGE)
			return found ? 0 : err != 0 ? -err : -ENOENT;
	}
	return -ERANGE;
}

static int find_user(const char *name, uid_t *out)
{
	char buffer[ENTRY_MIN];
	struct passwd entry;
	struct passwd *found = NULL;
	int err = getpwnam_r(name, &entry, buffer, sizeof(buffer), &found);

	if (found)
		*out = found->pw_uid;
	return found ? 0 : err != 0 ? -err : -ENOENT;
}

static void grant(struct rpc_roles *roles, bool group, uint32_t id, unsigned mask)
{
	for (size_t i = 0; i < roles->n; i++) {
		if (roles->grants[i].group == group && roles->grants[i].id == id) {
			roles->grants[i].mask |= mask;
			return;
		}
	}
	roles->grants[roles->n++] = (struct rpc_grant){group, id, mask};
}

// A name may be a group's, a user's, or both.
static int grant_name(struct rpc_roles *roles, const char *role, const char *name, unsigned mask,
	char *why, size_t size)
{
	gid_t gid = 0;
	uid_t uid = 0;
	int group = rpc_group_find(name, &gid);
	int user = find_user(name, &uid);

	if (group == 0)
		grant(roles, true, gid, mask);
	if (user == 0)
		grant(roles, false, uid, mask);
	if (group == 0 || user == 0)
		return 0;
	int err = group == -ENOENT ? user : group;
	snprintf(why, size,
		"postern.roles.%s: \"%s\": %s; create one (groupadd --system %s), or leave the "
		"name out",
		role, name, err == -ENOENT ? "no such group or user" : strerror(-err), name);
	return err;
}

static int grant_all(struct rpc_roles *roles, const struct config *config, char *why, size_t size)
{
	const struct config_roles *named = &config->postern.roles;
	int err = 0;

	for (size_t i = 0; err == 0 && i < named->view.count; i++)
		err = grant_name(roles, "view", named->view.items[i], VIEW, why, size);
	for (size_t i = 0; err == 0 && i < named->operate.count; i++)
		err = grant_name(
			roles, "operate", named->operate.items[i], VIEW | OPERATE, why, size);
	for (size_t i = 0; err == 0 && i < named->policy.count; i++)
		err = grant_name(roles, "policy", named->policy.items[i], VIEW | POLICY, why, size);
	return err;
}

static int grant_control(
	struct rpc_roles *roles, const struct config *config, char *why, size_t size)
{
	const char *name = config->postern.control_group;

	if (!name)
		return 0;
	int err = rpc_group_find(name, &roles->control);
	if (err != 0) {
		snprintf(why, size, "postern.control-group: \"%s\": %s", name,
			err == -ENOENT ? "no such group" : strerror(-err));
		return err;
	}
	roles->has_control = true;
	grant(roles, true, roles->control,
		config->postern.roles.operate.count == 0 ? VIEW | OPERATE : VIEW);
	return 0;
}

int rpc_roles_new(const struct config *config, struct rpc_roles **out, char *why, size_t size)
{
	const struct config_roles *named = &config->postern.roles;
	// Each name may be a group and a user; the control group comes on top.
	size_t room = 2 * (named->view.count + named->operate.count + named->policy.count) + 1;
	struct rpc_roles *roles = calloc(1, sizeof(*roles) + room * sizeof(roles->grants[0]));

	if (!roles) {
		snprintf(why, size, "out of memory");
		return -ENOMEM;
	}
	int err = grant_control(roles, config, why, size);
	if (err == 0)
		err = grant_all(roles, config, why, size);
	if (err != 0) {
		free(roles);
		return err;
	}
	*out = roles;
	return 0;
}

void rpc_roles_free(struct rpc_roles *roles)
{
	free(roles);
}

static bool is_in_group(const struct rpc_peer *peer, gid_t gid)
{
	if (peer->gid == gid)
		return true;
	for (size_t i = 0; i < peer->n_groups; i++)
		if (peer->groups[i] == gid)
			return true;
	return false;
}

unsigned rpc_roles_of(const struct rpc_roles *roles, const struct rpc_peer *peer)
{
	unsigned mask = 0;

	if (peer->uid == 0 || peer->uid == geteuid())
		return VIEW | OPERATE | POLICY;
	for (size_t i = 0; roles && i < roles->n; i++) {
		const struct rpc_grant *g = &roles->grants[i];

		if (g->group ? is_in_group(peer, g->id) : peer->uid == g->id)
			mask |= g->mask;
	}
	return mask;
}

void rpc_server_take_roles(struct rpc_server *server, struct rpc_roles *roles)
{
	rpc_roles_free(server->roles);
	server->roles = roles;
	rpc_acl_apply(server);
}
