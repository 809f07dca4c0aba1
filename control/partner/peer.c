// SPDX-License-Identifier: BSD-2-Clause
// The connection: what is waited for, for how long, and what follows.

#include "control/partner/private.h"

#include <event2/event.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

// Turns of reading and writing in one callback, each of up to BUFFER bytes: a peer that never stops
// is in nobody's way.
#define TURNS  8
#define BUFFER 4096

struct partner_peer {
	struct partner_peer_question question;
	struct postern_domain *names;
	char own[POSTERN_DOMAIN_MAX + 1], from[POSTERN_DOMAIN_MAX + 1];
	void (*done)(void *user);
	void *user;
	struct event_base *base;
	struct event *io, *timer;
	int fd;
	enum partner_step_kind phase; // TCP, TLS or OPTIONS
	uint64_t began_us;            // the phase
	unsigned limit_ms;            // likewise
	struct partner_tls tls;
	char pending[BUFFER]; // to be sent
	size_t n_pending, sent;
	bool closed, reset; // by the peer
	bool over;
	char request[PARTNER_REQUEST];
	char call_id[33];
	struct sip_answer answer;
	struct partner_peer_report report;
};

uint64_t partner_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static struct partner_step *add_step(struct partner_peer *p, enum partner_step_kind kind)
{
	struct partner_step *s = &p->report.steps[p->report.n++];

	s->kind = kind;
	s->result = PARTNER_OK;
	s->took_us = 0;
	s->text[0] = '\0';
	return s;
}

// The phase's own step, with its time.
static struct partner_step *end_phase(struct partner_peer *p)
{
	struct partner_step *s = add_step(p, p->phase);

	s->took_us = partner_now_us() - p->began_us;
	return s;
}

static bool flush(struct partner_peer *p);

// A good-bye, or the alert that OpenSSL has made, goes if the socket takes it.
static void finish(struct partner_peer *p)
{
	event_del(p->io);
	event_del(p->timer);
	if (p->fd >= 0) {
		if (p->tls.ssl != NULL) {
			partner_tls_bye(&p->tls);
			flush(p);
		}
		shutdown(p->fd, SHUT_WR);
		close(p->fd);
	}
	p->fd = -1;
	partner_tls_end(&p->tls);
	p->over = true;
	// Whoever waits may free us in answer; from the loop there is nothing to come back to.
	event_active(p->timer, EV_TIMEOUT, 0);
}

static void await(struct partner_peer *p, short what, event_callback_fn callback)
{
	event_assign(p->io, p->base, p->fd, what, callback, p);
	event_add(p->io, NULL);
}

static void begin_phase(struct partner_peer *p, enum partner_step_kind phase, unsigned limit_ms)
{
	const unsigned ms = p->question.limit_ms != 0 ? p->question.limit_ms : limit_ms;
	const struct timeval limit = {ms / 1000, (suseconds_t)(ms % 1000) * 1000};

	p->phase = phase;
	p->limit_ms = ms;
	p->began_us = partner_now_us();
	event_add(p->timer, &limit);
}

// ---- TCP

static bool is_local(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM ||
	       error == EADDRNOTAVAIL || error == EAGAIN || error == EPERM || error == EACCES ||
	       error == EAFNOSUPPORT;
}

static void tcp_failed(struct partner_peer *p, int error)
{
	struct partner_step *s = end_phase(p);

	snprintf(s->text, sizeof(s->text), "%s", strerror(error));
	s->text[0] = (char)(s->text[0] | 0x20);
	if (error == ECONNREFUSED)
		s->result = PARTNER_TCP_REFUSED;
	else if (error == ETIMEDOUT)
		s->result = PARTNER_TCP_TIMEOUT;
	else if (error == ECONNRESET)
		s->result = PARTNER_TCP_RESET;
	else
		s->result = is_local(error) ? PARTNER_LOCAL : PARTNER_TCP_UNREACHABLE;
	finish(p);
}

static void goes_on(evutil_socket_t fd, short what, void *arg);

static void connected(evutil_socket_t fd, short what, void *arg)
{
	struct partner_peer *p = arg;
	int error = 0;
	socklen_t length = sizeof(error);

	(void)what;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0)
		error = errno;
	if (error == 0 && partner_tls_begin(&p->tls, &p->question) != 0)
		error = ENOMEM;
	if (error != 0) {
		tcp_failed(p, error);
		return;
	}
	snprintf(end_phase(p)->text, PARTNER_TEXT, "connected");
	begin_phase(p, PARTNER_STEP_TLS, PARTNER_TLS_MS);
	goes_on(fd, 0, p);
}

static int connect_to(int fd, const struct postern_endpoint *at)
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

