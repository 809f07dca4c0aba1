// SPDX-License-Identifier: BSD-2-Clause
// policy apply, import, export: the policy and files.

#include "control/config/config.h"
#include "control/rpc/policy.h"
#include "control/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void refuse(struct rpc_call *call, const char *file, const char *what, const char *expected)
{
	rpc_fail(call, RPC_REFUSED, rpc_mistake(NULL, "file", 0, what, expected), "%.256s: %s",
		file, what);
}

#define SEEN "; as a service postern sees no /home, no /root and a /tmp of its own"

// Opens a file on behalf of a client. Mistakes quote it, and we may read what he may not: so it is his
// own, or he is root. -1 after having answered.
static int open_file(struct rpc_call *call, const struct rpc_context *context, const char *file)
{
	const uid_t uid = rpc_call_uid(call);
	struct stat st = {0};

	if (file[0] != '/') {
		rpc_fail(call, RPC_INVALID_PARAMS,
			rpc_mistake(NULL, "file", 0, "the path is relative", "an absolute path"),
			"the path of the file is absolute");
		return -1;
	}
	// Found first and opened when it is known to be a file: opening some devices does something.
	if (context->read_files)
		context->read_files(true);
	const int at = open(file, O_PATH | O_CLOEXEC);
	int err = at < 0 || fstat(at, &st) != 0 ? errno : 0;
	int fd = -1;
	const bool his = err == 0 && (uid == 0 || st.st_uid == uid);
	if (his && S_ISREG(st.st_mode)) {
		char again[32];

		snprintf(again, sizeof(again), "/proc/self/fd/%d", at);
		fd = open(again, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		err = fd < 0 ? errno : 0;
	}
	if (context->read_files)
		context->read_files(false);
	if (at >= 0)
		close(at);
	if (fd >= 0)
		return fd;
	// Nor does he learn which files there are.
	if (uid != 0 && !his)
		refuse(call, file, "there is no such file, or it is not yours",
			"a file of your own" SEEN);
	else if (err != 0)
		refuse(call, file, strerror(err), "a file that postern can read" SEEN);
	else
		refuse(call, file, "this is no file", "a regular file");
	return -1;
}

static bool number(const json_t *params, const char *name, uint64_t *out)
{
	const json_t *value = json_object_get(params, name);

	if (!value || json_integer_value(value) < 0)
		return false;
	*out = (uint64_t)json_integer_value(value);
	return true;
}

static void changed(void *user, const struct policy_result *r)
{
	struct rpc_policy_call *pc = user;

	if (!rpc_policy_failed(pc, r)) {
		json_t *shown = json_pack("{s:s, s:b, s:o, s:o, s:o, s:o, s:o}", "organisation",
			pc->organisation, "dry-run", pc->dry_run, "added", rpc_uint(r->added),
			"changed", rpc_uint(r->changed), "removed", rpc_uint(r->removed),
			"unchanged", rpc_uint(r->unchanged), "revision", rpc_uint(r->revision));

		if (shown && r->ignored)
			json_object_set(
				shown, "ignored-properties", (json_t *)(uintptr_t)r->ignored);
		if (shown && r->differences)
			json_object_set(shown, "differences", (json_t *)(uintptr_t)r->differences);
		// A dry run has no record in the database yet.
		if (!pc->dry_run)
			rpc_audit_written(pc->call);
		rpc_reply(pc->call, shown);
	}
	free(pc);
}

static void read_into(struct rpc_call *call, const json_t *params, struct rpc_context *context,
	int kind,
	int (*what)(struct policy *p, const struct policy_file *file,
		const struct store_audit *record, policy_done done, void *user))
{
	const char *file = rpc_param_string(params, "file");
	struct rpc_policy_call *pc = rpc_policy_call_new(call, context, params);
	struct store_audit record;

	if (!pc)
		return;
	const int fd = open_file(call, context, file);
	if (fd < 0) {
		free(pc);
		return;
	}
	pc->dry_run = json_is_true(json_object_get(params, "dry-run"));
	snprintf(pc->file, sizeof(pc->file), "%s", file);
	struct policy_file of = {
		.organisation = pc->organisation,
		.fd = fd,
		.dry_run = pc->dry_run,
		.if_revision = POLICY_ANY_REVISION,
		.kind = kind,
	};
	number(params, "if-revision", &of.if_revision);
	rpc_audit_record(call, &record);
	const int status = what(context->policy, &of, &record, changed, pc);
	if (status != 0)
		rpc_policy_not_asked(pc, status);
}

static void policy_apply_file(struct rpc_call *call, const json_t *params, void *user)
{
	read_into(call, params, user, -1, policy_apply);
}

static void policy_import_file(struct rpc_call *call, const json_t *params, void *user)
{
	const char *kind = rpc_param_string(params, "kind");
	int which = -1;

	for (int i = 0; kind && i < POLICY_IMPORTS; i++)
		if (strcmp(kind, policy_import_name(i)) == 0)
			which = i;
	read_into(call, params, user, which, policy_import);
}

static void exported(void *user, const struct policy_result *r)
{
	struct rpc_policy_call *pc = user;

	if (r->status == -ESTALE)
		rpc_fail(pc->call, RPC_BUSY, NULL, "%s", r->why);
	else if (!rpc_policy_failed(pc, r))
		rpc_reply(pc->call,
			json_pack("{s:o, s:o, s:o}", "yaml", rpc_text(r->text ? r->text : ""),
				"revision", rpc_uint(r->revision), "next",
				r->next ? rpc_text(r->next) : json_null()));
	free(pc);
}

static void policy_export_piece(struct rpc_call *call, const json_t *params, void *user)
{
	struct rpc_policy_call *pc = rpc_policy_call_new(call, user, params);

	if (!pc)
		return;
	const int status = policy_export(pc->context->policy, pc->organisation,
		rpc_param_string(params, "cursor"), exported, pc);
	if (status != 0)
		rpc_policy_not_asked(pc, status);
}

static const char *const kinds[] = {
	"allowed-domain", "blocked-domain", "hosting-provider", "public-provider", "policy", NULL};

static const struct rpc_param apply_params[] = {
	{"file", RPC_STRING, true, true, NULL,
		"what policy export writes; your own, or you are root"},
	{"dry-run", RPC_BOOLEAN, false, false, NULL, "tell what would change, and change nothing"},
	{"organisation", RPC_STRING, false, false, NULL, "whose; may lack if there is one"},
	{"if-revision", RPC_INTEGER, false, false, NULL,
		"only if this is the policy's revision still, as export told"},
	{0},
};

static const struct rpc_param import_params[] = {
	{"file", RPC_STRING, true, true, NULL,
		"CSV, or JSON of PowerShell's ConvertTo-Json; your own, or you are root"},
	{"kind", RPC_STRING, false, false, kinds, "what it lists, where that cannot be told"},
	{"dry-run", RPC_BOOLEAN, false, false, NULL, "tell what would change, and change nothing"},
	{"organisation", RPC_STRING, false, false, NULL, "whose; may lack if there is one"},
	{"if-revision", RPC_INTEGER, false, false, NULL,
		"only if this is the policy's revision still, as export told"},
	{0},
};

static const struct rpc_param export_params[] = {
	{"organisation", RPC_STRING, false, true, NULL, "whose; may lack if there is one"},
	{"cursor", RPC_STRING, false, false, NULL, "goes on from an earlier answer's next"},
	{0},
};

static const struct rpc_method methods[] = {
	{"policy.apply", RPC_POLICY, "makes the policy equal to a file, all or nothing",
		apply_params, policy_apply_file},
	{"policy.import", RPC_POLICY, "adds and changes what a file lists, all or nothing",
		import_params, policy_import_file},
	{"policy.export", RPC_VIEW, "the policy as a file that apply reads", export_params,
		policy_export_piece},
};

void rpc_methods_policy_file(struct rpc_context *context)
{
	rpc_server_add(context->server, methods, sizeof(methods) / sizeof(methods[0]), context);
}
