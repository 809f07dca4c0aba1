// SPDX-License-Identifier: BSD-2-Clause
// Who may do what over the control socket, and what is on record of it. Other users are played by
// a root that lowers itself while it connects, so others than root skip most of this.

#include "control/config/config.h"
#include "control/store/store.h"
#include "tests/unit/rpc_user.h"

#include <ftw.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>

// Users and groups that every Debian has, none of whose members matter.
#define USER  "games"
#define GROUP "mail"
#define OTHER "news"

static char folder[64];
static struct store *store;
static struct rpc_context context;

static int remove_one(const char *name, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(name);
}

static int setup_store(void **state)
{
	char path[96];
	char why[256] = "";

	setup(state);
	snprintf(folder, sizeof(folder), "/tmp/postern-roles-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/state.db", folder);
	const struct store_options options = {.path = path, .base = base};
	if (store_open(&options, &store, why, sizeof(why)) != 0)
		fail_msg("%s", why);
	rpc_server_use_store(server, store);
	context = (struct rpc_context){.server = server, .store = store};
	rpc_methods_audit(&context);
	return 0;
}

static int teardown_store(void **state)
{
	(void)state;
	rpc_server_free(server);
	server = NULL;
	store_close(store);
	nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	for (unsigned i = 0; i < n_kept; i++)
		if (kept[i])
			rpc_reply(kept[i], json_true());
	event_base_free(base);
	return 0;
}

#define LOOK "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fake.echo\"}\n"
#define TOUCH                                                                                      \
	"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fake.set\",\"params\":{\"name\":\"a\","        \
	"\"colour\":\"red\"}}\n"

// 0, or the code of the error.
static int code_of(struct client *c, const char *line)
{
	client_send(c, line);
	json_t *answer = client_answer(c);
	int code =
		(int)json_integer_value(json_object_get(json_object_get(answer, "error"), "code"));

	json_decref(answer);
	return code;
}

static void expect(const char *user, const char *group, bool may_look, bool may_touch)
{
	struct client c = client_as(user, group);

	assert_int_equal(code_of(&c, LOOK), may_look ? 0 : RPC_FORBIDDEN);
	assert_int_equal(code_of(&c, TOUCH), may_touch ? 0 : RPC_FORBIDDEN);
	client_free(&c);
}

static void test_without_roles(void **state)
{
	(void)state;
	expect("root", NULL, true, true);
	expect(USER, NULL, false, false);
	assert_int_equal(take(NULL, NULL, NULL, NULL), 0);
	expect("root", NULL, true, true);
	expect(USER, GROUP, false, false);
}

static void test_control_group_operates(void **state)
{
	(void)state;
	assert_int_equal(take(GROUP, NULL, NULL, NULL), 0);
	expect(USER, GROUP, true, true);
	expect(USER, OTHER, false, false);
	// Others are named: it may look still.
	assert_int_equal(take(GROUP, NULL, OTHER, NULL), 0);
	expect(USER, GROUP, true, false);
	expect(USER, OTHER, true, true);
	expect(USER, NULL, false, false);
}

static void test_users_and_groups(void **state)
{
	(void)state;
	assert_int_equal(take(NULL, GROUP, USER, OTHER), 0);
	expect("root", NULL, true, true);
	expect(USER, NULL, true, true);
	expect("daemon", GROUP, true, false);
	expect("daemon", OTHER, true, false);
	expect("daemon", NULL, false, false);
}

static void test_policy_is_a_role_of_its_own(void **state)
{
	gid_t more = group_of(OTHER);
	const struct rpc_peer peer = {.uid = 4711, .gid = 4711, .groups = &more, .n_groups = 1};
	const struct rpc_peer primary = {.uid = 4711, .gid = more};

	(void)state;
	assert_int_equal(take(NULL, NULL, GROUP, OTHER), 0);
	assert_int_equal(rpc_roles_of(server->roles, &peer), 1u << RPC_VIEW | 1u << RPC_POLICY);
	assert_int_equal(rpc_roles_of(server->roles, &primary), 1u << RPC_VIEW | 1u << RPC_POLICY);
	more = group_of(GROUP);
	assert_int_equal(rpc_roles_of(server->roles, &peer), 1u << RPC_VIEW | 1u << RPC_OPERATE);
}

static void test_unknown_names_are_refused(void **state)
{
	(void)state;
	assert_int_equal(take(GROUP, NULL, NULL, NULL), 0);
	assert_int_equal(take(NULL, "no-such-name-here", NULL, NULL), -ENOENT);
	assert_int_equal(take(NULL, NULL, NULL, "no-such-name-here"), -ENOENT);
	assert_int_equal(take("no-such-name-here", NULL, NULL, NULL), -ENOENT);
	// What was in force is in force.
	expect(USER, GROUP, true, true);
}

