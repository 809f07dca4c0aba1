// SPDX-License-Identifier: BSD-2-Clause
// What the control socket bounds, who comes and goes while calls are under way, and the socket's
// own place in the file system.

#include "tests/unit/rpc_client.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>

static void test_longest_line(void **state)
{
	static const char begin[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fake.echo\"";
	struct client c = client_open();
	char *text = malloc(RPC_LINE_MAX + 2);

	(void)state;
	assert_non_null(text);
	memset(text, ' ', RPC_LINE_MAX + 2);
	memcpy(text, begin, sizeof(begin) - 1);
	text[RPC_LINE_MAX - 1] = '}';
	text[RPC_LINE_MAX] = '\n';
	client_send_bytes(&c, text, RPC_LINE_MAX + 1);
	expect_result(&c, 1);
	expect_alive(&c);
	// One byte more.
	text[RPC_LINE_MAX] = ' ';
	text[RPC_LINE_MAX + 1] = '\n';
	client_send_bytes(&c, text, RPC_LINE_MAX + 2);
	json_decref(expect_error(&c, RPC_INVALID_REQUEST, true));
	expect_closed(&c);
	assert_int_equal(server->n_connections, 0);
	free(text);
	client_free(&c);
}

static void send_big(struct client *c, int id, unsigned size)
{
	char text[128];

	snprintf(text, sizeof(text),
		"{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"fake.big\",\"params\":{\"size\":%u}}"
		"\n",
		id, size);
	client_send(c, text);
}

// Who does not read is not served either, until he reads; and then nothing is missing.
static void test_slow_reader(void **state)
{
	struct client c = client_open();
	struct client other = client_open();

	(void)state;
	for (int i = 0; i < 40; i++)
		send_big(&c, i, 300000);
	turns(1000);
	// The kernel's buffer and the queue hold 1.3 MB at most, and one answer more.
	assert_in_range(n_called, 4, 8);
	expect_alive(&other);
	for (int i = 0; i < 40; i++)
		expect_result(&c, i);
	expect_alive(&c);
	client_free(&other);
	client_free(&c);
}

static void test_never_reader(void **state)
{
	struct client c = client_open();

	(void)state;
	for (int i = 0; i < 32; i++)
		client_send(&c, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fake.later\"}\n");
	turns(100);
	assert_int_equal(n_kept, 32);
	// 27 of these are less than 8 MiB, 32 are more.
	for (unsigned i = 0; i < 27; i++)
		rpc_reply(kept[i], text_of_size(300000));
	turns(10);
	assert_int_equal(server->n_connections, 1);
	for (unsigned i = 27; i < 32; i++)
		rpc_reply(kept[i], text_of_size(300000));
	n_kept = 0;
	turns(10);
	assert_int_equal(server->n_connections, 0);
	client_free(&c);
}

static void test_answer_too_large(void **state)
{
	struct client c = client_open();

	(void)state;
	send_big(&c, 1, RPC_QUEUE_MAX + 1);
	expect_closed(&c);
	assert_int_equal(server->n_connections, 0);
	client_free(&c);
}

// What a batch has collected counts, too, though nothing of it is on its way yet.
static void test_batch_answers_too_large(void **state)
{
	struct client c = client_open();
	char text[128];

	(void)state;
	client_send(&c, "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fake.later\"}");
	for (int i = 0; i < 20; i++) {
		snprintf(text, sizeof(text),
			",{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"fake.big\",\"params\":{"
			"\"size\":1000000}}",
			i);
		client_send(&c, text);
	}
	client_send(&c, "]\n");
	expect_closed(&c);
	assert_in_range(n_called, 8, 9);
	client_free(&c);
}

static void test_calls_in_flight(void **state)
{
	struct client c = client_open();

	(void)state;
	for (int i = 0; i < 40; i++)
		client_send(&c, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fake.later\"}\n");
	turns(100);
	assert_int_equal(n_kept, RPC_CALLS_MAX);
	rpc_reply(kept[0], json_true());
	kept[0] = NULL;
	expect_result(&c, 1);
	turns(100);
	assert_int_equal(n_kept, RPC_CALLS_MAX + 1);
	client_free(&c);
}

// Nothing is written when a notification ends, and yet what waited for its place goes on.
static void test_notifications_in_flight(void **state)
{
	struct client c = client_open();

	(void)state;
	for (int i = 0; i < 40; i++)
		client_send(&c, "{\"jsonrpc\":\"2.0\",\"method\":\"fake.later\"}\n");
	shutdown(c.fd, SHUT_WR);
	turns(100);
	assert_int_equal(n_kept, RPC_CALLS_MAX);
	for (unsigned i = 0; i < RPC_CALLS_MAX; i++)
		rpc_reply(kept[i], json_true());
	n_kept = 0;
	turns(100);
	assert_int_equal(n_kept, 40 - RPC_CALLS_MAX);
	for (unsigned i = 0; i < 40 - RPC_CALLS_MAX; i++)
		rpc_reply(kept[i], json_true());
	n_kept = 0;
	turns(100);
	assert_int_equal(server->n_connections, 0);
	client_free(&c);
}

static void test_gone_before_answer(void **state)
{
	struct client c = client_open();

	(void)state;
	client_send(&c, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fake.later\"}\n"
			"{\"jsonrpc\":\"2.0\",\"method\":\"fake.later\"}\n");
	turns(10);
	assert_int_equal(n_kept, 2);
	client_hang_up(&c);
	turns(10);
	rpc_reply(kept[0], json_true());
	turns(10);
	rpc_fail(kept[1], RPC_REFUSED, NULL, "to nobody");
	turns(10);
	n_kept = 0;
	assert_int_equal(server->n_connections, 0);
	client_free(&c);
}

static void test_server_gone_before_answer(void **state)
{
	struct client c = client_open();

	client_send(&c, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fake.later\"}\n"
			"{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"fake.gone\"}\n");
	turns(10);
	assert_int_equal(n_kept, 1);
	rpc_server_free(server);
	assert_int_equal(n_gone, 1);
	rpc_reply(kept[0], json_true());
	n_kept = 0;
	expect_closed(&c);
	client_free(&c);
	// The fixture's end expects a server.
	event_base_free(base);
	setup(state);
}

// The socket itself.

struct place {
	char folder[32];
	char path[48];
};

static struct place place_new(void)
{
	struct place p = {.folder = "/tmp/test_rpc.XXXXXX"};

	assert_non_null(mkdtemp(p.folder));
	snprintf(p.path, sizeof(p.path), "%s/c.sock", p.folder);
	return p;
}

static void place_free(const struct place *p)
{
	unlink(p->path);
	assert_int_equal(rmdir(p->folder), 0);
}

static int place_connect(const struct place *p)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	memcpy(addr.sun_path, p->path, strlen(p->path) + 1);
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	int err = -errno;
	close(fd);
	return err;
}

