// SPDX-License-Identifier: BSD-2-Clause
// What the load generator can be told to do.

#include "bench/load/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECOND 1000000000ull // nanoseconds

static double argument(const char *args, const char *name, double otherwise)
{
	const size_t length = strlen(name);

	for (const char *at = args; (at = strstr(at, name)) != NULL; at += length)
		if (at[length] == '=' && (at == args || at[-1] == ' '))
			return strtod(at + length + 1, NULL);
	return otherwise;
}

static void begin(enum job job)
{
	load.job = job;
	load.ending = false;
	load.asked = load.done = load.late = load.wrong = load.failed = load.bytes = 0;
	load.all_done = load.all_bytes = 0;
	load.why = "";
	memset(&load.delay, 0, sizeof(load.delay));
}

// For tallies without what only warms up.
static void forget(void)
{
	load.asked = load.done = load.late = load.bytes = 0;
	memset(&load.delay, 0, sizeof(load.delay));
}

static void print_delay(void)
{
	static const struct {
		const char *name;
		double permille;
	} all[] = {{"50", 500}, {"90", 900}, {"99", 990}, {"99.9", 999}};

	printf("\"delay_us\": {");
	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		printf("\"%s\": %.1f, ", all[i].name,
			(double)histogram_permille(&load.delay, all[i].permille) / 10);
	printf("\"most\": %.1f}", (double)load.delay.most / 10);
}

static void print(uint64_t ns, uint64_t unfinished, uint64_t flooded)
{
	printf("{\"seconds\": %.6f, \"asked\": %lu, \"done\": %lu, \"bytes\": %lu, \"late\": %lu, "
	       "\"wrong\": %lu, \"failed\": %lu, \"unfinished\": %lu, \"flooded\": %lu, "
	       "\"open\": %u, \"all_done\": %lu, \"all_bytes\": %lu, \"why\": \"%s\", ",
		(double)ns / SECOND, load.asked, load.done, load.bytes, load.late, load.wrong,
		load.failed, unfinished, flooded, load.open, load.all_done, load.all_bytes,
		load.why);
	print_delay();
	printf("}\n");
}

// hello file=: what each connection says first from now on.
void job_hello(const char *args)
{
	const char *path = strstr(args, "file=");
	char name[256] = "";
	FILE *f;

	if (path != NULL)
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(path + 5, " \n"), path + 5);
	f = fopen(name, "rb");
	if (f == NULL) {
		printf("{\"error\": \"no such file\"}\n");
		return;
	}
	load.hello_size = (uint32_t)fread(load.hello, 1, sizeof(load.hello), f);
	fclose(f);
	printf("{\"bytes\": %u}\n", load.hello_size);
}

// open conns= port= window= seconds=: so many more connections that stay.
void job_open(const char *args)
{
	const uint32_t wanted = (uint32_t)argument(args, "conns", 1);
	const uint32_t window = (uint32_t)argument(args, "window", 64);
	const uint64_t began = load_now_ns();
	const uint64_t end = began + (uint64_t)(argument(args, "seconds", 30) * SECOND);
	const uint32_t target = load.open + wanted;

	begin(JOB_OPEN);
	load.port = (uint16_t)argument(args, "port", 7);
	load.endless = load.port == 19;
	if (target > CLIENTS_MAX) {
		printf("{\"error\": \"at most %u\"}\n", CLIENTS_MAX);
		return;
	}
	while (load_now_ns() < end && load.failed == 0) {
		while (load.open < target && load.connecting < window &&
			client_connect(&load.clients[load.open]))
			load.open++;
		// Their first words have been answered as well.
		if (load.open == target && load.connecting == 0 &&
			load.bytes >= (uint64_t)wanted * load.hello_size)
			break;
		stack_turn();
	}
	load.failed += load.connecting;
	print(load_now_ns() - began, 0, 0);
}

