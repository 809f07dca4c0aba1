// SPDX-License-Identifier: BSD-2-Clause
// The program: what it holds while it runs, and the steps from a file to a running dataplane.
// Control thread only.

#pragma once

#include "control/alarm/alarm.h"
#include "control/config/config.h"
#include "control/discovery/discovery.h"
#include "control/metrics/metrics.h"
#include "control/partner/partner.h"
#include "control/policy/policy.h"
#include "control/pool/pool.h"
#include "control/rpc/rpc.h"

#include "postern/dataplane.h"

#include <event2/event.h>

#include <stdbool.h>
#include <stddef.h>

struct confirm;
struct discovery_workers;
struct listen_ids;
struct notify;
struct reload;
struct store;

struct daemon {
	const char *program;
	char *file; // absolute path of the configuration
	struct event_base *base;
	struct config *config; // the one that runs
	struct listen_ids *ids;
	struct pool_set *pools;
	struct postern_dataplane *dp;
	const struct postern_snapshot *snapshot; // the newest; the dataplane's
	struct alarm_set *alarms;
	struct metrics_source metrics_source;
	struct metrics_server *metrics; // NULL: off
	struct store *store;
	struct postern_policy *tables; // who may federate, as workers read it
	struct discovery *discovery;   // where partners are
	struct partner_set *partners;
	struct policy *policy;
	struct event *work; // on the tables
	struct discovery_workers *askers;
	struct event *sweep;     // looks which members are remembered for nothing
	struct event *state_try; // whether the state database can be written
	unsigned state_rounds;   // of that
	int stopped_by;          // signal
	struct rpc_server *rpc;
	struct rpc_context context;
	struct reload *reload; // under way; NULL: none
	struct confirm *confirm;
	struct notify *notify; // NULL: no service manager
	struct event *signals[3];
	struct event *tick; // frees old snapshots
};

// startup.c: looks whether this machine can run the configuration: CPUs, permissions, devices.
// Logs each obstacle with what to type and returns how many there are.
unsigned startup_check(const struct config *config);
// Logs what the configuration was warned of.
void startup_warn(const struct config *config);

// startup.c: where lines go that are logged from now on.
void log_place(const struct config *c);

// claim.c: what must be nobody else's. Each function logs what is taken and by whom, with what to
// type, and returns how many there are.

// Devices: kept from every other postern of this network namespace until the process ends.
unsigned claim_devices(const struct config *config);
// Addresses that postern answers on must not sit on an interface of the kernel's, which would answer
// as well, and refuse.
unsigned claim_addresses(const struct config *config);

// ids.c: ids of listening endpoints, stable by service name, address, ports and transport, and of
// outbound rules, by name and translation. NULL when memory is refused.
struct listen_ids *listen_ids_new(void);
void listen_ids_free(struct listen_ids *ids);
// The id of an endpoint, a new one if it has none yet; -ENOSPC when none is free, -ENOMEM.
int listen_ids_get(struct listen_ids *ids, const struct config_service *service,
	const struct config_listen *listen);
// Likewise of an outbound rule for a family; `translation` is NULL where there is none.
int listen_ids_get_outbound(struct listen_ids *ids, const struct config_outbound *rule,
	unsigned family, const struct postern_addr *translation);
// Forgets endpoints that the snapshot does not name and that no session uses any more.
void listen_ids_sweep(struct listen_ids *ids, const struct postern_snapshot *snapshot,
	const struct postern_dataplane *dp);

// snapshot_relay.c: what of a service is relay mode's. False: out of memory.
bool snapshot_relay_fill(struct postern_service *to, const struct config *c,
	const struct config_service *from, const struct pool_set *pools);

// snapshot.c: what the dataplane is told for a configuration, its pools and its organisations. NULL when
// memory or ids have run out.
struct postern_snapshot *snapshot_build(const struct config *config, const struct pool_set *pools,
	const struct policy *policy, struct listen_ids *ids);

