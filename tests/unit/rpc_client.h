// SPDX-License-Identifier: BSD-2-Clause
// A server with fake methods, and clients whose sockets never block: what the tests of the control
// socket share.

#pragma once

#include "control/rpc/internal.h"
#include "control/rpc/rpc.h"

// cmocka.h needs the four before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// More turns of the loop than any test needs: one that waits in vain fails instead of hanging.
#define PATIENCE_MS 10000u
#define TURNS       100000

static struct event_base *base;
static struct rpc_server *server;
static struct rpc_call *kept[64]; // calls of fake.later, to be answered by the test
static unsigned n_kept;
static unsigned n_called;
static unsigned n_gone;

// The fake methods.

static inline void fake_echo(struct rpc_call *call, const json_t *params, void *user)
{
	(void)user;
	n_called++;
	rpc_reply(call, json_deep_copy(params));
}

static inline void fake_later(struct rpc_call *call, const json_t *params, void *user)
{
	(void)params;
	(void)user;
	assert_true(n_kept < 64);
	kept[n_kept++] = call;
}

static inline void gone(void *user)
{
	n_gone++;
	rpc_fail(user, RPC_INTERNAL_ERROR, NULL, "gone");
}

static inline void fake_until_gone(struct rpc_call *call, const json_t *params, void *user)
{
	(void)params;
	(void)user;
	rpc_call_on_gone(call, gone, call);
}

static inline json_t *text_of_size(size_t size)
{
	char *text = malloc(size + 1);

	assert_non_null(text);
	memset(text, 'x', size);
	text[size] = '\0';
	json_t *value = json_string(text);
	free(text);
	return value;
}

static inline void fake_big(struct rpc_call *call, const json_t *params, void *user)
{
	(void)user;
	n_called++;
	rpc_reply(call, text_of_size((size_t)json_integer_value(json_object_get(params, "size"))));
}

static inline void fake_fail(struct rpc_call *call, const json_t *params, void *user)
{
	(void)params;
	(void)user;
	rpc_fail(call, RPC_REFUSED, rpc_mistake(NULL, "a", 7, "b\xff\xfe", NULL), "no \xc3(%d)", 1);
}

static inline void fake_uid(struct rpc_call *call, const json_t *params, void *user)
{
	(void)params;
	rpc_reply(call, json_pack("{s:i, s:b, s:i}", "uid", (int)rpc_call_uid(call), "user",
				user == (void *)&n_called, "called", (int)n_called));
}

static const char *const colours[] = {"red", "green", NULL};

static const struct rpc_param set_params[] = {
	{"name", RPC_STRING, true, true, NULL, "what it is called"},
	{"colour", RPC_STRING, true, true, colours, "how it looks"},
	{"count", RPC_INTEGER, false, false, NULL, "how many"},
	{"bright", RPC_BOOLEAN, false, false, NULL, "whether it shines"},
	{0},
};

static const struct rpc_param big_params[] = {
	{"size", RPC_INTEGER, true, true, NULL, "bytes"},
	{0},
};

static const struct rpc_method methods[] = {
	{"fake.echo", RPC_VIEW, "says nothing", NULL, fake_echo},
	{"fake.set", RPC_OPERATE, "says what it is told", set_params, fake_echo},
	{"fake.later", RPC_VIEW, "answers when the test wants", NULL, fake_later},
	{"fake.gone", RPC_VIEW, "answers when nobody listens", NULL, fake_until_gone},
	{"fake.big", RPC_VIEW, "says a lot", big_params, fake_big},
	{"fake.fail", RPC_VIEW, "refuses", NULL, fake_fail},
	{"fake.uid", RPC_VIEW, "says who asks", NULL, fake_uid},
};

// A client, whose socket never blocks.

struct client {
	int fd;
	struct evbuffer *in;
	bool closed; // the server has closed
};

static inline struct client client_open(void)
{
	int fds[2];
	struct client c = {.in = evbuffer_new()};

	assert_non_null(c.in);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(rpc_connection_adopt(server, fds[1]), 0);
	c.fd = fds[0];
	return c;
}

