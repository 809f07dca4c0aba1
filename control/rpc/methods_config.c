// SPDX-License-Identifier: BSD-2-Clause
// config: the file that runs, checking one, and reading it again.

#include "control/config/config.h"
#include "control/policy/policy.h"
#include "control/pool/pool.h"
#include "control/rpc/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// Nobody mends more at once; this bounds the answer.
#define MISTAKES_MAX 500u
// Larger files are none of ours; reading them would hold up probes.
#define FILE_MAX (16 * 1024 * 1024)

json_t *rpc_config_mistakes(const char *file, const struct config_errors *errors)
{
	json_t *data = NULL;

	for (size_t i = 0; errors && i < errors->list.count && i < MISTAKES_MAX; i++) {
		const struct config_error *e = &errors->list.items[i];

		data = rpc_mistake(data, e->field ? e->field : "", e->line,
			e->what ? e->what : "wrong", e->expected);
	}
	if (data && file)
		json_object_set_new(data, "file", rpc_text(file));
	return data;
}

static size_t count(const struct config_errors *errors)
{
	return errors ? errors->list.count : 0;
}

// What operators have set beside the file, as comments: it is no part of it.
static void show_overrides(FILE *to, const struct rpc_context *context)
{
	const struct pool *pool;
	bool begun = false;

	for (unsigned p = 0; (pool = pool_set_at(context->pools, p)); p++) {
		for (uint16_t i = 0; i < pool->n_members; i++) {
			const struct pool_member *m = pool->members[i];

			if (m->weight_set < 0)
				continue;
			if (!begun)
				fputs("# Set by operators, and kept over restarts and reloads:\n",
					to);
			begun = true;
			fprintf(to,
				"# pool %s: member %s: weight %d (posternctl member set %s/%s "
				"weight default)\n",
				pool->name, m->name, m->weight_set, pool->name, m->name);
		}
	}
}

static void config_show_text(struct rpc_call *call, const json_t *params, void *user)
{
	const struct rpc_context *context = user;
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);
	json_t *shown = NULL;

	(void)params;
	if (to) {
		config_show(to, context->config(context->daemon));
		show_overrides(to, context);
		if (fclose(to) == 0)
			shown = json_pack("{s:o}", "yaml", rpc_text(text));
	}
	free(text);
	rpc_reply(call, shown);
}

// What may be read on behalf of a client. Mistakes quote the file, so whoever is not root must not point at files of others through us; and a pipe or a device could hold up
// the control thread for ever.
static bool may_check(struct rpc_call *call, const char *file, bool named)
{
	const uid_t uid = rpc_call_uid(call);
	struct stat st;

	// Our own user is no exception: we may read what he may not.
	if (named && uid != 0) {
		rpc_fail(call, RPC_REFUSED,
			rpc_mistake(NULL, "file", 0, "only root may name a file",
				"no file, to check the one that runs; or postern --check -c FILE"),
			"only root may check another file than the running one");
		return false;
	}
	if (file[0] != '/') {
		rpc_fail(call, RPC_INVALID_PARAMS,
			rpc_mistake(NULL, "file", 0, "the path is relative", "an absolute path"),
			"the path of a file to check is absolute");
		return false;
	}
	if (stat(file, &st) != 0)
		return true; // config_read() says what is wrong
	if (S_ISREG(st.st_mode) && st.st_size <= FILE_MAX)
		return true;
	rpc_fail(call, RPC_REFUSED,
		rpc_mistake(NULL, "file", 0, "this is not read as a configuration",
			"a regular file of at most 16 MiB"),
		"%.256s: not a regular file of at most 16 MiB", file);
	return false;
}

// The same rows as those of mistakes, in a list that may be empty.
static json_t *error_list(const struct config_errors *errors)
{
	json_t *data = rpc_config_mistakes(NULL, errors);
	json_t *list = data ? json_incref(json_object_get(data, "errors")) : json_array();

	json_decref(data);
	return list;
}

int rpc_config_read(const struct rpc_context *context, const char *file, struct config **out,
	struct config_errors *errors)
{
	if (context->read_files)
		context->read_files(true);
	int rc = config_read(file, out, errors);

	if (rc == 0)
		rc = pool_tls_check(*out, errors, &(*out)->warnings);
	if (context->read_files)
		context->read_files(false);
	if (rc == 0)
		return 0;
	config_free(*out);
	*out = NULL;
	return rc;
}

static json_t *restart_list(const struct config *now, const struct config *next)
{
	struct config_errors errors = {0};

	config_needs_restart(now, next, &errors);
	json_t *list = error_list(&errors);
	config_errors_free(&errors);
	return list;
}

static void config_check(struct rpc_call *call, const json_t *params, void *user)
{
	const struct rpc_context *context = user;
	const struct config *now = context->config(context->daemon);
	const char *named = rpc_param_string(params, "file");
	const char *file = named ? named : now->file;
	struct config_errors errors = {0};
	struct config *next = NULL;

	if (named && !may_check(call, file, true))
		return;
	if (rpc_config_read(context, file, &next, &errors) != 0)
		rpc_fail(call, RPC_REFUSED, rpc_config_mistakes(file, &errors),
			"%.256s: %zu mistake%s", file, count(&errors),
			count(&errors) == 1 ? "" : "s");
	else
		rpc_reply(call, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "file", rpc_text(file),
					"interfaces", rpc_uint(next->interfaces.count), "pools",
					rpc_uint(next->pools.count), "services",
					rpc_uint(next->services.count), "warnings",
					error_list(&next->warnings), "needs-restart",
					restart_list(now, next)));
	config_free(next);
	config_errors_free(&errors);
}

