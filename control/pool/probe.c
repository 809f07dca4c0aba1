// SPDX-License-Identifier: BSD-2-Clause
// When members are probed, and the TCP connection of a probe; what is said on it, TLS or SIP, is
// elsewhere.
//
// A probe's connection is closed in the ordinary way, with FIN. A reset would leave no TIME-WAIT
// behind, but the member would see an error on a connection that it has just accepted, and many
// servers log one: twice a second. TIME-WAIT costs little here: at two probes a second 120 ports
// towards one member's address out of 28,000, and they are the kernel's, not the dataplane's.

#include "control/pool/probe.h"

#include "postern/log.h"

#include <event2/event.h>

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

LOG_SUBSYSTEM("pool");

struct pool_probe {
	struct pool_seat *seat;
	struct event *timer; // in flight: when to give up; else: when to begin
	struct event *io;
	int fd;                // -1: nothing is in flight
	short wanted;          // EV_READ or EV_WRITE: what the socket is waited for
	struct probe_tls *tls; // NULL until the connection stands, and without TLS
	struct probe_sip *sip; // likewise, without SIP
	uint32_t timeout_ms;
	uint64_t started_us;
	uint64_t deadline_us;
	uint64_t shaken_us; // when the handshake was complete; 0: it is not
	uint64_t next_us;   // when the next one begins
	uint64_t lag_us;    // what the loop had lost when the deadline was set
	bool first;         // none has begun since the last restart
	bool told;          // its result is out; what is awaited is the end of the connection
};

static const struct config_probe *settings(const struct pool_probe *p)
{
	return p->seat->member.settings;
}

static void arm(struct pool_probe *p, uint64_t at_us)
{
	uint64_t now = pool_now_us();
	uint64_t us = at_us > now ? at_us - now : 0;
	struct timeval after = {(time_t)(us / 1000000), (suseconds_t)(us % 1000000)};
	event_add(p->timer, &after);
}

static void await(struct pool_probe *p, short wanted, event_callback_fn callback)
{
	p->wanted = wanted;
	event_assign(p->io, p->seat->set->base, p->fd, wanted, callback, p);
	event_add(p->io, NULL);
}

static void close_probe(struct pool_probe *p)
{
	if (p->fd < 0)
		return;
	event_del(p->io);
	event_del(p->timer);
	probe_sip_free(p->sip);
	probe_tls_free(p->tls);
	p->sip = NULL;
	p->tls = NULL;
	p->told = false;
	close(p->fd);
	p->fd = -1;
	pool_lag_leave(&p->seat->set->lag);
}

// Length of the next interval. The second probe comes anywhere in the first interval, so that the
// probes of members that were configured at once do not stay together.
static uint64_t interval_us(struct pool_probe *p)
{
	struct pool_set *set = p->seat->set;
	uint64_t interval = (uint64_t)settings(p)->interval_ms * 1000;
	if (p->first)
		return pool_random(set, interval);
	uint64_t jitter = interval * settings(p)->jitter_percent / 100;
	uint64_t length = interval + pool_random(set, 2 * jitter + 1);
	return length > jitter ? length - jitter : 0;
}

static void finish(struct pool_probe *p, bool ok, const char *why)
{
	uint64_t end = p->shaken_us != 0 ? p->shaken_us : pool_now_us();
	close_probe(p);
	arm(p, p->next_us);
	pool_member_probed(p->seat, ok, (uint32_t)((end - p->started_us) / 1000), why);
}

static void succeed(struct pool_probe *p)
{
	uint64_t end = p->shaken_us != 0 ? p->shaken_us : pool_now_us();
	char why[64];
	snprintf(why, sizeof(why), "accepted in %llu ms",
		(unsigned long long)(end - p->started_us) / 1000);
	finish(p, true, why);
}

static void await_end(evutil_socket_t fd, short what, void *arg)
{
	(void)what;
	struct pool_probe *p = arg;
	char data[4096];
	ssize_t n = recv(fd, data, sizeof(data), 0);
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR))) {
		await(p, EV_READ, await_end);
		return;
	}
	close_probe(p);
	arm(p, p->next_us);
}

// The member has answered: that counts at once, while the connection ends in the ordinary way, or
// when the probe's time is up.
static void settle(struct pool_probe *p, bool ok, const char *why)
{
	uint64_t ms = (pool_now_us() - p->started_us) / 1000;
	char text[sizeof(p->seat->member.why)];
	snprintf(text, sizeof(text), ok ? "%.100s in %llu ms" : "%.100s", why,
		(unsigned long long)ms);
	p->told = true;
	if (p->tls != NULL)
		probe_tls_end(p->tls);
	else
		shutdown(p->fd, SHUT_WR);
	await(p, EV_READ, await_end);
	pool_member_probed(p->seat, ok, (uint32_t)ms, text);
}

