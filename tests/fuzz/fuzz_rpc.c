// SPDX-License-Identifier: BSD-2-Clause
// Any bytes from a client of the control socket. What must hold: every line that comes back is an
// answer of JSON-RPC 2.0 in plain ASCII, and at the end no call and no connection is left.

#include "control/rpc/internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static struct event_base *base;
static struct rpc_server *server;
static struct rpc_call *kept[RPC_CALLS_MAX];
static unsigned n_kept;

static void need(bool right)
{
	if (!right)
		abort();
}

static void echo(struct rpc_call *call, const json_t *params, void *user)
{
	(void)user;
	rpc_reply(call, json_deep_copy(params));
}

static void later(struct rpc_call *call, const json_t *params, void *user)
{
	(void)params;
	(void)user;
	need(n_kept < RPC_CALLS_MAX);
	kept[n_kept++] = call;
}

static void set(struct rpc_call *call, const json_t *params, void *user)
{
	int64_t count = 1;

	(void)user;
	// What the check lets through has the types that it promises.
	need(rpc_param_string(params, "name") && rpc_param_string(params, "colour"));
	if (rpc_param_integer(call, params, "count", -5, 5, &count))
		rpc_fail_not_found(
			call, "name", rpc_param_string(params, "name"), "a name that there is");
}

static const char *const colours[] = {"red", "green", NULL};

static const struct rpc_param set_params[] = {
	{"name", RPC_STRING, true, true, NULL, "a name"},
	{"colour", RPC_STRING, true, true, colours, "a colour"},
	{"count", RPC_INTEGER, false, false, NULL, "a number"},
	{"bright", RPC_BOOLEAN, false, false, NULL, "a flag"},
	{0},
};

static const struct rpc_method methods[] = {
	{"a.echo", RPC_VIEW, "answers", NULL, echo},
	{"a.later", RPC_VIEW, "answers later", NULL, later},
	{"a.set", RPC_VIEW, "refuses", set_params, set},
};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	base = event_base_new();
	need(base && rpc_server_new_bare(base, &server) == 0);
	rpc_server_add(server, methods, sizeof(methods) / sizeof(methods[0]), NULL);
	return 0;
}

static void check_object(const json_t *answer)
{
	const json_t *error = json_object_get(answer, "error");

	need(json_is_object(answer) && json_object_get(answer, "id"));
	need((json_object_get(answer, "result") != NULL) != (error != NULL));
	need(!error || json_is_integer(json_object_get(error, "code")));
}

static void check_line(const char *line, size_t length)
{
	json_t *answer = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
	size_t i;
	json_t *one;

	for (size_t k = 0; k < length; k++)
		need((uint8_t)line[k] >= 0x20 && (uint8_t)line[k] < 0x80);
	need(answer && (!json_is_array(answer) || json_array_size(answer) > 0));
	json_array_foreach(answer, i, one) check_object(one);
	if (!json_is_array(answer))
		check_object(answer);
	json_decref(answer);
}

static void read_answers(int fd, struct evbuffer *in)
{
	char bytes[16384];
	ssize_t got;
	char *line;
	size_t length;

	while ((got = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		evbuffer_add(in, bytes, (size_t)got);
	while ((line = evbuffer_readln(in, &length, EVBUFFER_EOL_LF))) {
		check_line(line, length);
		free(line);
	}
}

// A turn of everybody: the server, those who answer later, the client that reads.
static void turn(int fd, struct evbuffer *in)
{
	event_base_loop(base, EVLOOP_NONBLOCK);
	while (n_kept > 0)
		rpc_reply(kept[--n_kept], json_true());
	if (in)
		read_answers(fd, in);
}

// The first byte chooses how the client behaves: 0 to 127 reads to the end, cutting what it sends
// into pieces of that size (0: none); above it hangs up at once without reading.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fds[2];
	struct evbuffer *in = evbuffer_new();
	const bool rude = size > 0 && data[0] > 127;
	const size_t piece = size > 0 && !rude && data[0] > 0 ? data[0] : SIZE_MAX;

	need(in && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	need(rpc_connection_adopt(server, fds[1]) == 0);
	for (size_t at = 1; at < size && server->n_connections > 0;) {
		size_t rest = size - at;
		ssize_t sent = send(fds[0], data + at, rest < piece ? rest : piece,
			MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent > 0)
			at += (size_t)sent;
		if (sent <= 0 || piece != SIZE_MAX)
			turn(fds[0], in);
	}
	if (rude) {
		event_base_loop(base, EVLOOP_NONBLOCK);
		close(fds[0]);
	} else {
		shutdown(fds[0], SHUT_WR);
	}
	for (unsigned i = 0; server->n_connections > 0; i++) {
		need(i < 100000);
		turn(fds[0], rude ? NULL : in);
	}
	if (!rude) {
		read_answers(fds[0], in);
		need(evbuffer_get_length(in) == 0);
		close(fds[0]);
	}
	need(n_kept == 0);
	evbuffer_free(in);
	return 0;
}
