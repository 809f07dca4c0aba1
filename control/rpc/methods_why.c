// SPDX-License-Identifier: BSD-2-Clause
// why: what the flight recorder knows of an address, a session or a service. Records of all workers
// are gone through, then the sessions that are open, a part of both in each turn of the event loop.

#include "control/config/config.h"
#include "control/rpc/internal.h"
#include "control/rpc/session.h"
#include "control/rpc/why.h"

#include "postern/dataplane.h"
#include "postern/record.h"
#include "postern/snapshot.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT_ONCE     256u // records or sessions looked at between two looks at the clock
#define TURN_US     500u // half of what the control thread may spend on anything
#define FINDINGS    256u // of which the latest are shown
#define LIMIT       20
#define SINCE_MAX_S (100ll * 365 * 86400)

enum about {
	ABOUT_ADDRESS,
	ABOUT_SESSION,
	ABOUT_SERVICE,
};

// Records that are told as one.
struct finding {
	struct postern_recorded r; // the latest of them; counts and times are of all
	bool several;              // sources
};

struct why {
	struct rpc_call *call;
	struct rpc_context *context;
	struct event *again;
	enum about about;
	char *name;     // what was asked
	uint64_t since; // ms
	uint64_t wall_us;
	uint64_t cursor;
	bool records_done;
	// ABOUT_ADDRESS, and of a session that is open, its client
	struct rpc_session_filter filter;
	// ABOUT_SESSION
	unsigned worker;
	uint32_t slot;
	uint32_t generation;
	bool open;
	struct postern_session session;
	// found
	uint64_t events;
	uint64_t sessions;
	uint64_t established;
	size_t limit;
	size_t n;
	bool more;
	struct finding findings[FINDINGS];
};

static bool is_session(const struct why *w, const struct postern_record *r)
{
	return r->generation == w->generation && r->slot == w->slot && r->worker == w->worker;
}

static bool is_address(const struct why *w, const struct postern_record *r)
{
	const struct postern_prefix from = {r->from,
		(uint8_t)(postern_addr_is_v4(&r->from) ? r->from_bits - 96 : r->from_bits)};

	// A network's record may be about the address, too.
	return postern_prefix_contains(&w->filter.client, &r->from) ||
	       (r->from_bits < 128 && postern_prefix_contains(&from, &w->filter.client.addr));
}

static bool is_service(const struct why *w, const struct postern_record *r)
{
	const struct postern_snapshot *s = w->context->snapshot(w->context->daemon);
	const char *name = rpc_session_service(s, rpc_session_listen(s, r->listen));

	return name && strcmp(name, w->name) == 0;
}

static bool concerns(const struct why *w, const struct postern_recorded *r)
{
	if (r->last_ms > w->since)
		return false;
	switch (w->about) {
	case ABOUT_ADDRESS:
		return is_address(w, &r->last);
	case ABOUT_SESSION:
		return is_session(w, &r->last);
	default:
		return is_service(w, &r->last);
	}
}

// Of a service its reasons are told, of an address who it was as well.
static bool is_same(
	const struct why *w, const struct postern_record *a, const struct postern_record *b)
{
	if (a->reason != b->reason)
		return false;
	if (w->about == ABOUT_SERVICE)
		return true;
	return a->listen == b->listen && a->from_bits == b->from_bits &&
	       postern_addr_equal(&a->from, &b->from);
}

static void add(struct why *w, const struct postern_recorded *r)
{
	struct finding *f = w->findings;

	w->events += r->count;
	while (f < w->findings + w->n && !is_same(w, &f->r.last, &r->last))
		f++;
	if (f == w->findings + w->n) {
		if (w->n == FINDINGS) {
			w->more = true;
			return;
		}
		w->n++;
		*f = (struct finding){*r, r->last.from_bits < 128};
		return;
	}
	f->several |= !postern_addr_equal(&f->r.last.from, &r->last.from);
	f->r.count += r->count;
	if (r->first_ms > f->r.first_ms)
		f->r.first_ms = r->first_ms;
	if (r->last_ms < f->r.last_ms) {
		f->r.last_ms = r->last_ms;
		f->r.last = r->last;
	}
}

static int latest_first(const void *a, const void *b)
{
	const struct finding *one = a;
	const struct finding *two = b;

	return (one->r.last_ms > two->r.last_ms) - (one->r.last_ms < two->r.last_ms);
}

static json_t *session_id(const struct postern_record *r)
{
	if (r->generation == 0)
		return json_null();
	return rpc_textf("w%u.%" PRIx32 ".%" PRIx32, r->worker, r->slot, r->generation);
}

