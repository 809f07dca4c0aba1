// SPDX-License-Identifier: BSD-2-Clause
// postern: arguments, start, the event loop, stop.

#include "control/daemon/daemon.h"
#include "control/store/store.h"

#include "postern/log.h"
#include "postern/policy.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

LOG_SUBSYSTEM("daemon");

#define DEFAULT_FILE "/etc/postern/postern.yaml"

// Snapshots that nobody sees any more wait so long at most.
#define TICK_SECONDS 1

enum {
	EXIT_USAGE = 2
};

static void usage(FILE *to)
{
	fprintf(to,
		"usage: postern [-c FILE] [--check | --reference | --restore BACKUP]\n"
		"\n"
		"  -c, --config FILE  configuration (default %s)\n"
		"  --check            read and check the file, say every mistake in it, and stop\n"
		"  --restore BACKUP   put what posternctl backup wrote in the place of the state\n"
		"                     database, while postern does not run, and stop\n"
		"  --reference        print the reference of all configuration keys, and stop\n"
		"  -V, --version      print the version, and stop\n"
		"  -h, --help         print this, and stop\n"
		"\n"
		"SIGHUP reads the file again; SIGTERM and SIGINT end postern.\n"
		"posternctl talks to it while it runs.\n",
		DEFAULT_FILE);
}

static uint64_t wall_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void on_stop(evutil_socket_t number, short what, void *user)
{
	struct daemon *d = user;

	(void)what;
	d->stopped_by = (int)number;
	LOG(NOTICE, "%s: stopping", number == SIGTERM ? "SIGTERM" : "SIGINT");
	event_base_loopbreak(d->base);
}

static void hangup_done(void *user, int status, uint64_t epoch, const struct config_errors *errors)
{
	// Who sends a signal reads the log, where reload.c has said everything.
	(void)epoch;
	state_reloaded(user, "config.reload", "(SIGHUP)", status, errors);
}

static void on_hangup(evutil_socket_t number, short what, void *user)
{
	(void)number;
	(void)what;
	LOG(NOTICE, "SIGHUP: reading the configuration again");
	reload_start(user, 0, hangup_done, user);
}

static void on_tick(evutil_socket_t fd, short what, void *user)
{
	struct daemon *d = user;

	(void)fd;
	(void)what;
	postern_dataplane_reclaim(d->dp);
}

static const struct config *running_config(void *daemon)
{
	return ((struct daemon *)daemon)->config;
}

static const struct postern_snapshot *running_snapshot(void *daemon)
{
	return ((struct daemon *)daemon)->snapshot;
}

static void rpc_reload(void *daemon, uint32_t confirm_ms,
	void (*done)(void *user, int status, uint64_t epoch, const struct config_errors *errors),
	void *user)
{
	reload_start(daemon, confirm_ms, done, user);
}

static int rpc_confirm(void *daemon)
{
	return confirm_take(daemon);
}

static void rpc_rollback(void *daemon,
	void (*done)(void *user, int status, uint64_t epoch, const struct config_errors *errors),
	void *user)
{
	reload_back(daemon, done, user);
}

static int start_dataplane(struct daemon *d, char *why, size_t size)
{
	const struct config *c = d->config;
	const struct postern_start start = {
		.program = d->program,
		.worker_cpus = c->dataplane.workers.items,
		.n_workers = (unsigned)c->dataplane.workers.count,
		.huge_pages = (enum postern_huge_pages)c->dataplane.huge_pages,
		.memory_mb = c->dataplane.memory_mb,
		.buffers = c->dataplane.buffers,
		.sessions = c->dataplane.sessions,
		.flows = c->dataplane.member_flows,
		.connections = c->dataplane.connections,
		.address_connections = c->dataplane.connections_per_address,
		.address_opening = c->dataplane.opening_per_address,
		.busy_poll = c->dataplane.busy_poll,
		.eal = c->dataplane.eal.items,
		.n_eal = (unsigned)c->dataplane.eal.count,
		.policy = d->tables,
	};
	struct postern_snapshot *s = snapshot_build(c, d->pools, d->policy, d->ids);

	if (s == NULL) {
		snprintf(why, size, "out of memory");
		return -ENOMEM;
	}
	const int rc = postern_dataplane_start(&start, s, &d->dp, why, size);

	if (rc == 0)
		d->snapshot = s;
	return rc;
}

static int start_signals(struct daemon *d)
{
	const struct timeval second = {.tv_sec = TICK_SECONDS};

	signal(SIGPIPE, SIG_IGN);
	d->signals[0] = evsignal_new(d->base, SIGTERM, on_stop, d);
	d->signals[1] = evsignal_new(d->base, SIGINT, on_stop, d);
	d->signals[2] = evsignal_new(d->base, SIGHUP, on_hangup, d);
	d->tick = event_new(d->base, -1, EV_PERSIST, on_tick, d);
	if (d->tick == NULL || event_add(d->tick, &second) < 0)
		return -ENOMEM;
	for (unsigned i = 0; i < 3; i++)
		if (d->signals[i] == NULL || event_add(d->signals[i], NULL) < 0)
			return -ENOMEM;
	return 0;
}

