// SPDX-License-Identifier: BSD-2-Clause
// The record of a call that changes something. A method whose change is in the database hands it
// over with the change; for others it is written when they answer. Either way the client hears
// of it when the record is on the disk.

#include "control/rpc/internal.h"
#include "control/store/store.h"

#include "postern/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

LOG_SUBSYSTEM("audit");

struct rpc_audit {
	const struct rpc_method *method;
	char *params;
	char *comment; // NULL: none
	char *before;  // NULL: none
	char *after;   // NULL: none
	bool written;
	bool error;   // the answer that waits is one
	json_t *held; // the answer that waits for the disk
};

static char *dump(const json_t *value)
{
	return json_dumps(value, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_ENCODE_ANY);
}

// Without the comment, which has a place of its own.
static char *dump_params(const struct rpc_method *method, const json_t *params)
{
	if (!rpc_param_comment(method) || !json_object_get(params, "comment"))
		return dump(params);
	json_t *rest = json_copy((json_t *)(uintptr_t)params);
	if (!rest || json_object_del(rest, "comment") != 0) {
		json_decref(rest);
		return NULL;
	}
	char *text = dump(rest);
	json_decref(rest);
	return text;
}

bool rpc_audit_begin(struct rpc_call *call, const struct rpc_method *method, const json_t *params)
{
	const char *comment = rpc_param_string(params, "comment");
	struct rpc_audit *audit = calloc(1, sizeof(*audit));

	if (!audit)
		return false;
	call->audit = audit;
	audit->method = method;
	audit->params = dump_params(method, params);
	audit->comment = comment ? strdup(comment) : NULL;
	return audit->params && (audit->comment || !comment);
}

void rpc_audit_free(struct rpc_audit *audit)
{
	if (!audit)
		return;
	free(audit->params);
	free(audit->comment);
	free(audit->before);
	free(audit->after);
	json_decref(audit->held);
	free(audit);
}

void rpc_audit_change(struct rpc_call *call, json_t *before, json_t *after)
{
	if (call->audit) {
		free(call->audit->before);
		free(call->audit->after);
		call->audit->before = before ? dump(before) : NULL;
		call->audit->after = after ? dump(after) : NULL;
	}
	json_decref(before);
	json_decref(after);
}

void rpc_audit_record(const struct rpc_call *call, struct store_audit *out)
{
	*out = (struct store_audit){.uid = call->uid, .pid = call->pid, .result = "ok"};
	if (!call->audit)
		return;
	out->method = call->audit->method->name;
	out->params = call->audit->params;
	out->comment = call->audit->comment;
	out->before = call->audit->before;
	out->after = call->audit->after;
}

void rpc_audit_written(struct rpc_call *call)
{
	if (call->audit)
		call->audit->written = true;
}

static void not_written(const struct rpc_call *call, const char *why)
{
	LOG(ERROR, "%s of uid %u is not in the audit: %s", call->audit->method->name,
		(unsigned)call->uid, why);
}

static void held_done(void *user, int status, const char *why)
{
	struct rpc_call *call = user;
	json_t *held = call->audit->held;

	call->audit->held = NULL;
	if (status < 0)
		not_written(call, why);
	rpc_call_finish(call, call->audit->error ? "error" : "result", held);
}

bool rpc_audit_hold(struct rpc_call *call, const char *key, json_t *value)
{
	struct rpc_audit *audit = call->audit;
	struct store_audit record;

	if (!audit || audit->written || !call->store)
		return false;
	audit->written = true;
	rpc_audit_record(call, &record);
	audit->error = strcmp(key, "error") == 0;
	if (audit->error) {
		const char *message = json_string_value(json_object_get(value, "message"));

		record.result = message ? message : "failed";
	}
	int status = store_audit_add(call->store, &record, held_done, call);
	if (status < 0) {
		not_written(call,
			status == -EAGAIN ? "too much waits for the disk" : strerror(-status));
		return false;
	}
	audit->held = value;
	// The answer is there; who has gone is noticed when it is sent.
	call->gone = NULL;
	return true;
}

// So many refusals of one user are recorded in a minute; of the others their number is, with the
// first of the next minute. Nobody pushes others' records out by asking for what he may not do.
#define REFUSALS 10u
#define MINUTE   UINT64_C(60000000)

// The user's own entry, or the one that has been quiet for longest.
static struct rpc_refusals *refusals_of(struct rpc_server *server, uid_t uid)
{
	struct rpc_refusals *oldest = &server->refusals[0];

	for (size_t i = 0; i < RPC_REFUSALS_MAX; i++) {
		struct rpc_refusals *r = &server->refusals[i];

		if (r->since_us != 0 && r->uid == uid)
			return r;
		if (r->since_us < oldest->since_us)
			oldest = r;
	}
	*oldest = (struct rpc_refusals){.uid = uid};
	return oldest;
}

// Whether this one is recorded, and how many before it were not.
static bool may_record(struct rpc_server *server, uid_t uid, unsigned *unrecorded)
{
	const uint64_t now = rpc_monotonic_us();
	struct rpc_refusals *r = refusals_of(server, uid);

	if (r->since_us == 0 || now - r->since_us >= MINUTE) {
		*unrecorded = r->unrecorded;
		*r = (struct rpc_refusals){.uid = uid, .since_us = now, .count = 1};
		return true;
	}
	*unrecorded = 0;
	if (r->count++ < REFUSALS)
		return true;
	r->unrecorded++;
	return false;
}

void rpc_audit_refusal(struct rpc_server *server, const struct rpc_call *call,
	const struct rpc_method *method, const json_t *params)
{
	struct store_audit record;
	unsigned unrecorded = 0;
	char result[128];

	if (!may_record(server, call->uid, &unrecorded))
		return;
	int used = snprintf(
		result, sizeof(result), "refused: needs the role %s", rpc_role_name(method->role));
	if (unrecorded > 0)
		snprintf(result + used, sizeof(result) - (size_t)used,
			" (%u more before are not recorded)", unrecorded);
	LOG(NOTICE, "uid %u: %s: %s", (unsigned)call->uid, method->name, result);
	if (!server->store)
		return;
	char *text = dump(params);
	rpc_audit_record(call, &record);
	record.method = method->name;
	record.params = text;
	record.result = result;
	int status = store_audit_add(server->store, &record, NULL, NULL);
	if (status < 0)
		LOG(WARNING, "a refusal is not in the audit: %s", strerror(-status));
	free(text);
}
