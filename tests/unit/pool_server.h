// SPDX-License-Identifier: BSD-2-Clause
// Servers for the tests of probes and of partners: a thread that behaves as it is told. For use within
// cmocka tests; include once in a program.

#pragma once

#include "tests/unit/pool_identity.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

// A server in a thread of its own.

enum behaviour {
	ACCEPTS,     // a TCP connection, and reads until it ends
	SILENT,      // ... and never says a word
	SPEAKS_SMTP, // something that is not TLS
	CLOSES,      // at once, with FIN
	RESETS,      // after the ClientHello
	TALKS,       // as the test's function says
	TLS,
	TLS_RESETS,     // completes the handshake, then resets the connection
	TLS_NO_GOODBYE, // completes the handshake, then never answers
	TLS_LATE,       // TLS, once the test's event loop has been held up
	TLS_TALKS,      // TALKS, upon TLS
};

struct server {
	enum behaviour behaviour;
	int version;  // highest TLS version; 0: any
	bool demands; // a client certificate
	bool tickets;
	const struct identity *id;
	void (*talk)(struct server *s, int fd, SSL *ssl); // of TALKS, where there is no SSL
	const void *script;                               // for it

	int fd;
	uint16_t port;
	pthread_t thread;
	SSL_CTX *ctx;
	_Atomic uint16_t last; // source port of the connection that stops it
	int held[2];           // TLS_LATE: tells the test of a connection, and the other way round
	int released[2];
	unsigned good_ends; // connections that the prober ended in the ordinary way
	unsigned bad_ends;
};

static void read_to_the_end(struct server *s, int fd)
{
	char data[256];
	ssize_t n;
	while ((n = recv(fd, data, sizeof(data), 0)) > 0)
		continue;
	*(n == 0 ? &s->good_ends : &s->bad_ends) += 1;
}

static void serve_tls(struct server *s, int fd)
{
	char data[256];
	SSL *ssl = SSL_new(s->ctx);
	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1) {
		if (s->behaviour == TLS_RESETS) {
			struct linger reset = {1, 0};
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		} else if (s->behaviour == TLS_NO_GOODBYE) {
			read_to_the_end(s, fd); // until the prober gives up
		} else {
			if (s->behaviour == TLS_TALKS)
				s->talk(s, fd, ssl);
			int n = SSL_read(ssl, data, sizeof(data));
			bool good = SSL_get_error(ssl, n) == SSL_ERROR_ZERO_RETURN;
			*(good ? &s->good_ends : &s->bad_ends) += 1;
			SSL_shutdown(ssl);
		}
	}
	SSL_free(ssl);
	ERR_clear_error();
}

static void serve(struct server *s, int fd)
{
	struct linger reset = {1, 0};
	char data[1024];
	switch (s->behaviour) {
	case ACCEPTS:
	case SILENT:
		read_to_the_end(s, fd);
		break;
	case SPEAKS_SMTP:
		send(fd, "220 mail.contoso.com\r\n", 22, MSG_NOSIGNAL);
		read_to_the_end(s, fd);
		break;
	case CLOSES:
		break;
	case TALKS:
		s->talk(s, fd, NULL);
		read_to_the_end(s, fd);
		break;
	case RESETS:
		recv(fd, data, sizeof(data), 0);
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		break;
	case TLS_LATE:
		if (write(s->held[1], "", 1) != 1 || read(s->released[0], data, 1) != 1)
			break;
		serve_tls(s, fd);
		break;
	case TLS:
	case TLS_RESETS:
	case TLS_NO_GOODBYE:
	case TLS_TALKS:
		serve_tls(s, fd);
		break;
	}
	close(fd);
}

static void *run_server(void *arg)
{
	struct server *s = arg;
	sigset_t pipe;
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE); // only the prober must get by without
	pthread_sigmask(SIG_BLOCK, &pipe, NULL);
	for (;;) {
		struct sockaddr_in6 from; // an IPv4 address has its port at the same place
		socklen_t length = sizeof(from);
		int fd = accept(s->fd, (struct sockaddr *)&from, &length);
		if (fd < 0 || ntohs(from.sin6_port) == s->last) {
			close(fd);
			return NULL;
		}
		serve(s, fd);
	}
}

static void listen_on(struct server *s, int family, int backlog)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	socklen_t length = family == AF_INET ? sizeof(v4) : sizeof(v6);
	struct sockaddr *at = family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
	s->fd = socket(family, SOCK_STREAM, 0);
	assert_int_equal(bind(s->fd, at, length), 0);
	if (backlog >= 0)
		assert_int_equal(listen(s->fd, backlog), 0);
	assert_int_equal(getsockname(s->fd, at, &length), 0);
	s->port = ntohs(family == AF_INET ? v4.sin_port : v6.sin6_port);
}

static void start_server(struct server *s, int family)
{
	listen_on(s, family, 16);
	if (s->behaviour >= TLS) {
		const struct identity *id = s->id != NULL ? s->id : &server_id;
		s->ctx = SSL_CTX_new(TLS_server_method());
		SSL_CTX_use_certificate(s->ctx, id->certificate);
		SSL_CTX_use_PrivateKey(s->ctx, id->key);
		SSL_CTX_set_max_proto_version(s->ctx, s->version);
		if (s->version == TLS1_1_VERSION) {
			SSL_CTX_set_min_proto_version(s->ctx, s->version);
			SSL_CTX_set_security_level(s->ctx, 0);
		}
		SSL_CTX_set_num_tickets(s->ctx, s->tickets ? 2 : 0);
		if (s->demands) {
			X509_STORE_add_cert(SSL_CTX_get_cert_store(s->ctx), ca.certificate);
			SSL_CTX_set_verify(
				s->ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
			SSL_CTX_set_session_id_context(s->ctx, (const unsigned char *)"t", 1);
		}
	}
	assert_int_equal(pipe(s->held), 0);
	assert_int_equal(pipe(s->released), 0);
	assert_int_equal(pthread_create(&s->thread, NULL, run_server, s), 0);
}

// Comes back when the server has dealt with all connections, of which the last tells it to stop.
static void stop_server(struct server *s)
{
	struct sockaddr_in6 at, own = {0};
	socklen_t length = sizeof(at);
	assert_int_equal(getsockname(s->fd, (struct sockaddr *)&at, &length), 0);
	int fd = socket(at.sin6_family, SOCK_STREAM, 0);
	own.sin6_family = at.sin6_family;
	assert_int_equal(bind(fd, (struct sockaddr *)&own, length), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &length), 0);
	s->last = ntohs(own.sin6_port);
	close(s->released[1]);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, length), 0);
	pthread_join(s->thread, NULL);
	close(fd);
	close(s->fd);
	close(s->held[0]);
	close(s->held[1]);
	close(s->released[0]);
	SSL_CTX_free(s->ctx);
}
