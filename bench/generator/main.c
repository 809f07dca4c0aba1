// SPDX-License-Identifier: BSD-2-Clause
// The generator's start, and commands from standard input: one a line, one JSON object each.
// Between commands it goes on answering.

#include "base/arena.h"
#include "bench/generator/generator.h"

#include <rte_cycles.h>

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_SIZE 1024

double argument(const char *args, const char *name, double otherwise)
{
	const size_t length = strlen(name);

	for (const char *at = args; (at = strstr(at, name)) != NULL; at += length)
		if (at[length] == '=' && (at == args || at[-1] == ' '))
			return strtod(at + length + 1, NULL);
	return otherwise;
}

// member index=N mode=0|1|2: it accepts, refuses, or is silent.
static void member_command(struct generator *g, const char *args)
{
	g->modes[(uint16_t)argument(args, "index", 0)] = (uint8_t)argument(args, "mode", 0);
	printf("{}\n");
}

static void find_command(struct generator *g, const char *args)
{
	(void)args;
	printf("{\"found\": %s}\n", link_find_peer(g) ? "true" : "false");
}

// What is sent will come back as it is: sessions are only made up.
static void echo_command(struct generator *g, const char *args)
{
	const uint32_t n = (uint32_t)argument(args, "flows", 1000);

	g->echo = true;
	for (uint32_t i = 0; i < n && i < FLOWS_MAX; i++)
		g->flows[i] = (struct flow){.number = i, .v6 = argument(args, "family", 4) > 4};
	printf("{}\n");
}

static const struct {
	const char *name;
	void (*run)(struct generator *g, const char *args);
} commands[] = {
	{"echo", echo_command},
	{"find", find_command},
	{"member", member_command},
	{"new", new_command},
	{"open", open_command},
	{"replay", replay_command},
	{"send", send_command},
};

static void command(struct generator *g, char *line)
{
	char *args = strchr(line, ' ');

	line[strcspn(line, "\n")] = '\0';
	if (args != NULL)
		*args++ = '\0';
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, line) == 0) {
			commands[i].run(g, args != NULL ? args : "");
			fflush(stdout);
			return;
		}
	printf("{\"error\": \"no such command\"}\n");
	fflush(stdout);
}

// False at the end of input.
static bool read_command(struct generator *g)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	char line[LINE_SIZE];

	if (poll(&in, 1, 0) <= 0)
		return true;
	if (fgets(line, sizeof(line), stdin) == NULL)
		return false;
	command(g, line);
	return true;
}

int main(int argc, char **argv)
{
	static struct generator g;

	setvbuf(stdin, NULL, _IONBF, 0);
	g.hz = 1;
	link_open(&g, argc, argv);
	g.hz = rte_get_tsc_hz();
	g.start = rte_rdtsc();
	g.random = g.start;
	g.flows = base_arena_map((FLOWS_MAX + 1) * sizeof(*g.flows));
	g.modes = calloc(MEMBERS, 1);
	g.free = calloc(PASSING, sizeof(*g.free));
	if (g.flows == NULL || g.modes == NULL || g.free == NULL) {
		fprintf(stderr, "generator: no memory\n");
		return 1;
	}
	printf("{\"ready\": true}\n");
	fflush(stdout);
	while (read_command(&g))
		if (link_turn(&g) == 0)
			usleep(50);
	return 0;
}
