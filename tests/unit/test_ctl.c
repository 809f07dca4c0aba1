// SPDX-License-Identifier: BSD-2-Clause
// posternctl without a server: how words become parameters, and what a terminal is shown.

#include "control/ctl/ctl.h"

// cmocka.h needs the four before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <stdlib.h>
#include <string.h>

static const char described[] =
	"{\"name\": \"member.set\", \"params\": ["
	"{\"name\": \"member\", \"type\": \"string\", \"required\": true, \"positional\": true},"
	"{\"name\": \"state\", \"type\": \"string\", \"required\": true, \"positional\": true},"
	"{\"name\": \"limit\", \"type\": \"integer\", \"positional\": false},"
	"{\"name\": \"wait\", \"type\": \"boolean\", \"positional\": false},"
	"{\"name\": \"file\", \"type\": \"string\", \"positional\": false}]}";

static json_t *method;

static int setup(void **state)
{
	(void)state;
	method = json_loads(described, 0, NULL);
	return method ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	json_decref(method);
	return 0;
}

// Splits a line at its spaces.
static json_t *params_of(const char *line)
{
	char *words[16];
	size_t n = 0;
	char *copy = strdup(line);

	assert_non_null(copy);
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		words[n++] = word;
	json_t *params = ctl_args_params(method, words, n);
	free(copy);
	return params;
}

static void expect_params(const char *line, const char *json)
{
	json_t *params = params_of(line);
	json_t *wanted = json_loads(json, 0, NULL);

	assert_non_null(wanted);
	assert_non_null(params);
	assert_true(json_equal(params, wanted));
	json_decref(wanted);
	json_decref(params);
}

static void test_ways_to_say_it(void **state)
{
	static const char wanted[] = "{\"member\": \"edge/fe1\", \"state\": \"drain\"}";

	(void)state;
	expect_params("edge/fe1 drain", wanted);
	expect_params("edge/fe1 state drain", wanted);
	expect_params("edge/fe1 state=drain", wanted);
	expect_params("edge/fe1 --state drain", wanted);
	expect_params("--state=drain edge/fe1", wanted);
	expect_params("state=drain member=edge/fe1", wanted);
	expect_params("state drain member edge/fe1", wanted);
}

static void test_values(void **state)
{
	(void)state;
	expect_params("", "{}");
	expect_params("limit=5 --wait", "{\"limit\": 5, \"wait\": true}");
	expect_params("--limit -5 wait=no", "{\"limit\": -5, \"wait\": false}");
	// A value may look like a pair, and a last word like a name.
	expect_params("a=b", "{\"member\": \"a=b\"}");
	expect_params("x member", "{\"member\": \"x\", \"state\": \"member\"}");
	expect_params("state=a=b", "{\"state\": \"a=b\"}");
	expect_params("state=", "{\"state\": \"\"}");
	expect_params("file=/a/b", "{\"file\": \"/a/b\"}");
	json_t *params = params_of("file=b");
	assert_true(json_string_value(json_object_get(params, "file"))[0] == '/');
	json_decref(params);
}

static void test_mistakes(void **state)
{
	static const char *const lines[] = {"a b c", "count=3", "--count=3", "a count=3",
		"--nosuch", "limit=x", "limit=1.5", "limit=99999999999999999999",
		"limit=", "wait=perhaps", "limit=1 limit=2", "--limit"};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_null(params_of(lines[i]));
}

static void expect_safe(const char *in, bool lines, const char *out)
{
	char *text = ctl_text_safe(in, lines);

	assert_string_equal(text, out);
	free(text);
}

static void test_terminal(void **state)
{
	(void)state;
	expect_safe("plain gr\xc3\xbc\xc3\x9f", false, "plain gr\xc3\xbc\xc3\x9f");
	expect_safe("\x1b[31m\r\n\t\x7f", false, "\\x1b[31m\\x0d\\x0a\\x09\\x7f");
	expect_safe("a\n\tb\r", true, "a\n\tb\\x0d");
	// A C1 control, right-to-left override, zero-width space, a tag character, a stray byte.
	expect_safe("\xc2\x9b \xe2\x80\xae \xe2\x80\x8b", false, "\\u009b \\u202e \\u200b");
	expect_safe("\xf3\xa0\x80\x81 \xff", false, "\\U000e0001 \\xff");
}

