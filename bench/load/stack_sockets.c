// SPDX-License-Identifier: BSD-2-Clause
// The load generator's connections on the kernel's sockets.

#include "bench/load/flood.h"
#include "bench/load/load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 512
#define READ   65536

static int epoll;
static struct in_addr server, first_client;
static uint32_t clients = 256;
static struct flood flood;

// What forged SYNs leave by.
#define DEVICE "link0"

__attribute__((noreturn)) static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void read_word(const char *word)
{
	if (strncmp(word, "server=", 7) == 0 && inet_pton(AF_INET, word + 7, &server) == 1)
		return;
	if (strncmp(word, "client=", 7) == 0 && inet_pton(AF_INET, word + 7, &first_client) == 1)
		return;
	if (strncmp(word, "clients=", 8) == 0) {
		clients = (uint32_t)strtoul(word + 8, NULL, 10);
		return;
	}
	fprintf(stderr, "%s: server=A client=A clients=N\n", word);
	exit(1);
}

void stack_open(int argc, char **argv)
{
	struct rlimit files;

	for (int i = 1; i < argc; i++)
		read_word(argv[i]);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0)
		fail("epoll");
}

int stack_connect(struct stack_end *e, uint32_t client, uint16_t port)
{
	static const int one = 1;
	const uint32_t low = ntohl(first_client.s_addr) + client % clients;
	const struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(low)};
	const struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = server};
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = e};

	e->stuck = true; // the first edge of EPOLLOUT says that it is connected
	e->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (e->fd < 0)
		return -errno;
	setsockopt(e->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(e->fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5);
	setsockopt(e->fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	if (bind(e->fd, (const void *)&from, sizeof(from)) < 0 ||
		(connect(e->fd, (const void *)&to, sizeof(to)) < 0 && errno != EINPROGRESS) ||
		epoll_ctl(epoll, EPOLL_CTL_ADD, e->fd, &event) < 0) {
		const int rc = -errno;

		close(e->fd);
		return rc;
	}
	e->conn = NULL;
	return 0;
}

size_t stack_write(struct stack_end *e, const void *bytes, size_t n)
{
	const ssize_t done = send(e->fd, bytes, n, MSG_NOSIGNAL);

	e->stuck = done < (ssize_t)n;
	return done < 0 ? 0 : (size_t)done;
}

void stack_close(struct stack_end *e)
{
	close(e->fd);
	e->fd = -1;
}

void stack_abort(struct stack_end *e)
{
	static const struct linger at_once = {.l_onoff = 1};

	setsockopt(e->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	stack_close(e);
}

static void read_all(struct stack_end *e)
{
	static char bytes[READ];

	while (e->fd >= 0) {
		const ssize_t n = read(e->fd, bytes, sizeof(bytes));

		if (n > 0)
			user_data(e, bytes, (size_t)n);
		else if (n == 0 || errno != EAGAIN)
			user_over(e, n == 0 ? "closed" : strerror(errno));
		// A short read has emptied the socket; an end that comes later is another edge.
		if (n < (ssize_t)sizeof(bytes))
			return;
	}
}

static void serve(struct stack_end *e, uint32_t events)
{
	if (events & EPOLLERR) {
		int error = 0;
		socklen_t size = sizeof(error);

		getsockopt(e->fd, SOL_SOCKET, SO_ERROR, &error, &size);
		user_over(e, strerror(error));
		return;
	}
	if ((events & EPOLLOUT) && e->stuck) {
		const bool connected = e->conn != NULL;

		e->stuck = false;
		e->conn = (void *)e; // any mark
		connected ? user_room(e) : user_connected(e);
	}
	if (e->fd >= 0 && (events & EPOLLIN))
		read_all(e);
	if (e->fd >= 0 && (events & EPOLLRDHUP))
		user_over(e, "closed");
}

static void flood_some(void);

bool stack_turn(void)
{
	struct epoll_event events[EVENTS];

	if (flood.rate > 0)
		flood_some();
	const int n = epoll_wait(epoll, events, EVENTS, 0);

	for (int i = 0; i < n; i++) {
		struct stack_end *e = events[i].data.ptr;

		if (e->fd >= 0)
			serve(e, events[i].events);
	}
	return n > 0;
}

// --- the flood: frames by a raw socket

static int raw = -1;

// Where the server is, and we are. The kernel has found out with the first connection.
static bool raw_open(void)
{
	struct sockaddr_ll at = {
		.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(DEVICE)};
	struct sockaddr_in of = {.sin_family = AF_INET, .sin_addr = server};
	struct arpreq asked = {.arp_dev = DEVICE};
	struct ifreq own = {.ifr_name = DEVICE};
	static const int one = 1;

	raw = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (raw < 0 || bind(raw, (const void *)&at, sizeof(at)) < 0)
		return false;
	setsockopt(raw, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));
	memcpy(&asked.arp_pa, &of, sizeof(of));
	if (ioctl(raw, SIOCGIFHWADDR, &own) < 0)
		return false;
	const int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const bool found = ioctl(any, SIOCGARP, &asked) == 0;

	close(any);
	memcpy(flood.from, own.ifr_hwaddr.sa_data, sizeof(flood.from));
	memcpy(flood.to, asked.arp_ha.sa_data, sizeof(flood.to));
	return found;
}

static void flood_some(void)
{
	static uint8_t frames[FLOOD_BURST][FLOOD_FRAME];
	static struct iovec pieces[FLOOD_BURST];
	static struct mmsghdr messages[FLOOD_BURST];
	const unsigned n = flood_due(&flood);

	for (unsigned i = 0; i < n; i++) {
		flood_write(&flood, frames[i]);
		pieces[i] = (struct iovec){frames[i], FLOOD_FRAME};
		messages[i].msg_hdr = (struct msghdr){.msg_iov = &pieces[i], .msg_iovlen = 1};
	}
	const int sent = n > 0 ? sendmmsg(raw, messages, n, 0) : 0;

	flood.sent -= n - (sent > 0 ? (unsigned)sent : 0);
}

bool stack_flood(double rate, uint32_t spread, uint16_t port)
{
	flood.rate = rate;
	flood.due = 0;
	flood.last_ns = load_now_ns();
	flood.port = port;
	flood.spread = spread;
	flood.server = server.s_addr;
	return rate <= 0 || raw >= 0 || raw_open();
}

uint64_t stack_flooded(void)
{
	return flood.sent;
}