// Those who are connected are under the new roles at once.
static void test_roles_change_under_a_connection(void **state)
{
	struct client c = client_as(USER, GROUP);

	(void)state;
	assert_int_equal(code_of(&c, TOUCH), RPC_FORBIDDEN);
	assert_int_equal(take(NULL, NULL, GROUP, NULL), 0);
	assert_int_equal(code_of(&c, TOUCH), 0);
	assert_int_equal(take(NULL, GROUP, NULL, NULL), 0);
	assert_int_equal(code_of(&c, TOUCH), RPC_FORBIDDEN);
	assert_int_equal(code_of(&c, LOOK), 0);
	client_free(&c);
}

static void test_refusal_says_what_is_needed(void **state)
{
	struct client c = client_as(USER, NULL);

	(void)state;
	client_send(&c, TOUCH);
	json_t *answer = expect_error(&c, RPC_FORBIDDEN, false);
	assert_non_null(
		strstr(member(json_object_get(answer, "error"), "message"), "the role operate"));
	assert_non_null(
		strstr(member(mistake(answer, "method"), "expected"), "postern.roles.operate"));
	json_decref(answer);
	assert_int_equal(n_called, 0);
	client_free(&c);
}

// The audit, as the socket shows it.

static json_t *audit(const char *params)
{
	struct client c = client_open();
	char line[256];

	snprintf(line, sizeof(line),
		"{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"audit.list\",\"params\":%s}\n", params);
	client_send(&c, line);
	json_t *answer = client_answer(&c);
	json_t *result = json_incref(json_object_get(answer, "result"));
	assert_non_null(result);
	json_decref(answer);
	client_free(&c);
	return result;
}

static size_t audit_size(const char *params)
{
	json_t *result = audit(params);
	size_t n = json_array_size(json_object_get(result, "items"));

	json_decref(result);
	return n;
}

static void test_changes_are_recorded(void **state)
{
	struct client c = client_open();

	(void)state;
	client_send(&c,
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fake.set\",\"params\":{\"name\":\"a\","
		"\"colour\":\"red\",\"comment\":\"ticket 17\"}}\n");
	expect_result(&c, 1);
	// Looking is not recorded, nor what was not understood.
	assert_int_equal(code_of(&c, LOOK), 0);
	assert_int_equal(code_of(&c, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fake.set\"}\n"),
		RPC_INVALID_PARAMS);
	client_free(&c);
	json_t *result = audit("{}");
	json_t *items = json_object_get(result, "items");
	assert_int_equal(json_array_size(items), 1);
	const json_t *row = json_array_get(items, 0);
	assert_string_equal(member(row, "method"), "fake.set");
	assert_string_equal(member(row, "comment"), "ticket 17");
	assert_int_equal(json_object_size(json_object_get(row, "params")), 2);
	assert_string_equal(member(row, "result"), "ok");
	assert_int_equal(json_integer_value(json_object_get(row, "uid")), geteuid());
	assert_int_equal(json_integer_value(json_object_get(row, "pid")), getpid());
	assert_string_equal(member(json_object_get(row, "params"), "colour"), "red");
	assert_true(json_is_null(json_object_get(result, "next")));
	json_decref(result);
}

static void test_audit_pages_and_filters(void **state)
{
	struct client c = client_open();
	char cursor[64] = "";

	(void)state;
	for (unsigned i = 0; i < 7; i++)
		assert_int_equal(code_of(&c, TOUCH), 0);
	client_free(&c);
	assert_int_equal(audit_size("{\"method\":\"fake\"}"), 7);
	assert_int_equal(audit_size("{\"method\":\"fake.set\"}"), 7);
	assert_int_equal(audit_size("{\"method\":\"member\"}"), 0);
	assert_int_equal(audit_size("{\"user\":\"nobody\"}"), 0);
	size_t seen = 0;
	for (unsigned i = 0; i < 4; i++) {
		char params[128];

		snprintf(params, sizeof(params), "{\"limit\":2%s%s%s}",
			cursor[0] ? ",\"cursor\":\"" : "", cursor, cursor[0] ? "\"" : "");
		json_t *result = audit(params);
		seen += json_array_size(json_object_get(result, "items"));
		const char *next = json_string_value(json_object_get(result, "next"));
		assert_int_equal(next == NULL, i == 3);
		snprintf(cursor, sizeof(cursor), "%s", next ? next : "");
		json_decref(result);
	}
	assert_int_equal(seen, 7);
	c = client_open();
	assert_int_equal(
		code_of(&c, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"audit.list\",\"params\":{"
			    "\"cursor\":\"x\"}}\n"),
		RPC_INVALID_PARAMS);
	client_free(&c);
}

// Who asked and left: it was done, so it is recorded.
static void test_client_gone_before_the_record(void **state)
{
	struct client c = client_open();

	(void)state;
	client_send(&c, TOUCH);
	while (n_called == 0)
		turn();
	client_hang_up(&c);
	turns(5);
	client_free(&c);
	assert_int_equal(audit_size("{}"), 1);
}

