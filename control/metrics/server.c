// SPDX-License-Identifier: BSD-2-Clause
// HTTP for monitoring, by libevent's evhttp. Whoever reaches the address is answered and not
// trusted: connections, their size and their life are bounded.

#include "control/metrics/private.h"

#include "postern/log.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>

LOG_SUBSYSTEM("metrics");

// A pair of scrapers, a person with a browser, and room for one that has gone without saying so.
// More wait in the kernel's queue.
#define CONNECTIONS_MAX 16
#define BACKLOG         16
#define HEADERS_MAX     8192      // bytes of a request's first line and headers
#define TIMEOUT_S       5         // without a byte read or written
#define LIFE_US         60000000u // of a connection, scrapes included
#define SWEEP_US        200000

// Lines a turn of the event loop: some 50 us of it, sending them included twice that, so that a
// scrape of any length is in nobody's way.
#define SLICE_LINES 128u

struct connection {
	struct bufferevent *bev; // a reference of our own; NULL: the place is free
	uint64_t since_us;
};

struct metrics_server {
	const struct metrics_source *source;
	struct event_base *base;
	struct evhttp *http;
	struct evconnlistener *listener; // http's
	struct event *sweep;
	struct connection connections[CONNECTIONS_MAX];
	unsigned n_connections;
};

struct scrape {
	struct evhttp_request *request;
	struct metrics_walk walk;
};

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

// A connection that evhttp has let go of has no reference left but ours.
static bool is_gone(struct connection *c)
{
	if (bufferevent_decref(c->bev) == 1)
		return true;
	bufferevent_incref(c->bev);
	return false;
}

static void look_at_connection(struct metrics_server *server, struct connection *c, uint64_t now)
{
	if (is_gone(c)) {
		c->bev = NULL;
		server->n_connections--;
	} else if (now - c->since_us > LIFE_US) {
		// evhttp meets the end of the stream and does the rest.
		shutdown(bufferevent_getfd(c->bev), SHUT_RDWR);
	}
}

static void sweep(struct metrics_server *server)
{
	const uint64_t now = now_us();

	for (unsigned i = 0; i < CONNECTIONS_MAX; i++)
		if (server->connections[i].bev != NULL)
			look_at_connection(server, &server->connections[i], now);
	if (server->n_connections < CONNECTIONS_MAX)
		evconnlistener_enable(server->listener);
	else
		evconnlistener_disable(server->listener);
}

static void on_sweep(evutil_socket_t fd, short what, void *user)
{
	const struct timeval again = {.tv_usec = SWEEP_US};
	struct metrics_server *server = user;

	(void)fd;
	(void)what;
	sweep(server);
	if (server->n_connections > 0)
		event_add(server->sweep, &again);
}

// evhttp asks for the bufferevent of each connection that it has accepted, which is where they
// can be counted.
static struct bufferevent *on_connection(struct event_base *base, void *user)
{
	const struct timeval soon = {.tv_usec = SWEEP_US};
	struct metrics_server *server = user;
	struct bufferevent *bev = bufferevent_socket_new(base, -1, 0);
	struct connection *c = server->connections;

	if (bev == NULL)
		return NULL;
	while (c->bev != NULL)
		c++;
	bufferevent_incref(bev);
	*c = (struct connection){bev, now_us()};
	server->n_connections++;
	if (server->n_connections == CONNECTIONS_MAX)
		evconnlistener_disable(server->listener);
	if (!evtimer_pending(server->sweep, NULL))
		event_add(server->sweep, &soon);
	return bev;
}

static void send_line(
	struct evhttp_request *request, int code, const char *reason, const char *line)
{
	struct evbuffer *body = evbuffer_new();

	evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
		"text/plain; charset=utf-8");
	if (body != NULL)
		evbuffer_add_printf(body, "%s\n", line);
	evhttp_send_reply(request, code, reason, body);
	if (body != NULL)
		evbuffer_free(body);
}

