// SPDX-License-Identifier: BSD-2-Clause
// The engine under packetdrill: its clock, its packets, its events.
//
// The clock is virtual: it stands still but for usleep(), for gettimeofday(), which counts on so that
// whoever waits in a loop gets on, and for whoever waits for a packet.

#include "packetdrill/shim.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STEP_US 250
#define LOOK_US 5              // that a look at the clock takes
#define LONGEST (300000000ull) // nothing is waited for longer than that

struct shim shim;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_t first_thread;
static unsigned waiting;

void shim_enter(void)
{
	pthread_mutex_lock(&lock);
}

void shim_leave(void)
{
	pthread_mutex_unlock(&lock);
}

int shim_error(int error)
{
	errno = error;
	return -1;
}

struct shim_socket *shim_socket(int fd)
{
	if (fd >= 0 && fd < SHIM_SOCKETS && shim.sockets[fd].used)
		return &shim.sockets[fd];
	errno = EBADF;
	return NULL;
}

int shim_socket_new(void)
{
	const int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return fd;
	if (fd >= SHIM_SOCKETS) {
		close(fd);
		return shim_error(EMFILE);
	}
	shim.sockets[fd] = (struct shim_socket){.used = true};
	return fd;
}

static struct shim_socket *socket_of(const struct tcp_conn *c)
{
	for (unsigned i = 0; i < SHIM_SOCKETS; i++)
		if (shim.sockets[i].used && shim.sockets[i].c == c)
			return &shim.sockets[i];
	return NULL;
}

static int error_of(enum tcp_reason reason)
{
	switch (reason) {
	case TCP_REASON_RESET:
		return ECONNRESET;
	case TCP_REASON_REFUSED:
		return ECONNREFUSED;
	case TCP_REASON_UNREACHABLE:
		return EHOSTUNREACH;
	case TCP_REASON_FIN:
		return 0;
	default:
		return ETIMEDOUT;
	}
}

static void take_event(const struct tcp_event *e)
{
	struct shim_socket *s = socket_of(e->conn);

	if (e->what & TCP_EVENT_ACCEPTED) {
		s = e->user;
		if (s->n_waiting < sizeof(s->waiting) / sizeof(s->waiting[0]))
			s->waiting[s->n_waiting++] = e->conn;
		else
			tcp_release(shim.r->t, e->conn);
		return;
	}
	if (s == NULL)
		return;
	s->connected |= (e->what & TCP_EVENT_CONNECTED) != 0;
	if (e->what & TCP_EVENT_CLOSED) {
		s->closed = true;
		s->error = error_of(tcp_conn_reason(e->conn));
	}
}

void shim_turn(void)
{
	struct tcp_event events[16];
	const unsigned long before = shim.events;
	unsigned n;

	tcp_flush(shim.r->t);
	while ((n = tcp_events(shim.r->t, events, 16)) > 0) {
		for (unsigned i = 0; i < n; i++)
			take_event(&events[i]);
		shim.events += n;
	}
	tcp_flush(shim.r->t);
	tcp_rig_let_go(shim.r);
	tcp_rig_check(shim.r);
	if (shim.events == before || waiting == 0)
		return;
	// Who waits goes on before the clock does.
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	usleep(2000);
	pthread_mutex_lock(&lock);
}

void shim_time(uint64_t us)
{
	while (us > 0) {
		const uint64_t part = us < STEP_US ? us : STEP_US;

		tcp_rig_time(shim.r, shim.r->now_us + part);
		shim_turn();
		us -= part;
	}
}

bool shim_wait(void)
{
	const unsigned long before = shim.events;
	const uint64_t end = shim.r->now_us + LONGEST;

	// Only the first thread moves the clock.
	if (pthread_equal(pthread_self(), first_thread)) {
		while (shim.events == before && shim.r->now_us < end)
			shim_time(STEP_US);
		return shim.events != before;
	}
	waiting++;
	while (shim.events == before)
		pthread_cond_wait(&changed, &lock);
	waiting--;
	return true;
}

