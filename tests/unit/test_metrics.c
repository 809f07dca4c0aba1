// SPDX-License-Identifier: BSD-2-Clause
// Metrics: both text formats, scrapes in slices, and the bounds of the HTTP port.

#include "control/metrics/private.h"
#include "tests/unit/watch_fake.h"

#include <event2/buffer.h>
#include <event2/event.h>

// cmocka.h needs the four before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

// More turns of the loop than any test needs: one that waits in vain fails instead of hanging.
#define TURNS 2000000

static struct postern_service services[] = {{.id = 4, .name = "federation"}};
static struct postern_listen listens[] = {{.id = 1, .service = 4}, {.id = 2, .service = 4}};
static struct postern_outbound outbounds[] = {{.id = 5, .family = POSTERN_V4, .name = "out"},
	{.id = 6, .family = POSTERN_V6, .name = "out"}};
static struct postern_snapshot snapshot = {
	.outbounds = outbounds,
	.n_outbounds = 2,
	.services = services,
	.n_services = 1,
	.listens = listens,
	.n_listens = 2,
};

static const struct postern_snapshot *get_snapshot(void *daemon)
{
	(void)daemon;
	return &snapshot;
}

static struct metrics_source source;
static struct event_base *base;
static struct metrics_server *server;
static struct postern_endpoint at;

static int setup(void **state)
{
	(void)state;
	fake_reset();
	snapshot.epoch = 7;
	postern_endpoint_parse("192.0.2.20:5061", &listens[0].at);
	postern_endpoint_parse("[2001:db8::20]:5061", &listens[1].at);
	source = (struct metrics_source){
		.alarms = fake_alarms(),
		.started_wall_us = UINT64_C(1700000000123456),
		.config = fake_get_config,
		.snapshot = get_snapshot,
	};
	return source.alarms != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	alarm_set_free(source.alarms);
	return 0;
}

// A whole scrape, in slices of so many lines; the caller frees it.
static char *scrape(enum metrics_format format, unsigned lines)
{
	struct evbuffer *out = evbuffer_new();
	struct metrics_walk walk;
	int rc;

	metrics_walk_begin(&walk, &source, format);
	while ((rc = metrics_walk_step(&walk, out, lines)) == 1)
		continue;
	assert_int_equal(rc, 0);
	const size_t length = evbuffer_get_length(out);
	char *text = calloc(1, length + 1);
	assert_non_null(text);
	evbuffer_remove(out, text, length);
	evbuffer_free(out);
	return text;
}

static void expect_line(const char *text, const char *line)
{
	char whole[512];

	snprintf(whole, sizeof(whole), "\n%s\n", line);
	if (strstr(text, whole) == NULL)
		fail_msg("not there: %s", line);
}

static void test_open_format(void **state)
{
	(void)state;
	fake_sessions = 12;
	fake_flows = 34;
	fake_member_flows[1] = 3;
	fake_members[1].health = POOL_HEALTH_DOWN;
	fake_members[1].last_probe_ms = 1250;
	alarm_set_check(source.alarms);
	char *text = scrape(METRICS_OPEN, 100);
	static const char *const lines[] = {
		"# TYPE postern_rx_bytes counter",
		"# UNIT postern_rx_bytes bytes",
		"# HELP postern_rx_bytes bytes received, Ethernet header included",
		"postern_rx_bytes_total 1001",
		"# TYPE postern_build info",
		"postern_build_info{version=\"" POSTERN_VERSION "\"} 1",
		"process_start_time_seconds 1700000000.123456",
		"postern_sessions 12",
		"postern_sessions_limit 1000",
		"postern_flows 34",
		"postern_flows_limit 500",
		"postern_outbound_flows_opened_total{outbound=\"out\",family=\"ipv4\"} 500",
		"postern_outbound_flows_opened_total{outbound=\"out\",family=\"ipv6\"} 600",
		"postern_member_flows{pool=\"edge\",member=\"fe2\",address=\"10.0.0.12:5061\"} 3",
		"postern_member_flows_limit{pool=\"edge\",member=\"fe2\",address=\"10.0.0.12:5061"
		"\"} 0",
		"postern_records 5",
		"postern_records_limit 4096",
		"postern_records_pushed_out_total 2",
		"postern_packet_buffers_limit 8192",
		"postern_alarms{severity=\"degraded\"} 1",
		"postern_alarms{severity=\"down\"} 0",
		"postern_interface_up{interface=\"inside\"} 1",
		"postern_interface_rx_bytes_total{interface=\"outside\"} 7",
		"postern_listen_sessions_opened_total{service=\"federation\",listen=\"192.0.2.20:"
		"5061\"} 100",
		"postern_listen_sessions_opened_total{service=\"federation\",listen=\"[2001:db8::"
		"20]"
		":5061\"} 200",
		"postern_pool_members_accepting{pool=\"edge\"} 2",
		"postern_member_up{pool=\"edge\",member=\"fe2\",address=\"10.0.0.12:5061\"} 0",
		"postern_member_sessions_limit{pool=\"edge\",member=\"fe1\",address=\"10.0.0.11:"
		"5061\"} 129024",
		"postern_member_in_bytes_total{pool=\"edge\",member=\"fe1\",address=\"10.0.0.11:"
		"5061\"} 18446744073709551615",
		"postern_member_probe_duration_seconds{pool=\"edge\",member=\"fe2\",address=\"10.0."
		"0.12:5061\"} 1.250000",
	};
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		expect_line(text, lines[i]);
	assert_string_equal(text + strlen(text) - 7, "\n# EOF\n");
	free(text);
}

