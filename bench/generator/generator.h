// SPDX-License-Identifier: BSD-2-Clause
// The generator: clients and members of one postern, at the other end of one memif link. Everything
// runs on one thread. README.md of the folder above describes its world and commands.

#pragma once

#include "bench/generator/histogram.h"

#include "postern/addr.h"

#include <rte_ether.h>
#include <rte_mbuf.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

// The largest burst of memif's that still gains anything.
#define BURST 64u

// What is under way comes back within this.
#define DRAIN_US 20000u

// Answers that wait for room in the ring.
#define OUT_MAX 8192u

// Sessions are named by the upper 20 bits of the sequence numbers of both their sides, so that no
// packet needs a search. The last number marks the SYNs of nobody.
#define FLOW_SHIFT 12
#define FLOWS_MAX  ((1u << (32 - FLOW_SHIFT)) - 1)
#define FLOW_NONE  FLOWS_MAX

// Sessions below stay; those from here on are opened and reset again and again.
#define PASSING_FIRST 1000000u
#define PASSING       32768u

#define SERVICE_PORT 5061
#define MEMBER_PORT  5071

#define MEMBERS 65536u

enum flow_state {
	FLOW_FREE,
	FLOW_ASKED,  // SYN sent
	FLOW_MET,    // a member has it
	FLOW_SERVED, // the member has the client's ACK
};

struct flow {
	uint32_t number;  // of the client's address and port; wire order below
	uint32_t nat;     // lower 32 bits of the address that the member sees
	uint32_t member;  // likewise of the member's own
	uint32_t sent_us; // the first SYN
	uint16_t nat_port;
	uint8_t state;
	uint8_t v6;
	uint8_t met_bad; // a member that does not serve has had its SYN
	uint8_t repeats;
	uint16_t asked_ms; // the last SYN
};

_Static_assert(sizeof(struct flow) == 24, "the generator must not be the bottleneck");

enum member_mode {
	MEMBER_ACCEPTS,
	MEMBER_REFUSES,
	MEMBER_HANGS
};

// What a measurement counts.
struct tally {
	uint64_t sent;
	uint64_t received; // data that has come through
	uint64_t received_bytes;
	uint64_t checked;
	uint64_t wrong;
	uint64_t floods;      // SYNs of nobody sent
	uint64_t floods_seen; // by members
	uint64_t resets;      // received by clients
	uint64_t stray;
	uint64_t met;
	uint64_t served;
	struct histogram delay;
};

struct generator {
	uint16_t port;
	struct rte_mempool *rx_pool;
	struct rte_mempool *tx_pool; // zeros behind the headers of whatever was sent before
	struct rte_ether_addr mac;
	struct rte_ether_addr peer;
	bool peer_known;
	bool echo; // what is sent comes back as it was
	uint64_t hz;
	uint64_t start;
	uint32_t number; // of the next client
	uint64_t random;
	struct flow *flows;
	uint8_t *modes; // enum member_mode, by the lower 16 bits of the address
	uint32_t *free; // passing sessions not in use
	uint32_t n_free;
	bool passing; // passing sessions end as soon as they are served
	uint64_t bad_since_us;
	uint64_t first_rescued_us;
	uint64_t last_met_us;
	uint64_t longest_us; // a session begun after bad_since_us had to wait
	uint64_t rescued;
	uint32_t n_out;
	struct rte_mbuf *out[OUT_MAX];
	struct tally tally;
};

static inline uint64_t now_us(const struct generator *g)
{
	return (rte_rdtsc() - g->start) * 1000000u / g->hz;
}

// wyrand
static inline uint64_t draw(struct generator *g)
{
	g->random += 0xa0761d6478bd642full;
	const unsigned __int128 p =
		(unsigned __int128)g->random * (g->random ^ 0xe7037ed1a0b428dbull);

	return (uint64_t)(p >> 64) ^ (uint64_t)p;
}

// Stamps are 32 bits of the TSC without its lowest: 12 ns, and a minute until they come again.
#define STAMP_SHIFT 5

static inline uint32_t stamp(void)
{
	return (uint32_t)(rte_rdtsc() >> STAMP_SHIFT);
}

// link.c
void link_open(struct generator *g, int argc, char **argv);
// Receives and works on what has come; sends what waits. Returns how many came.
unsigned link_turn(struct generator *g);
// Puts a packet behind those that wait; drops it if there is no room.
static inline void link_push(struct generator *g, struct rte_mbuf *m)
{
	if (g->n_out < OUT_MAX)
		g->out[g->n_out++] = m;
	else
		rte_pktmbuf_free(m);
}

// Asks where the service is until that is known.
bool link_find_peer(struct generator *g);
void link_neighbour(struct generator *g, struct rte_mbuf *m);

// frame.c
struct segment {
	struct postern_addr src, dst;
	uint16_t sport, dport; // wire order
	uint32_t seq, ack;     // host order
	uint8_t flags;
	bool v6;
	uint16_t frame; // bytes of it; 0: no payload. Otherwise stamp and tag lead the payload
	uint32_t stamp;
	uint16_t tag;
};

// The shortest frame with a payload: 6 bytes fill Ethernet's 60 over IPv4.
#define FRAME_LEAST4 60u
#define FRAME_LEAST6 80u

void frame_tcp(struct generator *g, struct rte_mbuf *m, const struct segment *s);
// A template of data segments, and the sums of all that does not vary.
struct frame_kind {
	uint8_t bytes[80];
	uint64_t ip_sum, tcp_sum;
	uint16_t length;
	uint8_t l4, src_at, dst_at;
};

void frame_kind_make(
	struct generator *g, struct frame_kind *k, bool from_member, bool v6, uint16_t frame);

static inline uint16_t frame_fold(uint64_t sum)
{
	sum = (sum >> 32) + (sum & 0xffffffffu);
	sum = (sum >> 16) + (sum & 0xffffu);
	sum = (sum >> 16) + (sum & 0xffffu);
	sum = (sum >> 16) + (sum & 0xffffu);
	return (uint16_t)~sum;
}

// True if all sums of a frame are right.
bool frame_is_sound(const uint8_t *frame, unsigned length);

struct postern_addr addr_client(uint32_t number, bool v6);
struct postern_addr addr_spoofed(uint32_t number, bool v6);
struct postern_addr addr_service(bool v6);
// Of the generator's own link: lower 32 bits, wire order.
struct postern_addr addr_near(uint32_t low, bool v6);
uint16_t port_client(uint32_t number);

// What marks data, made of its sequence number.
static inline uint16_t flow_tag(uint32_t seq)
{
	return (uint16_t)((seq * 0x9e3779b1u) >> 16);
}

// flow.c: what is no data. Takes nothing: the packet stays the caller's.
void flow_input(struct generator *g, const uint8_t *frame, unsigned length);
void flow_ask(struct generator *g, uint32_t flow);
// Looks closely at data that has come through.
void flow_check(struct generator *g, const uint8_t *frame, unsigned length);

// The commands, each with the rest of its line; they print one JSON object.
void open_command(struct generator *g, const char *args);
void new_command(struct generator *g, const char *args);
void send_command(struct generator *g, const char *args);
void replay_command(struct generator *g, const char *args);

// "name=value" in a command's arguments, or the default.
double argument(const char *args, const char *name, double otherwise);
