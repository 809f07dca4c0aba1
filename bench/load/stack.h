// SPDX-License-Identifier: BSD-2-Clause
// What the load generator wants of whoever carries its connections: our engine, or the kernel's sockets.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tcp_conn;

// One end of a connection, in the user's memory.
struct stack_end {
	struct tcp_conn *conn; // of the engine
	int fd;                // of sockets
	bool stuck;            // there was less room than was to be written
};

// Reads its own words of the command line. Ends the process if something fails.
void stack_open(int argc, char **argv);
// A turn: the calls below are made from within. False if nothing has happened.
bool stack_turn(void);

// Begins to connect from the address of a client, counted from 0. 0 or a negative errno.
int stack_connect(struct stack_end *e, uint32_t client, uint16_t port);
// Returns how many bytes were taken; if fewer, user_room() follows.
size_t stack_write(struct stack_end *e, const void *bytes, size_t n);
// The end is not the stack's any more: after what was written, or at once with a reset.
void stack_close(struct stack_end *e);
void stack_abort(struct stack_end *e);

// Forged SYNs to a port, a second, from so many addresses; 0: no more. False if this stack cannot.
bool stack_flood(double rate, uint32_t spread, uint16_t port);
uint64_t stack_flooded(void); // SYNs so far

// The user's, called from stack_turn(). An end that is over is still to be closed.
void user_connected(struct stack_end *e);
void user_data(struct stack_end *e, const char *bytes, size_t n);
void user_room(struct stack_end *e);
void user_over(struct stack_end *e, const char *why);
