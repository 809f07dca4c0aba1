// SPDX-License-Identifier: BSD-2-Clause
// What the parts of the script player share.

#pragma once

#include "tcp_script.h"

#include <netinet/in.h>

#define PEERS     32
#define LINE_MAX_ 1024
#define LATE_US   2048
#define PORT      5061

struct peer {
	uint16_t port; // of the peer
	uint16_t own;  // of the engine
	uint32_t our_iss;
	uint32_t first_ts;
	uint32_t last_ts;
	bool has_iss;
	bool has_ts;
	struct tcp_conn *c;
	uint32_t events;
	size_t written, read;
};

struct options {
	bool given;
	unsigned mss; // 0: none
	int wscale;   // -1: none
	bool sack_ok;
	bool has_ts;
	bool any_value, any_echo;
	uint32_t ts_value, ts_echo;
	unsigned n_sacks;
	uint32_t sacks[4][2];
	uint8_t bytes[64]; // as they lie on the wire
	unsigned n_bytes;
};

struct line {
	uint8_t flags;
	uint32_t seq, end, length;
	bool has_ack, has_win, bad_sum;
	uint32_t ack;
	uint32_t window;
	uint32_t urgent;
	struct options o;
};

// The script that is being played.
struct script {
	const char *path;
	unsigned number;
	bool v6;
	bool skip;
	struct tcp_rig *r;
	struct tcp_rig_options options;
	uint32_t peer_isn;
	unsigned cuts;
	bool no_route;
	struct peer peers[PEERS];
	struct peer *p;
	enum tcp_admission admission;
	uint64_t from_us; // where the time of a line begins
	char place[400];
};

extern struct script script;

void script_wrong(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
struct postern_addr script_addr(bool own);
// The byte that stands at a place of any stream.
uint8_t script_pattern(size_t at);
// What the last line has brought about: packets, events.
void script_settle(void);

// tcp_script_packet.c
void script_read_segment(struct line *l, char *text);
void script_none_left(void);
// Lets time go by, as a worker that is awake would see it. True when a packet has left.
bool script_wait_until(uint64_t until);
void script_expect(char *text, bool timed, uint64_t us);
void script_put(const struct line *l);
void script_put_raw(const char *text);
void script_put_icmp(const char *text);