// Without an answer from the disk before the end, the call ends all the same.
static void test_end_before_the_record(void **state)
{
	struct client c = client_open();

	(void)state;
	client_send(&c, TOUCH);
	while (n_called == 0)
		turn();
	client_free(&c);
}

static void test_comments_are_bounded(void **state)
{
	struct client c = client_open();
	char line[2048];
	char comment[1002];

	(void)state;
	memset(comment, 'x', sizeof(comment) - 1);
	comment[1001] = '\0';
	snprintf(line, sizeof(line),
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fake.set\",\"params\":{\"name\":\"a\","
		"\"colour\":\"red\",\"comment\":\"%s\"}}\n",
		comment);
	assert_int_equal(code_of(&c, line), RPC_INVALID_PARAMS);
	snprintf(line, sizeof(line),
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fake.set\",\"params\":{\"name\":\"a\","
		"\"colour\":\"red\",\"comment\":\"%s\"}}\n",
		comment + 1);
	assert_int_equal(code_of(&c, line), 0);
	// Looking takes none.
	assert_int_equal(
		code_of(&c, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fake.echo\",\"params\":{"
			    "\"comment\":\"x\"}}\n"),
		RPC_INVALID_PARAMS);
	client_free(&c);
}

// A flood of refusals leaves a few records and their number.
static void test_refusals_are_recorded_sparingly(void **state)
{
	struct client c = client_as(USER, NULL);

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(code_of(&c, TOUCH), RPC_FORBIDDEN);
	client_free(&c);
	json_t *result = audit("{\"user\":\"" USER "\"}");
	json_t *items = json_object_get(result, "items");
	assert_int_equal(json_array_size(items), 10);
	assert_string_equal(member(json_array_get(items, 0), "method"), "fake.set");
	assert_string_equal(
		member(json_array_get(items, 0), "result"), "refused: needs the role operate");
	json_decref(result);
	// A minute later there is one more, which tells how many it stands for.
	server->refusals[0].since_us -= 61000000;
	c = client_as(USER, NULL);
	assert_int_equal(code_of(&c, TOUCH), RPC_FORBIDDEN);
	client_free(&c);
	result = audit("{\"user\":\"" USER "\"}");
	items = json_object_get(result, "items");
	assert_int_equal(json_array_size(items), 11);
	assert_non_null(strstr(member(json_array_get(items, 0), "result"), "90 more"));
	json_decref(result);
}

// The socket file lets those connect who have a role, and nobody else.

static int connect_as(const char *path, uid_t uid, gid_t gid)
{
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		struct sockaddr_un addr = {.sun_family = AF_UNIX};
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);

		memcpy(addr.sun_path, path, strlen(path) + 1);
		if (setgroups(0, NULL) != 0 || setgid(gid) != 0 || setuid(uid) != 0)
			_exit(100);
		_exit(connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 ? 0 : errno);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_socket_lets_in_who_has_a_role(void **state)
{
	struct rpc_server *bare = server;
	char path[96];
	char why[256];

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(folder, 0755), 0);
	snprintf(path, sizeof(path), "%s/control.sock", folder);
	assert_int_equal(rpc_server_new(base, path, GROUP, &server, why, sizeof(why)), 0);
	assert_int_equal(take(GROUP, NULL, USER, OTHER), 0);
	assert_int_equal(connect_as(path, user_of(USER), 65534), 0);
	assert_int_equal(connect_as(path, 65534, group_of(OTHER)), 0);
	assert_int_equal(connect_as(path, 65534, group_of(GROUP)), 0);
	assert_int_equal(connect_as(path, 65534, 65534), EACCES);
	// Root's group is the file's when there is no control group, and that is no role.
	assert_int_equal(take(GROUP, NULL, NULL, NULL), 0);
	assert_int_equal(connect_as(path, user_of(USER), 65534), EACCES);
	assert_int_equal(connect_as(path, 65534, group_of(GROUP)), 0);
	rpc_server_free(server);
	assert_int_equal(rpc_server_new(base, path, NULL, &server, why, sizeof(why)), 0);
	assert_int_equal(take(NULL, USER, NULL, NULL), 0);
	assert_int_equal(connect_as(path, user_of(USER), 65534), 0);
	assert_int_equal(connect_as(path, 65534, 0), EACCES);
	rpc_server_free(server);
	server = bare;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_store, teardown_store)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_without_roles),
		TEST(test_control_group_operates),
		TEST(test_users_and_groups),
		TEST(test_policy_is_a_role_of_its_own),
		TEST(test_unknown_names_are_refused),
		TEST(test_roles_change_under_a_connection),
		TEST(test_refusal_says_what_is_needed),
		TEST(test_changes_are_recorded),
		TEST(test_audit_pages_and_filters),
		TEST(test_client_gone_before_the_record),
		TEST(test_end_before_the_record),
		TEST(test_comments_are_bounded),
		TEST(test_refusals_are_recorded_sparingly),
		TEST(test_socket_lets_in_who_has_a_role),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