static void test_socket(void **state)
{
	struct place p = place_new();
	struct rpc_server *first = NULL;
	struct rpc_server *second = NULL;
	struct stat st;
	char why[256] = "";

	(void)state;
	assert_int_equal(rpc_server_new(base, p.path, NULL, &first, why, sizeof(why)), 0);
	assert_int_equal(stat(p.path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(
		rpc_server_new(base, p.path, NULL, &second, why, sizeof(why)), -EADDRINUSE);
	assert_non_null(strstr(why, p.path));
	assert_null(second);
	rpc_server_add(first, methods, sizeof(methods) / sizeof(methods[0]), NULL);
	struct client c = {.fd = place_connect(&p), .in = evbuffer_new()};
	assert_true(c.fd >= 0);
	expect_alive(&c);
	rpc_server_free(first);
	assert_int_equal(stat(p.path, &st), -1);
	expect_closed(&c);
	client_free(&c);
	place_free(&p);
}

static void test_socket_stale(void **state)
{
	struct place p = place_new();
	struct rpc_server *next = NULL;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	char why[256] = "";

	(void)state;
	// What a process that was killed leaves behind.
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	memcpy(addr.sun_path, p.path, strlen(p.path) + 1);
	assert_int_equal(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
	assert_int_equal(rpc_server_new(base, p.path, NULL, &next, why, sizeof(why)), 0);
	fd = place_connect(&p);
	assert_true(fd >= 0);
	close(fd);
	rpc_server_free(next);
	place_free(&p);
}

static void test_socket_refused(void **state)
{
	struct place p = place_new();
	struct rpc_server *none = NULL;
	struct stat st;
	char why[256] = "";
	char longest[200];

	(void)state;
	int fd = open(p.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(rpc_server_new(base, p.path, NULL, &none, why, sizeof(why)), -EEXIST);
	assert_int_equal(stat(p.path, &st), 0);
	unlink(p.path);
	assert_int_equal(
		rpc_server_new(base, p.path, "no-such-group-here", &none, why, sizeof(why)),
		-ENOENT);
	assert_non_null(strstr(why, "no-such-group-here"));
	assert_int_equal(stat(p.path, &st), -1);
	memset(longest, 'x', sizeof(longest) - 1);
	longest[0] = '/';
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(
		rpc_server_new(base, longest, NULL, &none, why, sizeof(why)), -ENAMETOOLONG);
	assert_null(none);
	place_free(&p);
}

// A later postern that took the path over keeps it when the earlier one ends.
static void test_socket_taken_over(void **state)
{
	struct place p = place_new();
	struct rpc_server *first = NULL;
	struct rpc_server *second = NULL;
	char why[256] = "";

	(void)state;
	assert_int_equal(rpc_server_new(base, p.path, NULL, &first, why, sizeof(why)), 0);
	assert_int_equal(unlink(p.path), 0);
	assert_int_equal(rpc_server_new(base, p.path, NULL, &second, why, sizeof(why)), 0);
	rpc_server_free(first);
	int fd = place_connect(&p);
	assert_true(fd >= 0);
	close(fd);
	rpc_server_free(second);
	place_free(&p);
}

static void test_too_many_connections(void **state)
{
	struct place p = place_new();
	struct rpc_server *s = NULL;
	struct client clients[RPC_CONNECTIONS_MAX];
	char why[256] = "";

	(void)state;
	assert_int_equal(rpc_server_new(base, p.path, NULL, &s, why, sizeof(why)), 0);
	for (unsigned i = 0; i < RPC_CONNECTIONS_MAX; i++) {
		clients[i] = (struct client){.fd = place_connect(&p), .in = evbuffer_new()};
		assert_true(clients[i].fd >= 0);
		turn();
	}
	assert_int_equal(s->n_connections, RPC_CONNECTIONS_MAX);
	struct client c = {.fd = place_connect(&p), .in = evbuffer_new()};
	json_decref(expect_error(&c, RPC_BUSY, true));
	expect_closed(&c);
	client_free(&c);
	// One that leaves makes room.
	client_free(&clients[0]);
	turns(10);
	rpc_server_add(s, methods, sizeof(methods) / sizeof(methods[0]), NULL);
	c = (struct client){.fd = place_connect(&p), .in = evbuffer_new()};
	expect_alive(&c);
	client_free(&c);
	for (unsigned i = 1; i < RPC_CONNECTIONS_MAX; i++)
		client_free(&clients[i]);
	rpc_server_free(s);
	place_free(&p);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_longest_line),
		TEST(test_slow_reader),
		TEST(test_never_reader),
		TEST(test_answer_too_large),
		TEST(test_batch_answers_too_large),
		TEST(test_calls_in_flight),
		TEST(test_notifications_in_flight),
		TEST(test_gone_before_answer),
		TEST(test_server_gone_before_answer),
		TEST(test_socket),
		TEST(test_socket_stale),
		TEST(test_socket_refused),
		TEST(test_socket_taken_over),
		TEST(test_too_many_connections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
