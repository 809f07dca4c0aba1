// SPDX-License-Identifier: BSD-2-Clause
// The load generator's start, and commands from standard input: one a line, one JSON object each.

#include "bench/load/load.h"

#include "bench/load/pattern.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct load load;

static const struct {
	const char *name;
	void (*run)(const char *args);
} commands[] = {
	{"bulk", job_bulk},
	{"connections", job_connections},
	{"drop", job_drop},
	{"hello", job_hello},
	{"open", job_open},
	{"requests", job_requests},
};

static void command(char *line)
{
	char *args = line + strcspn(line, " \n");

	if (*args != '\0')
		*args++ = '\0';
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, line) == 0) {
			commands[i].run(args);
			fflush(stdout);
			return;
		}
	printf("{\"error\": \"no such command\"}\n");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	char line[512];

	setvbuf(stdin, NULL, _IONBF, 0);
	pattern_init();
	load.clients = calloc(CLIENTS_MAX, sizeof(*load.clients));
	load.places = calloc(CLIENTS_MAX, sizeof(*load.places));
	if (load.clients == NULL || load.places == NULL) {
		fprintf(stderr, "no memory\n");
		return 1;
	}
	stack_open(argc, argv);
	printf("{\"ready\": true}\n");
	fflush(stdout);
	for (;;) {
		if (poll(&in, 1, 0) > 0) {
			if (fgets(line, sizeof(line), stdin) == NULL)
				return 0;
			command(line);
		} else if (!stack_turn()) {
			usleep(50);
		}
	}
}
