// SPDX-License-Identifier: BSD-2-Clause
// One client: cuts its bytes into lines, takes no more requests than it reads answers, and is
// freed from the event loop's callbacks only, never while a method of it runs.

#include "control/rpc/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static size_t queued(const struct rpc_connection *conn)
{
	return evbuffer_get_length(bufferevent_get_output(conn->bev)) + conn->collected;
}

void rpc_connection_wake(struct rpc_connection *conn)
{
	const struct timeval now = {0};

	// A timer of zero comes after the loop has looked at all descriptors again; an activated
	// event would come in the same turn, before other clients.
	if (!evtimer_pending(conn->tick, NULL))
		event_add(conn->tick, &now);
}

void rpc_connection_check_queue(struct rpc_connection *conn)
{
	if (queued(conn) <= RPC_QUEUE_MAX)
		return;
	conn->broken = true;
	rpc_connection_wake(conn);
}

void rpc_connection_send(struct rpc_connection *conn, const char *text, size_t length)
{
	if (conn->broken)
		return;
	struct evbuffer *out = bufferevent_get_output(conn->bev);
	if (evbuffer_add(out, text, length) != 0) {
		conn->broken = true;
		rpc_connection_wake(conn);
		return;
	}
	rpc_connection_check_queue(conn);
}

// Takes a line off the input: its length without the newline, or -EAGAIN when it is not whole.
static ssize_t line_length(struct rpc_connection *conn)
{
	struct evbuffer *in = bufferevent_get_input(conn->bev);
	size_t have = evbuffer_get_length(in);
	struct evbuffer_ptr from;

	if (conn->scanned < have) {
		if (evbuffer_ptr_set(in, &from, conn->scanned, EVBUFFER_PTR_SET) != 0)
			return -EAGAIN;
		struct evbuffer_ptr at = evbuffer_search(in, "\n", 1, &from);
		if (at.pos >= 0)
			return at.pos;
		conn->scanned = have;
	}
	if (have == 0)
		return -EAGAIN;
	// The last line of a client that has shut down its side needs no newline.
	if (conn->ended)
		return (ssize_t)have;
	return have > RPC_LINE_MAX ? (ssize_t)have : -EAGAIN;
}

static void stop_reading(struct rpc_connection *conn)
{
	struct evbuffer *in = bufferevent_get_input(conn->bev);

	bufferevent_disable(conn->bev, EV_READ);
	evbuffer_drain(in, evbuffer_get_length(in));
	conn->scanned = 0;
	conn->ended = true;
}

// One line, if there is one. Returns whether there may be another.
static bool serve_line(struct rpc_connection *conn)
{
	struct evbuffer *in = bufferevent_get_input(conn->bev);
	ssize_t length = line_length(conn);

	if (length < 0)
		return false;
	if ((size_t)length > RPC_LINE_MAX) {
		// Where the next request would begin is not known without reading all of this one.
		rpc_dispatch_refuse(conn, RPC_INVALID_REQUEST,
			"the line is longer than 1 MiB; the connection is closed");
		stop_reading(conn);
		return false;
	}
	const unsigned char *text = evbuffer_pullup(in, length);
	if (length > 0 && !text) {
		conn->broken = true;
		return false;
	}
	rpc_dispatch_line(conn, (const char *)text, (size_t)length);
	bool newline = evbuffer_get_length(in) > (size_t)length;
	evbuffer_drain(in, (size_t)length + newline);
	conn->scanned = 0;
	return true;
}

static bool may_serve(struct rpc_connection *conn)
{
	size_t unread = queued(conn);

	if (unread > RPC_QUEUE_PAUSE)
		conn->paused = true;
	else if (unread <= RPC_QUEUE_RESUME)
		conn->paused = false;
	// Answers of an unfinished batch cannot be read by anybody yet, so they must not hold up
	// the rest of the batch.
	bool hold = conn->paused && evbuffer_get_length(bufferevent_get_output(conn->bev)) > 0;
	if (!conn->ended) {
		if (hold)
			bufferevent_disable(conn->bev, EV_READ);
		else
			bufferevent_enable(conn->bev, EV_READ);
	}
	return !hold && !conn->broken && conn->n_calls < RPC_CALLS_MAX;
}

