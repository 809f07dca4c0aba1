// SPDX-License-Identifier: BSD-2-Clause
// The server: its socket, who is let in, and its methods.

#include "control/rpc/internal.h"
#include "control/rpc/rpc.h"

#include "postern/log.h"

#include <event2/listener.h>

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

LOG_SUBSYSTEM("rpc");

static void refuse_connection(int fd)
{
	static const char text[] = "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32003,"
				   "\"message\":\"too many connections to the control socket are "
				   "open; close one\"}}\n";

	// One short line fits the socket's empty buffer; if not, closing says enough.
	(void)send(fd, text, sizeof(text) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
}

static void accepted(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *addr,
	int length, void *user)
{
	struct rpc_server *server = user;

	(void)listener;
	(void)addr;
	(void)length;
	if (server->n_connections >= RPC_CONNECTIONS_MAX) {
		refuse_connection(fd);
		return;
	}
	int err = rpc_connection_adopt(server, fd);
	if (err != 0)
		LOG(WARNING, "a client of the control socket could not be served: %s",
			strerror(-err));
}

// The waiting client stays in the kernel's queue and keeps the listener readable, so listening is
// suspended for a second instead of turning in circles.
static void accept_failed(struct evconnlistener *listener, void *user)
{
	struct rpc_server *server = user;
	const struct timeval second = {.tv_sec = 1};

	LOG(WARNING, "control socket: accept: %s", strerror(errno));
	evconnlistener_disable(listener);
	event_add(server->retry, &second);
}

static void retry_accept(evutil_socket_t fd, short what, void *user)
{
	struct rpc_server *server = user;

	(void)fd;
	(void)what;
	evconnlistener_enable(server->listener);
}

int rpc_server_new_bare(struct event_base *base, struct rpc_server **out)
{
	struct rpc_server *server = calloc(1, sizeof(*server));

	if (!server)
		return -ENOMEM;
	server->base = base;
	LIST_INIT(&server->connections);
	rpc_server_add(server, rpc_describe_methods, 1, server);
	// A client that closes while we write is an error of that connection, not the end of us.
	signal(SIGPIPE, SIG_IGN);
	*out = server;
	return 0;
}

static int start_listening(struct rpc_server *server, const char *path, int fd)
{
	struct stat st;

	server->path = strdup(path);
	server->retry = evtimer_new(server->base, retry_accept, server);
	if (!server->path || !server->retry)
		return -ENOMEM;
	if (lstat(path, &st) != 0)
		return -errno;
	server->device = st.st_dev;
	server->inode = st.st_ino;
	server->listener = evconnlistener_new(server->base, accepted, server,
		LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, (int)RPC_CONNECTIONS_MAX, fd);
	if (!server->listener)
		return -ENOMEM;
	evconnlistener_set_error_cb(server->listener, accept_failed);
	return 0;
}

int rpc_server_new(struct event_base *base, const char *path, const char *group,
	struct rpc_server **out, char *why, size_t size)
{
	struct rpc_server *server = NULL;
	int err = rpc_server_new_bare(base, &server);

	if (err != 0) {
		snprintf(why, size, "control socket: %s", strerror(-err));
		return err;
	}
	int fd = rpc_listen_bind(path, group, why, size);
	if (fd < 0) {
		rpc_server_free(server);
		return fd;
	}
	err = start_listening(server, path, fd);
	if (err != 0) {
		snprintf(why, size, "control socket %s: %s", path, strerror(-err));
		unlink(path);
		close(fd);
		rpc_server_free(server);
		return err;
	}
	*out = server;
	return 0;
}

// Another postern may have taken the path over since, after an operator removed the file.
static void remove_socket(const struct rpc_server *server)
{
	struct stat st;

	if (lstat(server->path, &st) == 0 && st.st_dev == server->device &&
		st.st_ino == server->inode)
		unlink(server->path);
}

void rpc_server_free(struct rpc_server *server)
{
	if (!server)
		return;
	if (server->listener) {
		remove_socket(server);
		evconnlistener_free(server->listener);
	}
	while (!LIST_EMPTY(&server->connections))
		rpc_connection_close(LIST_FIRST(&server->connections));
	if (server->retry)
		event_free(server->retry);
	rpc_roles_free(server->roles);
	free(server->path);
	free(server);
}

void rpc_server_use_store(struct rpc_server *server, struct store *store)
{
	server->store = store;
}

void rpc_server_add(
	struct rpc_server *server, const struct rpc_method *methods, size_t count, void *user)
{
	assert(server->n_groups < RPC_GROUPS_MAX);
	server->groups[server->n_groups++] = (struct rpc_group){methods, count, user};
}

const struct rpc_method *rpc_method_find(
	const struct rpc_server *server, const char *name, void **user)
{
	for (unsigned g = 0; g < server->n_groups; g++) {
		const struct rpc_group *group = &server->groups[g];

		for (size_t i = 0; i < group->count; i++) {
			if (strcmp(group->methods[i].name, name) == 0) {
				*user = group->user;
				return &group->methods[i];
			}
		}
	}
	return NULL;
}