static void fail_errno(struct pool_probe *p, int error)
{
	const char *what;
	switch (error) {
	case ECONNREFUSED:
		what = "connection refused";
		break;
	case ECONNRESET:
		what = "connection reset";
		break;
	case EHOSTUNREACH:
		what = "no route to host";
		break;
	case ENETUNREACH:
		what = "network unreachable";
		break;
	case ETIMEDOUT:
		what = "no answer";
		break;
	default:
		what = strerror(error);
		break;
	}
	char why[128];
	snprintf(why, sizeof(why), "%s after %llu ms", what,
		(unsigned long long)(pool_now_us() - p->started_us) / 1000);
	finish(p, false, why);
}

// What this machine lacks says nothing of the member: the probe does not count. Complaints come at
// most every 10 s, since one cause stops all probes at once.
static void postpone(struct pool_probe *p, int error)
{
	struct pool_set *set = p->seat->set;
	struct pool_member *m = &p->seat->member;
	uint64_t now = pool_now_us();
	snprintf(m->why, sizeof(m->why), "could not be probed: %s", strerror(error));
	if (set->warned_us == 0 || now - set->warned_us > 10000000) {
		LOG(WARNING, "pool %s: member %s %s", m->pool->name, m->name, m->why);
		set->warned_us = now;
	}
	close_probe(p);
	arm(p, p->next_us);
}

static bool is_local(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM ||
	       error == EADDRNOTAVAIL || error == EAGAIN;
}

static enum probe_step step(struct pool_probe *p, char *why, size_t size)
{
	enum probe_step s = PROBE_DONE;
	if (p->tls != NULL)
		s = probe_tls_step(p->tls, &p->seat->member, why, size);
	if (p->tls != NULL && p->sip == NULL && p->shaken_us == 0 && probe_tls_shaken(p->tls))
		p->shaken_us = pool_now_us();
	if (s == PROBE_DONE && p->sip != NULL)
		s = probe_sip_step(p->sip, settings(p), why, size);
	return s;
}

static void goes_on(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct pool_probe *p = arg;
	char why[sizeof(p->seat->member.why)] = "";
	enum probe_step s = step(p, why, sizeof(why));
	if (s == PROBE_WANT_READ)
		await(p, EV_READ, goes_on);
	else if (s == PROBE_WANT_WRITE)
		await(p, EV_WRITE, goes_on);
	else if (p->sip != NULL && probe_sip_answered(p->sip))
		settle(p, s == PROBE_DONE, why);
	else if (s == PROBE_DONE)
		succeed(p);
	else
		finish(p, false, why);
}

// Where the probe of a member goes.
static struct postern_endpoint target(const struct pool_probe *p)
{
	struct postern_endpoint to = p->seat->member.at;
	if (!postern_addr_is_none(&settings(p)->address))
		to.addr = settings(p)->address;
	if (settings(p)->port != 0)
		to.port = (uint16_t)settings(p)->port;
	return to;
}

static void talk(struct pool_probe *p)
{
	const struct pool_member *m = &p->seat->member;
	const struct postern_endpoint to = target(p);
	bool sip = settings(p)->kind == CONFIG_PROBE_SIP;
	if (config_probe_uses_tls(settings(p))) {
		p->tls = probe_tls_new(
			p->seat->set->bio, pool_group_of(m->pool)->tls, p->fd, m->fqdn, sip);
		if (p->tls == NULL) {
			postpone(p, ENOMEM);
			return;
		}
	}
	if (sip && (p->sip = probe_sip_new(m, &to, p->fd, p->tls)) == NULL)
		postpone(p, errno);
	else
		goes_on(p->fd, 0, p);
}

static void connected(evutil_socket_t fd, short what, void *arg)
{
	(void)what;
	struct pool_probe *p = arg;
	int error = 0;
	socklen_t length = sizeof(error);
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0)
		error = errno;
	if (error != 0)
		fail_errno(p, error);
	else if (settings(p)->kind == CONFIG_PROBE_TCP)
		succeed(p);
	else
		talk(p);
}

static int connect_to(const struct postern_endpoint *at, int fd)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET,
		.sin_port = htons(at->port),
		.sin_addr.s_addr = at->addr.words[3]};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(at->port)};
	memcpy(&v6.sin6_addr, at->addr.bytes, sizeof(v6.sin6_addr));
	if (postern_addr_is_v4(&at->addr))
		return connect(fd, (struct sockaddr *)&v4, sizeof(v4));
	return connect(fd, (struct sockaddr *)&v6, sizeof(v6));
}

