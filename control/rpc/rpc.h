// SPDX-License-Identifier: BSD-2-Clause
// The control socket: JSON-RPC 2.0, one JSON text a line, over a Unix stream socket. Control
// thread only.

#pragma once

#include <jansson.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct alarm_set;
struct config;
struct config_errors;
struct discovery;
struct event_base;
struct partner_set;
struct policy;
struct pool_set;
struct postern_dataplane;
struct postern_snapshot;
struct rpc_server;
struct rpc_call;
struct rpc_roles;
struct store;

// Codes of JSON-RPC 2.0 section 5.1, and our own from -32000 downwards.
enum {
	RPC_PARSE_ERROR = -32700,
	RPC_INVALID_REQUEST = -32600,
	RPC_METHOD_NOT_FOUND = -32601,
	RPC_INVALID_PARAMS = -32602,
	RPC_INTERNAL_ERROR = -32603,
	RPC_NOT_FOUND = -32001, // the named object does not exist
	RPC_REFUSED = -32002,   // the request is well-formed but cannot be done; data says why
	RPC_BUSY = -32003,      // something that excludes it is under way; try again
	RPC_FORBIDDEN = -32004, // who asks has not the role that the method needs
};

enum rpc_param_type {
	RPC_STRING,
	RPC_INTEGER,
	RPC_BOOLEAN,
	RPC_DURATION, // an integer of milliseconds; posternctl takes "5m"
};

struct rpc_param {
	const char *name;
	enum rpc_param_type type;
	bool required;
	bool positional;            // posternctl takes it without its name, in the order listed
	const char *const *choices; // NULL-terminated; NULL: any value
	const char *help;
};

enum rpc_role {
	RPC_VIEW,    // changes nothing; the other two include it
	RPC_OPERATE, // members, reload, what is logged
	RPC_POLICY,  // who may federate
};

struct rpc_method {
	const char *name; // "noun.verb"
	enum rpc_role role;
	const char *help;
	const struct rpc_param *params; // ends with a NULL name; NULL: none
	// Answers exactly once with rpc_reply() or rpc_fail(), at once or later. The parameters
	// have been checked against `params` and are borrowed until the handler returns. Methods
	// beyond RPC_VIEW take a `comment` besides, which goes into the audit.
	void (*handler)(struct rpc_call *call, const json_t *params, void *user);
};

// Opens the socket at `path` with mode 0660 (0600 without a group), replacing a stale one; a
// live one is -EADDRINUSE. Errors: negative errno, with one line in `why`.
int rpc_server_new(struct event_base *base, const char *path, const char *group,
	struct rpc_server **out, char *why, size_t size);

// Closes all connections and removes the socket. Calls still unanswered may be answered later;
// their answers go nowhere.
void rpc_server_free(struct rpc_server *server);

// Who may do what, from the control group and the roles of a configuration. Names that are neither
// a group's nor a user's are refused: negative errno, with one line in `why`.
int rpc_roles_new(const struct config *config, struct rpc_roles **out, char *why, size_t size);
void rpc_roles_free(struct rpc_roles *roles);
// Takes the roles, which hold from now on, for connected clients, too. Without any, root and our own
// user may do everything and others nothing.
void rpc_server_take_roles(struct rpc_server *server, struct rpc_roles *roles);

// Where changes are recorded. It outlives the server, and until it is closed answers may wait in it.
void rpc_server_use_store(struct rpc_server *server, struct store *store);

// Adds methods; `describe` lists them in the order of addition. The array and `user` outlive the
// server.
void rpc_server_add(
	struct rpc_server *server, const struct rpc_method *methods, size_t count, void *user);

// Ends a call. The result is stolen; so is `data`, which may be NULL. Data of errors has one shape,
// all mistakes at once, with null for what does not apply:
//     {"errors": [{"field": "…", "line": 7, "what": "what is wrong", "expected": "what is right"}]}
// Those in a file have its path beside them, as "file".
void rpc_reply(struct rpc_call *call, json_t *result);
void rpc_fail(struct rpc_call *call, int code, json_t *data, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

// Who asked, as the kernel told: for the log line of each change.
uid_t rpc_call_uid(const struct rpc_call *call);

// For the audit: what a change that is not in the database was about. Both are stolen; NULL: nothing.
void rpc_audit_change(struct rpc_call *call, json_t *before, json_t *after);

// The parts of postern that the methods speak of.
struct rpc_context {
	struct rpc_server *server;
	struct pool_set *pools;
	struct alarm_set *alarms;
	struct postern_dataplane *dp;
	struct store *store;          // NULL: what is set is not kept
	struct policy *policy;        // NULL: no partners are kept
	struct discovery *discovery;  // NULL: DNS is not asked
	struct partner_set *partners; // NULL: none are tested
	uint64_t started_wall_us;
	void *daemon;
	const struct config *(*config)(void *daemon); // the one that runs

	// Listening endpoints of the running snapshot with their ids, for statistics.
	const struct postern_snapshot *(*snapshot)(void *daemon);

	// Reads the file again and adopts it. `done` is called once, at once or when all workers
	// have adopted it: status 0, or a negative errno with the mistakes found; -ENOTSUP with
	// the changes that need a restart. With `confirm_ms` above 0 the configuration of before
	// comes back unless confirm() is called in that time; while one waits for that, a reload
	// without is -EALREADY.
	void (*reload)(void *daemon, uint32_t confirm_ms,
		void (*done)(
			void *user, int status, uint64_t epoch, const struct config_errors *errors),
		void *user);
	// Around reading the configuration's files, which root alone may be able to read; NULL: nothing
	// is to be done.
	void (*read_files)(bool on);
	// Tells the dataplane what the pools now are. 0, or a negative errno.
	int (*publish)(void *daemon);
	// What runs stays. -ENOENT: nothing waits for it.
	int (*confirm)(void *daemon);
	// Goes back at once. `done` as for reload(), with -ENOENT if nothing waits to be confirmed.
	void (*rollback)(void *daemon,
		void (*done)(
			void *user, int status, uint64_t epoch, const struct config_errors *errors),
		void *user);
};

// Registers every noun: status, alarm, interface, service, pool, member, node, session, stats,
// config, audit, log.
void rpc_methods_add(struct rpc_context *context);