static json_t *finding_object(const struct why *w, const struct finding *f)
{
	const struct postern_snapshot *s = w->context->snapshot(w->context->daemon);
	const struct postern_record *r = &f->r.last;
	const char *service = rpc_session_service(s, rpc_session_listen(s, r->listen));
	const struct postern_endpoint to = {r->to, r->to_port};
	char from[RPC_WHY_FROM];

	rpc_why_from(r, from);
	return json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o}",
		"what", rpc_why_what(w->context, r), "reason",
		r->reason < POSTERN_COUNTER_COUNT
			? postern_counter_name((enum postern_counter)r->reason)
			: "?",
		"count", rpc_uint(f->r.count), "first", rpc_time(w->wall_us - f->r.first_ms * 1000),
		"last", rpc_time(w->wall_us - f->r.last_ms * 1000), "last-ms",
		rpc_uint(f->r.last_ms), "several-sources", json_boolean(f->several), "next",
		rpc_why_next(w->context, r), "step", rpc_why_step(r), "from", rpc_text(from), "to",
		rpc_endpoint(&to), "service", service ? rpc_text(service) : json_null(), "session",
		session_id(r));
}

// What is said when no record is about it.
static json_t *nothing(const struct why *w)
{
	if (w->about == ABOUT_SESSION && w->open)
		return rpc_textf("nothing went wrong with it: it is %s",
			postern_session_state_name(w->session.state));
	if (w->about == ABOUT_SESSION)
		return rpc_textf(
			"nothing is known of it: it ended as its two sides wished, or long ago");
	if (w->about == ABOUT_ADDRESS && w->sessions == 0)
		return rpc_textf("nothing was refused, dropped or closed, and it has no session: "
				 "does what it sends arrive here?");
	return rpc_textf("nothing was refused, dropped or closed");
}

static json_t *answer_text(const struct why *w)
{
	if (w->n == 0)
		return nothing(w);
	if (w->about == ABOUT_ADDRESS && w->established > 0)
		return rpc_textf("refused, dropped or closed %" PRIu64
				 " time%s; others came about: %" PRIu64 " established now",
			w->events, w->events == 1 ? "" : "s", w->established);
	return rpc_textf("refused, dropped or closed %" PRIu64 " time%s", w->events,
		w->events == 1 ? "" : "s");
}

static const char *next_text(const struct why *w)
{
	if (w->n == 0 && w->about == ABOUT_ADDRESS && w->sessions == 0)
		return "posternctl interface list: do packets come in? posternctl stats: are any "
		       "dropped?";
	return NULL;
}

static void why_free(struct why *w)
{
	event_free(w->again);
	rpc_session_filter_clear(&w->filter);
	free(w->name);
	free(w);
}

static void why_gone(void *user)
{
	struct why *w = user;
	struct rpc_call *call = w->call;

	why_free(w);
	rpc_fail(call, RPC_INTERNAL_ERROR, NULL, "the client has gone");
}

static uint64_t lost(const struct why *w)
{
	uint64_t counters[POSTERN_COUNTER_COUNT];

	postern_counters_read(w->context->dp, counters);
	return counters[POSTERN_COUNTER_RECORD_LOST];
}

static void why_end(struct why *w)
{
	struct rpc_call *call = w->call;
	const size_t shown = w->n < w->limit ? w->n : w->limit;
	const char *next = next_text(w);
	json_t *findings = json_array();

	qsort(w->findings, w->n, sizeof(w->findings[0]), latest_first);
	for (size_t i = 0; i < shown; i++)
		json_array_append_new(findings, finding_object(w, &w->findings[i]));
	json_t *result = json_pack("{s:o, s:o, s:o, s:b, s:o, s:o}", "about", rpc_text(w->name),
		"answer", answer_text(w), "findings", findings, "more", w->more || shown < w->n,
		"sessions", w->about == ABOUT_ADDRESS ? rpc_uint(w->sessions) : json_null(),
		"unrecorded", rpc_uint(lost(w)));
	if (next && result)
		json_object_set_new(result, "next", json_string(next));
	why_free(w);
	rpc_reply(call, result);
}

// True when there is nothing more to look at.
static bool look_at_records(struct why *w)
{
	struct postern_recorded r;
	const int got = postern_record_next(w->context->dp, &w->cursor, AT_ONCE, &r);

	if (got == 1 && concerns(w, &r))
		add(w, &r);
	return got != 1 && got != -EAGAIN;
}

