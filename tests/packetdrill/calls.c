// SPDX-License-Identifier: BSD-2-Clause
// The socket calls of a script, over the engine.

#include "packetdrill/shim.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static struct postern_endpoint endpoint_of(const struct sockaddr *a)
{
	const struct sockaddr_in *a4 = (const void *)a;
	const struct sockaddr_in6 *a6 = (const void *)a;
	struct postern_endpoint e = {0};

	if (a->sa_family == AF_INET) {
		e.addr = postern_addr_from_v4(a4->sin_addr.s_addr);
		e.port = ntohs(a4->sin_port);
	} else {
		memcpy(e.addr.bytes, &a6->sin6_addr, 16);
		e.port = ntohs(a6->sin6_port);
	}
	return e;
}

static void fill_address(const struct postern_endpoint *e, struct sockaddr *a, socklen_t *n)
{
	struct sockaddr_storage full = {0};
	struct sockaddr_in *a4 = (void *)&full;
	struct sockaddr_in6 *a6 = (void *)&full;
	socklen_t size;

	if (a == NULL || n == NULL)
		return;
	if (postern_addr_is_v4(&e->addr)) {
		a4->sin_family = AF_INET;
		a4->sin_port = htons(e->port);
		a4->sin_addr.s_addr = e->addr.words[3];
		size = sizeof(*a4);
	} else {
		a6->sin6_family = AF_INET6;
		a6->sin6_port = htons(e->port);
		memcpy(&a6->sin6_addr, e->addr.bytes, 16);
		size = sizeof(*a6);
	}
	memcpy(a, &full, *n < size ? *n : size);
	*n = size;
}

static int do_socket(int type)
{
	const int fd = shim_socket_new();

	if (fd >= 0)
		shim_socket(fd)->nonblock = type & SOCK_NONBLOCK;
	return fd;
}

static int do_bind(struct shim_socket *s, const struct sockaddr *a)
{
	s->local = endpoint_of(a);
	return 0;
}

static int do_listen(struct shim_socket *s)
{
	const int rc = tcp_listen(shim.r->t, &s->local, s);

	if (rc < 0)
		return shim_error(-rc);
	s->listens = true;
	return 0;
}

static int do_accept(struct shim_socket *s, struct sockaddr *a, socklen_t *n)
{
	if (!s->listens)
		return shim_error(EINVAL);
	while (s->n_waiting == 0)
		if (s->nonblock || !shim_wait())
			return shim_error(EAGAIN);
	const int fd = shim_socket_new();

	if (fd < 0)
		return fd;
	struct shim_socket *new = shim_socket(fd);

	new->c = s->waiting[0];
	new->connected = true;
	s->n_waiting--;
	memmove(&s->waiting[0], &s->waiting[1], s->n_waiting * sizeof(s->waiting[0]));
	const struct postern_endpoint remote = tcp_conn_remote(new->c);

	fill_address(&remote, a, n);
	return fd;
}

static int do_connect(struct shim_socket *s, const struct sockaddr *a)
{
	const struct postern_endpoint remote = endpoint_of(a);
	const struct postern_addr *local =
		postern_addr_is_v4(&remote.addr) ? &shim.local4 : &shim.local6;

	if (s->c == NULL) {
		const int rc = tcp_connect(shim.r->t, local, &remote, 0, NULL, &s->c);

		if (rc < 0)
			return shim_error(-rc);
		tcp_conn_set_nagle(s->c, !s->no_delay);
		shim_turn();
		if (s->nonblock)
			return shim_error(EINPROGRESS);
	}
	while (!s->connected && !s->closed)
		if (s->nonblock || !shim_wait())
			return shim_error(s->nonblock ? EALREADY : ETIMEDOUT);
	if (s->error != 0) {
		const int error = s->error;

		s->error = 0;
		return shim_error(error);
	}
	return 0;
}

