// SPDX-License-Identifier: BSD-2-Clause
// A call from its request to its answer, which may come long after the client has gone.

#include "control/rpc/internal.h"

#include <event2/buffer.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rpc_line *rpc_line_new(struct rpc_connection *conn, bool batch)
{
	struct rpc_line *line = calloc(1, sizeof(*line));

	if (!line)
		return NULL;
	line->conn = conn;
	line->open = batch;
	if (batch) {
		line->answers = evbuffer_new();
		if (!line->answers) {
			free(line);
			return NULL;
		}
	}
	return line;
}

// A batch of nothing but notifications is answered by nothing at all (section 6).
static void send_batch(struct rpc_connection *conn, struct evbuffer *answers)
{
	size_t length = evbuffer_get_length(answers);

	conn->collected -= length;
	if (length == 0)
		return;
	const unsigned char *text = evbuffer_pullup(answers, -1);
	if (!text) {
		conn->broken = true;
		rpc_connection_wake(conn);
		return;
	}
	rpc_connection_send(conn, "[", 1);
	rpc_connection_send(conn, (const char *)text, length);
	rpc_connection_send(conn, "]\n", 2);
}

void rpc_line_settle(struct rpc_line *line)
{
	if (line->open || line->pending > 0)
		return;
	if (line->answers) {
		if (line->conn)
			send_batch(line->conn, line->answers);
		evbuffer_free(line->answers);
	}
	free(line);
}

struct rpc_call *rpc_call_new(struct rpc_line *line, const json_t *id)
{
	struct rpc_call *call = calloc(1, sizeof(*call));

	if (!call)
		return NULL;
	// Only reference counts change in what is borrowed here.
	call->id = json_incref((json_t *)(uintptr_t)id);
	call->line = line;
	call->uid = line->conn->peer.uid;
	call->pid = line->conn->peer.pid;
	call->store = line->conn->server->store;
	call->listed = true;
	line->pending++;
	LIST_INSERT_HEAD(&line->conn->calls, call, entry);
	line->conn->n_calls++;
	return call;
}

void rpc_call_on_gone(struct rpc_call *call, void (*gone)(void *user), void *user)
{
	call->gone = gone;
	call->gone_user = user;
}

void rpc_call_detach(struct rpc_call *call)
{
	LIST_REMOVE(call, entry);
	call->listed = false;
	call->line->conn = NULL;
	if (call->gone)
		call->gone(call->gone_user);
}

static void end(struct rpc_call *call)
{
	struct rpc_line *line = call->line;

	if (call->listed) {
		LIST_REMOVE(call, entry);
		line->conn->n_calls--;
		rpc_connection_wake(line->conn);
	}
	json_decref(call->id);
	rpc_audit_free(call->audit);
	free(call);
	line->pending--;
	rpc_line_settle(line);
}

static bool collect(struct rpc_line *line, const char *text, size_t length)
{
	bool first = evbuffer_get_length(line->answers) == 0;

	if (evbuffer_add(line->answers, ",", !first) != 0 ||
		evbuffer_add(line->answers, text, length) != 0)
		return false;
	line->conn->collected += length + !first;
	rpc_connection_check_queue(line->conn);
	return true;
}

static bool send_answer(struct rpc_call *call, const char *key, json_t *value)
{
	struct rpc_line *line = call->line;
	json_t *answer = json_pack("{s:s, s:O, s:O}", "jsonrpc", "2.0", "id", call->id, key, value);
	// Pure ASCII: nothing in it can steer the terminal of somebody who reads the socket raw.
	char *text = answer ? json_dumps(answer, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
	bool sent = false;

	json_decref(answer);
	if (text && line->answers) {
		sent = collect(line, text, strlen(text));
	} else if (text) {
		rpc_connection_send(line->conn, text, strlen(text));
		rpc_connection_send(line->conn, "\n", 1);
		sent = true;
	}
	free(text);
	return sent;
}

void rpc_call_finish(struct rpc_call *call, const char *key, json_t *value)
{
	struct rpc_connection *conn = call->line->conn;

	// A client that would wait for ever for this answer is told by closing.
	if (conn && call->id && !conn->broken && !send_answer(call, key, value)) {
		conn->broken = true;
		rpc_connection_wake(conn);
	}
	json_decref(value);
	end(call);
}

// Takes the value.
static void finish(struct rpc_call *call, const char *key, json_t *value)
{
	if (!rpc_audit_hold(call, key, value))
		rpc_call_finish(call, key, value);
}

void rpc_reply(struct rpc_call *call, json_t *result)
{
	if (result)
		finish(call, "result", result);
	else
		rpc_fail(call, RPC_INTERNAL_ERROR, NULL, "out of memory");
}

void rpc_fail(struct rpc_call *call, int code, json_t *data, const char *format, ...)
{
	char message[512];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	finish(call, "error",
		json_pack("{s:i, s:o, s:o*}", "code", code, "message", rpc_text(message), "data",
			data));
}

uid_t rpc_call_uid(const struct rpc_call *call)
{
	return call->uid;
}
