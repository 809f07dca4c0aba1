// SPDX-License-Identifier: BSD-2-Clause
// What the files of this folder share: the server's parts and their bounds, the shape of errors,
// and the small helpers that every method uses. Nobody outside includes this, except its tests.

#pragma once

#include "control/pool/pool.h"
#include "control/rpc/rpc.h"

#include "postern/addr.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include <sys/queue.h>

struct config;
struct config_errors;
struct config_organisation;
struct config_probe;
struct config_service;
struct evconnlistener;
struct pool;
struct pool_member;

// The socket trusts who asks, not what is asked: everything that a client can make us hold is
// bounded.
#define RPC_LINE_MAX        (1024u * 1024u)      // bytes of one request or batch, newline excluded
#define RPC_CONNECTIONS_MAX 64u                  // 64 * (1 MiB in + 8 MiB out) is the most we hold
#define RPC_QUEUE_PAUSE     (1024u * 1024u)      // bytes unread by the client: no request is taken
#define RPC_QUEUE_RESUME    (512u * 1024u)       // ... until it has read down to this
#define RPC_QUEUE_MAX       (8u * 1024u * 1024u) // bytes unread by the client: it is closed
#define RPC_CALLS_MAX       32u                  // calls in flight per connection
#define RPC_BATCH_MAX       64u                  // requests in one batch
#define RPC_WRITE_TIMEOUT_S 60 // a client that reads nothing for so long is closed
// Requests served per connection and turn of the event loop, so that others get theirs.
#define RPC_TURN_MAX 8u

struct rpc_connection;
struct rpc_audit;
struct store_audit;

// A client, as the kernel tells of it.
struct rpc_peer {
	uid_t uid;
	gid_t gid;
	pid_t pid;
	gid_t *groups;
	size_t n_groups;
};

// How often a user has been refused of late, so that records of it stay few.
struct rpc_refusals {
	uid_t uid;
	uint64_t since_us; // 0: the entry is free
	unsigned count;
	unsigned unrecorded;
};

// Users whose refusals are counted at a time.
#define RPC_REFUSALS_MAX 16u

// Bytes of a comment.
#define RPC_COMMENT_MAX 1000u

// The answer to one line: of a single request, or of a batch, whose answers are collected.
struct rpc_line {
	struct rpc_connection *conn; // NULL: the client has gone
	struct evbuffer *answers;    // of a batch, without its brackets; NULL: a single request
	unsigned pending;            // calls that are not answered yet
	bool open;                   // entries of the batch are still to be called
};

struct rpc_call {
	LIST_ENTRY(rpc_call) entry;
	struct rpc_line *line;
	json_t *id; // NULL: a notification
	uid_t uid;
	pid_t pid;
	struct store *store;     // the server's, which may end before the call
	struct rpc_audit *audit; // NULL: it changes nothing
	bool listed;             // in its connection's list
	void (*gone)(void *user);
	void *gone_user;
};

struct rpc_connection {
	LIST_ENTRY(rpc_connection) entry;
	struct rpc_server *server;
	struct bufferevent *bev;
	struct event *tick; // continues the work in the loop's next turn
	struct rpc_peer peer;
	LIST_HEAD(, rpc_call) calls;
	unsigned n_calls;
	json_t *batch; // the batch that is being called; NULL: none
	size_t batch_at;
	struct rpc_line *batch_line;
	size_t collected; // bytes in the answers of unfinished batches
	size_t scanned;   // bytes of input known to hold no newline
	bool paused;      // the output queue is too long
	bool ended;       // nothing more will come or be read; close when all is answered
	bool broken;      // close now
};

struct rpc_group {
	const struct rpc_method *methods;
	size_t count;
	void *user;
};

// One for each noun, and a few to spare; rpc_server_add() is called by ourselves alone.
#define RPC_GROUPS_MAX 32

struct rpc_server {
	struct event_base *base;
	struct evconnlistener *listener; // NULL: connections are handed in (tests)
	struct event *retry;             // takes up listening again after descriptors ran out
	char *path;
	uint64_t device; // of the socket file that we made, so that only ours is removed
	uint64_t inode;
	LIST_HEAD(, rpc_connection) connections;
	unsigned n_connections;
	struct rpc_group groups[RPC_GROUPS_MAX];
	unsigned n_groups;
	struct rpc_roles *roles; // NULL: none but root and ourselves
	bool has_acl;            // on the socket file
	struct store *store;     // NULL: changes are not recorded
	struct rpc_refusals refusals[RPC_REFUSALS_MAX];
	LIST_HEAD(, rpc_closing) closings; // sessions are being closed for these calls
	uint32_t closing_ticket;           // of the last
};

// server.c: a server without a socket of its own.
int rpc_server_new_bare(struct event_base *base, struct rpc_server **out);

