// SPDX-License-Identifier: BSD-2-Clause
// Sockets of a script over one engine with a virtual clock: what the files of this folder share.

#pragma once

#include "packetdrill/interface.h"
#include "unit/tcp_rig.h"

#include <stdbool.h>
#include <stdint.h>

// By descriptor. Each has one of the process's own behind it: packetdrill closes what a script has left open.
#define SHIM_SOCKETS 256

struct shim_socket {
	bool used;
	bool nonblock;
	bool listens;
	bool connected;
	bool closed;
	bool no_delay;
	bool shut_read;
	bool shut_write;
	bool abort; // SO_LINGER of no time
	int error;  // to be told by the next call
	struct tcp_conn *c;
	struct postern_endpoint local;
	struct tcp_conn *waiting[8]; // accepted by the engine
	unsigned n_waiting;
};

struct shim {
	struct tcp_rig *r;
	struct shim_socket sockets[SHIM_SOCKETS];
	struct postern_addr local4;
	struct postern_addr local6;
	bool push;            // packets leave with PSH where the engine sets it
	unsigned long events; // how many have come, for those who wait
};

extern struct shim shim;

// One thread at a time is within: each call of the table takes and gives back this.
void shim_enter(void);
void shim_leave(void);

// NULL and EBADF if there is none.
struct shim_socket *shim_socket(int fd);
int shim_socket_new(void); // its descriptor

// After anything that has happened: events are taken, what is to leave leaves.
void shim_turn(void);
// Time goes by up to `us`.
void shim_time(uint64_t us);
// Waits until something has happened. False when too long nothing has.
bool shim_wait(void);

int shim_error(int error); // sets errno, returns -1

// calls.c
void shim_calls(struct packetdrill_interface *table);