static void begin(struct partner_peer *p)
{
	const struct postern_endpoint *at = &p->question.at;
	const int family = postern_addr_is_v4(&at->addr) ? AF_INET : AF_INET6;

	begin_phase(p, PARTNER_STEP_TCP, PARTNER_TCP_MS);
	p->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
	if (p->fd < 0 || (connect_to(p->fd, at) != 0 && errno != EINPROGRESS)) {
		tcp_failed(p, errno);
		return;
	}
	await(p, EV_WRITE, connected);
}

// ---- Bytes

// False: the socket takes no more, or no more at all.
static bool flush(struct partner_peer *p)
{
	for (;;) {
		if (p->sent == p->n_pending) {
			p->sent = 0;
			p->n_pending = partner_tls_give(&p->tls, p->pending, sizeof(p->pending));
			if (p->n_pending == 0)
				return true;
		}
		const ssize_t n =
			send(p->fd, p->pending + p->sent, p->n_pending - p->sent, MSG_NOSIGNAL);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return false;
		// What became of the connection is told by reading, with what came before it.
		if (n < 0) {
			p->reset = true;
			p->sent = p->n_pending;
		} else {
			p->sent += (size_t)n;
		}
	}
}

// False: there is nothing to be read now.
static bool fill(struct partner_peer *p)
{
	char data[BUFFER];
	const ssize_t n = p->closed ? 0 : recv(p->fd, data, sizeof(data), 0);

	if (n > 0)
		return partner_tls_take(&p->tls, data, (size_t)n);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (p->closed)
		return false;
	p->reset |= n < 0;
	p->closed = true;
	partner_tls_take_end(&p->tls);
	return true;
}

// ---- TLS and SIP

static bool own_address(int fd, struct postern_endpoint *out)
{
	struct sockaddr_storage own = {.ss_family = AF_UNSPEC};
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	socklen_t length = sizeof(own);

	if (getsockname(fd, (struct sockaddr *)&own, &length) != 0)
		return false;
	memset(out, 0, sizeof(*out));
	if (own.ss_family == AF_INET) {
		memcpy(&v4, &own, sizeof(v4));
		out->addr = postern_addr_from_v4(v4.sin_addr.s_addr);
		out->port = ntohs(v4.sin_port);
	} else {
		memcpy(&v6, &own, sizeof(v6));
		memcpy(out->addr.bytes, &v6.sin6_addr, sizeof(out->addr.bytes));
		out->port = ntohs(v6.sin6_port);
	}
	return true;
}

// What lacks of an answer, in a step of its own.
static void options_failed(struct partner_peer *p, enum partner_result result, const char *then)
{
	struct partner_step *s = end_phase(p);
	char lacks[96];

	sip_answer_lacks(&p->answer, lacks, sizeof(lacks));
	snprintf(s->text, sizeof(s->text), "%s%s", lacks, then);
	s->result = result;
	finish(p);
}

static void ask(struct partner_peer *p)
{
	struct postern_endpoint own;
	size_t n = 0;

	begin_phase(p, PARTNER_STEP_OPTIONS, PARTNER_OPTIONS_MS);
	sip_answer_begin(&p->answer, p->call_id, PARTNER_SIP_CSEQ);
	if (own_address(p->fd, &own))
		n = partner_sip_request(
			&p->question, &own, p->request, sizeof(p->request), p->call_id);
	if (n == 0)
		options_failed(p, PARTNER_LOCAL, ": the request could not be made");
	else if (partner_tls_write(&p->tls, p->request, n) == PARTNER_FAILED)
		options_failed(p, PARTNER_OPTIONS_CLOSED, "");
}

static void tls_failed(struct partner_peer *p)
{
	struct partner_step *s = end_phase(p);

	partner_verdict_failed(&p->tls, p->reset, p->closed, s);
	finish(p);
}

// The handshake is complete: is it who it should be?
static void shaken(struct partner_peer *p)
{
	partner_verdict_shaken(&p->tls, end_phase(p));
	struct partner_step *chain = add_step(p, PARTNER_STEP_CERTIFICATE);
	partner_verdict_chain(&p->tls, chain);
	struct partner_step *names = add_step(p, PARTNER_STEP_NAMES);
	partner_verdict_names(&p->tls, &p->question, &p->report, names);
	if (partner_result_is_good(chain->result) && partner_result_is_good(names->result)) {
		ask(p);
		return;
	}
	finish(p);
}

// The peer has ended: with an alert, that is what it objects to; otherwise it went without an answer.
static void ended(struct partner_peer *p)
{
	if (p->tls.alert >= 0)
		tls_failed(p);
	else
		options_failed(p, PARTNER_OPTIONS_CLOSED,
			p->reset ? ", then the connection was reset"
				 : ", then the connection was closed");
}