// listen.c: binds `path` as rpc_server_new() says and returns the descriptor, not yet listening.
int rpc_listen_bind(const char *path, const char *group, char *why, size_t size);

// connection.c: serves a connected stream socket, which it takes in every case.
int rpc_connection_adopt(struct rpc_server *server, int fd);
void rpc_connection_close(struct rpc_connection *conn);
// Sends one answer's text; the client is closed when it lets too much queue up.
void rpc_connection_send(struct rpc_connection *conn, const char *text, size_t length);
void rpc_connection_check_queue(struct rpc_connection *conn);
// Goes on with what waits, in the loop's next turn.
void rpc_connection_wake(struct rpc_connection *conn);

// dispatch.c: one line as it came; one entry of the batch under way.
void rpc_dispatch_line(struct rpc_connection *conn, const char *text, size_t length);
void rpc_dispatch_batch_next(struct rpc_connection *conn);
void rpc_dispatch_batch_drop(struct rpc_connection *conn);
// Answers a line that is not even a request, with an id of null.
void rpc_dispatch_refuse(struct rpc_connection *conn, int code, const char *message);

// call.c: a call in flight. `gone` is called when the client has gone before the answer; it must
// end the call. A handler that waits for nothing but its own work sets it; one that waits for
// something that happens anyway need not.
struct rpc_call *rpc_call_new(struct rpc_line *line, const json_t *id);
void rpc_call_on_gone(struct rpc_call *call, void (*gone)(void *user), void *user);
void rpc_call_detach(struct rpc_call *call);
// Sends the answer, of which `key` is "result" or "error", and ends the call. Takes the value.
void rpc_call_finish(struct rpc_call *call, const char *key, json_t *value);
struct rpc_line *rpc_line_new(struct rpc_connection *conn, bool batch);
// Frees the line, or sends a batch's answers, when nothing of it is outstanding.
void rpc_line_settle(struct rpc_line *line);

// roles.c: which roles somebody has, a bit for each enum rpc_role.
unsigned rpc_roles_of(const struct rpc_roles *roles, const struct rpc_peer *peer);
const char *rpc_role_name(enum rpc_role role);
int rpc_group_find(const char *name, gid_t *out);
int rpc_peer_read(int fd, struct rpc_peer *out);
void rpc_peer_clear(struct rpc_peer *peer);

// audit.c: the record of a call, begun before its method runs; false if memory is refused.
bool rpc_audit_begin(struct rpc_call *call, const struct rpc_method *method, const json_t *params);
void rpc_audit_free(struct rpc_audit *audit);
// Who, what and the comment, for a change that goes into the database with its record. Texts are
// borrowed from the call.
void rpc_audit_record(const struct rpc_call *call, struct store_audit *out);
// ... and that it is there.
void rpc_audit_written(struct rpc_call *call);
// Writes the record of a call that has its answer, and sends that afterwards. Takes the value and
// returns true, or returns false if there is nothing to wait for.
bool rpc_audit_hold(struct rpc_call *call, const char *key, json_t *value);
void rpc_audit_refusal(struct rpc_server *server, const struct rpc_call *call,
	const struct rpc_method *method, const json_t *params);

// params.c: `comment`, which methods take that change something; NULL if this one does not, or has
// one of its own.
const struct rpc_param *rpc_param_comment(const struct rpc_method *method);
// NULL if the parameters fit, else the mistakes as error data, all of them.
json_t *rpc_params_check(const struct rpc_method *method, const json_t *params);
const struct rpc_method *rpc_method_find(
	const struct rpc_server *server, const char *name, void **user);
const char *rpc_method_nearest(const struct rpc_server *server, const char *name);

// describe.c
extern const struct rpc_method rpc_describe_methods[1];

// text.c: helpers for answers.

// A JSON string of any bytes: what is not UTF-8 becomes "?".
json_t *rpc_text(const char *text);
json_t *rpc_textf(const char *format, ...) __attribute__((format(printf, 1, 2)));
// A JSON integer; what does not fit its 63 bits becomes the largest.
json_t *rpc_uint(uint64_t value);
json_t *rpc_addr(const struct postern_addr *addr);
json_t *rpc_endpoint(const struct postern_endpoint *at);
json_t *rpc_mac(const uint8_t mac[static 6]);
json_t *rpc_prefix(const struct postern_prefix *prefix);
// RFC 3339, UTC, milliseconds.
json_t *rpc_time(uint64_t wall_us);
uint64_t rpc_monotonic_us(void);
uint64_t rpc_wall_us(void);

// Adds a mistake to error data and returns it; makes the data when it is NULL. `line` 0 and
// `expected` NULL are shown as null.
json_t *rpc_mistake(
	json_t *data, const char *field, int line, const char *what, const char *expected);

