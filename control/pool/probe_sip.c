// SPDX-License-Identifier: BSD-2-Clause
// The SIP side of a probe: one OPTIONS request (RFC 3261 section 11), and the wait for its final
// answer.
//
// Each probe has a connection of its own. A kept one would save the member a handshake, and would
// tell of its death at once; but the dataplane tells of that as soon, by the first SYN that is
// refused, and a kept connection hides what partners meet who connect anew: an accept loop that
// hangs, a table of connections that is full, a certificate that has expired. Kamailio's worker
// that owns an old connection goes on answering on it when the process that accepts is stuck, and
// a front end that drains keeps its old connections as well. What a new connection costs a member,
// one handshake in an interval, is what a probe of kind tls costs.

#include "control/pool/probe.h"
#include "control/pool/sip_answer.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

// Two URIs of up to 400 bytes, one of them twice, and some 700 bytes around them.
#define REQUEST 2048

#define CSEQ 1

struct probe_sip {
	int fd;
	struct probe_tls *tls; // NULL: plain TCP
	bool answered;
	size_t length, sent;
	char call_id[33];
	char request[REQUEST];
	struct sip_answer answer;
};

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

// Call-ID, tag and branch must not repeat, not even after a restart (sections 8.1.1.4, 8.1.1.7
// and 19.3), so that all 256 bits are new each time.
static bool draw_ids(char ids[static 65])
{
	unsigned char random[32];
	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return false;
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(ids + 2 * i, 3, "%02x", random[i]);
	return true;
}

// Section 8.1.1. Via and Contact name the end of this very connection, where nobody listens:
// answers come back on it, and nothing else is to come.
static void write_request(struct probe_sip *s, const struct config_probe *c, const char *uri,
	const char *own, const char *ids)
{
	const char *transport = s->tls != NULL ? "tls" : "tcp";
	char from[POSTERN_ENDPOINT_TEXT + 16];
	// The host without its port, which in IPv6 has brackets.
	snprintf(from, sizeof(from), "sip:postern@%.*s", (int)(strrchr(own, ':') - own), own);
	memcpy(s->call_id, ids, 32);
	int n = snprintf(s->request, sizeof(s->request),
		"OPTIONS %s SIP/2.0\r\n"
		"Via: SIP/2.0/%s %s;branch=z9hG4bK%.16s\r\n"
		"Max-Forwards: 70\r\n"
		"From: <%s>;tag=%.16s\r\n"
		"To: <%s>\r\n"
		"Call-ID: %s\r\n"
		"CSeq: %u OPTIONS\r\n"
		"Contact: <sip:postern@%s;transport=%s>\r\n"
		"Accept: application/sdp\r\n"
		"User-Agent: postern\r\n"
		"Content-Length: 0\r\n\r\n",
		uri, s->tls != NULL ? "TLS" : "TCP", own, ids + 32,
		c->from != NULL ? c->from : from, ids + 48, uri, s->call_id, CSEQ, own, transport);
	assert(n > 0 && (size_t)n < sizeof(s->request));
	s->length = (size_t)n;
}

struct probe_sip *probe_sip_new(const struct pool_member *m, const struct postern_endpoint *to,
	int fd, struct probe_tls *tls)
{
	char ids[65], own_text[POSTERN_ENDPOINT_TEXT], to_text[POSTERN_ENDPOINT_TEXT];
	char uri[sizeof("sip:") + 255];
	struct postern_endpoint own;
	struct probe_sip *s = malloc(sizeof(*s));
	if (s == NULL)
		return NULL;
	*s = (struct probe_sip){.fd = fd, .tls = tls};
	if (!own_address(fd, &own) || !draw_ids(ids)) {
		free(s);
		return NULL;
	}
	snprintf(uri, sizeof(uri), "sip:%s",
		m->fqdn != NULL ? m->fqdn : postern_endpoint_format(to, to_text));
	write_request(s, m->settings, m->settings->uri != NULL ? m->settings->uri : uri,
		postern_endpoint_format(&own, own_text), ids);
	sip_answer_begin(&s->answer, s->call_id, CSEQ);
	return s;
}

void probe_sip_free(struct probe_sip *s)
{
	free(s);
}

bool probe_sip_answered(const struct probe_sip *s)
{
	return s->answered;
}

void probe_sip_lacks(const struct probe_sip *s, char *buf, size_t size)
{
	char what[96];
	sip_answer_lacks(&s->answer, what, sizeof(what));
	snprintf(buf, size, "%s to OPTIONS", what);
}

// What keeps a request from being sent is told by the next read: an alert, an end, a reset.
static enum probe_step send_request(struct probe_sip *s)
{
	size_t rest = s->length - s->sent, done = 0;
	const char *from = s->request + s->sent;
	if (s->tls != NULL) {
		enum probe_step step = probe_tls_write(s->tls, from, rest, &done);
		s->sent += step == PROBE_FAILED ? rest : done;
		return step == PROBE_FAILED ? PROBE_DONE : step;
	}
	ssize_t n = send(s->fd, from, rest, MSG_NOSIGNAL);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return PROBE_WANT_WRITE;
	s->sent += n < 0 ? rest : (size_t)n;
	return s->sent < s->length ? PROBE_WANT_WRITE : PROBE_DONE;
}

static enum probe_step read_some(
	struct probe_sip *s, char *data, size_t room, size_t *got, char *why, size_t size)
{
	if (s->tls != NULL)
		return probe_tls_read(s->tls, data, room, got, why, size);
	ssize_t n = recv(s->fd, data, room, 0);
	*got = n > 0 ? (size_t)n : 0;
	if (n >= 0)
		return PROBE_DONE;
	if (errno == EAGAIN || errno == EINTR)
		return PROBE_WANT_READ;
	char lacks[128];
	probe_sip_lacks(s, lacks, sizeof(lacks));
	snprintf(why, size, "%s, then %s", lacks,
		errno == ECONNRESET ? "connection reset" : strerror(errno));
	return PROBE_FAILED;
}

static enum probe_step judge(
	struct probe_sip *s, const struct config_probe *c, char *why, size_t size)
{
	const struct sip_answer *a = &s->answer;
	s->answered = true;
	snprintf(why, size, "%s", a->text);
	return a->state == SIP_ANSWER_FINAL && config_probe_alive(c, a->status) ? PROBE_DONE
										: PROBE_FAILED;
}

enum probe_step probe_sip_step(
	struct probe_sip *s, const struct config_probe *c, char *why, size_t size)
{
	char data[4096], lacks[128];
	size_t got;
	while (s->sent < s->length) {
		enum probe_step step = send_request(s);
		if (step != PROBE_DONE)
			return step;
	}
	// The answer's own bound ends this as well.
	for (;;) {
		enum probe_step step = read_some(s, data, sizeof(data), &got, why, size);
		if (step != PROBE_DONE)
			return step;
		if (got == 0)
			break;
		if (sip_answer_take(&s->answer, data, got) != SIP_ANSWER_MORE)
			return judge(s, c, why, size);
	}
	probe_sip_lacks(s, lacks, sizeof(lacks));
	snprintf(why, size, "%s before it closed the connection", lacks);
	return PROBE_FAILED;
}