// The connection has ended before the scrape. A request that evhttp has cut loose from it is
// freed by ending it; one that it has not it frees itself.
static void on_close(struct evhttp_connection *connection, void *user)
{
	struct scrape *scrape = user;

	(void)connection;
	if (evhttp_request_get_connection(scrape->request) == NULL)
		evhttp_send_reply_end(scrape->request);
	free(scrape);
}

static void finish(struct scrape *scrape)
{
	struct evhttp_request *request = scrape->request;

	evhttp_connection_set_closecb(evhttp_request_get_connection(request), NULL, NULL);
	evhttp_send_reply_end(request);
	free(scrape);
}

// A reply without its last chunk is none, so that nobody takes half of the numbers for all.
static void abandon(const struct scrape *scrape, int error)
{
	struct evhttp_connection *c = evhttp_request_get_connection(scrape->request);

	LOG(INFO, "a scrape was broken off: %s",
		error == -ESTALE ? "the configuration has changed" : strerror(-error));
	shutdown(bufferevent_getfd(evhttp_connection_get_bufferevent(c)), SHUT_RDWR);
}

// One slice; the next follows when the kernel has taken this one.
static void on_drained(struct evhttp_connection *connection, void *user)
{
	struct scrape *scrape = user;
	struct evbuffer *slice = evbuffer_new();
	int rc = -ENOMEM;

	(void)connection;
	if (slice != NULL)
		rc = metrics_walk_step(&scrape->walk, slice, SLICE_LINES);
	if (rc < 0)
		abandon(scrape, rc);
	else if (rc == 0)
		evhttp_send_reply_chunk(scrape->request, slice);
	else
		evhttp_send_reply_chunk_with_cb(scrape->request, slice, on_drained, scrape);
	if (slice != NULL)
		evbuffer_free(slice);
	if (rc == 0)
		finish(scrape);
}

static enum metrics_format wanted_format(struct evhttp_request *request)
{
	const char *accept =
		evhttp_find_header(evhttp_request_get_input_headers(request), "Accept");

	return accept != NULL && strcasestr(accept, "application/openmetrics-text") != NULL
		       ? METRICS_OPEN
		       : METRICS_TEXT;
}

static void answer_metrics(struct metrics_server *server, struct evhttp_request *request)
{
	const enum metrics_format format = wanted_format(request);
	struct scrape *scrape = calloc(1, sizeof(*scrape));

	if (scrape == NULL) {
		send_line(request, HTTP_SERVUNAVAIL, "Service Unavailable", "out of memory");
		return;
	}
	scrape->request = request;
	metrics_walk_begin(&scrape->walk, server->source, format);
	evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
		format == METRICS_OPEN
			? "application/openmetrics-text; version=1.0.0; charset=utf-8"
			: "text/plain; version=0.0.4; charset=utf-8");
	struct evhttp_connection *connection = evhttp_request_get_connection(request);
	evhttp_connection_set_closecb(connection, on_close, scrape);
	evhttp_send_reply_start(request, HTTP_OK, "OK");
	on_drained(connection, scrape);
}

static void answer_health(struct metrics_server *server, struct evhttp_request *request)
{
	const struct alarm_set *alarms = server->source->alarms;

	if (alarm_set_count(alarms, ALARM_DOWN) > 0)
		send_line(request, HTTP_SERVUNAVAIL, "Service Unavailable", "down");
	else
		send_line(request, HTTP_OK, "OK",
			alarm_set_count(alarms, ALARM_DEGRADED) > 0 ? "degraded" : "ok");
}

static void on_request(struct evhttp_request *request, void *user)
{
	struct metrics_server *server = user;
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
	const char *path = uri != NULL ? evhttp_uri_get_path(uri) : NULL;

	if (evhttp_request_get_command(request) != EVHTTP_REQ_GET) {
		evhttp_add_header(evhttp_request_get_output_headers(request), "Allow", "GET");
		send_line(request, HTTP_BADMETHOD, "Method Not Allowed", "only GET is answered");
	} else if (path != NULL && strcmp(path, "/metrics") == 0) {
		answer_metrics(server, request);
	} else if (path != NULL && strcmp(path, "/healthz") == 0) {
		answer_health(server, request);
	} else {
		send_line(request, HTTP_NOTFOUND, "Not Found", "there are /metrics and /healthz");
	}
}

