// SPDX-License-Identifier: BSD-2-Clause
// Reload: the file is read and checked aside, what needs a restart is refused, and only then does
// anything change. The answer comes when every worker works by the new snapshot.

#include "control/daemon/daemon.h"

#include "postern/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

LOG_SUBSYSTEM("reload");

// Workers adopt within milliseconds; this often it is looked whether they have.
#define LOOK_INTERVAL_US 1000

struct reload {
	struct daemon *daemon;
	struct event *timer;
	uint64_t epoch;
	void (*done)(void *user, int status, uint64_t epoch, const struct config_errors *errors);
	void *user;
};

static void errors_log(
	enum postern_log_level level, const char *file, const struct config_errors *errors)
{
	for (size_t i = 0; i < errors->list.count; i++) {
		char *text = config_error_text(file, &errors->list.items[i]);

		if (level == POSTERN_LOG_WARNING)
			LOG(WARNING, "%s", text != NULL ? text : "out of memory");
		else
			LOG(ERROR, "%s", text != NULL ? text : "out of memory");
		free(text);
	}
}

static void one_error(
	struct config_errors *errors, struct config_error *room, char *what, char *expected)
{
	*room = (struct config_error){.field = "", .what = what, .expected = expected};
	errors->list.items = room;
	errors->list.count = 1;
}

static void answer(struct reload *r, int status)
{
	struct config_errors none = {0};
	struct config_error room;

	if (status < 0)
		one_error(&none, &room, "postern stopped before every worker had adopted it",
			"the new configuration from the next start on");
	r->done(r->user, status, r->epoch, &none);
}

static void reload_free(struct reload *r)
{
	r->daemon->reload = NULL;
	event_free(r->timer);
	free(r);
}

static void look(evutil_socket_t fd, short what, void *user)
{
	const struct timeval again = {.tv_usec = LOOK_INTERVAL_US};
	struct reload *r = user;
	struct daemon *d = r->daemon;

	(void)fd;
	(void)what;
	if (postern_dataplane_adopted(d->dp) < r->epoch) {
		event_add(r->timer, &again);
		return;
	}
	postern_dataplane_reclaim(d->dp);
	LOG(NOTICE, "configuration %s is in force as epoch %llu", d->file,
		(unsigned long long)r->epoch);
	answer(r, 0);
	reload_free(r);
}

void reload_cancel(struct daemon *d)
{
	if (d->reload == NULL)
		return;
	answer(d->reload, -ECANCELED);
	reload_free(d->reload);
}

// Builds and publishes what the pools now are. 0, or a negative errno with nothing changed.
static int publish(struct daemon *d, const struct config *c, uint64_t *epoch)
{
	struct postern_snapshot *s = snapshot_build(c, d->pools, d->ids);

	if (s == NULL)
		return -ENOMEM;
	const int64_t published = postern_dataplane_publish(d->dp, s);

	if (published < 0)
		return (int)published;
	d->snapshot = s;
	*epoch = (uint64_t)published;
	return 0;
}

// From a good configuration to a published snapshot. On success the old configuration is freed; on
// failure it is in force as before, the pools included.
static int adopt(struct daemon *d, struct config *next, char *why, size_t size, uint64_t *epoch)
{
	struct rpc_roles *roles = NULL;
	char again[256];

	listen_ids_sweep(d->ids, d->snapshot, d->dp);
	int rc = rpc_roles_new(next, &roles, why, size);

	if (rc < 0)
		return rc;
	rc = pool_set_apply(d->pools, next, why, size);
	if (rc < 0) {
		rpc_roles_free(roles);
		return rc;
	}
	rc = publish(d, next, epoch);
	if (rc < 0) {
		rpc_roles_free(roles);
		snprintf(why, size, "no memory or ids for it");
		if (pool_set_apply(d->pools, d->config, again, sizeof(again)) < 0)
			LOG(ERROR, "and the pools could not be set back: %s", again);
		return rc;
	}
	config_free(d->config);
	d->config = next;
	config_forget_lines(next);
	alarm_set_refused(d->alarms, 0, false);
	rpc_server_take_roles(d->rpc, roles);
	state_sweep(d);
	postern_log_set_level((enum postern_log_level)next->postern.log_level);
	return 0;
}

static int read_next(struct daemon *d, struct config **next, struct config_errors *errors)
{
	struct config_errors warnings = {0};
	int rc = config_read(d->file, next, errors);

	if (rc < 0)
		return rc;
	rc = pool_tls_check(*next, errors, &warnings);
	errors_log(POSTERN_LOG_WARNING, d->file, &warnings);
	config_errors_free(&warnings);
	if (rc < 0) {
		config_free(*next);
		return rc;
	}
	if (config_needs_restart(d->config, *next, errors) == 0)
		return 0;
	config_free(*next);
	return -ENOTSUP;
}

static void refuse(struct reload *r, int status, const struct config_errors *errors)
{
	if (status == -ENOTSUP)
		LOG(ERROR,
			"configuration %s was not adopted: %zu change%s a restart; nothing was "
			"changed",
			r->daemon->file, errors->list.count,
			errors->list.count == 1 ? " needs" : "s need");
	else
		LOG(ERROR, "configuration %s was not adopted; the one before stays in force",
			r->daemon->file);
	errors_log(POSTERN_LOG_ERROR, r->daemon->file, errors);
	alarm_set_refused(r->daemon->alarms, errors->list.count, status == -ENOTSUP);
	r->done(r->user, status, 0, errors);
	reload_free(r);
}

static void reload_run(struct reload *r)
{
	struct daemon *d = r->daemon;
	struct config_errors errors = {0};
	struct config *next = NULL;
	char why[256] = "out of memory";
	int rc = read_next(d, &next, &errors);

	if (rc < 0) {
		refuse(r, rc, &errors);
		config_errors_free(&errors);
		return;
	}
	config_errors_free(&errors);
	rc = adopt(d, next, why, sizeof(why), &r->epoch);
	if (rc < 0) {
		struct config_errors one = {0};
		struct config_error room;

		config_free(next);
		one_error(&one, &room, why, "files and values that can be loaded");
		refuse(r, rc, &one);
		return;
	}
	look(-1, 0, r);
}

void reload_start(struct daemon *d,
	void (*done)(void *user, int status, uint64_t epoch, const struct config_errors *errors),
	void *user)
{
	struct config_errors errors = {0};
	struct config_error room;
	struct reload *r;

	if (d->reload != NULL) {
		one_error(&errors, &room, "another reload is under way", "try again in a moment");
		done(user, -EBUSY, 0, &errors);
		return;
	}
	r = calloc(1, sizeof(*r));
	if (r != NULL)
		r->timer = evtimer_new(d->base, look, r);
	if (r == NULL || r->timer == NULL) {
		free(r);
		one_error(&errors, &room, "out of memory", "try again in a moment");
		done(user, -ENOMEM, 0, &errors);
		return;
	}
	r->daemon = d;
	r->done = done;
	r->user = user;
	d->reload = r;
	reload_run(r);
}
