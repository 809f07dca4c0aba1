// SPDX-License-Identifier: BSD-2-Clause
// log: the last lines, and how much is written.

#include "control/rpc/internal.h"

#include "postern/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

static json_t *line_object(const struct postern_log_line *line)
{
	return json_pack("{s:o, s:o, s:s, s:o, s:o}", "number", rpc_uint(line->number), "time",
		rpc_time(line->wall_us), "level", postern_log_level_name(line->level), "subsystem",
		rpc_text(line->subsystem), "text", rpc_text(line->text));
}

// The next line that is urgent enough, at or after *at, which moves behind it.
static bool next_line(uint64_t *at, enum postern_log_level level, struct postern_log_line *line)
{
	while (postern_log_read(*at, line)) {
		*at = line->number + 1;
		if (line->level <= level)
			return true;
	}
	return false;
}

// The number from which on there are `limit` lines to the end.
static uint64_t last_lines(uint64_t limit, enum postern_log_level level)
{
	struct postern_log_line line;
	uint64_t matching = 0;

	for (uint64_t at = 0; next_line(&at, level, &line);)
		matching++;
	uint64_t begin = 0;
	for (; matching > limit && next_line(&begin, level, &line); matching--)
		;
	return begin;
}

static bool parse_cursor(const char *text, int64_t *from)
{
	char *end = NULL;

	errno = 0;
	*from = strtoll(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' && *from > 0;
}

static void log_show(struct rpc_call *call, const json_t *params, void *user)
{
	const char *name = rpc_param_string(params, "level");
	const char *cursor = rpc_param_string(params, "cursor");
	int level = name ? postern_log_level_parse(name) : POSTERN_LOG_DEBUG;
	struct postern_log_line line;
	int64_t from = 0;
	int64_t limit = 100;

	(void)user;
	if (level < 0)
		level = POSTERN_LOG_DEBUG;
	if (!rpc_param_integer(call, params, "from", 1, INT64_MAX, &from) ||
		!rpc_param_integer(call, params, "limit", 1, 1000, &limit))
		return;
	if (cursor && !parse_cursor(cursor, &from)) {
		rpc_fail(call, RPC_INVALID_PARAMS,
			rpc_mistake(NULL, "cursor", 0, "this is no cursor",
				"the next of an earlier answer"),
			"log.show: wrong parameters");
		return;
	}
	uint64_t at = from > 0 ? (uint64_t)from
			       : last_lines((uint64_t)limit, (enum postern_log_level)level);
	json_t *items = json_array();
	json_t *next = NULL;
	while (next_line(&at, (enum postern_log_level)level, &line)) {
		if (json_array_size(items) == (size_t)limit) {
			next = rpc_textf("%" PRIu64, line.number);
			break;
		}
		json_array_append_new(items, line_object(&line));
	}
	rpc_reply_list(call, items, next);
}

static void log_set(struct rpc_call *call, const json_t *params, void *user)
{
	const enum postern_log_level was = postern_log_get_level();
	int level = postern_log_level_parse(rpc_param_string(params, "level"));

	(void)user;
	if (level < 0) {
		rpc_fail(call, RPC_INTERNAL_ERROR, NULL, "that level is not known");
		return;
	}
	postern_log_set_level((enum postern_log_level)level);
	rpc_audit_change(call, json_pack("{s:s}", "level", postern_log_level_name(was)),
		json_pack("{s:s}", "level", postern_log_level_name((enum postern_log_level)level)));
	rpc_reply(call, json_pack("{s:s, s:s}", "level",
				postern_log_level_name((enum postern_log_level)level), "was",
				postern_log_level_name(was)));
}

static const char *const levels[] = {"error", "warning", "notice", "info", "debug", NULL};

static const struct rpc_param show_params[] = {
	{"from", RPC_INTEGER, false, false, NULL,
		"number of the first line; default: as many as fit up to the last"},
	{"limit", RPC_INTEGER, false, false, NULL, "most lines at once, 1 to 1000; default 100"},
	{"level", RPC_STRING, false, true, levels, "lines of this urgency and above only"},
	{"cursor", RPC_STRING, false, false, NULL, "goes on from an earlier answer's next"},
	{0},
};

static const struct rpc_param set_params[] = {
	{"level", RPC_STRING, true, true, levels, "lines of this urgency and above are written"},
	{0},
};

static const struct rpc_method methods[] = {
	{"log.show", RPC_VIEW, "the last lines of the log", show_params, log_show},
	{"log.set", RPC_OPERATE, "how much is logged, until the next start", set_params, log_set},
};

void rpc_methods_log(struct rpc_context *context)
{
	rpc_server_add(context->server, methods, sizeof(methods) / sizeof(methods[0]), context);
}
