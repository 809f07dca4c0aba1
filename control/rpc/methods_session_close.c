// SPDX-License-Identifier: BSD-2-Clause
// session close: one session, or all that have something in common. The table is walked as for a
// list; each session that is found is handed to its worker, which resets some in each of its turns
// and answers. What the workers cannot take at once waits here.

#include "control/rpc/internal.h"
#include "control/rpc/session.h"

#include "postern/dataplane.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_AT_ONCE 256u     // looked at between two looks at the clock
#define TURN_US       500u     // half of what the control thread may spend on anything
#define ANSWERS       64u      // of workers, taken at once
#define WAIT_US       1000     // a worker that sleeps for want of packets looks as often
#define SILENCE_US    5000000u // workers that do not answer for so long hang
#define LIMIT_DEFAULT 1000
#define LIMIT_MAX     10000000

struct rpc_closing {
	LIST_ENTRY(rpc_closing) entry;
	struct rpc_call *call;
	const struct rpc_context *context;
	struct event *again;
	struct rpc_session_filter filter;
	uint64_t began_us;
	uint64_t heard_us; // when something was last answered
	uint64_t cursor;
	uint64_t limit;
	uint64_t found;
	uint64_t asked;    // of their workers
	uint64_t answered; // by them
	uint64_t closed;
	uint32_t ticket;
	bool dry;
	bool walked; // nothing more is looked for
	bool more;   // because the limit was reached
};

static void closing_free(struct rpc_closing *c)
{
	LIST_REMOVE(c, entry);
	event_free(c->again);
	rpc_session_filter_clear(&c->filter);
	free(c);
}

// What workers have been asked for is done; nobody looks for more.
static void closing_gone(void *user)
{
	struct rpc_closing *c = user;
	struct rpc_call *call = c->call;
	const uint64_t asked = c->asked;

	closing_free(c);
	rpc_fail(call, RPC_INTERNAL_ERROR, NULL,
		"the client has gone; up to %" PRIu64 " sessions were closed", asked);
}

static void closing_end(struct rpc_closing *c)
{
	struct rpc_call *call = c->call;
	json_t *result = json_pack("{s:o, s:o, s:b, s:b}", "found", rpc_uint(c->found), "closed",
		rpc_uint(c->closed), "more", c->more, "dry-run", c->dry);

	closing_free(c);
	rpc_audit_change(call, NULL, json_incref(result));
	rpc_reply(call, result);
}

// Answers to all calls come by the same way. Those whose client has gone are nobody's.
static void take_answers(const struct rpc_context *context)
{
	struct postern_closed answers[ANSWERS];
	const uint64_t now = rpc_monotonic_us();
	struct rpc_closing *c;
	unsigned n;

	do {
		n = postern_closed_take(context->dp, answers, ANSWERS);
		for (unsigned i = 0; i < n; i++) {
			LIST_FOREACH(c, &context->server->closings, entry)
			{
				if (c->ticket != answers[i].ticket)
					continue;
				c->answered++;
				c->closed += answers[i].closed;
				c->heard_us = now;
			}
		}
	} while (n == ANSWERS);
}

// False: its worker has to be asked later.
static bool found(struct rpc_closing *c, const struct postern_session *s)
{
	// Whoever is closed often comes back at once, and would be found again further on.
	const uint64_t elapsed_ms = (rpc_monotonic_us() - c->began_us) / 1000;

	if (s->over || s->age_ms < elapsed_ms || !rpc_session_matches(c->context, &c->filter, s))
		return true;
	if (c->found == c->limit) {
		c->walked = c->more = true;
		return true;
	}
	if (!c->dry) {
		if (postern_session_close(
			    c->context->dp, s->worker, s->slot, s->generation, c->ticket) != 0)
			return false;
		c->heard_us = c->asked++ == c->answered ? rpc_monotonic_us() : c->heard_us;
	}
	c->found++;
	return true;
}

// False: the workers have enough to do.
static bool look_on(struct rpc_closing *c)
{
	const uint64_t until = rpc_monotonic_us() + TURN_US;

	do {
		const uint64_t before = c->cursor;
		struct postern_session s;
		const int got = postern_session_next(c->context->dp, &c->cursor, SLOTS_AT_ONCE, &s);

		if (got == 1 && !found(c, &s)) {
			c->cursor = before;
			return false;
		}
		if (got != 1 && got != -EAGAIN)
			c->walked = true;
	} while (!c->walked && rpc_monotonic_us() < until);
	return true;
}