static void answered(struct partner_peer *p)
{
	struct partner_step *s = end_phase(p);

	partner_sip_answered(&p->answer, s);
	p->report.works = partner_result_is_good(s->result);
	finish(p);
}

static enum partner_way listen_on(struct partner_peer *p)
{
	char data[BUFFER];
	size_t got;

	for (unsigned i = 0; i < TURNS; i++) {
		const enum partner_way way = partner_tls_read(&p->tls, data, sizeof(data), &got);

		if (way == PARTNER_WANT_MORE)
			return way;
		if (way == PARTNER_FAILED || got == 0) {
			ended(p);
			return PARTNER_DONE;
		}
		if (sip_answer_take(&p->answer, data, got) != SIP_ANSWER_MORE) {
			answered(p);
			return PARTNER_DONE;
		}
	}
	return PARTNER_WANT_MORE;
}

static void advance(struct partner_peer *p)
{
	if (p->phase == PARTNER_STEP_OPTIONS) {
		listen_on(p);
		return;
	}
	const enum partner_way way = partner_tls_shake(&p->tls);
	if (way == PARTNER_FAILED)
		tls_failed(p);
	else if (way == PARTNER_DONE)
		shaken(p);
	// What came with the end of the handshake lies there already.
	if (way == PARTNER_DONE && !p->over)
		listen_on(p);
}

static void goes_on(evutil_socket_t fd, short what, void *arg)
{
	struct partner_peer *p = arg;
	bool more = true;

	(void)fd;
	(void)what;
	for (unsigned i = 0; i < TURNS && more; i++) {
		advance(p);
		if (p->over)
			return;
		if (!flush(p)) {
			await(p, EV_READ | EV_WRITE, goes_on);
			return;
		}
		more = fill(p);
	}
	if (more)
		await(p, EV_WRITE, goes_on); // at once, after the others
	else
		await(p, EV_READ, goes_on);
}

// ---- Time

static void timed_out(struct partner_peer *p)
{
	if (p->phase == PARTNER_STEP_OPTIONS) {
		char then[48];

		snprintf(then, sizeof(then), " within %u ms", p->limit_ms);
		options_failed(p, PARTNER_OPTIONS_TIMEOUT, then);
		return;
	}
	struct partner_step *s = end_phase(p);
	const bool tcp = p->phase == PARTNER_STEP_TCP;

	s->result = tcp ? PARTNER_TCP_TIMEOUT : PARTNER_TLS_TIMEOUT;
	snprintf(s->text, sizeof(s->text), "%s within %u ms",
		tcp                   ? "no answer"
		: p->tls.n_first == 0 ? "not a byte"
				      : "the handshake was not complete",
		p->limit_ms);
	finish(p);
}

static void timer_fired(evutil_socket_t fd, short what, void *arg)
{
	struct partner_peer *p = arg;

	(void)fd;
	(void)what;
	if (!p->over)
		timed_out(p);
	else
		p->done(p->user);
}

static bool copy(struct partner_peer *p, const struct partner_peer_question *q)
{
	p->question = *q;
	snprintf(p->own, sizeof(p->own), "%s", q->own != NULL ? q->own : "");
	snprintf(p->from, sizeof(p->from), "%s", q->from != NULL ? q->from : "postern.invalid");
	p->question.own = p->own;
	p->question.from = p->from;
	p->question.names = NULL;
	p->question.n_names = 0;
	if (q->n_names > 0) {
		p->names = malloc(q->n_names * sizeof(p->names[0]));
		if (p->names == NULL)
			return false;
		memcpy(p->names, q->names, q->n_names * sizeof(p->names[0]));
		p->question.names = p->names;
		p->question.n_names = q->n_names;
	}
	return SSL_CTX_up_ref(q->context) == 1;
}

struct partner_peer *partner_peer_new(struct event_base *base,
	const struct partner_peer_question *q, void (*done)(void *user), void *user)
{
	struct partner_peer *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->fd = -1;
	p->base = base;
	p->done = done;
	p->user = user;
	if (!copy(p, q)) {
		free(p->names);
		free(p);
		return NULL;
	}
	p->timer = event_new(base, -1, 0, timer_fired, p);
	p->io = event_new(base, -1, 0, connected, p);
	if (p->timer == NULL || p->io == NULL) {
		partner_peer_free(p);
		return NULL;
	}
	begin(p);
	return p;
}

const struct partner_peer_report *partner_peer_report(const struct partner_peer *p)
{
	return &p->report;
}

void partner_peer_free(struct partner_peer *p)
{
	if (p == NULL)
		return;
	if (p->timer != NULL)
		event_free(p->timer);
	if (p->io != NULL)
		event_free(p->io);
	if (p->fd >= 0)
		close(p->fd);
	partner_tls_end(&p->tls);
	SSL_CTX_free(p->question.context);
	free(p->names);
	free(p);
}