// drop: all connections are reset.
void job_drop(const char *args)
{
	(void)args;
	load.job = JOB_NONE;
	for (uint32_t i = 0; i < load.open; i++) {
		client_drop(&load.clients[i]);
		if (i % 64 == 63)
			stack_turn();
	}
	load.open = 0;
	for (const uint64_t end = load_now_ns() + SECOND / 20; load_now_ns() < end;)
		stack_turn();
	printf("{}\n");
}

static uint64_t unfinished(uint32_t conns)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < conns; i++)
		n += load.clients[i].out;
	return n;
}

// What is under way may come in.
static void drain(uint32_t conns, double seconds)
{
	const uint64_t end = load_now_ns() + (uint64_t)(seconds * SECOND);

	load.ending = true;
	while (load_now_ns() < end && unfinished(conns) > 0)
		for (unsigned i = 0; i < 256; i++)
			stack_turn();
}

// Requests begun in one turn, and connections looked at for one: what has been missed while somebody else had
// the CPU does not fill the link's ring at once.
#define DUE_MOST 64u

// A connection with fewer than `depth` under way, one after another; NULL: those next in turn have none.
static struct client *next_free(uint32_t conns, uint32_t depth)
{
	static uint32_t at;

	for (unsigned i = 0; i < DUE_MOST; i++) {
		struct client *c = &load.clients[at++ % conns];

		if (c->state == CLIENT_OPEN && c->out < depth)
			return c;
	}
	return NULL;
}

// Requests that are due by a rate. Those that find no connection free wait, and their time counts.
static void ask_due(uint32_t conns, uint32_t depth, uint64_t *due_ns, double step_ns, double *part)
{
	const uint64_t now_ns = load_now_ns();

	for (unsigned i = 0; *due_ns <= now_ns && i < DUE_MOST; i++) {
		struct client *c = next_free(conns, depth);

		if (c == NULL)
			return;
		client_ask(c, 1, *due_ns);
		*part += step_ns;
		*due_ns += (uint64_t)*part;
		*part -= (double)(uint64_t)*part;
	}
}

// requests conns= depth= size= seconds= rate= warm= flood= spread=: over connections that are open;
// without a rate each has `depth` under way.
void job_requests(const char *args)
{
	const double rate = argument(args, "rate", 0);
	const double flood = argument(args, "flood", 0);
	uint32_t conns = (uint32_t)argument(args, "conns", load.open);
	uint32_t depth = (uint32_t)argument(args, "depth", 1);
	uint64_t began = load_now_ns();
	const uint64_t warm = began + (uint64_t)(argument(args, "warm", 0.1) * SECOND);
	const uint64_t end = warm + (uint64_t)(argument(args, "seconds", 1) * SECOND);
	uint64_t due_ns = began, now_ns, flooded = stack_flooded();
	bool warming = true;
	double part = 0;

	begin(JOB_REQUESTS);
	load.size = (uint32_t)argument(args, "size", 256);
	load.closed_loop = rate <= 0;
	conns = conns < load.open ? conns : load.open;
	depth = depth < DEPTH_MAX ? depth : DEPTH_MAX;
	if (conns == 0 || !stack_flood(flood, (uint32_t)argument(args, "spread", 1e7), load.port)) {
		printf("{\"error\": \"no connection is open, or no flood can be made\"}\n");
		return;
	}
	for (uint32_t i = 0; rate <= 0 && i < conns; i++) {
		client_ask(&load.clients[i], depth, load_now_ns());
		if (i % 64 == 63)
			stack_turn();
	}
	while ((now_ns = load_now_ns()) < end) {
		if (warming && now_ns >= warm) {
			warming = false;
			forget();
			began = now_ns;
			flooded = stack_flooded();
		}
		if (rate > 0)
			ask_due(conns, depth, &due_ns, 1e9 / rate, &part);
		stack_turn();
	}
	const uint64_t ns = load_now_ns() - began;

	const uint64_t done = load.done;

	if (rate > 0)
		load.late = due_ns < end ? (uint64_t)((double)(end - due_ns) * rate / 1e9) : 0;
	flooded = stack_flooded() - flooded;
	stack_flood(0, 0, 0);
	// What is under way belongs to nobody's time, unless it is as much as was due that counts.
	drain(conns, rate > 0 ? 0.01 : 1);
	load.done = rate > 0 ? load.done : done;
	const uint64_t left = unfinished(conns);

	drain(conns, 1);
	print(ns, left, flooded);
}

