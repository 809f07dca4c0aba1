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

// Loading partners is waited for this long, some two seconds; then the answer says that it goes on.
#define LOADING_LOOKS 2000

struct reload {
	struct daemon *daemon;
	struct event *timer;
	uint64_t epoch;
	uint32_t confirm_ms; // 0: not on trial
	unsigned looks;
	void (*done)(void *user, int status, uint64_t epoch, const struct config_errors *errors);
	void *user;
};

static void errors_log(const char *file, const struct config_errors *errors)
{
	for (size_t i = 0; i < errors->list.count; i++) {
		char *text = config_error_text(file, &errors->list.items[i]);

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
	notify_reloaded(r->daemon);
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
	// Partners of an organisation that has come are asked for at once; a million take a few seconds.
	const bool loading = !admission_is_complete(d) && r->looks < LOADING_LOOKS;

	r->looks++;
	if (postern_dataplane_adopted(d->dp) < r->epoch || loading) {
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
	struct postern_snapshot *s = snapshot_build(c, d->pools, d->policy, d->ids);

	if (s == NULL)
		return -ENOMEM;
	const int64_t published = postern_dataplane_publish(d->dp, s);

	if (published < 0)
		return (int)published;
	d->snapshot = s;
	*epoch = (uint64_t)published;
	return 0;
}

int reload_publish(void *daemon)
{
	struct daemon *d = daemon;
	uint64_t epoch;

	return publish(d, d->config, &epoch);
}

// From a good configuration to a published snapshot. On success the caller has the old configuration
// to free; on failure it is in force as before, the pools included.
static int adopt(struct daemon *d, struct config *next, char *why, size_t size, uint64_t *epoch)
{
	struct rpc_roles *roles = NULL;
	struct partner_identities *identities = NULL;
	char again[256], partners[POLICY_WHY];

	listen_ids_sweep(d->ids, d->snapshot, d->dp);
	int rc = rpc_roles_new(next, &roles, why, size);

	if (rc == 0)
		rc = partner_identities_load(next, &identities, why, size);
	if (rc == 0)
		rc = pool_set_apply(d->pools, next, why, size);
	if (rc < 0) {
		partner_identities_free(identities);
		rpc_roles_free(roles);
		return rc;
	}
	// Organisations get their ids now, which services are published with; their partners are loaded
	// while workers already ask.
	if (policy_use_config(d->policy, next, false, partners) < 0)
		LOG(ERROR, "organisations are as before: %s; reload again", partners);
	rc = publish(d, next, epoch);
	if (rc < 0) {
		partner_identities_free(identities);
		rpc_roles_free(roles);
		snprintf(why, size, "no memory or ids for it");
		if (pool_set_apply(d->pools, d->config, again, sizeof(again)) < 0)
			LOG(ERROR, "and the pools could not be set back: %s", again);
		if (policy_use_config(d->policy, d->config, false, partners) < 0)
			LOG(ERROR, "and the organisations could not be set back: %s", partners);
		return rc;
	}
	d->config = next;
	dns_use_config(d, next);
	startup_warn(next);
	config_forget_lines(next);
	alarm_set_refused(d->alarms, 0, false);
	rpc_server_take_roles(d->rpc, roles);
	partner_set_use(d->partners, identities);
	state_sweep(d);
	log_place(next);
	return 0;
}

static int read_next(struct daemon *d, struct config **next, struct config_errors *errors)
{
	int rc = config_read(d->file, next, errors);

	if (rc < 0)
		return rc;
	rc = pool_tls_check(*next, errors, &(*next)->warnings);
	if (rc == 0 && config_needs_restart(d->config, *next, errors) > 0)
		rc = -ENOTSUP;
	if (rc == 0)
		return 0;
	startup_warn(*next);
	config_free(*next);
	*next = NULL;
	return rc;
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
	errors_log(r->daemon->file, errors);
	r->done(r->user, status, 0, errors);
	reload_free(r);
}

// Refuses with one reason.
static void refuse_for(struct reload *r, int status, char *why, char *expected)
{
	struct config_errors one = {0};
	struct config_error room;

	one_error(&one, &room, why, expected);
	refuse(r, status, &one);
}

static void run_file(struct reload *r)
{
	struct daemon *d = r->daemon;
	struct config *replaced = d->config;
	struct config_errors errors = {0};
	struct config *next = NULL;
	char why[256] = "out of memory";
	privilege_read(true);
	int rc = read_next(d, &next, &errors);
	privilege_read(false);

	if (rc < 0) {
		alarm_set_refused(d->alarms, errors.list.count, rc == -ENOTSUP);
		refuse(r, rc, &errors);
		config_errors_free(&errors);
		return;
	}
	config_errors_free(&errors);
	privilege_read(true);
	rc = adopt(d, next, why, sizeof(why), &r->epoch);
	privilege_read(false);
	if (rc < 0) {
		config_free(next);
		alarm_set_refused(d->alarms, 1, false);
		refuse_for(r, rc, why, "files and values that can be loaded");
		return;
	}
	confirm_adopted(d, replaced, r->confirm_ms);
	look(-1, 0, r);
}

static void run_back(struct reload *r)
{
	struct daemon *d = r->daemon;
	struct config *refused = d->config;
	char why[256] = "out of memory";
	privilege_read(true);
	const int rc = adopt(d, confirm_previous(d), why, sizeof(why), &r->epoch);
	privilege_read(false);

	if (rc < 0) {
		refuse_for(r, rc, why, "files that can be loaded as when it ran");
		return;
	}
	confirm_went_back(d, refused);
	look(-1, 0, r);
}

static struct reload *reload_new(struct daemon *d,
	void (*done)(void *user, int status, uint64_t epoch, const struct config_errors *errors),
	void *user)
{
	struct reload *r = calloc(1, sizeof(*r));

	if (r != NULL)
		r->timer = evtimer_new(d->base, look, r);
	if (r == NULL || r->timer == NULL) {
		free(r);
		return NULL;
	}
	r->daemon = d;
	r->done = done;
	r->user = user;
	d->reload = r;
	notify_reloading(d);
	return r;
}

// Whether a reload may begin; otherwise `done` has been told why not.
static struct reload *begin(struct daemon *d, int obstacle, char *what, char *expected,
	void (*done)(void *user, int status, uint64_t epoch, const struct config_errors *errors),
	void *user)
{
	struct config_errors errors = {0};
	struct config_error room;
	struct reload *r = NULL;

	if (d->reload != NULL) {
		obstacle = -EBUSY;
		what = "another reload is under way";
		expected = "try again in a moment";
	} else if (obstacle == 0) {
		r = reload_new(d, done, user);
		if (r != NULL)
			return r;
		obstacle = -ENOMEM;
		what = "out of memory";
		expected = "try again in a moment";
	}
	LOG(ERROR, "not reloaded: %s; %s", what, expected);
	one_error(&errors, &room, what, expected);
	done(user, obstacle, 0, &errors);
	return NULL;
}

void reload_start(struct daemon *d, uint32_t confirm_ms,
	void (*done)(void *user, int status, uint64_t epoch, const struct config_errors *errors),
	void *user)
{
	const bool on_trial = confirm_ms == 0 && confirm_is_pending(d);
	struct reload *r = begin(d, on_trial ? -EALREADY : 0,
		"the configuration that runs waits to be confirmed",
		"posternctl config confirm or config rollback first, or reload --confirm again",
		done, user);

	if (r == NULL)
		return;
	r->confirm_ms = confirm_ms;
	run_file(r);
}

void reload_back(struct daemon *d,
	void (*done)(void *user, int status, uint64_t epoch, const struct config_errors *errors),
	void *user)
{
	struct reload *r = begin(d, confirm_is_pending(d) ? 0 : -ENOENT,
		"no configuration waits to be confirmed", "config reload --confirm 5m before it",
		done, user);

	if (r != NULL)
		run_back(r);
}