// Listens before the dataplane starts: an address that is taken is told at once, not after seconds.
static int start_metrics(struct daemon *d, char *why, size_t size)
{
	const struct postern_endpoint *at = &d->config->postern.metrics;

	if (at->port == 0)
		return 0;
	return metrics_server_new(d->base, at, &d->metrics_source, &d->metrics, why, size);
}

static int start_alarms(struct daemon *d)
{
	const struct alarm_source source = {
		.pools = d->pools,
		.dp = d->dp,
		.config = running_config,
		.confirm = confirm_show,
		.state_trouble = state_trouble,
		.dns = dns_read,
		.daemon = d,
	};

	d->alarms = alarm_set_new(&source);
	if (d->alarms == NULL)
		return -ENOMEM;
	d->metrics_source = (struct metrics_source){
		.pools = d->pools,
		.alarms = d->alarms,
		.dp = d->dp,
		.started_wall_us = wall_us(),
		.dns = dns_read,
		.daemon = d,
		.config = running_config,
		.snapshot = running_snapshot,
	};
	return alarm_set_start(d->alarms, d->base);
}

// The socket is taken before any port is touched: where another postern answers, a start must be
// refused without disturbing it. Nobody is served before the loop runs.
static int start_socket(struct daemon *d, char *why, size_t size)
{
	struct rpc_roles *roles = NULL;
	int rc = rpc_roles_new(d->config, &roles, why, size);

	if (rc < 0)
		return rc;
	rc = rpc_server_new(d->base, d->config->postern.control_socket,
		d->config->postern.control_group, &d->rpc, why, size);

	if (rc < 0) {
		rpc_roles_free(roles);
		return rc;
	}
	rpc_server_use_store(d->rpc, d->store);
	rpc_server_take_roles(d->rpc, roles);
	return 0;
}

static void start_methods(struct daemon *d)
{
	d->context = (struct rpc_context){
		.server = d->rpc,
		.pools = d->pools,
		.alarms = d->alarms,
		.dp = d->dp,
		.store = d->store,
		.policy = d->policy,
		.discovery = d->discovery,
		.partners = d->partners,
		.started_wall_us = d->metrics_source.started_wall_us,
		.daemon = d,
		.config = running_config,
		.snapshot = running_snapshot,
		.read_files = privilege_read,
		.publish = reload_publish,
		.reload = rpc_reload,
		.confirm = rpc_confirm,
		.rollback = rpc_rollback,
	};
	rpc_methods_add(&d->context);
}

static int start_partners(struct daemon *d, char *why, size_t size)
{
	struct partner_identities *identities;

	snprintf(why, size, "out of memory");
	int rc = partner_set_new(d->base, d->discovery, &d->partners);
	if (rc == 0)
		rc = partner_identities_load(d->config, &identities, why, size);
	if (rc == 0)
		partner_set_use(d->partners, identities);
	return rc;
}

static int start(struct daemon *d, char *why, size_t size)
{
	const struct pool_callbacks callbacks = {
		.admin = state_admin, .weight = state_weight, .user = d};
	int rc;

	rc = privilege_begin(d->config, why, size);
	if (rc < 0)
		return rc;
	snprintf(why, size, "out of memory");
	d->base = event_base_new();
	d->ids = listen_ids_new();
	if (d->base == NULL || d->ids == NULL || confirm_new(d) < 0)
		return -ENOMEM;
	rc = state_open(d, why, size);
	if (rc < 0)
		return rc;
	snprintf(why, size, "out of memory");
	d->pools = pool_set_new(d->base, &callbacks);
	if (d->pools == NULL)
		return -ENOMEM;
	rc = pool_set_apply(d->pools, d->config, why, size);
	if (rc < 0)
		return rc;
	rc = state_load(d, why, size);
	if (rc < 0)
		return rc;
	rc = start_partners(d, why, size);
	if (rc < 0)
		return rc;
	// Before the start, which takes seconds: a SIGHUP meanwhile must not end us.
	rc = start_signals(d);
	if (rc < 0)
		return rc;
	rc = start_socket(d, why, size);
	if (rc < 0)
		return rc;
	rc = start_metrics(d, why, size);
	if (rc < 0)
		return rc;
	rc = start_dataplane(d, why, size);
	if (rc < 0)
		return rc;
	pool_set_attach(d->pools, d->dp);
	snprintf(why, size, "out of memory");
	rc = start_alarms(d);
	if (rc < 0)
		return rc;
	config_forget_lines(d->config);
	start_methods(d);
	rc = admission_start(d);
	if (rc < 0)
		return rc;
	rc = privilege_drop(d->config, why, size);
	return rc < 0 ? rc : state_started(d);
}