// The value of a parameter, whose type has been checked already.
const char *rpc_param_string(const json_t *params, const char *name); // NULL: not given
// Ends the call and returns false if the value is outside; `value` keeps its default if absent.
bool rpc_param_integer(struct rpc_call *call, const json_t *params, const char *name, int64_t low,
	int64_t high, int64_t *value);

// Answers with {"items": items, "next": next}; takes both, `next` NULL for the end.
void rpc_reply_list(struct rpc_call *call, json_t *items, json_t *next);
// Fails with RPC_NOT_FOUND. `expected` says what there is.
void rpc_fail_not_found(
	struct rpc_call *call, const char *field, const char *name, const char *expected);

// How far two names are apart: single characters inserted, removed or replaced (Levenshtein).
unsigned rpc_distance(const char *a, const char *b);
// Whether somebody who typed `name` may have meant `known`.
bool rpc_is_near(const char *name, const char *known);

// "one of a, b, c" of names given one by one, cut when there are too many for a line.
struct rpc_names {
	char text[256];
};
void rpc_names_add(struct rpc_names *names, const char *name);
const char *rpc_names_text(const struct rpc_names *names, const char *none);

// What several nouns' methods ask of each other.

// methods_pool.c: ends the call and returns NULL if there is no such pool.
const struct pool *rpc_find_pool(
	struct rpc_call *call, struct rpc_context *context, const char *name);
// Whether new sessions go to a member now.
bool rpc_member_takes_new(const struct pool_member *m);

// methods_member.c: `path` is POOL/MEMBER; ends the call and returns NULL if there is none.
struct pool_member *rpc_find_member(
	struct rpc_call *call, struct rpc_context *context, const char *path);
// Where a list goes on; ends the call and returns false if `cursor` is none of ours.
bool rpc_cursor_parse(struct rpc_call *call, const char *cursor, uint64_t *from);
// The short form, for lists.
json_t *rpc_member_row(const struct rpc_context *context, const struct pool_member *m);

// change.c: sets state and weight of members for good and for all: in the database, then in the pools,
// then `reply` ends the call. `name` is what the caller called them, and handed on.
struct rpc_member_change {
	int admin;      // enum pool_admin; negative: as it was
	int32_t weight; // POOL_WEIGHT_FILE, STORE_WEIGHT_KEEP or a weight
};

typedef void (*rpc_change_reply)(
	struct rpc_call *call, struct rpc_context *context, const char *name);
void rpc_change_members(struct rpc_call *call, struct rpc_context *context, const char *name,
	struct pool_member *const *members, size_t n, const struct rpc_member_change *what,
	rpc_change_reply reply);

// methods_service.c: ends the call and returns NULL if there is no such service.
const struct config_service *rpc_find_service(
	struct rpc_call *call, struct rpc_context *context, const char *name);

// methods_organisation.c: the one of that name, or the only one if `name` is NULL; ends the call and
// returns NULL if there is no such organisation.
const struct config_organisation *rpc_find_organisation(
	struct rpc_call *call, const struct rpc_context *context, const char *name);

// methods_config.c: reads a file, and those that it names, with the rights that reloads have.
int rpc_config_read(const struct rpc_context *context, const char *file, struct config **out,
	struct config_errors *errors);

// methods_config.c: mistakes as error data, which names the file that they are in, if any; NULL if
// there are none.
json_t *rpc_config_mistakes(const char *file, const struct config_errors *errors);

// methods_pool.c: the settings of a probe.
json_t *rpc_probe_object(const struct config_probe *p);

// Each noun's methods are added by one function.
void rpc_methods_status(struct rpc_context *context);
void rpc_methods_alarm(struct rpc_context *context);
void rpc_methods_interface(struct rpc_context *context);
void rpc_methods_neighbour(struct rpc_context *context);
void rpc_methods_service(struct rpc_context *context);
void rpc_methods_outbound(struct rpc_context *context);
void rpc_methods_pool(struct rpc_context *context);
void rpc_methods_member(struct rpc_context *context);
void rpc_methods_node(struct rpc_context *context);
void rpc_methods_session(struct rpc_context *context);
void rpc_methods_session_close(struct rpc_context *context);
void rpc_methods_hello(struct rpc_context *context);
void rpc_methods_why(struct rpc_context *context);
void rpc_methods_stats(struct rpc_context *context);
void rpc_methods_organisation(struct rpc_context *context);
void rpc_methods_partner(struct rpc_context *context);
void rpc_methods_partner_test(struct rpc_context *context);
void rpc_methods_dns(struct rpc_context *context);
void rpc_methods_plan(struct rpc_context *context);
void rpc_methods_policy_file(struct rpc_context *context);
void rpc_methods_policy(struct rpc_context *context);
void rpc_methods_config(struct rpc_context *context);
void rpc_methods_diff(struct rpc_context *context);
void rpc_methods_audit(struct rpc_context *context);
void rpc_methods_backup(struct rpc_context *context);
void rpc_methods_log(struct rpc_context *context);
