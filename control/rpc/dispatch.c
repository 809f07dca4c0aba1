// SPDX-License-Identifier: BSD-2-Clause
// JSON-RPC 2.0: from a line to the calls that it asks for.

#include "control/rpc/internal.h"

#include "postern/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

LOG_SUBSYSTEM("rpc");

// The call of a line that is a single request, which is answered by itself.
static struct rpc_call *call_alone(struct rpc_connection *conn, const json_t *id)
{
	struct rpc_line *line = rpc_line_new(conn, false);
	struct rpc_call *call = line ? rpc_call_new(line, id) : NULL;

	if (!call)
		free(line);
	return call;
}

// A call in the batch under way, or a single one.
static struct rpc_call *call_new(
	struct rpc_connection *conn, struct rpc_line *batch, const json_t *id)
{
	struct rpc_call *call = batch ? rpc_call_new(batch, id) : call_alone(conn, id);

	if (!call) {
		conn->broken = true;
		rpc_connection_wake(conn);
	}
	return call;
}

// Fails with an id of null, for what is not a request (section 5).
static void refuse(
	struct rpc_connection *conn, struct rpc_line *batch, int code, const char *message)
{
	json_t *null = json_null();
	struct rpc_call *call = call_new(conn, batch, null);

	if (call)
		rpc_fail(call, code, NULL, "%s", message);
}

void rpc_dispatch_refuse(struct rpc_connection *conn, int code, const char *message)
{
	refuse(conn, NULL, code, message);
}

// What is wrong with a request's envelope (section 4), or NULL.
static const char *envelope_mistake(const json_t *request, char *text, size_t size)
{
	const json_t *version = json_object_get(request, "jsonrpc");
	const json_t *id = json_object_get(request, "id");
	const char *key;
	json_t *value;

	if (!json_is_object(request))
		return "a request is an object: {\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": "
		       "\"status.show\"}";
	if (!json_is_string(version) || strcmp(json_string_value(version), "2.0") != 0)
		return "a request carries \"jsonrpc\": \"2.0\"";
	if (!json_is_string(json_object_get(request, "method")))
		return "a request carries the name of its method as a string: \"method\": "
		       "\"status.show\"";
	if (id && !json_is_string(id) && !json_is_number(id) && !json_is_null(id))
		return "the id of a request is a string or a number";
	json_object_foreach((json_t *)(uintptr_t)request, key, value)
	{
		if (strcmp(key, "jsonrpc") != 0 && strcmp(key, "method") != 0 &&
			strcmp(key, "id") != 0 && strcmp(key, "params") != 0) {
			snprintf(text, size,
				"a request has no member \"%.64s\", only jsonrpc, id, method and "
				"params",
				key);
			return text;
		}
	}
	return NULL;
}

static void fail_method(struct rpc_call *call, const struct rpc_server *server, const char *name)
{
	const char *near = rpc_method_nearest(server, name);
	json_t *data = rpc_mistake(NULL, "method", 0, "there is no such method",
		near ? near : "one that describe lists");

	if (near)
		rpc_fail(call, RPC_METHOD_NOT_FOUND, data,
			"there is no method \"%.64s\"; did you mean \"%s\"?", name, near);
	else
		rpc_fail(call, RPC_METHOD_NOT_FOUND, data,
			"there is no method \"%.64s\"; describe lists them all", name);
}

static bool is_allowed(const struct rpc_call *call, const struct rpc_method *method)
{
	const struct rpc_connection *conn = call->line->conn;

	return rpc_roles_of(conn->server->roles, &conn->peer) & 1u << method->role;
}

static void fail_role(struct rpc_call *call, const struct rpc_method *method, const json_t *params)
{
	struct rpc_connection *conn = call->line->conn;
	const char *needed = rpc_role_name(method->role);
	char expected[192];

	rpc_audit_refusal(conn->server, call, method, params);
	snprintf(expected, sizeof(expected),
		"root, the user that postern runs as, or a user or group of postern.roles.%s",
		needed);
	rpc_fail(call, RPC_FORBIDDEN,
		rpc_mistake(NULL, "method", 0, "you have not the role that it needs", expected),
		"%s needs the role %s, which uid %u has not", method->name, needed,
		(unsigned)conn->peer.uid);
}