static ssize_t do_read(struct shim_socket *s, void *bytes, size_t n, int flags)
{
	struct iovec iov[64];
	size_t done = 0;

	if (s->c == NULL || (flags & ~(MSG_PEEK | MSG_DONTWAIT)) != 0)
		return shim_error(s->c == NULL ? ENOTCONN : EOPNOTSUPP);
	while (tcp_readable(s->c) == 0) {
		if (tcp_is_finished(s->c) || s->shut_read)
			return 0;
		if (s->closed) {
			const int error = s->error;

			s->error = 0;
			return error != 0 ? shim_error(error) : 0;
		}
		if (s->nonblock || (flags & MSG_DONTWAIT) || !shim_wait())
			return shim_error(EAGAIN);
	}
	const unsigned pieces = tcp_peek(shim.r->t, s->c, iov, 64);

	for (unsigned i = 0; i < pieces && done < n; i++) {
		const size_t part = RTE_MIN(n - done, iov[i].iov_len);

		memcpy((char *)bytes + done, iov[i].iov_base, part);
		done += part;
	}
	if (!(flags & MSG_PEEK)) {
		tcp_consume(shim.r->t, s->c, done);
		shim_turn();
	}
	return (ssize_t)done;
}

static ssize_t do_write(struct shim_socket *s, const void *bytes, size_t n, int flags)
{
	size_t done = 0;

	if (s->c == NULL || (flags & ~(MSG_NOSIGNAL | MSG_DONTWAIT)) != 0)
		return shim_error(s->c == NULL ? ENOTCONN : EOPNOTSUPP);
	while (done < n) {
		if (s->closed || s->shut_write) {
			const int error = s->error != 0 ? s->error : EPIPE;

			s->error = 0;
			return done > 0 ? (ssize_t)done : shim_error(error);
		}
		const size_t part =
			tcp_write(shim.r->t, s->c, (const char *)bytes + done, n - done);

		done += part;
		shim_turn();
		if (done == n)
			break;
		if (s->nonblock || (flags & MSG_DONTWAIT) || !shim_wait())
			return done > 0 ? (ssize_t)done : shim_error(EAGAIN);
	}
	return (ssize_t)done;
}

static int do_close(struct shim_socket *s)
{
	if (s->listens) {
		tcp_unlisten(shim.r->t, &s->local);
		for (unsigned i = 0; i < s->n_waiting; i++)
			tcp_release(shim.r->t, s->waiting[i]);
	}
	if (s->c != NULL) {
		if (s->abort)
			tcp_abort(shim.r->t, s->c);
		tcp_release(shim.r->t, s->c);
	}
	s->used = false;
	close((int)(s - shim.sockets));
	shim_turn();
	return 0;
}

static int do_shutdown(struct shim_socket *s, int how)
{
	if (s->c == NULL || s->closed)
		return shim_error(ENOTCONN);
	s->shut_read |= how != SHUT_WR;
	s->shut_write |= how != SHUT_RD;
	if (how != SHUT_RD)
		tcp_shutdown(shim.r->t, s->c);
	shim_turn();
	return 0;
}

static int do_getsockopt(struct shim_socket *s, int level, int name, void *value, socklen_t *n)
{
	int v;

	if (level == SOL_SOCKET && name == SO_ERROR) {
		v = s->error;
		s->error = 0;
	} else if (level == IPPROTO_TCP && name == TCP_NODELAY) {
		v = s->no_delay;
	} else {
		return shim_error(ENOPROTOOPT);
	}
	memcpy(value, &v, RTE_MIN(sizeof(v), (size_t)*n));
	return 0;
}

static int do_setsockopt(struct shim_socket *s, int level, int name, const void *value, socklen_t n)
{
	int v = 0;

	memcpy(&v, value, RTE_MIN(sizeof(v), (size_t)n));
	if (level == IPPROTO_TCP && name == TCP_NODELAY) {
		s->no_delay = v != 0;
		if (s->c != NULL)
			tcp_conn_set_nagle(s->c, !s->no_delay);
		shim_turn();
		return 0;
	}
	if (level == SOL_SOCKET && name == SO_LINGER) {
		const struct linger *l = value;

		s->abort = l->l_onoff != 0 && l->l_linger == 0;
		return 0;
	}
	// Sizes of buffers are the engine's; addresses are always reused.
	if (level == SOL_SOCKET && (name == SO_REUSEADDR || name == SO_SNDBUF || name == SO_RCVBUF))
		return 0;
	return shim_error(ENOPROTOOPT);
}