static struct evconnlistener *bind_listener(
	struct event_base *base, const struct postern_endpoint *at)
{
	const struct sockaddr_in v4 = {
		.sin_family = AF_INET,
		.sin_port = htons(at->port),
		.sin_addr.s_addr = at->addr.words[3],
	};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(at->port)};
	const bool is_v4 = postern_addr_is_v4(&at->addr);

	memcpy(&v6.sin6_addr, at->addr.bytes, sizeof(v6.sin6_addr));
	return evconnlistener_new_bind(base, NULL, NULL,
		LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE |
			(is_v4 ? 0 : LEV_OPT_BIND_IPV6ONLY),
		BACKLOG, is_v4 ? (const struct sockaddr *)&v4 : (const struct sockaddr *)&v6,
		is_v4 ? (int)sizeof(v4) : (int)sizeof(v6));
}

static int explain(const struct postern_endpoint *at, int error, char *why, size_t size)
{
	char text[POSTERN_ENDPOINT_TEXT];

	postern_endpoint_format(at, text);
	if (error == EADDRINUSE)
		snprintf(why, size,
			"postern.metrics: %s is taken by another program; give it another port, or "
			"find who has it: ss -ltnp 'sport = :%u'",
			text, at->port);
	else if (error == EADDRNOTAVAIL)
		snprintf(why, size,
			"postern.metrics: %s is no address of this machine's kernel, which has: ip "
			"address show",
			text);
	else
		snprintf(why, size, "postern.metrics: cannot listen on %s: %s", text,
			strerror(error));
	return -error;
}

static int start(
	struct metrics_server *server, const struct postern_endpoint *at, char *why, size_t size)
{
	snprintf(why, size, "postern.metrics: out of memory");
	server->http = evhttp_new(server->base);
	server->sweep = event_new(server->base, -1, 0, on_sweep, server);
	if (server->http == NULL || server->sweep == NULL)
		return -ENOMEM;
	errno = 0;
	server->listener = bind_listener(server->base, at);
	if (server->listener == NULL)
		return explain(at, errno != 0 ? errno : ENOMEM, why, size);
	evhttp_set_max_headers_size(server->http, HEADERS_MAX);
	evhttp_set_max_body_size(server->http, 0);
	evhttp_set_timeout(server->http, TIMEOUT_S);
	evhttp_set_bevcb(server->http, on_connection, server);
	evhttp_set_gencb(server->http, on_request, server);
	if (evhttp_bind_listener(server->http, server->listener) == NULL) {
		evconnlistener_free(server->listener);
		return -ENOMEM;
	}
	return 0;
}

int metrics_server_new(struct event_base *base, const struct postern_endpoint *at,
	const struct metrics_source *source, struct metrics_server **out, char *why, size_t size)
{
	struct metrics_server *server = calloc(1, sizeof(*server));

	if (server == NULL) {
		snprintf(why, size, "postern.metrics: out of memory");
		return -ENOMEM;
	}
	server->source = source;
	server->base = base;
	const int rc = start(server, at, why, size);
	if (rc < 0) {
		metrics_server_free(server);
		return rc;
	}
	*out = server;
	return 0;
}

void metrics_server_free(struct metrics_server *server)
{
	if (server == NULL)
		return;
	if (server->http != NULL)
		evhttp_free(server->http);
	for (unsigned i = 0; i < CONNECTIONS_MAX; i++)
		if (server->connections[i].bev != NULL)
			bufferevent_decref(server->connections[i].bev);
	if (server->sweep != NULL)
		event_free(server->sweep);
	free(server);
}