static int netdev_send(void *u, const void *bytes, size_t n)
{
	(void)u;
	shim_enter();
	// Larger than any wire's, as a script may have it: in several buffers.
	shim.r->cuts = n > 1500 ? 2 + (unsigned)n / 1400 : 1;
	tcp_rig_put(shim.r, bytes, n);
	shim_turn();
	shim_leave();
	return 0;
}

static void clear_push(uint8_t *bytes, size_t length)
{
	const unsigned header = bytes[0] >> 4 == 4 ? 20 : 40;

	bytes[header + 13] &= (uint8_t)~0x08u;
	tcp_rig_sum(bytes, length);
}

static int netdev_receive(void *u, void *bytes, size_t *n, long long *time_us)
{
	const struct tcp_rig_packet *p;

	(void)u;
	shim_enter();
	const uint64_t end = shim.r->now_us + LONGEST;

	while ((p = tcp_rig_take(shim.r)) == NULL && shim.r->now_us < end)
		shim_time(STEP_US);
	*n = 0;
	if (p != NULL) {
		*n = p->length;
		memcpy(bytes, p->bytes, p->length);
		if (!shim.push)
			clear_push(bytes, p->length);
		*time_us = (long long)p->at_us;
	}
	shim_leave();
	return 0;
}

static int sleep_us(void *u, useconds_t us)
{
	(void)u;
	shim_enter();
	shim_time(us);
	shim_leave();
	return 0;
}

static int clock_now(void *u, struct timeval *tv, struct timezone *zone)
{
	(void)u;
	(void)zone;
	shim_enter();
	shim_time(LOOK_US);
	tv->tv_sec = (time_t)(shim.r->now_us / 1000000);
	tv->tv_usec = (suseconds_t)(shim.r->now_us % 1000000);
	shim_leave();
	return 0;
}

static void end(void *u)
{
	(void)u;
	tcp_rig_abandon(shim.r);
}

// NAME=VALUE of the flags, separated by commas.
static const char *flag(const char *flags, const char *name, const char *otherwise)
{
	static char value[64];
	const size_t length = strlen(name);

	for (const char *at = flags; at != NULL && *at != '\0';) {
		const char *comma = strchrnul(at, ',');

		if (strncmp(at, name, length) == 0 && at[length] == '=') {
			snprintf(value, sizeof(value), "%.*s", (int)(comma - at - (long)length - 1),
				at + length + 1);
			return value;
		}
		at = *comma == ',' ? comma + 1 : comma;
	}
	return otherwise;
}

__attribute__((visibility("default"))) void packetdrill_interface_init(
	const char *flags, struct packetdrill_interface *table)
{
	struct tcp_rig_options o = tcp_rig_defaults();

	first_thread = pthread_self();
	// What Linux does without being told: Nagle's rule, buffers whose window needs a scale of 8.
	o.settings.nagle = true;
	o.settings.receive_buffer = 12 << 20;
	o.settings.send_buffer = 4 << 20;
	o.settings.connection_buffers = 1800;
	o.settings.time_wait = 60000;
	o.settings.timestamps = atoi(flag(flags, "timestamps", "1")) != 0;
	o.settings.sack = atoi(flag(flags, "sack", "1")) != 0;
	o.mtu = (uint16_t)atoi(flag(flags, "mtu", "1500"));
	o.buffers = 1800;
	o.start_us = 1000000000;
	shim.push = atoi(flag(flags, "push", "1")) != 0;
	if (postern_addr_parse(flag(flags, "local4", "192.168.0.1"), &shim.local4) != 0 ||
		postern_addr_parse(flag(flags, "local6", "fd3d:0:0:1::1"), &shim.local6) != 0) {
		fprintf(stderr, "%s: no such address\n", flags);
		exit(1);
	}
	shim.r = tcp_rig_new(&o);
	*table = (struct packetdrill_interface){
		.free = end,
		.netdev_send = netdev_send,
		.netdev_receive = netdev_receive,
		.usleep = sleep_us,
		.gettimeofday = clock_now,
	};
	shim_calls(table);
}