static void begin(struct pool_probe *p)
{
	const struct postern_endpoint at = target(p);
	p->started_us = pool_now_us();
	p->next_us = p->started_us + interval_us(p);
	p->first = false;
	p->shaken_us = 0;
	p->timeout_ms = settings(p)->timeout_ms;

	int family = postern_addr_is_v4(&at.addr) ? AF_INET : AF_INET6;
	p->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
	if (p->fd < 0) {
		postpone(p, errno);
		return;
	}
	pool_lag_use(&p->seat->set->lag);
	int error = connect_to(&at, p->fd) == 0 ? 0 : errno;
	if (error != 0 && error != EINPROGRESS) {
		if (is_local(error))
			postpone(p, error);
		else
			fail_errno(p, error);
		return;
	}
	p->lag_us = pool_lag_total(&p->seat->set->lag);
	p->deadline_us = p->started_us + (uint64_t)p->timeout_ms * 1000;
	arm(p, p->deadline_us);
	await(p, EV_WRITE, connected);
}

// Takes what the kernel has for the probe by now; true if there was something.
static bool look_again(struct pool_probe *p)
{
	struct pollfd now = {.fd = p->fd, .events = p->wanted == EV_READ ? POLLIN : POLLOUT};
	if (poll(&now, 1, 0) <= 0)
		return false;
	event_callback_fn callback = event_get_callback(p->io);
	event_del(p->io);
	callback(p->fd, p->wanted, p);
	return true;
}

// The time is up. If the loop was late, that is not the member's doing: the answer may lie in the
// socket, unread, so one more look is taken; and a handshake whose next flight left late has
// not had its time, so what the loop lost since the deadline was set is given back, up to the
// whole timeout.
static void give_up(struct pool_probe *p)
{
	if (look_again(p) && p->fd < 0)
		return;
	if (p->told) {
		close_probe(p);
		arm(p, p->next_us);
		return;
	}
	uint64_t total = pool_lag_total(&p->seat->set->lag);
	uint64_t lost = total - p->lag_us;
	uint64_t timeout_us = (uint64_t)p->timeout_ms * 1000;
	if (lost > 0) {
		p->lag_us = total;
		p->deadline_us = pool_now_us() + (lost < timeout_us ? lost : timeout_us);
		arm(p, p->deadline_us);
		return;
	}
	if (p->tls != NULL && p->sip == NULL && probe_tls_shaken(p->tls)) {
		succeed(p);
		return;
	}
	char why[128], what[96] = "no answer";
	if (p->tls != NULL && !probe_tls_shaken(p->tls))
		snprintf(what, sizeof(what), "TLS: handshake not complete");
	else if (p->sip != NULL)
		probe_sip_lacks(p->sip, what, sizeof(what));
	snprintf(why, sizeof(why), "%s within %u ms", what, p->timeout_ms);
	finish(p, false, why);
}

// libevent counts from the start of its turn, so that a timer may come a little early.
static void timer_fired(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct pool_probe *p = arg;
	uint64_t at = p->fd >= 0 ? p->deadline_us : p->next_us;
	if (pool_now_us() < at)
		arm(p, at);
	else if (p->fd >= 0)
		give_up(p);
	else if (settings(p)->kind == CONFIG_PROBE_NONE)
		pool_member_release(p->seat);
	else
		begin(p);
}

struct pool_probe *pool_probe_new(struct pool_seat *seat)
{
	struct pool_probe *p = calloc(1, sizeof(*p));
	if (p == NULL)
		return NULL;
	p->seat = seat;
	p->fd = -1;
	p->timer = event_new(seat->set->base, -1, 0, timer_fired, p);
	p->io = event_new(seat->set->base, -1, 0, connected, p);
	if (p->timer == NULL || p->io == NULL) {
		pool_probe_free(p);
		return NULL;
	}
	return p;
}

void pool_probe_free(struct pool_probe *p)
{
	if (p == NULL)
		return;
	close_probe(p);
	if (p->timer != NULL)
		event_free(p->timer);
	if (p->io != NULL)
		event_free(p->io);
	free(p);
}

void pool_probe_restart(struct pool_seat *seat, uint32_t within_ms)
{
	struct pool_probe *p = seat->member.probe;
	const struct config_probe *c = settings(p);
	close_probe(p);
	event_del(p->timer);
	if (seat->member.admin == POOL_ADMIN_MAINT)
		return;
	if (c->kind == CONFIG_PROBE_NONE) {
		p->next_us = pool_now_us() + (uint64_t)POOL_HOLD_MS * 1000;
		if (seat->member.health == POOL_HEALTH_DOWN)
			arm(p, p->next_us);
		return;
	}
	uint32_t within = c->interval_ms < within_ms ? c->interval_ms : within_ms;
	p->first = true;
	p->next_us = pool_now_us() + pool_random(seat->set, (uint64_t)within * 1000);
	arm(p, p->next_us);
}
