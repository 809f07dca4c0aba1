// SPDX-License-Identifier: BSD-2-Clause
// The state database as the program uses it: what was set of members comes back, and what happens
// to postern itself is on record.

#include "control/daemon/daemon.h"
#include "control/store/store.h"

#include "postern/log.h"
#include "postern/policy.h"

#include <jansson.h>

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

LOG_SUBSYSTEM("state");

#define SWEEP_SECONDS (24 * 3600)

// Whether the database can be written is tried once a minute, and while it cannot, six times.
#define TRY_SECONDS 10
#define TRY_ROUNDS  6u

// Names in the tables: a million partners, and as many again of what DNS and discovery add.
#define DOMAINS_MAX (1u << 21)

// The CPUs that we may use and no worker has. If none is left it is the kernel that shares them.
static bool other_cpus(const struct config *c, cpu_set_t *out)
{
	if (sched_getaffinity(0, sizeof(*out), out) != 0)
		return false;
	for (size_t i = 0; i < c->dataplane.workers.count; i++)
		if (c->dataplane.workers.items[i] < CPU_SETSIZE)
			CPU_CLR(c->dataplane.workers.items[i], out);
	return CPU_COUNT(out) > 0;
}

static uint64_t wall_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

int state_open(struct daemon *d, char *why, size_t size)
{
	cpu_set_t cpus;
	const struct store_options options = {
		.path = d->config->postern.state,
		.base = d->base,
		.cpus = other_cpus(d->config, &cpus) ? &cpus : NULL,
	};

	return store_open(&options, &d->store, why, size);
}

int state_load(struct daemon *d, char *why, size_t size)
{
	const struct postern_policy_limits limits = {.domains = DOMAINS_MAX};
	struct policy_options options = {.store = d->store};
	char text[POLICY_WHY] = "out of memory";
	int rc = postern_policy_new(&limits, &d->tables);

	options.tables = d->tables;
	if (rc == 0)
		rc = dns_new(d);
	if (rc == 0)
		options.follower = dns_follower(d);
	if (rc == 0)
		rc = policy_new(&options, &d->policy);
	if (rc == 0)
		rc = policy_use_config(d->policy, d->config, true, text);
	if (rc < 0)
		snprintf(why, size, "%s", text);
	return rc;
}

enum pool_admin state_admin(void *user, const struct pool_member *member)
{
	const struct daemon *d = user;
	const struct store_member *known =
		store_member_find(d->store, member->pool->name, member->name, &member->at);
	const int admin = known != NULL ? pool_admin_parse(known->state) : POOL_ADMIN_READY;

	if (admin < 0 || admin == POOL_ADMIN_READY)
		return POOL_ADMIN_READY;
	LOG(NOTICE, "pool %s: member %s is set to %s, as an operator left it", member->pool->name,
		member->name, known->state);
	return (enum pool_admin)admin;
}

int32_t state_weight(void *user, const struct pool_member *member)
{
	const struct daemon *d = user;
	const struct store_member *known =
		store_member_find(d->store, member->pool->name, member->name, &member->at);

	if (known == NULL || known->weight < 0)
		return POOL_WEIGHT_FILE;
	LOG(NOTICE, "pool %s: member %s weighs %d, as an operator left it", member->pool->name,
		member->name, known->weight);
	return known->weight;
}

static bool is_configured(void *user, const struct store_member *member)
{
	const struct daemon *d = user;
	const struct pool *pool = pool_set_find(d->pools, member->pool);
	const struct pool_member *m = pool != NULL ? pool_member_find(pool, member->name) : NULL;

	return m != NULL && postern_endpoint_equal(&m->at, &member->at);
}

void state_sweep(struct daemon *d)
{
	store_members_sweep(d->store, wall_us(), is_configured, d);
}

const char *state_trouble(void *daemon)
{
	const struct daemon *d = daemon;

	return store_trouble(d->store);
}

static void on_try(evutil_socket_t fd, short what, void *user)
{
	struct daemon *d = user;

	(void)fd;
	(void)what;
	if (++d->state_rounds % TRY_ROUNDS == 0 || store_trouble(d->store) != NULL)
		store_try(d->store);
}

static void on_sweep(evutil_socket_t fd, short what, void *user)
{
	(void)fd;
	(void)what;
	state_sweep(user);
}

static void record(
	struct daemon *d, const char *method, const char *user, json_t *params, const char *result)
{
	char *text = params != NULL ? json_dumps(params, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
	const struct store_audit what = {
		.uid = user != NULL ? -1 : (int64_t)geteuid(),
		.pid = user != NULL ? 0 : getpid(),
		.user = user,
		.method = method,
		.params = text,
		.result = result,
	};
	const int rc = store_audit_add(d->store, &what, NULL, NULL);

	if (rc < 0)
		LOG(ERROR, "%s is not in the audit: %s", method, strerror(-rc));
	free(text);
	json_decref(params);
}

int state_started(struct daemon *d)
{
	const struct timeval day = {.tv_sec = SWEEP_SECONDS};
	const struct timeval soon = {.tv_sec = TRY_SECONDS};

	d->sweep = event_new(d->base, -1, EV_PERSIST, on_sweep, d);
	d->state_try = event_new(d->base, -1, EV_PERSIST, on_try, d);
	if (d->sweep == NULL || event_add(d->sweep, &day) < 0 || d->state_try == NULL ||
		event_add(d->state_try, &soon) < 0)
		return -ENOMEM;
	state_sweep(d);
	record(d, "postern.start", NULL,
		json_pack("{s:s, s:s}", "version", POSTERN_VERSION, "file", d->file), "ok");
	return 0;
}

void state_stopping(struct daemon *d)
{
	record(d, "postern.stop", NULL,
		json_pack("{s:s}", "signal", d->stopped_by == SIGTERM ? "SIGTERM" : "SIGINT"),
		"ok");
}

void state_reloaded(struct daemon *d, const char *method, const char *user, int status,
	const struct config_errors *errors)
{
	const char *result = "ok";

	if (status < 0)
		result = errors != NULL && errors->list.count > 0 ? errors->list.items[0].what
								  : strerror(-status);
	// Who sends a signal is not told to us.
	record(d, method, user, NULL, result);
}

void state_close(struct daemon *d)
{
	if (d->sweep != NULL)
		event_free(d->sweep);
	if (d->state_try != NULL)
		event_free(d->state_try);
	store_close(d->store);
	d->sweep = NULL;
	d->state_try = NULL;
	d->store = NULL;
}