static void stop(struct daemon *d)
{
	reload_cancel(d);
	admission_stop(d);
	rpc_server_free(d->rpc);
	// Calls that wait for the disk end here, and speak of pools and dataplane.
	state_close(d);
	metrics_server_free(d->metrics);
	alarm_set_free(d->alarms);
	confirm_free(d);
	for (unsigned i = 0; i < 3; i++)
		if (d->signals[i] != NULL)
			event_free(d->signals[i]);
	if (d->tick != NULL)
		event_free(d->tick);
	partner_set_free(d->partners);
	discovery_free(d->discovery);
	policy_free(d->policy);
	pool_set_free(d->pools);
	postern_dataplane_stop(d->dp);
	postern_policy_free(d->tables);
	listen_ids_free(d->ids);
	config_free(d->config);
	free(d->file);
	if (d->base != NULL)
		event_base_free(d->base);
}

static int run(struct daemon *d)
{
	char why[512];

	startup_warn(d->config);
	const unsigned obstacles = startup_check(d->config);

	if (obstacles > 0)
		snprintf(why, sizeof(why), "%u obstacle%s, named above", obstacles,
			obstacles > 1 ? "s" : "");
	if (obstacles > 0 || start(d, why, sizeof(why)) < 0) {
		LOG(ERROR, "not started: %s", why);
		stop(d);
		return EXIT_FAILURE;
	}
	if (notify_ready(d) < 0)
		LOG(ERROR, "out of memory: the service manager is not told that postern is ready");
	LOG(NOTICE, "ready; control socket %s", d->config->postern.control_socket);
	event_base_dispatch(d->base);
	notify_stopping(d);
	state_stopping(d);
	stop(d);
	LOG(NOTICE, "stopped");
	return EXIT_SUCCESS;
}

static int check_done(const char *file, struct config *c)
{
	const size_t warnings = c->warnings.list.count;

	config_warnings_print(stderr, file, &c->warnings);
	printf("%s: no mistakes; %zu interface%s, %zu pool%s, %zu service%s", file,
		c->interfaces.count, c->interfaces.count == 1 ? "" : "s", c->pools.count,
		c->pools.count == 1 ? "" : "s", c->services.count,
		c->services.count == 1 ? "" : "s");
	if (warnings > 0)
		printf("; %zu warning%s", warnings, warnings == 1 ? "" : "s");
	putchar('\n');
	config_free(c);
	return EXIT_SUCCESS;
}

// Links stay as they are: what they lead to may be another file at the next reload.
static char *absolute(const char *file)
{
	char *here = file[0] == '/' ? NULL : getcwd(NULL, 0);
	char *path = NULL;

	if (file[0] == '/')
		return strdup(file);
	if (here != NULL && asprintf(&path, "%s/%s", here, file) < 0)
		path = NULL;
	free(here);
	return path;
}

static bool take_name(struct config *c, const char *file)
{
	free(c->file);
	c->file = strdup(file);
	return c->file != NULL;
}

// The file and those that it names. What is wrong is printed, all of it.
static bool read_file(const char *file, struct config **out)
{
	struct config_errors errors = {0};
	int rc = config_read(file, out, &errors);

	if (rc == 0) {
		rc = pool_tls_check(*out, &errors, &(*out)->warnings);
		if (rc < 0)
			config_warnings_print(stderr, file, &(*out)->warnings);
	}
	config_errors_print(stderr, file, &errors);
	config_errors_free(&errors);
	return rc == 0;
}

static int restore(struct config *c, const char *backup)
{
	char kept[512] = "", why[512];
	const int rc = store_restore(c->postern.state, backup, kept, why, sizeof(why));

	if (rc < 0)
		fprintf(stderr, "postern: nothing was restored: %s\n", why);
	else
		printf("%s is restored from %s%s%s\n", c->postern.state, backup,
			kept[0] != '\0' ? "; what it was is kept as " : "", kept);
	config_free(c);
	return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, 'k'},
		{"reference", no_argument, NULL, 'r'},
		{"restore", required_argument, NULL, 'b'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	static struct daemon d;
	const char *file = DEFAULT_FILE;
	const char *backup = NULL;
	bool check = false;
	int option;

	while ((option = getopt_long(argc, argv, "c:Vh", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			file = optarg != NULL ? optarg : file;
			break;
		case 'k':
			check = true;
			break;
		case 'b':
			backup = optarg;
			break;
		case 'r':
			config_reference(stdout);
			return EXIT_SUCCESS;
		case 'V':
			printf("postern %s\n", POSTERN_VERSION);
			return EXIT_SUCCESS;
		case 'h':
			usage(stdout);
			return EXIT_SUCCESS;
		default:
			usage(stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "postern: what is \"%s\"? A file is given with -c.\n",
			argv[optind]);
		return EXIT_USAGE;
	}
	if (!read_file(file, &d.config))
		return EXIT_FAILURE;
	if (backup != NULL)
		return restore(d.config, backup);
	if (check)
		return check_done(file, d.config);
	d.program = argv[0];
	// The configuration is replaced at every reload, its path stays.
	d.file = absolute(file);
	if (d.file == NULL || !take_name(d.config, d.file))
		return EXIT_FAILURE;
	log_place(d.config);
	return run(&d);
}