// state.c: opens the state database; waits for the disk.
int state_open(struct daemon *d, char *why, size_t size);
// Loads the partners of the organisations that the configuration names; waits for that.
int state_load(struct daemon *d, char *why, size_t size);
// Does what has been asked of it, and closes it.
void state_close(struct daemon *d);
// What an operator has said of a member that the pools are about to know; `user` is the daemon.
enum pool_admin state_admin(void *user, const struct pool_member *member);
int32_t state_weight(void *user, const struct pool_member *member);
// Why the database cannot be written; NULL: it can.
const char *state_trouble(void *daemon);
// After the configuration has changed: whom it names.
void state_sweep(struct daemon *d);
// For the record.
int state_started(struct daemon *d);
void state_stopping(struct daemon *d);
// A reload that nobody asked for over the socket; `user` says where it came from.
void state_reloaded(struct daemon *d, const char *method, const char *user, int status,
	const struct config_errors *errors);

// admission.c: the tables of partners, between other things, and workers' questions. 0, or -ENOMEM.
int admission_start(struct daemon *d);
void admission_stop(struct daemon *d);
// Whether the partners that the configuration asks for can all be found.
bool admission_is_complete(const struct daemon *d);

// dns.c: discovery with the settings of the configuration. 0, or a negative errno.
int dns_new(struct daemon *d);
// What the policy calls, so that whom it lists is followed.
struct policy_follower dns_follower(struct daemon *d);
// Settings of another configuration, which hold from now on.
void dns_use_config(struct daemon *d, const struct config *c);
// For alarms and metrics.
void dns_read(void *daemon, struct discovery_stats *out);

// confirm.c: configurations on trial. 0, or -ENOMEM.
int confirm_new(struct daemon *d);
void confirm_free(struct daemon *d);
bool confirm_is_pending(const struct daemon *d);
// What would come back; NULL: nothing.
struct config *confirm_previous(const struct daemon *d);
// Another configuration has taken the place of this one, which is freed or, if `ms` is not 0, kept.
void confirm_adopted(struct daemon *d, struct config *replaced, uint32_t ms);
// What was kept is in force again instead of this one, which is freed.
void confirm_went_back(struct daemon *d, struct config *refused);
// What runs stays; -ENOENT if nothing waits for that.
int confirm_take(struct daemon *d);
void confirm_show(void *daemon, struct alarm_confirm *out);

// notify.c: what the service manager is told. Once all is up: READY, from then on STATUS, and
// WATCHDOG if it asks for that. 0, or -ENOMEM.
int notify_ready(struct daemon *d);
void notify_reloading(const struct daemon *d);
void notify_reloaded(const struct daemon *d); // or refused
void notify_stopping(struct daemon *d);
// Whether every worker has turned since the last look, whose counts are in `turns` and become those
// of now; if not, `stuck` is the first that has not.
bool notify_workers_turn(const struct postern_dataplane *dp, uint64_t *turns, unsigned *stuck);

// privilege.c: at first, before there are threads: what can be given up at once, and whether the
// user can be become. Negative errno with one line in `why`.
int privilege_begin(const struct config *c, char *why, size_t size);
// When all is open: becomes the user, and filters system calls.
int privilege_drop(const struct config *c, char *why, size_t size);
// Around reading files that root alone may be able to read.
void privilege_read(bool on);

// seccomp.c: refuses from now on what is not on its list, to every thread.
int seccomp_start(char *why, size_t size);

// reload.c: publishes what the pools now are, with the configuration that runs. 0, or a negative errno.
int reload_publish(void *daemon);
// Reads the file again and adopts it; `done` is called once. The configuration that runs
// stays in force if anything is wrong with the new one. With `confirm_ms` above 0 it is on trial for
// so long; while one is, a reload without is -EALREADY.
void reload_start(struct daemon *d, uint32_t confirm_ms,
	void (*done)(void *user, int status, uint64_t epoch, const struct config_errors *errors),
	void *user);
// The same with the configuration that confirm.c keeps; -ENOENT when there is none.
void reload_back(struct daemon *d,
	void (*done)(void *user, int status, uint64_t epoch, const struct config_errors *errors),
	void *user);
// Ends one that is under way, at shutdown.
void reload_cancel(struct daemon *d);
