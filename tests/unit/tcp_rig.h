// SPDX-License-Identifier: BSD-2-Clause
// A TCP engine without a port: packets are put in as bytes and come out as bytes, time is a number.
//
// Every packet that leaves is held for a while, as a transmit ring would, and must not have changed when
// it is let go. What is put in may lie in several buffers.

#pragma once

#include "tcp/tcp.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TCP_RIG_FRAME 2048

struct tcp_rig_packet {
	uint64_t at_us;
	uint16_t length; // of the IP packet, which begins at bytes[0]
	uint8_t bytes[TCP_RIG_FRAME];
};

#define TCP_RIG_OUT  512 // packets that came out and were not taken
#define TCP_RIG_HELD 24  // packets in the transmit ring

struct tcp_rig_options {
	struct tcp_settings settings;
	uint32_t connections; // [64], as all zeros below
	uint32_t half_open;   // [64]
	uint32_t time_wait;   // [16]
	uint32_t buffers;     // [1024]
	uint16_t mtu;         // [1500]
	uint64_t start_us;    // [1 s]
	uint8_t secret;
	struct tcp_user user;
};

struct tcp_rig {
	struct tcp *t;
	void *memory;
	size_t size;
	struct rte_mempool *pool;
	struct rte_mempool *in_pool;
	uint64_t now_us;
	uint16_t mtu;
	int no_route;  // what the link answers; 0: there is a way
	bool mute;     // packets that come out are not kept
	unsigned cuts; // buffers that a packet is put in as [1]
	int routes;    // held
	uint16_t home; // ports whose remainder by 4 is this come home; 4: all
	unsigned n_out, next_out;
	unsigned n_held;
	struct rte_mbuf *held[TCP_RIG_HELD];
	uint64_t held_sum[TCP_RIG_HELD];
	struct tcp_rig_packet out[TCP_RIG_OUT];
};

struct tcp_rig_options tcp_rig_defaults(void);
struct tcp_rig *tcp_rig_new(const struct tcp_rig_options *o);
// Ends the engine and checks that every buffer and every route is back.
void tcp_rig_free(struct tcp_rig *r);
// The same without checks, after a failure.
void tcp_rig_abandon(struct tcp_rig *r);

// Time goes by, and timers fire; what is to be sent is sent.
void tcp_rig_time(struct tcp_rig *r, uint64_t now_us);
// An IP packet arrives. What is no sound IP packet is dropped, as the layer below would.
void tcp_rig_put(struct tcp_rig *r, const uint8_t *bytes, size_t length);
// Sound IP packets that carry TCP arrive at once.
#define TCP_RIG_BURST 64u
void tcp_rig_put_burst(struct tcp_rig *r, const uint8_t (*bytes)[TCP_RIG_FRAME],
	const size_t *lengths, unsigned n);
// The next packet that came out, NULL if none.
const struct tcp_rig_packet *tcp_rig_take(struct tcp_rig *r);
// Lets go of all packets in the transmit ring.
void tcp_rig_let_go(struct tcp_rig *r);
// Fails unless the engine's tables agree.
void tcp_rig_check(struct tcp_rig *r);

// What to do when a check fails: abort(), or a test's own failure.
extern void (*tcp_rig_failed)(const char *what, const char *file, int line);

#define TCP_RIG_CHECK(x) ((x) ? (void)0 : tcp_rig_failed(#x, __FILE__, __LINE__))

// Writes IP and TCP checksums into an IP packet that carries TCP, or ICMP.
void tcp_rig_sum(uint8_t *bytes, size_t length);

// A TCP segment by its fields, for tests that put in what they choose.
struct tcp_rig_segment {
	struct postern_addr src, dst;
	uint16_t sport, dport; // host order
	uint32_t seq, ack;
	uint16_t window, urgent;
	uint8_t flags;
	uint8_t n_options; // bytes, padded here
	uint8_t options[40];
	uint16_t length; // of payload
	const uint8_t *payload;
};

size_t tcp_rig_write(const struct tcp_rig_segment *s, uint8_t *bytes);
// Reads one back. False if it is none.
bool tcp_rig_read(const uint8_t *bytes, size_t length, struct tcp_rig_segment *s);
