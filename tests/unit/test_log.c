// SPDX-License-Identifier: BSD-2-Clause
// Lines that go to the system's logger: their form, and what happens when it does not take them.

#include "postern/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

// cmocka.h needs the four before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

LOG_SUBSYSTEM("test");

static char path[64];

static int logger_open(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	unlink(path);
	memcpy(at.sun_path, path, sizeof(path));
	assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

static void expect(int fd, const char *end)
{
	char line[1024] = "";
	int priority = 0;
	char month[8], clock[16];
	int day = 0, pid = 0, at = 0;

	assert_true(recv(fd, line, sizeof(line) - 1, 0) > 0);
	assert_int_equal(sscanf(line, "<%d>%3s %d %8s postern[%d]: %n", &priority, month, &day,
				 clock, &pid, &at),
		5);
	assert_int_equal(priority, 3 * 8 + 4); // facility daemon, severity warning
	assert_int_equal(pid, getpid());
	assert_string_equal(line + at, end);
}

// Standard error goes to a file meanwhile; returns what was written.
static const char *said_to_stderr(const char *what)
{
	static char text[1024];
	const int kept = dup(STDERR_FILENO);
	FILE *f = tmpfile();

	dup2(fileno(f), STDERR_FILENO);
	LOG(WARNING, "%s", what);
	dup2(kept, STDERR_FILENO);
	close(kept);
	rewind(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	return text;
}

static void test_form(void **state)
{
	(void)state;
	const int fd = logger_open();

	postern_log_set_syslog(path);
	assert_string_equal(said_to_stderr("one"), "");
	expect(fd, "test: one");
	postern_log_set_syslog(NULL);
	assert_non_null(strstr(said_to_stderr("two"), "test: two"));
	assert_int_equal(recv(fd, (char[8]){0}, 8, 0), -1);
	close(fd);
}

static void test_logger_restarts(void **state)
{
	(void)state;
	int fd = logger_open();

	postern_log_set_syslog(path);
	said_to_stderr("one");
	expect(fd, "test: one");
	close(fd);
	assert_non_null(strstr(said_to_stderr("nobody listens"), "test: nobody listens"));
	fd = logger_open();
	assert_string_equal(said_to_stderr("again"), "");
	expect(fd, "test: again");
	close(fd);
	postern_log_set_syslog(NULL);
}

// Nobody reads: lines are not waited for.
static void test_logger_hangs(void **state)
{
	(void)state;
	const int fd = logger_open();
	unsigned sent = 0;

	postern_log_set_syslog(path);
	while (sent < 1000000 && said_to_stderr("more")[0] == '\0')
		sent++;
	assert_true(sent > 0);
	assert_true(sent < 1000000);
	close(fd);
	postern_log_set_syslog(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_form),
		cmocka_unit_test(test_logger_restarts),
		cmocka_unit_test(test_logger_hangs),
	};

	snprintf(path, sizeof(path), "/tmp/postern-test-log-%d", (int)getpid());
	const int failed = cmocka_run_group_tests_name("log", tests, NULL, NULL);

	unlink(path);
	return failed;
}
