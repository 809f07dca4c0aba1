// SPDX-License-Identifier: BSD-2-Clause
// backup: a copy of the state database while it is in use.

#include "control/rpc/internal.h"
#include "control/store/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct backup {
	struct rpc_call *call;
	char *file;
};

static void written(void *user, int status, const char *why)
{
	struct backup *b = user;

	if (status < 0)
		rpc_fail(b->call, RPC_REFUSED, NULL, "no backup was written: %s", why);
	else
		rpc_reply(b->call, json_pack("{s:o}", "file", rpc_text(b->file)));
	free(b->file);
	free(b);
}

static void backup_write(struct rpc_call *call, const json_t *params, void *user)
{
	const struct rpc_context *context = user;
	const char *file = rpc_param_string(params, "file");

	// It is written with our rights, not with those of who asks.
	if (rpc_call_uid(call) != 0) {
		rpc_fail(call, RPC_REFUSED,
			rpc_mistake(NULL, "file", 0, "only root may name a file", NULL),
			"only root may have a file written");
		return;
	}
	if (file[0] != '/') {
		rpc_fail(call, RPC_INVALID_PARAMS,
			rpc_mistake(NULL, "file", 0, "the path is relative", "an absolute path"),
			"the path of a backup is absolute");
		return;
	}
	struct backup *b = context->store ? calloc(1, sizeof(*b)) : NULL;
	if (b)
		b->file = strdup(file);
	int status = -ENOMEM;
	if (b && b->file) {
		b->call = call;
		status = store_backup(context->store, file, written, b);
	}
	if (status == 0)
		return;
	if (b)
		free(b->file);
	free(b);
	rpc_fail(call, status == -EAGAIN ? RPC_BUSY : RPC_INTERNAL_ERROR, NULL, "%s",
		strerror(-status));
}

static const struct rpc_param write_params[] = {
	{"file", RPC_STRING, true, true, NULL, "a file that is not there yet"},
	{0},
};

static const struct rpc_method methods[] = {
	{"backup.write", RPC_OPERATE, "copies the state database; postern --restore puts it back",
		write_params, backup_write},
};

void rpc_methods_backup(struct rpc_context *context)
{
	rpc_server_add(context->server, methods, sizeof(methods) / sizeof(methods[0]), context);
}
