// SPDX-License-Identifier: BSD-2-Clause
// The kernel's side of seeded connections with an engine: kernel FIRST COUNT AT_ONCE. Begins with the first
// byte of standard input. A line of JSON for each connection that is over. Ends with standard input.

#include "wire/plan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS  256
#define TICK_MS 1

struct conn {
	struct plan plan;
	int fd;
	bool connected;
	bool readable;
	bool writable;
	bool shut;
	bool finished; // the other's end is read
	bool good;     // what was read is what was written
	uint64_t random;
	struct plan_stream out;
	struct plan_stream in;
};

static int epoll;
static struct conn *conns[65536]; // by descriptor
static unsigned n_conns;
static int highest;

static void must(int rc, const char *what)
{
	if (rc >= 0)
		return;
	perror(what);
	exit(1);
}

static struct conn *conn_new(int fd, uint32_t seed)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (c == NULL || fd >= (int)(sizeof(conns) / sizeof(conns[0])))
		exit(1);
	c->plan = plan_of(seed);
	c->fd = fd;
	c->good = true;
	c->random = seed * 3ull + 1;
	plan_stream_begin(&c->out);
	plan_stream_begin(&c->in);
	struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.fd = fd};

	must(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e), "epoll");
	conns[fd] = c;
	n_conns++;
	if (fd > highest)
		highest = fd;
	return c;
}

static void conn_over(struct conn *c, const char *end)
{
	plan_report(c->plan.seed, end, c->good, &c->out, &c->in);
	conns[c->fd] = NULL;
	n_conns--;
	close(c->fd);
	free(c);
}

static void option(int fd, int level, int name, int value)
{
	setsockopt(fd, level, name, &value, sizeof(value));
}

// Other sockets behave otherwise: small buffers, small segments, no delay.
static void vary(int fd, uint32_t seed)
{
	uint64_t r = seed * 5ull + 2;

	if (plan_draw(&r, 2) == 0)
		option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (plan_draw(&r, 4) == 0)
		option(fd, IPPROTO_TCP, TCP_MAXSEG, (int)(200 + plan_draw(&r, 1200)));
	if (plan_draw(&r, 3) == 0)
		option(fd, SOL_SOCKET, SO_RCVBUF, (int)(2000 + plan_draw(&r, 60000)));
	if (plan_draw(&r, 3) == 0)
		option(fd, SOL_SOCKET, SO_SNDBUF, (int)(4000 + plan_draw(&r, 60000)));
	if (plan_draw(&r, 3) == 0)
		setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
	option(fd, SOL_SOCKET, SO_OOBINLINE, 1);
}

static socklen_t address(bool v6, const uint8_t *bytes, uint16_t port, struct sockaddr_storage *a)
{
	struct sockaddr_in *a4 = (void *)a;
	struct sockaddr_in6 *a6 = (void *)a;

	memset(a, 0, sizeof(*a));
	if (v6) {
		a6->sin6_family = AF_INET6;
		a6->sin6_port = htons(port);
		memcpy(&a6->sin6_addr, bytes, 16);
		return sizeof(*a6);
	}
	a4->sin_family = AF_INET;
	a4->sin_port = htons(port);
	memcpy(&a4->sin_addr, bytes, 4);
	return sizeof(*a4);
}

static void open_one(uint32_t seed)
{
	const struct plan p = plan_of(seed);
	const int fd = socket(p.v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct sockaddr_storage own, other;
	uint8_t bytes[16];

	must(fd, "socket");
	vary(fd, seed);
	option(fd, p.v6 ? IPPROTO_IPV6 : IPPROTO_IP, p.v6 ? IPV6_FREEBIND : IP_FREEBIND, 1);
	plan_kernel_address(seed, p.v6, bytes);
	socklen_t size = address(p.v6, bytes, (uint16_t)(20000 + seed % 10000), &own);

	must(bind(fd, (struct sockaddr *)&own, size), "bind");
	plan_engine_address(p.instance, p.v6, bytes);
	size = address(p.v6, bytes, PLAN_PORT, &other);
	if (connect(fd, (struct sockaddr *)&other, size) < 0 && errno != EINPROGRESS)
		must(-1, "connect");
	conn_new(fd, seed);
}

static int listen_on(bool v6)
{
	static const uint8_t any[16];
	const int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct sockaddr_storage a;
	const socklen_t size = address(v6, any, PLAN_PORT, &a);

	must(fd, "socket");
	option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (v6)
		option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	must(bind(fd, (struct sockaddr *)&a, size), "bind");
	must(listen(fd, 4096), "listen");
	struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};

	must(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e), "epoll");
	return fd;
}

static void accept_all(int listener)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		struct sockaddr_storage a;
		socklen_t size = sizeof(a);

		getsockname(fd, (struct sockaddr *)&a, &size);
		const bool v6 = a.ss_family == AF_INET6;
		const void *bytes = v6 ? (void *)&((struct sockaddr_in6 *)&a)->sin6_addr
				       : (void *)&((struct sockaddr_in *)&a)->sin_addr;
		const uint32_t seed = plan_seed_of(v6, bytes);

		vary(fd, seed);
		conn_new(fd, seed)->connected = true;
	}
}

// --- a connection's turn