static void expect_shown(const char *key, const char *json, const char *out)
{
	json_t *value = json_loads(json, JSON_DECODE_ANY, NULL);
	char *text = ctl_text_value(key, value);

	assert_string_equal(text, out);
	free(text);
	json_decref(value);
}

static void test_units(void **state)
{
	(void)state;
	expect_shown("since-ms", "999", "999 ms");
	expect_shown("since-ms", "12345", "12.3 s");
	expect_shown("since-ms", "3599999", "59m 59s");
	expect_shown("since-ms", "86399999", "23h 59m");
	expect_shown("since-ms", "90000000", "1d 01h");
	expect_shown("bytes-in", "999", "999 B");
	expect_shown("bytes-in", "1500", "1.5 kB");
	expect_shown("rx-bytes", "999949", "999.9 kB");
	expect_shown("rx-bytes", "999951", "1.0 MB");
	expect_shown("bytes-in", "9223372036854775807", "9.2 EB");
	expect_shown("opened", "1500", "1500");
	expect_shown("x", "null", "-");
	expect_shown("x", "\"\"", "-");
	expect_shown("x", "[]", "-");
	expect_shown("x", "[\"a\", {\"name\": \"b\"}]", "a, b");
}

static void test_table(void **state)
{
	json_t *rows = json_loads("[{\"name\": \"a\", \"n\": 5, \"since-ms\": 1},"
				  " {\"name\": \"b\xc3\xbc"
				  "c\", \"n\": null, \"since-ms\": 20}]",
		0, NULL);
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);

	(void)state;
	assert_non_null(to);
	ctl_table(to, rows, 1);
	fclose(to);
	assert_string_equal(text, " NAME  N  SINCE\n"
				  " a     5   1 ms\n"
				  " b\xc3\xbc"
				  "c   -  20 ms\n");
	free(text);
	json_decref(rows);
}

static void test_mistakes_in_a_file(void **state)
{
	json_t *result = json_loads(
		"{\"file\": \"/etc/p.yaml\", \"pools\": 1, \"needs-restart\": ["
		"{\"field\": \"a.b\", \"line\": 7, \"what\": \"is wrong\", \"expected\": "
		"\"right\"},"
		"{\"field\": \"c\", \"line\": null, \"what\": \"is bad\", \"expected\": null}]}",
		0, NULL);
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);

	(void)state;
	assert_non_null(to);
	ctl_print(to, result);
	fclose(to);
	assert_non_null(strstr(text, "\n/etc/p.yaml:7: a.b: is wrong; right\n"
				     "/etc/p.yaml: c: is bad\n"));
	free(text);
	json_decref(result);
}

// What an answer says to people stands for the rest of it.
static void test_text_of_an_answer(void **state)
{
	json_t *result = json_pack(
		"{s:[{s:s}], s:s}", "records", "name", "a", "text", "two lines\nof \033text\n");
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);

	(void)state;
	assert_non_null(to);
	ctl_print(to, result);
	fclose(to);
	assert_true(strncmp(text, "two lines\nof ", 13) == 0);
	assert_null(strchr(text, '\033'));
	assert_null(strstr(text, "ecords"));
	free(text);
	json_decref(result);
}

static void test_rates(void **state)
{
	json_t *before = json_pack("{s:I, s:I}", "x", (json_int_t)1000, "y", (json_int_t)1000);
	json_t *after = json_pack("{s:I, s:I}", "x", (json_int_t)3001, "y", (json_int_t)10);

	(void)state;
	assert_int_equal(ctl_watch_rate(before, after, "x", 1000000000), 2001);
	assert_int_equal(ctl_watch_rate(before, after, "x", 2000000000), 1001); // 1000.5
	assert_int_equal(ctl_watch_rate(before, after, "y", 1000000000), 0);    // a restart
	assert_int_equal(ctl_watch_rate(before, after, "z", 1000000000), 0);
	assert_int_equal(ctl_watch_rate(before, after, "x", 0), 0);
	json_decref(before);
	json_decref(after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ways_to_say_it),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_terminal),
		cmocka_unit_test(test_units),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_mistakes_in_a_file),
		cmocka_unit_test(test_text_of_an_answer),
		cmocka_unit_test(test_rates),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
