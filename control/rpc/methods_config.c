// SPDX-License-Identifier: BSD-2-Clause
// config: the file that runs, checking one, and reading it again.

#include "control/config/config.h"
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
	if (data)
		json_object_set_new(data, "file", rpc_text(file));
	return data;
}

static size_t count(const struct config_errors *errors)
{
	return errors ? errors->list.count : 0;
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
		if (fclose(to) == 0)
			shown = json_pack("{s:o}", "yaml", rpc_text(text));
	}
	free(text);
	rpc_reply(call, shown);
}

// What may be read on behalf of a client. Mistakes quote the file, so whoever is neither root nor
// postern itself must not point at files of others through us; and a pipe or a device could hold up
// the control thread for ever.
static bool may_check(struct rpc_call *call, const char *file, bool named)
{
	const uid_t uid = rpc_call_uid(call);
	struct stat st;

	if (named && uid != 0 && uid != geteuid()) {
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

static json_t *mistake_list(const char *file, const struct config_errors *errors)
{
	json_t *data = rpc_config_mistakes(file, errors);
	json_t *list = data ? json_incref(json_object_get(data, "errors")) : json_array();

	json_decref(data);
	return list;
}

static json_t *restart_list(const struct config *now, const struct config *next)
{
	struct config_errors errors = {0};

	config_needs_restart(now, next, &errors);
	json_t *list = mistake_list(next->file, &errors);
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
	struct config_errors warnings = {0};
	struct config *next = NULL;

	if (named && !may_check(call, file, true))
		return;
	if (config_read(file, &next, &errors) != 0 || pool_tls_check(next, &errors, &warnings) != 0)
		rpc_fail(call, RPC_REFUSED, rpc_config_mistakes(file, &errors),
			"%.256s: %zu mistake%s", file, count(&errors),
			count(&errors) == 1 ? "" : "s");
	else
		rpc_reply(call, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "file", rpc_text(file),
					"interfaces", rpc_uint(next->interfaces.count), "pools",
					rpc_uint(next->pools.count), "services",
					rpc_uint(next->services.count), "warnings",
					mistake_list(next->file, &warnings), "needs-restart",
					restart_list(now, next)));
	config_free(next);
	config_errors_free(&warnings);
	config_errors_free(&errors);
}

struct reload {
	struct rpc_call *call;
	const struct rpc_context *context;
	uint64_t begun_us;
};

static void reload_failed(const struct reload *r, int status, const struct config_errors *errors)
{
	const char *file = r->context->config(r->context->daemon)->file;

	if (status == -EBUSY)
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

static void reloaded(void *user, int status, uint64_t epoch, const struct config_errors *errors)
{
	struct reload *r = user;

	if (status < 0) {
		reload_failed(r, status, errors);
	} else {
		rpc_audit_change(r->call, NULL, json_pack("{s:o}", "epoch", rpc_uint(epoch)));
		rpc_reply(r->call, json_pack("{s:o, s:o}", "epoch", rpc_uint(epoch), "took-ms",
					   rpc_uint((rpc_monotonic_us() - r->begun_us) / 1000)));
	}
	free(r);
}

static void config_reload(struct rpc_call *call, const json_t *params, void *user)
{
	const struct rpc_context *context = user;
	struct reload *r = malloc(sizeof(*r));

	(void)params;
	if (!r) {
		rpc_fail(call, RPC_INTERNAL_ERROR, NULL, "out of memory");
		return;
	}
	*r = (struct reload){call, context, rpc_monotonic_us()};
	context->reload(context->daemon, reloaded, r);
}

static const struct rpc_param check_params[] = {
	{"file", RPC_STRING, false, true, NULL, "path of a file; default: the one that runs"},
	{0},
};

static const struct rpc_method methods[] = {
	{"config.show", RPC_VIEW, "the configuration that runs, defaults included", NULL,
		config_show_text},
	{"config.check", RPC_VIEW, "reads a file and says what is wrong, changing nothing",
		check_params, config_check},
	{"config.reload", RPC_OPERATE, "reads the file again; sessions stay", NULL, config_reload},
};

void rpc_methods_config(struct rpc_context *context)
{
	rpc_server_add(context->server, methods, sizeof(methods) / sizeof(methods[0]), context);
}