static void closing_on(struct rpc_closing *c)
{
	struct timeval soon = {0};

	take_answers(c->context);
	const bool taken = c->walked || look_on(c);
	if (c->walked && c->answered == c->asked) {
		closing_end(c);
		return;
	}
	if (c->answered != c->asked && rpc_monotonic_us() - c->heard_us > SILENCE_US) {
		struct rpc_call *call = c->call;
		const uint64_t closed = c->closed;

		closing_free(c);
		rpc_fail(call, RPC_INTERNAL_ERROR, NULL,
			"a worker does not answer; %" PRIu64 " sessions were closed", closed);
		return;
	}
	if (!taken || c->walked)
		soon.tv_usec = WAIT_US;
	event_add(c->again, &soon);
}

static void closing_again(evutil_socket_t fd, short what, void *user)
{
	(void)fd;
	(void)what;
	closing_on(user);
}

static struct rpc_closing *closing_new(struct rpc_call *call, const struct rpc_context *context)
{
	struct rpc_closing *c = calloc(1, sizeof(*c));

	if (c)
		c->again = evtimer_new(context->server->base, closing_again, c);
	if (!c || !c->again) {
		free(c);
		rpc_fail(call, RPC_INTERNAL_ERROR, NULL, "out of memory");
		return NULL;
	}
	c->call = call;
	c->context = context;
	c->began_us = c->heard_us = rpc_monotonic_us();
	c->ticket = ++context->server->closing_ticket;
	LIST_INSERT_HEAD(&context->server->closings, c, entry);
	return c;
}

static const char *const filters[] = {"service", "pool", "member", "client", "kind", "state"};

static bool has_filter(const json_t *params)
{
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++)
		if (json_object_get(params, filters[i]))
			return true;
	return false;
}

// One session that is asked for by its id.
static void close_one(struct rpc_call *call, struct rpc_closing *c, const char *id)
{
	struct postern_session s;
	unsigned worker;
	uint32_t slot;
	uint32_t generation;

	if (!rpc_session_id_parse(id, &worker, &slot, &generation)) {
		closing_free(c);
		rpc_fail(call, RPC_INVALID_PARAMS, rpc_session_id_mistake(NULL),
			"session.close: wrong parameters");
		return;
	}
	if (postern_session_get(c->context->dp, worker, slot, generation, &s) != 0 ||
		s.state == POSTERN_SESSION_RESET) {
		closing_free(c);
		rpc_fail_not_found(call, "session", id, "one that is still open");
		return;
	}
	c->walked = true;
	if (!found(c, &s)) {
		closing_free(c);
		rpc_fail(call, RPC_BUSY, NULL,
			"its worker has many sessions to close before; try again");
		return;
	}
	rpc_call_on_gone(call, closing_gone, c);
	closing_on(c);
}

static void close_many(struct rpc_call *call, struct rpc_closing *c)
{
	rpc_call_on_gone(call, closing_gone, c);
	closing_on(c);
}

static void session_close(struct rpc_call *call, const json_t *params, void *user)
{
	struct rpc_context *context = user;
	const char *id = rpc_param_string(params, "session");
	int64_t limit = LIMIT_DEFAULT;
	json_t *mistakes = NULL;

	if (!rpc_param_integer(call, params, "limit", 1, LIMIT_MAX, &limit))
		return;
	if (!id == !has_filter(params)) {
		mistakes = rpc_mistake(NULL, "session", 0,
			id ? "an id and what else sessions have in common exclude each other"
			   : "nothing says which sessions",
			"an id as session list shows it, or one or more of service, pool, member, "
			"client, state");
		rpc_fail(call, RPC_INVALID_PARAMS, mistakes, "session.close: wrong parameters");
		return;
	}
	if (!rpc_session_names_exist(call, context, params))
		return;
	struct rpc_closing *c = closing_new(call, context);
	if (!c)
		return;
	c->limit = (uint64_t)limit;
	c->dry = json_is_true(json_object_get(params, "dry-run"));
	mistakes = rpc_session_filter_set(&c->filter, params);
	if (mistakes) {
		closing_free(c);
		rpc_fail(call, RPC_INVALID_PARAMS, mistakes, "session.close: wrong parameters");
		return;
	}
	if (id)
		close_one(call, c, id);
	else
		close_many(call, c);
}

static const struct rpc_param close_params[] = {
	{"session", RPC_STRING, false, true, NULL, "the session's id, like w0.3fa2.17"},
	RPC_SESSION_FILTER_PARAMS,
	{"limit", RPC_INTEGER, false, false, NULL, "most sessions to close; default 1000"},
	{"dry-run", RPC_BOOLEAN, false, false, NULL, "closes nothing, and says how many it would"},
	{0},
};

static const struct rpc_method methods[] = {
	{"session.close", RPC_OPERATE,
		"resets both sides of a session, or of all with something in common", close_params,
		session_close},
};

void rpc_methods_session_close(struct rpc_context *context)
{
	rpc_server_add(context->server, methods, sizeof(methods) / sizeof(methods[0]), context);
}