// Every call that changes something leaves a line, whether or not it succeeds, and a record.
static void begin(
	struct rpc_call *call, const struct rpc_method *method, const json_t *params, void *user)
{
	if (method->role != RPC_VIEW) {
		char *text = json_dumps(params, JSON_COMPACT | JSON_ENSURE_ASCII);

		LOG(NOTICE, "uid %u: %s %.256s", (unsigned)call->uid, method->name,
			text ? text : "");
		free(text);
		if (!rpc_audit_begin(call, method, params)) {
			rpc_fail(call, RPC_INTERNAL_ERROR, NULL, "out of memory");
			return;
		}
	}
	method->handler(call, params, user);
}

static void run(struct rpc_call *call, const struct rpc_server *server, const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "method"));
	json_t *params = json_incref(json_object_get(request, "params"));
	void *user = NULL;
	const struct rpc_method *method = rpc_method_find(server, name, &user);
	json_t *mistakes = NULL;

	if (!params)
		params = json_object();
	if (!method)
		fail_method(call, server, name);
	else if (!params)
		rpc_fail(call, RPC_INTERNAL_ERROR, NULL, "out of memory");
	else if (!json_is_object(params))
		rpc_fail(call, RPC_INVALID_PARAMS,
			rpc_mistake(NULL, "params", 0, "parameters are not given by position",
				"an object: {\"name\": value, …}"),
			"%s: parameters are given by name, in an object", name);
	else if (!is_allowed(call, method))
		fail_role(call, method, params);
	else if ((mistakes = rpc_params_check(method, params)))
		rpc_fail(call, RPC_INVALID_PARAMS, mistakes, "%s: wrong parameters", name);
	else
		begin(call, method, params, user);
	json_decref(params);
}

static void dispatch_request(
	struct rpc_connection *conn, struct rpc_line *batch, const json_t *request)
{
	char text[160];
	const char *mistake = envelope_mistake(request, text, sizeof(text));

	if (mistake) {
		refuse(conn, batch, RPC_INVALID_REQUEST, mistake);
		return;
	}
	struct rpc_call *call = call_new(conn, batch, json_object_get(request, "id"));
	if (call)
		run(call, conn->server, request);
}

// Takes the array. Its entries are called one by one, under the same bounds as single requests.
static void begin_batch(struct rpc_connection *conn, json_t *batch)
{
	char text[96];

	if (json_array_size(batch) == 0) {
		refuse(conn, NULL, RPC_INVALID_REQUEST, "a batch holds at least one request");
	} else if (json_array_size(batch) > RPC_BATCH_MAX) {
		snprintf(text, sizeof(text), "a batch holds at most %u requests; this one has %zu",
			RPC_BATCH_MAX, json_array_size(batch));
		refuse(conn, NULL, RPC_INVALID_REQUEST, text);
	} else if ((conn->batch_line = rpc_line_new(conn, true))) {
		conn->batch = json_incref(batch);
		conn->batch_at = 0;
	} else {
		conn->broken = true;
		rpc_connection_wake(conn);
	}
	json_decref(batch);
}

static void end_batch(struct rpc_connection *conn)
{
	struct rpc_line *line = conn->batch_line;

	json_decref(conn->batch);
	conn->batch = NULL;
	conn->batch_line = NULL;
	line->open = false;
	rpc_line_settle(line);
}

void rpc_dispatch_batch_next(struct rpc_connection *conn)
{
	dispatch_request(conn, conn->batch_line, json_array_get(conn->batch, conn->batch_at));
	if (++conn->batch_at == json_array_size(conn->batch))
		end_batch(conn);
}

void rpc_dispatch_batch_drop(struct rpc_connection *conn)
{
	if (!conn->batch)
		return;
	conn->batch_line->conn = NULL;
	end_batch(conn);
}

static bool is_blank(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (!strchr(" \t\r", text[i]) || text[i] == '\0')
			return false;
	return true;
}

void rpc_dispatch_line(struct rpc_connection *conn, const char *text, size_t length)
{
	json_error_t error;

	if (is_blank(text, length))
		return;
	json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (!root) {
		char message[JSON_ERROR_TEXT_LENGTH + 64];
		snprintf(message, sizeof(message), "not JSON, at byte %d: %s", error.position,
			error.text);
		refuse(conn, NULL, RPC_PARSE_ERROR, message);
	} else if (json_is_array(root)) {
		begin_batch(conn, root);
	} else {
		dispatch_request(conn, NULL, root);
		json_decref(root);
	}
}
