// SPDX-License-Identifier: BSD-2-Clause
// The load generator: connections and what is asked over them, whoever carries them and whoever answers.

#pragma once

#include "bench/generator/histogram.h"
#include "bench/load/stack.h"

#include <time.h>

#define CLIENTS_MAX 131072u
#define DEPTH_MAX   32u // requests under way on one connection

enum job {
	JOB_NONE,
	JOB_OPEN,
	JOB_REQUESTS,
	JOB_CONNECTIONS,
	JOB_BULK
};

enum state {
	CLIENT_FREE,
	CLIENT_CONNECTING,
	CLIENT_OPEN
};

struct client {
	struct stack_end end;
	uint32_t sent; // places in the stream
	uint32_t seen;
	uint32_t left;   // bytes of the answer that comes, still to be seen
	uint32_t unsent; // bytes asked for that the stack has not taken
	uint16_t out;    // requests under way
	uint16_t first;  // of them, in `began`
	uint8_t state;
	uint64_t began[DEPTH_MAX]; // nanoseconds
};

struct load {
	struct client *clients; // the first `open` stay, those behind come and go
	uint32_t open;
	uint32_t connecting;
	enum job job;
	bool ending; // nothing new is begun
	bool closed_loop;
	bool endless;   // the server sends by itself
	uint16_t port;  // of the server
	uint32_t size;  // of a request, and of its answer
	uint32_t ahead; // bytes of bulk under way on a connection
	uint32_t next_client;
	// What each connection says first, and is echoed like all else; none: size 0
	char hello[16384];
	uint32_t hello_size;
	// free places of connections that come and go
	uint32_t *places;
	uint32_t n_places;
	// tallies of a job
	uint64_t asked;
	uint64_t done;
	uint64_t late; // were due and found no connection free until the end
	uint64_t wrong;
	uint64_t failed;
	uint64_t bytes;
	uint64_t all_done; // of the command from its beginning, what warmed up included
	uint64_t all_bytes;
	const char *why;        // the last failure
	struct histogram delay; // tenths of a microsecond
};

extern struct load load;

static inline uint64_t load_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

// client.c
// Begins to connect; false if that failed at once.
bool client_connect(struct client *c);
void client_drop(struct client *c);
// Sends `n` requests that were due at a time.
void client_ask(struct client *c, unsigned n, uint64_t due_ns);
// Sends as much bulk as may be under way.
void client_fill(struct client *c);

// job.c: each prints one JSON object.
void job_open(const char *args);
void job_drop(const char *args);
void job_hello(const char *args);
void job_requests(const char *args);
void job_connections(const char *args);
void job_bulk(const char *args);