// False when the connection is over.
static bool read_some(struct conn *c)
{
	char bytes[16384];
	const size_t most =
		plan_draw(&c->random, 4) == 0 ? 1 + plan_draw(&c->random, 2000) : sizeof(bytes);
	const ssize_t n = recv(c->fd, bytes, most, 0);

	if (n > 0) {
		c->good &= plan_read(&c->in, c->plan.seed, PLAN_ENGINE, bytes, (size_t)n);
	} else if (n == 0) {
		c->finished = true;
		c->readable = false;
	} else if (errno == EAGAIN) {
		c->readable = false;
	} else {
		conn_over(c, errno == ECONNRESET ? "reset" : strerror(errno));
		return false;
	}
	return true;
}

static bool write_some(struct conn *c)
{
	char bytes[9000];
	const uint64_t left = c->plan.bytes[PLAN_KERNEL] - c->out.n;
	size_t n = 1 + plan_draw(&c->random, plan_draw(&c->random, 4) == 0 ? sizeof(bytes) : 600);
	const bool urgent = c->plan.urgent && plan_draw(&c->random, 8) == 0;
	struct plan_stream next = c->out;

	if (n > left)
		n = left;
	plan_write(&next, c->plan.seed, PLAN_KERNEL, bytes, n);
	const ssize_t sent = send(c->fd, bytes, n, MSG_NOSIGNAL | (urgent ? MSG_OOB : 0));

	if (sent >= 0) {
		plan_write(&c->out, c->plan.seed, PLAN_KERNEL, bytes, (size_t)sent);
	} else if (errno == EAGAIN) {
		c->writable = false;
	} else {
		conn_over(c, errno == ECONNRESET || errno == EPIPE ? "reset" : strerror(errno));
		return false;
	}
	return true;
}

// The plan's own end, before everything is said. True when it has come.
static bool end_early(struct conn *c)
{
	const enum plan_end end = c->plan.end[PLAN_KERNEL];
	const struct linger now = {.l_onoff = 1};

	if (end == PLAN_CLOSE || c->in.n + c->out.n < c->plan.end_at[PLAN_KERNEL])
		return false;
	if (end == PLAN_RESET)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	conn_over(c, end == PLAN_RESET ? "reset by plan" : "left by plan");
	return true;
}

static void act(struct conn *c)
{
	const uint32_t all = c->plan.bytes[PLAN_KERNEL];

	if (plan_draw(&c->random, 4) == 0)
		return;
	if (c->connected && end_early(c))
		return;
	if (c->readable && !c->finished && !read_some(c))
		return;
	if (c->writable && c->out.n < all && !write_some(c))
		return;
	if (c->connected && c->out.n == all && !c->shut && plan_draw(&c->random, 8) == 0) {
		shutdown(c->fd, SHUT_WR);
		c->shut = true;
	}
	if (c->shut && c->finished)
		conn_over(c, "closed");
}

static void take_event(const struct epoll_event *e)
{
	struct conn *c = conns[e->data.fd];

	if (c == NULL)
		return;
	if (e->events & EPOLLERR) {
		int error = 0;
		socklen_t size = sizeof(error);

		getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
		// Bytes before a reset are lost with it.
		if (error != 0) {
			conn_over(c,
				error == ECONNRESET || error == EPIPE ? "reset" : strerror(error));
			return;
		}
	}
	c->connected |= (e->events & EPOLLOUT) != 0;
	c->readable |= (e->events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP)) != 0;
	c->writable |= (e->events & EPOLLOUT) != 0;
}

int main(int argc, char **argv)
{
	struct epoll_event events[EVENTS];
	const struct rlimit files = {
		sizeof(conns) / sizeof(conns[0]), sizeof(conns) / sizeof(conns[0])};

	if (argc != 4) {
		fprintf(stderr, "usage: kernel FIRST COUNT AT_ONCE\n");
		return 2;
	}
	uint32_t next = (uint32_t)atoi(argv[1]);
	const uint32_t end = next + (uint32_t)atoi(argv[2]);
	const unsigned at_once = (unsigned)atoi(argv[3]);
	bool asked = false;

	setrlimit(RLIMIT_NOFILE, &files);
	setvbuf(stdout, NULL, _IOLBF, 0);
	epoll = epoll_create1(0);
	const int listeners[2] = {listen_on(false), listen_on(true)};

	printf("{\"ready\": true}\n");
	for (;;) {
		struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
		const int n = epoll_wait(epoll, events, EVENTS, TICK_MS);
		char c;

		if (poll(&input, 1, 0) > 0) {
			if (read(STDIN_FILENO, &c, 1) <= 0)
				break;
			asked = true;
			printf("{\"left\": %u}\n", n_conns);
		}
		for (int i = 0; i < n; i++) {
			if (events[i].data.fd == listeners[0] || events[i].data.fd == listeners[1])
				accept_all(events[i].data.fd);
			else
				take_event(&events[i]);
		}
		for (; asked && next < end && n_conns < at_once; next++)
			if (!plan_of(next).engine_opens)
				open_one(next);
		for (int fd = 0; fd <= highest; fd++)
			if (conns[fd] != NULL)
				act(conns[fd]);
	}
	return 0;
}