// connections window= size= seconds= rate= warm= flood= spread=: connect, ask, be answered, close.
void job_connections(const char *args)
{
	uint32_t window = (uint32_t)argument(args, "window", 64);
	const double rate = argument(args, "rate", 0);
	uint64_t began = load_now_ns();
	const uint64_t warm = began + (uint64_t)(argument(args, "warm", 0.1) * SECOND);
	const uint64_t end = warm + (uint64_t)(argument(args, "seconds", 1) * SECOND);
	uint64_t now_ns;
	bool warming = true;
	double due = 0;
	uint64_t last_ns = began, flooded = stack_flooded();

	begin(JOB_CONNECTIONS);
	load.port = (uint16_t)argument(args, "port", 7);
	if (!stack_flood(argument(args, "flood", 0), (uint32_t)argument(args, "spread", 1e7),
		    load.port)) {
		printf("{\"error\": \"no flood can be made\"}\n");
		return;
	}
	load.size = (uint32_t)argument(args, "size", 256);
	window = window < CLIENTS_MAX - load.open ? window : CLIENTS_MAX - load.open;
	load.n_places = 0;
	for (uint32_t i = 0; i < window; i++)
		load.places[load.n_places++] = load.open + i;
	while ((now_ns = load_now_ns()) < end) {
		if (warming && now_ns >= warm) {
			warming = false;
			forget();
			began = now_ns;
			flooded = stack_flooded();
		}
		due = rate > 0 ? due + (double)(now_ns - last_ns) * rate / 1e9 : window;
		last_ns = now_ns;
		for (; load.n_places > 0 && due >= 1; due--) {
			struct client *c = &load.clients[load.places[--load.n_places]];

			load.asked++;
			if (!client_connect(c)) {
				load.places[load.n_places++] = (uint32_t)(c - load.clients);
				break;
			}
			c->began[0] = now_ns;
		}
		stack_turn();
	}
	const uint64_t ns = load_now_ns() - began, done = load.done;

	flooded = stack_flooded() - flooded;
	stack_flood(0, 0, 0);
	for (const uint64_t late = load_now_ns() + SECOND;
		load.n_places < window && load_now_ns() < late;)
		stack_turn();
	load.done = rate > 0 ? load.done : done;
	const uint64_t left = window - load.n_places;

	load.job = JOB_NONE;
	for (uint32_t i = 0; i < window; i++)
		client_drop(&load.clients[load.open + i]);
	print(ns, left, flooded);
}

// bulk seconds= ahead= warm=: as much as goes over all open connections.
void job_bulk(const char *args)
{
	uint64_t began = load_now_ns();
	const uint64_t warm = began + (uint64_t)(argument(args, "warm", 0.1) * SECOND);
	const uint64_t end = warm + (uint64_t)(argument(args, "seconds", 1) * SECOND);
	const bool naps = argument(args, "nap", 0) > 0;
	bool warming = true;
	uint64_t now_ns;

	begin(JOB_BULK);
	load.ahead = (uint32_t)argument(args, "ahead", 262144);
	for (uint32_t i = 0; i < load.open; i++)
		client_fill(&load.clients[i]);
	while ((now_ns = load_now_ns()) < end) {
		if (warming && now_ns >= warm) {
			warming = false;
			forget();
			began = now_ns;
		}
		if (!stack_turn() && naps)
			usleep(50);
	}
	load.ending = true;
	print(load_now_ns() - began, 0, 0);
	load.job = JOB_NONE;
}