static bool look_at_sessions(struct why *w)
{
	struct postern_session s;

	if (w->about != ABOUT_ADDRESS)
		return true;
	const int got = postern_session_next(w->context->dp, &w->cursor, AT_ONCE, &s);

	if (got == 1 && rpc_session_matches(w->context, &w->filter, &s)) {
		w->sessions++;
		w->established += s.state == POSTERN_SESSION_ESTABLISHED;
	}
	return got != 1 && got != -EAGAIN;
}

static void why_on(struct why *w)
{
	const uint64_t until = rpc_monotonic_us() + TURN_US;
	const struct timeval now = {0};

	do {
		if (!w->records_done && look_at_records(w)) {
			w->records_done = true;
			w->cursor = 0;
		} else if (w->records_done && look_at_sessions(w)) {
			why_end(w);
			return;
		}
	} while (rpc_monotonic_us() < until);
	event_add(w->again, &now);
}

static void why_again(evutil_socket_t fd, short what, void *user)
{
	(void)fd;
	(void)what;
	why_on(user);
}

// Takes an address, a network or an address with a port.
static bool take_address(struct why *w, const char *text)
{
	json_t *params = json_pack("{s:o}", "client", rpc_text(text));
	json_t *mistakes = params ? rpc_session_filter_set(&w->filter, params) : NULL;
	const bool right = params && !mistakes;

	json_decref(params);
	json_decref(mistakes);
	w->about = ABOUT_ADDRESS;
	return right;
}

static bool take_session(struct why *w, const char *text)
{
	if (!rpc_session_id_parse(text, &w->worker, &w->slot, &w->generation))
		return false;
	w->about = ABOUT_SESSION;
	w->open = postern_session_get(
			  w->context->dp, w->worker, w->slot, w->generation, &w->session) == 0;
	return true;
}

static bool take_service(struct why *w, const char *text, struct rpc_names *names)
{
	const struct config *config = w->context->config(w->context->daemon);
	bool found = false;

	for (size_t i = 0; i < config->services.count; i++) {
		rpc_names_add(names, config->services.items[i].name);
		found |= strcmp(config->services.items[i].name, text) == 0;
	}
	w->about = ABOUT_SERVICE;
	return found;
}

static void fail_unknown(struct rpc_call *call, const char *name, const struct rpc_names *services)
{
	char expected[400];

	snprintf(expected, sizeof(expected),
		"an address, ADDRESS/BITS, a session's id, or of services %s",
		rpc_names_text(services, "none is configured"));
	rpc_fail_not_found(call, "about", name, expected);
}

static struct why *why_new(struct rpc_call *call, struct rpc_context *context, const char *name)
{
	struct why *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->call = call;
	w->context = context;
	w->wall_us = rpc_wall_us();
	w->name = strdup(name);
	w->again = evtimer_new(context->server->base, why_again, w);
	if (w->name && w->again)
		return w;
	if (w->again)
		event_free(w->again);
	free(w->name);
	free(w);
	return NULL;
}

static void why_show(struct rpc_call *call, const json_t *params, void *user)
{
	const char *about = rpc_param_string(params, "about");
	struct rpc_names names = {0};
	int64_t limit = LIMIT;
	int64_t since = SINCE_MAX_S * 1000;

	if (!rpc_param_integer(call, params, "limit", 1, FINDINGS, &limit) ||
		!rpc_param_integer(call, params, "since", 1, SINCE_MAX_S * 1000, &since))
		return;
	struct why *w = why_new(call, user, about);
	if (!w) {
		rpc_fail(call, RPC_INTERNAL_ERROR, NULL, "out of memory");
		return;
	}
	w->limit = (size_t)limit;
	w->since = (uint64_t)since;
	if (!take_service(w, about, &names) && !take_session(w, about) && !take_address(w, about)) {
		why_free(w);
		fail_unknown(call, about, &names);
		return;
	}
	rpc_call_on_gone(call, why_gone, w);
	why_on(w);
}

static const struct rpc_param show_params[] = {
	{"about", RPC_STRING, true, true, NULL,
		"an ADDRESS or ADDRESS/BITS, a session's id like w0.3fa2.17, or a service"},
	{"since", RPC_DURATION, false, false, NULL, "what happened within this time only"},
	{"limit", RPC_INTEGER, false, false, NULL, "most findings, 1 to 256; default 20"},
	{0},
};

static const struct rpc_method methods[] = {
	{"why.show", RPC_VIEW,
		"why somebody does not get through: what was refused, dropped or closed",
		show_params, why_show},
};

void rpc_methods_why(struct rpc_context *context)
{
	rpc_server_add(context->server, methods, sizeof(methods) / sizeof(methods[0]), context);
}
