// SPDX-License-Identifier: BSD-2-Clause
// Who is at the other end: what the kernel noted when the client connected.

#include "control/rpc/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

int rpc_peer_read(int fd, struct rpc_peer *out)
{
	struct ucred who;
	socklen_t length = sizeof(who);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &length) != 0)
		return -errno;
	*out = (struct rpc_peer){.uid = who.uid, .gid = who.gid, .pid = who.pid};
	length = 0;
	// The first call tells how much room they need.
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &length) == 0)
		return 0;
	if (errno != ERANGE)
		return errno == ENOPROTOOPT || errno == ENODATA ? 0 : -errno;
	out->groups = malloc(length);
	if (!out->groups)
		return -ENOMEM;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, out->groups, &length) != 0) {
		int err = -errno;
		rpc_peer_clear(out);
		return err;
	}
	out->n_groups = length / sizeof(gid_t);
	return 0;
}

void rpc_peer_clear(struct rpc_peer *peer)
{
	free(peer->groups);
	peer->groups = NULL;
	peer->n_groups = 0;
}
