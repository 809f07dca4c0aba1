// SPDX-License-Identifier: BSD-2-Clause
// The same on the kernel's sockets: echo (port 7) and an endless stream (port 19), epoll with edges, one
// process. Says what it has done for each line of its standard input, and ends with it.

#include "bench/load/pattern.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS  512
#define READ    65536
#define BACKLOG 65535 // the kernel has its own limit

struct client {
	int fd;
	bool generates;
	bool finished;   // by the other side
	uint32_t place;  // of an endless stream
	size_t from, to; // what waits to be written
	char *waits;     // READ bytes once they were needed
};

static int epoll;
static unsigned connections;

static void must(int rc, const char *what)
{
	if (rc >= 0)
		return;
	perror(what);
	exit(1);
}

static int watch(int fd, uint32_t events, void *what)
{
	struct epoll_event e = {.events = events, .data.ptr = what};

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
}

static void client_end(struct client *c)
{
	close(c->fd);
	free(c->waits);
	free(c);
	connections--;
}

static void accept_all(int listener, bool generates)
{
	static const int one = 1;
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct client *c = calloc(1, sizeof(*c));

		if (c == NULL) {
			close(fd);
			continue;
		}
		c->fd = fd;
		c->generates = generates;
		connections++;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (watch(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, c) < 0)
			client_end(c);
	}
}

// Keeps what the socket did not take. False without memory.
static bool keep(struct client *c, const char *bytes, size_t n)
{
	if (c->waits == NULL)
		c->waits = malloc(READ);
	if (c->waits == NULL)
		return false;
	memcpy(c->waits, bytes, n);
	c->from = 0;
	c->to = n;
	return true;
}

// False when the connection is over.
static bool write_waiting(struct client *c)
{
	while (c->from < c->to) {
		const ssize_t n = write(c->fd, c->waits + c->from, c->to - c->from);

		if (n < 0)
			return errno == EAGAIN;
		c->from += (size_t)n;
	}
	return true;
}

static bool echo(struct client *c)
{
	static char bytes[READ];

	if (!write_waiting(c))
		return false;
	while (c->from == c->to) {
		const ssize_t n = read(c->fd, bytes, sizeof(bytes));

		if (n <= 0)
			return n < 0 && errno == EAGAIN;
		ssize_t done = write(c->fd, bytes, (size_t)n);

		if (done < 0) {
			if (errno != EAGAIN)
				return false;
			done = 0;
		}
		if (done < n && !keep(c, bytes + done, (size_t)(n - done)))
			return false;
		// A short read has emptied the socket; what comes later is another edge.
		if ((size_t)n < sizeof(bytes) && !c->finished)
			return true;
	}
	return true;
}

static bool generate(struct client *c)
{
	ssize_t n;

	if (c->finished)
		return false;
	while ((n = write(c->fd, pattern_at(0, c->place), PATTERN_RUN)) > 0)
		c->place += (uint32_t)n;
	return errno == EAGAIN;
}

static void serve(struct client *c, uint32_t events)
{
	if (events & (EPOLLERR | EPOLLHUP)) {
		client_end(c);
		return;
	}
	c->finished |= (events & EPOLLRDHUP) != 0;
	if (!(c->generates ? generate(c) : echo(c)))
		client_end(c);
}

static int listen_at(uint16_t port)
{
	static const int one = 1;
	const struct sockaddr_in6 at = {
		.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_ANY_INIT};
	const int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	must(fd, "socket");
	must(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), "SO_REUSEADDR");
	// Connections inherit it.
	must(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5), "cubic");
	must(bind(fd, (const void *)&at, sizeof(at)), "bind");
	must(listen(fd, BACKLOG), "listen");
	return fd;
}

static double seconds(const struct timeval *t)
{
	return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

// False at the end of input.
static bool report(void)
{
	char line[64];
	struct rusage use;

	if (fgets(line, sizeof(line), stdin) == NULL)
		return false;
	getrusage(RUSAGE_SELF, &use);
	printf("{\"connections\": %u, \"user\": %.3f, \"system\": %.3f}\n", connections,
		seconds(&use.ru_utime), seconds(&use.ru_stime));
	fflush(stdout);
	return true;
}

static void files_raise(void)
{
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

int main(void)
{
	struct epoll_event events[EVENTS];
	int listeners[2];

	setvbuf(stdin, NULL, _IONBF, 0);
	pattern_init();
	files_raise();
	epoll = epoll_create1(EPOLL_CLOEXEC);
	must(epoll, "epoll");
	for (unsigned i = 0; i < 2; i++) {
		listeners[i] = listen_at(i == 0 ? 7 : 19);
		must(watch(listeners[i], EPOLLIN, &listeners[i]), "epoll");
	}
	must(watch(STDIN_FILENO, EPOLLIN, NULL), "epoll");
	printf("{\"ready\": true}\n");
	fflush(stdout);
	for (;;) {
		const int n = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			void *what = events[i].data.ptr;

			if (what == &listeners[0] || what == &listeners[1])
				accept_all(*(int *)what, what == &listeners[1]);
			else if (what != NULL)
				serve(what, events[i].events);
			else if (!report())
				return 0;
		}
	}
}