struct reload {
	struct rpc_call *call;
	const struct rpc_context *context;
	uint64_t begun_us;
	int64_t confirm_ms; // 0: not on trial
	bool back;          // to what was before
};

// A trial of a second is no trial, and of more than a day nobody remembers it.
#define CONFIRM_LEAST_MS 1000
#define CONFIRM_MOST_MS  (24 * 3600 * 1000)

static void reload_failed(const struct reload *r, int status, const struct config_errors *errors)
{
	const char *file = r->context->config(r->context->daemon)->file;

	if (status == -EALREADY)
		rpc_fail(r->call, RPC_REFUSED, rpc_config_mistakes(NULL, errors),
			"nothing was reloaded: the configuration that runs waits to be confirmed");
	else if (status == -ENOENT && r->back)
		rpc_fail(r->call, RPC_REFUSED, NULL,
			"nothing waits to be confirmed; what runs is not on trial");
	else if (status == -EBUSY)
		rpc_fail(r->call, RPC_BUSY, NULL, "another reload is under way; try again");
	else if (status == -ENOTSUP)
		rpc_fail(r->call, RPC_REFUSED, rpc_config_mistakes(file, errors),
			"%.256s: %zu change%s a restart; nothing was changed", file, count(errors),
			count(errors) == 1 ? " needs" : "s need");
	else if (count(errors) > 0)
		rpc_fail(r->call, RPC_REFUSED, rpc_config_mistakes(file, errors),
			"%.256s: %zu mistake%s; postern goes on with what it had", file,
			count(errors), count(errors) == 1 ? "" : "s");
	else
		rpc_fail(r->call, RPC_REFUSED, NULL, "%.256s: %s; postern goes on with what it had",
			file, strerror(-status));
}

static void add_trial(json_t *answer, int64_t ms)
{
	json_object_set_new(answer, "confirm-within-ms", json_integer(ms));
	json_object_set_new(answer, "else",
		json_string("the configuration of before comes back; a restart meanwhile starts "
			    "with the file as it is"));
}

static void reloaded(void *user, int status, uint64_t epoch, const struct config_errors *errors)
{
	struct reload *r = user;

	if (status < 0) {
		reload_failed(r, status, errors);
	} else {
		const struct config *now = r->context->config(r->context->daemon);

		rpc_audit_change(r->call, NULL, json_pack("{s:o}", "epoch", rpc_uint(epoch)));
		json_t *answer = json_pack("{s:o, s:o, s:o}", "epoch", rpc_uint(epoch), "took-ms",
			rpc_uint((rpc_monotonic_us() - r->begun_us) / 1000), "warnings",
			error_list(&now->warnings));

		if (policy_is_loading(r->context->policy))
			json_object_set_new(answer, "partners",
				json_string(
					"being loaded; until then those of organisations that are "
					"new are refused"));
		if (r->confirm_ms > 0)
			add_trial(answer, r->confirm_ms);
		rpc_reply(r->call, answer);
	}
	free(r);
}

static void config_reload(struct rpc_call *call, const json_t *params, void *user)
{
	const struct rpc_context *context = user;
	struct reload *r = malloc(sizeof(*r));

	int64_t ms = 0;

	if (!r) {
		rpc_fail(call, RPC_INTERNAL_ERROR, NULL, "out of memory");
		return;
	}
	if (!rpc_param_integer(call, params, "confirm", CONFIRM_LEAST_MS, CONFIRM_MOST_MS, &ms)) {
		free(r);
		return;
	}
	*r = (struct reload){call, context, rpc_monotonic_us(), ms, false};
	context->reload(context->daemon, (uint32_t)ms, reloaded, r);
}

static void config_confirm(struct rpc_call *call, const json_t *params, void *user)
{
	const struct rpc_context *context = user;

	(void)params;
	if (context->confirm(context->daemon) == 0)
		rpc_reply(call, json_pack("{s:b}", "confirmed", true));
	else
		rpc_fail(call, RPC_REFUSED, NULL,
			"nothing waits to be confirmed; what runs is not on trial");
}

static void config_rollback(struct rpc_call *call, const json_t *params, void *user)
{
	const struct rpc_context *context = user;
	struct reload *r = malloc(sizeof(*r));

	(void)params;
	if (!r) {
		rpc_fail(call, RPC_INTERNAL_ERROR, NULL, "out of memory");
		return;
	}
	*r = (struct reload){call, context, rpc_monotonic_us(), 0, true};
	context->rollback(context->daemon, reloaded, r);
}

static const struct rpc_param check_params[] = {
	{"file", RPC_STRING, false, true, NULL, "path of a file; default: the one that runs"},
	{0},
};

static const struct rpc_param reload_params[] = {
	{"confirm", RPC_DURATION, false, false, NULL,
		"goes back to the configuration of before unless \"config confirm\" comes within "
		"this time, such as 5m"},
	{0},
};

static const struct rpc_method methods[] = {
	{"config.show", RPC_VIEW, "the configuration that runs, defaults included", NULL,
		config_show_text},
	{"config.check", RPC_VIEW, "reads a file and says what is wrong, changing nothing",
		check_params, config_check},
	{"config.reload", RPC_OPERATE, "reads the file again; sessions stay", reload_params,
		config_reload},
	{"config.confirm", RPC_OPERATE, "keeps what \"config reload --confirm\" has adopted", NULL,
		config_confirm},
	{"config.rollback", RPC_OPERATE,
		"goes back now from what \"config reload --confirm\" has adopted", NULL,
		config_rollback},
};

void rpc_methods_config(struct rpc_context *context)
{
	rpc_server_add(context->server, methods, sizeof(methods) / sizeof(methods[0]), context);
}