static short poll_one(const struct pollfd *p)
{
	const struct shim_socket *s = shim_socket(p->fd);
	short got = 0;

	if (s == NULL)
		return POLLNVAL;
	if (s->listens)
		return s->n_waiting > 0 ? p->events & POLLIN : 0;
	if (s->c == NULL)
		return POLLHUP;
	if (tcp_readable(s->c) > 0 || tcp_is_finished(s->c) || s->closed || s->shut_read)
		got |= POLLIN | POLLRDNORM;
	if (tcp_is_finished(s->c))
		got |= POLLRDHUP;
	if (s->connected || s->closed)
		got |= POLLOUT | POLLWRNORM;
	got &= (short)(p->events | POLLERR | POLLHUP);
	if (s->closed)
		got |= (short)(POLLHUP | (s->error != 0 ? POLLERR : 0));
	return got;
}

// --- the table

#define CALL(name, ...)                                                                            \
	struct shim_socket *s;                                                                     \
	__typeof__(name(__VA_ARGS__)) rc = -1;                                                     \
	(void)u;                                                                                   \
	shim_enter();                                                                              \
	s = shim_socket(fd);                                                                       \
	if (s != NULL)                                                                             \
		rc = name(__VA_ARGS__);                                                            \
	shim_leave();                                                                              \
	return rc

static int call_socket(void *u, int domain, int type, int protocol)
{
	(void)u;
	(void)domain;
	(void)protocol;
	shim_enter();
	const int fd = (type & 0xf) == SOCK_STREAM ? do_socket(type) : shim_error(EPROTONOSUPPORT);

	shim_leave();
	return fd;
}

static int call_bind(void *u, int fd, const struct sockaddr *a, socklen_t n)
{
	(void)n;
	CALL(do_bind, s, a);
}

static int call_listen(void *u, int fd, int backlog)
{
	(void)backlog;
	CALL(do_listen, s);
}

static int call_accept(void *u, int fd, struct sockaddr *a, socklen_t *n)
{
	CALL(do_accept, s, a, n);
}

static int call_connect(void *u, int fd, const struct sockaddr *a, socklen_t n)
{
	(void)n;
	CALL(do_connect, s, a);
}

static ssize_t call_recv(void *u, int fd, void *bytes, size_t n, int flags)
{
	CALL(do_read, s, bytes, n, flags);
}

static ssize_t call_read(void *u, int fd, void *bytes, size_t n)
{
	return call_recv(u, fd, bytes, n, 0);
}

static ssize_t call_readv(void *u, int fd, const struct iovec *iov, int n)
{
	return n < 1 ? shim_error(EINVAL) : call_recv(u, fd, iov[0].iov_base, iov[0].iov_len, 0);
}

static ssize_t call_recvfrom(
	void *u, int fd, void *bytes, size_t n, int flags, struct sockaddr *a, socklen_t *size)
{
	(void)a;
	(void)size;
	return call_recv(u, fd, bytes, n, flags);
}

static ssize_t call_recvmsg(void *u, int fd, struct msghdr *m, int flags)
{
	m->msg_controllen = 0;
	return m->msg_iovlen < 1
		       ? shim_error(EINVAL)
		       : call_recv(u, fd, m->msg_iov[0].iov_base, m->msg_iov[0].iov_len, flags);
}

static ssize_t call_send(void *u, int fd, const void *bytes, size_t n, int flags)
{
	CALL(do_write, s, bytes, n, flags);
}

static ssize_t call_write(void *u, int fd, const void *bytes, size_t n)
{
	return call_send(u, fd, bytes, n, 0);
}

static ssize_t call_sendto(void *u, int fd, const void *bytes, size_t n, int flags,
	const struct sockaddr *a, socklen_t size)
{
	(void)a;
	(void)size;
	return call_send(u, fd, bytes, n, flags);
}

static ssize_t send_pieces(void *u, int fd, const struct iovec *iov, size_t n, int flags)
{
	ssize_t done = 0;

	for (size_t i = 0; i < n; i++) {
		const ssize_t part = call_send(u, fd, iov[i].iov_base, iov[i].iov_len, flags);

		if (part < 0)
			return done > 0 ? done : part;
		done += part;
	}
	return done;
}

static ssize_t call_writev(void *u, int fd, const struct iovec *iov, int n)
{
	return send_pieces(u, fd, iov, (size_t)n, 0);
}

static ssize_t call_sendmsg(void *u, int fd, const struct msghdr *m, int flags)
{
	return send_pieces(u, fd, m->msg_iov, m->msg_iovlen, flags);
}

