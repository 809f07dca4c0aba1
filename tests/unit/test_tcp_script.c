// SPDX-License-Identifier: BSD-2-Clause
// Plays the scripts of a folder against the TCP engine. tcp/README.md says how they are written. The
// folder is given as an argument; by default the one of the source tree.

#include "tcp_script.h"

// cmocka.h needs the four before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILES_MAX 512

static const char *folder = "tests/unit/tcp";

static void rig_wrong(const char *what, const char *file, int line)
{
	char text[512];

	snprintf(text, sizeof(text), "%s:%d: %s", file, line, what);
	tcp_script_wrong(text);
}

void tcp_script_wrong(const char *what)
{
	print_error("%s: %s\n", tcp_script_place(), what);
	fail();
	abort();
}

static void play(const char *name, bool v6)
{
	char path[600];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "r");
	assert_non_null(f);
	tcp_script_play(f, path, v6);
	fclose(f);
}

static void test_v4(void **state)
{
	play(*state, false);
}

static void test_v6(void **state)
{
	play(*state, true);
}

static int use_cmocka(void **state)
{
	(void)state;
	tcp_rig_failed = rig_wrong;
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct CMUnitTest *)a)->name, ((const struct CMUnitTest *)b)->name);
}

int main(int argc, char **argv)
{
	static struct CMUnitTest tests[FILES_MAX];
	size_t n = 0;

	if (argc > 1)
		folder = argv[1];
	DIR *dir = opendir(folder);

	if (dir == NULL) {
		perror(folder);
		return 1;
	}
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		const size_t length = strlen(e->d_name);

		if (length < 5 || strcmp(e->d_name + length - 4, ".pkt") != 0 ||
			n + 2 > FILES_MAX || (argc > 2 && strstr(e->d_name, argv[2]) == NULL))
			continue;
		for (unsigned v6 = 0; v6 < 2; v6++) {
			char name[300];

			snprintf(name, sizeof(name), "%s %s", e->d_name, v6 ? "v6" : "v4");
			tests[n++] = (struct CMUnitTest){.name = strdup(name),
				.test_func = v6 ? test_v6 : test_v4,
				.initial_state = strdup(e->d_name)};
		}
	}
	closedir(dir);
	qsort(tests, n, sizeof(tests[0]), compare);
	// A folder without scripts would pass.
	const int failed =
		n == 0 ? 1 : _cmocka_run_group_tests("tcp_script", tests, n, use_cmocka, NULL);

	for (size_t i = 0; i < n; i++) {
		free(tests[i].initial_state);
		free((char *)(uintptr_t)tests[i].name);
	}
	return failed;
}