static inline void client_hang_up(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

static inline void client_free(struct client *c)
{
	client_hang_up(c);
	evbuffer_free(c->in);
}

static inline void turn(void)
{
	event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static inline void turns(unsigned n)
{
	while (n-- > 0)
		turn();
}

static inline void client_read(struct client *c)
{
	char bytes[65536];
	ssize_t got;

	while ((got = recv(c->fd, bytes, sizeof(bytes), 0)) > 0)
		evbuffer_add(c->in, bytes, (size_t)got);
	if (got == 0 || (errno != EAGAIN && errno != EINTR))
		c->closed = true;
}

// Sends all of it; the server gets its turn when the socket is full.
static inline void client_send_bytes(struct client *c, const char *bytes, size_t size)
{
	for (unsigned i = 0; size > 0; i++) {
		ssize_t sent = send(c->fd, bytes, size, MSG_NOSIGNAL);

		assert_true(i < TURNS);
		if (sent > 0) {
			bytes += sent;
			size -= (size_t)sent;
		} else if (errno == EPIPE || errno == ECONNRESET) {
			return;
		} else {
			turn();
		}
	}
}

static inline void client_send(struct client *c, const char *text)
{
	client_send_bytes(c, text, strlen(text));
}

// The next line, or NULL when the server has closed without one.
static inline char *client_line(struct client *c)
{
	// What another thread has to do first may take a while on a busy machine.
	for (unsigned i = 0; i < TURNS + PATIENCE_MS; i++) {
		char *line = evbuffer_readln(c->in, NULL, EVBUFFER_EOL_LF);

		if (line || c->closed)
			return line;
		if (i >= TURNS)
			poll(NULL, 0, 1);
		turn();
		client_read(c);
	}
	fail_msg("no answer");
	return NULL;
}

static inline json_t *client_answer(struct client *c)
{
	char *line = client_line(c);

	assert_non_null(line);
	json_t *answer = json_loads(line, 0, NULL);
	assert_non_null(answer);
	free(line);
	if (json_is_object(answer))
		assert_string_equal(json_string_value(json_object_get(answer, "jsonrpc")), "2.0");
	return answer;
}

static inline void expect_closed(struct client *c)
{
	char *line;

	while ((line = client_line(c)))
		free(line);
	assert_true(c->closed);
}

// The next answer has this id and no error.
static inline void expect_result(struct client *c, json_int_t id)
{
	json_t *answer = client_answer(c);

	assert_non_null(json_object_get(answer, "result"));
	assert_null(json_object_get(answer, "error"));
	assert_int_equal(json_integer_value(json_object_get(answer, "id")), id);
	json_decref(answer);
}

// The next answer is this error, with an id of null if so told. Returns it.
static inline json_t *expect_error(struct client *c, int code, bool null_id)
{
	json_t *answer = client_answer(c);
	json_t *error = json_object_get(answer, "error");

	assert_int_equal(json_integer_value(json_object_get(error, "code")), code);
	assert_true(json_string_length(json_object_get(error, "message")) > 0);
	assert_null(json_object_get(answer, "result"));
	assert_non_null(json_object_get(answer, "id"));
	assert_int_equal(json_is_null(json_object_get(answer, "id")), null_id);
	return answer;
}

static inline const json_t *mistake(const json_t *answer, const char *field)
{
	const json_t *list = json_object_get(
		json_object_get(json_object_get(answer, "error"), "data"), "errors");
	size_t i;
	json_t *one;

	json_array_foreach((json_t *)(uintptr_t)list, i,
		one) if (strcmp(json_string_value(json_object_get(one, "field")), field) ==
			 0) return one;
	return NULL;
}

static inline const char *member(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	assert_non_null(text);
	return text;
}

// Proves that the server still serves this client, and that nothing else was on its way.
static inline void expect_alive(struct client *c)
{
	client_send(c, "{\"jsonrpc\":\"2.0\",\"id\":4711,\"method\":\"fake.echo\"}\n");
	expect_result(c, 4711);
}

static inline int setup(void **state)
{
	(void)state;
	n_kept = 0;
	n_called = 0;
	n_gone = 0;
	base = event_base_new();
	assert_non_null(base);
	assert_int_equal(rpc_server_new_bare(base, &server), 0);
	rpc_server_add(server, methods, sizeof(methods) / sizeof(methods[0]), &n_called);
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	rpc_server_free(server);
	server = NULL;
	// Answers to nobody.
	for (unsigned i = 0; i < n_kept; i++)
		if (kept[i])
			rpc_reply(kept[i], json_true());
	event_base_free(base);
	return 0;
}