// Serves what may be served. Frees the connection when it is at its end: the caller returns to
// the event loop at once.
static void serve(struct rpc_connection *conn)
{
	unsigned turn = 0;
	bool more = true;

	while (more && may_serve(conn)) {
		if (turn++ == RPC_TURN_MAX) {
			rpc_connection_wake(conn);
			return;
		}
		if (conn->batch)
			rpc_dispatch_batch_next(conn);
		else
			more = serve_line(conn);
	}
	bool idle = !more && conn->n_calls == 0 && queued(conn) == 0;
	if (conn->broken || (conn->ended && idle))
		rpc_connection_close(conn);
}

static void readable(struct bufferevent *bev, void *user)
{
	(void)bev;
	serve(user);
}

static void written(struct bufferevent *bev, void *user)
{
	(void)bev;
	serve(user);
}

static void ticked(evutil_socket_t fd, short what, void *user)
{
	(void)fd;
	(void)what;
	serve(user);
}

// The end of a client's sending is not the end of its reading: what it asked is answered first.
static void happened(struct bufferevent *bev, short what, void *user)
{
	struct rpc_connection *conn = user;

	(void)bev;
	if ((what & BEV_EVENT_EOF) && (what & BEV_EVENT_READING))
		conn->ended = true;
	else
		conn->broken = true;
	serve(conn);
}

static int prepare(struct rpc_connection *conn, int fd)
{
	const struct timeval stuck = {.tv_sec = RPC_WRITE_TIMEOUT_S};

	conn->tick = evtimer_new(conn->server->base, ticked, conn);
	conn->bev = bufferevent_socket_new(conn->server->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!conn->tick || !conn->bev)
		return -ENOMEM;
	bufferevent_setcb(conn->bev, readable, written, happened, conn);
	// One byte more than a line, for its newline.
	bufferevent_setwatermark(conn->bev, EV_READ, 0, RPC_LINE_MAX + 1);
	bufferevent_setwatermark(conn->bev, EV_WRITE, RPC_QUEUE_RESUME, 0);
	bufferevent_set_timeouts(conn->bev, NULL, &stuck);
	return bufferevent_enable(conn->bev, EV_READ | EV_WRITE) == 0 ? 0 : -EIO;
}

int rpc_connection_adopt(struct rpc_server *server, int fd)
{
	struct rpc_peer peer = {0};
	struct rpc_connection *conn = NULL;
	int err = rpc_peer_read(fd, &peer);

	if (err == 0 && evutil_make_socket_nonblocking(fd) != 0)
		err = -EIO;
	if (err == 0 && !(conn = calloc(1, sizeof(*conn))))
		err = -ENOMEM;
	// Without an error there is a connection; the analyzer does not know that errno is not 0.
	if (err != 0 || conn == NULL) {
		rpc_peer_clear(&peer);
		close(fd);
		return err;
	}
	conn->server = server;
	conn->peer = peer;
	LIST_INIT(&conn->calls);
	LIST_INSERT_HEAD(&server->connections, conn, entry);
	server->n_connections++;
	err = prepare(conn, fd);
	if (err != 0) {
		if (!conn->bev)
			close(fd);
		rpc_connection_close(conn);
	}
	return err;
}

void rpc_connection_close(struct rpc_connection *conn)
{
	rpc_dispatch_batch_drop(conn);
	while (!LIST_EMPTY(&conn->calls))
		rpc_call_detach(LIST_FIRST(&conn->calls));
	LIST_REMOVE(conn, entry);
	conn->server->n_connections--;
	if (conn->bev)
		bufferevent_free(conn->bev);
	if (conn->tick)
		event_free(conn->tick);
	rpc_peer_clear(&conn->peer);
	free(conn);
}