static void test_older_format(void **state)
{
	(void)state;
	char *text = scrape(METRICS_TEXT, 100);
	expect_line(text, "# TYPE postern_rx_bytes_total counter");
	expect_line(text, "# TYPE postern_build_info gauge");
	expect_line(text, "# TYPE postern_sessions gauge");
	assert_null(strstr(text, "# UNIT"));
	assert_null(strstr(text, "# EOF"));
	free(text);
}

static void test_every_counter_once(void **state)
{
	(void)state;
	char *text = scrape(METRICS_OPEN, 100);
	for (unsigned c = 0; c < POSTERN_COUNTER_COUNT; c++) {
		char name[128];
		snprintf(name, sizeof(name), "\npostern_%s_total ",
			postern_counter_name((enum postern_counter)c));
		for (char *s = name; *s != '\0'; s++)
			*s = *s == '-' ? '_' : *s;
		const char *found = strstr(text, name);
		if (found == NULL) {
			fail_msg("not there: %s", name);
			continue;
		}
		assert_int_equal(strtoull(found + strlen(name), NULL, 10),
			c == POSTERN_COUNTER_WORKER_BUSY_CYCLES ? 0 : 1000 + c);
		assert_null(strstr(found + 1, name));
	}
	free(text);
}

// A unit is the end of its family's name, names are unique, help is there and on one line.
static void test_families_are_sound(void **state)
{
	(void)state;
	for (unsigned i = 0; i < metrics_n_families; i++) {
		const struct metrics_family *f = &metrics_families[i];
		const size_t length = strlen(f->name);

		if (f->unit != NULL)
			assert_string_equal(f->name + length - strlen(f->unit), f->unit);
		assert_true(f->help[0] != '\0' && strpbrk(f->help, "\n\\\"") == NULL);
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(f->name, metrics_families[k].name);
	}
}

static void test_slices_make_the_same_text(void **state)
{
	(void)state;
	char *whole = scrape(METRICS_OPEN, 100000);
	for (unsigned lines = 2; lines < 40; lines++) {
		char *text = scrape(METRICS_OPEN, lines);
		assert_string_equal(text, whole);
		free(text);
	}
	free(whole);
}

static void test_reload_ends_a_scrape(void **state)
{
	struct evbuffer *out = evbuffer_new();
	struct metrics_walk walk;

	(void)state;
	metrics_walk_begin(&walk, &source, METRICS_OPEN);
	assert_int_equal(metrics_walk_step(&walk, out, 10), 1);
	snapshot.epoch++;
	assert_int_equal(metrics_walk_step(&walk, out, 10), -ESTALE);
	evbuffer_free(out);
}

static void test_escape(void **state)
{
	char text[16];

	(void)state;
	metrics_text_escape(text, sizeof(text), "a\"b\\c\nd");
	assert_string_equal(text, "a\\\"b\\\\c\\nd");
	metrics_text_escape(text, 6, "\"\"\"\"");
	assert_string_equal(text, "\\\"\\\"");
}

// The HTTP port.