static int do_fcntl(struct shim_socket *s, int command, int value)
{
	if (command == F_SETFL)
		s->nonblock = value & O_NONBLOCK;
	else if (command == F_GETFL)
		return O_RDWR | (s->nonblock ? O_NONBLOCK : 0);
	else
		return shim_error(EINVAL);
	return 0;
}

static int call_fcntl(void *u, int fd, int command, ...)
{
	va_list args;

	va_start(args, command);
	const int value = command == F_SETFL ? va_arg(args, int) : 0;

	va_end(args);
	CALL(do_fcntl, s, command, value);
}

static int do_ioctl(struct shim_socket *s, unsigned long request, int *out)
{
	if (s->c == NULL || (request != FIONREAD && request != TIOCOUTQ))
		return shim_error(EINVAL);
	*out = (int)(request == FIONREAD ? tcp_readable(s->c) : tcp_unacknowledged(s->c));
	return 0;
}

static int call_ioctl(void *u, int fd, unsigned long request, ...)
{
	va_list args;

	va_start(args, request);
	int *out = va_arg(args, int *);

	va_end(args);
	CALL(do_ioctl, s, request, out);
}

static int call_close(void *u, int fd)
{
	CALL(do_close, s);
}

static int call_shutdown(void *u, int fd, int how)
{
	CALL(do_shutdown, s, how);
}

static int call_getsockopt(void *u, int fd, int level, int name, void *value, socklen_t *n)
{
	CALL(do_getsockopt, s, level, name, value, n);
}

static int call_setsockopt(void *u, int fd, int level, int name, const void *value, socklen_t n)
{
	CALL(do_setsockopt, s, level, name, value, n);
}

static int call_poll(void *u, struct pollfd *fds, nfds_t n, int timeout)
{
	int ready;

	(void)u;
	shim_enter();
	for (;;) {
		ready = 0;
		for (nfds_t i = 0; i < n; i++) {
			fds[i].revents = poll_one(&fds[i]);
			ready += fds[i].revents != 0;
		}
		if (ready > 0 || timeout == 0 || !shim_wait())
			break;
	}
	shim_leave();
	return ready;
}

static int call_epoll_create(void *u, int size)
{
	(void)u;
	(void)size;
	return shim_error(ENOSYS);
}

static int call_epoll_ctl(void *u, int epoll, int what, int fd, struct epoll_event *e)
{
	(void)u;
	(void)epoll;
	(void)what;
	(void)fd;
	(void)e;
	return shim_error(ENOSYS);
}

static int call_epoll_wait(void *u, int epoll, struct epoll_event *e, int n, int timeout)
{
	(void)u;
	(void)epoll;
	(void)e;
	(void)n;
	(void)timeout;
	return shim_error(ENOSYS);
}

static int call_pipe(void *u, int fds[2])
{
	(void)u;
	(void)fds;
	return shim_error(ENOSYS);
}

static int call_splice(
	void *u, int in, loff_t *in_at, int out, loff_t *out_at, size_t n, unsigned flags)
{
	(void)u;
	(void)in;
	(void)in_at;
	(void)out;
	(void)out_at;
	(void)n;
	(void)flags;
	return shim_error(ENOSYS);
}

void shim_calls(struct packetdrill_interface *table)
{
	table->socket = call_socket;
	table->bind = call_bind;
	table->listen = call_listen;
	table->accept = call_accept;
	table->connect = call_connect;
	table->read = call_read;
	table->readv = call_readv;
	table->recv = call_recv;
	table->recvfrom = call_recvfrom;
	table->recvmsg = call_recvmsg;
	table->write = call_write;
	table->writev = call_writev;
	table->send = call_send;
	table->sendto = call_sendto;
	table->sendmsg = call_sendmsg;
	table->fcntl = call_fcntl;
	table->ioctl = call_ioctl;
	table->close = call_close;
	table->shutdown = call_shutdown;
	table->getsockopt = call_getsockopt;
	table->setsockopt = call_setsockopt;
	table->poll = call_poll;
	table->epoll_create = call_epoll_create;
	table->epoll_ctl = call_epoll_ctl;
	table->epoll_wait = call_epoll_wait;
	table->pipe = call_pipe;
	table->splice = call_splice;
}