static int start_server(void **state)
{
	char why[256];

	if (setup(state) != 0)
		return -1;
	base = event_base_new();
	// Any free port: tests may run side by side.
	for (uint16_t port = 20000; port < 60000; port = (uint16_t)(port + 7)) {
		at = (struct postern_endpoint){postern_addr_from_v4(htonl(INADDR_LOOPBACK)), port};
		if (metrics_server_new(base, &at, &source, &server, why, sizeof(why)) == 0)
			return 0;
	}
	return -1;
}

static int stop_server(void **state)
{
	metrics_server_free(server);
	event_base_free(base);
	return teardown(state);
}

static int dial(void)
{
	const struct sockaddr_in to = {.sin_family = AF_INET,
		.sin_port = htons(at.port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	// The kernel accepts for a listener whose program is busy.
	assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static void send_text(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

// Everything up to the end of the stream, or, if `enough` is not NULL, until that has come.
static char *receive(int fd, const char *enough)
{
	size_t length = 0, size = 32 << 20;
	char *text = calloc(1, size);

	assert_non_null(text);
	for (unsigned turn = 0; turn < TURNS; turn++) {
		event_base_loop(base, EVLOOP_NONBLOCK);
		const ssize_t got = recv(fd, text + length, size - length - 1, 0);
		if (got == 0 || (got < 0 && errno == ECONNRESET))
			return text;
		if (got > 0)
			length += (size_t)got;
		if (enough != NULL && strstr(text, enough) != NULL)
			return text;
	}
	fail_msg("nothing more after: %s", text);
	return text;
}

static void expect_answer(const char *request, const char *status, const char *holds)
{
	const int fd = dial();

	send_text(fd, request);
	char *text = receive(fd, NULL);
	if (strncmp(text, status, strlen(status)) != 0 || strstr(text, holds) == NULL)
		fail_msg("%s: %s", request, text);
	free(text);
	close(fd);
}

#define CLOSE "Host: x\r\nConnection: close\r\n"

static void test_answers(void **state)
{
	(void)state;
	expect_answer("GET /metrics HTTP/1.1\r\n" CLOSE "\r\n", "HTTP/1.1 200",
		"Content-Type: text/plain; version=0.0.4");
	expect_answer("GET /metrics HTTP/1.1\r\n" CLOSE
		      "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n\r\n",
		"HTTP/1.1 200",
		"Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8");
	expect_answer("GET /metrics HTTP/1.1\r\n" CLOSE
		      "Accept: application/openmetrics-text\r\n\r\n",
		"HTTP/1.1 200", "# EOF\n\r\n0\r\n\r\n");
	expect_answer("GET /metrics?x=y HTTP/1.0\r\n\r\n", "HTTP/1.0 200", "postern_sessions 0\n");
	expect_answer("GET / HTTP/1.1\r\n" CLOSE "\r\n", "HTTP/1.1 404", "/metrics");
	expect_answer("HEAD /metrics HTTP/1.1\r\n" CLOSE "\r\n", "HTTP/1.1 405", "Allow: GET");
	expect_answer("POST /metrics HTTP/1.1\r\n" CLOSE "Content-Length: 0\r\n\r\n",
		"HTTP/1.1 405", "Allow: GET");
}

static void test_health(void **state)
{
	(void)state;
	expect_answer("GET /healthz HTTP/1.1\r\n" CLOSE "\r\n", "HTTP/1.1 200", "\nok\n");
	fake_members[0].health = POOL_HEALTH_DOWN;
	alarm_set_check(source.alarms);
	expect_answer("GET /healthz HTTP/1.1\r\n" CLOSE "\r\n", "HTTP/1.1 200", "\ndegraded\n");
	fake_members[1].health = fake_members[2].health = POOL_HEALTH_DOWN;
	alarm_set_check(source.alarms);
	expect_answer("GET /healthz HTTP/1.1\r\n" CLOSE "\r\n", "HTTP/1.1 503", "\ndown\n");
}

static void test_nonsense(void **state)
{
	static char large[20000];
	static const char *const requests[] = {"\r\n\r\n\r\n", "GET\r\n\r\n",
		"GET /metrics\r\n\r\n", "\x16\x03\x01\x02\x03\r\n\r\n",
		"GET /metrics HTTP/9.9\r\n\r\n",
		"GET http://[::1/metrics HTTP/1.1\r\n" CLOSE "\r\n",
		"POST /metrics HTTP/1.1\r\n" CLOSE "Content-Length: 1000000\r\n\r\n",
		"POST /metrics HTTP/1.1\r\n" CLOSE "Content-Length: -1\r\n\r\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		const int fd = dial();
		send_text(fd, requests[i]);
		shutdown(fd, SHUT_WR);
		char *text = receive(fd, NULL);
		assert_null(strstr(text, "postern_sessions"));
		free(text);
		close(fd);
	}
	snprintf(large, sizeof(large), "GET /metrics HTTP/1.1\r\nX: %0*d\r\n\r\n", 19000, 0);
	const int fd = dial();
	send_text(fd, large);
	char *text = receive(fd, NULL);
	assert_null(strstr(text, "200 OK"));
	free(text);
	close(fd);
	expect_answer("GET /healthz HTTP/1.1\r\n" CLOSE "\r\n", "HTTP/1.1 200", "\nok\n");
}

// Who opens many connections takes up so many and no more, and others come when some are closed.
static void test_connections_are_bounded(void **state)
{
	int held[24];

	(void)state;
	for (int i = 0; i < 24; i++) {
		held[i] = dial();
		send_text(held[i], "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
		if (i < 16)
			free(receive(held[i], "\nok\n"));
	}
	for (int turn = 0; turn < 1000; turn++)
		event_base_loop(base, EVLOOP_NONBLOCK);
	char byte;
	for (int i = 16; i < 24; i++)
		assert_true(recv(held[i], &byte, 1, 0) < 0 && errno == EAGAIN);
	for (int i = 0; i < 8; i++)
		close(held[i]);
	for (int i = 16; i < 24; i++)
		free(receive(held[i], "\nok\n"));
	for (int i = 8; i < 24; i++)
		close(held[i]);
}

// Clients that go in the middle of everything leave nothing behind.
static void test_clients_that_go(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) {
		const int fd = dial();
		const struct linger reset = {.l_onoff = i % 2, .l_linger = 0};
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		if (i % 3 != 0)
			send_text(fd, i % 3 == 1 ? "GET /metr"
						 : "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
		for (int turn = 0; turn < i % 5; turn++)
			event_base_loop(base, EVLOOP_NONBLOCK);
		close(fd);
		// Now and then, so that the kernel's queue has room for the next.
		if (i % 10 == 9)
			expect_answer(
				"GET /healthz HTTP/1.1\r\n" CLOSE "\r\n", "HTTP/1.1 200", "\nok\n");
	}
	// One that never reads is there at the end.
	const int fd = dial();
	send_text(fd, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
	for (int turn = 0; turn < 10; turn++)
		event_base_loop(base, EVLOOP_NONBLOCK);
	close(fd);
}

static void test_reload_breaks_off(void **state)
{
	// Some 9 MB, more than the kernel's buffers take at once.
	static struct postern_listen many[20000];

	(void)state;
	snapshot.listens = many;
	snapshot.n_listens = 20000;
	const int fd = dial();
	send_text(fd, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
	free(receive(fd, "postern_"));
	snapshot.epoch++;
	char *text = receive(fd, NULL);
	snapshot.listens = listens;
	snapshot.n_listens = 2;
	assert_null(strstr(text, "postern_member_probe_duration_seconds"));
	assert_null(strstr(text, "\r\n0\r\n\r\n"));
	free(text);
	close(fd);
}

static void test_address_is_taken(void **state)
{
	struct metrics_server *second = NULL;
	struct postern_endpoint far;
	char why[256];

	(void)state;
	assert_int_equal(
		metrics_server_new(base, &at, &source, &second, why, sizeof(why)), -EADDRINUSE);
	assert_non_null(strstr(why, "postern.metrics: 127.0.0.1:"));
	assert_non_null(strstr(why, "another port"));
	postern_endpoint_parse("192.0.2.1:9464", &far);
	assert_int_equal(
		metrics_server_new(base, &far, &source, &second, why, sizeof(why)), -EADDRNOTAVAIL);
	assert_non_null(strstr(why, "ip address show"));
	assert_null(second);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define HTTP(name) cmocka_unit_test_setup_teardown(name, start_server, stop_server)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_open_format),
		TEST(test_older_format),
		TEST(test_every_counter_once),
		TEST(test_families_are_sound),
		TEST(test_slices_make_the_same_text),
		TEST(test_reload_ends_a_scrape),
		TEST(test_escape),
		HTTP(test_answers),
		HTTP(test_health),
		HTTP(test_nonsense),
		HTTP(test_connections_are_bounded),
		HTTP(test_clients_that_go),
		HTTP(test_reload_breaks_off),
		HTTP(test_address_is_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
